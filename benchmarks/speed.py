"""How long one epoch of training takes, ours and the peers', and further figures.

Run it from the repository, with skscratch installed::

    python benchmarks/speed.py                               # the epoch table
    python benchmarks/speed.py --cases 1 2 5 --peers torch --json speed.json
    python benchmarks/speed.py --figures all --plot speed.png
    python benchmarks/speed.py --figures import --repeats 7

Equal work for all: the same sizes, batches, Adam, epochs and dtype, shuffled each
epoch, the loss reported. What is timed is a whole ``fit``, from NumPy arrays to a
trained network, divided by its epochs. Peers that are not installed are skipped
(PyTorch, JAX, optax and skorch come with the extra ``bench``).

Each peer lives in a process of its own, so that their thread pools cannot disturb
each other, and only one works at any time: a repeat runs every peer once, then
comes the next repeat. Before the repeats each peer fits one epoch as a warm-up;
JAX fits two, whose difference is its time to compile. "Products only" are the
matrix products of an epoch and nothing else, each in the fastest memory order:
the floor of any design on NumPy.

Further figures, with ``--figures``: ``profile`` (where the time of a step goes),
``predict``, ``sparse``, ``memory``, ``import``, ``lbfgs``, ``ensemble``, ``growth``, or
``all``. ``growth`` writes a file of more than 4 GB to the folder for temporary files,
and removes it.
"""

import argparse
import multiprocessing
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
from _figures import FIGURES, Settings, format_records
from _peers import CASES, FIRST, FLOOR, PEERS, RIVALS, SUBJECT, Case, make_data

# Idle threads of OpenMP and OpenBLAS spin for a while before they sleep.
PAUSE = 0.2
# A fit of MLPClassifier's default length, over which compiling is spread.
USUAL_EPOCHS = 200


def serve(connection: Connection, name: str, dtype: str) -> None:
    """Fit whenever asked, until told to stop; the body of a peer's process."""
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
    """The process in which one peer fits.

    Parameters
    ----------
    name : str
        The peer's name in `PEERS`.
    dtype : {"float32", "float64"}
        Of the data and the network.
    """

    def __init__(self, name: str, dtype: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.threads: list[str] = []
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, name, dtype), daemon=True
        )
        self._process.start()
        theirs.close()

    def fit(self, case: Case) -> tuple[float, float]:
        """Return the seconds of one fit and the last epoch's loss."""
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
def workers(names: Sequence[str], dtype: str) -> Iterator[list[Worker]]:
    """Start a process for each peer, and end them afterwards."""
    started = [Worker(name, dtype) for name in names]
    try:
        for worker in started:
            worker.fit(FIRST)
        yield started
    finally:
        for worker in started:
            worker.stop()


def time_case(case: Case, crew: Sequence[Worker], repeats: int) -> dict[str, Any]:
    """Return every peer's raw seconds on a case, in interleaved repeats."""
    timings: dict[str, Any] = {}
    for worker in crew:
        turns = 2 if PEERS[worker.name].compiles else 1
        warmup = [worker.fit(replace(case, epochs=1))[0] for _ in range(turns)]
        timings[worker.name] = {"warmup_seconds": warmup, "fit_seconds": []}
    for _ in range(repeats):
        for worker in crew:
            elapsed, loss = worker.fit(case)
            timings[worker.name]["fit_seconds"].append(elapsed)
            timings[worker.name]["loss"] = loss
    return timings


def summarize(case: Case, timings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case's milliseconds for an epoch, ratios to ours, and compile times."""
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
            name: compiling(timings[name]["warmup_seconds"], epoch_ms[name], ours)
            for name in timings
            if PEERS[name].compiles
        },
    }


def compiling(
    warmup: Sequence[float], epoch_ms: float, ours_ms: float
) -> dict[str, float | None]:
    """Return what compiling costs, and from how many epochs on it has paid.

    Parameters
    ----------
    warmup : sequence of two floats
        Seconds of the first fit of one epoch, which compiles, and of the second.
    epoch_ms, ours_ms : float
        Milliseconds of an epoch, compiled and ours.

    Returns
    -------
    figures : dict
        ``overtakes_after_epochs`` is None if it never does.
    """
    compile_ms = 1e3 * max(0.0, warmup[0] - warmup[1])
    gain = ours_ms - epoch_ms
    counted = epoch_ms + compile_ms / USUAL_EPOCHS
    return {
        "compile_seconds": compile_ms / 1e3,
        "epoch_ms_compile_counted": counted,
        "ratio_compile_counted": counted / ours_ms,
        "overtakes_after_epochs": compile_ms / gain if gain > 0 else None,
    }


def geometric_means(results: Mapping[int, Any]) -> dict[str, float]:
    """Return the geometric mean over the cases of each peer's ratio."""
    names = next(iter(results.values()))["ratios"]
    return {
        name: geometric_mean(result["ratios"][name] for result in results.values())
        for name in names
    }


