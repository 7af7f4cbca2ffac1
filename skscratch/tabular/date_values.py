"""Recognition and reading of columns of dates, times of day and durations.

``date_text`` parses text, and ``dates`` encodes the values. Columns may come from
pandas, Polars or NumPy; only NumPy is imported.
"""

import datetime
import re
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from skscratch._messages import warn_user
from skscratch.tabular.date_text import (
    UNIT_SECONDS,
    Reading,
    find_layout,
    month_starts,
    read_texts,
    unreadable_texts,
)
from skscratch.tabular.numeric_text import MISSING_TEXT, MISSING_TYPES, is_missing
from skscratch.tabular.tables import dtype_name, is_categorical_dtype

__all__ = [
    "DateFormat",
    "find_format",
    "holds_nothing",
    "in_utc",
    "read_column",
    "unreadable_dates",
]

MISSING_DATES = MISSING_TEXT | {"nat"}
DAY = 86400
# Days from 1970-01-01 that NumPy's calendar can still handle: 270 million years.
MAX_DAYS = 10**11
TICKS_PER_DAY = {
    **{"h": 24, "m": 1440, "s": DAY, "ms": DAY * 10**3, "us": DAY * 10**6},
    **{"ns": DAY * 10**9, "ps": DAY * 10**12},
}
TIMEDELTA_SECONDS = {
    **{"Y": UNIT_SECONDS["years"], "M": UNIT_SECONDS["months"], "W": 604800.0},
    **{"D": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6},
    **{"ns": 1e-9, "ps": 1e-12, "fs": 1e-15, "as": 1e-18},
}
EPOCH = datetime.datetime(1970, 1, 1)
# Python's years, without the first and last, from which a time zone may lead out.
FIRST_DAY, LAST_DAY = -718797, 2932531
FIXED_ZONE = re.compile(r"(?:UTC)?([-+]\d\d):?(\d\d)", re.ASCII)
TEXT_TYPES = (str, bytes)
N_FIRST_ROWS = 100


class DateFormat(NamedTuple):
    """Kind of a column's values, and their layout and time zone.

    Attributes
    ----------
    kind : {"dates", "times", "durations"}
    layout : str
        A key of ``date_text.LAYOUTS``; empty if the column contains no text.
    zone : str
        Time zone of all values, such as "Europe/Zurich" or "+02:00"; empty if they have
        none, or several.
    note : str, default=""
        Assumption that was made; empty if there is none.
    """

    kind: str
    layout: str
    zone: str
    note: str = ""


def find_format(column: Any) -> DateFormat | None:
    """Find the format of a column of dates, times of day or durations.

    A column of text or objects has a format if all values that are not missing are of
    the same kind, and all texts have the same layout. Columns of numbers or of a
    categorical dtype have none.

    Parameters
    ----------
    column : ndarray or Series of shape (n_samples,)

    Returns
    -------
    DateFormat or None
        None for any other column, and for one of text or objects without a value.

    Examples
    --------
    >>> from skscratch.tabular.date_values import find_format
    >>> find_format(["31.01.2024", None])
    DateFormat(kind='dates', layout='day.month.year', zone='', note='')
    >>> find_format(["1/2", "3/4"]) is None
    True
    """
    if is_categorical_dtype(column):
        return None
    zone = _column_zone(column)
    values, _ = _column_values(column)
    kind = _kind_of_dtype(column, values)
    if kind:
        return DateFormat(kind, "", zone if _load_zone(zone) else "")
    if values.ndim != 1 or values.dtype.kind not in "OUST":
        return None
    return _find_format_of_objects(values.tolist())


