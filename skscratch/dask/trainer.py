"""What trains the epochs on workers: steps together, or steps apart between exchanges.

The driver draws the batches, as in a local fit. Workers compute gradients of their
shards of a batch; the optimizer, penalty, clipping, average and schedule are the
driver's, by the same ``take_steps``.
"""

import copy
from typing import NamedTuple

import numpy as np

from skscratch.backends.buffered import BufferedOperations
from skscratch.dask.shard import ShardOptions, state_of
from skscratch.dask.workers import LostDataError, WorkerLostError
from skscratch.estimators.monitor import user_code
from skscratch.training.joint import EpochTrainer
from skscratch.training.steps import take_steps

__all__ = ["LocalSteps", "Synchronous"]

# Number of times that an epoch is begun, before losses of workers end the training.
MAX_ATTEMPTS = 10


class _RemoteTrainer(EpochTrainer):
    """Trains a run on workers, and repeats an epoch in which a worker is lost.

    Parameters
    ----------
    run : TrainingRun
    workers : Workers
    """

    def __init__(self, run, workers):
        self.run, self.workers = run, workers
        self._begun_on = None

    def train_epoch(self, number):
        """Train an epoch; see ``EpochTrainer``."""
        start = _EpochStart(self.run)
        for _ in range(MAX_ATTEMPTS):
            try:
                self._begin()
                return [self._train(number, self._seed())]
            except WorkerLostError:
                start.restore()
                # Training is fine up to here: finished epochs are kept.
                with user_code():
                    self.workers.recover()
        with user_code():
            raise LostDataError(
                f"workers were lost in each of {MAX_ATTEMPTS} attempts at epoch "
                f"{number}: see why in their logs, such as too little memory."
            )

    def _train(self, number, seed):
        raise NotImplementedError

    def _begin(self):
        """Tell the shards of the training, unless they know of it."""
        shards = list(self.workers.shards)
        if self._begun_on == shards:
            return
        batches, network = self.run.batches, self.run.network
        config = self.run.config._replace(init=None)
        self.workers.call(
            "begin",
            [
                (
                    shard,
                    (
                        network,
                        ShardOptions(
                            config,
                            batches.data.mean_weight,
                            shard.n_threads,
                            batches.batch_size,
                        ),
                    ),
                )
                for shard in shards
            ],
        )
        self._begun_on = shards

    def _seed(self):
        """Seed of the dropout masks of an epoch, or 0."""
        dropout = self.run.dropout
        return 0 if dropout is None else int(dropout.generator.integers(2**63))


class Synchronous(_RemoteTrainer):
    """Each step is one of a local fit: its gradient is the sum of the shards'.

    Parameters
    ----------
    run : TrainingRun
    workers : Workers
    """

    def __init__(self, run, workers):
        super().__init__(run, workers)
        self._operations = _RemoteOperations(run.network.dtype)

    def _train(self, number, seed):
        run = self.run
        network = _RemoteNetwork(run.network, self.workers, seed)
        return take_steps(
            *(network, run.batches, run.state, number, run.config, self._operations)
        )


