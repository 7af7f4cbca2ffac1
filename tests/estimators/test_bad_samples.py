"""Bad samples are refused in words, and change nothing.

Each bad ``X`` is passed to every method that takes samples, of a fitted classifier and
regressor, of new ones and of ensembles.
"""

import datetime

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from input_strategies import arrays, samples, targets
from refusals import (
    ESTIMATORS,
    METHODS,
    N_SAMPLES,
    SMALL,
    STATES,
    Bad,
    Estimators,
    Refused,
    as_objects,
    assert_all_differ,
    assert_refused,
    assert_works_or_is_refused,
    classes_for,
    each_case,
    each_state,
    good_targets,
    put,
)
from scipy import sparse
from sklearn.exceptions import NotFittedError

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WORDS = np.full((N_SAMPLES, 4), "word")
DATES = np.full((N_SAMPLES, 4), "2020-01-01", "M8[D]")
DAY = datetime.date(2020, 1, 1)

MISSING = (
    "Input {name} contains NaN. {estimator} does not accept missing values. Use "
    "skscratch.{recipe}, which accepts them"
)
BAD_MISSING = {
    **{
        f"NaN, {name}": Bad(lambda t, name=name: put(getattr(t, name), np.nan), MISSING)
        for name in ("X", "csr", "csc")
    },
    "NaN, float32": Bad(lambda t: put(t.X, np.nan).astype(np.float32), MISSING),
    "NaN and infinity": Bad(lambda t: put(put(t.X, np.inf)[::-1], np.nan), MISSING),
    "None among objects": Bad(lambda t: as_objects(t.X, None), MISSING),
    "missing in a frame": Bad(
        lambda t: t.frame.astype("Float64").mask(t.X > 0), MISSING
    ),
}
BAD_X = {
    **{
        f"{value}, {name}": Bad(
            lambda t, name=name, value=value: put(getattr(t, name), value),
            "Input X contains infinity or a value too large for dtype('float64')",
        )
        for name in ("X", "csr", "csc")
        for value in (np.inf, -np.inf)
    },
    "both infinities": Bad(
        lambda t: put(put(t.X, np.inf)[::-1], -np.inf),
        "Input X contains infinity or a value too large for dtype('float64')",
    ),
    "too large for float64": Bad(
        lambda t: t.X.astype(np.longdouble) * np.longdouble("1e400"),
        "value too large for dtype('float64')",
    ),
    # Another shape
    "no rows": Bad(
        lambda t: t.X[:0],
        "Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required "
        "by {estimator}",
    ),
    "no rows, sparse": Bad(
        lambda t: t.csr[:0],
        "Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required "
        "by {estimator}",
    ),
    "no columns": Bad(
        lambda t: t.X[:, :0],
        "Found array with 0 feature(s) (shape=(24, 0)) while a minimum of 1",
    ),
    "empty list": Bad(lambda t: [], "Expected 2D array, got 1D array instead"),
    "list of an empty list": Bad(lambda t: [[]], "0 feature(s) (shape=(1, 0))"),
    "three dimensions": Bad(lambda t: t.X[:, :, None], "Found array with dim 3"),
    "one column": Bad(lambda t: t.X[:, 0], "Expected 2D array, got 1D array instead"),
    "one row": Bad(lambda t: t.X[0], "Expected 2D array, got 1D array instead"),
    "one row, sparse": Bad(
        lambda t: sparse.coo_array(t.X[0]),
        "Expected 2D input, got input with shape (4,)",
    ),
    "a number": Bad(lambda t: 3.0, "got scalar array instead: array=3.0"),
    "None for all": Bad(lambda t: None, "got scalar array instead: array=nan"),
    "rows of unequal length": Bad(
        lambda t: [[1.0], [1.0, 2.0]], "The requested array has an inhomogeneous shape"
    ),
    "three numbers and one": Bad(lambda t: [[1, 2, 3], [1]], "an inhomogeneous shape"),
    # Not numbers
    "text": Bad(lambda t: WORDS, "could not convert string to float: np.str_('word')"),
    "bytes": Bad(
        lambda t: WORDS.astype(bytes),
        "could not convert string to float: np.bytes_(b'word')",
    ),
    "text among objects": Bad(
        lambda t: as_objects(t.X, "word"), "could not convert string to float: 'word'"
    ),
    "a column of categories": Bad(
        lambda t: pd.DataFrame({"a": pd.Categorical(["u", "v"] * 12)}),
        "could not convert string to float: 'u'",
    ),
    "a word": Bad(lambda t: "word", "could not convert string to float: 'word'"),
    "dict": Bad(
        lambda t: {"a": 1},
        "float() argument must be a string or a real number, not 'dict'",
        TypeError,
    ),
    "set": Bad(lambda t: {1, 2}, "a real number, not 'set'", TypeError),
    "dict among objects": Bad(
        lambda t: as_objects(t.X, {}),
        "must be a string or a real number, not 'dict'",
        TypeError,
    ),
    "pandas.NA": Bad(
        lambda t: as_objects(t.X, pd.NA),
        "must be a string or a real number, not 'NAType'",
        TypeError,
    ),
    "complex": Bad(lambda t: t.X + 1j, "Complex data not supported"),
    "complex, sparse": Bad(lambda t: t.csr * 1j, "Complex data not supported"),
    "complex among objects": Bad(
        lambda t: as_objects(t.X, 1j),
        "must be a string or a real number, not 'complex'",
        TypeError,
    ),
    "records": Bad(
        lambda t: np.zeros(N_SAMPLES, dtype=[("a", float), ("b", int)]),
        "Cannot cast array data from dtype([('a', '<f8'), ('b', '<i8')])",
        TypeError,
    ),
    "an integer that no float holds": Bad(
        lambda t: as_objects(t.X, 10**400),
        "{data} must hold numbers that floats can hold: int too large",
    ),
    "a negative one": Bad(
        lambda t: as_objects(t.X, -(10**400)),
        "{data} must hold numbers that floats can hold: int too large",
    ),
    "a list of them": Bad(
        lambda t: [[10**400] * 4],
        "{data} must hold numbers that floats can hold: int too large",
    ),
    "column names of two types": Bad(
        lambda t: t.frame.set_axis(["a", "b", "c", 4], axis=1),
        "Feature names are only supported if all input features have string names",
        TypeError,
    ),
    # Dates and durations
    "dates": Bad(
        lambda t: DATES, "X must hold numbers, got dates or durations (datetime64[D])"
    ),
    "missing dates": Bad(
        lambda t: np.full((24, 4), "NaT", "M8[D]"),
        "got dates or durations (datetime64[D])",
    ),
    "missing durations": Bad(
        lambda t: np.full((24, 4), "NaT", "m8[s]"),
        "X must hold numbers, got dates or durations (timedelta64[s])",
    ),
    "date among objects": Bad(
        lambda t: as_objects(t.X, DAY),
        "X must hold numbers, got dates or durations (<class 'datetime.date'>)",
    ),
    "dates in lists": Bad(
        lambda t: [[np.datetime64("2020-01-01")]] * 24,
        "got dates or durations (<class 'numpy.datetime64'>)",
    ),
    "numbers and dates": Bad(
        lambda t: np.array([[1.0], [np.datetime64("2020")]] * 12, object),
        "got dates or durations (<class 'numpy.datetime64'>)",
    ),
    "a duration after numbers": Bad(
        lambda t: [[1.0]] * 23 + [[np.timedelta64(3, "s")]],
        "got dates or durations (<class 'numpy.timedelta64'>)",
    ),
    "a frame of dates": Bad(
        lambda t: pd.DataFrame(np.zeros((24, 2), "M8[s]")),
        "got dates or durations (datetime64[s])",
    ),
    "a column of dates": Bad(
        lambda t: t.frame.assign(e=pd.Timestamp(2020, 1, 1)),
        "X must hold numbers, got dates or durations (datetime64[",
    ),
    "a column of durations": Bad(
        lambda t: t.frame.assign(d=pd.Timedelta(days=1)),
        "got dates or durations (timedelta64[",
    ),
}
# What a fitted estimator, or one whose validation data these are, refuses besides.
BAD_WIDTHS = {
    "too few features": Bad(
        lambda t: t.X[:, :3],
        "X has 3 features, but {estimator} is expecting 4 features as input",
    ),
    "too few features, sparse": Bad(
        lambda t: t.csr[:, :2],
        "X has 2 features, but {estimator} is expecting 4 features",
    ),
}
# And if it was fitted on a frame.
BAD_COLUMNS = {
    "another order": Bad(
        lambda t: t.frame[list("dcba")],
        "Feature names must be in the same order as they were in fit",
    ),
    "another name": Bad(
        lambda t: t.frame.rename(columns={"d": "e"}),
        "Feature names unseen at fit time: - e Feature names seen at fit time",
    ),
    "a column is missing": Bad(
        lambda t: t.frame[list("abc")],
        "Feature names seen at fit time, yet now missing: - d",
    ),
}


