"""Targets of a classifier: how ``y`` becomes numbers, and raw outputs predictions.

``ClassTargets`` are class labels or multilabel indicators. ``NumericTargets`` have the
same methods, so that nothing else asks which of the two it has.
"""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.special import logsumexp
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from skscratch._messages import warn_user
from skscratch.nn.losses import resolve_loss

__all__ = ["ClassTargets"]

# How messages describe targets of one and of two dimensions.
SHAPES = ("one-dimensional", "two-dimensional, with one column per label")


class ClassTargets(NamedTuple):
    """Class labels, or multilabel indicators.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels, sorted.
    kind : {"binary", "multiclass", "multilabel-indicator"}
        Type of the targets; of one class it is "binary".
    binarizer : LabelBinarizer or None, default=None
        Of multilabel targets.
    output : callable or None, default=None
        Computes predictions from raw outputs, in place of the loss.
    """

    classes: Any
    kind: str
    binarizer: Any = None
    output: Callable[[Any], Any] | None = None

    @classmethod
    def fit(cls, y, classes=None):
        """Learn the classes.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        classes : array-like of shape (n_classes,), default=None
            All classes, if ``y`` may lack some of them.

        Returns
        -------
        ClassTargets

        Raises
        ------
        ValueError
            If ``y`` does not hold class labels.
        """
        with _named("y"):
            kind = type_of_target(y, input_name="y")
        if kind.startswith("multilabel"):
            # Slow to import, and not needed for other targets.
            from sklearn.preprocessing import LabelBinarizer

            binarizer = LabelBinarizer().fit(y)
            targets = cls(binarizer.classes_, kind, binarizer)
            _warn_if_one_hot(y)
        elif kind in ("binary", "multiclass"):
            name, labels = ("y", y) if classes is None else ("classes", classes)
            found = _labels(labels, name)
            if y.dtype == object:  # scikit-learn makes text of fixed width of it.
                found = found.astype(object)
            kind = "multiclass" if len(found) > 2 else "binary"
            targets = cls(found, kind)
        else:
            raise _unknown_labels("y", kind)
        targets._check_shape(y, classes_given=classes is not None)
        return targets

    def check_later(self, y, classes, *, is_incremental):
        """Check the targets of a later call against those of the first.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        classes : array-like of shape (n_classes,) or None
        is_incremental : bool
            Whether the call is ``partial_fit``, where classes may be missing in ``y``.

        Raises
        ------
        ValueError
            If the targets are of another kind, or have other classes.
        """
        if classes is not None and not np.array_equal(
            self.classes, _labels(classes, "classes")
        ):
            raise ValueError(
                f"classes={classes!r} differs from the first call to partial_fit, "
                f"which was {self.classes}."
            )
        self._check_shape(y)
        self.check_known(y, is_incremental=is_incremental)

    def check_known(self, y, *, is_incremental):
        """Check that ``y`` has no other classes; see ``check_later``."""
        found = _labels(y, "y")
        if is_incremental and not np.isin(found, self.classes).all():
            raise ValueError(
                f"y has classes that are not in classes_: {found} against "
                f"{self.classes}."
            )
        if not is_incremental and set(found) != set(self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes}, `y` has {found}"
            )

    def _check_shape(self, y, *, classes_given=False):
        if (y.ndim == 2) == self.is_multilabel:
            return
        earlier = "classes" if classes_given else "earlier calls"
        kinds = ("class labels", "multilabel targets")
        raise ValueError(
            f"y is {SHAPES[y.ndim == 2]}, but {earlier} used "
            f"{kinds[self.is_multilabel]}: they can't be mixed."
        )

    @property
    def is_multilabel(self):
        """Whether a sample may have several labels."""
        return self.kind.startswith("multilabel")

    @property
    def loss(self):
        """Name of the loss."""
        return "log_loss" if self.kind == "multiclass" else "binary_log_loss"

    @property
    def n_raw_outputs(self):
        """Number of raw outputs of the network."""
        return 1 if self.kind == "binary" else len(self.classes)

    def with_fitted_loss(self, Y, weights):
        """Return the targets themselves: log-losses have nothing to fit."""
        return self

    def attributes(self):
        """Fitted attributes that describe the targets, by name.

        Returns
        -------
        dict
        """
        return {"classes_": self.classes, "n_outputs_": self.n_raw_outputs}

    def encode(self, y, name="y"):
        """Encode targets as indicators.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        name : str, default="y"
            Name of the targets in errors.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_raw_outputs)
            One column per class or label, or one for the second of two classes.
        """
        if self.is_multilabel:
            # scikit-learn takes any two numbers for labels, but predicts 0 and 1.
            values = np.unique(y.data if issparse(y) else y)
            if not np.isin(values, (0, 1)).all():
                raise ValueError(
                    f"{name} must hold zeros and ones where it has one column per "
                    f"label, got {values}."
                )
            return self.binarizer.transform(y).astype(bool)
        codes = np.searchsorted(self.classes, y)
        if len(self.classes) > 2:
            return codes[:, np.newaxis] == np.arange(len(self.classes))
        return codes[:, np.newaxis] == 1

    def encode_validation(self, y):
        """Encode the user's own validation targets; see ``encode``."""
        if (y.ndim == 2) != self.is_multilabel:
            raise ValueError(
                f"y_val must be {SHAPES[self.is_multilabel]}, as y is, but it is "
                f"{SHAPES[y.ndim == 2]}."
            )
        found = _labels(y, "y_val")
        if not np.isin(found, self.classes).all():
            raise ValueError(
                f"y_val has classes that are not in y: {found} against {self.classes}."
            )
        return self.encode(y, "y_val")

    def weights(self, class_weight, y, Y, sample_weight):
        """Multiply sample weights by class weights.

        Parameters
        ----------
        class_weight : dict, list of dict, "balanced" or None
            The estimator's parameter.
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Y : ndarray of bool of shape (n_samples, n_raw_outputs)
        sample_weight : ndarray of shape (n_samples,) or None

        Returns
        -------
        ndarray of shape (n_samples,) or None

        Raises
        ------
        ValueError
            If class weights don't fit the targets.
        """
        if class_weight is None:
            return sample_weight
        if isinstance(class_weight, list) and not self.is_multilabel:
            raise ValueError(
                "class_weight must be a dict or 'balanced' where a sample has one "
                f"class, got {class_weight!r}; a list is for multilabel y."
            )
        try:
            if self.is_multilabel:
                by_class = compute_sample_weight(class_weight, Y.astype(int))
            else:
                weight_of = compute_class_weight(
                    class_weight, classes=self.classes, y=y, sample_weight=sample_weight
                )
                by_class = weight_of[np.searchsorted(self.classes, y)]
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"class_weight={class_weight!r} can't be used: {error}"
            ) from None
        # Weights of several labels are multiplied, which hides a pair of negative ones.
        by_label = class_weight if isinstance(class_weight, list) else []
        is_negative = any(w < 0 for weight_of in by_label for w in weight_of.values())
        if is_negative or not (np.isfinite(by_class).all() and (by_class >= 0).all()):
            raise ValueError(
                "class_weight must hold finite weights that are not negative, got "
                f"{class_weight!r}."
            )
        with np.errstate(over="ignore"):  # Infinite weights are refused later.
            weights = by_class if sample_weight is None else by_class * sample_weight
        if not weights.any():
            raise ValueError("class_weight leaves no sample with a positive weight.")
        return weights

    def smoothing(self, share):
        """Arguments of ``smooth`` for a share of label smoothing, or None.

        Parameters
        ----------
        share : float

        Returns
        -------
        tuple of (float, int) or None
        """
        return (share, self.n_alternatives) if share else None

    @property
    def n_alternatives(self):
        """Number of classes that an output distinguishes; 2 for a yes or no."""
        return len(self.classes) if self.kind == "multiclass" else 2

    def stratify_by(self, Y):
        """Labels to stratify a split by, or None.

        As in scikit-learn, two classes are stratified and more are not.
        """
        return Y[:, 0].astype(str) if self.n_raw_outputs == 1 else None

    def describe_strata(self, y, Y):
        """Sentence that says which class each stratum is."""
        first, second = (y[Y[:, 0] == value][:1] for value in (False, True))
        return f"'False' stands for {first} and 'True' for {second}"

    def predict(self, Z):
        """Predict classes or labels.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_raw_outputs)
            Raw outputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        if self.output is not None:
            Z = self.output(Z.T).T - 0.5
        if self.is_multilabel:
            return self.binarizer.inverse_transform((Z > 0).astype(int))
        if self.n_raw_outputs > 1:
            return self.classes[Z.argmax(axis=1)]
        if len(self.classes) == 1:
            return np.repeat(self.classes, len(Z))
        return self.classes[(Z[:, 0] > 0).astype(int)]

    def probabilities(self, Z):
        """Probabilities of all classes, at least the dtype's smallest normal number.

        Parameters
        ----------
        Z : ndarray of shape (n_raw_outputs, n_samples)
            Raw outputs.

        Returns
        -------
        ndarray of shape (n_classes, n_samples)
        """
        predictions = self.output or resolve_loss(self.loss).predictions
        if self.n_raw_outputs > 1 or self.is_multilabel:
            P = predictions(Z)
        elif len(self.classes) == 1:
            P = np.ones_like(Z)
        elif self.output is not None:
            P = predictions(Z)
            P = np.concatenate([1 - P, P])
        else:
            P = np.concatenate([predictions(-Z), predictions(Z)])
        return np.maximum(P, np.finfo(P.dtype).tiny)

    def log_probabilities(self, Z):
        """Logarithms of ``probabilities``."""
        P = self.probabilities(Z)
        if self.output is not None:
            return np.log(P)
        # Computed from P where that is precise, so that equal probabilities have equal
        # logarithms.
        small = np.finfo(P.dtype).eps > P
        log_P = np.log(np.where(small, 1, P))
        if small.any():
            exact = resolve_loss(self.loss).log_predictions
            Z = Z if len(P) == len(Z) else np.concatenate([-Z, Z])
            log_P[small] = exact(Z)[small]
        return np.maximum(log_P, np.log(np.finfo(P.dtype).tiny))

    def decisions(self, Z):
        """Logit of each label, of the second of two classes, or of each class.

        The softmax of several classes leaves it open what number is added to all raw
        outputs of a sample. The log-odds of each class against the rest do not.

        Parameters
        ----------
        Z : ndarray of shape (n_raw_outputs, n_samples)
            Raw outputs.

        Returns
        -------
        ndarray of shape (n_raw_outputs, n_samples)
        """
        if self.kind != "multiclass":
            return Z
        samples = np.arange(Z.shape[1])
        best = Z.argmax(axis=0)
        Z = Z - Z[best, samples]
        odds = np.exp(Z)
        # The best class is among the others, which sum to at least 1: precise.
        others = odds.sum(axis=0) - odds
        # But for the best class itself the difference may be rounded, even to 0.
        others[best, samples] = 1
        log_odds = Z - np.log(others)
        Z[best, samples] = -np.inf
        log_odds[best, samples] = -logsumexp(Z, axis=0)
        return log_odds

    def score(self, Z, Y, weights, loss):
        """Accuracy of raw outputs; of multilabel targets, of all labels at once.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_raw_outputs)
        Y : ndarray of bool of shape (n_samples, n_raw_outputs)
        weights : ndarray of shape (n_samples,) or None
        loss : float
            Not used.

        Returns
        -------
        float
        """
        if self.n_raw_outputs > 1 and not self.is_multilabel:
            right = Z.argmax(axis=1) == Y.argmax(axis=1)
        else:
            right = ((Z > 0) == Y).all(axis=1)
        return float(np.average(right, weights=weights))


def _labels(y, name):
    """Labels that occur, sorted."""
    try:
        with _named(name):
            return unique_labels(y)
    except ValueError as error:
        if "Unknown label type" not in str(error):
            raise
        with _named(name):
            kind = type_of_target(y)
        # scikit-learn's message holds all of y.
        raise _unknown_labels(name, kind) from None


def _unknown_labels(name, kind):
    """Error for targets that are no class labels."""
    advice = {
        "continuous": "it holds fractional numbers: use ScratchMLPRegressor, or divide "
        "them into classes",
        "multiclass-multioutput": "it has several columns of classes: pass one column, "
        "or fit one classifier for each column by sklearn.multioutput."
        "MultiOutputClassifier",
    }
    advice["continuous-multioutput"] = advice["continuous"]
    what = advice.get(
        kind,
        "it is neither one column of text nor of numbers: convert numbers of dtype "
        "object, as by y.astype(int)",
    )
    return ValueError(
        f"Unknown label type: {kind}. {name} must hold class labels, one per sample, "
        f"or zeros and ones in one column per label, but {what}."
    )


def _warn_if_one_hot(y):
    """Warn of classes that look like several labels."""
    if y.shape[1] > 2 and (y.sum(axis=1) == 1).all() and y.max() == 1:
        warn_user(
            f"y has {y.shape[1]} columns with exactly one 1 in each row. It is treated "
            "as multilabel: a sample may be given several labels, or none. If each "
            "sample has one class, pass y.argmax(axis=1)."
        )


@contextlib.contextmanager
def _named(name):
    """Context in which scikit-learn's errors about labels say which labels."""
    try:
        # Testing whether labels are integers may warn.
        with np.errstate(invalid="ignore"):
            yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} can't be used: {error}") from None
