"""A plain network on one table: cross-validation, tuning and comparison."""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedKFold,
    cross_validate,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from skscratch.cli.terminal import Progress, align, format_count, wrap
from skscratch.estimators.classifier import ScratchMLPClassifier

Array = np.ndarray[Any, Any]
Fold = tuple[Array, Array]
Scores = dict[str, list[Any]]

OURS = ScratchMLPClassifier.__name__
THEIRS = MLPClassifier.__name__

GRID = {
    "network__alpha": [1e-4, 1e-1, 1.0],
    "network__learning_rate_init": [1e-3, 5e-3],
}

# With more rows, candidates are tuned on a sample of this size, and early stopping
# saves most of the epochs.
TUNING_ROWS = 10_000


class Study:
    """Study of a pipeline on a table: cross-validation, tuning and comparison.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The features, before preprocessing.
    y : ndarray of shape (n_samples,)
        The class labels.
    options : Namespace
        The command line's ``folds``, ``max_iter``, ``jobs`` and ``seed``.
    progress : Progress
        Output.
    """

    def __init__(
        self, X: Any, y: Array, options: argparse.Namespace, progress: Progress
    ) -> None:
        self.X, self.y, self.options, self.progress = X, y, options, progress
        self.class_sizes = np.unique(y, return_counts=True)[1]
        self.n_folds = min(options.folds, int(np.min(self.class_sizes)))
        self.is_large = len(y) > TUNING_ROWS
        self.folds = self.make_folds(np.arange(len(y)))

    def run(self, preprocessor: Any) -> Pipeline:
        """Run the study; return the best pipeline, fitted on all rows."""
        write = self.progress.write
        self.describe()
        network = ScratchMLPClassifier(
            max_iter=self.options.max_iter,
            early_stopping=self.is_large,
            random_state=self.options.seed,
        )
        pipeline = Pipeline([("preprocessor", preprocessor), ("network", network)])
        # The matrices are small: several threads gain little, and lose much if other
        # programs use the cores too.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            # The number of fits that reach max_iter is reported instead.
            warnings.simplefilter("ignore", ConvergenceWarning)
            write(f"\nUntuned, {self.n_folds} folds: accuracy and fit time")
            untuned = self.evaluate({OURS: pipeline})[OURS]
            tuned = self.tune(pipeline)
            write(f"\nTuned, and {THEIRS} with the same parameters and seed")
            reference = as_mlp_classifier(tuned)
            ours, theirs = self.evaluate({OURS: tuned, THEIRS: reference}).values()
        write("\nMean ± standard deviation over the folds; times with one BLAS thread")
        write(format_scores({OURS: ours, THEIRS: theirs, "before tuning": untuned}))
        write(f"\n{summarize(ours, theirs)}\n{self.describe_mistakes(ours)}")
        return tuned

    def describe(self) -> None:
        """Write the size of the table, and what follows from it."""
        write = self.progress.write
        counts = {
            "row": len(self.y),
            "column": self.X.shape[1],
            "class": len(self.class_sizes),
        }
        size = ", ".join(format_count(n, noun) for noun, n in counts.items())
        largest = np.max(self.class_sizes) / len(self.y)
        write(f"  {size}; the largest class has {largest:.1%} of the rows")
        if self.n_folds < self.options.folds:
            write(
                f"  {self.n_folds} folds instead of {self.options.folds}: "
                f"the smallest class has {self.n_folds} rows"
            )
        if self.is_large:
            write(f"  large table: early stopping, and tuning on {TUNING_ROWS:,} rows")

    def make_folds(self, rows: Array) -> list[Fold]:
        """Split the given rows into stratified folds."""
        splitter = StratifiedKFold(
            self.n_folds, shuffle=True, random_state=self.options.seed
        )
        return [
            (rows[train], rows[test])
            for train, test in splitter.split(rows, self.y[rows])
        ]

    def sample(self) -> Array:
        """Draw a stratified sample of about ``TUNING_ROWS`` rows, or all rows.

        It has at least one row of each class per fold.
        """
        if not self.is_large:
            return np.arange(len(self.y))
        random_state = np.random.RandomState(self.options.seed)
        fraction = TUNING_ROWS / len(self.y)
        by_class = np.argsort(self.y, kind="stable")
        drawn = [
            random_state.choice(
                members,
                max(self.n_folds, round(fraction * len(members))),
                replace=False,
            )
            for members in np.split(by_class, np.cumsum(self.class_sizes)[:-1])
        ]
        return np.sort(np.concatenate(drawn))

    def evaluate(self, models: dict[str, Pipeline]) -> dict[str, Scores]:
        """Cross-validate models in turns, fold by fold."""
        results: dict[str, Scores] = {name: {} for name in models}
        for number, fold in enumerate(self.folds, 1):
            line = f"  fold {number} of {len(self.folds)}"
            # The order alternates, so that no model always benefits from a warm cache.
            for name in sorted(models, reverse=number % 2 == 0):
                self.progress.set_status(f"{line.strip()}: {name}")
                scores = cross_validate(
                    models[name],
                    self.X,
                    self.y,
                    cv=[fold],
                    scoring=SCORING,
                    return_estimator=True,
                    error_score="raise",
                )
                for key, value in scores.items():
                    results[name].setdefault(key, []).extend(value)
            for name, so_far in results.items():
                line += f"   {name} {so_far['test_accuracy'][-1]:.3f}"
                line += f" in {so_far['fit_time'][-1]:.2f} s"
            self.progress.write(line)
        return results

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """Search the grid; fit the candidate of lowest log loss on all rows."""
        n_candidates = len(ParameterGrid(GRID))
        self.progress.write(
            f"\nTuning, {n_candidates} candidates, {self.n_folds} folds"
        )
        search = VerboseGridSearch(
            pipeline,
            GRID,
            scoring={name: SCORING[name] for name in TUNING_SCORES},
            refit="log_loss",
            cv=self.make_folds(self.sample()),
            n_jobs=min(effective_n_jobs(self.options.jobs), self.n_folds),
            error_score="raise",
        )
        search.progress = self.progress
        search.fit(self.X, self.y)
        best = search.best_params_
        self.progress.write(f"  lowest log loss: {candidate_name(best)}")
        fractions = search.cv_results_["mean_test_reached_max_iter"]
        n_stopped = round(fractions.sum() * self.n_folds)
        if n_stopped:
            fits = format_count(n_candidates * self.n_folds, "fit")
            self.progress.write(
                f"  {n_stopped} of {fits} stopped at --max-iter "
                f"{self.options.max_iter} without convergence"
            )
        return search.best_estimator_

    def describe_mistakes(self, scores: Scores, limit: int = 4) -> str:
        """List the most frequent confusions of classes in the test folds."""
        pairs: Counter[tuple[Any, Any]] = Counter()
        for (_, test), model in zip(self.folds, scores["estimator"], strict=True):
            rows = self.X.iloc[test] if hasattr(self.X, "iloc") else self.X[test]
            predicted = model.predict(rows)
            wrong = predicted != self.y[test]
            pairs.update(zip(self.y[test][wrong], predicted[wrong], strict=True))
        listed = ", ".join(
            f"{true} predicted as {predicted} ({count}x)"
            for (true, predicted), count in pairs.most_common(limit)
        )
        return wrap(f"Most frequent mistakes: {listed or 'none'}.")


