"""A step that is played is the step as it is written, to the last bit."""

import contextlib
import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skscratch.backends.tapes import REHEARSALS, Tape, Traced, one_call
from strategies import activation_names, few, loss_names, make_targets, problems, seeds

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    Stack,
)
from skscratch.backends import tapes
from skscratch.backends.buffers import Buffers

# Steps after which one that can be played is.
KNOWN = REHEARSALS + 1


def is_played(network):
    """Whether the step of the last batch is on a tape."""
    return [seen.is_proved for seen in network._tapes._seen.values()] == [True]


def run_beside_plain(network, A1, Y, random, n_steps=KNOWN + 3, **options):
    """Train on batches in the same arrays, and compare with steps that have no tape."""
    plain = copy.deepcopy(network)
    network.reuse_buffers()
    plain.reuse_buffers()
    plain._tapes = None
    for _ in range(n_steps):
        A1[...] = random.standard_normal(A1.shape)
        Y[...] = Y[..., random.permutation(Y.shape[-1])]
        cost = network.cost_and_gradients(A1, Y, **options)
        np.testing.assert_array_equal(cost, plain.cost_and_gradients(A1, Y, **options))
        np.testing.assert_array_equal(network.gradients, plain.gradients)
        assert type(network.buffers) is Buffers
        for layer, other in zip(network.layers, plain.layers, strict=True):
            assert type(layer.buffers) is Buffers
            for name in ("A1", "Z", "A", "dW", "db"):
                array = getattr(layer, name)
                assert type(array) is np.ndarray
                np.testing.assert_array_equal(array, getattr(other, name))
        # Short steps, for some of the mathematics below is wild.
        step = network.gradients / (10 + 100 * np.abs(network.gradients).max())
        network.parameters -= step
        plain.parameters -= step


@few
@given(problems(), seeds)
def test_a_played_step_is_the_written_one(problem, seed):
    options = problem.options | {"total": problem.options["total"] or 3.0}
    random = np.random.RandomState(seed)
    # In the order of training's; in another one, that is not played but right.
    contiguous = np.ascontiguousarray(problem.Y)
    transposed = np.asfortranarray(problem.Y)
    other = copy.deepcopy(problem.network)
    run_beside_plain(problem.network, problem.A1, contiguous, random, **options)
    assert is_played(problem.network)
    run_beside_plain(other, problem.A1, transposed, random, **options)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_networks", [1, 3])
def test_every_activation_and_loss_can_be_played(activation, loss, dtype, n_networks):
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
    run_beside_plain(
        network,
        A1,
        np.array(Y, dtype, order="C"),
        random,
        alpha=0.1,
        weights=random.uniform(1, 2, (*batch[:-1], 1, 20) if batch[:-1] else 20),
        total=20.0,
        masks=[masks],
    )
    assert is_played(network)


def test_a_batch_in_other_arrays_is_no_repetition():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    network.reuse_buffers()
    for _ in range(KNOWN + 3):
        network.cost_and_gradients(np.ones((2, 4)), np.ones((1, 4)))
    assert not is_played(network)


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
    network.reuse_buffers()
    for name in order:
        A1, Y, total = batches[name]
        cost = network.cost_and_gradients(A1, Y, total=total)
        assert cost == pytest.approx(expected[name][0], rel=1e-12)
        np.testing.assert_allclose(network.gradients, expected[name][1], atol=1e-14)


def test_another_activation_is_another_step():
    network = Network.glorot([3, 4, 2], "tanh", "squared_error", random_state=0)
    network.reuse_buffers()
    A1, Y, random = np.empty((5, 3)).T, np.zeros((2, 5)), np.random.RandomState(0)
    A1[...] = random.standard_normal(A1.shape)
    for name in ("tanh", "relu", "tanh"):
        network.layers[0].activation = name
        plain = copy.deepcopy(network)
        plain.reuse_buffers()
        plain._tapes = None
        for _ in range(KNOWN + 2):
            cost = network.cost_and_gradients(A1, Y, total=5)
            assert cost == plain.cost_and_gradients(A1, Y, total=5)
            np.testing.assert_array_equal(network.gradients, plain.gradients)
        assert is_played(network)


def test_tapes_end_with_the_buffers():
    network = Network.glorot([2, 3, 1], loss="squared_error", random_state=0)
    assert network._tapes is None
    network.reuse_buffers()
    A1, Y = np.ones((2, 4)), np.ones((1, 4))
    for _ in range(KNOWN):
        network.cost_and_gradients(A1, Y, total=4)
    assert is_played(network)
    Stack([network])  # Takes its arrays over.
    assert network._tapes is None
    network.forget()
    network.reuse_buffers()
    assert not network._tapes._seen
    network.forget()
    assert network._tapes is None


