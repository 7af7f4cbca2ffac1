"""Dates as text: which layout a column has, and what its texts say."""

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.tabular.date_text import (
    LAYOUTS,
    find_layout,
    month_starts,
    read_texts,
    unreadable_texts,
)

# Formats of strftime, and the layouts that they have.
FORMATS = {
    "%Y-%m-%d": "year-month-day",
    "%Y-%m-%dT%H:%M:%S.%f": "year-month-day",
    "%Y-%m-%d  %H:%M": "year-month-day",
    "%Y-%m-%dT%H": "year-month-day",
    "%Y/%m/%d %I:%M:%S %p": "year/month/day",
    "%Y.%m.%d %H:%M": "year.month.day",
    "%Y%m%dT%H%M%S": "basic ISO 8601",
    "%d.%m.%Y": "day.month.year",
    "%d.%m.%y %H:%M": "day.month.year",
    "%d/%m/%Y %H:%M": "day/month/year",
    "%d-%m-%y": "day-month-year",
    "%m/%d/%y": "month/day/year",
    "%m/%d/%Y, %I:%M:%S %p": "month/day/year",
    "%m-%d-%Y %H:%M:%S": "month-day-year",
    "%m.%d.%Y": "month.day.year",
    "%b %d, %Y": "month day, year",
    "%A, %B %d, %Y %I:%M %p": "month day, year",
    "%B %d %Y": "month day, year",
    "%d %B %Y": "day month year",
    "%d-%b-%y": "day month year",
    "%a, %d %b %Y %H:%M:%S GMT": "day month year",
    "%Y-%m": "year-month",
    "%b %Y": "month year",
    "%B-%Y": "month year",
}
each_format = pytest.mark.parametrize("format", FORMATS)
moments = st.datetimes(dt.datetime(1969, 1, 1), dt.datetime(2068, 12, 31))
columns_of_moments = st.lists(moments, min_size=1, max_size=15)


def as_text(moment, format):
    """Text, and the moment it says."""
    text = moment.strftime(format)
    return text, dt.datetime.strptime(text, format)


def assert_says(reading, moments):
    """Compare a reading with Python's datetimes, some of which have an offset."""
    assert reading.valid.all()
    days = [m.toordinal() - dt.date(1970, 1, 1).toordinal() for m in moments]
    assert_array_equal(reading.day, days)
    midnights = [m.replace(hour=0, minute=0, second=0, microsecond=0) for m in moments]
    seconds = [
        (m - midnight).total_seconds()
        for m, midnight in zip(moments, midnights, strict=True)
    ]
    assert_allclose(reading.second, seconds, atol=1e-9)
    offsets = [m.utcoffset() for m in moments]
    offsets = [np.nan if o is None else o.total_seconds() for o in offsets]
    assert_array_equal(reading.offset, offsets)


# What a text says


@each_format
@settings(max_examples=25)
@given(moments=columns_of_moments)
def test_dates_are_read_as_python_wrote_them(format, moments):
    pairs = [as_text(moment, format) for moment in moments]
    reading = read_texts([text for text, _ in pairs], FORMATS[format], "dates")
    if format.endswith("GMT"):
        assert_array_equal(reading.offset, 0)
        reading = reading._replace(offset=np.full(len(pairs), np.nan))
    assert_says(reading, [said for _, said in pairs])


@each_format
@settings(max_examples=25)
@given(moments=columns_of_moments)
def test_the_layout_is_found(format, moments):
    texts = [as_text(moment, format)[0] for moment in moments]
    found, expected = find_layout(texts), FORMATS[format]
    order = re.fullmatch(r"(day|month)([-/.])(day|month)\2year", expected)
    if order and all(moment.day <= 12 for moment in moments):
        first = "month" if order[2] == "/" else "day"
        assert found.name.startswith(f"{first}{order[2]}")
        assert f"read as {first} first" in found.note
        assert repr(order[2]) in found.note
    else:
        assert found.name == expected
        assert found.note == ""
    assert found.kind == "dates"
    assert found.is_utc == format.endswith("GMT")


@given(
    st.lists(
        st.datetimes(
            timezones=st.none()
            | st.integers(-86399, 86399).map(
                lambda seconds: dt.timezone(dt.timedelta(seconds=seconds))
            )
        ),
        min_size=1,
    ),
    st.sampled_from("T "),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_iso_8601_is_read_as_python_reads_it(moments, separator, timespec):
    texts = [moment.isoformat(separator, timespec) for moment in moments]
    assert find_layout(texts)[:2] == ("dates", "year-month-day")
    # Standard text is read in every layout.
    for layout in ("year-month-day", "day/month/year", "month year", ""):
        reading = read_texts(texts, layout, "dates")
        assert_says(reading, list(map(dt.datetime.fromisoformat, texts)))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2024-01-31T12:30Z", 0),
        ("2024-01-31 12:30 UTC", 0),
        ("2024-01-31 12:30+02", 7200),
        ("2024-01-31 12:30 -0330", -12600),
        ("2024-01-31T12:30:00,5+00:34:08", 2048),
        ("20240131T123000z", 0),
        ("31 Jan 2024 12:30 +05:45", 20700),
    ],
)
def test_offsets_are_seconds(text, offset):
    layout = find_layout([text])
    assert layout.is_utc == (text[-1] in "zZC")
    reading = read_texts([text], layout.name, "dates")
    assert reading.offset == [offset]
    assert reading.second // 60 == [750]


