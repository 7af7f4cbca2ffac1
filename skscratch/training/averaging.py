"""Moving averages of the parameters, which validation and prediction may use."""

from contextlib import contextmanager, nullcontext
from typing import Any

from skscratch.backends.linalg import add_scaled, aligned

__all__ = ["Average", "StackedAverage", "averaged"]


class Average:
    """Exponential moving average of the parameters.

    The parameters of ``k`` steps ago count ``decay ** k`` times as much as the latest,
    and all weights sum to 1: an average over about ``1 / (1 - decay)`` steps (Polyak
    and Juditsky, 1992, with exponential weights and the bias correction of Kingma and
    Ba, arXiv 1412.6980, section 3).

    Parameters
    ----------
    n_parameters : int
    dtype : dtype
    decay : float

    Attributes
    ----------
    mean : ndarray of shape (n_parameters,)
    trained : ndarray of shape (n_parameters,) or None
        Parameters at the end of the last call, from which the next one continues.
    n_steps : int
        Number of updates.
    """

    def __init__(self, n_parameters, dtype, decay):
        self.decay = decay
        self.mean = aligned(n_parameters, dtype)
        self.trained: Any = None
        self.n_steps = 0

    def update(self, parameters):
        """Include the parameters after a step."""
        self.n_steps += 1
        share = (1 - self.decay) / (1 - self.decay**self.n_steps)
        self.mean *= 1 - share
        add_scaled(self.mean, parameters, share)


class StackedAverage:
    """Moving averages of several networks, each with its own ``Average``.

    Parameters
    ----------
    averages : list of Average
    """

    def __init__(self, averages):
        self._averages = averages

    def update(self, parameters):
        """Include the parameters after a step, one row for each network."""
        for average, row in zip(self._averages, parameters, strict=True):
            average.update(row)


def averaged(network, average):
    """Context in which the network has the averaged parameters, if there are any.

    Parameters
    ----------
    network : Network
    average : Average or None
    """
    return nullcontext() if average is None else _averaged(network, average)


@contextmanager
def _averaged(network, average):
    trained = network.snapshot()
    network.restore(average.mean)
    try:
        yield
    finally:
        network.restore(trained)
