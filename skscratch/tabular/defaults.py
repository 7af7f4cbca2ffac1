"""Recipe for tables: network parameters that differ from the estimators' defaults."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

__all__ = [
    "CLASSIFIER_RECIPE",
    "INCOMPATIBLE",
    "RECIPE",
    "REGRESSOR_RECIPE",
    "recipe_of",
    "with_recipe",
]

# Parameters that differ from the estimators' defaults: shared ones, then those of each
# recipe.
RECIPE: dict[str, Any] = {
    "hidden_layer_sizes": (128, 128, 128),
    "init": "he",
    "solver": "adamw",
    "alpha": 0.0,
    "beta_2": 0.95,
    "batch_size": "small",
    "learning_rate": "coslog4",
    "max_iter": "auto",
    "n_estimators": 3,
    "early_stopping": True,
    "n_iter_no_change": np.inf,
    "validation_fraction": 0.125,
    "dtype": "float32",
}
CLASSIFIER_RECIPE: dict[str, Any] = {
    "learning_rate_init": 0.005,
    "restore_best": "together",
    "label_smoothing": 0.1,
    "temperature_scaling": True,
}
REGRESSOR_RECIPE: dict[str, Any] = {
    "learning_rate_init": 0.002,
    # If all validation targets are equal, as may happen with rare counts, R² is the
    # same in every epoch and can't choose the best one.
    "scoring": "loss",
}
# Recipe parameters to leave out because they are incompatible with a given parameter.
# Otherwise, an error would name parameters that the user has not set.
INCOMPATIBLE: dict[tuple[str, Any], tuple[str, ...]] = {
    ("early_stopping", False): ("scoring", "temperature_scaling"),
    ("solver", "lbfgs"): ("scoring", "temperature_scaling"),
}


def recipe_of(network: Any) -> dict[str, Any]:
    """Return all parameters of a network with the values of its task's recipe.

    Parameters
    ----------
    network : ScratchMLPClassifier or ScratchMLPRegressor

    Returns
    -------
    dict
    """
    own_recipe = CLASSIFIER_RECIPE if is_classifier(network) else REGRESSOR_RECIPE
    return type(network)().get_params() | RECIPE | own_recipe


def with_recipe(
    own_recipe: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Complete parameters with the compatible ones of the recipe.

    Parameters
    ----------
    own_recipe : dict
        ``CLASSIFIER_RECIPE`` or ``REGRESSOR_RECIPE``.
    parameters : dict
        Parameters given by the user.

    Returns
    -------
    dict
    """
    recipe = RECIPE | own_recipe
    for (name, value), left_out in INCOMPATIBLE.items():
        if parameters.get(name) == value:
            recipe = {key: v for key, v in recipe.items() if key not in left_out}
    return recipe | parameters
