"""What ``tabular.py`` reports: ratios with standard errors, tables and plots.

There is no benchmark in this file.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import format_number, format_table, geometric_mean
from _table_models import BASELINE, MODELS, OURS

# Added to both, so that the ratio of two tiny errors does not dominate the mean.
OFFSET = 0.002
CLASSIFICATION = ("error", "log_loss", "brier", "calibration")
REGRESSION = ("rmse",)

# Measures of a fitted model on each split, for each model and data set.
Raw = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]
# Their means over the splits.
Means = Mapping[str, Mapping[str, Mapping[str, float]]]


class Estimate(NamedTuple):
    """A mean over splits, and its standard error, or nan if it is not known."""

    mean: float
    standard_error: float = math.nan

    def format(self, number: str = ".3f") -> str:
        """Format both in the same way."""
        if math.isnan(self.standard_error):
            return format(self.mean, number)
        error = format(self.standard_error, number.removeprefix("+"))
        return f"{format(self.mean, number)} ± {error}"


def average_splits(
    raw: Mapping[str, Sequence[Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    """Return the mean of each measure over the splits."""
    return {
        name: {
            key: statistics.fmean(split[key] for split in splits) for key in splits[0]
        }
        for name, splits in raw.items()
    }


def offset_of(key: str) -> float:
    """Return what is added to a measure before a division."""
    return 0.0 if key in ("seconds", "rmse") else OFFSET


def ratios(results: Means, key: str, model: str) -> list[float]:
    """Return a model's results relative to ``MLPClassifier``'s, for each data set."""
    offset = offset_of(key)
    return [
        (result[model][key] + offset) / (result[BASELINE][key] + offset)
        for result in results.values()
        if key in result.get(model, {}) and BASELINE in result
    ]


def mean_ratio(raw: Raw, key: str, model: str, reference: str = BASELINE) -> Estimate:
    """Compare two models: geometric means over data sets, averaged over splits."""
    offset = offset_of(key)
    of_data_sets = [
        [
            (ours[key] + offset) / (theirs[key] + offset)
            for ours, theirs in zip(models[model], models[reference], strict=True)
        ]
        for models in raw.values()
        if model in models and reference in models
    ]
    values = [geometric_mean(split) for split in zip(*of_data_sets, strict=True)]
    if not values:
        return Estimate(math.nan)
    if len(values) == 1:
        return Estimate(values[0])
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(statistics.fmean(values), error)


def relative(raw: Raw, results: Means, key: str, model: str) -> Estimate:
    """Compare a model with ``MLPClassifier``; reported ones have no splits."""
    if any(model in models for models in raw.values()):
        return mean_ratio(raw, key, model)
    return Estimate(geometric_mean(ratios(results, key, model)))


def compare_with_peers(raw: Raw, key: str) -> dict[str, Any]:
    """Compare ours with the best peer: that of all data sets, and that of each.

    Returns
    -------
    dict
        "best_peer" on all data sets, "ratio" of ours to it, an ``Estimate``, and for
        each of the "data_sets" its "best_peer" and the "ratio" of the means over the
        splits. Empty if ours, or peers, are not in all data sets.
    """
    shared = set.intersection(*(set(models) for models in raw.values()))
    peers = [name for name in MODELS if name in shared and name != OURS]
    if OURS not in shared or not peers:
        return {}
    against = {peer: mean_ratio(raw, key, OURS, peer) for peer in peers}
    best = max(peers, key=lambda peer: against[peer].mean)
    offset, data_sets = offset_of(key), {}
    for data, models in raw.items():
        means = average_splits(models)
        there = min(peers, key=lambda peer: means[peer][key])
        ratio = (means[OURS][key] + offset) / (means[there][key] + offset)
        data_sets[data] = {"best_peer": there, "ratio": ratio}
    return {"best_peer": best, "ratio": against[best], "data_sets": data_sets}


def ranks(
    results: Mapping[str, Any], key: str, names: Sequence[str]
) -> dict[str, float]:
    """Return mean ranks on the data sets with results of all models; 1 is best."""
    from scipy.stats import rankdata

    rows = [
        rankdata([result[name][key] for name in names])
        for result in results.values()
        if all(key in result.get(name, {}) for name in names)
    ]
    return dict(zip(names, np.mean(rows, axis=0), strict=True)) if rows else {}


def format_results(raw: Raw, results: Means, keys: Sequence[str]) -> str:
    """Format a table for each measure, with means, ranks, wins and losses."""
    names = model_names(results)
    is_ours = OURS in names
    tables = []
    for key in (*keys, "seconds"):
        peers = compare_with_peers(raw, key) if key != "seconds" else {}
        rows = [
            [data, *(format_cell(result.get(name, {}).get(key), key) for name in names)]
            for data, result in results.items()
        ]
        for row in rows if peers else ():
            row.append("{best_peer} {ratio:.3f}".format(**peers["data_sets"][row[0]]))
        if BASELINE in names:
            estimates = (relative(raw, results, key, name) for name in names)
            means = (estimate.format() for estimate in estimates)
            rows.append(["geometric mean, relative to mlp", *means])
        if key != "seconds":
            ranked = ranks(results, key, names)
            rows.append(["mean rank", *(f"{ranked.get(n, np.nan):.2f}" for n in names)])
        if key != "seconds" and is_ours:
            counts = (count_wins(results, key, n) for n in names)
            rows.append(["wins and losses of ours", *counts])
        header = [
            "data",
            *names,
            *(["best peer, ours relative to it"] if peers else []),
        ]
        padded = [[*row, *[""] * (len(header) - len(row))] for row in rows]
        table = f"{key}\n{format_table(header, padded)}"
        tables.append(table + (f"\n{_format_peers(peers)}" if peers else ""))
    return "\n\n".join(tables)


def _format_peers(peers: Mapping[str, Any]) -> str:
    worst, there = max(peers["data_sets"].items(), key=lambda item: item[1]["ratio"])
    return (
        f"ours relative to {peers['best_peer']}, the best peer: "
        f"{peers['ratio'].format()}; to the best peer of each data set: at worst "
        f"{there['ratio']:.3f} ({there['best_peer']} on {worst})"
    )


def model_names(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the models that have results on any data set."""
    return list(dict.fromkeys(name for result in results.values() for name in result))


