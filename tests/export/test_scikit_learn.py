"""scikit-learn's class and ours hold the same network, and continue each other."""

import copy
import pickle

import numpy as np
import pytest
from estimator_strategies import (
    KINDS,
    TARGETS,
    make_data,
    parameters_of,
    quietly,
    settings_of_parameters,
    table,
    with_warnings,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    Activation,
    Loss,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
)
from skscratch.estimators.base import fitted_state
from skscratch.export import from_sklearn, to_sklearn

CLASSES = {
    "classifier": (ScratchMLPClassifier, MLPClassifier),
    "regressor": (ScratchMLPRegressor, MLPRegressor),
}
drawn = settings_of_parameters(kinds=KINDS | TARGETS)
dtypes = st.sampled_from([np.float32, np.float64])
SMALL = {"hidden_layer_sizes": (4, 3), "max_iter": 3, "random_state": 0}


def classes_for(setting):
    """Our class and scikit-learn's."""
    is_regression = setting.data["kind"] in TARGETS
    return CLASSES["regressor" if is_regression else "classifier"]


def fitted_or_not_drawn(cls, setting, X, y):
    """Fit; settings whose training diverges are not drawn."""
    try:
        with np.errstate(all="ignore"):
            return with_warnings(cls(**setting.parameters).fit, X, y)[0]
    except ValueError as error:
        assume("finite" not in str(error))
        raise


def predictions(model, X):
    """Probabilities of the classes, or predicted numbers."""
    return getattr(model, "predict_proba", model.predict)(X)


def assert_same_predictions(model, other, X):
    P, Q = predictions(model, X), predictions(other, X)
    tolerance = {"float32": 1e-5, "float64": 1e-12}[P.dtype.name]
    assert P.dtype == Q.dtype
    np.testing.assert_allclose(P, Q, rtol=tolerance, atol=tolerance * abs(P).max())
    if hasattr(model, "predict_proba"):
        apart = abs(P - 0.5).min(axis=1) > 1e-5
        if P.shape[1] > 2:
            best = np.sort(P, axis=1)
            apart &= best[:, -1] - best[:, -2] > 1e-5
        assert (model.predict(X) == other.predict(X))[apart].all()
    # Labels of ties may differ, and those that are one bit from a tie.


@settings(max_examples=60)
@given(setting=drawn, dtype=dtypes)
def test_a_network_of_theirs_comes_and_goes_unchanged(setting, dtype):
    X, y = setting.make_data(dtype)
    theirs = fitted_or_not_drawn(classes_for(setting)[1], setting, X, y)
    ours = from_sklearn(theirs)
    back = to_sklearn(ours)
    assert_same_predictions(theirs, ours, X)
    assert np.array_equal(predictions(theirs, X), predictions(back, X))
    assert np.array_equal(theirs.predict(X), back.predict(X))
    assert back.get_params() == theirs.get_params()
    assert type(back) is type(theirs)
    for name, value in vars(theirs).items():
        if name.endswith("_") and name not in ("coefs_", "intercepts_"):
            assert np.array_equal(getattr(back, name), value), name
        if name.endswith("_") and name != "loss_curve_":
            assert hasattr(ours, name), name


@settings(max_examples=60)
@given(setting=drawn, dtype=dtypes)
def test_a_network_of_ours_comes_and_goes_unchanged(setting, dtype):
    X, y = setting.make_data(dtype)
    ours = fitted_or_not_drawn(classes_for(setting)[0], setting, X, y)
    theirs = to_sklearn(ours)
    back = from_sklearn(theirs)
    assert_same_predictions(ours, theirs, X)
    assert np.array_equal(predictions(ours, X), predictions(back, X))
    assert np.array_equal(ours.predict(X), back.predict(X))
    assert (parameters_of(ours) == parameters_of(back)).all()
    # Their score is of their predictions, and that of regressors of rounding.
    assert theirs.score(X, y) == pytest.approx(ours.score(X, y), rel=1e-4, abs=1e-4)


def continued(model, X, y):
    """Parameters after one more epoch; None if it diverges."""
    try:
        with np.errstate(all="ignore"):
            return parameters_of(with_warnings(model.partial_fit, X, y)[0])
    except ValueError as error:
        if "finite" not in str(error):
            raise
        return None


