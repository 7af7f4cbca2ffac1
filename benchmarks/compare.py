"""Compare ``ScratchMLPClassifier`` with ``MLPClassifier`` on real data.

Run it from the repository, with skscratch installed::

    python benchmarks/compare.py                      # scikit-learn's data sets
    python benchmarks/compare.py --data DIR           # also every CSV file in DIR
    python benchmarks/compare.py --only digits --repeats 5 --json compare.json

Both estimators have their default parameters, the same ``random_state`` and the same
preprocessed data, and run in turns in one process. There are three stratified splits
of 75 % training and 25 % test data. Errors and log losses are means over the splits;
times are medians over splits and repeats, without preprocessing.

A CSV file (``*.csv``, ``*.csv.gz``) must have the class in the column ``target``. Empty
cells are missing values, and columns of text are categorical. Reading them needs pandas
(extra ``bench``). A file with the name of a bundled data set replaces it.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    OURS,
    THEIRS,
    estimator_classes,
    format_facts,
    format_number,
    format_table,
    geometric_mean,
    ignore_convergence_warnings,
    interleaved,
    machine_facts,
    thread_pools,
    write_json,
)
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SPLITS = (0, 1, 2)
MEASURES = ("error", "log_loss", "fit_seconds", "predict_seconds")
PREDICT_CALLS = 10
# Added to both, so that the ratio of two tiny errors does not dominate the mean.
OFFSETS = {"error": 0.002, "log_loss": 0.002}


@dataclass(frozen=True)
class Dataset:
    """Features, classes, and the indices of categorical columns."""

    X: Any
    y: np.ndarray
    categorical: tuple[int, ...] = ()


def bundled(load: Callable[..., Any]) -> Dataset:
    """Load one of scikit-learn's bundled data sets."""
    X, y = load(return_X_y=True)
    return Dataset(X, y)


def read_frame(path: Path, **options: Any) -> tuple[Any, np.ndarray]:
    """Read features and targets, as text, from a CSV file, with pandas' options."""
    try:
        import pandas as pd
    except ImportError:
        raise SystemExit(
            "--data needs pandas to read CSV files: pip install 'skscratch[bench]'"
        ) from None

    frame = pd.read_csv(path, **options)
    if "target" not in frame:
        raise SystemExit(f"{path.name} has no column 'target'.")
    return frame, frame.pop("target").astype(str).to_numpy(dtype=object)


def read_csv(path: Path) -> Dataset:
    """Read a data set from a CSV file."""
    frame, y = read_frame(path, keep_default_na=False, na_values=[""])
    numeric = set(frame.select_dtypes("number").columns)
    categorical = tuple(
        index for index, name in enumerate(frame) if name not in numeric
    )
    # scikit-learn's imputer needs text as objects, and missing values as NaN.
    X = frame.astype({frame.columns[index]: object for index in categorical})
    return Dataset(X.where(X.notna(), np.nan), y, categorical)


def available(folder: Path | None) -> dict[str, Callable[[], Dataset]]:
    """Return the functions that read the data sets, by name."""
    sources: dict[str, Callable[[], Dataset]] = {
        "iris": partial(bundled, datasets.load_iris),
        "wine": partial(bundled, datasets.load_wine),
        "breast_cancer": partial(bundled, datasets.load_breast_cancer),
        "digits": partial(bundled, datasets.load_digits),
    }
    if folder is not None:
        paths = sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])
        if not paths:
            raise SystemExit(f"--data: no *.csv or *.csv.gz files in {folder}.")
        sources |= {path.name.split(".")[0]: partial(read_csv, path) for path in paths}
    return sources


def make_preprocessor(dataset: Dataset) -> Any:
    """Return a transformer that imputes, scales and one-hot encodes a data set."""
    n_features = dataset.X.shape[1]
    numeric = [i for i in range(n_features) if i not in dataset.categorical]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numeric),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent"),
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            ),
            list(dataset.categorical),
        ),
    )


def preprocessed_split(
    dataset: Dataset, seed: int, dtype: str
) -> tuple[np.ndarray, ...]:
    """Return ``X_train`` and ``X_test``, preprocessed, ``y_train`` and ``y_test``."""
    X_train, X_test, y_train, y_test = train_test_split(
        dataset.X, dataset.y, test_size=0.25, random_state=seed, stratify=dataset.y
    )
    transformer = make_preprocessor(dataset).fit(X_train)
    return (
        np.ascontiguousarray(transformer.transform(X_train), dtype=dtype),
        np.ascontiguousarray(transformer.transform(X_test), dtype=dtype),
        y_train,
        y_test,
    )


