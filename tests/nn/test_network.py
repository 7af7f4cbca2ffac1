"""A stack of layers over one flat vector: its cost, its gradients, its copies."""

import copy
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
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
    problems,
    seeds,
)

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Layer,
    Network,
    d_logloss,
    logloss,
)
from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.operations import ALLOCATING

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_loss = pytest.mark.parametrize("loss", LOSSES)
close = {"rtol": 1e-11, "atol": 1e-13}


def example(loss="log_loss", n_samples=7, dtype=np.float64) -> Problem:
    """One network of three layers, no two sizes or activations alike."""
    random = np.random.RandomState(0)
    network = make_network([4, 5, 3, 2], ["relu", "tanh", "identity"], loss, random)
    A1 = random.standard_normal((4, n_samples)).astype(dtype)
    Y = make_targets(loss, 2, n_samples, random).astype(dtype)
    weights = make_weights(n_samples, random).astype(dtype)
    return Problem(
        network.astype(dtype), A1, Y, {"alpha": 0.3, "weights": weights, "total": None}
    )


def step(problem, **more):
    """Cost, gradient by parameters and gradient by inputs, all of them copies."""
    cost, dA1 = problem.network.cost_and_gradients(
        problem.A1, problem.Y, input_gradient=True, **problem.options | more
    )
    return cost, problem.network.gradients.copy(), dA1.copy()


def state(network):
    """Everything that the network and its layers hold, arrays copied."""
    return [
        {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in vars(thing).items()
            if name != "layers"
        }
        for thing in (network, *network.layers)
    ]


def assert_same_state(found, expected):
    for now, then in zip(found, expected, strict=True):
        assert now.keys() == then.keys()
        for name, value in now.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, then[name])
            else:
                assert value is then[name] or value == then[name]


# Gradients


@every_activation
@every_loss
@settings(max_examples=15)
@given(data=st.data())
def test_gradients_are_the_derivatives_of_the_cost(activation, loss, data):
    problem = data.draw(problems(st.just(activation), st.just(loss)))
    cost, gradients, dA1 = step(problem)
    assert cost == pytest.approx(problem.cost(), rel=1e-12)
    for analytic, array in (
        (gradients, problem.network.parameters),
        (dA1, problem.A1),
    ):
        numerical = derivatives(problem.descended_cost, array)
        assert_gradient(analytic, numerical, cost)


@given(problem=problems())
def test_gradient_by_the_inputs_changes_nothing_else(problem):
    cost, gradients, _ = step(problem)
    assert cost == problem.network.cost_and_gradients(
        problem.A1, problem.Y, **problem.options
    )
    np.testing.assert_array_equal(problem.network.gradients, gradients)


@given(problem=problems(), alpha=st.floats(0, 10))
def test_regularisation_is_of_weights_not_of_biases(problem, alpha):
    plain_cost, plain, _ = step(problem, alpha=0.0)
    cost, gradients, _ = step(problem, alpha=alpha)
    options = problem.options
    total = options["total"]
    if total is None:
        total = (
            problem.A1.shape[1]
            if options["weights"] is None
            else options["weights"].sum()
        )
    squares = sum((layer.W**2).sum() for layer in problem.network.layers)
    assert cost - plain_cost == pytest.approx(alpha / 2 * squares / total, abs=1e-9)
    penalty = np.concatenate(
        [alpha * layer.W.T.ravel() / total for layer in problem.network.layers]
        + [0 * layer.b.ravel() for layer in problem.network.layers]
    )
    np.testing.assert_allclose(gradients - plain, penalty, rtol=1e-9, atol=1e-11)


@given(problem=problems(n_samples=st.integers(1, 4)), seed=seeds)
def test_integer_weight_counts_as_so_many_copies(problem, seed):
    n_samples = problem.A1.shape[1]
    copies = np.random.RandomState(seed).randint(4, size=n_samples)
    copies[0] += 1
    options = {"alpha": problem.options["alpha"], "total": problem.options["total"]}
    repeated = Problem(
        problem.network,
        np.repeat(problem.A1, copies, axis=1),
        np.repeat(problem.Y, copies, axis=1),
        options,
    )
    cost, gradients, _ = step(problem, weights=copies.astype(float))
    expected_cost, expected, _ = step(repeated)
    assert cost == pytest.approx(expected_cost, rel=1e-11)
    np.testing.assert_allclose(gradients, expected, **close)
    assert problem.network.cost(
        problem.A1, problem.Y, weights=copies.astype(float), **options
    ) == pytest.approx(expected_cost, rel=1e-11)


