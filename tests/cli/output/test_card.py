"""The model card: its sections, and text that Markdown could take for markup."""

import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from fold_scores import make_scores
from sklearn.linear_model import LogisticRegression

from skscratch.cli.errors import InputError
from skscratch.cli.output.card import MAX_COLUMNS, escape, make_card, write_card
from skscratch.cli.output.json_output import results_of
from skscratch.cli.peers import RECIPE
from skscratch.cli.training import PLAIN, Outcome
from skscratch.tabular.roles import ColumnRole


def make_outcome(task="classification", n_columns=2, kept=RECIPE):
    key = "log_loss" if task == "classification" else "rmse"
    scores = {
        key: [0.25, 0.35],
        "accuracy": [0.8, 0.9],
        "mae": [0.1, 0.2],
        "r2": [1, 0],
    }
    ours = make_scores(kept, True, **scores)
    theirs = make_scores("MLPClassifier", **scores | {key: [0.5, 0.5]})
    roles = [ColumnRole(f"x_{i}", "number", "numbers") for i in range(n_columns)]
    folds = [(np.arange(2), np.arange(2, 4))] * 2
    return Outcome(
        LogisticRegression(), ours, [ours, theirs], folds, roles, ["3 rows | lost"]
    )


def render(outcome=None, task="classification", target="label", **options):
    outcome = outcome or make_outcome(task)
    n_columns = len(outcome.roles)
    table = Namespace(X=np.zeros((40, n_columns)), y=np.zeros(40), task=task)
    results = results_of(table, outcome, "folder/data.csv", target, {})
    given = {"plot": None, "save": None, "card": Path("card.md"), "time_limit": None}
    options = Namespace(**given | options)
    return make_card(results, outcome, options, "pandas.read_csv('new.csv')").render()


def test_the_card_has_a_heading_for_each_part():
    headings = re.findall("^(#+ .*)$", render(), re.MULTILINE)
    assert headings == [
        "# Model card",
        "## Data",
        "### Columns",
        "## Evaluation",
        "### Best model",
        "## Use",
        "## Limitations",
        "## Versions",
    ]


def test_the_card_holds_data_figures_and_instructions():
    text = render(save=Path("folder/m.skops"))
    assert "predicts **label**, a class, from 2 columns" in text
    assert "all 40 rows" in text
    assert "- file: data.csv\n" in text
    assert "3 rows \\| lost" in text
    assert re.search(r"\| +x\\_1 +\| number \| +numbers +\|", text)
    assert re.search(r"skscratch recipe +\| 0.850 ± 0.050 \| 0.300 ± 0.050", text)
    assert "- Best by log loss: skscratch recipe, 0.300 ± 0.050" in text
    assert "python -m skscratch predict m.skops new.csv --output" in text
    assert "model.predict(pandas.read_csv('new.csv'))" in text
    assert "skops.io.load('m.skops', trusted=types)" in text
    assert "- scikit-learn 1." in text
    numbers = render(task="regression")
    assert "predicts **label**, a number" in numbers
    assert "make_tabular_regressor" in numbers


def test_the_picture_is_linked_relative_to_the_card():
    text = render(plot=Path("pictures/curve.png"), card=Path("cards/card.md"))
    assert "![Training of the networks](../pictures/curve.png)" in text
    assert "![" not in render()


def test_limitations_depend_on_what_was_done():
    assert "computer gives another model" not in render()
    assert "limited to 9 seconds" in render(time_limit=9.0)
    assert "optimistic" not in render()
    plain = render(make_outcome(kept=PLAIN))
    assert "optimistic" in plain
    assert "make_tabular" not in plain


def test_very_many_columns_are_cut():
    text = render(make_outcome(n_columns=MAX_COLUMNS + 7))
    rows = re.findall(r"^\| +x\\_\d+", text, re.MULTILINE)
    assert len(rows) == MAX_COLUMNS
    assert "7 more" in text


@pytest.mark.parametrize("target", ["a/b", "# <b> *x* | y_z", "a\nb"])
def test_names_are_not_markup(target):
    text = render(target=target)
    assert f"predicts **{escape(target)}**" in text
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "\n" not in escape(target)
    assert text.count("\n# ") == 1


def test_a_card_that_cannot_be_written_is_one_line(tmp_path):
    outcome = make_outcome()
    table = Namespace(X=np.zeros((4, 2)), y=np.zeros(4), task="classification")
    results = results_of(table, outcome, "data.csv", "label", {})
    options = Namespace(plot=None, save=None, card=tmp_path, time_limit=None)
    with pytest.raises(InputError, match=r"cannot write .*directory"):
        write_card(results, outcome, options, "pandas.read_csv('new.csv')")
