"""What a training remembers: losses, scores and the state of its optimizer.

Nothing here trains; ``early_stopping`` decides what an epoch means for the training.
"""

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from skscratch.training.averaging import Average
from skscratch.training.optimizers import Optimizer
from skscratch.training.schedules import Schedule

__all__ = [
    "FINAL_OUTCOMES",
    "Epoch",
    "TrainingState",
    "mean",
    "with_arrays",
    "with_lists",
]

# Outcomes of an epoch that end the training.
FINAL_OUTCOMES = ("stopped", "diverged")

# Fitted attributes of an estimator, and the fields of the state that they come from.
CONTINUED_ATTRIBUTES = {
    "loss_curve_": "loss_curve",
    "best_loss_": "best_loss",
    "t_": "n_samples_seen",
    "validation_scores_": "validation_scores",
    "best_validation_score_": "best_validation_score",
}

# Fields of the state that grow with each epoch.
HISTORIES = ("loss_curve", "learning_rates", "validation_scores", "validation_losses")


class Epoch(NamedTuple):
    """Report of a finished epoch.

    Attributes
    ----------
    number : int
        Counted from 1 in each call of ``fit``.
    loss : float
        Mean loss over the epoch's batches.
    score : float or None
        Score on the validation data, if there are any.
    validation_loss : float or None
        Loss on the validation data, if there are any.
    outcome : {"improving", "slowed", "stopped", "diverged"}
        Whether training continues, continues at a lower learning rate after a plateau,
        stops, or stops because the loss or the parameters are not finite.
    """

    number: int
    loss: float
    score: float | None
    validation_loss: float | None
    outcome: str


@dataclass(eq=False, repr=False)
class TrainingState:
    """State that is kept from epoch to epoch, and from call to call.

    Attributes
    ----------
    optimizer : Optimizer or None
        None in a pickle, and for a solver that has none.
    schedule : Schedule or None
        The learning rate schedule, likewise.
    average : Average or None
        Moving average of the parameters, if they are averaged.
    loss_curve : list of float
        Mean loss over each epoch's batches.
    best_loss : float
        Lowest loss of all epochs; infinite if epochs are judged by a score.
    learning_rates : list of float
        Learning rate of each epoch's last step.
    validation_scores : list of float
        Score of each epoch on the validation data.
    validation_losses : list of float
        Loss of each epoch on the validation data.
    best_validation_score : float
        Highest validation score.
    least_error : float
        Error of the epoch that ``restore_best='together'`` chose.
    best_parameters : ndarray of shape (n_parameters,) or None
        Parameters of the best epoch, if this call has had a better one than earlier
        calls.
    best_epoch : int
        Epoch of the best score, or of the lowest loss without scores; counted from 1
        over all calls.
    no_improvement : int
        Number of epochs since the last one that improved by ``tol`` or more.
    n_samples_seen : int
        Number of samples trained on in all epochs.
    is_incremental : bool
        Whether the last call was ``partial_fit``, so that the optimizer's state has to
        be pickled.
    backend : {"numpy", "compiled"}
        What trains the network.
    """

    optimizer: Optimizer | None
    schedule: Schedule | None
    average: Average | None = None
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    learning_rates: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    best_validation_score: float = -np.inf
    least_error: float = np.inf
    best_parameters: Any = None
    best_epoch: int = 0
    no_improvement: int = 0
    n_samples_seen: int = 0
    is_incremental: bool = False
    backend: str = "numpy"

    def continued(self, optimizer, schedule, average):
        """State to continue with another optimizer, schedule and average.

        It extends the same histories: copying them would make each call of a long
        stream slower than the one before.

        Parameters
        ----------
        optimizer : Optimizer or None
        schedule : Schedule or None
        average : Average or None

        Returns
        -------
        TrainingState
        """
        return replace(
            self,
            optimizer=optimizer,
            schedule=schedule,
            average=average,
            best_parameters=None,
        )

    def with_attributes(self, fitted):
        """State with the fitted attributes that scikit-learn continues from, too.

        Parameters
        ----------
        fitted : dict
            Fitted attributes by name, which a user may have set.

        Returns
        -------
        TrainingState
        """
        given = {
            field: fitted[name]
            for name, field in CONTINUED_ATTRIBUTES.items()
            if fitted.get(name) is not None
        }
        for name in ("loss_curve", "validation_scores"):
            if name in given and not isinstance(given[name], list):
                given[name] = list(given[name])
        return replace(self, **given)

    def without_optimizer(self):
        """State without what only training needs; it shares the histories.

        Returns
        -------
        TrainingState
        """
        return self.continued(None, None, None)

    def histories(self):
        """Lists that grow with each epoch.

        Returns
        -------
        list of list
        """
        return [getattr(self, name) for name in HISTORIES]

    def with_copied_histories(self):
        """State whose histories do not grow with those of this one.

        Returns
        -------
        TrainingState
        """
        copied: dict[str, Any] = {name: list(getattr(self, name)) for name in HISTORIES}
        return replace(self, **copied)

    def sharing(self, arrays):
        """State to pickle, whose histories are arrays that stand for the same lists.

        Parameters
        ----------
        arrays : dict
            Arrays, by the ``id`` of the list that each stands for.

        Returns
        -------
        TrainingState
            Other histories stay lists.
        """
        histories = {name: getattr(self, name) for name in HISTORIES}
        shared: dict[str, Any] = {
            name: arrays[id(values)]
            for name, values in histories.items()
            if id(values) in arrays
        }
        return replace(self, **shared)

    def __getstate__(self):
        """State to pickle; see ``with_arrays``."""
        return with_arrays(vars(self), HISTORIES)

    def __setstate__(self, state):
        """Restore a pickled state."""
        vars(self).update(with_lists(state, HISTORIES))


def with_arrays(values, names):
    """Copy of a dict in which lists of numbers have become arrays.

    They are a fraction of the size in a file, above all in skops' files, which describe
    each item of a list.

    Parameters
    ----------
    values : dict
    names : sequence of str
        Keys of the lists. What is missing, or no list of floats, stays as it is.

    Returns
    -------
    dict
    """
    arrays = {
        name: np.array(values[name], dtype=np.float64)
        for name in names
        if isinstance(values.get(name), list)
        and all(isinstance(item, float) for item in values[name])
    }
    return values | arrays


def with_lists(values, names):
    """Copy of a dict in which arrays have become lists again.

    Parameters
    ----------
    values : dict
    names : sequence of str
        Keys of the arrays.

    Returns
    -------
    dict
    """
    lists = {
        name: values[name].tolist()
        for name in names
        if isinstance(values.get(name), np.ndarray)
    }
    return values | lists


def mean(values):
    """Mean of what several trainings report.

    Parameters
    ----------
    values : sequence of (float, list of float or None)
        All of a kind: numbers, or curves, which may differ in length.

    Returns
    -------
    float, list of float or None
        A curve is a mean over the trainings that have come so far. None if one of the
        values is None.
    """
    if any(value is None for value in values):
        return None
    if not isinstance(values[0], list):
        return math.fsum(values) / len(values)
    epochs = itertools.zip_longest(*values)
    return [mean([v for v in epoch if v is not None]) for epoch in epochs]
