"""Same seed, same curve: training in parity with scikit-learn's multilayer perceptrons.

What ``MLPClassifier`` computes, ``ScratchMLPClassifier`` computes too, to rounding, and
``ScratchMLPRegressor`` what ``MLPRegressor`` does; the numbers of every test come from
scikit-learn itself.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from estimator_strategies import (
    FORMATS,
    KINDS,
    TARGETS,
    Hypothesis,
    Seeded,
    draw_data,
    draw_setting,
    make_data,
    settings_of_parameters,
    with_warnings,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from skscratch import ScratchMLPClassifier, ScratchMLPRegressor

CLASSIFIERS = (MLPClassifier, ScratchMLPClassifier)
REGRESSORS = (MLPRegressor, ScratchMLPRegressor)
PAIRS = dict.fromkeys(KINDS, CLASSIFIERS) | dict.fromkeys(TARGETS, REGRESSORS)
NON_FINITE = "Solver produced non-finite parameter weights"
EQUAL = ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_")
CLOSE = ("loss_", "best_loss_", "best_validation_score_")
CURVES = ("loss_curve_", "validation_scores_")


def tolerance_of(parameters, dtype=np.float64):
    """Relative tolerance; L-BFGS magnifies rounding."""
    return 1e-3 if parameters["solver"] == "lbfgs" or dtype == np.float32 else 1e-6


def assert_parity(ours, theirs, X, rtol):
    """Check whatever scikit-learn's estimator has: attributes and predictions."""
    atol = 1e-3 * rtol
    for name in EQUAL:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.out_activation_ == theirs.out_activation_
    for name in (*CLOSE, *CURVES):
        # Fitted by 'lbfgs' it lacks the curves that ours has.
        expected = getattr(theirs, name, None)
        found = getattr(ours, name)
        if expected is None:
            assert found is None or theirs.solver == "lbfgs", name
        else:
            assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=name)
    for name in ("coefs_", "intercepts_"):
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert len(found) == len(expected), name
        for a, b in zip(found, expected, strict=True):
            assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)
    assert_same_predictions(ours, theirs, X, rtol, atol)


def assert_same_predictions(ours, theirs, X, rtol, atol):
    if not is_classifier(theirs):
        found, expected = ours.predict(X), theirs.predict(X)
        assert_allclose(found, expected, rtol=rtol, atol=atol)
        return
    assert_array_equal(ours.classes_, theirs.classes_)
    probabilities = theirs.predict_proba(X)
    assert_allclose(ours.predict_proba(X), probabilities, rtol=rtol, atol=atol)
    decided = ~is_near_tie(probabilities, rtol + atol)
    assert_array_equal(ours.predict(X)[decided], theirs.predict(X)[decided])


def is_near_tie(P, margin):
    """Rows whose prediction rounding may change."""
    if P.shape[1] > 1 and np.allclose(P.sum(axis=1), 1):
        ranked = np.sort(P, axis=1)
        return ranked[:, -1] - ranked[:, -2] <= 2 * margin
    return (np.abs(P - 0.5) <= margin).any(axis=1)


def is_finite(theirs):
    """Tell whether scikit-learn's numbers are finite: beyond that is no parity."""
    numbers = [*theirs.coefs_, *theirs.intercepts_, getattr(theirs, "loss_curve_", [])]
    return all(np.isfinite(array).all() for array in numbers)


# Warnings that scikit-learn does not give.
OURS_ALONE = ("Training made the loss worse", "y has 3 columns with exactly one 1")


def own_warnings(caught):
    """Categories of the warnings that the estimator gives, not of NumPy's."""
    return {
        w.category
        for w in caught
        if not issubclass(w.category, RuntimeWarning)
        and not str(w.message).startswith(OURS_ALONE)
    }


def expected_warnings(caught, theirs):
    """Categories of scikit-learn's warnings; ours wants no end of an endless patience.

    A loss that has risen says more than that the training has not converged.
    """
    is_endless = theirs.n_iter_no_change == np.inf and not theirs.warm_start
    curve = getattr(theirs, "loss_curve_", [])
    has_risen = len(curve) > 1 and curve[-1] > curve[0]
    categories = own_warnings(caught)
    if theirs.solver != "lbfgs" and (is_endless or has_risen):
        categories -= {ConvergenceWarning}
    return categories


