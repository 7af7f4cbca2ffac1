"""The picture of a training shows each curve as it is, and says what it is."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier, plotting
from skscratch.plotting import LossCurveDisplay

ROOT = Path(__file__).parents[1]
draw = LossCurveDisplay.from_estimator
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.fixture(autouse=True)
def _no_window():
    matplotlib.use("Agg")
    yield
    plt.close("all")


class Trained(BaseEstimator):
    """What a display reads of an estimator, and no more."""

    def __init__(self, solver="adam", scoring=None):
        self.solver = solver
        self.scoring = scoring

    def fit(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name + "_", value)
        return self


class TrainedClassifier(ClassifierMixin, Trained):
    pass


class TrainedRegressor(RegressorMixin, Trained):
    pass


LOSSES = [3.0, 1.5, 0.5, 1.0]
FULL = {
    "loss_curve": LOSSES,
    "validation_loss_curve": [4.0, 2.0, 1.0, 1.5],
    "validation_scores": [0.5, 0.9, 0.7, 0.8],
    "learning_rate_curve": [0.4, 0.2, 0.2, 0.1],
    "best_epoch": 2,
}


def trained(**changes):
    return Trained().fit(**FULL | changes)


@pytest.fixture(scope="module")
def fit():
    """Return what trains a network on the irises."""
    X, y = load_iris(return_X_y=True)
    return lambda **parameters: ScratchMLPClassifier(
        (8,), max_iter=12, random_state=0, **parameters
    ).fit(X, y)


def points(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def numbered(curve, first=1):
    return list(enumerate(curve, first))


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def is_integer(numbers):
    return np.array_equal(numbers, np.round(numbers))


# What is drawn


def test_each_curve_is_drawn_by_epochs_from_one():
    display = draw(trained(), learning_rate=True)
    for lines, axes, name in (
        (display.loss_lines_, display.ax_, "loss_curve"),
        (display.validation_loss_lines_, display.ax_, "validation_loss_curve"),
        (display.score_lines_, display.score_ax_, "validation_scores"),
        (
            display.learning_rate_lines_,
            display.learning_rate_ax_,
            "learning_rate_curve",
        ),
    ):
        (line,) = lines
        assert line.axes is axes
        assert points(line) == numbered(FULL[name])
    assert set(display.figure_.axes) == {
        display.ax_,
        display.score_ax_,
        display.learning_rate_ax_,
    }


@pytest.mark.parametrize("absent", [False, True])
def test_what_an_estimator_lacks_is_not_drawn(absent):
    estimator = trained(validation_loss_curve=None, validation_scores=None)
    if absent:
        estimator = Trained().fit(loss_curve=LOSSES, best_epoch=2)
    display = draw(estimator)
    assert display.validation_loss_lines_ == display.score_lines_ == [None]
    assert display.learning_rate_lines_ == [None]
    assert display.score_ax_ is display.learning_rate_ax_ is None
    assert display.figure_.axes == [display.ax_]
    assert legend(display) == ["Training loss", "Best epoch"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True},
        {"early_stopping": False},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"solver": "lbfgs"},
    ],
)
def test_fitted_networks_are_drawn(fit, parameters):
    network = fit(**parameters)
    with_rates = network.solver != "lbfgs"
    display = draw(network, learning_rate=with_rates)
    for (line,), curve, drawn in (
        (display.loss_lines_, network.loss_curve_, True),
        (
            display.validation_loss_lines_,
            network.validation_loss_curve_,
            network.early_stopping,
        ),
        (display.score_lines_, network.validation_scores_, network.early_stopping),
        (display.learning_rate_lines_, network.learning_rate_curve_, with_rates),
    ):
        assert (line is not None) == drawn
        assert not drawn or points(line) == numbered(curve)
    name = "Iteration" if network.solver == "lbfgs" else "Epoch"
    assert (display.learning_rate_ax_ or display.ax_).get_xlabel() == name
    assert legend(display)[-1] == f"Best {name.lower()}"
    ((epoch, _),) = points(display.best_epoch_markers_[0])
    if network.early_stopping:
        assert epoch == np.argmax(network.validation_scores_) + 1
        assert display.score_ax_.get_ylabel() == "Validation accuracy"
    else:
        assert epoch == np.argmin(network.loss_curve_) + 1


def test_a_pipelines_last_step_is_drawn():
    display = draw(make_pipeline(StandardScaler(), trained()))
    assert points(display.loss_lines_[0]) == numbered(LOSSES)


def test_scores_of_the_last_epochs_stand_there():
    display = draw(trained(validation_scores=[0.1, 0.3], best_epoch=None))
    assert points(display.score_lines_[0]) == [(3, 0.1), (4, 0.3)]
    assert points(display.best_epoch_markers_[0]) == [(4, 0.3)]


def test_what_is_no_number_is_a_gap_and_a_lone_point_is_a_marker():
    nan = np.nan
    display = draw(trained(validation_scores=[nan, 0.4, nan, nan], best_epoch=None))
    (line,) = display.score_lines_
    np.testing.assert_array_equal(line.get_ydata(), [nan, 0.4, nan, nan])
    assert line.get_markevery() == [1]
    assert line.get_marker() != "None"
    assert points(display.best_epoch_markers_[0]) == [(2, 0.4)]
    assert display.loss_lines_[0].get_markevery() == []


def test_scores_that_are_no_numbers_have_no_best_epoch():
    display = draw(trained(validation_scores=[np.nan] * 4, best_epoch=None))
    assert display.best_epoch_markers_ == [None]
    assert "Best epoch" not in legend(display)


@pytest.mark.parametrize(
    ("changes", "marked"),
    [
        ({}, (2, 0.9)),
        ({"best_epoch": 4}, (4, 0.8)),
        ({"best_epoch": None}, (2, 0.9)),
        ({"best_epoch": None, "validation_scores": None}, (3, 0.5)),
        ({"best_epoch": 1, "validation_scores": None}, (1, 3.0)),
        ({"best_epoch": None, "validation_scores": []}, (3, 0.5)),
    ],
)
def test_the_best_epoch_is_marked_on_what_it_is_chosen_by(changes, marked):
    (marker,) = draw(trained(**changes)).best_epoch_markers_
    assert points(marker) == [marked]


@pytest.mark.parametrize("number", [1, 2])
def test_a_single_epoch_is_seen(number):
    single = {name: [3.0] for name in FULL if name != "best_epoch"}
    display = draw(
        [trained(**single, best_epoch=1) for _ in range(number)], learning_rate=True
    )
    for lines in (display.loss_lines_, display.score_lines_):
        for line in lines:
            assert line.get_markevery() == [0]
            assert line.get_marker() != "None"
    display.figure_.draw_without_rendering()
    low, high = display.ax_.get_xlim()
    shown = [tick for tick in display.ax_.get_xticks() if low <= tick <= high]
    assert shown == [1]


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 5, 12, 200])
def test_ticks_are_whole_epochs(n_epochs):
    display = draw(Trained().fit(loss_curve=[1.0] * n_epochs))
    assert is_integer(display.ax_.get_xticks())


def test_the_scale_of_the_losses_is_chosen():
    assert draw(trained()).ax_.get_yscale() == "linear"
    display = draw(trained(), loss_scale="log")
    assert display.ax_.get_yscale() == "log"
    assert display.score_ax_.get_yscale() == "linear"


# What it says


def test_axes_and_lines_are_named():
    display = draw(trained(), learning_rate=True)
    assert display.ax_.get_ylabel() == "Loss"
    assert display.score_ax_.get_ylabel() == "Validation score"
    assert display.learning_rate_ax_.get_ylabel().split() == ["Learning", "rate"]
    assert display.learning_rate_ax_.get_xlabel() == "Epoch"
    assert display.ax_.get_xlabel() == ""
    assert draw(trained()).ax_.get_xlabel() == "Epoch"
    assert legend(display) == [
        *("Training loss", "Validation loss", "Validation score", "Best epoch")
    ]
    assert display.ax_.get_legend() is display.legend_
    assert display.score_ax_.get_legend() is None


def my_metric(estimator, X, y):
    """Stand in for a scorer; never called."""


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (Trained(), "Validation score"),
        (TrainedClassifier(), "Validation accuracy"),
        (TrainedRegressor(), "Validation R²"),
        (TrainedClassifier(scoring="r2"), "Validation R²"),
        (TrainedClassifier(scoring="loss"), "Validation negative loss"),
        (
            TrainedClassifier(scoring="neg_mean_squared_error"),
            "Validation negative mean squared error",
        ),
        (TrainedRegressor(scoring=my_metric), "Validation my metric"),
        (TrainedRegressor(scoring=object()), "Validation score"),
    ],
)
def test_the_score_is_named_where_it_is_known(estimator, name):
    display = draw(estimator.fit(**FULL))
    assert display.score_ax_.get_ylabel() == name
    assert name in legend(display)


def test_names_that_differ_are_given_up():
    epochs = TrainedClassifier().fit(**FULL)
    iterations = TrainedRegressor(solver="lbfgs").fit(**FULL)
    display = draw([epochs, iterations])
    assert display.ax_.get_xlabel() == "Epoch or iteration"
    assert display.score_ax_.get_ylabel() == "Validation score"
    assert draw(iterations).ax_.get_xlabel() == "Iteration"


def test_the_legend_lies_beside_the_lines():
    display = draw([trained(), trained()], labels=["a", "b"])
    display.figure_.draw_without_rendering()
    box = display.legend_.get_window_extent()
    assert box.y0 >= display.ax_.get_window_extent().y1
    assert box.y1 <= display.figure_.bbox.y1


@pytest.mark.parametrize("length", [1, 20, 60])
def test_the_legend_fits_the_figure(length):
    display = draw([trained()] * 3, labels=[c * length for c in "abc"])
    display.figure_.draw_without_rendering()
    box = display.legend_.get_window_extent()
    assert display.figure_.bbox.x0 <= box.x0
    assert box.x1 <= display.figure_.bbox.x1


# Several in one picture


def test_several_estimators_are_compared():
    estimators = [
        trained(),
        trained(loss_curve=[2.0, 1.0], **dict.fromkeys(list(FULL)[1:])),
    ]
    display = draw(estimators, labels=["one", "two"])
    for line, estimator in zip(display.loss_lines_, estimators, strict=True):
        assert points(line) == numbered(estimator.loss_curve_)
    assert points(display.score_lines_[0]) == numbered(FULL["validation_scores"])
    assert display.score_lines_[1] is None
    assert display.validation_loss_lines_[1] is None
    assert [points(m) for m in display.best_epoch_markers_] == [[(2, 0.9)], [(2, 1.0)]]
    assert legend(display) == [
        *("one", "two"),
        *("Training loss", "Validation loss", "Validation score", "Best epoch"),
    ]


def test_lines_are_told_apart_with_colour_and_without():
    display = draw([trained() for _ in range(6)], learning_rate=True)
    kinds = (
        display.loss_lines_,
        display.validation_loss_lines_,
        display.score_lines_,
    )
    every_line = [line for lines in kinds for line in lines]
    dashes = [line._dash_pattern for line in every_line]
    without = {
        (str(dash), line.get_marker())
        for dash, line in zip(dashes, every_line, strict=True)
    }
    assert len(without) == len(every_line) == 18
    assert all(line.get_markevery() for line in every_line)
    for lines in (*kinds, display.best_epoch_markers_, display.learning_rate_lines_):
        assert len({line.get_color() for line in lines}) == 6
        own = [line.get_color() for line in display.loss_lines_]
        assert [line.get_color() for line in lines] == own
    for line, handle in zip(
        display.loss_lines_, display.legend_.legend_handles[:6], strict=True
    ):
        assert handle.get_color() == line.get_color()
        assert handle.get_marker() == line.get_marker()


def test_lines_that_lie_on_each_other_show_markers_of_each():
    same = Trained().fit(loss_curve=np.linspace(2, 1, 100).tolist())
    marked = [line.get_markevery() for line in draw([same, same, same]).loss_lines_]
    assert all(5 <= len(places) <= 10 for places in marked)
    assert len(set().union(*marked)) == sum(map(len, marked))


def test_many_more_than_there_are_colours_are_still_told_apart():
    display = draw([trained()] * 56)
    looks = {(line.get_color(), line.get_marker()) for line in display.loss_lines_}
    assert len(looks) == 56


def test_labels_are_numbered_where_none_are_given():
    estimators = (trained(), TrainedClassifier().fit(**FULL))
    assert legend(draw(estimators))[:2] == ["Trained 1", "TrainedClassifier 2"]
    assert legend(draw(estimators[0]))[0] == "Training loss"
    bare = LossCurveDisplay(loss_curves=[LOSSES, LOSSES]).plot()
    assert legend(bare)[:2] == ["Training 1", "Training 2"]


@pytest.mark.parametrize("labels", ["mine", ["mine"]])
def test_a_single_estimator_may_have_a_name(labels):
    assert legend(draw(trained(), labels=labels))[:2] == ["mine", "Training loss"]


# Where it is drawn


def test_a_given_axes_is_drawn_on_and_stays_current():
    figure, (left, right) = plt.subplots(1, 2)
    plt.sca(left)
    before = plt.get_fignums()
    display = draw(trained(), ax=right, learning_rate=True)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert plt.get_fignums() == before
    assert plt.gca() is left
    assert not left.lines
    assert not left.get_legend()


@pytest.mark.parametrize("by_place", [False, True])
def test_the_learning_rate_has_a_part_of_the_axes_place(by_place):
    figure = plt.figure()
    place = (0.2, 0.2, 0.5, 0.5)
    axes = figure.add_axes(place) if by_place else figure.add_subplot()
    whole = axes.get_position()
    display = draw(trained(), ax=axes, learning_rate=True)
    figure.draw_without_rendering()
    upper, lower = axes.get_position(), display.learning_rate_ax_.get_position()
    assert (upper.y1, lower.y0) == pytest.approx((whole.y1, whole.y0))
    assert lower.y1 < upper.y0
    assert upper.height > lower.height
    for part in (upper, lower, display.score_ax_.get_position()):
        assert (part.x0, part.x1) == pytest.approx((whole.x0, whole.x1))
    axes.set_xlim(-3, 12)
    assert display.learning_rate_ax_.get_xlim() == (-3, 12)
    assert not any(label.get_visible() for label in axes.get_xticklabels())
    assert any(
        label.get_visible() for label in display.learning_rate_ax_.get_xticklabels()
    )


def test_without_an_axes_a_figure_is_made_at_each_call():
    settings = dict(matplotlib.rcParams)
    display = draw(trained())
    first = display.figure_
    assert first.get_layout_engine() is not None
    assert plt.get_fignums() == [first.number]
    assert plt.gca() is display.ax_
    assert display.plot() is display
    assert display.figure_ is not first
    assert dict(matplotlib.rcParams) == settings


def test_a_part_of_a_figure_is_a_place_too():
    parts = plt.figure(layout="constrained").subfigures(1, 2)
    display = draw(trained(), ax=parts[1].subplots(), learning_rate=True)
    assert display.figure_ is parts[1]
    assert not parts[0].axes


# What is refused


def refused(estimator, error, message, **options):
    with pytest.raises(error, match=message):
        draw(estimator, **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize("wrap", [list, tuple])
def test_what_is_no_fitted_estimator_is_refused(wrap):
    network = ScratchMLPClassifier()
    refused(network, NotFittedError, "ScratchMLPClassifier")
    refused(wrap([trained(), network]), NotFittedError, "ScratchMLPClassifier")
    refused(make_pipeline(network), NotFittedError, "ScratchMLPClassifier")
    refused(wrap([]), ValueError, "estimator must hold at least one")
    for thing in (None, "network", 3, ScratchMLPClassifier):
        refused(thing, TypeError, "not an (estimator )?instance")


@pytest.mark.parametrize("curve", [None, []])
def test_an_estimator_without_losses_is_refused(curve):
    message = "estimator must have a loss_curve_ .* Trained"
    refused(Trained().fit(loss_curve=curve, n_iter=0), ValueError, message)
    refused([trained(), StandardScaler().fit([[1]])], ValueError, "loss_curve_ .*Scal")


@pytest.mark.parametrize("labels", ["one", ["one"], ["one", "two", "three"], [], "ab"])
def test_labels_that_are_not_as_many_are_refused(labels):
    refused([trained(), trained()], ValueError, r"labels .* 2, got", labels=labels)


def test_learning_rates_that_are_not_there_are_refused(fit):
    message = "learning_rate=True .*learning_rate_curve_.* of "
    without = trained(learning_rate_curve=None)
    refused(without, ValueError, message + "this one", learning_rate=True)
    both, labels = [trained(), without], ["with", "none"]
    refused(both, ValueError, message + "none", labels=labels, learning_rate=True)
    refused(fit(solver="lbfgs"), ValueError, message, learning_rate=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss_curves": []}, "loss_curves must hold"),
        ({"loss_curves": [LOSSES, []]}, "loss_curves must hold"),
        ({"loss_curves": [[LOSSES]]}, r"loss_curves .* \(1, 4\)"),
        ({"validation_scores": [LOSSES, LOSSES]}, "validation_scores .* 1, got"),
        ({"validation_scores": [[1, *LOSSES]]}, r"validation_scores .* 4, .*\(5,\)"),
        ({"validation_loss_curves": [[1, *LOSSES]]}, "validation_loss_curves .* 4"),
        ({"best_epochs": [0]}, "best_epochs .* 4, got 0"),
        ({"best_epochs": [5]}, "best_epochs .* 4, got 5"),
        ({"best_epochs": [1, 2]}, "best_epochs .* 1, got"),
        ({"labels": "name"}, "labels .* 1, got 'name'"),
        ({"labels": "x"}, "labels .* 1, got 'x'"),
    ],
)
def test_data_that_do_not_fit_each_other_are_refused(changes, message):
    display = LossCurveDisplay(**{"loss_curves": [LOSSES]} | changes)
    with pytest.raises(ValueError, match=message):
        display.plot()
    assert not plt.get_fignums()


def test_a_missing_matplotlib_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skscratch\[plot\]'"):
        draw(trained())


def test_matplotlib_is_imported_when_something_is_drawn():
    command = "import sys, skscratch.plotting; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", command], check=True, cwd=ROOT)


def test_a_figure_of_ones_own_needs_no_pyplot():
    command = """
import sys
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from skscratch.plotting import LossCurveDisplay
class Trained(BaseEstimator):
    def fit(self): ...
trained = Trained()
trained.loss_curve_ = trained.learning_rate_curve_ = [2.0, 1.0]
trained.validation_scores_ = [0.1, 0.2]
axes = Figure().add_subplot()
LossCurveDisplay.from_estimator(trained, ax=axes, learning_rate=True)
sys.exit("matplotlib.pyplot" in sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", command], check=True, cwd=ROOT)


# What is said of it


def test_the_examples_give_what_they_say():
    failed, tried = doctest.testmod(plotting)
    assert not failed
    assert tried


def test_the_readmes_picture_is_drawn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    path = tmp_path / "figures" / "curve.png"
    importlib.import_module("draw_figures").main([str(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 100_000
    assert not plt.get_fignums()
