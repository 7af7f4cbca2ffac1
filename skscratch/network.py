"""A network: a stack of layers whose trainable numbers are one flat vector.

Because weights, biases and their gradients are views into two vectors, an optimizer,
a snapshot or a gradient check is one line, whatever the layers are.
"""

import copy
import itertools
import math

import numpy as np

from skscratch.activations import ACTIVATIONS, check_activation
from skscratch.buffers import FRESH, Buffers, add_scaled, norm
from skscratch.layers import Layer
from skscratch.losses import LOSSES

__all__ = ["Network", "hidden_activations"]


class Network:
    """Layers, one feeding the next, and the loss that trains them.

    The last layer gives the raw outputs (logits, where the loss is a log-loss); the
    loss turns them into predictions.

    Parameters
    ----------
    layers : list of Layer
        From input to output. The network takes them over: their arrays become views
        into its vectors.
    loss : str, default="log_loss"
        Name of the loss, a key of ``LOSSES``.
    dtype : dtype, default=None
        Of all numbers; None means that of the layers' weights.

    Attributes
    ----------
    parameters : ndarray of shape (n_parameters,)
        All weights, layer by layer, then all biases.
    gradients : ndarray of shape (n_parameters,)
        Their gradients, as ``cost_and_gradients`` last left them.
    weights, weight_gradients : ndarray of shape (n_weights,)
        The parts of the two that L2 regularisation acts on: views.

    Raises
    ------
    ValueError
        If there is no layer, one does not fit the next, or the loss is not known.
    """

    def __init__(self, layers, loss="log_loss", *, dtype=None):
        layers = list(layers)
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise ValueError(f"layers must be a list of Layer objects, got {layers!r}.")
        for i, (layer, following) in enumerate(itertools.pairwise(layers)):
            if layer.neurons != following.inputs:
                raise ValueError(
                    f"layers[{i}] has {layer.neurons} neurons, but layers[{i + 1}] "
                    f"has {following.inputs} inputs: they must be equal."
                )
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError("layers must not hold the same Layer object twice.")
        if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {sorted(LOSSES)}, got {loss!r}.")
        self._adopt(layers, loss, dtype)

    @classmethod
    def glorot(
        cls,
        sizes,
        activation="relu",
        loss="log_loss",
        *,
        random_state=None,
        dtype=np.float64,
    ):
        """Make a network with the uniform initial weights of Glorot and Bengio (2010).

        Weights, then biases, of each layer in turn are drawn between ±bound, ``bound
        = sqrt(c / (fan_in + fan_out))`` with the activation's ``variance_factor`` c:
        the draws of scikit-learn's ``MLPClassifier``, in its order.

        Parameters
        ----------
        sizes : sequence of int
            Number of features, neurons of each hidden layer, number of outputs.
        activation : str or sequence of str, default="relu"
            Of the hidden layers, one for all or one for each; the last layer's is the
            identity, and its weights are drawn as those of the layer before it.
        loss : str, default="log_loss"
            As in the constructor.
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
            If there are fewer than two sizes, one is not positive, the activations
            are not as many as hidden layers, or one or the loss is not known.
        """
        if not isinstance(random_state, np.random.RandomState):
            random_state = np.random.RandomState(random_state)
        sizes = list(sizes)
        if len(sizes) < 2 or not all(size > 0 for size in sizes):
            raise ValueError(
                f"sizes must be two or more positive integers, got {sizes}."
            )
        names = hidden_activations(activation, len(sizes) - 2)
        alone = activation if isinstance(activation, str) else "identity"
        names.append(names[-1] if names else alone)
        layers = []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            factor = ACTIVATIONS[names[i]].variance_factor
            bound = np.sqrt(factor / (fan_in + fan_out))
            W = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
            b = random_state.uniform(-bound, bound, fan_out)[:, np.newaxis]
            is_output = i == len(sizes) - 2
            name = "identity" if is_output else names[i]
            layers.append(
                Layer.from_arrays(W.astype(dtype, copy=False), b.astype(dtype), name)
            )
        return cls(layers, loss)

    def _adopt(self, layers, loss, dtype=None):
        """Move the layers' numbers into one vector and make them views of it."""
        self.layers, self.loss = layers, loss
        # The loss compares a sample's outputs with each other, which is many times
        # faster between rows of memory than along a short one.
        layers[-1].order = "C"
        dtype = dtype or np.result_type(np.float32, *(layer.W for layer in layers))
        n_weights = sum(layer.W.size for layer in layers)
        n_biases = sum(layer.b.size for layer in layers)
        self.parameters = np.empty(n_weights + n_biases, dtype)
        self.gradients = np.zeros_like(self.parameters)
        self.weights = self.parameters[:n_weights]
        self.weight_gradients = self.gradients[:n_weights]
        at_W, at_b = 0, n_weights
        for layer in layers:
            W, b = layer.W, layer.b
            to_W, to_b = at_W + W.size, at_b + b.size
            layer._W = self.parameters[at_W:to_W].reshape(W.shape[::-1]).T
            layer.dW = self.gradients[at_W:to_W].reshape(W.shape[::-1]).T
            layer._b = self.parameters[at_b:to_b].reshape(b.shape)
            layer.db = self.gradients[at_b:to_b].reshape(b.shape)
            layer.W, layer.b = W, b
            at_W, at_b = to_W, to_b
        self.buffers = FRESH

    @property
    def dtype(self):
        """Of all numbers of the network."""
        return self.parameters.dtype

    @property
    def output(self):
        """Name of the function that makes predictions of the raw outputs."""
        return LOSSES[self.loss].output

    def feedforward(self, A1, masks=()):
        """Raw outputs for a batch, each layer keeping what its gradients need.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        masks : sequence of (ndarray or None), default=()
            Factors of the outputs of the first layers, for dropout.

        Returns
        -------
        Z : ndarray of shape (n_outputs, n_samples)
        """
        for layer, mask in itertools.zip_longest(self.layers, masks):
            A1 = layer.feedforward(A1, mask)
        return A1

    def raw_outputs(self, A1, rooms=(FRESH, FRESH), masks=()):
        """As ``feedforward``, but nothing is kept: safe from many threads.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        rooms : tuple of two Buffers, default=(FRESH, FRESH)
            The caller's, to be used again for the next batch: see ``rooms``.
        masks : sequence of (ndarray or None), default=()
            Dropout's, as in ``feedforward``; predictions have none.

        Returns
        -------
        Z : ndarray of shape (n_outputs, n_samples)
            Written into one of the rooms.
        """
        here, there = rooms
        for layer, mask in itertools.zip_longest(self.layers, masks):
            A1 = layer.forward(A1, here)[1]
            if mask is not None:
                A1 = A1 * mask
            # A layer reads what the one before wrote.
            here, there = there, here
        return A1

    def rooms(self):
        """Buffers for a caller of ``raw_outputs`` who has many batches."""
        return Buffers(self.dtype), Buffers(self.dtype)

    def predict(self, A1):
        """Probabilities or means for a batch; nothing is kept, as in ``raw_outputs``.

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        return LOSSES[self.loss].predictions(self.raw_outputs(A1))

    def cost(self, A1, Y, *, alpha=0.0, weights=None, total=None, masks=()):
        """Cost of a batch, the number that ``cost_and_gradients`` derives."""
        Z = self.raw_outputs(A1, masks=masks)
        cost = LOSSES[self.loss].cost(Z, Y, weights, total)
        return cost + self._penalty(alpha / _total(Y, weights, total))

    def cost_and_gradients(
        self,
        A1,
        Y,
        *,
        alpha=0.0,
        weights=None,
        total=None,
        masks=(),
        input_gradient=False,
    ):
        """Cost of a batch; its gradient by every parameter goes to ``gradients``.

        The cost is ``(sum of the samples' weighted losses + alpha / 2 · |W|²) /
        total``.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (n_features, n_samples)
        Y : ndarray of shape (n_outputs, n_samples)
            Targets: indicators of the class, or numbers.
        alpha : float, default=0.0
            Strength of the L2 regularisation of the weights; biases are left alone.
        weights : ndarray of shape (n_samples,), default=None
            Sample weights; None means 1 for each.
        total : float, default=None
            What the sums are divided by; None means the sum of the weights.
        masks : sequence of (ndarray or None), default=()
            Dropout's, as in ``feedforward``.
        input_gradient : bool, default=False
            Whether the gradient by ``A1`` is returned too.

        Returns
        -------
        cost : float
        dA1 : ndarray of shape (n_features, n_samples)
            Only with ``input_gradient``.
        """
        total = _total(Y, weights, total)
        Z = self.feedforward(A1, masks)
        cost, dA = LOSSES[self.loss].cost_and_gradient(
            Z, Y, weights, total, self.buffers
        )
        first = self.layers[0]
        for layer in reversed(self.layers):
            # The loss has divided by `total` already: the layers only sum.
            dA = layer.gradients(
                dA, count=1, input_gradient=input_gradient or layer is not first
            )
        if alpha:
            cost += self._penalty(alpha / total)
            add_scaled(self.weight_gradients, self.weights, alpha / total)
        return (cost, dA) if input_gradient else cost

    def _penalty(self, strength):
        return 0.5 * strength * float(self.weights @ self.weights)

    def reuse_buffers(self):
        """From now on write each batch into the arrays of the one before.

        Where an activation's derivative can do without ``Z``, ``A`` takes its place.
        """
        if self.buffers is FRESH:
            self.buffers = Buffers(self.dtype)
            for layer in self.layers:
                layer.buffers = Buffers(self.dtype)

    def forget(self):
        """Let go of the last batch and of the buffers."""
        self.buffers = FRESH
        for layer in self.layers:
            layer.forget()

    def astype(self, dtype):
        """Copy of the network with all numbers of another dtype."""
        return type(self)(copy.deepcopy(self.layers), self.loss, dtype=dtype)

    def snapshot(self, out=None):
        """Copy of all parameters, for ``restore``.

        Parameters
        ----------
        out : ndarray of shape (n_parameters,), default=None
            An older snapshot to write it into.
        """
        return np.positive(self.parameters, out=out)

    def is_finite(self):
        """Whether the parameters are finite numbers, and so is their norm."""
        # One pass, and no array of truth values. A norm beyond the largest number is
        # as good as infinite.
        return math.isfinite(norm(self.parameters))

    def restore(self, snapshot):
        """Set all parameters to those of a ``snapshot``."""
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
    """Names of the hidden layers' activations, from one for all or one for each.

    Parameters
    ----------
    activation : str or sequence of str
    n_layers : int
        Number of hidden layers.

    Returns
    -------
    list of str
        A name for each hidden layer.

    Raises
    ------
    ValueError
        If a name is not known, or there are not as many as layers.
    """
    if isinstance(activation, str) or not np.iterable(activation):
        return [check_activation(activation)] * n_layers
    names = [check_activation(name) for name in activation]
    if len(names) != n_layers:
        raise ValueError(
            f"activation must be one name, or one for each of {n_layers} hidden "
            f"layers, got {activation!r}."
        )
    return names


def _total(Y, weights, total):
    """What the sums over a batch are divided by."""
    if total is not None:
        return total
    return Y.shape[-1] if weights is None else float(weights.sum())
