"""A neural network written from scratch on NumPy, with scikit-learn's API."""

import importlib
from typing import TYPE_CHECKING, Any

from skscratch.version import __version__

if TYPE_CHECKING:
    from skscratch.backends.choice import set_backend
    from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
    from skscratch.estimators.checkpoint import Checkpoint
    from skscratch.nn.activations import (
        ACTIVATIONS,
        Activation,
        d_sigmoid,
        d_tanh,
        sigmoid,
        tanh,
    )
    from skscratch.nn.gradient_check import GradientCheck, check_gradients
    from skscratch.nn.initializers import INITIALIZERS
    from skscratch.nn.layer import Layer
    from skscratch.nn.loss import Loss
    from skscratch.nn.losses import LOSSES, d_logloss, logloss
    from skscratch.nn.network import Network
    from skscratch.nn.stack import Stack
    from skscratch.tabular import make_tabular_classifier, make_tabular_regressor
    from skscratch.tabular.encoders import PiecewiseLinearEncoder, SmoothClipScaler
    from skscratch.training.optimizers import OPTIMIZERS, Optimizer
    from skscratch.training.schedules import SCHEDULES, Schedule
    from skscratch.training.solvers import SOLVERS, Solver

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "SOLVERS",
    "Activation",
    "Checkpoint",
    "GradientCheck",
    "Layer",
    "Loss",
    "Network",
    "Optimizer",
    "PiecewiseLinearEncoder",
    "Schedule",
    "ScratchMLPClassifier",
    "ScratchMLPRegressor",
    "SmoothClipScaler",
    "Solver",
    "Stack",
    "__version__",
    "check_gradients",
    "d_logloss",
    "d_sigmoid",
    "d_tanh",
    "logloss",
    "make_tabular_classifier",
    "make_tabular_regressor",
    "set_backend",
    "sigmoid",
    "tanh",
]

# Each name is imported when it is first used, so that a network alone does not wait for
# scikit-learn, nor the command line's handler of Ctrl-C for NumPy:
# https://scientific-python.org/specs/spec-0001/
_MODULES = {
    "skscratch.backends.choice": ("set_backend",),
    "skscratch.estimators": ("ScratchMLPClassifier", "ScratchMLPRegressor"),
    "skscratch.estimators.checkpoint": ("Checkpoint",),
    "skscratch.nn.activations": (
        "ACTIVATIONS",
        "Activation",
        "d_sigmoid",
        "d_tanh",
        "sigmoid",
        "tanh",
    ),
    "skscratch.nn.gradient_check": ("GradientCheck", "check_gradients"),
    "skscratch.nn.initializers": ("INITIALIZERS",),
    "skscratch.nn.layer": ("Layer",),
    "skscratch.nn.loss": ("Loss",),
    "skscratch.nn.losses": ("LOSSES", "d_logloss", "logloss"),
    "skscratch.nn.network": ("Network",),
    "skscratch.nn.stack": ("Stack",),
    "skscratch.tabular": ("make_tabular_classifier", "make_tabular_regressor"),
    "skscratch.tabular.encoders": ("PiecewiseLinearEncoder", "SmoothClipScaler"),
    "skscratch.training.optimizers": ("OPTIMIZERS", "Optimizer"),
    "skscratch.training.schedules": ("SCHEDULES", "Schedule"),
    "skscratch.training.solvers": ("SOLVERS", "Solver"),
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names}
_PACKAGES = (
    *("backends", "dask", "estimators", "export", "nn", "plotting", "tabular"),
    "training",
)


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        # Together with their modules, as in ``skscratch.nn.layer``.
        for module in _MODULES:
            if name == "tabular" or not module.startswith(f"{__name__}.tabular"):
                importlib.import_module(module)
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
