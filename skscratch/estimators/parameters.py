"""What the estimators' parameters may be: each alone, and together.

scikit-learn checks each by its constraints; here are those that the estimators share,
and what no constraint can say.
"""

import numbers
import sys

import numpy as np

from skscratch._sklearn import (
    Interval,
    Options,
    RegisteredOptions,
    Splits,
    StrOptions,
)
from skscratch.estimators.checkpoint import Checkpoint
from skscratch.estimators.splitting import is_splitter
from skscratch.nn.activations import ACTIVATIONS, Activation
from skscratch.nn.initializers import INITIALIZERS
from skscratch.training.schedules import SCHEDULES, find_schedule, is_schedule
from skscratch.training.solvers import find_solver, is_solver, solver_names

__all__ = ["BATCH_SIZES", "CONSTRAINTS", "check_checkpoints", "check_combinations"]

# Sizes of batches that have names: of fewer samples each is all of them.
BATCH_SIZES = {"auto": 200, "small": 128}

# Parameters that may be any number from 0, but for integers that no float holds.
UNBOUNDED = (
    *("alpha", "learning_rate_init", "power_t", "tol", "epsilon", "weight_decay"),
    "max_grad_norm",
)


def _is_activation(value):
    # What stands in parentheses is checked when the network is made.
    return isinstance(value, Activation) or (isinstance(value, str) and "(" in value)


def _is_initializer(value):
    return callable(value) or (isinstance(value, tuple) and len(value) == 2)


def _scoring_names():
    # `sklearn.metrics` takes longer to import than this package: only when needed.
    from sklearn.metrics import get_scorer_names

    return ["loss", *get_scorer_names()]


CONSTRAINTS: dict = {
    "hidden_layer_sizes": [
        "array-like",
        Interval(numbers.Integral, 1, None, closed="left"),
    ],
    "activation": [
        RegisteredOptions(
            lambda: ACTIVATIONS,
            _is_activation,
            ", such a name with a parameter as in 'leaky_relu(0.2)', an Activation",
        ),
        "array-like",
    ],
    "solver": [
        RegisteredOptions(solver_names, is_solver, ", an Optimizer class or a Solver")
    ],
    "alpha": [Interval(numbers.Real, 0, None, closed="left")],
    "batch_size": [
        StrOptions(set(BATCH_SIZES)),
        Interval(numbers.Integral, 1, None, closed="left"),
    ],
    "learning_rate": [
        RegisteredOptions(lambda: SCHEDULES, is_schedule, " or a Schedule class")
    ],
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
    "scoring": [RegisteredOptions(_scoring_names), callable, None],
    "restore_best": ["boolean", StrOptions({"together"})],
    "validation_split": [Splits(), None],
    "init": [
        RegisteredOptions(
            lambda: INITIALIZERS,
            _is_initializer,
            ", a callable or a tuple of weights and biases",
        )
    ],
    "dropout": [Interval(numbers.Real, 0, 1, closed="left"), "array-like"],
    "weight_decay": [Interval(numbers.Real, 0, None, closed="left")],
    "warmup_fraction": [Interval(numbers.Real, 0, 1, closed="left"), None],
    "max_grad_norm": [Interval(numbers.Real, 0, None, closed="neither"), None],
    "averaging": [Interval(numbers.Real, 0, 1, closed="left"), None],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "n_estimators": [Interval(numbers.Integral, 1, None, closed="left")],
    "share_batches": ["boolean"],
}


def stochastic_solvers():
    """Names of the solvers that take a step for each batch, sorted."""
    return [name for name in solver_names() if find_solver(name).is_stochastic]


