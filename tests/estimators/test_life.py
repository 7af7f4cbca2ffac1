"""The life of an estimator, in whatever order things happen to it."""

import contextlib
import copy
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from estimator_strategies import make_data
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info, threadpool_limits

import skscratch
from skscratch import (
    ACTIVATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
)

X, LABELS = make_data("many classes", 40)
NUMBERS = X[:, 0] - X[:, 1]
BAD = {
    "too few features": lambda X, y: (X[:, :2], y),
    "not finite": lambda X, y: (np.where(X > 0, np.nan, X), y),
    "too few targets": lambda X, y: (X, y[1:]),
    "no rows": lambda X, y: (X[:0], y[:0]),
    "text": lambda X, y: (X.astype(str) + "x", y),
}
PARAMETERS = {
    "activation": st.sampled_from(sorted(ACTIVATIONS)),
    "solver": st.sampled_from([*OPTIMIZERS, "lbfgs"]),
    "learning_rate": st.sampled_from(sorted(SCHEDULES)),
    "alpha": st.sampled_from([0.0, 1e-4, 1.0]),
    "batch_size": st.sampled_from(["auto", 7]),
    "shuffle": st.booleans(),
    "warm_start": st.booleans(),
    "early_stopping": st.booleans(),
    "dropout": st.sampled_from([0.0, 0.3, (0.2,)]),
    "averaging": st.sampled_from([None, 0.8]),
    "max_grad_norm": st.sampled_from([None, 1.0]),
    "scoring": st.sampled_from([None, "loss"]),
    "hidden_layer_sizes": st.sampled_from([(5,), (4,)]),
    "n_estimators": st.sampled_from([1, 2, 3]),
    "share_batches": st.booleans(),
    "restore_best": st.sampled_from([True, False, "together"]),
    "init": st.sampled_from(["glorot", "he"]),
    # And some that are refused.
    "tol": st.sampled_from([1e-4, -1.0]),
    "max_iter": st.sampled_from([3, 1, 0]),
}


def contents(estimator):
    """All that an estimator is, as bytes."""
    with contextlib.suppress(AttributeError):
        estimator = copy.copy(estimator)
    return pickle.dumps(sorted(vars(estimator).items(), key=lambda item: item[0]))


class Life(RuleBasedStateMachine):
    """What holds of an estimator at any time."""

    @initialize(cls=st.sampled_from([ScratchMLPClassifier, ScratchMLPRegressor]))
    def is_born(self, cls):
        self.estimator = cls(hidden_layer_sizes=(5,), max_iter=3, random_state=0)
        self.y = LABELS if cls is ScratchMLPClassifier else NUMBERS
        self.X = X.copy()
        self.random_state = contents_of_random_state()
        self.threads = [pool["num_threads"] for pool in threadpool_info()]

    def call(self, method, *args, **kwargs):
        """Call it; a refusal is a ValueError or says that there is no such method."""
        before, filters = contents(self.estimator), list(warnings.filters)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                warnings.simplefilter("ignore", UserWarning)
                getattr(self.estimator, method)(*args, **kwargs)
        except (ValueError, AttributeError):
            assert contents(self.estimator) == before
        assert warnings.filters == filters

    @rule(name=st.sampled_from(sorted(PARAMETERS)), data=st.data())
    def is_set(self, name, data):
        self.estimator.set_params(**{name: data.draw(PARAMETERS[name])})

    @rule(weighted=st.booleans())
    def is_fitted(self, weighted):
        weights = np.linspace(0, 2, len(self.y)) if weighted else None
        self.call("fit", self.X, self.y, sample_weight=weights)

    @rule()
    def hears_of_a_part(self):
        options = {}
        if isinstance(self.estimator, ScratchMLPClassifier):
            options = {"classes": np.unique(self.y)}
        self.call("partial_fit", self.X[:20], self.y[:20], **options)

    @rule(how=st.sampled_from(sorted(BAD)), method=st.sampled_from(["fit", "predict"]))
    def meets_bad_data(self, how, method):
        bad_X, bad_y = BAD[how](self.X, self.y)
        before = contents(self.estimator)
        if how == "too few features" and method == "fit":
            return  # Another fit may have others.
        if method == "fit":
            with pytest.raises(ValueError):  # noqa: PT011
                self.estimator.fit(bad_X, bad_y)
        elif how != "too few targets":
            with pytest.raises(ValueError):  # noqa: PT011
                self.estimator.predict(bad_X)
        assert contents(self.estimator) == before

    @rule(at=st.integers(1, 4))
    def is_interrupted(self, at):
        honest, calls = Network.cost_and_gradients, []

        def interrupted(network, *args, **kwargs):
            calls.append(None)
            if len(calls) == at:
                raise KeyboardInterrupt
            return honest(network, *args, **kwargs)

        with mock.patch.object(Network, "cost_and_gradients", interrupted):
            self.call("fit", self.X, self.y)

    @rule(how=st.sampled_from(["pickle", "deepcopy", "clone"]))
    def becomes_a_copy(self, how):
        if how == "clone":
            self.estimator = clone(self.estimator)
            assert not self.is_usable()
            return
        before = self.predictions()
        if how == "pickle":
            self.estimator = pickle.loads(pickle.dumps(self.estimator))
        else:
            self.estimator = copy.deepcopy(self.estimator)
        assert_array_equal(self.predictions(), before)

    def is_usable(self):
        return hasattr(self.estimator, "network_")

    def predictions(self):
        return self.estimator.predict(self.X) if self.is_usable() else None

    @invariant()
    def what_is_the_callers_stays(self):
        assert_array_equal(self.X, X)
        assert contents_of_random_state() == self.random_state
        assert [pool["num_threads"] for pool in threadpool_info()] == self.threads

    @precondition(lambda self: self.is_usable())
    @invariant()
    def what_is_fitted_predicts(self):
        estimator = self.estimator
        assert np.isfinite(estimator.network_.parameters).all()
        predicted = estimator.predict(self.X)
        assert predicted.shape == self.y.shape
        assert_array_equal(estimator.predict(self.X), predicted)
        assert np.isfinite(predicted.astype(float)).all()
        assert estimator.n_features_in_ == self.X.shape[1]
        assert len(estimator.loss_curve_) >= estimator.n_iter_ >= 0
        if isinstance(estimator, ScratchMLPClassifier):
            assert np.isin(predicted, estimator.classes_).all()
            np.testing.assert_allclose(
                estimator.predict_proba(self.X).sum(axis=1), 1, rtol=1e-6
            )

    @precondition(lambda self: not self.is_usable())
    @invariant()
    def what_is_not_fitted_says_so(self):
        with pytest.raises(ValueError, match="not fitted"):
            self.estimator.predict(self.X)


