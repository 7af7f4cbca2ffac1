"""Minibatches: which rows of the training data each step takes."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["BatchData", "Batches"]


class BatchData(NamedTuple):
    """Data that ``Operations.batch`` gathers the rows of a batch from.

    Attributes
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
        Of the network's dtype.
    Y : ndarray of shape (n_samples, n_targets)
        Targets, boolean or of the network's dtype.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights, of the network's dtype.
    mean_weight : float, default=1.0
        What stands for one sample's weight in the total that sums over a batch are
        divided by. For several networks, an array of shape (n_networks, 1, 1).
    smoothing : tuple, default=None
        Label smoothing: the share that is distributed, and the number of classes.
    """

    X: Any
    Y: Any
    weights: Any = None
    mean_weight: Any = 1.0
    smoothing: tuple[float, int] | None = None


class Batches:
    """Rows of the minibatches of one epoch after the other.

    Iterating once yields the rows of each batch of an epoch, a slice or an array of
    indices, for ``Operations.batch``.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_targets)
        Targets, boolean or of the network's dtype.
    batch_size : int
    weights : ndarray of shape (n_samples,), default=None
        Sample weights, of the network's dtype.
    rows : ndarray of int, default=None
        The rows to train on; None means all of them.
    mean_weight : float, default=None
        What stands for one sample's weight in a batch's total; None means the mean
        weight of the rows.
    random_state : RandomState, default=None
        Shuffles the rows before each epoch; None keeps their order.
    smoothing : tuple, default=None
        Label smoothing: the share that is distributed, and the number of classes.

    Attributes
    ----------
    data : BatchData
        What batches are gathered from.
    n_samples : int
        Number of rows in an epoch.
    n_batches : int
        Number of batches in an epoch.
    """

    def __init__(
        self,
        X,
        Y,
        batch_size,
        *,
        weights=None,
        rows=None,
        mean_weight=None,
        random_state=None,
        smoothing=None,
    ):
        self.batch_size, self.random_state = batch_size, random_state
        self.order = None if rows is None else np.array(rows)
        if rows is None and random_state is not None:
            self.order = np.arange(X.shape[0])
        self.n_samples = X.shape[0] if rows is None else len(rows)
        self.n_batches = -(-self.n_samples // batch_size)
        if mean_weight is None and weights is not None:
            mean_weight = float((weights if rows is None else weights[rows]).mean())
        self.data = BatchData(X, Y, weights, mean_weight or 1.0, smoothing)

    def __iter__(self):
        order = self.next_order()
        for start in range(0, self.n_samples, self.batch_size):
            rows = slice(start, min(start + self.batch_size, self.n_samples))
            yield rows if order is None else order[rows]

    def next_order(self):
        """Rows in the order of the next epoch; None means as they are."""
        if self.random_state is not None:
            # In place: the same swaps as in an array of indices 0, 1, …, and so the
            # same order as scikit-learn's, which indexes the last epoch's order.
            self.random_state.shuffle(self.order)
        return self.order
