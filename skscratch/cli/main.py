"""The command line program: ``python -m skscratch``.

It trains on the article's XOR and scikit-learn's digits, or on the user's CSV file.
This file parses the command line and writes plots and models; the study itself is in
``study``. Errors in the command line or the file are reported in one line, with exit
status 2.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from pprint import pformat
from typing import NoReturn

import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch.cli.study import Progress, Study, align, heading
from skscratch.cli.tables import (
    SEPARATORS,
    InputError,
    Table,
    make_table_preprocessor,
    read_table,
)
from skscratch.estimators.classifier import ScratchMLPClassifier
from skscratch.nn.layer import Layer
from skscratch.nn.losses import d_logloss, logloss
from skscratch.plotting import LossCurveDisplay

PLOT_ENDINGS = (".png", ".svg", ".pdf")
DESCRIPTION = """\
Train skscratch's network and evaluate it.

Without a file, it learns the article's XOR, then scikit-learn's handwritten
digits. With a file, it learns your own table, a CSV file of numbers, text and
missing values. The network is cross-validated, tuned with GridSearchCV and
compared with scikit-learn's MLPClassifier on the same folds."""

EPILOG = """\
examples:
  python -m skscratch
  python -m skscratch --plot curve.png
  python -m skscratch data.csv --target label --save model.skops

CSV files and --save need pip install 'skscratch[cli]',
--plot needs pip install 'skscratch[plot]'."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line program.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None means those of the process.

    Returns
    -------
    int
        The exit status: 0; 1 if the output is no longer read; 2 if the input is
        invalid; 130 if the user interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        options = make_parser().parse_args(argv)
        check_options(options)
        with Progress() as progress:
            run(options, progress)
    except InputError as error:
        print(f"skscratch: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("skscratch: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe, such as head, has exited: don't flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


class OneLineParser(argparse.ArgumentParser):
    """Argument parser with one-line errors, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise an ``InputError`` instead of exiting."""
        raise InputError(" ".join(message.split()))


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(
        prog="python -m skscratch",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("csv", nargs="?", type=Path, help="CSV file (.csv or .csv.gz), with a header")
    add("--target", metavar="COLUMN", help="the column that holds the class label")
    add(
        "--separator",
        type=_separator,
        metavar="CHAR",
        help="field separator: a character, or "
        f"{', '.join(SEPARATORS)} (default: detected)",
    )
    plots = " or ".join(PLOT_ENDINGS)
    add("--plot", type=Path, metavar="FILE", help=f"draw the learning curve ({plots})")
    add("--save", type=Path, metavar="FILE", help="save the tuned pipeline (.skops)")
    for name, kind, default, text in (
        ("--folds", _integer(2), 5, "number of cross-validation folds"),
        ("--max-iter", _integer(1), 300, "maximum number of epochs"),
        ("--jobs", _integer(1, -1), 1, "number of processes, -1 for one per core"),
        ("--seed", _integer(0), 0, "random seed of folds and initial weights"),
    ):
        add(
            name,
            type=kind,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    return parser


def _integer(minimum: int, other: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text) if re.fullmatch("-?[0-9]+", text) else None
        if number is None or not (number == other or minimum <= number < 2**32):
            alternative = "" if other is None else f" or {other}"
            raise argparse.ArgumentTypeError(
                f"{text!r} is not an integer from {minimum} to 2**32 - 1{alternative}"
            )
        return number

    return convert


def _separator(text: str) -> str:
    separator = SEPARATORS.get(text, text.replace("\\t", "\t"))
    if len(separator) != 1 or separator in '"\r\n ':
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither one character nor one of {', '.join(SEPARATORS)}"
        )
    return separator


def check_options(options: argparse.Namespace) -> None:
    """Check, before any work, that options are consistent and packages installed."""
    if options.csv is None:
        for name in ("target", "separator"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name} needs a CSV file, got none")
    elif options.target is None:
        raise InputError("a CSV file needs --target, the column of class labels")
    if options.csv is not None:
        _require("reading a CSV file", "cli", "pandas", "rich", "skops")
    if options.save is not None:
        _check_output("--save", options.save, (".skops",))
        _require("--save", "cli", "skops")
    if options.plot is not None:
        _check_output("--plot", options.plot, PLOT_ENDINGS)
        _require("--plot", "plot", "matplotlib")


def _require(purpose: str, extra: str, *packages: str) -> None:
    try:
        for package in packages:
            importlib.import_module(package)
    except ImportError as error:
        *others, last = packages
        needed = f"{', '.join(others)} and {last}" if others else last
        raise InputError(
            f"{purpose} needs {needed}: pip install 'skscratch[{extra}]'"
        ) from error


def _check_output(option: str, path: Path, endings: tuple[str, ...]) -> None:
    name = f"{option} {str(path)!r}"
    if path.suffix.lower() not in endings:
        raise InputError(f"{name}: the name must end in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"{name}: no folder {str(path.parent)!r}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{name}: cannot write there")


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Train, then write the plot and the model that were asked for."""
    if options.csv is None:
        run_xor(progress)
        tuned = run_digits(options, progress)
        new_data = "from sklearn.datasets import load_digits", "load_digits().data"
    else:
        progress.set_status(f"reading {options.csv}")
        table = read_table(options.csv, options.target, options.separator)
        tuned = run_table(table, options, progress)
        new_data = "import pandas", _reading_call(table)
    if options.plot is not None:
        draw_learning_curve(tuned[-1], options.plot)
        progress.write(f"\nLearning curve: {options.plot}")
    if options.save is not None:
        progress.write(save(tuned, options.save, *new_data))