@given(problem=problems(loss=st.sampled_from(["log_loss", "binary_log_loss"])))
def test_batch_equals_its_samples_one_by_one(problem):
    network = problem.network
    n_samples = problem.A1.shape[1]
    P = network.predict(problem.A1)
    cost, gradients, dA1 = step(problem, alpha=0.0, weights=None, total=None)
    costs, sums = [], np.zeros_like(gradients)
    for i in range(n_samples):
        one = slice(i, i + 1)
        single = Problem(network, problem.A1[:, one], problem.Y[:, one], {})
        np.testing.assert_allclose(network.predict(single.A1), P[:, one], **close)
        of_one, of_parameters, of_input = step(single)
        costs.append(of_one)
        sums += of_parameters / n_samples
        np.testing.assert_allclose(of_input / n_samples, dA1[:, one], **close)
    assert cost == pytest.approx(np.mean(costs), rel=1e-11)
    np.testing.assert_allclose(gradients, sums, **close)


@given(problem=problems(loss=st.just("binary_log_loss")))
def test_two_class_softmax_is_the_logistic_network(problem):
    network = problem.network
    names = [layer.activation for layer in network.layers[:-1]] + ["identity"]
    random = np.random.RandomState(0)
    sizes = [layer.inputs for layer in network.layers]
    one = make_network([*sizes, 1], names, "binary_log_loss", random)
    two = make_network([*sizes, 2], names, "log_loss", random)
    for mine, of_one in zip(two.layers[:-1], one.layers[:-1], strict=True):
        mine.W, mine.b = of_one.W, of_one.b
    # Logits 0 and z.
    last = one.layers[-1]
    two.layers[-1].W = np.vstack([0 * last.W, last.W])
    two.layers[-1].b = np.vstack([0 * last.b, last.b])
    y = problem.Y[:1]
    weights = problem.options["weights"]

    costs = [
        network.cost_and_gradients(problem.A1, Y, weights=weights, input_gradient=True)
        for network, Y in ((one, y), (two, np.vstack([1 - y, y])))
    ]

    assert costs[0][0] == pytest.approx(costs[1][0], rel=1e-9, abs=1e-13)
    np.testing.assert_allclose(costs[0][1], costs[1][1], **close)
    np.testing.assert_allclose(
        one.predict(problem.A1), two.predict(problem.A1)[1:], rtol=1e-11
    )
    for of_one, of_two in zip(one.layers[:-1], two.layers[:-1], strict=True):
        np.testing.assert_allclose(of_one.dW, of_two.dW, **close)
        np.testing.assert_allclose(of_one.db, of_two.db, **close)
    np.testing.assert_allclose(one.layers[-1].dW, two.layers[-1].dW[1:], **close)


def test_articles_program_is_the_network_with_a_binary_log_loss():
    random = np.random.RandomState(0)
    hidden, output = Layer(2, 3, "tanh", random_state=random), Layer(3, 1, "sigmoid")
    x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    y = np.array([[0, 1, 1, 0]])
    network = Network(
        [copy.deepcopy(hidden), Layer.from_arrays(output.W, output.b, "identity")],
        "binary_log_loss",
    )

    A = output.feedforward(hidden.feedforward(x))
    dA1 = hidden.gradients(output.gradients(d_logloss(y, A)))
    cost, network_dA1 = network.cost_and_gradients(x, y, input_gradient=True)

    assert cost == pytest.approx(logloss(y, A).mean(), rel=1e-12)
    np.testing.assert_allclose(network.predict(x), A, rtol=1e-12)
    # The article's is each sample's, the network's the mean's.
    np.testing.assert_allclose(network_dA1, dA1 / 4, **close)
    for layer, mine in zip((hidden, output), network.layers, strict=True):
        np.testing.assert_allclose(mine.dW, layer.dW, **close)
        np.testing.assert_allclose(mine.db, layer.db, **close)


