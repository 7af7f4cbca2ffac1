"""What a worker holds and computes: its rows, and gradients of a shard of a batch.

A ``Shard`` lives on a worker as a Dask actor. Nothing here imports Dask.
"""

import copy
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack

from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.threads import set_threads
from skscratch.training.averaging import Average
from skscratch.training.batches import BatchData
from skscratch.training.regularization import Dropout
from skscratch.training.steps import take_steps

__all__ = ["Shard", "ShardOptions", "stacked", "state_of"]


class ShardOptions(NamedTuple):
    """What a shard needs to know of a training.

    Attributes
    ----------
    config : TrainingConfig
    mean_weight : float
        Mean weight of all training rows, on all workers.
    n_threads : int
        Number of threads for matrix products.
    largest : int
        Largest number of rows of a batch.
    """

    config: Any
    mean_weight: float
    n_threads: int
    largest: int


class Shard:
    """Rows of the training data on one worker, and a copy of the network.

    Parameters
    ----------
    parts : list of {ndarray, CSR array} of shape (n_rows, n_features)
        Validated partitions. A single one is not copied.
    """

    def __init__(self, parts):
        self._X = stacked(parts)
        self._Y = self._weights = None
        self._network: Any = None
        self._options: Any = None
        self._data: Any = None
        self._operations: Any = None
        self._dropout: Any = None

    def set_targets(self, positions, Y, weights):
        """Take targets and weights of the rows.

        Parameters
        ----------
        positions : ndarray of int or None
            Rows that they belong to; None means all. The others are never asked for.
        Y : ndarray of shape (n, n_targets)
        weights : ndarray of shape (n,) or None
        """
        self._Y = _placed(positions, Y, self._X.shape[0])
        self._weights = _placed(positions, weights, self._X.shape[0])

    def rows(self, rows):
        """Samples of some rows.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        {ndarray, CSR array} of shape (n_rows, n_features)
        """
        return self._X[rows]

    def begin(self, network, options):
        """Begin a training.

        Parameters
        ----------
        network : Network
        options : ShardOptions
        """
        config = options.config
        # Workers in one process are given the same object: each changes its own.
        self._network, self._options = copy.deepcopy(network), options
        self._data = BatchData(
            *(self._X, self._Y, self._weights),
            *(options.mean_weight, config.smoothing),
        )
        self._operations = BufferedOperations(network.dtype)
        self._dropout = None
        if any(config.dropout):
            neurons = list(config.sizes[1:-1])
            source = np.random.RandomState(0)  # Each step has a generator of its own.
            self._dropout = Dropout(config.dropout, neurons, network.dtype, source)
        # The largest batch first: arrays of the operations are then never replaced.
        self.gradient(
            self._network.parameters,
            np.zeros(options.largest, np.intp),
            float(options.largest),
            (0,),
        )

    # What overflows is noticed by the driver.
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def gradient(self, parameters, rows, total, seed):
        """Gradient and cost of some rows, without the penalty.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        rows : ndarray of int
        total : float
            What the sums are divided by: that of the whole batch.
        seed : tuple of int
            Of the dropout masks.

        Returns
        -------
        gradient : ndarray of shape (n_parameters,)
            Valid until the next call.
        cost : float
        """
        network, operations = self._network, self._operations
        network.restore(parameters)
        A1, Y, weights, _ = operations.batch(self._data, rows)
        masks: Any = ()
        if self._dropout is not None:
            self._dropout.generator = np.random.default_rng(seed)
            masks = self._dropout.masks(A1.shape[-1])
        with set_threads(np, self._options.n_threads):
            cost = network.cost_and_gradients(
                *(A1, Y),
                weights=weights,
                total=total,
                masks=masks,
                operations=operations,
            )
        return network.gradients, cost

    def steps(self, arrays, scalars, batches, rates, seed):
        """Take steps of the optimizer on batches of these rows alone.

        Parameters
        ----------
        arrays : dict of ndarray
            Parameters, moments of the optimizer and average, by name.
        scalars : tuple of dict
            What else the optimizer and the average consist of.
        batches : list of ndarray of int
        rates : list of float
            Learning rate of each step.
        seed : tuple of int
            Of the dropout masks.

        Returns
        -------
        arrays : dict of ndarray
        scalars : tuple of dict
        cost : float
            Mean over the rows.
        """
        network, config = self._network, self._options.config
        optimizer = config.solver.optimizer.__new__(config.solver.optimizer)
        optimizer.__setstate__({**scalars[0], **_part(arrays, "optimizer ")})
        average = None
        if config.averaging is not None:
            average = Average.__new__(Average)
            vars(average).update(scalars[1], mean=np.array(arrays["average"]))
        network.restore(arrays["parameters"])
        if self._dropout is not None:
            self._dropout.generator = np.random.default_rng(seed)
        schedule = _Rates(rates)
        state = SimpleNamespace(optimizer=optimizer, schedule=schedule, average=average)
        with set_threads(np, self._options.n_threads):
            cost = take_steps(
                *(network, _OwnBatches(self._data, batches), state, 1, config),
                *(self._operations, self._dropout),
            )
        return (*state_of(network, state), float(cost))

    def checksum(self, first_rows):
        """Sum that tells these rows, in their places, from others; any shards add up.

        Parameters
        ----------
        first_rows : list of (int, int, int)
            Start and stop of each partition here, and its first row in all data.

        Returns
        -------
        int
            Modulo 2 ** 64.
        """
        total = 0
        for start, stop, first in first_rows:
            for at in range(start, stop, 1024):
                rows = self._X[at : min(at + 1024, stop)]
                rows = rows.toarray() if issparse(rows) else rows
                bits = np.ascontiguousarray(rows).view(f"u{rows.itemsize}")
                numbers = np.arange(rows.shape[1], dtype=np.uint64)
                sums = (bits.astype(np.uint64) * _mixed(numbers)).sum(axis=1)
                places = np.arange(len(rows), dtype=np.uint64) + np.uint64(
                    first + at - start + 2**32
                )
                total += int((_mixed(sums) * _mixed(places)).sum(dtype=np.uint64))
        return total % 2**64


