"""Several networks trained as one ``Stack``.

Each has its own weights and batches; they share each product of a layer and one pass of
the optimizer.
"""

import contextlib
import itertools
import statistics
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.buffers import Buffers
from skscratch.nn.stack import Stack
from skscratch.training.loop import ENDS, Epoch, Record, keep_least, train_epoch

__all__ = ["can_join", "history", "summary", "train_together"]


def can_join(optimizers):
    """Whether optimizers of one network each can go on as one.

    Parameters
    ----------
    optimizers : list of Optimizer

    Returns
    -------
    bool
    """
    first, *others = (
        {name: v for name, v in vars(one).items() if not isinstance(v, np.ndarray)}
        | {"kind": type(one)}
        for one in optimizers
    )
    return all(state == first for state in others)


def summary(epochs):
    """One report of an epoch that several networks ended, by means.

    Parameters
    ----------
    epochs : list of Epoch

    Returns
    -------
    Epoch
        Diverged where one has, stopped where all have.
    """
    number, losses, scores, validation_losses, outcomes = zip(*epochs, strict=True)
    outcome = "improving"
    if "diverged" in outcomes:
        outcome = "diverged"
    elif set(outcomes) == {"stopped"}:
        outcome = "stopped"
    if scores[0] is None:
        return Epoch(number[0], statistics.fmean(losses), None, None, outcome)
    loss, score, validation_loss = map(
        statistics.fmean, (losses, scores, validation_losses)
    )
    return Epoch(number[0], loss, score, validation_loss, outcome)


def history(of_each):
    """Fitted attributes of an ensemble that tell of its training, by means.

    Parameters
    ----------
    of_each : list of dict
        Those of the members.

    Returns
    -------
    dict
        Curves are, epoch by epoch, the mean over the members that were trained in it;
        the best epoch is that of the members where it is one for all, and else None.
    """
    columns = {name: [one[name] for one in of_each] for name in of_each[0]}
    together = {
        name: max(columns[name]) if name in ("n_iter_", "t_") else _mean(columns[name])
        for name in columns
    }
    best, *others = set(columns["best_epoch_"])
    return together | {"best_epoch_": None if others else best}


def _mean(values):
    """Mean of numbers, or of curves of any length; None if there are none."""
    if any(value is None for value in values):
        return None
    if not isinstance(values[0], list):
        return statistics.fmean(values)
    epochs = itertools.zip_longest(*values)
    return [statistics.fmean(v for v in epoch if v is not None) for epoch in epochs]


def train_together(
    runs,
    scores,
    *,
    max_epochs,
    alpha,
    tol,
    patience,
    restore_best=True,
    error=None,
    max_grad_norm=None,
    share_batches=False,
):
    """Train several networks epoch by epoch as a stack; a generator, as ``train`` is.

    A network that stops leaves the stack, and the others go on. Where one diverges,
    all stop. What is kept of each, and when, is as in ``train``.

    Parameters
    ----------
    runs : list of Running
        The trainings, of networks of one architecture, batches of equal length from
        the same data, and schedules that do not answer to a plateau. Their networks
        become views of stacks, their optimizers parts of one.
    scores : list of callable or None
        Of each, as in ``train``.
    max_epochs, alpha, tol, patience
        As in ``train``.
    restore_best : bool, default=True
        As in ``train``.
    error : callable, default=None
        As in ``train``, of all in common: one epoch is chosen for all.
    max_grad_norm : float, default=None
        As in ``train``, of each.
    share_batches : bool, default=False
        Whether the batches of the first are those of all.

    Yields
    ------
    dict of int to Epoch
        Reports of the networks that were trained in the epoch.
    """
    options = {"alpha": alpha, "max_grad_norm": max_grad_norm}
    with contextlib.ExitStack() as at_the_end:
        records = []
        for run, score in zip(runs, scores, strict=True):
            record = Record(
                run.network,
                run.state,
                tol=tol,
                patience=patience,
                score=score,
                restore_best=restore_best,
                by_error=error is not None,
            )
            records.append(at_the_end.enter_context(contextlib.closing(record)))
        active, together = list(range(len(runs))), _Together(runs, share_batches)
        at_the_end.callback(lambda: together.part())
        for number in range(1, max_epochs + 1):
            for i in active:
                records[i].begin()
            losses = together.epoch(number, max_epochs, options)
            n_samples = together.batches.n_samples
            epochs = {
                i: records[i].end(number, loss, n_samples)
                for i, loss in zip(active, losses.tolist(), strict=True)
            }
            has_diverged = any(e.outcome == "diverged" for e in epochs.values())
            if error is not None and not has_diverged:
                keep_least(records, error())
            yield epochs
            going_on = [i for i in active if epochs[i].outcome not in ENDS]
            if not going_on or has_diverged:
                return
            if going_on != active:
                together.part()
                active = going_on
                together = _Together([runs[i] for i in active], share_batches)


