"""Numbers that arrive as text: recognized in ``fit``, and followed in ``predict``."""

import math
import pickle
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch.tabular.numeric_text import in_the_way, read_number
from skscratch.tabular.roles import find_roles

RECIPES = [make_tabular_classifier, make_tabular_regressor]
each_recipe = pytest.mark.parametrize("make", RECIPES)


def polars_frame(rows):
    polars = pytest.importorskip("polars")
    columns = zip(*rows, strict=True)
    return polars.DataFrame({f"{i}": list(c) for i, c in enumerate(columns)})


def numpy_strings(rows):
    return np.array(rows, dtype=np.dtypes.StringDType(na_object=None))


FORMS = {
    "str": lambda rows: pd.DataFrame(rows, dtype="str"),
    "string": lambda rows: pd.DataFrame(rows, dtype="string"),
    "object": lambda rows: pd.DataFrame(rows, dtype=object),
    "polars": polars_frame,
    "objects": lambda rows: np.array(rows, dtype=object),
    "array": np.array,
    "bytes": lambda rows: np.array(rows, dtype="S"),
    "StringDType": numpy_strings,
    "list": lambda rows: rows,
}
each_form = pytest.mark.parametrize("form", FORMS)


def is_numeric(column, dtype=object):
    """Whether a column is a number, if the table has no other."""
    X = pd.DataFrame({"a": pd.Series(column, dtype=dtype)})
    (role,) = find_roles(X)
    assert role.role in ("number", "category", "date")
    return role.role == "number"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("+5", 5.0),
        ("-0", 0.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e5", 1e5),
        ("-1.5E-3", -1.5e-3),
        ("\u0663", 3.0),  # An Arabic digit.
        (b"2.5", 2.5),
        ("inf", np.inf),
        (Decimal("0.5"), 0.5),
        (True, 1.0),
        *((text, np.nan) for text in ("nan", "NaN", "NA", "", "  ", "None", "<NA>")),
        *((value, np.nan) for value in (None, np.nan, pd.NA, pd.NaT)),
        *((text, None) for text in ("1_000", "0x10", "62%", "1,5", "--1", "one", "²")),
        (10**400, None),
        ((1, 2), None),
    ],
)
def test_a_value_is_read_as_a_number(text, number):
    found = read_number(text)
    assert type(found) is type(number)
    assert found == number or math.isnan(found)
    assert number is None or math.isnan(found) == math.isnan(number)


NUMERIC = [
    ["1", "2.5", "-3e2"],
    ["1", None, "nan", "NA", ""],
    [" 5 ", "-0", "0.5", "0"],
    [1, "2", Decimal("0.5"), None],
    ["7"],
]
CATEGORICAL = [
    ["007", "123"],
    ["1", "-01"],
    ["\u0660\u0661", "1"],
    ["00", "10"],
    ["007", "008", "123", "unknown"],
    ["", "nan", None],
    ["a", "b", "1"],
    ["0x10", "0x11"],
    ["10-20", "20-30"],
    ["2020-01-01", "2020-01-02"],
    ["044 123 45 67", "+41 44 123 45 67"],
    ["12:30", "13:00"],
    ["1.2.3", "1.2.4"],
    ["(1, 2)", "[3]"],
    [(1, [2]), "b"],
]
# Columns that nearly are numeric, and the values that the warning names.
NEARLY = [
    (["62%", "5 %"], "'5 %', '62%'"),
    (["1,234.56", "7"], "'1,234.56'"),
    (["1.234,56", "1.234.567"], "'1.234,56', '1.234.567'"),
    (["1'234", "1\u2019234"], "\"1'234\", '1\u2019234'"),
    (["$ 5.00", "$6", "-$7"], "'$ 5.00', '$6', '-$7'"),
    (["5 \u20ac", "CHF 6"], "'5 \u20ac', 'CHF 6'"),
    (["3,14", "2,72"], "'2,72', '3,14'"),
    (["1_000", "2"], "'1_000'"),
    (["\u22125", "2"], "'\u22125'"),
    (["1 000", "2"], "'1 000'"),
    (["1", "2", "3.5", "unknown"], "'unknown'"),
    ([1, 2, 3.5, "unknown", None], "'unknown'"),
    ([*map(str, range(9)), *"vutsw"], "'s', 't', 'u' and 2 more"),
]


@pytest.mark.parametrize("column", NUMERIC)
@pytest.mark.parametrize("dtype", [object, "str", "string"])
def test_text_of_numbers_is_numeric(column, dtype):
    if dtype is not object:
        column = [None if value is None else str(value) for value in column]
    assert is_numeric(column, dtype)
    assert not is_numeric(column, "category")


@pytest.mark.parametrize("column", CATEGORICAL)
def test_other_text_is_categorical_without_a_warning(column):
    assert not is_numeric(column)


@pytest.mark.parametrize(("column", "named"), NEARLY)
@each_recipe
def test_a_column_that_nearly_is_numeric_causes_one_warning(make, column, named):
    frame = pd.DataFrame({"a": pd.Series(column * 10, dtype=object)})
    y = np.arange(len(frame)) % 2
    with pytest.warns(UserWarning, match="categorical") as caught:
        model = make(**QUICK).fit(frame, y)
    # Not those of training, of another category.
    caught = [one for one in caught if one.category is UserWarning]
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("column 'a' is treated as categorical, although most")
    assert f"can't be read as numbers: {named}. If" in message
    assert caught[0].filename == __file__
    assert set(model["columns"].output_indices_) >= {"categories"}
    # The ways out that it names.
    make(**QUICK, numbers_in_text=False).fit(frame, y)
    make(**QUICK).fit(frame.astype("category"), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)


