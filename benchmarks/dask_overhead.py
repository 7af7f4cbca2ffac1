"""Time a training step on Dask workers, fit a cost model to it, and draw what it says.

Run it from the repository, with skscratch and its extra ``distributed`` installed::

    python benchmarks/dask_overhead.py --repeats 5 --json dask.json
    python benchmarks/dask_overhead.py --from-json dask.json --plot scaling.png
    python benchmarks/dask_overhead.py --local-steps     # accuracy of steps taken apart
    python benchmarks/dask_overhead.py --transports --repeats 30  # actors and tasks

A step is timed for each case of ``speed.py``, in float32: in a local fit with one BLAS
thread, and on one and two workers of a ``LocalCluster``, which are processes of one
thread each. Calls of workers pass through the scheduler, or go to the workers directly
(``Client(..., direct_to_workers=True)``). The time is that of an epoch of a few
batches, from one call of a callback to the next, divided by their number; medians over
epochs, and over repeats that take turns.

The model is::

    step(k) = compute / k + latency + handling * k + 2 * bytes * k / bandwidth

for ``k`` workers, where ``compute`` is the step of the local fit and ``bytes`` those of
all parameters: the driver sends them to each worker, and each sends a gradient back.
``latency``, ``handling`` and ``bandwidth`` are fitted to all cases at once, to the
least relative error.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    format_facts,
    format_number,
    format_table,
    ignore_convergence_warnings,
    interleaved,
    machine_facts,
    write_json,
)
from _peers import CASES, Case, make_data

PICTURE = Path(__file__).parent / "figures" / "dask_scaling.png"
N_BATCHES = 6
# Ways to reach the workers, and whether a client takes it.
ROUTES = {"scheduler": False, "direct": True}
N_WORKERS = (1, 2)
PREDICTED = np.unique(np.round(2 ** np.linspace(0, 6, 25)).astype(int))
# How many times the batch of a case the second panel of the picture has.
LARGER = 64
LOCAL_STEPS = (1, 2, 4, 8, 16, 32)


class Clock:
    """Callback that notes when epochs end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator: Any, context: Any, **data: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def count_epochs(case: Case) -> int:
    """Return more epochs where they are short."""
    return 5 if max(case.hidden) > 256 else 15


def options(case: Case) -> dict[str, Any]:
    """Return the parameters of a case's estimators."""
    return {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch_size,
        "max_iter": count_epochs(case),
        "tol": 0,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }


def timed(estimator: Any, *data: Any) -> float:
    """Fit; return the seconds of an epoch."""
    clock = Clock()
    estimator.set_callbacks(clock).fit(*data)
    # The last two are the end of the last epoch and of the fit.
    return float(np.median(np.diff(clock.times[:-1])))


def on_workers(client: Any, X: np.ndarray, n_workers: int) -> Any:
    """Put equal shares of the samples on workers, as a Dask array."""
    import dask.array as da

    addresses = sorted(client.nthreads())[:n_workers]
    parts = np.array_split(X, n_workers)
    return da.concatenate(
        [
            da.from_delayed(client.scatter(part, workers=[w]), part.shape, X.dtype)
            for part, w in zip(parts, addresses, strict=True)
        ]
    )


def time_case(case: Case, clients: Mapping[str, Any], repeats: int) -> dict[str, Any]:
    """Time the steps of a case, in repeats that take turns."""
    import dask.array as da

    from skscratch import ScratchMLPClassifier, set_backend
    from skscratch.dask import DaskScratchMLPClassifier

    case = case.scaled(min(1.0, N_BATCHES * case.batch_size / case.n_samples))
    n_batches = len(list(case.batches()))
    X, y = make_data(case, "float32")
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        with set_backend("numpy"):
            local = ScratchMLPClassifier(**options(case))
            seconds.setdefault("local", []).append(timed(local, X, y))
        for route, client in clients.items():
            for n_workers in N_WORKERS:
                lazy = on_workers(client, X, n_workers)
                fitted = DaskScratchMLPClassifier(**options(case), client=client)
                name = f"{route} {n_workers}"
                seconds.setdefault(name, []).append(
                    timed(fitted, lazy, da.from_array(y, chunks=-1))
                )
    steps = {
        name: statistics.median(values) / n_batches for name, values in seconds.items()
    }
    return {
        "network": " → ".join(map(str, (case.n_features, *case.hidden))),
        "batch": case.batch_size,
        "bytes": int(4 * fitted.network_.parameters.size),
        "seconds": steps,
    }


