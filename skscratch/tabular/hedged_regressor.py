"""``HedgedRegressor``: a regressor that blends networks of several kinds."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skscratch._messages import warn_user
from skscratch.estimators import ScratchMLPRegressor
from skscratch.estimators.intervals import (
    IntervalModel,
    check_coverage,
    check_n_samples,
    fit_intervals,
)
from skscratch.estimators.numeric_targets import NumericTargets, quantile_loss
from skscratch.estimators.validation import validate_prediction_data
from skscratch.nn.checks import as_numbers
from skscratch.nn.losses import resolve_loss
from skscratch.tabular.blend import NumberJudge
from skscratch.tabular.defaults import REGRESSOR_RECIPE, with_recipe
from skscratch.tabular.hedge import CONSTRAINTS, BaseHedge
from skscratch.tabular.kinds import KINDS
from skscratch.tabular.preparation import Prepared, prepare
from skscratch.tabular.rounds import Hedge
from skscratch.tabular.targets import (
    check_finite,
    check_scale,
    is_skewed,
    make_target_scaler,
    restored,
    scaled,
)

__all__ = ["HedgedRegressor"]

# Members of the network of quantiles behind intervals.
INTERVAL_MEMBERS = 8


class HedgedRegressor(RegressorMixin, BaseHedge):
    """Regressor that blends networks of several kinds.

    Each kind sees numbers in its own way: by pieces, waves or logarithms. A few members
    of each kind are trained, each on all samples but those of a fold, and the
    predictions of the kinds are averaged by the weights that minimize the loss on these
    folds. Then more members are trained of the kinds that earned weight. Where targets
    are skewed, one kind learns their logarithms.

    It is the last step of ``make_tabular_regressor``. Samples should come as that
    pipeline's first step prepares them: scaled, with categories as indicators. Targets
    are standardized for the networks, but only divided by their standard deviation for
    the losses 'poisson' and 'gamma'. A target that is constant in ``fit`` is predicted
    exactly.

    Parameters
    ----------
    estimator : ScratchMLPRegressor, default=None
        Its parameters are those of all members, but for what their kind changes;
        ``n_estimators`` is the number of members of a kind in a round. None means the
        recipe of ``make_tabular_regressor``.
    kinds : 'auto' or sequence of str, default='auto'
        Names of kinds in ``skscratch.tabular.kinds.KINDS``. 'auto' means all. Those
        that do not suit the targets are left out.
    effort : {'low', 'default', 'high'}, default='default'
        How many members are trained, and how long at the most.
    time_limit : float, default=None
        Seconds that ``fit`` may take, about: members that do not fit are left out, or
        trained for fewer epochs. With a limit, results are not reproducible.

    Attributes
    ----------
    members_ : list of Members
        Trained networks, one item for each kind that is left.
    weights_ : ndarray of shape (n_kinds,)
        Weights of these kinds; they sum to 1.
    scaler_ : Pipeline
        Of the targets. Members predict scaled targets.
    n_axes_ : int
        Number of axes of the targets in ``fit``.
    interval_model_ : IntervalModel
        Quantiles and their calibration. Only with ``intervals=True`` of the estimator.
    interval_encoder_ : KindEncoder
        Encodes the inputs of ``interval_model_``. Only with ``intervals=True``.
    is_interrupted_ : bool
        Whether the user interrupted the training by Ctrl-C.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    See Also
    --------
    skscratch.make_tabular_regressor : A pipeline for tables.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skscratch.tabular import HedgedRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> reg = HedgedRegressor(effort="low").fit(scale(X), y)
    >>> reg.score(scale(X), y) > 0.4
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **CONSTRAINTS,
        "estimator": [ScratchMLPRegressor, None],
    }

    scaler_: Any
    interval_model_: IntervalModel

    def __init__(
        self,
        estimator: ScratchMLPRegressor | None = None,
        *,
        kinds: Any = "auto",
        effort: str = "default",
        time_limit: float | None = None,
    ) -> None:
        self.estimator = estimator
        self.kinds = kinds
        self.effort = effort
        self.time_limit = time_limit

    def _template(self) -> Any:
        if self.estimator is None:
            return ScratchMLPRegressor(**with_recipe(REGRESSOR_RECIPE, {}))
        return self.estimator

    def _prepare(
        self, template: Any, given: Any, validation: Any, n_splits: int
    ) -> Prepared:
        X, y, sample_weight = given
        y = y.toarray() if issparse(y) else y
        loss = template.loss
        if loss == "quantile":
            loss = quantile_loss(template.quantile)
        # Counts are only divided by their scale, so that they stay non-negative.
        has_sign = template.loss not in ("poisson", "gamma")
        self.scaler_ = make_target_scaler(with_mean=has_sign)
        if y is not None:
            check_finite(y)
            y = as_numbers(y, "y").astype(np.float64)
        # Targets of other shapes are refused by `prepare`.
        if y is not None and y.size and y.ndim in (1, 2):
            check_scale(y)
            self.scaler_.fit(y.reshape(len(y), -1))
            y = scaled(self.scaler_, y)
            validation = self._scale_validation(validation, y.shape[1:])
        prepared = prepare(
            self,
            template,
            (X, y, sample_weight),
            validation,
            lambda y: NumericTargets.fit(y, loss),
            n_splits,
        )
        if template.intervals:
            check_n_samples(prepared.training.n_samples)
        return prepared

    def _scale_validation(self, validation: Any, shape: tuple[int, ...]) -> Any:
        if validation.y_val is None:
            return validation
        check_finite(validation.y_val)
        y_val = as_numbers(validation.y_val, "y_val").astype(np.float64)
        if y_val.ndim != 1 + len(shape) or y_val.shape[1:] != shape or not y_val.size:
            return validation  # Refused by `prepare`.
        return validation._replace(y_val=scaled(self.scaler_, y_val))

    def _make_judge(self, template: Any, prepared: Prepared) -> Any:
        judged = prepared.judged
        loss = resolve_loss(prepared.targets.loss)
        return NumberJudge(judged.Y, judged.weights, loss)

    def _suits(self, name: str, prepared: Prepared) -> bool:
        if not KINDS[name].logs_targets:
            return True
        is_squared = prepared.targets.loss == "squared_error"
        return is_squared and is_skewed(prepared.training.Y)

    def _scaler_of(self, name: str, prepared: Prepared) -> Any:
        if not KINDS[name].logs_targets:
            return None
        Y = prepared.training.Y
        zero = self.scaler_.transform(np.zeros((1, Y.shape[1])))[0]
        return make_target_scaler(with_mean=True, logs_from=zero).fit(Y)

    def _attributes_of_task(
        self, template: Any, prepared: Prepared, hedge: Hedge
    ) -> Any:
        attributes = {
            "scaler_": self.scaler_,
            "n_axes_": np.ndim(prepared.data.y),
        }
        if not template.intervals or hedge.error is not None:
            return attributes
        if hedge.is_interrupted:
            warn_user("fit was interrupted before it could train the intervals.")
            return attributes
        return attributes | self._fit_intervals(template, prepared, hedge)

    def _fit_intervals(
        self, template: Any, prepared: Prepared, hedge: Hedge
    ) -> dict[str, Any]:
        """Train a network of quantiles, of the kind that counts most."""
        ranked = np.argsort(-hedge.weights, kind="stable")
        members = next(
            (hedge.members[i] for i in ranked if hedge.members[i].scaler is None),
            hedge.members[0],
        )
        seed = prepared.rng.randint(np.iinfo(np.int32).max)
        regressor = members.make_network(template, INTERVAL_MEMBERS, seed, [])
        regressor.set_callbacks()
        encode = members.encoder.transform
        training = prepared.training._replace(X=encode(prepared.training.X))
        splits = []
        for split in prepared.splits:
            data = training
            if not split.is_drawn:  # The user's own table.
                data = split.data._replace(X=encode(split.data.X))
            splits.append(split._replace(data=data))
        return {
            "interval_model_": fit_intervals(regressor, training, splits),
            "interval_encoder_": members.encoder,
        }

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the targets of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With several quantiles, they are the last axis.
        """
        blend = self._blend(X)
        return restored(self.scaler_, blend, self.n_axes_)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If several quantiles are predicted, which have no R².
        """
        check_is_fitted(self)
        if self.members_[0].networks[0].n_outputs_ > np.size(self.scaler_[-2].scale_):
            self.estimator_.score(X, y)  # Its error says what to do instead.
        return float(super().score(X, y, sample_weight))

    @available_if(lambda self: self._has_intervals())
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the targets of each sample, in their own units.

        What it promises is described in ``ScratchMLPRegressor.predict_interval``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        coverage : float, default=0.9
            Probability that an interval holds its target, above 0 and below 1.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds.
        """
        check_coverage(coverage)
        X = validate_prediction_data(self, X, (np.float64, np.float32))
        bounds = self.interval_model_.predict(
            self.interval_encoder_.transform(X), coverage
        )
        bounds = bounds[:, 0] if self.n_axes_ == 1 else bounds
        return restored(self.scaler_, bounds, self.n_axes_)

    def _has_intervals(self) -> bool:
        if not hasattr(self, "interval_model_"):
            raise AttributeError(
                "predict_interval is only available after a fit with intervals=True."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self._template().loss in ("poisson", "gamma")
        return tags
