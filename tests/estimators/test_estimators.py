"""The estimator's own properties; its parity with scikit-learn stands elsewhere."""

import copy
import inspect
import math
import pickle
import re
import threading
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import (
    KINDS,
    N_FEATURES,
    Hypothesis,
    draw_setting,
    logits_of,
    make_data,
    parameters_of,
    settings_of_parameters,
    with_warnings,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from refusals import contents
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils._param_validation import make_constraint
from sklearn.utils.validation import validate_data

from skscratch import (
    ACTIVATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Layer,
    Network,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    check_gradients,
)
from skscratch.estimators import base, validation
from skscratch.nn import predictor

# A few epochs are enough for a property; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 4, "random_state": 0}
STOCHASTIC = sorted(OPTIMIZERS)
SOLVERS = [*STOCHASTIC, "lbfgs"]
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
# What MLPClassifier has that is most like it.
LIKE = {solver: solver for solver in SOLVERS} | {"adamw": "adam"}
PAIRS = [(ScratchMLPClassifier, MLPClassifier), (ScratchMLPRegressor, MLPRegressor)]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_stochastic_solver = pytest.mark.parametrize("solver", STOCHASTIC)


def make(**parameters):
    return ScratchMLPClassifier(**SMALL | parameters)


def fitted(kind="many classes", **parameters):
    """Return an estimator with the data it is fitted on."""
    X, y = make_data(kind, 40)
    return make(**parameters).fit(X, y), X, y


def classes_of(kind):
    return np.arange(KINDS[kind])


def predictions(estimator, X):
    return [getattr(estimator, name)(X) for name in METHODS]


def assert_same_bits(ours, others, X):
    """Check that two estimators are of one training, bit for bit."""
    assert_array_equal(parameters_of(ours), parameters_of(others))
    # Equal also where a training that diverged ends with nan.
    assert_array_equal(ours.loss_curve_, others.loss_curve_)
    for a, b in zip(predictions(ours, X), predictions(others, X), strict=True):
        assert_array_equal(a, b)


# What the constructor takes


def test_the_signature_begins_as_that_of_scikit_learn():
    """What is new comes after it."""
    for cls, model in PAIRS:
        ours, theirs = (
            [
                parameter.replace(annotation=inspect.Parameter.empty)
                for parameter in inspect.signature(c).parameters.values()
            ]
            for c in (cls, model)
        )
        assert ours[: len(theirs)] == theirs
        assert {p.kind for p in ours[len(theirs) :]} == {inspect.Parameter.KEYWORD_ONLY}


VALUES = [
    *(-1, 0, 1, 2, 2**40, -0.5, 0.0, 0.5, 1.0, 1.5, 1e-8, np.inf, -np.inf, np.nan),
    *(True, False, np.True_, np.int64(3), np.float32(0.5), np.float64(1.0), 1j),
    *(None, "auto", "warn", "", "relu", "tanh", "logistic", "identity", "softmax"),
    *("adam", "sgd", "lbfgs", "constant", "invscaling", "adaptive"),
    *((), (3,), [3, 2], np.array([4]), (0,), {3: 2}, {3}, object(), int, "3"),
    *(np.random, np.random.RandomState(0), np.random.default_rng(0)),
]


@pytest.mark.parametrize("name", inspect.signature(MLPClassifier).parameters)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_same_values_of_a_parameter_are_refused(name, method):
    """Each of MLPClassifier's constraints, with values inside and outside of it."""
    X, y = make_data("two classes", 24)
    options = {} if method == "fit" else {"classes": [0, 1]}
    constraints = MLPClassifier._parameter_constraints[name]
    refused = []
    for value in VALUES:
        satisfied = any(make_constraint(c).is_satisfied_by(value) for c in constraints)
        estimator = make(max_iter=1).set_params(**{name: value})
        if satisfied:
            estimator._validate_params()
            continue
        if (name, value) == ("max_iter", "auto"):
            continue  # Ours alone.
        refused.append(value)
        if name == "solver" and method == "partial_fit":
            assert not hasattr(estimator, method)
            continue
        # A sequence of activations is checked by ours, everything else by theirs.
        message = f"'{name}' parameter|^{name} must be"
        with pytest.raises(ValueError, match=message):
            getattr(estimator, method)(X, y, **options)
        assert not hasattr(estimator, "coefs_")
    assert 0 < len(refused) < len(VALUES)


@pytest.mark.parametrize("sizes", [(0,), (3, -1), (2.5,), ["a"], [[3]], (3, None)])
def test_hidden_layer_sizes_that_are_no_sizes_are_refused(sizes):
    X, y = make_data("two classes", 24)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        make(hidden_layer_sizes=sizes).fit(X, y)


@pytest.mark.parametrize("sizes", [3, (3,), [3], np.int64(3), np.array([3])])
def test_hidden_layer_sizes_may_be_written_as_people_do(sizes):
    X, y = make_data("two classes", 24)
    estimator = make(hidden_layer_sizes=sizes).fit(X, y)
    assert [layer.neurons for layer in estimator.network_.layers] == [3, 1]


def test_sigmoid_is_the_articles_name_for_logistic():
    sigmoid, X, _ = fitted(activation="sigmoid")
    logistic, _, _ = fitted(activation="logistic")
    assert_same_bits(sigmoid, logistic, X)


def test_clones_and_parameters_go_round():
    estimator, X, _ = fitted(alpha=0.5, momentum=0.3)
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    assert not hasattr(twin, "coefs_")
    with pytest.raises(NotFittedError):
        twin.predict(X)
    twin.set_params(solver="sgd", alpha=0.25)
    assert (twin.solver, twin.alpha, estimator.alpha) == ("sgd", 0.25, 0.5)


def test_constructing_and_fitting_changes_no_parameter():
    """Whatever is passed is kept as the object that it is, and not written into."""
    given_ = {
        "hidden_layer_sizes": [3, 2],
        "random_state": np.random.RandomState(0),
        "alpha": np.float32(0.5),
    }
    estimator = ScratchMLPClassifier(**given_, max_iter=2)
    estimator.fit(*make_data("two classes", 24))
    assert all(getattr(estimator, name) is value for name, value in given_.items())
    assert given_["hidden_layer_sizes"] == [3, 2]


def test_html_shows_the_parameters_before_and_after_a_fit():
    estimator = make(alpha=0.123)
    for html in (
        estimator_html_repr(estimator),
        estimator.fit(*make_data("two classes", 24))._repr_html_(),
    ):
        assert "ScratchMLPClassifier" in html
        assert "0.123" in html
    assert repr(estimator).startswith("ScratchMLPClassifier(")


def test_tags_are_those_of_mlp_classifier():
    assert get_tags(ScratchMLPClassifier()) == get_tags(MLPClassifier())


# What is there after a fit


@every_solver
@every_kind
def test_all_fitted_attributes_of_mlp_classifier_are_there(kind, solver):
    X, y = make_data(kind, 40)
    X = pd.DataFrame(X, columns=list("abcd"))
    theirs, _ = with_warnings(MLPClassifier(**SMALL, solver=LIKE[solver]).fit, X, y)
    ours = make(solver=solver).fit(X, y)
    attributes = {a for a in vars(theirs) if a.endswith("_") and a[0] != "_"}
    assert {"coefs_", "loss_", "feature_names_in_"} < attributes
    for name in attributes | {"best_loss_", "loss_curve_", "validation_scores_"}:
        assert hasattr(ours, name), name
    assert type(ours.loss_) is type(ours.loss_curve_[0]) is float
    assert ours.n_iter_ == len(ours.loss_curve_)


@pytest.mark.parametrize("name", [*METHODS, "score"])
def test_predicting_needs_a_fit(name):
    X, y = make_data("two classes", 24)
    with pytest.raises(NotFittedError):
        getattr(make(), name)(*((X, y) if name == "score" else (X,)))


def test_views_need_a_fit():
    assert not hasattr(make(), "coefs_")
    assert not hasattr(make(), "intercepts_")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = make().coefs_


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_infinite_patience_trains_to_the_end(solver):
    estimator, _, _ = fitted(
        solver=solver, n_iter_no_change=np.inf, tol=1e9, max_iter=15
    )
    assert estimator.n_iter_ == 15
    patient, _, _ = fitted(solver=solver, n_iter_no_change=2, tol=1e9, max_iter=15)
    assert patient.n_iter_ == 4


@every_stochastic_solver
def test_a_warning_says_that_max_iter_came_before_convergence(solver):
    X, y = make_data("two classes", 24)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(4\) reached"):
        make(solver=solver, tol=0).fit(X, y)
    _, caught = with_warnings(
        make(solver=solver, tol=1e9, n_iter_no_change=1).fit, X, y
    )
    assert not caught


# Labels

plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
label_values = st.sampled_from(
    [
        (plain_text, np.str_),
        (plain_text, object),
        (st.integers(-(2**63), 2**63 - 1), np.int64),
        (st.integers(2**63, 2**64 - 1), np.uint64),
        (st.integers(-128, 127), np.int8),
        (st.integers(-(2**50), 2**50).map(float), np.float64),
        (st.booleans(), np.bool_),
    ]
)


@st.composite
def labels(draw):
    """Two to four labels of one type, sorted, as an array of that type."""
    values, dtype = draw(label_values)
    distinct = st.lists(values, unique=True, min_size=2, max_size=4)
    return np.array(sorted(draw(distinct)), dtype=dtype)


@given(labels(), st.sampled_from(SOLVERS))
@settings(max_examples=40)
def test_labels_of_any_type_come_back(names, solver):
    """Training sees no more of the labels than their order."""
    X, _ = make_data("many classes", 40)
    codes = np.arange(40) % len(names)
    by_code = make(solver=solver, max_iter=2).fit(X, codes)
    by_name = make(solver=solver, max_iter=2).fit(X, names[codes])
    assert_array_equal(by_name.classes_, names)
    assert_array_equal(by_name.predict(X), names[by_code.predict(X)])
    if names.dtype != object:
        assert by_name.predict(X).dtype == names.dtype
    assert_array_equal(by_name.predict_proba(X), by_code.predict_proba(X))
    assert by_name.score(X, names[codes]) == by_code.score(X, codes)


@given(labels())
@settings(max_examples=20)
def test_labels_of_any_type_come_back_from_a_stream(names):
    """Classes may be named in any order, and need not all occur."""
    X, _ = make_data("many classes", 40)
    codes = np.arange(40) % len(names)
    by_code = make().partial_fit(X, codes, classes=np.arange(len(names)))
    by_name = make().partial_fit(X, names[codes], classes=names[::-1])
    by_name.partial_fit(X[:3], names[[0, 0, 0]])
    by_code.partial_fit(X[:3], [0, 0, 0])
    assert_array_equal(by_name.classes_, names)
    assert_array_equal(by_name.predict(X), names[by_code.predict(X)])


@pytest.mark.parametrize(
    "y",
    [
        np.linspace(0, 1, 24),
        np.tile([[0, 1, 2]], (24, 1)),
        np.array([0, "a"] * 12, dtype=object),
        np.array([None, 1] * 12, dtype=object),
        np.array([0, np.nan] * 12),
        np.array([b"a", b"b"] * 12),
    ],
    ids=["continuous", "several outputs", "mixed", "None", "nan", "bytes"],
)
def test_what_is_no_class_is_refused_as_by_scikit_learn(y):
    X, _ = make_data("two classes", 24)
    for cls in (MLPClassifier, ScratchMLPClassifier):
        with pytest.raises((ValueError, TypeError)):
            cls(**SMALL).fit(X, y)


@every_kind
def test_targets_may_be_lists_columns_and_sparse(kind):
    X, y = make_data(kind, 40)
    expected = make().fit(X, y)
    forms = [y.tolist(), pd.DataFrame(y) if kind == "multilabel" else pd.Series(y)]
    if kind == "multilabel":
        forms += [y.astype(bool), y.astype(float), sparse.csr_array(y)]
    for form in forms:
        assert_same_parameters(make().fit(X, form), expected)
    if kind != "multilabel":
        with pytest.warns(DataConversionWarning):
            column = make().fit(X, y[:, np.newaxis])
        assert_same_parameters(column, expected)


def assert_same_parameters(ours, others):
    assert_array_equal(parameters_of(ours), parameters_of(others))


@every_solver
def test_one_class_is_certain(solver):
    X, _ = make_data("two classes", 24)
    estimator = make(solver=solver).fit(X, ["only"] * 24)
    assert_array_equal(estimator.classes_, ["only"])
    assert_array_equal(estimator.predict(X), ["only"] * 24)
    assert_array_equal(estimator.predict_proba(X), np.ones((24, 1)))
    assert_array_equal(estimator.predict_log_proba(X), np.zeros((24, 1)))
    assert estimator.decision_function(X).shape == (24,)
    assert estimator.score(X, ["only"] * 24) == 1


# Outputs


@every_kind
@given(scale=st.sampled_from([1.0, 1e2, 1e4, 1e8]), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_outputs_agree_with_each_other(kind, scale, seed):
    """Also for samples far from all training data: finite, without a warning."""
    estimator, _, _ = fitted(kind, max_iter=20, learning_rate_init=0.1)
    X, _ = make_data(kind, 30, seed=seed)
    Z = estimator.decision_function(scale * X)
    P, log_P = (
        getattr(estimator, name)(scale * X)
        for name in ("predict_proba", "predict_log_proba")
    )
    tiny = np.finfo(float).tiny
    n_classes = KINDS[kind]
    assert Z.shape == ((30,) if n_classes == 2 else (30, n_classes))
    assert P.shape == log_P.shape == (30, n_classes)
    assert np.isfinite(log_P).all()
    assert ((tiny <= P) & (P <= 1)).all()
    if kind == "multilabel":
        assert_allclose(P, np.maximum(expit(Z), tiny), rtol=1e-12)
        expected = (Z > 0).astype(int)
    elif kind == "two classes":
        both = np.column_stack([expit(-Z), expit(Z)])
        assert_allclose(P, np.maximum(both, tiny), rtol=1e-12)
        expected = estimator.classes_[(Z > 0).astype(int)]
    else:
        assert_allclose(P, np.maximum(expit(Z), tiny), rtol=1e-9)
        expected = estimator.classes_[Z.argmax(axis=1)]
    assert_array_equal(estimator.predict(scale * X), expected)


@every_kind
def test_log_probabilities_are_the_logarithms_wherever_there_is_one(kind):
    """To the last bit: whoever ranks by one ranks by the other, saturated or not."""
    estimator, X, _ = fitted(kind, max_iter=20, learning_rate_init=0.1)
    for scale in (1, 30, 1e3, 1e5):
        P = estimator.predict_proba(scale * X)
        log_P = estimator.predict_log_proba(scale * X)
        normal = np.finfo(P.dtype).tiny < P
        assert normal.any()
        assert_allclose(log_P[normal], np.log(P[normal]), rtol=1e-12)
        assert (log_P[~normal] < -700).all()


@every_kind
def test_a_sample_alone_is_predicted_as_among_others(kind):
    estimator, X, _ = fitted(kind)
    for name in METHODS:
        together = getattr(estimator, name)(X)
        alone = [getattr(estimator, name)(X[i : i + 1])[0] for i in range(len(X))]
        assert_allclose(np.array(alone), together, rtol=1e-10)


@every_kind
def test_predictions_are_the_articles_equations(kind):
    """``A = activation(W A1 + b)``, layer by layer, written out here once more."""
    for activation in ACTIVATIONS:
        estimator, X, _ = fitted(kind, activation=activation)
        A = X.T
        for W, b in zip(estimator.coefs_[:-1], estimator.intercepts_[:-1], strict=True):
            A = ACTIVATIONS[activation].function(W.T @ A + b[:, np.newaxis])
        Z = (estimator.coefs_[-1].T @ A).T + estimator.intercepts_[-1]
        assert_allclose(logits_of(estimator, X), Z, rtol=1e-10, atol=1e-12)


def rows_of_every_kind():
    """Samples of three features, by name: what is taken, and what is refused."""
    good = np.random.RandomState(0).standard_normal((6, 3))
    kinds = {
        "plain": good,
        "single": good[:1],
        "columns": np.asfortranarray(good),
        "every other": good[::2],
        "float32": good.astype(np.float32),
        "big-endian": good.astype(">f8"),
        "integers": np.arange(6).reshape(2, 3),
        "large": good * 1e160,
        "a subclass": good.view(np.memmap),
        "a list": good.tolist(),
        "a frame": pd.DataFrame(good, columns=["a", "b", "c"]),
        "too narrow": good[:, :2].copy(),
        "too wide": np.hstack([good, good]),
        "no rows": good[:0],
        "a single dimension": good[0],
        "three dimensions": good[np.newaxis],
        "text": np.full((2, 3), "1.0 m"),
    }
    for name, value in (("nan", np.nan), ("inf", np.inf), ("-inf", -np.inf)):
        kinds[name] = good.copy()
        kinds[name][2, 1] = value
    kinds["inf and -inf"] = kinds["inf"].copy()
    kinds["inf and -inf"][3, 1] = -np.inf
    return kinds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", rows_of_every_kind())
def test_plain_rows_are_validated_as_scikit_learn_does(monkeypatch, kind, named, dtype):
    X, y = np.random.RandomState(1).standard_normal((20, 3)), np.arange(20) % 3
    if named:
        X = pd.DataFrame(X, columns=["a", "b", "c"])
    classifier = ScratchMLPClassifier((5,), max_iter=3, dtype=dtype, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        classifier.fit(X, y)

    def outcome():
        with warnings.catch_warnings(record=True, action="always") as warned:
            try:
                result = classifier.predict_proba(rows_of_every_kind()[kind])
            except (TypeError, ValueError) as error:
                return type(error), str(error)
        return result.dtype, result.tolist(), [str(w.message) for w in warned]

    calls = []

    def validated(*arguments, **options):
        calls.append(None)
        return validate_data(*arguments, **options)

    monkeypatch.setattr(validation, "validate_data", validated)
    got = outcome()
    is_plain = not named and kind in (
        ("float32",) if dtype == "float32" else ("plain", "single")
    )
    assert (not calls) == is_plain
    monkeypatch.setattr(base, "can_skip_validation", lambda *arguments: False)
    assert got == outcome()


@pytest.mark.parametrize(("at_a_time", "fewest"), [(1000, 1), (1, 37), (2**19, 256)])
def test_more_rows_than_a_chunk_are_predicted_alike(monkeypatch, at_a_time, fewest):
    monkeypatch.setattr(predictor, "CHUNK_ELEMENTS", at_a_time)
    monkeypatch.setattr(predictor, "MIN_CHUNK_ROWS", fewest)
    estimator, X, _ = fitted()
    many = np.tile(X, (300, 1))
    for name in METHODS:
        one, all_ = getattr(estimator, name)(X), getattr(estimator, name)(many)
        repeats = (300, 1) if one.ndim == 2 else 300
        assert_allclose(all_, np.tile(one, repeats), rtol=1e-10)


# Input


@given(settings_of_parameters(), st.sampled_from(["csr", "csc", "csr_matrix"]))
@settings(max_examples=25)
def test_sparse_input_trains_and_predicts_as_dense_input(setting, format_name):
    setting.data["format_name"] = "dense"
    X, y = setting.make_data()
    setting.data["format_name"] = format_name
    S, _ = setting.make_data()
    dense, _ = with_warnings(ScratchMLPClassifier(**setting.parameters).fit, X, y)
    other, _ = with_warnings(ScratchMLPClassifier(**setting.parameters).fit, S, y)
    rtol = 1e-3 if dense.solver == "lbfgs" else 1e-6
    assert_allclose(
        parameters_of(other), parameters_of(dense), rtol=rtol, atol=1e-3 * rtol
    )
    assert_allclose(dense.predict_proba(S), dense.predict_proba(X), rtol=1e-10)


@every_solver
def test_sparse_input_is_never_made_dense(solver, monkeypatch):
    estimator = make(solver=solver, batch_size=7)
    X, y = make_data("many classes", 40, "csr")

    def refuse(self, *args, **kwargs):
        raise AssertionError("the features were made dense")

    for container in (sparse.csr_array, sparse.csc_array):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(container, name, refuse)
    estimator.fit(X, y)
    predictions(estimator, X)
    predictions(estimator, X.tocsc())


@pytest.mark.parametrize("form", ["coo", "lil", "dok", "int64 indices", "unsorted"])
def test_other_sparse_input_is_converted(form):
    X, y = make_data("many classes", 40, "csr")
    expected = parameters_of(make().fit(X, y))
    other = X.copy()
    if form == "int64 indices":
        other.indices, other.indptr = X.indices.astype("i8"), X.indptr.astype("i8")
    elif form == "unsorted":
        for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
            for array in (other.indices, other.data):
                array[start:stop] = array[start:stop][::-1].copy()
        other.has_sorted_indices = False
    else:
        other = X.asformat(form)
    assert_allclose(parameters_of(make().fit(other, y)), expected, rtol=1e-9)


@every_solver
@every_kind
def test_float32_stays_float32(kind, solver):
    X, y = make_data(kind, 40, dtype=np.float32)
    estimator = make(solver=solver).fit(X, y)
    for array in (*estimator.coefs_, *estimator.intercepts_):
        assert array.dtype == np.float32
    for name in METHODS[1:]:
        assert getattr(estimator, name)(X).dtype == np.float32
        # float64 samples are rounded to what the network computes with.
        assert_array_equal(
            getattr(estimator, name)(X.astype(float)), getattr(estimator, name)(X)
        )


@every_solver
@pytest.mark.parametrize("dtype", [np.float64, np.float16, int, np.int8, bool, object])
def test_all_other_numbers_become_float64(dtype, solver):
    X, y = make_data("many classes", 40)
    X = (4 * X).astype(int).astype(dtype)
    estimator = make(solver=solver).fit(X, y)
    expected = make(solver=solver).fit(X.astype(float), y)
    assert parameters_of(estimator).dtype == np.float64
    assert_same_bits(estimator, expected, X)


@every_solver
def test_the_data_are_left_alone(solver):
    """Not written into, not even where that would be refused."""
    X, y = make_data("many classes", 40)
    weights = np.linspace(0, 2, 40)
    for array in (X, y, weights):
        array.flags.writeable = False
    before = contents([X, y, weights])
    estimator = make(solver=solver, batch_size=7).fit(X, y, sample_weight=weights)
    predictions(estimator, X)
    assert contents([X, y, weights]) == before


def test_feature_names_are_kept_and_compared_as_by_scikit_learn():
    """The same warnings and errors, word for word but for the name."""
    X, y = make_data("many classes", 40)
    frame = pd.DataFrame(X, columns=list("abcd"))
    others = [
        X,
        frame[["b", "a", "c", "d"]],
        frame.rename(columns={"a": "z"}),
        frame[["a", "b"]],
        X[:, :3],
        frame.rename(columns={"a": 0}),
    ]

    def outcomes(cls):
        estimator, _ = with_warnings(cls(**SMALL).fit, frame, y)
        assert_array_equal(estimator.feature_names_in_, list("abcd"))
        assert estimator.n_features_in_ == 4
        yield from (message_of(estimator.predict, other) for other in others)
        for other in others:
            estimator, _ = with_warnings(cls(**SMALL).fit, frame, y)
            yield message_of(estimator.partial_fit, other, y)
        estimator, _ = with_warnings(cls(**SMALL).fit, X, y)
        assert not hasattr(estimator, "feature_names_in_")
        yield message_of(estimator.predict, frame)

    found, expected = (
        list(outcomes(ScratchMLPClassifier)),
        list(outcomes(MLPClassifier)),
    )
    assert found == expected
    assert any(expected)


def message_of(call, *args):
    """Error or warnings of a call, without the name of the class."""
    try:
        _, caught = with_warnings(call, *args)
    except Exception as error:
        caught = [error]
    else:
        caught = [warning.message for warning in caught]
    return [
        (type(problem), str(problem).replace("ScratchMLP", "MLP"))
        for problem in caught
        if not isinstance(problem, ConvergenceWarning)
    ]


@pytest.mark.parametrize("solver", SOLVERS)
def test_data_frames_are_their_numbers(solver):
    X, y = make_data("many classes", 40)
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(40)[::-1])
    by_frame = make(solver=solver).fit(frame, pd.Series(y, index=np.arange(40) + 7))
    assert_same_parameters(by_frame, make(solver=solver).fit(X, y))
    assert_array_equal(by_frame.predict_proba(frame), by_frame.predict_proba(frame))


# Randomness


def run_everything(random_state):
    """Fit and predict in every way that draws numbers."""
    X, y = make_data("two classes", 40)
    for solver in SOLVERS:
        estimator = make(solver=solver, random_state=random_state).fit(X, y)
        predictions(estimator, X)
    make(early_stopping=True, random_state=random_state).fit(X, y)
    make(random_state=random_state).partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize("random_state", [None, 0])
def test_numpys_global_state_is_left_alone(random_state):
    np.random.seed(7)  # noqa: NPY002
    before = contents(np.random.get_state(legacy=False))  # noqa: NPY002
    run_everything(random_state)
    assert contents(np.random.get_state(legacy=False)) == before  # noqa: NPY002


@every_solver
def test_an_int_reproduces_and_none_does_not(solver):
    X, y = make_data("many classes", 40)

    def train(random_state):
        np.random.seed(3)  # noqa: NPY002
        return make(solver=solver, random_state=random_state).fit(X, y)

    assert_same_bits(train(1), train(1), X)
    assert not np.array_equal(parameters_of(train(1)), parameters_of(train(2)))
    assert not np.array_equal(parameters_of(train(None)), parameters_of(train(None)))


def test_a_random_state_moves_on_from_fit_to_fit():
    X, y = make_data("many classes", 40)
    estimator = make(random_state=np.random.RandomState(5))
    first, second = (parameters_of(estimator.fit(X, y)) for _ in range(2))
    assert not np.array_equal(first, second)
    estimator.random_state = np.random.RandomState(5)
    assert_array_equal(parameters_of(estimator.fit(X, y)), first)


# Going on: warm starts and streams


@given(settings_of_parameters(solvers=STOCHASTIC))
@settings(max_examples=40)
def test_partial_fit_n_times_is_a_fit_of_n_epochs(setting):
    """In the same order of samples; plateaus of 'adaptive' included."""
    setting.parameters |= {"shuffle": False, "early_stopping": False}
    X, y = setting.make_data()
    whole = ScratchMLPClassifier(**setting.parameters)
    with_warnings(whole.fit, X, y)
    stream = ScratchMLPClassifier(**setting.parameters)
    for _ in range(whole.n_iter_):
        with_warnings(
            stream.partial_fit, X, y, classes=classes_of(setting.data["kind"])
        )
    assert_same_bits(stream, whole, X)
    assert (stream.t_, stream.n_iter_) == (whole.t_, 1)
    assert stream.best_loss_ == whole.best_loss_


@pytest.mark.parametrize(("first", "then"), [(3, 2), (1, 4)])
def test_a_warm_start_goes_on_where_the_last_fit_ended(first, then):
    """Without momentum, which a fit begins anew, two fits are one."""
    X, y = make_data("many classes", 40)
    plain = {"solver": "sgd", "momentum": 0, "shuffle": False, "tol": 0}
    once = make(**plain, max_iter=first + then).fit(X, y)
    twice = make(**plain, warm_start=True, max_iter=first).fit(X, y)
    assert twice.set_params(max_iter=then).fit(X, y).n_iter_ == then
    assert_same_bits(twice, once, X)
    assert twice.t_ == once.t_ == 40 * (first + then)


@every_solver
def test_without_warm_start_a_second_fit_forgets_the_first(solver):
    X, y = make_data("many classes", 40)
    Z, w = make_data("two classes", 30, dtype=np.float32)
    again = make(solver=solver).fit(Z[:, :3], w).fit(X, y)
    assert_same_bits(again, make(solver=solver).fit(X, y), X)


def test_a_warm_start_keeps_the_networks_dtype():
    estimator, X, y = fitted(warm_start=True)
    estimator.fit(X.astype(np.float32), y)
    assert parameters_of(estimator).dtype == np.float64


def test_partial_fit_is_there_for_stochastic_solvers_only():
    assert hasattr(make(solver="adam"), "partial_fit")
    assert not hasattr(make(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError) as caught:
        _ = make(solver="lbfgs").partial_fit
    assert "lbfgs" in str(caught.value.__cause__)


def test_partial_fit_needs_no_classes_after_a_fit():
    estimator, X, y = fitted()
    few = y < 2
    n_samples_seen = estimator.t_
    estimator.partial_fit(X[few], y[few])
    assert estimator.t_ == n_samples_seen + few.sum()
    assert_array_equal(estimator.classes_, np.unique(y))


# Early stopping


@every_kind
@pytest.mark.parametrize("weighted", [True, False])
def test_the_best_score_is_that_of_the_final_weights_on_what_was_set_aside(
    kind, weighted
):
    """The split is drawn after the initial weights; the score counts the weights."""
    X, y = make_data(kind, 60)
    weights = np.random.default_rng(0).exponential(size=60) if weighted else None
    estimator = make(early_stopping=True, max_iter=15, learning_rate_init=0.05)
    estimator.fit(X, y, sample_weight=weights)
    stream = np.random.RandomState(SMALL["random_state"])
    sizes = [N_FEATURES, *SMALL["hidden_layer_sizes"], estimator.n_outputs_]
    Network.glorot(sizes, estimator.activation, random_state=stream)
    rows = np.arange(60)
    two = kind == "two classes"
    _, held_out = train_test_split(
        rows, test_size=0.1, random_state=stream, stratify=y if two else None
    )
    taken = None if weights is None else weights[held_out]
    score = estimator.score(X[held_out], y[held_out], sample_weight=taken)
    assert_allclose(estimator.best_validation_score_, score)
    assert max(estimator.validation_scores_) == estimator.best_validation_score_
    assert len(estimator.validation_scores_) == estimator.n_iter_


def test_what_diverges_after_its_best_epoch_is_kept_as_it_was_then():
    """L2 beyond reason throws the weights ever farther out; nan is never the best."""
    X, y = make_data("many classes", 40)
    estimator = make(
        early_stopping=True, solver="sgd", momentum=0, alpha=1e100, learning_rate_init=1
    )
    with_warnings(estimator.fit, X, y)
    first, *_, last = estimator.validation_scores_
    assert np.isnan(last)
    assert estimator.best_validation_score_ == first >= 0
    assert np.isfinite(parameters_of(estimator)).all()
    estimator.max_iter = 1
    with_warnings(estimator.fit, X, y)
    assert estimator.validation_scores_ == [first]


@pytest.mark.parametrize("n_samples", range(4, 21, 4))
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_the_validation_part_grows_to_what_is_needed(n_samples, n_classes):
    """A tenth of few samples is none: then two, or one of each of two classes."""
    X, _ = make_data("two classes", n_samples)
    y = np.arange(n_samples) % n_classes
    estimator = make(early_stopping=True).fit(X, y)
    # Each epoch sees the samples that were not set aside.
    trained_on = estimator.t_ / estimator.n_iter_
    assert trained_on == n_samples - max(2, math.ceil(0.1 * n_samples))


def test_too_few_samples_to_set_any_aside_are_refused_with_numbers():
    X, _ = make_data("two classes", 24)
    with pytest.raises(ValueError, match=r"validation set is too small.*n_samples = 2"):
        make(early_stopping=True).fit(X[:2], [0, 0])


# Sample weights


@given(settings_of_parameters(), st.sampled_from(["fit", "partial_fit"]))
@settings(max_examples=40)
def test_weights_of_one_are_none(setting, method):
    X, y = setting.make_data()
    if method == "partial_fit":
        assume(setting.parameters["solver"] != "lbfgs")
        setting.parameters["early_stopping"] = False
    options = {} if method == "fit" else {"classes": classes_of(setting.data["kind"])}

    def train(sample_weight):
        estimator = ScratchMLPClassifier(**setting.parameters)
        for _ in range(2):
            with_warnings(
                getattr(estimator, method),
                *(X, y),
                sample_weight=sample_weight,
                **options,
            )
        return estimator

    weighted, plain = train(np.ones(len(y))), train(None)
    assert_allclose(parameters_of(weighted), parameters_of(plain), rtol=1e-9)
    assert_allclose(weighted.loss_curve_, plain.loss_curve_, rtol=1e-9)
    assert weighted.validation_scores_ == plain.validation_scores_


@st.composite
def weighted_settings(draw, **options):
    """Settings with a whole number for each sample, some of them zero."""
    setting = draw_setting(Hypothesis(draw), **options)
    n_samples = setting.data["n_samples"]
    number = st.integers(0, 3)
    weights = draw(st.lists(number, min_size=n_samples, max_size=n_samples))
    weights[:8] = [1] * 8  # Enough samples, of each class, whatever is drawn.
    return setting, np.array(weights)


# Inverse scaling counts rows, as scikit-learn's does.
@pytest.mark.parametrize("learning_rate", sorted(set(SCHEDULES) - {"invscaling"}))
@given(weighted_settings())
@settings(max_examples=20)
def test_a_weight_of_k_is_k_copies_where_a_batch_covers_the_data(
    learning_rate, weighted_setting
):
    setting, weights = weighted_setting
    X, y = setting.make_data()
    setting.parameters |= {
        "learning_rate": learning_rate,
        "batch_size": "auto",  # Up to 200 samples, more than there are copies.
        "early_stopping": False,
    }
    weighted = ScratchMLPClassifier(**setting.parameters)
    with_warnings(weighted.fit, X, y, sample_weight=weights)
    rows = np.repeat(np.arange(len(y)), weights)
    copied = ScratchMLPClassifier(**setting.parameters)
    with_warnings(copied.fit, X[rows], y[rows])
    rtol = 1e-3 if weighted.solver == "lbfgs" else 1e-6
    found, expected = parameters_of(weighted), parameters_of(copied)
    assert_allclose(found, expected, rtol=rtol, atol=1e-3 * rtol)
    assert_allclose(weighted.loss_, copied.loss_, rtol=rtol)
    assert weighted.n_iter_ == copied.n_iter_


@given(weighted_settings(), st.sampled_from(["fit", "partial_fit"]))
@settings(max_examples=40)
def test_a_weight_of_zero_is_an_absent_row(weighted_setting, method):
    """Whatever the batches and the split: it is gone before anything is drawn."""
    setting, weights = weighted_setting
    X, y = setting.make_data()
    options = {}
    if method == "partial_fit":
        assume(setting.parameters["solver"] != "lbfgs")
        setting.parameters["early_stopping"] = False
        options["classes"] = classes_of(setting.data["kind"])
    there = weights > 0

    def train(rows):
        estimator = ScratchMLPClassifier(**setting.parameters)
        arguments = X[rows], y[rows]
        _, caught = with_warnings(
            getattr(estimator, method),
            *arguments,
            sample_weight=weights[rows],
            **options,
        )
        return estimator, [str(warning.message) for warning in caught]

    zero, said = train(np.ones(len(y), bool))
    absent, expected = train(there)
    assert_same_bits(zero, absent, X)
    assert said == expected
    assert zero.t_ == absent.t_


def test_a_class_of_no_weight_is_no_class():
    X, y = make_data("many classes", 40)
    estimator = make().fit(X, y, sample_weight=(y > 0).astype(float))
    assert_array_equal(estimator.classes_, [1, 2, 3])


@given(
    settings_of_parameters(solvers=["sgd", "adam"]),
    st.sampled_from([0.25, 0.5, 4.0]),
    st.integers(0, 1000),
)
@settings(max_examples=30)
def test_in_fit_weights_count_by_their_mean_and_l2_with_them(setting, factor, seed):
    """All weights ``factor`` times as large make ``alpha`` count so much less."""
    X, y = setting.make_data()
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(y))
    alpha = setting.parameters["alpha"]

    def train(sample_weight, alpha):
        estimator = ScratchMLPClassifier(**setting.parameters | {"alpha": alpha})
        return with_warnings(estimator.fit, X, y, sample_weight=sample_weight)[0]

    scaled, plain = train(factor * weights, factor * alpha), train(weights, alpha)
    assert_allclose(parameters_of(scaled), parameters_of(plain), rtol=1e-9)


def descend(X, y, weights, mean_weight, w, b, *, alpha, rate, size):
    """One epoch of plain descent on the logistic loss, as ``fit`` documents it."""
    losses = []
    for start in range(0, len(y), size):
        batch = slice(start, start + size)
        A, t, s = X[batch], y[batch], weights[batch]
        total = len(t) * mean_weight
        p = expit(A @ w + b)
        cost = (s * -np.log(np.where(t, p, 1 - p))).sum() + alpha / 2 * w @ w
        losses.append(cost / total * len(t))
        dZ = s * (p - t)
        w, b = w - rate * (A.T @ dZ + alpha * w) / total, b - rate * dZ.sum() / total
    return w, b, sum(losses) / len(y)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "early stopping"])
