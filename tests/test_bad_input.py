"""Bad input is refused in words, without a trace; what only looks bad works.

``REFUSED`` is a table of calls, the exception of each and a part of its message; what
must work stands in ``SHAPES`` and ``FORMS``. Between the two hypothesis looks for calls
that do neither.
"""

import ast
import contextlib
import datetime
import inspect
import linecache
import pathlib
import re
import signal
import traceback
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import quietly
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
    UndefinedMetricWarning,
)

from skscratch import (
    Checkpoint,
    Layer,
    Network,
    PiecewiseLinearEncoder,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    SmoothClipScaler,
    Stack,
    check_gradients,
    make_tabular_classifier,
    make_tabular_regressor,
)

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
# Which have no bound of their own above.
UNBOUNDED = (
    *("alpha", "learning_rate_init", "power_t", "tol", "epsilon", "weight_decay"),
    "max_grad_norm",
)
ESTIMATORS = {"classifier": ScratchMLPClassifier, "regressor": ScratchMLPRegressor}
# Of tables, and what prepares their numbers.
TABULAR = {
    "table_classifier": make_tabular_classifier,
    "table_regressor": make_tabular_regressor,
}
ENCODERS = {"scaler": SmoothClipScaler, "encoder": PiecewiseLinearEncoder}
CLASSES_NEEDED = ("classifier", "partial_fit")
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
TABLE = {**SMALL, "batch_size": 8, "n_estimators": 2}


# What a call must leave as it was


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
        # Nor what scipy found of the order of what is stored.
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
    if isinstance(thing, (list, tuple)):
        return type(thing), tuple(contents(item, seen) for item in thing)
    if hasattr(thing, "__dict__") and not (callable(thing) or inspect.ismodule(thing)):
        return type(thing), contents(vars(thing), seen)
    return repr(thing)


