"""Files as they come: compression, encodings, separators, comments and headers."""

import bz2
import csv
import gzip
import io
import lzma
import os
import sys
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from csv_tables import make_rows, to_csv
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skscratch.cli.errors import InputError
from skscratch.cli.reading import encodings
from skscratch.cli.reading.files import open_source
from skscratch.cli.reading.separators import SEPARATORS, find_separator


def zipped(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


COMPRESSIONS = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(table=content),
}
TABLE = to_csv(make_rows())


def read(path, **options):
    """Header, cells and notes of a file."""
    with open_source(path, **options) as source:
        frame = source.read()
        return source.header, frame.to_numpy().tolist(), source.notes


def refused(path, **options):
    with pytest.raises(InputError) as error:
        read(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def as_csv(header, rows, separator=",", end="\n", quoting=csv.QUOTE_ALL):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([header, *rows])
    return text.getvalue()


# Not of the control characters that no table has.
cells = st.text("ab0#é, ;\t|\"'\n\r.€-", max_size=6)
tables = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=8)
)


@given(
    rows=tables,
    separator=st.sampled_from([*SEPARATORS.values(), ":"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-be"]),
    compression=st.sampled_from(sorted(COMPRESSIONS)),
    n_rows=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_cells_are_read_as_they_were_written(
    tmp_path_factory, rows, separator, end, encoding, compression, n_rows
):
    header = ["ab", "bc", "cd", "de"][: len(rows[0])]
    # Plain letters, so that UTF-16 without a byte order mark can be recognized.
    rows = [*rows, ["plain letters"] * len(header)]
    content = as_csv(header, rows, separator, end).encode(encoding)
    path = tmp_path_factory.mktemp("data") / "data"
    path.write_bytes(COMPRESSIONS[compression](content))
    with open_source(path, separator=separator) as source:
        assert source.header == header
        chunks = list(source.chunks(n_rows))
        assert [*map(len, chunks[:-1])] == [n_rows] * (len(chunks) - 1)
        frame = pd.concat(chunks)
        assert frame.index.tolist() == list(range(len(rows)))
        assert frame.to_numpy().tolist() == rows
        pd.testing.assert_frame_equal(source.read(), frame, check_index_type=False)
        assert source.position() in (0, source.n_bytes)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damaged_files_are_refused(write, compression):
    content = COMPRESSIONS[compression](TABLE.encode())
    for end in (10, len(content) // 2, len(content) - 8):
        path = write(content[:end])
        if compression != "plain":
            assert "cannot read" in refused(path)
    assert refused(write(COMPRESSIONS[compression](b""))).endswith("is empty")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zipped(a=TABLE, b=TABLE),
            "holds 2 files: 'a', 'b'; unpack it and name the one",
        ),
        (zipped(), "holds 0 files"),
        (b"%PDF-1.7\n\x01\x02\xff", "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (b"a,b\n1," + b"x" * 5000 + b"\0\n", "binary"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "save it as .xlsx"),
        ("\ufeffa\n1\0".encode("utf-16-le"), "binary"),
    ],
)
def test_other_files_are_refused_in_words(write, content, message):
    assert message in refused(write(content))


def test_a_folder_of_macos_in_a_zip_file_is_no_member(write):
    path = write(zipped(**{"t.csv": TABLE, "__MACOSX/t.csv": b"?", "empty/": b""}))
    assert len(read(path)[1]) == 60


# Encodings


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        (
            "cp1252",
            "not UTF-8, so read as cp1252 (Windows); set --encoding if letters "
            "look wrong",
        ),
    ],
)
def test_encodings_are_found_out_and_said(write, encoding, note):
    path = write((TABLE.replace("red", "“röd”")).encode(encoding))
    _, rows, notes = read(path)
    assert {row[1] for row in rows} == {"“röd”", "blue, dark", ""}
    assert (note is None) == (notes == [])
    assert (note or "") in "".join(notes)
    given = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    assert read(path, encoding=given) == (["size", "color", "label"], rows, [])


def test_what_cp1252_does_not_have_is_latin_1(write):
    _, rows, (note,) = read(write(b"a,b\n1,\x81\xe9\n"))
    assert rows == [["1", "\x81é"]]
    assert note.startswith("not UTF-8, so read as latin-1;")


