"""A neural network from scratch on NumPy, with a scikit-learn face."""

from skscratch.activations import ACTIVATIONS, d_sigmoid, d_tanh, sigmoid, tanh
from skscratch.checkpoints import Checkpoint
from skscratch.ensembles import Stack
from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.gradient_check import GradientCheck, check_gradients
from skscratch.layers import Layer
from skscratch.losses import LOSSES, d_logloss, logloss
from skscratch.network import Network
from skscratch.optimizers import OPTIMIZERS
from skscratch.schedules import SCHEDULES
from skscratch.tabular import (
    PiecewiseLinearEncoder,
    SmoothClipScaler,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.version import __version__

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Checkpoint",
    "GradientCheck",
    "Layer",
    "Network",
    "PiecewiseLinearEncoder",
    "ScratchMLPClassifier",
    "ScratchMLPRegressor",
    "SmoothClipScaler",
    "Stack",
    "__version__",
    "check_gradients",
    "d_logloss",
    "d_sigmoid",
    "d_tanh",
    "logloss",
    "make_tabular_classifier",
    "make_tabular_regressor",
    "sigmoid",
    "tanh",
]
