"""Pipelines for tables of mixed columns, with defaults tuned for such data.

``make_tabular_classifier`` and ``make_tabular_regressor`` make a scikit-learn pipeline
of two steps, which can be inspected, tuned and replaced: "columns" converts the table
to inputs, and "network" is an ensemble of small networks of several kinds. The
preparation of columns is in ``columns``, the ensemble in ``hedge``, and the parameters
of its networks in ``defaults``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.attributes import one_fit_at_a_time, rollback_on_error
from skscratch.estimators.sources import DataSource
from skscratch.estimators.splitting import ValidationArguments
from skscratch.nn.checks import is_size
from skscratch.tabular.checkpoints import checkpoints_on_network
from skscratch.tabular.columns import TableColumns, make_table_columns
from skscratch.tabular.defaults import (
    CLASSIFIER_RECIPE,
    INCOMPATIBLE,
    RECIPE,
    REGRESSOR_RECIPE,
    with_recipe,
)
from skscratch.tabular.hedge import BaseHedge
from skscratch.tabular.hedged_classifier import HedgedClassifier
from skscratch.tabular.hedged_regressor import HedgedRegressor
from skscratch.tabular.streaming import SAMPLE_ROWS, Given, read_source
from skscratch.tabular.targets import learned_state

__all__ = [
    "CLASSIFIER_RECIPE",
    "INCOMPATIBLE",
    "RECIPE",
    "REGRESSOR_RECIPE",
    "HedgedClassifier",
    "HedgedRegressor",
    "TablePipeline",
    "make_tabular_classifier",
    "make_tabular_regressor",
]


def make_tabular_classifier(
    *,
    effort: str = "default",
    time_limit: float | None = None,
    kinds: Any = "auto",
    numbers_in_text: bool = True,
    **parameters: Any,
) -> TablePipeline:
    """Make a pipeline that classifies the rows of a table of mixed columns.

    The table may be a pandas or Polars DataFrame, an array or a list of rows. Each
    column is encoded according to its values:

    - Numbers and booleans are scaled. Missing values are imputed with the median; a
      column with missing values in ``fit`` also gets a missing indicator.
    - Categories are one-hot encoded. A missing value is a category of its own.
      Infrequent categories share one input: those that occur once in ``fit``, and those
      beyond the 99 most frequent. Unknown categories share it too. A column of more
      categories is also encoded by the mean of the targets for each of them.
    - Dates, times and durations become a trend and the parts that vary, such as the
      month and the hour. Several columns of dates also have the time between them.
    - Text that rarely repeats is encoded by its n-grams.
    - Columns that are constant or identify the rows are dropped.

    ``model["columns"].describe()`` reports the role of each column. To make a column of
    integer codes categorical, use ``astype("category")``. A column of numbers with a
    few words among them is categorical, unless the words are replaced with missing
    values. Columns of a DataFrame are matched by name, in any order, if all names are
    strings, and otherwise by position, as usual in scikit-learn.

    Parameters
    ----------
    effort : {'low', 'default', 'high'}, default='default'
        Number of networks, and maximum length of their training.
    time_limit : float, default=None
        Approximate time limit of ``fit`` in seconds. To meet it, networks are trained
        for fewer epochs or left out, so results are not reproducible.
    kinds : 'auto' or sequence of str, default='auto'
        Kinds of networks to train, as in ``HedgedClassifier``.
    numbers_in_text : bool, default=True
        Whether a text column is numeric if ``fit`` finds only numbers and missing
        values in it, and at least one number; False leaves such text as it is. Text
        that is not a number later, in ``predict``, is a missing value. Columns with
        leading zeros, such as postal codes, are never numeric, and those of a
        categorical dtype are categorical in any case.
    **parameters
        Parameters of ``ScratchMLPClassifier``, for all networks. They override those of
        the recipe, ``RECIPE`` and ``CLASSIFIER_RECIPE``, and of each kind. Parameters
        of the recipe that are incompatible with them, as listed in ``INCOMPATIBLE``,
        are left out. ``n_estimators`` is the number of networks of each kind that the
        default effort trains.

    Returns
    -------
    TablePipeline
        Pipeline with the steps "columns" and "network", a ``HedgedClassifier``.

    Raises
    ------
    ValueError
        By ``fit``, if a column holds complex numbers, infinity, lists or records, or
        dates among other values.

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
    network = ScratchMLPClassifier(**with_recipe(CLASSIFIER_RECIPE, parameters))
    hedge = HedgedClassifier(network, kinds=kinds, effort=effort, time_limit=time_limit)
    return _make_pipeline(hedge, numbers_in_text)


