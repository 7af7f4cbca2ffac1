"""What training needs of data: rows of finite numbers, and some of them held out."""

import datetime
import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.sparsefuncs import mean_variance_axis

from skscratch._sklearn import check_sample_weight

__all__ = [
    "Held",
    "as_rows",
    "cast",
    "far_scales",
    "is_of_dates",
    "is_plain",
    "refuse_dates",
    "too_large",
]

# Rows that tell the scales of columns, and scales that training bears.
SOME_ROWS = 256
SMALLEST, LARGEST = 1e-4, 1e4


class Held(NamedTuple):
    """Validation data: rows of the training data, or the user's own.

    Attributes
    ----------
    X : {ndarray, CSR array}
        All rows of the data that ``rows`` counts in.
    y : ndarray
        Targets as the user gave them, of the same rows.
    Y : ndarray of shape (n_samples, n_outputs)
        Targets as numbers, of the same rows.
    weights : ndarray of shape (n_samples,) or None
    training_rows : ndarray of int or None
        Rows of the training data to train on; None means all of them.
    rows : ndarray of int or None
        Those that are held out; None means all of them.
    """

    X: Any
    y: Any
    Y: Any
    weights: Any
    training_rows: Any
    rows: Any

    def only(self, array):
        """Rows of an array that are held out."""
        return array if self.rows is None or array is None else array[self.rows]


def as_rows(X, y, sample_weight, name):
    """Bring data to rows that minibatches can be gathered from.

    Parameters
    ----------
    X : {ndarray, sparse array} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,) or None
    name : str
        What the weights are called in errors.

    Raises
    ------
    ValueError
        If weights are negative, not finite, none of them positive, or not as many.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    # A memory map's rows are read as plain arrays.
    X = X.tocsr() if issparse(X) else np.asarray(X)
    if sample_weight is not None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                sample_weight = check_sample_weight(
                    sample_weight, X, dtype=X.dtype, ensure_non_negative=True
                )
        except ValueError as error:
            message = str(error).replace("sample_weight", name)
            raise ValueError(message) from None
        except OverflowError as error:
            raise too_large(name, error) from None
        if not (np.isfinite(sample_weight).all() and sample_weight.any()):
            raise ValueError(
                f"{name} must be finite, and positive for at least one sample."
            )
    return X, y, sample_weight


def cast(array, dtype, name):
    """Bring targets or weights to the network's dtype; truth values stay.

    Parameters
    ----------
    array : ndarray or None
    dtype : dtype
    name : str
        What they are called in errors.

    Raises
    ------
    ValueError
        If one is not finite in that dtype.
    """
    if array is None or array.dtype == bool:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype, copy=False)
        total = array.sum()
    if not np.isfinite(array).all() or (name != "y" and not np.isfinite(total)):
        raise ValueError(
            f"{name} contains NaN, infinity or values too large for {dtype}."
        )
    return array


def too_large(names, error):
    """Error that says in our words what Python says of integers that no float holds.

    Parameters
    ----------
    names : str
        What the data are called.
    error : OverflowError

    Returns
    -------
    ValueError
    """
    return ValueError(f"{names} must hold numbers that floats can hold: {error}.")


def is_plain(X, dtype, n_features):
    """Whether samples are what a network takes as they are.

    scikit-learn's validation comes to the same, and takes several times as long as the
    prediction for a single row. What is not plain is left to it, and so are the errors.

    Parameters
    ----------
    X : object
    dtype : dtype
    n_features : int

    Returns
    -------
    bool
        True for a contiguous array of this dtype and width, of one row or more, whose
        numbers and the sum of their squares are finite.
    """
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and X.shape[1] == n_features
        and X.shape[0] > 0
        and X.flags.c_contiguous
        # A product of BLAS, which warns of nothing.
        and math.isfinite(np.vdot(X, X))
    )


def refuse_dates(X):
    """Refuse dates and durations, which scikit-learn takes for numbers.

    Parameters
    ----------
    X : array-like

    Raises
    ------
    ValueError
        If ``X`` holds them.
    """
    if hasattr(X, "columns"):
        kinds = set(X.dtypes)
    elif isinstance(X, np.ndarray) and X.dtype == object:
        kinds = set(map(type, X.ravel()))
    elif isinstance(X, (list, tuple)):
        kinds = set()
        for row in X:  # An array as a row is of one type.
            if isinstance(row, np.ndarray) and row.dtype != object:
                kinds.add(row.dtype)
            elif np.iterable(row):
                kinds.update(map(type, row))
    else:
        kinds = {getattr(X, "dtype", None)}
    for kind in kinds:
        if is_of_dates(kind):
            raise ValueError(f"X must hold numbers, got dates or durations ({kind}).")


def is_of_dates(kind):
    """Whether a dtype, of NumPy, pandas or polars, or a type is one of dates.

    Or of durations; that of an object is no dtype of dates, whatever it holds.

    Parameters
    ----------
    kind : dtype or type

    Returns
    -------
    bool
    """
    if isinstance(kind, type):
        spans = (np.datetime64, np.timedelta64, datetime.timedelta)
        return issubclass(kind, spans) or hasattr(kind, "strftime")
    if getattr(kind, "kind", None) in ("M", "m"):
        return True
    return bool(getattr(kind, "is_temporal", bool)())


def far_scales(X, names):
    """Sentence on columns whose scale training suffers from, if there are any.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    names : sequence of length n_features
        Of the columns.

    Returns
    -------
    str
        With a space before it; empty where all scales are within bounds.
    """
    rows = X[:SOME_ROWS]
    with np.errstate(over="ignore", invalid="ignore"):
        if issparse(rows):
            scales = np.sqrt(mean_variance_axis(rows.astype(np.float64), axis=0)[1])
        else:
            scales = rows.std(axis=0, dtype=np.float64)
    far = np.flatnonzero((scales > 0) & ~((scales > SMALLEST) & (scales < LARGEST)))
    if not far.size:
        return ""
    listed = ", ".join(f"{names[i]} ({scales[i]:.1e})" for i in far[:5])
    more = f" and {far.size - 5} more" if far.size > 5 else ""
    return (
        " Standard deviations far from 1, which standardising mends, are those of "
        f"columns {listed}{more}."
    )
