"""Reading files of each format by blocks of rows: all that knows about formats.

A block is what can be read without what is before it: a row group of Parquet, a record
batch of Arrow IPC, a range of bytes of CSV. Where a format has no such thing, the file
is one block. Blocks are read in pieces, so that memory does not grow with them.
"""

from abc import ABC, abstractmethod
from contextlib import contextmanager

__all__ = ["TableFile", "import_pyarrow", "open_table", "reading"]

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
    """

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

    def read(self, block, columns, n_rows):
        """Read a block in pieces.

        Parameters
        ----------
        block : object
            One that ``blocks`` has yielded.
        columns : list of str
        n_rows : int
            Most rows of a piece.

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
            for batch in self._read(block, columns, n_rows):
                for start in range(0, batch.num_rows, n_rows):
                    yield batch.slice(start, n_rows)

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
                total += min(chunk.total_uncompressed_size, most) + BUFFER_BYTES
        return total


CLASSES = {"parquet": ParquetFile}


def open_table(path, file_format):
    """Read what a file says of itself.

    Parameters
    ----------
    path : Path
    file_format : str

    Returns
    -------
    TableFile

    Raises
    ------
    ValueError
        If the file can't be read.
    """
    return CLASSES[file_format](path)
