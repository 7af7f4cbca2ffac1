"""Figures of models in use: the latency of one row, and the sizes of files.

``speed.py`` measures them, as those of ``_figures.py``, to which they belong. What
needs onnxruntime, skl2onnx or skops is left out where these are not installed.
"""

import importlib
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    OURS,
    Record,
    Settings,
    estimator_classes,
    ignore_convergence_warnings,
    interleaved,
)
from _peers import CASES, make_data

ONNX, SOURCE = "onnxruntime", "to_source"
# Calls of an action in a turn.
CALLS = 300
KILOBYTE = 1e3


def onnx_is_installed() -> bool:
    """Return whether models can be converted to ONNX and run."""
    return all(find_spec(name) for name in ("onnx", "skl2onnx", "onnxruntime"))


def onnx_session(model: Any) -> Any:
    """Return a session of onnxruntime that computes a model in this thread.

    A second thread does not pay off for one row, and would wait for work in a loop,
    beside the others' calls.
    """
    import onnxruntime

    from skscratch.export import to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def import_source(model: Any, folder: str, name: str) -> Any:
    """Return the module of NumPy that ``to_source`` writes for a model."""
    from skscratch.export import to_source

    to_source(model, Path(folder) / f"{name}.py")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        sys.modules.pop(name, None)


def latencies(
    case: str, actions: Mapping[str, Callable[[], Any]], settings: Settings
) -> Record:
    """Time actions that predict the same row, and compare them with the first.

    Raises
    ------
    RuntimeError
        If their probabilities differ: they would not do the same work.
    """
    names = list(actions)
    expected = actions[names[0]]()
    for name in names[1:]:
        # MLPClassifier is trained from the same seed, with other rounding errors.
        if not np.allclose(actions[name](), expected, atol=1e-3):
            raise RuntimeError(
                f"{case}: {name} and {names[0]} predict different probabilities."
            )
    calls = max(1, round(CALLS * min(1.0, 100 * settings.scale)))
    timings = interleaved(actions, settings.repeats, calls=calls)
    record: Record = {"case": case}
    for name, times in timings.items():
        record[f"{name} µs"] = [1e6 * t for t in times]
    for name in names[1:]:
        pairs = zip(timings[name], timings[names[0]], strict=True)
        record[f"{name} / ours"] = [theirs / ours for theirs, ours in pairs]
    return record


def measure_row(settings: Settings) -> list[Record]:
    """Time ``predict_proba`` of one row: of networks, and of a table's pipeline."""
    ignore_convergence_warnings()
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for number in (2, 6):
            case = replace(CASES[number], n_samples=1000).scaled(settings.scale)
            X, y = make_data(case, settings.dtype)
            estimators = {
                name: estimator_class(case.hidden, max_iter=2, random_state=0).fit(X, y)
                for name, estimator_class in estimator_classes().items()
            }
            row, ours = X[:1], estimators[OURS]
            actions = {n: partial(e.predict_proba, row) for n, e in estimators.items()}
            if onnx_is_installed():
                session = onnx_session(ours)
                inputs = {session.get_inputs()[0].name: row}
                actions[ONNX] = partial(probabilities, session, inputs)
            module = import_source(ours, folder, f"network_{number}")
            actions[SOURCE] = partial(module.predict_proba, row)
            hidden = ", ".join(map(str, case.hidden))
            title = f"{case.n_features} features, ({hidden}), {case.n_classes} classes"
            records.append(latencies(title, actions, settings))
    return [*records, latency_of_table(settings)]


def probabilities(session: Any, inputs: Mapping[str, Any]) -> Any:
    """Return the probabilities of a session's inputs."""
    return session.run(["probabilities"], inputs)[0]


def latency_of_table(settings: Settings) -> Record:
    """Time one row of a table through its pipeline, and through its ONNX model."""
    model, table = fit_table(settings, max_iter=2)
    row = table[:1]
    actions = {OURS: partial(model.predict_proba, row)}
    if onnx_is_installed():
        session = onnx_session(model)
        inputs = {
            source.name: as_input(row[source.name], source.type)
            for source in session.get_inputs()
        }
        actions[ONNX] = partial(probabilities, session, inputs)
    return latencies(f"table of {table.shape[1]} columns", actions, settings)