def check_combinations(parameters, validation):
    """Refuse parameters that can't work together, and say what would.

    Parameters
    ----------
    parameters : dict
        The estimator's, each valid by itself.
    validation : ValidationArguments

    Raises
    ------
    ValueError
    """
    get = parameters.__getitem__
    for name in UNBOUNDED:
        value = get(name)
        if isinstance(value, int) and value > sys.float_info.max:
            raise ValueError(
                f"{name} must be no larger than {sys.float_info.max:.1e}, got an "
                f"integer of {value.bit_length()} bits."
            )
    is_stochastic = find_solver(get("solver")).is_stochastic
    refused = []
    if not is_stochastic:
        refused = [
            (f"{name}={get(name)!r}", "{stochastic}")
            for name in ("dropout", "max_grad_norm", "averaging")
            if np.any(np.asarray(get(name), dtype=object))
        ]
    if not (get("early_stopping") and is_stochastic):
        given = {
            f"scoring={get('scoring')!r}": get("scoring"),
            "validation_split": get("validation_split"),
            **validation._asdict(),
            "temperature_scaling=True": parameters.get("temperature_scaling") or None,
        }
        needed = "early_stopping=True and {stochastic}"
        refused += [(name, needed) for name, v in given.items() if v is not None]
    if get("warmup_fraction") is not None and is_stochastic:
        schedule = find_schedule(get("learning_rate"))
        if not schedule.needs_total_steps:
            planned = [name for name, s in SCHEDULES.items() if s.needs_total_steps]
            needed = f"learning_rate to be one of {sorted(planned)}"
            refused.append((f"warmup_fraction={get('warmup_fraction')!r}", needed))
    for what, needed in refused:
        stochastic = f"one of the solvers {stochastic_solvers()}"
        needed = needed.format(stochastic=stochastic)
        raise ValueError(
            f"{what} needs {needed}, got solver={get('solver')!r}, "
            f"early_stopping={get('early_stopping')}, "
            f"learning_rate={get('learning_rate')!r}."
        )
    _check_validation(validation, get("validation_split"))
    if isinstance(get("n_estimators"), bool):
        raise ValueError(f"n_estimators must be an integer, got {get('n_estimators')}.")


def _check_validation(validation, validation_split):
    """Refuse validation data that lack a part, or are given in two ways."""
    X_val, y_val, sample_weight_val, groups = validation
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val must be given together, or neither.")
    if sample_weight_val is not None and X_val is None:
        raise ValueError("sample_weight_val needs X_val and y_val.")
    if X_val is not None and validation_split is not None:
        raise ValueError(
            "validation_split and X_val can't be given together: both say what to "
            "validate on. Leave one of them None."
        )
    if groups is not None and not _uses_groups(validation_split):
        got = "pairs of row indices"
        if validation_split is None or is_splitter(validation_split):
            got = repr(validation_split)
        raise ValueError(
            "groups needs a splitter that uses them, such as "
            f"validation_split=GroupKFold(5), got {got}."
        )


def _uses_groups(validation_split):
    """Whether groups make a difference; splitters of other authors are trusted."""
    if not is_splitter(validation_split):
        return False
    if not type(validation_split).__module__.startswith("sklearn."):
        return True
    routing = validation_split.get_metadata_routing()
    return bool(routing.consumes("split", ["groups"]))


def check_checkpoints(parameters, callbacks, is_incremental):
    """Refuse checkpoints of a training that could not be resumed from them.

    Parameters
    ----------
    parameters : dict
        The estimator's.
    callbacks : list
        Set on the estimator.
    is_incremental : bool
        Whether the call is ``partial_fit``.

    Raises
    ------
    ValueError
    """
    checkpoints = [c for c in callbacks if isinstance(c, Checkpoint)]
    if not checkpoints:
        return
    if is_incremental:
        raise ValueError(
            "Checkpoint is for fit: pickle the estimator after partial_fit instead."
        )
    if not find_solver(parameters["solver"]).is_stochastic:
        raise ValueError(
            f"Checkpoint needs one of the solvers {stochastic_solvers()}, got "
            f"solver={parameters['solver']!r}."
        )
    for checkpoint in checkpoints:
        checkpoint.check_path()
