"""The schedules: the learning rate of each step.

A schedule hears how far training has come, of every epoch that ends and of every
plateau of the cost, and holds the rate that the next step takes.
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
    "OneCycle",
    "find_schedule",
    "is_schedule",
]


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
    optimizers : tuple of type of Optimizer or None
        The optimizers that follow the schedule; None means all of them. Others ignore
        it and keep a constant rate, as in scikit-learn.
    hyperparameters : tuple of str
        Names of the further parameters of the constructor, which are those of the
        estimators too.
    needs_total_steps : bool
        Whether the rate is planned from the first step to the last, so that training
        must be of known length and is not to stop by itself.
    reduces_on_plateau : bool
        Whether a plateau lowers the rate.
    """

    optimizers: tuple[type[Optimizer], ...] | None = None
    hyperparameters: tuple[str, ...] = ()
    needs_total_steps = False
    reduces_on_plateau = False

    def __init__(self, initial_rate):
        self.initial_rate = initial_rate
        self.rate = initial_rate

    def on_step(self, progress):
        """Hear what share of all steps is done, from 0 to below 1."""

    def on_epoch_end(self, n_samples_seen):
        """Hear that an epoch ended, after so many samples in all."""

    def on_plateau(self):
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

    optimizers = (GradientDescent,)
    hyperparameters = ("power_t",)

    def __init__(self, initial_rate, power_t=0.5):
        super().__init__(initial_rate)
        self.power_t = power_t

    def on_epoch_end(self, n_samples_seen):
        """Lower the rate to that of ``n_samples_seen``."""
        # By the logarithm, which a large power does not overflow.
        self.rate = self.initial_rate * math.exp(
            -self.power_t * math.log(n_samples_seen + 1)
        )


class Adaptive(Constant):
    """A fifth of the rate at each plateau, until it is 1e-6 or less."""

    optimizers = (GradientDescent,)
    reduces_on_plateau = True

    def on_plateau(self):
        """Lower the rate, unless it is very small already."""
        if self.rate <= 1e-6:
            return False
        self.rate /= 5
        return True


class Cosine(Constant):
    """Half a cosine, from the initial rate to 0.

    Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR
    2017, eq. 5, without restarts.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the rate rises first, in a straight line from 0;
        None means that of the schedule, here 0.
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
        """Set the rate of the step that comes after this share of them."""
        if progress < self.warmup_fraction:
            factor = self.rise(progress / self.warmup_fraction)
        else:
            rest = 1 - self.warmup_fraction
            factor = self.fall((progress - self.warmup_fraction) / rest)
        self.rate = self.initial_rate * factor

    def rise(self, progress):
        """Share of the initial rate in the warm-up."""
        return progress

    def fall(self, progress):
        """Share of the initial rate after it."""
        return _half_cosine(1, 0, progress)


class OneCycle(Cosine):
    """Up from a 25th of the initial rate, and down to a 250,000th of it.

    Both by half a cosine. Smith and Topin, *Super-convergence: very fast training of
    neural networks using large learning rates*, arXiv 1708.07120, with the shares
    that fastai made usual.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the rate rises; None means 0.3.
    """

    default_warmup = 0.3

    def rise(self, progress):
        """From 1/25 to 1."""
        return _half_cosine(1 / 25, 1, progress)

    def fall(self, progress):
        """From 1 to 1/250,000."""
        return _half_cosine(1, 1 / 250_000, progress)


class CosLog4(Cosine):
    """Four waves, ever longer: ``(1 - cos(2 pi log2(1 + 15 progress))) / 2``.

    Holzmüller, Grinsztajn and Steinwart, *Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data*, arXiv 2407.04491, section 3.2. The last wave ends
    at 0.

    Parameters
    ----------
    initial_rate : float
        The highest rate.
    warmup_fraction : float, default=None
        Share of the steps in which the waves are damped in a straight line; None
        means 0.
    """

    def on_step(self, progress):
        """Set the rate of the step that comes after this share of them."""
        wave = (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2
        if progress < self.warmup_fraction:
            wave *= progress / self.warmup_fraction
        self.rate = self.initial_rate * wave


def _half_cosine(start, end, progress):
    """Go from ``start`` to ``end``, gently at both, as progress goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, type[Constant]] = {
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
    return isinstance(value, type) and issubclass(value, Constant)


def find_schedule(schedule):
    """Look up a learning rate schedule.

    Parameters
    ----------
    schedule : str or type of Constant
        A key of ``SCHEDULES``, or a schedule itself.

    Returns
    -------
    type of Constant

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
