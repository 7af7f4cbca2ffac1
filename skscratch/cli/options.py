"""The options of the command line, and their checks before any work."""

from __future__ import annotations

import argparse
import importlib
import math
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from skscratch.cli.errors import InputError
from skscratch.cli.reading.separators import SEPARATORS
from skscratch.version import __version__

STDIN = "-"
PLOT_ENDINGS = (".png", ".svg", ".pdf")
DESCRIPTION = """\
Train neural networks on a table: a CSV file of numbers, text, dates and missing
values. Models are cross-validated and compared with scikit-learn's on the same
folds, and the best of skscratch's is fitted on all rows. Without a file, learn
the article's XOR, then scikit-learn's handwritten digits."""

EPILOG = """\
examples:
  python -m skscratch
  python -m skscratch data.csv --target price --save model.skops --card card.md
  python -m skscratch predict model.skops new.csv --output predictions.csv

Files and --save need pip install 'skscratch[cli]', --plot 'skscratch[plot]'."""

# Options that make sense only with a file, and only for some models.
OF_A_FILE = (
    *("target", "separator", "encoding", "task", "model"),
    *("effort", "time_limit", "card", "json"),
)
OF_THE_RECIPE = ("effort", "time_limit")


class OneLineParser(argparse.ArgumentParser):
    """Argument parser with one-line errors, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise an ``InputError`` instead of exiting."""
        raise InputError(" ".join(message.split()))


class CompactHelp(argparse.HelpFormatter):
    """Help with a line for most options; indented lines of other text are kept."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=23)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = re.split(r"(\n(?:  .*\n?)+|\n\n)", text)
        return "".join(
            block if block.startswith("\n") else textwrap.fill(block, width)
            for block in blocks
        )


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(
        prog="python -m skscratch",
        usage="python -m skscratch [FILE --target COLUMN] [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=CompactHelp,
        allow_abbrev=False,
    )
    _add_data(parser.add_argument)
    _add_training(parser.add_argument)
    _add_output(parser.add_argument)
    return parser


def _add_data(add: Callable[..., object]) -> None:
    add("file", nargs="?", type=_source, metavar="FILE", help="a table; - for stdin")
    add("--target", metavar="COLUMN", help="the column to predict")
    tasks = ("classification", "regression")
    add("--task", choices=tasks, metavar="TASK", help=f"{' or '.join(tasks)}")
    add(
        "--separator",
        type=separator_character,
        metavar="CHAR",
        help=f"a character, or {', '.join(SEPARATORS)}",
    )
    add("--encoding", metavar="NAME", help="encoding of text, such as cp1252")


def _add_training(add: Callable[..., object]) -> None:
    add(
        "--model",
        choices=("recipe", "mlp", "both"),
        metavar="MODEL",
        help="recipe, mlp (a tuned plain network) or both (default: recipe)",
    )
    add(
        "--effort",
        choices=("low", "default", "high"),
        metavar="EFFORT",
        help="how long the recipe trains: low, default or high",
    )
    add(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        help="of each fit of the recipe: one per fold, one more",
    )
    for name, kind, default, text in (
        ("--folds", _integer(2), 5, "number of cross-validation folds"),
        ("--max-iter", _integer(1), None, "maximum number of epochs of mlp"),
        ("--jobs", _integer(1, -1), 1, "number of processes, -1 for one per core"),
        ("--seed", _integer(0), 0, "random seed"),
    ):
        shown = 300 if default is None else default
        add(
            name,
            type=kind,
            default=default,
            metavar="N",
            help=f"{text} (default: {shown})",
        )


def _add_output(add: Callable[..., object]) -> None:
    add("--save", type=Path, metavar="FILE", help="save the model (.skops)")
    plots = " or ".join(PLOT_ENDINGS)
    add(
        "--plot", type=Path, metavar="FILE", help=f"a picture of the training ({plots})"
    )
    add(
        "--card",
        type=Path,
        metavar="FILE",
        help="a description of model and data (.md)",
    )
    add("--json", action="store_true", help="write results as JSON, nothing else")
    add("--quiet", action="store_true", help="write only results and errors")
    add("--version", action="version", version=f"skscratch {__version__}")


def _source(text: str) -> str | Path:
    return STDIN if text == STDIN else Path(text)


def _integer(minimum: int, other: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text) if re.fullmatch("-?[0-9]+", text) else None
        if number is None or not (number == other or minimum <= number):
            alternative = "" if other is None else f", or {other}"
            raise argparse.ArgumentTypeError(
                f"{text!r} is not an integer, {minimum} or more{alternative}"
            )
        if number >= 2**32:
            raise argparse.ArgumentTypeError(f"{text} is above 2**32 - 1")
        return number

    return convert


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a positive number of seconds"
        )
    return seconds


def separator_character(text: str) -> str:
    """Convert the argument of ``--separator``; for ``argparse``."""
    separator = SEPARATORS.get(text, text.replace("\\t", "\t"))
    if len(separator) != 1 or separator in '"\r\n ':
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither one character nor one of {', '.join(SEPARATORS)}"
        )
    return separator


def check_options(options: argparse.Namespace) -> None:
    """Check, before any work, that options are consistent and packages installed."""
    if options.file is None:
        for name in OF_A_FILE:
            if getattr(options, name):
                raise InputError(
                    f"{_option(name)} needs a file: name it first, or - for stdin"
                )
    elif options.target is None:
        raise InputError("a file needs --target, the column to predict")
    _check_model_options(options)
    if options.file is not None:
        _require("reading a file", "cli", "pandas", "rich", "skops")
    _check_outputs(options)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_model_options(options: argparse.Namespace) -> None:
    model = options.model or "recipe"
    if options.file is not None and model == "recipe" and options.max_iter:
        raise InputError("--max-iter needs --model mlp or both")
    if model == "mlp":
        for name in OF_THE_RECIPE:
            if getattr(options, name):
                raise InputError(f"{_option(name)} needs --model recipe or both")


def _check_outputs(options: argparse.Namespace) -> None:
    outputs = {
        "--save": (options.save, (".skops",), ("cli", "skops")),
        "--plot": (options.plot, PLOT_ENDINGS, ("plot", "matplotlib")),
        "--card": (options.card, (".md",), ("cli", "skops")),
    }
    for option, (path, endings, needed) in outputs.items():
        if path is not None:
            _check_output(option, path, endings, options.file)
            _require(option, *needed)


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


def _check_output(
    option: str, path: Path, endings: tuple[str, ...], source: str | Path | None
) -> None:
    name = f"{option} {str(path)!r}"
    if path.suffix.lower() not in endings:
        raise InputError(f"{name}: the name must end in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"{name}: no folder {str(path.parent)!r}")
    is_there = path.exists()
    if path.is_dir() or not os.access(path if is_there else path.parent, os.W_OK):
        raise InputError(f"{name}: cannot write there")
    if not isinstance(source, Path) or not source.exists() or not is_there:
        return
    if path.samefile(source):
        raise InputError(f"{name}: this is the file to be read")
