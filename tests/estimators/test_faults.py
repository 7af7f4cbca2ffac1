"""What goes wrong in the middle of a training: divergence and interruption."""

import contextlib
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import make_data, parameters_of, quietly
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skscratch import OPTIMIZERS, ScratchMLPClassifier, ScratchMLPRegressor

SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 0}
EVERY_CLASS = [ScratchMLPClassifier, ScratchMLPRegressor]
both = pytest.mark.parametrize("cls", EVERY_CLASS)
every_solver = pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
every_stochastic_solver = pytest.mark.parametrize("solver", OPTIMIZERS)
OPTIONS = {
    "plain": {},
    "averaged": {"averaging": 0.5},
    "validated": {"early_stopping": True},
    "averaged and validated": {"averaging": 0.5, "early_stopping": True},
}
every_option = pytest.mark.parametrize("option", OPTIONS)


def data(cls, n_samples=60):
    X, y = make_data("many classes", n_samples)
    return X, (X[:, 0] - X[:, 1] if cls is ScratchMLPRegressor else y)


# Divergence


@both
@every_stochastic_solver
@every_option
@pytest.mark.parametrize("failure", [np.nan, np.inf])
def test_last_whole_epoch_is_kept_where_a_later_one_diverges(
    cls, solver, option, failure, fail_at
):
    X, y = data(cls)
    options = SMALL | OPTIONS[option] | {"solver": solver, "batch_size": 20}
    shorter = quietly(cls(**options | {"max_iter": 3}).fit, X, y)
    # Three batches an epoch, two where a tenth is set aside and 54 rows are left.
    fail_at(3 * 3 + 2, failure)
    with pytest.warns(ConvergenceWarning, match="diverged after 3 epochs") as caught:
        diverged = cls(**options).fit(X, y)
    assert len(caught) == 1
    assert_array_equal(parameters_of(diverged), parameters_of(shorter))
    assert diverged.n_iter_ == len(diverged.loss_curve_) == 4
    assert not np.isfinite(diverged.loss_)
    assert diverged.loss_curve_[:3] == shorter.loss_curve_
    if "validated" in option:
        assert diverged.validation_scores_[:3] == shorter.validation_scores_
        assert np.isnan(diverged.validation_scores_[3])
        assert diverged.best_epoch_ == shorter.best_epoch_
    # And it goes on from there, with a new optimizer.
    if "validated" not in option:
        assert np.isfinite(parameters_of(diverged.partial_fit(X, y))).all()


@both
@every_solver
@pytest.mark.parametrize("fitted", [False, True])
def test_training_that_diverges_at_once_is_refused(cls, solver, fitted, fail_at):
    X, y = data(cls)
    estimator = cls(**SMALL, solver=solver, warm_start=True)
    if fitted:
        quietly(estimator.fit, X, y)
    before = dict(vars(estimator))
    parameters = parameters_of(estimator).copy() if fitted else None
    fail_at(1, np.nan)
    message = "Solver produced non-finite parameter weights.*standardize the features"
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)
    assert vars(estimator) == before
    if fitted:
        assert_array_equal(parameters_of(estimator), parameters)


def test_lbfgs_on_large_numbers_ends_finite_or_is_refused():
    X, y = data(ScratchMLPClassifier)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        estimator = ScratchMLPClassifier(**SMALL, solver="lbfgs")
        quietly(estimator.fit, 1e150 * X, y)
        assert np.isfinite(parameters_of(estimator)).all()
        with pytest.raises(ValueError, match=r"non-finite.*columns 0 \(\d\.\de\+1"):
            ScratchMLPRegressor(**SMALL, solver="lbfgs").fit(1e150 * X, y)


@both
@every_stochastic_solver
def test_nothing_of_numpys_warnings_leaks(cls, solver):
    X, y = data(cls)
    wild = {"solver": solver, "learning_rate_init": 1e30, "alpha": 1e10}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = cls(**SMALL | wild | {"max_iter": 50})
        with contextlib.suppress(ValueError):
            estimator.fit(1e5 * X, y)
            assert np.isfinite(parameters_of(estimator)).all()


