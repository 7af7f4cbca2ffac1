"""A training step allocates no array that grows with the batch or with a layer.

It guards the speed without timing anything: after an epoch in which arrays are made
and steps recorded, the memory that NumPy allocates during another is counted.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from runs import train

from skscratch.nn.activations import ACTIVATIONS
from skscratch.nn.network import Network
from skscratch.training.batches import Batches
from skscratch.training.history import TrainingState
from skscratch.training.optimizers import OPTIMIZERS
from skscratch.training.schedules import Constant

# NumPy's own loops keep up to 8,192 numbers of each operand while they convert
# types; the arrays that must not be there are from 100 kB to 1 MB.
LARGEST = 80_000
SIZES = [400, 500, 300]
BATCH = 256
# Epochs after which the step of the last batch too, which is a shorter one, is known.
WARM_UP = 1


def peak_of_an_epoch(activation, solver, n_outputs, weighted, shuffled):
    """Bytes that a warmed-up epoch needs beyond what was there before."""
    random_state = np.random.RandomState(0)
    X = random_state.standard_normal((1000, SIZES[0])).astype(np.float32)
    # A loss that rises makes training keep the parameters from before.
    Y = X[:, [0]] > 0
    if n_outputs > 1:
        Y = np.eye(n_outputs, dtype=bool)[np.where(Y[:, 0], 0, 1)]
    weights = random_state.uniform(size=1000).astype(np.float32) if weighted else None
    network = Network.glorot(
        [*SIZES, n_outputs],
        activation,
        "log_loss" if n_outputs > 1 else "binary_log_loss",
        random_state=0,
        dtype=np.float32,
    )
    batches = Batches(
        X,
        Y,
        BATCH,
        weights=weights,
        random_state=random_state if shuffled else None,
    )
    optimizer = OPTIMIZERS[solver](network.parameters.size, np.float32)
    peaks = []

    def measure(epoch):
        if epoch.number == WARM_UP:
            tracemalloc.start()
        elif epoch.number > WARM_UP:
            peaks.append(tracemalloc.get_traced_memory()[1])

    try:
        train(
            network,
            batches,
            TrainingState(optimizer, Constant(1e-3)),
            max_epochs=WARM_UP + 1,
            alpha=1e-4,
            after_epoch=measure,
        )
    finally:
        tracemalloc.stop()
    return peaks[0]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_no_activation_allocates(activation):
    assert peak_of_an_epoch(activation, "adam", 500, False, True) < LARGEST


@pytest.mark.parametrize("solver", sorted(OPTIMIZERS))
@pytest.mark.parametrize("n_outputs", [1, 500])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_no_solver_and_no_loss_allocates(solver, n_outputs, weighted, shuffled):
    assert peak_of_an_epoch("relu", solver, n_outputs, weighted, shuffled) < LARGEST


def test_the_guard_sees_an_array_of_a_layers_size(monkeypatch):
    relu = ACTIVATIONS["relu"]

    def wasteful(Z, out=None):
        return np.copyto(out, relu.function(Z)) or out

    monkeypatch.setitem(ACTIVATIONS, "relu", replace(relu, function=wasteful))
    assert peak_of_an_epoch("relu", "adam", 500, False, True) > LARGEST
