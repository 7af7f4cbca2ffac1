"""Prediction: the forward pass over many samples, a chunk at a time."""

import math

import numpy as np
from scipy.sparse import issparse

from skscratch.backends.buffered import PredictionOperations
from skscratch.backends.linalg import norm
from skscratch.backends.operations import ALLOCATING

__all__ = ["Predictor", "largest_norm", "may_overflow"]

# Elements of a layer's output that are computed at a time: few enough to stay in a
# core's cache, in chunks of enough rows that cores seldom wait for each other. Buffers
# are not worth their making for a small input.
CHUNK_ELEMENTS = 2**19
MIN_CHUNK_ROWS = 256
SMALL_INPUT = 32


class Predictor:
    """Raw outputs of a network for rows of samples.

    Writes to nothing shared, so that many threads may predict with one network.

    Parameters
    ----------
    network : Network
        Of a ``Stack``, raw outputs are those of the networks' mean prediction.
    temperature : float, default=1.0
        What raw outputs are divided by: see ``training.calibration``.
    """

    def __init__(self, network, temperature=1.0):
        self.network, self.temperature = network, temperature

    def raw_outputs(self, X, rows=None, finish=None):
        """Raw outputs, or what ``finish`` makes of them.

        Parameters
        ----------
        X : {ndarray, sparse array} of shape (n_samples, n_features)
        rows : ndarray of int, default=None
            Rows to predict; None means all of them.
        finish : callable, default=None
            Computes predictions of a chunk's raw outputs, both of shape (n_outputs,
            n_samples).

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        network, finish = self.network, finish or np.asarray
        n_samples = X.shape[0] if rows is None else len(rows)
        if rows is None and n_samples <= SMALL_INPUT:
            return finish(self._of_batch(X.T, ALLOCATING)).T
        if issparse(X):
            X = X.tocsr()
        n_rows = max(CHUNK_ELEMENTS // network.width, MIN_CHUNK_ROWS)
        operations, outputs = PredictionOperations(network.dtype), None
        for start in range(0, n_samples, n_rows):
            chunk = slice(start, start + n_rows)
            taken = X[chunk if rows is None else rows[chunk]]
            finished = finish(self._of_batch(taken.T, operations)).T
            if outputs is None:
                outputs = np.empty((n_samples, finished.shape[1]), finished.dtype)
            outputs[chunk] = finished
        return outputs

    def _of_batch(self, A1, operations):
        Z = self.network.forward(A1, operations=operations)
        if self.temperature != 1:
            Z = Z / self.temperature
        return self.network.average_members(Z)


def largest_norm(X):
    """Upper bound on the norm of a sample.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)

    Returns
    -------
    float
    """
    values = X.data if issparse(X) else X
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    return math.sqrt(X.shape[1]) * largest


def may_overflow(network, input_norm):
    """Return whether predictions may be too large for the network's dtype.

    Parameters
    ----------
    network : Network
    input_norm : float
        Upper bound on the norm of a sample.

    Returns
    -------
    bool
        False only if a bound says that they are not: none of the library's activations
        more than doubles a number above 1, and an output other than "exp" is no larger
        than its input.
    """
    # log(2 · (norm · (bound + 1))) for each layer.
    growth = math.log(2 * norm(network.parameters) + 1)
    bound = math.log1p(input_norm) + len(network.layers) * (growth + math.log(2))
    most = math.log(np.finfo(network.dtype).max)
    return not bound < (math.log(most) if network.output == "exp" else most)
