"""Columns of a table: detection of their types, and conversion to named inputs."""

import copy
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skscratch import make_tabular_classifier
from skscratch.tabular.columns import (
    TableColumns,
    make_preprocessor,
    make_table_columns,
)
from skscratch.tabular.encoders import SmoothClipScaler

DATES = pd.date_range("2020-01-01", periods=30, freq="31h")


@pytest.mark.parametrize(
    "column",
    [
        DATES,
        DATES - DATES[0],
        DATES.date,
        DATES.tz_localize("UTC"),
        pd.period_range("2020", periods=30, freq="D"),
        DATES.astype(str),
        DATES.strftime("%d.%m.%Y").where(DATES.day != 3, None),
    ],
)
def test_dates_are_encoded(column):
    frame, y = table()
    frame["when"] = column
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    role = model["columns"].describe()[-1]
    assert (role.name, role.role) == ("when", "date")
    assert " from " in role.reason  # What the encoder found.
    names = model["columns"].get_feature_names_out()
    own = [name for name in names if name.startswith("dates__when_")]
    assert len(own) == role.inputs["dates"] > 0
    assert np.isfinite(model["columns"].transform(frame)).all()
    assert model.predict(frame.assign(when=None)).shape == (30,)


@pytest.mark.parametrize("is_frame", [True, False])
def test_the_time_between_dates_is_an_input_of_the_later_column(is_frame):
    frame, _ = table()
    frame.insert(0, "ordered", DATES)
    frame["delivered"] = DATES + pd.to_timedelta(np.arange(len(DATES)) ** 2, "min")
    columns = make_table_columns().fit(frame if is_frame else frame.to_numpy())
    roles = columns.describe()
    ordered, delivered = (
        ("ordered", "delivered") if is_frame else ("x0", f"x{frame.shape[1] - 1}")
    )
    names = columns.get_feature_names_out().tolist()
    for role, name in ((roles[0], ordered), (roles[-1], delivered)):
        own = [one for one in names if one.startswith(f"dates__{name}_")]
        assert role.inputs == {"dates": len(own)}
    assert f"dates__{delivered}_minus_{ordered}" in own
    other = "ordered" if is_frame else "another column"
    assert roles[-1].reason.endswith(f", time since {other}")
    assert "time since" not in roles[0].reason


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
            "column 0 contains a number too large for float64",
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


def many_kinds(n=240):
    """A table with a column for each part, and targets that depend on some."""
    random = np.random.RandomState(0)
    codes = random.randint(120, size=n)
    frame = pd.DataFrame(
        {
            "number": random.standard_normal(n),
            "gaps": np.where(random.uniform(size=n) < 0.1, np.nan, codes % 9),
            "color": random.choice(["red", "green", "blue"], n),
            "zone": [f"zone {code}" for code in [*range(110)] * 2 + [0] * (n - 220)],
            "name": [
                f"{title} {''.join(random.choice([*'abcdefgh'], 9))}"
                for title in random.choice(["Mr", "Ms", "Dr"], n)
            ],
            "when": pd.date_range("2020-03-01", periods=n, freq="7h"),
            "row_id": random.permutation(n),
            "constant": 1,
        }
    )
    return frame, random.permutation(n) % 3, random.standard_normal(n)


def as_polars(frame):
    polars = pytest.importorskip("polars")
    gaps = [None if np.isnan(value) else value for value in frame["gaps"]]
    columns = {name: frame[name].tolist() for name in frame} | {"gaps": gaps}
    return polars.DataFrame(columns)


TABLE_FORMS = {
    "pandas": lambda frame: frame,
    "polars": as_polars,
    "array": lambda frame: frame.astype(object).to_numpy(),
    "list": lambda frame: frame.astype(object).to_numpy().tolist(),
}


