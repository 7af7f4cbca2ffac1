"""Operations that reuse their arrays, and replay whole training steps.

In a training step of a small network, half of the time is Python's: which layer is
next, which array, of what shape, what to call. As long as batches come in the same
arrays and results go into the same arrays, all of that comes out the same each time.
So the calls of NumPy that a step makes are recorded when it runs for the first time,
and from then on the list of calls is replayed.
"""

from collections.abc import Callable
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from skscratch.backends.buffers import Buffers
from skscratch.backends.linalg import (
    add_scaled,
    matmul_calls,
    ones,
    product_calls,
    sparse_product,
)
from skscratch.backends.operations import Operations, smooth

__all__ = ["BufferedOperations", "PredictionOperations"]


class _Recording(NamedTuple):
    """A step of training as a list of calls.

    Attributes
    ----------
    inputs, version : tuple
        As in ``Operations.run``.
    calls : list of callable
        They take no arguments.
    result : object
        What the step returned; the calls write into it.
    """

    inputs: tuple
    version: tuple
    calls: list[Callable[[], Any]]
    result: Any


class _Batch(NamedTuple):
    """Arrays that the batches of one shape are gathered into.

    Attributes
    ----------
    data : object
        The training data.
    parts : list of tuple
        Arrays of the training data, and where their rows are gathered.
    targets : ndarray of shape (..., n_targets, n)
        The gathered targets, of the dtype that they have in the training data.
    result : tuple
        ``A1, Y, weights, total``. A sparse ``A1`` is None here.
    """

    data: Any
    parts: list
    targets: np.ndarray
    result: tuple


class BufferedOperations(Operations):
    """NumPy with arrays that are used again, for one training.

    Results are valid until the same operation of the same layer runs again. An object
    belongs to one thread.

    Parameters
    ----------
    dtype : dtype
        Of all arrays: float32 or float64.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self._buffers = Buffers(dtype)
        # Targets are gathered as they are, often as booleans, and then converted.
        self._target_buffers: dict[np.dtype, Buffers] = {}
        self._batches: dict[tuple, _Batch] = {}
        self._recordings: dict[tuple, _Recording] = {}
        # The calls of the step that is being recorded.
        self._calls: list[Callable[[], Any]] | None = None

    def batch(self, data, rows):
        """Gather rows into the same arrays each time; see ``Operations.batch``."""
        in_order = isinstance(rows, slice)
        shape = (len(range(*rows.indices(len(data.Y)))),) if in_order else rows.shape
        batch = self._batches.get(shape)
        if batch is None or batch.data is not data:
            batch = self._batches[shape] = self._make_batch(data, shape)
        for array, part in batch.parts:
            if in_order:
                np.copyto(part, array[rows])
            else:
                # Straight into `part`: the default mode makes a copy first.
                array.take(rows, axis=0, out=part, mode="clip")
        A1, Y, weights, total = batch.result
        if A1 is None:
            A1 = data.X[rows].T
        np.copyto(Y, batch.targets)
        if data.smoothing is not None:
            smooth(Y, *data.smoothing)
        return A1, Y, weights, total

    def _make_batch(self, data, shape):
        def rows_of(array, name, buffers=self._buffers):
            return buffers(("batch", name), (*shape, *array.shape[1:]))

        A1 = weights = None
        dtype = data.Y.dtype
        own = self._target_buffers.setdefault(dtype, Buffers(dtype))
        targets = rows_of(data.Y, "targets", own)
        parts = [(data.Y, targets)]
        if isinstance(data.X, np.ndarray):
            parts.append((data.X, rows_of(data.X, "X")))
            A1 = parts[-1][1].mT
        if data.weights is not None:
            weights = rows_of(data.weights, "weights")
            parts.append((data.weights, weights))
            if weights.ndim == 2:
                weights = weights[:, np.newaxis]
        Y = self._buffers(("batch", "Y"), targets.mT.shape)
        total = Y.shape[-1] * data.mean_weight
        return _Batch(data, parts, targets.mT, (A1, Y, weights, total))

    def dense(self, key, W, b, A1, f, mask=None):
        """``Z = W A1 + b`` and ``A = f(Z)``, which may take the place of ``Z``."""
        shape = (*W.shape[:-1], A1.shape[-1])
        Z = self._layer_array(key, "Z", shape)
        self._product(W, A1, Z)
        self.call(np.add, Z, b, Z)
        A = Z
        if not f.is_identity:
            A = self._layer_array(key, "A", shape) if f.needs_Z else Z
            self._evaluate(f.function_options, f.function, Z, out=A)
        if mask is None:
            return Z, A, A
        output = self._layer_array(key, "output", shape)
        return Z, A, self.call(np.multiply, A, mask, output)

    def back(self, key, dA, Z, A, f, mask=None):
        """``dZ = dA · f'(Z)``, written over ``dA``, ``A``, or neither."""
        if mask is not None:
            dA = self.call(np.multiply, dA, mask, dA)
        if f.is_identity:  # Multiplying by 1 takes a while too.
            return dA
        dZ = A if f.in_place else self._layer_array(key, "dZ", dA.shape)
        self._evaluate(f.derivative_options, f.derivative, Z, A, out=dZ)
        return self.call(np.multiply, dZ, dA, dZ)

    def weight_gradients(self, key, dZ, A1, dW, db):
        """``dW = dZ A1ᵀ`` and ``db = sum(dZ)``."""
        if dW is None or db is None:
            dW = np.empty((*dZ.shape[:-1], A1.shape[-2]), dZ.dtype)
            db = np.empty((*dZ.shape[:-1], 1), dZ.dtype)
        if isinstance(A1, np.ndarray):
            for call in matmul_calls(dZ, A1.mT, dW):
                self.call(*call)
        else:
            np.copyto(dW, sparse_product(dZ, A1.T))
        self.call(np.matmul, dZ, ones(dZ.shape[-1], dZ.dtype), db)
        return dW, db

    def input_gradient(self, key, W, dZ):
        """``dA1 = Wᵀ dZ``."""
        shape = (*W.shape[:-2], W.shape[-1], dZ.shape[-1])
        dA1 = self.array((key, "dA1"), shape, "F")
        self._product(W.mT, dZ, dA1)
        return dA1

    def penalty(self, weights, weight_gradients, strength):
        """``strength / 2 · |w|²``; one pass adds its gradient, without a temporary."""
        if weight_gradients is not None:
            if weights.ndim == 1:
                add_scaled(weight_gradients, weights, strength)
            else:
                strengths = np.broadcast_to(strength, len(weights)).tolist()
                for row in zip(weight_gradients, weights, strengths, strict=True):
                    add_scaled(*row)
        return super().penalty(weights, None, strength)

    def run(self, step, inputs, version):
        """Run a step, or replay it if it is the last one of its batch's shape."""
        shape = inputs[0].shape
        recording = self._recordings.get(shape)
        if (
            recording is not None
            and _are_same(inputs, recording.inputs)
            and _are_same(version, recording.version)
        ):
            for call in recording.calls:
                call()
            return recording.result
        if not isinstance(inputs[0], np.ndarray):
            # Products of sparse batches allocate their results.
            return step(*inputs)
        calls: list[Callable[[], Any]] = []
        self._calls = calls
        try:
            result = step(*inputs)
        finally:
            self._calls = None
        self._recordings[shape] = _Recording(inputs, version, calls, result)
        return result

    def array(self, name, shape, order="C"):
        """Array of a name, the same one for the same shape."""
        return self._buffers(name, shape, order)

    def call(self, function, *arguments, **options):
        """Call a function, and record the call while a step is recorded."""
        if self._calls is not None:
            self._calls.append(_recorded(function, arguments, options))
        return function(*arguments, **options)

    def _layer_array(self, key, name, shape):
        # Losses compare the outputs of a sample with each other, which is many times
        # faster between rows of memory than along short ones. In the other layers, the
        # neurons of a sample are contiguous.
        return self.array((key, name), shape, "C" if key == -1 else "F")

    def _product(self, x, y, out):
        if isinstance(y, np.ndarray):
            for call in product_calls(x, y, out):
                self.call(*call)
        else:
            np.copyto(out, sparse_product(x, y))

    def _evaluate(self, options, function, *arguments, out):
        if {"out", "operations"} == options:
            function(*arguments, out=out, operations=self)
        elif "out" in options:
            self.call(function, *arguments, out=out)
        else:
            self.call(_copy_result, function, arguments, out)


