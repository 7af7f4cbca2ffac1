"""Further figures that ``speed.py`` measures, besides the time of an epoch.

Each figure is measured by a function that takes ``Settings`` and returns records, the
rows of its table. ``speed.py`` calls it in a separate process. A list in a record has
the results of all repeats; the table shows their median.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from _common import (
    OURS,
    THEIRS,
    Record,
    Settings,
    estimator_classes,
    format_number,
    format_table,
    ignore_convergence_warnings,
    in_fresh_process,
    interleaved,
    seconds,
    traced_peak,
)
from _peers import CASES, Case, fit_estimator, fit_floor, make_data
from _serving import measure_row, measure_size
from sklearn.base import clone

MEGABYTE = 1e6


@dataclass(frozen=True)
class Figure:
    """A figure: its title, and the function that measures it."""

    title: str
    measure: Callable[[Settings], list[Record]]


def format_records(records: Sequence[Record]) -> str:
    """Format records as a table, with the median of each list."""
    header = list(dict.fromkeys(key for record in records for key in record))
    return format_table(
        header, [[_cell(record.get(key, "")) for key in header] for record in records]
    )


def _cell(value: Any) -> str:
    if isinstance(value, list):
        value = statistics.median(value)
    return format_number(value) if isinstance(value, float) else str(value)


def on_backends(
    settings: Settings, action: Callable[[], object], label: str = OURS
) -> dict[str, Callable[[], object]]:
    """Return an action of ours for each backend to time, by its label."""
    from skscratch import set_backend

    def chosen(backend: str) -> Callable[[], object]:
        def act() -> None:
            with set_backend(backend):
                action()

        return act

    if len(settings.backends) == 1:
        return {label: chosen(settings.backends[0])}
    return {f"{label}, {name}": chosen(name) for name in settings.backends}


def versus(timings: Mapping[str, Sequence[float]]) -> Record:
    """Return the times of both estimators, and the ratio of their medians."""
    ratio = statistics.median(timings[THEIRS]) / statistics.median(timings[OURS])
    return {
        "ours ms": [1e3 * t for t in timings[OURS]],
        "MLPClassifier ms": [1e3 * t for t in timings[THEIRS]],
        "ratio": ratio,
    }


def measure_lbfgs(settings: Settings) -> list[Record]:
    """Time fits of 20 iterations of L-BFGS, in float64, which SciPy uses."""
    ignore_convergence_warnings()
    records = []
    for case in (CASES[2], replace(CASES[4], hidden=(100,))):
        case = case.scaled(settings.scale)
        X, y = make_data(case, "float64")
        estimators = {
            name: estimator_class(
                case.hidden, solver="lbfgs", max_iter=20, random_state=0
            )
            for name, estimator_class in estimator_classes().items()
        }
        fits = {name: partial(e.fit, X, y) for name, e in estimators.items()}
        record: Record = {"case": f"{len(X)}x{case.n_features}"} | versus(
            interleaved(fits, settings.repeats)
        )
        for name, title in ((OURS, "our"), (THEIRS, "MLPClassifier")):
            record[f"{title} loss"] = float(estimators[name].loss_)
        records.append(record)
    return records


def measure_predict(settings: Settings) -> list[Record]:
    """Time ``predict_proba`` on one row and on many rows; measure memory on many."""
    from sklearn.utils.validation import check_is_fitted, validate_data

    ignore_convergence_warnings()
    many = replace(CASES[2], n_samples=100_000).scaled(settings.scale)
    X, y = make_data(many, settings.dtype)
    estimators = {
        name: estimator_class(many.hidden, max_iter=2, random_state=0).fit(
            X[:1000], y[:1000]
        )
        for name, estimator_class in estimator_classes().items()
    }

    def validate() -> None:
        check_is_fitted(estimators[THEIRS])
        validate_data(
            estimators[THEIRS], X[:1], accept_sparse=["csr", "csc"], reset=False
        )

    predict = {n: partial(e.predict_proba, X[:1]) for n, e in estimators.items()}
    timings = interleaved(
        predict | {"validation": validate}, settings.repeats, calls=300
    )
    record: Record = {"rows": "1"} | versus(timings)
    # Ours does not use scikit-learn's validation for plain arrays: compare its total
    # time with the time of MLPClassifier without validation.
    validation = statistics.median(timings["validation"])
    theirs, ours = (statistics.median(timings[name]) for name in (THEIRS, OURS))
    record["scikit-learn's validation ms"] = [1e3 * t for t in timings["validation"]]
    record["ratio without their validation"] = (theirs - validation) / ours

    predict = {n: partial(e.predict_proba, X) for n, e in estimators.items()}
    of_backends = on_backends(settings, predict[OURS])
    timings = interleaved(of_backends | {THEIRS: predict[THEIRS]}, settings.repeats)
    # In the table, the last of the backends; the others follow.
    *others, last = of_backends
    large: Record = {"rows": f"{len(X):,}"}
    large |= versus({OURS: timings[last], THEIRS: timings[THEIRS]})
    for name in others:
        large[f"{name} ms"] = [1e3 * t for t in timings[name]]
    large["our peak MB"] = traced_peak(predict[OURS]) / MEGABYTE
    large["MLPClassifier peak MB"] = traced_peak(predict[THEIRS]) / MEGABYTE
    return [record, large]


def measure_sparse(settings: Settings) -> list[Record]:
    """Time one epoch on a sparse matrix with many columns."""
    from scipy import sparse

    ignore_convergence_warnings()
    case = Case(20_000, 50_000, 10, (100,), 200, epochs=1).scaled(settings.scale)
    random = np.random.default_rng(0)
    X = sparse.random(
        case.n_samples,
        case.n_features,
        density=0.001,
        format="csr",
        dtype=np.dtype(settings.dtype),
        random_state=random,
    )
    y = random.integers(case.n_classes, size=case.n_samples)
    fits = {n: partial(fit_estimator, n, case, X, y, 1) for n in (OURS, THEIRS)}
    timings = interleaved(fits, settings.repeats)
    return [{"case": f"{case.n_samples}x{case.n_features}"} | versus(timings)]


def peak_resident() -> int:
    """Return the peak resident memory of this process so far, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_of(name: str, case: Case, dtype: str) -> tuple[int, int]:
    """Return the peak memory of a fit above its input: resident, and traced."""
    ignore_convergence_warnings()
    X, y = make_data(case, dtype)
    # Memory that imports and BLAS allocate once is not counted.
    tiny = replace(case, n_samples=100, batch_size=100, hidden=(10,))
    fit_estimator(name, tiny, X[:100], y[:100], 1)
    fit = partial(fit_estimator, name, case, X, y, 1)
    before = peak_resident()
    fit()
    return peak_resident() - before, traced_peak(fit)


