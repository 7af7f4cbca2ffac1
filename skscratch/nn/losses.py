"""The losses: what training minimizes, and how its gradient starts.

First the article's ``logloss``, on probabilities. Then the losses that networks are
trained with: they take the network's raw outputs ``Z`` (logits), which no saturated
probability can spoil, and own value, gradient and predictions.

A new loss is one ``Loss`` record. In the registry ``LOSSES`` it is known by name
everywhere, and where a name is accepted, so is the record itself. Shapes are the
article's, one column per sample; several networks at once have a leading axis, and a
cost each.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, xlog1py, xlogy

from skscratch.backends.blockwise import clip
from skscratch.backends.operations import ALLOCATING
from skscratch.nn.checks import parse_number
from skscratch.nn.loss import FastLoss, Loss, dot

__all__ = [
    "LOSSES",
    "BinaryLogLoss",
    "LogLoss",
    "PoissonDeviance",
    "QuantileLoss",
    "SquaredError",
    "d_logloss",
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


class LogLoss(FastLoss):
    """Log-loss of one class among several, by softmax (multinomial)."""

    kernel = "log_loss"
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
        return _negative(dot(Y, log_P, "sum", operations), operations)


def _negative(value, operations):
    out = value if isinstance(value, np.ndarray) else None
    return operations.call(np.negative, value, out)


class BinaryLogLoss(FastLoss):
    """Log-loss of independent yes-or-no outputs, by the logistic sigmoid."""

    kernel = "binary_log_loss"
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
        of_P = dot(Y, log_P, "sum", operations)
        of_Q = dot(not_Y, log_Q, "sum of the others", operations)
        out = of_P if isinstance(of_P, np.ndarray) else None
        return _negative(call(np.add, of_P, of_Q, out), operations)


class _IdentityLoss(FastLoss):
    """A loss whose predictions are the raw outputs."""

    def predictions(self, Z, operations=ALLOCATING):
        """Return the raw outputs, as a copy."""
        return operations.call(np.positive, Z, operations.array("P", Z.shape))


class SquaredError(_IdentityLoss):
    """Half the squared error; the cost is the mean over the outputs.

    The gradient is that of the sum over the outputs, as in scikit-learn.
    """

    kernel = "squared_error"

    def losses(self, Z, P, Y):
        """``(P - Y)² / (2 n_outputs)``."""
        return np.square(P - Y) / (2 * Z.shape[-2])

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
        squares = dot(errors, weighted, "sum", operations)
        out = squares if isinstance(squares, np.ndarray) else None
        return call(np.multiply, squares, 0.5 / Z.shape[-2], out)


def _weighted_sum(values, weights, operations):
    """Sum of all numbers, each sample times its weight; one for each network."""
    if weights is not None:
        operations.call(np.multiply, values, weights, values)
    loss_sum = operations.array("sum", values.shape[:-2])
    return operations.call(np.add.reduce, values, (-2, -1), None, loss_sum)


class PoissonDeviance(FastLoss):
    """Half the Poisson deviance of counts, by their expected value ``exp(Z)``."""

    kernel = "poisson"
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
        return _weighted_sum(values, weights, operations)


class GammaDeviance(PoissonDeviance):
    """Half the gamma deviance of positive numbers, by their expected value ``exp(Z)``.

    See McCullagh and Nelder, *Generalized Linear Models*, 1989, chapter 8.
    """

    kernel = "gamma"
    judged_by_loss = True

    def check_targets(self, Y, name):
        """Refuse targets that are not positive; see ``Loss.check_targets``."""
        if not (Y > 0).all():
            raise ValueError(
                f"{name} must be positive for loss='gamma', got {Y.min()}."
            )

    def losses(self, Z, P, Y):
        """``log(P / Y) + Y / P - 1``, with ``log P = Z``."""
        with np.errstate(over="ignore"):
            return Z - np.log(Y) + Y * np.exp(-Z) - 1

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``sum(log(P / Y) + Y / P - 1)``, with ``log P = Z``."""
        call = operations.call
        log_Y = call(np.log, Y, operations.array("log Y", Y.shape), dtype=Z.dtype)
        values = call(np.subtract, Z, log_Y, operations.array("values", Z.shape))
        call(np.subtract, values, 1.0, values)
        with np.errstate(over="ignore"):  # Training notices a cost that is infinite.
            ratios = call(_ratios, Y, Z, operations.array("Y / P", Z.shape))
        call(np.add, values, ratios, values)
        return _weighted_sum(values, weights, operations)

    def slopes(self, Z, P, Y, operations=ALLOCATING):
        """``1 - Y / P``."""
        with np.errstate(over="ignore"):
            ratios = operations.call(_ratios, Y, Z, P)
        return operations.call(np.subtract, 1.0, ratios, P)