def contents_of_random_state():
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    return pickle.dumps(state)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25)


# Threads


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_eight_threads_predict_while_others_copy(cls):
    y = LABELS if cls is ScratchMLPClassifier else NUMBERS
    estimator = cls(hidden_layer_sizes=(30, 20), max_iter=5, random_state=0).fit(X, y)
    many = np.tile(X, (60, 1))
    alone, single = estimator.predict(many), [estimator.predict(x[None]) for x in X]
    faults, start = [], threading.Barrier(11)

    def predict():
        start.wait()
        for _ in range(10):
            if not np.array_equal(estimator.predict(many), alone):
                faults.append("many rows")
            if not np.array_equal([estimator.predict(x[None]) for x in X], single):
                faults.append("single rows")

    def copies():
        start.wait()
        for _ in range(10):
            loaded = pickle.loads(pickle.dumps(estimator))
            if not np.array_equal(loaded.predict(many), alone):
                faults.append("a copy")
            copy.deepcopy(estimator)
            clone(estimator)

    threads = [threading.Thread(target=predict) for _ in range(8)]
    threads += [threading.Thread(target=copies) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_in_two_threads_are_those_one_after_the_other(solver):
    def fitted(seed):
        return ScratchMLPClassifier(
            (20,), solver=solver, max_iter=30, random_state=seed, dropout=0.0
        ).fit(X, LABELS)

    expected = [fitted(seed).network_.parameters for seed in range(4)]
    counts = [pool["num_threads"] for pool in threadpool_info()]
    results = [None] * 4

    def fit(seed):
        results[seed] = fitted(seed).network_.parameters

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, parameters in zip(results, expected, strict=True):
        assert_array_equal(result, parameters)
    assert [pool["num_threads"] for pool in threadpool_info()] == counts


# Determinism


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@pytest.mark.parametrize("name", ["ScratchMLPClassifier", "ScratchMLPRegressor"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fresh_process_trains_the_same_weights(name, solver):
    """With as many BLAS threads, whatever its hashes of strings are salted with."""
    program = textwrap.dedent(
        f"""
        import hashlib
        import warnings

        import numpy as np
        from threadpoolctl import threadpool_limits

        import skscratch

        warnings.simplefilter("ignore")
        random = np.random.RandomState(0)
        X = random.standard_normal((150, 20))
        y = X[:, 0] - X[:, 1]
        if {name!r} == "ScratchMLPClassifier":
            y = (y > 0).astype(int) + (y > 1)
        options = {{}}
        if {solver!r} != "lbfgs":
            options = {{"dropout": 0.2, "averaging": 0.9, "early_stopping": True}}
        estimator = skscratch.{name}(
            hidden_layer_sizes=(30, 20),
            solver={solver!r},
            batch_size=40,
            max_iter=5,
            random_state=0,
            **options,
        )
        with threadpool_limits(1):
            estimator.fit(X, y)
        numbers = [*estimator.network_.parameters, *estimator.loss_curve_]
        digest = hashlib.sha256(np.array(numbers).tobytes()).hexdigest()
        """
    )
    here: dict = {}
    exec(program, here)
    folder = str(Path(skscratch.__file__).parents[1])
    for salt in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program + "print(digest)"],
            env=os.environ | {"PYTHONPATH": folder, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here["digest"]


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_jobs_are_no_part_of_the_result(cls):
    """Where BLAS has as many threads."""
    y = LABELS if cls is ScratchMLPClassifier else NUMBERS
    estimator = cls(hidden_layer_sizes=(8,), max_iter=10, random_state=0, dropout=0.2)
    with threadpool_limits(1):
        one, two = (
            GridSearchCV(estimator, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=n).fit(X, y)
            for n in (1, 2)
        )
    assert_array_equal(
        one.best_estimator_.network_.parameters,
        two.best_estimator_.network_.parameters,
    )
    for name in ("mean_test_score", "split0_test_score", "split1_test_score"):
        assert_array_equal(one.cv_results_[name], two.cv_results_[name])
