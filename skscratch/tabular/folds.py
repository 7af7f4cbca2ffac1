"""Folds of rows that members of a hedged ensemble hold out in turn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_folds"]

MIN_ROWS = 4

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def draw_folds(
    n_rows: int, strata: Any, fraction: float, rng: np.random.RandomState
) -> list[Fold]:
    """Draw folds of equal size, in which classes are as frequent as in all rows.

    scikit-learn's ``StratifiedKFold`` warns of classes that have fewer rows than there
    are folds, and its folds differ in size, so that members could not share products of
    matrices. Here a few rows may be in no fold, and are always trained on.

    Parameters
    ----------
    n_rows : int
    strata : ndarray of int of shape (n_rows,) or None
        Class of each row. Rows of a class that has no other row are in no fold, unless
        hardly any others are left.
    fraction : float
        Share of the rows to hold out in each fold, about.
    rng : RandomState

    Returns
    -------
    list of tuple of (ndarray, ndarray)
        Rows to train on, and rows that are held out, of each fold.

    Raises
    ------
    ValueError
        If there are too few rows, or none are to be held out.
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
        # Neighbors, which go to different folds, are of one class.
        order = order[np.argsort(strata[order], kind="stable")]
    n_folds = min(max(round(1 / fraction), 2), len(order) // 2)
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