class PredictionOperations(BufferedOperations):
    """NumPy with arrays that are used again, for predictions of many batches.

    Layers take turns with two sets of arrays, for a layer only reads what the one
    before it has written. So there is nothing to compute gradients from.

    Parameters
    ----------
    dtype : dtype
        Of all arrays: float32 or float64.
    """

    def _layer_array(self, key, name, shape):
        order = "C" if key == -1 else "F"
        return self.array((key % 2, name), shape, order)

    def back(self, key, dA, Z, A, f, mask=None):
        """Refuse: what gradients need is overwritten."""
        raise TypeError(
            "PredictionOperations cannot compute gradients: use BufferedOperations."
        )


def _copy_result(function, arguments, out):
    """Call a function that has no argument ``out``."""
    np.copyto(out, function(*arguments))


def _are_same(these, those):
    """Whether two tuples hold the same objects, or equal numbers."""
    return len(these) == len(those) and (
        all(map(is_, these, those)) or all(map(_is_same, these, those))
    )


def _is_same(this, that):
    return this is that or (isinstance(this, int | float) and this == that)


def _recorded(function, arguments, options):
    """Call without arguments, in the form that NumPy executes fastest."""
    if not isinstance(function, np.ufunc):
        return partial(function, *arguments, **options)
    return partial(function, *_without_python_numbers(arguments), **options)


def _without_python_numbers(arguments):
    """Turn numbers into arrays of the operands' dtype, once and not at each call."""
    dtypes = {value.dtype for value in arguments if isinstance(value, np.ndarray)}
    if len(dtypes) > 1:
        return arguments
    return [
        np.asarray(value, *dtypes) if type(value) is float else value
        for value in arguments
    ]
