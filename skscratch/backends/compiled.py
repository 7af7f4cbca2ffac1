"""Python's side of the compiled kernels: loading them, and the arrays that they take.

The loops themselves are in ``kernels``, which imports Numba and is imported from here,
on demand. If Numba can't be used, there is one warning, and NumPy computes.
"""

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from skscratch._messages import warn_user
from skscratch.backends.linalg import aligned
from skscratch.backends.threads import blas_in

__all__ = [
    "Plan",
    "are_known",
    "are_loaded",
    "compiled_forward",
    "custom_functions",
    "kernel_of",
    "load_kernels",
    "load_kernels_for",
    "product_address",
    "read_only",
]

# Numbers that arrays begin at multiples of: a cache line of float32.
_LINE = 16


# The kernels for each dtype that they were loaded for; None if they can't be used.
_LOADED: dict[np.dtype, Any] = {}


def are_loaded(dtype):
    """Return whether this process has loaded the kernels, or tried to.

    Parameters
    ----------
    dtype : dtype
    """
    return np.dtype(dtype) in _LOADED


def load_kernels(dtype):
    """Import the kernels and compile them, or take them from Numba's cache.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    module or None
        ``kernels.steps``; None if Numba can't be used. The first call warns of it.
    """
    dtype = np.dtype(dtype)
    if dtype not in _LOADED:
        try:
            from skscratch.backends.kernels import steps

            steps.compile_for(dtype)
            _LOADED[dtype] = steps
        except Exception as error:  # Of any kind: the extra must never stop a training.
            _LOADED[dtype] = None
            _warn_of_fallback("The compiled kernels", error)
    return _LOADED[dtype]


def _warn_of_fallback(what, error):
    warn_user(
        f"{what} can't be used; falling back to NumPy: {type(error).__name__}: "
        f"{str(error).strip()[:500]}",
        RuntimeWarning,
    )


@lru_cache(maxsize=32)
def custom_functions(function, derivative, dtype):
    """Compile an activation that is given by functions of one number.

    Parameters
    ----------
    function, derivative : callable
        As in ``Activation.kernel``.
    dtype : dtype

    Returns
    -------
    list of compiled functions or None
        None, after a warning, if Numba can't compile them.
    """
    from skscratch.backends.kernels.activations import compile_custom

    try:
        return compile_custom(function, derivative, np.dtype(dtype))
    except Exception as error:  # Numba has many.
        name = getattr(function, "__name__", function)
        _warn_of_fallback(f"The kernel of the activation {name}", error)
        return None


@lru_cache(maxsize=2)
def product_address(dtype):
    """Address of the matrix product in NumPy's BLAS.

    NumPy does not export it. Its wheels contain an OpenBLAS with integers of 64 bits,
    whose names have a prefix and a suffix.

    Parameters
    ----------
    dtype : dtype

    Returns
    -------
    int
        0 if it can't be found.
    """
    letter = "s" if np.dtype(dtype) == np.float32 else "d"
    for pool in blas_in(np).info():
        library = ctypes.CDLL(pool["filepath"])
        for name in (f"scipy_cblas_{letter}gemm64_", f"cblas_{letter}gemm64_"):
            function = getattr(library, name, None)
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value
    return 0


def read_only(array):
    """Contiguous view or copy that can't be written to.

    Numba compiles again for arrays of another kind, such as those that are read-only
    because they lie in a file. So all data are read-only.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    ndarray
    """
    view = np.require(array, requirements=["C", "A"]).view(np.ndarray)
    view.flags.writeable = False
    return view


def kernel_of(record):
    """Kernel of a loss or an optimizer.

    A class does not inherit its kernel: it may compute something else.

    Parameters
    ----------
    record : Loss, Optimizer or type of these

    Returns
    -------
    str or None
        None if there is none.
    """
    return vars(record if isinstance(record, type) else type(record)).get("kernel")


def are_known(activations, loss):
    """Return whether the kernels know a network's activations and its loss.

    Parameters
    ----------
    activations : list of Activation
        Of the hidden layers.
    loss : Loss or None
        None for predictions alone.
    """
    return all(f.usable_kernel is not None for f in activations) and (
        loss is None or kernel_of(loss) is not None
    )


