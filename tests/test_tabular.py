"""Tables of mixed columns: what becomes of each column, and what trains on them."""

import copy
import datetime
import io
import pickle
from decimal import Decimal

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler, SplineTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscratch import (
    PiecewiseLinearEncoder,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    SmoothClipScaler,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.tabular import (
    OF_CLASSIFIERS,
    OF_REGRESSORS,
    RECIPE,
    USELESS,
    StandardisedTargets,
    category_columns,
    category_name,
    number_columns,
    to_categories,
    to_numbers,
)

QUICK = {
    "max_iter": 3,
    "n_estimators": 2,
    "hidden_layer_sizes": (8,),
    "random_state": 0,
}
KINDS = ["ramps", "hats", "both"]
columns_of_numbers = npst.arrays(
    np.float64,
    st.tuples(st.integers(2, 30), st.integers(1, 3)),
    elements=st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 2.5]),
        st.integers(-(10**9), 10**9).map(lambda number: number / 1000),
    ),
)


@parametrize_with_checks(
    [
        SmoothClipScaler(),
        SmoothClipScaler(limit=np.inf),
        *(PiecewiseLinearEncoder(n_bins=4, kind=kind) for kind in KINDS),
    ]
)
def test_transformers_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


# Scaling


@given(X=columns_of_numbers)
def test_scaled_features_stay_in_order_and_within_the_limit(X):
    scaled = SmoothClipScaler(limit=2.0).fit_transform(X)
    assert (np.abs(scaled) <= 2).all()
    for before, after in zip(X.T, scaled.T, strict=True):
        assert (np.diff(after[np.argsort(before)]) >= 0).all()
    again = SmoothClipScaler(limit=2.0).fit_transform(3 * X - 7)
    assert_allclose(again, scaled, rtol=1e-5, atol=1e-5)


def test_without_a_limit_scaling_is_robust_scaling():
    X = np.random.RandomState(0).standard_normal((50, 3)) ** 3
    X[:, 2] = 4.0
    scaled = SmoothClipScaler(limit=1e9).fit_transform(X)
    assert_allclose(scaled, RobustScaler().fit_transform(X), atol=1e-9)
    scaled = SmoothClipScaler(limit=np.inf).fit_transform(X)
    assert_allclose(scaled, RobustScaler().fit_transform(X), rtol=1e-12, atol=0)


def test_a_feature_that_hardly_changes_is_scaled_by_its_range():
    X = np.zeros((20, 1))
    X[0] = 8.0
    scaler = SmoothClipScaler().fit(X)
    assert scaler.scale_.tolist() == [4.0]
    z = 8 / 4
    assert scaler.transform([[8.0]])[0, 0] == pytest.approx(
        z / np.sqrt(1 + (z / 3) ** 2)
    )
    assert np.isfinite(scaler.transform([[1e300]])).all()


# Piecewise-linear encoding


@given(X=columns_of_numbers, n_bins=st.integers(1, 6))
def test_ramps_rise_one_after_the_other_and_hats_sum_to_one(X, n_bins):
    both = PiecewiseLinearEncoder(n_bins, "both").fit(X)
    encoded = both.transform(X)
    assert ((encoded >= 0) & (encoded <= 1)).all()
    ramps = PiecewiseLinearEncoder(n_bins, "ramps").fit_transform(X)
    hats = PiecewiseLinearEncoder(n_bins, "hats").fit_transform(X)
    at_ramp = at_hat = 0
    for column, knots in zip(X.T, both.knots_, strict=True):
        assert len(knots) <= n_bins + 1
        assert (np.diff(knots) > 0).all()
        if not len(knots):
            assert len(np.unique(column)) <= 2
            continue
        assert knots[0] == column.min()
        assert knots[-1] == column.max()
        own = ramps[:, at_ramp : at_ramp + len(knots) - 1]
        # The encoding keeps the value: steps by the knots' distances give it back.
        assert_allclose(
            knots[0] + own @ np.diff(knots),
            column,
            rtol=1e-6,
            atol=1e-6 * np.ptp(knots),
        )
        assert (np.diff(own, axis=1) <= 1e-12).all()
        own = hats[:, at_hat : at_hat + len(knots)]
        assert_allclose(own.sum(axis=1), 1)
        assert_allclose(own @ knots, column, rtol=1e-6, atol=1e-6 * np.ptp(knots))
        assert ((own > 0).sum(axis=1) <= 2).all()
        at_ramp, at_hat = at_ramp + len(knots) - 1, at_hat + len(knots)
    assert at_ramp + at_hat == encoded.shape[1] == len(both.get_feature_names_out())


