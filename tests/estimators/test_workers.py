"""Members of an ensemble that joblib's workers train are what they would be here.

With threads, where a test has to look into the training, and with loky's processes.
Workers of Dask and Ray are in ``test_distributed``.
"""

import copy
import json
import os
import signal
import threading

import joblib
import numpy as np
import pytest
from estimator_strategies import make_data, quietly, with_warnings
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_info, threadpool_limits

from skscratch import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators import workers

SMALL = {
    "hidden_layer_sizes": (6, 5),
    "max_iter": 6,
    "n_estimators": 3,
    "random_state": 3,
}
OPTIONS = {
    "plain": {},
    "sgd, inverse scaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5},
    "cosine, averaged": {"learning_rate": "cosine", "averaging": 0.8},
    "lbfgs": {"solver": "lbfgs"},
    "dropout": {"dropout": (0.4, 0.0), "batch_size": 7},
    "float32": {"dtype": "float32"},
    "early stopping": {
        "early_stopping": True,
        "n_iter_no_change": 1,
        "learning_rate_init": 0.1,
        "max_iter": 40,
    },
    "scorer": {"early_stopping": True, "scoring": "neg_mean_squared_error"},
    "splits": {"early_stopping": True, "validation_split": KFold(3)},
    "one split": {
        "early_stopping": True,
        "validation_split": [(range(30), range(30, 50))],
    },
}
EVERY_CLASS = [ScratchMLPClassifier, ScratchMLPRegressor]
both = pytest.mark.parametrize("cls", EVERY_CLASS)
THREADS = {"backend": "threading", "n_jobs": 2}
PROCESSES = {"backend": "loky", "n_jobs": 2}