def train_both(pair, parameters, calls, more=None):
    """Make the same calls on both estimators and compare them after each.

    Ours takes ``more`` parameters, which theirs lacks. Returns both and the warnings of
    the last call, or None where scikit-learn's numbers stop being finite.
    """
    theirs, ours = pair[0](**parameters), pair[1](**parameters | (more or {}))
    for call in calls:
        try:
            _, expected = call.make_on(theirs)
        except ValueError as error:
            if NON_FINITE in str(error):
                return None
            raise
        if not is_finite(theirs):
            return None
        _, found = call.make_on(ours)
        assert own_warnings(found) == expected_warnings(expected, theirs)
        rtol = tolerance_of(theirs.get_params(), call.X.dtype)
        assert_parity(ours, theirs, call.X, rtol)
    return ours, theirs, own_warnings(found)


@dataclass
class Call:
    """A call of ``fit`` or ``partial_fit``, after some parameters have changed."""

    method: str
    X: Any
    y: Any
    options: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)

    def make_on(self, estimator):
        train = getattr(estimator.set_params(**self.changes), self.method)
        return with_warnings(train, self.X, self.y, **self.options)


def fit_both(setting, dtype=np.float64, **more):
    pair = PAIRS[setting.data["kind"]]
    call = Call("fit", *setting.make_data(dtype))
    return train_both(pair, setting.parameters, [call], more)


def how_it_ended(setting, warned):
    if setting.parameters["solver"] == "lbfgs":
        return "lbfgs"
    return "at max_iter" if ConvergenceWarning in warned else "by itself"


@pytest.mark.parametrize(
    ("kinds", "n_settings", "n_stopping", "n_diverging"),
    [(KINDS, 200, 50, 0), (TARGETS, 100, 20, 1)],
    ids=["classes", "numbers"],
)
def test_random_settings_are_in_parity(kinds, n_settings, n_stopping, n_diverging):
    """All solvers, targets and formats; a fifth of the fits stop by themselves or more.

    Gradient descent on numbers, which are not bounded as classes are, may diverge.
    """
    seen = Counter()
    for seed in range(n_settings):
        setting = draw_setting(Seeded(seed), kinds=kinds)
        outcome = fit_both(setting)
        if outcome is None:
            seen["diverging"] += 1
            continue
        parameters, end = setting.parameters, how_it_ended(setting, outcome[-1])
        follows = parameters["solver"] == "sgd"
        seen.update(
            {
                ("ended", end),
                ("solver", parameters["solver"]),
                ("activation", parameters["activation"]),
                ("loss", parameters.get("loss")),
                ("kind", setting.data["kind"]),
                ("format", setting.data["format_name"]),
                ("early stopping", parameters["early_stopping"]),
                ("schedule", parameters["learning_rate"] if follows else None),
                ("ended", end, parameters["learning_rate"] if follows else None),
            }
        )
    assert seen["diverging"] <= n_diverging
    assert seen["ended", "by itself"] >= n_stopping
    assert seen["ended", "by itself", "adaptive"] >= 1
    rarest = min(
        seen[name, value]
        for name, values in {
            "solver": ["sgd", "adam", "lbfgs"],
            "activation": ["identity", "logistic", "tanh", "relu"],
            "loss": [None] if kinds is KINDS else ["squared_error", "poisson"],
            "kind": kinds,
            "format": FORMATS,
            "early stopping": [True, False],
            "schedule": ["constant", "invscaling", "adaptive"],
        }.items()
        for value in values
    )
    assert rarest >= n_settings / 20