@every_stochastic_solver
def test_advice_names_what_can_be_changed(solver, fail_at):
    X, y = data(ScratchMLPClassifier)
    fail_at(1, np.nan)
    estimator = ScratchMLPClassifier(
        **SMALL, solver=solver, learning_rate_init=0.3, max_grad_norm=7.0
    )
    message = r"lower learning_rate_init=0.3, set max_grad_norm \(now 7.0\)\.$"
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)


@both
@pytest.mark.parametrize("form", ["array", "frame", "sparse"])
@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_columns_of_another_scale_are_named_where_training_suffers(cls, form, factor):
    X, y = data(cls)
    X = X * [1, factor, 1, 1]
    name = "1"
    if form == "frame":
        X, name = pd.DataFrame(X, columns=["a", "income", "c", "d"]), "income"
    X = sparse.csr_array(X) if form == "sparse" else X
    message = rf"those of columns {name} \(\d\.\de[+-]0[789]\)\."
    with pytest.warns(ConvergenceWarning, match=message):
        cls(**SMALL).fit(X, y)
    # And only there.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cls(**SMALL | {"max_iter": 500}, tol=1e12, n_iter_no_change=1).fit(X, y)


def test_columns_of_the_usual_scale_are_not_named():
    X, y = data(ScratchMLPClassifier)
    with pytest.warns(ConvergenceWarning) as caught:
        ScratchMLPClassifier(**SMALL).fit(X, y)
    assert "columns" not in str(caught[0].message)


# Interruption


@both
@every_stochastic_solver
@every_option
@pytest.mark.parametrize("n_whole", [0, 2])
def test_an_interrupt_in_a_step_keeps_the_last_whole_epoch(
    cls, solver, option, n_whole, fail_at
):
    X, y = data(cls)
    options = SMALL | OPTIONS[option] | {"solver": solver, "batch_size": 20}
    # An average of equal parameters may be rounded otherwise than they are.
    no_step = {"max_iter": 1, "learning_rate_init": 1e-300, "averaging": None}
    shorter = quietly(cls(**options | no_step).fit, X, y)
    if n_whole:
        shorter = quietly(cls(**options | {"max_iter": n_whole}).fit, X, y)
    fail_at(3 * n_whole + 2, KeyboardInterrupt())
    with pytest.warns(UserWarning, match=f"finished {n_whole} epochs"):
        interrupted = cls(**options, warm_start=True).fit(X, y)
    assert_array_equal(parameters_of(interrupted), parameters_of(shorter))
    assert interrupted.n_iter_ == len(interrupted.loss_curve_) == n_whole
    interrupted.predict(X)
    quietly(interrupted.fit, X, y)
    assert not np.array_equal(parameters_of(interrupted), parameters_of(shorter))


@both
@every_stochastic_solver
def test_an_interrupt_of_a_stream_takes_back_the_part(cls, solver, fail_at):
    X, y = data(cls)
    extra = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    estimator = cls(**SMALL, solver=solver, batch_size=20).partial_fit(X, y, **extra)
    before = parameters_of(estimator).copy()
    fail_at(2, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="finished 0 epochs"):
        estimator.partial_fit(X, y)
    assert_array_equal(parameters_of(estimator), before)
    assert len(estimator.loss_curve_) == 1
    estimator.partial_fit(X, y)
    assert len(estimator.loss_curve_) == 2


@both
@pytest.mark.parametrize("n", [1, 9])
def test_an_interrupt_of_lbfgs_keeps_its_iterations(cls, n, fail_at):
    X, y = data(cls)
    fail_at(n, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        interrupted = cls(**SMALL | {"max_iter": 50}, solver="lbfgs").fit(X, y)
    assert interrupted.n_iter_ == len(interrupted.loss_curve_)
    options = SMALL | {"solver": "lbfgs", "max_iter": max(interrupted.n_iter_, 1)}
    shorter = quietly(cls(**options).fit, X, y)
    same = np.array_equal(parameters_of(interrupted), parameters_of(shorter))
    assert same == (interrupted.n_iter_ > 0) == (n > 1)


@both
def test_an_interrupt_before_training_leaves_all_as_it_was(cls, monkeypatch):
    X, y = data(cls)
    estimator = quietly(cls(**SMALL).fit, X, y)
    before, parameters = dict(vars(estimator)), parameters_of(estimator).copy()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cls, "_make_targets", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :2], y)
    assert vars(estimator) == before
    assert_array_equal(parameters_of(estimator), parameters)