def each_refusal_of(bad_samples, *, only_later=False):
    """Parametrize a test with bad samples and each call that takes samples.

    Parameters
    ----------
    bad_samples : dict
        ``Bad`` records by id.
    only_later : bool
        Leave out calls that any number and names of features suit.
    """
    calls = []
    for name, cls in ESTIMATORS.items():
        predicting = [m for m in (*METHODS, "score") if hasattr(cls, m)]
        for state in STATES:
            methods = ["X_val"]
            methods += [] if only_later else ["fit"]
            methods += [] if only_later and state == "unfitted" else ["partial_fit"]
            methods += [] if state == "unfitted" else predicting
            calls += [(name, state, method) for method in methods]
    params = [
        pytest.param(bad, *call, id="-".join((id_, *call)))
        for id_, bad in bad_samples.items()
        for call in calls
        # None stands for no validation data.
        if (id_, call[-1]) != ("None for all", "X_val")
    ]
    return pytest.mark.parametrize(("bad", "name", "state", "method"), params)


def assert_samples_are_refused(bad, name, state, method, good="X"):
    """Check that an estimator fitted on good samples refuses bad ones; return how."""

    def call(t):
        X, y = getattr(t, good), good_targets(name, t)
        own = {"early_stopping": True} if method == "X_val" else {}
        on = None if method == "X_val" else (X, y)
        estimator = getattr(t, name)(on=on, **own)
        if method == "X_val":
            return estimator.fit(X, y, X_val=bad.make(t), y_val=y)
        if method == "partial_fit":
            return estimator.partial_fit(bad.make(t), y, **classes_for(name))
        targets = (y,) if method in ("fit", "score") else ()
        return getattr(estimator, method)(bad.make(t), *targets)

    data = "X and y" if method in ("fit", "partial_fit", "X_val") else "X"
    message = bad.message.format(
        estimator=ESTIMATORS[name].__name__,
        name="X_val" if method == "X_val" else "X",
        data=data,
        recipe=f"make_tabular_{name}",
    )
    error = assert_refused(Refused(call, message, bad.error), Estimators(state))
    if method == "X_val" and bad.error is ValueError:
        assert str(error).startswith("X_val and y_val can't be used: ")
    return error


