"""Cross-validation, tuning and comparison of one table, shown as they go on.

This is what ``python -m skscratch`` does with a table once it has one: lines of
text on standard output, and below them, on a terminal, one that says what runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
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

from skscratch.cli.tables import counted
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

# Up to so many rows each candidate trains on all of them, until its cost settles;
# beyond, candidates see a sample, and early stopping spares most of the epochs.
MANY_ROWS = 10_000


class Progress:
    """Lines that stay and, on a terminal, one below them that says what runs now.

    The line that says what runs is rich's where rich is installed.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._width = shutil.get_terminal_size().columns - 1 if self._terminal else 0
        self._live: Any = None

    def __enter__(self) -> Progress:
        """Begin."""
        if self._terminal:
            self._live = _rich_line()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the line that says what runs."""
        if self._live:
            self._live.stop()
        elif self._terminal:
            self.now("")

    def say(self, text: str = "") -> None:
        """Write a line, or several, that stay."""
        if self._live:
            self._live.console.print(
                text, markup=False, emoji=False, highlight=False, soft_wrap=True
            )
            return
        for line in text.split("\n"):
            print(line.ljust(self._width))

    def now(self, text: str) -> None:
        """Say what runs from now on."""
        if self._live:
            self._live.reset(self._live.task_ids[0], description=text)
        elif self._terminal:
            print(text[: self._width].ljust(self._width), end="\r", flush=True)


def _rich_line() -> Any:
    try:
        from rich import console, progress
    except ImportError:
        return None
    # A console of its own: rich's common one shows nothing while another line runs.
    line = progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
        console=console.Console(),
        transient=True,
    )
    line.add_task("starting", total=None)
    return line


class Study:
    """Cross-validation, tuning and comparison of one pipeline on one table.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The table, before any preparation.
    y : ndarray of shape (n_samples,)
        The class labels.
    options : Namespace
        Folds, epochs, jobs and seed.
    progress : Progress
        Where to show what happens.
    """

    def __init__(
        self, X: Any, y: Array, options: argparse.Namespace, progress: Progress
    ) -> None:
        self.X, self.y, self.options, self.progress = X, y, options, progress
        self.class_sizes = np.unique(y, return_counts=True)[1]
        self.n_folds = min(options.folds, int(np.min(self.class_sizes)))
        self.many_rows = len(y) > MANY_ROWS
        self.folds = self.make_folds(np.arange(len(y)))

    def run(self, preparation: Any) -> Pipeline:
        """Do all of it, and return the best pipeline, fitted to all rows."""
        say = self.progress.say
        self.describe()
        network = ScratchMLPClassifier(
            max_iter=self.options.max_iter,
            early_stopping=self.many_rows,
            random_state=self.options.seed,
        )
        pipeline = Pipeline([("preparation", preparation), ("network", network)])
        # Several threads gain little on such products, and lose much where other
        # programs use the cores too.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            # Fits that reach max_iter are counted instead.
            warnings.simplefilter("ignore", ConvergenceWarning)
            say(f"\nUntuned, {self.n_folds} folds: accuracy and time to fit")
            untuned = self.evaluate({OURS: pipeline})[OURS]
            tuned = self.tune(pipeline)
            say(f"\nTuned, and {THEIRS} of the same parameters and seed")
            ours, theirs = self.evaluate({OURS: tuned, THEIRS: twin_of(tuned)}).values()
        say("\nMean ± standard deviation over the folds; times on one BLAS thread")
        say(comparison({OURS: ours, THEIRS: theirs, "before tuning": untuned}))
        say(f"\n{verdict(ours, theirs)}\n{self.mistakes(ours)}")
        return tuned

    def describe(self) -> None:
        """Say how large the table is, and what is done about it."""
        say = self.progress.say
        say(
            f"  {counted(len(self.y), 'row')}, {counted(self.X.shape[1], 'column')}, "
            f"{counted(len(self.class_sizes), 'class')}; "
            f"the largest has {np.max(self.class_sizes) / len(self.y):.1%} of the rows"
        )
        if self.n_folds < self.options.folds:
            say(
                f"  {self.n_folds} folds instead of {self.options.folds}: "
                f"the rarest class has {self.n_folds} rows"
            )
        if self.many_rows:
            say(f"  so many rows: early stopping, and tuning on {MANY_ROWS:,} of them")

    def make_folds(self, rows: Array) -> list[Fold]:
        """Split some of the rows into folds of equal shares of each class."""
        splitter = StratifiedKFold(
            self.n_folds, shuffle=True, random_state=self.options.seed
        )
        return [
            (rows[train], rows[test])
            for train, test in splitter.split(rows, self.y[rows])
        ]

    def sample(self) -> Array:
        """Draw about `MANY_ROWS` rows, or all, with enough of each class to fold."""
        if not self.many_rows:
            return np.arange(len(self.y))
        random_state = np.random.RandomState(self.options.seed)
        share = MANY_ROWS / len(self.y)
        by_class = np.argsort(self.y, kind="stable")
        drawn = [
            random_state.choice(
                members, max(self.n_folds, round(share * len(members))), replace=False
            )
            for members in np.split(by_class, np.cumsum(self.class_sizes)[:-1])
        ]
        return np.sort(np.concatenate(drawn))

    def evaluate(self, models: dict[str, Pipeline]) -> dict[str, Scores]:
        """Cross-validate models side by side, fold by fold."""
        results: dict[str, Scores] = {name: {} for name in models}
        for number, fold in enumerate(self.folds, 1):
            line = f"  fold {number} of {len(self.folds)}"
            # Who comes first alternates, so that none always finds a warm cache.
            for name in sorted(models, reverse=number % 2 == 0):
                self.progress.now(f"{line.strip()}: {name}")
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
            for name, kept in results.items():
                line += f"   {name} {kept['test_accuracy'][-1]:.3f}"
                line += f" in {kept['fit_time'][-1]:.2f} s"
            self.progress.say(line)
        return results

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """Search the grid, and fit the candidate of the lowest log loss to all rows."""
        n_candidates = len(ParameterGrid(GRID))
        self.progress.say(f"\nTuning, {n_candidates} candidates, {self.n_folds} folds")
        search = NarratedGridSearch(
            pipeline,
            GRID,
            scoring={name: SCORING[name] for name in ("accuracy", "log_loss", "cut")},
            refit="log_loss",
            cv=self.make_folds(self.sample()),
            n_jobs=min(effective_n_jobs(self.options.jobs), self.n_folds),
            error_score="raise",
        )
        search.progress = self.progress
        search.fit(self.X, self.y)
        best = search.best_params_
        self.progress.say(f"  lowest log loss: {candidate_name(best)}")
        n_cut = round(search.cv_results_["mean_test_cut"].sum() * self.n_folds)
        if n_cut:
            fits = counted(n_candidates * self.n_folds, "fit")
            self.progress.say(
                f"  {n_cut} of {fits} stopped at --max-iter {self.options.max_iter}, "
                "before they had converged"
            )
        return search.best_estimator_

    def mistakes(self, scores: Scores, limit: int = 4) -> str:
        """Name the confusions that were most frequent in the test parts."""
        pairs: Counter[tuple[Any, Any]] = Counter()
        for (_, test), model in zip(self.folds, scores["estimator"], strict=True):
            rows = self.X.iloc[test] if hasattr(self.X, "iloc") else self.X[test]
            predicted = model.predict(rows)
            wrong = predicted != self.y[test]
            pairs.update(zip(self.y[test][wrong], predicted[wrong], strict=True))
        named = ", ".join(
            f"{true} taken for {predicted} ({times}x)"
            for (true, predicted), times in pairs.most_common(limit)
        )
        return wrapped(f"Most frequent mistakes: {named or 'none'}.")


class NarratedGridSearch(GridSearchCV):
    """A grid search that shows each candidate when it has been tried."""

    progress: Progress

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        candidates = list(ParameterGrid(self.param_grid))
        width = max(len(candidate_name(candidate)) for candidate in candidates)
        self.progress.say(f"  {'':{width}}   accuracy   log loss   seconds")
        for number, candidate in enumerate(candidates, 1):
            name = candidate_name(candidate)
            self.progress.now(f"candidate {number} of {len(candidates)}: {name}")
            started = time.perf_counter()
            results = evaluate_candidates([candidate])
            self.progress.say(
                f"  {name:{width}}   {results['mean_test_accuracy'][-1]:8.3f}"
                f"   {-results['mean_test_log_loss'][-1]:8.3f}"
                f"   {time.perf_counter() - started:7.1f}"
            )
        self.progress.now("fitting the best to all rows")


def candidate_name(parameters: dict[str, Any]) -> str:
    """Write parameters as in a call."""
    return ", ".join(
        f"{name.rpartition('__')[2]}={value}"
        for name, value in sorted(parameters.items())
    )


def _reached_max_iter(model: Pipeline, X: Any, y: Array) -> float:
    return float(model[-1].n_iter_ >= model[-1].max_iter)


def _predict_seconds(model: Pipeline, X: Any, y: Array) -> float:
    """Time a call that takes about a millisecond: the best of five."""
    durations = []
    for _ in range(5):
        started = time.perf_counter()
        model.predict_proba(X)
        durations.append(time.perf_counter() - started)
    return min(durations)


SCORING: dict[str, Any] = {
    "accuracy": "accuracy",
    "log_loss": "neg_log_loss",
    "cut": _reached_max_iter,
    "predict": _predict_seconds,
}


def twin_of(pipeline: Pipeline) -> Pipeline:
    """Put `MLPClassifier` with the same parameters in the network's place."""
    parameters = pipeline[-1].get_params()
    shared = {name: parameters[name] for name in MLPClassifier().get_params()}
    return Pipeline([pipeline.steps[0], ("network", MLPClassifier(**shared))])


