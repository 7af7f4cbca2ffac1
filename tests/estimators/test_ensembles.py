"""Ensembles: several networks trained as one are what each would be alone."""

import copy
import pickle
import tracemalloc
import warnings

import joblib
import numpy as np
import pytest
from estimator_strategies import make_data, quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from runs import Recorder, make_run
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from strategies import make_targets

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    Stack,
    check_gradients,
)
from skscratch.backends.operations import Operations
from skscratch.estimators.fitting import mean_history
from skscratch.training.batches import Batches
from skscratch.training.history import Epoch, TrainingState
from skscratch.training.joint import can_join_optimizers, mean_epoch
from skscratch.training.loop import run_epochs
from skscratch.training.schedules import Constant

SIZES = [4, 6, 5, 3]
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 6, "n_estimators": 3}
EVERY_CLASS = [ScratchMLPClassifier, ScratchMLPRegressor]
both = pytest.mark.parametrize("cls", EVERY_CLASS)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def networks(n=3, loss="log_loss", activation="tanh", dtype=np.float64):
    return [
        Network.glorot(SIZES, activation, loss, random_state=i, dtype=dtype)
        for i in range(n)
    ]


def data(cls, n_samples=50, **options):
    kind = "many classes" if cls is ScratchMLPClassifier else "number"
    return make_data(kind, n_samples, **options)


def predictions(estimator, X):
    name = "predict_proba" if hasattr(estimator, "classes_") else "predict"
    return getattr(estimator, name)(X)


# The stack