def test_hats_are_the_splines_of_scikit_learn():
    X = np.random.RandomState(0).standard_normal((200, 2))
    encoder = PiecewiseLinearEncoder(n_bins=7, kind="hats").fit(X)
    splines = SplineTransformer(
        n_knots=8, degree=1, knots="quantile", extrapolation="constant"
    ).fit(X)
    new = np.random.RandomState(1).standard_normal((50, 2)) * 2
    assert_allclose(encoder.transform(new), splines.transform(new), atol=1e-9)


def test_tied_quantiles_give_way_to_those_of_distinct_values():
    column = np.r_[np.zeros(900), np.linspace(1, 100, 100)]
    (knots,) = PiecewiseLinearEncoder(n_bins=8).fit(column[:, None]).knots_
    assert len(knots) > 6
    assert knots[0] == 0
    assert np.median(knots) > 30


def test_frequent_values_are_knots_where_one_value_has_most_samples():
    random = np.random.RandomState(0)
    frequent = [7688, 15024, 5555]
    column = np.r_[
        np.zeros(900), np.repeat(frequent, [30, 20, 10]), random.uniform(1, 1e4, 90)
    ]
    (knots,) = PiecewiseLinearEncoder().fit(column[:, None]).knots_
    (given,) = PiecewiseLinearEncoder(n_bins=8).fit(column[:, None]).knots_
    assert knots.tolist() == sorted({*given, *frequent})
    assert len(given) < len(knots)
    # None of nine samples, and none where no value has more than half of them.
    rare = column[column != 5555]
    (knots,) = PiecewiseLinearEncoder().fit(np.r_[rare, [8888] * 9][:, None]).knots_
    assert 8888 not in knots
    many = np.r_[column, random.uniform(1e5, 2e5, 1000)]
    (knots,) = PiecewiseLinearEncoder().fit(many[:, None]).knots_
    (given,) = PiecewiseLinearEncoder(n_bins=8).fit(many[:, None]).knots_
    assert_array_equal(knots, given)


def test_frequent_values_are_no_more_than_there_is_room_for():
    often = np.r_[np.zeros(1000), np.repeat(np.arange(1, 91), 10)]
    X = np.tile(often[:, None], 40)
    encoder = PiecewiseLinearEncoder(kind="ramps").fit(X)
    assert encoder.n_bins_ == 8
    assert encoder.transform(X).shape[1] <= 480
    # The most frequent come first.
    some = np.r_[often, [50.0] * 5]
    for knots in encoder.fit(np.tile(some[:, None], 48)).knots_:
        assert 50 in knots
    assert len(encoder.fit(np.tile(often[:, None], 60)).knots_[0]) <= 9


@pytest.mark.parametrize(
    ("n_features", "n_bins"), [(1, 8), (60, 8), (80, 6), (120, 4), (500, 4)]
)
def test_many_features_have_fewer_bins(n_features, n_bins):
    X = np.random.RandomState(0).standard_normal((50, n_features))
    encoder = PiecewiseLinearEncoder(kind="ramps").fit(X)
    assert encoder.n_bins_ == n_bins
    assert encoder.transform(X).shape == (50, n_bins * n_features)