def test_a_minibatchs_loss_and_l2_term_are_divided_as_documented(method):
    """By its samples times the mean weight: of the rows that are trained on."""
    X, y = make_data("two classes", 40)
    weights = np.random.default_rng(1).exponential(size=40)
    numbers = {"alpha": 0.7, "rate": 0.5, "size": 16}
    early_stopping = method == "early stopping"
    estimator = make(
        hidden_layer_sizes=(),
        solver="sgd",
        momentum=0,
        shuffle=False,
        batch_size=numbers["size"],
        alpha=numbers["alpha"],
        learning_rate_init=numbers["rate"],
        max_iter=1,
        early_stopping=early_stopping,
    )
    stream = np.random.RandomState(SMALL["random_state"])
    layer = Network.glorot([N_FEATURES, 1], random_state=stream).layers[0]
    w, b = layer.W[0].copy(), layer.b[0, 0]
    rows = np.arange(40)
    if early_stopping:
        rows, _ = train_test_split(rows, test_size=0.1, random_state=stream, stratify=y)
    # A stream has no mean weight: there the weights count as given.
    mean_weight = 1 if method == "partial_fit" else weights[rows].mean()
    expected = descend(X[rows], y[rows], weights[rows], mean_weight, w, b, **numbers)
    if method == "partial_fit":
        estimator.partial_fit(X, y, sample_weight=weights, classes=[0, 1])
    else:
        estimator.fit(X, y, sample_weight=weights)
    found = estimator.coefs_[0][:, 0], estimator.intercepts_[0][0], estimator.loss_
    for ours, by_hand in zip(found, expected, strict=True):
        assert_allclose(ours, by_hand, rtol=1e-10)


