"""Prediction intervals: quantiles of a network, calibrated on rows of their own.

Conformalized quantile regression (Romano, Patterson and Candès, *Conformalized quantile
regression*, NeurIPS 2019): a network predicts quantiles, and rows that had no part in
its training say by how much they have to be widened. For rows drawn from the same
distribution, an interval then holds the target with at least the probability that was
asked for, whatever the network is worth.
"""

import copy
import math
import numbers
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.utils import check_random_state

from skscratch.training.solvers import find_solver

__all__ = [
    "IntervalModel",
    "check_coverage",
    "check_n_samples",
    "fit_intervals",
    "interpolation",
]

# Quantiles that the network predicts; intervals of any coverage lie between or beyond.
LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
# Rows set aside for calibration: so many give a coverage within half a percent.
CALIBRATION_SHARE, MAX_CALIBRATION_ROWS = 0.25, 10_000


class IntervalModel(NamedTuple):
    """Quantiles, and how far the targets of other rows lie outside of them.

    Attributes
    ----------
    estimator : ScratchMLPRegressor
        Predicts the quantiles ``LEVELS`` of standardized targets.
    mean, scale : ndarray of shape (n_targets,)
        Of the targets.
    quantiles : ndarray of shape (n_rows, n_targets, n_levels)
        Predictions for the rows of calibration.
    targets : ndarray of shape (n_rows, n_targets)
        Their targets, standardized.
    least : float
        Smallest number that a target can be.
    """

    estimator: Any
    mean: np.ndarray
    scale: np.ndarray
    quantiles: np.ndarray
    targets: np.ndarray
    least: float

    def predict(self, X, coverage):
        """Lower and upper bounds.

        Parameters
        ----------
        X : {ndarray, sparse array} of shape (n_samples, n_features)
        coverage : float
            Probability that an interval holds the target.

        Returns
        -------
        ndarray of shape (n_samples, n_targets, 2)

        Raises
        ------
        ValueError
            If there are too few rows of calibration for this coverage.
        """
        margins = self.margins(coverage)
        bounds = _between(_quantiles(self.estimator, X, len(self.mean)), coverage)
        bounds = bounds + margins[:, np.newaxis] * [-1.0, 1.0]
        # A negative margin may swap the bounds of a narrow interval.
        middle = bounds.mean(axis=-1)
        bounds[..., 0] = np.minimum(bounds[..., 0], middle)
        bounds[..., 1] = np.maximum(bounds[..., 1], middle)
        bounds = bounds * self.scale[:, np.newaxis] + self.mean[:, np.newaxis]
        return np.maximum(bounds, self.least)

    def margins(self, coverage):
        """Margins that so many of the rows of calibration need.

        Parameters
        ----------
        coverage : float
            Probability that an interval holds the target.

        Returns
        -------
        ndarray of shape (n_targets,)
            By how much the bounds between the quantiles are moved apart, in units of
            the standardized targets.

        Raises
        ------
        ValueError
            If there are too few rows of calibration for this coverage.
        """
        n_rows = len(self.targets)
        rank = _ceil((n_rows + 1) * coverage)
        if rank > n_rows:
            n_needed = _ceil(coverage / (1 - coverage))
            raise ValueError(
                f"coverage={coverage!r} needs at least {n_needed} rows for calibration,"
                f" got {n_rows}, a quarter of the training data: ask for a lower "
                "coverage, or fit with more rows."
            )
        bounds = _between(self.quantiles, coverage)
        outside = np.maximum(
            bounds[..., 0] - self.targets, self.targets - bounds[..., 1]
        )
        return np.partition(outside, rank - 1, axis=0)[rank - 1]


