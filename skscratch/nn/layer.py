"""One layer of a network: the article's ``Layer``, which is what trains here too.

A batch is ``(inputs, samples)``, one column a sample; ``W`` is ``(neurons, inputs)``
and ``b`` is ``(neurons, 1)``.
"""

from typing import Any

import numpy as np
from scipy.sparse import issparse

from skscratch.backends.buffers import FRESH, product, product_transposed, row_sums
from skscratch.nn.activations import ACTIVATIONS, check_activation, d_identity
from skscratch.nn.checks import is_size, random_source

__all__ = ["Layer"]


class Layer:
    """A fully connected layer, ``A = activation(W A1 + b)``.

    Parameters
    ----------
    inputs : int
        Number of inputs, the neurons of the layer before.
    neurons : int
        Number of neurons, which is the number of outputs.
    activation : str
        Name of the activation function, a key of ``ACTIVATIONS``.
    random_state : int, RandomState, Generator or None, default=None
        Source of the initial weights, drawn from a standard normal distribution.
        Pass an int for the same weights at each call.

    Attributes
    ----------
    W : ndarray of shape (neurons, inputs)
        Weights.
    b : ndarray of shape (neurons, 1)
        Biases.
    dW, db : ndarray
        Their gradients, of their shapes: the mean over the samples of the batch.
    A1 : ndarray of shape (inputs, samples)
        The inputs of the last ``feedforward``.
    Z, A : ndarray of shape (neurons, samples)
        Its pre-activations and outputs. Where buffers are used again, as in training,
        they may share memory, and ``gradients`` may write over them.
    learning_rate : float, default=0.1
        Length of the step of ``backprop``. An attribute of the class, which an
        instance may override.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or the activation is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from skscratch import Layer
    >>> layer = Layer(2, 3, "tanh", random_state=0)
    >>> layer.feedforward(np.array([[0, 0, 1, 1], [0, 1, 0, 1]])).shape
    (3, 4)
    """

    learning_rate = 0.1
    # Where the results of a batch are written, and whether a sample's neurons lie
    # together in memory ("F") or a neuron's samples ("C").
    buffers = staticmethod(FRESH)
    order = "F"
    # None until there is a batch.
    A1: Any = None
    Z = A = mask = dW = db = A1

    def __init__(self, inputs, neurons, activation, *, random_state=None):
        for name, size in (("inputs", inputs), ("neurons", neurons)):
            if not is_size(size):
                raise ValueError(f"{name} must be a positive integer, got {size!r}.")
        if not isinstance(random_state, np.random.Generator):
            random_state = random_source(random_state)
        self.activation = activation
        try:
            self._W = random_state.standard_normal((neurons, inputs))
        except ValueError:
            raise ValueError(
                f"inputs={inputs} and neurons={neurons} make more weights than any "
                "array holds."
            ) from None
        self._b = np.zeros((neurons, 1))

    @classmethod
    def from_arrays(cls, W, b, activation):
        """Make a layer of given weights and biases, which it keeps without a copy.

        Parameters
        ----------
        W : ndarray of shape (neurons, inputs)
            Or (networks, neurons, inputs), the weights of a layer in each of several
            networks, whose batches are (networks, inputs, samples), or the same batch
            for all.
        b : ndarray of shape (neurons, 1)
            Or (networks, neurons, 1).
        activation : str
            As in the constructor.

        Returns
        -------
        Layer

        Raises
        ------
        ValueError
            If the shapes do not fit each other, there is no neuron or no input, the
            activation is not known, or these are no arrays of floating-point numbers,
            which alone can be trained in place.
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
                f"W must have a neuron and an input at least, got shape {W.shape}."
            )
        layer = cls.__new__(cls)
        layer.activation, layer._W, layer._b = activation, W, b
        return layer

    def feedforward(self, A1, mask=None):
        """Outputs of the layer for a batch; keeps ``A1``, ``Z`` and ``A``.

        Parameters
        ----------
        A1 : {array-like, sparse array} of shape (inputs, samples)
        mask : ndarray of shape (neurons, samples), default=None
            Factors of the outputs, for dropout: 0 where an output is dropped. None
            means 1 for each.

        Returns
        -------
        A : ndarray of shape (neurons, samples)
            Times the mask, where there is one.

        Raises
        ------
        ValueError
            If ``A1`` has another number of rows than the layer has inputs, or the mask
            is not of the outputs' shape.
        """
        A1 = A1 if issparse(A1) else np.asarray(A1)
        Z, A = self.forward(A1, self.buffers)
        if mask is not None and getattr(mask, "shape", None) != A.shape:
            raise self._wrong_mask(mask, A)
        self.A1, self.Z, self.A, self.mask = A1, Z, A, mask
        if mask is None:
            return A
        room = self.buffers("masked A", mask.shape, self.order)
        return np.multiply(A, mask, out=room)

    def forward(self, A1, buffers=FRESH):
        """Compute ``Z = W A1 + b`` and ``A = activation(Z)``, keeping nothing."""
        networks = self._W.shape[:-2]
        if A1.shape[-2:-1] != self._W.shape[-1:] or A1.shape[:-2] not in ((), networks):
            raise self._wrong_shape("A1", A1, self.inputs)
        shape = (*self._W.shape[:-1], A1.shape[-1])
        Z = product(self._W, A1, out=buffers("Z", shape, self.order))
        Z += self._b
        activation = ACTIVATIONS[self._activation]
        room = buffers(activation.room_of_A, shape, self.order)
        return Z, activation.function(Z, out=room)

    def gradients(self, dA, *, count=None, input_gradient=True):
        """Gradients of the cost at the last ``feedforward``; changes no weight.

        ``dZ = dA · activation'(Z)``, ``dW = dZ A1ᵀ / m`` and ``db = sum(dZ) / m`` over
        the ``m`` samples, and ``dA1 = Wᵀ dZ``.

        Parameters
        ----------
        dA : ndarray of shape (neurons, samples)
            Gradient of each sample's cost by what ``feedforward`` returned.
        count : float, default=None
            What the sums over the batch are divided by to give ``dW`` and ``db``;
            None means the number of samples, for the mean.
        input_gradient : bool, default=True
            Whether ``dA1`` is wanted: the first layer of a network saves its product.

        Returns
        -------
        dA1 : ndarray of shape (inputs, samples) or None
            Gradient of each sample's cost by the inputs of the layer.

        Raises
        ------
        ValueError
            If there was no ``feedforward`` yet, or ``dA`` is not of its shape.
        """
        if self.Z is None:
            raise ValueError("call feedforward before gradients or backprop.")
        dA = np.asarray(dA)
        if dA.shape != self.Z.shape:
            raise self._wrong_shape("dA", dA, *self.Z.shape)
        if self.mask is not None:
            room = self.buffers("masked dA", dA.shape, self.order)
            dA = np.multiply(dA, self.mask, out=room)
        activation = ACTIVATIONS[self._activation]
        if activation.derivative is d_identity:  # Multiplying by 1 takes a while too.
            dZ = dA
        else:
            room = self.buffers(activation.room_of_dZ, dA.shape, self.order)
            dZ = activation.derivative(self.Z, self.A, out=room)
            dZ *= dA
        self.dW = product_transposed(dZ, self.A1, out=self.dW)
        self.db = row_sums(dZ, out=self.db)
        if count is None:
            count = dZ.shape[-1]
        if count != 1:
            self.dW /= count
            self.db /= count
        if not input_gradient:
            return None
        shape = (*self._W.shape[:-2], self._W.shape[-1], dZ.shape[-1])
        return product(self._W.mT, dZ, out=self.buffers("dA1", shape, "F"))

    def backprop(self, dA):
        """Descend one step, ``W ← W - learning_rate · dW``, and ``b`` alike.

        Parameters
        ----------
        dA : ndarray of shape (neurons, samples)
            As in ``gradients``.

        Returns
        -------
        dA1 : ndarray of shape (inputs, samples)
            By the weights from before the step.
        """
        dA1 = self.gradients(dA)
        self._W -= self.learning_rate * self.dW
        self._b -= self.learning_rate * self.db
        return dA1

    def forget(self):
        """Let go of the last batch and of the buffers."""
        self.A1 = self.Z = self.A = self.mask = None
        self.buffers = FRESH

    @property
    def W(self):
        """Weights, (neurons, inputs); assigned values are copied in."""
        return self._W

    @W.setter
    def W(self, values):
        self._write("W", self._W, values)

    @property
    def b(self):
        """Biases, (neurons, 1); assigned values are copied in."""
        return self._b

    @b.setter
    def b(self, values):
        self._write("b", self._b, values)

    @property
    def activation(self):
        """Name of the activation function."""
        return self._activation

    @activation.setter
    def activation(self, name):
        self._activation = check_activation(name)

    @property
    def inputs(self):
        """Number of inputs."""
        return self._W.shape[-1]

    @property
    def neurons(self):
        """Number of neurons."""
        return self._W.shape[-2]

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.inputs}, {self.neurons}, {self.activation!r})"
        )

    def __getstate__(self):
        kept = ("_activation", "_W", "_b", "learning_rate")
        return {name: value for name, value in vars(self).items() if name in kept}

    def _write(self, name, array, values):
        try:
            values = np.asarray(values)
        except ValueError as error:
            raise ValueError(f"{name} must be an array of numbers: {error}.") from None
        if values.shape != array.shape:
            raise self._wrong_shape(name, values, *array.shape)
        if values.dtype.kind not in "biuf":  # NumPy would drop what is imaginary.
            raise ValueError(f"{name} must be an array of numbers, got {values.dtype}.")
        array[...] = values

    @staticmethod
    def _wrong_mask(mask, A):
        came = getattr(mask, "shape", type(mask).__name__)
        return ValueError(f"mask must be an array of shape {A.shape}, got {came}.")

    @staticmethod
    def _wrong_shape(name, array, rows, columns="samples"):
        shape = np.shape(array)
        return ValueError(f"{name} must have shape ({rows}, {columns}), got {shape}.")
