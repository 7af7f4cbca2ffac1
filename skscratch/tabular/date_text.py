"""Parsing of dates, times of day and durations stored as text.

A layout is a format of text, such as "day/month/year". ``find_layout`` finds the layout
that fits all texts of a column, and ``read_texts`` parses texts of a known layout.
``date_values`` reads columns of other types.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LAYOUTS",
    "UNIT_SECONDS",
    "Layout",
    "Reading",
    "find_layout",
    "month_starts",
    "read_texts",
    "unreadable_texts",
]

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov")
MONTH_NUMBERS = {month: i for i, month in enumerate((*MONTHS, "dec"), start=1)}
MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
WEEKDAY = (
    r"(?:(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? +)?"
)
MINUTES = r":(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,30}))?)?"
HALF_DAY = r"(?: ?(?P<half>[ap])\.?m\.?)?"
ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[-+]\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?))?"
# A time that may follow a date; an hour may stand alone, as in "2024-01-31T12".
TIME = rf"(?:(?:T|,? +)(?P<hour>\d{{1,2}})(?:{MINUTES})?{HALF_DAY}{ZONE})?"
NAMED_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>\d{4}|\d{2})"

PATTERNS = {
    "year-month-day": rf"(?P<year>\d{{4}})-(?P<month>\d\d?)-(?P<day>\d\d?){TIME}",
    "year/month/day": rf"(?P<year>\d{{4}})/(?P<month>\d\d?)/(?P<day>\d\d?){TIME}",
    # Two digits each: "2024.1.2" may be a version.
    "year.month.day": rf"(?P<year>\d{{4}})\.(?P<month>\d\d)\.(?P<day>\d\d){TIME}",
    # Of these centuries: "1234-05" may be a code.
    "year-month": r"(?P<year>(?:1[5-9]|2[01])\d\d)-(?P<month>\d\d)",
    # Digits alone are a number.
    "basic ISO 8601": (
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})T(?P<hour>\d{2})"
        rf"(?P<minute>\d{{2}})(?:(?P<second>\d{{2}})(?:[.,](?P<fraction>\d+))?)?{ZONE}"
    ),
    "month day, year": rf"{WEEKDAY}{MONTH}[ -]{NAMED_DAY}(?:,? +|-){YEAR}{TIME}",
    "day month year": (
        rf"{WEEKDAY}{NAMED_DAY}(?:\.? +|[-/.]){MONTH}(?:,? +|[-/.]){YEAR}{TIME}"
    ),
    "month year": rf"{MONTH}(?:,? +|-)(?P<year>\d{{4}})",
}
# The more usual order of day and month comes first.
ORDERS = {"/": ("month", "day"), ".": ("day", "month"), "-": ("day", "month")}
for mark, order in ORDERS.items():
    # Years of two digits need days and months of two digits, except after slashes:
    # "1.2.24" may be a version, and "1-2-24" a code.
    years = (
        YEAR if mark == "/" else rf"(?P<year>\d{{4}}|(?<=^\d\d{mark}\d\d{mark})\d\d)"
    )
    years = years.replace(".", r"\.")
    for first, second in (order, order[::-1]):
        PATTERNS[f"{first}{mark}{second}{mark}year"] = (
            rf"(?P<{first}>\d\d?){re.escape(mark)}(?P<{second}>\d\d?)"
            rf"{re.escape(mark)}{years}{TIME}"
        )
TIME_PATTERNS = {"time of day": rf"(?P<hour>\d{{1,2}}){MINUTES}{HALF_DAY}{ZONE}"}
NUMBER = r"\d+(?:[.,]\d+)?"
DURATION_PATTERNS = {
    "ISO 8601 duration": (
        r"(?P<sign>[-+])?P(?=T?\d)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?"
        rf"(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>{NUMBER})H)?"
        rf"(?:(?P<minutes>{NUMBER})M)?(?:(?P<seconds>{NUMBER})S)?)?"
    ),
    "days": r"(?P<days>[-+]?\d+) days?",
    "days and clock": (
        r"(?:(?P<days>[-+]?\d+) days?,? +)?(?P<sign>[-+])?(?P<hours>\d+):"
        r"(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d+)?)"
    ),
}
UNIT_SECONDS = {
    # The mean lengths of the Gregorian calendar, as in NumPy.
    "years": 365.2425 * 86400,
    "months": 365.2425 * 7200,
    "weeks": 604800,
    "days": 86400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
}
# Layouts of Python, pandas, NumPy and JSON, which are accepted in columns of any layout
# of their kind.
STANDARD_LAYOUTS = {
    "dates": ("year-month-day", "year-month", "basic ISO 8601"),
    "times": ("time of day",),
    "durations": (*DURATION_PATTERNS,),
}
UTC_NAMES = ("z", "utc", "gmt")
# Two-digit years from here on belong to the 20th century, as in POSIX.
FIRST_SHORT_YEAR = 69
SPACES = re.compile(r"\s")


class Layout(NamedTuple):
    """Layout of the texts of a column.

    Attributes
    ----------
    kind : {"dates", "times", "durations"}
    name : str
        A key of ``LAYOUTS``.
    is_utc : bool
        Whether all texts are dates that name UTC, by "Z", "UTC" or "GMT".
    note : str
        Assumption that was made; empty if the texts are unambiguous.
    """

    kind: str
    name: str
    is_utc: bool
    note: str


class Reading(NamedTuple):
    """Values of a column of dates, times of day or durations.

    Attributes
    ----------
    day : ndarray of int64 of shape (n_values,)
        Days from 1970-01-01 to the local date; 0 if the values are no dates.
    second : ndarray of float64 of shape (n_values,)
        Seconds since local midnight, or those of a duration.
    offset : ndarray of float64 of shape (n_values,)
        Local time minus UTC in seconds; nan for dates without a time zone.
    valid : ndarray of bool of shape (n_values,)
        False where a value is missing or can't be read; the numbers there are 0.
    """

    day: NDArray[Any]
    second: NDArray[Any]
    offset: NDArray[Any]
    valid: NDArray[Any]


LAYOUTS = {
    name: (kind, re.compile(pattern, re.ASCII | re.IGNORECASE))
    for kind, patterns in (
        ("dates", PATTERNS),
        ("times", TIME_PATTERNS),
        ("durations", DURATION_PATTERNS),
    )
    for name, pattern in patterns.items()
}


def find_layout(texts: Sequence[str]) -> Layout | None:
    """Find the layout that fits all texts.

    The order of day and month is inferred from all texts together: a number above 12
    can only be a day. If there is none, the month comes first in "1/2/2024", and the
    day in "1.2.2024" and "1-2-2024".

    Parameters
    ----------
    texts : sequence of str
        At least one; none is missing.

    Returns
    -------
    Layout or None
        None if no layout fits all texts.

    Examples
    --------
    >>> from skscratch.tabular.date_text import find_layout
    >>> find_layout(["01/02/2024", "31/01/2024 14:05"]).name
    'day/month/year'
    >>> find_layout(["1.2.3", "1.10"]) is None
    True
    """
    texts = _with_plain_spaces(texts)
    for name, (kind, _) in LAYOUTS.items():
        if not _fit_all(texts, name):
            continue
        return Layout(
            kind, name, kind == "dates" and all(map(_is_utc, texts)), _note(texts, name)
        )
    return None


def _fit_all(texts: Sequence[str], name: str) -> bool:
    # Usually the first texts show that a layout does not fit.
    n_first = 10
    if not _read(texts[:n_first], name).valid.all():
        return False
    return len(texts) <= n_first or bool(_read(texts, name).valid.all())


def _is_utc(text: str) -> bool:
    return text.lower().endswith(UTC_NAMES)


def _note(texts: Sequence[str], name: str) -> str:
    match = re.fullmatch(r"(day|month)([/.-])(day|month)\2year", name)
    if match is None:
        return ""
    first, mark, second = match.groups()
    if not _fit_all(texts, f"{second}{mark}{first}{mark}year"):
        return ""
    return (
        f"ambiguous day and month: read as {first} first, as is usual with {mark!r}, "
        f"because no value such as {texts[0]!r} has a number above 12 in either place. "
        "If that is wrong, convert the column to dates first."
    )


def unreadable_texts(texts: Sequence[str]) -> list[str]:
    """Find the texts that keep a column from having a layout.

    Parameters
    ----------
    texts : sequence of str
        Distinct texts that are not missing and have no common layout.

    Returns
    -------
    list of str
        Texts that the most frequent layout does not fit, if it fits more than half of
        all texts and of the first thousand. Otherwise the list is empty.
    """
    texts = _with_plain_spaces(texts)
    best = max(LAYOUTS, key=lambda name: _read(texts[:1000], name).valid.sum())
    for part in (texts[:1000], texts):
        valid = _read(part, best).valid
        if 2 * valid.sum() <= len(part):
            return []
    return [text for text, good in zip(texts, valid, strict=True) if not good]


def read_texts(texts: Sequence[str], name: str, kind: str) -> Reading:
    """Read texts of a known layout.

    Texts in ISO 8601, and times and durations in Python's format, are always accepted.

    Parameters
    ----------
    texts : sequence of str
    name : str
        A key of ``LAYOUTS``, or an empty string for the standard layouts only.
    kind : {"dates", "times", "durations"}

    Returns
    -------
    Reading
    """
    texts = _with_plain_spaces(texts)
    n = len(texts)
    reading = Reading(
        np.zeros(n, np.int64), np.zeros(n), np.full(n, np.nan), np.zeros(n, bool)
    )
    for layout in dict.fromkeys((name, *STANDARD_LAYOUTS[kind])):
        rows: Any = np.flatnonzero(~reading.valid)
        if not layout or not len(rows):
            continue
        part = _read([texts[i] for i in rows] if len(rows) < n else texts, layout)
        for whole, new in zip(reading, part, strict=True):
            whole[rows] = new
    return reading


def _with_plain_spaces(texts: Sequence[str]) -> Sequence[str]:
    """Replace no-break spaces, which some programs put before AM and PM."""
    if all(map(str.isascii, texts)):
        return texts
    return [SPACES.sub(" ", text) for text in texts]


def _read(texts: Sequence[str], name: str) -> Reading:
    """Read the texts of one layout; all others are not valid."""
    kind, pattern = LAYOUTS[name]
    matches = [pattern.fullmatch(text) for text in texts]
    found = np.array([match is not None for match in matches], dtype=bool)
    groups = zip(*(match.groups() for match in matches if match), strict=True)
    # All groups have names, in the order of the pattern.
    fields = dict(zip(pattern.groupindex, groups, strict=False))
    n, day = int(found.sum()), np.zeros(len(texts), np.int64)
    second, offset = np.zeros(len(texts)), np.full(len(texts), np.nan)
    if not n:
        return Reading(day, second, offset, found)
    if kind == "durations":
        second[found], valid = _durations(fields, n)
    else:
        second[found], valid = _seconds(fields, n)
        offsets, good = _offsets(fields, n)
        valid &= good
    if kind == "dates":
        day[found], good = _days(fields, n)
        offset[found], valid = offsets, valid & good
    found[found] = valid
    day[~found], second[~found], offset[~found] = 0, 0, np.nan
    return Reading(day, second, offset, found)


def _days(fields: dict[str, Any], n: int) -> tuple[Any, Any]:
    """Days since 1970-01-01, and a mask of valid days."""
    year = _integers(fields, "year", n, 1)
    short = np.array([len(text) == 2 for text in fields["year"]], dtype=bool)
    year[short] += np.where(year[short] < FIRST_SHORT_YEAR, 2000, 1900)
    if "name" in fields:
        names = [MONTH_NUMBERS[name[:3].lower()] for name in fields["name"]]
        month = np.array(names, dtype=np.int64)
    else:
        month = _integers(fields, "month", n, 1)
    day = _integers(fields, "day", n, 1)
    starts, lengths = month_starts((year - 1970) * 12 + month - 1)
    valid = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= lengths)
    return starts + day - 1, valid


def month_starts(
    months: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the first day and the length of each month.

    Parameters
    ----------
    months : ndarray of int64
        Months since January 1970.

    Returns
    -------
    starts : ndarray of int64
        Days since 1970-01-01.
    lengths : ndarray of int64
    """
    starts, ends = (
        m.astype("M8[M]").astype("M8[D]").astype(np.int64) for m in (months, months + 1)
    )
    return starts, ends - starts


