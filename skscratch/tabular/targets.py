"""Targets of a table's regressor: standardized for the network, and scaled back."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skscratch.nn.checks import as_numbers

__all__ = [
    "LogTargets",
    "TargetScaler",
    "check_finite",
    "check_scale",
    "is_skewed",
    "learned_state",
    "make_target_scaler",
    "restored",
    "scaled",
]

# Standardizing squares the targets: beyond these limits the squares overflow, or
# underflow to 0.
LARGEST_TARGET, SMALLEST_SPREAD = 1e150, 1e-150


def make_target_scaler(with_mean: bool, logs_from: Any = None) -> Pipeline:
    """Build the transformer of targets.

    Parameters
    ----------
    with_mean : bool
        Whether targets get the mean 0.
    logs_from : ndarray of shape (n_outputs,), default=None
        If given, the targets are first transformed by ``LogTargets`` with these zeros.

    Returns
    -------
    Pipeline
        Unfitted.
    """
    # Predictions of a float32 network lose digits if a large mean is added in float32.
    as_float64 = FunctionTransformer(inverse_func=_as_float64, check_inverse=False)
    logs = [] if logs_from is None else [("logs", LogTargets(logs_from))]
    scaler = Pipeline(
        [*logs, ("scale", TargetScaler(with_mean=with_mean)), ("float64", as_float64)]
    )
    # The estimators need arrays, whatever the global configuration.
    return scaler.set_output(transform="default")


class TargetScaler(StandardScaler):
    """``StandardScaler`` that restores constant targets, whatever a network predicts.

    A constant has no scale in which an error of the network would be small. A target is
    constant if its values differ by no more than rounding.

    Parameters and attributes are those of ``sklearn.preprocessing.StandardScaler``, and
    ``constants_``, an ndarray of shape (n_outputs,) that is nan where a target varies.
    """

    scale_: NDArray[np.float64]

    def fit(self, X: ArrayLike, y: Any = None, sample_weight: Any = None) -> Self:
        """Compute mean and scale, and find the constants.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_outputs)
            Targets.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
        """
        super().fit(X, y, sample_weight)
        # StandardScaler gives constants the scale 1.
        is_constant = self.scale_ != np.sqrt(self.var_)
        # The mean of equal numbers may differ from them by rounding.
        middle = np.clip(self.mean_, np.min(X, axis=0), np.max(X, axis=0))
        self.constants_ = np.where(is_constant, middle, np.nan)
        if not self.with_mean:
            # Unscaled, a large count would outweigh all other targets in the loss.
            self.scale_ = np.where(is_constant & (middle > 0), middle, self.scale_)
        return self

    def inverse_transform(self, X: ArrayLike, copy: bool | None = None) -> Any:
        """Scale back to the units of the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_outputs)
            Scaled targets.
        copy : bool, default=None
            As in ``StandardScaler``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        restored = super().inverse_transform(X, copy)
        return np.where(np.isnan(self.constants_), restored, self.constants_)


