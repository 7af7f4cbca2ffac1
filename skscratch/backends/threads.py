"""A limit of one thread for SciPy's BLAS while NumPy's BLAS does most of the work.

The wheels of NumPy and SciPy each contain a BLAS, and each BLAS keeps one thread per
core, which busily waits for a while after it has worked. When calls of the two
alternate, as L-BFGS (SciPy) and the cost that it minimizes (NumPy) do, the waiting
threads of one occupy the cores that the other needs: without the limit, fits took 2.5
to 4 times as long on two cores.
"""

import contextlib
import os
import threading
from functools import cache

import scipy
from threadpoolctl import ThreadpoolController

__all__ = ["one_scipy_thread"]

_LIMITED = threading.Lock()


@contextlib.contextmanager
def one_scipy_thread():
    """Context in which SciPy's BLAS has one thread, and NumPy's is unchanged.

    The number of threads is a setting of the whole process. If contexts overlap, in
    one thread or in several, the first sets it and restores it, in its own thread, as
    threadpoolctl requires; the others change nothing, and are slower at worst. If NumPy
    and SciPy share a BLAS, nothing is changed either.
    """
    blas = _scipys_blas()
    has_one = all(pool["num_threads"] == 1 for pool in blas.info())
    if has_one or not _LIMITED.acquire(blocking=False):
        yield
        return
    try:
        with blas.limit(limits=1):
            yield
    finally:
        _LIMITED.release()


@cache
def _scipys_blas():
    """Controller of the BLAS in SciPy's wheel, if it contains one."""
    # Next to the package ("scipy.libs") or inside it ("scipy/.dylibs").
    home = os.path.realpath(os.path.dirname(scipy.__file__))
    pools = ThreadpoolController()
    paths = [pool["filepath"] for pool in pools.info()]
    return pools.select(
        filepath=[path for path in paths if os.path.realpath(path).startswith(home)]
    )