def _seconds(fields: dict[str, Any], n: int) -> tuple[Any, Any]:
    """Seconds since midnight, and a mask of valid times."""
    hour = _integers(fields, "hour", n, 0)
    minute, second = (_integers(fields, f, n, 0) for f in ("minute", "second"))
    valid = (hour < 24) & (minute < 60) & (second < 60)
    halves = fields.get("half")
    if halves and any(halves):
        is_half = np.array([half is not None for half in halves], dtype=bool)
        afternoon = np.array([half in ("p", "P") for half in halves], dtype=bool)
        valid &= ~is_half | ((hour >= 1) & (hour <= 12))
        hour = np.where(is_half, hour % 12 + 12 * afternoon, hour)
    seconds = (hour * 3600 + minute * 60 + second).astype(np.float64)
    fractions = fields.get("fraction")
    if fractions and any(fractions):
        seconds += [float(f"0.{text or 0}") for text in fractions]
    return seconds, valid


def _offsets(fields: dict[str, Any], n: int) -> tuple[Any, Any]:
    zones = fields.get("zone", ())
    known = {zone: _offset(zone) for zone in set(zones)}
    if not any(known):
        return np.full(n, np.nan), np.ones(n, bool)
    offsets = np.array([known[zone] for zone in zones])
    return offsets, ~(np.abs(offsets) >= 86400)


