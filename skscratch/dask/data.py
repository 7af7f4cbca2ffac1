"""Dask collections as the data of a fit, in the places where a local fit has arrays.

Samples stay on the workers. Targets and weights are gathered in this process: they
decide the classes, their weights and the split, exactly as in a local fit.
"""

import contextlib
import copy
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from skscratch.dask.collections import (
    check_matrix,
    find_client,
    in_memory,
    partitions,
)
from skscratch.dask.shard import stacked
from skscratch.dask.trainer import LocalSteps, Synchronous
from skscratch.dask.workers import Workers
from skscratch.estimators.attributes import feature_attributes
from skscratch.estimators.sources import DataSource
from skscratch.estimators.splitting import ValidationArguments, draw_split
from skscratch.estimators.validation import validate_fit_data
from skscratch.training.data import RemoteData, make_batches

__all__ = ["DaskData", "DaskSource"]


class DaskSource(DataSource):
    """Samples in a Dask collection, as the ``X`` of a local estimator's ``fit``.

    Parameters
    ----------
    X : Dask array or dataframe of shape (n_samples, n_features)
    owner : object
        The estimator, which errors name.
    client : distributed.Client or None
    local_steps : int
        Number of steps between two exchanges.
    """

    def __init__(self, X, owner, client, local_steps):
        check_matrix(X, owner, "fit")
        self.X, self.client = X, find_client(client, owner)
        self.local_steps = local_steps
        self._workers = None

    def fit_data(
        self, estimator, given, validation, *, dtype, reset, make_targets, class_weight
    ):
        """Validate the data of a fit; see ``DataSource``."""
        if estimator.share_batches and estimator.n_estimators > 1:
            raise ValueError(
                "share_batches=True can't be used for Dask collections, whose networks "
                "are trained one after the other: leave it False."
            )
        y, sample_weight = given
        y, sample_weight, *own = in_memory(
            self.client, y=y, sample_weight=sample_weight, **validation._asdict()
        )
        workers = self._workers = Workers(self.client, partitions(self.X))
        self._check_lengths(workers, y, sample_weight)
        numbers = list(workers.heads)
        dtype = _dtype_of(workers.sample(numbers)[0], dtype)
        whole, kept, targets = _validate_targets(
            *(copy.copy(estimator), workers.n_rows, y, sample_weight),
            dtype=dtype,
            reset=reset,
            make_targets=make_targets,
            class_weight=class_weight,
        )

        def validated(numbers, estimator, validation):
            sample, rows = workers.sample(numbers)
            if kept[rows].any():
                sample, rows = _take(sample, kept[rows]), rows[kept[rows]]
            return validate_fit_data(
                *(estimator, (sample, _take(y, rows), None), validation),
                dtype=dtype,
                reset=reset,
                make_targets=lambda y: targets,
            )

        own_validation = ValidationArguments(*own)
        try:
            shown, _, split, _ = validated(numbers, estimator, own_validation)
        except ValueError:
            for number in numbers:
                with _named(number):
                    validated([number], copy.copy(estimator), ValidationArguments())
            raise
        workers.place(_bare(estimator), dtype)
        rows = None if kept.all() else np.flatnonzero(kept)
        workers.set_targets(rows, whole.Y, whole.weights)
        X = HeldRows(workers, (whole.n_samples, shown.X.shape[1]), dtype)
        data = DaskData(shown, whole._replace(X=X), workers, self.local_steps)
        return data, None, split, targets

    def close(self):
        """Release what the workers hold."""
        if self._workers is not None:
            self._workers.close()

    def _check_lengths(self, workers, y, sample_weight):
        n_rows = workers.n_rows
        if not n_rows:
            raise ValueError(
                "Found array with 0 sample(s) while a minimum of 1 is required: all "
                "partitions of X are empty."
            )
        for name, values in (("y", y), ("sample_weight", sample_weight)):
            if np.ndim(values) and len(values) != n_rows:
                raise ValueError(
                    f"Found input variables with inconsistent numbers of samples: X "
                    f"has {n_rows} rows, {name} has {len(values)}."
                )


