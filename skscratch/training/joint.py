"""What the training loop trains: one network, or several side by side in stacks."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from skscratch.backends.buffered import BufferedOperations
from skscratch.nn.stack import Stack
from skscratch.training.averaging import StackedAverage
from skscratch.training.history import Epoch, mean
from skscratch.training.regularization import StackedDropout
from skscratch.training.steps import take_steps

__all__ = [
    "EpochTrainer",
    "SideBySide",
    "SingleRun",
    "StackedBatches",
    "StackedRuns",
    "can_join_optimizers",
    "mean_epoch",
]


class EpochTrainer:
    """Trains the epochs of one run, or of several side by side."""

    def train_epoch(self, number):
        """Train an epoch.

        Parameters
        ----------
        number : int
            Counted from 1.

        Returns
        -------
        list of float
            Mean loss over the batches, for each run.
        """
        raise NotImplementedError

    def save_state(self):
        """Bring the runs' states up to date, where they are kept elsewhere."""

    def close(self):
        """End the training; the runs' states are up to date afterwards."""
        self.save_state()


class SingleRun(EpochTrainer):
    """A run that is trained alone.

    Parameters
    ----------
    run : TrainingRun
    """

    def __init__(self, run):
        self.run = run
        self.operations = BufferedOperations(run.network.dtype)

    def train_epoch(self, number):
        """Train an epoch; see ``EpochTrainer``."""
        run = self.run
        loss = take_steps(
            run.network,
            run.batches,
            run.state,
            number,
            run.config,
            self.operations,
            run.dropout,
        )
        return [loss]


class StackedRuns(EpochTrainer):
    """Runs that share matrix products and one optimizer while all are active.

    Parameters
    ----------
    runs : list of TrainingRun
        All with the same number of training rows.
    """

    def __init__(self, runs):
        self.runs, self.config = runs, runs[0].config
        self.stack = Stack([run.network for run in runs])
        self.operations = BufferedOperations(self.stack.dtype)
        self.batches = runs[0].batches
        if self.batches.order is not None and not self.config.share_batches:
            self.batches = StackedBatches([run.batches for run in runs])
        self.dropout = None
        if runs[0].dropout is not None:
            self.dropout = StackedDropout(
                [run.dropout for run in runs], self.stack.dtype
            )
        states = [run.state for run in runs]
        averages = [state.average for state in states if state.average is not None]
        optimizers = [state.optimizer for state in states]
        self.state = SimpleNamespace(
            optimizer=optimizers[0].joined(optimizers),
            schedule=states[0].schedule,
            average=StackedAverage(averages) if averages else None,
        )

    def train_epoch(self, number):
        """Train an epoch; see ``EpochTrainer``."""
        losses = take_steps(
            self.stack,
            self.batches,
            self.state,
            number,
            self.config,
            self.operations,
            self.dropout,
        )
        for run in self.runs:
            run.state.schedule.rate = self.state.schedule.rate
        return losses.tolist()

    def save_state(self):
        """Give each run a copy of its part of the optimizer."""
        parts = self.state.optimizer.parts(len(self.runs))
        for run, part in zip(self.runs, parts, strict=True):
            run.state.optimizer = part


class SideBySide(EpochTrainer):
    """Runs that finish each epoch together, in one stack for each number of rows.

    Batches of different sizes can't share matrix products, and of more batches there
    are more steps.

    Parameters
    ----------
    runs : list of TrainingRun
    """

    def __init__(self, runs):
        self.runs = runs
        alike: dict[int, list[Any]] = {}
        for run in runs:
            alike.setdefault(run.batches.n_samples, []).append(run)
        self._stacks = [StackedRuns(group) for group in alike.values()]

    def train_epoch(self, number):
        """Train an epoch; see ``EpochTrainer``."""
        losses: dict[Any, float] = {}
        for stack in self._stacks:
            losses |= zip(stack.runs, stack.train_epoch(number), strict=True)
        return [losses[run] for run in self.runs]

    def save_state(self):
        """Give each run a copy of its part of the optimizer."""
        for stack in self._stacks:
            stack.save_state()


def can_join_optimizers(optimizers):
    """Return whether optimizers of single networks can continue as one.

    Parameters
    ----------
    optimizers : list of Optimizer

    Returns
    -------
    bool
    """
    first, *others = (optimizer.scalars() for optimizer in optimizers)
    return all(scalars == first for scalars in others)


def mean_epoch(epochs):
    """Summarize the reports of several networks' epoch by their means.

    Parameters
    ----------
    epochs : list of Epoch

    Returns
    -------
    Epoch
        Diverged if one has, stopped if all have.
    """
    number, losses, scores, validation_losses, outcomes = zip(*epochs, strict=True)
    outcome = "improving"
    if "diverged" in outcomes:
        outcome = "diverged"
    elif set(outcomes) == {"stopped"}:
        outcome = "stopped"
    loss, score, validation_loss = map(mean, (losses, scores, validation_losses))
    return Epoch(number[0], loss, score, validation_loss, outcome)


class StackedBatches:
    """Rows of the batches of several trainings on the same data, a row for each.

    All have the same number of rows.
    """

    def __init__(self, several):
        first, self._several = several[0], several
        self.n_samples, self.n_batches = first.n_samples, first.n_batches
        self.batch_size, self.data = first.batch_size, first.data
        if self.data.weights is not None:
            means = [batches.data.mean_weight for batches in several]
            self.data = self.data._replace(mean_weight=np.reshape(means, (-1, 1, 1)))

    def __iter__(self):
        orders = np.stack([batches.next_order() for batches in self._several])
        for start in range(0, self.n_samples, self.batch_size):
            yield orders[:, start : start + self.batch_size]
