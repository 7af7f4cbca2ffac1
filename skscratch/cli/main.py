"""The command line program: ``python -m skscratch``.

It trains on the article's XOR and scikit-learn's digits, or on the user's file; and it
predicts for new rows. Errors in the command line or the file are reported in one line,
with exit status 2.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from skscratch.cli.demo import run_digits, run_xor
from skscratch.cli.errors import InputError
from skscratch.cli.interrupt import prepare_workers
from skscratch.cli.models import loading_instructions, save
from skscratch.cli.options import check_options, make_parser
from skscratch.cli.output.card import write_card
from skscratch.cli.output.json_output import format_json, results_of
from skscratch.cli.output.pictures import draw_training
from skscratch.cli.output.terminal import Progress
from skscratch.cli.output.xor_picture import draw_demo
from skscratch.cli.reading.tables import Table, read_table
from skscratch.cli.training import Outcome, train


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
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv[:1] == ["predict"]:
            from skscratch.cli.predict import run_predict

            return run_predict(argv[1:])
        run_training(argv)
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


def run_training(argv: Sequence[str]) -> None:
    """Run the demonstration, or train on the user's file."""
    options = make_parser().parse_args(argv)
    check_options(options)
    if options.jobs != 1:
        prepare_workers()
    verbosity = "none" if options.json else "results" if options.quiet else "all"
    with Progress(verbosity) as progress:
        if options.file is None:
            run_demo(options, progress)
        else:
            run_file(options, progress)


def run_demo(options: argparse.Namespace, progress: Progress) -> None:
    """Train on XOR and digits, then write the plot and the model."""
    xor = run_xor(progress)
    tuned = run_digits(options, progress)
    if options.plot is not None:
        draw_demo(xor.layers, xor.costs, tuned[-1], options.plot)
        progress.write_result(f"\nXOR and learning curve: {options.plot}")
    if options.save is not None:
        save(tuned, options.save)
        call = "sklearn.datasets.load_digits().data"
        progress.write_result(loading_instructions(options.save, call))


def run_file(options: argparse.Namespace, progress: Progress) -> None:
    """Train on the user's table, then write all files that were asked for."""
    progress.set_status(f"reading {options.file}")
    table = read_file(options)
    outcome = train(table, options, progress)
    files = {
        name: str(path)
        for name in ("plot", "save", "card")
        if (path := getattr(options, name)) is not None
    }
    results = results_of(table, outcome, str(options.file), options.target, files)
    progress.set_status("writing files")
    write_files(table, outcome, results, options, progress)
    if options.json:
        print(format_json(results))


def read_file(options: argparse.Namespace) -> Table:
    """Read the user's table, with the options that were given."""
    given = {
        name: value
        for name in ("separator", "encoding", "task")
        if (value := getattr(options, name)) is not None
    }
    return read_table(options.file, options.target, **given)


def write_files(
    table: Table,
    outcome: Outcome,
    results: dict[str, Any],
    options: argparse.Namespace,
    progress: Progress,
) -> None:
    """Write the model, the picture and the model card.

    The model comes first: it takes the longest to make again.
    """
    reading_call = table.schema.reading_call()
    if options.save is not None:
        save(outcome.model, options.save, table.schema.as_dict(), results)
        progress.write_result(loading_instructions(options.save, reading_call))
    if options.plot is not None:
        draw_training(outcome, table, options.plot)
        progress.write_result(f"\nPicture: {options.plot}")
    if options.save is None:
        progress.write_result("\nNothing was saved: add --save model.skops to do so.")
    if options.card is not None:
        write_card(results, outcome, options, reading_call)
        progress.write_result(f"\nModel card: {options.card}")
