"""The losses: what training minimises, and how its gradient starts.

First the article's ``logloss``, on probabilities. Then the losses that networks are
trained with: they take the network's raw outputs ``Z`` (logits), which no saturated
probability can spoil, and own value, gradient and predictions. Shapes are the
article's: ``Z`` and the targets ``Y`` are (n_outputs, n_samples), or of several
networks at once (networks, n_outputs, n_samples), which have a cost each.
"""

import math
from abc import ABC, abstractmethod
from functools import cache

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array
from scipy.special import expit, log_expit, log_softmax, xlog1py, xlogy

from skscratch.backends.buffers import FRESH

__all__ = [
    "LOSSES",
    "Loss",
    "best_temperature",
    "d_logloss",
    "logloss",
    "mean_of",
    "mean_of_each",
]

# Bounds of the logarithm of a temperature.
_LOG_TEMPERATURES = (-math.log(50), math.log(50))


def logloss(y, a):
    """Log-loss of each sample: ``-(y log a + (1 - y) log(1 - a))``.

    Parameters
    ----------
    y : array-like
        Targets, 0 or 1.
    a : array-like
        Predicted probabilities of 1. Where one is saturated (0 or 1 exactly), the
        nearest number that is not stands in, so that the loss stays finite.

    Returns
    -------
    ndarray
        The loss, of the broadcast shape of ``y`` and ``a``.
    """
    a = _unsaturated(a)
    return -(xlogy(y, a) + xlog1py(1 - np.asarray(y), -a))


def d_logloss(y, a):
    """Derivative of ``logloss`` by ``a``: ``(a - y) / (a (1 - a))``.

    Parameters and shapes are those of ``logloss``.
    """
    a = _unsaturated(a)
    return (a - y) / (a * (1 - a))


def _unsaturated(a):
    """Move probabilities of exactly 0 and 1 to their nearest neighbour inside."""
    a = np.asarray(a)
    if a.dtype.kind != "f":
        a = a.astype(np.float64)
    limits = np.finfo(a.dtype)
    return np.clip(a, limits.tiny, 1 - limits.epsneg)


@cache
def _epsilon(dtype):
    """Smallest probability that a reported log-loss knows, as in scikit-learn."""
    return np.finfo(dtype).eps


def _dot(x, y):
    """Sum of the products of all numbers, or of those of each network of a stack.

    One pass, where multiplying first and then adding up takes two.
    """
    n_numbers = x.shape[-2] * x.shape[-1]
    shape = n_numbers if x.ndim == y.ndim == 2 else (-1, n_numbers)
    return np.vecdot(x.reshape(shape), y.reshape(shape))


def _log_mean_exp(L):
    """``log(mean(exp(L)))`` over the first axis, without overflow."""
    largest = L.max(axis=0)
    return np.log(np.exp(L - largest).mean(axis=0)) + largest


