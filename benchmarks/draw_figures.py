"""Draw the README's pictures: learning XOR, and two trainings on digits compared.

    python benchmarks/draw_figures.py                  # both, in benchmarks/figures
    python benchmarks/draw_figures.py curve.png        # the trainings only
    python benchmarks/draw_figures.py --xor xor.png    # XOR only

It takes a few seconds and needs matplotlib (``pip install '.[plot]'``). Pictures are
the same at each call: every random draw is seeded.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import ignore_convergence_warnings

FIGURES = Path(__file__).parent / "figures"
PICTURE = FIGURES / "loss_curve.png"
XOR_PICTURE = FIGURES / "xor.png"

# Of Okabe and Ito's colors, which readers with any color vision can tell apart.
BLUE, ORANGE = "#0072B2", "#D55E00"


def fitted_networks() -> dict[str, object]:
    """Train two networks that differ in their solver."""
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import minmax_scale

    from skscratch import ScratchMLPClassifier

    X, y = load_digits(return_X_y=True)
    X = minmax_scale(X)
    shared = {"early_stopping": True, "validation_fraction": 0.2, "random_state": 0}
    shared |= {"max_iter": 40, "n_iter_no_change": 40, "batch_size": 32}
    shared |= {"learning_rate_init": 0.002}
    return {
        solver: ScratchMLPClassifier((64,), solver=solver, **shared).fit(X, y)
        for solver in ("adam", "sgd")
    }


def draw_loss_curve(path: Path) -> None:
    """Compare the networks' trainings in one picture."""
    from skscratch.plotting import LossCurveDisplay

    networks = fitted_networks()
    figure = new_figure(width=6.4, height=4)
    LossCurveDisplay.from_estimator(
        list(networks.values()), labels=list(networks), ax=figure.add_subplot()
    )
    save(figure, path)


def learn_xor() -> tuple[list, list[float]]:
    """Run the README's XOR program; return its layers and the cost of each epoch."""
    from skscratch import Layer, d_logloss, logloss

    x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    y = np.array([[0, 1, 1, 0]])
    layers = [
        Layer(2, 3, "tanh", random_state=1),
        Layer(3, 1, "sigmoid", random_state=2),
    ]
    costs = []
    for _ in range(1500):
        A = x
        for layer in layers:
            A = layer.feedforward(A)
        costs.append(np.mean(logloss(y, A)))
        dA = d_logloss(y, A)
        for layer in reversed(layers):
            dA = layer.backprop(dA)
    return layers, costs


def draw_xor(path: Path) -> None:
    """Draw the cost of each epoch, and what the network has learned."""
    layers, costs = learn_xor()
    figure = new_figure(width=7.6, height=3.7)
    cost_ax, plane_ax = figure.subplots(1, 2, width_ratios=(1, 1.05))
    draw_cost(cost_ax, costs)
    draw_plane(plane_ax, layers)
    save(figure, path)


def draw_cost(ax, costs: list[float]) -> None:
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


def draw_plane(ax, layers: list) -> None:
    """Draw the network's output for each point of the plane, and the four samples."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high, n = -0.5, 1.5, 101
    grid = np.linspace(low, high, n)
    A = np.stack([axis.ravel() for axis in np.meshgrid(grid, grid)])
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
    hidden = layers[0]
    label = "a hidden neuron is 0"
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
    ax.set(title="After 1,500 epochs", xlabel="$x_1$", ylabel="$x_2$")
    ax.set(xlim=(low, high), ylim=(low, high), xticks=(0, 1), yticks=(0, 1))
    ax.figure.colorbar(image, ax=ax, label="Output of the network", shrink=0.9)
    ax.figure.legend(loc="outside lower right", ncols=3, frameon=False)


def new_figure(width: float, height: float):
    """Make a figure without pyplot, which would keep it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure


def save(figure, path: Path) -> None:
    """Write a figure to a file, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures that are asked for, and say where they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, help="file for the trainings")
    parser.add_argument("--xor", type=Path, metavar="FILE", help="file for XOR")
    options = parser.parse_args(arguments)
    ignore_convergence_warnings()
    if not (options.picture or options.xor):
        options.picture, options.xor = PICTURE, XOR_PICTURE
    if options.picture:
        draw_loss_curve(options.picture)
    if options.xor:
        draw_xor(options.xor)


if __name__ == "__main__":
    main()