class Watched:
    """An estimator, of which a call that is refused must leave no trace anywhere.

    Parameters
    ----------
    estimator : BaseScratchMLP
    X : array-like
        What it was fitted on, or None.
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
            contents(list(warnings.filters)),
            (np.geterr(), sklearn.get_config()),
        )

    def _predictions(self):
        if self._X is None:
            return []
        names = [
            name for name in (*METHODS, "transform") if hasattr(self.estimator, name)
        ]
        return [getattr(self.estimator, name)(self._X) for name in names]


# What the calls of the table are made of


def put(array, value):
    """Copy of an array with another first element, or first that is stored."""
    array = array.copy()
    if sparse.issparse(array):
        array.data[0] = value
    else:
        array[(0,) * array.ndim] = value
    return array


def after_feedforward(layer, samples=4):
    layer.feedforward(np.ones((layer.inputs, samples)))
    return layer


def assign(thing, **attributes):
    for name, value in attributes.items():
        setattr(thing, name, value)


def nested():
    """A callback that fits the estimator that it hears of."""

    class Fitting:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            estimator.fit(np.ones((4, 2)), [0, 1, 0, 1])

    return Fitting()


def refitted(estimator, X, y):
    """A scorer that fits the estimator that it is to judge."""
    return estimator.fit(X, y)


def things(**common):
    """What the table's calls name: made anew for each, for calls may spoil it.

    ``common`` are parameters of all estimators, other than by default.
    """
    random = np.random.default_rng(0)
    X = random.normal(size=(24, 4))
    y = np.arange(24) % 3
    t = X @ [1.0, 2.0, 0.0, -1.0] + 0.5
    frame = pd.DataFrame(X, columns=list("abcd"))
    mixed = frame.assign(s=np.array(["u", "v", "w"])[y], f=y == 1)

    def maker(cls, target, X=X, defaults=SMALL | common):
        def make(*, on=None, **parameters):
            given = (X, target) if on is None else on
            estimator = quietly(cls(**defaults).fit, *given)[0]
            return Watched(estimator.set_params(**parameters), given[0])

        return make

    def new_maker(cls, defaults=SMALL | common):
        return lambda **parameters: Watched(cls(**defaults | parameters))

    return {
        **{"X": X, "y": y, "t": t, "frame": frame, "n": len(X)},
        **{"csr": sparse.csr_array(X), "csc": sparse.csc_array(X)},
        # Two classes, labels, classes and numbers of two columns, weights of one.
        **{"b": y % 2, "labels": np.column_stack([y == 0, y == 1])},
        **{"yy": np.column_stack([y, y]), "tt": np.column_stack([t, t])},
        **{"w": np.ones(24), "nan": np.nan, "inf": np.inf},
        **{"words": np.full((24, 4), "word"), "day": datetime.date(2020, 1, 1)},
        "classifier": maker(ScratchMLPClassifier, y),
        "regressor": maker(ScratchMLPRegressor, t),
        "new_classifier": new_maker(ScratchMLPClassifier),
        "new_regressor": new_maker(ScratchMLPRegressor),
        **{"mixed": mixed, "callback": nested(), "refitted": refitted},
        **{
            name: maker(make, target, mixed, TABLE)
            for (name, make), target in zip(TABULAR.items(), (y, t), strict=True)
        },
        **{f"new_{name}": new_maker(make, TABLE) for name, make in TABULAR.items()},
        **{name: maker(cls, None, frame, {}) for name, cls in ENCODERS.items()},
        **{f"new_{name}": new_maker(cls, {}) for name, cls in ENCODERS.items()},
        "stack": Stack(
            [Network.glorot([2, 3, 3], "tanh", random_state=i) for i in range(2)]
        ),
        "layer": Layer(2, 3, "tanh", random_state=0),
        "network": Network.glorot([2, 3, 3], "tanh", random_state=0),
        "numbers": Network.glorot([2, 3, 1], "tanh", "squared_error", random_state=0),
        **{
            "A1": np.ones((2, 4)),
            "Y": np.eye(3)[:, [0, 1, 2, 0]],
            "classes": [0, 1, 2],
        },
        **{"inputs": np.ones((4, 2)), "codes": np.array([0, 1, 2, 0])},
        **{"np": np, "pd": pd, "sparse": sparse, "put": put, "assign": assign},
        **{"Layer": Layer, "Network": Network, "check_gradients": check_gradients},
        **{"Stack": Stack, "Checkpoint": Checkpoint},
        **{"float32": np.float32, "after_feedforward": after_feedforward},
    }


def callee(call):
    """What a call calls: ``classifier.fit`` of ``classifier(alpha=1).fit(X, y)``."""
    function = ast.parse(call, mode="eval").body.func
    if isinstance(function, ast.Name):
        return function.id
    owner = function.value
    while not isinstance(owner, ast.Name):
        owner = owner.func if isinstance(owner, ast.Call) else owner.value
    return f"{owner.id}.{function.attr}"


REFUSED = [
    # NaN and infinities in X
    ("classifier().fit(put(X, nan), y)", ValueError, "Input X contains NaN"),
    ("regressor().fit(put(X, nan), t)", ValueError, "Input X contains NaN"),
    (
        "classifier().fit(put(csr, nan), y)",
        ValueError,
        "X contains NaN. ScratchMLPClassifier does not accept missing values",
    ),
    (
        "classifier().fit(put(csc, inf), y)",
        ValueError,
        "Input X contains infinity or a value too large for dtype('float64')",
    ),
    ("regressor().fit(put(csr, -inf), t)", ValueError, "Input X contains infinity"),
    ("regressor().fit(put(X, -inf), t)", ValueError, "too large for dtype('float64')"),
    (
        "classifier(dtype='float32').fit(put(X, 1e300), y)",
        ValueError,
        "Input X contains infinity or a value too large for dtype('float32')",
    ),
    (
        "regressor(dtype='float32').fit(put(csr, 1e300), t)",
        ValueError,
        "Input X contains infinity or a value too large for dtype('float32')",
    ),
    (
        "classifier().fit(X.astype(np.longdouble) * np.longdouble('1e400'), y)",
        ValueError,
        "value too large for dtype('float64')",
    ),
    (
        "classifier().fit(put(X.astype(object), None), y)",
        ValueError,
        "X contains NaN.",
    ),
    (
        "regressor().fit(frame.astype('Float64').mask(X > 0), t)",
        ValueError,
        "X contains NaN. ScratchMLPRegressor does not accept missing values",
    ),
    (
        "classifier().partial_fit(put(X, nan), y)",
        ValueError,
        "Input X contains NaN",
    ),
    (
        "regressor().partial_fit(put(csr, inf), t)",
        ValueError,
        "Input X contains infinity",
    ),
    (
        "new_classifier().partial_fit(put(X, inf), y, classes=classes)",
        ValueError,
        "Input X contains infinity",
    ),
    (
        "classifier(on=(X.astype(float32), y)).partial_fit(put(X, 1e300), y)",
        ValueError,
        "too large for dtype('float32')",
    ),
    # X of another shape
    (
        "classifier().fit(X[:0], y[:0])",
        ValueError,
        "Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required",
    ),
    (
        "regressor().fit(csr[:0], t[:0])",
        ValueError,
        "Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required",
    ),
    (
        "classifier().fit(X[:, :0], y)",
        ValueError,
        "Found array with 0 feature(s) (shape=(24, 0)) while a minimum of 1",
    ),
    (
        "classifier().fit([], [])",
        ValueError,
        "Expected 2D array, got 1D array instead",
    ),
    ("regressor().fit([[]], [0])", ValueError, "0 feature(s) (shape=(1, 0))"),
    ("classifier().fit(X[:, :, np.newaxis], y)", ValueError, "Found array with dim 3"),
    ("regressor().fit(X[:, 0], t)", ValueError, "got 1D array instead"),
    ("regressor().fit(3.0, t)", ValueError, "got scalar array instead: array=3.0"),
    ("classifier().fit(None, y)", ValueError, "got scalar array instead: array=nan"),
    (
        "classifier().fit([[1.0], [1.0, 2.0]], [0, 1])",
        ValueError,
        "The requested array has an inhomogeneous shape",
    ),
    (
        "classifier().fit(sparse.coo_array(X[0]), y)",
        ValueError,
        "Expected 2D input, got input with shape (4,)",
    ),
    # X of another kind
    (
        "classifier().fit(words, y)",
        ValueError,
        "could not convert string to float: np.str_('word')",
    ),
    (
        "regressor().fit(words.astype(bytes), t)",
        ValueError,
        "could not convert string to float: np.bytes_(b'word')",
    ),
    (
        "classifier().fit(put(X.astype(object), 'word'), y)",
        ValueError,
        "could not convert string to float: 'word'",
    ),
    (
        "regressor().fit(pd.DataFrame({'a': pd.Categorical(['u', 'v'] * 12)}), t)",
        ValueError,
        "could not convert string to float: 'u'",
    ),
    (
        "classifier().fit(put(X.astype(object), {}), y)",
        TypeError,
        "must be a string or a real number, not 'dict'",
    ),
    (
        "classifier().fit(put(X.astype(object), pd.NA), y)",
        TypeError,
        "must be a string or a real number, not 'NAType'",
    ),
    (
        "classifier().fit({'a': 1}, y)",
        TypeError,
        "float() argument must be a string or a real number, not 'dict'",
    ),
    ("regressor().fit({1, 2}, t)", TypeError, "a real number, not 'set'"),
    ("regressor().fit('word', t)", ValueError, "convert string to float: 'word'"),
    ("classifier().fit(X + 1j, y)", ValueError, "Complex data not supported"),
    ("regressor().fit(csr * 1j, t)", ValueError, "Complex data not supported"),
    (
        "classifier().fit(put(X.astype(object), 1j), y)",
        TypeError,
        "must be a string or a real number, not 'complex'",
    ),
    (
        "classifier().fit(put(X.astype(object), day), y)",
        ValueError,
        "X must hold numbers, got dates or durations (<class 'datetime.date'>)",
    ),
    (
        "regressor().fit(frame.assign(e=pd.Timestamp(2020, 1, 1)), t)",
        ValueError,
        "X must hold numbers, got dates or durations (datetime64[",
    ),
    (
        "classifier().fit(np.full((24, 4), '2020-01-01', 'M8[D]'), y)",
        ValueError,
        "X must hold numbers, got dates or durations (datetime64[D])",
    ),
    (
        "regressor().fit(np.full((24, 4), 'NaT', 'm8[s]'), t)",
        ValueError,
        "X must hold numbers, got dates or durations (timedelta64[s])",
    ),
    (
        "classifier().predict(np.full((24, 4), 'NaT', 'M8[D]'))",
        ValueError,
        "got dates or durations (datetime64[D])",
    ),
    (
        "classifier().fit([[np.datetime64('2020-01-01')]] * 24, y)",
        ValueError,
        "got dates or durations (<class 'numpy.datetime64'>)",
    ),
    (
        "regressor().fit(pd.DataFrame(np.zeros((24, 2), 'M8[s]')), t)",
        ValueError,
        "got dates or durations (datetime64[s])",
    ),
    (
        "regressor().fit(frame.assign(d=pd.Timedelta(days=1)), t)",
        ValueError,
        "got dates or durations (timedelta64[",
    ),
    (
        "classifier().fit(put(X.astype(object), 10**400), y)",
        ValueError,
        "X and y must hold numbers that floats can hold: int too large",
    ),
    ("regressor().partial_fit([[10**400] * 4], t[:1])", ValueError, "can hold: int"),
    (
        "classifier().predict(put(X.astype(object), 10**400))",
        ValueError,
        "X must hold numbers that floats can hold: int too large",
    ),
    (
        "regressor().score(put(X.astype(object), -(10**400)), t)",
        ValueError,
        "X must hold numbers that floats can hold: int too large",
    ),
    (
        "classifier().fit(np.zeros(24, dtype=[('a', float), ('b', int)]), y)",
        TypeError,
        "Cannot cast array data from dtype([('a', '<f8'), ('b', '<i8')])",
    ),
    (
        "classifier().fit(frame.set_axis(['a', 'b', 'c', 4], axis=1), y)",
        TypeError,
        "Feature names are only supported if all input features have string names",
    ),
    # y
    ("classifier().fit(X)", TypeError, "missing 1 required positional argument: 'y'"),
    (
        "classifier().fit(X, None)",
        ValueError,
        "ScratchMLPClassifier estimator requires y to be passed",
    ),
    (
        "regressor().fit(X, None)",
        ValueError,
        "ScratchMLPRegressor estimator requires y to be passed",
    ),
    (
        "classifier().fit(X, y[:-1])",
        ValueError,
        "Found input variables with inconsistent numbers of samples: [24, 23]",
    ),
    (
        "regressor().fit(csr, t[:-1])",
        ValueError,
        "Found input variables with inconsistent numbers of samples: [24, 23]",
    ),
    ("regressor().fit(X, t[:0])", ValueError, "0 sample(s) (shape=(0,))"),
    ("classifier().fit(X, put(y * 1.0, nan))", ValueError, "Input y contains NaN"),
    ("classifier().fit(X, put(y * 1.0, inf))", ValueError, "Input y contains infinity"),
    ("regressor().fit(X, put(t, nan))", ValueError, "Input y contains NaN"),
    ("regressor().fit(X, put(t, -inf))", ValueError, "Input y contains infinity"),
    (
        "regressor().fit(X, put(t.astype(object), None))",
        ValueError,
        "y contains NaN, infinity or values too large for float64",
    ),
    (
        "regressor(dtype='float32').fit(X, 1e300 * t)",
        ValueError,
        "y contains NaN, infinity or values too large for float32",
    ),
    (
        "regressor().fit(X, t.astype(np.longdouble) * np.longdouble('1e400'))",
        ValueError,
        "y contains NaN, infinity or values too large for float64",
    ),
    (
        "regressor().fit(X, put(t.astype(object), 10**400))",
        ValueError,
        "X and y must hold numbers that floats can hold: int too large",
    ),
    ("classifier().fit(X, t)", ValueError, "Unknown label type: "),
    ("classifier().fit(X, tt)", ValueError, "Unknown label type: (array([["),
    ("classifier().fit(X, yy)", ValueError, "Unknown label type: (array([[0, 0]"),
    ("classifier().partial_fit(X, t)", ValueError, "Unknown label type: "),
    (
        "classifier().fit(X, pd.Series(y, dtype='Int64').mask(y == 1))",
        ValueError,
        "y contains NaN",
    ),
    ("classifier().fit(X, y.astype(object))", ValueError, "1, 2], dtype=object),)"),
    (
        "classifier().fit(X, put(y.astype(object), 'a'))",
        TypeError,
        "y can't be used: '<' not supported between instances of",
    ),
    (
        "classifier().fit(X, np.array(['False', True] * 12, dtype=object))",
        TypeError,
        "'<' not supported between instances of 'bool' and 'str'",
    ),
    ("classifier().fit(X, y + 1j)", ValueError, "Complex data not supported [0.+1.j"),
    ("regressor().fit(X, t + 1j)", ValueError, "Complex data not supported"),
    ("regressor().fit(X, words[:, 0])", ValueError, "y must hold numbers, got <U"),
    (
        "regressor().fit(X, put(t.astype(object), {}))",
        TypeError,
        "must be a string or a real number, not 'dict'",
    ),
    (
        "regressor().fit(X, np.full(24, '2020-01-01', 'M8[D]'))",
        ValueError,
        "y must hold numbers, got datetime64[D]",
    ),
    ("classifier().fit(X, y[:, None, None])", ValueError, "array with dim 3, while"),
    ("regressor().fit(X, t[:, None, None])", ValueError, "array with dim 3, while"),
    ("classifier().fit(X, 3)", TypeError, "got scalar `array(3)` instead"),
    ("regressor().fit(X, 'word')", TypeError, "got scalar `array('word'"),
    (
        "classifier().fit(X, [[0], [0, 1]] * 12)",
        ValueError,
        "The detected shape was (24,) + inhomogeneous part",
    ),
    ("regressor().fit(X, np.zeros((24, 0)))", ValueError, "(s) (shape=(24, 0)) while"),
    (
        "classifier().fit(X, sparse.csr_array(y[:, None]))",
        TypeError,
        "Sparse data was passed for y, but dense data is required",
    ),
    (
        "regressor(loss='poisson').fit(X, np.arange(24) - 1.5)",
        ValueError,
        "y must not be negative for loss='poisson', got -1.5",
    ),
    # weights
    (
        "classifier().fit(X, y, put(w, nan))",
        ValueError,
        "Input sample_weight contains NaN",
    ),
    (
        "regressor().fit(X, t, put(w, inf))",
        ValueError,
        "Input sample_weight contains infinity",
    ),
    (
        "classifier().fit(X, y, put(w, -1))",
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    (
        "regressor().fit(X, t, -1)",
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    (
        "classifier().fit(X, y, 0 * w)",
        ValueError,
        "Sample weights must contain at least one non-zero number",
    ),
    ("regressor().fit(X, t, 0.0)", ValueError, "at least one non-zero number"),
    (
        "classifier().fit(X, y, w[:-1])",
        ValueError,
        "sample_weight.shape == (23,), expected (24,)",
    ),
    (
        "classifier().fit(X, y, w[:, None])",
        ValueError,
        "Sample weights must be 1D array or scalar, got 2D array",
    ),
    ("regressor().fit(X, t, [[1], [1, 2]])", ValueError, "an inhomogeneous shape"),
    ("classifier().fit(X, y, ['heavy'] * n)", ValueError, "to float: 'heavy'"),
    (
        "classifier().fit(X, y, w + 1j)",
        ValueError,
        "Complex data not supported [1.+1.j",
    ),
    ("classifier().fit(X, y, {})", TypeError, "a string or a real number, not 'dict'"),
    (
        "classifier().fit(X, y, sparse.csr_array(w[:, None]))",
        TypeError,
        "Sparse data was passed for sample_weight, but dense data is required",
    ),
    (
        "classifier().partial_fit(X, y, put(w, nan))",
        ValueError,
        "Input sample_weight contains NaN",
    ),
    (
        "regressor().partial_fit(X, t, -w)",
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    (
        "new_regressor().partial_fit(X, t, 0 * w)",
        ValueError,
        "Sample weights must contain at least one non-zero number",
    ),
    ("classifier().fit(X, y, nan)", ValueError, "sample_weight must be finite, and"),
    ("regressor().partial_fit(X, t, inf)", ValueError, "sample_weight must be finite"),
    (
        "regressor().fit(X, t, put(put(w, inf)[::-1], -inf))",
        ValueError,
        "Input sample_weight contains infinity",
    ),
    (
        "classifier(dtype='float32').fit(X, y, 1e300 * w)",
        ValueError,
        "Input sample_weight contains infinity or a value too large for dtype('float32",
    ),
    (
        "classifier().fit(X, y, 1e308 * w)",
        ValueError,
        "sample_weight contains NaN, infinity or values too large for float64",
    ),
    (
        "classifier().fit(X, y, [10**400] * n)",
        ValueError,
        "sample_weight must hold numbers that floats can hold: int too large",
    ),
    (
        "classifier(class_weight=dict.fromkeys(classes, 1e308)).fit(X, y)",
        ValueError,
        "sample_weight times class_weight contains NaN, infinity or values too large",
    ),
    (
        "classifier(class_weight={1: 1e200}).fit(X, y, 1e200 * w)",
        ValueError,
        "sample_weight times class_weight contains",
    ),
    # numbers that are finite, but too large to train on
    (
        "regressor().fit(1e300 * X, t)",
        ValueError,
        "Solver produced non-finite parameter weights. The input data may contain",
    ),
    (
        "classifier(solver='lbfgs').fit(1e300 * X, y)",
        ValueError,
        "Solver produced non-finite parameter weights",
    ),
    (
        "regressor().partial_fit(1e300 * X, t)",
        ValueError,
        "Solver produced non-finite parameter weights",
    ),
    (
        "regressor(early_stopping=True).fit(X, t, X_val=X, y_val=1e300 * t)",
        ValueError,
        "y_val holds values too large to validate on in float64: their squares",
    ),
    # validation data; X_val, y_val should be named where the messages say X, y.
    (
        "classifier(early_stopping=True).fit(X, y, X_val=put(X, nan), y_val=y)",
        ValueError,
        "contains NaN. ScratchMLPClassifier does not accept missing",
    ),
    (
        "regressor(early_stopping=True).fit(X, t, X_val=put(csr, inf), y_val=t)",
        ValueError,
        "contains infinity or a value too large",
    ),
    (
        "regressor(early_stopping=True, dtype='float32')"
        ".fit(X, t, X_val=put(X, 1e300), y_val=t)",
        ValueError,
        "a value too large for dtype('float32')",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X[:, :3], y_val=y)",
        ValueError,
        "has 3 features, but ScratchMLPClassifier is expecting 4 features as input",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X[:0], y_val=y[:0])",
        ValueError,
        "0 sample(s) (shape=(0, 4)) while a minimum of 1 is required by Scratch",
    ),
    (
        "classifier(early_stopping=True)"
        ".fit(frame, y, X_val=frame[list('dcba')], y_val=y)",
        ValueError,
        "Feature names must be in the same order as they were in fit",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=words, y_val=y)",
        ValueError,
        "convert string to float: np.str_('word')",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X, y_val=y[:-1])",
        ValueError,
        "inconsistent numbers of samples: [24, 23]",
    ),
    (
        "regressor(early_stopping=True).fit(X, t, X_val=X, y_val=put(t, nan))",
        ValueError,
        "contains NaN.",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X, y_val=y + 1)",
        ValueError,
        "y_val has classes that are not in y: [1 2 3] against [0 1 2]",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X, y_val=labels)",
        ValueError,
        "y_val must have one class a sample, as y has, but it has a column a label",
    ),
    (
        "classifier(on=(X, labels), early_stopping=True)"
        ".fit(X, labels, X_val=X, y_val=y)",
        ValueError,
        "y_val must have a column a label, as y has, but it has one class a sample",
    ),
    (
        "classifier(early_stopping=True).fit(X, b == 1, X_val=X,"
        " y_val=(b == 1).astype(str))",
        ValueError,
        "y_val has classes that are not in y: ['False' 'True'] against [False True]",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X, y_val=t)",
        ValueError,
        "Unknown label type: (array([",
    ),
    (
        "regressor(early_stopping=True).fit(X, t, X_val=X, y_val=tt)",
        ValueError,
        "y_val must have the 1 outputs of y, got 2",
    ),
    (
        "new_regressor(early_stopping=True, loss='poisson')"
        ".fit(X, t**2, X_val=X, y_val=t)",
        ValueError,
        "y_val must not be negative for loss='poisson', got",
    ),
    (
        "classifier(early_stopping=True)"
        ".fit(X, y, X_val=X, y_val=y, sample_weight_val=-w)",
        ValueError,
        "Negative values in data passed to `sample_weight_val`",
    ),
    (
        "regressor(early_stopping=True)"
        ".fit(X, t, X_val=X, y_val=t, sample_weight_val=w[:3])",
        ValueError,
        "sample_weight_val.shape == (3,), expected (24,)",
    ),
    (
        "regressor(early_stopping=True)"
        ".fit(X, t, X_val=X, y_val=t, sample_weight_val=put(w, nan))",
        ValueError,
        "Input sample_weight_val contains NaN",
    ),
    (
        "classifier(early_stopping=True)"
        ".fit(X, y, X_val=X, y_val=y, sample_weight_val=nan)",
        ValueError,
        "sample_weight_val must be finite, and positive for at least one sample",
    ),
    (
        "regressor(early_stopping=True)"
        ".fit(X, t, X_val=X, y_val=t, sample_weight_val=[10**400] * n)",
        ValueError,
        "sample_weight_val must hold numbers that floats can hold",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, X_val=X)",
        ValueError,
        "X_val and y_val must be given together, or neither",
    ),
    (
        "regressor(early_stopping=True).fit(X, t, y_val=t)",
        ValueError,
        "X_val and y_val must be given together, or neither",
    ),
    (
        "classifier(early_stopping=True).fit(X, y, sample_weight_val=w)",
        ValueError,
        "sample_weight_val needs X_val and y_val",
    ),
    (
        "classifier().fit(X, y, X_val=X, y_val=y)",
        ValueError,
        "X_val needs early_stopping=True and one of the solvers",
    ),
    (
        "regressor(early_stopping=True, solver='lbfgs').fit(X, t, X_val=X, y_val=t)",
        ValueError,
        "X_val needs early_stopping=True and one of the solvers",
    ),
    (
        "regressor(early_stopping=True).fit(X[:2], t[:2])",
        ValueError,
        "early stopping needs at least 3 samples, got n_samples = 2",
    ),
    (
        "classifier(early_stopping=True).fit(X[:2], b[:2])",
        ValueError,
        "The validation set is too small. Increase 'validation_fraction'",
    ),
    (
        "classifier(early_stopping=True, validation_fraction=0.0).fit(X, y)",
        ValueError,
        "validation_fraction=0.0 of 24 samples leaves 24 to train on and 0 to validate "
        "on: at least 1 and 2 are needed",
    ),
    (
        "regressor(early_stopping=True, validation_fraction=0.99).fit(X, t)",
        ValueError,
        "validation_fraction=0.99 of 24 samples leaves 0 to train on",
    ),
    (
        "classifier(early_stopping=True, validation_fraction=0.95).fit(X, b)",
        ValueError,
        "leaves 1 to train on and 23 to validate on: at least 2 and 2 are needed",
    ),
    (
        "classifier(early_stopping=True).fit(X[:4], ['u', 'v', 'v', 'v'])",
        ValueError,
        "'False' stands for ['u'] and 'True' for ['v']: early stopping needs two",
    ),
    # predict and its like
    ("classifier().predict(put(X, nan))", ValueError, "Input X contains NaN"),
    ("regressor().predict(put(csr, inf))", ValueError, "Input X contains infinity"),
    (
        "classifier().predict(put(put(X, inf)[::-1], -inf))",
        ValueError,
        "Input X contains infinity or a value too large for dtype('float64')",
    ),
    ("classifier().predict_proba(put(X, inf))", ValueError, "X contains infinity"),
    (
        "classifier().predict_log_proba(put(csc, -inf))",
        ValueError,
        "Input X contains infinity or a value too large for dtype('float64')",
    ),
    ("classifier().decision_function(put(X, nan))", ValueError, "Input X contains NaN"),
    (
        "classifier(on=(X.astype(float32), y)).predict(put(X, 1e300))",
        ValueError,
        "value too large for dtype('float32')",
    ),
    (
        "regressor(on=(X.astype(float32), t)).predict(put(csr, 1e300))",
        ValueError,
        "value too large for dtype('float32')",
    ),
    ("classifier().predict(words)", ValueError, "could not convert string to float"),
    ("regressor().predict(X + 1j)", ValueError, "Complex data not supported"),
    ("classifier().predict_proba(X[0])", ValueError, "Expected 2D array, got 1D array"),
    ("regressor().predict(None)", ValueError, "got scalar array instead: array=nan"),
    ("classifier().predict_log_proba(X[:, :, None])", ValueError, "array with dim 3"),
    ("classifier().decision_function(X[:0])", ValueError, "0 sample(s) (shape=(0, 4))"),
    ("regressor().predict(X[:, :0])", ValueError, "0 feature(s) (shape=(24, 0))"),
    ("regressor().predict([[1, 2, 3], [1]])", ValueError, "an inhomogeneous shape"),
    (
        "classifier().predict(X[:, :3])",
        ValueError,
        "X has 3 features, but ScratchMLPClassifier is expecting 4 features",
    ),
    (
        "regressor().predict(csr[:, :2])",
        ValueError,
        "X has 2 features, but ScratchMLPRegressor is expecting 4 features",
    ),
    (
        "classifier(on=(frame, y)).predict(frame[list('dcba')])",
        ValueError,
        "Feature names must be in the same order as they were in fit",
    ),
    (
        "regressor(on=(frame, t)).predict(frame.rename(columns={'d': 'e'}))",
        ValueError,
        "Feature names unseen at fit time: - e Feature names seen at fit time",
    ),
    (
        "classifier(on=(frame, y)).predict_proba(frame[list('abc')])",
        ValueError,
        "Feature names seen at fit time, yet now missing: - d",
    ),
    *(
        (f"new_classifier().{name}(X)", NotFittedError, "is not fitted yet. Call 'fit'")
        for name in METHODS
    ),
    ("new_regressor().predict(X)", NotFittedError, "is not fitted yet. Call 'fit'"),
    ("new_regressor().score(X, t)", NotFittedError, "is not fitted yet. Call 'fit'"),
    # score
    ("new_classifier().score(X, y)", NotFittedError, "is not fitted yet"),
    ("classifier().score(put(X, nan), y)", ValueError, "Input X contains NaN"),
    (
        "regressor().score(X[:, :3], t)",
        ValueError,
        "X has 3 features, but ScratchMLPRegressor is expecting 4 features",
    ),
    ("classifier().score(X, y[:-1])", ValueError, "inconsistent numbers of samples"),
    ("regressor().score(X, t[:-1])", ValueError, "inconsistent numbers of samples"),
    ("classifier().score(X, t)", ValueError, "can't handle a mix of continuous and"),
    (
        "classifier().score(X, yy)",
        ValueError,
        "can't handle a mix of multiclass-multioutput and",
    ),
    (
        "classifier().score(X, None)",
        ValueError,
        "The 'y_true' parameter of accuracy_score must be an array-like",
    ),
    ("regressor().score(X, put(t, nan))", ValueError, "Input contains NaN"),
    ("regressor().score(X, tt)", ValueError, "different number of output (2!=1)"),
    ("regressor().score(X, t, w[:3])", ValueError, "numbers of samples: [24, 24, 3]"),
    ("classifier().score(X, y, 0 * w)", ValueError, "at least one non-zero number"),
    # partial_fit
    (
        "new_classifier().partial_fit(X, y)",
        ValueError,
        "classes must be passed on the first call to partial_fit",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=[0, 1])",
        ValueError,
        "y has classes that are not in classes_: [0 1 2] against [0 1]",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=[])",
        ValueError,
        "y has classes that are not in classes_: [0 1 2] against []",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=['0', '1', '2'])",
        ValueError,
        "y has classes that are not in classes_: [0 1 2] against ['0' '1' '2']",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=3)",
        ValueError,
        "Expected array-like (array or non-string sequence), got 3",
    ),
    (
        "new_classifier().partial_fit(X, y, classes='abc')",
        ValueError,
        "Expected array-like (array or non-string sequence), got 'abc'",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=[0.5, 1, 2])",
        ValueError,
        "Unknown label type: ([0.5, 1, 2],)",
    ),
    # Beside labels in columns classes are not looked at, as by scikit-learn.
    (
        "new_classifier().partial_fit(X, y, classes=[0, 1, 2, nan])",
        ValueError,
        "classes can't be used: Input contains NaN",
    ),
    (
        "classifier().partial_fit(X, y, classes=[0, 1, inf])",
        ValueError,
        "classes can't be used: Input contains infinity",
    ),
    (
        "new_classifier().partial_fit(X, y, classes=['a', None])",
        TypeError,
        "classes can't be used: '<' not supported between",
    ),
    (
        "new_classifier().partial_fit(X, b == 1, classes=['False', True])",
        ValueError,
        "classes can't be used: Mix of label input types (string and number)",
    ),
    (
        "new_classifier().partial_fit(X, b == 1, classes=['False', 'True'])",
        ValueError,
        "not in classes_: [False True] against ['False' 'True']",
    ),
    (
        "classifier().partial_fit(X, y + 1)",
        ValueError,
        "y has classes that are not in classes_: [1 2 3] against [0 1 2]",
    ),
    (
        "classifier().partial_fit(X, y, classes=[0, 1])",
        ValueError,
        "classes=[0, 1] differs from the first call to partial_fit, which was [0 1 2]",
    ),
    (
        "classifier().partial_fit(X, labels)",
        ValueError,
        "y has a column a label, but earlier calls, or classes, had one class a sample",
    ),
    (
        "classifier().partial_fit(X[:, :3], y)",
        ValueError,
        "X has 3 features, but ScratchMLPClassifier is expecting 4 features",
    ),
    (
        "classifier(on=(frame, y)).partial_fit(frame[list('dcba')], y)",
        ValueError,
        "Feature names must be in the same order as they were in fit",
    ),
    (
        "regressor().partial_fit(X, tt)",
        ValueError,
        "y has 2 outputs, but the network to go on with has 1",
    ),
    (
        "regressor(hidden_layer_sizes=(4,)).partial_fit(X, t)",
        ValueError,
        "hidden_layer_sizes=(4,) does not fit the network to go on with, which has [3]",
    ),
    (
        "classifier(early_stopping=True).partial_fit(X, y)",
        ValueError,
        "partial_fit does not support early_stopping=True",
    ),
    (
        "regressor(learning_rate='cosine').partial_fit(X, t)",
        ValueError,
        "partial_fit does not support learning_rate='cosine'",
    ),
    (
        "classifier(class_weight='balanced').partial_fit(X, y)",
        ValueError,
        "partial_fit does not support class_weight='balanced'",
    ),
    (
        "regressor(loss='poisson').partial_fit(X, t)",
        ValueError,
        "y must not be negative for loss='poisson', got ",
    ),
    (
        "regressor(solver='lbfgs').partial_fit(X, t)",
        AttributeError,
        "'ScratchMLPRegressor' has no attribute 'partial_fit'",
    ),
    # warm_start
    (
        "classifier(warm_start=True).fit(X, y + 1)",
        ValueError,
        "Previously got [0 1 2], `y` has [1 2 3]",
    ),
    (
        "classifier(warm_start=True).fit(X, b)",
        ValueError,
        "warm_start can only be used where `y` has the same classes",
    ),
    (
        "classifier(warm_start=True).fit(X, labels)",
        ValueError,
        "y has a column a label, but earlier calls",
    ),
    (
        "regressor(warm_start=True).fit(X[:, :3], t)",
        ValueError,
        "X has 3 features, but ScratchMLPRegressor is expecting 4 features",
    ),
    (
        "regressor(warm_start=True).fit(X, tt)",
        ValueError,
        "y has 2 outputs, but the network to go on with has 1",
    ),
    (
        "classifier(warm_start=True, hidden_layer_sizes=(2, 2)).fit(X, y)",
        ValueError,
        "hidden_layer_sizes=(2, 2) does not fit the network to go on with",
    ),
    (
        "regressor(warm_start=True, loss='poisson').fit(X, t**2)",
        ValueError,
        "the loss 'poisson' is not that of the network to go on with, 'squared_error'",
    ),
    (
        "regressor(loss='poisson').partial_fit(X, t**2)",
        ValueError,
        "the loss 'poisson' is not that of the network to go on with, 'squared_error'",
    ),
    # sequences of parameters
    (
        "classifier(hidden_layer_sizes=(3, 0)).fit(X, y)",
        ValueError,
        "hidden_layer_sizes must be > 0, one whole number for each hidden layer, "
        "got (3, 0)",
    ),
    (
        "regressor(hidden_layer_sizes=(2.5,)).fit(X, t)",
        ValueError,
        "one whole number for each hidden layer, got (2.5,)",
    ),
    (
        "classifier(hidden_layer_sizes=[[2, 3]]).fit(X, y)",
        ValueError,
        "one whole number for each hidden layer, got [[2, 3]]",
    ),
    (
        "classifier(hidden_layer_sizes=(3, True)).fit(X, y)",
        ValueError,
        "one whole number for each hidden layer, got (3, True)",
    ),
    (
        "classifier(hidden_layer_sizes=10**12).fit(X, y)",
        ValueError,
        "hidden_layer_sizes=1000000000000, 4 features and n_estimators=1 make more",
    ),
    (
        "regressor(hidden_layer_sizes=(3, 10**30)).fit(X, t)",
        ValueError,
        "parameters, the most that networks may have",
    ),
    (
        "classifier(n_estimators=10**12).fit(X, y)",
        ValueError,
        "hidden_layer_sizes=(3,), 4 features and n_estimators=1000000000000 make more",
    ),
    (
        "new_regressor(hidden_layer_sizes=10**12).partial_fit(X, t)",
        ValueError,
        "hidden_layer_sizes=1000000000000, 4 features and n_estimators=1 make more",
    ),
    *(
        (
            f"{name}({parameter}=10**400).fit(X, {target})",
            ValueError,
            f"{parameter} must be no larger than 1.8e+308, got an integer of 1329 bits",
        )
        for name, target in (("classifier", "y"), ("regressor", "t"))
        for parameter in UNBOUNDED
    ),
    (
        "classifier(activation=['relu', 'relu']).fit(X, y)",
        ValueError,
        "activation must be one name, or one for each hidden layer (1), got ['relu'",
    ),
    (
        "regressor(activation=['softmax']).fit(X, t)",
        ValueError,
        "'softplus', 'tanh'], got 'softmax'",
    ),
    (
        "regressor(dropout=[0.1, 0.2]).fit(X, t)",
        ValueError,
        "one for each hidden layer (1), got [0.1, 0.2]",
    ),
    (
        "classifier(dropout=[nan]).fit(X, y)",
        ValueError,
        "dropout must be a number from 0 to below 1, or one for each",
    ),
    *(
        (
            f"classifier(dropout={value}).fit(X, y)",
            ValueError,
            "dropout must be a number from 0 to below 1, or one for each hidden "
            f"layer (1), got {value}",
        )
        for value in (
            *("['a']", "['0.1']", "[{}]", "[None]", "[1j]"),
            *("[[0.1], [0.1, 0.2]]", "[inf]", "[True]"),
        )
    ),
    (
        "classifier(class_weight={0: -1}).fit(X, y)",
        ValueError,
        "class_weight must hold finite weights that are not negative, got {0: -1}",
    ),
    (
        "classifier(class_weight={1: nan}).fit(X, y)",
        ValueError,
        "weights that are not negative, got {1: nan}",
    ),
    (
        "classifier(class_weight={5: 1}).fit(X, y)",
        ValueError,
        "The classes, [0, 1, 2], are not in class_weight",
    ),
    (
        "classifier(class_weight=dict.fromkeys(classes, 0)).fit(X, y)",
        ValueError,
        "class_weight leaves no sample with a positive weight",
    ),
    (
        "classifier(class_weight={0: 'a'}).fit(X, y)",
        ValueError,
        "class_weight={0: 'a'} can't be used: could not convert string to float",
    ),
    (
        "classifier(class_weight={0: 10**400}).fit(X, y)",
        ValueError,
        "can't be used: int too large to convert to float",
    ),
    (
        "classifier(class_weight=[{0: 1}]).fit(X, y)",
        ValueError,
        "class_weight must be a dict or 'balanced' where a sample has one class",
    ),
    (
        "classifier(class_weight=[{0: 1}]).fit(X, labels)",
        ValueError,
        "Got 1 element(s) while having 2 outputs",
    ),
    # combinations of parameters that can't work
    (
        "classifier(solver='lbfgs', dropout=0.1).fit(X, y)",
        ValueError,
        "dropout=0.1 needs one of the solvers ['adam', 'adamw', 'sgd'], got solver='lb",
    ),
    (
        "regressor(solver='lbfgs', dropout=(0.1,)).fit(X, t)",
        ValueError,
        "dropout=(0.1,) needs one of the solvers",
    ),
    (
        "classifier(solver='lbfgs', max_grad_norm=1.0).fit(X, y)",
        ValueError,
        "max_grad_norm=1.0 needs one of the solvers",
    ),
    (
        "regressor(solver='lbfgs', averaging=0.9).fit(X, t)",
        ValueError,
        "averaging=0.9 needs one of the solvers",
    ),
    (
        "regressor(scoring='loss').fit(X, t)",
        ValueError,
        "scoring='loss' needs early_stopping=True and one of the solvers",
    ),
    (
        "classifier(scoring='loss', early_stopping=True, solver='lbfgs').fit(X, y)",
        ValueError,
        "got solver='lbfgs', early_stopping=True",
    ),
    (
        "classifier(warmup_fraction=0.1).fit(X, y)",
        ValueError,
        "warmup_fraction=0.1 needs learning_rate to be one of ['cosine', 'coslog4'",
    ),
    (
        "classifier(scoring='f1', early_stopping=True).fit(X, y)",
        ValueError,
        "Target is multiclass but average='binary'",
    ),
    (
        "regressor(scoring='accuracy', early_stopping=True).fit(X, t)",
        ValueError,
        "continuous is not supported",
    ),
    *(
        (
            f"regressor(scoring={scoring!r}, early_stopping=True).fit(X, b)",
            ValueError,
            f"scoring={scoring!r} does not fit ScratchMLPRegressor: ",
        )
        for scoring in ("roc_auc", "neg_log_loss", "average_precision")
    ),
    (
        "regressor(scoring=lambda *_: 'a', early_stopping=True).fit(X, t)",
        ValueError,
        "scoring must return a number, got 'a'",
    ),
    (
        "classifier(scoring=lambda *_: [1, 2], early_stopping=True).fit(X, y)",
        ValueError,
        "scoring must return a number, got [1, 2]",
    ),
    # Layer
    ("Layer(2, 0, 'relu')", ValueError, "neurons must be a positive integer, got 0"),
    ("Layer(0, 2, 'relu')", ValueError, "inputs must be a positive integer, got 0"),
    ("Layer(2, -1, 'relu')", ValueError, "neurons must be a positive integer, got -1"),
    ("Layer(2.0, 3, 'relu')", ValueError, "inputs must be a positive integer, got 2.0"),
    ("Layer(2, '3', 'relu')", ValueError, "be a positive integer, got '3'"),
    ("Layer(2, True, 'relu')", ValueError, "be a positive integer, got True"),
    ("Layer(np.True_, 2, 'relu')", ValueError, "be a positive integer, got np.True_"),
    (
        "Layer(2, 3, 'softmax')",
        ValueError,
        "'sigmoid', 'silu', 'softplus', 'tanh'], got 'softmax'",
    ),
    ("Layer(2, 3, None)", ValueError, "activation must be one of ['elu', 'gelu'"),
    ("Layer(2, 3, ['relu'])", ValueError, "'softplus', 'tanh'], got ['relu']"),
    ("Layer(2, 3)", TypeError, "missing 1 required positional argument: 'activation'"),
    ("Layer(2, 3, 'relu', random_state=-1)", ValueError, "Seed must be between 0 and"),
    (
        "layer.backprop(np.ones((3, 4)))",
        ValueError,
        "call feedforward before gradients or backprop",
    ),
    (
        "layer.gradients(np.ones((3, 4)))",
        ValueError,
        "call feedforward before gradients or backprop",
    ),
    ("layer.feedforward(Y)", ValueError, "A1 must have shape (2, samples), got (3, 4)"),
    ("layer.feedforward(w)", ValueError, "must have shape (2, samples), got (24,)"),
    ("layer.feedforward(None)", ValueError, "must have shape (2, samples), got ()"),
    ("layer.forward(Y)", ValueError, "A1 must have shape (2, samples), got (3, 4)"),
    (
        "after_feedforward(layer).backprop(np.ones((3, 5)))",
        ValueError,
        "dA must have shape (3, 4), got (3, 5)",
    ),
    (
        "after_feedforward(layer).gradients(1.0)",
        ValueError,
        "dA must have shape (3, 4), got ()",
    ),
    (
        "layer.feedforward(A1, mask=A1)",
        ValueError,
        "mask must be an array of shape (3, 4), got (2, 4)",
    ),
    ("layer.feedforward(A1, mask=2)", ValueError, "an array of shape (3, 4), got int"),
    ("layer.feedforward(A1, mask=np.ones(4))", ValueError, "(3, 4), got (4,)"),
    # NumPy's words, for a look at the dtype would take its time in each batch.
    ("layer.feedforward(A1.astype(str))", TypeError, "(dtype('float64'), dtype('<U32"),
    (
        "assign(layer, W=np.ones((2, 3)))",
        ValueError,
        "W must have shape (3, 2), got (2, 3)",
    ),
    ("assign(layer, b=np.ones(3))", ValueError, "b must have shape (3, 1), got (3,)"),
    ("assign(layer, activation='a')", ValueError, "'softplus', 'tanh'], got 'a'"),
    (
        "Layer.from_arrays(np.ones((3, 2)), np.ones(3), 'relu')",
        ValueError,
        "W and b must have shapes (neurons, inputs) and (neurons, 1), got (3, 2) and",
    ),
    ("Layer.from_arrays(None, None, 'relu')", ValueError, "1), got () and ()"),
    (
        "Layer.from_arrays(np.ones((3, 2)), np.ones((3, 1)), 'step')",
        ValueError,
        "activation must be one of ['elu', 'gelu'",
    ),
    (
        "Layer.from_arrays(np.ones((0, 2)), np.ones((0, 1)), 'relu')",
        ValueError,
        "W must have a neuron and an input at least, got shape (0, 2)",
    ),
    (
        "Layer.from_arrays(np.ones((2, 0)), np.ones((2, 1)), 'relu')",
        ValueError,
        "an input at least, got shape (2, 0)",
    ),
    (
        "Layer.from_arrays([[1.0, 2.0]], [[1.0]], 'relu')",
        ValueError,
        "W must be an array of floating-point numbers, which the layer keeps without a "
        "copy, got list",
    ),
    (
        "Layer.from_arrays(np.ones((1, 2)), [[1.0]], 'relu')",
        ValueError,
        "b must be an array of floating-point numbers",
    ),
    (
        "Layer.from_arrays(np.ones((1, 2), int), np.ones((1, 1)), 'relu')",
        ValueError,
        "without a copy, got int64",
    ),
    # Network
    ("Network([])", ValueError, "layers must be a list of Layer objects, got []"),
    (
        "Network([layer, 3])",
        ValueError,
        "layers must be a list of Layer objects, got [",
    ),
    ("Network(3)", ValueError, "layers must be a list of Layer objects, got 3"),
    (
        "Network(layer)",
        ValueError,
        "must be a list of Layer objects, got Layer(2, 3, 'tanh')",
    ),
    (
        "Network([layer, Layer(2, 3, 'relu')])",
        ValueError,
        "layers[0] has 3 neurons, but layers[1] has 2 inputs: they must be equal",
    ),
    (
        "Network([Layer(3, 3, 'relu')] * 2)",
        ValueError,
        "layers must not hold the same Layer object twice",
    ),
    (
        "Network([layer], 'hinge')",
        ValueError,
        "'poisson', 'squared_error'], got 'hinge'",
    ),
    ("Network([layer], None)", ValueError, "loss must be one of ['binary_log_loss'"),
    ("Network([layer], ['log_loss'])", ValueError, "error'], got ['log_loss']"),
    (
        "Network([layer], dtype='float16')",
        ValueError,
        "dtype must be float32 or float64, got 'float16'",
    ),
    (
        "Network([layer], dtype=int)",
        ValueError,
        "float32 or float64, got <class 'int'>",
    ),
    ("Network([layer], dtype='double?')", ValueError, "or float64, got 'double?'"),
    (
        "Network.glorot([2, 3], dtype='float16')",
        ValueError,
        "dtype must be float32 or float64, got 'float16'",
    ),
    ("Network.glorot([2, 3], dtype='>f8')", ValueError, "or float64, got '>f8'"),
    (
        "Network.glorot([2])",
        ValueError,
        "sizes must be two or more positive integers, got [2]",
    ),
    (
        "Network.glorot([2, 0, 1])",
        ValueError,
        "sizes must be two or more positive integers, got [2, 0, 1]",
    ),
    ("Network.glorot([2, 2.5])", ValueError, "positive integers, got [2, 2.5]"),
    ("Network.glorot([2, 'a'])", ValueError, "positive integers, got [2, 'a']"),
    ("Network.glorot([2, True])", ValueError, "positive integers, got [2, True]"),
    (
        "Network.glorot(3)",
        ValueError,
        "sizes must be two or more positive integers, got 3",
    ),
    (
        "Network.glorot([2, 10**12, 1])",
        ValueError,
        "sizes=[2, 1000000000000, 1] make more than 274,877,906,944 parameters",
    ),
    ("Network.glorot([10**30, 1])", ValueError, "the most that a network may have"),
    ("Network.glorot([2, 3], 'softmax')", ValueError, "'tanh'], got 'softmax'"),
    (
        "Network.glorot([2, 3, 1], ['relu', 'relu'])",
        ValueError,
        "activation must be one name, or one for each hidden layer (1)",
    ),
    ("Network.glorot([2, 3], loss='hinge')", ValueError, "error'], got 'hinge'"),
    ("network.feedforward(Y)", ValueError, "A1 must have shape (2, samples), got (3"),
    ("network.predict(Y)", ValueError, "A1 must have shape (2, samples), got (3, 4)"),
    ("network.raw_outputs(w)", ValueError, "A1 must have shape (2, samples), got (24"),
    (
        "network.predict([[1, 2], [3]])",
        ValueError,
        "A1 must be an array of numbers: setting an array element with a sequence",
    ),
    ("network.predict([[1.0], [2.0], [3.0]])", ValueError, "samples), got (3, 1)"),
    ("network.predict(A1.astype(str))", ValueError, "array of numbers, got <U32"),
    ("network.predict(A1 + 1j)", ValueError, "array of numbers, got complex128"),
    (
        "network.predict(put(A1.astype(object), 10**400))",
        ValueError,
        "A1 must be an array of numbers: int too large to convert to float",
    ),
    ("network.cost(A1.astype('M8[s]'), Y)", ValueError, "numbers, got datetime64[s]"),
    ("network.cost(A1, 'word')", ValueError, "Y must be an array of numbers, got <U4"),
    (
        "network.cost(A1, Y[:, :3])",
        ValueError,
        "Y must have the shape of the outputs, (3, 4), got (3, 3)",
    ),
    (
        "network.cost_and_gradients(A1, A1)",
        ValueError,
        "Y must have the shape of the outputs, (3, 4), got (2, 4)",
    ),
    (
        "network.cost(A1, Y, weights=w[:3])",
        ValueError,
        "weights must be an array of shape (4,), got (3,)",
    ),
    (
        "network.cost(A1, Y, weights=[1.0] * 4)",
        ValueError,
        "weights must be an array of shape (4,), got list",
    ),
    (
        "network.cost_and_gradients(A1, Y, weights=w[:5])",
        ValueError,
        "weights must be an array of shape (4,), got (5,)",
    ),
    (
        "network.cost(A1, Y, weights=0 * w[:4])",
        ValueError,
        "weights must have a positive and finite sum, got 0.0",
    ),
    (
        "network.cost_and_gradients(A1, Y, weights=nan * w[:4])",
        ValueError,
        "weights must have a positive and finite sum, got nan",
    ),
    (
        "network.feedforward(A1, masks=[None] * 3)",
        ValueError,
        "masks must be no more than the 2 layers, got 3",
    ),
    (
        "network.cost(A1, Y, masks=[None] * 4)",
        ValueError,
        "masks must be no more than the 2 layers, got 4",
    ),
    (
        "network.raw_outputs(A1, masks=[np.ones((1, 4))])",
        ValueError,
        "mask must be an array of shape (3, 4), got (1, 4)",
    ),
    (
        "network.cost_and_gradients(A1, Y, masks=[None, A1])",
        ValueError,
        "mask must be an array of shape (3, 4), got (2, 4)",
    ),
    (
        "network.restore(w)",
        ValueError,
        "could not broadcast input array from shape (24",
    ),
    ("network.astype('float16')", ValueError, "dtype must be float32 or float64, got"),
    # check_gradients
    (
        "check_gradients(network, X, codes)",
        ValueError,
        "X must have shape (n_samples, 2), got (24, 4)",
    ),
    ("check_gradients(network, w, codes)", ValueError, "(n_samples, 2), got (24,)"),
    (
        "check_gradients(network, inputs, codes + 1)",
        ValueError,
        "y must hold class numbers from 0 to 2",
    ),
    (
        "check_gradients(network, inputs, codes[:3])",
        ValueError,
        "y must have shape (4,) or (4, 3), got (3, 3)",
    ),
    (
        "check_gradients(network, inputs, inputs)",
        ValueError,
        "y must have shape (4,) or (4, 3), got (4, 2)",
    ),
    (
        "check_gradients(network, inputs, None)",
        ValueError,
        "y must have shape (4,) or (4, 3), got ()",
    ),
    (
        "check_gradients(numbers, inputs, w)",
        ValueError,
        "y must have shape (4,) or (4, 1), got (24, 1)",
    ),
    (
        "check_gradients(network, inputs, codes, sample_weight=w)",
        ValueError,
        "sample_weight must have shape (4,), got (24,)",
    ),
    (
        "check_gradients(network, inputs, codes, n_directions=0, n_parameters=0)",
        ValueError,
        "n_directions and n_parameters must not both be 0: nothing would be compared",
    ),
    (
        "check_gradients(network, inputs[:0], [])",
        ValueError,
        "X must have a sample at least, got none",
    ),
    (
        "check_gradients(network, inputs, codes, sample_weight=np.zeros(4))",
        ValueError,
        "sample_weight must have a positive sum, got 0.0",
    ),
    (
        "check_gradients(network, inputs, codes, sample_weight=nan * w[:4])",
        ValueError,
        "sample_weight must be finite, got NaN or infinity",
    ),
    (
        "check_gradients(network, inputs, codes, sample_weight=['a'] * 4)",
        ValueError,
        "sample_weight must be an array of numbers, got <U1",
    ),
    (
        "check_gradients(network, inputs, codes, step=0)",
        ValueError,
        "step must be a positive finite number, got 0",
    ),
    (
        "check_gradients(network, inputs, codes, step=nan)",
        ValueError,
        "step must be a positive finite number, got nan",
    ),
    (
        "check_gradients(network, inputs, codes, tolerance='tight')",
        ValueError,
        "tolerance must be a positive finite number, got 'tight'",
    ),
    (
        "check_gradients(network, inputs, codes, alpha=-1)",
        ValueError,
        "alpha must be a finite number, 0 or more, got -1",
    ),
    (
        "check_gradients(network, inputs, codes, n_directions=-1)",
        ValueError,
        "n_directions must be a whole number, 0 or more, got -1",
    ),
    (
        "check_gradients(network, inputs, codes, n_parameters=2.5)",
        ValueError,
        "n_parameters must be a whole number, 0 or more, got 2.5",
    ),
    (
        "check_gradients(classifier(), inputs, codes)",
        ValueError,
        "network must be a Network, for example the network_ of a fitted estimator, "
        "got Watched",
    ),
    ("check_gradients([layer], inputs, codes)", ValueError, "estimator, got list"),
    (
        "check_gradients(network, inputs + 1j, codes)",
        ValueError,
        "X must be an array of numbers, got complex128",
    ),
    (
        "check_gradients(network, [[1.0], [1.0, 2.0]], codes)",
        ValueError,
        "X must be an array of numbers: setting an array element with a sequence",
    ),
    (
        "check_gradients(network, sparse.csr_array(put(inputs, inf)), codes)",
        ValueError,
        "X must be finite, got NaN or infinity",
    ),
    (
        "check_gradients(numbers, inputs, nan * w[:4])",
        ValueError,
        "y must be finite, got NaN or infinity",
    ),
    (
        "check_gradients(numbers, inputs, ['a'] * 4)",
        ValueError,
        "y must be an array of numbers, got <U1",
    ),
    (
        "check_gradients(network, inputs, codes, masks=[np.ones((4, 3))])",
        ValueError,
        "mask must be an array of shape (3, 4), got (4, 3)",
    ),
    (
        "check_gradients(network, inputs, codes, masks=[None] * 3)",
        ValueError,
        "masks must be no more than the 2 layers, got 3",
    ),
    # sources of draws
    *(
        (
            call.format(value),
            ValueError,
            f"random_state must be a whole number, a RandomState or None, got {value}",
        )
        for call, values in (
            ("Layer(2, 3, 'tanh', random_state={})", ("'a'", 1.5)),
            ("Network.glorot([2, 3], random_state={})", ("'a'", 1.5, -1)),
            ("Network.initialised([2, 3], random_state={})", ("'a'", "{}")),
            (
                "check_gradients(network, inputs, codes, random_state={})",
                ("'a'", 1.5, -1),
            ),
        )
        for value in values
    ),
    # NumPy's own state is not ours to move.
    ("Layer(2, 3, 'tanh', random_state=np.random)", ValueError, "got <module 'numpy."),
    # further of Layer and Network
    (
        "Layer(10**30, 2, 'tanh')",
        ValueError,
        "inputs=1000000000000000000000000000000 and neurons=2 make more weights than",
    ),
    ("assign(layer, W=np.full((3, 2), 1j))", ValueError, "W must be an array of num"),
    ("assign(layer, W=np.full((3, 2), 'a'))", ValueError, "of numbers, got <U1"),
    ("assign(layer, W=[[1], [1, 2]])", ValueError, "W must be an array of numbers: s"),
    (
        "assign(layer, b=np.full((3, 1), 5, 'm8[s]'))",
        ValueError,
        "b must be an array of numbers, got timedelta64[s]",
    ),
    ("layer.feedforward(np.ones((5, 2, 4)))", ValueError, "samples), got (5, 2, 4)"),
    ("network.restore(None)", ValueError, "snapshot must have shape (21,), got None"),
    ("network.restore(0.5)", ValueError, "snapshot must have shape (21,), got 0.5"),
    ("network.cost(A1, None)", ValueError, "Y must be an array of numbers, a column"),
    (
        "network.cost(A1, sparse.csr_array(Y))",
        ValueError,
        "Y must be an array of numbers, a column a sample, got csr_array",
    ),
    (
        "network.cost_and_gradients(A1, Y.tolist())",
        ValueError,
        "Y must be an array of numbers, a column a sample, got list",
    ),
    ("network.cost_and_gradients(A1, None)", ValueError, "a sample, got NoneType"),
    ("network.cost_and_gradients(A1, Y.astype(str))", ValueError, "sample, got <U32"),
    ("network.cost(A1[:, :0], Y[:, :0])", ValueError, "Y must have a sample at least"),
    ("network.cost_and_gradients(A1[:, :0], Y[:, :0])", ValueError, "least, got none"),
    (
        "network.cost(A1, Y, weights=np.array(['a'] * 4))",
        ValueError,
        "weights must be an array of numbers, got <U1",
    ),
    ("network.cost(A1, Y, weights=w[:4] * 1j)", ValueError, "numbers, got complex128"),
    (
        "check_gradients(network, inputs, codes, masks=3)",
        ValueError,
        "masks must be a list of arrays, or None, for the first layers, got 3",
    ),
    ("check_gradients(network, inputs, codes, step=10**400)", ValueError, "got 1000"),
    (
        "check_gradients(network, inputs, codes, alpha=10**400)",
        ValueError,
        "alpha must be a finite number, 0 or more, got 1000",
    ),
    # Stack
    *(
        (f"Stack({given})", ValueError, f"networks must be one or more {rest}")
        for given, rest in (
            ("None", "Network objects, none of them a Stack or there twice, of equal"),
            ("3", "Network objects"),
            ("network", "Network objects"),
            ("[]", "Network objects"),
            ("[network, network]", "Network objects"),
            ("[network, numbers]", "Network objects"),
            ("[stack]", "Network objects, none of them a Stack"),
            ("'ab'", "Network objects"),
        )
    ),
    ("Stack.glorot([2, 3])", TypeError, "a Stack is made of networks: Stack([Network"),
    ("stack.predict(Y)", ValueError, "A1 must have shape (2, samples), got (3, 4)"),
    ("stack.predict(np.ones((3, 2, 4)))", ValueError, "samples), got (3, 2, 4)"),
    ("stack.feedforward(np.ones((5, 2, 4)))", ValueError, "samples), got (5, 2, 4)"),
    (
        "stack.cost(A1, Y[:2])",
        ValueError,
        "Y must have the shape of the outputs, (2, 3, 4), got (2, 4)",
    ),
    (
        "stack.feedforward(A1, masks=[np.ones((3, 4))])",
        ValueError,
        "mask must be an array of shape (2, 3, 4), got (3, 4)",
    ),
    ("stack.astype('float16')", ValueError, "dtype must be float32 or float64, got"),
    ("check_gradients(stack, X, codes)", ValueError, "(n_samples, 2), got (24, 4)"),
    ("check_gradients(stack, inputs, codes + 1)", ValueError, "numbers from 0 to 2"),
    # Checkpoint
    *(
        (
            f"Checkpoint({path})",
            ValueError,
            f"path must be the name of a file, got {path}",
        )
        for path in ("3", "None", "''", "b'a'", "'/'")
    ),
    ("Checkpoint('a', resume='yes')", ValueError, "be True or False, got 'yes'"),
    ("Checkpoint('a', resume=1)", ValueError, "resume must be True or False, got 1"),
    # combinations with what came since
    *(
        (
            f"classifier(temperature_scaling=True{others}).fit(X, y)",
            ValueError,
            "temperature_scaling=True needs early_stopping=True and one of the solvers "
            f"['adam', 'adamw', 'sgd'], got {came}",
        )
        for others, came in (
            ("", "solver='adam', early_stopping=False"),
            (
                ", early_stopping=True, solver='lbfgs'",
                "solver='lbfgs', early_stopping=T",
            ),
        )
    ),
    (
        "classifier(temperature_scaling=True).partial_fit(X, y)",
        ValueError,
        "temperature_scaling=True needs early_stopping=True",
    ),
    # fits within fits
    (
        "classifier(scoring=refitted, early_stopping=True).fit(X, y)",
        ValueError,
        "ScratchMLPClassifier is being fitted, and can't be fitted again by a "
        "callback, a scorer or another thread before that is over: fit a clone",
    ),
    (
        "new_classifier(solver='lbfgs').set_callbacks(callback).fit(X, y)",
        ValueError,
        "ScratchMLPClassifier is being fitted, and can't be fitted again by a callback",
    ),
    # labels in columns
    *(
        (call, ValueError, f"y must hold zeros and ones where it has a column a {said}")
        for call, said in (
            ("classifier().fit(X, 2 * labels)", "label, got [0 2]"),
            ("classifier().fit(X, 2 * labels - 1)", "label, got [-1 1]"),
            ("classifier().fit(X, sparse.csr_array(3 * labels))", "label, got [3]"),
            (
                "classifier(on=(X, labels)).partial_fit(X, 2 * labels)",
                "label, got [0 2]",
            ),
        )
    ),
    (
        "classifier(on=(X, labels), early_stopping=True)"
        ".fit(X, labels, X_val=X, y_val=2 * labels)",
        ValueError,
        "y_val must hold zeros and ones where it has a column a label, got [0 2]",
    ),
    (
        "classifier(class_weight=[{0: -1}, {0: -1}]).fit(X, labels)",
        ValueError,
        "class_weight must hold finite weights that are not negative, got [{0: -1}",
    ),
    # what names its parameter since
    (
        "classifier().fit(X, pd.Series(['a', None] * 12))",
        ValueError,
        "Input y contains NaN",
    ),
    (
        "classifier().fit(X, np.array([1, nan] * 12, dtype=object))",
        ValueError,
        "Input y contains NaN",
    ),
    (
        "new_classifier(scoring='roc_auc', early_stopping=True).fit(X, y)",
        ValueError,
        "scoring='roc_auc' does not fit ScratchMLPClassifier: multi_class must be in",
    ),
    (
        "classifier().fit(np.array([[1.0], [np.datetime64('2020')]] * 12, object), y)",
        ValueError,
        "got dates or durations (<class 'numpy.datetime64'>)",
    ),
    (
        "classifier().fit([[1.0]] * 23 + [[np.timedelta64(3, 's')]], y)",
        ValueError,
        "got dates or durations (<class 'numpy.timedelta64'>)",
    ),
    # transformers of numbers
    *(
        (call.format(name), exception, message)
        for name, cls in ENCODERS.items()
        for call, exception, message in (
            ("{}().fit(put(X, nan))", ValueError, "Input X contains NaN"),
            ("{}().fit(put(X, inf))", ValueError, "Input X contains infinity"),
            ("{}().fit(X[:0])", ValueError, "Found array with 0 sample(s)"),
            ("{}().fit(X[:, :0])", ValueError, "Found array with 0 feature(s)"),
            ("{}().fit(X[0])", ValueError, "Expected 2D array, got 1D array"),
            ("{}().fit(None)", ValueError, "got scalar array instead: array=nan"),
            ("{}().fit([[1], [1, 2]])", ValueError, "an inhomogeneous shape"),
            ("{}().fit(X + 1j)", ValueError, "Complex data not supported"),
            ("{}().fit(words)", ValueError, "could not convert string to float"),
            ("{}().fit(csr)", TypeError, "Sparse data was passed for X, but dense"),
            ("{}().fit({{'a': 1}})", TypeError, "a real number, not 'dict'"),
            (
                "{}().fit(np.full((3, 2), '2020', 'M8[D]'))",
                ValueError,
                "X must hold numbers, got dates or durations (datetime64[D])",
            ),
            (
                "{}().fit(pd.DataFrame({{'d': pd.to_timedelta([1, 2])}}))",
                ValueError,
                "X must hold numbers, got dates or durations (timedelta64[",
            ),
            (
                "{}().transform(np.full((3, 4), 5, 'm8[s]'))",
                ValueError,
                "X must hold numbers, got dates or durations (timedelta64[s])",
            ),
            (
                "{}().fit([[10**400]])",
                ValueError,
                "X must hold numbers that floats can hold: int too large",
            ),
            # After which it still expects the columns it knows.
            ("{}().fit(frame[['a']] * nan)", ValueError, "X contains NaN"),
            ("{}().fit(put(frame.to_numpy()[:, :2], inf))", ValueError, "infinity"),
            (
                "{}(on=(X, None)).transform(put(X, inf))",
                ValueError,
                "X contains infinity",
            ),
            (
                "{}(on=(X, None)).transform(X[:, :3])",
                ValueError,
                "X has 3 features, but ",
            ),
            (
                "{}().transform(frame[list('dcba')])",
                ValueError,
                "Feature names must be in the same order as they were in fit",
            ),
            (
                "{}().transform(frame.rename(columns={{'d': 'e'}}))",
                ValueError,
                "Feature names unseen at fit time: - e",
            ),
            (
                "{}().get_feature_names_out(['a'])",
                ValueError,
                "input_features is not equal to feature_names_in_",
            ),
        )
    ),
    *(
        (
            f"new_{name}({parameter}={value}).fit(X)",
            ValueError,
            f"The {parameter!r} parameter of {ENCODERS[name].__name__} must be",
        )
        for name, parameter, values in (
            ("scaler", "limit", ("0", "-1", "-inf", "nan", "'a'", "None", "1j")),
            ("encoder", "n_bins", ("0", "-1", "2.5", "nan", "'all'", "None", "[3]")),
            ("encoder", "kind", ("'splines'", "None", "3", "['hats']")),
        )
        for value in values
    ),
    (
        "new_scaler(limit=10**400).fit(X)",
        ValueError,
        "limit must be no larger than 1.8e+308, got an integer of 1329 bits",
    ),
    # tables
    *(
        (call.format(name, target), exception, message)
        for name, target in (("table_classifier", "y"), ("table_regressor", "t"))
        for call, exception, message in (
            ("{}().fit([], [])", ValueError, "rows of equal length, got a list of 0"),
            ("{}().fit([[1], [1, 2]], [0, 1])", ValueError, "got a list of 2 others"),
            ("{}().fit([1, 2], [0, 1])", ValueError, "a list of rows of equal length"),
            ("{}().fit({{'a': [1]}}, [0])", ValueError, "a list of rows, got dict"),
            ("{}().fit(None, {})", ValueError, "a list of rows, got NoneType"),
            ("{}().fit('word', {})", ValueError, "a list of rows, got str"),
            ("{}().fit(X[:, 0], {})", ValueError, "an array of shape (24,)"),
            ("{}().fit(frame['a'], {})", ValueError, "got an array of shape (24,)"),
            ("{}().fit(X[:, :, None], {})", ValueError, "an array of shape (24, 4, 1)"),
            ("{}().fit(csr, {})", ValueError, "a table must be dense, got a sparse"),
            ("{}().fit(X[:, :0], {})", ValueError, "one column or more, got none"),
            ("{}().fit(mixed[:0], {}[:0])", ValueError, "Found array with 0 sample(s)"),
            ("{}().fit(put(X, inf), {})", ValueError, "column 0 contains infinity: "),
            ("{}().fit(X + 1j, {})", ValueError, "column 0 holds complex numbers"),
            (
                "{}().fit(mixed.assign(d=pd.Timestamp('2020')), {})",
                ValueError,
                "column 'd' holds dates or durations: make numbers of them",
            ),
            (
                "{}().fit(mixed.assign(d=day), {})",
                ValueError,
                "column 'd' holds dates or durations: make",
            ),
            (
                "{}().fit(np.full((24, 2), 5, 'm8[s]'), {})",
                ValueError,
                "column 0 holds dates or durations",
            ),
            (
                "{}().fit(mixed.assign(z=10**400), {})",
                ValueError,
                "column 'z' was taken for numbers in fit, but holds others: int too",
            ),
            ("{}().fit(mixed, {}[:-1])", ValueError, "numbers of samples: [24, 23]"),
            ("{}().fit(mixed, None)", ValueError, "requires y to be passed"),
            ("{}().fit(mixed, {} + 1j)", ValueError, "omplex"),
            (
                "{}().fit(mixed, {}, network__sample_weight=-w)",
                ValueError,
                "Negative values in data passed to `sample_weight`",
            ),
            (
                "{}().fit(mixed, {}, network__sample_weight=w[:3])",
                ValueError,
                "sample_weight.shape == (3,), expected (24,)",
            ),
            (
                "{}().fit(mixed, {}, sample_weight=w)",
                ValueError,
                "Pipeline.fit does not accept the sample_weight parameter",
            ),
            (
                "{}().fit(mixed[['a']], put({} * 1.0, nan))",
                ValueError,
                "Input y contains NaN",
            ),
            (
                "{}().fit(mixed.assign(z=1), put({} * 1.0, inf))",
                ValueError,
                "Input y contains infinity",
            ),
            (
                "{}().fit(mixed[:2], {}[:2])",
                ValueError,
                "The validation set is too small. Increase 'validation_fraction'",
            ),
            (
                "{}().predict(mixed.drop(columns=['a', 's']))",
                ValueError,
                "must have the columns that it had in fit, but there is no 'a' and no",
            ),
            (
                "{}().predict(mixed.set_axis(range(6), axis=1))",
                ValueError,
                "but there is no 'a' and no 'b' and no 'c'",
            ),
            ("{}().predict(X)", ValueError, "X has 4 features, but TableColumns is"),
            ("{}().predict(X[0])", ValueError, "got an array of shape (4,)"),
            ("{}().predict(None)", ValueError, "a list of rows, got NoneType"),
            ("{}().predict(mixed[:0])", ValueError, "Found array with 0 sample(s)"),
            (
                "{}().predict(mixed.assign(a=inf))",
                ValueError,
                "column 'a' contains infinity: make it a number, or a missing value.",
            ),
            (
                "{}().predict(mixed.assign(a='much'))",
                ValueError,
                "column 'a' was taken for numbers in fit, but holds others: could not",
            ),
            (
                "{}().predict(mixed.assign(a=[[1]] * n))",
                ValueError,
                "column 'a' holds lists or records: make a column of each",
            ),
            (
                "{}().predict(mixed.assign(f='yes'))",
                ValueError,
                "column 'f' was taken for numbers in fit",
            ),
            ("{}().predict(mixed.assign(a=1j))", ValueError, "'a' holds complex"),
            (
                "{}().predict(mixed.assign(s=pd.Timestamp('2020')))",
                ValueError,
                "column 's' holds dates or durations",
            ),
            ("{}().score(mixed, {}[:-1])", ValueError, "numbers of samples: [2"),
            ("new_{}().predict(mixed)", NotFittedError, "is not fitted yet"),
            (
                "new_{}(n_estimators=0).fit(mixed, {})",
                ValueError,
                "The 'n_estimators' parameter of",
            ),
            (
                "new_{}(solver='lbfgs', dropout=0.1).fit(mixed, {})",
                ValueError,
                "dropout=0.1 needs ",
            ),
        )
    ),
    (
        "table_classifier().fit(mixed, ['a', None] * 12)",
        TypeError,
        "y can't be used: '<' not supported between instances of",
    ),
    ("table_classifier().fit(mixed[['a', 's']], t)", ValueError, "Unknown label type"),
    (
        "table_classifier().fit(mixed, np.arange(24) == 5)",
        ValueError,
        "early stopping needs two samples of each, or X_val and y_val",
    ),
    (
        "table_classifier().fit(mixed, y, network__X_val=X, network__y_val=y)",
        ValueError,
        "X_val and y_val can't be used: X has 4 features, but",
    ),
    (
        "new_table_classifier(early_stopping=False, temperature_scaling=True).fit("
        "mixed, y)",
        ValueError,
        "temperature_scaling=True needs early_stopping=True",
    ),
    *(
        (f"table_regressor().fit(mixed, {y})", ValueError, f"y {said}")
        for y, said in (
            ("['a'] * n", "must be an array of numbers, got <U1"),
            ("[[1], [1, 2]] * 12", "must be an array of numbers: setting an array"),
            ("[None, 'a'] * 12", "must be an array of numbers: could not convert"),
            ("[{}] * n", "must be an array of numbers: float() argument must be"),
            ("[day] * n", "must be an array of numbers: float() argument"),
            ("np.full(24, '2020', 'M8[D]')", "must be an array of numbers, got date"),
            ("[10**400] * n", "must be an array of numbers: int too large"),
            (
                "1e300 * t",
                "holds numbers too large to standardise, such as 6.1e+300: their",
            ),
            ("1e-200 * t", "holds numbers too close to standardise, 1.0e-199 apart"),
        )
    ),
    (
        "new_table_regressor(loss='poisson').fit(mixed, t)",
        ValueError,
        "y must not be negative for loss='poisson', got ",
    ),
    (
        "table_regressor().predict_proba(mixed)",
        AttributeError,
        "has no attribute 'predict_proba'",
    ),
]

# Of each parameter, values out of its range and of the wrong type, as they are written.
BAD_VALUES = {
    "loss": ["'absolute_error'", "None"],
    "hidden_layer_sizes": ["0", "-1", "2.5", "'3'", "None"],
    "activation": ["'softmax'", "None", "3"],
    "solver": ["'newton'", "None", "3"],
    "alpha": ["-1", "'a'", "nan", "inf", "None", "1j"],
    "batch_size": ["0", "-5", "2.5", "'all'", "None"],
    "learning_rate": ["'faster'", "0.1", "None"],
    "learning_rate_init": ["0", "-0.1", "nan", "inf", "'a'", "None"],
    "power_t": ["-1", "nan", "inf", "'a'"],
    "max_iter": ["0", "2.5", "inf", "'a'", "None"],
    "shuffle": ["'yes'", "1", "None"],
    "random_state": ["-1", "2**40", "0.5", "'today'"],
    "tol": ["-1", "nan", "inf", "'a'"],
    "verbose": ["-1", "'yes'", "None"],
    "warm_start": ["'yes'", "1", "None"],
    "momentum": ["-0.1", "1.5", "nan", "'a'"],
    "nesterovs_momentum": ["'yes'", "0", "None"],
    "early_stopping": ["'yes'", "1", "None"],
    "validation_fraction": ["-0.1", "1.0", "nan", "'a'"],
    "beta_1": ["-0.1", "1.0", "nan", "'a'"],
    "beta_2": ["-0.1", "1.0", "nan", "'a'"],
    "epsilon": ["0", "-0.1", "inf", "'a'"],
    "n_iter_no_change": ["0", "2.5", "nan", "'a'", "None"],
    "max_fun": ["0", "2.5", "inf", "'a'"],
    "scoring": ["'nope'", "3"],
    "dropout": ["-0.1", "1.0", "nan", "'a'", "None"],
    "weight_decay": ["-0.1", "nan", "inf", "'a'", "None"],
    "warmup_fraction": ["-0.1", "1.0", "nan", "'a'"],
    "max_grad_norm": ["0.0", "-1", "nan", "inf", "'a'"],
    "averaging": ["-0.1", "1.0", "nan", "'a'"],
    "dtype": ["'float16'", "float", "None"],
    "n_estimators": ["0", "-1", "2.5", "'a'", "None"],
    "restore_best": ["'yes'", "1", "None", "'apart'"],
    "init": ["'zeros'", "1", "None"],
    "share_batches": ["'yes'", "1", "None"],
    "temperature_scaling": ["'yes'", "1", "None"],
    "class_weight": ["'heavy'", "3", "0.5"],
    "label_smoothing": ["-0.1", "1.0", "nan", "'a'", "None"],
}


def parameters_of(cls):
    return inspect.signature(cls).parameters


def rows_of_bad_values():
    """A row for each bad value, for fit and for the first call of partial_fit."""
    for name, cls in ESTIMATORS.items():
        target = {"classifier": "y", "regressor": "t"}[name]
        classes = {"classifier": ", classes=classes", "regressor": ""}[name]
        for parameter in parameters_of(cls):
            for value in BAD_VALUES[parameter]:
                shown = {"float": "<class 'float'>", "2**40": f"{2**40}"}.get(
                    value, value
                )
                said = f"The {parameter!r} parameter of {cls.__name__} must be "
                message = (said, f"Got {shown} instead")
                setting = f"({parameter}={value})"
                yield f"{name}{setting}.fit(X, {target})", ValueError, message
                # Refused already as an attribute, and by name: see the table.
                if parameter != "solver":
                    call = f"new_{name}{setting}.partial_fit(X, {target}{classes})"
                    yield call, ValueError, message


BAD_VALUE_ROWS = list(rows_of_bad_values())


def assert_refused(call, exception, parts, names):
    with pytest.raises(exception) as caught:
        eval(call, {}, names)
    said = " ".join(str(caught.value).split())
    for part in parts:
        assert part in said


@pytest.mark.parametrize(("call", "exception", "message"), REFUSED)
def test_bad_input_is_refused_in_words_and_without_a_trace(call, exception, message):
    """The estimator, all arguments and the process's settings stay as they were."""
    names = things()
    assert_refused(call, exception, [message], names)
    if ".fit(" in call and "warm_start" not in call and "on=" not in call:
        # Where nothing was fitted before, nothing is afterwards.
        for name in (*ESTIMATORS, *TABULAR):
            names[name] = names[f"new_{name}"]
        assert_refused(call, exception, [message], names)


