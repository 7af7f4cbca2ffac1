"""ONNX graphs of the encoders of numbers, each written as its ``transform``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.pipeline import Pipeline

from skscratch.export.onnx_functions import arcsinh, hypot1, normal_quantile
from skscratch.export.onnx_graph import Value
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
        If it, or a part of it, is not one of the library's.
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
    references = transformer.references_.astype(np.float64)
    n_quantiles, n_features = quantiles.shape
    x = X.astype(np.float64).clip(quantiles[0], quantiles[-1])
    # A row for each feature, one after the other, padded for a search by halves.
    n_steps = max(n_quantiles.bit_length(), 1)
    padded = np.full((n_features, 2**n_steps), np.inf)
    padded[:, :n_quantiles] = quantiles.T
    table = X.graph.constant(padded.ravel())
    levels = X.graph.constant(
        np.append(references, [1.0] * len(padded[0]))[: len(padded[0])]
    )
    rows = np.arange(n_features) * len(padded[0])
    # Number of quantiles that are at most x, and number of those that are less.
    at_most = _count(table, rows, n_steps, lambda found: found <= x)
    below = _count(table, rows, n_steps, lambda found: found < x)
    start = (at_most - np.int64(1)).maximum(np.int64(0))
    end = below.minimum(np.int64(n_quantiles - 1))
    return 0.5 * (
        _on_line(table, levels, rows, x, start, np.int64(1), n_quantiles)
        + _on_line(table, levels, rows, x, end, np.int64(-1), n_quantiles)
    )


def _count(
    table: Value, rows: np.ndarray, n_steps: int, is_counted: Callable[[Value], Value]
) -> Value:
    """Number of a row's first elements that are counted, by halves."""
    count: Any = None
    for step in (2**k for k in reversed(range(n_steps))):
        if count is None:
            found = table.at(table.graph.constant(rows + step - 1))
            count = is_counted(found).astype(np.int64) * np.int64(step)
        else:
            found = table.at(count + (rows + step - 1))
            count = count + is_counted(found).astype(np.int64) * np.int64(step)
    return count


def _on_line(
    table: Value,
    levels: Value,
    rows: np.ndarray,
    x: Value,
    at: Value,
    direction: np.int64,
    n_quantiles: int,
) -> Value:
    """Interpolate from a quantile to its neighbor on one side."""
    to = (at + direction).clip(np.int64(0), np.int64(n_quantiles - 1))
    q, q_to = table.at(at + rows), table.at(to + rows)
    level, level_to = levels.at(at), levels.at(to)
    width = q_to - q
    is_flat = width.equals(0.0)
    share = (x - q) / is_flat.where(1.0, width)
    return level + is_flat.where(0.0, share) * (level_to - level)


ENCODERS: dict[type, Callable[[Any, Value], Value]] = {
    Pipeline: _pipeline,
    KindEncoder: _kind,
    SmoothClipScaler: _smooth_clip,
    TailScaler: _tails,
    RankScaler: _ranks,
    PiecewiseLinearEncoder: _pieces,
    PeriodicEncoder: _waves,
}
