"""`make_tabular_classifier` and `make_tabular_regressor` against scikit-learn's best.

Run it from the repository, with skscratch installed (extra ``bench`` for pandas)::

    python benchmarks/tabular.py --data DIR                # and DIR/regression
    python benchmarks/tabular.py --data DIR --only german diabetes --splits 1
    python benchmarks/tabular.py --data DIR --ablations --json tabular.json
    python benchmarks/tabular.py --data DIR --plot tabular.png
    python benchmarks/tabular.py --bundled --splits 10

DIR holds CSV files (``*.csv``, ``*.csv.gz``) with the class in the column ``target``;
in DIR/regression it is a number. Empty cells are missing, text columns are categorical.

Of three splits, 75 % to train and 25 % to test, stratified for classes, errors, log
losses and root mean squared errors are means. The peers have their default parameters
and `random_state=0`: `MLPClassifier` and `RandomForestClassifier` behind mean
imputation, `StandardScaler` and `OneHotEncoder`, `HistGradientBoostingClassifier` on
columns of pandas' categories, and their counterparts for regression. All run in turns
in one process; fit times include the preparation. Where DIR has a README.md with a
table of a peer's figures, "error / log loss" in a column, `--reported COLUMN` joins it.

`--ablations` leaves out one ingredient of the recipe at a time. `--bundled` takes
scikit-learn's own four data sets of classes, which had no part in its choice.
"""

import argparse
import re
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
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
from compare import Dataset, preparation, read_csv
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

OURS, BASE = "ours", "mlp"
BUNDLED = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}
# Keeps the ratio of two errors near zero from outweighing all the others.
OFFSET = 0.002
CLASSIFICATION = ("error", "log_loss")
REGRESSION = ("rmse",)


def models(dataset: Dataset, is_regression: bool) -> dict[str, Any]:
    """Return the estimators that are compared, by name, ours first."""
    prepared = preparation(dataset)
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
        BASE: make_pipeline(clone(prepared), mlp),
        "hgb": trees(categorical_features="from_dtype", random_state=0),
        "rf": make_pipeline(clone(prepared), forest),
    }


def ablations(is_regression: bool) -> dict[str, Any]:
    """Return our pipeline with one ingredient of it left out, by its name."""
    make = make_tabular_regressor if is_regression else make_tabular_classifier
    encode = "columns__numbers__encode__"

    def with_step(name: str, step: Any) -> Any:
        return make(random_state=0).set_params(**{encode + name: step})

    def without(**parameters: Any) -> Any:
        return make(random_state=0, **parameters)

    found = {
        "one network instead of eight": without(n_estimators=1),
        "one hidden layer less": without(hidden_layer_sizes=(128, 128)),
        "Glorot's initial weights": without(init="glorot"),
        "beta_2 0.999": without(beta_2=0.999),
        "one wave of the learning rate, not four": without(learning_rate="cosine"),
        "a constant learning rate": without(learning_rate="constant"),
        "the last epoch, not the best": without(restore_best=False),
        "no weight decay": without(weight_decay=0.0),
        "ramps instead of hats": with_step("pieces__kind", "ramps"),
        "ramps and hats": with_step("pieces__kind", "both"),
        "no pieces for frequent values": with_step("pieces__n_bins", 8),
        "no pieces": with_step("pieces", "drop"),
        "standardised, not clipped": with_step("scaled", StandardScaler()),
        "pieces alone": with_step("scaled", "drop"),
    }
    if is_regression:
        return found | {
            "one best epoch for all": without(restore_best="together"),
            "no dropout": without(dropout=0.0),
        }
    return found | {
        "each member's own best epoch": without(restore_best=True),
        "no label smoothing": without(label_smoothing=0.0),
        "no temperature": without(temperature_scaling=False),
    }


def measures(model: Any, X: Any, y: np.ndarray) -> dict[str, float]:
    """Return how wrong a fitted model is."""
    if not is_classifier(model):
        return {"rmse": float(root_mean_squared_error(y, model.predict(X)))}
    probabilities = model.predict_proba(X)
    return {
        "error": float(np.mean(model.predict(X) != y)),
        "log_loss": float(log_loss(y, probabilities, labels=model.classes_)),
    }


