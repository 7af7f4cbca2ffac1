"""Encoding of categories: names of inputs, and cross-fitted means of the target."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from skscratch.tabular.categories import TargetMeans, category_name

names = st.text("a_'\"\\", max_size=6)
categories = st.one_of(names, st.sampled_from([None, "None", "infrequent"]))
infrequent = "infrequent_sklearn"


@given(
    one=st.tuples(names, categories | st.just(infrequent)),
    other=st.tuples(names, categories | st.just(infrequent)),
)
def test_different_categories_have_different_names(one, other):
    is_same = category_name(*one) == category_name(*other)
    assert isinstance(category_name(*one), str)
    assert is_same == (one == other)
    assert category_name("a", np.nan) == category_name("a", None)


def drawn_categories(n_rows=300, n_categories=40):
    random = np.random.RandomState(0)
    effects = random.standard_normal(n_categories)
    codes = random.randint(n_categories, size=n_rows)
    frame = pd.DataFrame({"city": [f"c{code}" for code in codes]}, dtype=object)
    frame.loc[::9, "city"] = None
    return frame, effects[codes] + 0.3 * random.standard_normal(n_rows)


TARGETS = {
    "numbers": lambda y: 1000 + 50 * y,
    "two classes": lambda y: np.where(y > 0, "yes", "no"),
    "booleans": lambda y: y > 0,
    "classes": lambda y: np.digitize(y, [-1, 0, 1]),
}
TYPES = {"numbers": "continuous", "classes": "multiclass"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("form", [np.asarray, pd.Series, list, lambda y: y[:, None]])
def test_means_are_those_of_scikit_learn(target, form):
    frame, y = drawn_categories()
    y = TARGETS[target](y)
    means = TargetMeans(random_state=3)
    training = means.fit_transform(frame, form(y))
    expected = TargetEncoder(
        target_type=TYPES.get(target, "binary"),
        cv=KFold(2, shuffle=True, random_state=3),
    )
    raw = expected.fit_transform(frame, y)
    assert_allclose(training, (raw - raw.mean(axis=0)) / raw.std(axis=0))
    new = pd.DataFrame({"city": ["c1", None, "unknown"]}, dtype=object)
    raw_of_new = (expected.transform(new) - raw.mean(axis=0)) / raw.std(axis=0)
    assert_allclose(means.transform(new), raw_of_new)
    n_columns = 4 if target == "classes" else 1
    assert training.shape == (300, n_columns)
    assert means.n_outputs_per_feature_ == [n_columns]
    assert len(set(means.get_feature_names_out())) == n_columns


@pytest.mark.parametrize("target", TARGETS)
def test_a_row_does_not_see_its_own_target(target):
    """A category that has nothing to do with the target looks so in training."""
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"key": random.randint(150, size=300).astype(str)})
    y = TARGETS[target](random.standard_normal(300))
    means = TargetMeans(random_state=0)
    fair = means.fit_transform(frame, y)[:, -1]
    leaking = means.transform(frame)[:, -1]
    number = pd.Series(y).astype("category").cat.codes
    number = (number == number.max()) if target != "numbers" else y
    assert abs(np.corrcoef(fair, number)[0, 1]) < 0.2
    assert np.corrcoef(leaking, number)[0, 1] > 0.4


@pytest.mark.parametrize(
    "y",
    [
        None,
        np.ones(300),
        np.zeros((300, 2)),
        np.arange(300) % 11,
        np.arange(299) % 2,
        np.array(["a", None] * 150, dtype=object),
        np.array(["a", 1] * 150, dtype=object),
        np.array([1.5, np.nan] * 150),
        np.array([1.5, np.inf] * 150),
        np.array([1.5, 1e300] * 150),
        np.full(300, 1j),
        np.full(300, "2020", "M8[D]"),
        [{}] * 300,
    ],
)
@pytest.mark.parametrize("target_type", ["auto", "classes", "numbers"])
def test_other_targets_are_left_to_the_network(y, target_type):
    frame, _ = drawn_categories()
    means = TargetMeans(target_type=target_type)
    if target_type == "numbers" and np.shape(y) == (300,) and y[10] == 10:
        assert means.fit_transform(frame, y).shape == (300, 1)
        return
    if target_type == "classes" and np.shape(y) == (300,) and y[1] in (np.inf, 1e300):
        return  # Two classes, unusual but different.
    assert means.fit_transform(frame, y).shape == (300, 0)
    assert means.transform(frame).shape == (300, 0)
    assert means.get_feature_names_out().tolist() == []
    assert means.n_outputs_per_feature_ == [0]


def test_the_target_type_may_be_given():
    frame, _ = drawn_categories()
    counts = np.arange(300) % 4
    assert TargetMeans().fit_transform(frame, counts).shape == (300, 4)
    numbers = TargetMeans(target_type="numbers")
    assert numbers.fit_transform(frame, counts).shape == (300, 1)
    assert TargetMeans(max_classes=3).fit_transform(frame, counts).shape == (300, 0)


def test_the_folds_depend_on_the_random_state_alone():
    frame, y = drawn_categories()
    first, again, other = (
        TargetMeans(random_state=seed).fit_transform(frame, y) for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    means = TargetMeans(random_state=np.random.RandomState(0), dtype="float32")
    assert clone(means).fit(frame, y).transform(frame).dtype == np.float32


def test_the_folds_may_be_given():
    frame, y = drawn_categories()
    halves = np.arange(300) < 150
    folds = [(np.flatnonzero(~one), np.flatnonzero(one)) for one in (halves, ~halves)]
    means = TargetMeans(cv=folds).fit_transform(frame, y)
    changed = TargetMeans(cv=folds).fit_transform(frame, np.where(halves, y, y[::-1]))
    # The second half is encoded by the first, whose targets are the same.
    ranks = [np.unique(m[150:], return_inverse=True)[1] for m in (means, changed)]
    assert_array_equal(*ranks)
    assert not np.allclose(means[:150], changed[:150])


def test_means_need_no_groups_when_metadata_is_routed():
    frame, y = drawn_categories()
    expected = TargetMeans(random_state=0).fit_transform(frame, y)
    with sklearn.config_context(enable_metadata_routing=True):
        found = TargetMeans(random_state=0).fit_transform(frame, y)
    assert_array_equal(found, expected)


def test_means_that_do_not_vary_have_no_effect():
    frame = pd.DataFrame({"a": ["x"] * 10})
    # In each half, or in one of them, half of the targets are 1.
    halves = [(np.arange(5, 10), np.arange(5)), (np.arange(5), np.arange(5, 10))]
    for y, is_constant in (
        ([0, 1] * 5, False),
        ([0, 1] * 2 + [0] + [1, 0] * 2 + [0], True),
    ):
        means = TargetMeans(cv=halves).fit(frame, y)
        assert np.isinf(means.scale_[0]) == is_constant
        if is_constant:
            assert (means.transform(frame) == 0).all()
