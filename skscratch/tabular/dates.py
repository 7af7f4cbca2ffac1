"""Encoder of dates, times of day and durations.

``DateEncoder`` converts them to numbers: their position in time, periodic parts, such
as the day of the week, and the time between two columns. ``date_values`` and
``date_text`` recognize and parse the columns.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import StrOptions, check_feature_names_in, fit_context
from skscratch.estimators.attributes import rollback_on_error
from skscratch.tabular.date_text import Reading, month_starts
from skscratch.tabular.date_values import (
    DateFormat,
    find_format,
    holds_nothing,
    in_utc,
    read_column,
    unreadable_dates,
)
from skscratch.tabular.tables import table_columns

__all__ = ["DateEncoder", "DateFormat", "find_format", "unreadable_dates"]

DAY = 86400
# Bounds on the scaled numbers, which limit the effect of outliers.
LIMITS = {"trend": 10.0, "year": 10.0, "time": 10.0, "duration": 1e6}
# Maximum number of columns of dates for differences between all pairs.
MAX_ALL_PAIRS = 3
# Periodic parts of a date or time.
PERIODIC = ("month", "day", "weekday", "hour")
LABELS = {"month": "month", "day": "day of the month", "weekday": "day of the week"}


class Part(NamedTuple):
    """A part of the values of a column, such as the day of the week.

    Attributes
    ----------
    level : ndarray of shape (n_values,)
        The part is left out if all levels are equal.
    value : ndarray of shape (n_values,)
        A number, or the position within a period, from 0 to 1.
    """

    level: NDArray[Any]
    value: NDArray[Any]


class DateEncoder(TransformerMixin, BaseEstimator):
    """Encode columns of dates, times of day and durations as numbers.

    A column of dates has up to twelve outputs, those that vary in ``fit``:

    - ``trend``, the time since the median date, in units of its interquartile range;
    - ``year``, scaled likewise;
    - ``month_sin`` and ``month_cos``, the position within the year, which changes from
      day to day, if there are several months;
    - ``day_sin`` and ``day_cos``, the position of the day within its month;
    - ``weekday_sin`` and ``weekday_cos``, and ``weekend``, which is 1 on Saturdays and
      Sundays and 0 otherwise;
    - ``hour_sin`` and ``hour_cos``, the position within the day, with minutes and
      seconds;
    - ``missing``, which is 1 for a missing date and 0 otherwise.

    A time of day has ``time``, the seconds since midnight, scaled, ``hour_sin`` and
    ``hour_cos``. A duration has ``duration``, the seconds, scaled. Both may have
    ``missing``.

    Columns of dates also have the differences that vary, in seconds and scaled:
    "b_minus_a" is the time from a column "a" to a later column "b" of the table. The
    differences are the last outputs of "b". They are computed for all pairs of up to
    three columns, and only for neighbors if there are more. If either date is missing,
    the difference is replaced by the median of the differences.

    Numbers are scaled as in ``SmoothClipScaler``: uniformly distributed dates of
    ``fit`` are mapped to [-1, 1]. The limit is 10, which continues almost linearly for
    later dates, but limits outliers such as a date in the year 9999. The limit for
    durations and differences is 1e6.

    Missing values are imputed with the median, and so are values that ``transform``
    can't read, if it can read others of the column. Dates are compared in UTC. Their
    parts are in local time: in the time zone of the column if it has one, and otherwise
    in that of each date. Dates without a time zone are local dates of the column.

    ``fit`` finds the kind of values, the layout of text and the time zone. In
    ``transform``, dates may be of any type, or text in the same layout or in ISO 8601.

    Parameters
    ----------
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the output.
    differences : bool, default=True
        Whether to output differences between columns of dates.

    Attributes
    ----------
    columns_ : list of dict
        Fitted encoding of each column: ``kind``, ``layout`` and ``zone`` as in
        ``DateFormat``; ``parts``, the names of the parts that vary; ``scales``, the
        center and divisor of the numeric parts; ``median``, the day, second and offset
        of the median; ``has_missing``; and ``differences``, a list of the position of
        the subtracted column, center and divisor.
    descriptions_ : dict
        Description of each column, by name or index.
    notes_ : dict
        Notes on assumptions and on columns without varying values, by name or index.
    n_outputs_per_feature_ : list of int
        Number of outputs of each column. A difference belongs to the column from which
        another column is subtracted.
    n_features_in_ : int
        Number of columns seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of columns seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch.tabular.dates import DateEncoder
    >>> encoder = DateEncoder()
    >>> X = [["05.01.2024"], ["06.01.2024"], [None], ["31.01.2024"]]
    >>> encoder.fit_transform(X)[:, [0, -2, -1]].round(2).tolist()
    [[-0.08, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.89, 0.0, 0.0]]
    >>> encoder.descriptions_[0].partition(":")[0]
    'dates (day.month.year) from 2024-01-05 to 2024-01-31'
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "dtype": [StrOptions({"float32", "float64"})],
        "differences": ["boolean"],
    }

    def __init__(self, dtype: str = "float64", differences: bool = True) -> None:
        self.dtype = dtype
        self.differences = differences

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the format of each column and the parts that vary.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The columns.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a column holds no dates, times of day or durations.
        """
        self._fit(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Fit and encode the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The columns.
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            As in ``fit``.
        """
        return self._encode(self._fit(X))

    def _fit(self, X: Any) -> list[Reading]:
        """Fit, and return the values of the columns."""
        columns, readings, notes = [], [], {}
        with rollback_on_error(self):
            validate_data(self, X, skip_check_array=True)
            table = table_columns(X)
            for name, values in table:
                format = _format_of(name, values)
                reading = read_column(name, values, format)
                column = _fit_column(reading, format)
                note = " ".join(filter(None, (format.note, _note(column, reading))))
                if note:
                    notes[name] = note
                columns.append(column)
                readings.append(reading)
            if self.differences:
                _fit_differences(columns, readings)
            names = [name for name, _ in table]
            self.columns_, self.notes_ = columns, notes
            self.n_outputs_per_feature_ = list(map(_count_outputs, columns))
            self.descriptions_ = {
                name: _describe(column, reading, names)
                for name, column, reading in zip(names, columns, readings, strict=True)
            }
        return readings

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The columns.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If a column has values but none can be read, because they are of another
            type than in ``fit``, such as numbers, or in another layout.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        return self._encode(
            [
                read_column(
                    name,
                    values,
                    DateFormat(column["kind"], column["layout"], column["zone"]),
                )
                for (name, values), column in zip(
                    table_columns(X), self.columns_, strict=True
                )
            ]
        )

    def _encode(self, readings: list[Reading]) -> NDArray[Any]:
        n_outputs = self.n_outputs_per_feature_
        encoded = np.zeros((len(readings[0].day), sum(n_outputs)), dtype=self.dtype)
        start = 0
        for column, reading, n in zip(self.columns_, readings, n_outputs, strict=True):
            middle = start + len(_suffixes(column))
            _encode_column(column, reading, encoded[:, start:middle])
            for i, (other, *scales) in enumerate(column["differences"], start=middle):
                encoded[:, i] = _encode_difference(reading, readings[other], scales)
            start += n
        return encoded

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the outputs: column and part, or column and other column.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        features = check_feature_names_in(self, input_features)
        names = [
            f"{feature}_{suffix}"
            for feature, column in zip(features, self.columns_, strict=True)
            for suffix in (
                *_suffixes(column),
                *(f"minus_{features[other]}" for other, *_ in column["differences"]),
            )
        ]
        return np.asarray(names, dtype=object)


