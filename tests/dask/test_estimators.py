"""Estimators on Dask collections: the network of a local fit, and their interface."""

import gc
import inspect
import os
import pickle
import time
from threading import Thread

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits

distributed = pytest.importorskip("distributed", reason="The extra 'distributed'.")
dask = pytest.importorskip("dask", reason="The extra 'distributed'.")
da = pytest.importorskip("dask.array", reason="The extra 'distributed'.")
pd = pytest.importorskip("pandas", reason="Dask dataframes are made of pandas'.")
dd = pytest.importorskip("dask.dataframe", reason="The extra 'distributed'.")

from skscratch import (  # noqa: E402
    Checkpoint,
    Loss,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
)
from skscratch.backends.threads import blas_in  # noqa: E402
from skscratch.dask import (  # noqa: E402
    DaskScratchMLPClassifier,
    DaskScratchMLPRegressor,
)
from skscratch.dask.workers import Workers  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    # Few epochs suffice.
    "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning",
    # Distributed looks for a free port for a dashboard that nobody asked for.
    "ignore:Port 8787 is already in use:UserWarning",
)

X, y = load_digits(return_X_y=True)
X, y = X[:400] / 16, y[:400]
weights = np.random.RandomState(0).uniform(size=400)
weights[::9] = 0
dX, dy = da.from_array(X, chunks=(70, 40)), da.from_array(y, chunks=90)
d_weights = da.from_array(weights, chunks=400)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def assert_same_training(fitted, local):
    np.testing.assert_allclose(fitted.loss_curve_, local.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(
        fitted.network_.parameters, local.network_.parameters, rtol=1e-10, atol=1e-12
    )
    assert fitted.n_iter_ == local.n_iter_
    assert fitted.best_epoch_ == local.best_epoch_


OPTIONS = [
    {},
    {"early_stopping": True, "scoring": "balanced_accuracy"},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    {"solver": "adamw", "learning_rate": "one_cycle", "averaging": 0.9},
    {"max_grad_norm": 0.1, "label_smoothing": 0.1, "alpha": 1.0, "shuffle": False},
    {"n_estimators": 2, "early_stopping": True, "temperature_scaling": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_classifier_is_the_local_one(client, options):
    options = {
        **{"hidden_layer_sizes": (8,), "batch_size": 64, "max_iter": 3},
        **{"class_weight": "balanced", "random_state": 0},
        **options,
    }
    local = ScratchMLPClassifier(**options).fit(X, y, weights)
    fitted = DaskScratchMLPClassifier(**options).fit(dX, dy, d_weights)
    assert_same_training(fitted, local)
    np.testing.assert_allclose(
        fitted.predict_proba(dX).compute(), local.predict_proba(X), rtol=1e-9
    )
    if local.early_stopping:
        assert fitted.validation_scores_ == pytest.approx(local.validation_scores_)
    if local.n_estimators > 1:
        assert fitted.temperature_ == pytest.approx(local.temperature_)
        assert type(fitted.estimators_[0]) is ScratchMLPClassifier


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"loss": "poisson"}])
def test_a_regressor_is_the_local_one(client, options):
    options = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, **options}
    Y = np.stack([y, y**2], axis=1).astype(float)
    local = ScratchMLPRegressor(**options).fit(X, Y)
    fitted = DaskScratchMLPRegressor(**options).fit(dX, da.from_array(Y, chunks=99))
    assert_same_training(fitted, local)
    predicted = fitted.predict(dX)
    assert predicted.shape == (400, 2)
    np.testing.assert_allclose(predicted.compute(), local.predict(X), rtol=1e-9)
    assert fitted.score(dX, Y) == pytest.approx(local.score(X, Y))


def test_quantiles_are_predicted_and_have_no_score(client):
    fitted = DaskScratchMLPRegressor("quantile", (8,), quantile=[0.1, 0.9], max_iter=2)
    fitted.fit(dX, dy)
    assert fitted.predict(dX).compute().shape == (400, 2)
    with pytest.raises(ValueError, match="several are predicted"):
        fitted.score(dX, dy)


