"""Reading a CSV file into features and class labels, for ``python -m skscratch``.

A file that can't be used raises an ``InputError`` with a one-line message, before any
training. Features are preprocessed later, inside the pipeline that is trained.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler

from skscratch.cli.errors import InputError
from skscratch.cli.terminal import format_count, format_names
from skscratch.tabular.columns import make_preprocessor

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

# Standardizing squares numbers: the squares of larger ones overflow.
LARGEST_NUMBER = 1e150


@dataclass
class Table:
    """Features and labels of a CSV file, ready for a pipeline.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
        The features, with the dtypes that pandas gives them.
    y : ndarray of shape (n_samples,)
        The class labels: integers, booleans or text.
    read_options : dict
        Options of ``pandas.read_csv`` to read a file of this format.
    notes : list of str
        Notes for the user, such as which columns were dropped; one line each.
    """

    X: pd.DataFrame
    y: np.ndarray[Any, Any]
    read_options: dict[str, str | bool]
    notes: list[str] = field(default_factory=list)

    @property
    def numeric(self) -> list[str]:
        """Names of the features that are numbers."""
        return [name for name in self.X if _holds_numbers(self.X[name])]

    @property
    def categorical(self) -> list[str]:
        """Names of all other features: text and booleans."""
        return [name for name in self.X if not _holds_numbers(self.X[name])]


def read_table(path: Path, target: str, separator: str | None = None) -> Table:
    """Read a CSV file, plain or gzipped, whose first line names its columns.

    Parameters
    ----------
    path : Path
        The file.
    target : str
        Name of the column of class labels.
    separator : str, default=None
        Field separator; None detects it.

    Returns
    -------
    Table
        Features and labels, without the rows and columns that can't be used.

    Raises
    ------
    InputError
        If the file is not such a table, or the target does not exist or is not a class
        label.
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
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError.
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    notes: list[str] = []
    frame, y = _split_target(frame, target, notes)
    frame = _drop_useless_columns(frame, target, notes)
    return Table(frame, y, options, notes)


def make_table_preprocessor(table: Table) -> ColumnTransformer:
    """Build the transformer that turns a table's features into a network's inputs.

    It differs from that of ``make_tabular_classifier`` in three points: numbers are
    standardized, booleans are categorical, and a category must occur five times to have
    an input of its own.

    Parameters
    ----------
    table : Table

    Returns
    -------
    ColumnTransformer
        Not yet fitted.
    """
    return make_preprocessor(
        StandardScaler(),
        min_frequency=5,
        numeric=table.numeric,
        categorical=table.categorical,
    )


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    if b"\0" in content:
        raise InputError(f"{str(path)!r} is binary (or UTF-16) data, not CSV")
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
    """Choose the separator that splits the first line into the most fields."""
    first_line = text.lstrip()[: csv.field_size_limit()].splitlines()[0]
    return max(
        SEPARATORS.values(),
        key=lambda separator: len(next(_records(first_line, separator))),
    )


