"""Time one epoch of training, ours and that of other libraries, and further figures.

Run it from the repository, with skscratch installed::

    python benchmarks/speed.py                               # the epoch table
    python benchmarks/speed.py --cases 1 2 5 --peers torch --json speed.json
    python benchmarks/speed.py --figures all --plot speed.png
    python benchmarks/speed.py --figures import --repeats 7

All libraries do the same work: equal sizes, batches, epochs and dtype, Adam, samples
shuffled in every epoch, and the loss computed. The time is that of a whole ``fit``,
from NumPy arrays to a trained network, divided by the number of epochs. Peers that are
not installed are skipped (PyTorch, JAX, Optax and skorch come with the extra
``bench``).

Each peer has a separate process, so that thread pools do not interfere, and only one
process works at a time: a repeat runs every peer once. Before the repeats each peer
fits one epoch as a warm-up; JAX fits two, whose difference is its compile time.
"Products only" is the time of the matrix products of an epoch alone, each in the
fastest memory order: a lower bound for any design on NumPy.

``--backend`` says what trains ours: NumPy, the compiled kernels (extra ``fast``), or
both, side by side.

Further figures, with ``--figures``: ``profile`` (the time of a training step by part,
on NumPy), ``predict``, ``row`` (one row, beside onnxruntime and ``to_source``; extra
``onnx``), ``size`` (of ONNX and skops files), ``sparse``, ``memory``, ``import``,
``lbfgs``, ``ensemble``, ``search`` (a whole ``GridSearchCV``), ``busy`` (other
processes on all cores), ``growth``, or ``all``. ``growth`` writes a file of more than
4 GB to the temporary folder, and deletes it.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _common import (
    Settings,
    format_facts,
    format_number,
    format_table,
    geometric_mean,
    ignore_convergence_warnings,
    in_fresh_process,
    machine_facts,
    thread_pools,
    write_json,
)
from _figures import FIGURES, format_records
from _peers import (
    CASES,
    FLOOR,
    ON_NUMPY,
    PEERS,
    RIVALS,
    SUBJECT,
    WARMUP,
    Case,
    make_data,
)

# Idle threads of OpenMP and OpenBLAS spin for a while before they sleep: wait for them.
PAUSE = 0.2
# Number of epochs over which the compile time is spread: MLPClassifier's default.
DEFAULT_EPOCHS = 200


def serve(connection: Connection, name: str, dtype: str, backend: str) -> None:
    """Fit each case received, until None is received; runs in a peer's process."""
    os.environ["SKSCRATCH_BACKEND"] = backend
    ignore_convergence_warnings()
    peer = PEERS[name]
    for case in iter(connection.recv, None):
        try:
            X, y = make_data(case, dtype)
            start = time.perf_counter()
            loss = peer.fit(case, X, y, case.epochs)
            elapsed = time.perf_counter() - start
            connection.send((elapsed, loss, thread_pools()))
        except Exception:
            connection.send(traceback.format_exc())


class Worker:
    """Process in which one peer fits.

    Parameters
    ----------
    name : str
        Name of the peer in ``PEERS``.
    dtype : {"float32", "float64"}
        dtype of the data and of the network.
    backend : {"auto", "numpy", "compiled"}, default="auto"
        Backend of ours.
    """

    def __init__(self, name: str, dtype: str, backend: str = "auto") -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.threads: list[str] = []
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, name, dtype, backend), daemon=True
        )
        self._process.start()
        theirs.close()

    def fit(self, case: Case) -> tuple[float, float]:
        """Fit a case; return the seconds and the loss of the last epoch."""
        time.sleep(PAUSE)
        try:
            self._connection.send(case)
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise RuntimeError(f"The process of {self.name} died on {case}.") from None
        if isinstance(answer, str):
            raise RuntimeError(f"{self.name} failed on {case}:\n{answer}")
        elapsed, loss, self.threads = answer
        return elapsed, loss

    def stop(self) -> None:
        """End the process."""
        if self._process.is_alive():
            self._connection.send(None)
        self._process.join()


@contextmanager
def start_workers(
    names: Sequence[str], dtype: str, backend: str = "auto"
) -> Iterator[list[Worker]]:
    """Context with a process for each peer."""
    started = [Worker(name, dtype, backend) for name in names]
    try:
        for worker in started:
            worker.fit(WARMUP)
        yield started
    finally:
        for worker in started:
            worker.stop()


def time_case(case: Case, workers: Sequence[Worker], repeats: int) -> dict[str, Any]:
    """Time all peers on a case, in interleaved repeats."""
    timings: dict[str, Any] = {}
    for worker in workers:
        n_warmups = 2 if PEERS[worker.name].compiles else 1
        warmup = [worker.fit(replace(case, epochs=1))[0] for _ in range(n_warmups)]
        timings[worker.name] = {"warmup_seconds": warmup, "fit_seconds": []}
    for _ in range(repeats):
        for worker in workers:
            elapsed, loss = worker.fit(case)
            timings[worker.name]["fit_seconds"].append(elapsed)
            timings[worker.name]["loss"] = loss
    return timings


