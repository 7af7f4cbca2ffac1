"""Calls that contradict earlier ones are refused in words, and change nothing.

Here are ``partial_fit``, warm starts, and fits that start others or end for want of
memory.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from refusals import (
    ESTIMATORS,
    SMALL,
    Estimators,
    Refused,
    Watched,
    alternating,
    assert_all_differ,
    assert_refused,
    each_case,
    every_estimator,
    grid,
    put,
    watch_fitted,
)

from skscratch import Network, ScratchMLPRegressor

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Fitting:
    """A callback that fits the estimator whose fit it follows."""

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        estimator.fit(np.ones((4, 2)), [0, 1, 0, 1])


def fit_again(estimator, X, y):
    """Fit the estimator to be scored; a scorer."""
    return estimator.fit(X, y)


class BadClasses(NamedTuple):
    """Classes that the first call to partial_fit must refuse."""

    classes: Any
    message: str
    error: type[Exception] = ValueError


BAD_CLASSES = {
    "a class too few": BadClasses(
        [0, 1], "y has classes that are not in classes_: [0 1 2] against [0 1]"
    ),
    "none": BadClasses(
        [], "y has classes that are not in classes_: [0 1 2] against []"
    ),
    "text": BadClasses(
        ["0", "1", "2"],
        "y has classes that are not in classes_: [0 1 2] against ['0' '1' '2']",
    ),
    "a number": BadClasses(
        3, "Expected array-like (array or non-string sequence), got 3"
    ),
    "a word": BadClasses(
        "abc", "Expected array-like (array or non-string sequence), got 'abc'"
    ),
    "fractions": BadClasses(
        [0.5, 1, 2], "Unknown label type: continuous. classes must hold class labels"
    ),
    "NaN": BadClasses([0, 1, 2, np.nan], "classes can't be used: Input contains NaN"),
    "text and None": BadClasses(
        ["a", None], "classes can't be used: '<' not supported between", TypeError
    ),
}


@each_case(BAD_CLASSES)
@pytest.mark.parametrize("is_ensemble", [False, True])
def test_the_first_part_of_a_stream_refuses_bad_classes(case, is_ensemble):
    def call(t):
        return t.new_classifier().partial_fit(t.X, t.y, classes=case.classes)

    things = Estimators("ensemble" if is_ensemble else "fitted")
    assert_refused(Refused(call, case.message, case.error), things)


# With multilabel targets classes are ignored, as in scikit-learn.
STREAMS = {
    "no classes": Refused(
        lambda t: t.new_classifier().partial_fit(t.X, t.y),
        "classes must be passed on the first call to partial_fit",
    ),
    "classes of text and boolean": Refused(
        lambda t: t.new_classifier().partial_fit(
            t.X, t.two_classes == 1, classes=["False", True]
        ),
        "classes can't be used: Mix of label input types (string and number)",
    ),
    "text classes for booleans": Refused(
        lambda t: t.new_classifier().partial_fit(
            t.X, t.two_classes == 1, classes=["False", "True"]
        ),
        "not in classes_: [False True] against ['False' 'True']",
    ),
    "infinity in the first part": Refused(
        lambda t: t.new_classifier().partial_fit(
            put(t.X, np.inf), t.y, classes=[0, 1, 2]
        ),
        "Input X contains infinity",
    ),
    "weights of zero in the first part": Refused(
        lambda t: t.new_regressor().partial_fit(t.X, t.numbers, 0 * t.weights),
        "Sample weights must contain at least one non-zero number",
    ),
    "infinite classes": Refused(
        lambda t: t.classifier().partial_fit(t.X, t.y, classes=[0, 1, np.inf]),
        "classes can't be used: Input contains infinity",
    ),
    "other classes in y": Refused(
        lambda t: t.classifier().partial_fit(t.X, t.y + 1),
        "y has classes that are not in classes_: [1 2 3] against [0 1 2]",
    ),
    "other classes": Refused(
        lambda t: t.classifier().partial_fit(t.X, t.y, classes=[0, 1]),
        "classes=[0, 1] differs from the first call to partial_fit, which was [0 1 2]",
    ),
    "labels after classes": Refused(
        lambda t: t.classifier().partial_fit(t.X, t.labels),
        "y is two-dimensional, with one column per label, but earlier calls used class",
    ),
    "more outputs": Refused(
        lambda t: t.regressor().partial_fit(
            t.X, np.column_stack([t.numbers, t.numbers])
        ),
        "y has 2 outputs, but earlier calls had 1",
    ),
    "another layer": Refused(
        lambda t: t.regressor(hidden_layer_sizes=(4,)).partial_fit(t.X, t.numbers),
        "hidden_layer_sizes=(4,) does not fit the network to continue with, ",
    ),
    "another loss": Refused(
        lambda t: t.regressor(loss="poisson").partial_fit(t.X, t.numbers**2),
        "loss='poisson' is not the loss of the network to continue with, 'squared",
    ),
    "negative numbers for Poisson": Refused(
        lambda t: t.new_regressor(loss="poisson").partial_fit(t.X, t.numbers),
        "y must not be negative for loss='poisson', got ",
    ),
    "early stopping": Refused(
        lambda t: t.classifier(early_stopping=True).partial_fit(t.X, t.y),
        "partial_fit does not support early_stopping=True",
    ),
    "balanced classes": Refused(
        lambda t: t.classifier(class_weight="balanced").partial_fit(t.X, t.y),
        "partial_fit does not support class_weight='balanced'",
    ),
    "temperature": Refused(
        lambda t: t.classifier(temperature_scaling=True).partial_fit(t.X, t.y),
        "temperature_scaling=True needs early_stopping=True",
    ),
    "L-BFGS": Refused(
        lambda t: t.regressor(solver="lbfgs").partial_fit(t.X, t.numbers),
        "'ScratchMLPRegressor' has no attribute 'partial_fit'",
        AttributeError,
    ),
}
WARM_STARTS = {
    "other classes": Refused(
        lambda t: t.classifier(warm_start=True).fit(t.X, t.y + 1),
        "Previously got [0 1 2], `y` has [1 2 3]",
    ),
    "fewer classes": Refused(
        lambda t: t.classifier(warm_start=True).fit(t.X, t.two_classes),
        "warm_start can only be used where `y` has the same classes",
    ),
    "labels after classes": Refused(
        lambda t: t.classifier(warm_start=True).fit(t.X, t.labels),
        "y is two-dimensional, with one column per label, but earlier calls used",
    ),
    "fewer features": Refused(
        lambda t: t.regressor(warm_start=True).fit(t.X[:, :3], t.numbers),
        "X has 3 features, but ScratchMLPRegressor is expecting 4 features",
    ),
    "more outputs": Refused(
        lambda t: t.regressor(warm_start=True).fit(
            t.X, np.column_stack([t.numbers, t.numbers])
        ),
        "y has 2 outputs, but earlier calls had 1",
    ),
    "other layers": Refused(
        lambda t: t.classifier(warm_start=True, hidden_layer_sizes=(2, 2)).fit(
            t.X, t.y
        ),
        "hidden_layer_sizes=(2, 2) does not fit the network to continue with",
    ),
    "another loss": Refused(
        lambda t: t.regressor(warm_start=True, loss="poisson").fit(t.X, t.numbers**2),
        "loss='poisson' is not the loss of the network to continue with, 'squared",
    ),
    "another loss after Poisson": Refused(
        lambda t: watch_fitted(
            ScratchMLPRegressor(**SMALL, loss="poisson", warm_start=True),
            t.X,
            t.numbers**2,
            loss="squared_error",
        ).fit(t.X, t.numbers),
        "loss='squared_error' is not the loss of the network to continue with, 'p",
    ),
}
FITS_WITHIN_FITS = {
    "by a scorer": Refused(
        lambda t: t.classifier(scoring=fit_again, early_stopping=True).fit(t.X, t.y),
        "This ScratchMLPClassifier is already being fitted, and can't be fitted by a "
        "callback, a scorer or another thread meanwhile. Fit a clone instead.",
    ),
    "by a callback": Refused(
        lambda t: (
            t.new_classifier(solver="lbfgs").set_callbacks(Fitting()).fit(t.X, t.y)
        ),
        "This ScratchMLPClassifier is already being fitted, and can't be fitted by a",
    ),
}
in_each_fitted_state = pytest.mark.parametrize("state", ["fitted", "ensemble"])


@each_case(STREAMS)
@in_each_fitted_state
def test_a_part_of_a_stream_that_does_not_fit_is_refused(case, state):
    assert_refused(case, Estimators(state))


@each_case(WARM_STARTS)
@in_each_fitted_state
def test_a_warm_start_that_does_not_fit_is_refused(case, state):
    assert_refused(case, Estimators(state))


@each_case(FITS_WITHIN_FITS)
@pytest.mark.parametrize("state", ["fitted", "unfitted", "ensemble"])
def test_a_fit_within_a_fit_is_refused(case, state):
    assert_refused(case, Estimators(state))


def test_no_call_is_in_the_tables_twice():
    assert_all_differ(STREAMS, WARM_STARTS, FITS_WITHIN_FITS)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@every_estimator
def test_memory_that_is_not_there_leaves_no_trace(name, method, monkeypatch):
    """A first fit is refused as if it had not been, and a later one likewise."""
    X, y = grid(12, 3), alternating(12)

    def initialized(*_, **__):
        raise MemoryError("Unable to allocate 298. GiB")

    fitted = Watched(ESTIMATORS[name](**SMALL).fit(X, y), X)
    new = Watched(ESTIMATORS[name](**SMALL))
    monkeypatch.setattr(Network, "initialized", initialized)
    is_first_part = (name, method) == ("classifier", "partial_fit")
    options = {"classes": [0, 1]} if is_first_part else {}
    with pytest.raises(MemoryError):
        getattr(new, method)(X, y, **options)
    with pytest.raises(MemoryError):
        fitted.fit(X, y)
