"""Checkpoints: a training that was killed is resumed as if nothing had happened.

Everything that decides how a training continues is written to a file after an epoch:
parameters, the optimizer's state, the history, the order of samples and the random
streams, of each network. The file holds arrays and JSON, no pickle. It is written under
another name and then renamed, so that it is complete at any time.
"""

import json
import os
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.sparse import issparse

from skscratch.nn.checks import is_size
from skscratch.training.compiled import choose_backend
from skscratch.training.early_stopping import count_no_improvement

__all__ = ["Checkpoint", "fingerprint"]

# Number of the file's format; another one is refused.
FORMAT = 2
# The parts of a training state that are objects of their own.
PARTS = ("optimizer", "schedule", "average")
# Parameters that may differ when a training is resumed.
CHANGEABLE = ("max_iter", "n_iter_no_change", "tol", "verbose", "warm_start")
# Parameters that are compared by what becomes of them: a splitter by its rows.
DESCRIBED_BY_DATA = ("validation_split",)


class Checkpoint:
    """Callback that keeps a training in a file, to resume it after a crash.

    Set it by ``estimator.set_callbacks(Checkpoint(path))``. If the process is killed,
    ``fit`` of an estimator with the same parameters, on the same data, with
    ``Checkpoint(path, resume=True)`` resumes the training after the last epoch that was
    written, and ends with the same weights, bit for bit. That holds for ensembles too.

    A training that has ended can be extended: ``fit`` with a larger ``max_iter``, or
    another ``tol`` or ``n_iter_no_change``, continues it.

    Parameters
    ----------
    path : str or Path
        File to write; an existing one is overwritten.
    every : int, default=1
        Number of epochs from one checkpoint to the next.
    resume : bool, default=False
        Whether ``fit`` continues from the file, if it exists; otherwise it starts anew.

    Raises
    ------
    ValueError
        If ``path`` is not the name of a file, ``every`` not a positive integer or
        ``resume`` not a boolean. By ``fit``, if the file is of other parameters or
        data, which the message names, is no checkpoint or of another format, can't be
        extended (a learning rate schedule that is planned for ``max_iter`` epochs), or
        its folder does not exist; if the solver is 'lbfgs'; and by ``partial_fit``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import Checkpoint, ScratchMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> path = Path(tempfile.mkdtemp()) / "training.npz"
    >>> clf = ScratchMLPClassifier(max_iter=300, tol=0.01, random_state=0)
    >>> clf = clf.set_callbacks(Checkpoint(path, every=10, resume=True)).fit(X, y)
    >>> path.exists()
    True
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int = 1, resume: bool = False
    ) -> None:
        if not (isinstance(path, (str, os.PathLike)) and Path(path).name):
            raise ValueError(f"path must be the name of a file, got {path!r}.")
        if not is_size(every):
            raise ValueError(f"every must be a positive integer, got {every!r}.")
        if not isinstance(resume, (bool, np.bool_)):
            raise ValueError(f"resume must be True or False, got {resume!r}.")
        self.path, self.every, self.resume = Path(path), every, resume

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing: the estimator itself calls ``write``, epoch by epoch."""

    teardown = on_fit_task_begin = on_fit_task_end = setup

    def is_due(self, epoch):
        """Return whether a checkpoint is to be written after an epoch.

        Parameters
        ----------
        epoch : Epoch

        Returns
        -------
        bool
        """
        is_last = epoch.outcome == "stopped"
        is_due = epoch.number % self.every == 0 or is_last
        return is_due and epoch.outcome != "diverged"

    def check_path(self):
        """Refuse, before any training, a path that can't be written to.

        Raises
        ------
        ValueError
            If its folder does not exist, or the path is a folder.
        """
        try:
            if self.path.is_dir():
                raise ValueError(f"Checkpoint can't write {self.path}: it is a folder.")
            if not self.path.parent.is_dir():
                raise ValueError(
                    f"Checkpoint can't write {self.path}: there is no folder "
                    f"{self.path.parent}."
                )
        except OSError as error:  # Of names that are too long.
            raise ValueError(
                f"Checkpoint can't write {self.path}: {error.strerror}."
            ) from None

    def write(self, runs, fingerprint):
        """Write the trainings of a fit to the file.

        Parameters
        ----------
        runs : list of TrainingRun
        fingerprint : dict
            Of the fit: see ``fingerprint``.
        """
        arrays: dict[str, Any] = {}
        packed = []
        for number, run in enumerate(runs):
            of_run, values = _pack(run)
            arrays |= {f"{number}/{name}": array for name, array in of_run.items()}
            packed.append(values)
        header = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "limits": _limits(runs[0].config),
            "runs": packed,
        }
        # NumPy's numbers, such as a learning rate of float32, become Python's.
        text = json.dumps(header, default=lambda number: number.item())
        arrays["json"] = np.frombuffer(text.encode(), dtype=np.uint8)
        # The old file is there until the new one is complete.
        partial = self.path.with_name(f"{self.path.name}.partial")
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path)

    def read(self, runs, fingerprint, are_joint=False):
        """Bring the trainings of a fit to where the file is, if there is a file.

        Parameters
        ----------
        runs : list of TrainingRun
            As they are before the first epoch.
        fingerprint : dict
            Of the fit.
        are_joint : bool, default=False
            Whether the networks are trained side by side.

        Returns
        -------
        bool
            Whether there is a file.

        Raises
        ------
        ValueError
            If the file is no checkpoint, of another format, of another fit, or of a
            training that these options can't extend.
        """
        if not self.path.exists():
            return False
        try:
            # NumPy does not load pickled objects by default.
            with self.path.open("rb") as opened, np.load(opened) as file:
                arrays = dict(file)
            header = json.loads(arrays.pop("json").tobytes().decode())
            file_format = header["format"]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path} is no checkpoint: {error}") from error
        if file_format != FORMAT:
            raise ValueError(
                f"the checkpoint {self.path} has format {file_format!r}, but this "
                f"version of skscratch reads format {FORMAT}."
            )
        different = _differences(header["fingerprint"], fingerprint)
        if different:
            raise ValueError(
                f"the checkpoint {self.path} is of another training: "
                f"{'; '.join(different)}."
            )
        self._check_extension(header, runs[0].config)
        for number, (run, values) in enumerate(zip(runs, header["runs"], strict=True)):
            prefix = f"{number}/"
            of_run = {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            _unpack(run, of_run, values)
            _apply_limits(run, header["limits"])
        active = {run.n_epochs for run in runs if run.is_active}
        if are_joint and len(active) > 1:
            raise ValueError(
                f"the checkpoint {self.path} can't be extended by tol or "
                "n_iter_no_change: its networks are trained side by side, but stopped "
                "after different numbers of epochs. Keep both as they were, or start "
                "with resume=False."
            )
        return True

    def _check_extension(self, header, config):
        """Refuse to extend a training that was planned for another length."""
        old, new = header["limits"]["max_epochs"], config.max_epochs
        n_epochs = max(values["n_epochs"] for values in header["runs"])
        if old != new and config.schedule.needs_total_steps:
            raise ValueError(
                f"the checkpoint {self.path} was written with max_iter={old}, which "
                f"can't become {new}: the learning rate schedule is planned for all "
                "epochs. Keep max_iter as it was, or start with resume=False."
            )
        if new < n_epochs:
            raise ValueError(
                f"max_iter={new} is less than the {n_epochs} epochs that the "
                f"checkpoint {self.path} has finished."
            )


def fingerprint(parameters, runs):
    """Everything that must be equal for a training to be the same one.

    Parameters
    ----------
    parameters : dict
        The estimator's.
    runs : list of TrainingRun
        All with the same data.

    Returns
    -------
    dict
        Descriptions of parameters and hashes of data, by the names of ``fit``.
    """
    described = {
        name: _describe(value)
        for name, value in parameters.items()
        if name not in CHANGEABLE and name not in DESCRIBED_BY_DATA
    }
    data, split = runs[0].data, runs[0].split
    arrays = data.identity()
    if split is not None and not split.is_drawn:
        arrays |= {"X_val": split.data.X, "y_val": split.data.Y}
        arrays["sample_weight_val"] = split.data.weights
    if parameters.get("validation_split") is not None:
        arrays["validation_split"] = [
            (run.split.training_rows, run.split.validation_rows) for run in runs
        ]
    hashes = {name: _hash(array) for name, array in arrays.items()}
    return {"parameters": described, "data": hashes}


def _describe(value):
    """Describe a parameter the same in every process."""
    if isinstance(value, np.random.RandomState):
        return "a RandomState"  # Its state is in the file.
    if isinstance(value, np.ndarray):  # Of which repr leaves out the most.
        return f"array {_hash(value)}"
    if isinstance(value, (list, tuple)):
        items = ", ".join(map(_describe, value))
        items += "," * (isinstance(value, tuple) and len(value) == 1)
        return f"[{items}]" if isinstance(value, list) else f"({items})"
    if is_dataclass(value) and not isinstance(value, type):
        described = ", ".join(
            f"{entry.name}={_describe(getattr(value, entry.name))}"
            for entry in fields(value)
        )
        return f"{type(value).__qualname__}({described})"
    # A representation may have an address: functions and classes have a name.
    return getattr(value, "__qualname__", None) or repr(value)


def _hash(array):
    if issparse(array):
        array = (array.shape, array.data, array.indices, array.indptr)
    return joblib.hash(array)


def _differences(old, new):
    """Describe what differs between two fingerprints, one string each."""
    was, now = old["parameters"], new["parameters"]
    different = [
        f"{name} was {was.get(name)}, is {now.get(name)}"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]
    return different + [
        f"{name} differs"
        for name in sorted({*old["data"], *new["data"]})
        if old["data"].get(name) != new["data"].get(name)
    ]


def _limits(config):
    """Options that end a training, and may change when it is resumed."""
    return {
        "max_epochs": config.max_epochs,
        "tol": config.tol,
        "patience": config.patience,
    }


def _apply_limits(run, old):
    """Judge a resumed training by its new options, where these have changed."""
    new = _limits(run.config)
    if (new["tol"], new["patience"]) == (old["tol"], old["patience"]):
        return
    # A plateau has changed the learning rate already: there the count stays.
    if not run.config.schedule.reduces_on_plateau:
        run.state.no_improvement = count_no_improvement(run.state, new["tol"])
    if run.outcome == "stopped" and run.state.no_improvement <= new["patience"]:
        run.outcome = "improving"


def _pack(run):
    """Arrays and other values of a training, by name."""
    state = run.state
    random = run.random_state.get_state(legacy=False)
    arrays = {
        "parameters": (
            run.network.parameters
            if run.trained_parameters is None
            else run.trained_parameters
        ),
        "order": run.batches.order,
        "validation rows": None if run.split is None else run.split.validation_rows,
        "best": state.best_parameters,
        "random": random["state"].pop("key"),
    }
    values: dict[str, Any] = {
        "seed": run.seed,
        "n_epochs": run.n_epochs,
        "outcome": run.outcome,
        "mean weight": run.batches.data.mean_weight,
        "random": random,
        "state": {
            entry.name: getattr(state, entry.name)
            for entry in fields(state)
            if entry.name not in (*PARTS, "best_parameters")
        },
    }
    if run.dropout is not None:
        values["dropout"] = run.dropout.generator.bit_generator.state
    for part in PARTS:
        kept = getattr(state, part).__getstate__() if getattr(state, part) else {}
        for name, value in kept.items():
            if isinstance(value, np.ndarray):
                arrays[f"{part} {name}"] = value
        values[part] = {
            name: value
            for name, value in kept.items()
            if not isinstance(value, (np.ndarray, np.dtype))
        }
    return {name: a for name, a in arrays.items() if a is not None}, values


def _unpack(run, arrays, values):
    """Set a training to what ``_pack`` made of another."""
    state = run.state
    run.network.restore(arrays["parameters"])
    run.seed, run.n_epochs = values["seed"], values["n_epochs"]
    run.outcome = values["outcome"]
    for name, value in values["state"].items():
        setattr(state, name, value)
    state.backend = choose_backend(run.config, run.data, values["state"].get("backend"))
    state.best_parameters = arrays.get("best")
    run.batches.data = run.batches.data._replace(mean_weight=values["mean weight"])
    if "order" in arrays:
        run.batches.order[...] = arrays["order"]
    if "validation rows" in arrays and run.split.is_drawn:
        run.split.validation_rows[...] = arrays["validation rows"]
        run.validator.refresh()
    random = values["random"]
    random["state"]["key"] = arrays["random"]
    run.random_state.set_state(random)
    if run.dropout is not None:
        run.dropout.generator.bit_generator.state = values["dropout"]
    for part in PARTS:
        if not values[part]:
            setattr(state, part, None)  # It was dropped in the middle of an epoch.
            continue
        kept = vars(getattr(state, part)) if getattr(state, part) else {}
        kept.update(values[part])
        for name in kept:
            if f"{part} {name}" in arrays:
                kept[name] = arrays[f"{part} {name}"]
