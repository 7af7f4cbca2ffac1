"""Learning rate schedules: the learning rate of each step.

A schedule is told how far training has come, of every epoch that ends and of every
plateau of the loss, and holds the rate of the next step.
"""

import math

from skscratch.training.optimizers import GradientDescent, Optimizer

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "CosLog4",
    "Cosine",
    "InverseScaling",
    "NextCycle",
    "OneCycle",
    "Schedule",
    "find_schedule",
    "is_schedule",
]


class Schedule:
    """Base class of the schedules, whose rate stays the same.

    Parameters
    ----------
    initial_rate : float
        Learning rate of the first step.

    Attributes
    ----------
    rate : float
        Learning rate of the next step.
    optimizers : tuple of type of Optimizer or None
        Optimizers that follow the schedule; None means all of them. Others ignore it
        and keep a constant rate, as in scikit-learn.
    hyperparameters : tuple of str
        Names of further parameters of the constructor, which are kept as attributes.
        Those that the estimators have too get the estimators' values.
    needs_total_steps : bool
        Whether the rate is planned from the first step to the last, so that the number
        of epochs must be known and training should not stop early.
    reduces_on_plateau : bool
        Whether the rate is lowered on a plateau.
    """

    optimizers: tuple[type[Optimizer], ...] | None = None
    hyperparameters: tuple[str, ...] = ()
    needs_total_steps = False
    reduces_on_plateau = False

    def __init__(self, initial_rate):
        self.initial_rate = initial_rate
        self.rate = initial_rate

    def on_step(self, progress):
        """Note the share of all steps that are done, from 0 to below 1."""

    def on_epoch_end(self, n_samples_seen):
        """Note that an epoch has ended, after so many samples in all."""

    def on_plateau(self):
        """Note that the loss no longer falls; return whether the rate was lowered.

        If it was not, training stops.
        """
        return False


class Constant(Schedule):
    """The same rate throughout."""


class InverseScaling(Schedule):
    """``initial_rate / (n_samples_seen + 1) ** power_t``, updated after each epoch.

    Parameters
    ----------
    initial_rate : float
    power_t : float, default=0.5
    """

    optimizers = (GradientDescent,)
    hyperparameters = ("power_t",)

    def __init__(self, initial_rate, power_t=0.5):
        super().__init__(initial_rate)
        self.power_t = power_t

    def on_epoch_end(self, n_samples_seen):
        """Lower the rate to that of ``n_samples_seen``."""
        # Computed by logarithms, so that a large power does not overflow.
        self.rate = self.initial_rate * math.exp(
            -self.power_t * math.log(n_samples_seen + 1)
        )


class Adaptive(Schedule):
    """Divide the rate by five at each plateau, until it is 1e-6 or less."""

    optimizers = (GradientDescent,)
    reduces_on_plateau = True

    def on_plateau(self):
        """Lower the rate, unless it is very small already."""
        if self.rate <= 1e-6:
            return False
        self.rate /= 5
        return True


class Cosine(Schedule):
    """Decrease the rate along half a cosine, from the initial rate to 0.

    Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR
    2017, eq. 5, without restarts.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the rate first increases linearly from 0; None
        means the default of the schedule, here 0.
    """

    hyperparameters = ("warmup_fraction",)
    needs_total_steps = True
    default_warmup = 0.0

    def __init__(self, initial_rate, warmup_fraction=None):
        super().__init__(initial_rate)
        if warmup_fraction is None:
            warmup_fraction = self.default_warmup
        self.warmup_fraction = warmup_fraction
        self.on_step(0.0)

    def on_step(self, progress):
        """Set the rate of the next step."""
        if progress < self.warmup_fraction:
            factor = self.rise(progress / self.warmup_fraction)
        else:
            rest = 1 - self.warmup_fraction
            factor = self.fall((progress - self.warmup_fraction) / rest)
        self.rate = self.initial_rate * factor

    def rise(self, progress):
        """Compute the share of the initial rate during the warm-up."""
        return progress

    def fall(self, progress):
        """Compute the share of the initial rate after the warm-up."""
        return _half_cosine(1, 0, progress)


class OneCycle(Cosine):
    """Increase the rate from 1/25 of the initial one, then decrease it to 1/250,000.

    Both along half a cosine. Smith and Topin, *Super-convergence: very fast training
    of neural networks using large learning rates*, arXiv 1708.07120, with the default
    shares of fastai.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the rate increases; None means 0.3.
    """

    default_warmup = 0.3

    def rise(self, progress):
        """Increase from 1/25 to 1."""
        return _half_cosine(1 / 25, 1, progress)

    def fall(self, progress):
        """Decrease from 1 to 1/250,000."""
        return _half_cosine(1, 1 / 250_000, progress)


class CosLog4(Cosine):
    """Four cycles of growing length: ``(1 - cos(2 pi log2(1 + 15 progress))) / 2``.

    Holzmüller, Grinsztajn and Steinwart, *Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data*, arXiv 2407.04491, section 3.2. The last cycle
    ends at 0. Each cycle is twice as long as the one before.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the cycles are damped linearly; None means 0.
    """

    n_cycles = 4

    def on_step(self, progress):
        """Set the rate of the next step."""
        n_units = 2**self.n_cycles - 1  # Cycles of 1, 2, 4 ... units.
        cycle = (1 - math.cos(2 * math.pi * math.log2(1 + n_units * progress))) / 2
        if progress < self.warmup_fraction:
            cycle *= progress / self.warmup_fraction
        self.rate = self.initial_rate * cycle


class NextCycle(CosLog4):
    """One cycle of the shape of those of ``CosLog4``, to continue such a training."""

    n_cycles = 1


def _half_cosine(start, end, progress):
    """Interpolate from ``start`` to ``end`` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "coslog4": CosLog4,
}


def is_schedule(value):
    """Return whether a value is a schedule itself, rather than the name of one.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    return isinstance(value, type) and issubclass(value, Schedule)


def find_schedule(schedule):
    """Look up a learning rate schedule.

    Parameters
    ----------
    schedule : str or type of Schedule
        A key of ``SCHEDULES``, or a schedule itself.

    Returns
    -------
    type of Schedule

    Raises
    ------
    ValueError
        If there is no such schedule.
    """
    if is_schedule(schedule):
        return schedule
    if isinstance(schedule, str) and schedule in SCHEDULES:
        return SCHEDULES[schedule]
    raise ValueError(
        f"learning_rate must be one of {sorted(SCHEDULES)} or a schedule class, got "
        f"{schedule!r}."
    )