def test_multilabel_targets_in_float32(client):
    Y = (X[:, 10:13] > 0.5).astype(int)
    X32 = X.astype(np.float32)
    local = ScratchMLPClassifier((8,), max_iter=3, random_state=0).fit(X32, Y)
    fitted = DaskScratchMLPClassifier((8,), max_iter=3, random_state=0)
    fitted.fit(da.from_array(X32, chunks=(99, -1)), da.from_array(Y, chunks=(50, 1)))
    assert fitted.network_.dtype == np.float32
    np.testing.assert_allclose(fitted.loss_curve_, local.loss_curve_, rtol=1e-5)
    assert fitted.predict(dX.astype(np.float32)).compute().shape == Y.shape


def test_own_validation_data(client):
    options = {"early_stopping": True, "max_iter": 3, "random_state": 0}
    own = {"X_val": X[:100], "y_val": y[:100], "sample_weight_val": weights[:100]}
    local = ScratchMLPClassifier((8,), **options).fit(X, y, **own)
    fitted = DaskScratchMLPClassifier((8,), **options).fit(
        dX, dy, **{name: da.from_array(value) for name, value in own.items()}
    )
    assert_same_training(fitted, local)
    assert fitted.validation_scores_ == pytest.approx(local.validation_scores_)


def test_dataframes_of_unknown_lengths_with_empty_partitions(client):
    names = [f"pixel{i}" for i in range(64)]
    frame = pd.DataFrame(X, columns=names)
    lazy = dd.from_pandas(frame.assign(y=y), npartitions=4, sort=False)
    lazy = lazy[lazy["y"].isin([1, 2, 3])]
    empty = lazy.partitions[[0]][lazy.partitions[[0]]["y"] < 0]
    lazy = dd.concat([empty, lazy])
    chosen = np.isin(y, [1, 2, 3])
    local = ScratchMLPClassifier((8,), max_iter=3, random_state=0)
    local.fit(frame[chosen], y[chosen])
    fitted = DaskScratchMLPClassifier((8,), max_iter=3, random_state=0)
    fitted.fit(lazy[names], lazy["y"])
    assert_same_training(fitted, local)
    assert fitted.feature_names_in_.tolist() == names
    for method in ("predict", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(
            getattr(fitted, method)(lazy[names]).compute(),
            getattr(local, method)(frame[chosen]),
        )
    assert isinstance(fitted.predict(lazy[names]), da.Array)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(lazy[names[::-1]])


def test_arrays_of_unknown_chunks(client):
    lazy = dX[dy < 5]
    assert np.isnan(lazy.shape[0])
    fitted = DaskScratchMLPClassifier((8,), max_iter=2, random_state=0)
    fitted.fit(lazy, dy[dy < 5])
    local = ScratchMLPClassifier((8,), max_iter=2, random_state=0)
    assert_same_training(fitted, local.fit(X[y < 5], y[y < 5]))


@pytest.mark.parametrize("kind", [csr_array, csc_array, coo_array])
def test_sparse_chunks(client, kind):
    options = {"early_stopping": True, "max_iter": 2, "random_state": 0}
    local = ScratchMLPClassifier((8,), **options).fit(csr_array(X), y)
    sparse = da.from_array(X, chunks=(70, -1)).map_blocks(kind)
    fitted = DaskScratchMLPClassifier((8,), **options).fit(sparse, dy)
    assert_same_training(fitted, local)
    np.testing.assert_allclose(
        fitted.decision_function(dX).compute(), local.decision_function(X)
    )


def persisted():
    """Partitions that stay on their workers: each is there already, as one block."""
    held = dX.rechunk((70, -1)).persist()
    distributed.wait(held)
    return held


def test_dropout_is_reproducible_and_learns(client):
    options = {"dropout": 0.5, "max_iter": 20, "learning_rate_init": 0.02}
    once, again = (
        DaskScratchMLPClassifier((40,), **options, random_state=0).fit(held, dy)
        for held in [persisted()] * 2
    )
    np.testing.assert_allclose(once.loss_curve_, again.loss_curve_)
    assert once.score(dX, dy) > 0.9


def test_local_steps_learn_and_their_limit_is_gradient_descent(client):
    options = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "random_state": 0}
    # One batch an epoch, of all rows: apart or together, it is the same step.
    options |= {"batch_size": 400, "max_iter": 3}
    apart = DaskScratchMLPClassifier((8,), local_steps=2, **options).fit(dX, dy)
    together = DaskScratchMLPClassifier((8,), **options).fit(dX, dy)
    assert_same_training(apart, together)
    options = {"local_steps": 3, "averaging": 0.9, "dropout": 0.1, "max_iter": 10}
    options |= {"learning_rate_init": 0.01, "batch_size": 40, "random_state": 0}
    learned = DaskScratchMLPClassifier((40,), **options).fit(dX, dy)
    assert learned.score(dX, dy) > 0.9
    assert learned.t_ == 10 * 400


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_training_is_resumed_from_a_checkpoint(client, tmp_path, dropout):
    def make(seed, max_iter):
        # Of a generator: a resumed training draws another split, and takes the file's.
        return DaskScratchMLPClassifier(
            (8,),
            max_iter=max_iter,
            # The loss falls, wherever the partitions are and masks are drawn.
            learning_rate_init=0.01,
            dropout=dropout,
            tol=0.0,
            early_stopping=True,
            random_state=np.random.RandomState(seed),
        )

    checkpoint = Checkpoint(tmp_path / "c.npz", resume=True)
    held = persisted()
    make(0, 2).set_callbacks(checkpoint).fit(held, dy)
    # Neither the file nor a training without dropout depends on the partitions.
    again = held if dropout else dX.rechunk((90, 64))
    resumed = make(1, 4).set_callbacks(checkpoint).fit(again, dy)
    assert_same_training(resumed, make(0, 4).fit(held, dy))
    changed = da.concatenate([dX[1:], dX[:1]])
    with pytest.raises(ValueError, match="X differs"):
        make(0, 5).set_callbacks(checkpoint).fit(changed, dy)


