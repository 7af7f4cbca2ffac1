"""The text about results: tables of figures, and who is best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from skscratch.cli.output.terminal import align, wrap
from skscratch.cli.peers import RECIPE
from skscratch.cli.results import (
    COVERAGE,
    DECIDING,
    METRICS,
    FoldScores,
    Lead,
    Metric,
    ModelScores,
    best_of,
    find_lead,
)

# Times below this are too short to compare.
SHORT_SECONDS = 0.05
# Names in the lines about single folds.
SHORT_NAMES = {
    RECIPE: "skscratch",
    "MLPClassifier": "MLP",
    "MLPRegressor": "MLP",
    "HistGradientBoostingClassifier": "trees",
    "HistGradientBoostingRegressor": "trees",
}
# The other classes are longer than a line has room for.
LONG_NAME = "HistGradientBoosting"


def format_scores(models: Sequence[ModelScores], task: str, width: int) -> str:
    """Format mean and standard deviation over the folds as a table.

    Parameters
    ----------
    models : list of ModelScores
    task : {"classification", "regression"}
    width : int
        Number of characters of a line; a wider table is divided into blocks.

    Returns
    -------
    str
    """
    columns = score_columns(models, task)
    return align(list(zip(*columns, strict=True)), width)


def score_columns(models: Sequence[ModelScores], task: str) -> list[list[str]]:
    """Columns of the table of figures: each has a title, and a cell for each model."""
    names = [
        LONG_NAME if model.name.startswith(LONG_NAME) else model.name
        for model in models
    ]
    columns = [["", *names]]
    for metric in METRICS[task]:
        if any(model.has(metric.key) for model in models):
            columns.append(_figures(models, metric))
    return [
        *columns,
        _times("fit", models, "fit_seconds"),
        _times("predict", models, "predict_seconds"),
    ]


def _figures(models: Sequence[ModelScores], metric: Metric) -> list[str]:
    key = metric.key
    means = [abs(model.mean(key)) for model in models if model.has(key)]
    digits = significant_digits(max(means)) if metric.digits is None else metric.digits
    return [
        metric.title,
        *(
            _cell(model.mean(key), model.std(key), digits) if model.has(key) else "-"
            for model in models
        ),
    ]


def _cell(mean: float, std: float, digits: int | None) -> str:
    if digits is None:
        return f"{mean:.3e} ± {std:.1e}"
    return f"{mean:,.{digits}f} ± {std:,.{digits}f}"


def significant_digits(number: float) -> int | None:
    """Digits after the point that show four significant digits of a number.

    None stands for the notation with an exponent.
    """
    if number == 0 or not math.isfinite(number):
        return 3
    exponent = math.floor(math.log10(number))
    return None if not -4 <= exponent <= 9 else max(0, 3 - exponent)


def _times(title: str, models: Sequence[ModelScores], key: str) -> list[str]:
    """Format a column of times, in a unit that suits the longest."""
    longest = max(model.mean(key) for model in models)
    unit, factor = ("s", 1) if longest >= 1 else ("ms", 1000)
    digits = max(0, 3 - len(str(int(factor * longest))))
    cells = [
        _cell(factor * model.mean(key), factor * model.std(key), digits)
        for model in models
    ]
    return [f"{title}, {unit}", *cells]


def format_fold(
    number: int,
    n_folds: int,
    scores: dict[str, FoldScores],
    metric: Metric,
    width: int,
) -> str:
    """Format the figures of all models on one fold.

    Parameters
    ----------
    number : int
        Index of the fold.
    n_folds : int
    scores : dict
        Scores of each model on this fold, by its name.
    metric : Metric
        The figure to show, beside the time of the fit.
    width : int
        Number of characters of a line.

    Returns
    -------
    str
    """
    figures = ", ".join(
        f"{name} {fold.scores[metric.key]:.3f} ({_seconds(fold.scores['fit_seconds'])})"
        for name, fold in scores.items()
    )
    return wrap(f"fold {number + 1} of {n_folds}: {figures}", width, 2)


def short_name(name: str) -> str:
    """Name of a model in the status line, and in those about folds."""
    return SHORT_NAMES.get(name, name)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def format_winner(models: Sequence[ModelScores], task: str, width: int) -> str:
    """Name the best models with their figures, and which of ours is kept.

    Parameters
    ----------
    models : list of ModelScores
    task : {"classification", "regression"}
    width : int

    Returns
    -------
    str
    """
    leads = [find_lead(models, metric) for metric in DECIDING[task]]
    return "\n".join(wrap(describe_lead(lead), width) for lead in leads)


def describe_lead(lead: Lead) -> str:
    """Say in words which model is best, by how much, and whether that is clear."""
    metric, n_folds = lead.metric, len(lead.best.folds)
    ends = [_with_spread(model, metric) for model in (lead.best, lead.next)]
    start = f"Best by {metric.title}: {lead.best.name}, {ends[0]}"
    if lead.difference == 0:
        return f"{start}. {lead.next.name} has the same mean."
    digits = metric.digits
    if digits is None:
        digits = significant_digits(lead.best.mean(metric.key))
    # A digit more than the means, which may look equal.
    difference = (
        f"{lead.difference:.1e}"
        if digits is None
        else f"{lead.difference:,.{digits + 1}f}"
    )
    verdict = "larger than" if lead.is_clear else "within"
    folds = f"{lead.n_better} of {n_folds}"
    if lead.n_better == n_folds:
        folds = "both" if n_folds == 2 else f"all {n_folds}"
    return (
        f"{start}. Next: {lead.next.name}, {ends[1]}. The difference of {difference} "
        f"is {verdict} its variation from fold to fold; {lead.best.name} is better on "
        f"{folds} folds."
    )


def _with_spread(model: ModelScores, metric: Metric) -> str:
    mean, std = model.mean(metric.key), model.std(metric.key)
    digits = metric.digits
    return _cell(mean, std, significant_digits(mean) if digits is None else digits)


def format_kept(models: Sequence[ModelScores], task: str, width: int) -> str:
    """Say which of our models is fitted on all rows, and whether it has won.

    Parameters
    ----------
    models : list of ModelScores
        Those of ours are the candidates.
    task : {"classification", "regression"}
    width : int

    Returns
    -------
    str
    """
    ours = [model for model in models if model.is_ours]
    kept, best = best_of(ours, task), best_of(models, task)
    title = DECIDING[task][-1].title
    if kept is best:
        text = f"{kept.name} is best by {title}, and is fitted on all rows."
    else:
        text = (
            f"{best.name} is best by {title}, but only models of skscratch can be "
            f"saved: {kept.name} is fitted on all rows."
        )
    return wrap(text, width)


def describe_coverage(models: Sequence[ModelScores], task: str) -> str:
    """Say what coverage and width are; nothing for classes."""
    if task == "classification":
        return ""
    if not any(model.has(COVERAGE.key) for model in models):
        return "There are too few rows to calibrate intervals."
    return (
        "Coverage is the share of rows whose value is in our 90% interval, and width "
        "the mean width of these intervals."
    )


def compare_times(ours: ModelScores, theirs: ModelScores) -> str:
    """Say how many times as fast ours is, unless times are too short to compare."""
    ratios, too_short = [], list[str]()
    for key, name in (("fit_seconds", "fit"), ("predict_seconds", "predict")):
        seconds = [float(np.mean(model.values(key))) for model in (ours, theirs)]
        if min(seconds) < SHORT_SECONDS:
            too_short.append(name)
        else:
            ratios.append(f"{seconds[1] / seconds[0]:.1f} times as fast to {name}")
    sentences = []
    if ratios:
        sentences.append(f"{ours.name} is {' and '.join(ratios)} as {theirs.name}.")
    if too_short:
        text = " and ".join(too_short)
        sentences.append(f"The times to {text} are too short to compare.")
    return " ".join(sentences)
