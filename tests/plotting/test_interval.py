"""The plot of prediction intervals shows what was predicted and what came."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skscratch import ScratchMLPRegressor
from skscratch.plotting import PredictionIntervalDisplay

pyplot = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def fitted():
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (200, 2))
    y = X[:, 0] + random.standard_normal(200)
    reg = ScratchMLPRegressor(
        hidden_layer_sizes=(8,), intervals=True, max_iter=20, random_state=0
    )
    return reg.fit(X[:150], y[:150]), X[150:], y[150:]


def test_all_samples_are_drawn_in_the_order_of_the_predictions(fitted):
    reg, X, y = fitted
    display = PredictionIntervalDisplay.from_estimator(reg, X, y, coverage=0.7)
    intervals, predictions = reg.predict_interval(X, 0.7), reg.predict(X)
    order = np.argsort(predictions)
    segments = np.array(display.interval_lines_.get_segments())
    assert_allclose(segments[:, :, 1], intervals[order])
    assert_allclose(display.prediction_line_.get_ydata(), predictions[order])
    inside, outside = display.inside_line_, display.outside_line_
    held = (intervals[:, 0] <= y) & (y <= intervals[:, 1])
    assert len(inside.get_ydata()) == held.sum()
    assert_array_equal(np.sort(outside.get_ydata()), np.sort(y[~held]))
    drawn = np.concatenate([inside.get_xdata(), outside.get_xdata()])
    assert_array_equal(np.sort(drawn), np.arange(50))
    assert display.ax_.get_title() == "Intervals of coverage 0.7"
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert f"target outside ({(~held).mean():.1%})" in texts
    assert inside.get_marker() != outside.get_marker()


def test_it_is_drawn_on_given_axes(fitted):
    figure, (_, ax) = pyplot.subplots(1, 2)
    display = PredictionIntervalDisplay.from_estimator(*fitted, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    # Once more, from what the display keeps.
    again = PredictionIntervalDisplay(display.intervals, display.y_pred, display.y_true)
    assert again.plot().ax_.get_title() == ""


def test_an_estimator_without_intervals_is_refused(fitted):
    _, X, y = fitted
    plain = ScratchMLPRegressor(
        hidden_layer_sizes=(8,), max_iter=5, random_state=0
    ).fit(X, y)
    with pytest.raises(ValueError, match="estimator must have predict_interval, which"):
        PredictionIntervalDisplay.from_estimator(plain, X, y)


@pytest.mark.parametrize(
    ("intervals", "predictions", "targets"),
    [
        (np.zeros((3, 2)), np.zeros(3), np.zeros(4)),
        (np.zeros((3, 3)), np.zeros(3), np.zeros(3)),
        (np.zeros((3, 2, 2)), np.zeros((3, 2)), np.zeros((3, 2))),
        (np.zeros((0, 2)), np.zeros(0), np.zeros(0)),
    ],
)
def test_arrays_of_other_shapes_are_refused(intervals, predictions, targets):
    display = PredictionIntervalDisplay(intervals, predictions, targets)
    with pytest.raises(ValueError, match=r"intervals must have shape \(n_samples, 2\)"):
        display.plot()
