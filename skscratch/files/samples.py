"""Samples in files that stand in the place of an array where it is read in order."""

import contextlib

import numpy as np

from skscratch.estimators.monitor import user_code

__all__ = ["FileSamples"]

# Memory of a slice, and its least number of rows.
SLICE_BYTES, LEAST_SLICE_ROWS = 2**23, 256


class FileSamples:
    """Rows of files as a matrix that gives slices, from the first on.

    Parameters
    ----------
    layout : Layout
    blocks : list of Block
    identity : object, default=None
        What stands for the rows in the fingerprint of a training.
    is_in_training : bool, default=False
        Whether errors of reading end a training that keeps its finished epochs.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    most_rows : int
        Most rows of a slice, so that memory is bounded.
    """

    def __init__(self, layout, blocks, identity=None, is_in_training=False):
        self.layout, self.blocks, self.dtype = layout, blocks, np.dtype(layout.dtype)
        self.shape = (sum(b.n_rows for b in blocks), len(layout.features))
        n_bytes = self.shape[1] * self.dtype.itemsize
        self.most_rows = max(LEAST_SLICE_ROWS, SLICE_BYTES // n_bytes)
        self._identity = identity
        self._context = user_code if is_in_training else contextlib.nullcontext
        self._next, self._pieces, self._rest = 0, iter(()), None

    def __getitem__(self, rows):
        """Rows of a slice that begins where the last one ended, or at 0.

        Parameters
        ----------
        rows : slice

        Returns
        -------
        ndarray of shape (n_rows, n_features)
        """
        start, stop, _ = rows.indices(self.shape[0])
        if start != self._next:
            self._next, self._pieces, self._rest = start, self._read(start), None
        elif not start:
            self._pieces, self._rest = self._read(0), None
        X, n_rows = np.empty((stop - start, self.shape[1]), self.dtype), 0
        while n_rows < len(X):
            piece = self._rest
            if piece is None:
                with self._context():
                    piece = next(self._pieces)
            n_taken = min(len(piece), len(X) - n_rows)
            X[n_rows : n_rows + n_taken] = piece[:n_taken]
            self._rest = piece[n_taken:] if n_taken < len(piece) else None
            n_rows += n_taken
        self._next = stop
        return X

    def _read(self, start):
        for block in self.blocks:
            for rows in self.layout.read(block):
                if start < len(rows):
                    yield rows.X[start:]
                start = max(0, start - len(rows))

    def __reduce__(self):
        """Describe the rows to a hash; there is nothing to load again."""
        return (tuple, (self._identity,))
