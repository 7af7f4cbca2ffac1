"""Kinds of a hedge trained by joblib's workers are those trained here."""

import joblib
import numpy as np
import pytest
from estimator_strategies import QUICK, quietly, table
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_limits

from skscratch import Checkpoint, make_tabular_classifier, make_tabular_regressor
from skscratch.estimators import workers
from skscratch.tabular import rounds

each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)


@pytest.fixture(autouse=True)
def one_blas_thread():
    """The same products for both: their last bits depend on the number of threads."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def sent(monkeypatch):
    """Names of the kinds that have been sent to workers."""
    names = []
    honest = rounds.results_of

    def results_of(function, tasks, n_jobs):
        names.extend(members.name for members, *_ in tasks)
        return honest(function, tasks, n_jobs)

    monkeypatch.setattr(rounds, "results_of", results_of)
    return names


def fitted(model, X, y, backend=None):
    if backend is None:
        return quietly(model.fit, X, y)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        return quietly(model.fit, X, y)


def assert_same(ours, theirs, X):
    one, other = ours["network"], theirs["network"]
    assert [m.name for m in one.members_] == [m.name for m in other.members_]
    assert_array_equal(one.weights_, other.weights_)
    for members, others in zip(one.members_, other.members_, strict=True):
        for network, same in zip(members.networks, others.networks, strict=True):
            assert_array_equal(network.network_.parameters, same.network_.parameters)
            assert network.loss_curve_ == same.loss_curve_
    assert_array_equal(ours.predict(X), theirs.predict(X))


@each_recipe
@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("effort", ["default", "high"])
def test_kinds_of_workers_are_those_trained_here(make, backend, effort, sent):
    X, y = table()
    here = fitted(make(effort=effort, **QUICK), X, y)
    assert not sent
    there = fitted(make(effort=effort, **QUICK), X, y, backend)
    assert sent[:2] == ["pieces", "periodic"]
    assert_same(there, here, X)
    if make is make_tabular_classifier:
        assert there["network"].temperature_ == here["network"].temperature_


class Failing:
    """A scorer that fails in the networks of one width."""

    def __init__(self, n_neurons, error):
        self.n_neurons, self.error = n_neurons, error

    def __call__(self, estimator, X, y):
        if estimator.hidden_layer_sizes == (self.n_neurons,):
            raise self.error
        return 0.0


@pytest.mark.parametrize("backend", [None, "threading"])
def test_an_error_in_one_kind_keeps_the_others(backend, monkeypatch):
    X, y = table()
    kinds, honest = ("pieces", "ranks"), rounds.Members.make_network

    def make_network(members, *args):
        network = honest(members, *args)
        n_neurons = 5 if members.name == "ranks" else 4
        return network.set_params(hidden_layer_sizes=(n_neurons,))

    monkeypatch.setattr(rounds.Members, "make_network", make_network)
    scorer = Failing(5, RuntimeError("no score"))
    model = make_tabular_classifier(kinds=kinds, scoring=scorer, **QUICK)
    with pytest.raises(RuntimeError, match="no score"):
        fitted(model, X, y, backend)
    assert [m.name for m in model["network"].members_] == ["pieces"]
    assert model.predict(X).shape == y.shape

    nothing = make_tabular_classifier(kinds=("ranks",), scoring=scorer, **QUICK)
    with pytest.raises(RuntimeError, match="no score"):
        fitted(nothing, X, y, backend)
    assert not hasattr(nothing["network"], "members_")


def test_if_all_kinds_fail_the_model_is_as_it_was():
    X, y = table()
    scorer = Failing(8, RuntimeError("no score"))
    kinds = ("smooth", "ranks")
    model = make_tabular_classifier(kinds=kinds, scoring=scorer, **QUICK)
    with pytest.raises(RuntimeError, match="no score"):
        fitted(model, X, y, "threading")
    assert not hasattr(model["network"], "members_")


@pytest.mark.parametrize("what", ["time_limit", "verbose", "checkpoint", "one kind"])
def test_what_looks_at_all_kinds_is_trained_here(what, sent, tmp_path, capsys):
    X, y = table()
    options = {
        "time_limit": {"time_limit": 1000},
        "verbose": {"verbose": True},
        "one kind": {"kinds": ("ranks",)},
    }
    model = make_tabular_classifier(**QUICK | options.get(what, {}))
    if what == "checkpoint":
        model.set_callbacks(Checkpoint(tmp_path / "checkpoint.npz"))
    fitted(model, X, y, "threading")
    assert not sent
    assert model.predict(X).shape == y.shape


def test_a_kind_that_was_lost_with_its_worker_is_trained_again(monkeypatch, sent):
    """The first two attempts lose what they were training."""
    X, y = table()
    n_lost = []

    class Losing(joblib.Parallel):
        def __call__(self, calls):
            if len(n_lost) < 2:
                n_lost.append(len(calls))
                raise workers.CancelledError
            return super().__call__(calls)

    here = fitted(make_tabular_classifier(**QUICK), X, y)
    monkeypatch.setattr(workers, "Parallel", Losing)
    there = fitted(make_tabular_classifier(**QUICK), X, y, "threading")
    assert n_lost == [len(sent)] * 2
    assert_same(there, here, X)


def test_an_interruption_in_a_later_round_keeps_the_first(monkeypatch):
    X, y = table()
    honest, calls = rounds.results_of, []
    interrupted_at = 2

    def results_of(*args):
        calls.append(args)
        if len(calls) == interrupted_at:
            raise KeyboardInterrupt
        return honest(*args)

    monkeypatch.setattr(rounds, "results_of", results_of)
    # All kinds take part in all rounds.
    monkeypatch.setattr(rounds, "fit_weights", lambda judge, P: np.full(len(P), 0.25))
    model = fitted(make_tabular_classifier(effort="high", **QUICK), X, y, "threading")
    assert model["network"].is_interrupted_
    assert np.isfinite(model.predict_proba(X)).all()

    interrupted_at = 3
    with pytest.raises(KeyboardInterrupt):
        fitted(model, X, y, "threading")
    assert np.isfinite(model.predict_proba(X)).all()
