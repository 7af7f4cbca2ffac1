"""Columns of dates of all types: what they hold, and how they are read."""

import datetime as dt
import warnings
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.tabular.date_values import (
    MAX_DAYS,
    DateFormat,
    find_format,
    holds_nothing,
    in_utc,
    read_column,
    unreadable_dates,
)

ZONES = [
    *(
        "UTC",
        "Europe/Zurich",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Africa/Casablanca",
    ),
    *("Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"),
]
zones = st.sampled_from(ZONES)
EPOCH = dt.datetime(1970, 1, 1)
DATES = DateFormat("dates", "", "")
TIMES = DateFormat("times", "", "")
DURATIONS = DateFormat("durations", "", "")
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]


def local(reading):
    """Local dates as Python's datetimes without a time zone, to the microsecond."""
    return [
        EPOCH + dt.timedelta(days=int(day), microseconds=round(second * 1e6))
        for day, second in zip(reading.day, reading.second, strict=True)
    ]


def utc(reading):
    day, second = in_utc(reading)
    return local(reading._replace(day=day, second=second))


# NumPy


@given(st.lists(st.datetimes(), min_size=1), st.sampled_from(UNITS[3:9]))
def test_datetime64_is_read_in_every_unit(moments, unit):
    values = np.array(moments, dtype="M8[us]").astype(f"M8[{unit}]")
    assert find_format(values) == DATES
    for column in (values, values.astype(values.dtype.newbyteorder(">"))):
        reading = read_column("a", column, DATES)
        assert reading.valid.all()
        assert local(reading) == values.astype("M8[us]").tolist()
        assert not reading.offset.any()


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.sampled_from(UNITS),
    st.sampled_from("Mm"),
    st.sampled_from([1, 7, 25, 10**6]),
)
@example([2**62, -(2**62)], "s", "M", 7)
def test_no_number_is_too_large(ticks, unit, kind, step):
    values = np.array(ticks, dtype=np.int64).view(f"{kind}8[{step}{unit}]")
    format = DATES if kind == "M" else DURATIONS
    assert find_format(values) == format
    reading = read_column("a", values, format)
    assert_array_equal(reading.valid, ~np.isnat(values))
    assert np.isfinite(reading.second).all()
    assert np.abs(reading.day).max() <= MAX_DAYS
    if kind == "M":
        is_later = np.array(ticks)[reading.valid] >= 0
        assert_array_equal(reading.day[reading.valid] >= 0, is_later)
        assert (reading.second >= 0).all()
        assert (reading.second <= 86400).all()
    else:
        # Exact, because Python's integers have no limit.
        microseconds = {"W": 604800 * 10**6, "D": 86400 * 10**6, "s": 10**6}
        if unit in microseconds:
            exact = [t * step * microseconds[unit] / 10**6 for t in ticks]
            valid = reading.valid
            assert_allclose(reading.second[valid], np.array(exact)[valid], rtol=1e-14)


@given(st.lists(st.integers(-9998, 8000), min_size=1), st.sampled_from("YM"))
def test_years_and_months_begin_as_in_numpy(ticks, unit):
    values = np.array(ticks).astype(f"M8[{unit}]")
    reading = read_column("a", values, DATES)
    assert_array_equal(reading.day.astype("M8[D]"), values.astype("M8[D]"))


@pytest.mark.parametrize("unit", ["ps", "fs", "as"])
def test_tiny_units_are_read(unit):
    values = np.array([-(10**18), -1, 0, 10**18]).astype(f"M8[{unit}]")
    reading = read_column("a", values, DATES)
    scale = {"ps": 1e-12, "fs": 1e-15, "as": 1e-18}[unit]
    total = reading.day * 86400 + reading.second
    assert_allclose(total, [-1e18 * scale, 0, 0, 1e18 * scale], atol=1e-9)


