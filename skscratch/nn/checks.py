"""Checks of what a user passes: sizes, arrays of numbers, random states, shapes."""

import math
import numbers
import re

import numpy as np
from scipy.sparse import issparse

__all__ = [
    "as_batch",
    "as_numbers",
    "check_arrays",
    "check_assigned",
    "check_dtype",
    "check_gradient",
    "check_inputs",
    "check_layers",
    "check_mask",
    "check_masks",
    "check_total",
    "is_size",
    "parse_number",
    "random_source",
]


def is_size(value):
    """Whether a value is a positive integer, and not a boolean.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    is_integer = isinstance(value, numbers.Integral) and value is not True
    return is_integer and int(value) > 0


def as_numbers(values, name):
    """Convert to an array, and refuse anything but real numbers.

    Parameters
    ----------
    values : {array-like, sparse array}
        A sparse array stays sparse.
    name : str
        What to call it in errors.

    Returns
    -------
    {ndarray, sparse array}

    Raises
    ------
    ValueError
        If it is ragged, or holds complex numbers, text, dates or other objects.
    """
    array = values
    try:
        if not issparse(values):
            array = np.asarray(values)
        if array.dtype == object:
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}.") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of numbers, got {array.dtype}.")
    return array


def random_source(random_state):
    """Turn a seed into a ``RandomState``.

    Parameters
    ----------
    random_state : int, RandomState or None
        Or any other seed that ``RandomState`` accepts.

    Returns
    -------
    RandomState

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    try:
        return np.random.RandomState(random_state)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "random_state must be an integer, a RandomState or None, got "
            f"{random_state!r}: {error}."
        ) from None


def check_dtype(dtype):
    """Refuse dtypes that a network cannot have.

    Parameters
    ----------
    dtype : dtype

    Raises
    ------
    ValueError
        If it is refused.
    """
    try:
        is_known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        is_known = False
    if not is_known:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")


# Layers


def check_arrays(W, b):
    """Refuse arrays that cannot be the weights and biases of a layer.

    Parameters
    ----------
    W : ndarray of shape (..., neurons, inputs)
    b : ndarray of shape (..., neurons, 1)

    Raises
    ------
    ValueError
        If it is refused.
    """
    if np.ndim(W) < 2 or np.shape(b) != (*np.shape(W)[:-1], 1):
        raise ValueError(
            "W and b must have shapes (neurons, inputs) and (neurons, 1), got "
            f"{np.shape(W)} and {np.shape(b)}."
        )
    for name, array in (("W", W), ("b", b)):
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            kind = getattr(array, "dtype", type(array).__name__)
            raise ValueError(
                f"{name} must be an array of floating-point numbers, which the "
                f"layer keeps without a copy, got {kind}."
            )
    if not W.size:
        raise ValueError(
            f"W must have at least one neuron and one input, got shape {W.shape}."
        )


def check_assigned(array, values, name):
    """Convert values that are to be copied into an array, or refuse them.

    Parameters
    ----------
    array : ndarray
        What they are copied into.
    values : array-like of the shape of ``array``
    name : str
        What to call them in errors.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If it is refused.
    """
    try:
        values = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}.") from None
    if values.shape != array.shape:
        raise _wrong_shape(name, values, *array.shape)
    if values.dtype.kind not in "biuf":  # NumPy would drop an imaginary part.
        raise ValueError(f"{name} must be an array of numbers, got {values.dtype}.")
    return values


def as_batch(A1):
    """Convert a batch to an array; a sparse one stays sparse.

    Parameters
    ----------
    A1 : {array-like, sparse array}

    Returns
    -------
    {ndarray, sparse array}
    """
    return A1 if issparse(A1) else np.asarray(A1)


def check_inputs(A1, W):
    """Refuse a batch that has another number of features than a layer has inputs.

    Parameters
    ----------
    A1 : {ndarray, sparse array} of shape (..., inputs, samples)
    W : ndarray of shape (..., neurons, inputs)

    Raises
    ------
    ValueError
        If it is refused.
    """
    if A1.shape[-2:-1] != W.shape[-1:] or A1.shape[:-2] not in ((), W.shape[:-2]):
        raise _wrong_shape("A1", A1, W.shape[-1])


