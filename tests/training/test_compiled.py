"""Trainings by compiled kernels, beside the same by NumPy.

That they are in parity with scikit-learn's is shown by ``test_parity.py``, run with
``SKSCRATCH_BACKEND=compiled`` in the environment.
"""

import math
import pickle
import re
import signal
import threading
import time
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from estimator_strategies import (
    KINDS,
    TARGETS,
    Hypothesis,
    draw_setting,
    parameters_of,
    quietly,
    with_warnings,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import ndtr
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from strategies import assert_gradient, derivatives, make_targets, move_off_kinks, seeds
from threadpoolctl import threadpool_info, threadpool_limits

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Checkpoint,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    d_tanh,
    set_backend,
)
from skscratch.backends import compiled
from skscratch.nn.activations import resolve_activation
from skscratch.nn.losses import LogLoss
from skscratch.training import compiled as training_compiled
from skscratch.training.batches import Batches
from skscratch.training.compiled import CompiledRuns, _CompiledRun
from skscratch.training.history import TrainingState
from skscratch.training.joint import SingleRun
from skscratch.training.optimizers import Adam, GradientDescent
from skscratch.training.schedules import Constant

pytest.importorskip("numba", reason="The extra 'fast' is not installed.")

from runs import make_run

from skscratch.backends.kernels import steps

both = pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0}
unconverged = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(autouse=True)
def always_threads(monkeypatch):
    """Let members train in threads, however small they are."""
    monkeypatch.setattr("skscratch.training.compiled._WORTH_THREADS", 0)


def backend_of(estimator):
    members = getattr(estimator, "estimators_", [estimator])
    (backend,) = {member._training.backend for member in members}
    return backend


def fit(backend, estimator, *args, **kwargs):
    """Fit with a backend, which has to be the one that trains."""
    with set_backend(backend):
        fitted = with_warnings(estimator.fit, *args, **kwargs)[0]
    assert backend_of(fitted) == backend
    return fitted


# Same results

OPTIONS = {
    "solver": ["sgd", "adam", "adamw"],
    "learning_rate": ["constant", "invscaling", "adaptive", "one_cycle", "cos_log4"],
    "dropout": [0.0, 0.3, 0.5],
    "max_grad_norm": [None, 0.1, 1.0],
    "averaging": [None, 0.9],
    "n_estimators": [1, 1, 3],
    "share_batches": [False, True],
    "weight_decay": [0.0, 0.05],
}


@st.composite
def trainings(draw):
    """Estimator, samples, targets and weights, over the options of both backends."""
    source = Hypothesis(draw)
    kinds = {**KINDS, **TARGETS}
    setting = draw_setting(source, solvers=["sgd", "adam"], kinds=kinds)
    kind = setting.data["kind"]
    setting.data["format_name"] = source.choose(["dense", "by columns"])
    parameters = setting.parameters
    hidden = (6,) if parameters["hidden_layer_sizes"] == 50 else None
    parameters["hidden_layer_sizes"] = hidden or parameters["hidden_layer_sizes"]
    n_layers = len(np.atleast_1d(parameters["hidden_layer_sizes"]))
    options = {name: source.choose(values) for name, values in OPTIONS.items()}
    if options["solver"] == "adamw":
        parameters["alpha"] = 0.0
    else:
        del options["weight_decay"]
    if options["learning_rate"] == "one_cycle":
        parameters["early_stopping"] = False
    parameters["activation"] = (
        source.choose(sorted(ACTIVATIONS))
        if source.choose([True, False])
        else [source.choose(sorted(ACTIVATIONS)) for _ in range(n_layers)]
    )
    if kind in KINDS:
        cls = ScratchMLPClassifier
        options["label_smoothing"] = source.choose([0.0, 0.2])
    else:
        cls = ScratchMLPRegressor
        names = ["squared_error", "absolute_error", "huber", "huber(0.5)"]
        names += ["poisson"] * kind.startswith("count")
        parameters["loss"] = source.choose(names)
    dtype = source.choose([np.float32, np.float64])
    X, y = setting.make_data(dtype)
    random = np.random.RandomState(setting.data["seed"])
    weights = source.choose([None, random.uniform(0.5, 3, len(X))])
    rate = min(parameters["learning_rate_init"], 0.01)
    parameters |= {"tol": 0.0, "max_iter": 4, "learning_rate_init": rate}
    parameters["momentum"] = min(parameters["momentum"], 0.9)
    return cls(**parameters | options), X, y, weights


