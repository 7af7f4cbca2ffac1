"""``ScratchMLPClassifier``: the network as a scikit-learn classifier.

Parameters and methods that users see; ``base`` holds what it shares with the regressor.
"""

import numbers

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skscratch._sklearn import Interval, StrOptions, fit_context
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.docs import documented
from skscratch.estimators.targets import ClassTargets

__all__ = ["ScratchMLPClassifier"]


@documented(score="the accuracy")
class ScratchMLPClassifier(ClassifierMixin, BaseScratchMLP):
    """Multilayer perceptron that classifies, trained from scratch on NumPy.

    Takes the place of scikit-learn's ``MLPClassifier``: all its parameters, and for
    the same ``random_state`` the same training, to rounding. It minimises the
    log-loss by stochastic gradient descent, Adam or L-BFGS.

    Parameters
    ----------
    {parameters}
    class_weight : dict, list of dict, 'balanced' or None, default=None
        Weight of each class, by its label, which multiplies the sample weights;
        'balanced' weighs a class by ``n_samples / (n_classes * n_samples_of_class)``.
        For multilabel targets a list, one dict a label, or 'balanced'.
    label_smoothing : float, default=0.0
        Share of each target that is given to all classes alike in training; the loss
        that is reported is that of the smoothed targets, but on validation data.
    temperature_scaling : bool, default=False
        Whether the raw outputs are divided by a number, the temperature, that makes
        the log-loss on the validation data of early stopping least (Guo et al., *On
        calibration of modern neural networks*, ICML 2017, section 4.2), with one more
        sample that is of all classes alike. The members of an ensemble have one in
        common, of all their validation data.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    temperature_ : float
        What raw outputs are divided by; only with ``temperature_scaling``, and where
        no error of a callback or scorer ended the training.
    {attributes}

    See Also
    --------
    sklearn.neural_network.MLPClassifier : What this is modelled on.

    Notes
    -----
    Weights are initialised as proposed by Glorot and Bengio, *Understanding the
    difficulty of training deep feedforward neural networks*, AISTATS 2010. Adam is
    that of Kingma and Ba, arXiv 1412.6980.

    What differs from ``MLPClassifier``: sample weights (see ``fit``),
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
        class_weight=None,
        label_smoothing=0.0,
        temperature_scaling=False,
    ):
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.temperature_scaling = temperature_scaling

    @available_if(lambda self: self._has_stochastic_solver())
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on data that may be a part of a stream.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes; not all need occur.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative. Weights count as given, and are not
            brought to a mean of 1 as in ``fit``, for a stream has no known mean.
        classes : array-like of shape (n_classes,), default=None
            All classes that may occur in any call; needed in the first one.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in ``fit``; also for ``early_stopping=True``, a ``learning_rate`` that is
            planned to its end, ``class_weight='balanced'``, classes missing in the
            first call, and classes that were not named in it.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit does not support class_weight='balanced', for the shares "
                "of the classes in a stream are not known: compute them by "
                "sklearn.utils.class_weight.compute_class_weight and pass a dict."
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X):
        """Predict the class of each sample, or its labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or every label more probable than not.
        """
        Z = self._raw_outputs(X)
        return self._targets.predict(Z)

    def predict_proba(self, X):
        """Probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._raw_outputs(X, lambda Z: self._targets.probabilities(Z))

    def predict_log_proba(self, X):
        """Logarithm of the probabilities, finite also where they underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._raw_outputs(X, lambda Z: self._targets.log_probabilities(Z))

    def decision_function(self, X):
        """Raw outputs of the network: logits.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One number, for the second class, where there are two; else a column for
            each class, in the order of ``classes_``. Of an ensemble, the logits of the
            mean probabilities.
        """
        Z = self._raw_outputs(X)
        is_column = self.n_outputs_ == 1 and not self._targets.is_multilabel
        return Z[:, 0] if is_column else Z

    def _make_targets(self, y, previous, classes, is_incremental):
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
