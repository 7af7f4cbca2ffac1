"""Periodic encoding of numeric features: cosines of random frequencies.

Networks learn slowly varying functions first. Cosines of the inputs let them learn
functions that vary faster.
"""

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skscratch._sklearn import (
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skscratch.estimators.fitting import make_random_state
from skscratch.tabular.encoders import validated_samples

__all__ = ["PeriodicEncoder"]

# Limits of n_waves="auto", and of the total number of waves.
MIN_WAVES, MAX_WAVES, MAX_TOTAL = 2, 8, 480


class PeriodicEncoder(TransformerMixin, BaseEstimator):
    """Encode each feature by cosines of random frequencies and phases.

    A column of the output is ``cos(2 pi (c x + p))`` for a feature ``x``, with a
    frequency ``c`` drawn from a normal distribution of mean 0, and a phase ``p`` from
    the uniform distribution on [-1/2, 1/2). These are the periodic embeddings of
    Gorishniy et al., *On embeddings for numerical features in tabular deep learning*,
    arXiv 2203.05556, section 3.3, with the phases of Holzmüller et al., *Better by
    default*, arXiv 2407.04491, section 3.1. Unlike theirs, the frequencies are not
    trained. The frequencies of a feature have different standard deviations, spaced
    geometrically from ``lowest`` to ``highest``, because it is not known which ones a
    table needs. Scale features and limit their outliers first, for example with
    ``SmoothClipScaler``.

    Parameters
    ----------
    lowest : float, default=0.03
        Standard deviation of the lowest frequency, in periods per unit of the features.
    highest : float, default=1.0
        Standard deviation of the highest frequency.
    n_waves : int or 'auto', default='auto'
        Number of cosines per feature. 'auto' is 8. For more than 60 features it is
        lower, to keep the total at 480 or less, but at least 2.
    random_state : int, RandomState or None, default=None
        Seed of frequencies and phases.
    dtype : {'float32', 'float64'} or None, default=None
        dtype of the output; None keeps that of the input.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_features, n_waves)
        Frequencies.
    phases_ : ndarray of shape (n_features, n_waves)
        Phases, in periods.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch.tabular.periodic import PeriodicEncoder
    >>> encoder = PeriodicEncoder(n_waves=3, random_state=0)
    >>> encoder.fit_transform([[0.0], [1.0]]).shape
    (2, 3)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "lowest": [Interval(numbers.Real, 0, None, closed="neither")],
        "highest": [Interval(numbers.Real, 0, None, closed="neither")],
        "n_waves": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "random_state": ["random_state"],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(
        self,
        lowest: float = 0.03,
        highest: float = 1.0,
        n_waves: int | str = "auto",
        random_state: int | np.random.RandomState | None = None,
        dtype: str | None = None,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.n_waves = n_waves
        self.random_state = random_state
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Draw frequencies and phases.

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
        n_features = validated_samples(self, X, reset=True).shape[1]
        n_waves = self.n_waves
        if n_waves == "auto":
            n_waves = min(max(MAX_TOTAL // n_features, MIN_WAVES), MAX_WAVES)
        rng = make_random_state(self.random_state)
        shape = (n_features, int(n_waves))
        scales = np.geomspace(self.lowest, self.highest, shape[1])
        self.frequencies_ = scales * rng.standard_normal(shape)
        self.phases_ = rng.uniform(-0.5, 0.5, shape)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Encode each feature.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features * n_waves)
            The cosines of the first feature, then those of the second, and so on.
        """
        check_is_fitted(self)
        values = validated_samples(self, X, reset=False)
        dtype = np.dtype(self.dtype or values.dtype)
        # Count periods in float64: large float32 numbers have no fractions.
        periods = values[:, :, np.newaxis] * self.frequencies_ + self.phases_
        turns = (2 * np.pi * (periods - np.rint(periods))).astype(dtype, copy=False)
        waves: NDArray[Any] = np.cos(turns, out=turns)
        return waves.reshape(len(values), -1)

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Names of the output columns: feature, "wave" and a number.

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
        n_waves = self.phases_.shape[1]
        names = [f"{feature}_wave{i}" for feature in features for i in range(n_waves)]
        return np.asarray(names, dtype=object)
