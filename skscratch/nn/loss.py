"""What a loss is: value, gradient and predictions, from a network's raw outputs.

``losses`` has the losses themselves. A loss of your own is a subclass of ``Loss``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skscratch.backends.operations import ALLOCATING

__all__ = ["FastLoss", "Loss", "divide_by_total", "dot"]


@dataclass(frozen=True)
class Loss(ABC):
    """A loss on raw outputs, with the predictions that belong to it.

    A subclass has to define ``losses``. The other methods have defaults: predictions
    are the raw outputs, and the gradient is ``predictions - targets``, which holds for
    every loss with its canonical link (McCullagh and Nelder, *Generalized Linear
    Models*, 1989, section 2.5). Parameters of a loss are fields of a frozen dataclass,
    so that records are equal by value and can be pickled.

    Class attributes describe it. ``output`` is the name of the function that turns raw
    outputs into predictions, as in scikit-learn's ``out_activation_``; the default is
    ``"identity"``. ``task`` is ``"regression"``, the default, or ``"classification"``:
    the kind of estimator that accepts the loss. ``is_smooth``, by default True, says
    that the gradient is continuous, which L-BFGS needs. ``judged_by_loss``, by default
    False, says that early stopping is judged by the loss rather than by R². ``kernel``
    and ``kernel_parameter`` name the compiled loop that computes the same; a subclass
    does not inherit it, and by default there is none.

    In the methods, ``Z`` is (..., n_outputs, n_samples), ``P`` is ``predictions(Z)``,
    and ``Y`` is (..., n_targets, n_samples); the leading axis, where there is one, is
    that of several networks. ``Y`` may lack it: then all networks have the same
    targets.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skscratch import Loss, Network
    >>> @dataclass(frozen=True)
    ... class LogCosh(Loss):
    ...     def losses(self, Z, P, Y):
    ...         return np.log(np.cosh(P - Y))
    ...
    ...     def gradient(self, Z, P, Y):
    ...         return np.tanh(P - Y)
    >>> network = Network.glorot([2, 5, 1], loss=LogCosh(), random_state=0)
    >>> network.cost_and_gradients(np.ones((2, 3)), np.zeros((1, 3))) > 0
    True
    """

    output = "identity"
    task = "regression"
    is_smooth = True
    judged_by_loss = False
    kernel: ClassVar[str | None] = None

    @property
    def kernel_parameter(self) -> float:
        """Number that the compiled loop needs, such as a threshold."""
        return 0.0

    @abstractmethod
    def losses(self, Z, P, Y):
        """Losses whose sum over all axes but that of the networks is minimized.

        Returns
        -------
        ndarray of shape (..., n_rows, n_samples)
            As many rows as there are parts of a sample's loss.
        """

    def predictions(self, Z):
        """Predictions from raw outputs, such as probabilities or means.

        Returns
        -------
        ndarray of shape (..., n_predictions, n_samples)
            A new array, or ``Z`` itself.
        """
        return Z

    def gradient(self, Z, P, Y):
        """Gradient of each sample's loss with respect to ``Z``, without weights.

        Returns
        -------
        ndarray of shape (..., n_outputs, n_samples)
        """
        return P - Y

    def loss_sum(self, Z, P, Y, weights=None):
        """Sum of all samples' losses, each times its weight; one for each network."""
        losses = self.losses(Z, P, Y)
        if weights is not None:
            losses = losses * weights
        return losses.sum(axis=(-2, -1))

    def average_members(self, Z):
        """Raw outputs whose predictions are the mean of several networks'.

        The default suits predictions that are linear in ``Z``.

        Parameters
        ----------
        Z : ndarray of shape (n_networks, n_outputs, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        return Z.mean(axis=0)

    def n_raw_outputs(self, n_targets):
        """Count the raw outputs of a network for a number of targets."""
        return n_targets

    def fitted(self, Y, weights=None):
        """Loss with what it learns from the targets before training.

        Parameters
        ----------
        Y : ndarray of shape (n_targets, n_samples)
        weights : ndarray of shape (n_samples,), default=None

        Returns
        -------
        Loss
            The default learns nothing and returns the loss itself.
        """
        return self

    def with_parameter(self, value):
        """Loss for a number that follows its name in parentheses.

        Parameters
        ----------
        value : float

        Returns
        -------
        Loss

        Raises
        ------
        ValueError
            If the loss has no such parameter, which is the default, or the value is
            not accepted.
        """
        raise ValueError("it takes no parameter")

    def check_targets(self, Y, name):
        """Refuse targets that the loss is not defined for.

        Parameters
        ----------
        Y : ndarray
            Of any shape.
        name : str
            What to call the targets in an error.

        Raises
        ------
        ValueError
            If there are any; the default accepts all.
        """
        return None

    def gradient_scale(self, n_targets):
        """Ratio of the cost that is minimized to the one that is reported."""
        return 1

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return np.log(self.predictions(Z))

    def cost(self, Z, Y, weights=None, total=None):
        """Sum of the samples' losses, each times its weight, divided by ``total``.

        Parameters
        ----------
        Z : ndarray of shape (n_outputs, n_samples)
            Raw outputs.
        Y : ndarray of shape (n_targets, n_samples)
            Targets: indicators of the class, or numbers.
        weights : ndarray of shape (n_samples,), default=None
            Sample weights; None means 1 for each.
        total : float, default=None
            What the sum is divided by; None means the sum of the weights.

        Returns
        -------
        float
        """
        self._check_shapes(Z, Y)
        total = _total(Z, weights) if total is None else total
        loss_sum = self.loss_sum(Z, self.predictions(Z), Y, weights)
        return divide_by_total(loss_sum, total)

    def cost_and_gradient(self, Z, Y, weights=None, total=None):
        """Cost and its gradient with respect to ``Z``; see ``cost`` for the parameters.

        Returns
        -------
        cost : float
        dZ : ndarray of shape (n_outputs, n_samples)
            Weights and ``total`` are in it already: the layers only sum.
        """
        total = _total(Z, weights) if total is None else total
        loss_sum, dZ = self.sum_and_gradient(Z, Y, weights, total)
        return divide_by_total(loss_sum, total), dZ

    def sum_and_gradient(self, Z, Y, weights, total, operations=ALLOCATING):
        """Sum of the losses, and gradient of their mean: ``Operations.loss``.

        Losses that compute with ``operations.array`` and ``operations.call`` override
        this to be as fast as the library's. By default, the methods above are one call
        of the operations.
        """
        self._check_shapes(Z, Y)
        return operations.call(
            self._sum_and_gradient,
            Z,
            Y,
            weights,
            total,
            operations.array("loss sum", Z.shape[:-2]),
            operations.array("dA", Z.shape),
        )

    def _sum_and_gradient(self, Z, Y, weights, total, loss_sum_out, dA_out):
        P = self.predictions(Z)
        loss_sum, gradient = self.loss_sum(Z, P, Y, weights), self.gradient(Z, P, Y)
        shares = 1 / total if weights is None else weights / total
        if dA_out is None:
            return loss_sum, (gradient * shares).astype(Z.dtype, copy=False)
        loss_sum_out[...] = loss_sum
        np.multiply(gradient, shares, out=dA_out, casting="same_kind")
        return loss_sum_out, dA_out

    def _check_shapes(self, Z, Y):
        n_targets, *samples = Y.shape[-2:] if Y.ndim > 1 else (0,)
        rows = self.n_raw_outputs(n_targets)
        # Several networks may have the same targets.
        if Y.ndim < 2 or (*Y.shape[:-2], rows, *samples) != Z.shape[-Y.ndim :]:
            if n_targets and rows != n_targets:
                raise ValueError(
                    f"Y must have shape (n_targets, {Z.shape[-1]}), where n_targets "
                    f"targets make {Z.shape[-2]} raw outputs, got {Y.shape}."
                )
            raise ValueError(
                f"Y must have the shape of the outputs, {Z.shape}, got {Y.shape}."
            )


def divide_by_total(loss_sum, total):
    """Cost of a batch from the sum of its losses, of one network or of each.

    Parameters
    ----------
    loss_sum : float or ndarray of shape (n_networks,)
    total : float or ndarray of n_networks numbers

    Returns
    -------
    float or ndarray of shape (n_networks,)
    """
    if np.ndim(loss_sum):
        return loss_sum / np.reshape(total, -1)
    return float(loss_sum) / float(total)


def _total(Z, weights):
    return Z.shape[-1] if weights is None else weights.sum()


class FastLoss(Loss):
    """A loss that computes in the arrays of the operations, call by call.

    Its ``loss_sum`` is the sum of its ``losses`` in fewer passes, and the gradient is
    written over the predictions, by ``slopes``.
    """

    @abstractmethod
    def predictions(self, Z, operations=ALLOCATING):
        """Predictions in an array of their own, (n_outputs, n_samples)."""

    @abstractmethod
    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """Sum of all samples' losses; see ``Loss.loss_sum``."""

    def slopes(self, Z, P, Y, operations=ALLOCATING):
        """Gradient of each sample's loss, written over ``P``; see ``Loss.gradient``."""
        return operations.call(np.subtract, P, Y, P)

    def gradient(self, Z, P, Y):
        """Gradient of each sample's loss with respect to ``Z``; see ``Loss``."""
        shape = np.broadcast_shapes(P.shape, Y.shape)
        return self.slopes(Z, np.array(np.broadcast_to(P, shape)), Y)

    def sum_and_gradient(self, Z, Y, weights, total, operations=ALLOCATING):
        """Sum of the losses, and gradient of their mean: ``Operations.loss``."""
        self._check_shapes(Z, Y)
        call = operations.call
        P = self.predictions(Z, operations)
        loss_sum = self.loss_sum(Z, P, Y, weights, operations)
        dZ = self.slopes(Z, P, Y, operations)
        if weights is None:
            shares = 1 / total
        else:
            shares = operations.array("shares", weights.shape)
            shares = call(np.divide, weights, total, shares)
        return loss_sum, call(np.multiply, dZ, shares, dZ)


def dot(x, y, name, operations):
    """Sum of the products of all numbers, or of those of each network of a stack.

    One pass, where multiplying first and then adding up takes two.

    Parameters
    ----------
    x, y : ndarray of shape (..., rows, samples)
        Either may lack the axis of the networks.
    name : str
        Of the array that the sums are written into.
    operations : Operations

    Returns
    -------
    float or ndarray of shape (n_networks,)
    """
    n_numbers = x.shape[-2] * x.shape[-1]
    shape = (n_numbers,) if x.ndim == y.ndim == 2 else (-1, n_numbers)
    out = operations.array(name, x.shape[:-2] or y.shape[:-2])
    if x.flags.c_contiguous and y.flags.c_contiguous:
        return operations.call(np.vecdot, x.reshape(shape), y.reshape(shape), out)
    # To reshape is to copy, which belongs to the call.
    return operations.call(_reshaped_dot, x, y, shape, out)


def _reshaped_dot(x, y, shape, out):
    return np.vecdot(x.reshape(shape), y.reshape(shape), out)
