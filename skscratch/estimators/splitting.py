"""The validation split of early stopping: drawn at random, or the user's own."""

import itertools
import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from skscratch.training.data import Split

__all__ = [
    "ValidationArguments",
    "check_validation_data",
    "draw_split",
    "is_splitter",
    "read_splits",
]


class ValidationArguments(NamedTuple):
    """Arguments of ``fit`` that early stopping uses, as the user passed them.

    Attributes
    ----------
    X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
    y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
    sample_weight_val : array-like of shape (n_val,), default=None
    groups : array-like of shape (n_samples,), default=None
    """

    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None


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


def is_splitter(validation_split):
    """Return whether a value is a splitter, rather than an iterable of splits.

    Parameters
    ----------
    validation_split : object

    Returns
    -------
    bool
    """
    return all(hasattr(validation_split, name) for name in ("split", "get_n_splits"))


def read_splits(validation_split, n_splits, data, given, groups, kept):
    """Read the splits of the parameter ``validation_split`` that members take.

    These are the first ones, except for a splitter that walks forward in time, such as
    ``TimeSeriesSplit``: its last ones, from the last on.

    Parameters
    ----------
    validation_split : splitter or iterable of (train, test)
    n_splits : int
        Number of splits that are needed; there may be fewer.
    data : FitData
        Samples of weight 0 are left out.
    given : tuple of three
        ``X``, ``y`` and ``sample_weight``, as the user passed them to ``fit``.
    groups : array-like of shape (n_samples,) or None
        Likewise.
    kept : ndarray of bool of shape (n_samples,)
        Which of the user's rows are left in ``data``.

    Returns
    -------
    list of Split

    Raises
    ------
    ValueError
        If there is no split, or one is no pair of row indices that are within the
        data, without overlap and not empty.
    """
    X, y, _ = given
    n_rows = len(kept)
    if is_splitter(validation_split):
        _check_groups(groups, n_rows)
        splits = _named_splits(validation_split.split(X, y, groups), n_rows)
        chosen = _first_or_latest(splits, n_splits, n_rows)
    else:
        chosen = itertools.islice(_named_splits(validation_split, n_rows), n_splits)
    # Row of ``data`` for each of the user's rows.
    places = np.cumsum(kept) - 1
    read = []
    for name, parts in chosen:
        train, test = (places[rows[kept[rows]]] for rows in parts)
        if not (len(train) and len(test)):
            raise ValueError(
                f"{name} needs training rows and validation rows of positive "
                f"sample_weight, got {len(train)} and {len(test)}."
            )
        if data.weights is not None and not data.weights[train].any():
            raise ValueError(
                f"the training rows of {name} all have weight 0: give some of them a "
                "weight, by sample_weight and class_weight."
            )
        read.append(Split(data, train, test))
    if not read:
        raise ValueError(
            "validation_split must have at least one pair of row indices, got none. An "
            "iterator can be read only once: pass a list instead."
        )
    return read


def _named_splits(splits, n_rows):
    """Yield the name of each split and its checked parts, one split at a time."""
    for number, split in enumerate(splits):
        name = f"split {number} of validation_split"
        yield name, _check_split(split, n_rows, name)


def _first_or_latest(splits, n_splits, n_rows):
    """Choose splits of a splitter: the first, or the latest of those that walk forward.

    Splits walk forward in time if none is trained on rows that a later one holds out.
    Then the first ones use the oldest rows alone.

    Parameters
    ----------
    splits : iterator of (str, (ndarray, ndarray))
        Read no further than necessary: there may be as many as rows.
    n_splits : int
    n_rows : int

    Returns
    -------
    list of (str, (ndarray, ndarray))
        At most ``n_splits``. The latest are in reverse order.
    """
    first: list[Any] = []
    latest: deque[Any] = deque(maxlen=n_splits)
    walks_forward, is_trained_on = True, np.zeros(n_rows, bool)
    for split in splits:
        train, test = split[1]
        walks_forward = walks_forward and not is_trained_on[test].any()
        is_trained_on[train] = True
        latest.appendleft(split)
        if len(first) < n_splits:
            first.append(split)
        if len(first) == n_splits and not walks_forward:
            break
    return list(latest) if walks_forward else first


def _check_groups(groups, n_samples):
    if groups is None:
        return
    has_length = np.iterable(groups) and hasattr(groups, "__len__")
    if not has_length or len(groups) != n_samples:
        got = f"{len(groups)}" if has_length else type(groups).__name__
        raise ValueError(
            f"groups must have one label for each of the {n_samples} samples, got "
            f"{got}."
        )


def _check_split(split, n_samples, name):
    """Row numbers of a pair (train, test), as arrays."""
    is_pair = np.iterable(split) and not isinstance(split, (str, bytes, dict, set))
    parts = list(itertools.islice(split, 3)) if is_pair else []
    if len(parts) != 2:
        raise ValueError(
            f"{name} must be a pair of row indices, (train, test), got "
            f"{type(split).__name__}. A single split is a list of one pair: "
            "[(train, test)]."
        )
    train, test = (
        _check_rows(part, n_samples, f"the {which} rows of {name}")
        for part, which in zip(parts, ("training", "validation"), strict=True)
    )
    is_trained_on = np.zeros(n_samples, bool)
    is_trained_on[train] = True
    common = np.unique(test[is_trained_on[test]])
    if common.size:
        raise ValueError(
            f"{name} must not have a row in both parts, but {common.size} are, such as "
            f"row {common[0]}."
        )
    return train, test


def _check_rows(rows, n_samples, name):
    """Row numbers as an array, a copy."""
    try:
        rows = np.asarray(rows)
    except ValueError:  # Of lists of different lengths.
        rows = np.asarray(None)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        advice = ""
        if rows.dtype == bool:
            advice = ": convert a mask with numpy.flatnonzero"
        raise ValueError(
            f"{name} must be a one-dimensional array of integers, got {rows.ndim} "
            f"dimensions of {rows.dtype}{advice}."
        )
    if not rows.size:
        raise ValueError(f"{name} must be at least one row, got none.")
    if rows.min() < 0 or rows.max() >= n_samples:
        outside = rows[(rows < 0) | (rows >= n_samples)][0]
        raise ValueError(
            f"{name} must be from 0 to {n_samples - 1}, got the row index {outside}."
        )
    return rows.astype(np.intp)


def check_validation_data(split, fraction, is_given=False):
    """Refuse validation data that give no score.

    Parameters
    ----------
    split : Split
    fraction : float
        The parameter ``validation_fraction``.
    is_given : bool, default=False
        Whether the split is the user's own, rather than drawn.

    Raises
    ------
    ValueError
        If all weights are 0, or targets so large that their squares overflow.
    """
    data = split.validation_data()
    if data.weights is not None and not data.weights.any():
        # The user's own samples of weight 0 are gone: these were set aside.
        advice = f"raise validation_fraction={fraction}"
        if is_given:
            advice = "choose others by validation_split"
        raise ValueError(
            "all samples that were set aside to validate on have weight 0: give more "
            f"of them a weight, by sample_weight and class_weight, {advice}, or pass "
            "X_val and y_val."
        )
    with np.errstate(over="ignore"):
        is_bounded = data.Y.dtype == bool or np.isfinite(np.square(data.Y).sum())
    if not is_bounded:
        name = "y" if split.is_drawn else "y_val"
        raise ValueError(
            f"{name} holds values too large to validate on in {data.Y.dtype}: their "
            "squares overflow."
        )