class DaskData(RemoteData):
    """Training data on Dask workers.

    Parameters
    ----------
    shown : FitData
        A sample of the rows.
    whole : FitData
        All rows, in whose ``X`` they are on the workers.
    workers : Workers
    local_steps : int
    """

    def __init__(self, shown, whole, workers, local_steps):
        self.X, self.y, self.Y, self.weights = shown
        self.n_samples = whole.n_samples
        self.workers, self._whole, self._local_steps = workers, whole, local_steps

    def identity(self):
        """What tells these data from others, whatever their partitions."""
        whole = self._whole
        checksum = self.workers.checksum()
        return {"X": checksum, "y": whole.Y, "sample_weight": whole.weights}

    def make_batches(self, config, rows, random_state):
        """Draw the same minibatches as a local fit; see ``RemoteData``."""
        return make_batches(self._whole, config, rows, random_state)

    def draw_split(self, targets, fraction, random_state):
        """Draw the same split as a local fit; see ``RemoteData``."""
        return draw_split(self._whole, targets, fraction, random_state)

    def make_trainer(self, runs):
        """Make what trains the epochs on the workers; see ``RemoteData``."""
        (run,) = runs
        if self._local_steps > 1:
            return LocalSteps(run, self.workers, self._local_steps)
        return Synchronous(run, self.workers)


class HeldRows:
    """Rows on workers, of which those that were asked for are kept here.

    Validation asks for the same rows after each epoch.

    Parameters
    ----------
    workers : Workers
    shape : tuple of int
        Number of training samples and of features.
    dtype : dtype
    """

    def __init__(self, workers, shape, dtype):
        self._workers, self.shape, self.dtype = workers, shape, dtype
        self._numbers = np.zeros(0, np.intp)
        self._held: Any = None

    def __getitem__(self, rows):
        rows = np.asarray(rows)
        missing = np.setdiff1d(rows, self._numbers)
        if missing.size:
            new = self._workers.gather(missing)
            numbers = np.concatenate([self._numbers, missing])
            order = np.argsort(numbers)
            if self._held is not None:
                new = stacked([self._held, new])
            self._numbers, self._held = numbers[order], new[order]
        return self._held[np.searchsorted(self._numbers, rows)]


def _validate_targets(
    probe, n_rows, y, sample_weight, *, dtype, reset, make_targets, class_weight
):
    """Validate and encode the targets as a local fit does; see ``validate_fit_data``.

    Returns
    -------
    whole : FitData
        Its ``X`` are row numbers.
    kept : ndarray of bool of shape (n_rows,)
        Which rows have a weight.
    targets : ClassTargets or NumericTargets
    """
    made: list[Any] = []

    def make_once(y):
        made.append(make_targets(y))
        return made[-1]

    whole, kept, _, targets = validate_fit_data(
        probe,
        # Row numbers stand for the samples.
        (np.arange(n_rows)[:, np.newaxis].astype(dtype), y, sample_weight),
        ValidationArguments(),
        dtype=dtype,
        reset=True,
        make_targets=make_once,
        class_weight=class_weight,
    )
    # A loss that was fitted in an earlier call stays.
    return whole, kept, targets if reset else made[0]


def _dtype_of(sample, accepted):
    """Dtype that a local fit would convert samples to."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return check_array(
                sample,
                accept_sparse=True,
                dtype=accepted,
                ensure_all_finite=False,
                ensure_min_samples=0,
                ensure_min_features=0,
            ).dtype
    except (TypeError, ValueError):
        return np.dtype(np.float64)  # What is wrong is said later.


@contextlib.contextmanager
def _named(number):
    """Context whose errors name a partition."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"partition {number} of X can't be used: {error}") from None


def _bare(estimator):
    """Estimator that knows its features and nothing else, for the workers."""
    bare = type(estimator)()
    vars(bare).update(feature_attributes(estimator))
    return bare


def _take(values, rows):
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return (values if issparse(values) else np.asarray(values))[rows]
