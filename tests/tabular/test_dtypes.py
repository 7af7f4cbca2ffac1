"""Numbers that the recipes' pipelines predict are float64, whatever the network is."""

import json
import warnings

import numpy as np
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from skscratch import make_tabular_classifier, make_tabular_regressor

METHODS = ["predict_proba", "predict_log_proba", "decision_function"]
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64", "auto"])
TARGETS = {
    "two classes": lambda y: np.where(y, "yes", "no"),
    "three classes": lambda y: np.arange(30) % 3,
    "labels": lambda y: np.column_stack([y, 1 - y, np.arange(30) % 2]),
    "one class": lambda y: np.ones(30),
}


@each_dtype
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", [None, np.float32])
@pytest.mark.parametrize("is_hedged", [True, False])
def test_outputs_of_a_classifier_are_float64(dtype, kind, method, form, is_hedged):
    frame, y = table()
    X = frame if form is None else frame[["whole"]].to_numpy(form)
    model = make_tabular_classifier(**QUICK, dtype=dtype)
    if not is_hedged:
        model.set_params(network=model["network"].estimator)
    model.fit(X, TARGETS[kind](y))
    found = getattr(model, method)(X)
    network = model["network"]
    raw = getattr(network, method)(model["columns"].transform(X))
    assert found.dtype == np.float64
    assert raw.dtype == (np.float64 if is_hedged else network.network_.dtype)
    assert_allclose(found, raw, rtol=1e-6)
    json.dumps([list(np.ravel(row)) for row in found])
    if raw.dtype == np.float64 or kind == "labels":
        assert_array_equal(found, raw)


def test_probabilities_sum_to_one_in_float64():
    X = np.random.RandomState(0).standard_normal((300, 3))
    for n_classes in (2, 3, 50):
        y = np.arange(300) % n_classes
        model = make_tabular_classifier(**QUICK).fit(X, y)
        found = model.predict_proba(X)
        assert_allclose(found.sum(axis=1), 1, rtol=1e-15)
        assert_array_equal(model.classes_[found.argmax(axis=1)], model.predict(X))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Of probabilities that do not sum to 1.
            log_loss(y, found)


@each_dtype
@pytest.mark.parametrize("is_hedged", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_predictions_of_a_regressor_are_float64(dtype, is_hedged, n_outputs):
    frame, y = table()
    y = y if n_outputs == 1 else np.column_stack([y, -y])
    model = make_tabular_regressor(**QUICK, dtype=dtype)
    if not is_hedged:
        model.set_params(network=model["network"].estimator)
    found = model.fit(frame, y).predict(frame)
    assert found.dtype == np.float64
    assert found.shape == np.shape(y)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, bool, "U1"])
def test_predicted_classes_keep_their_dtype(dtype):
    frame, y = table()
    y = np.asarray(y).astype(dtype)
    assert make_tabular_classifier(**QUICK).fit(frame, y).predict(frame).dtype == dtype


@pytest.mark.parametrize("fitted", [False, True])
def test_a_pipeline_has_the_methods_of_its_last_step(fitted):
    frame, y = table()
    classifier, regressor = (
        make(**QUICK) for make in (make_tabular_classifier, make_tabular_regressor)
    )
    for model in (classifier, regressor):
        if fitted:
            model.fit(frame, y)
    for method in METHODS:
        assert hasattr(classifier, method)
        assert not hasattr(regressor, method)
        with pytest.raises(AttributeError, match=f"has no attribute '{method}'"):
            getattr(regressor, method)
    assert not hasattr(classifier.set_params(network=Ridge()), "predict_proba")
    assert not hasattr(classifier.set_params(network="passthrough"), "predict")
