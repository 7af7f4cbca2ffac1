"""scikit-learn's callbacks: what they hear of a fit, and that they do not change it."""

import copy
import pickle
import re
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from estimator_strategies import FORMATS, make_data, parameters_of
from numpy.testing import assert_array_equal
from rich.progress import Progress
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    OPTIMIZERS,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
)

# A few epochs are enough for a property; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CLASSES = [ScratchMLPClassifier, ScratchMLPRegressor]
STOCHASTIC = sorted(OPTIMIZERS)
SOLVERS = [*STOCHASTIC, "lbfgs"]
N_EPOCHS = 4
SCORES = {ScratchMLPClassifier: "accuracy", ScratchMLPRegressor: "r2"}
SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": N_EPOCHS, "random_state": 0}
# What only the solvers that work in steps have.
OPTIONS = {
    "plain": {},
    "averaged": {"averaging": 0.9},
    "validated": {"early_stopping": True},
    "averaged and validated": {"averaging": 0.9, "early_stopping": True},
    "dropped out": {"dropout": 0.3, "batch_size": 16},
    "planned": {"learning_rate": "one_cycle", "max_grad_norm": 1.0},
}
KINDS_OF_FIT = ["a first fit", "a warm start", "a part of a stream"]
# A part of a stream is nothing for lbfgs.
FITS = [(solver, kind) for solver in SOLVERS for kind in KINDS_OF_FIT][:-1]
every_class = pytest.mark.parametrize("cls", CLASSES)
every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_stochastic_solver = pytest.mark.parametrize("solver", STOCHASTIC)
every_fit = pytest.mark.parametrize(("solver", "kind_of_fit"), FITS)
every_option = pytest.mark.parametrize("option", OPTIONS)


