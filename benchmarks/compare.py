"""`ScratchMLPClassifier` against `MLPClassifier` on real data.

Run it from the repository, with skscratch installed::

    python benchmarks/compare.py                      # scikit-learn's data sets
    python benchmarks/compare.py --data DIR           # and every CSV file in DIR
    python benchmarks/compare.py --only digits --repeats 5 --json compare.json

Both have their default parameters and the same `random_state`, both get the same
prepared arrays, and they run in turns in one process. Of three stratified splits,
75 % to train and 25 % to test, errors and log losses are means; times are medians
over the splits and repeats, without the preparation.

A CSV file (``*.csv``, ``*.csv.gz``) has its class in the column ``target``. Empty
cells are missing, text columns are categorical. Reading one needs pandas (extra
``bench``). A file named like a bundled data set takes its place.
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
# Keeps the ratio of two errors near zero from outweighing all the others.
OFFSETS = {"error": 0.002, "log_loss": 0.002}


@dataclass(frozen=True)
class Dataset:
    """Features, classes, and which columns are categorical."""

    X: Any
    y: np.ndarray
    categorical: tuple[int, ...] = ()


def bundled(load: Callable[..., Any]) -> Dataset:
    """Return one of scikit-learn's own data sets."""
    X, y = load(return_X_y=True)
    return Dataset(X, y)


def read_csv(path: Path) -> Dataset:
    """Return the data set in a CSV file."""
    try:
        import pandas as pd
    except ImportError:
        raise SystemExit(
            "--data needs pandas to read CSV files: pip install 'skscratch[bench]'"
        ) from None

    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if "target" not in frame:
        raise SystemExit(f"{path.name} has no column 'target'.")
    y = frame.pop("target").astype(str).to_numpy(dtype=object)
    numeric = set(frame.select_dtypes("number").columns)
    categorical = tuple(
        index for index, name in enumerate(frame) if name not in numeric
    )
    # Plain objects with NaN are what scikit-learn's imputer takes for text.
    X = frame.astype({frame.columns[index]: object for index in categorical})
    return Dataset(X.where(X.notna(), np.nan), y, categorical)


def available(folder: Path | None) -> dict[str, Callable[[], Dataset]]:
    """Return what reads each data set, by the name it goes by."""
    sources: dict[str, Callable[[], Dataset]] = {
        "iris": partial(bundled, datasets.load_iris),
        "wine": partial(bundled, datasets.load_wine),
        "breast_cancer": partial(bundled, datasets.load_breast_cancer),
        "digits": partial(bundled, datasets.load_digits),
    }
    if folder is not None:
        paths = sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])
        if not paths:
            raise SystemExit(f"--data: no *.csv or *.csv.gz file in {folder}.")
        sources |= {path.name.split(".")[0]: partial(read_csv, path) for path in paths}
    return sources


def preparation(dataset: Dataset) -> Any:
    """Return the transformer that makes a data set's columns numbers."""
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


def prepared_split(dataset: Dataset, seed: int, dtype: str) -> tuple[np.ndarray, ...]:
    """Return `X_train`, `X_test`, `y_train`, `y_test`, ready for both estimators."""
    X_train, X_test, y_train, y_test = train_test_split(
        dataset.X, dataset.y, test_size=0.25, random_state=seed, stratify=dataset.y
    )
    transformer = preparation(dataset).fit(X_train)
    return (
        np.ascontiguousarray(transformer.transform(X_train), dtype=dtype),
        np.ascontiguousarray(transformer.transform(X_test), dtype=dtype),
        y_train,
        y_test,
    )


def score(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the share of wrong predictions and the mean log loss."""
    probabilities = estimator.predict_proba(X)
    return {
        "error": float(np.mean(estimator.predict(X) != y)),
        "log_loss": float(log_loss(y, probabilities, labels=estimator.classes_)),
    }


def measure_split(
    split: tuple[np.ndarray, ...], parameters: Mapping[str, Any], repeats: int
) -> dict[str, dict[str, Any]]:
    """Return every measure of both estimators on one split."""
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


def summary(splits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return means over the splits of the scores, medians of all the times."""
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
    """Return the raw measures on a data set, their summaries and the ratios."""
    parameters: dict[str, Any] = {"random_state": options.random_state}
    if options.max_iter is not None:
        parameters["max_iter"] = options.max_iter
    splits = [
        measure_split(
            prepared_split(dataset, seed, options.dtype), parameters, options.repeats
        )
        for seed in SPLITS
    ]
    raw = {name: [split[name] for split in splits] for name in (OURS, THEIRS)}
    summaries = {name: summary(measures) for name, measures in raw.items()}
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
    """Return the table: for each measure ours, theirs and the ratio."""
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
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of CSV files")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="just these data")
    parser.add_argument("--repeats", type=int, default=3, help="of each split")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--max-iter", type=int, help="epochs, instead of the default")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measure")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1.")
    return options


def chosen(options: argparse.Namespace) -> dict[str, Callable[[], Dataset]]:
    """Return the data sets that the command line asks for."""
    sources = available(options.data)
    names = options.only or list(sources)
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise SystemExit(
            f"--only: no data set {', '.join(unknown)}; there are {', '.join(sources)}."
        )
    return {name: sources[name] for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print the table, and write the JSON file."""
    options = parse_arguments(arguments)
    ignore_convergence_warnings()
    facts = machine_facts(["pandas"])
    results = {}
    for name, load in chosen(options).items():
        print(f"{name} ...", flush=True)
        results[name] = compare_on(load(), options)
    means = {
        key: geometric_mean(result["ratios"][key] for result in results.values())
        for key in MEASURES
    }
    facts["threads"] = {"this process": thread_pools()}
    print(f"\n{format_facts(facts)}\n\n{format_results(results, means)}\n")
    print(
        "Each ratio is MLPClassifier's figure over ScratchMLPClassifier's: above 1 "
        "speaks for ours.\nErrors and log losses get 0.002 added before they are "
        "divided, so that near-zero ones do not dominate."
    )
    if options.json:
        settings = {"repeats": options.repeats, "dtype": options.dtype}
        settings |= {"max_iter": options.max_iter, "splits": SPLITS}
        settings |= {"random_state": options.random_state}
        report = {"machine": facts, "settings": settings, "datasets": results}
        write_json(options.json, report | {"geometric_means": means})


if __name__ == "__main__":
    main()
