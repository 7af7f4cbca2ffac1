"""The study of a table: folds, tuning, comparison, and output."""

import io
import re
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.cli import study
from skscratch.cli.study import Study, as_mlp_classifier, summarize
from skscratch.cli.terminal import Progress, align


def make_study(X, y, **options):
    defaults = {"folds": 5, "max_iter": 5, "jobs": 1, "seed": 0}
    return Study(X, y, Namespace(**defaults | options), Progress())


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
    reference = as_mlp_classifier(pipeline)[-1]
    assert type(reference) is MLPClassifier
    assert reference.get_params().items() <= network.get_params().items()


def test_the_summary_reports_differences():
    ours = {
        "test_accuracy": [0.9, 0.8],
        "test_log_loss": [-0.5, -0.4],
        "fit_time": [1, 1],
        "test_predict": [2, 2],
    }
    theirs = ours | {"test_accuracy": [0.9, 0.75], "fit_time": [3, 2]}
    text = " ".join(summarize(ours, theirs).split())
    assert "differ by at most 0.05" in text
    assert "2.5 times as fast to fit and 1.0 times as fast to predict" in text


def test_columns_are_align():
    lines = align([("", "a"), ("long name", "1.25"), ("x", "10")]).split("\n")
    assert lines == ["                a", "  long name  1.25", "  x            10"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("with_rich", [False, True])
def test_a_terminal_shows_a_status_line_below_the_output(monkeypatch, with_rich):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not with_rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    with Progress() as progress:
        progress.set_status("fold 1 of 2")
        progress.write("short")
        progress.write("fold 1: [bold] :+1: " + "long " * 20)
        progress.set_status("fold 2 of 2")
    written = terminal.getvalue()
    assert "fold 1: [bold] :+1: " + "long " * 20 in written
    assert "fold 2 of 2" in written
    assert "\x1b[2Kshort\n" in written or f"\r{'short':59}\n" in written
    last = re.split(r"\r|\x1b\[2K", written)[-1]
    assert last.strip() == ""


def test_output_is_written_while_the_program_runs():
    program = [sys.executable, "-m", "skscratch", "--folds", "2", "--max-iter", "300"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "fold 1" in line:
                break
        assert process.poll() is None
        process.kill()