@every_kind
def test_in_partial_fit_twice_the_weights_take_twice_the_step(kind):
    X, y = make_data(kind, 40)
    weights = np.random.default_rng(0).exponential(size=40)
    start = make(solver="sgd", momentum=0, alpha=0)
    start.partial_fit(X, y, classes=classes_of(kind))

    def step(factor):
        trained = copy.deepcopy(start).partial_fit(X, y, sample_weight=factor * weights)
        return parameters_of(trained) - parameters_of(start)

    assert_allclose(step(2.0), 2 * step(1.0), rtol=1e-6, atol=1e-12)


# Views


def forward(coefs, intercepts, X):
    A = X
    for W, b in zip(coefs[:-1], intercepts[:-1], strict=True):
        A = np.maximum(A @ W + b, 0)
    return A @ coefs[-1] + intercepts[-1]


def scale_item(arrays):
    arrays[1] *= 2


def write_into(arrays):
    arrays[0][...] = np.arange(arrays[0].size).reshape(arrays[0].shape) / 10


def write_an_element(arrays):
    arrays[-1][0] = 3


def assign_item(arrays):
    arrays[-1] = np.full(arrays[-1].shape, 0.5)


def assign_nested_list(arrays):
    arrays[0] = np.ones(arrays[0].shape).tolist()


