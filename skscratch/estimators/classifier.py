"""``ScratchMLPClassifier``: the network as a scikit-learn classifier.

Parameters and methods that users see; ``base`` holds what it shares with the regressor.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skscratch._sklearn import Interval, StrOptions, fit_context
from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.class_targets import ClassTargets
from skscratch.estimators.docs import documented
from skscratch.estimators.sources import DataSource
from skscratch.estimators.validation import refuse_other_libraries
from skscratch.nn.activations import Activation
from skscratch.training.optimizers import Optimizer
from skscratch.training.schedules import Schedule
from skscratch.training.solvers import Solver

__all__ = ["ScratchMLPClassifier"]


@documented(score="the accuracy")
class ScratchMLPClassifier(ClassifierMixin, BaseScratchMLP):
    """Multi-layer perceptron classifier, written from scratch on NumPy.

    A drop-in replacement for scikit-learn's ``MLPClassifier``: it has all of its
    parameters and, for the same ``random_state``, trains the same network, to
    rounding. It minimizes the log-loss by stochastic gradient descent, Adam or L-BFGS.

    Parameters
    ----------
    {parameters}
    class_weight : dict, list of dict, 'balanced' or None, default=None
        Weight of each class, by its label, which multiplies the sample weights;
        'balanced' weighs a class by ``n_samples / (n_classes * n_samples_of_class)``.
        For multilabel targets a list with one dict per label, or 'balanced'.
    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over all classes in training. The
        reported loss is that of the smoothed targets, except on validation data.
    temperature_scaling : bool, default=False
        Whether to divide the raw outputs by a number, the temperature, that minimizes
        the log-loss on the validation data of early stopping (Guo et al., *On
        calibration of modern neural networks*, ICML 2017, section 4.2), to which one
        sample is added that belongs to all classes equally. The members of an ensemble
        share one temperature, fitted on all of their validation data.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    temperature_ : float
        Number that raw outputs are divided by. Only with ``temperature_scaling``, and
        if no error of a callback or scorer ended the training.
    {attributes}

    See Also
    --------
    sklearn.neural_network.MLPClassifier : The class that this one replaces.

    Notes
    -----
    Weights are initialized as proposed by Glorot and Bengio, *Understanding the
    difficulty of training deep feedforward neural networks*, AISTATS 2010. Adam is
    described by Kingma and Ba, arXiv 1412.6980.

    Differences from ``MLPClassifier``: the meaning of sample weights (see ``fit``),
    ``decision_function``, which it lacks, and ``random_state=None``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ScratchMLPClassifier(solver="lbfgs", alpha=1.0, random_state=0)
    >>> clf.fit(X, y).predict(X[:1])
    array([0])
    """

    _parameter_constraints: dict = {
        **BaseScratchMLP._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "label_smoothing": [Interval(numbers.Real, 0, 1, closed="left")],
        "temperature_scaling": ["boolean"],
    }

    def __init__(
        self,
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
        class_weight: dict[Any, float] | list[dict[Any, float]] | str | None = None,
        label_smoothing: float = 0.0,
        temperature_scaling: bool = False,
    ) -> None:
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.temperature_scaling = temperature_scaling

    @available_if(lambda self: self._supports_streams())
    @one_fit_at_a_time
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on the given data, which may be part of a stream.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes; some of them may be missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative. Unlike in ``fit``, weights are not
            scaled to a mean of 1, as the mean over a stream is not known.
        classes : array-like of shape (n_classes,), default=None
            All classes that may occur in any call. Required in the first call.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in ``fit``. Also for ``early_stopping=True``,
            ``class_weight='balanced'``, no ``classes`` in the first call, and classes
            that were not among them.
        AttributeError
            For ``solver='lbfgs'``, and a ``learning_rate`` that is planned for
            ``max_iter`` epochs: then there is no such method.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit does not support class_weight='balanced', as the class "
                "frequencies of a stream are not known: compute the weights with "
                "sklearn.utils.class_weight.compute_class_weight and pass a dict."
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each sample, or its labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or all labels with a probability above 0.5.
        """
        fitted = self._fitted_view()
        return fitted._targets.predict(fitted._raw_outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probability of each class, or of each label; it is never 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        fitted = self._fitted_view()
        return fitted._raw_outputs(X, fitted._targets.probabilities)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithm of the probabilities, which is finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        fitted = self._fitted_view()
        return fitted._raw_outputs(X, fitted._targets.log_probabilities)

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Log-odds of each class against the others.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the log-odds of the second; otherwise one column per class
            or label, in the order of ``classes_``. For an ensemble, those of the mean
            probabilities. Unlike logits of a softmax, to which any number may be added,
            they can be compared from sample to sample.
        """
        fitted = self._fitted_view()
        decisions = fitted._raw_outputs(X, fitted._targets.decisions)
        is_column = decisions.shape[1] == 1 and not fitted._targets.is_multilabel
        return decisions[:, 0] if is_column else decisions

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of the predictions; for several labels, of all of them at once.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        float
        """
        if isinstance(X, DataSource):
            fitted = self._fitted_view()
            X, y, sample_weight = X.scored_data(fitted, y, sample_weight)
        return super().score(X, y, sample_weight)

    def _make_targets(self, y, previous, classes, is_incremental):
        refuse_other_libraries(classes=classes)
        if previous is not None:
            previous.check_later(y, classes, is_incremental=is_incremental)
            return previous
        if is_incremental and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        targets = ClassTargets.fit(y, classes)
        if is_incremental:
            targets.check_known(y, is_incremental=True)
        return targets

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
