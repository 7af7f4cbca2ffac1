"""Checks that bad input raises a clear error and changes nothing.

Tables of bad calls are dicts of ``Refused`` records by test id. A call is a function of
one object, built anew for each call, whose attributes are data to spoil and functions
that make estimators.
"""

import contextlib
import inspect
import linecache
import re
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import quietly
from scipy import sparse
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    UndefinedMetricWarning,
)

from skscratch import ScratchMLPClassifier, ScratchMLPRegressor

ESTIMATORS = {"classifier": ScratchMLPClassifier, "regressor": ScratchMLPRegressor}
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}


class Refused(NamedTuple):
    """A call that must raise an error.

    Attributes
    ----------
    call : callable
        The call, as a function of the object that holds data and estimators.
    message : str
        Part of the error's message, with runs of white space as single spaces.
    error : type
        The error's class.
    worded : bool
        If False, the error may be Python's or NumPy's own: see ``is_worded``.
    """

    call: Callable[[Any], Any]
    message: str
    error: type[Exception] = ValueError
    worded: bool = True


class Bad(NamedTuple):
    """A value that every call must refuse.

    Attributes
    ----------
    make : callable
        The value, as a function of ``Data``.
    message : str
        Part of the error's message. "{estimator}" stands for the estimator's class,
        "{name}" for the argument, "{data}" for it or, in ``fit``, for "X and y".
    error : type
        The error's class.
    """

    make: Callable[[Any], Any]
    message: str
    error: type[Exception] = ValueError


def each_case(*tables):
    """Parametrize a test with ``case``, each record of the tables, by its id."""
    cases = [(id_, case) for table in tables for id_, case in table.items()]
    assert len(dict(cases)) == len(cases)
    return pytest.mark.parametrize(
        "case", [pytest.param(c, id=id_) for id_, c in cases]
    )


def each_bad(table):
    return pytest.mark.parametrize(
        "bad", [pytest.param(b, id=i) for i, b in table.items()]
    )


def assert_refused(case, things):
    """Check the error of a call, and that it was raised on purpose; return it."""
    with pytest.raises(case.error) as caught:
        case.call(things)
    assert case.message in " ".join(str(caught.value).split())
    assert is_worded(caught.value) or not case.worded
    return caught.value


def assert_all_differ(*tables):
    """Check that no two records of the tables are the same call with the same message.

    Calls that differ in the value of a closure differ.
    """
    keys = [
        (
            *(code.co_code, code.co_consts, code.co_names),
            case.call.__defaults__,
            [cell.cell_contents for cell in case.call.__closure__ or ()],
            case.message,
        )
        for table in tables
        for case in table.values()
        for code in [case.call.__code__]
    ]
    distinct = {repr(key) for key in keys}
    assert len(distinct) == len(keys)


def names_in(*tables):
    """Return all names of functions, methods and attributes in the tables' calls."""
    return {
        name
        for table in tables
        for case in table.values()
        for name in case.call.__code__.co_names
    }


# Nothing changes


def contents(thing, seen=()):
    """All that an object holds, as nested tuples that compare by value, bit for bit."""
    if id(thing) in seen:
        return "itself"
    seen = (*seen, id(thing))
    if isinstance(thing, (pd.DataFrame, pd.Series)):
        # Not by attributes: pandas keeps what it computed.
        index = contents(thing.index.tolist(), seen)
        frame = thing.to_frame() if isinstance(thing, pd.Series) else thing
        columns = [(repr(k), str(v.dtype), v.tolist()) for k, v in frame.items()]
        return type(thing), index, contents(columns, seen)
    if sparse.issparse(thing):
        # Nor what SciPy found of the order of what is stored.
        arrays = [v for v in vars(thing).values() if isinstance(v, (np.ndarray, tuple))]
        return type(thing), contents(arrays, seen)
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        flags = thing.flags.writeable, thing.strides
        return thing.dtype.str, thing.shape, flags, thing.tobytes()
    if isinstance(thing, np.ndarray):
        return thing.shape, contents(thing.tolist(), seen)
    if isinstance(thing, np.random.RandomState):
        return contents(thing.get_state(legacy=False), seen)
    if isinstance(thing, dict):
        return tuple((key, contents(value, seen)) for key, value in thing.items())
    if isinstance(thing, (list, tuple, set)):
        return type(thing), tuple(contents(item, seen) for item in thing)
    if hasattr(thing, "__dict__") and not (callable(thing) or inspect.ismodule(thing)):
        return type(thing), contents(vars(thing), seen)
    return repr(thing)


class Watched:
    """An estimator whose methods must change nothing when they raise.

    Compared are its attributes and predictions, the arguments, NumPy's random state and
    error settings, warning filters and scikit-learn's configuration.

    Parameters
    ----------
    estimator : estimator
    X : array-like
        Data to predict for, or None if the estimator is not fitted.
    """

    def __init__(self, estimator, X=None):
        self.estimator, self._X = estimator, X

    def __getattr__(self, name):
        method = getattr(self.estimator, name)

        def call(*args, **kwargs):
            before = self._state(args, kwargs)
            try:
                return method(*args, **kwargs)
            except Exception:
                for one, other in zip(before, self._state(args, kwargs), strict=True):
                    assert one == other
                raise

        return call

    def _state(self, *arguments):
        attributes = vars(self.estimator)
        return (
            {key: id(value) for key, value in attributes.items()},
            contents(attributes),
            contents(self._predictions()),
            contents(arguments),
            contents(np.random.get_state()),  # noqa: NPY002
            list(warnings.filters),
            (np.geterr(), sklearn.get_config()),
        )

    def _predictions(self):
        if self._X is None:
            return []
        names = [
            name for name in (*METHODS, "transform") if hasattr(self.estimator, name)
        ]
        return [getattr(self.estimator, name)(self._X) for name in names]


