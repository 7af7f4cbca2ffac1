"""Further training of an ensemble's networks, for ``partial_fit``.

The networks of a hedged ensemble are trained with a schedule planned for a number of
epochs, and with early stopping. Neither is possible on a stream of rows. This module
trains copies of them at a constant rate, and averages their parameters over the steps,
which has the effect of a falling rate.
"""

from typing import Any

from skscratch._sklearn import callbacks_of
from skscratch.estimators.base import copy_as_saved
from skscratch.tabular.defaults import recipe_of

__all__ = ["FURTHER", "IF_UNCHANGED", "RATE_SHARE", "train_further"]

# Share of the learning rate of ``fit``.
RATE_SHARE = 0.2

# Parameters of further training that differ from those of ``fit``.
FURTHER: dict[str, Any] = {
    "learning_rate": "constant",
    "warmup_fraction": None,
    "early_stopping": False,
    "restore_best": False,
    "scoring": None,
    "temperature_scaling": False,
}
# Likewise, unless the user has set them to another value than the recipe's. Small
# batches take more steps in a single epoch.
IF_UNCHANGED: dict[str, Any] = {"batch_size": 32, "averaging": 0.99}


def train_further(network: Any, X: Any, y: Any, weights: Any) -> Any:
    """Train a copy of a network for one epoch on further samples.

    The optimizer continues from call to call. The temperature stays as fitted.

    Parameters
    ----------
    network : ScratchMLPClassifier or ScratchMLPRegressor
        Fitted, perhaps an ensemble.
    X : ndarray of shape (n_samples, n_inputs)
        Encoded samples.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Scaled targets.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    ScratchMLPClassifier or ScratchMLPRegressor
        The copy, with the parameters of the network.

    Raises
    ------
    ValueError
        If the data are invalid, or training diverges.
    KeyboardInterrupt
        If the user interrupts training.
    """
    # Callbacks are the user's own objects.
    shared = {id(callback): callback for callback in callbacks_of(network)}
    further = copy_as_saved(network, shared)
    parameters = _parameters(network, len(X))
    further.set_params(**parameters).partial_fit(X, y, weights)
    if further.is_interrupted_:
        raise KeyboardInterrupt("partial_fit was interrupted: the model is unchanged.")
    for each in [further, *getattr(further, "estimators_", [])]:
        names = set(parameters) - ({"n_estimators"} if each is not further else set())
        each.set_params(**{name: getattr(network, name) for name in names})
    if hasattr(network, "temperature_"):
        further.temperature_ = network.temperature_
    return further


def _parameters(network: Any, n_samples: int) -> dict[str, Any]:
    """Parameters of further training, where they may differ from the network's."""
    recipe = recipe_of(network)
    parameters = {name: value for name, value in FURTHER.items() if name in recipe}
    for name, value in IF_UNCHANGED.items():
        if getattr(network, name) == recipe[name]:
            parameters[name] = value
    batch_size = parameters.get("batch_size", network.batch_size)
    if not isinstance(batch_size, str):
        # A call may have few rows: don't warn that a batch is larger.
        parameters["batch_size"] = min(batch_size, n_samples)
    return parameters | {
        "learning_rate_init": RATE_SHARE * network.learning_rate_init,
        # An interrupted fit may have trained fewer networks than planned.
        "n_estimators": len(getattr(network, "estimators_", [network])),
    }
