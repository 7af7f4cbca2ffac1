"""A step that is replayed is the step as it is written, to the last bit."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from strategies import activation_names, few, loss_names, make_targets, problems, seeds

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    Stack,
)
from skscratch.backends.buffered import BufferedOperations


class Noted(BufferedOperations):
    """Buffered operations that count the steps which are run as they are written."""

    def __init__(self, dtype):
        super().__init__(dtype)
        self.n_run = 0

    def run(self, step, inputs, version):
        def noted(*arguments):
            self.n_run += 1
            return step(*arguments)

        return super().run(noted, inputs, version)


class Unrecorded(BufferedOperations):
    """Buffered operations that run each step as it is written."""

    def run(self, step, inputs, version):
        return step(*inputs)


def run_beside_plain(network, A1, Y, random, n_steps=4, **options):
    """Train on batches in the same arrays, and compare with steps never replayed.

    Returns how many of the steps were run as they are written.
    """
    plain = copy.deepcopy(network)
    operations, others = Noted(network.dtype), Unrecorded(network.dtype)
    for _ in range(n_steps):
        A1[...] = random.standard_normal(A1.shape)
        Y[...] = Y[..., random.permutation(Y.shape[-1])]
        cost = network.cost_and_gradients(A1, Y, operations=operations, **options)
        expected = plain.cost_and_gradients(A1, Y, operations=others, **options)
        np.testing.assert_array_equal(cost, expected)
        np.testing.assert_array_equal(network.gradients, plain.gradients)
        assert type(cost) is type(expected)
        # Short steps, for some of the mathematics below is wild.
        step = network.gradients / (10 + 100 * np.abs(network.gradients).max())
        network.parameters -= step
        plain.parameters -= step
    return operations.n_run


@few
@given(problems(), seeds)
def test_a_replayed_step_is_the_written_one(problem, seed):
    options = problem.options | {"total": problem.options["total"] or 3.0}
    random = np.random.RandomState(seed)
    # In the order that targets have in training, and in another one.
    for Y in (np.ascontiguousarray(problem.Y), np.asfortranarray(problem.Y)):
        network = copy.deepcopy(problem.network)
        assert run_beside_plain(network, problem.A1, Y, random, **options) == 1


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("activation", [*sorted(ACTIVATIONS), "leaky_relu(0.3)"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_networks", [1, 3])
def test_every_activation_and_loss_is_replayed(activation, loss, dtype, n_networks):
    random = np.random.RandomState(0)
    members = [
        Network.glorot([5, 7, 6, 3], activation, loss, random_state=i, dtype=dtype)
        for i in range(n_networks)
    ]
    network, batch = members[0], (20,)
    if n_networks > 1:
        network, batch = Stack(members), (n_networks, 20)
    A1 = np.empty((*batch, 5), dtype).mT
    Y = np.broadcast_to(make_targets(loss, 3, 20, random), (*batch[:-1], 3, 20))
    masks = (random.uniform(size=(*batch[:-1], 7, 20)) < 0.8).astype(dtype)
    weights = random.uniform(1, 2, (*batch[:-1], 1, 20) if batch[:-1] else 20)
    n_run = run_beside_plain(
        network,
        A1,
        np.array(Y, dtype, order="C"),
        random,
        alpha=0.1,
        weights=weights.astype(dtype),
        total=20.0,
        masks=[masks],
    )
    assert n_run == 1


def test_products_in_pieces_are_replayed():
    random = np.random.RandomState(0)
    network = Network.glorot([64, 100, 10], random_state=0)
    A1, Y = np.empty((201, 64)).T, make_targets("log_loss", 10, 201, random)
    assert run_beside_plain(network, A1, Y, random) == 1


def test_a_total_of_the_same_value_is_the_same():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    operations = Noted(np.float64)
    A1, Y = np.ones((2, 400)), np.ones((1, 400))
    for total in (None, None, 400, int("400"), float("400")):
        network.cost_and_gradients(A1, Y, total=total, operations=operations)
    assert operations.n_run == 1
    network.cost_and_gradients(A1, Y, total=401, operations=operations)
    assert operations.n_run == 2


def test_a_batch_in_other_arrays_is_no_repetition():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    operations = Noted(np.float64)
    kept = [(np.ones((2, 4)), np.ones((1, 4))) for _ in range(3)]
    for batch in kept:
        network.cost_and_gradients(*batch, operations=operations)
    assert operations.n_run == 3


def test_sparse_batches_are_never_recorded():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    operations = Noted(np.float64)
    A1, Y = sparse.csr_array(np.ones((2, 4))), np.ones((1, 4))
    for _ in range(3):
        network.cost_and_gradients(A1, Y, operations=operations)
    assert operations.n_run == 3
    assert not operations._recordings


@given(st.lists(st.sampled_from("ABCD"), max_size=40), activation_names, loss_names)
@few
def test_batches_may_come_in_any_order(order, activation, loss):
    random = np.random.RandomState(0)
    network = Network.glorot([3, 4, 2], activation, loss, random_state=0)
    # Two of equal shape, one of another, and one with the targets of the first.
    lengths = {"A": 5, "B": 5, "C": 4, "D": 5}
    batches = {
        name: [random.standard_normal((3, n)), make_targets(loss, 2, n, random), n]
        for name, n in lengths.items()
    }
    batches["D"][1] = batches["A"][1]
    expected = {
        name: (network.cost_and_gradients(*batch[:2]), network.gradients.copy())
        for name, batch in batches.items()
    }
    operations = BufferedOperations(np.float64)
    for name in order:
        A1, Y, total = batches[name]
        cost = network.cost_and_gradients(A1, Y, total=total, operations=operations)
        assert cost == pytest.approx(expected[name][0], rel=1e-12)
        np.testing.assert_allclose(network.gradients, expected[name][1], atol=1e-14)


def test_another_activation_is_another_step():
    network = Network.glorot([3, 4, 2], "tanh", "squared_error", random_state=0)
    A1, Y, random = np.empty((5, 3)).T, np.zeros((2, 5)), np.random.RandomState(0)
    A1[...] = random.standard_normal(A1.shape)
    operations = Noted(np.float64)
    names = ("tanh", "relu", "tanh", "elu(0.5)", "elu(0.25)")
    for n_run, name in enumerate(names, start=1):
        network.layers[0].activation = name
        others = Unrecorded(np.float64)
        for _ in range(3):
            cost = network.cost_and_gradients(A1, Y, total=5, operations=operations)
            gradients = network.gradients.copy()
            assert cost == network.cost_and_gradients(A1, Y, operations=others)
            np.testing.assert_array_equal(network.gradients, gradients)
        assert operations.n_run == n_run


def test_another_entry_of_the_registry_is_another_step(monkeypatch):
    network = Network.glorot([3, 4, 2], "tanh", "squared_error", random_state=0)
    operations, A1, Y = Noted(np.float64), np.ones((3, 5)), np.zeros((2, 5))
    before = network.cost_and_gradients(A1, Y, operations=operations)
    monkeypatch.setitem(ACTIVATIONS, "tanh", ACTIVATIONS["relu"])
    assert network.cost_and_gradients(A1, Y, operations=operations) != before
    assert operations.n_run == 2


def test_operations_may_serve_several_networks():
    """Each is another step, for its parameters are other arrays."""
    networks = [Network.glorot([3, 4, 2], random_state=i) for i in range(2)]
    A1, Y = np.ones((3, 2)), np.eye(2)
    expected = [network.cost_and_gradients(A1, Y) for network in networks]
    operations = BufferedOperations(np.float64)
    for _ in range(3):
        for network, cost in zip(networks, expected, strict=True):
            found = network.cost_and_gradients(A1, Y, operations=operations)
            assert found == pytest.approx(cost, rel=1e-12)
            assert np.isfinite(network.gradients).all()


def test_a_network_that_a_stack_takes_over_is_another_step():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    operations = Noted(np.float64)
    A1, Y = np.ones((2, 4)), np.ones((1, 4))
    network.cost_and_gradients(A1, Y, operations=operations)
    stack = Stack([network])
    network.cost_and_gradients(A1, Y, operations=operations)
    assert operations.n_run == 2
    expected = network.gradients.copy()
    stack.gradients.fill(np.nan)
    network.cost_and_gradients(A1, Y, operations=operations)
    assert operations.n_run == 2
    np.testing.assert_array_equal(stack.gradients[0], expected)


def test_a_step_that_fails_is_not_recorded():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    operations = BufferedOperations(np.float64)
    A1, Y = np.ones((2, 4)), np.ones((1, 4))
    for _ in range(2):
        with pytest.raises(ValueError, match="Y must have the shape"):
            network.cost_and_gradients(A1, np.ones((2, 4)), operations=operations)
    cost = network.cost_and_gradients(A1, Y, operations=operations)
    assert cost == network.cost_and_gradients(A1, Y, operations=operations)
    assert cost == pytest.approx(network.cost(A1, Y), rel=1e-12)


# Mathematics of a user is one call, whatever it does


def by_a_number(Z):
    """Choose by a number that another batch has otherwise."""
    return Z * (1 + float(Z[0, 0] > 0))


def by_assignment(Z):
    """Put numbers in, where there are others the next time."""
    result = Z.copy()
    result[Z < 0] = 0
    return result


def by_sorting(Z):
    """Call what is no ufunc."""
    return Z + np.sort(np.array(Z), axis=0)


def into_out(Z, out=None):
    """Write into an array, with a temporary."""
    return np.multiply(Z, np.abs(Z) + 1, out=out)


def by_itself(Z):
    """Return what came."""
    return Z


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(
    "function", [by_a_number, by_assignment, by_sorting, into_out, by_itself]
)
def test_any_function_is_replayed(function, output):
    odd = Activation(function, lambda Z, A: 1 + np.abs(Z) + np.sort(A))
    random = np.random.RandomState(0)
    network = Network.glorot([3, 4, 2], odd, "squared_error", random_state=0)
    if output:
        network.layers[-1].activation = odd
    A1, Y = np.empty((6, 3)).T, np.empty((2, 6))
    Y[...] = random.standard_normal(Y.shape)
    assert run_beside_plain(network, A1, Y, random, n_steps=10, total=6) == 1
    operations = BufferedOperations(np.float64)
    for _ in range(2):
        cost = network.cost_and_gradients(A1, Y, operations=operations)
        found = network.gradients.copy()
        assert cost == pytest.approx(network.cost_and_gradients(A1, Y), rel=1e-12)
        np.testing.assert_allclose(found, network.gradients, rtol=1e-9, atol=1e-12)


def test_ufuncs_may_be_activations():
    sine = Activation(np.sin, lambda Z, A: np.cos(Z))
    random = np.random.RandomState(0)
    network = Network.glorot([3, 4, 2], sine, "squared_error", random_state=0)
    A1, Y = np.empty((6, 3)).T, random.standard_normal((2, 6))
    assert run_beside_plain(network, A1, Y, random, total=6) == 1


def test_numbers_are_recorded_in_the_precision_of_the_arrays():
    operations = BufferedOperations(np.float32)
    single, double = np.ones(3, np.float32), np.full(3, 0.1)
    calls = operations._calls = []
    operations.call(np.multiply, single, 0.1, single)
    assert calls[-1].args[1].dtype == np.float32
    # Not where operands have precisions of their own.
    out = np.empty(3)
    operations.call(np.multiply, single, np.float64(0.1), out)
    assert type(calls[-1].args[1]) is np.float64
    operations.call(np.multiply, double, single, out)
    expected = out.copy()
    out.fill(np.nan)
    calls[-1]()
    np.testing.assert_array_equal(out, expected)
    operations.call(np.maximum, single, 0.5, out=single)
    assert calls[-1].args[1].dtype == np.float32
    assert calls[-1].keywords["out"] is single


def test_a_call_outside_of_a_step_is_not_recorded():
    operations = BufferedOperations(np.float64)
    assert operations.call(np.negative, np.ones(2), None).tolist() == [-1, -1]
    assert operations._calls is None


# Whole fits


def labelled(n_samples=83):
    """Features and three classes."""
    random = np.random.RandomState(0)
    X = random.standard_normal((n_samples, 4))
    return X, X[:, :3].argmax(axis=1)


FITS = {
    "classifier": (ScratchMLPClassifier, {}),
    "float32": (ScratchMLPClassifier, {"dtype": "float32"}),
    "dropout": (ScratchMLPClassifier, {"dropout": 0.3}),
    "smoothing": (ScratchMLPClassifier, {"label_smoothing": 0.1}),
    "clipping": (ScratchMLPClassifier, {"max_grad_norm": 0.1}),
    "weights": (ScratchMLPClassifier, {"class_weight": {0: 3, 1: 1, 2: 2}}),
    "early stopping": (ScratchMLPClassifier, {"early_stopping": True}),
    "ordered": (ScratchMLPClassifier, {"shuffle": False}),
    "ordered and weighted": (
        ScratchMLPClassifier,
        {"shuffle": False, "class_weight": "balanced", "n_estimators": 2},
    ),
    "sgd": (ScratchMLPClassifier, {"solver": "sgd", "learning_rate": "adaptive"}),
    "lbfgs": (ScratchMLPClassifier, {"solver": "lbfgs"}),
    "ensemble": (
        ScratchMLPClassifier,
        {"n_estimators": 3, "dropout": 0.2, "class_weight": "balanced"},
    ),
    "sharing": (ScratchMLPClassifier, {"n_estimators": 3, "share_batches": True}),
    "leaving": (
        ScratchMLPClassifier,
        {"n_estimators": 3, "early_stopping": True, "n_iter_no_change": 2, "tol": 0.02},
    ),
    "regressor": (ScratchMLPRegressor, {"activation": ("gelu", "elu")}),
    "poisson": (ScratchMLPRegressor, {"loss": "poisson"}),
}


@pytest.mark.usefixtures("numpy_trains")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit", sorted(FITS))
def test_a_fit_is_the_same_without_replay(monkeypatch, fit):
    cls, parameters = FITS[fit]
    X, y = labelled()
    ran, steps = BufferedOperations.run, {"replayed": 0, "run": 0}

    def fitted():
        common = {"hidden_layer_sizes": (6, 5), "max_iter": 25, "batch_size": 20}
        return cls(**common | parameters, random_state=0).fit(X, y)

    def noted(self, step, inputs, version):
        is_run = []

        def noting(*arguments):
            is_run.append(True)
            return step(*arguments)

        result = ran(self, noting, inputs, version)
        steps["run" if is_run else "replayed"] += 1
        return result

    monkeypatch.setattr(BufferedOperations, "run", noted)
    with_replay = fitted()
    assert steps["replayed"] > 5 * steps["run"] > 0
    monkeypatch.setattr(BufferedOperations, "run", Unrecorded.run)
    without = fitted()
    assert with_replay.loss_curve_ == without.loss_curve_
    np.testing.assert_array_equal(
        with_replay.network_.parameters, without.network_.parameters
    )
