"""Everything a training reports to the outside: callbacks, prints, warnings, files.

The training loop calls a monitor and knows nothing of what it does. Callbacks are
scikit-learn's own (``sklearn.callback``).
"""

import math
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from skscratch._messages import warn_user
from skscratch.estimators.checkpoint import Checkpoint, fingerprint
from skscratch.estimators.validation import scale_warning

__all__ = [
    "FitMonitor",
    "MemberMonitor",
    "UserCodeError",
    "user_code",
]


class UserCodeError(Exception):
    """Error of a callback or a scorer, on its way past the rollback of a refused fit.

    Training itself is fine: finished epochs are kept.

    Parameters
    ----------
    error : Exception
        What was raised.
    """

    def __init__(self, error):
        super().__init__(error)
        self.error = error


@contextmanager
def user_code():
    """Context of the user's code in the middle of a training."""
    try:
        yield
    except UserCodeError:
        raise
    except Exception as error:
        raise UserCodeError(error) from error


class FitMonitor:
    """Reports a fit to callbacks, to standard output, to warnings and to checkpoints.

    Parameters
    ----------
    estimator : BaseScratchMLP
    start : callable
        ``start(max_subtasks=n)`` starts scikit-learn's callbacks and returns the root
        context.
    callbacks : list
        The estimator's callbacks.
    snapshot : callable
        ``snapshot(runs)`` returns the attributes of an estimator as if training had
        stopped now.
    given : tuple of three
        ``X``, ``y`` and ``sample_weight``, as the user passed them to ``fit``.
    feature_names : sequence of str, default=None
        Names of the columns of ``X``; None means their numbers.
    """

    def __init__(
        self, estimator, start, callbacks, snapshot, given, *, feature_names=None
    ):
        X, y, sample_weight = given
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._estimator, self._start, self._snapshot = estimator, start, snapshot
        self._checkpoints = [c for c in callbacks if isinstance(c, Checkpoint)]
        self._has_callbacks = bool(callbacks)
        self._feature_names = feature_names
        # A training that nobody follows need not report.
        self.is_silent = not (callbacks or estimator.verbose)
        self._warned: set[str] = set()
        self._root: Any = None
        self._task: Any = None
        self._runs: list[Any] = []
        self._step_name = "epoch"
        self._fingerprint: dict[str, Any] = {}

    def begin_fit(self, runs, step_name, n_steps):
        """Start callbacks, and resume from a checkpoint.

        Parameters
        ----------
        runs : list of TrainingRun
        step_name : str
            Name of a step: "epoch", "iteration" or "member".
        n_steps : int
            Largest number of steps.
        """
        self._runs, self._step_name = runs, step_name
        self._root = self._start(max_subtasks=n_steps)
        self._root.call_on_fit_task_begin(**self._data)
        if self._checkpoints:
            parameters = self._estimator.get_params(deep=False)
            self._fingerprint = fingerprint(parameters, runs)
        for checkpoint in self._checkpoints:
            if checkpoint.resume:
                checkpoint.read(runs, self._fingerprint, step_name != "member")

    def begin_step(self):
        """Tell callbacks that a step begins, unless one has begun."""
        # Training without callbacks does not wait for them.
        if self._has_callbacks and self._task is None:
            self._task = self._root.subcontext(task_name=self._step_name)
            with user_code():
                self._task.call_on_fit_task_begin(**self._data)

    def end_step(self, epoch, save_state):
        """Report a finished epoch.

        Parameters
        ----------
        epoch : Epoch
        save_state : callable
            Brings the runs' states up to date.

        Returns
        -------
        bool
            Whether training should stop.
        """
        self.print_epoch(self._runs[0], epoch)
        self.save_checkpoints(self._runs, epoch, save_state)
        return self._has_callbacks and self._end_task(self._runs)

    def end_iteration(self, number, loss):
        """Report a finished iteration; return whether training should stop."""
        self.print_iteration(number, loss)
        return self._has_callbacks and self._end_task(self._runs)

    def end_member(self, runs):
        """Report that a member is trained; return whether training should stop.

        Parameters
        ----------
        runs : list of TrainingRun
            Of all members that are trained.
        """
        return self._has_callbacks and self._end_task(runs)

    def _end_task(self, runs):
        self._estimator.n_iter_ = max(run.n_epochs for run in runs)
        # The task is forgotten first: a hook that fails is not called again.
        task, self._task = self._task, None
        with user_code():
            return task.call_on_fit_task_end(
                **self._data, reconstruction_attributes=lambda: self._snapshot(runs)
            )

    def end_fit(self, attributes):
        """Tell callbacks that the fit has ended, and any step that was interrupted.

        Parameters
        ----------
        attributes : callable
            Returns the fitted attributes.
        """
        with user_code():
            if self._task is not None:
                self._task.call_on_fit_task_end(**self._data)
            self._root.call_on_fit_task_end(
                **self._data, reconstruction_attributes=attributes
            )

    def save_checkpoints(self, runs, epoch, save_state):
        """Write the checkpoints that are due.

        Parameters
        ----------
        runs : list of TrainingRun
        epoch : Epoch
            The last that has finished.
        save_state : callable
            Brings the runs' states up to date.
        """
        due = [c for c in self._checkpoints if c.is_due(epoch)]
        if due:
            save_state()
        for checkpoint in due:
            with user_code():
                checkpoint.write(runs, self._fingerprint)

    def print_loading(self):
        """Say that training waits for the compiled kernels, likewise."""
        if self._estimator.verbose:
            print(
                "Loading the compiled kernels. The first time on a machine, compiling "
                "them takes about 20 s."
            )

    def print_iteration(self, number, loss):
        """Print the loss as scikit-learn does, if the estimator is verbose."""
        if self._estimator.verbose:
            print(f"Iteration {number}, loss = {loss:.8f}")

    def print_epoch(self, run, epoch):
        """Print loss, score and what follows from them, likewise."""
        if not self._estimator.verbose:
            return
        self.print_iteration(epoch.number, epoch.loss)
        measure = "Training loss"
        if epoch.score is not None:
            measure = "Validation score"
            print(f"Validation score: {epoch.score:f}")
        if epoch.outcome == "improving":
            return
        consequence = "Stopping."
        if epoch.outcome == "slowed":
            consequence = f"Setting learning rate to {run.state.schedule.rate:f}"
        print(
            f"{measure} did not improve more than tol={run.config.tol:f} for "
            f"{run.config.patience} consecutive epochs. {consequence}"
        )

    def end_training(self, runs, outcome):
        """Warn if a training did not end as it should.

        Parameters
        ----------
        runs : list of TrainingRun
            That were trained together.
        outcome : str

        Raises
        ------
        ValueError
            If it diverged before an epoch had finished.
        """
        config = runs[0].config
        if outcome == "interrupted":
            n_epochs = min(
                (run.n_epochs for run in runs if run.is_active),
                default=max(run.n_epochs for run in runs),
            )
            self._warn(
                "interrupted",
                f"Training interrupted by user. It had finished {n_epochs} epochs or "
                "iterations; the last, or with early stopping the best, is kept.",
                UserWarning,
            )
        elif outcome == "diverged":
            self._warn_diverged(runs)
        elif not config.is_incremental and (rising := _rising(runs)):
            self._warn(
                "rising", f"{rising} {self._advice(runs[0])}", ConvergenceWarning
            )
        elif outcome != "stopped" and not self._is_planned(config):
            self.warn_not_converged(
                runs[0],
                f"Stochastic Optimizer: Maximum iterations ({config.max_epochs}) "
                "reached and the optimization hasn't converged yet. Raise max_iter, or "
                "tol to stop earlier.",
            )

    def _is_planned(self, config):
        """Whether training is meant to end after a number of epochs."""
        if config.is_incremental or config.schedule.needs_total_steps:
            return True
        # In a warm start, scikit-learn's own tests ask for the warning.
        return config.patience == math.inf and not self._estimator.warm_start

    def _warn_diverged(self, runs):
        advice = self._advice(runs[0])
        for run in runs:
            run.network.gradients.fill(0)
        n_finite = max(run.n_epochs for run in runs)
        if any(run.outcome == "diverged" for run in runs):
            n_finite -= 1
        if not n_finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may "
                f"contain large values and need to be preprocessed. {advice}"
            )
        self._warn(
            "diverged",
            f"Training diverged after {n_finite} epochs or iterations. The weights "
            "from the end of the epoch of lowest loss, or with early stopping of "
            f"highest score, are kept. {advice}",
            ConvergenceWarning,
        )

    def refuse_predictions(self, run):
        """Refuse a network whose predictions for the training data are not finite.

        Parameters
        ----------
        run : TrainingRun

        Raises
        ------
        ValueError
        """
        raise ValueError(
            "Training diverged: predictions for the training data are not finite. "
            f"{self._advice(run)}"
        )

    def _advice(self, run):
        """Sentences about what to do against divergence."""
        config, advice = run.config, "Try the following: standardize the features"
        if run.data.Y.dtype != bool:
            advice += " and the targets"
        if config.solver.is_stochastic:
            advice += (
                f", lower learning_rate_init={config.learning_rate_init}, set "
                f"max_grad_norm (now {config.max_grad_norm})"
            )
        return f"{advice}.{self._scale_warning(run.data.X)}"

    def warn_not_converged(self, run, message):
        """Warn that training ended before it converged.

        Parameters
        ----------
        run : TrainingRun
        message : str
        """
        self._warn(
            "converged",
            f"{message}{self._scale_warning(run.data.X)}",
            ConvergenceWarning,
        )

    def warn_batch_size(self, batch_size, n_samples):
        """Warn that batches can't be as large as was asked for."""
        self._warn(
            "batch_size",
            "Got `batch_size` less than 1 or larger than sample size. It is going to "
            f"be clipped: batch_size={batch_size}, but there are {n_samples} samples.",
            UserWarning,
        )

    def _scale_warning(self, X):
        names = self._feature_names
        return scale_warning(X, range(X.shape[1]) if names is None else names)

    def _warn(self, subject, message, category):
        """Warn, of each subject once in a fit, whatever the number of networks."""
        if subject not in self._warned:
            self._warned.add(subject)
            warn_user(message, category)


