"""Validation and splitting of the data of a hedged ensemble."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier

from skscratch.estimators.fitting import make_random_state
from skscratch.estimators.splitting import read_splits
from skscratch.estimators.validation import validate_fit_data
from skscratch.tabular.folds import draw_folds, strata_of_numbers
from skscratch.tabular.members import HedgeData
from skscratch.training.data import FitData, Split
from skscratch.training.solvers import find_solver

__all__ = ["Prepared", "prepare", "refuse_inputs"]


class Prepared(NamedTuple):
    """Validated data of a fit, with encoded targets and splits.

    Attributes
    ----------
    data : HedgeData
    training : FitData
        The training data, with encoded targets.
    judged : FitData
        Samples, some or all of which are held out: the training data or ``X_val``.
    targets : ClassTargets or NumericTargets
    splits : list of Split
        Splits given by the user.
    rng : RandomState
        Source of all randomness in the fit.
    """

    data: HedgeData
    training: FitData
    judged: FitData
    targets: Any
    splits: list[Split]
    rng: np.random.RandomState


def prepare(
    estimator: Any,
    template: Any,
    given: tuple[Any, Any, Any],
    validation: Any,
    make_targets: Callable[[Any], Any],
    n_splits: int,
) -> Prepared:
    """Validate the data of a fit and choose the rows to hold out.

    Parameters
    ----------
    estimator : HedgedClassifier or HedgedRegressor
        Estimator that gets ``n_features_in_`` and ``feature_names_in_``.
    template : ScratchMLPClassifier or ScratchMLPRegressor
    given : tuple of three
        ``X``, ``y`` and ``sample_weight``.
    validation : ValidationArguments
    make_targets : callable
        ``make_targets(y)`` returns ``ClassTargets`` or ``NumericTargets``.
    n_splits : int
        Number of splits needed if the user gives a ``validation_split``.

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If the data are invalid, or there are too few samples.
    """
    training, kept, own, targets = validate_fit_data(
        estimator,
        given,
        validation,
        # DataFrames of several dtypes arrive as float64: networks of float32 would see
        # other roundings of the same inputs.
        dtype=np.float32 if template.dtype == "float32" else (np.float64, np.float32),
        reset=True,
        make_targets=make_targets,
    )
    rng = make_random_state(template.random_state)
    splits = [] if own is None else [own]
    pairs = []
    if template.validation_split is not None:
        splits = read_splits(
            template.validation_split,
            n_splits,
            training,
            given,
            validation.groups,
            kept,
        )
        pairs = [(split.training_rows, split.validation_rows) for split in splits]
    elif own is None and _holds_out(template):
        fraction = template.validation_fraction
        strata = None
        if is_classifier(template) and not targets.is_multilabel:
            strata = np.unique(training.y, return_inverse=True)[1]
        elif training.y.ndim == 1 and fraction:
            strata = strata_of_numbers(training.y, fraction)
        pairs = draw_folds(training.n_samples, strata, fraction, rng)
    judged = training if own is None else own.data
    data = HedgeData(
        training.X,
        training.y,
        training.weights,
        pairs,
        None if own is None else (judged.X, judged.y, judged.weights),
    )
    return Prepared(data, training, judged, targets, splits, rng)


def refuse_inputs(X: Any) -> None:
    """Raise scikit-learn's errors for sparse or complex samples.

    Parameters
    ----------
    X : object

    Raises
    ------
    TypeError
        If ``X`` is sparse.
    ValueError
        If ``X`` is complex.
    """
    if issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but dense data is required. Use "
            "'.toarray()' to convert to a dense numpy array."
        )
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ValueError("Complex data not supported: X must hold real numbers.")


def _holds_out(template: Any) -> bool:
    return template.early_stopping and find_solver(template.solver).is_stochastic