def _ratios(Y, Z, out):
    """Targets divided by their expected values: ``Y exp(-Z)``."""
    ratios = np.negative(Z, out=out)
    ratios = np.exp(ratios, out=ratios)
    return np.multiply(ratios, Y, out=out)


class AbsoluteError(_IdentityLoss):
    """The absolute error, which predicts the median."""

    kernel = "absolute_error"
    is_smooth = False
    judged_by_loss = True

    def losses(self, Z, P, Y):
        """``|P - Y|``."""
        return np.abs(P - Y)

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """``sum(|P - Y|)``."""
        call = operations.call
        errors = call(np.subtract, P, Y, operations.array("errors", Z.shape))
        errors = call(np.absolute, errors, errors)
        return _weighted_sum(errors, weights, operations)

    def slopes(self, Z, P, Y, operations=ALLOCATING):
        """``sign(P - Y)``."""
        errors = operations.call(np.subtract, P, Y, P)
        return operations.call(np.sign, errors, errors)


@dataclass(frozen=True)
class Huber(AbsoluteError):
    """Half the squared error up to a threshold, and linear beyond.

    See Huber, *Robust estimation of a location parameter*, 1964.

    Attributes
    ----------
    threshold : float, default=None
        Absolute error from which the loss is linear. None means the quantile 0.9 of
        the targets' distances from their median, of all targets together: those of
        ``GradientBoostingRegressor`` before its first tree.
    """

    kernel = "huber"
    is_smooth = True

    threshold: float | None = None

    def with_parameter(self, value):
        """Loss with this threshold."""
        if not value > 0:
            raise ValueError("the threshold must be positive")
        return Huber(value)

    def fitted(self, Y, weights=None):
        """Loss with the threshold that the targets give, if none is set."""
        if self.threshold is not None:
            return self
        center = _weighted_quantile(Y, 0.5, weights)[:, np.newaxis]
        distances = np.abs(Y - center).reshape(1, -1)
        if weights is not None:
            weights = np.tile(weights, len(Y))
        threshold = float(_weighted_quantile(distances, 0.9, weights)[0])
        # Of constant targets it is 0; any threshold serves them.
        return Huber(threshold or 1.0)

    def losses(self, Z, P, Y):
        """``e² / 2`` for errors up to the threshold ``t``, else ``t (|e| - t / 2)``."""
        errors = P - Y
        inner = np.clip(errors, -self._limit, self._limit)
        return inner * (errors - inner / 2)

    def loss_sum(self, Z, P, Y, weights=None, operations=ALLOCATING):
        """Sum of the losses: ``c (e - c / 2)`` for an error ``e`` clipped to ``c``."""
        call = operations.call
        errors = call(np.subtract, P, Y, operations.array("errors", Z.shape))
        inner = self._clipped(errors, operations.array("inner", Z.shape), operations)
        half = call(np.multiply, inner, 0.5, operations.array("half", Z.shape))
        call(np.subtract, errors, half, errors)
        call(np.multiply, errors, inner, errors)
        return _weighted_sum(errors, weights, operations)

    def slopes(self, Z, P, Y, operations=ALLOCATING):
        """Errors clipped at the threshold."""
        errors = operations.call(np.subtract, P, Y, P)
        return self._clipped(errors, errors, operations)

    def _clipped(self, errors, out, operations):
        limits = _limits(errors.dtype, self._limit)
        return operations.call(clip, errors, *limits, out)

    @property
    def _limit(self):
        # A network that nobody fitted has no targets to take it from.
        return 1.0 if self.threshold is None else self.threshold

    @property
    def kernel_parameter(self) -> float:
        """Threshold, for the compiled loop."""
        return self._limit


@lru_cache(maxsize=16)
def _limits(dtype, limit):
    return np.array(-limit, dtype), np.array(limit, dtype)


def _weighted_quantile(values, share, weights=None):
    """Quantile of each row, of equal or weighted samples."""
    if weights is None:
        return np.quantile(values, share, axis=1)
    return np.quantile(
        values,
        share,
        axis=1,
        weights=np.broadcast_to(weights, values.shape),
        method="inverted_cdf",
    )