def score(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the error rate and the log loss."""
    probabilities = estimator.predict_proba(X)
    return {
        "error": float(np.mean(estimator.predict(X) != y)),
        "log_loss": float(log_loss(y, probabilities, labels=estimator.classes_)),
    }


def measure_split(
    split: tuple[np.ndarray, ...], parameters: Mapping[str, Any], repeats: int
) -> dict[str, dict[str, Any]]:
    """Return all measures of both estimators on one split."""
    X_train, X_test, y_train, y_test = split
    fitted = {
        name: estimator_class(**parameters)
        for name, estimator_class in estimator_classes().items()
    }
    fits = interleaved(
        {name: partial(e.fit, X_train, y_train) for name, e in fitted.items()},
        repeats,
        warmup=False,
    )
    scores = {name: score(e, X_test, y_test) for name, e in fitted.items()}
    predictions = interleaved(
        {name: partial(e.predict_proba, X_test) for name, e in fitted.items()},
        repeats,
        calls=PREDICT_CALLS,
    )
    return {
        name: scores[name]
        | {"fit_seconds": fits[name], "predict_seconds": predictions[name]}
        for name in fitted
    }


def summarize(splits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean scores over the splits, and the medians of all times."""
    scores = {
        key: statistics.fmean(split[key] for split in splits)
        for key in ("error", "log_loss")
    }
    times = {
        key: statistics.median(t for split in splits for t in split[key])
        for key in ("fit_seconds", "predict_seconds")
    }
    return scores | times


def compare_on(dataset: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Return all measures on a data set, their summaries, and the ratios."""
    parameters: dict[str, Any] = {"random_state": options.random_state}
    if options.max_iter is not None:
        parameters["max_iter"] = options.max_iter
    splits = [
        measure_split(
            preprocessed_split(dataset, seed, options.dtype),
            parameters,
            options.repeats,
        )
        for seed in SPLITS
    ]
    raw = {name: [split[name] for split in splits] for name in (OURS, THEIRS)}
    summaries = {name: summarize(measures) for name, measures in raw.items()}
    ratios = {
        key: (summaries[THEIRS][key] + OFFSETS.get(key, 0))
        / (summaries[OURS][key] + OFFSETS.get(key, 0))
        for key in MEASURES
    }
    return {
        "rows": len(dataset.y),
        "features": dataset.X.shape[1],
        "classes": len(np.unique(dataset.y)),
        "raw": raw,
        "summaries": summaries,
        "ratios": ratios,
    }


def format_results(results: Mapping[str, Any], means: Mapping[str, float]) -> str:
    """Format the table: for each measure ours, theirs and the ratio."""
    scales = {"fit_seconds": 1e3, "predict_seconds": 1e3}
    header = ["data", "rows"]
    for title in ("error", "log loss", "fit ms", "predict ms"):
        header += [title, "MLP's", "ratio"]
    rows = []
    for name, result in results.items():
        row = [name, str(result["rows"])]
        for key in MEASURES:
            for estimator in (OURS, THEIRS):
                value = result["summaries"][estimator][key] * scales.get(key, 1)
                row.append(f"{value:.4f}" if key in OFFSETS else format_number(value))
            row.append(f"{result['ratios'][key]:.2f}")
        rows.append(row)
    last = ["geometric mean", ""]
    for key in MEASURES:
        last += ["", "", f"{means[key]:.2f}"]
    return format_table(header, [*rows, last])


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of CSV files")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets to use")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of each split")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--max-iter", type=int, help="number of epochs")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measures")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1.")
    return options


def select(options: argparse.Namespace) -> dict[str, Callable[[], Dataset]]:
    """Return the data sets selected on the command line."""
    sources = available(options.data)
    names = options.only or list(sources)
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise SystemExit(
            f"--only: no data set {', '.join(unknown)}; choose from "
            f"{', '.join(sources)}."
        )
    return {name: sources[name] for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison, print the table, and write the JSON file."""
    options = parse_arguments(arguments)
    ignore_convergence_warnings()
    facts = machine_facts(["pandas"])
    results = {}
    for name, load in select(options).items():
        print(f"{name} ...", flush=True)
        results[name] = compare_on(load(), options)
    means = {
        key: geometric_mean(result["ratios"][key] for result in results.values())
        for key in MEASURES
    }
    facts["threads"] = {"this process": thread_pools()}
    print(f"\n{format_facts(facts)}\n\n{format_results(results, means)}\n")
    print(
        "Ratios are MLPClassifier's result divided by ScratchMLPClassifier's: above 1, "
        "ours is better.\n0.002 is added to errors and log losses before the division, "
        "so that tiny ones do not dominate."
    )
    if options.json:
        settings = {"repeats": options.repeats, "dtype": options.dtype}
        settings |= {"max_iter": options.max_iter, "splits": SPLITS}
        settings |= {"random_state": options.random_state}
        report = {"machine": facts, "settings": settings, "datasets": results}
        write_json(options.json, report | {"geometric_means": means})


if __name__ == "__main__":
    main()
