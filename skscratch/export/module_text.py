"""Text of the modules that ``to_source`` writes, in the article's style."""

import textwrap
from typing import Any

from sklearn.preprocessing import MinMaxScaler

from skscratch.estimators import ScratchMLPClassifier
from skscratch.estimators.base import fitted_state
from skscratch.export.models import layer_activations, output_kind
from skscratch.export.templates import ACTIVATIONS, OUTPUTS
from skscratch.version import __version__

__all__ = ["module_text"]

HEAD = '''"""A trained neural network that predicts with NumPy alone.

{summary}
"""

{imports}

with np.load(Path(__file__).with_suffix(".npz")) as file:
    arrays = dict(file)
{names}


{functions}def raw_outputs(X):
    """Outputs of the last layer: one column for each sample."""
{body}
'''

METHOD = '''

def {name}(X):
    """{title}"""
{body}
'''


def module_text(
    scalers: list[Any], estimator: Any, arrays: dict[str, Any], stem: str
) -> str:
    """Text of a module that predicts like an estimator.

    Parameters
    ----------
    scalers : list of (StandardScaler or MinMaxScaler)
        Fitted steps before the estimator.
    estimator : ScratchMLPClassifier or ScratchMLPRegressor
        Fitted.
    arrays : dict of ndarray
        What the file beside the module holds, by name: of layer 1 ``W1`` and ``b1``, of
        the first scaler ``mean_1``, ``scale_1`` or ``min_1``, ``classes``,
        ``features`` and ``places`` of quantiles.
    stem : str
        Name of the files, without their endings.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If an activation or the loss is the user's own.
    """
    is_classifier = isinstance(estimator, ScratchMLPClassifier)
    methods = (_classifier_methods if is_classifier else _regressor_methods)(estimator)
    return _head(scalers, estimator, arrays, stem) + "".join(
        METHOD.format(name=name, title=title, body=textwrap.indent(body, "    "))
        for name, (title, body) in methods.items()
    )


def _head(scalers, estimator, arrays, stem):
    """Text of the module up to the raw outputs."""
    network = estimator.network_
    activations = layer_activations(network)
    layers = [
        f"{layer.neurons} {_named(activation)}".rstrip()
        for layer, activation in zip(network.layers, activations, strict=False)
    ]
    n_inputs = network.layers[0].inputs
    sizes = [f"{n_inputs} input{'s' * (n_inputs > 1)}", *layers]
    n_outputs = network.layers[-1].neurons
    sizes.append(f"{n_outputs} output{'s' * (n_outputs > 1)}")
    n_networks = len(vars(estimator).get("estimators_", [estimator]))
    several = f"{n_networks} networks side by side, each of " * (n_networks > 1)
    summary = [
        f"Layers: {several}{', '.join(sizes)}.",
        f"Written by skscratch {__version__} from a {type(estimator).__name__}; the "
        f"arrays are in {stem}.npz, which must lie beside this file.",
    ]
    parts = [ACTIVATIONS[activation.name] for activation in activations]
    parts.append(OUTPUTS[output_kind(network.loss)])
    functions = _definitions(parts)
    imports = ["import math"] if "math." in functions else []
    imports += ["from pathlib import Path", "", "import numpy as np"]
    return HEAD.format(
        summary="\n".join(textwrap.fill(line, 88) for line in summary),
        imports="\n".join(imports),
        names="\n".join(_names(estimator, arrays)),
        functions=functions,
        body=textwrap.indent("\n".join(_body(scalers, estimator)), "    "),
    )


def _named(activation):
    """Call of an activation, for readers."""
    part = ACTIVATIONS[activation.name]
    parameter = f"({activation.parameter!r})" if part.has_parameter else ""
    return part.name.removeprefix("np.") + parameter


def _definitions(parts):
    """Definitions of functions, each once, after those that it calls."""
    sources = {}
    for part in parts:
        for name in part.needs:
            needed = ACTIVATIONS[name]
            sources[needed.name] = needed.source
        sources[part.name] = part.source
    return "".join(f"{source.lstrip()}\n\n" for source in sources.values() if source)


def _names(estimator, arrays):
    """Lines that give the arrays their names."""
    axis = ""
    if "estimators_" in vars(estimator):
        axis = f"{len(estimator.estimators_)} networks, "
    lines = [f"# Of each layer: weights ({axis}neurons, inputs) and biases."]
    for i in range(1, len(estimator.network_.layers) + 1):
        lines.append(f'W{i}, b{i} = arrays["W{i}"], arrays["b{i}"]')
    comments = {
        "features": "  # Names of the columns of X, in order.",
        "places": "  # Of each quantile among its target's.",
    }
    for name in arrays:
        if not name[1:].isdigit():
            lines.append(f'{name} = arrays["{name}"]{comments.get(name, "")}')
    temperature = vars(estimator).get("temperature_", 1.0)
    if temperature != 1:
        lines.append(f"temperature = {float(temperature)!r}")
    return lines