def test_a_fit_continues_warm(client):
    options = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
    fitted = DaskScratchMLPClassifier(warm_start=True, **options).fit(dX, dy)
    fitted.fit(dX, dy)
    local = ScratchMLPClassifier(warm_start=True, **options).fit(X, y)
    assert_same_training(fitted, local.fit(X, y))
    assert len(fitted.loss_curve_) == 4


class Failing:
    def __init__(self, at):
        self.at, self.n = at, 0

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context, **data):
        self.n += 1
        if self.n == self.at:
            raise KeyError("stop")


def test_an_error_of_a_callback_keeps_finished_epochs(client):
    fitted = DaskScratchMLPClassifier((8,), max_iter=5, random_state=0)
    with pytest.raises(KeyError):
        fitted.set_callbacks(Failing(at=2)).fit(dX, dy)
    assert fitted.n_iter_ == 2
    assert fitted.predict(dX).compute().shape == (400,)


def threads():
    """Numbers of threads of NumPy's BLAS in this process."""
    return [p["num_threads"] for p in blas_in(np).info()]


def set_threads(n_threads):
    """Set the number in a thread that ends: the living one that did it keeps others."""
    thread = Thread(target=threadpool_limits, args=(n_threads,))
    thread.start()
    thread.join()
    return threads()


def spy_on_threads(path):
    """Loss that notes how many threads there are where it is computed."""

    class Spy(Loss):
        def losses(self, Z, P, Y):
            with path.open("a") as file:
                file.write(f"{os.getpid()} {threads()}\n")
            return (P - Y) ** 2 / 2

    # Sent to the workers as a whole: they can't import this file.
    for sent in (Spy, threads, set_threads):
        sent.__module__ = "__main__"
    return Spy()


