"""Choosing a backend: by a function, a context, the environment, or not at all."""

import copy
import importlib.util
import os
import pickle
import threading
from types import SimpleNamespace

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
def test_a_choice_can_be_used_again():
    chosen = set_backend("numpy")
    for _ in range(2):
        with chosen:
            assert requested_backend() == "numpy"
            with chosen:
                assert requested_backend() == "numpy"
            assert requested_backend() == "numpy"
        assert requested_backend() == "auto"


def carried(estimator):
    return requested_backend(vars(estimator).get("_backend"))


def in_another_thread(function, *arguments):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.usefixtures("installed")
def test_clones_carry_the_choice_while_it_holds():
    pipeline = make_pipeline(StandardScaler(), ScratchMLPClassifier())
    with set_backend("compiled"):
        cloned = clone(pipeline)[-1]
        copies = [cloned, copy.deepcopy(cloned), pickle.loads(pickle.dumps(cloned))]
        copies.append(clone(cloned))
        for one in copies:
            assert in_another_thread(carried, one) == "compiled"
        with set_backend("numpy"):
            assert carried(cloned) == "numpy"
            assert in_another_thread(carried, cloned) == "compiled"
    for one in copies:
        assert carried(one) == "auto"
        assert "_backend" not in vars(pickle.loads(pickle.dumps(one)))
        assert "_backend" not in vars(clone(one))
    assert "_backend" not in vars(clone(pipeline)[-1])


@pytest.mark.usefixtures("installed")
def test_a_function_call_ends_the_choice_before_it():
    with set_backend("auto"):
        set_backend("compiled")
        cloned = clone(ScratchMLPClassifier())
        assert in_another_thread(carried, cloned) == "compiled"
        with set_backend("numpy"):
            assert in_another_thread(carried, cloned) == "compiled"
        assert in_another_thread(carried, cloned) == "compiled"
        set_backend("auto")
        assert in_another_thread(carried, cloned) == "auto"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize("dump", [pickle.dumps, copy.deepcopy, clone])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_from_before_a_choice_are_copied_in_it(dump, is_fitted):
    model = ScratchMLPClassifier((3,), max_iter=2, random_state=0)
    if is_fitted:
        model.fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    with set_backend("numpy"):
        assert dump(model) is not None


@pytest.mark.usefixtures("installed")
@unconverged
@pytest.mark.parametrize("n_estimators", [1, 2])
def test_a_fitted_model_is_saved_without_the_choice(n_estimators):
    """A program that loads it may be a child of the one that saved it."""
    model = ScratchMLPClassifier((3,), n_estimators=n_estimators, max_iter=2)
    search = GridSearchCV(model, {"alpha": [0.1]}, cv=2)
    with set_backend("numpy"):
        best = search.fit(*load_iris(return_X_y=True)).best_estimator_
        assert carried(best) == "numpy"
        loaded = pickle.loads(pickle.dumps(search)).best_estimator_
    for one in (loaded, *getattr(loaded, "estimators_", [])):
        assert "_backend" not in vars(one)


def test_numbers_of_a_restarted_program_are_new():
    """In a container, its process may have the same number as before."""
    again = importlib.util.module_from_spec(choice.__spec__)
    choice.__spec__.loader.exec_module(again)
    assert next(again._NUMBERS) > next(choice._NUMBERS)


def test_a_choice_reaches_worker_processes_and_no_other_process():
    here, parent, elsewhere = os.getpid(), os.getppid(), 2**30
    number = next(choice._NUMBERS)  # Never chosen, as after a restart.
    assert not choice.Choice("numpy", here, number).holds
    assert choice.Choice("numpy", parent, number).holds
    assert not choice.Choice("numpy", elsewhere, number).holds


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


@needs_numba
def test_a_cache_that_is_not_written_is_no_success(monkeypatch, tmp_path, capsys):
    stats = SimpleNamespace(cache_path=str(tmp_path))
    steps = SimpleNamespace(train_batches=SimpleNamespace(stats=stats))
    monkeypatch.setattr("skscratch.backends.__main__.load_kernels", lambda dtype: steps)
    assert main() == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith(f"They can't be written to {tmp_path}: set NUMBA_CACHE_DIR")


def test_without_numba_there_is_nothing_to_compile(monkeypatch, capsys):
    monkeypatch.setattr("skscratch.backends.__main__.is_installed", lambda: False)
    assert main() == 1
    assert "pip install 'skscratch[fast]'" in capsys.readouterr().out


def test_kernels_that_do_not_work_are_no_success(monkeypatch, capsys):
    monkeypatch.setattr("skscratch.backends.__main__.is_installed", lambda: True)
    monkeypatch.setattr("skscratch.backends.__main__.load_kernels", lambda dtype: None)
    assert main() == 1
    assert not capsys.readouterr().out