@pytest.mark.parametrize("loss", LOSSES)
@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    alpha=st.sampled_from([0.0, 0.3]),
    is_weighted=st.booleans(),
    is_shared=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_a_stack_computes_what_its_networks_do(
    loss, activation, alpha, is_weighted, is_shared, seed
):
    random = np.random.RandomState(seed)
    alone = networks(3, loss, activation)
    stack = Stack(copy.deepcopy(alone))
    A1 = random.standard_normal((3, 4, 7))
    Y = np.stack([make_targets(loss, 3, 7, random) for _ in range(3)])
    weights = random.uniform(0.1, 2, (3, 1, 7)) if is_weighted else None
    if is_shared:
        A1, Y = A1[0], Y[0]
        weights = weights[0, 0] if is_weighted else None
    total = None
    if is_weighted:
        total = weights.sum(axis=-1, keepdims=True)
        total = float(total[0]) if is_shared else total
    options = {"alpha": alpha, "weights": weights, "total": total}
    costs = stack.cost_and_gradients(A1, Y, **options)
    assert_allclose(stack.cost(A1, Y, **options), costs, rtol=1e-12)
    for i, network in enumerate(alone):
        of_i = (A1, Y) if is_shared else (A1[i], Y[i])
        w = weights if is_shared or not is_weighted else weights[i, 0]
        cost = network.cost_and_gradients(*of_i, alpha=alpha, weights=w)
        assert_allclose(costs[i], cost, rtol=1e-12)
        assert_allclose(stack.gradients[i], network.gradients, rtol=1e-10, atol=1e-14)
        assert_allclose(stack.raw_outputs(A1)[i], network.raw_outputs(of_i[0]))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_a_stack_predicts_the_mean_of_its_networks(loss, make):
    alone = networks(4, loss)
    A1 = np.random.RandomState(0).standard_normal((4, 9))
    mean = np.mean([network.predict(A1) for network in alone], axis=0)
    assert_allclose(Stack(alone).predict(make(A1)), mean, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_stack_of_confident_networks_predicts_finite_numbers(loss):
    alone = networks(3, loss)
    for i, network in enumerate(alone):
        network.parameters *= 30 * (i + 1)
    A1 = np.random.RandomState(0).standard_normal((4, 9))
    stack = Stack(alone)
    combined = LOSSES[loss].average_members(stack.raw_outputs(A1))
    assert np.isfinite(combined).all()
    mean = np.mean([network.predict(A1) for network in alone], axis=0)
    assert_allclose(stack.predict(A1), mean, rtol=1e-9, atol=1e-300)


def test_members_are_views_of_a_stack():
    alone = networks()
    stack = Stack(alone)
    assert stack.parameters.shape == (3, alone[0].parameters.size)
    stack.parameters[1] = 7.0
    for network in (alone[1], stack.networks[1]):
        assert (network.parameters == 7).all()
        assert (network.layers[-1].b == 7).all()
        assert np.shares_memory(network.gradients, stack.gradients)
    assert not (alone[0].parameters == 7).any()


def test_a_stack_is_copied_whole():
    stack = Stack(networks())
    for new in (
        copy.deepcopy(stack),
        copy.copy(stack),
        pickle.loads(pickle.dumps(stack)),
        stack.astype(np.float64),
    ):
        assert_array_equal(new.parameters, stack.parameters)
        assert not np.shares_memory(new.parameters, stack.parameters)
        assert type(new) is Stack
    assert stack.astype(np.float32).dtype == np.float32
    assert repr(stack).startswith("3 networks of Network 4 → 6 → 5 → 3")
    assert stack.is_finite()
    stack.parameters[2, 3] = np.nan
    assert not stack.is_finite()


@pytest.mark.parametrize(
    "given_networks",
    [
        [],
        [Network.glorot([2, 3]), Network.glorot([2, 4])],
        [Network.glorot([2, 3, 1]), Network.glorot([2, 3, 1], "tanh")],
        [Network.glorot([2, 3]), Network.glorot([2, 3], loss="poisson")],
        [Network.glorot([2, 3]), Network.glorot([2, 3], dtype=np.float32)],
        [Network.glorot([2, 3])] * 2,
        [1, 2],
    ],
)
def test_networks_of_a_stack_must_be_alike(given_networks):
    with pytest.raises(ValueError, match="networks must be one or more Network"):
        Stack(given_networks)


def test_a_stack_is_made_of_networks():
    with pytest.raises(TypeError, match="a Stack is made of networks"):
        Stack.glorot([2, 3])
    assert Stack([Network.glorot([2, 3])]).predict([[1.0], [2.0]]).shape == (3, 1)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradients_of_a_stack_are_those_of_its_costs(loss, activation):
    random = np.random.RandomState(0)
    X = random.standard_normal((5, 4))
    Y = make_targets(loss, 3, 5, random).T
    stack = Stack(networks(2, loss, activation))
    before = stack.parameters.copy()
    options = {"alpha": 0.5, "sample_weight": random.uniform(0.1, 1, 5)}
    for made in (X, sparse.csr_array(X)):
        report = check_gradients(stack, made, Y, **options)
        assert report.passed, report
    assert_array_equal(stack.parameters, before)


def test_a_wrong_gradient_of_one_network_is_found(monkeypatch):
    right = Operations.penalty

    def wrong(self, weights, weight_gradients, strength):
        penalty = right(self, weights, weight_gradients, strength)
        if weight_gradients is not None:
            weight_gradients[1, 2] *= 1.001
        return penalty

    monkeypatch.setattr(Operations, "penalty", wrong)
    X = np.random.RandomState(0).standard_normal((5, 4))
    report = check_gradients(Stack(networks(2)), X, [0, 1, 2, 0, 1], alpha=0.5)
    assert not report.passed
    assert "W[1, " in report.where or "direction" in report.where


# Optimizers


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_joined_optimizers_go_on_as_each_would(name):
    random = np.random.RandomState(0)
    alone = [OPTIMIZERS[name](20, np.float64) for _ in range(3)]
    for one in alone:
        one.n_weights = 15
    parameters = random.standard_normal((3, 20))
    expected = parameters.copy()

    def step(rate, joined):
        gradients = random.standard_normal((3, 20))
        joined.update(parameters, gradients, rate)
        for one, p, g in zip(alone, expected, gradients, strict=True):
            one.update(p, g, rate)
        assert_allclose(parameters, expected, rtol=1e-10)

    joined = alone[0].joined(copy.deepcopy(alone))
    for _ in range(3):
        step(0.1, joined)
    parts = joined.parts(3)
    assert can_join_optimizers(parts)
    again = alone[0].joined(parts)
    for _ in range(120):  # Adam's weights are scaled back on the way.
        step(0.01, again)
    assert not can_join_optimizers([*again.parts(3)[:2], parts[2]]) or name == "sgd"
    gradients = random.standard_normal((3, 20))
    for i, part in enumerate(again.parts(3)):
        part.update(parameters[i], gradients[i], 0.01)
        alone[i].update(expected[i], gradients[i], 0.01)
    assert_allclose(parameters, expected, rtol=1e-10)


# What is one by one, and what is together

OPTIONS = {
    "plain": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5},
    "adamw, cosine": {"solver": "adamw", "learning_rate": "cosine"},
    "four waves": {"learning_rate": "coslog4", "learning_rate_init": 0.02},
    "lbfgs": {"solver": "lbfgs"},
    "small batches": {"batch_size": 7},
    "in order": {"shuffle": False, "batch_size": 7},
    "dropout": {"dropout": (0.4, 0.0)},
    "averaged": {"averaging": 0.8},
    "clipped": {"max_grad_norm": 0.1},
    "float32": {"dtype": "float32"},
    "strong penalty": {"alpha": 10.0, "batch_size": 7},
    "linear": {"hidden_layer_sizes": ()},
    "several activations": {"activation": ("gelu", "tanh")},
    "early stopping": {
        "early_stopping": True,
        "n_iter_no_change": 1,
        "learning_rate_init": 0.1,
        "max_iter": 40,
    },
    "early stopping, all": {
        "early_stopping": True,
        "scoring": "loss",
        "dropout": 0.2,
        "averaging": 0.5,
        "max_grad_norm": 1.0,
        "solver": "adamw",
        "n_iter_no_change": 2,
        "learning_rate_init": 0.1,
        "max_iter": 40,
    },
    "scorer": {"early_stopping": True, "scoring": "neg_mean_squared_error"},
}
every_option = pytest.mark.parametrize("option", OPTIONS)
# Products of several networks may be rounded otherwise.
CLOSE = {"rtol": 1e-8, "atol": 1e-10}


def assert_members_are_as_alone(estimator, fit_alone, close=CLOSE):
    seeds = {member.random_state for member in estimator.estimators_}
    assert len(seeds) == estimator.n_estimators == len(estimator.estimators_)
    for member in estimator.estimators_:
        assert member.n_estimators == 1
        alone = fit_alone(clone(member))
        assert_allclose(member.network_.parameters, alone.network_.parameters, **close)
        assert_allclose(member.loss_curve_, alone.loss_curve_, **close)
        assert member.n_iter_ == alone.n_iter_
        assert member.best_epoch_ == alone.best_epoch_
        assert member.t_ == alone.t_
        assert member.learning_rate_curve_ == alone.learning_rate_curve_
        if alone.validation_scores_ is not None:
            assert_allclose(
                member.validation_scores_, alone.validation_scores_, **close
            )
        assert np.shares_memory(
            member.network_.parameters, estimator.network_.parameters
        )


