"""Tables of mixed columns: their preparation, and pipelines that learn from them.

``recipe`` is imported when one of its names is asked for: scikit-learn's preparation of
tables takes three times as long to import as all the rest of the package.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skscratch.tabular.recipe import (
        OF_CLASSIFIERS,
        OF_REGRESSORS,
        RECIPE,
        USELESS,
        StandardisedTargets,
        TablePipeline,
        make_tabular_classifier,
        make_tabular_regressor,
    )

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


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skscratch.tabular import recipe

    return getattr(recipe, name)


def __dir__():
    return sorted({*globals(), *__all__})
