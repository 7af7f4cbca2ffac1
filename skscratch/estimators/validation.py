"""Validation of the data that users pass to ``fit`` and ``predict``."""

import datetime
import math

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import is_regressor
from sklearn.utils import column_or_1d
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import validate_data

from skscratch._messages import warn_user
from skscratch._sklearn import check_sample_weight
from skscratch.estimators.sources import DataSource
from skscratch.training.data import FitData, Split

__all__ = [
    "can_skip_validation",
    "cast",
    "encode_fit_data",
    "is_of_dates",
    "overflow_error",
    "refuse_dates",
    "refuse_other_libraries",
    "scale_warning",
    "validate_fit_data",
    "validate_prediction_data",
    "validate_validation",
]

# Number of rows that scales are estimated on, and scales that do not harm training.
N_SCALE_ROWS = 256
SMALLEST_SCALE, LARGEST_SCALE = 1e-4, 1e4

# Bounds on how validation data differ from training data, in the median over the
# columns, unless they were prepared otherwise: in units of the standard deviation, and
# in the ratio of standard deviations.
MAX_SHIFT, MAX_RATIO = 2.0, 3.0
MIN_COMPARED_ROWS = 10


def validate_fit_data(
    estimator,
    given,
    validation,
    *,
    dtype,
    reset,
    make_targets,
    class_weight=None,
):
    """Validate the data of a fit, and encode its targets.

    Samples of weight 0 are left out.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Gets ``n_features_in_`` and ``feature_names_in_`` if ``reset``, and is checked
        against them otherwise.
    given : tuple of three
        ``X``, ``y`` and ``sample_weight``, as the user passed them to ``fit``.
    validation : ValidationArguments
    dtype : dtype or sequence of dtype
        Accepted dtypes of the samples; others are converted to the first.
    reset : bool
        Whether this is the first fit.
    make_targets : callable
        ``make_targets(y)`` returns the fitted ``ClassTargets`` or ``NumericTargets``.
    class_weight : dict, list of dict, "balanced" or None, default=None
        The estimator's parameter.

    Returns
    -------
    data : FitData or RemoteData
    kept : ndarray of bool of shape (n_samples,)
        Which of the user's rows are left.
    split : Split or None
        The user's own validation data.
    targets : ClassTargets or NumericTargets

    Raises
    ------
    ValueError
        If data can't be used.
    TypeError
        If they are arrays of other libraries, and scikit-learn would not convert them.
    """
    if isinstance(given[0], DataSource):
        return given[0].fit_data(
            estimator,
            given[1:],
            validation,
            dtype=dtype,
            reset=reset,
            make_targets=make_targets,
            class_weight=class_weight,
        )
    refuse_other_libraries(
        **dict(zip(("X", "y", "sample_weight"), given, strict=True)),
        **validation._asdict(),
    )
    X, y, sample_weight = given
    X, y = _validate_pair(estimator, X, y, dtype, reset)
    X, y, weights = _as_rows(X, y, sample_weight, "sample_weight")
    kept = np.ones(X.shape[0], bool) if weights is None else weights > 0
    X, y, weights = _drop_weightless(X, y, weights)
    data, targets = encode_fit_data(
        FitData(X, y, None, weights), make_targets, class_weight, reset
    )
    split = validate_validation(estimator, validation, data.X, targets)
    return data, kept, split, targets


def encode_fit_data(data, make_targets, class_weight, reset):
    """Encode the targets of validated samples, and weigh their classes.

    Parameters
    ----------
    data : FitData
        Without ``Y``; all weights are positive.
    make_targets, class_weight, reset
        As in ``validate_fit_data``.

    Returns
    -------
    data : FitData
    targets : ClassTargets or NumericTargets

    Raises
    ------
    ValueError
        If targets or weights can't be used.
    """
    X, y, _, weights = data
    targets = make_targets(y)
    # A batch is gathered into buffers of one dtype.
    Y = cast(targets.encode(y), X.dtype, "y")
    name = "sample_weight"
    if class_weight is not None:
        name = "sample_weight times class_weight"
    weights = cast(targets.weights(class_weight, y, Y, weights), X.dtype, name)
    if reset:
        targets = targets.with_fitted_loss(Y, weights)
    return FitData(X, y, Y, weights), targets


