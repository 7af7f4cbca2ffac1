"""Checkpoints: a training that was killed goes on as if it had not been.

All that decides how a training goes on is written to a file after an epoch: parameters,
the optimizer's state, the history, the order of the rows and the random streams. The
file holds arrays and JSON, no pickle; it is written beside and renamed, so that it is
whole at any time.
"""

import json
import numbers
import os
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.sparse import issparse

from skscratch.nn.network import Network
from skscratch.training.batches import Batches
from skscratch.training.loop import TrainingState
from skscratch.training.regularization import Dropout

__all__ = ["Checkpoint", "Running", "fingerprint"]

# The parts of a training state that are objects of their own.
PARTS = ("optimizer", "schedule", "average")


@dataclass
class Running:
    """A training in progress: what a checkpoint is of.

    Attributes
    ----------
    network : Network
    batches : Batches
    state : TrainingState
    dropout : Dropout or None
    held_out_rows : ndarray of int or None
        Rows of the training data that are set aside.
    random_state : RandomState
    of : dict
        What it is a training of: its ``fingerprint``, where there is a checkpoint to
        compare it with.
    n_epochs : int
        Number of epochs that are over.
    outcome : str
        That of the last of them.
    """

    network: Network
    batches: Batches
    state: TrainingState
    dropout: Dropout | None
    held_out_rows: Any
    random_state: np.random.RandomState
    of: dict = field(default_factory=dict)
    n_epochs: int = 0
    outcome: str = "improving"

    @property
    def goes_on(self):
        """Whether the training is not over."""
        return self.outcome != "stopped"


class Checkpoint:
    """Callback that keeps a training in a file, to go on with after a crash.

    It is set by ``estimator.set_callbacks(Checkpoint(path))``. Where the process is
    killed, ``fit`` of an estimator of equal parameters on equal data with
    ``Checkpoint(path, resume=True)`` takes up the training after the last epoch that
    was written, and ends with the same weights, bit for bit.

    Parameters
    ----------
    path : str or Path
        Of the file, which is overwritten.
    every : int, default=1
        Number of epochs from one checkpoint to the next.
    resume : bool, default=False
        Whether ``fit`` goes on from the file, if there is one; else it starts anew.

    Raises
    ------
    ValueError
        If ``path`` is no name of a file, ``every`` no positive whole number or
        ``resume`` no truth value. By ``fit``, where the file is of other parameters or
        data, which the message names, no checkpoint at all, or in a folder that is not
        there; where the solver is 'lbfgs'; and by ``partial_fit``.

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

    def __init__(self, path, every=1, resume=False):
        if not (isinstance(path, (str, os.PathLike)) and Path(path).name):
            raise ValueError(f"path must be the name of a file, got {path!r}.")
        is_whole = isinstance(every, numbers.Integral) and not isinstance(every, bool)
        if not is_whole or every < 1:
            raise ValueError(f"every must be a positive whole number, got {every!r}.")
        if not isinstance(resume, (bool, np.bool_)):
            raise ValueError(f"resume must be True or False, got {resume!r}.")
        self.path, self.every, self.resume = Path(path), every, resume

    def setup(self, estimator, context):
        """Hear that a fit begins."""

    def teardown(self, estimator, context):
        """Hear that a fit is over."""

    def on_fit_task_begin(self, estimator, context):
        """Hear that an epoch begins."""

    def on_fit_task_end(self, estimator, context):
        """Write the training to the file, if it is time to."""
        running = getattr(estimator, "_running", None)
        if context.task_name != "epoch" or running is None:
            return
        is_time = running.n_epochs % self.every == 0 or running.outcome == "stopped"
        if is_time and running.outcome != "diverged":
            self.write(running)

    def check_place(self):
        """Refuse, before any training, a place that no file can be written to.

        Raises
        ------
        ValueError
            If there is no such folder, or the path is one.
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

    def write(self, running):
        """Write a training to the file.

        Parameters
        ----------
        running : Running
        """
        arrays, numbers = _pack(running)
        # NumPy's numbers, such as a learning rate of float32, as Python's.
        text = json.dumps(numbers, default=lambda number: number.item())
        arrays["json"] = np.frombuffer(text.encode(), dtype=np.uint8)
        # Where anything goes wrong on the way, the old file is still there.
        beside = self.path.with_name(f"{self.path.name}.partial")
        with beside.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)

    def read(self, running):
        """Bring a training to where the file is; return whether there is a file.

        Parameters
        ----------
        running : Running
            As it is before the first epoch.
        """
        if not self.path.exists():
            return False
        try:
            # NumPy loads no pickled objects unless it is told to.
            with self.path.open("rb") as opened, np.load(opened) as file:
                arrays = dict(file)
            numbers = json.loads(arrays.pop("json").tobytes().decode())
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path} is no checkpoint: {error}") from error
        different = _differences(numbers["of"], running.of)
        if different:
            raise ValueError(
                f"the checkpoint {self.path} is of another training: "
                f"{'; '.join(different)}."
            )
        _unpack(running, arrays, numbers)
        return True


