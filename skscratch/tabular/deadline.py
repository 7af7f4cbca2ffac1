"""Time limit for the training of a hedged ensemble."""

import math
import time
from collections.abc import Callable
from typing import Any

from sklearn.base import clone

from skscratch.estimators.config import auto_max_iter
from skscratch.training.solvers import find_solver

__all__ = ["Deadline"]

# Share of the limit for training; predictions for held-out rows and weights take the
# rest.
TRAINING_SHARE = 0.9
# Share of the usual number of epochs below which kinds are left out instead.
MIN_EPOCHS_SHARE = 0.25


class Deadline:
    """Time at which the training of members must end.

    Parameters
    ----------
    seconds : float or None
        Time limit; None means no limit.
    started : float, default=None
        Start of the limit, as returned by ``time.monotonic``; None means now.
    share : float, default=1.0
        Share of the limit that may be used.
    """

    def __init__(
        self, seconds: float | None, started: float | None = None, share: float = 1.0
    ) -> None:
        started = time.monotonic() if started is None else started
        share *= TRAINING_SHARE
        self._end = math.inf if seconds is None else started + share * seconds

    @property
    def remaining(self) -> float:
        """Remaining training time in seconds."""
        return self._end - time.monotonic()

    def callbacks(self) -> list[Any]:
        """Callbacks that end the training of a network when time is up.

        Returns
        -------
        list
        """
        return [] if math.isinf(self._end) else [_StopAt(self._end)]

    def plan(self, network: Any, fit: Callable[[Any], Any], n_kinds: int) -> bool:
        """Set the number of epochs of a network to fit the remaining time.

        Parameters
        ----------
        network : ScratchMLPClassifier or ScratchMLPRegressor
            Network to train. Its ``max_iter`` is lowered if training would take too
            long.
        fit : callable
            ``fit(network)`` trains a network, or another with its parameters and
            callbacks, and returns the trained one.
        n_kinds : int
            Number of kinds still to be trained in the remaining time.

        Returns
        -------
        bool
            Whether there is time to train the network. If not, its ``max_iter`` is set
            to 1, because an ensemble needs at least one network.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts the training of a few epochs that are timed.
        """
        if math.isinf(self._end):
            return True
        if self.remaining <= 0:
            network.set_params(max_iter=1)
            return False
        seconds, n_samples = _time_epoch(network, fit)
        usual = network.max_iter
        if usual == "auto":
            solver = find_solver(network.solver)
            usual = auto_max_iter(solver, n_samples, network.batch_size)
        affordable = max(self.remaining, 0) / seconds
        # Fewer kinds are better than members with very little training.
        n_kinds = min(n_kinds, int(affordable / (MIN_EPOCHS_SHARE * usual)))
        n_epochs = max(int(affordable / max(n_kinds, 1)), 1)
        if n_epochs < usual:
            network.set_params(max_iter=n_epochs)
        return True


def _time_epoch(network: Any, fit: Callable[[Any], Any]) -> tuple[float, int]:
    """Train a copy of a network for two epochs.

    Returns
    -------
    seconds : float
        Time of the second epoch; the first may include loading of kernels.
    n_samples : int
        Number of samples trained on in an epoch.
    """
    clock = _Clock()
    copied = clone(network).set_params(max_iter=2, verbose=False).set_callbacks(clock)
    fitted = fit(copied)
    if fitted.is_interrupted_:
        # The network has returned, but the user wants to end the whole fit.
        raise KeyboardInterrupt
    seconds = max(clock.times[-1] - clock.times[0], 1e-6)
    return seconds, fitted.t_ // max(fitted.n_iter_, 1)


class _StopAt:
    """Callback that stops training at a given time.

    Parameters
    ----------
    end : float
        Time to stop, as returned by ``time.monotonic``.
    """

    def __init__(self, end: float) -> None:
        self.end = end

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **data: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any, **data: Any) -> bool:
        """Return whether the training should stop."""
        return time.monotonic() >= self.end

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""


class _Clock(_StopAt):
    """Callback that records when epochs end."""

    def __init__(self) -> None:
        super().__init__(math.inf)
        self.times: list[float] = []

    def on_fit_task_end(self, estimator: Any, context: Any, **data: Any) -> bool:
        """Record the time."""
        self.times.append(time.monotonic())
        return False