def stacked(parts):
    """Blocks of rows, one below the other.

    Parameters
    ----------
    parts : list of {ndarray, sparse array}

    Returns
    -------
    {ndarray, CSR array}
    """
    if len(parts) == 1:
        return parts[0]
    if any(map(issparse, parts)):
        return vstack(parts, format="csr")
    return np.concatenate(parts)


def state_of(network, state):
    """Everything that a step changes: arrays that can be averaged, and the rest.

    Parameters
    ----------
    network : Network
    state : TrainingState

    Returns
    -------
    arrays : dict of ndarray
    scalars : tuple of dict
    """
    arrays = {"parameters": network.parameters}
    scalars: tuple[dict, dict] = ({}, {})
    for name, value in state.optimizer.__getstate__().items():
        if isinstance(value, np.ndarray):
            arrays[f"optimizer {name}"] = value
        else:
            scalars[0][name] = value
    if state.average is not None:
        arrays["average"] = state.average.mean
        scalars[1].update(
            decay=state.average.decay, n_steps=state.average.n_steps, trained=None
        )
    return arrays, scalars


def _mixed(numbers):
    """Numbers whose bits depend on all bits of others (the finalizer of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (numbers ^ (numbers >> np.uint64(31))) | np.uint64(1)


def _placed(positions, values, n_rows):
    """Values in the places of their rows."""
    if positions is None or values is None:
        return values
    placed = np.zeros((n_rows, *values.shape[1:]), values.dtype)
    placed[positions] = values
    return placed


def _part(arrays, prefix):
    """Copies of the arrays with a prefix, which may come without leave to write."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


class _OwnBatches:
    """Batches of a shard between two exchanges, for ``take_steps``."""

    def __init__(self, data, batches):
        self.data, self._batches = data, batches
        self.n_batches = len(batches)
        self.n_samples = sum(map(len, batches))

    def __iter__(self):
        return iter(self._batches)


class _Rates:
    """Schedule of steps whose rates the driver has computed."""

    def __init__(self, rates):
        self._rates = iter(rates)

    def on_step(self, progress):
        self.rate = next(self._rates)