def assign_slice(arrays):
    arrays[1:] = [np.full(array.shape, 0.25) for array in arrays[1:]]


EDITS = [
    scale_item,
    write_into,
    write_an_element,
    assign_item,
    assign_nested_list,
    assign_slice,
]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_edited_arrays_take_effect(name, edit, solver):
    """In predictions and further training, as in MLPClassifier."""
    estimators = []
    X, y = make_data("many classes", 40)
    for cls in (ScratchMLPClassifier, MLPClassifier):
        estimator, _ = with_warnings(cls(**SMALL, solver=solver).fit, X, y)
        before = [array.copy() for array in getattr(estimator, name)]
        edit(getattr(estimator, name))
        after = getattr(estimator, name)
        assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        if cls is ScratchMLPClassifier:
            expected = forward(estimator.coefs_, estimator.intercepts_, X)
            assert_allclose(logits_of(estimator, X), expected, rtol=1e-10)
        elif edit is assign_nested_list:  # Theirs would keep the list itself.
            getattr(estimator, name)[0] = np.array(getattr(estimator, name)[0])
        estimators.append(estimator.partial_fit(X, y))
    ours, theirs = estimators
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    assert_allclose(parameters_of(ours), parameters_of(theirs), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_arrays_assigned_as_a_whole_take_effect(name):
    estimator, X, y = fitted()
    other, _, _ = fitted(random_state=1)
    setattr(estimator, name, getattr(other, name))
    for a, b in zip(getattr(estimator, name), getattr(other, name), strict=True):
        assert_array_equal(a, b)
        assert not np.shares_memory(a, b)
    expected = forward(estimator.coefs_, estimator.intercepts_, X)
    assert_allclose(logits_of(estimator, X), expected, rtol=1e-10)
    estimator.partial_fit(X, y)
    unlike = zip(getattr(estimator, name), getattr(other, name), strict=True)
    assert not any(np.array_equal(a, b) for a, b in unlike)


def test_views_show_what_training_does_next():
    estimator, X, y = fitted()
    views = [*estimator.coefs_, *estimator.intercepts_]
    before = [view.copy() for view in views]
    estimator.partial_fit(X, y)
    for view, old, new in zip(
        views, before, [*estimator.coefs_, *estimator.intercepts_], strict=True
    ):
        assert not np.array_equal(view, old)
        assert np.shares_memory(view, new)
        assert np.shares_memory(view, estimator.network_.parameters)


def test_arrays_may_change_places():
    """What is assigned may be the views themselves."""
    estimator, _, _ = fitted(hidden_layer_sizes=(4, 4))
    first, second, third = (array.copy() for array in estimator.coefs_)
    estimator.coefs_ = [estimator.coefs_[1], estimator.coefs_[0], estimator.coefs_[2]]
    for found, expected in zip(estimator.coefs_, [second, first, third], strict=True):
        assert_array_equal(found, expected)
    estimator.coefs_[0] = estimator.coefs_[0].T
    assert_array_equal(estimator.coefs_[0], second.T)


def too_few(arrays):
    return arrays[:-1]


def too_many(arrays):
    return [*arrays, arrays[0]]


def last_of_another_shape(arrays):
    return [*arrays[:-1], np.zeros((9, 9))]


def last_without_a_shape(arrays):
    return [*arrays[:-1], 0.0]


def last_is_none(arrays):
    return [*arrays[:-1], None]


def last_of_uneven_rows(arrays):
    return [*arrays[:-1], [[1.0], [1.0, 2.0]]]


def last_of_words(arrays):
    return [*arrays[:-1], np.full(arrays[-1].shape, "word")]


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@pytest.mark.parametrize(
    "spoil",
    [
        too_few,
        too_many,
        last_of_another_shape,
        last_without_a_shape,
        last_is_none,
        last_of_uneven_rows,
        last_of_words,
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_changes(name, spoil):
    """Neither as a whole, as a slice nor as an item, however much of it would fit."""
    estimator, _, _ = fitted()
    before = contents(estimator)
    arrays = getattr(estimator, name)
    wrong = spoil([np.zeros(array.shape) for array in arrays])
    assignments = [
        lambda: setattr(estimator, name, wrong),
        lambda: arrays.__setitem__(slice(None), wrong),
    ]
    if len(wrong) == len(arrays):
        assignments.append(lambda: arrays.__setitem__(-1, wrong[-1]))
    for assign in assignments:
        with pytest.raises((ValueError, TypeError)):
            assign()
        assert contents(estimator) == before


# Persistence


def by_joblib(estimator, folder):
    joblib.dump(estimator, folder / "estimator.joblib")
    return joblib.load(folder / "estimator.joblib")


def by_cloudpickle(estimator, folder):
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(estimator))


COPIES = {
    "pickle": lambda estimator, _: pickle.loads(pickle.dumps(estimator)),
    "first protocol": lambda estimator, _: pickle.loads(pickle.dumps(estimator, 0)),
    "joblib": by_joblib,
    "cloudpickle": by_cloudpickle,
    "deepcopy": lambda estimator, _: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("copied_by", COPIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
@every_kind
def test_copies_predict_the_same_bits(kind, solver, dtype, copied_by, tmp_path):
    X, y = make_data(kind, 40, dtype=dtype)
    estimator = make(solver=solver).fit(X, y)
    copied = COPIES[copied_by](estimator, tmp_path)
    assert_same_bits(copied, estimator, X)
    assert copied.get_params() == estimator.get_params()
    assert not np.shares_memory(copied.coefs_[0], estimator.coefs_[0])
    copied.coefs_[0] *= 2
    assert not np.array_equal(copied.coefs_[0], estimator.coefs_[0])
    assert np.shares_memory(copied.coefs_[0], copied.network_.parameters)


@given(
    settings_of_parameters(solvers=STOCHASTIC),
    st.sampled_from(["fit", "partial_fit"]),
    st.sampled_from(["pickle", "deepcopy", "first protocol"]),
)
@settings(max_examples=40)
def test_training_resumed_after_a_round_trip_is_the_same_to_the_bit(
    setting, method, copied_by
):
    """Momentum, moments, schedule, counts and the generator travel along.

    In a pickle after ``fit`` the optimizer stays behind.
    """
    assume(method == "partial_fit" or copied_by == "deepcopy")
    setting.parameters |= {
        "early_stopping": False,
        "random_state": np.random.RandomState(setting.parameters["random_state"]),
        "max_iter": 2,
    }
    X, y = setting.make_data()
    options = {} if method == "fit" else {"classes": classes_of(setting.data["kind"])}
    estimator = ScratchMLPClassifier(**setting.parameters)
    with_warnings(getattr(estimator, method), X, y, **options)
    copied = COPIES[copied_by](estimator, None)
    for _ in range(3):
        with_warnings(estimator.partial_fit, X, y)
        with_warnings(copied.partial_fit, X, y)
    assert_same_bits(copied, estimator, X)


def test_a_file_of_skops_grows_by_a_few_bytes_for_each_epoch():
    io = pytest.importorskip("skops.io")
    X, y = make_data("two classes", 40)
    options = {"early_stopping": True, "n_iter_no_change": 1000, "random_state": 0}

    def fitted(max_iter):
        clf = ScratchMLPClassifier((3,), max_iter=max_iter, **options)
        with_warnings(clf.fit, X, y)
        return clf

    short, long = fitted(10), fitted(210)
    dumped = io.dumps(long)
    # Four curves, of the estimator and of the state that a warm start continues.
    assert len(dumped) - len(io.dumps(short)) < 200 * 8 * 8 + 2000
    loaded = io.loads(dumped, trusted=io.get_untrusted_types(data=dumped))
    for name in ("loss_curve_", "learning_rate_curve_", "validation_scores_"):
        assert type(getattr(loaded, name)) is list
        assert getattr(loaded, name) == getattr(long, name)
    for clf in (long, loaded):
        clf.set_params(warm_start=True, max_iter=3)
        with_warnings(clf.fit, X, y)
        assert len(clf.loss_curve_) == 213
    assert loaded.loss_curve_[:210] == long.loss_curve_[:210]


# Parameters and methods that leave different things in an estimator.
KEPT = {
    "nothing more": {},
    "dropout and an average": {"dropout": 0.2, "averaging": 0.9},
    "a list of rates": {"dropout": [0.2], "activation": ["gelu"], "dtype": "float32"},
    "momentum": {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0.5},
    "decay": {"solver": "adamw", "max_grad_norm": 1.0, "shuffle": False},
    "a random state": {"random_state": np.random.RandomState(0)},
}
KEPT_BY_FIT = {
    "early stopping": {"early_stopping": True, "averaging": 0.9},
    "a plan": {"learning_rate": "one_cycle", "warmup_fraction": 0.2},
    "L-BFGS": {"solver": "lbfgs"},
}


@pytest.mark.parametrize(
    "kind", ["two classes", "many classes", "multilabel", "number"]
)
@pytest.mark.parametrize(
    ("kept", "method"),
    [(kept, "fit") for kept in KEPT | KEPT_BY_FIT]
    + [(kept, "partial_fit") for kept in KEPT],
)
def test_a_file_of_skops_needs_trust_in_our_types_alone(kind, kept, method):
    """Whoever trusts them has the same estimator, which goes on the same."""
    io = pytest.importorskip("skops.io")
    X, y = make_data(kind, 40)
    is_number = kind == "number"
    cls = ScratchMLPRegressor if is_number else ScratchMLPClassifier
    parameters = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    estimator = cls(**parameters | copy.deepcopy((KEPT | KEPT_BY_FIT)[kept]))
    with_warnings(estimator.fit, X, y)
    if method == "partial_fit":
        estimator.partial_fit(X, y)
    file = io.dumps(estimator)
    types = io.get_untrusted_types(data=file)
    assert f"{cls.__module__}.{cls.__name__}" in types
    assert all(name.startswith("skscratch.") for name in types)
    loaded = io.loads(file, trusted=types)
    assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert_array_equal(loaded.network_.parameters, estimator.network_.parameters)
    assert loaded.loss_curve_ == estimator.loss_curve_
    if method == "partial_fit":
        for _ in range(2):
            estimator.partial_fit(X, y)
            loaded.partial_fit(X, y)
        assert_array_equal(loaded.network_.parameters, estimator.network_.parameters)
    with pytest.raises(io.exceptions.UntrustedTypesFoundException):
        io.loads(file, trusted=[])


@every_solver
def test_the_training_data_are_let_go_of(solver):
    estimator, _, _ = fitted(solver=solver)
    for layer in estimator.network_.layers:
        assert layer.A1 is layer.Z is layer.A is None


def test_a_pickle_holds_no_data_and_no_gradients():
    """Its size is that of the parameters and of the optimizer's two moments."""
    X, y = make_data("many classes", 60)
    X = np.tile(X, (50, 25))
    estimator = make(hidden_layer_sizes=100, max_iter=1).fit(X, y.repeat(50))
    size = parameters_of(estimator).nbytes
    assert size < len(pickle.dumps(estimator)) < 3 * size + 20_000 < X.nbytes


# Refusals


def refused_calls():
    """Names of bad calls: the method and a function of the data, for its arguments."""
    wrong = {
        "nan in X": lambda X, y: (np.where(X > 0, np.nan, X), y),
        "infinity in X": lambda X, y: (np.where(X > 0, np.inf, X), y),
        "words in X": lambda X, y: (np.full(X.shape, "word"), y),
        "X of one dimension": lambda X, y: (X[:, 0], y),
        "X of three dimensions": lambda X, y: (X[:, :, np.newaxis], y),
        "X without samples": lambda X, y: (X[:0], y[:0]),
        "X without features": lambda X, y: (X[:, :0], y),
        "complex X": lambda X, y: (X + 1j, y),
        "y too short": lambda X, y: (X, y[:-1]),
        "no y": lambda X, y: (X, None),
        "nan in y": lambda X, y: (X, np.where(y == 1, np.nan, y)),
        "continuous y": lambda X, y: (X, y + 0.5),
        "y of two outputs": lambda X, y: (X, np.column_stack([y, y])),
    }
    weights = {
        "negative weights": lambda n: np.linspace(-1, 1, n),
        "weights of zero": np.zeros,
        "nan in the weights": lambda n: np.where(np.arange(n) == 2, np.nan, 1),
        "infinite weights": lambda n: np.full(n, np.inf),
        "weights too short": lambda n: np.ones(n - 1),
        "weights of two dimensions": lambda n: np.ones((n, 2)),
        "words as weights": lambda n: np.full(n, "heavy"),
    }
    for name, change in weights.items():
        wrong[name] = lambda X, y, change=change: (X, y, change(len(y)))
    return wrong


REFUSED = refused_calls()
AS_IT_WAS = {
    "fit": {},
    "fit, warm": {"warm_start": True},
    "partial_fit": {},
}


def assert_refused_without_a_trace(estimator, call, X, match=None):
    """Neither the estimator's contents nor its predictions change by a bit."""
    before, predicted = contents(estimator), contents(predictions(estimator, X))
    with pytest.raises((ValueError, TypeError), match=match):
        with_warnings(call)
    assert contents(estimator) == before
    assert contents(predictions(estimator, X)) == predicted


@pytest.mark.parametrize("bad", REFUSED)
@pytest.mark.parametrize("method", AS_IT_WAS)
def test_a_call_with_bad_data_leaves_the_estimator_as_it_was(method, bad):
    estimator, X, y = fitted(**AS_IT_WAS[method])
    call = getattr(estimator, method.split(",")[0])
    arguments = REFUSED[bad](X, y)
    assert_refused_without_a_trace(estimator, lambda: call(*arguments), X)
    fresh = make(**AS_IT_WAS[method])
    parameters = contents(fresh)
    call = getattr(fresh, method.split(",")[0])
    options = {"classes": classes_of("many classes")} if "partial" in method else {}
    with pytest.raises((ValueError, TypeError)):
        call(*arguments, **options)
    assert contents(fresh) == parameters


# What partial_fit refuses too: it does not check all parameters on every call.
OTHER_NETWORKS = [
    {"hidden_layer_sizes": (0,)},
    {"hidden_layer_sizes": (5,)},
    {"hidden_layer_sizes": (4, 5)},
    {"random_state": "today"},
    {"early_stopping": True, "validation_fraction": 0.0},
    {"early_stopping": True, "validation_fraction": 0.99},
]
BAD_PARAMETERS = [
    {"alpha": -1},
    {"activation": "softmax"},
    {"solver": "newton"},
    {"batch_size": 0},
    {"learning_rate": "faster"},
    *OTHER_NETWORKS,
]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        *(("fit", changes) for changes in BAD_PARAMETERS),
        *(("partial_fit", changes) for changes in OTHER_NETWORKS),
    ],
    ids=str,
)
def test_a_call_with_bad_parameters_leaves_the_estimator_as_it_was(method, changes):
    """Other hidden layers among them, where there is a network to go on with."""
    estimator, X, y = fitted(warm_start=True)
    call = getattr(estimator.set_params(**changes), method)
    assert_refused_without_a_trace(estimator, lambda: call(X, y), X)


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"classes": [0, 1]}, slice(None)),
        ({"classes": [0, 1, 2, 3, 4]}, slice(None)),
        ({"classes": list("abcd")}, slice(None)),
        ({}, slice(0, 3)),
    ],
    ids=["fewer classes", "more classes", "other classes", "fewer features"],
)
def test_a_stream_that_changes_leaves_the_estimator_as_it_was(options, columns):
    estimator, X, y = fitted()
    call = estimator.partial_fit
    assert_refused_without_a_trace(
        estimator, lambda: call(X[:, columns], y, **options), X
    )
    assert_refused_without_a_trace(estimator, lambda: call(X, y + 1), X, match="class")
    warm, X, y = fitted(warm_start=True)
    for labels_ in (y % 2, y + 1, y + 4):
        assert_refused_without_a_trace(
            warm, lambda labels_=labels_: warm.fit(X, labels_), X, match="warm_start"
        )


