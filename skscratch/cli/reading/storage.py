"""The bytes of a file, decompressed: plain, ``.gz``, ``.bz2``, ``.xz`` and ``.zip``.

The form is recognized by the first bytes, not by the name. Standard input and pipes are
copied to a temporary file, because a table is read more than once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names

STANDARD_INPUT = "-"
DAMAGES = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,
)
DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"


class Storage:
    """Bytes of one file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name in messages.

    Attributes
    ----------
    n_bytes : int
        Size of the file as it is stored.
    form : bytes
        The first bytes of the file.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._raw: IO[bytes] | None = None
        with readable(name):
            self.n_bytes = path.stat().st_size
            with open(path, "rb") as raw:
                self.form = raw.read(8)
        self._member = None
        if self.form.startswith((ZIP, EMPTY_ZIP)):
            self._member = self._find_member()

    @property
    def is_excel(self) -> bool:
        """Whether the file is a workbook of Excel 2007 or later."""
        return self._member == "[Content_Types].xml"

    def position(self) -> int:
        """Return how many of ``n_bytes`` have been read since it was opened."""
        if self._raw is None:
            return 0
        return self.n_bytes if self._raw.closed else self._raw.tell()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes from their beginning."""
        with ExitStack() as opened, readable(self.name):
            raw = self._raw = opened.enter_context(open(self.path, "rb"))
            yield opened.enter_context(self._decompress(raw, opened))

    def _decompress(self, raw: IO[bytes], opened: ExitStack) -> IO[bytes]:
        if self._member is not None and not self.is_excel:
            return opened.enter_context(zipfile.ZipFile(raw)).open(self._member)
        for start, decompressor in DECOMPRESSORS.items():
            if self.form.startswith(start):
                return decompressor(raw)
        return raw

    def _find_member(self) -> str:
        """Return the name of the only file in a zip archive."""
        with readable(self.name), zipfile.ZipFile(self.path) as archive:
            # macOS adds a folder of its own.
            members = [
                member
                for member in archive.infolist()
                if not member.is_dir() and not member.filename.startswith("__MACOSX/")
            ]
        names = [member.filename for member in members]
        if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
            return "[Content_Types].xml"
        if len(names) != 1:
            advice = "unpack it and name the one you want"
            contents = f": {format_names(names)}; {advice}" if names else ""
            raise InputError(
                f"{self.name!r} must hold one file, but holds "
                f"{format_count(len(names), 'file')}{contents}"
            )
        if members[0].flag_bits & 1:
            raise InputError(f"{self.name!r} needs a password: extract the table")
        return names[0]


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Report a file that is missing or damaged as an ``InputError``."""
    try:
        yield
    except DAMAGES as error:
        raise InputError(f"cannot read {name!r}: {_reason(error, name)}") from error


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, EOFError):
        return "the file is incomplete"
    if isinstance(error, zipfile.BadZipFile):
        is_excel = name.lower().endswith(".xlsx")
        return "the file is damaged" + is_excel * ", or not an Excel file (.xlsx)"
    return getattr(error, "strerror", None) or str(error) or "it is damaged"


@contextmanager
def open_storage(path: Path | str) -> Iterator[Storage]:
    """Open a file, or standard input if the path is "-"."""
    if str(path) == STANDARD_INPUT:
        with _spooled(sys.stdin.buffer, "standard input") as storage:
            yield storage
        return
    path = Path(path)
    # A pipe, such as bash's <(command), can be read only once.
    if path.exists() and not path.is_file() and not path.is_dir():
        with open(path, "rb") as stream, _spooled(stream, str(path)) as storage:
            yield storage
        return
    yield Storage(path, str(path))


@contextmanager
def _spooled(stream: IO[bytes], name: str) -> Iterator[Storage]:
    with tempfile.TemporaryDirectory(prefix="skscratch-") as folder:
        path = Path(folder) / "input"
        with readable(name), open(path, "wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        yield Storage(path, name)