def test_article_layers_train_in_a_network_by_their_own_backprop():
    problem = example()
    before = problem.network.parameters.copy()
    A = problem.A1
    for layer in problem.network.layers:
        A = layer.feedforward(A)
    np.testing.assert_allclose(A, problem.network.raw_outputs(problem.A1), **close)
    problem.network.layers[-1].backprop(np.ones((2, 7)))
    assert (problem.network.parameters != before).any()
    assert_one_vector(problem.network)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
@given(problem=problems())
@settings(max_examples=40)
def test_sparse_inputs_give_what_dense_inputs_give(make, problem):
    problem.A1[abs(problem.A1) < 0.5] = 0
    twin = Problem(problem.network, make(problem.A1), problem.Y, problem.options)
    cost, gradients, dA1 = step(problem)
    sparse_cost, sparse_gradients, sparse_dA1 = step(twin)
    assert sparse_cost == pytest.approx(cost, rel=1e-11)
    assert twin.cost() == pytest.approx(cost, rel=1e-11)
    np.testing.assert_allclose(sparse_gradients, gradients, **close)
    np.testing.assert_allclose(sparse_dA1, dA1, **close)
    P = problem.network.predict(problem.A1)
    np.testing.assert_allclose(problem.network.predict(twin.A1), P, **close)


