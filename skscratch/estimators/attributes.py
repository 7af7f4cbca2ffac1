"""An estimator's attributes: shared by a copy, restored, or views of a network."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from skscratch.nn.activations import resolve_activation
from skscratch.nn.losses import LOSSES

__all__ = [
    "LayerViews",
    "bias_views",
    "exclusive_fit",
    "feature_attributes",
    "one_fit_at_a_time",
    "output_function",
    "rollback_on_error",
    "shallow_copy",
    "training_rollback",
    "weight_views",
]

Method = TypeVar("Method", bound=Callable[..., Any])

# The fit that runs at the moment, by the id of its estimator. An attribute of the
# estimator would go into copies that callbacks make.
_current_fits: dict[int, object] = {}


def shallow_copy(estimator):
    """Copy an estimator without copying its attributes.

    Parameters
    ----------
    estimator : BaseEstimator

    Returns
    -------
    BaseEstimator
    """
    new = object.__new__(type(estimator))
    new.__dict__ = vars(estimator).copy()
    return new


def feature_attributes(estimator):
    """Attributes that describe the features of a fit, by name.

    Parameters
    ----------
    estimator : BaseEstimator

    Returns
    -------
    dict
    """
    names = ("n_features_in_", "feature_names_in_")
    return {name: vars(estimator)[name] for name in names if name in vars(estimator)}


@contextlib.contextmanager
def exclusive_fit(estimator):
    """Context in which no other fit of an estimator can begin.

    Parameters
    ----------
    estimator : BaseEstimator

    Raises
    ------
    ValueError
        If the estimator is being fitted already.
    """
    this_fit = object()
    # A single operation, which no other thread can come between.
    if _current_fits.setdefault(id(estimator), this_fit) is not this_fit:
        raise ValueError(
            f"This {type(estimator).__name__} is already being fitted, and can't be "
            "fitted by a callback, a scorer or another thread meanwhile. Fit a clone "
            "instead."
        )
    try:
        yield
    finally:
        del _current_fits[id(estimator)]


def one_fit_at_a_time(fit: Method) -> Method:
    """Decorate a method that fits, so that ``exclusive_fit`` holds while it runs.

    Parameters
    ----------
    fit : function

    Returns
    -------
    function
    """

    @functools.wraps(fit)
    def exclusive(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        with exclusive_fit(estimator):
            return fit(estimator, *args, **kwargs)

    return cast(Method, exclusive)


@contextlib.contextmanager
def rollback_on_error(*estimators, keep=()):
    """Context that restores the attributes of estimators if an error leaves it.

    Parameters
    ----------
    *estimators : object
    keep : collection of str, default=()
        Names of attributes that are not restored, such as parameters, which another
        thread may set meanwhile.
    """
    before = [vars(estimator).copy() for estimator in estimators]
    try:
        yield
    except BaseException:
        for estimator, old in zip(estimators, before, strict=True):
            kept = {k: v for k, v in vars(estimator).copy().items() if k in keep}
            # At once: another thread may be predicting.
            estimator.__dict__ = old | kept
        raise


@contextlib.contextmanager
def training_rollback(runs):
    """Context that restores what trainings continue in place, if an error leaves it.

    Parameters
    ----------
    runs : list of PreviousRun
        The parameters, gradients and activations of their networks are restored, and
        the histories of their states.
    """
    before = [_restorer(run.network, run.state) for run in runs]
    try:
        yield
    except BaseException:
        for restore in before:
            restore()
        raise


def _restorer(network, state):
    """Function that restores a network and the histories of its training."""
    parameters, gradients = network.snapshot(), network.gradients.copy()
    activations = [layer.activation for layer in network.layers]
    histories = [] if state is None else state.histories()
    lengths = [len(history) for history in histories]

    def restore():
        network.restore(parameters)
        network.gradients[...] = gradients
        for layer, activation in zip(network.layers, activations, strict=True):
            layer.activation = activation
        for history, length in zip(histories, lengths, strict=True):
            del history[length:]

    return restore


class LayerViews(list):
    """Arrays of a network, one for each layer; assigned items are copied into it."""

    def __setitem__(self, index, array):
        if isinstance(index, slice):
            targets, arrays = self[index], list(array)
            if len(arrays) != len(targets):
                raise ValueError(
                    f"needs {len(targets)} arrays, one for each layer, got "
                    f"{len(arrays)}."
                )
        else:
            targets, arrays = [self[index]], [array]
        # Copies first: the new values may be views of those that they replace.
        new = []
        for target, values in zip(targets, arrays, strict=True):
            if np.iscomplexobj(values):  # NumPy would drop the imaginary part.
                raise ValueError("an array must hold real numbers, got complex ones.")
            new.append(np.array(values, dtype=target.dtype))
            if new[-1].shape != target.shape:
                raise ValueError(
                    f"an array must have shape {target.shape}, got {new[-1].shape}."
                )
        for target, values in zip(targets, new, strict=True):
            target[...] = values

    def assign(self, name, arrays):
        """Write all arrays, or none if one of them does not fit."""
        try:
            self[:] = arrays
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} can't be assigned: {error}") from None


def weight_views(network):
    """Weights of a network in scikit-learn's shapes.

    Parameters
    ----------
    network : Network

    Returns
    -------
    LayerViews of ndarray of shape (fan_in, fan_out)
    """
    return LayerViews(layer.W.mT for layer in network.layers)


def bias_views(network):
    """Biases of a network in scikit-learn's shapes.

    Parameters
    ----------
    network : Network

    Returns
    -------
    LayerViews of ndarray of shape (fan_out,)
    """
    return LayerViews(layer.b[..., 0] for layer in network.layers)


def output_function(name):
    """Function that computes predictions from raw outputs.

    Parameters
    ----------
    name : str or Activation
        The output of a loss, such as "softmax" or "exp", or an activation.

    Returns
    -------
    callable
        Of an array of shape (n_raw_outputs, n_samples).

    Raises
    ------
    ValueError
        If there is no such function.
    """
    for loss in LOSSES.values():
        if loss.output == name:
            return loss.predictions
    try:
        return resolve_activation(name).function
    except ValueError as error:
        raise ValueError(f"out_activation_={name!r} can't be used: {error}") from None
