"""skl2onnx converts models that contain one of our estimators."""

import subprocess
import sys

import numpy as np
import pytest
from onnx_runs import run
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skscratch.export
from skscratch import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.tabular import HedgedClassifier, HedgedRegressor

pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")
skl2onnx = pytest.importorskip("skl2onnx", reason="The extra 'onnx' is not installed.")

# The import has registered the estimators.
assert skscratch.export.__all__

X = np.random.default_rng(0).normal(size=(120, 4))
CLF = ScratchMLPClassifier(
    (6,), solver="lbfgs", max_iter=20, random_state=0, n_estimators=2, alpha=1.0
)
ONE = ScratchMLPClassifier((6,), solver="lbfgs", max_iter=20, random_state=1, alpha=1)
HEDGE = HedgedClassifier(
    ScratchMLPClassifier(
        (6,), max_iter=9, n_estimators=2, early_stopping=True, random_state=0
    ),
    effort="low",
)
MODELS = {
    "pipeline": make_pipeline(StandardScaler(), CLF),
    "columns": make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "passthrough", [3])]),
        CLF,
    ),
    "calibrated": CalibratedClassifierCV(CLF, cv=2),
    "calibrated one": CalibratedClassifierCV(ONE, cv=2),
    "calibrated hedge": CalibratedClassifierCV(HEDGE, cv=2),
    "calibrated in a pipeline": make_pipeline(
        StandardScaler(), CalibratedClassifierCV(CLF, cv=2, ensemble=False)
    ),
    "voting": VotingClassifier(
        [("a", CLF), ("b", LogisticRegression())],
        voting="soft",
        flatten_transform=False,
    ),
    "hedge": make_pipeline(StandardScaler(), HEDGE),
}
TARGETS = {
    "two": (X[:, 0] > 0.2).astype(int),
    "many": np.digitize(X[:, 0], [-0.5, 0.5]) + 3,
    "text": np.array(["a", "b", "ü"])[np.digitize(X[:, 0], [-0.5, 0.5])],
    "truth": X[:, 0] > 0.2,
    "floats": np.digitize(X[:, 0], [-0.5, 0.5]) * 2.0,
}


def convert(model, X, **options):
    return skl2onnx.to_onnx(model, X[:1], options=options or None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_models_with_a_classifier_agree(name, targets, dtype):
    rows = X.astype(dtype)
    model = MODELS[name].fit(rows, TARGETS[targets])
    found = run(convert(model, rows, zipmap=False), rows)
    label, probabilities = found.values()
    expected = model.predict_proba(rows)
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, expected, atol=1e-5, rtol=0)
    np.testing.assert_array_equal(label, model.predict(rows))
    assert np.ptp(expected, axis=0).min() > 0.05


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_agree():
    rows, y = X.astype(np.float32), (X[:, :3] > 0).astype(int)
    model = make_pipeline(StandardScaler(), CLF).fit(rows, y)
    found = run(convert(model, rows, zipmap=False), rows)
    np.testing.assert_array_equal(found["label"], model.predict(rows))
    expected = model.predict_proba(rows)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_probabilities_may_be_dictionaries():
    rows = X.astype(np.float32)
    model = make_pipeline(StandardScaler(), CLF).fit(rows, TARGETS["text"])
    _, probabilities = run(convert(model, rows), rows).values()
    expected = model.predict_proba(rows)
    found = [[row[label] for label in model.classes_] for row in probabilities]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("saturated", [False, True])
@pytest.mark.parametrize("targets", ["two", "many"])
@pytest.mark.parametrize("name", ["calibrated", "calibrated one", "calibrated hedge"])
def test_raw_scores_are_the_decision_function(name, targets, saturated):
    model = MODELS[name].estimator.fit(X, TARGETS[targets])
    rows = X * 30 if saturated else X
    found = run(convert(model, rows, zipmap=False, raw_scores=True), rows)
    expected = model.decision_function(rows)
    if expected.ndim == 1:
        expected = np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_with_a_regressor_agree(dtype, n_outputs):
    rows = X.astype(dtype)
    y = X[:, 0] if n_outputs == 1 else X[:, :2] ** 2
    reg = ScratchMLPRegressor(solver="lbfgs", max_iter=20, random_state=0)
    hedge = HedgedRegressor(
        ScratchMLPRegressor(max_iter=9, early_stopping=True, random_state=0),
        effort="low",
    )
    models = [make_pipeline(StandardScaler(), step) for step in (reg, hedge)]
    if n_outputs == 1:
        models.append(VotingRegressor([("a", reg), ("b", LinearRegression())]))
    for model in models:
        expected = model.fit(rows, y).predict(rows)
        (found,) = run(convert(model, rows), rows).values()
        assert found.dtype == dtype
        np.testing.assert_allclose(
            found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_old_opset_is_refused():
    model = make_pipeline(StandardScaler(), CLF).fit(X, TARGETS["two"])
    with pytest.raises(ValueError, match="Classifier needs target_opset=18 or higher"):
        skl2onnx.to_onnx(model, X[:1], target_opset=15)


@pytest.mark.parametrize("missing", ["skl2onnx", "onnx"])
def test_the_package_can_be_imported_without_the_extra(missing):
    program = f"""
import sys
sys.modules[{missing!r}] = None
import numpy as np, skscratch.export
from skscratch import ScratchMLPClassifier
X = np.arange(12.0)[:, np.newaxis]
clf = ScratchMLPClassifier((2,), solver="lbfgs", alpha=9.0, random_state=0)
clf.fit(X / 6 - 1, X[:, 0] > 5)
try:
    skscratch.export.to_onnx(clf)
except ImportError as error:
    assert {missing!r} == "onnx" and "skscratch[onnx]" in str(error), error
else:
    assert {missing!r} == "skl2onnx"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
