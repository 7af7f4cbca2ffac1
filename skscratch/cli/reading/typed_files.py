"""Tables in workbooks of Excel and in Parquet files, whose cells have types."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_names
from skscratch.cli.reading.sources import Source
from skscratch.cli.reading.storage import Storage, readable

if TYPE_CHECKING:
    import pandas as pd

PARQUET = b"PAR1"
STRINGS = ("string", "large_string", "string_view")


class ExcelSource(Source):
    """The first sheet of a workbook of Excel.

    Parameters
    ----------
    storage : Storage
        The file.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        _require("openpyxl", "an Excel file", "excel")
        import pandas as pd

        with (
            readable(self.name),
            _valid(self.name),
            pd.ExcelFile(storage.path, engine="openpyxl") as book,
        ):
            self._sheets = book.sheet_names
            # Only empty cells are missing: words are looked at in ``cells``.
            cells = pd.read_excel(
                book, header=None, keep_default_na=False, na_values=[""], dtype=object
            )
        is_blank = cells.isna().all(axis=1)
        if is_blank.all():
            raise InputError(f"the first sheet of {self.name!r} is empty")
        self._start = int(is_blank.argmin())
        cells = cells[~is_blank]
        names = cells.iloc[0]
        self._set_header(["" if name != name else str(name) for name in names])
        self._cells = cells.iloc[1:].reset_index(drop=True).infer_objects()
        self._cells.columns = self.header

    @property
    def notes(self) -> list[str]:
        """Notes for the user."""
        notes = self._header_notes()
        if len(self._sheets) > 1:
            notes.insert(
                0,
                f"read the first sheet, {self._sheets[0]!r}; not read: "
                f"{format_names(self._sheets[1:])}",
            )
        return notes

    @property
    def reading(self) -> dict[str, Any]:
        """Name of the function of pandas that reads the file, and its options."""
        options = {"skiprows": self._start} if self._start else {}
        return {"function": "read_excel", **options}

    def chunks(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in pieces of at most ``n_rows``; the index counts them."""
        if self._cells.empty:
            raise InputError(f"{self.name!r} has a header but no rows")
        for start in range(0, len(self._cells), n_rows):
            yield self._cells.iloc[start : start + n_rows]


class ParquetSource(Source):
    """A Parquet file.

    Parameters
    ----------
    storage : Storage
        The file.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        _require("pyarrow", "a Parquet file", "parquet")
        with _valid(self.name), self._open() as file:
            self._set_header(file.schema_arrow.names)
            types = map(str, file.schema_arrow.types)
            self.strings = frozenset(
                name
                for name, kind in zip(self.header, types, strict=True)
                if kind in STRINGS
            )

    @property
    def notes(self) -> list[str]:
        """Notes for the user."""
        return self._header_notes()

    @property
    def reading(self) -> dict[str, Any]:
        """Name of the function of pandas that reads the file, and its options."""
        return {"function": "read_parquet"}

    def chunks(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in pieces of at most ``n_rows``; the index counts them."""
        import pandas as pd

        n_read = 0
        with _valid(self.name), self._open() as file:
            for batch in file.iter_batches(n_rows):
                frame = batch.to_pandas(ignore_metadata=True)
                frame.columns = self.header
                frame.index = pd.RangeIndex(n_read, n_read + len(frame))
                n_read += len(frame)
                yield frame
        if not n_read:
            raise InputError(f"{self.name!r} has columns but no rows")

    def _open(self) -> Any:
        return importlib.import_module("pyarrow.parquet").ParquetFile(
            self._storage.path
        )


def _require(package: str, purpose: str, extra: str) -> None:
    try:
        importlib.import_module("pandas")
        importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"reading {purpose} needs pandas and {package}: "
            f"pip install 'skscratch[cli,{extra}]'"
        ) from error


@contextmanager
def _valid(name: str) -> Iterator[None]:
    """Report what pandas and its packages find wrong with a file."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, SyntaxError) as error:
        # An invalid XML document is a SyntaxError.
        raise InputError(
            f"cannot read {name!r}: {' '.join(str(error).split())}"
        ) from error