def make_tabular_regressor(
    *,
    effort: str = "default",
    time_limit: float | None = None,
    kinds: Any = "auto",
    numbers_in_text: bool = True,
    **parameters: Any,
) -> TablePipeline:
    """Make a pipeline for regression on a table of mixed columns.

    Columns are prepared as in ``make_tabular_classifier``, and targets are
    standardized.

    Parameters
    ----------
    effort : {'low', 'default', 'high'}, default='default'
        As in ``make_tabular_classifier``.
    time_limit : float, default=None
        As in ``make_tabular_classifier``.
    kinds : 'auto' or sequence of str, default='auto'
        Kinds of networks to train, as in ``HedgedRegressor``.
    numbers_in_text : bool, default=True
        As in ``make_tabular_classifier``.
    **parameters
        Parameters of ``ScratchMLPRegressor``, for all networks. They override those of
        the recipe, ``RECIPE`` and ``REGRESSOR_RECIPE``, and of each kind. Parameters of
        the recipe that are incompatible with them, as listed in ``INCOMPATIBLE``, are
        left out.

    Returns
    -------
    TablePipeline
        Pipeline with the steps "columns" and "network", a ``HedgedRegressor``.

    Raises
    ------
    ValueError
        By ``fit``, if a column is invalid as in ``make_tabular_classifier``, or if the
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
    network = ScratchMLPRegressor(**with_recipe(REGRESSOR_RECIPE, parameters))
    hedge = HedgedRegressor(network, kinds=kinds, effort=effort, time_limit=time_limit)
    return _make_pipeline(hedge, numbers_in_text)


def _make_pipeline(hedge: Any, numbers_in_text: bool) -> TablePipeline:
    if not isinstance(numbers_in_text, (bool, np.bool_)):
        raise ValueError(
            f"numbers_in_text must be True or False, got {numbers_in_text!r}."
        )
    columns = make_table_columns(
        # The inputs are several times as large as the table: make them in the network's
        # dtype rather than convert them later.
        dtype="float32" if hedge.estimator.dtype == "float32" else "float64",
        numbers_in_text=bool(numbers_in_text),
        target_type="numbers" if is_regressor(hedge) else "classes",
        random_state=hedge.estimator.random_state,
    )
    return TablePipeline([("columns", columns), ("network", hedge)])


def _last_step_has(method: str) -> Callable[[Any], bool]:
    """Condition of ``available_if``: the last step has a method."""

    def check(pipeline: TablePipeline) -> bool:
        getattr(pipeline.steps[-1][1], method)  # Its error says what is missing.
        return True

    return check


class TablePipeline(Pipeline):
    """``Pipeline`` of a table's columns and a network; a failed ``fit`` is undone.

    If ``fit`` of scikit-learn's ``Pipeline`` fails in the last step, the first step has
    already been refitted and no longer matches the last. Here, all steps stay
    unchanged. If a callback or scorer raises an error in the middle of training,
    however, both steps keep what they have learned.

    A ``Checkpoint`` set on the pipeline saves the training of the network.

    Predicted numbers are float64, whatever the dtype of the network.

    Parameters and attributes are those of ``sklearn.pipeline.Pipeline``.
    """

    @one_fit_at_a_time
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        n_sampled: int = SAMPLE_ROWS,
        **params: Any,
    ) -> Self:
        """Fit the columns and then the network, as ``Pipeline`` does.

        Each ``Checkpoint`` among the pipeline's callbacks is set on the network during
        the fit.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features) or TableFiles
            The table. Of ``TableFiles``, ``y`` and ``sample_weight`` are the names of
            columns; so are ``y_val`` and ``sample_weight_val`` if ``X_val`` is one.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the network. Of the preparation of columns, they
            only count whether they are 0: nothing is learned from such rows.
        X_val : {array-like, DataFrame} of shape (n_val, n_features), default=None
            Validation table. None holds out rows of ``X``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of ``X_val``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of ``X_val``.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for a ``validation_split`` such as ``GroupKFold(5)``,
            and for the means of the target.
        n_sampled : int, default=100_000
            Number of rows of ``TableFiles`` that columns are prepared by. If there are
            no more rows, the fit is that of a table in memory.
        **params : dict
            Parameters of the steps' ``fit``, such as ``network__started``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the table, the targets or the parameters are invalid, or if there is a
            ``Checkpoint`` but the last step has no network of this package. All steps
            stay as they were.
        """
        started, stream = time.monotonic(), None
        if isinstance(X, DataSource):
            validation = ValidationArguments(X_val, y_val, sample_weight_val, groups)
            given = self._read_source((X, y, sample_weight), validation, n_sampled)
            X, y, sample_weight, validation, stream = given
            X_val, y_val, sample_weight_val, groups = validation
        params |= self._of_network(
            stream=stream,
            sample_weight=sample_weight,
            X_val=None if X_val is None else _PreparedLater(self, X_val),
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            groups=groups,
        )
        params |= self._of_columns(sample_weight=sample_weight, groups=groups)
        last_step = self.steps[-1][1]
        if getattr(last_step, "time_limit", None) is not None:
            # The time limit includes the preparation of columns.
            params |= self._of_network(started=started)
        n_old, error = learned_state(last_step), None
        steps = [step for _, step in self.steps if hasattr(step, "__dict__")]
        with rollback_on_error(self, *steps), checkpoints_on_network(self):
            try:
                super().fit(X, y, **params)
            except Exception as caught:
                if learned_state(self.steps[-1][1]) == n_old:
                    raise
                error = caught
        if error is not None:
            raise error
        return self

    @available_if(_last_step_has("partial_fit"))
    @one_fit_at_a_time
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> Self:
        """Train the fitted networks for one epoch on further rows.

        Columns are encoded as ``fit`` learned to, unknown categories and missing values
        as in ``predict``. The scaling of targets, the weights of the kinds, the
        temperature and ``predict_interval`` stay as they were.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Further rows of the table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        classes : array-like of shape (n_classes,), default=None
            Not needed: ``fit`` has learned the classes. If given, they must be
            ``classes_``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the table or the targets are invalid, if ``y`` has classes unknown to
            ``fit``, or if training diverges. All steps stay as they were, as they do
            after Ctrl-C.
        AttributeError
            Before ``fit``, and if the network has no ``partial_fit``.
        """
        given = {"sample_weight": sample_weight, "classes": classes}
        given = {name: value for name, value in given.items() if value is not None}
        if isinstance(X, DataSource):
            raise ValueError(
                f"partial_fit takes a table in memory, got {type(X).__name__}: read it "
                "in parts, and pass one after the other."
            )
        inputs = self[:-1].transform(X)
        self.steps[-1][1].partial_fit(inputs, y, **given)
        return self

    def _read_source(self, given: Any, validation: Any, n_sampled: int) -> Given:
        """Sample the rows of files, for networks that can be trained on the rest."""
        network = self.steps[-1][1]
        if not isinstance(network, BaseHedge):
            raise ValueError(
                "the last step must be a HedgedClassifier or HedgedRegressor where X "
                f"is {type(given[0]).__name__}, got {network!r}."
            )
        if not is_size(n_sampled):
            raise ValueError(
                f"n_sampled must be a positive integer, got {n_sampled!r}."
            )
        return read_source(self, given, validation, n_sampled)

    def _of_columns(self, **params: Any) -> dict[str, Any]:
        """Given parameters of the first step's ``fit``, named for the pipeline.

        Not with metadata routing, where no step but the network takes any.
        """
        name, columns = self.steps[0]
        is_routing = get_config()["enable_metadata_routing"]
        if is_routing or not isinstance(columns, TableColumns):
            return {}
        return {f"{name}__{key}": v for key, v in params.items() if v is not None}

    def _of_network(self, **params: Any) -> dict[str, Any]:
        """Given parameters of the last step's ``fit``, named for the pipeline."""
        given = {name: value for name, value in params.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            return given
        prefix = self.steps[-1][0]
        return {f"{prefix}__{name}": value for name, value in given.items()}

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
        if isinstance(X, DataSource):
            return _of_tables(X, self, lambda table: self.predict(table, **params))
        predicted = super().predict(X, **params)
        return _to_float64(predicted) if is_regressor(self) else predicted

    @available_if(_last_step_has("predict_interval"))
    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the target of each row.

        Available only after ``fit`` of ``make_tabular_regressor(intervals=True)``. See
        ``ScratchMLPRegressor.predict_interval`` for the coverage guarantee.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        coverage : float, default=0.9
            Probability that an interval contains its target, above 0 and below 1.

        Returns
        -------
        ndarray of float64 of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds.
        """
        if isinstance(X, DataSource):
            return _of_tables(
                X, self, lambda table: self.predict_interval(table, coverage)
            )
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
        if isinstance(X, DataSource):
            return _of_tables(
                X, self, lambda table: self.predict_proba(table, **params)
            )
        probabilities = super().predict_proba(X, **params)
        converted = _to_float64(probabilities)
        if converted is not probabilities and _has_exclusive_classes(self.steps[-1][1]):
            # They sum to 1 in float32, but not to the precision of float64, which
            # metrics such as log_loss expect.
            converted /= converted.sum(axis=1, keepdims=True)
        return converted

    @available_if(_last_step_has("score"))
    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> float:
        """Accuracy of a classifier, or coefficient of determination of a regressor.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features) or TableFiles
            The table. Of ``TableFiles``, ``y`` and ``sample_weight`` are the names of
            columns.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        **params : dict
            As for ``Pipeline.score``.

        Returns
        -------
        float
        """
        if not isinstance(X, DataSource):
            return float(super().score(X, y, sample_weight, **params))
        from sklearn.metrics import accuracy_score, r2_score  # Slow to import.

        X, y, sample_weight = X.scored_data(self, y, sample_weight)
        metric = r2_score if is_regressor(self) else accuracy_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))

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
        if isinstance(X, DataSource):
            return _of_tables(
                X, self, lambda table: self.predict_log_proba(table, **params)
            )
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
        if isinstance(X, DataSource):
            return _of_tables(
                X, self, lambda table: self.decision_function(table, **params)
            )
        return _to_float64(super().decision_function(X, **params))


def _of_tables(source: DataSource, pipeline: Any, predict: Any) -> NDArray[Any]:
    """Predictions for all rows of a source, one table after the other."""
    return np.concatenate([predict(table) for table in source.tables(pipeline)])


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


class _PreparedLater:
    """Validation rows that are transformed once the columns have been fitted.

    Parameters
    ----------
    pipeline : TablePipeline
    X_val : {array-like, DataFrame} of shape (n_val, n_features)
    """

    def __init__(self, pipeline: TablePipeline, X_val: Any) -> None:
        self.pipeline, self.X_val = pipeline, X_val

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        inputs: NDArray[Any] = np.asarray(self.pipeline[:-1].transform(self.X_val))
        return inputs if dtype is None else inputs.astype(dtype, copy=False)