@given(st.lists(st.timedeltas() | st.none(), min_size=1), st.sampled_from(UNITS[2:9]))
def test_timedelta64_is_read_in_every_unit(durations, unit):
    values = np.array(durations, dtype="m8[us]").astype(f"m8[{unit}]")
    reading = read_column("a", values, DURATIONS)
    assert_array_equal(reading.valid, ~np.isnat(values))
    expected = values.astype("m8[us]").astype(float) / 1e6
    assert_allclose(reading.second[reading.valid], expected[reading.valid])


TEXTS = ["31.01.2024", " 01.02.2024 ", "", "NaT", "n/a"]


@pytest.mark.parametrize(
    "column",
    [
        np.array(TEXTS),
        np.array(TEXTS, dtype="S"),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype=np.dtypes.StringDType()),
        np.array([*TEXTS[:2], None, None, "NA"], np.dtypes.StringDType(na_object=None)),
        [*TEXTS[:2], None, np.nan, pd.NaT],
        [*map(np.str_, TEXTS)],
        pd.Series(TEXTS, dtype="str"),
        pd.Series([*TEXTS[:2], None, pd.NA, ""], dtype="string"),
        pd.Series([*TEXTS[:2], None, np.nan, pd.NaT], dtype=object),
    ],
    ids=str,
)
def test_text_of_every_type_is_read(column):
    assert find_format(column) == DateFormat("dates", "day.month.year", "")
    assert find_format(column) == find_format(column[:1])
    reading = read_column("a", column, find_format(column))
    assert reading.valid.tolist() == [True, True, False, False, False]
    assert local(reading)[:2] == [dt.datetime(2024, 1, 31), dt.datetime(2024, 2, 1)]
    assert not reading.day[2:].any()


# pandas and polars


@given(
    st.lists(
        st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), min_size=1
    ),
    zones,
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_series_of_pandas_keep_their_local_time(moments, zone, unit):
    naive = pd.Series(moments).astype(f"M8[{unit}]")
    aware = naive.dt.tz_localize("UTC").dt.tz_convert(zone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # To Python's datetimes without nanoseconds.
        expected = aware.dt.tz_localize(None).dt.to_pydatetime()
    assert find_format(naive) == DATES
    assert find_format(aware) == DateFormat("dates", "", zone)
    reading = read_column("a", aware, find_format(aware))
    assert local(reading) == list(expected)
    assert utc(reading) == naive.tolist()
    # In a column without a time zone each date keeps its own.
    assert local(read_column("a", aware, DATES)) == list(expected)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (dt.UTC, "UTC"),
        (dt.timezone(dt.timedelta(hours=-3, minutes=-30)), "UTC-03:30"),
        (dt.timezone(dt.timedelta(hours=2)), "UTC+02:00"),
    ],
)
def test_fixed_time_zones_of_pandas(zone, name):
    column = pd.Series([pd.Timestamp("2024-07-31 12:30", tz=zone), pd.NaT])
    format = find_format(column)
    assert format == DateFormat("dates", "", name)
    moment = dt.datetime(2024, 7, 31, 12, 30)
    later = [moment.replace(tzinfo=zone).astimezone(ZoneInfo("Asia/Tokyo"))]
    for values in (column, later, [moment]):
        reading = read_column("a", values, format)
        assert local(reading)[0] == moment
        assert reading.offset[0] == zone.utcoffset(None).total_seconds()


POLARS_UNITS = ["ms", "us", "ns"]


@given(
    st.lists(
        st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),
        min_size=1,
    ),
    st.none() | zones,
    st.sampled_from(POLARS_UNITS),
)
def test_series_of_polars_keep_their_local_time(moments, zone, unit):
    pl = pytest.importorskip("polars")
    column = pl.Series(moments, dtype=pl.Datetime(unit))
    if zone is not None:
        column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    format = find_format(column)
    assert format == DateFormat("dates", "", zone or "")
    reading = read_column("a", column, format)
    expected = column.dt.replace_time_zone(None).to_list()
    assert reading.valid.tolist() == [moment is not None for moment in moments]
    kept = zip(local(reading), expected, strict=True)
    assert all(found == said for found, said in kept if said is not None)


