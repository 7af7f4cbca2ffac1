"""The course of a hedge's training: cycles, limits of time, errors, interruptions."""

import time

import numpy as np
import pytest
import sklearn
from estimator_strategies import QUICK, table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch._sklearn import callbacks_of
from skscratch.estimators import config
from skscratch.tabular import deadline, hedged_regressor, members
from skscratch.tabular.deadline import Deadline
from skscratch.tabular.kinds import KINDS
from skscratch.tabular.rounds import EFFORTS, blended
from skscratch.training.schedules import CosLog4, NextCycle

each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)
FIRST, SECOND = list(KINDS)[:2]


def names_of(model):
    return [one.name for one in model["network"].members_]


def networks_of(model):
    return [n for one in model["network"].members_ for n in one.networks]


# Further cycles


@pytest.fixture
def fifteen_epochs(monkeypatch):
    """Let max_iter='auto' mean 15 epochs, of which the last cycle has 8."""
    monkeypatch.setattr(config, "MIN_AUTO_EPOCHS", 15)
    monkeypatch.setattr(config, "MAX_AUTO_EPOCHS", 15)


def planned(make, **parameters):
    options = {"max_iter": "auto", "kinds": (FIRST,), "learning_rate_init": 0.01}
    return make(**QUICK | options | parameters)


@each_recipe
@pytest.mark.parametrize(("effort", "n_cycles"), [("low", 0), ("default", 2)])
def test_cycles_follow_while_they_pay(make, effort, n_cycles, fifteen_epochs):
    """A smooth function without noise, of which more can always be learned."""
    X = np.random.RandomState(0).uniform(-1, 1, (400, 2))
    y = np.sin(3 * X[:, 0]) * X[:, 1]
    y = y if make is make_tabular_regressor else (y > 0).astype(int)
    model = planned(make, hidden_layer_sizes=(32, 32), effort=effort).fit(X, y)
    (network,) = networks_of(model)
    lengths = [15, 15 + 16, 15 + 16 + 32]
    assert len(network.loss_curve_) in (lengths[1:] if n_cycles else lengths[:1])
    # Afterwards it is set as it was.
    assert network.max_iter == "auto"
    assert network.learning_rate == "coslog4"
    assert not network.warm_start
    assert network.validation_split is None


@each_recipe
def test_noise_is_not_trained_on_for_longer(make, fifteen_epochs):
    random = np.random.RandomState(0)
    X, y = random.standard_normal((400, 2)), random.randint(2, size=400)
    (network,) = networks_of(planned(make).fit(X, y))
    assert len(network.loss_curve_) == 15


@each_recipe
@pytest.mark.parametrize("chosen", [{"max_iter": 15}, {"learning_rate": "cosine"}])
def test_a_training_that_the_user_has_planned_is_not_continued(
    make, chosen, fifteen_epochs, monkeypatch
):
    monkeypatch.setattr(members, "MIN_GAIN", -np.inf)
    (network,) = networks_of(planned(make, **chosen).fit(*table()))
    assert len(network.loss_curve_) == 15


def test_a_cycle_that_does_harm_is_undone(fifteen_epochs, monkeypatch):
    monkeypatch.setattr(members, "MIN_GAIN", -np.inf)
    frame, y = table()
    without = planned(make_tabular_regressor, effort="low", n_estimators=1)
    expected = without.fit(frame, y).predict(frame)
    model = planned(make_tabular_regressor, n_estimators=1)
    gains = iter([[1.0], [-1.0]])
    monkeypatch.setattr(members, "_gains", lambda network, start: next(gains))
    # The first fit of both is of the same network on the same fold.
    assert_allclose(model.fit(frame, y).predict(frame), expected, rtol=1e-6)
    assert len(networks_of(model)[0].loss_curve_) == 31


def test_a_cycle_continues_the_four_of_the_recipe():
    """Scaled to the length of the first three, it has the shape of the fourth."""
    four, one = CosLog4(1.0), NextCycle(1.0)
    for progress in np.linspace(0, 0.99, 12):
        one.on_step(progress)
        four.on_step((7 + 8 * progress) / 15)
        assert one.rate == pytest.approx(four.rate, abs=1e-12)


# Limits of time


@each_recipe
@pytest.mark.parametrize("seconds", [0.05, 1.0])
def test_a_limit_of_time_is_kept(make, seconds):
    """Loosely: other processes may take the time. Something is always trained."""
    X = np.random.RandomState(0).standard_normal((3000, 6))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    make(**QUICK).fit(X[:300], y[:300])  # Kernels are loaded by now.
    model = make(time_limit=seconds, random_state=0)
    started = time.monotonic()
    model.fit(X, y)
    assert time.monotonic() - started < 10 * seconds + 5
    assert names_of(model)
    assert np.isfinite(model.predict(X)).all()


def test_a_limit_that_is_far_away_changes_nothing():
    frame, y = table()
    expected = make_tabular_classifier(**QUICK).fit(frame, y)
    model = make_tabular_classifier(**QUICK, time_limit=1e6).fit(frame, y)
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    assert not any(callbacks_of(network) for network in networks_of(model))


