"""Activations, losses and initializers of someone else: one record, and no more."""

import copy
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from backends.consuming import ConsumingOperations
from sklearn.base import clone
from strategies import assert_gradient, derivatives, make_targets

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Layer,
    Loss,
    Network,
    ScratchMLPClassifier,
    Stack,
    check_gradients,
)
from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.operations import Operations
from skscratch.nn.activations import resolve_activation
from skscratch.nn.initializers import INITIALIZERS, resolve_initializer
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import hidden_activations

every_backend = pytest.mark.parametrize(
    "make_operations",
    [Operations, ConsumingOperations, lambda: BufferedOperations(np.float64)],
    ids=["allocating", "consuming", "buffered"],
)


def check_derivatives(network, A1, Y, operations, scale=1.0, **options):
    """Compare the gradients of two steps with finite differences of the cost."""

    def cost():
        return scale * np.sum(network.cost(A1, Y, **options))

    for _ in range(2):
        network.gradients.fill(np.nan)
        found = network.cost_and_gradients(A1, Y, operations=operations, **options)
        np.testing.assert_allclose(found, network.cost(A1, Y, **options), rtol=1e-12)
        gradients = network.gradients.reshape(-1)
        numerical = derivatives(cost, network.parameters.reshape(-1))
        assert_gradient(gradients, numerical, cost())
        A1 *= 0.9  # In place: the second step is another batch in the same arrays.


# An activation


def squareplus(Z):
    """Return ``(Z + sqrt(Z² + 4)) / 2``: Barron (2021), arXiv 2112.11687."""
    return (Z + np.sqrt(Z * Z + 4)) / 2


def d_squareplus(Z, A):
    """Return the derivative, which reads ``Z``."""
    return (1 + Z / np.sqrt(Z * Z + 4)) / 2


def softsign(Z, out=None):
    return np.divide(Z, 1 + np.abs(Z), out=out)


def d_softsign(Z, A, out=None):
    return np.square(1 - np.abs(A), out=out)


def power(Z, exponent):
    return np.sign(Z) * np.abs(Z) ** exponent


USERS = {
    "without out": Activation(squareplus, d_squareplus),
    "with out": Activation(softsign, d_softsign, needs_Z=False, in_place=True),
    "out, not in place": Activation(softsign, d_softsign, needs_Z=False),
    "mixed": Activation(squareplus, d_squareplus, in_place=True),
    "ufunc": Activation(np.tanh, lambda Z, A: 1 - A * A, needs_Z=False),
}


@every_backend
@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("n_networks", [1, 2])
def test_an_activation_is_one_record(name, make_operations, n_networks):
    random = np.random.RandomState(0)
    members = [
        Network.glorot([3, 4, 5, 2], USERS[name], random_state=i)
        for i in range(n_networks)
    ]
    network = Stack(members) if n_networks > 1 else members[0]
    assert [layer.activation for layer in network.layers[:2]] == [USERS[name]] * 2
    A1, Y = random.standard_normal((3, 6)), make_targets("log_loss", 2, 6, random)
    masks = [2.0 * random.randint(2, size=(*network.parameters.shape[:-1], 4, 6))]
    check_derivatives(network, A1, Y, make_operations(), alpha=0.1, masks=masks)
    assert check_gradients(network, A1.T, Y.T).passed


def test_an_activation_in_the_registry_is_known_by_its_name(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "squareplus", USERS["without out"])
    network = Network.glorot([3, 4, 2], "squareplus", random_state=0)
    same = Network.glorot([3, 4, 2], USERS["without out"], random_state=0)
    A1 = np.random.RandomState(0).standard_normal((3, 6))
    np.testing.assert_array_equal(network.predict(A1), same.predict(A1))
    assert network.layers[0].activation == "squareplus"
    assert "squareplus" in repr(network)
    factor = replace(USERS["without out"], variance_factor=1.5)
    monkeypatch.setitem(ACTIVATIONS, "squareplus", factor)
    smaller = Network.glorot([3, 4, 2], "squareplus", random_state=0)
    np.testing.assert_allclose(smaller.layers[0].W, network.layers[0].W / 2)