@given(trainings())
@settings(max_examples=150)
def test_a_training_is_the_same_to_rounding(training):
    estimator, X, y, weights = training
    try:
        expected = fit("numpy", estimator, X, y, weights)
    except ValueError as error:
        # What can't be trained is refused by both in the same words.
        with pytest.raises(ValueError, match=re.escape(str(error))):
            fit("compiled", estimator, X, y, weights)
        return
    curve, parameters = expected.loss_curve_, parameters_of(expected)
    found = fit("compiled", estimator, X, y, weights)
    rtol = 2e-3 if X.dtype == np.float32 else 1e-8
    assert_allclose(found.loss_curve_, curve, rtol=rtol, atol=1e-2 * rtol)
    assert_allclose(parameters_of(found), parameters, rtol=rtol, atol=rtol)
    if found.validation_scores_ is not None:
        assert len(found.validation_scores_) == len(curve)


@unconverged
@both
def test_repeats_are_bit_identical(cls):
    X, y = load_iris(return_X_y=True)
    options = {"n_estimators": 3, "dropout": 0.2, **SMALL}
    first, second = (fit("compiled", cls(**options), X, y) for _ in range(2))
    assert first.loss_curve_ == second.loss_curve_
    assert_array_equal(first.network_.parameters, second.network_.parameters)


@unconverged
@both
@pytest.mark.parametrize("share_batches", [False, True])
@pytest.mark.parametrize("worth_threads", [0, 10**9])
def test_members_are_what_they_are_alone(
    cls, share_batches, worth_threads, monkeypatch
):
    monkeypatch.setattr("skscratch.training.compiled._WORTH_THREADS", worth_threads)
    X, y = load_iris(return_X_y=True)
    options = SMALL | {"dropout": 0.2, "batch_size": 32}
    together = cls(n_estimators=3, share_batches=share_batches, **options)
    fit("compiled", together, X, y)
    if share_batches:
        expected = fit(
            "numpy", cls(n_estimators=3, share_batches=True, **options), X, y
        )
        assert_allclose(together.loss_curve_, expected.loss_curve_, rtol=1e-9)
        return
    for member in together.estimators_:
        alone = cls(**options | {"random_state": member.random_state})
        fit("compiled", alone, X, y)
        assert_array_equal(parameters_of(member), parameters_of(alone))
        assert member.loss_curve_ == alone.loss_curve_


