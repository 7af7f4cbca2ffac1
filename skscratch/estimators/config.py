"""From an estimator's parameters to a ``TrainingConfig``."""

import contextlib
import math

import numpy as np

from skscratch.estimators.parameters import BATCH_SIZES
from skscratch.nn.checks import is_size
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import MOST_PARAMETERS, count_parameters
from skscratch.training.config import TrainingConfig
from skscratch.training.schedules import Constant, find_schedule
from skscratch.training.solvers import find_solver

__all__ = [
    "auto_max_iter",
    "check_streams",
    "resolve_config",
    "resolve_schedule",
    "with_training_rows",
]

# max_iter="auto" means about so many steps for 1,000 samples, and in proportion to the
# square root of the number of samples for others, within these numbers of epochs; for a
# solver without steps, so many iterations.
AUTO_STEPS = 400
MIN_AUTO_EPOCHS, MAX_AUTO_EPOCHS = 8, 400
AUTO_ITERATIONS = 200


def resolve_config(
    parameters, data, targets, *, split=None, is_incremental=False, backend="auto"
):
    """Resolve an estimator's parameters for a training.

    Parameters
    ----------
    parameters : dict
        The estimator's, each valid by itself.
    data : FitData
    targets : ClassTargets or NumericTargets
    split : Split, default=None
        The user's own validation data.
    is_incremental : bool, default=False
        Whether this is a call of ``partial_fit``.
    backend : {"auto", "numpy", "compiled"}, default="auto"
        Backend that is asked for.

    Returns
    -------
    TrainingConfig

    Raises
    ------
    ValueError
        If a parameter does not fit others, or makes a network too large.
    """
    get = parameters.__getitem__
    solver = find_solver(get("solver"))
    _check_loss(solver, targets.loss, parameters)
    hidden = _hidden_sizes(get("hidden_layer_sizes"))
    sizes = (data.X.shape[1], *hidden, targets.n_raw_outputs)
    _check_size(sizes, parameters)
    early_stopping = get("early_stopping") and solver.is_stochastic
    schedule = resolve_schedule(get("learning_rate"), solver)
    # A planned schedule is only cut short by validation.
    is_cut_short = early_stopping or not schedule.needs_total_steps
    max_epochs = 1 if is_incremental else get("max_iter")
    if max_epochs == "auto":
        is_drawn = early_stopping and split is None
        share = 1 - get("validation_fraction") if is_drawn else 1
        n_samples = data.n_samples * share
        max_epochs = auto_max_iter(solver, n_samples, get("batch_size"))
    return TrainingConfig(
        sizes=sizes,
        activation=get("activation"),
        loss=targets.loss,
        init=get("init"),
        dtype=data.X.dtype,
        solver=solver,
        optimizer_options=_options(solver.optimizer, parameters),
        schedule=schedule,
        schedule_options=_options(schedule, parameters),
        learning_rate_init=get("learning_rate_init"),
        max_epochs=max_epochs,
        max_fun=get("max_fun"),
        batch_size=BATCH_SIZES.get(get("batch_size"), get("batch_size")),
        is_batch_size_given=get("batch_size") not in BATCH_SIZES,
        shuffle=get("shuffle"),
        alpha=get("alpha"),
        tol=get("tol"),
        patience=get("n_iter_no_change") if is_cut_short else math.inf,
        dropout=_dropout_rates(get("dropout"), len(hidden)),
        smoothing=targets.smoothing(parameters.get("label_smoothing")),
        calibration_classes=(
            targets.n_alternatives if parameters.get("temperature_scaling") else None
        ),
        max_grad_norm=get("max_grad_norm"),
        averaging=get("averaging"),
        early_stopping=get("early_stopping"),
        validation_fraction=get("validation_fraction"),
        restore_best=get("restore_best") is True,
        restore_best_together=get("restore_best") == "together",
        n_estimators=get("n_estimators"),
        share_batches=get("share_batches"),
        is_incremental=is_incremental,
        backend=backend,
    )


def with_training_rows(config, parameters, n_samples):
    """Resolve ``max_iter='auto'`` anew, for a number of samples to train on.

    Parameters
    ----------
    config : TrainingConfig
    parameters : dict
        The estimator's, which it was resolved from.
    n_samples : int

    Returns
    -------
    TrainingConfig
    """
    if parameters["max_iter"] != "auto":
        return config
    max_epochs = auto_max_iter(config.solver, n_samples, parameters["batch_size"])
    return config._replace(max_epochs=max_epochs)