class Listener:
    """Callback that notes what it hears, keeps what it is given, and may act.

    Parameters
    ----------
    acts : dict, default=()
        By a hook, such as ``("end", (0, 2))``, or "setup": an error to raise there, or
        what to return.

    Attributes
    ----------
    heard : list
        Hooks that were called, in order: "setup", ``("begin", path of the task)``.
    given : list of dict
        What came with each hook of a task.
    kept : dict
        Fitted estimators by the path of the task that ended.
    """

    def __init__(self, acts=()):
        self.acts = dict(acts)
        self.heard, self.given, self.kept, self.sizes = [], [], {}, {}

    def setup(self, estimator, context):
        self._hear("setup")

    def teardown(self, estimator, context):
        self._hear("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.given.append({"X": X, "y": y, "metadata": metadata})
        self.sizes[path_of(context)] = context.max_subtasks
        self._hear(("begin", path_of(context)))

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        self.given.append({"X": X, "y": y, "metadata": metadata})
        self.kept[path_of(context)] = fitted_estimator
        return self._hear(("end", path_of(context)))

    def _hear(self, hook):
        self.heard.append(hook)
        act = self.acts.get(hook)
        if isinstance(act, BaseException):
            raise act
        return act

    def epochs(self):
        """Fitted estimators of the epochs of the last fit, in order."""
        return [est for path, est in sorted(self.kept.items()) if len(path) == 2]


def path_of(context):
    """Ids of a task and its ancestors, the outermost first."""
    if context.parent is None:
        return (context.task_id,)
    return (*path_of(context.parent), context.task_id)


def story(n_epochs):
    """All that is to be heard of a fit of so many epochs."""
    epochs = [((kind, (0, i))) for i in range(n_epochs) for kind in ("begin", "end")]
    return ["setup", ("begin", (0,)), *epochs, ("end", (0,)), "teardown"]


def data_for(cls, format_name="dense"):
    X, y = make_data("many classes", 40, format_name)
    return X, (y if cls is ScratchMLPClassifier else y - 1.5)


def make(cls=ScratchMLPClassifier, **parameters):
    return cls(**SMALL | parameters)


def listened(cls=ScratchMLPClassifier, acts=(), **parameters):
    """Return an estimator that was fitted with a listener, and the listener."""
    listener = Listener(acts)
    return make(cls, **parameters).set_callbacks(listener).fit(*data_for(cls)), listener


def assert_same_bits(ours, others, X):
    """Check that two estimators learnt the same, and say the same of it."""
    assert_array_equal(parameters_of(ours), parameters_of(others))
    assert_array_equal(ours.predict(X), others.predict(X))
    assert public(ours) == public(others)


def public(estimator):
    """Fitted attributes that tell of the training."""
    names = ("loss_", "best_loss_", "loss_curve_", "learning_rate_curve_")
    names += ("validation_scores_", "validation_loss_curve_", "best_validation_score_")
    names += ("best_epoch_", "t_", "n_iter_")
    return {name: getattr(estimator, name) for name in names}


def contents(estimator):
    """All that an estimator holds but its callbacks, as a hash."""
    state = {k: v for k, v in vars(estimator).items() if k != "_skl_callbacks"}
    return joblib.hash(state)


def prepared(kind_of_fit, cls, **parameters):
    """Return an estimator before a fit of this kind, and the method that fits it."""
    estimator = make(cls, **parameters)
    if kind_of_fit == "a first fit":
        return estimator, estimator.fit
    X, y = data_for(cls)
    if kind_of_fit == "a warm start":
        estimator.set_params(warm_start=True).fit(X, y)
        return estimator, estimator.fit
    for _ in range(2):
        options = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
        estimator.partial_fit(X, y, **options)
    return estimator, estimator.partial_fit


# Tasks


@every_class
@every_solver
def test_a_fit_is_a_task_with_one_for_each_epoch(cls, solver):
    estimator, listener = listened(cls, solver=solver)
    assert estimator.n_iter_ == N_EPOCHS
    assert listener.heard == story(N_EPOCHS)
    epochs = {(0, i): 0 for i in range(N_EPOCHS)}
    assert listener.sizes == {(0,): N_EPOCHS} | epochs


@every_solver
def test_a_fit_that_converges_begins_no_task_that_does_not_end(solver):
    estimator, listener = listened(
        solver=solver,
        max_iter=500,
        tol=1e-3 if solver == "lbfgs" else 0.1,
        n_iter_no_change=1,
    )
    assert 1 < estimator.n_iter_ < 500
    assert listener.heard == story(estimator.n_iter_)
    assert listener.sizes[0,] == 500


@every_class
@every_stochastic_solver
def test_a_part_of_a_stream_is_one_task(cls, solver):
    estimator, partial_fit = prepared("a part of a stream", cls, solver=solver)
    listener = Listener()
    estimator.set_callbacks(listener)
    for calls in (1, 2):
        partial_fit(*data_for(cls))
        assert listener.heard == story(1) * calls
        assert listener.sizes == {(0,): 1, (0, 0): 0}
        assert listener.kept[0, 0].loss_curve_ == estimator.loss_curve_
    assert len(estimator.loss_curve_) == 4


@every_solver
def test_each_warm_start_is_a_fit_of_its_own(solver):
    estimator, listener = listened(solver=solver, warm_start=True)
    n_first = len(estimator.loss_curve_)
    estimator.fit(*data_for(ScratchMLPClassifier))
    assert estimator.n_iter_ == N_EPOCHS
    assert listener.heard == story(N_EPOCHS) * 2
    # Histories of the stochastic solvers go on, that of lbfgs begins anew.
    before = n_first if solver in STOCHASTIC else 0
    lengths = [len(kept.loss_curve_) for kept in listener.epochs()]
    assert lengths == [before + i for i in range(1, N_EPOCHS + 1)]


@pytest.mark.usefixtures("numpy_trains")
@every_solver
def test_the_work_of_an_epoch_lies_between_its_hooks(solver, monkeypatch):
    listener, honest = Listener(), Network.cost_and_gradients

    def heard(network, *args, **kwargs):
        listener.heard.append("work")
        return honest(network, *args, **kwargs)

    monkeypatch.setattr(Network, "cost_and_gradients", heard)
    make(solver=solver).set_callbacks(listener).fit(*data_for(ScratchMLPClassifier))
    for i in range(N_EPOCHS):
        begin, end = (listener.heard.index((kind, (0, i))) for kind in ("begin", "end"))
        assert "work" in listener.heard[begin:end]


@every_solver
def test_without_callbacks_there_is_nothing_to_hear(solver):
    estimator, listener = listened(solver=solver)
    estimator.set_callbacks().fit(*data_for(ScratchMLPClassifier))
    assert listener.heard == story(N_EPOCHS)


# What callbacks are given


@every_solver
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("format_name", [*FORMATS, "list", "frame"])
def test_callbacks_are_given_what_the_user_gave(solver, weighted, format_name):
    X, y = make_data("two classes", 40)
    if format_name in FORMATS:
        X = FORMATS[format_name](X)
    elif format_name == "frame":
        X, y = (
            pd.DataFrame(X).add_prefix("feature "),
            pd.Series(y).map(["no", "yes"].__getitem__),
        )
    else:
        X, y = X.tolist(), y.tolist()
    # Rows of weight zero are left out of training, but not of what callbacks see.
    weights = list(np.arange(40) % 3)
    listener = Listener()
    estimator = make(solver=solver).set_callbacks(listener)
    estimator.fit(X, y, weights if weighted else None)
    assert len(listener.given) == 2 * (1 + N_EPOCHS)
    for given in listener.given:
        assert given["X"] is X
        assert given["y"] is y
        if weighted:
            assert list(given["metadata"]) == ["sample_weight"]
            assert given["metadata"]["sample_weight"] is weights
        else:
            assert not given["metadata"]


def test_a_part_of_a_stream_comes_with_its_weights():
    X, y = data_for(ScratchMLPRegressor)
    listener, weights = Listener(), np.arange(40.0)
    estimator = make(ScratchMLPRegressor).set_callbacks(listener)
    estimator.partial_fit(X, y, sample_weight=weights)
    estimator.partial_fit(X, y)
    metadata = [given["metadata"] for given in listener.given]
    assert all(data["sample_weight"] is weights for data in metadata[:4])
    assert not any(metadata[4:])


# A fitted estimator to look at


@every_class
@every_solver
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kept_estimator_is_that_of_a_training_that_ended_then(cls, solver, dtype):
    """Also when training has ended since, and gone on."""
    X, y = data_for(cls)
    estimator, listener = listened(cls, solver=solver, dtype=dtype, warm_start=True)
    kept = listener.epochs()
    estimator.fit(X, y)
    assert len(kept) == N_EPOCHS
    for n_epochs, then in enumerate(kept, start=1):
        honest = make(cls, solver=solver, dtype=dtype, max_iter=n_epochs).fit(X, y)
        assert type(then) is cls
        assert_same_bits(then, honest, X)
        with np.testing.assert_raises(AssertionError):
            assert_array_equal(parameters_of(then), parameters_of(estimator))


@every_class
@every_stochastic_solver
def test_a_kept_estimator_predicts_with_averaged_weights(cls, solver):
    X, y = data_for(cls)
    options = {"solver": solver, "averaging": 0.9, "batch_size": 16}
    for n_epochs, then in enumerate(listened(cls, **options)[1].epochs(), start=1):
        honest = make(cls, max_iter=n_epochs, **options).fit(X, y)
        assert_same_bits(then, honest, X)
        last = make(cls, max_iter=n_epochs, **options | {"averaging": None}).fit(X, y)
        assert not np.array_equal(parameters_of(then), parameters_of(last))


@every_class
@every_solver
def test_at_the_end_of_the_fit_comes_the_estimator_as_it_stays(cls, solver):
    X, _ = data_for(cls)
    for option in OPTIONS.values() if solver in STOCHASTIC else [{}]:
        estimator, listener = listened(cls, solver=solver, **option)
        assert_same_bits(listener.kept[0,], estimator, X)


@every_solver
@pytest.mark.parametrize("path", [(0, 1), (0,)])
def test_a_kept_estimator_and_the_live_one_have_nothing_in_common(solver, path):
    X, _ = data_for(ScratchMLPClassifier)
    estimator, listener = listened(solver=solver)
    kept = listener.kept[path]
    live, then = parameters_of(estimator), parameters_of(kept)
    kept.coefs_[0][...] = 7
    kept.intercepts_ = [b + 1 for b in kept.intercepts_]
    kept.loss_curve_.append(0.0)
    assert_array_equal(parameters_of(estimator), live)
    assert len(estimator.loss_curve_) == N_EPOCHS
    kept.network_.restore(np.zeros_like(then))
    predicted = kept.predict(X)
    estimator.coefs_[0][...] = 3
    assert not parameters_of(kept).any()
    assert_array_equal(kept.predict(X), predicted)


@pytest.mark.parametrize("option", ["plain", "averaged"])
def test_what_is_kept_of_the_whole_fit_stays_when_training_goes_on(option):
    X, y = data_for(ScratchMLPClassifier)
    estimator, listener = listened(**OPTIONS[option])
    kept = listener.kept[0,]
    before = parameters_of(kept)
    estimator.set_callbacks().partial_fit(X, y)
    assert_array_equal(parameters_of(kept), before)


@every_stochastic_solver
@pytest.mark.parametrize("option", ["plain", "averaged"])
def test_a_callback_may_train_what_it_is_given(solver, option):
    """And write into it: the fit that goes on does not notice."""
    X, y = data_for(ScratchMLPClassifier)
    trained = []

    class Trainer(Listener):
        def _hear(self, hook):
            if hook[0] == "end" and len(hook[1]) == 2:
                given = self.kept[hook[1]].set_callbacks()
                assert given.partial_fit(X, y).n_iter_ == 1
                given.coefs_[0][...] = 0
                trained.append(given)

    estimator = make(solver=solver, **OPTIONS[option]).set_callbacks(Trainer())
    estimator.fit(X, y)
    assert len(trained) == N_EPOCHS
    assert_same_bits(estimator, make(solver=solver, **OPTIONS[option]).fit(X, y), X)


@every_class
@every_solver
def test_a_kept_estimator_can_be_pickled(cls, solver):
    X, _ = data_for(cls)
    option = {} if solver == "lbfgs" else OPTIONS["averaged"]
    for kept in listened(cls, solver=solver, **option)[1].kept.values():
        loaded = pickle.loads(pickle.dumps(kept))
        assert_same_bits(loaded, kept, X)


@every_class
@every_stochastic_solver
@pytest.mark.parametrize("option", ["plain", "averaged"])
def test_a_kept_estimator_can_go_on(cls, solver, option):
    """As one that was fitted so far would, and the live one notices nothing."""
    X, y = data_for(cls)
    estimator, listener = listened(cls, solver=solver, **OPTIONS[option])
    before = contents(estimator)
    then = listener.kept[0, 1].set_callbacks()
    honest = make(cls, solver=solver, max_iter=2, **OPTIONS[option]).fit(X, y)
    # What a pickle goes on with: the optimizer is not kept.
    honest = pickle.loads(pickle.dumps(honest))
    for _ in range(2):
        assert_same_bits(then.partial_fit(X, y), honest.partial_fit(X, y), X)
    assert len(then.loss_curve_) == 4
    assert contents(estimator) == before
    assert listener.heard == story(N_EPOCHS)


def test_a_kept_estimator_is_in_no_fit():
    """A fit that it refuses is not one whose callbacks are to be torn down."""
    X, y = data_for(ScratchMLPClassifier)
    _, listener = listened()
    with pytest.raises(ValueError, match="features"):
        listener.kept[0, 1].partial_fit(X[:, :2], y)
    assert listener.heard == story(N_EPOCHS)


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, by_pickle])
@every_solver
def test_a_copy_from_within_a_fit_is_in_none(how, solver):
    """And holds none of the data of that."""
    X, y = data_for(ScratchMLPClassifier)
    copies = []

    class Copying(Listener):
        def on_fit_task_end(self, estimator, context):
            callbacks = vars(estimator).pop("_skl_callbacks")
            copies.append(how(estimator))
            estimator._skl_callbacks = callbacks

    make(solver=solver).set_callbacks(Copying()).fit(X, y)
    first = copies[0]
    assert not {"_callback_fit_ctx"} & vars(first).keys()
    first.fit(X, y)
    assert_same_bits(first, make(solver=solver).fit(X, y), X)