def test_the_first_call_of_a_stream_needs_all_classes():
    X, y = make_data("many classes", 40)
    with pytest.raises(ValueError, match="classes must be passed"):
        make().partial_fit(X, y)
    with pytest.raises(ValueError, match="class"):
        make().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="early_stopping"):
        make(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2, 3])


@pytest.mark.parametrize("method", AS_IT_WAS)
@every_stochastic_solver
def test_training_that_diverges_leaves_the_estimator_as_it_was(method, solver):
    """Also what further training starts from: it goes on as if nothing had been."""
    parameters = AS_IT_WAS[method] | {"activation": "identity", "batch_size": 5}
    estimator, X, y = fitted(solver=solver, **parameters)
    untouched = copy.deepcopy(estimator)
    train = getattr(estimator, method.split(",")[0])
    huge = 1e308 * np.sign(X)
    with pytest.raises(ValueError, match="non-finite"):
        with_warnings(train, huge, y)
    assert (estimator.t_, estimator.n_iter_) == (untouched.t_, untouched.n_iter_)
    assert_same_bits(estimator, untouched, X)
    for one in (estimator, untouched):
        one.partial_fit(X, y)
    assert_same_bits(estimator, untouched, X)


# The network


@every_kind
def test_the_network_consists_of_the_articles_layers(kind):
    estimator, _, _ = fitted(kind)
    network = estimator.network_
    assert type(network) is Network
    assert [type(layer) for layer in network.layers] == [Layer] * 3
    assert [layer.activation for layer in network.layers] == ["relu"] * 2 + ["identity"]
    assert estimator.n_layers_ == 4
    for layer, W, b in zip(
        network.layers, estimator.coefs_, estimator.intercepts_, strict=True
    ):
        assert_array_equal(layer.W, W.T)
        assert_array_equal(layer.b[:, 0], b)