@pytest.mark.parametrize("loss", [n for n in LOSSES if n != "quantile"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(seed=seeds)
@settings(max_examples=3)
def test_gradients_are_derivatives_of_the_cost(activation, loss, seed):
    random = np.random.RandomState(seed)
    network = Network.glorot([3, 4, 4, 2], activation, loss, random_state=random)
    network.parameters += random.uniform(-0.1, 0.1, network.parameters.size)
    X = random.standard_normal((7, 3)) / 2
    move_off_kinks(network.layers, X.T)
    Y = make_targets(loss, 2, 7, random).T
    if loss in ("absolute_error", "huber"):
        # No difference steps over a kink of the loss, or of its derivative.
        errors = abs(network.raw_outputs(X.T) - Y.T)
        assume(abs(errors - LOSSES[loss].kernel_parameter).min() > 1e-3)
    weights = random.uniform(0.5, 2, 7)
    alpha, total = 0.3, float(weights.sum())
    descended = LOSSES[loss].gradient_scale(2)

    def cost():
        options = {"weights": weights, "total": total}
        plain = network.cost(X.T, Y.T, **options)
        penalty = alpha / 2 * np.square(network.weights).sum() / total
        return descended * plain + penalty

    expected = derivatives(cost, network.parameters)
    state = TrainingState(
        GradientDescent(network.parameters.size, "f8", 0.0), Constant(0.0)
    )
    batches = Batches(X, Y, 7, weights=weights)
    run = make_run(network, batches, state, alpha=alpha)
    (reported,) = CompiledRuns([run], steps).train_epoch(1)
    assert reported == pytest.approx(
        network.cost(X.T, Y.T, weights=weights, total=total, alpha=alpha)
    )
    assert_gradient(network.gradients, expected, cost())


# Activations of the user's own


def sine(z):
    return math.sin(z)


def d_sine(z, a):
    return math.cos(z)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_activation_of_ones_own(dtype):
    own = Activation(np.sin, lambda Z, A: np.cos(Z), kernel=(sine, d_sine))
    X, y = load_iris(return_X_y=True)
    options = SMALL | {"activation": [own, "relu", own], "hidden_layer_sizes": (6,) * 3}
    expected = fit("numpy", ScratchMLPClassifier(**options), X.astype(dtype), y)
    found = fit("compiled", ScratchMLPClassifier(**options), X.astype(dtype), y)
    rtol = 1e-4 if dtype == np.float32 else 1e-10
    assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=rtol)
    with set_backend("compiled"):
        P = found.predict_proba(np.repeat(X, 3000, axis=0).astype(dtype))
    assert_allclose(P[::3000], expected.predict_proba(X.astype(dtype)), atol=1e-5)


@pytest.mark.parametrize("needs_Z", [False, True])
def test_a_kernel_of_ones_own_always_has_its_input(needs_Z):
    """Whatever the NumPy functions of the activation need."""
    exponential = Activation(
        np.exp, lambda Z, A: A, needs_Z=needs_Z, kernel=(exp, d_exp)
    )
    X, y = load_iris(return_X_y=True)
    options = SMALL | {"activation": exponential}
    expected = fit("numpy", ScratchMLPClassifier(**options), X / 10, y)
    found = fit("compiled", ScratchMLPClassifier(**options), X / 10, y)
    assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-10)


def exp(z):
    return math.exp(z)


def d_exp(z, a):
    return math.exp(z)


def test_a_kernel_of_ones_own_is_compiled_once_and_may_be_compiled_already():
    from numba import njit

    jitted = Activation(np.sin, lambda Z, A: np.cos(Z), kernel=(njit(sine), d_sine))
    X, y = load_iris(return_X_y=True)
    fit("compiled", ScratchMLPClassifier(activation=jitted, **SMALL), X, y)
    before = compiled.custom_functions.cache_info().misses
    fit("compiled", ScratchMLPClassifier(activation=jitted, **SMALL), X, y)
    assert compiled.custom_functions.cache_info().misses == before


def uncompilable(z):
    return ndtr(z)


@unconverged
def test_a_kernel_that_numba_refuses_is_warned_of_once_and_numpy_trains():
    own = Activation(np.sin, lambda Z, A: np.cos(Z), kernel=(uncompilable, d_sine))
    X, y = load_iris(return_X_y=True)
    model = ScratchMLPClassifier(activation=own, **SMALL)
    with set_backend("compiled"):
        message = "kernel of the activation uncompilable can't be used; falling back"
        with pytest.warns(RuntimeWarning, match=message):
            model.fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            model.fit(X, y)
    assert backend_of(model) == "numpy"


@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky_relu(0.3)", "elu(2.5)"])
def test_a_changed_activation_of_the_library_loses_its_kernel(name):
    record = resolve_activation(name)
    assert record.usable_kernel == record.kernel is not None
    for changes in (
        {"function": np.square, "derivative": lambda Z, A: 2 * Z},
        {"function": np.square},
        {"derivative": lambda Z, A: 2 * Z},
        {"kernel": ("leaky_relu", 0.7)},
        {"kernel": ("unheard_of", 0.0)},
    ):
        assert replace(record, **changes).usable_kernel is None
    # Other fields change nothing about the functions.
    for changes in ({}, {"variance_factor": 2.5}, {"needs_Z": True}):
        assert replace(record, **changes).usable_kernel == record.kernel


