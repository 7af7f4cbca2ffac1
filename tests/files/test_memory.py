"""Memory of a fit on files: bounded, whatever their size."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

import pyarrow as pa
from pyarrow import parquet

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, warnings
import pyarrow.parquet
from pathlib import Path
import numpy as np
from skscratch import ScratchMLPClassifier
from skscratch.files import TableFiles

warnings.simplefilter("ignore")

def memory(name):
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024

clf = ScratchMLPClassifier((4,), max_iter=1, early_stopping=True, batch_size=4096)
files = TableFiles(sys.argv[1], window=25_000)
clf.fit(np.arange(20.0)[:, np.newaxis], np.arange(20) % 2)
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
clf.fit(files, "t", X_val=files, y_val="t")
clf.predict_proba(files)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Needs Linux.")
def test_a_fit_and_predictions_hold_a_window_of_the_files(tmp_path):
    random = np.random.default_rng(0)
    n_rows, n_bytes = 125_000, 0
    for number in range(2):
        columns = random.random((50, n_rows), dtype=np.float32)
        names = {f"f{j}": column for j, column in enumerate(columns)}
        table = pa.table(names | {"t": np.arange(n_rows) % 2})
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(table, path, row_group_size=2_500, use_dictionary=False)
        n_bytes += path.stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert n_bytes > 47e6
    # About 50 MB are needed. Samples of float32 would take 50 more; a window has 5.
    assert float(done.stdout) < 80
