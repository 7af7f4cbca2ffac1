"""Output of the command line: lines of text and, on a terminal, a status line."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any


class Progress:
    """Writer of lines of output and, on a terminal, of a status line below them.

    The status line is rich's if rich is installed.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._width = shutil.get_terminal_size().columns - 1 if self._terminal else 0
        self._live: Any = None

    def __enter__(self) -> Progress:
        """Show the status line."""
        if self._terminal:
            self._live = _rich_status()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the status line."""
        if self._live:
            self._live.stop()
        elif self._terminal:
            self.set_status("")

    def write(self, text: str = "") -> None:
        """Write one or more lines above the status line."""
        if self._live:
            self._live.console.print(
                text, markup=False, emoji=False, highlight=False, soft_wrap=True
            )
            return
        for line in text.split("\n"):
            print(line.ljust(self._width))

    def set_status(self, text: str) -> None:
        """Change the status line."""
        if self._live:
            self._live.reset(self._live.task_ids[0], description=text)
        elif self._terminal:
            print(text[: self._width].ljust(self._width), end="\r", flush=True)


def _rich_status() -> Any:
    try:
        from rich import console, progress
    except ImportError:
        return None
    # rich's global console can show only one live display at a time.
    status = progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
        console=console.Console(),
        transient=True,
    )
    status.add_task("starting", total=None)
    return status


def align(rows: Sequence[Sequence[str]]) -> str:
    """Align cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        ("  " + first.ljust(widths[0]))
        + "".join(
            "  " + cell.rjust(width)
            for cell, width in zip(others, widths[1:], strict=True)
        )
        for first, *others in rows
    )


def wrap(text: str) -> str:
    """Wrap text at 79 characters."""
    return textwrap.fill(text, width=79)


def heading(text: str) -> str:
    """Underline a title, and put an empty line above it."""
    return f"\n{text}\n{'-' * len(text)}"


def format_names(names: Sequence[object], limit: int = 8) -> str:
    """Join names for a one-line message; quotes escape any line breaks."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun: "1 row", "7 classes", "2,310 rows"."""
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"