def fit_model(records: Sequence[Mapping[str, Any]], route: str) -> dict[str, float]:
    """Fit latency, handling and bandwidth to the measured steps.

    The relative errors are squared: a step of 10 ms counts as much as one of 100.
    """
    from scipy.optimize import nnls

    rows, targets = [], []
    for record in records:
        for k in N_WORKERS:
            measured = record["seconds"][f"{route} {k}"]
            rest = max(measured - record["seconds"]["local"] / k, 0.0)
            rows.append(np.array([1, k, 2 * record["bytes"] * k]) / measured)
            targets.append(rest / measured)
    latency, handling, per_byte = nnls(np.array(rows), np.array(targets))[0]
    return {
        "latency": float(latency),
        "handling": float(handling),
        "bandwidth": float(1 / per_byte) if per_byte else float("inf"),
    }


def predict(
    record: Mapping[str, Any], model: Mapping[str, float], k: Any, larger: float = 1.0
) -> Any:
    """Predict the seconds of a step on ``k`` workers, with larger batches."""
    exchange = 2 * record["bytes"] * k / model["bandwidth"]
    compute = larger * record["seconds"]["local"] / k
    return compute + model["latency"] + model["handling"] * k + exchange


def break_even(record: Mapping[str, Any], model: Mapping[str, float]) -> float:
    """Return the batch from which two workers are faster than a local fit."""
    overhead = predict(record, model, 2, larger=0.0)
    return record["batch"] * 2 * overhead / record["seconds"]["local"]


def report(records: Sequence[Mapping[str, Any]], models: Mapping[str, Any]) -> str:
    """Format the measurements, the fitted model, and its errors."""
    header = ["features → hidden", "batch", "MB", "local ms"]
    header += [f"{route} {k}" for route in ROUTES for k in N_WORKERS]
    header += ["model: direct 2", "direct 64", "2 workers win from batch"]
    rows = []
    for record in records:
        steps, model = record["seconds"], models["direct"]
        cells = [record["network"], f"{record['batch']}"]
        cells.append(f"{record['bytes'] / 1e6:.3g}")
        cells += [format_number(1e3 * value) for value in steps.values()]
        cells += [format_number(1e3 * predict(record, model, k)) for k in (2, 64)]
        rows.append([*cells, f"{break_even(record, model):,.0f}"])
    lines = [format_table(header, rows), ""]
    for route, model in models.items():
        errors = [
            predict(record, model, k) / record["seconds"][f"{route} {k}"]
            for record in records
            for k in N_WORKERS
        ]
        lines.append(
            f"{route}: latency {1e3 * model['latency']:.2g} ms, "
            f"handling {1e3 * model['handling']:.2g} ms a worker, "
            f"bandwidth {model['bandwidth'] / 1e6:.3g} MB/s; predicted / measured "
            f"from {min(errors):.2f} to {max(errors):.2f}"
        )
    return "\n".join(lines)


