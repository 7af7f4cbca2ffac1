"""ONNX graphs of the encoders of numbers, each written as its ``transform``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.pipeline import Pipeline

from skscratch.export.onnx.functions import arcsinh, hypot1, normal_quantile
from skscratch.export.onnx.graph import Graph, Value
from skscratch.tabular.encoders import (
    PiecewiseLinearEncoder,
    RankScaler,
    SmoothClipScaler,
    TailScaler,
)
from skscratch.tabular.kinds import KindEncoder
from skscratch.tabular.periodic import PeriodicEncoder

__all__ = ["check_encoder", "encode"]

# Of QuantileTransformer: what is so close to the ends is beyond them.
BOUNDS_THRESHOLD = 1e-7
_OUTERMOST = BOUNDS_THRESHOLD - np.spacing(1), 1 - (BOUNDS_THRESHOLD - np.spacing(1))


def check_encoder(encoder: Any) -> None:
    """Refuse an encoder that can't be written as a graph.

    Parameters
    ----------
    encoder : transformer
        Fitted.

    Raises
    ------
    ValueError
        If it, or a part of it, is not one of the library's, or has no outputs.
    """
    if type(encoder) is Pipeline:
        parts = [step for _, step in encoder.steps]
    elif type(encoder) is KindEncoder:
        parts = [part for _, part in encoder.encoders_]
    else:
        parts = []
        if type(encoder) not in ENCODERS:
            known = ", ".join(kind.__name__ for kind in ENCODERS)
            raise ValueError(
                f"the encoder {type(encoder).__name__} can't be exported to ONNX, only "
                f"{known}."
            )
    if type(encoder) is PiecewiseLinearEncoder and not any(map(len, encoder.knots_)):
        raise ValueError(
            "a PiecewiseLinearEncoder without outputs can't be exported to ONNX: each "
            "of its features had one or two values in fit."
        )
    for part in parts:
        check_encoder(part)


def encode(encoder: Any, X: Value) -> Value:
    """Encode samples.

    Parameters
    ----------
    encoder : transformer
        Fitted, and accepted by ``check_encoder``.
    X : Value of shape (n_samples, n_features)
        In the dtype that the encoder converts samples to.

    Returns
    -------
    Value of shape (n_samples, n_outputs)
    """
    return ENCODERS[type(encoder)](encoder, X)


def _pipeline(encoder: Any, X: Value) -> Value:
    for _, step in encoder.steps:
        X = encode(step, X)
    return X


def _kind(encoder: Any, X: Value) -> Value:
    numbers = np.flatnonzero(encoder.is_number_)
    others = np.flatnonzero(~encoder.is_number_)
    parts = []
    if len(numbers):
        chosen = X.take(numbers)
        parts += [encode(part, chosen) for _, part in encoder.encoders_]
    if len(others):
        parts.append(X.take(others).clip(encoder.lower_, encoder.upper_))
    return X.graph.concatenate(parts).astype(encoder.dtype)


def _smooth_clip(encoder: Any, X: Value) -> Value:
    dtype = np.dtype(encoder.dtype or X.dtype)
    largest = float(np.finfo(dtype).max) / 2
    z = (X / 2.0 - encoder.center_ / 2) / encoder.scale_ * 2.0
    z = z.clip(-largest, largest)
    if encoder.limit < math.inf:
        z = z / hypot1(z / float(encoder.limit))
    return z.astype(dtype)


def _tails(encoder: Any, X: Value) -> Value:
    compressed = arcsinh(encode(encoder.scaler_, X).astype(np.float64))
    scaled = (compressed - encoder.mean_) / encoder.std_
    return scaled.astype(encoder.dtype or X.dtype)


def _waves(encoder: Any, X: Value) -> Value:
    n_features, n_waves = encoder.frequencies_.shape
    values = X.reshape(0, n_features, 1)
    # Periods are counted in float64: large float32 numbers have no fractions.
    periods = values * encoder.frequencies_ + encoder.phases_
    turns = (periods - periods.rint()) * (2 * np.pi)
    waves = turns.astype(encoder.dtype or X.dtype).cos()
    return waves.reshape(0, n_features * n_waves)


def _pieces(encoder: Any, X: Value) -> Value:
    ramps = _ramps(encoder, X)
    hats: list[tuple[int, int]] = []
    parts, n_ramps, order = [ramps], 0, []
    n_all = sum(len(knots) - 1 for knots in encoder.knots_ if len(knots))
    for knots in encoder.knots_:
        if not len(knots):
            continue
        own = list(range(n_ramps, n_ramps + len(knots) - 1))
        n_ramps += len(own)
        if encoder.kind != "hats":
            order += own
        if encoder.kind != "ramps":
            order += range(n_all + len(hats), n_all + len(hats) + len(knots))
            # The first hat has no ramp before it, and the last one none after it.
            hats += list(zip([n_all, *own], [*own, n_all + 1], strict=True))
    if hats:
        # A hat is the ramp up to its knot minus the ramp that begins there.
        one, zero = (ramps.take([0]) * 0.0 + end for end in (1.0, 0.0))
        ended = X.graph.concatenate([ramps, one, zero])
        rising, falling = zip(*hats, strict=True)
        parts.append(ended.take(rising) - ended.take(falling))
    return X.graph.concatenate(parts).take(order).astype(encoder.dtype or X.dtype)


def _ramps(encoder: Any, X: Value) -> Value:
    """Ramps of all features, of shape (n_samples, n_ramps)."""
    features, starts, ends, lowest, highest = [], [], [], [], []
    for feature, knots in enumerate(encoder.knots_):
        n_ramps = max(len(knots) - 1, 0)
        features += [feature] * n_ramps
        starts.append(knots[:-1])
        ends.append(knots[1:])
        lowest.append(np.repeat(knots[:1], n_ramps))
        highest.append(np.repeat(knots[-1:], n_ramps))
    start, end, low, high = map(np.concatenate, (starts, ends, lowest, highest))
    # Where differences would overflow, halves are used.
    largest = np.maximum(np.abs(low), np.abs(high))
    share = np.where(largest > np.finfo(start.dtype).max / 4, 0.5, 1.0)
    share = share.astype(start.dtype)
    columns = X.take(features).clip(low, high) * share
    ramps = (columns - start * share) / (end * share - start * share)
    return ramps.clip(0.0, 1.0).astype(X.dtype)


def _ranks(encoder: Any, X: Value) -> Value:
    """Quantiles of a normal distribution, as QuantileTransformer computes them."""
    transformer = encoder.transformer_
    start, end = transformer.quantiles_[0], transformer.quantiles_[-1]
    lower, upper = X - BOUNDS_THRESHOLD, X + BOUNDS_THRESHOLD
    # In the dtype of X, as the transformer works in place.
    p = _interpolated(transformer, X).astype(X.dtype)
    lowest, highest = map(float, norm.ppf(_OUTERMOST))
    z = normal_quantile(p.clip(BOUNDS_THRESHOLD, 1 - BOUNDS_THRESHOLD))
    z = ((lower < start) | (p <= BOUNDS_THRESHOLD)).where(lowest, z)
    z = ((upper > end) | (p >= 1 - BOUNDS_THRESHOLD)).where(highest, z)
    # Of a constant, the lower end comes last in the transformer.
    z = (lower < start).where(lowest, z).clip(lowest, highest)
    return z.clip(-encoder.limit, encoder.limit).astype(encoder.dtype or X.dtype)


def _interpolated(transformer: Any, X: Value) -> Value:
    """Share of the samples below each value: the mean of both ways to count ties."""
    quantiles = transformer.quantiles_.astype(np.float64)
    table = _Quantiles(X.graph, quantiles, transformer.references_)
    x = X.astype(np.float64).clip(quantiles[0], quantiles[-1])
    last = np.int64(len(quantiles) - 1)
    # From the last quantile that is at most x, and from the first that is at least x.
    start = table.count(lambda q: q <= x) - np.int64(1)
    end = table.count(lambda q: q < x)
    upward = table.interpolate(x, start, (start + np.int64(1)).minimum(last))
    downward = table.interpolate(x, end, (end - np.int64(1)).maximum(np.int64(0)))
    return 0.5 * (upward + downward)


class _Quantiles:
    """Quantiles of each feature, in one table of a graph, and the shares below them."""

    def __init__(
        self, graph: Graph, quantiles: np.ndarray, references: np.ndarray
    ) -> None:
        n_quantiles, n_features = quantiles.shape
        self.n_steps = n_quantiles.bit_length()
        # A row for each feature, padded for a search by halves.
        rows = np.full((n_features, 2**self.n_steps), np.inf)
        rows[:, :n_quantiles] = quantiles.T
        self.table, self.shares = (
            graph.constant(rows.ravel()),
            graph.constant(references),
        )
        self.first = np.arange(n_features) * 2**self.n_steps

    def count(self, is_counted: Callable[[Value], Value]) -> Value:
        """Number of a row's first quantiles that are counted."""
        count: Any = None
        for step in (2**k for k in reversed(range(self.n_steps))):
            at = self.first + step - 1
            at = self.table.graph.constant(at) if count is None else count + at
            more = is_counted(self.table.at(at)).astype(np.int64) * np.int64(step)
            count = more if count is None else count + more
        return count

    def interpolate(self, x: Value, at: Value, to: Value) -> Value:
        """Share below x, on the line between two quantiles."""
        quantile, width = self._quantile(at), self._quantile(to) - self._quantile(at)
        share, rise = self.shares.at(at), self.shares.at(to) - self.shares.at(at)
        is_flat = width.equals(0.0)
        way = is_flat.where(0.0, (x - quantile) / is_flat.where(1.0, width))
        return share + way * rise

    def _quantile(self, at: Value) -> Value:
        return self.table.at(at + self.first)


ENCODERS: dict[type, Callable[[Any, Value], Value]] = {
    Pipeline: _pipeline,
    KindEncoder: _kind,
    SmoothClipScaler: _smooth_clip,
    TailScaler: _tails,
    RankScaler: _ranks,
    PiecewiseLinearEncoder: _pieces,
    PeriodicEncoder: _waves,
}