def compare_on(
    dataset: Dataset, makers: Mapping[str, Any], n_splits: int, is_regression: bool
) -> dict[str, list[dict[str, float]]]:
    """Return the measures of each model on each split."""
    raw: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
    for seed in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            dataset.X,
            dataset.y,
            test_size=0.25,
            random_state=seed,
            stratify=None if is_regression else dataset.y,
        )
        for name, maker in makers.items():
            model = clone(maker)
            train, test = X_train, X_test
            if name == "hgb":
                train, test = as_categories(dataset, X_train, X_test)
            time = seconds(lambda: model.fit(train, y_train))  # noqa: B023
            raw[name].append(measures(model, test, y_test) | {"seconds": time})
    return raw


def as_categories(dataset: Dataset, *frames: Any) -> list[Any]:
    """Return frames whose categorical columns have pandas' type for them."""
    names = [dataset.X.columns[i] for i in dataset.categorical]
    types = {name: dataset.X[name].astype("category").dtype for name in names}
    return [frame.astype(types) for frame in frames]


def reported(folder: Path, column: str) -> dict[str, dict[str, float]]:
    """Return a peer's figures from the table in the folder's README.md."""
    lines = (folder / "README.md").read_text().splitlines()
    found: dict[str, dict[str, float]] = {}
    header: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if column in cells:
            header = cells
        elif len(cells) == len(header):
            figures = re.findall(r"\d+\.\d+", cells[header.index(column)])
            if len(figures) == 2:
                found[cells[0]] = dict(
                    zip(CLASSIFICATION, map(float, figures), strict=True)
                )
    if not found:
        raise SystemExit(f"--reported: no column {column} in {folder / 'README.md'}.")
    return found


def means(
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
    """Return a model's figure relative to `MLPClassifier`'s, of each data set."""
    offset = 0.0 if key in ("seconds", "rmse") else OFFSET
    return [
        (of[model][key] + offset) / (of[BASE][key] + offset)
        for of in results.values()
        if key in of.get(model, {})
    ]


def ranks(
    results: Mapping[str, Any], key: str, names: Sequence[str]
) -> dict[str, float]:
    """Return mean ranks on the data sets that all have figures for; 1 is best."""
    from scipy.stats import rankdata

    rows = [
        rankdata([of[name][key] for name in names])
        for of in results.values()
        if all(key in of.get(name, {}) for name in names)
    ]
    return dict(zip(names, np.mean(rows, axis=0), strict=True)) if rows else {}


def format_results(results: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return a table for each measure, with means, ranks, wins and losses."""
    names = list(dict.fromkeys(name for of in results.values() for name in of))
    tables = []
    for key in (*keys, "seconds"):
        rows = [
            [data, *(_cell(of.get(name, {}).get(key), key) for name in names)]
            for data, of in results.items()
        ]
        geometric = [geometric_mean(ratios(results, key, name)) for name in names]
        rows.append(["geometric mean to mlp", *(f"{g:.3f}" for g in geometric)])
        if key != "seconds":
            ranked = ranks(results, key, names)
            rows.append(["mean rank", *(f"{ranked.get(n, np.nan):.2f}" for n in names)])
            rows.append(["ours wins, loses", *(wins(results, key, n) for n in names)])
        tables.append(f"{key}\n{format_table(['data', *names], rows)}")
    return "\n\n".join(tables)


def wins(results: Mapping[str, Any], key: str, name: str) -> str:
    """Return on how many data sets ours is better and worse than a model."""
    pairs = [
        (of[OURS][key], of[name][key])
        for of in results.values()
        if key in of.get(name, {})
    ]
    if name == OURS:
        return ""
    return f"{sum(a < b for a, b in pairs)}, {sum(a > b for a, b in pairs)}"


def _cell(value: float | None, key: str) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if key in CLASSIFICATION else format_number(value)


def draw(results: Mapping[str, Any], key: str, path: Path) -> None:
    """Draw how wrong each model is against how long its fit takes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = list(dict.fromkeys(name for of in results.values() for name in of))
    for name in names:
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


def tasks(options: argparse.Namespace) -> dict[str, dict[str, Callable[[], Dataset]]]:
    """Return what reads each data set, of classification and of regression."""

    def of(folder: Path) -> dict[str, Callable[[], Dataset]]:
        paths = sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])
        return {p.name.split(".")[0]: lambda p=p: read_csv(p) for p in paths}

    def number(read: Callable[[], Dataset]) -> Callable[[], Dataset]:
        def as_numbers() -> Dataset:
            data = read()
            return Dataset(data.X, data.y.astype(float), data.categorical)

        return as_numbers

    def own(load: Callable[..., Any]) -> Callable[[], Dataset]:
        return lambda: Dataset(*load(return_X_y=True, as_frame=True))

    if options.bundled:
        found = {"classification": {name: own(load) for name, load in BUNDLED.items()}}
    else:
        of_numbers = of(options.data / "regression").items()
        regression = {name: number(read) for name, read in of_numbers}
        if regression:
            regression["diabetes (bundled)"] = own(load_diabetes)
        found = {"classification": of(options.data), "regression": regression}
    if options.only:
        found = {
            kind: {name: read for name, read in reads.items() if name in options.only}
            for kind, reads in found.items()
        }
    if not any(found.values()):
        where = options.data or "scikit-learn"
        raise SystemExit(f"no data set to run in {where}.")
    return found