class Loss(ABC):
    """A loss on raw outputs, with the predictions that belong to it.

    Each loss goes with the output function that is its canonical link's inverse, so
    that the gradient by the raw outputs is ``predictions - targets`` for all of them
    (McCullagh and Nelder, *Generalized Linear Models*, 1989, section 2.5).

    Attributes
    ----------
    output : str
        Name of the output function, as in scikit-learn's ``out_activation_``.
    """

    output: str

    @abstractmethod
    def predictions(self, Z, buffers=FRESH):
        """Probabilities or means, (n_outputs, n_samples), from raw outputs ``Z``."""

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return np.log(self.predictions(Z))

    @abstractmethod
    def combined(self, Z):
        """Raw outputs whose predictions are the mean of several networks'.

        Parameters
        ----------
        Z : ndarray of shape (networks, n_outputs, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """

    @abstractmethod
    def summed(self, Z, P, Y, weights=None, buffers=FRESH):
        """Sum of all samples' losses, each by its weight; of a stack, one for each.

        ``P`` is ``predictions(Z)``.
        """

    def descended(self, n_outputs):
        """What times the reported cost is the one whose gradient is taken."""
        return 1

    def cost(self, Z, Y, weights=None, total=None):
        """Sum of the samples' losses, each by its weight, divided by ``total``.

        Parameters
        ----------
        Z : ndarray of shape (n_outputs, n_samples)
            Raw outputs.
        Y : ndarray of shape (n_outputs, n_samples)
            Targets: indicators of the class, or numbers.
        weights : ndarray of shape (n_samples,), default=None
            Sample weights; None means 1 for each.
        total : float, default=None
            What the sum is divided by; None means the sum of the weights.

        Returns
        -------
        float
        """
        total = _total(Z, weights) if total is None else total
        summed = self._summed(Z, self.predictions(Z), Y, weights, FRESH)
        return mean_of(summed, total)

    def cost_and_gradient(self, Z, Y, weights=None, total=None, buffers=FRESH):
        """Cost and its gradient by ``Z``; see ``cost`` for the parameters.

        Returns
        -------
        cost : float
        dZ : ndarray of shape (n_outputs, n_samples)
            Weights and ``total`` are in it already: the layers only sum.
        """
        total = _total(Z, weights) if total is None else total
        summed, dZ = self.sum_and_gradient(Z, Y, weights, total, buffers)
        return mean_of(summed, total), dZ

    def sum_and_gradient(self, Z, Y, weights, total, buffers=FRESH):
        """As ``cost_and_gradient``, but the cost is yet to be divided by ``total``."""
        P = self.predictions(Z, buffers)
        summed = self._summed(Z, P, Y, weights, buffers)
        dZ = np.subtract(P, Y, out=P)
        if weights is None:
            dZ *= 1 / total
        else:
            shares = np.divide(weights, total, out=buffers("shares", weights.shape))
            dZ *= shares
        return summed, dZ

    def _summed(self, Z, P, Y, weights, buffers):
        # Of several networks the targets may be the same.
        if Y.ndim < 2 or Y.shape != Z.shape[-Y.ndim :]:
            raise ValueError(
                f"Y must have the shape of the outputs, {Z.shape}, got {Y.shape}."
            )
        return self.summed(Z, P, Y, weights, buffers)


def mean_of(summed, total):
    """Cost of a batch from the sum of its losses, of one network or of each.

    Parameters
    ----------
    summed : float or ndarray of shape (n_networks,)
    total : float or ndarray of n_networks numbers

    Returns
    -------
    float or ndarray of shape (n_networks,)
    """
    if np.ndim(summed):
        return summed / np.reshape(total, -1)
    return float(summed) / float(total)


def _total(Z, weights):
    return Z.shape[-1] if weights is None else weights.sum()


class LogLoss(Loss):
    """Log-loss of one class among several, by softmax (multinomial)."""

    output = "softmax"

    def predictions(self, Z, buffers=FRESH):
        """Softmax over the outputs; shifted by the largest, so it can't overflow."""
        room = buffers("per sample", (*Z.shape[:-2], 1, Z.shape[-1]))
        largest = np.maximum.reduce(Z, axis=-2, keepdims=True, out=room)
        with np.errstate(over="ignore"):  # From -inf, exp comes to 0 as it should.
            P = np.subtract(Z, largest, out=buffers("P", Z.shape))
        np.exp(P, out=P)
        P /= np.add.reduce(P, axis=-2, keepdims=True, out=room)
        return P

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return log_softmax(Z, axis=-2)

    def combined(self, Z):
        """Logarithm of the mean probabilities: softmax gives them back."""
        return _log_mean_exp(self.log_predictions(Z))

    def summed(self, Z, P, Y, weights=None, buffers=FRESH):
        """``-sum(Y log P)``, with ``P`` clipped at the dtype's epsilon."""
        epsilon = _epsilon(P.dtype)
        log_P = P.clip(epsilon, 1 - epsilon, out=buffers("log P", Z.shape))
        np.log(log_P, out=log_P)
        if weights is not None:
            log_P *= weights
        return -_dot(Y, log_P)


