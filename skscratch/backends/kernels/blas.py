"""Matrix products by the BLAS that NumPy brings along.

Numba's own ``np.dot`` calls SciPy's BLAS: an older one in most installations, and a
second pool of threads, which has to wait for a core while the threads of NumPy's still
hold theirs. NumPy does not export its BLAS, but the library that its wheels contain
does: ``skscratch.backends.compiled`` finds the address of ``cblas_sgemm`` in it, or
hands over 0 where there is none. Then ``np.dot`` serves.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from skscratch.backends.kernels.decorators import elementwise
from skscratch.backends.linalg import width_of_pieces

__all__ = ["product"]

_width_of_pieces = elementwise(width_of_pieces)

# Of CBLAS.
_ROW_MAJOR, _AS_IS, _TRANSPOSED = 101, 111, 112


def product(blas, x, y, out):
    """Write the product of two matrices into a third.

    As in ``linalg.matmul_calls``, a product that is too small to be worth a second
    thread is cut into pieces that are too small for BLAS to start one.

    Parameters
    ----------
    blas : int
        Address of ``cblas_sgemm`` or ``cblas_dgemm``, with integers of 64 bits; 0 uses
        ``np.dot``.
    x, y : ndarray of shape (m, k) and (k, n)
        Contiguous, in either order.
    out : ndarray of shape (m, n)
        Of order C.
    """
    raise NotImplementedError("This is for compiled functions.")


@overload(product)
def _product(blas, x, y, out):
    gemm = _gemm_of(x.dtype)
    x_form, x_columns, x_rows = _layout(x)
    y_form, y_columns, _ = _layout(y)

    def call(blas, x, y, out):
        if blas == 0:
            np.dot(x, y, out)
            return
        m, n, k = x.shape[0], y.shape[1], x.shape[1]
        size = _width_of_pieces(n * k, m)
        # From one row of x to the next, in memory.
        step = x.itemsize * (k if x_rows else 1)
        for start in range(0, m, size):
            gemm(
                blas,
                np.int32(x_form),
                np.int32(y_form),
                min(size, m - start),
                n,
                k,
                x.ctypes.data + start * step,
                x.shape[x_columns],
                y.ctypes.data,
                y.shape[y_columns],
                out.ctypes.data + start * n * x.itemsize,
                n,
            )

    return call


def _layout(array):
    """How CBLAS takes an array: as it is or transposed; the axis that is contiguous."""
    is_row_major = array.layout == "C"
    if is_row_major:
        return _AS_IS, 1, True
    return _TRANSPOSED, 0, False


def _gemm_of(dtype):
    """``C = A B`` by a function of CBLAS at an address."""
    real = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
    small, large = ir.IntType(32), ir.IntType(64)
    pointer = ir.IntType(8).as_pointer()
    # order, transpositions, sizes, alpha, A, B, beta, C.
    prototype = ir.FunctionType(
        ir.VoidType(),
        [
            *([small] * 3 + [large] * 3 + [real]),
            *([pointer, large] * 2 + [real] + [pointer, large]),
        ],
    )

    @intrinsic
    def gemm(typing_context, address, x_form, y_form, m, n, k, a, lda, b, ldb, c, ldc):
        signature = types.void(
            *[types.intp, types.int32, types.int32, *[types.int64] * 3],
            *[types.intp, types.int64] * 3,
        )

        def generate(context, builder, signature, arguments):
            address, x_form, y_form, m, n, k, a, lda, b, ldb, c, ldc = arguments
            function = builder.inttoptr(address, prototype.as_pointer())
            a, b, c = (builder.inttoptr(place, pointer) for place in (a, b, c))
            one, zero = ir.Constant(real, 1.0), ir.Constant(real, 0.0)
            order = ir.Constant(small, _ROW_MAJOR)
            builder.call(
                function,
                [order, x_form, y_form, m, n, k, one, a, lda, b, ldb, zero, c, ldc],
            )
            return context.get_dummy_value()

        return signature, generate

    return gemm