@pytest.mark.parametrize(
    "record",
    [
        USERS["with out"],
        ACTIVATIONS["relu"],
        resolve_activation("leaky_relu(0.2)"),
        resolve_activation("elu(0.5)"),
    ],
)
def test_activations_are_values(record):
    assert hash(record) == hash(replace(record))
    assert record == replace(record)
    assert record != replace(record, variance_factor=0.1)
    Layer(2, 3, record).feedforward(np.ones((2, 1)))  # Leaves nothing on the record.
    BufferedOperations(np.float64).dense(
        -1, np.ones((3, 2)), np.ones((3, 1)), np.ones((2, 4)), record
    )
    loaded = pickle.loads(pickle.dumps(record))
    assert loaded == record
    assert hash(loaded) == hash(record)
    assert copy.deepcopy(record) is copy.copy(record) is record
    estimator = ScratchMLPClassifier(activation=record)
    assert clone(estimator).activation == record
    network = Network.glorot([2, 3, 1], record, random_state=0)
    twin = pickle.loads(pickle.dumps(network))
    assert twin.layers[0].activation == record


# An activation with a parameter

PARAMETERS = {
    "leaky_relu(0.2)": (
        lambda z: np.where(z > 0, z, 0.2 * z),
        lambda z: np.where(z > 0, 1, 0.2),
    ),
    "leaky_relu(0)": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "elu(0.5)": (
        lambda z: np.where(z > 0, z, 0.5 * np.expm1(z)),
        lambda z: np.where(z > 0, 1, 0.5 * np.exp(z)),
    ),
    "elu(2.5)": (
        lambda z: np.where(z > 0, z, 2.5 * np.expm1(z)),
        lambda z: np.where(z > 0, 1, 2.5 * np.exp(z)),
    ),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_parameter_follows_the_name(name, dtype):
    record, (function, derivative) = resolve_activation(name), PARAMETERS[name]
    Z = np.linspace(-4, 4, 160).astype(dtype).reshape(8, 20)  # Without 0.
    A = record.function(Z)
    slope = record.derivative(Z, A)
    rounding = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(A, function(Z), rtol=rounding, atol=rounding)
    np.testing.assert_allclose(slope, derivative(Z), rtol=rounding, atol=rounding)
    assert A.dtype == slope.dtype == dtype
    np.testing.assert_array_equal(record.derivative(Z, A, out=A), slope)
    assert record.kinks == (0.0,)


@pytest.mark.parametrize("name", [*PARAMETERS, "elu(1)", "leaky_relu(0.01)"])
def test_initial_weights_follow_the_parameter(name):
    record = resolve_activation(name)
    z = np.linspace(-12, 12, 2_000_001)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    moment = np.sum(record.function(z) ** 2 * density) * (z[1] - z[0])
    assert record.variance_factor == pytest.approx(6 / moment, rel=1e-6)


@every_backend
@pytest.mark.parametrize("name", ["leaky_relu(0.3)", "elu(0.5)"])
def test_parameters_are_trained_with(name, make_operations):
    random = np.random.RandomState(0)
    network = Network.glorot([3, 4, 2], name, random_state=0)
    assert network.layers[0].activation == name
    A1, Y = random.standard_normal((3, 6)), make_targets("log_loss", 2, 6, random)
    check_derivatives(network, A1, Y, make_operations())


def test_the_same_string_is_the_same_record(monkeypatch):
    record = resolve_activation("leaky_relu(0.2)")
    assert resolve_activation("leaky_relu(0.2)") is record
    assert resolve_activation("leaky_relu(0.20)") == record
    assert resolve_activation("leaky_relu(0.3)") != record
    # Unless the registry has another one of the name.
    other = replace(ACTIVATIONS["leaky_relu"], factory=lambda p: USERS["with out"])
    monkeypatch.setitem(ACTIVATIONS, "leaky_relu", other)
    assert resolve_activation("leaky_relu(0.2)") is USERS["with out"]


def power_of(exponent):
    if exponent <= 0:
        raise ValueError("its exponent must be positive")
    return Activation(
        lambda Z: power(Z, exponent),
        lambda Z, A: exponent * np.abs(Z) ** (exponent - 1),
    )


def test_a_users_activation_may_have_a_parameter(monkeypatch):
    record = replace(power_of(1.0), factory=power_of)
    monkeypatch.setitem(ACTIVATIONS, "power", record)
    A = Layer(2, 3, "power(2)", random_state=0)
    Z, A, _ = A.forward(np.ones((2, 4)))
    np.testing.assert_allclose(A, np.sign(Z) * Z * Z)
    with pytest.raises(ValueError, match="'power\\(-1\\)' is not known: its exponent"):
        resolve_activation("power(-1)")


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("leaky_relu(1)", r"activation 'leaky_relu\(1\)' is not known: its slope must"),
        ("leaky_relu(-0.1)", "its slope must be at least 0 and less than 1"),
        ("elu(0)", r"'elu\(0\)' is not known: its alpha must be positive"),
        ("elu(1e999)", "its alpha must be positive"),
        ("elu(nan)", r"a number in parentheses, such as 'elu\(0.5\)', got 'elu\(nan"),
        ("elu(inf)", "a number in parentheses"),
        ("elu(1_0)", "a number in parentheses"),
        ("elu()", r"a number in parentheses, .* got 'elu\(\)'"),
        ("elu(a)", "a number in parentheses"),
        ("elu(0.5", r"activation must be one of .*, got 'elu\(0.5'"),
        ("elu(0.5)x", "activation must be one of"),
        ("swelu(0.5)", r"activation must be one of .*, got 'swelu\(0.5\)'"),
        ("relu(0.5)", r"'relu' takes no parameter, those that do are \['elu', 'leaky"),
        (None, "activation must be one of .*, got None"),
        (
            np.tanh,
            "activation must be one of .* An Activation is accepted|accepted too",
        ),
        (["relu"], r"activation must be one of .*, got \['relu'\]"),
    ],
)
def test_a_bad_activation_is_refused_in_words(activation, message):
    with pytest.raises(ValueError, match=message):
        resolve_activation(activation)
    with pytest.raises(ValueError, match="activation"):
        Layer(2, 3, activation)


