"""Cross-validation of several models on the same folds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from skscratch.cli.errors import InputError
from skscratch.cli.results import Array, FoldScores, ModelScores

Fold = tuple[Array, Array]
COVERAGE_OF_INTERVALS = 0.9
# Predictions that take less are timed several times, and the best time counts.
SHORT_SECONDS = 0.05


@dataclass(frozen=True)
class Candidate:
    """A model to compare.

    Attributes
    ----------
    name : str
    pipeline : estimator
        Unfitted.
    is_ours : bool, default=False
    """

    name: str
    pipeline: Any
    is_ours: bool = False


def count_folds(y: Array, task: str, n_folds: int) -> int:
    """Number of folds that a table has enough rows for.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    task : {"classification", "regression"}
    n_folds : int
        Number of folds that the user asks for.

    Returns
    -------
    int
        At most as many as the smallest class has rows, or as leave ten test rows each;
        but two, if there are four rows.

    Raises
    ------
    InputError
        If there are too few rows for two folds.
    """
    if task == "classification":
        limit = int(np.min(np.unique(y, return_counts=True)[1]))
    else:
        limit = min(max(len(y) // 10, 2), len(y) // 2)
    if limit < 2:
        raise InputError(f"cannot evaluate on {len(y)} rows: at least 4 are needed")
    return min(n_folds, limit)


def make_folds(y: Array, task: str, n_folds: int, seed: int) -> list[Fold]:
    """Training and test rows of each fold: shuffled, and stratified by classes."""
    make = StratifiedKFold if task == "classification" else KFold
    splitter = make(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros((len(y), 1)), y))


def cross_validate(
    candidates: Sequence[Candidate],
    X: Any,
    y: Array,
    folds: Sequence[Fold],
    task: str,
    *,
    n_jobs: int = 1,
    on_start: Callable[[int, str], None] = lambda number, name: None,
    on_end: Callable[[int, str, FoldScores], None] = lambda number, name, scores: None,
) -> list[ModelScores]:
    """Fit and score each model on each fold, one fold after the other.

    Parameters
    ----------
    candidates : list of Candidate
    X : {array-like, DataFrame} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    folds : list of tuple of (ndarray, ndarray)
        Training rows and test rows of each fold.
    task : {"classification", "regression"}
    n_jobs : int, default=1
        Number of processes; -1 means one per core. The scores do not depend on it.
    on_start : callable, default=do nothing
        Called with the index of the fold and the name of the model before a fit; not
        if there are several processes.
    on_end : callable, default=do nothing
        Called likewise after each fit, in the order of the fits, with the scores.

    Returns
    -------
    list of ModelScores
        In the order of the candidates.
    """
    # The order alternates, so that no model always benefits from a warm cache.
    tasks = [
        (number, candidate)
        for number in range(len(folds))
        for candidate in (candidates if number % 2 == 0 else reversed(candidates))
    ]
    n_jobs = min(effective_n_jobs(n_jobs), len(tasks))

    def run(number: int, candidate: Candidate) -> FoldScores:
        on_start(number, candidate.name)
        return score_fold(candidate.pipeline, X, y, folds[number], task)

    if n_jobs == 1:
        found: Iterable[FoldScores] = starmap(run, tasks)
    else:
        found = Parallel(n_jobs, return_as="generator")(
            delayed(score_fold)(candidate.pipeline, X, y, folds[number], task)
            for number, candidate in tasks
        )
    results = {
        candidate.name: ModelScores(candidate.name, candidate.is_ours)
        for candidate in candidates
    }
    for (number, candidate), scores in zip(tasks, found, strict=True):
        results[candidate.name].folds.append(scores)
        on_end(number, candidate.name, scores)
    return list(results.values())


def score_fold(pipeline: Any, X: Any, y: Array, fold: Fold, task: str) -> FoldScores:
    """Fit a copy of a model on the training rows, and score it on the test rows.

    Parameters
    ----------
    pipeline : estimator
    X : {array-like, DataFrame} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    fold : tuple of (ndarray, ndarray)
    task : {"classification", "regression"}

    Returns
    -------
    FoldScores
    """
    train, test = fold
    score = _score_classes if task == "classification" else _score_numbers
    # The matrices are small: several threads gain little, and lose much if other
    # programs or the other processes use the cores too.
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.perf_counter()
        model = clone(pipeline).fit(take(X, train), y[train])
        fit_seconds = time.perf_counter() - started
        scores, predicted, bounds = score(model, take(X, test), y[test])
    stopped = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return FoldScores(
        {**scores, "fit_seconds": fit_seconds}, predicted, bounds, not stopped
    )


def take(X: Any, rows: Array) -> Any:
    """Rows of an array or a DataFrame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


Scored = tuple[dict[str, float], Array, Array | None]


def _score_classes(model: Any, X: Any, y: Array) -> Scored:
    probabilities, seconds = _timed(model.predict_proba, X)
    predicted = model.predict(X)
    scores = {
        "accuracy": float(accuracy_score(y, predicted)),
        "log_loss": float(log_loss(y, probabilities, labels=model.classes_)),
        "predict_seconds": seconds,
    }
    return scores, predicted, None


def _score_numbers(model: Any, X: Any, y: Array) -> Scored:
    predicted, seconds = _timed(model.predict, X)
    scores = {
        "mae": float(mean_absolute_error(y, predicted)),
        "rmse": float(root_mean_squared_error(y, predicted)),
        "r2": float(r2_score(y, predicted)),
        "predict_seconds": seconds,
    }
    bounds = _bounds(model, X)
    if bounds is not None:
        low, high = bounds.T
        scores["coverage"] = float(np.mean((low <= y) & (y <= high)))
        scores["width"] = float(np.mean(high - low))
    return scores, predicted, bounds


def _bounds(model: Any, X: Any) -> Array | None:
    """Intervals, or None if the model has none, or too few rows to calibrate them."""
    if not hasattr(model, "predict_interval"):
        return None
    try:
        bounds: Array = model.predict_interval(X, COVERAGE_OF_INTERVALS)
    except ValueError:
        return None
    return bounds


def _timed(predict: Callable[[Any], Array], X: Any) -> tuple[Array, float]:
    """Predict, and time it: the best of five if it takes only milliseconds."""
    durations: list[float] = []
    while len(durations) < (5 if min(durations, default=0) < SHORT_SECONDS else 1):
        started = time.perf_counter()
        predicted = predict(X)
        durations.append(time.perf_counter() - started)
    return predicted, min(durations)
