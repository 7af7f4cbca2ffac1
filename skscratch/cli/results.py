"""Results of the command line: the scores of each model and fold, and who is best.

Computing is in ``comparison`` and ``study``, the text about it in ``report``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Metric:
    """A figure of a model.

    Attributes
    ----------
    key : str
        Name in ``FoldScores.scores`` and in the JSON output.
    title : str
        Title of a column, and name in a sentence.
    higher_is_better : bool
    digits : int or None
        Digits after the point; None means four significant digits, for figures in
        units of the target.
    """

    key: str
    title: str
    higher_is_better: bool
    digits: int | None = 3


ACCURACY = Metric("accuracy", "accuracy", True)
LOG_LOSS = Metric("log_loss", "log loss", False)
MAE = Metric("mae", "MAE", False, None)
RMSE = Metric("rmse", "RMSE", False, None)
R2 = Metric("r2", "R²", True)
# Only our models have intervals.
COVERAGE = Metric("coverage", "coverage", True)
WIDTH = Metric("width", "width", False, None)

METRICS = {
    "classification": (ACCURACY, LOG_LOSS),
    "regression": (MAE, RMSE, R2, COVERAGE, WIDTH),
}
# Metrics whose best model is named; the last one decides which of our models is kept.
DECIDING = {"classification": (ACCURACY, LOG_LOSS), "regression": (RMSE,)}
# The metric that is shown while the folds are computed.
SHOWN = {"classification": ACCURACY, "regression": R2}
TIMES = ("fit_seconds", "predict_seconds")


@dataclass(frozen=True)
class FoldScores:
    """Figures and predictions of a model on the test rows of one fold.

    Attributes
    ----------
    scores : dict
        Figures by the key of their metric, and the times in seconds.
    predicted : ndarray of shape (n_test,)
        Predictions for the test rows.
    bounds : ndarray of shape (n_test, 2) or None
        Intervals of the test rows.
    has_converged : bool
        Whether the fit ended before its maximum number of iterations.
    """

    scores: dict[str, float]
    predicted: Array
    bounds: Array | None = None
    has_converged: bool = True


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model on all folds.

    Attributes
    ----------
    name : str
    is_ours : bool
    folds : list of FoldScores
    """

    name: str
    is_ours: bool
    folds: list[FoldScores] = field(default_factory=list)

    def has(self, key: str) -> bool:
        """Return whether the model has a figure on every fold."""
        return all(key in fold.scores for fold in self.folds)

    def values(self, key: str) -> Array:
        """Figures of all folds."""
        return np.array([fold.scores[key] for fold in self.folds])

    def mean(self, key: str) -> float:
        """Mean over the folds."""
        return float(np.mean(self.values(key)))

    def std(self, key: str) -> float:
        """Standard deviation over the folds."""
        # Infinite figures, such as widths of intervals, have none.
        with np.errstate(invalid="ignore"):
            return float(np.std(self.values(key)))

    def out_of_fold(self, folds: Sequence[tuple[Array, Array]]) -> tuple[Array, ...]:
        """Test rows of all folds, with their predictions and bounds.

        Parameters
        ----------
        folds : list of tuple of (ndarray, ndarray)
            Training rows and test rows of each fold.

        Returns
        -------
        rows, predicted : ndarray of shape (n_samples,)
        bounds : ndarray of shape (n_samples, 2)
            Left out if there are no intervals.
        """
        rows = np.concatenate([test for _, test in folds])
        predicted = np.concatenate([fold.predicted for fold in self.folds])
        bounds = [fold.bounds for fold in self.folds if fold.bounds is not None]
        if len(bounds) < len(self.folds):
            return rows, predicted
        return rows, predicted, np.concatenate(bounds)


@dataclass(frozen=True)
class Lead:
    """The best model by one metric, and how far it is ahead of the next one.

    Attributes
    ----------
    metric : Metric
    best, next : ModelScores
        Best and second best model by the mean over the folds.
    n_better : int
        Number of folds on which the best model is better than the next one.
    is_clear : bool
        Whether the mean difference between the two exceeds the standard deviation of
        the differences over the folds.
    """

    metric: Metric
    best: ModelScores
    next: ModelScores
    n_better: int
    is_clear: bool

    @property
    def difference(self) -> float:
        """Absolute difference of the means."""
        key = self.metric.key
        return abs(self.best.mean(key) - self.next.mean(key))


def find_lead(models: Sequence[ModelScores], metric: Metric) -> Lead:
    """Compare models by one metric.

    Parameters
    ----------
    models : list of ModelScores
        At least two.
    metric : Metric

    Returns
    -------
    Lead
        If means are equal, the first model is the best.
    """
    sign = 1 if metric.higher_is_better else -1
    ranked = sorted(models, key=lambda model: -sign * model.mean(metric.key))
    best, following = ranked[:2]
    gains = sign * (best.values(metric.key) - following.values(metric.key))
    is_clear = np.mean(gains) > np.std(gains, ddof=1)
    return Lead(metric, best, following, int(np.sum(gains > 0)), bool(is_clear))


def best_of(models: Sequence[ModelScores], task: str) -> ModelScores:
    """Model that is best by the metric that decides: log loss, or RMSE."""
    metric = DECIDING[task][-1]
    sign = 1 if metric.higher_is_better else -1
    return max(models, key=lambda model: sign * model.mean(metric.key))
