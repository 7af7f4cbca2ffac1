"""Every backend computes what NumPy does, operation by operation and as a whole."""

import copy

import numpy as np
import pytest
from backends.consuming import ConsumingOperations
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from strategies import (
    Problem,
    assert_gradient,
    derivatives,
    make_network,
    make_targets,
    make_weights,
    move_off_kinks,
    problems,
)

from skscratch import ACTIVATIONS, LOSSES, Network, Stack
from skscratch.backends.buffered import BufferedOperations, PredictionOperations
from skscratch.backends.operations import ALLOCATING, Operations, smooth
from skscratch.training.batches import BatchData

# What makes the operations of each backend, given a dtype.
BACKENDS = {
    "allocating": lambda dtype: Operations(),
    "consuming": lambda dtype: ConsumingOperations(),
    "buffered": BufferedOperations,
}
every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
close = {"rtol": 1e-11, "atol": 1e-13}


def result_of(network, operations, A1, Y, **options):
    """Cost, gradients and gradient by the inputs, all of them copies."""
    # What an operation forgets to write is not to be right by chance.
    network.gradients.fill(np.nan)
    cost, dA1 = network.cost_and_gradients(
        A1, Y, input_gradient=True, operations=operations, **options
    )
    return np.copy(cost), network.gradients.copy(), dA1.copy()


def assert_close(found, expected, **tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **(tolerance or close))


# Gradients


@every_backend
@every_activation
@every_loss
@settings(max_examples=8)
@given(data=st.data())
def test_gradients_are_the_derivatives_of_the_cost(backend, activation, loss, data):
    problem = data.draw(problems(st.just(activation), st.just(loss)))
    network, operations = problem.network, BACKENDS[backend](np.float64)
    for _ in range(2):  # The second time, a step may be replayed.
        cost, gradients, dA1 = result_of(
            network, operations, problem.A1, problem.Y, **problem.options
        )
        assert cost == pytest.approx(problem.cost(), rel=1e-12)
        for analytic, array in ((gradients, network.parameters), (dA1, problem.A1)):
            numerical = derivatives(problem.descended_cost, array)
            assert_gradient(analytic, numerical, cost)


@every_backend
@every_activation
def test_gradients_with_masks_are_the_derivatives_of_the_cost(backend, activation):
    random = np.random.RandomState(0)
    network = make_network([3, 4, 5, 2], [activation] * 3, "log_loss", random)
    A1 = random.standard_normal((3, 6))
    move_off_kinks(network.layers, A1)
    masks = [random.randint(2, size=(n, 6)) * 2.0 for n in (4, 5)]
    Y = make_targets("log_loss", 2, 6, random)
    options = {"alpha": 0.3, "weights": make_weights(6, random), "masks": masks}
    found = result_of(network, BACKENDS[backend](np.float64), A1, Y, **options)
    problem = Problem(network, A1, Y, options)
    for analytic, array in zip(found[1:], (network.parameters, A1), strict=True):
        numerical = derivatives(problem.cost, array)
        np.testing.assert_allclose(analytic, numerical, rtol=1e-6, atol=1e-8)


# Equality


@every_backend
@every_activation
@every_loss
@every_dtype
@pytest.mark.parametrize("n_networks", [1, 3])
def test_steps_are_those_of_numpy(backend, activation, loss, dtype, n_networks):
    random = np.random.RandomState(0)
    members = [
        Network.glorot([4, 5, 3, 2], activation, loss, random_state=i, dtype=dtype)
        for i in range(n_networks)
    ]
    network = Stack(members) if n_networks > 1 else members[0]
    operations = BACKENDS[backend](dtype)
    leading = (n_networks,) if n_networks > 1 else ()
    for n_samples in (5, 5, 3, 5, 8, 1, 8, 5):
        A1 = random.standard_normal((*leading, 4, n_samples)).astype(dtype)
        Y = np.stack(
            [make_targets(loss, 2, n_samples, random) for _ in range(n_networks)]
        ).astype(dtype)
        weights = random.uniform(0.5, 2, (*leading, *leading[:0], n_samples))
        weights = weights[:, np.newaxis] if leading else weights
        mask = random.randint(2, size=(*leading, 5, n_samples)).astype(dtype)
        options = {
            "alpha": 0.3,
            "weights": weights.astype(dtype),
            "total": weights.sum(axis=-1, keepdims=True) if leading else 7.0,
            "masks": [mask],
        }
        before = [array.copy() for array in (A1, Y, weights, mask)]
        Y = Y if leading else Y[0]
        found = result_of(network, operations, A1, Y, **options)
        expected = result_of(network, ALLOCATING, A1, Y, **options)
        rounding = 1e-11 if dtype == np.float64 else 2e-5
        assert_close(found, expected, rtol=rounding, atol=rounding / 100)
        assert all(array.dtype == dtype for array in found[1:])
        after = [A1, Y if leading else Y[np.newaxis], weights, mask]
        for array, kept in zip(after, before, strict=True):
            np.testing.assert_array_equal(array, kept)


