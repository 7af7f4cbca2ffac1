"""Members of an ensemble trained by joblib's workers, one member a task.

Only where the user has chosen workers, by ``joblib.parallel_config``. A task makes its
network again from the seed of the member, so that it may be repeated on another worker,
and trains it as a network on its own.
"""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from skscratch.backends.threads import at_most_threads
from skscratch.estimators.fitting import make_runs
from skscratch.estimators.monitor import UserCodeError
from skscratch.training.config import TrainingConfig
from skscratch.training.data import FitData, Split
from skscratch.training.history import TrainingState

__all__ = ["Workers", "count_workers", "find_workers", "results_of"]

# Errors of joblib's backends about tasks, or data sent to a worker, that are gone with
# it: of Dask and of loky.
_LOST = (CancelledError, BrokenExecutor)

# How often members are sent out whose workers die: as often as Dask does with a task.
_N_ATTEMPTS = 3


def find_workers(runs, monitor, splits, targets, make_scorer):
    """Find the workers that the user has chosen for the members of an ensemble.

    Parameters
    ----------
    runs : list of TrainingRun
        None of them continues an earlier training.
    monitor : FitMonitor
    splits : list of Split
        The user's own.
    targets : ClassTargets or NumericTargets
    make_scorer : callable
        As of ``make_runs``; pickled with each task.

    Returns
    -------
    Workers or None
        None if the members are trained here: if there is one worker, or if members
        have something in common in each epoch, which callbacks, what is printed,
        shared batches and a common best epoch are, or data that are elsewhere.
    """
    config = runs[0].config
    are_apart = not (config.share_batches or config.restore_best_together)
    if len(runs) == 1 or not (monitor.is_silent and are_apart):
        return None
    if not runs[0].data.is_in_memory:
        return None
    n_jobs = count_workers(len(runs))
    if n_jobs == 1:
        return None
    return Workers(n_jobs, splits, targets, make_scorer)


@dataclass(frozen=True)
class Workers:
    """Workers of the active backend of joblib.

    Attributes
    ----------
    n_jobs : int
        Number of members that are trained at the same time.
    splits : list of Split
        The user's own, which the members take in turn.
    targets : ClassTargets or NumericTargets
    make_scorer : callable
    """

    n_jobs: int
    splits: list[Split]
    targets: Any
    make_scorer: Callable[..., Any]

    def train(self, runs, monitor, trained):
        """Train members; add those that have ended to ``trained``, in their order.

        Parameters
        ----------
        runs : list of TrainingRun
            They get what the workers return.
        monitor : FitMonitor
            Hears what there is to warn of.
        trained : list of TrainingRun
            Empty.

        Returns
        -------
        str
            "interrupted" if the user has interrupted it, and some had ended.

        Raises
        ------
        UserCodeError
            Of the first member whose scorer failed. Members with epochs are kept.
        KeyboardInterrupt
            If none had ended.
        """
        outcomes: list[str] = []
        data = runs[0].data
        split = self.splits[0] if self.splits else None
        held_out = () if split is None or split.is_drawn else split.data
        tasks = [(self._member(i, run), *data, *held_out) for i, run in enumerate(runs)]
        error = None
        try:
            with closing(results_of(_train_member, tasks, self.n_jobs)) as results:
                for run, result in zip(runs, results, strict=True):
                    result.write_to(run)
                    for message in result.messages:
                        monitor.warn_not_converged(run, message)
                    error = error or result.error
                    if result.error is None or run.n_epochs:
                        trained.append(run)
                        outcomes.append(result.outcome)
        except KeyboardInterrupt:
            if not trained:
                raise
            monitor.end_training(trained, "interrupted")
            return "interrupted"
        if error is not None:
            raise UserCodeError(error)
        _report_ends(runs, outcomes, monitor)
        return ""

    def _member(self, i, run):
        rows = None
        if self.splits:
            split = self.splits[i % len(self.splits)]
            rows = split.training_rows, split.validation_rows
        config = run.config._replace(n_estimators=1)
        return _Member(config, run.seed, self.targets, self.make_scorer, rows)


def count_workers(n_tasks):
    """Count the workers that the user has chosen, by ``joblib.parallel_config``.

    Parameters
    ----------
    n_tasks : int

    Returns
    -------
    int
        At most ``n_tasks``; 1 if the user has chosen none.
    """
    return min(effective_n_jobs(None), n_tasks)


