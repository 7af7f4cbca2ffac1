"""The solvers: which algorithm trains a network, and with which optimizer.

A new optimizer is one entry in ``OPTIMIZERS`` and needs none here; a new algorithm is
one record in ``SOLVERS``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from skscratch.training.lbfgs import run_lbfgs
from skscratch.training.loop import run_epochs
from skscratch.training.optimizers import OPTIMIZERS, Optimizer

__all__ = ["SOLVERS", "Solver", "find_solver", "is_solver", "solver_names"]


def _iteration_history(run):
    """Attributes of a training that has no epochs, scores or learning rates."""
    losses = run.state.loss_curve
    best_loss = run.state.best_loss
    is_finished = math.isfinite(best_loss)
    return {
        "t_": 0,
        "loss_": best_loss if is_finished else losses[-1] if losses else math.nan,
        "best_loss_": best_loss if is_finished else min(losses, default=math.nan),
        "best_epoch_": None,
        "learning_rate_curve_": None,
    }


@dataclass(frozen=True)
class Solver:
    """An algorithm that trains networks.

    Attributes
    ----------
    train : callable
        ``train(runs, monitor)`` trains the networks of the runs and returns the
        outcome. Networks are trained side by side if the solver is stochastic, and
        otherwise come one at a time.
    optimizer : type of Optimizer or None, default=None
        What a stochastic solver updates the parameters by, batch by batch. None for a
        solver that takes all samples at once.
    step_name : str, default="epoch"
        What callbacks call a step of the training.
    history : callable or None, default=None
        ``history(run)`` returns fitted attributes that differ from those of a training
        in epochs.
    needs_smooth_loss : bool, default=False
        Whether losses whose gradient jumps are refused.
    """

    train: Callable[..., str]
    optimizer: type[Optimizer] | None = None
    step_name: str = "epoch"
    history: Callable[[Any], dict[str, Any]] | None = None
    needs_smooth_loss: bool = False

    @cached_property
    def is_stochastic(self):
        """Whether it takes one step for each batch."""
        return self.optimizer is not None


def _stochastic(optimizer):
    return Solver(run_epochs, optimizer)


SOLVERS: dict[str, Solver] = {
    **{name: _stochastic(optimizer) for name, optimizer in OPTIMIZERS.items()},
    "lbfgs": Solver(
        run_lbfgs,
        step_name="iteration",
        history=_iteration_history,
        needs_smooth_loss=True,
    ),
}


def solver_names():
    """Names that ``find_solver`` knows at the moment, sorted.

    Returns
    -------
    list of str
    """
    return sorted({*SOLVERS, *OPTIMIZERS})


def is_solver(value):
    """Return whether a value is a solver itself, rather than the name of one.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    if isinstance(value, type):
        return issubclass(value, Optimizer) and value is not Optimizer
    return isinstance(value, Solver)


def find_solver(solver):
    """Look up a solver.

    Parameters
    ----------
    solver : str, type of Optimizer or Solver
        A key of ``SOLVERS`` or ``OPTIMIZERS``; an optimizer; or a record itself.

    Returns
    -------
    Solver

    Raises
    ------
    ValueError
        If there is no such solver.
    """
    if isinstance(solver, Solver):
        return solver
    if is_solver(solver):
        return _stochastic(solver)
    if isinstance(solver, str):
        registered, optimizer = SOLVERS.get(solver), OPTIMIZERS.get(solver)
        if registered is not None and registered.optimizer is optimizer:
            return registered
        if optimizer is not None:  # An entry of the user's own.
            return _stochastic(optimizer)
    raise ValueError(
        f"solver must be one of {solver_names()}, an Optimizer class or a Solver, got "
        f"{solver!r}."
    )
