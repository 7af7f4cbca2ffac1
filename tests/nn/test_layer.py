"""The article's layer: its program, its arithmetic, its gradients."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from strategies import activation_names, derivatives, move_off_kinks, seeds

from skscratch import (
    ACTIVATIONS,
    Layer,
    Network,
    check_gradients,
    d_logloss,
    logloss,
)

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
shapes = {"inputs": st.integers(1, 5), "neurons": st.integers(1, 5)}


def passed_forward(inputs, neurons, activation, n_samples, seed):
    """Layer off the kinks after a pass, and a gradient to pass back."""
    random = np.random.RandomState(seed)
    layer = Layer(inputs, neurons, activation, random_state=random)
    layer.b = random.standard_normal(layer.b.shape)
    A1 = random.standard_normal((inputs, n_samples))
    move_off_kinks([layer], A1)
    layer.feedforward(A1)
    return layer, random.standard_normal((neurons, n_samples))


def article_xor(layers, epochs=1500):
    """Run the article's program, as it stands there but for the layers."""
    x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    y = np.array([[0, 1, 1, 0]])
    m = 4
    costs = []
    for _ in range(epochs):
        A = x
        for layer in layers:
            A = layer.feedforward(A)
        cost = 1 / m * np.sum(logloss(y, A))
        costs.append(cost)
        dA = d_logloss(y, A)
        for layer in reversed(layers):
            dA = layer.backprop(dA)
    return costs


def plain_xor(W1, W2, epochs=1500, learning_rate=0.1):
    """The same arithmetic without any of the library's, formula by formula."""
    b1, b2 = np.zeros((3, 1)), np.zeros((1, 1))
    x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    y = np.array([[0, 1, 1, 0]])
    costs = []
    for _ in range(epochs):
        a1 = np.tanh(np.dot(W1, x) + b1)
        a2 = 1 / (1 + np.exp(-(np.dot(W2, a1) + b2)))
        losses = -(y * np.log(a2) + (1 - y) * np.log(1 - a2))
        costs.append(losses.sum() / 4)
        dz2 = (a2 - y) / (a2 * (1 - a2)) * a2 * (1 - a2)
        dz1 = np.dot(W2.T, dz2) * (1 - a1**2)
        W2 = W2 - learning_rate * np.dot(dz2, a1.T) / 4
        b2 = b2 - learning_rate * dz2.sum(axis=1, keepdims=True) / 4
        W1 = W1 - learning_rate * np.dot(dz1, x.T) / 4
        b1 = b1 - learning_rate * dz1.sum(axis=1, keepdims=True) / 4
    return costs, (W1, b1, W2, b2)


@pytest.mark.parametrize("seed", range(4))
def test_articles_program_follows_the_articles_arithmetic(seed):
    random = np.random.RandomState(seed)
    layers = [
        Layer(2, 3, "tanh", random_state=random),
        Layer(3, 1, "sigmoid", random_state=random),
    ]
    expected_costs, expected = plain_xor(*(layer.W.copy() for layer in layers))

    costs = article_xor(layers)

    np.testing.assert_allclose(costs, expected_costs, rtol=0, atol=1e-9)
    found = [array for layer in layers for array in (layer.W, layer.b)]
    for array, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=0, atol=1e-9)


def test_articles_program_learns_xor_when_steps_are_longer(monkeypatch):
    monkeypatch.setattr(Layer, "learning_rate", 1.0)
    layers = [
        Layer(2, 3, "tanh", random_state=1),
        Layer(3, 1, "sigmoid", random_state=2),
    ]
    costs = article_xor(layers)
    assert costs[-1] < 0.05 < 0.5 < costs[0]


def test_articles_program_survives_saturation():
    layers = [Layer(2, 3, "tanh"), Layer(3, 1, "sigmoid")]
    layers[1].W = np.full((1, 3), 1e4)
    layers[1].b = np.full((1, 1), -1e4)
    assert np.isfinite(article_xor(layers, epochs=5)).all()
    assert all(np.isfinite(layer.W).all() for layer in layers)


@given(**shapes, activation=activation_names, seed=seeds)
def test_weights_are_standard_normal_draws_and_biases_zeros(
    inputs, neurons, activation, seed
):
    layer = Layer(inputs, neurons, activation, random_state=seed)
    expected = np.random.RandomState(seed).standard_normal((neurons, inputs))
    np.testing.assert_array_equal(layer.W, expected)
    np.testing.assert_array_equal(layer.b, np.zeros((neurons, 1)))
    assert (layer.inputs, layer.neurons) == (inputs, neurons)


