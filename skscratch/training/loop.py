"""The training loop: epochs until the training ends, and a report for each.

It trains networks and reports to a monitor. An epoch's steps are in ``steps``, and
``early_stopping`` decides when to stop. Validation of input, printing, callbacks and
warnings are the estimators' business.
"""

import contextlib

from skscratch.training.averaging import averaged
from skscratch.training.compiled import CompiledRuns, prepare
from skscratch.training.early_stopping import keep_if_least
from skscratch.training.history import FINAL_OUTCOMES
from skscratch.training.joint import SideBySide, SingleRun, mean_epoch
from skscratch.training.validator import CommonError

__all__ = ["run_epochs"]


def run_epochs(runs, monitor):
    """Train one network, or several side by side, by stochastic gradient descent.

    A network that stops leaves the others, which continue. If one diverges, all stop.
    What is kept of each, and when, is described in ``EarlyStopping``.

    Parameters
    ----------
    runs : list of TrainingRun
        Of networks of one architecture, with the same data and options; their splits
        may differ in size. Networks of several runs become views of stacks. Runs that
        have finished epochs continue after them.
    monitor : FitMonitor or MemberMonitor
        Hears of each epoch, and may stop the training.

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
        common_error = _common_error(runs)
        active = [run for run in runs if run.is_active]
        first_epoch = 1 + max(run.n_epochs for run in runs)
        if not active or first_epoch > config.max_epochs:
            return (active or runs)[0].outcome
        kernels = prepare(runs, monitor)
        trained = _side_by_side(active, len(runs), kernels)
        # A lambda: `trained` is replaced when a network stops.
        at_end.callback(lambda: trained.close())
        is_heard = not monitor.is_silent
        for number in range(first_epoch, config.max_epochs + 1):
            if is_heard:
                monitor.begin_step()
            for run in active:
                stoppings[run].begin_epoch()
            losses = trained.train_epoch(number)
            epochs = []
            for run, loss in zip(active, losses, strict=True):
                epoch = stoppings[run].end_epoch(number, loss, run.batches.n_samples)
                run.n_epochs, run.outcome = number, epoch.outcome
                epochs.append(epoch)
            epoch = epochs[0] if len(runs) == 1 else mean_epoch(epochs)
            outcome = epoch.outcome
            if common_error is not None and outcome != "diverged":
                keep_if_least(list(stoppings.values()), common_error())
            if is_heard and monitor.end_step(epoch, trained.save_state):
                return "stopped"
            if outcome in FINAL_OUTCOMES:
                break
            still_active = [run for run in active if run.is_active]
            if len(still_active) < len(active) and number < config.max_epochs:
                trained.close()
                active = still_active
                trained = _side_by_side(active, len(runs), kernels)
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


def _side_by_side(active, n_runs, kernels):
    data = active[0].data
    trainer = None if data.is_in_memory else data.make_trainer(active)
    if trainer is not None:
        return trainer
    if kernels is not None:
        return CompiledRuns(active, kernels)
    return SingleRun(*active) if n_runs == 1 else SideBySide(active)
