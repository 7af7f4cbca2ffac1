"""Tables: features and target, what is dropped or noted, and new rows read alike."""

import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest
from csv_tables import make_rows, to_csv, with_column
from hypothesis import given, settings
from hypothesis import strategies as st

from skscratch.cli.errors import InputError
from skscratch.cli.peers import make_network_columns
from skscratch.cli.reading import tables
from skscratch.cli.reading.cells import MISSING_WORDS
from skscratch.cli.reading.files import open_source
from skscratch.cli.reading.tables import (
    SEPARATORS,
    Schema,
    read_table,
)
from skscratch.cli.reading.targets import are_classes

FILES = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "header": (b"a,label\n", "no rows"),
    "binary": (bytes(range(256)), "binary"),
    "cut gzip": (gzip.compress(to_csv(make_rows()).encode())[:-20], "cannot read"),
    "not gzip": (b"\x1f\x8b no", "cannot read"),
    "short": (b"a,label\n1,x\n2\n", "line 3 .* 1 field, the first line 2"),
    "open quote": (b'a,label\n1,x\n"2,y\n', "1 field"),
    "no such column": (b"a,Label\n1,x\n", "did you mean 'Label'"),
    "two targets": (b"a,label,label\n1,x,x\n2,y,y\n", "2 columns 'label'"),
    "no label": (b"a,label\n1,\n2,\n", "'label' is empty"),
    "one class": (
        b"a,label\n1,x\n2,x\n",
        "'label' holds only the value 'x', so there is nothing",
    ),
    "classes of one row": (
        b"a,label\n1,x\n2,y\n",
        "'label' has a different value in each row",
    ),
    "infinite label": (b"a,label\n1,inf\n2,1.0\n", "not a class label.* inf"),
    "only the target": (b"label\nx\ny\nx\ny\n", "no column except 'label'"),
    "constant": (b"a,b,label\n1,,x\n1,,y\n1,,x\n1,,y\n", "no column except 'label'"),
    "infinite": (with_column(["inf", *"1234567"]).encode(), "'more' holds .* inf"),
    "huge": (with_column(["-1e200", *"1234567"]).encode(), "'more' holds .* 1e.200"),
    "no float": (with_column(["1" * 400, *"1234567"]).encode(), "'more' holds .* inf"),
    "copy": (
        with_column(["yes", "no"] * 4).encode(),
        "copy of the target 'label'",
    ),
    "identifiers": (
        to_csv([(*row[:2], f"id {i}") for i, row in enumerate(make_rows())]).encode(),
        "'label' has 60 different values in 60 rows, too many to be classes$",
    ),
    "one class and others": (
        b"a,label\n1,x\n2,x\n3,y\n",
        "'label' holds only the value 'x' in more than one row",
    ),
    "dates": (
        to_csv(
            [(*row[:2], f"20{i + 10}-01-31") for i, row in enumerate(make_rows())]
        ).encode(),
        "too many to be classes; dates can't be predicted$",
    ),
    "fractions": (
        to_csv([(*row[:2], f"{i}.5") for i, row in enumerate(make_rows())]).encode(),
        "too many to be classes; --task regression takes them as amounts$",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_invalid_files_are_refused(write, case):
    content, message = FILES[case]
    with pytest.raises(InputError, match=message) as error:
        read_table(write(content), "label", task="classification")
    assert "\n" not in str(error.value)


def changed(change):
    """The rows after ``change``, which takes and returns a row."""
    return [change(*row) for row in make_rows()]


TOTAL = sum(float(size or 0) for size, *_ in make_rows())
FORMATS = {
    **{
        name: to_csv(make_rows(), separator=separator)
        for name, separator in SEPARATORS.items()
    },
    "gzip": gzip.compress(to_csv(make_rows()).encode()),
    "byte order mark": "\ufeff" + to_csv(make_rows()),
    "CRLF": to_csv(make_rows()).replace("\n", "\r\n"),
    "CR": to_csv(make_rows()).replace("\n", "\r"),
    "blank lines": "\n" + to_csv(make_rows()).replace("\n", "\n  \n\n"),
    "spaces": to_csv(make_rows()).replace(",", ", ").replace(",  ", ", "),
    "decimal comma": to_csv(
        changed(lambda size, *row: (size.replace(".", ","), *row)), separator=";"
    ),
    "row numbers": to_csv(
        [(str(i), *row) for i, row in enumerate(make_rows())], ",size,color,label"
    ),
    "separators at the end": to_csv(
        changed(lambda *row: (*row, "")), "size,color,label,"
    ),
    "separator line": "sep=;\n" + to_csv(make_rows(), separator=";"),
    "no label": to_csv([*make_rows(), ("1", "red", "")]),
    "class of one row": to_csv([*make_rows(), ("1", "red", "perhaps")]),
    "spaces around a label": to_csv([(*make_rows()[0][:2], "yes "), *make_rows()[1:]]),
    "word for missing": to_csv(changed(lambda size, *row: (size or "NA", *row))),
    "unit": to_csv(changed(lambda size, *row: (size and f"{size} %", *row))),
    "comments": "# made by hand\n" + to_csv(make_rows()),
    "total": to_csv([*make_rows(), ("", "Total", "")]).replace(
        ",Total,", f"{TOTAL:.2f},Total,"
    ),
    "UTF-16": to_csv(make_rows()).encode("utf-16"),
    "empty rows": to_csv(make_rows()) + ",,\n" * 5,
}
# What is said about them.
NOTES = {
    "row numbers": "dropped 1 column without a name, which number the rows: 'Unnamed",
    "separators at the end": "dropped 1 column without values: 'Unnamed: 3'",
    "no label": "dropped 1 row without 'label'",
    "class of one row": "dropped 1 class with a single row: 'perhaps'",
    "spaces around a label": "'label': 'yes' and 'yes ' are taken as one class",
    "word for missing": "read as missing: 'NA' (6 cells in 'size')",
    "unit": "read as numbers, without '%': 'size'",
    "comments": "skipped 1 comment line beginning with #",
    "total": "dropped 1 row of totals at the end: 'Total'",
    "UTF-16": "read as UTF-16 text",
    "empty rows": "left out 5 rows without any value at the end",
}


@pytest.mark.parametrize("chunk_rows", [7, 1000])
@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_gives_the_same_table(write, monkeypatch, format_name, chunk_rows):
    monkeypatch.setattr(tables, "CHUNK_ROWS", chunk_rows)
    expected = read_table(write(to_csv(make_rows())), "label")
    table = read_table(write(FORMATS[format_name], "other.csv"), "label")
    pd.testing.assert_frame_equal(table.X, expected.X)
    np.testing.assert_array_equal(table.y, expected.y)
    assert table.task == "classification"
    if format_name in NOTES:
        assert NOTES[format_name] in table.notes[0]
    assert len(table.notes) == (format_name in NOTES)


# Types


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "+3", "40"], "integer"),
        (["1", "-2", "", "40"], "number"),
        (["1", "2.5", ".5", "1e5"], "number"),
        (["1", "NA", "null", "2"], "number"),
        (["007", "1", "2", "3"], "text"),
        (["0", "0.5", "-0.5", "3"], "number"),
        (["00:15", "1", "2", "3"], "text"),
        (["true", "FALSE", "True", "true"], "boolean"),
        (["true", "FALSE", "", "true"], "boolean"),
        (["true", "FALSE", "1", "0"], "text"),
        (["1", "2", "x", "3"], "text"),
        (["1_000", "2", "3", "4"], "text"),
        (["NAN", "2", "3", "4"], "text"),
        (["1,5", "2", "3", "4"], "text"),
        (["62%", "5%", "", "7.5 %"], "number"),
        (["62%", "5%", "3", "7%"], "text"),
        (["62%", "$5", "", "$7"], "text"),
        (["$1,234.50", "$5.00", "$7", "$1,234,567"], "number"),
        (["-$5", "$-5", "$5", "$1"], "number"),
        (["1 234", "56", "7", "8"], "number"),
        (["1,234", "56", "7", "8"], "number"),
        (["1,234", "5678", "7", "8"], "text"),
        (["1,234", "56,7", "7", "8"], "text"),
        (["0,123", "0,567", "7", "8"], "text"),
        (["123 456", "223 457", "323 458", "423 459"], "text"),
        (["2020-01-01", "2020-01-02", "", "2020-01-03"], "text"),
    ],
)
@pytest.mark.parametrize("chunk_rows", [1, 2, 1000])
def test_types_are_decided_by_the_whole_column(
    write, monkeypatch, values, kind, chunk_rows
):
    monkeypatch.setattr(tables, "CHUNK_ROWS", chunk_rows)
    # Each value four times, so that it fills pieces alone.
    values = list(np.repeat(values, 4))
    rows = zip(values, "xy" * 8, strict=True)
    table = read_table(write(to_csv(rows, "a,label")), "label")
    assert table.schema.columns == {"a": kind}
    kinds = {"integer": "i", "number": "f", "boolean": "b", "text": "OUT"}
    expected = "O" if kind == "boolean" and "" in values else kinds[kind]
    assert table.X["a"].dtype.kind in expected
    if kind == "number":
        plain = [re.sub("[%$ ,]", "", v) for v in values]
        expected = [float(v) if v not in MISSING_WORDS else np.nan for v in plain]
        np.testing.assert_array_equal(table.X["a"], expected)


