"""The activation functions, each beside its derivative.

A new activation is one function, one derivative and one entry in ``ACTIVATIONS``;
parameter validation, error messages and the parametrised tests follow from there.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from skscratch.backends.tapes import one_call

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "check_activation",
    "d_identity",
    "d_sigmoid",
    "d_tanh",
    "sigmoid",
    "tanh",
]

# Numbers that a formula of several passes takes at a time.
_BLOCK = 4096

# Beyond ±_FAR, exp(-|Z|) and its like are 0 in every precision. What multiplies them is
# held within, as 0 times infinity is nan.
_FAR = 1e3

_LEAK = 0.01

# The fixed point of Klambauer et al. (2017), eq. 14: a standard normal Z gives
# A of mean 0 and variance 1.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


class Activation(NamedTuple):
    """An activation function and what training needs to know about it.

    Attributes
    ----------
    function : callable
        ``function(Z, out=None)`` returns ``A``, element by element, in ``out`` where
        one is given. The identity returns ``Z`` itself.
    derivative : callable
        ``derivative(Z, A, out=None)`` returns dA/dZ, element by element. ``A`` is
        ``function(Z)``, at hand from the forward pass, so that nothing is computed
        twice.
    variance_factor : float, default=6.0
        ``c`` in the bound ``sqrt(c / (fan_in + fan_out))`` of the uniform initial
        weights. Those of scikit-learn's activations are scikit-learn's: Glorot and
        Bengio (2010), eq. 16. The others are ``6 / E[f(z)²]``, ``z`` standard normal,
        which keeps the second moment of the signal: He et al. (2015), section 2.2,
        https://arxiv.org/abs/1502.01852, whose argument holds for any ``f``.
    kinks : tuple of float, default=()
        Where the derivative jumps, which a finite difference must keep away from.
    needs_Z : bool, default=False
        Whether the derivative reads ``Z``. Where it does not, training lets ``A``
        take the place of ``Z`` in memory.
    in_place : bool, default=False
        Whether the derivative may be written over ``A``.
    """

    function: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    variance_factor: float = 6.0
    kinks: tuple[float, ...] = ()
    needs_Z: bool = False
    in_place: bool = False

    @property
    def room_of_A(self):
        """Name of the buffer that ``A`` is written into."""
        return "A" if self.needs_Z else "Z"

    @property
    def room_of_dZ(self):
        """Name of the buffer that the derivative is written into."""
        return self.room_of_A if self.in_place else "dZ"


def identity(Z, out=None):
    """Return ``Z`` itself."""
    return Z


def d_identity(Z, A=None, out=None):
    """Derivative of the identity: 1 everywhere."""
    if out is None:
        return np.ones_like(Z)
    out.fill(1)
    return out


def sigmoid(Z, out=None):
    """Logistic sigmoid ``1 / (1 + exp(-Z))``, without overflow for any float ``Z``."""
    return expit(Z, out=out)


def d_sigmoid(Z, A=None, out=None):
    """Derivative of the sigmoid, ``A (1 - A)``, with ``A = sigmoid(Z)``."""
    A = sigmoid(Z) if A is None else A
    slope = np.subtract(1.0, A, out=out)
    slope *= A
    return slope


def tanh(Z, out=None):
    """Hyperbolic tangent."""
    return np.tanh(Z, out=out)


def d_tanh(Z, A=None, out=None):
    """Derivative of the hyperbolic tangent, ``1 - A²``, with ``A = tanh(Z)``."""
    A = tanh(Z) if A is None else A
    slope = np.multiply(A, A, out=out)
    return np.subtract(1.0, slope, out=out)


def relu(Z, out=None):
    """Rectified linear unit ``max(Z, 0)``."""
    # Clipping takes many numbers at a time, and the maximum with a number one by one.
    return Z.clip(0.0, np.inf, out=out)


def d_relu(Z, A=None, out=None):
    """Derivative of the rectified linear unit: 1 where ``Z > 0``, else 0."""
    Z = Z if A is None else A
    # Written as floats, which multiply dA twice as fast as booleans do.
    return np.greater(Z, 0.0, out=np.empty_like(Z) if out is None else out)


def leaky_relu(Z, out=None):
    """Leaky rectified linear unit: ``Z`` where ``Z > 0``, else ``Z / 100``.

    Maas, Hannun and Ng (2013), Rectifier nonlinearities improve neural network acoustic
    models.
    """
    return _by_blocks(lambda Z: np.maximum(Z, _LEAK * Z), Z, out=out)


def d_leaky_relu(Z, A=None, out=None):
    """Derivative of the leaky rectified linear unit: 1 where ``Z > 0``, else 0.01."""
    slope = d_relu(Z, A, out=out)
    return np.maximum(slope, _LEAK, out=slope)


def elu(Z, out=None):
    """Exponential linear unit: ``Z`` where ``Z > 0``, else ``exp(Z) - 1``.

    Clevert, Unterthiner and Hochreiter (2016), https://arxiv.org/abs/1511.07289, with
    their alpha of 1, for which it is the larger of the two.
    """
    return _by_blocks(
        lambda Z: np.maximum(Z, np.expm1(np.minimum(Z, 0))),
        Z,
        out=out,
    )


def d_elu(Z, A=None, out=None):
    """Derivative of the exponential linear unit, ``min(A, 0) + 1``."""
    A = elu(Z) if A is None else A
    slope = np.minimum(A, 0, out=out)
    slope += 1
    return slope


def selu(Z, out=None):
    """Scaled exponential linear unit: λZ where ``Z > 0``, else λα (exp(Z) - 1).

    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. As λ > 1, the largest
    floats have no room to grow: the result stays just below the largest.
    """

    def formula(Z):
        rise = np.clip(Z, 0, 0.95 * np.finfo(Z.dtype).max)
        return _SELU_SCALE * (rise + _SELU_ALPHA * np.expm1(np.minimum(Z, 0)))

    return _by_blocks(formula, Z, out=out)


def d_selu(Z, A=None, out=None):
    """Derivative of the scaled exponential linear unit: λ where ``A > 0``, else A + λα.

    A sum of its parts takes half the time of a choice for each number.
    """
    left = _SELU_SCALE * _SELU_ALPHA
    return _by_blocks(
        lambda A: np.minimum(A, 0) + left + (_SELU_SCALE - left) * d_relu(A),
        selu(Z) if A is None else A,
        out=out,
    )


def gelu(Z, out=None):
    """Gaussian error linear unit, ``Z Φ(Z)``, Φ the normal distribution function.

    Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415; exact, where others
    approximate it by a hyperbolic tangent.
    """
    return _by_blocks(lambda Z: np.maximum(Z, -_FAR) * ndtr(Z), Z, out=out)


def d_gelu(Z, A=None, out=None):
    """Derivative of the Gaussian error linear unit, ``Φ(Z) + Z φ(Z)``, φ = Φ'."""

    def formula(Z):
        Z = np.clip(Z, -_FAR, _FAR)
        return ndtr(Z) + Z * np.exp(-0.5 * Z * Z) / math.sqrt(2 * math.pi)

    return _by_blocks(formula, Z, out=out)


