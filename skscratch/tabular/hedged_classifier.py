"""``HedgedClassifier``: a classifier that blends networks of several kinds."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from sklearn.base import ClassifierMixin

from skscratch.estimators import ScratchMLPClassifier
from skscratch.estimators.class_targets import ClassTargets
from skscratch.tabular.blend import ClassJudge, fit_temperature, tempered
from skscratch.tabular.defaults import CLASSIFIER_RECIPE, with_recipe
from skscratch.tabular.hedge import CONSTRAINTS, BaseHedge
from skscratch.tabular.preparation import Prepared, prepare
from skscratch.tabular.rounds import Hedge

__all__ = ["HedgedClassifier"]


class HedgedClassifier(ClassifierMixin, BaseHedge):
    """Classifier that blends networks of several kinds.

    Each kind sees numbers in its own way: by pieces, waves or logarithms. A few members
    of each kind are trained, each on all samples but those of a fold, and the
    probabilities of the kinds are averaged by the weights that minimize the log-loss
    on these folds. Then more members are trained of the kinds that earned weight.

    It is the last step of ``make_tabular_classifier``. Samples should come as that
    pipeline's first step prepares them: scaled, with categories as indicators.

    Parameters
    ----------
    estimator : ScratchMLPClassifier, default=None
        Its parameters are those of all members, but for what their kind changes;
        ``n_estimators`` is the number of members of a kind in a round. None means the
        recipe of ``make_tabular_classifier``.
    kinds : 'auto' or sequence of str, default='auto'
        Names of kinds in ``skscratch.tabular.kinds.KINDS``. 'auto' means those that
        suit the task.
    effort : {'low', 'default', 'high'}, default='default'
        How many members are trained, and how long at the most.
    time_limit : float, default=None
        Seconds that ``fit`` may take, about: members that do not fit are left out, or
        trained for fewer epochs. With a limit, results are not reproducible.

    Attributes
    ----------
    members_ : list of Members
        Trained networks, one item for each kind that is left.
    weights_ : ndarray of shape (n_kinds,)
        Weights of these kinds; they sum to 1.
    temperature_ : float
        What log-odds of the blend are divided by, as held-out samples are best
        predicted: see ``ScratchMLPClassifier``.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_outputs_ : int
        Number of raw outputs of a member's network.
    targets_ : ClassTargets
        How classes, or labels, are encoded.
    is_interrupted_ : bool
        Whether the user interrupted the training by Ctrl-C.
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

    def __init__(
        self,
        estimator: ScratchMLPClassifier | None = None,
        *,
        kinds: Any = "auto",
        effort: str = "default",
        time_limit: float | None = None,
    ) -> None:
        self.estimator = estimator
        self.kinds = kinds
        self.effort = effort
        self.time_limit = time_limit

    def _template(self) -> Any:
        if self.estimator is None:
            return ScratchMLPClassifier(**with_recipe(CLASSIFIER_RECIPE, {}))
        return self.estimator

    def _prepare(
        self, template: Any, given: Any, validation: Any, n_splits: int
    ) -> Prepared:
        make_targets = ClassTargets.fit
        return prepare(self, template, given, validation, make_targets, n_splits)

    def _make_judge(self, template: Any, prepared: Prepared) -> Any:
        judged, targets = prepared.judged, prepared.targets
        weights = targets.weights(
            template.class_weight, judged.y, judged.Y, judged.weights
        )
        Y = judged.Y
        if targets.kind == "binary":  # The probabilities of both classes are precise.
            Y = np.hstack([~Y, Y])[:, : len(targets.classes)]
        return ClassJudge(Y, weights, _loss_of(targets))

    def _attributes_of_task(
        self, template: Any, prepared: Prepared, hedge: Hedge
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
        P = self.predict_proba(X)
        targets = self.targets_
        if targets.is_multilabel:
            return targets.binarizer.inverse_transform(P > 0.5)
        predicted: NDArray[Any] = self.classes_[P.argmax(axis=1)]
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
        P = self._blend(X)
        targets = self.targets_
        if self.temperature_ != 1.0:
            P = tempered(_loss_of(targets), P, self.temperature_)
        if not targets.is_multilabel:
            P /= P.sum(axis=1, keepdims=True)
        return P

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
        log_odds = logit(self.predict_proba(X))
        is_binary = self.targets_.kind == "binary"
        return log_odds[:, -1] if is_binary else log_odds

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _loss_of(targets: ClassTargets) -> str:
    """Name of the loss of probabilities, of which two classes have one each."""
    return "binary_log_loss" if targets.is_multilabel else "log_loss"
