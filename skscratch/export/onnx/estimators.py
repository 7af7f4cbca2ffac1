"""Outputs of an ONNX graph for each kind of estimator, from a matrix of inputs.

A converter of this library and one of skl2onnx differ only in what surrounds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.export.onnx.graph import Value
from skscratch.export.onnx.hedge import (
    blended_bounds,
    blended_log_odds,
    blended_numbers,
    blended_probabilities,
    check_hedge,
)
from skscratch.export.onnx.network import (
    check_network,
    class_labels,
    interval_bounds,
    log_odds,
    n_targets_of,
    predicted_numbers,
    probabilities,
)
from skscratch.tabular.hedged_classifier import HedgedClassifier
from skscratch.tabular.hedged_regressor import HedgedRegressor

__all__ = ["ESTIMATORS", "check_estimator", "outputs_of", "shapes_of"]

Outputs = dict[str, tuple[Value, list[int]]]

ESTIMATORS = (
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    HedgedClassifier,
    HedgedRegressor,
)


def check_estimator(model: Any, coverage: float | None = None) -> None:
    """Refuse an estimator that can't be written as a graph.

    Parameters
    ----------
    model : estimator
        Fitted, one of ``ESTIMATORS``.
    coverage : float, default=None
        Coverage of intervals, or None for none.

    Raises
    ------
    ValueError
        If a part of it can't be written, or it has no intervals for the coverage.
    """
    is_hedge = hasattr(model, "members_")
    (check_hedge if is_hedge else check_network)(model)
    if coverage is not None and not hasattr(model, "interval_model_"):
        raise ValueError(
            f"coverage={coverage!r} needs a model with prediction intervals, fitted "
            "with intervals=True; pass coverage=None for a model without."
        )


def shapes_of(model: Any) -> dict[str, list[int]]:
    """Shapes of the predictions, apart from the samples.

    Parameters
    ----------
    model : estimator
        Fitted, one of ``ESTIMATORS``.

    Returns
    -------
    dict of str to list of int
        By name: "label" and "probabilities", or "variable".
    """
    if is_classifier(model):
        n_classes = len(model.classes_)
        label = [n_classes] if _is_multilabel(model) else []
        return {"label": label, "probabilities": [n_classes]}
    network = model.estimator_ if hasattr(model, "members_") else model
    n_targets = n_targets_of(network)
    shape = [n for n in (n_targets, network.n_outputs_ // n_targets) if n > 1]
    return {"variable": shape or [1]}


def _is_multilabel(model: Any) -> bool:
    if hasattr(model, "members_"):
        return bool(model.targets_.is_multilabel)
    return model.out_activation_ == "logistic" and model.n_outputs_ > 1


def outputs_of(
    model: Any,
    X: Value,
    coverage: float | None = None,
    *,
    for_skl2onnx: bool = False,
    raw_scores: bool = False,
) -> Outputs:
    """Compute the outputs of an estimator.

    Parameters
    ----------
    model : estimator
        Fitted, and accepted by ``check_estimator``.
    X : Value of shape (n_samples, n_features)
    coverage : float, default=None
        Coverage of intervals, or None for none.
    for_skl2onnx : bool, default=False
        Whether classes that are booleans or floats become integers, as in its models.
    raw_scores : bool, default=False
        Whether log-odds take the place of probabilities.

    Returns
    -------
    dict of str to tuple
        Value and shape, apart from the samples, by name: those of ``shapes_of``, and
        "lower" and "upper" with a coverage.
    """
    if is_classifier(model):
        return _class_outputs(model, X, for_skl2onnx, raw_scores)
    shapes, is_hedge = shapes_of(model), hasattr(model, "members_")
    n_targets = n_targets_of(model.estimator_ if is_hedge else model)
    if is_hedge:
        numbers = blended_numbers(model, X)
    else:
        numbers = predicted_numbers(model, X, n_targets)
    shape = shapes["variable"]
    outputs = {"variable": (numbers.reshape(0, *shape), shape)}
    if coverage is None:
        return outputs
    if is_hedge:
        bounds = blended_bounds(model, X, coverage)
    else:
        bounds = interval_bounds(model.interval_model_, X, coverage)
    for i, name in enumerate(("lower", "upper")):
        bound = bounds.take([i], axis=2).reshape(0, n_targets)
        outputs[name] = bound, [n_targets]
    return outputs


def _class_outputs(
    model: Any, X: Value, for_skl2onnx: bool, raw_scores: bool
) -> Outputs:
    shapes, is_hedge = shapes_of(model), hasattr(model, "members_")
    P = (blended_probabilities if is_hedge else probabilities)(model, X)
    label = class_labels(
        np.asarray(model.classes_),
        P,
        is_multilabel=_is_multilabel(model),
        as_integers=for_skl2onnx,
    )
    if raw_scores:
        P = (blended_log_odds if is_hedge else log_odds)(model, X)
    return {
        "label": (label, shapes["label"]),
        "probabilities": (P, shapes["probabilities"]),
    }
