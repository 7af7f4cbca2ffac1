"""Updates of the parameters: the formulas of ``training.optimizers``, in loops.

Each takes a block of the vectors, which stays in a core's cache from one pass to the
next.
"""

import math

import numpy as np

from skscratch.backends.kernels.decorators import elementwise, summing

__all__ = ["OPTIMIZER_NUMBERS", "add_penalty", "clip", "include", "update"]

SGD, ADAM = range(2)

OPTIMIZER_NUMBERS = {"sgd": SGD, "adam": ADAM}


@summing
def add_penalty(w, dw, strength):
    """Gradient of the L2 penalty, ``dw ← dw + strength · w``; return ``|w|²``.

    Without a penalty, 0 is returned at once.
    """
    squares = w.dtype.type(0)
    if strength != 0:
        for i in range(w.size):
            squares += w[i] * w[i]
            dw[i] += strength * w[i]
    return np.float64(squares)


@summing
def clip(gradients, max_norm):
    """Scale gradients down to a norm."""
    length = _norm(gradients, 1.0)
    if length == np.inf:
        # Squares of large numbers of float64 overflow where the norm does not.
        largest = np.float64(np.abs(gradients).max())
        length = largest * _norm(gradients, 1 / largest)
    if length > max_norm:
        factor = gradients.dtype.type(max_norm / length)
        for i in range(gradients.size):
            gradients[i] *= factor


@summing
def _norm(gradients, scale):
    """Norm of ``scale · gradients``."""
    squares = 0.0
    for i in range(gradients.size):
        g = scale * gradients[i]
        squares += g * g
    return math.sqrt(squares)


@elementwise
def update(optimizer, hyperparameters, p, g, m, v, rate, n_steps, n_weights):
    """Take a step of an optimizer, on a block of its vectors.

    Parameters
    ----------
    optimizer : int
    hyperparameters : tuple of float
        Momentum and whether it is Nesterov's; or ``beta_1``, ``beta_2``, ``epsilon``
        and ``weight_decay``.
    p, g : ndarray of shape (n,)
        Parameters, and their gradients.
    m, v : ndarray of shape (n,)
        First and second moment; gradient descent has its velocity in ``m``.
    rate : float
        Learning rate.
    n_steps : int
        Number of the step, counted from 1.
    n_weights : int
        Number of weights among the parameters; the rest are biases.
    """
    number = p.dtype.type
    if optimizer == SGD:
        momentum = number(hyperparameters[0])
        if hyperparameters[1] != 0:
            _nesterov(p, g, m, momentum, number(rate))
        else:
            _momentum(p, g, m, momentum, number(rate))
        return
    beta_1, beta_2, epsilon, weight_decay = hyperparameters
    if weight_decay != 0:
        _decay(p[:n_weights], number(1 - rate * weight_decay))
    step = rate * math.sqrt(1 - beta_2**n_steps) / (1 - beta_1**n_steps)
    _adam(
        *(p, g, m, v),
        # Subtracted in float64: in float32, 1 - β would lose digits.
        *(number(beta_1), number(1 - beta_1), number(beta_2), number(1 - beta_2)),
        number(epsilon),
        number(step),
    )


@elementwise
def _momentum(p, g, v, momentum, rate):
    """``v ← momentum v - rate g`` and ``p ← p + v``."""
    for i in range(p.size):
        v[i] = momentum * v[i] - rate * g[i]
        p[i] += v[i]


@elementwise
def _nesterov(p, g, v, momentum, rate):
    """``v ← momentum v - rate g`` and ``p ← p + momentum v - rate g``."""
    for i in range(p.size):
        v[i] = momentum * v[i] - rate * g[i]
        p[i] += momentum * v[i] - rate * g[i]


@elementwise
def _decay(w, factor):
    """Weight decay."""
    for i in range(w.size):
        w[i] *= factor


@elementwise
def _adam(p, g, m, v, beta_1, share_1, beta_2, share_2, epsilon, step):
    """Moments of the gradient decay, and the step is their ratio, as in the paper.

    ``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``, ``p ← p - step m / (√v + ε)``
    """
    for i in range(p.size):
        m[i] = beta_1 * m[i] + share_1 * g[i]
        v[i] = beta_2 * v[i] + share_2 * (g[i] * g[i])
        p[i] -= step * m[i] / (np.sqrt(v[i]) + epsilon)


@elementwise
def include(mean, p, share):
    """Moving average of the parameters: ``mean ← (1 - share) mean + share p``."""
    one = p.dtype.type(1)
    for i in range(p.size):
        mean[i] = (one - share) * mean[i] + share * p[i]