# Mathematics that notes of NumPy's calls can't tell is run as it is written


def by_a_number(Z, out=None):
    """Choose by a number that another batch has otherwise."""
    return np.multiply(Z, 1 + float(Z[0, 0] > 0), out=out)


def by_a_truth(Z, out=None):
    """Choose by a truth value, of which there are two."""
    return np.multiply(Z, 2 if np.add.reduce(Z[0]) > 0 else 1, out=out)


def by_an_item(Z, out=None):
    """Take a number out, and compute with it."""
    return np.multiply(Z, Z.item(0), out=out)


def by_assignment(Z, out=None):
    """Put numbers in, where there are others the next time."""
    result = np.positive(Z, out=out)
    result[Z < 0] = 0
    return result


def by_a_copy(Z, out=None):
    """Compute with a copy."""
    return np.multiply(Z, Z.copy(), out=out)


def by_a_plain_array(Z, out=None):
    """Compute where nobody listens, and hand over the result."""
    return np.add(Z, np.sort(np.array(Z), axis=0), out=out)


def by_an_array_function(Z, out=None):
    """Call what is no ufunc."""
    return np.multiply(Z, np.clip(np.where(Z > 0, Z, -Z), 0, 2), out=out)


def by_two_results(Z, out=None):
    """Call a ufunc that has two results."""
    return np.add(*np.modf(Z), out=out)


def by_a_choice(Z, out=None):
    """Compute where a condition holds, which is an array like others."""
    result = np.negative(Z, out=out)
    return np.multiply(result, 2, out=result, where=np.greater(Z, 0))


def by_parts(Z, out=None):
    """Change a part in place."""
    result = np.positive(Z, out=out)
    np.add.at(result, (0, 0), 1.0)
    return result


def by_fresh_arrays(Z, out=None):
    """Compute with temporaries, which is no hindrance."""
    return np.multiply(abs(Z) + 1, Z - Z.min(axis=0), out=out)


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(
    ("function", "can_be_played"),
    [
        (by_a_number, False),
        (by_a_truth, False),
        (by_an_item, False),
        (by_assignment, False),
        (by_a_copy, False),
        (by_a_plain_array, False),
        (by_an_array_function, False),
        (by_two_results, False),
        (by_parts, False),
        (by_fresh_arrays, True),
        (by_a_choice, True),
    ],
)
def test_what_notes_can_not_tell_is_run(monkeypatch, function, can_be_played, output):
    tanh = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "odd", tanh._replace(function=function))
    random = np.random.RandomState(0)
    network = Network.glorot([3, 4, 2], "odd", "squared_error", random_state=0)
    if output:
        network.layers[-1].activation = "odd"
    A1, Y = np.empty((6, 3)).T, np.empty((2, 6))
    Y[...] = random.standard_normal(Y.shape)
    run_beside_plain(network, A1, Y, random, n_steps=20, total=6)
    assert is_played(network) == can_be_played


@pytest.mark.parametrize(
    ("function", "is_noticed"),
    [
        (by_a_number, True),
        (by_a_truth, True),
        (by_an_item, True),
        (by_assignment, True),
        (by_a_copy, True),
        (by_an_array_function, True),
        (by_two_results, True),
        (by_parts, True),
        # Only the proof, by another batch, sees what is done with plain arrays.
        (by_a_plain_array, False),
        (by_fresh_arrays, False),
        (by_a_choice, False),
    ],
)
def test_what_notes_can_not_tell_is_noticed(monkeypatch, function, is_noticed):
    tanh = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "odd", tanh._replace(function=function))
    network = Network.glorot([3, 4, 2], "odd", "squared_error", random_state=0)
    network.reuse_buffers()
    inputs = np.ones((6, 3)).T, np.zeros((2, 6)), None, 6
    network.cost_and_gradients(*inputs[:2])
    tape = Tape()
    tape.record(network, network._backprop_for_sum, inputs)
    assert tape.is_faithful != is_noticed


