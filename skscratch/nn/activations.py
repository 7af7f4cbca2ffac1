"""The activation functions, each next to its derivative.

A new activation is one function, one derivative and one ``Activation`` record. In the
registry ``ACTIVATIONS`` it is known by name everywhere; error messages, documentation
and parametrised tests follow. Where a name is accepted, so is the record itself.
"""

import inspect
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from skscratch.backends.blockwise import by_blocks, clip
from skscratch.backends.constants import FAR, LARGEST_SHARE, SELU_ALPHA, SELU_SCALE
from skscratch.backends.operations import ALLOCATING
from skscratch.nn.checks import parse_number

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "d_identity",
    "d_sigmoid",
    "d_tanh",
    "resolve_activation",
    "sigmoid",
    "tanh",
]

_LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """An activation function, and what training needs to know about it.

    Only ``function`` and ``derivative`` are required. The other fields make training
    faster, or initial weights better.

    Attributes
    ----------
    function : callable
        ``function(Z)`` returns ``A``, element by element, and leaves ``Z`` as it is.
        If it has a parameter ``out``, the result is written there; ``out`` may be
        ``Z``. If it has a parameter ``operations`` too, it makes its calls of NumPy by
        ``operations.call``, which saves a replayed step some of Python's time.
    derivative : callable
        ``derivative(Z, A)`` returns dA/dZ, element by element. ``A`` is
        ``function(Z)``, from the forward pass, so that nothing is computed twice. It
        may have the parameters ``out`` and ``operations`` too.
    variance_factor : float, default=6.0
        ``c`` in the bound ``sqrt(c / (fan_in + fan_out))`` of uniform initial weights.
        Those of scikit-learn's activations are scikit-learn's: Glorot and Bengio
        (2010), eq. 16. The others are ``6 / E[f(z)²]`` for a standard normal ``z``,
        which keeps the second moment of the signal: He et al. (2015), section 2.2,
        https://arxiv.org/abs/1502.01852, whose argument holds for any ``f``.
    kinks : tuple of float, default=()
        Where the derivative jumps. Finite differences must keep away from there.
    needs_Z : bool, default=True
        Whether the derivative reads ``Z``. If not, ``A`` may be written over ``Z``.
    in_place : bool, default=False
        Whether the derivative can be written over ``A``: ``out`` may be ``A``.
    factory : callable, default=None
        ``factory(parameter)`` returns the activation for a value of its parameter,
        which a name can give in parentheses: ``"leaky_relu(0.2)"``. It raises
        ValueError for values out of range. None means that there is no parameter.
    kernel : tuple of two callables, default=None
        The activation for compiled training: ``f(z)`` and ``df(z, a)``, functions of
        one number that Numba can compile. They must not raise errors. Numba compiles
        them once per process. (Functions of a script that are sent to other processes
        arrive as new ones each time, unless they are decorated with ``numba.njit``.)
        Activations of the library have the name of a compiled loop instead, and its
        parameter. None means that networks with this activation train on NumPy.

    Raises
    ------
    TypeError
        If ``kernel`` is neither None nor a pair.

    Examples
    --------
    >>> import numpy as np
    >>> from skscratch import Activation, Layer
    >>> def sine(Z):
    ...     return np.sin(Z)
    >>> def d_sine(Z, A):
    ...     return np.cos(Z)
    >>> layer = Layer(2, 3, Activation(sine, d_sine), random_state=0)
    >>> layer.feedforward(np.ones((2, 4))).shape
    (3, 4)
    """

    function: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    variance_factor: float = 6.0
    kinks: tuple[float, ...] = ()
    needs_Z: bool = True
    in_place: bool = False
    factory: Callable[[float], "Activation"] | None = None
    kernel: tuple[Any, Any] | None = None

    def __post_init__(self):
        """Refuse a kernel that is no pair of functions, or of a name and a number."""
        if self.kernel is None:
            return
        if isinstance(self.kernel, tuple) and len(self.kernel) == 2:
            f, df = self.kernel
            if all(callable(g) and isinstance(g, Hashable) for g in (f, df)):
                return
            if isinstance(f, str) and isinstance(df, (int, float)):
                return
        raise TypeError(
            "kernel must be a tuple of two functions, f(z) and df(z, a), got "
            f"{self.kernel!r}."
        )

    @cached_property
    def function_options(self):
        """Which of the parameters ``out`` and ``operations`` ``function`` has."""
        return _options(self.function)

    @cached_property
    def derivative_options(self):
        """Which of the parameters ``out`` and ``operations`` ``derivative`` has."""
        return _options(self.derivative)

    @cached_property
    def usable_kernel(self):
        """``kernel``, or None if it is of other functions.

        ``dataclasses.replace`` makes a copy with other functions, but with the name of
        the library's loop.
        """
        if self.kernel is None or callable(self.kernel[0]):
            return self.kernel
        name, parameter = self.kernel
        original = _LIBRARY.get(name)
        if original is None:
            return None
        candidates = [original]
        if original.factory is not None:
            candidates.append(original.factory(parameter))
        mine = (self.function, self.derivative, self.kernel)
        if mine in [(f.function, f.derivative, f.kernel) for f in candidates]:
            return self.kernel
        return None

    @cached_property
    def is_identity(self):
        """Whether it is the identity, whose derivative need not be multiplied by."""
        return self.derivative is d_identity

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _options(function):
    if isinstance(function, np.ufunc):
        return {"out"}
    return {"out", "operations"}.intersection(inspect.signature(function).parameters)


