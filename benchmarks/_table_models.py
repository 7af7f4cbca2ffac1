"""Models that ``tabular.py`` compares: ours, its peers, and ours less one ingredient.

There is no benchmark in this file.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Self
from unittest import mock

import numpy as np
from compare import Dataset, make_preprocessor
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch.tabular import rounds
from skscratch.tabular.defaults import RECIPE
from skscratch.tabular.kinds import KINDS, Kind
from skscratch.tabular.rounds import EFFORTS

OURS, BASELINE = "ours", "mlp"
MODELS = (OURS, BASELINE, "hgb", "hgb_tuned", "rf")

DATE_PARTS = ("year", "month", "day", "day_of_week", "hour")
# Categories that HistGradientBoosting takes, beside missing values.
MAX_CATEGORIES = 254
MAX_INDICATORS = 100

N_CANDIDATES, N_FOLDS = 20, 3


def _integers(low: int, high: int) -> list[int]:
    """Return integers that are spaced evenly on a logarithmic scale."""
    return [int(n) for n in np.geomspace(low, high, 50).round()]


# The search draws from them; early stopping may end a training before max_iter.
TUNED = {
    "trees__learning_rate": loguniform(0.02, 0.3),
    "trees__max_leaf_nodes": _integers(4, 128),
    "trees__min_samples_leaf": _integers(2, 100),
    "trees__l2_regularization": loguniform(1e-4, 10),
    "trees__max_iter": _integers(50, 500),
}


class Model(NamedTuple):
    """An estimator, and the context in which it is fitted."""

    estimator: Any
    context: Callable[[], AbstractContextManager[Any]] = nullcontext


class ColumnsByHand(TransformerMixin, BaseEstimator):
    """Prepare a DataFrame for trees: parts of dates, and pandas' categories.

    Columns of text in which pandas finds one format of dates become ``DATE_PARTS``.
    Others become categorical: the ``MAX_CATEGORIES`` most frequent values in ``fit``,
    and missing values for all else. Booleans become numbers.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the dates and the categories."""
        self.booleans_ = list(X.select_dtypes("bool"))
        numbers = {*self.booleans_, *X.select_dtypes("number")}
        others = [name for name in X if name not in numbers]
        self.dates_ = [name for name in others if _has_dates(X[name])]
        self.categories_ = {
            name: X[name].value_counts().index[:MAX_CATEGORIES].sort_values()
            for name in others
            if name not in self.dates_
        }
        return self

    def transform(self, X: Any) -> Any:
        """Return a DataFrame of numbers and categories."""
        import pandas as pd

        X = X.astype(dict.fromkeys(self.booleans_, float))
        for name, categories in self.categories_.items():
            known = X[name].where(X[name].isin(categories))
            X[name] = pd.Categorical(known, categories)
        for name in self.dates_:
            dates = pd.to_datetime(X.pop(name), errors="coerce").dt
            for part in DATE_PARTS:
                X[f"{name} {part}"] = getattr(dates, part).astype(float)
        return X


def _has_dates(column: Any) -> bool:
    """Return whether pandas can read a column as dates of one format."""
    import pandas as pd

    with warnings.catch_warnings():
        # pandas warns if it finds no format, and guesses value by value.
        warnings.simplefilter("error")
        try:
            return bool(pd.to_datetime(column).notna().any())
        except (ValueError, TypeError, UserWarning):
            return False


def make_models(dataset: Dataset, task: str, options: Any) -> dict[str, Model]:
    """Return the models to compare on a data set, by name.

    Parameters
    ----------
    dataset : Dataset
    task : {"classification", "messy", "regression"}
    options : Namespace
        With ``models``, which are names, and ``effort`` and ``time_limit`` of ours.
    """
    is_regression = task == "regression"
    if is_regression:
        mlp: Any = MLPRegressor(random_state=0)
        trees: Any = HistGradientBoostingRegressor
        forest: Any = RandomForestRegressor(random_state=0)
    else:
        mlp = MLPClassifier(random_state=0)
        trees = HistGradientBoostingClassifier
        forest = RandomForestClassifier(random_state=0)
    trees = partial(trees, categorical_features="from_dtype", random_state=0)
    estimators = {
        OURS: _make_ours(is_regression, options)(),
        BASELINE: make_pipeline(*_arrays(dataset, task), mlp),
        "hgb": _with_columns(trees()),
        "hgb_tuned": _tuned(_with_columns(trees(early_stopping=True)), is_regression),
        "rf": make_pipeline(*_arrays(dataset, task), forest),
    }
    return {name: Model(estimators[name]) for name in MODELS if name in options.models}


def _make_ours(is_regression: bool, options: Any) -> Callable[..., Any]:
    make = make_tabular_regressor if is_regression else make_tabular_classifier
    return partial(
        make, effort=options.effort, time_limit=options.time_limit, random_state=0
    )


def _with_columns(trees: Any) -> Pipeline:
    return Pipeline([("columns", ColumnsByHand()), ("trees", trees)])


def _tuned(pipeline: Pipeline, is_regression: bool) -> RandomizedSearchCV:
    return RandomizedSearchCV(
        pipeline,
        TUNED,
        n_iter=N_CANDIDATES,
        cv=N_FOLDS,
        scoring="neg_root_mean_squared_error" if is_regression else "neg_log_loss",
        random_state=0,
    )


def _arrays(dataset: Dataset, task: str) -> list[Any]:
    """Return the steps that prepare columns for models that need arrays."""
    if task != "messy":
        return [make_preprocessor(dataset)]
    one_hot = OneHotEncoder(
        max_categories=MAX_INDICATORS,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    arrays = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot),
            make_column_selector(dtype_include="category"),
        ),
    )
    return [ColumnsByHand(), arrays]


def make_ablations(task: str, options: Any) -> dict[str, Model]:
    """Return our pipelines with one ingredient changed each, by what is changed.

    What has no public parameter is patched while a model is fitted.

    Parameters
    ----------
    task : {"classification", "messy", "regression"}
    options : Namespace
        With ``effort`` and ``time_limit``.
    """
    is_regression = task == "regression"
    make = _make_ours(is_regression, options)
    ablations = _ablate_kinds(make, is_regression)
    ablations |= _ablate_rounds(make, options.effort)
    ablations |= _ablate_networks(make, is_regression)
    if task == "messy":
        parts = [name for name, *_ in make()["columns"].transformers]
        ablations |= {
            f"no {part}": Model(make().set_params(**{f"columns__{part}": "drop"}))
            for part in parts
            if part not in ("numbers", "categories")
        }
    return ablations


def _ablate_kinds(make: Callable[..., Any], is_regression: bool) -> dict[str, Model]:
    """Return ablations of the kinds of members, and of what is in them."""
    general = [name for name, kind in KINDS.items() if not kind.logs_targets]
    used = list(KINDS) if is_regression else general
    # As many members as all kinds have if none is left out after the first round.
    n_members = RECIPE["n_estimators"] * len(general)
    ablations = {
        f"{name} alone": Model(make(kinds=[name], n_estimators=n_members))
        for name in general
    }
    for name in used:
        others = [other for other in used if other != name]
        ablations[f"without {name}"] = Model(make(kinds=others))
    for name in general:
        kind = KINDS[name]
        encoders = [encoder for encoder, _ in kind.encoders("float32", 0)]
        for encoder in encoders if len(encoders) > 1 else ():
            changed = replace(kind, encoders=partial(_encoders_but, kind, encoder))
            ablations[f"{name} without its {encoder}"] = _with_kind(
                make(), name, changed
            )
        if kind.parameters:
            changed = replace(kind, parameters={})
            listed = " and ".join(kind.parameters)
            ablations[f"{name} with the usual {listed}"] = _with_kind(
                make(), name, changed
            )
    return ablations


def _encoders_but(kind: Kind, left_out: str, dtype: str, seed: int) -> Any:
    return [pair for pair in kind.encoders(dtype, seed) if pair[0] != left_out]


def _with_kind(estimator: Any, name: str, kind: Kind) -> Model:
    return Model(estimator, partial(mock.patch.dict, KINDS, {name: kind}))


def _ablate_rounds(make: Callable[..., Any], effort: str) -> dict[str, Model]:
    """Return ablations of how many members are trained, and how they are weighted."""
    usual = EFFORTS[effort]

    def with_effort(**changes: Any) -> Model:
        changed = {effort: usual._replace(**changes)}
        return Model(make(), partial(mock.patch.dict, EFFORTS, changed))

    equal_weights = partial(mock.patch.object, rounds, "fit_weights", _equal_weights)
    return {
        "equal weights": Model(make(), equal_weights),
        "as many members of all kinds again": with_effort(
            rounds=(2 * usual.rounds[0],)
        ),
        "a second round, for kinds that earned weight": with_effort(
            rounds=(usual.rounds[0], 1)
        ),
        "no further cycles of the learning rate": with_effort(max_cycles=0),
        "effort low": Model(make(effort="low")),
        "one member of a kind in a round": Model(make(n_estimators=1)),
    }


def _equal_weights(judge: Any, predictions: Sequence[Any]) -> np.ndarray:
    """Take the place of ``fit_weights``."""
    return np.full(len(predictions), 1 / len(predictions))


def _ablate_networks(make: Callable[..., Any], is_regression: bool) -> dict[str, Model]:
    """Return ablations of the recipe of all networks."""
    changes: dict[str, dict[str, Any]] = {
        "one hidden layer less": {
            "hidden_layer_sizes": RECIPE["hidden_layer_sizes"][:-1]
        },
        "Glorot's initial weights": {"init": "glorot"},
        "beta_2 0.999": {"beta_2": 0.999},
        "one cycle of the learning rate in all": {"learning_rate": "cosine"},
        "a constant learning rate": {"learning_rate": "constant"},
        "the last epoch, not the best": {"restore_best": False},
        "no weight decay": {"weight_decay": 0.0},
    }
    if is_regression:
        changes["one best epoch for all"] = {"restore_best": "together"}
    else:
        changes |= {
            "each member's own best epoch": {"restore_best": True},
            "no label smoothing": {"label_smoothing": 0.0},
            "no temperature": {"temperature_scaling": False},
        }
    return {name: Model(make(**parameters)) for name, parameters in changes.items()}
