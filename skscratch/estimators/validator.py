"""How well a network does on data that it is not trained on, epoch by epoch."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from skscratch.estimators.attributes import bare_copy
from skscratch.estimators.monitor import from_outside
from skscratch.training.calibration import mean_of_each

__all__ = ["Validation", "common_error", "pooled"]


class Validation:
    """Score and loss of an estimator's network, as it stands at each call.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Whose network is in training, and whose ``scoring`` is asked for.
    held : Held
        What it is validated on.

    Attributes
    ----------
    outputs : ndarray of shape (n_rows, n_outputs)
        Raw outputs of the last call.

    Raises
    ------
    ValueError
        If targets are so large that their squares overflow, all weights are 0, or
        there is no such score.
    """

    def __init__(self, estimator, held):
        self.estimator, self.held = estimator, held
        self.y, self.Y, self.weights = map(held.only, held[1:4])
        if self.weights is not None and not self.weights.any():
            # Of the user's own the weights of zero are gone: these were set aside.
            raise ValueError(
                "all samples that were set aside to validate on have weight 0: give "
                "more of them a weight, by sample_weight and class_weight, raise "
                f"validation_fraction={estimator.validation_fraction}, or pass X_val "
                "and y_val."
            )
        with np.errstate(over="ignore"):
            is_bounded = self.Y.dtype == bool or np.isfinite(np.square(self.Y).sum())
        if not is_bounded:
            name = "y" if held.rows is not None else "y_val"
            raise ValueError(
                f"{name} holds values too large to validate on in {self.Y.dtype}: "
                "their squares overflow."
            )
        self._scorer: Any = None
        if estimator.scoring not in (None, "loss"):
            # Scorers see arrays, which have no feature names to be compared.
            self._viewed = bare_copy(estimator)
            vars(self._viewed).pop("feature_names_in_", None)
            # It is in a fit, also where it is a member that hears of no callbacks.
            vars(self._viewed).setdefault("_callback_fit_ctx", None)
            vars(self._viewed).setdefault("_skl_callbacks_to_teardown", [])
            self._scorer = check_scoring(self._viewed, estimator.scoring)

    def __call__(self):
        """Return score and loss, both nan where outputs are not finite."""
        estimator, Y, weights = self.estimator, self.Y, self.weights
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            Z = self.outputs = estimator._outputs(self.held.X, self.held.rows)
            if not np.isfinite(Z).all():
                return math.nan, math.nan
            targets = np.asarray(Y.T, dtype=Z.dtype)
            loss = estimator._trained_loss().cost(Z.T, targets, weights)
            if estimator.scoring == "loss":
                return -loss, loss
            if self._scorer is None:
                return estimator._goodness(Z, Y, weights), loss
        with from_outside():
            return self._scored(), loss

    def _scored(self):
        """Score of the user's, which is to be a number."""
        scoring, X = self.estimator.scoring, self.held.only(self.held.X)
        options = {} if self.weights is None else {"sample_weight": self.weights}
        try:
            score = self._scorer(self._viewed, X, self.y, **options)
        except (AttributeError, ValueError) as error:
            # A function of the user's may err as it likes; a name is a parameter.
            if not isinstance(scoring, str):
                raise
            raise ValueError(
                f"scoring={scoring!r} does not fit {type(self.estimator).__name__}: "
                f"{error}"
            ) from None
        try:
            return float(score)
        except (TypeError, ValueError):
            raise ValueError(f"scoring must return a number, got {score!r}.") from None


def common_error(validations):
    """Make a function of what several networks err in common, at their last calls.

    A row is predicted by the mean of those networks that it is held out from. The
    squared error, of probabilities the Brier score, is better than the log-loss at
    comparing networks that are yet to be calibrated.

    Parameters
    ----------
    validations : list of Validation
        All of the same data.

    Returns
    -------
    callable
        Gives the squared error, its mean over rows, by their weights, and outputs.
    """
    held, estimator = validations[0].held, validations[0].estimator
    rows, samples = pooled([validation.held for validation in validations])
    mean, Y = mean_of_each(samples, len(rows)), held.Y[rows]
    weights = None if held.weights is None else held.weights[rows]
    predictions = estimator._trained_loss().predictions

    def error():
        Z = np.concatenate([validation.outputs for validation in validations])
        with np.errstate(over="ignore", invalid="ignore"):
            P = mean @ predictions(Z.T).T.astype(np.float64)
            errors = np.square(P - Y).mean(axis=1)
            return float(np.average(errors, weights=weights))

    return error


def pooled(helds):
    """Rows that some of several set aside, and which of them each of theirs is.

    Parameters
    ----------
    helds : list of Held
        All of the same data.

    Returns
    -------
    rows : ndarray of int
    samples : ndarray of int
        Of each row that the first holds, that the second holds and so on, its place
        in ``rows``.
    """
    parts = [
        np.arange(len(held.Y)) if held.rows is None else held.rows for held in helds
    ]
    return np.unique(np.concatenate(parts), return_inverse=True)