@pytest.mark.parametrize("size", [1, 2, 3, 64])
@pytest.mark.parametrize("compression", ["plain", "gz"])
def test_the_whole_file_is_looked_at_in_blocks(write, monkeypatch, size, compression):
    monkeypatch.setattr(encodings, "BLOCK_BYTES", size)
    text = "a,b\n" + "€,é\n" * 20
    compress = COMPRESSIONS[compression]
    assert read(write(compress(text.encode())))[1] == [["€", "é"]] * 20
    _, rows, notes = read(write(compress(text.encode() + b"\x80,x\n")))
    assert rows[-1] == ["€", "x"]
    assert "cp1252" in notes[0]


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-8", r"not text in utf-8 \(line 3\)"),
        ("ascii", r"not text in ascii \(line 3\)"),
        ("utf-16", "not text in utf-16"),
        ("klingon", "--encoding 'klingon' is unknown"),
        ("base64", "--encoding 'base64' is unknown"),
    ],
)
def test_a_wrong_encoding_is_refused(write, encoding, message):
    path = write("a,b\n1,x\n2,é\n".encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read(path, encoding=encoding)


# Separators and comments


@given(
    separator=st.sampled_from(sorted(SEPARATORS.values())),
    rows=st.lists(
        st.tuples(
            st.integers(-9, 9).map(str),
            st.floats(-9, 9).map(lambda x: f"{x:.2f}".replace(".", ",")),
            st.sampled_from(["red", "blue, dark", "a;b", "x|y", ""]),
        ),
        min_size=1,
        max_size=9,
    ),
)
def test_separators_are_found(separator, rows):
    header = ("n", "size, cm", "color")
    text = as_csv(header, rows, separator, quoting=csv.QUOTE_MINIMAL)
    assert find_separator(text.splitlines(keepends=True)) == separator


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a;b,c\n1;2,5\n3;1,5\n", ";"),
        ("a,b;c\n1.5,2\n3,4\n", ","),
        ("a;b,c\nx;y,2\n", ","),
        ("a,b,c;d\n1;2\n3;4\n", ";"),
        ("name\tLast, First\nx\ty, z\n", "\t"),
        ("a|b\n", "|"),
        ("a\n1\n", ","),
        ("a;b;c\n1;2;3\n1;2\n1;2;3\n", ";"),
    ],
)
def test_rows_help_to_find_the_separator(text, separator):
    assert find_separator(text.splitlines(keepends=True)) == separator


@pytest.mark.parametrize(
    "start", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"]
)
def test_the_separator_line_of_excel_is_obeyed(write, start):
    path = write(start + "a,b,c;d\nx,1,2;z\n")
    assert read(path)[:2] == (["a,b,c", "d"], [["x,1,2", "z"]])
    assert read(path, separator=",")[1] == [["x", "1", "2;z"]]


TWO_ROWS = [["1", "2"], ["3", "4"]]
COMMENTS = {
    "before": ("# x, y\n#\na,b\n1,2\n", ["a", "b"], [["1", "2"]], 2),
    "as many fields": ("# x, y\na,b\n1,2\n", ["a", "b"], [["1", "2"]], 1),
    "no numbers": ("# x, y\na,b\nu,v\n", ["a", "b"], [["u", "v"]], 1),
    "between and after": (
        "a,b\n1,2\n# x\n3,4\n#\n",
        ["a", "b"],
        [["1", "2"], ["3", "4"]],
        2,
    ),
    "header #": ("#,b\n1,2\n", ["#", "b"], [["1", "2"]], 0),
    "header #a": ("#a,b\n1,2\n", ["#a", "b"], [["1", "2"]], 0),
    "header # a": ("# c\n# a,b\n1,2\n", ["# a", "b"], [["1", "2"]], 1),
    "header #a of words": ("#a,b\nu,v\n", ["#a", "b"], [["u", "v"]], 0),
    "cells": (
        "a,b\n#ff0000,2\n#00ff00,4\n",
        ["a", "b"],
        [["#ff0000", "2"], ["#00ff00", "4"]],
        0,
    ),
    "all": ("#a,b\n#f,2\n#0,4\n", ["#a", "b"], [["#f", "2"], ["#0", "4"]], 0),
    "one column": ("a\n1\n# x\n2\n", ["a"], [["1"], ["2"]], 1),
    "quoted": ('a,b\n1,"x\n# y\nz"\n', ["a", "b"], [["1", "x\n# y\nz"]], 0),
    "CR": ("a,b\r1,2\r# x\r3,4\r", ["a", "b"], TWO_ROWS, 1),
    "quotes in it": ('a,b\n# "x\n1,2\n', ["a", "b"], [["1", "2"]], 1),
    "after sep=": ("sep=;\n# x\na;b\n1;2\n", ["a", "b"], [["1", "2"]], 1),
    "blank lines": ("\n# x\n \na,b\n\n1,2\n  \n", ["a", "b"], [["1", "2"]], 1),
}