@each_refusal_of(BAD_X)
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_bad_samples_are_refused(bad, name, state, method):
    assert_samples_are_refused(bad, name, state, method)


@each_refusal_of(BAD_MISSING)
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_missing_values_are_refused_with_advice_for_networks(bad, name, state, method):
    error = assert_samples_are_refused(bad, name, state, method)
    # Users and tools look for scikit-learn's first words.
    assert method == "X_val" or str(error).startswith("Input X contains NaN.\n")
    assert "HistGradientBoosting" not in str(error)


@each_refusal_of(BAD_WIDTHS, only_later=True)
def test_samples_of_another_width_are_refused(bad, name, state, method):
    assert_samples_are_refused(bad, name, state, method)


@each_refusal_of(BAD_COLUMNS, only_later=True)
def test_samples_of_other_columns_are_refused(bad, name, state, method):
    assert_samples_are_refused(bad, name, state, method, good="frame")


class ForeignArray:
    """Array that is converted by NumPy, but does not follow a protocol yet."""

    def __init__(self, array):
        self.array = np.asarray(array)
        self.shape, self.dtype = self.array.shape, self.array.dtype
        self.ndim = self.array.ndim

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)

    def __len__(self):
        return len(self.array)


class ArrayWithNamespace(ForeignArray):
    """Stand-in for arrays of JAX, CuPy and array_api_strict."""

    def __array_namespace__(self, *, api_version=None):
        raise AssertionError("not to be computed with")