@pytest.mark.parametrize(
    ("columns", "decimal", "kinds"),
    [
        ((["1,5", "2"], ["0,25", ""]), ",", ["number", "number"]),
        ((["1.5", "2"], ["0.25", ""]), ".", ["number", "number"]),
        ((["1,5", "2"], ["0.25", "1.5"], ["x", "y,1"], ["2.5", ".5"]), ".", "tntn"),
        ((["1.234,50", "2,5"], ["3", "4"]), ",", ["number", "integer"]),
        ((["1,5", "?"], ["u", "u,v"]), ",", ["text", "text"]),
        ((["5,5 €", "0,1 €"], ["1", "2"]), ",", ["number", "integer"]),
    ],
)
def test_decimal_commas_are_found_where_fields_have_another_separator(
    write, columns, decimal, kinds
):
    names = [f"c{i}" for i in range(len(columns))]
    rows = list(zip(*columns, ["x", "y"], strict=True)) * 2
    text = to_csv(rows, ",".join([*names, "label"]), ";")
    schema = read_table(write(text), "label").schema
    kinds = [{"t": "text", "n": "number"}.get(kind, kind) for kind in kinds]
    assert (schema.decimal, list(schema.columns.values())) == (decimal, kinds)


@pytest.mark.parametrize("chunk_rows", [2, 1000])
@pytest.mark.parametrize("other", ["a", "label"])
def test_fractions_of_other_columns_show_what_a_comma_means(
    write, monkeypatch, other, chunk_rows
):
    monkeypatch.setattr(tables, "CHUNK_ROWS", chunk_rows)
    rows = [(str(i % 3), f"{i},694", str(i % 4)) for i in range(200, 220)]
    header = "a,more,label"
    path = write(to_csv(rows, header))
    table = read_table(path, "label")
    assert table.schema.columns["more"] == "text"
    assert any(
        note.startswith("'more' is text because '200,694' could be 200694 or 200.694:")
        for note in table.notes
    )
    place = header.split(",").index(other)
    rows[11] = tuple("1.5" if i == place else cell for i, cell in enumerate(rows[11]))
    table = read_table(write(to_csv(rows, header)), "label")
    assert table.X["more"].tolist() == [i * 1000 + 694 for i in range(200, 220)]
    assert any("without ',' between thousands: 'more'" in note for note in table.notes)
    # A long number shows that commas are not between all thousands.
    rows[3] = (rows[3][0], "203694", rows[3][2])
    table = read_table(write(to_csv(rows, header)), "label")
    assert table.schema.columns["more"] == "text"