def _check_records(text: str, separator: str, path: Path) -> list[str]:
    """Return the column names, after checking that every record has as many fields.

    pandas would pad short records, and interpret long ones as having an index.
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
                    f"{format_count(len(record), 'field')}, "
                    f"the first line {len(header)}"
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
            f"{str(path)!r} has no column {target!r}: {hint}its columns are "
            f"{format_names(header)}"
        )


def _read_options(text: str, separator: str) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {}
    if separator != ",":
        options["sep"] = separator
        edge = re.escape(separator)
        # Many European locales write 0.5 as 0,5, and do not separate fields by commas.
        if re.search(rf'(^|{edge}) *"?-?\d+,\d+"? *($|\r|{edge})', text, re.MULTILINE):
            options["decimal"] = ","
    if f"{separator} " in text:
        options["skipinitialspace"] = True
    return options


def _split_target(
    frame: pd.DataFrame, target: str, notes: list[str]
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Separate labels and features, and drop the rows that can't be used."""
    known = frame[target].notna()
    if not known.all():
        notes.append(
            f"dropped {format_count((~known).sum(), 'row')} without {target!r}"
        )
    frame = frame[known]
    if frame.empty:
        raise InputError(f"column {target!r} is empty")
    labels = _class_labels(frame[target])
    _check_class_count(labels, target)

    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) > 1 and np.min(counts) == 1:
        # A single row can't be both in the training and in the test data.
        single = classes[counts == 1]
        notes.append(
            f"dropped {format_count(len(single), 'class')} with a single row: "
            + format_names(single.tolist())
        )
        kept = counts[codes] > 1
        frame, labels, classes = frame[kept], labels[kept], classes[counts > 1]
    if len(classes) < 2:
        raise InputError(
            f"column {target!r} must have at least two classes with at least two rows "
            f"each, got {len(classes)}"
        )
    return _without_target(frame, target), labels


def _class_labels(column: pd.Series) -> np.ndarray[Any, Any]:
    """Convert the target column, which has no missing values, to labels."""
    column = column.infer_objects()
    if not _holds_numbers(column):
        return np.asarray(column, dtype=bool if column.dtype.kind == "b" else str)
    if column.dtype.kind in "iu":
        return np.asarray(column)
    non_integers = column[(column % 1 != 0) | (column.abs() > 2**53)]
    if len(non_integers):
        raise InputError(
            f"column {column.name!r} is not a class label: it holds numbers such as "
            f"{non_integers.iloc[0]}"
        )
    return np.asarray(column, dtype=np.int64)


def _check_class_count(labels: np.ndarray[Any, Any], target: str) -> None:
    n_classes = len(np.unique(labels))
    if n_classes > max(20, len(labels) // 5):
        raise InputError(
            f"column {target!r} is not a class label: {n_classes:,} different values "
            f"in {format_count(len(labels), 'row')}"
        )


def _without_target(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    columns = frame.drop(columns=target)
    copies = [name for name in columns if columns[name].equals(frame[target])]
    if copies:
        raise InputError(
            f"column {copies[0]!r} is a copy of the target {target!r}: remove it"
        )
    return columns


def _drop_useless_columns(
    frame: pd.DataFrame, target: str, notes: list[str]
) -> pd.DataFrame:
    """Drop columns that contain nothing to learn, and note which."""
    dropped: dict[str, list[str]] = {}
    for name in frame:
        _note_mostly_numeric_text(frame[name], notes)
        reason = _reason_to_drop(frame[name])
        if reason:
            dropped.setdefault(reason, []).append(name)
    for reason, names in dropped.items():
        notes.append(
            f"dropped {format_count(len(names), 'column')} {reason}: "
            f"{format_names(names)}"
        )
        frame = frame.drop(columns=names)
    if frame.columns.empty:
        raise InputError(f"no column except {target!r} can be learned from")
    for name in filter(lambda name: _holds_numbers(frame[name]), frame):
        if (frame[name].abs() > LARGEST_NUMBER).any():
            raise InputError(
                f"column {name!r} holds a number too large to work with: "
                f"{frame[name].abs().max()}"
            )
    return frame


def _reason_to_drop(column: pd.Series) -> str | None:
    n_values = column.nunique()
    if str(column.name).startswith("Unnamed: "):
        return "without a name"
    if n_values == 0:
        return "without values"
    if n_values == 1 and column.notna().all():
        return "with a single value"
    if not _holds_numbers(column) and n_values > max(20, column.count() // 2):
        return "of text with few repetitions"
    return None


def _note_mostly_numeric_text(column: pd.Series, notes: list[str]) -> None:
    """Note a column that is text only because of a few words, such as "?"."""
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
            f"{column.name!r} is text because of values such as {words.iloc[0]!r}: "
            "leave these cells empty to make it numeric"
        )


def _holds_numbers(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"
