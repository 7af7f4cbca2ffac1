"""Temperature scaling: predicted probabilities that match observed frequencies."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array

from skscratch.training.data import pool_splits
from skscratch.training.regularization import smooth

__all__ = ["best_temperature", "fit_temperature", "mean_of_each"]

# Bounds of the logarithm of a temperature.
_LOG_TEMPERATURES = (-math.log(50), math.log(50))


def mean_of_each(samples, n_samples):
    """Matrix that turns predictions into their mean for each sample.

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
    """Temperature that minimizes the log-loss of raw outputs divided by it.

    Parameters
    ----------
    loss : Loss
        A log-loss.
    Z : ndarray of shape (n_outputs, n_predictions)
        Raw outputs for samples that were not trained on.
    Y : ndarray of shape (n_outputs, n_samples)
        Their targets.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.
    samples : ndarray of int of shape (n_predictions,), default=None
        Index of each prediction's sample, if several networks predict some samples;
        the mean of their predictions is judged. None means one prediction for each
        sample, in order.

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
        # Unlike the reported cost, without clipping probabilities at epsilon.
        scaled = Z / math.exp(logarithm)
        log_likelihoods = Y * log_means(scaled)
        if loss.output == "logistic":
            log_likelihoods += (1 - Y) * log_means(-scaled)
        return -np.average(log_likelihoods.sum(axis=0), weights=weights)

    found = minimize_scalar(cost, bounds=_LOG_TEMPERATURES, method="bounded")
    return math.exp(found.x) if found.fun < cost(0.0) else 1.0


def fit_temperature(runs, n_classes):
    """Calibrate probabilities on held-out rows.

    Guo et al., *On calibration of modern neural networks*, ICML 2017, section 4.2, with
    one more sample that belongs to all classes equally: without it, rows that are all
    predicted right would make a network certain.

    Parameters
    ----------
    runs : list of TrainingRun
        All with splits of the same data, of which each row is predicted by the mean of
        the networks that it is held out from.
    n_classes : int
        Number of classes that an output distinguishes.

    Returns
    -------
    float
        What raw outputs are to be divided by.
    """
    splits = [run.split for run in runs]
    rows, samples = pool_splits(splits)
    data = splits[0].data
    outputs = [
        run.validator.predictor.raw_outputs(run.split.data.X, run.split.validation_rows)
        for run in runs
    ]
    Y = data.Y[rows].T.astype(np.float64)
    smooth(Y, 1 / (len(rows) + 1), n_classes)
    return best_temperature(
        runs[0].validator.loss,
        np.concatenate(outputs).T,
        Y,
        None if data.weights is None else data.weights[rows],
        samples,
    )
