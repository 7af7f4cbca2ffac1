"""Compare prediction intervals with conformalized gradient boosting.

Run it from the repository, with the extra ``bench`` for pandas and MAPIE::

    python benchmarks/intervals.py --data DIR            # DIR/regression/*.csv.gz
    python benchmarks/intervals.py --data DIR --only abalone quake --splits 2
    python benchmarks/intervals.py --data DIR --json intervals.json

The data are those of ``tabular.py``. For each of five splits of 75 % training and 25 %
test data, ``make_tabular_regressor(intervals=True)`` and MAPIE's
``ConformalizedQuantileRegressor`` over ``GradientBoostingRegressor`` learn from the
same rows; both set a quarter of them aside for calibration. Coverage is the share of
test targets within their intervals, width the mean length of an interval divided by the
standard deviation of the training targets.
"""

import argparse
import statistics
import warnings
from functools import partial
from pathlib import Path

from _common import (
    format_facts,
    format_table,
    geometric_mean,
    machine_facts,
    seconds,
    write_json,
)
from compare import bundled, make_preprocessor, read_csv
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import train_test_split

from skscratch import make_tabular_regressor


def ours(dataset, X, y, X_test, coverage):
    """Intervals of the recipe for tables."""
    model = make_tabular_regressor(intervals=True, random_state=0).fit(X, y)
    return model.predict_interval(X_test, coverage)


def conformalized_boosting(dataset, X, y, X_test, coverage):
    """Intervals of MAPIE, on columns prepared for scikit-learn."""
    from mapie.regression import ConformalizedQuantileRegressor

    X, X_held, y, y_held = train_test_split(X, y, test_size=0.25, random_state=0)
    prepare = make_preprocessor(dataset).fit(X)
    model = ConformalizedQuantileRegressor(
        GradientBoostingRegressor(loss="quantile", random_state=0),
        confidence_level=coverage,
    )
    model.fit(prepare.transform(X), y)
    model.conformalize(prepare.transform(X_held), y_held)
    _, intervals = model.predict_interval(prepare.transform(X_test))
    return intervals[:, :, 0]


MODELS = {"ours": ours, "mapie": conformalized_boosting}


def datasets(folder, only):
    """Names and data sets."""
    for path in sorted((folder / "regression").glob("*.csv*")):
        name = path.name.partition(".")[0]
        if not only or name in only:
            yield name, read_csv(path)
    if not only or "diabetes" in only:
        yield "diabetes", bundled(load_diabetes)


def measure(name, dataset, n_splits, coverage):
    """Coverage, width and time of each model, split by split."""
    X, y, records = dataset.X, dataset.y.astype(float), []
    for split in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.25, random_state=split
        )
        given = X_train, y_train, X_test
        for model, predict in MODELS.items():
            bounds = []
            spent = seconds(
                partial(_append, bounds, predict, dataset, *given, coverage)
            )
            low, high = bounds[0].T
            records.append(
                {
                    "data": name,
                    "model": model,
                    "split": split,
                    "n_test": len(y_test),
                    "coverage": float(((low <= y_test) & (y_test <= high)).mean()),
                    "width": float((high - low).mean() / y_train.std()),
                    "seconds": spent,
                }
            )
    return records


def _append(bounds, predict, *given):
    bounds.append(predict(*given))


def summarize(records, coverage):
    """Table of means over the splits, with standard errors of the coverage."""
    header = ["data", *(f"{m} {c}" for m in MODELS for c in ("coverage", "width"))]
    rows = []
    ratios, means = [], {model: [] for model in MODELS}
    for name in dict.fromkeys(record["data"] for record in records):
        row, widths = [name], []
        for model in MODELS:
            chosen = [r for r in records if (r["data"], r["model"]) == (name, model)]
            shares = [r["coverage"] for r in chosen]
            error = statistics.stdev(shares) / len(shares) ** 0.5 if shares[1:] else 0
            widths.append(statistics.fmean(r["width"] for r in chosen))
            means[model].append(statistics.fmean(shares))
            row += [f"{means[model][-1]:.3f} ± {error:.3f}", f"{widths[-1]:.3f}"]
        ratios.append(widths[0] / widths[1])
        rows.append([*row, f"{ratios[-1]:.3f}"])
    overall = [f"{statistics.fmean(values):.3f}" for values in means.values()]
    last = [f"all, at {coverage}", overall[0], "", overall[1], ""]
    rows.append([*last, f"{geometric_mean(ratios):.3f}"])
    return format_table([*header, "width ratio"], rows)


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    # That a training ended at its last epoch is no news here.
    warnings.simplefilter("ignore")
    facts = machine_facts()
    print(format_facts(facts), flush=True)
    records = []
    for name, dataset in datasets(arguments.data, arguments.only):
        records += measure(name, dataset, arguments.splits, arguments.coverage)
        print(name, flush=True)
    print(summarize(records, arguments.coverage))
    if arguments.json:
        write_json(arguments.json, {"machine": facts, "records": records})


if __name__ == "__main__":
    main()
