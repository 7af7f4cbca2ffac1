"""Networks as ONNX graphs predict what the estimators predict."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_runs import ACTIVATION_NAMES, rounding, run, samples

from skscratch import ACTIVATIONS, Activation, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.export import to_onnx
from skscratch.nn.loss import Loss

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

N_FEATURES = 4
CLASSES = {
    "two": np.array([3, 7]),
    "many": np.array([-1, 0, 5, 9]),
    "text": np.array(["a", "é", "Zürich"]),
    "objects": np.array(["no", "yes"], dtype=object),
    "truth": np.array([False, True]),
    "floats": np.array([0.0, 2.0, 5.0]),
    "one": np.array([4]),
    "one text": np.array(["only"]),
}
few = settings(max_examples=25, deadline=None)


def quickly(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


@st.composite
def parameters(draw):
    return {
        "hidden_layer_sizes": draw(st.sampled_from([(), (3,), (8, 5)])),
        "activation": draw(st.sampled_from(ACTIVATION_NAMES)),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "n_estimators": draw(st.integers(1, 3)),
        "random_state": draw(st.integers(0, 1000)),
        "max_iter": 1,
    }


def training_data(seed):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(40, N_FEATURES))


def with_weights(estimator, factor):
    """The same estimator, after weights have been multiplied."""
    estimator.network_.parameters[...] *= factor
    return estimator


@st.composite
def classifiers(draw):
    settings_of = draw(parameters())
    rng, X = training_data(settings_of["random_state"])
    kind = draw(st.sampled_from([*CLASSES, "labels"]))
    if kind == "labels":
        y = rng.integers(2, size=(len(X), 3))
    else:
        classes = CLASSES[kind]
        y = classes[np.arange(len(X)) % len(classes)]
    clf = quickly(ScratchMLPClassifier(**settings_of), X, y)
    clf.temperature_ = draw(st.sampled_from([1.0, 0.5, 3.0]))
    return with_weights(clf, draw(st.sampled_from([1.0, 3.0])))


@few
@given(st.data(), classifiers())
def test_probabilities_and_labels_are_those_of_the_classifier(data, clf):
    X = data.draw(samples(N_FEATURES, clf.network_.dtype))
    found = run(to_onnx(clf), X)
    expected = clf.predict_proba(X)
    assert found["probabilities"].dtype == expected.dtype
    assert found["probabilities"].shape == expected.shape
    tolerance = np.minimum(rounding(clf, X), 1)[:, np.newaxis]
    tolerance += 1e-5 if expected.dtype == np.float32 else 1e-12
    assert (np.abs(found["probabilities"] - expected) <= tolerance).all()
    labels = clf.predict(X)
    kinds = {"U": "O", "O": "O"}
    assert found["label"].dtype.kind == kinds.get(labels.dtype.kind, labels.dtype.kind)
    assert found["label"].shape == labels.shape
    if labels.ndim == 1:
        best = np.partition(expected, -1, axis=1)
        gaps = best[:, -1:] - best[:, -2:-1] if best.shape[1] > 1 else best * 2
    else:
        gaps = 2 * np.abs(expected - 0.5)
    is_clear = (gaps > 2 * tolerance).all(axis=1)
    np.testing.assert_array_equal(found["label"][is_clear], labels[is_clear])


LOSSES_OF_NUMBERS = [
    "squared_error",
    "absolute_error",
    "huber(1.5)",
    "poisson",
    "gamma",
    "quantile",
]


@st.composite
def regressors(draw):
    settings_of = draw(parameters())
    rng, X = training_data(settings_of["random_state"])
    loss = draw(st.sampled_from(LOSSES_OF_NUMBERS))
    y = np.exp(rng.normal(size=(len(X), draw(st.integers(1, 3)))))
    quantile = draw(st.sampled_from([0.3, (0.9, 0.1, 0.5), (0.2, 0.7)]))
    reg = ScratchMLPRegressor(loss, quantile=quantile, **settings_of)
    reg = quickly(reg, X, y if y.shape[1] > 1 else y[:, 0])
    return with_weights(reg, draw(st.sampled_from([1.0, 3.0])))


@few
@given(st.data(), regressors())
def test_numbers_are_those_of_the_regressor(data, reg):
    X = data.draw(samples(N_FEATURES, reg.network_.dtype, largest=1e8))
    with np.errstate(over="ignore"):
        expected = reg.predict(X)
    found = run(to_onnx(reg), X)["variable"]
    assert found.dtype == expected.dtype
    assert found.shape == (expected.shape if expected.ndim > 1 else (len(X), 1))
    found, expected = (a.reshape(len(X), -1) for a in (found, expected))
    errors = rounding(reg, X)[:, np.newaxis] * max(expected.shape[1], 1)
    if reg.loss in ("poisson", "gamma"):
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.nan_to_num(expected * np.expm1(errors), nan=np.inf)
    share = 1e-5 if expected.dtype == np.float32 else 1e-11
    # onnxruntime's float32 exponential is infinite from 2.1e38 on.
    is_equal = (found == expected) | (np.minimum(found, expected) > 1e38)
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - expected)
        assert (is_equal | (difference <= share * np.abs(expected) + errors)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_each_activation_agrees_closely(name, dtype):
    rng, X = training_data(0)
    clf = ScratchMLPClassifier(
        (20, 10), name, dtype=dtype, max_iter=5, random_state=0, n_estimators=2
    )
    clf = quickly(clf, X, rng.integers(3, size=len(X)))
    X = np.linspace(-50, 50, 4000).reshape(-1, N_FEATURES).astype(dtype)
    found = run(to_onnx(clf), X)["probabilities"]
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, clf.predict_proba(X), atol=tolerance, rtol=0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_never_0(n_classes):
    _, X = training_data(0)
    clf = ScratchMLPClassifier((), dtype="float32", max_iter=1, random_state=0)
    clf = quickly(clf, X, np.arange(len(X)) % n_classes)
    X = (1e3 * X).astype(np.float32)
    found = run(to_onnx(clf), X)["probabilities"]
    assert found.min() == clf.predict_proba(X).min() == np.finfo(np.float32).tiny


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_intervals_are_those_of_the_regressor(loss, coverage):
    rng, X = training_data(1)
    y = np.exp(rng.normal(size=(len(X), 2)))
    reg = ScratchMLPRegressor(
        loss, intervals=True, max_iter=20, random_state=0, n_estimators=2
    )
    quickly(reg, X, y)
    found = run(to_onnx(reg, coverage=coverage), X)
    expected = reg.predict_interval(X, coverage)
    np.testing.assert_allclose(found["lower"], expected[..., 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["upper"], expected[..., 1], rtol=1e-9)
    assert set(run(to_onnx(reg), X)) == {"variable"}


def test_an_interval_needs_enough_rows_of_calibration():
    rng, X = training_data(1)
    reg = ScratchMLPRegressor(intervals=True, max_iter=2, random_state=0)
    quickly(reg, X, rng.normal(size=len(X)))
    with pytest.raises(ValueError, match=r"coverage=0\.99 needs at least 99 rows"):
        to_onnx(reg, coverage=0.99)


def sine(Z):
    return np.sin(Z)


def d_sine(Z, A):
    return np.cos(Z)


def test_an_activation_of_the_users_own_is_refused_by_name(monkeypatch):
    rng, X = training_data(0)
    y = rng.integers(2, size=len(X))
    clf = ScratchMLPClassifier((5,), Activation(sine, d_sine), max_iter=1)
    with pytest.raises(ValueError, match=r"activation 'sine' can't be exported"):
        to_onnx(quickly(clf, X, y))
    monkeypatch.setitem(ACTIVATIONS, "wave", Activation(sine, d_sine))
    with pytest.raises(ValueError, match=r"activation 'wave' can't be exported"):
        to_onnx(quickly(ScratchMLPClassifier((5,), "wave", max_iter=1), X, y))
    # A copy of a record with another function has its name, but is another one.
    changed = dataclasses.replace(ACTIVATIONS["tanh"], function=sine)
    with pytest.raises(ValueError, match=r"activation 'sine' can't be exported"):
        to_onnx(quickly(ScratchMLPClassifier((5,), changed, max_iter=1), X, y))


@dataclasses.dataclass(frozen=True)
class Plain(Loss):
    def losses(self, Z, P, Y):
        return (P - Y) ** 2


@dataclasses.dataclass(frozen=True)
class Squares(Plain):
    def predictions(self, Z):
        return Z**2


def test_a_loss_of_the_users_own_is_exported_if_it_predicts_raw_outputs():
    rng, X = training_data(0)
    y = rng.normal(size=len(X))
    reg = quickly(ScratchMLPRegressor(Plain(), max_iter=1, random_state=0), X, y)
    found = run(to_onnx(reg), X)["variable"][:, 0]
    np.testing.assert_allclose(found, reg.predict(X), rtol=1e-9)
    reg = quickly(ScratchMLPRegressor(Squares(), max_iter=1), X, y)
    with pytest.raises(ValueError, match="loss Squares can't be exported"):
        to_onnx(reg)


def test_another_output_function_is_refused():
    rng, X = training_data(0)
    clf = quickly(ScratchMLPClassifier(max_iter=1), X, rng.integers(3, size=len(X)))
    clf.out_activation_ = "identity"
    with pytest.raises(ValueError, match="out_activation_='identity' can't"):
        to_onnx(clf)


def test_classes_of_several_types_are_refused():
    rng, X = training_data(0)
    clf = quickly(ScratchMLPClassifier(max_iter=1), X, rng.integers(2, size=len(X)))
    clf.classes_ = np.array([1, "a"], dtype=object)
    with pytest.raises(ValueError, match="all of one type"):
        to_onnx(clf)