def results_of(function, tasks, n_jobs):
    """Yield the results of tasks in their order; repeat those lost with a worker.

    Parameters
    ----------
    function : callable
    tasks : list of tuple
        Arguments of the function. Each array is best an argument of its own, which
        Dask sends once for all tasks.
    n_jobs : int
        Number of tasks at a time. Each gets its share of the cores: the workers of some
        backends would take all of them.

    Yields
    ------
    object
    """
    n_threads = max(cpu_count() // n_jobs, 1)
    calls = [delayed(_call)(function, n_threads, *task) for task in tasks]
    backend, _ = get_active_backend()
    return_as = "generator" if backend.supports_return_generator else "list"
    n_done = 0
    # Limited here too, for workers that are threads.
    with at_most_threads(n_threads):
        for attempt in range(1, _N_ATTEMPTS + 1):
            workers = Parallel(return_as=return_as, batch_size=1)
            try:
                for result in workers(calls[n_done:]):
                    n_done += 1
                    yield result
                return
            except _LOST:
                if attempt == _N_ATTEMPTS:
                    raise


def _call(function, n_threads, *args):
    """Call a function in a worker, with so many threads for matrix products."""
    with at_most_threads(n_threads):
        return function(*args)


def _report_ends(runs, outcomes, monitor):
    """Warn of members that did not end as they should, as of one training."""
    others, other_outcomes = [], set()
    for run, outcome in zip(runs, outcomes, strict=True):
        if outcome == "diverged":
            monitor.end_training([run], outcome)
        else:
            others.append(run)
            other_outcomes.add(outcome)
    if others:
        is_over = other_outcomes == {"stopped"}
        monitor.end_training(others, "stopped" if is_over else "improving")


class _Member(NamedTuple):
    """What a worker makes a member of, beside the data."""

    config: TrainingConfig
    seed: int
    targets: Any
    make_scorer: Callable[..., Any]
    rows: tuple[Any, Any] | None

    def make_run(self, data, held_out):
        """Make the run of the member, ready to be trained."""
        splits = []
        if self.rows is not None:
            splits = [Split(data if held_out is None else held_out, *self.rows)]
        (run,) = make_runs(
            self.config, data, splits, self.targets, self.seed, [], self._make_scorer
        )
        return run

    def _make_scorer(self, targets, network, split, seed):
        """Score function that sees the member of an ensemble, which has a seed."""
        return self.make_scorer(targets, network, split, self.seed)


class _Result(NamedTuple):
    """What a worker returns of a member."""

    parameters: Any
    state: TrainingState
    n_epochs: int
    last_outcome: str
    outcome: str
    error: Exception | None
    messages: list[str]

    def write_to(self, run):
        """Bring a run to the end of this training."""
        run.network.restore(self.parameters)
        run.state, run.n_epochs = self.state, self.n_epochs
        run.outcome = self.last_outcome


def _train_member(member, X, y, Y, weights, *held_out):
    """Train a member, in a worker.

    Parameters
    ----------
    member : _Member
    X, y, Y, weights : ndarray, or CSR array, or None
        Of the training data.
    *held_out : ndarray, or CSR array, or None
        Likewise, of the user's validation data, if there are any.

    Returns
    -------
    _Result
    """
    messages: list[str] = []
    error, outcome = None, ""
    data = FitData(*map(_aligned, (X, y, Y, weights)))
    own = FitData(*map(_aligned, held_out)) if held_out else None
    run = member.make_run(data, own)
    try:
        outcome = run.config.solver.train([run], _Notes(messages))
    except UserCodeError as caught:
        error = caught.error
    return _Result(
        run.network.snapshot(),
        run.state,
        run.n_epochs,
        run.outcome,
        outcome,
        error,
        messages,
    )


def _aligned(array):
    """Copy of an array that begins at any byte, as those that Dask has sent may."""
    # NumPy adds up in another order what it has to copy in pieces.
    return np.require(array, requirements="A") if type(array) is np.ndarray else array


@dataclass(frozen=True)
class _Notes:
    """Monitor of a member in a worker: notes what the user is to be warned of."""

    messages: list[str]
    is_silent: bool = True

    def print_loading(self):
        """Say nothing."""

    def begin_step(self):
        """Do nothing: nobody follows."""

    def end_iteration(self, number, loss):
        """Continue."""
        return False

    def warn_not_converged(self, run, message):
        """Note the warning."""
        self.messages.append(message)