def test_hidden_activations_are_those_given():
    record = USERS["with out"]
    assert hidden_activations(record, 2) == [record, record]
    mixed = ("relu", record, "elu(0.5)")
    assert hidden_activations(mixed, 3) == list(mixed)
    with pytest.raises(ValueError, match=r"one for each hidden layer \(2\)"):
        hidden_activations([record], 2)
    with pytest.raises(ValueError, match="activation must be one of"):
        hidden_activations(["relu", 3], 2)
    network = Network.glorot([2, 3, 4, 1], ("relu", record), random_state=0)
    assert [layer.activation for layer in network.layers] == [
        "relu",
        record,
        "identity",
    ]


# A loss


@dataclass(frozen=True)
class LogCosh(Loss):
    """The smallest record: losses and their gradient."""

    def losses(self, Z, P, Y):
        return np.log(np.cosh(P - Y))

    def gradient(self, Z, P, Y):
        return np.tanh(P - Y)


@dataclass(frozen=True)
class Gamma(Loss):
    """Half the gamma deviance by its mean, ``exp(Z)``: the link is not canonical."""

    output = "exp"

    def losses(self, Z, P, Y):
        return Y / P - 1 - np.log(Y) + Z

    def predictions(self, Z):
        return np.exp(Z)

    def gradient(self, Z, P, Y):
        return 1 - Y / P

    def average_members(self, Z):
        return np.log(np.exp(Z).mean(axis=0))

    def check_targets(self, Y, name):
        if (Y <= 0).any():
            raise ValueError(f"{name} must be positive for the gamma loss.")