def test_names_of_the_encoding_say_what_it_is_of():
    X = pd.DataFrame({"age": [1.0, 2, 3, 4], "flag": [0.0, 1, 0, 1]})
    encoder = PiecewiseLinearEncoder(n_bins=2, kind="both").fit(X)
    names = ["age_ramp0", "age_ramp1", "age_hat0", "age_hat1", "age_hat2"]
    assert encoder.get_feature_names_out().tolist() == names
    framed = encoder.set_output(transform="pandas").transform(X)
    assert framed.columns.tolist() == names
    with pytest.raises(ValueError, match="input_features is not equal"):
        encoder.get_feature_names_out(["a", "b"])


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (SmoothClipScaler(limit=0), "'limit' parameter of SmoothClipScaler"),
        (SmoothClipScaler(limit=-np.inf), "'limit' parameter of SmoothClipScaler"),
        (SmoothClipScaler(limit=np.nan), "'limit' parameter of SmoothClipScaler"),
        (PiecewiseLinearEncoder(n_bins=0), "'n_bins' parameter of PiecewiseLinear"),
        (PiecewiseLinearEncoder(kind="splines"), "'kind' parameter of PiecewiseLinear"),
    ],
)
def test_parameters_are_checked(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit([[1.0], [2.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("own", [np.float32, np.float64])
def test_what_is_given_is_of_the_dtype_that_is_asked_for(dtype, own):
    X = np.random.RandomState(0).standard_normal((50, 3)).astype(own)
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(kind="both")):
        plain = transformer.fit_transform(X)
        assert plain.dtype == own
        cast = transformer.set_params(dtype=dtype).fit_transform(X)
        assert cast.dtype == dtype
        # Rounded once, at the end.
        assert_array_equal(cast.astype(np.float32), plain.astype(np.float32))


# Columns by type


def table():
    """A table of every kind of column, thirty rows."""
    random = np.random.RandomState(0)
    n = 30
    frame = pd.DataFrame(
        {
            "whole": random.randint(5, size=n),
            "real": random.standard_normal(n),
            "truth": random.uniform(size=n) < 0.5,
            "nullable": pd.array(random.randint(9, size=n), dtype="Int64"),
            "text": random.choice(["red", "green", "blue"], n),
            "category": pd.Categorical(random.choice([1, 2], n)),
            "mixed": random.choice(np.array(["a", 3, None], dtype=object), n),
            "numbers in objects": np.array([1, 2.5, None] * 10, dtype=object),
        }
    )
    frame.loc[3, "real"] = np.nan
    frame.loc[4, "nullable"] = pd.NA
    frame.loc[5, "text"] = None
    frame.loc[6, "category"] = np.nan
    y = (frame["real"].fillna(0) + (frame["text"] == "red") > 0.3).astype(int)
    return frame, y


def test_columns_are_known_by_what_they_hold():
    frame, _ = table()
    numeric = ["whole", "real", "truth", "nullable", "numbers in objects"]
    assert frame.columns[number_columns(frame)].tolist() == numeric
    others = frame.columns[category_columns(frame)].tolist()
    assert others == ["text", "category", "mixed"]
    assert number_columns(np.ones((3, 2))).tolist() == [True, True]
    array = np.array(
        [[1, "a", Decimal("0.5"), np.True_], [None, "b", None, None]], dtype=object
    )
    assert number_columns(array).tolist() == [True, False, True, True]
    assert category_columns(np.array([["a", "b"]])).tolist() == [True, True]


def test_missing_values_of_every_kind_are_missing():
    missing = np.array([[None], [np.nan], [pd.NA], [pd.NaT]], dtype=object)
    assert np.isnan(to_numbers(missing)).all()
    assert to_categories(missing).ravel().tolist() == [None] * 4
    frame, _ = table()
    assert np.isnan(to_numbers(frame[["real", "nullable"]])).sum(axis=0).tolist() == [
        1,
        1,
    ]
    assert to_categories(frame[["category"]])[6, 0] is None
    assert set(to_categories(frame[["category"]])[:6, 0]) == {"1", "2"}


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2020-01-01"] * 30),
        pd.to_timedelta([1] * 30),
        [datetime.date(2020, 1, 1)] * 30,
        pd.to_datetime(["2020-01-01"] * 30).tz_localize("UTC"),
        pd.period_range("2020", periods=30, freq="D"),
    ],
)
def test_dates_are_refused_by_name(column):
    frame, y = table()
    frame["when"] = column
    with pytest.raises(
        ValueError, match="column 'when' holds dates or durations: make"
    ):
        make_tabular_classifier(**QUICK).fit(frame, y)


def test_sparse_tables_are_refused():
    with pytest.raises(ValueError, match="a table must be dense"):
        make_tabular_classifier(**QUICK).fit(sparse.eye_array(30).tocsr(), [0, 1] * 15)


def test_polars_frames_are_tables_too():
    polars = pytest.importorskip("polars")
    frame, y = table()
    kept = frame.loc[7:, ["whole", "real", "truth", "text"]]
    y = y[7:]
    theirs = polars.DataFrame({name: kept[name].tolist() for name in kept})
    assert number_columns(theirs).tolist() == [True, True, True, False]
    ours, other = (make_tabular_classifier(**QUICK).fit(X, y) for X in (kept, theirs))
    assert_array_equal(ours.predict_proba(kept), other.predict_proba(theirs))


@pytest.mark.parametrize(
    "column",
    [
        [[1], [2, 3]] * 15,
        [[1, 2], [2, 3]] * 15,
        [{"a": 1}, {"a": 2}] * 15,
        [{"a": 1, "b": "c"}, {"a": 2, "b": None}] * 15,
        [{1}, {2}] * 15,
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_lists_and_records_are_refused_by_name(column, library):
    frames = pytest.importorskip(library)
    if library == "polars" and isinstance(column[0], set):
        pytest.skip("polars has none")
    frame = frames.DataFrame({"number": range(30), "several": column})
    with pytest.raises(ValueError, match="column 'several' holds lists or records"):
        make_tabular_classifier(**QUICK).fit(frame, [0, 1] * 15)


def test_infinity_is_refused_by_name():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    for infinity in (np.inf, -np.inf, Decimal("inf")):
        infinite = frame.astype({"real": object})
        infinite.loc[3, "real"] = infinity
        for call in (model.predict, lambda X: clone(model).fit(X, y)):
            with pytest.raises(ValueError, match="column 'real' contains infinity"):
                call(infinite)


def of_categories(column, new):
    X = np.array(column, dtype=object)[:, np.newaxis]
    columns = make_tabular_classifier()["columns"].fit(X)
    inputs = columns.transform(np.array(new, dtype=object)[:, np.newaxis])
    names = columns.get_feature_names_out()
    return [names[row == 1].tolist() for row in inputs], len(names)


def test_rare_and_unseen_categories_share_an_input():
    rare = ["categories__x0_infrequent"]
    seen = ["a", "a", "b", "b"]
    ours, _ = of_categories([*seen, "c"], ["a", "c", "d", None])
    assert ours == [["categories__x0_a"], rare, rare, rare]
    # A missing value is a category like the others: rare where it is seen once.
    ours, _ = of_categories([*seen, None, None, "c"], [None, "c"])
    assert ours == [["categories__x0_None"], rare]
    ours, n_inputs = of_categories([*seen, None], ["a", None])
    assert (ours, n_inputs) == ([["categories__x0_a"], rare], 3)
    # Without rare ones there is no such input.
    ours, n_inputs = of_categories(seen, ["d", None])
    assert (ours, n_inputs) == ([[], []], 2)


@pytest.mark.parametrize("n_categories", [99, 100, 101, 150])
def test_all_but_the_99_most_frequent_categories_are_rare(n_categories):
    names = [f"{i:03}" for i in range(n_categories)]
    ours, n_inputs = of_categories([*(names * 2), *names[:20]], names)
    assert ours.count(["categories__x0_infrequent"]) == n_categories - 99
    assert len({*map(tuple, ours)}) == n_inputs == min(n_categories, 100)


# Names of the inputs


names = st.text("a_'\"\\", max_size=6)
categories = st.one_of(names, st.sampled_from([None, "None", "infrequent"]))
of_rare = "infrequent_sklearn"


@given(
    one=st.tuples(names, categories | st.just(of_rare)),
    other=st.tuples(names, categories | st.just(of_rare)),
)
def test_categories_of_one_name_are_one(one, other):
    is_same = category_name(*one) == category_name(*other)
    assert isinstance(category_name(*one), str)
    assert is_same == (one == other)
    assert category_name("a", np.nan) == category_name("a", None)


@pytest.mark.parametrize("library", ["pandas", "polars", "default"])
def test_names_of_inputs_are_text_and_all_different(library):
    if library != "default":
        pytest.importorskip(library)
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "x": [np.nan, *random.standard_normal(39)],
            "missingindicator_x": random.standard_normal(40),
            "'missingindicator_x'": random.standard_normal(40),
            "x_hat0": random.standard_normal(40),
            "t": ["None", None, "b_c", "infrequent"] * 9 + ["nan", "nan", "one", "two"],
            "t_b": ["c", "d"] * 20,
            "t_None": [None, "infrequent"] * 20,
        }
    )
    model = make_tabular_classifier(**QUICK)
    model["columns"].set_output(transform=library)
    model.fit(frame, [0, 1] * 20)
    names = model["columns"].get_feature_names_out().tolist()
    assert len(set(names)) == len(names)
    assert all(type(name) is str for name in names)
    assert {
        "numbers__scaled__missingindicator_x",
        "categories__t_None",
        "categories__t_'None'",
        "categories__t_nan",
        "categories__t_infrequent",
    } <= set(names)
    inputs = model["columns"].transform(frame)
    assert list(getattr(inputs, "columns", names)) == names


# The pipelines


def test_a_table_of_every_kind_of_column_trains_and_predicts():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    assert model.predict_proba(frame).shape == (30, 2)
    names = list(model["columns"].get_feature_names_out())
    assert {
        "numbers__scaled__real",
        "numbers__pieces__real_hat3",
        "numbers__scaled__missingindicator_real",
        "categories__text_red",
        "categories__mixed_None",
    } <= set(names)
    inputs = model["columns"].transform(frame)
    assert inputs.shape == (30, len(names))
    assert np.isfinite(inputs).all()
    # What comes later: unseen and missing values where there were none.
    later = frame.copy()
    later["text"] = "purple"
    later.loc[:, "whole"] = 10**9
    later["truth"] = pd.array([None] * 30, dtype="boolean")
    assert np.isfinite(model.predict_proba(later)).all()
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(frame), model.predict(frame)
    )


