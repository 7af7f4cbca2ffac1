"""``HedgedRegressor``: a regressor that blends networks of several kinds."""

import contextlib
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skscratch._messages import warn_user
from skscratch._sklearn import callbacks_of
from skscratch.estimators import ScratchMLPRegressor
from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.estimators.intervals import (
    IntervalModel,
    check_coverage,
    check_n_samples,
    fit_intervals,
)
from skscratch.estimators.numeric_targets import NumericTargets, quantile_loss
from skscratch.estimators.validation import validate_prediction_data
from skscratch.nn.checks import as_numbers
from skscratch.nn.losses import SquaredError, resolve_loss
from skscratch.tabular.blend import NumberJudge
from skscratch.tabular.deadline import Deadline
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
from skscratch.training.data import FitData

__all__ = ["HedgedRegressor"]

# Number of members of the quantile network for intervals.
INTERVAL_MEMBERS = 8


class HedgedRegressor(RegressorMixin, BaseHedge):
    """Regressor that blends networks of several kinds.

    Each kind encodes numbers in its own way, for example piecewise linearly, by cosines
    or by ranks. A few members of each kind are trained, each on all samples except
    those of one fold. The predictions of the kinds are averaged with the weights that
    minimize the loss on these folds. With ``effort='high'``, more members are then
    trained of the kinds with large weights. If targets are skewed, one kind learns
    their logarithms.

    It is the last step of ``make_tabular_regressor``, whose first step prepares the
    samples: categories are one-hot encoded and missing values imputed. Targets are
    standardized, or only divided by their standard deviation for the losses 'poisson'
    and 'gamma'. A target that is constant in ``fit`` is predicted exactly.

    Parameters
    ----------
    estimator : ScratchMLPRegressor, default=None
        Network with the parameters of all members, some of which their kind overrides.
        ``n_estimators`` is the number of members of each kind that the default effort
        trains. None means the recipe of ``make_tabular_regressor``.
    kinds : 'auto' or sequence of str, default='auto'
        Names of kinds in ``skscratch.tabular.kinds.KINDS``. 'auto' means all. Kinds
        that do not suit the targets are left out.
    effort : {'low', 'default', 'high'}, default='default'
        Number of members, and maximum length of their training.
    time_limit : float, default=None
        Approximate time limit of ``fit`` in seconds. To meet it, members are trained
        for fewer epochs or left out, so results are not reproducible.

    Attributes
    ----------
    members_ : list of Members
        Trained networks, one item for each kind. With ``effort='high'``, kinds whose
        weight was small after an earlier round have been dropped.
    weights_ : ndarray of shape (n_kinds,)
        Weights of these kinds; they sum to 1.
    scaler_ : Pipeline
        Scaler of the targets. Members predict scaled targets.
    n_axes_ : int
        Number of axes of the targets in ``fit``.
    interval_model_ : IntervalModel
        Quantiles and their calibration. Defined only if the estimator has
        ``intervals=True``.
    interval_encoder_ : KindEncoder
        Encoder of the inputs of ``interval_model_``. Defined only if the estimator has
        ``intervals=True``.
    is_interrupted_ : bool
        Whether the user interrupted training with Ctrl-C.
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

    def _template(self) -> Any:
        if self.estimator is None:
            return ScratchMLPRegressor(**with_recipe(REGRESSOR_RECIPE, {}))
        return self.estimator

    def _prepare(
        self,
        template: Any,
        given: Any,
        validation: Any,
        n_splits: int,
        classes: Any,
    ) -> Prepared:
        X, y, sample_weight = given
        y = y.toarray() if issparse(y) else y
        loss = _loss_of(template)
        # Non-negative targets are only divided by their scale, to stay non-negative.
        has_sign = resolve_loss(loss).output != "exp"
        self.scaler_ = make_target_scaler(with_mean=has_sign)
        if y is not None:
            check_finite(y)
            y = as_numbers(y, "y").astype(np.float64)
        # `prepare` raises an error for targets of other shapes.
        if y is not None and y.size and y.ndim in (1, 2):
            check_scale(y)
            rows = _rows_that_count(sample_weight, len(y))
            self.scaler_.fit(y[rows].reshape(len(rows), -1))
            y = scaled(self.scaler_, y)
            validation = self._scale_validation(validation, y.shape[1:])
        prepared = prepare(
            self,
            template,
            (X, y, sample_weight),
            validation,
            lambda y: NumericTargets.fit(y, loss),
            max(n_splits, INTERVAL_MEMBERS) if template.intervals else n_splits,
        )
        if template.intervals:
            check_n_samples(prepared.training.n_samples)
        return prepared

    def _scale_validation(self, validation: Any, shape: tuple[int, ...]) -> Any:
        y_val = validation.y_val
        if y_val is None:
            return validation
        y_val = y_val.toarray() if issparse(y_val) else y_val
        check_finite(y_val, "y_val")
        y_val = as_numbers(y_val, "y_val").astype(np.float64)
        if y_val.ndim != 1 + len(shape) or y_val.shape[1:] != shape or not y_val.size:
            return validation  # `prepare` raises an error.
        return validation._replace(y_val=scaled(self.scaler_, y_val))

    def _make_judge(self, template: Any, prepared: Prepared) -> Any:
        judged = prepared.judged
        loss = resolve_loss(prepared.targets.loss)
        return NumberJudge(judged.Y, judged.weights, loss)

    def _is_applicable(self, name: str, prepared: Prepared) -> bool:
        if not KINDS[name].logs_targets:
            return True
        is_squared = isinstance(resolve_loss(prepared.targets.loss), SquaredError)
        return is_squared and is_skewed(prepared.training.Y)

    def _scaler_of(self, name: str, prepared: Prepared) -> Any:
        if not KINDS[name].logs_targets:
            return None
        # In float64: in float32, a target of 0 has a distance from zero by rounding.
        Y = np.reshape(prepared.data.y, (len(prepared.data.y), -1))
        zero = self.scaler_.transform(np.zeros((1, Y.shape[1])))[0]
        return make_target_scaler(with_mean=True, logs_from=zero).fit(Y)

    def _training_share(self, template: Any) -> float:
        # The quantile network takes about as long as all members.
        return 0.5 if template.intervals else 1.0

    def _attributes_of_task(
        self, template: Any, prepared: Prepared, hedge: Hedge, deadline: Deadline
    ) -> Any:
        attributes = {
            "scaler_": self.scaler_,
            "n_axes_": np.ndim(prepared.data.y),
        }
        if not template.intervals or hedge.error is not None:
            return attributes
        if not hedge.is_interrupted:
            # Between the fits of two networks, an interruption is an exception.
            with contextlib.suppress(KeyboardInterrupt):
                return attributes | self._fit_intervals(
                    template, prepared, hedge, deadline
                )
        warn_user("fit was interrupted before it could train the intervals.")
        return attributes | {"is_interrupted_": True}

    def _fit_intervals(
        self, template: Any, prepared: Prepared, hedge: Hedge, deadline: Deadline
    ) -> dict[str, Any]:
        """Train a quantile network of the kind with the largest weight."""
        ranked = np.argsort(-hedge.weights, kind="stable")
        members = next(
            (hedge.members[i] for i in ranked if hedge.members[i].scaler is None),
            hedge.members[0],
        )
        seed = prepared.rng.randint(np.iinfo(np.int32).max)
        regressor = members.make_network(template, INTERVAL_MEMBERS, seed, [])
        encode = members.encoder.transform
        training = prepared.training._replace(X=encode(prepared.training.X))
        splits = []
        for split in prepared.splits:
            data = training
            if not split.is_drawn:  # X_val.
                data = split.data._replace(X=encode(split.data.X))
            splits.append(split._replace(data=data))

        def fit(network: Any, callbacks: list[Any]) -> IntervalModel:
            return fit_intervals(network, training, splits, callbacks)

        deadline.plan(
            regressor, lambda copied: fit(copied, callbacks_of(copied)).estimator, 1
        )
        model = fit(regressor, deadline.callbacks())
        return {
            "interval_model_": model,
            "interval_encoder_": members.encoder,
            "is_interrupted_": model.estimator.is_interrupted_,
        }

    @available_if(lambda self: self._supports_streams())
    @one_fit_at_a_time
    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train all members for one epoch on further samples.

        Encoders, the scaling of targets and the weights of the kinds stay as ``fit``
        learned them, and so does ``predict_interval``. Training uses a constant
        learning rate of ``0.2 * learning_rate_init`` and, unless the estimator sets
        them otherwise than the recipe, batches of 32 samples and ``averaging=0.99``.
        Its optimizer continues from call to call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, without missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative sample weights. Unlike in ``fit``, they are not scaled to a
            mean of 1.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data are invalid, if a target that was constant in ``fit`` has another
            value, or if training diverges. The estimator stays unchanged, as it does
            after Ctrl-C.
        AttributeError
            Before ``fit``, and for ``solver='lbfgs'``: then there is no such method.
        """
        return self._partial_fit(X, y, sample_weight, None)

    def _validate_further(
        self, X: Any, y: Any, sample_weight: Any, classes: Any
    ) -> FitData:
        y = y.toarray() if issparse(y) else y
        if y is not None:
            check_finite(y)
            y = as_numbers(y, "y").astype(np.float64)
            constants = self.scaler_["scale"].constants_
            # The base class raises an error for targets of other shapes.
            if y.ndim in (1, 2) and y.size and y[:1].size == len(constants):
                _check_constants(y.reshape(len(y), -1), constants)
                y = scaled(self.scaler_, y)
        return super()._validate_further(X, y, sample_weight, classes)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the targets of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions. Several quantiles are along a further last axis.
        """
        fitted = self._fitted_view()
        return restored(fitted.scaler_, fitted._blend(X), fitted.n_axes_)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
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
        if self._has_several_predictions():
            self.estimator_.score(X, y)  # Raises an error that says what to do.
        return float(super().score(X, y, sample_weight))

    def _has_several_predictions(self) -> bool:
        """Return whether several quantiles are predicted for each target."""
        n_targets = np.size(self.scaler_["scale"].scale_)
        return bool(self.estimator_.n_outputs_ > n_targets)

    @available_if(lambda self: self._has_intervals())
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict intervals for the targets of each sample, in their own units.

        See ``ScratchMLPRegressor.predict_interval`` for the coverage guarantee.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        coverage : float, default=0.9
            Probability that an interval contains its target, above 0 and below 1.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds.
        """
        check_coverage(coverage)
        fitted = self._fitted_view()
        X = validate_prediction_data(fitted, X, (np.float64, np.float32))
        inputs = fitted.interval_encoder_.transform(X)
        bounds = fitted.interval_model_.predict(inputs, coverage)
        bounds = bounds[:, 0] if fitted.n_axes_ == 1 else bounds
        return restored(fitted.scaler_, bounds, fitted.n_axes_)

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