class Tensor(ForeignArray):
    """Stand-in for tensors of PyTorch, which have no ``__array_namespace__``."""

    def __dlpack__(self, **_):
        raise AssertionError("not to be computed with")


def strict_array(array):
    return pytest.importorskip("array_api_strict").asarray(array)


def torch_tensor(array):
    return pytest.importorskip("torch").asarray(array)


every_foreign_array = pytest.mark.parametrize(
    "convert", [ArrayWithNamespace, Tensor, strict_array, torch_tensor]
)
# Arguments that hold data, by method.
DATA_OF_FIT = ("X", "y", "sample_weight")
DATA_OF_METHODS = {
    "fit": (*DATA_OF_FIT, "X_val", "y_val", "sample_weight_val"),
    "partial_fit": DATA_OF_FIT,
    "score": ("X",),
    **dict.fromkeys(METHODS, ("X",)),
}
each_argument = pytest.mark.parametrize(
    ("name", "method", "argument"),
    [
        (name, method, argument)
        for name, cls in ESTIMATORS.items()
        for method, arguments in DATA_OF_METHODS.items()
        if hasattr(cls, method)
        for argument in arguments
    ],
)


def call_with(name, method, argument, convert):
    """Return a call with one argument converted, which returns predictions."""

    def call(t):
        y = good_targets(name, t)
        data = {"X": t.X, "y": y, "sample_weight": t.weights}
        data |= {key + "_val": value for key, value in data.items()}
        given = {key: data[key] for key in DATA_OF_METHODS[method]}
        if method == "score":
            given["y"] = y
        if method == "partial_fit":
            given |= classes_for(name)
        given[argument] = convert(given[argument])
        estimator = getattr(t, name)(early_stopping=method == "fit")
        result = getattr(estimator, method)(**given)
        return result.predict(t.X) if "fit" in method else result

    return call


@each_argument
@every_foreign_array
@pytest.mark.parametrize("state", ["fitted", "ensemble"])
def test_arrays_that_are_not_converted_are_refused(
    monkeypatch, name, method, argument, convert, state
):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # scikit-learn insists on it.
    array = convert(np.ones(1))
    kind = f"{type(array).__module__.partition('.')[0]}.{type(array).__name__}"
    message = (
        f"With array_api_dispatch=True, {argument} must be a NumPy array, a list, a "
        "DataFrame or a sparse matrix of SciPy, got an array of another library "
        f"({kind}). Convert it with numpy.asarray({argument}), or from PyTorch with "
        f"{argument}.detach().cpu().numpy(); or use array_api_dispatch=False."
    )
    case = Refused(call_with(name, method, argument, convert), message, TypeError)
    with sklearn.config_context(array_api_dispatch=True):
        assert_refused(case, Estimators(state))


@each_argument
@every_foreign_array
def test_arrays_of_other_libraries_are_converted(name, method, argument, convert):
    converted = call_with(name, method, argument, convert)(Estimators())
    expected = call_with(name, method, argument, np.asarray)(Estimators())
    np.testing.assert_array_equal(converted, expected)


@each_argument
@pytest.mark.parametrize("convert", [np.asarray, np.ndarray.tolist])
def test_dispatch_changes_nothing_for_numpy(
    monkeypatch, name, method, argument, convert
):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    call = call_with(name, method, argument, convert)
    expected = call(Estimators())
    with sklearn.config_context(array_api_dispatch=True):
        np.testing.assert_array_equal(call(Estimators()), expected)


