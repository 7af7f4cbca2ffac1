"""A training step's calls of NumPy, written down once and then made again.

Of a step of a small network, half of the time is Python's: which layer is next, which
buffer, of what shape, what to call. As long as batches come in the same arrays and
results go into the same buffers, all of that comes out the same each time, and what is
left to do is a list of NumPy's calls. So a step is run once on arrays that note what
NumPy is asked to do with them, and from then on the notes are followed.

The mathematics knows nothing of it. Where it does what notes can't tell, such as a
choice by the numbers, there is no tape, and each step is run as it is written.
"""

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial, wraps
from operator import is_
from typing import Any

import numpy as np

__all__ = ["Tape", "Tapes", "one_call"]

# Which step with the same arrays is recorded: fewer are not worth it.
REHEARSALS = 3

# Ufuncs that want `out` by its name: as a third number to compare it would pass too.
_BY_NAME = (np.maximum, np.minimum)


class Tape:
    """Calls that a step makes, in order.

    Attributes
    ----------
    calls : list of callable
        Of no arguments: each knows its arrays.
    is_faithful : bool
        Whether they are all that the step does.
    result : ndarray
        What the step returned, where the calls write it.
    """

    def __init__(self):
        self.calls: list[Callable[[], Any]] = []
        self.is_faithful, self.is_open, self.result = True, True, None

    def traced(self, array):
        """View of an array; what is done with it goes onto the tape."""
        view = array.view(Traced)
        view.tape = self
        return view

    def record(self, network, step, inputs):
        """Run a step, note its calls, and return what it returns.

        Parameters
        ----------
        network : Network
            The step writes to nothing but the buffers and gradients of it.
        step : callable
        inputs : tuple
            Arguments of it.
        """
        heard = [
            self.traced(value) if isinstance(value, np.ndarray) else value
            for value in inputs
        ]
        with self._listening_to(network):
            self.result = _plain(step(*heard))
        return self.result

    def play(self):
        """Make the calls again, and return the result."""
        for call in self.calls:
            call()
        return self.result

    @contextmanager
    def _listening_to(self, network):
        layers, buffers = network.layers, network.buffers
        of_layers = [layer.buffers for layer in layers]
        network.buffers = self._over(buffers)
        for layer in layers:
            layer.buffers = self._over(layer.buffers)
            layer.dW, layer.db = self.traced(layer.dW), self.traced(layer.db)
        try:
            yield
        finally:
            self.is_open, network.buffers = False, buffers
            for layer, own in zip(layers, of_layers, strict=True):
                layer.buffers = own
                for name in ("A1", "Z", "A", "mask", "dW", "db"):
                    setattr(layer, name, _plain(getattr(layer, name)))

    def _over(self, buffers):
        return lambda *request: self.traced(buffers(*request))


class Traced(np.ndarray):
    """View of an array, whose tape notes what NumPy is asked to do with it."""

    tape: Any

    def __array_finalize__(self, source):
        self.tape = getattr(source, "tape", None)
        if self.base is None:  # A copy, of what is in it now.
            self._spoil()

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        out = options.get("out", (None,))
        operands = [_plain(value) for value in inputs]
        options = {name: _plain(value) for name, value in options.items()}
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if out[0] is not None:
            options["out"] = tuple(map(_plain, out))
        result = function(*operands, **options)
        if not self.tape.is_open:
            return result
        if ufunc.nout > 1 or result is None:
            self._spoil()
            return result
        # Where it went, it goes again.
        options["out"] = result = np.asarray(result)
        operands = _with_arrays(operands)
        if method == "__call__" and len(options) == 1 and ufunc not in _BY_NAME:
            # By its place, which NumPy reads faster than a name.
            call = partial(function, *operands, result)
        else:
            call = partial(function, *operands, **options)
        self.tape.calls.append(call)
        return self.tape.traced(result) if out[0] is None else out[0]

    def __getitem__(self, key):
        part = _plain(self)[key]
        if not np.may_share_memory(part, _plain(self)):
            self._spoil()
            return part
        return self.tape.traced(part)

    def __array_function__(self, function, types, arguments, options):
        self._spoil()
        return super().__array_function__(function, types, arguments, options)

    def _spoil(self):
        if self.tape is not None and self.tape.is_open:
            self.tape.is_faithful = False


