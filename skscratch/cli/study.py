"""A plain network on one table: cross-validation, tuning and comparison."""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from skscratch.cli.comparison import (
    Candidate,
    Fold,
    count_folds,
    cross_validate,
    make_folds,
)
from skscratch.cli.output.report import compare_times, format_fold, format_scores
from skscratch.cli.output.terminal import Progress, format_count, wrap
from skscratch.cli.peers import with_standardized_targets
from skscratch.cli.results import METRICS, SHOWN, Array, FoldScores, ModelScores
from skscratch.estimators.classifier import ScratchMLPClassifier
from skscratch.estimators.regressor import ScratchMLPRegressor

MAX_ITER = 300
GRID = {"alpha": [1e-4, 1e-1, 1.0], "learning_rate_init": [1e-3, 5e-3]}
# With more rows, candidates are tuned on a sample of this size, and early stopping
# saves most of the epochs.
TUNING_ROWS = 10_000


class Study:
    """Study of a plain network on a table: cross-validation, tuning and comparison.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The features, before preprocessing.
    y : ndarray of shape (n_samples,)
        The class labels or numbers.
    options : Namespace
        The command line's ``folds``, ``max_iter``, ``jobs`` and ``seed``.
    progress : Progress
        Output.
    task : {"classification", "regression"}, default="classification"

    Attributes
    ----------
    folds : list of tuple of (ndarray, ndarray)
        Training rows and test rows of each fold.
    models : list of ModelScores
        After ``run``: ours when tuned, scikit-learn's with the same parameters, and
        ours before tuning.
    """

    def __init__(
        self,
        X: Any,
        y: Array,
        options: argparse.Namespace,
        progress: Progress,
        task: str = "classification",
    ) -> None:
        self.X, self.y, self.options, self.progress = X, y, options, progress
        self.task = task
        self.max_iter = options.max_iter or MAX_ITER
        self.is_large = len(y) > TUNING_ROWS
        self.n_folds = count_folds(y, task, options.folds)
        self.folds = make_folds(y, task, self.n_folds, options.seed)
        self.models: list[ModelScores] = []
        classifies = task == "classification"
        ours: Any = ScratchMLPClassifier if classifies else ScratchMLPRegressor
        theirs: Any = MLPClassifier if classifies else MLPRegressor
        self.ours, self.theirs = ours, theirs

    def run(self, preprocessor: Any) -> Pipeline:
        """Run the study; return the best pipeline, fitted on all rows."""
        write = self.progress.write
        self.describe()
        pipeline = self.make_pipeline(preprocessor)
        name, reference_name = self.ours.__name__, self.theirs.__name__
        shown = SHOWN[self.task].title
        # The matrices are small: several threads gain little, and lose much if other
        # programs use the cores too.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            # The number of fits that reach max_iter is reported instead.
            warnings.simplefilter("ignore", ConvergenceWarning)
            write(f"\nUntuned, {self.n_folds} folds: {shown} and fit time")
            (untuned,) = self.evaluate([Candidate(name, pipeline)])
            tuned = self.tune(pipeline)
            write(
                self.wrapped(
                    f"\nTuned, and {reference_name} with the same parameters and seed"
                )
            )
            reference = with_reference(tuned, self.theirs)
            ours, theirs = self.evaluate(
                [Candidate(name, tuned, True), Candidate(reference_name, reference)]
            )
        before = ModelScores("before tuning", False, untuned.folds)
        self.models = [ours, theirs, before]
        self.write_results()
        return tuned

    def write_results(self) -> None:
        """Write the table of figures, and what it shows."""
        width, write = self.progress.width, self.progress.write_result
        ours, theirs, _ = self.models
        title = "Mean ± standard deviation over the folds; times with one BLAS thread"
        write(self.wrapped(f"\n{title}"))
        write(format_scores(self.models, self.task, width))
        write("\n" + self.wrapped(summarize(ours, theirs, self.task)))
        if self.task == "classification":
            write(self.wrapped(self.describe_mistakes(ours)))

    def wrapped(self, text: str) -> str:
        """Wrap a paragraph, which may follow an empty line."""
        start = "\n" if text.startswith("\n") else ""
        return start + wrap(text.strip(), self.progress.width)

    def make_pipeline(self, preprocessor: Any) -> Pipeline:
        """Make the network behind its preparation; targets are standardized."""
        network = self.ours(
            max_iter=self.max_iter,
            early_stopping=self.is_large,
            random_state=self.options.seed,
        )
        if self.task == "regression":
            network = with_standardized_targets(network)
        return Pipeline([("preprocessor", preprocessor), ("network", network)])

    def describe(self) -> None:
        """Write the size of the table, and what follows from it."""
        for line in describe_table(self.X, self.y, self.task):
            self.progress.write(wrap(line, self.progress.width, 2))
        if self.n_folds < self.options.folds:
            text = describe_fewer_folds(self.n_folds, self.options.folds, self.task)
            self.progress.write(wrap(text, self.progress.width, 2))
        if self.is_large:
            text = f"large table: early stopping, and tuning on {TUNING_ROWS:,} rows"
            self.progress.write(wrap(text, self.progress.width, 2))

    def sample(self) -> Array:
        """Draw a sample of about ``TUNING_ROWS`` rows, or all rows.

        It is stratified, and has at least one row of each class per fold.
        """
        if not self.is_large:
            return np.arange(len(self.y))
        random_state = np.random.RandomState(self.options.seed)
        if self.task == "regression":
            rows = random_state.choice(len(self.y), TUNING_ROWS, replace=False)
            return np.sort(rows)
        fraction = TUNING_ROWS / len(self.y)
        by_class = np.argsort(self.y, kind="stable")
        class_sizes = np.unique(self.y, return_counts=True)[1]
        drawn = [
            random_state.choice(
                members,
                max(self.n_folds, round(fraction * len(members))),
                replace=False,
            )
            for members in np.split(by_class, np.cumsum(class_sizes)[:-1])
        ]
        return np.sort(np.concatenate(drawn))

    def tuning_folds(self) -> list[Fold]:
        """Folds of the sample that candidates are tuned on."""
        rows = self.sample()
        folds = make_folds(self.y[rows], self.task, self.n_folds, self.options.seed)
        return [(rows[train], rows[test]) for train, test in folds]

    def evaluate(self, candidates: Sequence[Candidate]) -> list[ModelScores]:
        """Cross-validate models in turns, fold by fold, in one process."""
        names = [candidate.name for candidate in candidates]
        fold_scores: dict[str, FoldScores] = {}

        def on_start(number: int, name: str) -> None:
            self.progress.set_status(f"fold {number + 1} of {self.n_folds}: {name}")

        def on_end(number: int, name: str, scores: FoldScores) -> None:
            fold_scores[name] = scores
            if len(fold_scores) < len(names):
                return
            ordered = {name: fold_scores[name] for name in names}
            metric, width = SHOWN[self.task], self.progress.width
            line = format_fold(number, self.n_folds, ordered, metric, width)
            self.progress.write(line)
            fold_scores.clear()

        return cross_validate(
            candidates,
            self.X,
            self.y,
            self.folds,
            self.task,
            on_start=on_start,
            on_end=on_end,
        )

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """Search the grid; fit the best candidate on all rows.

        It has the lowest log loss, or the lowest RMSE.
        """
        prefix = (
            "network__" if self.task == "classification" else "network__regressor__"
        )
        grid = {prefix + name: values for name, values in GRID.items()}
        n_candidates = len(ParameterGrid(grid))
        self.progress.write(
            f"\nTuning, {n_candidates} candidates, {self.n_folds} folds"
        )
        scoring = SCORING[self.task]
        lowest = list(scoring)[1]
        search = VerboseGridSearch(
            pipeline,
            grid,
            scoring={**scoring, "reached_max_iter": _reached_max_iter},
            refit=lowest,
            cv=self.tuning_folds(),
            n_jobs=min(effective_n_jobs(self.options.jobs), self.n_folds),
            error_score="raise",
        )
        search.progress, search.task = self.progress, self.task
        search.fit(self.X, self.y)
        found = candidate_name(search.best_params_)
        title = METRICS[self.task][1].title
        self.progress.write(wrap(f"lowest {title}: {found}", self.progress.width, 2))
        fractions = search.cv_results_["mean_test_reached_max_iter"]
        self.describe_convergence(
            round(fractions.sum() * self.n_folds), n_candidates * self.n_folds
        )
        return search.best_estimator_

    def describe_convergence(self, n_stopped: int, n_fits: int) -> None:
        """Write how many fits reached the maximum number of epochs."""
        if n_stopped:
            text = (
                f"{n_stopped} of {format_count(n_fits, 'fit')} stopped at --max-iter "
                f"{self.max_iter} without convergence"
            )
            self.progress.write(wrap(text, self.progress.width, 2))

    def describe_mistakes(self, scores: ModelScores, limit: int = 4) -> str:
        """List the most frequent confusions of classes in the test folds."""
        rows, predicted, *_ = scores.out_of_fold(self.folds)
        true = self.y[rows]
        wrong = predicted != true
        pairs = Counter(
            zip(true[wrong].tolist(), predicted[wrong].tolist(), strict=True)
        )
        listed = ", ".join(
            f"{true} predicted as {predicted} ({count}x)"
            for (true, predicted), count in pairs.most_common(limit)
        )
        return f"Most frequent mistakes: {listed or 'none'}."


