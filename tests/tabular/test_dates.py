"""Dates, times of day and durations as numbers."""

import datetime as dt
import json
import pickle
import warnings
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError

from skscratch.tabular.dates import DateEncoder

PARTS = [
    *("trend", "year", "month_sin", "month_cos", "day_sin", "day_cos"),
    *("weekday_sin", "weekday_cos", "weekend", "hour_sin", "hour_cos"),
]
moments = st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1))
columns_of_moments = st.lists(moments, min_size=1, max_size=30)


def as_column(values):
    """Column of objects, as an array of one column."""
    column = np.empty((len(values), 1), dtype=object)
    column[:, 0] = values
    return column


def as_frame(column):
    """Table of one column, of polars if the column is."""
    has_method = hasattr(column, "to_frame")
    return column.to_frame("a") if has_method else pd.DataFrame({"a": column})


def encoded(column, **params):
    """Outputs of a column by the names of the parts, and the encoder."""
    X = as_frame(column)
    encoder = DateEncoder(**params)
    values = encoder.fit_transform(X)
    names = [name.removeprefix("a_") for name in encoder.get_feature_names_out()]
    assert values.shape == (len(X), len(names))
    assert_array_equal(encoder.transform(X), values)
    return dict(zip(names, values.T, strict=True)), encoder


def angle(outputs, part):
    """Position within the period of a part, from 0 to 1."""
    sine, cosine = outputs[f"{part}_sin"], outputs[f"{part}_cos"]
    assert_allclose(sine**2 + cosine**2, 1)
    return np.arctan2(sine, cosine) / (2 * np.pi) % 1


def assert_equal_angles(found, expected):
    assert_allclose((found - expected + 0.5) % 1, 0.5, atol=1e-9)


# The parts of dates


@given(columns_of_moments)
@example([dt.datetime(2024, 2, 15), dt.datetime(2024, 3, 15)])
def test_parts_are_those_of_pandas(column):
    dates = pd.Series(column).astype("M8[us]")
    outputs, _ = encoded(dates)
    parts = dates.dt
    in_month = (parts.day - 1) / parts.days_in_month
    seconds = (dates - parts.floor("D")).dt.total_seconds()
    for part, level, expected in (
        ("month", parts.month, (parts.month - 1 + in_month) / 12),
        ("day", parts.day, in_month),
        ("weekday", parts.day_of_week, parts.day_of_week / 7),
        ("hour", seconds, seconds / 86400),
    ):
        assert (f"{part}_sin" in outputs) == (f"{part}_cos" in outputs)
        assert (f"{part}_sin" in outputs) == (level.nunique() > 1)
        if level.nunique() > 1:
            assert_equal_angles(angle(outputs, part), expected)
    weekend = parts.day_of_week >= 5
    assert ("weekend" in outputs) == (weekend.nunique() > 1)
    assert_array_equal(outputs.get("weekend", weekend), weekend)
    assert ("year" in outputs) == (parts.year.nunique() > 1)
    assert ("trend" in outputs) == (dates.nunique() > 1)
    assert list(outputs) == [part for part in PARTS if part in outputs]


