"""Which backend trains a network: NumPy, or compiled kernels where they are installed.

Left alone, the choice depends on shapes, parameters and what is installed; see
``training.compiled``. Here is what overrides it.
"""

import itertools
import os
import time
from contextvars import ContextVar, Token
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

__all__ = [
    "BACKENDS",
    "current_choice",
    "is_installed",
    "requested_backend",
    "set_backend",
]

BACKENDS = ("auto", "numpy", "compiled")
VARIABLE = "SKSCRATCH_BACKEND"

# The first that supports NumPy 2.
_OLDEST_NUMBA = (0, 61)


class Choice(NamedTuple):
    """A call of ``set_backend``.

    Estimators that are cloned while it holds carry it along, into the workers of joblib
    too, which know nothing of context variables.

    Attributes
    ----------
    backend : {"auto", "numpy", "compiled"}
    process : int
        Process that has made the call.
    number : int
        Number of the call in that process.
    """

    backend: str
    process: int
    number: int

    @property
    def holds(self):
        """Whether it still holds, in its own process or in one started there."""
        if self.process == os.getpid():
            return self.number in _HOLDING
        return self.process == os.getppid()


# Processes of two containers may have the same number, and must not mix up choices.
_NUMBERS = itertools.count(time.time_ns())
_HOLDING: set[int] = set()
_current: ContextVar[Choice | None] = ContextVar("backend", default=None)


class set_backend:
    """Choose the backend that trains networks and makes large predictions.

    As a function, it holds until the next call; in a ``with`` statement, until its end.
    It holds in the current thread (more precisely, context: see ``contextvars``), and
    for estimators that are cloned in it: the candidates of a ``GridSearchCV(n_jobs=2)``
    among them.

    Parameters
    ----------
    backend : {"auto", "numpy", "compiled"}
        ``"auto"`` leaves the choice to the size of the training and to what is
        installed. ``"compiled"`` uses the kernels for small fits too; networks that
        they do not know, such as those of sparse samples, still train on NumPy.

    Raises
    ------
    ValueError
        If there is no such backend.
    ImportError
        If kernels are asked for, and Numba is not installed.

    Notes
    -----
    Without a call, the environment variable ``SKSCRATCH_BACKEND`` decides, which takes
    the same names.

    Examples
    --------
    >>> from skscratch import ScratchMLPClassifier, set_backend
    >>> model = ScratchMLPClassifier(max_iter=300, random_state=0)
    >>> with set_backend("numpy"):
    ...     model = model.fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    """

    def __init__(self, backend: str) -> None:
        _check(backend, "backend")
        self._backend = backend
        self._tokens: list[Token[Any]] = []
        self._replaced = _current.get()
        self._choose()
        # As a function, it ends the choice before it. `with` will take that back.
        if self._replaced is not None:
            _HOLDING.discard(self._replaced.number)
        self._is_entered = False

    def __enter__(self) -> None:
        if self._is_entered:
            self._choose()
        elif self._replaced is not None:
            _HOLDING.add(self._replaced.number)
        self._is_entered = True

    def __exit__(self, *exception: object) -> None:
        choice = _current.get()
        if choice is not None:
            _HOLDING.discard(choice.number)
        _current.reset(self._tokens.pop())

    def _choose(self) -> None:
        choice = Choice(self._backend, os.getpid(), next(_NUMBERS))
        _HOLDING.add(choice.number)
        self._tokens.append(_current.set(choice))


def current_choice(carried=None):
    """Choice that holds now: the context's, or the one that an estimator carries.

    Parameters
    ----------
    carried : Choice, default=None

    Returns
    -------
    Choice or None
    """
    choice = _current.get()
    if choice is None and carried is not None and carried.holds:
        choice = carried
    return choice


def requested_backend(carried=None):
    """Name of the backend that is asked for.

    Parameters
    ----------
    carried : Choice, default=None
        Of an estimator.

    Returns
    -------
    {"auto", "numpy", "compiled"}
    """
    choice = current_choice(carried)
    if choice is not None:
        return choice.backend
    backend = os.environ.get(VARIABLE) or "auto"
    _check(backend, f"the environment variable {VARIABLE}")
    return backend


def _check(backend, name):
    if backend not in BACKENDS:
        raise ValueError(f"{name} must be one of {list(BACKENDS)}, got {backend!r}.")
    if backend == "compiled" and not is_installed():
        oldest = ".".join(map(str, _OLDEST_NUMBA))
        raise ImportError(
            f"{name}='compiled' needs Numba {oldest} or newer: install it with "
            "pip install 'skscratch[fast]', or choose 'auto' or 'numpy'."
        )


@cache
def is_installed():
    """Return whether a version of Numba that can be used is installed.

    Its import, which takes a while, is left to those who need it.
    """
    try:
        installed = version("numba")
    except PackageNotFoundError:
        return False
    numbers = installed.split(".")[:2]
    return all(map(str.isdigit, numbers)) and (
        tuple(map(int, numbers)) >= _OLDEST_NUMBA
    )
