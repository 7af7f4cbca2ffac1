"""Intervals and quantiles of the recipe for tables, in the units of the targets."""

import pickle

import numpy as np
import pytest
from estimator_strategies import QUICK
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch._sklearn import callbacks_of

TRAINED = QUICK | {"max_iter": 60, "learning_rate_init": 0.03}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n_samples=200, n_targets=1):
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (n_samples, 3))
    y = 1e4 + 100 * (X[:, :n_targets] + random.standard_normal((n_samples, n_targets)))
    return X, y[:, 0] if n_targets == 1 else y


@pytest.mark.parametrize("n_targets", [1, 2])
def test_intervals_are_in_the_units_of_the_targets(n_targets):
    X, y = data(600, n_targets)
    model = make_tabular_regressor(intervals=True, **TRAINED)
    model.fit(X[:400], y[:400])
    bounds = model.predict_interval(X[400:], coverage=0.8)
    assert bounds.shape == ((200, 2) if n_targets == 1 else (200, 2, 2))
    assert bounds.dtype == np.float64
    held = (bounds[..., 0] <= y[400:]) & (y[400:] <= bounds[..., 1])
    assert held.mean() == pytest.approx(0.8, abs=0.1)
    # 2.56 standard deviations of 100, about.
    assert np.ptp(bounds, axis=-1).mean() == pytest.approx(256, rel=0.4)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_interval(X), model.predict_interval(X))


def test_only_a_recipe_with_intervals_has_them():
    X, y = data()
    model = make_tabular_regressor(**QUICK).fit(X, y)
    assert not hasattr(model, "predict_interval")
    assert not hasattr(make_tabular_regressor(intervals=True), "predict_interval")
    assert not hasattr(make_tabular_classifier(), "predict_interval")
    with_intervals = make_tabular_regressor(intervals=True, **QUICK).fit(X, y)
    assert_array_equal(with_intervals.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="coverage must be a number above 0"):
        with_intervals.predict_interval(X, 90)


def test_a_fitted_model_keeps_no_time_limit():
    X, y = data()
    model = make_tabular_regressor(intervals=True, **QUICK, time_limit=60).fit(X, y)
    hedge = model["network"]
    networks = [network for members in hedge.members_ for network in members.networks]
    for network in (*networks, hedge.interval_model_.estimator):
        assert callbacks_of(network) == []


def test_only_one_network_is_trained_for_intervals():
    X, y = data()
    hedge = make_tabular_regressor(intervals=True, **QUICK).fit(X, y)["network"]
    assert hasattr(hedge, "interval_model_")
    for members in hedge.members_:
        for network in members.networks:
            assert not hasattr(network, "interval_model_")


@pytest.mark.parametrize("n_targets", [1, 2])
def test_quantiles_are_in_the_units_of_the_targets(n_targets):
    X, y = data(400, n_targets)
    model = make_tabular_regressor(loss="quantile", quantile=(0.9, 0.1), **TRAINED).fit(
        X, y
    )
    P = model.predict(X)
    assert P.shape == ((400, 2) if n_targets == 1 else (400, 2, 2))
    assert P.dtype == np.float64
    assert_allclose((y[..., np.newaxis] < P).mean(axis=0)[..., 0], 0.9, atol=0.1)
    assert (P[..., 0] >= P[..., 1]).all()
    with pytest.raises(ValueError, match="score needs one prediction for each target"):
        model.score(X, y)


def test_positive_targets_stay_positive():
    X, y = data()
    y = np.exp((y - 1e4) / 100)
    model = make_tabular_regressor(loss="gamma", intervals=True, **QUICK).fit(X, y)
    assert model.predict(X).min() > 0
    assert model.predict_interval(X).min() >= 0


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_a_recipe_is_fitted_by_one_call_at_a_time(make):
    X, y = data()
    y = y > np.median(y) if make is make_tabular_classifier else y
    model, refused = make(**QUICK), []

    class Again:
        """Callback that fits the pipeline once more."""

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **kwargs):
            if not refused:
                with pytest.raises(ValueError, match="already being") as error:
                    model.fit(X, y)
                refused.append(str(error.value))

        def on_fit_task_end(self, estimator, context, **kwargs):
            return False

        def teardown(self, estimator, context):
            pass

    model[-1].estimator.set_callbacks(Again())
    model.fit(X, y)
    assert "TablePipeline" in refused[0]
    expected = clone(model)
    expected[-1].estimator.set_callbacks()
    assert_array_equal(model.predict(X), expected.fit(X, y).predict(X))