OF_ESTIMATORS = [
    row
    for row in REFUSED
    if re.match("(new_)?(classifier|regressor)", row[0])
    # Their validation data are others, so are scikit-learn's words for them.
    and not re.search("n_estimators|scoring='f1'", row[0] + row[2])
]


@pytest.mark.parametrize(("call", "exception", "message"), OF_ESTIMATORS)
def test_bad_input_is_refused_by_an_ensemble_as_by_one(call, exception, message):
    assert_refused(call, exception, [message], things(n_estimators=3))


@pytest.mark.parametrize(("call", "exception", "parts"), BAD_VALUE_ROWS)
def test_bad_values_of_parameters_are_refused_by_name(call, exception, parts):
    assert_refused(call, exception, parts, things())


def test_the_table_is_long_and_has_no_row_twice():
    keys = [(call, message) for call, _, message in REFUSED + BAD_VALUE_ROWS]
    assert len(set(keys)) == len(keys)
    # Also if all calls of one method count as one call.
    assert len({(callee(call), message) for call, _, message in REFUSED}) >= 80
    called = {callee(call).removeprefix("new_") for call, *_ in REFUSED}
    for name, cls in ESTIMATORS.items():
        methods = {"fit", "partial_fit", "score", *METHODS}
        assert {f"{name}.{m}" for m in methods if hasattr(cls(), m)} <= called
    assert {"Layer", "Network", "Network.glorot", "check_gradients"} <= called
    assert {"Stack", "Checkpoint", "scaler.fit", "encoder.transform"} <= called
    for name in TABULAR:
        assert {f"{name}.{method}" for method in ("fit", "predict", "score")} <= called