def draw(
    records: Sequence[Mapping[str, Any]], model: Mapping[str, float], path: Path
) -> None:
    """Draw predicted and measured steps, relative to those of a local fit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    titles = ("The cases of speed.py", f"Batches {LARGER} times as large")
    for ax, larger, title in zip((left, right), (1, LARGER), titles, strict=True):
        ends = []
        for number, record in enumerate(records):
            local, color = record["seconds"]["local"], f"C{number}"
            times = predict(record, model, PREDICTED, larger) / (larger * local)
            ax.plot(PREDICTED, times, color=color, lw=1.6)
            name = f"{record['network']} · {larger * record['batch']:,}"
            ends.append((float(times[-1]), name, color))
            if larger == 1:
                measured = [record["seconds"][f"direct {k}"] / local for k in N_WORKERS]
                ax.plot(N_WORKERS, measured, "o", color=color, ms=6, mec="white")
        label_ends(ax, ends)
        ax.axhline(1, color="0.3", lw=1, ls="--")
        ax.set(xscale="log", yscale="log", xlim=(0.9, 64))
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xticks([1, 2, 4, 8, 16, 32, 64], labels=[1, 2, 4, 8, 16, 32, 64])
        ax.minorticks_off()
        ax.set_xlabel("number of workers")
        ax.text(
            *(1.02, 1.01, "features → hidden · batch"),
            transform=ax.transAxes,
            fontsize=8,
            color="0.3",
        )
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    left.text(64, 0.93, "local fit, one thread", color="0.3", va="top", ha="right")
    left.set_ylabel("time of a step / that of a local fit")
    left.plot([], [], "o", color="0.4", label="measured (two cores in all)")
    left.plot([], [], "-", color="0.4", label="cost model")
    left.legend(loc="upper center", frameon=False, fontsize=8)
    figure.supxlabel(
        "Assumed: each worker has a core of its own; the driver sends parameters to "
        "all and receives all gradients, one after the other;\n"
        f"{1e3 * model['latency']:.1f} ms for an exchange, "
        f"{1e3 * model['handling']:.1f} ms for each worker, "
        f"{model['bandwidth'] / 1e6:.0f} MB/s, fitted to the points (loopback, no "
        "network); compute in proportion to the rows.",
        fontsize=8,
        color="0.3",
    )
    figure.savefig(path, dpi=130, metadata={"Software": None})


def label_ends(ax: Any, ends: list[tuple[float, str, str]]) -> None:
    """Name the lines at their right end, without overlaps."""
    last = -np.inf
    for height, name, color in sorted(ends):
        # In units of the logarithmic axis.
        place = max(np.log10(height), last + 0.13)
        ax.annotate(
            *(name, (64, height)),
            xytext=(70, 10**place),
            color=color,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
        last = place


def compare_local_steps(repeats: int) -> str:
    """Compare accuracy and time of steps taken apart with those taken together."""
    import dask.array as da
    from distributed import Client, LocalCluster
    from sklearn.datasets import load_digits, make_classification
    from sklearn.model_selection import train_test_split

    from skscratch.dask import DaskScratchMLPClassifier

    digits = load_digits(return_X_y=True)
    made = make_classification(
        20_000, 30, n_informative=15, n_classes=8, class_sep=1.0, random_state=0
    )
    sets = {"digits": (digits[0] / 16, digits[1], 20), "made, 20000x30": (*made, 10)}
    rows = []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster, direct_to_workers=True) as client,
    ):
        for name, (X, y, n_epochs) in sets.items():
            for n_steps in LOCAL_STEPS:
                scores, times = [], []
                for seed in range(repeats):
                    parts = train_test_split(X, y, test_size=0.3, random_state=seed)
                    X_train, X_test, y_train, y_test = parts
                    fitted = DaskScratchMLPClassifier(
                        (64,),
                        batch_size=64,
                        max_iter=n_epochs,
                        random_state=seed,
                        local_steps=n_steps,
                        client=client,
                    )
                    start = time.perf_counter()
                    lazy = on_workers(client, X_train, 2)
                    fitted.fit(lazy, da.from_array(y_train, chunks=-1))
                    times.append(time.perf_counter() - start)
                    scores.append(fitted.to_local().score(X_test, y_test))
                rows.append(
                    [
                        *(name, f"{n_steps}", f"{n_epochs}"),
                        f"{np.mean(scores):.4f} ± {np.std(scores):.4f}",
                        f"{statistics.median(times):.1f}",
                    ]
                )
                print(*rows[-1], sep="  ", flush=True)
    header = ["data", "local_steps", "epochs", "test accuracy", "fit s"]
    return format_table(header, rows)


class Echo:
    """Object on a worker that takes parameters and returns as many numbers."""

    def __init__(self, n_numbers: int) -> None:
        self.numbers = np.ones(n_numbers)

    def step(self, parameters: np.ndarray) -> np.ndarray:
        """Return the numbers."""
        return self.numbers


def echo(held: Echo, parameters: np.ndarray) -> np.ndarray:
    """Do the same in a task."""
    return held.step(parameters)


def compare_transports(repeats: int) -> str:
    """Compare calls of actors with tasks on the workers that hold an object."""
    from distributed import Client, LocalCluster

    rows = []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        addresses = sorted(client.nthreads())
        for n_numbers in (1_000, 80_000, 1_000_000):
            sent = np.ones(n_numbers)
            for k in N_WORKERS:
                where = [{"workers": [w], "pure": False} for w in addresses[:k]]
                held = [client.submit(Echo, n_numbers, **at) for at in where]
                actors = [
                    client.submit(Echo, n_numbers, actor=True, **at).result()
                    for at in where
                ]

                def call(actors: Any = actors, sent: Any = sent) -> None:
                    for future in [actor.step(sent) for actor in actors]:
                        future.result()

                def submit(held: Any = held, where: Any = where, sent: Any = sent):
                    pairs = zip(held, where, strict=True)
                    futures = [client.submit(echo, h, sent, **at) for h, at in pairs]
                    client.gather(futures)

                times = interleaved({"actors": call, "tasks": submit}, repeats)
                medians = (1e3 * statistics.median(values) for values in times.values())
                rows.append(
                    [f"{n_numbers:,}", f"{k}", *map(format_number, medians)],
                )
    return format_table(["numbers", "workers", "actors, ms", "tasks, ms"], rows)


def measure(numbers: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Time the steps of some cases."""
    from distributed import Client, LocalCluster
    from threadpoolctl import threadpool_limits

    records = []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster, direct_to_workers=False) as through,
        Client(cluster, direct_to_workers=True) as direct,
        threadpool_limits(1),
    ):
        clients = dict(zip(ROUTES, (through, direct), strict=True))
        for number in numbers:
            records.append(time_case(CASES[number], clients, repeats))
            steps = records[-1]["seconds"].items()
            listed = ", ".join(f"{name} {1e3 * v:.2f} ms" for name, v in steps)
            print(f"{records[-1]['network']}: {listed}", flush=True)
    return records


def main() -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, nargs="+", default=[*CASES])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file for the measurements")
    parser.add_argument("--from-json", type=Path, help="measurements to use again")
    parser.add_argument("--plot", type=Path, default=PICTURE)
    parser.add_argument("--local-steps", action="store_true")
    parser.add_argument("--transports", action="store_true")
    arguments = parser.parse_args()
    ignore_convergence_warnings()
    warnings.filterwarnings("ignore", "Got `batch_size` less than 1")
    facts = machine_facts(["numpy", "dask", "distributed"])
    if arguments.local_steps or arguments.transports:
        print(format_facts(facts))
        compare = compare_local_steps if arguments.local_steps else compare_transports
        print(compare(arguments.repeats))
        return
    if arguments.from_json:
        report_ = json.loads(arguments.from_json.read_text())
    else:
        records = measure(arguments.cases, arguments.repeats)
        report_ = {"machine": facts, "cases": records}
    if arguments.json:
        write_json(arguments.json, report_)
    models = {route: fit_model(report_["cases"], route) for route in ROUTES}
    print(format_facts(report_["machine"]))
    print(report(report_["cases"], models))
    draw(report_["cases"], models["direct"], arguments.plot)


if __name__ == "__main__":
    main()
