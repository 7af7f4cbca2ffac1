"""Tables of any form: their columns, and the checks that a table must pass.

A table is a DataFrame of pandas or Polars, an array or a list of rows. What the columns
are taken for is decided in ``roles``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skscratch.estimators.validation import is_of_dates
from skscratch.tabular.numeric_text import MISSING_TYPES, is_missing

__all__ = [
    "check_table",
    "column_values",
    "dtype_name",
    "is_categorical_dtype",
    "table_columns",
]

# dtypes of pandas and Polars, by the beginnings of their names in lower case.
CATEGORY_DTYPES = ("categor", "enum")


def table_columns(X: Any) -> list[tuple[Any, Any]]:
    """List name and values of each column; the name is the index in an array.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    list of tuple
        Name and column, in the form in which the table holds it.

    Raises
    ------
    ValueError
        If the table is sparse or not two-dimensional, if it has no columns, or if their
        names are not unique.
    """
    if issparse(X):
        raise ValueError(
            "a table must be dense, got a sparse matrix: convert it with X.toarray()."
        )
    if hasattr(X, "columns"):
        names = list(X.columns)
        _check_names(names)
        columns = [(name, X[name]) for name in names]
    else:
        X = np.asarray(X)
        _check_two_dimensional(X)
        columns = list(enumerate(X.T))
    if not columns:
        raise ValueError("a table must have at least one column, got none.")
    return columns


def _check_names(names: list[Any]) -> None:
    if any(isinstance(name, tuple) for name in names):
        raise ValueError(
            f"a table must have one name per column, got {names[:3]}: flatten the "
            "names."
        )
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"a table must have unique column names, got {repeated[0]!r} "
            f"{names.count(repeated[0])} times."
        )


def column_values(name: Any, column: Any) -> tuple[NDArray[Any], set[type]]:
    """Values of a column, and their types, if these are supported.

    Parameters
    ----------
    name : object
        Name of the column, for error messages.
    column : array-like of shape (n_samples,)

    Returns
    -------
    values : ndarray of shape (n_samples,)
    types : set of type
        Types of missing values are left out, except nan, which is a float.

    Raises
    ------
    ValueError
        If the column holds dates, durations, complex numbers, lists or records. Columns
        of dates alone are read by ``date_values``, and dates that are the categories of
        a categorical dtype are converted to text.
    """
    values = np.asarray(column)
    if is_categorical_dtype(column):
        values = _without_dates(column, values)
    types = {values.dtype.type}
    if values.dtype == object:
        types = set(map(type, values))
        types = {kind for kind in types if kind.__name__ not in MISSING_TYPES}
    if any(map(is_of_dates, {values.dtype, *types})):
        raise ValueError(
            f"column {name!r} holds dates or durations among other values, or unlike "
            "in fit: convert all of its values to dates, or to numbers such as the "
            "year."
        )
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in types):
        raise ValueError(f"column {name!r} holds complex numbers.")
    # Polars converts lists of equal length, and records of one type, to more axes.
    if values.ndim > 1 or any(kind.__hash__ is None for kind in types):
        raise ValueError(
            f"column {name!r} holds lists or records: split them into one column per "
            "part."
        )
    return values, types


def _without_dates(column: Any, values: NDArray[Any]) -> NDArray[Any]:
    """Convert dates and durations of a categorical column to text."""
    if not any(map(is_of_dates, {values.dtype, *map(type, values)})):
        return values
    # Unlike the text of datetime64, that of objects doesn't depend on the resolution.
    values = np.array(column, dtype=object)
    values[:] = [
        str(value) if is_of_dates(type(value)) and not is_missing(value) else value
        for value in values
    ]
    return values


def dtype_name(column: Any) -> str:
    """Name of a column's dtype in lower case, or an empty text if it has none.

    Parameters
    ----------
    column : array-like of shape (n_samples,)

    Returns
    -------
    str
    """
    return str(getattr(column, "dtype", "")).lower()


def is_categorical_dtype(column: Any) -> bool:
    """Whether a column's dtype is a categorical one of pandas or Polars.

    Parameters
    ----------
    column : array-like of shape (n_samples,)

    Returns
    -------
    bool
    """
    return dtype_name(column).startswith(CATEGORY_DTYPES)


def check_table(X: Any) -> None:
    """Check that a table is in memory, and has a form that is supported.

    Parameters
    ----------
    X : object

    Raises
    ------
    ValueError
        Otherwise.
    """
    if hasattr(type(X), "columns"):
        if not hasattr(X, "__len__"):  # Such as a LazyFrame of Polars.
            raise ValueError(
                f"a table must be in memory, got {type(X).__name__}: call its collect "
                "method first."
            )
    elif isinstance(X, (list, tuple)):
        _check_rows(X)
    elif not (hasattr(X, "shape") or hasattr(X, "__array__")):
        raise ValueError(
            "a table must be a DataFrame, an array or a list of rows, got "
            f"{type(X).__name__}."
        )
    elif hasattr(X, "shape"):
        _check_two_dimensional(X)


def _check_rows(rows: list[Any] | tuple[Any, ...]) -> None:
    """Check that rows are one-dimensional and of equal length."""
    is_nested = any(map(_is_nested, rows))
    lengths = [] if is_nested else sorted({np.size(row) for row in rows})
    if not rows:
        found = f"an empty {type(rows).__name__}"
    elif is_nested or any(np.ndim(row) != 1 for row in rows):
        found = f"a {type(rows).__name__} with items that are not rows"
    elif len(lengths) > 1:
        found = f"rows of {lengths[0]} to {lengths[-1]} values"
    else:
        return
    raise ValueError(
        "a table must be a DataFrame, an array or a list of rows of equal length, got "
        f"{found}."
    )


def _is_nested(row: Any) -> bool:
    """Whether a row is a list of lists, which NumPy may fail to take for an array."""
    is_list = isinstance(row, list | tuple)
    return is_list and any(isinstance(value, list | tuple) for value in row)


def _check_two_dimensional(X: Any) -> None:
    if len(X.shape) != 2:
        raise ValueError(
            f"a table must be two-dimensional, got an array of shape {X.shape}."
        )
