"""Bad targets and weights are refused in words, and change nothing.

Each is passed to every method that takes such a value, of a fitted classifier and
regressor, of new ones and of ensembles.
"""

import numpy as np
import pandas as pd
import pytest
from refusals import (
    ESTIMATORS,
    N_SAMPLES,
    Bad,
    Estimators,
    Refused,
    as_objects,
    assert_all_differ,
    assert_refused,
    classes_for,
    each_bad,
    each_case,
    each_state,
    good_targets,
    put,
)
from scipy import sparse

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BAD_TARGETS = {
    "too few": Bad(
        lambda t, y: y[:-1],
        "Found input variables with inconsistent numbers of samples: [24, 23]",
    ),
    "none": Bad(lambda t, y: y[:0], "0 sample(s) (shape=(0,))"),
    "NaN": Bad(lambda t, y: put(y * 1.0, np.nan), "Input y contains NaN."),
    "infinity": Bad(lambda t, y: put(y * 1.0, np.inf), "Input y contains infinity"),
    "minus infinity": Bad(
        lambda t, y: put(y * 1.0, -np.inf), "Input y contains infinity"
    ),
    "complex": Bad(lambda t, y: y + 1j, "Complex data not supported"),
    "three dimensions": Bad(lambda t, y: y[:, None, None], "array with dim 3, while"),
    "a number": Bad(lambda t, y: 3, "got scalar `array(3)` instead", TypeError),
    "a word": Bad(lambda t, y: "word", "got scalar `array('word'", TypeError),
    "rows of unequal length": Bad(
        lambda t, y: [[0], [0, 1]] * 12,
        "The detected shape was (24,) + inhomogeneous part",
    ),
    "no columns": Bad(
        lambda t, y: np.zeros((24, 0)), "0 feature(s) (shape=(24, 0)) while"
    ),
    "None in a series": Bad(
        lambda t, y: pd.Series(["a", None] * 12), "Input y contains NaN"
    ),
    "NaN among objects": Bad(
        lambda t, y: np.array([1, np.nan] * 12, dtype=object), "Input y contains NaN"
    ),
}
BAD_CLASSES = {
    "numbers": Bad(
        lambda t, y: t.numbers,
        "Unknown label type: continuous. {name} must hold class labels, one per "
        "sample, or zeros and ones in one column per label, but it holds fractional "
        "numbers: use ScratchMLPRegressor",
    ),
    "missing in a series": Bad(
        lambda t, y: pd.Series(y, dtype="Int64").mask(y == 1), "y contains NaN"
    ),
    "integers as objects": Bad(
        lambda t, y: y.astype(object), "convert numbers of dtype object, as by"
    ),
    "integers and text": Bad(
        lambda t, y: as_objects(y, "a"),
        "{name} can't be used: '<' not supported between instances of",
        TypeError,
    ),
    "text of booleans": Bad(
        lambda t, y: np.array(["False", True] * 12, dtype=object),
        "'<' not supported between instances of 'bool' and 'str'",
        TypeError,
    ),
    "complex": Bad(lambda t, y: y + 1j, "Complex data not supported [0.+1.j"),
}
BAD_NUMBERS = {
    "None among objects": Bad(
        lambda t, y: as_objects(y, None),
        "{name} contains NaN, infinity or values too large for float64",
    ),
    "too large for float64": Bad(
        lambda t, y: y.astype(np.longdouble) * np.longdouble("1e400"),
        "{name} contains NaN, infinity or values too large for float64",
    ),
    "an integer that no float holds": Bad(
        lambda t, y: as_objects(y, 10**400),
        "X and y must hold numbers that floats can hold: int too large",
    ),
    "text": Bad(lambda t, y: ["word"] * N_SAMPLES, "{name} must hold numbers, got <U"),
    "dates": Bad(
        lambda t, y: np.full(N_SAMPLES, "2020-01-01", "M8[D]"),
        "{name} must hold numbers, got datetime64[D]",
    ),
    "dict among objects": Bad(
        lambda t, y: as_objects(y, {}),
        "must be a string or a real number, not 'dict'",
        TypeError,
    ),
}


def assert_targets_are_refused(bad, name, state, method):
    def call(t):
        good = good_targets(name, t)
        value = bad.make(t, good)
        if method == "y_val":
            estimator = getattr(t, name)(early_stopping=True)
            return estimator.fit(t.X, good, X_val=t.X, y_val=value)
        options = classes_for(name) if method == "partial_fit" else {}
        return getattr(getattr(t, name)(), method)(t.X, value, **options)

    called = "y_val" if method == "y_val" else "y"
    message = bad.message.format(name=called)
    assert_refused(Refused(call, message, bad.error), Estimators(state))


