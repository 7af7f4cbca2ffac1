"""Prediction intervals: coverage, whatever the network is worth, and use."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import seeds

from skscratch import ScratchMLPRegressor
from skscratch.estimators.intervals import LEVELS, IntervalModel, _between

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 0.01}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n_samples=200, n_targets=1, seed=0, tails="light"):
    """Targets whose spread depends on the first feature."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (n_samples, 2))
    noise = random.standard_t(2, (n_samples, n_targets))
    if tails == "light":
        noise = random.standard_normal((n_samples, n_targets))
    Y = 1e3 + 1e2 * (X[:, [1]] + (1.1 + X[:, [0]]) * noise)
    return X, Y[:, 0] if n_targets == 1 else Y


def covered(bounds, y):
    return (bounds[..., 0] <= y) & (y <= bounds[..., 1])


@pytest.mark.parametrize("tails", ["light", "heavy"])
def test_coverage_over_many_splits(tails):
    """The bounds of the theorem: from ``coverage`` to ``coverage + 1 / (n + 1)``."""
    shares = []
    for seed in range(200):
        X, y = data(240, seed=seed, tails=tails)
        options = SMALL | {"max_iter": 3, "random_state": seed}
        reg = ScratchMLPRegressor(intervals=True, **options).fit(X[:120], y[:120])
        shares.append(
            [
                covered(reg.predict_interval(X[120:], coverage), y[120:]).mean()
                for coverage in (0.5, 0.8, 0.9)
            ]
        )
    error = np.std(shares, axis=0) / np.sqrt(len(shares))
    least, found = np.array([0.5, 0.8, 0.9]), np.mean(shares, axis=0)
    assert (found > least - 3 * error).all()
    assert (found < least + 1 / 31 + 3 * error).all()


def test_intervals_are_wide_where_targets_are_spread():
    X, y = data(2000)
    options = SMALL | {"max_iter": 60, "random_state": 0}
    reg = ScratchMLPRegressor(intervals=True, **options).fit(X, y)
    narrow, wide = np.array([[-0.9, 0.0]]), np.array([[0.9, 0.0]])
    widths = [float(np.ptp(reg.predict_interval(x))) for x in (narrow, wide)]
    # The standard deviations are 20 and 200.
    assert widths[1] > 4 * widths[0]
    expected = 1e3 + 200 * 1.645 * np.array([[-1, 1]])
    assert_allclose(reg.predict_interval(wide), expected, atol=100)


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_shapes_and_order(n_targets, n_estimators, early_stopping):
    X, y = data(n_targets=n_targets)
    reg = ScratchMLPRegressor(
        intervals=True,
        n_estimators=n_estimators,
        early_stopping=early_stopping,
        random_state=0,
        **SMALL,
    ).fit(X, y)
    shape = (200, 2) if n_targets == 1 else (200, 3, 2)
    smaller = reg.predict_interval(X, coverage=0.5)
    larger = reg.predict_interval(X, coverage=0.95)
    assert smaller.shape == larger.shape == shape
    assert (smaller[..., 0] <= smaller[..., 1]).all()
    assert np.ptp(larger, axis=-1).mean() > np.ptp(smaller, axis=-1).mean()
    assert reg.predict(X).shape == y.shape
    again = pickle.loads(pickle.dumps(reg))
    assert_array_equal(again.predict_interval(X), reg.predict_interval(X))
    assert_array_equal(
        clone(reg).fit(X, y).predict_interval(X), reg.predict_interval(X)
    )
    alone = [reg.predict_interval(X[i : i + 1])[0] for i in range(5)]
    assert_allclose(alone, reg.predict_interval(X)[:5], rtol=1e-9)


def test_predictions_are_those_without_intervals():
    X, y = data()
    plain, reg = (
        ScratchMLPRegressor(intervals=intervals, random_state=0, **SMALL).fit(X, y)
        for intervals in (False, True)
    )
    assert_array_equal(reg.predict(X), plain.predict(X))
    assert not hasattr(plain, "predict_interval")
    assert not hasattr(ScratchMLPRegressor(intervals=True), "predict_interval")
    # A fit without intervals has none, whatever came before.
    reg.set_params(intervals=False).fit(X, y)
    assert not hasattr(reg, "predict_interval")
    assert not hasattr(reg, "interval_model_")


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_intervals_of_positive_targets_are_not_negative(loss):
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 2))
    y = random.gamma(0.3, size=200) + 1e-3
    reg = ScratchMLPRegressor(loss, intervals=True, random_state=0, **SMALL).fit(X, y)
    assert reg.predict_interval(X, 0.95).min() >= 0


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "lbfgs"},
        {"solver": "sgd"},
        {"init": ([np.ones((2, 8)), np.ones((8, 1))], [np.ones(8), np.ones(1)])},
        {"dtype": "float32"},
        {"warm_start": True},
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantile": (0.2, 0.8)},
        {"scoring": "r2", "early_stopping": True},
        {"random_state": np.random.RandomState(0)},
        {"random_state": None},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_go_with_intervals(options):
    X, y = data()
    reg = ScratchMLPRegressor(**SMALL | {"random_state": 0, "intervals": True})
    reg.set_params(**options).fit(X, (y - 1e3) / 1e2)
    assert covered(reg.predict_interval(X), (y - 1e3) / 1e2).mean() > 0.7