class VerboseGridSearch(GridSearchCV):
    """Grid search that writes the scores of each candidate as soon as it has them."""

    progress: Progress
    task: str

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        candidates = list(ParameterGrid(self.param_grid))
        width = max(len(candidate_name(candidate)) for candidate in candidates)
        scores = list(SCORING[self.task])
        titles = [metric.title for metric in METRICS[self.task][:2]]
        figures = "".join(f"{title:>11}" for title in [*titles, "seconds"])
        # Names stand on lines of their own if the terminal is narrow.
        is_wide = 2 + width + len(figures) <= self.progress.width
        start = " " * (2 + width if is_wide else 2)
        self.progress.write(start + figures)
        for number, candidate in enumerate(candidates, 1):
            name = candidate_name(candidate)
            self.progress.set_status(f"candidate {number} of {len(candidates)}: {name}")
            started = time.perf_counter()
            results = evaluate_candidates([candidate])
            means = [abs(results[f"mean_test_{key}"][-1]) for key in scores[:2]]
            figures = "".join(f"{mean:11.3f}" for mean in means)
            figures += f"{time.perf_counter() - started:11.1f}"
            named = f"  {name:{width}}" if is_wide else f"  {name}\n  "
            self.progress.write(named + figures)
        self.progress.set_status("fitting the best candidate on all rows")