class LogTargets(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Transformer of targets to ``asinh((y - zero) / scale)``, like a logarithm.

    Unlike a logarithm, it is finite everywhere. The scale is the 5th percentile of the
    non-zero distances from ``zero``. Before the inverse transformation, values are
    clipped to the range of ``fit``, extended by a tenth on both sides, because
    exponentials amplify errors.

    Parameters
    ----------
    zero : float or ndarray of shape (n_outputs,), default=0.0
        Target values that are mapped to 0.

    Attributes
    ----------
    scale_ : ndarray of shape (n_outputs,)
        Divisors of the distances from ``zero``.
    lower_, upper_ : ndarray of shape (n_outputs,)
        Limits of the transformed targets.
    """

    def __init__(self, zero: Any = 0.0) -> None:
        self.zero = zero

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute scales and limits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_outputs)
            Targets.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        Y = np.asarray(X, dtype=np.float64)
        sizes = np.abs(Y - self.zero)
        sizes[sizes == 0] = np.nan
        is_zero = np.isnan(sizes).all(axis=0)
        sizes[:, is_zero] = 1.0
        self.scale_ = np.nanquantile(sizes, 0.05, axis=0)
        transformed = self.transform(Y)
        low, high = transformed.min(axis=0), transformed.max(axis=0)
        self.lower_ = low - 0.1 * (high - low)
        self.upper_ = high + 0.1 * (high - low)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Take logarithms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_outputs)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        return np.arcsinh((np.asarray(X, dtype=np.float64) - self.zero) / self.scale_)

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Transform back to targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_outputs)
            Transformed targets.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        limited = np.clip(np.asarray(X, np.float64), self.lower_, self.upper_)
        return np.sinh(limited) * self.scale_ + self.zero


def is_skewed(y: ArrayLike) -> bool:
    """Return whether the absolute skewness of any target exceeds 1.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    bool
    """
    Y = np.asarray(y, dtype=np.float64)
    deviations = Y - Y.mean(axis=0)
    spread = np.abs(deviations).max(axis=0)
    deviations = deviations / np.where(spread > 0, spread, 1)
    cubes, squares = (np.mean(deviations**k, axis=0) for k in (3, 2))
    return bool((np.abs(cubes) > squares**1.5).any())


def scaled(scaler: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """Scale targets.

    Parameters
    ----------
    scaler : transformer
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    ndarray of the same shape
    """
    return np.reshape(scaler.transform(np.reshape(y, (len(y), -1))), np.shape(y))


def restored(scaler: Any, predictions: NDArray[Any], n_axes: int) -> NDArray[Any]:
    """Scale predictions back to the units of the targets.

    Parameters
    ----------
    scaler : transformer
        Of the targets.
    predictions : ndarray of shape (n_samples, ...)
    n_axes : int
        Number of axes of the targets. A further axis of the predictions, the last, is
        one of quantiles or bounds.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    if predictions.ndim > n_axes:
        parts = np.moveaxis(predictions, -1, 0)
        return np.stack([restored(scaler, part, n_axes) for part in parts], axis=-1)
    columns = predictions.reshape(len(predictions), -1)
    return np.reshape(scaler.inverse_transform(columns), predictions.shape)


def _as_float64(array: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(array, dtype=np.float64)


def check_finite(y: Any, name: str = "y") -> None:
    """Refuse targets that are no finite numbers.

    Parameters
    ----------
    y : array-like
    name : str, default="y"
        What to call them in errors.

    Raises
    ------
    ValueError
        If there are any.
    """
    if y is None or issparse(y):  # scikit-learn has messages for these.
        return
    y = as_numbers(y, name)
    if not np.isfinite(y).all():
        found = "NaN" if np.isnan(y).any() else "infinity"
        raise ValueError(f"Input {name} contains {found}.")


def check_scale(y: Any) -> None:
    """Refuse targets that can't be standardized.

    Parameters
    ----------
    y : array-like

    Raises
    ------
    ValueError
        If they are so large or so close that squares overflow or underflow.
    """
    if y is None or issparse(y) or not np.size(y):
        return
    with np.errstate(over="ignore"):  # Of numbers too large for float64.
        y = as_numbers(y, "y").astype(np.float64)
    largest = np.abs(y).max()
    if largest > LARGEST_TARGET:
        raise ValueError(
            f"y holds numbers too large to standardize, such as {largest:.1e}: their "
            "squares overflow."
        )
    spread = np.ptp(y, axis=0)
    if ((spread > 0) & (spread < SMALLEST_SPREAD)).any():
        raise ValueError(
            f"y holds numbers too close to standardize, {spread.min():.1e} apart: the "
            "squares of their differences underflow."
        )


def learned_state(step: Any) -> tuple[int, int] | None:
    """Return a key of what a step has learned, to detect whether a fit changed it.

    Parameters
    ----------
    step : estimator
        A network or a hedged ensemble.

    Returns
    -------
    tuple of (int, int) or None
        Identity and length of the list of losses or of members; None before the first
        fit.
    """
    learned = getattr(step, "members_", getattr(step, "loss_curve_", None))
    return None if learned is None else (id(learned), len(learned))
