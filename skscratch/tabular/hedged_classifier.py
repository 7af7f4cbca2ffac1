"""``HedgedClassifier``: a classifier that blends networks of several kinds."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skscratch.estimators import ScratchMLPClassifier
from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.estimators.class_targets import ClassTargets
from skscratch.tabular.blend import ClassJudge, fit_temperature, tempered
from skscratch.tabular.deadline import Deadline
from skscratch.tabular.defaults import CLASSIFIER_RECIPE, with_recipe
from skscratch.tabular.hedge import CONSTRAINTS, BaseHedge
from skscratch.tabular.preparation import Prepared, prepare
from skscratch.tabular.rounds import Hedge

__all__ = ["HedgedClassifier"]

# Probabilities are never 0, and log-odds finite.
TINY, EPSILON = np.finfo(np.float64).tiny, np.finfo(np.float64).epsneg


class HedgedClassifier(ClassifierMixin, BaseHedge):
    """Classifier that blends networks of several kinds.

    Each kind encodes numbers in its own way, for example piecewise linearly, by cosines
    or by ranks. A few members of each kind are trained, each on all samples except
    those of one fold. The probabilities of the kinds are averaged with the weights that
    minimize the log-loss on these folds. With ``effort='high'``, more members are then
    trained of the kinds with large weights.

    It is the last step of ``make_tabular_classifier``, whose first step prepares the
    samples: categories are one-hot encoded and missing values imputed.

    Parameters
    ----------
    estimator : ScratchMLPClassifier, default=None
        Network with the parameters of all members, some of which their kind overrides.
        ``n_estimators`` is the number of members of each kind that the default effort
        trains. None means the recipe of ``make_tabular_classifier``.
    kinds : 'auto' or sequence of str, default='auto'
        Names of kinds in ``skscratch.tabular.kinds.KINDS``. 'auto' means those that
        suit the task.
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
    temperature_ : float
        Divisor of the blend's log-odds, fitted on held-out samples; see
        ``ScratchMLPClassifier``.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_outputs_ : int
        Number of raw outputs of a member's network.
    targets_ : ClassTargets
        Encoder of the classes or labels.
    is_interrupted_ : bool
        Whether the user interrupted training with Ctrl-C.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    See Also
    --------
    skscratch.make_tabular_classifier : A pipeline for tables.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from skscratch.tabular import HedgedClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = HedgedClassifier(effort="low").fit(scale(X), y)
    >>> clf.score(scale(X), y) > 0.9
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **CONSTRAINTS,
        "estimator": [ScratchMLPClassifier, None],
    }

    classes_: NDArray[Any]
    temperature_: float

    def _template(self) -> Any:
        if self.estimator is None:
            return ScratchMLPClassifier(**with_recipe(CLASSIFIER_RECIPE, {}))
        return self.estimator

    def _prepare(
        self,
        template: Any,
        given: Any,
        validation: Any,
        n_splits: int,
        classes: Any,
    ) -> Prepared:
        return prepare(
            self,
            template,
            given,
            validation,
            lambda y: ClassTargets.fit(y, classes),
            n_splits,
        )

    def _make_judge(self, template: Any, prepared: Prepared) -> Any:
        judged, targets = prepared.judged, prepared.targets
        weights = judged.weights
        if prepared.data.validation is None:  # X_val has no class weights.
            weights = targets.weights(
                template.class_weight, judged.y, judged.Y, weights
            )
        Y = judged.Y
        if targets.kind == "binary":  # Both classes have a column of probabilities.
            Y = np.hstack([~Y, Y])[:, : len(targets.classes)]
        return ClassJudge(Y, weights, _loss_of(targets))

    def _attributes_of_task(
        self, template: Any, prepared: Prepared, hedge: Hedge, deadline: Deadline
    ) -> Any:
        targets, P, temperature = prepared.targets, hedge.held_out, 1.0
        calibrates = template.temperature_scaling and len(targets.classes) > 1
        if calibrates and P is not None:
            judge = self._make_judge(template, prepared).take(hedge.rows)
            temperature = fit_temperature(judge, P, targets.n_alternatives)
        return {
            **targets.attributes(),
            "temperature_": temperature,
            "targets_": targets,
        }

    @available_if(lambda self: self._supports_streams())
    @one_fit_at_a_time
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train all members for one epoch on further samples.

        Encoders, the weights of the kinds and the temperature stay as ``fit`` learned
        them. Training uses a constant learning rate of ``0.2 * learning_rate_init``
        and, unless the estimator sets them otherwise than the recipe, batches of 32
        samples and ``averaging=0.99``. Its optimizer continues from call to call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, without missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes; some of them may be missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative sample weights. Unlike in ``fit``, they are not scaled to a
            mean of 1.
        classes : array-like of shape (n_classes,), default=None
            Not needed: ``fit`` has learned the classes. If given, they must be
            ``classes_``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data are invalid, if ``y`` has classes unknown to ``fit``, for
            ``class_weight='balanced'``, or if training diverges. The estimator stays
            unchanged, as it does after Ctrl-C.
        AttributeError
            Before ``fit``, and for ``solver='lbfgs'``: then there is no such method.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each sample, or its labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or all labels with a probability above 0.5.
        """
        fitted = self._fitted_view()
        P = fitted._probabilities(X)
        if fitted.targets_.is_multilabel:
            return fitted.targets_.binarizer.inverse_transform(P > 0.5)
        predicted: NDArray[Any] = fitted.classes_[P.argmax(axis=1)]
        return predicted

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, or of each label; it is never 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._fitted_view()._probabilities(X)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of the probabilities, which is finite.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return np.log(self.predict_proba(X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-odds of each class against the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the log-odds of the second; otherwise one column per class
            or label, in the order of ``classes_``.
        """
        fitted = self._fitted_view()
        P = fitted._probabilities(X)
        if fitted.targets_.kind == "binary" and P.shape[1] == 2:
            # More precise than logit if a probability rounds to 1.
            return np.log(P[:, 1]) - np.log(P[:, 0])
        log_odds: NDArray[np.float64] = logit(np.minimum(P, 1 - EPSILON))
        return log_odds[:, -1] if fitted.targets_.kind == "binary" else log_odds

    def _probabilities(self, X: Any) -> NDArray[np.float64]:
        """Blended and calibrated probabilities; call it on a fitted view."""
        P, targets = self._blend(X), self.targets_
        if self.temperature_ != 1.0:
            P = tempered(_loss_of(targets), P, self.temperature_)
        if not targets.is_multilabel:
            P /= P.sum(axis=1, keepdims=True)
        return np.maximum(P, TINY)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _loss_of(targets: ClassTargets) -> str:
    """Name of the loss; two classes have a column of probabilities each."""
    return "binary_log_loss" if targets.is_multilabel else "log_loss"