def corrupt_derivative(monkeypatch, name):
    """Make an activation's derivative too large for every other sample.

    Adam would not notice the same factor for all of them.
    """
    honest = ACTIVATIONS[name].derivative

    def wrong(*args, **kwargs):
        values = honest(*args, **kwargs)
        values[..., ::2] *= 1.5
        return values

    corrupted = replace(ACTIVATIONS[name], derivative=wrong)
    monkeypatch.setitem(ACTIVATIONS, name, corrupted)


@pytest.mark.usefixtures("numpy_trains")
@every_solver
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_corrupted_derivative_is_seen_and_is_what_trains(
    activation, solver, monkeypatch
):
    estimator, X, y = fitted(activation=activation, solver=solver)
    X, y = X[:10], y[:10]
    assert check_gradients(estimator.network_, X, y, alpha=1e-4).passed
    expected = make(activation=activation, solver=solver).fit(X, y)
    corrupt_derivative(monkeypatch, activation)
    assert not check_gradients(estimator.network_, X, y, alpha=1e-4).passed
    changed = make(activation=activation, solver=solver).fit(X, y)
    assert not np.allclose(parameters_of(changed), parameters_of(expected), rtol=1e-6)


@pytest.mark.usefixtures("numpy_trains")
@pytest.mark.parametrize("method", ["forward", "backward"])
@every_solver
def test_layers_compute_what_trains(method, solver, monkeypatch):
    """Whoever replaces a layer's pass changes what is learned."""
    expected, X, y = fitted(solver=solver)
    honest, calls = getattr(Layer, method), []

    def spy(layer, *args, **kwargs):
        calls.append(layer)
        return honest(layer, *args, **kwargs)

    monkeypatch.setattr(Layer, method, spy)
    estimator = make(solver=solver).fit(X, y)
    # L-BFGS works on a copy of the network.
    layers = set(map(id, estimator.network_.layers))
    assert layers <= set(map(id, calls)) or solver == "lbfgs"
    assert len({id(layer) for layer in calls}) == len(layers)
    assert_same_bits(estimator, expected, X)

    def wrong(layer, batch, *args, **kwargs):
        return honest(layer, 0.9 * batch, *args, **kwargs)

    monkeypatch.setattr(Layer, method, wrong)
    changed = make(solver=solver).fit(X, y)
    monkeypatch.setattr(Layer, method, honest)
    assert not np.allclose(parameters_of(changed), parameters_of(expected), rtol=1e-6)


