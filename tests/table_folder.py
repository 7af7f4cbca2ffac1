"""Folders of files that hold the rows of a table, in each format that is read."""

import gzip
import itertools

import numpy as np

FORMATS = ("parquet", "feather", "arrows", "csv", "csv.gz")


def table_of(X, y=None, weights=None, *, target="t"):
    """Table with the columns f0, f1, …, a target, and weights."""
    import pyarrow as pa

    columns = {f"f{j}": column for j, column in enumerate(np.asarray(X).T)}
    if y is not None:
        columns[target] = y
    if weights is not None:
        columns["w"] = weights
    return pa.table(columns)


def write_table(table, path, group_rows=64):
    """Write a table in the format that the file's name tells."""
    import pyarrow as pa
    from pyarrow import csv, feather, ipc, parquet

    kind = path.name.partition(".")[2]
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=group_rows)
    elif kind == "feather":
        feather.write_feather(table, path, chunksize=group_rows)
    elif kind == "arrows":
        with (
            pa.OSFile(str(path), "wb") as file,
            ipc.new_stream(file, table.schema) as writer,
        ):
            writer.write_table(table, group_rows)
    elif kind == "csv":
        csv.write_csv(table, path)
    else:
        with gzip.open(path, "wb") as file:
            csv.write_csv(table, file)


def write_folder(folder, table, edges, kind="parquet", group_rows=64):
    """Write the rows between each two edges to a file of their own."""
    folder.mkdir(exist_ok=True)
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        path = folder / f"{number:03}.{kind}"
        write_table(table.slice(low, high - low), path, group_rows)
    return folder
