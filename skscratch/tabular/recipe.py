"""A recipe for tables of mixed columns: their preparation, and what trains on them.

``make_tabular_classifier`` and ``make_tabular_regressor`` give a scikit-learn pipeline
in three steps, which can be seen, tuned and replaced: columns become numbers, numbers
become inputs that a network learns from, and an ensemble of small networks learns.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.attributes import rollback_on_error
from skscratch.nn.checks import as_numbers
from skscratch.tabular.columns import preparation
from skscratch.tabular.encoders import PiecewiseLinearEncoder, SmoothClipScaler

__all__ = [
    "OF_CLASSIFIERS",
    "OF_REGRESSORS",
    "RECIPE",
    "USELESS",
    "StandardisedTargets",
    "TablePipeline",
    "make_tabular_classifier",
    "make_tabular_regressor",
]

# Targets beyond this, or that differ by less, have squares, which standardising takes,
# that no float holds.
LARGEST_TARGET, SMALLEST_SPREAD = 1e150, 1e-150

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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
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
        with rollback_on_error(self, *steps):
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
