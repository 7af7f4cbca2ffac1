"""Reading a CSV file into columns and class labels, for ``python -m skscratch``.

Whatever is wrong with the file is found here, before any training, and raised
as an `InputError` whose message is one line. The columns are prepared for a
network by scikit-learn's transformers, inside the pipeline that is trained.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler

from skscratch.tabular.columns import preparation

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

# Beyond this a square, which standardising takes, is no longer finite.
LARGEST_NUMBER = 1e150


class InputError(Exception):
    """What the user gave cannot be used; the message says why in one line."""


@dataclass
class Table:
    """Columns and labels of a CSV file, ready for a pipeline.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
        The columns to learn from, of the types pandas reads them as.
    y : ndarray of shape (n_samples,)
        The class labels: whole numbers, booleans or text.
    read_options : dict
        What ``pandas.read_csv`` needs to read such a file as it was read here.
    notes : list of str
        What was left out or is worth knowing, a line each.
    """

    X: pd.DataFrame
    y: np.ndarray[Any, Any]
    read_options: dict[str, str | bool]
    notes: list[str] = field(default_factory=list)

    @property
    def numeric(self) -> list[str]:
        """Names of the columns that hold numbers."""
        return [name for name in self.X if _holds_numbers(self.X[name])]

    @property
    def categorical(self) -> list[str]:
        """Names of all other columns: text and booleans."""
        return [name for name in self.X if not _holds_numbers(self.X[name])]


def read_table(path: Path, target: str, separator: str | None = None) -> Table:
    """Read a CSV file, plain or gzipped, whose first line names its columns.

    Parameters
    ----------
    path : Path
        The file.
    target : str
        The column that holds the class labels.
    separator : str, default=None
        What stands between fields; None finds out.

    Returns
    -------
    Table
        Columns and labels, without the rows and columns that cannot be used.

    Raises
    ------
    InputError
        If the file cannot be read as such a table, has no such column, or the
        column is not a class label.
    """
    import pandas as pd

    text = _read_text(path)
    separator = separator or _find_separator(text)
    header = _check_records(text, separator, path)
    _check_target_name(header, target, path)
    options = _read_options(text, separator)
    try:
        frame = pd.read_csv(
            io.StringIO(text), index_col=False, low_memory=False, **options
        )
    except (ValueError, OverflowError) as error:  # Its own are ValueErrors.
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    notes: list[str] = []
    frame, y = _split_target(frame, target, notes)
    frame = _useful_columns(frame, target, notes)
    return Table(frame, y, options, notes)


def make_preparation(table: Table) -> ColumnTransformer:
    """Build the transformer that turns a table's columns into a network's inputs.

    As for ``make_tabular_classifier``, but that numbers get mean 0 and variance 1, that
    truth values are categories rather than numbers, and that a category is to be seen
    five times.

    Parameters
    ----------
    table : Table
        The table whose columns it takes.

    Returns
    -------
    ColumnTransformer
        Not yet fitted.
    """
    return preparation(
        StandardScaler(),
        min_frequency=5,
        numeric=table.numeric,
        categorical=table.categorical,
    )


def listed(names: Sequence[object], limit: int = 8) -> str:
    """Join names for a message of one line, each quoted so that none can break it."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def counted(number: int, noun: str) -> str:
    """Write a number and its noun, such as "1 row", "7 classes" or "2,310 rows"."""
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    if b"\0" in content:
        raise InputError(f"{str(path)!r} is not CSV but binary (or UTF-16) data")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{str(path)!r} is not UTF-8 text (line {line}): save it as UTF-8"
        ) from error
    if not text.strip():
        raise InputError(f"{str(path)!r} is empty")
    return text


def _records(text: str, separator: str) -> Any:
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True
    )


def _find_separator(text: str) -> str:
    """Take the separator that cuts the first line into the most fields."""
    first_line = text.lstrip()[: csv.field_size_limit()].splitlines()[0]
    return max(
        SEPARATORS.values(),
        key=lambda separator: len(next(_records(first_line, separator))),
    )


def _check_records(text: str, separator: str, path: Path) -> list[str]:
    """Return the names of the columns, if every record has a field for each.

    pandas fills short records and may take long ones for having an index.
    """
    records = _records(text, separator)
    header: list[str] = []
    n_records = 0
    try:
        for record in records:
            if len(record) < 2 and not "".join(record).strip():
                continue
            header = header or record
            n_records += 1
            if len(record) != len(header):
                raise InputError(
                    f"line {records.line_num} of {str(path)!r} has "
                    f"{counted(len(record), 'field')}, the first line {len(header)}"
                )
    except csv.Error as error:
        raise InputError(f"cannot read {str(path)!r}: {error}") from error
    if n_records < 2:
        raise InputError(f"{str(path)!r} has a header but no rows")
    return header