@dataclass(frozen=True)
class QuantileLoss(Loss):
    """The pinball loss of one or several quantiles, which never cross.

    For ``K`` quantiles, each target has ``K`` raw outputs. The lowest quantile is the
    first of them; each further one is larger by ``log(1 + exp(z))`` of its raw output,
    so that they are in order whatever the network computes. See Koenker and Bassett,
    *Regression quantiles*, 1978.

    Attributes
    ----------
    quantiles : tuple of float, default=(0.5,)
        Above 0 and below 1, in any order. Predictions have their order: for each
        target, a row for each quantile.
    """

    is_smooth = False
    judged_by_loss = True

    quantiles: tuple[float, ...] = (0.5,)

    def with_parameter(self, value):
        """Loss of this quantile."""
        if not 0 < value < 1:
            raise ValueError("a quantile must be above 0 and below 1")
        return QuantileLoss((value,))

    def n_raw_outputs(self, n_targets):
        """Count the raw outputs: one for each target and quantile."""
        return n_targets * len(self.quantiles)

    def predictions(self, Z):
        """Quantiles of each target, in the order of ``quantiles``."""
        ordered = np.cumsum(self._increments(Z), axis=-2)
        return self._permuted(ordered, self._ranks).reshape(Z.shape)

    def losses(self, Z, P, Y):
        """``max(q (Y - P), (q - 1) (Y - P))`` for each quantile ``q``."""
        errors = Y[..., np.newaxis, :] - self._split(P)
        shares = self._shares(P.dtype)
        return np.maximum(shares * errors, (shares - 1) * errors).reshape(P.shape)

    def gradient(self, Z, P, Y):
        """``(P > Y) - q`` for each quantile, by the chain rule through their order."""
        steps = self._split(P) > Y[..., np.newaxis, :]
        dP = steps - self._shares(P.dtype)
        dP = self._permuted(dP, np.argsort(self.quantiles, kind="stable"))
        # A raw output moves its own quantile and all above.
        dZ = np.flip(np.cumsum(np.flip(dP, axis=-2), axis=-2), axis=-2)
        dZ[..., 1:, :] *= expit(self._split(Z)[..., 1:, :])
        return dZ.reshape(*dZ.shape[:-3], *Z.shape[-2:])

    def average_members(self, Z):
        """Raw outputs of the mean quantiles."""
        means = self._increments(Z).mean(axis=0)
        with np.errstate(divide="ignore"):  # Equal quantiles: log(0) gives them back.
            steps = means[..., 1:, :]
            steps += np.log(-np.expm1(-steps))
        return means.reshape(Z.shape[1:])

    def _increments(self, Z):
        """Lowest quantile of each target, and how much larger each next one is."""
        increments = self._split(Z).copy()
        np.logaddexp(0, increments[..., 1:, :], out=increments[..., 1:, :])
        return increments

    @property
    def _ranks(self):
        return np.argsort(np.argsort(self.quantiles, kind="stable"), kind="stable")

    def _split(self, Z):
        """A row for each quantile of each target: (..., n_targets, K, n_samples)."""
        *networks, rows, n_samples = Z.shape
        n_quantiles = len(self.quantiles)
        return Z.reshape(*networks, rows // n_quantiles, n_quantiles, n_samples)

    def _shares(self, dtype):
        return np.array(self.quantiles, dtype)[:, np.newaxis]

    @staticmethod
    def _permuted(array, order):
        return array if len(order) == 1 else array[..., order, :]


LOSSES: dict[str, Loss] = {
    "log_loss": LogLoss(),
    "binary_log_loss": BinaryLogLoss(),
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "quantile": QuantileLoss(),
    "poisson": PoissonDeviance(),
    "gamma": GammaDeviance(),
}


def resolve_loss(loss):
    """Return the record of a loss.

    Parameters
    ----------
    loss : str or Loss
        A key of ``LOSSES``, also with a parameter, such as ``"huber(1.5)"``, or a
        record itself.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        If the loss is not known, or its parameter is not accepted.
    """
    if isinstance(loss, str):
        if loss in LOSSES:
            return LOSSES[loss]
        name, has_parameter, rest = loss.partition("(")
        if has_parameter and rest.endswith(")") and name in LOSSES:
            try:
                return LOSSES[name].with_parameter(parse_number(rest[:-1]))
            except ValueError as error:
                raise ValueError(f"loss={loss!r} can't be used: {error}.") from None
    if isinstance(loss, Loss):
        return loss
    raise ValueError(
        f"loss must be one of {sorted(LOSSES)}, got {loss!r}. A number may follow "
        "'huber' and 'quantile', as in 'huber(1.5)', and a Loss is accepted too."
    )