@every_loss
def test_float32_networks_compute_in_float32_what_float64_ones_do(loss):
    wide, narrow = example(loss), example(loss, dtype=np.float32)
    cost, gradients, dA1 = step(wide)
    narrow_cost, narrow_gradients, narrow_dA1 = step(narrow)
    assert narrow_gradients.dtype == narrow_dA1.dtype == np.float32
    assert narrow.network.predict(narrow.A1).dtype == np.float32
    assert narrow_cost == pytest.approx(cost, rel=1e-5)
    np.testing.assert_allclose(narrow_gradients, gradients, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(narrow_dA1, dA1, rtol=1e-4, atol=1e-5)


# One vector


def assert_one_vector(network):
    """All weights, layer by layer, then all biases, and so their gradients."""
    layers = network.layers
    n_weights = sum(layer.W.size for layer in layers)
    assert network.parameters.size == network.gradients.size
    for vector, part, names in (
        (network.parameters, network.weights, ("W", "b")),
        (network.gradients, network.weight_gradients, ("dW", "db")),
    ):
        before = vector.copy()
        vector[...] = np.arange(vector.size)
        views = [getattr(layer, name) for name in names for layer in layers]
        seen = np.concatenate([np.sort(view, axis=None) for view in views])
        np.testing.assert_array_equal(seen, np.arange(vector.size))
        np.testing.assert_array_equal(part, np.arange(n_weights))
        for view in views:
            assert np.shares_memory(view, vector)
            view[...] = -1
        assert (vector == -1).all()
        vector[...] = before


@given(problem=problems())
def test_parameters_are_one_vector_weights_first(problem):
    network = problem.network
    assert_one_vector(network)
    step(problem)
    assert_one_vector(network)


def test_layers_are_taken_over_with_their_numbers():
    layers = [Layer(2, 3, "tanh", random_state=0), Layer(3, 2, "identity")]
    layers[1].b = [[5], [6]]
    numbers = [(layer.W.copy(), layer.b.copy()) for layer in layers]
    network = Network(layers)
    assert all(mine is its for mine, its in zip(layers, network.layers, strict=True))
    for layer, (W, b) in zip(layers, numbers, strict=True):
        np.testing.assert_array_equal(layer.W, W)
        np.testing.assert_array_equal(layer.b, b)
    assert_one_vector(network)


def test_assigned_weights_are_copied_into_the_vector():
    network = example().network
    mine = np.full((3, 5), 7.0)
    network.layers[1].W = mine
    network.layers[1].b = np.full((3, 1), 8.0)
    assert (network.parameters == 7).sum() == 15
    assert (network.parameters == 8).sum() == 3
    mine[...] = 0
    assert (network.parameters == 7).sum() == 15
    assert_one_vector(network)


@given(problem=problems())
def test_restored_snapshot_undoes_what_happened_since(problem):
    network = problem.network
    cost, snapshot = problem.cost(), network.snapshot()
    network.parameters += 1
    network.layers[0].W = 0 * network.layers[0].W
    assert not np.shares_memory(snapshot, network.parameters)
    network.restore(snapshot)
    assert problem.cost() == cost
    network.parameters += 1
    network.restore(snapshot)  # A second time: the snapshot is not the parameters.
    assert problem.cost() == cost
    assert_one_vector(network)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_stand_on_their_own_vector(duplicate, dtype):
    problem = example("binary_log_loss", dtype=dtype)
    network = problem.network
    expected = step(problem)
    P = network.predict(problem.A1)
    twin = duplicate(network)
    assert twin.dtype == dtype
    assert twin.loss == network.loss
    assert_one_vector(twin)
    np.testing.assert_array_equal(twin.parameters, network.parameters)
    np.testing.assert_array_equal(twin.predict(problem.A1), P)
    network.parameters[...] = 0
    np.testing.assert_array_equal(twin.predict(problem.A1), P)
    for found, wanted in zip(
        step(Problem(twin, problem.A1, problem.Y, problem.options)),
        expected,
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_astype_is_a_copy_of_another_dtype(dtype):
    network = example("binary_log_loss").network
    before = network.parameters.copy()
    twin = network.astype(dtype)
    assert twin.dtype == dtype
    assert twin.loss == "binary_log_loss"
    assert [repr(layer) for layer in twin.layers] == [repr(x) for x in network.layers]
    np.testing.assert_array_equal(twin.parameters, before.astype(dtype))
    assert_one_vector(twin)
    twin.parameters[...] = 0
    np.testing.assert_array_equal(network.parameters, before)
    assert_one_vector(network)


def test_dtype_is_that_of_the_layers_unless_given():
    layers = [Layer(2, 3, "tanh"), Layer(3, 2, "identity")]
    assert Network(copy.deepcopy(layers)).dtype == np.float64
    network = Network(layers, dtype=np.float32)
    assert network.dtype == network.gradients.dtype == np.float32
    assert all(layer.W.dtype == layer.b.dtype == np.float32 for layer in layers)


# Prediction


@every_loss
@pytest.mark.parametrize("trained", [False, True])
def test_prediction_writes_to_no_object(loss, trained):
    problem = example(loss)
    network = problem.network
    if trained:
        step(problem)
    before = state(network)
    for function in (network.predict, network.raw_outputs, network.forward):
        function(problem.A1)
        function(sparse.csr_array(problem.A1[:, :3]))
    network.cost(problem.A1, problem.Y, **problem.options)
    assert_same_state(state(network), before)


@every_loss
@given(data=st.data())
@settings(max_examples=20)
def test_prediction_is_the_training_pass_without_recording(loss, data):
    problem = data.draw(problems(loss=st.just(loss)))
    network = problem.network
    Z = network.raw_outputs(problem.A1)
    P = network.predict(problem.A1)
    np.testing.assert_array_equal(P, LOSSES[loss].predictions(Z))
    passes = []
    np.testing.assert_array_equal(network.forward(problem.A1, passes=passes), Z)
    A = problem.A1
    for layer, (A1, Z, A_of_Z, mask) in zip(network.layers, passes, strict=True):
        np.testing.assert_array_equal(A1, A)
        assert mask is None
        np.testing.assert_allclose(Z, np.dot(layer.W, A) + layer.b, **close)
        A = A_of_Z
        np.testing.assert_array_equal(A, ACTIVATIONS[layer.activation].function(Z))


def test_training_keeps_nothing_of_a_batch():
    for operations in (ALLOCATING, BufferedOperations(np.float64)):
        problem = example()
        things = [problem.network, *problem.network.layers]
        before = [set(vars(thing)) for thing in things]
        step(problem, operations=operations)
        assert [set(vars(thing)) for thing in things] == before
        for layer in problem.network.layers:
            assert layer.A1 is layer.Z is layer.A is None
        assert_one_vector(problem.network)


@every_loss
def test_predictions_belong_to_the_caller(loss):
    problem = example(loss)
    step(problem)
    for function in (problem.network.predict, problem.network.raw_outputs):
        P = function(problem.A1)
        kept = P.copy()
        again = function(-problem.A1)
        step(problem)
        assert not np.shares_memory(P, again)
        np.testing.assert_array_equal(P, kept)


def test_eight_threads_predict_what_one_does():
    random = np.random.RandomState(0)
    network = make_network(
        [30, 40, 20, 5], ["relu", "tanh", "identity"], "log_loss", random
    )
    batches = [random.standard_normal((30, 20 + i % 5)) for i in range(160)]
    network.cost_and_gradients(batches[0], np.eye(5)[:, np.zeros(20, int)])
    expected = [network.predict(batch) for batch in batches]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(network.predict, batches))
    finally:
        sys.setswitchinterval(interval)
    for P, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(P, wanted)


# Making one


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=seeds,
)
def test_glorot_draws_weights_then_biases_layer_by_layer(
    sizes, activation, dtype, seed
):
    random = np.random.RandomState(seed)
    network = Network.glorot(sizes, activation, random_state=seed, dtype=dtype)
    again = Network.glorot(
        sizes, activation, random_state=np.random.RandomState(seed), dtype=dtype
    )
    np.testing.assert_array_equal(network.parameters, again.parameters)
    assert network.dtype == dtype
    assert len(network.layers) == len(sizes) - 1
    factor = ACTIVATIONS[activation].variance_factor
    for layer, fan_in, fan_out in zip(
        network.layers, sizes[:-1], sizes[1:], strict=True
    ):
        bound = np.sqrt(factor / (fan_in + fan_out))
        W = random.uniform(-bound, bound, (fan_in, fan_out)).T
        b = random.uniform(-bound, bound, fan_out)
        np.testing.assert_array_equal(layer.W, W.astype(dtype))
        np.testing.assert_array_equal(layer.b[:, 0], b.astype(dtype))
    *hidden, last = [layer.activation for layer in network.layers]
    assert last == "identity"
    assert set(hidden) <= {activation}
    assert_one_vector(network)


