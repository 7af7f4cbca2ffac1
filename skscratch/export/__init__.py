"""A fitted model in other formats: scikit-learn's own network, and plain NumPy.

Each name is imported when it is first used: what one format needs, another does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skscratch.export.scikit_learn import from_sklearn, to_sklearn
    from skscratch.export.source import to_source

__all__ = ["from_sklearn", "to_sklearn", "to_source"]

_MODULES = {
    "from_sklearn": "skscratch.export.scikit_learn",
    "to_sklearn": "skscratch.export.scikit_learn",
    "to_source": "skscratch.export.source",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
