"""The training loop: one step for each batch, when to stop, and what is remembered.

It trains a ``Network`` and reports epoch by epoch; validation of input, printing and
warnings are the estimators' business. L-BFGS, which needs no loop of ours, is scipy's.
"""

import math
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.linalg import add_scaled, aligned, norm
from skscratch.backends.threads import one_scipy_thread
from skscratch.training.optimizers import Optimizer
from skscratch.training.schedules import Constant

__all__ = [
    "ENDS",
    "Average",
    "Epoch",
    "Record",
    "TrainingState",
    "averaged",
    "keep_least",
    "minimise_lbfgs",
    "train",
    "train_epoch",
]

# Outcomes of an epoch after which there is none.
ENDS = ("stopped", "diverged")

# Rows that L-BFGS sums over at a time: few enough that a layer's outputs stay in a
# core's own cache.
CHUNK = 1024


class Average:
    """Exponential moving average of the parameters, for validation and prediction.

    The parameters of ``k`` steps ago count ``decay ** k`` times as much as the last,
    and all of them 1: an average over about ``1 / (1 - decay)`` steps (Polyak and
    Juditsky, 1992, in the form that forgets, with the correction for the first steps
    of Kingma and Ba, arXiv 1412.6980, section 3).

    Parameters
    ----------
    n_parameters : int
    dtype : dtype
    decay : float

    Attributes
    ----------
    mean : ndarray of shape (n_parameters,)
    trained : ndarray of shape (n_parameters,) or None
        Parameters that training stood at when it ended, to go on from.
    n_steps : int
        Number of updates.
    """

    def __init__(self, n_parameters, dtype, decay):
        self.decay = decay
        self.mean = aligned(n_parameters, dtype)
        self.trained: Any = None
        self.n_steps = 0

    def update(self, parameters):
        """Take in the parameters after a step."""
        self.n_steps += 1
        share = (1 - self.decay) / (1 - self.decay**self.n_steps)
        self.mean *= 1 - share
        add_scaled(self.mean, parameters, share)