@both
@every_option
@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_member_is_what_it_is_alone(cls, option, is_weighted):
    X, y = data(cls)
    weights = None
    if is_weighted:
        weights = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)
    parameters = SMALL | OPTIONS[option]
    estimator = cls(**parameters, random_state=3)
    quietly(estimator.fit, X, y, weights)
    close = {"rtol": 1e-3, "atol": 1e-4} if option == "float32" else CLOSE
    assert_members_are_as_alone(
        estimator, lambda alone: quietly(alone.fit, X, y, weights), close
    )
    # They do differ, and the ensemble predicts their mean.
    members = [predictions(member, X) for member in estimator.estimators_]
    assert not np.allclose(members[0], members[1])
    mean = np.mean(members, axis=0)
    assert_allclose(predictions(estimator, X), mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("two classes", {}),
        ("two classes", {"early_stopping": True, "class_weight": "balanced"}),
        ("multilabel", {"label_smoothing": 0.2}),
        ("many classes", {"class_weight": {0: 3.0}}),
        ("number", {}),
        ("numbers", {"early_stopping": True}),
        ("count", {"loss": "poisson"}),
        ("counts", {"loss": "poisson"}),
    ],
)
@pytest.mark.parametrize("form", ["dense", "by columns", "csr", "csc"])
def test_targets_and_formats_of_every_kind(kind, options, form):
    classifies = kind in ("two classes", "many classes", "multilabel")
    cls = ScratchMLPClassifier if classifies else ScratchMLPRegressor
    X, y = make_data(kind, 40, form)
    estimator = cls(**SMALL, **options, random_state=0)
    quietly(estimator.fit, X, y)
    assert_members_are_as_alone(estimator, lambda alone: quietly(alone.fit, X, y))
    members = [predictions(member, X) for member in estimator.estimators_]
    assert_allclose(predictions(estimator, X), np.mean(members, axis=0), rtol=1e-9)
    if classifies:
        proba = estimator.predict_proba(X)
        assert_allclose(np.exp(estimator.predict_log_proba(X)), proba, rtol=1e-9)
        decision = estimator.decision_function(X)
        if kind == "two classes":
            assert_allclose(1 / (1 + np.exp(-decision)), proba[:, 1], rtol=1e-9)
        if kind != "multilabel":
            most = estimator.classes_[proba.argmax(axis=1)]
            assert_array_equal(estimator.predict(X), most)
    assert 0 <= estimator.score(X, y) <= 1 or not classifies


@both
def test_validation_data_of_the_users_own_are_every_members(cls):
    X, y = data(cls)
    options = SMALL | {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 30}
    held_out = {"X_val": X[40:], "y_val": y[40:]}
    estimator = cls(**options, learning_rate_init=0.05, random_state=0)
    quietly(estimator.fit, X[:40], y[:40], **held_out)
    assert_members_are_as_alone(
        estimator, lambda alone: quietly(alone.fit, X[:40], y[:40], **held_out)
    )


@both
@pytest.mark.parametrize("option", ["plain", "sgd", "dropout", "averaged", "adaptive"])
@pytest.mark.parametrize("pickled", [False, True])
def test_partial_fit_goes_on_as_each_would(cls, option, pickled):
    X, y = data(cls)
    known = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}

    def stream(estimator):
        estimator.partial_fit(X[:30], y[:30], **known)
        for rows in (slice(20, 50), slice(0, 30), slice(30, 50)):
            if pickled:
                estimator = pickle.loads(pickle.dumps(estimator))
            estimator.partial_fit(X[rows], y[rows])
        return estimator

    estimator = stream(cls(**SMALL | OPTIONS[option], random_state=1))
    assert_members_are_as_alone(estimator, stream)
    assert len(estimator.loss_curve_) == 4


@both
@pytest.mark.parametrize("option", ["plain", "lbfgs", "early stopping", "averaged"])
def test_warm_start_goes_on_as_each_would(cls, option):
    X, y = data(cls)

    def twice(estimator):
        estimator.set_params(warm_start=True, alpha=1e-4)
        rate = OPTIONS[option].get("learning_rate_init", 1e-3)
        estimator.set_params(learning_rate_init=rate)
        quietly(estimator.fit, X, y)
        estimator.set_params(alpha=1.0, learning_rate_init=0.01)
        return quietly(estimator.fit, X, y)

    estimator = twice(cls(**SMALL | OPTIONS[option], random_state=1))
    assert_members_are_as_alone(estimator, twice)


def test_a_member_may_go_on_by_itself_and_the_ensemble_after_it():
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(**SMALL, random_state=0)
    estimator.partial_fit(X, y, classes=np.unique(y))
    estimator.estimators_[1].partial_fit(X, y)
    # Their optimizers are not at the same step any more: one after the other.
    estimator.partial_fit(X, y)
    member, other = estimator.estimators_[1], estimator.estimators_[0]
    for one, n_epochs in ((member, 3), (other, 2)):
        alone = clone(one)
        for _ in range(n_epochs):
            alone.partial_fit(X, y, classes=np.unique(y))
        assert_allclose(one.network_.parameters, alone.network_.parameters, **CLOSE)


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_repeats_are_bit_identical(cls, n_estimators):
    X, y = data(cls)
    options = SMALL | {"n_estimators": n_estimators, "early_stopping": True}
    first, second = (
        quietly(cls(**options, random_state=5).fit, X, y) for _ in range(2)
    )
    assert_array_equal(first.network_.parameters, second.network_.parameters)
    assert_array_equal(predictions(first, X), predictions(second, X))


