"""The lines about columns: roles, reasons, notes, and very wide tables."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skscratch.cli.output.column_report import (
    MAX_EXCEPTIONS,
    MAX_LISTED,
    describe_roles,
    format_roles,
    without_repeats,
)


def make_table():
    n_rows = 40
    return pd.DataFrame(
        {
            "size": [np.nan, *np.arange(n_rows - 1.0) % 9],
            "color": ["red", None, "blue", "green"] * (n_rows // 4),
            "day": [f"2024-01-{1 + i % 28:02}" for i in range(n_rows)],
            "customer_id": [f"c{i}" for i in range(n_rows)],
            "same": ["x"] * n_rows,
            "share": [f"{i}%" for i in range(10)] * (n_rows // 10),
        }
    )


def test_each_column_has_a_line():
    roles, notes = describe_roles(make_table())
    lines = format_roles(roles, 79).split("\n")
    assert lines == [
        "  size         number    numbers, 9 distinct values, 1 missing",
        "  color        category  text with 3 distinct values, 10 missing",
        "  day          date      dates (year-month-day), 28 distinct values",
        "  customer_id  dropped   identifier, by its name: 40 different codes",
        "  same         dropped   constant",
        "  share        category  text with 10 distinct values",
    ]
    (note,) = notes
    assert note.startswith("column 'share' is treated as categorical")
    assert "'0%'" in note
    assert "astype" not in note


def test_warnings_are_notes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert describe_roles(make_table())[1]


def test_what_a_role_says_is_not_repeated_as_a_note():
    table = pd.DataFrame(
        {"day": [f"0{1 + i % 9}/0{1 + i % 7}/2024" for i in range(40)]}
    )
    roles, notes = describe_roles(table)
    assert notes == []
    assert len(roles[0].notes) == 1
    assert roles[0].notes[0][:20] in format_roles(roles, 200)


@pytest.mark.parametrize("width", [59, 79])
def test_lines_fit_the_width(width):
    table = make_table()
    table["a name that is much longer than a line of a terminal, is it not?"] = 1.5
    lines = format_roles(describe_roles(table)[0], width).split("\n")
    assert max(map(len, lines)) <= width
    assert len(lines) >= table.shape[1]


def test_a_name_with_a_line_break_stays_on_its_line():
    table = pd.DataFrame({"a\nb": [1, 2, 3], "c": [1, 2, 3]})
    lines = format_roles(describe_roles(table)[0], 79).split("\n")
    assert len(lines) == 2
    assert lines[0].startswith("  a b  number")


@pytest.mark.parametrize("n_others", [3, MAX_EXCEPTIONS + 4])
def test_a_wide_table_is_summarized_with_its_exceptions(n_others):
    n_numbers = MAX_LISTED + n_others
    table = pd.DataFrame(
        {f"x{i}": np.arange(30.0) % (i + 2) for i in range(n_numbers)}
        | {f"word{i}": ["a", "b", "c"] * 10 for i in range(n_others)}
    )
    first, *lines = format_roles(describe_roles(table)[0], 79).split("\n")
    total = n_numbers + n_others
    assert first == f"  {total} columns: {n_numbers} numbers, {n_others} categories"
    assert [line.split()[0] for line in lines[:3]] == ["word0", "word1", "word2"]
    assert len(lines) == min(n_others, MAX_EXCEPTIONS + 1)
    assert ("and 4 more" in lines[-1]) == (n_others > MAX_EXCEPTIONS)


def test_a_column_that_the_file_was_noted_for_is_not_noted_again():
    notes = [
        "column 'share' is treated as text, although most of its values are numbers",
        "column 'price' is treated as text, although most of its values are numbers",
        "column 'day' holds dates: the day comes first",
    ]
    known = ["'share' is text because of values such as '?': empty these cells"]
    assert without_repeats(notes, known) == notes[1:]
    assert without_repeats(notes, ["'day' is nearly constant"]) == notes