def test_other_types_of_polars():
    pl = pytest.importorskip("polars")
    date, time = dt.date(2024, 1, 31), dt.time(12, 30, 0, 500000)
    duration = dt.timedelta(days=-1, milliseconds=5)
    for value, format, number in (
        (date, DATES, 0),
        (time, TIMES, 45000.5),
        (duration, DURATIONS, duration.total_seconds()),
    ):
        column = pl.Series([None, value])
        for c in (column, pl.Series(column.to_list(), dtype=pl.Object)):
            assert find_format(c) == format
            reading = read_column("a", c, format)
            assert reading.valid.tolist() == [False, True]
            assert_allclose(reading.second[1], number)
        # The dtype tells even without a value.
        assert find_format(column[:1]) == format
    assert find_format(pl.Series(["12:30", "a"], dtype=pl.Categorical)) is None
    assert find_format(pl.Series([None, None])) is None
    assert find_format(pl.Series([1.5])) is None


@pytest.mark.parametrize("freq", ["D", "M", "Y", "h", "W", "Q"])
def test_periods_begin_as_in_pandas(freq):
    column = pd.Series(pd.period_range("2023-12-31", periods=5, freq=freq))
    if freq in "DMYh":
        assert find_format(column) == DATES
    reading = read_column("a", pd.concat([column, pd.Series([pd.NaT])]), DATES)
    assert reading.valid.tolist() == [True] * 5 + [False]
    starts = column.dt.to_timestamp().tolist()
    assert local(reading)[:5] == starts


# Objects of Python


aware_moments = st.datetimes(
    dt.datetime(2, 1, 1),
    dt.datetime(9998, 1, 1),
    timezones=st.none() | zones.map(ZoneInfo),
)


@given(st.lists(aware_moments, min_size=1))
def test_datetimes_keep_their_local_time(moments):
    format = find_format(moments)
    named = {str(moment.tzinfo) for moment in moments if moment.tzinfo}
    assert format == DateFormat("dates", "", named.pop() if len(named) == 1 else "")
    reading = read_column("a", moments, format)
    offsets = []
    for moment in moments:
        if moment.tzinfo is None and format.zone:
            moment = moment.replace(tzinfo=ZoneInfo(format.zone))
        offset = moment.utcoffset()
        offsets.append(0 if offset is None else offset.total_seconds())
    exists = [
        moment.tzinfo is None
        or moment.astimezone(dt.UTC).astimezone(moment.tzinfo).replace(tzinfo=None)
        == moment.replace(tzinfo=None)
        for moment in moments
    ]
    for found, moment, here in zip(local(reading), moments, exists, strict=True):
        # Where clocks are put forward, some local times do not exist.
        assert not here or found == moment.replace(tzinfo=None)
    assert_array_equal(reading.offset[exists], np.array(offsets)[exists])


@given(
    st.lists(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1)), min_size=1),
    zones,
)
@example(
    [dt.datetime(2024, 3, 31, h, m) for h in range(4) for m in (0, 30, 59)], ZONES[1]
)
@example(
    [dt.datetime(2024, 10, 27, h, m) for h in range(4) for m in (0, 30, 59)], ZONES[1]
)
@example([dt.datetime(2011, 12, d, 9, 59) for d in range(29, 32)], "Pacific/Apia")
def test_dates_are_converted_to_the_time_zone_of_the_column(moments, zone):
    format = DateFormat("dates", "", zone)
    aware = [moment.replace(tzinfo=dt.UTC) for moment in moments]
    expected = [
        moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in aware
    ]
    texts = [moment.isoformat() for moment in aware]
    for column in (aware, texts):
        reading = read_column("a", column, format)
        assert local(reading) == expected
        assert utc(reading) == moments


