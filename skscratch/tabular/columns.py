"""A table's columns by what they hold, and what becomes of them.

Numbers and truth values are told from categories; missing values of every kind are
found; and all become the numbers that a network takes, with names.
"""

import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skscratch.estimators.validation import is_of_dates

__all__ = [
    "TableColumns",
    "category_columns",
    "category_name",
    "number_columns",
    "number_names",
    "preparation",
    "to_categories",
    "to_numbers",
]

# Types of missing values, by name, for pandas may not be there to import.
MISSING = ("NoneType", "NAType", "NaTType")


def number_columns(X):
    """Which columns hold numbers or truth values.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        In an array of text every column is text.

    Returns
    -------
    ndarray of bool of shape (n_features,)

    Raises
    ------
    ValueError
        If a column holds dates, durations or complex numbers, or the table is sparse
        or has no columns.
    """
    return np.array([_holds_numbers(*column) for column in _columns(X)], dtype=bool)


def category_columns(X):
    """Which columns hold anything else: text, categories and mixtures.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        As in ``number_columns``, and so are the errors.

    Returns
    -------
    ndarray of bool of shape (n_features,)
    """
    return ~number_columns(X)


def to_numbers(X):
    """Columns as float64, missing values of every kind as nan.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If a value is no number or infinity, or a column not what ``number_columns``
        takes.
    """
    columns = []
    for name, column in _columns(X):
        values: Any = _values(f"column {name!r}", column)[0]
        if values.dtype.kind not in "biuf":
            values = [np.nan if _is_missing(value) else value for value in values]
        try:
            columns.append(np.asarray(values, dtype=np.float64))
            if columns[-1].ndim != 1:
                raise ValueError("several numbers a row")
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"column {name!r} was taken for numbers in fit, but holds others: "
                f"{error}"
            ) from None
        if np.isinf(columns[-1]).any():
            raise ValueError(
                f"column {name!r} contains infinity: make it a number, or a missing "
                "value."
            )
    return np.stack(columns, axis=1)


def to_categories(X):
    """Columns as text, missing values of every kind as None.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If a column is not what ``number_columns`` takes.
    """
    columns = []
    for name, column in _columns(X):
        text = np.empty(len(column), dtype=object)
        values, _ = _values(f"column {name!r}", column)
        text[:] = [_text(value) for value in values]
        columns.append(text)
    return np.stack(columns, axis=1)


def _columns(X):
    """Name, or place, and values of each column."""
    if issparse(X):
        raise ValueError("a table must be dense, got a sparse matrix: X.toarray().")
    if hasattr(X, "columns"):
        names = list(X.columns)
        if any(isinstance(name, tuple) for name in names):
            raise ValueError(
                f"a table must have one name a column, got {names[:3]}: flatten them."
            )
        columns = [(name, X[name]) for name in names]
    else:
        X = np.asarray(X)
        if X.ndim != 2:
            raise ValueError(
                f"a table must have rows and columns, got an array of shape {X.shape}."
            )
        columns = list(enumerate(X.T))
    if not columns:
        raise ValueError("a table must have one column or more, got none.")
    return columns


def _values(what, column):
    """Values of a column, and their types, unless they are of a kind that is refused.

    The type of missing values is left out, but for nan, which is a number. Errors say
    what it is that holds them.
    """
    values = np.asarray(column)
    types = {values.dtype.type}
    if values.dtype == object:
        types = set(map(type, values))
        types = {kind for kind in types if kind.__name__ not in MISSING}
    if any(map(is_of_dates, {values.dtype, *types})):
        raise ValueError(
            f"{what} holds dates or durations: make numbers of them, such as "
            "the year, the day of the week or the days since another date."
        )
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in types):
        raise ValueError(f"{what} holds complex numbers.")
    # Polars gives lists of one length, and records of one type, as further dimensions.
    if values.ndim > 1 or any(kind.__hash__ is None for kind in types):
        raise ValueError(
            f"{what} holds lists or records: make a column of each of their parts."
        )
    return values, types


def _holds_numbers(name, column):
    _, types = _values(f"column {name!r}", column)
    if str(getattr(column, "dtype", "")).lower().startswith(("categor", "enum")):
        return False
    return all(issubclass(kind, (numbers.Real, Decimal, np.bool_)) for kind in types)


def _text(value):
    if _is_missing(value):
        return None
    is_float = isinstance(value, float | np.floating)
    # Whole numbers are floats where others of the column are missing.
    return str(int(value)) if is_float and value == value // 1 else str(value)


def _is_missing(value):
    """Whether a value is None, nan, or pandas' ``NA`` or ``NaT``."""
    if type(value).__name__ in MISSING:
        return True
    return isinstance(value, numbers.Real | Decimal) and value != value


