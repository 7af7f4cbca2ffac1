"""``ScratchMLPRegressor``: the network as a scikit-learn regressor.

Parameters and methods that users see; ``base`` holds what it shares with the
classifier.
"""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from skscratch._sklearn import StrOptions, fit_context
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.docs import documented
from skscratch.nn.losses import resolve_loss

__all__ = ["ScratchMLPRegressor"]


@documented(score="the coefficient of determination")
class ScratchMLPRegressor(RegressorMixin, BaseScratchMLP):
    """Multilayer perceptron that predicts numbers, trained from scratch on NumPy.

    Takes the place of scikit-learn's ``MLPRegressor``: all its parameters, and for the
    same ``random_state`` the same training, to rounding. It minimises half the squared
    error or half the Poisson deviance by stochastic gradient descent, Adam or L-BFGS.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        What is minimised. Of several outputs the squared error is the mean over them,
        the Poisson deviance the sum; 'poisson' is for targets that are not negative,
        and predicts by the exponential of the raw outputs.
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    sklearn.neural_network.MLPRegressor : What this is modelled on.

    Notes
    -----
    As in ``ScratchMLPClassifier``. Targets train best when they are standardised, for
    example by ``sklearn.compose.TransformedTargetRegressor``.

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
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        scoring=None,
        restore_best=True,
        init="glorot",
        dropout=0.0,
        weight_decay=0.01,
        warmup_fraction=None,
        max_grad_norm=None,
        averaging=None,
        dtype="auto",
        n_estimators=1,
        share_batches=False,
    ):
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

    @available_if(lambda self: self._has_stochastic_solver())
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on data that may be a part of a stream.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative. Weights count as given, and are not
            brought to a mean of 1 as in ``fit``, for a stream has no known mean.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in ``fit``; also for ``early_stopping=True`` and a ``learning_rate``
            that is planned to its end.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """Predict the targets of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        predictions = self._outputs_for(X, self._predictions)
        return predictions if self.n_outputs_ > 1 else predictions[:, 0]

    def _predictions(self, Z):
        return self._trained_loss().predictions(Z)

    def _loss(self):
        return self.loss

    def _goodness(self, Z, Y, weights):
        """Coefficient of determination."""
        predictions = self._predictions(Z.T).T
        return float(r2_score(Y, predictions, sample_weight=weights))

    def _encode_held_out(self, y):
        Y = y[:, np.newaxis] if y.ndim == 1 else y
        if Y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y_val must have the {self.n_outputs_} outputs of y, got {Y.shape[1]}."
            )
        return self._checked(Y, "y_val")

    def _encode_targets(self, y, first, incremental, classes):
        """Targets as they are, a column an output."""
        Y = y[:, np.newaxis] if y.ndim == 1 else y
        if not first and Y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {Y.shape[1]} outputs, but the network to go on with has "
                f"{self.n_outputs_}."
            )
        return self._checked(Y, "y")

    def _checked(self, Y, name):
        """Refuse targets that are no numbers, or not those of the loss."""
        if Y.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers, got {Y.dtype}.")
        resolve_loss(self.loss).check_targets(Y, name)
        # Truth values are numbers here.
        return Y * 1 if Y.dtype == bool else Y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
