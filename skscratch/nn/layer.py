"""A layer of a neural network: forward pass, backward pass and one step of descent.

It grew from Aditi Mittal's article *Writing Python Code for Neural Networks from
Scratch* (2020). This is the article's program: a network of two layers learns XOR. In
a batch, each column is one sample.

>>> import numpy as np
>>> from skscratch import Layer, d_logloss, logloss
>>> x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
>>> y = np.array([[0, 1, 1, 0]])
>>> m = 4
>>> layers = [
...     Layer(2, 3, "tanh", random_state=1),
...     Layer(3, 1, "sigmoid", random_state=2),
... ]
>>> costs = []
>>> for epoch in range(1500):
...     A = x
...     for layer in layers:
...         A = layer.feedforward(A)
...     cost = 1 / m * np.sum(logloss(y, A))
...     costs.append(cost)
...     dA = d_logloss(y, A)
...     for layer in reversed(layers):
...         dA = layer.backprop(dA)
>>> bool(costs[-1] < costs[0])
True

``feedforward`` computes ``Z = W A1 + b`` and ``A = activation(Z)`` from the outputs
``A1`` of the layer before. ``backprop`` receives ``dA``, the gradient of each sample's
loss with respect to ``A``, and applies the chain rule: ``dZ = dA · activation'(Z)``,
``dW = dZ A1ᵀ / m``, ``db = sum(dZ) / m``, ``dA1 = Wᵀ dZ``. Then it takes a step:
``W`` moves by ``-learning_rate · dW``, and ``b`` alike.

``forward`` and ``backward`` below call these lines by name, and they are written out in
``skscratch.backends.operations``: a line of NumPy for each. Training passes operations
that compute the same faster.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skscratch.backends.operations import ALLOCATING
from skscratch.nn.activations import Activation, resolve_activation
from skscratch.nn.checks import (
    as_batch,
    check_arrays,
    check_assigned,
    check_gradient,
    check_inputs,
    check_mask,
    is_size,
    random_source,
)

__all__ = ["Layer"]


class Layer:
    """A fully connected layer, ``A = activation(W A1 + b)``.

    ``feedforward``, ``gradients`` and ``backprop`` are for programs such as the
    article's: the layer remembers its last batch. A ``Network`` uses ``forward`` and
    ``backward``, which remember nothing but ``dW`` and ``db``.

    Parameters
    ----------
    inputs : int
        Number of inputs: the neurons of the layer before.
    neurons : int
        Number of neurons, which is the number of outputs.
    activation : str or Activation
        Activation function: a key of ``ACTIVATIONS``, also with a parameter, such as
        ``"leaky_relu(0.2)"``, or an ``Activation``.
    random_state : int, RandomState, Generator or None, default=None
        Source of the initial weights, drawn from a standard normal distribution.
        Pass an int to get the same weights every time.

    Attributes
    ----------
    W : ndarray of shape (neurons, inputs)
        Weights.
    b : ndarray of shape (neurons, 1)
        Biases.
    dW, db : ndarray of the shapes of ``W`` and ``b``
        Their gradients: means over the samples of the batch.
    A1 : ndarray of shape (inputs, samples)
        Inputs of the last ``feedforward``.
    Z, A : ndarray of shape (neurons, samples)
        Pre-activations and outputs of the last ``feedforward``.
    learning_rate : float, default=0.1
        Learning rate of ``backprop``. A class attribute; set it on a layer to give that
        layer its own.

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
    # Position in its network, counted from the output: -1 is the last layer. Buffered
    # operations keep a layer's arrays under it.
    position = -1
    # None before the first batch.
    A1: Any = None
    Z: Any = None
    A: Any = None
    mask: Any = None
    dW: Any = None
    db: Any = None

    def __init__(
        self,
        inputs: int,
        neurons: int,
        activation: str | Activation,
        *,
        random_state: Any = None,
    ) -> None:
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
    def from_arrays(
        cls, W: NDArray[Any], b: NDArray[Any], activation: str | Activation
    ) -> Self:
        """Make a layer of given weights and biases, which it keeps without a copy.

        Parameters
        ----------
        W : ndarray of shape (neurons, inputs)
            Or (networks, neurons, inputs): the weights of a layer in each of several
            networks. Their batches are (networks, inputs, samples), or one batch
            (inputs, samples) for all.
        b : ndarray of shape (neurons, 1)
            Or (networks, neurons, 1).
        activation : str or Activation
            As in the constructor.

        Returns
        -------
        Layer

        Raises
        ------
        ValueError
            If the shapes do not fit each other, there is no neuron or no input, the
            activation is not known, or the arrays are not of floating-point numbers,
            the only ones that can be trained in place.
        """
        check_arrays(W, b)
        layer = cls.__new__(cls)
        layer.activation, layer._W, layer._b = activation, W, b
        return layer

    def feedforward(self, A1: Any, mask: NDArray[Any] | None = None) -> NDArray[Any]:
        """Compute the outputs for a batch, and remember it for the gradients.

        Parameters
        ----------
        A1 : {array-like, sparse array} of shape (inputs, samples)
        mask : ndarray of shape (neurons, samples), default=None
            Factors of the outputs, for dropout: 0 where an output is dropped. None
            means 1 for each.

        Returns
        -------
        ndarray of shape (neurons, samples)
            ``A``, multiplied by the mask if there is one.

        Raises
        ------
        ValueError
            If the number of rows of ``A1`` is not the layer's number of inputs, or the
            mask does not have the shape of the outputs.
        """
        A1 = as_batch(A1)
        Z, A, output = self.forward(A1, mask)
        self.A1, self.Z, self.A, self.mask = A1, Z, A, mask
        return output

    def gradients(self, dA: Any) -> NDArray[Any]:
        """Compute ``dW`` and ``db`` at the last ``feedforward``, without a step.

        Parameters
        ----------
        dA : ndarray of shape (neurons, samples)
            Gradient of each sample's loss with respect to what ``feedforward``
            returned.

        Returns
        -------
        dA1 : ndarray of shape (inputs, samples)
            Gradient of each sample's loss with respect to the inputs of the layer.

        Raises
        ------
        ValueError
            If there was no ``feedforward`` yet, or ``dA`` is not of its shape.
        """
        dA = check_gradient(dA, self.Z)
        m = dA.shape[-1]
        dA1: NDArray[Any] = self.backward(dA, self.A1, self.Z, self.A, self.mask)
        self.dW /= m
        self.db /= m
        return dA1

    def backprop(self, dA: Any) -> NDArray[Any]:
        """Take one step of gradient descent: ``W ← W - learning_rate · dW``.

        Parameters
        ----------
        dA : ndarray of shape (neurons, samples)
            As in ``gradients``.

        Returns
        -------
        dA1 : ndarray of shape (inputs, samples)
            Computed with the weights from before the step.

        Raises
        ------
        ValueError
            As in ``gradients``.
        """
        dA1 = self.gradients(dA)
        self._W -= self.learning_rate * self.dW
        self._b -= self.learning_rate * self.db
        return dA1

    def forward(self, A1, mask=None, *, operations=ALLOCATING):
        """Compute ``Z = W A1 + b`` and ``A = activation(Z)``; remember nothing.

        Parameters
        ----------
        A1 : {ndarray, sparse array} of shape (inputs, samples)
        mask : ndarray of shape (neurons, samples), default=None
            As in ``feedforward``.
        operations : Operations, default=Operations()
            Carry out the computation; the default allocates its results.

        Returns
        -------
        Z, A, output : ndarray of shape (neurons, samples)
            ``output`` is ``A``, multiplied by the mask if there is one.
        """
        check_inputs(A1, self._W)
        if mask is not None:
            check_mask(mask, self._W, A1)
        f = resolve_activation(self._activation)
        return operations.dense(self.position, self._W, self._b, A1, f, mask)

    def backward(
        self,
        dA,
        A1,
        Z,
        A,
        mask=None,
        *,
        operations=ALLOCATING,
        input_gradient=True,
    ):
        """Compute ``dW`` and ``db`` as sums over the batch, which it does not divide.

        Parameters
        ----------
        dA : ndarray of shape (neurons, samples)
            Gradient with respect to the output.
        A1 : {ndarray, sparse array} of shape (inputs, samples)
        Z, A : ndarray of shape (neurons, samples)
            As ``forward`` returned them. The operations may consume them, and ``dA``:
            use their memory for something else.
        mask : ndarray of shape (neurons, samples), default=None
        operations : Operations, default=Operations()
            Those of the forward pass.
        input_gradient : bool, default=True
            Whether to compute ``dA1``, which the first layer of a network can do
            without.

        Returns
        -------
        dA1 : ndarray of shape (inputs, samples) or None
        """
        f = resolve_activation(self._activation)
        key = self.position
        dZ = operations.back(key, dA, Z, A, f, mask)
        self.dW, self.db = operations.weight_gradients(key, dZ, A1, self.dW, self.db)
        return operations.input_gradient(key, self._W, dZ) if input_gradient else None

    @property
    def W(self) -> NDArray[Any]:
        """Weights, (neurons, inputs); assigned values are copied in."""
        return self._W

    @W.setter
    def W(self, values: ArrayLike) -> None:
        self._W[...] = check_assigned(self._W, values, "W")

    @property
    def b(self) -> NDArray[Any]:
        """Biases, (neurons, 1); assigned values are copied in."""
        return self._b

    @b.setter
    def b(self, values: ArrayLike) -> None:
        self._b[...] = check_assigned(self._b, values, "b")

    @property
    def activation(self) -> str | Activation:
        """Activation function, as it was given: a name or an ``Activation``."""
        return self._activation

    @activation.setter
    def activation(self, activation: str | Activation) -> None:
        resolve_activation(activation)
        self._activation = activation

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self._W.shape[-1]

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self._W.shape[-2]

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.inputs}, {self.neurons}, {self.activation!r})"
        )

    def __getstate__(self):
        kept = ("_activation", "_W", "_b", "learning_rate")
        return {name: value for name, value in vars(self).items() if name in kept}
