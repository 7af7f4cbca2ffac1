"""Check of a network's gradients against finite differences, for anyone to run."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from skscratch.nn.checks import as_numbers, random_source
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import Network

__all__ = ["GradientCheck", "check_gradients"]


@dataclass(frozen=True)
class GradientCheck:
    """What ``check_gradients`` found.

    Attributes
    ----------
    max_relative_error : float
        The largest of all comparisons: ``|analytic - numerical|`` relative to the
        larger of the two, or to the typical size of the gradient where both are
        small.
    where : str
        The comparison it was found in: a parameter by layer and index, an input, or
        a direction.
    analytic, numerical : float
        The two values compared there.
    n_comparisons : int
        How many comparisons were made.
    tolerance : float
        The largest relative error that counts as agreement.
    """

    max_relative_error: float
    where: str
    analytic: float
    numerical: float
    n_comparisons: int
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every comparison agrees within the tolerance."""
        return self.max_relative_error <= self.tolerance

    def __str__(self):
        verdict = "agree" if self.passed else "DIFFER"
        return (
            f"gradients {verdict}: largest relative error "
            f"{self.max_relative_error:.2e} (tolerance {self.tolerance:.0e}) at "
            f"{self.where}: analytic {self.analytic:.8g}, numerical "
            f"{self.numerical:.8g}; {self.n_comparisons} comparisons"
        )


def check_gradients(
    network: Network,
    X: Any,
    y: ArrayLike,
    *,
    alpha: float = 0.0,
    sample_weight: ArrayLike | None = None,
    masks: Sequence[NDArray[Any] | None] = (),
    n_directions: int = 10,
    n_parameters: int = 50,
    step: float = 1e-5,
    tolerance: float = 1e-5,
    raise_on_failure: bool = False,
    random_state: Any = 0,
) -> GradientCheck:
    """Compare a network's gradients with central differences of its cost.

    The whole gradient is compared along random directions, two forward passes each
    whatever the number of parameters, and by single parameters, which name the place
    of an error. For dense ``X`` the gradient with respect to the inputs is compared as
    well. All is computed in float64 on a copy: the network itself is left as it is.

    Parameters
    ----------
    network : Network
        For example the ``network_`` of a fitted estimator. For a ``Stack``, the cost is
        the sum of the networks' costs.
    X : {array-like, sparse array} of shape (n_samples, n_features)
        Samples to compute the cost on; some ten are enough.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets. For a softmax output, a one-dimensional ``y`` holds the numbers 0, 1,
        … of the classes.
    alpha : float, default=0.0
        Strength of the L2 regularization.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights; None means 1 for each.
    masks : sequence of (ndarray or None), default=()
        Factors of the outputs of the first layers, (neurons, n_samples): dropout, held
        fixed.
    n_directions : int, default=10
        Number of random directions, in the space of parameters and in that of inputs.
    n_parameters : int, default=50
        Number of single weights, and of biases, drawn at random from each layer; all
        of them if there are fewer.
    step : float, default=1e-5
        Length of the difference to either side.
    tolerance : float, default=1e-5
        Largest relative error that counts as agreement. Activations with a kink may
        exceed it where a sample lies within ``step`` of the kink.
        Components that the rounding error of the cost hides are measured against the
        smallest that it does not.
    raise_on_failure : bool, default=False
        Whether to raise rather than report a disagreement.
    random_state : int, RandomState or None, default=0
        Source of directions and places.

    Returns
    -------
    GradientCheck

    Raises
    ------
    AssertionError
        With ``raise_on_failure``, where the gradients disagree.
    ValueError
        If shapes do not fit the network, data are not finite numbers, a count, ``step``
        or ``tolerance`` is out of range, or there is nothing to compare.

    Examples
    --------
    >>> from skscratch import Network, check_gradients
    >>> network = Network.glorot([2, 5, 3], "tanh", random_state=0)
    >>> check_gradients(network, [[1.0, 2.0], [-1.0, 0.5]], [0, 2]).passed
    True
    """
    if not isinstance(network, Network):
        raise ValueError(
            "network must be a Network, for example the network_ of a fitted "
            f"estimator, got {type(network).__name__}."
        )
    counts: dict[str, Any] = {
        "n_directions": n_directions,
        "n_parameters": n_parameters,
    }
    for name, count in counts.items():
        if not isinstance(count, numbers.Integral) or count < 0:
            raise ValueError(f"{name} must be an integer, 0 or more, got {count!r}.")
    for name, size in (("step", step), ("tolerance", tolerance)):
        if not _is_finite(size) or not size > 0:
            raise ValueError(f"{name} must be a positive finite number, got {size!r}.")
    if not _is_finite(alpha) or alpha < 0:
        raise ValueError(f"alpha must be a finite number, 0 or more, got {alpha!r}.")
    if n_directions < 1 and n_parameters < 1:
        raise ValueError(
            "n_directions and n_parameters must not both be 0: nothing would be "
            f"compared, got {n_directions} and {n_parameters}."
        )
    if not isinstance(masks, (list, tuple)):
        raise ValueError(
            "masks must be a list of arrays, or None, for the first layers, got "
            f"{masks!r}."
        )
    random_state = random_source(random_state)
    cost = _Cost(network, X, y, alpha, sample_weight, masks)
    comparisons = [
        (
            where,
            float(np.vdot(gradient, direction)),
            cost.difference(vector, direction, step),
        )
        for where, vector, gradient, direction in _places(
            cost, n_directions, n_parameters, random_state
        )
    ]
    report = _report(comparisons, tolerance, cost.rounding(step))
    if raise_on_failure and not report.passed:
        raise AssertionError(str(report))
    return report


