"""Memory, speed and accuracy of training on Parquet files larger than memory.

    python benchmarks/streaming.py                  # 4 GB of Parquet, about 20 minutes
    python benchmarks/streaming.py --gigabytes 0.5

It makes the files in a temporary folder, sorted by class or in random order, and trains
on them with early stopping, each time in a process of its own. The memory of a training
above that of the interpreter with its imports must stay within 500 MB. A part of the
rows that fits into memory is trained on as arrays, for comparison.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

N_FEATURES, N_CLASSES, N_FILES, GROUP_ROWS = 20, 8, 16, 100_000
# Of Parquet, with the dictionaries that pyarrow tries by default.
ROW_BYTES = 121
LIMIT_MB = 500
VALIDATION_ROWS = 100_000


def main(arguments=None):
    """Make files, and train on them in other processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--gigabytes", type=float, default=4.0, help="size of the files"
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--group-rows", type=int, default=GROUP_ROWS)
    parser.add_argument("--folder", help="where to put the files; they are removed")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train:
        print(json.dumps(train(**json.loads(options.train))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        n_rows = int(options.gigabytes * 1e9 / ROW_BYTES)
        for order in ("shuffled", "sorted"):
            data = Path(folder, order)
            size = write(data, n_rows, order == "sorted", options.group_rows)
            print(f"{order}: {n_rows:,} rows, {size / 1e9:.2f} GB of Parquet")
            report("files", run(data, epochs=options.epochs))
            part = min(n_rows, 2_000_000)
            name = f"arrays of {part:,} rows"
            report(name, run(data, epochs=options.epochs, n_in_memory=part))
            for file in data.iterdir():
                file.unlink()


def run(data, **options):
    """Train in a process of its own, whose memory is that of this training."""
    command = [sys.executable, __file__, "--train"]
    command.append(json.dumps({"data": str(data), **options}))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def report(name, result):
    """Print a result, and check the memory of a training on files."""
    print(
        f"  {name}: {result['peak_mb']:.0f} MB above {result['before_mb']:.0f} MB, "
        f"{result['rows_per_second']:,.0f} rows/s in {result['seconds']:.0f} s, "
        f"accuracy {result['accuracy']:.4f}",
        flush=True,
    )
    if name == "files" and result["peak_mb"] > LIMIT_MB:
        raise SystemExit(f"more than {LIMIT_MB} MB")


def make_rows(n_rows, labels, random):
    """Rows of a problem that a small network learns in part."""
    centers = np.random.default_rng(0).normal(size=(N_CLASSES, 3, N_FEATURES))
    kind = random.integers(3, size=n_rows)
    noise = random.standard_normal((n_rows, N_FEATURES), dtype=np.float32)
    return (centers[labels, kind] * 0.6 + noise).astype(np.float32)


def write(folder, n_rows, is_sorted, group_rows=GROUP_ROWS):
    """Write the files; return their size in bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    random = np.random.default_rng(1)
    names = [f"x{i}" for i in range(N_FEATURES)]
    edges = np.arange(N_FILES + 1) * n_rows // N_FILES
    for number in range(N_FILES):
        low, high = edges[number], edges[number + 1]
        writer = None
        for start in range(low, high, group_rows):
            rows = np.arange(start, min(start + group_rows, high))
            if is_sorted:
                labels = rows * N_CLASSES // n_rows
            else:
                labels = random.integers(N_CLASSES, size=len(rows))
            X = make_rows(len(rows), labels, random)
            columns = [*X.T.copy(), labels.astype(np.int8)]
            table = pa.table(dict(zip([*names, "class"], columns, strict=True)))
            if writer is None:
                path = folder / f"{number:02}.parquet"
                writer = parquet.ParquetWriter(path, table.schema)
            writer.write_table(table, group_rows)
        writer.close()
    return sum(file.stat().st_size for file in folder.iterdir())


def memory(name):
    """Memory of this process in MB, from Linux."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024


def train(data, epochs, n_in_memory=0):
    """Train, and measure."""
    import pyarrow.csv
    import pyarrow.dataset as dataset
    import pyarrow.ipc
    import pyarrow.parquet  # noqa: F401

    from skscratch import ScratchMLPClassifier
    from skscratch.files import TableFiles

    random = np.random.default_rng(2)
    y_test = random.integers(N_CLASSES, size=VALIDATION_ROWS)
    X_test = make_rows(VALIDATION_ROWS, y_test, random)
    clf = ScratchMLPClassifier(
        (64,), max_iter=epochs, early_stopping=True, random_state=0
    )
    X, y = TableFiles(data), "class"
    if n_in_memory:
        table = dataset.dataset(data)
        total = table.count_rows()
        rows = np.sort(random.choice(total, n_in_memory, replace=False))
        table = table.take(rows)
        y = table["class"].to_numpy()
        X = np.stack([table[f"x{i}"].to_numpy() for i in range(N_FEATURES)], axis=1)
        del table
    clf.fit(X_test[:500], y_test[:500])  # Imports the rest.
    # From here on, the peak is that of the training.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, start = memory("VmRSS"), time.perf_counter()
    clf.fit(X, y)
    seconds = time.perf_counter() - start
    return {
        "before_mb": before,
        "peak_mb": memory("VmHWM") - before,
        "seconds": seconds,
        "rows_per_second": clf.t_ / seconds,
        "accuracy": clf.score(X_test, y_test),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
