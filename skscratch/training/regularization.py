"""Regularization within a step: dropout, label smoothing and gradient clipping.

L2 regularization is part of the network's cost, weight decay of the optimizer.
"""

import numpy as np

from skscratch.backends.buffers import Buffers
from skscratch.backends.linalg import norm
from skscratch.backends.operations import smooth

__all__ = ["Dropout", "StackedDropout", "clip_gradients", "smooth"]


class Dropout:
    """Masks that drop outputs of hidden layers at random, anew for each batch.

    An output is dropped with its layer's rate, and those that stay are multiplied by
    ``1 / (1 - rate)``, so that their sum is the same on average and prediction needs
    no factor (Srivastava et al., *Dropout*, JMLR 15, 2014, section 10: inverted).

    Parameters
    ----------
    rates : list of float
        Of each hidden layer, from 0 to below 1.
    neurons : list of int
        Of each hidden layer.
    dtype : dtype
        Of the network.
    random_state : RandomState
        Seeds a generator, which draws numbers of the network's dtype into buffers.

    Attributes
    ----------
    generator : Generator
    layers : list of tuple
        Rate and number of neurons of each hidden layer.
    """

    def __init__(self, rates, neurons, dtype, random_state):
        self.layers = list(zip(rates, neurons, strict=True))
        self._buffers = Buffers(dtype)
        self.generator = np.random.default_rng(random_state.randint(2**31, size=4))

    def masks(self, n_samples):
        """Masks for a batch, (neurons, n_samples) each, or None at a rate of 0."""
        return [
            self.draw(self._buffers(f"{number}", (neurons, n_samples), "F"), rate)
            if rate
            else None
            for number, (rate, neurons) in enumerate(self.layers)
        ]

    def draw(self, mask, rate):
        """Draw a mask into an array of order "F", and return it."""
        self.generator.random(out=mask.T, dtype=mask.dtype)
        np.greater_equal(mask, rate, out=mask)
        mask *= 1 / (1 - rate)
        return mask


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