def test_glorot_takes_relu_and_log_loss_unless_told_otherwise():
    network = Network.glorot([2, 3, 2])
    assert network.layers[0].activation == "relu"
    assert (network.loss, network.dtype) == ("log_loss", np.float64)
    assert (network.parameters != Network.glorot([2, 3, 2]).parameters).any()


@every_loss
def test_repr_is_a_table_of_the_layers_with_their_counts(loss):
    random = np.random.RandomState(0)
    names = ["relu", "tanh", "identity"]
    network = make_network([784, 1000, 30, 2], names, loss, random)
    head, *rows = repr(network).split("\n")
    for part in ("784 → 1000 → 30 → 2", loss, LOSSES[loss].output, "float64"):
        assert part in head
    assert f"{network.parameters.size:,} parameters" in head
    assert network.parameters.size == 815_092
    assert [row.split() for row in rows] == [
        ["layer", "inputs", "neurons", "activation", "parameters"],
        ["1", "784", "1,000", "relu", "785,000"],
        ["2", "1,000", "30", "tanh", "30,030"],
        ["3", "30", "2", "identity", "62"],
    ]
    assert len({len(row) for row in rows}) == 1
    edges = [{match.end() for match in re.finditer(r"\S+", row)} for row in rows]
    assert all(edge == edges[0] for edge in edges)


@every_loss
def test_output_is_that_of_the_loss(loss):
    assert example(loss).network.output == LOSSES[loss].output


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"layers\[1\] has 3 neurons, but layers\[2\] has 4 inputs"
    ):
        Network([Layer(1, 2, "tanh"), Layer(2, 3, "tanh"), Layer(4, 1, "tanh")])


@pytest.mark.parametrize(
    "layers", [[], ["Layer"], [Layer(1, 2, "tanh"), None], [Layer]]
)
def test_what_is_not_layers_is_refused(layers):
    with pytest.raises(ValueError, match="layers must be a list of Layer objects, got"):
        Network(layers)


def test_same_layer_twice_is_refused():
    layer = Layer(2, 2, "tanh")
    with pytest.raises(ValueError, match="same Layer object twice"):
        Network([layer, layer])


