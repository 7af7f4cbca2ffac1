"""One network in training, with all that its training needs and remembers."""

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import Network
from skscratch.nn.predictor import Predictor
from skscratch.training.averaging import Average
from skscratch.training.batches import Batches
from skscratch.training.compiled import choose_backend
from skscratch.training.config import TrainingConfig
from skscratch.training.data import FitData, RemoteData, Split, make_batches
from skscratch.training.early_stopping import EarlyStopping
from skscratch.training.history import FINAL_OUTCOMES, TrainingState
from skscratch.training.regularization import Dropout
from skscratch.training.validator import Validator

__all__ = ["TrainingRun", "start_run"]


@dataclass(eq=False, repr=False)
class TrainingRun:
    """A training in progress, of one network.

    Attributes
    ----------
    network : Network
    config : TrainingConfig
    data : FitData or RemoteData
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
        Outcome of the last epoch.
    """

    network: Network
    config: TrainingConfig
    data: FitData | RemoteData
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
            n_epochs=self.n_epochs,
        )

    def history(self):
        """Fitted attributes that describe this training, by name.

        Returns
        -------
        dict
            Its curves are the lists of the state, which further training extends.
        """
        state, scored = self.state, bool(self.state.validation_scores)
        losses = state.loss_curve
        history = {
            "n_iter_": self.n_epochs,
            "t_": state.n_samples_seen,
            "loss_curve_": losses,
            "loss_": losses[-1] if losses else math.nan,
            "learning_rate_curve_": state.learning_rates,
            "best_epoch_": state.best_epoch or None,
            "best_loss_": None if self.config.early_stopping else state.best_loss,
            "validation_scores_": state.validation_scores if scored else None,
            "validation_loss_curve_": state.validation_losses if scored else None,
            "best_validation_score_": state.best_validation_score if scored else None,
        }
        solver = self.config.solver
        return history if solver.history is None else history | solver.history(self)


def start_run(
    network,
    config,
    data,
    previous,
    *,
    split=None,
    score=None,
    random_state=None,
    dropout_random_state=None,
    seed=None,
):
    """Make the run of one network, ready to be trained.

    Parameters
    ----------
    network : Network
        Trained in place.
    config : TrainingConfig
    data : FitData or RemoteData
    previous : TrainingState or None
        State of an earlier call to continue from.
    split : Split, default=None
        Validation data, with early stopping.
    score : callable, default=None
        Score function of a ``Validator``; needed with ``split``.
    random_state : RandomState, default=None
        Source of the order of samples.
    dropout_random_state : RandomState, default=None
        Source of dropout's seed, which networks that share batches do not share.
    seed : int, default=None
        Seed of a member of an ensemble.

    Returns
    -------
    TrainingRun
    """
    if not config.solver.is_stochastic:
        state = TrainingState(None, None)
        return TrainingRun(
            network, config, data, state, None, None, None, None, random_state, seed
        )
    rows = None if split is None else split.training_rows
    batches = make_batches(data, config, rows, random_state)
    recorded = None if previous is None else previous.backend
    backend = choose_backend(config, data, recorded)
    dropout = validator = None
    if any(config.dropout):
        neurons = list(config.sizes[1:-1])
        dropout = Dropout(config.dropout, neurons, network.dtype, dropout_random_state)
    if split is not None:
        validator = Validator(
            Predictor(network, backend=backend),
            resolve_loss(network.loss),
            split,
            score,
        )
    return TrainingRun(
        network,
        config,
        data,
        replace(_continued_state(config, network, previous), backend=backend),
        batches,
        dropout,
        split,
        validator,
        random_state,
        seed,
    )


def _continued_state(config, network, previous):
    """State to train with; ``fit`` takes a new optimizer, as in scikit-learn."""
    optimizer_class, n_parameters = config.solver.optimizer, network.parameters.size
    average = None
    if config.averaging is not None:
        average = Average(n_parameters, network.dtype, config.averaging)
    continues = config.is_incremental and previous is not None
    if continues and type(previous.optimizer) is optimizer_class:
        if previous.average is not None and average is not None:
            average = copy.deepcopy(previous.average)
        # Copies: if training diverges, the old state still stands.
        optimizer = copy.deepcopy(previous.optimizer)
        optimizer.set_hyperparameters(**config.optimizer_options)
        schedule = _continued_schedule(config, previous)
    else:
        optimizer = optimizer_class(
            n_parameters, network.dtype, **config.optimizer_options
        )
        optimizer.n_weights = network.weights.size
        schedule = config.schedule(config.learning_rate_init, **config.schedule_options)
    previous = previous or TrainingState(None, None)
    state = previous.continued(optimizer, schedule, average)
    return replace(state, is_incremental=config.is_incremental)


def _continued_schedule(config, previous):
    """Schedule to go on with, a new one if the parameters of the old have changed."""
    new = config.schedule(config.learning_rate_init, **config.schedule_options)
    old = previous.schedule
    names = ("initial_rate", *config.schedule_options)
    is_same = type(old) is type(new) and all(
        getattr(old, name, None) == getattr(new, name, None) for name in names
    )
    if is_same:
        return copy.deepcopy(old)
    new.on_epoch_end(previous.n_samples_seen)
    return new
