"""How the functions of the kernels are compiled."""

from numba import njit

__all__ = ["elementwise", "entry", "summing"]

# Divisions follow IEEE 754, and not Python, which raises an error for zero: checking
# for it would cost most of the speed.
_IEEE = {"error_model": "numpy"}

elementwise = njit(fastmath={"contract"}, **_IEEE)
"""Compile loops that compute each number by itself.

A product and a sum may be rounded once; all else stays as it is written.
"""

summing = njit(fastmath={"contract", "reassoc"}, **_IEEE)
"""Compile loops that add up numbers: in any order, several at a time.

Infinity and nan keep their meaning. Not for elementary functions, whose accuracy
depends on the order of their sums.
"""


def entry(function):
    """Compile a function that Python calls, and keep its machine code in the cache.

    It releases the interpreter's lock, so that other threads work in the meantime.

    Parameters
    ----------
    function : callable

    Returns
    -------
    compiled function
    """
    try:
        return njit(nogil=True, cache=True, **_IEEE)(function)
    except RuntimeError:  # There is no folder to write to: each process compiles.
        return njit(nogil=True, **_IEEE)(function)
