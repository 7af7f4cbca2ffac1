"""What hypothesis draws for the tests, and the derivatives they compare with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume, settings
from hypothesis import strategies as st

from skscratch import ACTIVATIONS, LOSSES, Layer, Network

# Pre-activations stay so far from a kink that no finite difference steps over it.
MARGIN = 0.02
STEP = 1e-5

# For a test that is run over a whole registry.
few = settings(max_examples=30)

seeds = st.integers(0, 2**32 - 1)
activation_names = st.sampled_from(sorted(ACTIVATIONS))
loss_names = st.sampled_from(sorted(LOSSES))
depths = st.integers(0, 3)
batch_sizes = st.integers(1, 6)


@dataclass
class Problem:
    """A network with a batch in the article's shapes, and how its cost is counted."""

    network: Network
    A1: np.ndarray
    Y: np.ndarray
    options: dict[str, Any]

    def cost(self) -> float:
        return self.network.cost(self.A1, self.Y, **self.options)

    def descended_cost(self) -> float:
        """Cost that the gradient derives, which multi-output losses may divide."""
        times = LOSSES[self.network.loss].gradient_scale(len(self.Y))
        plain = self.network.cost(self.A1, self.Y, **self.options | {"alpha": 0.0})
        return self.cost() + (times - 1) * plain


@st.composite
def problems(
    draw,
    activation=activation_names,
    loss=loss_names,
    n_hidden=depths,
    n_samples=batch_sizes,
) -> Problem:
    """Small networks and batches, off the kinks; the shapes shrink, not the numbers."""
    activation, loss = draw(activation), draw(loss)
    random = np.random.RandomState(draw(seeds))
    sizes = [draw(st.integers(1, 4)) for _ in range(draw(n_hidden) + 1)]
    n_outputs = draw(st.integers(2 if LOSSES[loss].output == "softmax" else 1, 4))
    n_samples = draw(n_samples)
    # Raw outputs are mostly the last layer's products, but any activation may follow.
    output = draw(st.sampled_from(["identity", activation]))
    names = [activation] * (len(sizes) - 1) + [output]
    network = make_network([*sizes, n_outputs], names, loss, random)
    A1 = random.standard_normal((sizes[0], n_samples))
    move_off_kinks(network.layers, A1)
    if loss == "binary_log_loss":
        # The cost takes 1 - P, whose rounding is a large part of a small difference.
        assume(np.abs(network.raw_outputs(A1)).max() < 5)
    Y = make_targets(loss, n_outputs, n_samples, random)
    options = {
        "alpha": draw(st.sampled_from([0.0, 0.3])),
        "weights": draw(st.sampled_from([None, make_weights(n_samples, random)])),
        "total": draw(st.sampled_from([None, 2.5])),
    }
    return Problem(network, A1, Y, options)


def make_network(sizes, activations, loss, random) -> Network:
    """Network of layers whose outputs vary as much as their inputs."""
    layers = []
    for i, activation in enumerate(activations):
        layer = Layer(sizes[i], sizes[i + 1], activation, random_state=random)
        layer.W = layer.W / np.sqrt(sizes[i])
        layer.b = random.standard_normal(layer.b.shape)
        layers.append(layer)
    return Network(layers, loss)


def make_targets(loss, n_outputs, n_samples, random) -> np.ndarray:
    """Targets such as the loss takes, (n_outputs, n_samples)."""
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "softmax": lambda: np.eye(n_outputs)[
            :, random.randint(n_outputs, size=n_samples)
        ],
        "logistic": lambda: random.randint(2, size=(n_outputs, n_samples)) * 1.0,
        "identity": lambda: random.standard_normal((n_outputs, n_samples)),
        "exp": lambda: random.poisson(1.5, (n_outputs, n_samples)) * 1.0,
    }
    Y = kinds[LOSSES[loss].output]()
    return Y + 0.5 if loss == "gamma" else Y


def make_weights(n_samples, random) -> np.ndarray:
    """Sample weights, one in four of them 0 but never all."""
    weights = random.uniform(0.5, 3, n_samples) * (
        random.uniform(size=n_samples) > 0.25
    )
    weights[random.randint(n_samples)] = 1.5
    return weights


def assert_gradient(analytic, numerical, cost) -> None:
    """Check a gradient of a cost against finite differences.

    These round in units of the cost, and cut off terms of the size of the largest.
    """
    atol = 1e-8 * (1 + abs(cost) + abs(numerical).max(initial=0))
    np.testing.assert_allclose(analytic, numerical, rtol=1e-6, atol=atol)


def move_off_kinks(layers, A1, margin=MARGIN) -> None:
    """Shift biases until no pre-activation is within the margin of a kink."""
    for layer in layers:
        kinks = np.array(ACTIVATIONS[layer.activation].kinks)
        Z, _, _ = layer.forward(A1)
        for i, z in enumerate(Z):
            distances = np.subtract.outer(kinks, z)
            # Each distance forbids one step of the grid at most.
            n_steps = distances.size + 1
            shifts = 2.01 * margin * np.arange(n_steps)
            free = (abs(distances[..., np.newaxis] - shifts) >= margin).all(axis=(0, 1))
            layer.b[i] += shifts[free][0]
        A1 = layer.forward(A1)[-1]


def derivatives(function, array, step=STEP) -> np.ndarray:
    """Derivative of ``function()`` by each number of ``array``, which it reads."""
    result = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        start, values = array[index], []
        for multiple in (-2, -1, 1, 2):
            array[index] = start + multiple * step
            values.append(function())
        array[index] = start
        # Four points, so that the third derivative cancels too.
        result[index] = np.dot(values, [1, -8, 8, -1]) / (12 * step)
    return result
