"""What each column of a table is taken for, in a line for each."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from skscratch.cli.output.terminal import format_count, shorten, wrap
from skscratch.tabular.roles import ColumnRole, find_roles

# With more columns, those of the most frequent role are only counted.
MAX_LISTED = 40
MAX_EXCEPTIONS = 30
MAX_NAME = 24
PLURALS = {"number": "numbers", "category": "categories", "date": "dates"}


def describe_roles(X: Any) -> tuple[list[ColumnRole], list[str]]:
    """Find the role of each column, and what a user should know about it.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    roles : list of ColumnRole
        The reasons of numbers also tell how many values are distinct, and how many are
        missing.
    notes : list of str
        The warnings of ``find_roles``, without those that a role repeats.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        roles = [_with_counts(role, X) for role in find_roles(X)]
    said = [note for role in roles for note in role.notes]
    notes = []
    for warning in caught:
        message = " ".join(str(warning.message).split())
        if not any(note in message for note in said):
            # The advice that follows is for users of Python.
            notes.append(re.split(r"\.? (?:If the column|Convert them)", message)[0])
    return roles, notes


def _with_counts(role: ColumnRole, X: Any) -> ColumnRole:
    column = X[role.name]
    reason = role.reason
    if role.role in ("number", "date"):
        reason += f", {format_count(column.nunique(), 'distinct value')}"
    n_missing = int(column.isna().sum())
    if n_missing and role.role != "dropped":
        reason += f", {n_missing:,} missing"
    return role._replace(reason=reason)


def without_repeats(notes: Sequence[str], known: Sequence[str]) -> list[str]:
    """Leave out notes on doubtful columns that the reading of the file has named.

    Parameters
    ----------
    notes : list of str
        From ``describe_roles``.
    known : list of str
        Notes on the file, such as "'size' is text because ...".

    Returns
    -------
    list of str
    """
    named = {note.partition(" is text because ")[0] for note in known}
    return [
        note
        for note in notes
        if note.removeprefix("column ").partition(" is treated as ")[0] not in named
    ]


def format_roles(roles: Sequence[ColumnRole], width: int) -> str:
    """Format a line for each column, or a summary of very many.

    Parameters
    ----------
    roles : list of ColumnRole
    width : int
        Number of characters of a line.

    Returns
    -------
    str
    """
    if len(roles) <= MAX_LISTED:
        return "\n".join(_role_lines(roles, width))
    counts = Counter(role.role for role in roles)
    usual = counts.most_common(1)[0][0]
    counted = ", ".join(
        f"{number:,} {PLURALS.get(role, role)}" for role, number in counts.most_common()
    )
    lines = [wrap(f"{len(roles):,} columns: {counted}", width, 2)]
    others = [role for role in roles if role.role != usual or role.notes]
    lines += _role_lines(others[:MAX_EXCEPTIONS], width)
    if len(others) > MAX_EXCEPTIONS:
        lines.append(f"  and {len(others) - MAX_EXCEPTIONS} more")
    return "\n".join(lines)


def _role_lines(roles: Sequence[ColumnRole], width: int) -> list[str]:
    if not roles:
        return []
    names = [shorten(str(role.name), MAX_NAME) for role in roles]
    name_width = max(map(len, names))
    role_width = max(len(role.role) for role in roles)
    lines = []
    for name, role in zip(names, roles, strict=True):
        start = f"  {name:{name_width}}  {role.role:{role_width}}  "
        reason = wrap("; ".join((role.reason, *role.notes)), width - len(start))
        lines += (start + reason).replace("\n", "\n" + " " * len(start)).split("\n")
    return lines
