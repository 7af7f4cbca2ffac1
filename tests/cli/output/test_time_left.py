"""The estimate of the time left."""

import pytest

from skscratch.cli.output.time_left import TimeLeft


class Recorder:
    def __init__(self):
        self.shown = []

    def set_time_left(self, seconds, share=0.0):
        self.shown.append((seconds, share))


def test_the_time_left_is_that_of_the_fits_left():
    recorder = Recorder()
    left = TimeLeft(recorder, {"a": 3, "b": 2})
    assert left.seconds() is None
    left.add("a", 10)
    assert left.seconds() is None
    left.add("b", 1)
    assert left.seconds() == 2 * 10 + 1
    left.add("a", 20)
    assert left.seconds() == 15 + 1
    left.add("b", 1)
    left.add("a", 30)
    assert left.seconds() == 0
    assert [seconds for seconds, _ in recorder.shown] == [None, None, 21, 16, 15, 0]
    assert recorder.shown[-1][1] == 1
    assert all(0 <= share <= 1 for _, share in recorder.shown)


def test_several_processes_share_the_work():
    left = TimeLeft(Recorder(), {"a": 3}, n_jobs=2)
    left.add("a", 10)
    assert left.seconds() == pytest.approx(10)


def test_a_time_limit_is_expected_before_the_first_fit():
    left = TimeLeft(Recorder(), {"a": 3}, expected={"a": 5})
    assert left.seconds() == 15
    left.add("a", 4)
    assert left.seconds() == 8
