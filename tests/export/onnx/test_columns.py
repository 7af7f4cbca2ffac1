"""Pipelines of tables as ONNX graphs predict what the pipelines predict."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_runs import run
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch.export import to_onnx
from skscratch.export.onnx.columns import encode_columns
from skscratch.export.onnx.graph import Graph
from skscratch.tabular.columns import TableColumns, make_table_columns

TEXT = 8  # onnx.TensorProto.STRING
few = settings(max_examples=8, deadline=None)
quick = {"max_iter": 2, "hidden_layer_sizes": (8, 8), "random_state": 0}


def make_table(n_rows, seed):
    """A table with columns of every role that ONNX can encode."""
    rng = np.random.default_rng(seed)
    many = np.array([f"m{i}" for i in range(120)])[rng.integers(120, size=n_rows)]
    table = pd.DataFrame(
        {
            "number": rng.normal(size=n_rows),
            "skewed": np.exp(3 * rng.normal(size=n_rows)),
            "integer": rng.integers(9, size=n_rows),
            "flag": rng.random(n_rows) < 0.3,
            "as text": rng.choice(["1.5", "2", " -3e1 ", "NA", "+7", ".5"], n_rows),
            "color": rng.choice(["red", "grün", "nan", "", "None"], n_rows),
            "many": many,
            "code": rng.choice(["007", "012", "100"], n_rows),
            "level": pd.Categorical(rng.integers(3, size=n_rows)),
            "constant": 1.0,
        }
    )
    table.loc[rng.random(n_rows) < 0.1, "number"] = np.nan
    table.loc[rng.random(n_rows) < 0.1, "code"] = None
    table.loc[rng.random(n_rows) < 0.1, "many"] = np.nan
    table.loc[0, "code"] = "once"
    return table


def make_new_rows(seed):
    """Rows with unseen categories, missing and extreme values."""
    rng = np.random.default_rng(seed)
    table = make_table(40, seed)
    table.loc[0, "code"] = "012"
    for name, values in {
        "number": [np.nan, 1e300, -1e300, 1e-300],
        "skewed": [np.nan, 1e30, -5.0],
        "as text": ["what", None, "1e3", "--2", "1_0", "1.2.3", "5.", "", "Null"],
        "color": ["blue", "Nan", " red"],
        "many": ["new", "m", None],
        "code": ["999", "7", None],
    }.items():
        rows = rng.random(len(table)) < 0.5
        table[name] = table[name].astype(object)
        chosen = rng.integers(len(values), size=rows.sum())
        table.loc[rows, name] = np.array(values, dtype=object)[chosen]
    for name in ("number", "skewed"):
        table[name] = table[name].astype(float)
    return table


TABLE = make_table(600, seed=0)
GOAL = (
    TABLE["number"].fillna(0) + (TABLE["color"] == "red") + TABLE["integer"] / 4
).to_numpy()


def inputs_of(proto, table):
    """Columns as the graph takes them."""
    inputs = {}
    for source in proto.graph.input:
        column = table[source.name]
        if source.type.tensor_type.elem_type == TEXT:
            array = column.astype(object).to_numpy()
        else:
            array = column.to_numpy(np.float64)
        inputs[source.name] = array[:, np.newaxis]
    return inputs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("targets", ["number", "two", "many", "none"])
@few
@given(seed=st.integers(0, 2**32 - 1))
def test_columns_are_encoded_the_same(targets, dtype, seed):
    columns, fitted = COLUMNS[targets, dtype]
    if fitted is None:
        y = {"number": GOAL, "two": GOAL > 1, "many": GOAL.round() % 4, "none": None}
        kind = "numbers" if targets == "number" else "classes"
        columns = make_table_columns(dtype=dtype, target_type=kind, random_state=0)
        columns.fit(TABLE, y[targets])
        graph = Graph()
        encoded = encode_columns(graph, columns, None, ())
        graph.output("out", encoded, [None])
        COLUMNS[targets, dtype] = columns, graph.model("columns")
        columns, fitted = COLUMNS[targets, dtype]
    parts = {part for role in columns.describe() for part in role.inputs}
    assert {"numbers", "categories"} <= parts
    assert ("targets" in parts) == (targets != "none")
    new = make_new_rows(seed)
    found = run(fitted, inputs_of(fitted, new))["out"]
    expected = columns.transform(new)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


# Fitted once for all examples.
COLUMNS = {
    (targets, dtype): (None, None)
    for targets in ("number", "two", "many", "none")
    for dtype in ("float32", "float64")
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("targets", ["two", "text", "labels", "one"])
def test_a_classifier_of_tables_agrees(targets, dtype):
    y = {
        "two": GOAL > 1,
        "text": np.array(["a", "b", "c"])[np.digitize(GOAL, [0.5, 1.5])],
        "labels": np.stack([GOAL > 1, TABLE["flag"], GOAL < 2], axis=1).astype(int),
        "one": np.zeros(len(GOAL), int),
    }[targets]
    model = make_tabular_classifier(dtype=dtype, **quick).fit(TABLE, y)
    assert (model[-1].temperature_ != 1) == (targets != "one")
    proto, new = to_onnx(model), make_new_rows(1)
    found, expected = run(proto, inputs_of(proto, new)), model.predict_proba(new)
    assert found["probabilities"].dtype == np.float64
    tolerance = 1e-5 if dtype == "float32" else 1e-7
    np.testing.assert_allclose(found["probabilities"], expected, atol=tolerance, rtol=0)
    np.testing.assert_array_equal(found["label"], model.predict(new))
    if targets != "one":
        assert np.ptp(expected, axis=0).min() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "targets", ["number", "skewed", "several", "counts", "quantiles"]
)
def test_a_regressor_of_tables_agrees(targets, dtype):
    y, options = {
        "number": (1e6 + 1e3 * GOAL, {}),
        "skewed": (np.exp(2 * GOAL), {}),
        "several": (np.stack([GOAL, np.exp(2 * GOAL), 0 * GOAL + 3], axis=1), {}),
        "counts": (np.floor(np.exp(GOAL / 2)), {"loss": "poisson"}),
        "quantiles": (
            np.stack([GOAL, -GOAL], axis=1),
            {"loss": "quantile", "quantile": (0.9, 0.1)},
        ),
    }[targets]
    model = make_tabular_regressor(dtype=dtype, **quick, **options).fit(TABLE, y)
    kinds = [members.name for members in model[-1].members_]
    assert ("log_targets" in kinds) == (targets in ("skewed", "several"))
    proto, new = to_onnx(model), make_new_rows(2)
    found = run(proto, inputs_of(proto, new))["variable"]
    expected = model.predict(new)
    assert found.dtype == np.float64
    assert found.shape == (expected.shape if expected.ndim > 1 else (len(new), 1))
    tolerance = (1e-5 if dtype == "float32" else 1e-7) * np.std(expected)
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, rtol=1e-5, atol=tolerance
    )


@pytest.mark.parametrize("n_targets", [1, 2])
def test_intervals_of_tables_agree(n_targets):
    y = np.stack([np.exp(GOAL), GOAL], axis=1)[:, :n_targets]
    y = y[:, 0] if n_targets == 1 else y
    model = make_tabular_regressor(intervals=True, **quick).fit(TABLE, y)
    proto, new = to_onnx(model, coverage=0.8), make_new_rows(3)
    found = run(proto, inputs_of(proto, new))
    bounds = model.predict_interval(new, 0.8).reshape(len(new), -1, 2)
    atol = 1e-5 * np.std(bounds)
    np.testing.assert_allclose(found["lower"], bounds[..., 0], rtol=1e-5, atol=atol)
    np.testing.assert_allclose(found["upper"], bounds[..., 1], rtol=1e-5, atol=atol)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_members_count_by_their_number_and_log_targets_are_limited():
    y = np.exp(2 * GOAL)
    model = make_tabular_regressor(**quick).fit(TABLE, y)
    other = make_tabular_regressor(n_estimators=7, **quick).fit(TABLE, y)
    for members, more in zip(model[-1].members_, other[-1].members_, strict=True):
        # As after further rounds, with effort="high".
        members.networks += more.networks
        for network in members.networks if members.scaler is not None else []:
            network.network_.parameters[...] *= 3
    proto, new = to_onnx(model), make_new_rows(4)
    found = run(proto, inputs_of(proto, new))["variable"][:, 0]
    expected = model.predict(new)
    atol = 1e-5 * np.std(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_missing_category_is_no_text_that_is_a_category():
    words = np.array(["None", "nan", "b", None], dtype=object)
    table = pd.DataFrame({"word": words[np.arange(80) % 4], "n": np.arange(80.0)})
    model = make_tabular_regressor(**quick).fit(table, np.arange(80) % 4 * 1.0)
    found = run(
        to_onnx(model),
        {
            "word": np.array([["None"], ["nan"], ["b"], [""], ["<NA>"]], object),
            "n": np.full((5, 1), 7.0),
        },
    )["variable"][:, 0]
    words = ["None", "nan", "b", None, None]
    expected = model.predict(pd.DataFrame({"word": words, "n": 7.0}))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len(set(expected)) == 4


def test_a_table_without_names_has_numbered_inputs():
    X = np.random.default_rng(0).normal(size=(90, 3))
    model = make_tabular_classifier(**quick | {"max_iter": 9}).fit(X, X[:, 0] > 0)
    proto = to_onnx(model)
    names = ["x0", "x1", "x2"]
    assert [source.name for source in proto.graph.input] == names
    inputs = {name: X[:, [i]] for i, name in enumerate(names)}
    found = run(proto, inputs)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)


def test_inputs_have_the_dtypes_of_the_sample():
    table = TABLE[["number", "integer", "flag", "color", "constant"]]
    table = table.astype({"number": np.float32})
    model = make_tabular_classifier(**quick).fit(table, GOAL > 1)
    proto = to_onnx(model, table)
    kinds = {s.name: s.type.tensor_type.elem_type for s in proto.graph.input}
    # FLOAT, INT64, BOOL and STRING; no constant column.
    assert kinds == {"number": 1, "integer": 7, "flag": 9, "color": TEXT}
    inputs = {name: table[[name]].to_numpy() for name in kinds}
    found = run(proto, inputs)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(table), atol=1e-5)


@pytest.fixture(scope="module")
def dated():
    rng = np.random.default_rng(0)
    n = len(TABLE)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(500, size=n), "D")
    table = TABLE[["number", "color"]].assign(
        pickup=days,
        dropoff=days + pd.to_timedelta(rng.random(n), "D"),
        review=[" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(n)],
    )
    return table, make_tabular_regressor(**quick).fit(table, GOAL)


def test_dates_are_refused_by_the_name_of_the_column(dated):
    _, model = dated
    message = (
        "^column 'pickup' holds dates, column 'dropoff' holds dates, which ONNX can't "
        r"encode. Pass prepared=\['dates'\], and .* as the input 'prepared_dates', "
        r".*named_transformers_\['dates'\].transform"
    )
    for prepared in ([], ["text"]):
        with pytest.raises(ValueError, match=message):
            to_onnx(model, prepared=prepared)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_text_is_encoded_with_the_other_columns(dated, dtype):
    table = dated[0].drop(columns=["pickup", "dropoff"])
    rng = np.random.default_rng(1)
    words = np.array(["Ñandú", "ÇA", "мир", "日本", "😀😀", "x", "İz", "ΟΔΟΣ", "house"])
    table["story"] = [" ".join(rng.choice(words[[0, 2, 7, 8]], 30)) for _ in GOAL]
    table.loc[rng.random(len(table)) < 0.1, "review"] = None
    table.loc[rng.random(len(table)) < 0.2, "review"] = "no comment"
    model = make_tabular_regressor(dtype=dtype, **quick).fit(table, GOAL)
    texts = model["columns"].named_transformers_["text"].vectorizers_
    assert [vectorizer.analyzer for vectorizer in texts] == ["char", "word"]
    new = table.sample(40, random_state=0)
    for name, least in (("review", 1), ("story", 20)):
        size = rng.integers(least, 40, len(new))
        new[name] = [" ".join(rng.choice(words, n)) for n in size]
    # Ranks show the least difference from a text that is repeated.
    new.iloc[:6, new.columns.get_loc("review")] = [None, "no comment"] * 3
    proto = to_onnx(model)
    inputs = inputs_of(proto, new)
    assert set(inputs) == {"number", "color", "review", "story"}
    found = run(proto, inputs)["variable"][:, 0]
    expected = model.predict(new)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.std(expected))
    other = model.predict(new.assign(story=new["story"].str.lower() + " house"))
    assert np.ptp(expected - other) > 1e-3


def test_dates_and_text_may_come_prepared(dated):
    table, model = dated
    proto = to_onnx(model, prepared=["dates", "text"])
    parts = model["columns"].named_transformers_
    inputs = {
        "number": table[["number"]].to_numpy(),
        "color": table[["color"]].to_numpy(),
        "prepared_dates": parts["dates"].transform(table[["pickup", "dropoff"]]),
        "prepared_text": parts["text"].transform(table[["review"]]),
    }
    assert {source.name for source in proto.graph.input} == set(inputs)
    found = run(proto, inputs)["variable"][:, 0]
    np.testing.assert_allclose(found, model.predict(table), rtol=1e-5, atol=1e-5)


def test_prepared_must_name_parts_of_dates_or_text(dated):
    with pytest.raises(ValueError, match=r"here \['dates', 'text'\], got 'numbers'"):
        to_onnx(dated[1], prepared=["dates", "numbers"])


def test_other_parts_are_refused_by_name():
    columns = TableColumns([("mine", StandardScaler(), ["number", "integer"])])
    table = TABLE.assign(number=TABLE["number"].fillna(0))
    model = make_tabular_regressor(**quick)
    network = clone(model[-1])
    model = type(model)([("columns", columns), ("network", network)])
    with pytest.raises(ValueError, match="the part 'mine' of the columns, Standard"):
        to_onnx(model.fit(table, GOAL))
    model = make_pipeline(StandardScaler(), network).fit(table[["number"]], GOAL)
    with pytest.raises(TypeError, match=r"got Pipeline.*skl2onnx\.to_onnx"):
        to_onnx(model)
