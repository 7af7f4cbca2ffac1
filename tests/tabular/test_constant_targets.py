"""A target that is constant in ``fit`` is predicted exactly, whatever its size."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import QUICK, table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from skscratch import make_tabular_regressor
from skscratch.tabular.targets import make_target_scaler

each_loss = pytest.mark.parametrize("loss", ["squared_error", "poisson"])
each_weight = pytest.mark.parametrize("weighted", [False, True])
CONSTANTS = [0, 7, 0.1, np.float32(0.1), 1e-12, 1e12, True]


def fit(y, weighted=False, **options):
    frame, _ = table()
    weights = np.random.RandomState(1).uniform(size=30)
    passed = {"network__sample_weight": weights} if weighted else {}
    return make_tabular_regressor(**QUICK | options).fit(frame, y, **passed), frame


@each_loss
@each_weight
@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("form", [np.asarray, pd.Series])
def test_a_constant_is_predicted_exactly(loss, weighted, constant, form):
    model, frame = fit(form([constant] * 30), weighted, loss=loss)
    predicted = model.predict(frame)
    assert predicted.dtype == np.float64
    assert_array_equal(predicted, np.full(30, constant))


def test_a_negative_constant_is_predicted_exactly():
    model, frame = fit(np.full(30, -3e5))
    assert_array_equal(model.predict(frame), np.full(30, -3e5))


@pytest.mark.parametrize("y", [[0.1 + 0.2, 0.3] * 15, 1e9 + np.arange(30) % 2 * 1e-7])
def test_targets_that_differ_by_rounding_are_constant(y):
    model, frame = fit(y)
    assert_allclose(model.predict(frame), y, rtol=1e-15)


@each_loss
@each_weight
@pytest.mark.parametrize("constant", CONSTANTS)
def test_one_constant_of_several_is_predicted_exactly(loss, weighted, constant):
    varying = np.random.RandomState(0).poisson(3, 30)
    y = np.column_stack([varying, np.full(30, constant), varying[::-1]])
    model, frame = fit(y, weighted, loss=loss)
    predicted = model.predict(frame)
    assert predicted.shape == (30, 3)
    assert_array_equal(predicted[:, 1], y[:, 1])
    assert (np.ptp(predicted, axis=0) > 0).tolist() == [True, False, True]


def test_a_constant_count_does_not_outweigh_the_others():
    random = np.random.RandomState(0)
    X = random.standard_normal((100, 2))
    counts = random.poisson(np.exp(X[:, 0]))
    predicted = [
        make_tabular_regressor(**QUICK | {"max_iter": 20}, loss="poisson")
        .fit(X, np.column_stack([counts, np.full(100, constant)]))
        .predict(X)[:, 0]
        for constant in (1, 1e9)
    ]
    assert_array_equal(*predicted)


def test_a_varying_target_is_standardized_as_by_scikit_learn():
    X = np.random.RandomState(0).standard_normal((30, 2))
    y = np.column_stack([X @ [1, 2], X[:, 0] + 1e6])
    fitted = make_target_scaler(with_mean=True).fit(y)
    scaler, expected = fitted["scale"], StandardScaler().fit(y)
    assert_array_equal(scaler.mean_, expected.mean_)
    assert_array_equal(scaler.scale_, expected.scale_)
    assert np.isnan(scaler.constants_).all()
    assert_allclose(fitted.inverse_transform(fitted.transform(y)), y)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_targets_are_arrays_whatever_transformers_return(output):
    pytest.importorskip(output)
    model, frame = fit(np.arange(30))
    expected = model.predict(frame)
    with sklearn.config_context(transform_output=output):
        model, _ = fit(np.arange(30))
        assert_array_equal(model.predict(frame), expected)
