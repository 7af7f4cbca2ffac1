"""Predictions for new rows: ``python -m skscratch predict``.

Rows are read, predicted and written in pieces, so that a file of any size fits.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from skscratch.cli.errors import InputError
from skscratch.cli.options import CompactHelp, OneLineParser, separator_character

if TYPE_CHECKING:
    from skscratch.cli.reading.files import Source

STANDARD_STREAM = "-"
ENDINGS = (".csv", ".csv.gz")

# Rows that are in memory at a time.
CHUNK_ROWS = 8192

DESCRIPTION = """\
Predict new rows with a model saved by --save (or by skops).

The output is a CSV file (UTF-8, commas) with a row for each row of the file, in the
same order: the kept columns, "prediction", and what else is asked for."""

EPILOG = """\
examples:
  python -m skscratch predict model.skops new.csv --output predictions.csv
  python -m skscratch predict model.skops new.csv --proba --keep ID --keep name
  python -m skscratch predict model.skops - --interval 0.9 < new.csv | head"""


def make_parser() -> OneLineParser:
    """Make the parser of the subcommand."""
    parser = OneLineParser(
        prog="python -m skscratch predict",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="python -m skscratch predict MODEL FILE [options]",
        formatter_class=CompactHelp,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="the model (.skops)")
    add("file", metavar="FILE", help="new rows, as for the training; - for stdin")
    output = ".csv, .csv.gz or - for stdout (default: -)"
    add("--output", default=STANDARD_STREAM, metavar="FILE", help=output)
    text = 'add "probability of ..." for each class'
    add("--proba", action="store_true", help=text)
    text = 'add "lower" and "upper", such as 0.9'
    add("--interval", type=_coverage, metavar="COVERAGE", help=text)
    add(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="repeat a column of the file, such as an ID",
    )
    text = "field separator (default: detected)"
    add("--separator", type=separator_character, metavar="CHAR", help=text)
    add("--encoding", metavar="NAME", help="such as cp1252 (default: detected)")
    add("--quiet", action="store_true", help="write no notes, only errors")
    return parser


def _coverage(text: str) -> float:
    try:
        coverage = float(text)
    except ValueError:
        coverage = 0.0
    if not 0 < coverage < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a probability above 0 and below 1, such as 0.9"
        )
    return coverage


def run_predict(argv: Sequence[str]) -> int:
    """Predict new rows.

    Parameters
    ----------
    argv : sequence of str
        The arguments after "predict".

    Returns
    -------
    int
        The exit status, 0.

    Raises
    ------
    InputError
        If arguments, model or rows are invalid. No file has been written.
    """
    options = make_parser().parse_args(argv)
    _check_options(options)
    from skscratch.cli.models import load

    model, information, warned = load(options.model)
    tell = _tell_nothing if options.quiet else _tell
    for warning in warned:
        tell("warning", warning)
    outputs = Outputs(model, with_proba=options.proba, coverage=options.interval)
    schema = (information or {}).get("schema")
    from skscratch.cli.reading.files import open_source

    source = open_source(
        options.file, separator=options.separator, encoding=options.encoding
    )
    with source as table, _open_output(options.output) as stream:
        n_rows = predict_table(table, outputs, schema, options.keep, stream, tell)
    if options.output != STANDARD_STREAM and not options.quiet:
        print(f"Predictions: {options.output} ({n_rows:,} rows)")
    return 0


def _check_options(options: argparse.Namespace) -> None:
    try:
        for package in ("pandas", "skops"):
            importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            "predicting needs pandas and skops: pip install 'skscratch[cli]'"
        ) from error
    if options.output == STANDARD_STREAM:
        return
    path = Path(options.output)
    name = f"--output {options.output!r}"
    is_special = path.exists() and not path.is_file()
    if path.is_dir() or not (is_special or path.name.lower().endswith(ENDINGS)):
        raise InputError(f"{name}: the name must end in {' or '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise InputError(f"{name}: no folder {str(path.parent)!r}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{name}: cannot write there")
    rows = Path(options.file)
    if path.exists() and rows.exists() and path.samefile(rows):
        raise InputError(f"{name} is the file of the new rows: choose another name")


def predict_table(
    source: Source,
    outputs: Outputs,
    schema: dict[str, Any] | None,
    kept: Sequence[str],
    stream: TextIO,
    tell: Any,
) -> int:
    """Predict all rows of a source.

    Parameters
    ----------
    source : Source
    outputs : Outputs
    schema : dict or None
        ``Schema.as_dict()`` of the training data.
    kept : sequence of str
        Columns to repeat.
    stream : text stream
        Where to write CSV.
    tell : callable
        Takes "note" or "warning", and a line.

    Returns
    -------
    int
        The number of rows.
    """
    from skscratch.cli.new_rows import NewRows

    _check_kept(kept, source)
    rows = NewRows(outputs.model, schema, source, kept)
    writer = csv.writer(stream, lineterminator="\n")
    n_rows, told = 0, set[str]()
    with _progress_bar(source, stream) as advance:
        for cells in source.chunks(CHUNK_ROWS):
            converted = rows.convert(cells)
            if not n_rows:  # All columns are there.
                for note in rows.first_notes():
                    tell("note", note)
                writer.writerow(_unique([*kept, *outputs.names], len(kept)))
            predicted, warned = _predict(outputs, converted, n_rows)
            for text in warned:
                if text not in told:
                    tell("warning", text)
            told.update(warned)
            texts = [_as_written(cells[name]) for name in kept]
            writer.writerows(zip(*texts, *predicted, strict=True))
            stream.flush()
            n_rows += len(cells)
            advance(n_rows)
    for note in [*source.notes, *rows.last_notes()]:
        tell("note", note)
    return n_rows


def _check_kept(kept: Sequence[str], source: Source) -> None:
    from difflib import get_close_matches

    for name in kept:
        if name not in source.header:
            near = get_close_matches(name, source.header, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise InputError(f"--keep: {source.name!r} has no column {name!r}{hint}")


def _predict(
    outputs: Outputs, rows: Any, n_before: int
) -> tuple[list[list[Any]], list[str]]:
    """Predict rows; also return what the model warned of."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # They are counted instead.
            warnings.filterwarnings("ignore", "Found unknown categories")
            predicted = outputs.predict(rows)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"cannot predict rows {n_before + 1:,} to {n_before + len(rows):,}: "
            + " ".join(str(error).split())
        ) from error
    return predicted, [" ".join(str(warning.message).split()) for warning in caught]


