"""Estimate of the time that a number of fits will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from skscratch.cli.output.terminal import Progress


class TimeLeft:
    """Estimates the time left from the durations of the fits so far.

    Parameters
    ----------
    progress : Progress
        Shows the estimate.
    planned : dict
        Number of fits of each model, by its name.
    n_jobs : int, default=1
        Number of fits at once.
    expected : dict, default=None
        Seconds of a fit that are known before, such as a time limit.
    """

    def __init__(
        self,
        progress: Progress,
        planned: Mapping[str, int],
        n_jobs: int = 1,
        expected: Mapping[str, float] | None = None,
    ) -> None:
        self.progress = progress
        self.left = Counter(planned)
        self.n_jobs = n_jobs
        self.expected = dict(expected or {})
        self.durations: dict[str, list[float]] = {}
        self.started = time.monotonic()
        self.show()

    def add(self, name: str, seconds: float) -> None:
        """Count a fit that took some seconds, and show the time left."""
        self.left[name] -= 1
        self.durations.setdefault(name, []).append(seconds)
        self.show()

    def show(self) -> None:
        """Show the time left, and the share of the work that is done."""
        left = self.seconds()
        elapsed = time.monotonic() - self.started
        share = 0.0 if not left else elapsed / (elapsed + left)
        self.progress.set_time_left(left, 1.0 if left == 0 else share)

    def seconds(self) -> float | None:
        """Estimate the time left; None while it is unknown for a model."""
        total = 0.0
        for name, number in self.left.items():
            durations = self.durations.get(name)
            if number > 0 and durations:
                total += number * sum(durations) / len(durations)
            elif number > 0 and name in self.expected:
                total += number * self.expected[name]
            elif number > 0:
                return None
        return total / self.n_jobs