def _format_of(name: Any, column: Any) -> DateFormat:
    format = find_format(column)
    if format is not None:
        return format
    if holds_nothing(column):
        return DateFormat("dates", "", "")
    raise ValueError(
        f"column {name!r} must hold dates, times of day or durations, all written in "
        f"the same way, got values of dtype {getattr(column, 'dtype', 'object')}, such "
        f"as {np.asarray(column).ravel()[0]!r}."
    )


def _fit_column(reading: Reading, format: DateFormat) -> dict[str, Any]:
    """Find the parts that vary, and the scales of the numeric ones."""
    column: dict[str, Any] = {
        **{"kind": format.kind, "layout": format.layout, "zone": format.zone},
        **{"parts": [], "scales": {}, "median": [0, 0.0, 0.0]},
        **{"has_missing": not reading.valid.all(), "differences": []},
    }
    if not reading.valid.any():
        return column | {"has_missing": False}
    reading = Reading(*(part[reading.valid] for part in reading))
    column["median"] = _median(reading, format.kind)
    for name, part in _parts(reading, format.kind, column["median"]).items():
        if part.level.min() == part.level.max():
            continue
        column["parts"].append(name)
        if name in LIMITS:
            center, scale = _center_and_scale(part.value)
            column["scales"][name] = [0.0 if name == "trend" else center, scale]
    return column


