"""The picture of the jobs without a file: XOR, and the digits' learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skscratch.cli.output.writing import write_figure
from skscratch.nn.layer import Layer
from skscratch.plotting import LossCurveDisplay

# Of Okabe and Ito's colors, which readers with any color vision can tell apart.
BLUE, ORANGE = "#0072B2", "#D55E00"


def draw_demo(
    layers: Sequence[Layer], costs: Sequence[float], network: Any, path: Path
) -> None:
    """Draw what was learned without a file.

    Parameters
    ----------
    layers : sequence of Layer
        The network of XOR.
    costs : sequence of float
        Its cost in each epoch.
    network : estimator
        The network of the digits.
    path : Path
        The file to write: PNG, SVG or PDF.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    # pyplot is avoided: its state belongs to the user.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 7.6), layout="constrained", dpi=150)
    halves: Any = figure.subfigures(2, 1, hspace=0.06)
    top, bottom = halves
    top.suptitle("XOR, the article's network")
    draw_xor(top, layers, costs)
    bottom.suptitle(f"Handwritten digits, {type(network).__name__}")
    LossCurveDisplay.from_estimator(network, ax=bottom.add_subplot())
    write_figure(figure, path)


def draw_xor(figure: Any, layers: Sequence[Layer], costs: Sequence[float]) -> None:
    """Draw the cost of each epoch, and the network's output over the plane.

    Parameters
    ----------
    figure : Figure or SubFigure
        The empty figure of Matplotlib to draw in.
    layers : sequence of Layer
        The network: a hidden layer for two inputs, and an output layer of one neuron.
    costs : sequence of float
        The cost of each epoch.
    """
    cost_ax, plane_ax = figure.subplots(1, 2, width_ratios=(1, 1.05))
    draw_cost(cost_ax, costs)
    draw_plane(plane_ax, layers, title=f"After {len(costs):,} epochs")
    figure.legend(
        *plane_ax.get_legend_handles_labels(),
        loc="outside lower right",
        ncols=3,
        frameon=False,
    )


def draw_cost(ax: Any, costs: Sequence[float]) -> None:
    """Draw the cost of each epoch."""
    ax.plot(range(1, len(costs) + 1), costs, color=BLUE)
    ax.set(title="Cost of each epoch", xlabel="Epoch", ylabel="Cost (mean log loss)")
    ax.set(xlim=(0, len(costs)), ylim=(0, None))
    ax.axhline(np.log(2), color="0.4", linewidth=1, linestyle=(0, (1, 1)))
    ax.annotate(
        "guessing 0.5 every time",
        (len(costs), np.log(2)),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color="0.3",
        fontsize="small",
    )


def draw_plane(ax: Any, layers: Sequence[Layer], title: str) -> None:
    """Draw the network's output for each point of the plane, and the four samples."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high, n = -0.5, 1.5, 101
    grid = np.linspace(low, high, n)
    A: Any = np.stack([axis.ravel() for axis in np.meshgrid(grid, grid)])
    for layer in layers:
        A = layer.feedforward(A)
    A = A.reshape(n, n)
    image = ax.imshow(
        A,
        extent=(low, high, low, high),
        origin="lower",
        cmap=LinearSegmentedColormap.from_list("classes", [BLUE, "white", ORANGE]),
        vmin=0,
        vmax=1,
        alpha=0.75,
        interpolation="bilinear",
    )
    ax.contour(grid, grid, A, levels=[0.5], colors="black", linewidths=1.5)
    _draw_neurons(ax, layers[0])
    _draw_samples(ax)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    ax.set(xlim=(low, high), ylim=(low, high), xticks=(0, 1), yticks=(0, 1))
    ax.figure.colorbar(image, ax=ax, label="Output of the network", shrink=0.9)


def _draw_neurons(ax: Any, hidden: Layer) -> None:
    """Draw the line where each neuron of the hidden layer is 0."""
    label: str | None = "a hidden neuron is 0"
    for w, b in zip(hidden.W, hidden.b.ravel(), strict=True):
        ax.axline(
            tuple(-b * w / (w @ w)),
            tuple(-b * w / (w @ w) + (-w[1], w[0])),
            color="0.2",
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            label=label,
        )
        label = None


def _draw_samples(ax: Any) -> None:
    for label, marker, points in (
        ("y = 0", "o", [(0, 0), (1, 1)]),
        ("y = 1", "s", [(0, 1), (1, 0)]),
    ):
        ax.plot(
            *zip(*points, strict=True),
            linestyle="none",
            marker=marker,
            markersize=9,
            markerfacecolor="white",
            markeredgecolor="black",
            markeredgewidth=1.5,
            label=label,
        )
