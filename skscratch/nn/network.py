"""A network: a stack of layers whose trainable numbers are one flat vector.

Because weights, biases and their gradients are views into two vectors, an optimizer,
a snapshot or a gradient check is one line, whatever the layers are.
"""

import copy
import itertools
import math
from typing import Any

import numpy as np

from skscratch.backends.buffers import FRESH, Buffers, add_scaled, aligned, norm
from skscratch.backends.tapes import Tapes
from skscratch.nn.activations import ACTIVATIONS, check_activation
from skscratch.nn.checks import as_numbers, is_size, random_source
from skscratch.nn.layer import Layer
from skscratch.nn.losses import LOSSES, mean_of

__all__ = [
    "INITS",
    "MOST_PARAMETERS",
    "Network",
    "count_parameters",
    "hidden_activations",
]

# A terabyte in float32, and four with Adam's moments and the gradients: what is larger
# is a slip of the pen, to be told before memory is asked for.
MOST_PARAMETERS = 2**38


def glorot(random_state, fan_in, fan_out, activation):
    """Draw weights (fan_in, fan_out), then biases (fan_out,), between ±bound.

    ``bound = sqrt(c / (fan_in + fan_out))`` with the activation's ``variance_factor``
    c: Glorot and Bengio, *Understanding the difficulty of training deep feedforward
    neural networks*, AISTATS 2010, eq. 16, in the order in which scikit-learn's
    ``MLPClassifier`` draws.

    Parameters
    ----------
    random_state : RandomState
    fan_in, fan_out : int
    activation : str
    """
    factor = ACTIVATIONS[activation].variance_factor
    bound = np.sqrt(factor / (fan_in + fan_out))
    W = random_state.uniform(-bound, bound, (fan_in, fan_out))
    return W, random_state.uniform(-bound, bound, fan_out)


def he(random_state, fan_in, fan_out, activation):
    """Draw weights (fan_in, fan_out) of variance ``2 / fan_in``; biases are 0.

    Of the normal distribution, whatever the activation: He et al., *Delving deep into
    rectifiers*, arXiv 1502.01852, eq. 10.

    Parameters
    ----------
    random_state : RandomState
    fan_in, fan_out : int
    activation : str
    """
    W = random_state.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
    return W, np.zeros(fan_out)