@pytest.mark.parametrize("form", TABLE_FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_part_is_used_and_described(form, dtype):
    frame, classes, _ = many_kinds()
    X = TABLE_FORMS[form](frame)
    columns = make_table_columns(dtype=dtype, random_state=0)
    inputs = columns.fit_transform(X, classes)
    assert inputs.dtype == dtype
    assert np.isfinite(inputs).all()
    names = columns.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == inputs.shape[1]
    roles = {
        role.name if isinstance(role.name, str) else frame.columns[role.name]: role
        for role in columns.describe()
    }
    has_names = form in ("pandas", "polars")
    n_inputs = {name: role.n_inputs for name, role in roles.items()}
    assert n_inputs["row_id"] == (not has_names)
    assert (n_inputs["number"], n_inputs["gaps"], n_inputs["color"]) == (1, 2, 3)
    assert (n_inputs["name"], n_inputs["constant"]) == (20, 0)
    assert list(roles["zone"].inputs) == ["categories", "targets"]
    assert roles["zone"].inputs["targets"] == 3
    assert sum(role.n_inputs for role in roles.values()) == inputs.shape[1]
    # Those of each column and part, as their names tell.
    for part, column in (("categories", "color"), ("dates", "when"), ("text", "name")):
        own = [n for n in names if n.startswith(f"{part}__")]
        if has_names:
            own = [n for n in own if n.startswith(f"{part}__{column}")]
            assert len(own) == roles[column].inputs[part]
    assert_array_equal(columns.transform(X[:5]), columns.transform(X)[:5])


def test_all_forms_of_a_table_have_the_same_inputs():
    frame, _, numbers = many_kinds()
    frame = frame.drop(columns="row_id")  # Arrays have no names that tell.
    inputs = [
        make_table_columns(random_state=0).fit_transform(form(frame), numbers)
        for form in TABLE_FORMS.values()
    ]
    for other in inputs[1:]:
        assert_array_equal(other, inputs[0])


def test_the_pipeline_cross_fits_means_of_the_target():
    """An unrelated category with two rows each must not tell the class in training."""
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"key": [f"k{i}" for i in [*range(300)] * 2]})
    y = random.randint(2, size=600)
    model = make_tabular_classifier(**QUICK)
    seen = []
    model["network"].fit = lambda X, y, **_: seen.append(X)
    model.fit(frame, y)
    names = model["columns"].get_feature_names_out().tolist()
    fair = seen[0][:, names.index("targets__key")]
    leaking = model["columns"].transform(frame)[:, names.index("targets__key")]
    assert abs(np.corrcoef(fair, y)[0, 1]) < 0.2
    assert np.corrcoef(leaking, y)[0, 1] > 0.5


def test_parts_are_tuned_dropped_and_replaced_by_name():
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0)
    columns.set_params(
        numbers__encode__limit=3.0,
        categories__indicate__min_frequency=5,
        targets__smooth=9.0,
        text__n_components=2,
        dates__dtype="float32",
    )
    columns.fit(frame, classes)
    counts = {role.name: role.n_inputs for role in columns.describe()}
    assert counts["name"] == 2
    columns.set_params(targets="drop", text="drop", numbers__encode="passthrough")
    inputs = columns.fit_transform(frame, classes)
    roles = {role.name: role for role in columns.describe()}
    assert roles["name"].inputs == {}
    assert "targets" not in roles["zone"].inputs
    assert roles["number"].n_inputs == 1
    assert sum(role.n_inputs for role in roles.values()) == inputs.shape[1]
    # The choice of columns is still open.
    assert [part[2] for part in columns.transformers] == ["auto"] * 5


def test_a_failed_fit_leaves_columns_as_they_were():
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).fit(frame, classes)
    before = vars(columns).copy()
    with pytest.raises(ValueError, match="column 'number' contains infinity"):
        columns.fit(frame.assign(number=np.inf), classes)
    assert vars(columns) == before
    with pytest.raises(ValueError, match="numbers_in_text must be True or False"):
        clone(columns).set_params(numbers_in_text="no").fit(frame, classes)


def test_columns_are_described_only_after_fit_and_if_they_were_found():
    columns = make_table_columns()
    with pytest.raises(NotFittedError):
        columns.describe()
    frame, _ = table()
    given = make_preprocessor(
        SmoothClipScaler(), min_frequency=2, numeric=["real"], categorical=["text"]
    ).fit(frame)
    with pytest.raises(ValueError, match="the columns of all parts were given"):
        given.describe()


