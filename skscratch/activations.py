"""The activation functions, each beside its derivative.

A new activation is one function, one derivative and one entry in ``ACTIVATIONS``;
parameter validation, error messages and the parametrised tests follow from there.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "check_activation",
    "d_sigmoid",
    "d_tanh",
    "sigmoid",
    "tanh",
]


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
        weights: Glorot and Bengio (2010), eq. 16.
    kinks : tuple of float, default=()
        Where the derivative jumps, which a finite difference must keep away from.
    needs_Z : bool, default=False
        Whether the derivative reads ``Z``. Where it does not, training lets ``A``
        take the place of ``Z`` in memory.
    in_place : bool, default=False
        Whether the derivative may be written over ``A``.
    linear : bool, default=False
        Whether it is the identity, whose derivative of 1 need not be multiplied by.
    """

    function: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    variance_factor: float = 6.0
    kinks: tuple[float, ...] = ()
    needs_Z: bool = False
    in_place: bool = False
    linear: bool = False

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
    slope = np.subtract(1, A, out=out)
    slope *= A
    return slope


def tanh(Z, out=None):
    """Hyperbolic tangent."""
    return np.tanh(Z, out=out)


def d_tanh(Z, A=None, out=None):
    """Derivative of the hyperbolic tangent, ``1 - A²``, with ``A = tanh(Z)``."""
    A = tanh(Z) if A is None else A
    slope = np.multiply(A, A, out=out)
    return np.subtract(1, slope, out=out)


def relu(Z, out=None):
    """Rectified linear unit ``max(Z, 0)``."""
    return np.maximum(Z, 0, out=out)


def d_relu(Z, A=None, out=None):
    """Derivative of the rectified linear unit: 1 where ``Z > 0``, else 0."""
    Z = Z if A is None else A
    # Written as floats, which multiply dA twice as fast as booleans do.
    return np.greater(Z, 0, out=np.empty_like(Z) if out is None else out)


_LOGISTIC = Activation(sigmoid, d_sigmoid, variance_factor=2.0)

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, d_identity, in_place=True, linear=True),
    "logistic": _LOGISTIC,
    "sigmoid": _LOGISTIC,
    "tanh": Activation(tanh, d_tanh, in_place=True),
    "relu": Activation(relu, d_relu, kinks=(0.0,), in_place=True),
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