def test_what_was_kept_in_a_pipeline_can_be_fitted_alone(capsys):
    X, y = data_for(ScratchMLPClassifier)
    listener = Listener()
    pipeline = make_pipeline(StandardScaler(), make().set_callbacks(listener))
    pipeline.set_callbacks(ProgressBar()).fit(X, y)
    kept = next(iter(listener.kept.values()))
    listener.heard.clear()
    capsys.readouterr()
    kept.fit(X, y)
    assert listener.heard == story(N_EPOCHS)
    assert "100%" in capsys.readouterr().out


# Training is not changed


@every_class
@every_stochastic_solver
@every_option
def test_callbacks_do_not_change_a_training(cls, solver, option):
    X, y = data_for(cls)
    estimator, listener = listened(cls, solver=solver, **OPTIONS[option])
    assert len(listener.epochs()) == estimator.n_iter_
    honest = make(cls, solver=solver, **OPTIONS[option]).fit(X, y)
    assert_same_bits(estimator, honest, X)
    # Nor what it goes on with.
    if not (estimator.early_stopping or option == "planned"):
        estimator.partial_fit(X, y)
        assert_same_bits(estimator, honest.partial_fit(X, y), X)


@every_class
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_iter", [N_EPOCHS, 200])
def test_callbacks_do_not_change_lbfgs(cls, dtype, max_iter):
    X, y = data_for(cls)
    options = {"solver": "lbfgs", "dtype": dtype, "max_iter": max_iter}
    estimator, listener = listened(cls, **options)
    assert len(listener.epochs()) == estimator.n_iter_
    assert_same_bits(estimator, make(cls, **options).fit(X, y), X)