def test_products_use_as_many_threads_as_a_worker_has(client, tmp_path):
    loss = spy_on_threads(tmp_path / "threads.txt")
    if any(n != [2] for n in client.run(set_threads, 2).values()):
        pytest.skip("NumPy's BLAS can't have two threads here.")
    try:
        DaskScratchMLPRegressor(loss, (8,), max_iter=2).fit(dX, dy)
    finally:
        left = client.run(threads)
        client.run(set_threads, 1)
    notes = (tmp_path / "threads.txt").read_text().splitlines()
    assert {note.partition(" ")[2] for note in notes} == {"[1]"}
    assert f"{os.getpid()}" not in {note.partition(" ")[0] for note in notes}
    assert all(n == [2] for n in left.values())


def test_an_interrupted_fit_keeps_finished_epochs(client, monkeypatch):
    call, asked = Workers.call, []

    def interrupted(self, method, arguments):
        asked.append(method)
        if asked.count("gradient") == 6:
            raise KeyboardInterrupt
        return call(self, method, arguments)

    monkeypatch.setattr(Workers, "call", interrupted)
    fitted = DaskScratchMLPClassifier((8,), max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="interrupted by user.*finished 2 epochs"):
        fitted.fit(dX, dy)
    assert fitted.is_interrupted_
    local = ScratchMLPClassifier((8,), max_iter=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(dX), local.predict_proba(X))


def n_actors(dask_worker):
    return len(dask_worker.state.actors)


