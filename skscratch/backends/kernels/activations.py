"""Activations and their derivatives: the formulas of ``nn.activations``, in loops.

``activate`` adds the bias and applies the activation in one pass over the outputs of a
layer; ``chain`` multiplies by the derivative and adds up the gradient of the bias in
another.
"""

import math

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, from_dtype, njit, types
from numba.extending import intrinsic, is_jitted

from skscratch.backends.constants import FAR, LARGEST_SHARE, SELU_ALPHA, SELU_SCALE
from skscratch.backends.kernels.decorators import elementwise, summing
from skscratch.backends.kernels.elementary import (
    exp,
    expm1,
    log1p,
    logistic,
    normal,
    tanh,
    tanh_softplus,
)

__all__ = [
    "ACTIVATION_NUMBERS",
    "CUSTOM",
    "NEED_Z",
    "activate",
    "chain",
    "compile_custom",
]

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
    CUSTOM,
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

# Those whose derivative reads Z. For the others, A is written over Z.
NEED_Z = (SILU, MISH, GELU, CUSTOM)


@elementwise
def activate(activation, constant, custom, b, Z, A):
    """``A = f(Z + b)``, where ``Z`` is ``W A1`` so far, and gets the bias too.

    Parameters
    ----------
    activation : int
    constant : float
        Parameter of the activation, in the network's dtype.
    custom : int
        Address of a compiled function, if the activation is not one of these.
    b : ndarray of shape (neurons,)
    Z, A : ndarray of shape (samples, neurons)
        One array, unless the derivative needs ``Z``.
    """
    zero = Z.dtype.type(0)
    for i in range(Z.shape[0]):
        if activation == RELU:
            for j in range(Z.shape[1]):
                z = Z[i, j] + b[j]
                Z[i, j] = zero if z < zero else z
        else:
            for j in range(Z.shape[1]):
                Z[i, j] += b[j]
    if activation != IDENTITY and activation != RELU:
        _apply(activation, constant, custom, Z.reshape(-1), A.reshape(-1))


@elementwise
def _apply(activation, constant, custom, Z, A):
    """``A = f(Z)``, of one-dimensional arrays.

    Where ``A`` is ``Z``, the loops name only one of them. A loop that reads one array
    and writes another is not vectorized if they overlap.
    """
    zero = A.dtype.type(0)
    far = A.dtype.type(FAR)
    n = A.size
    if activation == LEAKY_RELU:
        for i in range(n):
            z = A[i]
            A[i] = constant * z if z < zero else z
    elif activation == TANH:
        for i in range(n):
            A[i] = tanh(A[i])
    elif activation == LOGISTIC:
        for i in range(n):
            A[i] = logistic(A[i])
    elif activation == ELU:
        for i in range(n):
            z = A[i]
            A[i] = z if z > zero else constant * expm1(z)
    elif activation == SELU:
        scale = A.dtype.type(SELU_SCALE)
        left = A.dtype.type(SELU_SCALE * SELU_ALPHA)
        largest = A.dtype.type(LARGEST_SHARE * np.finfo(A.dtype).max)
        for i in range(n):
            z = A[i]
            rise = scale * (largest if z > largest else z)
            A[i] = rise if z > zero else left * expm1(z)
    elif activation == SILU:
        for i in range(n):
            z = Z[i]
            A[i] = (-far if z < -far else z) * logistic(z)
    elif activation == MISH:
        for i in range(n):
            z = Z[i]
            A[i] = (-far if z < -far else z) * tanh_softplus(z)
    elif activation == SOFTPLUS:
        for i in range(n):
            z = A[i]
            A[i] = (zero if z < zero else z) + log1p(exp(-abs(z)))
    elif activation == GELU:
        for i in range(n):
            z = Z[i]
            A[i] = (-far if z < -far else z) * normal(z)
    elif activation == CUSTOM:
        _call(custom, n, Z.ctypes.data, A.ctypes.data, 0)


