"""Encoders of numeric features: the robust scaler and the piecewise linear encoder."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import RobustScaler, SplineTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscratch import PiecewiseLinearEncoder, SmoothClipScaler
from skscratch.tabular.encoders import RankScaler, TailScaler

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
        TailScaler(),
        RankScaler(),
        *(PiecewiseLinearEncoder(n_bins=4, kind=kind) for kind in KINDS),
    ]
)
def test_encoders_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@given(X=columns_of_numbers)
def test_scaling_keeps_the_order_and_stays_within_the_limit(X):
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


def test_a_feature_without_interquartile_range_is_scaled_by_its_range():
    X = np.zeros((20, 1))
    X[0] = 8.0
    scaler = SmoothClipScaler().fit(X)
    assert scaler.scale_.tolist() == [4.0]
    z = 8 / 4
    assert scaler.transform([[8.0]])[0, 0] == pytest.approx(
        z / np.sqrt(1 + (z / 3) ** 2)
    )
    assert np.isfinite(scaler.transform([[1e300]])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_of_any_size_stays_finite_without_a_limit(dtype):
    X = np.arange(20.0)[:, np.newaxis]
    scaler = SmoothClipScaler(limit=np.inf, dtype=dtype).fit(X)
    scaled = scaler.transform([[1e300], [-1e300], [1e9]])
    assert scaled.dtype == dtype
    assert np.isfinite(scaled).all()
    assert scaled[0] > scaled[2] > scaled[1]


@given(X=columns_of_numbers, n_bins=st.integers(1, 6))
def test_ramps_are_cumulative_and_hats_sum_to_one(X, n_bins):
    both = PiecewiseLinearEncoder(n_bins, "both").fit(X)
    encoded = both.transform(X)
    assert ((encoded >= 0) & (encoded <= 1)).all()
    ramps = PiecewiseLinearEncoder(n_bins, "ramps").fit_transform(X)
    hats = PiecewiseLinearEncoder(n_bins, "hats").fit_transform(X)
    first_ramp = first_hat = 0
    for column, knots in zip(X.T, both.knots_, strict=True):
        assert len(knots) <= n_bins + 1
        assert (np.diff(knots) > 0).all()
        if not len(knots):
            assert len(np.unique(column)) <= 2
            continue
        assert knots[0] == column.min()
        assert knots[-1] == column.max()
        own = ramps[:, first_ramp : first_ramp + len(knots) - 1]
        # The value can be recovered: it is a weighted sum of knot distances.
        assert_allclose(
            knots[0] + own @ np.diff(knots),
            column,
            rtol=1e-6,
            atol=1e-6 * np.ptp(knots),
        )
        assert (np.diff(own, axis=1) <= 1e-12).all()
        own = hats[:, first_hat : first_hat + len(knots)]
        assert_allclose(own.sum(axis=1), 1)
        assert_allclose(own @ knots, column, rtol=1e-6, atol=1e-6 * np.ptp(knots))
        assert ((own > 0).sum(axis=1) <= 2).all()
        first_ramp, first_hat = first_ramp + len(knots) - 1, first_hat + len(knots)
    assert (
        first_ramp + first_hat == encoded.shape[1] == len(both.get_feature_names_out())
    )


def test_hats_are_the_splines_of_scikit_learn():
    X = np.random.RandomState(0).standard_normal((200, 2))
    encoder = PiecewiseLinearEncoder(n_bins=7, kind="hats").fit(X)
    splines = SplineTransformer(
        n_knots=8, degree=1, knots="quantile", extrapolation="constant"
    ).fit(X)
    new = np.random.RandomState(1).standard_normal((50, 2)) * 2
    assert_allclose(encoder.transform(new), splines.transform(new), atol=1e-9)


def test_tied_quantiles_are_replaced_by_quantiles_of_distinct_values():
    column = np.r_[np.zeros(900), np.linspace(1, 100, 100)]
    (knots,) = PiecewiseLinearEncoder(n_bins=8).fit(column[:, None]).knots_
    assert len(knots) > 6
    assert knots[0] == 0
    assert np.median(knots) > 30


def test_frequent_values_are_knots_if_most_samples_share_one_value():
    random = np.random.RandomState(0)
    frequent = [7688, 15024, 5555]
    column = np.r_[
        np.zeros(900), np.repeat(frequent, [30, 20, 10]), random.uniform(1, 1e4, 90)
    ]
    (knots,) = PiecewiseLinearEncoder().fit(column[:, None]).knots_
    (given,) = PiecewiseLinearEncoder(n_bins=8).fit(column[:, None]).knots_
    assert knots.tolist() == sorted({*given, *frequent})
    assert len(given) < len(knots)
    # Nine samples are too few, and one value must have more than half of all samples.
    rare = column[column != 5555]
    (knots,) = PiecewiseLinearEncoder().fit(np.r_[rare, [8888] * 9][:, None]).knots_
    assert 8888 not in knots
    many = np.r_[column, random.uniform(1e5, 2e5, 1000)]
    (knots,) = PiecewiseLinearEncoder().fit(many[:, None]).knots_
    (given,) = PiecewiseLinearEncoder(n_bins=8).fit(many[:, None]).knots_
    assert_array_equal(knots, given)


def test_knots_for_frequent_values_keep_to_the_maximum_number_of_ramps():
    frequent = np.r_[np.zeros(1000), np.repeat(np.arange(1, 91), 10)]
    X = np.tile(frequent[:, None], 40)
    encoder = PiecewiseLinearEncoder(kind="ramps").fit(X)
    assert encoder.n_bins_ == 8
    assert encoder.transform(X).shape[1] <= 480
    # The most frequent come first.
    uneven = np.r_[frequent, [50.0] * 5]
    for knots in encoder.fit(np.tile(uneven[:, None], 48)).knots_:
        assert 50 in knots
    assert len(encoder.fit(np.tile(frequent[:, None], 60)).knots_[0]) <= 9


@pytest.mark.parametrize(
    ("n_features", "n_bins"), [(1, 8), (60, 8), (80, 6), (120, 4), (500, 4)]
)
def test_many_features_have_fewer_bins(n_features, n_bins):
    X = np.random.RandomState(0).standard_normal((50, n_features))
    encoder = PiecewiseLinearEncoder(kind="ramps").fit(X)
    assert encoder.n_bins_ == n_bins
    assert encoder.transform(X).shape == (50, n_bins * n_features)


def test_names_of_the_output_contain_feature_and_kind():
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
@pytest.mark.parametrize("input_dtype", [np.float32, np.float64])
def test_the_output_has_the_requested_dtype(dtype, input_dtype):
    X = np.random.RandomState(0).standard_normal((50, 3)).astype(input_dtype)
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(kind="both")):
        plain = transformer.fit_transform(X)
        assert plain.dtype == input_dtype
        cast = transformer.set_params(dtype=dtype).fit_transform(X)
        assert cast.dtype == dtype
        # It is rounded once, at the end.
        assert_array_equal(cast.astype(np.float32), plain.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_numbers_do_not_overflow(kind):
    largest = np.finfo(np.float64).max
    X = np.array([[-largest], [0.0], [1.0], [largest / 2], [largest]])
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(3, kind)):
        assert np.isfinite(transformer.fit_transform(X)).all()
    near = np.array([[0.0], [1e-10], [2e-10], [5e-10]])
    for transformer in (SmoothClipScaler(), PiecewiseLinearEncoder(3, kind)):
        assert np.isfinite(transformer.fit(near).transform(X)).all()
    scaled = SmoothClipScaler().fit(near).transform(X)
    assert np.abs(scaled).max() == pytest.approx(3.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_numbers_do_not_underflow(kind, dtype):
    """Subnormal numbers can be neither halved nor divisors."""
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


# Scalers that keep tails apart


@given(X=columns_of_numbers)
def test_tails_and_ranks_keep_the_order(X):
    for scaler in (TailScaler(), RankScaler()):
        scaled = scaler.fit_transform(X)
        assert np.isfinite(scaled).all()
        for before, after in zip(X.T, scaled.T, strict=True):
            assert (np.diff(after[np.argsort(before, kind="stable")]) >= -1e-9).all()
        assert_array_equal(scaler.transform(X[1:]), scaled[1:])


def test_tails_are_standardized_inverse_hyperbolic_sines():
    X = np.random.RandomState(0).standard_cauchy((500, 2))
    scaled = TailScaler().fit_transform(X)
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    assert_allclose(scaled.std(axis=0), 1)
    expected = np.arcsinh(RobustScaler().fit_transform(X))
    for column, other in zip(scaled.T, expected.T, strict=True):
        assert np.corrcoef(column, other)[0, 1] == pytest.approx(1)


def test_far_away_numbers_stay_apart():
    """Where clipping makes them equal."""
    X = np.random.RandomState(0).standard_normal((100, 1))
    far = np.array([[1e3], [1e6], [1e9]])
    assert np.ptp(SmoothClipScaler().fit(X).transform(far)) < 1e-2
    steps = np.diff(TailScaler().fit(X).transform(far), axis=0)
    assert_allclose(steps[1], steps[0], rtol=1e-3)
    assert (steps > 1).all()


def test_ranks_make_logarithms_linear():
    logs = np.random.RandomState(0).standard_normal((5000, 1))
    ranks = RankScaler().fit_transform(np.exp(5 * logs))
    assert np.corrcoef(ranks[:, 0], logs[:, 0])[0, 1] > 0.999
    assert np.abs(ranks).max() <= 4
    beyond = RankScaler(limit=2.0).fit(logs).transform([[1e9], [-1e9]])
    assert beyond.ravel().tolist() == [2.0, -2.0]