def watch_fitted(estimator, X, y, **parameters):
    """Fit an estimator, then set parameters; return it watched."""
    return Watched(quietly(estimator.fit, X, y).set_params(**parameters), X)


# What calls are made of

N_SAMPLES = 24


class Data:
    """Good samples, targets and weights, for calls to spoil.

    Attributes
    ----------
    X : ndarray of shape (24, 4)
    csr, csc : sparse arrays
        The same as ``X``.
    frame : DataFrame
        The same with columns "a" to "d".
    mixed : DataFrame
        The same with a column of text, "s", and one of booleans, "f".
    y : ndarray of shape (24,)
        Three classes, 0 to 2.
    two_classes : ndarray of shape (24,)
    labels : ndarray of shape (24, 2)
        Multilabel targets.
    numbers : ndarray of shape (24,)
        Targets of a regressor.
    weights : ndarray of shape (24,)
        Ones.
    """

    def __init__(self):
        self.X = X = np.random.default_rng(0).normal(size=(N_SAMPLES, 4))
        self.y = y = np.arange(N_SAMPLES) % 3
        self.two_classes = y % 2
        self.labels = np.column_stack([y == 0, y == 1])
        self.numbers = X @ [1.0, 2.0, 0.0, -1.0] + 0.5
        self.weights = np.ones(N_SAMPLES)
        self.csr, self.csc = sparse.csr_array(X), sparse.csc_array(X)
        self.frame = pd.DataFrame(X, columns=list("abcd"))
        text = np.array(["u", "v", "w"])[y]
        self.mixed = self.frame.assign(s=text, f=y == 1)


STATES = ("fitted", "unfitted", "ensemble")
each_state = pytest.mark.parametrize("state", STATES)


class Estimators(Data):
    """Data, and functions that make watched estimators.

    Parameters
    ----------
    state : {"fitted", "unfitted", "ensemble"}
        What ``classifier`` and ``regressor`` return: a fitted estimator, a new one, or
        a fitted one of three networks.
    """

    def __init__(self, state="fitted"):
        super().__init__()
        self._is_fitted = state != "unfitted"
        self._defaults = SMALL | ({"n_estimators": 3} if state == "ensemble" else {})

    def classifier(self, *, on=None, **parameters):
        return self._make(ScratchMLPClassifier, on or (self.X, self.y), parameters)

    def regressor(self, *, on=None, **parameters):
        return self._make(ScratchMLPRegressor, on or (self.X, self.numbers), parameters)

    def new_classifier(self, **parameters):
        return Watched(ScratchMLPClassifier(**self._defaults | parameters))

    def new_regressor(self, **parameters):
        return Watched(ScratchMLPRegressor(**self._defaults | parameters))

    def _make(self, cls, data, parameters):
        if self._is_fitted:
            return watch_fitted(cls(**self._defaults), *data, **parameters)
        return Watched(cls(**self._defaults | parameters))


def put(array, value):
    """Copy of an array with another first element, or first that is stored."""
    array = array.copy()
    if sparse.issparse(array):
        array.data[0] = value
    else:
        array[(0,) * array.ndim] = value
    return array


def as_objects(array, value):
    """Copy of an array as objects, the first of which is the value."""
    return put(array.astype(object), value)


def classes_for(name):
    """Arguments that the first call to partial_fit needs."""
    return {"classes": [0, 1, 2]} if name == "classifier" else {}


def good_targets(name, t):
    return t.y if name == "classifier" else t.numbers


def grid(n_samples, n_features):
    """Zeros and ones at random, which every dtype holds."""
    return np.random.default_rng(0).integers(2, size=(n_samples, n_features)) * 1.0


def alternating(n_samples, n_classes=2):
    return np.arange(n_samples) % n_classes


# Whatever is passed, it works or is refused

# Warnings that may be given; any other, such as NumPy's RuntimeWarning, is a bug.
WARNINGS = {
    *(UserWarning, ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning)
}


class Slow(Exception):
    """A call took too long."""


@contextlib.contextmanager
def at_most(seconds):
    """Interrupt what takes longer, where the system can."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def interrupt(*_):
        raise Slow

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def package(frame):
    """Return "skscratch" or "sklearn" for a traceback's frame in either, or None."""
    found = re.findall(r"(?:^|/)(skscratch|sklearn)(?=/)", frame.filename)
    is_test = Path(__file__).parent in Path(frame.filename).parents
    return None if is_test or not found else found[-1]


def is_worded(error):
    """Return whether our code raised an error itself, or scikit-learn did.

    An error that NumPy raises within our code is an accident.
    """
    frames = traceback.extract_tb(error.__traceback__)
    packages = [package(frame) for frame in frames]
    if "skscratch" not in packages:
        return "sklearn" in packages
    last = len(packages) - 1 - packages[::-1].index("skscratch")
    if last < len(frames) - 1:
        return packages[last + 1] == "sklearn"
    line = linecache.getline(frames[last].filename, frames[last].lineno)
    return line.strip().startswith("raise ")


def assert_works_or_is_refused(estimator, method, *args, watch=None, **kwargs):
    """Return whether a call works; else check that it is refused in words.

    Predictions for ``watch``, if given, must be the same after a refusal.
    """
    watched = Watched(estimator, watch)
    refusal = None
    with at_most(10), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            getattr(watched, method)(*args, **kwargs)
        except (ValueError, TypeError) as error:
            refusal = error
    for warning in caught:
        assert warning.category in WARNINGS, warning
    if refusal is not None:
        assert str(refusal)
        assert is_worded(refusal), "".join(traceback.format_exception(refusal))
    return refusal is None