class Outputs:
    """The columns that a model predicts.

    Parameters
    ----------
    model : estimator
        A fitted model.
    with_proba : bool, default=False
        Whether to predict the probability of each class.
    coverage : float, default=None
        Probability that an interval contains its target; None predicts no intervals.

    Raises
    ------
    InputError
        If the model does not predict these.
    """

    def __init__(
        self, model: Any, *, with_proba: bool = False, coverage: float | None = None
    ) -> None:
        self.model, self.with_proba, self.coverage = model, with_proba, coverage
        classes: Any = getattr(model, "classes_", None)
        if with_proba and not (hasattr(model, "predict_proba") and classes is not None):
            raise InputError("--proba: the model predicts numbers, not classes")
        if coverage is not None and classes is not None:
            raise InputError("--interval: the model predicts classes: use --proba")
        if coverage is not None and not hasattr(model, "predict_interval"):
            raise InputError(
                "--interval: the model has no intervals; they are learned in training, "
                "by a regressor with intervals=True"
            )
        self.names = ["prediction"]
        if with_proba:
            self.names += [f"probability of {label}" for label in classes.tolist()]
        if coverage is not None:
            self.names += ["lower", "upper"]

    def predict(self, rows: Any) -> list[list[Any]]:
        """Predict columns of cells.

        Parameters
        ----------
        rows : {array-like, DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        list of list
            A list for each of ``names``.
        """
        predicted = self.model.predict(rows)
        if predicted.ndim != 1:
            raise InputError("the model predicts several targets: use it in Python")
        columns = [predicted.tolist()]
        if self.with_proba:
            columns += self.model.predict_proba(rows).T.tolist()
        if self.coverage is not None:
            columns += self.model.predict_interval(rows, self.coverage).T.tolist()
        return columns


def _unique(names: list[str], n_given: int) -> list[str]:
    """Number the predicted columns whose name is taken: "prediction 2"."""
    unique = names[:n_given]
    for name in names[n_given:]:
        number, new = 1, name
        while new in unique:
            number += 1
            new = f"{name} {number}"
        unique.append(new)
    return unique


def _as_written(column: Any) -> list[str]:
    """Return cells as text; those of text files are text already."""
    return ["" if value is None or value != value else str(value) for value in column]


@contextlib.contextmanager
def _open_output(name: str) -> Iterator[TextIO]:
    """Open a file that appears when it is complete, or standard output."""
    if name == STANDARD_STREAM:
        binary = sys.stdout.buffer
        stream = io.TextIOWrapper(
            binary, "utf-8", newline="", write_through=False, line_buffering=False
        )
        try:
            yield stream
            stream.flush()
        finally:
            with contextlib.suppress(BrokenPipeError):
                stream.detach()
        return
    from skscratch.cli.output.writing import replacing

    try:
        with replacing(Path(name)) as path, open(path, "wb") as raw:
            if name.lower().endswith(".gz"):
                # Without the temporary name and the time: the same rows, the same file.
                binary = gzip.GzipFile(Path(name).stem, "wb", fileobj=raw, mtime=0)
                with io.TextIOWrapper(binary, "utf-8", newline="") as stream:
                    yield stream
            else:
                with io.TextIOWrapper(raw, "utf-8", newline="") as stream:
                    yield stream
    except OSError as error:
        raise InputError(f"cannot write {name!r}: {error.strerror}") from error


@contextlib.contextmanager
def _progress_bar(source: Source, stream: TextIO) -> Iterator[Any]:
    """Show progress on standard error, if it and nothing else goes to a terminal."""
    progress = None
    if sys.stderr.isatty() and not stream.isatty():
        with contextlib.suppress(ImportError):
            from rich import console
            from rich.progress import Progress

            progress = Progress(console=console.Console(stderr=True), transient=True)
    if progress is None:
        yield lambda n_rows: None
        return
    with progress:
        task = progress.add_task("predicting", total=source.n_bytes)

        def advance(n_rows: int) -> None:
            progress.update(
                task, completed=source.position(), description=f"{n_rows:,} rows"
            )

        yield advance


def _tell(kind: str, line: str) -> None:
    print(f"skscratch: {kind}: {line}", file=sys.stderr)


def _tell_nothing(kind: str, line: str) -> None:
    pass