def test_words_where_numbers_were_are_refused_by_name():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    with pytest.raises(ValueError, match="column 'real' was taken for numbers in fit"):
        model.predict(frame.assign(real="much"))
    with pytest.raises(ValueError, match="column 'real' holds dates or durations"):
        model.predict(frame.assign(real=pd.Timestamp("2020-01-01")))
    with pytest.raises(ValueError, match="column 'text' holds dates or durations"):
        model.predict(frame.assign(text=pd.Timestamp("2020-01-01")))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.arange(30.0), r"rows and columns, got an array of shape \(30,\)"),
        (np.ones((30, 2)) * 1j, "column 0 holds complex numbers"),
        (np.array([[1j, 2]] * 30, dtype=object), "column 0 holds complex numbers"),
        (pd.DataFrame(np.ones((30, 2)), columns=["a", "a"]), "unique column names"),
        (
            pd.DataFrame(
                np.ones((30, 1)), columns=pd.MultiIndex.from_tuples([("a", 1)])
            ),
            r"one name a column, got \[\('a', 1\)\]",
        ),
        (pd.DataFrame(index=range(30)), "one column or more, got none"),
        (np.array([[10**400]] * 30, dtype=object), "column 0 was taken for numbers"),
        (np.full((30, 1), np.inf), "column 0 contains infinity"),
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        make_tabular_classifier(**QUICK).fit(X, [0, 1] * 15)