@pytest.mark.parametrize("source", [np.random.RandomState, np.random.default_rng])
def test_sources_of_draws_go_on_from_layer_to_layer(source):
    random, expected = source(5), source(5)
    for _ in range(2):
        np.testing.assert_array_equal(
            Layer(3, 2, "tanh", random_state=random).W,
            expected.standard_normal((2, 3)),
        )


def test_layers_differ_unless_told_otherwise():
    assert (Layer(3, 2, "tanh").W != Layer(3, 2, "tanh").W).any()


def test_numpys_global_state_is_not_touched():
    before = np.random.get_state()  # noqa: NPY002 - the legacy state is the subject
    Layer(3, 2, "tanh")
    Layer(3, 2, "tanh", random_state=0)
    Network.glorot([3, 2], random_state=None)
    network = Network.glorot([3, 2], random_state=0)
    check_gradients(network, np.ones((2, 3)), [0, 1], random_state=None)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@given(**shapes, activation=activation_names, n_samples=st.integers(1, 5), seed=seeds)
def test_feedforward_keeps_its_input_pre_activations_and_outputs(
    inputs, neurons, activation, n_samples, seed
):
    layer, _ = passed_forward(inputs, neurons, activation, n_samples, seed)
    A1 = np.random.RandomState(seed).standard_normal((inputs, n_samples))
    A = layer.feedforward(A1)
    assert layer.A1 is A1
    assert layer.A is A
    np.testing.assert_allclose(
        layer.Z, np.dot(layer.W, A1) + layer.b, rtol=1e-12, atol=1e-14
    )
    np.testing.assert_array_equal(A, ACTIVATIONS[activation].function(layer.Z))


@every_activation
@given(**shapes, n_samples=st.integers(1, 5), seed=seeds)
@settings(max_examples=20)
def test_gradients_are_those_of_each_samples_cost_and_of_their_mean(
    activation, inputs, neurons, n_samples, seed
):
    layer, dA = passed_forward(inputs, neurons, activation, n_samples, seed)
    A1 = layer.A1
    dA1 = layer.gradients(dA)

    def sum_of_costs():
        return (dA * layer.forward(A1)[-1]).sum()

    for analytic, array, count in (
        (layer.dW, layer.W, n_samples),
        (layer.db, layer.b, n_samples),
        (dA1, A1, 1),
    ):
        numerical = derivatives(sum_of_costs, array) / count
        assert analytic.shape == array.shape
        np.testing.assert_allclose(analytic, numerical, rtol=1e-6, atol=1e-8)


@every_activation
def test_gradients_change_no_weight_and_no_operand(activation):
    layer, dA = passed_forward(3, 4, activation, 5, seed=0)
    arrays = [layer.W, layer.b, layer.A1, layer.Z, layer.A, dA]
    before = [array.copy() for array in arrays]
    layer.gradients(dA)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