def column_of(cells):
    return st.lists(cells, min_size=6, max_size=12)


COLUMNS = st.one_of(
    column_of(st.integers(-(10**6), 10**6).map(str)),
    column_of(st.floats(-1e9, 1e9).map(repr)),
    column_of(st.sampled_from(["red", "blue, dark", "gr;ün", " a", "x|y"])),
    column_of(st.sampled_from(["007", "12", "0"])),
    column_of(st.sampled_from(["True", "false", "TRUE"])),
    column_of(st.sampled_from(["True", "false", ""])),
    column_of(st.sampled_from(["5", "x", "NA", "1.50"])),
    column_of(st.sampled_from(["5", "true", "x"])),
    column_of(st.sampled_from(["1.5", "NA", "", "n/a"])),
    column_of(st.sampled_from(["5%", "17%", "", "NA"])),
    column_of(st.sampled_from(["$1,250.50", "$3", ""])),
    column_of(st.sampled_from(["1,5", "2", ""])),
    column_of(st.sampled_from(["219,694", "100,001", ""])),
    column_of(st.sampled_from(["219.694", "100.001", ""])),
    column_of(st.sampled_from(["#a", "b", "# c"])),
)


@given(
    columns=st.lists(COLUMNS, min_size=1, max_size=5),
    separator=st.sampled_from([*SEPARATORS.values()]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    start=st.sampled_from(["", "", "sep=", "# made by hand\n", "\n"]),
    chunk_rows=st.sampled_from([2, 5, 1000]),
)
@settings(max_examples=200, deadline=None)
def test_new_rows_are_read_like_those_of_training(
    tmp_path_factory, columns, separator, encoding, start, chunk_rows
):
    n_rows = min(map(len, columns))
    names = [f"c{i}" for i in range(len(columns))]
    frame = pd.DataFrame({n: c[:n_rows] for n, c in zip(names, columns, strict=True)})
    frame["step"] = np.arange(n_rows) ** 2
    frame["label"] = ["x", "y", "y", "x", "x", *"y" * (n_rows - 5)]
    path = tmp_path_factory.mktemp("data") / "data.csv"
    start = f"sep={separator}\n" if start == "sep=" else start
    text = start + frame.to_csv(index=False, sep=separator)
    path.write_bytes(text.encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CHUNK_ROWS", chunk_rows)
        table = read_table(path, "label")
    schema = Schema.from_dict(json.loads(json.dumps(table.schema.as_dict())))
    assert schema == table.schema

    # Each piece of the file has the types of the whole.
    with open_source(path) as source:
        for chunk in source.chunks(2):
            features = schema.features(chunk)
            expected = table.X.loc[chunk.index]
            fixed = [n for n, kind in schema.columns.items() if kind != "boolean"]
            pd.testing.assert_frame_equal(features[fixed], expected[fixed])
            assert features.astype(object).equals(expected.astype(object))

    # So does the call of pandas, whose fast reader of numbers rounds otherwise.
    call = schema.reading_call(str(path))
    read = eval(call, {"pandas": pd})[list(schema.columns)]
    expected = table.X.astype(object).map(as_plain)
    pd.testing.assert_frame_equal(
        read.astype(object).map(as_plain), expected, rtol=1e-14
    )


def as_plain(value):
    return float(value) if isinstance(value, (int, float, np.number)) else value


def test_the_call_that_reads_new_rows_is_readable(write):
    rows = [("5,5", "07", "x y", "5 %", "ab"[i % 2]) for i in range(6)]
    rows[0] = ("4", "1", "é", "", "a")
    text = to_csv(rows, "number,code,word,share,label", ";")
    schema = read_table(write(text.encode("cp1252")), "label").schema
    assert schema.reading_call() == (
        "pandas.read_csv('new.csv', sep=';', encoding='cp1252', decimal=',', "
        "dtype={'code': str}, converters={'share': lambda text: "
        "pandas.to_numeric(text.replace('%', '').replace(',', '.'), errors='coerce')})"
    )
    plain = read_table(write(to_csv(make_rows())), "label").schema
    assert plain.reading_call("a b.csv") == "pandas.read_csv('a b.csv')"


def test_words_for_missing_are_those_of_pandas(write):
    words = sorted(MISSING_WORDS - {""})
    text = "a,b\n" + "".join(f"{word},1\n" for word in [*words, "na", "none", "-"])
    read = pd.read_csv(write(text))["a"]
    assert read.isna().tolist() == [True] * len(words) + [False] * 3


# New rows


SCHEMA = Schema(
    "y",
    "classification",
    {"n": "integer", "x": "number", "t": "text", "f": "boolean"},
    decimal=",",
)
CELLS = {"t": ["1", ""], "extra": ["?", "?"], "f": ["true", ""], "x": ["1,5", "NA"]}


def test_features_are_in_order_and_others_are_ignored():
    cells = pd.DataFrame({**CELLS, "n": ["1", "2"]}, dtype=object)
    features = SCHEMA.features(cells)
    assert list(features) == list(SCHEMA.columns)
    assert features["n"].tolist() == [1, 2]
    assert features["t"][0] == "1"
    np.testing.assert_array_equal(features["x"], [1.5, np.nan])
    assert features["f"][0] is True
    assert features.isna().to_numpy().tolist()[1] == [False, True, True, True]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("word", ["", "NA"])
def test_integers_may_be_missing_in_new_rows(place, word):
    cells = pd.DataFrame({"n": ["1", "2", "3"]}, dtype=object)
    cells.loc[place, "n"] = word
    read = Schema("y", "regression", {"n": "integer"}).features(cells)["n"]
    expected = [1.0, 2.0, 3.0]
    expected[place] = np.nan
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("kind", ["n", "x", "f"])
def test_a_cell_that_cannot_be_read_is_named(kind):
    cells = pd.DataFrame({**CELLS, "n": ["1", "2"]}, dtype=object)
    cells = pd.concat([cells] * 3, ignore_index=True)
    cells.loc[4, kind] = "many"
    cells.loc[5, kind] = "more"
    with pytest.raises(
        InputError, match=f"'{kind}' must hold .* got 'many' in row 5 .the header"
    ):
        SCHEMA.features(cells[2:])


def test_all_missing_columns_are_named_with_their_like():
    cells = pd.DataFrame({"T": ["1"], "x": ["1"], "z": ["2"]}, dtype=object)
    message = "3 columns .* are missing: 'n', 't', 'f'; did you mean 'T' for 't'\\?"
    with pytest.raises(InputError, match=message):
        SCHEMA.features(cells)


def test_a_typed_file_may_follow_text_and_text_a_typed_file(tmp_path, write):
    text = read_table(write(to_csv(make_rows())), "label")
    path = tmp_path / "data.xlsx"
    cells = text.X.assign(label=text.y, when=pd.Timestamp("2020-01-01"))
    cells.loc[::2, "when"] = pd.Timestamp("2021-03-04")
    cells.to_excel(path, index=False, startrow=2)
    typed = read_table(path, "label")
    assert typed.schema.columns["when"].startswith("datetime64")
    pd.testing.assert_frame_equal(typed.X[list(text.X)], text.X)
    with open_source(path) as source:
        pd.testing.assert_frame_equal(
            text.schema.features(source.read()), text.X, check_index_type=False
        )
    assert typed.schema.reading_call() == "pandas.read_excel('new.csv', skiprows=2)"
    read = eval(typed.schema.reading_call(str(path)), {"pandas": pd})
    pd.testing.assert_frame_equal(read[list(typed.X)], typed.X, check_index_type=False)
    path = write(cells.to_csv(index=False), "typed.csv")
    with open_source(path) as source:
        pd.testing.assert_frame_equal(
            typed.schema.features(source.read()), typed.X, check_index_type=False
        )


def test_parquet_keeps_its_types(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "n": [1, 2, 3, 4] * 5,
            "code": ["007", "NA", "7", "8"] * 5,
            "kind": pd.Categorical(["u", "v", "v", "u"] * 5),
            "label": ["x", "y", "y", "x", "x"] * 4,
        }
    )
    path = tmp_path / "data.parquet"
    frame.to_parquet(path)
    table = read_table(path, "label")
    assert table.notes == []
    read = eval(table.schema.reading_call(str(path)), {"pandas": pd})
    pd.testing.assert_frame_equal(table.X, read[list(table.X)])


# Rows of totals


@given(
    data=st.data(), n_rows=st.integers(3, 9), word=st.sampled_from(["Total", "SUM:"])
)
@settings(max_examples=60, deadline=None)
def test_totals_at_the_end_are_dropped(tmp_path_factory, data, n_rows, word):
    numbers = st.lists(st.integers(1, 99), min_size=n_rows, max_size=n_rows)
    first, second = data.draw(numbers), data.draw(numbers)
    place = data.draw(st.sampled_from(["number", "text"]))
    label = ["x", "y"] * n_rows
    rows = [
        (str(10 + i * i), "uvw"[i % 3], f"{a}.5", str(b), label[i])
        for i, (a, b) in enumerate(zip(first, second, strict=True))
    ] * 2
    total = f"{2 * sum(first) + n_rows}.0", str(2 * sum(second))
    start = (word, "") if place == "number" else ("", word)
    path = tmp_path_factory.mktemp("data") / "data.csv"
    header = "n,t,a,b,label"
    path.write_text(to_csv(rows, header))
    expected = read_table(path, "label")
    path.write_text(to_csv([*rows, (*start, *total, "")], header))
    table = read_table(path, "label")
    pd.testing.assert_frame_equal(table.X, expected.X)
    assert table.notes[0] == f"dropped 1 row of totals at the end: {word!r}"

    # Neither other numbers, nor a label, nor the word elsewhere.
    genuine = [
        [*rows, (*start, "1.0", "1", label[0])],
        [*rows, (*start, *total, label[0])],
        [(*start, "1.0", "1", label[0]), *rows, (*start, *total, "")],
    ]
    for kept in genuine:
        path.write_text(to_csv(kept, header))
        assert not any("totals" in note for note in read_table(path, "label").notes)


def test_several_totals_and_means_are_dropped(write):
    rows = [(str(i), "uv"[i % 2], f"{i * i}.5") for i in range(10)]
    total = f"{sum(i * i for i in range(10)) + 5}"
    more = [("Total", "", total), ("Average", "", "29"), ("", "", "")]
    table = read_table(write(to_csv([*rows, *more[:2]], "n,t,y")), "y")
    assert (len(table.X), table.task) == (10, "regression")
    assert table.schema.columns == {"n": "integer", "t": "text"}
    assert "2 rows of totals at the end: 'Total', 'Average'" in table.notes[0]
    table = read_table(write(to_csv([*rows, ("Totals", "", "")], "n,t,y")), "y")
    assert table.schema.columns["n"] == "integer"


@pytest.mark.parametrize(
    "last",
    [("sum", "3", "8.5"), ("total", "5", ""), ("mean", "", ""), ("total", "", "9")],
)
def test_rows_of_words_are_no_totals(write, last):
    rows = [(f"word{i}", str(i % 7 + 4), f"{i}.5" if i % 9 else "") for i in range(40)]
    table = read_table(write(to_csv([*rows, last], "word,length,y")), "y")
    assert not any("totals" in note for note in table.notes)
    assert table.schema.columns == {
        "word": "text",
        "length": "integer" if last[1] else "number",
    }


def test_totals_may_have_a_unit_and_follow_no_rows(write):
    rows = [("u", "$1,000.50", "x"), ("v", "$20.00", "y")] * 4
    total = ("Total", "$4,082", "")
    table = read_table(write(to_csv([*rows, total], "t,a,label")), "label")
    assert table.X["a"].tolist() == [1000.5, 20.0] * 4
    assert "totals at the end: 'Total'" in table.notes[0]
    with pytest.raises(InputError, match="'label' is empty"):
        read_table(write("a,b,label\nTotal,,\n"), "label")


# The target


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "0"] * 5, "i"),
        (["1", "0", "2", "", "1", "0", "2", "1", "0", "2"], "i"),
        (["1.0", "0", "1", "0"] * 3, "i"),
        (["true", "false"] * 5, "b"),
        (["true", "false", ""] * 3 + ["true"], "b"),
        (["é", "1"] * 5, "U"),
        (["01", "1"] * 5, "U"),
        (["NA", "None", "null", "nan"] * 3, "U"),
        (["NA", "1", "0"] * 3, "U"),
    ],
)
def test_labels_keep_their_type(write, values, kind):
    table = read_table(write(with_column(values)), "more")
    assert table.task == "classification"
    assert table.y.dtype.kind == kind
    shown = {str(label).lower() for label in table.y.tolist()}
    assert shown == {value.lower().removesuffix(".0") for value in values if value}
    assert len(table.y) == sum(value != "" for value in values)