@unconverged
def test_a_changed_activation_of_the_library_trains_as_it_predicts():
    mine = replace(ACTIVATIONS["relu"], function=np.tanh, derivative=d_tanh)
    X, y = load_iris(return_X_y=True)
    expected = ScratchMLPClassifier(activation="tanh", **SMALL)
    with set_backend("compiled"):
        model = ScratchMLPClassifier(activation=mine, **SMALL).fit(X, y)
    assert backend_of(model) == "numpy"
    assert model.loss_curve_ == fit("numpy", expected, X, y).loss_curve_


def test_without_a_kernel_numpy_trains():
    own = Activation(np.sin, lambda Z, A: np.cos(Z))
    X, y = load_iris(return_X_y=True)
    with set_backend("compiled"):
        model = quietly(ScratchMLPClassifier(activation=own, **SMALL).fit, X, y)
    assert backend_of(model) == "numpy"


def test_a_subclass_does_not_inherit_a_kernel():
    class OwnAdam(Adam):
        def update(self, parameters, gradients, learning_rate):
            super().update(parameters, 2 * gradients, learning_rate)

    class OwnLoss(LogLoss):
        def losses(self, Z, P, Y):
            return 2 * super().losses(Z, P, Y)

    assert compiled.kernel_of(LogLoss()) == "log_loss"
    assert compiled.kernel_of(OwnLoss()) is None
    X, y = load_iris(return_X_y=True)
    with set_backend("compiled"):
        model = quietly(ScratchMLPClassifier(solver=OwnAdam, **SMALL).fit, X, y)
    assert backend_of(model) == "numpy"


# When


@pytest.fixture
def no_set_backend(monkeypatch):
    monkeypatch.delenv("SKSCRATCH_BACKEND", raising=False)


@pytest.mark.usefixtures("no_set_backend")
@unconverged
@pytest.mark.parametrize(
    ("load", "options", "backend"),
    [
        (load_iris, {}, "numpy"),
        (load_digits, {"max_iter": 40}, "compiled"),
        (load_digits, {"max_iter": 1}, "numpy"),
        (load_digits, {"max_iter": 40, "n_estimators": 2}, "compiled"),
    ],
)
def test_the_choice_depends_on_the_size_of_the_training(load, options, backend):
    X, y = load(return_X_y=True)
    model = ScratchMLPClassifier(**options).fit(X / 16, y)
    assert backend_of(model) == backend


@pytest.mark.usefixtures("no_set_backend")
@unconverged
def test_a_stream_of_large_calls_is_compiled():
    X, y = load_digits(return_X_y=True)
    model = ScratchMLPClassifier(random_state=0)
    model.partial_fit(X / 16, y, classes=range(10))
    assert backend_of(model) == "compiled"
    # What continues uses the same, also where the next call is small.
    model.partial_fit(X[:20] / 16, y[:20])
    assert backend_of(model) == "compiled"
    loaded = pickle.loads(pickle.dumps(model))
    assert backend_of(loaded.partial_fit(X[:20] / 16, y[:20])) == "compiled"
    with set_backend("numpy"):
        assert backend_of(model.partial_fit(X[:20] / 16, y[:20])) == "numpy"


def test_sparse_samples_are_numpys():
    X, y = load_digits(return_X_y=True)
    with set_backend("compiled"):
        model = quietly(ScratchMLPClassifier(**SMALL).fit, sparse.csr_array(X), y)
    assert backend_of(model) == "numpy"


@unconverged
@pytest.mark.parametrize("order", [("numpy", "compiled"), ("compiled", "numpy")])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_a_stream_may_change_the_backend(order, solver):
    """Moments are handed over in the units of the paper."""
    X, y = load_iris(return_X_y=True)

    def stream(backends):
        options = {"averaging": 0.9, "solver": solver, **SMALL}
        model = ScratchMLPClassifier(**options)
        for backend in backends:
            with set_backend(backend):
                for _ in range(3):
                    model.partial_fit(X, y, classes=range(3))
        return model

    expected = stream(("numpy", "numpy"))
    found = stream(order)
    assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert_allclose(parameters_of(found), parameters_of(expected), rtol=1e-7)


# What can go wrong


@pytest.fixture
def fresh_load():
    loaded = dict(compiled._LOADED)
    compiled._LOADED.clear()
    yield
    compiled._LOADED.clear()
    compiled._LOADED.update(loaded)


