"""Models in files: saving, loading with the types that are trusted, and how to load."""

from __future__ import annotations

import json
import shlex
import warnings
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_names
from skscratch.cli.output.writing import replacing
from skscratch.version import __version__

# Types that models of this package are made of and skops does not trust by itself, by
# their full names. Each has been looked at: making one with whatever attributes runs
# nothing that a file brings along.
TRUSTED = (
    "numpy.dtype",
    *(
        f"sklearn.model_selection._split.{name}"
        for name in (
            "GroupKFold",
            "GroupShuffleSplit",
            "KFold",
            "ShuffleSplit",
            "StratifiedGroupKFold",
            "StratifiedKFold",
            "StratifiedShuffleSplit",
            "TimeSeriesSplit",
        )
    ),
    "skscratch.estimators.class_targets.ClassTargets",
    "skscratch.estimators.classifier.ScratchMLPClassifier",
    "skscratch.estimators.intervals.IntervalModel",
    "skscratch.estimators.numeric_targets.NumericTargets",
    "skscratch.estimators.regressor.ScratchMLPRegressor",
    "skscratch.nn.layer.Layer",
    *(
        f"skscratch.nn.losses.{name}"
        for name in (
            "AbsoluteError",
            "BinaryLogLoss",
            "GammaDeviance",
            "Huber",
            "LogLoss",
            "PoissonDeviance",
            "QuantileLoss",
            "SquaredError",
        )
    ),
    "skscratch.nn.network.Network",
    "skscratch.tabular.categories.TargetMeans",
    "skscratch.tabular.categories.category_name",
    "skscratch.tabular.columns.TableColumns",
    "skscratch.tabular.conversion.NumberConverter",
    "skscratch.tabular.conversion.column_names",
    "skscratch.tabular.conversion.to_categories",
    "skscratch.tabular.dates.DateEncoder",
    "skscratch.tabular.encoders.PiecewiseLinearEncoder",
    "skscratch.tabular.encoders.RankScaler",
    "skscratch.tabular.encoders.SmoothClipScaler",
    "skscratch.tabular.encoders.TailScaler",
    "skscratch.tabular.hedged_classifier.HedgedClassifier",
    "skscratch.tabular.hedged_regressor.HedgedRegressor",
    "skscratch.tabular.kinds.KindEncoder",
    "skscratch.tabular.members.Members",
    "skscratch.tabular.periodic.PeriodicEncoder",
    "skscratch.tabular.recipe.TablePipeline",
    "skscratch.tabular.roles.ColumnRole",
    "skscratch.tabular.targets.LogTargets",
    "skscratch.tabular.targets.TargetScaler",
    "skscratch.tabular.targets._as_float64",
    "skscratch.tabular.text.TextEncoder",
    "skscratch.training.history.TrainingState",
    *(
        f"skscratch.training.optimizers.{name}"
        for name in ("Adam", "AdamW", "GradientDescent")
    ),
    *(
        f"skscratch.training.schedules.{name}"
        for name in (
            "Adaptive",
            "Constant",
            "CosLog4",
            "Cosine",
            "InverseScaling",
            "NextCycle",
            "OneCycle",
        )
    ),
)

# Member of the file that only this program reads.
INFORMATION = "skscratch.json"
MAX_INFORMATION_BYTES = 10_000_000