@pytest.mark.parametrize("kinds", [KINDS, TARGETS], ids=["classes", "numbers"])
def test_the_space_of_parameters_is_in_parity(kinds):
    """As above, with hypothesis to look for the setting that is not, and shrink it.

    The same draws every time, for the share of them that stop by themselves.
    """
    ends = Counter()

    @settings(max_examples=100, derandomize=True, database=None)
    @given(settings_of_parameters(solvers=["sgd", "adam"], kinds=kinds))
    def is_in_parity(setting):
        outcome = fit_both(setting)
        assume(outcome is not None)
        ends[how_it_ended(setting, outcome[-1])] += 1

    is_in_parity()
    assert ends["by itself"] >= ends.total() / 4, ends


@settings(max_examples=50)
@given(settings_of_parameters(solvers=["lbfgs"], kinds=PAIRS))
def test_lbfgs_is_in_parity(setting):
    assume(fit_both(setting) is not None)


@pytest.mark.parametrize("kind", ["many classes", "numbers"])
@pytest.mark.parametrize("factor", [1 - 1e-6, 1 + 1e-6])
def test_what_counts_as_an_improvement_is_the_same(factor, kind):
    """Each epoch's own improvement as ``tol``, by a hair too small or too large."""
    X, y = make_data(kind, 40)
    parameters = {"max_iter": 10, "n_iter_no_change": 1, "random_state": 0}
    patient = PAIRS[kind][0](**parameters | {"n_iter_no_change": np.inf})
    losses = with_warnings(patient.fit, X, y)[0].loss_curve_
    ends = set()
    for improvement in -np.diff(losses):
        parameters["tol"] = factor * improvement
        ours, _, _ = train_both(PAIRS[kind], parameters, [Call("fit", X, y)])
        ends.add(ours.n_iter_)
    assert len(ends) > 1


@settings(max_examples=40)
@given(
    settings_of_parameters(solvers=["sgd"], kinds=PAIRS),
    st.sampled_from([(2e-5, 7), (1e-5, 7), (4e-6, 5)]),
)
def test_adaptive_training_ends_at_the_same_epoch(setting, rate_and_end):
    """After each two epochs of a plateau a fifth, until the rate is below 1e-6."""
    learning_rate, end = rate_and_end
    setting.parameters |= {
        "learning_rate": "adaptive",
        "learning_rate_init": learning_rate,
        "n_iter_no_change": 1,
        "tol": 1e3,  # More than any epoch improves after the first.
        "max_iter": 12,
    }
    outcome = fit_both(setting)
    assume(outcome is not None)
    ours, _, warned = outcome
    assert how_it_ended(setting, warned) == "by itself"
    assert ours.n_iter_ == end


# Without L-BFGS, whose line search has no tolerance for rounding: on float32 data
# scikit-learn's follows gradients of which it computes parts in float32, and ours those
# of float64.
@settings(max_examples=80)
@given(settings_of_parameters(solvers=["sgd", "adam"], kinds=PAIRS), st.integers(1, 5))
def test_float32_stays_close_over_five_epochs(setting, n_epochs):
    setting.parameters["max_iter"] = n_epochs
    outcome = fit_both(setting, np.float32)
    assume(outcome is not None)
    ours, _, _ = outcome
    assert all(a.dtype == np.float32 for a in [*ours.coefs_, *ours.intercepts_])


@pytest.mark.parametrize("kind", ["many classes", "numbers"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)])
def test_thousands_of_steps_are_in_parity(betas, dtype, kind):
    """On a linear model, whose one optimum rounding does not lead away from."""
    X, y = make_data(kind, 60, dtype=dtype)
    parameters = {
        "hidden_layer_sizes": (),
        "alpha": 1.0,
        "batch_size": 3,
        "beta_1": betas[0],
        "beta_2": betas[1],
        "max_iter": 150,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }
    ours, _, _ = train_both(PAIRS[kind], parameters, [Call("fit", X, y)])
    assert ours.n_iter_ == 150