@pytest.mark.parametrize("case", COMMENTS)
def test_comments_are_skipped_and_counted_but_no_row_is_lost(write, case):
    text, header, rows, n_comments = COMMENTS[case]
    found_header, found, notes = read(write(text))
    assert (found_header, found) == (header, rows)
    counted = [note for note in notes if "comment line" in note]
    noun = "line" if n_comments == 1 else "lines"
    expected = [f"skipped {n_comments} comment {noun} beginning with #"]
    assert counted == expected * (n_comments > 0)
    assert any("the header begins with #" in note for note in notes) == (
        header[0].startswith("#")
    )


# The header and the rows

NAMES = ["", "a", "b", "a.1", "a.2"]


@given(
    names=st.lists(
        st.sampled_from(["", "a", "b", "a.1", "a.2"]), min_size=2, max_size=7
    )
)
@example(names=["a", "a", "a.1"])
@example(names=["a.1", "a", "a"])
def test_columns_are_named_as_pandas_names_them(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("data") / "data.csv"
    path.write_text(as_csv(names, [["1"] * len(names)]))
    header, _, notes = read(path)
    assert header == list(pd.read_csv(path))
    repeated = {name for name in names if name and names.count(name) > 1}
    assert len(notes) == len(repeated)
    assert all(any(repr(name) in note for note in notes) for name in repeated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n\n3\n", "line 4 of .* has 1 field, the first line 2"),
        ("a,b\n" + "1,2\n" * 70_000 + "1,2,3\n", "line 70002 of .* has 3 fields"),
        ('# x\na,b\n1,"x\ny"\n1,2,3\n', "line 5 of .* has 3 fields"),
        ('a,b\n1,2\n"3,4\n', "line 3 .* has 1 field"),
        ("a,b\n", "no rows"),
        ("# x\n", "is empty|no rows"),
        ("\n \n", "is empty"),
        ("x" * 200_000 + ",b\n1,2\n", "field larger"),
    ],
)
def test_files_of_other_shapes_are_refused(write, text, message):
    with pytest.raises(InputError, match=message):
        read(write(text))


