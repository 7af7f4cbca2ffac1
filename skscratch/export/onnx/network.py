"""ONNX graphs of networks: layers, ensembles, predictions and intervals.

``check_network`` says what can't be written, before any of it is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skscratch.estimators.intervals import interpolation
from skscratch.export.onnx.functions import ACTIVATIONS, sigmoid, softplus
from skscratch.export.onnx.graph import Value
from skscratch.nn.activations import resolve_activation
from skscratch.nn.loss import Loss
from skscratch.nn.losses import LOSSES, QuantileLoss, resolve_loss

__all__ = [
    "check_network",
    "class_labels",
    "interval_bounds",
    "log_odds",
    "n_targets_of",
    "predicted_numbers",
    "probabilities",
]


def check_network(estimator: Any) -> None:
    """Refuse a network that can't be written as a graph.

    Parameters
    ----------
    estimator : ScratchMLPClassifier or ScratchMLPRegressor
        Fitted.

    Raises
    ------
    ValueError
        If an activation or the loss is not one of the library's, ``out_activation_``
        has been changed, or the network has another dtype than float32 and float64.
    """
    network = estimator.network_
    for layer in network.layers:
        kernel = resolve_activation(layer.activation).usable_kernel
        if kernel is None or kernel[0] not in ACTIVATIONS:
            name = _name_of(layer.activation)
            raise ValueError(
                f"activation {name} can't be exported to ONNX, as it is not one of the "
                f"library's: {', '.join(map(repr, ACTIVATIONS))}."
            )
    loss = resolve_loss(network.loss)
    if _prediction_of(loss) is None:
        raise ValueError(
            f"the predictions of the loss {type(loss).__name__} can't be exported to "
            "ONNX: it overrides predictions or average_members."
        )
    if estimator.out_activation_ != network.output:
        raise ValueError(
            f"out_activation_={estimator.out_activation_!r} can't be exported to ONNX, "
            f"only that of the loss, {network.output!r}."
        )
    model = vars(estimator).get("interval_model_")
    if model is not None:
        check_network(model.estimator)


def _name_of(activation: Any) -> str:
    if isinstance(activation, str):
        return repr(activation)
    return repr(getattr(activation.function, "__name__", activation.function))


def _prediction_of(loss: Loss) -> str | None:
    """Name of the function that turns raw outputs into predictions, if it is known."""
    mine = (type(loss).predictions, type(loss).average_members)
    if mine == (QuantileLoss.predictions, QuantileLoss.average_members):
        return "quantiles"
    if mine == (Loss.predictions, Loss.average_members):
        return "identity"
    for known in _LIBRARY:
        if mine == (type(known).predictions, type(known).average_members):
            return known.output
    return None


# As they are here, whatever a program makes of the registry.
_LIBRARY = tuple(LOSSES.values())


def _raw_outputs(estimator: Any, X: Value) -> Value:
    """Raw outputs, (n_samples, n_outputs); of an ensemble, (n_members, ...)."""
    network = estimator.network_
    A = X.astype(network.dtype)
    for layer in network.layers:
        name, parameter = resolve_activation(layer.activation).usable_kernel
        Z = A @ layer.W.mT + layer.b.mT
        A = ACTIVATIONS[name](Z, parameter)
    temperature = float(getattr(estimator, "temperature_", 1.0))
    return A if temperature == 1 else A / temperature


def _mean_of_members(estimator: Any, P: Value) -> Value:
    return P.mean(axis=0) if estimator.network_.parameters.ndim == 2 else P


def probabilities(estimator: Any, X: Value) -> Value:
    """Probabilities of a classifier, as its ``predict_proba`` computes them.

    Parameters
    ----------
    estimator : ScratchMLPClassifier
        Fitted, and accepted by ``check_network``.
    X : Value of shape (n_samples, n_features)

    Returns
    -------
    Value of shape (n_samples, n_classes)
        In the network's dtype.
    """
    Z = _raw_outputs(estimator, X)
    if estimator.out_activation_ == "softmax":
        P = Z.softmax()
    elif len(estimator.classes_) == 1:
        P = Z * 0.0 + 1.0
    elif estimator.n_outputs_ == 1:
        P = Z.graph.concatenate([sigmoid(-Z), sigmoid(Z)], axis=-1)
    else:
        P = sigmoid(Z)
    P = _mean_of_members(estimator, P)
    return P.maximum(float(np.finfo(P.dtype).tiny))


def log_odds(estimator: Any, X: Value) -> Value:
    """Log-odds of each class, as ``decision_function`` computes them.

    Parameters
    ----------
    estimator : ScratchMLPClassifier
        Fitted, and accepted by ``check_network``.
    X : Value of shape (n_samples, n_features)

    Returns
    -------
    Value of shape (n_samples, n_classes)
        Of two classes, both.
    """
    Z = _raw_outputs(estimator, X)
    is_stack = estimator.network_.parameters.ndim == 2
    if estimator.out_activation_ == "softmax":
        if is_stack:
            logs = Z - Z.logsumexp(axis=-1)
            Z = logs.logsumexp(axis=0).reshape(-1, len(estimator.classes_))
        return _against_the_rest(Z, len(estimator.classes_))
    if is_stack:
        yes, no = (-softplus(-Z)).logsumexp(axis=0), (-softplus(Z)).logsumexp(axis=0)
        Z = (yes - no).reshape(-1, estimator.n_outputs_)
    if estimator.n_outputs_ == len(estimator.classes_):
        return Z
    return Z.graph.concatenate([-Z, Z])


def _against_the_rest(Z: Value, n_classes: int) -> Value:
    """Log-odds of each class, precise also for the best one."""
    Z = Z - Z.max(axis=1)
    is_best = Z.argmax().reshape(-1, 1).equals(np.arange(n_classes))
    odds = Z.exp()
    others = is_best.where(1.0, odds.sum(axis=1) - odds)
    rest = is_best.where(-math.inf, Z).logsumexp(axis=1)
    return is_best.where(-rest, Z - others.log())


def class_labels(
    classes: np.ndarray, P: Value, *, is_multilabel: bool, as_integers: bool = False
) -> Value:
    """Most probable classes, or labels.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    P : Value of shape (n_samples, n_classes)
    is_multilabel : bool
        Whether a sample may have several labels.
    as_integers : bool, default=False
        Whether classes that are booleans or floats become integers.

    Returns
    -------
    Value of shape (n_samples,) or (n_samples, n_classes)
        Classes in their dtype, integers as int64; for several labels, 0 and 1.

    Raises
    ------
    ValueError
        If classes are neither text nor numbers nor booleans, or a mixture.
    """
    if is_multilabel:
        return (P > 0.5).astype(np.int64)
    table = P.graph.constant(_tensor_of(classes, as_integers))
    return table.at(P.argmax())


def _tensor_of(classes: np.ndarray, as_integers: bool) -> np.ndarray:
    kinds = {type(label) for label in classes.tolist()}
    if kinds == {str}:
        return classes.astype(object)
    if kinds == {int} or (as_integers and kinds <= {bool, float}):
        return classes.astype(np.int64)
    if kinds == {bool} or kinds == {float}:
        return classes.astype(kinds.pop())
    raise ValueError(
        "classes must be text, integers, booleans or floats, all of one type, for an "
        f"export to ONNX, got {classes.tolist()[:5]!r}."
    )


def n_targets_of(estimator: Any) -> int:
    """Count the targets of a regressor.

    Parameters
    ----------
    estimator : ScratchMLPRegressor
        Fitted.

    Returns
    -------
    int
    """
    loss = resolve_loss(estimator.network_.loss)
    return int(estimator.n_outputs_ // loss.n_raw_outputs(1))


def predicted_numbers(estimator: Any, X: Value, n_targets: int) -> Value:
    """Predictions of a regressor, as its ``predict`` computes them.

    Parameters
    ----------
    estimator : ScratchMLPRegressor
        Fitted, and accepted by ``check_network``.
    X : Value of shape (n_samples, n_features)
    n_targets : int

    Returns
    -------
    Value of shape (n_samples, n_targets, n_predictions)
        Several predictions are quantiles. In the network's dtype.
    """
    Z = _raw_outputs(estimator, X)
    loss: Any = resolve_loss(estimator.network_.loss)
    name = _prediction_of(loss)
    if name == "quantiles":
        n_quantiles = len(loss.quantiles)
        is_stack = estimator.network_.parameters.ndim == 2
        Z = Z.reshape(*[0] * (1 + is_stack), n_targets, n_quantiles)
        increments = _increments(Z, n_quantiles)
        return _quantiles(loss, _mean_of_members(estimator, increments))
    P = Z.exp() if name == "exp" else Z
    return _mean_of_members(estimator, P).reshape(0, n_targets, -1)


def _increments(Z: Value, n_quantiles: int) -> Value:
    """Lowest quantile, and how much larger each next one is."""
    if n_quantiles == 1:
        return Z
    parts = [Z.take([0], -1), softplus(Z.take(range(1, n_quantiles), -1))]
    return Z.graph.concatenate(parts, axis=-1)


def _quantiles(loss: Any, increments: Value) -> Value:
    ranks = np.argsort(np.argsort(loss.quantiles, kind="stable"), kind="stable")
    return increments.cumsum(axis=-1).take(ranks, -1)


def interval_bounds(model: Any, X: Value, coverage: float) -> Value:
    """Bounds of prediction intervals, as ``predict_interval`` computes them.

    Parameters
    ----------
    model : IntervalModel
        ``interval_model_`` of a regressor.
    X : Value of shape (n_samples, n_features)
    coverage : float
        Probability that an interval holds its target, above 0 and below 1.

    Returns
    -------
    Value of shape (n_samples, n_targets, 2)
        In float64.

    Raises
    ------
    ValueError
        If there are too few rows of calibration for this coverage.
    """
    margins = model.margins(coverage).astype(np.float64)
    Q = predicted_numbers(model.estimator, X, len(model.mean)).astype(np.float64)
    low, high = (
        Q.take([i], 2) * (1 - share) + Q.take([i + 1], 2) * share
        for i, share in interpolation(coverage)
    )
    low, high = low - margins[:, np.newaxis], high + margins[:, np.newaxis]
    middle = (low + high) / 2.0
    bounds = X.graph.concatenate([low.minimum(middle), high.maximum(middle)], axis=2)
    bounds = bounds * model.scale[:, np.newaxis] + model.mean[:, np.newaxis]
    return bounds if model.least == -math.inf else bounds.maximum(model.least)
