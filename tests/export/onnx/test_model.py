"""The arguments of ``to_onnx``, and the model that it returns."""

import numpy as np
import pytest
from onnx_runs import run
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier

import skscratch
from skscratch import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.export import to_onnx
from skscratch.tabular import HedgedClassifier, HedgedRegressor

onnx = pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def clf():
    network = ScratchMLPClassifier(
        solver="lbfgs", dtype="float32", alpha=9.0, random_state=0
    )
    return network.fit(X, Y)


def test_the_number_of_rows_is_open(clf):
    proto = to_onnx(clf)
    onnx.checker.check_model(proto, full_check=True)
    rows = proto.graph.input[0].type.tensor_type.shape.dim[0]
    assert rows.dim_param
    for n in (1, 7):
        found = run(proto, X[:n].astype(np.float32))
        assert found["probabilities"].shape == (n, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_sample_gives_the_dtype_of_the_input(clf, dtype):
    rows = (10 * X).astype(dtype)
    found = run(to_onnx(clf, rows[:1]), rows)["probabilities"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, clf.predict_proba(rows), atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_hedge_of_either_task_is_converted():
    network = ScratchMLPClassifier(max_iter=30, early_stopping=True, random_state=0)
    hedge = HedgedClassifier(network, effort="low").fit(X, Y)
    found = run(to_onnx(hedge), X)["probabilities"]
    np.testing.assert_allclose(found, hedge.predict_proba(X), atol=1e-8)
    network = ScratchMLPRegressor(max_iter=30, early_stopping=True, random_state=0)
    hedge = HedgedRegressor(network, effort="low").fit(X, X[:, 0])
    found = run(to_onnx(hedge, X), X)["variable"][:, 0]
    np.testing.assert_allclose(found, hedge.predict(X), atol=1e-7)


def test_wrong_arguments_are_refused(clf):
    with pytest.raises(NotFittedError):
        to_onnx(ScratchMLPClassifier())
    with pytest.raises(TypeError, match="got MLPClassifier"):
        to_onnx(MLPClassifier())
    with pytest.raises(
        ValueError, match=r"coverage=0\.8 needs a model with prediction"
    ):
        to_onnx(clf, coverage=0.8)
    with pytest.raises(ValueError, match="coverage must be a number above 0"):
        to_onnx(clf, coverage=80)
    with pytest.raises(ValueError, match=r"prepared=.* is for the pipeline of a table"):
        to_onnx(clf, prepared=["dates"])


def test_the_package_offers_it():
    assert "to_onnx" in dir(skscratch.export)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = skscratch.export.nothing