DIGITS = st.integers(0, 99).map(str) | st.integers(0, 99).map("{:02}".format)


@given(st.lists(st.tuples(DIGITS, DIGITS, st.integers(0, 9999)), min_size=1))
def test_exactly_the_dates_of_the_calendar_are_valid(parts):
    for mark in "/.-":
        texts = [f"{a}{mark}{b}{mark}{year:04}" for a, b, year in parts]
        for order, format in (("day", f"%d{mark}%m{mark}%Y"), ("month", None)):
            other = "month" if order == "day" else "day"
            format = format or f"%m{mark}%d{mark}%Y"
            reading = read_texts(texts, f"{order}{mark}{other}{mark}year", "dates")
            assert reading.valid.tolist() == [is_date(t, format) for t in texts]
            assert not reading.day[~reading.valid].any()


def is_date(text, format):
    try:
        dt.datetime.strptime(text, format)
    except ValueError:
        return False
    return True


@given(st.integers(0, 30), st.integers(0, 99), st.integers(0, 99))
def test_exactly_the_times_of_a_day_are_valid(hour, minute, second):
    text = f"{hour}:{minute:02}:{second:02}"
    for suffix, format in (("", "%H:%M:%S"), (" PM", "%I:%M:%S %p")):
        valid = is_date(text + suffix, format) and second < 60
        reading = read_texts([text + suffix], "time of day", "times")
        # What is no time may be a duration, but not in a column of times.
        assert reading.valid == [valid]
        assert valid or reading.second == [0]
        if valid:
            time = dt.datetime.strptime(text + suffix, format)
            assert reading.second == time.hour * 3600 + minute * 60 + second


@given(st.lists(st.times(), min_size=1))
def test_times_are_read_as_python_wrote_them(times):
    texts = [time.isoformat() for time in times]
    assert find_layout(texts)[:2] == ("times", "time of day")
    seconds = [
        t.hour * 3600 + t.minute * 60 + t.second + t.microsecond / 1e6 for t in times
    ]
    reading = read_texts(texts, "time of day", "times")
    assert_allclose(reading.second, seconds, atol=1e-9)
    assert not reading.day.any()


@given(st.lists(st.timedeltas(), min_size=1))
def test_durations_are_read_as_python_and_pandas_wrote_them(durations):
    seconds = [duration.total_seconds() for duration in durations]
    written = {"python": [str(duration) for duration in durations]}
    if all(abs(duration) < dt.timedelta(10**4) for duration in durations):
        pandas = [pd.Timedelta(duration) for duration in durations]
        written["pandas"] = [str(duration) for duration in pandas]
        # Of negative ones pandas negates each part, which ISO 8601 does not know.
        if all(duration >= dt.timedelta(0) for duration in durations):
            written["iso"] = [duration.isoformat() for duration in pandas]
    for texts in written.values():
        reading = read_texts(texts, "", "durations")
        assert reading.valid.all()
        assert_allclose(reading.second, seconds, rtol=1e-14, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P1D", 86400),
        ("-PT1H30M", -5400),
        ("P2W", 1209600),
        ("PT0,5S", 0.5),
        ("P1Y", 31556952),
        ("P1M", 2629746),
        ("3 days", 259200),
        ("-1:02:03", -3723),
        ("26:00:00", 93600),
    ],
)
def test_durations_as_text(text, seconds):
    layout = find_layout([text])
    kind = "times" if text.startswith("1:") else "durations"
    assert layout.kind == kind
    assert_allclose(read_texts([text], layout.name, kind).second, [seconds])


def test_no_break_spaces_are_spaces():
    text = "1/31/2024,\u00a02:05:30\u202fp.m."
    layout = find_layout([text])
    reading = read_texts([text], layout.name, "dates")
    assert_says(reading, [dt.datetime(2024, 1, 31, 14, 5, 30)])


def test_short_years_are_those_of_posix():
    texts = [f"1/31/{year:02}" for year in range(100)]
    years = [dt.datetime.strptime(text, "%m/%d/%y") for text in texts]
    assert_says(read_texts(texts, "month/day/year", "dates"), years)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_months_begin_and_end_as_in_numpy(months):
    starts, lengths = month_starts(np.array(months))
    dates = np.array(months).astype("M8[M]")
    assert_array_equal(starts.astype("M8[D]"), dates.astype("M8[D]"))
    assert_array_equal((starts + lengths).astype("M8[D]"), (dates + 1).astype("M8[D]"))


# What is no date