@every_stochastic_solver
def test_callbacks_do_not_change_a_stream(solver):
    X, y = data_for(ScratchMLPRegressor)
    ours = make(ScratchMLPRegressor, solver=solver, averaging=0.9)
    others = clone(ours).set_callbacks(Listener())
    for _ in range(3):
        assert_same_bits(ours.partial_fit(X, y), others.partial_fit(X, y), X)


# The stop flag


@every_class
@every_solver
@pytest.mark.parametrize("flag", [True, 1, np.True_])
def test_a_callback_can_stop_training(cls, solver, flag):
    X, y = data_for(cls)
    option = {} if solver == "lbfgs" else OPTIONS["averaged"]
    with warnings.catch_warnings():
        # Who stops training knows that it has not converged.
        warnings.simplefilter("error", ConvergenceWarning)
        stopped, listener = listened(
            cls, {("end", (0, 1)): flag}, solver=solver, **option
        )
    assert listener.heard == story(2)
    honest = make(cls, solver=solver, max_iter=2, **option).fit(X, y)
    assert_same_bits(stopped, honest, X)


@every_solver
@pytest.mark.parametrize("epoch", [0, N_EPOCHS - 1])
def test_training_can_be_stopped_in_its_first_and_in_its_last_epoch(solver, epoch):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        stopped, listener = listened(acts={("end", (0, epoch)): True}, solver=solver)
    assert stopped.n_iter_ == len(stopped.loss_curve_) == epoch + 1
    assert listener.heard == story(epoch + 1)


@every_solver
def test_callbacks_that_stop_nothing_leave_the_warning(solver):
    with pytest.warns(ConvergenceWarning, match="hasn't converged|failed to converge"):
        listened(acts={("end", (0, 1)): False, ("end", (0,)): True}, solver=solver)


