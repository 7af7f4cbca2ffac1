"""Files as they come: from bytes to raw cells.

Text files, such as CSV, workbooks of Excel and Parquet files are recognized by their
first bytes. Types of text are decided in ``tables``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skscratch.cli.errors import InputError
from skscratch.cli.reading.sources import Source
from skscratch.cli.reading.storage import Storage, open_storage
from skscratch.cli.reading.text_files import TextSource
from skscratch.cli.reading.typed_files import PARQUET, ExcelSource, ParquetSource

__all__ = ["Source", "open_source"]

OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@contextmanager
def open_source(
    path: Path | str, *, separator: str | None = None, encoding: str | None = None
) -> Iterator[Source]:
    """Open a file that holds a table.

    Parameters
    ----------
    path : Path or str
        The file; "-" is standard input.
    separator : str, default=None
        Field separator of a text file; None finds it.
    encoding : str, default=None
        Encoding of a text file; None finds it.

    Yields
    ------
    Source
        The table of raw cells, which can be read several times.

    Raises
    ------
    InputError
        If the file can't be read, or is not a table.
    """
    with open_storage(path) as storage:
        typed = _open_typed(storage)
        if typed is not None:
            options = {"--separator": separator, "--encoding": encoding}
            typed.ignored = [name for name, given in options.items() if given]
            yield typed
        elif storage.form.startswith(OLD_EXCEL):
            raise InputError(
                f"{storage.name!r} is a file of old Microsoft Office: save it as .xlsx "
                "or CSV"
            )
        else:
            yield TextSource(storage, separator, encoding)


def _open_typed(storage: Storage) -> Source | None:
    """Open a file whose cells have types, or return None."""
    if storage.is_excel:
        return ExcelSource(storage)
    if storage.form.startswith(PARQUET):
        return ParquetSource(storage)
    return None