class VerboseGridSearch(GridSearchCV):
    """Grid search that writes the scores of each candidate as soon as it has them."""

    progress: Progress

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        candidates = list(ParameterGrid(self.param_grid))
        width = max(len(candidate_name(candidate)) for candidate in candidates)
        self.progress.write(f"  {'':{width}}   accuracy   log loss   seconds")
        for number, candidate in enumerate(candidates, 1):
            name = candidate_name(candidate)
            self.progress.set_status(f"candidate {number} of {len(candidates)}: {name}")
            started = time.perf_counter()
            results = evaluate_candidates([candidate])
            self.progress.write(
                f"  {name:{width}}   {results['mean_test_accuracy'][-1]:8.3f}"
                f"   {-results['mean_test_log_loss'][-1]:8.3f}"
                f"   {time.perf_counter() - started:7.1f}"
            )
        self.progress.set_status("fitting the best candidate on all rows")


def candidate_name(parameters: dict[str, Any]) -> str:
    """Format parameters like the arguments of a call."""
    return ", ".join(
        f"{name.rpartition('__')[2]}={value}"
        for name, value in sorted(parameters.items())
    )


def _reached_max_iter(model: Pipeline, X: Any, y: Array) -> float:
    return float(model[-1].n_iter_ >= model[-1].max_iter)


