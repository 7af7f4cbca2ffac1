"""The public gradient check finds what is wrong, says where, and leaves no trace."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse
from strategies import make_network, make_targets, make_weights, problems

from skscratch import ACTIVATIONS, LOSSES, GradientCheck, Network, check_gradients

SIZES = [4, 6, 5, 3]


def example(loss="log_loss", activation="tanh", n_samples=6, seed=0):
    """Network, rows of features and rows of targets."""
    random = np.random.RandomState(seed)
    network = make_network(SIZES, [activation, activation, "identity"], loss, random)
    X = random.standard_normal((n_samples, SIZES[0]))
    return network, X, make_targets(loss, SIZES[-1], n_samples, random).T


def corrupt(monkeypatch, name, factor=1.001):
    """Make a registered derivative wrong by a tenth of a percent."""
    right = ACTIVATIONS[name]

    def wrong(Z, A=None, out=None):
        return np.multiply(right.derivative(Z, A, out=out), factor, out=out)

    monkeypatch.setitem(ACTIVATIONS, name, replace(right, derivative=wrong))


@given(problem=problems())
@settings(max_examples=50)
def test_right_gradients_pass(problem):
    weights, alpha = problem.options["weights"], problem.options["alpha"]
    report = check_gradients(
        problem.network,
        problem.A1.T,
        problem.Y.T,
        alpha=alpha,
        sample_weight=weights,
        raise_on_failure=True,
    )
    assert report.passed
    assert report.max_relative_error <= report.tolerance


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_wrong_derivative_is_found(monkeypatch, activation, loss):
    network, X, Y = example(loss, activation)
    assert check_gradients(network, X, Y).passed
    corrupt(monkeypatch, activation)
    report = check_gradients(network, X, Y)
    assert not report.passed
    assert 1e-5 < report.max_relative_error < 1


def test_wrong_gradient_of_a_loss_is_found(monkeypatch):
    network, X, Y = example("binary_log_loss")

    class Wrong(type(LOSSES["binary_log_loss"])):
        def predictions(self, *arguments, **options):
            return 0.999 * super().predictions(*arguments, **options)

    monkeypatch.setitem(LOSSES, "binary_log_loss", Wrong())
    assert not check_gradients(network, X, Y).passed


@pytest.mark.parametrize("place", [(0, "W"), (1, "b"), (2, "W"), (1, "W")])
def test_wrong_place_is_named(monkeypatch, place):
    number, name = place
    network, X, Y = example()
    right = Network.cost_and_gradients

    def wrong(self, *arguments, **options):
        result = right(self, *arguments, **options)
        layer = self.layers[number]
        gradient = {"W": layer.dW, "b": layer.db}[name]
        gradient[2, 0] += 0.1
        return result

    monkeypatch.setattr(Network, "cost_and_gradients", wrong)
    report = check_gradients(network, X, Y, n_directions=0)
    assert report.where == f"layer {number + 1}, {name}[2, 0]"
    assert report.analytic == pytest.approx(report.numerical + 0.1, rel=1e-6)
    # A direction has a share of every place.
    directions = check_gradients(network, X, Y, n_parameters=0)
    assert not directions.passed
    assert re.fullmatch(r"random direction \d of the parameters", directions.where)


def test_wrong_layer_is_named(monkeypatch):
    random = np.random.RandomState(0)
    names = ["relu", "tanh", "logistic", "identity"]
    network = make_network([4, 5, 5, 5, 3], names, "log_loss", random)
    X, y = random.standard_normal((6, 4)), random.randint(3, size=6)
    corrupt(monkeypatch, "logistic", factor=-1)
    report = check_gradients(network, X, y, n_directions=0)
    # Of the layers behind, none; of those before, any may be worst.
    assert re.fullmatch(r"layer [123], [Wb]\[\d, \d\]", report.where)


def test_wrong_gradient_by_the_inputs_is_found(monkeypatch):
    network, X, Y = example()
    right = Network.cost_and_gradients

    def wrong(self, *arguments, **options):
        cost, dA1 = right(self, *arguments, **options)
        return cost, dA1 * 1.001

    monkeypatch.setattr(Network, "cost_and_gradients", wrong)
    report = check_gradients(network, X, Y)
    assert not report.passed
    assert re.fullmatch(r"random direction \d of the inputs", report.where)


def test_disagreement_raises_where_it_is_asked_to(monkeypatch):
    network, X, Y = example()
    corrupt(monkeypatch, "tanh")
    report = check_gradients(network, X, Y)
    with pytest.raises(AssertionError, match=re.escape(str(report))):
        check_gradients(network, X, Y, raise_on_failure=True)


def test_report_tells_the_comparison_in_words():
    report = GradientCheck(2e-3, "layer 1, W[0, 2]", 0.5, 0.501, 40, 1e-5)
    assert not report.passed
    for part in ("DIFFER", "2.00e-03", "1e-05", "layer 1, W[0, 2]", "0.5", "0.501"):
        assert part in str(report)
    assert "40 comparisons" in str(report)
    assert "agree" in str(GradientCheck(1e-9, "layer 1, b[0, 0]", 1, 1, 1, 1e-5))
    assert GradientCheck(1e-5, "the limit itself", 1, 1, 1, 1e-5).passed


def test_rounding_of_the_cost_is_no_disagreement():
    """Where the gradients of two samples cancel, and what is left is tiny."""
    network = Network.glorot([1, 1], loss="binary_log_loss", random_state=0)
    network.layers[0].W, network.layers[0].b = [[1e-7]], [[0]]
    X, Y = np.ones((2, 1)), np.array([[1.0], [0.0]])
    network.cost_and_gradients(X.T, Y.T)
    assert 0 < np.abs(network.gradients).max() < 1e-7
    assert check_gradients(network, X, Y).passed


def test_numbers_that_are_not_finite_are_a_disagreement():
    network, X, Y = example()
    network.layers[0].W = np.full((6, 4), np.nan)
    report = check_gradients(network, X, Y)
    assert report.max_relative_error == np.inf
    assert not report.passed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [np.array, sparse.csr_array, sparse.csc_matrix])
def test_network_and_data_are_left_as_they_are(monkeypatch, make, dtype):
    network, X, Y = example()
    network, data = network.astype(dtype), make(X.astype(dtype))
    network.cost_and_gradients(data.T, Y.T.astype(dtype))
    A = data.T
    for layer in network.layers:  # Layers of a network may run by themselves too.
        A = layer.feedforward(A)
    batch = [layer.A1 for layer in network.layers]
    arrays = [network.parameters, network.gradients, Y]
    arrays += [array for layer in network.layers for array in (layer.Z, layer.A)]
    arrays += [data.data if sparse.issparse(data) else data]
    before = copy.deepcopy(arrays)

    for _ in range(2):
        check_gradients(network, data, Y, alpha=0.1)
        corrupt(monkeypatch, "tanh")

    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    assert network.dtype == dtype
    assert all(layer.A1 is A1 for layer, A1 in zip(network.layers, batch, strict=True))


def test_float32_networks_are_checked_in_float64():
    network, X, Y = example()
    report = check_gradients(network.astype(np.float32), X.astype(np.float32), Y)
    assert report.max_relative_error < 1e-6


@pytest.mark.parametrize(
    "make", [sparse.csr_array, sparse.csc_array, sparse.coo_matrix]
)
def test_sparse_data_are_checked_but_for_the_gradient_by_the_inputs(monkeypatch, make):
    network, X, Y = example()
    X[abs(X) < 0.7] = 0
    report = check_gradients(network, make(X), Y)
    assert report.passed
    dense = check_gradients(network, X, Y)
    assert dense.n_comparisons - report.n_comparisons == 10
    corrupt(monkeypatch, "tanh")
    assert not check_gradients(network, make(X), Y).passed


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_of_the_data_does_not_matter(order):
    network, X, Y = example()
    check_gradients(network, np.array(X, order=order), Y, raise_on_failure=True)


def test_lists_of_whole_numbers_are_data():
    network, _, _ = example()
    assert check_gradients(network, [[1, 2, -1, 0], [0, 1, 1, 3]], [0, 2]).passed


@pytest.mark.parametrize("loss", ["binary_log_loss", "squared_error"])
def test_one_output_takes_targets_in_one_dimension(loss):
    network = make_network(
        [4, 3, 1], ["tanh", "identity"], loss, np.random.RandomState(0)
    )
    X = np.random.RandomState(1).standard_normal((5, 4))
    y = np.array([0, 1, 1, 0, 1])
    assert check_gradients(network, X, y) == check_gradients(
        network, X, y[:, np.newaxis]
    )


def test_class_numbers_are_indicators():
    network, X, Y = example()
    assert check_gradients(network, X, Y.argmax(axis=1)) == check_gradients(
        network, X, Y
    )


def test_regularisation_and_weights_are_part_of_the_cost(monkeypatch):
    network, X, Y = example()
    weights = make_weights(len(X), np.random.RandomState(0))
    values = {
        check_gradients(network, X, Y, **options).analytic
        for options in (
            {},
            {"alpha": 0.1},
            {"sample_weight": weights},
            {"alpha": 0.1, "sample_weight": list(weights)},
        )
    }
    assert len(values) == 4
    # A gradient without the penalty is wrong once there is one.
    right = Network.cost_and_gradients

    def unpenalised(self, *arguments, **options):
        return right(self, *arguments, **options | {"alpha": 0.0})

    monkeypatch.setattr(Network, "cost_and_gradients", unpenalised)
    assert check_gradients(network, X, Y).passed
    assert not check_gradients(network, X, Y, alpha=0.1).passed


def test_so_many_comparisons_are_made_as_are_asked_for():
    network, X, Y = example()

    def count(**options):
        return check_gradients(network, X, Y, **options).n_comparisons

    assert count(n_parameters=0) == 2 * 10
    assert count(n_directions=3, n_parameters=0) == 2 * 3
    assert count(n_directions=0) == network.parameters.size
    assert count(n_directions=0, n_parameters=7) == 7 * 3 + 6 + 5 + 3
    assert count(n_directions=0, n_parameters=1) == 6


def test_places_are_drawn_again_by_the_same_seed():
    network, X, Y = example()
    options = {"n_directions": 2, "n_parameters": 3}
    reports = [
        check_gradients(network, X, Y, random_state=random, **options)
        for random in (0, 0, np.random.RandomState(0), 1)
    ]
    assert reports[0] == reports[1] == reports[2] != reports[3]


def test_coarse_step_is_a_coarse_difference():
    network, X, Y = example()
    assert check_gradients(network, X, Y, step=0.5).max_relative_error > 1e-3
    assert check_gradients(network, X, Y, step=0.5, tolerance=10).passed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": np.zeros((6, 5))}, r"X must have shape \(n_samples, 4\), got \(6, 5\)"),
        ({"X": np.zeros(4)}, r"X must have shape \(n_samples, 4\), got \(4,\)"),
        (
            {"X": sparse.csr_array((6, 5))},
            r"X must have shape \(n_samples, 4\), got \(6, 5\)",
        ),
        (
            {"y": np.zeros((5, 3))},
            r"y must have shape \(6,\) or \(6, 3\), got \(5, 3\)",
        ),
        ({"y": np.zeros((6, 2))}, r"y must have shape .*got \(6, 2\)"),
        ({"y": np.zeros(5)}, r"y must have shape .*got \(5, 3\)"),
        ({"y": [0, 1, 2, 3, 0, 1]}, r"y must hold class numbers from 0 to 2"),
        ({"y": list("aabbcc")}, r"y must be an array of numbers, got <U1"),
        (
            {"sample_weight": np.ones(5)},
            r"sample_weight must have shape \(6,\), got \(5,\)",
        ),
        (
            {"sample_weight": np.ones((6, 1))},
            r"sample_weight must have shape \(6,\), got \(6, 1\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changed, message):
    network, X, Y = example()
    with pytest.raises(ValueError, match=message):
        check_gradients(network, **{"X": X, "y": Y} | changed)


def test_a_check_of_nothing_is_refused():
    network = Network.glorot([2, 3, 1], loss="binary_log_loss", random_state=0)
    with pytest.raises(ValueError, match="nothing would be compared"):
        check_gradients(network, [[1, 2]], [1], n_directions=0, n_parameters=0)
