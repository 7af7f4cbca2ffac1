"""Columns of a table: detection of their types, and conversion to named inputs."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skscratch import make_tabular_classifier
from skscratch.tabular.columns import make_table_columns


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2020-01-01"] * 30),
        pd.to_timedelta([1] * 30),
        [datetime.date(2020, 1, 1)] * 30,
        pd.to_datetime(["2020-01-01"] * 30).tz_localize("UTC"),
        pd.period_range("2020", periods=30, freq="D"),
    ],
)
def test_a_column_of_dates_is_refused_by_name(column):
    frame, y = table()
    frame["when"] = column
    with pytest.raises(
        ValueError, match="column 'when' holds dates or durations: convert"
    ):
        make_tabular_classifier(**QUICK).fit(frame, y)


def test_sparse_tables_are_refused():
    with pytest.raises(ValueError, match="a table must be dense"):
        make_tabular_classifier(**QUICK).fit(sparse.eye_array(30).tocsr(), [0, 1] * 15)


def test_polars_frames_give_the_same_predictions():
    polars = pytest.importorskip("polars")
    frame, y = table()
    kept = frame.loc[7:, ["whole", "real", "truth", "text"]]
    y = y[7:]
    same = polars.DataFrame({name: kept[name].tolist() for name in kept})
    expected, found = (
        make_tabular_classifier(**QUICK).fit(X, y).predict_proba(X)
        for X in (kept, same)
    )
    assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "column",
    [
        [[1], [2, 3]] * 15,
        [[1, 2], [2, 3]] * 15,
        [{"a": 1}, {"a": 2}] * 15,
        [{"a": 1, "b": "c"}, {"a": 2, "b": None}] * 15,
        [{1}, {2}] * 15,
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_lists_or_records_is_refused_by_name(column, library):
    frames = pytest.importorskip(library)
    if library == "polars" and isinstance(column[0], set):
        pytest.skip("Polars has no columns of sets")
    frame = frames.DataFrame({"number": range(30), "several": column})
    with pytest.raises(ValueError, match="column 'several' holds lists or records"):
        make_tabular_classifier(**QUICK).fit(frame, [0, 1] * 15)


def test_infinity_is_refused_by_name():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    for infinity in (np.inf, -np.inf, Decimal("inf")):
        infinite = frame.astype({"real": object})
        infinite.loc[3, "real"] = infinity
        for call in (model.predict, lambda X: clone(model).fit(X, y)):
            with pytest.raises(ValueError, match="column 'real' contains infinity"):
                call(infinite)


def encode_categories(column, new):
    """Names of the inputs that are 1 for each new category, and number of inputs."""
    X = np.array(column, dtype=object)[:, np.newaxis]
    columns = make_tabular_classifier()["columns"].fit(X)
    inputs = columns.transform(np.array(new, dtype=object)[:, np.newaxis])
    names = columns.get_feature_names_out()
    is_own = np.array([name.startswith("categories__") for name in names])
    names, inputs = names[is_own], inputs[:, is_own]
    return [names[row == 1].tolist() for row in inputs], len(names)


def test_infrequent_and_unknown_categories_share_an_input():
    infrequent = ["categories__x0_infrequent"]
    seen = ["a", "a", "b", "b"]
    encoded, _ = encode_categories([*seen, "c"], ["a", "c", "d", None])
    assert encoded == [["categories__x0_a"], infrequent, infrequent, infrequent]
    # A missing value is a category like the others: infrequent if it occurs once.
    encoded, _ = encode_categories([*seen, None, None, "c"], [None, "c"])
    assert encoded == [["categories__x0_None"], infrequent]
    encoded, n_inputs = encode_categories([*seen, None], ["a", None])
    assert (encoded, n_inputs) == ([["categories__x0_a"], infrequent], 3)
    # Without infrequent categories there is no such input.
    encoded, n_inputs = encode_categories(seen, ["d", None])
    assert (encoded, n_inputs) == ([[], []], 2)


@pytest.mark.parametrize("n_categories", [99, 100, 101, 150])
def test_all_but_the_99_most_frequent_categories_are_infrequent(n_categories):
    names = [f"{i:03}" for i in range(n_categories)]
    encoded, n_inputs = encode_categories([*(names * 2), *names[:20]], names)
    assert encoded.count(["categories__x0_infrequent"]) == n_categories - 99
    assert len({*map(tuple, encoded)}) == n_inputs == min(n_categories, 100)


@pytest.mark.parametrize("library", ["pandas", "polars", "default"])
def test_names_of_inputs_are_unique_strings(library):
    if library != "default":
        pytest.importorskip(library)
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "x": [np.nan, *random.standard_normal(39)],
            "missingindicator_x": random.standard_normal(40),
            "'missingindicator_x'": random.standard_normal(40),
            "x_hat0": random.standard_normal(40),
            "t": ["None", None, "b_c", "infrequent"] * 9 + ["nan", "nan", "one", "two"],
            "t_b": ["c", "d"] * 20,
            "t_None": [None, "infrequent"] * 20,
        }
    )
    model = make_tabular_classifier(**QUICK)
    model["columns"].set_output(transform=library)
    model.fit(frame, [0, 1] * 20)
    names = model["columns"].get_feature_names_out().tolist()
    assert len(set(names)) == len(names)
    assert all(type(name) is str for name in names)
    assert {
        "numbers__missingindicator_x",
        "categories__t_None",
        "categories__t_'None'",
        "categories__t_nan",
        "categories__t_infrequent",
    } <= set(names)
    inputs = model["columns"].transform(frame)
    assert list(getattr(inputs, "columns", names)) == names


def test_a_column_of_another_type_than_in_fit_is_refused_by_name():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    with pytest.raises(ValueError, match="column 'real' was numeric in fit, but has a"):
        model.predict(frame.assign(real="much"))
    with pytest.raises(ValueError, match="column 'real' holds dates or durations"):
        model.predict(frame.assign(real=pd.Timestamp("2020-01-01")))
    with pytest.raises(ValueError, match="column 'text' holds dates or durations"):
        model.predict(frame.assign(text=pd.Timestamp("2020-01-01")))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.arange(30.0), r"two-dimensional, got an array of shape \(30,\)"),
        (np.ones((30, 2)) * 1j, "column 0 holds complex numbers"),
        (np.array([[1j, 2]] * 30, dtype=object), "column 0 holds complex numbers"),
        (pd.DataFrame(np.ones((30, 2)), columns=["a", "a"]), "unique column names"),
        (
            pd.DataFrame(
                np.ones((30, 1)), columns=pd.MultiIndex.from_tuples([("a", 1)])
            ),
            r"one name per column, got \[\('a', 1\)\]",
        ),
        (pd.DataFrame(index=range(30)), "at least one column, got none"),
        (
            np.array([[10**400]] * 30, dtype=object),
            "column 0 was numeric in fit, but has a value that is not",
        ),
        (np.full((30, 1), np.inf), "column 0 contains infinity"),
        ([], "list of rows of equal length, got an empty list"),
        ([1, 2], "got a list with items that are not rows"),
        (([1], [1, 2], [1, 2, 3]), "got rows of 1 to 3 values"),
        ({"a": [1, 2]}, "an array or a list of rows, got dict"),
    ],
)
def test_invalid_tables_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        make_tabular_classifier(**QUICK).fit(X, [0, 1] * 15)


def test_columns_are_identified_by_names_that_are_strings_or_by_position():
    frame, y = table()
    named = frame[["text", "real"]].fillna({"text": "none"})
    by_number = named.set_axis([1, 0], axis=1)
    expected, found = (
        make_tabular_classifier(**QUICK).fit(X, y).predict_proba(X)
        for X in (named, by_number)
    )
    assert_array_equal(found, expected)
    model = make_tabular_classifier(**QUICK).fit(named, y)
    assert_array_equal(model.predict_proba(named[["real", "text"]]), expected)


def test_a_polars_column_of_records_is_refused_by_name():
    polars = pytest.importorskip("polars")
    nested = polars.DataFrame({"a": [{"x": 1, "y": 2}] * 30})
    with pytest.raises(ValueError, match="column 'a' holds lists or records"):
        make_tabular_classifier(**QUICK).fit(nested, [0, 1] * 15)


def test_tables_that_are_not_in_memory_are_refused():
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame({"a": np.arange(30.0)}).lazy()
    with pytest.raises(ValueError, match="must be in memory, got LazyFrame: call its"):
        make_tabular_classifier(**QUICK).fit(lazy, [0, 1] * 15)
