"""Text about results: tables of figures that fit, and who is best."""

import numpy as np
import pytest
from fold_scores import make_scores
from hypothesis import given
from hypothesis import strategies as st

from skscratch.cli.output.report import (
    compare_times,
    describe_lead,
    format_fold,
    format_kept,
    format_scores,
    format_winner,
    short_name,
    significant_digits,
)
from skscratch.cli.results import ACCURACY, RMSE, FoldScores, find_lead

TREES = "HistGradientBoostingClassifier"


def classifiers():
    return [
        make_scores("skscratch recipe", True, accuracy=[0.9, 0.8], log_loss=[0.3, 0.5]),
        make_scores("MLPClassifier", accuracy=[0.95, 0.85], log_loss=[0.5, 0.9]),
        make_scores(TREES, accuracy=[0.7, 0.7], log_loss=[0.6, 0.6]),
    ]


def regressors():
    scores = {"mae": [1e4, 2e4], "rmse": [2e4, 3e4], "r2": [0.5, 0.6]}
    return [
        make_scores(
            "skscratch recipe", True, **scores, coverage=[0.9, 1], width=[5e4, 6e4]
        ),
        make_scores("MLPRegressor", **scores),
    ]


@pytest.mark.parametrize("width", [59, 79])
@pytest.mark.parametrize(
    ("models", "task"),
    [(classifiers(), "classification"), (regressors(), "regression")],
)
def test_lines_fit_the_width(models, task, width):
    text = "\n".join(
        [
            format_scores(models, task, width),
            format_winner(models, task, width),
            format_kept(models, task, width),
        ]
    )
    assert max(map(len, text.split("\n"))) <= width


def test_figures_are_means_and_standard_deviations():
    text = format_scores(classifiers(), "classification", 79)
    header, *rows = text.split("\n")
    assert header.split()[-4:] == ["fit,", "s", "predict,", "s"]
    assert "0.850 ± 0.050  0.400 ± 0.100  1.00 ± 0.00" in rows[0]
    assert rows[2].startswith("  HistGradientBoosting  0.700 ± 0.000")
    text = format_scores(regressors(), "regression", 200)
    assert "15,000 ± 5,000" in text
    assert "0.950 ± 0.050  55,000 ± 5,000" in text
    assert text.split("\n")[2].split("  ").count("") > 1
    assert " - " in text.split("\n")[2]


@given(st.floats(1e-300, 1e300))
def test_figures_have_four_significant_digits(number):
    digits = significant_digits(number)
    text = f"{number:.3e}" if digits is None else f"{number:.{digits}f}"
    assert len(text) <= 11
    assert float(text) == pytest.approx(number, rel=5e-4)


def test_figures_that_are_not_finite_are_shown():
    scores = {"mae": [1.0, 1], "rmse": [1.0, 1], "r2": [np.nan, 1], "coverage": [1, 1]}
    model = make_scores("a", **scores, width=[np.inf, 1])
    text = format_scores([model], "regression", 200)
    assert "nan ± nan" in text
    assert "inf ± nan" in text


def test_the_best_models_are_named_with_their_figures():
    text = " ".join(format_winner(classifiers(), "classification", 79).split())
    by_accuracy, by_loss = text.split("Best by ")[1:]
    assert by_accuracy.startswith("accuracy: MLPClassifier, 0.900 ± 0.050. Next: sksc")
    assert "0.0500 is larger than its variation from fold to fold" in by_accuracy
    assert "better on both folds" in by_accuracy
    assert by_loss.startswith("log loss: skscratch recipe, 0.400 ± 0.100.")
    assert TREES in by_loss
    assert "0.2000 is larger than" in by_loss
    close = [make_scores("a", rmse=[3.0, 1]), make_scores("b", rmse=[1.0, 3.5])]
    text = describe_lead(find_lead(close, RMSE))
    assert "a, 2.000 ± 1.000. Next: b, 2.250 ± 1.250" in text
    assert "0.2500 is within its variation from fold to fold" in text
    assert "better on 1 of 2 folds" in text
    same = [make_scores("a", accuracy=[0.5, 1]), make_scores("b", accuracy=[1, 0.5])]
    text = describe_lead(find_lead(same, ACCURACY))
    assert text.endswith("b has the same mean.")


def test_the_model_that_is_kept_is_ours_whoever_is_best():
    models = classifiers()
    text = format_kept(models, "classification", 200)
    assert text.startswith("skscratch recipe is best by log loss")
    better = make_scores("MLPClassifier", accuracy=[0.5, 0.5], log_loss=[0.1, 0.1])
    text = format_kept([*models, better], "classification", 200)
    assert text.startswith("MLPClassifier is best by log loss, but only")
    assert "skscratch recipe is fitted on all rows" in text


def test_a_fold_is_a_line_with_short_names():
    scores = FoldScores({"accuracy": 0.91, "fit_seconds": 12.3}, np.empty(0))
    names = map(short_name, ["skscratch recipe", "MLPClassifier", TREES])
    by_name = dict.fromkeys(names, scores)
    line = format_fold(1, 5, by_name, ACCURACY, 79)
    assert line == (
        "  fold 2 of 5: skscratch 0.910 (12 s), MLP 0.910 (12 s), trees 0.910 (12 s)"
    )


def test_short_times_are_not_compared():
    def timed(name, fit, predict):
        return make_scores(name, fit_seconds=[fit], predict_seconds=[predict])

    text = compare_times(timed("ours", 1, 0.2), timed("theirs", 3, 0.1))
    assert text == (
        "ours is 3.0 times as fast to fit and 0.5 times as fast to predict as theirs."
    )
    text = compare_times(timed("ours", 1, 0.004), timed("theirs", 3, 0.1))
    assert text == (
        "ours is 3.0 times as fast to fit as theirs. The times to predict are too "
        "short to compare."
    )
    text = compare_times(timed("ours", 0.01, 0.004), timed("theirs", 0.01, 0.001))
    assert text == "The times to fit and predict are too short to compare."
