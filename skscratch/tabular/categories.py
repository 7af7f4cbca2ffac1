"""Encoding of categories: one-hot encoding, and means of the target.

Columns with more frequent categories than one-hot inputs use both ``make_one_hot`` and
``TargetMeans``.
"""

import numbers
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, TargetEncoder
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skscratch.estimators.fitting import make_random_state
from skscratch.tabular.conversion import column_names, to_categories
from skscratch.tabular.numeric_text import is_missing

__all__ = [
    "MAX_CATEGORIES",
    "TargetMeans",
    "category_name",
    "make_one_hot",
]

# Maximum number of inputs of a column, including the one for infrequent categories.
MAX_CATEGORIES = 100
# The variance of larger targets would overflow; the network raises an error for them.
MAX_TARGET = 1e150


def make_one_hot(*, min_frequency: int, dtype: str = "float64") -> Pipeline:
    """Make the transformer that one-hot encodes frequent categories.

    Parameters
    ----------
    min_frequency : int
        Minimum number of samples for a category to have its own input.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the inputs.

    Returns
    -------
    Pipeline
        Unfitted.
    """
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_frequency,
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
        dtype=dtype,
        feature_name_combiner=category_name,
    )
    to_text = FunctionTransformer(to_categories, feature_names_out=column_names)
    return Pipeline([("text", to_text), ("indicate", one_hot)])


