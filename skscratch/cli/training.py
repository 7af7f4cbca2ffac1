"""Training on the user's table: the comparison of models, and the model to keep."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

from skscratch.cli.comparison import (
    Candidate,
    Fold,
    count_folds,
    cross_validate,
    make_folds,
)
from skscratch.cli.errors import InputError
from skscratch.cli.output.column_report import (
    describe_roles,
    format_roles,
    without_repeats,
)
from skscratch.cli.output.report import (
    describe_coverage,
    format_fold,
    format_kept,
    format_scores,
    format_winner,
    short_name,
)
from skscratch.cli.output.terminal import Progress, heading, wrap
from skscratch.cli.output.time_left import TimeLeft
from skscratch.cli.peers import (
    RECIPE,
    describe_preparations,
    make_network_columns,
    make_peers,
    make_recipe,
)
from skscratch.cli.reading.tables import Table
from skscratch.cli.results import SHOWN, FoldScores, ModelScores, best_of
from skscratch.cli.study import Study, describe_fewer_folds, describe_table
from skscratch.tabular.roles import ColumnRole

PLAIN = "skscratch plain network"


@dataclass(frozen=True)
class Outcome:
    """What training on a table resulted in.

    Attributes
    ----------
    model : Pipeline
        The best of ours, fitted on all rows.
    kept : ModelScores
        Its scores.
    models : list of ModelScores
        All models that were compared on the same folds.
    folds : list of tuple of (ndarray, ndarray)
        Training rows and test rows of each fold.
    roles : list of ColumnRole
        What each column was taken for.
    notes : list of str
        Notes on the file and its columns.
    """

    model: Any
    kept: ModelScores
    models: list[ModelScores]
    folds: list[Fold]
    roles: list[ColumnRole]
    notes: list[str]


def train(table: Table, options: argparse.Namespace, progress: Progress) -> Outcome:
    """Compare models on a table, and fit the best of ours on all rows.

    Parameters
    ----------
    table : Table
    options : Namespace
        Of the command line.
    progress : Progress
        Output.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        If no model can be trained on the table.
    """
    try:
        return Training(table, options, progress).run()
    except (ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or "not enough memory"
        raise InputError(f"cannot train on this table: {reason}") from error


class Training:
    """Training on one table.

    Parameters
    ----------
    table : Table
    options : Namespace
        Of the command line.
    progress : Progress
        Output.
    """

    def __init__(
        self, table: Table, options: argparse.Namespace, progress: Progress
    ) -> None:
        self.table, self.options, self.progress = table, options, progress
        self.X, self.y, self.task = table.X, table.y, table.task
        n_folds = count_folds(table.y, table.task, options.folds)
        self.folds = make_folds(table.y, table.task, n_folds, options.seed)
        self.roles, notes = describe_roles(table.X)
        self.notes = [*table.notes, *without_repeats(notes, table.notes)]

    def run(self) -> Outcome:
        """Describe the table, compare the models, and fit the best of ours."""
        chosen = self.options.model or "recipe"
        self.describe_columns()
        models, plain = [], None
        if chosen != "recipe":
            study = Study(self.X, self.y, self.options, self.progress, self.task)
            plain = study.run(make_network_columns(self.options.seed))
            models = study.models[:2]
        else:
            self.describe_size()
        if chosen == "mlp":
            return self.outcome(plain, models[0], models)
        if models:
            # Beside the recipe, a plain network with the parameters of scikit-learn's.
            models = [ModelScores(PLAIN, True, models[0].folds)]
        recipe, *peers = self.candidates()
        found = self.compare([recipe, *peers])
        models = [found[0], *models, *found[1:]]
        kept = best_of([model for model in models if model.is_ours], self.task)
        self.write_results(models)
        model = self.fit(recipe) if kept.name == RECIPE else plain
        return self.outcome(model, kept, models)

    def outcome(
        self, model: Any, kept: ModelScores, models: list[ModelScores]
    ) -> Outcome:
        """Collect what training resulted in."""
        return Outcome(model, kept, models, self.folds, self.roles, self.notes)

    def describe_columns(self) -> None:
        """Write the notes on the file, and a line for each column."""
        write, width = self.progress.write, self.progress.width
        name = "standard input"
        if isinstance(self.options.file, Path):
            name = self.options.file.name
        write(heading(f"{name}, target {self.options.target!r}", width))
        for note in self.notes:
            write(wrap(note, width, 2))
        write("\nColumns\n" + format_roles(self.roles, width) + "\n")

    def describe_size(self) -> None:
        """Write the size of the table, and how many folds it allows."""
        width = self.progress.width
        for line in describe_table(self.X, self.y, self.task):
            self.progress.write(wrap(line, width, 2))
        if len(self.folds) < self.options.folds:
            text = describe_fewer_folds(len(self.folds), self.options.folds, self.task)
            self.progress.write(wrap(text, width, 2))

    def candidates(self) -> list[Candidate]:
        """Make the recipe and scikit-learn's models."""
        options = self.options
        effort = options.effort or "default"
        return [
            make_recipe(self.task, effort, options.time_limit, options.seed),
            *make_peers(self.task, self.roles, options.seed),
        ]

    def compare(self, candidates: Sequence[Candidate]) -> list[ModelScores]:
        """Cross-validate the models, and write the figures of each fold."""
        progress, width, n_folds = self.progress, self.progress.width, len(self.folds)
        shown = SHOWN[self.task]
        title = f"Cross-validation, {n_folds} folds: {shown.title} and fit time"
        progress.write("\n" + wrap(title, width))
        progress.write(wrap(describe_preparations(self.task), width, 2))
        names = [candidate.name for candidate in candidates]
        left = self.make_time_left(names)
        fold_scores: dict[str, FoldScores] = {}

        def on_start(number: int, name: str) -> None:
            progress.set_status(f"fold {number + 1} of {n_folds}: {short_name(name)}")

        def on_end(number: int, name: str, scores: FoldScores) -> None:
            left.add(name, scores.scores["fit_seconds"])
            fold_scores[name] = scores
            if len(fold_scores) == len(names):
                ordered = {short_name(name): fold_scores[name] for name in names}
                progress.write(format_fold(number, n_folds, ordered, shown, width))
                fold_scores.clear()

        progress.set_status(f"cross-validation, {n_folds} folds")
        return cross_validate(
            candidates,
            self.X,
            self.y,
            self.folds,
            self.task,
            n_jobs=self.options.jobs,
            on_start=on_start,
            on_end=on_end,
        )

    def make_time_left(self, names: Sequence[str]) -> TimeLeft:
        """Plan all fits of the comparison, and the one on all rows."""
        planned = dict.fromkeys(names, len(self.folds))
        planned[RECIPE] += 1
        limit = self.options.time_limit
        return TimeLeft(
            self.progress,
            planned,
            min(effective_n_jobs(self.options.jobs), len(self.folds) * len(names)),
            {} if limit is None else {RECIPE: limit},
        )

    def write_results(self, models: Sequence[ModelScores]) -> None:
        """Write the table of figures, who is best, and which model is kept."""
        width, write = self.progress.width, self.progress.write_result
        title = "Mean ± standard deviation over the folds; times with one thread"
        if effective_n_jobs(self.options.jobs) > 1:
            title += ", several fits at once"
        write("\n" + wrap(title, width))
        write(format_scores(models, self.task, width))
        explained = describe_coverage(models, self.task)
        if explained:
            write(wrap(explained, width))
        unfinished = describe_unconverged(models)
        if unfinished:
            write(wrap(unfinished, width))
        write("\n" + format_winner(models, self.task, width))
        write(format_kept(models, self.task, width))

    def fit(self, candidate: Candidate) -> Any:
        """Fit a model on all rows."""
        self.progress.set_status(f"fitting {candidate.name} on all rows")
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            # They are about columns, and were written before.
            warnings.simplefilter("ignore")
            return candidate.pipeline.fit(self.X, self.y)


def describe_unconverged(models: Sequence[ModelScores]) -> str:
    """Say which models stopped before they converged, or nothing."""
    stopped = {
        model.name: sum(not fold.has_converged for fold in model.folds)
        for model in models
    }
    return " ".join(
        f"{number} of {len(models[0].folds)} fits of {name} stopped at its maximum "
        "number of iterations, before convergence."
        for name, number in stopped.items()
        if number
    )