@every_backend
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_sparse_batches_give_what_dense_ones_give(backend, make, n_networks):
    random = np.random.RandomState(0)
    members = [Network.glorot([4, 5, 2], random_state=i) for i in range(n_networks)]
    network = Stack(members) if n_networks > 1 else members[0]
    operations = BACKENDS[backend](np.float64)
    for n_samples in (6, 4, 6):
        A1 = random.standard_normal((4, n_samples)) * random.randint(
            2, size=(4, n_samples)
        )
        Y = make_targets("log_loss", 2, n_samples, random)
        found = result_of(network, operations, make(A1), Y, alpha=0.2)
        assert_close(found, result_of(network, ALLOCATING, A1, Y, alpha=0.2))


@every_backend
def test_networks_of_a_stack_may_share_a_batch(backend):
    random = np.random.RandomState(0)
    stack = Stack([Network.glorot([4, 5, 2], random_state=i) for i in range(3)])
    operations = BACKENDS[backend](np.float64)
    for _ in range(3):
        A1, Y = random.standard_normal((4, 6)), make_targets("log_loss", 2, 6, random)
        found = result_of(stack, operations, A1, Y, alpha=0.1)
        assert_close(found, result_of(stack, ALLOCATING, A1, Y, alpha=0.1))


# Single operations


@every_backend
@every_dtype
def test_a_penalty_adds_its_gradient(backend, dtype):
    random = np.random.RandomState(0)
    operations = BACKENDS[backend](dtype)
    for shape, strength in (((7,), 0.3), ((2, 7), 0.3), ((2, 7), np.array([0.1, 2]))):
        w, g = (random.standard_normal(shape).astype(dtype) for _ in range(2))
        strengths = np.broadcast_to(strength, shape[:-1])
        before = g.copy()
        penalty = operations.penalty(w, None, strength)
        np.testing.assert_array_equal(g, before)
        np.testing.assert_array_equal(operations.penalty(w, g, strength), penalty)
        expected = strengths / 2 * (w.astype(float) ** 2).sum(axis=-1)
        np.testing.assert_allclose(penalty, expected, rtol=1e-6)
        added = before + strengths[..., np.newaxis] * w
        np.testing.assert_allclose(g, added, rtol=1e-5)


@every_backend
def test_an_update_is_one_step_of_the_optimizer(backend):
    calls = []

    class Descent:
        def update(self, *arguments):
            calls.append(arguments)

    parameters, gradients = np.ones(3), np.ones(3)
    BACKENDS[backend](np.float64).update(Descent(), parameters, gradients, 0.1)
    assert calls == [(parameters, gradients, 0.1)]


@every_backend
def test_weight_gradients_may_allocate(backend):
    random = np.random.RandomState(0)
    dZ, A1 = random.standard_normal((3, 5)), random.standard_normal((2, 5))
    operations = BACKENDS[backend](np.float64)
    dW, db = operations.weight_gradients(-1, dZ, A1, None, None)
    np.testing.assert_allclose(dW, dZ @ A1.T)
    np.testing.assert_allclose(db, dZ.sum(axis=1, keepdims=True))
    again = operations.weight_gradients(-1, dZ, sparse.csr_array(A1), dW, db)
    assert again[0] is dW
    assert again[1] is db
    np.testing.assert_allclose(dW, dZ @ A1.T)


rows = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(6, 9)).map(lambda ends: slice(*ends)),
    st.lists(st.integers(0, 8), min_size=1, max_size=9).map(np.array),
    st.just(np.array([[3, 1, 2], [8, 0, 0]])),
)


@every_backend
@every_dtype
@given(rows=st.lists(rows, min_size=1, max_size=4), data=st.data())
@settings(max_examples=30)
def test_batches_are_the_rows_asked_for(backend, dtype, rows, data):
    random = np.random.RandomState(0)
    X = random.standard_normal((9, 4)).astype(dtype)
    Y = random.randint(2, size=(9, 3)) > 0
    weights = data.draw(st.sampled_from([None, random.uniform(size=9).astype(dtype)]))
    smoothing = data.draw(st.sampled_from([None, (0.2, 3)]))
    of = BatchData(X, Y, weights, 0.5, smoothing)
    operations = BACKENDS[backend](dtype)
    expected_Y = Y.astype(float)
    if smoothing is not None:
        smooth(expected_Y, *smoothing)
    for some in rows:
        A1, targets, shares, total = operations.batch(of, some)
        np.testing.assert_array_equal(A1, X[some].mT)
        np.testing.assert_allclose(targets, expected_Y[some].mT, rtol=1e-6)
        assert A1.dtype == targets.dtype == dtype
        assert total == 0.5 * A1.shape[-1]
        if weights is None:
            assert shares is None
        else:
            expected = weights[some]
            if expected.ndim == 2:
                expected = expected[:, np.newaxis]
            np.testing.assert_array_equal(shares, expected)