ABALONE = [1, 1, 15, 57, 115, 259, 391, 568, 689, 634, 487, 267, 203, 126, 103, 67]
ABALONE += [58, 42, 32, 26, 14, 6, 9, 2, 1, 1, 2, 1]


# Numbers of rows of the integers that occur: of UCI's wine quality, abalone and
# letters, of digits, and of small tables.
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([20, 163, 1457, 2198, 880, 175, 5], True),
        (ABALONE, False),
        ([180] * 10, True),
        ([770] * 26, False),
        ([90] * 11, True),
        ([3, 2], True),
        ([1] * 8, False),
    ],
)
def test_few_integers_are_classes(write, counts, expected):
    assert are_classes(counts) == expected
    values = np.repeat(np.arange(len(counts)) + 3, counts)[:: 1 + len(counts) // 30]
    frame = pd.DataFrame({"a": np.arange(len(values)) % 7, "y": values})
    table = read_table(write(frame.to_csv(index=False)), "y")
    assert table.task == ("classification" if expected else "regression")
    if len(counts) == 2:
        assert table.notes == []
        return
    taken, other = (
        ("classes", "regression") if expected else ("amounts", "classification")
    )
    assert table.notes[0].startswith(
        f"'y' holds {len(counts)} different integers: taken as {taken}; --task {other}"
    )
    if sum(counts) > 100:
        changed = read_table(write(frame.to_csv(index=False)), "y", task=other)
        assert (changed.task, changed.y.dtype.kind) == (other, "f" if expected else "i")
        assert not any("--task" in note for note in changed.notes)


def test_numbers_are_regression(write):
    rows = [(str(i % 5), f"{i},{i % 4}") for i in range(40)]
    table = read_table(write(to_csv([*rows, ("3", ""), ("3", "NA")], "a,y", ";")), "y")
    assert (table.task, table.schema.task) == ("regression", "regression")
    assert table.y.tolist() == [i + (i % 4) / 10 for i in range(40)]
    assert "dropped 2 rows without 'y'" in table.notes
    assert "'y': 'NA' read as missing" in table.notes


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["1", "x", "2", "3"], "regression", "'y' must hold numbers .* got 'x'"),
        (["u", "v", "u", "v"], "regression", "'y' must hold numbers .* got 'u'"),
        (["1.5", "inf", "2", "3"], None, "'y' holds a number too large .* inf"),
        (["1.5", "1e200", "2", "3"], None, "'y' holds a number too large .* 1e.200"),
        (["1.5", "1.5", "1.5", ""], None, "'y' must vary, but is 1.5"),
        (["1", "inf", "1", "inf"], "classification", "'y' is not a class label"),
        ([f"{i}.5" for i in range(40)], "classification", "40 different values in 40"),
    ],
)
def test_targets_that_do_not_suit_the_task_are_refused(write, values, task, message):
    rows = [(str(i % 3), value) for i, value in enumerate(values)]
    with pytest.raises(InputError, match=message):
        read_table(write(to_csv(rows, "a,y")), "y", task=task)