def measure_memory(settings: Settings) -> list[Record]:
    """Measure the peak memory of fits, each in a separate process."""
    case = CASES[6].scaled(settings.scale)
    records = []
    for name in (OURS, THEIRS):
        resident, traced = in_fresh_process(memory_of, name, case, settings.dtype)
        records.append(
            {
                "estimator": name,
                "case": str(case),
                "peak resident MB": resident / MEGABYTE,
                "peak traced MB": traced / MEGABYTE,
            }
        )
    return records


IMPORTS = """
import time
start = time.perf_counter()
import sklearn.neural_network
middle = time.perf_counter()
import skscratch
print(middle - start, time.perf_counter() - middle)
"""


def measure_import(settings: Settings) -> list[Record]:
    """Time imports in fresh interpreters."""
    timings = []
    for _ in range(settings.repeats):
        output = subprocess.check_output([sys.executable, "-c", IMPORTS], text=True)
        timings.append([1e3 * float(field) for field in output.split()])
    theirs, beyond = (list(column) for column in zip(*timings, strict=True))
    return [
        {"import": "sklearn.neural_network", "ms": theirs},
        {"import": "skscratch after it", "ms": beyond},
    ]


def growth_of(name: str, case: Case, dtype: str, repeats: int) -> Record:
    """Measure time and extra memory of an epoch of a case."""
    return growth_record(name, case, *make_data(case, dtype), repeats)


def growth_record(
    name: str, case: Case, X: np.ndarray, y: np.ndarray, repeats: int
) -> Record:
    """Measure time and extra memory of fits of one epoch on given data."""
    ignore_convergence_warnings()
    fit = partial(fit_estimator, name, case, X, y, 1)
    times = [seconds(fit) for _ in range(repeats)]
    return {
        "estimator": name,
        "rows": f"{len(X):,}",
        "features": str(X.shape[1]),
        "epoch ms": [1e3 * t for t in times],
        "microseconds per row": 1e6 * statistics.median(times) / len(X),
        "extra bytes per row": traced_peak(fit) / len(X),
    }