def _find_format_of_objects(values: list[Any]) -> DateFormat | None:
    kinds = {_kind_of_type(kind) for kind in set(map(type, values))}
    if "numbers" in kinds and not all(
        value != value for value in values if _kind_of_type(type(value)) == "numbers"
    ):
        return None
    objects = kinds - {"missing", "numbers", "text"}
    if "" in kinds or len(objects) > 1:
        return None
    texts, layout = [], None
    if "text" in kinds:
        # Usually the first rows show that text contains no dates.
        for part in (values[:N_FIRST_ROWS], values):
            texts = list(_distinct_texts(part))
            layout = find_layout(texts) if texts else None
            if texts and layout is None:
                return None
    if not (texts or objects):
        return None
    if layout is not None and objects not in (set(), {layout.kind}):
        return None
    kind = objects.pop() if objects else layout.kind  # type: ignore[union-attr]
    zone = _zone_of_objects(values) if kind == "dates" else None
    if layout is None:
        return DateFormat(kind, "", zone or "")
    if not layout.is_utc or zone not in (None, "UTC"):
        return DateFormat(kind, layout.name, "", layout.note)
    return DateFormat(kind, layout.name, "UTC", layout.note)


def _kind_of_dtype(column: Any, values: NDArray[Any]) -> str:
    kinds = {"M": "dates", "m": "durations"}
    # Polars converts it to objects.
    return "times" if dtype_name(column) == "time" else kinds.get(values.dtype.kind, "")


def _kind_of_type(kind: type) -> str:
    """Kind of the objects of a type; empty for any other type."""
    if issubclass(kind, TEXT_TYPES):
        return "text"
    if kind.__name__ in MISSING_TYPES:
        return "missing"
    if issubclass(kind, float | np.floating):
        return "numbers"
    if issubclass(kind, datetime.time):
        return "times"
    if issubclass(kind, datetime.timedelta | np.timedelta64):
        return "durations"
    # Periods of pandas have these.
    has_date = all(hasattr(kind, part) for part in ("year", "month", "day", "strftime"))
    return "dates" if has_date or issubclass(kind, np.datetime64) else ""


def _distinct_texts(values: list[Any]) -> dict[str, list[Any]]:
    """Texts without spaces around them, each with the values it comes from."""
    texts: dict[str, list[Any]] = {}
    for value in dict.fromkeys(v for v in values if isinstance(v, TEXT_TYPES)):
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        text = text.strip()
        if text.lower() not in MISSING_DATES:
            texts.setdefault(text, []).append(value)
    return texts


def _zone_of_objects(values: list[Any]) -> str | None:
    """Time zone that all dates with a time zone share; None if no date has any."""
    zones = {getattr(value, "tzinfo", None) for value in values} - {None}
    names = {str(zone) for zone in zones}
    if not names:
        return None
    # A shared offset is not a time zone: it may differ in summer.
    name = names.pop()
    if names or FIXED_ZONE.fullmatch(name) or _load_zone(name) is None:
        return ""
    return name


def _column_zone(column: Any) -> str:
    dtype = getattr(column, "dtype", None)
    zone = getattr(dtype, "tz", None) or getattr(dtype, "time_zone", None)
    return "" if zone is None else str(zone)


def _load_zone(name: str) -> datetime.tzinfo | None:
    """Time zone of a name; None if it is unknown here."""
    fixed = FIXED_ZONE.fullmatch(name)
    try:
        if fixed:
            sign = -1 if fixed[1][0] == "-" else 1
            minutes = 60 * int(fixed[1][1:]) + int(fixed[2])
            return datetime.timezone(datetime.timedelta(minutes=sign * minutes))
        return ZoneInfo(name) if name else None
    except (ValueError, KeyError, OSError):
        return None