def test_spaces_in_numbers_are_no_other_class(write):
    rows = [(str(i % 3), f"{i}.5{' ' * (i % 2)}") for i in range(20)] * 2
    assert read_table(write(to_csv(rows, "a,y")), "y").notes == []


def test_few_fractions_may_be_classes(write):
    rows = [(str(i % 3), ["0.5", "1", "1.5"][i % 4 % 3]) for i in range(24)]
    path = write(to_csv(rows, "a,y"))
    assert read_table(path, "y").task == "regression"
    table = read_table(path, "y", task="classification")
    assert set(table.y) == {"0.5", "1.0", "1.5"}


@pytest.mark.parametrize("name", ["Label", "LABEL", "lable", "labels"])
def test_a_near_name_of_the_target_is_found(write, name):
    with pytest.raises(InputError, match="did you mean 'label'"):
        read_table(write(to_csv(make_rows())), name)


# Columns


def test_only_columns_that_teach_nothing_are_dropped(write):
    rows = [
        (
            "1",
            "",
            "7" * (i % 2),
            f"name {i} {i * i}",
            f"2020-01-{i % 28 + 1:02}",
            f"{i:05}",
            *row,
        )
        for i, row in enumerate(make_rows())
    ]
    header = "same,void,half,name,day,code_id,size,color,label"
    table = read_table(write(to_csv(rows, header)), "label")
    assert list(table.X) == ["half", "name", "day", "code_id", "size", "color"]
    assert list(table.schema.columns) == list(table.X)
    assert table.notes == [
        "dropped 1 column with a single value: 'same'",
        "dropped 1 column without values: 'void'",
        "identifiers of rows, from which nothing can be learned: 'code_id'",
    ]


