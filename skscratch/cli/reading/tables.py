"""A file as features and target, for ``python -m skscratch``.

All cells of text are read before types are decided; then they are read again by the
types, piece by piece, so that a file is never in memory as text. A file that can't be
used raises an ``InputError`` with a one-line message, before any training. Features are
preprocessed later, inside the pipeline that is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names
from skscratch.cli.reading.cells import ColumnProfile, as_texts
from skscratch.cli.reading.files import Source, open_source
from skscratch.cli.reading.formats import NO_FORMAT
from skscratch.cli.reading.hints import (
    column_notes,
    leak_notes,
    missing_notes,
    type_notes,
    unusable_columns,
)
from skscratch.cli.reading.schema import Schema
from skscratch.cli.reading.separators import SEPARATORS, looks_like_data
from skscratch.cli.reading.targets import (
    LARGEST_NUMBER,
    TargetPlan,
    TargetProfile,
    check_target_name,
    usable_rows,
)
from skscratch.cli.reading.totals import MAX_TOTALS, count_totals, label_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SEPARATORS", "Schema", "Table", "read_table"]

# What is decided by the cells' text.
READ = ("number", "integer", "boolean", "text")
# Rows in memory as text at a time.
CHUNK_ROWS = 1 << 14


@dataclass
class Table:
    """Features and target of a file, ready for a pipeline.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
        The features.
    y : ndarray of shape (n_samples,)
        The class labels, integers, booleans or text; or floats, in regression.
    task : str
        "classification" or "regression".
    schema : Schema
        How new rows are read like these.
    notes : list of str
        Notes for the user, the most important first; one line each.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    task: str
    schema: Schema
    notes: list[str] = field(default_factory=list)


def read_table(
    path: Path | str,
    target: str,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    task: str | None = None,
) -> Table:
    """Read a file whose first line names its columns.

    Parameters
    ----------
    path : Path or str
        The file: text such as CSV, a workbook of Excel or a Parquet file, compressed or
        not; "-" is standard input.
    target : str
        Name of the column to predict.
    separator : str, default=None
        Field separator of a text file; None finds it.
    encoding : str, default=None
        Encoding of a text file; None finds it.
    task : {'classification', 'regression'}, default=None
        What to predict. None decides by the target: text, booleans and few different
        integers are classes, other numbers are amounts (see ``targets.are_classes``).

    Returns
    -------
    Table
        Features and target, without the rows and columns that can't be used.

    Raises
    ------
    InputError
        If the file is not such a table, or the target does not exist or does not suit
        the task.
    """
    with (
        open_source(path, separator=separator, encoding=encoding) as source,
        _named_columns(source),
    ):
        return _read_source(source, target, task)


@contextmanager
def _named_columns(source: Source) -> Iterator[None]:
    """Add to a refusal that the file may have no header."""
    try:
        yield
    except InputError as error:
        if not looks_like_data(source.header):
            raise
        raise InputError(f"{error}; {_header_hint(source)}") from error


def _header_hint(source: Source) -> str:
    return (
        "the first line must hold the names of the columns, but holds "
        f"{format_names(source.header)}"
    )


def _read_source(source: Source, target: str, task: str | None) -> Table:
    """Read an open file, see ``read_table``."""
    check_target_name(source, target)
    scan = _Scan(source, target)
    plan = TargetPlan(scan.target, scan.decimal, task)
    schema = _make_schema(source, scan, plan)
    X, values, known = _read(source, schema, plan, scan.n_rows)
    notes = [*scan.notes, *plan.notes]
    if plan.task == "classification":
        notes += scan.target.stripping_notes()
    if plan.has_words:
        notes += scan.target.case_notes()
    file_notes = source.notes
    if looks_like_data(source.header):
        notes.insert(0, _header_hint(source))
    columns = unusable_columns(X)
    X, y = _split_rows(X, values, known, plan, notes)
    X = _drop_columns(X, columns, target, notes)
    _check_size(X)
    profiles = {name: scan.columns[name] for name in X if schema.columns[name] in READ}
    notes += leak_notes(X, y, target, plan.task)
    notes += type_notes(profiles, scan.decimal)
    notes += missing_notes(profiles)
    notes += column_notes(X)
    kept = {name: schema.columns[name] for name in X}
    formats = {name: f for name, f in schema.formats.items() if name in kept}
    schema = Schema(
        target, plan.task, kept, schema.decimal, formats, dict(schema.reading)
    )
    return Table(X, y, plan.task, schema, [*notes, *file_notes])


