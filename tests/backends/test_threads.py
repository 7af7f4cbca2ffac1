"""The number of threads of BLAS: of SciPy's own while L-BFGS runs, and others."""

import threading
from pathlib import Path

import numpy as np
import pytest
import scipy
from threadpoolctl import threadpool_info, threadpool_limits

from skscratch import Network
from skscratch.backends.threads import blas_in, one_scipy_thread, set_threads
from skscratch.training.lbfgs import minimize_lbfgs

SCIPY = str(Path(scipy.__file__).resolve().parent)


def counts():
    """Threads of each pool, by the path of its library."""
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def limited(before):
    """What ``counts`` should be while SciPy has one thread."""
    return {
        path: 1 if str(Path(path).resolve()).startswith(SCIPY) else n
        for path, n in before.items()
    }


def test_scipy_has_one_thread_and_gets_the_others_back():
    before = counts()
    with one_scipy_thread():
        assert counts() == limited(before)
        with one_scipy_thread():
            assert counts() == limited(before)
        assert counts() == limited(before)
    assert counts() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_threads_come_back_after_an_error(error):
    before = counts()
    with pytest.raises(error), one_scipy_thread():
        raise error
    assert counts() == before


@pytest.mark.parametrize("first_to_leave", ["first", "second"])
def test_users_that_overlap_give_the_threads_back(first_to_leave):
    """In whatever order they leave."""
    before = counts()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_scipy_thread():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with one_scipy_thread():
        thread.start()
        entered.wait()
        if first_to_leave == "second":
            leave.set()
            thread.join()
            assert counts() == limited(before)
    leave.set()
    thread.join()
    assert counts() == before


def test_a_limit_of_the_callers_stands():
    """Also where the caller's ends before ours, in another thread."""
    before = counts()
    entered, leave = threading.Event(), threading.Event()

    def ours():
        with one_scipy_thread():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=ours)
    with threadpool_limits(1, user_api="blas"):
        thread.start()
        entered.wait()
    leave.set()
    thread.join()
    assert counts() == before


def test_lbfgs_limits_scipy_and_nothing_else():
    before, during = counts(), []
    random = np.random.RandomState(0)
    X, Y = random.standard_normal((30, 3)), np.arange(30)[:, np.newaxis] % 2 == 0
    network = Network.glorot([3, 4, 1], loss="binary_log_loss", random_state=0)
    options = {"alpha": 0.1, "tol": 1e-4, "max_iter": 5, "max_fun": 50}
    minimize_lbfgs(network, X, Y, report=lambda _: during.append(counts()), **options)
    assert during
    assert all(seen == limited(before) for seen in during)
    assert counts() == before


def numpys_threads():
    paths = {pool["filepath"] for pool in blas_in(np).info()}
    return {p["num_threads"] for p in threadpool_info() if p["filepath"] in paths}


def test_the_number_of_threads_is_set_and_restored():
    before = numpys_threads()
    with set_threads(np, 1):
        assert numpys_threads() <= {1}
        # Another context in this process changes nothing meanwhile.
        other = threading.Thread(target=lambda: set_threads(np, 2).__enter__())
        other.start()
        other.join()
        assert numpys_threads() <= {1}
    assert numpys_threads() == before
