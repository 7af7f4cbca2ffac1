"""The models that are compared: our recipe, and scikit-learn's as a user would set up.

``PREPARATIONS`` says in words what the functions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

from skscratch.cli.comparison import Candidate
from skscratch.tabular.columns import TableColumns, make_preprocessor
from skscratch.tabular.conversion import NumberConverter, column_names, to_categories
from skscratch.tabular.dates import DateEncoder
from skscratch.tabular.recipe import make_tabular_classifier, make_tabular_regressor
from skscratch.tabular.roles import ColumnRole
from skscratch.tabular.text import TextEncoder

RECIPE = "skscratch recipe"
# HistGradientBoosting takes at most 255 categories, and we leave one for all others.
MAX_TREE_CATEGORIES = 254

PREPARATIONS = (
    "scikit-learn's models have their default parameters. {mlp} gets imputed and "
    "standardized numbers{targets} and one-hot categories; {trees} gets numbers as "
    "they are, and up to {limit} categories of a column as categories. Dates and text "
    "are prepared by skscratch for all of them."
)


def make_recipe(
    task: str, effort: str, time_limit: float | None, seed: int
) -> Candidate:
    """Make the recipe of ``skscratch.tabular``, with intervals for numbers.

    Parameters
    ----------
    task : {"classification", "regression"}
    effort : {"low", "default", "high"}
    time_limit : float or None
        Seconds of each fit.
    seed : int

    Returns
    -------
    Candidate
    """
    options: dict[str, Any] = {
        "effort": effort,
        "time_limit": time_limit,
        "random_state": seed,
    }
    if task == "classification":
        model = make_tabular_classifier(**options)
    else:
        model = make_tabular_regressor(intervals=True, **options)
    return Candidate(RECIPE, model, is_ours=True)


def make_peers(task: str, roles: Sequence[ColumnRole], seed: int) -> list[Candidate]:
    """Make scikit-learn's network and gradient boosting, with default parameters.

    What the columns are is taken from their roles, as a user would look at the table
    and then write down a ``ColumnTransformer``.

    Parameters
    ----------
    task : {"classification", "regression"}
    roles : list of ColumnRole
        One for each column, from ``find_roles``.
    seed : int

    Returns
    -------
    list of Candidate
    """
    classifies = task == "classification"
    mlp: Any = MLPClassifier(random_state=seed)
    trees: Any = HistGradientBoostingClassifier
    if not classifies:
        mlp = with_standardized_targets(MLPRegressor(random_state=seed))
        trees = HistGradientBoostingRegressor
    columns, n_categories = make_tree_columns(roles, seed)
    trees = trees(categorical_features=np.arange(n_categories), random_state=seed)
    steps = [
        [("columns", make_network_columns(seed)), ("network", mlp)],
        [("columns", columns), ("trees", trees)],
    ]
    names = peer_names(task)
    return [
        Candidate(name, Pipeline(step)) for name, step in zip(names, steps, strict=True)
    ]


def peer_names(task: str) -> tuple[str, str]:
    """Names of scikit-learn's classes: the network and the trees."""
    if task == "classification":
        return MLPClassifier.__name__, HistGradientBoostingClassifier.__name__
    return MLPRegressor.__name__, HistGradientBoostingRegressor.__name__


def describe_preparations(task: str) -> str:
    """Say in a sentence what scikit-learn's models get."""
    mlp, trees = peer_names(task)
    targets = "" if task == "classification" else ", standardized targets"
    return PREPARATIONS.format(
        mlp=mlp, trees=trees, targets=targets, limit=MAX_TREE_CATEGORIES
    )


def with_standardized_targets(network: Any) -> TransformedTargetRegressor:
    """Put a regressor behind scikit-learn's standardization of targets."""
    return TransformedTargetRegressor(network, transformer=StandardScaler())


def make_network_columns(seed: int) -> TableColumns:
    """Make the usual preparation for a plain network.

    Missing numbers are imputed with the median and marked, and numbers are
    standardized. Categories are one-hot encoded; those that occur fewer than five times
    share one input. Dates and text are encoded as in ``make_table_columns``. Which
    column is what is decided by ``fit``.

    Parameters
    ----------
    seed : int
        Of the components of text.

    Returns
    -------
    TableColumns
        Unfitted.
    """
    columns = make_preprocessor(StandardScaler(), min_frequency=5)
    added = [
        ("dates", DateEncoder(), "auto"),
        ("text", TextEncoder(random_state=seed), "auto"),
    ]
    return columns.set_params(transformers=[*columns.transformers, *added])


def make_tree_columns(
    roles: Sequence[ColumnRole], seed: int
) -> tuple[ColumnTransformer, int]:
    """Make the usual preparation for gradient boosting on trees.

    Numbers stay as they are, missing ones too. The ``MAX_TREE_CATEGORIES`` most
    frequent categories of a column are numbered; the rarest share a number if there are
    more, and missing and unknown categories are missing. Dates and text are encoded as
    in ``make_table_columns``.

    Parameters
    ----------
    roles : list of ColumnRole
        One for each column.
    seed : int
        Of the components of text.

    Returns
    -------
    columns : ColumnTransformer
        Unfitted. Its first outputs are the categories.
    n_categories : int
        Number of these outputs.
    """
    chosen = {
        part: [i for i, role in enumerate(roles) if part in (role.inputs or {})]
        for part in ("categories", "numbers", "dates", "text")
    }
    numbered = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MAX_TREE_CATEGORIES,
    )
    as_text = FunctionTransformer(_to_text, feature_names_out=column_names)
    parts = {
        "categories": Pipeline([("text", as_text), ("number", numbered)]),
        "numbers": NumberConverter(),
        "dates": DateEncoder(),
        "text": TextEncoder(random_state=seed),
    }
    columns = ColumnTransformer(
        [(name, part, chosen[name]) for name, part in parts.items() if chosen[name]],
        sparse_threshold=0,
    )
    return columns, len(chosen["categories"])


def _to_text(X: Any) -> Any:
    """Convert columns to text, and missing values to nan.

    ``OrdinalEncoder`` takes None for a category.
    """
    text = to_categories(X)
    is_missing = np.frompyfunc(lambda cell: cell is None, 1, 1)(text)
    text[is_missing.astype(bool)] = np.nan
    return text