@given(columns_of_moments)
@example([dt.datetime(2024, 1, 1)] * 9 + [dt.datetime(2024, 3, 1)])
def test_the_trend_keeps_order_and_distances(column):
    dates = pd.Series(column).astype("M8[us]")
    outputs, _ = encoded(dates)
    if dates.nunique() == 1:
        return
    days = (dates - dates.min()).dt.total_seconds().to_numpy() / 86400
    median = np.sort(days)[(len(days) - 1) // 2]
    scale = np.subtract(*np.quantile(days, (0.75, 0.25))) or np.ptp(days) / 2
    z = (days - median) / scale
    assert_allclose(outputs["trend"], z / np.sqrt(1 + (z / 10) ** 2), atol=1e-6)
    order = np.argsort(days, kind="stable")
    assert (np.diff(outputs["trend"][order]) >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_are_well_conditioned(dtype):
    days = np.arange("2015-01-01", "2024-01-01", dtype="M8[h]")
    outputs, encoder = encoded(days, dtype=dtype)
    assert list(outputs) == PARTS
    for values in outputs.values():
        assert values.dtype == dtype
        assert np.abs(values).max() <= 1.02
        assert values.std() > 0.3
    # Hours are told apart over nine years, also in float32.
    assert len(np.unique(outputs["trend"])) == len(days)
    later = encoder.transform(as_frame(["2033-01-01", "9999-12-31"]))
    assert 2 < later[0, 0] < 3.1
    assert 9.9 < later[1, 0] <= 10
    assert np.isfinite(later).all()


def test_only_what_varies_is_encoded():
    for start, stop, step, expected in (
        ("2024-03-04", "2024-03-09", "D", {"trend", "day", "weekday"}),
        ("2024-03-01", "2024-03-31", "D", {"trend", "day", "weekday", "weekend"}),
        ("2020-01", "2024-01", "M", {"trend", "year", "month", "weekday", "weekend"}),
        ("1990", "2020", "Y", {"trend", "year", "weekday", "weekend"}),
        ("2024-03-05T00", "2024-03-06T00", "h", {"trend", "hour"}),
        ("2024-03-05", "2024-03-06", "D", set()),
    ):
        outputs, encoder = encoded(np.arange(start, stop, dtype=f"M8[{step}]"))
        parts = {name.removesuffix("_sin").removesuffix("_cos") for name in outputs}
        assert parts == expected
        assert ("a" in encoder.notes_) == (not expected)


def test_an_outlier_does_not_flatten_the_others():
    dates = [*np.arange("2020-01-01", "2021-01-01", dtype="M8[D]"), "9999-12-31"]
    outputs, _ = encoded(np.array(dates, "M8[D]"), dtype="float32")
    assert np.ptp(outputs["trend"][:-1]) > 1.9
    assert 9.9 < outputs["trend"][-1] <= 10


# Times of day and durations


@given(st.lists(st.times(), min_size=2))
def test_times_of_day(times):
    outputs, encoder = encoded(pd.Series(times, dtype=object))
    seconds = np.array(
        [t.hour * 3600 + t.minute * 60 + t.second + t.microsecond / 1e6 for t in times]
    )
    if not np.ptp(seconds):
        assert not outputs
        return
    assert list(outputs) == ["time", "hour_sin", "hour_cos"]
    assert_equal_angles(angle(outputs, "hour"), seconds / 86400)
    assert (np.diff(outputs["time"][np.argsort(seconds)]) >= 0).all()
    assert np.abs(outputs["time"]).max() <= 10
    text = encoder.transform(as_frame([time.isoformat() for time in times]))
    assert_allclose(text, np.stack([*outputs.values()], axis=1), atol=1e-8)


spans = st.timedeltas(dt.timedelta(-(10**6)), dt.timedelta(10**6))


@given(st.lists(spans, min_size=2))
def test_durations(durations):
    outputs, encoder = encoded(np.array(durations, "m8[us]"))
    seconds = np.array([duration.total_seconds() for duration in durations])
    if not np.ptp(seconds):
        assert not outputs
        return
    scale = np.subtract(*np.quantile(seconds, (0.75, 0.25))) or np.ptp(seconds) / 2
    z = (seconds - np.median(seconds)) / scale
    expected = z / np.hypot(1, z / 1e6)
    assert_allclose(outputs["duration"], expected, rtol=1e-6, atol=1e-6)
    for column in (durations, list(map(str, durations))):
        found = encoder.transform(as_frame(pd.Series(column, dtype=object)))
        assert_allclose(found[:, 0], outputs["duration"], rtol=1e-6, atol=1e-6)


# Differences between columns of dates


WINTER, SUMMER = dt.datetime(2024, 1, 31), dt.datetime(2024, 7, 31)


def difference(X, later, earlier, **params):
    """Difference of two columns, scaled, or None if there is no such output."""
    encoder = DateEncoder(**params)
    values = encoder.fit_transform(X)
    assert_array_equal(encoder.transform(X), values)
    names = encoder.get_feature_names_out().tolist()
    name = f"{later}_minus_{earlier}"
    return values[:, names.index(name)] if name in names else None


def differences_in(encoder):
    return [name for name in encoder.get_feature_names_out() if "_minus_" in name]


@given(
    st.lists(st.tuples(st.none() | moments, st.none() | moments), min_size=2),
    st.sampled_from(["UTC", "Europe/Zurich", "+05:30"]) | st.none(),
)
@example([(dt.datetime(2024, 1, 1, hour), None) for hour in range(3)], None)
@example([(WINTER, None), (SUMMER, None), (None, WINTER), (None, SUMMER)], None)
@example([(WINTER, WINTER), (SUMMER, SUMMER), (SUMMER, WINTER)], "Europe/Zurich")
@example([(WINTER, WINTER), (SUMMER, SUMMER + dt.timedelta(hours=2))], "Europe/Zurich")
def test_differences_are_those_of_pandas(rows, zone):
    a, b = (pd.Series(c).astype("M8[us]") for c in zip(*rows, strict=True))
    expected = (b - a).dt.total_seconds()
    # Dates without a time zone are taken for UTC.
    later = b if zone is None else b.dt.tz_localize("UTC").dt.tz_convert(zone)
    found = difference(pd.DataFrame({"a": a, "b": later}), "b", "a")
    assert difference(pd.DataFrame({"a": a, "b": later}), "a", "b") is None
    if min(a.nunique(), b.nunique(), expected.nunique()) < 2:
        assert found is None
        return
    q1, median, q3 = expected.quantile([0.25, 0.5, 0.75])
    z = (expected - median) / (q3 - q1 or np.ptp(expected.dropna()) / 2)
    z = z / np.hypot(1, z / 1e6)
    assert_allclose(found, z.fillna(0), rtol=1e-6, atol=1e-6)
    assert_array_equal(found[expected.isna()], 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_minutes_between_dates_of_many_years_are_told_apart(dtype):
    pickup = pd.Series(np.arange("2001-01-01", "2024-01-01", dtype="M8[D]"))
    minutes = np.arange(len(pickup)) * 7 % 40
    X = pd.DataFrame(
        {"pickup": pickup, "dropoff": pickup + pd.to_timedelta(minutes, "min")}
    )
    found = difference(X, "dropoff", "pickup", dtype=dtype)
    assert found.dtype == dtype
    assert_allclose(found, (minutes - 20) / 20, atol=0.05)
    assert len(np.unique(found)) == 40
    # A delivery in the year 9999 flattens nothing.
    encoder = DateEncoder(dtype=dtype).fit(X)
    X.loc[0, "dropoff"] = pd.Timestamp("9999-12-31")
    later = encoder.transform(X)[:, -1]
    assert 1e5 < later[0] <= 1e6
    assert_array_equal(later[1:], found[1:])
    found = difference(X, "dropoff", "pickup", dtype=dtype)
    assert np.ptp(found[1:]) > 1.9


@given(
    columns_of_moments, st.integers(-(10**15), 10**15), st.sampled_from(["us", "ns"])
)
@example([dt.datetime(2024, 1, 1, h, 1, 1, 7) for h in range(9)], 100_001, "ns")
def test_equal_differences_are_no_outputs(column, span, unit):
    a = pd.Series(column).astype("M8[us]")
    a = a.where(a.dt.year.between(1900, 2100), pd.Timestamp(2000, 1, 1))
    b = a.astype(f"M8[{unit}]") + pd.Timedelta(span, unit)
    assert difference(pd.DataFrame({"a": a, "b": b}), "b", "a") is None


def test_which_columns_of_dates_are_compared():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({c: rng.randint(10**9, size=50).astype("M8[s]") for c in "abcde"})
    X.insert(1, "one", dt.date(2024, 1, 31))
    X.insert(3, "none", None)
    X.insert(4, "took", rng.randint(1000, size=50).astype("m8[s]"))
    others = ["one", "none", "took"]
    pairs = {
        "a": [],
        "ab": ["b_minus_a"],
        "abc": ["b_minus_a", "c_minus_a", "c_minus_b"],
        "abcd": ["b_minus_a", "c_minus_b", "d_minus_c"],
        "abcde": ["b_minus_a", "c_minus_b", "d_minus_c", "e_minus_d"],
    }
    for letters, expected in pairs.items():
        for columns in ([*letters], [c for c in X if c in {*letters, *others}]):
            encoder = DateEncoder().fit(X[columns])
            assert differences_in(encoder) == expected
            outputs = encoder.transform(X[columns])
            is_difference = ["_minus_" in n for n in encoder.get_feature_names_out()]
            for name, values in zip(expected, outputs[:, is_difference].T, strict=True):
                later, earlier = name.split("_minus_")
                alone = difference(X[[earlier, later]], later, earlier)
                assert_array_equal(values, alone)
            parts = DateEncoder(differences=False).fit_transform(X[columns])
            assert_array_equal(outputs[:, np.logical_not(is_difference)], parts)
    # The order is that of the table, whatever the dates are.
    assert differences_in(DateEncoder().fit(X[["b", "a"]])) == ["a_minus_b"]


def test_differences_belong_to_the_later_column():
    X = make_table()[["zoned", "text"]]
    encoder = DateEncoder().fit(X)
    names = encoder.get_feature_names_out().tolist()
    assert names[-2:] == ["text_missing", "text_minus_zoned"]
    zoned, text = encoder.n_outputs_per_feature_
    assert [name.split("_")[0] for name in names] == ["zoned"] * zoned + ["text"] * text
    assert encoder.descriptions_["text"].endswith("missing values, time since zoned")
    assert "time since" not in encoder.descriptions_["zoned"]
    array = DateEncoder().fit(X.to_numpy())
    assert array.get_feature_names_out()[-1] == "x1_minus_x0"
    assert array.descriptions_[1].endswith("missing values, time since another column")
    assert_allclose(array.transform(X.to_numpy()), encoder.transform(X), atol=1e-9)
    without = DateEncoder(differences=False).fit(X)
    assert without.get_feature_names_out().tolist() == names[:-1]
    assert_array_equal(without.transform(X), encoder.transform(X)[:, :-1])
    assert "time since" not in str(without.descriptions_)
    with pytest.raises(ValueError, match="differences"):
        DateEncoder(differences="all").fit(X)


@given(st.lists(st.integers(0, 59)))
def test_differences_of_a_row_do_not_depend_on_others(rows):
    X = make_table()[["zoned", "text"]]
    encoder = DateEncoder().fit(X)
    expected = encoder.transform(X)
    assert expected[:, -1].std() > 0
    assert_array_equal(encoder.transform(X.iloc[rows]), expected[rows])
    gone = encoder.transform(X.iloc[rows].assign(zoned=None))
    assert_array_equal(gone[:, -1], 0)


# The same dates in other forms


def polars_series(dates):
    series = pytest.importorskip("polars").Series(dates.dt.tz_localize(None).to_list())
    return series.dt.replace_time_zone("UTC")


FORMS = {
    "datetime64": lambda dates: dates.dt.tz_localize(None).to_numpy(),
    "s": lambda dates: dates.astype("datetime64[s, UTC]"),
    "us": lambda dates: dates.astype("datetime64[us, UTC]"),
    "ns": lambda dates: dates.astype("datetime64[ns, UTC]"),
    "naive": lambda dates: dates.dt.tz_localize(None),
    "zoned": lambda dates: dates.dt.tz_convert("America/New_York"),
    "polars": polars_series,
    "python": lambda dates: pd.Series(
        [date.to_pydatetime() for date in dates], dtype=object
    ),
    "timestamps": lambda dates: dates.astype(object),
    "iso": lambda dates: dates.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "offset": lambda dates: dates.dt.tz_convert("Asia/Tokyo").astype(str),
    "json": lambda dates: json.loads(dates.to_json(date_format="iso", orient="values")),
    "text": lambda dates: dates.dt.strftime("%Y-%m-%d %H:%M:%S"),
}
ZONELESS = {"datetime64", "naive", "text"}


WITH_ZONE = set(FORMS) - {"datetime64", "naive", "text"}
IN_UTC = set(FORMS) - {"zoned", "offset"}
# Forms that a column of one form may have later, with all outputs unchanged.
SAME = {
    **dict.fromkeys(IN_UTC, IN_UTC),
    # Moments are converted to the time zone of the column.
    "zoned": WITH_ZONE,
    # Each date keeps its own time zone.
    "offset": {"offset"},
}


@pytest.mark.parametrize("fitted", FORMS)
def test_equal_moments_have_equal_outputs(fitted):
    seconds = np.random.RandomState(0).randint(1.2e9, 1.7e9, 200)
    dates = pd.Series(pd.to_datetime(seconds, unit="s", utc=True))
    encoder = DateEncoder()
    expected = encoder.fit_transform(as_frame(FORMS[fitted](dates)))
    assert expected.shape == (200, len(PARTS))
    for form, make in FORMS.items():
        found = encoder.transform(as_frame(make(dates)))
        # Moments are compared in UTC.
        if fitted != "zoned" or form in WITH_ZONE:
            assert_allclose(found[:, 0], expected[:, 0], atol=1e-9, err_msg=form)
        if form in SAME[fitted]:
            assert_allclose(found, expected, atol=1e-9, err_msg=form)


@given(
    st.lists(
        st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2037, 1, 1)), min_size=2
    ),
    st.sampled_from(["Europe/Zurich", "America/St_Johns", "Asia/Kathmandu"]),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
@example([dt.datetime(2024, 3, 31, hour) for hour in range(5)], "Europe/Zurich", "ns")
def test_hours_are_those_of_the_columns_time_zone(column, zone, unit):
    dates = pd.Series(column).astype(f"M8[{unit}]").dt.tz_localize("UTC")
    outputs, encoder = encoded(dates.dt.tz_convert(zone))
    local = dates.dt.tz_convert(zone).dt.tz_localize(None)
    seconds = (local - local.dt.floor("D")).dt.total_seconds()
    assert ("hour_sin" in outputs) == (seconds.nunique() > 1)
    if "hour_sin" in outputs:
        assert_equal_angles(angle(outputs, "hour"), seconds / 86400)
    expected = encoder.transform(as_frame(dates.dt.tz_convert(zone)))
    for form in ("timestamps", "us", "json"):
        if form == "json" and not dates.equals(dates.dt.floor("ms")):
            continue
        found = encoder.transform(as_frame(FORMS[form](dates)))
        assert_allclose(found, expected, atol=1e-9)


def test_time_zones_may_be_mixed():
    zurich = ZoneInfo("Europe/Zurich")
    column = [
        dt.datetime(2024, 1, 31, 12, tzinfo=zurich),
        dt.datetime(2024, 1, 31, 11, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 31, 11),
        "2024-01-31T12:00+01:00",
        dt.date(2024, 1, 30),
    ]
    outputs, _ = encoded(pd.Series(column, dtype=object))
    assert_array_equal(outputs["trend"][:4], outputs["trend"][0])
    assert outputs["trend"][4] < outputs["trend"][0]
    hours = np.array([12, 11, 11, 12, 0])
    assert_equal_angles(angle(outputs, "hour"), hours / 24)


# Missing and unreadable values


@given(columns_of_moments, st.lists(st.booleans(), min_size=30, max_size=30))
def test_missing_dates_are_the_median(column, is_missing):
    column = np.array(column, "M8[us]")
    is_missing = np.array(is_missing[: len(column)])
    expected, encoder = encoded(column[~is_missing] if is_missing.any() else column)
    dates = np.where(is_missing, np.datetime64("NaT"), column)
    outputs, encoder = encoded(dates)
    if is_missing.all():
        assert not outputs
        assert "no values" in encoder.notes_["a"]
        return
    assert ("missing" in outputs) == is_missing.any()
    if is_missing.any():
        assert_array_equal(outputs.pop("missing"), is_missing)
    assert list(outputs) == list(expected)
    kept = np.sort(column[~is_missing])
    median = kept[(len(kept) - 1) // 2]
    middle = encoder.transform(as_frame([median]))[0]
    filled = encoder.transform(as_frame([None]))[0]
    for i, (name, values) in enumerate(outputs.items()):
        assert_array_equal(values[~is_missing], expected[name])
        assert_array_equal(values[is_missing], middle[i])
        assert filled[i] == middle[i]


@pytest.mark.parametrize(
    "value", [None, np.nan, pd.NaT, "", "NA", "unknown", "1/31/24"]
)
def test_what_cannot_be_read_later_is_missing(value):
    column = ["31.01.2024", "05.02.2024", "", "06.02.2024 12:00"]
    encoder = DateEncoder().fit(as_column(column))
    new = encoder.transform(as_column([value, *column]))
    assert new[:, -1].tolist() == [1, 0, 0, 1, 0]
    assert_array_equal(new[0], new[3])
    # Without missing values in fit there is no output that tells.
    encoder = DateEncoder().fit(as_column(column[:2]))
    new = encoder.transform(as_column([value, *column]))
    assert new.shape[1] == len(encoder.get_feature_names_out())
    assert_array_equal(new[0], new[1])


def test_values_of_another_kind_are_missing_and_columns_refused():
    encoder = DateEncoder().fit(
        as_column([dt.date(2024, 1, 31), dt.date(2024, 2, 1), None])
    )
    others = [5, 1.5, True, dt.time(12, 30), dt.timedelta(1), "12:30", (1,), [2]]
    mixed = encoder.transform(as_column([*others, dt.date(2024, 3, 1)]))
    assert mixed[:, -1].tolist() == [1] * len(others) + [0]
    with pytest.raises(ValueError, match="column 0 held dates in fit, but now has"):
        encoder.transform(np.arange(3.0)[:, np.newaxis])
    assert encoder.transform(np.full((3, 1), np.nan))[:, -1].all()


@pytest.mark.parametrize(
    ("in_fit", "later", "message"),
    [
        (
            ["31.01.2024", "01.02.2024"],
            [None, " NA", "1/31/24", "x"],
            r"column 0 held dates in fit, .* for example '1/31/24', and all count as "
            r"missing: convert it to dates, or to text in the layout "
            r"'day\.month\.year' or in ISO 8601\.$",
        ),
        (
            ["31.01.2024", "01.02.2024"],
            [np.nan, 5, "x"],
            "for example 5, and all count",
        ),
        (
            [dt.date(2024, 1, 31), dt.date(2024, 2, 1)],
            [b"31.01.2024"],
            "for example b'31.01.2024', .* convert it to dates, or to text in ISO 8601",
        ),
        ([dt.time(1), dt.time(2)], ["noon"], "held times in fit.*'noon'"),
        ([dt.timedelta(1), dt.timedelta(2)], [dt.time(2)], "held durations in fit"),
    ],
)
def test_a_column_of_which_nothing_can_be_read_later_is_named(in_fit, later, message):
    encoder = DateEncoder().fit(as_column(in_fit))
    with pytest.warns(UserWarning, match=message):
        encoded = encoder.transform(as_column(later))
    assert_array_equal(encoded, encoder.transform(as_column([None] * len(later))))
    # One readable value is enough, and so are missing values alone.
    assert len(encoder.transform(as_column([*later, in_fit[0]]))) == len(later) + 1
    assert len(encoder.transform(as_column([None, "", "NaT", np.nan]))) == 4


@pytest.mark.parametrize(
    "column",
    [
        [None, None],
        ["", "NaT"],
        np.array(["NaT", "NaT"], "M8[ns]"),
        np.array(["NaT", "NaT"], "m8[s]"),
        [np.nan, np.nan],
        pd.Series([pd.NaT, pd.NaT]).dt.tz_localize("Europe/Zurich"),
    ],
    ids=repr,
)
def test_a_column_without_dates_has_no_outputs(column):
    outputs, encoder = encoded(column)
    assert not outputs
    assert "left out" in encoder.notes_["a"]
    assert "no outputs" in encoder.descriptions_["a"]
    for later in (["2024-01-31"], np.array(["2024-01-31"], "M8[D]"), [None]):
        if np.asarray(column).dtype.kind != "m" or later == [None]:  # Not of dates.
            assert encoder.transform(as_frame(later)).shape == (1, 0)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.sampled_from(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "as"]),
    st.sampled_from("Mm"),
)
def test_nothing_overflows(ticks, unit, kind):
    X = np.array(ticks, np.int64).view(f"{kind}8[{unit}]")[:, np.newaxis]
    X = np.hstack([X, X[::-1]])
    for dtype in ("float32", "float64"):
        encoder = DateEncoder(dtype=dtype).fit(X)
        assert np.isfinite(encoder.transform(X)).all()
        later = np.array([2**62, -(2**62), 0]).view(X.dtype)
        later = np.stack([later, later[::-1]], axis=1)
        assert np.isfinite(encoder.transform(later)).all()


def test_the_first_and_last_years_of_python():
    column = [dt.date.min, dt.datetime.min, dt.date.max, dt.datetime.max]
    aware = [
        moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))
        for moment in (dt.datetime.min, dt.datetime.max)
        for hours in (-23, 23)
    ]
    zoned = [moment.replace(tzinfo=ZoneInfo("Asia/Tokyo")) for moment in aware]
    for dates in (column, aware, zoned, column + aware + zoned):
        encoder = DateEncoder()
        assert np.isfinite(encoder.fit_transform(as_column(dates))).all()
        texts = [str(date) for date in dates]
        assert np.isfinite(DateEncoder().fit_transform(as_column(texts))).all()