@pytest.fixture(autouse=True)
def one_blas_thread():
    """The same products for both: their last bits depend on the number of threads."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def calls(monkeypatch):
    """What has been sent to workers: the number of tasks of each call."""
    sent = []

    class Counting(joblib.Parallel):
        def __call__(self, tasks):
            sent.append(len(tasks))
            return super().__call__(tasks)

    monkeypatch.setattr(workers, "Parallel", Counting)
    return sent


def data(cls, n_samples=50, form="dense"):
    kind = "many classes" if cls is ScratchMLPClassifier else "number"
    return make_data(kind, n_samples, form)


def fitted(estimator, X, y, *args, backend=None, **kwargs):
    """A clone, fitted by workers of a backend, or here."""
    new = clone(estimator)
    if backend is None:
        return quietly(new.fit, X, y, *args, **kwargs)
    with joblib.parallel_config(**backend):
        return quietly(new.fit, X, y, *args, **kwargs)


HISTORY = ["loss_curve_", "loss_", "n_iter_", "t_", "best_epoch_", "best_loss_"]
HISTORY += ["learning_rate_curve_", "validation_scores_", "validation_loss_curve_"]


def assert_same(ours, theirs):
    """All that a fit leaves is the same, bit for bit."""
    assert vars(ours).keys() == vars(theirs).keys()
    assert_array_equal(ours.network_.parameters, theirs.network_.parameters)
    pairs = zip(ours.estimators_, theirs.estimators_, strict=True)
    for one, other in [(ours, theirs), *pairs]:
        for name in HISTORY:
            assert getattr(one, name) == getattr(other, name) or name == "loss_"
        assert one.random_state == other.random_state
        assert one.n_estimators == other.n_estimators
        assert vars(one).keys() == vars(other).keys()
    for member, row in zip(theirs.estimators_, theirs.network_.parameters, strict=True):
        assert np.shares_memory(member.network_.parameters, row)


def as_alone(ensemble, X, y, weights):
    """Copy of an ensemble whose members are replaced by networks fitted alone."""
    new = copy.deepcopy(ensemble)
    for member in new.estimators_:
        alone = fitted(member, X, y, weights)
        member.network_.restore(alone.network_.parameters)
        member._training = alone._training
    return new


@both
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_members_of_workers_are_those_trained_here(cls, option, is_weighted, calls):
    X, y = data(cls)
    weights = np.random.RandomState(0).randint(0, 4, len(y)) / 2
    weights = weights if is_weighted else None
    estimator = cls(**SMALL | OPTIONS[option])
    here = fitted(estimator, X, y, weights)
    assert not calls
    there = fitted(estimator, X, y, weights, backend=THREADS)
    assert calls == [3]
    if option == "float32":
        # In a stack, the last bits of a single network's weighted loss may differ.
        here = as_alone(there, X, y, weights)
    assert_same(here, there)
    if not estimator.early_stopping and hasattr(estimator, "partial_fit"):
        # The optimizers came back too.
        for one in (here, there):
            one.partial_fit(X, y)
        assert_same(here, there)


@pytest.mark.parametrize("form", ["by columns", "csr", "csc"])
@pytest.mark.parametrize("kind", ["two classes", "multilabel", "numbers", "counts"])
def test_data_of_every_kind_reach_the_workers(kind, form, calls):
    cls = ScratchMLPRegressor
    if kind in ("two classes", "multilabel"):
        cls = ScratchMLPClassifier
    X, y = make_data(kind, 40, form)
    estimator = cls(**SMALL, early_stopping=True)
    assert_same(fitted(estimator, X, y), fitted(estimator, X, y, backend=THREADS))
    assert calls == [3]


@both
def test_validation_data_of_the_users_own_reach_them(cls, calls):
    X, y = data(cls)
    held_out = {"X_val": X[40:], "y_val": y[40:], "sample_weight_val": np.arange(10.0)}
    estimator = cls(**SMALL | OPTIONS["scorer"])
    assert_same(
        fitted(estimator, X[:40], y[:40], **held_out),
        fitted(estimator, X[:40], y[:40], **held_out, backend=THREADS),
    )
    assert calls == [3]


@pytest.mark.parametrize("option", ["scorer", "splits", "lbfgs"])
def test_processes_give_the_same(option):
    """The data are large enough to be mapped into memory, read-only."""
    cls = ScratchMLPClassifier
    X, y = data(cls, 40_000)
    estimator = cls(**SMALL | OPTIONS[option] | {"max_iter": 2})
    assert X.nbytes > 2**20
    assert_same(fitted(estimator, X, y), fitted(estimator, X, y, backend=PROCESSES))


def test_arrays_begin_where_numbers_may():
    """Those that Dask sends may begin at any byte, where sums differ by rounding."""
    room = np.zeros(81, np.uint8)
    unaligned = room[1:].view(np.float64)
    unaligned[...] = np.arange(10.0)
    assert not unaligned.flags.aligned
    aligned = workers._aligned(unaligned)
    assert aligned.flags.aligned
    assert_array_equal(aligned, unaligned)
    for array in (aligned, None, sparse.csr_array(np.eye(2))):
        assert workers._aligned(array) is array


def test_a_temperature_is_that_of_all_members():
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(
        **SMALL, early_stopping=True, temperature_scaling=True
    )
    here = fitted(estimator, X, y)
    there = fitted(estimator, X, y, backend=THREADS)
    assert here.temperature_ == there.temperature_


# What is trained here all the same

TOGETHER = {
    "one network": {"n_estimators": 1},
    "shared batches": {"share_batches": True},
    "a common epoch": {"early_stopping": True, "restore_best": "together"},
    "printed": {"verbose": True},
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_needs_all_members_is_trained_here(name, calls, capsys):
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(**SMALL | TOGETHER[name])
    fitted(estimator, X, y, backend=THREADS)
    assert not calls


@pytest.mark.parametrize("how", ["partial_fit", "warm start", "callbacks"])
def test_what_continues_or_is_followed_is_trained_here(how, calls):
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(**SMALL, warm_start=True)
    fit, known = estimator.fit, {}
    if how == "callbacks":
        estimator.set_callbacks(ProgressBar())
    else:
        quietly(fit, X, y)
    if how == "partial_fit":
        fit, known = estimator.partial_fit, {"classes": np.unique(y)}
    with joblib.parallel_config(**THREADS):
        quietly(fit, X, y, **known)
    assert not calls


@pytest.mark.parametrize(
    "config", [{"n_jobs": 1}, {"backend": "threading"}, {"backend": "loky"}]
)
def test_one_worker_is_none(config, calls):
    X, y = data(ScratchMLPClassifier)
    fitted(ScratchMLPClassifier(**SMALL), X, y, backend=config)
    assert not calls


def test_a_search_in_workers_trains_members_where_its_tasks_are(calls):
    """Otherwise there were workers times workers."""
    X, y = data(ScratchMLPClassifier)
    search = GridSearchCV(ScratchMLPClassifier(**SMALL), {"alpha": [0.1, 1.0]}, cv=2)
    with joblib.parallel_config(**THREADS):
        quietly(search.fit, X, y)
    # The best, which is fitted again when the others are done.
    assert calls == [3]


# What is said, and what fails

WARNED = {
    "plain": (
        {"batch_size": 999, "n_iter_no_change": 10},
        ["Got `batch_size`", "Stochastic Optimizer"],
    ),
    "lbfgs": ({"solver": "lbfgs"}, ["lbfgs failed to converge after 2"]),
    "planned": ({"learning_rate": "cosine"}, []),
    "rising": ({"learning_rate_init": 100.0, "solver": "sgd"}, ["Training made the"]),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_is_so_for_members_is_said_once_and_here(name):
    X, y = data(ScratchMLPRegressor)
    options, expected = WARNED[name]
    estimator = ScratchMLPRegressor(**SMALL | {"max_iter": 2} | options)
    if name == "rising":
        X = X * 0.01 + 3.0
        estimator.set_params(max_grad_norm=1.0)
    for config in (THREADS, PROCESSES):
        with joblib.parallel_config(**config):
            _, caught = with_warnings(estimator.fit, X, y)
        said = [str(warning.message) for warning in caught]
        assert len(said) == len(expected)
        assert all(map(str.startswith, said, expected))
        assert {warning.filename for warning in caught} <= {
            with_warnings.__code__.co_filename
        }


@pytest.mark.usefixtures("numpy_trains")
def test_a_member_that_diverges_leaves_the_others_alone(monkeypatch):
    X, y = data(ScratchMLPRegressor)
    estimator = ScratchMLPRegressor(**SMALL)
    whole = fitted(estimator, X, y)
    second, honest = whole.estimators_[1].random_state, workers._Member.make_run

    def make_run(member, *args):
        """Let the fourth step of the second member fail."""
        run, calls = honest(member, *args), []
        compute = run.network.cost_and_gradients

        def failing(*args, **kwargs):
            calls.append(None)
            return compute(*args, **kwargs) if len(calls) != 4 else np.array(np.nan)

        if member.seed == second:
            run.network.cost_and_gradients = failing
        return run

    monkeypatch.setattr(workers._Member, "make_run", make_run)
    with joblib.parallel_config(**THREADS):
        there, caught = with_warnings(estimator.fit, X, y)
    said = [str(warning.message) for warning in caught]
    assert len(said) == 2
    assert said[0].startswith("Training diverged after 3 epochs")
    assert np.isfinite(there.network_.parameters).all()
    assert [member.n_iter_ for member in there.estimators_] == [6, 4, 6]
    for i in (0, 2):
        assert_array_equal(
            there.estimators_[i].network_.parameters,
            whole.estimators_[i].network_.parameters,
        )


def test_an_ensemble_that_diverges_at_once_is_refused():
    X, y = data(ScratchMLPRegressor)
    estimator = fitted(ScratchMLPRegressor(**SMALL), X, y)
    state = dict(vars(estimator))
    with (
        joblib.parallel_config(**THREADS),
        pytest.raises(ValueError, match="Solver produced non-finite"),
    ):
        quietly(estimator.fit, 1e200 * X, y)
    assert vars(estimator) == state


def failing_scorer(failing_seed, n_calls):
    """Scorer that fails for a member in one of its epochs."""
    calls = []

    def score(estimator, X, y):
        if estimator.random_state == failing_seed:
            calls.append(None)
            if len(calls) == n_calls:
                raise RuntimeError("no more")
        return 0.0

    return score


@pytest.mark.parametrize("config", [THREADS, PROCESSES])
def test_an_error_of_a_scorer_keeps_members_and_epochs_before_it(config):
    X, y = data(ScratchMLPClassifier)
    options = SMALL | {"early_stopping": True, "restore_best": False}
    estimator = ScratchMLPClassifier(**options)
    whole = fitted(estimator, X, y)
    seeds = [member.random_state for member in whole.estimators_]
    for n_calls, n_epochs in ((3, [6, 2, 6]), (1, [6, 6])):
        there = clone(estimator).set_params(scoring=failing_scorer(seeds[1], n_calls))
        with joblib.parallel_config(**config), pytest.raises(RuntimeError, match="no"):
            quietly(there.fit, X, y)
        assert [member.n_iter_ for member in there.estimators_] == n_epochs
        assert_array_equal(
            there.estimators_[0].network_.parameters,
            whole.estimators_[0].network_.parameters,
        )


@pytest.mark.parametrize("n_ended", [0, 2])
def test_an_interrupt_keeps_the_members_that_have_ended(n_ended, monkeypatch):
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(**SMALL)
    whole = fitted(estimator, X, y)

    class Interrupted(joblib.Parallel):
        def __call__(self, tasks):
            for function, args, kwargs in tasks[:n_ended]:
                yield function(*args, **kwargs)
            raise KeyboardInterrupt

    monkeypatch.setattr(workers, "Parallel", Interrupted)
    there = clone(estimator)
    with joblib.parallel_config(**THREADS):
        if not n_ended:
            with pytest.raises(KeyboardInterrupt):
                there.fit(X, y)
            assert not hasattr(there, "network_")
            return
        with pytest.warns(UserWarning, match="interrupted by user.*finished 6 epochs"):
            there.fit(X, y)
    assert there.is_interrupted_
    assert len(there.estimators_) == n_ended
    assert_array_equal(there.network_.parameters, whole.network_.parameters[:n_ended])


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


def test_members_of_a_worker_that_is_killed_are_trained_again(tmp_path):
    X, y = data(ScratchMLPClassifier)
    scorer = killing_scorer(str(tmp_path / "killed"))
    estimator = ScratchMLPClassifier(**SMALL, early_stopping=True, scoring=scorer)
    here = fitted(estimator, X, y)
    there = fitted(estimator, X, y, backend=PROCESSES)
    assert (tmp_path / "killed").exists()
    assert_same(here, there)


# Threads


def recording_scorer(folder):
    """Scorer that writes down the threads of each BLAS, by process and thread."""

    def score(estimator, X, y):
        threads = [
            p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"
        ]
        where = f"{os.getpid()} {threading.get_ident()}"
        with open(os.path.join(folder, where), "a") as file:
            file.write(json.dumps(threads) + "\n")
        return estimator.score(X, y)

    return score


@pytest.mark.parametrize("config", [THREADS, PROCESSES | {"inner_max_num_threads": 4}])
def test_threads_times_workers_stay_within_the_cores(config, tmp_path):
    """Though each BLAS could take more than its share."""
    X, y = data(ScratchMLPClassifier)
    estimator = ScratchMLPClassifier(
        **SMALL, early_stopping=True, scoring=recording_scorer(str(tmp_path))
    )
    share = max(joblib.cpu_count() // 2, 1)
    with threadpool_limits(4 * share, user_api="blas"):
        fitted(estimator, X, y, backend=config)
        after = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
    assert after == [4 * share] * len(after)
    files = list(tmp_path.iterdir())
    assert 1 <= len(files) <= 3
    counts = [
        n
        for file in files
        for line in file.read_text().splitlines()
        for n in json.loads(line)
    ]
    assert counts
    assert max(counts) <= share