def test_validation_data_weights_and_names_go_with_intervals():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    X = pandas.DataFrame(X, columns=["a", "b"])
    reg = ScratchMLPRegressor(
        intervals=True, early_stopping=True, random_state=0, **SMALL
    )
    reg.fit(X[:150], y[:150], np.ones(150), X_val=X[150:], y_val=y[150:])
    assert reg.predict_interval(X).shape == (200, 2)
    with pytest.raises(ValueError, match="feature names"):
        reg.predict_interval(X[["b", "a"]])
    piped = make_pipeline(StandardScaler(), ScratchMLPRegressor(intervals=True))
    assert piped.fit(X, y)[-1].predict_interval(X.to_numpy()).shape == (200, 2)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, np.nan, "0.9", None, True])
def test_a_coverage_that_is_none_is_refused(coverage):
    reg = ScratchMLPRegressor(intervals=True, random_state=0, **SMALL).fit(*data())
    with pytest.raises(ValueError, match="coverage must be a number above 0 and below"):
        reg.predict_interval(data()[0], coverage)


def test_too_few_rows_are_refused_in_words():
    X, y = data(40)
    reg = ScratchMLPRegressor(intervals=True, random_state=0, **SMALL).fit(X, y)
    assert reg.predict_interval(X, 0.9).shape == (40, 2)
    with pytest.raises(ValueError, match=r"at least 19 rows for calibration, got 10"):
        reg.predict_interval(X, 0.95)
    small = clone(reg)
    with pytest.raises(ValueError, match="intervals=True needs at least 4 samples"):
        small.fit(X[:3], y[:3])
    assert not hasattr(small, "network_")


def test_members_have_no_intervals_of_an_earlier_fit():
    X, y = data()
    reg = ScratchMLPRegressor(intervals=True, n_estimators=2, random_state=0, **SMALL)
    for _ in range(2):
        reg.fit(X, y)
        assert not hasattr(reg.estimators_[0], "interval_model_")


def test_nine_rows_are_enough_for_a_coverage_of_nine_tenths():
    X, y = data(36)
    reg = ScratchMLPRegressor(intervals=True, random_state=0, **SMALL).fit(X, y)
    assert reg.predict_interval(X, 0.9).shape == (36, 2)
    reg.fit(X[:32], y[:32])
    with pytest.raises(ValueError, match="at least 9 rows for calibration, got 8"):
        reg.predict_interval(X, 0.9)


def test_a_batch_of_all_samples_is_no_news():
    X, y = data()
    reg = ScratchMLPRegressor(intervals=True, batch_size=200, random_state=0, **SMALL)
    assert reg.fit(X, y).interval_model_.estimator.batch_size == 150


@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_an_interrupted_fit_does_not_begin_another_training(
    n_estimators, learning_rate, fail_at
):
    X, y = data()
    options = SMALL | {"solver": "sgd", "learning_rate": learning_rate}
    reg = ScratchMLPRegressor(
        intervals=True, n_estimators=n_estimators, random_state=0, **options
    )
    fail_at(5, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted") as caught:
        reg.fit(X, (y - 1e3) / 1e2)
    assert "before it could train the intervals" in str(caught[-1].message)
    assert reg.predict(X).shape == (200,)
    assert not hasattr(reg, "predict_interval")


def test_a_stream_has_no_intervals():
    reg = ScratchMLPRegressor(intervals=True)
    assert not hasattr(reg, "partial_fit")
    assert hasattr(reg.set_params(intervals=False), "partial_fit")


class Oracle:
    """Regressor that predicts given quantiles."""

    def __init__(self, quantiles):
        self.quantiles = quantiles

    def predict(self, X):
        return self.quantiles[: len(X)]


@given(seed=seeds, n_rows=st.integers(20, 60), coverage=st.floats(0.1, 0.9))
@settings(max_examples=50)
def test_margins_cover_just_as_many_rows_of_calibration_as_they_must(
    seed, n_rows, coverage
):
    random = np.random.default_rng(seed)
    quantiles = np.sort(random.standard_normal((n_rows, len(LEVELS))), axis=1)
    targets = random.standard_normal((n_rows, 1)) * 3
    model = IntervalModel(
        Oracle(quantiles),
        np.zeros(1),
        np.ones(1),
        quantiles[:, np.newaxis],
        targets,
        -np.inf,
    )
    bounds = _between(quantiles[:, np.newaxis], coverage)
    needed = np.maximum(bounds[..., 0] - targets, targets - bounds[..., 1])
    n_covered = int((needed <= model.margins(coverage)).sum())
    assert n_covered == int(np.ceil((n_rows + 1) * coverage))


def test_levels_are_met_exactly():
    quantiles = np.sort(np.random.default_rng(0).standard_normal((5, 1, len(LEVELS))))
    for low, high in ((0, -1), (1, -2), (2, -3), (3, -4)):
        coverage = LEVELS[high] - LEVELS[low]
        assert_allclose(
            _between(quantiles, coverage), quantiles[..., [low, high]], rtol=1e-9
        )
