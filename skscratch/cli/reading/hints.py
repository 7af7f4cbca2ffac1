"""Hints on columns: what keeps text from being numbers, and what teaches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names
from skscratch.cli.reading.cells import ColumnProfile
from skscratch.cli.reading.formats import (
    NO_FORMAT,
    OTHER,
    PARENTHESES,
    NumberFormat,
    is_formatted,
)
from skscratch.tabular.identifiers import identifier_reason

if TYPE_CHECKING:
    import pandas as pd

# Largest share of words in a column that should be numeric.
FEW_WORDS = 0.2
# Share of rows with the same value in a column that is nearly constant.
NEARLY_ALL = 0.995
# The first and the last date in an integer.
DATES = (19000101, 21001231)
# Rows from which on integers that count up by one are no accident.
MIN_COUNTED = 20


def type_notes(profiles: Mapping[str, ColumnProfile], decimal: str) -> list[str]:
    """Describe columns whose numbers are written specially, or are text."""
    notes: list[str] = []
    formats: dict[NumberFormat, list[str]] = {}
    for name, profile in profiles.items():
        kind, format = profile.kind(decimal), profile.format(decimal)
        if format != NO_FORMAT:
            formats.setdefault(format, []).append(name)
        elif kind == "text":
            notes += _text_notes(name, profile, decimal)
    read = [
        f"read as numbers, without {format}: {format_names(names)}"
        for format, names in formats.items()
    ]
    return read + notes


def _text_notes(name: str, profile: ColumnProfile, decimal: str) -> list[str]:
    if not profile.n_present or profile.has_codes:
        return []
    if not profile.n_words:
        return [f"{name!r} is text because {_decimal_reason(profile, decimal)}"]
    formatted = [word for word in profile.words if is_formatted(word, decimal)]
    if len(formatted) == len(profile.words):
        return [
            f"{name!r} is text because of values such as {formatted[0]!r}: write plain "
            "numbers, without units and thousands separators"
        ]
    if all(is_formatted(word, OTHER[decimal]) for word in profile.words):
        reason = _other_decimal(profile.example(decimal), decimal)
        return [f"{name!r} is text because {reason}"]
    inside = [match[1] for w in profile.words if (match := PARENTHESES.fullmatch(w))]
    if inside and len(inside) + len(formatted) == len(profile.words):
        return [
            f"{name!r} is text because of parentheses around negative numbers: write "
            f"{'-' + inside[0]!r} instead of {f'({inside[0]})'!r}"
        ]
    if profile.n_words <= FEW_WORDS * profile.n_present:
        word = profile.words.most_common(1)[0][0]
        return [
            f"{name!r} is text because of values such as {word!r}: "
            "leave these cells empty to make it numeric"
        ]
    return []


def _decimal_reason(profile: ColumnProfile, decimal: str) -> str:
    """Say why cells, each of which is a number with "." or ",", are no numbers."""
    example = profile.example(decimal)
    if profile.may_hold_thousands(decimal):
        first, second = (example.replace(OTHER[decimal], part) for part in ("", "."))
        return (
            f"{example!r} could be {first.strip()} or {second.strip()}: write numbers "
            "without thousands separators"
        )
    if not profile.n_fractions(decimal):
        return _other_decimal(example, decimal)
    return (
        "its numbers have different decimal separators: write them all with "
        f"{decimal!r}"
    )


def _other_decimal(example: str, decimal: str) -> str:
    other = OTHER[decimal]
    plain = example.replace(decimal, "").replace(other, decimal)
    return f"its decimal separator is {other!r}, as in {example!r}: write {plain!r}"


def missing_notes(profiles: Mapping[str, ColumnProfile]) -> list[str]:
    """Say which words were read as missing, how often and in which columns."""
    counts: dict[str, int] = {}
    columns: dict[str, list[str]] = {}
    for name, profile in profiles.items():
        for word in sorted(filter(None, profile.missing)):
            counts[word] = counts.get(word, 0) + profile.missing[word]
            columns.setdefault(word, []).append(name)
    return [
        f"read as missing: {word!r} ({format_count(count, 'cell')} in "
        f"{format_names(columns[word])})"
        for word, count in counts.items()
    ]


def unusable_columns(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Find the columns from which no model can learn, by the reason."""
    found: dict[str, list[str]] = {}
    for name in frame:
        column = frame[name]
        if _is_unnamed(name) and _counts_rows(column):
            found.setdefault("without a name, which number the rows", []).append(name)
        elif not column.notna().any():
            found.setdefault("without values", []).append(name)
        elif (column == column.iloc[0]).all():  # A missing value equals none.
            found.setdefault("with a single value", []).append(name)
    return found


