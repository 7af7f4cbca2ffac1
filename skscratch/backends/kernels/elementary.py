"""Exponentials as polynomials, which are computed for several numbers at a time.

Numba's own call the C library, number by number. ``exp``, ``expm1``, ``log1p``,
``logistic`` and ``tanh`` are at most two units in the last place off for every number
of float32, and 2.2 in samples of float64; ``tanh_softplus`` is 3.2 off.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from skscratch.backends.kernels.decorators import elementwise

__all__ = [
    "exp",
    "expm1",
    "log1p",
    "logistic",
    "normal",
    "tanh",
    "tanh_softplus",
]


@intrinsic
def _float32_of_bits(typing_context, bits):
    """Return the number that these 32 bits encode."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _float64_of_bits(typing_context, bits):
    """Return the number that these 64 bits encode."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@elementwise
def _power_of_two_32(n):
    return _float32_of_bits((n + np.int32(127)) << np.int32(23))


@elementwise
def _power_of_two_64(n):
    return _float64_of_bits((n + np.int64(1023)) << np.int64(52))


@elementwise
def _reduced_32(x):
    """Split ``x = n log 2 + r`` with ``|r| ≤ log(2) / 2``, and expand ``exp(r) - 1``.

    Returns ``n`` and the value of the Taylor series. The first part of log 2 has few
    digits, so that ``n`` times it is exact.
    """
    n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    r = (x - n * np.float32(0.693359375)) + n * np.float32(2.1219444005469057e-4)
    series = np.float32(1 / 5040)
    series = series * r + np.float32(1 / 720)
    series = series * r + np.float32(1 / 120)
    series = series * r + np.float32(1 / 24)
    series = series * r + np.float32(1 / 6)
    series = series * r + np.float32(1 / 2)
    return np.int32(n), series * (r * r) + r


@elementwise
def _reduced_64(x):
    """As ``_reduced_32``, with more terms."""
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10
    series = 1 / 6227020800
    series = series * r + 1 / 479001600
    series = series * r + 1 / 39916800
    series = series * r + 1 / 3628800
    series = series * r + 1 / 362880
    series = series * r + 1 / 40320
    series = series * r + 1 / 5040
    series = series * r + 1 / 720
    series = series * r + 1 / 120
    series = series * r + 1 / 24
    series = series * r + 1 / 6
    series = series * r + 1 / 2
    return np.int64(n), series * (r * r) + r


@elementwise
def _exp_32(x):
    # Not by min and max: they need not return nan for nan.
    x = np.float32(-104) if x < np.float32(-104) else x
    x = np.float32(89) if x > np.float32(89) else x
    n, series = _reduced_32(x)
    half = n >> np.int32(1)
    # Two factors, as 2ⁿ alone may overflow where the result does not.
    series = (series + np.float32(1)) * _power_of_two_32(half)
    return series * _power_of_two_32(n - half)


@elementwise
def _exp_64(x):
    x = -746.0 if x < -746 else x
    x = 710.0 if x > 710 else x
    n, series = _reduced_64(x)
    half = n >> np.int64(1)
    series = (series + 1) * _power_of_two_64(half)
    return series * _power_of_two_64(n - half)


@elementwise
def _expm1_32(x):
    x = np.float32(-104) if x < np.float32(-104) else x
    n, series = _reduced_32(x)
    power = _power_of_two_32(max(n, np.int32(-126)))
    return series * power + (power - np.float32(1))


@elementwise
def _expm1_64(x):
    x = -746.0 if x < -746 else x
    n, series = _reduced_64(x)
    power = _power_of_two_64(max(n, np.int64(-1022)))
    return series * power + (power - 1)


@elementwise
def _log1p_32(x):
    s = x / (np.float32(2) + x)
    square = s * s
    series = np.float32(2 / 15)
    series = series * square + np.float32(2 / 13)
    series = series * square + np.float32(2 / 11)
    series = series * square + np.float32(2 / 9)
    series = series * square + np.float32(2 / 7)
    series = series * square + np.float32(2 / 5)
    series = series * square + np.float32(2 / 3)
    return series * (square * s) + (s + s)


@elementwise
def _log1p_64(x):
    s = x / (2 + x)
    square = s * s
    series = 2 / 33
    series = series * square + 2 / 31
    series = series * square + 2 / 29
    series = series * square + 2 / 27
    series = series * square + 2 / 25
    series = series * square + 2 / 23
    series = series * square + 2 / 21
    series = series * square + 2 / 19
    series = series * square + 2 / 17
    series = series * square + 2 / 15
    series = series * square + 2 / 13
    series = series * square + 2 / 11
    series = series * square + 2 / 9
    series = series * square + 2 / 7
    series = series * square + 2 / 5
    series = series * square + 2 / 3
    return series * (square * s) + (s + s)


def exp(x):
    """Exponential of a number.

    Parameters
    ----------
    x : float
    """
    raise NotImplementedError("This is for compiled functions.")


def expm1(x):
    """``exp(x) - 1``, accurate near 0.

    Parameters
    ----------
    x : float
        0 or less.
    """
    raise NotImplementedError("This is for compiled functions.")


def log1p(x):
    """``log(1 + x)``, accurate near 0.

    It is ``2 artanh(s)`` with ``s = x / (2 + x)``, whose Taylor series has odd powers.

    Parameters
    ----------
    x : float
        From 0 to 1.
    """
    raise NotImplementedError("This is for compiled functions.")


def like(number, value):
    """Return a constant in the type of a number.

    Python's numbers are of float64, and would turn all that they meet into it.
    """
    raise NotImplementedError("This is for compiled functions.")


@overload(exp)
def _exp(x):
    return (lambda x: _exp_32(x)) if x == types.float32 else (lambda x: _exp_64(x))


@overload(expm1)
def _expm1(x):
    return (lambda x: _expm1_32(x)) if x == types.float32 else (lambda x: _expm1_64(x))


@overload(log1p)
def _log1p(x):
    return (lambda x: _log1p_32(x)) if x == types.float32 else (lambda x: _log1p_64(x))


@overload(like)
def _like(number, value):
    if number == types.float32:
        return lambda number, value: np.float32(value)
    return lambda number, value: np.float64(value)


@elementwise
def logistic(z):
    """Logistic sigmoid ``1 / (1 + exp(-z))``."""
    one = like(z, 1)
    e = exp(-abs(z))
    s = one / (one + e)
    # e s, with a smaller error.
    return s if z >= 0 else e - e * (e * s)


@elementwise
def tanh(z):
    """Hyperbolic tangent: ``-h / (1 + h)`` for ``z > 0``, with ``2 h = exp(-2 z) - 1``.

    It is a small correction of ``-h``, or, as ``h`` nears -1/2, of 1.
    """
    one = like(z, 1)
    e = expm1(-abs(z + z))
    h = e * like(z, 0.5)
    near_0 = h * (h / (one + h)) - h
    near_1 = one - (one + e) / (one + h)
    return math.copysign(near_0 if h > like(z, -0.4) else near_1, z)


@elementwise
def tanh_softplus(z):
    """``tanh(log(1 + eᶻ)) = e / (e + 2)``, with ``e = eᶻ (eᶻ + 2)``.

    From 20 on it is 1 in every precision.
    """
    two, far = like(z, 2), like(z, 20)
    # Written so that nan stays.
    e = exp(far if z > far else z)
    e *= e + two
    return e / (e + two)


@elementwise
def normal(z):
    """Distribution function of the normal distribution.

    In float64: far from 0, the last digit of its argument counts a hundred times.
    """
    return like(z, 0.5 * math.erfc(-np.float64(z) * math.sqrt(0.5)))
