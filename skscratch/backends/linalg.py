"""Linear algebra that NumPy lacks, or has no fast form of.

Products are cut into pieces where that is faster, sums over rows are products, and two
passes over vectors come from BLAS. Nothing here keeps any memory but columns of ones.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.linalg.blas import daxpy, dnrm2, saxpy, snrm2

__all__ = [
    "WORTH_THREADS",
    "add_scaled",
    "aligned",
    "matmul_calls",
    "norm",
    "ones",
    "product",
    "product_calls",
    "product_transposed",
    "row_sums",
    "sparse_product",
    "squared_norms",
    "width_of_pieces",
]

# OpenBLAS adds and multiplies longer vectors on several threads. Those of SciPy's copy
# of it have to wait for a core while the threads of NumPy's copy still hold theirs, and
# both wait for other processes: beside one on each core, fits took twice as long.
_ONE_THREAD = 10_000

# OpenBLAS computes products of at least 2 · 4 · 65,536 multiplications on two threads.
# Up to WORTH_THREADS, that gains little or nothing: each thread waits for the other,
# and leaves half of the result in its own core's cache, away from what comes next. And
# beside other processes, two threads take twice as long as one, or more.
TWO_THREADS = 524_288
WORTH_THREADS = 8_000_000

# Pieces have a multiple of this many columns, which is what BLAS multiplies at a time.
# With fewer, reading a piece takes longer than multiplying it: such products stay
# whole, on all threads.
NARROW = 8

# Bytes of a cache line, and of the widest register: numbers that straddle two lines
# take two accesses.
_CACHE_LINE = 64

_AXPY = {np.dtype(np.float32): saxpy, np.dtype(np.float64): daxpy}
_NORM = {np.dtype(np.float32): snrm2, np.dtype(np.float64): dnrm2}


def aligned(shape, dtype):
    """Make an array of zeros that begins at a cache line.

    NumPy's own arrays begin anywhere, large ones 16 bytes after such an address, and
    reading two of them and writing a third takes twice as long.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype

    Returns
    -------
    ndarray of shape ``shape``
    """
    n_bytes = math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    array = memory[start : start + n_bytes].view(dtype).reshape(shape)
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


def squared_norms(x):
    """``sum(x²)`` over the last axis, on one thread.

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Contiguous along the last axis.

    Returns
    -------
    ndarray of shape (...)
    """
    n = x.shape[-1]
    if n <= _ONE_THREAD:
        return np.vecdot(x, x)
    whole = n // _ONE_THREAD * _ONE_THREAD
    pieces = x[..., :whole].reshape(*x.shape[:-1], -1, _ONE_THREAD)
    rest = x[..., whole:]
    return np.vecdot(pieces, pieces).sum(axis=-1) + np.vecdot(rest, rest)


def row_sums(x, out=None):
    """``sum(x, axis=-1, keepdims=True)``, as a product, which takes half the time.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    out : ndarray of shape (..., n_rows, 1), default=None
        None allocates a new array.

    Returns
    -------
    ndarray of shape (..., n_rows, 1)
    """
    return np.matmul(x, ones(x.shape[-1], x.dtype), out=out)


def product(x, y, out=None):
    """``x @ y`` for a dense or a sparse ``y``; the result is dense.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    y : {ndarray, sparse array} of shape (..., n, n_columns)
    out : ndarray of shape (..., n_rows, n_columns), default=None
        None allocates a new array; a sparse ``y`` ignores it.

    Returns
    -------
    ndarray of shape (..., n_rows, n_columns)
    """
    if not isinstance(y, np.ndarray):
        return sparse_product(x, y)
    if out is None:
        return np.multiply(x, y) if _is_outer(x) else np.matmul(x, y)
    return _made(product_calls(x, y, out), out)


def product_transposed(x, y, out=None):
    """``x @ y.T`` for a dense or a sparse ``y``; the result is dense.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    y : {ndarray, sparse array} of shape (..., n_columns, n)
    out : ndarray of shape (..., n_rows, n_columns), default=None
        None allocates a new array.

    Returns
    -------
    ndarray of shape (..., n_rows, n_columns)
    """
    if isinstance(y, np.ndarray):
        if out is None:
            return np.matmul(x, y.mT)
        return _made(matmul_calls(x, y.mT, out), out)
    result = sparse_product(x, y.T)
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _made(calls, out):
    for function, *arguments in calls:
        function(*arguments)
    return out


def sparse_product(x, y):
    """``x @ y`` for a sparse ``y``; the result is dense.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    y : sparse array of shape (n, n_columns)

    Returns
    -------
    ndarray of shape (..., n_rows, n_columns)
    """
    result = y.T @ x.reshape(-1, x.shape[-1]).T
    return np.moveaxis(result.reshape(-1, *x.shape[:-1]), 0, -1)


def product_calls(x, y, out):
    """List the calls of NumPy that write ``x @ y`` into ``out``.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    y : ndarray of shape (..., n, n_columns)
    out : ndarray of shape (..., n_rows, n_columns)

    Returns
    -------
    list of tuple
        A function and its three arguments each: two operands and the output.
    """
    if _is_outer(x):
        return [(np.multiply, x, y, out)]
    return matmul_calls(x, y, out)


def width_of_pieces(work_of_column, n_columns):
    """Number of columns that a product is cut into, or all of them.

    Parameters
    ----------
    work_of_column : int
        Number of multiplications for a column.
    n_columns : int
        One or more.

    Returns
    -------
    int
    """
    work = work_of_column * n_columns
    width = (TWO_THREADS - 1) // work_of_column // NARROW * NARROW
    is_cut = TWO_THREADS <= work < WORTH_THREADS and width >= NARROW
    return width if is_cut else n_columns


def _is_outer(x):
    """Whether a product is an outer one, for which matmul takes twice as long."""
    return x.shape[-1] == 1


def matmul_calls(x, y, out):
    """As ``product_calls``, by ``matmul`` alone, in pieces where that is faster.

    Parameters
    ----------
    x : ndarray of shape (..., n_rows, n)
    y : ndarray of shape (..., n, n_columns)
    out : ndarray of shape (..., n_rows, n_columns)

    Returns
    -------
    list of tuple

    Notes
    -----
    Pieces are of columns, equal but for the last. They depend on shapes alone, and the
    number of threads of BLAS, which belongs to the whole process, stays as it is.
    """
    n_columns = y.shape[-1]
    work_of_column = x.shape[-2] * x.shape[-1]
    width = width_of_pieces(work_of_column, n_columns)
    if width == n_columns:
        return [(np.matmul, x, y, out)]
    n_pieces = n_columns // width
    whole = n_pieces * width

    def pieces(array):
        cut = array[..., :whole].reshape(*array.shape[:-1], n_pieces, width)
        return cut.swapaxes(-3, -2)

    calls = [(np.matmul, x[..., np.newaxis, :, :], pieces(y), pieces(out))]
    if whole < n_columns:
        calls.append((np.matmul, x, y[..., whole:], out[..., whole:]))
    return calls


@lru_cache(maxsize=32)
def ones(n, dtype):
    """Read-only column of ones, (n, 1).

    Parameters
    ----------
    n : int
    dtype : dtype

    Returns
    -------
    ndarray of shape (n, 1)
    """
    column = aligned((n, 1), dtype)
    column.fill(1)
    column.flags.writeable = False
    return column