def _check_target_name(header: list[str], target: str, path: Path) -> None:
    if header.count(target) > 1:
        raise InputError(
            f"{str(path)!r} has {header.count(target)} columns {target!r}: "
            "only one can be the target"
        )
    if target not in header:
        near = difflib.get_close_matches(target, header, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{str(path)!r} has no column {target!r}: {hint}it has {listed(header)}"
        )


def _read_options(text: str, separator: str) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {}
    if separator != ",":
        options["sep"] = separator
        edge = re.escape(separator)
        # Where a comma is not the separator, 0,5 is a number in half of Europe.
        if re.search(rf'(^|{edge}) *"?-?\d+,\d+"? *($|\r|{edge})', text, re.MULTILINE):
            options["decimal"] = ","
    if f"{separator} " in text:
        options["skipinitialspace"] = True
    return options


def _split_target(
    frame: pd.DataFrame, target: str, notes: list[str]
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Separate the labels from the columns, and leave out rows without use."""
    known = frame[target].notna()
    if not known.all():
        notes.append(f"left out {counted((~known).sum(), 'row')} without {target!r}")
    frame = frame[known]
    if frame.empty:
        raise InputError(f"column {target!r} is empty")
    labels = _class_labels(frame[target])
    _check_class_count(labels, target)

    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) > 1 and np.min(counts) == 1:
        # One row cannot be both learnt from and tested on.
        single = classes[counts == 1]
        notes.append(
            f"left out {counted(len(single), 'class')} of a single row: "
            + listed(single.tolist())
        )
        kept = counts[codes] > 1
        frame, labels, classes = frame[kept], labels[kept], classes[counts > 1]
    if len(classes) < 2:
        raise InputError(
            f"column {target!r} must have two classes of two rows or more, and has "
            f"{len(classes)}"
        )
    return _without_target(frame, target), labels


def _class_labels(column: pd.Series) -> np.ndarray[Any, Any]:
    """Turn the target column, without missing values, into labels."""
    column = column.infer_objects()
    if not _holds_numbers(column):
        return np.asarray(column, dtype=bool if column.dtype.kind == "b" else str)
    if column.dtype.kind in "iu":
        return np.asarray(column)
    others = column[(column % 1 != 0) | (column.abs() > 2**53)]
    if len(others):
        raise InputError(
            f"column {column.name!r} is not a class label: it holds numbers such as "
            f"{others.iloc[0]}"
        )
    return np.asarray(column, dtype=np.int64)


def _check_class_count(labels: np.ndarray[Any, Any], target: str) -> None:
    n_classes = len(np.unique(labels))
    if n_classes > max(20, len(labels) // 5):
        raise InputError(
            f"column {target!r} is not a class label: {n_classes:,} different values "
            f"in {counted(len(labels), 'row')}"
        )


def _without_target(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    columns = frame.drop(columns=target)
    copies = [name for name in columns if columns[name].equals(frame[target])]
    if copies:
        raise InputError(
            f"column {copies[0]!r} is a copy of the target {target!r}: take it out"
        )
    return columns


def _useful_columns(frame: pd.DataFrame, target: str, notes: list[str]) -> pd.DataFrame:
    """Leave out the columns from which nothing can be learnt, and say which."""
    left_out: dict[str, list[str]] = {}
    for name in frame:
        _note_number_like_text(frame[name], notes)
        reason = _reason_to_leave_out(frame[name])
        if reason:
            left_out.setdefault(reason, []).append(name)
    for reason, names in left_out.items():
        notes.append(
            f"left out {counted(len(names), 'column')} {reason}: {listed(names)}"
        )
        frame = frame.drop(columns=names)
    if frame.columns.empty:
        raise InputError(f"no column but {target!r} has anything to learn from")
    for name in filter(lambda name: _holds_numbers(frame[name]), frame):
        if (frame[name].abs() > LARGEST_NUMBER).any():
            raise InputError(
                f"column {name!r} holds a number too large to work with: "
                f"{frame[name].abs().max()}"
            )
    return frame


def _reason_to_leave_out(column: pd.Series) -> str | None:
    n_values = column.nunique()
    if str(column.name).startswith("Unnamed: "):
        return "without a name"
    if n_values == 0:
        return "without a value"
    if n_values == 1 and column.notna().all():
        return "that never changes"
    if not _holds_numbers(column) and n_values > max(20, column.count() // 2):
        return "of text that hardly repeats"
    return None


def _note_number_like_text(column: pd.Series, notes: list[str]) -> None:
    """Say so where a few words, such as "?", turn a column of numbers to text."""
    import pandas as pd

    values = column.dropna()
    if _holds_numbers(column) or values.empty:
        return
    try:
        words = values[pd.to_numeric(values, errors="coerce").isna()]
    except OverflowError:
        raise InputError(
            f"column {column.name!r} holds a number too large to work with"
        ) from None
    if 0 < len(words) <= len(values) // 5:
        notes.append(
            f"{column.name!r} is text because of {words.iloc[0]!r}: "
            "with such cells empty it would be numbers"
        )


def _holds_numbers(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"
