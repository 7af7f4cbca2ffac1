"""The data of a fit: validated samples, targets and weights, and their split.

Validation of what a user passes is in ``estimators.validation``.
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["FitData", "Split", "pool_splits"]


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
    def n_samples(self):
        """Number of samples."""
        return self.X.shape[0]

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


class Split(NamedTuple):
    """Training rows, and the validation data of early stopping.

    Attributes
    ----------
    data : FitData
        Data that ``validation_rows`` index: the training data, or the user's own
        validation data.
    training_rows : ndarray of int or None
        Rows of the training data to train on, in any order and perhaps repeated; None
        means all of them.
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
