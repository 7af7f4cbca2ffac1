"""``ScratchMLPClassifier``: the network as a scikit-learn classifier.

Parameters and methods that users see; ``base`` holds what it shares with the regressor.
"""

import contextlib
import numbers

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from skscratch._sklearn import Interval, StrOptions, fit_context
from skscratch.estimators.base import BaseScratchMLP
from skscratch.estimators.docs import documented
from skscratch.estimators.validator import pooled
from skscratch.training.calibration import best_temperature
from skscratch.training.regularization import smooth

__all__ = ["ScratchMLPClassifier"]

# Targets of one dimension, and of two.
KINDS = ("one class a sample", "a column a label")


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
            each class, in the order of ``classes_``. Of an ensemble, the logits of the
            mean probabilities.
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

    def _class_weighted(self, y, Y, weights):
        """Sample weights times those of the classes."""
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, list) and not self._is_multilabel():
            raise ValueError(
                "class_weight must be a dict or 'balanced' where a sample has one "
                f"class, got {self.class_weight!r}; a list is for multilabel y."
            )
        try:
            if self._is_multilabel():
                by_class = compute_sample_weight(self.class_weight, Y.astype(int))
            else:
                weight_of = compute_class_weight(
                    self.class_weight, classes=self.classes_, y=y, sample_weight=weights
                )
                by_class = weight_of[np.searchsorted(self.classes_, y)]
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"class_weight={self.class_weight!r} can't be used: {error}"
            ) from None
        # Those of several labels are multiplied, which hides two that are negative.
        given = self.class_weight if isinstance(self.class_weight, list) else []
        is_any_negative = any(w < 0 for weight_of in given for w in weight_of.values())
        is_finite = np.isfinite(by_class).all()
        if is_any_negative or not (is_finite and (by_class >= 0).all()):
            raise ValueError(
                "class_weight must hold finite weights that are not negative, got "
                f"{self.class_weight!r}."
            )
        with np.errstate(over="ignore"):  # What is infinite is refused later.
            weights = by_class if weights is None else by_class * weights
        if not weights.any():
            raise ValueError("class_weight leaves no sample with a positive weight.")
        return weights

    def _is_calibrated(self):
        return self.temperature_scaling

    def _calibrate(self, held_outs):
        if not self.temperature_scaling:
            return
        outputs = []
        for estimator, held in held_outs:
            estimator.__dict__.pop("temperature_", None)
            outputs.append(estimator._outputs(held.X, held.rows))
        # Rows may be set aside by several members, or by none.
        rows, samples = pooled([held for _, held in held_outs])
        # All count rows in the same data: those of training, or the user's own.
        held = held_outs[0][1]
        Y = held.Y[rows].T.astype(np.float64)
        # Rows that are all predicted right would make the network sure without limit:
        # one more, of no known class, keeps it from there.
        smooth(Y, 1 / (len(rows) + 1), self._n_alternatives())
        temperature = best_temperature(
            self._trained_loss(),
            np.concatenate(outputs).T,
            Y,
            None if held.weights is None else held.weights[rows],
            samples,
        )
        for estimator in (self, *(estimator for estimator, _ in held_outs)):
            estimator.temperature_ = temperature

    def _smoothing(self):
        """Share and number of classes for ``smooth``, or None."""
        if not self.label_smoothing:
            return None
        return self.label_smoothing, self._n_alternatives()

    def _n_alternatives(self):
        """How many classes an output is one of: two, where it is a yes or no."""
        return self.n_outputs_ if self._loss() == "log_loss" else 2

    def _encode_held_out(self, y):
        """Indicators of validation data, of the classes that were trained on."""
        if (y.ndim == 2) != self._is_multilabel():
            came, needed = KINDS[y.ndim == 2], KINDS[self._is_multilabel()]
            raise ValueError(f"y_val must have {needed}, as y has, but it has {came}.")
        found = _labels(y, "y_val")
        if not np.isin(found, self.classes_).all():
            raise ValueError(
                f"y_val has classes that are not in y: {found} against {self.classes_}."
            )
        return self._indicators(y, "y_val")

    def _encode_targets(self, y, first, incremental, classes):
        """Indicators, boolean: a column a class, or one for the second of two."""
        if first and incremental and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if first:
            self._learn_classes(y, classes)
        elif classes is not None and not np.array_equal(
            self.classes_, _labels(classes, "classes")
        ):
            raise ValueError(
                f"classes={classes!r} differs from the first call to partial_fit, "
                f"which was {self.classes_}."
            )
        if (y.ndim == 2) != self._is_multilabel():
            raise ValueError(
                f"y has {KINDS[y.ndim == 2]}, but earlier calls, or classes, had "
                f"{KINDS[self._is_multilabel()]}: they can't be mixed."
            )
        if incremental or not first:
            self._check_known_classes(_labels(y, "y"), incremental)
        return self._indicators(y)

    def _indicators(self, y, name="y"):
        if self._is_multilabel():
            # scikit-learn takes any two numbers for labels, but predicts 0 and 1.
            values = np.unique(y.data if issparse(y) else y)
            if not np.isin(values, (0, 1)).all():
                raise ValueError(
                    f"{name} must hold zeros and ones where it has a column a label, "
                    f"got {values}."
                )
            return self._label_binarizer.transform(y).astype(bool)
        codes = np.searchsorted(self.classes_, y)
        if len(self.classes_) > 2:
            return codes[:, np.newaxis] == np.arange(len(self.classes_))
        return codes[:, np.newaxis] == 1

    def _learn_classes(self, y, classes):
        """Set what there is to know of the targets: their type and the classes."""
        with _said_of("y"):
            self._target_type = type_of_target(y, input_name="y")
        if self._is_multilabel():
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        if self._target_type not in ("binary", "multiclass"):
            _labels(y, "y")  # What is wrong with it, scikit-learn tells best.
            raise ValueError(
                f"Unknown label type: {self._target_type}. y must hold class labels, "
                "one a sample, or be a matrix of zeros and ones with a column a label."
            )
        name, labels = ("y", y) if classes is None else ("classes", classes)
        self.classes_ = _labels(labels, name)
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


def _labels(y, name):
    """Labels that occur, sorted."""
    with _said_of(name):
        return unique_labels(y)


@contextlib.contextmanager
def _said_of(name):
    """Context in which what scikit-learn finds wrong with labels gets their name."""
    try:
        with np.errstate(invalid="ignore"):  # Of seeing whether labels are integers.
            yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} can't be used: {error}") from None
