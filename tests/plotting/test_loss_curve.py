"""``LossCurveDisplay`` draws and labels the curves of fitted estimators."""

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
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.plotting import LossCurveDisplay, interval, loss_curve

ROOT = Path(__file__).parents[2]
draw = LossCurveDisplay.from_estimator
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.fixture(autouse=True)
def _no_windows():
    matplotlib.use("Agg")
    yield
    plt.close("all")


class Trained(BaseEstimator):
    """Estimator with only the attributes that a display reads."""

    def __init__(self, scoring=None):
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
    """Function that trains a network on iris."""
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


# Curves


def test_each_curve_is_drawn_against_epochs_from_one():
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


@pytest.mark.parametrize("is_absent", [False, True])
def test_curves_that_an_estimator_lacks_are_not_drawn(is_absent):
    estimator = trained(validation_loss_curve=None, validation_scores=None)
    if is_absent:
        estimator = Trained().fit(loss_curve=LOSSES, best_epoch=2)
    display = draw(estimator)
    assert display.validation_loss_lines_ == display.score_lines_ == [None]
    assert display.learning_rate_lines_ == [None]
    assert display.score_ax_ is display.learning_rate_ax_ is None
    assert display.figure_.axes == [display.ax_]
    assert legend(display) == ["Training loss"]


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
    has_rates = network.solver != "lbfgs"
    display = draw(network, learning_rate=has_rates)
    for (line,), curve, is_drawn in (
        (display.loss_lines_, network.loss_curve_, True),
        (
            display.validation_loss_lines_,
            network.validation_loss_curve_,
            network.early_stopping,
        ),
        (display.score_lines_, network.validation_scores_, network.early_stopping),
        (display.learning_rate_lines_, network.learning_rate_curve_, has_rates),
    ):
        assert (line is not None) == is_drawn
        assert not is_drawn or points(line) == numbered(curve)
    name = "Iteration" if network.solver == "lbfgs" else "Epoch"
    assert (display.learning_rate_ax_ or display.ax_).get_xlabel() == name
    if network.early_stopping:
        assert legend(display)[-1] == "Best epoch"
        ((epoch, _),) = points(display.best_epoch_markers_[0])
        assert epoch == np.argmax(network.validation_scores_) + 1
        assert display.score_ax_.get_ylabel() == "Validation accuracy"
    else:
        assert legend(display) == ["Training loss"]
        assert display.best_epoch_markers_ == [None]


@pytest.mark.parametrize("restore_best", [True, "together"])
def test_the_best_epoch_of_an_ensemble_is_marked_on_its_mean_curve(fit, restore_best):
    network = fit(
        **{"n_estimators": 4, "early_stopping": True, "solver": "sgd"},
        learning_rate_init=0.3,
        restore_best=restore_best,
    )
    scores, epoch = network.validation_scores_, network.best_epoch_
    bests = {member.best_epoch_ for member in network.estimators_}
    assert (epoch is None) == (len(bests) > 1) == (restore_best is True)
    display = draw(network)
    if epoch is None:
        epoch = int(np.argmax(scores)) + 1
    assert points(display.best_epoch_markers_[0]) == [(epoch, scores[epoch - 1])]
    assert display.best_epoch_markers_[0].axes is display.score_lines_[0].axes


# What holds a network


def in_search(search, **parameters):
    """Wrap an estimator in a search over one candidate, with data to fit it."""
    return lambda inner: search(inner, {}, cv=2, **parameters)