def test_columns_with_numbers_for_names_are_not_mixed_up():
    frame, y = table()
    named = frame[["text", "real"]].fillna({"text": "none"})
    by_number = named.set_axis([1, 0], axis=1)
    ours, other = (
        make_tabular_classifier(**QUICK).fit(X, y).predict_proba(X)
        for X in (named, by_number)
    )
    assert_array_equal(ours, other)
    model = make_tabular_classifier(**QUICK).fit(named, y)
    assert_array_equal(model.predict_proba(named[["real", "text"]]), ours)


def test_a_column_that_never_changed_in_training_tells_nothing_later():
    X = np.random.RandomState(0).standard_normal((40, 2))
    X[:, 1] = 7
    model = make_tabular_classifier(**QUICK).fit(X, X[:, 0] > 0)
    before = model.predict_proba(X)
    X[:, 1] = 100
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_numbers_are_numbers(kind):
    largest = np.finfo(np.float64).max
    X = np.array([[-largest], [0.0], [1.0], [largest / 2], [largest]])
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(3, kind)):
        assert np.isfinite(transformer.fit_transform(X)).all()
    near = np.array([[0.0], [1e-10], [2e-10], [5e-10]])
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(3, kind)):
        assert np.isfinite(transformer.fit(near).transform(X)).all()
    scaled = SmoothClipScaler().fit(near).transform(X)
    assert np.abs(scaled).max() == pytest.approx(3.0)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("kinds", [["real"], ["text"], ["truth"], ["real", "text"]])
def test_tables_of_one_kind_of_column(make, kinds):
    frame, y = table()
    model = make(**QUICK).fit(frame[kinds], y)
    assert model.predict(frame[kinds]).shape == (30,)


@pytest.mark.parametrize("form", [np.asarray, list, pd.DataFrame])
def test_arrays_and_lists_are_tables_too(form):
    X, y = load_wine(return_X_y=True)
    X = X.tolist() if form is list else form(X)
    model = make_tabular_classifier(**QUICK).fit(X, y)
    assert model.predict(X).shape == (178,)


def test_empty_and_constant_columns_do_no_harm():
    frame, y = table()
    frame["empty"], frame["constant"], frame["huge"] = (
        np.nan,
        5,
        np.geomspace(1, 1e30, 30),
    )
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    assert np.isfinite(model["columns"].transform(frame)).all()


def test_steps_can_be_seen_tuned_and_replaced():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_tabular_classifier(**QUICK)
    assert is_classifier(model)
    assert isinstance(model, Pipeline)
    assert isinstance(model["columns"], ColumnTransformer)
    assert isinstance(model["network"], ScratchMLPClassifier)
    search = GridSearchCV(
        model,
        {
            "network__alpha": [0.0, 1.0],
            "columns__numbers__encode__pieces": ["drop", PiecewiseLinearEncoder(4)],
            "columns__numbers__encode__scaled__limit": [1.0, 3.0],
        },
        cv=2,
        error_score="raise",
    )
    assert search.fit(X, y).best_score_ > 0.3
    for name, value in (RECIPE | OF_CLASSIFIERS).items():
        if name not in QUICK:
            assert getattr(model["network"], name) == value
    assert clone(model).get_params()["network"].max_iter == 3