@each_form
@each_recipe
def test_text_of_numbers_gives_the_same_predictions(make, form):
    X, y = load_wine(return_X_y=True)
    model = make(**QUICK).fit(X, y)
    text = FORMS[form](X.astype(str).tolist())
    other = clone(make(**QUICK)).fit(text, y)
    assert_array_equal(other.predict(text), model.predict(X))
    assert_array_equal(other.predict(X), model.predict(X))
    off = make(**QUICK, numbers_in_text=False).fit(text, y)
    names = off["columns"].get_feature_names_out()
    # Text that hardly repeats is encoded by its n-grams.
    assert all(name.startswith(("categories__", "text__")) for name in names)


@each_form
def test_missing_text_is_missing_like_a_number(form):
    if form == "bytes":
        pytest.skip("None is the text 'None' there, which is tested elsewhere")
    X = np.random.RandomState(0).standard_normal((30, 2))
    rows = [[str(a), "" if i % 5 == 0 else str(b)] for i, (a, b) in enumerate(X)]
    X[::5, 1] = np.nan
    y = np.arange(30) % 2
    expected = make_tabular_classifier(**QUICK).fit(X, y).predict_proba(X)
    text = FORMS[form](rows)
    found = make_tabular_classifier(**QUICK).fit(text, y).predict_proba(text)
    assert_array_equal(found, expected)


@each_form
def test_what_does_not_parse_in_predict_is_missing(form):
    rows = [[str(i % 7), f"{i / 4}"] for i in range(30)]
    model = make_tabular_classifier(**QUICK).fit(FORMS[form](rows), [0, 1] * 15)
    numbers = np.array(rows, dtype=float)
    for word in ("unknown", "62%", "", "NA", "1_000"):
        new = [[word, b] for _, b in rows]
        numbers[:, 0] = np.nan
        assert_array_equal(
            model.predict_proba(FORMS[form](new)), model.predict_proba(numbers)
        )


@each_recipe
def test_infinity_as_text_is_refused_by_name(make):
    frame = pd.DataFrame({"a": ["1", "2", "inf"] * 10})
    with pytest.raises(ValueError, match="column 'a' contains infinity"):
        make(**QUICK).fit(frame, [0, 1] * 15)


def test_categories_in_fit_stay_categories():
    frame = pd.DataFrame(
        {"code": ["007", "123", "456"] * 10, "b": ["x", "y", "5"] * 10}
    )
    model = make_tabular_classifier(**QUICK).fit(frame, [0, 1] * 15)
    later = frame.assign(code="123", b="5")
    inputs = pd.DataFrame(
        model["columns"].transform(later),
        columns=model["columns"].get_feature_names_out(),
    )
    assert (inputs[["categories__code_123", "categories__b_5"]] == 1).all(axis=None)


@each_recipe
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_a_pipeline_of_text_is_copied_and_searched(make, output):
    if output != "default":
        pytest.importorskip(output)
    X, y = load_wine(return_X_y=True, as_frame=True)
    text = X.astype("string").assign(word=np.where(y == 0, "no", "yes"))
    model = make(**QUICK)
    model["columns"].set_output(transform=output)
    expected = model.fit(text, y).predict(text)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(text), expected)
    assert_array_equal(clone(model).fit(text, y).predict(text), expected)
    names = model["columns"].get_feature_names_out().tolist()
    assert {"numbers__alcohol", "categories__word_no"} <= {*names}
    grid = {"columns__numbers__encode__limit": [1.0, 3.0]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(text, y)
    assert np.isfinite(search.best_score_)


@each_recipe
def test_a_pipeline_of_text_is_saved_by_skops(make):
    skops_io = pytest.importorskip("skops.io")
    X, y = load_wine(return_X_y=True, as_frame=True)
    text = X.astype(str)
    model = make(**QUICK).fit(text, y)
    file = skops_io.dumps(model)
    types = skops_io.get_untrusted_types(data=file)
    assert {n for n in types if not n.startswith("skscratch.")} <= {"numpy.dtype"}
    loaded = skops_io.loads(file, trusted=types)
    assert_array_equal(loaded.predict(text), model.predict(text))


def test_a_table_as_text_is_learned_as_well():
    X, y = load_wine(return_X_y=True, as_frame=True)
    text = np.array(X.assign(word="wine").values.tolist())
    assert text.dtype.kind == "U"
    assert (
        cross_val_score(make_tabular_classifier(random_state=0), text, y).mean() > 0.9
    )


@each_recipe
@pytest.mark.parametrize("value", [None, "yes", 1])
def test_the_parameter_must_be_a_boolean(make, value):
    with pytest.raises(ValueError, match="numbers_in_text must be True or False, got"):
        make(numbers_in_text=value)


def test_values_in_the_way_are_distinct():
    assert in_the_way(["1", "2", "3", "x", "x", "y", None, "NA"]) == ["x", "y"]
    assert in_the_way(["1", "x", "y", "x"]) == []