HINTS = {
    "words": (
        ["?", *map(str, range(1, 20))],
        "'more' is text because of values such as '\\?': leave these cells empty",
    ),
    "percent": (
        ["5", *(f"{i}%" for i in range(1, 20))],
        "'more' is text because of values such as '1%': write plain numbers",
    ),
    "decimals": (
        ["5.5", *(f"{i},5" for i in range(1, 20))],
        "'more' is text because its numbers have different decimal separators: .*'.'",
    ),
    "decimal commas": (
        [f"{i},5" for i in range(20)],
        "'more' is text because its decimal .* ',', as in '0,5': write '0.5'$",
    ),
    "thousands with decimal commas": (
        [f"1.0{i},50" for i in range(10, 30)],
        "'more' is text because .* ',', as in '1.010,50': write '1010.50'$",
    ),
    "parentheses": (
        ["(102.00)", *(f"{i}.50" for i in range(20))],
        "'more' is text because of parentheses .*: write '-102.00' instead of '.102",
    ),
    "codes": (["one", "two"] * 10, None),
    "one to one": (
        ["1", "2"] * 10,
        "'more' determines 'label' exactly: remove it unless you will",
    ),
    "identifier": (
        [f"{i:08x}-0000-0000-0000-000000000000" for i in range(20)],
        "identifiers of rows, from which nothing can be learned: 'more'",
    ),
    "missing": (["NA", *map(str, range(19))], "missing: 'NA' .1 cell in 'more'"),
}
HINTS["codes"] = (["one", "two", "two"] * 7, None)


