"""Tables of mixed columns: their preparation, and a recipe that trains on them.

``make_tabular_classifier`` and ``make_tabular_regressor`` give a scikit-learn pipeline
in three steps, which can be seen, tuned and replaced: columns become numbers, numbers
become inputs that a network learns from, and an ensemble of small networks learns.
"""

import contextlib
import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    Interval,
    Options,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skscratch.data import is_of_dates, refuse_dates, too_large
from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.network import as_numbers

__all__ = [
    "OF_CLASSIFIERS",
    "OF_REGRESSORS",
    "RECIPE",
    "USELESS",
    "PiecewiseLinearEncoder",
    "SmoothClipScaler",
    "StandardisedTargets",
    "TableColumns",
    "TablePipeline",
    "category_name",
    "make_tabular_classifier",
    "make_tabular_regressor",
    "number_names",
    "preparation",
]

# Types of missing values, by name, for pandas may not be there to import.
MISSING = ("NoneType", "NAType", "NaTType")

LARGEST = np.finfo(np.float64).max
# Targets beyond this, or that differ by less, have squares, which standardising takes,
# that no float holds.
LARGEST_TARGET, SMALLEST_SPREAD = 1e150, 1e-150
# What n_bins="auto" is made of, and how many samples make a value a knot by itself.
FEWEST_BINS, MOST_BINS, MOST_RAMPS = 4, 8, 480
OFTEN = 10


class SmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Robust scaling, and outliers drawn in smoothly.

    A feature less its median is divided by its interquartile range, or where that is 0
    by half its range, to ``z``, and becomes ``z / sqrt(1 + (z / limit)²)``, which is
    about ``z`` near 0 and never beyond ``±limit`` (Holzmüller et al., *Better by
    default*, arXiv 2407.04491, section 3.1).

    Parameters
    ----------
    limit : float, default=3.0
        What a value can't get beyond; infinity clips nothing.
    dtype : {'float32', 'float64'} or None, default=None
        Of what is given; None is that of the samples.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians.
    scale_ : ndarray of shape (n_features,)
        What is divided by; infinity for a feature that is constant, which becomes 0.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.

    Examples
    --------
    >>> from skscratch import SmoothClipScaler
    >>> X = [[1.0], [2.0], [3.0], [1e9]]
    >>> SmoothClipScaler().fit_transform(X).round(1).ravel().tolist()
    [-0.0, -0.0, 0.0, 2.4]
    """

    _parameter_constraints: dict = {
        "limit": [
            Interval(numbers.Real, 0, None, closed="neither"),
            Options(numbers.Real, {np.inf}),
        ],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, limit=3.0, dtype=None):
        self.limit = limit
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn medians and ranges.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        if isinstance(self.limit, int) and self.limit > float(LARGEST):
            raise ValueError(
                f"limit must be no larger than {LARGEST:.1e}, got an integer of "
                f"{self.limit.bit_length()} bits."
            )
        X = _validated(self, X, reset=True)
        low, self.center_, high = _quantiles(X, (0.25, 0.5, 0.75))
        # Halves first: the difference of the largest numbers would overflow.
        spread, half_range = high / 2 - low / 2, X.max(axis=0) / 2 - X.min(axis=0) / 2
        self.scale_ = np.where(
            spread > 0, np.minimum(spread, LARGEST / 2) * 2, half_range
        )
        # What never changed in training tells nothing when it does: it becomes 0.
        self.scale_[half_range == 0] = np.inf
        return self

    def transform(self, X):
        """Scale and clip.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = _validated(self, X, reset=False)
        with np.errstate(over="ignore"):
            z = (X / 2 - self.center_ / 2) / self.scale_ * 2
            z = np.clip(z, -LARGEST / 2, LARGEST / 2)
            z = z / np.hypot(1, z / self.limit)
        return z.astype(self.dtype or X.dtype, copy=False)


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Each feature by where it lies among its own quantiles.

    The quantiles are knots. A "ramp" of two neighbours rises from 0 at the one to 1 at
    the other and stays there: the encoding of Gorishniy et al., *On embeddings for
    numerical features in tabular deep learning*, arXiv 2203.05556, section 3.2. A "hat"
    of a knot is 1 there and falls to 0 at its neighbours: the B-splines of degree 1
    that ``sklearn.preprocessing.SplineTransformer`` gives. Both span the same
    functions, which a network meets in other units. Beyond the outer knots all stay
    as they are there.

    Where many samples share a value, quantiles coincide: they count once, and quantiles
    of the distinct values take the place of the others. A feature of two values has
    nothing to be encoded and gives no column, nor does a constant one.

    Where more than half of the samples share one value, such as an amount of 0, the
    others are often amounts with a meaning of their own, between which nothing is to
    be interpolated: with ``n_bins='auto'`` those that 10 samples have or more are knots
    too, the most frequent first.

    Parameters
    ----------
    n_bins : int or 'auto', default='auto'
        Number of intervals between knots, at most. 'auto' is 8, and less for more than
        60 features, so that all ramps together are not more than 480, but 4 at least;
        what is left of the 480 may go to knots for frequent values.
    kind : {'ramps', 'hats', 'both'}, default='hats'
        What is given.
    dtype : {'float32', 'float64'} or None, default=None
        Of what is given; None is that of the samples.

    Attributes
    ----------
    knots_ : list of ndarray
        Of each feature, in rising order.
    n_bins_ : int
        Number of intervals that was aimed at.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.

    Examples
    --------
    >>> from skscratch import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2, kind="ramps")
    >>> encoder.fit([[0.0], [1.0], [2.0], [3.0], [4.0]])
    PiecewiseLinearEncoder(kind='ramps', n_bins=2)
    >>> encoder.transform([[1.0], [3.0], [9.0]]).tolist()
    [[0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]
    """

    _parameter_constraints: dict = {
        "n_bins": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "kind": [StrOptions({"ramps", "hats", "both"})],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, n_bins="auto", kind="hats", dtype=None):
        self.n_bins = n_bins
        self.kind = kind
        self.dtype = dtype

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the knots.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        X = _validated(self, X, reset=True)
        self.n_bins_ = self.n_bins
        if self.n_bins == "auto":
            self.n_bins_ = min(max(MOST_RAMPS // X.shape[1], FEWEST_BINS), MOST_BINS)
        self.knots_ = [self._knots(column) for column in X.T]
        return self

    def _knots(self, column):
        distinct, counts = np.unique(column, return_counts=True)
        if len(distinct) <= 2:
            return distinct[:0]
        if len(distinct) <= self.n_bins_ + 1:
            return distinct
        shares = np.linspace(0, 1, self.n_bins_ + 1)
        knots = np.unique(_quantiles(column, shares))
        missing = self.n_bins_ + 1 - len(knots)
        if missing:
            others = _quantiles(distinct, np.linspace(0, 1, missing + 2)[1:-1])
            knots = np.union1d(knots, others)
        if self.n_bins == "auto" and 2 * counts.max() > len(column):
            n_more = max(MOST_RAMPS // self.n_features_in_ - self.n_bins_, 0)
            first = np.argsort(-counts, kind="stable")[:n_more]
            knots = np.union1d(knots, distinct[first[counts[first] >= OFTEN]])
        return knots

    def transform(self, X):
        """Encode.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            Of each feature in turn its ramps, then its hats.
        """
        check_is_fitted(self)
        X = _validated(self, X, reset=False)
        dtype = self.dtype or X.dtype
        encoded = [np.empty((len(X), 0), dtype)]
        for column, knots in zip(X.T, self.knots_, strict=True):
            if not len(knots):
                continue
            # Within the knots first, where nothing overflows.
            column = np.clip(column, knots[0], knots[-1])[:, np.newaxis]
            # Of halves, where differences would overflow; the smallest have no half.
            if np.abs(knots).max() > np.finfo(knots.dtype).max / 4:
                column, knots = column / 2, knots / 2
            with np.errstate(over="ignore"):
                ramps = (column - knots[:-1]) / (knots[1:] - knots[:-1])
            ramps = np.clip(ramps, 0, 1).astype(X.dtype, copy=False)
            if self.kind != "hats":
                encoded.append(ramps.astype(dtype, copy=False))
            if self.kind != "ramps":
                # A hat is the ramp up to its knot less the ramp down from it.
                hats = np.ones((len(X), len(knots)), X.dtype)
                hats[:, 1:] = ramps
                hats[:, :-1] -= ramps
                encoded.append(hats.astype(dtype, copy=False))
        return np.concatenate(encoded, axis=1)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns: a feature's, "ramp" or "hat", and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        return np.asarray(self._names(names), dtype=object)

    def _names(self, features):
        names = []
        for feature, knots in zip(features, self.knots_, strict=True):
            n_knots = len(knots)
            if self.kind != "hats":
                names += [f"{feature}_ramp{i}" for i in range(max(n_knots - 1, 0))]
            if self.kind != "ramps":
                names += [f"{feature}_hat{i}" for i in range(n_knots)]
        return names


@contextlib.contextmanager
def _unchanged_if_refused(*estimators):
    """Give estimators the attributes back that they had, if an error passes."""
    before = [dict(vars(estimator)) for estimator in estimators]
    try:
        yield
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(attributes)
        raise


def _validated(encoder, X, reset):
    """Numbers of a user's samples, float32 where they are that, else float64."""
    with _unchanged_if_refused(encoder):
        refuse_dates(X)
        try:
            with np.errstate(invalid="ignore"):  # Of infinities that cancel out.
                return validate_data(
                    encoder, X, dtype=(np.float64, np.float32), reset=reset
                )
        except OverflowError as error:
            raise too_large("X", error) from None


def _quantiles(X, shares):
    # Of quarters: a difference of the largest numbers would overflow.
    return np.quantile(X / 4, shares, axis=0) * 4


# Columns by type


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
    if values.ndim != 1:
        raise ValueError(f"{what} holds several values a row: make a column of each.")
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


# The recipe

# What the networks of ``make_tabular_classifier`` and ``make_tabular_regressor`` have
# other than by default: both, and each.
RECIPE = {
    "hidden_layer_sizes": (128, 128, 128),
    "init": "he",
    "solver": "adamw",
    "alpha": 0.0,
    "beta_2": 0.95,
    "batch_size": "small",
    "learning_rate": "coslog4",
    "max_iter": "auto",
    "n_estimators": 8,
    "early_stopping": True,
    "n_iter_no_change": np.inf,
    "validation_fraction": 0.125,
    "dtype": "float32",
}
OF_CLASSIFIERS = {
    "learning_rate_init": 0.005,
    "restore_best": "together",
    "label_smoothing": 0.1,
    "temperature_scaling": True,
}
OF_REGRESSORS = {
    "learning_rate_init": 0.002,
    # Where all that is set aside has one target, as a rare count has, no epoch has a
    # better coefficient of determination than the first.
    "scoring": "loss",
    "dropout": 0.1,
}
# What of this is left out where a given parameter has no use for it: it would be
# refused, though nobody asked for it.
USELESS = {
    ("early_stopping", False): ("scoring", "temperature_scaling"),
    ("solver", "lbfgs"): ("scoring", "temperature_scaling", "dropout"),
}


def make_tabular_classifier(**parameters):
    """Pipeline that prepares a table of mixed columns and learns classes from it.

    The table may be a DataFrame of pandas or polars, an array or a list of rows. A
    column of numbers or truth values is scaled and cut into pieces; its missing values
    become the median, with one more input that says so if ``fit`` saw any. Any other
    column is of categories, each an input; a missing value is a category like the
    others. Rare ones share an input: those that ``fit`` saw once, and those beyond the
    99 most frequent. Unseen ones have it too; if there is none, their inputs are all 0.

    Columns are told apart by what they hold. Codes that are whole numbers become
    categories by ``astype("category")``. A column of numerals with words among them is
    one of categories: make missing values of the words if it is to be of numbers. A
    DataFrame's columns are known by their names, in any order, but by their places if
    the names are not text, as everywhere in scikit-learn.

    Parameters
    ----------
    **parameters
        Of ``ScratchMLPClassifier``, in the place of those of the recipe: ``RECIPE``
        and ``OF_CLASSIFIERS``, of which is left out what ``USELESS`` names for a given
        parameter, unless it is given too.

    Returns
    -------
    TablePipeline
        Of the steps "columns" and "network". What it is fitted on is validated by
        rows that the network sets aside: ``X_val`` would have to be prepared first.
        Sample weights are given to ``fit`` as ``network__sample_weight``; they are the
        network's, and do not count in the preparation. As all members end at the
        epoch in which they are best together, ``scoring`` does not choose it, unless
        ``restore_best=True`` is given.

    Raises
    ------
    ValueError
        By ``fit``, if a column holds dates, durations, complex numbers, infinity, lists
        or records.

    See Also
    --------
    make_tabular_regressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skscratch import make_tabular_classifier
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = make_tabular_classifier(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    """
    network = ScratchMLPClassifier(**_with_recipe(OF_CLASSIFIERS, parameters))
    return _pipeline(network, network.dtype)


def make_tabular_regressor(**parameters):
    """Pipeline that prepares a table of mixed columns and learns numbers from it.

    What becomes of the columns is as in ``make_tabular_classifier``.

    Parameters
    ----------
    **parameters
        Of ``ScratchMLPRegressor``, in the place of those of the recipe: ``RECIPE`` and
        ``OF_REGRESSORS``, of which is left out what ``USELESS`` names for a given
        parameter, unless it is given too.

    Returns
    -------
    TablePipeline
        Of the steps "columns" and "network", the network within
        ``StandardisedTargets``, in whose units its losses and validation scores are.
        Its parameters are ``network__regressor__alpha`` and so on, and the fitted one
        is ``model["network"].regressor_``. Sample weights are as in
        ``make_tabular_classifier``.

    Raises
    ------
    ValueError
        By ``fit``, if a column is refused as in ``make_tabular_classifier``, or targets
        are dates, durations or too large.

    See Also
    --------
    make_tabular_classifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skscratch import make_tabular_regressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = make_tabular_regressor(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.3
    True
    """
    regressor = ScratchMLPRegressor(**_with_recipe(OF_REGRESSORS, parameters))
    return _pipeline(StandardisedTargets(regressor), regressor.dtype)


def _with_recipe(of_kind, parameters):
    """Return the parameters, and those of the recipe that they have a use for."""
    recipe = RECIPE | of_kind
    for (name, value), useless in USELESS.items():
        if parameters.get(name) == value:
            recipe = {key: v for key, v in recipe.items() if key not in useless}
    return recipe | parameters


class StandardisedTargets(TransformedTargetRegressor):
    """Regressor whose targets are standardised, but for counts, which stay positive.

    A ``TransformedTargetRegressor`` whose transformer, unless one is given, goes by the
    regressor's loss at the time of ``fit``: targets get mean 0 and variance 1, and for
    ``loss='poisson'`` are divided alone. All of them count alike, whatever the sample
    weights. Predictions are in the units of the targets and of float64.

    Parameters and attributes are those of ``TransformedTargetRegressor``.
    """

    def fit(self, X, y, **fit_params):
        """Fit the regressor to the targets as they are in its units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Of the regressor's ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If targets are dates or durations, or so large that their variance
            overflows.
        """
        _refuse_what_is_no_target(y)
        fitted = TransformedTargetRegressor(**self.get_params(deep=False))
        if self.transformer is None and self.func is None:
            _refuse_what_has_no_scale(y)
            is_count = getattr(self.regressor, "loss", None) == "poisson"
            fitted.set_params(transformer=_units(with_mean=not is_count))
        error = None
        try:
            fitted.fit(X, y, **fit_params)
        except Exception as caught:
            # What interrupts a training keeps whole epochs, and what refuses it none.
            if _curve(fitted) is None:
                raise
            error = caught
        self.__dict__.update(vars(fitted) | self.get_params(deep=False))
        if error is not None:
            raise error
        return self


def _units(with_mean):
    # A network of float32 predicts deviations: large means are added in float64.
    as_float64 = FunctionTransformer(inverse_func=_as_float64, check_inverse=False)
    return Pipeline(
        [("scale", StandardScaler(with_mean=with_mean)), ("float64", as_float64)]
    )


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


class TablePipeline(Pipeline):
    """``Pipeline`` of a table's columns and a network: a refused fit changes nothing.

    scikit-learn's has fitted its first step anew by the time that its last one refuses
    the targets, and predicts no more. Here all steps stay as they were, but where the
    network has learnt something: what interrupts a training keeps whole epochs. Its
    parameters and attributes are those of ``sklearn.pipeline.Pipeline``.
    """

    def fit(self, X, y=None, **params):
        """Fit the columns and then the network, as ``Pipeline`` does.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **params : dict
            Of the steps' ``fit``, such as ``network__sample_weight``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the table, the targets or the parameters can't be used. All steps stay
            as they were.
        """
        learnt, before = _curve(self.steps[-1][1]), self.steps
        steps = [step for _, step in before if hasattr(step, "__dict__")]
        error = None
        with _unchanged_if_refused(self, *steps):
            try:
                super().fit(X, y, **params)
            except Exception as caught:
                now = _curve(self.steps[-1][1])
                if now is None or now is learnt:
                    raise
                error = caught
        if error is not None:
            raise error
        return self


def _curve(network):
    """Losses that a network has learnt by, a new list for each fit."""
    return getattr(getattr(network, "regressor_", network), "loss_curve_", None)


def _refuse_what_is_no_target(y):
    if y is None or issparse(y):  # Which scikit-learn refuses in so many words.
        return
    y = as_numbers(y, "y")
    if not np.isfinite(y).all():
        found = "NaN" if np.isnan(y).any() else "infinity"
        raise ValueError(f"Input y contains {found}.")


def _refuse_what_has_no_scale(y):
    if y is None or issparse(y) or not np.size(y):
        return
    with np.errstate(over="ignore"):  # Of what float64 does not hold.
        y = as_numbers(y, "y").astype(np.float64)
    largest = np.abs(y).max()
    if largest > LARGEST_TARGET:
        raise ValueError(
            f"y holds numbers too large to standardise, such as {largest:.1e}: their "
            "squares overflow."
        )
    spread = np.ptp(y, axis=0)
    if ((spread > 0) & (spread < SMALLEST_SPREAD)).any():
        raise ValueError(
            f"y holds numbers too close to standardise, {spread.min():.1e} apart: the "
            "squares of their differences vanish."
        )


def _as_float64(array):
    return np.asarray(array, dtype=np.float64)


def _pipeline(network, dtype):
    # Inputs, many times the table, are at once what the network would make of them.
    dtype = "float32" if dtype == "float32" else "float64"
    scaled, pieces = SmoothClipScaler(dtype=dtype), PiecewiseLinearEncoder(dtype=dtype)
    encode = FeatureUnion([("scaled", scaled), ("pieces", pieces)])
    columns = preparation(encode, min_frequency=2, dtype=dtype)
    return TablePipeline([("columns", columns), ("network", network)])


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
    >>> from skscratch.tabular import category_name
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