def validate_validation(estimator, validation, X, targets):
    """Validate the user's own validation data.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Has the attributes of the features that it is fitted on.
    validation : ValidationArguments
    X : {ndarray, CSR array} of shape (n_samples, n_features)
        Training samples, or some of them.
    targets : ClassTargets or NumericTargets

    Returns
    -------
    Split or None
        None without any.

    Raises
    ------
    ValueError
        If data can't be used.
    """
    X_val, y_val, weights_val, _ = validation
    if X_val is None:
        return None
    if isinstance(X_val, DataSource):
        given = (y_val, weights_val)
        split = X_val.validation_split(estimator, given, X.dtype, targets)
        if isinstance(split.data.X, np.ndarray):
            _warn_if_prepared_otherwise(X, split.data.X)
        return split
    try:
        X_val, y_val = _validate_pair(
            estimator, X_val, y_val, X.dtype, reset=False, name="X_val"
        )
    except ValueError as error:
        raise ValueError(f"X_val and y_val can't be used: {error}") from None
    X_val, y_val, weights_val = _drop_weightless(
        *_as_rows(X_val, y_val, weights_val, "sample_weight_val")
    )
    _warn_if_prepared_otherwise(X, X_val)
    Y_val = cast(targets.encode_validation(y_val), X.dtype, "y_val")
    weights_val = cast(weights_val, X.dtype, "sample_weight_val")
    return Split(FitData(X_val, y_val, Y_val, weights_val))


def validate_prediction_data(estimator, X, dtype):
    """Validate samples to predict.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    dtype : dtype
        Of the network.

    Returns
    -------
    {ndarray, sparse array} of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If samples can't be used.
    TypeError
        If ``X`` is an array of another library, and scikit-learn would not convert it.
    """
    if isinstance(X, DataSource):
        return X.prediction_samples(estimator, dtype)
    refuse_other_libraries(X=X)
    refuse_dates(X)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # As in `_validate_pair`.
            return validate_data(
                estimator, X, accept_sparse=["csr", "csc"], dtype=dtype, reset=False
            )
    except OverflowError as error:
        raise overflow_error("X", error) from None
    except ValueError as error:
        if _tells_of_nan(error):
            raise _missing_values_error(estimator, "X") from None
        raise


def _validate_pair(estimator, X, y, dtype, reset, name="X"):
    refuse_dates(X)
    # Numbers that float32 can't hold become infinite, and are refused as such.
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            X, y = validate_data(
                estimator,
                X,
                y,
                accept_sparse=["csr", "csc"],
                multi_output=True,
                y_numeric=is_regressor(estimator),
                dtype=dtype,
                reset=reset,
            )
    except OverflowError as error:
        raise overflow_error("X and y", error) from None
    except ValueError as error:
        # scikit-learn's message for objects, which can only be the targets here.
        if str(error) == "Input contains NaN":
            raise ValueError("Input y contains NaN.") from None
        if _tells_of_nan(error):
            raise _missing_values_error(estimator, name) from None
        raise
    return X, y.toarray() if issparse(y) and is_regressor(estimator) else y


def refuse_other_libraries(**arrays):
    """Refuse arrays that scikit-learn would leave to their own library.

    With ``array_api_dispatch=True`` it does not convert them to NumPy arrays, which is
    all that the networks compute with.

    Parameters
    ----------
    **arrays : dict
        What a user has passed, by the name of the argument.

    Raises
    ------
    TypeError
        If one is an array of another library, and scikit-learn would not convert it.
    """
    if not get_config()["array_api_dispatch"]:
        return
    for name, array in arrays.items():
        if isinstance(array, (np.ndarray, np.generic)):
            continue
        kind = type(array)
        # PyTorch's tensors have the latter only.
        if hasattr(kind, "__array_namespace__") or hasattr(kind, "__dlpack__"):
            library = kind.__module__.partition(".")[0]
            raise TypeError(
                f"With array_api_dispatch=True, {name} must be a NumPy array, a list, "
                "a DataFrame or a sparse matrix of SciPy, got an array of another "
                f"library ({library}.{kind.__name__}). Convert it with "
                f"numpy.asarray({name}), or from PyTorch with "
                f"{name}.detach().cpu().numpy(); or use array_api_dispatch=False."
            )


