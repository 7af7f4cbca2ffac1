"""The columns of a table: which are numeric, which categorical, and their preparation.

``make_preprocessor`` builds the transformer that turns a table into a network's inputs.
How numbers are encoded is in ``encoders``; the pipelines are in ``recipe``.
"""

import numbers
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._messages import warn_user
from skscratch._sklearn import check_feature_names_in
from skscratch.estimators.validation import is_of_dates
from skscratch.tabular.numeric_text import (
    MISSING_TYPES,
    holds_numbers,
    in_the_way,
    is_missing,
    read_number,
)

__all__ = [
    "NumberConverter",
    "TableColumns",
    "categorical_columns",
    "category_name",
    "column_names",
    "make_preprocessor",
    "numeric_columns",
    "numeric_names",
    "parsed_categorical_columns",
    "parsed_numeric_columns",
    "to_categories",
    "to_numbers",
]

# dtypes of pandas, Polars and NumPy, by the beginnings of their names in lower case.
CATEGORY_DTYPES, TEXT_DTYPES = ("categor", "enum"), ("str", "large_string")
UNTYPED_DTYPES = ("object", "null")


def numeric_columns(X: Any) -> NDArray[np.bool_]:
    """Find the columns of numbers or booleans.

    A column of missing values is numeric if its dtype is, but not if it is one of text
    or objects.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        In an array of text every column is text.

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the columns.

    Raises
    ------
    ValueError
        If a column holds dates, durations, complex numbers, lists or records, or if the
        table is sparse or has no columns.
    """
    return np.array([_is_numeric(*column) for column in _columns(X)], dtype=bool)


def categorical_columns(X: Any) -> NDArray[np.bool_]:
    """Find all other columns: text, categories and mixed types.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the columns.

    Raises
    ------
    ValueError
        As in ``numeric_columns``.
    """
    return ~numeric_columns(X)


def parsed_numeric_columns(X: Any) -> NDArray[np.bool_]:
    """Find the columns of numbers or booleans, also among columns of text.

    A text column, or one of objects, is numeric if all of its values are numbers or
    missing, and at least one is a number. It is not if one has leading zeros, and
    columns of a categorical dtype are not.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the columns.

    Raises
    ------
    ValueError
        As in ``numeric_columns``.

    Warns
    -----
    UserWarning
        If most values of another text column are numbers, or look like some, such as
        "62%" and "1,234.56".
    """
    mask = ~parsed_categorical_columns(X)
    for (name, column), is_numeric in zip(_columns(X), mask, strict=True):
        if not is_numeric and not _is_categorical_dtype(column):
            _warn_about_text(name, in_the_way(_values(name, column)[0]))
    return mask


def parsed_categorical_columns(X: Any) -> NDArray[np.bool_]:
    """Find all columns that ``parsed_numeric_columns`` does not find.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the columns.

    Raises
    ------
    ValueError
        As in ``numeric_columns``.
    """
    parsed = [_is_numeric_text(*column) for column in _columns(X)]
    return categorical_columns(X) & ~np.array(parsed, dtype=bool)


def _warn_about_text(name: Any, others: list[Any]) -> None:
    if not others:
        return
    shown = ", ".join(map(repr, map(str, others[:3])))
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    warn_user(
        f"column {name!r} is treated as categorical, although most of its values are "
        "numbers or look like numbers. These values can't be read as numbers: "
        f"{shown}{more}. If the column is numeric, convert them to plain numbers such "
        "as 1234.5, or to missing values. If it is categorical, convert it with "
        "astype('category'), or pass numbers_in_text=False to leave all text as it is."
    )


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
        If a value is infinite or not a number, or as in ``numeric_columns``.
    """
    return np.stack([_floats(name, column) for name, column in _columns(X)], axis=1)


def _floats(name: Any, column: Any, *, is_text: bool = False) -> NDArray[np.float64]:
    """Values of a column; in text those that are not numbers are missing."""
    values: Any = _values(name, column)[0]
    if values.dtype.kind not in "biuf":
        if is_text:
            values = [read_number(value) for value in values]
        values = [np.nan if is_missing(value) else value for value in values]
    try:
        floats = np.asarray(values, dtype=np.float64)
        if floats.ndim != 1:
            raise ValueError("several numbers per row")
    except (TypeError, ValueError, OverflowError) as error:
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
        As in ``numeric_columns``.
    """
    columns = []
    for name, column in _columns(X):
        text = np.empty(len(column), dtype=object)
        values, _ = _values(name, column)
        text[:] = [_text(value) for value in values]
        columns.append(text)
    return np.stack(columns, axis=1)