@dataclass(frozen=True)
class Huber(Loss):
    """Squared errors up to a threshold, a quantile of the targets, then absolute."""

    quantile: float = 0.9
    threshold: float = 1.0

    def losses(self, Z, P, Y):
        errors = np.abs(P - Y)
        near = np.minimum(errors, self.threshold)
        return near * (errors - near / 2)

    def gradient(self, Z, P, Y):
        return np.clip(P - Y, -self.threshold, self.threshold)

    def fitted(self, Y, weights=None):
        distances = np.abs(Y - np.median(Y, axis=-1, keepdims=True))
        return replace(self, threshold=float(np.quantile(distances, self.quantile)))


@dataclass(frozen=True)
class Pinball(Loss):
    """Several quantiles of each target, one raw output for each."""

    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)

    def n_raw_outputs(self, n_targets):
        return n_targets * len(self.quantiles)

    def _errors(self, P, Y):
        """Targets minus predictions, (..., quantiles, targets, samples)."""
        n_targets, n_samples = Y.shape[-2:]
        shape = (*P.shape[:-2], len(self.quantiles), n_targets, n_samples)
        return Y[..., np.newaxis, :, :] - P.reshape(shape)

    def losses(self, Z, P, Y):
        errors = self._errors(P, Y)
        q = np.reshape(self.quantiles, (-1, 1, 1))
        return np.maximum(q * errors, (q - 1) * errors).reshape(P.shape)

    def gradient(self, Z, P, Y):
        q = np.reshape(self.quantiles, (-1, 1, 1))
        return ((self._errors(P, Y) < 0) - q).reshape(P.shape)