class BinaryLogLoss(Loss):
    """Log-loss of independent yes-or-no outputs, by the logistic sigmoid."""

    output = "logistic"

    def predictions(self, Z, buffers=FRESH):
        """Logistic sigmoid of each output."""
        return expit(Z, out=buffers("P", Z.shape))

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return log_expit(Z)

    def combined(self, Z):
        """Logit of the mean probabilities."""
        return _log_mean_exp(log_expit(Z)) - _log_mean_exp(log_expit(-Z))

    def summed(self, Z, P, Y, weights=None, buffers=FRESH):
        """``-sum(Y log P + (1 - Y) log(1 - P))``, with ``P`` clipped at epsilon.

        From ``P``, where the logits would tell more of saturated samples: it is what
        scikit-learn reports, and what decides when its training stops.
        """
        epsilon = _epsilon(P.dtype)
        log_P = P.clip(epsilon, 1 - epsilon, out=buffers("log P", Z.shape))
        log_Q = np.subtract(1.0, log_P, out=buffers("log Q", Z.shape))
        for log in (log_P, log_Q):
            np.log(log, out=log)
            if weights is not None:
                log *= weights
        not_Y = np.subtract(1.0, Y, out=buffers("1 - Y", Y.shape))
        return -(_dot(Y, log_P) + _dot(not_Y, log_Q))


class SquaredError(Loss):
    """Half the squared error; the cost is the mean over the outputs.

    The gradient is that of the sum over the outputs, as in scikit-learn.
    """

    output = "identity"

    def predictions(self, Z, buffers=FRESH):
        """Return the raw outputs, as a copy."""
        return np.positive(Z, out=buffers("P", Z.shape))

    def combined(self, Z):
        """Mean of the raw outputs."""
        return Z.mean(axis=0)

    def descended(self, n_outputs):
        """The sum over the outputs is descended, their mean is reported."""
        return n_outputs

    def summed(self, Z, P, Y, weights=None, buffers=FRESH):
        """``sum((P - Y)²) / (2 n_outputs)``."""
        errors = weighted = np.subtract(P, Y, out=buffers("errors", Z.shape))
        if weights is not None:
            room = buffers("weighted", Z.shape)
            weighted = np.multiply(errors, weights, out=room)
        return _dot(errors, weighted) * (0.5 / Z.shape[-2])


class PoissonDeviance(Loss):
    """Half the Poisson deviance of counts, by their expected value ``exp(Z)``."""

    output = "exp"

    def predictions(self, Z, buffers=FRESH):
        """Exponential of each output."""
        with np.errstate(over="ignore"):  # Training notices a cost that is infinite.
            return np.exp(Z, out=buffers("P", Z.shape))

    def log_predictions(self, Z):
        """Return the raw outputs, as a copy."""
        return Z.copy()

    def combined(self, Z):
        """Logarithm of the mean of the expected values."""
        return _log_mean_exp(Z)

    def summed(self, Z, P, Y, weights=None, buffers=FRESH):
        """``sum(Y log(Y / P) - Y + P)``, with ``log P = Z``."""
        values = np.multiply(Y, Z, out=buffers("values", Z.shape))
        np.subtract(xlogy(Y, Y, out=buffers("Y log Y", Y.shape)), values, out=values)
        values -= Y
        values += P
        if weights is not None:
            values *= weights
        return values.sum(axis=(-2, -1))


LOSSES: dict[str, Loss] = {
    "log_loss": LogLoss(),
    "binary_log_loss": BinaryLogLoss(),
    "squared_error": SquaredError(),
    "poisson": PoissonDeviance(),
}


def mean_of_each(samples, n_samples):
    """Matrix that turns predictions into their mean for each sample.

    Parameters
    ----------
    samples : ndarray of int of shape (n_predictions,)
        Which sample each prediction is of.
    n_samples : int

    Returns
    -------
    csr_array of shape (n_samples, n_predictions)
    """
    shares = 1 / np.bincount(samples, minlength=n_samples)[samples]
    places = (samples, np.arange(len(samples)))
    return csr_array((shares, places), (n_samples, len(samples)))


def best_temperature(loss, Z, Y, weights=None, samples=None):
    """Number to divide raw outputs by so that their log-loss is least.

    Parameters
    ----------
    loss : Loss
        A log-loss.
    Z : ndarray of shape (n_outputs, n_predictions)
        Raw outputs for samples that training has not seen.
    Y : ndarray of shape (n_outputs, n_samples)
        Their targets.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.
    samples : ndarray of int of shape (n_predictions,), default=None
        Which sample each prediction is of, where several networks predict some; it is
        their mean that is judged. None means one prediction a sample, in order.

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
