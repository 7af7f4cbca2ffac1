"""Shared by the benchmarks: timers, fresh processes, machine facts, tables, JSON.

There is no benchmark in this file; see ``compare.py``, ``speed.py`` and ``tabular.py``.
"""

import gc
import json
import math
import multiprocessing
import os
import platform
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

OURS = "ScratchMLPClassifier"
THEIRS = "MLPClassifier"
# A row of a figure's table.
Record = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """Options of the command line that apply to all figures."""

    repeats: int
    dtype: str
    scale: float
    backends: tuple[str, ...] = ("auto",)


def estimator_classes() -> dict[str, type]:
    """Return the two classifiers to compare, ours first."""
    from sklearn.neural_network import MLPClassifier

    from skscratch import ScratchMLPClassifier

    return {OURS: ScratchMLPClassifier, THEIRS: MLPClassifier}


def ignore_convergence_warnings() -> None:
    """Ignore the warning that every fit with a fixed number of epochs gives."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)


def seconds(action: Callable[[], object]) -> float:
    """Time one call, in seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved(
    actions: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    calls: int = 1,
    warmup: bool = True,
) -> dict[str, list[float]]:
    """Time actions in turns, so that a slow period of the machine affects all of them.

    Every other turn is in reverse order, so that no action always follows the same one.

    Parameters
    ----------
    actions : mapping of str to callable
        Actions to time, by name.
    repeats : int
        Number of turns; each action runs once per turn.
    calls : int, default=1
        Number of calls per turn, for actions shorter than the resolution of the clock.
    warmup : bool, default=True
        Whether to run each action once before timing.

    Returns
    -------
    timings : dict of str to list of float
        Seconds per call, ``repeats`` numbers for each action.
    """
    timings: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values() if warmup else ():
        action()
    for turn in range(repeats):
        for name in list(actions)[:: -1 if turn % 2 else 1]:
            action = actions[name]
            start = time.perf_counter()
            for _ in range(calls):
                action()
            timings[name].append((time.perf_counter() - start) / calls)
    return timings


def traced_peak(action: Callable[[], object]) -> int:
    """Measure the peak memory of one call, in bytes above the memory before it.

    This includes NumPy's arrays, which NumPy reports to ``tracemalloc``, but not memory
    that other libraries allocate.
    """
    gc.collect()
    tracemalloc.start()
    action()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a module in a new interpreter, which exits afterwards."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, or nan if it does not exist."""
    values = list(values)
    if not values or not all(value > 0 for value in values):
        return math.nan
    return statistics.geometric_mean(values)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    installed = {}
    for package in packages:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def thread_pools() -> list[str]:
    """Describe the BLAS and OpenMP libraries loaded in this process."""
    from threadpoolctl import threadpool_info

    return sorted(
        {
            f"{pool['internal_api']} {pool['version'] or ''}".strip()
            + f" ({pool['num_threads']} threads)"
            for pool in threadpool_info()
        }
    )


def machine_facts(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return what is needed to interpret a result, without the machine's name."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        # Average of the last minute: other programs make all results less reliable.
        "load": load,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions(["numpy", "scikit-learn", "skscratch", *packages]),
        "threads": {"this process": thread_pools()},
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def format_facts(facts: Mapping[str, Any]) -> str:
    """Format machine facts as lines of text."""
    packages = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, "
        f"load {facts['load']:.1f} at the start",
        f"{facts['python']}, {packages}",
    ]
    processes: dict[str, list[str]] = {}
    for process, pools in facts["threads"].items():
        processes.setdefault(", ".join(pools) or "no thread pools", []).append(process)
    lines += [f"{pools}: {', '.join(names)}" for pools, names in processes.items()]
    return "\n".join(lines)


def format_number(value: float) -> str:
    """Format a number with three significant digits, without an exponent."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table: the first column is aligned to the left, the others right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON, with null for numbers that are not finite."""
    path.write_text(json.dumps(_jsonable(report), indent=1, allow_nan=False) + "\n")


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