def test_chunks_need_little_memory(write):
    n_bytes = 4_000_000
    path = write(gzip.compress(b"a,b,c\n" + b"1.25,word,3\n" * (n_bytes // 12)))
    with open_source(path) as source:
        tracemalloc.start()
        try:
            n_rows, positions = 0, []
            for chunk in source.chunks(1000):
                n_rows += len(chunk)
                positions.append(source.position())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert n_rows == n_bytes // 12
    assert positions == sorted(positions)
    assert 0 < positions[0] <= positions[-1] == path.stat().st_size
    assert peak < n_bytes / 3


# Where it comes from


@pytest.mark.parametrize("compression", ["plain", "gz"])
def test_standard_input_is_read(monkeypatch, compression):
    content = COMPRESSIONS[compression](TABLE.encode())
    stdin = io.TextIOWrapper(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", stdin)
    with open_source("-") as source:
        assert source.name == "standard input"
        assert source.n_bytes == len(content)
        assert len(source.read()) == len(source.read()) == 60


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="There are no such pipes.")
def test_a_pipe_is_read_as_a_file():
    reading, writing = os.pipe()
    os.write(writing, TABLE.encode())
    os.close(writing)
    try:
        assert len(read(f"/dev/fd/{reading}")[1]) == 60
    finally:
        os.close(reading)


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_path_that_is_no_file_is_refused(tmp_path, name):
    assert "cannot read" in refused(tmp_path / name)


# Typed files


def typed_frame():
    return pd.DataFrame(
        {
            "n": [1, 2, 3],
            "x": [0.5, np.nan, 2.0],
            "code": ["007", "NA", "1"],
            "flag": [True, False, True],
            "day": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
        }
    )


def test_the_first_sheet_of_a_workbook_is_read(tmp_path):
    path = tmp_path / "table.data"
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        typed_frame().to_excel(book, sheet_name="first", index=False, startrow=2)
        typed_frame().to_excel(book, sheet_name="second")
    with open_source(path) as source:
        expected = typed_frame()
        pd.testing.assert_frame_equal(
            source.read(), expected, check_dtype=False, check_index_type=False
        )
        assert source.read().dtypes.map(lambda dtype: dtype.kind).tolist()[:2] == [
            "i",
            "f",
        ]
        assert source.notes == ["read the first sheet, 'first'; not read: 'second'"]
        assert [len(chunk) for chunk in source.chunks(2)] == [2, 1]


def test_an_empty_sheet_and_damaged_workbooks_are_refused(tmp_path):
    path = tmp_path / "table.xlsx"
    pd.DataFrame().to_excel(path)
    assert "empty" in refused(path)
    pd.DataFrame(columns=["a", "b"]).to_excel(path, index=False)
    assert "no rows" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x>")
        archive.writestr("xl/workbook.xml", "<x>")
    assert "cannot read" in refused(path)


def test_parquet_files_are_read(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "table"
    expected = typed_frame()
    expected.to_parquet(path)
    with open_source(path) as source:
        assert source.header == list(expected)
        chunks = list(source.chunks(2))
        assert [len(chunk) for chunk in chunks] == [2, 1]
        pd.testing.assert_frame_equal(
            pd.concat(chunks), expected, check_dtype=False, check_index_type=False
        )
    path.write_bytes(path.read_bytes()[:50])
    assert "cannot read" in refused(path)


@pytest.mark.parametrize(
    ("content", "missing", "message"),
    [
        (
            zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}),
            "openpyxl",
            "reading an Excel file needs pandas and openpyxl: "
            "pip install 'skscratch[cli,excel]'",
        ),
        (
            b"PAR1",
            "pyarrow",
            "reading a Parquet file needs pandas and pyarrow: "
            "pip install 'skscratch[cli,parquet]'",
        ),
    ],
)
def test_the_extra_that_is_missing_is_named(
    write, monkeypatch, content, missing, message
):
    monkeypatch.setitem(sys.modules, missing, None)
    assert refused(write(content)) == message


@pytest.mark.parametrize("n_rows", [1, 2, 3, 100])
@pytest.mark.parametrize("comment", ["", "# made by hand\n"])
def test_rows_without_values_are_left_out_at_the_end_only(write, n_rows, comment):
    path = write(f"{comment}a,b\n1,2\n,\n,\n, \n3,\n,\n ,\n,\n")
    with open_source(path) as source:
        pieces = list(source.chunks(n_rows))
        note = "left out 3 rows without any value at the end"
        assert source.notes[-1] == note
    assert max(map(len, pieces)) <= n_rows
    frame = pd.concat(pieces)
    assert frame.index.tolist() == [0, 1, 2, 3, 4]
    expected = [["1", "2"], ["", ""], ["", ""], ["", ""], ["3", ""]]
    assert frame.to_numpy().tolist() == expected
    assert "no rows" in refused(write("a,b\n,\n,\n"))


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_options_of_text_files_are_said_to_be_ignored(tmp_path, ending):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    path = tmp_path / f"data.{ending}"
    if ending == "xlsx":
        frame.to_excel(path, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    assert read(path)[2] == []
    assert read(path, separator=";", encoding="utf-8")[2] == [
        "--separator and --encoding ignored: for text files only"
    ]


def test_what_is_damaged_is_said_in_plain_words(write):
    path = write(zipped(a=TABLE)[:200], "data.xlsx")
    message = "the file is damaged, or not an Excel file (.xlsx)"
    assert refused(path).endswith(f"data.xlsx': {message}")
    assert refused(write(path.read_bytes(), "data.zip")).endswith("is damaged")
    path = write(gzip.compress(TABLE.encode())[:-20], "data.csv.gz")
    assert refused(path).endswith("the file is incomplete")
