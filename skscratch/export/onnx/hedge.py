"""ONNX graphs of hedged ensembles: blends, temperatures and targets scaled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skscratch.export.onnx.encoders import check_encoder, encode
from skscratch.export.onnx.functions import sigmoid, sinh
from skscratch.export.onnx.graph import Value
from skscratch.export.onnx.network import (
    check_network,
    interval_bounds,
    n_targets_of,
    predicted_numbers,
    probabilities,
)

__all__ = [
    "blended_bounds",
    "blended_log_odds",
    "blended_numbers",
    "blended_probabilities",
    "check_hedge",
]

# Logarithms of smaller probabilities are those of this one, as in ``blend``.
TINY = float(np.finfo(np.float32).tiny)


def check_hedge(hedge: Any) -> None:
    """Refuse an ensemble with a part that can't be written as a graph.

    Parameters
    ----------
    hedge : HedgedClassifier or HedgedRegressor
        Fitted.

    Raises
    ------
    ValueError
        As in ``check_network`` and ``check_encoder``.
    """
    for members in hedge.members_:
        check_encoder(members.encoder)
        for network in members.networks:
            check_network(network)
    model = vars(hedge).get("interval_model_")
    if model is not None:
        check_encoder(hedge.interval_encoder_)
        check_network(model.estimator)


def blended_probabilities(hedge: Any, X: Value) -> Value:
    """Probabilities, as ``HedgedClassifier.predict_proba`` computes them.

    Parameters
    ----------
    hedge : HedgedClassifier
        Fitted, and accepted by ``check_hedge``.
    X : Value of shape (n_samples, n_features)

    Returns
    -------
    Value of shape (n_samples, n_classes)
        In float64.
    """

    def predict(members: Any, network: Any, inputs: Value) -> Value:
        return probabilities(network, inputs).astype(np.float64)

    P = _blended(hedge, X, predict)
    is_multilabel = hedge.targets_.is_multilabel
    if hedge.temperature_ != 1.0:
        logits = P.maximum(TINY).log()
        if is_multilabel:
            logits = logits - (1.0 - P).maximum(TINY).log()
        tempered = logits / float(hedge.temperature_)
        P = sigmoid(tempered) if is_multilabel else tempered.softmax()
    if not is_multilabel:
        P = P / P.sum(axis=1)
    return P.maximum(float(np.finfo(np.float64).tiny))


def blended_log_odds(hedge: Any, X: Value) -> Value:
    """Log-odds of each class, as ``decision_function`` computes them.

    Parameters
    ----------
    hedge : HedgedClassifier
        Fitted, and accepted by ``check_hedge``.
    X : Value of shape (n_samples, n_features)

    Returns
    -------
    Value of shape (n_samples, n_classes)
        Of two classes, both. In float64.
    """
    P = blended_probabilities(hedge, X)
    if hedge.n_outputs_ < len(hedge.classes_):
        return P.log() - P.take([1, 0]).log()
    P = P.minimum(1 - float(np.finfo(np.float64).epsneg))
    return P.log() - (1.0 - P).log()


def blended_numbers(hedge: Any, X: Value) -> Value:
    """Predictions, as ``HedgedRegressor.predict`` computes them.

    Parameters
    ----------
    hedge : HedgedRegressor
        Fitted, and accepted by ``check_hedge``.
    X : Value of shape (n_samples, n_features)

    Returns
    -------
    Value of shape (n_samples, n_targets, n_predictions)
        In float64.
    """

    def predict(members: Any, network: Any, inputs: Value) -> Value:
        numbers = predicted_numbers(network, inputs, n_targets_of(network))
        numbers = numbers.astype(np.float64)
        return numbers if members.scaler is None else _restored(members.scaler, numbers)

    return _restored(hedge.scaler_, _blended(hedge, X, predict))


def blended_bounds(hedge: Any, X: Value, coverage: float) -> Value:
    """Bounds, as ``HedgedRegressor.predict_interval`` computes them.

    Parameters
    ----------
    hedge : HedgedRegressor
        Fitted with intervals, and accepted by ``check_hedge``.
    X : Value of shape (n_samples, n_features)
    coverage : float
        As in ``interval_bounds``.

    Returns
    -------
    Value of shape (n_samples, n_targets, 2)
        In float64.
    """
    inputs = encode(hedge.interval_encoder_, _inputs_of(hedge, X))
    bounds = interval_bounds(hedge.interval_model_, inputs, coverage)
    return _restored(hedge.scaler_, bounds)


def _inputs_of(hedge: Any, X: Value) -> Value:
    """Inputs in the dtype that the ensemble converts them to."""
    is_single = hedge.members_[0].encoder.dtype == "float32"
    if is_single or X.dtype not in (np.float32, np.float64):
        return X.astype(np.float32 if is_single else np.float64)
    return X


def _blended(
    hedge: Any, X: Value, predict: Callable[[Any, Any, Value], Value]
) -> Value:
    """Weighted mean of the kinds, each the mean of its members, within their range."""
    X = _inputs_of(hedge, X)
    blend: Any = None
    lowest: Any = None
    highest: Any = None
    for members, weight in zip(hedge.members_, hedge.weights_, strict=True):
        inputs = encode(members.encoder, X)
        sizes = [network.n_estimators for network in members.networks]
        mean: Any = None
        for network, size in zip(members.networks, sizes, strict=True):
            part = predict(members, network, inputs) * (size / sum(sizes))
            mean = part if mean is None else mean + part
        if blend is None:
            blend, lowest, highest = mean * float(weight), mean, mean
            continue
        blend = blend + mean * float(weight)
        lowest, highest = lowest.minimum(mean), highest.maximum(mean)
    return blend if lowest is highest else blend.clip(lowest, highest)


def _restored(scaler: Any, numbers: Value) -> Value:
    """Numbers, (n_samples, n_targets, n_predictions), in the units of the targets."""
    scale = scaler["scale"]
    restored = numbers * _column(scale.scale_)
    if scale.with_mean:
        restored = restored + _column(scale.mean_)
    is_constant = ~np.isnan(scale.constants_)
    if is_constant.any():
        chosen = numbers.graph.constant(_column(is_constant))
        constants = np.where(is_constant, scale.constants_, 0.0)
        restored = chosen.where(_column(constants), restored)
    if "logs" in scaler.named_steps:
        logs = scaler["logs"]
        limited = restored.clip(_column(logs.lower_), _column(logs.upper_))
        zero = np.broadcast_to(np.asarray(logs.zero, np.float64), logs.scale_.shape)
        restored = sinh(limited) * _column(logs.scale_) + _column(zero)
    return restored


def _column(array: np.ndarray) -> np.ndarray:
    """Numbers of each target, as predictions have them: (n_targets, 1)."""
    return np.asarray(array)[:, np.newaxis]