def test_both_orders_in_one_column_are_no_layout():
    assert find_layout(["31/01/2024", "01/02/2024"]).name == "day/month/year"
    assert find_layout(["01/31/2024", "01/02/2024"]).name == "month/day/year"
    assert find_layout(["31/01/2024", "01/31/2024"]) is None


@pytest.mark.parametrize("other", ["unknown", "32.01.2024", "01.31.2024", "2024"])
def test_one_other_text_among_many_is_enough(other):
    days = np.arange("2023", "2024", dtype="M8[D]").tolist()
    texts = [day.strftime("%d.%m.%Y") for day in days]
    assert find_layout(texts).name == "day.month.year"
    for i in (0, 5, 50, len(texts)):
        assert find_layout([*texts[:i], other, *texts[i:]]) is None


@given(columns_of_moments, st.randoms())
def test_the_order_of_the_texts_does_not_matter(moments, random):
    texts = [moment.strftime("%d/%m/%Y") for moment in moments]
    found = find_layout(sorted(texts))
    random.shuffle(texts)
    assert find_layout(texts)[:3] == found[:3]


NO_DATES = [
    ["8001", "3012"],
    ["08001"],
    ["20240131", "20240201"],
    ["2024", "2023"],
    ["1.2.3", "1.10.0"],
    ["2024.1.2", "2023.12.1"],
    ["1.2.24"],
    ["1-2-24"],
    ["10.0.0.1", "192.168.1.1"],
    ["044 123 45 67"],
    ["+41 44 123 45 67"],
    ["555-01-2345"],
    ["078-05-1120"],
    ["May", "June"],
    ["Mon", "Tue"],
    ["May 5"],
    ["April May"],
    ["1/2", "3/4"],
    ["3-4", "10-20"],
    ["1/2/3"],
    ["120/80"],
    ["1234-05", "1234-06"],
    ["2024-13"],
    ["2011-12", "2012-13"],
    ["16:9", "4:3"],
    ["3:2"],
    ["1:23.456"],
    ["25:61"],
    ["00:1B:44:11:3A:B7"],
    ["12:30:05:10"],
    ["978-3-16-148410-0"],
    ["550e8400-e29b-41d4-a716-446655440000"],
    ["2024-02-30"],
    ["2023-02-29"],
    ["0000-01-01"],
    ["2024-01-31T25:00"],
    ["2024-01-31T12:30+25:00"],
    ["2024-01-31T12:30+01:75"],
    ["2024-1-1-1"],
    ["2024-01/31"],
    ["31.01/2024"],
    ["1/31/202"],
    ["1/31/20245"],
    ["13:00 PM", "12:00 AM"],
    ["0:30 AM"],
    ["P", "PT"],
    ["P1", "P2"],
    ["1d", "2h"],
    ["days", "a day"],
    ["1e5", "2e3"],
    ["1,234.56"],
    ["\u0661\u0662:\u0663\u0660"],
    ["2024-01-31", "unknown"],
    ["2024-01-31", "31.01.2024"],
    ["12:30", "2024-01-31"],
    ["born 1/2/2024"],
    ["2024-01-31\n2024-02-01"],
    ["a" * 10**5, " " * 10**5 + "1", "1" * 10**5],
]


@pytest.mark.parametrize("texts", NO_DATES, ids=lambda texts: texts[0][:20])
def test_other_text_is_no_date(texts):
    assert find_layout(texts) is None


@given(
    st.lists(
        st.integers().map(str)
        | st.floats().map(repr)
        | st.floats().map("{:.2f}".format)
        | st.decimals().map(str)
        | st.integers(0, 10**14).map("{:08}".format),
        min_size=1,
    )
)
def test_numbers_are_no_dates(texts):
    assert find_layout(texts) is None
    for kind in ("dates", "times", "durations"):
        for name, (of_layout, _) in LAYOUTS.items():
            if of_layout == kind:
                assert not read_texts(texts, name, kind).valid.any()


@given(st.lists(st.text(), min_size=1), st.sampled_from(sorted(LAYOUTS)))
def test_any_text_can_be_read(texts, layout):
    reading = read_texts(texts, layout, LAYOUTS[layout][0])
    assert len(reading.valid) == len(texts)
    assert np.isfinite(reading.second).all()


@given(st.text(alphabet="0123456789-/.:TZPDHMS ,+am", max_size=25))
def test_what_is_found_can_be_read(text):
    layout = find_layout([text])
    if layout is not None:
        assert read_texts([text], layout.name, layout.kind).valid.all()


# What nearly is a column of dates


def test_texts_in_the_way_are_named_if_most_are_dates():
    dates = [f"{day}.01.2024" for day in range(1, 29)]
    assert unreadable_texts([*dates, "unknown", "2024"]) == ["unknown", "2024"]
    assert unreadable_texts([*dates[:2], "unknown", "2024"]) == []
    assert unreadable_texts(["a", "b"]) == []
    # First a thousand dates, then more of something else.
    days = (np.arange(1000).astype("M8[D]")).astype(str).tolist()
    assert unreadable_texts([*days, *map(str, range(1001))]) == []