def as_input(column: Any, kind: str) -> np.ndarray:
    """Return a column of a table as an input of ONNX: a missing category is ""."""
    if kind == "tensor(string)":
        column, dtype = column.fillna(""), object
    else:
        dtype = np.float64
    return column.to_numpy(dtype)[:, np.newaxis]


def make_table(n_samples: int) -> tuple[Any, np.ndarray]:
    """Return a table of six numbers and four categories with gaps, and two classes."""
    import pandas as pd

    random = np.random.default_rng(0)
    X = random.standard_normal((n_samples, 6))
    codes = random.integers([3, 5, 10, 30], size=(n_samples, 4))
    y = X[:, 0] + X[:, 1] * (codes[:, 0] - 1) + 0.3 * (codes[:, 3] % 3) > 0
    X[random.uniform(size=X.shape) < 0.05] = np.nan
    table = pd.DataFrame(X, columns=[f"number {i}" for i in range(6)])
    for i, column in enumerate(codes.T):
        gaps = random.uniform(size=n_samples) < 0.05
        names = [f"kind {code}" for code in column]
        table[f"category {i}"] = pd.Series(names, dtype=object).mask(gaps, None)
    return table, y


def fit_table(settings: Settings, max_iter: int | str) -> tuple[Any, Any]:
    """Return the recipe for tables, fitted to a table, and the table.

    Raises
    ------
    SystemExit
        If pandas is not installed.
    """
    from skscratch import make_tabular_classifier

    if find_spec("pandas") is None:
        raise SystemExit("pandas must be installed: pip install 'skscratch[bench]'")
    table, y = make_table(max(100, round(2000 * settings.scale)))
    model = make_tabular_classifier(random_state=0, max_iter=max_iter)
    return model.fit(table, y), table


def measure_size(settings: Settings) -> list[Record]:
    """Compare the sizes of a model's files: of ONNX, of skops, and of its weights."""
    from sklearn.datasets import load_diabetes, load_digits

    from skscratch import ScratchMLPClassifier, ScratchMLPRegressor

    ignore_convergence_warnings()
    # The curves are saved: a file grows with the epochs.
    is_whole = settings.scale == 1
    options = {"dtype": settings.dtype, "random_state": 0}
    options["max_iter"] = 200 if is_whole else 2
    digits = load_digits(return_X_y=True)
    models = {
        "classifier, digits, (100)": ScratchMLPClassifier(**options).fit(*digits),
        "regressor, diabetes, (100)": ScratchMLPRegressor(**options).fit(
            *load_diabetes(return_X_y=True)
        ),
        "three classifiers, digits, (100)": ScratchMLPClassifier(
            n_estimators=3, **options
        ).fit(*digits),
        "recipe for tables, 10 columns": fit_table(
            settings, max_iter="auto" if is_whole else 2
        )[0],
    }
    return [{"model": name} | sizes(model) for name, model in models.items()]


def sizes(model: Any) -> Record:
    """Return the sizes of a model's files, in kilobytes, and their ratios."""
    record: Record = {"weights kB": n_bytes_of_weights(model) / KILOBYTE}
    if onnx_is_installed():
        from skscratch.export import to_onnx

        record["ONNX kB"] = to_onnx(model).ByteSize() / KILOBYTE
    if find_spec("skops"):
        from skops.io import dumps

        compressed = dumps(model, compression=zipfile.ZIP_DEFLATED)
        record["skops kB"] = len(dumps(model)) / KILOBYTE
        record["compressed skops kB"] = len(compressed) / KILOBYTE
    if {"ONNX kB", "skops kB"} <= set(record):
        for name in ("skops", "compressed skops"):
            record[f"ONNX / {name}"] = record["ONNX kB"] / record[f"{name} kB"]
    return record


def n_bytes_of_weights(model: Any) -> int:
    """Return the number of bytes of all weights and biases of a model."""
    networks = [model]
    if hasattr(model, "steps"):
        networks = [n for members in model[-1].members_ for n in members.networks]
    arrays = [a for n in networks for a in (*n.coefs_, *n.intercepts_)]
    return sum(a.nbytes for a in arrays)
