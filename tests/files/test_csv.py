"""Where CSV files are divided: between lines, whatever is in quotes."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

from table_folder import table_of, write_table

from skscratch import ScratchMLPClassifier
from skscratch.files import TableFiles, csv

TEXTS = st.lists(
    st.text(st.sampled_from('ab,\n"é'), min_size=1, max_size=5), min_size=1, max_size=40
)


@settings(max_examples=40)
@given(TEXTS, st.integers(20, 60))
def test_blocks_have_all_rows_of_a_file_in_order(tmp_path_factory, texts, n_bytes):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    numbers = np.arange(len(texts)) + 0.5
    write_table(table_of(numbers[:, np.newaxis], texts), path)
    with pytest.MonkeyPatch.context() as patch:
        file = csv.CsvFile(path)
        patch.setattr(csv, "BLOCK_BYTES", n_bytes)
        blocks = list(file.blocks())
        batches = [b for block in blocks for b in file.read(block, ["f0", "t"], 7)]
    assert [n for batch in batches for n in batch["f0"].to_pylist()] == numbers.tolist()
    assert [text for batch in batches for text in batch["t"].to_pylist()] == texts
    if len(texts) > 20:
        assert len(blocks) > 1


def test_numbers_may_have_fractions_further_down(tmp_path):
    """Types are guessed from the first lines."""
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 3_000_000 + "2.5\n", encoding="ascii")
    file = csv.CsvFile(path)
    file.numbers = frozenset("a")
    *_, last = file.blocks()
    *_, batch = file.read(last, ["a"], 10**6)
    assert batch["a"][-1].as_py() == 2.5


# Files as other programs write them


def rows_of(path, **options):
    """Rows as they are read in blocks."""
    sources = TableFiles(path, **options).open()
    return [
        row
        for file in sources
        for block in file.blocks()
        for batch in file.read(block, file.schema.names, 7)
        for row in batch.to_pylist()
    ]


HEADER, ROWS = "x,é\n", [{"x": number, "é": f"t{number}"} for number in range(40)]
LINES = "".join(f"{row['x']},{row['é']}\n" for row in ROWS)


@pytest.mark.parametrize(
    "text",
    [
        HEADER + LINES,
        "\ufeff" + HEADER + LINES,
        "\n\n" + HEADER + LINES,
        HEADER + LINES[:-1],
        (HEADER + LINES).replace("\n", "\r\n"),
        (HEADER + LINES).replace("\n", "\n\n"),
    ],
)
def test_headers_and_ends_of_lines_may_be_any(tmp_path, text, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK_BYTES", 60)
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert rows_of(tmp_path) == ROWS


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_delimiter(tmp_path, ending):
    data = (HEADER + LINES).replace(",", ";").encode()
    data = data if ending == "csv" else gzip.compress(data)
    (tmp_path / f"t.{ending}").write_bytes(data)
    files = TableFiles(tmp_path, delimiter=";")
    assert rows_of(tmp_path, delimiter=";") == ROWS
    assert repr(files) == f"TableFiles({str(tmp_path)!r}, delimiter=';')"
    assert files != TableFiles(tmp_path)
    assert pickle.loads(pickle.dumps(files)) == files


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "é", None, 1])
def test_other_delimiters_are_refused(delimiter):
    with pytest.raises(ValueError, match="delimiter must be a single ASCII"):
        TableFiles("t.csv", delimiter=delimiter)


def test_old_ends_of_lines_are_refused(tmp_path, monkeypatch):
    """They would be one line, of which only the first block was the header."""
    monkeypatch.setattr(csv, "BLOCK_BYTES", 60)
    (tmp_path / "t.csv").write_text((HEADER + LINES).replace("\n", "\r"), "utf-8")
    with pytest.raises(ValueError, match=r"t\.csv has lines .* carriage return alone"):
        TableFiles(tmp_path).open()


@pytest.mark.parametrize("text", [HEADER + LINES, "x,y\n1,é\n"])
def test_other_encodings_are_refused(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"t\.csv is not UTF-8"):
        TableFiles(tmp_path).open()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("text", [HEADER, HEADER.strip()])
@pytest.mark.parametrize("name", ["0.csv", "2.csv"])
def test_files_of_a_header_alone_have_no_rows(tmp_path, text, name, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK_BYTES", 60)
    (tmp_path / "1.csv").write_text(HEADER + LINES, "utf-8")
    expected = ScratchMLPClassifier(max_iter=1, random_state=0)
    expected.fit(TableFiles(tmp_path), "é")
    (tmp_path / name).write_text(text, "utf-8")
    clf = ScratchMLPClassifier(max_iter=1, random_state=0)
    clf.fit(TableFiles(tmp_path), "é")
    np.testing.assert_array_equal(clf.classes_, expected.classes_)
    assert clf.t_ == expected.t_ == 40


def test_a_value_of_another_type_is_told_with_its_column(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK_BYTES", 60)
    (tmp_path / "t.csv").write_text(f"{HEADER}{LINES}oops,t\n", "utf-8")
    with pytest.raises(ValueError, match=r"t\.csv, column 'x': 'oops' is not of type"):
        rows_of(tmp_path)
