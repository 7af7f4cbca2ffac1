"""Written modules predict like the estimator, read well, and are written whole."""

import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from estimator_strategies import KINDS, TARGETS, make_data, quietly, table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
)
from skscratch.export import to_source

ROOT = Path(__file__).parents[2]
SMALL = {"hidden_layer_sizes": (4, 3), "max_iter": 3, "random_state": 0}
NAMES = [*ACTIVATIONS, "leaky_relu(0.2)", "elu(0.5)", "leaky_relu(0)", "elu(1e-3)"]
LABELS = {
    "text": np.array(["no", "yes", "perhaps", 'it\'s "so"\n']),
    "objects": np.array(["no", "yes", "perhaps", "ß"], dtype=object),
    "booleans": np.array([True, False, True, False]),
    "numbers": np.array([-3, 10**12, 7, 0]),
    "floats": np.array([1.0, 2.0, 5.0, -1.0]),
}


def load(path):
    """Import a module from a file, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"written_{uuid.uuid4().hex}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(model):
    """Write a model and import it; the files are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return load(to_source(model, Path(folder) / "network.py"))


def assert_same(model, module, X):
    """Compare all that a module offers with the estimator."""
    name = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    P, Q = getattr(model, name)(X), getattr(module, name)(X)
    assert (P.shape, P.dtype) == (Q.shape, Q.dtype)
    tolerance = {"float32": 1e-5, "float64": 1e-12}[P.dtype.name]
    np.testing.assert_allclose(Q, P, rtol=tolerance, atol=tolerance * abs(P).max())
    if name == "predict":
        return
    assert Q.min() >= np.finfo(Q.dtype).tiny
    labels, found = model.predict(X), module.predict(X)
    assert labels.shape == found.shape
    assert labels.dtype == found.dtype or labels.dtype == object
    clear = np.ptp(np.sort(P, axis=1)[:, -2:], axis=1) > 1e-5
    if labels.ndim == 2:
        clear = abs(P - 0.5).min(axis=1) > 1e-5
    elif P.shape[1] == 1:
        clear[:] = True
    assert (labels == found)[clear].all()