@dataclass(frozen=True)
class _WithParameter:
    """A function of an activation for one value of its parameter."""

    function: Callable[..., np.ndarray]
    name: str
    value: float

    def __call__(self, *operands, out=None):
        return self.function(*operands, out=out, **{self.name: self.value})


def identity(Z, out=None):
    """Return ``Z`` itself."""
    return Z


def d_identity(Z, A=None, out=None):
    """Derivative of the identity: 1 everywhere."""
    if out is None:
        return np.ones_like(Z)
    out.fill(1)
    return out


def sigmoid(Z, out=None):
    """Logistic sigmoid ``1 / (1 + exp(-Z))``, without overflow for any float ``Z``."""
    return expit(Z, out=out)


def d_sigmoid(Z, A=None, out=None, operations=ALLOCATING):
    """Derivative of the sigmoid, ``A (1 - A)``, with ``A = sigmoid(Z)``."""
    A = sigmoid(Z) if A is None else A
    slope = operations.call(np.subtract, 1.0, A, out)
    return operations.call(np.multiply, slope, A, out)


def tanh(Z, out=None):
    """Hyperbolic tangent."""
    return np.tanh(Z, out=out)


def d_tanh(Z, A=None, out=None, operations=ALLOCATING):
    """Derivative of the hyperbolic tangent, ``1 - A²``, with ``A = tanh(Z)``."""
    A = tanh(Z) if A is None else A
    square = operations.call(np.multiply, A, A, out)
    return operations.call(np.subtract, 1.0, square, out)


def relu(Z, out=None, operations=ALLOCATING):
    """Rectified linear unit ``max(Z, 0)``."""
    return operations.call(clip, Z, 0.0, np.inf, out)


def d_relu(Z, A=None, out=None, operations=ALLOCATING):
    """Derivative of the rectified linear unit: 1 where ``Z > 0``, else 0."""
    Z = Z if A is None else A
    # Written as floats, which multiply dA twice as fast as booleans do.
    out = np.empty_like(Z) if out is None else out
    return operations.call(np.greater, Z, 0.0, out)


def leaky_relu(Z, out=None, slope=_LEAK):
    """Leaky rectified linear unit: ``Z`` where ``Z > 0``, else ``slope · Z``.

    Maas, Hannun and Ng (2013), Rectifier nonlinearities improve neural network acoustic
    models.
    """
    return by_blocks(lambda Z: np.maximum(Z, slope * Z), Z, out=out)


def d_leaky_relu(Z, A=None, out=None, slope=_LEAK):
    """Derivative of the leaky rectified linear unit: 1 where ``Z > 0``, else slope."""
    derivative = d_relu(Z, A, out=out)
    return clip(derivative, slope, 1.0, derivative)


def _leaky_relu_of(slope):
    """Leaky rectified linear unit of another slope."""
    if not 0 <= slope < 1:
        raise ValueError("its slope must be at least 0 and less than 1")
    return Activation(
        _WithParameter(leaky_relu, "slope", slope),
        _WithParameter(d_leaky_relu, "slope", slope),
        variance_factor=12 / (1 + slope**2),
        kinks=(0.0,),
        needs_Z=False,
        in_place=True,
        kernel=("leaky_relu", slope),
    )


def elu(Z, out=None):
    """Exponential linear unit: ``Z`` where ``Z > 0``, else ``exp(Z) - 1``.

    Clevert, Unterthiner and Hochreiter (2016), https://arxiv.org/abs/1511.07289, with
    their alpha of 1, for which it is the larger of the two.
    """
    # `np.minimum` makes 0 of -0 here and below; `clip`, which is faster, keeps it.
    return by_blocks(
        lambda Z: np.maximum(Z, np.expm1(np.minimum(Z, 0))),
        Z,
        out=out,
    )


def d_elu(Z, A=None, out=None):
    """Derivative of the exponential linear unit, ``min(A, 0) + 1``."""
    A = elu(Z) if A is None else A
    slope = clip(A, -np.inf, 0.0, out)
    slope += 1
    return slope


