"""The periodic encoder: cosines of the frequencies and phases that it has drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from strategies import few, seeds

from skscratch.tabular.periodic import PeriodicEncoder


@parametrize_with_checks([PeriodicEncoder(random_state=0)])
def test_the_encoder_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@given(seed=seeds, n_waves=st.integers(1, 5))
@few
def test_columns_are_cosines(seed, n_waves):
    X = np.random.RandomState(seed).standard_normal((7, 3))
    encoder = PeriodicEncoder(n_waves=n_waves, random_state=seed).fit(X)
    encoded = encoder.transform(X)
    assert encoded.shape == (7, 3 * n_waves)
    angles = 2 * np.pi * (X[:, :, np.newaxis] * encoder.frequencies_ + encoder.phases_)
    assert_allclose(encoded, np.cos(angles).reshape(7, -1), atol=1e-9)
    again = clone(encoder).fit(X)
    assert_array_equal(again.transform(X), encoded)
    assert_array_equal(encoder.transform(X[2:4]), encoded[2:4])


def test_frequencies_grow_in_equal_ratios():
    encoder = PeriodicEncoder(0.01, 10.0, n_waves=4, random_state=0)
    encoder.fit(np.zeros((2, 4000)))
    assert_allclose(encoder.frequencies_.std(axis=0), [0.01, 0.1, 1, 10], rtol=0.05)
    assert_allclose(encoder.frequencies_.mean(axis=0) / [0.01, 0.1, 1, 10], 0, atol=0.1)
    assert np.abs(encoder.phases_).max() <= 0.5


@pytest.mark.parametrize(
    ("n_features", "n_waves"), [(1, 8), (60, 8), (100, 4), (240, 2), (5000, 2)]
)
def test_many_features_have_few_waves_each(n_features, n_waves):
    encoder = PeriodicEncoder(random_state=0).fit(np.zeros((2, n_features)))
    assert encoder.frequencies_.shape == (n_features, n_waves)


def test_large_numbers_keep_their_fractions():
    X = np.array([[1e6], [1e6 + 0.25]])
    encoder = PeriodicEncoder(dtype="float32", random_state=0).fit(X)
    encoded = encoder.transform(X)
    assert encoded.dtype == np.float32
    exact = PeriodicEncoder(random_state=0).fit(X).transform(X)
    assert_allclose(encoded, exact, atol=1e-5)


def test_names_tell_feature_and_wave():
    encoder = PeriodicEncoder(n_waves=2, random_state=0).fit(np.zeros((2, 2)))
    names = encoder.get_feature_names_out(["a", "b"])
    assert names.tolist() == ["a_wave0", "a_wave1", "b_wave0", "b_wave1"]


def test_an_encoder_without_a_seed_leaves_numpys_random_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (PeriodicEncoder().fit(np.zeros((2, 2))) for _ in range(2))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert not np.array_equal(first.phases_, second.phases_)
