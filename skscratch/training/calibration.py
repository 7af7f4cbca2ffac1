"""Temperature scaling: how sure a network may be of its predictions."""

import numpy as np

from skscratch.nn.losses import best_temperature
from skscratch.training.batches import smooth
from skscratch.training.validator import pool_splits

__all__ = ["fit_temperature"]


def fit_temperature(runs, n_classes):
    """Calibrate probabilities on held-out rows.

    Guo et al., *On calibration of modern neural networks*, ICML 2017, section 4.2, with
    one more sample that belongs to all classes equally: without it, rows that are all
    predicted right would make a network certain.

    Parameters
    ----------
    runs : list of TrainingRun
        All with splits of the same data, of which each row is predicted by the mean of
        the networks that it is held out from.
    n_classes : int
        Number of classes that an output distinguishes.

    Returns
    -------
    float
        What raw outputs are to be divided by.
    """
    splits = [run.split for run in runs]
    rows, samples = pool_splits(splits)
    data = splits[0].data
    outputs = [
        run.validator.predictor.raw_outputs(run.split.data.X, run.split.validation_rows)
        for run in runs
    ]
    Y = data.Y[rows].T.astype(np.float64)
    smooth(Y, 1 / (len(rows) + 1), n_classes)
    return best_temperature(
        runs[0].validator.loss,
        np.concatenate(outputs).T,
        Y,
        None if data.weights is None else data.weights[rows],
        samples,
    )
