"""Compare the recipes for tables with scikit-learn's best estimators.

Run it from the repository, with skscratch installed (extra ``bench`` for pandas)::

    python benchmarks/tabular.py --data DIR         # also DIR/messy and DIR/regression
    python benchmarks/tabular.py --data DIR --only german titanic --splits 1
    python benchmarks/tabular.py --data DIR --models ours mlp hgb --effort low
    python benchmarks/tabular.py --data DIR --models ours --ablations
    python benchmarks/tabular.py --data DIR --models ours --ablations alone "equal w"
    python benchmarks/tabular.py --data DIR --json tabular.json --plot tabular.png
    python benchmarks/tabular.py --bundled --splits 10

DIR contains CSV files (``*.csv``, ``*.csv.gz``) with the class in the column
``target``; in DIR/regression the target is a number. Empty cells are missing values,
and columns of text are categorical. DIR/messy has classes, too, but raw tables, with
dates as text and the like; they are read with pandas' defaults. The three are separate
tasks, each with results of its own.

There are three splits of 75 % training and 25 % test data, stratified by class. Errors,
log losses, Brier scores, expected calibration errors (of the predicted class, over 15
bins of equally many samples) and root mean squared errors are means over the splits.
``make_tabular_*`` and their peers have default parameters and ``random_state=0``,
but for ``--effort`` and ``--time-limit``, which are of ours. The peers:

- ``mlp`` and ``rf`` are ``MLPClassifier`` and ``RandomForestClassifier`` after mean
  imputation, ``StandardScaler`` and ``OneHotEncoder``;
- ``hgb`` is ``HistGradientBoostingClassifier`` on pandas' categorical columns;
- ``hgb_tuned`` is the best of 20 random candidates by cross-validation in 3 folds of
  the training data, by log loss or root mean squared error. It takes far longer than
  all others; leave it out by ``--models``;

and their counterparts for regression. They get columns of DIR/messy prepared by hand:
year, month, day, weekday and hour of dates, and the 254 most frequent categories, of
which 100 are one-hot encoded. All models run in turns in one process; fit times include
preprocessing and the search, but not the compilation of kernels. If DIR has a README.md
with a table of results of another peer, as "error / log loss" in a column,
``--reported COLUMN`` includes them.

Ratios are geometric means over the data sets, for each split; of these, the mean and
its standard error over the splits are reported. 0.002 is added to all but root mean
squared errors and times before the division.

``--ablations`` changes one ingredient of the recipe at a time: all of them, or those
whose names contain one of the words that follow. ``--bundled`` uses the four data sets
for classification of scikit-learn, on which the recipe was not tuned.
"""

import argparse
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    format_facts,
    machine_facts,
    seconds,
    thread_pools,
    write_json,
)
from _table_models import BASELINE, MODELS, OURS, Model, make_ablations, make_models
from _table_results import (
    CLASSIFICATION,
    REGRESSION,
    average_splits,
    compare_ablations,
    draw,
    format_ablations,
    format_cell,
    format_results,
    summarize,
)
from compare import Dataset, read_csv, read_frame
from sklearn.base import clone, is_classifier
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split

from skscratch.backends.choice import is_installed
from skscratch.backends.compiled import load_kernels
from skscratch.tabular.defaults import RECIPE
from skscratch.tabular.rounds import EFFORTS

BUNDLED = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}
# Bins of equally many samples in the expected calibration error.
N_BINS = 15


def measure(model: Any, X: Any, y: np.ndarray) -> dict[str, float]:
    """Return the errors of a fitted model."""
    if not is_classifier(model):
        return {"rmse": float(root_mean_squared_error(y, model.predict(X)))}
    probabilities = model.predict_proba(X)
    indicators = (np.asarray(y)[:, np.newaxis] == model.classes_).astype(float)
    return {
        "error": float(np.mean(model.predict(X) != y)),
        "log_loss": float(log_loss(y, probabilities, labels=model.classes_)),
        "brier": float(np.square(probabilities - indicators).sum(axis=1).mean()),
        "calibration": calibration_error(probabilities, indicators),
    }


