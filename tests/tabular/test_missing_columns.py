"""Columns of which ``fit`` sees missing values only."""

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK
from numpy.testing import assert_array_equal
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch.tabular.conversion import is_numeric
from skscratch.tabular.tables import table_columns

each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)
TEXT = ["str", "string", "string[python]", "object", "category"]
NUMBERS = ["float64", "float32", "Int64", "Float32", "boolean"]
MISSING = [None, np.nan, pd.NA]
WORDS = [None] * 20 + ["red", "blue"] * 20
FORMS = {
    **{
        dtype: lambda words, dtype=dtype: pd.DataFrame(
            {"x": np.arange(len(words)) % 7, "text": pd.Series(words, dtype=dtype)}
        )
        for dtype in TEXT
    },
    "polars": lambda words: pytest.importorskip("polars").DataFrame(
        {"x": np.arange(len(words)) % 7, "text": words}
    ),
    "array": lambda words: np.array(
        [[i % 7, word] for i, word in enumerate(words)], dtype=object
    ),
    "list": lambda words: [[i % 7, word] for i, word in enumerate(words)],
}


def numeric_columns(X):
    return [is_numeric(*column) for column in table_columns(X)]


@pytest.mark.parametrize("dtype", TEXT)
@pytest.mark.parametrize("missing", MISSING)
def test_text_that_is_all_missing_is_categorical(dtype, missing):
    frame = pd.DataFrame({"a": pd.Series([missing] * 3, dtype=dtype)})
    assert numeric_columns(frame) == [False]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_that_are_all_missing_are_numeric(dtype):
    frame = pd.DataFrame({"a": pd.Series([None] * 3, dtype=dtype)})
    assert numeric_columns(frame) == [True]


@pytest.mark.parametrize("missing", MISSING)
def test_objects_that_are_all_missing_are_categorical(missing):
    array = np.array([[missing, 1, missing]] * 3, dtype=object)
    array[0, 2] = 0.5
    assert numeric_columns(array) == [False, True, True]
    assert numeric_columns(np.full((3, 2), np.nan)) == [True, True]


def test_polars_columns_that_are_all_missing_follow_their_dtype():
    polars = pytest.importorskip("polars")
    dtypes = {
        polars.String: False,
        polars.Null: False,
        polars.Object: False,
        polars.Categorical: False,
        polars.Enum(["a"]): False,
        polars.Float32: True,
        polars.Int64: True,
        polars.Boolean: True,
    }
    frame = polars.DataFrame(
        [
            polars.Series(f"{i}", [None] * 3, dtype=dtype)
            for i, dtype in enumerate(dtypes)
        ]
    )
    assert numeric_columns(frame) == [*dtypes.values()]


@each_recipe
@pytest.mark.parametrize("form", FORMS)
def test_a_table_whose_text_begins_later_is_validated(make, form):
    X, y = FORMS[form](WORDS), np.arange(60) % 2
    cv = TimeSeriesSplit(3)  # The text of the first fold is all missing.
    scores = cross_val_score(make(**QUICK), X, y, cv=cv, error_score="raise")
    assert np.isfinite(scores).all()


@each_recipe
@pytest.mark.parametrize("form", FORMS)
def test_new_values_in_a_column_that_was_all_missing_have_no_effect(make, form):
    missing, words = FORMS[form]([None] * 60), FORMS[form](WORDS)
    model = make(**QUICK).fit(missing, np.arange(60) % 2)
    assert model["columns"].describe()[1][1:3] == ("dropped", "without values")
    assert_array_equal(
        model["columns"].transform(words), model["columns"].transform(missing)
    )
    assert_array_equal(model.predict(words), model.predict(missing))