each_call_with_targets = pytest.mark.parametrize(
    "method", ["fit", "partial_fit", "y_val"]
)


@each_bad(BAD_TARGETS)
@each_call_with_targets
@each_state
@pytest.mark.parametrize("name", ESTIMATORS)
def test_bad_targets_are_refused(bad, name, state, method):
    assert_targets_are_refused(bad, name, state, method)


@each_bad(BAD_CLASSES)
@each_call_with_targets
@each_state
def test_bad_classes_are_refused(bad, state, method):
    assert_targets_are_refused(bad, "classifier", state, method)


@each_bad(BAD_NUMBERS)
@each_call_with_targets
@each_state
def test_bad_numbers_to_predict_are_refused(bad, state, method):
    assert_targets_are_refused(bad, "regressor", state, method)


BAD_WEIGHTS = {
    "NaN": Bad(lambda t: put(t.weights, np.nan), "Input {name} contains NaN"),
    "infinity": Bad(lambda t: put(t.weights, np.inf), "Input {name} contains infinity"),
    "both infinities": Bad(
        lambda t: put(put(t.weights, np.inf)[::-1], -np.inf),
        "Input {name} contains infinity",
    ),
    "one negative": Bad(
        lambda t: put(t.weights, -1), "Negative values in data passed to `{name}`"
    ),
    "all negative": Bad(
        lambda t: -t.weights, "Negative values in data passed to `{name}`"
    ),
    "a negative number": Bad(
        lambda t: -1, "Negative values in data passed to `{name}`"
    ),
    "zeros": Bad(
        lambda t: 0 * t.weights,
        "Sample weights must contain at least one non-zero number",
    ),
    "zero": Bad(
        lambda t: 0.0, "Sample weights must contain at least one non-zero number"
    ),
    "one too few": Bad(
        lambda t: t.weights[:-1], "{name}.shape == (23,), expected (24,)"
    ),
    "too few": Bad(lambda t: t.weights[:3], "{name}.shape == (3,), expected (24,)"),
    "two dimensions": Bad(
        lambda t: t.weights[:, None],
        "Sample weights must be 1D array or scalar, got 2D array",
    ),
    "rows of unequal length": Bad(lambda t: [[1], [1, 2]], "an inhomogeneous shape"),
    "text": Bad(lambda t: ["heavy"] * N_SAMPLES, "to float: 'heavy'"),
    "complex": Bad(lambda t: t.weights + 1j, "Complex data not supported [1.+1.j"),
    "dict": Bad(lambda t: {}, "a string or a real number, not 'dict'", TypeError),
    "sparse": Bad(
        lambda t: sparse.csr_array(t.weights[:, None]),
        "Sparse data was passed for sample_weight, but dense data is required",
        TypeError,
    ),
    "NaN for all": Bad(
        lambda t: np.nan,
        "{name} must be finite, and positive for at least one sample",
    ),
    "infinity for all": Bad(
        lambda t: np.inf,
        "{name} must be finite, and positive for at least one sample",
    ),
    "a sum that overflows": Bad(
        lambda t: 1e308 * t.weights,
        "{name} contains NaN, infinity or values too large for float64",
    ),
    "integers that no float holds": Bad(
        lambda t: [10**400] * N_SAMPLES,
        "{name} must hold numbers that floats can hold: int too large",
    ),
}


@each_bad(BAD_WEIGHTS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "sample_weight_val"])
@each_state
@pytest.mark.parametrize("name", ESTIMATORS)
def test_bad_weights_are_refused(bad, name, state, method):
    def call(t):
        y = good_targets(name, t)
        if method == "sample_weight_val":
            estimator = getattr(t, name)(early_stopping=True)
            own = {"X_val": t.X, "y_val": y, "sample_weight_val": bad.make(t)}
            return estimator.fit(t.X, y, **own)
        options = classes_for(name) if method == "partial_fit" else {}
        train = getattr(getattr(t, name)(), method)
        return train(t.X, y, sample_weight=bad.make(t), **options)

    called = method if method == "sample_weight_val" else "sample_weight"
    message = bad.message.format(name=called)
    assert_refused(Refused(call, message, bad.error), Estimators(state))


