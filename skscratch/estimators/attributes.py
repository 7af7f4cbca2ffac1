"""An estimator's attributes: shared by a copy, given back, or views of a network."""

import contextlib

import numpy as np

__all__ = ["LayerViews", "bare_copy", "unchanged_if_refused"]


def bare_copy(estimator):
    """Copy of an estimator that shares all that it has.

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
def unchanged_if_refused(*estimators):
    """Context that gives estimators the attributes back that they had, if it fails.

    Parameters
    ----------
    *estimators : object
    """
    before = [dict(vars(estimator)) for estimator in estimators]
    try:
        yield
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(attributes)
        raise


class LayerViews(list):
    """Arrays of a network, by layer; an item that is assigned is written into it."""

    def __setitem__(self, index, array):
        if isinstance(index, slice):
            targets, arrays = self[index], list(array)
            if len(arrays) != len(targets):
                raise ValueError(
                    f"needs {len(targets)} arrays, one a layer, got {len(arrays)}."
                )
        else:
            targets, arrays = [self[index]], [array]
        # Copies first: the new values may be views of what they are to replace.
        new = []
        for target, values in zip(targets, arrays, strict=True):
            if np.iscomplexobj(values):  # NumPy would drop what is imaginary.
                raise ValueError("an array must hold real numbers, got complex ones.")
            new.append(np.array(values, dtype=target.dtype))
            if new[-1].shape != target.shape:
                raise ValueError(
                    f"an array must have shape {target.shape}, got {new[-1].shape}."
                )
        for target, values in zip(targets, new, strict=True):
            target[...] = values

    def assign(self, name, arrays):
        """Write all arrays, or, where one does not fit, none."""
        try:
            self[:] = arrays
        except ValueError as error:
            raise ValueError(f"{name} can't be assigned: {error}") from None