def summarize(case: Case, timings: Mapping[str, Any]) -> dict[str, Any]:
    """Return milliseconds per epoch, ratios to ours, and compile costs of a case."""
    epoch_ms = {
        name: 1e3 * statistics.median(timing["fit_seconds"]) / case.epochs
        for name, timing in timings.items()
    }
    ours = epoch_ms[SUBJECT]
    return {
        "case": str(case),
        "epochs": case.epochs,
        "timings": dict(timings),
        "epoch_ms": epoch_ms,
        "ratios": {name: value / ours for name, value in epoch_ms.items()},
        "compiling": {
            name: compile_cost(timings[name]["warmup_seconds"], epoch_ms[name], ours)
            for name in timings
            if PEERS[name].compiles
        },
    }


def compile_cost(
    warmup: Sequence[float], epoch_ms: float, ours_ms: float
) -> dict[str, float | None]:
    """Return the cost of compiling, and the number of epochs after which it pays off.

    Parameters
    ----------
    warmup : sequence of two floats
        Seconds of the first fit of one epoch, which compiles, and of the second.
    epoch_ms, ours_ms : float
        Milliseconds per epoch of the compiled peer and of ours.

    Returns
    -------
    cost : dict
        ``overtakes_after_epochs`` is None if the peer is never faster.
    """
    compile_ms = 1e3 * max(0.0, warmup[0] - warmup[1])
    gain = ours_ms - epoch_ms
    total_ms = epoch_ms + compile_ms / DEFAULT_EPOCHS
    return {
        "compile_seconds": compile_ms / 1e3,
        "epoch_ms_with_compiling": total_ms,
        "ratio_with_compiling": total_ms / ours_ms,
        "overtakes_after_epochs": compile_ms / gain if gain > 0 else None,
    }


def geometric_means(results: Mapping[int, Any]) -> dict[str, float]:
    """Return the geometric mean of each peer's ratio over the cases."""
    names = next(iter(results.values()))["ratios"]
    return {
        name: geometric_mean(result["ratios"][name] for result in results.values())
        for name in names
    }


def format_epochs(results: Mapping[int, Any], means: Mapping[str, float]) -> str:
    """Format the table of milliseconds per epoch and ratios to ours."""
    rivals = [name for name in means if name not in (SUBJECT, FLOOR)]
    header = ["case", "epochs", "ours", "products only", "share"]
    header += [PEERS[name].title for name in rivals]
    rows = []
    for number, result in results.items():
        epoch_ms, ratios = result["epoch_ms"], result["ratios"]
        row = [f"{number}: {result['case']}", str(result["epochs"])]
        row += [format_number(epoch_ms[name]) for name in (SUBJECT, FLOOR)]
        row.append(f"{ratios[FLOOR]:.0%}")
        for name in rivals:
            row.append(f"{format_number(epoch_ms[name])} ({ratios[name]:.2f})")
        rows.append(row)
    last = ["geometric mean", "", "", "", f"{means[FLOOR]:.0%}"]
    return format_table(
        header, [*rows, last + [f"({means[name]:.2f})" for name in rivals]]
    )


def format_compiling(results: Mapping[int, Any]) -> str:
    """Format the table of compile costs; it is empty if no peer compiles."""
    rows = []
    for number, result in results.items():
        for name, costs in result["compiling"].items():
            after = costs["overtakes_after_epochs"]
            row = [f"{number}: {PEERS[name].title}"]
            row += [format_number(costs["compile_seconds"])]
            row += [
                f"{format_number(ms)} ({ratio:.2f})"
                for ms, ratio in (
                    (result["epoch_ms"][name], result["ratios"][name]),
                    (
                        costs["epoch_ms_with_compiling"],
                        costs["ratio_with_compiling"],
                    ),
                )
            ]
            rows.append([*row, "never" if after is None else f"{after:,.0f} epochs"])
    if not rows:
        return ""
    header = ["case", "compile s", "ms without compiling"]
    header += [f"ms with, over {DEFAULT_EPOCHS} epochs", "overtakes ours after"]
    return format_table(header, rows)


