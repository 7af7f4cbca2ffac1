"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skscratch.cli.errors import InputError

# For a program that is stopped without unwinding its blocks.
_unfinished: set[Path] = set()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name, and rename it when it is complete.

    Until then any older file of the name stays as it is. If the block raises, or the
    program is interrupted, the temporary file is removed.

    Parameters
    ----------
    path : Path
        The file to write. A symbolic link stays one; what it points to is replaced.

    Yields
    ------
    Path
        A new, empty file in the same folder, with the same ending.

    Raises
    ------
    OSError
        If the folder can't be written to.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        # A device such as /dev/null, or a named pipe, is not replaced.
        yield path
        return
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name[-100:]}")
    _unfinished.add(temporary)
    try:
        # Made by the name, so that the umask decides who may read it.
        temporary.touch(exist_ok=False)
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def discard_unfinished_files() -> None:
    """Remove the temporary files of blocks that are not complete."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_figure(figure: Any, path: Path) -> None:
    """Write a figure of Matplotlib, in the format of the name's ending.

    Parameters
    ----------
    figure : Figure
    path : Path
        The file to write.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error
