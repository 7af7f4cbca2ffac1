"""Roles of columns: number, category, date, text, or dropped with a reason."""

import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skscratch.tabular.columns import make_table_columns
from skscratch.tabular.roles import ColumnRole, ColumnRoles, find_roles

N = 60
WORDS = ["red", "green", "blue"]


def make_columns():
    """One column of each kind, sixty rows, and the roles they should have."""
    random = np.random.RandomState(0)
    names = ["".join(random.choice([*"abcdefgh"], 8)) for _ in range(N)]
    columns = {
        "float": (random.standard_normal(N).tolist(), "number"),
        "integer": (random.randint(9, size=N).tolist(), "number"),
        "boolean": ((random.uniform(size=N) < 0.5).tolist(), "number"),
        "text of numbers": ([f"{i / 4}" for i in range(N)], "number"),
        "color": (random.choice(WORDS, N).tolist(), "category"),
        "or none": (
            [None if i % 7 == 0 else WORDS[i % 3] for i in range(N)],
            "category",
        ),
        "half constant": (["x", None] * (N // 2), "category"),
        "half constant number": ([5.0, np.nan] * (N // 2), "number"),
        "name": ([f"{name}, Dr." for name in names], "text"),
        "some names": ([n if i % 3 else None for i, n in enumerate(names)], "text"),
        "day": ([f"2024-01-{i % 28 + 1:02}" for i in range(N)], "date"),
        "constant": ([5] * N, "dropped"),
        "constant text": (["x"] * N, "dropped"),
        "constant day": (["2024-01-01"] * N, "dropped"),
        "nothing": ([None] * N, "dropped"),
        "key": ([str(uuid.UUID(int=7**40 + i)) for i in range(N)], "dropped"),
        "customer_id": (random.permutation(N).tolist(), "dropped"),
        "order_id": ([f"A-{i}" for i in range(N)], "dropped"),
        # What looks like identifiers but is none.
        "year": (list(range(1960, 1960 + N)), "number"),
        "tick": (list(range(N)), "number"),
        "zip": ([f"{i:05}" for i in random.randint(10**5, size=N)], "text"),
        "station_id": (random.randint(9, size=N).tolist(), "number"),
        "float_id": (np.arange(float(N)).tolist(), "number"),
    }
    return {name: c for name, (c, _) in columns.items()}, {
        name: role for name, (_, role) in columns.items()
    }


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def rows(columns):
    return [list(row) for row in zip(*columns.values(), strict=True)]


FORMS = {
    "pandas": pd.DataFrame,
    "objects": lambda columns: pd.DataFrame(columns, dtype=object),
    "polars": polars_frame,
    "array": lambda columns: np.array(rows(columns), dtype=object),
    "list": rows,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_has_the_same_roles(form):
    columns, expected = make_columns()
    found = find_roles(FORMS[form](columns))
    if form in ("array", "list"):  # Without names.
        expected = expected | {"customer_id": "number", "order_id": "text"}
        assert [role.name for role in found] == list(range(len(columns)))
    else:
        assert [role.name for role in found] == list(columns)
    assert [role.role for role in found] == list(expected.values())
    for role in found:
        assert role.reason
        assert bool(role.inputs) == (role.role != "dropped")


names = list(make_columns()[0])
dropped = [name for name, role in make_columns()[1].items() if role == "dropped"]


@given(
    st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=6)
    | st.lists(st.sampled_from(dropped), unique=True, min_size=1)
)
def test_roles_depend_on_each_column_alone_unless_all_would_be_dropped(kept):
    columns, expected = make_columns()
    if set(kept) == {"constant day"}:
        with pytest.raises(ValueError, match="a table must have a column that varies"):
            find_roles(pd.DataFrame({name: columns[name] for name in kept}))
        return
    found = find_roles(pd.DataFrame({name: columns[name] for name in kept}))
    roles = [role.role for role in found]
    assert set(roles) != {"dropped"}
    wanted = [expected[name] for name in kept]
    if set(wanted) != {"dropped"}:
        assert roles == wanted
        return
    # Identifiers vary and are kept rather than constants.
    identifiers = {"key", "customer_id", "order_id"}
    for role in found:
        is_kept = role.name in identifiers or not identifiers & set(kept)
        assert (role.role != "dropped") == is_kept
        assert is_kept == ("but kept: no other column is left" in str(role))


@given(st.lists(st.sampled_from([*"abcdefghij", None]), min_size=2, max_size=50))
def test_few_distinct_values_are_categories_in_any_table(values):
    values = [None if value is None else value * 9 for value in values]
    found = find_roles(pd.DataFrame({"a": values, "b": range(len(values))}))[0]
    assert found.role == ("dropped" if len(set(values)) == 1 else "category")


@pytest.mark.parametrize(
    ("n_categories", "n_each", "parts"),
    [
        (100, 2, ["categories"]),
        (101, 2, ["categories", "targets"]),
        (200, 3, ["categories", "targets", "text"]),
        # One category is frequent enough for all that it shares its input with.
        (101, 1, ["text"]),
    ],
)
def test_many_categories_are_also_encoded_otherwise(n_categories, n_each, parts):
    codes = np.repeat(np.arange(n_categories), n_each)
    frame = pd.DataFrame({"a": [f"c{code}" for code in codes], "b": codes % 7})
    assert list(find_roles(frame)[0].inputs) == parts
    frame["a"] = frame["a"].astype("category")
    role = find_roles(frame)[0]
    assert role.role == "category"
    has_targets = "targets" in parts
    assert list(role.inputs) == ["categories"] + ["targets"] * has_targets


def test_a_categorical_dtype_is_a_category_whatever_it_holds():
    columns, _ = make_columns()
    frame = pd.DataFrame(columns).astype("category")
    roles = {role.name: role.role for role in find_roles(frame)}
    constant = {"constant", "constant text", "constant day", "nothing"}
    assert {name for name, role in roles.items() if role == "dropped"} == constant
    assert {roles[name] for name in set(columns) - constant} == {"category"}


def test_text_of_numbers_may_be_left_as_it_is():
    columns, _ = make_columns()
    names = ["text of numbers", "day"]
    frame = pd.DataFrame({name: columns[name] for name in names})
    roles = [role.role for role in find_roles(frame, numbers_in_text=False)]
    assert roles == ["text", "date"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["01/02/2024", "03/04/2024"], "'a' holds dates: ambiguous day and month"),
        (
            ["2024-01-02", "2024-01-03", "unknown"],
            "'a' is treated as categorical, although .*: 'unknown'",
        ),
        (
            [f"2024-01-{i:02}" for i in range(1, 31)] + ["unknown"],
            "'a' is treated as text, although .*dates.*: 'unknown'",
        ),
        (
            [f"{i / 7:.4f}" for i in range(30)] + ["high"],
            "'a' is treated as text, although .*numbers.*: 'high'",
        ),
        (["1.5%", "2", "3"], "'a' is treated as categorical, although .*: '1.5%'"),
    ],
)
def test_what_is_doubtful_causes_one_warning(column, message):
    # Values that repeat make a category, others text.
    frame = pd.DataFrame({"a": column * 10 if len(column) < 20 else column})
    with pytest.warns(UserWarning, match=message) as caught:
        found = find_roles(frame)[0]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (found.role == "date") == bool(found.notes)
    find_roles(frame.astype("category"))


def test_roles_print_as_a_table():
    roles = ColumnRoles(
        [
            ColumnRole("city", "category", "text", inputs={"categories": 9, "text": 1}),
            ColumnRole(7, "dropped", "constant", ("a note",), {}),
            ColumnRole("x", "number", "numbers", inputs={"numbers": None}),
        ]
    )
    assert [role.n_inputs for role in roles] == [10, 0, None]
    assert str(roles).split("\n") == [
        "column  role      inputs  reason",
        "city    category      10  text",
        "7       dropped        0  constant; a note",
        "x       number         ?  numbers",
    ]
    assert str(roles[0]) == "city: category with 10 inputs (text)"
    assert str(roles[1]) == "7: dropped with 0 inputs (constant; a note)"
    assert str(roles[2]) == "x: number (numbers)"


DATES = pd.date_range("2024-01-01", periods=4).to_series(index=range(4))
CATEGORIES = {
    "dates": DATES,
    "coarse dates": DATES.astype("M8[s]"),
    "dates with zones": DATES.dt.tz_localize("Europe/Zurich"),
    "durations": DATES - DATES[0],
    "periods": DATES.dt.to_period("D"),
    "days": DATES.dt.date,
    "text of dates": DATES.astype(str),
    "text of numbers": DATES.dt.day.astype(str),
    "numbers": DATES.dt.day,
}


@pytest.mark.parametrize("kind", CATEGORIES)
@pytest.mark.parametrize("has_missing", [False, True])
def test_a_categorical_dtype_is_categorical_whatever_its_values(kind, has_missing):
    rows = np.array([0, 1, 2, 3] * 10)
    values = CATEGORIES[kind][rows].reset_index(drop=True)
    if has_missing:
        values = values.where(rows != 3)
    frame = pd.DataFrame({"a": values.astype("category"), "x": range(40)})
    columns = make_table_columns().fit(frame)
    role = columns.describe()[0]
    assert (role.role, role.inputs) == ("category", {"categories": 4})
    inputs = columns.transform(frame)
    # Each category has the input of its own that pandas gives it.
    expected = pd.get_dummies(frame["a"], dummy_na=has_missing).to_numpy(float)
    ones = inputs[:, 1:5]
    order = [ones[i].argmax() for i in range(4)]
    assert_array_equal(ones[:, order], expected[:, :4])
    # The resolution and unused categories have no effect.
    if kind == "dates":
        other = frame.assign(a=values.astype("M8[s]").astype("category"))
        assert_array_equal(columns.transform(other), inputs)
    assert_array_equal(columns.transform(frame[:2]), inputs[:2])
