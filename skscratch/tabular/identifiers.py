"""Recognition of columns that identify rows, such as row numbers and hashes.

Identifiers teach nothing that generalizes to other rows. A column is treated as an
identifier only on strong evidence: dropping a useful column costs more than keeping a
useless one.
"""

import re
from collections.abc import Collection
from typing import Any

__all__ = ["identifier_reason"]

# Minimum number of rows for distinct values to be evidence.
MIN_ROWS = 20
# Minimum share of distinct values among those present.
MIN_DISTINCT = 0.95
# First or last word of a name, and whole names, in lowercase.
ID_WORDS = frozenset({"id", "uid", "uuid", "guid"})
ID_NAMES = frozenset({"index", "row", "rownum", "row num", "row number", "row index"})
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
UNNAMED = re.compile(r"unnamed: ?\d+")
UUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)
# Hexadecimal hashes; digits alone are a number.
HASH = re.compile(r"(0x)?(?=.*[a-f])(?=.*\d)[0-9a-f]{16,}", re.IGNORECASE)
INTEGER = re.compile(r"[+-]?\d+")


def identifier_reason(name: Any, values: Collection[str], n_rows: int) -> str | None:
    """Return why a column is an identifier of rows, or None if it is not.

    An identifier has at least 20 rows and at least 95 % distinct values. Either all
    values are UUIDs or hashes of at least 16 hexadecimal digits. Or the name says so,
    such as "id", "customer_id", "PassengerId", "index", "row" or "Unnamed: 0", and the
    values are integers that all differ, or words without spaces.

    Numbers under any other name are never identifiers, even if they count the rows:
    they may be time steps, years or amounts.

    Parameters
    ----------
    name : object
        Name of the column.
    values : collection of str
        Distinct values of the column. Floats must not be passed.
    n_rows : int
        Number of rows in which a value is present.

    Returns
    -------
    str or None
        The reason, or None if the column is not an identifier.
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
        return f"identifier, by its name: {len(values)} different {kind}"
    return None


def _is_name_of_identifiers(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    words = [word.lower() for word in WORD.findall(name)]
    if not words or UNNAMED.fullmatch(name.strip().lower()):
        return bool(words)
    return " ".join(words) in ID_NAMES or bool(ID_WORDS & {words[0], words[-1]})