def test_a_regressor_standardises_its_targets():
    X, y = load_diabetes(return_X_y=True)
    options = QUICK | {"max_iter": 40, "random_state": 1}
    model = make_tabular_regressor(**options)
    assert is_regressor(model)
    model.fit(X, y)
    assert isinstance(model["network"].regressor_, ScratchMLPRegressor)
    for name, value in (RECIPE | OF_REGRESSORS).items():
        if name not in options:
            assert getattr(model["network"].regressor_, name) == value
    assert model.score(X, y) > 0.4
    other = clone(model).fit(X, 1000 * y + 7)
    assert_allclose(other.predict(X), 1000 * model.predict(X) + 7, rtol=1e-3)
    # Deviations from a mean that float32 has no digits for.
    far = clone(model).fit(X, y + 2.0**33)
    assert_allclose(far.predict(X) - 2.0**33, model.predict(X), rtol=0.02)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("target", ["constant", "rare"])
def test_a_target_that_hardly_changes_is_learnt(loss, target):
    random = np.random.RandomState(0)
    X = pd.DataFrame(random.randn(120, 3), columns=list("abc"))
    y = np.full(120, 7.0) if target == "constant" else (X["a"] > 1.7) * 100.0
    model = make_tabular_regressor(random_state=0, loss=loss).fit(X, y)
    epochs = [member.best_epoch_ for member in model["network"].regressor_.estimators_]
    # None keeps weights that are hardly trained for want of a score that tells.
    assert min(epochs) > 10
    error = np.abs(model.predict(X) - y).mean()
    assert error < (1 if target == "constant" else 0.5 * np.abs(y - y.mean()).mean())


def test_the_loss_may_be_searched_for():
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 2))
    y = random.poisson(np.exp(X[:, 0]))
    model = make_tabular_regressor(**QUICK | {"max_iter": 20})
    losses = {"network__regressor__loss": ["squared_error", "poisson"]}
    search = GridSearchCV(model, losses, cv=2, error_score="raise").fit(X, y)
    assert set(search.cv_results_["rank_test_score"]) == {1, 2}
    alone = make_tabular_regressor(**QUICK | {"max_iter": 20}, loss="poisson").fit(X, y)
    changed = clone(model).set_params(network__regressor__loss="poisson").fit(X, y)
    assert_array_equal(changed.predict(X), alone.predict(X))
    assert (changed.predict(X) > 0).all()
    assert changed["network"].transformer is None
    # What is given stands, and a mean of 0 is not what a count can have.
    changed.set_params(network__transformer=StandardScaler())
    with pytest.raises(ValueError, match="y must not be negative for loss='poisson'"):
        changed.fit(X, y)
    logs = {"network__func": np.log1p, "network__inverse_func": np.expm1}
    changed.set_params(network__transformer=None, **logs).fit(X, y)
    assert changed["network"].transformer_.func is np.log1p


