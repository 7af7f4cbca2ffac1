"""The members of an ensemble: estimators that are fitted together, or in turn.

What trains several networks as one stands in ``ensembles``; here is what that is to an
estimator: members with seeds of their own, their history, and one stack to predict by.
"""

import contextlib
import copy
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skscratch.estimators.monitor import FromOutside, Silence, Tasks
from skscratch.estimators.validator import Validation
from skscratch.nn.stack import Stack
from skscratch.training.joint import can_join, history, summary, train_together

__all__ = ["Members"]

# Fitted attributes that tell of a training.
OF_A_TRAINING = (
    "n_iter_",
    "t_",
    "loss_curve_",
    "loss_",
    "learning_rate_curve_",
    "best_epoch_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
)


class Members:
    """What an estimator of several networks does that one of a single does not.

    A part of ``BaseScratchMLP``, which fits a single network, and so each member.
    """

    estimators_: list
    network_: Any
    # What ``BaseScratchMLP`` has.
    n_estimators: Any
    n_iter_: Any
    random_state: Any
    share_batches: Any
    solver: Any
    _calibrate: Any
    _check_architecture: Any
    _conclude: Any
    _error: Any
    _follow: Any
    _initialise: Any
    _make_random_state: Any
    _n_epochs: Any
    _schedule_class: Any
    _set_fitted: Any
    _sizes: Any
    _tasks: Any
    _training_options: Any

    def _make_members(self, X, Y, random_state, first):
        """Make the members of an ensemble, or copies of them to go on with.

        Each is an estimator of its own, with a seed from which it would alone be
        trained the same. Returns their random streams.
        """
        if first:
            self._sizes(X, Y)  # Before there are as many seeds.
            seeds = random_state.randint(np.iinfo(np.int32).max, size=self.n_estimators)
        else:
            seeds = [member.random_state for member in self.estimators_]
        members = [copy.copy(self) for _ in seeds]
        streams = []
        for i, (member, seed) in enumerate(zip(members, seeds, strict=True)):
            for name in ("estimators_", "_skl_callbacks"):
                member.__dict__.pop(name, None)
            member.n_estimators, member.random_state = 1, int(seed)
            streams.append(member._make_random_state())
            if first:
                member._initialise(X, Y, streams[-1])
            else:
                # Copies: if the call is refused, the old ones still stand.
                member.network_ = copy.deepcopy(self.estimators_[i].network_)
                member._training = self.estimators_[i]._training
                member._check_architecture()
            member.n_iter_ = 0
        self._take(members)
        return streams

    def _take(self, members):
        """Have these members, whose networks become one stack."""
        self.estimators_ = members
        self.network_ = Stack([member.network_ for member in members])
        self._training = None
        for name in ("n_layers_", "n_outputs_", "out_activation_"):
            setattr(self, name, getattr(members[0], name))

    def _fit_members(self, data, held_out, streams, incremental, given):
        """Train the members, together where that can be done."""
        members, own_streams, self.n_iter_ = self.estimators_, streams, 0
        told: set = set()
        for member in members:
            member._told = told
        if self.share_batches:
            seed = members[0].random_state
            streams = [np.random.RandomState(seed) for _ in members]
        streams = list(zip(streams, own_streams, strict=True))
        if self._trains_together(data[0], incremental):
            fit, tasks = self._fit_together, self._tasks(given, incremental)
        else:
            fit, tasks = self._fit_in_turn, Tasks(self, given, "member", len(members))
        try:
            self._calibrate(fit(data, held_out, streams, incremental, tasks))
        finally:
            for member in members:
                del member._told
        tasks.ended()

    def _trains_together(self, X, incremental):
        """Whether the members' trainings are alike, step by step."""
        if self.solver == "lbfgs" or issparse(X):
            return False
        if self._schedule_class().heeds_plateaus:
            return False
        trained = [member._training for member in self.estimators_]
        optimizers = [None if state is None else state.optimizer for state in trained]
        return (
            not incremental
            or not any(optimizers)
            or (all(optimizers) and can_join(optimizers))
        )

    def _fit_together(self, data, held_out, streams, incremental, tasks):
        """Train the members as one; return each with its ``Held``."""
        members, runs, scores, helds = self.estimators_, [], [], []
        for member, (stream, own_stream) in zip(members, streams, strict=True):
            held = member._held_out(data, held_out, stream)
            helds.append(held)
            runs.append(member._prepared(data, held, stream, incremental, own_stream))
            scores.append(None if held is None else Validation(member, held))
        starts = [len(run.state.loss_curve) for run in runs]

        def published():
            of_each = []
            for member, run, start in zip(members, runs, starts, strict=True):
                # Some may have ended an epoch in which others were interrupted.
                member.n_iter_ = len(run.state.loss_curve) - start
                of_each.append(member._published(run.state))
            return of_each

        epochs = train_together(
            runs,
            scores,
            error=self._error(scores),
            share_batches=self.share_batches,
            **self._training_options(helds[0], incremental),
        )
        try:
            outcome = self._follow(
                _summaries(epochs),
                self._n_epochs(incremental),
                runs[0],
                tasks,
                lambda: history(published()),
            )
        finally:
            of_each = published()
            for member, attributes in zip(members, of_each, strict=True):
                member._set_fitted(attributes)
            self._take(members)
            self._set_fitted(history(of_each))
        self._conclude(outcome, data[0], incremental)
        return list(zip(members, helds, strict=True))

    def _fit_in_turn(self, data, held_out, streams, incremental, tasks):
        """Train one member after the other; return each with its ``Held``."""
        members, self.estimators_ = self.estimators_, []
        held_outs, of_each = [], []

        def keep(member, held):
            self.estimators_.append(member)
            held_outs.append((member, held))
            of_each.append({name: vars(member)[name] for name in OF_A_TRAINING})
            self._set_fitted(history(of_each))

        try:
            for member, (stream, own_stream) in zip(members, streams, strict=True):
                tasks.begin()
                held = member._held_out(data, held_out, stream)
                try:
                    outcome = member._fit_network(
                        data, held, stream, incremental, Silence(), own_stream
                    )
                except FromOutside:
                    if member.n_iter_:
                        keep(member, held)
                    raise
                # One that was interrupted at once is none; L-BFGS may need no step.
                is_whole = outcome != "interrupted" or member.n_iter_
                if is_whole or not held_outs:
                    keep(member, held)
                if tasks.end(partial(history, of_each)) or outcome == "interrupted":
                    break
        finally:
            if self.estimators_:
                self._take(self.estimators_)
        return held_outs

    def _is_stacked(self):
        """Whether the members' networks are the stack's, as fit left them."""
        members = self.__dict__.get("estimators_")
        return members is not None and [
            member.network_.parameters.ctypes.data for member in members
        ] == [row.ctypes.data for row in self.network_.parameters]


def _summaries(epochs):
    """One report for the epochs that several members end together."""
    with contextlib.closing(epochs):
        for reports in epochs:
            yield summary(list(reports.values()))