@pytest.mark.parametrize(
    ("left", "n_kinds", "expected"),
    [(1e9, 4, "auto"), (40.0, 4, 10), (12.0, 4, 12), (2.0, 4, 2), (0.0, 4, 1)],
)
def test_epochs_are_planned_for_the_time_that_is_left(
    left, n_kinds, expected, monkeypatch
):
    """Fewer epochs for each kind, but rather fewer kinds than a quarter of them."""
    monkeypatch.setattr(deadline, "auto_max_iter", lambda *args: 40)
    monkeypatch.setattr(deadline, "_time_epoch", lambda *args: (1.0, 1000))
    monkeypatch.setattr(deadline.time, "monotonic", lambda: 100.0)
    limit = Deadline(left / deadline.TRAINING_SHARE, 100.0)
    network = make_tabular_classifier()["network"].estimator
    has_time = limit.plan(network, None, n_kinds)
    assert has_time == (left > 0)
    assert network.max_iter == expected


# Errors and interruptions


class At:
    """Callback that raises at the end of an epoch, counted over all kinds."""

    def __init__(self, number, error):
        self.number, self.error, self.count = number, error, 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **data):
        pass

    def on_fit_task_end(self, estimator, context, **data):
        self.count += context.task_name == "epoch"
        if self.count == self.number:
            raise self.error

    def teardown(self, estimator, context):
        pass


@each_recipe
@pytest.mark.parametrize(
    ("number", "names"), [(2, [FIRST]), (4, [FIRST, SECOND]), (3, [FIRST])]
)
def test_an_error_of_a_callback_keeps_what_was_trained(make, number, names):
    frame, y = table()
    model = make(**QUICK)
    model["network"].estimator.set_callbacks(At(number, RuntimeError("no more")))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(frame, y)
    assert names_of(model) == names
    assert_allclose(model["network"].weights_.sum(), 1)
    assert np.isfinite(model.predict(frame)).all()


class AtOnce(At):
    """Callback that raises before the first epoch."""

    def on_fit_task_begin(self, estimator, context, **data):
        raise self.error


@each_recipe
def test_an_error_before_the_first_epoch_changes_nothing(make):
    frame, y = table()
    model = make(**QUICK).fit(frame, y)
    before, steps = model.predict(frame), model.steps
    model["network"].estimator.set_callbacks(AtOnce(0, RuntimeError("no more")))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(frame[["real"]], y)
    assert model.steps is steps
    assert_array_equal(model.predict(frame), before)