# Functions that put a regressor into something that predicts with it.
WRAPPERS = {
    "pipeline": lambda inner: make_pipeline(StandardScaler(), inner),
    "grid search": in_search(GridSearchCV),
    "random search": in_search(RandomizedSearchCV, n_iter=1),
    "halving search": in_search(HalvingGridSearchCV, max_resources=60, factor=2),
    "several metrics": in_search(
        GridSearchCV, scoring=["r2", "neg_max_error"], refit="r2"
    ),
    "transformed targets": lambda inner: TransformedTargetRegressor(
        inner, transformer=StandardScaler()
    ),
    "RFE": lambda inner: RFE(
        inner, step=2, importance_getter=lambda inner: np.arange(inner.n_features_in_)
    ),
}
NESTED = [
    ("pipeline", "grid search", "transformed targets"),
    ("pipeline", "transformed targets", "grid search"),
    ("grid search", "pipeline", "transformed targets"),
    ("grid search", "transformed targets", "pipeline"),
    ("transformed targets", "pipeline", "grid search"),
    ("transformed targets", "grid search", "pipeline"),
    ("pipeline", "pipeline", "transformed targets", "transformed targets"),
    ("transformed targets", "halving search", "pipeline", "random search"),
]
X_WRAPPED = np.random.default_rng(0).normal(size=(60, 3))
Y_WRAPPED = X_WRAPPED @ [1.0, 2.0, -1.0]


def fit_wrapped(names):
    """Fit a network in wrappers, the outermost first; return it and what was fitted."""
    fitted = []

    class Recorded(ScratchMLPRegressor):
        def fit(self, X, y, sample_weight=None, **validation):
            fitted.append(self)
            return super().fit(X, y, sample_weight, **validation)

    model = Recorded(hidden_layer_sizes=(4,), max_iter=5, random_state=0)
    for name in reversed(names):
        model = WRAPPERS[name](model)
    return model.fit(X_WRAPPED, Y_WRAPPED), fitted


@pytest.mark.parametrize("names", [*((name,) for name in WRAPPERS), *NESTED])
def test_a_network_is_found_in_what_predicts_with_it(names):
    model, fitted = fit_wrapped(names)
    display = draw(model)
    # The one that is fitted last, on all data, is the one that is kept.
    assert display.loss_curves == [fitted[-1].loss_curve_]
    assert points(display.loss_lines_[0]) == numbered(fitted[-1].loss_curve_)
    frozen = draw(FrozenEstimator(make_pipeline(FrozenEstimator(model))))
    assert frozen.loss_curves == display.loss_curves


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
@pytest.mark.parametrize("is_searched", [False, True])
def test_the_recipes_for_tables_are_drawn(make, is_searched):
    model = make(hidden_layer_sizes=(4,), max_iter=4, n_estimators=2, random_state=0)
    if is_searched:
        model = GridSearchCV(model, {"columns": [model["columns"]]}, cv=2)
    display = draw(model.fit(X_WRAPPED, Y_WRAPPED > 0))
    hedge = (model.best_estimator_ if is_searched else model)["network"]
    # That of the kind that counts most.
    network = hedge.members_[hedge.weights_.argmax()].networks[0]
    assert points(display.loss_lines_[0]) == numbered(network.loss_curve_)
    assert points(display.score_lines_[0]) == numbered(network.validation_scores_)
    ((epoch, score),) = points(display.best_epoch_markers_[0])
    assert score == network.validation_scores_[epoch - 1]


def test_what_holds_networks_is_compared():
    models = [fit_wrapped([name])[0] for name in ("grid search", "transformed targets")]
    display = draw(models)
    assert len(display.loss_lines_) == 2
    assert legend(display)[:2] == ["Recorded 1", "Recorded 2"]


def test_a_shorter_curve_belongs_to_the_last_epochs():
    display = draw(trained(validation_scores=[0.1, 0.3], best_epoch=None))
    assert points(display.score_lines_[0]) == [(3, 0.1), (4, 0.3)]
    assert points(display.best_epoch_markers_[0]) == [(4, 0.3)]


def test_nan_is_a_gap_and_an_isolated_point_has_a_marker():
    nan = np.nan
    display = draw(trained(validation_scores=[nan, 0.4, nan, nan], best_epoch=None))
    (line,) = display.score_lines_
    np.testing.assert_array_equal(line.get_ydata(), [nan, 0.4, nan, nan])
    assert line.get_markevery() == [1]
    assert line.get_marker() != "None"
    assert points(display.best_epoch_markers_[0]) == [(2, 0.4)]
    assert display.loss_lines_[0].get_markevery() == []