def fit_intervals(regressor, data, splits, callbacks=()):
    """Train a network of quantiles, and calibrate it.

    Parameters
    ----------
    regressor : ScratchMLPRegressor
        Its parameters are those of the network, except the loss.
    data : FitData
        The training data, of as many samples as ``check_n_samples`` asks for.
    splits : list of Split
        The user's own.
    callbacks : sequence, default=()
        Callbacks of the network during its training.

    Returns
    -------
    IntervalModel

    Raises
    ------
    ValueError
        If the rows left for training lack those that splits train or validate on.
    """
    n_rows = data.n_samples
    n_held = min(int(CALIBRATION_SHARE * n_rows), MAX_CALIBRATION_ROWS)
    estimator = _quantile_regressor(regressor).set_callbacks(*callbacks)
    if isinstance(estimator.batch_size, numbers.Integral):
        estimator.batch_size = min(estimator.batch_size, n_rows - n_held)
    order = check_random_state(estimator.random_state).permutation(n_rows)
    held, rest = np.sort(order[:n_held]), np.sort(order[n_held:])
    mean, scale = data.Y[rest].mean(axis=0), data.Y[rest].std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    validation = {}
    if splits and splits[0].is_drawn:
        estimator.validation_split = _splits_within(splits, rest)
    elif splits:
        (split,) = splits
        validation = {
            "X_val": split.data.X,
            "y_val": _column((split.data.Y - mean) / scale),
            "sample_weight_val": split.data.weights,
        }
    estimator.fit(
        data.X[rest],
        _column((data.Y[rest] - mean) / scale),
        None if data.weights is None else data.weights[rest],
        **validation,
    ).set_callbacks()
    quantiles = _quantiles(estimator, data.X[held], len(mean))
    targets = (data.Y[held] - mean) / scale
    least = 0.0 if regressor.loss in ("poisson", "gamma") else -math.inf
    return IntervalModel(estimator, mean, scale, quantiles, targets, least)


def _splits_within(splits, rows):
    """What is left of splits in some rows, as pairs of indices into these."""
    places = np.full(splits[0].data.n_samples, -1)
    places[rows] = np.arange(len(rows))
    left = []
    for split in splits:
        parts = (places[part] for part in (split.training_rows, split.validation_rows))
        pair = tuple(part[part >= 0] for part in parts)
        if all(map(len, pair)):
            left.append(pair)
    if not left:
        raise ValueError(
            "intervals=True sets samples aside for calibration, and leaves no split of "
            "validation_split with rows in both parts: let them have more rows."
        )
    return left


def check_n_samples(n_samples):
    """Refuse too few samples to set one aside.

    Parameters
    ----------
    n_samples : int

    Raises
    ------
    ValueError
        If there are fewer than four.
    """
    if n_samples < 4:
        raise ValueError(
            f"intervals=True needs at least 4 samples, got n_samples = {n_samples}."
        )


def check_coverage(coverage):
    """Refuse a coverage that is no probability.

    Parameters
    ----------
    coverage : object

    Raises
    ------
    ValueError
        If it is not a number above 0 and below 1.
    """
    is_number = isinstance(coverage, numbers.Real) and not isinstance(coverage, bool)
    if not is_number or not 0 < coverage < 1:
        raise ValueError(
            f"coverage must be a number above 0 and below 1, got {coverage!r}."
        )


def _quantile_regressor(regressor):
    # The splits are other ones, and iterators can't be cloned.
    regressor = copy.copy(regressor)
    regressor.validation_split = None
    estimator = clone(regressor)
    estimator.set_params(
        loss="quantile",
        quantile=LEVELS,
        intervals=False,
        warm_start=False,
        verbose=False,
        scoring=None,
    )
    if find_solver(estimator.solver).needs_smooth_loss:
        estimator.solver = "adam"
    if isinstance(estimator.init, tuple):  # Weights for another number of outputs.
        estimator.init = "glorot"
    return estimator


def _ceil(number):
    """Round up, but not numbers that exceed an integer only by rounding errors."""
    return math.ceil(round(number, 9))


def _column(Y):
    """Targets of one column in the form that has no warning."""
    return Y[:, 0] if Y.shape[1] == 1 else Y


def _quantiles(estimator, X, n_targets):
    """Predicted quantiles, (n_samples, n_targets, n_levels)."""
    return estimator.predict(X).reshape(X.shape[0], n_targets, len(LEVELS))


def _between(quantiles, coverage):
    """Bounds of a central interval, (n_samples, n_targets, 2)."""
    bounds = []
    for below, share in interpolation(coverage):
        low, high = quantiles[..., below], quantiles[..., below + 1]
        bounds.append(low + share * (high - low))
    return np.stack(bounds, axis=-1)


def interpolation(coverage):
    """Where the bounds of a central interval lie between the levels of ``LEVELS``.

    They are interpolated as between normal quantiles. Beyond the outermost levels, the
    line through the last two is extended.

    Parameters
    ----------
    coverage : float

    Returns
    -------
    list of tuple
        For the lower and the upper bound, the index of the level below it, and its
        share of the way to the next level.
    """
    scores = ndtri(LEVELS)
    found = []
    for level in ((1 - coverage) / 2, (1 + coverage) / 2):
        score = ndtri(level)
        below = int(np.clip(np.searchsorted(scores, score) - 1, 0, len(scores) - 2))
        share = (score - scores[below]) / (scores[below + 1] - scores[below])
        found.append((below, float(share)))
    return found
