"""Losses and their gradients: the formulas of ``nn.losses``, in loops.

All of them take raw outputs ``Z`` of shape (outputs, samples), write the gradient of
the batch's cost over them, and return the cost. ``shares`` has for each sample what its
loss counts in the cost: its weight divided by the total.
"""

import math

import numpy as np

from skscratch.backends.kernels.decorators import elementwise, summing
from skscratch.backends.kernels.elementary import exp, logistic

__all__ = ["LOSS_NUMBERS", "cost_and_gradient"]

(
    LOG_LOSS,
    BINARY_LOG_LOSS,
    SQUARED_ERROR,
    ABSOLUTE_ERROR,
    HUBER,
    POISSON,
    GAMMA,
) = range(7)

LOSS_NUMBERS = {
    "log_loss": LOG_LOSS,
    "binary_log_loss": BINARY_LOG_LOSS,
    "squared_error": SQUARED_ERROR,
    "absolute_error": ABSOLUTE_ERROR,
    "huber": HUBER,
    "poisson": POISSON,
    "gamma": GAMMA,
}


@elementwise
def cost_and_gradient(loss, constant, Z, Y, shares, scratch):
    """Cost of a batch; its gradient is written over ``Z``.

    Parameters
    ----------
    loss : int
    constant : float
        Parameter of the loss: Huber's threshold.
    Z, Y : ndarray of shape (outputs, samples)
    shares : ndarray of shape (samples,)
    scratch : ndarray of shape (samples,)

    Returns
    -------
    float
    """
    if loss == LOG_LOSS:
        softmax(Z, scratch)
        cost = _log_loss(Z, Y, shares)
        _subtract_targets(Z, Y, shares)
    elif loss == BINARY_LOG_LOSS:
        _logistic(Z)
        cost = _binary_log_loss(Z, Y, shares)
        _subtract_targets(Z, Y, shares)
    elif loss == SQUARED_ERROR:
        cost = _squared_error(Z, Y, shares)
    elif loss == ABSOLUTE_ERROR:
        cost = _absolute_error(Z, Y, shares)
    elif loss == HUBER:
        cost = _huber(Z, Y, shares, Z.dtype.type(constant))
    elif loss == POISSON:
        cost = _poisson(Z, Y, shares)
    else:
        cost = _gamma(Z, Y, shares)
    return cost


@elementwise
def softmax(Z, scratch):
    """``P = exp(Z) / sum(exp(Z))`` for each sample, over ``Z``.

    Shifted by the largest output, so that it can't overflow.
    """
    one = Z.dtype.type(1)
    n_outputs, n_samples = Z.shape
    largest = scratch
    largest[:] = Z[0]
    for k in range(1, n_outputs):
        for i in range(n_samples):
            largest[i] = max(largest[i], Z[k, i])
    for k in range(n_outputs):
        for i in range(n_samples):
            Z[k, i] = exp(Z[k, i] - largest[i])
    sums = scratch
    sums[:] = Z[0]
    for k in range(1, n_outputs):
        for i in range(n_samples):
            sums[i] += Z[k, i]
    for i in range(n_samples):
        sums[i] = one / sums[i]
    for k in range(n_outputs):
        for i in range(n_samples):
            Z[k, i] *= sums[i]


@elementwise
def _logistic(Z):
    """``P = 1 / (1 + exp(-Z))``, over ``Z``."""
    numbers = Z.reshape(-1)
    for i in range(numbers.size):
        numbers[i] = logistic(numbers[i])


@elementwise
def _log(p, epsilon, one):
    """Logarithm of a probability, clipped at the dtype's epsilon."""
    p = epsilon if p < epsilon else p
    return math.log(one - epsilon if p > one - epsilon else p)


@summing
def _log_loss(P, Y, shares):
    """``-sum(Y log P)``; most targets are 0, and need no logarithm."""
    one, epsilon = P.dtype.type(1), np.finfo(P.dtype).eps
    cost = 0.0
    for k in range(P.shape[0]):
        for i in range(P.shape[1]):
            # A probability of nan has to be seen, whatever its target is.
            if Y[k, i] != 0 or P[k, i] != P[k, i]:
                cost -= shares[i] * Y[k, i] * _log(P[k, i], epsilon, one)
    return cost


@summing
def _binary_log_loss(P, Y, shares):
    """``-sum(Y log P + (1 - Y) log(1 - P))``."""
    one, epsilon = P.dtype.type(1), np.finfo(P.dtype).eps
    cost = 0.0
    for k in range(P.shape[0]):
        for i in range(P.shape[1]):
            p, y = P[k, i], Y[k, i]
            if y == 0 or y == 1:
                loss = _log(p if y == 1 else one - p, epsilon, one)
            else:
                loss = y * _log(p, epsilon, one)
                loss += (one - y) * _log(one - p, epsilon, one)
            cost -= shares[i] * loss
    return cost


@elementwise
def _subtract_targets(P, Y, shares):
    """Gradient of a loss with its canonical link: ``P - Y``."""
    for k in range(P.shape[0]):
        for i in range(P.shape[1]):
            P[k, i] = (P[k, i] - Y[k, i]) * shares[i]


@summing
def _squared_error(Z, Y, shares):
    """``sum((Z - Y)²) / (2 n_outputs)``; the gradient is that of the sum."""
    n_outputs, n_samples = Z.shape
    cost = 0.0
    for k in range(n_outputs):
        for i in range(n_samples):
            error = Z[k, i] - Y[k, i]
            slope = shares[i] * error
            cost += slope * error
            Z[k, i] = slope
    return cost / (2 * n_outputs)


@summing
def _absolute_error(Z, Y, shares):
    """``sum(|Z - Y|)``, with the gradient ``sign(Z - Y)``."""
    cost = 0.0
    for k in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            error = Z[k, i] - Y[k, i]
            cost += shares[i] * abs(error)
            # Of 0 and nan itself.
            sign = error
            if error > 0:
                sign = shares[i]
            elif error < 0:
                sign = -shares[i]
            Z[k, i] = sign
    return cost


@summing
def _huber(Z, Y, shares, threshold):
    """``sum(c (e - c / 2))``, where ``c`` is the error ``e``, clipped; its gradient."""
    half = Z.dtype.type(0.5)
    cost = 0.0
    for k in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            error = Z[k, i] - Y[k, i]
            clipped = threshold if error > threshold else error
            clipped = -threshold if clipped < -threshold else clipped
            slope = shares[i] * clipped
            cost += slope * (error - half * clipped)
            Z[k, i] = slope
    return cost


@elementwise
def _poisson(Z, Y, shares):
    """``sum(Y log(Y / P) - Y + P)`` with ``log P = Z``; the gradient is ``P - Y``."""
    zero = Z.dtype.type(0)
    cost = 0.0
    for k in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            z, y = Z[k, i], Y[k, i]
            p = exp(z)
            y_log_y = y * math.log(y) if y > zero else zero
            cost += shares[i] * (y_log_y - y * z - y + p)
            Z[k, i] = (p - y) * shares[i]
    return cost


@elementwise
def _gamma(Z, Y, shares):
    """``sum(log(P / Y) + Y / P - 1)`` with ``log P = Z``; the gradient, 1 - Y / P."""
    one = Z.dtype.type(1)
    cost = 0.0
    for k in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            z, y = Z[k, i], Y[k, i]
            ratio = y * exp(-z)
            cost += shares[i] * (z - math.log(y) + ratio - one)
            Z[k, i] = (one - ratio) * shares[i]
    return cost