@given(
    st.lists(st.dates() | st.datetimes(), min_size=1),
    st.lists(st.sampled_from([None, np.nan, pd.NaT, "", "NaT", np.datetime64("NaT")])),
)
def test_dates_among_missing_values(values, missing):
    column = np.empty(len(values) + len(missing), dtype=object)
    column[:] = [*missing, *values]
    assert find_format(column) == DATES
    reading = read_column("a", column, DATES)
    assert reading.valid.tolist() == [False] * len(missing) + [True] * len(values)
    expected = [
        value
        if isinstance(value, dt.datetime)
        else dt.datetime.combine(value, dt.time())
        for value in values
    ]
    assert local(reading)[len(missing) :] == expected


def test_objects_of_one_kind_may_be_mixed():
    column = np.empty(6, dtype=object)
    column[:] = [
        dt.date(2024, 1, 31),
        "2024-01-31",
        pd.Timestamp("2024-01-31"),
        np.datetime64("2024-01-31", "ns"),
        np.datetime64("2024-01-31"),
        pd.Period("2024-01-31", "D"),
    ]
    format = find_format(column)
    assert format == DateFormat("dates", "year-month-day", "")
    assert local(read_column("a", column, format)) == [dt.datetime(2024, 1, 31)] * 6
    column[:2] = [np.timedelta64(1, "D"), "P1D"]
    assert find_format(column) is None
    column[2:] = [dt.timedelta(1), pd.Timedelta(1, "D"), "1 day", None]
    assert find_format(column[[0, 1, 2, 3, 5]]).kind == "durations"
    reading = read_column("a", column, DURATIONS)
    assert reading.second.tolist() == [86400.0] * 5 + [0.0]


def test_nanoseconds_count():
    stamp = pd.Timestamp("2024-01-31 12:30:00.123456789", tz="UTC")
    reading = read_column("a", [stamp], DATES)
    assert_allclose(reading.second, 45000.123456789, rtol=1e-14)


def test_time_zones_of_objects_and_text():
    zurich, utc = ZoneInfo("Europe/Zurich"), dt.UTC
    winter = dt.datetime(2024, 1, 31, tzinfo=zurich)
    summer = dt.datetime(2024, 7, 31, tzinfo=zurich)
    fixed = winter.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))
    for column, zone in (
        ([winter, summer, None], "Europe/Zurich"),
        ([winter, winter.replace(tzinfo=None)], "Europe/Zurich"),
        ([winter.replace(tzinfo=utc)], "UTC"),
        ([winter, winter.replace(tzinfo=utc)], ""),
        ([fixed, fixed], ""),
        (["2024-01-31T12:00Z", "2024-01-31T12:00 GMT"], "UTC"),
        (["2024-01-31T12:00Z", "2024-01-31T12:00+00:00"], ""),
        (["2024-01-31T12:00Z", "2024-01-31"], ""),
        (["2024-01-31T12:00Z", winter], ""),
        (["2024-01-31T12:00Z", winter.replace(tzinfo=utc)], "UTC"),
        (["2024-01-31T12:00", winter], ""),
    ):
        assert find_format(column).zone == zone
    # Equal moments in different zones are different local times.
    column = [winter, winter.astimezone(utc)]
    assert local(read_column("a", column, DATES)) == [
        dt.datetime(2024, 1, 31),
        dt.datetime(2024, 1, 30, 23),
    ]


def test_unknown_time_zones_are_none():
    for name in ("Europe/Nowhere", "Europe", "../etc", "+99:00", "\0"):
        reading = read_column("a", ["2024-01-31"], DateFormat("dates", "", name))
        assert reading.offset == [0]


# Other columns


