"""The losses: what training minimizes, and how its gradient starts.

First the article's ``logloss``, on probabilities. Then the losses that networks are
trained with: they take the network's raw outputs ``Z`` (logits), which no saturated
probability can spoil, and own value, gradient and predictions.

A new loss is one ``Loss`` record. In the registry ``LOSSES`` it is known by name
everywhere, and where a name is accepted, so is the record itself. Shapes are the
article's, one column per sample; several networks at once have a leading axis, and a
cost each.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, xlog1py, xlogy

from skscratch.backends.blockwise import clip
from skscratch.backends.operations import ALLOCATING

__all__ = [
    "LOSSES",
    "Loss",
    "d_logloss",
    "divide_by_total",
    "logloss",
    "resolve_loss",
]


def logloss(y: Any, a: Any) -> Any:
    """Log-loss of each sample: ``-(y log a + (1 - y) log(1 - a))``.

    Parameters
    ----------
    y : array-like
        Targets, 0 or 1.
    a : array-like
        Predicted probabilities of 1. Where one is saturated (0 or 1 exactly), the
        nearest number that is not stands in, so that the loss stays finite.

    Returns
    -------
    ndarray
        The loss, of the broadcast shape of ``y`` and ``a``.
    """
    a = _unsaturated(a)
    return -(xlogy(y, a) + xlog1py(1 - np.asarray(y), -a))


def d_logloss(y: Any, a: Any) -> Any:
    """Derivative of ``logloss`` by ``a``: ``(a - y) / (a (1 - a))``.

    Parameters and shapes are those of ``logloss``.
    """
    a = _unsaturated(a)
    return (a - y) / (a * (1 - a))


def _unsaturated(a):
    """Move probabilities of exactly 0 and 1 to their nearest neighbour inside."""
    a = np.asarray(a)
    if a.dtype.kind != "f":
        a = a.astype(np.float64)
    limits = np.finfo(a.dtype)
    return np.clip(a, limits.tiny, 1 - limits.epsneg)


@cache
def _bounds(dtype):
    """Smallest and largest probability in a reported log-loss, as in scikit-learn."""
    epsilon = np.finfo(dtype).eps
    return np.array(epsilon), np.array(1 - epsilon)


def _log_mean_exp(L):
    """``log(mean(exp(L)))`` over the first axis, without overflow."""
    largest = L.max(axis=0)
    return np.log(np.exp(L - largest).mean(axis=0)) + largest


@dataclass(frozen=True)
class Loss(ABC):
    """A loss on raw outputs, with the predictions that belong to it.

    A subclass has to define ``losses``. The other methods have defaults: predictions
    are the raw outputs, and the gradient is ``predictions - targets``, which holds for
    every loss with its canonical link (McCullagh and Nelder, *Generalized Linear
    Models*, 1989, section 2.5). Parameters of a loss are fields of a frozen dataclass,
    so that records are equal by value and can be pickled.

    Two class attributes describe it. ``output`` is the name of the function that turns
    raw outputs into predictions, as in scikit-learn's ``out_activation_``; the default
    is ``"identity"``. ``task`` is ``"regression"``, the default, or
    ``"classification"``: the kind of estimator that accepts the loss.

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


class _FastLoss(Loss):
    """A loss that computes in the arrays of the operations, call by call.

    Its ``loss_sum`` is the sum of its ``losses`` in fewer passes, and the gradient is
    written over the predictions.
    """

    @abstractmethod
    def predictions(self, Z, operations=ALLOCATING):
        """Predictions in an array of their own, (n_outputs, n_samples)."""

    @abstractmethod
    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """Sum of all samples' losses; see ``Loss.loss_sum``."""

    def sum_and_gradient(self, Z, Y, weights, total, operations=ALLOCATING):
        """Sum of the losses, and gradient of their mean: ``Operations.loss``."""
        self._check_shapes(Z, Y)
        call = operations.call
        P = self.predictions(Z, operations)
        loss_sum = self.loss_sum(Z, P, Y, weights, operations)
        dZ = call(np.subtract, P, Y, P)
        if weights is None:
            shares = 1 / total
        else:
            shares = operations.array("shares", weights.shape)
            shares = call(np.divide, weights, total, shares)
        return loss_sum, call(np.multiply, dZ, shares, dZ)


def _dot(x, y, name, operations):
    """Sum of the products of all numbers, or of those of each network of a stack.

    One pass, where multiplying first and then adding up takes two.
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


class LogLoss(_FastLoss):
    """Log-loss of one class among several, by softmax (multinomial)."""

    output = "softmax"
    task = "classification"

    def losses(self, Z, P, Y):
        """``-Y log P``, with ``P`` clipped at the dtype's epsilon."""
        return -Y * np.log(clip(P, *_bounds(P.dtype)))

    def predictions(self, Z, operations=ALLOCATING):
        """Softmax over the outputs; shifted by the largest, so it can't overflow."""
        call = operations.call
        per_sample = operations.array("per sample", (*Z.shape[:-2], 1, Z.shape[-1]))
        largest = call(np.maximum.reduce, Z, -2, None, per_sample, True)
        with np.errstate(over="ignore"):  # From -inf, exp comes to 0 as it should.
            P = call(np.subtract, Z, largest, operations.array("P", Z.shape))
        call(np.exp, P, P)
        sums = call(np.add.reduce, P, -2, None, per_sample, True)
        return call(np.divide, P, sums, P)

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return log_softmax(Z, axis=-2)

    def average_members(self, Z):
        """Logarithm of the mean probabilities: softmax gives them back."""
        return _log_mean_exp(self.log_predictions(Z))

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``-sum(Y log P)``, with ``P`` clipped at the dtype's epsilon."""
        call = operations.call
        log_P = operations.array("log P", Z.shape)
        log_P = call(clip, P, *_bounds(P.dtype), log_P)
        call(np.log, log_P, log_P)
        if weights is not None:
            call(np.multiply, log_P, weights, log_P)
        return _negative(_dot(Y, log_P, "sum", operations), operations)