def test_workers_hold_no_samples_after_a_fit(client):
    n_actors.__module__ = "__main__"  # Sent to the workers as a whole.
    gc.disable()
    try:
        fitted = DaskScratchMLPClassifier((8,), max_iter=2).fit(dX, dy)
        with pytest.raises(KeyError):
            fitted.set_callbacks(Failing(at=1)).fit(dX, dy)
        deadline = time.monotonic() + 30
        while any(client.run(n_actors).values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        gc.enable()


def fit_in_a_task(estimator, X, y):
    with distributed.worker_client():
        X, y = da.from_array(X, chunks=(70, 40)), da.from_array(y, chunks=90)
        return estimator.fit(X, y).to_local()


def test_a_task_fits_with_a_client_of_its_worker(client):
    fit_in_a_task.__module__ = "__main__"
    estimator = DaskScratchMLPClassifier((8,), max_iter=2, random_state=0)
    fitted = client.submit(fit_in_a_task, estimator, X, y).result(timeout=60)
    local = ScratchMLPClassifier((8,), max_iter=2, random_state=0)
    assert_same_training(fitted, local.fit(X, y))


# The interface


@pytest.mark.parametrize(
    ("cls", "local"),
    [
        (DaskScratchMLPClassifier, ScratchMLPClassifier),
        (DaskScratchMLPRegressor, ScratchMLPRegressor),
    ],
)
def test_parameters_are_those_of_the_local_class(cls, local):
    own, theirs = (inspect.signature(c).parameters for c in (cls, local))
    assert [*own] == [*theirs, "client", "local_steps"]
    assert all(own[name] == theirs[name] for name in theirs)
    assert cls().get_params() == {
        **local().get_params(),
        "client": None,
        "local_steps": 1,
    }
    assert cls(alpha=3.0).set_params(beta_1=0.5, local_steps=2).beta_1 == 0.5
    for line in local.__doc__.split("Attributes\n")[0].splitlines():
        assert line in cls.__doc__ or not line.startswith("    ")
    assert not hasattr(cls(), "partial_fit")
    with pytest.raises(TypeError):
        cls(nothing=1)


def test_copies_share_the_client_and_pickles_have_none(client):
    fitted = DaskScratchMLPClassifier((8,), max_iter=2, client=client).fit(dX, dy)
    assert clone(fitted).client is client
    assert not hasattr(clone(fitted), "network_")
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.client is None
    np.testing.assert_array_equal(loaded.predict(dX), fitted.predict(dX))
    assert fitted.client_ is client
    with pytest.raises(NotFittedError):
        clone(fitted).client_  # noqa: B018


def test_to_local_gives_the_plain_estimator(client):
    fitted = DaskScratchMLPClassifier((8,), max_iter=2).fit(dX, dy)
    local = fitted.to_local()
    assert type(local) is ScratchMLPClassifier
    assert local.get_params() == {
        k: v
        for k, v in fitted.get_params().items()
        if k not in ("client", "local_steps")
    }
    np.testing.assert_array_equal(local.predict(X), fitted.predict(dX).compute())
    local.coefs_[0][...] = 0
    assert fitted.coefs_[0].any()
    with pytest.raises(NotFittedError):
        DaskScratchMLPClassifier().to_local()


# What can't be used


def nan_in_the_third():
    bad = X.copy()
    bad[150, 3] = np.nan
    return da.from_array(bad, chunks=(70, -1))


def fails_in_its_graph():
    def fail(block):
        raise KeyError("no such column")

    return dX.map_blocks(fail, dtype=float, meta=np.zeros((0, 0)))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (lambda: (fails_in_its_graph(), dy), KeyError, "^'no such column'$"),
        (lambda: (dask.delayed(X), dy), TypeError, "array or dataframe, got Delayed"),
        (lambda: (X, y), TypeError, "got ndarray.*skscratch.ScratchMLPClassifier"),
        (lambda: (dy, dy), ValueError, "Expected 2D array"),
        (lambda: (nan_in_the_third(), dy), ValueError, "partition 2 of X.*NaN"),
        (lambda: (dX, "price"), TypeError, r"y must be .*pass ddf\['price'\]"),
        (lambda: (dX, dy, "n"), TypeError, "sample_weight must be a Dask array"),
        (lambda: (dX, dy[:-1]), ValueError, "X has 400 rows, y has 399"),
        (lambda: (dX, dy, d_weights[:9]), ValueError, "sample_weight has 9"),
        (lambda: (dX, dy, -d_weights), ValueError, "Negative values"),
        (lambda: (dX[dy > 9], dy), ValueError, "all partitions of X are empty"),
        (lambda: (dX, dy / 3), ValueError, "Unknown label type"),
    ],
)
def test_bad_data_are_refused(client, given, error, message):
    fitted = DaskScratchMLPClassifier((8,), max_iter=2)
    with pytest.raises(error, match=message):
        fitted.fit(*given())
    assert not hasattr(fitted, "network_")
    assert not hasattr(fitted, "n_features_in_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lbfgs"}, "solver='lbfgs' needs all data in memory"),
        ({"n_estimators": 2, "share_batches": True}, "share_batches=True"),
        ({"local_steps": 0}, "local_steps must be a positive integer"),
        ({"alpha": -1.0}, "alpha"),
    ],
)
def test_bad_parameters_are_refused(client, options, message):
    with pytest.raises(ValueError, match=message):
        DaskScratchMLPClassifier((8,), **options).fit(dX, dy)


def test_a_number_of_columns_is_checked_when_predicting(client):
    fitted = DaskScratchMLPClassifier((8,), max_iter=2).fit(dX, dy)
    with pytest.raises(ValueError, match="X has 63 features"):
        fitted.predict(dX[:, 1:])
    with pytest.raises(TypeError, match="predict needs X as a Dask array"):
        fitted.predict(X)


def test_a_closed_client_is_refused(client):
    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ValueError, match="is closed"):
        DaskScratchMLPClassifier(client=closed).fit(dX, dy)
    with pytest.raises(TypeError, match=r"distributed\.Client or None, got str"):
        DaskScratchMLPClassifier(client="here").fit(dX, dy)


def test_no_client_is_explained(monkeypatch):
    def none():
        raise ValueError("No clients found")

    monkeypatch.setattr(distributed, "default_client", none)
    with pytest.raises(ValueError, match="found no Dask client: make one"):
        DaskScratchMLPClassifier().fit(dX, dy)