def _tells_of_nan(error):
    """Return whether an error is scikit-learn's about NaN in ``X``."""
    return str(error).startswith("Input X contains NaN.")


def _missing_values_error(estimator, name):
    """Make the error about NaN in ``X`` or ``X_val``.

    It replaces scikit-learn's, which recommends estimators of another kind.
    """
    recipe = f"make_tabular_{'regressor' if is_regressor(estimator) else 'classifier'}"
    own = "" if name == "X" else " and sets validation samples aside itself"
    return ValueError(
        f"Input {name} contains NaN.\n"
        f"{type(estimator).__name__} does not accept missing values. Use "
        f"skscratch.{recipe}, which accepts them in arrays and DataFrames{own}; or "
        "fill them in by an imputer in a pipeline, such as "
        "sklearn.impute.SimpleImputer, which accepts sparse matrices too; or leave "
        "those samples out."
    )


def _warn_if_prepared_otherwise(X, X_val):
    """Warn if validation data plainly did not go through a pipeline's steps."""
    if issparse(X) or issparse(X_val) or len(X_val) < MIN_COMPARED_ROWS:
        return
    rows, rows_val = _sample_rows(X), _sample_rows(X_val)
    # What overflows, or has no scale, is not compared.
    with np.errstate(all="ignore"):
        scale, scale_val = (
            part.std(axis=0, dtype=np.float64) for part in (rows, rows_val)
        )
        shift = abs(rows_val.mean(axis=0, dtype=np.float64) - rows.mean(axis=0)) / scale
        log_ratio = np.log(scale_val / scale)
    varies = np.isfinite(shift) & np.isfinite(log_ratio)
    if not varies.any():
        return
    # Medians over the columns: single columns may differ by far in correct data.
    median_shift = np.median(shift[varies])
    median_ratio = np.exp(np.median(log_ratio[varies]))
    if median_shift < MAX_SHIFT and 1 / MAX_RATIO < median_ratio < MAX_RATIO:
        return
    warn_user(
        "X_val seems not to be prepared as X is: in the median over the columns, its "
        f"mean differs by {median_shift:.2g} standard deviations, and its standard "
        f"deviation is {median_ratio:.2g} times that of X. In a pipeline, X_val only "
        "goes through the other steps with Pipeline(..., transform_input=['X_val']) "
        "and metadata routing."
    )