@settings(max_examples=60)
@given(setting=settings_of_parameters(solvers=("sgd", "adam"), kinds=KINDS | TARGETS))
def test_partial_fit_continues_as_if_nothing_had_happened(setting):
    setting.parameters.update(early_stopping=False)
    X, y = setting.make_data()
    theirs = fitted_or_not_drawn(classes_for(setting)[1], setting, X, y)
    ours = from_sklearn(theirs)
    back, loaded = to_sklearn(ours), pickle.loads(pickle.dumps(ours))
    expected = continued(theirs, X, y)
    assume(expected is not None and abs(expected).max() < 1e3)
    assert (continued(back, X, y) == expected).all()
    reached = continued(ours, X, y)
    np.testing.assert_allclose(reached, expected, rtol=1e-6, atol=1e-6)
    assert (continued(loaded, X, y) == reached).all()
    assert len(ours.loss_curve_) == len(theirs.loss_curve_)
    assert ours.t_ == theirs.t_


@settings(max_examples=60)
@given(setting=drawn, seed=st.integers(0, 100))
def test_warm_starts_continue_as_if_nothing_had_happened(setting, seed):
    X, y = setting.make_data()
    theirs = fitted_or_not_drawn(classes_for(setting)[1], setting, X, y)
    ours = from_sklearn(theirs)
    back = to_sklearn(ours)
    for model in (theirs, ours, back):
        model.set_params(warm_start=True, random_state=seed, max_iter=2)
    try:
        with np.errstate(all="ignore"):
            expected = parameters_of(with_warnings(theirs.fit, X, y)[0])
    except ValueError as error:
        assume("finite" not in str(error))
        raise
    assume(abs(expected).max() < 1e3)
    assert (parameters_of(with_warnings(back.fit, X, y)[0]) == expected).all()
    reached = parameters_of(with_warnings(ours.fit, X, y)[0])
    np.testing.assert_allclose(reached, expected, rtol=1e-5, atol=1e-5)
    if setting.parameters["solver"] != "lbfgs":
        assert ours.n_iter_ == theirs.n_iter_


LABELS = {
    "text": np.array(["no", "yes", "perhaps"]),
    "objects": np.array(["no", "yes", "perhaps"], dtype=object),
    "two of objects": np.array(["no", "yes", "no"], dtype=object),
    "booleans": np.array([True, False, True]),
    "far numbers": np.array([-3, 10**12, 7]),
    "floats": np.array([1.0, 2.0, 5.0]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_keep_their_kind(kind):
    X, codes = make_data("many classes", 60)
    y = LABELS[kind][codes % 3]
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    theirs = to_sklearn(ours)
    again = from_sklearn(theirs)
    for model in (theirs, again):
        assert model.classes_.dtype == ours.classes_.dtype
        assert model.predict(X).dtype == ours.predict(X).dtype
        assert (model.predict(X) == ours.predict(X)).all()
    with_warnings(theirs.partial_fit, X, y)
    quietly(again.set_params(warm_start=True).fit, X, y)


def test_sparse_labels_stay_sparse():
    X, y = make_data("multilabel", 40)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, sparse.csr_array(y))
    theirs = to_sklearn(ours)
    assert sparse.issparse(theirs.predict(X))
    assert (theirs.predict(X) != ours.predict(X)).nnz == 0
    assert (from_sklearn(theirs).predict(X) != ours.predict(X)).nnz == 0


def test_names_of_features_come_along():
    frame, y = table()
    X = frame[["whole", "truth"]].astype(float)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    for model in (to_sklearn(ours), from_sklearn(to_sklearn(ours))):
        assert list(model.feature_names_in_) == ["whole", "truth"]
        assert (model.predict(X) == ours.predict(X)).all()
        with pytest.raises(ValueError, match="feature names"):
            model.predict(X[["truth", "whole"]])


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [
        ({"loss": "absolute_error"}, "squared_error"),
        ({"loss": "huber(1.5)"}, "squared_error"),
        ({"loss": "quantile", "quantile": 0.2}, "squared_error"),
        ({"loss": "poisson"}, "poisson"),
        ({"loss": "gamma"}, "poisson"),
    ],
)
@pytest.mark.parametrize("kind", ["count", "counts"])
def test_losses_with_outputs_of_theirs_are_held(loss, theirs, kind):
    X, y = make_data(kind, 40)
    ours = quietly(ScratchMLPRegressor(**loss, **SMALL).fit, X, y + 1)
    converted = to_sklearn(ours)
    assert converted.loss == theirs
    assert_same_predictions(ours, converted, X)


