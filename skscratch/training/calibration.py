"""Temperature scaling: the number that makes predicted probabilities honest."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array

__all__ = ["best_temperature", "mean_of_each"]

# Bounds of the logarithm of a temperature.
_LOG_TEMPERATURES = (-math.log(50), math.log(50))


def mean_of_each(samples, n_samples):
    """Matrix that averages predictions over those of the same sample.

    Parameters
    ----------
    samples : ndarray of int of shape (n_predictions,)
        Index of each prediction's sample.
    n_samples : int

    Returns
    -------
    csr_array of shape (n_samples, n_predictions)
    """
    shares = 1 / np.bincount(samples, minlength=n_samples)[samples]
    places = (samples, np.arange(len(samples)))
    return csr_array((shares, places), (n_samples, len(samples)))


def best_temperature(loss, Z, Y, weights=None, samples=None):
    """Temperature that minimizes the log-loss: raw outputs are divided by it.

    Parameters
    ----------
    loss : Loss
        A log-loss.
    Z : ndarray of shape (n_outputs, n_predictions)
        Raw outputs for held-out samples.
    Y : ndarray of shape (n_outputs, n_samples)
        Their targets.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.
    samples : ndarray of int of shape (n_predictions,), default=None
        Index of each prediction's sample, if several networks predict some samples:
        their mean is judged. None means one prediction per sample, in order.

    Returns
    -------
    float
        From 1 / 50 to 50.
    """
    Z = np.asarray(Z, dtype=np.float64)
    if samples is None:
        samples = np.arange(Z.shape[-1])
    mean = mean_of_each(samples, Y.shape[-1])

    def log_means(scaled):
        means = (mean @ loss.predictions(scaled).T).T
        return np.log(np.maximum(means, np.finfo(np.float64).tiny))

    def cost(logarithm):
        # Not the reported cost, whose probabilities are clipped at float's epsilon.
        scaled = Z / math.exp(logarithm)
        log_likelihoods = Y * log_means(scaled)
        if loss.output == "logistic":
            log_likelihoods += (1 - Y) * log_means(-scaled)
        return -np.average(log_likelihoods.sum(axis=0), weights=weights)

    found = minimize_scalar(cost, bounds=_LOG_TEMPERATURES, method="bounded")
    return math.exp(found.x) if found.fun < cost(0.0) else 1.0