@every_estimator
def test_every_parameter_has_bad_values(name):
    assert parameters_of(ESTIMATORS[name]).keys() <= BAD_VALUES.keys()


# What works


def grid(n_samples, n_features):
    """Whole numbers that every dtype holds, truth values among them."""
    return np.random.default_rng(0).integers(2, size=(n_samples, n_features)) * 1.0


def alternating(n_samples, n_classes=2):
    return np.arange(n_samples) % n_classes


# Name: parameters, X, targets of the classifier; the regressor learns the numbers.
SHAPES = {
    "one row": ({}, grid(1, 4), [1]),
    "one row, sparse": ({}, sparse.csr_array(grid(1, 4)), [1]),
    "one column": ({}, grid(12, 1), alternating(12)),
    "one row and one column": ({}, grid(1, 1), [0]),
    "one class": ({}, grid(12, 3), np.full(12, 7)),
    "two samples": ({}, grid(2, 3), [0, 1]),
    "more columns than rows": ({}, grid(3, 50), [0, 1, 2]),
    "one neuron": ({"hidden_layer_sizes": 1}, grid(12, 3), alternating(12)),
    "no hidden layer": ({"hidden_layer_sizes": ()}, grid(12, 3), alternating(12)),
    "twenty layers": ({"hidden_layer_sizes": [2] * 20}, grid(12, 3), alternating(12)),
    "a class for each of 1,000 samples": ({}, grid(1000, 3), np.arange(1000)),
    "10,000 columns": ({}, grid(12, 10_000), alternating(12)),
    "10,000 columns, sparse": ({}, sparse.csr_array(grid(12, 10_000)), alternating(12)),
    "a class of one sample": ({}, grid(12, 3), np.arange(12) == 5),
    "a class of one sample, and early stopping": (
        {"early_stopping": True},
        grid(24, 3),
        np.where(np.arange(24) == 5, 2, alternating(24)),
    ),
    "constant columns": ({}, np.ones((12, 3)), alternating(12)),
    "zeros": ({}, np.zeros((12, 3)), alternating(12)),
    "nothing stored": ({}, sparse.csr_array((12, 3)), alternating(12)),
    "rows alike": ({}, np.repeat(grid(1, 3), 12, axis=0), alternating(12, 3)),
    "tiny numbers": ({}, 5e-324 * grid(12, 3), alternating(12)),
    "large numbers": ({}, 1e6 * grid(12, 3), alternating(12)),
    "batches of one": ({"batch_size": 1}, grid(12, 3), alternating(12, 3)),
    "a batch of all": ({"batch_size": 12}, grid(12, 3), alternating(12)),
    "one epoch": ({"max_iter": 1}, grid(12, 3), alternating(12)),
    "early stopping at its smallest": (
        {"early_stopping": True},
        grid(4, 3),
        alternating(4),
    ),
    "negative classes": ({}, grid(12, 3), alternating(12, 3) - 1),
    "classes far apart": ({}, grid(12, 3), alternating(12) * 2**60),
}


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("shape", SHAPES)
@every_estimator
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning"  # R² of one sample.
)
def test_small_and_odd_data_work(name, shape, solver):
    parameters, X, y = SHAPES[shape]
    estimator = ESTIMATORS[name](**SMALL | {"solver": solver} | parameters)
    estimator.fit(X, y)
    if solver != "lbfgs" and not estimator.early_stopping:
        estimator.partial_fit(X, y)
    predicted = estimator.predict(X)
    assert predicted.shape == (X.shape[0],)
    assert np.isfinite(predicted).all()
    estimator.score(X, y)
    if name == "classifier":
        assert set(predicted) <= set(y)
        assert np.isfinite(estimator.decision_function(X)).all()
        assert_array_equal(estimator.classes_, np.unique(y))
        P = estimator.predict_proba(X)
        assert P.shape == (X.shape[0], len(estimator.classes_))
        np.testing.assert_allclose(P.sum(axis=1), 1)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("shape", SHAPES)
