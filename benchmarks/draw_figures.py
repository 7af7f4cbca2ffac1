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

from _common import ignore_convergence_warnings

FIGURES = Path(__file__).parent / "figures"
PICTURE = FIGURES / "loss_curve.png"
XOR_PICTURE = FIGURES / "xor.png"


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


def draw_xor(path: Path) -> None:
    """Draw the cost of each epoch of the README's program, and what it has learned."""
    from skscratch.cli.demo import learn_xor
    from skscratch.cli.output import xor_picture

    xor = learn_xor()
    figure = new_figure(width=7.6, height=3.7)
    xor_picture.draw_xor(figure, xor.layers, xor.costs)
    save(figure, path)


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
