"""The driver's side of the shards: where rows are, calls to workers, lost workers.

Partitions are computed by Dask, each where it likes. The partitions that a worker has
then become one shard, an actor, whose methods the driver calls directly. If a worker is
lost, its partitions are computed again from their graph, and become shards elsewhere.
"""

import asyncio
import concurrent.futures
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skscratch.dask.collections import import_dask
from skscratch.dask.shard import Shard, stacked
from skscratch.estimators.validation import refuse_dates, validate_prediction_data

__all__ = ["LostDataError", "Placement", "WorkerLostError", "Workers"]

# Errors of futures whose data are lost, in this and that version of distributed.
CANCELLATIONS = (concurrent.futures.CancelledError, asyncio.CancelledError)
# Seconds between two looks at whether the workers that are waited for still exist.
POLL_INTERVAL = 1.0
# Seconds to wait for a worker to take the place of the last one.
PATIENCE = 60
# Seconds within which the scheduler hears of a worker that can't be reached.
LOSS_DELAY = 30.0
# Rows of the sample of all data that is taken from the partitions.
SAMPLE_ROWS = 512


class WorkerLostError(Exception):
    """A worker is gone, and what it held."""

    def __init__(self):
        super().__init__("A Dask worker was lost.")


class LostDataError(RuntimeError):
    """Partitions were lost with a worker, and can't be computed again.

    Parameters
    ----------
    message : str
    """

    def __init__(self, message):
        super().__init__(message)


@dataclass(eq=False)
class Placement:
    """A shard: an actor on a worker.

    Attributes
    ----------
    worker : str
        Address.
    numbers : list of int
        Its partitions, in the order of its rows.
    future : Future
        Keeps the actor alive.
    actor : Actor
    n_threads : int
        Of the worker.
    """

    worker: str
    numbers: list[int]
    future: Any
    actor: Any
    n_threads: int


