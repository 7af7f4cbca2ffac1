"""Arrays that are kept from one use to the next, by name."""

import math

import numpy as np

from skscratch.backends.linalg import aligned

__all__ = ["Buffers"]


class Buffers:
    """Named arrays that are kept and handed out again.

    Each name owns one block of memory, as large as its largest shape so far; the
    shorter last batch of an epoch is a view into the same block.

    Parameters
    ----------
    dtype : dtype
        Of every array.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self._blocks = {}
        self._views = {}

    def __call__(self, name, shape, order="C"):
        """Array of this name and shape, with the contents that were last left in it.

        Parameters
        ----------
        name : hashable
        shape : tuple of int
        order : {"C", "F"}, default="C"
            Memory order of the last two axes. In a (neurons, samples) array of order
            "F", the neurons of a sample are contiguous.

        Returns
        -------
        ndarray of shape ``shape``
        """
        key = (name, shape, order)
        try:
            return self._views[key]
        except KeyError:
            return self._views.setdefault(key, self._view(name, shape, order))

    def _view(self, name, shape, order):
        size = math.prod(shape)
        if name not in self._blocks or self._blocks[name].size < size:
            self._blocks[name] = aligned(size, self.dtype)
            # A view into the block that was just replaced would keep it alive.
            self._views.clear()
        block = self._blocks[name][:size]
        if order == "C":
            return block.reshape(shape)
        *networks, rows, columns = shape
        return block.reshape(*networks, columns, rows).mT
