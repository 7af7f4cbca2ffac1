"""Tables of mixed columns in files: a sample of their rows, and encoded rows.

Recipes for tables learn the encoding of columns from the sample. The networks are then
trained on all rows, which are encoded while they are read.
"""

from typing import Any

import numpy as np

from skscratch.estimators.sources import TableSample
from skscratch.files.columns import labels_of, numbers_of
from skscratch.files.formats import TableFile, import_pyarrow
from skscratch.files.survey import check_label_count, joined, label_array

__all__ = ["TABLE_ROWS", "EncodedFile", "FileTableSample", "to_dataframe"]

# Rows of a table that is encoded at a time: calls of transformers take some time each.
TABLE_ROWS = 8192


def to_dataframe(table):
    """Convert rows of Arrow to a DataFrame.

    Parameters
    ----------
    table : pyarrow.Table or pyarrow.RecordBatch

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        # Of the metadata that pandas writes, an index would take columns away.
        return table.to_pandas(ignore_metadata=True)
    except ImportError:
        raise ImportError(
            "recipes on TableFiles need pandas: pip install 'skscratch[files]'."
        ) from None


def _find_rows(rows, wanted):
    """Find numbers in a sorted array.

    Parameters
    ----------
    rows : ndarray of int
        Numbers to look for.
    wanted : ndarray of int
        Sorted.

    Returns
    -------
    is_found : ndarray of bool of shape (n_rows,)
    places : ndarray of int
        Index in ``wanted`` of those that are found.
    """
    places = np.searchsorted(wanted, rows)
    is_found = np.zeros(len(rows), bool)
    inside = places < len(wanted)
    is_found[inside] = wanted[places[inside]] == rows[inside]
    return is_found, places[is_found]


class _Reservoir:
    """Uniform sample without replacement of rows whose number is not known yet.

    Each row draws a number; those with the smallest are kept.
    """

    def __init__(self, size, random_state):
        self.size, self._random_state, self._bound = size, random_state, 1.0
        self._parts, self._n_kept = [], 0

    def add(self, batch, counts, *arrays):
        """Add the rows of a batch that count, with arrays of the same length."""
        keys = self._random_state.random_sample(batch.num_rows)
        chosen = counts & (keys < self._bound)
        if not chosen.any():
            return
        table = import_pyarrow().Table.from_batches([batch])
        table = table.filter(import_pyarrow().array(chosen))
        taken = [None if array is None else array[chosen] for array in arrays]
        self._parts.append((table, keys[chosen], *taken))
        self._n_kept += len(table)
        if self._n_kept > 2 * self.size:
            self.reduce()

    def reduce(self):
        """Keep no more rows than the size; return them with their arrays."""
        tables, *columns = zip(*self._parts, strict=True)
        arrow = import_pyarrow()
        table = arrow.concat_tables(tables, promote_options="permissive")
        arrays: list[Any] = joined(list(zip(*columns, strict=True)))
        keys = arrays[0]
        if len(keys) > self.size:
            kept = np.sort(np.argpartition(keys, self.size)[: self.size])
            arrays = [None if array is None else array[kept] for array in arrays]
            # A copy: chunks of the old tables are not kept in memory.
            table = table.unify_dictionaries().take(arrow.array(kept))
            self._bound = float(arrays[0].max())
        self._parts, self._n_kept = [(table, *arrays)], len(table)
        return table, arrays[1:]


class FileTableSample(TableSample):
    """A sample of the rows of files; see ``TableSample``.

    Parameters
    ----------
    source : TableFiles
    files : list of TableFile
    layout : Layout
        Whose features may be of any type.
    n_rows : int
    random_state : RandomState

    Raises
    ------
    ValueError
        If a file can't be read, or targets or weights can't be used.
    """

    def __init__(self, source, files, layout, n_rows, random_state):
        self._source, self._files, self._layout = source, files, layout
        self.n_rows, n_read = 0, 0
        self._first_rows: list[dict[Any, int]] = [{} for _ in files]
        labels: set[Any] = set()
        reservoir = _Reservoir(n_rows, random_state)
        for file, first_rows in zip(files, self._first_rows, strict=True):
            start = n_read
            for key in file.blocks():
                first_rows[key] = n_read
                for batch in file.read(key, layout.columns, TABLE_ROWS):
                    y, weights = _targets_of(layout, file, batch, n_read - start)
                    counts = np.ones(batch.num_rows, bool)
                    if weights is not None:
                        counts = weights > 0
                    if layout.target_dtype is None:
                        labels.update(np.unique(y[counts]).tolist())
                        check_label_count(labels, layout.targets[0])
                    rows = np.arange(n_read, n_read + batch.num_rows)
                    reservoir.add(
                        batch.select(layout.features), counts, rows, y, weights
                    )
                    self.n_rows += int(counts.sum())
                    n_read += batch.num_rows
        if not self.n_rows:
            raise ValueError(
                f"{source!r} has no rows of positive weight, but at least 1 is needed."
            )
        table, (self.rows, self.y, self.weights) = reservoir.reduce()
        self.table = to_dataframe(table.unify_dictionaries())
        self.classes = None
        if layout.target_dtype is None:
            # Not in the dtype of the sample, which may lack wider numbers.
            self.classes = label_array(labels)
        targets = layout.targets
        self.fit_arguments = (
            (targets[0] if len(targets) == 1 else targets),
            layout.weight,
        )

    def encoded(self, encode, n_outputs, dtype, held):
        """Make a source of encoded rows; see ``TableSample``."""
        files = [
            EncodedFile(file, first_rows, self._layout, encode, n_outputs, dtype, held)
            for file, first_rows in zip(self._files, self._first_rows, strict=True)
        ]
        return self._source.with_files(files)


def _targets_of(layout, file, batch, first_row):
    """Targets and weights of a batch, checked."""

    def place(number, name):
        return f"{file.path}, column {name!r}, row {first_row + number}"

    weights = None
    if layout.weight is not None:
        weights = numbers_of(batch, [layout.weight], np.float64, place)[:, 0]
        if (weights < 0).any():
            row = int(np.argmax(weights < 0))
            raise ValueError(
                f"{place(row, layout.weight)}: the weight is {weights[row]}; weights "
                "must not be negative."
            )
    if layout.target_dtype is None:
        values, codes = labels_of(batch, layout.targets[0], place)
        return values[codes], weights
    y = numbers_of(batch, layout.targets, layout.target_dtype, place)
    return (y if len(layout.targets) > 1 else y[:, 0]), weights


class EncodedFile(TableFile):
    """A file whose features are encoded while it is read.

    Parameters
    ----------
    file : TableFile
    first_rows : dict
        Number of rows before each block, over all files.
    layout : Layout
        Of the file.
    encode, n_outputs, dtype, held
        As in ``TableSample.encoded``.
    """

    def __init__(self, file, first_rows, layout, encode, n_outputs, dtype, held):
        self.path, self.n_bytes, self._file = file.path, file.n_bytes, file
        self._first_rows, self._layout = first_rows, layout
        self._encode, self._held = encode, held
        arrow = import_pyarrow()
        taken = {*layout.targets, layout.weight}
        prefix = "input"
        while any(str(name).startswith(prefix) for name in taken):
            prefix += "_"
        self.names = tuple(f"{prefix}{number}" for number in range(n_outputs))
        self._encodes_targets = not layout.is_classifier
        self._dtype = np.dtype(dtype)
        number = arrow.from_numpy_dtype(self._dtype)
        fields = [arrow.field(name, number) for name in self.names]
        for name in layout.targets:
            field = file.schema.field(name)
            fields.append(
                arrow.field(name, arrow.float64()) if self._encodes_targets else field
            )
        if layout.weight is not None:
            fields.append(file.schema.field(layout.weight))
        self.schema = arrow.schema(fields)

    def _read_schema(self):
        return self.schema

    def blocks(self):
        """Yield the blocks of the file."""
        yield from self._first_rows

    def check_unchanged(self):
        """Refuse a file that another program has written to."""
        self._file.check_unchanged()

    def bytes_of_reader(self, columns):
        """Estimate the memory that reading and encoding take."""
        n_bytes = TABLE_ROWS * len(self.names) * self._dtype.itemsize
        return self._file.bytes_of_reader(self._layout.columns) + 3 * n_bytes

    def _read(self, block, columns, n_rows):
        return self._read_used(block, columns, n_rows, 0)

    def _read_used(self, block, columns, n_rows, n_unused):
        arrow, row = import_pyarrow(), self._first_rows[block]
        start = min(self._first_rows.values())
        for batch in self._file.read(block, self._layout.columns, TABLE_ROWS):
            rows = np.arange(row, row + batch.num_rows)
            y = None
            if self._encodes_targets:
                y, _ = _targets_of(self._layout, self._file, batch, row - start)
            row += batch.num_rows
            is_held, _ = _find_rows(rows, self._held)
            if is_held.any():
                batch, rows = batch.filter(arrow.array(~is_held)), rows[~is_held]
                y = None if y is None else y[~is_held]
            if not batch.num_rows:
                continue
            # Parts of large blocks are read from the beginning of the block. To encode
            # the rows before them would take most of the time.
            n_unused -= batch.num_rows
            if n_unused < 0:
                X, y = self._encoded(batch, y, rows)
            else:
                X = np.zeros((batch.num_rows, len(self.names)), self._dtype)
            yield self._batch(batch, X, y)

    def _encoded(self, batch, y, rows):
        table = to_dataframe(batch.select(self._layout.features))
        try:
            return self._encode(table, y, rows)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None

    def _batch(self, batch, X, y):
        """Record batch of samples, with targets and weights."""
        arrow, layout = import_pyarrow(), self._layout
        arrays = [arrow.array(column) for column in np.ascontiguousarray(X.T)]
        if self._encodes_targets:
            arrays += [arrow.array(column) for column in y.reshape(len(y), -1).T]
        else:
            arrays += [batch.column(name) for name in layout.targets]
        if layout.weight is not None:
            arrays.append(batch.column(layout.weight))
        return arrow.RecordBatch.from_arrays(arrays, schema=self.schema)
