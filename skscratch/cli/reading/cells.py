"""Cells of text: which are missing, numbers or booleans, and their conversion.

``ColumnProfile`` collects what the cells of a column are, ``convert`` reads cells as
what was found. Nothing is decided by a part of a column.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skscratch.cli.reading.formats import NO_FORMAT, FormatFinder, NumberFormat

if TYPE_CHECKING:
    import pandas as pd

# The words that ``pandas.read_csv`` reads as missing, by the documentation of its
# parameter ``na_values``.
MISSING_WORDS = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan"),
        *("1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a"),
        *("nan", "null"),
    }
)
# The words that ``pandas.read_csv`` reads as booleans.
BOOLEANS = {
    **dict.fromkeys(("True", "TRUE", "true"), True),
    **dict.fromkeys(("False", "FALSE", "false"), False),
}
# The first characters of numbers; infinity is one.
NUMBER_STARTS = frozenset("+-.,0123456789iI \t")
# Codes, such as postal codes.
LEADING_ZEROS = re.compile(r"^\s*[-+]?0\d", re.MULTILINE)
# Spaces must not match line feeds: an empty line is a missing cell.
INTEGER = r"[^\S\n]*[-+]?\d{1,19}[^\S\n]*"
INTEGERS = re.compile(rf"{INTEGER}(\n{INTEGER})*")
# Signs such as those of currencies and "%" may stand around a number.
WITH_COMMA = re.compile(r"^[^\w\n]*\d[\d.' ]*,\d+[^\w\n]*$", re.MULTILINE)
WITH_POINT = re.compile(r"^[^\w\n]*\d[\d,' ]*\.\d+[^\w\n]*$", re.MULTILINE)
# Number of different words to remember of a column.
MAX_WORDS = 100


class UnreadableCell(ValueError):
    """A cell is not what its column holds.

    Attributes
    ----------
    index : int
        Index of the first such cell.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def as_texts(column: pd.Series) -> list[str]:
    """Text of each cell; a missing cell is empty text.

    Integers in a column of objects are written without a decimal point.
    """
    cells = column.tolist()
    if set(map(type, cells)) <= {str}:
        return cells
    return ["" if _is_missing(cell) else _as_text(cell) for cell in cells]