@unconverged
@pytest.mark.usefixtures("fresh_load")
def test_broken_kernels_are_warned_of_once_and_numpy_trains(monkeypatch):
    def broken(dtype):
        raise ValueError("out of order")

    monkeypatch.setattr(steps, "compile_for", broken)
    X, y = load_iris(return_X_y=True)
    expected = fit("numpy", ScratchMLPClassifier(**SMALL), X, y)
    model = ScratchMLPClassifier(**SMALL)
    message = "kernels can't be used; falling back to NumPy: ValueError: out of order"
    with set_backend("compiled"):
        with pytest.warns(RuntimeWarning, match=message):
            model.fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
    assert backend_of(model) == "numpy"
    assert model.loss_curve_ == expected.loss_curve_


@unconverged
@pytest.mark.usefixtures("fresh_load")
def test_python_in_the_place_of_compiled_code_is_refused(monkeypatch):
    """NUMBA_DISABLE_JIT=1 makes Numba return the functions as they are."""
    from numba import config

    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    X, y = load_iris(return_X_y=True)
    model = ScratchMLPClassifier(**SMALL)
    with set_backend("compiled"), pytest.warns(RuntimeWarning, match="DISABLE_JIT"):
        model.fit(X, y)
    assert backend_of(model) == "numpy"


def test_kernels_that_cannot_be_cached_are_used_all_the_same(tmp_path, monkeypatch):
    """The way to the cache fails as on a full disk, after compiling."""
    from numba import config, njit
    from numba.core import caching

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    function = njit(cache=True)(sine)
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    with pytest.raises(OSError, match="No space left"):
        njit(cache=True)(sine)(0.5)
    steps._compile_by(function, 0.5)
    assert function(0.5) == math.sin(0.5)
    assert function.stats.cache_path.startswith(str(tmp_path))


def test_no_folder_for_the_cache(monkeypatch):
    """Numba refuses to cache then: functions are compiled in each process."""
    from skscratch.backends.kernels import decorators

    calls = []

    def refusing(cache=False, **options):
        calls.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(decorators, "njit", refusing)
    assert decorators.entry(len) is len
    assert calls == [True, False]


@pytest.fixture
def called(monkeypatch):
    """Calls of the kernel; ``called.before(n)`` is called before the n-th."""
    for dtype in ("float32", "float64"):
        compiled.load_kernels(np.dtype(dtype))
    real = steps.train_batches

    class Calls:
        n = 0

        def before(self, n):
            pass

        def __call__(self, *args):
            self.n += 1
            self.before(self.n)
            return real(*args)

    calls = Calls()
    monkeypatch.setattr(steps, "train_batches", calls)
    return calls


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_an_interrupt_keeps_finished_epochs(cls, n_estimators, called):
    X, y = load_iris(return_X_y=True)
    options = SMALL | {"max_iter": 5, "n_estimators": n_estimators}
    expected = fit("compiled", cls(**options | {"max_iter": 2}), X, y)
    called.n = 0

    def interrupt(n):
        if n == 2 * n_estimators + 1:
            raise KeyboardInterrupt

    called.before = interrupt
    with set_backend("compiled"), pytest.warns(UserWarning, match="finished 2 epochs"):
        model = cls(**options).fit(X, y)
    assert model.loss_curve_ == expected.loss_curve_
    assert backend_of(model) == "compiled"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="There are no timers.")
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_ctrl_c_is_heard_soon(n_estimators):
    random = np.random.default_rng(0)
    X, y = random.standard_normal((20_000, 20)), random.integers(2, size=20_000)
    model = ScratchMLPClassifier(
        hidden_layer_sizes=(100,),
        max_iter=10_000,
        tol=0.0,
        n_iter_no_change=10**6,
        n_estimators=n_estimators,
    )
    n_threads = threading.active_count()
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        start = time.perf_counter()
        with set_backend("compiled"), pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    # In a tenth of a second, but machines are shared.
    assert time.perf_counter() - start < 10
    assert np.isfinite(model.predict_proba(X[:5])).all()
    assert threading.active_count() <= n_threads