@pytest.mark.parametrize("copied", [clone, copy.deepcopy])
def test_a_copy_of_the_columns_finds_the_same(copied):
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).fit(frame, classes)
    again = copied(columns)
    if copied is clone:
        again.fit(frame, classes)
    loaded = pickle.loads(pickle.dumps(again))
    assert loaded.describe() == columns.describe()
    assert_array_equal(loaded.transform(frame), columns.transform(frame))


@pytest.mark.parametrize("library", ["default", "pandas", "polars"])
def test_every_part_has_named_outputs_and_is_shown(library):
    if library != "default":
        pytest.importorskip(library)
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).set_output(transform=library)
    columns.fit(frame, classes)
    names = columns.get_feature_names_out().tolist()
    inputs = columns.transform(frame)
    assert list(getattr(inputs, "columns", names)) == names
    page = estimator_html_repr(columns)
    assert all(part in page for part in ("TargetMeans", "DateEncoder", "TextEncoder"))
    # A part that no column uses is shown, too.
    columns.fit(frame[["number"]], classes)
    assert "TextEncoder" in estimator_html_repr(columns)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dropped_columns_have_no_effect_and_may_be_missing(library):
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).fit(frame, classes)
    expected = columns.transform(frame)
    changed = frame.assign(row_id="other", constant=None)
    assert_array_equal(columns.transform(changed), expected)
    without = frame[[name for name in frame if name not in ("row_id", "constant")]]
    if library == "polars":
        listed = {name: without[name].tolist() for name in without}
        without = pytest.importorskip("polars").DataFrame(listed, strict=False)
    assert_array_equal(columns.transform(without), expected)


def test_columns_of_dropped_parts_may_be_missing():
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).set_params(dates="drop", text="drop")
    columns.fit(frame, classes)
    roles = {role.name: role.role for role in columns.describe()}
    unused = [name for name, role in roles.items() if role in ("date", "text")]
    assert len(unused) > 1
    assert_array_equal(
        columns.transform(frame.drop(columns=unused)), columns.transform(frame)
    )


def test_columns_that_a_part_uses_must_be_there():
    frame, classes, _ = many_kinds()
    columns = make_table_columns(random_state=0).fit(frame, classes)
    used = [role.name for role in columns.describe() if role.role != "dropped"]
    for name in used:
        with pytest.raises(ValueError, match=f"these are missing: '{name}'"):
            columns.transform(frame.drop(columns=name))
    # Without names, columns are told apart by their positions.
    unnamed = frame.set_axis(range(frame.shape[1]), axis=1)
    columns = make_table_columns(random_state=0).fit(unnamed, classes)
    dropped = [role.name for role in columns.describe() if role.role == "dropped"]
    with pytest.raises(ValueError, match="TableColumns is expecting"):
        columns.transform(unnamed.drop(columns=dropped))


@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_given_columns_may_be_missing_only_if_nothing_uses_them(remainder):
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1, 0, 1], "c": [1, 2, 3]})
    parts = [("one", StandardScaler(), slice("a", "a")), ("two", "drop", ["b"])]
    columns = TableColumns(parts, remainder=remainder).fit(frame)
    expected = columns.transform(frame)
    assert_array_equal(columns.transform(frame.drop(columns="b")), expected)
    if remainder == "drop":
        assert_array_equal(columns.transform(frame[["a"]]), expected)
    else:
        with pytest.raises(ValueError, match="these are missing: 'c'"):
            columns.transform(frame[["a"]])


def test_a_table_of_which_no_column_is_left_is_refused():
    dates = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=40)})
    columns = make_table_columns().fit(dates)
    before = vars(columns).copy()
    columns.set_params(dates="drop")
    with pytest.raises(ValueError, match=r"no column of the table is left: .*'dates'"):
        columns.fit(dates)
    assert vars(columns) == before | {"transformers": columns.transformers}
    # Another column is enough.
    columns.fit(dates.assign(x=range(40)))
    assert columns.get_feature_names_out().tolist() == ["numbers__x"]
