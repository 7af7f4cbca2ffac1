"""Values of a graph compute like NumPy's arrays."""

import operator
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from onnx_runs import run_graph
from scipy.special import logsumexp

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

from skscratch.export.onnx.graph import Graph, load_onnx

few = settings(max_examples=30, deadline=None)
OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
dtypes = st.sampled_from([np.float32, np.float64])


def compute(function, *arrays):
    """Result of a function of inputs of a graph."""
    graph = Graph()
    values = [
        graph.input(f"in{i}", array.dtype, array.shape[1])
        for i, array in enumerate(arrays)
    ]
    graph.output("out", function(*values), [None])
    return run_graph(graph, {f"in{i}": array for i, array in enumerate(arrays)})["out"]


def matrices(dtype):
    width = np.dtype(dtype).itemsize * 8
    return npst.arrays(dtype, (3, 2), elements=st.floats(-1e3, 1e3, width=width))


@few
@given(st.data(), st.sampled_from(sorted(OPERATORS)), dtypes, dtypes)
def test_operators_follow_numpys_rules_for_dtypes(data, name, one, other):
    X, Y = data.draw(matrices(one)), data.draw(matrices(other))
    X[X == 0], Y[Y == 0] = 1, 1
    number = data.draw(st.sampled_from([2.0, 0.5, 3]))
    apply = OPERATORS[name]
    for function in (
        lambda x: apply(x, Y),
        lambda x: apply(Y, x),
        lambda x: apply(x, number),
        lambda x: apply(number, x + 1e4),
    ):
        with np.errstate(over="ignore"):  # The largest numbers, divided by the least.
            found, expected = compute(function, X), function(X)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@few
@given(st.data(), dtypes)
def test_methods_are_numpys_functions(data, dtype):
    X = data.draw(matrices(dtype))
    Y = np.array([[1.5, -2.0]], dtype)
    shape = np.arange(6.0, dtype=dtype).reshape(2, 3)
    for function, expected in [
        (lambda x: abs(-x).sqrt(), np.sqrt(np.abs(X))),
        (lambda x: x.maximum(Y).minimum(3.0), np.minimum(np.maximum(X, Y), 3)),
        (lambda x: x.clip(Y - 5.0, Y), np.clip(X, Y - 5, Y)),
        (lambda x: (x > 0.0).where(x, Y), np.where(X > 0, X, Y)),
        (lambda x: (x > 0.0).where(1.0, x), np.where(X > 0, dtype(1), X)),
        (
            lambda x: ((x > 9) | (x < 0)).where(0.0, x),
            np.where((X > 9) | (X < 0), 0, X),
        ),
        (lambda x: x.rint(), np.rint(X)),
        (lambda x: x.sign(), np.sign(X)),
        (lambda x: x.relu(), np.maximum(X, 0)),
        (lambda x: x.take([1, 0, 1]), X[:, [1, 0, 1]]),
        (lambda x: x.cumsum(1), np.cumsum(X, axis=1)),
        (lambda x: x.argmax(), X.argmax(axis=1)),
        (lambda x: x.equals(x.max(1)), X.max(axis=1, keepdims=True) == X),
        (lambda x: x.reshape(0, 2, 1), X[:, :, np.newaxis]),
        (lambda x: x.graph.concatenate([x, x + Y]), np.hstack([X, X + Y])),
        (lambda x: x.astype(np.int64), X.astype(np.int64)),
    ]:
        found = compute(function, X)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    for function, expected in [
        (lambda x: x @ shape, X @ shape),
        (lambda x: x.sum(1), X.sum(axis=1, keepdims=True)),
        (lambda x: x.mean(1), X.mean(axis=1)),
        (lambda x: x.logsumexp(1), logsumexp(X, axis=1, keepdims=True)),
        (lambda x: x.cos(), np.cos(X)),
    ]:
        atol = 1e-2 if dtype == np.float32 else 1e-11
        np.testing.assert_allclose(compute(function, X), expected, atol=atol, rtol=1e-6)


def test_nan_is_found():
    X = np.array([[np.nan, 1.0], [2.0, np.nan]])
    np.testing.assert_array_equal(compute(lambda x: x.isnan(), X), np.isnan(X))


def test_equal_constants_are_stored_once():
    graph = Graph()
    X = graph.input("X", np.float64, 1)
    graph.output("out", X + np.ones(3) + np.ones(3) + np.ones(3, np.float32), [3])
    assert len(graph.initializers) == 2


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skscratch\[onnx\]'"):
        load_onnx()
