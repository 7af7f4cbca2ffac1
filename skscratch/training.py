"""The training loop: minibatches, when to stop, and what is remembered of it.

It trains a ``Network`` and reports epoch by epoch; validation of input, printing and
warnings are the estimators' business. L-BFGS, which needs no loop of ours, is scipy's.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from skscratch.buffers import Buffers
from skscratch.optimizers import Optimizer
from skscratch.schedules import Constant
from skscratch.threads import one_scipy_thread

__all__ = ["Batches", "Epoch", "TrainingState", "minimise_lbfgs", "train"]

# Rows that L-BFGS sums over at a time: few enough that a layer's outputs stay in a
# core's own cache.
CHUNK = 1024


class Batches:
    """Minibatches of the rows of a data set, an epoch at a time.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_outputs)
        Targets, boolean or of the network's dtype.
    batch_size : int
    dtype : dtype
        Of the network.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights, of the network's dtype.
    rows : ndarray of int, default=None
        The rows to train on; None means all of them.
    mean_weight : float, default=None
        What stands for one sample's weight in a batch's total; None means the mean
        weight of the rows.
    random_state : RandomState, default=None
        Shuffles the rows before each epoch; None leaves their order.

    Attributes
    ----------
    n_samples : int
        Number of rows in an epoch.
    """

    def __init__(
        self,
        X,
        Y,
        batch_size,
        dtype,
        *,
        weights=None,
        rows=None,
        mean_weight=None,
        random_state=None,
    ):
        self.X, self.Y, self.weights = X, Y, weights
        self.batch_size = batch_size
        self.random_state = random_state
        self.order = None if rows is None else np.array(rows)
        if rows is None and random_state is not None:
            self.order = np.arange(X.shape[0])
        self.n_samples = X.shape[0] if rows is None else len(rows)
        if mean_weight is None and weights is not None:
            mean_weight = float((weights if rows is None else weights[rows]).mean())
        self.mean_weight = mean_weight or 1.0
        self._buffers, self._raw_buffers = Buffers(dtype), Buffers(Y.dtype)

    def __iter__(self):
        """Yield the batches of one epoch: ``A1, Y, weights, total`` of each."""
        if self.random_state is not None:
            # In place: the same swaps as in an array of indices 0, 1, …, and so the
            # same order as scikit-learn's, which indexes the last epoch's order.
            self.random_state.shuffle(self.order)
        for start in range(0, self.n_samples, self.batch_size):
            rows = slice(start, min(start + self.batch_size, self.n_samples))
            yield self._batch(rows if self.order is None else self.order[rows])

    def _batch(self, rows):
        A1 = _gather(self.X, rows, self._buffers, "X").T
        targets = _gather(self.Y, rows, self._raw_buffers, "Y").T
        Y = self._buffers("Y", targets.shape)
        np.copyto(Y, targets)
        weights = self.weights
        if weights is not None:
            weights = _gather(weights, rows, self._buffers, "weights")
        return A1, Y, weights, A1.shape[1] * self.mean_weight


def _gather(array, rows, buffers, name):
    """Rows of an array: a view of neighbours, else gathered into a buffer."""
    if isinstance(rows, slice) or not isinstance(array, np.ndarray):
        return array[rows]
    out = buffers(name, (len(rows), *array.shape[1:]))
    # mode="clip" writes straight into `out`; the default mode copies first.
    return array.take(rows, axis=0, out=out, mode="clip")


@dataclass
class TrainingState:
    """What training remembers from epoch to epoch, and from call to call.

    Attributes
    ----------
    optimizer : Optimizer
    schedule : Constant
        Or another schedule.
    loss_curve : list of float
        Mean loss over each epoch's batches.
    best_loss : float
        The lowest of them.
    validation_scores : list of float
        Score of each epoch on the validation data, where there are any.
    best_validation_score : float
        The highest of them.
    no_improvement : int
        Epochs since the last that improved by more than ``tol``.
    n_samples_seen : int
        Samples trained on in all epochs.
    """

    optimizer: Optimizer
    schedule: Constant
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    validation_scores: list[float] = field(default_factory=list)
    best_validation_score: float = -np.inf
    no_improvement: int = 0
    n_samples_seen: int = 0

    def continued(self, optimizer, schedule):
        """Copy of the history, to go on with a new optimizer and schedule."""
        return replace(
            self,
            optimizer=optimizer,
            schedule=schedule,
            loss_curve=list(self.loss_curve),
            validation_scores=list(self.validation_scores),
        )


class Epoch(NamedTuple):
    """Report of an epoch that ended.

    Attributes
    ----------
    number : int
        Counted from 1 in each call.
    loss : float
        Mean loss over its batches.
    score : float or None
        On the validation data.
    outcome : {"improving", "slowed", "stopped"}
        Whether training goes on, goes on at a lower learning rate after a plateau,
        or stops there.
    """

    number: int
    loss: float
    score: float | None
    outcome: str


def train(network, batches, state, *, max_epochs, alpha, tol, patience, score=None):
    """Train by stochastic descent; a generator of one ``Epoch`` after the other.

    After more than ``patience`` epochs in a row that improved the loss, or the score
    where there is one, by less than ``tol``, the schedule is asked for a lower
    learning rate, and without one training stops. With ``score``, the parameters of
    the epoch of the highest score stand in the end, however training ends; where no
    epoch beats the best of earlier calls, those of the last.

    Parameters
    ----------
    network : Network
    batches : Batches
    state : TrainingState
        Continued, and kept up to date.
    max_epochs : int
    alpha : float
        Strength of the L2 regularisation.
    tol : float
    patience : float
        Number of epochs, or infinity.
    score : callable, default=None
        Gives the score on the validation data.

    Yields
    ------
    Epoch
    """
    best = None
    try:
        for number in range(1, max_epochs + 1):
            loss = _train_epoch(network, batches, state, alpha)
            state.loss_curve.append(loss)
            state.n_samples_seen += batches.n_samples
            if score is None:
                latest = None
                _count_loss(state, loss, tol)
            else:
                latest = score()
                if _count_score(state, latest, tol):
                    best = network.snapshot()
            state.schedule.epoch_ended(state.n_samples_seen)
            outcome = _outcome(state, patience)
            yield Epoch(number, loss, latest, outcome)
            if outcome == "stopped":
                return
    finally:
        if best is not None:
            network.restore(best)


def _train_epoch(network, batches, state, alpha):
    """One step of the optimizer for each batch; the mean loss over the batches."""
    update, schedule = state.optimizer.update, state.schedule
    loss_sum = 0.0
    for A1, Y, weights, total in batches:
        loss = network.cost_and_gradients(
            A1, Y, alpha=alpha, weights=weights, total=total
        )
        loss_sum += loss * A1.shape[1]
        update(network.parameters, network.gradients, schedule.rate)
    return loss_sum / batches.n_samples


def _count_loss(state, loss, tol):
    if loss > state.best_loss - tol:
        state.no_improvement += 1
    else:
        state.no_improvement = 0
    state.best_loss = min(loss, state.best_loss)


def _count_score(state, score, tol):
    """Note a validation score; return whether it is the best so far."""
    state.validation_scores.append(score)
    if score < state.best_validation_score + tol:
        state.no_improvement += 1
    else:
        state.no_improvement = 0
    is_best = score > state.best_validation_score
    if is_best:
        state.best_validation_score = score
    return is_best


def _outcome(state, patience):
    if state.no_improvement <= patience:
        return "improving"
    if state.schedule.plateau():
        state.no_improvement = 0
        return "slowed"
    return "stopped"


def minimise_lbfgs(
    network, X, Y, *, alpha, tol, max_iter, max_fun, weights=None, report=None
):
    """Minimise the cost over all rows by L-BFGS, in scipy's implementation.

    Parameters
    ----------
    network : Network
        Holds the start, and in the end the solution.
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_outputs)
    alpha : float
        Strength of the L2 regularisation.
    tol : float
        Largest component of the gradient at which it stops. It stops as well where
        the cost falls by less than scipy's ``ftol`` default in an iteration.
    max_iter, max_fun : int
        Largest number of iterations and of evaluations of the cost.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.
    report : callable, default=None
        Called with the cost after each iteration.

    Returns
    -------
    OptimizeResult
        Of ``scipy.optimize.minimize``.
    """
    total = X.shape[0] if weights is None else float(weights.sum())
    chunks = [
        (
            X[rows].T,
            np.ascontiguousarray(Y[rows].T, dtype=network.dtype),
            None if weights is None else weights[rows],
        )
        for rows in (slice(i, i + CHUNK) for i in range(0, X.shape[0], CHUNK))
    ]

    def cost_and_gradients(parameters):
        network.restore(parameters)
        cost, gradients, penalty = 0.0, np.zeros_like(parameters), alpha
        for A1, targets, shares in chunks:
            cost += network.cost_and_gradients(
                A1, targets, alpha=penalty, weights=shares, total=total
            )
            gradients += network.gradients
            penalty = 0.0  # The penalty counts once.
        return cost, gradients

    def after_iteration(intermediate_result):
        if report is not None:
            report(float(intermediate_result.fun))

    with one_scipy_thread():
        result = minimize(
            cost_and_gradients,
            network.snapshot(),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
        )
    network.restore(result.x)
    return result
