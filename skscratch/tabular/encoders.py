"""Encoders of numeric features that make any distribution suitable for networks.

``SmoothClipScaler`` scales features and limits outliers, ``TailScaler`` compresses them
logarithmically, ``RankScaler`` maps features to normal distributions, and
``PiecewiseLinearEncoder`` encodes the position of a number among the quantiles of its
feature. All are scikit-learn transformers; ``columns`` applies them to tables.
"""

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    Interval,
    Options,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skscratch.estimators.attributes import rollback_on_error
from skscratch.estimators.validation import overflow_error, refuse_dates

__all__ = [
    "PiecewiseLinearEncoder",
    "RankScaler",
    "SmoothClipScaler",
    "TailScaler",
    "validated_samples",
]

FLOAT_MAX = np.finfo(np.float64).max
# Limits of n_bins="auto", and of the total number of ramps.
MIN_BINS, MAX_BINS, MAX_RAMPS = 4, 8, 480
# Number of samples that make a frequent value a knot.
MIN_KNOT_COUNT = 10
# Maximum numbers of RankScaler's quantiles, and of the samples to compute them from.
MAX_QUANTILES, MAX_QUANTILE_SAMPLES = 1000, 100_000


class SmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Robust scaler that limits outliers smoothly.

    The median of a feature is subtracted, and the result divided by the interquartile
    range, or by half the range if that is 0. The scaled value ``z`` then becomes
    ``z / sqrt(1 + (z / limit)²)``, which is about ``z`` near 0 and never exceeds
    ``limit`` in absolute value (Holzmüller et al., *Better by default*, arXiv
    2407.04491, section 3.1).

    Parameters
    ----------
    limit : float, default=3.0
        Bound on the absolute values of the output; infinity turns clipping off.
    dtype : {'float32', 'float64'} or None, default=None
        dtype of the output; None keeps that of the input.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians.
    scale_ : ndarray of shape (n_features,)
        Divisor of each feature; infinity for a constant feature, whose output is 0.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch import SmoothClipScaler
    >>> X = [[1.0], [2.0], [3.0], [1e9]]
    >>> SmoothClipScaler().fit_transform(X).round(1).ravel().tolist()
    [-0.0, -0.0, 0.0, 2.4]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "limit": [
            Interval(numbers.Real, 0, None, closed="neither"),
            Options(numbers.Real, {np.inf}),
        ],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, limit: float = 3.0, dtype: str | None = None) -> None:
        self.limit = limit
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute medians and scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        if isinstance(self.limit, int) and self.limit > float(FLOAT_MAX):
            raise ValueError(
                f"limit must be no larger than {FLOAT_MAX:.1e}, got an integer of "
                f"{self.limit.bit_length()} bits."
            )
        values = validated_samples(self, X, reset=True)
        low, self.center_, high = _quantiles(values, (0.25, 0.5, 0.75))
        # The difference of very large numbers would overflow: halve them first.
        half_iqr = high / 2 - low / 2
        half_range = values.max(axis=0) / 2 - values.min(axis=0) / 2
        self.scale_ = np.where(
            half_iqr > 0, np.minimum(half_iqr, FLOAT_MAX / 2) * 2, half_range
        )
        # A feature that is constant here is uninformative: later changes are ignored.
        self.scale_[half_range == 0] = np.inf
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Scale and clip.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        values = validated_samples(self, X, reset=False)
        dtype = np.dtype(self.dtype or values.dtype)
        largest = np.float64(np.finfo(dtype).max) / 2
        with np.errstate(over="ignore"):
            z = (values / 2 - self.center_ / 2) / self.scale_ * 2
            z = np.clip(z, -largest, largest)
            z = z / np.hypot(1, z / self.limit)
        scaled: NDArray[Any] = z.astype(dtype, copy=False)
        return scaled


class TailScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scaler that is linear near the median and logarithmic far from it.

    Features are centered and scaled as in ``SmoothClipScaler`` without a limit. The
    result is transformed by the inverse hyperbolic sine, which is about ``z`` near 0
    and ``sign(z) log(2 |z|)`` far from it (Burbidge, Magee and Robb, *Alternative
    transformations to handle extreme values of the dependent variable*, JASA 1988), and
    standardized.

    Parameters
    ----------
    dtype : {'float32', 'float64'} or None, default=None
        dtype of the output; None keeps that of the input.

    Attributes
    ----------
    scaler_ : SmoothClipScaler
        Fitted scaler with the medians and scales.
    mean_, std_ : ndarray of shape (n_features,)
        Mean and standard deviation of the inverse hyperbolic sines. A standard
        deviation of 0 is replaced by 1.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch.tabular.encoders import TailScaler
    >>> X = [[1.0], [10.0], [100.0], [1000.0]]
    >>> TailScaler().fit_transform(X).round(1).ravel().tolist()
    [-0.7, -0.7, -0.3, 1.7]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, dtype: str | None = None) -> None:
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute medians, scales, means and standard deviations.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        values = validated_samples(self, X, reset=True)
        scaler = SmoothClipScaler(limit=np.inf).set_output(transform="default")
        self.scaler_ = scaler.fit(values)
        compressed = self._compress(values)
        self.mean_ = compressed.mean(axis=0)
        std = compressed.std(axis=0)
        self.std_ = np.where(std > 0, std, 1.0)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Scale and compress.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        values = validated_samples(self, X, reset=False)
        scaled = (self._compress(values) - self.mean_) / self.std_
        return scaled.astype(self.dtype or values.dtype, copy=False)

    def _compress(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.arcsinh(self.scaler_.transform(values).astype(np.float64))


class RankScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scaler that maps the quantiles of each feature to a normal distribution.

    This is scikit-learn's ``QuantileTransformer`` with a normal output distribution,
    clipped to ``limit`` in absolute value. A log-normal feature, for example, becomes
    approximately its standardized logarithm.

    Parameters
    ----------
    limit : float, default=4.0
        Bound on the absolute values of the output.
    dtype : {'float32', 'float64'} or None, default=None
        dtype of the output; None keeps that of the input.

    Attributes
    ----------
    transformer_ : QuantileTransformer
        Fitted transformer with at most 1,000 quantiles, computed from at most 100,000
        samples, which are drawn at random if there are more.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch.tabular.encoders import RankScaler
    >>> X = [[1.0], [2.0], [4.0], [8.0], [1e9]]
    >>> RankScaler().fit_transform(X).round(1).ravel().tolist()
    [-4.0, -0.7, 0.0, 0.7, 4.0]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "limit": [Interval(numbers.Real, 0, None, closed="neither")],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, limit: float = 4.0, dtype: str | None = None) -> None:
        self.limit = limit
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute the quantiles.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        values = validated_samples(self, X, reset=True)
        transformer = QuantileTransformer(
            n_quantiles=min(MAX_QUANTILES, len(values)),
            output_distribution="normal",
            subsample=MAX_QUANTILE_SAMPLES,
            random_state=0,
        )
        self.transformer_ = transformer.set_output(transform="default").fit(values)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Transform to normal distributions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        values = validated_samples(self, X, reset=False)
        scaled = np.clip(self.transformer_.transform(values), -self.limit, self.limit)
        return scaled.astype(self.dtype or values.dtype, copy=False)


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode each feature by its position among its own quantiles.

    The quantiles are knots. A "ramp" belongs to two neighboring knots: it is 0 up to
    the first, rises linearly and is 1 from the second on. This is the encoding of
    Gorishniy et al., *On embeddings for numerical features in tabular deep learning*,
    arXiv 2203.05556, section 3.2. A "hat" belongs to one knot: it is 1 there and falls
    linearly to 0 at both neighbors. Hats are the B-splines of degree 1 of
    ``sklearn.preprocessing.SplineTransformer``. Ramps and hats span the same functions,
    but a network learns them differently. Outside of the outer knots both are constant.

    If many samples share a value, some quantiles are equal. They count as one knot, and
    quantiles of the distinct values replace the others. A feature with one or two
    distinct values has no knots and no columns.

    If more than half of the samples share one value, such as an amount of 0, the other
    values are often meaningful in themselves rather than as points of a scale. With
    ``n_bins='auto'`` those that occur at least 10 times become knots too, the most
    frequent first.

    Parameters
    ----------
    n_bins : int or 'auto', default='auto'
        Maximum number of intervals between knots. 'auto' is 8, or less for more than 60
        features, so that there are at most 480 ramps in total, but at least 4. Knots
        for frequent values count toward these 480.
    kind : {'ramps', 'hats', 'both'}, default='hats'
        Columns of the output.
    dtype : {'float32', 'float64'} or None, default=None
        dtype of the output; None keeps that of the input.

    Attributes
    ----------
    knots_ : list of ndarray
        Knots of each feature, in ascending order.
    n_bins_ : int
        Value of ``n_bins`` that was used.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2, kind="ramps")
    >>> encoder.fit([[0.0], [1.0], [2.0], [3.0], [4.0]])
    PiecewiseLinearEncoder(kind='ramps', n_bins=2)
    >>> encoder.transform([[1.0], [3.0], [9.0]]).tolist()
    [[0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_bins": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "kind": [StrOptions({"ramps", "hats", "both"})],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(
        self, n_bins: int | str = "auto", kind: str = "hats", dtype: str | None = None
    ) -> None:
        self.n_bins = n_bins
        self.kind = kind
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the knots.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        values = validated_samples(self, X, reset=True)
        self.n_bins_: Any = self.n_bins
        if self.n_bins == "auto":
            self.n_bins_ = min(max(MAX_RAMPS // values.shape[1], MIN_BINS), MAX_BINS)
        self.knots_ = [self._find_knots(column) for column in values.T]
        return self

    def _find_knots(self, column: NDArray[Any]) -> NDArray[Any]:
        distinct, counts = np.unique(column, return_counts=True)
        if len(distinct) <= 2:
            return distinct[:0]
        if len(distinct) <= self.n_bins_ + 1:
            return distinct
        knots = np.unique(_quantiles(column, np.linspace(0, 1, self.n_bins_ + 1)))
        n_tied = self.n_bins_ + 1 - len(knots)
        if n_tied:
            others = _quantiles(distinct, np.linspace(0, 1, n_tied + 2)[1:-1])
            knots = np.union1d(knots, others)
        if self.n_bins == "auto" and 2 * np.max(counts) > len(column):
            n_more = max(MAX_RAMPS // self.n_features_in_ - self.n_bins_, 0)
            frequent = np.argsort(-counts, kind="stable")[:n_more]
            frequent = frequent[counts[frequent] >= MIN_KNOT_COUNT]
            knots = np.union1d(knots, distinct[frequent])
        return knots

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Encode each feature.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            The ramps of the first feature, then its hats, and so on.
        """
        check_is_fitted(self)
        values = validated_samples(self, X, reset=False)
        dtype = self.dtype or values.dtype
        encoded = [np.empty((len(values), 0), dtype)]
        for column, knots in zip(values.T, self.knots_, strict=True):
            if not len(knots):
                continue
            ramps = _ramps(column, knots).astype(values.dtype, copy=False)
            if self.kind != "hats":
                encoded.append(ramps.astype(dtype, copy=False))
            if self.kind != "ramps":
                # A hat is the ramp up to its knot minus the ramp that begins there.
                hats = np.ones((len(values), len(knots)), values.dtype)
                hats[:, 1:] = ramps
                hats[:, :-1] -= ramps
                encoded.append(hats.astype(dtype, copy=False))
        return np.concatenate(encoded, axis=1)

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Names of the output columns: feature, "ramp" or "hat", and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        features = check_feature_names_in(self, input_features)
        names = []
        for feature, knots in zip(features, self.knots_, strict=True):
            n_knots = len(knots)
            if self.kind != "hats":
                names += [f"{feature}_ramp{i}" for i in range(max(n_knots - 1, 0))]
            if self.kind != "ramps":
                names += [f"{feature}_hat{i}" for i in range(n_knots)]
        return np.asarray(names, dtype=object)


def _ramps(column: NDArray[Any], knots: NDArray[Any]) -> Any:
    """Ramps of one feature, of shape (n_samples, n_knots - 1)."""
    # Nothing overflows between the outer knots.
    column = np.clip(column, knots[0], knots[-1])[:, np.newaxis]
    # If differences would overflow, halves are used; the smallest numbers have none.
    if np.abs(knots).max() > np.finfo(knots.dtype).max / 4:
        column, knots = column / 2, knots / 2
    with np.errstate(over="ignore"):
        ramps = (column - knots[:-1]) / (knots[1:] - knots[:-1])
    return np.clip(ramps, 0, 1)


def validated_samples(encoder: Any, X: Any, reset: bool) -> NDArray[Any]:
    """Validate the samples of an encoder.

    Parameters
    ----------
    encoder : BaseEstimator
    X : array-like of shape (n_samples, n_features)
    reset : bool
        Whether this is ``fit``.

    Returns
    -------
    ndarray
        Of float32 if the samples are of this dtype, otherwise float64.
    """
    with rollback_on_error(encoder):
        refuse_dates(X)
        try:
            with np.errstate(invalid="ignore"):  # Infinities may cancel out.
                values: NDArray[Any] = validate_data(
                    encoder, X, dtype=(np.float64, np.float32), reset=reset
                )
                return values
        except OverflowError as error:
            raise overflow_error("X", error) from None


def _quantiles(X: NDArray[Any], fractions: Any) -> Any:
    # The difference of very large numbers would overflow: use quarters of them.
    return np.quantile(X / 4, fractions, axis=0) * 4
