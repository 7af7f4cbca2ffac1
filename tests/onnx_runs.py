"""Runs of ONNX models, and what their tests compare with."""

import numpy as np
from hypothesis import strategies as st

from skscratch import ACTIVATIONS

CPU = ["CPUExecutionProvider"]
# Each activation by its name, and with another parameter if it takes one.
ACTIVATION_NAMES = [
    *ACTIVATIONS,
    *(f"{name}(0.3)" for name, f in ACTIVATIONS.items() if f.factory),
]
# Slopes of activations are no larger, but for rounding.
STEEPEST = 1.2


def run(proto, inputs):
    """Outputs of a model, by name; inputs are one matrix, or arrays by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=CPU)
    if not isinstance(inputs, dict):
        (source,) = session.get_inputs()
        inputs = {source.name: inputs}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def run_graph(graph, inputs):
    """Outputs of a ``Graph``."""
    return run(graph.model("test"), inputs)


def rounding(estimator, X):
    """Bound on the rounding errors of the raw outputs of each sample.

    Sums of numbers that cancel have no digits, in NumPy as in ONNX.
    """
    network = estimator.network_
    eps = np.finfo(network.dtype).eps
    A, error = np.asarray(X, np.float64).T, 0.0
    for layer in network.layers:
        W, b = (np.abs(np.asarray(a, np.float64)) for a in (layer.W, layer.b))
        sums = W @ np.abs(A) + b
        error = W @ (error + 0 * A) + (W.shape[-1] + 4) * eps * sums
        Z = np.asarray(layer.W, np.float64) @ A + layer.b
        A = layer_output(layer, Z)
        error = STEEPEST * error + 8 * eps * (1 + np.abs(A))
    error = error / getattr(estimator, "temperature_", 1.0)
    return np.max(error, axis=tuple(range(error.ndim - 1)))


def layer_output(layer, Z):
    from skscratch.nn.activations import resolve_activation

    return resolve_activation(layer.activation).function(Z)


@st.composite
def samples(draw, n_features, dtype, largest=1e30):
    """A few rows: ordinary ones, zeros, tiny and extreme numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(draw(st.integers(1, 12)), n_features))
    scales = draw(
        st.lists(
            st.sampled_from([0.0, 1e-30, 1.0, 1.0, 30.0, 1e4, largest]),
            min_size=len(X),
            max_size=len(X),
        )
    )
    return (X * np.array(scales)[:, np.newaxis]).astype(dtype)
