"""The optimizers: what becomes of the parameters, given their gradients.

Each works on one flat vector, in place, and only updates: when to stop and at what
learning rate is decided elsewhere. They stand in order of growing complexity.
"""

import math

import numpy as np

__all__ = ["OPTIMIZERS", "Adam", "GradientDescent", "Optimizer"]

# Elements that a sequence of element-wise passes works on at a time, few enough that
# the four or five arrays of a block stay in a core's own cache from pass to pass.
BLOCK = 16384


class Optimizer:
    """What the optimizers share: a walk over the vector, block by block.

    Parameters
    ----------
    n_parameters : int
        Length of the vector.
    dtype : dtype
        Of the vector.

    Attributes
    ----------
    hyperparameters : tuple of str
        Names of the further parameters of the constructor, which are those of the
        estimators too.
    """

    hyperparameters: tuple[str, ...] = ()

    def __init__(self, n_parameters, dtype):
        self.n_parameters, self.dtype = n_parameters, np.dtype(dtype)

    def update(self, parameters, gradients, learning_rate):
        """Take one step: change ``parameters`` in place.

        Parameters
        ----------
        parameters, gradients : ndarray of shape (n_parameters,)
            The gradients are left as they are.
        learning_rate : float
            Length of the step.
        """
        scratch = np.empty(min(self.n_parameters, BLOCK), self.dtype)
        for start in range(0, self.n_parameters, BLOCK):
            block = slice(start, start + BLOCK)
            p, g = parameters[block], gradients[block]
            self._update_block(p, g, block, scratch[: len(p)], learning_rate)

    def _update_block(self, parameters, gradients, block, step, learning_rate):
        """Update a block of the vector; ``step`` is room of its length."""
        raise NotImplementedError


class GradientDescent(Optimizer):
    """Gradient descent with momentum.

    ``v ← momentum · v - learning_rate · g`` and ``p ← p + v``, or, with Nesterov's
    look-ahead, ``p ← p + momentum · v - learning_rate · g`` with the new ``v``
    (Sutskever et al., *On the importance of initialization and momentum in deep
    learning*, ICML 2013, in the form that keeps the looked-ahead parameters).

    Parameters
    ----------
    n_parameters, dtype
        As in ``Optimizer``.
    momentum : float, default=0.9
    nesterovs_momentum : bool, default=True
    """

    hyperparameters = ("momentum", "nesterovs_momentum")

    def __init__(self, n_parameters, dtype, momentum=0.9, nesterovs_momentum=True):
        super().__init__(n_parameters, dtype)
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.velocity = np.zeros(n_parameters, dtype)

    def _update_block(self, parameters, gradients, block, step, learning_rate):
        velocity = self.velocity[block]
        np.multiply(gradients, learning_rate, out=step)
        velocity *= self.momentum
        velocity -= step
        if self.nesterovs_momentum:
            parameters -= step
            np.multiply(velocity, self.momentum, out=step)
            parameters += step
        else:
            parameters += velocity


class Adam(Optimizer):
    """Adam (Kingma and Ba, *Adam: a method for stochastic optimization*, 2015).

    The paper's averages are kept without their constant factors, ``m = (1 - beta_1)
    · first_moment`` and ``v = (1 - beta_2) · second_moment``, which go into the step
    and into epsilon instead: two passes over the vectors less, the same step.

    Parameters
    ----------
    n_parameters, dtype
        As in ``Optimizer``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the first and of the second moment.
    epsilon : float, default=1e-8
        Added to the root of the second moment, before its bias is corrected.
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon")

    def __init__(self, n_parameters, dtype, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(n_parameters, dtype)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.n_steps = 0
        self.first_moment = np.zeros(n_parameters, dtype)
        self.second_moment = np.zeros(n_parameters, dtype)

    def update(self, parameters, gradients, learning_rate):
        """Take one step; see ``Optimizer.update``."""
        self.n_steps += 1
        root = math.sqrt(1 - self.beta_2)
        correction = math.sqrt(1 - self.beta_2**self.n_steps) / root
        correction *= (1 - self.beta_1) / (1 - self.beta_1**self.n_steps)
        self._scaled_epsilon = self.epsilon / root
        super().update(parameters, gradients, learning_rate * correction)

    def _update_block(self, parameters, gradients, block, step, learning_rate):
        first_moment, second_moment = (
            self.first_moment[block],
            self.second_moment[block],
        )
        first_moment *= self.beta_1
        first_moment += gradients
        second_moment *= self.beta_2
        np.multiply(gradients, gradients, out=step)
        second_moment += step
        np.sqrt(second_moment, out=step)
        step += self._scaled_epsilon
        np.divide(first_moment, step, out=step)
        step *= learning_rate
        parameters -= step


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": GradientDescent, "adam": Adam}