@every_kind
@pytest.mark.parametrize("format_name", ["dense", "csr"])
def test_prediction_writes_nothing_to_any_object(kind, format_name):
    X, y = make_data(kind, 40, format_name)
    estimator = make().fit(X, y)
    before = contents(estimator)
    predictions(estimator, X)
    estimator.score(X, y)
    assert contents(estimator) == before


@every_kind
def test_eight_threads_predict_the_same_bits(kind):
    estimator, _, _ = fitted(kind)
    samples = [make_data(kind, 30 + 7 * i, seed=i)[0] for i in range(8)]
    expected = [contents(predictions(estimator, X)) for X in samples]
    start, found = threading.Barrier(8), [[] for _ in range(8)]

    def work(i):
        start.wait()
        for _ in range(30):
            found[i].append(contents(predictions(estimator, samples[i])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[one] * 30 for one in expected]


# Optima


@pytest.mark.parametrize("kind", ["two classes", "many classes"])
@pytest.mark.parametrize("weighted", [True, False])
@given(alpha=st.floats(0.1, 10), seed=st.integers(0, 1000))
@settings(max_examples=8)
def test_without_hidden_layers_the_optimum_is_logistic_regressions(
    kind, weighted, alpha, seed
):
    """``alpha`` is the inverse of its ``C``."""
    X, y = make_data(kind, 60, seed=seed)
    weights = np.random.default_rng(seed).exponential(size=60) if weighted else None
    options = {"tol": 1e-8, "max_iter": 5000}
    ours = make(hidden_layer_sizes=(), solver="lbfgs", alpha=alpha, **options)
    ours.fit(X, y, sample_weight=weights)
    theirs = LogisticRegression(C=1 / alpha, **options)
    theirs.fit(X, y, sample_weight=weights)
    P = theirs.predict_proba(X)
    assert_allclose(ours.predict_proba(X), P, atol=2e-3)
    coefs = theirs.coef_.T
    assert_allclose(ours.coefs_[0], coefs, rtol=2e-2, atol=2e-2)
    # The loss is the mean log-loss and half of alpha times the squares, by samples.
    total = 60 if weights is None else weights.sum()
    loss = log_loss(y, P, sample_weight=weights) + alpha / 2 * (coefs**2).sum() / total
    assert_allclose(ours.loss_, loss, rtol=1e-5)


@every_solver
def test_training_learns(solver):
    """Exclusive or, which no linear model can tell apart."""
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 10, dtype=float)
    y = X[:, 0] != X[:, 1]
    estimator = ScratchMLPClassifier(
        hidden_layer_sizes=8,
        activation="tanh",
        solver=solver,
        learning_rate_init=0.1,
        max_iter=300,
        random_state=0,
    ).fit(X, y)
    assert estimator.score(X, y) == 1
    assert estimator.loss_curve_[-1] < 0.1 < estimator.loss_curve_[0]


