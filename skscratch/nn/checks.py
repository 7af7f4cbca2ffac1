"""Checks of what a user gives: sizes, arrays of numbers, sources of random draws."""

import numbers

import numpy as np
from scipy.sparse import issparse

__all__ = ["as_numbers", "is_size", "random_source"]


def is_size(value):
    """Whether it is a positive whole number, and no truth value.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    is_whole = isinstance(value, numbers.Integral) and value is not True
    return is_whole and int(value) > 0


def as_numbers(values, name):
    """Array of what a user gives, refused by name where these are no real numbers.

    Parameters
    ----------
    values : {array-like, sparse array}
        Which stays sparse.
    name : str
        What it is called in errors.

    Returns
    -------
    {ndarray, sparse array}

    Raises
    ------
    ValueError
        If it is ragged, or holds complex numbers, text, dates or other objects.
    """
    array = values
    try:
        if not issparse(values):
            array = np.asarray(values)
        if array.dtype == object:
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}.") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of numbers, got {array.dtype}.")
    return array


def random_source(random_state):
    """``RandomState`` of what a user gives for one.

    Parameters
    ----------
    random_state : int, RandomState or None
        Or whatever else ``RandomState`` takes for a seed.

    Returns
    -------
    RandomState

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    try:
        return np.random.RandomState(random_state)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "random_state must be a whole number, a RandomState or None, got "
            f"{random_state!r}: {error}."
        ) from None
