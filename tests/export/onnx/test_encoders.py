"""Encoders as ONNX graphs encode what the transformers encode."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_runs import run_graph
from sklearn.preprocessing import StandardScaler

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

from skscratch.export.onnx.encoders import ENCODERS, check_encoder, encode
from skscratch.export.onnx.graph import Graph
from skscratch.tabular.encoders import (
    PiecewiseLinearEncoder,
    RankScaler,
    SmoothClipScaler,
    TailScaler,
)
from skscratch.tabular.kinds import KINDS, KindEncoder, make_encoder
from skscratch.tabular.periodic import PeriodicEncoder

few = settings(max_examples=20, deadline=None)
COLUMNS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: np.exp(3 * rng.normal(size=n)),
    "few values": lambda rng, n: rng.integers(5, size=n),
    "mostly zero": lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.3),
    "huge": lambda rng, n: (2e38 * rng.normal(size=n)).clip(-3e38, 3e38),
    "tiny": lambda rng, n: 1e-30 * rng.normal(size=n),
    "years": lambda rng, n: 1e5 + rng.integers(40, size=n),
    "two values": lambda rng, n: 7.0 * rng.integers(2, size=n),
    "constant": lambda rng, n: np.full(n, 3.0),
}


@st.composite
def tables(draw):
    """Training rows and new ones: the same, extreme ones, and just beside."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([5, 40, 1300]))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=5))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    X = np.stack([COLUMNS[name](rng, n) for name in ["normal", *names]], axis=1)
    rows = X[rng.integers(n, size=30)]
    new = [rows, rows * 1.5, -rows, rows + 1e-7, np.sign(rows) * 3e38, 0 * rows]
    return X.astype(dtype), np.concatenate(new).clip(-3e38, 3e38).astype(dtype)


def encoded(encoder, X):
    check_encoder(encoder)
    graph = Graph()
    source = graph.input("X", X.dtype, X.shape[1])
    graph.output("out", encode(encoder, source), [None])
    return run_graph(graph, X)["out"]


def check_agreement(encoder, X, new):
    with np.errstate(all="ignore"):  # Infinities of sums, in checks of scikit-learn.
        expected = encoder.fit(X).transform(new)
    # QuantileTransformer has no quantiles of numbers whose differences overflow.
    assume(np.isfinite(expected).all())
    found = encoded(encoder, new)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    # Of float64, ranks pass through polynomials.
    atol = 3e-7 if found.dtype == np.float32 else 2e-9
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("name", KINDS)
@few
@given(tables=tables(), seed=st.integers(0, 100))
def test_every_kind_encodes_the_same(name, tables, seed):
    X, new = tables
    check_agreement(make_encoder(KINDS[name], X.dtype.name, seed), X, new)


@pytest.mark.parametrize(
    "encoder",
    [
        SmoothClipScaler(limit=np.inf),
        SmoothClipScaler(limit=2, dtype="float32"),
        TailScaler(),
        RankScaler(limit=6.0),
        RankScaler(dtype="float64"),
        PiecewiseLinearEncoder(kind="ramps"),
        PiecewiseLinearEncoder(kind="both", n_bins=3),
        PiecewiseLinearEncoder(kind="hats", dtype="float64"),
        PeriodicEncoder(random_state=0),
    ],
    ids=repr,
)
@few
@given(tables=tables())
def test_every_encoder_encodes_the_same(encoder, tables):
    X, new = tables
    if isinstance(encoder, PeriodicEncoder):
        # Cosines of rounding errors, where inputs are not scaled first.
        X, new = np.arctan(X), np.arctan(new)
    check_agreement(encoder, X, new)


def test_every_encoder_of_every_kind_is_known():
    X = np.random.default_rng(0).normal(size=(9, 2))
    for name, kind in KINDS.items():
        encoder = make_encoder(kind, "float32", 0).fit(X)
        check_encoder(encoder)
        assert {KindEncoder, *(type(e) for _, e in encoder.encoders_)} <= set(ENCODERS)
        assert encoder.encoders_, name


def test_other_encoders_are_refused_by_name():
    with pytest.raises(ValueError, match="encoder StandardScaler can't be exported"):
        check_encoder(
            KindEncoder([("x", StandardScaler())]).fit(np.arange(3.0)[:, None])
        )


def test_an_encoder_without_outputs_is_refused():
    with pytest.raises(ValueError, match="without outputs can't be exported"):
        check_encoder(PiecewiseLinearEncoder().fit([[0.0], [1.0]]))