def calibration_error(probabilities: np.ndarray, indicators: np.ndarray) -> float:
    """Return how far confidence and accuracy differ, over bins of the confidence.

    Parameters
    ----------
    probabilities, indicators : ndarray of shape (n_samples, n_classes)
        Predictions, and 1 for the class of each sample.
    """
    samples = np.arange(len(probabilities))
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[samples, predicted]
    is_right = indicators[samples, predicted]
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(confidence[rows].sum() - is_right[rows].sum())
        for rows in np.array_split(order, N_BINS)
    ]
    return float(sum(gaps) / len(samples))


def compare_on(
    dataset: Dataset, models: Mapping[str, Model], n_splits: int, is_regression: bool
) -> dict[str, list[dict[str, float]]]:
    """Return the measures of each model on each split."""
    raw: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    for seed in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            dataset.X,
            dataset.y,
            test_size=0.25,
            random_state=seed,
            stratify=None if is_regression else dataset.y,
        )
        for name, (unfitted, context) in models.items():
            model = clone(unfitted)
            with context():
                time = seconds(partial(model.fit, X_train, y_train))
            raw[name].append(measure(model, X_test, y_test) | {"seconds": time})
    return raw


def read_reported(folder: Path, column: str) -> dict[str, dict[str, float]]:
    """Read the results of a peer from the table in the folder's README.md."""
    lines = (folder / "README.md").read_text().splitlines()
    reported: dict[str, dict[str, float]] = {}
    header: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if column in cells:
            header = cells
        elif len(cells) == len(header):
            numbers = re.findall(r"\d+\.\d+", cells[header.index(column)])
            if len(numbers) == 2:
                reported[cells[0]] = dict(
                    zip(CLASSIFICATION[:2], map(float, numbers), strict=True)
                )
    if not reported:
        raise SystemExit(f"--reported: no column {column} in {folder / 'README.md'}.")
    return reported


def read_bundled(load: Callable[..., Any]) -> Dataset:
    """Load one of scikit-learn's bundled data sets, as a DataFrame."""
    return Dataset(*load(return_X_y=True, as_frame=True))


def read_csv_of_numbers(path: Path) -> Dataset:
    """Read a data set for regression from a CSV file."""
    data = read_csv(path)
    return Dataset(data.X, data.y.astype(float), data.categorical)


def read_raw_csv(path: Path) -> Dataset:
    """Read a data set with columns as they come."""
    return Dataset(*read_frame(path))


def find_csv(
    folder: Path, read: Callable[[Path], Dataset]
) -> dict[str, Callable[[], Dataset]]:
    """Return the functions that read the CSV files of a folder, by name."""
    paths = sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])
    return {path.name.split(".")[0]: partial(read, path) for path in paths}


def select(options: argparse.Namespace) -> dict[str, dict[str, Callable[[], Dataset]]]:
    """Return the data sets selected on the command line, by task."""
    if options.bundled:
        bundled = {name: partial(read_bundled, load) for name, load in BUNDLED.items()}
        selected = {"classification": bundled}
    else:
        regression = find_csv(options.data / "regression", read_csv_of_numbers)
        if regression:
            regression["diabetes (bundled)"] = partial(read_bundled, load_diabetes)
        classification = find_csv(options.data, read_csv)
        messy = find_csv(options.data / "messy", read_raw_csv)
        selected = {
            "classification": classification,
            "messy": messy,
            "regression": regression,
        }
    if options.only:
        selected = {
            task: {name: read for name, read in sets.items() if name in options.only}
            for task, sets in selected.items()
        }
    if not any(selected.values()):
        where = options.data or "scikit-learn"
        raise SystemExit(f"no data sets to use in {where}.")
    return selected


