"""Targets of a regressor: how ``y`` becomes numbers, and raw outputs predictions."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skscratch.nn.losses import QuantileLoss, resolve_loss

__all__ = ["NumericTargets", "quantile_loss"]


class NumericTargets(NamedTuple):
    """Numbers, one column per output.

    Attributes
    ----------
    loss : str or Loss
        The loss that the network is trained with.
    n_targets : int
        Number of columns of the targets.
    given_loss : str or Loss
        The estimator's parameter, of which ``loss`` may be a fitted copy.
    output : callable or None, default=None
        Computes predictions from raw outputs, in place of the loss.
    """

    loss: Any
    n_targets: int
    given_loss: Any
    output: Callable[[Any], Any] | None = None

    @classmethod
    def fit(cls, y, loss):
        """Learn the number of outputs.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        loss : str or Loss

        Returns
        -------
        NumericTargets
        """
        return cls(loss, 1 if y.ndim == 1 else y.shape[1], loss)

    def check_later(self, y, loss):
        """Check the targets of a later call against those of the first.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        loss : str or Loss
            The estimator's parameter.

        Raises
        ------
        ValueError
            If the number of outputs or the loss has changed.
        """
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if n_targets != self.n_targets:
            raise ValueError(
                f"y has {n_targets} outputs, but earlier calls had {self.n_targets}."
            )
        if loss != self.given_loss:
            raise ValueError(
                f"loss={loss!r} is not the loss of the network to continue with, "
                f"{self.given_loss!r}: leave it as it was, or fit with "
                "warm_start=False."
            )

    @property
    def n_raw_outputs(self):
        """Number of raw outputs of the network."""
        return resolve_loss(self.loss).n_raw_outputs(self.n_targets)

    def with_fitted_loss(self, Y, weights):
        """Copy whose loss has learned what it needs to know of the targets.

        Parameters
        ----------
        Y : ndarray of shape (n_samples, n_outputs)
        weights : ndarray of shape (n_samples,) or None

        Returns
        -------
        NumericTargets
        """
        loss = resolve_loss(self.loss)
        fitted = loss.fitted(Y.T, weights)
        return self if fitted is loss else self._replace(loss=fitted)

    def attributes(self):
        """Fitted attributes that describe the targets, by name."""
        return {"n_outputs_": self.n_raw_outputs}

    def encode(self, y, name="y"):
        """Check targets and bring them to two dimensions.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        name : str, default="y"
            Name of the targets in errors.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If targets are no numbers, or none that the loss accepts.
        """
        Y = y[:, np.newaxis] if y.ndim == 1 else y
        if Y.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers, got {Y.dtype}.")
        resolve_loss(self.loss).check_targets(Y, name)
        return Y * 1 if Y.dtype == bool else Y

    def encode_validation(self, y):
        """Encode the user's own validation targets; see ``encode``."""
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if n_targets != self.n_targets:
            raise ValueError(
                f"y_val must have the {self.n_targets} outputs of y, got {n_targets}."
            )
        return self.encode(y, "y_val")

    def weights(self, class_weight, y, Y, sample_weight):
        """Return the sample weights: there are no classes to weigh."""
        return sample_weight

    def smoothing(self, share):
        """Return None: there are no labels to smooth."""

    def stratify_by(self, Y):
        """Return None: there is nothing to stratify by."""

    def predict(self, Z):
        """Predict targets.

        Parameters
        ----------
        Z : ndarray of shape (n_raw_outputs, n_samples)
            Raw outputs.

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        return (self.output or resolve_loss(self.loss).predictions)(Z)

    @property
    def n_predictions(self):
        """Number of predictions for each target."""
        P = self.predict(np.zeros((self.n_raw_outputs, 1)))
        return len(P) // self.n_targets

    def arrange(self, predictions):
        """Predictions without axes of length 1.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_targets * n_predictions)

        Returns
        -------
        ndarray
            With the axes (n_samples, n_targets, n_predictions), of which the last two
            are left out where they have one item.
        """
        n_predictions = predictions.shape[1] // self.n_targets
        shape = [n for n in (self.n_targets, n_predictions) if n > 1]
        return predictions.reshape(len(predictions), *shape)

    def score(self, Z, Y, weights, loss):
        """Coefficient of determination of raw outputs, or the negative loss.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_raw_outputs)
        Y : ndarray of shape (n_samples, n_outputs)
        weights : ndarray of shape (n_samples,) or None
        loss : float
            Loss of the same outputs.

        Returns
        -------
        float
            The negative loss if the loss says so, or predicts something of another
            shape than the targets, such as several quantiles.
        """
        P = self.predict(Z.T).T
        if P.shape != Y.shape or resolve_loss(self.loss).judged_by_loss:
            return -loss
        from sklearn.metrics import r2_score  # Slow to import, and rarely needed.

        with np.errstate(over="ignore", invalid="ignore"):
            return float(r2_score(Y, P, sample_weight=weights))


def quantile_loss(quantile):
    """Loss for the parameter ``quantile`` of an estimator.

    Parameters
    ----------
    quantile : float or sequence of float

    Returns
    -------
    QuantileLoss

    Raises
    ------
    ValueError
        If one is not above 0 and below 1 or comes twice, or there is none.
    """
    quantiles = np.array(np.nan)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        quantiles = np.atleast_1d(np.asarray(quantile, dtype=np.float64))
    is_valid = quantiles.ndim == 1 and quantiles.size > 0
    if not is_valid or not ((quantiles > 0) & (quantiles < 1)).all():
        raise ValueError(
            "quantile must be a number above 0 and below 1, or a sequence of them, got "
            f"{quantile!r}."
        )
    if len(np.unique(quantiles)) < len(quantiles):
        raise ValueError(f"quantile must have each quantile once, got {quantile!r}.")
    return QuantileLoss(tuple(quantiles.tolist()))
