"""Training on a table: which models are compared, and which one is kept."""

import re

import numpy as np
import pandas as pd
import pytest

from skscratch import make_tabular_classifier, make_tabular_regressor
from skscratch.cli import comparison, study, training
from skscratch.cli.comparison import Candidate
from skscratch.cli.errors import InputError
from skscratch.cli.options import make_parser
from skscratch.cli.output.terminal import Progress
from skscratch.cli.peers import RECIPE
from skscratch.cli.reading.tables import Schema, Table
from skscratch.cli.training import PLAIN, train

QUICK = ("--effort", "low", "--folds", "2")


def make_table(task="classification", n_rows=90, **columns):
    random = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "size": random.standard_normal(n_rows),
            "color": random.choice(["red", "blue"], n_rows),
            "same": "x",
            **columns,
        }
    )
    y = 10 * X["size"].to_numpy() + 5 * (X["color"] == "red").to_numpy()
    if task == "classification":
        y = np.where(y > 2, "large", "small")
    return Table(X, y, task, Schema("label", task, {}), ["a note"])


def parse(*arguments):
    return make_parser().parse_args(["data.csv", "--target", "label", *arguments])


def run(table, *arguments, **settings):
    progress = Progress()
    for name, value in settings.items():
        setattr(progress, name, value)
    return train(table, parse(*arguments), progress)


@pytest.fixture
def quick_recipe(monkeypatch):
    """Replace the recipe by one of a single small network."""

    def make(task, effort, time_limit, seed):
        small = {"kinds": ("ranks",), "n_estimators": 1, "max_iter": 3}
        small |= {"hidden_layer_sizes": (8,), "random_state": seed}
        if task == "classification":
            return Candidate(RECIPE, make_tabular_classifier(**small), True)
        return Candidate(RECIPE, make_tabular_regressor(intervals=True, **small), True)

    monkeypatch.setattr(training, "make_recipe", make)


@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_recipe_is_compared_on_the_same_folds_and_fitted_on_all_rows(task, capsys):
    table = make_table(task)
    outcome = run(table, *QUICK)
    ending = "Classifier" if task == "classification" else "Regressor"
    names = [RECIPE, f"MLP{ending}", f"HistGradientBoosting{ending}"]
    assert [model.name for model in outcome.models] == names
    assert [len(model.folds) for model in outcome.models] == [2, 2, 2]
    assert outcome.kept is outcome.models[0]
    assert outcome.model.predict(table.X).shape == table.y.shape
    rows, *predictions = outcome.kept.out_of_fold(outcome.folds)
    assert sorted(rows) == list(range(len(table.y)))
    assert len(predictions) == (2 if task == "regression" else 1)
    assert outcome.kept.has("coverage") == (task == "regression")
    out = capsys.readouterr().out
    assert out.index("a note") < out.index("Columns") < out.index("fold 1 of 2")
    assert re.search(r"same +dropped +constant", out)
    assert "Best by" in out
    assert ("Coverage is" in out) == (task == "regression")
    assert max(map(len, out.splitlines())) <= 79


def test_the_recipe_has_the_options_of_the_command_line():
    options = parse("--effort", "high", "--time-limit", "9", "--seed", "4")
    recipe, *peers = training.Training(make_table(), options, Progress()).candidates()
    hedge = recipe.pipeline["network"]
    assert (hedge.effort, hedge.time_limit) == ("high", 9)
    assert hedge.estimator.random_state == 4
    assert [peer.pipeline[-1].random_state for peer in peers] == [4, 4]
    recipe, *_ = training.Training(make_table(), parse(), Progress()).candidates()
    assert recipe.pipeline["network"].effort == "default"


@pytest.mark.usefixtures("quick_recipe")
def test_the_saved_model_is_that_of_one_fit_on_all_rows():
    table = make_table()
    outcome = run(table, *QUICK)
    (candidate, *_) = training.Training(table, parse(*QUICK), Progress()).candidates()
    expected = candidate.pipeline.fit(table.X, table.y)
    np.testing.assert_array_equal(
        outcome.model.predict_proba(table.X), expected.predict_proba(table.X)
    )


