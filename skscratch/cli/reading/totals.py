"""Rows of totals at the end of a table, which are no rows of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skscratch.cli.reading.cells import (
    ColumnProfile,
    UnreadableCell,
    as_texts,
    is_number,
    to_numbers,
)
from skscratch.cli.reading.formats import NumberFormat
from skscratch.cli.reading.sources import Source

# The number of rows at the end that are looked at.
MAX_TOTALS = 3
TOTAL_WORDS = frozenset(
    {
        *("total", "totals", "grand total", "subtotal", "sub-total", "sum", "sums"),
        *("summe", "gesamt", "gesamtsumme", "zwischensumme", "total general"),
        *("average", "averages", "mean", "mittelwert", "durchschnitt"),
    }
)
# Rows in memory at a time.
CHUNK_ROWS = 1 << 14
# The largest relative difference between a total and the sum: it may be rounded.
TOLERANCE = 1e-3


def label_of(row: Sequence[str]) -> tuple[int, str] | None:
    """Return index and text of the first cell of text, if it is a word of totals."""
    for index, cell in enumerate(row):
        if cell.strip() and not is_number(cell, ".,"):
            word = cell.strip().rstrip(":").strip().lower()
            return (index, cell) if word in TOTAL_WORDS else None
    return None


def count_totals(
    source: Source,
    profiles: Mapping[str, ColumnProfile],
    rows: Sequence[Sequence[str]],
    n_body: int,
    decimal: str,
) -> int:
    """Count the rows of totals at the end of a table.

    The first cell of text in such a row is a word such as "Total", which its column
    does not hold elsewhere. No other column of text has a cell in it. Of the cells in
    columns of numbers, at least half are the sum, the mean or the number of the cells
    above; or the row has no other cells at all, though no other column of the table has
    empty cells.

    Parameters
    ----------
    source : Source
        The table.
    profiles : dict of ColumnProfile
        What the columns hold in the rows above.
    rows : sequence of sequence of str
        The last rows of the table, each with a word of totals.
    n_body : int
        Number of rows above.
    decimal : str
        The decimal separator.

    Returns
    -------
    int
    """
    names = source.header
    numeric = {
        names.index(name)
        for name, profile in profiles.items()
        if profile.kind(decimal) in ("integer", "number")
    }
    labels = [label for row in rows if (label := label_of(row)) is not None]
    formats = {i: profiles[names[i]].format(decimal) for i in numeric}
    body = _Body(source, n_body, dict(labels), formats, decimal)
    n_totals = 0
    for row, (index, _) in zip(reversed(rows), reversed(labels), strict=True):
        cells = {i: c for i, c in enumerate(row) if i != index and c.strip()}
        values = {i: body.read(i, cell) for i, cell in cells.items()}
        if body.n_labels[index] or None in values.values():
            break
        others = [profiles[name] for i, name in enumerate(names) if i != index]
        is_bare = len(others) > 1 and not any(p.n_missing for p in others)
        n_equal = sum(body.has_total(i, value) for i, value in values.items())
        if not (2 * n_equal >= len(cells) if cells else is_bare):
            break
        n_totals += 1
    return n_totals


class _Body:
    """Sums and counts of the columns of numbers above the totals.

    ``n_labels`` is the number of rows in which a column holds the word of a total.
    """

    def __init__(
        self,
        source: Source,
        n_rows: int,
        labels: Mapping[int, str],
        formats: Mapping[int, NumberFormat],
        decimal: str,
    ) -> None:
        self._formats, self._decimal = formats, decimal
        self.n_labels = dict.fromkeys(labels, 0)
        self._sums = dict.fromkeys(formats, 0.0)
        self._counts = dict.fromkeys(formats, 0)
        for cells in source.chunks(CHUNK_ROWS):
            cells = cells.loc[: n_rows - 1]
            for index, word in labels.items():
                self.n_labels[index] += int((cells.iloc[:, index] == word).sum())
            for index, format in formats.items():
                column = cells.iloc[:, index]
                if column.dtype.kind in "iuf":
                    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
                else:
                    numbers = to_numbers(as_texts(column), decimal, format=format)
                self._sums[index] += float(np.nansum(numbers))
                self._counts[index] += int(np.sum(~np.isnan(numbers)))

    def read(self, index: int, cell: str) -> float | None:
        """Read a cell of a column of numbers, or return None if it is not one."""
        if index not in self._formats:
            return None
        format = self._formats[index]
        try:
            return float(to_numbers([cell], self._decimal, format=format)[0])
        except UnreadableCell:
            return None

    def has_total(self, index: int, value: float | None) -> bool:
        """Whether a value is sum, mean or number of the cells of a column."""
        total, count = self._sums[index], self._counts[index]
        if value is None:
            return False
        candidates = (total, total / max(count, 1), count)
        return any(np.isclose(value, x, rtol=TOLERANCE, atol=1e-9) for x in candidates)