@st.composite
def models(draw):
    """Fitted models of every kind, with samples to predict, near and far."""
    kind = draw(st.sampled_from([*KINDS, *TARGETS]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    X, y = make_data(kind, draw(st.integers(24, 50)), seed=draw(st.integers(0, 999)))
    sizes = draw(st.lists(st.integers(1, 6), max_size=3))
    names = st.lists(st.sampled_from(NAMES), min_size=len(sizes), max_size=len(sizes))
    parameters = {
        "hidden_layer_sizes": sizes,
        "activation": tuple(draw(names)) or "relu",
        "n_estimators": draw(st.sampled_from([1, 1, 3])),
        "random_state": draw(st.integers(0, 999)),
        "max_iter": 3,
        "learning_rate_init": 0.01,
        "dtype": np.dtype(dtype).name,
    }
    if kind in KINDS:
        is_calibrated = draw(st.booleans())
        cls = ScratchMLPClassifier
        parameters |= {
            "early_stopping": is_calibrated,
            "temperature_scaling": is_calibrated,
        }
        if kind != "multilabel":
            y = LABELS[draw(st.sampled_from(sorted(LABELS)))][y]
    else:
        cls = ScratchMLPRegressor
        losses = [name for name, loss in LOSSES.items() if loss.task == "regression"]
        parameters["loss"] = draw(st.sampled_from([*losses, "huber(1.5)"]))
        parameters["quantile"] = draw(st.sampled_from([0.3, [0.9, 0.1, 0.5]]))
        if parameters["loss"] in ("poisson", "gamma"):
            y = abs(y) + 0.1
    model = quietly(cls(**parameters).fit, X, y)
    far = draw(st.sampled_from([1.0, 1e3, 1e6]))
    if parameters.get("loss") in ("poisson", "gamma"):
        far = 1.0  # Their exponential overflows, of rounding errors too.
    return model, (far * X).astype(dtype)


@settings(max_examples=120)
@given(drawn=models())
def test_a_module_predicts_like_the_estimator(drawn):
    model, X = drawn
    assert_same(model, written(model), X)


def test_probabilities_are_never_0():
    X, y = make_data("two classes", 40)
    model = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    P = written(model).predict_proba(1e6 * X)
    assert P.min() == np.finfo(P.dtype).tiny


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_activation_is_written(name, dtype):
    X, y = make_data("number", 40)
    model = ScratchMLPRegressor(**SMALL, activation=name, dtype=dtype)
    quietly(model.fit, X, y)
    assert_same(model, written(model), X)
    assert_same(model, written(model), 1e4 * X)


@pytest.mark.parametrize("quantiles", [(0.5,), (0.9, 0.1, 0.4), (0.4, 0.9, 0.1)])
@pytest.mark.parametrize("n_networks", [1, 2])
@pytest.mark.parametrize("kind", ["number", "numbers"])
def test_quantiles_are_in_their_order(kind, n_networks, quantiles):
    X, y = make_data(kind, 40)
    model = ScratchMLPRegressor(
        loss="quantile", quantile=quantiles, n_estimators=n_networks, **SMALL
    )
    assert_same(quietly(model.fit, X, y), written(model), X)


def test_one_class_and_sparse_labels():
    X, y = make_data("multilabel", 40)
    one = quietly(ScratchMLPClassifier(**SMALL).fit, X, np.repeat("only", len(y)))
    assert_same(one, written(one), X)
    labels = quietly(ScratchMLPClassifier(**SMALL).fit, X, sparse.csr_array(y))
    assert (written(labels).predict(X) == labels.predict(X).toarray()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "scalers",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False)],
        [StandardScaler(with_mean=False, with_std=False)],
        [MinMaxScaler((-1, 2))],
        [MinMaxScaler(clip=True)],
        [MinMaxScaler(), "passthrough", StandardScaler()],
    ],
)
def test_scalers_are_written_too(scalers, dtype):
    X, y = make_data("many classes", 50)
    X = 10 * X + 3
    model = make_pipeline(*scalers, ScratchMLPClassifier(dtype=dtype, **SMALL))
    assert_same(quietly(model.fit, X[:30], y[:30]), written(model), X)


def test_columns_have_their_names():
    frame, y = table()
    X = frame[["whole", "truth"]].astype(float)
    for model in (
        ScratchMLPClassifier(**SMALL),
        make_pipeline(StandardScaler(), ScratchMLPClassifier(**SMALL)),
    ):
        module = written(quietly(model.fit, X, y))
        assert module.features.tolist() == ["whole", "truth"]
        assert_same(model, module, X)


def test_samples_that_the_estimator_refuses_are_refused():
    X, y = make_data("two classes", 40)
    module = written(quietly(ScratchMLPClassifier(**SMALL).fit, X, y))
    for bad in (X[0], X[:, :2], X[np.newaxis], np.where(X > 1, np.nan, X)):
        with pytest.raises(ValueError, match="X must have 4 columns of finite numbers"):
            module.predict_proba(bad)


# What is written

EXAMPLES = {
    "plain": (ScratchMLPClassifier(**SMALL), "many classes"),
    "calibrated ensemble": (
        ScratchMLPClassifier(
            n_estimators=3,
            activation=("gelu", "leaky_relu(0.2)"),
            early_stopping=True,
            temperature_scaling=True,
            **SMALL,
        ),
        "two classes",
    ),
    "multilabel": (ScratchMLPClassifier(**SMALL, activation="mish"), "multilabel"),
    "linear": (ScratchMLPRegressor(hidden_layer_sizes=(), max_iter=3), "number"),
    "quantiles": (
        ScratchMLPRegressor(loss="quantile", quantile=(0.9, 0.1), **SMALL),
        "numbers",
    ),
    "many quantiles": (
        ScratchMLPRegressor(
            loss="quantile",
            quantile=np.linspace(0.95, 0.05, 60).tolist(),
            n_estimators=2,
            **SMALL,
        ),
        "number",
    ),
    "deep": (
        ScratchMLPRegressor(hidden_layer_sizes=[3] * 30, activation="silu", max_iter=3),
        "counts",
    ),
    "scaled": (
        make_pipeline(
            MinMaxScaler(clip=True), ScratchMLPClassifier(dtype="float32", **SMALL)
        ),
        "two classes",
    ),
}