def test_parameters_that_are_not_theirs_become_defaults():
    X, y = make_data("two classes", 40)
    ours = ScratchMLPClassifier(
        (5,), "tanh", solver="adamw", learning_rate="cosine", alpha=0.3, dropout=0.2
    ).set_params(max_iter="auto", random_state=np.random.RandomState(0))
    converted = to_sklearn(quietly(ours.fit, X, y))
    parameters = converted.get_params()
    assert parameters["solver"] == "adam"
    assert parameters["learning_rate"] == "constant"
    assert (parameters["max_iter"], parameters["alpha"]) == (200, 0.3)
    assert parameters["hidden_layer_sizes"] == (5,)
    assert parameters["activation"] == "tanh"
    assert parameters["random_state"] is not ours.random_state
    before = parameters_of(converted)
    with_warnings(converted.partial_fit, X, y)
    assert abs(parameters_of(converted) - before).max() > 1e-4


def test_a_planned_schedule_leaves_a_rate_to_continue_with():
    X, y = make_data("two classes", 40)
    ours = ScratchMLPClassifier(solver="sgd", learning_rate="cosine", **SMALL)
    ours.set_params(max_iter=50)
    converted = to_sklearn(quietly(ours.fit, X, y))
    assert ours.learning_rate_curve_[-1] < 1e-5
    assert converted._optimizer.learning_rate == converted.learning_rate_init == 1e-3


def test_a_changed_parameter_does_not_change_the_network():
    X, y = make_data("two classes", 40)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    ours.set_params(hidden_layer_sizes=(9,), activation="tanh", solver="lbfgs")
    converted = to_sklearn(ours)
    assert converted.hidden_layer_sizes == (4, 3)
    assert converted.activation == "relu"
    assert_same_predictions(ours, converted, X)


@pytest.mark.parametrize(
    ("fitted_by", "then"), [("lbfgs", "adam"), ("adam", "lbfgs"), ("adam", "sgd")]
)
def test_a_solver_changed_since_the_fit_does_no_harm(fitted_by, then):
    X, y = make_data("two classes", 40)
    theirs = MLPClassifier(solver=fitted_by, **SMALL)
    with_warnings(theirs.fit, X, y)
    theirs.set_params(solver=then)
    ours = from_sklearn(theirs)
    assert_same_predictions(theirs, ours, X)
    again = from_sklearn(to_sklearn(ours))
    for model in (ours, again):
        before = parameters_of(model).copy()
        with_warnings(model.set_params(warm_start=True).fit, X, y)
        assert (parameters_of(model) != before).any()


def test_a_single_class_comes_as_one():
    X, _ = make_data("two classes", 40)
    ours = from_sklearn(quietly(MLPClassifier(**SMALL).fit, X, np.repeat("only", 40)))
    assert (ours.predict(X) == "only").all()
    assert (ours.predict_proba(X) == np.ones((40, 1))).all()


def test_the_copy_shares_nothing():
    X, y = make_data("two classes", 40)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    untouched = copy.deepcopy(ours)
    theirs = to_sklearn(ours)
    again = from_sklearn(theirs)
    held, curve = parameters_of(theirs).copy(), list(theirs.loss_curve_)
    for _ in range(3):
        with_warnings(again.partial_fit, X, y)
    assert (parameters_of(theirs) == held).all()
    assert theirs.loss_curve_ == curve
    with_warnings(theirs.partial_fit, X, y)
    assert (parameters_of(ours) == parameters_of(untouched)).all()
    assert ours.loss_curve_ == untouched.loss_curve_
    moments, expected = (
        fitted_state(model)[1].optimizer.first_moment for model in (ours, untouched)
    )
    assert (moments == expected).all()


