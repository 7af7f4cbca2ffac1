"""The encoding of a text file, found out by its bytes.

A file is decoded once as a whole, in blocks, so that the reading that follows can't
fail in the middle.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import NamedTuple

from skscratch.cli.errors import InputError
from skscratch.cli.reading.storage import Storage

BLOCK_BYTES = 1 << 20
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Encodings of eight bits: latin-1 decodes whatever cp1252 can't.
EIGHT_BITS = ("cp1252", "latin-1")
# Characters that no table has. Tabs, line feeds and the end of a DOS file are not
# among them.
CONTROL = re.compile("[\0-\x08\x0e-\x19]")


class Encoding(NamedTuple):
    """Encoding of a file.

    Attributes
    ----------
    name : str
        Its name in Python.
    note : str or None
        A note for the user, if the encoding is a guess.
    has_comments : bool
        Whether a line begins with "#".
    """

    name: str
    note: str | None
    has_comments: bool


def find_encoding(storage: Storage, encoding: str | None = None) -> Encoding:
    """Find the encoding of a text file, or check the one that is given.

    It is that of the byte order mark if there is one. Otherwise it is UTF-8 if the
    whole file is valid UTF-8, UTF-16 if every other byte is zero, and else cp1252, or
    latin-1 if the file holds bytes that cp1252 does not have.

    Parameters
    ----------
    storage : Storage
        The file.
    encoding : str, default=None
        The encoding; None finds it.

    Returns
    -------
    Encoding

    Raises
    ------
    InputError
        If the file is not text, or not of the given encoding.
    """
    with storage.open() as stream:
        start = stream.read(4096)
    marked = next((e for m, e in BYTE_ORDER_MARKS.items() if start.startswith(m)), None)
    if encoding is not None:
        return _check_given(storage, encoding, marked)
    found = marked or _utf16_by_zeros(start) or "utf-8"
    check = _decode(storage, found)
    if check.line is None:
        note = f"read as {found[:6].upper()} text" if "16" in found else None
        return Encoding(found, note, check.has_comments)
    if check.is_binary or found != "utf-8":
        raise _not_text(storage)
    for eight_bit in EIGHT_BITS:
        check = _decode(storage, eight_bit)
        if check.line is None:
            system = " (Windows)" if eight_bit == "cp1252" else ""
            note = f"not UTF-8, so read as {eight_bit}{system}"
            note += "; set --encoding if letters look wrong"
            return Encoding(eight_bit, note, check.has_comments)
    raise _not_text(storage)


def _check_given(storage: Storage, encoding: str, marked: str | None) -> Encoding:
    try:
        # It refuses those that are not encodings of text, such as base64.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise InputError(
            f"--encoding {encoding!r} is unknown: try utf-8, cp1252 or utf-16"
        ) from error
    if marked is not None and marked.startswith(name):
        name = marked
    check = _decode(storage, name)
    if check.line is not None:
        place = "" if check.is_binary else f" (line {check.line})"
        raise InputError(
            f"{storage.name!r} is not text in {encoding}{place}: leave out "
            "--encoding to have it detected"
        )
    return Encoding(name, None, check.has_comments)


def _not_text(storage: Storage) -> InputError:
    return InputError(
        f"{storage.name!r} is binary data, not a table: save it as CSV, .xlsx or "
        ".parquet"
    )


def _utf16_by_zeros(start: bytes) -> str | None:
    """Recognize UTF-16 without a byte order mark: one byte of most pairs is zero."""
    n_pairs = max(1, len(start) // 2)
    high_first, low_first = (start[i::2].count(0) / n_pairs for i in (0, 1))
    if low_first > 0.5 and high_first < 0.1:
        return "utf-16-le"
    if high_first > 0.5 and low_first < 0.1:
        return "utf-16-be"
    return None


class _Check(NamedTuple):
    """Result of decoding a file: the first line that is not text, or None."""

    line: int | None
    is_binary: bool = False
    has_comments: bool = False


def _decode(storage: Storage, encoding: str) -> _Check:
    decoder = codecs.getincrementaldecoder(encoding)()
    is_unicode = encoding.startswith("utf")
    n_lines, has_comments, last = 1, False, "\n"
    with storage.open() as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            try:
                text = last + decoder.decode(block, final=not block)
            except UnicodeError as error:
                # That of a missing byte order mark does not name a place.
                start = getattr(error, "start", 0)
                before = getattr(error, "object", b"")[:start]
                # The rest of the file may tell that it is not text.
                is_binary = is_unicode and "16" not in encoding and b"\0" in block
                return _Check(n_lines + before.count(b"\n"), is_binary)
            if "\0" in text or (not is_unicode and CONTROL.search(text)):
                return _Check(n_lines, True)
            has_comments = has_comments or "\n#" in text or "\r#" in text
            if not block:
                return _Check(None, has_comments=has_comments)
            n_lines += block.count(b"\n")
            last = text[-1]