class _Cost:
    """The cost of a float64 copy of a network as a function of its numbers."""

    def __init__(self, network, X, y, alpha, sample_weight, masks):
        self.network = network.astype(np.float64)
        layers, self.loss = network.layers, resolve_loss(network.loss)
        X = _finite(X, "X")
        if X.ndim != 2 or X.shape[1] != layers[0].inputs:
            raise ValueError(
                f"X must have shape (n_samples, {layers[0].inputs}), got {X.shape}."
            )
        if not X.shape[0]:
            raise ValueError("X must have at least one sample, got none.")
        self.A1 = X.T
        self.Y = _targets(y, X.shape[0], layers[-1].neurons, self.loss)
        if sample_weight is not None:
            sample_weight = _finite(sample_weight, "sample_weight")
            if sample_weight.shape != (X.shape[0],):
                raise ValueError(
                    f"sample_weight must have shape ({X.shape[0]},), got "
                    f"{sample_weight.shape}."
                )
            if not sample_weight.sum() > 0:
                raise ValueError(
                    "sample_weight must have a positive sum, got "
                    f"{sample_weight.sum()}."
                )
        self.options = {"alpha": alpha, "weights": sample_weight, "masks": masks}
        _, dA1 = self.network.cost_and_gradients(
            self.A1, self.Y, input_gradient=True, **self.options
        )
        self.gradients = self.network.gradients.copy()
        if dA1 is not None and dA1.ndim > 2:
            dA1 = dA1.sum(axis=0)  # All networks of a stack see the same inputs.
        self.input_gradients = None if issparse(X) else dA1.ravel(order="F")
        self.inputs = None if issparse(X) else X.reshape(-1)

    def __call__(self):
        cost = self.network.cost(self.A1, self.Y, **self.options)
        reported = self.network.cost(self.A1, self.Y, **(self.options | {"alpha": 0}))
        # A loss may report less than it minimizes, the penalty aside. In a stack, each
        # parameter is part of the cost of one network.
        return np.sum(cost + (self.loss.gradient_scale(len(self.Y)) - 1) * reported)

    def rounding(self, step):
        """Difference that a rounding error in the cost's last digits makes."""
        with np.errstate(all="ignore"):
            return float(10 * np.finfo(np.float64).eps * abs(self()) / step)

    def difference(self, vector, direction, step):
        """Central difference of the cost as ``vector`` moves along ``direction``."""
        start = vector.copy()
        costs = []
        with np.errstate(all="ignore"):  # What is not finite is reported as different.
            for sign in (1, -1):
                vector[...] = start + sign * step * direction
                costs.append(self())
            vector[...] = start
            return float(np.float64(costs[0] - costs[1]) / (2 * step))


