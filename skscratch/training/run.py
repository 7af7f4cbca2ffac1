"""One network in training, with all that its training needs and remembers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skscratch.nn.network import Network
from skscratch.training.batches import Batches, Dropout
from skscratch.training.config import TrainingConfig
from skscratch.training.data import FitData, Split
from skscratch.training.early_stopping import EarlyStopping
from skscratch.training.history import FINAL_OUTCOMES, TrainingState
from skscratch.training.validator import Validator

__all__ = ["TrainingRun"]


@dataclass(eq=False)
class TrainingRun:
    """A training in progress, of one network.

    Attributes
    ----------
    network : Network
    config : TrainingConfig
    data : FitData
        All training data, validation rows included.
    state : TrainingState
    batches : Batches or None
        None for a solver that takes all samples at once.
    dropout : Dropout or None
    split : Split or None
        None without early stopping.
    validator : Validator or None
    random_state : RandomState
        Source of the split and of the order of samples.
    seed : int or None
        Seed of a member of an ensemble.
    trained_parameters : ndarray of shape (n_parameters,) or None
        Parameters after the last epoch, of a member whose training has ended while
        others wait for theirs; its network may have those of the best epoch.
    n_epochs : int
        Number of finished epochs, or iterations, of this call.
    outcome : str
        Outcome of the last epoch, or "interrupted".
    """

    network: Network
    config: TrainingConfig
    data: FitData
    state: TrainingState
    batches: Batches | None
    dropout: Dropout | None
    split: Split | None
    validator: Validator | None
    random_state: np.random.RandomState
    seed: int | None = None
    trained_parameters: Any = None
    n_epochs: int = 0
    outcome: str = "improving"

    @property
    def is_active(self):
        """Whether the training continues: it neither stopped nor diverged."""
        return self.outcome not in FINAL_OUTCOMES

    @property
    def n_finite_epochs(self):
        """Number of epochs of this call that ended with finite numbers."""
        diverged = self.outcome == "diverged" and self.config.solver.is_stochastic
        return self.n_epochs - diverged

    def early_stopping(self):
        """Judge of this training's epochs, at their current number.

        Returns
        -------
        EarlyStopping
        """
        config = self.config
        return EarlyStopping(
            self.network,
            self.state,
            tol=config.tol,
            patience=config.patience,
            validator=self.validator,
            restore_best=config.restore_best,
            chosen_together=config.restore_best_together,
            is_resumed=self.n_epochs > 0,
        )

    def history(self):
        """Fitted attributes that describe this training, by name.

        Returns
        -------
        dict
        """
        state, scored = self.state, bool(self.state.validation_scores)
        losses = state.loss_curve
        history = {
            "n_iter_": self.n_epochs,
            "t_": state.n_samples_seen,
            "loss_curve_": list(losses),
            "loss_": losses[-1] if losses else math.nan,
            "learning_rate_curve_": list(state.learning_rates),
            "best_epoch_": state.best_epoch or None,
            "best_loss_": None if self.config.early_stopping else state.best_loss,
            "validation_scores_": list(state.validation_scores) if scored else None,
            "validation_loss_curve_": list(state.validation_losses) if scored else None,
            "best_validation_score_": state.best_validation_score if scored else None,
        }
        solver = self.config.solver
        return history if solver.history is None else history | solver.history(self)