def describe_table(X: Any, y: Array, task: str) -> list[str]:
    """Describe the size of a table and its target, in a line."""
    counts = {"row": len(y), "column": X.shape[1]}
    if task == "classification":
        class_sizes = np.unique(y, return_counts=True)[1]
        counts["class"] = len(class_sizes)
        end = f"the largest class has {np.max(class_sizes) / len(y):.1%} of the rows"
    else:
        end = (
            f"the target is a number, {np.min(y):.6g} to {np.max(y):.6g}, mean "
            f"{np.mean(y):.4g}, standard deviation {np.std(y):.4g}"
        )
    size = ", ".join(format_count(number, noun) for noun, number in counts.items())
    return [f"{size}; {end}"]


def describe_fewer_folds(n_folds: int, asked: int, task: str) -> str:
    """Say why there are fewer folds than the user asked for."""
    if task == "classification":
        reason = f"the smallest class has {n_folds} rows"
    else:
        reason = "each needs ten rows to test on"
    return f"{n_folds} folds instead of {asked}: {reason}"


def candidate_name(parameters: dict[str, Any]) -> str:
    """Format parameters like the arguments of a call."""
    return ", ".join(
        f"{name.rpartition('__')[2]}={value}"
        for name, value in sorted(parameters.items())
    )


def network_of(pipeline: Pipeline) -> Any:
    """Fitted or unfitted network of a pipeline of ``Study``."""
    last = pipeline[-1]
    if not isinstance(last, TransformedTargetRegressor):
        return last
    return getattr(last, "regressor_", last.regressor)


def _reached_max_iter(model: Pipeline, X: Any, y: Array) -> float:
    network = network_of(model)
    return float(network.n_iter_ >= network.max_iter)


# scikit-learn negates losses, so that higher scores are better.
SCORING: dict[str, dict[str, str]] = {
    "classification": {"accuracy": "accuracy", "log_loss": "neg_log_loss"},
    "regression": {
        "mae": "neg_mean_absolute_error",
        "rmse": "neg_root_mean_squared_error",
    },
}


def with_reference(pipeline: Pipeline, reference: Any) -> Pipeline:
    """Replace the network with one of scikit-learn that has the same parameters.

    Parameters
    ----------
    pipeline : Pipeline
        Of ``Study``.
    reference : class
        ``MLPClassifier`` or ``MLPRegressor``.

    Returns
    -------
    Pipeline
    """
    parameters = network_of(pipeline).get_params()
    network = reference(**{name: parameters[name] for name in reference().get_params()})
    if isinstance(pipeline[-1], TransformedTargetRegressor):
        network = with_standardized_targets(network)
    return Pipeline([pipeline.steps[0], ("network", clone(network))])


def summarize(ours: ModelScores, theirs: ModelScores, task: str) -> str:
    """Describe how the two models with the same parameters differ."""
    gap = max(
        np.abs(ours.values(metric.key) - theirs.values(metric.key)).max()
        / (1.0 if metric.digits else np.abs(theirs.values(metric.key)).max())
        for metric in METRICS[task]
        if ours.has(metric.key)
    )
    if gap < 1e-6:
        scores = "Same parameters, same seed, same network: the scores are the same"
    else:
        scores = f"The scores differ by at most {gap:.1g} on any fold"
    return (
        f"{scores}. {compare_times(ours, theirs)} Tuning used these folds too, so both "
        "are slightly optimistic."
    )
