"""Numbers that a table holds as text: how they are recognized and read.

Which columns are numeric is decided in ``roles``.
"""

import numbers
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

__all__ = [
    "MISSING_TEXT",
    "MISSING_TYPES",
    "holds_numbers",
    "in_the_way",
    "is_missing",
    "read_number",
]

# Types of missing values, by name: pandas may not be installed.
MISSING_TYPES = ("NoneType", "NAType", "NaTType")
# Text that means a missing value, in lower case; pandas.read_csv reads it so, too.
MISSING_TEXT = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "none", "null"})

# A number with separators of thousands or a decimal comma, after its unit is removed.
FORMATTED = re.compile(r"[-+\u2212]?(\d+|\d{1,3}([,.'\u2019_\s]\d{3})+)([.,]\d+)?")
UNITS = re.compile(r"CHF|EUR|USD|GBP|[%\u2030]")


def is_missing(value: Any) -> bool:
    """Whether a value is None, nan, or ``NA`` or ``NaT`` of pandas.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    if type(value).__name__ in MISSING_TYPES:
        return True
    return isinstance(value, numbers.Real | Decimal) and bool(value != value)


def read_number(value: Any) -> float | None:
    """Read a value as a number.

    Text is read as Python's ``float`` does, apart from underscores: spaces around it, a
    sign and an exponent are allowed.

    Parameters
    ----------
    value : object
        Text, or a value of a column that also holds text.

    Returns
    -------
    float or None
        None if the value is not a number, and nan if it is missing.

    Examples
    --------
    >>> from skscratch.tabular.numeric_text import read_number
    >>> [read_number(text) for text in (" 5 ", "-1e5", "NA", "1_000", "62%")]
    [5.0, -100000.0, nan, None, None]
    """
    if is_missing(value):
        return float("nan")
    if isinstance(value, str | bytes):
        value = _as_text(value).strip()
        if value.lower() in MISSING_TEXT:
            return float("nan")
        if "_" in value:
            return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def holds_numbers(values: Iterable[Any]) -> bool:
    """Whether all values of a column of text are numbers or missing.

    Parameters
    ----------
    values : iterable of object

    Returns
    -------
    bool
        False if no value is a number, or if one is a code with leading zeros, such as
        "007".
    """
    has_number = False
    for value in _distinct(values):
        number = read_number(value)
        if number is None or _is_code(value):
            return False
        has_number |= number == number
    return has_number


def in_the_way(values: Iterable[Any]) -> list[Any]:
    """Find the values that keep a column of text from being numeric.

    Parameters
    ----------
    values : iterable of object

    Returns
    -------
    list
        Distinct values that are not numbers, if more than half of all distinct values
        are numbers or look like some, such as "62%" and "1,234.56". Otherwise, and if
        the values are codes with leading zeros, the list is empty.
    """
    distinct = _distinct(values)
    numbers_read = [read_number(value) for value in distinct]
    others = [
        v for v, number in zip(distinct, numbers_read, strict=True) if number is None
    ]
    n_missing = sum(number is not None and number != number for number in numbers_read)
    n_words = sum(not _is_formatted(value) for value in others)
    if 2 * n_words >= len(distinct) - n_missing or any(map(_is_code, distinct)):
        return []
    return sorted(others, key=str)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Distinct text and numbers, and all other values, which may not be hashable."""
    distinct, others = set(), []
    for value in values:
        if isinstance(value, str | bytes | numbers.Real | Decimal | np.bool_):
            distinct.add(value)
        else:
            others.append(value)
    return [*distinct, *others]


def _as_text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _is_code(value: Any) -> bool:
    """Whether a value is text with leading zeros, such as a postal code."""
    if not isinstance(value, str | bytes):
        return False
    head = _as_text(value).strip().lstrip("+-")[:2]
    return len(head) == 2 and head.isdecimal() and int(head[0]) == 0


def _is_formatted(value: Any) -> bool:
    """Whether text is a number with separators, a percent sign or a currency."""
    if not isinstance(value, str | bytes):
        return False
    text = UNITS.sub("", _as_text(value))
    text = "".join(c for c in text if unicodedata.category(c) != "Sc")
    return FORMATTED.fullmatch(text.strip()) is not None
