"""The validation split of early stopping."""

import math

import numpy as np

from skscratch.training.data import Split

__all__ = ["check_validation_data", "draw_split"]


def draw_split(data, targets, fraction, random_state):
    """Set rows aside at random to validate on, as scikit-learn does.

    Parameters
    ----------
    data : FitData
    targets : ClassTargets or NumericTargets
    fraction : float
        Share of the samples to set aside; more where that is less than two samples, or
        than one of each stratum.
    random_state : RandomState

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If there are too few samples.
    """
    n_samples = data.n_samples
    strata = targets.stratify_by(data.Y)
    n_strata = 1 if strata is None else len(np.unique(strata))
    n_needed = max(2, n_strata)
    size = fraction
    if 0 < math.ceil(size * n_samples) < n_needed:
        size = n_needed
        if n_samples - n_needed < n_strata:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or "
                "the size of your dataset: early stopping needs at least "
                f"{n_needed + n_strata} samples, got n_samples = {n_samples}."
            )
    n_held = size if size == n_needed else math.ceil(size * n_samples)
    n_left = n_samples - n_held
    if not size or n_left < n_strata:
        raise ValueError(
            f"validation_fraction={fraction} of {n_samples} samples leaves {n_left} to "
            f"train on and {n_samples - n_left} to validate on: at least {n_strata} "
            f"and {n_needed} are needed."
        )
    # Takes longer to import than this package, which many fits don't need it for.
    from sklearn.model_selection import train_test_split

    try:
        rows = train_test_split(
            np.arange(n_samples),
            test_size=size,
            random_state=random_state,
            stratify=strata,
        )
    except ValueError as error:
        # It names the strata, True and False, instead of the classes.
        raise ValueError(
            f"{error} {targets.describe_strata(data.y, data.Y)}: early stopping needs "
            "two samples of each, or X_val and y_val."
        ) from None
    return Split(data, *rows)


def check_validation_data(split, fraction):
    """Refuse validation data that give no score.

    Parameters
    ----------
    split : Split
    fraction : float
        The parameter ``validation_fraction``.

    Raises
    ------
    ValueError
        If all weights are 0, or targets so large that their squares overflow.
    """
    data = split.validation_data()
    if data.weights is not None and not data.weights.any():
        # The user's own samples of weight 0 are gone: these were set aside.
        raise ValueError(
            "all samples that were set aside to validate on have weight 0: give more "
            "of them a weight, by sample_weight and class_weight, raise "
            f"validation_fraction={fraction}, or pass X_val and y_val."
        )
    with np.errstate(over="ignore"):
        is_bounded = data.Y.dtype == bool or np.isfinite(np.square(data.Y).sum())
    if not is_bounded:
        name = "y" if split.is_drawn else "y_val"
        raise ValueError(
            f"{name} holds values too large to validate on in {data.Y.dtype}: their "
            "squares overflow."
        )