class _Together:
    """Trainings that share products and an optimizer, as long as all go on."""

    def __init__(self, runs, share_batches):
        self.runs = runs
        self.stack = Stack([run.network for run in runs])
        self.operations = BufferedOperations(self.stack.dtype)
        self.batches = runs[0].batches
        if self.batches.order is not None and not share_batches:
            self.batches = _StackedBatches([run.batches for run in runs])
        self.dropout = None
        if runs[0].dropout is not None:
            self.dropout = _StackedDropout(
                [run.dropout for run in runs], self.stack.dtype
            )
        states = [run.state for run in runs]
        averages = [state.average for state in states if state.average is not None]
        self.optimizer = states[0].optimizer.joined([s.optimizer for s in states])
        self.state = SimpleNamespace(
            optimizer=self.optimizer,
            schedule=states[0].schedule,
            average=_Averages(averages) if averages else None,
        )

    def epoch(self, number, max_epochs, options):
        """Train an epoch; return the mean loss of each."""
        n_batches = self.batches.n_batches
        losses = train_epoch(
            self.stack,
            self.batches,
            self.state,
            (number - 1) * n_batches,
            max_epochs * n_batches,
            dropout=self.dropout,
            operations=self.operations,
            **options,
        )
        for run in self.runs:
            run.state.schedule.rate = self.state.schedule.rate
        return losses

    def part(self):
        """Give each training its part of the optimizer, and let go of the stack."""
        parts = self.optimizer.parts(len(self.runs))
        for run, part in zip(self.runs, parts, strict=True):
            run.state.optimizer = part


class _StackedBatches:
    """Rows of the batches of several trainings on the same data, a row for each."""

    def __init__(self, several):
        first, self._several = several[0], several
        self.n_samples, self.n_batches = first.n_samples, first.n_batches
        self.batch_size, self.data = first.batch_size, first.data
        if self.data.weights is not None:
            means = [batches.data.mean_weight for batches in several]
            self.data = replace(self.data, mean_weight=np.reshape(means, (-1, 1, 1)))

    def __iter__(self):
        orders = np.stack([batches.next_order() for batches in self._several])
        for start in range(0, self.n_samples, self.batch_size):
            yield orders[:, start : start + self.batch_size]


class _StackedDropout:
    """Masks of several networks, each drawn from its own stream."""

    def __init__(self, several, dtype):
        self._several, self._buffers = several, Buffers(dtype)

    def masks(self, n_samples):
        """Masks for a batch, (networks, neurons, n_samples) each, or None."""
        return [
            self._mask(f"{number}", rate, neurons, n_samples) if rate else None
            for number, (rate, neurons) in enumerate(self._several[0].layers)
        ]

    def _mask(self, name, rate, neurons, n_samples):
        shape = (len(self._several), neurons, n_samples)
        stacked = self._buffers(name, shape, "F")
        for dropout, mask in zip(self._several, stacked, strict=True):
            dropout.draw(mask, rate)
        return stacked


class _Averages:
    """Moving averages of several networks' parameters."""

    def __init__(self, several):
        self._several = several

    def update(self, parameters):
        """Take in the parameters after a step."""
        for average, row in zip(self._several, parameters, strict=True):
            average.update(row)