def test_there_is_no_best_epoch_if_all_scores_are_nan():
    display = draw(trained(validation_scores=[np.nan] * 4, best_epoch=None))
    assert display.best_epoch_markers_ == [None]
    assert "Best epoch" not in legend(display)


@pytest.mark.parametrize(
    "changes",
    [
        {"validation_scores": [0.5, np.nan, 0.7, 0.8]},
        {"validation_scores": [0.7, 0.8]},
    ],
)
def test_an_epoch_that_the_curve_lacks_is_not_marked(changes):
    display = draw(trained(**changes))
    assert display.best_epoch_markers_ == [None]
    assert "Best epoch" not in legend(display)


@pytest.mark.parametrize(
    ("changes", "marked"),
    [
        ({}, (2, 0.9)),
        ({"best_epoch": 4}, (4, 0.8)),
        ({"best_epoch": None}, (2, 0.9)),
        # The best epoch of a training without scores was chosen by the training loss.
        ({"best_epoch": 1, "validation_scores": None}, (3, 1.0)),
        ({"best_epoch": None, "validation_scores": []}, (3, 1.0)),
    ],
)
def test_the_best_epoch_is_marked_on_the_curve_that_chose_it(changes, marked):
    (marker,) = draw(trained(**changes)).best_epoch_markers_
    assert points(marker) == [marked]


@pytest.mark.parametrize("empty", [None, []])
def test_without_validation_data_only_a_given_epoch_is_marked(empty):
    curves = {"loss_curves": [LOSSES], "validation_scores": [empty]}
    curves["validation_loss_curves"] = [empty]
    display = LossCurveDisplay(**curves).plot()
    assert display.best_epoch_markers_ == [None]
    assert legend(display) == ["Training loss"]
    display = LossCurveDisplay(**curves, best_epochs=[2]).plot()
    assert points(display.best_epoch_markers_[0]) == [(2, 1.5)]


@pytest.mark.parametrize("number", [1, 2])
def test_a_single_epoch_is_visible(number):
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
def test_ticks_are_integers(n_epochs):
    display = draw(Trained().fit(loss_curve=[1.0] * n_epochs))
    assert is_integer(display.ax_.get_xticks())


def test_the_loss_scale_can_be_set():
    assert draw(trained()).ax_.get_yscale() == "linear"
    display = draw(trained(), loss_scale="log")
    assert display.ax_.get_yscale() == "log"
    assert display.score_ax_.get_yscale() == "linear"


# Labels


def test_axes_and_lines_are_labeled():
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
def test_the_label_of_the_scores_names_the_metric(estimator, name):
    display = draw(estimator.fit(**FULL))
    assert display.score_ax_.get_ylabel() == name
    assert name in legend(display)


def test_estimators_with_different_labels_share_a_general_one():
    epochs = TrainedClassifier().fit(**FULL)
    iterations = TrainedRegressor().fit(**FULL | {"learning_rate_curve": None})
    display = draw([epochs, iterations])
    assert display.ax_.get_xlabel() == "Epoch or iteration"
    assert display.score_ax_.get_ylabel() == "Validation score"
    assert draw(iterations).ax_.get_xlabel() == "Iteration"


def test_the_legend_is_above_the_lines():
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


# Several estimators


def test_several_estimators_are_compared():
    no_validation = dict.fromkeys(
        ["validation_loss_curve", "validation_scores", "best_epoch"]
    )
    estimators = [trained(), trained(loss_curve=[2.0, 1.0], **no_validation)]
    display = draw(estimators, labels=["one", "two"])
    for line, estimator in zip(display.loss_lines_, estimators, strict=True):
        assert points(line) == numbered(estimator.loss_curve_)
    assert points(display.score_lines_[0]) == numbered(FULL["validation_scores"])
    assert display.score_lines_[1] is None
    assert display.validation_loss_lines_[1] is None
    marked, unmarked = display.best_epoch_markers_
    assert points(marked) == [(2, 0.9)]
    assert unmarked is None
    assert legend(display) == [
        *("one", "two"),
        *("Training loss", "Validation loss", "Validation score", "Best epoch"),
    ]