@pytest.mark.parametrize("n_interrupts", [1, 2])
def test_ctrl_c_while_the_other_threads_end(n_interrupts, monkeypatch):
    """Each Ctrl-C breaks off one of the waits for them."""
    real, interrupts = training_compiled.wait, iter(range(n_interrupts))
    real_train, were_stopped = _CompiledRun.train, []

    def wait(helpers):
        if next(interrupts, None) is not None:
            raise KeyboardInterrupt
        return real(helpers)

    def train(self, order, rates, stop):
        if threading.current_thread() is not threading.main_thread():
            deadline = time.monotonic() + 5
            while not stop and time.monotonic() < deadline:
                time.sleep(0.001)
            were_stopped.append(bool(stop))
        return real_train(self, order, rates, stop)

    monkeypatch.setattr(training_compiled, "wait", wait)
    monkeypatch.setattr(_CompiledRun, "train", train)
    random = np.random.default_rng(0)
    X, y = random.standard_normal((20_000, 20)), random.integers(2, size=20_000)
    options = SMALL | {"hidden_layer_sizes": (100,), "max_iter": 50}
    model = ScratchMLPClassifier(n_estimators=3, **options)
    n_threads = threading.active_count()
    with (
        threadpool_limits(2, user_api="blas"),
        set_backend("compiled"),
        pytest.warns(UserWarning, match="interrupted"),
    ):
        model.fit(X, y)
    assert threading.active_count() == n_threads
    assert all(were_stopped)
    weights = parameters_of(model).copy()
    time.sleep(0.1)
    assert_array_equal(parameters_of(model), weights)
    assert np.isfinite(model.predict_proba(X[:5])).all()


def test_where_a_member_fails_the_others_stop_too(called, monkeypatch):
    monkeypatch.setattr("skscratch.training.compiled._PER_CALL", 1)
    X, y = load_iris(return_X_y=True)
    options = SMALL | {"batch_size": 1, "n_estimators": 2, "max_iter": 1}
    failed = []

    def fail_once(n):
        if not failed:
            failed.append(n)
            raise MemoryError("no more memory")
        time.sleep(0.001)

    called.before = fail_once
    limits = threadpool_limits(2, user_api="blas")
    with set_backend("compiled"), limits, pytest.raises(MemoryError, match="no more"):
        ScratchMLPClassifier(**options).fit(X, y)
    n_calls = called.n
    assert n_calls < len(X)
    time.sleep(0.05)
    assert called.n == n_calls


@unconverged
def test_a_call_is_short_and_the_epoch_is_the_same(monkeypatch, called):
    X, y = load_digits(return_X_y=True)
    options = SMALL | {"dropout": 0.2, "averaging": 0.9}
    whole = fit("compiled", ScratchMLPClassifier(**options), X / 16, y)
    assert called.n == SMALL["max_iter"]
    monkeypatch.setattr("skscratch.training.compiled._PER_CALL", 1)
    called.n = 0
    parts = fit("compiled", ScratchMLPClassifier(**options), X / 16, y)
    assert called.n == 9 * SMALL["max_iter"]
    assert_array_equal(parameters_of(parts), parameters_of(whole))
    assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)


def test_clipping_of_gradients_whose_squares_overflow():
    X = np.random.default_rng(0).standard_normal((100, 5))
    options = {
        "hidden_layer_sizes": (),
        "loss": "absolute_error",
        "solver": "sgd",
        "momentum": 0.0,
        "alpha": 0.0,
        "max_grad_norm": 1.0,
        "learning_rate_init": 0.1,
        "max_iter": 3,
        "random_state": 0,
    }
    found, expected = (
        fit(backend, ScratchMLPRegressor(**options), X * 1e160, X[:, 0])
        for backend in ("compiled", "numpy")
    )
    start = fit("numpy", ScratchMLPRegressor(**options | {"max_iter": 1}), X, X[:, 0])
    assert not np.allclose(parameters_of(found), parameters_of(start))
    assert_allclose(parameters_of(found), parameters_of(expected), rtol=1e-10)