@every_activation
@given(**shapes, n_samples=st.integers(1, 5), seed=seeds, rate=st.floats(0.001, 2))
@settings(max_examples=20)
def test_backprop_is_gradients_and_then_one_step(
    activation, inputs, neurons, n_samples, seed, rate
):
    layer, dA = passed_forward(inputs, neurons, activation, n_samples, seed)
    twin, _ = passed_forward(inputs, neurons, activation, n_samples, seed)
    layer.learning_rate = rate
    W, b = layer.W.copy(), layer.b.copy()

    dA1 = layer.backprop(dA)

    # By the weights from before the step.
    np.testing.assert_array_equal(dA1, twin.gradients(dA))
    np.testing.assert_array_equal(layer.dW, twin.dW)
    np.testing.assert_allclose(layer.W, W - rate * twin.dW, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer.b, b - rate * twin.db, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(twin.W, W)
    np.testing.assert_array_equal(twin.b, b)


def test_learning_rate_is_a_tenth_until_an_instance_overrides_it():
    first, second = Layer(2, 3, "tanh"), Layer(2, 3, "tanh")
    assert Layer.learning_rate == first.learning_rate == 0.1
    first.learning_rate = 0.5
    assert (first.learning_rate, second.learning_rate) == (0.5, 0.1)


def test_gradient_of_the_inputs_is_computed_only_where_it_is_wanted():
    layer, dA = passed_forward(3, 4, "tanh", 5, seed=0)
    given = dA, layer.A1, layer.Z, layer.A
    assert layer.backward(*given) is not None
    dW = layer.dW.copy()
    assert layer.backward(*given, input_gradient=False) is None
    np.testing.assert_array_equal(layer.dW, dW)


@every_activation
@given(**shapes, n_samples=st.integers(1, 5), seed=seeds)
@settings(max_examples=20)
def test_batch_equals_its_samples_one_by_one(
    activation, inputs, neurons, n_samples, seed
):
    layer, dA = passed_forward(inputs, neurons, activation, n_samples, seed)
    A1, A, dA1 = layer.A1, layer.A.copy(), layer.gradients(dA)
    dW, db = layer.dW.copy(), layer.db.copy()
    sums = np.zeros_like(dW), np.zeros_like(db)
    for i in range(n_samples):
        one = slice(i, i + 1)
        np.testing.assert_allclose(
            layer.feedforward(A1[:, one]), A[:, one], rtol=1e-12, atol=1e-14
        )
        np.testing.assert_allclose(
            layer.gradients(dA[:, one]), dA1[:, one], rtol=1e-12, atol=1e-14
        )
        for total, array in zip(sums, (layer.dW, layer.db), strict=True):
            total += array / n_samples
    np.testing.assert_allclose(dW, sums[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(db, sums[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "make", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]
)
@given(**shapes, n_samples=st.integers(1, 5), seed=seeds)
@settings(max_examples=20)
def test_sparse_input_gives_what_dense_input_gives(
    make, inputs, neurons, n_samples, seed
):
    layer, dA = passed_forward(inputs, neurons, "tanh", n_samples, seed)
    A1 = np.where(np.abs(layer.A1) > 0.7, layer.A1, 0)
    A, dA1 = layer.feedforward(A1).copy(), layer.gradients(dA).copy()
    dW, db = layer.dW.copy(), layer.db.copy()
    for _ in range(2):  # The second time into the arrays of the first.
        given_sparse = layer.feedforward(make(A1))
        assert isinstance(given_sparse, np.ndarray)
        np.testing.assert_allclose(given_sparse, A, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(layer.gradients(dA), dA1, rtol=1e-12, atol=1e-14)
        for array, expected in ((layer.dW, dW), (layer.db, db)):
            assert type(array) is np.ndarray
            np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)
            array.fill(np.nan)


def test_sparse_gradients_need_no_dense_pass_before_them():
    layer, dA = passed_forward(3, 4, "tanh", 5, seed=0)
    layer.gradients(dA)
    fresh = Layer.from_arrays(layer.W, layer.b, "tanh")
    fresh.feedforward(sparse.csc_array(layer.A1))
    fresh.gradients(dA)
    assert type(fresh.dW) is np.ndarray
    np.testing.assert_allclose(fresh.dW, layer.dW, rtol=1e-12)


def test_forward_keeps_nothing():
    layer, _ = passed_forward(3, 4, "tanh", 5, seed=0)
    before = dict(vars(layer))
    kept = copy.deepcopy(before)
    Z, A, output = layer.forward(2 * layer.A1)
    assert output is A
    assert (Z != layer.Z).all()
    assert (A != layer.A).all()
    assert vars(layer) == before
    for name in ("Z", "A", "A1"):
        np.testing.assert_array_equal(vars(layer)[name], kept[name])


def test_given_arrays_are_kept_without_a_copy():
    W, b = np.ones((3, 2), np.float32), np.zeros((3, 1), np.float32)
    layer = Layer.from_arrays(W, b, "relu")
    assert layer.W is W
    assert layer.b is b
    assert (layer.inputs, layer.neurons, layer.activation) == (2, 3, "relu")
    assert layer.feedforward(np.ones((2, 4), np.float32)).dtype == np.float32
    assert layer.gradients(np.ones((3, 4), np.float32)).dtype == np.float32
    assert layer.dW.dtype == layer.db.dtype == np.float32


def test_assigned_weights_are_copied_into_the_layers_arrays():
    layer = Layer(2, 3, "tanh")
    W, b = layer.W, layer.b
    mine = np.arange(6.0).reshape(3, 2)
    layer.W, layer.b = mine, [[1], [2], [3]]
    assert layer.W is W
    assert layer.b is b
    np.testing.assert_array_equal(W, mine)
    np.testing.assert_array_equal(b, [[1], [2], [3]])
    mine[0, 0] = 99
    assert W[0, 0] == 0


def test_activation_may_be_changed():
    layer = Layer(2, 3, "tanh", random_state=0)
    layer.activation = "relu"
    A = layer.feedforward(np.ones((2, 1)))
    np.testing.assert_array_equal(A, np.maximum(layer.Z, 0))


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_of_the_weights_not_of_the_batch(duplicate):
    layer, dA = passed_forward(3, 4, "tanh", 5, seed=0)
    layer.gradients(dA)
    layer.learning_rate = 0.7
    twin = duplicate(layer)
    np.testing.assert_array_equal(twin.W, layer.W)
    np.testing.assert_array_equal(twin.b, layer.b)
    assert not np.shares_memory(twin.W, layer.W)
    assert (twin.activation, twin.learning_rate) == ("tanh", 0.7)
    assert twin.A1 is twin.Z is twin.A is twin.dW is twin.db is None
    np.testing.assert_array_equal(twin.feedforward(layer.A1), layer.A)
    np.testing.assert_array_equal(twin.backprop(dA), layer.backprop(dA))
    np.testing.assert_array_equal(twin.W, layer.W)


def test_repr_is_the_call_that_makes_it():
    layer = Layer(2, 3, "tanh")
    assert repr(layer) == "Layer(2, 3, 'tanh')"
    twin = eval(repr(layer))
    assert (twin.inputs, twin.neurons, twin.activation) == (2, 3, "tanh")


@pytest.mark.parametrize("name", ["inputs", "neurons"])
@pytest.mark.parametrize("value", [0, -1, 2.0, 2.5, "3", None, (3,)])
def test_sizes_that_are_not_positive_whole_numbers_are_refused(name, value):
    sizes = {"inputs": 2, "neurons": 3, name: value}
    with pytest.raises(ValueError, match=rf"{name} must be a positive integer, got "):
        Layer(**sizes, activation="tanh")


def test_sizes_may_be_numpys_integers():
    assert Layer(np.int64(2), np.int32(3), "tanh").W.shape == (3, 2)


@pytest.mark.parametrize("value", ["Tanh", "softmax", None, ["tanh"], np.tanh])
def test_unknown_activations_are_refused_by_name(value):
    names = ".*".join(sorted(ACTIVATIONS))
    with pytest.raises(ValueError, match=f"activation must be one of .*{names}.* got"):
        Layer(2, 3, value)
    layer = Layer(2, 3, "tanh")
    with pytest.raises(ValueError, match="activation must be one of"):
        layer.activation = value
    assert layer.activation == "tanh"


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (2,), (), (0, 4)])
def test_inputs_of_another_shape_are_refused(shape):
    layer = Layer(2, 3, "tanh")
    with pytest.raises(ValueError, match=r"A1 must have shape \(2, samples\), got"):
        layer.feedforward(np.zeros(shape))
    assert layer.Z is None


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (3, 1), (3,), (1, 4)])
def test_gradients_of_another_shape_are_refused(shape):
    layer, _ = passed_forward(2, 3, "tanh", 4, seed=0)
    W = layer.W.copy()
    for function in (layer.gradients, layer.backprop):
        with pytest.raises(ValueError, match=r"dA must have shape \(3, 4\), got"):
            function(np.zeros(shape))
    np.testing.assert_array_equal(layer.W, W)


