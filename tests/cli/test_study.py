"""The study of a table: folds, tuning, comparison, and output."""

import re
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest
from fold_scores import make_scores
from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.cli import study
from skscratch.cli.output.terminal import Progress
from skscratch.cli.study import Study, network_of, summarize, with_reference


def make_study(X, y, task="classification", **options):
    defaults = {"folds": 5, "max_iter": 5, "jobs": 1, "seed": 0}
    return Study(X, y, Namespace(**defaults | options), Progress(), task)


def test_the_smallest_class_limits_the_number_of_folds(capsys):
    y = np.array([0] * 20 + [1] * 20 + [2] * 3)
    study = make_study(np.random.RandomState(0).standard_normal((43, 2)), y)
    study.describe()
    assert "3 folds instead of 5" in capsys.readouterr().out
    assert len(study.folds) == 3
    for train, test in study.folds:
        assert set(y[train]) == set(y[test]) == {0, 1, 2}
        assert not set(train) & set(test)


def test_the_candidate_of_lowest_log_loss_is_chosen(capsys):
    random = np.random.RandomState(0)
    X, y = random.standard_normal((60, 5)), np.array(["x", "y"] * 30)
    make_study(X, y, max_iter=60).run(StandardScaler())
    out = capsys.readouterr().out
    tried = re.findall(r"(alpha=\S+, .*?) +(\d\.\d{3}) +(\d\.\d{3})", out)
    assert len(tried) == 6
    best = min(tried, key=lambda candidate: float(candidate[2]))
    most_accurate = max(tried, key=lambda candidate: float(candidate[1]))
    assert best != most_accurate
    assert f"lowest log loss: {best[0]}\n" in out


def test_a_large_table_is_sampled_for_tuning_and_stops_early(monkeypatch, capsys):
    monkeypatch.setattr(study, "TUNING_ROWS", 60)
    random = np.random.RandomState(0)
    y = np.sort(np.array(["x"] * 150 + ["y"] * 145 + ["z"] * 5))
    X = random.standard_normal((300, 2)) + (y == "x")[:, np.newaxis]
    large = make_study(X, y, max_iter=30)
    drawn = large.sample()
    assert len(drawn) == len(set(drawn)) == 30 + 29 + 5
    assert np.unique(y[drawn], return_counts=True)[1].tolist() == [30, 29, 5]
    tuned = large.run(StandardScaler())
    assert tuned[-1].early_stopping
    assert tuned[0].n_samples_seen_ == 300
    out = capsys.readouterr().out
    assert "early stopping, and tuning on 60 rows" in out
    assert "the scores are the same" in out


def test_the_mlp_classifier_has_the_same_parameters():
    network = ScratchMLPClassifier(
        (3, 2), alpha=0.5, random_state=7, early_stopping=True
    )
    pipeline = Pipeline([("preprocessor", StandardScaler()), ("network", network)])
    reference = with_reference(pipeline, MLPClassifier)[-1]
    assert type(reference) is MLPClassifier
    assert reference.get_params().items() <= network.get_params().items()


def test_the_summary_reports_differences():
    scores = {"log_loss": [0.5, 0.4], "fit_seconds": [1, 1], "predict_seconds": [2, 2]}
    ours = make_scores("ours", accuracy=[0.9, 0.8], **scores)
    theirs = make_scores(
        "theirs", accuracy=[0.9, 0.75], **scores | {"fit_seconds": [3, 2]}
    )
    text = summarize(ours, theirs, "classification")
    assert "differ by at most 0.05" in text
    assert "ours is 2.5 times as fast to fit and 1.0 times as fast to predict" in text
    assert "the scores are the same" in summarize(ours, ours, "classification")


def test_numbers_are_learned_as_by_the_same_network_of_scikit_learn(capsys):
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 3))
    y = 1e4 * X[:, 0] + 5e4
    study = make_study(X, y, "regression", folds=2, max_iter=40)
    tuned = study.run(StandardScaler())
    out = " ".join(capsys.readouterr().out.split())
    assert "the target is a number" in out
    assert "the scores are the same" in out
    assert "lowest RMSE: alpha=" in out
    assert "ScratchMLPRegressor" in out
    assert "mistakes" not in out
    ours, theirs, before = study.models
    np.testing.assert_allclose(ours.values("rmse"), theirs.values("rmse"), rtol=1e-6)
    assert [m.is_ours for m in (ours, theirs, before)] == [True, False, False]
    assert tuned.score(X, y) > 0.9
    reference = with_reference(tuned, MLPRegressor)[-1]
    assert type(reference) is TransformedTargetRegressor
    assert reference.regressor.alpha == network_of(tuned).alpha


@pytest.mark.parametrize("width", [59, 79])
def test_lines_fit_the_width(capsys, width):
    random = np.random.RandomState(0)
    X, y = random.standard_normal((40, 2)), np.array(["x", "y"] * 20)
    study = make_study(X, y, folds=2)
    study.progress.width = width
    study.run(StandardScaler())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert len([line for line in lines if "alpha=" in line]) == 7


def test_output_is_written_while_the_program_runs():
    program = [sys.executable, "-m", "skscratch", "--folds", "2", "--max-iter", "300"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "fold 1" in line:
                break
        assert process.poll() is None
        process.kill()
