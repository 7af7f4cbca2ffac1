"""Training and prediction in compiled loops: the steps of ``training.steps``.

A batch is the article's (features, samples), but its memory is that of the transposed
array: a hidden layer's ``A`` is an array (samples, neurons) here, and ``W`` is one of
(inputs, neurons). ``Z = W A1 + b`` then reads ``Z = A1 W + b``, ``dW = dZ A1ᵀ`` reads
``dW = A1ᵀ dZ``, and ``dA1 = Wᵀ dZ`` reads ``dA1 = dZ Wᵀ``. Only the last layer's ``Z``
is (outputs, samples): a loss compares the outputs of a sample with each other, which is
faster between rows of memory than along short ones.

Numba keeps the machine code of ``train_batches`` and ``predict_rows`` in its cache,
which notices changes of this file only. So ``SOURCES`` has to change with the others.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import config

from skscratch.backends.kernels.activations import (
    ACTIVATION_NUMBERS,
    CUSTOM,
    NEED_Z,
    activate,
    chain,
    compile_custom,
)
from skscratch.backends.kernels.blas import product
from skscratch.backends.kernels.decorators import elementwise, entry, summing
from skscratch.backends.kernels.losses import LOSS_NUMBERS, cost_and_gradient
from skscratch.backends.kernels.optimizers import (
    OPTIMIZER_NUMBERS,
    add_penalty,
    clip,
    include,
    update,
)

__all__ = [
    "ACTIVATION_NUMBERS",
    "CUSTOM",
    "LOSS_NUMBERS",
    "NEED_Z",
    "OPTIMIZER_NUMBERS",
    "Architecture",
    "Data",
    "Options",
    "Vectors",
    "compile_custom",
    "compile_for",
    "predict_rows",
    "train_batches",
]

# Hash of the other files that the machine code depends on; a test computes it.
SOURCES = "7b71ee638a4cfe94"

# Number of parameters whose gradient, moments and average are updated together, while
# they are in a core's cache.
_BLOCK = 4096


class Data(NamedTuple):
    """Training data: ``BatchData``, with empty arrays for what is missing.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Read-only, as the following three are.
    indicators : ndarray of bool of shape (n_samples, n_targets)
        Targets of a classifier.
    numbers : ndarray of shape (n_samples, n_targets)
        Targets of a regressor. One of the two is empty.
    weights : ndarray of shape (n_samples,)
        Sample weights; empty if all are 1.
    mean_weight : float
    smoothing : float
        Share of each target that is distributed over all classes.
    n_classes : int
    """

    X: Any
    indicators: Any
    numbers: Any
    weights: Any
    mean_weight: float
    smoothing: float
    n_classes: int


class Architecture(NamedTuple):
    """A network's layers and loss, and where its arrays are.

    Attributes
    ----------
    sizes : ndarray of int of shape (n_layers + 1,)
        Number of features, neurons of each hidden layer, number of outputs.
    activations : ndarray of int of shape (n_layers,)
        The last one is the identity.
    constants : ndarray of shape (n_layers,)
        Parameter of each activation, such as a slope.
    functions : ndarray of int of shape (n_layers, 2)
        Addresses of users' activations and derivatives.
    loss : int
    loss_constant : float
        Parameter of the loss: Huber's threshold.
    offsets : ndarray of int of shape (n_layers + 1, 3)
        Where ``Z``, ``A`` and the output of each layer begin in the workspace. They are
        one array unless the derivative needs ``Z``, or outputs are dropped. The input
        of the network counts as the output of layer 0.
    scratch_offset : int
        Where the rest of the workspace begins: targets, shares, and two gradients.
    """

    sizes: Any
    activations: Any
    constants: Any
    functions: Any
    loss: int
    loss_constant: float
    offsets: Any
    scratch_offset: int


class Options(NamedTuple):
    """Options of a step.

    Attributes
    ----------
    optimizer : int
    hyperparameters : tuple of four floats
    alpha : float
        Strength of the L2 penalty.
    max_norm : float
        Largest norm of the gradients, or infinity.
    decay : float
        Decay of the parameters' moving average.
    """

    optimizer: int
    hyperparameters: tuple[float, float, float, float]
    alpha: float
    max_norm: float
    decay: float


class Vectors(NamedTuple):
    """Arrays that steps change.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (n_parameters,)
        First all weights, layer by layer, then all biases.
    first, second : ndarray of shape (n_parameters,)
        Moments of the optimizer; empty if it has fewer.
    mean : ndarray of shape (n_parameters,)
        Moving average of the parameters; empty if there is none.
    workspace : ndarray of shape (n,)
    """

    parameters: Any
    gradients: Any
    first: Any
    second: Any
    mean: Any
    workspace: Any


@entry
def train_batches(
    blas,
    data,
    order,
    batch_size,
    network,
    options,
    vectors,
    masks,
    rates,
    first_batch,
    n_steps,
    n_averaged,
):
    """Take a step for each of several batches.

    Parameters
    ----------
    blas : int
        Address of a matrix product: see ``blas.product``.
    data : Data
    order : ndarray of int of shape (n,)
        Rows of an epoch, in their order.
    batch_size : int
    network : Architecture
    options : Options
    vectors : Vectors
        Changed in place.
    masks : ndarray of shape (n_masks,)
        Factors of the outputs that may be dropped, batch by batch, layer by layer.
    rates : ndarray of float64 of shape (n_batches,)
        Learning rate of each step.
    first_batch : int
        Number of the first batch, counted from 0.
    n_steps, n_averaged : int
        Number of steps of the optimizer and of the average before these.

    Returns
    -------
    float
        Sum of the batches' costs, each times its number of samples.
    """
    cost_sum = 0.0
    n_masks = 0
    for batch in range(rates.size):
        start = (first_batch + batch) * batch_size
        rows = order[start : start + batch_size]
        total = rows.size * data.mean_weight
        cost, n_masks = _backpropagate(
            blas, data, rows, total, network, vectors, masks, n_masks
        )
        cost += _descend(
            vectors,
            options,
            _count_weights(network.sizes),
            options.alpha / total,
            rates[batch],
            n_steps + batch + 1,
            n_averaged + batch + 1,
        )
        cost_sum += cost * rows.size
    return cost_sum


@entry
def predict_rows(blas, X, network, parameters, workspace, Z):
    """Compute the raw outputs for rows of samples.

    Parameters
    ----------
    blas : int
    X : ndarray of shape (n_samples, n_features)
        Contiguous and read-only.
    network : Architecture
    parameters : ndarray of shape (n_parameters,)
    workspace : ndarray of shape (n,)
    Z : ndarray of shape (n_outputs, n_samples)
        Where they are written.
    """
    _forward(blas, X, network, parameters, workspace, workspace[:0], 0, Z)


@elementwise
def _backpropagate(blas, data, rows, total, network, vectors, masks, n_masks):
    """Compute the gradients of a batch's loss, without the penalty.

    Returns the cost, and the number of factors of ``masks`` that are used up.
    """
    sizes, offsets = network.sizes, network.offsets
    workspace = vectors.workspace
    n, n_outputs = rows.size, sizes[-1]
    offset = network.scratch_offset
    Z = _part(workspace, offsets[-1, 0], n_outputs, n)
    Y = _part(workspace, offset, n_outputs, n)
    offset += Y.size
    shares = workspace[offset : offset + n]
    per_sample = workspace[offset + n : offset + 2 * n]
    A1 = _part(workspace, offsets[0, 2], n, sizes[0])
    _gather(data, rows, total, A1, Y, shares)
    n_masks = _forward(
        *(blas, A1, network, vectors.parameters),
        *(workspace, masks, n_masks, Z),
    )
    cost = cost_and_gradient(
        *(network.loss, network.loss_constant, Z, Y, shares, per_sample)
    )
    _backward(blas, Z, network, vectors, masks, n_masks, offset + 2 * n)
    return cost, n_masks


@elementwise
def _backward(blas, dZ, network, vectors, masks, n_masks, offset):
    """Backward pass from ``dZ`` of the last layer, (outputs, samples).

    Two arrays for ``dA`` begin at ``offset`` in the workspace, and layers take turns
    with them. Masks are read from the back, beginning at ``n_masks``.
    """
    parameters, gradients = vectors.parameters, vectors.gradients
    sizes, workspace = network.sizes, vectors.workspace
    n_outputs, n = dZ.shape
    layer = sizes.size - 2
    weights = _count_weights(sizes) - sizes[layer] * n_outputs
    biases = parameters.size - n_outputs
    A1 = _part(workspace, network.offsets[layer, 2], n, sizes[layer])
    product(blas, A1.T, dZ.T, _part(gradients, weights, sizes[layer], n_outputs))
    _row_sums(dZ, gradients[biases:])
    if layer == 0:
        return
    W = _part(parameters, weights, sizes[layer], n_outputs)
    dA = _part(workspace, offset, n, sizes[layer])
    product(blas, dZ.T, W.T, dA)
    other_offset = offset + n * sizes[1:].max()
    while layer > 0:
        layer -= 1
        inputs, neurons = sizes[layer], sizes[layer + 1]
        weights -= inputs * neurons
        biases -= neurons
        z, a, output = network.offsets[layer + 1]
        if output != a:
            n_masks -= dA.size
            _multiply(dA.reshape(-1), masks[n_masks : n_masks + dA.size])
        chain(
            network.activations[layer],
            network.constants[layer],
            network.functions[layer, 1],
            dA,
            _part(workspace, z, n, neurons),
            _part(workspace, a, n, neurons),
            gradients[biases : biases + neurons],
        )
        A1 = _part(workspace, network.offsets[layer, 2], n, inputs)
        product(blas, A1.T, dA, _part(gradients, weights, inputs, neurons))
        if layer > 0:
            W = _part(parameters, weights, inputs, neurons)
            offset, other_offset = other_offset, offset
            dA1 = _part(workspace, offset, n, inputs)
            product(blas, dA, W.T, dA1)
            dA = dA1


@elementwise
def _descend(vectors, options, n_weights, strength, rate, n_steps, n_averaged):
    """Add the L2 penalty to the gradients, take a step, and include it in the average.

    Returns the penalty. ``n_steps`` and ``n_averaged`` count this step, from 1.
    """
    p, g, mean = vectors.parameters, vectors.gradients, vectors.mean
    number = p.dtype.type
    squares = 0.0
    is_clipped = options.max_norm < np.inf
    if is_clipped:
        # All gradients are needed at once.
        squares = add_penalty(p[:n_weights], g[:n_weights], number(strength))
        clip(g, options.max_norm)
    share = (1 - options.decay) / (1 - options.decay**n_averaged)
    for i in range(0, p.size, _BLOCK):
        block = slice(i, min(i + _BLOCK, p.size))
        n_in_block = min(max(n_weights - i, 0), _BLOCK)
        weights = slice(i, i + n_in_block)
        if not is_clipped:
            squares += add_penalty(p[weights], g[weights], number(strength))
        update(
            options.optimizer,
            options.hyperparameters,
            p[block],
            g[block],
            vectors.first[block],
            vectors.second[block],
            rate,
            n_steps,
            n_in_block,
        )
        if mean.size:
            include(mean[block], p[block], number(share))
    return 0.5 * strength * squares


@elementwise
def _forward(blas, A1, network, parameters, workspace, masks, n_masks, Z_last):
    """Forward pass; the raw outputs are written into ``Z_last``.

    Returns the number of factors of ``masks`` that are used up.
    """
    sizes, n = network.sizes, A1.shape[0]
    n_layers = sizes.size - 1
    weights, biases = 0, _count_weights(sizes)
    for layer in range(n_layers - 1):
        inputs, neurons = sizes[layer], sizes[layer + 1]
        W = _part(parameters, weights, inputs, neurons)
        b = parameters[biases : biases + neurons]
        z, a, output = network.offsets[layer + 1]
        Z = _part(workspace, z, n, neurons)
        A = _part(workspace, a, n, neurons)
        product(blas, A1, W, Z)
        activate(
            network.activations[layer],
            network.constants[layer],
            network.functions[layer, 0],
            b,
            Z,
            A,
        )
        if output != a:
            mask = masks[n_masks : n_masks + A.size]
            n_masks += A.size
            dropped = _part(workspace, output, n, neurons)
            dropped[:] = A
            _multiply(dropped.reshape(-1), mask)
            A = dropped
        A1 = A
        weights += W.size
        biases += neurons
    W = _part(parameters, weights, sizes[-2], sizes[-1])
    product(blas, W.T, A1.T, Z_last)
    _add_to_rows(Z_last, parameters[biases:])
    return n_masks


@elementwise
def _part(vector, start, n_rows, n_columns):
    """Array in a vector."""
    return vector[start : start + n_rows * n_columns].reshape(n_rows, n_columns)


@elementwise
def _count_weights(sizes):
    n_weights = 0
    for layer in range(sizes.size - 1):
        n_weights += sizes[layer] * sizes[layer + 1]
    return n_weights


@elementwise
def _gather(data, rows, total, A1, Y, shares):
    """Gather the rows of a batch: samples, smoothed targets, and shares of the cost."""
    number = A1.dtype.type
    for i in range(rows.size):
        row = rows[i]
        for j in range(A1.shape[1]):
            A1[i, j] = data.X[row, j]
    scale = number(1 - data.smoothing)
    floor = number(data.smoothing / data.n_classes)
    is_smoothed = data.smoothing != 0
    for i in range(rows.size):
        row = rows[i]
        for k in range(Y.shape[0]):
            if data.indicators.size:
                y = number(data.indicators[row, k])
            else:
                y = data.numbers[row, k]
            Y[k, i] = scale * y + floor if is_smoothed else y
    if data.weights.size:
        for i in range(rows.size):
            shares[i] = data.weights[rows[i]] / total
    else:
        shares[:] = 1 / total


@elementwise
def _multiply(x, factors):
    """Multiply an array by another, in place."""
    for i in range(x.size):
        x[i] *= factors[i]


@elementwise
def _add_to_rows(Z, b):
    """Bias of the last layer, whose rows are outputs: ``Z + b``."""
    for k in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            Z[k, i] += b[k]


@summing
def _row_sums(dZ, db):
    """Gradient of the bias of the last layer: ``db = sum(dZ)``."""
    for k in range(dZ.shape[0]):
        total = dZ.dtype.type(0)
        for i in range(dZ.shape[1]):
            total += dZ[k, i]
        db[k] = total


def compile_for(dtype):
    """Compile the kernels for a dtype, or load them from the cache.

    Parameters
    ----------
    dtype : dtype

    Raises
    ------
    RuntimeError
        If Numba is told not to compile.
    """
    if config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    data, network, options, vectors = _nothing(np.dtype(dtype))
    none, order = vectors.mean, np.zeros(0, np.int64)
    arguments = (0, data, order, 1, network, options, vectors, none)
    _compile_by(train_batches, *arguments, np.zeros(0), 0, 0, 0)
    X, Z = np.zeros((1, 1), dtype), np.zeros((1, 1), dtype)
    X.flags.writeable = False
    _compile_by(predict_rows, 0, X, network, vectors.parameters, vectors.workspace, Z)


def _compile_by(function, *arguments):
    """Call a function, whether or not its machine code can be written to the cache."""
    try:
        function(*arguments)
    except OSError:  # A full disk, for example: the function is compiled all the same.
        function(*arguments)


def _nothing(dtype):
    """Arguments of the kernels: a network of one weight, and no training data."""
    sizes, numbers = np.ones(2, np.int64), np.zeros(1, np.int64)
    none, parameters = np.zeros(0, dtype), np.zeros(2, dtype)
    tables = [np.zeros((0, 1), dtype), np.zeros((0, 1), bool), none.copy()]
    for table in tables:
        table.flags.writeable = False
    numbers_table, indicators, weights = tables
    data = Data(numbers_table, indicators, numbers_table, weights, 1.0, 0.0, 1)
    functions, offsets = np.zeros((1, 2), np.int64), np.zeros((2, 3), np.int64)
    network = Architecture(
        sizes, numbers, np.zeros(1, dtype), functions, 0, 0.0, offsets, 0
    )
    options = Options(0, (0.0, 0.0, 0.0, 0.0), 0.0, np.inf, 0.0)
    return data, network, options, Vectors(*[parameters] * 4, none, np.zeros(8, dtype))