def silu(Z, out=None):
    """Sigmoid linear unit, or swish, ``Z sigmoid(Z)``.

    Elfwing, Uchibe and Doya (2018), https://arxiv.org/abs/1702.03118.
    """
    return _by_blocks(lambda Z: np.maximum(Z, -_FAR) * sigmoid(Z), Z, out=out)


def d_silu(Z, A=None, out=None):
    """Derivative of the sigmoid linear unit, ``S + A (1 - S)``, ``S = sigmoid(Z)``."""

    def formula(Z, A):
        S = sigmoid(Z)
        return S + np.minimum(A, _FAR) * (1 - S)

    return _by_blocks(formula, Z, silu(Z) if A is None else A, out=out)


def mish(Z, out=None):
    """Mish, ``Z tanh(softplus(Z))``.

    Misra (2020), https://arxiv.org/abs/1908.08681.
    """
    return _by_blocks(lambda Z: np.maximum(Z, -_FAR) * _tanh_softplus(Z), Z, out=out)


def d_mish(Z, A=None, out=None):
    """Derivative of mish, ``T + Z (1 - T²) sigmoid(Z)``, ``T = tanh(softplus(Z))``."""

    def formula(Z):
        T = _tanh_softplus(Z)
        return T + np.clip(Z, -_FAR, _FAR) * (1 - T * T) * sigmoid(Z)

    return _by_blocks(formula, Z, out=out)


def _tanh_softplus(Z):
    """``((1 + e^Z)² - 1) / ((1 + e^Z)² + 1)``, from 20 on 1 in every precision."""
    E = np.exp(np.minimum(Z, 20))
    E *= E + 2
    return E / (E + 2)


def softplus(Z, out=None):
    """Softplus ``log(1 + exp(Z))``, without overflow for any float ``Z``.

    Dugas et al. (2001), Incorporating second-order functional knowledge for better
    option pricing.
    """
    return _by_blocks(
        lambda Z: np.maximum(Z, 0) + np.log1p(np.exp(-abs(Z))), Z, out=out
    )


def d_softplus(Z, A=None, out=None):
    """Derivative of the softplus, ``sigmoid(Z) = 1 - exp(-A)``."""
    A = softplus(Z) if A is None else A
    slope = np.negative(A, out=out)
    np.expm1(slope, out=slope)
    return np.negative(slope, out=slope)


@one_call
def _by_blocks(formula, *operands, out):
    """Fill ``out`` with a formula of the operands, element by element.

    The formula may be written as it is read: its temporaries are as small as a block,
    so that they stay in the processor's cache, and ``out`` may be an operand.
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


_LOGISTIC = Activation(sigmoid, d_sigmoid, variance_factor=2.0)

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, d_identity, in_place=True),
    "logistic": _LOGISTIC,
    "sigmoid": _LOGISTIC,
    "tanh": Activation(tanh, d_tanh, in_place=True),
    "relu": Activation(relu, d_relu, kinks=(0.0,), in_place=True),
    "leaky_relu": Activation(
        leaky_relu, d_leaky_relu, variance_factor=11.999, kinks=(0.0,), in_place=True
    ),
    "elu": Activation(elu, d_elu, variance_factor=9.3031, in_place=True),
    "selu": Activation(selu, d_selu, variance_factor=6.0, kinks=(0.0,), in_place=True),
    "gelu": Activation(
        gelu, d_gelu, variance_factor=14.110, needs_Z=True, in_place=True
    ),
    "silu": Activation(
        silu, d_silu, variance_factor=16.865, needs_Z=True, in_place=True
    ),
    "mish": Activation(
        mish, d_mish, variance_factor=13.264, needs_Z=True, in_place=True
    ),
    "softplus": Activation(softplus, d_softplus, variance_factor=6.5129, in_place=True),
}


def check_activation(name):
    """Return the name of an activation, if it is one.

    Parameters
    ----------
    name : str
        A key of ``ACTIVATIONS``.

    Raises
    ------
    ValueError
        If it is not; the message lists those there are.
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, got {name!r}."
        )
    return name
