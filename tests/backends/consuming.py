"""Operations that take their permission to consume arguments at its word."""

import numpy as np

from skscratch.backends.operations import Operations


class ConsumingOperations(Operations):
    """NumPy, with nan in every argument that an operation may consume.

    Results are copies, so that none is lost with what it was computed from.
    """

    def dense(self, key, W, b, A1, f, mask=None):
        Z, A, output = super().dense(key, W, b, A1, f, mask)
        A, output = A.copy(), output.copy()
        if not f.needs_Z:
            Z = np.full_like(Z, np.nan)
        if mask is None:
            output = A
        return Z, A, output

    def back(self, key, dA, Z, A, f, mask=None):
        dZ = super().back(key, dA, Z, A, f, mask).copy()
        for consumed in (dA, Z, A):
            consumed.fill(np.nan)
        return dZ

    def input_gradient(self, key, W, dZ):
        dA1 = super().input_gradient(key, W, dZ).copy()
        dZ.fill(np.nan)
        return dA1

    def loss(self, loss, Z, Y, weights, total):
        loss_sum, dA = super().loss(loss, Z, Y, weights, total)
        return loss_sum, dA.copy()
