"""Recognition of columns that identify rows, such as row numbers and hashes.

Nothing can be learned from them that holds for other rows. A column is taken for one
only on strong evidence, because a useful column that is dropped costs more than a
useless one that is kept.
"""

import re
from collections.abc import Collection
from typing import Any

__all__ = ["identifier_reason"]

# Number of rows from which on it is no accident that all values differ.
MIN_ROWS = 20
# Share of distinct values among those that are present.
MIN_DISTINCT = 0.95
# First or last word of a name, and whole names, in lower case.
ID_WORDS = frozenset({"id", "uid", "uuid", "guid"})
ID_NAMES = frozenset({"index", "row", "rownum", "row num", "row number", "row index"})
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
UNNAMED = re.compile(r"unnamed: ?\d+")
UUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)
# Hexadecimal digits of hashes, of which none is a plain number.
HASH = re.compile(r"(0x)?(?=.*[a-f])(?=.*\d)[0-9a-f]{16,}", re.IGNORECASE)
INTEGER = re.compile(r"[+-]?\d+")


def identifier_reason(name: Any, values: Collection[str], n_rows: int) -> str | None:
    """Tell why a column is taken for an identifier of rows, if it is.

    It must have at least 20 rows, and at least 95 % of its values must differ. Then it
    is one if all values are UUIDs or hashes of at least 16 hexadecimal digits. It is
    also one if its name says so, as "id", "customer_id" and "PassengerId" do, or
    "index", "row" and "Unnamed: 0", and its values are integers that all differ, or
    words without spaces.

    Numbers under any other name are never taken for identifiers, even if they count the
    rows: they may be time steps, years or amounts.

    Parameters
    ----------
    name : object
        Name of the column.
    values : collection of str
        Its distinct values. Floats must not be passed.
    n_rows : int
        Number of rows in which a value is present.

    Returns
    -------
    str or None
        The reason, or None if the column is no identifier.
    """
    if n_rows < MIN_ROWS or len(values) < MIN_DISTINCT * n_rows:
        return None
    for pattern, kind in ((UUID, "UUIDs"), (HASH, "hashes")):
        if all(map(pattern.fullmatch, values)):
            return f"identifier: {len(values)} different {kind}"
    if not _is_name_of_identifiers(name):
        return None
    are_integers = all(map(INTEGER.fullmatch, values))
    are_words = not any(len(value.split()) > 1 for value in values)
    if len(values) == n_rows if are_integers else are_words:
        kind = "integers" if are_integers else "codes"
        return f"identifier by its name: {len(values)} different {kind}"
    return None


def _is_name_of_identifiers(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    words = [word.lower() for word in WORD.findall(name)]
    if not words or UNNAMED.fullmatch(name.strip().lower()):
        return bool(words)
    return " ".join(words) in ID_NAMES or bool(ID_WORDS & {words[0], words[-1]})