@dataclass
class TrainingState:
    """What training remembers from epoch to epoch, and from call to call.

    Attributes
    ----------
    optimizer : Optimizer or None
    schedule : Constant or None
        Or another schedule. None, like an optimizer of None, is what a pickle keeps.
    average : Average or None
        Of the parameters, where they are averaged.
    loss_curve : list of float
        Mean loss over each epoch's batches.
    best_loss : float
        The lowest of them; infinite where epochs are judged by a score.
    learning_rates : list of float
        Learning rate of each epoch's last step.
    validation_scores : list of float
        Score of each epoch on the validation data, where there are any.
    validation_losses : list of float
        Loss of each epoch on the validation data.
    best_validation_score : float
        The highest of the scores.
    least_error : float
        Of the epoch that was chosen by an error in the place of the scores.
    best_parameters : ndarray of shape (n_parameters,) or None
        Those of that score, where the present call has beaten earlier ones.
    best_epoch : int
        The epoch of that score, or else of the lowest loss, counted from 1 over all
        calls.
    no_improvement : int
        Epochs since the last that improved by ``tol`` or more.
    n_samples_seen : int
        Samples trained on in all epochs.
    is_incremental : bool
        Whether the last call trained on a part of a stream, so that the next is to go
        on exactly where it ended.
    """

    optimizer: Optimizer | None
    schedule: Constant | None
    average: Average | None = None
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    learning_rates: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    best_validation_score: float = -np.inf
    least_error: float = np.inf
    best_parameters: Any = field(default=None, compare=False)
    best_epoch: int = 0
    no_improvement: int = 0
    n_samples_seen: int = 0
    is_incremental: bool = False

    def continued(self, optimizer, schedule, average):
        """Copy of the history, to go on with another optimizer, schedule, average."""
        return replace(
            self,
            optimizer=optimizer,
            schedule=schedule,
            average=average,
            best_parameters=None,
            loss_curve=list(self.loss_curve),
            learning_rates=list(self.learning_rates),
            validation_scores=list(self.validation_scores),
            validation_losses=list(self.validation_losses),
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
    validation_loss : float or None
        On the validation data.
    outcome : {"improving", "slowed", "stopped", "diverged"}
        Whether training goes on, goes on at a lower learning rate after a plateau,
        stops there, or stops because the epoch ended with a loss or parameters that
        are not finite.
    """

    number: int
    loss: float
    score: float | None
    validation_loss: float | None
    outcome: str


def train(
    network,
    batches,
    state,
    *,
    max_epochs,
    alpha,
    tol,
    patience,
    score=None,
    restore_best=True,
    error=None,
    dropout=None,
    max_grad_norm=None,
    first_epoch=1,
):
    """Train by stochastic descent; a generator of one ``Epoch`` after the other.

    After more than ``patience`` epochs in a row that improved the loss, or the score
    where there is one, by less than ``tol``, the schedule is asked for a lower
    learning rate, and without one training stops. With ``score``, the parameters of
    the epoch of the highest score stand in the end, however training ends; where no
    epoch beats the best of earlier calls, those of the last. Where parameters are
    averaged, the score is that of the average, which stands in the end too.

    Wherever training breaks off, in the middle of an epoch or because one diverged,
    the parameters of the last whole epoch stand, or else those at the start. The
    state's optimizer and average, which were in the middle of it, are then None.

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
        Gives score and loss on the validation data.
    restore_best : bool, default=True
        Whether the parameters of the highest score stand in the end, rather than the
        last.
    error : callable, default=None
        Gives what decides instead which epoch's parameters stand: the least.
    dropout : Dropout, default=None
        Draws masks for each batch.
    max_grad_norm : float, default=None
        Longer gradients are scaled down to this Euclidean norm.
    first_epoch : int, default=1
        Number of the first epoch; above 1 where network, batches and state are those
        of a training that went so far.

    Yields
    ------
    Epoch
    """
    record = Record(
        network,
        state,
        tol=tol,
        patience=patience,
        score=score,
        restore_best=restore_best,
        by_error=error is not None,
        first_epoch=first_epoch,
    )
    operations = BufferedOperations(network.dtype)
    with closing(record):
        for number in range(first_epoch, max_epochs + 1):
            record.begin()
            loss = train_epoch(
                network,
                batches,
                state,
                (number - 1) * batches.n_batches,
                max_epochs * batches.n_batches,
                alpha=alpha,
                dropout=dropout,
                max_grad_norm=max_grad_norm,
                operations=operations,
            )
            epoch = record.end(number, loss, batches.n_samples)
            if error is not None and epoch.outcome != "diverged":
                keep_least([record], error())
            yield epoch
            if epoch.outcome in ENDS:
                return


class Record:
    """What the epochs of a training leave: history, and the parameters to keep.

    Parameters are those of ``train``, and ``by_error``: whether ``keep`` is told the
    best epoch, which is then none of the scores' business.
    """

    def __init__(
        self,
        network,
        state,
        *,
        tol,
        patience,
        score=None,
        restore_best=True,
        by_error=False,
        first_epoch=1,
    ):
        self.network, self.state, self.score = network, state, score
        self.restore_best, self.by_error = restore_best, by_error
        self.tol, self.patience = tol, patience
        self._standing, self._is_whole = network.snapshot(), True
        average = state.average
        if first_epoch == 1:
            state.best_parameters = None
        elif average is not None:
            self._standing = average.mean.copy()
        # Unless someone has put other parameters in the place of the average since.
        goes_on = average is not None and average.trained is not None
        if goes_on and np.array_equal(network.parameters, average.mean):
            network.restore(average.trained)

    def begin(self):
        """Note that an epoch begins."""
        self._is_whole = False

    def end(self, number, loss, n_samples):
        """Note that an epoch has ended, of so many samples; return its report.

        Returns
        -------
        Epoch
        """
        network, state, score = self.network, self.state, self.score
        is_finite = math.isfinite(loss) and network.is_finite()
        latest: tuple[Any, Any] = (None, None) if score is None else (np.nan, np.nan)
        with averaged(network, state.average if is_finite else None):
            if is_finite and score is not None:
                latest = score()
            # What comes from here on is of a whole epoch.
            state.loss_curve.append(loss)
            state.learning_rates.append(state.schedule.rate)
            state.n_samples_seen += n_samples
            if score is None:
                _count_loss(state, loss, self.tol)
            elif _count_score(state, latest, self.tol) and not self.by_error:
                state.best_epoch = len(state.loss_curve)
                if self.restore_best:
                    state.best_parameters = network.snapshot()
            if not is_finite:
                return Epoch(number, loss, *latest, "diverged")
            network.snapshot(out=self._standing)
        self._is_whole = True
        state.schedule.epoch_ended(state.n_samples_seen)
        return Epoch(number, loss, *latest, _outcome(state, self.patience))

    def keep(self, error):
        """Have the parameters of the last epoch stand in the end, for their error."""
        state = self.state
        state.least_error, state.best_epoch = error, len(state.loss_curve)
        state.best_parameters = self._standing.copy()

    def close(self):
        """Set the parameters to those that are to stand."""
        state, average = self.state, self.state.average
        if not self._is_whole:
            state.optimizer = state.average = None
        elif average is not None and average.n_steps:
            average.trained = self.network.snapshot()
        best = state.best_parameters
        self.network.restore(self._standing if best is None else best)


def keep_least(records, error):
    """Keep the last epoch's parameters of all, if their common error is the least.

    Parameters
    ----------
    records : list of Record
    error : float
    """
    if error < min(record.state.least_error for record in records):
        for record in records:
            record.keep(error)


def averaged(network, average):
    """Context in which the network has the averaged parameters, if there are any.

    Parameters
    ----------
    network : Network
    average : Average or None
    """
    return nullcontext() if average is None else _averaged(network, average)


@contextmanager
def _averaged(network, average):
    trained = network.snapshot()
    network.restore(average.mean)
    try:
        yield
    finally:
        network.restore(trained)


# What overflows is seen when the epoch ends.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train_epoch(
    network,
    batches,
    state,
    n_done,
    n_steps,
    *,
    alpha,
    dropout,
    max_grad_norm,
    operations,
):
    """Take one step of the optimizer for each batch.

    Parameters
    ----------
    network, batches, state
        As in ``train``; for several networks at once, a ``Stack`` and its likes.
    n_done, n_steps : int
        Number of steps before this epoch, and in all.
    alpha, dropout, max_grad_norm
        As in ``train``.
    operations : Operations
        What computes; the same in all epochs.

    Returns
    -------
    float or ndarray of shape (n_networks,)
        Mean loss over the batches.
    """
    schedule, average = state.schedule, state.average
    loss_sum = 0.0
    for step, rows in enumerate(batches, start=n_done):
        A1, Y, weights, total = operations.batch(batches.data, rows)
        schedule.reached(step / n_steps)
        loss = network.cost_and_gradients(
            A1,
            Y,
            alpha=alpha,
            weights=weights,
            total=total,
            masks=() if dropout is None else dropout.masks(A1.shape[-1]),
            operations=operations,
        )
        loss_sum += loss * A1.shape[-1]
        if max_grad_norm is not None:
            _shorten(network.gradients, max_grad_norm)
        operations.update(
            state.optimizer, network.parameters, network.gradients, schedule.rate
        )
        if average is not None:
            average.update(network.parameters)
    return loss_sum / batches.n_samples


def _shorten(gradients, max_norm):
    """Scale gradients down to a norm (Pascanu et al., arXiv 1211.5063, section 3.2)."""
    for row in np.atleast_2d(gradients):
        length = norm(row)
        if length > max_norm:
            row *= max_norm / length


def _count_loss(state, loss, tol):
    # Written so that a loss of nan improves on nothing.
    if loss <= state.best_loss - tol:
        state.no_improvement = 0
    else:
        state.no_improvement += 1
    if loss < state.best_loss:
        state.best_loss, state.best_epoch = loss, len(state.loss_curve)


def _count_score(state, latest, tol):
    """Note a validation score and loss; return whether the score is the best so far."""
    score, loss = latest
    state.validation_scores.append(score)
    state.validation_losses.append(loss)
    if score >= state.best_validation_score + tol:
        state.no_improvement = 0
    else:
        state.no_improvement += 1
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
    network,
    X,
    Y,
    *,
    alpha,
    tol,
    max_iter,
    max_fun,
    weights=None,
    report=None,
    begin=None,
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
        Called with the cost after each iteration, at which the network then stands;
        returns whether to stop.
    begin : callable, default=None
        Called before each evaluation of the cost.

    Returns
    -------
    OptimizeResult
        Of ``scipy.optimize.minimize``.
    """
    total = X.shape[0] if weights is None else float(weights.sum())
    operations = BufferedOperations(network.dtype)
    chunks = [
        (
            X[rows].T,
            np.ascontiguousarray(Y[rows].T, dtype=network.dtype),
            None if weights is None else weights[rows],
        )
        for rows in (slice(i, i + CHUNK) for i in range(0, X.shape[0], CHUNK))
    ]

    def cost_and_gradients(parameters):
        if begin is not None:
            begin()
        network.restore(parameters)
        cost, gradients, penalty = 0.0, np.zeros_like(parameters), alpha
        for A1, targets, shares in chunks:
            cost += network.cost_and_gradients(
                A1,
                targets,
                alpha=penalty,
                weights=shares,
                total=total,
                operations=operations,
            )
            gradients += network.gradients
            penalty = 0.0  # The penalty counts once.
        return cost, gradients

    def after_iteration(intermediate_result):
        if report is not None:
            network.restore(intermediate_result.x)
            if report(float(intermediate_result.fun)):
                raise StopIteration

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