def measure_growth(settings: Settings) -> list[Record]:
    """Measure epochs of more and more rows, up to a file larger than 4 GB."""
    records = []
    for n_samples in (10_000, 100_000, 1_000_000):
        case = replace(CASES[5], n_samples=n_samples).scaled(settings.scale)
        records += [
            in_fresh_process(growth_of, name, case, settings.dtype, settings.repeats)
            for name in (OURS, THEIRS)
        ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.float32"
        # 4.3e9 bytes, more than 32 bits can address.
        case = replace(CASES[5], n_samples=4_200_000, n_features=256)
        case = case.scaled(settings.scale)
        write_features(path, case)
        records.append(in_fresh_process(growth_of_file, path, case))
    return records


def write_features(path: Path, case: Case) -> None:
    """Write a case's features as float32, the same rows again and again."""
    block, _ = make_data(
        replace(case, n_samples=min(10_000, case.n_samples)), "float32"
    )
    with path.open("wb") as file:
        for start in range(0, case.n_samples, len(block)):
            block[: case.n_samples - start].tofile(file)


def growth_of_file(path: Path, case: Case) -> Record:
    """Measure our estimator on features in a memory-mapped file."""
    shape = (case.n_samples, case.n_features)
    X = np.memmap(path, np.float32, "r", shape=shape)
    record = growth_record(OURS, case, X, np.asarray(X[:, 0] > 0), 1)
    return record | {"rows": f"{len(X):,} in a file of {X.nbytes / 1e9:.1f} GB"}


def measure_ensemble(settings: Settings) -> list[Record]:
    """Time an epoch of eight networks: joint, bagged, and only the matrix products."""
    from sklearn.ensemble import BaggingClassifier

    ignore_convergence_warnings()
    case, n_networks, n_epochs = CASES[2].scaled(settings.scale), 8, 10
    X, y = make_data(case, settings.dtype)
    single = estimator_classes()[OURS](
        case.hidden,
        max_iter=n_epochs,
        tol=0,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    together = clone(single).set_params(n_estimators=n_networks)

    def bagged(bootstrap: bool) -> Callable[[], object]:
        bagging = BaggingClassifier(
            single, n_estimators=n_networks, bootstrap=bootstrap, random_state=0
        )
        return partial(bagging.fit, X, y)

    def products() -> None:
        for _ in range(n_networks):
            fit_floor(case, X, y, n_epochs)

    def one_by_one() -> None:
        for seed in range(n_networks):
            clone(single).set_params(random_state=seed).fit(X, y)

    together_on = on_backends(settings, partial(together.fit, X, y), "n_estimators=8")
    actions = {
        "products only": products,
        **together_on,
        **on_backends(settings, one_by_one, "eight single fits"),
        **on_backends(settings, bagged(False), "bagged, each with all rows"),
        **on_backends(settings, bagged(True), "bagged, with replacement"),
    }
    timings = interleaved(actions, settings.repeats)
    ours = statistics.median(timings[list(together_on)[-1]])
    return [
        {
            "how": how,
            "ms per epoch": [1e3 * t / n_epochs for t in times],
            "multiple of ours": statistics.median(times) / ours,
        }
        for how, times in timings.items()
    ]


def measure_search(settings: Settings) -> list[Record]:
    """Time a whole grid search on digits: 18 candidates, three folds, two processes."""
    from joblib.externals.loky import get_reusable_executor
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_digits(return_X_y=True)
    step = round(1 / max(settings.scale, 0.1))
    X, y = X[::step].astype(settings.dtype), y[::step]
    epochs = max(2, round(40 * settings.scale))

    def search(name: str) -> None:
        estimator = estimator_classes()[name](
            max_iter=epochs, tol=0, n_iter_no_change=np.inf, random_state=0
        )
        grid = {
            "alpha": [1e-4, 1e-3, 1e-2],
            "hidden_layer_sizes": [(50,), (100,), (100, 50)],
            "learning_rate_init": [1e-3, 3e-3],
        }
        GridSearchCV(
            make_pipeline(StandardScaler(), estimator),
            {
                f"{estimator.__class__.__name__.lower()}__{k}": v
                for k, v in grid.items()
            },
            cv=3,
            n_jobs=2,
        ).fit(X, y)

    with warnings_ignored_in_workers():
        timings = interleaved(
            {
                THEIRS: partial(search, THEIRS),
                **on_backends(settings, partial(search, OURS)),
            },
            settings.repeats,
        )
    # This process would wait for joblib's to have been idle for five minutes.
    get_reusable_executor().shutdown()
    theirs = statistics.median(timings[THEIRS])
    return [
        {
            "estimator": name,
            "seconds": times,
            "MLPClassifier / this": theirs / statistics.median(times),
        }
        for name, times in timings.items()
    ]


@contextmanager
def warnings_ignored_in_workers() -> Iterator[None]:
    """Context in which processes that are started ignore warnings."""
    with patch.dict(os.environ, {"PYTHONWARNINGS": "ignore"}):
        ignore_convergence_warnings()
        yield


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def measure_busy(settings: Settings) -> list[Record]:
    """Time fits on digits in float64 beside one busy process for each core."""
    ignore_convergence_warnings()
    case = replace(CASES[2], hidden=(100, 50)).scaled(settings.scale)
    X, y = make_data(case, "float64")
    n_epochs = 20
    fits = {
        THEIRS: partial(fit_estimator, THEIRS, case, X, y, n_epochs),
        **on_backends(settings, partial(fit_estimator, OURS, case, X, y, n_epochs)),
    }
    quiet = interleaved(fits, settings.repeats)
    context = multiprocessing.get_context("spawn")
    spinning = [context.Process(target=spin) for _ in range(os.cpu_count() or 1)]
    for process in spinning:
        process.start()
    try:
        time.sleep(1)
        busy = interleaved(fits, settings.repeats)
    finally:
        for process in spinning:
            process.kill()
            process.join()
    return [
        {
            "estimator": name,
            "quiet ms per epoch": [1e3 * t / n_epochs for t in quiet[name]],
            "busy ms per epoch": [1e3 * t / n_epochs for t in busy[name]],
            "busy / quiet": statistics.median(busy[name])
            / statistics.median(quiet[name]),
        }
        for name in fits
    ]


@contextmanager
def timed_calls(
    parts: Mapping[str, Sequence[tuple[Any, str]]],
) -> Iterator[tuple[Counter, Callable[[Callable[..., Any], str], Callable[..., Any]]]]:
    """Profile functions: each second counts for the innermost of them.

    Parameters
    ----------
    parts : mapping of str to sequence of (object, str)
        For each part, its functions, as attributes of modules or classes.

    Yields
    ------
    seconds : Counter
        Seconds of each part.
    timed : callable
        ``timed(function, part)`` wraps a further function, which counts for the part.
    """
    spent: Counter[str] = Counter()
    running: list[str] = []
    latest = 0.0

    def switch() -> None:
        """Add the time since the last switch to the running function."""
        nonlocal latest
        now = time.perf_counter()
        if running:
            spent[running[-1]] += now - latest
        latest = now

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            switch()
            running.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                switch()
                running.pop()

        return call

    with ExitStack() as patches:
        for part, functions in parts.items():
            for owner, name in functions:
                function = timed(getattr(owner, name), part)
                patches.enter_context(patch.object(owner, name, function))
        yield spent, timed


def measure_profile(settings: Settings) -> list[Record]:
    """Split the time of a training step of ours on NumPy into parts."""
    from skscratch import set_backend
    from skscratch.backends import buffered
    from skscratch.training import joint, optimizers

    operations = buffered.BufferedOperations

    ignore_convergence_warnings()
    parts = {
        "products": [],
        "elementwise": [],
        "optimizer": [(optimizers.Adam, "update")],
        "L2 term": [(operations, "penalty")],
        "batch": [(operations, "batch")],
        "rest": [(joint, "take_steps")],
    }
    records = []
    for case in (case.scaled(settings.scale) for case in CASES.values()):
        X, y = make_data(case, settings.dtype)
        fit_estimator(OURS, case, X, y, 1)
        n_steps = case.epochs * len(list(case.batches()))
        spent: dict[str, list[float]] = {part: [] for part in parts}
        for _ in range(settings.repeats):
            with set_backend("numpy"), timed_calls(parts) as (seconds_of, timed):

                def timed_partial(
                    function: Any, *arguments: Any, **options: Any
                ) -> Any:
                    is_product = function is np.matmul
                    part = "products" if is_product else "elementwise"
                    return timed(partial(function, *arguments, **options), part)

                with patch.object(buffered, "partial", timed_partial):
                    fit_estimator(OURS, case, X, y, case.epochs)
            for part, times in spent.items():
                times.append(1e6 * seconds_of[part] / n_steps)
        step = sum(map(statistics.median, spent.values()))
        records.append({"case": str(case), "µs per step": step} | spent)
    return records


FIGURES = {
    "profile": Figure("Time of a training step by part, µs", measure_profile),
    "predict": Figure("predict_proba, 64 features, (100)", measure_predict),
    "row": Figure("predict_proba of one row", measure_row),
    "size": Figure("Sizes of a fitted model's files", measure_size),
    "sparse": Figure("One epoch on sparse rows, 0.1 % filled, (100)", measure_sparse),
    "memory": Figure("Peak memory of a fit above its input", measure_memory),
    "import": Figure("Import time in a fresh interpreter", measure_import),
    "lbfgs": Figure("Fits of 20 iterations of L-BFGS, (100)", measure_lbfgs),
    "ensemble": Figure("One epoch of eight networks, (100)", measure_ensemble),
    "search": Figure("A grid search on digits, 54 fits, n_jobs=2", measure_search),
    "busy": Figure("Digits, (100, 50), float64, beside busy processes", measure_busy),
    "growth": Figure(
        "One epoch of more and more rows, (64), batch 200", measure_growth
    ),
}
