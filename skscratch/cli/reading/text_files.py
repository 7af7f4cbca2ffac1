"""Tables in text files: records, comments, the header and ragged lines."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count
from skscratch.cli.reading.encodings import find_encoding
from skscratch.cli.reading.separators import (
    SEPARATOR_LINE,
    find_separator,
    is_number,
    read_records,
    split_line,
)
from skscratch.cli.reading.sources import Source
from skscratch.cli.reading.storage import Storage

if TYPE_CHECKING:
    import pandas as pd

COMMENT = "#"
# Characters in memory at a time.
BLOCK_CHARACTERS = 1 << 20
QUOTED = re.compile('"[^"]*"')
# Lines, and their characters, that are looked at to find the separator and the header.
SAMPLE_LINES = 200
SAMPLE_CHARACTERS = 1 << 20


class TextSource(Source):
    """A table in a text file, such as CSV.

    The first line that is neither empty nor a comment is the header. A line that begins
    with "#" is a comment, except:

    - the last one before the first row, if it has as many fields as the row, and the
      row holds a number (or no row does, and no space follows "#");
    - one among the rows that has as many fields as the header, of which there are
      several: it may be a row whose first cell begins with "#", and no row gets lost.

    Rows without any value at the end, such as the lines of commas that Excel leaves
    there, are no rows.

    Parameters
    ----------
    storage : Storage
        The file.
    separator : str, default=None
        Field separator; None finds it.
    encoding : str, default=None
        Encoding; None finds it.
    """

    def __init__(
        self,
        storage: Storage,
        separator: str | None = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(storage)
        self._encoding = find_encoding(storage, encoding)
        self._n_comments = self._n_empty = 0
        self._has_mark = False
        with self._open_text() as text:
            lines = list(_sample(text))
        marked = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
        self._is_marked = marked is not None
        if not any(line.strip() for line in lines[self._is_marked :]):
            raise InputError(f"{self.name!r} is empty")
        plain = [line for line in lines[self._is_marked :] if _is_plain(line)]
        found = marked[1] if marked else find_separator(plain or lines)
        self.separator: str = separator or found
        self._start = self._is_marked + _find_header(
            lines[self._is_marked :], self.separator
        )
        self._set_header(self._read_header())

    @property
    def notes(self) -> list[str]:
        """Notes for the user, complete after a reading."""
        notes = [self._encoding.note] if self._encoding.note else []
        if self._n_comments:
            lines = format_count(self._n_comments, "comment line")
            notes.append(f"skipped {lines} beginning with {COMMENT}")
        if self.header[0].startswith(COMMENT):
            notes.append(f"the header begins with {COMMENT}: it is not a comment")
        if self._n_empty:
            rows = format_count(self._n_empty, "row")
            notes.append(f"left out {rows} without any value at the end")
        return notes + self._header_notes()

    @property
    def reading(self) -> dict[str, Any]:
        """Name of the function of pandas that reads the file, and its options."""
        options: dict[str, Any] = {"function": "read_csv"}
        if self.separator != ",":
            options["sep"] = self.separator
        if self._has_spaces():
            options["skipinitialspace"] = True
        if not self._encoding.name.startswith("utf-8"):
            options["encoding"] = self._encoding.name
        # pandas takes what follows the mark in a cell for a comment, too.
        is_comment = self._n_comments > 0 and not self._has_mark
        n_skipped = self._start if self._n_comments else int(self._is_marked)
        if is_comment:
            options["comment"] = COMMENT
            n_skipped = int(self._is_marked)
        if n_skipped:
            options["skiprows"] = n_skipped
        return options

    def chunks(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in pieces of at most ``n_rows``; the index counts them."""
        import numpy as np
        import pandas as pd

        n_read = 0
        read = self._records if self._encoding.has_comments else self._plain_records
        for rows in self._until_last_value(read(n_rows)):
            yield pd.DataFrame(
                np.array(rows, dtype=object).reshape(len(rows), len(self.header)),
                columns=self.header,
                index=pd.RangeIndex(n_read, n_read + len(rows)),
                dtype=object,
            )
            n_read += len(rows)
        if not n_read:
            raise InputError(f"{self.name!r} has a header but no rows")

    def _until_last_value(
        self, pieces: Iterator[list[list[str]]]
    ) -> Iterator[list[list[str]]]:
        """Yield pieces up to the last row with a value."""
        # What may be the end: a piece whose last rows are empty, and how long the
        # pieces of empty rows are that follow.
        held: list[list[str]] = []
        n_empty, lengths = 0, list[int]()
        for rows in pieces:
            filled = (i for i, row in enumerate(reversed(rows)) if any(row))
            n_last = next(filled, None)
            if n_last is None:
                lengths.append(len(rows))
                continue
            if held:
                yield held
            for length in lengths:
                yield [[""] * len(self.header)] * length
            lengths = []
            held, n_empty = (rows, n_last) if n_last else ([], 0)
            if not held:
                yield rows
        if held:
            yield held[:-n_empty]
        self._n_empty = n_empty + sum(lengths)

    @contextmanager
    def _open_text(self) -> Iterator[io.TextIOWrapper]:
        with (
            self._storage.open() as stream,
            io.TextIOWrapper(stream, self._encoding.name, newline="") as text,
        ):
            yield text

    def _read_header(self) -> list[str]:
        with self._open_text() as text, self._well_formed():
            return next(read_records(islice(text, self._start, None), self.separator))

    def _plain_records(self, n_rows: int) -> Iterator[list[list[str]]]:
        """Yield the records of a file without comments, which takes less time."""
        n_fields = len(self.header)
        with self._open_text() as text, self._well_formed():
            records = read_records(islice(text, self._start, None), self.separator)
            next(records)
            while rows := list(islice(records, n_rows)):
                if n_fields == 1 or set(map(len, rows)) != {n_fields}:
                    kept = [row for row in rows if not _is_blank(row)]
                    if any(len(row) != n_fields for row in kept):
                        # Reading line by line finds the line, and raises the error.
                        deque(self._records(n_rows), maxlen=0)
                    rows = kept
                if rows:
                    yield rows

    def _records(self, n_rows: int) -> Iterator[list[list[str]]]:
        """Yield the records after the header in pieces of at most ``n_rows``."""
        with self._open_text() as text, self._well_formed():
            lines = _Lines(
                text, self.name, self._start, self.separator, len(self.header)
            )
            records = lines.records()
            while rows := list(islice(records, n_rows)):
                yield rows
            self._n_comments, self._has_mark = lines.n_comments, lines.has_mark

    def _has_spaces(self) -> bool:
        """Whether spaces follow separators outside of quotes."""
        last = "\n"
        spaced = [f"{mark} " for mark in (self.separator, "\n", "\r")]
        with self._open_text() as text:
            while block := text.read(BLOCK_CHARACTERS):
                block = last + block
                for part in spaced:
                    if part in block and part in QUOTED.sub("", block):
                        return True
                last = block[-1]
        return False

    @contextmanager
    def _well_formed(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            raise InputError(f"cannot read {self.name!r}: {error}") from error


class _Lines:
    """Lines of a text file from the header on, without comments between records."""

    def __init__(
        self,
        text: io.TextIOWrapper,
        name: str,
        start: int,
        separator: str,
        n_fields: int,
    ) -> None:
        self._name = name
        self._text, self._start = text, start
        self._separator, self._n_fields = separator, n_fields
        self._is_between = False
        self._number = 0
        self.n_comments = 0
        self.has_mark = False

    def records(self) -> Iterator[list[str]]:
        """Yield the records after the header, all of which have as many fields."""
        records = read_records(self._lines(), self._separator)
        next(records)
        self._is_between = True
        for record in records:
            # Within a quoted field, no line is a comment.
            self._is_between = True
            if _is_blank(record):
                continue
            if len(record) != self._n_fields:
                raise InputError(
                    f"line {self._number} of {self._name!r} has "
                    f"{format_count(len(record), 'field')}, the first line "
                    f"{self._n_fields}"
                )
            yield record

    def _lines(self) -> Iterator[str]:
        for line in self._text:
            self._number += 1
            if self._number <= self._start:
                self.n_comments += line.startswith(COMMENT)
                continue
            if self._is_between and line.startswith(COMMENT) and self._is_comment(line):
                self.n_comments += 1
                continue
            self._is_between = False
            self.has_mark = self.has_mark or COMMENT in line
            yield line

    def _is_comment(self, line: str) -> bool:
        n_fields = len(split_line(line, self._separator))
        return self._n_fields == 1 or n_fields != self._n_fields


def _sample(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines until there are enough that are not comments."""
    n_plain = n_characters = 0
    for line in text:
        yield line
        n_plain += _is_plain(line)
        n_characters += len(line)
        if n_plain >= SAMPLE_LINES or n_characters >= SAMPLE_CHARACTERS:
            return


def _is_blank(record: list[str]) -> bool:
    """Whether a record is that of a blank line."""
    return len(record) < 2 and not "".join(record).strip()


def _is_plain(line: str) -> bool:
    return not line.startswith(COMMENT) and not line.isspace()


def _find_header(lines: Sequence[str], separator: str) -> int:
    """Return the index of the header among the first lines."""
    first = next((i for i, line in enumerate(lines) if _is_plain(line)), len(lines))
    comments = [i for i in range(first) if lines[i].startswith(COMMENT)]
    rows = [split_line(line, separator) for line in lines[first:] if _is_plain(line)]
    if not comments:
        return first
    last = comments[-1]
    if not rows:
        # Each line begins with "#": those that have as many fields as the last are
        # header and rows.
        n_fields = len(split_line(lines[last], separator))
        return next(
            i for i in comments if len(split_line(lines[i], separator)) == n_fields
        )
    if len(rows[0]) < 2 or len(split_line(lines[last], separator)) != len(rows[0]):
        return first
    if any(map(is_number, rows[0])):
        return last
    has_numbers = any(map(is_number, (field for row in rows[1:2] for field in row)))
    is_name = re.match(rf"{COMMENT}[^\s{COMMENT}]", lines[last]) is not None
    return last if is_name and not has_numbers else first
