"""Early stopping: when a training ends, and which epoch's parameters it keeps."""

import math
from typing import Any

import numpy as np

from skscratch.training.averaging import averaged
from skscratch.training.history import Epoch

__all__ = ["EarlyStopping", "count_no_improvement", "keep_if_least"]


class EarlyStopping:
    """Judge each epoch of a training, and restore the parameters to keep at its end.

    After more than ``patience`` consecutive epochs that improved the loss, or the
    validation score, by less than ``tol``, the schedule is asked for a lower learning
    rate; if it has none, training stops.

    However training ends, ``close`` restores the parameters of the best epoch by
    validation score, or else those of the last epoch, or of the epoch of lowest loss
    if training diverged, or else those at the start. If it ended in the middle of an
    epoch, the optimizer and the average have seen part of that epoch and are dropped.

    Parameters
    ----------
    network : Network
    state : TrainingState
    tol : float
    patience : float
        Number of epochs, or infinity.
    validator : Validator, default=None
        Gives score and loss on the validation data.
    restore_best : bool, default=True
        Whether to keep the parameters of the best score rather than the last.
    chosen_together : bool, default=False
        Whether ``keep_if_least`` chooses the epoch, rather than the score.
    n_epochs : int, default=0
        Number of epochs that a training has finished that is resumed.
    """

    def __init__(
        self,
        network,
        state,
        *,
        tol,
        patience,
        validator=None,
        restore_best=True,
        chosen_together=False,
        n_epochs=0,
    ):
        self.network, self.state, self.validator = network, state, validator
        self.restore_best, self.chosen_together = restore_best, chosen_together
        self.tol, self.patience = tol, patience
        self._last_finite, self._is_between_epochs = network.snapshot(), True
        average = state.average
        keeps_best = validator is not None and (restore_best or chosen_together)
        self._losses = None if keeps_best else _LeastLoss(state, n_epochs)
        self._has_diverged = False
        if not n_epochs:
            state.best_parameters = None
        elif average is not None:
            self._last_finite = average.mean.copy()
        # Training continues from the parameters behind the average, unless the user
        # has changed the averaged ones since.
        is_averaged = average is not None and average.trained is not None
        if is_averaged and np.array_equal(network.parameters, average.mean):
            network.restore(average.trained)

    def begin_epoch(self):
        """Note that an epoch begins."""
        self._is_between_epochs = False

    def end_epoch(self, number, loss, n_samples):
        """Record a finished epoch.

        Parameters
        ----------
        number : int
            Counted from 1 in each call.
        loss : float
            Mean loss over the epoch's batches.
        n_samples : int
            Number of samples of the epoch.

        Returns
        -------
        Epoch
        """
        network, state, validator = self.network, self.state, self.validator
        is_finite = math.isfinite(loss) and network.is_finite()
        latest: tuple[Any, Any] = (None, None)
        if validator is not None:
            latest = (np.nan, np.nan)
        with averaged(network, state.average if is_finite else None):
            if is_finite and validator is not None:
                latest = validator()
            # A scorer that raises leaves no trace of this epoch.
            state.loss_curve.append(loss)
            state.learning_rates.append(state.schedule.rate)
            state.n_samples_seen += n_samples
            if validator is None:
                _record_loss(state, loss, self.tol)
            elif _record_score(state, latest, self.tol) and not self.chosen_together:
                state.best_epoch = len(state.loss_curve)
                if self.restore_best:
                    state.best_parameters = network.snapshot()
            if not is_finite:
                self._has_diverged = True
                return Epoch(number, loss, *latest, "diverged")
            if self._losses is not None:
                self._last_finite = self._losses.replaceable(loss, self._last_finite)
            network.snapshot(out=self._last_finite)
        self._is_between_epochs = True
        state.schedule.on_epoch_end(state.n_samples_seen)
        return Epoch(number, loss, *latest, _outcome(state, self.patience))

    def keep_last_epoch(self, error):
        """Keep the parameters of the last epoch, for their error.

        Parameters
        ----------
        error : float
        """
        state = self.state
        state.least_error, state.best_epoch = error, len(state.loss_curve)
        state.best_parameters = self._last_finite.copy()

    def close(self):
        """Restore the parameters to keep."""
        state, average = self.state, self.state.average
        if not self._is_between_epochs:
            state.optimizer = state.average = None
        elif average is not None and average.n_steps:
            average.trained = self.network.snapshot()
        kept = state.best_parameters
        if self._losses is not None:
            kept = self._losses.least(self._last_finite) if self._has_diverged else None
            state.best_parameters = None
        self.network.restore(self._last_finite if kept is None else kept)


class _LeastLoss:
    """Keeps the parameters of the epoch of lowest loss, without a copy of each epoch's.

    While the loss falls, the last epoch is the one to keep. Only when it rises are the
    parameters from before moved to ``state.best_parameters``.

    Parameters
    ----------
    state : TrainingState
    n_epochs : int
        Number of epochs of this call that have finished.
    """

    def __init__(self, state, n_epochs):
        self._state, self._loss, self._is_last = state, math.inf, False
        for loss in state.loss_curve[len(state.loss_curve) - n_epochs :]:
            self._is_last = loss < self._loss
            self._loss = min(loss, self._loss)

    def replaceable(self, loss, last):
        """Array that the parameters of an epoch may be written to.

        Parameters
        ----------
        loss : float
            Loss of the epoch.
        last : ndarray of shape (n_parameters,)
            Parameters of the epoch before.
        """
        is_least = loss < self._loss
        if self._is_last and not is_least:
            spare = self._state.best_parameters
            self._state.best_parameters = last
            last = np.empty_like(last) if spare is None else spare
        self._is_last, self._loss = is_least, min(loss, self._loss)
        return last

    def least(self, last):
        """Parameters of the epoch of lowest loss; None without an epoch."""
        return last if self._is_last else self._state.best_parameters


def keep_if_least(stoppings, error):
    """Keep the last epoch's parameters of all networks, if their error is the least.

    Parameters
    ----------
    stoppings : list of EarlyStopping
    error : float
        Error of the networks' mean prediction.
    """
    if error < min(stopping.state.least_error for stopping in stoppings):
        for stopping in stoppings:
            stopping.keep_last_epoch(error)


def count_no_improvement(state, tol):
    """Count the epochs since the last that improved by ``tol``, from the history.

    Parameters
    ----------
    state : TrainingState
    tol : float

    Returns
    -------
    int
    """
    gains = state.validation_scores or [-loss for loss in state.loss_curve]
    best, count = -np.inf, 0
    for gain in gains:
        count = 0 if gain >= best + tol else count + 1
        best = max(best, gain)
    return count


def _record_loss(state, loss, tol):
    # Written so that a loss of nan never counts as an improvement.
    if loss <= state.best_loss - tol:
        state.no_improvement = 0
    else:
        state.no_improvement += 1
    if loss < state.best_loss:
        state.best_loss, state.best_epoch = loss, len(state.loss_curve)


def _record_score(state, latest, tol):
    """Record a validation score and loss; return whether the score is the best."""
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
    if state.schedule.on_plateau():
        state.no_improvement = 0
        return "slowed"
    return "stopped"
