"""Ctrl-C, which ends the program at once and leaves nothing half-written.

Fits catch ``KeyboardInterrupt`` and go on with what they have. The command line raises
an exception of its own instead, and, should that be held up, exits without it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from skscratch.cli.output.writing import discard_unfinished_files

EXIT_STATUS = 128 + signal.SIGINT

# Seconds in which the exception must have ended the program: compiled code, such as a
# matrix product, runs to its end before Python raises it.
PATIENCE = 0.5

CLEAR_LINE_AND_SHOW_CURSOR = "\r\x1b[K\x1b[?25h"


class Interrupted(BaseException):
    """The user pressed Ctrl-C; not a ``KeyboardInterrupt``, which fits catch."""


def run_interruptible(run: Callable[[], int]) -> int:
    """Run a program that Ctrl-C stops at once, with exit status 130.

    It changes how the process handles signals, and is meant for its main thread, before
    others are started.

    Parameters
    ----------
    run : callable
        The program: imports and all. It returns the exit status.

    Returns
    -------
    int
        The exit status.
    """
    try:
        _handle_signals()
        return run()
    except (Interrupted, KeyboardInterrupt):
        _exit()
    finally:
        # Something may have caught the exception, or raised another in its place.
        if _has_begun.locked():
            _exit()


def _handle_signals() -> None:
    if signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        return  # It is ignored, as in a background job.
    signal.signal(signal.SIGINT, _interrupt)
    if not hasattr(signal, "pthread_sigmask"):  # On Windows.
        return
    # Handlers run in the main thread, which may be in compiled code for a while, so
    # another thread waits for the signal. The signal is blocked in all of them, and in
    # processes that are started later: those of --jobs would print what Ctrl-C
    # interrupts in them.
    signal.signal(signal.SIGUSR1, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_wait_for_interrupts, daemon=True).start()


def prepare_workers() -> None:
    """Keep Ctrl-C from worker processes that are started later, and them quiet.

    Python 3.11 unblocks the signal when it starts the process that keeps track of what
    they share; once that runs, the signal can be blocked for good. That process also
    removes what killed workers leave, but warns of it. Nothing changes outside of
    ``run_interruptible``.
    """
    if signal.getsignal(signal.SIGINT) is _interrupt and os.name == "posix":
        from multiprocessing.resource_tracker import ensure_running

        filters = os.environ.get("PYTHONWARNINGS", "").split(",")
        filters = [*filter(None, filters), "ignore:resource_tracker"]
        os.environ["PYTHONWARNINGS"] = ",".join(filters)
        ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _wait_for_interrupts() -> None:
    # A signal that this thread got would not wake the main thread, which handles it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    while True:
        signal.sigwait({signal.SIGINT})
        _start_to_exit()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


def _interrupt(number: int, _: object) -> None:
    """Raise the exception; handler of signals."""
    if number == signal.SIGINT:
        _start_to_exit()
    raise Interrupted


_has_begun = threading.Lock()
_is_exiting = threading.Lock()


def _start_to_exit() -> None:
    """Give the exception some time; none if the user presses Ctrl-C again."""
    if not _has_begun.acquire(blocking=False):
        _exit()
    threading.Thread(target=_exit_later, daemon=True).start()


def _exit_later() -> None:
    time.sleep(PATIENCE)
    _exit()


def _terminate(*_: object) -> None:
    """End as by default, but without leaving unfinished files and processes."""
    _clean_up()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _exit() -> NoReturn:
    """Say that the program was interrupted, and exit without further ado."""
    if not _is_exiting.acquire(blocking=False):
        time.sleep(PATIENCE)  # Another thread exits.
    _clean_up()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        os.write(sys.stdout.fileno(), CLEAR_LINE_AND_SHOW_CURSOR.encode())
    os.write(sys.stderr.fileno(), b"skscratch: interrupted\n")
    os._exit(EXIT_STATUS)


def _clean_up() -> None:
    discard_unfinished_files()
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else []:
        os.kill(child.pid, signal.SIGKILL)
