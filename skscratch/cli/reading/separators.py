"""The separator of a text table's fields, found out by its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
# The first number of a column that may be a year.
FIRST_YEAR = 1900
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
# The first line that some versions of Excel write.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?,*\s*', re.IGNORECASE)


def read_records(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Split lines into records of fields, which may be quoted and hold line breaks."""
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def split_line(line: str, separator: str) -> list[str]:
    """Split one line into fields; a line that can't be split is one field."""
    try:
        return next(read_records([line], separator), [])
    except csv.Error:
        return [line]


def is_number(field: str) -> bool:
    """Whether a field is a number, with a decimal point or a decimal comma."""
    return NUMBER.fullmatch(field.strip()) is not None


def separator_hint(header: Sequence[str]) -> str | None:
    """Return a question for the user if the only column looks like several.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.

    Returns
    -------
    str or None
    """
    if len(header) != 1:
        return None
    found = find_separator(header)
    if len(split_line(header[0], found)) < 2:
        return None
    return f"only one column was found: is the separator {found!r}?"


def looks_like_data(header: Sequence[str]) -> bool:
    """Whether names of columns look like a row of data.

    At least half of them are numbers. Three integers or more at equal distances are
    names, and so are fewer that begin with 0 or a year.

    Parameters
    ----------
    header : sequence of str

    Returns
    -------
    bool
    """
    # The second column "5" is called "5.1", and one without a name "Unnamed: 3".
    numbers = [
        float(name.strip().replace(",", ".")) for name in header if is_number(name)
    ]
    if not numbers or 2 * len(numbers) < len(header):
        return False
    steps = {second - first for first, second in pairwise(numbers)}
    if len(steps) > 1 or any(number % 1 for number in numbers):
        return True
    is_count = len(numbers) > 2 or numbers[0] == 0 or numbers[0] >= FIRST_YEAR
    return not is_count


def find_separator(lines: Sequence[str]) -> str:
    """Choose the separator of a table by its first lines.

    It splits the header into several fields and most rows into as many. If there are
    several such separators, the one of the most fields is chosen, then the one of the
    most numbers: "a;b,c" followed by "1;2,5" has semicolons.

    Parameters
    ----------
    lines : sequence of str
        The header and some rows; the last may be cut off.

    Returns
    -------
    str
    """
    # Among equal ones, a comma is the most likely to be part of text.
    candidates = sorted(SEPARATORS.values(), key="\t|;,".index)
    found = max(candidates, key=lambda separator: _score(lines, separator))
    return found if _score(lines, found) > (0, 0, 0) else ","


def _score(lines: Sequence[str], separator: str) -> tuple[float, int, int]:
    try:
        records = [r for r in read_records(lines, separator) if "".join(r).strip()]
    except csv.Error:
        return 0, 0, 0
    header, *rows = records or [[]]
    n_fields = len(header)
    if n_fields < 2:
        return 0, 0, 0
    fitting = [row for row in rows if len(row) == n_fields]
    share = len(fitting) / len(rows) if rows else 1
    n_numbers = sum(is_number(field) for row in fitting for field in row)
    return share * n_fields, n_fields, n_numbers