def _columns(X: Any) -> list[tuple[Any, Any]]:
    """Name and values of each column; the name is the index in an array."""
    if issparse(X):
        raise ValueError(
            "a table must be dense, got a sparse matrix: convert it with X.toarray()."
        )
    if hasattr(X, "columns"):
        names = list(X.columns)
        if any(isinstance(name, tuple) for name in names):
            raise ValueError(
                f"a table must have one name per column, got {names[:3]}: flatten the "
                "names."
            )
        columns = [(name, X[name]) for name in names]
    else:
        X = np.asarray(X)
        _check_two_dimensional(X)
        columns = list(enumerate(X.T))
    if not columns:
        raise ValueError("a table must have at least one column, got none.")
    return columns


def _values(name: Any, column: Any) -> tuple[NDArray[Any], set[type]]:
    """Values of a column, and their types, if these are supported.

    Types of missing values are left out, except nan, which is a float.
    """
    values = np.asarray(column)
    types = {values.dtype.type}
    if values.dtype == object:
        types = set(map(type, values))
        types = {kind for kind in types if kind.__name__ not in MISSING_TYPES}
    if any(map(is_of_dates, {values.dtype, *types})):
        raise ValueError(
            f"column {name!r} holds dates or durations: convert them to numbers, such "
            "as the year, the day of the week or the days since a reference date."
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


def _is_numeric(name: Any, column: Any) -> bool:
    values, types = _values(name, column)
    dtype = _dtype_name(column)
    if dtype.startswith((*CATEGORY_DTYPES, *TEXT_DTYPES)):
        return False
    # Without a value it is unknown what later ones will be: numbers can be categories,
    # but text can't be numbers.
    if dtype.startswith(UNTYPED_DTYPES) and all(map(is_missing, values)):
        return False
    return all(issubclass(kind, (numbers.Real, Decimal, np.bool_)) for kind in types)


def _is_numeric_text(name: Any, column: Any) -> bool:
    """Whether a column is text, or objects, of which all values are numbers."""
    if _is_categorical_dtype(column) or _is_numeric(name, column):
        return False
    return holds_numbers(_values(name, column)[0])


def _is_categorical_dtype(column: Any) -> bool:
    return _dtype_name(column).startswith(CATEGORY_DTYPES)


def _dtype_name(column: Any) -> str:
    return str(getattr(column, "dtype", "")).lower()


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
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
        is_text = [_is_numeric_text(*column) for column in _columns(X)]
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
            text in ``fit``, or as in ``numeric_columns``.
        """
        check_is_fitted(self)
        floats = [
            _floats(name, column, is_text=is_text)
            for (name, column), is_text in zip(_columns(X), self.is_text_, strict=True)
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


class TableColumns(ColumnTransformer):
    """``ColumnTransformer`` that checks its input, and says what is wrong with it.

    Parameters and attributes are those of ``sklearn.compose.ColumnTransformer``.
    """

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Check the table, then call ``ColumnTransformer.fit_transform``."""
        _check_table(X)
        with np.errstate(invalid="ignore"):  # Infinities may cancel out.
            return super().fit_transform(X, y, **params)

    def transform(self, X: Any, **params: Any) -> Any:
        """Check the table, then call ``ColumnTransformer.transform``."""
        _check_table(X)
        # scikit-learn checks this only if all names are strings.
        if hasattr(type(X), "columns") and hasattr(self, "feature_names_in_"):
            missing = set(self.feature_names_in_) - set(X.columns)
            if missing:
                raise ValueError(
                    "a table must have all columns seen in fit, but these are missing: "
                    f"{', '.join(map(repr, sorted(missing)))}."
                )
        with np.errstate(invalid="ignore"):
            return super().transform(X, **params)


def _check_table(X: Any) -> None:
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
    lengths = sorted({np.size(row) for row in rows})
    if not rows:
        found = f"an empty {type(rows).__name__}"
    elif any(np.ndim(row) != 1 for row in rows):
        found = f"a {type(rows).__name__} with items that are not rows"
    elif len(lengths) > 1:
        found = f"rows of {lengths[0]} to {lengths[-1]} values"
    else:
        return
    raise ValueError(
        "a table must be a DataFrame, an array or a list of rows of equal length, got "
        f"{found}."
    )


def _check_two_dimensional(X: Any) -> None:
    if len(X.shape) != 2:
        raise ValueError(
            f"a table must be two-dimensional, got an array of shape {X.shape}."
        )


def make_preprocessor(
    encoder: Any,
    *,
    min_frequency: int,
    numeric: list[str] | Callable[[Any], Any] = numeric_columns,
    categorical: list[str] | Callable[[Any], Any] = categorical_columns,
    dtype: str = "float64",
) -> TableColumns:
    """Build the transformer that turns a table's columns into a network's inputs.

    In numeric columns, missing values become the median; a column that has some in
    ``fit`` gets a further input that marks them. Then the numbers are encoded.

    Categorical columns are one-hot encoded, a missing value being a category of its
    own. Each of the 99 most frequent categories has an input, provided that it is
    frequent enough. All others, and those that ``fit`` has not seen, share one input,
    which exists if ``fit`` saw any such category.

    Parameters
    ----------
    encoder : transformer
        Encodes the numeric columns.
    min_frequency : int
        Number of samples that a category needs to have an input of its own.
    numeric : list or callable, default=numeric_columns
        The numeric columns, in a form that ``ColumnTransformer`` accepts.
    categorical : list or callable, default=categorical_columns
        The categorical columns, likewise.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the inputs that encode categories.

    Returns
    -------
    TableColumns
        Not yet fitted.
    """
    numeric_steps = [
        ("number", NumberConverter()),
        (
            "impute",
            SimpleImputer(
                strategy="median", add_indicator=True, keep_empty_features=True
            ),
        ),
        ("encode", encoder),
    ]
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_frequency,
        max_categories=100,
        sparse_output=False,
        dtype=dtype,
        feature_name_combiner=category_name,
    )
    categorical_steps = [
        ("text", FunctionTransformer(to_categories, feature_names_out=column_names)),
        ("indicate", one_hot),
    ]
    return TableColumns(
        [
            ("numbers", Pipeline(numeric_steps), numeric),
            ("categories", Pipeline(categorical_steps), categorical),
        ]
    )


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


def category_name(feature: str, category: str | None) -> str:
    """Name of a category's input, unique among the categories of all columns.

    Parameters
    ----------
    feature : str
        Name of the column.
    category : str or None
        A category, as ``to_categories`` returns it, or the name that ``OneHotEncoder``
        gives to infrequent ones.

    Returns
    -------
    str
        Column and category, joined by "_". A category is quoted if the name could be
        mistaken for that of a missing category, "None", of infrequent ones,
        "infrequent", or of a category of another column.

    Examples
    --------
    >>> from skscratch.tabular.columns import category_name
    >>> [category_name("city", c) for c in ("Bern", None, "None", "Le_Mans")]
    ['city_Bern', 'city_None', "city_'None'", "city_'Le_Mans'"]
    """
    if is_missing(category):  # pandas may turn None into nan.
        return f"{feature}_None"
    if category == "infrequent_sklearn":
        return f"{feature}_infrequent"
    text = str(category)
    if text in ("None", "infrequent") or set(text) & set("_'\""):
        text = repr(text)
    return f"{feature}_{text}"
