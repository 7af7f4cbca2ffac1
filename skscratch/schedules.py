"""The schedules: the learning rate of each step.

A schedule hears of every epoch that ends and of every plateau of the cost, and holds
the rate that the next step takes.
"""

__all__ = ["SCHEDULES", "Adaptive", "Constant", "InverseScaling"]


class Constant:
    """The same rate throughout.

    Parameters
    ----------
    initial_rate : float
        The rate of the first step.

    Attributes
    ----------
    rate : float
        The rate of the next step.
    solvers : tuple of str or None
        The solvers that follow the schedule; None means all of them. Another solver
        ignores it and keeps a constant rate, as in scikit-learn.
    hyperparameters : tuple of str
        Names of the further parameters of the constructor, which are those of the
        estimators too.
    """

    solvers: tuple[str, ...] | None = None
    hyperparameters: tuple[str, ...] = ()

    def __init__(self, initial_rate):
        self.initial_rate = initial_rate
        self.rate = initial_rate

    def epoch_ended(self, n_samples_seen):
        """Hear that an epoch ended, after so many samples in all."""

    def plateau(self):
        """Hear that the cost no longer falls; return whether the rate was lowered.

        Where it was not, there is nothing left to try and training stops.
        """
        return False


class InverseScaling(Constant):
    """``initial_rate / (n_samples_seen + 1) ** power_t``, renewed with each epoch.

    Parameters
    ----------
    initial_rate : float
    power_t : float, default=0.5
    """

    solvers = ("sgd",)
    hyperparameters = ("power_t",)

    def __init__(self, initial_rate, power_t=0.5):
        super().__init__(initial_rate)
        self.power_t = power_t

    def epoch_ended(self, n_samples_seen):
        """Lower the rate to that of ``n_samples_seen``."""
        self.rate = self.initial_rate / (n_samples_seen + 1) ** self.power_t


class Adaptive(Constant):
    """A fifth of the rate at each plateau, until it is 1e-6 or less."""

    solvers = ("sgd",)

    def plateau(self):
        """Lower the rate, unless it is very small already."""
        if self.rate <= 1e-6:
            return False
        self.rate /= 5
        return True


SCHEDULES: dict[str, type[Constant]] = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
}
