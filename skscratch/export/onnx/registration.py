"""Converters of the library's estimators for skl2onnx.

With them, ``skl2onnx.to_onnx`` converts a ``Pipeline``, a ``ColumnTransformer``, a
``CalibratedClassifierCV`` or a ``VotingClassifier`` that holds one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier

__all__ = ["register"]


def register() -> None:
    """Register the estimators with skl2onnx, if it is installed."""
    try:
        from skl2onnx import update_registered_converter
    except ImportError:
        return

    from skscratch.export.onnx.estimators import ESTIMATORS

    for estimator in ESTIMATORS:
        options = None
        if issubclass(estimator, ClassifierMixin):
            options = {
                "zipmap": [True, False, "columns"],
                "nocl": [True, False],
                "output_class_labels": [False, True],
                "raw_scores": [True, False],
            }
        update_registered_converter(
            estimator,
            f"Skscratch{estimator.__name__}",
            _infer_types,
            _convert,
            options=options,
        )


def _infer_types(operator: Any) -> None:
    """Set types and shapes of the outputs; see skl2onnx on shape calculators."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    from skscratch.export.onnx.estimators import check_estimator, shapes_of

    check_estimator(operator.raw_operator)
    source = operator.inputs[0].type
    real = DoubleTensorType if isinstance(source, DoubleTensorType) else FloatTensorType
    n_samples = operator.inputs[0].get_first_dimension()
    shapes = shapes_of(operator.raw_operator)
    for output, (name, shape) in zip(operator.outputs, shapes.items(), strict=True):
        kind = real
        if name == "label":
            classes = np.asarray(operator.raw_operator.classes_).tolist()
            is_text = all(isinstance(label, str) for label in classes)
            kind = StringTensorType if is_text and not shape else Int64TensorType
        output.set_type(kind([n_samples, *shape]))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add an estimator's nodes to a container of skl2onnx."""
    from skl2onnx.common.data_types import guess_numpy_type

    from skscratch.export.onnx.estimators import outputs_of
    from skscratch.export.onnx.graph import MIN_OPSET, Graph, Value

    opset = container.target_opset_any_domain("")
    if opset < MIN_OPSET:
        raise ValueError(
            f"{type(operator.raw_operator).__name__} needs target_opset={MIN_OPSET} or "
            f"higher, got {opset}."
        )
    graph = Graph(scope.get_unique_variable_name)
    source = operator.inputs[0]
    X = Value(graph, source.full_name, np.dtype(guess_numpy_type(source.type)))
    options = {"raw_scores": False}
    if is_classifier(operator.raw_operator):
        options = container.get_options(operator.raw_operator, options)
    outputs = outputs_of(
        operator.raw_operator,
        X,
        for_skl2onnx=True,
        raw_scores=options["raw_scores"],
    )
    for output, (value, _) in zip(operator.outputs, outputs.values(), strict=True):
        if value.dtype.kind == "f":
            value = value.astype(guess_numpy_type(output.type))
        graph.rename(value, output.full_name)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.initializers)
    container.node_domain_version_pair_sets.add(("", opset))