def save(
    model: Any,
    path: Path,
    schema: Mapping[str, Any] | None = None,
    results: Mapping[str, Any] | None = None,
) -> None:
    """Save a model with skops, and what ``predict`` must know of its columns.

    Parameters
    ----------
    model : estimator
        A fitted pipeline. ``skops.io.load`` returns it.
    path : Path
        The file to write.
    schema : dict, default=None
        ``Schema.as_dict()`` of the training data.
    results : dict, default=None
        Results of the training, which JSON can hold.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    import skops.io

    information = {
        "versions": _versions(),
        "schema": schema and dict(schema),
        "results": results and dict(results),
    }
    try:
        with replacing(path) as temporary:
            # Its description as text is several times as large as the weights.
            compression = zipfile.ZIP_DEFLATED
            skops.io.dump(model, temporary, compression=compression)
            with zipfile.ZipFile(temporary, "a", compression) as archive:
                archive.writestr(INFORMATION, json.dumps(information, indent=1))
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def load(path: Path) -> tuple[Any, dict[str, Any] | None, list[str]]:
    """Load a model, if it holds no other types than those that are trusted.

    Parameters
    ----------
    path : Path
        A file of ``save``, or of ``skops.io.dump``.

    Returns
    -------
    model : estimator
        The model.
    information : dict or None
        "versions", "schema" and "results" of ``save``, or None if the file is of
        ``skops.io.dump``.
    warned : list of str
        Warnings for the user, such as that another version saved the model; one line
        each.

    Raises
    ------
    InputError
        If the file is not such a file, or holds other types.
    """
    import skops.io

    name = repr(str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            if "schema.json" not in archive.namelist():
                raise InputError(f"{name} is a zip file, but not a model of skops")
            information = _read_information(archive)
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise InputError(_no_model(path)) from error
    except InputError:
        raise
    except Exception as error:  # Whatever a damaged file leads to.
        raise InputError(f"the model in {name} is damaged: {_line(error)}") from error
    if unknown:
        raise InputError(
            f"{name} was not loaded: it holds types that are not known to be safe: "
            f"{format_names(sorted(unknown))}"
        )
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = skops.io.load(path, trusted=list(TRUSTED))
    except Exception as error:
        versions = _version_warnings(information)
        raise InputError(
            f"cannot load the model in {name}: {_line(error)}"
            + "".join(f" ({warning})" for warning in versions)
        ) from error
    if not hasattr(model, "predict"):
        raise InputError(
            f"{name} holds no model that predicts, but a {type(model).__name__}"
        )
    warned = _version_warnings(information) or list(
        dict.fromkeys(_line(warning.message) for warning in caught)
    )
    return model, information, warned


def loading_instructions(path: Path, reading_call: str) -> str:
    """Return how to load a saved model, in Python and on the command line.

    Parameters
    ----------
    path : Path
        The saved model.
    reading_call : str
        Source of the call that reads new rows, such as "pandas.read_csv('new.csv')".

    Returns
    -------
    str
    """
    import skops.io

    types = skops.io.get_untrusted_types(file=path)
    packages = sorted({name.partition(".")[0] for name in types})
    module = reading_call.partition("(")[0].rpartition(".")[0]
    return f"""
Saved: {path}
To predict for new rows:
  python -m skscratch predict {shlex.quote(str(path))} new.csv --output predictions.csv
or in Python (the {len(types)} types in the file are of {" and ".join(packages)}):
  >>> import skops.io
  >>> types = skops.io.get_untrusted_types(file={str(path)!r})
  >>> types
  >>> model = skops.io.load({str(path)!r}, trusted=types)
  >>> import {module}
  >>> model.predict({reading_call})"""


def _versions() -> dict[str, str]:
    return {"skscratch": __version__, "scikit-learn": metadata.version("scikit-learn")}


def _version_warnings(information: dict[str, Any] | None) -> list[str]:
    saved = (information or {}).get("versions") or {}
    now = _versions()
    others = {
        package: version
        for package, version in saved.items()
        if package in now and version != now[package]
    }
    if not others:
        return []
    was = " and ".join(f"{package} {version}" for package, version in others.items())
    current = " and ".join(f"{package} {now[package]}" for package in others)
    return [
        f"the model was saved with {was}, this is {current}: predictions may differ "
        "from those of then"
    ]


def _read_information(archive: zipfile.ZipFile) -> dict[str, Any] | None:
    if INFORMATION not in archive.namelist():
        return None
    if archive.getinfo(INFORMATION).file_size > MAX_INFORMATION_BYTES:
        raise ValueError(f"{INFORMATION} is too large")
    information = json.loads(archive.read(INFORMATION))
    if not isinstance(information, dict):
        raise ValueError(f"{INFORMATION} is not a dictionary")
    return information


def _no_model(path: Path) -> str:
    with open(path, "rb") as stream:
        start = stream.read(4)
    name = repr(str(path))
    if not start:
        return f"{name} is empty"
    if start.startswith(b"PK"):
        return f"the model in {name} is damaged: the end of the file is missing"
    return f"{name} is not a model: it needs a file that --save or skops has written"


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
