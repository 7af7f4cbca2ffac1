"""Encoding of text that rarely repeats, by its n-grams."""

import numbers
from collections import Counter
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
from skscratch.estimators.fitting import make_random_state
from skscratch.tabular.conversion import to_categories

__all__ = ["COMPONENT_STEPS", "TextEncoder"]

# Minimum number of rows per component: with fewer, components are mostly noise.
ROWS_PER_COMPONENT = 10
# Text with a larger mean number of characters is split into words, if it has any.
MAX_CHARACTERS = 100
# Components, which are 1 at most, are rounded to so many steps; with a power of two,
# float32 numbers would often lie in the middle between two steps.
COMPONENT_STEPS = 1e7


class TextEncoder(TransformerMixin, BaseEstimator):
    """Encode text by truncated SVD of the TF-IDF of its n-grams.

    Each column is encoded separately. The n-grams have two to four characters. If the
    mean length exceeds 100 characters, they are words and pairs of words instead, which
    take less time. Text in a language without spaces, and emoji, have no such words:
    words must make up at least half of the text apart from spaces, and at least half of
    them must occur more than once in the column. Otherwise the n-grams of long text are
    single characters and pairs. All ignore case, and texts are padded with spaces. The
    components are centered and divided by the largest of their standard deviations,
    which keeps their relative size.

    A missing value has no n-grams. A column with missing values in ``fit`` gets an
    additional output, which is 1 for a missing value and 0 otherwise.

    Parameters
    ----------
    n_components : int, default=20
        Maximum number of components of each column. There are fewer if ``fit`` sees
        fewer than 10 rows per component, or fewer n-grams.
    max_features : int, default=2000
        Maximum number of n-grams of each column. The most frequent are used.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the output.
    random_state : int, RandomState instance or None, default=None
        Seed of the truncated SVD.

    Attributes
    ----------
    vectorizers_ : list of TfidfVectorizer or None
        One for each column. None for a column with fewer than two n-grams, whose only
        component is 0.
    decompositions_ : list of TruncatedSVD or None
        One for each column; None as above.
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
        """Fit the encoding of one column; return its unscaled components."""
        texts = _padded(column)
        n_texts = sum(text is not None for text in column)
        vectorizer = _make_vectorizer(texts, n_texts, self.max_features)
        decomposition = None
        components: NDArray[Any] = np.zeros((len(texts), 1))
        try:
            ngrams = vectorizer.fit_transform(texts)
        except ValueError:  # There are no n-grams.
            ngrams = components
        if ngrams.shape[1] < 2:  # Truncated SVD needs two.
            vectorizer = None
        else:
            limits = (self.n_components, n_texts // ROWS_PER_COMPONENT, ngrams.shape[1])
            decomposition = TruncatedSVD(
                max(min(limits), 1),
                n_iter=3,
                random_state=make_random_state(self.random_state),
            )
            with np.errstate(invalid="ignore"):  # If all rows are equal.
                decomposition.fit(ngrams.astype(np.float32))
            components = _components(decomposition, ngrams)
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
            components: NDArray[Any] = np.zeros((len(column), 1))
            if vectorizer is not None:
                ngrams = vectorizer.transform(_padded(column))
                components = _components(self.decompositions_[index], ngrams)
            encoded.append(self._outputs(index, column, components))
        return np.concatenate(encoded, axis=1)

    def _outputs(
        self, index: int, column: NDArray[Any], components: NDArray[Any]
    ) -> NDArray[Any]:
        """Scale the components of one column and append its missing indicator."""
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
    """Texts padded with spaces: n-grams then show where a text begins and ends."""
    return ["" if text is None else f" {text} " for text in column]


def _make_vectorizer(texts: list[str], n_texts: int, max_features: int) -> Any:
    """TF-IDF of characters or, for long text that has words, of words."""
    is_long = sum(map(len, texts)) > MAX_CHARACTERS * max(n_texts, 1)
    has_words = is_long and _has_words(texts)
    return TfidfVectorizer(
        # Both analyzers can be exported to ONNX, unlike "char_wb".
        analyzer="word" if has_words else "char",
        # Longer n-grams of long text would rarely be among the most frequent.
        ngram_range=(1, 2) if is_long else (2, 4),
        max_features=max_features,
        sublinear_tf=True,
    )


def _components(decomposition: Any, ngrams: Any) -> NDArray[np.float32]:
    """Components of TF-IDF, which are the same on every machine.

    Ranks of repeated texts would show any rounding error. Those of float64 depend on
    the order of sums, but are gone when the components are rounded for float32.
    """
    components = ngrams @ decomposition.components_.T.astype(np.float64)
    return (np.rint(components * COMPONENT_STEPS) / COMPONENT_STEPS).astype(np.float32)


def _has_words(texts: list[str]) -> bool:
    """Return whether most characters belong to words, and most words repeat.

    Without spaces, a whole sentence counts as a word, which hardly ever repeats.
    """
    tokenize = TfidfVectorizer().build_tokenizer()
    counts: Counter[str] = Counter()
    n_characters = 0
    for text in texts:
        counts.update(tokenize(text.lower()))
        n_characters += sum(map(len, text.split()))
    in_words = sum(len(word) * count for word, count in counts.items())
    n_repeated = sum(count for count in counts.values() if count > 1)
    return 2 * in_words >= n_characters and 2 * n_repeated >= counts.total() > 0
