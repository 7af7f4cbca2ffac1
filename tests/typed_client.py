"""A user's module, type-checked with ``mypy --strict`` against the installed package.

It is not run: ``.ci/run`` checks it outside of the checkout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skscratch import (
    Checkpoint,
    Layer,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    check_gradients,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.plotting import LossCurveDisplay


def classify(X: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[Any]:
    classifier = ScratchMLPClassifier((50, 20), early_stopping=True, random_state=0)
    classifier.set_callbacks(Checkpoint("training.npz", every=5, resume=True))
    classifier.fit(X, y).partial_fit(X, y, classes=[0, 1])
    losses: list[float] = classifier.loss_curve_
    network: Network = classifier.network_
    assert check_gradients(network, X[:5], y[:5]).passed
    LossCurveDisplay.from_estimator(classifier).figure_.savefig(f"{losses[-1]}.png")
    return classifier.predict_proba(X)


def regress(X: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    regressor = ScratchMLPRegressor("poisson", n_estimators=2).fit(X, y)
    return regressor.predict(X)


def learn_tables(X: Any, y: Any) -> None:
    make_tabular_classifier(random_state=0).fit(X, y).predict(X)
    make_tabular_regressor(random_state=0).fit(X, y).predict(X)


def descend(x: NDArray[np.float64], dA: NDArray[np.float64]) -> NDArray[Any]:
    layer = Layer(2, 3, "tanh", random_state=0)
    layer.feedforward(x)
    dA1: NDArray[Any] = layer.backprop(dA)
    return dA1
