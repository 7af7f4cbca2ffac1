"""Regularization within a step: dropout's masks and gradient clipping.

L2 regularization is part of the network's cost, weight decay of the optimizer.
"""

import numpy as np

from skscratch.backends.buffers import Buffers, norm

__all__ = ["StackedDropout", "clip_gradients"]


class StackedDropout:
    """Masks of several networks, each drawn from its own stream."""

    def __init__(self, several, dtype):
        self._several, self._buffers = several, Buffers(dtype)

    def masks(self, n_samples):
        """Masks for a batch, (networks, neurons, n_samples) each, or None."""
        return [
            self._mask(f"{number}", rate, neurons, n_samples) if rate else None
            for number, (rate, neurons) in enumerate(self._several[0].layers)
        ]

    def _mask(self, name, rate, neurons, n_samples):
        shape = (len(self._several), neurons, n_samples)
        stacked = self._buffers(name, shape, "F")
        for dropout, mask in zip(self._several, stacked, strict=True):
            dropout.draw(mask, rate)
        return stacked


def clip_gradients(gradients, max_norm):
    """Scale gradients down to a norm, in place.

    Pascanu et al., *On the difficulty of training recurrent neural networks*, arXiv
    1211.5063, section 3.2.

    Parameters
    ----------
    gradients : ndarray of shape (n_parameters,) or (n_networks, n_parameters)
        Of several networks, each is scaled by itself.
    max_norm : float
        Euclidean norm of all gradients of a network together.
    """
    for row in np.atleast_2d(gradients):
        length = norm(row)
        if length > max_norm:
            row *= max_norm / length
