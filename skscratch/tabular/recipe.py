"""Pipelines for tables of mixed columns, with defaults tuned for such data.

``make_tabular_classifier`` and ``make_tabular_regressor`` make a scikit-learn pipeline
of two steps, which can be inspected, tuned and replaced: "columns" turns the table into
inputs, and "network" is an ensemble of small networks. The preparation of columns is in
``columns`` and ``encoders``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.attributes import one_fit_at_a_time, rollback_on_error
from skscratch.estimators.checkpoint import Checkpoint
from skscratch.tabular.columns import make_table_columns
from skscratch.tabular.targets import StandardizedTargets, n_epochs

__all__ = [
    "CLASSIFIER_RECIPE",
    "INCOMPATIBLE",
    "RECIPE",
    "REGRESSOR_RECIPE",
    "StandardizedTargets",
    "TablePipeline",
    "make_tabular_classifier",
    "make_tabular_regressor",
]

# Parameters of the networks that differ from the estimators' defaults: those of both
# recipes, then those of each.
RECIPE: dict[str, Any] = {
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
CLASSIFIER_RECIPE: dict[str, Any] = {
    "learning_rate_init": 0.005,
    "restore_best": "together",
    "label_smoothing": 0.1,
    "temperature_scaling": True,
}
REGRESSOR_RECIPE: dict[str, Any] = {
    "learning_rate_init": 0.002,
    # If all validation targets are equal, which happens with rare counts, R² is the
    # same in every epoch and could not choose one.
    "scoring": "loss",
    "dropout": 0.1,
}
# Parameters of the recipes that a given parameter is incompatible with. They are left
# out: an error would name parameters that the user has not set.
INCOMPATIBLE: dict[tuple[str, Any], tuple[str, ...]] = {
    ("early_stopping", False): ("scoring", "temperature_scaling"),
    ("solver", "lbfgs"): ("scoring", "temperature_scaling", "dropout"),
}


def make_tabular_classifier(
    *, numbers_in_text: bool = True, **parameters: Any
) -> TablePipeline:
    """Make a pipeline that classifies the rows of a table of mixed columns.

    The table may be a DataFrame of pandas or Polars, an array or a list of rows.

    - Columns of numbers or booleans are scaled, and encoded by the position among their
      quantiles. Missing values become the median; a column that has some in ``fit``
      gets a further input that marks them.
    - All other columns are categorical and one-hot encoded. A missing value is a
      category of its own. Infrequent categories share one input: those that occur once
      in ``fit``, and those beyond the 99 most frequent. Unknown categories share it
      too; if it does not exist, all inputs of the column are 0 for them.

    The type of a column follows from its values. To make a column of integer codes
    categorical, use ``astype("category")``. A column of numbers with a few words among
    them is categorical, unless the words are replaced with missing values. Columns of a
    DataFrame are identified by name, in any order, if all names are strings, and
    otherwise by position, as usual in scikit-learn.

    Parameters
    ----------
    numbers_in_text : bool, default=True
        Whether a text column is numeric if ``fit`` finds only numbers and missing
        values in it, and at least one number; False makes all text categorical. Text
        that is not a number later, in ``predict``, is a missing value. Columns with
        leading zeros, such as postal codes, are categorical in any case, and so are
        those of a categorical dtype.
    **parameters
        Parameters of ``ScratchMLPClassifier``. They override those of the recipe, which
        are ``RECIPE`` and ``CLASSIFIER_RECIPE``. If a parameter is incompatible with
        others of the recipe, these are left out, as listed in ``INCOMPATIBLE``.

    Returns
    -------
    TablePipeline
        Pipeline with the steps "columns" and "network". Validation uses rows that are
        held out from the data passed to ``fit``; ``X_val`` can't be used, as it would
        have to be transformed first. Pass sample weights to ``fit`` as
        ``network__sample_weight``; they have no effect on the preparation of columns.
        The epoch whose weights are kept is the same for all members, and ``scoring``
        does not choose it, unless ``restore_best=True``.

    Raises
    ------
    ValueError
        By ``fit``, if a column holds dates, durations, complex numbers, infinity, lists
        or records.

    See Also
    --------
    make_tabular_regressor : The same for regression.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skscratch import make_tabular_classifier
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = make_tabular_classifier(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    """
    network = ScratchMLPClassifier(**_with_recipe(CLASSIFIER_RECIPE, parameters))
    return _make_pipeline(network, network.dtype, numbers_in_text)


def make_tabular_regressor(
    *, numbers_in_text: bool = True, **parameters: Any
) -> TablePipeline:
    """Make a pipeline for regression on a table of mixed columns.

    Columns are prepared as in ``make_tabular_classifier``.

    Parameters
    ----------
    numbers_in_text : bool, default=True
        As in ``make_tabular_classifier``.
    **parameters
        Parameters of ``ScratchMLPRegressor``. They override those of the recipe, which
        are ``RECIPE`` and ``REGRESSOR_RECIPE``. If a parameter is incompatible with
        others of the recipe, these are left out, as listed in ``INCOMPATIBLE``.

    Returns
    -------
    TablePipeline
        Pipeline with the steps "columns" and "network". The latter is a
        ``StandardizedTargets`` around the network: losses and validation scores are
        those of standardized targets, the network's parameters are named
        ``network__regressor__alpha`` and so on, and the fitted network is
        ``model["network"].regressor_``. Pass sample weights as in
        ``make_tabular_classifier``.

    Raises
    ------
    ValueError
        By ``fit``, if a column is refused as in ``make_tabular_classifier``, or if the
        targets are dates, durations or too large.

    See Also
    --------
    make_tabular_classifier : The same for classification.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skscratch import make_tabular_regressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = make_tabular_regressor(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.3
    True
    """
    regressor = ScratchMLPRegressor(**_with_recipe(REGRESSOR_RECIPE, parameters))
    network = StandardizedTargets(regressor)
    return _make_pipeline(network, regressor.dtype, numbers_in_text)


def _with_recipe(
    own_recipe: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Complete parameters by those of the recipe that are compatible with them."""
    recipe = RECIPE | own_recipe
    for (name, value), left_out in INCOMPATIBLE.items():
        if parameters.get(name) == value:
            recipe = {key: v for key, v in recipe.items() if key not in left_out}
    return recipe | parameters


def _make_pipeline(network: Any, dtype: str, numbers_in_text: bool) -> TablePipeline:
    if not isinstance(numbers_in_text, (bool, np.bool_)):
        raise ValueError(
            f"numbers_in_text must be True or False, got {numbers_in_text!r}."
        )
    # The inputs are several times as large as the table: make them in the network's
    # dtype rather than convert them later.
    dtype = "float32" if dtype == "float32" else "float64"
    estimator = getattr(network, "regressor", network)
    columns = make_table_columns(
        dtype=dtype,
        numbers_in_text=bool(numbers_in_text),
        target_type="numbers" if is_regressor(estimator) else "classes",
        random_state=estimator.random_state,
    )
    return TablePipeline([("columns", columns), ("network", network)])


def _last_step_has(method: str) -> Callable[[Any], bool]:
    """Condition of ``available_if``: the last step has a method."""

    def check(pipeline: TablePipeline) -> bool:
        getattr(pipeline.steps[-1][1], method)  # Its error says what is missing.
        return True

    return check


class TablePipeline(Pipeline):
    """``Pipeline`` of a table's columns and a network, unchanged by a failed ``fit``.

    If ``fit`` of scikit-learn's ``Pipeline`` fails in the last step, the first has
    already been refitted and no longer matches the last. Here all steps stay as they
    were, unless the network has trained: if a callback or a scorer raises an error in
    the middle of training, both steps keep what they have learned.

    A ``Checkpoint`` set on the pipeline saves the training of the network.

    Predicted numbers are float64, whatever the dtype of the network.

    Parameters and attributes are those of ``sklearn.pipeline.Pipeline``.
    """

    @one_fit_at_a_time
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the columns and then the network, as ``Pipeline`` does.

        Each ``Checkpoint`` among the pipeline's callbacks is set on the network during
        the fit.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            Parameters of the steps' ``fit``, such as ``network__sample_weight``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the table, the targets or the parameters are invalid, or if there is a
            ``Checkpoint`` but the last step is not a network of this package. All steps
            stay as they were.
        """
        last_step = self.steps[-1][1]
        n_old, error = n_epochs(last_step), None
        steps = [step for _, step in self.steps if hasattr(step, "__dict__")]
        with rollback_on_error(self, *steps), _checkpoints_on_network(self):
            try:
                super().fit(X, y, **params)
            except Exception as caught:
                if n_epochs(self.steps[-1][1]) == n_old:
                    raise
                error = caught
        if error is not None:
            raise error
        return self

    @available_if(_last_step_has("predict"))
    def predict(self, X: Any, **params: Any) -> NDArray[Any]:
        """Predict the target of each row.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        **params : dict
            As for ``Pipeline.predict``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Classes in the dtype that they had in ``fit``, or numbers in float64.
        """
        predicted = super().predict(X, **params)
        return _to_float64(predicted) if is_regressor(self) else predicted

    @available_if(_last_step_has("predict_interval"))
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the target of each row.

        Only after a fit of ``make_tabular_regressor(intervals=True)``. What it promises
        is described in ``ScratchMLPRegressor.predict_interval``.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        coverage : float, default=0.9
            Probability that an interval holds its target, above 0 and below 1.

        Returns
        -------
        ndarray of float64 of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds.
        """
        X = self[:-1].transform(X)
        return _to_float64(self.steps[-1][1].predict_interval(X, coverage))

    @available_if(_last_step_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> NDArray[Any]:
        """Probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        **params : dict
            As for ``Pipeline.predict_proba``.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        probabilities = super().predict_proba(X, **params)
        converted = _to_float64(probabilities)
        if converted is not probabilities and _has_exclusive_classes(self.steps[-1][1]):
            # They sum to 1 in float32, but not to the precision of float64, which
            # metrics such as log_loss expect.
            converted /= converted.sum(axis=1, keepdims=True)
        return converted

    @available_if(_last_step_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> NDArray[Any]:
        """Logarithm of the probabilities.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        **params : dict
            As for ``Pipeline.predict_log_proba``.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return _to_float64(super().predict_log_proba(X, **params))

    @available_if(_last_step_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> NDArray[Any]:
        """Log-odds of each class against the others.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        **params : dict
            As for ``Pipeline.decision_function``.

        Returns
        -------
        ndarray of float64 of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the log-odds of the second.
        """
        return _to_float64(super().decision_function(X, **params))


def _to_float64(values: Any) -> Any:
    """Convert floats of another dtype; return anything else as it is."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return values.astype(np.float64, copy=False)
    return values


def _has_exclusive_classes(step: Any) -> bool:
    """Whether each sample has one class, so that probabilities sum to 1."""
    if not isinstance(step, ScratchMLPClassifier):
        return False
    return step.out_activation_ == "softmax" or step.n_outputs_ == 1


@contextmanager
def _checkpoints_on_network(pipeline: TablePipeline) -> Iterator[None]:
    """Context in which a pipeline's checkpoints are set on its network, too.

    scikit-learn propagates callbacks only if they ask for it, and not through a
    ``TransformedTargetRegressor``.
    """
    checkpoints = [c for c in _callbacks(pipeline) if isinstance(c, Checkpoint)]
    if not checkpoints:
        yield
        return
    step = pipeline.steps[-1][1]
    network = getattr(step, "regressor", step)
    if not isinstance(network, (ScratchMLPClassifier, ScratchMLPRegressor)):
        raise ValueError(
            "Checkpoint needs a ScratchMLPClassifier or ScratchMLPRegressor as the "
            f"network, got {network!r}."
        )
    # One that is set on the network already is not added: it would run twice.
    added = [c for c in checkpoints if c not in _callbacks(network)]
    network.set_callbacks(*_callbacks(network), *added)
    try:
        yield
    finally:
        # A regressor is cloned before it is fitted, and its callbacks with it.
        trained: Any
        for trained in (network, getattr(step, "regressor_", network)):
            kept = [c for c in _callbacks(trained) if c not in added]
            if kept != _callbacks(trained):
                trained.set_callbacks(*kept)


def _callbacks(estimator: Any) -> list[Any]:
    """Callbacks of an estimator; scikit-learn has no public way to read them."""
    return list(getattr(estimator, "_skl_callbacks", []))