def _center_and_scale(values: NDArray[Any]) -> list[float]:
    """Median and interquartile range, or half the range, as in SmoothClipScaler."""
    low, center, high = np.quantile(values, (0.25, 0.5, 0.75))
    return [float(center), float(high - low or np.ptp(values) / 2)]


def _fit_differences(columns: list[dict[str, Any]], readings: list[Reading]) -> None:
    """Find the differences that vary between columns of dates, and their scales.

    The difference from a constant date would repeat the trend.
    """
    chosen = [i for i, column in enumerate(columns) if "trend" in column["parts"]]
    reach = len(chosen) if len(chosen) <= MAX_ALL_PAIRS else 1
    for position, i in enumerate(chosen):
        for other in chosen[max(position - reach, 0) : position]:
            seconds = _difference(readings[i], readings[other])
            seconds = seconds[readings[i].valid & readings[other].valid]
            if len(seconds) and seconds.min() < seconds.max():
                scales = _center_and_scale(seconds)
                columns[i]["differences"].append([other, *scales])


def _difference(reading: Reading, other: Reading) -> NDArray[np.float64]:
    """Seconds from another column's dates to a column's, in UTC."""
    (day, second), (other_day, other_second) = in_utc(reading), in_utc(other)
    # Equal differences at different times of day must not differ by rounding errors.
    nanoseconds = np.rint((second - other_second) * 1e9)
    days = (day - other_day) + np.floor(nanoseconds / (DAY * 1e9))
    seconds: NDArray[np.float64] = days * DAY + nanoseconds % (DAY * 1e9) / 1e9
    return seconds


def _encode_difference(
    reading: Reading, other: Reading, scales: list[float]
) -> NDArray[np.float64]:
    values = _squash(_difference(reading, other), scales, LIMITS["duration"])
    # The center of the differences is their median.
    return np.where(reading.valid & other.valid, values, 0.0)


def _squash(
    values: NDArray[Any], scales: list[float], limit: float
) -> NDArray[np.float64]:
    """Scale numbers and limit outliers smoothly."""
    center, scale = scales
    scaled = (values - center) / scale
    squashed: NDArray[np.float64] = scaled / np.hypot(1, scaled / limit)
    return squashed


def _median(reading: Reading, kind: str) -> list[Any]:
    """Day, second and offset of the lower median; equal moments are ordered, too."""
    moments = reading.second
    if kind == "dates":
        day, second = in_utc(reading)
        moments = (day - day.min()) + second / DAY
    middle = (len(moments) - 1) // 2
    rows = np.flatnonzero(moments == np.partition(moments, middle)[middle])
    columns = (reading.offset, reading.second, reading.day)
    row = rows[np.lexsort([column[rows] for column in columns])[0]]
    return [
        int(reading.day[row]),
        float(reading.second[row]),
        float(np.nan_to_num(reading.offset[row])),
    ]


