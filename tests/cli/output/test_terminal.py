"""Terminal: lines that fit, the status line, and the progress bar."""

import io
import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skscratch.cli.output.terminal import (
    Progress,
    align,
    format_duration,
    format_time_left,
    heading,
    shorten,
    wrap,
)


def test_columns_are_aligned():
    lines = align([("", "a"), ("long name", "1.25"), ("x", "10")]).split("\n")
    assert lines == ["                a", "  long name  1.25", "  x            10"]


cells = st.text("ab1", max_size=8)


@given(data=st.data(), n_columns=st.integers(2, 6), width=st.integers(24, 60))
def test_a_wide_table_is_divided_into_blocks(data, n_columns, width):
    rows = data.draw(
        st.lists(
            st.lists(cells, min_size=n_columns, max_size=n_columns),
            min_size=1,
            max_size=4,
        )
    )
    text = align(rows, width)
    assert max(map(len, text.split("\n"))) <= width
    blocks = [block.split("\n") for block in text.split("\n\n")]
    assert {len(block) for block in blocks} == {len(rows)}
    for index, row in enumerate(rows):
        found = "".join(
            block[index][2 + max(len(r[0]) for r in rows) :] for block in blocks
        )
        assert found.split() == " ".join(row[1:]).split()
    if len(align(rows).split("\n")[0]) <= width:
        assert len(blocks) == 1


@given(st.text("ab ", max_size=200), st.integers(20, 80), st.integers(0, 4))
def test_wrapped_text_fits_the_width(text, width, indent):
    lines = wrap(text, width, indent).split("\n")
    if max(map(len, text.split()), default=0) <= width - indent - 2:
        assert max(map(len, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_long_heading_is_cut():
    assert heading("abc") == "\nabc\n---"
    assert heading("a" * 50, 20) == "\n" + "a" * 19 + "…\n" + "-" * 20
    assert shorten("a\nb\tc", 9) == "a b c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.4, "3 s"),
        (59.6, "1 min"),
        (150, "2 min"),
        (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_rounded(seconds, text):
    assert format_duration(seconds) == text
    assert format_time_left(seconds) == f"about {text} left"
    assert format_time_left(-1) == "almost done"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("with_rich", [False, True])
def test_a_terminal_shows_a_status_line_below_the_output(monkeypatch, with_rich):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not with_rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    with Progress() as progress:
        progress.set_status("fold 1 of 2")
        progress.write("short")
        progress.write("fold 1: [bold] :+1: " + "long " * 20)
        progress.set_status("fold 2 of 2")
    written = terminal.getvalue()
    assert "fold 1: [bold] :+1: " + "long " * 20 in written
    assert "fold 2 of 2" in written
    assert "\x1b[2Kshort\n" in written or f"\r{'short':59}\n" in written
    last = re.split(r"\r|\x1b\[2K", written)[-1]
    assert last.strip() == ""


def use_terminal(monkeypatch):
    """Replace standard output by a terminal of 60 columns."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return terminal


def test_text_fits_the_terminal(monkeypatch):
    use_terminal(monkeypatch)
    assert Progress().width == 59
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert Progress().width == 79


@pytest.mark.parametrize(("seconds", "shown"), [(8, False), (None, False), (70, True)])
def test_a_bar_shows_the_time_left_of_long_work(monkeypatch, seconds, shown):
    terminal = use_terminal(monkeypatch)
    with Progress() as progress:
        progress.set_status("fold 1 of 2: " + "long name " * 9)
        progress.set_time_left(seconds, 0.3)
        time.sleep(0.3)  # The line is drawn ten times a second.
        progress.set_status("fold 2 of 2")
        progress.set_time_left(seconds and 5, 0.5)
    written = terminal.getvalue()
    assert ("about 1 min left" in written) == shown
    assert ("about 5 s left" in written) == shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert max(map(len, re.split(r"[\r\n]", plain))) <= 60


@pytest.mark.parametrize(
    ("verbosity", "written"),
    [("all", "text\nresult\n"), ("results", "result\n"), ("none", "")],
)
def test_less_is_written_if_the_user_wants_less(capsys, verbosity, written):
    with Progress(verbosity) as progress:
        progress.set_status("status")
        progress.write("text")
        progress.write_result("result")
    assert capsys.readouterr().out == written


@pytest.mark.parametrize("verbosity", ["results", "none"])
def test_a_quiet_terminal_has_no_status_line(monkeypatch, verbosity):
    terminal = use_terminal(monkeypatch)
    with Progress(verbosity) as progress:
        progress.set_status("status")
        progress.set_time_left(100, 0.5)
        progress.write("text")
    assert terminal.getvalue() == ""