@pytest.mark.parametrize("size", [1.0, 3e19])
def test_steps_of_adam_in_float32_where_squares_overflow(size):
    """An infinite second moment makes a step of 0, with either backend."""
    results = []
    for backend in ("numpy", "compiled"):
        network = Network.glorot([2, 1], loss="squared_error", random_state=0)
        network = network.astype(np.float32)
        X = np.full((3, 2), size, np.float32)
        state = TrainingState(Adam(network.parameters.size, np.float32), Constant(0.01))
        run = make_run(network, Batches(X, X[:, :1] * 0, 3), state)
        run.state.backend = backend
        with np.errstate(all="ignore"):
            trained = SingleRun(run) if backend == "numpy" else None
            (trained or CompiledRuns([run], steps)).train_epoch(1)
        results.append(network.parameters.copy())
    assert_allclose(results[1], results[0], rtol=1e-5)


@unconverged
def test_no_thread_outlives_a_fit():
    n_threads = threading.active_count()
    X, y = load_iris(return_X_y=True)
    with threadpool_limits(2, user_api="blas"):
        fit("compiled", ScratchMLPClassifier(n_estimators=3, **SMALL), X, y)
    assert threading.active_count() == n_threads


@both
def test_divergence_is_noticed(cls):
    X, y = load_iris(return_X_y=True)
    bad = {"learning_rate_init": 1e300, "solver": "sgd", **SMALL}
    for backend in ("numpy", "compiled"):
        with set_backend(backend), pytest.raises(ValueError, match=r"diverged|finite"):
            quietly(cls(**bad).fit, X, y)


def counts():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_the_number_of_threads_is_given_back():
    random = np.random.default_rng(0)
    X, y = random.standard_normal((500, 300)), random.integers(2, size=500)
    options = SMALL | {"hidden_layer_sizes": (300,), "max_iter": 2}
    during = []
    model = ScratchMLPClassifier(n_estimators=3, **options)
    real = CompiledRuns._train_in_threads

    def noting(self, *args):
        with self._limited():
            during.append(counts())
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompiledRuns, "_train_in_threads", noting)
        with threadpool_limits(2, user_api="blas"):
            before = counts()
            fit("compiled", model, X, y)
            assert counts() == before
    numpys = compiled.blas_in(np).info()[0]["filepath"]
    assert during
    assert all(seen[numpys] == 1 < before[numpys] for seen in during)


def test_members_take_no_more_threads_than_blas_may():
    X, y = load_iris(return_X_y=True)
    helpers = []
    real = CompiledRuns.__init__

    def noting(self, *args):
        real(self, *args)
        helpers.append(self._n_helpers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompiledRuns, "__init__", noting)
        with threadpool_limits(1, user_api="blas"):
            fit("compiled", ScratchMLPClassifier(n_estimators=4, **SMALL), X, y)
    assert set(helpers) == {0}


@pytest.mark.parametrize(
    ("version", "neurons", "n_threads"),
    [("0.3.27", 300, 2), ("0.3.28", 300, 1), ("0.3.29", 300, 1), ("0.3.29", 5, 2)],
)
def test_versions_of_blas_that_are_wrong_in_threads(
    version, neurons, n_threads, monkeypatch
):
    """Small products are cut, and safe; large ones keep to one thread of ours."""
    pool = {"version": version, "num_threads": 2}
    blas = SimpleNamespace(info=lambda: [pool])
    monkeypatch.setattr("skscratch.training.compiled.blas_in", lambda package: blas)
    random = np.random.default_rng(0)
    X, y = random.standard_normal((500, 300)), random.integers(2, size=500)
    seen = []
    real = CompiledRuns.__init__

    def noting(self, *args):
        real(self, *args)
        seen.append(1 + self._n_helpers)

    monkeypatch.setattr(CompiledRuns, "__init__", noting)
    options = SMALL | {"hidden_layer_sizes": (neurons,), "max_iter": 1}
    fit("compiled", ScratchMLPClassifier(n_estimators=3, **options), X, y)
    assert set(seen) == {n_threads}


# Checkpoints


