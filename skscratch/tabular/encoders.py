"""Encoders of numbers: what a network learns from a feature of any distribution.

Both are scikit-learn transformers: one scales and draws outliers in, the other tells
where among its own quantiles a number lies.
"""

import numbers

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
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

__all__ = ["PiecewiseLinearEncoder", "SmoothClipScaler"]

LARGEST = np.finfo(np.float64).max
# What n_bins="auto" is made of, and how many samples make a value a knot by itself.
FEWEST_BINS, MOST_BINS, MOST_RAMPS = 4, 8, 480
OFTEN = 10


class SmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Robust scaling, and outliers drawn in smoothly.

    A feature less its median is divided by its interquartile range, or where that is 0
    by half its range, to ``z``, and becomes ``z / sqrt(1 + (z / limit)²)``, which is
    about ``z`` near 0 and never beyond ``±limit`` (Holzmüller et al., *Better by
    default*, arXiv 2407.04491, section 3.1).

    Parameters
    ----------
    limit : float, default=3.0
        What a value can't get beyond; infinity clips nothing.
    dtype : {'float32', 'float64'} or None, default=None
        Of what is given; None is that of the samples.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians.
    scale_ : ndarray of shape (n_features,)
        What is divided by; infinity for a feature that is constant, which becomes 0.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.

    Examples
    --------
    >>> from skscratch import SmoothClipScaler
    >>> X = [[1.0], [2.0], [3.0], [1e9]]
    >>> SmoothClipScaler().fit_transform(X).round(1).ravel().tolist()
    [-0.0, -0.0, 0.0, 2.4]
    """

    _parameter_constraints: dict = {
        "limit": [
            Interval(numbers.Real, 0, None, closed="neither"),
            Options(numbers.Real, {np.inf}),
        ],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, limit=3.0, dtype=None):
        self.limit = limit
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn medians and ranges.

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
        if isinstance(self.limit, int) and self.limit > float(LARGEST):
            raise ValueError(
                f"limit must be no larger than {LARGEST:.1e}, got an integer of "
                f"{self.limit.bit_length()} bits."
            )
        X = _validated(self, X, reset=True)
        low, self.center_, high = _quantiles(X, (0.25, 0.5, 0.75))
        # Halves first: the difference of the largest numbers would overflow.
        spread, half_range = high / 2 - low / 2, X.max(axis=0) / 2 - X.min(axis=0) / 2
        self.scale_ = np.where(
            spread > 0, np.minimum(spread, LARGEST / 2) * 2, half_range
        )
        # What never changed in training tells nothing when it does: it becomes 0.
        self.scale_[half_range == 0] = np.inf
        return self

    def transform(self, X):
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
        X = _validated(self, X, reset=False)
        with np.errstate(over="ignore"):
            z = (X / 2 - self.center_ / 2) / self.scale_ * 2
            z = np.clip(z, -LARGEST / 2, LARGEST / 2)
            z = z / np.hypot(1, z / self.limit)
        return z.astype(self.dtype or X.dtype, copy=False)


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Each feature by where it lies among its own quantiles.

    The quantiles are knots. A "ramp" of two neighbours rises from 0 at the one to 1 at
    the other and stays there: the encoding of Gorishniy et al., *On embeddings for
    numerical features in tabular deep learning*, arXiv 2203.05556, section 3.2. A "hat"
    of a knot is 1 there and falls to 0 at its neighbours: the B-splines of degree 1
    that ``sklearn.preprocessing.SplineTransformer`` gives. Both span the same
    functions, which a network meets in other units. Beyond the outer knots all stay
    as they are there.

    Where many samples share a value, quantiles coincide: they count once, and quantiles
    of the distinct values take the place of the others. A feature of two values has
    nothing to be encoded and gives no column, nor does a constant one.

    Where more than half of the samples share one value, such as an amount of 0, the
    others are often amounts with a meaning of their own, between which nothing is to
    be interpolated: with ``n_bins='auto'`` those that 10 samples have or more are knots
    too, the most frequent first.

    Parameters
    ----------
    n_bins : int or 'auto', default='auto'
        Number of intervals between knots, at most. 'auto' is 8, and less for more than
        60 features, so that all ramps together are not more than 480, but 4 at least;
        what is left of the 480 may go to knots for frequent values.
    kind : {'ramps', 'hats', 'both'}, default='hats'
        What is given.
    dtype : {'float32', 'float64'} or None, default=None
        Of what is given; None is that of the samples.

    Attributes
    ----------
    knots_ : list of ndarray
        Of each feature, in rising order.
    n_bins_ : int
        Number of intervals that was aimed at.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.

    Examples
    --------
    >>> from skscratch import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2, kind="ramps")
    >>> encoder.fit([[0.0], [1.0], [2.0], [3.0], [4.0]])
    PiecewiseLinearEncoder(kind='ramps', n_bins=2)
    >>> encoder.transform([[1.0], [3.0], [9.0]]).tolist()
    [[0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]
    """

    _parameter_constraints: dict = {
        "n_bins": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "kind": [StrOptions({"ramps", "hats", "both"})],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, n_bins="auto", kind="hats", dtype=None):
        self.n_bins = n_bins
        self.kind = kind
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
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
        X = _validated(self, X, reset=True)
        self.n_bins_ = self.n_bins
        if self.n_bins == "auto":
            self.n_bins_ = min(max(MOST_RAMPS // X.shape[1], FEWEST_BINS), MOST_BINS)
        self.knots_ = [self._knots(column) for column in X.T]
        return self

    def _knots(self, column):
        distinct, counts = np.unique(column, return_counts=True)
        if len(distinct) <= 2:
            return distinct[:0]
        if len(distinct) <= self.n_bins_ + 1:
            return distinct
        shares = np.linspace(0, 1, self.n_bins_ + 1)
        knots = np.unique(_quantiles(column, shares))
        missing = self.n_bins_ + 1 - len(knots)
        if missing:
            others = _quantiles(distinct, np.linspace(0, 1, missing + 2)[1:-1])
            knots = np.union1d(knots, others)
        if self.n_bins == "auto" and 2 * np.max(counts) > len(column):
            n_more = max(MOST_RAMPS // self.n_features_in_ - self.n_bins_, 0)
            first = np.argsort(-counts, kind="stable")[:n_more]
            knots = np.union1d(knots, distinct[first[counts[first] >= OFTEN]])
        return knots

    def transform(self, X):
        """Encode.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            Of each feature in turn its ramps, then its hats.
        """
        check_is_fitted(self)
        X = _validated(self, X, reset=False)
        dtype = self.dtype or X.dtype
        encoded = [np.empty((len(X), 0), dtype)]
        for column, knots in zip(X.T, self.knots_, strict=True):
            if not len(knots):
                continue
            # Within the knots first, where nothing overflows.
            column = np.clip(column, knots[0], knots[-1])[:, np.newaxis]
            # Of halves, where differences would overflow; the smallest have no half.
            if np.abs(knots).max() > np.finfo(knots.dtype).max / 4:
                column, knots = column / 2, knots / 2
            with np.errstate(over="ignore"):
                ramps = (column - knots[:-1]) / (knots[1:] - knots[:-1])
            ramps = np.clip(ramps, 0, 1).astype(X.dtype, copy=False)
            if self.kind != "hats":
                encoded.append(ramps.astype(dtype, copy=False))
            if self.kind != "ramps":
                # A hat is the ramp up to its knot less the ramp down from it.
                hats = np.ones((len(X), len(knots)), X.dtype)
                hats[:, 1:] = ramps
                hats[:, :-1] -= ramps
                encoded.append(hats.astype(dtype, copy=False))
        return np.concatenate(encoded, axis=1)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns: a feature's, "ramp" or "hat", and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        return np.asarray(self._names(names), dtype=object)

    def _names(self, features):
        names = []
        for feature, knots in zip(features, self.knots_, strict=True):
            n_knots = len(knots)
            if self.kind != "hats":
                names += [f"{feature}_ramp{i}" for i in range(max(n_knots - 1, 0))]
            if self.kind != "ramps":
                names += [f"{feature}_hat{i}" for i in range(n_knots)]
        return names


def _validated(encoder, X, reset):
    """Numbers of a user's samples, float32 where they are that, else float64."""
    with rollback_on_error(encoder):
        refuse_dates(X)
        try:
            with np.errstate(invalid="ignore"):  # Of infinities that cancel out.
                return validate_data(
                    encoder, X, dtype=(np.float64, np.float32), reset=reset
                )
        except OverflowError as error:
            raise overflow_error("X", error) from None


def _quantiles(X, shares):
    # Of quarters: a difference of the largest numbers would overflow.
    return np.quantile(X / 4, shares, axis=0) * 4