def run_digits(options: argparse.Namespace, progress: Progress) -> Pipeline:
    """Run the study of scikit-learn's handwritten digits."""
    progress.write(heading("Handwritten digits, 8 by 8 pixels"))
    X, y = load_digits(return_X_y=True)
    return Study(X, y, options, progress).run(StandardScaler())


def run_table(
    table: Table, options: argparse.Namespace, progress: Progress
) -> Pipeline:
    """Run the study of the user's table."""
    progress.write(heading(f"{options.csv.name}, target {options.target!r}"))
    for note in table.notes:
        progress.write(f"  {note}")
    try:
        study = Study(table.X, table.y, options, progress)
        return study.run(make_table_preprocessor(table))
    except (ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or "not enough memory"
        raise InputError(f"cannot train on this table: {reason}") from error


def run_xor(progress: Progress, n_epochs: int = 1500) -> None:
    """Train two layers on XOR, with the article's program."""
    progress.write(heading("XOR, the article's network"))
    progress.write("  epoch    cost")
    x = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    y = np.array([[0, 1, 1, 0]])
    m = x.shape[1]
    # Training fails for 16 of the first 100 seeds: outputs stay near 0.5. Not for 2.
    random_state = np.random.RandomState(2)
    layers = [
        Layer(2, 3, "tanh", random_state=random_state),
        Layer(3, 1, "sigmoid", random_state=random_state),
    ]
    for epoch in range(1, n_epochs + 1):
        A = x
        for layer in layers:
            A = layer.feedforward(A)
        cost = 1 / m * np.sum(logloss(y, A))
        dA = d_logloss(y, A)
        for layer in reversed(layers):
            dA = layer.backprop(dA)
        if epoch == 1 or epoch % 300 == 0 or epoch == n_epochs:
            progress.write(f"  {epoch:>5}   {cost:.3f}")

    cases = zip(*x, *y, *A, strict=True)
    rows = [(f"{x1}", f"{x2}", f"{xor}", f"{a:.3f}") for x1, x2, xor, a in cases]
    progress.write("\n" + align([("x1", "x2", "XOR", "network"), *rows]))


def draw_learning_curve(network: ScratchMLPClassifier, path: Path) -> None:
    """Draw the loss, and any validation score, of each epoch."""
    # pyplot is avoided: its state belongs to the user.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained", dpi=150)
    figure.suptitle(f"{type(network).__name__}, learning curve")
    LossCurveDisplay.from_estimator(network, ax=figure.add_subplot())
    try:
        figure.savefig(path)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def save(model: Pipeline, path: Path, imports: str, data: str) -> str:
    """Save a pipeline with skops; return instructions to load it."""
    import skops.io

    try:
        skops.io.dump(model, path)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    types = textwrap.indent(pformat(skops.io.get_untrusted_types(file=path)), "  ")
    return f"""
Saved: {path}
To load it, review the types that it contains before you trust them:

  >>> import skops.io
  >>> types = skops.io.get_untrusted_types(file={str(path)!r})
  >>> types
{types}
  >>> model = skops.io.load({str(path)!r}, trusted=types)
  >>> {imports}
  >>> model.predict({data})"""


def _reading_call(table: Table) -> str:
    options = "".join(
        f", {name}={value!r}" for name, value in table.read_options.items()
    )
    return f"pandas.read_csv('new.csv'{options})"
