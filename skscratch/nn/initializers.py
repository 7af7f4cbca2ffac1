"""The initializers: how the first weights and biases of a layer are drawn.

An initializer is a function ``initializer(random_state, fan_in, fan_out, activation)``.
It returns weights (fan_in, fan_out) and biases (fan_out,). ``activation`` is the
``Activation`` of the layer, or, for the output layer, of the layer before it. In the
registry ``INITIALIZERS`` an initializer is known by name everywhere, and where a name
is accepted, so is the function itself.
"""

from collections.abc import Callable

import numpy as np

__all__ = ["INITIALIZERS", "resolve_initializer"]


def glorot(random_state, fan_in, fan_out, activation):
    """Draw weights (fan_in, fan_out), then biases (fan_out,), between ±bound.

    ``bound = sqrt(c / (fan_in + fan_out))`` with the activation's ``variance_factor``
    c: Glorot and Bengio, *Understanding the difficulty of training deep feedforward
    neural networks*, AISTATS 2010, eq. 16, in the order in which scikit-learn's
    ``MLPClassifier`` draws.

    Parameters
    ----------
    random_state : RandomState
    fan_in, fan_out : int
    activation : Activation
    """
    bound = np.sqrt(activation.variance_factor / (fan_in + fan_out))
    W = random_state.uniform(-bound, bound, (fan_in, fan_out))
    return W, random_state.uniform(-bound, bound, fan_out)


def he(random_state, fan_in, fan_out, activation):
    """Draw weights (fan_in, fan_out) of variance ``2 / fan_in``; biases are 0.

    From a normal distribution, whatever the activation: He et al., *Delving deep into
    rectifiers*, arXiv 1502.01852, eq. 10.

    Parameters
    ----------
    random_state : RandomState
    fan_in, fan_out : int
    activation : Activation
    """
    W = random_state.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
    return W, np.zeros(fan_out)


INITIALIZERS: dict[str, Callable] = {"glorot": glorot, "he": he}


def resolve_initializer(init):
    """Return an initializer.

    Parameters
    ----------
    init : str or callable
        A key of ``INITIALIZERS``, or an initializer itself.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If the initializer is not known.
    """
    if isinstance(init, str) and init in INITIALIZERS:
        return INITIALIZERS[init]
    if callable(init):
        return init
    raise ValueError(
        f"init must be one of {sorted(INITIALIZERS)}, got {init!r}. A function is "
        "accepted too."
    )
