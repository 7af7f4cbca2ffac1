"""``ScratchMLPRegressor``: the network as a scikit-learn regressor.

Parameters and methods that users see; ``base`` holds what it shares with the
classifier.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from skscratch._sklearn import RegisteredOptions, fit_context
from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.docs import documented
from skscratch.estimators.targets import NumericTargets
from skscratch.nn.activations import Activation
from skscratch.nn.losses import LOSSES, Loss
from skscratch.training.optimizers import Optimizer
from skscratch.training.schedules import Schedule
from skscratch.training.solvers import Solver

__all__ = ["ScratchMLPRegressor"]


def _loss_names():
    return [name for name, loss in LOSSES.items() if loss.task == "regression"]


def _is_loss(value):
    return isinstance(value, Loss) and value.task == "regression"


@documented(score="the coefficient of determination")
class ScratchMLPRegressor(RegressorMixin, BaseScratchMLP):
    """Multi-layer perceptron regressor, written from scratch on NumPy.

    A drop-in replacement for scikit-learn's ``MLPRegressor``: it has all of its
    parameters and, for the same ``random_state``, trains the same network, to
    rounding. It minimizes half the squared error or half the Poisson deviance by
    stochastic gradient descent, Adam or L-BFGS.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        Loss to minimize. Over several outputs, the squared error is averaged and the
        Poisson deviance summed. 'poisson' requires targets that are not negative, and
        predicts the exponential of the raw outputs. A ``Loss`` of your own works too.
    {parameters}

    Attributes
    ----------
    {attributes}

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
        "loss": [RegisteredOptions(_loss_names, _is_loss, " or a Loss")],
    }

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
        init: str | Callable[..., Any] | tuple[Any, Any] = "glorot",
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        warmup_fraction: float | None = None,
        max_grad_norm: float | None = None,
        averaging: float | None = None,
        dtype: str = "auto",
        n_estimators: int = 1,
        share_batches: bool = False,
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
        self.init = init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.warmup_fraction = warmup_fraction
        self.max_grad_norm = max_grad_norm
        self.averaging = averaging
        self.dtype = dtype
        self.n_estimators = n_estimators
        self.share_batches = share_batches

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
            For ``solver='lbfgs'``, and a ``learning_rate`` that is planned for
            ``max_iter`` epochs: then there is no such method.
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
        """
        fitted = self._fitted_view()
        predictions = fitted._raw_outputs(X, fitted._targets.predict)
        return predictions if predictions.shape[1] > 1 else predictions[:, 0]

    def _make_targets(self, y, previous, classes, is_incremental):
        if previous is None:
            return NumericTargets.fit(y, self.loss)
        previous.check_later(y, self.loss)
        return previous

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
