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

__all__ = ["blas_in", "one_scipy_thread", "one_thread"]


def one_scipy_thread():
    """Context in which SciPy's BLAS has one thread, and NumPy's is unchanged.

    If NumPy and SciPy share a BLAS, nothing is changed. See ``one_thread``.
    """
    return one_thread(scipy)


@contextlib.contextmanager
def one_thread(package):
    """Context in which the BLAS in the wheel of a package has one thread.

    Parameters
    ----------
    package : module
        NumPy or SciPy.

    Notes
    -----
    The number of threads is a setting of the whole process. If contexts overlap, in
    one thread or in several, the first sets it and restores it, in its own thread, as
    threadpoolctl requires; the others change nothing, and are slower at worst.
    """
    blas, is_limited = blas_in(package), _lock_of(package)
    has_one = all(pool["num_threads"] == 1 for pool in blas.info())
    if has_one or not is_limited.acquire(blocking=False):
        yield
        return
    try:
        with blas.limit(limits=1):
            yield
    finally:
        is_limited.release()


@cache
def _lock_of(package):
    """Lock that is held while the BLAS of a package is limited."""
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