def test_lines_differ_with_and_without_color():
    display = draw([trained() for _ in range(6)], learning_rate=True)
    kinds = (
        display.loss_lines_,
        display.validation_loss_lines_,
        display.score_lines_,
    )
    every_line = [line for lines in kinds for line in lines]
    dashes = [line._dash_pattern for line in every_line]
    looks_without_color = {
        (str(dash), line.get_marker())
        for dash, line in zip(dashes, every_line, strict=True)
    }
    assert len(looks_without_color) == len(every_line) == 18
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


def test_markers_of_equal_curves_do_not_overlap():
    same = Trained().fit(loss_curve=np.linspace(2, 1, 100).tolist())
    indices = [line.get_markevery() for line in draw([same, same, same]).loss_lines_]
    assert all(5 <= len(markers) <= 10 for markers in indices)
    assert len(set().union(*indices)) == sum(map(len, indices))


def test_more_estimators_than_colors_still_differ():
    display = draw([trained()] * 56)
    looks = {(line.get_color(), line.get_marker()) for line in display.loss_lines_}
    assert len(looks) == 56


def test_default_labels_are_numbered():
    estimators = (trained(), TrainedClassifier().fit(**FULL))
    assert legend(draw(estimators))[:2] == ["Trained 1", "TrainedClassifier 2"]
    assert legend(draw(estimators[0]))[0] == "Training loss"
    display = LossCurveDisplay(loss_curves=[LOSSES, LOSSES]).plot()
    assert legend(display)[:2] == ["Training 1", "Training 2"]


@pytest.mark.parametrize("labels", ["mine", ["mine"]])
def test_a_single_estimator_may_have_a_label(labels):
    assert legend(draw(trained(), labels=labels))[:2] == ["mine", "Training loss"]


# Axes


def test_given_axes_are_used_and_the_current_axes_stay():
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


@pytest.mark.parametrize("has_position", [False, True])
def test_the_learning_rate_takes_the_lower_part_of_the_axes(has_position):
    figure = plt.figure()
    position = (0.2, 0.2, 0.5, 0.5)
    axes = figure.add_axes(position) if has_position else figure.add_subplot()
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


def test_each_call_without_axes_creates_a_figure():
    settings = dict(matplotlib.rcParams)
    display = draw(trained())
    first = display.figure_
    assert first.get_layout_engine() is not None
    assert plt.get_fignums() == [first.number]
    assert plt.gca() is display.ax_
    assert display.plot() is display
    assert display.figure_ is not first
    assert dict(matplotlib.rcParams) == settings


def test_axes_of_a_subfigure_are_accepted():
    subfigures = plt.figure(layout="constrained").subfigures(1, 2)
    display = draw(trained(), ax=subfigures[1].subplots(), learning_rate=True)
    assert display.figure_ is subfigures[1]
    assert not subfigures[0].axes


# Errors