@unconverged
def test_a_checkpoint_remembers_the_backend(tmp_path):
    X, y = load_iris(return_X_y=True)

    def model(max_iter):
        new = ScratchMLPClassifier(**SMALL | {"max_iter": max_iter})
        return new.set_callbacks(Checkpoint(tmp_path / "run.npz", resume=True))

    fit("compiled", model(2), X, y)
    resumed = model(4)
    with_warnings(resumed.fit, X, y)
    assert backend_of(resumed) == "compiled"
    whole = fit("compiled", ScratchMLPClassifier(**SMALL), X, y)
    assert resumed.loss_curve_ == whole.loss_curve_


@unconverged
@pytest.mark.parametrize("order", [("numpy", "compiled"), ("compiled", "numpy")])
@pytest.mark.parametrize("how", ["call", "environment"])
def test_a_resumed_training_obeys_an_explicit_choice(tmp_path, order, how, monkeypatch):
    X, y = load_iris(return_X_y=True)

    def model(max_iter):
        new = ScratchMLPClassifier(**SMALL | {"max_iter": max_iter})
        return new.set_callbacks(Checkpoint(tmp_path / "run.npz", resume=True))

    first, second = order
    fit(first, model(2), X, y)
    if how == "call":
        resumed = fit(second, model(4), X, y)
    else:
        monkeypatch.setenv("SKSCRATCH_BACKEND", second)
        resumed = model(4).fit(X, y)
    assert backend_of(resumed) == second
    assert resumed.n_iter_ == 4
    whole = fit("numpy", ScratchMLPClassifier(**SMALL), X, y)
    assert_allclose(resumed.loss_curve_, whole.loss_curve_, rtol=1e-10)


# What users see


@unconverged
@pytest.mark.usefixtures("fresh_load")
def test_a_verbose_training_says_what_takes_a_while(capsys):
    X, y = load_iris(return_X_y=True)
    fit("compiled", ScratchMLPClassifier(verbose=True, **SMALL), X, y)
    assert capsys.readouterr().out.startswith("Loading the compiled kernels")
    fit("compiled", ScratchMLPClassifier(verbose=True, **SMALL), X, y)
    assert "kernels" not in capsys.readouterr().out
    fit("numpy", ScratchMLPClassifier(verbose=True, **SMALL), X, y)
    assert "kernels" not in capsys.readouterr().out


# Predictions


@unconverged
@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_predictions(n_estimators, dtype, order):
    random = np.random.default_rng(0)
    X = np.asarray(random.standard_normal((40_000, 20)), dtype, order)
    y = random.integers(3, size=len(X))
    model = ScratchMLPClassifier(
        (50, 20), activation="tanh", n_estimators=n_estimators, max_iter=2
    )
    model.fit(X[:500], y[:500])
    with set_backend("numpy"):
        expected = model.predict_proba(X)
    used = []
    real = steps.predict_rows

    def noting(*args):
        used.append(args)
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "predict_rows", noting)
        with set_backend("compiled"):
            found = model.predict_proba(X)
    assert used
    assert_allclose(found, expected, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whatever_the_arrays_nothing_is_compiled_again(dtype, tmp_path):
    X, y = load_iris(return_X_y=True)
    X = X.astype(dtype)
    np.save(tmp_path / "X.npy", X)
    unaligned = np.frombuffer(b"x" + X.tobytes(), dtype, offset=1).reshape(X.shape)
    weights = np.ones(len(X))
    read_only = weights.copy()
    read_only.flags.writeable = False
    fits = [
        (ScratchMLPClassifier, X, y, None),
        (ScratchMLPClassifier, np.load(tmp_path / "X.npy", mmap_mode="r"), y, weights),
        (ScratchMLPClassifier, np.asfortranarray(X), y, read_only),
        (ScratchMLPClassifier, unaligned, y > 0, None),
        (ScratchMLPRegressor, X, np.asfortranarray(X[:, :2]), None),
    ]
    compiled.load_kernels(np.dtype(dtype))
    before = [len(f.signatures) for f in (steps.train_batches, steps.predict_rows)]
    for cls, *data in fits:
        fit("compiled", cls(dropout=0.1, averaging=0.9, **SMALL), *data)
    after = [len(f.signatures) for f in (steps.train_batches, steps.predict_rows)]
    assert after == before
