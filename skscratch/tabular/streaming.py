"""Recipes on tables that do not fit in memory, such as files.

The preparation of columns, the encoders and the scaling of targets are learned from a
uniform sample of the rows. A part of the sample is held out. All other rows are encoded
while they are read, and the networks are trained on them.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from skscratch._sklearn import safe_indexing
from skscratch.estimators.fitting import make_random_state
from skscratch.estimators.sources import (
    DataSource,
    TableSample,
    check_remote_parameters,
)
from skscratch.estimators.splitting import ValidationArguments
from skscratch.tabular.folds import draw_folds, strata_of_numbers
from skscratch.tabular.targets import scaled

__all__ = ["SAMPLE_ROWS", "Given", "Stream", "read_source"]

# Number of rows that the preparation is learned from. The empirical distribution of m
# rows differs from that of all rows by more than sqrt(log(2 / delta) / (2 m)) with a
# probability of at most delta (Massart, 1990). So the rank of any quantile of a number
# is off by less than 0.62 percentage points, with a probability of 0.999.
SAMPLE_ROWS = 100_000


class Given(NamedTuple):
    """Data for the ``fit`` of a table in memory.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,) or None
    validation : ValidationArguments
    stream : Stream or None
        None if ``X`` has all rows.
    """

    X: Any
    y: Any
    sample_weight: Any
    validation: ValidationArguments
    stream: Stream | None


class Stream:
    """All rows of a source but those held out, encoded while they are read.

    Parameters
    ----------
    sample : TableSample
    pipeline : TablePipeline
        Its first steps encode the columns, once they have been fitted.
    rows : ndarray of int
        Numbers of the sampled rows that the columns are fitted to.
    held : ndarray of int
        Numbers of the sampled rows that are held out.
    held_out : ValidationArguments, default=None
        Table, targets and weights of these rows, if there are any.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,) or None
        Labels of all rows.
    fit_arguments : tuple of two
        ``y`` and ``sample_weight`` for ``fit`` with a source.
    scalers : list of transformer
        Scalers of the targets of all kinds.
    """

    def __init__(
        self,
        sample: TableSample,
        pipeline: Any,
        rows: NDArray[np.intp],
        held: NDArray[np.intp],
        held_out: ValidationArguments | None = None,
    ) -> None:
        self._sample, self._pipeline = sample, pipeline
        self._rows, self._held = rows, held
        self.classes, self.fit_arguments = sample.classes, sample.fit_arguments
        self.scalers: list[Any] = []
        self.held_out = held_out

    def validation(self) -> ValidationArguments | None:
        """Rows that are held out, with encoded columns.

        Returns
        -------
        ValidationArguments or None
        """
        if self.held_out is None:
            return None
        X = self._pipeline[:-1].transform(self.held_out.X_val)
        return self.held_out._replace(X_val=X)

    def source(self, encoder: Any, inputs: NDArray[Any], scalers: list[Any]) -> Any:
        """Make a source for the members of a kind.

        Parameters
        ----------
        encoder : KindEncoder
            Fitted.
        inputs : ndarray of shape (len(rows), n_inputs)
            Inputs of the rows that the columns were fitted to. Their means of the
            target are those of other rows, unlike what ``transform`` would compute.
        scalers : list of transformer
            Of the targets, in this order.

        Returns
        -------
        DataSource
        """

        def encode(table: Any, y: Any, rows: NDArray[np.intp]) -> tuple[Any, Any]:
            X = np.array(self._pipeline[:-1].transform(table), inputs.dtype, order="C")
            is_known = np.isin(rows, self._rows, assume_unique=True)
            X[is_known] = inputs[np.searchsorted(self._rows, rows[is_known])]
            for scaler in scalers if y is not None else []:
                y = scaled(scaler, y)
            return encoder.transform(X), y

        n_outputs = encoder.transform(inputs[:1]).shape[1]
        return self._sample.encoded(encode, n_outputs, encoder.dtype, self._held)


def read_source(
    pipeline: Any, given: tuple[Any, Any, Any], validation: Any, n_rows: int
) -> Given:
    """Sample the rows of a source, and hold some of them out.

    Parameters
    ----------
    pipeline : TablePipeline
    given : tuple of three
        ``X``, ``y`` and ``sample_weight``, as passed to ``fit``.
    validation : ValidationArguments
    n_rows : int
        Number of rows to sample. Fewer rows are all used as a table in memory.

    Returns
    -------
    Given

    Raises
    ------
    ValueError
        If data or parameters can't be used.
    """
    source, y, sample_weight = given
    hedge = pipeline.steps[-1][1]
    network = hedge.template()
    # The pipeline's own draws stay those of a table in memory.
    random_state = make_random_state(copy.deepcopy(network.random_state))
    names = ("y", "sample_weight")
    sample = source.table_sample(hedge, (y, sample_weight), names, n_rows, random_state)
    if isinstance(validation.X_val, DataSource):
        given_val = validation.y_val, validation.sample_weight_val
        names = ("y_val", "sample_weight_val")
        sample_val = validation.X_val.table_sample(
            hedge, given_val, names, n_rows, random_state
        )
        validation = validation._replace(
            X_val=sample_val.table,
            y_val=sample_val.y,
            sample_weight_val=sample_val.weights,
        )
    if sample.is_complete:
        return Given(sample.table, sample.y, sample.weights, validation, None)
    if validation.groups is not None:
        raise ValueError(
            "groups needs all data in memory: pass X_val and y_val of other groups."
        )
    parameters = network.get_params(deep=False)
    check_remote_parameters(parameters | {"intervals": False})
    chosen, held_out = np.arange(len(sample.rows)), None
    held = chosen[:0]
    if validation.X_val is None and network.early_stopping:
        chosen, held = _hold_out(sample, network, random_state)
        held_out = ValidationArguments(
            safe_indexing(sample.table, held),
            sample.y[held],
            None if sample.weights is None else sample.weights[held],
        )
    weights = None if sample.weights is None else sample.weights[chosen]
    table, targets = safe_indexing(sample.table, chosen), sample.y[chosen]
    rows = sample.rows
    stream = Stream(sample, pipeline, rows[chosen], rows[held], held_out)
    return Given(table, targets, weights, validation, stream)


def _hold_out(sample: TableSample, network: Any, random_state: Any) -> Any:
    """Rows of the sample to train on and to hold out."""
    y, fraction, strata = sample.y, network.validation_fraction, None
    if is_classifier(network) and y.ndim == 1:
        strata = np.unique(y, return_inverse=True)[1]
    elif y.ndim == 1 and fraction:
        strata = strata_of_numbers(y, fraction)
    return draw_folds(len(y), strata, fraction, random_state)[0]