def _is_missing(cell: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_scalar(cell) and bool(pd.isna(cell))


def _as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


class ColumnProfile:
    """What the cells of a column are, collected over the pieces of a file.

    Parameters
    ----------
    decimals : str
        Decimal separators that are possible: "." or ".,".

    Attributes
    ----------
    n_rows : int
        Number of cells.
    missing : Counter
        Words that mean missing, and their numbers of cells.
    words : Counter
        Some of the words that are not numbers, and their numbers of cells.
    n_words : int
        Number of cells that are not numbers.
    n_commas, n_points : int
        Numbers of cells with a decimal comma and a decimal point; cells that are equal
        may be counted once. If there are no decimal commas, points are not counted
        further than the first.
    has_codes : bool
        Whether there are numbers with leading zeros.
    is_decimal_shown : bool
        Whether other columns have fractions after the decimal separator. To be set.
    """

    def __init__(self, decimals: str) -> None:
        self.n_rows = 0
        self.missing: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.n_words = 0
        self.n_commas = self.n_points = 0
        self.has_codes = self.is_decimal_shown = False
        self._are_numbers = dict.fromkeys(decimals, True)
        self._are_integers = self._are_booleans = True
        self._formats = {decimal: FormatFinder(decimal) for decimal in decimals}

    def add_column(self, column: pd.Series) -> None:
        """Take further cells into account, typed or not."""
        kind = column.dtype.kind
        if kind not in "iufmM":
            self.add(as_texts(column))
            return
        self.n_rows += len(column)
        self.missing[""] += int(column.isna().sum())
        self._are_booleans = False
        self._are_integers &= kind in "iu"
        if kind in "mM":
            self._are_numbers = dict.fromkeys(self._are_numbers, False)

    def add(self, texts: list[str]) -> None:
        """Take further cells of text into account."""
        self.n_rows += len(texts)
        distinct = set(texts)
        for word in distinct & MISSING_WORDS:
            self.missing[word] += texts.count(word)
        present = list(distinct - MISSING_WORDS)
        if not present:
            return
        joined = "\n".join(present)
        self._are_booleans &= BOOLEANS.keys() >= set(present)
        self._are_integers = self._are_integers and _hold_integers(present, joined)
        if "," in self._are_numbers:
            self.n_commas += len(WITH_COMMA.findall(joined))
            self.n_points += len(WITH_POINT.findall(joined))
        elif not self.n_points and "." in joined:
            self.n_points = int(WITH_POINT.search(joined) is not None)
        fits = {
            decimal: _parse(present, decimal) is not None
            for decimal in self._are_numbers
        }
        for decimal, fit in fits.items():
            self._are_numbers[decimal] &= fit
            if fit:
                self._formats[decimal].add_plain(joined)
            else:
                self._formats[decimal].add(present)
        if any(fits.values()):
            self.has_codes = self.has_codes or LEADING_ZEROS.search(joined) is not None
        else:
            self._count_words(texts, present)

    def _count_words(self, texts: list[str], present: list[str]) -> None:
        words = {text for text in present if not is_number(text, ".,")}
        self.n_words += sum(text in words for text in texts)
        new = heapq.nsmallest(MAX_WORDS - len(self.words), words - self.words.keys())
        shown = words & {*self.words, *new}
        self.words.update(text for text in texts if text in shown)

    @property
    def n_missing(self) -> int:
        """Number of cells that mean missing."""
        return self.missing.total()

    @property
    def n_present(self) -> int:
        """Number of cells that don't mean missing."""
        return self.n_rows - self.n_missing

    def kind(self, decimal: str) -> str:
        """Return "integer", "number", "boolean" or "text".

        A column with missing cells is not "integer". Numbers with leading zeros are
        codes, and thus text.
        """
        if not self.n_present:
            return "text"
        if self._are_booleans:
            return "boolean"
        if self.has_codes:
            return "text"
        if self._are_integers and not self.n_missing:
            return "integer"
        if self._are_numbers[decimal] or self.format(decimal) != NO_FORMAT:
            return "number"
        return "text"

    def holds_numbers(self, decimal: str) -> bool:
        """Whether all cells are numbers or missing, codes included."""
        return self.n_present > 0 and self._are_numbers[decimal]

    def format(self, decimal: str) -> NumberFormat:
        """How all numbers are written, if not plainly."""
        if self.has_codes or self._are_numbers[decimal]:
            return NO_FORMAT
        return self._formats[decimal].result(self.is_decimal_shown)

    def shows_decimal(self, decimal: str) -> bool:
        """Whether the cells are plain numbers, of which some have fractions."""
        return self._are_numbers[decimal] and self.n_fractions(decimal) > 0

    def n_fractions(self, decimal: str) -> int:
        """Return ``n_commas`` or ``n_points``."""
        return self.n_points if decimal == "." else self.n_commas

    def may_hold_thousands(self, decimal: str) -> bool:
        """Whether the other decimal separator may stand between thousands."""
        return self._formats[decimal].may_be_thousands

    def example(self, decimal: str) -> str:
        """Return a cell that holds the other decimal separator, or ""."""
        return self._formats[decimal].example

    @property
    def is_ambiguous(self) -> bool:
        """Whether pandas might read some cells of a column of text as other types."""
        has_booleans = not BOOLEANS.keys().isdisjoint(self.words)
        return has_booleans or self.has_codes or self.n_words < self.n_present


def is_number(text: str, decimals: str = ".") -> bool:
    """Whether text is a number with one of the given decimal separators."""
    if text[:1] not in NUMBER_STARTS or "_" in text or not text.isascii():
        return False
    forms = [text] if "." in decimals else []
    if "," in decimals and "." not in text:
        forms.append(text.replace(",", "."))
    return any(map(_is_float, forms))


def _is_float(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _hold_integers(texts: Sequence[str], joined: str) -> bool:
    if INTEGERS.fullmatch(joined) is None:
        return False
    limits = np.iinfo(np.int64)
    return max(map(len, texts)) < 19 or all(
        limits.min <= int(text) <= limits.max for text in texts
    )


def _parse(texts: Sequence[str], decimal: str) -> NDArray[np.float64] | None:
    """Read texts as numbers, or return None if one is not a number."""
    joined = "\n".join(texts)
    # Python reads underscores, and digits of other alphabets; pandas does not.
    if "_" in joined or not joined.isascii():
        return None
    if decimal == ",":
        if "." in joined:
            return None
        texts = [text.replace(",", ".") for text in texts]
    try:
        numbers = np.array(texts, dtype=object).astype(np.float64)
    except ValueError:
        return None
    # Words that mean missing are not among the texts, but "NAN" may be.
    return None if np.isnan(numbers).any() else numbers


def to_numbers(
    texts: Sequence[str],
    decimal: str = ".",
    *,
    format: NumberFormat = NO_FORMAT,
    missing: Collection[str] = MISSING_WORDS,
) -> NDArray[np.float64]:
    """Read cells as numbers, and those that mean missing as nan.

    Raises
    ------
    UnreadableCell
        If a cell is not a number.
    """
    numbers = _parse(texts, decimal) if format == NO_FORMAT else None
    if numbers is not None:
        return numbers
    present = [text not in missing for text in texts]
    plain = [text for text, kept in zip(texts, present, strict=True) if kept]
    if format != NO_FORMAT:
        plain = [format.strip(text) for text in plain]
    numbers = _parse(plain, decimal)
    if numbers is None:
        bad = next(i for i, text in enumerate(plain) if not is_number(text, decimal))
        raise UnreadableCell(int(np.flatnonzero(present)[bad]))
    values = np.full(len(texts), np.nan)
    values[present] = numbers
    return values


def to_integers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """Read cells as integers, or return None if one is not."""
    if texts and not _hold_integers(texts, "\n".join(texts)):
        return None
    return np.array(list(map(int, texts)), dtype=np.int64)


def to_booleans(texts: Sequence[str]) -> NDArray[Any]:
    """Read cells as booleans: with nan, in an array of objects, where some are missing.

    Raises
    ------
    UnreadableCell
        If a cell is not a boolean.
    """
    values = dict.fromkeys(MISSING_WORDS, np.nan) | BOOLEANS
    try:
        cells = [values[text] for text in texts]
    except KeyError:
        bad = (i for i, text in enumerate(texts) if text not in values)
        raise UnreadableCell(next(bad)) from None
    has_missing = not set(map(type, cells)) <= {bool}
    return np.array(cells, dtype=object if has_missing else bool)


def to_words(texts: Sequence[str], missing: frozenset[str]) -> NDArray[Any]:
    """Keep cells as text, and replace those that mean missing by nan."""
    # Equal cells share one object.
    words: dict[str, Any] = {text: text for text in texts}
    words.update(dict.fromkeys(words.keys() & missing, np.nan))
    return np.array([words[text] for text in texts], dtype=object)
