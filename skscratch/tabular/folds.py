"""Folds of rows that the members of a hedged ensemble hold out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_folds", "strata_of_numbers"]

MIN_ROWS = 4

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def draw_folds(
    n_rows: int, strata: Any, fraction: float, rng: np.random.RandomState
) -> list[Fold]:
    """Draw stratified folds of equal size.

    scikit-learn's ``StratifiedKFold`` warns about classes with fewer rows than folds,
    and its folds differ in size, which prevents members from sharing matrix products.
    Here, a few rows may be in no fold, and are always used for training.

    Parameters
    ----------
    n_rows : int
    strata : ndarray of int of shape (n_rows,) or None
        Class of each row, or its stratum by ``strata_of_numbers``. The only row of a
        stratum is in no fold, unless hardly any other rows are left.
    fraction : float
        Approximate share of the rows in each fold.
    rng : RandomState

    Returns
    -------
    list of tuple of (ndarray, ndarray)
        Training rows and held-out rows of each fold.

    Raises
    ------
    ValueError
        If there are too few rows, or ``fraction`` is 0.
    """
    if not fraction:
        raise ValueError(
            f"validation_fraction={fraction} of {n_rows} samples leaves none to "
            "validate on: raise it, or use early_stopping=False."
        )
    order = rng.permutation(n_rows)
    if strata is not None:
        is_alone = np.bincount(strata)[strata[order]] < 2
        if np.count_nonzero(~is_alone) >= MIN_ROWS:
            order = order[~is_alone]
        # Neighbors go to different folds: sort them by class.
        order = order[np.argsort(strata[order], kind="stable")]
    n_folds = min(_usual_number(fraction), len(order) // 2)
    if n_rows < MIN_ROWS:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the "
            f"size of your dataset: early stopping needs at least {MIN_ROWS} samples, "
            f"got n_samples = {n_rows}. Use early_stopping=False to train on all."
        )
    size = len(order) // n_folds
    folds = []
    for number in range(n_folds):
        held = np.sort(order[number::n_folds][:size])
        is_held = np.zeros(n_rows, dtype=bool)
        is_held[held] = True
        folds.append((np.flatnonzero(~is_held), held))
    return folds


def strata_of_numbers(y: NDArray[Any], fraction: float) -> NDArray[np.intp]:
    """Divide rows into strata of similar targets, one row for each fold.

    If only a few targets are large, a fold drawn at random may have none of them. The
    network that holds it out would then look best before it has learned anything.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    fraction : float
        Approximate share of the rows in each fold, as in ``draw_folds``.

    Returns
    -------
    ndarray of int of shape (n_rows,)
    """
    ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return ranks // _usual_number(fraction)


def _usual_number(fraction: float) -> int:
    """Number of folds, if there are enough rows."""
    return max(round(1 / fraction), 2)
