"""Several networks side by side: the leading axis of a stack.

What a ``Network`` computes is written for the last two axes of its arrays. So the same
lines serve several networks of one architecture, (networks, neurons, samples), each
with its own weights and batches: a layer is one call of the product for all of them.
"""

import math

import numpy as np

from skscratch.backends.linalg import norm
from skscratch.nn.layer import Layer
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import Network

__all__ = ["Stack"]


class Stack(Network):
    """Networks of one architecture that share one array of parameters.

    Parameters
    ----------
    networks : list of Network
        With the same layers, loss and dtype. The stack takes them over: their arrays
        become views of its rows, until another stack takes them over.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (n_networks, n_parameters)
    weights, weight_gradients : ndarray of shape (n_networks, n_weights)
        As in ``Network``, one row per network.

    Raises
    ------
    ValueError
        If there are none, or they are not of one architecture.

    Examples
    --------
    >>> import numpy as np
    >>> from skscratch import Network, Stack
    >>> sizes = [4, 5, 3]
    >>> stack = Stack([Network.glorot(sizes, random_state=i) for i in range(2)])
    >>> stack.raw_outputs(np.ones((4, 10))).shape
    (2, 3, 10)
    >>> stack.predict(np.ones((4, 10))).shape
    (3, 10)
    """

    def __init__(self, networks):
        given, networks = networks, list(networks) if np.iterable(networks) else []
        are_different = len({id(network) for network in networks}) == len(networks)
        if (
            not all(isinstance(network, Network) for network in networks)
            or any(isinstance(network, Stack) for network in networks)
            or not are_different
            or not networks
            or any(
                _architecture(network) != _architecture(networks[0])
                for network in networks
            )
        ):
            raise ValueError(
                "networks must be one or more Network objects, none of them a Stack or "
                f"there twice, of equal layers, loss and dtype, got {given!r}."
            )
        first = networks[0]
        layers = [
            Layer.from_arrays(
                np.stack([layer.W for layer in alike]),
                np.stack([layer.b for layer in alike]),
                alike[0].activation,
            )
            for alike in zip(*(network.layers for network in networks), strict=True)
        ]
        super().__init__(layers, first.loss, dtype=first.dtype)
        for i, network in enumerate(networks):
            network._view(self.parameters[i], self.gradients[i])

    @property
    def networks(self):
        """The networks, whose arrays are views of the rows."""
        return [self._network(i) for i in range(len(self.parameters))]

    def _network(self, i):
        layers = [
            Layer.from_arrays(layer.W[i], layer.b[i], layer.activation)
            for layer in self.layers
        ]
        network = Network(layers, self.loss)
        network._view(self.parameters[i], self.gradients[i])
        return network

    def average_members(self, Z):
        """Raw outputs whose predictions are the mean of the networks'."""
        return resolve_loss(self.loss).average_members(Z)

    @classmethod
    def initialized(cls, *args, **kwargs):
        """Refuse: a stack is made of networks, which have their weights."""
        raise TypeError("a Stack is made of networks: Stack([Network.glorot(…), …]).")

    def is_finite(self):
        """Whether the parameters of all networks are finite numbers."""
        return all(math.isfinite(norm(row)) for row in self.parameters)

    def astype(self, dtype):
        """Copy of the stack with all numbers of another dtype."""
        return Stack([network.astype(dtype) for network in self.networks])

    def __repr__(self):
        return f"{len(self.parameters)} networks of {self._network(0)!r}"


def _architecture(network):
    layers = [(layer.W.shape, layer.activation) for layer in network.layers]
    return (*layers, network.loss, network.dtype)