def test_gradients_before_any_batch_are_refused():
    for function in (Layer(2, 3, "tanh").gradients, Layer(2, 3, "tanh").backprop):
        with pytest.raises(ValueError, match="call feedforward before"):
            function(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("W", (2, 3)), ("W", (1, 2)), ("b", (3,)), ("b", (1, 1)), ("b", ())],
)
def test_assigned_arrays_of_another_shape_are_refused(name, shape):
    layer = Layer(2, 3, "tanh", random_state=0)
    before = layer.W.copy(), layer.b.copy()
    with pytest.raises(ValueError, match=rf"{name} must have shape \(3, [12]\), got"):
        setattr(layer, name, np.ones(shape))
    np.testing.assert_array_equal(layer.W, before[0])
    np.testing.assert_array_equal(layer.b, before[1])


@pytest.mark.parametrize(
    ("W", "b"), [((3, 2), (2, 1)), ((3, 2), (3,)), ((3,), (3, 1)), ((1, 3, 2), (1, 1))]
)
def test_given_arrays_that_do_not_fit_are_refused(W, b):
    with pytest.raises(ValueError, match="W and b must have shapes"):
        Layer.from_arrays(np.zeros(W), np.zeros(b), "tanh")


@pytest.mark.parametrize(
    ("name", "given", "came"),
    [
        ("W", [[1.0, 2.0]], "list"),
        ("W", np.ones((1, 2), dtype=int), "int64"),
        ("b", [[1.0]], "list"),
        ("b", np.ones((1, 1), dtype=complex), "complex128"),
    ],
)
def test_given_arrays_that_can_not_be_trained_are_refused(name, given, came):
    arrays = {"W": np.ones((1, 2)), "b": np.ones((1, 1))} | {name: given}
    with pytest.raises(
        ValueError, match=rf"{name} must be an array of floating-point.*got {came}\."
    ):
        Layer.from_arrays(**arrays, activation="tanh")