def format_epochs(results: Mapping[int, Any], means: Mapping[str, float]) -> str:
    """Return the table of milliseconds for an epoch and ratios to ours."""
    rivals = [name for name in means if name in RIVALS]
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
    """Return the table of what compiling costs, empty if nobody compiles."""
    rows = []
    for number, result in results.items():
        for name, figures in result["compiling"].items():
            after = figures["overtakes_after_epochs"]
            row = [f"{number}: {PEERS[name].title}"]
            row += [format_number(figures["compile_seconds"])]
            row += [
                f"{format_number(ms)} ({ratio:.2f})"
                for ms, ratio in (
                    (result["epoch_ms"][name], result["ratios"][name]),
                    (
                        figures["epoch_ms_compile_counted"],
                        figures["ratio_compile_counted"],
                    ),
                )
            ]
            rows.append([*row, "never" if after is None else f"{after:,.0f} epochs"])
    if not rows:
        return ""
    header = ["case", "compile s", "ms, left out"]
    header += [f"ms, counted over {USUAL_EPOCHS} epochs", "overtakes ours after"]
    return format_table(header, rows)


def plot_ratios(results: Mapping[int, Any], path: Path) -> None:
    """Draw each peer's ratio to ours, grouped by case."""
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
        left = [place - 0.4 + width * (index + 0.5) for place in range(len(results))]
        ratios = [result["ratios"][name] for result in results.values()]
        color = "0.75" if name == FLOOR else f"C{index}"
        # Bars stand on 1, where a peer takes as long as ours.
        heights = [ratio - 1 for ratio in ratios]
        axes.bar(left, heights, width, 1, label=PEERS[name].title, color=color)
        for place, ratio in zip(left, ratios, strict=True):
            axes.annotate(
                f"{ratio:.2g}",
                (place, ratio),
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
    labels = [wrapped(result["case"]) for result in results.values()]
    axes.set_xticks(range(len(results)), labels, fontsize=8)
    axes.set_ylabel("time of an epoch, as a multiple of ours")
    axes.set_title("Above 1 ours is faster")
    figure.legend(loc="outside lower center", ncols=len(names), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def wrapped(case: str) -> str:
    """Break a case's name into short lines."""
    size, classes, rest = case.split(", ", 2)
    hidden, batch = rest.rsplit(", ", 1)
    return "\n".join([size, classes, hidden, batch])


def installed_peers(names: Sequence[str]) -> list[str]:
    """Return ours, the floor and those of the peers that can run here."""
    usable = []
    for name in [SUBJECT, FLOOR, *names]:
        missing = PEERS[name].missing()
        if missing and name in (SUBJECT, FLOOR):
            raise SystemExit(f"{', '.join(missing)} must be installed.")
        if missing:
            title = PEERS[name].title
            print(f"{title} is skipped: {', '.join(missing)} not installed.")
        else:
            usable.append(name)
    return usable


def measure_epochs(options: argparse.Namespace) -> dict[str, Any]:
    """Return the epoch table's results, and the threads of each process."""
    results = {}
    with workers(installed_peers(options.peers), options.dtype) as crew:
        for number in options.cases:
            case = CASES[number].scaled(options.scale)
            if options.epochs:
                case = replace(case, epochs=options.epochs)
            print(f"case {number}: {case} ...", file=sys.stderr, flush=True)
            timings = time_case(case, crew, options.repeats)
            results[number] = summarize(case, timings)
        threads = {PEERS[worker.name].title: worker.threads for worker in crew}
    means = geometric_means(results)
    return {"cases": results, "geometric_means": means, "threads": threads}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = ["epochs", *FIGURES]
    parser.add_argument(
        "--cases", type=int, nargs="+", choices=CASES, default=list(CASES)
    )
    parser.add_argument("--peers", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--repeats", type=int, default=5, help="medians are of these")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--epochs", type=int, help="of one fit, for every case")
    parser.add_argument(
        "--figures", nargs="+", choices=[*figures, "all"], default=["epochs"]
    )
    parser.add_argument(
        "--scale", type=float, default=1, help="fraction of all rows, to try it out"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all repeats")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios")
    options = parser.parse_args(arguments)
    if "all" in options.figures:
        options.figures = figures
    if options.plot and "epochs" not in options.figures:
        parser.error("--plot draws the epochs: add them to --figures.")
    if options.repeats < 1 or not 0 < options.scale <= 1:
        parser.error("--repeats must be at least 1, --scale above 0 and at most 1.")
    return options


def show_epochs(epochs: Mapping[str, Any]) -> None:
    """Print what came of the epoch table."""
    print("\nMilliseconds for one epoch; in brackets the multiple of ours\n")
    print(format_epochs(epochs["cases"], epochs["geometric_means"]))
    table = format_compiling(epochs["cases"])
    if table:
        print(f"\nCompiling left out of the table above, and counted\n\n{table}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON file and the plot."""
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
    settings = Settings(options.repeats, options.dtype, options.scale)
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
