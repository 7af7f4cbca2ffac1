"""Hypothesis profiles: the same examples every time in CI, new ones at a desk.

And a fixture of what goes wrong in the middle of a training.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from skscratch import Network

# So that a failed assertion in a helper shows what was compared.
for _helper in ("estimator_strategies", "refusals", "runs", "strategies"):
    pytest.register_assert_rewrite(_helper)

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture
def fail_at(monkeypatch):
    """Let the n-th cost of a training fail, or come to some value.

    Of a stack, that of the network ``where``. NumPy trains: compiled steps are not
    taken one by one.
    """
    monkeypatch.setenv("SKSCRATCH_BACKEND", "numpy")
    honest = Network.cost_and_gradients

    def failing_at(n, failure, where=...):
        calls = []

        def cost_and_gradients(network, *args, **kwargs):
            calls.append(None)
            if len(calls) == n and isinstance(failure, BaseException):
                raise failure
            cost = honest(network, *args, **kwargs)
            if len(calls) == n:
                cost, network.gradients[where] = np.array(cost), failure
                cost[where] = failure
            return cost

        monkeypatch.setattr(Network, "cost_and_gradients", cost_and_gradients)

    return failing_at


@pytest.fixture
def numpy_trains(monkeypatch):
    """NumPy's steps, for tests that look into them, whatever is chosen for others."""
    monkeypatch.setenv("SKSCRATCH_BACKEND", "numpy")
