"""The model card: a Markdown file about the model, its data and its figures."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skscratch.cli.errors import InputError
from skscratch.cli.output.report import describe_coverage, describe_lead, score_columns
from skscratch.cli.output.terminal import format_count
from skscratch.cli.output.writing import replacing
from skscratch.cli.peers import RECIPE, describe_preparations
from skscratch.cli.results import DECIDING, find_lead
from skscratch.cli.training import Outcome

TITLE = "Model card"
# With more columns, only the first are listed.
MAX_COLUMNS = 100
RECIPE_IN_WORDS = (
    "an ensemble of small neural networks of several kinds, made by "
    "`skscratch.make_tabular_{}`"
)
PLAIN_IN_WORDS = "a neural network whose parameters were tuned, with skscratch"


def write_card(
    results: Mapping[str, Any],
    outcome: Outcome,
    options: argparse.Namespace,
    reading_call: str,
) -> None:
    """Write the model card.

    Parameters
    ----------
    results : dict
        As for ``--json``.
    outcome : Outcome
    options : Namespace
        Of the command line.
    reading_call : str
        Call of pandas that reads new rows.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    card = make_card(results, outcome, options, reading_call)
    try:
        with replacing(options.card) as path:
            card.save(path)
    except OSError as error:
        message = f"cannot write {str(options.card)!r}: {error.strerror}"
        raise InputError(message) from error


def make_card(
    results: Mapping[str, Any],
    outcome: Outcome,
    options: argparse.Namespace,
    reading_call: str,
) -> Any:
    """Make the card of skops; the parameters are those of ``write_card``.

    Returns
    -------
    skops Card
    """
    from skops.card import Card

    task = results["data"]["task"]
    card = Card(outcome.model, template=None, model_diagram=False)

    def add(section: str, text: str) -> None:
        card.add(**{f"{TITLE}/{section}" if section else TITLE: text})

    add("", _summary(results, options))
    add("Data", _data(results))

    def add_table(section: str, description: str, table: dict[str, list[str]]) -> None:
        card.add_table(description=description, **{f"{TITLE}/{section}": table})
        # skops makes the whole path the heading.
        card.select(f"{TITLE}/{section}").title = section.rpartition("/")[2]

    add_table("Data/Columns", "What each column was taken for:", _columns(results))
    figures = {
        escape(title) or "model": cells
        for title, *cells in score_columns(outcome.models, task)
    }
    add_table("Evaluation", _evaluation(outcome, task), figures)
    leads = [find_lead(outcome.models, metric) for metric in DECIDING[task]]
    add(
        "Evaluation/Best model", "\n".join(f"- {describe_lead(lead)}" for lead in leads)
    )
    if options.plot is not None:
        link = os.path.relpath(options.plot, options.card.parent)
        picture = {f"{TITLE}/Training": Path(link).as_posix()}
        card.add_plot(alt_text="Training of the networks", **picture)
    add("Use", _use(results, options, reading_call))
    add("Limitations", _limitations(results, outcome, options))
    versions = results["versions"].items()
    add("Versions", "\n".join(f"- {name} {version}" for name, version in versions))
    return card


def escape(text: str) -> str:
    """Escape what Markdown would take for markup."""
    for letter in "\\`*_[]<>|":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())


def _summary(results: Mapping[str, Any], options: argparse.Namespace) -> str:
    data = results["data"]
    what = "a class" if data["task"] == "classification" else "a number"
    maker = "classifier" if data["task"] == "classification" else "regressor"
    is_recipe = results["kept"] == RECIPE
    kind = RECIPE_IN_WORDS.format(maker) if is_recipe else PLAIN_IN_WORDS
    columns = format_count(data["columns"], "column")
    return (
        f"The model predicts **{escape(data['target'])}**, {what}, from {columns}. "
        f"It is {kind}, and is fitted on all {data['rows']:,} rows of the data."
    )


def _data(results: Mapping[str, Any]) -> str:
    data = results["data"]
    lines = [
        f"- file: {escape(Path(data['source']).name)}",
        f"- rows: {data['rows']:,}",
        f"- columns: {data['columns']:,}, besides the target",
        f"- target: {escape(data['target'])} ({data['task']})",
        *(f"- {escape(note)}" for note in data["notes"]),
    ]
    return "\n".join(lines)


def _columns(results: Mapping[str, Any]) -> dict[str, list[str]]:
    listed = results["columns"][:MAX_COLUMNS]
    table = {
        key: [escape(column[key]) for column in listed]
        for key in ("name", "role", "contents")
    }
    more = len(results["columns"]) - len(listed)
    if more:
        for key, cell in (("name", "…"), ("role", ""), ("contents", f"{more} more")):
            table[key].append(cell)
    return table


def _evaluation(outcome: Outcome, task: str) -> str:
    text = (
        f"Cross-validation on {len(outcome.folds)} folds, the same for all models: "
        "mean ± standard deviation over the folds. "
        f"{describe_preparations(task)} {describe_coverage(outcome.models, task)}"
    )
    return text.strip()


def _use(
    results: Mapping[str, Any], options: argparse.Namespace, reading_call: str
) -> str:
    path = "model.skops" if options.save is None else options.save.name
    return f"""\
Without Python code, for a file of new rows with the same columns:

```
python -m skscratch predict {path} new.csv --output predictions.csv
```

In Python; look at the types in the file before you trust them:

```python
import pandas
import skops.io

types = skops.io.get_untrusted_types(file={path!r})
print(types)
model = skops.io.load({path!r}, trusted=types)
model.predict({reading_call})
```"""


def _limitations(
    results: Mapping[str, Any], outcome: Outcome, options: argparse.Namespace
) -> str:
    lines = [
        "The figures hold for new rows that arise in the same way as those in the "
        "file. They say nothing about other times, places or groups.",
        "Each fold was drawn at random. If rows depend on each other, such as several "
        "rows of one person, the figures are too good.",
        "The saved model was trained on all rows and was not itself evaluated: the "
        "figures come from models trained on the other folds.",
        "The model finds associations, not causes.",
    ]
    if any(model.is_ours and model.name != RECIPE for model in outcome.models):
        lines.append(
            "The plain network was tuned on the same rows, so its figures are slightly "
            "optimistic."
        )
    if options.time_limit is not None:
        lines.append(
            f"Each fit was limited to {options.time_limit:g} seconds. Another run or "
            "computer may give a different model."
        )
    return "\n".join(f"- {line}" for line in lines)
