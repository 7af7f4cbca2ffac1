"""Compare the recipes for tables with scikit-learn's best estimators.

Run it from the repository, with skscratch installed (extra ``bench`` for pandas)::

    python benchmarks/tabular.py --data DIR                # also DIR/regression
    python benchmarks/tabular.py --data DIR --only german diabetes --splits 1
    python benchmarks/tabular.py --data DIR --ablations --json tabular.json
    python benchmarks/tabular.py --data DIR --plot tabular.png
    python benchmarks/tabular.py --bundled --splits 10

DIR contains CSV files (``*.csv``, ``*.csv.gz``) with the class in the column
``target``; in DIR/regression the target is a number. Empty cells are missing values,
and columns of text are categorical.

There are three splits of 75 % training and 25 % test data, stratified by class. Errors,
log losses, Brier scores, expected calibration errors (of the predicted class, over 15
bins of equally many samples) and root mean squared errors are means over the splits.
``make_tabular_*``
and their peers have default parameters and ``random_state=0``. The peers are
``MLPClassifier`` and ``RandomForestClassifier`` after mean imputation,
``StandardScaler`` and ``OneHotEncoder``, ``HistGradientBoostingClassifier`` on pandas'
categorical columns, and their counterparts for regression. All run in turns in one
process; fit times include preprocessing. If DIR has a README.md with a table of results
of another peer, as "error / log loss" in a column, ``--reported COLUMN`` includes them.

``--ablations`` leaves out one component of the recipe at a time. ``--bundled`` uses the
four data sets for classification of scikit-learn, on which the recipe was not tuned.
"""

import argparse
import re
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    format_facts,
    format_number,
    format_table,
    geometric_mean,
    machine_facts,
    seconds,
    thread_pools,
    write_json,
)
from compare import Dataset, make_preprocessor, read_csv
from sklearn.base import clone, is_classifier
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import make_tabular_classifier, make_tabular_regressor

OURS, BASELINE = "ours", "mlp"
BUNDLED = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}
# Added to both, so that the ratio of two tiny errors does not dominate the mean.
OFFSET = 0.002
CLASSIFICATION = ("error", "log_loss", "brier", "calibration")
# Bins of equally many samples in the expected calibration error.
N_BINS = 15
REGRESSION = ("rmse",)


def make_models(dataset: Dataset, is_regression: bool) -> dict[str, Any]:
    """Return the estimators to compare, by name, ours first."""
    preprocessor = make_preprocessor(dataset)
    if is_regression:
        ours, mlp = make_tabular_regressor(random_state=0), MLPRegressor(random_state=0)
        trees: Any = HistGradientBoostingRegressor
        forest: Any = RandomForestRegressor(random_state=0)
    else:
        ours = make_tabular_classifier(random_state=0)
        mlp = MLPClassifier(random_state=0)
        trees = HistGradientBoostingClassifier
        forest = RandomForestClassifier(random_state=0)
    return {
        OURS: ours,
        BASELINE: make_pipeline(clone(preprocessor), mlp),
        "hgb": trees(categorical_features="from_dtype", random_state=0),
        "rf": make_pipeline(clone(preprocessor), forest),
    }


def make_ablations(is_regression: bool) -> dict[str, Any]:
    """Return our pipelines without one of their components each, by its name."""
    make = make_tabular_regressor if is_regression else make_tabular_classifier
    encoder = "columns__numbers__encode__"

    def with_step(name: str, step: Any) -> Any:
        return make(random_state=0).set_params(**{encoder + name: step})

    def with_parameters(**parameters: Any) -> Any:
        return make(random_state=0, **parameters)

    ablations = {
        "one network instead of eight": with_parameters(n_estimators=1),
        "one hidden layer less": with_parameters(hidden_layer_sizes=(128, 128)),
        "Glorot's initial weights": with_parameters(init="glorot"),
        "beta_2 0.999": with_parameters(beta_2=0.999),
        "one wave of the learning rate, not four": with_parameters(
            learning_rate="cosine"
        ),
        "a constant learning rate": with_parameters(learning_rate="constant"),
        "the last epoch, not the best": with_parameters(restore_best=False),
        "no weight decay": with_parameters(weight_decay=0.0),
        "ramps instead of hats": with_step("pieces__kind", "ramps"),
        "ramps and hats": with_step("pieces__kind", "both"),
        "no pieces for frequent values": with_step("pieces__n_bins", 8),
        "no pieces": with_step("pieces", "drop"),
        "standardized, not clipped": with_step("scaled", StandardScaler()),
        "pieces alone": with_step("scaled", "drop"),
    }
    if is_regression:
        return ablations | {
            "one best epoch for all": with_parameters(restore_best="together"),
            "no dropout": with_parameters(dropout=0.0),
        }
    return ablations | {
        "each member's own best epoch": with_parameters(restore_best=True),
        "no label smoothing": with_parameters(label_smoothing=0.0),
        "no temperature": with_parameters(temperature_scaling=False),
    }


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
    dataset: Dataset, models: Mapping[str, Any], n_splits: int, is_regression: bool
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
        for name, unfitted in models.items():
            model = clone(unfitted)
            train, test = X_train, X_test
            if name == "hgb":
                train, test = as_categories(dataset, X_train, X_test)
            time = seconds(lambda: model.fit(train, y_train))  # noqa: B023
            raw[name].append(measure(model, test, y_test) | {"seconds": time})
    return raw


def as_categories(dataset: Dataset, *frames: Any) -> list[Any]:
    """Convert the categorical columns of frames to pandas' category dtype."""
    names = [dataset.X.columns[i] for i in dataset.categorical]
    types = {name: dataset.X[name].astype("category").dtype for name in names}
    return [frame.astype(types) for frame in frames]


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


