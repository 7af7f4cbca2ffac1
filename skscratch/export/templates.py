"""Text of the modules that ``to_source`` writes: functions, in the article's style.

All work on the last two axes, (neurons, samples), so that an ensemble is a leading
axis, as in ``skscratch.nn``.
"""

from typing import NamedTuple

__all__ = ["ACTIVATIONS", "OUTPUTS", "Part"]


class Part(NamedTuple):
    """Function of a written module.

    Attributes
    ----------
    name : str
        What it is called by.
    source : str
        Its definition; empty for a function of NumPy.
    needs : tuple of str, default=()
        Names of the parts that it calls.
    has_parameter : bool, default=False
        Whether it takes the activation's parameter.
    """

    name: str
    source: str
    needs: tuple[str, ...] = ()
    has_parameter: bool = False


_SIGMOID = '''
def sigmoid(Z):
    """1 / (1 + exp(-Z)); the exponential is at most 1 and can't overflow."""
    E = np.exp(-abs(Z))
    return np.where(Z >= 0, 1, E) / (1 + E)
'''

_RELU = '''
def relu(Z):
    """The larger of Z and 0."""
    return np.maximum(Z, 0)
'''

_LEAKY_RELU = '''
def leaky_relu(Z, slope):
    """Z where it is positive, else slope * Z."""
    return np.maximum(Z, slope * Z)
'''

_ELU = '''
def elu(Z, alpha):
    """Z where it is positive, else alpha * (exp(Z) - 1)."""
    return np.where(Z > 0, Z, alpha * np.expm1(np.minimum(Z, 0)))
'''

_SELU = '''
def selu(Z):
    """An elu, scaled so that a standard normal Z keeps mean 0 and variance 1."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(Z > 0, Z, alpha * np.expm1(np.minimum(Z, 0)))
'''

_GELU = '''
def gelu(Z):
    """Z times the normal distribution function of Z, exactly."""
    erf = np.vectorize(math.erf, otypes=["float64"])
    return (Z * (1 + erf(Z / math.sqrt(2))) / 2).astype(Z.dtype)
'''

_SILU = '''
def silu(Z):
    """Z * sigmoid(Z)."""
    return Z * sigmoid(Z)
'''

_MISH = '''
def mish(Z):
    """Z * tanh(log(1 + exp(Z)))."""
    return Z * np.tanh(np.logaddexp(0, Z))
'''

_SOFTPLUS = '''
def softplus(Z):
    """log(1 + exp(Z)), without overflow."""
    return np.logaddexp(0, Z)
'''

_SOFTMAX = '''
def softmax(Z):
    """Exponentials as shares of their sum; the largest is 1 and can't overflow."""
    E = np.exp(Z - Z.max(axis=-2, keepdims=True))
    return E / E.sum(axis=-2, keepdims=True)
'''

_QUANTILES = '''
def quantiles(Z, places):
    """Of each target in order: each is the one below plus log(1 + exp(Z))."""
    steps = Z.reshape(*Z.shape[:-2], -1, len(places), Z.shape[-1]).copy()
    steps[..., 1:, :] = np.logaddexp(0, steps[..., 1:, :])
    return steps.cumsum(axis=-2)[..., places, :].reshape(Z.shape)
'''

# By the name of the activation.
ACTIVATIONS: dict[str, Part] = {
    "identity": Part("", ""),
    "logistic": Part("sigmoid", _SIGMOID),
    "tanh": Part("np.tanh", ""),
    "relu": Part("relu", _RELU),
    "leaky_relu": Part("leaky_relu", _LEAKY_RELU, has_parameter=True),
    "elu": Part("elu", _ELU, has_parameter=True),
    "selu": Part("selu", _SELU),
    "gelu": Part("gelu", _GELU),
    "silu": Part("silu", _SILU, ("logistic",)),
    "mish": Part("mish", _MISH),
    "softplus": Part("softplus", _SOFTPLUS),
}

# By the kind of output: what makes predictions of raw outputs.
OUTPUTS: dict[str, Part] = {
    "identity": Part("", ""),
    "softmax": Part("softmax", _SOFTMAX),
    "logistic": Part("sigmoid", _SIGMOID),
    "exp": Part("np.exp", ""),
    "quantiles": Part("quantiles", _QUANTILES),
}
