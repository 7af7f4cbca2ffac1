"""Conversion of columns to numbers and to text."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skscratch.tabular.columns import make_table_columns
from skscratch.tabular.conversion import (
    NumberConverter,
    is_numeric,
    to_categories,
    to_numbers,
)
from skscratch.tabular.tables import table_columns


def numeric_names(X):
    return [name for name, column in table_columns(X) if is_numeric(name, column)]


def test_numeric_columns_follow_from_the_values():
    frame, _ = table()
    numeric = ["whole", "real", "truth", "nullable", "numbers in objects"]
    assert numeric_names(frame) == numeric
    assert numeric_names(np.ones((3, 2))) == [0, 1]
    array = np.array(
        [[1, "a", Decimal("0.5"), np.True_], [None, "b", None, None]], dtype=object
    )
    assert numeric_names(array) == [0, 2, 3]
    assert numeric_names(np.array([["a", "b"]])) == []


def test_missing_values_of_every_kind_are_found():
    missing = np.array([[None], [np.nan], [pd.NA], [pd.NaT]], dtype=object)
    assert np.isnan(to_numbers(missing)).all()
    assert to_categories(missing).ravel().tolist() == [None] * 4
    frame, _ = table()
    assert np.isnan(to_numbers(frame[["real", "nullable"]])).sum(axis=0).tolist() == [
        1,
        1,
    ]
    assert to_categories(frame[["category"]])[6, 0] is None
    assert set(to_categories(frame[["category"]])[:6, 0]) == {"1", "2"}


@pytest.mark.parametrize("dtype", [object, "S3"])
def test_bytes_are_text(dtype):
    array = np.array([[b"a"], [b"\xe9"], [b"b 1"]], dtype=dtype)
    assert to_categories(array).ravel().tolist() == ["a", "\xe9", "b 1"]
    text = array.astype(object)
    text[:, 0] = [value.decode("latin-1") for value in array[:, 0]]
    columns = make_table_columns().fit(np.repeat(array, 4, axis=0))
    assert columns.get_feature_names_out()[0] == "categories__x0_a"
    assert_array_equal(columns.transform(text), columns.transform(array))


def test_numbers_too_large_are_refused_in_fit_and_later():
    message = "column 'a' contains a number too large for float64"
    huge = pd.DataFrame({"a": [10**400, 1, 2]})
    with pytest.raises(ValueError, match=message):
        make_table_columns().fit(huge)
    columns = make_table_columns().fit(pd.DataFrame({"a": [0, 1, 2]}))
    with pytest.raises(ValueError, match=message):
        columns.transform(huge)


@given(st.lists(st.none() | st.floats(allow_infinity=False), min_size=1, max_size=9))
def test_numbers_are_those_of_pandas(values):
    frame = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    expected = pd.Series(values, dtype="float64")
    assert_array_equal(to_numbers(frame)[:, 0], expected)
    if not expected.isna().all():
        text = frame.map(lambda value: None if value is None else repr(value))
        converter = NumberConverter().fit(text)
        assert converter.is_text_.tolist() == [True]
        assert_array_equal(converter.transform(text)[:, 0], expected)
