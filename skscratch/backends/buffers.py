"""What makes a training step fast: arrays used again, and passes that NumPy lacks.

The mathematics asks for room with ``buffers(name, shape)`` and hands what it gets to
NumPy as ``out``. ``FRESH`` answers None, and NumPy allocates as it always does: the
article's program runs the same lines as training.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.linalg.blas import daxpy, dnrm2, saxpy, snrm2

__all__ = [
    "FRESH",
    "Buffers",
    "add_scaled",
    "aligned",
    "norm",
    "product",
    "product_transposed",
    "row_sums",
]

# OpenBLAS adds longer vectors on several threads, those of scipy's own copy of it,
# which have to wait for a core while the threads of NumPy's copy still hold theirs.
_ONE_THREAD = 10_000

# OpenBLAS makes products of so many multiplications, 2 · 4 · 65,536, on two threads. Up
# to about so many, that takes longer than on one: each thread waits for the other, and
# leaves half of the result in its own core's cache, away from what comes next.
_TWO_THREADS = 524_288
_WORTH_THREADS = 3_000_000

# Pieces of fewer columns are read faster than multiplied: better whole, on all threads.
_NARROW = 8

# Bytes that a core moves between memory and its cache at once, and the widest of its
# registers: numbers that straddle two such lines take two accesses.
_CACHE_LINE = 64

_AXPY = {np.dtype(np.float32): saxpy, np.dtype(np.float64): daxpy}
_NORM = {np.dtype(np.float32): snrm2, np.dtype(np.float64): dnrm2}


def aligned(shape, dtype):
    """Make an array of zeros that begins where a line of the cache does.

    NumPy's own begin anywhere, large ones 16 bytes behind such a place, and to read two
    of them and write a third takes twice as long.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype

    Returns
    -------
    ndarray of shape ``shape``
    """
    n_bytes = math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
    room = np.empty(n_bytes + _CACHE_LINE, np.uint8)
    start = -room.ctypes.data % _CACHE_LINE
    array = room[start : start + n_bytes].view(dtype).reshape(shape)
    array.fill(0)
    return array


def add_scaled(y, x, factor):
    """``y += factor · x`` in one pass and without a temporary, which NumPy lacks.

    Parameters
    ----------
    y, x : ndarray of shape (n,)
        Contiguous, both of float32 or both of float64.
    factor : float
    """
    axpy, size = _AXPY[y.dtype], len(y)
    if size <= _ONE_THREAD:
        axpy(x, y, size, factor)
        return
    for start in range(0, size, _ONE_THREAD):
        axpy(x, y, min(_ONE_THREAD, size - start), factor, start, 1, start)


def norm(x):
    """Euclidean norm in one pass, also where the squares would overflow.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Contiguous, of float32 or float64, one number at least.
    """
    return _NORM[x.dtype](x)


def row_sums(x, out=None):
    """``sum(x, axis=-1, keepdims=True)``, in half of the time: as a product.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    out : ndarray of shape (..., n_rows, 1), default=None
        None means a new array.

    Returns
    -------
    ndarray of shape (..., n_rows, 1)
    """
    return np.matmul(x, _ones(x.shape[-1], x.dtype), out=out)


def product(W, A1, out):
    """``W A1`` for a dense or a sparse ``A1``, which stays sparse.

    Parameters
    ----------
    W : ndarray of shape (..., n_rows, n)
    A1 : {ndarray, sparse array} of shape (..., n, n_columns)
    out : ndarray of shape (..., n_rows, n_columns) or None
        None means a new array; so does a sparse ``A1``.

    Returns
    -------
    ndarray of shape (..., n_rows, n_columns)
    """
    if not isinstance(A1, np.ndarray):
        return _product_of_sparse(A1.T, W)
    if W.shape[-1] == 1:
        # An outer product, which matmul takes more than twice as long for.
        return np.multiply(W, A1, out=out)
    return _matmul(W, A1, out)


def product_transposed(dZ, A1, out):
    """``dZ A1ᵀ`` for a dense or a sparse ``A1``.

    Parameters
    ----------
    dZ : ndarray of shape (..., n_rows, n)
    A1 : {ndarray, sparse array} of shape (..., n_columns, n)
    out : ndarray of shape (..., n_rows, n_columns) or None
        None means a new array.

    Returns
    -------
    ndarray of shape (..., n_rows, n_columns)
    """
    if isinstance(A1, np.ndarray):
        return _matmul(dZ, A1.mT, out)
    dW = _product_of_sparse(A1, dZ)
    if out is None:
        return dW
    np.copyto(out, dW)
    return out


def _matmul(x, y, out):
    """``x @ y``, in pieces of one thread each where two would not pay.

    Pieces are of columns, equal but for the last, and known by the shapes alone: the
    number of threads that BLAS has is the whole process's, and stays as it is.
    """
    n_columns = y.shape[-1]
    work = x.shape[-2] * x.shape[-1] * n_columns
    n_pieces = work // _TWO_THREADS + 1
    width = n_columns // n_pieces
    is_cut = n_pieces > 1 and work < _WORTH_THREADS and width >= _NARROW
    if out is None or not is_cut:
        return np.matmul(x, y, out=out)
    whole = n_pieces * width

    def pieces(array):
        cut = array[..., :whole].reshape(*array.shape[:-1], n_pieces, width)
        return cut.swapaxes(-3, -2)

    np.matmul(x[..., np.newaxis, :, :], pieces(y), out=pieces(out))
    if whole < n_columns:
        np.matmul(x, y[..., whole:], out=out[..., whole:])
    return out


def _product_of_sparse(sparse, dense):
    """``dense @ sparse.T``, where ``dense`` may have a leading axis of networks."""
    product = sparse @ dense.reshape(-1, dense.shape[-1]).T
    return np.moveaxis(product.reshape(-1, *dense.shape[:-1]), 0, -1)


@lru_cache(maxsize=32)
def _ones(n, dtype):
    """Column of ones, which nobody can write into."""
    ones = aligned((n, 1), dtype)
    ones.fill(1)
    ones.flags.writeable = False
    return ones


def FRESH(name, shape, order="C"):
    """No buffer at all: NumPy allocates a new array."""
    return None


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
        """Array of this name and shape; what it holds is whatever was last in it.

        Parameters
        ----------
        name : str
        shape : tuple of int
        order : {"C", "F"}, default="C"
            Memory order of the last two axes. Of a (neurons, samples) array, "F"
            keeps a sample's neurons together.

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