@st.composite
def sequences(draw):
    """Both estimators, parameters, and calls in a row that scikit-learn's accepts."""
    source = Hypothesis(draw)
    setting = draw_setting(source, kinds=PAIRS)
    kind = setting.data["kind"]
    parameters = setting.parameters | {
        "warm_start": source.choose([True, True, False]),
        "max_iter": source.integer(1, 3),
    }
    steps = ["fit"]
    if parameters["solver"] != "lbfgs" and not parameters["early_stopping"]:
        steps.append("partial_fit")
    calls = []
    for number in range(source.integer(1, 4)):
        data = draw_data(source, [kind])
        call = Call(source.choose(steps), *make_data(**data))
        if number == 0 and call.method == "partial_fit" and kind in KINDS:
            call.options["classes"] = np.arange(KINDS[kind])
        elif number > 0 and call.method == "fit":
            call.changes = draw_changes(source, parameters)
        calls.append(call)
    return PAIRS[kind], parameters, calls


def draw_changes(source, parameters):
    """What people change between one fit and the next."""
    changes = {
        "activation": source.choose(["identity", "logistic", "tanh", "relu"]),
        "alpha": source.number(0, 1),
        "learning_rate_init": source.choose([1e-3, 1e-2]),
        "momentum": source.number(0, 1),
        "max_iter": source.integer(1, 3),
        "tol": source.choose([0, 1e-4, 0.1]),
        "shuffle": source.choose([True, False]),
    }
    if parameters["solver"] != "lbfgs":
        changes["solver"] = source.choose(["sgd", "adam"])
    return {name: changes[name] for name in changes if source.choose([True, False])}


@settings(max_examples=160)
@given(sequences())
def test_sequences_of_calls_are_in_parity(sequence):
    outcome = train_both(*sequence)
    assume(outcome is not None)


def test_a_warm_fit_that_beats_no_earlier_score_keeps_its_last_weights():
    """The best weights of an earlier fit are not brought back, as in scikit-learn."""
    parameters = {
        "hidden_layer_sizes": 5,
        "early_stopping": True,
        "warm_start": True,
        "max_iter": 3,
        "random_state": 0,
    }
    X, y = make_data("many classes", 60)
    Z = np.where(np.arange(60) % 2, y, 3 - y)
    calls = [Call("fit", X, y, changes={"learning_rate_init": 0.03}), Call("fit", X, Z)]
    ours, _, _ = train_both(CLASSIFIERS, parameters, calls)
    assert max(ours.validation_scores_[3:]) <= max(ours.validation_scores_[:3])
    best_once, _, _ = train_both(CLASSIFIERS, parameters, calls[:1])
    assert not np.allclose(ours.coefs_[0], best_once.coefs_[0])


@pytest.mark.parametrize("first", ["sgd", "adam"])
@pytest.mark.parametrize("kind", ["many classes", "number"])
def test_lbfgs_goes_on_from_what_another_solver_trained(kind, first):
    X, y = make_data(kind, 60)
    parameters = {"hidden_layer_sizes": 5, "warm_start": True, "random_state": 0}
    pair = [cls(**parameters) for cls in PAIRS[kind]]
    for estimator in pair:
        Call("fit", X, y, changes={"solver": first, "max_iter": 5}).make_on(estimator)
        Call("fit", X, y, changes={"solver": "lbfgs"}).make_on(estimator)
    theirs, ours = pair
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-3)
    predict = "predict_proba" if kind in KINDS else "predict"
    found, expected = getattr(ours, predict)(X), getattr(theirs, predict)(X)
    assert_allclose(found, expected, atol=1e-3)


@given(settings_of_parameters(kinds=PAIRS), st.integers(0, 100))
@settings(max_examples=50)
def test_a_random_state_is_drawn_from_as_often(setting, seed):
    """Whatever draws from it afterwards goes on as after scikit-learn's."""
    X, y = setting.make_data()
    streams, estimators = [], []
    for cls in PAIRS[setting.data["kind"]]:
        stream = np.random.RandomState(seed)
        estimator = cls(**setting.parameters | {"random_state": stream})
        try:
            with_warnings(estimator.fit, X, y)
        except ValueError as error:
            assume(NON_FINITE not in str(error))
            raise
        streams.append(stream)
        estimators.append(estimator)
    assume(is_finite(estimators[0]))
    assert streams[0].randint(2**31) == streams[1].randint(2**31)