# What is seen of it


@every_solver
@pytest.mark.parametrize("early_stopping", [True, False])
def test_verbose_tells_of_each_iteration(solver, early_stopping, capsys):
    estimator, _, _ = fitted(solver=solver, early_stopping=early_stopping, verbose=True)
    printed = capsys.readouterr().out.splitlines()
    losses = [
        f"Iteration {i}, loss = {loss:.8f}"
        for i, loss in enumerate(estimator.loss_curve_, start=1)
    ]
    assert [line for line in printed if line.startswith("Iteration")] == losses
    scores = [line for line in printed if line.startswith("Validation score:")]
    assert len(scores) == len(estimator.validation_scores_ or [])
    fitted(solver=solver, early_stopping=early_stopping)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("learning_rate", "said"),
    [("constant", "Stopping"), ("adaptive", "learning rate to")],
)
def test_verbose_tells_why_training_ends_or_slows(learning_rate, said, capsys):
    fitted(
        solver="sgd",
        learning_rate=learning_rate,
        tol=1e9,
        n_iter_no_change=1,
        verbose=True,
    )
    assert said in capsys.readouterr().out


@every_stochastic_solver
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_interrupted_training_leaves_a_usable_estimator(
    solver, early_stopping, after, fail_at
):
    """Ctrl-C in the midst of an epoch: a warning, and what was learnt so far."""
    X, y = make_data("many classes", 40)
    n_batches = 2 if early_stopping else 3
    estimator = make(
        solver=solver, early_stopping=early_stopping, batch_size=18, max_iter=50
    )
    fail_at(after + 1, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(X, y)
    epochs = after // n_batches
    assert estimator.n_iter_ == len(estimator.loss_curve_) == epochs
    assert estimator.predict(X).shape == (40,)
    assert np.isfinite(parameters_of(estimator)).all()
    estimator.set_params(early_stopping=False).partial_fit(X, y)
    assert pickle.loads(pickle.dumps(estimator)).n_iter_ == 1


# Metadata routing


def test_routing_offers_what_mlp_classifier_offers():
    def offered(cls):
        with sklearn.config_context(enable_metadata_routing=True):
            return str(cls().get_metadata_routing()).replace("ScratchMLP", "MLP")

    ours = offered(ScratchMLPClassifier)
    for name in ("X_val", "y_val", "sample_weight_val", "groups"):
        assert f"'{name}': None" in ours
        ours = ours.replace(f"'{name}': None", "")
    ours = re.sub(
        r"(, )+\}", "}", re.sub(r"\{(, )+", "{", re.sub(r"(, )+", ", ", ours))
    )
    assert ours == offered(MLPClassifier)


@pytest.mark.parametrize(
    "requests", [("fit",), ("score",), ("fit", "score")], ids=" and ".join
)
def test_weights_are_routed_to_where_they_are_requested(requests):
    X, y = make_data("two classes", 60)
    weights = np.random.default_rng(0).exponential(size=60)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = (
            make(max_iter=10)
            .set_fit_request(sample_weight="fit" in requests)
            .set_score_request(sample_weight="score" in requests)
        )
        search = GridSearchCV(estimator, {"alpha": [1e-4]}, cv=2)
        search.fit(X, y, sample_weight=weights)

    def weights_for(method, rows):
        return {"sample_weight": weights[rows]} if method in requests else {}

    folds = StratifiedKFold(2).split(X, y)
    for fold, (train, test) in enumerate(folds):
        expected = make(max_iter=10)
        expected.fit(X[train], y[train], **weights_for("fit", train))
        score = expected.score(X[test], y[test], **weights_for("score", test))
        assert_allclose(search.cv_results_[f"split{fold}_test_score"], score)
    whole = make(max_iter=10).fit(X, y, **weights_for("fit", slice(None)))
    assert_same_parameters(search.best_estimator_, whole)


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("labels_first", [True, False])
def test_classes_and_labels_are_not_mixed(method, n_labels, labels_first):
    """Of as many outputs, they would broadcast against each other in silence."""
    X, _ = make_data("two classes", 24)
    classes = np.arange(24) % n_labels
    labels = np.random.RandomState(0).randint(2, size=(24, n_labels))
    targets = [labels, classes] if labels_first else [classes, labels]
    estimator = make(warm_start=method == "fit").fit(X, targets[0])
    before = contents(vars(estimator))
    with pytest.raises(ValueError, match=r"can't be mixed|classes"):
        getattr(estimator, method)(X, targets[1])
    assert contents(vars(estimator)) == before


def test_a_truth_value_is_no_size():
    X, y = make_data("two classes", 24)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes .* got True"):
        make(hidden_layer_sizes=True).fit(X, y)


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_refused_call_changes_no_activation(cls, n_estimators):
    X, y = load_iris(return_X_y=True)
    estimator = cls(
        max_iter=3, warm_start=True, early_stopping=True, n_estimators=n_estimators
    ).fit(X, y)
    before = estimator.predict(X)
    estimator.set_params(activation="tanh")
    with pytest.raises(ValueError, match="X_val and y_val can't be used"):
        estimator.fit(X, y, X_val=X[:5, :2], y_val=y[:5])
    assert estimator.network_.layers[0].activation == "relu"
    np.testing.assert_array_equal(estimator.predict(X), before)
