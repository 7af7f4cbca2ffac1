"""Draws the README's picture: two trainings on scikit-learn's digits, compared.

    python benchmarks/draw_figures.py

It takes some seconds, needs matplotlib (``pip install '.[plot]'``), and writes
``benchmarks/figures/loss_curve.png``, or the file that it is given.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from _common import ignore_convergence_warnings

PICTURE = Path(__file__).parent / "figures" / "loss_curve.png"


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from skscratch.plotting import LossCurveDisplay

    networks = fitted_networks()
    figure = Figure(figsize=(6.4, 4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    LossCurveDisplay.from_estimator(
        list(networks.values()), labels=list(networks), ax=figure.add_subplot()
    )
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, and say where the picture is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    options = parser.parse_args(arguments)
    ignore_convergence_warnings()
    draw_loss_curve(options.picture)
    print(options.picture)


if __name__ == "__main__":
    main()
