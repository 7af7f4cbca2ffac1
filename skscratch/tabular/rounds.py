"""Rounds of a hedged ensemble: train a few members of each kind, then more of the best.

The training of members is in ``members``, and that of weights in ``blend``.
"""

import copy
from contextlib import closing
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skscratch._sklearn import callbacks_of
from skscratch.estimators.workers import count_workers, results_of
from skscratch.tabular.blend import fit_weights
from skscratch.tabular.deadline import Deadline
from skscratch.tabular.members import (
    HedgeData,
    HeldOut,
    Members,
    fit_network,
    renamed_checkpoints,
)

__all__ = ["EFFORTS", "Effort", "Hedge", "Rounds", "blended"]


class Effort(NamedTuple):
    """Amount of training of a hedged ensemble.

    Attributes
    ----------
    rounds : tuple of float
        Number of members of a kind in each round, in multiples of ``n_estimators``. The
        first round trains all kinds, later ones those with at least average weight.
        Before each later round, kinds of little weight are dropped.
    max_cycles : int
        Maximum number of cycles of the learning rate beyond the four of the recipe.
    """

    rounds: tuple[float, ...]
    max_cycles: int

    def members(self, n_estimators: int) -> list[int]:
        """Number of members of a kind in each round.

        Parameters
        ----------
        n_estimators : int

        Returns
        -------
        list of int
        """
        return [max(round(multiple * n_estimators), 1) for multiple in self.rounds]


EFFORTS = {
    "low": Effort((1 / 3,), 0),
    "default": Effort((1,), 2),
    "high": Effort((1, 1, 1), 4),
}

# Share of an equal weight below which a kind is dropped before the next round. After
# the last round it keeps its weight, however small: the weights were learned together.
MIN_SHARE = 0.3


class Hedge(NamedTuple):
    """Trained kinds, their weights, and their blended held-out predictions.

    Attributes
    ----------
    members : list of Members
        One for each kind.
    weights : ndarray of shape (n_kinds,)
        Weights of the kinds; they sum to 1.
    rows : ndarray of int
        Rows that were held out from members of all kinds.
    held_out : ndarray of shape (n_rows, ...) or None
        Blended predictions for these rows by members that were not trained on them;
        None if no rows were held out.
    error : Exception or None
        Error of a callback or scorer that ended training.
    is_interrupted : bool
        Whether the user interrupted training.
    """

    members: list[Members]
    weights: NDArray[np.float64]
    rows: NDArray[Any]
    held_out: NDArray[Any] | None
    error: Exception | None = None
    is_interrupted: bool = False


