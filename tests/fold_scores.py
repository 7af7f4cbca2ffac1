"""Scores of made-up models."""

import numpy as np

from skscratch.cli.results import FoldScores, ModelScores

NO_PREDICTIONS = np.empty(0)


def make_scores(name, is_ours=False, **figures):
    """Scores with a list of figures, one for each fold, for each metric."""
    n_folds = len(next(iter(figures.values())))
    times = {"fit_seconds": [1.0] * n_folds, "predict_seconds": [1.0] * n_folds}
    figures = {**times, **figures}
    folds = [
        FoldScores({key: values[i] for key, values in figures.items()}, NO_PREDICTIONS)
        for i in range(n_folds)
    ]
    return ModelScores(name, is_ours, folds)