# Sharing batches


def runs_of(networks, *, seeds, **options):
    random = np.random.RandomState(0)
    X = random.standard_normal((23, 4))
    Y = random.randint(3, size=23)[:, np.newaxis] == np.arange(3)
    runs = []
    for network, seed in zip(networks, seeds, strict=True):
        stream = np.random.RandomState(seed)
        batches = Batches(X, Y, 5, random_state=stream)
        optimizer = OPTIMIZERS["adam"](network.parameters.size, np.float64)
        state = TrainingState(optimizer, Constant(0.01))
        run = make_run(network, batches, state, random_state=stream, **options)
        runs.append(run)
    return runs


TRAINING = {"max_epochs": 3, "alpha": 0.1, "tol": 0.0, "patience": np.inf}


@pytest.mark.parametrize("shared", [False, True])
def test_shared_batches_are_those_of_the_first(shared):
    equal = [networks(1)[0] for _ in range(2)]
    runs = runs_of(equal, seeds=[1, 2], share_batches=shared, **TRAINING)
    run_epochs(runs, Recorder())
    assert [run.n_epochs for run in runs] == [3, 3]
    are_equal = np.allclose(equal[0].parameters, equal[1].parameters, rtol=1e-9)
    assert are_equal == shared


def test_sharing_estimators_have_split_and_order_in_common():
    X, y = data(ScratchMLPClassifier)
    seen = []

    def scorer(estimator, X, y):
        seen.append(np.asarray(X.sum(axis=1)).tobytes())
        return estimator.score(X, y)

    def fit(**options):
        seen.clear()
        estimator = ScratchMLPClassifier(
            **SMALL, early_stopping=True, scoring=scorer, random_state=0, **options
        )
        quietly(estimator.fit, X, y)
        return estimator

    fit()
    assert len(set(seen)) == 3
    sharing = fit(share_batches=True)
    assert len(set(seen)) == 1
    members = [member.network_.parameters for member in sharing.estimators_]
    assert not np.allclose(members[0], members[1])
    # In turn, where they can't be stacked, they see the same as together.
    in_turn = quietly(clone(sharing).fit, sparse.csr_array(X), y)
    assert_allclose(in_turn.network_.parameters, sharing.network_.parameters, **CLOSE)


# History


def test_curves_are_means_over_the_members_still_trained():
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(
        **SMALL | OPTIONS["early stopping"], random_state=3
    )
    quietly(estimator.fit, X, y)
    members = estimator.estimators_
    lengths = [member.n_iter_ for member in members]
    assert len(set(lengths)) > 1
    assert estimator.n_iter_ == max(lengths) == len(estimator.loss_curve_)
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_"):
        for number, value in enumerate(getattr(estimator, name)):
            curves = [getattr(member, name) for member in members]
            still = [curve[number] for curve in curves if len(curve) > number]
            assert value == pytest.approx(np.mean(still))
    bests = [member.best_validation_score_ for member in members]
    assert estimator.best_validation_score_ == pytest.approx(np.mean(bests))
    assert estimator.best_epoch_ is None
    assert estimator.best_loss_ is None


def test_history_and_summary_of_single_ones_are_theirs():
    described = {"n_iter_": 3, "loss_curve_": [3.0, 2.0], "t_": 7, "best_loss_": None}
    for best in (2, None):
        described["best_epoch_"] = best
        assert mean_history([described]) == described
        other = described | {"best_epoch_": 1}
        assert mean_history([described] * 2)["best_epoch_"] == best
        assert mean_history([described, other])["best_epoch_"] is None
    for outcome in ("improving", "stopped", "diverged"):
        for rest in ((0.5, 0.25), (None, None)):
            epoch = Epoch(2, 1.5, *rest, outcome)
            assert mean_epoch([epoch]) == epoch
    going, over = (
        Epoch(2, 1.0, None, None, "slowed"),
        Epoch(2, 2.0, None, None, "stopped"),
    )
    assert mean_epoch([going, over]) == Epoch(2, 1.5, None, None, "improving")
    assert mean_epoch([over, over]).outcome == "stopped"
    gone = Epoch(2, np.nan, None, None, "diverged")
    assert mean_epoch([going, gone]).outcome == "diverged"


def test_together_is_as_train_epoch_by_epoch():
    alone, together = networks(2), networks(2)
    runs = runs_of(together, seeds=[1, 2], **TRAINING)
    run_epochs(runs, Recorder())
    for run, single in zip(runs, runs_of(alone, seeds=[1, 2], **TRAINING), strict=True):
        run_epochs([single], Recorder())
        assert len(run.state.loss_curve) == 3
        assert run.state.loss_curve == pytest.approx(single.state.loss_curve, rel=1e-12)
    for one, other in zip(alone, together, strict=True):
        assert_allclose(one.parameters, other.parameters, rtol=1e-10)


