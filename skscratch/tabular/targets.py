"""Targets of a table's regressor: standardized for the network, and scaled back."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.metaestimators import available_if

from skscratch.estimators.attributes import one_fit_at_a_time
from skscratch.nn.checks import as_numbers

__all__ = ["StandardizedTargets", "TargetScaler", "n_epochs"]

# Standardizing squares the targets: beyond these limits the squares overflow, or
# underflow to 0.
LARGEST_TARGET, SMALLEST_SPREAD = 1e150, 1e-150


class StandardizedTargets(TransformedTargetRegressor):
    """Regressor with standardized targets; counts are only divided by their scale.

    This is a ``TransformedTargetRegressor`` that chooses its transformer in ``fit`` by
    the regressor's loss, unless one is given: targets get mean 0 and variance 1, but
    for the losses 'poisson' and 'gamma' they are only divided by their standard
    deviation, so that they stay non-negative. Sample weights have no effect on mean
    and variance. Predictions are in the units of the targets, in float64. A target that
    is constant in ``fit`` is predicted exactly.

    Parameters and attributes are those of ``TransformedTargetRegressor``.
    """

    @one_fit_at_a_time
    def fit(self, X: ArrayLike, y: Any, **fit_params: Any) -> Self:
        """Standardize the targets and fit the regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Parameters of the regressor's ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If targets are dates, durations, infinite or missing, or so large that their
            variance overflows.
        """
        _check_finite(y)
        fitted = TransformedTargetRegressor(**self.get_params(deep=False))
        if self.transformer is None and self.func is None:
            _check_scale(y)
            loss = getattr(self.regressor, "loss", None)
            has_sign = loss not in ("poisson", "gamma")
            fitted.set_params(transformer=_make_target_scaler(with_mean=has_sign))
        error = None
        try:
            fitted.fit(X, y, **fit_params)
        except Exception as caught:
            # After an error of a callback or scorer the finished epochs are kept; if
            # there are none, the fit changes nothing.
            if n_epochs(fitted) is None:
                raise
            error = caught
        self.__dict__.update(vars(fitted) | self.get_params(deep=False))
        if error is not None:
            raise error
        return self

    def predict(self, X: Any, **predict_params: Any) -> NDArray[Any]:
        """Predict targets in their own units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        **predict_params : dict
            Parameters of the regressor's ``predict``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Several quantiles are one more axis, the last.
        """
        if not self._has_quantiles():
            return super().predict(X, **predict_params)
        return self._restored(self.regressor_.predict(X, **predict_params))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If several quantiles are predicted, which have no R².
        """
        if self._has_quantiles():
            self.regressor_.score(X, y)  # Its error says what to do instead.
        return float(super().score(X, y, sample_weight))

    def _has_quantiles(self) -> bool:
        """Whether several quantiles are predicted for each target."""
        fitted: Any = getattr(self, "regressor_", None)
        if getattr(fitted, "loss", None) != "quantile":
            return False
        return bool(np.size(fitted.quantile) > 1)

    @available_if(lambda self: hasattr(self.regressor_, "predict_interval"))
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the targets of each sample, in their own units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        coverage : float, default=0.9
            As in ``ScratchMLPRegressor.predict_interval``.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
        """
        return self._restored(self.regressor_.predict_interval(X, coverage))

    def _restored(self, predictions: NDArray[Any]) -> NDArray[Any]:
        """Scale predictions back; the last axis may be one of quantiles or bounds."""
        if predictions.ndim > self._training_dim:
            parts = np.moveaxis(predictions, -1, 0)
            return np.stack([self._restored(part) for part in parts], axis=-1)
        columns = predictions.reshape(len(predictions), -1)
        restored = self.transformer_.inverse_transform(columns)
        return np.reshape(restored, predictions.shape)

    def get_metadata_routing(self) -> Any:
        """Metadata routing: ``score`` uses sample weights itself if they are requested.

        ``TransformedTargetRegressor`` has none for ``score``, without which a pipeline
        that ends in it can't be scored while metadata routing is enabled.

        Returns
        -------
        MetadataRouter
        """
        return super().get_metadata_routing().add_self_request(self)


def _make_target_scaler(with_mean: bool) -> Pipeline:
    # Predictions of a float32 network lose digits if a large mean is added in float32.
    as_float64 = FunctionTransformer(inverse_func=_as_float64, check_inverse=False)
    scaler = Pipeline(
        [("scale", TargetScaler(with_mean=with_mean)), ("float64", as_float64)]
    )
    # TransformedTargetRegressor needs arrays, whatever the global configuration.
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


def _as_float64(array: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(array, dtype=np.float64)


def _check_finite(y: Any) -> None:
    if y is None or issparse(y):  # scikit-learn has messages for these.
        return
    y = as_numbers(y, "y")
    if not np.isfinite(y).all():
        found = "NaN" if np.isnan(y).any() else "infinity"
        raise ValueError(f"Input y contains {found}.")


def _check_scale(y: Any) -> None:
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


def n_epochs(step: Any) -> tuple[int, int] | None:
    """Tell which losses a fitted network has, and how many.

    Parameters
    ----------
    step : estimator
        A network, or one with transformed targets.

    Returns
    -------
    tuple of (int, int) or None
        Identity and length of the list of losses; None before the first fit.
    """
    losses = getattr(getattr(step, "regressor_", step), "loss_curve_", None)
    return None if losses is None else (id(losses), len(losses))