class LocalSteps(_RemoteTrainer):
    """Workers take steps apart, and exchange parameters and moments now and then.

    Stich, *Local SGD converges fast and communicates little*, arXiv 1805.09767: after
    a number of steps on its own rows, each worker's parameters are replaced by their
    mean over the workers. Here the mean is weighted by the rows' weights, and the
    moments of the optimizer and the moving average are averaged likewise.

    Parameters
    ----------
    run : TrainingRun
    workers : Workers
    n_steps : int
        Number of steps between two exchanges.
    """

    def __init__(self, run, workers, n_steps):
        super().__init__(run, workers)
        self._n_steps = n_steps

    def _train(self, number, seed):
        batches, state = self.run.batches, self.run.state
        plans = self._plans()
        n_done = (number - 1) * batches.n_batches
        n_all = self.run.config.max_epochs * batches.n_batches
        cost_sum = weight_sum = 0.0
        for first in range(0, batches.n_batches, self._n_steps):
            stop = min(first + self._n_steps, batches.n_batches)
            rates = []
            for step in range(first, stop):
                state.schedule.on_step((n_done + step) / n_all)
                rates.append(float(state.schedule.rate))
            costs, sizes = self._exchange(plans, slice(first, stop), rates, seed)
            cost_sum += float(np.dot(costs, sizes))
            weight_sum += float(sum(sizes))
        return cost_sum / weight_sum

    def _plans(self):
        """Batches of each shard in an epoch: its rows in the order that was drawn."""
        batches = self.run.batches
        order = batches.next_order()
        if order is None:
            order = np.arange(batches.n_samples)
        places, local = self.workers.locate(order)
        plans = []
        for index, shard in enumerate(self.workers.shards):
            mine = places == index
            if not mine.any():
                continue
            rows, weights = local[mine], batches.data.weights
            weights = np.ones(len(rows)) if weights is None else weights[order[mine]]
            # A shard of fewer rows than there are batches repeats them.
            n = max(len(rows), batches.n_batches)
            plans.append(
                (
                    shard,
                    shard.numbers[0],
                    np.array_split(np.resize(rows, n), batches.n_batches),
                    np.array_split(np.resize(weights, n), batches.n_batches),
                )
            )
        return plans

    def _exchange(self, plans, steps, rates, seed):
        """Let the workers take steps, and average what they come to."""
        run = self.run
        arrays, scalars = state_of(run.network, run.state)
        results = self.workers.call(
            "steps",
            [
                (
                    shard,
                    (arrays, scalars, rows[steps], rates, (seed, steps.start, number)),
                )
                for shard, number, rows, _ in plans
            ],
        )
        sizes = [sum(map(len, rows[steps])) for _, _, rows, _ in plans]
        shares = np.array([sum(map(np.sum, weights[steps])) for *_, weights in plans])
        if not shares.any():
            shares = np.array(sizes, float)
        shares = shares / shares.sum()
        means = {
            name: sum(
                share * result[0][name]
                for share, result in zip(shares.tolist(), results, strict=True)
            )
            for name in arrays
        }
        self._adopt(means, results[0][1])
        return [result[2] for result in results], sizes

    def _adopt(self, arrays, scalars):
        network, state = self.run.network, self.run.state
        network.restore(arrays["parameters"])
        moments = {
            name.removeprefix("optimizer "): array
            for name, array in arrays.items()
            if name.startswith("optimizer ")
        }
        state.optimizer.__setstate__({**scalars[0], **moments})
        if state.average is not None:
            state.average.mean[...] = arrays["average"]
            state.average.n_steps = scalars[1]["n_steps"]


class _EpochStart:
    """Everything that an epoch changes, as it is at its start."""

    def __init__(self, run):
        self._run, state = run, run.state
        self._parameters = run.network.snapshot()
        self._objects = {
            name: copy.deepcopy(vars(getattr(state, name)))
            for name in ("schedule", "average")
            if getattr(state, name) is not None
        }
        self._optimizer = copy.deepcopy(state.optimizer.__getstate__())
        order = run.batches.order
        self._order = None if order is None else order.copy()
        self._random = run.random_state.get_state()
        self._dropout = None
        if run.dropout is not None:
            self._dropout = run.dropout.generator.bit_generator.state

    def restore(self):
        """Bring the run back to the start of the epoch."""
        run = self._run
        run.network.restore(self._parameters)
        for name, values in self._objects.items():
            vars(getattr(run.state, name)).update(copy.deepcopy(values))
        run.state.optimizer.__setstate__(copy.deepcopy(self._optimizer))
        if self._order is not None:
            run.batches.order[...] = self._order
        run.random_state.set_state(self._random)
        if run.dropout is not None:
            run.dropout.generator.bit_generator.state = self._dropout


class _BatchRows(NamedTuple):
    """Rows of a batch, in place of its samples; ``take_steps`` asks for the shape."""

    rows: np.ndarray
    shape: tuple[int, int]


class _RemoteOperations(BufferedOperations):
    """Operations of the driver: a batch is the numbers of its rows."""

    def batch(self, data, rows):
        """Rows of a batch, and what its sums are divided by."""
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        n = len(rows)
        return _BatchRows(rows, (data.X.shape[1], n)), None, None, n * data.mean_weight


class _RemoteNetwork:
    """A network whose gradients workers compute, for ``take_steps``.

    Parameters
    ----------
    network : Network
        Gets the gradients.
    workers : Workers
    seed : int
        Of the epoch's dropout masks.
    """

    def __init__(self, network, workers, seed):
        self._network, self._workers = network, workers
        self.parameters, self.gradients = network.parameters, network.gradients
        self._seed, self._n_steps = seed, 0

    def cost_and_gradients(self, A1, Y, *, alpha, weights, total, masks, operations):
        """Cost of a batch and its gradient; see ``Network``."""
        places, local = self._workers.locate(A1.rows)
        seed = (self._seed, self._n_steps)
        arguments = []
        for index, shard in enumerate(self._workers.shards):
            rows = local[places == index]
            if len(rows):
                own = (self.parameters, rows, total, (*seed, shard.numbers[0]))
                arguments.append((shard, own))
        results = self._workers.call("gradient", arguments)
        self._n_steps += 1
        (first, cost), *others = results
        np.copyto(self.gradients, first)
        for gradient, more in others:
            self.gradients += gradient
            cost += more
        if alpha:
            network = self._network
            cost += operations.penalty(
                network.weights, network.weight_gradients, alpha / total
            )
        return cost