class _Scan:
    """The first reading of a file: what its columns hold, without rows of totals."""

    def __init__(self, source: Source, target: str) -> None:
        decimals = "." if source.separator in (None, ",") else ".,"
        names = [name for name in source.header if name != target]
        self.columns = {name: ColumnProfile(decimals) for name in names}
        self.target = TargetProfile(target, decimals)
        self._dtypes: dict[str, set[Any]] = {name: set() for name in source.header}
        self._strings = source.strings
        self.n_rows = 0
        self.notes: list[str] = []
        tail = self._scan_body(source)
        candidates = _last_totals(tail)
        self._add(tail.iloc[: len(tail) - len(candidates)])
        n_totals = 0
        self._look_for_fractions()
        if candidates and self.n_rows:
            profiles = {**self.columns, target: self.target.cells}
            n_totals = count_totals(
                source, profiles, candidates, self.n_rows, self.decimal
            )
        self._add(tail.iloc[len(tail) - len(candidates) : len(tail) - n_totals])
        self._look_for_fractions()
        if n_totals:
            labels = [label[1] for row in candidates if (label := label_of(row))]
            self.notes.append(
                f"dropped {format_count(n_totals, 'row')} of totals at the end: "
                f"{format_names(labels[-n_totals:])}"
            )

    def _scan_body(self, source: Source) -> pd.DataFrame:
        """Take all rows but the last into account, and return the last."""
        import pandas as pd

        tail = None
        for cells in source.chunks(CHUNK_ROWS):
            if tail is not None:
                cells = pd.concat([tail, cells])
            self._add(cells.iloc[:-MAX_TOTALS])
            tail = cells.iloc[-MAX_TOTALS:]
        return tail

    def _add(self, cells: pd.DataFrame) -> None:
        if not len(cells):
            return
        self.n_rows += len(cells)
        self.target.add(as_texts(cells[self.target.name]))
        for name, profile in self.columns.items():
            self._dtypes[name].add(cells[name].dtype)
            profile.add_column(cells[name])

    def _look_for_fractions(self) -> None:
        """Tell each column whether others show what the decimal separator is."""
        profiles = [*self.columns.values(), self.target.cells]
        is_shown = any(profile.shows_decimal(self.decimal) for profile in profiles)
        for profile in profiles:
            profile.is_decimal_shown = is_shown

    @property
    def decimal(self) -> str:
        """The decimal separator: a comma if more numbers have one than a point."""
        profiles = [*self.columns.values(), self.target.cells]
        n_commas = sum(profile.n_commas for profile in profiles)
        n_points = sum(profile.n_points for profile in profiles)
        return "," if n_commas > n_points else "."

    def kind(self, name: str) -> str:
        """Return what a feature holds, as in ``Schema.columns``."""
        dtypes = [dtype for dtype in self._dtypes[name] if dtype.kind not in "biufOUT"]
        if name in self._strings:
            return "string"
        if any(dtype.name == "category" for dtype in self._dtypes[name]):
            return "category"
        if dtypes:
            return str(dtypes[0])
        return self.columns[name].kind(self.decimal)


def _last_totals(tail: pd.DataFrame) -> list[list[str]]:
    """Return the last rows, as text, that begin with a word of totals."""
    rows = list(zip(*(as_texts(tail[name]) for name in tail), strict=True))
    found: list[list[str]] = []
    for row in reversed(rows):
        if label_of(row) is None:
            break
        found.insert(0, list(row))
    return found


def _make_schema(source: Source, scan: _Scan, plan: TargetPlan) -> Schema:
    formats = {
        name: format
        for name, profile in scan.columns.items()
        if (format := profile.format(scan.decimal)) != NO_FORMAT
    }
    columns = {name: scan.kind(name) for name in scan.columns}
    ambiguous = [
        name
        for name, kind in columns.items()
        if kind == "text" and scan.columns[name].is_ambiguous
    ]
    reading = dict(source.reading)
    if ambiguous and reading["function"] != "read_parquet":
        reading["dtype"] = ambiguous
    return Schema(plan.name, plan.task, columns, scan.decimal, formats, reading)


def _read(
    source: Source, schema: Schema, plan: TargetPlan, n_rows: int
) -> tuple[pd.DataFrame, NDArray[Any], NDArray[np.bool_]]:
    """Read features and target of the first rows, and which rows have a target."""
    import pandas as pd

    frames, values, known = [], [], []
    for cells in source.chunks(CHUNK_ROWS):
        cells = cells.loc[: n_rows - 1]
        if not len(cells):
            break
        frames.append(schema.features(cells))
        read, has_value = plan.read(as_texts(cells[schema.target]))
        values.append(read)
        known.append(has_value)
    return pd.concat(frames), np.concatenate(values), np.concatenate(known)


def _split_rows(
    X: pd.DataFrame,
    values: NDArray[Any],
    known: NDArray[np.bool_],
    plan: TargetPlan,
    notes: list[str],
) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Drop the rows that can't be used, and note how many."""
    n_unknown = int(np.sum(~known))
    if n_unknown:
        notes.append(f"dropped {format_count(n_unknown, 'row')} without {plan.name!r}")
        X, values = X[known], values[known]
    y = plan.labels(values)
    usable = usable_rows(y, plan.task, plan.name, notes)
    if not usable.all():
        X, y = X[usable], y[usable]
    return X, y


def _drop_columns(
    X: pd.DataFrame, found: dict[str, list[str]], target: str, notes: list[str]
) -> pd.DataFrame:
    """Drop columns from which no model can learn, and note which."""
    for reason, names in found.items():
        notes.append(
            f"dropped {format_count(len(names), 'column')} {reason}: "
            f"{format_names(names)}"
        )
    X = X.drop(columns=[name for names in found.values() for name in names])
    if X.columns.empty:
        raise InputError(f"no column except {target!r} can be learned from")
    return X


def _check_size(X: pd.DataFrame) -> None:
    for name in X:
        if X[name].dtype.kind in "iuf" and (X[name].abs() > LARGEST_NUMBER).any():
            raise InputError(
                f"column {name!r} holds a number too large to work with: "
                f"{X[name].abs().max()}"
            )