# Predictions


@every_dtype
@pytest.mark.parametrize("n_networks", [1, 2])
@every_activation
def test_predictions_of_many_batches_are_those_of_each(dtype, n_networks, activation):
    sizes = [4, 5, 7, 6, 3]
    members = [
        Network.glorot(sizes, activation, random_state=i, dtype=dtype)
        for i in range(n_networks)
    ]
    network = Stack(members) if n_networks > 1 else members[0]
    operations = PredictionOperations(dtype)
    for n_samples in (5, 3, 8, 8):
        A1 = np.random.RandomState(n_samples).standard_normal((4, n_samples))
        A1 = A1.astype(dtype)
        Z = network.forward(A1, operations=operations)
        rounding = 1e-11 if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(Z, network.raw_outputs(A1), rtol=rounding, atol=1e-6)
        made = network.forward(sparse.csr_array(A1), operations=operations)
        np.testing.assert_allclose(made, network.raw_outputs(A1), rtol=1e-4, atol=1e-6)
    assert np.shares_memory(Z, network.forward(-A1, operations=operations))


def test_predictions_keep_the_arrays_of_two_layers():
    network = Network.glorot([4, 50, 50, 50, 50, 3], random_state=0)
    operations = PredictionOperations(np.float64)
    network.forward(np.ones((4, 10)), operations=operations)
    n_numbers = sum(block.size for block in operations._buffers._blocks.values())
    assert n_numbers == 2 * 50 * 10


def test_predictions_have_no_gradients():
    network = Network.glorot([4, 5, 3], random_state=0)
    with pytest.raises(TypeError, match="cannot compute gradients"):
        network.cost_and_gradients(
            np.ones((4, 2)),
            np.eye(3)[:, :2],
            operations=PredictionOperations(np.float64),
        )


# Memory of the buffered operations


@every_activation
def test_outputs_take_the_place_of_pre_activations_that_are_not_needed(activation):
    f, operations = ACTIVATIONS[activation], BufferedOperations(np.float64)
    Z, A, output = operations.dense(
        -1, np.ones((2, 3)), np.ones((2, 1)), np.ones((3, 4)), f
    )
    assert output is A
    assert np.shares_memory(A, Z) is not f.needs_Z


@pytest.mark.parametrize(
    "activation", sorted(set(ACTIVATIONS) - {"identity", "logistic", "sigmoid"})
)
def test_derivatives_are_written_over_outputs(activation):
    """The logistic's reads A twice; the identity's is never computed."""
    f, operations = ACTIVATIONS[activation], BufferedOperations(np.float64)
    assert f.in_place
    Z, A, _ = operations.dense(-1, np.ones((2, 3)), np.ones((2, 1)), np.ones((3, 4)), f)
    assert operations.back(-1, np.ones((2, 4)), Z, A, f) is A


def test_outputs_of_a_layer_are_the_same_memory_each_time():
    network = Network.glorot([4, 5, 3], random_state=0)
    operations = BufferedOperations(np.float64)
    addresses = []
    for _ in range(2):
        passes = []
        network.forward(np.ones((4, 6)), (), operations, passes)
        addresses.append([Z.ctypes.data for _, Z, _, _ in passes])
    assert addresses[0] == addresses[1]
    assert len(set(addresses[0])) == 2


def test_neurons_of_a_sample_are_contiguous_but_in_the_last_layer():
    network = Network.glorot([4, 5, 3], random_state=0)
    passes = []
    network.forward(np.ones((4, 6)), (), BufferedOperations(np.float64), passes)
    (_, hidden, _, _), (_, output, _, _) = passes
    assert hidden.flags.f_contiguous
    assert output.flags.c_contiguous


def test_the_check_itself_sees_what_is_read_too_late():
    """An operation that reads a consumed argument gives nan."""

    class Wrong(ConsumingOperations):
        def weight_gradients(self, key, dZ, A1, dW, db):
            dW, db = super().weight_gradients(key, dZ, A1, dW, db)
            self.last = dW, dZ, A1
            return dW, db

        def input_gradient(self, key, W, dZ):
            dA1 = super().input_gradient(key, W, dZ)
            dW, dZ, A1 = self.last
            dW[...] = dZ @ A1.T
            return dA1

    network = Network.glorot([4, 5, 3], random_state=0)
    twin = copy.deepcopy(network)
    A1, Y = np.ones((4, 3)), np.eye(3)
    network.cost_and_gradients(A1, Y, operations=Wrong())
    twin.cost_and_gradients(A1, Y, operations=ConsumingOperations())
    assert np.isnan(network.gradients).any()
    assert np.isfinite(twin.gradients).all()