def load_kernels_for(activations, dtype):
    """Load the kernels, and compile those of a network's custom activations.

    Parameters
    ----------
    activations : list of Activation
        Of the hidden layers; the kernels know them.
    dtype : dtype

    Returns
    -------
    module or None
        As ``load_kernels``; None too if a custom activation can't be compiled.
    """
    steps = load_kernels(dtype)
    custom = [f.kernel for f in activations if callable(f.kernel[0])]
    if steps is None or any(custom_functions(*pair, dtype) is None for pair in custom):
        return None
    return steps


class Plan:
    """A network as the kernels take it, and the memory of its batches.

    Parameters
    ----------
    steps : module
        As ``load_kernels`` returned it.
    sizes : sequence of int
        Number of features, neurons of each hidden layer, number of outputs.
    activations : list of Activation
        Of the hidden layers.
    loss : Loss or None
        None for predictions alone.
    batch_size : int
        Largest number of samples of a batch.
    dtype : dtype
    dropout : sequence of float, default=()
        Rate of each hidden layer.

    Attributes
    ----------
    network : Architecture
    workspace : ndarray of shape (n,)
    """

    def __init__(
        self, steps, sizes, activations, loss, batch_size, dtype, *, dropout=()
    ):
        n_layers = len(sizes) - 1
        numbers = np.zeros(n_layers, np.int64)
        constants = np.zeros(n_layers, dtype)
        functions = np.zeros((n_layers, 2), np.int64)
        # Compiled functions must live as long as their addresses are used.
        self._functions = []
        for i, f in enumerate(activations):
            name, constant = f.kernel
            if callable(name):
                compiled = custom_functions(*f.kernel, dtype)
                self._functions.append(compiled)
                numbers[i] = steps.CUSTOM
                functions[i] = [function.address for function in compiled]
            else:
                numbers[i] = steps.ACTIVATION_NUMBERS[name]
                constants[i] = constant
        self._size = 0
        offsets = np.zeros((n_layers + 1, 3), np.int64)
        offsets[0] = self._reserve(batch_size * sizes[0])
        for i, size in enumerate(sizes[1:], start=1):
            offsets[i] = self._reserve(batch_size * size)
            if numbers[i - 1] in steps.NEED_Z:
                offsets[i, 1:] = self._reserve(batch_size * size)
            if len(dropout) >= i and dropout[i - 1]:
                offsets[i, 2] = self._reserve(batch_size * size)
        # Targets, two numbers per sample, and two gradients.
        scratch_offset = self._reserve(
            batch_size * (sizes[-1] + 2 + 2 * max(sizes[1:]))
        )
        self.network = steps.Architecture(
            np.array(sizes, np.int64),
            numbers,
            constants,
            functions,
            0 if loss is None else steps.LOSS_NUMBERS[kernel_of(loss)],
            0.0 if loss is None else float(loss.kernel_parameter),
            offsets,
            scratch_offset,
        )
        self.workspace = aligned(self._size, dtype)

    def _reserve(self, n):
        """Reserve memory for ``n`` numbers; return where they begin."""
        offset = self._size
        self._size += -(-n // _LINE) * _LINE
        return offset


def compiled_forward(network, activations, n_rows):
    """Make a function that computes raw outputs in compiled loops.

    Parameters
    ----------
    network : Network or Stack
    activations : list of Activation
        Of its layers.
    n_rows : int
        Largest number of samples of a call.

    Returns
    -------
    callable or None
        ``forward(X)`` takes samples of shape (n, n_features) and returns raw outputs
        (..., n_outputs, n), which the next call overwrites. None if the kernels do not
        know the network, or can't be used.
    """
    if not are_known(activations, None) or not activations[-1].is_identity:
        return None
    steps = load_kernels_for(activations[:-1], network.dtype)
    if steps is None:
        return None
    sizes = [network.layers[0].inputs, *(layer.neurons for layer in network.layers)]
    plan = Plan(steps, sizes, activations[:-1], None, n_rows, network.dtype)
    blas = product_address(network.dtype)
    members = network.parameters.reshape(-1, network.parameters.shape[-1])
    outputs = np.empty((len(members), sizes[-1] * n_rows), network.dtype)

    def forward(X):
        n = len(X)
        X = read_only(X.astype(network.dtype, copy=False))
        Z = outputs[:, : sizes[-1] * n].reshape(len(members), sizes[-1], n)
        for parameters, part in zip(members, Z, strict=True):
            steps.predict_rows(blas, X, plan.network, parameters, plan.workspace, part)
        return Z if network.parameters.ndim == 2 else Z[0]

    return forward