@settings(max_examples=50)
@given(settings_of_parameters(kinds=PAIRS), st.integers(0, 100))
def test_weights_are_scikit_learns_where_a_batch_covers_the_data(setting, seed):
    """Their mean then is the batch's own, by which scikit-learn divides."""
    X, y = setting.make_data()
    setting.parameters["batch_size"] = len(y)
    weights = np.random.default_rng(seed).uniform(0.1, 5, len(y))
    call = Call("fit", X, y, {"sample_weight": weights})
    pair = PAIRS[setting.data["kind"]]
    assume(train_both(pair, setting.parameters, [call]) is not None)


@st.composite
def settings_with_idle_options(draw):
    """A setting, and values of what scikit-learn lacks at which it changes nothing."""
    setting = draw(settings_of_parameters(kinds=PAIRS))
    kind, parameters = setting.data["kind"], setting.parameters
    n_hidden = np.size(parameters["hidden_layer_sizes"])
    idle = {
        "averaging": 0,
        "dropout": [0.0] * n_hidden,
        "dtype": "float64",
        "weight_decay": 0.0,
    }
    if n_hidden:  # Without a hidden layer, its name still says how weights are drawn.
        idle["activation"] = [parameters["activation"]] * n_hidden
    if kind in KINDS:
        equal = dict.fromkeys(range(KINDS[kind]), 1.0)
        idle["class_weight"] = [equal] * 3 if kind == "multilabel" else equal
        idle["label_smoothing"] = 0.0
    if parameters["solver"] == "adam":
        idle["solver"] = "adamw"
    if parameters["solver"] != "lbfgs":
        idle["max_grad_norm"] = 1e300
        if parameters["early_stopping"]:
            idle["scoring"] = "accuracy" if kind in KINDS else "r2"
    chosen = draw(st.sets(st.sampled_from(sorted(idle)), min_size=1))
    if "solver" in chosen:
        chosen.add("weight_decay")
    return setting, {name: idle[name] for name in sorted(chosen)}


@settings(max_examples=60)
@given(settings_with_idle_options())
def test_what_scikit_learn_lacks_leaves_parity_where_it_is_idle(setting_and_more):
    setting, more = setting_and_more
    assume(fit_both(setting, **more) is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_saturated_probabilities_is_scikit_learns(kind):
    """Features of a large scale saturate at first: such losses are reported too."""
    X, y = make_data(kind, 60)
    parameters = {"hidden_layer_sizes": 20, "max_iter": 4, "random_state": 0}
    outcome = train_both(CLASSIFIERS, parameters, [Call("fit", 40 * X, y)])
    assert outcome is not None


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("pair", "load"),
    [
        (CLASSIFIERS, load_iris),
        (CLASSIFIERS, load_digits),
        (CLASSIFIERS, load_breast_cancer),
        (REGRESSORS, load_diabetes),
        (REGRESSORS, load_linnerud),
    ],
    ids=["iris", "digits", "breast cancer", "diabetes", "linnerud"],
)
@pytest.mark.parametrize("prepare", [scale, np.array], ids=["scaled", "as it is"])
def test_bundled_data_sets_with_the_default_parameters(pair, load, prepare, solver):
    X, y = load(return_X_y=True)
    if pair is REGRESSORS:
        y = prepare(y)
    parameters = {"solver": solver, "max_iter": 5, "random_state": 0}
    outcome = train_both(pair, parameters, [Call("fit", prepare(X)[:400], y[:400])])
    assert outcome is not None


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_one_class_is_in_parity(solver):
    X, _ = make_data("two classes", 30)
    y = np.full(30, "only")
    parameters = {"solver": solver, "max_iter": 5, "random_state": 0}
    theirs, ours = (
        with_warnings(cls(**parameters).fit, X, y)[0] for cls in CLASSIFIERS
    )
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert_allclose(a, b, rtol=1e-3 if solver == "lbfgs" else 1e-6)
    assert_array_equal(ours.predict(X), theirs.predict(X))
