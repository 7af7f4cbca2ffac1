"""``to_onnx``: a fitted model as an ONNX graph, with its inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skscratch.estimators.intervals import check_coverage
from skscratch.export.onnx.columns import check_columns, encode_columns
from skscratch.export.onnx.estimators import ESTIMATORS, check_estimator, outputs_of
from skscratch.export.onnx.graph import Graph, load_onnx
from skscratch.tabular.columns import TableColumns

__all__ = ["to_onnx"]


def to_onnx(
    model: Any,
    X_sample: Any = None,
    *,
    coverage: float | None = None,
    prepared: Collection[str] = (),
) -> Any:
    """Convert a fitted model to ONNX.

    The outputs are those of skl2onnx without its option "zipmap": "label" and
    "probabilities" of a classifier, "variable" of a regressor. The number of rows is
    left open. Inputs are not validated: where ``predict`` refuses nan or infinity, the
    results are nan, or anything.

    An estimator has one input "X", (n_samples, n_features). A table's pipeline has an
    input for each column that it uses, of the column's name ("x0", "x1", ... without
    names) and of shape (n_samples, 1). Numbers are float64, or of the dtype in
    ``X_sample``; nan is missing. Categories are text, and so are columns that held
    numbers as text in ``fit``. Integers among categories are written as such ("5", not
    "5.0"). A missing category is "", "nan", "None", "NaN", "<NA>" or "NaT", unless
    ``fit`` saw this text as a category, and so is missing text in a column of text.
    Text that is not a number is a missing number. A model with columns of text needs
    an operator of onnxruntime's own, "Tokenizer".

    Parameters
    ----------
    model : estimator or Pipeline
        A fitted ``ScratchMLPClassifier``, ``ScratchMLPRegressor``, ``HedgedClassifier``
        or ``HedgedRegressor``, or a pipeline of ``make_tabular_classifier`` or
        ``make_tabular_regressor``. For other pipelines, use ``skl2onnx.to_onnx``, which
        knows these estimators once ``skscratch.export`` is imported.
    X_sample : {array-like, DataFrame} of shape (n_samples, n_features), default=None
        Samples, of which only the dtypes are used: those of the inputs. None means the
        network's dtype, and float64 for the numbers of a table.
    coverage : float, default=None
        Coverage of prediction intervals, for regressors with ``intervals=True``, whose
        bounds are the additional outputs "lower" and "upper". None leaves them out.
    prepared : collection of str, default=()
        Parts of a table's preparation whose outputs are given in place of their
        columns: "dates", which ONNX can't encode, and "text", which it can. The input
        "prepared_dates", for example, is what
        ``model["columns"].named_transformers_["dates"].transform`` returns for its
        columns.

    Returns
    -------
    ModelProto
        Checked. ``onnx.save`` writes it to a file.

    Raises
    ------
    ImportError
        If the extra "onnx" is not installed.
    TypeError
        If the model is not one of these.
    ValueError
        If a part of the model can't be written in ONNX, such as an activation of your
        own or a column of dates. The message names it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier
    >>> from skscratch.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ScratchMLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
    >>> [output.name for output in to_onnx(clf).graph.output]
    ['label', 'probabilities']
    """
    load_onnx()
    columns, estimator = _steps_of(model)
    check_is_fitted(model)
    if coverage is not None:
        check_coverage(coverage)
    check_estimator(estimator, coverage)
    graph = Graph()
    if columns is None:
        if prepared:
            raise ValueError(
                f"prepared={prepared!r} is for the pipeline of a table, but the model "
                f"is a {type(model).__name__}."
            )
        X = graph.input("X", _dtype_of(model, X_sample), model.n_features_in_)
    else:
        check_columns(columns, prepared)
        X = encode_columns(graph, columns, X_sample, prepared)
    for name, (value, shape) in outputs_of(estimator, X, coverage).items():
        # A table's pipeline predicts numbers in float64.
        if columns is not None and name != "label":
            value = value.astype(np.float64)
        graph.output(name, value, shape)
    return graph.model(type(model).__name__)


def _steps_of(model: Any) -> tuple[Any, Any]:
    """Columns of a table, or None, and the estimator."""
    columns, estimator = None, model
    if isinstance(model, Pipeline) and len(model.steps) == 2:
        columns, estimator = model[0], model[1]
    is_table = columns is None or isinstance(columns, TableColumns)
    if not is_table or not isinstance(estimator, ESTIMATORS):
        names = ", ".join(kind.__name__ for kind in ESTIMATORS)
        raise TypeError(
            f"to_onnx converts {names} and the pipelines of make_tabular_classifier "
            f"and make_tabular_regressor, got {type(model).__name__}. Other models "
            "that contain one of them are converted by skl2onnx.to_onnx(model, X)."
        )
    return columns, estimator


def _dtype_of(model: Any, X_sample: Any) -> Any:
    if X_sample is not None:
        return np.asarray(X_sample).dtype
    is_network = hasattr(model, "network_")
    return model.network_.dtype if is_network else np.dtype(np.float64)
