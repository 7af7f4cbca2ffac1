"""Tables of mixed columns: the preparation of columns, and pipelines that use it.

The names here are those of ``recipe``, which is imported when one of them is used:
scikit-learn's transformers for tables take three times as long to import as the rest of
the package.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skscratch.tabular.recipe import (
        CLASSIFIER_RECIPE,
        INCOMPATIBLE,
        RECIPE,
        REGRESSOR_RECIPE,
        HedgedClassifier,
        HedgedRegressor,
        TablePipeline,
        make_tabular_classifier,
        make_tabular_regressor,
    )

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

# Names before version 0.2, which still work.
_OLD_NAMES = {
    "OF_CLASSIFIERS": "CLASSIFIER_RECIPE",
    "OF_REGRESSORS": "REGRESSOR_RECIPE",
    "USELESS": "INCOMPATIBLE",
}


def __getattr__(name: str) -> Any:
    current = _OLD_NAMES.get(name, name)
    if current not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skscratch.tabular import recipe

    return getattr(recipe, current)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