def plot_ratios(results: Mapping[int, Any], path: Path) -> None:
    """Plot each peer's ratio to ours, grouped by case."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    first = next(iter(results.values()))
    names = [name for name in first["ratios"] if name != SUBJECT]
    width = 0.8 / len(names)
    figure, axes = plt.subplots(
        figsize=(2.5 + 1.4 * len(results), 4.5), layout="constrained"
    )
    for index, name in enumerate(names):
        positions = [i - 0.4 + width * (index + 0.5) for i in range(len(results))]
        ratios = [result["ratios"][name] for result in results.values()]
        color = "0.75" if name == FLOOR else f"C{index}"
        # Bars start at 1, where a peer takes as long as ours.
        heights = [ratio - 1 for ratio in ratios]
        axes.bar(positions, heights, width, 1, label=PEERS[name].title, color=color)
        for position, ratio in zip(positions, ratios, strict=True):
            axes.annotate(
                f"{ratio:.2g}",
                (position, ratio),
                (0, 2 if ratio >= 1 else -2),
                textcoords="offset points",
                ha="center",
                va="bottom" if ratio >= 1 else "top",
                fontsize=7,
            )
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.margins(y=0.1)
    labels = [wrap(result["case"]) for result in results.values()]
    axes.set_xticks(range(len(results)), labels, fontsize=8)
    axes.set_ylabel("time per epoch, relative to ours")
    axes.set_title("Above 1, ours is faster")
    figure.legend(loc="outside lower center", ncols=len(names), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def wrap(case: str) -> str:
    """Wrap the name of a case into short lines."""
    size, classes, rest = case.split(", ", 2)
    hidden, batch = rest.rsplit(", ", 1)
    return "\n".join([size, classes, hidden, batch])


def installed_peers(names: Sequence[str]) -> list[str]:
    """Return ours, the lower bound, and the peers that are installed."""
    installed = []
    for name in [SUBJECT, FLOOR, *names]:
        missing = PEERS[name].missing()
        if missing and name not in RIVALS:
            raise SystemExit(f"{', '.join(missing)} must be installed.")
        if missing:
            title = PEERS[name].title
            print(f"{title} is skipped: {', '.join(missing)} not installed.")
        else:
            installed.append(name)
    return installed


def measure_epochs(options: argparse.Namespace) -> dict[str, Any]:
    """Return the times of epochs, and the threads of each process."""
    results = {}
    names = options.peers
    backend = options.backend
    if backend == "both":
        names, backend = [ON_NUMPY, *names], "compiled"
    peers = installed_peers(names)
    with start_workers(peers, options.dtype, backend) as workers:
        for number in options.cases:
            case = CASES[number].scaled(options.scale)
            if options.epochs:
                case = replace(case, epochs=options.epochs)
            print(f"case {number}: {case} ...", file=sys.stderr, flush=True)
            timings = time_case(case, workers, options.repeats)
            results[number] = summarize(case, timings)
        threads = {PEERS[worker.name].title: worker.threads for worker in workers}
    means = geometric_means(results)
    return {"cases": results, "geometric_means": means, "threads": threads}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = ["epochs", *FIGURES]
    parser.add_argument(
        "--cases", type=int, nargs="+", choices=CASES, default=list(CASES)
    )
    parser.add_argument("--peers", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument(
        "--backend",
        choices=["auto", "numpy", "compiled", "both"],
        default="auto",
        help="what trains ours",
    )
    parser.add_argument("--repeats", type=int, default=5, help="number of repeats")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--epochs", type=int, help="epochs per fit, in all cases")
    parser.add_argument(
        "--figures", nargs="+", choices=[*figures, "all"], default=["epochs"]
    )
    parser.add_argument(
        "--scale", type=float, default=1, help="fraction of all rows, for a quick test"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the ratios")
    options = parser.parse_args(arguments)
    if "all" in options.figures:
        options.figures = figures
    if options.plot and "epochs" not in options.figures:
        parser.error("--plot needs the figure epochs: add it to --figures.")
    if options.repeats < 1 or not 0 < options.scale <= 1:
        parser.error("--repeats must be at least 1, --scale above 0 and at most 1.")
    return options


def show_epochs(epochs: Mapping[str, Any]) -> None:
    """Print the tables of epochs."""
    print("\nMilliseconds per epoch; in parentheses, relative to ours\n")
    print(format_epochs(epochs["cases"], epochs["geometric_means"]))
    table = format_compiling(epochs["cases"])
    if table:
        print(f"\nThe table above is without compiling; the cost of it\n\n{table}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the JSON file and the plot."""
    options = parse_arguments(arguments)
    packages = dict.fromkeys(name for peer in PEERS.values() for name in peer.packages)
    facts = machine_facts(name for name in packages if name != "sklearn")
    report: dict[str, Any] = {"machine": facts, "settings": vars(options).copy()}
    for path in ("json", "plot"):
        del report["settings"][path]
    if "epochs" in options.figures:
        report["epochs"] = measure_epochs(options)
        facts["threads"] = report["epochs"].pop("threads")
    print(f"\n{format_facts(facts)}\ndtype {options.dtype}, {options.repeats} repeats")
    if "epochs" in options.figures:
        show_epochs(report["epochs"])
    report["figures"] = {}
    backends = (options.backend,)
    if options.backend == "both":
        backends = ("numpy", "compiled")
    settings = Settings(options.repeats, options.dtype, options.scale, backends)
    for name in (name for name in FIGURES if name in options.figures):
        print(f"\n{FIGURES[name].title}\n", flush=True)
        records = in_fresh_process(FIGURES[name].measure, settings)
        print(format_records(records), flush=True)
        report["figures"][name] = records
    if options.json:
        write_json(options.json, report)
    if options.plot:
        plot_ratios(report["epochs"]["cases"], options.plot)


if __name__ == "__main__":
    main()
