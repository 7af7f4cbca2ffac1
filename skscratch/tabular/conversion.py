"""Conversion of a table's columns to numbers, and to the text of categories."""

import numbers
from decimal import Decimal
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import check_feature_names_in
from skscratch.tabular.numeric_text import holds_numbers, is_missing, read_number
from skscratch.tabular.tables import (
    column_values,
    dtype_name,
    is_categorical_dtype,
    table_columns,
)

__all__ = [
    "NumberConverter",
    "column_names",
    "is_numeric",
    "is_numeric_text",
    "numeric_names",
    "to_categories",
    "to_category",
    "to_floats",
    "to_numbers",
]

# dtypes of text, or of anything, by the beginnings of their names in lower case.
TEXT_DTYPES = ("str", "large_string")
UNTYPED_DTYPES = ("object", "null")


def is_numeric(name: Any, column: Any) -> bool:
    """Whether a column holds numbers or booleans.

    A column of missing values is numeric if its dtype is, but not if it is one of text
    or objects.

    Parameters
    ----------
    name : object
        Name of the column, for error messages.
    column : array-like of shape (n_samples,)

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        As in ``column_values``.
    """
    values, types = column_values(name, column)
    dtype = dtype_name(column)
    if is_categorical_dtype(column) or dtype.startswith(TEXT_DTYPES):
        return False
    # Without a value it is unknown what later ones will be: numbers can be categories,
    # but text can't be numbers.
    if dtype.startswith(UNTYPED_DTYPES) and all(map(is_missing, values)):
        return False
    return all(issubclass(kind, (numbers.Real, Decimal, np.bool_)) for kind in types)


def is_numeric_text(name: Any, column: Any) -> bool:
    """Whether a column is text, or objects, of which all values are numbers or missing.

    At least one must be a number, and none may have leading zeros. A column of a
    categorical dtype is never numeric.

    Parameters
    ----------
    name : object
        Name of the column, for error messages.
    column : array-like of shape (n_samples,)

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        As in ``column_values``.
    """
    if is_categorical_dtype(column) or is_numeric(name, column):
        return False
    return holds_numbers(column_values(name, column)[0])


def to_numbers(X: Any) -> NDArray[np.float64]:
    """Convert columns to float64, and missing values of any kind to nan.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If a value is infinite or not a number, or as in ``column_values``.
    """
    return np.stack(
        [to_floats(name, column) for name, column in table_columns(X)], axis=1
    )


def to_floats(name: Any, column: Any, *, is_text: bool = False) -> NDArray[np.float64]:
    """Convert a column to float64, and missing values of any kind to nan.

    Parameters
    ----------
    name : object
        Name of the column, for error messages.
    column : array-like of shape (n_samples,)
    is_text : bool, default=False
        Whether text may be among the values; what is not a number is missing.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If a value is infinite, too large or not a number, or as in ``column_values``.
    """
    values: Any = column_values(name, column)[0]
    if values.dtype.kind not in "biuf":
        if is_text:
            values = [read_number(value) for value in values]
        values = [np.nan if is_missing(value) else value for value in values]
    try:
        floats = np.asarray(values, dtype=np.float64)
        if floats.ndim != 1:
            raise ValueError("several numbers per row")
    except OverflowError:
        raise ValueError(
            f"column {name!r} contains a number too large for float64: replace it with "
            "a smaller number or a missing value."
        ) from None
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {name!r} was numeric in fit, but has a value that is not: {error}"
        ) from None
    if np.isinf(floats).any():
        raise ValueError(
            f"column {name!r} contains infinity: replace it with a finite number or a "
            "missing value."
        )
    return floats


def to_categories(X: Any) -> NDArray[Any]:
    """Convert columns to text, and missing values of any kind to None.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        As in ``column_values``.
    """
    columns = []
    for name, column in table_columns(X):
        text = np.empty(len(column), dtype=object)
        values, _ = column_values(name, column)
        text[:] = [to_category(value) for value in values]
        columns.append(text)
    return np.stack(columns, axis=1)


def to_category(value: Any) -> str | None:
    """Text of a value, or None if it is missing.

    Parameters
    ----------
    value : object

    Returns
    -------
    str or None
        An integer that is stored as a float is written as an integer. Bytes are decoded
        as Latin-1.
    """
    if is_missing(value):
        return None
    if isinstance(value, bytes):
        return value.decode("latin-1")
    is_float = isinstance(value, float | np.floating)
    # Missing values turn a column of integers into one of floats.
    return str(int(value)) if is_float and value == value // 1 else str(value)


class NumberConverter(TransformerMixin, BaseEstimator):
    """Convert columns to float64, and missing values of any kind to nan.

    Text columns may be among them if ``fit`` finds only numbers in them. Text that
    comes later and is not a number is missing.

    Attributes
    ----------
    is_text_ : ndarray of bool of shape (n_features,)
        Mask of the columns that were text in ``fit``.
    n_features_in_ : int
        Number of columns seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of columns seen during ``fit``. Defined only if all are strings.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the columns of text.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The columns.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        is_text = [is_numeric_text(*column) for column in table_columns(X)]
        validate_data(self, X, skip_check_array=True)
        self.is_text_ = np.array(is_text, dtype=bool)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Convert the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If a value is infinite, if one is not a number in a column that was not
            text in ``fit``, or as in ``column_values``.
        """
        check_is_fitted(self)
        floats = [
            to_floats(name, column, is_text=is_text)
            for (name, column), is_text in zip(
                table_columns(X), self.is_text_, strict=True
            )
        ]
        return np.stack(floats, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns, as ``numeric_names`` makes them.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        features = check_feature_names_in(self, input_features)
        return np.asarray(numeric_names(self, features), dtype=object)


def numeric_names(transformer: Any, features: Any) -> list[str]:
    """Names of numeric columns that differ from all names ``SimpleImputer`` adds.

    Parameters
    ----------
    transformer : object
        Ignored.
    features : array-like of str
        Names of the columns.

    Returns
    -------
    list of str
        A name that could be mistaken for that of a missing-value indicator is quoted.
    """
    ambiguous = ("missingindicator_", "'", '"')
    return [repr(f) if f.startswith(ambiguous) else f for f in map(str, features)]


def column_names(transformer: Any, features: Any) -> list[str]:
    """Names of columns, unchanged.

    The option "one-to-one" of ``FunctionTransformer`` returns a single None before
    ``fit``, on which the HTML representation of a pipeline fails. This raises an error
    instead, which the representation expects.

    Parameters
    ----------
    transformer : object
        Ignored.
    features : array-like of str
        Names of the columns.

    Returns
    -------
    list of str

    Raises
    ------
    NotFittedError
        If there are no names, because the transformer is not fitted.
    """
    if np.ndim(features) != 1:
        raise NotFittedError("names of columns are not known before fit.")
    return list(map(str, features))
