"""One thread for SciPy's own BLAS, while something of SciPy's runs beside NumPy's.

NumPy and SciPy come with a BLAS of their own each, and each keeps a thread for every
core, which goes on waiting for work, at full speed, for a while after it had some.
Where calls of the two take turns, as L-BFGS (SciPy's) and the cost it minimises
(NumPy's) do, the waiting threads of one hold the cores that the other needs: fits took
2.5 to 4 times as long on two cores.
"""

import contextlib
import os
import threading
from functools import cache

import scipy
from threadpoolctl import ThreadpoolController

__all__ = ["one_scipy_thread"]

_HELD = threading.Lock()


@contextlib.contextmanager
def one_scipy_thread():
    """Context in which SciPy's BLAS has one thread, and NumPy's those it had.

    The number of threads belongs to the whole process. Of users that overlap, in one
    thread or in several, the first sets it and gives it back, in its own thread, as
    threadpoolctl demands; the others change nothing, and may run slower at worst.
    Where NumPy and SciPy share a BLAS, nothing is changed either.
    """
    blas = _scipys_blas()
    has_one = all(pool["num_threads"] == 1 for pool in blas.info())
    if has_one or not _HELD.acquire(blocking=False):
        yield
        return
    try:
        with blas.limit(limits=1):
            yield
    finally:
        _HELD.release()


@cache
def _scipys_blas():
    """Controller of the BLAS in SciPy's wheel, if that has one."""
    # Beside the package ("scipy.libs") or inside of it ("scipy/.dylibs").
    home = os.path.realpath(os.path.dirname(scipy.__file__))
    pools = ThreadpoolController()
    paths = [pool["filepath"] for pool in pools.info()]
    return pools.select(
        filepath=[path for path in paths if os.path.realpath(path).startswith(home)]
    )
