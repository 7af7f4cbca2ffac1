"""A trained network as a short Python module that needs NumPy alone."""

import io
import keyword
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from skscratch.estimators import ScratchMLPClassifier
from skscratch.export.models import check_estimator, output_kind, refuse_tables
from skscratch.export.module_text import module_text
from skscratch.nn.losses import resolve_loss

__all__ = ["to_source"]


def to_source(model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a fitted model as a readable Python module that needs NumPy alone.

    The weights go into an ``.npz`` file of the same stem. Both files are written, or
    none. The module has ``predict(X)`` and, of a classifier, ``predict_proba(X)``, for
    arrays of finite numbers. Its results are those of the model, to rounding; labels
    too, except in ties.

    Parameters
    ----------
    model : ScratchMLPClassifier, ScratchMLPRegressor or Pipeline
        Fitted. Before the estimator, a pipeline may have ``StandardScaler`` and
        ``MinMaxScaler``.
    path : str or path-like
        Of the module: its name must end with ".py" and be a name that Python can
        import.

    Returns
    -------
    Path
        Of the module.

    Raises
    ------
    TypeError
        If the model is another object.
    ValueError
        If the model is not fitted, has an activation or a loss of your own or other
        steps of preparation, or the path is no name of a module.

    Notes
    -----
    Labels of objects are written as text. Of sparse multilabel targets, predictions are
    dense. Prediction intervals are not written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier
    >>> from skscratch.export import to_source
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ScratchMLPClassifier((5,), solver="lbfgs", max_iter=1000, random_state=0)
    >>> clf = clf.fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = to_source(clf, Path(folder) / "iris.py")
    ...     print("A = relu(W1 @ A + b1)" in path.read_text())
    True
    """
    scalers, estimator = _steps(model)
    check_estimator(estimator, "to_source")
    module = _module_path(path)
    arrays = _arrays(scalers, estimator)
    text = module_text(scalers, estimator, arrays, module.stem)
    with io.BytesIO() as file:
        np.savez(file, **arrays)
        weights = file.getvalue()
    files = {module.with_suffix(".npz"): weights, module: text.encode("utf-8")}
    _write_together(files)
    return module


def _steps(model):
    """Scalers before the estimator, and the estimator."""
    if not isinstance(model, Pipeline):
        return [], model
    refuse_tables(model, "to_source")
    steps = [
        (name, step) for name, step in model.steps if step not in (None, "passthrough")
    ]
    for name, step in steps[:-1]:
        if type(step) not in (StandardScaler, MinMaxScaler):
            raise ValueError(
                "to_source writes the steps StandardScaler and MinMaxScaler before an "
                f"estimator, got {type(step).__name__} as step {name!r}: write the "
                "last step alone, and prepare its input yourself."
            )
        check_is_fitted(step)
    return [step for _, step in steps[:-1]], steps[-1][1] if steps else model


def _module_path(path):
    module = Path(path)
    name = module.stem
    if module.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(
            "path must end with the name of a Python module, such as 'network.py', "
            f"got {os.fspath(path)!r}."
        )
    return module


def _arrays(scalers, estimator):
    """Arrays of the module, by name."""
    arrays = {}
    for i, layer in enumerate(estimator.network_.layers, start=1):
        arrays[f"W{i}"] = np.array(layer.W, order="C")
        arrays[f"b{i}"] = np.array(layer.b, order="C")
    for i, scaler in enumerate(scalers, start=1):
        arrays |= {
            f"{name}_{i}": values[:, np.newaxis]
            for name, values in _scales(scaler).items()
        }
    features = getattr([*scalers, estimator][0], "feature_names_in_", None)
    if features is not None:
        arrays["features"] = np.array(features.tolist())
    if isinstance(estimator, ScratchMLPClassifier):
        arrays["classes"] = _labels(estimator.classes_)
    elif output_kind(estimator.network_.loss) == "quantiles":
        levels = resolve_loss(estimator.network_.loss).quantiles
        arrays["places"] = np.argsort(np.argsort(levels, kind="stable"))
    return arrays


def _scales(scaler):
    """Arrays that a scaler computes with, by name."""
    if isinstance(scaler, MinMaxScaler):
        return {"scale": scaler.scale_, "min": scaler.min_}
    scales = {"mean": scaler.mean_} if scaler.with_mean else {}
    return scales | ({"scale": scaler.scale_} if scaler.with_std else {})


def _labels(classes):
    """Class labels of a dtype that a file can hold."""
    if classes.dtype.kind not in "OT":
        return classes
    if all(isinstance(label, str) for label in classes):
        return np.array([str(label) for label in classes])
    labels = np.array(classes.tolist())
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            "classes_ must be text, numbers or booleans for to_source, got "
            f"{classes!r}."
        )
    return labels


def _write_together(files):
    """Write files, from bytes by path: all of them, or none."""
    ending = f".{uuid.uuid4().hex}"
    new = {path: path.with_name(f".{path.name}{ending}.new") for path in files}
    old = {path: path.with_name(f".{path.name}{ending}.old") for path in files}
    try:
        for path, content in files.items():
            with open(new[path], "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _replace_together(new, old)
    finally:
        for path in (*new.values(), *old.values()):
            path.unlink(missing_ok=True)


def _replace_together(new, old):
    """Put new files in place, or else the old ones back."""
    placed = []
    try:
        for path in new:
            if path.is_dir():
                raise IsADirectoryError(f"path {os.fspath(path)!r} is a folder.")
            if path.exists():  # A copy: at no moment is there no file.
                shutil.copy2(path, old[path])
        for path in new:
            os.replace(new[path], path)
            placed.append(path)
    except BaseException:
        for path in placed:
            if old[path].exists():
                os.replace(old[path], path)
            else:
                path.unlink()
        raise