def assert_refused(estimator, error, message, **options):
    with pytest.raises(error, match=message):
        draw(estimator, **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize("wrap", [list, tuple])
def test_estimators_that_are_not_fitted_are_refused(wrap):
    network = ScratchMLPClassifier()
    assert_refused(network, NotFittedError, "ScratchMLPClassifier")
    assert_refused(wrap([trained(), network]), NotFittedError, "ScratchMLPClassifier")
    assert_refused(make_pipeline(network), NotFittedError, "ScratchMLPClassifier")
    for name in set(WRAPPERS) - {"pipeline"}:
        wrapped = WRAPPERS[name](network)
        for model in (wrapped, make_pipeline(wrapped), wrap([trained(), wrapped])):
            assert_refused(model, NotFittedError, type(wrapped).__name__)
    assert_refused(wrap([]), ValueError, "estimator must have at least one")
    for thing in (None, "network", 3, ScratchMLPClassifier):
        assert_refused(thing, TypeError, "not an (estimator )?instance")


@pytest.mark.parametrize("curve", [None, []])
def test_an_estimator_without_losses_is_refused(curve):
    message = "estimator must have a loss_curve_ .* Trained"
    assert_refused(Trained().fit(loss_curve=curve, n_iter=0), ValueError, message)
    assert_refused(
        [trained(), StandardScaler().fit([[1]])], ValueError, "loss_curve_ .*Scal"
    )


@pytest.mark.parametrize("search", ["grid search", "random search", "halving search"])
@pytest.mark.parametrize("is_inside", [False, True])
def test_a_search_without_refit_is_refused(search, is_inside):
    model = WRAPPERS[search](ScratchMLPRegressor(max_iter=1)).set_params(refit=False)
    name = type(model).__name__
    model = make_pipeline(model) if is_inside else model
    model.fit(X_WRAPPED, Y_WRAPPED)
    message = rf"{name} has refit=False and keeps none: use refit=True\.$"
    assert_refused(model, ValueError, message)


@pytest.mark.parametrize("name", sorted(WRAPPERS))
def test_what_holds_no_losses_is_refused(name):
    model = WRAPPERS[name](Ridge()).fit(X_WRAPPED, Y_WRAPPED)
    message = (
        rf"loss_curve_ .* Ridge\(\), which is in a {type(model).__name__}, has none"
    )
    assert_refused(model, ValueError, message)


def test_a_pipeline_that_ends_in_no_estimator_is_refused():
    model = make_pipeline(StandardScaler(), "passthrough").fit(X_WRAPPED)
    assert_refused(model, ValueError, "loss_curve_")


def test_several_networks_in_one_estimator_are_to_be_listed():
    network = ScratchMLPRegressor(max_iter=2, random_state=0)
    model = BaggingRegressor(network, n_estimators=2).fit(X_WRAPPED, Y_WRAPPED)
    assert_refused(model, ValueError, "several estimators_: pass a list of those")
    assert len(draw(model.estimators_).loss_lines_) == 2


@pytest.mark.parametrize("labels", ["one", ["one"], ["one", "two", "three"], [], "ab"])
def test_a_wrong_number_of_labels_is_refused(labels):
    assert_refused(
        [trained(), trained()], ValueError, r"labels .* 2, got", labels=labels
    )


def test_missing_learning_rates_are_refused(fit):
    message = "learning_rate=True .*learning_rate_curve_.* missing for "
    without = trained(learning_rate_curve=None)
    assert_refused(without, ValueError, message + "the estimator", learning_rate=True)
    both, labels = [trained(), without], ["with", "none"]
    assert_refused(
        both, ValueError, message + "none", labels=labels, learning_rate=True
    )
    assert_refused(fit(solver="lbfgs"), ValueError, message, learning_rate=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss_curves": []}, "loss_curves must have at least one curve"),
        ({"loss_curves": [LOSSES, []]}, "loss_curves must have at least one epoch"),
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
def test_inconsistent_data_are_refused(changes, message):
    display = LossCurveDisplay(**{"loss_curves": [LOSSES]} | changes)
    with pytest.raises(ValueError, match=message):
        display.plot()
    assert not plt.get_fignums()


def test_the_extra_of_matplotlib_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skscratch\[plot\]'"):
        draw(trained())


def test_matplotlib_is_imported_when_something_is_drawn():
    command = "import sys, skscratch.plotting; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", command], check=True, cwd=ROOT)


def test_given_axes_need_no_pyplot():
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


# Documentation


def test_the_examples_of_docstrings_are_correct():
    for module in (loss_curve, interval):
        n_failed, n_examples = doctest.testmod(module)
        assert n_failed == 0 < n_examples


def test_the_readmes_picture_is_drawn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    path = tmp_path / "figures" / "curve.png"
    importlib.import_module("draw_figures").main([str(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 100_000
    assert not plt.get_fignums()