class Workers:
    """Shards of the samples, on the workers of a client.

    Parameters
    ----------
    client : distributed.Client
    blocks : list of Delayed
        The partitions of ``X``. They are computed at once, for their lengths.

    Attributes
    ----------
    lengths : ndarray of int
        Number of rows of each partition.
    heads : dict
        First rows of each partition that has rows, by its number, until the shards are
        made.
    shards : list of Placement
    """

    def __init__(self, client, blocks):
        self.client, self._blocks = client, blocks
        self.shards: list[Placement] = []
        self._checked_for: Any = None
        self._rows: Any = None
        self._targets: Any = None
        # Kept until they are in shards.
        self._futures: dict[int, Any] = self._computed(range(len(blocks)))
        measured = self._results(
            client.map(
                *(_measured, list(self._futures.values())),
                n_rows=-(-SAMPLE_ROWS // max(len(blocks), 1)),
                pure=False,
            )
        )
        self.lengths = np.array([length for length, _ in measured], np.int64)
        self.ends = np.cumsum(self.lengths)
        self.heads = {number: head for number, (n, head) in enumerate(measured) if n}

    @property
    def n_rows(self):
        """Number of rows of all partitions."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def sample(self, numbers):
        """First rows of some partitions, together, and their row numbers.

        Parameters
        ----------
        numbers : list of int
            Of the partitions.

        Returns
        -------
        X : {ndarray, sparse array, DataFrame}
        rows : ndarray of int
        """
        heads = [self.heads[number] for number in numbers]
        starts = (self.ends - self.lengths)[numbers].tolist()
        rows = [
            np.arange(head.shape[0]) + start
            for head, start in zip(heads, starts, strict=True)
        ]
        if hasattr(heads[0], "columns"):
            (dispatch,) = import_dask("dask.dataframe.dispatch")
            return dispatch.concat(heads), np.concatenate(rows)
        return stacked(heads), np.concatenate(rows)

    def place(self, estimator, dtype):
        """Validate the partitions, and make shards of them.

        Parameters
        ----------
        estimator : BaseScratchMLP
            Knows the number and the names of the features.
        dtype : dtype

        Raises
        ------
        ValueError
            If a partition can't be used; the message names it.
        """
        self._checked_for = (estimator, dtype)
        self.recover()
        self.heads = {}

    def set_targets(self, kept, Y, weights):
        """Give the shards their targets.

        Parameters
        ----------
        kept : ndarray of int or None
            Row numbers of the training samples; None means all rows.
        Y : ndarray of shape (n_samples, n_targets)
        weights : ndarray of shape (n_samples,) or None
        """
        self._targets = (kept, Y, weights)
        self.recover()

    def recover(self):
        """Make new shards in place of those that were lost.

        Raises
        ------
        LostDataError
            If a partition can't be computed again, or there are no workers.
        """
        while True:
            kept = [shard for shard in self.shards if self._exists(shard)]
            found = {number for shard in kept for number in shard.numbers}
            lost = np.setdiff1d(np.flatnonzero(self.lengths), [*found]).tolist()
            self.shards = kept
            try:
                if lost:
                    self._make_shards(lost)
                if self._targets is not None:
                    self._send_targets()
            except WorkerLostError:
                continue
            return

    def call(self, method, arguments):
        """Call a method of several shards at once, and wait for the results.

        Parameters
        ----------
        method : str
        arguments : list of (Placement, tuple)

        Returns
        -------
        list

        Raises
        ------
        WorkerLostError
            If a worker is gone.
        """
        shards = [shard for shard, _ in arguments]
        try:
            calls = [getattr(shard.actor, method)(*args) for shard, args in arguments]
            return self._wait(
                lambda: _collected(calls), [shard.worker for shard in shards]
            )
        except (OSError, RuntimeError, ValueError) as error:
            # Errors of a lost actor, in this and that version of distributed; that of
            # a connection may come before the news of the loss.
            patience = LOSS_DELAY if isinstance(error, OSError) else 0
            if not self._are_lost(shards, patience):
                raise
            raise WorkerLostError from error

    def locate(self, rows):
        """Find the shards of training samples.

        Parameters
        ----------
        rows : ndarray of int
            Numbers of training samples.

        Returns
        -------
        places : ndarray of int
            Index of each sample's shard.
        local : ndarray of int
            Row in the shard.
        """
        kept = self._targets[0] if self._targets is not None else None
        if kept is not None:
            rows = kept[rows]
        numbers = np.searchsorted(self.ends, rows, side="right")
        return self._shard_of[numbers], rows + self._offsets[numbers]

    def gather(self, rows):
        """Samples of some rows, in this process.

        Parameters
        ----------
        rows : ndarray of int
            Numbers of training samples.

        Returns
        -------
        {ndarray, CSR array} of shape (n_rows, n_features)
        """
        while True:
            try:
                return self._gathered(rows)
            except WorkerLostError:
                self.recover()

    def _gathered(self, rows):
        places, local = self.locate(rows)
        asked = np.unique(places)
        parts = self.call(
            "rows", [(self.shards[i], (local[places == i],)) for i in asked]
        )
        order = np.argsort(np.argsort(places, kind="stable"), kind="stable")
        return stacked(parts)[order]

    def checksum(self):
        """Sum that tells all rows of ``X``, in their order, from others."""
        while True:
            try:
                arguments = []
                for shard in self.shards:
                    stops = np.cumsum(self.lengths[shard.numbers])
                    starts = stops - self.lengths[shard.numbers]
                    firsts = (self.ends - self.lengths)[shard.numbers]
                    spans = np.stack([starts, stops, firsts], axis=1).tolist()
                    arguments.append((shard, (spans,)))
                return sum(self.call("checksum", arguments)) % 2**64
            except WorkerLostError:
                self.recover()

    def close(self):
        """Release the shards."""
        if self.shards and self.client.status == "running":
            # Not left to the garbage collector: calls of an actor refer to it, and to
            # themselves, so that the samples would stay on the workers.
            with contextlib.suppress(OSError, RuntimeError):
                self.client.cancel([shard.future for shard in self.shards])
        self.shards, self._futures, self._targets = [], {}, None

    def _computed(self, numbers):
        """Futures of partitions, by their numbers."""
        blocks = [self._blocks[number] for number in numbers]
        return dict(zip(numbers, self.client.compute(blocks), strict=True))

    def _make_shards(self, numbers):
        """Make shards of some partitions, each where it is."""
        homes = self._checked_homes(numbers)
        workers = self._alive()
        made = []
        for worker, own in sorted(homes.items()):
            future = self.client.submit(
                Shard, list(own.values()), workers=[worker], actor=True, pure=False
            )
            n_threads = workers.get(worker, 1)
            made.append(Placement(worker, list(own), future, None, n_threads))
        self._wait_for_actors(made)
        self._futures = {}
        # The order depends on the partitions, and not on the names of workers.
        self.shards = sorted(self.shards + made, key=lambda shard: shard.numbers)
        self._index()

    def _checked_homes(self, numbers):
        """Futures of validated partitions, by worker and by number of the partition."""
        missing = [number for number in numbers if number not in self._futures]
        self._futures |= self._computed(missing)
        estimator, dtype = self._checked_for
        checked = self.client.map(
            _checked,
            [self._futures[number] for number in numbers],
            numbers,
            estimator=estimator,
            dtype=dtype,
            pure=False,
        )
        self._settle(checked)
        for number, future in zip(numbers, checked, strict=True):
            self._raise_error(number, future)
        homes: dict[str, dict[int, Any]] = {}
        who_has = self.client.who_has(checked)
        for number, future in zip(numbers, checked, strict=True):
            holders = who_has.get(future.key, ())
            if not holders:
                raise WorkerLostError
            homes.setdefault(min(holders), {})[number] = future
        return homes

    def _wait_for_actors(self, made):
        """Wait until the shards are made, and note their actors."""
        (distributed,) = import_dask("distributed")
        self._wait(
            lambda: _finished([shard.future for shard in made]),
            [shard.worker for shard in made],
        )
        for shard in made:
            if shard.future.status == "error" and shard.worker in self._alive():
                shard.future.result()  # It raises the error.
            if shard.future.status != "finished":
                raise WorkerLostError
        with self.client.as_current():
            for shard in made:
                shard.actor = distributed.Actor(Shard, shard.worker, shard.future.key)

    def _settle(self, futures):
        """Wait until all futures have a result or an error, or are lost."""
        (distributed,) = import_dask("distributed")
        with contextlib.suppress(
            concurrent.futures.CancelledError, asyncio.CancelledError
        ):
            distributed.wait(futures)

    def _raise_error(self, number, future):
        """Raise the error of a partition, if it has one."""
        if future.status == "finished":
            return
        (distributed,) = import_dask("distributed")
        lost = (distributed.KilledWorker, *CANCELLATIONS)
        try:
            future.result()
        except lost as error:
            if self.client.status in ("closing", "closed"):
                raise LostDataError(
                    "the Dask client was closed, or could not reach its scheduler."
                ) from error
            raise LostDataError(
                f"partition {number} of X was lost with its worker, or can't be "
                f"computed: {error}. Data that the client has scattered are on one "
                "worker only: use collections whose graph reads or makes the data, or "
                "scatter(..., broadcast=True)."
            ) from error

    def _index(self):
        """Note where each partition is."""
        self._shard_of = np.full(len(self.lengths), -1, np.intp)
        self._offsets = np.zeros(len(self.lengths), np.int64)
        for index, shard in enumerate(self.shards):
            at = 0
            for number in shard.numbers:
                self._shard_of[number] = index
                # A row number plus this is the row of the shard.
                self._offsets[number] = at - (self.ends[number] - self.lengths[number])
                at += int(self.lengths[number])

    def _send_targets(self):
        kept, Y, weights = self._targets
        arguments = []
        for shard in self.shards:
            rows, positions = self._samples_of(shard, kept)
            own_weights = None if weights is None else weights[rows]
            arguments.append((shard, (positions, Y[rows], own_weights)))
        self.call("set_targets", arguments)

    def _samples_of(self, shard, kept):
        """Numbers of a shard's training samples, and their rows in it (None: all)."""
        firsts = (self.ends - self.lengths)[shard.numbers]
        rows = np.concatenate(
            [
                np.arange(first, first + n)
                for first, n in zip(firsts, self.lengths[shard.numbers], strict=True)
            ]
        )
        if kept is None:
            return rows, None
        samples = np.searchsorted(kept, rows)
        is_kept = np.append(kept, -1)[samples] == rows
        return samples[is_kept], np.flatnonzero(is_kept)

    def _results(self, futures):
        self._settle(futures)
        for number, future in enumerate(futures):
            self._raise_error(number, future)
        return self.client.gather(futures)

    def _alive(self):
        """Numbers of threads of the workers that there are, by address."""
        workers = self.client.nthreads()
        if not workers:
            try:
                self.client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise LostDataError(
                    f"no Dask worker has been there for {PATIENCE} s."
                ) from None
            workers = self.client.nthreads()
        return workers

    def _are_lost(self, shards, patience):
        """Whether a shard is lost, or is so before some seconds have passed."""
        deadline = time.monotonic() + patience
        while all(map(self._exists, shards)):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_INTERVAL / 10)
        return True

    def _exists(self, shard):
        return shard.future.status == "finished" and shard.worker in self._alive()

    def _wait(self, make_awaitable, workers):
        """Wait for something that workers do, as long as they are there."""
        while True:
            try:
                return self.client.sync(make_awaitable, callback_timeout=POLL_INTERVAL)
            except TimeoutError:
                if not set(workers) <= set(self._alive()):
                    raise WorkerLostError from None


async def _collected(calls):
    return [await call for call in calls]


async def _finished(futures):
    (distributed,) = import_dask("distributed")
    with contextlib.suppress(*CANCELLATIONS):
        await distributed.wait(futures)


# On the workers


def _measured(block, n_rows):
    """Number of rows of a partition, and its first rows."""
    if not hasattr(block, "shape"):
        raise ValueError(f"a partition must be a matrix, got {type(block).__name__}.")
    if issparse(block):
        block = block.tocsr()  # Not all formats give slices.
    head = block.iloc[:n_rows] if hasattr(block, "iloc") else block[:n_rows]
    return block.shape[0], head


def _checked(block, number, estimator, dtype):
    """Samples of a partition, as a local fit would convert them."""
    try:
        refuse_dates(block)
        if issparse(block):
            block = block.tocsr()
        X = validate_prediction_data(estimator, block, dtype)
    except ValueError as error:
        raise ValueError(f"partition {number} of X can't be used: {error}") from None
    return X.tocsr() if issparse(X) else np.ascontiguousarray(X)