@summing
def chain(activation, constant, custom, dA, Z, A, db):
    """``dZ = dA · f'(Z)``, written over ``dA``, and ``db = sum(dZ)``.

    Parameters
    ----------
    activation, constant, custom
        As in ``activate``; ``custom`` is the address of the derivative.
    dA : ndarray of shape (samples, neurons)
    Z, A : ndarray of shape (samples, neurons)
        As ``activate`` left them.
    db : ndarray of shape (neurons,)
    """
    zero, one = dA.dtype.type(0), dA.dtype.type(1)
    db[:] = zero
    if activation != IDENTITY and activation != RELU:
        _multiply_by_slope(
            *(activation, constant, custom),
            *(dA.reshape(-1), Z.reshape(-1), A.reshape(-1)),
        )
    for i in range(dA.shape[0]):
        if activation == RELU:
            for j in range(dA.shape[1]):
                # Multiplied, so that nan and infinity stay visible.
                dA[i, j] *= one if A[i, j] > zero else zero
                db[j] += dA[i, j]
        else:
            for j in range(dA.shape[1]):
                db[j] += dA[i, j]


@elementwise
def _multiply_by_slope(activation, constant, custom, dZ, Z, A):
    """Multiply ``dA``, which becomes ``dZ``, by the derivative of an activation."""
    zero, one = dZ.dtype.type(0), dZ.dtype.type(1)
    far = dZ.dtype.type(FAR)
    n = dZ.size
    if activation == LEAKY_RELU:
        for i in range(n):
            dZ[i] *= one if A[i] > zero else constant
    elif activation == TANH:
        for i in range(n):
            dZ[i] *= one - A[i] * A[i]
    elif activation == LOGISTIC:
        for i in range(n):
            dZ[i] *= (one - A[i]) * A[i]
    elif activation == ELU:
        for i in range(n):
            dZ[i] *= one if A[i] > zero else A[i] + constant
    elif activation == SELU:
        scale = dZ.dtype.type(SELU_SCALE)
        left = dZ.dtype.type(SELU_SCALE * SELU_ALPHA)
        for i in range(n):
            dZ[i] *= scale if A[i] > zero else A[i] + left
    elif activation == SILU:
        for i in range(n):
            s = logistic(Z[i])
            a = A[i]
            dZ[i] *= s + (far if a > far else a) * (one - s)
    elif activation == MISH:
        for i in range(n):
            z = Z[i]
            t = tanh_softplus(z)
            z_near = -far if z < -far else z
            z_near = far if z_near > far else z_near
            dZ[i] *= t + z_near * (one - t * t) * logistic(z)
    elif activation == SOFTPLUS:
        for i in range(n):
            dZ[i] *= -expm1(-A[i])
    elif activation == GELU:
        density = dZ.dtype.type(1 / math.sqrt(2 * math.pi))
        half = dZ.dtype.type(0.5)
        for i in range(n):
            z = Z[i]
            z = -far if z < -far else z
            z = far if z > far else z
            dZ[i] *= normal(z) + z * exp(-half * z * z) * density
    elif activation == CUSTOM:
        _call(custom, n, Z.ctypes.data, A.ctypes.data, dZ.ctypes.data)


@intrinsic
def _call(typing_context, address, n, z, a, dz):
    """Call the compiled loop of a user's activation over ``n`` numbers."""
    signature = types.void(types.intp, types.int64, *[types.intp] * 3)

    def generate(context, builder, signature, arguments):
        integer = ir.IntType(64)
        prototype = ir.FunctionType(ir.VoidType(), [integer] * 4)
        address, *rest = arguments
        builder.call(builder.inttoptr(address, prototype.as_pointer()), rest)
        return context.get_dummy_value()

    return signature, generate


def compile_custom(function, derivative, dtype):
    """Compile an activation that is given by functions of one number.

    Parameters
    ----------
    function, derivative : callable
        ``f(z)`` and ``f'(z, a)``, which Numba can compile, or has compiled.
    dtype : dtype

    Returns
    -------
    list of compiled functions
        Of C, with an ``address``; they must be kept as long as they are called.
    """
    function, derivative = (
        f if is_jitted(f) else njit(f) for f in (function, derivative)
    )
    numbers = types.CPointer(from_dtype(np.dtype(dtype)))
    signature = types.void(types.int64, numbers, numbers, numbers)

    @cfunc(signature, error_model="numpy")
    def activate_all(n, z_address, a_address, _):
        z, a = carray(z_address, n), carray(a_address, n)
        for i in range(n):
            a[i] = function(z[i])

    @cfunc(signature, error_model="numpy")
    def multiply_all(n, z_address, a_address, dz_address):
        z, a = carray(z_address, n), carray(a_address, n)
        dz = carray(dz_address, n)
        for i in range(n):
            dz[i] *= derivative(z[i], a[i])

    return [activate_all, multiply_all]
