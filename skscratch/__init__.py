"""A neural network written from scratch on NumPy, with scikit-learn's API."""

import importlib
from typing import TYPE_CHECKING

# First: scikit-learn's own imports take 6 % longer when they begin deep in ours.
import sklearn.base  # noqa: F401

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
from skscratch.nn.initializers import INITIALIZERS
from skscratch.nn.layer import Layer
from skscratch.nn.loss import Loss
from skscratch.nn.losses import LOSSES, d_logloss, logloss
from skscratch.nn.network import Network
from skscratch.nn.stack import Stack
from skscratch.training.optimizers import OPTIMIZERS, Optimizer
from skscratch.training.schedules import SCHEDULES, Schedule
from skscratch.training.solvers import SOLVERS, Solver
from skscratch.version import __version__

if TYPE_CHECKING:
    from skscratch.nn.gradient_check import GradientCheck, check_gradients
    from skscratch.tabular import make_tabular_classifier, make_tabular_regressor
    from skscratch.tabular.encoders import PiecewiseLinearEncoder, SmoothClipScaler

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

# Imported on first use: scikit-learn's preprocessing takes longer to import than this
# package, and a network alone does not need it.
_LAZY = {
    "GradientCheck": "skscratch.nn.gradient_check",
    "PiecewiseLinearEncoder": "skscratch.tabular.encoders",
    "SmoothClipScaler": "skscratch.tabular.encoders",
    "check_gradients": "skscratch.nn.gradient_check",
    "make_tabular_classifier": "skscratch.tabular",
    "make_tabular_regressor": "skscratch.tabular",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__():
    return sorted({*globals(), *__all__})
