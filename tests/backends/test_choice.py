"""Choosing a backend: by a function, a context, the environment, or not at all."""

import pickle
import threading

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier, set_backend
from skscratch.backends import choice
from skscratch.backends.__main__ import main
from skscratch.backends.choice import BACKENDS, requested_backend

needs_numba = pytest.mark.skipif(
    not choice.is_installed(), reason="The extra 'fast' is not installed."
)
unconverged = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv(choice.VARIABLE, raising=False)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(choice, "is_installed", lambda: True)


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setattr(choice, "is_installed", lambda: False)


@pytest.mark.usefixtures("installed")
def test_contexts_nest_and_a_call_holds_until_the_next():
    assert requested_backend() == "auto"
    with set_backend("compiled"):
        with set_backend("numpy"):
            assert requested_backend() == "numpy"
        assert requested_backend() == "compiled"
    assert requested_backend() == "auto"
    with set_backend("auto"):
        set_backend("numpy")
        assert requested_backend() == "numpy"
        set_backend("compiled")
        assert requested_backend() == "compiled"
    assert requested_backend() == "auto"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_environment_decides_unless_there_is_a_call(backend, monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, backend)
    assert requested_backend() == backend
    with set_backend("numpy"):
        assert requested_backend() == "numpy"


def test_names_that_are_not_known_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"backend must be one of .*, got 'jax'"):
        set_backend("jax")
    assert requested_backend() == "auto"
    monkeypatch.setenv(choice.VARIABLE, "fast")
    with pytest.raises(ValueError, match="variable SKSCRATCH_BACKEND must be one of"):
        ScratchMLPClassifier().fit(*load_iris(return_X_y=True))


@pytest.mark.usefixtures("missing")
def test_kernels_that_are_not_installed(monkeypatch):
    with pytest.raises(ImportError, match=r"pip install 'skscratch\[fast\]'"):
        set_backend("compiled")
    assert requested_backend() == "auto"
    monkeypatch.setenv(choice.VARIABLE, "compiled")
    with pytest.raises(ImportError, match=r"SKSCRATCH_BACKEND='compiled' needs Numba"):
        ScratchMLPClassifier().fit(*load_iris(return_X_y=True))


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [("0.60.0", False), ("0.61.0", True), ("1.0", True), ("", False), ("?", False)],
)
def test_numba_must_be_recent(version, is_enough, monkeypatch):
    monkeypatch.setattr(choice, "version", lambda name: version)
    assert choice.is_installed.__wrapped__() == is_enough


def test_numba_may_be_missing(monkeypatch):
    def version(name):
        raise choice.PackageNotFoundError(name)

    monkeypatch.setattr(choice, "version", version)
    assert not choice.is_installed.__wrapped__()


@pytest.mark.usefixtures("installed")
def test_another_thread_makes_its_own_choice():
    seen = []
    with set_backend("compiled"):
        thread = threading.Thread(target=lambda: seen.append(requested_backend()))
        thread.start()
        thread.join()
    assert seen == ["auto"]


@pytest.mark.usefixtures("installed")
def test_clones_carry_the_choice_while_it_holds():
    pipeline = make_pipeline(StandardScaler(), ScratchMLPClassifier())
    with set_backend("compiled"):
        cloned = clone(pipeline)
        again = pickle.loads(pickle.dumps(cloned))
    for copy in (cloned, again):
        carried = vars(copy[-1])["_backend"]
        assert carried.backend == "compiled"
    assert requested_backend(vars(cloned[-1])["_backend"]) == "auto"
    assert "_backend" not in vars(pickle.loads(pickle.dumps(cloned[-1])))
    # In another process it still holds, and in a clone made there.
    elsewhere = vars(clone(again)[-1])["_backend"]
    assert requested_backend(elsewhere) == "compiled"
    with set_backend("numpy"):
        assert requested_backend(elsewhere) == "numpy"
    assert "_backend" not in vars(clone(pipeline)[-1])


def backend_used(estimator, X, y=None):
    """Score: 1 where compiled kernels have trained."""
    return float(estimator._training.backend == "compiled")


@needs_numba
@unconverged
@pytest.mark.parametrize("joblib_backend", ["loky", "threading"])
@pytest.mark.parametrize("backend", ["numpy", "compiled"])
def test_candidates_of_a_search_use_the_choice(backend, joblib_backend):
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        ScratchMLPClassifier((4,), max_iter=2),
        {"alpha": np.logspace(-4, 0, 6)},
        scoring=backend_used,
        cv=3,
        n_jobs=2,
    )
    with set_backend(backend), parallel_config(joblib_backend):
        search.fit(X, y)
    assert set(search.cv_results_["mean_test_score"]) == {float(backend == "compiled")}


# Compiling ahead of time


@needs_numba
def test_kernels_can_be_compiled_ahead_of_time(capsys):
    assert main() == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("float32: ready after")
    assert second.startswith("float64: ready after")
    assert last.startswith("They are kept in ")


def test_without_numba_there_is_nothing_to_compile(monkeypatch, capsys):
    monkeypatch.setattr("skscratch.backends.__main__.is_installed", lambda: False)
    assert main() == 1
    assert "pip install 'skscratch[fast]'" in capsys.readouterr().out


def test_kernels_that_do_not_work_are_no_success(monkeypatch, capsys):
    monkeypatch.setattr("skscratch.backends.__main__.is_installed", lambda: True)
    monkeypatch.setattr("skscratch.backends.__main__.load_kernels", lambda dtype: None)
    assert main() == 1
    assert not capsys.readouterr().out
