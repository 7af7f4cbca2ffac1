"""Encoding of text that hardly repeats, by the n-grams it consists of."""

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skscratch.tabular.conversion import to_categories

__all__ = ["TextEncoder"]

# Rows per component: fewer rows do not tell more directions from chance.
ROWS_PER_COMPONENT = 10
# Mean number of characters beyond which text is split into words.
MAX_CHARACTERS = 100


class TextEncoder(TransformerMixin, BaseEstimator):
    """Encode text by its n-grams: TF-IDF, of which truncated SVD keeps the main part.

    Each column is encoded by itself. Up to a mean length of 100 characters the n-grams
    are those of two to four characters, and beyond it words and pairs of words, which
    take less time. Both ignore case, and the ends of a text count as spaces. The
    components are centered and divided by the standard deviation of the first one, so
    that each counts by its share.

    A missing value has no n-grams. A column that has some in ``fit`` gets a further
    output, which is 1 where a value is missing and 0 elsewhere.

    Parameters
    ----------
    n_components : int, default=20
        Maximum number of components of each column. There are fewer if ``fit`` sees
        fewer than 10 rows for each of them, or fewer n-grams.
    max_features : int, default=2000
        Maximum number of n-grams of each column; the most frequent are used.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the output.
    random_state : int, RandomState instance or None, default=None
        Of the truncated SVD.

    Attributes
    ----------
    vectorizers_ : list of TfidfVectorizer or None
        One for each column; None for a column without several n-grams, whose only
        component is 0.
    decompositions_ : list of TruncatedSVD or None
        One for each column, likewise.
    centers_ : list of ndarray of shape (n_components,)
        Means of the components of each column.
    scales_ : list of float
        Divisor of the components of each column.
    has_missing_ : ndarray of bool of shape (n_features_in_,)
        Mask of the columns with missing values in ``fit``.
    n_outputs_per_feature_ : list of int
        Number of outputs of each column.
    n_features_in_ : int
        Number of columns seen during ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of columns seen during ``fit``. Defined only if all are strings.

    Examples
    --------
    >>> from skscratch.tabular.text import TextEncoder
    >>> texts = [["red house"], ["red horse"], ["blue car"], ["blue cart"]] * 10
    >>> TextEncoder(random_state=0).fit_transform(texts).shape
    (40, 4)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_components": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_features": [Interval(numbers.Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components: int = 20,
        max_features: int = 2000,
        dtype: str = "float64",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.max_features = max_features
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find n-grams and components.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of text.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        self.fit_transform(X, y)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Find n-grams and components, and encode the text.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of text.
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        columns = to_categories(X).T
        validate_data(self, X, skip_check_array=True)
        self.vectorizers_: list[Any] = []
        self.decompositions_: list[Any] = []
        self.centers_: list[NDArray[Any]] = []
        self.scales_: list[float] = []
        self.has_missing_ = np.array([None in set(column) for column in columns])
        encoded = []
        for index, column in enumerate(columns):
            components = self._fit_column(column)
            encoded.append(self._outputs(index, column, components))
        self.n_outputs_per_feature_ = [block.shape[1] for block in encoded]
        return np.concatenate(encoded, axis=1)

    def _fit_column(self, column: NDArray[Any]) -> NDArray[Any]:
        """Fit the parts of one column; return its components, not yet scaled."""
        texts = _padded(column)
        n_texts = sum(text is not None for text in column)
        vectorizer = _make_vectorizer(texts, n_texts, self.max_features)
        decomposition = None
        components = np.zeros((len(texts), 1))
        try:
            ngrams = vectorizer.fit_transform(texts)
        except ValueError:  # There are none.
            ngrams = components
        if ngrams.shape[1] < 2:  # Which truncated SVD refuses.
            vectorizer = None
        else:
            limits = (self.n_components, n_texts // ROWS_PER_COMPONENT, ngrams.shape[1])
            decomposition = TruncatedSVD(
                max(min(limits), 1), n_iter=3, random_state=self.random_state
            )
            with np.errstate(invalid="ignore"):  # If all rows are equal.
                components = decomposition.fit_transform(ngrams)
        self.vectorizers_.append(vectorizer)
        self.decompositions_.append(decomposition)
        self.centers_.append(components.mean(axis=0))
        spread = components.std(axis=0).max(initial=0)
        # Components that are constant up to rounding have no effect.
        self.scales_.append(float(spread) if spread > 1e-9 else np.inf)
        return components

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode text.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Columns of text.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        check_is_fitted(self)
        columns = to_categories(X).T
        validate_data(self, X, skip_check_array=True, reset=False)
        encoded = []
        for index, column in enumerate(columns):
            vectorizer = self.vectorizers_[index]
            components = np.zeros((len(column), 1))
            if vectorizer is not None:
                ngrams = vectorizer.transform(_padded(column))
                components = self.decompositions_[index].transform(ngrams)
            encoded.append(self._outputs(index, column, components))
        return np.concatenate(encoded, axis=1)

    def _outputs(
        self, index: int, column: NDArray[Any], components: NDArray[Any]
    ) -> NDArray[Any]:
        """Scale the components of one column, and append where it is missing."""
        scaled = (components - self.centers_[index]) / self.scales_[index]
        if self.has_missing_[index]:
            is_missing = [[text is None] for text in column]
            scaled = np.hstack([scaled, is_missing])
        return scaled.astype(self.dtype, copy=False)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the outputs: the column, and a number or "missing".

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
        names = []
        for feature, center, has_missing in zip(
            features, self.centers_, self.has_missing_, strict=True
        ):
            names += [f"{feature}_{i}" for i in range(len(center))]
            names += [f"{feature}_missing"] * int(has_missing)
        return np.asarray(names, dtype=object)


def _padded(column: NDArray[Any]) -> list[str]:
    """Texts between spaces, so that n-grams tell where a text begins and ends."""
    return ["" if text is None else f" {text} " for text in column]


def _make_vectorizer(texts: list[str], n_texts: int, max_features: int) -> Any:
    """TF-IDF of characters or, for long text, of words."""
    is_long = sum(map(len, texts)) > MAX_CHARACTERS * max(n_texts, 1)
    # Both analyzers can be exported to ONNX, unlike "char_wb".
    analyzer, ngram_range = ("word", (1, 2)) if is_long else ("char", (2, 4))
    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=ngram_range,
        max_features=max_features,
        sublinear_tf=True,
        dtype=np.float32,
    )