@pytest.mark.usefixtures("numpy_trains")
@both
def test_what_is_printed_is_of_the_ensemble(cls, capsys):
    X, y = data(cls)
    estimator = quietly(cls(**SMALL, verbose=True, random_state=0).fit, X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[-1] == f"Iteration 6, loss = {estimator.loss_:.8f}"


# Faults


@both
@pytest.mark.parametrize("option", ["plain", "averaged", "early stopping"])
def test_where_one_diverges_all_keep_the_last_whole_epoch(cls, option, fail_at):
    X, y = data(cls)
    options = SMALL | OPTIONS[option] | {"max_iter": 6, "n_iter_no_change": 9}
    shorter = quietly(cls(**options | {"max_iter": 3}, random_state=0).fit, X, y)
    fail_at(4, np.nan, where=1)
    with pytest.warns(ConvergenceWarning, match="diverged after 3 epochs"):
        diverged = cls(**options, random_state=0).fit(X, y)
    second = diverged.estimators_[1]
    assert_array_equal(
        second.network_.parameters, shorter.estimators_[1].network_.parameters
    )
    assert np.isfinite(diverged.network_.parameters).all()
    assert diverged.n_iter_ == 4


@both
@pytest.mark.parametrize("fitted", [False, True])
def test_an_ensemble_that_diverges_at_once_is_refused(cls, fitted, fail_at):
    X, y = data(cls)
    estimator = cls(**SMALL, warm_start=True, random_state=0)
    if fitted:
        quietly(estimator.fit, X, y)
        before = predictions(estimator, X)
    state = dict(vars(estimator))
    fail_at(1, np.nan, where=1)
    with pytest.raises(ValueError, match="Solver produced non-finite"):
        estimator.fit(X, y)
    assert vars(estimator) == state
    if fitted:
        assert_array_equal(predictions(estimator, X), before)


@both
@pytest.mark.parametrize("option", ["plain", "averaged", "early stopping", "dropout"])
@pytest.mark.parametrize("n_whole", [0, 2])
def test_an_interrupt_keeps_the_last_whole_epoch_of_each(cls, option, n_whole, fail_at):
    X, y = data(cls)
    options = SMALL | OPTIONS[option] | {"n_iter_no_change": 9, "random_state": 0}
    no_step = {"max_iter": 1, "learning_rate_init": 1e-300, "averaging": None}
    changes = {"max_iter": n_whole} if n_whole else no_step
    shorter = quietly(cls(**options | changes).fit, X, y)
    fail_at(n_whole + 1, KeyboardInterrupt())
    with pytest.warns(UserWarning, match=f"finished {n_whole} epochs"):
        interrupted = cls(**options, warm_start=True).fit(X, y)
    assert_array_equal(interrupted.network_.parameters, shorter.network_.parameters)
    assert [m.n_iter_ for m in interrupted.estimators_] == [n_whole] * 3
    predictions(interrupted, X)
    quietly(interrupted.fit, X, y)
    assert len(interrupted.loss_curve_) > n_whole


def test_an_interrupt_of_members_in_turn_keeps_those_before(fail_at):
    X, y = data(ScratchMLPClassifier)
    options = {"solver": "sgd", "learning_rate": "adaptive", "random_state": 0}
    whole = quietly(ScratchMLPClassifier(**SMALL, **options).fit, X, y)
    fail_at(6 + 3, KeyboardInterrupt())  # In the third epoch of the second.
    with pytest.warns(UserWarning, match="interrupted by user.*finished 2 epochs"):
        cut = ScratchMLPClassifier(**SMALL, **options).fit(X, y)
    assert [member.n_iter_ for member in cut.estimators_] == [6, 2]
    assert_array_equal(
        cut.estimators_[0].network_.parameters,
        whole.estimators_[0].network_.parameters,
    )
    members = [member.predict_proba(X) for member in cut.estimators_]
    assert_allclose(cut.predict_proba(X), np.mean(members, axis=0))


def test_members_that_need_no_iteration_are_members(monkeypatch):
    """L-BFGS may find no way down from where it begins."""
    X, y = data(ScratchMLPClassifier)
    options = {"solver": "lbfgs", "hidden_layer_sizes": (), "random_state": 0}
    estimator = ScratchMLPClassifier(**SMALL | options, tol=1e6)
    quietly(estimator.fit, X, y)
    assert [member.n_iter_ for member in estimator.estimators_] == [0, 0, 0]
    assert predictions(estimator, X).shape[0] == len(X)


@both
def test_a_network_of_another_number_is_not_gone_on_with(cls):
    X, y = data(cls)
    estimator = quietly(cls(**SMALL, warm_start=True, random_state=0).fit, X, y)
    before = predictions(estimator, X)
    for other in (1, 2, 4):
        estimator.set_params(n_estimators=other)
        for call in (estimator.fit, estimator.partial_fit):
            with pytest.raises(ValueError, match=f"n_estimators={other} does not fit"):
                call(X, y)
        assert_array_equal(predictions(estimator, X), before)
    estimator.set_params(n_estimators=2, warm_start=False)
    assert len(quietly(estimator.fit, X, y).estimators_) == 2
    single = quietly(estimator.set_params(n_estimators=1).fit, X, y)
    assert not hasattr(single, "estimators_")
    single.set_params(n_estimators=2, warm_start=True)
    with pytest.raises(ValueError, match="does not fit the 1 networks"):
        single.fit(X, y)


@both
def test_a_refused_call_changes_no_member(cls):
    X, y = data(cls)
    estimator = quietly(cls(**SMALL, random_state=0).fit, X, y)
    before, members = predictions(estimator, X), estimator.estimators_
    state = [dict(vars(member)) for member in members]
    nothing = np.full_like(X, np.nan)
    for bad in ((X, y[:5]), (nothing, y), (X[:20], y)):
        for call in (estimator.fit, estimator.partial_fit):
            with pytest.raises(ValueError, match=r"inconsistent|NaN|should be a 1d"):
                call(*bad)
    assert estimator.estimators_ is members
    assert [vars(member) for member in members] == state
    assert_array_equal(predictions(estimator, X), before)


class Listener:
    """A callback that keeps what it hears."""

    def __init__(self, fail_at=None):
        self.heard, self.fitted, self.fail_at = [], [], fail_at

    def setup(self, estimator, context):
        """Begin."""

    def teardown(self, estimator, context):
        """End."""

    def on_fit_task_begin(self, estimator, context):
        """Hear of the begin of a task."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Hear of the end of a task."""
        if context.parent is None:
            return
        self.heard.append(context.task_name)
        self.fitted.append(fitted_estimator)
        if len(self.heard) == self.fail_at:
            raise RuntimeError("no more")


@both
@pytest.mark.parametrize(
    ("option", "tasks"),
    [("plain", ["epoch"] * 6), ("averaged", ["epoch"] * 6), ("lbfgs", ["member"] * 3)],
)
def test_callbacks_hear_of_the_ensemble(cls, option, tasks):
    X, y = data(cls)
    listener = Listener()
    options = SMALL | OPTIONS[option] | {"random_state": 0}
    estimator = cls(**options).set_callbacks(listener)
    quietly(estimator.fit, X, y)
    assert listener.heard == tasks
    assert_array_equal(predictions(listener.fitted[-1], X), predictions(estimator, X))
    if option != "lbfgs":
        shorter = quietly(cls(**options | {"max_iter": 2}).fit, X, y)
        assert_allclose(
            predictions(listener.fitted[1], X), predictions(shorter, X), **CLOSE
        )
        assert listener.fitted[1].n_iter_ == 2
    for member in estimator.estimators_:
        assert not hasattr(member, "_skl_callbacks")


@both
@pytest.mark.parametrize("option", ["plain", "lbfgs"])
def test_an_error_of_a_callback_keeps_what_was_trained(cls, option):
    X, y = data(cls)
    options = SMALL | OPTIONS[option] | {"random_state": 0}
    estimator = cls(**options).set_callbacks(Listener(fail_at=2))
    with pytest.raises(RuntimeError, match="no more"):
        quietly(estimator.fit, X, y)
    if option == "plain":
        shorter = quietly(cls(**options | {"max_iter": 2}).fit, X, y)
        assert_allclose(predictions(estimator, X), predictions(shorter, X), **CLOSE)
    else:
        assert len(estimator.estimators_) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_stops_the_scoring_leaves_members_that_know_their_epochs(error):
    X, y = data(ScratchMLPClassifier)
    calls = []

    def scorer(estimator, X, y):
        calls.append(None)
        if len(calls) == 8:  # Of the second member in the third epoch.
            raise error
        return estimator.score(X, y)

    options = SMALL | {"early_stopping": True, "restore_best": False, "random_state": 0}
    estimator = ScratchMLPClassifier(**options, scoring=scorer)
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted by user.*finished 2 epochs"):
            estimator.fit(X, y)
    else:
        with pytest.raises(RuntimeError):
            estimator.fit(X, y)
    assert [member.n_iter_ for member in estimator.estimators_] == [3, 2, 2]
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    for member in estimator.estimators_:
        alone = clone(member).set_params(max_iter=member.n_iter_, scoring=None)
        quietly(alone.fit, X, y)
        assert_allclose(member.network_.parameters, alone.network_.parameters, **CLOSE)


# One epoch for all


class Watching:
    """Scorer that keeps what each member predicts of its samples, epoch by epoch.

    The first feature must tell samples apart.
    """

    def __init__(self):
        self.seen = {}

    def __call__(self, estimator, X, y, sample_weight=None):
        predicted = predictions(estimator, X)
        if predicted.ndim == 1:
            predicted = predicted[:, np.newaxis]
        # Kept as well, so that no other has its id.
        _, _, seen = self.seen.setdefault(id(estimator), (estimator, X[:, 0], []))
        seen.append(predicted)
        return estimator.score(X, y)

    def errors(self, X, y, weights=None):
        """Squared error of each epoch, of the mean of those that hold a sample out."""
        targets = y[:, np.newaxis]
        if y.dtype.kind in "iU":
            targets = targets == np.unique(y)
        for epoch in range(max(len(calls) for *_, calls in self.seen.values())):
            errors, of = [], []
            for i, x in enumerate(X[:, 0]):
                each = [
                    calls[min(epoch, len(calls) - 1)][rows == x][0]
                    for _, rows, calls in self.seen.values()
                    if x in rows
                ]
                if each:
                    errors.append(np.mean((np.mean(each, axis=0) - targets[i]) ** 2))
                    of.append(1.0 if weights is None else weights[i])
            yield np.average(errors, weights=of)


def distinct(cls):
    """Samples that their first feature tells apart, and that are soon overfitted."""
    X, y = data(cls)
    random = np.random.RandomState(5)
    X[:, 0] = random.permutation(len(X)) / len(X)
    y[::2] = random.permutation(y[::2])
    return X, y


COMMON = {
    "hidden_layer_sizes": (6, 5),
    "learning_rate_init": 0.3,
    "max_iter": 25,
    "early_stopping": True,
    "validation_fraction": 0.4,
    "random_state": 2,
}


@both
@pytest.mark.parametrize("patience", [4, np.inf])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_estimators", [1, 4])
@pytest.mark.parametrize("averaging", [None, 0.7])
def test_members_end_with_the_epoch_of_their_least_common_error(
    cls, patience, weighted, n_estimators, averaging
):
    X, y = distinct(cls)
    weights = np.random.RandomState(0).randint(1, 9, size=len(y)) / 4.0
    weights = weights if weighted else None
    options = COMMON | {"n_estimators": n_estimators, "n_iter_no_change": patience}
    options["averaging"] = averaging
    watching = Watching()
    estimator = cls(**options, restore_best="together", scoring=watching)
    quietly(estimator.fit, X, y, weights)
    members = estimator.estimators_ if n_estimators > 1 else [estimator]
    assert len(watching.seen) == n_estimators
    errors = list(watching.errors(X, y, weights))
    best = 1 + int(np.argmin(errors))
    assert len(errors) == max(member.n_iter_ for member in members)
    assert best < len(errors) or patience < 5
    for member in members:
        assert member.best_epoch_ == min(best, member.n_iter_)
        shorter = clone(member).set_params(
            max_iter=member.best_epoch_, restore_best=False, n_iter_no_change=np.inf
        )
        quietly(shorter.fit, X, y, weights)
        assert_allclose(
            member.network_.parameters, shorter.network_.parameters, **CLOSE
        )


def test_the_common_epoch_is_not_that_of_each():
    X, y = data(ScratchMLPClassifier)
    options = COMMON | {"n_estimators": 4, "n_iter_no_change": np.inf}
    apart, together = (
        quietly(ScratchMLPClassifier(**options, restore_best=how).fit, X, y)
        for how in (True, "together")
    )
    epochs = [[m.best_epoch_ for m in e.estimators_] for e in (apart, together)]
    assert len(set(epochs[0])) > 1 == len(set(epochs[1]))
    assert (apart.best_epoch_, together.best_epoch_) == (None, epochs[1][0])
    for one, other in zip(apart.estimators_, together.estimators_, strict=True):
        assert one.validation_scores_ == other.validation_scores_


# What is so for all members is said once.
TOLD = {
    "in one": (
        {"batch_size": 999, "n_iter_no_change": 10},
        ["Got `batch_size`", "Stochastic Optimizer"],
    ),
    "in turn": (
        {"batch_size": 999, "solver": "sgd", "learning_rate": "adaptive"},
        ["Got `batch_size`", "Stochastic Optimizer"],
    ),
    "by L-BFGS": ({"solver": "lbfgs"}, ["lbfgs failed to converge after 2"]),
    "small batches": ({"batch_size": "small", "learning_rate": "cosine"}, []),
    "a usual number of epochs": (
        {"batch_size": 999, "learning_rate": "cosine", "max_iter": "auto"},
        ["Got `batch_size`"],
    ),
}


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize("how", TOLD)
def test_what_is_so_for_all_members_is_said_once(cls, how, n_estimators):
    X, y = data(cls)
    options, expected = TOLD[how]
    parameters = COMMON | {"max_iter": 2, "n_estimators": n_estimators} | options
    parameters |= {"learning_rate_init": 0.01}
    # None of them is said the less in a second fit.
    estimator = cls(**parameters | {"early_stopping": False})
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, y)
        said = [str(warning.message) for warning in caught]
        assert len(said) == len(expected)
        assert all(map(str.startswith, said, expected))