def _negative(value, operations):
    out = value if isinstance(value, np.ndarray) else None
    return operations.call(np.negative, value, out)


class BinaryLogLoss(_FastLoss):
    """Log-loss of independent yes-or-no outputs, by the logistic sigmoid."""

    output = "logistic"
    task = "classification"

    def losses(self, Z, P, Y):
        """``-(Y log P + (1 - Y) log(1 - P))``, with ``P`` clipped at epsilon."""
        P = clip(P, *_bounds(P.dtype))
        return -(Y * np.log(P) + (1 - Y) * np.log(1 - P))

    def predictions(self, Z, operations=ALLOCATING):
        """Logistic sigmoid of each output."""
        return operations.call(expit, Z, operations.array("P", Z.shape))

    def log_predictions(self, Z):
        """Logarithm of the predictions, finite where they underflow."""
        return log_expit(Z)

    def average_members(self, Z):
        """Logit of the mean probabilities."""
        return _log_mean_exp(log_expit(Z)) - _log_mean_exp(log_expit(-Z))

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``-sum(Y log P + (1 - Y) log(1 - P))``, with ``P`` clipped at epsilon.

        From ``P``, where the logits would tell more of saturated samples: it is what
        scikit-learn reports, and what decides when its training stops.
        """
        call, array = operations.call, operations.array
        log_P = call(clip, P, *_bounds(P.dtype), array("log P", Z.shape))
        log_Q = call(np.subtract, 1.0, log_P, array("log Q", Z.shape))
        for log in (log_P, log_Q):
            call(np.log, log, log)
            if weights is not None:
                call(np.multiply, log, weights, log)
        not_Y = call(np.subtract, 1.0, Y, array("1 - Y", Y.shape))
        of_P = _dot(Y, log_P, "sum", operations)
        of_Q = _dot(not_Y, log_Q, "sum of the others", operations)
        out = of_P if isinstance(of_P, np.ndarray) else None
        return _negative(call(np.add, of_P, of_Q, out), operations)


class SquaredError(_FastLoss):
    """Half the squared error; the cost is the mean over the outputs.

    The gradient is that of the sum over the outputs, as in scikit-learn.
    """

    def losses(self, Z, P, Y):
        """``(P - Y)² / (2 n_outputs)``."""
        return np.square(P - Y) / (2 * Z.shape[-2])

    def predictions(self, Z, operations=ALLOCATING):
        """Return the raw outputs, as a copy."""
        return operations.call(np.positive, Z, operations.array("P", Z.shape))

    def gradient_scale(self, n_targets):
        """The sum over the outputs is minimized, their mean is reported."""
        return n_targets

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``sum((P - Y)²) / (2 n_outputs)``."""
        call = operations.call
        errors = call(np.subtract, P, Y, operations.array("errors", Z.shape))
        weighted = errors
        if weights is not None:
            weighted = operations.array("weighted errors", Z.shape)
            weighted = call(np.multiply, errors, weights, weighted)
        squares = _dot(errors, weighted, "sum", operations)
        out = squares if isinstance(squares, np.ndarray) else None
        return call(np.multiply, squares, 0.5 / Z.shape[-2], out)


class PoissonDeviance(_FastLoss):
    """Half the Poisson deviance of counts, by their expected value ``exp(Z)``."""

    output = "exp"

    def check_targets(self, Y, name):
        """Refuse negative targets; see ``Loss.check_targets``."""
        if (Y < 0).any():
            raise ValueError(
                f"{name} must not be negative for loss='poisson', got {Y.min()}."
            )

    def losses(self, Z, P, Y):
        """``Y log(Y / P) - Y + P``, with ``log P = Z``."""
        return xlogy(Y, Y) - Y * Z - Y + P

    def predictions(self, Z, operations=ALLOCATING):
        """Exponential of each output."""
        with np.errstate(over="ignore"):  # Training notices a cost that is infinite.
            return operations.call(np.exp, Z, operations.array("P", Z.shape))

    def log_predictions(self, Z):
        """Return the raw outputs, as a copy."""
        return Z.copy()

    def average_members(self, Z):
        """Logarithm of the mean of the expected values."""
        return _log_mean_exp(Z)

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``sum(Y log(Y / P) - Y + P)``, with ``log P = Z``."""
        call = operations.call
        values = call(np.multiply, Y, Z, operations.array("values", Z.shape))
        Y_log_Y = call(xlogy, Y, Y, operations.array("Y log Y", Y.shape))
        call(np.subtract, Y_log_Y, values, values)
        call(np.subtract, values, Y, values)
        call(np.add, values, P, values)
        if weights is not None:
            call(np.multiply, values, weights, values)
        loss_sum = operations.array("sum", Z.shape[:-2])
        return call(np.add.reduce, values, (-2, -1), None, loss_sum)


LOSSES: dict[str, Loss] = {
    "log_loss": LogLoss(),
    "binary_log_loss": BinaryLogLoss(),
    "squared_error": SquaredError(),
    "poisson": PoissonDeviance(),
}


def resolve_loss(loss):
    """Return the record of a loss.

    Parameters
    ----------
    loss : str or Loss
        A key of ``LOSSES``, or a record itself.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        If the loss is not known.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if isinstance(loss, Loss):
        return loss
    raise ValueError(
        f"loss must be one of {sorted(LOSSES)}, got {loss!r}. A Loss is accepted too."
    )