# Rows, columns and orders


@given(columns_of_moments, st.data())
def test_rows_are_encoded_independently(column, data):
    missing = data.draw(st.lists(st.sampled_from([None, "", "?"]), max_size=3))
    texts = [moment.strftime("%d.%m.%Y %H:%M:%S") for moment in column]
    encoder = DateEncoder().fit(as_column([*texts, *missing[:0]]))
    values = as_column([*texts, *missing])
    expected = encoder.transform(values)
    # Without any readable value, there is a warning.
    rows = [0, *data.draw(st.lists(st.integers(0, len(values) - 1)))]
    assert_array_equal(encoder.transform(values[rows]), expected[rows])
    order = np.array(data.draw(st.permutations(range(len(texts)))))
    other = DateEncoder().fit(as_column(texts)[order])
    assert_allclose(other.transform(values), expected, atol=1e-12)
    assert_array_equal(other.get_feature_names_out(), encoder.get_feature_names_out())


@given(st.permutations([0, 0, 3600, 7200, -3600, 86400]))
def test_equal_moments_in_any_order_have_one_median(offsets):
    utc = dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC)
    zones = [dt.timezone(dt.timedelta(seconds=offset // 2)) for offset in offsets]
    column = [utc.astimezone(zone) for zone in zones]
    medians = [
        DateEncoder().fit(as_column(c)).columns_[0]["median"]
        for c in (
            column,
            sorted(column, key=lambda moment: moment.utcoffset()),
        )
    ]
    assert medians[0] == medians[1]


def test_ambiguous_dates_are_noted_and_stay_resolved():
    for mark, first in (("/", "month"), (".", "day"), ("-", "day")):
        X = as_column([f"01{mark}02{mark}2024", f"03{mark}04{mark}2024"])
        encoder = DateEncoder().fit(X)
        note = encoder.notes_[0]
        assert note.startswith(f"ambiguous day and month: read as {first} first")
        assert repr(mark) in note
        format = f"%m{mark}%d{mark}%Y" if first == "month" else f"%d{mark}%m{mark}%Y"
        dates = [dt.datetime.strptime(text, format) for text in X[:, 0]]
        assert_array_equal(encoder.transform(as_column(dates)), encoder.transform(X))
        # A later text that only the other order explains changes nothing.
        impossible = {"month": f"31{mark}01{mark}2024", "day": f"01{mark}31{mark}2024"}
        new = encoder.transform(as_column([*X[:, 0], impossible[first], None]))
        assert_array_equal(new[:2], encoder.transform(X))
        assert_array_equal(new[2], new[3])
    clear = DateEncoder().fit(as_column(["01/02/2024", "31/01/2024"]))
    assert clear.notes_ == {}
    assert clear.columns_[0]["layout"] == "day/month/year"


def test_several_columns():
    X = pd.DataFrame(
        {
            "born": ["1990-05-01", None, "2001-12-31"],
            "at": [dt.time(8), dt.time(12), dt.time(20)],
            "empty": [None] * 3,
            "took": pd.to_timedelta(["1h", "2h", None]),
        }
    )
    encoder = DateEncoder().fit(X)
    names = encoder.get_feature_names_out().tolist()
    assert names[0] == "born_trend"
    assert [name for name in names if not name.startswith("born")] == [
        *("at_time", "at_hour_sin", "at_hour_cos", "took_duration", "took_missing"),
    ]
    assert set(encoder.notes_) == {"empty"}
    assert encoder.descriptions_ == {
        "born": "dates (year-month-day) from 1990-05-01 to 2001-12-31: trend, year, "
        "month, day of the month, day of the week, missing values",
        "at": "times from 08:00:00 to 20:00:00: time, hour",
        "empty": "dates: no outputs",
        "took": "durations from 3600 s to 7200 s: duration, missing values",
    }
    values = encoder.transform(X)
    for name in X:
        alone = DateEncoder().fit_transform(X[[name]])
        columns = [n.startswith(f"{name}_") for n in names]
        assert_array_equal(values[:, columns], alone)
    assert encoder.transform(X[:0]).shape == (0, len(names))
    polars = pytest.importorskip("polars")
    columns = {"born": ["1990-05-01", None, "2001-12-31"], "at": X["at"].tolist()}
    found = DateEncoder().fit_transform(polars.DataFrame(columns))
    assert_array_equal(found, values[:, : found.shape[1]])
    assert found.shape[1] == names.index("took_duration")


# As a transformer of scikit-learn


def make_table():
    rng = np.random.RandomState(0)
    dates = pd.Series(rng.randint(1.2e9, 1.7e9, 60).astype("M8[s]"))
    dates[::7] = pd.NaT
    return pd.DataFrame(
        {
            "zoned": dates.dt.tz_localize("UTC").dt.tz_convert("Europe/Zurich"),
            "text": dates.dt.strftime("%m/%d/%Y"),
            "number": np.arange(60.0),
        }
    )


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_it_works_in_a_column_transformer(output):
    if output != "default":
        pytest.importorskip(output)
    X = make_table()
    columns = ColumnTransformer(
        [("dates", DateEncoder(dtype="float32"), ["zoned", "text"])],
        remainder="passthrough",
    ).set_output(transform=output)
    values = columns.fit_transform(X)
    names = columns.get_feature_names_out().tolist()
    assert len(set(names)) == len(names) == values.shape[1]
    assert names[0] == "dates__zoned_trend"
    if output != "default":
        assert list(values.columns) == names
    alone = DateEncoder(dtype="float32").fit_transform(X[["zoned", "text"]])
    assert_array_equal(np.asarray(values)[:, :-1], alone)


def plain(value):
    """Whether a value consists of Python's own types."""
    if isinstance(value, dict):
        return all(plain(key) and plain(v) for key, v in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return type(value) in (str, int, float, bool)


def test_a_fitted_encoder_is_plain_and_can_be_saved():
    X = make_table()[["zoned", "text"]]
    encoder = DateEncoder()
    expected = encoder.fit_transform(X)
    state = (encoder.columns_, encoder.notes_, encoder.descriptions_)
    assert all(map(plain, state))
    assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), expected)
    assert_array_equal(clone(encoder).fit(X).transform(X), expected)
    skops_io = pytest.importorskip("skops.io")
    file = skops_io.dumps(encoder)
    types = skops_io.get_untrusted_types(data=file)
    assert {*types} <= {"skscratch.tabular.dates.DateEncoder"}
    assert_array_equal(skops_io.loads(file, trusted=types).transform(X), expected)


def test_a_refused_fit_changes_nothing():
    encoder = DateEncoder().fit(as_column(["2024-01-31", "2024-02-01"]))
    before = vars(encoder).copy()
    for column in (["a", "b"], [1, 2], ["2024-01-31", "x"]):
        X = pd.DataFrame({"when": column})
        message = "column 'when' must hold dates, times of day or durations.*such as"
        with pytest.raises(ValueError, match=message):
            encoder.fit(X)
        assert vars(encoder) == before
    for X in (np.array(["2024-01-31"]), np.empty((3, 0)), np.array([[["x"]]])):
        with pytest.raises(
            ValueError, match=r"two-dimensional|at least|Expected|feature"
        ):
            encoder.fit(X)
        assert vars(encoder) == before
    with pytest.raises(ValueError, match="dtype"):
        DateEncoder(dtype="int8").fit(as_column(["2024-01-31"]))
    with pytest.raises(NotFittedError):
        DateEncoder().transform(as_column(["2024-01-31"]))
    with pytest.raises(ValueError, match="2 features"):
        encoder.transform(np.array([["2024-01-31", "2024-01-31"]]))


def test_it_gives_no_warnings():
    X = make_table()[["zoned", "text"]].assign(none=None, one=dt.date(2024, 1, 31))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = DateEncoder().fit(X)
        encoder.transform(X)
        encoder.transform(X[:1])
    assert set(encoder.notes_) == {"none", "one"}
