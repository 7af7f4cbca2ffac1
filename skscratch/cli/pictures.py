"""The pictures that the command line draws."""

from __future__ import annotations

from pathlib import Path

from skscratch.cli.writing import write_figure
from skscratch.estimators.classifier import ScratchMLPClassifier
from skscratch.plotting import LossCurveDisplay


def draw_learning_curve(network: ScratchMLPClassifier, path: Path) -> None:
    """Draw the loss, and any validation score, of each epoch."""
    # pyplot is avoided: its state belongs to the user.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained", dpi=150)
    figure.suptitle(f"{type(network).__name__}, learning curve")
    LossCurveDisplay.from_estimator(network, ax=figure.add_subplot())
    write_figure(figure, path)
