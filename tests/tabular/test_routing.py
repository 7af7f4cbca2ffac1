"""Sample weights reach the recipes' networks and scores by metadata routing."""

import numpy as np
import pytest
import sklearn
from estimator_strategies import QUICK, table
from numpy.testing import assert_array_equal
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from skscratch import make_tabular_classifier, make_tabular_regressor

RECIPES = {"classifier": make_tabular_classifier, "regressor": make_tabular_regressor}
METRICS = {"classifier": accuracy_score, "regressor": r2_score}
ALPHA = "network__estimator__alpha"
each_recipe = pytest.mark.parametrize("name", RECIPES)
WEIGHTS = np.random.RandomState(0).uniform(0.1, 5, 30)


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def make_weighted(name, *, fit, score):
    """Pipeline that requests sample weights or not; None leaves that open."""
    model = RECIPES[name](**QUICK)
    model["network"].set_fit_request(sample_weight=fit)
    model["network"].set_score_request(sample_weight=score)
    return model


@each_recipe
def test_no_weights_are_needed(name):
    frame, y = table()
    model = RECIPES[name](**QUICK).fit(frame, y)
    assert model.score(frame, y) == METRICS[name](y, model.predict(frame))
    assert np.isfinite(cross_val_score(model, frame, y, cv=2)).all()
    search = GridSearchCV(model, {ALPHA: [0.0, 1.0]}, cv=2, error_score="raise")
    assert np.isfinite(search.fit(frame, y).best_score_)


@each_recipe
@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize("score", [True, None])
def test_weights_are_used_where_they_are_requested(name, fit, score):
    frame, y = table()
    with sklearn.config_context(enable_metadata_routing=False):
        used = {"network__sample_weight": WEIGHTS} if fit else {}
        expected = RECIPES[name](**QUICK).fit(frame, y, **used).predict(frame)
    passed = {"sample_weight": WEIGHTS}
    model = make_weighted(name, fit=fit, score=score)
    model.fit(frame, y, **passed if fit else {})
    assert_array_equal(model.predict(frame), expected)
    found = model.score(frame, y, **passed if score else {})
    weights = WEIGHTS if score else None
    assert found == METRICS[name](y, expected, sample_weight=weights)


@each_recipe
def test_weights_pass_through_validation_and_search(name):
    frame, y = table()
    model, split = make_weighted(name, fit=True, score=True), np.arange(30) % 2
    folds = [(np.flatnonzero(split == i), np.flatnonzero(split != i)) for i in (0, 1)]
    expected = [
        model.fit(frame.iloc[train], y[train], sample_weight=WEIGHTS[train]).score(
            frame.iloc[test], y[test], sample_weight=WEIGHTS[test]
        )
        for train, test in folds
    ]
    params = {"sample_weight": WEIGHTS}
    found = cross_validate(
        model, frame, y, cv=folds, params=params, error_score="raise"
    )
    assert_array_equal(found["test_score"], expected)
    search = GridSearchCV(model, {ALPHA: [0.0]}, cv=folds, error_score="raise")
    assert search.fit(frame, y, **params).best_score_ == np.mean(expected)
    model.fit(frame, y, **params)
    assert search.score(frame, y, **params) == model.score(frame, y, **params)


@each_recipe
def test_weights_that_are_not_requested_are_refused(name):
    frame, y = table()
    model = RECIPES[name](**QUICK).fit(frame, y)
    for call in (model.fit, model.score):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            call(frame, y, sample_weight=WEIGHTS)