def run(
    kind: str, reads: Mapping[str, Callable[[], Dataset]], options: argparse.Namespace
) -> dict[str, Any]:
    """Compare on all data sets of a kind; print as it goes; return what was seen."""
    is_regression = kind == "regression"
    keys = REGRESSION if is_regression else CLASSIFICATION
    others = {}
    if options.reported and not is_regression:
        others = reported(options.data, options.reported)
    results, raws = {}, {}
    for name, read in reads.items():
        dataset = read()
        makers = models(dataset, is_regression)
        if options.ablations:
            makers |= ablations(is_regression)
        raws[name] = compare_on(dataset, makers, options.splits, is_regression)
        results[name] = means(raws[name])
        if name in others:
            results[name][options.reported] = others[name]
        ours = results[name][OURS]
        said = ", ".join(
            f"{key} {format_number(ours[key])}" for key in (*keys, "seconds")
        )
        print(f"{name}: ours {said}", flush=True)
    left_out = ablations(is_regression) if options.ablations else {}
    main = {
        name: {model: m for model, m in of.items() if model not in left_out}
        for name, of in results.items()
    }
    print(f"\n{format_results(main, keys)}\n")
    if options.ablations:
        print(f"{format_ablations(results, list(left_out), keys)}\n")
    if options.plot:
        draw(main, keys[0], _beside(options.plot, kind))
    return {"raw": raws, "means": results}


def format_ablations(
    results: Mapping[str, Any], names: Sequence[str], keys: Sequence[str]
) -> str:
    """Return what leaving out each ingredient does to ours, by geometric means."""
    rows = []
    for name in [OURS, *names]:
        row = [name if name != OURS else "as it is"]
        for key in (*keys, "seconds"):
            ours = geometric_mean(ratios(results, key, OURS))
            row.append(f"{geometric_mean(ratios(results, key, name)) / ours - 1:+.1%}")
        rows.append(row)
    return format_table(["without", *keys, "seconds"], rows)


def _beside(path: Path, kind: str) -> Path:
    return path if kind == "classification" else path.with_stem(f"{path.stem}_{kind}")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="of CSV files")
    source.add_argument(
        "--bundled", action="store_true", help="scikit-learn's own data"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="just these data")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--reported", metavar="COLUMN", help="of DIR/README.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw error and time")
    options = parser.parse_args(arguments)
    if options.splits < 1:
        parser.error("--splits must be at least 1.")
    if options.reported and options.bundled:
        parser.error("--reported is of --data.")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print the tables, draw, and write the JSON file."""
    options = parse_arguments(arguments)
    facts = machine_facts(["pandas"])
    reports = {}
    with warnings.catch_warnings():
        # The peers' default of 200 epochs is not enough for some data sets.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for kind, reads in tasks(options).items():
            if reads:
                reports[kind] = run(kind, reads, options)
    facts["threads"] = {"this process": thread_pools()}
    print(format_facts(facts))
    if options.json:
        write_json(options.json, {"machine": facts, "results": reports})


if __name__ == "__main__":
    main()
