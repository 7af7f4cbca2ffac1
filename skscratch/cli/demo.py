"""The jobs without a file: the article's XOR, and scikit-learn's digits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skscratch.cli.output.terminal import Progress, align, heading
from skscratch.nn.layer import Layer
from skscratch.nn.losses import d_logloss, logloss

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class Xor(NamedTuple):
    """Result of the article's program.

    Attributes
    ----------
    layers : list of Layer
        The trained network.
    costs : list of float
        The cost of each epoch.
    outputs : ndarray of shape (1, 4)
        The outputs of the last epoch, for the columns of ``XOR_INPUTS``.
    """

    layers: list[Layer]
    costs: list[float]
    outputs: NDArray[np.float64]


XOR_INPUTS = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
XOR_TARGETS = np.array([[0, 1, 1, 0]])


def learn_xor(n_epochs: int = 1500) -> Xor:
    """Train two layers on XOR, with the article's program.

    Parameters
    ----------
    n_epochs : int, default=1500

    Returns
    -------
    Xor
    """
    x, y = XOR_INPUTS, XOR_TARGETS
    m = x.shape[1]
    # The seeds of the README's program. Training fails for some: outputs stay near 0.5.
    layers = [
        Layer(2, 3, "tanh", random_state=1),
        Layer(3, 1, "sigmoid", random_state=2),
    ]
    costs = []
    for _ in range(n_epochs):
        A: Any = x
        for layer in layers:
            A = layer.feedforward(A)
        costs.append(float(1 / m * np.sum(logloss(y, A))))
        dA = d_logloss(y, A)
        for layer in reversed(layers):
            dA = layer.backprop(dA)
    return Xor(layers, costs, A)


def run_xor(progress: Progress) -> Xor:
    """Train two layers on XOR; write the cost and what the network has learned."""
    progress.write(heading("XOR, the article's network"))
    xor = learn_xor()
    progress.write("  epoch    cost")
    for epoch, cost in enumerate(xor.costs, 1):
        if epoch == 1 or epoch % 300 == 0:
            progress.write(f"  {epoch:>5}   {cost:.3f}")
    cases = zip(*XOR_INPUTS, *XOR_TARGETS, *xor.outputs, strict=True)
    rows = [(f"{x1}", f"{x2}", f"{y}", f"{a:.3f}") for x1, x2, y, a in cases]
    progress.write("\n" + align([("x1", "x2", "XOR", "network"), *rows]))
    return xor


def run_digits(options: argparse.Namespace, progress: Progress) -> Pipeline:
    """Run the study of scikit-learn's handwritten digits."""
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import StandardScaler

    from skscratch.cli.study import Study

    progress.write(heading("Handwritten digits, 8 by 8 pixels"))
    X, y = load_digits(return_X_y=True)
    return Study(X, y, options, progress).run(StandardScaler())
