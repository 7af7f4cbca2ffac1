"""Folds that members hold out: of equal size, disjoint and stratified."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from skscratch.tabular.folds import draw_folds, strata_of_numbers


@given(
    n_rows=st.integers(4, 200),
    n_classes=st.integers(0, 5),
    fraction=st.sampled_from([0.1, 0.125, 0.25, 0.3, 0.4, 0.5]),
    seed=seeds,
)
def test_folds_are_of_equal_size_and_disjoint(n_rows, n_classes, fraction, seed):
    random = np.random.RandomState(seed)
    strata = random.randint(n_classes, size=n_rows) if n_classes else None
    counts = np.bincount(strata) if n_classes else np.array([n_rows])
    if counts[counts > 1].sum() < 4:
        return
    folds = draw_folds(n_rows, strata, fraction, random)
    assert 2 <= len(folds) <= max(2, round(1 / fraction))
    sizes = {(len(train), len(held)) for train, held in folds}
    assert len(sizes) == 1
    every = np.concatenate([held for _, held in folds])
    assert len(np.unique(every)) == len(every)
    for train, held in folds:
        assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(n_rows))
    if n_classes:
        # Each class is in each fold as often as in the others, within one row.
        held_counts = np.array(
            [np.bincount(strata[held], minlength=n_classes) for _, held in folds]
        )
        assert (np.ptp(held_counts, axis=0) <= 1).all()
        alone = np.flatnonzero(np.isin(strata, np.flatnonzero(counts == 1)))
        assert not np.isin(alone, every).any()


@given(
    n_rows=st.integers(30, 300),
    fraction=st.floats(0.05, 0.95),
    seed=seeds,
    are_numbers=st.booleans(),
)
def test_folds_hold_out_as_many_rows_as_asked_for(n_rows, fraction, seed, are_numbers):
    random = np.random.RandomState(seed)
    strata = np.sort(random.permutation(n_rows) % 3)
    if are_numbers:
        strata = strata_of_numbers(random.rand(n_rows), fraction)
    folds = draw_folds(n_rows, strata, fraction, random)
    assert len(folds) >= 2
    for train, held in folds:
        # But two rows at least in each part.
        assert abs(len(held) - fraction * n_rows) <= 2
        assert np.array_equal(np.sort(np.r_[train, held]), np.arange(n_rows))
    part = 0 if fraction > 0.5 else 1
    smaller = np.concatenate([fold[part] for fold in folds])
    # A row of a class of one is always trained on.
    smaller = smaller[np.bincount(strata)[strata[smaller]] > 1]
    assert len(np.unique(smaller)) == len(smaller)


@pytest.mark.parametrize("fraction", [1e-300, 1e-6, 1 - 1e-6, np.nextafter(1.0, 0.0)])
def test_extreme_shares_leave_two_rows_in_each_part(fraction):
    y = np.arange(20.0)
    for strata in (None, strata_of_numbers(y, fraction)):
        folds = draw_folds(20, strata, fraction, np.random.RandomState(0))
        sizes = {(len(train), len(held)) for train, held in folds}
        assert sizes == {(2, 18) if fraction > 0.5 else (18, 2)}


def test_the_only_row_of_a_class_is_trained_on_whatever_the_share():
    strata = np.r_[np.zeros(30, int), np.ones(30, int), 2]
    for fraction in (0.125, 0.5, 0.9):
        for train, _ in draw_folds(61, strata, fraction, np.random.RandomState(0)):
            assert 60 in train


def test_rows_of_classes_of_one_are_held_out_if_there_are_no_others():
    folds = draw_folds(20, np.arange(20), 0.25, np.random.RandomState(0))
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(20))


@given(
    n_large=st.integers(1, 12),
    fraction=st.sampled_from([0.1, 0.125, 0.25, 0.5]),
    seed=seeds,
)
def test_folds_of_numbers_share_the_few_large_ones(n_large, fraction, seed):
    random = np.random.RandomState(seed)
    y = np.where(np.arange(120) < n_large, 1000.0, 0.0) + random.rand(120)
    random.shuffle(y)
    folds = draw_folds(120, strata_of_numbers(y, fraction), fraction, random)
    counts = [np.count_nonzero(y[held] > 500) for _, held in folds]
    assert sum(counts) == n_large
    assert max(counts) - min(counts) <= 1


def test_the_same_random_state_gives_the_same_folds():
    first, again = (
        draw_folds(50, None, 0.125, np.random.RandomState(3)) for _ in range(2)
    )
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("n_rows", "strata"), [(1, None), (3, None), (3, [0, 1, 1])])
def test_too_few_rows_are_refused(n_rows, strata):
    strata = None if strata is None else np.array(strata)
    with pytest.raises(ValueError, match="early stopping needs at least 4 samples"):
        draw_folds(n_rows, strata, 0.125, np.random.RandomState(0))