OF_FIT = {
    "y in float32": Refused(
        lambda t: t.regressor(dtype="float32").fit(t.X, 1e300 * t.numbers),
        "y contains NaN, infinity or values too large for float32",
    ),
    "weights in float32": Refused(
        lambda t: t.classifier(dtype="float32").fit(t.X, t.y, 1e300 * t.weights),
        "Input sample_weight contains infinity or a value too large for dtype('float32",
    ),
    "weights of numbers in float32": Refused(
        lambda t: t.regressor(dtype="float32").fit(t.X, t.numbers, 1e300 * t.weights),
        "Input sample_weight contains infinity or a value too large for dtype('float32",
    ),
    "no y": Refused(
        lambda t: t.classifier().fit(t.X),
        "missing 1 required positional argument: 'y'",
        TypeError,
    ),
    "None as classes": Refused(
        lambda t: t.classifier().fit(t.X, None),
        "ScratchMLPClassifier estimator requires y to be passed",
    ),
    "None as numbers": Refused(
        lambda t: t.regressor().fit(t.X, None),
        "ScratchMLPRegressor estimator requires y to be passed",
    ),
    "sparse classes": Refused(
        lambda t: t.classifier().fit(t.X, sparse.csr_array(t.y[:, None])),
        "Sparse data was passed for y, but dense data is required",
        TypeError,
    ),
    "two columns of numbers as classes": Refused(
        lambda t: t.classifier().fit(t.X, np.column_stack([t.numbers, t.numbers])),
        "Unknown label type: continuous-multioutput. y must hold class labels",
    ),
    "two columns of classes": Refused(
        lambda t: t.classifier().fit(t.X, np.column_stack([t.y, t.y])),
        "but it has several columns of classes: pass one column, or fit one classifier",
    ),
    "labels of 0 and 2": Refused(
        lambda t: t.classifier().fit(t.X, 2 * t.labels),
        "y must hold zeros and ones where it has one column per label, got [0 2]",
    ),
    "labels of -1 and 1": Refused(
        lambda t: t.classifier().fit(t.X, 2 * t.labels - 1),
        "y must hold zeros and ones where it has one column per label, got [-1 1]",
    ),
    "sparse labels of 3": Refused(
        lambda t: t.classifier().fit(t.X, sparse.csr_array(3 * t.labels)),
        "y must hold zeros and ones where it has one column per label, got [3]",
    ),
    "negative numbers for Poisson": Refused(
        lambda t: t.regressor(loss="poisson").fit(t.X, np.arange(24) - 1.5),
        "y must not be negative for loss='poisson', got -1.5",
    ),
    # Finite, but too large to train on
    "weights of classes that overflow": Refused(
        lambda t: t.classifier(class_weight=dict.fromkeys([0, 1, 2], 1e308)).fit(
            t.X, t.y
        ),
        "sample_weight times class_weight contains NaN, infinity or values too large",
    ),
    "weights times those of classes overflow": Refused(
        lambda t: t.classifier(class_weight={1: 1e200}).fit(
            t.X, t.y, 1e200 * t.weights
        ),
        "sample_weight times class_weight contains",
    ),
    "y_val whose squares overflow": Refused(
        lambda t: t.regressor(early_stopping=True).fit(
            t.X, t.numbers, X_val=t.X, y_val=1e300 * t.numbers
        ),
        "y_val holds values too large to validate on in float64: their squares",
    ),
    # Validation data that do not fit the training data
    "y_val of other classes": Refused(
        lambda t: t.classifier(early_stopping=True).fit(
            t.X, t.y, X_val=t.X, y_val=t.y + 1
        ),
        "y_val has classes that are not in y: [1 2 3] against [0 1 2]",
    ),
    "y_val of text for booleans": Refused(
        lambda t: t.classifier(early_stopping=True).fit(
            t.X,
            t.two_classes == 1,
            X_val=t.X,
            y_val=(t.two_classes == 1).astype(str),
        ),
        "y_val has classes that are not in y: ['False' 'True'] against [False True]",
    ),
    "y_val multilabel": Refused(
        lambda t: t.classifier(early_stopping=True).fit(
            t.X, t.y, X_val=t.X, y_val=t.labels
        ),
        "y_val must be one-dimensional, as y is, but it is two-dimensional",
    ),
    "y_val of two outputs": Refused(
        lambda t: t.regressor(early_stopping=True).fit(
            t.X, t.numbers, X_val=t.X, y_val=np.column_stack([t.numbers, t.numbers])
        ),
        "y_val must have the 1 outputs of y, got 2",
    ),
    "y_val negative for Poisson": Refused(
        lambda t: t.new_regressor(early_stopping=True, loss="poisson").fit(
            t.X, t.numbers**2, X_val=t.X, y_val=t.numbers
        ),
        "y_val must not be negative for loss='poisson', got",
    ),
    "y_val alone": Refused(
        lambda t: t.regressor(early_stopping=True).fit(t.X, t.numbers, y_val=t.numbers),
        "X_val and y_val must be given together, or neither",
    ),
    "sample_weight_val alone": Refused(
        lambda t: t.classifier(early_stopping=True).fit(
            t.X, t.y, sample_weight_val=t.weights
        ),
        "sample_weight_val needs X_val and y_val",
    ),
    # Too few samples to validate on some
    "two samples to stop early": Refused(
        lambda t: t.regressor(early_stopping=True).fit(t.X[:2], t.numbers[:2]),
        "early stopping needs at least 3 samples, got n_samples = 2",
    ),
    "two samples of two classes to stop early": Refused(
        lambda t: t.classifier(early_stopping=True).fit(t.X[:2], t.two_classes[:2]),
        "The validation set is too small. Increase 'validation_fraction'",
    ),
    "one sample of a class to stop early": Refused(
        lambda t: t.classifier(early_stopping=True).fit(t.X[:4], ["u", "v", "v", "v"]),
        "'False' stands for ['u'] and 'True' for ['v']: early stopping needs two",
    ),
    "no samples to validate on": Refused(
        lambda t: t.classifier(early_stopping=True, validation_fraction=0.0).fit(
            t.X, t.y
        ),
        "validation_fraction=0.0 of 24 samples leaves 24 to train on and 0 to validate "
        "on: at least 1 and 2 are needed",
    ),
    "no samples to train on": Refused(
        lambda t: t.regressor(early_stopping=True, validation_fraction=0.99).fit(
            t.X, t.numbers
        ),
        "validation_fraction=0.99 of 24 samples leaves 0 to train on",
    ),
    "one sample of two classes to train on": Refused(
        lambda t: t.classifier(early_stopping=True, validation_fraction=0.95).fit(
            t.X, t.two_classes
        ),
        "leaves 1 to train on and 23 to validate on: at least 2 and 2 are needed",
    ),
}
# Of estimators that were fitted before.
OF_FITTED = {
    "y_val of classes for labels": Refused(
        lambda t: t.classifier(on=(t.X, t.labels), early_stopping=True).fit(
            t.X, t.labels, X_val=t.X, y_val=t.y
        ),
        "y_val must be two-dimensional, with one column per label, as y is",
    ),
    "y_val of labels of 0 and 2": Refused(
        lambda t: t.classifier(on=(t.X, t.labels), early_stopping=True).fit(
            t.X, t.labels, X_val=t.X, y_val=2 * t.labels
        ),
        "y_val must hold zeros and ones where it has one column per label, got [0 2]",
    ),
    "further labels of 0 and 2": Refused(
        lambda t: t.classifier(on=(t.X, t.labels)).partial_fit(t.X, 2 * t.labels),
        "y must hold zeros and ones where it has one column per label, got [0 2]",
    ),
    # What scikit-learn's metrics refuse
    "score: too few classes": Refused(
        lambda t: t.classifier().score(t.X, t.y[:-1]), "inconsistent numbers of samples"
    ),
    "score: too few numbers": Refused(
        lambda t: t.regressor().score(t.X, t.numbers[:-1]),
        "inconsistent numbers of samples",
    ),
    "score: numbers as classes": Refused(
        lambda t: t.classifier().score(t.X, t.numbers),
        "can't handle a mix of continuous and",
    ),
    "score: two columns of classes": Refused(
        lambda t: t.classifier().score(t.X, np.column_stack([t.y, t.y])),
        "can't handle a mix of multiclass-multioutput and",
    ),
    "score: two columns of numbers": Refused(
        lambda t: t.regressor().score(t.X, np.column_stack([t.numbers, t.numbers])),
        "different number of output (2!=1)",
    ),
    "score: None": Refused(
        lambda t: t.classifier().score(t.X, None),
        "The 'y_true' parameter of accuracy_score must be an array-like",
    ),
    "score: NaN": Refused(
        lambda t: t.regressor().score(t.X, put(t.numbers, np.nan)), "Input contains NaN"
    ),
    "score: too few weights": Refused(
        lambda t: t.regressor().score(t.X, t.numbers, t.weights[:3]),
        "numbers of samples: [24, 24, 3]",
    ),
    "score: weights of zero": Refused(
        lambda t: t.classifier().score(t.X, t.y, 0 * t.weights),
        "at least one non-zero number",
    ),
}


@each_case(OF_FIT)
@each_state
def test_fit_refuses_other_bad_targets(case, state):
    assert_refused(case, Estimators(state))


@each_case(OF_FITTED)
@pytest.mark.parametrize("state", ["fitted", "ensemble"])
def test_a_fitted_estimator_refuses_other_bad_targets(case, state):
    assert_refused(case, Estimators(state))


def test_no_call_is_in_the_tables_twice():
    assert_all_differ(OF_FIT, OF_FITTED)