def read_column(name: Any, column: Any, format: DateFormat) -> Reading:
    """Read a column.

    Dates may be of any type and resolution, or text in the format's layout or in ISO
    8601. All other values count as missing.

    If the format has a time zone, dates are converted to it; dates without a time zone
    are local dates in it. Otherwise each date keeps its own time zone.

    Parameters
    ----------
    name : object
        Name of the column, for errors.
    column : ndarray or Series of shape (n_samples,)
    format : DateFormat

    Returns
    -------
    Reading

    Raises
    ------
    ValueError
        If the dtype of the column is of other values, such as numbers.

    Warns
    -----
    UserWarning
        If there are values but none can be read: the layout has probably changed.
    """
    values, utc = _column_values(column)
    if values.ndim != 1:
        raise ValueError(
            f"column {name!r} must hold one value per row, got values of shape "
            f"{values.shape[1:]}."
        )
    if values.dtype.kind in "OUST":
        listed = values.tolist()
        reading = _read_objects(listed, format)
        if not reading.valid.any() and not holds_nothing(values):
            warn_user(_unreadable(name, listed, format))
    elif _is_all_missing(values):
        reading = _nothing(len(values))
    elif _kind_of_dtype(column, values) == format.kind:
        reading = _read_typed(values, utc)
    else:
        raise ValueError(
            f"column {name!r} held {format.kind} in fit, but now has dtype "
            f"{values.dtype}: convert it to {format.kind}, or to text in ISO 8601."
        )
    return _localize(reading, format.zone) if format.kind == "dates" else reading


def _unreadable(name: Any, values: list[Any], format: DateFormat) -> str:
    """Warning about a column of which no value can be read."""
    first = next(
        v for v in values if _distinct_texts([v]) or not _is_text_or_missing(v)
    )
    layouts = "ISO 8601"
    if format.layout:
        layouts = f"the layout {format.layout!r} or in {layouts}"
    return (
        f"column {name!r} held {format.kind} in fit, but now none of its values can be "
        f"read as such, for example {first!r}, and all count as missing: convert it to "
        f"{format.kind}, or to text in {layouts}."
    )


