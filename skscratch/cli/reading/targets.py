"""The target: class labels or numbers, and the rows that can be used.

Only empty cells are missing in the target, so that a class may be named "NA". Spaces
around a label don't count.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names
from skscratch.cli.reading.cells import (
    MISSING_WORDS,
    ColumnProfile,
    to_numbers,
)
from skscratch.cli.reading.separators import separator_hint
from skscratch.cli.reading.sources import Source
from skscratch.tabular.date_values import find_format

TASKS = ("classification", "regression")
EMPTY = frozenset({""})
# Number of different values up to which they are counted.
MAX_VALUES = 100_000
# Squares of larger numbers overflow.
LARGEST_NUMBER = 1e150


def check_target_name(source: Source, target: str) -> None:
    """Raise an ``InputError`` unless exactly one column is the target."""
    header = source.header
    if target in source.repeated:
        raise InputError(
            f"{source.name!r} has {source.repeated[target]} columns {target!r}: "
            "only one can be the target"
        )
    if target not in header:
        if source.separator and (hint := separator_hint(header)):
            raise InputError(f"{source.name!r} has no column {target!r}: {hint}")
        lowered = {name.lower(): name for name in header}
        near = difflib.get_close_matches(target.lower(), lowered, n=1)
        hint = f"did you mean {lowered[near[0]]!r}? " if near else ""
        raise InputError(
            f"{source.name!r} has no column {target!r}: {hint}its columns are "
            f"{format_names(header)}"
        )


class TargetProfile:
    """What the cells of the target are, collected over the pieces of a file.

    Parameters
    ----------
    name : str
        Name of the column.
    decimals : str
        Decimal separators that are possible.

    Attributes
    ----------
    cells : ColumnProfile
        What the stripped cells are, where words such as "NA" count as missing.
    values : Counter
        Different cells, and how many there are of each.
    """

    def __init__(self, name: str, decimals: str) -> None:
        self.name = name
        self.cells = ColumnProfile(decimals)
        self.values: Counter[str] = Counter()
        self._written: dict[str, set[str]] = {}

    def add(self, texts: list[str]) -> None:
        """Take further cells into account."""
        stripped = [text.strip() for text in texts]
        self.cells.add(stripped)
        if len(self.values) < MAX_VALUES:
            self.values.update(stripped)
        for text in set(texts):
            if text != text.strip():
                self._written.setdefault(text.strip(), set()).add(text)

    @property
    def words(self) -> list[str]:
        """Words such as "NA", which may be classes."""
        return sorted(self.cells.missing.keys() - EMPTY)

    def stripping_notes(self) -> list[str]:
        """Notes on labels that differ by spaces only."""
        merged = [
            (text, written)
            for text, written in self._written.items()
            if text and len(written) + (text in self.values) > 1
        ]
        return [
            f"{self.name!r}: {' and '.join(map(repr, sorted({text, *written})))} are "
            "taken as one class"
            for text, written in merged[:3]
        ]

    def case_notes(self) -> list[str]:
        """Notes on classes that differ only in upper and lower case."""
        alike: dict[str, list[str]] = {}
        for text, _ in self.values.most_common():
            alike.setdefault(text.casefold(), []).append(text)
        groups = [texts for texts in alike.values() if len(texts) > 1]
        return [
            f"{' and '.join(map(repr, texts))} are "
            f"{'two' if len(texts) == 2 else len(texts)} classes of {self.name!r}: "
            "write them alike if they are one"
            for texts in groups[:3]
        ]


class TargetPlan:
    """What the target is taken for: the task, and how its cells are read.

    Parameters
    ----------
    profile : TargetProfile
        What the cells are.
    decimal : str
        The decimal separator.
    task : {'classification', 'regression'} or None
        The task; None decides.

    Attributes
    ----------
    task : str
        "classification" or "regression".
    notes : list of str
        What was assumed, and how to change it.
    """

    def __init__(self, profile: TargetProfile, decimal: str, task: str | None) -> None:
        self._profile, self._decimal = profile, decimal
        self.name = profile.name
        self.notes: list[str] = []
        self._kind = profile.cells.kind(decimal)
        self._format = profile.cells.format(decimal)
        self._missing = EMPTY
        present = {value: n for value, n in profile.values.items() if value}
        if not present:
            raise InputError(f"column {self.name!r} is empty")
        self.task = task or self._decide(present)
        if self.task == "regression":
            self._check_numbers()
        elif profile.words:
            # A class may be called "NA".
            self._kind = "text"
            self.notes.append(
                f"{self.name!r} holds {format_names(profile.words)}: kept as "
                f"{'classes' if len(profile.words) > 1 else 'a class'}; only empty "
                "cells are missing"
            )
        if self.task == "regression" and profile.words:
            self._missing = EMPTY | MISSING_WORDS
            self.notes.append(
                f"{self.name!r}: {format_names(profile.words)} read as missing"
            )

    @property
    def has_words(self) -> bool:
        """Whether the target has classes of text."""
        return self.task == "classification" and self._kind == "text"

    def _decide(self, present: dict[str, int]) -> str:
        """Choose the task by the values, see ``are_classes``."""
        if self._kind not in ("integer", "number"):
            return "classification"
        numbers = [value for value in present if value not in MISSING_WORDS]
        values = to_numbers(numbers, self._decimal, format=self._format)
        if np.any(values[np.isfinite(values)] % 1 != 0):
            return "regression"
        counts: Counter[float] = Counter()
        for number, value in zip(values.tolist(), numbers, strict=True):
            counts[number] += present[value]
        is_classification = are_classes(list(counts.values()))
        if len(counts) > 2:
            taken, other, others = (
                ("classes", "regression", "amounts")
                if is_classification
                else ("amounts", "classification", "classes")
            )
            found = (
                f"{len(counts):,}"
                if len(present) < MAX_VALUES
                else f"over {MAX_VALUES:,}"
            )
            self.notes.append(
                f"{self.name!r} holds {found} different integers: taken as {taken}; "
                f"--task {other} takes them as {others}"
            )
        return "classification" if is_classification else "regression"

    def _check_numbers(self) -> None:
        cells = self._profile.cells
        if self._kind in ("integer", "number") or cells.holds_numbers(self._decimal):
            return
        shown = next(iter(cells.words), None) or next(iter(self._profile.values))
        raise InputError(
            f"column {self.name!r} must hold numbers for regression, got {shown!r}: "
            "correct or empty such cells, or choose --task classification"
        )

    def read(self, texts: list[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the values of cells, and which cells have one."""
        stripped = [text.strip() for text in texts]
        known = np.array([text not in self._missing for text in stripped], dtype=bool)
        if self.has_words:
            shared = {text: text for text in stripped}
            return np.array([shared[t] for t in stripped], dtype=object), known
        if self._kind == "boolean":
            return np.array([t.lower() == "true" for t in stripped], dtype=bool), known
        if self._kind == "integer":
            return np.array(list(map(int, stripped)), dtype=np.int64), known
        return to_numbers(stripped, self._decimal, format=self._format), known

    def labels(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert the values of all rows, none of which is missing, to targets."""
        if self.task == "regression":
            return self._amounts(values)
        if values.dtype == object:
            labels = values.astype(str)
        elif values.dtype.kind == "f":
            labels = self._class_numbers(values)
        else:
            labels = values
        n_classes = len(np.unique(labels))
        if n_classes > max(20, len(labels) // 5):
            raise InputError(self._too_many(n_classes, len(labels)))
        return labels

    def _too_many(self, n_classes: int, n_rows: int) -> str:
        message = (
            f"{self.name!r} has {n_classes:,} different values in "
            f"{format_count(n_rows, 'row')}, too many to be classes"
        )
        if self._kind in ("integer", "number"):
            return f"{message}; --task regression takes them as amounts"
        words = np.array([value for value in self._profile.values if value], object)
        return f"{message}; dates can't be predicted" if find_format(words) else message

    def _class_numbers(self, values: NDArray[np.float64]) -> NDArray[Any]:
        if np.isinf(values).any():
            raise InputError(f"column {self.name!r} is not a class label: it holds inf")
        if np.all(values % 1 == 0) and np.all(np.abs(values) <= 2**53):
            return values.astype(np.int64)
        # scikit-learn takes fractions for amounts, but not their text.
        return values.astype(str)

    def _amounts(self, values: NDArray[Any]) -> NDArray[np.float64]:
        amounts = values.astype(np.float64)
        largest = np.max(np.abs(amounts))
        if largest > LARGEST_NUMBER:
            raise InputError(
                f"column {self.name!r} holds a number too large to work with: {largest}"
            )
        if np.min(amounts) == np.max(amounts):
            raise InputError(
                f"column {self.name!r} must vary, but is {amounts[0]:g} in each row"
            )
        return amounts


def are_classes(counts: Sequence[int]) -> bool:
    """Decide whether integers are class labels, by the number of rows of each.

    They are if there are at most two; or at most ten, and at most half as many as rows;
    or at most twenty, each of which at least ten rows have. Counts of things have rare
    large values, class labels seldom.

    Parameters
    ----------
    counts : sequence of int
        Number of rows of each different integer.

    Returns
    -------
    bool
    """
    n_values = len(counts)
    return (
        n_values <= 2
        or (n_values <= 10 and 2 * n_values <= sum(counts))
        or (n_values <= 20 and min(counts) >= 10)
    )


def usable_rows(
    labels: NDArray[Any], task: str, target: str, notes: list[str]
) -> NDArray[np.bool_]:
    """Return which rows can be used; classes of a single row can't."""
    if task == "regression":
        return np.ones(len(labels), dtype=bool)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) > 1 and np.min(counts) == 1:
        # A single row can't be both in the training and in the test data.
        single = classes[counts == 1]
        notes.append(
            f"dropped {format_count(len(single), 'class')} with a single row: "
            + format_names(single.tolist())
        )
    if np.sum(counts > 1) < 2:
        shown = classes[counts > 1] if len(classes) > 1 else classes
        if len(shown):
            more = "" if len(classes) == 1 else " in more than one row"
            raise InputError(
                f"{target!r} holds only the value {shown.tolist()[0]!r}{more}, so "
                "there is nothing to predict"
            )
        raise InputError(
            f"{target!r} has a different value in each row, so there are no classes to "
            "predict"
        )
    return counts[codes] > 1
