"""What users stumble over: results that would be lost, or wrong in silence."""

import copy
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest
from estimator_strategies import make_data, parameters_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import seeds

from skscratch import ACTIVATIONS, Activation, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators import base

SMALL = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
both = pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
alone_and_together = pytest.mark.parametrize("n_estimators", [1, 3])
unconverged = pytest.mark.filterwarnings(
    "ignore:(Stochastic Optimizer|Training made):sklearn.exceptions.ConvergenceWarning"
)


def data(cls, n_samples=60, seed=0):
    X, y = make_data("many classes", n_samples, seed=seed)
    if cls is ScratchMLPRegressor:
        y = X[:, 0] - np.abs(X[:, 1])
    return X, y


def warned(fit):
    """Messages of the warnings of a call, and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit()
    return [str(one.message) for one in caught], result


# Training that makes the network worse


@pytest.fixture
def unscaled():
    X = np.random.default_rng(0).standard_normal((200, 3))
    return X, 1e3 * X[:, 0] + 5e3


@alone_and_together
@pytest.mark.parametrize("early_stopping", [False, True])
def test_after_divergence_the_best_epoch_is_kept(
    unscaled, n_estimators, early_stopping
):
    reg = ScratchMLPRegressor(
        solver="sgd",
        learning_rate_init=0.01,
        n_estimators=n_estimators,
        early_stopping=early_stopping,
        random_state=0,
    )
    messages, _ = warned(lambda: reg.fit(*unscaled))
    assert [message[:17] for message in messages] == ["Training diverged"]
    lowest = int(np.nanargmin(reg.loss_curve_)) + 1
    assert 1 < lowest < len(reg.loss_curve_) - 1
    cut_short = clone(reg).set_params(max_iter=lowest)
    if not early_stopping:
        assert reg.best_epoch_ == lowest
        warned(lambda: cut_short.fit(*unscaled))
        assert_array_equal(parameters_of(reg), parameters_of(cut_short))
    assert np.isfinite(reg.predict(unscaled[0])).all()
    assert np.isfinite(reg.score(*unscaled))


@unconverged
def test_after_divergence_a_warm_start_keeps_the_best_of_its_epochs(unscaled):
    reg = ScratchMLPRegressor(
        solver="sgd", learning_rate_init=1e-6, random_state=0, max_iter=3
    )
    reg.fit(*unscaled).set_params(warm_start=True, learning_rate_init=0.01, max_iter=50)
    twin = copy.deepcopy(reg)
    messages, _ = warned(lambda: reg.fit(*unscaled))
    assert "Training diverged" in messages[0]
    lowest = int(np.nanargmin(reg.loss_curve_[3:])) + 1
    warned(lambda: twin.set_params(max_iter=lowest).fit(*unscaled))
    assert_array_equal(parameters_of(reg), parameters_of(twin))


@both
@alone_and_together
def test_a_loss_that_rises_is_warned_of(cls, n_estimators):
    X = np.random.default_rng(0).random((200, 3)) * 1e6
    y = X[:, 0] > 5e5 if cls is ScratchMLPClassifier else X[:, 0]
    model = cls(solver="sgd", max_iter=12, n_estimators=n_estimators, random_state=0)
    messages, _ = warned(lambda: model.fit(X, y))
    assert len(messages) == 1
    assert messages[0].startswith("Training made the loss worse: it was ")
    assert "standardize the features" in messages[0]
    assert ("and the targets" in messages[0]) == (cls is ScratchMLPRegressor)


@both
def test_a_loss_that_falls_is_not_warned_of(cls):
    X, y = data(cls)
    model = cls(**SMALL | {"n_iter_no_change": np.inf, "learning_rate_init": 0.01})
    assert warned(lambda: model.fit(X, y))[0] == []
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@unconverged
@pytest.mark.parametrize("incremental", [False, True])
def test_predictions_that_are_not_finite_are_refused(unscaled, incremental):
    """The loss of one epoch may be finite where the weights after it are worthless."""
    X, y = unscaled
    reg = ScratchMLPRegressor(
        solver="sgd",
        learning_rate_init=1e140,
        batch_size=200,
        max_iter=1,
        random_state=0,
    )
    fit = reg.partial_fit if incremental else reg.fit
    with pytest.raises(ValueError, match="Training diverged: predictions for the tra"):
        fit(X * 1e10, y)
    assert not hasattr(reg, "coefs_")
    reg.set_params(learning_rate_init=1e-9).fit(X, y)
    before = pickle.dumps(reg)
    reg.set_params(learning_rate_init=1e140, warm_start=True)
    with pytest.raises(ValueError, match="Training diverged"):
        fit(X * 1e10, y)
    reg.set_params(learning_rate_init=1e-9, warm_start=False)
    assert pickle.dumps(reg) == before


@unconverged
def test_counts_of_infinite_expectation_are_refused():
    X, y = np.array([[0.0], [1.0]]), np.array([1e3, 2e3])
    reg = ScratchMLPRegressor(
        loss="poisson", hidden_layer_sizes=(), solver="sgd", random_state=0
    )
    reg.set_params(learning_rate_init=1e4, max_iter=1, momentum=0.0)
    with pytest.raises(ValueError, match="Training diverged: predictions"):
        reg.fit(X * 10, y)


# Log-odds


def logits(draw_seed, n_classes, scale):
    return np.random.default_rng(draw_seed).standard_normal((7, n_classes)) * scale


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


@alone_and_together
def test_decisions_are_log_odds_against_the_rest(digits, n_estimators):
    clf = ScratchMLPClassifier(
        n_estimators=n_estimators, learning_rate_init=0.01, max_iter=8, random_state=0
    )
    warned(lambda: clf.fit(*digits))
    P = clf.predict_proba(digits[0])
    decisions = clf.decision_function(digits[0])
    assert decisions.shape == P.shape
    assert_allclose(expit(decisions), P, rtol=1e-9)
    assert_array_equal(clf.classes_[decisions.argmax(axis=1)], clf.predict(digits[0]))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e3, 1e30])
@given(seed=seeds, n_classes=st.integers(3, 6), shift=st.floats(-1e3, 1e3))
def test_log_odds_are_stable_and_no_shift_changes_them(scale, seed, n_classes, shift):
    clf = ScratchMLPClassifier((), solver="lbfgs", max_iter=1, random_state=0)
    y = np.arange(n_classes)
    warned(lambda: clf.fit(np.eye(n_classes), y))
    Z = logits(seed, n_classes, scale)
    clf.coefs_, clf.intercepts_ = [np.eye(n_classes)], [np.zeros(n_classes)]
    decisions = clf.decision_function(Z)
    expected = np.array(
        [
            [z[k] - logsumexp(np.delete(z, k)) for k in range(n_classes)]
            for z in Z.astype(np.longdouble)
        ]
    )
    assert_allclose(decisions, expected.astype(float), rtol=1e-12, atol=1e-13)
    if scale <= 30:
        clf.intercepts_ = [np.full(n_classes, shift)]
        assert_allclose(clf.decision_function(Z), decisions, rtol=1e-8, atol=1e-9)


def test_calibration_of_several_classes_is_as_good_as_scikit_learns():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    losses = {}
    for cls in (MLPClassifier, ScratchMLPClassifier):
        clf = cls((30,), learning_rate_init=0.01, max_iter=20, random_state=0)
        calibrated = CalibratedClassifierCV(clf, cv=3, method="sigmoid")
        warned(lambda model=calibrated: model.fit(X[:1000], y[:1000]))
        losses[cls] = log_loss(y[1000:], calibrated.predict_proba(X[1000:]))
    assert losses[ScratchMLPClassifier] < 1.02 * losses[MLPClassifier]


def test_decisions_of_two_classes_and_of_labels_are_logits():
    X, y = load_iris(return_X_y=True)
    for y_fitted in (y == 1, np.column_stack([y == 1, y > 0]).astype(int)):
        clf = ScratchMLPClassifier(**SMALL)
        warned(lambda model=clf, y=y_fitted: model.fit(X, y))
        P = clf.predict_proba(X)[:, 1] if y_fitted.ndim == 1 else clf.predict_proba(X)
        assert_allclose(expit(clf.decision_function(X)), P, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_never_zero_and_agree_with_their_logarithms(n_classes, dtype):
    X = np.linspace(-1e4, 1e4, 30, dtype=dtype)[:, np.newaxis]
    y = np.arange(30) * n_classes // 30
    clf = ScratchMLPClassifier((), solver="lbfgs", random_state=0, dtype=dtype)
    warned(lambda: clf.fit(X / 1e4, y))
    P, log_P = clf.predict_proba(X), clf.predict_log_proba(X)
    assert P.min() == np.finfo(dtype).tiny
    assert_allclose(np.log(P), log_P, rtol=1e-4)
    assert_array_equal(P.argmax(axis=1), log_P.argmax(axis=1))
    assert_allclose(P.sum(axis=1), 1, rtol=1e-6)


# Fits beside other calls, in threads


def in_threads(*calls):
    """Run calls at the same time; return what each returned or raised."""
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        barrier.wait()
        try:
            results[i] = call()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def fast_switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@both
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("is_fitted", [False, True])
@unconverged
def test_of_two_fits_at_once_one_is_refused(cls, method, is_fitted, fast_switching):
    X, y = data(cls)
    classes = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    options = classes if method == "partial_fit" else {}
    for _ in range(20):
        model = cls(**SMALL | {"max_iter": 20})
        if is_fitted:
            model.fit(X, y)
        n_before = len(getattr(model, "loss_curve_", []))

        def fit(model=model):
            return getattr(model, method)(X, y, **options)

        results = in_threads(fit, fit, fit)
        refused = [one for one in results if isinstance(one, Exception)]
        assert all(
            isinstance(one, ValueError) and "is already being fitted" in str(one)
            for one in refused
        )
        n_calls = 3 - len(refused)
        assert n_calls >= 1
        n_epochs = n_before + n_calls if method == "partial_fit" else 20
        assert len(model.loss_curve_) == n_epochs
        assert len(model.predict(X)) == len(X)


@unconverged
def test_a_refused_fit_does_not_end_the_callbacks_of_the_first():
    events = []

    class Slow:
        """Callback that tries another fit from another thread."""

        def setup(self, estimator, context):
            events.append("setup")

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            if len(events) == 1:
                thread = threading.Thread(target=self.fit_again, args=[estimator])
                thread.start()
                thread.join()
            return False

        def fit_again(self, estimator):
            with pytest.raises(ValueError, match="is already being fitted"):
                estimator.fit(*data(ScratchMLPClassifier))
            events.append("refused")

        def teardown(self, estimator, context):
            events.append("teardown")

    clf = ScratchMLPClassifier(**SMALL).set_callbacks(Slow())
    clf.fit(*data(ScratchMLPClassifier))
    assert events == ["setup", "refused", "teardown"]
    assert clf.n_iter_ == SMALL["max_iter"]


@unconverged
def test_predictions_beside_a_refit_are_of_one_network_or_the_other(fast_switching):
    """Also where the second has another number of classes."""
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(**SMALL).fit(X, y)
    few, many = clf.predict_proba(X), None
    wide = np.arange(150) % 7
    expected = clone(clf).fit(X, wide).predict_proba(X)
    for targets in [wide, y] * 5:
        results = in_threads(
            lambda targets=targets: clf.fit(X, targets),
            *[lambda: [clf.predict_proba(X) for _ in range(20)]] * 2,
        )
        assert results[0] is clf
        for many in results[1:]:
            assert isinstance(many, list), many
            for one in many:
                assert any(
                    one.shape == P.shape and np.allclose(one, P)
                    for P in (few, expected)
                )


@both
@unconverged
def test_parameters_set_and_clones_made_during_a_fit_do_not_matter_to_it(
    cls, fast_switching
):
    X, y = data(cls)
    options = SMALL | {"max_iter": 40}
    expected = cls(**options).fit(X, y)
    for _ in range(5):
        model = cls(**options)

        def change(model=model):
            for i in range(100):
                model.set_params(alpha=float(i))
                clone(model), copy.copy(model), pickle.dumps(model), repr(model)
                copy.deepcopy(model)
            return "done"

        fitted, outcome = in_threads(lambda model=model: model.fit(X, y), change)
        assert outcome == "done", outcome
        assert fitted is model
        assert model.alpha == 99.0
        if (
            model.loss_curve_ != expected.loss_curve_
        ):  # It was changed before fit began.
            assert model.loss_curve_[0] != expected.loss_curve_[0]


class Interrupting:
    """Something of a module that lets another call come first, once."""

    def __init__(self, monkeypatch, name, call):
        self.honest, self.call = getattr(base, name), call
        monkeypatch.setattr(base, name, self)

    def __call__(self, *args, **kwargs):
        call, self.call = self.call, lambda: None
        call()
        return self.honest(*args, **kwargs)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@alone_and_together
@unconverged
def test_a_prediction_is_of_the_network_from_before_a_refit(
    method, n_estimators, monkeypatch
):
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(n_estimators=n_estimators, **SMALL).fit(X, y)
    expected = getattr(clf, method)(X)
    clf.set_params(early_stopping=True, temperature_scaling=True)
    refit = Interrupting(
        monkeypatch, "can_skip_validation", lambda: clf.fit(X, np.arange(150) % 7)
    )
    assert_array_equal(getattr(clf, method)(X), expected)
    assert refit.call() is None
    assert len(clf.classes_) == 7
    assert clf.temperature_ != 1


@both
@alone_and_together
@unconverged
def test_until_a_refit_has_ended_the_old_network_predicts(
    cls, n_estimators, monkeypatch
):
    X, y = data(cls)
    model = cls(n_estimators=n_estimators, **SMALL).fit(X, y)
    expected, seen = model.predict(X), []
    Interrupting(monkeypatch, "fit_runs", lambda: seen.append(model.predict(X)))
    model.fit(X[:, :2], y)
    assert_array_equal(seen[0], expected)
    assert model.n_features_in_ == 2


@both
@unconverged
def test_a_refused_fit_leaves_what_was_set_meanwhile(cls, monkeypatch):
    X, y = data(cls)
    model = cls(**SMALL).fit(X, y)

    def set_and_fail():
        model.set_params(alpha=9.0)
        raise ValueError("no")

    Interrupting(monkeypatch, "make_runs", set_and_fail)
    with pytest.raises(ValueError, match="no"):
        model.fit(X, y)
    assert model.alpha == 9.0


# Attributes of a fitted network that users of scikit-learn set


@pytest.mark.parametrize("name", ["logistic", "tanh", "relu", "identity"])
@alone_and_together
@unconverged
def test_the_output_activation_can_be_set(name, n_estimators):
    X, y = data(ScratchMLPRegressor)
    ours = ScratchMLPRegressor(n_estimators=n_estimators, **SMALL).fit(X, y)
    raw = ours.predict(X)
    ours.out_activation_ = name
    expected = ACTIVATIONS[name].function(raw)
    assert_allclose(ours.predict(X), expected, rtol=1e-12)
    again = pickle.loads(pickle.dumps(copy.deepcopy(ours)))
    assert_array_equal(again.predict(X), ours.predict(X))
    if n_estimators == 1:
        theirs = MLPRegressor(**SMALL).fit(X, y)
        theirs.out_activation_ = name
        assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    ours.partial_fit(X, y)
    assert ours.out_activation_ == name
    assert ours.fit(X, y).out_activation_ == "identity"
    assert_array_equal(ours.predict(X), raw)


@pytest.mark.parametrize("name", ["logistic", "softmax", "identity"])
@pytest.mark.parametrize("kind", ["two classes", "many classes", "multilabel"])
@unconverged
def test_the_output_activation_of_a_classifier_can_be_set(name, kind):
    X, y = make_data(kind, 60)
    ours, theirs = ScratchMLPClassifier(**SMALL), MLPClassifier(**SMALL)
    for clf in (ours, theirs):
        clf.fit(X, y).out_activation_ = name
    assert_allclose(
        np.maximum(theirs.predict_proba(X), np.finfo(float).tiny),
        ours.predict_proba(X),
        rtol=1e-9,
    )
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)))


@both
@unconverged
def test_an_output_activation_that_is_none_is_refused(cls):
    X, y = data(cls)
    model = cls(**SMALL).fit(X, y)
    model.out_activation_ = "sigmoidal"
    with pytest.raises(ValueError, match="out_activation_='sigmoidal' can't be used"):
        model.predict(X)
    model.out_activation_ = Activation(np.cos, lambda Z, A: -np.sin(Z))
    assert len(model.predict(X)) == len(X)


@unconverged
def test_history_that_a_user_has_set_is_continued():
    """As in scikit-learn, whose estimator has no other history."""
    X, y = load_iris(return_X_y=True)
    ours, theirs = (
        cls(solver="sgd", learning_rate="invscaling", power_t=0.25, **SMALL)
        for cls in (ScratchMLPClassifier, MLPClassifier)
    )
    for clf in (ours, theirs):
        for _ in range(3):
            clf.partial_fit(X, y, classes=[0, 1, 2])
        clf.t_, clf.loss_curve_ = 0, []
        for _ in range(3):
            clf.partial_fit(X, y)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert ours.t_ == theirs.t_ == 450
    assert len(ours.loss_curve_) == 3


@alone_and_together
@unconverged
def test_a_curve_that_a_user_has_emptied_begins_anew(n_estimators):
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(n_estimators=n_estimators, **SMALL)
    for _ in range(3):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    clf.loss_curve_ = []
    for n_epochs in (1, 2):
        assert len(clf.partial_fit(X, y).loss_curve_) == n_epochs
    assert clf.loss_curve_[-1] == pytest.approx(clf.loss_)


@pytest.mark.parametrize("kind", [np.asarray, tuple])
@unconverged
def test_a_history_that_is_no_list_is_continued(kind):
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(**SMALL).partial_fit(X, y, classes=[0, 1, 2])
    clf.loss_curve_ = kind(clf.loss_curve_)
    assert len(clf.partial_fit(X, y).loss_curve_) == 2


# Streams


@both
@alone_and_together
@unconverged
def test_a_call_of_partial_fit_costs_the_same_however_long_the_stream(
    cls, n_estimators
):
    X, y = data(cls, n_samples=8)
    y = y % 2 if cls is ScratchMLPClassifier else y
    model = cls(hidden_layer_sizes=(2,), n_estimators=n_estimators, random_state=0)
    options = {"classes": [0, 1]} if cls is ScratchMLPClassifier else {}
    model.partial_fit(X, y, **options)
    curves = model.loss_curve_, model.learning_rate_curve_
    sizes = []
    for _ in range(2):
        for _ in range(50):
            model.partial_fit(X, y)
        sizes.append(len(pickle.dumps(model)))
    # Extended, not copied.
    assert model.loss_curve_ is curves[0]
    assert model.learning_rate_curve_ is curves[1]
    assert [len(curve) for curve in curves] == [101, 101]
    # Of each curve one number, in each network and in their mean.
    n_curves = 1 if n_estimators == 1 else 1 + n_estimators
    assert sizes[1] - sizes[0] <= 50 * 2 * 9 * n_curves + 20


@both
@unconverged
def test_a_refused_part_of_a_stream_leaves_no_trace_in_the_curves(cls, fail_at):
    X, y = data(cls)
    options = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    for n_estimators in (1, 3):
        model = cls(n_estimators=n_estimators, **SMALL).partial_fit(X, y, **options)
        before = pickle.dumps(model)
        with pytest.raises(ValueError, match="infinity"):
            model.partial_fit(np.where(X > 1, np.inf, X), y)
        fail_at(1, np.nan)
        with pytest.raises(ValueError, match="non-finite"):
            model.partial_fit(X, y)
        assert pickle.dumps(model) == before


STREAM_CHANGES = [
    ("adam", {"learning_rate_init": 0.1}),
    ("adam", {"beta_1": 0.5}),
    ("adam", {"beta_2": 0.9}),
    ("adam", {"epsilon": 0.1}),
    ("adam", {"alpha": 10.0}),
    ("adamw", {"weight_decay": 0.9}),
    ("sgd", {"learning_rate_init": 0.1}),
    ("sgd", {"momentum": 0.1}),
    ("sgd", {"nesterovs_momentum": False}),
    ("sgd", {"learning_rate": "invscaling"}),
]


@alone_and_together
@pytest.mark.parametrize(("solver", "changes"), STREAM_CHANGES, ids=str)
@unconverged
def test_parameters_set_between_parts_of_a_stream_are_obeyed(
    solver, changes, n_estimators
):
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(
        solver=solver, n_estimators=n_estimators, batch_size=50, **SMALL
    )
    for _ in range(3):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    unchanged, loaded = copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))
    for one in (clf, loaded):
        one.set_params(**changes).partial_fit(X, y)
    assert (
        parameters_of(clf) != parameters_of(unchanged.partial_fit(X, y))
    ).any() or "learning_rate" in changes
    assert_array_equal(parameters_of(clf), parameters_of(loaded))
    if "learning_rate_init" in changes:
        assert clf.learning_rate_curve_[-2:] == pytest.approx([0.001, 0.1])


@unconverged
def test_moments_keep_their_values_when_their_decay_changes():
    """As in scikit-learn's optimizer, whose moments are the paper's."""
    X, y = load_iris(return_X_y=True)
    ours, theirs = (
        cls(batch_size=50, **SMALL) for cls in (ScratchMLPClassifier, MLPClassifier)
    )
    for clf in (ours, theirs):
        for _ in range(3):
            clf.partial_fit(X, y, classes=[0, 1, 2])
    ours.set_params(beta_1=0.5, beta_2=0.9, learning_rate_init=0.01)
    theirs._optimizer.beta_1, theirs._optimizer.beta_2 = 0.5, 0.9
    theirs._optimizer.learning_rate_init = 0.01
    for _ in range(3):
        for clf in (ours, theirs):
            clf.partial_fit(X, y)
        assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-9)


def test_a_planned_schedule_has_no_partial_fit():
    clf = ScratchMLPClassifier(learning_rate="cosine")
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        _ = clf.partial_fit
    assert "planned for max_iter epochs" in str(caught.value.__cause__)
    assert hasattr(clf.set_params(learning_rate="constant"), "partial_fit")


# Targets


@pytest.mark.parametrize("make", [np.asarray, list, "sparse"])
def test_one_hot_targets_are_warned_of(make):
    X, y = load_iris(return_X_y=True)
    Y = np.eye(3, dtype=int)[y]
    Y = sparse.csr_array(Y) if make == "sparse" else Y
    Y = Y.tolist() if make is list else Y
    clf = ScratchMLPClassifier(**SMALL | {"n_iter_no_change": np.inf})
    messages, _ = warned(lambda: clf.fit(X, Y))
    assert len(messages) == 1
    assert "pass y.argmax(axis=1)" in messages[0]
    messages, _ = warned(
        lambda: ScratchMLPClassifier().partial_fit(X, Y, classes=[0, 1, 2])
    )
    assert "pass y.argmax(axis=1)" in messages[0]


@pytest.mark.parametrize(
    "Y",
    [np.eye(3, dtype=int)[[0, 1, 2, 2]] | [[1, 0, 0]], np.eye(2, dtype=int)[[0, 1]]],
)
def test_labels_are_not_warned_of(Y):
    X = np.random.default_rng(0).standard_normal((len(Y), 2))
    clf = ScratchMLPClassifier(**SMALL | {"n_iter_no_change": np.inf})
    assert warned(lambda: clf.fit(X, Y))[0] == []


@pytest.mark.parametrize(
    ("y", "advice"),
    [
        (np.linspace(0, 1, 1000), "use ScratchMLPRegressor"),
        (np.linspace(0, 1, 2000).reshape(1000, 2), "use ScratchMLPRegressor"),
        (np.append(np.full(999, 0.5), 1e39), "use ScratchMLPRegressor"),
        (np.arange(3000).reshape(1000, 3) % 4, "MultiOutputClassifier"),
        (np.array([["a", "b"]] * 1000), "MultiOutputClassifier"),
        (np.array([{1}] * 1000, dtype=object), "neither"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_that_are_no_classes_are_refused_in_a_sentence(y, advice, method):
    X = np.zeros((1000, 2))
    options = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    clf = ScratchMLPClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"^Unknown label type: ") as caught:
        getattr(clf, method)(X, y, **options)
    assert advice in str(caught.value)
    assert len(str(caught.value)) < 350


@unconverged
def test_object_labels_come_back_as_objects():
    labels = ["a", "bb", "ccc"]
    X, y = load_iris(return_X_y=True)
    y = np.array(labels, dtype=object)[y]
    for clf in (
        ScratchMLPClassifier(**SMALL).fit(X, y),
        ScratchMLPClassifier(**SMALL).partial_fit(X, y, classes=labels),
    ):
        assert clf.classes_.dtype == clf.predict(X).dtype == object
        assert clf.classes_.tolist() == labels
        assert {type(label) for label in clf.predict(X)} == {str}
        assert clf.partial_fit(X[::-1], y[::-1]).score(X, y) >= 0


# Warnings


@both
def test_a_fixed_number_of_epochs_needs_no_convergence(cls):
    X, y = data(cls)
    fixed = cls(**SMALL | {"n_iter_no_change": np.inf, "learning_rate_init": 0.01})
    assert warned(lambda: fixed.fit(X, y))[0] == []
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        cls(**SMALL).fit(X, y)


@both
@pytest.mark.parametrize("how", ["alone", "in a pipeline", "in a search"])
def test_warnings_show_the_line_of_the_user(cls, how):
    X, y = data(cls)
    model = cls(**SMALL)
    if how != "alone":
        model = make_pipeline(StandardScaler(), model)
    if how == "in a search":
        model = GridSearchCV(model, {f"{cls.__name__.lower()}__alpha": [0.1]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert {one.filename for one in caught} == {__file__}


# Given weights


@both
@alone_and_together
@unconverged
def test_training_starts_from_given_weights(cls, n_estimators):
    X, y = data(cls)
    theirs = {ScratchMLPClassifier: MLPClassifier, ScratchMLPRegressor: MLPRegressor}
    trained = theirs[cls](**SMALL).fit(X, y)
    model = cls(
        init=(trained.coefs_, trained.intercepts_),
        n_estimators=n_estimators,
        **SMALL | {"learning_rate_init": 1e-12, "max_iter": 1},
    ).fit(X, y)
    assert_allclose(model.predict(X), trained.predict(X), rtol=1e-6)
    for ours, given_W in zip(model.coefs_, trained.coefs_, strict=True):
        assert_allclose(ours, np.broadcast_to(given_W, ours.shape), rtol=1e-6)
    again = clone(model).fit(X, y)
    assert_array_equal(parameters_of(again), parameters_of(model))
    # Its own are a copy.
    assert not np.shares_memory(model.coefs_[0], trained.coefs_[0])
    options = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    stream = clone(model).partial_fit(X, y, **options)
    assert_allclose(stream.coefs_[0], model.coefs_[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        (
            ([np.ones((4, 6))], [np.ones(6)]),
            "weights in init can't be assigned: needs 2 arrays",
        ),
        (([np.ones((4, 6)), np.ones((6, 5))], [np.ones(6)] * 2), "weights.* shape"),
        (([np.ones((4, 6)), np.ones((6, 4))], [np.ones(6)] * 2), "biases.* shape"),
        (
            ([np.full((4, 6), np.nan), np.ones((6, 4))], [np.ones(6), np.ones(4)]),
            "must be finite",
        ),
        (([np.ones((4, 6))], [np.ones(6)], 3), "'init' parameter"),
        ((None, None), "the weights in init can't be assigned"),
    ],
)
def test_given_weights_that_do_not_fit_are_refused(init, message):
    X, y = data(ScratchMLPClassifier)
    clf = ScratchMLPClassifier(init=init, **SMALL)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "coefs_")
