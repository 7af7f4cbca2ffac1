"""Activations and their derivatives: the formulas of ``nn.activations``, in loops.

``activate`` adds the bias and applies the activation in one pass over the outputs of a
layer; ``chain`` multiplies by the derivative and adds up the gradient of the bias in
another.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from skscratch.backends.kernels.decorators import elementwise, summing
from skscratch.backends.kernels.elementary import (
    FAR,
    exp,
    expm1,
    log1p,
    logistic,
    normal,
    tanh,
    tanh_softplus,
)

__all__ = ["ACTIVATION_NUMBERS", "OWN", "activate", "chain", "compile_own"]

# A function handed over as an argument would defeat Numba's cache, so activations have
# numbers.
(
    IDENTITY,
    RELU,
    LEAKY_RELU,
    TANH,
    LOGISTIC,
    ELU,
    SELU,
    SILU,
    MISH,
    SOFTPLUS,
    GELU,
    OWN,
) = range(12)

ACTIVATION_NUMBERS = {
    "identity": IDENTITY,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "tanh": TANH,
    "logistic": LOGISTIC,
    "elu": ELU,
    "selu": SELU,
    "silu": SILU,
    "mish": MISH,
    "softplus": SOFTPLUS,
    "gelu": GELU,
}

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@elementwise
def activate(activation, constant, own, b, Z, A):
    """``A = f(Z + b)``, where ``Z`` is ``W A1`` so far, and gets the bias too.

    Parameters
    ----------
    activation : int
    constant : float
        Parameter of the activation, in the network's dtype.
    own : int
        Address of a compiled function, if the activation is not one of these.
    b : ndarray of shape (neurons,)
    Z, A : ndarray of shape (samples, neurons)
        They are one array unless the derivative needs ``Z``. Then each loop below names
        one of them only: if a loop reads one and writes the other, which may overlap,
        several numbers at a time are out of the question.
    """
    zero = Z.dtype.type(0)
    far = Z.dtype.type(FAR)
    n_samples, neurons = Z.shape
    if activation == RELU:
        for i in range(n_samples):
            for j in range(neurons):
                z = Z[i, j] + b[j]
                Z[i, j] = zero if z < zero else z
        return
    for i in range(n_samples):
        for j in range(neurons):
            Z[i, j] += b[j]
    z_of, a_of = Z.reshape(-1), A.reshape(-1)
    n = z_of.size
    if activation == LEAKY_RELU:
        for i in range(n):
            z = a_of[i]
            a_of[i] = constant * z if z < zero else z
    elif activation == TANH:
        for i in range(n):
            a_of[i] = tanh(a_of[i])
    elif activation == LOGISTIC:
        for i in range(n):
            a_of[i] = logistic(a_of[i])
    elif activation == ELU:
        for i in range(n):
            z = a_of[i]
            a_of[i] = z if z > zero else constant * expm1(z)
    elif activation == SELU:
        scale = Z.dtype.type(_SELU_SCALE)
        left = Z.dtype.type(_SELU_SCALE * _SELU_ALPHA)
        # As in NumPy's form, the largest floats stay finite.
        largest = Z.dtype.type(0.95) * constant
        for i in range(n):
            z = a_of[i]
            rise = scale * (largest if z > largest else z)
            a_of[i] = rise if z > zero else left * expm1(z)
    elif activation == SILU:
        for i in range(n):
            z = z_of[i]
            a_of[i] = (-far if z < -far else z) * logistic(z)
    elif activation == MISH:
        for i in range(n):
            z = z_of[i]
            a_of[i] = (-far if z < -far else z) * tanh_softplus(z)
    elif activation == SOFTPLUS:
        for i in range(n):
            z = a_of[i]
            a_of[i] = (zero if z < zero else z) + log1p(exp(-abs(z)))
    elif activation == GELU:
        for i in range(n):
            z = z_of[i]
            a_of[i] = (-far if z < -far else z) * normal(z)
    elif activation == OWN:
        _call(own, n, z_of.ctypes.data, a_of.ctypes.data, 0)


@summing
def chain(activation, constant, own, dA, Z, A, db):
    """``dZ = dA · f'(Z)``, written over ``dA``, and ``db = sum(dZ)``.

    Parameters
    ----------
    activation, constant, own
        As in ``activate``; ``own`` is the address of the derivative.
    dA : ndarray of shape (samples, neurons)
    Z, A : ndarray of shape (samples, neurons)
        As ``activate`` left them.
    db : ndarray of shape (neurons,)
    """
    zero = dA.dtype.type(0)
    db[:] = zero
    n_samples, neurons = dA.shape
    if activation == RELU:
        for i in range(n_samples):
            for j in range(neurons):
                dz = dA[i, j] if A[i, j] > zero else zero
                dA[i, j] = dz
                db[j] += dz
        return
    if activation != IDENTITY:
        _multiply_by_slope(activation, constant, own, dA, Z, A)
    for i in range(n_samples):
        for j in range(neurons):
            db[j] += dA[i, j]


@elementwise
def _multiply_by_slope(activation, constant, own, dA, Z, A):
    """Multiply ``dA`` by the derivative of an activation."""
    one = dA.dtype.type(1)
    zero = dA.dtype.type(0)
    far = dA.dtype.type(FAR)
    slopes = dA.reshape(-1)
    z_of, a_of = Z.reshape(-1), A.reshape(-1)
    n = slopes.size
    if activation == LEAKY_RELU:
        for i in range(n):
            slopes[i] *= one if a_of[i] > zero else constant
    elif activation == TANH:
        for i in range(n):
            slopes[i] *= one - a_of[i] * a_of[i]
    elif activation == LOGISTIC:
        for i in range(n):
            slopes[i] *= (one - a_of[i]) * a_of[i]
    elif activation == ELU:
        for i in range(n):
            slopes[i] *= one if a_of[i] > zero else a_of[i] + constant
    elif activation == SELU:
        scale = dA.dtype.type(_SELU_SCALE)
        left = dA.dtype.type(_SELU_SCALE * _SELU_ALPHA)
        for i in range(n):
            slopes[i] *= scale if a_of[i] > zero else a_of[i] + left
    elif activation == SILU:
        for i in range(n):
            s = logistic(z_of[i])
            a = a_of[i]
            slopes[i] *= s + (far if a > far else a) * (one - s)
    elif activation == MISH:
        for i in range(n):
            z = z_of[i]
            t = tanh_softplus(z)
            z_near = -far if z < -far else z
            z_near = far if z_near > far else z_near
            slopes[i] *= t + z_near * (one - t * t) * logistic(z)
    elif activation == SOFTPLUS:
        for i in range(n):
            slopes[i] *= -expm1(-a_of[i])
    elif activation == GELU:
        density = dA.dtype.type(1 / math.sqrt(2 * math.pi))
        half = dA.dtype.type(0.5)
        for i in range(n):
            z = z_of[i]
            z = -far if z < -far else z
            z = far if z > far else z
            slopes[i] *= normal(z) + z * exp(-half * z * z) * density
    elif activation == OWN:
        _call(own, n, z_of.ctypes.data, a_of.ctypes.data, slopes.ctypes.data)


@intrinsic
def _call(typing_context, address, n, z, a, slopes):
    """Call the compiled loop of a user's activation over ``n`` numbers."""
    signature = types.void(types.intp, types.int64, *[types.intp] * 3)

    def generate(context, builder, signature, arguments):
        integer = ir.IntType(64)
        prototype = ir.FunctionType(ir.VoidType(), [integer] * 4)
        address, *rest = arguments
        builder.call(builder.inttoptr(address, prototype.as_pointer()), rest)
        return context.get_dummy_value()

    return signature, generate


def compile_own(function, derivative, dtype):
    """Compile an activation that is given by functions of one number.

    Parameters
    ----------
    function, derivative : callable
        ``f(z)`` and ``f'(z, a)``, which Numba can compile.
    dtype : dtype

    Returns
    -------
    list of compiled functions
        Of C, with an ``address``; they must be kept as long as they are called.
    """
    from numba import carray, cfunc
    from numba import from_dtype as type_of

    function, derivative = njit(function), njit(derivative)
    number = type_of(np.dtype(dtype))
    pointer = types.CPointer(number)
    signature = types.void(types.int64, pointer, pointer, pointer)

    @cfunc(signature, error_model="numpy")
    def activate_all(n, z_place, a_place, _):
        z, a = carray(z_place, n), carray(a_place, n)
        for i in range(n):
            a[i] = function(z[i])

    @cfunc(signature, error_model="numpy")
    def multiply_all(n, z_place, a_place, slopes_place):
        z, a, slopes = (
            carray(z_place, n),
            carray(a_place, n),
            carray(slopes_place, n),
        )
        for i in range(n):
            slopes[i] *= derivative(z[i], a[i])

    return [activate_all, multiply_all]