@pytest.mark.parametrize(
    "use",
    [
        lambda x: bool(x[0] > 0),
        lambda x: float(x[0]),
        lambda x: int(x[:1]),
        lambda x: complex(x[:1]),
        lambda x: [1, 2][np.greater(x[:1], 9)],
        list,
        lambda x: x.item(0),
        lambda x: x[0],
        lambda x: x.tolist(),
        lambda x: x.fill(2),
        lambda x: x.put([0], 2),
        lambda x: x.sort(),
        lambda x: x.partition(1),
        lambda x: x.__setitem__(0, 2),
        lambda x: x.copy(),
        lambda x: x.astype(np.float32),
        lambda x: x.flatten(),
        lambda x: x.argmax(),
        lambda x: x.take([0]),
        lambda x: x.dot(x),
        lambda x: x[[0, 1]],
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.modf(x),
        lambda x: np.add.at(x, [0], 1),
    ],
)
@pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")
def test_what_is_taken_out_or_put_in_spoils_a_tape(use):
    tape = Tape()
    with contextlib.suppress(TypeError):  # What NumPy takes for no index.
        use(tape.traced(np.arange(1.0, 4.0)))
    assert not tape.is_faithful


def test_what_mathematics_keeps_is_no_part_of_later_steps(monkeypatch):
    kept = []

    def keeping(Z, out=None):
        kept.append(Z)
        return np.tanh(Z, out=out)

    tanh = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "odd", tanh._replace(function=keeping))
    network = Network.glorot([3, 4, 2], "odd", "squared_error", random_state=0)
    network.reuse_buffers()
    A1, Y = np.ones((5, 3)).T, np.zeros((2, 5))
    for _ in range(KNOWN):
        network.cost_and_gradients(A1, Y, total=5)
    (seen,) = network._tapes._seen.values()
    n_calls = len(seen.tape.calls)
    assert any(isinstance(Z, Traced) for Z in kept)
    for Z in kept:
        Z += 1
        float(Z[0, 0])
    assert len(seen.tape.calls) == n_calls
    assert seen.tape.is_faithful


def test_one_call_is_noted_as_one():
    @one_call
    def doubled(values, factor, out):
        result = np.empty_like(values) if out is None else out
        for at in range(len(values)):
            result[at] = values[at] * factor
        return result

    assert doubled(np.ones(3), 2, out=None).tolist() == [2, 2, 2]
    tape, values, room = Tape(), np.ones(3), np.empty(3)
    traced = tape.traced(room)
    assert doubled(tape.traced(values), 2, out=traced) is traced
    fresh = doubled(tape.traced(values), 3, out=None)
    assert len(tape.calls) == 2
    values[...] = 5
    tape.play()
    assert room.tolist() == [10, 10, 10]
    assert np.asarray(fresh).tolist() == [15, 15, 15]


def test_a_tape_that_is_closed_notes_nothing():
    tape = Tape()
    traced = tape.traced(np.ones(3))
    tape.is_open = False
    assert type(traced + 1) is np.ndarray
    assert type(one_call(lambda x, out: np.add(x, 1, out=out))(traced, out=traced))
    assert not tape.calls


def test_numbers_are_noted_in_the_precision_of_the_result():
    tape = Tape()
    traced = tape.traced(np.ones(3, np.float32))
    result = traced * 0.1
    assert isinstance(result, Traced)
    assert result.dtype == np.float32
    assert tape.calls[0].args[1].dtype == np.float32
    np.testing.assert_array_equal(result, np.ones(3, np.float32) * 0.1)
    # Not that of the result, where this is of another kind.
    is_more = traced > 0.5
    traced[...] = 0.75
    tape.play()
    assert np.asarray(is_more).all()
    # Nor where operands have precisions of their own.
    assert type((traced * np.float64(0.1)).tape.calls[-1].args[1]) is np.float64
    clipped = traced.clip(np.full(3, 0.5), 0.6)
    assert tape.calls[-1].args[2] == 0.6
    np.testing.assert_array_equal(clipped, np.full(3, 0.6))
    mixed = np.add(traced, np.full(3, 0.1)) * 0.1
    traced[...] = 0.25
    tape.play()
    np.testing.assert_array_equal(mixed, (np.float32(0.25) + np.full(3, 0.1)) * 0.1)


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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit", sorted(FITS))
def test_a_fit_is_the_same_without_tapes(monkeypatch, fit):
    cls, parameters = FITS[fit]
    X, y = labelled()

    def fitted():
        common = {"hidden_layer_sizes": (6, 5), "max_iter": 25, "batch_size": 20}
        return cls(**common | parameters, random_state=0).fit(X, y)

    played, plays = Tape.play, []
    monkeypatch.setattr(Tape, "play", lambda self: plays.append(1) or played(self))
    with_tapes = fitted()
    assert len(plays) > 5
    monkeypatch.setattr(tapes, "REHEARSALS", np.inf)
    plays.clear()
    without = fitted()
    assert not plays
    assert with_tapes.loss_curve_ == without.loss_curve_
    np.testing.assert_array_equal(
        with_tapes.network_.parameters, without.network_.parameters
    )
