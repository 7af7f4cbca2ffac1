"""Optimizers: how a step changes the parameters, given their gradients.

Each updates one flat vector in place, and does nothing else: when to stop and at what
learning rate is decided elsewhere. They are in order of increasing complexity.
"""

import math

import numpy as np

from skscratch.backends.linalg import add_scaled, aligned

__all__ = ["OPTIMIZERS", "Adam", "AdamW", "GradientDescent", "Optimizer"]

# Number of elements that a sequence of elementwise passes works on at a time: few
# enough for the four or five arrays of a block to stay in a core's cache between
# passes, and a multiple of what `add_scaled` takes at a time.
BLOCK = 30_000

# Weight at which Adam's moments are scaled back to units of the newest gradient.
MAX_GRADIENT_WEIGHT = 100


class Optimizer:
    """Base class of the optimizers, which updates a vector block by block.

    A subclass keeps its moments in arrays of the vector's length, lists them in
    ``_moments`` and updates a block in ``_update_block``; or it overrides ``update``.

    Parameters
    ----------
    n_parameters : int
        Length of the vector.
    dtype : dtype
        Of the vector.

    Attributes
    ----------
    n_weights : int
        Number of weights, which come first in the vector, before the biases; all
        numbers unless it is set.
    hyperparameters : tuple of str
        Names of further parameters of the constructor, which are kept as attributes.
        Those that the estimators have too get the estimators' values.
    kernel : str or None
        Name of the compiled loop that computes the same. A subclass does not inherit
        it, and needs ``to_kernel_units`` and ``count_steps`` with it.
    """

    hyperparameters: tuple[str, ...] = ()
    kernel: str | None = None

    def __init__(self, n_parameters, dtype):
        # The name of the dtype, which every file format can hold.
        self.n_parameters, self.dtype = n_parameters, np.dtype(dtype).name
        self.n_weights = n_parameters
        self._layout = None

    def update(self, parameters, gradients, learning_rate):
        """Take one step: change ``parameters`` in place.

        Parameters
        ----------
        parameters, gradients : ndarray of shape (n_parameters,)
            The gradients are not changed. For several networks one row each, with
            ``n_parameters`` numbers in all and ``n_weights`` weights per row.
        learning_rate : float
            Length of the step.
        """
        layout = self._layout
        if layout is None or layout[0] is not parameters or layout[1] is not gradients:
            layout = self._lay_out(parameters, gradients)
        for block in layout[2]:
            self._update_block(*block, learning_rate)

    def set_hyperparameters(self, **values):
        """Change hyperparameters between two steps.

        Parameters
        ----------
        **values : dict
            By name.
        """
        vars(self).update(values)

    def _lay_out(self, parameters, gradients):
        """Cut all vectors into blocks, once for all steps, with one workspace."""
        size = self.n_parameters
        vectors = [parameters.ravel(), gradients.ravel(), *self._moments()]
        workspace = aligned(min(size, BLOCK), self.dtype)
        starts = range(0, size, BLOCK)
        blocks = [
            [*(vector[i : i + BLOCK] for vector in vectors), workspace[: size - i]]
            for i in starts
        ]
        self._layout = parameters, gradients, blocks
        return self._layout

    def _moments(self):
        """Vectors kept from step to step, in the order of ``_update_block``."""
        raise NotImplementedError

    def to_kernel_units(self):
        """Convert the moments to the paper's units, which are those of the kernels.

        Returns
        -------
        hyperparameters : tuple of four floats
        moments : list of ndarray of shape (n_parameters,)
            The optimizer's own, converted in place.
        n_steps : int
            Number of steps taken so far.
        """
        raise NotImplementedError

    def count_steps(self, n_steps):
        """Note the number of steps after compiled training."""

    def scalars(self):
        """Everything but the arrays: hyperparameters, number of steps and the class.

        Returns
        -------
        dict
        """
        state = self.__getstate__()
        arrays = [name for name, v in state.items() if isinstance(v, np.ndarray)]
        return {k: v for k, v in state.items() if k not in arrays} | {
            "class": type(self)
        }

    @classmethod
    def joined(cls, optimizers):
        """Make one optimizer for several networks out of their own.

        Parameters
        ----------
        optimizers : list of Optimizer
            Of one class, with equal hyperparameters and numbers of steps. They are
            not changed.

        Returns
        -------
        Optimizer
        """
        states = [one.__getstate__() for one in optimizers]
        arrays = {
            name: np.concatenate([state[name] for state in states])
            for name, value in states[0].items()
            if isinstance(value, np.ndarray)
        }
        n_parameters = sum(one.n_parameters for one in optimizers)
        return cls._of(states[0] | arrays | {"n_parameters": n_parameters})

    def parts(self, n_parts):
        """Split into optimizers of one network each; the inverse of ``joined``.

        Parameters
        ----------
        n_parts : int

        Returns
        -------
        list of Optimizer
        """
        state = self.__getstate__()
        arrays = {
            name: np.split(value, n_parts)
            for name, value in state.items()
            if isinstance(value, np.ndarray)
        }
        state["n_parameters"] = self.n_parameters // n_parts
        return [
            self._of(state | {name: split[i].copy() for name, split in arrays.items()})
            for i in range(n_parts)
        ]

    @classmethod
    def _of(cls, state):
        new = cls.__new__(cls)
        new.__setstate__(state)
        return new

    def __getstate__(self):
        return {name: v for name, v in vars(self).items() if name != "_layout"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._layout = None

    def _update_block(self, parameters, gradients, *moments_workspace_rate):
        """Update a block of the vector and of the moments.

        The last two arguments are a workspace of the block's length and the learning
        rate.
        """
        raise NotImplementedError


class GradientDescent(Optimizer):
    """Gradient descent with momentum.

    ``v ← momentum · v - learning_rate · g`` and ``p ← p + v``; with Nesterov's
    momentum ``p ← p + momentum · v - learning_rate · g`` with the new ``v`` (Sutskever
    et al., *On the importance of initialization and momentum in deep learning*, ICML
    2013, written for the parameters at which the gradient is taken).

    Parameters
    ----------
    n_parameters, dtype
        As in ``Optimizer``.
    momentum : float, default=0.9
    nesterovs_momentum : bool, default=True
    """

    hyperparameters = ("momentum", "nesterovs_momentum")
    kernel = "sgd"

    def __init__(self, n_parameters, dtype, momentum=0.9, nesterovs_momentum=True):
        super().__init__(n_parameters, dtype)
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.velocity = aligned(n_parameters, dtype)

    def _moments(self):
        return [self.velocity]

    def to_kernel_units(self):
        """Convert the moments; see ``Optimizer.to_kernel_units``."""
        hyperparameters = (self.momentum, float(self.nesterovs_momentum), 0.0, 0.0)
        return hyperparameters, [self.velocity], 0

    def _update_block(self, parameters, gradients, velocity, workspace, learning_rate):
        velocity *= self.momentum
        add_scaled(velocity, gradients, -learning_rate)
        if self.nesterovs_momentum:
            add_scaled(parameters, velocity, self.momentum)
            add_scaled(parameters, gradients, -learning_rate)
        else:
            parameters += velocity


class Adam(Optimizer):
    """Adam (Kingma and Ba, *Adam: a method for stochastic optimization*, 2015).

    The moments are the paper's, in other units. In the paper, past gradients decay at
    each step, ``m ← beta · m + (1 - beta) · g``, which takes three passes over the
    vector. Here the weight of new gradients grows instead, ``m ← m + beta ** -t · g``,
    which takes one pass; factors shared by all elements go into the step size and
    epsilon. Before the weight grows large, the moment is scaled back to a weight of 1.

    Parameters
    ----------
    n_parameters, dtype
        As in ``Optimizer``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the first and the second moment.
    epsilon : float, default=1e-8
        Added to the square root of the second moment, before the bias correction.
    """

    hyperparameters: tuple[str, ...] = ("beta_1", "beta_2", "epsilon")
    kernel: str | None = "adam"

    def __init__(self, n_parameters, dtype, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(n_parameters, dtype)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.n_steps = 0
        self.first_moment = aligned(n_parameters, dtype)
        self.second_moment = aligned(n_parameters, dtype)
        self._weights = [1.0, 1.0]

    def update(self, parameters, gradients, learning_rate):
        """Take one step; see ``Optimizer.update``."""
        self.n_steps += 1
        weight_1, weight_2 = self._weights
        weight_1 = self._grown(weight_1, self.beta_1, self.first_moment)
        weight_2 = self._grown(weight_2, self.beta_2, self.second_moment)
        self._weights = [weight_1, weight_2]
        # Factors from our units to the paper's.
        unit_1 = (1 - self.beta_1) / weight_1
        unit_2 = (1 - self.beta_2) / weight_2
        bias_1 = 1 - self.beta_1**self.n_steps
        bias_2 = 1 - self.beta_2**self.n_steps
        self._scaled_epsilon = self.epsilon / math.sqrt(unit_2)
        step = unit_1 / bias_1 * math.sqrt(bias_2 / unit_2)
        super().update(parameters, gradients, learning_rate * step)

    def set_hyperparameters(self, **values):
        """Change hyperparameters; the paper's moments keep their values."""
        moments = (("beta_1", self.first_moment), ("beta_2", self.second_moment))
        for name, moment in moments:
            old, new = getattr(self, name), values.get(name, getattr(self, name))
            if new != old:
                moment *= (1 - old) / (1 - new)
        super().set_hyperparameters(**values)

    @staticmethod
    def _grown(weight, beta, moment):
        """Weight of the next gradient, in units of ``moment``."""
        if weight < MAX_GRADIENT_WEIGHT * beta:
            return weight / beta
        # The last gradient had `weight`; from now on it has `beta`.
        moment *= beta / weight
        return 1.0

    def _moments(self):
        return [self.first_moment, self.second_moment]

    def to_kernel_units(self):
        """Convert the moments; see ``Optimizer.to_kernel_units``."""
        betas, moments = (self.beta_1, self.beta_2), self._moments()
        weights = [1 - beta for beta in betas]
        for moment, weight, new in zip(moments, self._weights, weights, strict=True):
            if weight != new:
                moment *= new / weight
        self._weights = weights
        return (*betas, self.epsilon, 0.0), moments, self.n_steps

    def count_steps(self, n_steps):
        """Note the number of steps after compiled training."""
        self.n_steps = n_steps

    def _update_block(
        self, parameters, gradients, first_moment, second_moment, step, learning_rate
    ):
        add_scaled(first_moment, gradients, self._weights[0])
        np.multiply(gradients, gradients, out=step)
        add_scaled(second_moment, step, self._weights[1])
        np.sqrt(second_moment, out=step)
        np.add(step, self._scaled_epsilon, out=step)
        np.divide(first_moment, step, out=step)
        add_scaled(parameters, step, -learning_rate)


class AdamW(Adam):
    """Adam with decoupled weight decay.

    Before each step, ``w ← (1 - learning_rate · weight_decay) w``; biases are not
    decayed (Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR 2019,
    algorithm 2). The moments do not include the decay, so it acts equally on all
    weights, while Adam divides the gradient of an L2 term by its own size.

    Parameters
    ----------
    n_parameters, dtype
        As in ``Optimizer``.
    beta_1, beta_2 : float, default=0.9, 0.999
        As in ``Adam``.
    epsilon : float, default=1e-8
        As in ``Adam``.
    weight_decay : float, default=0.01
        Share of a weight that a step with a learning rate of 1 would subtract.
    """

    hyperparameters = (*Adam.hyperparameters, "weight_decay")
    kernel = "adam"

    def __init__(
        self,
        n_parameters,
        dtype,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=0.01,
    ):
        super().__init__(n_parameters, dtype, beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay

    def update(self, parameters, gradients, learning_rate):
        """Take one step; see ``Optimizer.update``."""
        parameters[..., : self.n_weights] *= 1 - learning_rate * self.weight_decay
        super().update(parameters, gradients, learning_rate)

    def to_kernel_units(self):
        """Convert the moments; see ``Optimizer.to_kernel_units``."""
        hyperparameters, moments, n_steps = super().to_kernel_units()
        return (*hyperparameters[:3], self.weight_decay), moments, n_steps


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": GradientDescent,
    "adam": Adam,
    "adamw": AdamW,
}