@pytest.mark.parametrize(
    "column",
    [
        np.arange(3),
        np.array([20240131, 20240201]),
        np.array([1.5, np.nan]),
        np.array([True, False]),
        np.array([1j]),
        np.array([["2024-01-31"]]),
        [None, None],
        [np.nan, None],
        [],
        ["", "nan"],
        ["2024-01-31", 20240131],
        ["2024-01-31", 1.5],
        [dt.date(2024, 1, 31), "unknown"],
        [dt.date(2024, 1, 31), dt.time(12, 30)],
        [dt.date(2024, 1, 31), "12:30"],
        [dt.date(2024, 1, 31), 5],
        [dt.date(2024, 1, 31), True],
        [dt.date(2024, 1, 31), object()],
        np.array([["2024-01-31"], None], dtype=object),
        np.array([{"day": 1}, None], dtype=object),
        pd.Series(["2024-01-31"], dtype="category"),
        pd.Series([dt.date(2024, 1, 31)], dtype="category"),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series(["1", "2"], dtype="str"),
    ],
    ids=lambda column: repr(column)[:40],
)
def test_other_columns_hold_no_dates(column):
    assert find_format(column) is None


@given(
    st.lists(
        st.one_of(
            *(st.none(), st.floats(), st.integers(), st.booleans(), st.text()),
            *(st.dates(), st.times(), st.timedeltas(), st.binary()),
            st.decimals(allow_nan=False),
            *(st.lists(st.none()), st.sampled_from([pd.NA, pd.NaT, "2024-01-31"])),
        )
    )
)
def test_anything_can_be_looked_at(values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    found = find_format(column)
    unreadable_dates(column)
    holds_nothing(column)
    for format in (DATES, TIMES, DURATIONS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            reading = read_column("a", column, format)
        assert len(reading.valid) == len(values)
        assert bool(caught) != (reading.valid.any() or holds_nothing(column))
        if found is not None and found.kind != format.kind:
            assert not reading.valid.any()


@pytest.mark.parametrize(
    ("column", "format", "dtype"),
    [
        (np.arange(3), DATES, "int64"),
        (pd.Series([1.5, None]), DATES, "float64"),
        (np.array([1], "m8[s]"), DATES, r"timedelta64\[s\]"),
        (np.array([1], "M8[s]"), DURATIONS, r"datetime64\[s\]"),
        (np.array([True]), TIMES, "bool"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(column, format, dtype):
    message = f"'fare' held {format.kind} in fit, but now has dtype {dtype}"
    with pytest.raises(ValueError, match=message):
        read_column("fare", column, format)


def test_a_column_of_lists_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'a' must hold one value per row"):
        read_column("a", np.array([["2024-01-31"]]), DATES)


@pytest.mark.parametrize(
    "column",
    [
        np.array([np.nan, np.nan]),
        np.array(["NaT", "NaT"], "M8[s]"),
        np.array(["NaT", "NaT"], "M8"),
        np.array(["NaT", "NaT"], "m8[s]"),
        np.array([None, ""], dtype=object),
        np.array(["", "NA"]),
        pd.Series([None, pd.NaT], dtype=object),
        pd.Series([pd.NaT, pd.NaT]).dt.tz_localize("Europe/Zurich"),
    ],
    ids=repr,
)
def test_a_column_without_values_is_missing(column):
    assert holds_nothing(column)
    for format in (DATES, DateFormat("dates", "", "Europe/Zurich"), TIMES, DURATIONS):
        assert not read_column("a", column, format).valid.any()
    filled = pd.Series([*column, "x"], dtype=object)
    assert not holds_nothing(filled)
    assert not holds_nothing(pd.Series([*column, 5], dtype=object))


def test_one_other_value_among_many_is_enough():
    column = ["2024-01-31"] * 1000

    def find(values):
        return find_format(pd.Series(values, dtype=object))

    for i in (0, 5, 500, 1000):
        for other in ("unknown", 5, 1.5, dt.time(12), (), object()):
            assert find([*column[:i], other, *column[i:]]) is None
        assert find([*column[:i], None, *column[i:]]) is not None
    assert find([None] * 1000 + column) is not None


def test_values_in_the_way_are_named():
    dates = ["2024-01-31", "2024-02-01", None, "unknown", "unknown"]
    assert unreadable_dates(pd.Series(dates)) == ["unknown"]
    assert unreadable_dates(np.array([*dates, 5], dtype=object)) == []
    assert unreadable_dates(np.arange(3)) == []