def average_splits(
    raw: Mapping[str, Sequence[Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    """Return the mean of each measure over the splits."""
    return {
        name: {
            key: statistics.fmean(split[key] for split in splits) for key in splits[0]
        }
        for name, splits in raw.items()
    }


def ratios(
    results: Mapping[str, Mapping[str, Mapping[str, float]]], key: str, model: str
) -> list[float]:
    """Return a model's results relative to ``MLPClassifier``'s, for each data set."""
    offset = 0.0 if key in ("seconds", "rmse") else OFFSET
    return [
        (result[model][key] + offset) / (result[BASELINE][key] + offset)
        for result in results.values()
        if key in result.get(model, {})
    ]


def ranks(
    results: Mapping[str, Any], key: str, names: Sequence[str]
) -> dict[str, float]:
    """Return mean ranks on the data sets with results of all models; 1 is best."""
    from scipy.stats import rankdata

    rows = [
        rankdata([result[name][key] for name in names])
        for result in results.values()
        if all(key in result.get(name, {}) for name in names)
    ]
    return dict(zip(names, np.mean(rows, axis=0), strict=True)) if rows else {}


def format_results(results: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Format a table for each measure, with means, ranks, wins and losses."""
    names = model_names(results)
    tables = []
    for key in (*keys, "seconds"):
        rows = [
            [data, *(_cell(result.get(name, {}).get(key), key) for name in names)]
            for data, result in results.items()
        ]
        geometric = [geometric_mean(ratios(results, key, name)) for name in names]
        rows.append(
            ["geometric mean, relative to mlp", *(f"{g:.3f}" for g in geometric)]
        )
        if key != "seconds":
            ranked = ranks(results, key, names)
            rows.append(["mean rank", *(f"{ranked.get(n, np.nan):.2f}" for n in names)])
            counts = (count_wins(results, key, n) for n in names)
            rows.append(["wins and losses of ours", *counts])
        tables.append(f"{key}\n{format_table(['data', *names], rows)}")
    return "\n\n".join(tables)


def model_names(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the models that have results on any data set."""
    return list(dict.fromkeys(name for result in results.values() for name in result))


def count_wins(results: Mapping[str, Any], key: str, name: str) -> str:
    """Count the data sets on which ours is better, and worse, than a model."""
    pairs = [
        (result[OURS][key], result[name][key])
        for result in results.values()
        if key in result.get(name, {})
    ]
    if name == OURS:
        return ""
    return f"{sum(a < b for a, b in pairs)}, {sum(a > b for a, b in pairs)}"


def _cell(value: float | None, key: str) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if key in CLASSIFICATION else format_number(value)


def draw(results: Mapping[str, Any], key: str, path: Path) -> None:
    """Plot the error of each model against its fit time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name in model_names(results):
        times = ratios(results, "seconds", name)
        if not times:
            continue
        x, y = geometric_mean(times), geometric_mean(ratios(results, key, name))
        axes.plot(x, y, "o", markersize=9)
        axes.annotate(name, (x, y), xytext=(8, 4), textcoords="offset points")
    axes.set(
        xscale="log",
        xlabel="fit time, relative to mlp",
        ylabel=f"{key.replace('_', ' ')}, relative to mlp",
        title=f"Geometric means over {len(results)} data sets: lower left is better",
    )
    axes.xaxis.set_major_locator(LogLocator(base=2))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    axes.margins(0.15)
    figure.savefig(path, dpi=150)


def read_bundled(load: Callable[..., Any]) -> Dataset:
    """Load one of scikit-learn's bundled data sets, as a DataFrame."""
    return Dataset(*load(return_X_y=True, as_frame=True))


def read_csv_of_numbers(path: Path) -> Dataset:
    """Read a data set for regression from a CSV file."""
    data = read_csv(path)
    return Dataset(data.X, data.y.astype(float), data.categorical)


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
        selected = {"classification": classification, "regression": regression}
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
    ablations = make_ablations(is_regression) if options.ablations else {}
    results, raw = {}, {}
    for name, read in sets.items():
        dataset = read()
        models = make_models(dataset, is_regression) | ablations
        raw[name] = compare_on(dataset, models, options.splits, is_regression)
        results[name] = average_splits(raw[name])
        if name in reported:
            results[name][options.reported] = reported[name]
        ours = results[name][OURS]
        listed = ", ".join(
            f"{key} {format_number(ours[key])}" for key in (*keys, "seconds")
        )
        print(f"{name}: ours {listed}", flush=True)
    main_results = {
        name: {model: m for model, m in result.items() if model not in ablations}
        for name, result in results.items()
    }
    print(f"\n{format_results(main_results, keys)}\n")
    if ablations:
        print(f"{format_ablations(results, list(ablations), keys)}\n")
    if options.plot:
        draw(main_results, keys[0], _plot_path(options.plot, task))
    return {"raw": raw, "means": results}


def format_ablations(
    results: Mapping[str, Any], names: Sequence[str], keys: Sequence[str]
) -> str:
    """Format the effect of leaving out each component, by geometric means."""
    rows = []
    for name in [OURS, *names]:
        row = [name if name != OURS else "(nothing)"]
        for key in (*keys, "seconds"):
            ours = geometric_mean(ratios(results, key, OURS))
            row.append(f"{geometric_mean(ratios(results, key, name)) / ours - 1:+.1%}")
        rows.append(row)
    return format_table(["without", *keys, "seconds"], rows)


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
    parser.add_argument("--ablations", action="store_true")
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
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison, print the tables, and write the plot and the JSON file."""
    options = parse_arguments(arguments)
    facts = machine_facts(["pandas"])
    reports = {}
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
