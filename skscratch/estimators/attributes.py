"""An estimator's attributes: shared by a copy, restored, or views of a network."""

import contextlib

import numpy as np

__all__ = ["LayerViews", "rollback_on_error", "shallow_copy"]


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
    new.__dict__.update(vars(estimator))
    return new


@contextlib.contextmanager
def rollback_on_error(*estimators, network=None):
    """Context that restores estimators, and a network, if an error leaves it.

    Parameters
    ----------
    *estimators : object
        Their attributes are restored.
    network : Network, default=None
        Its parameters, gradients and activations are restored: a training continues in
        the arrays of an earlier one.
    """
    before = [dict(vars(estimator)) for estimator in estimators]
    if network is not None:
        parameters, gradients = network.snapshot(), network.gradients.copy()
        activations = [layer.activation for layer in network.layers]
    try:
        yield
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(attributes)
        if network is not None:
            network.restore(parameters)
            network.gradients[...] = gradients
            for layer, activation in zip(network.layers, activations, strict=True):
                layer.activation = activation
        raise


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
        except ValueError as error:
            raise ValueError(f"{name} can't be assigned: {error}") from None
