"""Output of the command line: lines of text and, on a terminal, a status line."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any

# Width of text that is not written to a terminal.
PIPE_WIDTH = 79
# A bar with the time left is shown if more seconds than this are expected.
LONG_SECONDS = 10
# Characters that a spinner, a bar and the time left take.
WIDTH_BESIDE_STATUS = 42


class Progress:
    """Writer of lines of output and, on a terminal, of a status line below them.

    The status line is rich's if rich is installed. It becomes a progress bar if much
    time is left. Output to a pipe has none.

    Parameters
    ----------
    verbosity : {"all", "results", "none"}, default="all"
        Which texts are written: those of ``write`` and ``write_result``, only the
        latter, or none. Only "all" has a status line.

    Attributes
    ----------
    width : int
        Number of characters of a line.
    """

    def __init__(self, verbosity: str = "all") -> None:
        self.verbosity = verbosity
        is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._terminal = is_terminal and verbosity == "all"
        self.width = PIPE_WIDTH
        if sys.stdout.isatty():
            # A character in the last column would wrap the line on some terminals.
            self.width = max(shutil.get_terminal_size().columns - 1, 20)
        self._live: Any = None

    def __enter__(self) -> Progress:
        """Show the status line."""
        if self._terminal:
            self._live = _RichStatus.if_installed()
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
        if self.verbosity == "all":
            self._write(text)

    def write_result(self, text: str = "") -> None:
        """Write lines that are results, also with ``--quiet``."""
        if self.verbosity != "none":
            self._write(text)

    def _write(self, text: str) -> None:
        if self._live:
            self._live.write(text)
            return
        for line in text.split("\n"):
            print(line.ljust(self.width if self._terminal else 0))

    def set_status(self, text: str) -> None:
        """Change the status line."""
        if self._live:
            self._live.describe(text)
        elif self._terminal:
            print(text[: self.width].ljust(self.width), end="\r", flush=True)

    def set_time_left(self, seconds: float | None, share: float = 0.0) -> None:
        """Show a progress bar with the time left, if that is long.

        Parameters
        ----------
        seconds : float or None
            Estimate of the time left; None if it is unknown.
        share : float, default=0.0
            Share of the work that is done.
        """
        if self._live:
            self._live.show_time_left(seconds, share)


class _RichStatus:
    """Status line of rich, with a bar while there is much to do.

    Parameters
    ----------
    progress : module
        ``rich.progress``.
    console : rich Console
        A console of its own: the global one can show only one live display at a time.
    """

    def __init__(self, progress: Any, console: Any) -> None:
        self._spinner = (
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
        )
        self._bar = progress.BarColumn(bar_width=16), _time_left_column(progress)
        elapsed = progress.TimeElapsedColumn()
        self._status = progress.Progress(
            *self._spinner, elapsed, console=console, transient=True
        )
        self._task = self._status.add_task("starting", total=None, end=None)
        self._has_bar = False
        self._width = console.width

    @classmethod
    def if_installed(cls) -> _RichStatus | None:
        try:
            from rich import console, progress
        except ImportError:
            return None
        return cls(progress, console.Console())

    def start(self) -> None:
        self._status.start()

    def stop(self) -> None:
        self._status.stop()

    def write(self, text: str) -> None:
        self._status.console.print(
            text, markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def describe(self, text: str) -> None:
        text = shorten(text, max(self._width - WIDTH_BESIDE_STATUS, 10))
        if self._has_bar:
            self._status.update(self._task, description=text)
        else:
            self._status.reset(self._task, description=text, end=None)

    def show_time_left(self, seconds: float | None, share: float) -> None:
        if seconds is None or (seconds < LONG_SECONDS and not self._has_bar):
            return
        self._has_bar = True
        self._status.columns = (*self._spinner, *self._bar)
        self._status.update(
            self._task, total=1.0, completed=share, end=time.monotonic() + seconds
        )


def _time_left_column(progress: Any) -> Any:
    """Column of rich that counts down to the expected end of a task."""
    from rich.text import Text

    class TimeLeftColumn(progress.ProgressColumn):
        def render(self, task: Any) -> Text:
            end = task.fields["end"]
            left = 0.0 if end is None else end - time.monotonic()
            return Text(format_time_left(left))

    return TimeLeftColumn()


def format_time_left(seconds: float) -> str:
    """Format an estimate, which may have been too short."""
    if seconds < 1:
        return "almost done"
    return f"about {format_duration(seconds)} left"


def format_duration(seconds: float) -> str:
    """Format a time of work: "4 s", "3 min" or "1 h 20 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def align(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Align cells in columns: the first to the left, the others to the right.

    Parameters
    ----------
    rows : list of list of str
    width : int, default=None
        Columns that do not fit are put into further blocks below, each with the first
        column. None means that all fit.

    Returns
    -------
    str
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    first, *others = columns
    blocks: list[list[int]] = []
    used = 0
    for index, column_width in enumerate(widths[1:]):
        used += 2 + column_width
        if not blocks or (width is not None and used > width):
            blocks.append([])
            used = 2 + widths[0] + 2 + column_width
        blocks[-1].append(index)
    return "\n\n".join(
        "\n".join(
            "  "
            + name.ljust(widths[0])
            + "".join("  " + others[i][row].rjust(widths[i + 1]) for i in block)
            for row, name in enumerate(first)
        )
        for block in blocks
    )


def wrap(text: str, width: int = PIPE_WIDTH, indent: int = 0) -> str:
    """Wrap text; lines after the first are indented two characters more.

    Parameters
    ----------
    text : str
    width : int, default=79
        Number of characters of a line.
    indent : int, default=0
        Number of spaces before the first line. If it is 0, no line is indented.

    Returns
    -------
    str
    """
    start = " " * indent
    return textwrap.fill(
        text,
        width=width,
        initial_indent=start,
        subsequent_indent=start + "  " if indent else "",
        break_on_hyphens=False,
    )


def heading(text: str, width: int = PIPE_WIDTH) -> str:
    """Underline a title, and put an empty line above it."""
    text = shorten(text, width)
    return f"\n{text}\n{'-' * len(text)}"


def shorten(text: str, width: int) -> str:
    """Cut a text that is longer than the width, and mark the cut."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def format_names(names: Sequence[object], limit: int = 8) -> str:
    """Join names for a one-line message; quotes escape any line breaks."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun: "1 row", "7 classes", "2,310 rows"."""
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"