def _elu(Z, alpha, out=None):
    """Exponential linear unit of any alpha: ``alpha (exp(Z) - 1)`` on the left."""
    return by_blocks(
        lambda Z: clip(Z, 0.0, np.inf) + alpha * np.expm1(np.minimum(Z, 0)),
        Z,
        out=out,
    )


def _d_elu(Z, A=None, out=None, *, alpha):
    """Its derivative: 1 where ``A > 0``, else ``A + alpha``."""
    return by_blocks(
        lambda A: clip(A, -np.inf, 0.0) + alpha + (1 - alpha) * d_relu(A),
        _elu(Z, alpha) if A is None else A,
        out=out,
    )


def _elu_of(alpha):
    """Exponential linear unit of another alpha."""
    if not 0 < alpha < math.inf:
        raise ValueError("its alpha must be positive")
    # E[(exp(z) - 1)²] over the negative half, by completing the square.
    left = math.e**2 * ndtr(-2) - 2 * math.sqrt(math.e) * ndtr(-1) + 0.5
    return Activation(
        _WithParameter(_elu, "alpha", alpha),
        _WithParameter(_d_elu, "alpha", alpha),
        variance_factor=float(6 / (0.5 + alpha**2 * left)),
        kinks=() if alpha == 1 else (0.0,),
        needs_Z=False,
        in_place=True,
        kernel=("elu", alpha),
    )


def selu(Z, out=None):
    """Scaled exponential linear unit: λZ where ``Z > 0``, else λα (exp(Z) - 1).

    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. As λ > 1, the largest
    floats have no room to grow: the result stays just below the largest.
    """

    def formula(Z):
        rise = clip(Z, 0.0, LARGEST_SHARE * np.finfo(Z.dtype).max)
        return SELU_SCALE * (rise + SELU_ALPHA * np.expm1(np.minimum(Z, 0)))

    return by_blocks(formula, Z, out=out)


def d_selu(Z, A=None, out=None):
    """Derivative of the scaled exponential linear unit: λ where ``A > 0``, else A + λα.

    A sum of its parts takes half the time of a choice for each number.
    """
    left = SELU_SCALE * SELU_ALPHA
    return by_blocks(
        lambda A: clip(A, -np.inf, 0.0) + left + (SELU_SCALE - left) * d_relu(A),
        selu(Z) if A is None else A,
        out=out,
    )


def gelu(Z, out=None):
    """Gaussian error linear unit, ``Z Φ(Z)``, Φ the normal distribution function.

    Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415; exact, where others
    approximate it by a hyperbolic tangent.
    """
    return by_blocks(lambda Z: clip(Z, -FAR, np.inf) * ndtr(Z), Z, out=out)


def d_gelu(Z, A=None, out=None):
    """Derivative of the Gaussian error linear unit, ``Φ(Z) + Z φ(Z)``, φ = Φ'."""

    def formula(Z):
        Z = clip(Z, -FAR, FAR)
        return ndtr(Z) + Z * np.exp(-0.5 * Z * Z) / math.sqrt(2 * math.pi)

    return by_blocks(formula, Z, out=out)


def silu(Z, out=None):
    """Sigmoid linear unit, or swish, ``Z sigmoid(Z)``.

    Elfwing, Uchibe and Doya (2018), https://arxiv.org/abs/1702.03118.
    """
    return by_blocks(lambda Z: clip(Z, -FAR, np.inf) * sigmoid(Z), Z, out=out)


def d_silu(Z, A=None, out=None):
    """Derivative of the sigmoid linear unit, ``S + A (1 - S)``, ``S = sigmoid(Z)``."""

    def formula(Z, A):
        S = sigmoid(Z)
        return S + clip(A, -np.inf, FAR) * (1 - S)

    return by_blocks(formula, Z, silu(Z) if A is None else A, out=out)


def mish(Z, out=None):
    """Mish, ``Z tanh(softplus(Z))``.

    Misra (2020), https://arxiv.org/abs/1908.08681.
    """
    return by_blocks(lambda Z: clip(Z, -FAR, np.inf) * _tanh_softplus(Z), Z, out=out)


def d_mish(Z, A=None, out=None):
    """Derivative of mish, ``T + Z (1 - T²) sigmoid(Z)``, ``T = tanh(softplus(Z))``."""

    def formula(Z):
        T = _tanh_softplus(Z)
        return T + clip(Z, -FAR, FAR) * (1 - T * T) * sigmoid(Z)

    return by_blocks(formula, Z, out=out)


def _tanh_softplus(Z):
    """``((1 + e^Z)² - 1) / ((1 + e^Z)² + 1)``, from 20 on 1 in every precision."""
    E = np.exp(clip(Z, -np.inf, 20.0))
    E *= E + 2
    return E / (E + 2)