def test_it_works_where_theirs_does():
    X, y = make_data("many classes", 60)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    theirs = to_sklearn(ours)
    loaded = pickle.loads(pickle.dumps(theirs))
    assert (loaded.predict_proba(X) == theirs.predict_proba(X)).all()
    assert not hasattr(clone(theirs), "coefs_")
    frozen = FrozenEstimator(theirs)
    voting = VotingClassifier(
        [("mlp", frozen), ("new", clone(theirs)), ("linear", LogisticRegression())],
        voting="soft",
    )
    quietly(voting.fit, X, y)
    assert (voting.estimators_[0].predict(X) == ours.predict(X)).all()
    assert voting.score(X, y) > 0.3


# What is refused


def wave(Z):
    return np.sin(Z)


def d_wave(Z, A):
    return np.cos(Z)


STOPPED = {"early_stopping": True, "temperature_scaling": True}
REFUSED = {
    "ensemble": ({"n_estimators": 2}, "n_estimators must be 1 .* ensemble of 2"),
    "temperature": (STOPPED, "temperature_ must be 1 "),
    "gelu": ({"activation": "gelu"}, "activation must be .*, got gelu"),
    "parameter": (
        {"activation": "leaky_relu(0.2)"},
        r"activation must be .*, got leaky_relu\(0.2\)",
    ),
    "several": ({"activation": ("relu", "tanh")}, "activation .*, got relu, tanh"),
    "own": ({"activation": Activation(wave, d_wave)}, "got 'wave', which is your own"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_classifier_that_theirs_cannot_hold_is_refused(name):
    parameters, message = REFUSED[name]
    X, y = make_data("two classes", 60)
    model = ScratchMLPClassifier(**SMALL).set_params(**parameters)
    quietly(model.fit, X, y)
    with pytest.raises(ValueError, match=message):
        to_sklearn(model)


def test_other_models_are_refused():
    X, y = make_data("two classes", 40)
    one = quietly(ScratchMLPClassifier(**SMALL).fit, X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="classes_ must be two or more"):
        to_sklearn(one)
    several = ScratchMLPRegressor(loss="quantile", quantile=(0.1, 0.9), **SMALL)
    with pytest.raises(ValueError, match="one number for each target"):
        to_sklearn(quietly(several.fit, X, y))
    with pytest.raises(ValueError, match="not fitted"):
        to_sklearn(ScratchMLPClassifier())
    with pytest.raises(ValueError, match="not fitted"):
        from_sklearn(MLPClassifier())
    with pytest.raises(ValueError, match=r"make_tabular_classifier .* ONNX"):
        to_sklearn(make_tabular_classifier())
    pipeline = make_pipeline(StandardScaler(), ScratchMLPClassifier())
    with pytest.raises(ValueError, match="got a Pipeline: convert its last step"):
        to_sklearn(pipeline)
    with pytest.raises(TypeError, match="got LogisticRegression"):
        to_sklearn(LogisticRegression())
    with pytest.raises(TypeError, match="got ScratchMLPClassifier"):
        from_sklearn(ScratchMLPClassifier())


class Pair(Loss):
    """A loss that predicts two numbers for each target."""

    def losses(self, Z, P, Y):
        return np.square(P - Y) / 2

    def n_raw_outputs(self, n_targets):
        return 2 * n_targets


def test_two_predictions_for_a_target_are_refused():
    X, y = make_data("number", 40)
    ours = quietly(ScratchMLPRegressor(loss=Pair(), **SMALL).fit, X, y)
    with pytest.raises(ValueError, match=r"one number for each target .* Pair\(\)"):
        to_sklearn(ours)


def test_outputs_that_fit_did_not_set_are_refused():
    X, y = make_data("two classes", 40)
    ours = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    theirs = to_sklearn(ours)
    theirs.out_activation_ = "tanh"
    with pytest.raises(ValueError, match=r"out_activation_ must be 'logistic'.*'tanh'"):
        from_sklearn(theirs)
    ours.out_activation_ = "tanh"
    with pytest.raises(ValueError, match=r"out_activation_ must be 'logistic'.*'tanh'"):
        to_sklearn(ours)
    ours.out_activation_ = "logistic"
    ours.network_.layers[-1].activation = "tanh"
    with pytest.raises(ValueError, match=r"last layer's activation .*'tanh'"):
        to_sklearn(ours)
