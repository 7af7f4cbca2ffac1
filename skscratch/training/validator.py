"""Score and loss of a network on validation data, epoch by epoch."""

import math

import numpy as np

from skscratch.training.calibration import mean_of_each
from skscratch.training.data import pool_splits

__all__ = ["CommonError", "Validator"]


class Validator:
    """Score and loss of a network as it is at each call.

    Parameters
    ----------
    predictor : Predictor
        Of the network in training.
    loss : Loss
    split : Split
        Its validation data are what the network is judged on.
    score : callable
        ``score(Z, Y, weights, loss)`` returns the score of raw outputs ``Z`` of shape
        (n_samples, n_outputs) that have this loss. More is better.

    Attributes
    ----------
    outputs : ndarray of shape (n_samples, n_outputs)
        Raw outputs of the last call.
    """

    def __init__(self, predictor, loss, split, score):
        self.predictor, self.loss, self.split, self.score = (
            predictor,
            loss,
            split,
            score,
        )
        self.refresh()

    def refresh(self):
        """Take the validation data anew, after rows of the split have changed."""
        self._validation = self.split.validation_data()

    def __call__(self):
        """Compute score and loss.

        Returns
        -------
        score, loss : float
            Both nan if outputs are not finite.
        """
        Y, weights = self._validation.Y, self._validation.weights
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            Z = self.outputs = self.predictor.raw_outputs(
                self.split.data.X, self.split.validation_rows
            )
            if not np.isfinite(Z).all():
                return math.nan, math.nan
            targets = np.asarray(Y.T, dtype=Z.dtype)
            loss = self.loss.cost(Z.T, targets, weights)
        return self.score(Z, Y, weights, loss), loss


class CommonError:
    """Error of the mean prediction of several networks, after their last epochs.

    A sample is predicted by the mean of those networks whose validation data it is
    in. The squared error, which for probabilities is the Brier score, compares
    networks better than the log-loss before they are calibrated.

    Parameters
    ----------
    validators : list of Validator
        All with splits of the same data.
    """

    def __init__(self, validators):
        self._validators = validators
        data = validators[0].split.data
        rows, samples = pool_splits([validator.split for validator in validators])
        self._average = mean_of_each(samples, len(rows))
        self._Y = data.Y[rows]
        self._weights = None if data.weights is None else data.weights[rows]

    def __call__(self):
        """Compute the squared error, its mean over samples, by weight, and outputs.

        Returns
        -------
        float
        """
        Z = np.concatenate([validator.outputs for validator in self._validators])
        predictions = self._validators[0].loss.predictions
        with np.errstate(over="ignore", invalid="ignore"):
            P = self._average @ predictions(Z.T).T.astype(np.float64)
            errors = np.square(P - self._Y).mean(axis=1)
            return float(np.average(errors, weights=self._weights))