def check_mask(mask, W, A1):
    """Refuse a mask that does not have the shape of a layer's outputs.

    Parameters
    ----------
    mask : ndarray of shape (..., neurons, samples)
    W : ndarray of shape (..., neurons, inputs)
    A1 : {ndarray, sparse array} of shape (..., inputs, samples)

    Raises
    ------
    ValueError
        If it is refused.
    """
    shape = (*W.shape[:-1], A1.shape[-1])
    if getattr(mask, "shape", None) != shape:
        came = getattr(mask, "shape", type(mask).__name__)
        raise ValueError(f"mask must be an array of shape {shape}, got {came}.")


def check_gradient(dA, Z):
    """Convert a gradient with respect to the outputs of a layer, or refuse it.

    Parameters
    ----------
    dA : array-like of shape (..., neurons, samples)
    Z : ndarray of shape (..., neurons, samples) or None
        Pre-activations of the last forward pass, if there was one.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If it is refused.
    """
    if Z is None:
        raise ValueError("call feedforward before gradients or backprop.")
    dA = np.asarray(dA)
    if dA.shape != Z.shape:
        raise _wrong_shape("dA", dA, *Z.shape)
    return dA


def _wrong_shape(name, array, rows, columns="samples"):
    shape = np.shape(array)
    return ValueError(f"{name} must have shape ({rows}, {columns}), got {shape}.")


# Networks


def check_layers(layers):
    """Refuse layers that do not make a network.

    Parameters
    ----------
    layers : list of Layer

    Raises
    ------
    ValueError
        If it is refused.
    """
    for i in range(1, len(layers)):
        before, after = layers[i - 1], layers[i]
        if before.neurons != after.inputs:
            raise ValueError(
                f"layers[{i - 1}] has {before.neurons} neurons, but layers[{i}] "
                f"has {after.inputs} inputs: they must be equal."
            )
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValueError("layers must not hold the same Layer object twice.")


def check_masks(masks, layers):
    """Refuse more masks than there are layers.

    Parameters
    ----------
    masks : sequence of (ndarray or None)
    layers : list of Layer

    Raises
    ------
    ValueError
        If it is refused.
    """
    if len(masks) > len(layers):
        raise ValueError(
            f"masks must be no more than the {len(layers)} layers, got {len(masks)}."
        )


def check_total(Y, weights, total):
    """Divisor of the sums over a batch; None means the sum of the weights.

    Targets and weights are checked only then: training gives the total, and has
    checked its data once.

    Parameters
    ----------
    Y : ndarray of shape (n_targets, n_samples)
    weights : ndarray of shape (n_samples,) or None
    total : float, ndarray or None

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError
        If targets or weights are refused.
    """
    if total is not None:
        return total
    kind = Y.dtype if isinstance(Y, np.ndarray) else type(Y).__name__
    if getattr(kind, "kind", None) not in tuple("biuf") or not Y.ndim:
        raise ValueError(
            f"Y must be an array of numbers, one column per sample, got {kind}."
        )
    if not Y.shape[-1]:
        raise ValueError("Y must have at least one sample, got none.")
    if weights is None:
        return Y.shape[-1]
    if getattr(weights, "dtype", np.dtype(float)).kind not in "biuf":
        raise ValueError(f"weights must be an array of numbers, got {weights.dtype}.")
    shape = getattr(weights, "shape", type(weights).__name__)
    if shape != Y.shape[-1:]:
        raise ValueError(
            f"weights must be an array of shape {Y.shape[-1:]}, got {shape}."
        )
    total = float(weights.sum())
    if not (math.isfinite(total) and total > 0):
        raise ValueError(f"weights must have a positive and finite sum, got {total}.")
    return total


def parse_number(text):
    """Read the number that follows a name in parentheses.

    Parameters
    ----------
    text : str

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is not a finite decimal number.
    """
    # Python would take infinity, nan and underscores as well.
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text.strip()):
        raise ValueError("it must have a number in parentheses")
    return float(text)