@each_recipe
@pytest.mark.parametrize("step", [2, 5])
def test_ctrl_c_ends_the_whole_fit(make, step, fail_at):
    """In the first kind or the second: each epoch has one batch."""
    frame, y = table()
    model = make(**QUICK)
    fail_at(step, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(frame, y)
    hedge = model["network"]
    assert hedge.is_interrupted_
    assert names_of(model) == [FIRST, SECOND][: 1 + (step > 3)]
    assert np.isfinite(model.predict(frame)).all()
    assert not make(**QUICK).fit(frame, y)["network"].is_interrupted_


@each_recipe
def test_ctrl_c_between_two_trainings_keeps_what_was_trained(make, monkeypatch):
    frame, y = table()
    encode, calls = members.Members.encode, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(*arguments)

    monkeypatch.setattr(members.Members, "encode", interrupted)
    model = make(**QUICK).fit(frame, y)
    assert model["network"].is_interrupted_
    assert names_of(model) == [FIRST]
    calls[:] = [None]
    with pytest.raises(KeyboardInterrupt):
        make(**QUICK).fit(frame, y)


def test_a_limit_of_time_holds_for_intervals_too():
    X = np.random.RandomState(0).standard_normal((3000, 6))
    started = time.monotonic()
    model = make_tabular_regressor(intervals=True, time_limit=1.0, random_state=0)
    model.fit(X, X[:, 0] * X[:, 1])
    assert time.monotonic() - started < 15
    assert model.predict_interval(X[:5], 0.8).shape == (5, 2)


SPLITS = {
    "drawn": {},
    "given": {"validation_split": KFold(5)},
    "of X_val": {"X_val": True},
}


def fit_intervals(splits, **parameters):
    """Fit one kind of two members and the network of intervals."""
    X, y = draw_numbers(120)
    parameters = QUICK | {"kinds": ("smooth",), "intervals": True} | parameters
    splits = dict(SPLITS[splits])
    if splits.pop("X_val", False):
        model = make_tabular_regressor(**parameters)
        return model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    return make_tabular_regressor(**parameters, **splits).fit(X, y)


def draw_numbers(n_samples):
    X = np.random.RandomState(0).standard_normal((n_samples, 3))
    return X, X[:, 0] * X[:, 1]


@pytest.mark.parametrize("splits", SPLITS)
def test_the_time_of_the_interval_network_is_planned(splits, monkeypatch):
    timed = []

    def time_epoch(network, fit):
        timed.append((network.n_estimators, *honest(network, fit)))
        return 1.0, timed[-1][-1]

    honest = deadline._time_epoch
    monkeypatch.setattr(deadline, "_time_epoch", time_epoch)
    model = fit_intervals(splits, max_iter=500, time_limit=60)
    assert all(seconds > 0 for _, seconds, _ in timed)
    n_training = {"drawn": (105, 79), "given": (96, 72), "of X_val": (80, 60)}
    assert [n for n, _, _ in timed] == [2, hedged_regressor.INTERVAL_MEMBERS]
    for (_, _, n_samples), expected in zip(timed, n_training[splits], strict=True):
        assert n_samples == pytest.approx(expected, abs=6)
    # Of 60 seconds, 54 are for training, of which half are for the members.
    members_network, interval_network = (
        networks_of(model)[0],
        interval_network_of(model),
    )
    assert 10 < members_network.max_iter < 27
    assert members_network.max_iter < interval_network.max_iter < 54


def interval_network_of(model):
    return model["network"].interval_model_.estimator


@pytest.mark.parametrize("splits", SPLITS)
def test_time_ends_the_training_of_the_interval_network(splits, monkeypatch):
    """Even if an epoch took longer than planned."""
    monkeypatch.setattr(Deadline, "plan", lambda *args: True)
    monkeypatch.setattr(deadline._StopAt, "on_fit_task_end", lambda *args, **data: True)
    model = fit_intervals(splits, time_limit=1e6)
    assert networks_of(model)[0].n_iter_ == 1
    assert interval_network_of(model).n_iter_ == 1
    assert not callbacks_of(fit_intervals(splits)["network"].estimator)
    assert interval_network_of(fit_intervals(splits)).n_iter_ == QUICK["max_iter"]


def test_a_limit_of_time_needs_no_routing():
    frame, y = table()
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_tabular_classifier(**QUICK, time_limit=100).fit(frame, y)
    assert np.isfinite(model.predict_proba(frame)).all()


def test_an_interrupted_fit_trains_no_intervals(fail_at):
    frame, y = table()
    fail_at(2, KeyboardInterrupt())
    model = make_tabular_regressor(**QUICK, intervals=True)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(frame, y)
    assert not hasattr(model, "predict_interval")


LIMIT = {"time_limit": 1e6}  # Epochs are timed, but there is time for all.


@each_recipe
def test_ctrl_c_ends_the_fit_while_an_epoch_is_timed(make, fail_at):
    frame, y = table()
    model = make(**QUICK, **LIMIT)
    fail_at(1, KeyboardInterrupt())
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(UserWarning, match="interrupted by user"),
    ):
        model.fit(frame, y)
    assert not hasattr(model["network"], "members_")
    # Each kind is timed for two epochs and trained for three.
    for step in (6, 7):
        fail_at(step, KeyboardInterrupt())
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.fit(frame, y)
        assert model["network"].is_interrupted_
        assert names_of(model) == [FIRST]
        assert np.isfinite(model.predict(frame)).all()


@pytest.mark.parametrize("step", [6, 7])
def test_ctrl_c_while_an_epoch_of_the_intervals_is_timed(step, fail_at):
    fail_at(step, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted") as warned:
        model = fit_intervals("drawn", **LIMIT)
    assert "could train the intervals" in str(warned[-1].message)
    assert model["network"].is_interrupted_
    assert names_of(model) == ["smooth"]
    assert not hasattr(model, "predict_interval")


@pytest.mark.parametrize("limit", [{}, LIMIT])
def test_ctrl_c_in_the_interval_network_is_reported(limit, fail_at):
    fail_at(3 + 2 + 2 * 2 * bool(limit), KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fit_intervals("drawn", **limit)
    assert model["network"].is_interrupted_
    assert interval_network_of(model).n_iter_ == 1
    assert np.isfinite(model.predict_interval(draw_numbers(120)[0], 0.8)).all()
    assert not fit_intervals("drawn", **limit)["network"].is_interrupted_


# Tables to validate on


@each_recipe
def test_a_table_to_validate_on_is_prepared_as_the_columns_are(make):
    frame, y = table()
    train, held = frame[:20], frame[20:].copy()
    held.loc[held.index[0], "text"] = "a category that fit has not seen"
    model = make(**QUICK).fit(train, y[:20], X_val=held, y_val=y[20:])
    inputs = model["columns"].transform(held)
    alone = make(**QUICK)
    columns = alone["columns"].fit(train, y[:20])
    prepared = columns.fit_transform(train, y[:20])
    hedge = alone["network"].fit(prepared, y[:20], X_val=inputs, y_val=y[20:])
    assert_allclose(model["network"].weights_, hedge.weights_, rtol=1e-5)
    weighted = make(**QUICK).fit(
        train, y[:20], X_val=held, y_val=y[20:], sample_weight_val=np.arange(1.0, 11.0)
    )
    assert np.isfinite(weighted.predict(frame)).all()


def test_a_blend_of_equal_numbers_is_exact():
    third = np.full((3, 2), 0.1)
    assert_array_equal(blended([third] * 3, np.full(3, 1 / 3)), third)
    assert EFFORTS["low"].members(1) == [1]
