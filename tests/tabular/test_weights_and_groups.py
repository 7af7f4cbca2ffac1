"""Weights of 0 and groups: what the preparation of columns learns, and from what."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from skscratch import make_tabular_classifier
from skscratch.tabular.categories import TargetMeans


def table_of_groups(n_groups, n_rows, seed=0):
    """Groups of rows, named in a column, and a target that depends on the group."""
    random = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_groups), n_rows)
    is_high = np.repeat(random.rand(n_groups) < 0.5, n_rows)
    y = (random.rand(len(groups)) < np.where(is_high, 0.95, 0.05)).astype(int)
    names = [f"patient {group}." for group in groups]
    X = pd.DataFrame({"patient": names, "x": 0.8 * y + random.randn(len(groups))})
    return X, y, groups


def test_means_of_the_target_do_not_tell_of_the_rows_groups():
    X, y, groups = table_of_groups(150, 4)
    columns = make_tabular_classifier(random_state=0)["columns"]
    X = X[["patient", "x"]]
    alone = clone(columns).fit_transform(X, y)
    grouped = clone(columns).fit_transform(X, y, groups=groups)
    part = clone(columns).fit(X, y).output_indices_["targets"]
    assert np.ptp(alone[:, part]) > 1
    # No other group has the patient: each mean is that of the rows of a fold.
    assert len(np.unique(grouped[:, part].round(6))) <= 2
    fitted = clone(columns)
    fitted.fit_transform(X, y, groups=groups)
    assert fitted.named_transformers_["targets"].cv == 2


def test_a_fit_with_groups_computes_means_by_group():
    X, y, groups = table_of_groups(120, 4)
    model = make_tabular_classifier(
        **QUICK, validation_split=GroupKFold(3), kinds=("pieces",)
    )
    received = []
    fit_transform = TargetMeans.fit_transform

    def spy(means, X, y=None):
        received.append(means.cv)
        return fit_transform(means, X, y)

    with mock.patch.object(TargetMeans, "fit_transform", spy):
        model.fit(X, y, groups=groups)
    ((first, second),) = received
    for train, test in (first, second):
        assert not set(groups[train]) & set(groups[test])


def test_rows_of_weight_0_teach_nothing():
    X, y, _ = table_of_groups(130, 3)
    X["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(X)), "D")
    weights = np.ones(len(X))
    weights[::5] = 0
    other_X, other_y = X.copy(), np.where(weights == 0, 1 - y, y)
    other_X.loc[weights == 0, "x"] *= 100
    model = make_tabular_classifier(**QUICK, kinds=("pieces",))
    first = clone(model).fit(X, y, sample_weight=weights)
    second = clone(model).fit(other_X, other_y, sample_weight=weights)
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_columns_are_fitted_to_the_rows_that_count(output):
    X, y, _ = table_of_groups(130, 3)
    weights = np.ones(len(X))
    weights[1::4] = 0
    columns = make_tabular_classifier(random_state=0)["columns"]
    columns.set_output(transform=output)
    encoded = columns.fit_transform(X, y, sample_weight=weights)
    alone = clone(columns)
    kept = alone.fit_transform(X[weights > 0], y[weights > 0])
    assert type(encoded) is type(kept)
    assert_array_equal(np.asarray(encoded)[weights > 0], np.asarray(kept))
    rest = alone.transform(X[weights == 0])
    assert_array_equal(np.asarray(encoded)[weights == 0], np.asarray(rest))


@pytest.mark.parametrize("weights", ["heavy", [1.0], -1])
def test_invalid_weights_are_refused_by_the_network(weights):
    X, y, _ = table_of_groups(10, 4)
    if weights == -1:
        weights = np.where(np.arange(40) == 3, -1.0, 0.0)
    model = make_tabular_classifier(**QUICK)
    with pytest.raises(ValueError, match=r"(?i)sample_weight|could not convert"):
        model.fit(X, y, sample_weight=weights)


def test_a_category_without_meaning_is_not_learned():
    random = np.random.RandomState(0)
    names = [f"key {code}." for code in random.randint(300, size=3000)]
    X = pd.DataFrame({"key": names, "x": random.randn(3000)})
    y = random.randint(2, size=3000)
    model = make_tabular_classifier(effort="low", kinds=("ranks",), random_state=0)
    model.fit(X[:1000], y[:1000])
    assert "targets" in model["columns"].describe()[0].inputs
    # With means over five folds it is 0.77: the others tell of the row's own target.
    assert log_loss(y[1000:], model.predict_proba(X[1000:])) < 0.72
