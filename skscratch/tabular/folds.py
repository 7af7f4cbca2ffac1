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
    """Draw stratified folds of equal size, as many as are disjoint.

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
        Share of the rows in each fold, about; at least two rows. If it exceeds a half,
        the training rows of the folds are disjoint instead of the held-out rows.
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
    if n_rows < MIN_ROWS:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the "
            f"size of your dataset: early stopping needs at least {MIN_ROWS} samples, "
            f"got n_samples = {n_rows}. Use early_stopping=False to train on all."
        )
    # A fold takes one row of every `step` rows.
    step = min(1 / _smaller_share(fraction), len(order) // 2)
    places = np.arange(len(order)) % step // 1
    size = min(np.count_nonzero(places == number) for number in range(int(step)))
    folds = []
    for number in range(int(step)):
        is_held = np.zeros(n_rows, dtype=bool)
        is_held[order[places == number][:size]] = True
        if fraction > 0.5:
            is_held[order] = ~is_held[order]
        folds.append((np.flatnonzero(~is_held), np.flatnonzero(is_held)))
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
    return ranks // round(1 / _smaller_share(fraction))


def _smaller_share(fraction: float) -> float:
    """Share of the held-out rows or of the training rows, whichever is smaller."""
    # Rounded, because 1 - 0.9 is not 0.1, and never 0.
    return max(min(fraction, round(1 - fraction, 9)), 1e-9)
