"""The training loop: one step for each batch, one report for each epoch.

It trains networks and reports to a monitor. Validation of input, printing, callbacks
and warnings are the estimators' business; when to stop is decided by
``early_stopping``.
"""

import contextlib

import numpy as np

from skscratch.backends.buffered import BufferedOperations
from skscratch.training.averaging import averaged
from skscratch.training.early_stopping import keep_if_least
from skscratch.training.history import FINAL_OUTCOMES
from skscratch.training.joint import StackedRuns, mean_epoch
from skscratch.training.regularization import clip_gradients
from skscratch.training.validator import CommonError

__all__ = ["SingleRun", "run_epochs", "train_epoch"]


def run_epochs(runs, monitor):
    """Train one network, or several side by side, by stochastic gradient descent.

    A network that stops leaves the others, which continue. If one diverges, all stop.
    What is kept of each, and when, is described in ``EarlyStopping``.

    Parameters
    ----------
    runs : list of TrainingRun
        Of networks of one architecture, with the same data and options. The networks
        of several runs become views of a stack, and their optimizers parts of one.
        Runs that have finished epochs continue after them.
    monitor : FitMonitor or NullMonitor
        Is called after each epoch, and may stop the training.

    Returns
    -------
    str
        Outcome of the last epoch; "stopped" if the monitor stopped the training.
    """
    config = runs[0].config
    with contextlib.ExitStack() as at_end:
        stoppings = {
            run: at_end.enter_context(contextlib.closing(run.early_stopping()))
            for run in runs
        }
        # Members trained in turn: checkpoints are written after this one has ended.
        if len(runs) < config.n_estimators:
            at_end.callback(_keep_trained, runs)
        error = _common_error(runs)
        active = [run for run in runs if run.is_active]
        first_epoch = 1 + max(run.n_epochs for run in runs)
        if not active or first_epoch > config.max_epochs:
            return (active or runs)[0].outcome
        trained = _side_by_side(active, len(runs))
        # A lambda: `trained` is replaced when a network stops.
        at_end.callback(lambda: trained.save_state())
        for number in range(first_epoch, config.max_epochs + 1):
            if not monitor.is_silent:
                monitor.begin_step()
            for run in active:
                stoppings[run].begin_epoch()
            losses = trained.train_epoch(number)
            epochs = []
            for run, loss in zip(active, losses, strict=True):
                epoch = stoppings[run].end_epoch(
                    number, loss, trained.batches.n_samples
                )
                run.n_epochs, run.outcome = number, epoch.outcome
                epochs.append(epoch)
            epoch = epochs[0] if len(runs) == 1 else mean_epoch(epochs)
            outcome = epoch.outcome
            if error is not None and outcome != "diverged":
                keep_if_least(list(stoppings.values()), error())
            is_heard = not monitor.is_silent
            if is_heard and monitor.end_step(epoch, trained.save_state):
                return "stopped"
            if outcome in FINAL_OUTCOMES:
                break
            still_active = [run for run in active if run.is_active]
            if len(still_active) < len(active) and number < config.max_epochs:
                trained.save_state()
                active = still_active
                trained = _side_by_side(active, len(runs))
    return outcome


def _keep_trained(runs):
    """Keep the last parameters for checkpoints that are written while others train."""
    for run in runs:
        if run.outcome != "diverged":
            run.trained_parameters = run.network.snapshot()


def _common_error(runs):
    """Error that chooses the epoch that all networks end with, or None."""
    validators = [run.validator for run in runs]
    if not runs[0].config.restore_best_together or validators[0] is None:
        return None
    for run in runs:
        # The last outputs of a network that had stopped when training was resumed.
        if run.n_epochs and not run.is_active:
            with averaged(run.network, run.state.average):
                run.validator()
    return CommonError(validators)


def _side_by_side(active, n_runs):
    return SingleRun(*active) if n_runs == 1 else StackedRuns(active, train_epoch)


class SingleRun:
    """A run that is trained alone; has the methods of ``StackedRuns``.

    Parameters
    ----------
    run : TrainingRun
    """

    def __init__(self, run):
        self.run, self.batches = run, run.batches
        self.operations = BufferedOperations(run.network.dtype)

    def train_epoch(self, number):
        """Train an epoch.

        Parameters
        ----------
        number : int
            Counted from 1.

        Returns
        -------
        list of one float
            Mean loss over the batches.
        """
        run = self.run
        loss = train_epoch(
            run.network,
            run.batches,
            run.state,
            number,
            run.config,
            self.operations,
            run.dropout,
        )
        return [loss]

    def save_state(self):
        """Do nothing: the run has its optimizer."""


# What overflows is noticed at the end of the epoch.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train_epoch(network, batches, state, number, config, operations, dropout=None):
    """Take one step of the optimizer for each batch.

    Parameters
    ----------
    network : Network
    batches : Batches
    state : TrainingState
        Its optimizer, schedule and average are used.
    number : int
        Number of the epoch, counted from 1.
    config : TrainingConfig
    operations : Operations
        The same in all epochs.
    dropout : Dropout, default=None
        Draws masks for each batch.

    Returns
    -------
    float or ndarray of shape (n_networks,)
        Mean loss over the batches; of a stack, that of each network.
    """
    optimizer, schedule, average = state.optimizer, state.schedule, state.average
    n_done = (number - 1) * batches.n_batches
    n_steps = config.max_epochs * batches.n_batches
    loss_sum = 0.0
    for step, rows in enumerate(batches, start=n_done):
        A1, Y, weights, total = operations.batch(batches.data, rows)
        schedule.on_step(step / n_steps)
        loss = network.cost_and_gradients(
            A1,
            Y,
            alpha=config.alpha,
            weights=weights,
            total=total,
            masks=() if dropout is None else dropout.masks(A1.shape[-1]),
            operations=operations,
        )
        loss_sum += loss * A1.shape[-1]
        if config.max_grad_norm is not None:
            clip_gradients(network.gradients, config.max_grad_norm)
        operations.update(
            optimizer, network.parameters, network.gradients, schedule.rate
        )
        if average is not None:
            average.update(network.parameters)
    return loss_sum / batches.n_samples
