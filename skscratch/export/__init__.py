"""A fitted model in other formats: ONNX, scikit-learn's own network, plain NumPy.

Each name is imported when it is first used: what one format needs, another does not.
Importing this package registers the estimators with skl2onnx, if that is installed.
"""

import importlib
from typing import TYPE_CHECKING, Any

from skscratch.export.onnx.registration import register

if TYPE_CHECKING:
    from skscratch.export.onnx.model import to_onnx
    from skscratch.export.scikit_learn import from_sklearn, to_sklearn
    from skscratch.export.source import to_source

__all__ = ["from_sklearn", "to_onnx", "to_sklearn", "to_source"]

_MODULES = {
    "from_sklearn": "skscratch.export.scikit_learn",
    "to_onnx": "skscratch.export.onnx.model",
    "to_sklearn": "skscratch.export.scikit_learn",
    "to_source": "skscratch.export.source",
}

register()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