@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("better", [RECIPE, PLAIN])
def test_both_keeps_the_better_of_ours(monkeypatch, capsys, better):
    monkeypatch.setattr(study, "GRID", {"alpha": [0.1]})
    studies = []

    def make_study(*arguments):
        studies.append(study.Study(*arguments))
        return studies[-1]

    monkeypatch.setattr(training, "Study", make_study)
    place = [RECIPE, PLAIN].index(better)
    monkeypatch.setattr(training, "best_of", lambda models, task: models[place])
    table = make_table()
    outcome = run(table, "--model", "both", "--max-iter", "5", *QUICK)
    names = [model.name for model in outcome.models]
    assert names[:2] == [RECIPE, PLAIN]
    assert len(names) == 4
    ours = outcome.models[:2]
    assert all(model.is_ours for model in ours)
    assert ours[1].folds is studies[0].models[0].folds
    assert outcome.kept.name == better
    if better == RECIPE:
        assert hasattr(outcome.model["network"], "members_")
    else:
        assert outcome.model["network"].max_iter == 5
    out = capsys.readouterr().out
    assert out.index("Tuning, 1 candidates") < out.index("Cross-validation, 2 folds")


def test_the_plain_network_is_compared_with_the_same_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(study, "GRID", {"alpha": [0.1]})
    table = make_table("regression")
    outcome = run(table, "--model", "mlp", "--max-iter", "5", "--folds", "2")
    names = [model.name for model in outcome.models]
    assert names == ["ScratchMLPRegressor", "MLPRegressor"]
    ours, theirs = outcome.models
    np.testing.assert_allclose(ours.values("rmse"), theirs.values("rmse"), rtol=1e-6)
    assert outcome.kept is ours
    assert outcome.model.predict(table.X).shape == table.y.shape


@pytest.mark.usefixtures("quick_recipe")
def test_processes_do_not_change_the_results(monkeypatch):
    asked = []

    def cross_validate(*arguments, n_jobs, **options):
        asked.append(n_jobs)
        return comparison.cross_validate(*arguments, n_jobs=n_jobs, **options)

    monkeypatch.setattr(training, "cross_validate", cross_validate)
    table = make_table("regression")
    one, two = (run(table, *QUICK, "--jobs", n) for n in "12")
    assert asked == [1, 2]
    for a, b in zip(one.models, two.models, strict=True):
        for key in ("rmse", "mae"):
            np.testing.assert_array_equal(a.values(key), b.values(key))
    np.testing.assert_array_equal(one.kept.values("width"), two.kept.values("width"))


@pytest.mark.usefixtures("quick_recipe")
def test_lines_fit_a_narrow_terminal(capsys):
    run(make_table("regression"), *QUICK, width=59)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 59


@pytest.mark.usefixtures("quick_recipe")
def test_small_classes_and_few_rows_limit_the_folds(capsys):
    table = make_table(n_rows=12)
    table.y[:] = ["a", "b", "b", "b"] * 3
    assert len(run(table, "--effort", "low").folds) == 3
    assert "3 folds instead of 5: the smallest class has 3" in capsys.readouterr().out
    with pytest.raises(InputError, match="at least 4"):
        run(make_table("regression", n_rows=3))


@pytest.mark.usefixtures("quick_recipe")
def test_few_numbers_have_no_intervals(capsys):
    outcome = run(make_table("regression", n_rows=24), *QUICK)
    assert not outcome.kept.has("coverage")
    assert len(outcome.kept.out_of_fold(outcome.folds)) == 2
    assert "too few rows to calibrate" in capsys.readouterr().out


def test_a_table_that_no_model_can_learn_is_refused_in_one_line():
    table = make_table(list=[[1, 2]] * 90)
    with pytest.raises(InputError, match="cannot train on this table: column 'list'"):
        run(table, *QUICK)


def test_the_time_left_counts_the_last_fit_and_the_time_limit():
    options = parse("--time-limit", "7", "--folds", "3")
    progress = Progress()
    left = training.Training(make_table(), options, progress).make_time_left(
        [RECIPE, "other"]
    )
    left.add("other", 1)
    assert left.seconds() == 4 * 7 + 2 * 1
