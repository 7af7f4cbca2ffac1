"""Roles of a table's columns: number, category, date, text or dropped.

``find_roles`` infers the roles in ``fit``. ``columns`` encodes each role.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skscratch._messages import warn_user
from skscratch.tabular.categories import MAX_CATEGORIES
from skscratch.tabular.conversion import (
    is_numeric,
    is_numeric_text,
    to_category,
    to_floats,
)
from skscratch.tabular.date_values import (
    DateFormat,
    find_format,
    holds_nothing,
    unreadable_dates,
)
from skscratch.tabular.identifiers import identifier_reason
from skscratch.tabular.numeric_text import in_the_way, is_missing
from skscratch.tabular.tables import (
    column_values,
    is_categorical_dtype,
    table_columns,
)

__all__ = ["ColumnRole", "ColumnRoles", "find_roles"]

# Minimum number of distinct values for n-grams to be more useful than categories.
MIN_TEXT_VALUES = 20
# Text categories are also encoded by n-grams if the share of rows whose category has
# its own input is smaller.
MIN_COVERED = 0.75


class ColumnRole(NamedTuple):
    """Role of a column, the reason for it, and the resulting inputs.

    Attributes
    ----------
    name : object
        Name of the column, or its position if the table has no names.
    role : str
        "number", "category", "date", "text" or "dropped".
    reason : str
        Description of the values that led to the role.
    notes : tuple of str, default=()
        Further notes for the user.
    inputs : dict, default=None
        Number of network inputs for each part of the preparation that encodes the
        column, or None if the number is unknown.
    """

    name: Any
    role: str
    reason: str
    notes: tuple[str, ...] = ()
    inputs: dict[str, int | None] | None = None

    @property
    def n_inputs(self) -> int | None:
        """Number of inputs, or None if unknown."""
        counts = list((self.inputs or {}).values())
        return None if None in counts else sum(filter(None, counts))

    def __str__(self) -> str:
        n_inputs = (
            "" if self.n_inputs is None else f" with {_count(self.n_inputs, 'input')}"
        )
        reason = "; ".join((self.reason, *self.notes))
        return f"{self.name}: {self.role}{n_inputs} ({reason})"


class ColumnRoles(list[ColumnRole]):
    """List of ``ColumnRole`` that prints as a table."""

    def __str__(self) -> str:
        rows = [["column", "role", "inputs", "reason"]]
        for role in self:
            n_inputs = "?" if role.n_inputs is None else f"{role.n_inputs:,}"
            reason = "; ".join((role.reason, *role.notes))
            rows.append([str(role.name), role.role, n_inputs, reason])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            f"{name:<{widths[0]}}  {role:<{widths[1]}}  {count:>{widths[2]}}  {reason}"
            for name, role, count, reason in rows
        )


class _Found(NamedTuple):
    """Role of a column, and the reason to drop it or None."""

    role: ColumnRole
    reason_to_drop: str | None = None
    is_constant: bool = False


def find_roles(
    X: Any, *, numbers_in_text: bool = True, min_frequency: int = 2
) -> list[ColumnRole]:
    """Infer the role of each column of a table.

    - A column of dates, times of day or durations is a date. So is a column of text if
      ``find_format`` finds a layout that fits all values that are not missing.
    - A column of numbers or booleans is a number. So is a column of text if all values
      are numbers or missing and none has leading zeros.
    - Other columns are categories if they have a categorical dtype, contain values
      other than text, have fewer than 20 distinct values, or if at least half of the
      rows have a value that repeats.
    - The remaining columns are text, which rarely repeats.
    - Constant columns, those without values, and identifiers according to
      ``identifier_reason`` are dropped unless no column would be left.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        The table.
    numbers_in_text : bool, default=True
        Whether a column of text that contains only numbers is a number.
    min_frequency : int, default=2
        Minimum number of rows for a category to have its own input.

    Returns
    -------
    list of ColumnRole
        One for each column. The keys of ``inputs`` are the parts that encode the
        column, among "numbers", "categories", "targets", "dates" and "text"; the values
        are None.

    Raises
    ------
    ValueError
        If a column holds infinity, complex numbers, lists, records, or dates among
        other values, if all columns are dates that do not vary, or if the table is
        sparse or has no columns.

    Warns
    -----
    UserWarning
        If most values of a column that is not a number are numbers or look like
        numbers, such as "62%" and "1,234.56", if most values of another column of text
        are dates of one layout, or if the order of day and month is ambiguous.
    """
    found = []
    for name, column in table_columns(X):
        # Lists of equal length, for example, have two dimensions.
        format = find_format(column) if np.ndim(column) == 1 else None
        if format is not None:
            found.append(_find_date(name, column, format))
        elif is_numeric(name, column):
            found.append(_find_number(name, column, is_text=False))
        elif numbers_in_text and is_numeric_text(name, column):
            found.append(_find_number(name, column, is_text=True))
        else:
            found.append(_find_category(name, column, min_frequency))
            if not is_categorical_dtype(column):
                _warn_about_text(name, column, numbers_in_text, found[-1].role.role)
    return _drop(found)


def _find_date(name: Any, column: Any, format: DateFormat) -> _Found:
    if format.note:
        warn_user(f"column {name!r} holds {format.kind}: {format.note}")
    layout = f" ({format.layout})" if format.layout else ""
    notes = (format.note,) if format.note else ()
    role = ColumnRole(name, "date", format.kind + layout, notes, {"dates": None})
    if holds_nothing(column):
        return _Found(role, "without values", is_constant=True)
    if len(set(np.asarray(column).tolist())) == 1:
        return _Found(role, "constant", is_constant=True)
    return _Found(role)


def _find_number(name: Any, column: Any, *, is_text: bool) -> _Found:
    values, types = column_values(name, column)
    floats = to_floats(name, values, is_text=is_text)  # Raises an error for infinity.
    present = floats[~np.isnan(floats)]
    kind = "numbers"
    if types and all(issubclass(t, (bool, np.bool_)) for t in types):
        kind = "booleans"
    elif is_text:
        kind = "text of numbers"
    role = ColumnRole(name, "number", kind, inputs={"numbers": None})
    if not len(present):
        return _Found(role, "without values", is_constant=True)
    if present.min() == present.max():
        # A column with one value and missing values is not constant.
        is_constant = len(present) == len(floats)
        return _Found(role, "constant" if is_constant else None, is_constant)
    reason = None
    if len(present) == len(floats) and _are_integers(values, types):
        distinct = {str(to_category(value)) for value in values}
        reason = identifier_reason(name, distinct, len(present))
    return _Found(role, reason)


def _are_integers(values: NDArray[Any], types: set[type]) -> bool:
    """Return whether all values are integers, or text of digits."""
    texts = (str, bytes)
    if not all(issubclass(t, (int, np.integer, *texts)) for t in types):
        return False
    has_text = any(issubclass(t, texts) for t in types)
    return not has_text or all(str(to_category(v)).isdecimal() for v in values)


def _find_category(name: Any, column: Any, min_frequency: int) -> _Found:
    values, _ = column_values(name, column)
    counts: Counter[Any] = Counter(map(to_category, values))
    n_missing = counts.pop(None, 0)
    n_present = counts.total()
    is_text = not is_categorical_dtype(column) and all(
        isinstance(value, str | bytes) or is_missing(value) for value in values
    )
    is_rich = is_text and len(counts) >= MIN_TEXT_VALUES
    n_repeated = sum(count for count in counts.values() if count > 1)
    kind = "text" if is_text else "categories"
    if is_rich and 2 * n_repeated < n_present:
        reason = f"text, {len(counts)} different values in {n_present} rows"
        role = ColumnRole(name, "text", reason, inputs={"text": None})
    else:
        parts = ["categories"]
        if _is_high(counts, min_frequency):
            parts.append("targets")
        if is_rich and _covered(counts, min_frequency) < MIN_COVERED * n_present:
            parts.append("text")
        reason = f"{kind} with {_count(len(counts), 'distinct value')}"
        role = ColumnRole(name, "category", reason, inputs=dict.fromkeys(parts))
    if len(counts) + bool(n_missing) < 2:
        reason = "constant" if counts else "without values"
        return _Found(role, reason, is_constant=True)
    if is_text:
        return _Found(role, identifier_reason(name, counts, n_present))
    return _Found(role)


def _own_inputs(counts: Counter[Any], min_frequency: int) -> list[int]:
    """Number of rows of each category that has its own one-hot input."""
    frequent = [n for _, n in counts.most_common() if n >= min_frequency]
    is_complete = len(frequent) == len(counts) <= MAX_CATEGORIES
    return frequent if is_complete else frequent[: MAX_CATEGORIES - 1]


def _is_high(counts: Counter[Any], min_frequency: int) -> bool:
    """Return whether some frequent categories have no input of their own."""
    n_frequent = sum(n >= min_frequency for n in counts.values())
    return n_frequent > len(_own_inputs(counts, min_frequency))


def _covered(counts: Counter[Any], min_frequency: int) -> int:
    """Number of rows whose category has its own input."""
    return sum(_own_inputs(counts, min_frequency))


def _drop(found: list[_Found]) -> list[ColumnRole]:
    """Drop columns, but keep at least one, if possible one that varies.

    A network needs an input.
    """
    roles = []
    if all(one.is_constant and one.role.role == "date" for one in found):
        raise ValueError(
            "a table must have a column that varies, got only constant dates or none: "
            f"{_shown(one.role.name for one in found)}."
        )
    is_left = any(one.reason_to_drop is None for one in found)
    is_varied = not all(one.is_constant for one in found)
    for role, reason, is_constant in found:
        if reason is None:
            roles.append(role)
        elif is_left or (is_varied and is_constant):
            roles.append(ColumnRole(role.name, "dropped", reason, inputs={}))
        else:
            note = f"{reason}, but kept: no other column is left"
            roles.append(role._replace(notes=(*role.notes, note)))
    return roles


def _warn_about_text(name: Any, column: Any, numbers_in_text: bool, role: str) -> None:
    """Warn about the values that keep a column from being numbers or dates."""
    kind = "text" if role == "text" else "categorical"
    others = in_the_way(column_values(name, column)[0]) if numbers_in_text else []
    if others:
        warn_user(
            f"column {name!r} is treated as {kind}, although most of its values are "
            "numbers or look like numbers. These values can't be read as numbers: "
            f"{_shown(others)}. If the column is numeric, convert them to plain "
            "numbers such as 1234.5, or to missing values. If it is categorical, "
            "convert it with astype('category'), or pass numbers_in_text=False to "
            "leave text of numbers as it is."
        )
        return
    others = unreadable_dates(column)
    if others:
        warn_user(
            f"column {name!r} is treated as {kind}, although most of its values are "
            "dates, times of day or durations. These values can't be read like the "
            f"others: {_shown(others)}. Convert them to the layout of the others, or "
            "to missing values. If the column is categorical, convert it with "
            "astype('category')."
        )


def _shown(values: Iterable[Any]) -> str:
    values = list(map(str, values))
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(map(repr, values[:3])) + more


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)