def _rising(runs):
    """Sentence about the first training whose last loss is above its first."""
    for run in runs:
        losses = run.state.loss_curve
        if losses and losses[-1] > losses[0]:
            return (
                f"Training made the loss worse: it was {losses[0]:.3g} in the first "
                f"epoch and {losses[-1]:.3g} in the last."
            )
    return ""


class MemberMonitor:
    """Monitor of one member among several that are trained in turn.

    Callbacks hear of whole members only; printing, warnings and checkpoints are those
    of the fit.

    Parameters
    ----------
    monitor : FitMonitor
    runs : list of TrainingRun
        Of all members.
    run : TrainingRun
        Of this member.
    """

    def __init__(self, monitor, runs, run):
        self._monitor, self._runs, self._run = monitor, runs, run
        self.is_silent = monitor.is_silent
        self.print_loading = monitor.print_loading
        self.warn_not_converged = monitor.warn_not_converged
        self.end_training = monitor.end_training

    def begin_step(self):
        """Ignore the beginning of an epoch."""

    def end_step(self, epoch, save_state):
        """Print a finished epoch and write checkpoints; training continues."""
        self._monitor.print_epoch(self._run, epoch)
        self._monitor.save_checkpoints(self._runs, epoch, save_state)
        return False

    def end_iteration(self, number, loss):
        """Print a finished iteration; training continues."""
        self._monitor.print_iteration(number, loss)
        return False
