"""Results as JSON: plain values in full precision."""

import json
import sys
from argparse import Namespace

import numpy as np
from fold_scores import make_scores

from skscratch.cli.output.json_output import format_json, results_of
from skscratch.cli.training import Outcome
from skscratch.tabular.roles import ColumnRole

THIRD = 1 / 3


def make_outcome():
    scores = {"mae": [THIRD, 1], "rmse": [0.1, 0.2], "r2": [np.nan, 0.5]}
    ours = make_scores(
        "ours", True, **scores, coverage=np.array([0.5, 1]), width=[np.inf, 2]
    )
    theirs = make_scores("theirs", **scores | {"rmse": np.array([0.05, 0.1])})
    roles = [
        ColumnRole("size", "number", "numbers", ("a note",)),
        ColumnRole(3, "dropped", "constant"),
    ]
    return Outcome(None, ours, [ours, theirs], [], roles, ["a note", "é"])


def make_results():
    table = Namespace(X=np.zeros((60, 2)), y=np.zeros(60), task="regression")
    files = {"save": "m.skops"}
    return results_of(table, make_outcome(), "data.csv", "label", files)


def test_results_name_data_columns_models_and_files():
    results = make_results()
    assert results["data"] == {
        "source": "data.csv",
        "rows": 60,
        "columns": 2,
        "task": "regression",
        "target": "label",
        "notes": ["a note", "é"],
    }
    assert results["columns"] == [
        {"name": "size", "role": "number", "contents": "numbers; a note"},
        {"name": "3", "role": "dropped", "contents": "constant"},
    ]
    assert results["winner"] == {"rmse": "theirs"}
    assert results["kept"] == "ours"
    assert results["files"] == {"save": "m.skops"}
    assert results["versions"]["python"] == sys.version.split()[0]


def test_numbers_are_in_full_precision_and_never_nan():
    ours, theirs = make_results()["models"]
    assert ours["folds"][0]["mae"] == THIRD
    assert ours["mean"]["mae"] == (THIRD + 1) / 2
    assert ours["std"]["rmse"] == np.std([0.1, 0.2])
    assert ours["folds"][0]["r2"] is None
    assert ours["mean"]["r2"] is None
    assert ours["mean"]["width"] is None
    assert "width" not in theirs["mean"]
    assert theirs["folds"][1]["fit_seconds"] == 1


def test_the_text_is_valid_json():
    text = format_json(make_results())
    assert text.isascii()
    assert json.loads(text) == make_results()