@dataclass(frozen=True)
class GaussianLikelihood(Loss):
    """Mean and logarithm of the variance of each target; predictions are the means."""

    def n_raw_outputs(self, n_targets):
        return 2 * n_targets

    def losses(self, Z, P, Y):
        log_variance = Z[..., Y.shape[-2] :, :]
        return (log_variance + (P - Y) ** 2 * np.exp(-log_variance)) / 2

    def predictions(self, Z):
        return Z[..., : Z.shape[-2] // 2, :]

    def gradient(self, Z, P, Y):
        precision = np.exp(-Z[..., Y.shape[-2] :, :])
        errors = P - Y
        return np.concatenate(
            [errors * precision, (1 - errors**2 * precision) / 2], axis=-2
        )


# Each with targets that it is defined for, (targets, samples).
USERS_LOSSES = {
    "log-cosh": (LogCosh(), lambda random, n: random.standard_normal((2, n))),
    "gamma": (Gamma(), lambda random, n: random.uniform(0.5, 2, (2, n))),
    "huber": (Huber(threshold=0.4), lambda random, n: random.standard_normal((2, n))),
    "pinball": (Pinball(), lambda random, n: random.standard_normal((2, n))),
    "gaussian": (GaussianLikelihood(), lambda random, n: random.uniform(size=(2, n))),
}
every_users_loss = pytest.mark.parametrize("name", USERS_LOSSES)


@every_backend
@every_users_loss
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_networks", [1, 3])
def test_a_loss_is_one_record(name, weighted, n_networks, make_operations):
    loss, make_y = USERS_LOSSES[name]
    random = np.random.RandomState(0)
    sizes = [3, 4, loss.n_raw_outputs(2)]
    members = [
        Network.glorot(sizes, "tanh", loss, random_state=i) for i in range(n_networks)
    ]
    network = Stack(members) if n_networks > 1 else members[0]
    assert network.loss == loss
    A1, Y = random.standard_normal((3, 6)), make_y(random, 6)
    weights = random.uniform(0.5, 2, 6) if weighted else None
    check_derivatives(network, A1, Y, make_operations(), weights=weights, alpha=0.1)
    assert check_gradients(network, A1.T, Y.T).passed
    if n_networks > 1:
        Y = np.stack([Y, Y + 0.1, 2 * Y])
        A1 = random.standard_normal((3, 3, 6))
        weights = weights if weights is None else random.uniform(0.5, 2, (3, 1, 6))
        options = {"weights": weights, "total": 6.0}
        check_derivatives(network, A1, Y, make_operations(), **options)


@every_users_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_users_loss_is_replayed(name, dtype):
    loss, make_y = USERS_LOSSES[name]
    random = np.random.RandomState(0)
    sizes = [3, 4, loss.n_raw_outputs(2)]
    network = Network.glorot(sizes, "tanh", loss, random_state=0, dtype=dtype)
    A1 = random.standard_normal((3, 6)).astype(dtype)
    Y = make_y(random, 6).astype(dtype)
    operations, calls = BufferedOperations(dtype), []
    for _ in range(3):
        cost = network.cost_and_gradients(A1, Y, operations=operations)
        found = network.gradients.copy()
        expected = network.cost_and_gradients(A1, Y)
        assert cost == pytest.approx(expected, rel=1e-5)
        assert type(cost) is float
        np.testing.assert_allclose(found, network.gradients, rtol=1e-4, atol=1e-5)
        (recording,) = operations._recordings.values()
        calls.append(recording.calls)
        A1 *= 0.9
    assert all(one is calls[0] for one in calls)


def test_a_loss_in_the_registry_is_known_by_its_name(monkeypatch):
    with pytest.raises(ValueError, match=r"loss must be one of .*, got 'mine'"):
        Network.glorot([3, 2], loss="mine")
    monkeypatch.setitem(LOSSES, "mine", Gamma())
    network = Network.glorot([3, 2], loss="mine", random_state=0)
    assert (network.loss, network.output) == ("mine", "exp")
    assert resolve_loss("mine") is resolve_loss(LOSSES["mine"])
    A1 = np.random.RandomState(0).standard_normal((3, 6))
    np.testing.assert_allclose(network.predict(A1), np.exp(network.raw_outputs(A1)))
    assert "mine" in repr(network)


@every_users_loss
def test_losses_are_values(name):
    loss, make_y = USERS_LOSSES[name]
    network = Network.glorot([3, loss.n_raw_outputs(2)], loss=loss, random_state=0)
    A1, Y = np.ones((3, 6)), make_y(np.random.RandomState(0), 6)
    cost = network.cost(A1, Y)
    for twin in (
        copy.deepcopy(network),
        pickle.loads(pickle.dumps(network)),
        network.astype(np.float64),
    ):
        assert twin.loss == network.loss
        assert hash(twin.loss) == hash(network.loss)
        assert twin.cost(A1, Y) == cost
        Stack([network, twin])  # Of one architecture, for the losses are equal.


@every_users_loss
def test_a_stack_predicts_with_a_users_loss(name):
    loss, _ = USERS_LOSSES[name]
    sizes = [3, 4, loss.n_raw_outputs(2)]
    alone = [Network.glorot(sizes, "tanh", loss, random_state=i) for i in range(3)]
    A1 = np.random.RandomState(0).standard_normal((3, 6))
    mean = np.mean([network.predict(A1) for network in alone], axis=0)
    np.testing.assert_allclose(Stack(alone).predict(A1), mean, rtol=1e-12)


def test_a_loss_may_learn_from_the_targets():
    Y = np.random.RandomState(0).standard_normal((1, 1000))
    loss = Huber(quantile=0.5).fitted(Y)
    assert loss.threshold == pytest.approx(0.674, abs=0.05)
    assert LogCosh().fitted(Y) == LogCosh()
    assert all(
        built_in.fitted(Y) is built_in
        for name, built_in in LOSSES.items()
        if name != "huber"
    )


def test_quantiles_are_found():
    """Without inputs that tell anything, the outputs are quantiles of the targets."""
    Y = np.random.RandomState(0).uniform(size=(1, 5001))
    network = Network.glorot([1, 3], loss=Pinball(), random_state=0)
    operations, A1 = BufferedOperations(np.float64), np.zeros((1, 5001))
    for i in range(2000):
        network.cost_and_gradients(A1, Y, operations=operations)
        network.parameters -= network.gradients / (1 + i) ** 0.5
    np.testing.assert_allclose(
        network.predict(A1[:, :1])[:, 0], [0.1, 0.5, 0.9], atol=0.02
    )


def test_targets_that_make_another_number_of_outputs_are_refused():
    network = Network.glorot([3, 6], loss=Pinball(), random_state=0)
    for Y in (np.ones((3, 4)), np.ones((1, 4)), np.ones((6, 4)), np.ones((2, 3))):
        for function in (network.cost, network.cost_and_gradients):
            with pytest.raises(ValueError, match=r"Y must have shape \(n_targets, 4\)"):
                function(np.ones((3, 4)), Y, total=4)


def test_targets_are_checked_by_their_loss():
    with pytest.raises(ValueError, match="y must be positive for the gamma loss"):
        Gamma().check_targets(np.zeros(3), "y")
    with pytest.raises(
        ValueError, match="y_val must not be negative for loss='poisson', got -2"
    ):
        LOSSES["poisson"].check_targets(np.array([[1, -2]]), "y_val")
    for loss in LOSSES.values():
        loss.check_targets(np.ones((3, 2)), "y")


def test_losses_belong_to_estimators():
    assert {name: loss.task for name, loss in LOSSES.items()} == {
        "log_loss": "classification",
        "binary_log_loss": "classification",
        "squared_error": "regression",
        "absolute_error": "regression",
        "huber": "regression",
        "quantile": "regression",
        "poisson": "regression",
        "gamma": "regression",
    }
    assert LogCosh().task == "regression"
    assert LogCosh().output == "identity"
    assert LogCosh().gradient_scale(3) == 1


def test_a_loss_without_losses_can_not_be_made():
    @dataclass(frozen=True)
    class Nothing(Loss):
        pass

    with pytest.raises(TypeError, match="losses"):
        Nothing()


# An initializer


def orthogonal(random_state, fan_in, fan_out, activation):
    """Draw weights with orthogonal rows or columns; activation is a record."""
    assert isinstance(activation, Activation)
    Q, _ = np.linalg.qr(random_state.standard_normal((max(fan_in, fan_out),) * 2))
    return Q[:fan_in, :fan_out], np.full(fan_out, 0.5)


@pytest.mark.parametrize("by_name", [False, True])
def test_an_initializer_is_one_function(monkeypatch, by_name):
    init = orthogonal
    if by_name:
        with pytest.raises(ValueError, match=r"init must be one of \['glorot', 'he'\]"):
            Network.initialized([3, 2], init="orthogonal")
        monkeypatch.setitem(INITIALIZERS, "orthogonal", orthogonal)
        init = "orthogonal"
    network = Network.initialized([5, 4, 3], "elu(0.5)", init=init, random_state=0)
    for layer in network.layers:
        np.testing.assert_allclose(
            layer.W @ layer.W.T, np.eye(layer.neurons), atol=1e-12
        )
        assert (layer.b == 0.5).all()
    assert resolve_initializer(init) is orthogonal


def test_an_initializer_is_told_the_activation_of_its_layer():
    told = []

    def noting(random_state, fan_in, fan_out, activation):
        told.append(activation)
        return np.ones((fan_in, fan_out)), np.ones(fan_out)

    Network.initialized([2, 3, 4, 1], ("relu", "tanh"), init=noting)
    Network.initialized([2, 1], "tanh", init=noting)
    Network.initialized([2, 1], (), init=noting)
    # The output layer is drawn like the one before it.
    names = ["relu", "tanh", "tanh", "tanh", "identity"]
    assert told == [ACTIVATIONS[name] for name in names]
