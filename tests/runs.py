"""Trainings without an estimator: runs, and a monitor that records their epochs."""

import numpy as np

from skscratch.training.config import TrainingConfig
from skscratch.training.data import FitData
from skscratch.training.loop import run_epochs
from skscratch.training.run import TrainingRun
from skscratch.training.schedules import Constant
from skscratch.training.solvers import SOLVERS

DEFAULTS = {
    "sizes": (),
    "activation": "relu",
    "loss": "log_loss",
    "init": "glorot",
    "dtype": np.dtype(np.float64),
    "solver": SOLVERS["adam"],
    "optimizer_options": {},
    "schedule": Constant,
    "schedule_options": {},
    "learning_rate_init": 0.001,
    "max_epochs": 3,
    "max_fun": 15000,
    "batch_size": 200,
    "is_batch_size_given": False,
    "shuffle": True,
    "alpha": 0.0,
    "tol": 0.0,
    "patience": np.inf,
    "dropout": (),
    "smoothing": None,
    "calibration_classes": None,
    "max_grad_norm": None,
    "averaging": None,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "restore_best": True,
    "restore_best_together": False,
    "n_estimators": 1,
    "share_batches": False,
    "is_incremental": False,
}


class Recorder:
    """Monitor that keeps the report of each epoch.

    ``after_epoch(epoch)`` is called after each; training stops if it returns True.
    """

    is_silent = False

    def __init__(self, after_epoch=None):
        self.epochs, self.after_epoch = [], after_epoch

    def begin_step(self):
        """Nothing to record."""

    def end_step(self, epoch, save_state):
        self.epochs.append(epoch)
        return self.after_epoch is not None and bool(self.after_epoch(epoch))


def make_run(
    network, batches, state, *, score=None, random_state=None, dropout=None, **options
):
    """Run of a network, with ``score`` in the place of a validator."""
    config = TrainingConfig(**DEFAULTS | options)
    arrays = batches.data
    data = FitData(arrays.X, arrays.Y, arrays.Y, arrays.weights)
    return TrainingRun(
        network, config, data, state, batches, dropout, None, score, random_state
    )


def train(network, batches, state, *, after_epoch=None, **options):
    """Train one network; return the reports of its epochs."""
    recorder = Recorder(after_epoch)
    run_epochs([make_run(network, batches, state, **options)], recorder)
    return recorder.epochs