def _is_unnamed(name: str) -> bool:
    return str(name).startswith("Unnamed: ")


def _counts_rows(column: pd.Series) -> bool:
    if column.dtype.kind != "i" or len(column) < 2:
        return False
    # Some rows may have been left out.
    steps = np.diff(column.index.to_numpy())
    return bool((np.diff(column.to_numpy()) == steps).all())


def column_notes(frame: pd.DataFrame) -> list[str]:
    """Describe columns without a name, nearly constant ones and identifiers."""
    notes = []
    unnamed = [name for name in frame if _is_unnamed(name)]
    if unnamed:
        notes.append(
            f"{format_count(len(unnamed), 'column')} without a name: called "
            f"{format_names(unnamed)}"
        )
    constant = [name for name in frame if _is_nearly_constant(frame[name])]
    if constant:
        notes.append(
            f"nearly constant, over {NEARLY_ALL:.1%} of the rows have the same "
            f"value: {format_names(constant)}"
        )
    identifiers = [name for name in frame if _is_identifier(name, frame[name])]
    if identifiers:
        notes.append(
            "identifiers of rows, from which nothing can be learned: "
            f"{format_names(identifiers)}"
        )
    notes += [
        f"{name!r} counts the rows: leave it out unless it is a time step"
        for name in frame
        if len(frame) >= MIN_COUNTED
        and name not in (*unnamed, *identifiers)
        and _counts_rows(frame[name])
    ]
    for name in frame:
        if date := _first_date(frame[name]):
            notes.append(
                f"{name!r} looks like dates, but is read as numbers: write {date} "
                f"instead of {date.replace('-', '')}"
            )
    return notes


def _first_date(column: pd.Series) -> str | None:
    """Return the first of integers such as 20240131 if all are dates, or None."""
    import pandas as pd

    values = column.dropna()
    if column.dtype.kind not in "if" or not values.between(*DATES).all():
        return None
    if not len(values) or (values % 1 != 0).any():
        return None
    texts = values.astype("int64").astype(str)
    dates = pd.to_datetime(texts, format="%Y%m%d", errors="coerce")
    return None if dates.isna().any() else str(dates.iloc[0].date())


def _is_nearly_constant(column: pd.Series) -> bool:
    counts = column.value_counts(dropna=False)
    return bool(counts.iloc[0] > NEARLY_ALL * len(column))


def _is_identifier(name: Any, column: pd.Series) -> bool:
    if column.dtype.kind not in "iOUT" or column.hasnans:
        return False
    # Most columns repeat too much, which is found out quickly.
    if column.nunique() < len(column) // 2:
        return False
    distinct = set(column.astype(str))
    return identifier_reason(name, distinct, len(column)) is not None


def leak_notes(
    frame: pd.DataFrame, y: NDArray[Any], target: str, task: str
) -> list[str]:
    """Refuse copies of the target, and describe columns that tell the class exactly."""
    notes = []
    for name in frame:
        column = frame[name]
        if _is_copy(column, y):
            raise InputError(
                f"column {name!r} is a copy of the target {target!r}, so that there is "
                "nothing to learn: remove it, or choose another --target"
            )
        if task == "classification" and _is_one_to_one(column, y):
            notes.append(
                f"{name!r} determines {target!r} exactly: remove it unless you will "
                "know it before you predict"
            )
    return notes


def _is_copy(column: pd.Series, y: NDArray[Any]) -> bool:
    values = column.to_numpy()
    if column.dtype.kind in "biuf" and y.dtype.kind in "biuf":
        return bool(np.array_equal(values, y))
    if column.dtype.kind in "biufmM" or y.dtype.kind != "U":
        return False
    # Most columns differ within the first rows.
    return all(
        str(value).strip() == label for value, label in zip(values, y, strict=True)
    )


def _is_one_to_one(column: pd.Series, y: NDArray[Any]) -> bool:
    if column.hasnans:
        return False
    classes = np.unique(y)
    if column.nunique() != len(classes):
        return False
    pairs = set(zip(column.tolist(), y.tolist(), strict=True))
    return len(pairs) == len(classes)