def _parts(reading: Reading, kind: str, median: list[Any]) -> dict[str, Part]:
    """Parts of dates, times of day or durations, by name."""
    second = reading.second
    if kind == "durations":
        return {"duration": Part(second, second)}
    hour = Part(second, second / DAY)
    if kind == "times":
        return {"time": Part(second, second), "hour": hour}
    day = reading.day
    trend = (day - median[0]) + (second - median[1] - reading.offset + median[2]) / DAY
    months = day.astype("M8[D]").astype("M8[M]").astype(np.int64)
    starts, lengths = month_starts(months)
    year, month = np.divmod(months, 12)
    day_of_month = day - starts
    in_month = day_of_month / lengths
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday.
    is_weekend = (weekday >= 5).astype(np.float64)
    return {
        "trend": Part(trend, trend),
        "year": Part(year, year + 1970.0),
        "month": Part(month, (month + in_month) / 12),
        "day": Part(day_of_month, in_month),
        "weekday": Part(weekday, weekday / 7),
        "weekend": Part(is_weekend, is_weekend),
        "hour": hour,
    }


def _suffixes(column: dict[str, Any]) -> list[str]:
    """Names of a column's outputs without the column's own, except differences."""
    suffixes = []
    for part in column["parts"]:
        periodic = part in PERIODIC
        suffixes += [f"{part}_sin", f"{part}_cos"] if periodic else [part]
    return suffixes + ["missing"] * column["has_missing"]


def _count_outputs(column: dict[str, Any]) -> int:
    return len(_suffixes(column)) + len(column["differences"])


def _encode_column(
    column: dict[str, Any], reading: Reading, encoded: NDArray[Any]
) -> None:
    """Write a column's outputs, except differences."""
    if column["has_missing"]:
        encoded[:, -1] = ~reading.valid
    if not column["parts"]:
        return
    median = column["median"]
    filled = [
        np.where(reading.valid, part, value)
        for part, value in zip(reading, [*median, True], strict=True)
    ]
    parts = _parts(Reading(*filled), column["kind"], median)
    i = 0
    for name in column["parts"]:
        value = parts[name].value
        if name in PERIODIC:
            encoded[:, i] = np.sin(2 * np.pi * value)
            encoded[:, i + 1] = np.cos(2 * np.pi * value)
            i += 2
            continue
        if name in LIMITS:
            value = _squash(value, column["scales"][name], LIMITS[name])
        encoded[:, i] = value
        i += 1


def _note(column: dict[str, Any], reading: Reading) -> str:
    if not reading.valid.any():
        return "no values in fit, so the column is left out."
    if not column["parts"]:
        return "all values are equal in fit, so only missing ones can matter."
    return ""


def _describe(column: dict[str, Any], reading: Reading, names: list[Any]) -> str:
    """Describe what a column holds, and its outputs, given the names of all columns."""
    text = column["kind"]
    details = [column["layout"], column["zone"]]
    if any(details):
        text += f" ({', '.join(filter(None, details))})"
    if reading.valid.any():
        text += f" from {_extremes(column, reading)}"
    parts = [LABELS.get(part, part) for part in column["parts"]]
    parts += ["missing values"] * column["has_missing"]
    for other, *_ in column["differences"]:
        # Positions are not those in the table if this is a part of it.
        name = names[other] if isinstance(names[other], str) else "another column"
        parts.append(f"time since {name}")
    return f"{text}: {', '.join(parts) or 'no outputs'}"


def _extremes(column: dict[str, Any], reading: Reading) -> str:
    """First and last date or time, or the shortest and longest duration."""
    if column["kind"] == "dates":
        days = reading.day[reading.valid]
        low, high = np.array([days.min(), days.max()]).astype("M8[D]")
    else:
        seconds = reading.second[reading.valid]
        low, high = (f"{value:g} s" for value in (seconds.min(), seconds.max()))
        if column["kind"] == "times":
            whole = np.array([seconds.min(), seconds.max()]).astype("M8[s]")
            low, high = (str(moment)[-8:] for moment in whole)
    return f"{low} to {high}"
