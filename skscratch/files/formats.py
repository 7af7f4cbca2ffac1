"""Binary files, read by blocks of rows: Parquet and Arrow IPC.

A block is what can be read without what is before it: a row group of Parquet, a record
batch of Arrow IPC. An IPC stream, which has no index, is one block.
"""

from abc import ABC, abstractmethod
from contextlib import contextmanager

__all__ = [
    "IpcFile",
    "IpcStream",
    "ParquetFile",
    "TableFile",
    "import_pyarrow",
    "reading",
]

# Bytes of a column chunk that are read at a time, and the size of pages and of
# dictionaries that programs write by default.
BUFFER_BYTES, PAGE_BYTES = 2**16, 2**20


def import_pyarrow():
    """Import pyarrow.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            "TableFiles needs pyarrow: pip install 'skscratch[files]'."
        ) from None
    return pyarrow


@contextmanager
def reading(path):
    """Context in which errors of reading name the file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        In place of errors of pyarrow and of the operating system.
    """
    arrow = import_pyarrow()
    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        # Of several lines, the first says what is wrong.
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} can't be read: {reason}") from error


class TableFile(ABC):
    """A file of a table.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    schema : pyarrow.Schema
        Names and types of the columns.
    numbers : frozenset of str
        Columns that are to be read as numbers, where the file itself has no types.
    """

    numbers: frozenset[str] = frozenset()

    def __init__(self, path):
        self.path = path
        with reading(path):
            stat = path.stat()
            self.n_bytes, self._stamp = stat.st_size, stat.st_mtime_ns
            if not self.n_bytes:
                raise ValueError(f"{path} is empty: it has no header, and no rows.")
            self.schema = self._read_schema()

    @abstractmethod
    def _read_schema(self):
        """Names and types of the columns."""

    @abstractmethod
    def blocks(self):
        """Yield a description of each block, in order, to be passed to ``read``."""

    @abstractmethod
    def _read(self, block, columns, n_rows):
        """Yield record batches; see ``read``."""

    def read(self, block, columns, n_rows, n_unused=0):
        """Read a block in pieces.

        Parameters
        ----------
        block : object
            One that ``blocks`` has yielded.
        columns : list of str
        n_rows : int
            Most rows of a piece.
        n_unused : int, default=0
            Number of rows at the beginning whose values are not looked at.

        Yields
        ------
        pyarrow.RecordBatch
            With these columns, in any order.

        Raises
        ------
        ValueError
            If the file can't be read, or has changed.
        """
        with reading(self.path):
            self.check_unchanged()
            for batch in self._read_used(block, columns, n_rows, n_unused):
                for start in range(0, batch.num_rows, n_rows):
                    yield batch.slice(start, n_rows)

    def _read_used(self, block, columns, n_rows, n_unused):
        """Yield record batches; see ``read``."""
        return self._read(block, columns, n_rows)

    def count_rows(self, block, column):
        """Count the rows of a block.

        Parameters
        ----------
        block : object
        column : str
            A column that may be read to count them.

        Returns
        -------
        int
        """
        return sum(batch.num_rows for batch in self.read(block, [column], 2**16))

    def check_unchanged(self):
        """Refuse a file that another program has written to.

        Raises
        ------
        ValueError
        """
        with reading(self.path):
            stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.n_bytes, self._stamp):
            raise ValueError(f"{self.path} has changed while it was in use.")

    def bytes_of_reader(self, columns):
        """Estimate the memory that reading a block takes.

        Parameters
        ----------
        columns : list of str

        Returns
        -------
        int
        """
        return 2 * PAGE_BYTES * len(columns)


class ParquetFile(TableFile):
    """A Parquet file; its blocks are row groups."""

    def _open(self):
        from pyarrow import parquet

        # Pages are read one after the other. Read ahead, or in one piece, a row group
        # would be in memory as a whole.
        return parquet.ParquetFile(
            self.path, pre_buffer=False, buffer_size=BUFFER_BYTES
        )

    def _read_schema(self):
        with self._open() as file:
            return file.schema_arrow

    def blocks(self):
        """Yield the numbers of the row groups."""
        with reading(self.path), self._open() as file:
            n_groups = file.num_row_groups
        yield from range(n_groups)

    def _read(self, block, columns, n_rows):
        with self._open() as file:
            yield from file.iter_batches(n_rows, row_groups=[block], columns=columns)

    def count_rows(self, block, column):
        """Count the rows of a row group, as the footer says."""
        with reading(self.path), self._open() as file:
            return file.metadata.row_group(block).num_rows

    def bytes_of_reader(self, columns):
        """Estimate the memory of a page and a dictionary of each column."""
        with reading(self.path), self._open() as file:
            if not file.num_row_groups:
                return 0
            group = file.metadata.row_group(0)
            chunks = [group.column(i) for i in range(group.num_columns)]
        total, chosen = 0, set(columns)
        for chunk in chunks:
            if chunk.path_in_schema in chosen:
                most = PAGE_BYTES * (2 if chunk.has_dictionary_page else 1)
                # As it is in the file, and decoded.
                total += min(2 * chunk.total_uncompressed_size, most) + BUFFER_BYTES
        return total


class IpcFile(TableFile):
    """An Arrow IPC file, such as Feather; its blocks are record batches.

    A record batch is read as a whole.
    """

    def _open(self, source, columns=None):
        from pyarrow import ipc

        options = ipc.IpcReadOptions(
            included_fields=None
            if columns is None
            else [self.schema.get_field_index(name) for name in columns]
        )
        return ipc.open_file(source, options=options)

    def _source(self):
        # Not a memory map: if a mapped file is cut off, the process is killed.
        return import_pyarrow().OSFile(str(self.path))

    def _read_schema(self):
        with self._source() as source, self._open(source) as reader:
            return reader.schema

    def blocks(self):
        """Yield the numbers of the record batches."""
        yield from range(self._count_batches())

    def _count_batches(self):
        with reading(self.path), self._source() as source, self._open(source) as reader:
            return reader.num_record_batches

    def _read(self, block, columns, n_rows):
        with self._source() as source, self._open(source, columns) as reader:
            batch = reader.get_batch(block)
        yield batch

    def bytes_of_reader(self, columns):
        """Estimate the memory of a record batch, from the mean of those in the file."""
        return self.n_bytes // max(1, self._count_batches())


class IpcStream(TableFile):
    """An Arrow IPC stream, which is one block."""

    def _open(self, source):
        from pyarrow import ipc

        return ipc.open_stream(source)

    def _source(self):
        return import_pyarrow().OSFile(str(self.path))

    def _read_schema(self):
        with self._source() as source, self._open(source) as reader:
            return reader.schema

    def blocks(self):
        """Yield the only block."""
        yield None

    def _read(self, block, columns, n_rows):
        with self._source() as source, self._open(source) as reader:
            for batch in reader:
                yield batch.select(columns)
