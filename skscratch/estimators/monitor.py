"""Callbacks: what scikit-learn's hear of a training, and what becomes of their errors.

They are scikit-learn's own (``sklearn.callback``): an estimator tells them of the fit
as a whole and of each epoch.
"""

import copy
from contextlib import contextmanager
from functools import partial
from typing import Any

from skscratch._sklearn import has_callbacks

__all__ = ["FromOutside", "Silence", "Tasks", "from_outside"]


class FromOutside(Exception):
    """An error of a callback or a scorer, on its way past what undoes a refused fit.

    Training is no worse for it: the epochs before it count.

    Parameters
    ----------
    error : Exception
        What was raised.
    """

    def __init__(self, error):
        super().__init__(error)
        self.error = error


@contextmanager
def from_outside():
    """Context of the user's code in the middle of a training."""
    try:
        yield
    except FromOutside:
        raise
    except Exception as error:
        raise FromOutside(error) from error


class Silence:
    """In the place of ``Tasks``, where nobody hears of epochs."""

    stopped = False

    def begin(self):
        """Tell nobody."""

    def end(self, published):
        """Tell nobody; training goes on."""
        return False


class Tasks:
    """What callbacks hear of a fit: the whole of it, and each epoch or iteration.

    Parameters
    ----------
    estimator : BaseScratchMLP
    given : tuple
        ``X``, ``y`` and ``sample_weight`` as the user gave them.
    task_name : str
        What a part of the fit is called: "epoch", "iteration" or "member".
    max_subtasks : int
        Largest number of them.

    Attributes
    ----------
    stopped : bool
        Whether a callback has asked for training to stop.
    """

    def __init__(self, estimator, given, task_name, max_subtasks):
        X, y, sample_weight = given
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._estimator, self._task_name, self.stopped = estimator, task_name, False
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        # Training without callbacks is not to wait for them.
        self._are_any = has_callbacks(estimator)
        self._root = estimator._init_callback_context(max_subtasks=max_subtasks)
        self._root.call_on_fit_task_begin(**self._data)
        self._task: Any = None

    def begin(self):
        """Tell of an epoch that begins, unless one has begun."""
        if self._are_any and self._task is None:
            self._task = self._root.subcontext(task_name=self._task_name)
            with from_outside():
                self._task.call_on_fit_task_begin(**self._data)

    def end(self, published):
        """Tell of an epoch that ended; return whether training is to stop.

        ``published`` gives the fitted attributes of the moment.
        """
        if self._are_any:
            as_if_stopped = partial(self._estimator._as_if_stopped, published)
            # Before the hook, which is not to be told twice if it fails.
            task, self._task = self._task, None
            with from_outside():
                self.stopped = task.call_on_fit_task_end(
                    **self._data, reconstruction_attributes=as_if_stopped
                )
        return self.stopped

    def ended(self):
        """Tell of the end of the fit, and of an epoch that was broken off."""
        with from_outside():
            if self._task is not None:
                self._task.call_on_fit_task_end(**self._data)
            self._root.call_on_fit_task_end(
                **self._data, reconstruction_attributes=self._fitted_attributes
            )

    def _fitted_attributes(self):
        fitted = {k: v for k, v in vars(self._estimator).items() if k.endswith("_")}
        return copy.deepcopy(fitted)