@pytest.fixture(params=EXAMPLES)
def example(request, tmp_path):
    model, kind = EXAMPLES[request.param]
    X, y = make_data(kind, 50)
    return quietly(model.fit, X, y), X, to_source(model, tmp_path / "network.py")


def test_a_module_is_formatted_and_free_of_findings(example):
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    *_, path = example
    config = f"--config={ROOT / 'pyproject.toml'}"
    for command in (
        ["check", "--isolated"],
        ["check", config],
        ["format", "--check", config],
    ):
        subprocess.run([ruff, *command, "--no-cache", path], check=True)


def test_a_module_needs_numpy_alone_and_runs_anywhere(example, tmp_path):
    model, X, path = example
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    np.save(folder / "X.npy", X)
    program = f"""
import sys
sys.path.insert(0, {str(path.parent)!r})
import network
import numpy as np
np.save("P.npy", network.predict(np.load("X.npy")))
assert not {{"scipy", "sklearn", "skscratch"}} & set(sys.modules)
"""
    command = [sys.executable, "-W", "error", "-I", "-c", program]
    subprocess.run(command, check=True, cwd=folder)
    np.testing.assert_allclose(np.load(folder / "P.npy"), model.predict(X), rtol=1e-6)


def test_a_module_is_short_and_in_the_style_of_the_article(tmp_path):
    X, y = make_data("many classes", 40)
    model = quietly(ScratchMLPClassifier((7,)).set_params(max_iter=2).fit, X, y)
    text = to_source(model, tmp_path / "network.py").read_text("utf-8")
    assert "    A = relu(W1 @ A + b1)\n    return W2 @ A + b2\n" in text
    assert len([line for line in text.splitlines() if line]) <= 40
    assert "skscratch" not in re.sub('""".*?"""', "", text, flags=re.DOTALL)


def test_arrays_are_plain_numbers_and_text(example):
    *_, path = example
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        assert {"W1", "b1"} <= set(file)
        assert all(file[name].dtype.kind in "biufU" for name in file)


def test_further_training_does_not_change_what_is_written(tmp_path):
    X, y = make_data("many classes", 40)
    model = quietly(ScratchMLPClassifier(**SMALL).fit, X, y)
    before = model.predict_proba(X)
    module = written(model)
    model.partial_fit(X, y)
    np.testing.assert_allclose(module.predict_proba(X), before)


# Files


def test_files_are_replaced_both_or_none(tmp_path, monkeypatch):
    X, y = make_data("number", 40)
    first = quietly(ScratchMLPRegressor(**SMALL).fit, X, y)
    second = quietly(ScratchMLPRegressor(activation="tanh", max_iter=2).fit, X, y)
    path = to_source(first, tmp_path / "network.py")
    files = {file: file.read_bytes() for file in tmp_path.iterdir()}
    replace = os.replace
    for n_done in range(2):
        calls = []

        def failing(old, new, calls=calls, n_done=n_done):
            calls.append(new)
            if len(calls) == n_done + 1:
                raise OSError("the disk is full")
            replace(old, new)

        monkeypatch.setattr("os.replace", failing)
        with pytest.raises(OSError, match="full"):
            to_source(second, path)
        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == files
    monkeypatch.setattr("os.replace", replace)
    to_source(second, str(path))
    assert set(tmp_path.iterdir()) == set(files)
    assert_same(second, load(path), X)


