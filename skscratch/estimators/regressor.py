"""``ScratchMLPRegressor``: the network as a scikit-learn regressor.

Parameters and methods that users see; ``base`` holds what it shares with the
classifier.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from skscratch._messages import warn_user
from skscratch._sklearn import Interval, RegisteredOptions, fit_context
from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.docs import documented
from skscratch.estimators.intervals import (
    IntervalModel,
    check_coverage,
    check_n_samples,
    fit_intervals,
)
from skscratch.estimators.numeric_targets import NumericTargets, quantile_loss
from skscratch.estimators.sources import DataSource
from skscratch.nn.activations import Activation
from skscratch.nn.loss import Loss
from skscratch.nn.losses import LOSSES
from skscratch.training.optimizers import Optimizer
from skscratch.training.schedules import Schedule
from skscratch.training.solvers import Solver

__all__ = ["ScratchMLPRegressor"]


def _loss_names():
    return [name for name, loss in LOSSES.items() if loss.task == "regression"]


def _is_loss(value):
    # What stands in parentheses is checked when the targets are.
    if isinstance(value, str):
        return value.partition("(")[0] in _loss_names() and value.endswith(")")
    return isinstance(value, Loss) and value.task == "regression"


@documented(
    score="R², for 'squared_error' and 'poisson', and otherwise the negative loss"
)
class ScratchMLPRegressor(RegressorMixin, BaseScratchMLP):
    """Multi-layer perceptron regressor, written from scratch on NumPy.

    A drop-in replacement for scikit-learn's ``MLPRegressor``: it has all of its
    parameters and, for the same ``random_state``, trains the same network, to
    rounding. It also has the losses of scikit-learn's other regressors.

    Parameters
    ----------
    loss : {'squared_error', 'absolute_error', 'huber', 'quantile', 'poisson', \
'gamma'}, default='squared_error'
        Loss to minimize. 'squared_error' and 'poisson' predict the mean,
        'absolute_error' the median, 'quantile' the quantiles of the parameter
        ``quantile``, and 'quantile(0.2)' that one. 'huber' is half the squared error up
        to a threshold and linear beyond; 'huber(1.5)' sets the threshold, which
        otherwise is the quantile 0.9 of the targets' distances from their median.
        'poisson', for targets that are not negative, and 'gamma', for positive ones,
        are half the deviance, and predict the exponential of the raw outputs. Over
        several outputs, the squared error is averaged and the others are summed.
        'lbfgs' does not minimize 'absolute_error' and 'quantile', whose gradients jump.
        A ``Loss`` of your own works too.
    {parameters}
    quantile : float or sequence of float, default=0.5
        Quantiles that ``loss='quantile'`` predicts, each above 0 and below 1. Those of
        a sequence are predicted by one network and never cross.
    intervals : bool, default=False
        Whether ``fit`` also trains a second network, of the same parameters, for
        ``predict_interval``. It predicts quantiles of the targets, learned from three
        quarters of the samples and calibrated on the others. ``predict`` is the same
        with and without.

    Attributes
    ----------
    {attributes}
    interval_model_ : IntervalModel
        Quantiles and their calibration. Only with ``intervals=True``.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : The class that this one replaces.

    Notes
    -----
    See ``ScratchMLPClassifier``. Training works best on standardized targets: see
    ``sklearn.compose.TransformedTargetRegressor``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skscratch import ScratchMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> reg = ScratchMLPRegressor(solver="lbfgs", alpha=100.0, random_state=0)
    >>> reg.fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **BaseScratchMLP._parameter_constraints,
        "loss": [
            RegisteredOptions(
                _loss_names,
                _is_loss,
                ", such a name with a parameter as in 'huber(1.5)', or a Loss",
            )
        ],
        "quantile": [Interval(numbers.Real, 0, 1, closed="neither"), "array-like"],
        "intervals": ["boolean"],
    }

    interval_model_: IntervalModel

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: ArrayLike | int = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str | type[Optimizer] | Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | type[Schedule] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int | str = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        scoring: str | Callable[..., float] | None = None,
        restore_best: bool | str = True,
        validation_split: Any = None,
        init: str | Callable[..., Any] | tuple[Any, Any] = "glorot",
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        warmup_fraction: float | None = None,
        max_grad_norm: float | None = None,
        averaging: float | None = None,
        dtype: str = "auto",
        n_estimators: int = 1,
        share_batches: bool = False,
        quantile: float | Sequence[float] = 0.5,
        intervals: bool = False,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.scoring = scoring
        self.restore_best = restore_best
        self.validation_split = validation_split
        self.init = init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.warmup_fraction = warmup_fraction
        self.max_grad_norm = max_grad_norm
        self.averaging = averaging
        self.dtype = dtype
        self.n_estimators = n_estimators
        self.share_batches = share_batches
        self.quantile = quantile
        self.intervals = intervals

    @available_if(lambda self: self._supports_streams())
    @one_fit_at_a_time
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on the given data, which may be part of a stream.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative. Unlike in ``fit``, weights are not
            scaled to a mean of 1, as the mean over a stream is not known.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in ``fit``. Also for ``early_stopping=True``.
        AttributeError
            For ``solver='lbfgs'``, ``intervals=True``, and a ``learning_rate`` that is
            planned for ``max_iter`` epochs: then there is no such method.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the targets of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With several quantiles, they are the last axis: (n_samples, n_quantiles) or
            (n_samples, n_outputs, n_quantiles).
        """
        fitted = self._fitted_view()
        predictions = fitted._raw_outputs(X, fitted._targets.predict)
        return fitted._targets.arrange(predictions)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        fitted = self._fitted_view()
        if fitted._targets.n_predictions > 1:
            raise ValueError(
                "score needs one prediction for each target, but several are predicted,"
                f" such as the quantiles {self.quantile!r}: score them one by one, as "
                "by sklearn.metrics.d2_pinball_score."
            )
        if isinstance(X, DataSource):
            X, y, sample_weight = X.scored_data(fitted, y, sample_weight)
        return super().score(X, y, sample_weight)

    @available_if(lambda self: self._has_intervals())
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the targets of each sample.

        Only after a fit with ``intervals=True``. If samples are drawn from the same
        distribution as the training data, the probability that an interval holds its
        target is at least ``coverage``, averaged over samples and training data: see
        Romano, Patterson and Candès, *Conformalized quantile regression*, NeurIPS
        2019, theorem 1. It is not a statement about each single sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        coverage : float, default=0.9
            Probability that an interval holds its target, above 0 and below 1.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds.

        Raises
        ------
        ValueError
            If ``coverage`` is no probability, or needs more rows for calibration than
            there were.
        """
        check_coverage(coverage)
        fitted = self._fitted_view()
        X = fitted._validated(X)
        bounds = fitted.interval_model_.predict(X, coverage)
        return bounds[:, 0] if bounds.shape[1] == 1 else bounds

    def _supports_streams(self):
        # Other values are refused by the method.
        if isinstance(self.intervals, bool | np.bool_) and self.intervals:
            raise AttributeError(
                "partial_fit is not available with intervals=True, whose calibration "
                "needs all data at once. Use fit, or intervals=False."
            )
        return super()._supports_streams()

    def _has_intervals(self):
        if not hasattr(self, "interval_model_"):
            raise AttributeError(
                "predict_interval is only available after a fit with intervals=True."
            )
        return True

    def _more_attributes(self, data, splits, *, is_interrupted):
        if not self.intervals:
            return {}
        if is_interrupted:
            warn_user("fit was interrupted before it could train the intervals.")
            return {}
        model = fit_intervals(self, data, splits)
        return {
            "interval_model_": model,
            "is_interrupted_": model.estimator.is_interrupted_,
        }

    def _make_targets(self, y, previous, classes, is_incremental):
        loss = self.loss if self.loss != "quantile" else quantile_loss(self.quantile)
        if self.intervals:
            check_n_samples(len(y))
        if previous is None:
            return NumericTargets.fit(y, loss)
        previous.check_later(y, loss)
        return previous

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in ("poisson", "gamma")
        return tags
