"""Pictures: learning curves, and predicted against actual values."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    ScratchMLPClassifier,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.cli.options import PLOT_ENDINGS
from skscratch.cli.output.pictures import (
    KEPT,
    MAX_POINTS,
    draw_curves,
    draw_learning_curve,
    draw_predictions,
    mean_curve,
)


@pytest.mark.parametrize("ending", PLOT_ENDINGS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_learning_curves_are_drawn_without_pyplot(tmp_path, ending, early_stopping):
    random = np.random.RandomState(0)
    network = ScratchMLPClassifier(
        (4,), max_iter=5, n_iter_no_change=1, tol=10, early_stopping=early_stopping
    ).fit(random.standard_normal((40, 3)), random.randint(2, size=40))
    path = tmp_path / f"curve{ending}"
    loaded_before = "matplotlib.pyplot" in sys.modules
    draw_learning_curve(network, path)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    assert ("matplotlib.pyplot" in sys.modules) == loaded_before


def make_data(n_rows=60):
    random = np.random.RandomState(0)
    X = random.standard_normal((n_rows, 3))
    return X, X[:, 0] + 0.1 * random.standard_normal(n_rows)


def new_axes():
    return Figure().add_subplot()


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_a_recipe_has_a_validation_curve_for_each_kind(n_estimators):
    X, y = make_data()
    kinds = ("pieces", "ranks")
    model = make_tabular_classifier(
        kinds=kinds, n_estimators=n_estimators, max_iter=4, random_state=0
    ).fit(X, y > 0)
    ax = new_axes()
    draw_curves(model, ax)
    assert ax.get_ylabel() == "Validation loss"
    curves = [line for line in ax.lines if len(line.get_xdata()) > 1]
    hedge = model["network"]
    for line, members, weight in zip(
        curves, hedge.members_, hedge.weights_, strict=True
    ):
        (ensemble,) = members.networks
        networks = getattr(ensemble, "estimators_", [ensemble])
        assert len(networks) == n_estimators
        expected = np.mean([n.validation_loss_curve_ for n in networks], axis=0)
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert line.get_label() == f"{members.name} (weight {weight:.2f})"
        kept = [
            marker.get_xdata()[0]
            for marker in ax.lines
            if marker.get_marker() == KEPT
            and marker.get_color() == line.get_color()
            and len(marker.get_xdata())
        ]
        assert kept == [networks[0].best_epoch_]


def test_a_recipe_that_holds_nothing_out_has_a_training_curve():
    X, y = make_data()
    model = make_tabular_regressor(early_stopping=False, max_iter=3).fit(X, y)
    ax = new_axes()
    draw_curves(model, ax)
    assert ax.get_ylabel() == "Training loss"
    assert all(line.get_marker() != KEPT for line in ax.lines)


def test_a_plain_network_has_its_validation_scores():
    X, y = make_data()
    network = ScratchMLPClassifier(
        (4,), max_iter=3, n_iter_no_change=1, tol=10, early_stopping=True
    )
    model = make_pipeline(StandardScaler(), network).fit(X, y > 0)
    ax = new_axes()
    draw_curves(model, ax)
    labels = [axes.get_ylabel() for axes in ax.figure.axes]
    assert any("alidation" in label for label in labels)


def test_curves_of_unequal_length_are_averaged():
    np.testing.assert_allclose(mean_curve([[1, 2, 3], [3, 4]]), [2, 3, 3])


def test_values_outside_of_their_interval_are_marked():
    actual = np.array([1.0, 2, 3, 4])
    predicted = np.array([1.5, 2.5, 3.5, 4.5])
    bounds = np.array([[0, 3], [0, 3], [3.2, 4], [4, 5]])
    ax = new_axes()
    draw_predictions(actual, predicted, bounds, ax=ax)
    inside, outside = ax.lines[:2]
    assert inside.get_ydata().tolist() == [1, 2, 4]
    assert inside.get_xdata().tolist() == [1.5, 2.5, 4.5]
    assert outside.get_ydata().tolist() == [3]
    assert outside.get_label() == "outside (25.0%)"
    (lines,) = ax.collections
    assert [s.tolist() for s in lines.get_segments()][2] == [[3.5, 3.2], [3.5, 4]]
    without = new_axes()
    draw_predictions(actual, predicted, ax=without)
    assert without.lines[0].get_ydata().tolist() == actual.tolist()


def test_many_points_are_sampled_but_all_are_counted():
    n_rows = MAX_POINTS + 100
    actual = np.arange(n_rows, dtype=float)
    bounds = np.stack([actual - 1, actual + 1], axis=1)
    bounds[: n_rows // 4] += 5
    ax = new_axes()
    draw_predictions(actual, actual, bounds, ax=ax)
    inside, outside = ax.lines[:2]
    assert len(inside.get_xdata()) + len(outside.get_xdata()) == MAX_POINTS
    assert outside.get_label() == "outside (25.0%)"
    assert f"{MAX_POINTS} of {n_rows}" in ax.get_title()