INITS = {"glorot": glorot, "he": he}


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
        given, layers = layers, list(layers) if np.iterable(layers) else []
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise ValueError(f"layers must be a list of Layer objects, got {given!r}.")
        for i, (layer, following) in enumerate(itertools.pairwise(layers)):
            if layer.neurons != following.inputs:
                raise ValueError(
                    f"layers[{i}] has {layer.neurons} neurons, but layers[{i + 1}] "
                    f"has {following.inputs} inputs: they must be equal."
                )
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError("layers must not hold the same Layer object twice.")
        if dtype is not None:
            _check_dtype(dtype)
        if not isinstance(loss, str) or loss not in LOSSES:
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
        """Make a network with the initial weights of Glorot and Bengio (2010).

        Parameters
        ----------
        sizes : sequence of int
            As in ``initialised``, and so are the others.
        activation : str or sequence of str, default="relu"
        loss : str, default="log_loss"
        random_state : int, RandomState or None, default=None
        dtype : dtype, default=float64

        Returns
        -------
        Network
        """
        return cls.initialised(
            sizes, activation, loss, random_state=random_state, dtype=dtype
        )

    @classmethod
    def initialised(
        cls,
        sizes,
        activation="relu",
        loss="log_loss",
        *,
        init="glorot",
        random_state=None,
        dtype=np.float64,
    ):
        """Make a network with random initial weights.

        Parameters
        ----------
        sizes : sequence of int
            Number of features, neurons of each hidden layer, number of outputs.
        activation : str or sequence of str, default="relu"
            Of the hidden layers, one for all or one for each; the last layer's is the
            identity, and its weights are drawn as those of the layer before it.
        loss : str, default="log_loss"
            As in the constructor.
        init : {"glorot", "he"}, default="glorot"
            How weights are drawn, a key of ``INITS``.
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
            If there are fewer than two sizes, one is no positive integer, they make
            more parameters than any memory holds, the activations are not as many as
            hidden layers, or one, the loss, the draw or the dtype is not known.
        """
        if not isinstance(init, str) or init not in INITS:
            raise ValueError(f"init must be one of {sorted(INITS)}, got {init!r}.")
        random_state = random_source(random_state)
        _check_dtype(dtype)
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
        names = hidden_activations(activation, len(sizes) - 2)
        alone = activation if isinstance(activation, str) else "identity"
        names.append(names[-1] if names else alone)
        layers = []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            W, b = INITS[init](random_state, fan_in, fan_out, names[i])
            is_output = i == len(sizes) - 2
            name = "identity" if is_output else names[i]
            layers.append(
                Layer.from_arrays(
                    W.T.astype(dtype, copy=False), b[:, np.newaxis].astype(dtype), name
                )
            )
        return cls(layers, loss)

    def _adopt(self, layers, loss, dtype=None):
        """Move the layers' numbers into one vector and make them views of it."""
        self.layers, self.loss = layers, loss
        # The loss compares a sample's outputs with each other, which is many times
        # faster between rows of memory than along a short one.
        layers[-1].order = "C"
        dtype = dtype or np.result_type(np.float32, *(layer.W for layer in layers))
        arrays = [(layer.W, layer.b) for layer in layers]
        n_parameters = sum((layer.inputs + 1) * layer.neurons for layer in layers)
        shape = (*layers[0].W.shape[:-2], n_parameters)
        self._view(aligned(shape, dtype), aligned(shape, dtype))
        for layer, (W, b) in zip(layers, arrays, strict=True):
            layer.W, layer.b = W, b
        self.buffers: Any = FRESH

    def _view(self, parameters, gradients):
        """Make all numbers views of these vectors, (…, n_parameters)."""
        n_weights = sum(layer.inputs * layer.neurons for layer in self.layers)
        self.parameters, self.gradients = parameters, gradients
        self._tapes: Tapes | None = None  # Any there were are of other arrays.
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
    def dtype(self):
        """Of all numbers of the network."""
        return self.parameters.dtype

    @property
    def width(self):
        """Largest number of outputs of a layer for a sample, in all networks."""
        return max(layer.W.size // layer.inputs for layer in self.layers)

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
        if len(masks) > len(self.layers):
            raise self._too_many(masks)
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
        if len(masks) > len(self.layers):
            raise self._too_many(masks)
        here, there = rooms
        for layer, mask in itertools.zip_longest(self.layers, masks):
            A1 = layer.forward(A1, here)[1]
            if mask is not None:
                if getattr(mask, "shape", None) != A1.shape:
                    raise layer._wrong_mask(mask, A1)
                A1 = A1 * mask
            # A layer reads what the one before wrote.
            here, there = there, here
        return A1

    def rooms(self):
        """Buffers for a caller of ``raw_outputs`` who has many batches."""
        return Buffers(self.dtype), Buffers(self.dtype)

    def predict(self, A1):
        """Probabilities or means for a batch; nothing is kept, as in ``raw_outputs``.

        Parameters
        ----------
        A1 : {array-like, sparse array} of shape (n_features, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        Z = self.raw_outputs(as_numbers(A1, "A1"))
        return LOSSES[self.loss].predictions(self.combined(Z))

    def combined(self, Z):
        """Raw outputs to predict by, (n_outputs, n_samples): these themselves."""
        return Z

    def cost(self, A1, Y, *, alpha=0.0, weights=None, total=None, masks=()):
        """Cost of a batch, whose gradient ``cost_and_gradients`` computes."""
        A1, Y = as_numbers(A1, "A1"), as_numbers(Y, "Y")
        total = _total(Y, weights, total)
        Z = self.raw_outputs(A1, masks=masks)
        cost = LOSSES[self.loss].cost(Z, Y, weights, total)
        return cost + self._penalty(alpha / total)

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
        inputs = (A1, Y, weights, total, *masks)
        dA1 = None
        if self._tapes is None or input_gradient:
            summed, dA1 = self._backprop(*inputs, input_gradient=input_gradient)
        else:
            summed = self._tapes.run(self._backprop_for_sum, *inputs)
        cost = mean_of(summed, total)
        if alpha:
            cost += self._penalty(alpha / total)
            self._add_penalty_gradient(alpha / total)
        return (cost, dA1) if input_gradient else cost

    def _backprop(self, A1, Y, weights, total, *masks, input_gradient=False):
        """Gradients of the losses alone; return their sum, and the one by ``A1``."""
        Z = self.feedforward(A1, masks)
        summed, dA = LOSSES[self.loss].sum_and_gradient(
            Z, Y, weights, total, self.buffers
        )
        first = self.layers[0]
        for layer in reversed(self.layers):
            # The loss has divided by `total` already: the layers only sum.
            dA = layer.gradients(
                dA, count=1, input_gradient=input_gradient or layer is not first
            )
        return summed, dA

    def _backprop_for_sum(self, *inputs):
        return self._backprop(*inputs)[0]

    def _add_penalty_gradient(self, strength):
        add_scaled(self.weight_gradients, self.weights, strength)

    def _penalty(self, strength):
        return 0.5 * strength * float(self.weights @ self.weights)

    def _too_many(self, masks):
        return ValueError(
            f"masks must be no more than the {len(self.layers)} layers, got "
            f"{len(masks)}."
        )

    def reuse_buffers(self):
        """From now on write each batch into the arrays of the one before.

        Where an activation's derivative can do without ``Z``, ``A`` takes its place.
        Where a batch comes in the arrays of the one before too, its gradients are
        computed without asking again what there is to do: see ``tapes``.
        """
        if self.buffers is FRESH:
            self.buffers, self._tapes = Buffers(self.dtype), Tapes(self)
            for layer in self.layers:
                layer.buffers = Buffers(self.dtype)

    def forget(self):
        """Let go of the last batch and of the buffers."""
        self.buffers, self._tapes = FRESH, None
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
            f"activation must be one name, or one for each hidden layer ({n_layers}), "
            f"got {activation!r}."
        )
    return names


def count_parameters(sizes):
    """Count the weights and biases of a network.

    Parameters
    ----------
    sizes : sequence of int
        As in ``Network.glorot``.
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def _check_dtype(dtype):
    """Refuse what is none of the dtypes that a network may have."""
    try:
        is_known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        is_known = False
    if not is_known:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")


def _total(Y, weights, total):
    """What the sums over a batch are divided by."""
    if total is not None:
        return total
    # Training gives the total, and checks its data but once.
    kind = Y.dtype if isinstance(Y, np.ndarray) else type(Y).__name__
    if getattr(kind, "kind", None) not in tuple("biuf") or not Y.ndim:
        raise ValueError(
            f"Y must be an array of numbers, a column a sample, got {kind}."
        )
    if not Y.shape[-1]:
        raise ValueError("Y must have a sample at least, got none.")
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
