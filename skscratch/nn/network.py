"""A network: layers one after the other, whose trainable numbers are one flat vector.

Because weights, biases and their gradients are views into two vectors, an optimizer,
a snapshot or a gradient check is one line, whatever the layers are. How operations are
executed is not decided here: see ``skscratch.backends.operations``.
"""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skscratch.backends.linalg import aligned, norm
from skscratch.backends.operations import ALLOCATING, Operations
from skscratch.nn.activations import Activation, resolve_activation
from skscratch.nn.checks import (
    as_numbers,
    check_dtype,
    check_layers,
    check_masks,
    check_total,
    is_size,
    random_source,
)
from skscratch.nn.initializers import resolve_initializer
from skscratch.nn.layer import Layer
from skscratch.nn.loss import Loss, divide_by_total
from skscratch.nn.losses import resolve_loss

__all__ = [
    "MOST_PARAMETERS",
    "Network",
    "count_parameters",
    "hidden_activations",
]

# A terabyte in float32, and four with Adam's moments and the gradients: more is a
# slip of the pen, to be reported before memory is asked for.
MOST_PARAMETERS = 2**38


class Network:
    """Layers, one feeding the next, and the loss that trains them.

    The last layer gives the raw outputs (logits, where the loss is a log-loss), and the
    loss turns them into predictions. A network holds nothing but its vectors: batches,
    buffers and recorded steps belong to the operations that are passed to its methods.

    Parameters
    ----------
    layers : list of Layer
        From input to output. The network takes them over: their arrays become views
        into its vectors.
    loss : str or Loss, default="log_loss"
        The loss: a key of ``LOSSES``, or a ``Loss``.
    dtype : dtype, default=None
        Of all numbers; None means that of the layers' weights.

    Attributes
    ----------
    parameters : ndarray of shape (n_parameters,)
        All weights, layer by layer, then all biases.
    gradients : ndarray of shape (n_parameters,)
        Their gradients, as ``cost_and_gradients`` last left them.
    weights, weight_gradients : ndarray of shape (n_weights,)
        The parts of the two that L2 regularization acts on: views.

    Raises
    ------
    ValueError
        If there is no layer, one does not fit the next, or the loss is not known.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss = "log_loss",
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        given, layers = layers, list(layers) if np.iterable(layers) else []
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise ValueError(f"layers must be a list of Layer objects, got {given!r}.")
        check_layers(layers)
        if dtype is not None:
            check_dtype(dtype)
        resolve_loss(loss)
        self._adopt(layers, loss, dtype)

    @classmethod
    def glorot(
        cls,
        sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        loss: str | Loss = "log_loss",
        *,
        random_state: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> Self:
        """Make a network with the initial weights of Glorot and Bengio (2010).

        Parameters
        ----------
        sizes : sequence of int
            As in ``initialized``, and so are the others.
        activation : str, Activation or sequence of these, default="relu"
        loss : str or Loss, default="log_loss"
        random_state : int, RandomState or None, default=None
        dtype : dtype, default=float64

        Returns
        -------
        Network
        """
        return cls.initialized(
            sizes, activation, loss, random_state=random_state, dtype=dtype
        )

    @classmethod
    def initialized(
        cls,
        sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        loss: str | Loss = "log_loss",
        *,
        init: str | Callable[..., Any] = "glorot",
        random_state: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> Self:
        """Make a network with random initial weights.

        Parameters
        ----------
        sizes : sequence of int
            Number of features, neurons of each hidden layer, number of outputs.
        activation : str, Activation or sequence of these, default="relu"
            Of the hidden layers, one for all or one for each. The last layer has the
            identity, and its weights are drawn like those of the layer before it.
        loss : str or Loss, default="log_loss"
            As in the constructor.
        init : {"glorot", "he"} or callable, default="glorot"
            How weights are drawn: a key of ``INITIALIZERS``, or an initializer.
        random_state : int, RandomState or None, default=None
            Source of the draws.
        dtype : dtype, default=float64
            Of all numbers.

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If there are fewer than two sizes, one is not a positive integer, they make
            more parameters than any memory holds, there are not as many activations as
            hidden layers, or an activation, the loss, the initializer or the dtype is
            not known.
        """
        initializer = resolve_initializer(init)
        random_state = random_source(random_state)
        check_dtype(dtype)
        given, sizes = sizes, list(sizes) if np.iterable(sizes) else []
        if len(sizes) < 2 or not all(map(is_size, sizes)):
            raise ValueError(
                f"sizes must be two or more positive integers, got {given!r}."
            )
        sizes = [int(size) for size in sizes]
        if count_parameters(sizes) > MOST_PARAMETERS:
            raise ValueError(
                f"sizes={given!r} make more than {MOST_PARAMETERS:,} parameters, the "
                "most that a network may have."
            )
        activations = hidden_activations(activation, len(sizes) - 2)
        is_one = isinstance(activation, str | Activation)
        last = activation if is_one else ["identity", *activations][-1]
        layers = []
        for (fan_in, fan_out), drawn_for, used in zip(
            itertools.pairwise(sizes),
            [*activations, last],
            [*activations, "identity"],
            strict=True,
        ):
            record = resolve_activation(drawn_for)
            W, b = initializer(random_state, fan_in, fan_out, record)
            layers.append(
                Layer.from_arrays(
                    W.T.astype(dtype, copy=False), b[:, np.newaxis].astype(dtype), used
                )
            )
        return cls(layers, loss)

    def _adopt(self, layers, loss, dtype=None):
        """Move the layers' numbers into one vector and make them views of it."""
        self.layers, self.loss = layers, loss
        dtype = dtype or np.result_type(np.float32, *(layer.W for layer in layers))
        arrays = [(layer.W, layer.b) for layer in layers]
        n_parameters = sum((layer.inputs + 1) * layer.neurons for layer in layers)
        shape = (*layers[0].W.shape[:-2], n_parameters)
        self._view(aligned(shape, dtype), aligned(shape, dtype))
        for position, (layer, (W, b)) in enumerate(
            zip(layers, arrays, strict=True), start=-len(layers)
        ):
            layer.W, layer.b, layer.position = W, b, position

    def _view(self, parameters, gradients):
        """Make all numbers views of these vectors, (…, n_parameters)."""
        n_weights = sum(layer.inputs * layer.neurons for layer in self.layers)
        self.parameters, self.gradients = parameters, gradients
        self.weights = parameters[..., :n_weights]
        self.weight_gradients = gradients[..., :n_weights]
        at_W, at_b = 0, n_weights
        for layer in self.layers:
            *networks, neurons, inputs = layer.W.shape
            W = slice(at_W, at_W + neurons * inputs)
            b = slice(at_b, at_b + neurons)
            layer._W, layer.dW = (
                vector[..., W].reshape(*networks, inputs, neurons).mT
                for vector in (parameters, gradients)
            )
            layer._b, layer.db = (
                vector[..., b, np.newaxis] for vector in (parameters, gradients)
            )
            at_W, at_b = W.stop, b.stop

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all numbers of the network."""
        return self.parameters.dtype

    @property
    def width(self) -> int:
        """Largest number of outputs of a layer for one sample, in all networks."""
        return max(layer.W.size // layer.inputs for layer in self.layers)

    @property
    def output(self) -> str:
        """Name of the function that turns raw outputs into predictions."""
        return resolve_loss(self.loss).output

    def forward(
        self,
        A1: Any,
        masks: Sequence[NDArray[Any] | None] = (),
        operations: Operations = ALLOCATING,
        passes: list[Any] | None = None,
    ) -> NDArray[Any]:
        """Raw outputs for a batch: the forward pass of prediction and training.

        It writes to nothing but ``passes`` and what belongs to the operations, so that
        threads with operations of their own, or with ``ALLOCATING``, may share a
        network.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        masks : sequence of (ndarray or None), default=()
            Factors of the outputs of the first layers, for dropout.
        operations : Operations, default=Operations()
            Carry out the computation; the default allocates its results.
        passes : list, default=None
            Is given ``(A1, Z, A, mask)`` of each layer, which gradients need. None
            keeps nothing.

        Returns
        -------
        Z : ndarray of shape (n_outputs, n_samples)
        """
        check_masks(masks, self.layers)
        for layer, mask in itertools.zip_longest(self.layers, masks):
            Z, A, output = layer.forward(A1, mask, operations=operations)
            if passes is not None:
                passes.append((A1, Z, A, mask))
            A1 = output
        return A1

    def raw_outputs(
        self, A1: Any, masks: Sequence[NDArray[Any] | None] = ()
    ) -> NDArray[Any]:
        """Raw outputs for a batch, in a new array; see ``forward``.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        masks : sequence of (ndarray or None), default=()
            Factors of the outputs of the first layers, for dropout.

        Returns
        -------
        Z : ndarray of shape (n_outputs, n_samples)
        """
        return self.forward(A1, masks)

    def predict(self, A1: Any) -> NDArray[Any]:
        """Predictions for a batch, such as probabilities or means.

        Parameters
        ----------
        A1 : {array-like, sparse array} of shape (n_features, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        Z = self.forward(as_numbers(A1, "A1"))
        return resolve_loss(self.loss).predictions(self.average_members(Z))

    def average_members(self, Z: NDArray[Any]) -> NDArray[Any]:
        """Raw outputs to predict from, (n_outputs, n_samples): these themselves."""
        return Z

    def cost(
        self,
        A1: Any,
        Y: Any,
        *,
        alpha: float = 0.0,
        weights: NDArray[Any] | None = None,
        total: Any = None,
        masks: Sequence[NDArray[Any] | None] = (),
    ) -> Any:
        """Cost of a batch, without its gradient: see ``cost_and_gradients``."""
        A1, Y = as_numbers(A1, "A1"), as_numbers(Y, "Y")
        total = check_total(Y, weights, total)
        Z = self.forward(A1, masks)
        cost = resolve_loss(self.loss).cost(Z, Y, weights, total)
        return cost + ALLOCATING.penalty(self.weights, None, _strength(alpha, total))

    def cost_and_gradients(
        self,
        A1: Any,
        Y: NDArray[Any],
        *,
        alpha: float = 0.0,
        weights: NDArray[Any] | None = None,
        total: Any = None,
        masks: Sequence[NDArray[Any] | None] = (),
        input_gradient: bool = False,
        operations: Operations = ALLOCATING,
    ) -> Any:
        """Compute the cost of a batch, and its gradient, which goes to ``gradients``.

        The cost is ``(sum of the samples' weighted losses + alpha / 2 · |W|²) /
        total``. ``gradients`` holds its derivatives with respect to all parameters;
        but the squared error of several targets is reported as their mean, as in
        scikit-learn, while the gradients are those of their sum.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        Y : ndarray of shape (n_targets, n_samples)
            Targets: indicators of the class, or numbers.
        alpha : float, default=0.0
            Strength of the L2 regularization of the weights; biases are left alone.
        weights : ndarray of shape (n_samples,), default=None
            Sample weights; None means 1 for each.
        total : float, default=None
            What the sums are divided by; None means the sum of the weights.
        masks : sequence of (ndarray or None), default=()
            Factors of the outputs of the first layers, for dropout.
        input_gradient : bool, default=False
            Whether to return the gradient with respect to ``A1`` too.
        operations : Operations, default=Operations()
            Carry out the computation; the default allocates its results.

        Returns
        -------
        cost : float
        dA1 : ndarray of shape (n_features, n_samples)
            Only with ``input_gradient``.
        """
        total = check_total(Y, weights, total)
        inputs = (A1, Y, weights, total, *masks)
        loss = resolve_loss(self.loss)
        step = partial(self._backpropagate, loss, operations, input_gradient)
        activations = [resolve_activation(layer.activation) for layer in self.layers]
        version = (self.parameters, loss, input_gradient, *activations)
        loss_sum, dA1 = operations.run(step, inputs, version)
        cost = divide_by_total(loss_sum, total)
        if alpha:
            cost += operations.penalty(
                self.weights, self.weight_gradients, _strength(alpha, total)
            )
        return (cost, dA1) if input_gradient else cost

    def _backpropagate(
        self, loss, operations, input_gradient, A1, Y, weights, total, *masks
    ):
        """Gradients of the loss without the penalty; return its sum and ``dA1``."""
        passes: list[tuple] = []
        Z = self.forward(A1, masks, operations, passes)
        loss_sum, dA = operations.loss(loss, Z, Y, weights, total)
        for layer in reversed(self.layers):
            dA = layer.backward(
                dA,
                *passes.pop(),
                operations=operations,
                input_gradient=input_gradient or layer is not self.layers[0],
            )
        return loss_sum, dA

    def astype(self, dtype: DTypeLike) -> Self:
        """Copy of the network with all numbers of another dtype."""
        return type(self)(copy.deepcopy(self.layers), self.loss, dtype=dtype)

    def snapshot(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copy of all parameters, for ``restore``.

        Parameters
        ----------
        out : ndarray of shape (n_parameters,), default=None
            An older snapshot to write it into.
        """
        return np.positive(self.parameters, out=out)

    def is_finite(self) -> bool:
        """Whether the parameters are finite numbers, and so is their norm."""
        # One pass, and no array of truth values. A norm beyond the largest number
        # counts as infinite.
        return math.isfinite(norm(self.parameters))

    def restore(self, snapshot: NDArray[Any]) -> None:
        """Set all parameters to those of a ``snapshot``."""
        if not np.ndim(snapshot):
            raise ValueError(
                f"snapshot must have shape {self.parameters.shape}, got {snapshot!r}."
            )
        self.parameters[...] = snapshot

    def __repr__(self):
        rows = [("layer", "inputs", "neurons", "activation", "parameters")]
        for i, layer in enumerate(self.layers, start=1):
            n_parameters = layer.W.size + layer.b.size
            rows.append(
                (
                    f"{i}",
                    f"{layer.inputs:,}",
                    f"{layer.neurons:,}",
                    layer.activation,
                    f"{n_parameters:,}",
                )
            )
        sizes = [self.layers[0].inputs] + [layer.neurons for layer in self.layers]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"{type(self).__name__} {' → '.join(map(str, sizes))}, {self.output} "
            f"output, {self.loss}, {self.dtype}, {self.parameters.size:,} parameters"
        ]
        for row in rows:
            cells = (
                f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)
            )
            lines.append("  " + "  ".join(cells))
        return "\n".join(lines)

    def __copy__(self):
        # Layers belong to one network: a copy has layers of its own.
        return copy.deepcopy(self)

    def __getstate__(self):
        return {"layers": self.layers, "loss": self.loss}

    def __setstate__(self, state):
        self._adopt(**state)


def hidden_activations(activation, n_layers):
    """Activations of the hidden layers, from one for all or one for each.

    Parameters
    ----------
    activation : str, Activation or sequence of these
    n_layers : int
        Number of hidden layers.

    Returns
    -------
    list of (str or Activation)
        As they were given, one for each hidden layer.

    Raises
    ------
    ValueError
        If an activation is not known, or there are not as many as layers.
    """
    if isinstance(activation, str) or not np.iterable(activation):
        resolve_activation(activation)
        return [activation] * n_layers
    activations = list(activation)
    for one in activations:
        resolve_activation(one)
    if len(activations) != n_layers:
        raise ValueError(
            f"activation must be one name, or one for each hidden layer ({n_layers}), "
            f"got {activation!r}."
        )
    return activations


def count_parameters(sizes):
    """Count the weights and biases of a network.

    Parameters
    ----------
    sizes : sequence of int
        As in ``Network.glorot``.
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def _strength(alpha, total):
    """Strength of the penalty, of one network or of each."""
    return alpha / (np.reshape(total, -1) if np.ndim(total) else total)
