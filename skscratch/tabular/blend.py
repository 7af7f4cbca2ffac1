"""Weights of a blend of predictions, learned on held-out rows.

A judge measures how well predictions fit the targets. ``fit_weights`` finds the
non-negative weights that minimize its deviance, up to a prior.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from skscratch.nn.losses import resolve_loss
from skscratch.training.calibration import best_temperature
from skscratch.training.regularization import smooth

__all__ = ["ClassJudge", "NumberJudge", "fit_temperature", "fit_weights", "tempered"]

Array = NDArray[Any]

TINY = float(np.finfo(np.float32).tiny)


class ClassJudge(NamedTuple):
    """Judge of probabilities by their log-loss.

    Attributes
    ----------
    Y : ndarray of bool of shape (n_samples, n_classes)
        Indicators of classes or labels.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.
    loss : {"log_loss", "binary_log_loss"}
        'log_loss' if each sample has one class, 'binary_log_loss' if it may have
        several labels.
    prior_samples : float, default=30.0
        Weight of the prior of ``fit_weights``, as a number of samples.
    """

    Y: Array
    weights: Array | None
    loss: str
    prior_samples: float = 30.0

    def take(self, rows: Array) -> "ClassJudge":
        """Judge of some of the samples."""
        return self._replace(Y=self.Y[rows], weights=_taken(self.weights, rows))

    def view(self, P: Array) -> Array:
        """Probability of the true class, or of the true value of each label.

        Parameters
        ----------
        P : ndarray of shape (n_samples, n_classes)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        if self.loss == "log_loss":
            return np.sum(P, axis=1, where=self.Y)
        return np.where(self.Y, P, 1 - P)

    def deviance(self, view: Array) -> float:
        """Negative log-likelihood of a view, with weights of mean 1."""
        losses = -np.log(np.maximum(view, TINY))
        return float(_weighted(losses, self.weights).sum())


class NumberJudge(NamedTuple):
    """Judge of predicted numbers by the loss that the networks minimize.

    Attributes
    ----------
    Y : ndarray of shape (n_samples, n_targets)
        Targets, scaled as for the networks.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.
    loss : Loss
    prior_samples : float, default=10.0
        Weight of the prior of ``fit_weights``, as a number of samples.
    """

    Y: Array
    weights: Array | None
    loss: Any
    prior_samples: float = 10.0

    def take(self, rows: Array) -> "NumberJudge":
        """Judge of some of the samples."""
        return self._replace(Y=self.Y[rows], weights=_taken(self.weights, rows))

    def view(self, P: Array) -> Array:
        """Flatten predictions to the order of the raw outputs.

        Parameters
        ----------
        P : ndarray of shape (n_samples, ...)
            Predictions, with an axis for several targets and one for several quantiles.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        return np.reshape(P, (len(P), -1))

    def deviance(self, view: Array) -> float:
        """Half the number of samples, times the logarithm of the mean loss.

        For the squared error, that is the negative log-likelihood of normal errors, up
        to a constant.
        """
        P = view.T
        Z = np.log(np.maximum(P, TINY)) if self.loss.output == "exp" else P
        losses = self.loss.losses(Z, P, self.Y.T)
        mean = _weighted(losses.T, self.weights).mean()
        return float(len(view) / 2 * np.log(max(mean, TINY)))


def _taken(weights: Array | None, rows: Array) -> Array | None:
    return None if weights is None else weights[rows]


def _weighted(values: Array, weights: Array | None) -> Array:
    if weights is None:
        return values
    shares = weights / weights.mean()
    return values * shares.reshape(-1, *[1] * (values.ndim - 1))


def fit_weights(judge: Any, predictions: list[Array]) -> NDArray[np.float64]:
    """Find the weights on the simplex that minimize the deviance of a blend.

    A prior pulls the weights together if there are few samples. It is equivalent to
    ``judge.prior_samples`` additional samples, each explained by a single kind, in
    equal numbers for all kinds. For the log-loss, the result is the maximum a
    posteriori estimate of a mixture's weights under a Dirichlet prior.

    Parameters
    ----------
    judge : ClassJudge or NumberJudge
    predictions : list of ndarray
        Predictions for the judge's samples, one array for each kind.

    Returns
    -------
    ndarray of shape (n_kinds,)
        Positive weights that sum to 1.
    """
    n_kinds = len(predictions)
    if n_kinds == 1:
        return np.ones(1)
    views = np.stack([judge.view(P) for P in predictions])

    def objective(logits: Array) -> float:
        weights = _softmax(logits)
        blended = np.tensordot(weights, views, axes=1)
        prior = np.log(np.maximum(weights, TINY)).mean()
        return judge.deviance(blended) - judge.prior_samples * prior

    found = minimize(objective, np.zeros(n_kinds), method="L-BFGS-B")
    return _softmax(found.x)


def _softmax(logits: Array) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max())
    weights: NDArray[np.float64] = exponentials / exponentials.sum()
    return weights


def fit_temperature(judge: ClassJudge, P: Array, n_classes: int) -> float:
    """Calibrate the probabilities of a blend on held-out rows.

    This is temperature scaling (Guo et al., *On calibration of modern neural networks*,
    ICML 2017, section 4.2) with logits computed from the blended probabilities, and one
    additional sample that belongs to all classes equally.

    Parameters
    ----------
    judge : ClassJudge
    P : ndarray of shape (n_samples, n_classes)
        Probabilities for the judge's samples.
    n_classes : int
        Number of alternatives per output, for label smoothing.

    Returns
    -------
    float
        Divisor of log-odds; see ``tempered``.
    """
    Y = judge.Y.T.astype(np.float64)
    smooth(Y, 1 / (len(P) + 1), n_classes)
    Z = _logits(P, judge.loss)
    return best_temperature(resolve_loss(judge.loss), Z.T, Y, judge.weights)


def tempered(loss: str, P: Array, temperature: float) -> NDArray[np.float64]:
    """Divide the log-odds of probabilities by a temperature.

    Parameters
    ----------
    loss : str
        'log_loss' if each sample has one class, 'binary_log_loss' if it may have
        several labels.
    P : ndarray of shape (n_samples, n_classes)
    temperature : float

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    Z = _logits(P, loss) / temperature
    predictions: NDArray[np.float64] = resolve_loss(loss).predictions(Z.T).T
    return predictions


def _logits(P: Array, loss: str) -> NDArray[np.float64]:
    P = np.maximum(np.asarray(P, dtype=np.float64), TINY)
    logits: NDArray[np.float64] = np.log(P)
    if loss == "binary_log_loss":
        logits -= np.log(np.maximum(1 - P, TINY))
    return logits
