"""The options of the command line, and their checks before any work."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from skscratch.cli.errors import InputError
from skscratch.cli.separators import SEPARATORS

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