def run(
    task: str, sets: Mapping[str, Callable[[], Dataset]], options: argparse.Namespace
) -> dict[str, Any]:
    """Compare models on all data sets of a task, print and return the results."""
    is_regression = task == "regression"
    keys = REGRESSION if is_regression else CLASSIFICATION
    reported = {}
    if options.reported and not is_regression:
        reported = read_reported(options.data, options.reported)
    ablations = select_ablations(task, options)
    results, raw = {}, {}
    for name, read in sets.items():
        dataset = read()
        models = make_models(dataset, task, options) | ablations
        raw[name] = compare_on(dataset, models, options.splits, is_regression)
        results[name] = average_splits(raw[name])
        if name in reported:
            results[name][options.reported] = reported[name]
        print(f"{name}: {_format_briefly(results[name], keys)}", flush=True)
    main_raw, main_results = _without(raw, ablations), _without(results, ablations)
    print(f"\n{format_results(main_raw, main_results, keys)}\n")
    if ablations:
        print(f"{format_ablations(raw, list(ablations), keys)}\n")
    if options.plot:
        draw(main_raw, main_results, keys[0], _plot_path(options.plot, task))
    summary = summarize(main_raw, main_results, keys)
    report = {"raw": raw, "means": results, "summary": summary}
    if ablations:
        report["ablations"] = compare_ablations(raw, list(ablations), keys)
    return report


def select_ablations(task: str, options: argparse.Namespace) -> dict[str, Model]:
    """Return the ablations selected on the command line."""
    if options.ablations is None:
        return {}
    ablations = make_ablations(task, options)
    words = options.ablations or [""]
    selected = {
        name: model
        for name, model in ablations.items()
        if any(word in name for word in words)
    }
    if not selected:
        print(f"{task}: no such ablation; there are: {', '.join(ablations)}.")
    return selected


def _without(by_data: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {
        data: {model: value for model, value in models.items() if model not in names}
        for data, models in by_data.items()
    }


def _format_briefly(result: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {' / '.join(format_cell(means[key], key) for key in keys[:2])}"
        for name, means in result.items()
    )


def _plot_path(path: Path, task: str) -> Path:
    return path if task == "classification" else path.with_stem(f"{path.stem}_{task}")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="folder of CSV files")
    source.add_argument(
        "--bundled", action="store_true", help="use scikit-learn's data sets"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets to use")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=MODELS, help="default: all"
    )
    parser.add_argument("--effort", choices=[*EFFORTS], default="default")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS")
    parser.add_argument(
        "--ablations", nargs="*", metavar="WORD", help="all, or those with such names"
    )
    parser.add_argument(
        "--reported", metavar="COLUMN", help="include results from DIR/README.md"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measures")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="plot errors and times"
    )
    options = parser.parse_args(arguments)
    if options.splits < 1:
        parser.error("--splits must be at least 1.")
    if options.reported and options.bundled:
        parser.error("--reported needs --data.")
    if options.ablations is not None and OURS not in options.models:
        parser.error(f"--ablations needs {OURS} among --models.")
    if options.plot and BASELINE not in options.models:
        parser.error(f"--plot needs {BASELINE} among --models.")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison, print the tables, and write the plot and the JSON file."""
    options = parse_arguments(arguments)
    facts = machine_facts(["pandas"])
    reports = {}
    if is_installed():
        # Numba compiles them once on a machine, which is not a part of any fit.
        load_kernels(np.dtype(RECIPE["dtype"]))
    with warnings.catch_warnings():
        # The peers' default of 200 epochs is too few for some data sets.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for task, sets in select(options).items():
            if sets:
                reports[task] = run(task, sets, options)
    facts["threads"] = {"this process": thread_pools()}
    print(format_facts(facts))
    if options.json:
        write_json(options.json, {"machine": facts, "results": reports})


if __name__ == "__main__":
    main()