def softplus(Z, out=None):
    """Softplus ``log(1 + exp(Z))``, without overflow for any float ``Z``.

    Dugas et al. (2001), Incorporating second-order functional knowledge for better
    option pricing.
    """
    return by_blocks(
        lambda Z: clip(Z, 0.0, np.inf) + np.log1p(np.exp(-abs(Z))), Z, out=out
    )


def d_softplus(Z, A=None, out=None):
    """Derivative of the softplus, ``sigmoid(Z) = 1 - exp(-A)``."""
    A = softplus(Z) if A is None else A
    slope = np.negative(A, out=out)
    np.expm1(slope, out=slope)
    return np.negative(slope, out=slope)


_LOGISTIC = Activation(
    sigmoid, d_sigmoid, variance_factor=2.0, needs_Z=False, kernel=("logistic", 0.0)
)
# What the derivatives of most of them have in common.
_BY_A: dict[str, Any] = {"needs_Z": False, "in_place": True}
_BY_Z: dict[str, Any] = {"needs_Z": True, "in_place": True}

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, d_identity, kernel=("identity", 0.0), **_BY_A),
    "logistic": _LOGISTIC,
    "sigmoid": _LOGISTIC,
    "tanh": Activation(tanh, d_tanh, kernel=("tanh", 0.0), **_BY_A),
    "relu": Activation(relu, d_relu, kinks=(0.0,), kernel=("relu", 0.0), **_BY_A),
    "leaky_relu": Activation(
        leaky_relu,
        d_leaky_relu,
        variance_factor=11.999,
        kinks=(0.0,),
        factory=_leaky_relu_of,
        kernel=("leaky_relu", _LEAK),
        **_BY_A,
    ),
    "elu": Activation(
        elu,
        d_elu,
        variance_factor=9.3031,
        factory=_elu_of,
        kernel=("elu", 1.0),
        **_BY_A,
    ),
    "selu": Activation(
        selu, d_selu, variance_factor=6.0, kinks=(0.0,), kernel=("selu", 0.0), **_BY_A
    ),
    "gelu": Activation(
        gelu, d_gelu, variance_factor=14.110, kernel=("gelu", 0.0), **_BY_Z
    ),
    "silu": Activation(
        silu, d_silu, variance_factor=16.865, kernel=("silu", 0.0), **_BY_Z
    ),
    "mish": Activation(
        mish, d_mish, variance_factor=13.264, kernel=("mish", 0.0), **_BY_Z
    ),
    "softplus": Activation(
        softplus, d_softplus, variance_factor=6.5129, kernel=("softplus", 0.0), **_BY_A
    ),
}

# As they are here, whatever a program makes of the registry.
_LIBRARY = dict(ACTIVATIONS)

# Records of names with a parameter, each with the one that its factory came from.
_MADE: dict[str, tuple[Activation, Activation]] = {}


def resolve_activation(activation):
    """Return the record of an activation.

    Parameters
    ----------
    activation : str or Activation
        A key of ``ACTIVATIONS``, also with a parameter, such as
        ``"leaky_relu(0.2)"``, or a record itself.

    Returns
    -------
    Activation
        The same object for the same string.

    Raises
    ------
    ValueError
        If the activation is not known, or its parameter is not accepted.
    """
    if isinstance(activation, str):
        record = ACTIVATIONS.get(activation)
        if record is not None:
            return record
        name, has_parameter, rest = activation.partition("(")
        if has_parameter and rest.endswith(")") and name in ACTIVATIONS:
            return _with_parameter(activation, name, rest[:-1])
    if isinstance(activation, Activation):
        return activation
    raise ValueError(
        f"activation must be one of {sorted(ACTIVATIONS)}, got {activation!r}. A "
        "parameter may follow a name, as in 'leaky_relu(0.2)', and an Activation is "
        "accepted too."
    )


def _with_parameter(activation, name, parameter):
    base = ACTIVATIONS[name]
    made = _MADE.get(activation)
    if made is not None and made[0] is base:
        return made[1]
    if base.factory is None:
        having = sorted(n for n, record in ACTIVATIONS.items() if record.factory)
        raise ValueError(
            f"activation {name!r} takes no parameter, those that do are {having}, got "
            f"{activation!r}."
        )
    try:
        value = parse_number(parameter)
    except ValueError:
        raise ValueError(
            f"activation must have a number in parentheses, such as '{name}(0.5)', got "
            f"{activation!r}."
        ) from None
    try:
        record = base.factory(value)
    except ValueError as error:
        raise ValueError(f"activation {activation!r} is not known: {error}.") from None
    _MADE[activation] = base, record
    return record