def test_one_callback_of_several_is_enough_to_stop():
    X, y = data_for(ScratchMLPClassifier)
    stopping, other = Listener({("end", (0, 1)): True}), Listener()
    for callbacks in ((stopping, other), (other, stopping)):
        estimator = make().set_callbacks(*callbacks).fit(X, y)
        assert estimator.n_iter_ == 2


@every_stochastic_solver
@pytest.mark.parametrize("averaging", [None, 0.9])
def test_who_stops_early_stopping_gets_the_best_epoch(solver, averaging):
    X, y = data_for(ScratchMLPClassifier)

    def fit(n_epochs, *callbacks):
        scores = iter([0.5, 0.9, 0.1, 0.2])
        estimator = make(
            solver=solver,
            averaging=averaging,
            early_stopping=True,
            scoring=lambda estimator, X, y: next(scores),
            max_iter=n_epochs,
        )
        return estimator.set_callbacks(*callbacks).fit(X, y)

    listener = Listener({("end", (0, 3)): True})
    stopped = fit(50, listener)
    assert listener.heard == story(4)
    assert (stopped.n_iter_, stopped.best_epoch_) == (4, 2)
    assert stopped.validation_scores_ == [0.5, 0.9, 0.1, 0.2]
    assert_array_equal(parameters_of(stopped), parameters_of(fit(2)))
    assert_array_equal(parameters_of(listener.kept[0,]), parameters_of(stopped))


def test_a_stop_is_of_its_own_fit_alone():
    X, y = data_for(ScratchMLPClassifier)
    for solver in SOLVERS:
        estimator, listener = listened(
            acts={("end", (0, 0)): True}, solver=solver, warm_start=True
        )
        assert estimator.n_iter_ == 1
        listener.acts.clear()
        assert estimator.fit(X, y).n_iter_ == N_EPOCHS


# Errors


# Where an error comes before any epoch is whole, and where tearing down fails.
TO_BE_REFUSED = ["setup", ("begin", (0,)), ("begin", (0, 0)), "teardown"]


@every_fit
@pytest.mark.parametrize("hook", TO_BE_REFUSED, ids=str)
def test_an_error_in_a_hook_leaves_the_estimator_as_it_was(solver, hook, kind_of_fit):
    whole_story = story(1 if kind_of_fit == "a part of a stream" else N_EPOCHS)
    for cls in CLASSES:
        estimator, fit = prepared(kind_of_fit, cls, solver=solver)
        error = RuntimeError("the hook's own")
        before, listener = contents(estimator), Listener({hook: error})
        estimator.set_callbacks(listener)
        with pytest.raises(RuntimeError) as caught:
            fit(*data_for(cls))
        assert caught.value is error
        told = whole_story[: whole_story.index(hook) + 1]
        assert listener.heard == told + (["teardown"] if hook != "teardown" else [])
        assert contents(estimator) == before
        # And it can be fitted, as if nothing had happened.
        listener.acts.clear()
        listener.heard.clear()
        fit(*data_for(cls))
        assert listener.heard == whole_story


