"""The command line program: ``python -m skscratch``.

It trains on the article's XOR and scikit-learn's digits, or on the user's file. Errors
in the command line or the file are reported in one line, with exit status 2.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from sklearn.pipeline import Pipeline

from skscratch.cli.demo import run_digits, run_xor
from skscratch.cli.errors import InputError
from skscratch.cli.interrupt import prepare_workers
from skscratch.cli.models import loading_instructions, save
from skscratch.cli.options import check_options, make_parser
from skscratch.cli.pictures import draw_learning_curve
from skscratch.cli.study import Study
from skscratch.cli.tables import Table, make_table_preprocessor, read_table
from skscratch.cli.terminal import Progress, heading
from skscratch.cli.xor_picture import draw_demo


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
        options = make_parser().parse_args(argv)
        check_options(options)
        if options.jobs != 1:
            prepare_workers()
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


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Train, then write the plot and the model that were asked for."""
    if options.csv is None:
        xor = run_xor(progress)
        tuned = run_digits(options, progress)
        reading_call = "sklearn.datasets.load_digits().data"
    else:
        progress.set_status(f"reading {options.csv}")
        table = read_table(
            options.csv,
            options.target,
            separator=options.separator,
            task="classification",
        )
        tuned = run_table(table, options, progress)
        reading_call = table.schema.reading_call()
    if options.plot is not None and options.csv is None:
        draw_demo(xor.layers, xor.costs, tuned[-1], options.plot)
        progress.write(f"\nXOR and learning curve: {options.plot}")
    elif options.plot is not None:
        draw_learning_curve(tuned[-1], options.plot)
        progress.write(f"\nLearning curve: {options.plot}")
    if options.save is not None:
        save(tuned, options.save)
        progress.write(loading_instructions(options.save, reading_call))


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