def _loss_of(template: Any) -> Any:
    """Loss of a network, with its quantiles."""
    is_quantile = template.loss == "quantile"
    return quantile_loss(template.quantile) if is_quantile else template.loss


def _check_constants(y: NDArray[Any], constants: NDArray[np.float64]) -> None:
    """Refuse to train on values of a target that is predicted as a constant.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_outputs)
    constants : ndarray of shape (n_outputs,)
        nan where a target varied in ``fit``.

    Raises
    ------
    ValueError
        If there are values other than the constant.
    """
    differs = ~(np.isnan(constants) | np.isclose(y, constants, rtol=1e-9, atol=0))
    if differs.any():
        row, output = np.argwhere(differs)[0]
        raise ValueError(
            f"y holds {y[row, output]}, but all targets in fit were "
            f"{constants[output]}, which is all that the model predicts: call fit on "
            "targets that vary."
        )


def _rows_that_count(sample_weight: Any, n_samples: int) -> NDArray[np.intp]:
    """Rows of positive weight; all rows if there are no weights, or invalid ones.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Invalid weights are refused later.
    n_samples : int

    Returns
    -------
    ndarray of int
    """
    weights = np.ones(n_samples)
    if sample_weight is not None:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            weights = np.asarray(sample_weight, dtype=np.float64)
    is_valid = weights.shape == (n_samples,) and (weights > 0).any()
    return np.flatnonzero(weights > 0) if is_valid else np.arange(n_samples)
