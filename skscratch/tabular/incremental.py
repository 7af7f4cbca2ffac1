"""Further training of an ensemble's networks, for ``partial_fit``.

The networks of a hedged ensemble are trained by a schedule that is planned for a number
of epochs, and by early stopping. Neither is possible on a stream of rows. This module
trains copies of them at a low constant rate.
"""

import copy
from typing import Any

from skscratch._sklearn import callbacks_of

__all__ = ["FURTHER", "RATE_SHARE", "train_further"]

# Share of the learning rate of ``fit``, whose schedule ends at a rate of 0. Large steps
# would undo what it has gained.
RATE_SHARE = 0.1

# Parameters of further training that differ from those of ``fit``.
FURTHER: dict[str, Any] = {
    "learning_rate": "constant",
    "warmup_fraction": None,
    "early_stopping": False,
    "restore_best": False,
    "scoring": None,
    "temperature_scaling": False,
}


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
    further = copy.deepcopy(network, shared)
    parameters = network.get_params(deep=False)
    changed = {name: FURTHER[name] for name in FURTHER if name in parameters}
    changed["learning_rate_init"] = RATE_SHARE * network.learning_rate_init
    # An interrupted fit may have trained fewer networks than planned.
    changed["n_estimators"] = len(getattr(network, "estimators_", [network]))
    further.set_params(**changed).partial_fit(X, y, weights)
    if further.is_interrupted_:
        raise KeyboardInterrupt("partial_fit was interrupted: the model is unchanged.")
    further.set_params(**{name: parameters[name] for name in changed})
    del changed["n_estimators"]  # Each member is a single network.
    for member in getattr(further, "estimators_", []):
        member.set_params(**{name: parameters[name] for name in changed})
    if hasattr(network, "temperature_"):
        further.temperature_ = network.temperature_
    return further