@every_estimator
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_small_and_odd_data_work_for_an_ensemble(name, shape, solver):
    parameters, X, y = SHAPES[shape]
    options = {"solver": solver, "n_estimators": 3, "hidden_layer_sizes": (2,)}
    estimator = ESTIMATORS[name](**SMALL | options | parameters).fit(X, y)
    if solver != "lbfgs" and not estimator.early_stopping:
        estimator.partial_fit(X, y)
    predicted = estimator.predict(X)
    assert predicted.shape == (X.shape[0],)
    assert np.isfinite(predicted).all()
    assert len(estimator.estimators_) == 3
    estimator.score(X, y)
    if name == "classifier":
        np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1)


@every_estimator
def test_a_batch_larger_than_the_data_is_told_of(name):
    X, y = grid(12, 3), alternating(12)
    all_at_once = ESTIMATORS[name](**SMALL, batch_size=12).fit(X, y)
    with pytest.warns(UserWarning, match="batch_size=13 is larger than .* 12: all of"):
        larger = ESTIMATORS[name](**SMALL, batch_size=13).fit(X, y)
    assert_array_equal(larger.predict(X), all_at_once.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kept", [[5], [4, 5], [0, 23]])
@every_estimator
def test_samples_of_weight_zero_may_be_all_but_a_few(name, kept, solver):
    """Which are as if they were not there."""
    X, y = grid(24, 3), alternating(24)
    w = np.zeros(24)
    w[kept] = 0.5
    estimator = ESTIMATORS[name](**SMALL, solver=solver).fit(X, y, w)
    alone = ESTIMATORS[name](**SMALL, solver=solver).fit(X[kept], y[kept], w[kept])
    assert_array_equal(estimator.predict(X), alone.predict(X))
    if solver != "lbfgs":
        assert np.isfinite(estimator.partial_fit(X, y, w).predict(X)).all()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def every_second(array):
    """View that skips rows, and columns where there are any."""
    spread = np.full([2 * size for size in array.shape], np.nan)
    view = spread[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def memory_mapped(array, directory):
    path = directory / "array.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def as_frame(dtype):
    return lambda array: pd.DataFrame(array.astype(int)).astype(dtype)


class Interface:
    """Something that is no array, but becomes one."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype=dtype)


# Forms of numbers, and those for a matrix alone.
FORMS = {
    "read-only": read_only,
    "not contiguous": every_second,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(">f8"),
    "big-endian integers": lambda array: array.astype(">i4"),
    **{
        dtype: lambda array, dtype=dtype: array.astype(dtype)
        for dtype in ("float16", "int8", "uint8", "int64", "uint64", "longdouble")
    },
    "truth values": lambda array: array.astype(bool),
    "objects": lambda array: array.astype(object),
    "whole numbers as objects": lambda array: array.astype(int).astype(object),
    "lists": lambda array: array.tolist(),
    "lists of integers": lambda array: array.astype(int).tolist(),
    "array interface": Interface,
}
MATRIX_FORMS = {
    **FORMS,
    "by columns": np.asfortranarray,
    "tuples": lambda array: tuple(map(tuple, array)),
    "list of arrays": list,
    "transposed": lambda array: array.T.copy().T,
    **{
        f"frame of {dtype}": as_frame(dtype)
        for dtype in ("category", "Int64", "Float64", "boolean", "bool", "object")
    },
    "frame of several dtypes": lambda array: pd.DataFrame(array.astype(int)).astype(
        {0: "category", 1: "Int8", 2: "float64"}
    ),
    "frame of sparse columns": as_frame(pd.SparseDtype(float, 0.0)),
    **{
        f"{form} of {dtype}": lambda array, form=form, dtype=dtype: getattr(
            sparse, f"{form}_array"
        )(array.astype(dtype))
        for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
        for dtype in ("float64", "int8")
    },
}
VECTOR_FORMS = {
    **FORMS,
    "tuple": tuple,
    **{
        f"series of {dtype}": lambda array, dtype=dtype: pd.Series(
            array.astype(int)
        ).astype(dtype)
        for dtype in ("category", "Int64", "Float64", "boolean", "object", "int8")
    },
    "series of another index": lambda array: pd.Series(
        array, np.arange(len(array)) + 5
    ),
}


def trained_numbers(estimator):
    return [*estimator.coefs_, *estimator.intercepts_]


def assert_trained_alike(ours, others):
    for one, other in zip(trained_numbers(ours), trained_numbers(others), strict=True):
        # Sparse products sum in another order.
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("form", MATRIX_FORMS)
@every_estimator
def test_samples_may_have_any_form_that_numbers_have(name, form):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    given = MATRIX_FORMS[form](X)
    estimator = ESTIMATORS[name](**SMALL).fit(given, y)
    assert_trained_alike(estimator, plain)
    np.testing.assert_allclose(estimator.predict(given), plain.predict(X))
    estimator.partial_fit(given, y)
    assert_trained_alike(estimator, plain.partial_fit(X, y))
    assert np.isfinite(estimator.score(given, y))


@pytest.mark.parametrize("form", VECTOR_FORMS)
@every_estimator
def test_targets_and_weights_may_have_any_form_that_numbers_have(name, form):
    X, y = grid(12, 3), alternating(12) * 1.0
    w = np.ones(12)
    w[3] = 0
    plain = ESTIMATORS[name](**SMALL).fit(X, y, w)
    targets, weights = VECTOR_FORMS[form](y), VECTOR_FORMS[form](w)
    if name == "classifier" and getattr(targets, "dtype", y.dtype).kind == "O":
        # Which hold no numbers to scikit-learn: see the table.
        targets = y
    estimator = ESTIMATORS[name](**SMALL).fit(X, targets, weights)
    assert_trained_alike(estimator, plain)
    own = {"X_val": X, "y_val": targets, "sample_weight_val": weights}
    ESTIMATORS[name](**SMALL, early_stopping=True).fit(X, targets, weights, **own)
    classes = {"classes": np.unique(y)} if name == "classifier" else {}
    ESTIMATORS[name](**SMALL).partial_fit(X, targets, weights, **classes)


@every_estimator
def test_arrays_may_lie_in_files(name, tmp_path):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    mapped = memory_mapped(X, tmp_path)
    estimator = ESTIMATORS[name](**SMALL).fit(mapped, y)
    assert_trained_alike(estimator, plain)
    assert_array_equal(estimator.predict(mapped), plain.predict(X))


@every_estimator
def test_frames_may_be_of_polars(name):
    polars = pytest.importorskip("polars")
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    frame = polars.DataFrame(X, schema=list("abc"), orient="row")
    estimator = ESTIMATORS[name](**SMALL).fit(frame, polars.Series(y))
    assert_trained_alike(estimator, plain)
    assert list(estimator.feature_names_in_) == list("abc")
    assert_array_equal(estimator.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        estimator.predict(frame.select(list("cba")))


@every_estimator
def test_a_weight_may_be_one_number_for_all(name):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    assert_trained_alike(ESTIMATORS[name](**SMALL).fit(X, y, 1.0), plain)


# Whatever comes, it works or is refused


OURS = "skscratch"
# What we and scikit-learn warn of; all else, such as NumPy's RuntimeWarning, is news.
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
    """Which of the two a frame of a traceback belongs to, or None."""
    found = re.findall(r"(?:^|/)(skscratch|sklearn)(?=/)", frame.filename)
    is_test = pathlib.Path(frame.filename).name == pathlib.Path(__file__).name
    return None if is_test or not found else found[-1]


def is_worded(error):
    """Whether an error was raised by us in so many words, or came from scikit-learn."""
    frames = traceback.extract_tb(error.__traceback__)
    packages = [package(frame) for frame in frames]
    if OURS not in packages:
        return "sklearn" in packages
    last = len(packages) - 1 - packages[::-1].index(OURS)
    if last < len(frames) - 1:
        return packages[last + 1] == "sklearn"
    line = linecache.getline(frames[last].filename, frames[last].lineno)
    return line.strip().startswith("raise ")


def assert_works_or_is_refused(estimator, method, *args, watch=None, **kwargs):
    """Return whether it worked; what is predicted of ``watch`` must outlast refusal."""
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


NUMBERS = [
    *(0.0, 1.0, -1.0, 2.0, 0.5, 1e-320, 65504.0, 1e6, np.nan, np.inf, -np.inf),
    # Too large for float32; with squares that overflow.
    *(1e39, 1e300),
]
OBJECTS = [
    *(0, 1, 2, 1.5, "a", "1", None, True, b"x", (1, 2), {}, pd.NA, 1j, object()),
    *(10**400, "False"),
]
DTYPES = [
    *("f8", "f8", "f4", "f2", ">f8", "i8", "i1", "u8", "bool", "c16"),
    *("M8[D]", "m8[s]", "O", "U3", "S3"),
]


@st.composite
def arrays(draw, shape):
    """Arrays of all kinds; most of them of numbers that are good."""
    size = int(np.prod(shape))
    dtype = draw(st.sampled_from(["f8", "f8", "i8", *DTYPES]))
    if dtype == "O":
        values = draw(st.lists(st.sampled_from(OBJECTS), min_size=size, max_size=size))
        array = np.empty(size, object)
        array[:] = values
        return array.reshape(shape)
    if dtype in ("U3", "S3"):
        words = st.sampled_from(["a", "b", "1", ""])
        values = draw(st.lists(words, min_size=size, max_size=size))
        return np.array(values, dtype).reshape(shape)
    good = st.sampled_from([0.0, 1.0, 2.0])
    number = draw(st.sampled_from([good, good, st.sampled_from(NUMBERS)]))
    values = draw(st.lists(number, min_size=size, max_size=size))
    with np.errstate(all="ignore"):
        return np.array(values).reshape(shape).astype(dtype)


def frame(values):
    """Table of values; not every pandas takes whole numbers that no float holds."""
    try:
        return pd.DataFrame(values)
    except OverflowError:
        reject()


@st.composite
def samples(draw, n_samples):
    n_features = draw(st.sampled_from([1, 2, 3, 0]))
    shape = (n_samples, n_features)
    shape = draw(st.sampled_from([shape] * 6 + [shape[:1], (*shape, 1), ()]))
    array = draw(arrays(shape))
    forms = [lambda a: a] * 4 + [lambda a: a.tolist(), np.asfortranarray]
    if array.ndim == 2:
        forms += [frame, lambda a: a[::-1]]
        if array.dtype.kind in "fiub" and array.dtype.isnative:
            forms += [sparse.csr_array, sparse.csc_array, sparse.coo_array]
            forms = forms if array.dtype != np.float16 else forms[:-3]
    return draw(st.sampled_from(forms))(array)


@st.composite
def targets(draw, n_samples):
    shapes = [(n_samples,)] * 8 + [(n_samples, 1), (n_samples, 2), (n_samples + 1,), ()]
    array = draw(arrays(draw(st.sampled_from(shapes))))
    forms = [lambda a: a] * 4 + [lambda a: a.tolist()]
    if array.ndim == 1:
        forms += [pd.Series, lambda a: a[::-1]]
    return draw(st.sampled_from(forms))(array)


@given(st.data())
@settings(max_examples=200)
def test_arbitrary_arrays_work_or_are_refused(data):
    name = data.draw(st.sampled_from(list(ESTIMATORS)))
    n_samples = data.draw(st.sampled_from([1, 2, 3, 5, 8, 0]))
    X, y = data.draw(samples(n_samples)), data.draw(targets(n_samples))
    weights = data.draw(st.one_of(st.none(), st.none(), arrays((n_samples,))))
    parameters = {
        "solver": data.draw(st.sampled_from(["sgd", "adam", "lbfgs"])),
        "early_stopping": data.draw(st.sampled_from([False, False, True])),
        "dtype": data.draw(st.sampled_from(["auto", "float32", "float64"])),
    }
    fresh = ESTIMATORS[name](**SMALL, **parameters)
    works = assert_works_or_is_refused(fresh, "fit", X, y, weights)
    estimator = fresh if works else ESTIMATORS[name](**SMALL).fit([[0], [1]], [0, 1])
    other = data.draw(samples(n_samples))
    assert_works_or_is_refused(estimator, "predict", other)
    if works:  # Of bad targets scikit-learn's metrics may warn in NumPy's words.
        assert_works_or_is_refused(estimator, "score", other, y)
    if estimator.solver != "lbfgs":
        again = data.draw(targets(n_samples))
        assert_works_or_is_refused(estimator, "partial_fit", other, again)


@st.composite
def tables(draw, n_samples):
    """Tables of columns of all kinds, or what is none."""
    if draw(st.integers(0, 4)) == 0:
        return draw(samples(n_samples))
    columns = [draw(arrays((n_samples,))) for _ in range(draw(st.integers(1, 3)))]
    names = draw(st.permutations(["a", "b", "c", 0]))
    return frame(
        {
            name: column if column.dtype.isnative else column.astype(float)
            for name, column in zip(names, columns, strict=False)
        }
    )


@given(st.data())
@settings(max_examples=100)
def test_arbitrary_tables_work_or_are_refused(data):
    name = data.draw(st.sampled_from(list(TABULAR)))
    n_samples = data.draw(st.sampled_from([5, 8, 12, 1, 0]))
    X, y = data.draw(tables(n_samples)), data.draw(targets(n_samples))
    model = TABULAR[name](**TABLE | {"batch_size": "auto"})
    works = assert_works_or_is_refused(model, "fit", X, y)
    if not works:
        good = pd.DataFrame({"a": [0.0, 1, 2, 3] * 2, "b": ["u", "v"] * 4})
        model.fit(good, [0, 1] * 4)
    # After a fit that is refused the first stands.
    assert_works_or_is_refused(model, "predict", data.draw(tables(n_samples)))
    again = data.draw(tables(n_samples)), data.draw(targets(n_samples))
    assert_works_or_is_refused(model, "fit", *again, watch=X if works else good)


VALUES = [
    *(-1, 0, 1, 2, 3, 2**30, -0.5, 0.0, 0.1, 0.5, 0.9, 1.0, 1.5, 1e-8, 1e-320),
    *(np.inf, -np.inf, np.nan, 1j, True, False, None, "", "auto", "warn", "3", b"relu"),
    *(10**400, -(10**400)),
    *(np.True_, np.int64(3), np.float32(0.5), np.float64(0.1), np.array(2)),
    *("adam", "sgd", "adamw", "lbfgs", "constant", "invscaling", "adaptive"),
    *("cosine", "one_cycle", "coslog4", "relu", "tanh", "gelu", "softmax"),
    *("loss", "accuracy", "r2", "balanced", "poisson", "squared_error"),
    *("float32", "float64", "float16", np.float32, float, len, object(), Ellipsis),
    *((), (3,), [3, 2], (0,), (2.5,), [[2]], np.array([4]), pd.Series([2]), [None]),
    *(["relu"], ("tanh", "relu"), [0.1], (0.1, 0.2), [np.nan], {3: 2}, {0: 1, 1: 2}),
    *(["a"], ["0.1"], [{}], [[0.1], [0.1, 0.2]], [1j], [10**400], {0: "a"}, {0: [1]}),
    *({0: -1}, {"a": 1}, {3}, range(2), slice(3), lambda *_: 1.0),
    *(np.random, np.random.RandomState(0), np.random.default_rng(0)),
]


def is_kept_out(parameter, value):
    """Whether a value takes long, or much memory, for good reasons."""
    large = {
        "hidden_layer_sizes": [2**30],
        "max_iter": [2**30, 10**400],
        "n_estimators": [2**30, 10**400],
    }
    return isinstance(value, int) and value in large.get(parameter, [])


@st.composite
def settings_good_or_bad(draw, name):
    """Values of up to three parameters, most often others than they should be."""
    names = st.sampled_from(list(parameters_of(ESTIMATORS[name])))
    chosen = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return {
        parameter: draw(
            st.one_of(st.sampled_from(VALUES), st.floats()).filter(
                lambda value, parameter=parameter: not is_kept_out(parameter, value)
            )
        )
        for parameter in chosen
    }


@given(st.data())
@settings(max_examples=300)
def test_arbitrary_parameters_work_or_are_refused(data):
    name = data.draw(st.sampled_from(list(ESTIMATORS)))
    estimator = ESTIMATORS[name](**SMALL | data.draw(settings_good_or_bad(name)))
    n_samples = data.draw(st.sampled_from([4, 12]))
    X, y = grid(n_samples, 3), alternating(n_samples)
    with contextlib.redirect_stdout(None):
        assert_works_or_is_refused(estimator, "fit", X, y)


def test_what_hypothesis_judges_by_tells_words_from_accidents():
    """An error of NumPy's within our code is none of ours."""
    X, y = grid(4, 2), alternating(4)
    for bad, worded in [
        ({"alpha": -1}, True),
        ({"hidden_layer_sizes": (0,)}, True),
        ({"random_state": Accident()}, False),
    ]:
        estimator = ScratchMLPClassifier(**SMALL | bad)
        with pytest.raises((ValueError, TypeError)) as caught:
            estimator.fit(X, y)
        assert is_worded(caught.value) == worded


class Accident(np.random.RandomState):
    """A source of draws that does not draw, as no word of ours or theirs would say."""

    def uniform(self, *_):
        raise ValueError("an accident")


# What was found by the table, and mended


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": "faster"}, "'learning_rate' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"max_grad_norm": -1.0}, "'max_grad_norm' parameter"),
        ({"momentum": "a"}, "'momentum' parameter"),
        ({"averaging": 1.0}, "'averaging' parameter"),
    ],
)
@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_parameters_of_a_fitted_estimator_are_checked_in_a_stream(
    cls, parameters, message
):
    X = np.random.RandomState(0).standard_normal((20, 3))
    y = np.arange(20) % 2
    estimator = cls(hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(X, y)
    before = estimator.predict(X)
    with pytest.raises(ValueError, match=message):
        estimator.set_params(**parameters).partial_fit(X, y)
    np.testing.assert_array_equal(estimator.predict(X), before)


@every_estimator
def test_parameters_are_not_checked_where_scikit_learn_is_told_not_to(name):
    X, y = grid(12, 3), alternating(12)
    estimator = ESTIMATORS[name](**SMALL).fit(X, y).set_params(verbose="a little")
    with sklearn.config_context(skip_parameter_validation=True):
        estimator.partial_fit(X, y)
        assert sklearn.get_config()["skip_parameter_validation"]
    with pytest.raises(ValueError, match="'verbose' parameter"):
        estimator.partial_fit(X, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@every_estimator
def test_memory_that_is_not_there_leaves_no_trace(name, method, monkeypatch):
    """A first fit is refused as if it had not been, and a later one likewise."""
    X, y = grid(12, 3), alternating(12)

    def initialised(*_, **__):
        raise MemoryError("Unable to allocate 298. GiB")

    fitted = Watched(ESTIMATORS[name](**SMALL).fit(X, y), X)
    new = Watched(ESTIMATORS[name](**SMALL))
    monkeypatch.setattr(Network, "initialised", initialised)
    options = {"classes": [0, 1]} if (name, method) == CLASSES_NEEDED else {}
    with pytest.raises(MemoryError):
        getattr(new, method)(X, y, **options)
    with pytest.raises(MemoryError):
        fitted.fit(X, y)


def test_targets_and_weights_are_finite_numbers_of_the_loss():
    X = np.random.RandomState(0).standard_normal((20, 3))
    y = np.arange(20.0)
    regressor = ScratchMLPRegressor(hidden_layer_sizes=(3,), max_iter=2)
    stopping = ScratchMLPRegressor(
        loss="poisson", hidden_layer_sizes=(3,), max_iter=2, early_stopping=True
    )
    nothing = np.array([*y[1:], None], dtype=object)
    dates = y.astype("M8[s]")
    small = ScratchMLPRegressor(hidden_layer_sizes=(3,), dtype="float32")
    poisson = ScratchMLPRegressor(
        loss="poisson", hidden_layer_sizes=(3,), max_iter=2, warm_start=True
    ).fit(X, y)
    for call, message in (
        (lambda: regressor.fit(X, y, np.nan), "sample_weight must be finite"),
        (lambda: regressor.fit(X, y, np.inf), "sample_weight must be finite"),
        (lambda: regressor.fit(X, nothing), "y contains NaN"),
        (lambda: regressor.fit(X, dates), "y must hold numbers, got datetime64"),
        (lambda: regressor.fit(dates[:, None], y), "X must hold numbers, got dates"),
        (lambda: small.fit(X, 1e300 * y), "y contains .* too large for float32"),
        (lambda: small.fit(X, y, np.full(20, 1e300)), "sample_weight"),
        (lambda: stopping.fit(X, y, X_val=X, y_val=-y), "y_val must not be negative"),
        (
            lambda: stopping.fit(X, y, X_val=X * np.nan, y_val=y),
            "X_val and y_val can't",
        ),
        (lambda: poisson.set_params(loss="squared_error").fit(X, y), "the loss"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_sparse_targets_of_several_outputs_are_numbers_too():
    X = np.random.RandomState(0).standard_normal((20, 3))
    Y = np.arange(40.0).reshape(20, 2)
    dense, other = (
        ScratchMLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
        for _ in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        dense.fit(X, Y)
        other.fit(X, sparse.csr_array(Y))
    np.testing.assert_array_equal(dense.predict(X), other.predict(X))
