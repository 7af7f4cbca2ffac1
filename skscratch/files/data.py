"""The data of a fit that stay in files: encoded targets, splits and batches."""

import math
from typing import Any

import numpy as np

from skscratch.estimators.validation import cast
from skscratch.files.rows import Labels
from skscratch.files.survey import joined
from skscratch.files.windows import (
    LEAST_READER_BYTES,
    MOST_READERS,
    READER_BYTES,
    FileBatches,
    Window,
)
from skscratch.training.data import FitData, RemoteData, Split

__all__ = ["Encoder", "FileData", "class_weights"]


def class_weights(class_weight, targets, survey):
    """Resolve the weight of each class.

    Parameters
    ----------
    class_weight : dict, list of dict, "balanced" or None
        The estimator's parameter.
    targets : ClassTargets
    survey : Survey

    Returns
    -------
    ndarray of shape (n_classes,) or (n_labels, 2), or None
        Of several labels, the weights of a 0 and of a 1; all are multiplied.

    Raises
    ------
    ValueError
        If class weights don't fit the targets.
    """
    if class_weight is None:
        return None
    if not targets.is_multilabel:
        labels = survey.labels()
        total = np.array([survey.counts[label][1] for label in labels.tolist()])
        weighted = targets.weights(class_weight, labels, None, total)
        weights = np.ones(len(targets.classes))
        weights[np.searchsorted(targets.classes, labels)] = weighted / total
        return weights
    if class_weight == "balanced":
        ones, n_rows = survey.target_sums, survey.n_rows
        counts = np.stack([n_rows - ones, ones], axis=1)
        n_values = (counts > 0).sum(axis=1, keepdims=True)
        return n_rows / (n_values * np.maximum(counts, 1))
    y = survey.sampled_rows().y
    targets.weights(class_weight, y, targets.encode(y), None)
    return np.array([[of.get(0, 1), of.get(1, 1)] for of in class_weight], float)


class Encoder:
    """Turns rows of files into samples, targets and weights of a training.

    Parameters
    ----------
    targets : ClassTargets or NumericTargets
    dtype : dtype
        Of the samples.
    by_class : ndarray, default=None
        What ``class_weights`` returned.
    """

    def __init__(self, targets, dtype, by_class=None):
        self.targets, self.dtype, self.by_class = targets, dtype, by_class

    def __call__(self, rows):
        """Encode rows.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        X, Y, weights : ndarray
        """
        y = rows.y
        if isinstance(y, Labels):
            Y = self.targets.encode(y.values)[y.codes]
        else:
            Y = cast(self.targets.encode(y), self.dtype, "y")
        return rows.X, Y, self._weights(rows)

    def _weights(self, rows):
        if self.by_class is None:
            return rows.weights
        y = rows.y
        if isinstance(y, Labels):
            codes = np.searchsorted(self.targets.classes, y.values)
            weights = self.by_class[codes][y.codes]
        elif y.ndim == 2:
            labels = np.arange(y.shape[1])
            weights = self.by_class[labels, y.astype(int)].prod(axis=1)
        else:
            weights = self.by_class[np.searchsorted(self.targets.classes, y)]
        if rows.weights is not None:
            weights = weights * rows.weights
        return weights.astype(self.dtype)


class _SharedFitData(FitData):
    """Data that are only taken as a whole, without a copy."""

    __slots__ = ()

    def take(self, rows):
        """All rows."""
        return self


class _Unheld:
    """The rows to train on: all but some.

    Attributes
    ----------
    held : ndarray of int
        Rows that are set aside, sorted.
    """

    def __init__(self, n_samples, held):
        self.n_samples, self.held = n_samples, held

    def __len__(self):
        return self.n_samples - len(self.held)