def resolve_schedule(learning_rate, solver):
    """Schedule that a solver follows: one that it ignores is a constant rate.

    Parameters
    ----------
    learning_rate : str or type of Schedule
    solver : Solver

    Returns
    -------
    type of Schedule
    """
    schedule = find_schedule(learning_rate)
    if not solver.is_stochastic:
        return Constant
    followers = schedule.optimizers
    follows = followers is None or issubclass(solver.optimizer, followers)
    return schedule if follows else Constant


def check_streams(solver, learning_rate):
    """Refuse parameters that make ``partial_fit`` impossible.

    Parameters
    ----------
    solver, learning_rate : object
        The estimator's parameters, not yet validated.

    Raises
    ------
    AttributeError
    """
    found = find_solver(solver)
    if not found.is_stochastic:
        raise AttributeError(
            "partial_fit is only available for stochastic solvers, got "
            f"solver={solver!r}."
        )
    try:
        schedule = resolve_schedule(learning_rate, found)
    except ValueError:
        return  # The method says what is wrong with the parameter.
    if schedule.needs_total_steps:
        raise AttributeError(
            "partial_fit is only available for schedules that need not know the "
            f"number of epochs, got learning_rate={learning_rate!r}, which is "
            "planned for max_iter epochs. Use fit, or learning_rate='constant'."
        )


def _options(cls, parameters):
    """Hyperparameters of an optimizer or a schedule, by name."""
    names = () if cls is None else cls.hyperparameters
    return {name: parameters[name] for name in names if name in parameters}


def _check_loss(solver, loss, parameters):
    if solver.needs_smooth_loss and not resolve_loss(loss).is_smooth:
        raise ValueError(
            f"solver={parameters['solver']!r} needs a loss whose gradient has no "
            f"jumps, got loss={parameters['loss']!r}: use solver='adam', or "
            "loss='huber'."
        )


def _hidden_sizes(hidden_layer_sizes):
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object))
    if sizes.ndim != 1 or not all(map(is_size, sizes)):
        raise ValueError(
            "hidden_layer_sizes must be > 0, one integer for each hidden layer, got "
            f"{hidden_layer_sizes!r}."
        )
    return [int(size) for size in sizes]


def _check_size(sizes, parameters):
    n_estimators = parameters["n_estimators"]
    if n_estimators * count_parameters(sizes) > MOST_PARAMETERS:
        raise ValueError(
            f"hidden_layer_sizes={parameters['hidden_layer_sizes']!r}, {sizes[0]} "
            f"features and n_estimators={n_estimators} make more than "
            f"{MOST_PARAMETERS:,} parameters, the most that networks may have."
        )


def _dropout_rates(dropout, n_layers):
    """Rate of each hidden layer."""
    rates = np.array(np.nan)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        given = np.asarray(dropout)
        if given.dtype.kind in "biufO":  # Not words that spell numbers.
            rates = given.astype(np.float64)
    if rates.ndim == 0:
        rates = np.repeat(rates, n_layers)
    if rates.shape != (n_layers,) or not ((rates >= 0) & (rates < 1)).all():
        raise ValueError(
            "dropout must be a number from 0 to below 1, or one for each hidden layer "
            f"({n_layers}), got {dropout!r}."
        )
    return tuple(rates.tolist())


def auto_max_iter(solver, n_samples, batch_size):
    """Resolve ``max_iter='auto'``.

    Parameters
    ----------
    solver : Solver
    n_samples : float
        Number of training samples, without those set aside.
    batch_size : int or str
        The estimator's parameter.

    Returns
    -------
    int
        Number of epochs, or of iterations of a solver that has none.
    """
    if not solver.is_stochastic:
        return AUTO_ITERATIONS
    batch = BATCH_SIZES.get(batch_size, batch_size)
    n_batches = n_samples / min(batch, n_samples)
    n_epochs = AUTO_STEPS * math.sqrt(n_samples / 1000) / n_batches
    return round(min(max(n_epochs, MIN_AUTO_EPOCHS), MAX_AUTO_EPOCHS))
