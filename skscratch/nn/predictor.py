"""Prediction: the forward pass over many samples, a chunk at a time."""

import math

import numpy as np
from scipy.sparse import issparse

from skscratch.backends.buffered import PredictionOperations
from skscratch.backends.compiled import compiled_forward
from skscratch.backends.linalg import norm
from skscratch.backends.operations import ALLOCATING
from skscratch.nn.activations import resolve_activation

__all__ = [
    "SMALL_INPUT",
    "WORTH_LOADING",
    "Predictor",
    "largest_norm",
    "may_overflow",
]

# Elements of a layer's output that are computed at a time: few enough to stay in a
# core's cache, in chunks of enough rows that cores seldom wait for each other. Buffers
# are not worth their making for a small input.
CHUNK_ELEMENTS = 2**19
MIN_CHUNK_ROWS = 256
SMALL_INPUT = 32

# Multiplications from which compiled loops are worth their arrays, and from which they
# are worth loading in a new process.
WORTH_COMPILED = 10**7
WORTH_LOADING = 2 * 10**9


class Predictor:
    """Raw outputs of a network for rows of samples.

    Writes to nothing shared, so that many threads may predict with one network.

    Parameters
    ----------
    network : Network
        Of a ``Stack``, raw outputs are those of the networks' mean prediction.
    temperature : float, default=1.0
        What raw outputs are divided by: see ``training.calibration``.
    backend : {"numpy", "compiled"}, default="numpy"
        Compiled loops compute large inputs only.
    """

    def __init__(self, network, temperature=1.0, backend="numpy"):
        self.network, self.temperature = network, temperature
        self.backend = backend

    def raw_outputs(self, X, rows=None, finish=None):
        """Raw outputs, or what ``finish`` makes of them.

        Parameters
        ----------
        X : {ndarray, sparse array} of shape (n_samples, n_features)
            Or an object that reads its rows from elsewhere: it has a ``shape``, gives
            slices from the first row on, and ``most_rows`` is the most that it gives
            at a time.
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
        n_rows, outputs = _rows_of_chunk(network), None
        n_rows = min(n_rows, getattr(X, "most_rows", n_rows))
        forward = self._compiled_forward(X, n_samples)
        if forward is None:
            operations = PredictionOperations(network.dtype)
        for start in range(0, n_samples, n_rows):
            chunk = slice(start, start + n_rows)
            taken = X[chunk if rows is None else rows[chunk]]
            if forward is None:
                Z = self._of_batch(taken.T, operations)
            else:
                Z = self._averaged(forward(taken))
            finished = finish(Z).T
            if outputs is None:
                outputs = np.empty((n_samples, finished.shape[1]), finished.dtype)
            outputs[chunk] = finished
        return outputs

    def _of_batch(self, A1, operations):
        return self._averaged(self.network.forward(A1, operations=operations))

    def _averaged(self, Z):
        if self.temperature != 1:
            Z = Z / self.temperature
        return self.network.average_members(Z)

    def _compiled_forward(self, X, n_samples):
        """Forward pass of compiled loops, or None where NumPy's serves."""
        network = self.network
        work = n_samples * network.parameters.size
        if self.backend != "compiled" or work < WORTH_COMPILED or issparse(X):
            return None
        activations = [resolve_activation(layer.activation) for layer in network.layers]
        n_rows = min(n_samples, _rows_of_chunk(network))
        return compiled_forward(network, activations, n_rows)


def _rows_of_chunk(network):
    return max(CHUNK_ELEMENTS // network.width, MIN_CHUNK_ROWS)


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
