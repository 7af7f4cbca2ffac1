"""What the estimators' parameters may be: each alone, and together.

scikit-learn checks each by its constraints; here are those that the estimators share,
and what no constraint can say.
"""

import numbers
import sys

import numpy as np
from sklearn.metrics import get_scorer_names

from skscratch._sklearn import Interval, Options, StrOptions, callbacks_of
from skscratch.estimators.checkpoint import Checkpoint
from skscratch.nn.activations import ACTIVATIONS
from skscratch.nn.initializers import INITIALIZERS
from skscratch.training.optimizers import OPTIMIZERS
from skscratch.training.schedules import SCHEDULES

__all__ = ["BATCH_SIZES", "CONSTRAINTS", "check_checkpoints", "check_combinations"]

# Sizes of batches that have names: of fewer samples each is all of them.
BATCH_SIZES = {"auto": 200, "small": 128}

# Parameters that may be any number from 0, but for integers that no float holds.
UNBOUNDED = (
    *("alpha", "learning_rate_init", "power_t", "tol", "epsilon", "weight_decay"),
    "max_grad_norm",
)

CONSTRAINTS: dict = {
    "hidden_layer_sizes": [
        "array-like",
        Interval(numbers.Integral, 1, None, closed="left"),
    ],
    "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
    "solver": [StrOptions({*OPTIMIZERS, "lbfgs"})],
    "alpha": [Interval(numbers.Real, 0, None, closed="left")],
    "batch_size": [
        StrOptions(set(BATCH_SIZES)),
        Interval(numbers.Integral, 1, None, closed="left"),
    ],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "learning_rate_init": [Interval(numbers.Real, 0, None, closed="neither")],
    "power_t": [Interval(numbers.Real, 0, None, closed="left")],
    "max_iter": [
        StrOptions({"auto"}),
        Interval(numbers.Integral, 1, None, closed="left"),
    ],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(numbers.Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(numbers.Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
    "beta_1": [Interval(numbers.Real, 0, 1, closed="left")],
    "beta_2": [Interval(numbers.Real, 0, 1, closed="left")],
    "epsilon": [Interval(numbers.Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(numbers.Integral, 1, None, closed="left"),
        Options(numbers.Real, {np.inf}),
    ],
    "max_fun": [Interval(numbers.Integral, 1, None, closed="left")],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "restore_best": ["boolean", StrOptions({"together"})],
    "init": [StrOptions(set(INITIALIZERS))],
    "dropout": [Interval(numbers.Real, 0, 1, closed="left"), "array-like"],
    "weight_decay": [Interval(numbers.Real, 0, None, closed="left")],
    "warmup_fraction": [Interval(numbers.Real, 0, 1, closed="left"), None],
    "max_grad_norm": [Interval(numbers.Real, 0, None, closed="neither"), None],
    "averaging": [Interval(numbers.Real, 0, 1, closed="left"), None],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "n_estimators": [Interval(numbers.Integral, 1, None, closed="left")],
    "share_batches": ["boolean"],
}


def check_combinations(estimator, held_out):
    """Refuse parameters that can't work together, and say what would.

    Parameters
    ----------
    estimator : BaseScratchMLP
    held_out : tuple
        The user's ``X_val``, ``y_val`` and ``sample_weight_val``, each or None.

    Raises
    ------
    ValueError
    """
    X_val, y_val, sample_weight_val = held_out
    for name in UNBOUNDED:
        value = getattr(estimator, name)
        if isinstance(value, int) and value > sys.float_info.max:
            raise ValueError(
                f"{name} must be no larger than {sys.float_info.max:.1e}, got an "
                f"integer of {value.bit_length()} bits."
            )
    stochastic = f"one of the solvers {sorted(OPTIMIZERS)}"
    refused = []
    if estimator.solver == "lbfgs":
        refused = [
            (f"{name}={getattr(estimator, name)!r}", stochastic)
            for name in ("dropout", "max_grad_norm", "averaging")
            if np.any(np.asarray(getattr(estimator, name), dtype=object))
        ]
    if not estimator.early_stopping or estimator.solver == "lbfgs":
        given = {
            f"scoring={estimator.scoring!r}": estimator.scoring,
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": sample_weight_val,
            "temperature_scaling=True": estimator._is_calibrated() or None,
        }
        needed = f"early_stopping=True and {stochastic}"
        refused += [(name, needed) for name, v in given.items() if v is not None]
    if estimator.warmup_fraction is not None and estimator.solver != "lbfgs":
        planned = sorted(name for name, s in SCHEDULES.items() if s.has_end)
        if estimator.learning_rate not in planned:
            needed = f"learning_rate to be one of {planned}"
            refused.append((f"warmup_fraction={estimator.warmup_fraction!r}", needed))
    for what, needed in refused:
        raise ValueError(
            f"{what} needs {needed}, got solver={estimator.solver!r}, "
            f"early_stopping={estimator.early_stopping}, "
            f"learning_rate={estimator.learning_rate!r}."
        )
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val must be given together, or neither.")
    if sample_weight_val is not None and X_val is None:
        raise ValueError("sample_weight_val needs X_val and y_val.")
    if isinstance(estimator.n_estimators, bool):
        raise ValueError(
            f"n_estimators must be a whole number, got {estimator.n_estimators}."
        )


def check_checkpoints(estimator, incremental):
    """Refuse to write what can't be gone on with.

    Parameters
    ----------
    estimator : BaseScratchMLP
    incremental : bool
        Whether it is ``partial_fit`` that is called.

    Raises
    ------
    ValueError
    """
    checkpoints = [c for c in callbacks_of(estimator) if isinstance(c, Checkpoint)]
    if not checkpoints:
        return
    if estimator.n_estimators > 1:
        raise ValueError(
            f"Checkpoint needs n_estimators=1, got {estimator.n_estimators}."
        )
    if incremental:
        raise ValueError("Checkpoint is for fit: after partial_fit, pickle.")
    if estimator.solver not in OPTIMIZERS:
        raise ValueError(
            f"Checkpoint needs one of the solvers {sorted(OPTIMIZERS)}, got "
            f"solver={estimator.solver!r}."
        )
    for checkpoint in checkpoints:
        checkpoint.check_place()