OF_FIT = {
    "X in float32": Refused(
        lambda t: t.classifier(dtype="float32").fit(put(t.X, 1e300), t.y),
        "Input X contains infinity or a value too large for dtype('float32')",
    ),
    "sparse X in float32": Refused(
        lambda t: t.regressor(dtype="float32").fit(put(t.csr, 1e300), t.numbers),
        "Input X contains infinity or a value too large for dtype('float32')",
    ),
    "X_val in float32": Refused(
        lambda t: t.regressor(early_stopping=True, dtype="float32").fit(
            t.X, t.numbers, X_val=put(t.X, 1e300), y_val=t.numbers
        ),
        "a value too large for dtype('float32')",
    ),
    "X that training overflows on": Refused(
        lambda t: t.regressor().fit(1e300 * t.X, t.numbers),
        "Solver produced non-finite parameter weights. The input data may contain",
    ),
    "X that L-BFGS overflows on": Refused(
        lambda t: t.classifier(solver="lbfgs").fit(1e300 * t.X, t.y),
        "Solver produced non-finite parameter weights",
    ),
    "X_val alone": Refused(
        lambda t: t.classifier(early_stopping=True).fit(t.X, t.y, X_val=t.X),
        "X_val and y_val must be given together, or neither",
    ),
    "X_val without early stopping": Refused(
        lambda t: t.classifier().fit(t.X, t.y, X_val=t.X, y_val=t.y),
        "X_val needs early_stopping=True and one of the solvers",
    ),
    "X_val with L-BFGS": Refused(
        lambda t: t.regressor(early_stopping=True, solver="lbfgs").fit(
            t.X, t.numbers, X_val=t.X, y_val=t.numbers
        ),
        "X_val needs early_stopping=True and one of the solvers",
    ),
}
OF_FITTED = {
    "further X that training overflows on": Refused(
        lambda t: t.regressor().partial_fit(1e300 * t.X, t.numbers),
        "Solver produced non-finite parameter weights",
    ),
    "further X after float32": Refused(
        lambda t: t.classifier(on=(t.X.astype("float32"), t.y)).partial_fit(
            put(t.X, 1e300), t.y
        ),
        "too large for dtype('float32')",
    ),
    "X to predict for after float32": Refused(
        lambda t: t.classifier(on=(t.X.astype("float32"), t.y)).predict(
            put(t.X, 1e300)
        ),
        "value too large for dtype('float32')",
    ),
    "sparse X to predict for after float32": Refused(
        lambda t: t.regressor(on=(t.X.astype("float32"), t.numbers)).predict(
            put(t.csr, 1e300)
        ),
        "value too large for dtype('float32')",
    ),
}


@each_case(OF_FIT)
@each_state
def test_fit_refuses_other_bad_samples(case, state):
    assert_refused(case, Estimators(state))


@each_case(OF_FITTED)
@pytest.mark.parametrize("state", ["fitted", "ensemble"])
def test_a_fitted_estimator_refuses_other_bad_samples(case, state):
    assert_refused(case, Estimators(state))


@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, method)
        for name, cls in ESTIMATORS.items()
        for method in (*METHODS, "score")
        if hasattr(cls, method)
    ],
)
@pytest.mark.parametrize("is_ensemble", [False, True])
def test_an_estimator_that_is_not_fitted_predicts_nothing(name, is_ensemble, method):
    def call(t):
        targets = (good_targets(name, t),) if method == "score" else ()
        return getattr(getattr(t, f"new_{name}")(), method)(t.X, *targets)

    things = Estimators("ensemble" if is_ensemble else "fitted")
    message = "is not fitted yet. Call 'fit'"
    assert_refused(Refused(call, message, NotFittedError), things)


def test_no_call_is_in_the_tables_twice():
    assert_all_differ(OF_FIT, OF_FITTED)


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
