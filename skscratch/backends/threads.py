"""Limits of one thread for the BLAS of SciPy, or of NumPy.

The wheels of NumPy and SciPy each contain a BLAS, and each BLAS keeps one thread per
core, which busily waits for a while after it has worked. When calls of the two
alternate, as L-BFGS (SciPy) and the cost that it minimizes (NumPy) do, the waiting
threads of one occupy the cores that the other needs: without the limit, fits took 2.5
to 4 times as long on two cores.

When several threads of ours multiply matrices side by side, each product needs but one.
"""

import contextlib
import os
import threading
from functools import cache

import scipy
from threadpoolctl import ThreadpoolController

__all__ = [
    "at_most_threads",
    "blas_in",
    "one_scipy_thread",
    "one_thread",
    "set_threads",
]


def one_scipy_thread():
    """Context in which SciPy's BLAS has one thread, and NumPy's is unchanged.

    If NumPy and SciPy share a BLAS, nothing is changed. See ``set_threads``.
    """
    return one_thread(scipy)


def one_thread(package):
    """Context in which the BLAS in the wheel of a package has one thread.

    Parameters
    ----------
    package : module
        NumPy or SciPy.

    Returns
    -------
    context manager
    """
    return set_threads(package, 1)


def set_threads(package, n):
    """Context in which the BLAS in the wheel of a package has so many threads.

    Parameters
    ----------
    package : module
        NumPy or SciPy.
    n : int

    Returns
    -------
    context manager

    Notes
    -----
    The number of threads is a setting of the whole process. If contexts overlap, in
    one thread or in several, the first sets it and restores it, in its own thread, as
    threadpoolctl requires; the others change nothing, and are slower at worst.
    """
    blas = blas_in(package)
    others = [p["filepath"] for p in blas.info() if p["num_threads"] != n]
    return _limited(blas, others, n, _lock_of(package))


def at_most_threads(n):
    """Context in which each BLAS that is loaded has at most so many threads.

    For tasks that run beside others, in processes whose threads nobody else has
    limited. A lower number stands. If contexts overlap, see ``set_threads``.

    Parameters
    ----------
    n : int

    Returns
    -------
    context manager
    """
    blas = ThreadpoolController().select(user_api="blas")
    others = [p["filepath"] for p in blas.info() if p["num_threads"] > n]
    return _limited(blas, others, n, _lock_of("every package"))


@contextlib.contextmanager
def _limited(blas, paths, n, is_limited):
    """Context in which some libraries have ``n`` threads, where it gets the lock."""
    if not paths or not is_limited.acquire(blocking=False):
        yield
        return
    try:
        with blas.select(filepath=paths).limit(limits=n):
            yield
    finally:
        is_limited.release()


@cache
def _lock_of(limited):
    """Lock that is held while the BLAS of a package, or each of them, is limited."""
    return threading.Lock()


@cache
def blas_in(package):
    """Controller of the BLAS in the wheel of a package, if it contains one.

    Parameters
    ----------
    package : module
        NumPy or SciPy.

    Returns
    -------
    ThreadpoolController
    """
    # Next to the package ("scipy.libs") or inside it ("scipy/.dylibs").
    home = os.path.realpath(os.path.dirname(package.__file__))
    pools = ThreadpoolController()
    paths = [pool["filepath"] for pool in pools.info()]
    return pools.select(
        filepath=[path for path in paths if os.path.realpath(path).startswith(home)]
    )
