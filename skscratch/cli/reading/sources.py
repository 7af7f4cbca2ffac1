"""A file as a table of raw cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from skscratch.cli.reading.storage import Storage

if TYPE_CHECKING:
    import pandas as pd


class Source(ABC):
    """A table of raw cells in a file.

    The cells of a text file are text as it is written: no word is missing, and an empty
    cell is an empty text. Those of other files have the dtypes that pandas gives them.

    Parameters
    ----------
    storage : Storage
        The file.

    Attributes
    ----------
    name : str
        Name of the file in messages.
    header : list of str
        Names of the columns, which are unique. A column without a name is called
        "Unnamed: " and its index, and the second column "a" is called "a.1", as pandas
        does.
    repeated : dict
        Names that several columns have in the file, and how many.
    separator : str or None
        Field separator, or None if the cells are typed.
    n_bytes : int
        Size of the file.
    strings : frozenset of str
        Columns of text in which no word means missing.
    ignored : list of str
        Options of the user that don't apply to such a file.
    """

    separator: str | None = None
    strings: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.name = storage.name
        self.n_bytes: int | None = storage.n_bytes
        self.header: list[str] = []
        self.repeated: dict[str, int] = {}
        self.ignored: list[str] = []

    @property
    @abstractmethod
    def notes(self) -> list[str]:
        """Notes for the user, such as the encoding that was found; one line each."""

    @property
    @abstractmethod
    def reading(self) -> dict[str, Any]:
        """Name of the function of pandas that reads the file, and its options."""

    @abstractmethod
    def chunks(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in pieces of at most ``n_rows``; the index counts them."""

    def read(self) -> pd.DataFrame:
        """Read all rows."""
        import pandas as pd

        return pd.concat(list(self.chunks(1 << 16)))

    def position(self) -> int:
        """Return how many of ``n_bytes`` have been read since reading began."""
        return self._storage.position()

    def _set_header(self, fields: list[str]) -> None:
        named = [name or f"Unnamed: {i}" for i, name in enumerate(fields)]
        self.repeated = {
            name: named.count(name)
            for name in dict.fromkeys(named)
            if named.count(name) > 1
        }
        for name in named:
            unique, number = name, 0
            while unique in self.header or (number and unique in named):
                number += 1
                unique = f"{name}.{number}"
            self.header.append(unique)

    def _header_notes(self) -> list[str]:
        notes = []
        if self.ignored:
            notes.append(f"{' and '.join(self.ignored)} ignored: for text files only")
        for name, count in self.repeated.items():
            last = f"{name}.{count - 1}"
            notes.append(
                f"{count} columns are named {name!r}: the others are called up to "
                f"{last!r}"
                if count > 2
                else f"two columns are named {name!r}: the second is called {last!r}"
            )
        return notes