def blended(
    predictions: list[NDArray[Any]], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted mean of predictions.

    Parameters
    ----------
    predictions : list of ndarray
    weights : ndarray of shape (n_kinds,)

    Returns
    -------
    ndarray
    """
    blend: NDArray[np.float64] = np.tensordot(weights, np.stack(predictions), axes=1)
    # The mean of equal numbers may differ from them by rounding.
    return np.clip(blend, np.min(predictions, axis=0), np.max(predictions, axis=0))


class Rounds:
    """Train members round by round and learn the weights of their kinds.

    Parameters
    ----------
    template : ScratchMLPClassifier or ScratchMLPRegressor
    members : list of Members
        One for each kind, without networks.
    data : HedgeData
    judge : ClassJudge or NumberJudge
        Judge of all samples that may be held out.
    effort : Effort
    rng : RandomState
        Source of the networks' seeds.
    deadline : Deadline
    """

    def __init__(
        self,
        template: Any,
        members: list[Members],
        data: HedgeData,
        judge: Any,
        effort: Effort,
        rng: np.random.RandomState,
        deadline: Deadline,
    ) -> None:
        self.template, self.members, self.data = template, members, data
        self.judge, self.effort, self.rng = judge, effort, rng
        self.deadline, self.n_used = deadline, 0
        self.held_out = {m.name: HeldOut(len(data.judged)) for m in members}
        self.error: Exception | None = None
        self.is_interrupted = False

    def train(self) -> Hedge:
        """Train all rounds, unless time runs out, or an error or the user ends them."""
        kinds = chosen = self.members
        counts = self.effort.members(self.template.n_estimators)
        for number, n_members in enumerate(counts, 1):
            has_finished = self._train_round(chosen, number, n_members)
            kinds = [members for members in kinds if members.networks]
            hedge = self._blend(kinds)
            if not has_finished or self.data.holds_nothing_out:
                break
            shares = hedge.weights * len(kinds)
            chosen = [m for m, share in zip(kinds, shares, strict=True) if share >= 1]
            kinds = [
                m for m, share in zip(kinds, shares, strict=True) if share >= MIN_SHARE
            ]
        return hedge

    def _train_round(self, kinds: list[Members], number: int, n_members: int) -> bool:
        """Train more members of some kinds; return whether the round finished."""
        splits = self._next_splits(n_members)
        networks = [
            members.make_network(self.template, n_members, self._seed(), splits)
            for members in kinds
        ]
        n_workers = self._count_workers(len(kinds))
        if n_workers > 1:
            return self._train_by_workers(kinds, networks, n_workers)
        for position, (members, network) in enumerate(
            zip(kinds, networks, strict=True)
        ):
            try:
                has_time = self._train_members(
                    members, network, number, len(kinds) - position
                )
            except Exception as error:
                if not self._has_networks():
                    raise
                self.error = error
                return False
            except KeyboardInterrupt:  # Between the fits of two networks.
                if not self._has_networks():
                    raise
                self.is_interrupted = True
                return False
            if not has_time:
                return False
            if network.is_interrupted_:
                self.is_interrupted = True
                return False
        return True

    def _count_workers(self, n_kinds: int) -> int:
        """Number of workers of joblib for kinds; 1 if they are trained here.

        Callbacks and time limits look at one training after the other, and rows of a
        stream are read where the files are.
        """
        is_plain = self.deadline.remaining == np.inf and self.data.stream is None
        if not is_plain or callbacks_of(self.template) or self.template.verbose:
            return 1
        return count_workers(n_kinds)

    def _train_by_workers(
        self, kinds: list[Members], networks: list[Any], n_workers: int
    ) -> bool:
        """Train a kind in each task; return whether the round finished."""
        max_cycles = self.effort.max_cycles
        tasks = [
            (members, network, self.data, self.held_out[members.name], max_cycles)
            for members, network in zip(kinds, networks, strict=True)
        ]
        try:
            with closing(results_of(_train_kind, tasks, n_workers)) as results:
                for members, result in zip(kinds, results, strict=True):
                    members.encoder = result.members.encoder
                    members.networks = result.members.networks
                    self.held_out[members.name] = result.held_out
                    self.error = self.error or result.error
        except KeyboardInterrupt:
            if not self._has_networks():
                raise
            self.is_interrupted = True
            return False
        if self.error is not None and not self._has_networks():
            raise self.error
        return self.error is None

    def _train_members(
        self, members: Members, network: Any, number: int, n_left: int
    ) -> bool:
        """Train an ensemble of one kind; return whether there was time for it.

        Parameters
        ----------
        members : Members
        network : ScratchMLPClassifier or ScratchMLPRegressor
        number : int
            Number of the round.
        n_left : int
            Number of kinds still to be trained in the remaining time.
        """
        if self.deadline.remaining <= 0 and self._has_networks():
            return False
        encoded = members.encode(self.data)
        callbacks = callbacks_of(network)
        named = renamed_checkpoints(callbacks, f"{members.name}{number}")
        fit = partial(fit_network, encoded=encoded)
        has_time = self.deadline.plan(network, fit, n_left)
        if not has_time and self._has_networks():
            return False
        network.set_callbacks(*named, *self.deadline.callbacks())
        try:
            members.train(
                network,
                encoded,
                self.held_out[members.name],
                self.effort.max_cycles,
                lambda seconds: seconds < self.deadline.remaining / n_left,
            )
        finally:
            network.set_callbacks(*callbacks)
        return True

    def _has_networks(self) -> bool:
        return any(members.networks for members in self.members)

    def _next_splits(self, n_members: int) -> list[Any]:
        """Splits of the next members; the splits are used cyclically."""
        splits = self.data.splits
        # Members that share batches hold out the same rows.
        n_different = 1 if self.template.share_batches else n_members
        numbers = np.resize(range(self.n_used, self.n_used + n_different), n_members)
        self.n_used += n_different
        return [splits[number % len(splits)] for number in numbers if splits]

    def _seed(self) -> int:
        return int(self.rng.randint(np.iinfo(np.int32).max))

    def _blend(self, kinds: list[Members]) -> Hedge:
        """Learn the weights of kinds on the rows that all of them held out."""
        held_out = [self.held_out[members.name] for members in kinds]
        rows = reduce(np.intersect1d, [one.rows for one in held_out])
        n_kinds = len(kinds)
        weights, blend = np.full(n_kinds, 1 / n_kinds), None
        if len(rows):
            predictions = [one.means(rows) for one in held_out]
            weights = fit_weights(self.judge.take(rows), predictions)
            blend = blended(predictions, weights)
        return Hedge(kinds, weights, rows, blend, self.error, self.is_interrupted)


class _TrainedKind(NamedTuple):
    """What a worker returns of a kind."""

    members: Members
    held_out: HeldOut
    error: Exception | None


def _train_kind(
    members: Members,
    network: Any,
    data: HedgeData,
    held_out: HeldOut,
    max_cycles: int,
) -> _TrainedKind:
    """Train an ensemble of one kind, in a worker.

    Parameters
    ----------
    members : Members
    network : ScratchMLPClassifier or ScratchMLPRegressor
    data : HedgeData
    held_out : HeldOut
        Of this kind, from earlier rounds.
    max_cycles : int
        As of ``Members.train``.

    Returns
    -------
    _TrainedKind
    """
    # Copies: where workers are threads, a task that is repeated begins from these.
    members, held_out = copy.deepcopy((members, held_out))
    error = None
    try:
        encoded = members.encode(data)
        members.train(network, encoded, held_out, max_cycles, lambda seconds: True)
    except Exception as caught:
        error = caught
    return _TrainedKind(members, held_out, error)
