"""Bad tables, and bad numbers to scale or encode, are refused in words."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from input_strategies import tables, targets
from refusals import (
    N_SAMPLES,
    SMALL,
    Data,
    Refused,
    Watched,
    assert_all_differ,
    assert_refused,
    assert_works_or_is_refused,
    each_case,
    put,
    watch_fitted,
)
from sklearn.exceptions import NotFittedError

from skscratch import (
    PiecewiseLinearEncoder,
    SmoothClipScaler,
    make_tabular_classifier,
    make_tabular_regressor,
)

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {**SMALL, "batch_size": 8, "n_estimators": 2}
# Fewer networks than by default: what they hold is compared before and after.
FAST = QUICK | {"kinds": ("pieces", "ranks"), "effort": "low"}
RECIPES = {
    "classifier": make_tabular_classifier,
    "regressor": make_tabular_regressor,
}
ENCODERS = {"scaler": SmoothClipScaler, "encoder": PiecewiseLinearEncoder}
DAY = datetime.date(2020, 1, 1)


class Tables(Data):
    """A table, and functions that make watched pipelines.

    Parameters
    ----------
    name : {"classifier", "regressor"}
        The recipe of ``model`` and ``new_model``, and the kind of ``target``.
    is_fitted : bool
        If False, ``model`` is ``new_model``.
    """

    def __init__(self, name, is_fitted=True):
        super().__init__()
        self._recipe, self._is_fitted = RECIPES[name], is_fitted
        self.target = self.y if name == "classifier" else self.numbers

    def model(self):
        if not self._is_fitted:
            return self.new_model()
        return watch_fitted(self._recipe(**FAST), self.mixed, self.target)

    def new_model(self, **parameters):
        return Watched(self._recipe(**FAST | parameters))


class Encoders(Data):
    """Numbers, and functions that make watched scalers or encoders.

    Parameters
    ----------
    name : {"scaler", "encoder"}
    is_fitted : bool
        If False, ``encoder`` is ``new``.
    """

    def __init__(self, name, is_fitted=True):
        super().__init__()
        self._cls, self._is_fitted = ENCODERS[name], is_fitted

    def encoder(self, *, on=None):
        if not self._is_fitted:
            return self.new()
        return watch_fitted(self._cls(), self.frame if on is None else on, None)

    def new(self, **parameters):
        return Watched(self._cls(**parameters))


TABLES_TO_FIT = {
    "empty lists": Refused(
        lambda t: t.model().fit([], []), "rows of equal length, got an empty list"
    ),
    "rows of unequal length": Refused(
        lambda t: t.model().fit([[1], [1, 2]], [0, 1]), "got rows of 1 to 2 values"
    ),
    "rows of numbers and lists": Refused(
        lambda t: t.model().fit([[1, [2]], [1, 2]], [0, 1]), "items that are not rows"
    ),
    "a list of numbers": Refused(
        lambda t: t.model().fit([1, 2], [0, 1]), "a list of rows of equal length"
    ),
    "dict": Refused(
        lambda t: t.model().fit({"a": [1]}, [0]), "a list of rows, got dict"
    ),
    "None": Refused(
        lambda t: t.model().fit(None, t.target), "a list of rows, got NoneType"
    ),
    "a word": Refused(
        lambda t: t.model().fit("word", t.target), "a list of rows, got str"
    ),
    "one column": Refused(
        lambda t: t.model().fit(t.X[:, 0], t.target), "got an array of shape (24,)"
    ),
    "a series": Refused(
        lambda t: t.model().fit(t.frame["a"], t.target), "got an array of shape (24,)"
    ),
    "three dimensions": Refused(
        lambda t: t.model().fit(t.X[:, :, None], t.target),
        "an array of shape (24, 4, 1)",
    ),
    "sparse": Refused(
        lambda t: t.model().fit(t.csr, t.target), "a table must be dense, got a sparse"
    ),
    "no columns": Refused(
        lambda t: t.model().fit(t.X[:, :0], t.target),
        "a table must have at least one column, got none",
    ),
    "no rows": Refused(
        lambda t: t.model().fit(t.mixed[:0], t.target[:0]),
        "Found array with 0 sample(s)",
    ),
    "infinity": Refused(
        lambda t: t.model().fit(put(t.X, np.inf), t.target),
        "column 0 contains infinity: ",
    ),
    "complex": Refused(
        lambda t: t.model().fit(t.X + 1j, t.target), "column 0 holds complex numbers"
    ),
    "dates among words": Refused(
        lambda t: t.model().fit(t.mixed.assign(d=[DAY, "word"] * 12), t.target),
        "column 'd' holds dates or durations among other values",
    ),
    "dates among numbers": Refused(
        lambda t: t.model().fit(t.mixed.assign(d=[DAY, 5] * 12), t.target),
        "column 'd' holds dates or durations among other values",
    ),
    "constant durations": Refused(
        lambda t: t.model().fit(np.full((24, 2), 5, "m8[s]"), t.target),
        "a table must have a column that varies, got only constant dates",
    ),
    "an integer that no float holds": Refused(
        lambda t: t.model().fit(t.mixed.assign(z=10**400), t.target),
        "column 'z' contains a number too large for float64: replace it with",
    ),
    "too few rows to validate on some": Refused(
        lambda t: t.model().fit(t.mixed[:2], t.target[:2]),
        "The validation set is too small. Increase 'validation_fraction'",
    ),
    # Targets and weights
    "y too short": Refused(
        lambda t: t.model().fit(t.mixed, t.target[:-1]),
        "numbers of samples: [24, 23]",
    ),
    "no y": Refused(lambda t: t.model().fit(t.mixed, None), "requires y to be passed"),
    "complex y": Refused(lambda t: t.model().fit(t.mixed, t.target + 1j), "omplex"),
    "NaN in y": Refused(
        lambda t: t.model().fit(t.mixed[["a"]], put(t.target * 1.0, np.nan)),
        "Input y contains NaN",
    ),
    "infinity in y": Refused(
        lambda t: t.model().fit(t.mixed.assign(z=1), put(t.target * 1.0, np.inf)),
        "Input y contains infinity",
    ),
    "negative weights": Refused(
        lambda t: t.model().fit(t.mixed, t.target, network__sample_weight=-t.weights),
        "Negative values in data passed to `sample_weight`",
    ),
    "too few weights": Refused(
        lambda t: t.model().fit(
            t.mixed, t.target, network__sample_weight=t.weights[:3]
        ),
        "sample_weight.shape == (3,), expected (24,)",
    ),
    "negative weights for the pipeline": Refused(
        lambda t: t.model().fit(t.mixed, t.target, sample_weight=-t.weights),
        "Negative values in data passed to `sample_weight`",
    ),
    "groups without a splitter": Refused(
        lambda t: t.model().fit(t.mixed, t.target, groups=t.target),
        "groups needs a splitter that uses them",
    ),
    "X_val without y_val": Refused(
        lambda t: t.model().fit(t.mixed, t.target, X_val=t.mixed),
        "X_val and y_val must be given together",
    ),
    "X_val without a column": Refused(
        lambda t: t.model().fit(
            t.mixed, t.target, X_val=t.mixed.drop(columns="a"), y_val=t.target
        ),
        "these are missing: 'a'",
    ),
    "unknown effort": Refused(
        lambda t: t.new_model(effort="huge").fit(t.mixed, t.target),
        "The 'effort' parameter",
    ),
    "unknown kinds": Refused(
        lambda t: t.new_model(kinds=("trees",)).fit(t.mixed, t.target),
        "kinds must be 'auto' or a sequence of different names",
    ),
    "negative time": Refused(
        lambda t: t.new_model(time_limit=-1.0).fit(t.mixed, t.target),
        "The 'time_limit' parameter",
    ),
    # Parameters
    "no networks": Refused(
        lambda t: t.new_model(n_estimators=0).fit(t.mixed, t.target),
        "The 'n_estimators' parameter of",
    ),
    "dropout with L-BFGS": Refused(
        lambda t: t.new_model(solver="lbfgs", dropout=0.1).fit(t.mixed, t.target),
        "dropout=0.1 needs ",
    ),
}
TABLES_TO_PREDICT_FOR = {
    "columns are missing": Refused(
        lambda t: t.model().predict(t.mixed.drop(columns=["a", "s"])),
        "must have all columns that were used in fit, but these are missing: 'a', 's'",
    ),
    "numbered columns": Refused(
        lambda t: t.model().predict(t.mixed.set_axis(range(6), axis=1)),
        "but these are missing: 'a', 'b', 'c'",
    ),
    "an array": Refused(
        lambda t: t.model().predict(t.X), "X has 4 features, but TableColumns is"
    ),
    "one row": Refused(
        lambda t: t.model().predict(t.X[0]), "got an array of shape (4,)"
    ),
    "None": Refused(lambda t: t.model().predict(None), "a list of rows, got NoneType"),
    "no rows": Refused(
        lambda t: t.model().predict(t.mixed[:0]), "Found array with 0 sample(s)"
    ),
    "infinity": Refused(
        lambda t: t.model().predict(t.mixed.assign(a=np.inf)),
        "column 'a' contains infinity: replace it with a finite number or a missing",
    ),
    "text for numbers": Refused(
        lambda t: t.model().predict(t.mixed.assign(a="much")),
        "column 'a' was numeric in fit, but has a value that is not: could not",
    ),
    "text for booleans": Refused(
        lambda t: t.model().predict(t.mixed.assign(f="yes")),
        "column 'f' was numeric in fit",
    ),
    "lists for numbers": Refused(
        lambda t: t.model().predict(t.mixed.assign(a=[[1]] * N_SAMPLES)),
        "column 'a' holds lists or records: split them",
    ),
    "complex": Refused(
        lambda t: t.model().predict(t.mixed.assign(a=1j)), "'a' holds complex"
    ),
    "dates for text": Refused(
        lambda t: t.model().predict(t.mixed.assign(s=pd.Timestamp("2020"))),
        "column 's' holds dates or durations",
    ),
    "not fitted": Refused(
        lambda t: t.new_model().predict(t.mixed), "is not fitted yet", NotFittedError
    ),
    "score: y too short": Refused(
        lambda t: t.model().score(t.mixed, t.target[:-1]), "numbers of samples: [2"
    ),
}
CLASSES_OF_TABLES = {
    "text and None": Refused(
        lambda t: t.model().fit(t.mixed, ["a", None] * 12),
        "y can't be used: '<' not supported between instances of",
        TypeError,
    ),
    "numbers": Refused(
        lambda t: t.model().fit(t.mixed[["a", "s"]], t.numbers), "Unknown label type"
    ),
    "X_val that is not prepared": Refused(
        lambda t: t.model().fit(t.mixed, t.y, network__X_val=t.X, network__y_val=t.y),
        "X_val and y_val can't be used: X has 4 features, but",
    ),
    "temperature without early stopping": Refused(
        lambda t: t.new_model(early_stopping=False, temperature_scaling=True).fit(
            t.mixed, t.y
        ),
        "temperature_scaling=True needs early_stopping=True",
    ),
}
NUMBERS_OF_TABLES = {
    **{
        id_: Refused(lambda t, make=make: t.model().fit(t.mixed, make(t)), message)
        for id_, make, message in (
            (
                "text",
                lambda t: ["a"] * N_SAMPLES,
                "y must be an array of numbers, got <U1",
            ),
            (
                "rows of unequal length",
                lambda t: [[1], [1, 2]] * 12,
                "y must be an array of numbers: setting an array",
            ),
            (
                "text and None",
                lambda t: [None, "a"] * 12,
                "y must be an array of numbers: could not convert",
            ),
            (
                "dicts",
                lambda t: [{}] * N_SAMPLES,
                "y must be an array of numbers: float() argument must be",
            ),
            (
                "dates as objects",
                lambda t: [DAY] * N_SAMPLES,
                "y must be an array of numbers: float() argument",
            ),
            (
                "dates",
                lambda t: np.full(24, "2020", "M8[D]"),
                "y must be an array of numbers, got date",
            ),
            (
                "integers that no float holds",
                lambda t: [10**400] * N_SAMPLES,
                "y must be an array of numbers: int too large",
            ),
            (
                "too large",
                lambda t: 1e300 * t.numbers,
                "y holds numbers too large to standardize, such as 6.1e+300: their",
            ),
            (
                "too close",
                lambda t: 1e-200 * t.numbers,
                "y holds numbers too close to standardize, 1.0e-199 apart",
            ),
        )
    },
    "negative numbers for Poisson": Refused(
        lambda t: t.new_model(loss="poisson").fit(t.mixed, t.numbers),
        "y must not be negative for loss='poisson', got ",
    ),
    "probabilities": Refused(
        lambda t: t.model().predict_proba(t.mixed),
        "has no attribute 'predict_proba'",
        AttributeError,
    ),
}
NUMBERS_TO_FIT = {
    "NaN": Refused(lambda t: t.encoder().fit(put(t.X, np.nan)), "Input X contains NaN"),
    "infinity": Refused(
        lambda t: t.encoder().fit(put(t.X, np.inf)), "Input X contains infinity"
    ),
    "no rows": Refused(
        lambda t: t.encoder().fit(t.X[:0]), "Found array with 0 sample(s)"
    ),
    "no columns": Refused(
        lambda t: t.encoder().fit(t.X[:, :0]), "Found array with 0 feature(s)"
    ),
    "one row": Refused(
        lambda t: t.encoder().fit(t.X[0]), "Expected 2D array, got 1D array"
    ),
    "None": Refused(
        lambda t: t.encoder().fit(None), "got scalar array instead: array=nan"
    ),
    "rows of unequal length": Refused(
        lambda t: t.encoder().fit([[1], [1, 2]]), "an inhomogeneous shape"
    ),
    "complex": Refused(
        lambda t: t.encoder().fit(t.X + 1j), "Complex data not supported"
    ),
    "text": Refused(
        lambda t: t.encoder().fit(np.full((24, 4), "word")),
        "could not convert string to float",
    ),
    "sparse": Refused(
        lambda t: t.encoder().fit(t.csr),
        "Sparse data was passed for X, but dense",
        TypeError,
    ),
    "dict": Refused(
        lambda t: t.encoder().fit({"a": 1}), "a real number, not 'dict'", TypeError
    ),
    "dates": Refused(
        lambda t: t.encoder().fit(np.full((3, 2), "2020", "M8[D]")),
        "X must hold numbers, got dates or durations (datetime64[D])",
    ),
    "a column of durations": Refused(
        lambda t: t.encoder().fit(pd.DataFrame({"d": pd.to_timedelta([1, 2])})),
        "X must hold numbers, got dates or durations (timedelta64[",
    ),
    "an integer that no float holds": Refused(
        lambda t: t.encoder().fit([[10**400]]),
        "X must hold numbers that floats can hold: int too large",
    ),
    # After which the columns of the first fit are still expected.
    "NaN in fewer columns": Refused(
        lambda t: t.encoder().fit(t.frame[["a"]] * np.nan), "X contains NaN"
    ),
    "infinity in columns without names": Refused(
        lambda t: t.encoder().fit(put(t.frame.to_numpy()[:, :2], np.inf)), "infinity"
    ),
}
NUMBERS_TO_TRANSFORM = {
    "durations": Refused(
        lambda t: t.encoder().transform(np.full((3, 4), 5, "m8[s]")),
        "X must hold numbers, got dates or durations (timedelta64[s])",
    ),
    "infinity": Refused(
        lambda t: t.encoder(on=t.X).transform(put(t.X, np.inf)), "X contains infinity"
    ),
    "too few features": Refused(
        lambda t: t.encoder(on=t.X).transform(t.X[:, :3]), "X has 3 features, but "
    ),
    "columns in another order": Refused(
        lambda t: t.encoder().transform(t.frame[list("dcba")]),
        "Feature names must be in the same order as they were in fit",
    ),
    "another column": Refused(
        lambda t: t.encoder().transform(t.frame.rename(columns={"d": "e"})),
        "Feature names unseen at fit time: - e",
    ),
    "get_feature_names_out: other names": Refused(
        lambda t: t.encoder().get_feature_names_out(["a"]),
        "input_features is not equal to feature_names_in_",
    ),
}
each_recipe = pytest.mark.parametrize("name", RECIPES)
each_encoder = pytest.mark.parametrize("name", ENCODERS)
fitted_or_not = pytest.mark.parametrize("state", ["fitted", "unfitted"])


@each_case(TABLES_TO_FIT)
@fitted_or_not
@each_recipe
def test_fit_refuses_bad_tables(case, name, state):
    assert_refused(case, Tables(name, state == "fitted"))


@each_case(TABLES_TO_PREDICT_FOR)
@each_recipe
def test_predict_refuses_bad_tables(case, name):
    assert_refused(case, Tables(name))


@each_case(CLASSES_OF_TABLES)
@fitted_or_not
def test_fit_refuses_bad_classes_of_tables(case, state):
    assert_refused(case, Tables("classifier", state == "fitted"))


@each_case(NUMBERS_OF_TABLES)
@fitted_or_not
def test_fit_refuses_bad_numbers_of_tables(case, state):
    assert_refused(case, Tables("regressor", state == "fitted"))


@each_case(NUMBERS_TO_FIT)
@fitted_or_not
@each_encoder
def test_fit_of_an_encoder_refuses_bad_numbers(case, name, state):
    assert_refused(case, Encoders(name, state == "fitted"))


@each_case(NUMBERS_TO_TRANSFORM)
@each_encoder
def test_an_encoder_refuses_bad_numbers(case, name):
    assert_refused(case, Encoders(name))


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        pytest.param(name, parameter, value, id=f"{name}-{parameter}={value!r}")
        for name, parameter, values in (
            ("scaler", "limit", (0, -1, -np.inf, np.nan, "a", None, 1j)),
            ("encoder", "n_bins", (0, -1, 2.5, np.nan, "all", None, [3])),
            ("encoder", "kind", ("splines", None, 3, ["hats"])),
        )
        for value in values
    ],
)
def test_an_encoder_refuses_bad_parameters(name, parameter, value):
    message = f"The {parameter!r} parameter of {ENCODERS[name].__name__} must be"
    case = Refused(lambda t: t.new(**{parameter: value}).fit(t.X), message)
    assert_refused(case, Encoders(name))


def test_a_scaler_refuses_a_limit_that_no_float_holds():
    message = "limit must be no larger than 1.8e+308, got an integer of 1329 bits"
    case = Refused(lambda t: t.new(limit=10**400).fit(t.X), message)
    assert_refused(case, Encoders("scaler"))


def test_no_call_is_in_the_tables_twice():
    of_tables = TABLES_TO_FIT, TABLES_TO_PREDICT_FOR
    assert_all_differ(*of_tables, CLASSES_OF_TABLES)
    assert_all_differ(*of_tables, NUMBERS_OF_TABLES)
    assert_all_differ(NUMBERS_TO_FIT, NUMBERS_TO_TRANSFORM)


@given(st.data())
@settings(max_examples=100)
def test_arbitrary_tables_work_or_are_refused(data):
    name = data.draw(st.sampled_from(list(RECIPES)))
    n_samples = data.draw(st.sampled_from([5, 8, 12, 1, 0]))
    X, y = data.draw(tables(n_samples)), data.draw(targets(n_samples))
    model = RECIPES[name](**FAST | {"batch_size": "auto"})
    works = assert_works_or_is_refused(model, "fit", X, y)
    if not works:
        good = pd.DataFrame({"a": [0.0, 1, 2, 3] * 2, "b": ["u", "v"] * 4})
        model.fit(good, [0, 1] * 4)
    # After a fit that is refused the first stands.
    assert_works_or_is_refused(model, "predict", data.draw(tables(n_samples)))
    again = data.draw(tables(n_samples)), data.draw(targets(n_samples))
    assert_works_or_is_refused(model, "fit", *again, watch=X if works else good)
