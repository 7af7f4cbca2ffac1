"""Minibatches of the rows of a data set, and masks that drop outputs at random.

What is drawn for a step of training, and the smoothing of its targets. Gradients stand
in ``network``, updates in ``optimizers``, the loop in ``training``.
"""

from typing import Any, NamedTuple

import numpy as np

from skscratch.backends.buffers import Buffers

__all__ = ["Batches", "Dropout", "smooth"]


class _Room(NamedTuple):
    """Arrays that batches of one size come in.

    Attributes
    ----------
    parts : list of tuple
        Arrays of the data set, and what their rows are gathered into.
    targets : ndarray of shape (n_outputs, n)
        Those gathered, of the data set's dtype.
    batch : tuple
        ``A1, Y, weights, total``; None for sparse ``A1``, which has no room.
    """

    parts: list
    targets: np.ndarray
    batch: tuple[Any, ...]


class Batches:
    """Minibatches of the rows of a data set, an epoch at a time.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_outputs)
        Targets, boolean or of the network's dtype.
    batch_size : int
    dtype : dtype
        Of the network.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights, of the network's dtype.
    rows : ndarray of int, default=None
        The rows to train on; None means all of them.
    mean_weight : float, default=None
        What stands for one sample's weight in a batch's total; None means the mean
        weight of the rows.
    random_state : RandomState, default=None
        Shuffles the rows before each epoch; None leaves their order.
    smoothing : tuple of float, default=None
        Of the targets: see ``smooth``.

    Attributes
    ----------
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
        dtype,
        *,
        weights=None,
        rows=None,
        mean_weight=None,
        random_state=None,
        smoothing=None,
    ):
        self.X, self.Y, self.weights = X, Y, weights
        self.batch_size, self.smoothing = batch_size, smoothing
        self.random_state = random_state
        self.order = None if rows is None else np.array(rows)
        if rows is None and random_state is not None:
            self.order = np.arange(X.shape[0])
        self.n_samples = X.shape[0] if rows is None else len(rows)
        self.n_batches = -(-self.n_samples // batch_size)
        if mean_weight is None and weights is not None:
            mean_weight = float((weights if rows is None else weights[rows]).mean())
        self.mean_weight = mean_weight or 1.0
        self._buffers, self._raw_buffers = Buffers(dtype), Buffers(Y.dtype)
        self._rooms: dict[tuple, _Room] = {}

    def __iter__(self):
        """Yield the batches of one epoch: ``A1, Y, weights, total`` of each."""
        order = self.next_order()
        for start in range(0, self.n_samples, self.batch_size):
            rows = slice(start, min(start + self.batch_size, self.n_samples))
            yield self.gathered(rows if order is None else order[..., rows])

    def next_order(self):
        """Rows in the order of the next epoch; None means as they lie."""
        if self.random_state is not None:
            # In place: the same swaps as in an array of indices 0, 1, …, and so the
            # same order as scikit-learn's, which indexes the last epoch's order.
            self.random_state.shuffle(self.order)
        return self.order

    def gathered(self, rows):
        """Batch of some rows, ``A1, Y, weights, total``.

        What is gathered comes in the same arrays each time, but for sparse ``A1``.

        Parameters
        ----------
        rows : slice or ndarray of int of shape (n,) or (n_networks, n)
            Of several networks, those of each, for a batch with a leading axis.
        """
        in_order = isinstance(rows, slice)
        shape = (rows.stop - rows.start,) if in_order else rows.shape
        room = self._rooms.get(shape) or self._make_room(shape)
        for array, part in room.parts:
            if in_order:
                np.copyto(part, array[rows])
            else:
                # Straight into `part`; the default mode copies first.
                array.take(rows, axis=0, out=part, mode="clip")
        A1, Y, weights, total = room.batch
        if A1 is None:
            A1 = self.X[rows].T
        np.copyto(Y, room.targets)
        if self.smoothing is not None:
            smooth(Y, *self.smoothing)
        return A1, Y, weights, total

    def _make_room(self, shape):
        """Arrays to gather so many rows into, and the batch that these are."""

        def rows_of(array, name, buffers):
            return buffers(name, (*shape, *array.shape[1:]))

        A1 = weights = None
        targets = rows_of(self.Y, "Y", self._raw_buffers)
        parts = [(self.Y, targets)]
        if isinstance(self.X, np.ndarray):
            parts.append((self.X, rows_of(self.X, "X", self._buffers)))
            A1 = parts[-1][1].mT
        if self.weights is not None:
            weights = rows_of(self.weights, "weights", self._buffers)
            parts.append((self.weights, weights))
            if weights.ndim == 2:
                weights = weights[:, np.newaxis]
        Y = self._buffers("numbers", targets.mT.shape)
        total = Y.shape[-1] * self.mean_weight
        room = _Room(parts, targets.mT, (A1, Y, weights, total))
        self._rooms[shape] = room
        return room


def smooth(Y, share, n_classes):
    """Give a share of each target to all of its classes alike, in place.

    ``Y ← (1 - share) Y + share / n_classes`` (Szegedy et al., *Rethinking the
    Inception architecture for computer vision*, CVPR 2016, section 7).

    Parameters
    ----------
    Y : ndarray
        Targets, 0 or 1, as floating point numbers.
    share : float
    n_classes : int
    """
    Y *= 1 - share
    Y += share / n_classes


class Dropout:
    """Masks that drop outputs of hidden layers at random, anew for each batch.

    An output is dropped with its layer's rate, and those that stay are multiplied by
    ``1 / (1 - rate)``, so that their sum is the same on average and prediction needs
    no factor (Srivastava et al., *Dropout*, JMLR 15, 2014, section 10: inverted).

    Parameters
    ----------
    rates : list of float
        Of each hidden layer, from 0 to below 1.
    neurons : list of int
        Of each hidden layer.
    dtype : dtype
        Of the network.
    random_state : RandomState
        Seeds a generator, which draws numbers of the network's dtype into buffers.

    Attributes
    ----------
    generator : Generator
    layers : list of tuple
        Rate and number of neurons of each hidden layer.
    """

    def __init__(self, rates, neurons, dtype, random_state):
        self.layers = list(zip(rates, neurons, strict=True))
        self._buffers = Buffers(dtype)
        self.generator = np.random.default_rng(random_state.randint(2**31, size=4))

    def masks(self, n_samples):
        """Masks for a batch, (neurons, n_samples) each, or None at a rate of 0."""
        return [
            self.draw(self._buffers(f"{number}", (neurons, n_samples), "F"), rate)
            if rate
            else None
            for number, (rate, neurons) in enumerate(self.layers)
        ]

    def draw(self, mask, rate):
        """Draw a mask into an array of order "F", and return it."""
        self.generator.random(out=mask.T, dtype=mask.dtype)
        np.greater_equal(mask, rate, out=mask)
        mask *= 1 / (1 - rate)
        return mask