def _column_values(column: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Values of a column, and their moments in UTC if it has a time zone."""
    if not _column_zone(column):
        return np.asarray(column), None
    dates = getattr(column, "dt", column)
    if hasattr(dates, "replace_time_zone"):  # Of Polars, which converts to UTC.
        return np.asarray(dates.replace_time_zone(None)), np.asarray(column)
    return np.asarray(dates.tz_localize(None)), np.asarray(dates.tz_convert(None))


def unreadable_dates(column: Any) -> list[str]:
    """Find the texts that keep a column from being one of dates.

    Parameters
    ----------
    column : ndarray or Series of shape (n_samples,)
        Column of text for which ``find_format`` returns None.

    Returns
    -------
    list of str
        Distinct texts, if more than half of all distinct texts are dates, times of day
        or durations of one layout, and all values are text or missing. Otherwise the
        list is empty.
    """
    values = np.asarray(column)
    if values.ndim != 1 or values.dtype.kind not in "OUST":
        return []
    listed = values.tolist()
    if not all(map(_is_text_or_missing, listed)):
        return []
    return unreadable_texts(list(_distinct_texts(listed)))


def holds_nothing(column: Any) -> bool:
    """Return whether all values of a column are missing.

    Parameters
    ----------
    column : ndarray or Series of shape (n_samples,)

    Returns
    -------
    bool
    """
    values, _ = _column_values(column)
    if values.dtype.kind not in "OUST":
        return _is_all_missing(values)
    listed = values.ravel().tolist()
    return not _distinct_texts(listed) and all(map(_is_text_or_missing, listed))


def _is_text_or_missing(value: Any) -> bool:
    """Return whether a value is text, even an empty one, or missing."""
    return isinstance(value, TEXT_TYPES) or is_missing(value)


def _is_all_missing(values: NDArray[Any]) -> bool:
    if values.dtype.kind in "Mm":
        return bool(np.isnat(values).all())
    return not len(values) or (values.dtype.kind == "f" and np.isnan(values).all())


def _nothing(n: int) -> Reading:
    return Reading(
        np.zeros(n, np.int64), np.zeros(n), np.full(n, np.nan), np.zeros(n, bool)
    )


def _read_typed(values: NDArray[Any], utc: NDArray[Any] | None = None) -> Reading:
    """Read datetime64, with moments in UTC if there is a time zone, or timedelta64."""
    reading = _nothing(len(values))
    unit, step = np.datetime_data(values.dtype)
    if unit == "generic":
        return reading
    reading.valid[:] = valid = ~np.isnat(values)
    ticks = _ticks(values)
    if values.dtype.kind == "m":
        seconds = ticks * (step * TIMEDELTA_SECONDS[unit])
        reading.second[valid] = seconds[valid]
        return reading
    day, second = _days_and_seconds(ticks, unit, step)
    reading.day[valid], reading.second[valid] = day[valid], second[valid]
    if utc is not None:
        utc_day, utc_second = _days_and_seconds(
            _ticks(utc), *np.datetime_data(utc.dtype)
        )
        offset = (day - utc_day) * DAY + (second - utc_second)
        reading.offset[valid] = offset[valid]
    return reading


def _ticks(values: NDArray[Any]) -> NDArray[np.int64]:
    """Integers of datetime64 or timedelta64; 0 for missing values."""
    ticks: NDArray[np.int64] = values.astype(values.dtype.newbyteorder("=")).view("i8")
    return np.where(np.isnat(values), 0, ticks)


def _days_and_seconds(ticks: Any, unit: str, step: int) -> tuple[Any, Any]:
    """Days since 1970-01-01 and seconds since midnight, within NumPy's calendar."""
    if step > 1:
        limit = np.iinfo(np.int64).max // step
        ticks = np.clip(ticks, -limit, limit) * step
    if unit in ("Y", "M"):
        months = np.clip(ticks, -MAX_DAYS // 372, MAX_DAYS // 372)
        months *= 12 if unit == "Y" else 1
        return month_starts(months)[0], np.zeros(len(ticks))
    if unit in ("W", "D"):
        length = 7 if unit == "W" else 1
        limit = MAX_DAYS // length
        return np.clip(ticks, -limit, limit) * length, np.zeros(len(ticks))
    if unit in TICKS_PER_DAY:
        day, ticks = np.divmod(ticks, TICKS_PER_DAY[unit])
        return np.clip(day, -MAX_DAYS, MAX_DAYS), ticks / (TICKS_PER_DAY[unit] / DAY)
    seconds = ticks * TIMEDELTA_SECONDS[unit]
    day = np.floor(seconds / DAY)
    return day.astype(np.int64), seconds - day * DAY


def _read_objects(values: list[Any], format: DateFormat) -> Reading:
    """Read text and objects; those that are not of the format's kind are missing."""
    texts = _distinct_texts(values)
    reading = read_texts(list(texts), format.layout, format.kind)
    # The last entry is for values that can't be read.
    extended = [np.append(*p) for p in zip(reading, _nothing(1), strict=True)]
    numbers = {value: i for i, same in enumerate(texts.values()) for value in same}
    found = (numbers.get(v, -1) if isinstance(v, TEXT_TYPES) else -1 for v in values)
    indices = np.fromiter(found, np.int64, len(values))
    reading = Reading(*(part[indices] for part in extended))
    kinds = {kind: _kind_of_type(kind) for kind in set(map(type, values))}
    if format.kind not in kinds.values():
        return reading
    rows = [i for i, value in enumerate(values) if kinds[type(value)] == format.kind]
    by_type: dict[Any, list[int]] = {}
    for i in rows:
        is_numpy = isinstance(values[i], np.generic)
        by_type.setdefault(values[i].dtype if is_numpy else None, []).append(i)
    for dtype, rows in by_type.items():
        objects = [values[i] for i in rows]
        if dtype is None:
            part = _read_python(objects, format.kind)
        else:
            part = _read_typed(np.array(objects, dtype))
        for whole, new in zip(reading, part, strict=True):
            whole[rows] = new
    return reading


def _read_python(objects: list[Any], kind: str) -> Reading:
    """Read objects of Python's ``datetime``, or with the same attributes."""
    reading = _nothing(len(objects))
    reading.valid[:] = True
    if kind == "durations":
        reading.second[:] = [value.total_seconds() for value in objects]
        return reading
    objects = [_start(value) for value in objects]
    reading.second[:] = [_second_of(value) for value in objects]
    if kind == "times":
        return reading
    year, month, day = (
        np.array([getattr(value, part) for value in objects], np.int64)
        for part in ("year", "month", "day")
    )
    limit = MAX_DAYS // 372
    months = (np.clip(year, -limit, limit) - 1970) * 12 + month - 1
    reading.day[:] = month_starts(months)[0] + day - 1
    offsets = [getattr(value, "utcoffset", _no_offset)() for value in objects]
    reading.offset[:] = [
        np.nan if offset is None else offset.total_seconds() for offset in offsets
    ]
    return reading


def _start(value: Any) -> Any:
    """Start of a period of pandas, whose attributes are those of its end."""
    try:
        return getattr(value, "start_time", value)
    except ValueError:  # Some versions of pandas can't represent it.
        return value


def _second_of(value: Any) -> float:
    """Seconds since midnight; 0 for a date."""
    if not hasattr(value, "hour"):
        return 0.0
    whole = value.hour * 3600 + value.minute * 60 + value.second
    nanoseconds = getattr(value, "nanosecond", 0)
    return float(whole + getattr(value, "microsecond", 0) / 1e6 + nanoseconds / 1e9)


def _no_offset() -> None:
    """Offset of a date without a time zone."""


def in_utc(reading: Reading) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Convert local dates to UTC.

    Parameters
    ----------
    reading : Reading
        Of dates.

    Returns
    -------
    day : ndarray of int64 of shape (n_values,)
        Days from 1970-01-01 to the date in UTC.
    second : ndarray of float64 of shape (n_values,)
        Seconds since midnight in UTC.
    """
    return _normalize(reading.day, reading.second - np.nan_to_num(reading.offset))


def _normalize(day: Any, second: Any) -> tuple[Any, Any]:
    carry = np.floor(second / DAY)
    return day + carry.astype(np.int64), second - carry * DAY


def _localize(reading: Reading, zone_name: str) -> Reading:
    """Convert dates to a time zone, if there is one, and fill all offsets."""
    zone = _load_zone(zone_name)
    if zone is None:
        return reading._replace(offset=np.nan_to_num(reading.offset))
    day, second, offset = (part.copy() for part in reading[:3])
    naive = np.isnan(offset)
    offset[naive] = _offsets(zone, day[naive], second[naive], is_utc=False)
    aware = ~naive
    utc_day, utc_second = (part[aware] for part in in_utc(reading))
    offset[aware] = _offsets(zone, utc_day, utc_second, is_utc=True)
    day[aware], second[aware] = _normalize(utc_day, utc_second + offset[aware])
    return Reading(day, second, offset, reading.valid)


def _offsets(zone: Any, day: Any, second: Any, *, is_utc: bool) -> NDArray[np.float64]:
    """Offsets of a time zone at moments in UTC or at local times."""

    def offset_at(day: Any, second: Any) -> float:
        moment = EPOCH + datetime.timedelta(days=int(day), seconds=int(second))
        if is_utc:
            moment = moment.replace(tzinfo=datetime.UTC).astimezone(zone)
        offset = moment.replace(tzinfo=zone, fold=moment.fold).utcoffset()
        return 0.0 if offset is None else offset.total_seconds()

    day = np.clip(day, FIRST_DAY, LAST_DAY)
    days, inverse = np.unique(day, return_inverse=True)
    starts = np.array([offset_at(d, 0) for d in days])
    ends = np.array([offset_at(d, DAY - 1) for d in days])
    offsets: NDArray[np.float64] = starts[inverse]
    # The offset changes within few days; only for those do seconds matter.
    rows = np.flatnonzero((starts != ends)[inverse])
    moments = day[rows] * DAY + second[rows].astype(np.int64)
    moments, inverse = np.unique(moments, return_inverse=True)
    changing = np.array([offset_at(*divmod(moment, DAY)) for moment in moments])
    offsets[rows] = changing[inverse]
    return offsets