@every_solver
@pytest.mark.parametrize(
    ("hook", "n_whole"),
    [
        (("end", (0, 0)), 1),
        (("begin", (0, 2)), 2),
        (("end", (0, 2)), 3),
        (("end", (0,)), N_EPOCHS),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "option", ["plain", "averaged", "validated", "averaged and validated"]
)
def test_an_error_in_a_hook_keeps_the_epochs_before_it(solver, hook, n_whole, option):
    """As an interruption does, and it is raised."""
    if solver == "lbfgs" and option != "plain":
        return
    X, y = data_for(ScratchMLPClassifier)
    error = RuntimeError("the hook's own")
    listener = Listener({hook: error})
    estimator = make(solver=solver, **OPTIONS[option]).set_callbacks(listener)
    with pytest.raises(RuntimeError) as caught:
        estimator.fit(X, y)
    assert caught.value is error
    assert listener.heard[-1] == "teardown"
    options = OPTIONS[option] | {"solver": solver, "max_iter": n_whole}
    assert_same_bits(estimator, make(**options).fit(X, y), X)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == n_whole
    # And it goes on from there.
    listener.acts.clear()
    estimator.set_params(warm_start=True).fit(X, y)


@every_stochastic_solver
@pytest.mark.parametrize("failing", [1, 3])
def test_an_error_of_a_scorer_keeps_the_epochs_before_it(solver, failing):
    X, y = data_for(ScratchMLPClassifier)
    scores = iter([0.1, 0.3, 0.2][: failing - 1])

    def scorer(estimator, X, y):
        try:
            return next(scores)
        except StopIteration:
            raise RuntimeError("no score") from None

    estimator = make(solver=solver, early_stopping=True, scoring=scorer)
    before = set(vars(estimator))
    with pytest.raises(RuntimeError, match="no score"):
        estimator.fit(X, y, X_val=X, y_val=y)
    if failing == 1:
        assert set(vars(estimator)) == before
        return
    assert estimator.validation_scores_ == [0.1, 0.3]
    assert (estimator.n_iter_, estimator.best_epoch_) == (2, 2)
    shorter = make(solver=solver, max_iter=2).fit(X, y)
    assert_array_equal(parameters_of(estimator), parameters_of(shorter))


@pytest.mark.parametrize("kind_of_fit", KINDS_OF_FIT)
@pytest.mark.parametrize(
    "wrong", ["features", "not finite", "lengths", "targets", "classes"]
)
def test_data_that_are_refused_tear_down_as_much_as_they_set_up(kind_of_fit, wrong):
    estimator, fit = prepared(kind_of_fit, ScratchMLPClassifier)
    X, y = data_for(ScratchMLPClassifier)
    if wrong == "features":
        X = X[:, :0]
    elif wrong == "not finite":
        X[3, 1] = np.nan
    elif wrong == "lengths":
        y = y[1:]
    elif wrong == "targets":
        y = y + 0.5
    elif kind_of_fit == "a first fit":
        y = np.stack([y, y], axis=1)
    else:
        y = y + 1
    before, listener = contents(estimator), Listener()
    estimator.set_callbacks(listener)
    with pytest.raises(ValueError):  # noqa: PT011
        fit(X, y)
    assert listener.heard in ([], ["setup", "teardown"])
    assert contents(estimator) == before


def test_a_validation_set_that_is_too_small_tears_down_once():
    X, _ = make_data("two classes", 24)
    estimator, listener = make(early_stopping=True), Listener()
    before = contents(estimator)
    with pytest.raises(ValueError, match="validation set is too small"):
        estimator.set_callbacks(listener).fit(X[:3], [0, 1, 1])
    assert listener.heard.count("setup") == listener.heard.count("teardown") <= 1
    assert contents(estimator) == before


def test_a_training_that_diverges_tears_down_once():
    X, y = data_for(ScratchMLPRegressor)
    y = 1e300 * y
    listener = Listener()
    estimator = make(ScratchMLPRegressor, solver="sgd", learning_rate_init=1e200)
    before = contents(estimator)
    with pytest.raises(ValueError, match="non-finite"):
        estimator.set_callbacks(listener).fit(X, y)
    assert listener.heard[0] == "setup"
    assert listener.heard[-1] == "teardown"
    assert listener.heard.count("setup") == listener.heard.count("teardown") == 1
    assert ("end", (0,)) not in listener.heard
    assert contents(estimator) == before


@every_stochastic_solver
@pytest.mark.parametrize("hook", [("end", (0, 1)), ("begin", (0, 2))])
@pytest.mark.parametrize("option", ["plain", "averaged and validated"])
def test_an_interrupt_in_a_hook_ends_training_as_any_does(solver, hook, option):
    listener = Listener({hook: KeyboardInterrupt()})
    estimator = make(solver=solver, **OPTIONS[option]).set_callbacks(listener)
    with pytest.warns(UserWarning, match="interrupted by user.*finished 2 epochs"):
        estimator.fit(*data_for(ScratchMLPClassifier))
    assert listener.heard.count("setup") == listener.heard.count("teardown") == 1
    assert listener.heard[-2:] == [("end", (0,)), "teardown"]
    options = OPTIONS[option] | {"solver": solver, "max_iter": 2}
    X, y = data_for(ScratchMLPClassifier)
    assert_same_bits(estimator, make(**options).fit(X, y), X)


@pytest.mark.parametrize("after", [0, 4])
def test_an_epoch_that_is_interrupted_ends_too(after, fail_at):
    """By Ctrl-C in the midst of a step, after which the fit returns as one that ended.

    So every task that began has ended when the fit has.
    """
    fail_at(after + 1, KeyboardInterrupt())
    listener = Listener()
    estimator = make(batch_size=18).set_callbacks(listener)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(*data_for(ScratchMLPClassifier))
    assert listener.heard == story(estimator.n_iter_ + 1)


@pytest.mark.parametrize(
    ("hook", "n_whole"), [(("begin", (0, 1)), 1), (("end", (0, 2)), 3)]
)
def test_an_interrupt_of_lbfgs_keeps_its_iterations(hook, n_whole):
    X, y = data_for(ScratchMLPClassifier)
    listener = Listener({hook: KeyboardInterrupt()})
    estimator = make(solver="lbfgs").set_callbacks(listener)
    with pytest.warns(UserWarning, match=f"finished {n_whole} epochs"):
        estimator.fit(X, y)
    assert listener.heard[-2:] == [("end", (0,)), "teardown"]
    assert callback_attributes(estimator) == {"_skl_callbacks"}
    shorter = make(solver="lbfgs", max_iter=n_whole).fit(X, y)
    assert_same_bits(estimator, shorter, X)


# Clones and pickles


def callback_attributes(estimator):
    return {name for name in vars(estimator) if "callback" in name}


@every_fit
@pytest.mark.parametrize("error", [None, RuntimeError("no")])
def test_a_fit_leaves_nothing_but_the_callbacks_themselves(solver, kind_of_fit, error):
    """As a fit of scikit-learn's own estimators does, and whether it ends or not."""
    X, y = data_for(ScratchMLPClassifier)
    theirs = LogisticRegression(max_iter=2).set_callbacks(Listener()).fit(X, y)
    estimator, fit = prepared(kind_of_fit, ScratchMLPClassifier, solver=solver)
    listener = Listener({("begin", (0, 0)): error})
    estimator.set_callbacks(listener)
    if error is None:
        fit(X, y)
    else:
        with pytest.raises(RuntimeError):
            fit(X, y)
    assert callback_attributes(estimator) == callback_attributes(theirs)
    fit = estimator.set_callbacks().fit
    fit(X, y)
    assert callback_attributes(estimator) == set()


@every_class
def test_a_clone_shares_the_callbacks_as_those_of_scikit_learn_do(cls):
    X, y = data_for(cls)
    ours, listener = listened(cls)
    theirs = LogisticRegression().set_callbacks(listener)
    for estimator in (ours, theirs):
        copied = clone(estimator)
        assert copied._skl_callbacks == [listener]
        assert copied._skl_callbacks[0] is listener
    clone(ours).fit(X, y)
    assert listener.heard == story(N_EPOCHS) * 2


@every_class
def test_a_pickle_holds_the_callbacks_and_goes_on_with_them(cls):
    X, y = data_for(cls)
    unfitted = make(cls).set_callbacks(Listener())
    assert pickle.loads(pickle.dumps(unfitted))._skl_callbacks[0].heard == []
    monitor = ScoringMonitor(scoring=SCORES[cls])
    estimator = make(cls).set_callbacks(monitor, Listener(), ProgressBar()).fit(X, y)
    loaded = pickle.loads(pickle.dumps(estimator))
    assert_same_bits(loaded, estimator, X)
    assert loaded._skl_callbacks[1].heard == story(N_EPOCHS)
    loaded.fit(X, y)
    assert loaded._skl_callbacks[1].heard == story(N_EPOCHS) * 2
    first, second = loaded._skl_callbacks[0].get_logs(select="all")
    assert first.data == second.data == monitor.get_logs().data
    assert len(monitor.get_logs(select="all")) == 1


# scikit-learn's own callbacks


def scores_of(log, name):
    """Scores of the epochs of each fit of ours, by the path of the fit."""
    fits = {}
    for row in log.data:
        if row["task_name"] == "fit":
            fits.setdefault(row["task_id_path"], [])
        else:
            fits.setdefault(row["parent_task_id_path"], []).append(row[name])
    return fits


@every_class
@every_solver
@pytest.mark.parametrize("weighted", [False, True])
def test_a_monitor_scores_each_epoch(cls, solver, weighted):
    """Of a table, without a word about its names."""
    X, y = data_for(cls)
    X = pd.DataFrame(X).add_prefix("feature ")
    weights = np.arange(40) % 3 if weighted else None
    monitor = ScoringMonitor(scoring=SCORES[cls])
    estimator = make(cls, solver=solver).set_callbacks(monitor).fit(X, y, weights)
    log = monitor.get_logs()
    expected = [
        make(cls, solver=solver, max_iter=n).fit(X, y, weights).score(X, y, weights)
        for n in range(1, N_EPOCHS + 1)
    ]
    assert scores_of(log, SCORES[cls]) == {(0,): expected}
    whole = [row[SCORES[cls]] for row in log.data if row["task_id_path"] == (0,)]
    assert whole == [estimator.score(X, y, weights)]
    assert log.estimator_name == cls.__name__


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("kind", ["two classes", "multilabel"])
def test_a_monitor_takes_the_scores_of_any_data(kind, format_name):
    X, y = make_data(kind, 40, format_name)
    monitor = ScoringMonitor(scoring=["neg_log_loss", "accuracy"])
    if kind == "multilabel":
        monitor = ScoringMonitor(scoring=["f1_macro", "accuracy"])
    estimator = make(averaging=0.9).set_callbacks(monitor).fit(X, y)
    rows = monitor.get_logs().data
    assert len(rows) == N_EPOCHS + 1
    assert rows[0]["accuracy"] == rows[-1]["accuracy"] == estimator.score(X, y)


@every_solver
def test_a_monitor_in_a_pipeline_scores_each_epoch(solver):
    X, y = data_for(ScratchMLPClassifier)
    X = pd.DataFrame(X).add_prefix("feature ")
    monitor = ScoringMonitor(scoring="accuracy")
    mlp = make(solver=solver).set_callbacks(monitor)
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, mlp).fit(X, y)
    log = monitor.get_logs()
    assert log.estimator_name == "Pipeline"
    ((path, scores),) = scores_of(log, "accuracy").items()
    assert len(path) == 2
    scaled = scaler.transform(X)
    assert scores == [
        make(solver=solver, max_iter=n).fit(scaled, y).score(scaled, y)
        for n in range(1, N_EPOCHS + 1)
    ]
    assert scores[-1] == pipeline.score(X, y)
    assert callback_attributes(mlp) == {"_skl_callbacks"}