def test_targets_are_scaled_whatever_the_regressor_and_refused_calls_change_nothing():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y + 1e6
    model = StandardisedTargets(Ridge()).fit(X, y, sample_weight=np.ones(len(y)))
    assert_allclose(model.predict(X), Ridge().fit(X, y).predict(X))
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert model.predict(X).dtype == np.float64
    before = vars(model).copy()
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(X, y.where(y > y.mean()))
    assert vars(model) == before
    two = np.column_stack([y, -y])
    assert clone(model).fit(X, two).predict(X).shape == two.shape


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.date_range("2020", periods=30), "y must be an array of numbers, got"),
        (
            pd.Series(pd.date_range("2020", periods=30, tz="UTC")),
            "y must be an array of",
        ),
        ([datetime.date(2020, 1, 1)] * 30, "y must be an array of numbers: .*date"),
        (np.arange(30) * 1e200, r"y holds numbers too large .* such as 2.9e\+201"),
        (np.arange(60).reshape(30, 2) * 1e200, "y holds numbers too large"),
        ([10**400] * 30, "y must be an array of numbers: int too large"),
        ([{"a": 1}] * 30, "y must be an array of numbers"),
        (np.ones(30) * 1j, "y must be an array of numbers, got complex"),
        (["1", "b"] * 15, "y must be an array of numbers, got <U1"),
        ([1.0, np.nan] * 15, "Input y contains NaN"),
        ([1.0, np.inf] * 15, "Input y contains infinity"),
        (None, "requires y to be passed"),
    ],
)
def test_what_is_no_target_is_refused(y, message):
    frame, _ = table()
    with pytest.raises(ValueError, match=message):
        make_tabular_regressor(**QUICK).fit(frame, y)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("chosen", USELESS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_a_given_parameter_has_no_use_for_is_left_out(make, chosen):
    frame, y = table()
    model = make(**QUICK | dict([chosen]))
    assert model.fit(frame, y).predict(frame).shape == (30,)
    network = model["network"]
    network = getattr(network, "regressor", network)
    of_kind = OF_CLASSIFIERS if network is model["network"] else OF_REGRESSORS
    for name, value in (RECIPE | of_kind | QUICK | dict([chosen])).items():
        left_out = getattr(type(network)(), name)
        expected = left_out if name in USELESS[chosen] else value
        assert getattr(network, name) == expected
    # What is given too is refused rather than left out.
    name = next(name for name in USELESS[chosen] if name in of_kind)
    with pytest.raises(ValueError, match=f"{name}=.* needs early_stopping=True"):
        make(**QUICK | dict([chosen]) | {name: of_kind[name]}).fit(frame, y)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_inputs_are_of_the_dtype_of_the_network(make):
    frame, y = table()
    inputs = []
    for options in ({}, {"dtype": "float64"}, {"dtype": "auto"}):
        model = make(**QUICK | options).fit(frame, y)
        network = model["network"]
        network = getattr(network, "regressor_", network)
        inputs.append(model["columns"].transform(frame))
        assert inputs[-1].dtype == network.network_.dtype
    assert [of.dtype for of in inputs] == ["float32", "float64", "float64"]
    assert_array_equal(inputs[0], inputs[1].astype(np.float32))


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_a_small_table_is_nothing_to_warn_of(make, recwarn):
    frame, y = table()
    make(random_state=0, n_estimators=2).fit(frame, y)
    assert not recwarn.list


def test_counts_stay_counts():
    random = np.random.RandomState(0)
    X = random.standard_normal((80, 2))
    y = random.poisson(np.exp(X[:, 0]))
    model = make_tabular_regressor(**QUICK | {"max_iter": 60}, loss="poisson").fit(X, y)
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(model.predict(X), np.exp(X[:, 0]))[0, 1] > 0.5


def test_the_recipe_learns():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_tabular_classifier(random_state=0)
    assert cross_val_score(model, X, y, cv=3).mean() > 0.95


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_a_fitted_pipeline_can_be_kept_in_a_file_of_skops(make):
    skops_io = pytest.importorskip("skops.io")
    frame, y = table()
    model = make(**QUICK).fit(frame, y)
    file = skops_io.dumps(model)
    types = skops_io.get_untrusted_types(data=file)
    # NumPy's dtypes are what scikit-learn's own transformers keep.
    assert {n for n in types if not n.startswith("skscratch.")} <= {"numpy.dtype"}
    loaded = skops_io.loads(file, trusted=types)
    assert_array_equal(loaded.predict(frame), model.predict(frame))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(model):
    return pickle.loads(cloudpickle.dumps(model))


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, by_joblib, by_cloudpickle]
)
def test_copies_predict_the_same_bits_and_can_be_fitted(make, copied):
    frame, y = table()
    unfitted = make(**QUICK)
    model = make(**QUICK).fit(frame, y)
    before = model.predict(frame)
    assert_array_equal(copied(model).predict(frame), before)
    assert_array_equal(copied(unfitted).fit(frame, y).predict(frame), before)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_an_interrupt_of_training_leaves_a_usable_pipeline(make, fail_at):
    frame, y = table()
    model = make(**QUICK).fit(frame, y)
    fail_at(2, KeyboardInterrupt())  # In the second of epochs of a batch each.
    fewer = frame[["real", "text"]]
    with pytest.warns(UserWarning, match="interrupted after 1 epochs"):
        model.fit(fewer, y)
    assert np.isfinite(model.predict(fewer)).all()


# Faults


@pytest.mark.parametrize(
    ("make", "target"),
    [(make_tabular_classifier, "classes"), (make_tabular_regressor, "numbers")],
)
@pytest.mark.parametrize("spoil", ["columns", "targets", "parameters", "interrupt"])
def test_a_fit_that_is_refused_leaves_a_pipeline_as_it_was(
    make, target, spoil, monkeypatch
):
    """Though its columns had been fitted anew by then."""
    frame, y = table()
    y = y if target == "classes" else frame["whole"] * 1.5
    model = make(**QUICK).fit(frame, y)
    steps, before = model.steps, model.predict(frame)
    other, bad, error = frame[["whole", "text"]], y, ValueError
    if spoil == "columns":
        other = other.assign(inf=np.inf)
    elif spoil == "targets":
        bad = np.full(30, np.nan)
    elif spoil == "parameters":
        model.set_params(
            **{f"network__{'regressor__' * (target == 'numbers')}alpha": -1.0}
        )
    else:
        error = KeyboardInterrupt

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(ScratchMLPClassifier, "_encode_targets", interrupted)
        monkeypatch.setattr(ScratchMLPRegressor, "_encode_targets", interrupted)
    with pytest.raises(error):
        model.fit(other, bad)
    assert model.steps is steps
    assert_array_equal(model.predict(frame), before)
    assert list(model["columns"].feature_names_in_) == list(frame)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("fitted", [False, True])