@pytest.mark.parametrize("loss", ["hinge", None, 1])
def test_unknown_losses_are_refused_by_name(loss):
    names = ".*".join(sorted(LOSSES))
    with pytest.raises(
        ValueError, match=f"loss must be one of .*{names}.*got {loss!r}"
    ):
        Network([Layer(2, 2, "tanh")], loss)


@pytest.mark.parametrize("dtype", [np.float16, int, complex, "longdouble"])
def test_numbers_other_than_float32_and_float64_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got"):
        Network([Layer(2, 2, "tanh")], dtype=dtype)


@pytest.mark.parametrize("shape", [(3, 7), (7, 4), (4,)])
def test_batches_of_another_width_are_refused(shape):
    problem = example()
    A1 = np.zeros(shape)
    for function in (
        problem.network.forward,
        problem.network.raw_outputs,
        problem.network.predict,
        lambda A1: problem.network.cost(A1, problem.Y),
        lambda A1: problem.network.cost_and_gradients(A1, problem.Y),
    ):
        with pytest.raises(ValueError, match=r"A1 must have shape \(4, samples\), got"):
            function(A1)


def test_snapshot_of_another_network_is_refused():
    with pytest.raises(ValueError, match="broadcast"):
        example().network.restore(np.zeros(3))


def test_leaving_the_regularisation_out_is_to_set_it_to_zero():
    problem = example()
    cost = problem.network.cost(problem.A1, problem.Y)
    assert cost == problem.network.cost(problem.A1, problem.Y, alpha=0.0)
    assert cost == problem.network.cost_and_gradients(problem.A1, problem.Y)
    assert cost < problem.network.cost(problem.A1, problem.Y, alpha=0.3)


def test_a_shallow_copy_has_layers_of_its_own():
    network = Network.glorot([2, 3, 1], random_state=0)
    twin = copy.copy(network)
    twin.parameters[...] = 0
    assert network.parameters.all()
    assert network.layers[0].W.base is not None
    assert np.shares_memory(network.layers[0].W, network.parameters)


@pytest.mark.parametrize("shape", [(20,), (1, 20), (20, 2), (2, 19)])
def test_targets_of_another_shape_are_refused(shape):
    network = Network.glorot([3, 4, 2], random_state=0)
    for cost in (network.cost, network.cost_and_gradients):
        with pytest.raises(ValueError, match="Y must have the shape of the outputs"):
            cost(np.ones((3, 20)), np.ones(shape), total=20)


@pytest.mark.parametrize(
    ("sizes", "activation", "message"),
    [
        ([2, 3, 1], "nope", "activation must be one of"),
        ([2, 0, 1], "relu", "sizes must be two or more positive"),
        ([2], "relu", "sizes must be two or more positive"),
    ],
)
def test_networks_that_can_not_be_are_refused(sizes, activation, message):
    with pytest.raises(ValueError, match=message):
        Network.glorot(sizes, activation)


@given(seed=seeds, fan_in=st.integers(200, 400))
@settings(max_examples=10)
def test_he_draws_weights_by_the_inputs_of_a_layer(seed, fan_in):
    network = Network.initialized([fan_in, 300, 50], init="he", random_state=seed)
    for layer in network.layers:
        expected = np.sqrt(2 / layer.inputs)
        assert layer.W.std() == pytest.approx(expected, rel=0.05)
        assert abs(layer.W.mean()) < 0.05 * expected
        assert not layer.b.any()
    # It keeps the size of a signal through rectifiers: He et al. (2015).
    A1 = np.random.RandomState(seed).standard_normal((fan_in, 200))
    Z = network.raw_outputs(A1)
    assert (Z**2).mean() == pytest.approx(2.0, rel=0.35)


def test_glorot_is_how_networks_are_drawn_unless_told_otherwise():
    same = [
        Network.glorot([3, 4, 2], "tanh", random_state=0),
        Network.initialized([3, 4, 2], "tanh", random_state=0),
        Network.initialized([3, 4, 2], "tanh", init="glorot", random_state=0),
    ]
    for network in same:
        np.testing.assert_array_equal(network.parameters, same[0].parameters)
    with pytest.raises(ValueError, match=r"init must be one of \['glorot', 'he'\]"):
        Network.initialized([3, 4, 2], init="zeros")