class TargetMeans(TransformerMixin, BaseEstimator):
    """Encode categories by the mean of the target, with scikit-learn's TargetEncoder.

    The encoding of the training rows, which only ``fit_transform`` returns, is
    cross-fitted: the mean for a row is computed from rows in other folds. Means are
    standardized by their mean and standard deviation in ``fit_transform`` or ``fit``. A
    missing value is a category of its own, and unknown categories get the mean of all
    rows.

    For numbers and two classes, there is one column per feature. For more classes,
    there is one column per feature and class: the share of the class. Other targets
    give no columns and raise no error: more than ``max_classes`` classes, a single
    class or number, several targets or labels per row, or no target.

    Parameters
    ----------
    target_type : {'auto', 'classes', 'numbers'}, default='auto'
        Type of the target. 'auto' treats floats that are not all integers as numbers,
        and everything else as classes.
    smooth : float or 'auto', default='auto'
        Weight of the mean of all rows, as a number of rows; 'auto' estimates it for
        each category. See ``sklearn.preprocessing.TargetEncoder``.
    cv : int or sequence of (train, test), default=2
        Number of folds, or pairs of arrays of row numbers. The more folds, the more the
        mean of a category's other rows tells about the target of the row itself, which
        a network learns to exploit, and which new rows do not tell.
    max_classes : int, default=10
        Maximum number of classes; there are no columns for more.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the output.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    encoder_ : TargetEncoder or None
        The fitted encoder, or None if there are no columns.
    classes_ : ndarray of shape (n_classes,) or None
        Classes; None if the target is not encoded as classes.
    mean_, scale_ : ndarray of shape (n_columns,)
        Means and standard deviations of the columns.
    n_outputs_per_feature_ : list of int
        Number of columns of each feature.
    n_features_in_ : int
        Number of features seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during ``fit``. Defined only if all are strings.
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "target_type": [StrOptions({"auto", "classes", "numbers"})],
        "smooth": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="left"),
        ],
        "cv": [Interval(numbers.Integral, 2, None, closed="left"), "array-like"],
        "max_classes": [Interval(numbers.Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        target_type: str = "auto",
        smooth: float | str = "auto",
        cv: Any = 2,
        max_classes: int = 10,
        dtype: str = "float64",
        random_state: Any = None,
    ) -> None:
        self.target_type = target_type
        self.smooth = smooth
        self.cv = cv
        self.max_classes = max_classes
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Compute the means of all rows.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of categories.
        y : array-like of shape (n_samples,), default=None
            Targets.

        Returns
        -------
        self : object
        """
        self.fit_transform(X, y)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Compute the means of all rows, and encode each row by those of other folds.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of categories.
        y : array-like of shape (n_samples,), default=None
            Targets.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
        """
        text = to_categories(X)
        validate_data(self, X, skip_check_array=True)
        self.classes_, targets = self._targets(y, len(text))
        self.encoder_ = None
        means = np.empty((len(text), 0))
        if targets is not None:
            kinds = {None: "continuous", 2: "binary"}
            n_classes = None if self.classes_ is None else len(self.classes_)
            self.encoder_ = TargetEncoder(
                target_type=kinds.get(n_classes, "multiclass"),
                smooth=self.smooth,
                cv=self._folds(),
            )
            # With metadata routing, it would expect groups, which KFold ignores.
            with config_context(enable_metadata_routing=False):
                means = self.encoder_.fit_transform(text, targets)
        n_columns = means.shape[1] // text.shape[1]
        self.n_outputs_per_feature_ = [n_columns] * text.shape[1]
        self.mean_ = means.mean(axis=0)
        deviations = means.std(axis=0)
        # Columns that are constant up to rounding have no effect.
        is_constant = deviations <= 1e-9 * np.abs(self.mean_)
        self.scale_ = np.where(is_constant, np.inf, deviations)
        return self._standardized(means)

    def _folds(self) -> Any:
        if not isinstance(self.cv, numbers.Integral):
            return self.cv
        rng = make_random_state(self.random_state)
        return KFold(int(self.cv), shuffle=True, random_state=rng)

    def _targets(self, y: Any, n_samples: int) -> tuple[Any, Any]:
        """Classes and their codes, or None and numbers; two Nones for other targets."""
        y = None if y is None else np.asarray(y)
        if y is not None and y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        is_number = isinstance(self.cv, numbers.Integral)
        n_folds = self.cv if is_number else len(self.cv)
        if y is None or y.shape != (n_samples,) or n_samples < n_folds:
            return None, None
        is_float = y.dtype.kind == "f"
        if y.dtype.kind not in "biufUSTO" or (is_float and not np.isfinite(y).all()):
            return None, None
        kind = self.target_type
        if kind == "auto":
            kind = "numbers" if is_float and (y % 1 != 0).any() else "classes"
        return self._numbers(y) if kind == "numbers" else self._classes(y)

    def _numbers(self, y: NDArray[Any]) -> tuple[None, Any]:
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            return None, None
        # Also False for nan.
        is_usable = (np.abs(y) < MAX_TARGET).all() and np.ptp(y) > 0
        return None, y if is_usable else None

    def _classes(self, y: NDArray[Any]) -> tuple[Any, Any]:
        if any(map(is_missing, y)):
            return None, None
        try:
            classes, codes = np.unique(y, return_inverse=True)
        except TypeError:  # Of mixed types.
            return None, None
        if not 2 <= len(classes) <= self.max_classes:
            return None, None
        return classes, codes

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode categories by the means of all rows of ``fit``.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of categories.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
        """
        check_is_fitted(self)
        text = to_categories(X)
        validate_data(self, X, skip_check_array=True, reset=False)
        if self.encoder_ is None:
            return np.empty((len(text), 0), dtype=self.dtype)
        return self._standardized(self.encoder_.transform(text))

    def _standardized(self, means: NDArray[Any]) -> NDArray[Any]:
        return ((means - self.mean_) / self.scale_).astype(self.dtype, copy=False)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns: the feature, and the class if there are several.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        features: Iterable[str] = check_feature_names_in(self, input_features)
        if self.encoder_ is None:
            features = []
        elif self.classes_ is not None and len(self.classes_) > 2:
            features = [category_name(f, c) for f in features for c in self.classes_]
        return np.asarray(list(features), dtype=object)


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
        Column and category, joined by "_". A category is quoted if its name could be
        confused with "None" for missing values, "infrequent", or a category of another
        column.

    Examples
    --------
    >>> from skscratch.tabular.categories import category_name
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