def _sample_rows(X):
    """Rows at equal distances: samples may be sorted."""
    return X[:: max(1, X.shape[0] // N_SCALE_ROWS)]


def _drop_weightless(X, y, weights):
    """Leave out samples of weight 0."""
    if weights is None or (counted := weights > 0).all():
        return X, y, weights
    return X[counted], y[counted], weights[counted]


def _as_rows(X, y, sample_weight, name):
    """Convert data so that rows of a minibatch can be gathered.

    Parameters
    ----------
    X : {ndarray, sparse array} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,) or None
    name : str
        Name of the weights in errors.

    Raises
    ------
    ValueError
        If weights are negative or not finite, none is positive, or their number is not
        that of the samples.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    # Rows of a memory map are read as plain arrays. The columns of a DataFrame lie one
    # after the other: to gather rows from them, NumPy would copy all of them each time.
    X = X.tocsr() if issparse(X) else np.ascontiguousarray(X)
    if sample_weight is not None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                sample_weight = check_sample_weight(
                    sample_weight, X, dtype=X.dtype, ensure_non_negative=True
                )
        except ValueError as error:
            message = str(error).replace("sample_weight", name)
            raise ValueError(message) from None
        except OverflowError as error:
            raise overflow_error(name, error) from None
        if not (np.isfinite(sample_weight).all() and sample_weight.any()):
            raise ValueError(
                f"{name} must be finite, and positive for at least one sample."
            )
    return X, y, sample_weight


def cast(array, dtype, name):
    """Convert targets or weights to the network's dtype, except booleans.

    Parameters
    ----------
    array : ndarray or None
    dtype : dtype
    name : str
        Their name in errors.

    Returns
    -------
    ndarray or None

    Raises
    ------
    ValueError
        If one is not finite in that dtype.
    """
    if array is None or array.dtype == bool:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype, copy=False)
        total = array.sum()
    if not np.isfinite(array).all() or (name != "y" and not np.isfinite(total)):
        raise ValueError(
            f"{name} contains NaN, infinity or values too large for {dtype}."
        )
    return array


def overflow_error(names, error):
    """Make an error of Python's about integers that are too large for floats.

    Parameters
    ----------
    names : str
        Name of the data.
    error : OverflowError

    Returns
    -------
    ValueError
    """
    return ValueError(f"{names} must hold numbers that floats can hold: {error}.")


def can_skip_validation(X, dtype, n_features):
    """Return whether samples need no validation or conversion.

    scikit-learn's validation would return them unchanged, but takes several times as
    long as the prediction of a single row. All other input, and all errors, are left to
    it.

    Parameters
    ----------
    X : object
    dtype : dtype
    n_features : int

    Returns
    -------
    bool
        True for a contiguous array of this dtype with ``n_features`` columns and at
        least one row, if all numbers and the sum of their squares are finite.
    """
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and X.shape[1] == n_features
        and X.shape[0] > 0
        and X.flags.c_contiguous
        # Computed by BLAS, which gives no warnings.
        and math.isfinite(np.vdot(X, X))
    )


def refuse_dates(X):
    """Refuse dates and durations, which scikit-learn would convert to numbers.

    Parameters
    ----------
    X : array-like

    Raises
    ------
    ValueError
        If ``X`` holds them.
    """
    if hasattr(X, "columns"):
        kinds = set(X.dtypes)
    elif isinstance(X, np.ndarray) and X.dtype == object:
        kinds = set(map(type, X.ravel()))
    elif isinstance(X, (list, tuple)):
        kinds = set()
        for row in X:
            if isinstance(row, np.ndarray) and row.dtype != object:
                kinds.add(row.dtype)
            elif np.iterable(row):
                kinds.update(map(type, row))
    else:
        kinds = {getattr(X, "dtype", None)}
    for kind in kinds:
        if is_of_dates(kind):
            raise ValueError(f"X must hold numbers, got dates or durations ({kind}).")


def is_of_dates(kind):
    """Return whether a type or dtype is one of dates or durations.

    Parameters
    ----------
    kind : dtype or type
        Of NumPy, pandas or polars.

    Returns
    -------
    bool
    """
    if isinstance(kind, type):
        spans = (np.datetime64, np.timedelta64, datetime.timedelta)
        return issubclass(kind, spans) or hasattr(kind, "strftime")
    if getattr(kind, "kind", None) in ("M", "m"):
        return True
    return bool(getattr(kind, "is_temporal", bool)())


def scale_warning(X, names):
    """Sentence about columns whose scale harms training.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    names : sequence of length n_features
        Names of the columns.

    Returns
    -------
    str
        It begins with a space; empty if all scales are within bounds.
    """
    rows = _sample_rows(X)
    with np.errstate(over="ignore", invalid="ignore"):
        if issparse(rows):
            scales = np.sqrt(mean_variance_axis(rows.astype(np.float64), axis=0)[1])
        else:
            scales = rows.std(axis=0, dtype=np.float64)
    far = np.flatnonzero(
        (scales > 0) & ~((scales > SMALLEST_SCALE) & (scales < LARGEST_SCALE))
    )
    if not far.size:
        return ""
    listed = ", ".join(f"{names[i]} ({scales[i]:.1e})" for i in far[:5])
    more = f" and {far.size - 5} more" if far.size > 5 else ""
    return (
        " Standard deviations far from 1, which StandardScaler would fix, are those of "
        f"columns {listed}{more}."
    )
