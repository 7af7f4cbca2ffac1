"""CSV files: the formats that are read, those that are refused, and preprocessing."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest
from csv_tables import make_rows, to_csv, with_column
from hypothesis import given, settings
from hypothesis import strategies as st

from skscratch.cli.tables import SEPARATORS, make_table_preprocessor, read_table

FILES = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "header": (b"a,label\n", "no rows"),
    "binary": (bytes(range(256)), "binary"),
    "utf-16": (to_csv(make_rows()).encode("utf-16"), "binary"),
    "latin-1": ("a,label\n1,x\n2,é\n".encode("latin-1"), "not UTF-8 text \\(line 3"),
    "cut gzip": (gzip.compress(to_csv(make_rows()).encode())[:-20], "cannot read"),
    "not gzip": (b"\x1f\x8b no", "cannot read"),
    "short": (b"a,label\n1,x\n2\n", "line 3 .* 1 field, the first line 2"),
    "long": (b"a,label\n1,x\n2,y,z\n", "line 3 .* 3 fields"),
    "open quote": (b'a,label\n1,x\n"2,y\n', "1 field"),
    "huge field": (b"a" * 200_000 + b",label\n1,x\n", "field larger"),
    "no such column": (b"a,Label\n1,x\n", "did you mean 'Label'"),
    "two targets": (b"a,label,label\n1,x,x\n2,y,y\n", "2 columns 'label'"),
    "no label": (b"a,label\n1,\n2,\n", "'label' is empty"),
    "one class": (b"a,label\n1,x\n2,x\n", "two classes"),
    "classes of one row": (b"a,label\n1,x\n2,y\n", "two classes"),
    "fractions": (b"a,label\n1,0.5\n2,1.0\n", "not a class label.* 0.5"),
    "infinite label": (b"a,label\n1,inf\n2,1.0\n", "not a class label.* inf"),
    "huge label": (b"a,label\n1,1e300\n2,1.0\n", "not a class label.* 1e"),
    "only the target": (b"label\nx\ny\nx\ny\n", "no column except 'label'"),
    "constant": (b"a,b,label\n1,,x\n1,,y\n1,,x\n1,,y\n", "no column except 'label'"),
    "infinite": (with_column(["inf", *"1234567"]).encode(), "'more' holds .* inf"),
    "huge": (with_column(["-1e200", *"1234567"]).encode(), "'more' holds .* 1e.200"),
    # Depends on the version of pandas.
    "no float": (
        with_column(["1" * 400, *"1234567"]).encode(),
        "cannot read .* int|'more' holds a number too large",
    ),
    "copy": (with_column(["yes", "no"] * 4).encode(), "copy of the target"),
    "identifiers": (
        to_csv([(*row[:2], f"id {i}") for i, row in enumerate(make_rows())]).encode(),
        "not a class label: 60 different values in 60 rows",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_invalid_files_are_refused(refusal, write, case):
    content, message = FILES[case]
    assert re.search(message, refusal(write(content), "--target", "label"))


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
        [(row[0].replace(".", ","), *row[1:]) for row in make_rows()], separator=";"
    ),
    "row numbers": to_csv(
        [(str(i), *row) for i, row in enumerate(make_rows())], ",size,color,label"
    ),
    "separators at the end": to_csv(
        [(*row, "") for row in make_rows()], "size,color,label,"
    ),
    "no label": to_csv([*make_rows(), ("1", "red", "")]),
    "class of one row": to_csv([*make_rows(), ("1", "red", "perhaps")]),
}


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_gives_the_same_table(write, format_name):
    expected = read_table(write(to_csv(make_rows())), "label")
    table = read_table(write(FORMATS[format_name], "other.csv"), "label")
    pd.testing.assert_frame_equal(table.X, expected.X)
    np.testing.assert_array_equal(table.y, expected.y)
    assert table.numeric == ["size"]
    assert table.categorical == ["color"]
    has_dropped = (
        format_name in {"row numbers", "separators at the end"}
        or "label" in format_name
    )
    assert len(table.notes) == (has_dropped or format_name == "class of one row")


def test_a_byte_order_mark_does_not_change_the_first_name(write):
    text = "\ufefflabel,size\n" + "x,1\ny,2\n" * 3
    assert list(read_table(write(text), "label").X) == ["size"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "0"] * 5, "i"),
        (["1", "0", "2", "", "1", "0", "2", "1", "0", "2"], "i"),
        (["true", "false"] * 5, "b"),
        (["true", "false", ""] * 3 + ["true"], "b"),
        (["é", "1"] * 5, "U"),
    ],
)
def test_labels_keep_their_type(write, values, kind):
    table = read_table(write(with_column(values)), "more")
    assert table.y.dtype.kind == kind
    shown = {str(label).lower() for label in table.y.tolist()}
    assert shown == set(filter(None, values))


def test_useless_columns_are_dropped_and_named(write):
    random = np.random.RandomState(0)
    rows = [
        ("1", "", f"name {i}", "?" if i % 20 == 0 else str(random.randint(9)), *row)
        for i, row in enumerate(make_rows())
    ]
    header = "same,void,name,marked,size,color,label"
    table = read_table(write(to_csv(rows, header)), "label")
    assert list(table.X) == ["marked", "size", "color"]
    assert table.categorical == ["marked", "color"]
    notes = "\n".join(table.notes)
    for word in (
        "'same'",
        "'void'",
        "'name'",
        "'marked' is text because of values such as '?'",
    ):
        assert word in notes


def test_numbers_are_standardized_and_categories_one_hot_encoded(write):
    numbers = ["1", "2", "", "9"] * 3
    words = ["often"] * 6 + ["once", *[""] * 5]
    rows = zip(numbers, words, ["x", "y"] * 6, strict=True)
    table = read_table(write(to_csv(rows, "number,word,label")), "label")
    prepared = make_table_preprocessor(table).fit_transform(table.X)
    number, missing, often, no_word, rare = prepared.T
    np.testing.assert_allclose(number.reshape(3, 4).mean(axis=0), number[:4])
    np.testing.assert_allclose([number.mean(), number.std()], [0, 1], atol=1e-12)
    assert number[2] == number[1]
    assert missing[2] > 0 > missing[0]
    np.testing.assert_array_equal(often, [word == "often" for word in words])
    np.testing.assert_array_equal(no_word, [word == "" for word in words])
    np.testing.assert_array_equal(rare, [word == "once" for word in words])


cells = st.one_of(
    st.none(), st.floats(-1e100, 1e100), st.booleans(), st.sampled_from(["a", "b"])
)


@given(data=st.data(), n_rows=st.integers(4, 12))
@settings(max_examples=25)
def test_preprocessed_columns_are_finite_numbers(tmp_path_factory, data, n_rows):
    columns = {
        name: data.draw(st.lists(kind, min_size=n_rows, max_size=n_rows))
        for name, kind in {
            "mixed": cells,
            "numbers": st.none() | st.floats(-1e6, 1e6, width=32),
            "flags": st.none() | st.booleans(),
        }.items()
    }
    columns["count"] = range(n_rows)
    columns["label"] = ["x", "x", "y", "y", *"x" * (n_rows - 4)]
    path = tmp_path_factory.mktemp("data") / "data.csv"
    pd.DataFrame(columns).to_csv(path)
    table = read_table(path, "label")
    half = n_rows // 2
    preprocessor = make_table_preprocessor(table).fit(table.X[:half])
    prepared = preprocessor.transform(table.X)
    assert np.isfinite(prepared).all()
    assert len(prepared) == len(table.y)
