"""The data of a fit: validated samples, targets and weights, and their split.

Validation of what a user passes is in ``estimators.validation``.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from skscratch.training.batches import Batches

__all__ = ["FitData", "RemoteData", "Split", "make_batches", "pool_splits"]


class FitData(NamedTuple):
    """Validated training or validation data.

    Attributes
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets as the user passed them, for scorers.
    Y : ndarray of shape (n_samples, n_outputs)
        Targets as numbers, of ``X``'s dtype, or boolean indicators.
    weights : ndarray of shape (n_samples,) or None
        Sample weights; None means 1 for each sample.
    """

    X: Any
    y: Any
    Y: Any
    weights: Any

    @property
    def is_in_memory(self):
        """Whether all samples are in these arrays."""
        return True

    @property
    def n_samples(self):
        """Number of samples."""
        return self.X.shape[0]

    def identity(self):
        """What tells these data from others: arrays to hash, by the names of ``fit``.

        Returns
        -------
        dict
        """
        return {"X": self.X, "y": self.Y, "sample_weight": self.weights}

    def take(self, rows):
        """Select rows; None selects all.

        Parameters
        ----------
        rows : ndarray of int or None

        Returns
        -------
        FitData
        """
        if rows is None:
            return self
        weights = None if self.weights is None else self.weights[rows]
        return FitData(self.X[rows], self.y[rows], self.Y[rows], weights)

    def astype(self, dtype):
        """Convert samples and numeric targets to a dtype; ``y`` stays as it is.

        Parameters
        ----------
        dtype : dtype

        Returns
        -------
        FitData
        """
        Y = self.Y if self.Y.dtype == bool else self.Y.astype(dtype, copy=False)
        return self._replace(X=self.X.astype(dtype, copy=False), Y=Y)


class RemoteData(ABC):
    """Training data whose rows are elsewhere: in files, or in other processes.

    It stands in the place of ``FitData``. What only needs an idea of the data, such as
    their scales, looks at a sample of the rows, which is in memory.

    Attributes
    ----------
    X, y, Y, weights : ndarray
        Of the sample, as in ``FitData``.
    n_samples : int
        Number of all training samples.
    """

    X: Any
    y: Any
    Y: Any
    weights: Any
    n_samples: int

    @property
    def is_in_memory(self):
        """Whether all samples are in these arrays."""
        return False

    @abstractmethod
    def identity(self):
        """What tells these data from others; see ``FitData``."""

    @abstractmethod
    def make_batches(self, config, rows, random_state):
        """Make the minibatches of a training; see the function of this name."""

    @abstractmethod
    def draw_split(self, targets, fraction, random_state):
        """Set samples aside to validate on.

        Parameters
        ----------
        targets : ClassTargets or NumericTargets
        fraction : float
            Share of the samples to set aside.
        random_state : RandomState

        Returns
        -------
        Split
            Its validation data are in memory. Its ``training_rows`` are what
            ``make_batches`` of these data takes, and have a length.
        """

    def make_trainer(self, runs):
        """Make what trains the epochs, where batches are not gathered in this process.

        Parameters
        ----------
        runs : list of TrainingRun
            All with these data.

        Returns
        -------
        EpochTrainer or None
            None for the usual one, which takes steps on what ``make_batches`` made.
        """
        return None


class Split(NamedTuple):
    """Training rows, and the validation data of early stopping.

    Attributes
    ----------
    data : FitData
        Data that ``validation_rows`` index: the training data, or the user's own
        validation data.
    training_rows : ndarray of int or None
        Rows of the training data to train on, in any order and perhaps repeated; None
        means all of them. For remote data, what they understand by it.
    validation_rows : ndarray of int or None
        Rows of ``data`` to validate on; None means all of them.
    """

    data: FitData
    training_rows: Any = None
    validation_rows: Any = None

    @property
    def is_drawn(self):
        """Whether validation rows are set aside from the training data."""
        return self.validation_rows is not None

    def indices(self):
        """Row numbers of the validation samples in ``data``.

        Returns
        -------
        ndarray of int
        """
        if self.validation_rows is None:
            return np.arange(self.data.n_samples)
        return self.validation_rows

    def validation_data(self):
        """Validation samples.

        Returns
        -------
        FitData
        """
        return self.data.take(self.validation_rows)


def pool_splits(splits):
    """Union of several validation sets, and each row's index in it.

    Parameters
    ----------
    splits : list of Split
        All of the same data.

    Returns
    -------
    rows : ndarray of int
        Rows that are in at least one validation set, sorted.
    samples : ndarray of int
        Index in ``rows`` of each validation row of the first split, then of the
        second, and so on.
    """
    indices = [split.indices() for split in splits]
    return np.unique(np.concatenate(indices), return_inverse=True)


def make_batches(data, config, rows, random_state):
    """Make the minibatches of a training.

    Parameters
    ----------
    data : FitData or RemoteData
    config : TrainingConfig
    rows : ndarray of int or None
        Rows to train on, as in ``Split``; None means all of them.
    random_state : RandomState
        Source of the order of samples, if they are shuffled.

    Returns
    -------
    Batches
    """
    if not data.is_in_memory:
        return data.make_batches(config, rows, random_state)
    n_samples = data.n_samples if rows is None else len(rows)
    return Batches(
        data.X,
        data.Y,
        min(config.batch_size, n_samples),
        weights=data.weights,
        rows=rows,
        # The mean weight of a stream is not known: there weights count as given.
        mean_weight=1.0 if config.is_incremental else None,
        random_state=random_state if config.shuffle else None,
        smoothing=config.smoothing,
    )