def test_a_second_file_that_fails_takes_the_first_back(tmp_path, monkeypatch):
    X, y = make_data("number", 40)
    model = quietly(ScratchMLPRegressor(**SMALL).fit, X, y)
    replace = os.replace

    def failing(old, new):
        if str(new).endswith(".py"):
            raise OSError("the disk is full")
        replace(old, new)

    monkeypatch.setattr("os.replace", failing)
    with pytest.raises(OSError, match="full"):
        to_source(model, tmp_path / "network.py")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    X, y = make_data("number", 40)
    model = quietly(ScratchMLPRegressor(**SMALL).fit, X, y)

    def failing(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", failing)
    with pytest.raises(OSError, match="full"):
        to_source(model, tmp_path / "network.py")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    (tmp_path / "network.py").mkdir()
    with pytest.raises(IsADirectoryError, match=r"network\.py' is a folder"):
        to_source(model, tmp_path / "network.py")
    assert [file.name for file in tmp_path.iterdir()] == ["network.py"]
    with pytest.raises(FileNotFoundError):
        to_source(model, tmp_path / "nowhere" / "network.py")


# What is refused


def wave(Z):
    return np.sin(Z)


def d_wave(Z, A):
    return np.cos(Z)


class Doubled(Loss):
    """A loss with predictions of its own."""

    def losses(self, Z, P, Y):
        return np.square(P - Y)

    def predictions(self, Z):
        return 2 * Z

    def gradient(self, Z, P, Y):
        return 4 * (P - Y)


class Squared(Loss):
    """A loss that predicts the raw outputs."""

    def losses(self, Z, P, Y):
        return np.square(P - Y) / 2


def refused(model, kind, message, path, error=ValueError):
    X, y = make_data(kind, 40)
    quietly(model.fit, X, y)
    with pytest.raises(error, match=message):
        to_source(model, path)
    assert not list(path.parent.iterdir())


def test_activations_and_losses_of_your_own_are_refused_by_name(tmp_path, monkeypatch):
    path, own = tmp_path / "network.py", Activation(wave, d_wave)
    model = ScratchMLPRegressor(**SMALL, activation=("relu", own))
    refused(model, "number", "got 'wave', which is your own", path)
    compiled = Activation(wave, d_wave, kernel=(math.sin, math.cos))
    model.set_params(activation=("tanh", compiled))
    model.set_params(solver="lbfgs", max_iter=1)  # Compiled loops are not needed.
    quietly(model.fit, *make_data("number", 40))
    with pytest.raises(ValueError, match="got 'wave', which is your own"):
        to_source(model, path)
    monkeypatch.setitem(ACTIVATIONS, "sine", own)
    model.set_params(activation="sine")
    refused(model, "number", "activation .* got 'sine', which is your own", path)
    monkeypatch.setitem(ACTIVATIONS, "tanh", own)
    model.set_params(activation="tanh")
    refused(model, "number", "activation .* got 'tanh', which is your own", path)
    model.set_params(activation="relu", loss=Doubled())
    refused(model, "number", r"loss .* got Doubled\(\), whose predictions", path)


def test_own_losses_that_predict_like_others_are_written():
    X, y = make_data("number", 40)
    model = quietly(ScratchMLPRegressor(loss=Squared(), **SMALL).fit, X, y)
    assert_same(model, written(model), X)


def test_other_models_are_refused(tmp_path):
    path = tmp_path / "network.py"
    for model, message in (
        (make_pipeline(RobustScaler(), ScratchMLPClassifier(**SMALL)), "RobustScaler"),
        (
            make_pipeline(FunctionTransformer(), ScratchMLPClassifier(**SMALL)),
            "got FunctionTransformer as step 'functiontransformer'",
        ),
    ):
        refused(model, "two classes", message, path)
    linear = LogisticRegression()
    refused(linear, "two classes", "got LogisticRegression", path, TypeError)
    refused(Pipeline([("l", linear)]), "two classes", "got Log", path, TypeError)
    with pytest.raises(ValueError, match="not fitted"):
        to_source(ScratchMLPClassifier(), path)
    with pytest.raises(ValueError, match="not fitted"):
        to_source(make_pipeline(StandardScaler(), ScratchMLPClassifier()), path)
    with pytest.raises(ValueError, match=r"make_tabular_classifier .* skops"):
        to_source(make_tabular_classifier(), path)
    with pytest.raises(ValueError, match=r"make_tabular_classifier .* skops"):
        to_source(make_tabular_classifier()[-1], path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    ["network", "network.txt", "my-network.py", "1.py", "class.py", ".py", "a.b.py"],
)
def test_names_that_cannot_be_imported_are_refused(name, tmp_path):
    X, y = make_data("number", 40)
    model = quietly(ScratchMLPRegressor(**SMALL).fit, X, y)
    with pytest.raises(ValueError, match="path must end with the name of a Python mod"):
        to_source(model, tmp_path / name)
    assert not list(tmp_path.iterdir())
