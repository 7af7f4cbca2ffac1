"""Numbers that are written with a unit or separators of thousands: "62%", "$1,234.50".

They are read as numbers only if all cells of a column are written alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

UNIT = "CHF|EUR|USD|GBP|[%\u2030$€£¥₹₽₺₩₪฿₫₱₴₦¢]"
SPACE = "[ \xa0\u202f]?"
THOUSANDS = "., '\u2019\xa0\u202f"
LONG = re.compile(r"^\s*[-+]?\d{4}", re.MULTILINE)
SIGNED = re.compile(rf"([-+])({UNIT})")


class NumberFormat(NamedTuple):
    """How the numbers of a column are written.

    Attributes
    ----------
    unit : str
        A unit before or after each number, or "".
    thousands : str
        The separator of thousands, or "".
    """

    unit: str
    thousands: str

    def strip(self, text: str) -> str:
        """Remove unit and separators of thousands."""
        for part in filter(None, self):
            text = text.replace(part, "")
        return text.strip()

    def __str__(self) -> str:
        parts = [repr(self.unit)] if self.unit else []
        if self.thousands:
            parts.append(f"{self.thousands!r} between thousands")
        return " and ".join(parts)


NO_FORMAT = NumberFormat("", "")


def compile_format(decimal: str) -> re.Pattern[str]:
    """Compile the pattern of numbers with a unit or separators of thousands.

    Its groups are the unit before the number, the digits before the fraction, the
    separator of thousands, the fraction, and the unit after the number.
    """
    thousands = "".join(set(THOUSANDS) - {decimal})
    return re.compile(
        rf"(?:({UNIT}){SPACE})?[-+]?"
        rf"(\d{{1,3}}([{thousands}])\d{{3}}(?:\3\d{{3}})*|\d+)(\{decimal}\d+)?"
        rf"(?:{SPACE}({UNIT}))?"
    )


PATTERNS = {decimal: compile_format(decimal) for decimal in ".,"}


OTHER = {".": ",", ",": "."}
# Negative numbers as in accounting.
PARENTHESES = re.compile(r"\((.*\d.*)\)")


def is_formatted(text: str, decimal: str) -> bool:
    """Whether text is a number with or without unit and separators of thousands."""
    return PATTERNS[decimal].fullmatch(text.strip()) is not None


class FormatFinder:
    """Search for the way in which all numbers of a column are written.

    Parameters
    ----------
    decimal : str
        The decimal separator.

    Attributes
    ----------
    example : str
        A cell that holds the other decimal separator, or "".
    """

    def __init__(self, decimal: str) -> None:
        self.example = ""
        self._other = OTHER[decimal]
        self._pattern = PATTERNS[decimal]
        self._is_possible = True
        self._units: set[str] = set()
        self._thousands: set[str] = set()
        self._lengths: set[int] = set()
        self._has_fractions = self._has_long = False

    def add(self, texts: Collection[str]) -> None:
        """Take further cells into account."""
        if not self.example:
            self.example = min((t for t in texts if self._other in t), default="")
        for text in texts:
            if self._is_possible:
                self._is_possible = self._fits(text)

    def add_plain(self, joined: str) -> None:
        """Take plain numbers, one per line, into account."""
        self._units.add("")
        self._lengths.update(map(len, joined.split("\n")))
        self._has_long = self._has_long or LONG.search(joined) is not None

    def _fits(self, text: str) -> bool:
        # A sign may stand before the unit, as in -$5.
        match = self._pattern.fullmatch(SIGNED.sub(r"\2\1", text.strip(), count=1))
        if match is None:
            return False
        before, number, thousands, fraction, after = match.groups()
        if (before and after) or (thousands and number.startswith("0")):
            return False
        self._units.add(before or after or "")
        self._lengths.add(len(number))
        self._has_fractions |= fraction is not None
        if thousands:
            self._thousands.add(thousands)
        elif len(number) > 3:
            self._has_long = True
        return len(self._units) == 1 and len(self._thousands) <= 1

    @property
    def may_be_thousands(self) -> bool:
        """Whether the other decimal separator stands where thousands end in all."""
        return self._is_possible and self._thousands == {self._other}

    def result(self, is_decimal_shown: bool = False) -> NumberFormat:
        """Return the format, ``NO_FORMAT`` if there is none or it is ambiguous.

        Parameters
        ----------
        is_decimal_shown : bool, default=False
            Whether other columns have fractions after the decimal separator, so that
            the other one stands between thousands.

        Returns
        -------
        NumberFormat
        """
        if not self._is_possible or len(self._units) != 1:
            return NO_FORMAT
        found = NumberFormat("".join(self._units), "".join(self._thousands))
        is_sure = is_decimal_shown and self.may_be_thousands
        # Numbers of equal length may be codes, such as those of telephones.
        is_amount = (
            is_sure or found.unit or self._has_fractions or len(self._lengths) > 1
        )
        if found.thousands and (self._has_long or not is_amount):
            return NO_FORMAT
        return found