def test_inputs_and_gradients_may_be_lists():
    A1, dA = [[0, 0, 1, 1], [0, 1, 0, 1]], [[1, 2, 3, 4]] * 3
    ours, plain = (Layer(2, 3, "tanh", random_state=0) for _ in range(2))
    np.testing.assert_array_equal(ours.feedforward(A1), plain.feedforward(np.array(A1)))
    np.testing.assert_array_equal(ours.gradients(dA), plain.gradients(np.array(dA)))
    np.testing.assert_array_equal(ours.dW, plain.dW)


@every_activation
def test_backward_computes_sums_and_keeps_nothing_but_them(activation):
    layer, dA = passed_forward(3, 4, activation, 5, seed=0)
    dA1 = layer.gradients(dA).copy()
    dW, db = layer.dW * 5, layer.db * 5
    other = Layer.from_arrays(layer.W, layer.b, activation)
    np.testing.assert_array_equal(other.backward(dA, layer.A1, layer.Z, layer.A), dA1)
    np.testing.assert_allclose(other.dW, dW, rtol=1e-15)
    np.testing.assert_allclose(other.db, db, rtol=1e-15)
    assert other.A1 is other.Z is other.A is None


@every_activation
def test_backprop_may_be_repeated_for_the_same_batch(activation):
    layer, dA = passed_forward(3, 4, activation, 5, seed=0)
    first = layer.gradients(dA).copy()
    np.testing.assert_array_equal(layer.gradients(dA), first)


@every_activation
def test_a_mask_drops_outputs_and_their_gradients(activation):
    layer, dA = passed_forward(3, 4, activation, 5, seed=0)
    mask = np.random.RandomState(0).randint(2, size=(4, 5)) * 2.0
    A, A1 = layer.A, layer.A1
    np.testing.assert_array_equal(layer.feedforward(A1, mask), A * mask)
    np.testing.assert_array_equal(layer.A, A)
    dA1 = layer.gradients(dA).copy()
    layer.feedforward(A1)
    np.testing.assert_array_equal(layer.gradients(dA * mask), dA1)


def test_a_refused_mask_leaves_the_last_batch():
    layer = Layer(2, 3, "tanh", random_state=0)
    layer.feedforward(np.ones((2, 4)))
    before = layer.A1, layer.Z, layer.A, layer.mask
    with pytest.raises(ValueError, match="mask must be an array of shape"):
        layer.feedforward(np.zeros((2, 5)), mask=np.ones((2, 5)))
    after = layer.A1, layer.Z, layer.A, layer.mask
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_more_weights_than_any_array_holds_are_refused():
    with pytest.raises(ValueError, match="make more weights than any array holds"):
        Layer(2**40, 2**40, "tanh")


@pytest.mark.parametrize("values", [np.full((3, 2), 1j), np.full((3, 2), "1")])
def test_assigned_arrays_of_no_real_numbers_are_refused(values):
    layer = Layer(2, 3, "tanh", random_state=0)
    before = layer.W.copy()
    with pytest.raises(ValueError, match="W must be an array of numbers, got"):
        layer.W = values
    np.testing.assert_array_equal(layer.W, before)
