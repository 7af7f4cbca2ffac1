"""Formulas of several element-wise passes, evaluated a block of elements at a time."""

from typing import Any

import numpy as np

__all__ = ["by_blocks", "clip"]

# Elements of a block: few enough that all temporaries of a formula stay in a core's
# first cache.
_BLOCK = 4096


def by_blocks(formula, *operands, out=None):
    """Evaluate an element-wise formula of some arrays.

    The formula can be written as in a textbook: its temporaries are as small as a
    block, and so stay in the processor's cache.

    Parameters
    ----------
    formula : callable
        ``formula(*blocks)`` returns the result for one-dimensional blocks of the
        operands.
    *operands : ndarray
        All of one shape.
    out : ndarray, default=None
        Where the result is written; it may be an operand. None allocates a new array.

    Returns
    -------
    ndarray
    """
    out = np.empty_like(operands[0]) if out is None else out
    modes: list[Any] = [["readonly"]] * len(operands) + [["writeonly"]]
    blocks = np.nditer(
        [*operands, out],
        flags=["buffered", "external_loop", "zerosize_ok"],
        op_flags=modes,
        buffersize=_BLOCK,
    )
    with blocks:
        for *parts, result in blocks:
            result[...] = formula(*parts)
    return out


def _ufunc_of_clip():
    """Ufunc behind ``np.clip``, without the two Python functions around it.

    NumPy does not export it, so that a later version may hide it: then it is
    ``np.clip`` itself, which gives the same result.
    """
    ufunc = getattr(getattr(np, "_core", None), "umath", None)
    return getattr(ufunc, "clip", np.clip)


clip = _ufunc_of_clip()
"""``clip(Z, low, high, out)``: ``np.clip``, and with an infinite bound also the maximum
or minimum of ``Z`` and a number.

NumPy clips many numbers at a time, but compares them with a number one by one in
``np.maximum`` and ``np.minimum``, which takes up to three times as long. Where ``low``
or ``high`` is 0, the zero that comes of -0 may have the other sign.
"""