@both
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_estimators": 3},
        {"early_stopping": True, "restore_best": "together", "n_estimators": 2},
        {"solver": "lbfgs"},
        {"n_estimators": 2, "solver": "sgd", "learning_rate": "adaptive"},
    ],
    ids=str,
)
def test_an_estimator_knows_whether_its_last_call_was_interrupted(
    cls, options, fail_at
):
    X, y = data(cls)
    estimator = cls(**SMALL | options)
    answers = []
    fail_at(30, KeyboardInterrupt())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(8):
            estimator.fit(X, y)
            copied = pickle.loads(pickle.dumps(estimator))
            members = getattr(estimator, "estimators_", [])
            answers.append(estimator.is_interrupted_)
            for each in (copied, *members):
                assert each.is_interrupted_ is answers[-1]
    # Not before, and not after.
    assert answers.count(True) == 1
    assert answers[-1] is False


@both
def test_an_interrupted_part_of_a_stream_is_known_until_the_next(cls, fail_at):
    X, y = data(cls)
    extra = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    estimator = cls(**SMALL)
    fail_at(2, KeyboardInterrupt())
    for expected in (False, True, False):
        context = contextlib.nullcontext()
        if expected:
            context = pytest.warns(UserWarning, match="interrupted by user")
        with context:
            estimator.partial_fit(X, y, **extra)
        assert estimator.is_interrupted_ is expected


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_an_interrupt_of_the_intervals_is_one_of_the_fit(n_estimators, fail_at):
    X, y = data(ScratchMLPRegressor)
    options = SMALL | {"n_estimators": n_estimators, "intervals": True}
    whole = quietly(ScratchMLPRegressor(**options).fit, X, y)
    fail_at(SMALL["max_iter"] + 3, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted by user.*finished 2 epochs"):
        cut = quietly(ScratchMLPRegressor(**options).fit, X, y)
    assert_array_equal(parameters_of(cut), parameters_of(whole))
    assert (whole.is_interrupted_, cut.is_interrupted_) == (False, True)
    assert cut.predict_interval(X).shape == (60, 2)


class Acting:
    """Callback that does something at the end of each epoch."""

    def __init__(self, act):
        self.act = act

    def setup(self, estimator, context):
        """Nothing to set up."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.act(estimator)


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_an_interrupt_after_the_last_epoch_keeps_the_training(cls, n_estimators):
    X, y = data(cls)
    options = SMALL | {"max_iter": 30, "tol": 1e9, "n_iter_no_change": 2}
    options["n_estimators"] = n_estimators
    whole = quietly(cls(**options).fit, X, y)

    def interrupt(estimator):
        if estimator.n_iter_ == whole.n_iter_:
            raise KeyboardInterrupt

    interrupted = cls(**options).set_callbacks(Acting(interrupt))
    with pytest.warns(UserWarning, match=f"finished {whole.n_iter_} epochs"):
        interrupted.fit(X, y)
    assert_array_equal(parameters_of(interrupted), parameters_of(whole))


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_callbacks_may_predict_in_a_first_fit_and_in_a_refit(n_estimators):
    X, y = data(ScratchMLPClassifier)
    shapes = []
    estimator = ScratchMLPClassifier(**SMALL, n_estimators=n_estimators)
    estimator.set_callbacks(
        Acting(lambda fitting: shapes.append(fitting.predict_proba(X).shape))
    )
    for classes in (2, len(np.unique(y))):
        shapes.clear()
        quietly(estimator.fit, X, y % classes)
        assert set(shapes) == {(len(X), classes)}
