"""Several networks trained as one: the leading axis of a stack.

What a ``Network`` computes is written for the last two axes of its arrays, so that the
same lines serve networks of one architecture side by side, (networks, neurons,
samples): each with its own weights and batches, in one call of the product for a layer
and one pass of the optimizer.
"""

import contextlib
import copy
import itertools
import math
import statistics
from types import SimpleNamespace

import numpy as np

from skscratch.backends.buffers import Buffers, add_scaled, norm
from skscratch.nn.layer import Layer
from skscratch.nn.losses import LOSSES
from skscratch.nn.network import Network
from skscratch.training.loop import ENDS, Epoch, Record, keep_least, train_epoch

__all__ = ["Stack", "can_join", "history", "summary", "train_together"]


class Stack(Network):
    """Networks of one architecture over one array of parameters.

    Parameters
    ----------
    networks : list of Network
        Of equal layers, loss and dtype. The stack takes them over: their numbers become
        views of its rows, until another stack takes them over.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (n_networks, n_parameters)
    weights, weight_gradients : ndarray of shape (n_networks, n_weights)
        As in ``Network``, a row a network.

    Raises
    ------
    ValueError
        If there are none, or they are not of one architecture.

    Examples
    --------
    >>> import numpy as np
    >>> from skscratch import Network, Stack
    >>> sizes = [4, 5, 3]
    >>> stack = Stack([Network.glorot(sizes, random_state=i) for i in range(2)])
    >>> stack.raw_outputs(np.ones((4, 10))).shape
    (2, 3, 10)
    >>> stack.predict(np.ones((4, 10))).shape
    (3, 10)
    """

    def __init__(self, networks):
        given, networks = networks, list(networks) if np.iterable(networks) else []
        are_different = len({id(network) for network in networks}) == len(networks)
        if (
            not all(isinstance(network, Network) for network in networks)
            or any(isinstance(network, Stack) for network in networks)
            or not are_different
            or len({_architecture(network) for network in networks}) != 1
        ):
            raise ValueError(
                "networks must be one or more Network objects, none of them a Stack or "
                f"there twice, of equal layers, loss and dtype, got {given!r}."
            )
        first = networks[0]
        layers = [
            Layer.from_arrays(
                np.stack([layer.W for layer in alike]),
                np.stack([layer.b for layer in alike]),
                alike[0].activation,
            )
            for alike in zip(*(network.layers for network in networks), strict=True)
        ]
        super().__init__(layers, first.loss, dtype=first.dtype)
        for i, network in enumerate(networks):
            network._view(self.parameters[i], self.gradients[i])

    @property
    def networks(self):
        """The networks, whose numbers are views of the rows."""
        return [self._network(i) for i in range(len(self.parameters))]

    def _network(self, i):
        layers = [
            Layer.from_arrays(layer.W[i], layer.b[i], layer.activation)
            for layer in self.layers
        ]
        network = Network(layers, self.loss)
        network._view(self.parameters[i], self.gradients[i])
        return network

    def combined(self, Z):
        """Raw outputs whose predictions are the mean of the networks'."""
        return LOSSES[self.loss].combined(Z)

    @classmethod
    def initialised(cls, *args, **kwargs):
        """Refuse: a stack is made of networks, which have drawn their weights."""
        raise TypeError("a Stack is made of networks: Stack([Network.glorot(…), …]).")

    def is_finite(self):
        """Whether the parameters of all networks are finite numbers."""
        return all(math.isfinite(norm(row)) for row in self.parameters)

    def astype(self, dtype):
        """Copy of the stack with all numbers of another dtype."""
        return Stack([network.astype(dtype) for network in self.networks])

    def _penalty(self, strength):
        squares = np.vecdot(self.weights, self.weights)
        return 0.5 * np.reshape(strength, -1) * squares

    def _add_penalty_gradient(self, strength):
        strengths = np.broadcast_to(np.reshape(strength, -1), len(self.weights))
        for row, weights, factor in zip(
            self.weight_gradients, self.weights, strengths.tolist(), strict=True
        ):
            add_scaled(row, weights, factor)

    def __repr__(self):
        return f"{len(self.parameters)} networks of {self._network(0)!r}"


def _architecture(network):
    layers = [(layer.W.shape, layer.activation) for layer in network.layers]
    return (*layers, network.loss, network.dtype)


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
        self.stack.reuse_buffers()
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
    """Batches of several trainings on the same data, with a leading axis."""

    def __init__(self, several):
        self._several, self._first = several, copy.copy(several[0])
        self.n_samples, self.n_batches = self._first.n_samples, self._first.n_batches
        if self._first.weights is not None:
            means = [batches.mean_weight for batches in several]
            self._first.mean_weight = np.reshape(means, (-1, 1, 1))

    def __iter__(self):
        orders = np.stack([batches.next_order() for batches in self._several])
        for start in range(0, self.n_samples, self._first.batch_size):
            yield self._first.gathered(
                orders[:, start : start + self._first.batch_size]
            )


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