def _is_finite(number):
    """Whether it is a real number, and one that floats can hold."""
    try:
        return isinstance(number, numbers.Real) and math.isfinite(number)
    except OverflowError:
        return False


def _finite(values, name):
    """Copy of finite numbers, dense or sparse, in float64."""
    values = as_numbers(values, name)
    if issparse(values):
        values = values.tocsr().astype(np.float64)
    else:
        values = values.astype(np.float64, order="C")
    if not np.isfinite(values.data if issparse(values) else values).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return values


def _targets(y, n_samples, n_outputs, loss):
    """Targets in the article's shape, one column per sample."""
    y = as_numbers(y, "y")
    if y.ndim == 1 and loss.output == "softmax":
        classes = np.arange(n_outputs)
        if not np.isin(y, classes).all():
            raise ValueError(f"y must hold class numbers from 0 to {n_outputs - 1}.")
        y = y[:, np.newaxis] == classes
    elif y.ndim == 1:
        y = y[:, np.newaxis]
    fits = y.ndim == 2 and len(y) == n_samples
    if not fits or loss.n_raw_outputs(y.shape[1]) != n_outputs:
        raise ValueError(
            f"y must have shape ({n_samples},) or {(n_samples, n_outputs)}, got "
            f"{y.shape}."
        )
    return _finite(y, "y").T


def _places(cost, n_directions, n_parameters, random_state):
    """Yield what to compare: a name, the numbers, their gradient and a direction."""
    parameters = cost.network.parameters.reshape(-1)
    spaces = [("parameters", parameters, cost.gradients.reshape(-1))]
    if cost.inputs is not None:
        spaces.append(("inputs", cost.inputs, cost.input_gradients))
    for name, vector, gradients in spaces:
        for i in range(n_directions):
            direction = random_state.standard_normal(len(vector))
            direction /= np.linalg.norm(direction)
            yield f"random direction {i} of the {name}", vector, gradients, direction
    cost.network.gradients[...] = cost.gradients
    for number, layer in enumerate(cost.network.layers, start=1):
        for name, values, gradients in (
            ("W", layer.W, layer.dW.copy()),
            ("b", layer.b, layer.db.copy()),
        ):
            for index in random_state.permutation(values.size)[:n_parameters]:
                at = [int(i) for i in np.unravel_index(index, values.shape)]
                # One element, as a view of one row and one column.
                element = tuple(slice(i, i + 1) for i in at)
                place = f"layer {number}, {name}{at}"
                yield place, values[element], gradients[element], np.ones([1] * len(at))


def _report(comparisons, tolerance, rounding):
    analytic, numerical = (
        np.array(c) for c in list(zip(*comparisons, strict=True))[1:]
    )
    # Rounding of the cost makes the difference of a tiny component meaningless by
    # itself: it is measured against the typical component instead, or against one that
    # is just large enough to be distinguished from rounding.
    sizes = np.maximum(np.abs(analytic), np.abs(numerical))
    floor = np.fmax(1e-3 * np.sqrt(np.mean(sizes**2)), max(rounding / tolerance, 1e-8))
    errors = np.abs(analytic - numerical) / np.maximum(sizes, floor)
    errors[~np.isfinite(errors)] = np.inf
    worst = int(np.argmax(errors))
    return GradientCheck(
        max_relative_error=float(errors[worst]),
        where=comparisons[worst][0],
        analytic=float(analytic[worst]),
        numerical=float(numerical[worst]),
        n_comparisons=len(comparisons),
        tolerance=tolerance,
    )