@both
def test_the_number_of_members_is_no_truth_value(cls):
    X, y = data(cls)
    with pytest.raises(ValueError, match="n_estimators must be an integer, got T"):
        cls(n_estimators=True).fit(X, y)


@both
@pytest.mark.parametrize("how", ["sparse", "adaptive"])
def test_members_that_train_in_turn_choose_their_own_epochs(cls, how):
    X, y = distinct(cls)
    options = COMMON | {"n_estimators": 3, "restore_best": "together"}
    if how == "sparse":
        X = sparse.csr_array(X)
    else:
        options |= {"solver": "sgd", "learning_rate": "adaptive"}
    estimator = quietly(cls(**options).fit, X, y)
    for member in estimator.estimators_:
        alone = quietly(clone(member).fit, X, y)
        assert member.best_epoch_ == alone.best_epoch_
        assert_array_equal(member.network_.parameters, alone.network_.parameters)


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_a_training_that_goes_on_keeps_its_least_error(cls, n_estimators):
    X, y = distinct(cls)
    options = COMMON | {"n_iter_no_change": np.inf, "restore_best": "together"}
    options |= {"n_estimators": n_estimators, "warm_start": True}
    watching = Watching()
    estimator = cls(**options, scoring=watching)
    estimator.set_params(max_iter=8)
    quietly(estimator.fit, X, y, X_val=X, y_val=y)
    before = estimator.network_.parameters.copy()
    errors = list(watching.errors(X, y))
    members = estimator.estimators_ if n_estimators > 1 else [estimator]
    least = members[0]._training.least_error
    assert least == pytest.approx(min(errors))
    # Nothing so small comes in one more epoch of tiny steps: its parameters stand.
    estimator.set_params(max_iter=1, learning_rate_init=10.0)
    quietly(estimator.fit, X, y, X_val=X, y_val=y)
    assert members[0]._training.least_error <= least
    assert not np.array_equal(estimator.network_.parameters, before)


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_of_epochs_that_err_alike_the_first_is_the_best(cls, n_estimators):
    X, y = data(cls)
    options = COMMON | {"n_estimators": n_estimators, "restore_best": "together"}
    estimator = cls(**options | {"learning_rate_init": 1e-300})
    quietly(estimator.fit, X, y)
    assert estimator.n_iter_ > 1
    members = estimator.estimators_ if n_estimators > 1 else [estimator]
    assert [member.best_epoch_ for member in members] == [1] * n_estimators


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_a_training_that_diverges_at_once_has_no_best_epoch_to_look_for(n_estimators):
    X, y = data(ScratchMLPRegressor)
    options = COMMON | {"n_estimators": n_estimators, "restore_best": "together"}
    estimator = ScratchMLPRegressor(**options)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter"):
        estimator.fit(1e200 * X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_epoch_that_diverges_is_never_the_best(solver):
    X, y = data(ScratchMLPRegressor)
    options = COMMON | {"n_estimators": 3, "restore_best": "together"}
    options |= {"solver": solver, "learning_rate_init": 1e200, "max_iter": 40}
    estimator = ScratchMLPRegressor(**options, n_iter_no_change=np.inf)
    # None of the epochs has an error that is a number.
    with pytest.raises(ValueError, match="predictions for the training data are not"):
        estimator.fit(X, 1e3 * y)
    assert not hasattr(estimator, "network_")


# Copies


def test_copies_are_of_what_predicts_where_a_member_has_another_network():
    X, y = data(ScratchMLPClassifier)
    estimator = quietly(ScratchMLPClassifier(**SMALL, random_state=0).fit, X, y)
    quietly(estimator.estimators_[0].fit, X, y % 2)
    expected = estimator.predict_proba(X)
    for new in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert_array_equal(new.predict_proba(X), expected)
        assert new.estimators_[0].classes_.tolist() == [0, 1]


@both
@pytest.mark.parametrize("option", ["plain", "averaged", "lbfgs"])
def test_copies_are_whole_and_have_one_stack(cls, option, tmp_path):
    X, y = data(cls)
    estimator = quietly(cls(**SMALL | OPTIONS[option], random_state=0).fit, X, y)
    joblib.dump(estimator, tmp_path / "model")
    for new in (
        pickle.loads(pickle.dumps(estimator)),
        copy.deepcopy(estimator),
        joblib.load(tmp_path / "model"),
    ):
        assert_array_equal(predictions(new, X), predictions(estimator, X))
        new.coefs_[0][1, 0, 0] += 1
        assert new.estimators_[1].coefs_[0][0, 0] != estimator.coefs_[0][1, 0, 0]
        assert not np.shares_memory(
            new.network_.parameters, estimator.network_.parameters
        )
        assert vars(new).keys() == vars(estimator).keys()


def test_a_pickle_is_little_larger_than_the_weights():
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier((300, 200), n_estimators=4, max_iter=2)
    quietly(estimator.fit, X, y)
    size = len(pickle.dumps(estimator))
    assert size < 1.1 * estimator.network_.parameters.nbytes + 4 * 20_000


def test_weights_have_a_leading_axis():
    X, y = data(ScratchMLPClassifier)
    estimator = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    assert [W.shape for W in estimator.coefs_] == [(3, 4, 6), (3, 6, 5), (3, 5, 4)]
    assert [b.shape for b in estimator.intercepts_] == [(3, 6), (3, 5), (3, 4)]
    estimator.coefs_ = [np.zeros_like(W) for W in estimator.coefs_]
    assert not any(member.coefs_[0].any() for member in estimator.estimators_)


# Memory


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_epoch_of_a_stack_allocates_nothing_that_grows(shared, weighted):
    random = np.random.RandomState(0)
    X = random.standard_normal((1000, 200)).astype(np.float32)
    Y = random.randint(40, size=1000)[:, np.newaxis] == np.arange(40)
    weights = random.uniform(size=1000).astype(np.float32) if weighted else None
    runs = []
    for i in range(4):
        network = Network.glorot([200, 300, 40], random_state=i, dtype=np.float32)
        stream = np.random.RandomState(i)
        batches = Batches(X, Y, 250, weights=weights, random_state=stream)
        optimizer = OPTIMIZERS["adam"](network.parameters.size, np.float32)
        state = TrainingState(optimizer, Constant(1e-3))
        options = TRAINING | {"share_batches": shared}
        runs.append(make_run(network, batches, state, random_state=stream, **options))
    peaks = []

    def measure(epoch):
        if tracemalloc.is_tracing():
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        else:
            tracemalloc.start()

    try:
        run_epochs(runs, Recorder(measure))
    finally:
        tracemalloc.stop()
    (peak,) = peaks
    # The outputs of all networks take 160,000; ufuncs that cast have up to 100,000.
    assert peak < 120_000


def test_files_of_skops_need_trust_in_our_types_alone():
    io = pytest.importorskip("skops.io")
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(**SMALL, random_state=0)
    estimator.partial_fit(X, y, classes=np.unique(y))
    file = io.dumps(estimator)
    types = io.get_untrusted_types(data=file)
    assert {name.partition(".")[0] for name in types} == {"skscratch"}
    loaded = io.loads(file, trusted=types)
    for each in (estimator, loaded):
        each.partial_fit(X, y)
    assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