@pytest.mark.parametrize("case", HINTS)
def test_hints_say_what_can_be_done(write, case):
    values, hint = HINTS[case]
    notes = read_table(write(with_column(values)), "label").notes
    assert len(notes) == (hint is not None)
    assert re.search(hint or "", "".join(notes))


@pytest.mark.parametrize("start", [0, 1, 17])
def test_a_column_that_counts_the_rows_is_named(write, start):
    rows = [(str(start + i), *row) for i, row in enumerate(make_rows())]
    # The row is dropped.
    rows[7] = (*rows[7][:3], "")
    header = "Nr,size,color,label"
    hint = "'Nr' counts the rows: leave it out unless it is a time step"
    assert read_table(write(to_csv(rows, header)), "label").notes[-1] == hint
    for few in (rows[:19], [*rows[:30], *rows[31:]], rows[::-1]):
        notes = read_table(write(to_csv(few, header)), "label").notes
        assert not any("counts" in note for note in notes)
    notes = read_table(write(to_csv(rows, header.replace("Nr", "id"))), "label").notes
    assert sum("'id'" in note for note in notes) == 1


@pytest.mark.parametrize("last", ["20240229", "", "20230229", "20240101.5", "2024"])
def test_integers_that_are_dates_are_named(write, last):
    values = [*(f"202401{i}" for i in range(10, 31)), last]
    notes = read_table(write(with_column(values)), "label").notes
    hint = (
        "'more' looks like dates, but is read as numbers: write 2024-01-10 instead of"
    )
    assert any(hint in note for note in notes) == (last in ("20240229", ""))