def test_an_error_of_a_callback_keeps_columns_and_epochs_together(make, fitted):
    frame, y = table()

    class Failing:
        def setup(self, estimator, context):
            """Nothing to set up."""

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch" and estimator.n_iter_ == 2:
                raise RuntimeError("no more")

    model = make(**QUICK)
    if fitted:
        model.fit(frame, y)
    network = model["network"]
    getattr(network, "regressor", network).set_callbacks(Failing())
    fewer = frame[["real", "text"]]
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(fewer, y)
    fitted_network = getattr(model["network"], "regressor_", model["network"])
    assert fitted_network.n_iter_ == 2
    assert model.predict(fewer).shape == (30,)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_numbers_are_numbers(kind, dtype):
    """Which have no half, and by which others can't be divided."""
    tiny = np.finfo(dtype).smallest_subnormal
    X = np.array([[0], [tiny], [3 * tiny], [1]], dtype)
    encoder = PiecewiseLinearEncoder(3, kind).fit(X)
    assert_array_equal(encoder.knots_[0], X[:, 0])
    encoded = encoder.transform(X)
    if kind == "hats":
        assert_array_equal(encoded, np.eye(4))
    elif kind == "ramps":
        assert_array_equal(encoded, np.tri(4, 3, -1))
    assert np.isfinite(SmoothClipScaler(limit=1e-320).fit_transform(X)).all()
    assert np.isfinite(SmoothClipScaler().fit_transform(tiny * X)).all()


def test_columns_of_several_values_a_row_are_refused_by_name():
    polars = pytest.importorskip("polars")
    nested = polars.DataFrame({"a": [{"x": 1, "y": 2}] * 30})
    with pytest.raises(ValueError, match="column 'a' holds several values a row"):
        make_tabular_classifier(**QUICK).fit(nested, [0, 1] * 15)


def test_tables_that_are_not_in_memory_are_refused():
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame({"a": np.arange(30.0)}).lazy()
    with pytest.raises(ValueError, match="must be in memory, got LazyFrame: collect"):
        make_tabular_classifier(**QUICK).fit(lazy, [0, 1] * 15)


SHAPES = {
    "five rows": (np.arange(15.0).reshape(5, 3), [0, 1, 0, 1, 0]),
    "one column": (np.arange(30.0)[:, None], [0, 1] * 15),
    "one class": (np.arange(30.0)[:, None], [7] * 30),
    "a class of one sample": (np.arange(30.0)[:, None], [0, 1] * 14 + [1, 2]),
    "constant columns": (np.ones((30, 3)), [0, 1] * 15),
    "rows alike": (np.tile([[1.0, 2.0]], (30, 1)), [0, 1, 2] * 10),
    "nothing but missing values": (np.full((30, 2), np.nan), [0, 1] * 15),
    "10,000 columns": (np.random.RandomState(0).uniform(size=(12, 10_000)), [0, 1] * 6),
    "a class for each of 1,000 rows": (np.arange(1000.0)[:, None], np.arange(1000)),
    "as many categories as rows": (
        np.array([[f"{i}"] for i in range(30)], dtype=object),
        [0, 1] * 15,
    ),
}


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_small_and_odd_tables_work(make, shape):
    X, y = SHAPES[shape]
    model = make(**QUICK).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (len(X),)
    assert np.isfinite(predicted).all()
    model.score(X, y)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("n_rows", [1, 2])
def test_too_few_rows_to_set_any_aside_are_refused_or_train_without(make, n_rows):
    X, y = np.arange(6.0).reshape(3, 2)[:n_rows], [0, 1][:n_rows]
    with pytest.raises(ValueError, match="early stopping needs at least"):
        make(**QUICK).fit(X, y)
    without = {"early_stopping": False}
    if make is make_tabular_classifier:
        without |= {"temperature_scaling": False, "restore_best": True}
    assert make(**QUICK, **without).fit(X, y).predict(X).shape == (n_rows,)