class FileData(RemoteData):
    """Training data in files.

    Parameters
    ----------
    layout : Layout
    survey : Survey
    encoder : Encoder
    n_window : int
        Number of rows that are in memory.
    identity : dict
        See ``identity``.

    Attributes
    ----------
    blocks : list of Block
    n_readers : int
        Number of blocks that are read at once.
    """

    def __init__(self, layout, survey, encoder, n_window, identity):
        self.layout, self.encoder, self.n_window = layout, encoder, n_window
        self.blocks = [block for block in survey.blocks if block.n_rows]
        self.n_samples = survey.n_rows
        sample = survey.sampled_rows()
        self.y = sample.y
        self.X, self.Y, self.weights = encoder(sample)
        self._weight_sum = self._sum_weights(survey)
        self._identity, self._window = identity, None
        self._split: Any = None
        needed = {
            block.file.path: block.file.bytes_of_reader(layout.columns)
            for block in self.blocks
        }
        # A small window means that memory is to be spared.
        most = max(LEAST_READER_BYTES, n_window * self.X.shape[1] * self.X.itemsize)
        n_readers = min(READER_BYTES, most) // max(1, *needed.values())
        self.n_readers = min(max(n_readers, 1), MOST_READERS)

    def _sum_weights(self, survey):
        by_class, classes = self.encoder.by_class, self.encoder.targets
        if by_class is None:
            return survey.weight_sum
        if by_class.ndim == 1:
            labels = survey.labels()
            codes = np.searchsorted(classes.classes, labels)
            total = [survey.counts[label][1] for label in labels.tolist()]
            return float(by_class[codes] @ total)
        # Products of the weights of several labels are summed over the sample only.
        return float(self.weights.mean(dtype=float)) * self.n_samples

    def identity(self):
        """What tells these data from others; see ``FitData``."""
        return self._identity

    def window(self, batch_size):
        """Make the arrays that all trainings on these data read their batches from.

        Parameters
        ----------
        batch_size : int

        Returns
        -------
        Window
        """
        if self._window is None:
            capacity = max(self.n_window, batch_size) + self.layout.piece_rows
            self._window = Window(capacity, self.X, self.Y, self.weights)
        return self._window

    def make_batches(self, config, rows, random_state):
        """Make the minibatches of a training; see ``RemoteData``."""
        held, n_samples, total = None, self.n_samples, self._weight_sum
        if rows is not None:
            held, n_samples = rows.held, len(rows)
            weights = self._split.data.weights
            total -= len(held) if weights is None else weights.sum(dtype=float)
        return FileBatches(
            self,
            min(config.batch_size, n_samples),
            n_samples,
            held,
            1.0 if config.is_incremental else total / n_samples,
            random_state if config.shuffle else None,
            config.smoothing,
        )

    def draw_split(self, targets, fraction, random_state):
        """Set rows aside that lie evenly over all files; see ``RemoteData``.

        All networks of a fit hold out the same rows, at most a quarter of a window.
        """
        if self._split is None:
            held = self._draw_held(fraction, random_state)
            X, Y, weights, y = self.read_rows(held)
            data = _SharedFitData(X, y, Y, weights)
            rows = _Unheld(self.n_samples, held)
            self._split = Split(data, rows, np.arange(len(held)))
        return self._split

    def _draw_held(self, fraction, random_state):
        n_samples = self.n_samples
        n_held = min(math.ceil(fraction * n_samples), max(2, self.n_window // 4))
        if not 2 <= n_held < n_samples:
            raise ValueError(
                f"validation_fraction={fraction} of {n_samples} samples leaves "
                f"{n_samples - n_held} to train on and {n_held} to validate on: at "
                "least 1 and 2 are needed."
            )
        # One of each stretch of about equal length.
        edges = np.arange(n_held + 1) * n_samples // n_held
        lengths = np.diff(edges)
        return edges[:-1] + (random_state.random_sample(n_held) * lengths).astype(int)

    def hold_out(self, held):
        """Make sure that the validation data are the rows that are set aside.

        Parameters
        ----------
        held : ndarray of int or None
            Others than were drawn if a training was resumed that had no seed.

        Raises
        ------
        ValueError
            If a file can't be read.
        """
        if held is None or np.array_equal(held, self._split.training_rows.held):
            return
        X, Y, weights, y = self.read_rows(held)
        # Trainings have seen these arrays.
        for own, new in zip(self._split.data, (X, y, Y, weights), strict=True):
            if own is not None:
                own[...] = new
        self._split.training_rows.held[...] = held

    def read_rows(self, numbers):
        """Read some rows into memory.

        Parameters
        ----------
        numbers : ndarray of int
            Sorted numbers of rows, counted over all files without rows of weight 0.

        Returns
        -------
        X, Y, weights : ndarray
        y : ndarray
            Targets as they are in the files.
        """
        parts = []
        for block in self.blocks:
            low, high = np.searchsorted(
                numbers, [block.start, block.start + block.n_rows]
            )
            wanted, start = numbers[low:high] - block.start, 0
            if not wanted.size:
                continue
            for rows in self.layout.read(block):
                low, high = np.searchsorted(wanted, [start, start + len(rows)])
                taken = rows.take(wanted[low:high] - start)
                start += len(rows)
                if len(taken):
                    parts.append((*self.encoder(taken), taken.targets()))
        return joined(parts)

    def read_unheld(self, block, held):
        """Read the rows of a block that are not set aside.

        Parameters
        ----------
        block : Block
        held : ndarray of int or None

        Yields
        ------
        tuple of three
            Samples, targets and weights.
        """
        start = block.start
        for rows in self.layout.read(block):
            stop = start + len(rows)
            if held is not None:
                low, high = np.searchsorted(held, [start, stop])
                if low < high:
                    is_left = np.ones(len(rows), bool)
                    is_left[held[low:high] - start] = False
                    rows = rows.take(is_left)
            start = stop
            if len(rows):
                yield self.encoder(rows)
