"""The pictures that the command line draws."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from skscratch.cli.comparison import COVERAGE_OF_INTERVALS
from skscratch.cli.output.writing import write_figure
from skscratch.cli.reading.tables import Table
from skscratch.cli.results import Array
from skscratch.cli.training import Outcome
from skscratch.plotting import LossCurveDisplay
from skscratch.tabular.hedge import BaseHedge

# Of Okabe and Ito, *Color universal design*, 2008. Kinds also differ in dashes, and
# values outside of their interval in the marker, so that nothing depends on color.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (9, 3)),
)
INTERVAL, INSIDE, OUTSIDE = "#56B4E9", "0.25", "#D55E00"
KEPT = "o"
# If losses differ by more than this factor, their axis is logarithmic.
MAX_RATIO = 10
# More points than this hide each other.
MAX_POINTS = 300


def draw_learning_curve(network: Any, path: Path) -> None:
    """Draw the loss, and any validation score, of each epoch of a network.

    Parameters
    ----------
    network : estimator
        Fitted network, or a pipeline that ends in it.
    path : Path
    """
    figure = _make_figure(1)
    figure.suptitle(f"{type(network).__name__}, learning curve")
    LossCurveDisplay.from_estimator(network, ax=figure.add_subplot())
    write_figure(figure, path)


def draw_training(outcome: Outcome, table: Table, path: Path) -> None:
    """Draw the learning curve and, for numbers, predicted against actual values.

    Parameters
    ----------
    outcome : Outcome
    table : Table
    path : Path
    """
    shows_predictions = table.task == "regression"
    figure = _make_figure(1 + shows_predictions)
    axes = figure.subplots(1, 1 + shows_predictions, squeeze=False)[0]
    draw_curves(outcome.model, axes[0])
    if shows_predictions:
        rows, *predictions = outcome.kept.out_of_fold(outcome.folds)
        draw_predictions(table.y[rows], *predictions, ax=axes[1])
    write_figure(figure, path)


def draw_curves(model: Pipeline, ax: Any) -> None:
    """Draw the learning curve of a fitted pipeline.

    Parameters
    ----------
    model : Pipeline
        For a recipe, there is a validation loss for each kind of networks; for a plain
        network, the loss and any validation score.
    ax : matplotlib Axes
    """
    network = model[-1]
    if not isinstance(network, BaseHedge):
        LossCurveDisplay.from_estimator(network, ax=ax)
        return
    looks = cycle(zip(COLORS, DASHES, strict=True))
    weighted = zip(network.members_, network.weights_, looks, strict=False)
    for members, weight, (color, dashes) in weighted:
        label = f"{members.name} (weight {weight:.2f})"
        if members.scaler is not None:
            label += ", loss of log-like values"
        name = _draw_kind(members.networks, ax, color, dashes, label)
    if ax.lines[-1].get_marker() == KEPT:
        ax.plot([], [], KEPT, color="black", label="epoch kept")
    losses = np.concatenate([line.get_ydata() for line in ax.lines])
    if losses[losses > 0].min() * MAX_RATIO < losses.max():
        ax.set_yscale("log")
    ax.set(xlabel="Epoch", ylabel=name, title=f"{name} of each kind of network")
    ax.legend(fontsize="small", frameon=False)


def _draw_kind(
    ensembles: list[Any], ax: Any, color: str, dashes: Any, label: str
) -> str:
    """Draw the mean curve of all networks of a kind; return its name."""
    networks = [
        network
        for ensemble in ensembles
        for network in getattr(ensemble, "estimators_", [ensemble])
    ]
    curves = [network.validation_loss_curve_ for network in networks]
    has_validation = all(curve is not None for curve in curves)
    if not has_validation:
        curves = [network.loss_curve_ for network in networks]
    mean = mean_curve(curves)
    epochs = np.arange(1, len(mean) + 1)
    style = {"color": color, "linewidth": 1.4}
    ax.plot(epochs, mean, linestyle=dashes, label=label, **style)
    kept = {network.best_epoch_ for network in networks}
    # The epoch of the least training loss is no choice among epochs.
    if has_validation and len(kept) == 1 and None not in kept:
        (epoch,) = kept
        ax.plot(epoch, mean[epoch - 1], KEPT, color=color, markersize=7, mec="white")
    return "Validation loss" if has_validation else "Training loss"


def mean_curve(curves: list[Any]) -> Array:
    """Mean of curves, some of which may end earlier."""
    length = max(map(len, curves))
    padded = np.full((len(curves), length), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    mean: Array = np.nanmean(padded, axis=0)
    return mean


def draw_predictions(
    actual: Array, predicted: Array, bounds: Array | None = None, *, ax: Any
) -> None:
    """Draw actual against predicted values, with the interval of each prediction.

    Parameters
    ----------
    actual, predicted : ndarray of shape (n_samples,)
        The predictions are those of models that have not seen the sample.
    bounds : ndarray of shape (n_samples, 2), default=None
        Intervals, if there are some.
    ax : matplotlib Axes
    """
    n_rows = len(actual)
    shown = np.arange(n_rows)
    if n_rows > MAX_POINTS:
        shown = np.random.RandomState(0).choice(n_rows, MAX_POINTS, replace=False)
    x, y = predicted[shown], actual[shown]
    title = "Predictions for rows not trained on"
    if bounds is None:
        ax.plot(x, y, ".", color=INSIDE, markersize=4)
    else:
        low, high = bounds.T
        is_inside = (low <= actual) & (actual <= high)
        label = f"{COVERAGE_OF_INTERVALS:.0%} interval"
        ax.vlines(x, low[shown], high[shown], colors=INTERVAL, alpha=0.5, label=label)
        for chosen, color, marker, name in (
            (is_inside, INSIDE, ".", "inside"),
            (~is_inside, OUTSIDE, "x", "outside"),
        ):
            label = f"{name} ({chosen.mean():.1%})"
            points = chosen[shown]
            ax.plot(
                x[points], y[points], marker, color=color, markersize=4, label=label
            )
        ax.legend(fontsize="small", frameon=False, loc="upper left")
    ax.axline((float(np.mean(x)), float(np.mean(x))), slope=1, color="black", lw=0.8)
    if n_rows > MAX_POINTS:
        title += f" ({MAX_POINTS} of {n_rows:,})"
    ax.set(xlabel="Predicted value", ylabel="Actual value", title=title)


def _make_figure(n_axes: int) -> Any:
    # pyplot is avoided: its state belongs to the user.
    from matplotlib.figure import Figure

    return Figure(figsize=(1.5 + 5.5 * n_axes, 4.5), layout="constrained", dpi=150)
