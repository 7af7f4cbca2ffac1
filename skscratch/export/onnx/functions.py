"""Functions that ONNX, or its runtime on a CPU, lacks for some dtype.

Activations are written as in ``skscratch.nn.activations``. The normal distribution
function and its inverse are polynomials, fitted to SciPy's when a graph is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx, ndtri

from skscratch.backends.constants import FAR, LARGEST_SHARE, SELU_ALPHA, SELU_SCALE
from skscratch.export.onnx.graph import Value

__all__ = [
    "ACTIVATIONS",
    "arcsinh",
    "hypot1",
    "normal_quantile",
    "sigmoid",
    "sinh",
    "softplus",
]

# Of the polynomials: errors are below 3e-15 and, for the quantiles, 1e-9.
ERFCX_DEGREE, QUANTILE_DEGREE = 20, 18
# Smallest probability that a quantile is needed for.
SMALLEST_TAIL = 9e-8


def sigmoid(Z: Value) -> Value:
    """Logistic sigmoid, precise where it is small, unlike onnxruntime's in float32.

    Parameters
    ----------
    Z : Value

    Returns
    -------
    Value
    """
    return 1.0 / (1.0 + (-Z).exp())


def softplus(Z: Value) -> Value:
    """Softplus ``log(1 + exp(Z))``, without overflow.

    Parameters
    ----------
    Z : Value

    Returns
    -------
    Value
    """
    return Z.relu() + (1.0 + (-abs(Z)).exp()).log()


def sinh(x: Value) -> Value:
    """Hyperbolic sine.

    Parameters
    ----------
    x : Value

    Returns
    -------
    Value
    """
    return (x.exp() - (-x).exp()) / 2.0


def arcsinh(x: Value) -> Value:
    """Inverse hyperbolic sine.

    Parameters
    ----------
    x : Value

    Returns
    -------
    Value
    """
    return x.sign() * (abs(x) + hypot1(x)).log()


def hypot1(x: Value) -> Value:
    """``sqrt(1 + x²)``, without overflow.

    Parameters
    ----------
    x : Value

    Returns
    -------
    Value
    """
    largest = abs(x).maximum(1.0)
    share, one = x / largest, 1.0 / largest
    return largest * (share * share + one * one).sqrt()


def normal_cdf(z: Value) -> Value:
    """Standard normal distribution function Φ."""
    if z.dtype == np.float32:
        return 0.5 * (1.0 + (z / math.sqrt(2)).erf())
    # Φ(-z) = exp(-z²/2) erfcx(z / √2) / 2, and erfcx is smooth in (x - k) / (x + k).
    x = abs(z) / math.sqrt(2)
    share = (x - _KNEE) / (x + _KNEE)
    tail = 0.5 * (-(x * x)).exp() * _polynomial(_erfcx_powers(), share) / (1.0 + x)
    return (z < 0.0).where(tail, 1.0 - tail)


# Where the mapping of [0, infinity) to [-1, 1] has its center.
_KNEE = 3.75


@cache
def _erfcx_powers() -> Any:
    """Coefficients of ``(1 + x) erfcx(x)``, by powers of ``(x - k) / (x + k)``."""

    def scaled(share: Any) -> Any:
        share = np.minimum(share, 1 - 1e-12)
        x = _KNEE * (1 + share) / (1 - share)
        return (1 + x) * erfcx(x)

    return chebyshev.cheb2poly(chebyshev.chebinterpolate(scaled, ERFCX_DEGREE))


def normal_quantile(p: Value) -> Value:
    """Inverse of the standard normal distribution function.

    Parameters
    ----------
    p : Value
        Probabilities from 1e-7 to 1 - 1e-7.

    Returns
    -------
    Value
        Of float64, with errors below 1e-8.
    """
    p = p.astype(np.float64)
    tail = p.minimum(1.0 - p)
    low, high, powers = _quantile_powers()
    distance = (-2.0 * tail.log()).sqrt()
    share = (distance - (low + high) / 2) * (2 / (high - low))
    quantile = _polynomial(powers, share)
    return (p < 0.5).where(quantile, -quantile)


@cache
def _quantile_powers() -> tuple[float, float, Any]:
    """Range of ``t = sqrt(-2 log p)``, and coefficients of the quantile of ``p``."""
    low, high = math.sqrt(-2 * math.log(0.5)), math.sqrt(-2 * math.log(SMALLEST_TAIL))

    def scaled(share: Any) -> Any:
        t = (low + high) / 2 + (high - low) / 2 * share
        return ndtri(np.exp(-t * t / 2))

    return (
        low,
        high,
        chebyshev.cheb2poly(chebyshev.chebinterpolate(scaled, QUANTILE_DEGREE)),
    )


def _polynomial(powers: Any, x: Value) -> Value:
    """Value of a polynomial, by Horner's rule."""
    total = x * float(powers[-1]) + float(powers[-2])
    for power in powers[-3::-1]:
        total = total * x + float(power)
    return total


def _leaky_relu(Z: Value, slope: float) -> Value:
    return Z.maximum(Z * slope)


def _elu(Z: Value, alpha: float) -> Value:
    return Z.relu() + alpha * (Z.minimum(0.0).exp() - 1.0)


def _selu(Z: Value, _: float) -> Value:
    rise = Z.relu().minimum(LARGEST_SHARE * float(np.finfo(Z.dtype).max))
    return SELU_SCALE * (rise + SELU_ALPHA * (Z.minimum(0.0).exp() - 1.0))


def _gelu(Z: Value, _: float) -> Value:
    # Beyond ±FAR, Φ is 0 or 1; its square there must not overflow.
    return Z.maximum(-FAR) * normal_cdf(Z.clip(-FAR, FAR))


def _silu(Z: Value, _: float) -> Value:
    return Z.maximum(-FAR) * sigmoid(Z)


def _mish(Z: Value, _: float) -> Value:
    E = Z.minimum(20.0).exp()
    E = E * (E + 2.0)
    return Z.maximum(-FAR) * (E / (E + 2.0))


# By the names of the library's activations, which they share with compiled loops.
ACTIVATIONS: dict[str, Callable[[Value, float], Any]] = {
    "identity": lambda Z, _: Z,
    "logistic": lambda Z, _: sigmoid(Z),
    "tanh": lambda Z, _: Z.tanh(),
    "relu": lambda Z, _: Z.relu(),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": lambda Z, _: softplus(Z),
}
