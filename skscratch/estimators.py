"""The estimators: scikit-learn's face of the network.

Here is what a user meets, with its documentation; ``perceptron`` holds what the
estimators share.
"""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from skscratch._sklearn import fit_context
from skscratch.losses import LOSSES
from skscratch.perceptron import BaseScratchMLP

__all__ = ["ScratchMLPClassifier"]


class ScratchMLPClassifier(ClassifierMixin, BaseScratchMLP):
    """Multilayer perceptron that classifies, trained from scratch on NumPy.

    Takes the place of scikit-learn's ``MLPClassifier``: all its parameters, and for
    the same ``random_state`` the same training, to rounding. It minimises the
    log-loss by stochastic gradient descent, Adam or L-BFGS.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Number of neurons of each hidden layer. An empty tuple makes a linear model.
    activation : {'identity', 'logistic', 'sigmoid', 'tanh', 'relu'}, default='relu'
        Activation function of the hidden layers; 'sigmoid' is the article's name for
        'logistic'.
    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        What optimises the weights. 'lbfgs' takes all samples at once, which suits
        small data sets.
    alpha : float, default=0.0001
        Strength of the L2 regularisation: half of it times the sum of the squared
        weights, divided by the number of samples of the batch, joins the loss.
    batch_size : int or 'auto', default='auto'
        Samples of a minibatch; 'auto' is 200, or all where there are fewer. Not used
        by 'lbfgs'.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        Schedule of the learning rate, for the solver 'sgd': as it is; divided by
        ``(t_ + 1) ** power_t`` after each epoch; or divided by five whenever training
        comes to a plateau.
    learning_rate_init : float, default=0.001
        The learning rate at first. Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of the schedule 'invscaling'.
    max_iter : int, default=200
        Largest number of epochs, or of iterations of 'lbfgs'.
    shuffle : bool, default=True
        Whether the samples are shuffled before each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, the validation split and the order of samples. An
        int gives the same at each call; None draws from the operating system, never
        from NumPy's global state.
    tol : float, default=0.0001
        What an epoch must improve to count as one that improved; for 'lbfgs' the
        largest component of the gradient at which it stops.
    verbose : bool, default=False
        Whether loss and score of each epoch are printed.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last call.
    momentum : float, default=0.9
        Momentum of 'sgd', from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' looks ahead along the momentum.
    early_stopping : bool, default=False
        Whether a part of the training data is set aside to score each epoch, training
        stops when the score does so, and the best epoch's weights are kept. Not used
        by 'lbfgs'.
    validation_fraction : float, default=0.1
        Share of the data that is set aside, of two classes in equal shares. Where
        that is less than two samples, or one of each of two classes, it is as many.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, from 0 to below 1.
    beta_2 : float, default=0.999
        Decay of Adam's second moment, from 0 to below 1.
    epsilon : float, default=1e-08
        Adam's guard against division by zero.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement after which training stops.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by 'lbfgs'.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    network_ : Network
        The network itself, of ``Layer`` objects.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. They are views into the network: what is written into
        them, or assigned as a whole, takes effect.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer, views likewise.
    loss_ : float
        Loss of the last epoch, or at the end of 'lbfgs'.
    best_loss_ : float or None
        Lowest loss of all epochs; None with early stopping.
    loss_curve_ : list of float
        Loss of each epoch, or iteration.
    validation_scores_ : list of float or None
        Accuracy of each epoch on the samples set aside, with early stopping.
    best_validation_score_ : float or None
        The highest of them.
    t_ : int
        Number of samples trained on, over all epochs.
    n_iter_ : int
        Number of epochs, or iterations, of the last call.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the function that makes probabilities of the raw outputs.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.

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

    @available_if(lambda self: self._has_stochastic_solver())
    @fit_context(prefer_skip_nested_validation=True)
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
            As in ``fit``; also for ``early_stopping=True``, classes missing in the
            first call, and classes that were not named in it.
        """
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
        Z = self._outputs_for(X)
        if self._is_multilabel():
            return self._label_binarizer.inverse_transform((Z > 0).astype(int))
        if self.n_outputs_ > 1:
            return self.classes_[Z.argmax(axis=1)]
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(Z))
        return self.classes_[(Z[:, 0] > 0).astype(int)]

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
        return self._outputs_for(X, self._probabilities)

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
        return self._outputs_for(X, self._log_probabilities)

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
            each class, in the order of ``classes_``.
        """
        Z = self._outputs_for(X)
        return Z if self.n_outputs_ > 1 or self._is_multilabel() else Z[:, 0]

    def _probabilities(self, Z):
        """Probabilities of all classes, (n_classes, n_samples), from raw outputs."""
        predictions = self._trained_loss().predictions
        if self.n_outputs_ > 1 or self._is_multilabel():
            return predictions(Z)
        if len(self.classes_) == 1:
            return np.ones_like(Z)
        return np.concatenate([predictions(-Z), predictions(Z)])

    def _log_probabilities(self, Z):
        P = self._probabilities(Z)
        # Equal probabilities keep equal logarithms, as long as they tell anything.
        small = np.finfo(P.dtype).eps > P
        log_P = np.log(np.where(small, 1, P))
        if small.any():
            exact = self._trained_loss().log_predictions
            Z = Z if len(P) == len(Z) else np.concatenate([-Z, Z])
            log_P[small] = exact(Z)[small]
        return log_P

    def _trained_loss(self):
        return LOSSES[self.network_.loss]

    def _is_multilabel(self):
        return self._target_type.startswith("multilabel")

    def _stratifies(self):
        return self.n_outputs_ == 1

    def _loss(self):
        return "log_loss" if self._target_type == "multiclass" else "binary_log_loss"

    def _goodness(self, Z, Y, weights):
        """Accuracy; of multilabel targets the share of rows with every label right."""
        if self.n_outputs_ > 1 and not self._is_multilabel():
            right = Z.argmax(axis=1) == Y.argmax(axis=1)
        else:
            right = ((Z > 0) == Y).all(axis=1)
        return float(np.average(right, weights=weights))

    def _encode_targets(self, y, first, incremental, classes):
        """Indicators, boolean: a column a class, or one for the second of two."""
        if first and incremental and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if first:
            self._learn_classes(y, classes)
        elif classes is not None and not np.array_equal(
            self.classes_, unique_labels(classes)
        ):
            raise ValueError(
                f"classes={classes!r} differs from the first call to partial_fit, "
                f"which was {self.classes_}."
            )
        if (y.ndim == 2) != self._is_multilabel():
            kinds = ("one class a sample", "a column a label")
            raise ValueError(
                f"y has {kinds[y.ndim == 2]}, but earlier calls, or classes, had "
                f"{kinds[self._is_multilabel()]}: they can't be mixed."
            )
        if incremental or not first:
            self._check_known_classes(unique_labels(y), incremental)
        if self._is_multilabel():
            return self._label_binarizer.transform(y).astype(bool)
        codes = np.searchsorted(self.classes_, y)
        if len(self.classes_) > 2:
            return codes[:, np.newaxis] == np.arange(len(self.classes_))
        return codes[:, np.newaxis] == 1

    def _learn_classes(self, y, classes):
        """Set what there is to know of the targets: their type and the classes."""
        self._target_type = type_of_target(y, input_name="y")
        if self._is_multilabel():
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        if self._target_type not in ("binary", "multiclass"):
            unique_labels(y)  # What is wrong with it, scikit-learn tells best.
            raise ValueError(
                f"Unknown label type: {self._target_type}. y must hold class labels, "
                "one a sample, or be a matrix of zeros and ones with a column a label."
            )
        self.classes_ = unique_labels(y if classes is None else classes)
        self._target_type = "multiclass" if len(self.classes_) > 2 else "binary"

    def _check_known_classes(self, found, incremental):
        if incremental and not np.isin(found, self.classes_).all():
            raise ValueError(
                f"y has classes that are not in classes_: {found} against "
                f"{self.classes_}."
            )
        if not incremental and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes_}, `y` has {found}"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