def _predict_seconds(model: Pipeline, X: Any, y: Array) -> float:
    """Time the prediction: the best of five, for it takes about a millisecond."""
    durations = []
    for _ in range(5):
        started = time.perf_counter()
        model.predict_proba(X)
        durations.append(time.perf_counter() - started)
    return min(durations)


SCORING: dict[str, Any] = {
    "accuracy": "accuracy",
    "log_loss": "neg_log_loss",
    "reached_max_iter": _reached_max_iter,
    "predict": _predict_seconds,
}
TUNING_SCORES = ("accuracy", "log_loss", "reached_max_iter")


def as_mlp_classifier(pipeline: Pipeline) -> Pipeline:
    """Replace the network with an ``MLPClassifier`` of the same parameters."""
    parameters = pipeline[-1].get_params()
    shared = {name: parameters[name] for name in MLPClassifier().get_params()}
    return Pipeline([pipeline.steps[0], ("network", MLPClassifier(**shared))])


def format_scores(models: dict[str, Scores]) -> str:
    """Format mean and standard deviation over the folds as a table."""
    scores = list(models.values())
    columns = [
        ["", *models],
        ["accuracy", *_cells(scores, "test_accuracy", 1, 3)],
        # scikit-learn negates losses, so that higher scores are better.
        ["log loss", *_cells(scores, "test_log_loss", -1, 3)],
        _times("fit", scores, "fit_time"),
        _times("predict", scores, "test_predict"),
    ]
    return align(list(zip(*columns, strict=True)))


def _cells(models: list[Scores], key: str, factor: float, digits: int) -> list[str]:
    folds = [factor * np.asarray(scores[key]) for scores in models]
    return [f"{x.mean():.{digits}f} ± {x.std():.{digits}f}" for x in folds]


def _times(title: str, models: list[Scores], key: str) -> list[str]:
    """Format a column of times, in a unit that suits the longest."""
    longest = max(np.mean(scores[key]) for scores in models)
    unit, factor = ("s", 1) if longest >= 1 else ("ms", 1000)
    digits = max(0, 3 - len(str(int(factor * longest))))
    return [f"{title}, {unit}", *_cells(models, key, factor, digits)]


def summarize(ours: Scores, theirs: Scores) -> str:
    """Describe how the two models with the same parameters differ."""
    gap = max(
        np.abs(np.subtract(ours[key], theirs[key])).max()
        for key in ("test_accuracy", "test_log_loss")
    )
    if gap < 1e-6:
        scores = "Same parameters, same seed, same network: the scores are the same"
    else:
        scores = f"The scores differ by at most {gap:.1g} on any fold"
    fit, predict = (
        np.sum(theirs[key]) / np.sum(ours[key]) for key in ("fit_time", "test_predict")
    )
    return wrap(
        f"{scores}. {OURS} is {fit:.1f} times as fast to fit and {predict:.1f} times "
        f"as fast to predict as {THEIRS}. Tuning used these folds too, so both are "
        "slightly optimistic."
    )
