"""Functions that ONNX lacks agree with NumPy's and SciPy's."""

import numpy as np
import pytest
from onnx_runs import run_graph
from scipy.special import expit, log_expit, ndtri

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

from skscratch import ACTIVATIONS as REGISTRY
from skscratch.export.onnx import functions
from skscratch.export.onnx.graph import Graph
from skscratch.nn.activations import resolve_activation

FINE = np.concatenate([np.linspace(-12, 12, 2401), [0.0, -0.0]])
FAR = np.array([1e-300, 1e-30, 1e-8, 40.0, 100.0, 800.0, 1e4, 1e30])
VALUES = np.concatenate([FINE, FAR, -FAR])


def compute(function, x):
    graph = Graph()
    graph.output("out", function(graph.input("x", x.dtype, 1)), [1])
    return run_graph(graph, x[:, np.newaxis])["out"][:, 0]


def test_every_registered_activation_has_a_formula():
    known = {record.kernel[0] for record in REGISTRY.values()}
    assert known == set(functions.ACTIVATIONS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*REGISTRY, "leaky_relu(0.3)", "elu(0.7)"])
def test_activations_agree(name, dtype):
    x = np.append(VALUES, [np.inf, -np.inf]).astype(dtype)
    record = resolve_activation(name)
    formula, parameter = record.usable_kernel
    found = compute(lambda Z: functions.ACTIVATIONS[formula](Z, parameter), x)
    expected = record.function(x)
    assert found.dtype == expected.dtype
    rtol, atol = (1e-6, 1e-6) if dtype == np.float32 else (1e-14, 3e-14)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", expit),
        ("softplus", lambda x: -log_expit(-x)),
        ("arcsinh", np.arcsinh),
        ("hypot1", lambda x: np.hypot(1, x)),
    ],
)
def test_functions_agree_without_overflow(name, expected, dtype):
    x = np.append(VALUES, [1e38, -1e38]).astype(dtype)
    found = compute(getattr(functions, name), x)
    rtol, atol = (1e-5, 3e-7) if dtype == np.float32 else (1e-13, 1e-15)
    np.testing.assert_allclose(found, expected(x), rtol=rtol, atol=atol)


def test_small_probabilities_keep_their_digits():
    x = np.linspace(-80, -20, 100, dtype=np.float32)
    np.testing.assert_allclose(compute(functions.sigmoid, x), expit(x), rtol=1e-5)


def test_hyperbolic_sine_agrees():
    x = np.linspace(-50, 50, 1001)
    found = compute(functions.sinh, x)
    np.testing.assert_allclose(found, np.sinh(x), rtol=1e-14, atol=1e-15)


def test_quantiles_of_the_normal_distribution_agree():
    tails = np.geomspace(1e-7, 0.5, 5000)
    p = np.concatenate([tails, 1 - tails])
    found = compute(functions.normal_quantile, p)
    np.testing.assert_allclose(found, ndtri(p), rtol=0, atol=1e-8)