def _body(scalers, estimator):
    """Lines of the forward pass."""
    network = estimator.network_
    n_features, dtype = network.layers[0].inputs, network.dtype.name
    lines = [
        f'A = np.asarray(X, dtype="{"float64" if scalers else dtype}").T',
        f"if A.shape[:-1] != ({n_features},) or not np.isfinite(A).all():",
        f'    raise ValueError("X must have {n_features} columns of finite numbers")',
    ]
    for i, scaler in enumerate(scalers, start=1):
        lines += _scaling(scaler, i)
    if scalers and dtype != "float64":
        lines.append(f'A = A.astype("{dtype}")')
    activations = layer_activations(network)
    for i, activation in enumerate(activations, start=1):
        part = ACTIVATIONS[activation.name]
        parameter = f", {activation.parameter!r}" if part.has_parameter else ""
        Z = f"W{i} @ A + b{i}"
        lines.append(f"A = {part.name}({Z}{parameter})" if part.name else f"A = {Z}")
    last = len(activations) + 1
    Z = f"W{last} @ A + b{last}"
    is_divided = vars(estimator).get("temperature_", 1.0) != 1
    lines.append(f"return ({Z}) / temperature" if is_divided else f"return {Z}")
    return lines


def _scaling(scaler, i):
    """Lines that scale the columns."""
    if isinstance(scaler, MinMaxScaler):
        lines = [f"A = A * scale_{i} + min_{i}"]
        if scaler.clip:
            low, high = map(float, scaler.feature_range)
            lines.append(f"A = np.clip(A, {low!r}, {high!r})")
        return lines
    lines = [f"A = A - mean_{i}"] if scaler.with_mean else []
    return [*lines, f"A = A / scale_{i}"] if scaler.with_std else lines


def _classifier_methods(estimator):
    """Title and body of each function, by name."""
    targets, _ = fitted_state(estimator)
    lines = {
        "multiclass": ["P = softmax(raw_outputs(X))"],
        "multilabel-indicator": ["P = sigmoid(raw_outputs(X))"],
        "binary": [
            "Z = raw_outputs(X)",
            "P = np.concatenate([sigmoid(-Z), sigmoid(Z)], axis=-2)",
        ],
    }[targets.kind]
    if len(estimator.classes_) == 1:
        lines = ["P = np.ones_like(raw_outputs(X))"]
    lines += _average(estimator)
    lines.append("return np.maximum(P, np.finfo(P.dtype).tiny).T  # log(P) is finite.")
    proba, body = "Probabilities, (samples, classes).", "\n".join(lines)
    if targets.is_multilabel:
        return {
            "predict_proba": (proba, body),
            "predict": (
                "Labels of each sample, 0 or 1.",
                "return (predict_proba(X) > 0.5).astype(int)",
            ),
        }
    return {
        "predict_proba": (proba, body),
        "predict": (
            "Most probable class of each sample.",
            "return classes[predict_proba(X).argmax(axis=1)]",
        ),
    }


def _average(estimator):
    """Line that averages predictions over the networks, if there are several."""
    if "estimators_" not in vars(estimator):
        return []
    return ["P = P.mean(axis=0)  # Over the networks."]


def _regressor_methods(estimator):
    """Title and body of ``predict``, by its name."""
    targets, _ = fitted_state(estimator)
    kind = output_kind(estimator.network_.loss)
    P = "raw_outputs(X)"
    if kind == "quantiles":
        P = f"quantiles({P}, places)"
    elif OUTPUTS[kind].name:
        P = f"{OUTPUTS[kind].name}({P})"
    n_targets, n_predictions = targets.n_targets, targets.n_predictions
    if n_targets == n_predictions == 1:
        title, result = "Predicted number of each sample.", "P[0]"
    elif n_predictions == 1:
        title, result = "Predictions, (samples, targets).", "P.T"
    elif n_targets == 1:
        title, result = "Predictions, (samples, quantiles).", "P.T"
    else:
        title = "Predictions, (samples, targets, quantiles)."
        result = f"P.T.reshape(-1, {n_targets}, {n_predictions})"
    lines = [f"P = {P}", *_average(estimator), f"return {result}"]
    return {"predict": (title, "\n".join(lines))}