def fingerprint(parameters, data):
    """What must be equal for a training to be the same one.

    Parameters
    ----------
    parameters : dict
        The estimator's.
    data : dict of str to array
        What it is trained and validated on, by the names that ``fit`` gives it.

    Returns
    -------
    dict
    """
    said = {
        name: _said(value)
        for name, value in parameters.items()
        if name not in ("verbose", "warm_start")
    }
    hashes = {name: _hash(array) for name, array in data.items()}
    return {"parameters": said, "data": hashes}


def _said(value):
    if isinstance(value, np.random.RandomState):
        return "a RandomState"  # Its state is in the file.
    return getattr(value, "__qualname__", None) or repr(value)


def _hash(array):
    if issparse(array):
        array = (array.shape, array.data, array.indices, array.indptr)
    return joblib.hash(array)


def _differences(old, new):
    """Sentences on what differs between two fingerprints."""
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


def _pack(running):
    """Arrays and numbers of a training, by name."""
    state, network = running.state, running.network
    numbers = {
        "of": running.of,
        "n_epochs": running.n_epochs,
        "outcome": running.outcome,
        "state": {
            entry.name: getattr(state, entry.name)
            for entry in fields(state)
            if entry.name not in (*PARTS, "best_parameters")
        },
    }
    random = running.random_state.get_state(legacy=False)
    key = random["state"].pop("key")
    numbers["random"] = random
    arrays = {
        "parameters": network.parameters,
        "order": running.batches.order,
        "held out": running.held_out_rows,
        "best": state.best_parameters,
        "random": key,
    }
    if running.dropout is not None:
        numbers["dropout"] = running.dropout.generator.bit_generator.state
    for part in PARTS:
        kept = getattr(state, part).__getstate__() if getattr(state, part) else {}
        for name, value in kept.items():
            if isinstance(value, np.ndarray):
                arrays[f"{part} {name}"] = value
        numbers[part] = {
            name: value
            for name, value in kept.items()
            if not isinstance(value, (np.ndarray, np.dtype))
        }
    return {name: a for name, a in arrays.items() if a is not None}, numbers


def _unpack(running, arrays, numbers):
    """Set a training to what ``_pack`` made of another."""
    state = running.state
    running.network.restore(arrays["parameters"])
    running.n_epochs, running.outcome = numbers["n_epochs"], numbers["outcome"]
    for name, value in numbers["state"].items():
        setattr(state, name, value)
    state.best_parameters = arrays.get("best")
    if "order" in arrays:
        running.batches.order[...] = arrays["order"]
    if "held out" in arrays:
        running.held_out_rows[...] = arrays["held out"]
    random = numbers["random"]
    random["state"]["key"] = arrays["random"]
    running.random_state.set_state(random)
    if running.dropout is not None:
        running.dropout.generator.bit_generator.state = numbers["dropout"]
    for part in PARTS:
        values = vars(getattr(state, part)) if getattr(state, part) else {}
        values.update(numbers[part])
        for name in values:
            if f"{part} {name}" in arrays:
                values[name] = arrays[f"{part} {name}"]