class TableColumns(ColumnTransformer):
    """``ColumnTransformer`` that says in words what is no table.

    Its parameters and attributes are those of
    ``sklearn.compose.ColumnTransformer``.
    """

    def fit_transform(self, X, y=None, **params):
        """As ``ColumnTransformer`` does; what is no table is refused."""
        _refuse_what_is_no_table(X)
        with np.errstate(invalid="ignore"):  # Of infinities that cancel out.
            return super().fit_transform(X, y, **params)

    def transform(self, X, **params):
        """As ``ColumnTransformer`` does; what is no table is refused."""
        _refuse_what_is_no_table(X)
        # scikit-learn looks for them where all names are strings.
        if hasattr(type(X), "columns") and hasattr(self, "feature_names_in_"):
            missing = set(self.feature_names_in_) - set(X.columns)
            if missing:
                raise ValueError(
                    "a table must have the columns that it had in fit, but there is "
                    f"no {' and no '.join(map(repr, sorted(missing)))}."
                )
        with np.errstate(invalid="ignore"):
            return super().transform(X, **params)


def _refuse_what_is_no_table(X):
    if hasattr(type(X), "columns"):
        if not hasattr(X, "__len__"):  # As polars' LazyFrame.
            raise ValueError(
                f"a table must be in memory, got {type(X).__name__}: collect it first."
            )
        return
    if isinstance(X, (list, tuple)):
        widths = {np.size(row) if np.ndim(row) == 1 else None for row in X}
        if None in widths or len(widths) != 1:
            raise ValueError(
                "a table must be a DataFrame, an array or a list of rows of equal "
                f"length, got a {type(X).__name__} of {len(X)} others."
            )
    elif not (hasattr(X, "shape") or hasattr(X, "__array__")):
        raise ValueError(
            "a table must be a DataFrame, an array or a list of rows, got "
            f"{type(X).__name__}."
        )
    elif len(getattr(X, "shape", (1, 1))) != 2:
        raise ValueError(
            f"a table must have rows and columns, got an array of shape {X.shape}."
        )


def preparation(
    encode,
    *,
    min_frequency,
    numeric=number_columns,
    categorical=category_columns,
    dtype="float64",
):
    """Build the transformer that turns a table's columns into a network's inputs.

    Numbers: missing ones become the median, with one more input that says so for
    columns that lack some in ``fit``; then all are encoded. Categories, of which a
    missing value is one: an input for each that is frequent enough, of the 99 most
    frequent, and one for all the rest and for unseen ones, which is there if ``fit``
    saw a rest.

    Parameters
    ----------
    encode : transformer
        Of numbers.
    min_frequency : int
        Times that a category is seen, at the least, to have an input of its own.
    numeric : list or callable, default=number_columns
        The columns of numbers, as ``ColumnTransformer`` takes them.
    categorical : list or callable, default=category_columns
        The others.
    dtype : {'float32', 'float64'}, default='float64'
        Of the inputs of categories.

    Returns
    -------
    TableColumns
        Not yet fitted.
    """
    numbers_first = FunctionTransformer(to_numbers, feature_names_out=number_names)
    text_first = FunctionTransformer(to_categories, feature_names_out="one-to-one")
    impute = SimpleImputer(
        strategy="median", add_indicator=True, keep_empty_features=True
    )
    indicate = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_frequency,
        max_categories=100,
        sparse_output=False,
        dtype=dtype,
        feature_name_combiner=category_name,
    )
    of_numbers = [("number", numbers_first), ("impute", impute), ("encode", encode)]
    of_categories = [("text", text_first), ("indicate", indicate)]
    return TableColumns(
        [
            ("numbers", Pipeline(of_numbers), numeric),
            ("categories", Pipeline(of_categories), categorical),
        ]
    )


def number_names(transformer, features):
    """Names of columns of numbers, none of them one that ``SimpleImputer`` gives.

    Parameters
    ----------
    transformer : object
        Ignored.
    features : array-like of str
        The columns.

    Returns
    -------
    list of str
        Those that may be taken for an input that says that a number is missing are
        quoted.
    """
    unclear = ("missingindicator_", "'", '"')
    return [repr(f) if f.startswith(unclear) else f for f in map(str, features)]


def category_name(feature, category):
    """Name of a category's input, which no other category has, of any column.

    Parameters
    ----------
    feature : str
        The column.
    category : str or None
        As in ``to_categories``, or what ``OneHotEncoder`` calls rare ones.

    Returns
    -------
    str
        Column and category with "_" between them. Text is quoted where it may be taken
        for a missing category, "None", for rare ones, "infrequent", or for a part of
        another column's name.

    Examples
    --------
    >>> from skscratch.tabular.columns import category_name
    >>> [category_name("city", c) for c in ("Bern", None, "None", "Le_Mans")]
    ['city_Bern', 'city_None', "city_'None'", "city_'Le_Mans'"]
    """
    if _is_missing(category):  # In a DataFrame of pandas None may become nan.
        return f"{feature}_None"
    if category == "infrequent_sklearn":
        return f"{feature}_infrequent"
    if category in ("None", "infrequent") or set(category) & set("_'\""):
        category = repr(category)
    return f"{feature}_{category}"