def _spoiling(name):
    method = getattr(np.ndarray, name)

    @wraps(method)
    def spoiling(self, *arguments, **options):
        self._spoil()
        return method(_plain(self), *arguments, **options)

    return spoiling


# Numbers taken out of an array, put into it or copied would differ the next time.
_VIEWS_AND_UFUNCS = {
    *("reshape", "ravel", "squeeze", "swapaxes", "transpose", "view"),
    *("all", "any", "clip", "max", "min", "prod", "sum"),
}
_IN_AND_OUT = {
    *("__bool__", "__float__", "__int__", "__index__", "__complex__"),
    *("__iter__", "__setitem__"),
}
for _name, _method in vars(np.ndarray).items():
    _is_public = callable(_method) and not _name.startswith("_")
    if _name in _IN_AND_OUT or (_is_public and _name not in _VIEWS_AND_UFUNCS):
        setattr(Traced, _name, _spoiling(_name))


def _plain(value):
    return np.ndarray.view(value, np.ndarray) if isinstance(value, Traced) else value


def _with_arrays(operands):
    """Turn numbers into arrays of the operands' dtype, once and not at each call."""
    kinds = {value.dtype for value in operands if isinstance(value, np.ndarray)}
    if len(kinds) > 1:
        return operands
    return [
        np.asarray(value, *kinds) if type(value) is float else value
        for value in operands
    ]


def one_call(function):
    """Let a function be one call on a tape, whatever it does inside.

    Parameters
    ----------
    function : callable
        ``function(*arguments, out)``, of arrays and what never changes. It fills
        ``out``, an array or None, and returns it.

    Returns
    -------
    callable
    """

    @wraps(function)
    def called(*arguments, out):
        heard = [v.tape for v in (*arguments, out) if isinstance(v, Traced)]
        plain = [_plain(value) for value in arguments]
        result = function(*plain, out=_plain(out))
        if not heard or not heard[0].is_open:
            return result
        heard[0].calls.append(partial(function, *plain, out=result))
        return heard[0].traced(result) if out is None else out

    return called


class Tapes:
    """A network's recorded steps, one for each shape of batch.

    A step with the same arrays and activations as the last of its shape is recorded
    when it has come a few times. Once more it is run and played, and if that is the
    same to the last bit, it is played from then on.

    Parameters
    ----------
    network : Network
        Which writes into the same buffers each time.
    """

    def __init__(self, network):
        self._network = network
        self._seen: dict[tuple, _Seen] = {}

    def run(self, step, *inputs):
        """Run a step, or play it.

        Parameters
        ----------
        step : callable
            Writes to buffers and gradients of the network, and returns an array.
        *inputs
            Arguments of the step: arrays, or what never changes. The first is an array.

        Returns
        -------
        ndarray
            What the step returns. The next may write over it.
        """
        shape = inputs[0].shape
        activations = [layer.activation for layer in self._network.layers]
        seen = self._seen.get(shape)
        if seen is None or not seen.is_of(inputs, activations):
            seen = self._seen[shape] = _Seen(inputs, activations)
        if seen.is_proved:
            return seen.tape.play()
        seen.n_times += 1
        if seen.n_times == REHEARSALS:
            return seen.tape.record(self._network, step, inputs)
        if seen.n_times == REHEARSALS + 1 and seen.tape.is_faithful:
            return self._prove(seen, step)
        return step(*inputs)

    def _prove(self, seen, step):
        """Play a step and run it; both must come to the same."""
        gradients = self._network.gradients
        played = [seen.tape.play().copy(), gradients.copy()]
        result = step(*seen.inputs)
        seen.is_proved = all(
            np.array_equal(_bits(one), _bits(other))
            for one, other in zip(played, (result, gradients), strict=True)
        )
        return result


def _bits(numbers):
    """Floating-point numbers as integers, since nan does not equal itself."""
    return np.asarray(numbers).view(f"i{numbers.dtype.itemsize}")


class _Seen:
    """What is known of the steps of one shape of batch."""

    def __init__(self, inputs, activations):
        self.inputs, self.activations, self.tape = inputs, activations, Tape()
        self.n_times, self.is_proved = 0, False

    def is_of(self, inputs, activations):
        """Whether the step would be the same, on the same arrays."""
        return (
            activations == self.activations
            and len(inputs) == len(self.inputs)
            and all(map(is_, inputs, self.inputs))
        )