def _offset(zone: str | None) -> float:
    """Seconds of "Z", "+02:00", "+0200", "+02" or "-00:34:08"; nan for None."""
    if zone is None:
        return np.nan
    if zone.lower() in UTC_NAMES:
        return 0.0
    digits = zone[1:].replace(":", "")
    hours, minutes, seconds = digits[:2], digits[2:4] or "0", digits[4:] or "0"
    if int(minutes) > 59 or float(seconds) >= 60:
        return np.inf
    total = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return -total if zone[0] == "-" else total


def _durations(fields: dict[str, Any], n: int) -> tuple[Any, Any]:
    """Seconds of durations, and a mask of finite ones."""
    sign = np.array([-1.0 if s == "-" else 1.0 for s in fields.get("sign", "+" * n)])
    total = np.zeros(n)
    for unit, seconds in UNIT_SECONDS.items():
        texts = fields.get(unit)
        if texts and any(texts):
            total += [
                float((text or "0").replace(",", ".")) * seconds for text in texts
            ]
    return sign * total, np.isfinite(total)


def _integers(fields: dict[str, Any], name: str, n: int, default: int) -> Any:
    texts: Iterable[Any] | None = fields.get(name)
    if texts is None:
        return np.full(n, default, np.int64)
    return np.array([int(text or default) for text in texts], dtype=np.int64)
