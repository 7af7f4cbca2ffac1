"""The learning rates, over the registry and against their formulas."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from skscratch import OPTIMIZERS, SCHEDULES

rates = st.floats(1e-7, 10)
every_schedule = pytest.mark.parametrize("name", SCHEDULES)
planned = [name for name, schedule in SCHEDULES.items() if schedule.needs_total_steps]
open_ended = [name for name in SCHEDULES if name not in planned]


@pytest.mark.parametrize("name", open_ended)
@given(rate=rates)
@few
def test_first_step_is_of_the_initial_rate(name, rate):
    assert SCHEDULES[name](rate).rate == rate


@pytest.mark.parametrize("name", open_ended)
@given(rate=rates, seen=st.lists(st.integers(1, 10**6), max_size=5))
@few
def test_rate_never_rises_and_stays_positive(name, rate, seen):
    schedule = SCHEDULES[name](rate)
    history = [schedule.rate]
    for i in range(len(seen)):
        schedule.on_epoch_end(sum(seen[: i + 1]))
        history.append(schedule.rate)
        schedule.on_plateau()
        history.append(schedule.rate)
    assert history == sorted(history, reverse=True)
    assert history[-1] > 0


@every_schedule
def test_plateau_tells_whether_the_rate_was_lowered(name):
    schedule = SCHEDULES[name](0.1)
    for _ in range(20):
        before = schedule.rate
        assert schedule.on_plateau() is (schedule.rate < before)


@every_schedule
def test_registered_facts_fit_the_constructor(name):
    schedule_class = SCHEDULES[name]
    _, *others = inspect.signature(schedule_class).parameters
    assert tuple(others) == schedule_class.hyperparameters
    followers = schedule_class.optimizers
    assert followers is None or set(followers) <= set(OPTIMIZERS.values())


@given(rate=rates, seen=st.integers(1, 10**9))
def test_constant_rate_stays(rate, seen):
    schedule = SCHEDULES["constant"](rate)
    schedule.on_epoch_end(seen)
    assert not schedule.on_plateau()
    assert schedule.rate == rate


@given(rate=rates, power_t=st.floats(0, 2), seen=st.lists(st.integers(1, 10**9)))
def test_inverse_scaling_is_by_the_samples_seen(rate, power_t, seen):
    schedule = SCHEDULES["invscaling"](rate, power_t=power_t)
    for n_samples in seen:
        schedule.on_epoch_end(n_samples)
        expected = rate * (n_samples + 1) ** -power_t
        assert schedule.rate == pytest.approx(expected, rel=1e-12)
        assert not schedule.on_plateau()
        assert schedule.rate == pytest.approx(expected, rel=1e-12)


def test_inverse_scaling_is_by_the_root_unless_told_otherwise():
    schedule = SCHEDULES["invscaling"](0.3)
    schedule.on_epoch_end(8)
    assert schedule.rate == pytest.approx(0.1)


@given(rate=rates)
def test_adaptive_rate_is_divided_by_five_until_it_is_a_millionth(rate):
    schedule = SCHEDULES["adaptive"](rate)
    while rate > 1e-6:
        schedule.on_epoch_end(100)
        assert schedule.rate == rate
        assert schedule.on_plateau()
        rate /= 5
        assert schedule.rate == rate
    assert not schedule.on_plateau()
    assert schedule.rate == rate


def test_adaptive_rate_of_exactly_a_millionth_is_the_last():
    assert not SCHEDULES["adaptive"](1e-6).on_plateau()
    assert SCHEDULES["adaptive"](1.01e-6).on_plateau()


def test_only_gradient_descent_follows_the_schedules_of_scikit_learn():
    assert SCHEDULES["constant"].optimizers is None
    for name in ("invscaling", "adaptive"):
        assert SCHEDULES[name].optimizers == (OPTIMIZERS["sgd"],)