def test_a_monitor_in_a_search_scores_each_epoch_of_each_fit():
    X, y = data_for(ScratchMLPClassifier)
    monitor = ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(
        make().set_callbacks(monitor), {"alpha": [1e-4, 1.0]}, cv=2, n_jobs=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    fits = scores_of(monitor.get_logs(), "accuracy")
    # Two folds of two candidates, and the best on all data.
    assert sorted(map(len, fits.values())) == [N_EPOCHS] * 5
    refit = search.best_estimator_
    assert sorted(fits.values()).count([]) == 0
    assert refit.score(X, y) in [scores[-1] for scores in fits.values()]


@pytest.fixture
def bars(monkeypatch):
    """Collect how far each bar came: lists of (completed, total) by description."""
    seen, honest = {}, Progress.update

    def update(progress, task_id, **changes):
        honest(progress, task_id, **changes)
        task = progress.tasks[task_id]
        seen.setdefault((task.description.strip(), task_id), []).append(
            (task.completed, task.total)
        )

    monkeypatch.setattr(Progress, "update", update)
    monkeypatch.setenv("COLUMNS", "300")
    # rich's global console keeps the width that it has when it is first used.
    monkeypatch.setattr("rich._console", None)
    return seen


def epochs_shown(bars):
    """How far each bar of a fit of ours came, epoch by epoch."""
    return [
        steps[:-1]
        for (description, _), steps in bars.items()
        if re.search(r"ScratchMLP\w+ - fit", description)
    ]


EACH_EPOCH = [(pytest.approx(i), N_EPOCHS) for i in range(1, N_EPOCHS + 1)]


def assert_all_complete(out):
    """Check that every bar was shown full in the end."""
    assert "100%" in out
    assert not re.search(r"\b[0-9]{1,2}%", out)


@every_class
@every_solver
def test_a_bar_shows_each_epoch(cls, solver, bars, capsys):
    estimator = make(cls, solver=solver).set_callbacks(ProgressBar())
    estimator.fit(*data_for(cls))
    out = capsys.readouterr().out
    assert f"{cls.__name__} - fit" in out
    assert_all_complete(out)
    assert epochs_shown(bars) == [EACH_EPOCH]


@every_solver
def test_a_bar_is_full_when_training_stops_early(solver, bars, capsys):
    stop = Listener({("end", (0, 1)): True})
    estimator = make(solver=solver).set_callbacks(ProgressBar(), stop)
    estimator.fit(*data_for(ScratchMLPClassifier))
    assert_all_complete(capsys.readouterr().out)
    assert epochs_shown(bars) == [EACH_EPOCH[:2]]


@pytest.mark.parametrize("depth", [0, 1, None])
def test_a_bar_of_a_pipeline_shows_our_epochs(depth, bars, capsys):
    mlp = make()
    pipeline = make_pipeline(StandardScaler(), mlp)
    pipeline.set_callbacks(ProgressBar(max_propagation_depth=depth))
    pipeline.fit(*data_for(ScratchMLPClassifier))
    out = capsys.readouterr().out
    assert "Pipeline - fit" in out
    assert ("ScratchMLPClassifier - fit" in out) == (depth != 0)
    assert_all_complete(out)
    assert epochs_shown(bars) == ([] if depth == 0 else [EACH_EPOCH])
    # What was propagated to ours is gone from it.
    assert callback_attributes(mlp) == set()


@pytest.mark.parametrize("nested", [False, True])
def test_a_bar_of_a_search_shows_the_epochs_of_each_fit(nested, bars, capsys):
    model, parameter = make(), "alpha"
    if nested:
        model = make_pipeline(StandardScaler(), model)
        parameter = "scratchmlpclassifier__alpha"
    search = GridSearchCV(model, {parameter: [1e-4, 1.0]}, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(*data_for(ScratchMLPClassifier))
    out = capsys.readouterr().out
    assert "GridSearchCV - fit" in out
    assert len(re.findall(r"ScratchMLPClassifier - fit", out)) == 5
    assert_all_complete(out)
    assert epochs_shown(bars) == [EACH_EPOCH] * 5


@pytest.mark.parametrize("hook", ["setup", ("end", (0, 1)), ("end", (0,))])
def test_a_bar_is_taken_down_when_a_fit_fails(hook, capsys):
    X, y = data_for(ScratchMLPClassifier)
    failing = Listener({hook: RuntimeError("no")})
    bar = ProgressBar()
    estimator = make().set_callbacks(bar, failing)
    with pytest.raises(RuntimeError, match="no"):
        estimator.fit(X, y)
    monitors = [t for t in threading.enumerate() if "Monitor" in type(t).__name__]
    assert monitors == []
    capsys.readouterr()
    estimator.set_callbacks(bar).fit(X, y)
    assert_all_complete(capsys.readouterr().out)