def comparison(models: dict[str, Scores]) -> str:
    """Lay out mean and standard deviation over the folds as a table."""
    scores = list(models.values())
    columns = [
        ["", *models],
        ["accuracy", *_cells(scores, "test_accuracy", 1, 3)],
        # scikit-learn scores so that more is better, and negates losses for it.
        ["log loss", *_cells(scores, "test_log_loss", -1, 3)],
        _times("fit", scores, "fit_time"),
        _times("predict", scores, "test_predict"),
    ]
    return aligned(list(zip(*columns, strict=True)))


def _cells(models: list[Scores], key: str, factor: float, digits: int) -> list[str]:
    folds = [factor * np.asarray(scores[key]) for scores in models]
    return [f"{x.mean():.{digits}f} ± {x.std():.{digits}f}" for x in folds]


def _times(title: str, models: list[Scores], key: str) -> list[str]:
    """Write a column of times in the unit that suits the longest of them."""
    longest = max(np.mean(scores[key]) for scores in models)
    unit, factor = ("s", 1) if longest >= 1 else ("ms", 1000)
    digits = max(0, 3 - len(str(int(factor * longest))))
    return [f"{title}, {unit}", *_cells(models, key, factor, digits)]


def verdict(ours: Scores, theirs: Scores) -> str:
    """Say in words how the two models of the same parameters differ."""
    gap = max(
        np.abs(np.subtract(ours[key], theirs[key])).max()
        for key in ("test_accuracy", "test_log_loss")
    )
    if gap < 1e-6:
        scores = "Same parameters, same seed, same network: the scores are the same"
    else:
        scores = f"The scores of the two differ by {gap:.1g} at most on any fold"
    fit, predict = (
        np.sum(theirs[key]) / np.sum(ours[key]) for key in ("fit_time", "test_predict")
    )
    return wrapped(
        f"{scores}. {OURS} is {fit:.1f} times as fast to fit and {predict:.1f} times "
        f"as fast to predict as {THEIRS}. Tuning saw these folds too, which flatters "
        "both a little."
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells in columns: the first flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        ("  " + first.ljust(widths[0]))
        + "".join(
            "  " + cell.rjust(width)
            for cell, width in zip(others, widths[1:], strict=True)
        )
        for first, *others in rows
    )


def wrapped(text: str) -> str:
    """Break a sentence into lines."""
    return textwrap.fill(text, width=79)


def heading(text: str) -> str:
    """Underline a title, with a line above to set it off."""
    return f"\n{text}\n{'-' * len(text)}"
