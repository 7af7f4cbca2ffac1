"""Searches and ensembles in the workers of Dask and Ray, and killed ones."""

import contextlib
import json
import logging
import os
import signal
import time

import joblib
import numpy as np
import pytest
from estimator_strategies import quietly
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from skscratch import ScratchMLPClassifier, ScratchMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DISTRIBUTED = "the extra `distributed` is not installed"
SMALL = {"hidden_layer_sizes": (20,), "max_iter": 3, "random_state": 0}
GRID = {"alpha": [1e-4, 1.0], "learning_rate_init": [1e-3, 1e-2]}


@contextlib.contextmanager
def clients():
    """Client of two processes with one thread each."""
    distributed = pytest.importorskip("distributed", reason=DISTRIBUTED)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # Any port: another cluster may have the usual one.
            scheduler_kwargs={"dashboard_address": ":0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with clients() as client:
        yield client


@pytest.fixture
def mortal_client():
    """Client of a cluster whose worker is to be killed, so nobody else's."""
    with clients() as client:
        yield client
        # A cluster that is closed while a worker starts may wait for it for long.
        deadline = time.monotonic() + 60
        while len(client.scheduler_info()["workers"]) < 2:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900] / 16, y[:900]


@pytest.fixture(scope="module")
def ray_backend():
    """Ray on this machine, with two workers."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.util.joblib import register_ray

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = {"PYTHONPATH": root}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        runtime_env={"env_vars": environment},
    )
    register_ray()
    yield {"backend": "ray", "n_jobs": 2}
    ray.shutdown()


def scores(results):
    """Scores of all candidates and folds, without the times."""
    return {
        name: of
        for name, of in results.items()
        if "score" in name and "time" not in name
    }


def assert_same_scores(ours, theirs):
    ours, theirs = scores(ours), scores(theirs)
    assert ours.keys() == theirs.keys()
    assert ours
    for name, values in ours.items():
        assert_array_equal(values, theirs[name])


def searched(search, X, y, **config):
    new = clone(search)
    if not config:
        return quietly(new.fit, X, y)
    with joblib.parallel_config(**config):
        return quietly(new.fit, X, y)


def make_search(**options):
    return GridSearchCV(ScratchMLPClassifier(**SMALL), GRID, cv=3, **options)


# Dask


@pytest.mark.parametrize("kind", [GridSearchCV, HalvingGridSearchCV])
def test_a_search_gives_the_same_scores(kind, client, digits):
    pipeline = make_pipeline(StandardScaler(), ScratchMLPClassifier(**SMALL))
    grid = {f"scratchmlpclassifier__{name}": values for name, values in GRID.items()}
    options = {"random_state": 0} if kind is HalvingGridSearchCV else {}
    search = kind(pipeline, grid, cv=3, **options)
    here = searched(search, *digits)
    there = searched(search, *digits, backend="dask", scatter=list(digits))
    assert_same_scores(here.cv_results_, there.cv_results_)
    assert here.best_params_ == there.best_params_


def test_cross_validation_gives_the_same_scores(client, digits):
    clf = ScratchMLPClassifier(**SMALL, n_estimators=2)
    here = quietly(cross_validate, clf, *digits, cv=3)
    with joblib.parallel_config(backend="dask", scatter=list(digits)):
        there = quietly(cross_validate, clf, *digits, cv=3)
    assert_same_scores(here, there)


def recording_scorer(folder):
    """Scorer that writes down the threads of each library, by process."""

    def score(estimator, X, y):
        threads = [pool["num_threads"] for pool in threadpool_info()]
        with open(os.path.join(folder, str(os.getpid())), "a") as file:
            file.write(json.dumps(threads) + "\n")
        return estimator.score(X, y)

    return score


@pytest.mark.parametrize("what", ["a search", "an ensemble"])
def test_threads_times_workers_stay_within_the_cores(what, client, digits, tmp_path):
    scorer = recording_scorer(str(tmp_path))
    if what == "a search":
        estimator = make_search(scoring=scorer, refit=False)
    else:
        estimator = ScratchMLPClassifier(
            **SMALL, n_estimators=4, early_stopping=True, scoring=scorer
        )
    with joblib.parallel_config(backend="dask", scatter=list(digits)):
        quietly(estimator.fit, *digits)
    files = list(tmp_path.iterdir())
    assert 1 <= len(files) <= 2
    assert str(os.getpid()) not in {file.name for file in files}
    most = [
        max(max(json.loads(line)) for line in file.read_text().splitlines())
        for file in files
    ]
    assert sum(most) <= max(joblib.cpu_count(), 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "scoring": "f1_macro"},
        {"solver": "lbfgs", "hidden_layer_sizes": (5,)},
    ],
)
def test_members_trained_by_dask_equal_single_networks(options, client, digits):
    X, y = digits
    ensemble = ScratchMLPClassifier(**SMALL | options, n_estimators=3)
    with joblib.parallel_config(backend="dask"):
        quietly(ensemble.fit, X, y)
    # As many threads as the workers have: the last bits depend on them.
    with threadpool_limits(1, user_api="blas"):
        for member in ensemble.estimators_:
            alone = quietly(clone(member).fit, X, y)
            assert_array_equal(member.network_.parameters, alone.network_.parameters)
            assert member.loss_curve_ == alone.loss_curve_


# A worker that is killed


def killing_scorer(marker):
    """Scorer that kills the process it is in, once; not the one that made it."""
    here = os.getpid()

    def score(estimator, X, y):
        if os.getpid() != here:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)

    return score


def test_a_killed_worker_costs_a_search_its_tasks(mortal_client, digits, tmp_path):
    marker = tmp_path / "killed"
    X, y = digits
    folds = list(StratifiedKFold(3).split(X, y))
    search = make_search(scoring=killing_scorer(str(marker)))
    search.set_params(cv=folds)
    here = searched(search, X, y)
    assert not marker.exists()
    # Data stay on each worker, and folds are data.
    mortal_client.amm.stop()
    rows = [part for fold in folds for part in fold]
    with joblib.parallel_config(backend="dask", scatter=[X, y, *rows]):
        there = quietly(search.fit, X, y)
    assert marker.exists()
    assert_same_scores(here.cv_results_, there.cv_results_)
    assert_array_equal(here.predict_proba(X), there.predict_proba(X))


def test_a_killed_worker_costs_an_ensemble_its_members(mortal_client, digits, tmp_path):
    marker = tmp_path / "killed"
    ensemble = ScratchMLPClassifier(
        **SMALL,
        n_estimators=4,
        early_stopping=True,
        scoring=killing_scorer(str(marker)),
    )
    here = quietly(clone(ensemble).fit, *digits)
    assert not marker.exists()
    with joblib.parallel_config(backend="dask"):
        quietly(ensemble.fit, *digits)
    assert marker.exists()
    assert_array_equal(ensemble.network_.parameters, here.network_.parameters)


# Wrappers of other packages


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_incremental_of_dask_ml_is_partial_fit_chunk_by_chunk(task, digits):
    wrappers = pytest.importorskip("dask_ml.wrappers", reason="no dask-ml")
    array = pytest.importorskip("dask.array", reason=DISTRIBUTED)
    X, y = digits
    estimator, known = ScratchMLPClassifier(**SMALL), {"classes": np.unique(y)}
    if task == "numbers":
        estimator, known = ScratchMLPRegressor(**SMALL), {}
    wrapper = wrappers.Incremental(estimator, shuffle_blocks=False)
    wrapper.fit(array.from_array(X, (400, 64)), array.from_array(y, 400), **known)
    for rows in (slice(0, 400), slice(400, 800), slice(800, 900)):
        estimator.partial_fit(X[rows], y[rows], **known)
    expected = estimator.predict(X)
    assert_array_equal(wrapper.estimator_.predict(X), expected)
    lazy = wrapper.predict(array.from_array(X, (400, 64)))
    assert_array_equal(lazy.compute(), expected)


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_parallel_post_fit_of_dask_ml_predicts_chunk_by_chunk(cls, digits):
    wrappers = pytest.importorskip("dask_ml.wrappers", reason="no dask-ml")
    array = pytest.importorskip("dask.array", reason=DISTRIBUTED)
    X, y = digits
    wrapper = wrappers.ParallelPostFit(cls(**SMALL)).fit(X, y)
    lazy, alone = array.from_array(X, (400, 64)), clone(wrapper.estimator).fit(X, y)
    assert_allclose(wrapper.predict(lazy).compute(), alone.predict(X), rtol=1e-12)
    if cls is ScratchMLPClassifier:
        proba = wrapper.predict_proba(lazy)
        assert proba.shape == (900, 10)
        assert_allclose(proba.compute(), alone.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_a_model_of_river_learns_by_partial_fit(cls, digits):
    compat = pytest.importorskip("river.compat", reason="river is not installed")
    X, y = digits[0][:60], digits[1][:60]
    known = {"classes": list(range(10))} if cls is ScratchMLPClassifier else {}
    model = compat.convert_sklearn_to_river(cls(**SMALL), **known)
    alone = cls(**SMALL)
    for x, target in zip(X, y, strict=True):
        model.learn_one(dict(enumerate(x)), target)
        alone.partial_fit([x], [target], **known)
    for x in X[:5]:
        assert model.predict_one(dict(enumerate(x))) == alone.predict([x])[0]
    if known:
        proba = model.predict_proba_one(dict(enumerate(X[0])))
        assert_allclose(list(proba.values()), alone.predict_proba(X[:1])[0])


# Ray


def test_a_search_by_ray_gives_the_same_scores(ray_backend, digits):
    search = make_search()
    here = searched(search, *digits)
    assert_same_scores(
        here.cv_results_, searched(search, *digits, **ray_backend).cv_results_
    )


def test_members_trained_by_ray_are_those_trained_here(ray_backend, digits, tmp_path):
    scorer = recording_scorer(str(tmp_path))
    ensemble = ScratchMLPClassifier(
        **SMALL, n_estimators=3, early_stopping=True, scoring=scorer
    )
    there = searched(ensemble, *digits, **ray_backend)
    processes = {file.name for file in tmp_path.iterdir()}
    assert processes
    assert str(os.getpid()) not in processes
    here = searched(ensemble, *digits)
    assert_array_equal(here.network_.parameters, there.network_.parameters)
    for file in tmp_path.iterdir():
        if file.name != str(os.getpid()):
            for line in file.read_text().splitlines():
                assert max(json.loads(line)) * 2 <= max(joblib.cpu_count(), 2)
