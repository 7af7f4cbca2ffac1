"""What the formats ask of a model: its kind, its activations and its output.

Each function refuses, in words, what no format can write.
"""

from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.nn.activations import resolve_activation
from skscratch.nn.loss import Loss
from skscratch.nn.losses import (
    BinaryLogLoss,
    LogLoss,
    PoissonDeviance,
    QuantileLoss,
    SquaredError,
    resolve_loss,
)

__all__ = [
    "LayerActivation",
    "check_estimator",
    "layer_activations",
    "output_kind",
    "refuse_tables",
]

# How predictions come from raw outputs, by the methods that compute them: a loss of the
# user's own may inherit them.
_OUTPUTS = {
    (loss.predictions, loss.average_members): kind
    for loss, kind in (
        (LogLoss, "softmax"),
        (BinaryLogLoss, "logistic"),
        (PoissonDeviance, "exp"),
        (QuantileLoss, "quantiles"),
        (SquaredError, "identity"),
        (Loss, "identity"),
    )
}


class LayerActivation(NamedTuple):
    """Activation of the library.

    Attributes
    ----------
    name : str
        Such as "leaky_relu"; the sigmoid is "logistic".
    parameter : float
        0 where there is none.
    """

    name: str
    parameter: float


def refuse_tables(model: Any, function: str) -> None:
    """Refuse a pipeline that prepares tables, and its ensembles.

    Parameters
    ----------
    model : object
    function : str
        Name of the function that was called.

    Raises
    ------
    ValueError
        If the model is one.
    """
    # Imported late: a model of this kind has imported them already.
    from skscratch.tabular import HedgedClassifier, HedgedRegressor, TablePipeline

    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else []
    if any(
        isinstance(part, (TablePipeline, HedgedClassifier, HedgedRegressor))
        for part in (model, *steps)
    ):
        raise ValueError(
            f"{function} can't write the model of make_tabular_classifier or "
            "make_tabular_regressor, which is several networks and the preparation of "
            f"their columns, got {type(model).__name__}. To run it elsewhere, convert "
            "it to ONNX; to keep it for Python, save it by skops."
        )


def check_estimator(model: Any, function: str) -> None:
    """Refuse what is no fitted estimator of ours.

    Parameters
    ----------
    model : object
    function : str
        Name of the function that was called.

    Raises
    ------
    TypeError
        If the model is another object.
    ValueError
        If it is not fitted, or holds a table's preparation.
    """
    if not isinstance(model, (ScratchMLPClassifier, ScratchMLPRegressor)):
        refuse_tables(model, function)
        raise TypeError(
            f"{function} needs a fitted ScratchMLPClassifier or ScratchMLPRegressor, "
            f"got {type(model).__name__}."
        )
    check_is_fitted(model)
    if model.out_activation_ != model.network_.output:
        raise ValueError(
            f"out_activation_ must be {model.network_.output!r}, as fit left it, for "
            f"{function}, got {model.out_activation_!r}."
        )


def layer_activations(network: Any) -> list[LayerActivation]:
    """List the activations of the hidden layers.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of LayerActivation

    Raises
    ------
    ValueError
        If one is the user's own, or the last layer has one that ``fit`` does not set.
    """
    found = []
    for layer in network.layers:
        kernel = resolve_activation(layer.activation).usable_kernel
        if kernel is None or not isinstance(kernel[0], str):
            raise ValueError(
                "activation must be one of the library's to be written in another "
                f"format, got {_name_of(layer.activation)}, which is your own."
            )
        found.append(LayerActivation(kernel[0], float(kernel[1])))
    *hidden, last = found
    if last.name != "identity":
        raise ValueError(
            "the last layer's activation must be 'identity', as fit left it, to be "
            f"written in another format, got {last.name!r}."
        )
    return hidden


def _name_of(activation):
    if isinstance(activation, str):
        return repr(activation)
    function = activation.function
    return repr(getattr(function, "__name__", type(function).__name__))


def output_kind(loss: Any) -> str:
    """Return how predictions come from raw outputs.

    Parameters
    ----------
    loss : str or Loss
        Of a network.

    Returns
    -------
    {"softmax", "logistic", "exp", "quantiles", "identity"}

    Raises
    ------
    ValueError
        If the loss is the user's own, with predictions of its own.
    """
    record = resolve_loss(loss)
    cls = type(record)
    kind = _OUTPUTS.get((cls.predictions, cls.average_members))
    if kind is None:
        raise ValueError(
            "loss must be one of the library's, or predict like one of them, to be "
            f"written in another format, got {loss!r}, whose predictions are your own."
        )
    if isinstance(record, QuantileLoss) and len(record.quantiles) == 1:
        return "identity"
    return kind