def test_classes_that_differ_in_case_are_named(write):
    values = ["yes", "no", "YES", "no", "yes"] * 4
    notes = read_table(write(with_column(values)), "more").notes
    hint = "'yes' and 'YES' are two classes of 'more': write them alike if they are one"
    assert hint in notes
    values[3] = values[8] = "Yes"
    notes = read_table(write(with_column(values)), "more").notes
    assert any("and 'Yes' are 3 classes" in note for note in notes)
    for values in (["true", "TRUE", "false"] * 7, ["yes", "no", "no"] * 7):
        notes = read_table(write(with_column(values)), "more").notes
        assert not any("alike" in note for note in notes)


@pytest.mark.parametrize(
    ("header", "is_data"),
    [
        ("5.1,3.5,x", True),
        ("5,7,4,x", True),
        ("2019,2020,2021,x", False),
        ("2019,2020,x", False),
        ("0,1,x", False),
        ("5,6,7,x", False),
        ("5,6,x", True),
        ("5,a,b,x", False),
        ("x", False),
    ],
)
def test_a_header_of_numbers_may_be_a_row(write, header, is_data):
    hint = "the first line must hold the names of the columns, but holds '5"
    n_columns = header.count(",") + 1
    rows = [[str(i * j % 7) for j in range(n_columns - 1)] + ["c"] for i in range(9)]
    path = write(to_csv(rows, header))
    for target in ("x", "y"):
        with pytest.raises(InputError) as error:
            read_table(path, target)
        assert (hint in str(error.value)) == is_data
    if n_columns > 1:
        rows[::2] = [[*row[:-1], "d"] for row in rows[::2]]
        notes = read_table(write(to_csv(rows, header)), "x").notes
        assert any(hint in note for note in notes) == is_data


def test_another_separator_is_proposed_for_a_single_column(write):
    path = write(to_csv(make_rows()))
    hint = "only one column was found: is the separator ','?"
    with pytest.raises(InputError, match=f"no column 'label': {re.escape(hint)}"):
        read_table(path, "label", separator=";")
    schema = read_table(path, "label").schema
    with open_source(path, separator=";") as source:
        cells = source.read()
    with pytest.raises(InputError, match=re.escape(hint)):
        schema.features(cells)
    with pytest.raises(InputError, match=r"its columns are 'a'$"):
        read_table(write("a\n1\n"), "label")


def test_nearly_constant_columns_are_named(write):
    values = np.arange(1000)
    frame = pd.DataFrame(
        {
            "almost": (values > 996).astype(int),
            "rare": (values > 989).astype(int),
            "": values % 7,
            "label": np.where(values % 2, "x", "y"),
        }
    )
    assert read_table(write(frame.to_csv(index=False)), "label").notes == [
        "1 column without a name: called 'Unnamed: 2'",
        "nearly constant, over 99.5% of the rows have the same value: 'almost'",
    ]


def test_a_copy_of_numbers_is_refused(write):
    rows = [(str(i % 3), f"{i}.5", f"{i}.50") for i in range(20)]
    with pytest.raises(InputError, match="'b' is a copy of the target 'y'"):
        read_table(write(to_csv(rows, "a,b,y")), "y")


# What the models get


cells = st.one_of(
    st.none(), st.floats(-1e100, 1e100), st.booleans(), st.sampled_from(["a", "b"])
)


@pytest.mark.filterwarnings("ignore:column 'mixed' is treated as")
@given(data=st.data(), n_rows=st.integers(4, 12))
@settings(max_examples=25, deadline=None)
def test_preprocessed_columns_are_finite_numbers(tmp_path_factory, data, n_rows):
    columns = {
        name: data.draw(st.lists(kind, min_size=n_rows, max_size=n_rows))
        for name, kind in {
            "mixed": cells,
            "numbers": st.none() | st.floats(-1e6, 1e6, width=32),
            "flags": st.none() | st.booleans(),
        }.items()
    }
    columns["count"] = np.arange(n_rows) ** 2
    columns["label"] = ["x", "x", "y", "y", *"x" * (n_rows - 4)]
    path = tmp_path_factory.mktemp("data") / "data.csv"
    pd.DataFrame(columns).to_csv(path)
    table = read_table(path, "label")
    half = n_rows // 2
    preprocessor = make_network_columns(0).fit(table.X[:half])
    prepared = preprocessor.transform(table.X)
    assert np.isfinite(prepared).all()
    assert len(prepared) == len(table.y)
