"""Regularization of training batches: dropout and label smoothing.

The L2 penalty is part of the network's cost, weight decay of an optimizer.
"""

import numpy as np

from skscratch.backends.buffers import Buffers
from skscratch.backends.operations import smooth

__all__ = ["Dropout", "smooth"]


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
