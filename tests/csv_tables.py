"""Small CSV tables for the tests of the command line."""

import numpy as np


def make_rows(n_rows=60):
    """Rows of a size that depends on the label, a random color, and the label.

    Some sizes and colors are missing.
    """
    random = np.random.RandomState(0)
    rows = []
    for i in range(n_rows):
        label = "no" if i % 2 else "yes"
        size = "" if i % 11 == 3 else f"{random.normal(2 * (i % 2)):.3f}"
        color = "" if i % 7 == 5 else str(random.choice(["red", "blue, dark"]))
        rows.append((size, color, label))
    return rows


def to_csv(rows, header="size,color,label", separator=","):
    """A CSV file of rows."""

    def quoted(field):
        return f'"{field}"' if separator in field else field

    lines = [header.split(","), *rows]
    return "".join(separator.join(map(quoted, line)) + "\n" for line in lines)


def with_column(values, header="size,color,label,more"):
    """A CSV file of as many rows as there are values of the column "more"."""
    rows = make_rows(len(values))
    return to_csv(
        [(*row, value) for row, value in zip(rows, values, strict=True)], header
    )
