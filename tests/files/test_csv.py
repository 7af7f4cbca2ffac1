"""Where CSV files are divided: between lines, whatever is in quotes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

from table_folder import table_of, write_table

from skscratch.files import csv

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