def count_wins(results: Mapping[str, Any], key: str, name: str) -> str:
    """Count the data sets on which ours is better, and worse, than a model."""
    pairs = [
        (result[OURS][key], result[name][key])
        for result in results.values()
        if key in result.get(name, {})
    ]
    if name == OURS:
        return ""
    return f"{sum(a < b for a, b in pairs)}, {sum(a > b for a, b in pairs)}"


def format_cell(value: float | None, key: str) -> str:
    """Format a measure; one that is missing is empty."""
    if value is None:
        return ""
    return f"{value:.4f}" if key in CLASSIFICATION else format_number(value)


def draw(raw: Raw, results: Means, key: str, path: Path) -> None:
    """Plot the error of each model against its fit time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name in model_names(results):
        x = relative(raw, results, "seconds", name).mean
        y = relative(raw, results, key, name).mean
        if math.isnan(x):
            continue
        axes.plot(x, y, "o", markersize=9)
        axes.annotate(name, (x, y), xytext=(8, 4), textcoords="offset points")
    axes.set(
        xscale="log",
        xlabel="fit time, relative to mlp",
        ylabel=f"{key.replace('_', ' ')}, relative to mlp",
        title=f"Geometric means over {len(results)} data sets: lower left is better",
    )
    axes.xaxis.set_major_locator(LogLocator(base=2))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    axes.margins(0.15)
    figure.savefig(path, dpi=150)


def summarize(raw: Raw, results: Means, keys: Sequence[str]) -> dict[str, Any]:
    """Return ratios to ``MLPClassifier`` and to the best peers, for each measure."""
    return {
        key: {
            "relative to mlp": {
                name: relative(raw, results, key, name)._asdict()
                for name in model_names(results)
            },
            "peers": {
                name: value._asdict() if isinstance(value, Estimate) else value
                for name, value in compare_with_peers(raw, key).items()
            },
        }
        for key in (*keys, "seconds")
    }


def compare_ablations(
    raw: Raw, names: Sequence[str], keys: Sequence[str]
) -> dict[str, Any]:
    """Return the ratios of ours with a change to ours, for each measure."""
    return {
        name: {
            key: mean_ratio(raw, key, name, OURS)._asdict()
            for key in (*keys, "seconds")
        }
        for name in names
    }


def format_ablations(raw: Raw, names: Sequence[str], keys: Sequence[str]) -> str:
    """Format how much larger each change makes errors and times."""
    rows = []
    for name in names:
        row = [name]
        for key in (*keys, "seconds"):
            mean, error = mean_ratio(raw, key, name, OURS)
            row.append(Estimate(mean - 1, error).format("+.1%"))
        rows.append(row)
    return format_table(["change", *keys, "seconds"], rows)
