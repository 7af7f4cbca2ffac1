"""A training that is killed, again and again, ends as if it had never been."""

import json
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from estimator_strategies import make_data
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    ACTIVATIONS,
    OPTIMIZERS,
    SOLVERS,
    Checkpoint,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
)
from skscratch.estimators.checkpoint import PARTS, _describe, fingerprint
from skscratch.nn.activations import resolve_activation
from skscratch.training.data import FitData

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 12, "batch_size": 20}
SETTINGS = {
    "adam": {"random_state": 0},
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
        "tol": 0.05,
        "n_iter_no_change": 1,
        "random_state": 1,
    },
    "all at once": {
        "solver": "adamw",
        "weight_decay": 0.1,
        "learning_rate": "cosine",
        "warmup_fraction": 0.2,
        "dropout": (0.2, 0.1),
        "averaging": 0.9,
        "max_grad_norm": 1.0,
        "early_stopping": True,
        "scoring": "loss",
        "validation_fraction": 0.3,
        "n_iter_no_change": 50,
        "dtype": "float32",
        "random_state": 2,
    },
    "the epoch of the least error": {
        "early_stopping": True,
        "restore_best": "together",
        "learning_rate_init": 0.1,
        "n_iter_no_change": 50,
        "random_state": 3,
    },
    "no seed for the split": {"early_stopping": True, "n_iter_no_change": 50},
    "an ensemble": {
        "n_estimators": 3,
        "solver": "adamw",
        "dropout": 0.2,
        "averaging": 0.9,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "learning_rate_init": 0.05,
        "n_iter_no_change": 4,
        "random_state": 1,
    },
    "an ensemble that shares batches": {
        "n_estimators": 3,
        "share_batches": True,
        "learning_rate": "one_cycle",
        "random_state": 2,
    },
    "the epoch of an ensemble's least error": {
        "n_estimators": 3,
        "early_stopping": True,
        "restore_best": "together",
        "learning_rate_init": 0.1,
        "n_iter_no_change": 4,
        "temperature_scaling": True,
        "random_state": 4,
    },
    "an ensemble of folds": {
        "n_estimators": 4,
        "early_stopping": True,
        # Of 22 and 23 rows: two stacks.
        "validation_split": KFold(4, shuffle=True, random_state=0),
        "restore_best": "together",
        "dropout": 0.2,
        "learning_rate_init": 0.05,
        "n_iter_no_change": 4,
        "temperature_scaling": True,
        "random_state": 1,
    },
    "an ensemble in turn": {
        "n_estimators": 2,
        "solver": "sgd",
        "learning_rate": "adaptive",
        "early_stopping": True,
        "learning_rate_init": 0.2,
        "n_iter_no_change": 1,
        "random_state": 5,
    },
}
every_setting = pytest.mark.parametrize("setting", SETTINGS)


def data(cls=ScratchMLPClassifier):
    X, y = make_data("many classes", 90)
    return X, (X[:, 0] if cls is ScratchMLPRegressor else y)


def make(setting, cls=ScratchMLPClassifier, **parameters):
    options = SMALL | SETTINGS[setting] | parameters
    if cls is ScratchMLPRegressor:
        options.pop("temperature_scaling", None)
    return cls(**options)


def record(estimator):
    """All that a training leaves behind."""
    if hasattr(estimator, "estimators_"):
        members = [record(member) for member in estimator.estimators_]
        seeds = [member.random_state for member in estimator.estimators_]
        parameters = estimator.network_.parameters.tolist()
        return [parameters, estimator.n_iter_, members, seeds]
    state = estimator._training
    parts = [part.__getstate__() for part in (getattr(state, p) for p in PARTS) if part]
    numbers = {
        f"{i} {name}": np.asarray(value).tolist()
        for i, part in enumerate(parts)
        for name, value in part.items()
        if name != "dtype"
    }
    numbers |= {
        name: np.asarray(value).tolist()
        for name, value in vars(state).items()
        if name not in PARTS
    }
    return [estimator.network_.parameters.tolist(), estimator.n_iter_, numbers]


class Pausing(Checkpoint):
    """Checkpoint that gives the parent time to kill, epoch by epoch."""

    def __init__(self, path, pause):
        super().__init__(path, resume=True)
        self.pause = pause

    def write(self, runs, fingerprint):
        super().write(runs, fingerprint)
        time.sleep(self.pause)


def train(path, setting, pause, stuck_at, connection):
    """Train in a process that is going to be killed; the body of the child."""
    import warnings

    warnings.simplefilter("ignore")
    if stuck_at is not None:
        honest, calls = os.fsync, []

        def stuck(descriptor):
            calls.append(None)
            if len(calls) == stuck_at:
                connection.send("in the middle of writing")
                time.sleep(60)
            return honest(descriptor)

        os.fsync = stuck
    estimator = make(setting)
    estimator.set_callbacks(Pausing(path, pause))
    connection.send("begun")
    estimator.fit(*data())
    connection.send(record(estimator))


def start(context, *args):
    ours, theirs = context.Pipe()
    process = context.Process(target=train, args=(*args, theirs), daemon=True)
    process.start()
    assert ours.recv() == "begun"
    return process, ours


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def context():
    """Processes that begin with the library imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skscratch", "estimator_strategies"])
    return context


@needs_signals
@every_setting
def test_killed_and_resumed_is_as_never_killed(setting, tmp_path, context):
    """Six kills in a training: four at random moments, two while writing."""
    path = tmp_path / "training.npz"
    random = np.random.RandomState(len(setting))
    kills = ["writing", "random", "random", "writing", "random", "random"]
    n_epochs = []
    for moment in kills:
        if moment == "writing":
            process, connection = start(context, path, setting, 0.0, 2)
            assert connection.recv() == "in the middle of writing"
            assert path.with_name("training.npz.partial").exists()
        else:
            process, _ = start(context, path, setting, 0.03, None)
            time.sleep(random.uniform(0.02, 0.08))
        kill(process)
        with np.load(path) as file:
            assert file["0/parameters"].size
        n_epochs.append(n_epochs_in(path))
    assert n_epochs == sorted(n_epochs)
    assert 0 < n_epochs[0] < n_epochs[-1]
    process, connection = start(context, path, setting, 0.0, None)
    resumed = connection.recv()
    process.join()
    if "random_state" in SETTINGS[setting]:
        never_killed = record(make(setting).fit(*data()))
    else:
        # The draws are the first run's, of which the file alone tells.
        assert len(resumed[2]["loss_curve"]) == SMALL["max_iter"]
        return
    assert resumed == never_killed


def header_of(path):
    with np.load(path) as file:
        return json.loads(file["json"].tobytes())


def n_epochs_in(path):
    return sum(run["n_epochs"] for run in header_of(path)["runs"])


class Dying(BaseException):
    """Ends a training at once, as far as a process that lives on can."""


class Breaking(Checkpoint):
    """Checkpoint after which the training ends, as if killed, at the n-th writing."""

    def __init__(self, path, n_times, every=1):
        super().__init__(path, every)
        self.n_left = n_times

    def write(self, runs, fingerprint):
        super().write(runs, fingerprint)
        self.n_left -= 1
        if not self.n_left:
            raise Dying


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
@every_setting
@pytest.mark.parametrize("every", [1, 3])
def test_any_epoch_can_be_gone_on_from(cls, setting, every, tmp_path):
    X, y = data(cls)
    parameters = {"random_state": 5}
    whole = record(make(setting, cls, **parameters).fit(X, y))
    path, n_times, has_ended = tmp_path / "training.npz", 0, False
    while not has_ended:
        n_times += 1
        path.unlink(missing_ok=True)
        broken = make(setting, cls, **parameters)
        broken.set_callbacks(Breaking(path, n_times, every))
        try:
            broken.fit(X, y)
            has_ended = True
        except Dying:
            pass
        resumed = make(setting, cls, **parameters)
        resumed.set_callbacks(Checkpoint(path, every=every, resume=True)).fit(X, y)
        assert record(resumed) == whole
        # Also from the file of a training that is over.
        again = make(setting, cls, **parameters)
        again.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
        assert record(again) == whole
    assert n_times > 12 / every / 2


def test_other_parameters_and_data_are_refused_by_name(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    make("adam").set_callbacks(Checkpoint(path)).fit(X, y)
    weights = np.ones(len(y))
    before = path.read_bytes()
    for changed, args, message in (
        ({"alpha": 0.5}, (X, y), "alpha was 0.0001, is 0.5"),
        ({"hidden_layer_sizes": (7, 5)}, (X, y), r"hidden_layer_sizes was \(6, 5\)"),
        ({"activation": "tanh", "alpha": 1.0}, (X, y), "activation was .*; alpha was"),
        ({}, (X + 1, y), "X differs"),
        ({}, (sparse.csr_array(X), y), "X differs"),
        ({}, (X, y[::-1]), "y differs"),
        ({}, (X, y, weights), "sample_weight differs"),
    ):
        other = make("adam", **changed)
        other.set_callbacks(Checkpoint(path, resume=True))
        with pytest.raises(ValueError, match=message):
            other.fit(*args)
        assert not hasattr(other, "network_")
        assert path.read_bytes() == before
    # Nothing that the numbers do not depend on.
    make("adam", verbose=False).set_callbacks(Checkpoint(path, resume=True)).fit(X, y)


def test_validation_data_of_the_users_own_are_compared(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    options = {"early_stopping": True, "n_iter_no_change": 50}
    first = make("adam", **options).set_callbacks(Checkpoint(path))
    first.fit(X, y, X_val=X[:9], y_val=y[:9])
    again = make("adam", **options).set_callbacks(Checkpoint(path, resume=True))
    again.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert record(again) == record(first)
    with pytest.raises(ValueError, match="X_val differs; y_val differs"):
        again.fit(X, y, X_val=X[:8], y_val=y[:8])


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    good = tmp_path / "good.npz"
    make("adam").set_callbacks(Checkpoint(good)).fit(X, y)
    for contents in (b"", b"anything", good.read_bytes()[:500]):
        path.write_bytes(contents)
        estimator = make("adam").set_callbacks(Checkpoint(path, resume=True))
        with pytest.raises(ValueError, match=r"training\.npz is no checkpoint"):
            estimator.fit(X, y)
    header = header_of(good)
    for file_format in (1, 3, None):
        text = json.dumps(header | {"format": file_format})
        np.savez(path, json=np.frombuffer(text.encode(), np.uint8))
        with pytest.raises(
            ValueError, match=rf"has format {file_format}, but .* reads"
        ):
            estimator.fit(X, y)
    np.savez(path, json=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"training\.npz is no checkpoint"):
        estimator.fit(X, y)


def test_without_resume_the_file_is_overwritten(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    make("adam", alpha=3.0).set_callbacks(Checkpoint(path)).fit(X, y)
    plain = make("adam").set_callbacks(Checkpoint(str(path))).fit(X, y)
    assert record(plain) == record(make("adam").fit(X, y))
    assert_array_equal(np.load(path)["0/parameters"], plain.network_.parameters)


def test_a_random_state_of_the_users_own_goes_on(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    whole = make("adam", random_state=np.random.RandomState(3)).fit(X, y)
    broken = make("adam", random_state=np.random.RandomState(3))
    broken.set_callbacks(Breaking(path, 4))
    with pytest.raises(Dying):
        broken.fit(X, y)
    resumed = make("adam", random_state=np.random.RandomState(3))
    resumed.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert record(resumed) == record(whole)
    assert resumed.random_state.randint(2**31) == whole.random_state.randint(2**31)


def test_a_step_of_a_pipeline_can_be_kept(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    network = make("adam").set_callbacks(Checkpoint(path))
    make_pipeline(StandardScaler(), network).fit(X, y)
    assert n_epochs_in(path) == 12


def test_what_can_not_be_gone_on_with_is_refused(tmp_path):
    X, y = data()
    checkpoint = Checkpoint(tmp_path / "training.npz")
    with pytest.raises(ValueError, match="Checkpoint needs one of the solvers"):
        make("adam", solver="lbfgs").set_callbacks(checkpoint).fit(X, y)
    with pytest.raises(ValueError, match="Checkpoint is for fit"):
        make("adam").set_callbacks(checkpoint).partial_fit(X, y, classes=np.unique(y))
    for every in (0, -1, 1.5, True, "1"):
        with pytest.raises(ValueError, match="every must be a positive integer"):
            Checkpoint("path", every=every)


def test_places_that_can_not_be_written_to_are_refused_before_training(tmp_path):
    X, y = data()
    (tmp_path / "file").write_text("")
    for path, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "training.npz", "there is no folder .*none"),
        (tmp_path / "file" / "training.npz", "there is no folder .*file"),
    ):
        for resume in (False, True):
            estimator = make("adam").set_callbacks(Checkpoint(path, resume=resume))
            with pytest.raises(ValueError, match=message):
                estimator.fit(X, y)
            assert not hasattr(estimator, "network_")
    assert Checkpoint("path", every=np.int64(2)).every == 2


EXTENDABLE = ["adam", "sgd, adaptive", "an ensemble", "an ensemble in turn"]


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
@pytest.mark.parametrize("setting", EXTENDABLE)
def test_a_training_that_ended_is_extended_by_a_larger_max_iter(cls, setting, tmp_path):
    X, y = data(cls)
    path = tmp_path / "training.npz"
    make(setting, cls, max_iter=4).set_callbacks(Checkpoint(path)).fit(X, y)
    extended = make(setting, cls, max_iter=9, verbose=False)
    extended.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert record(extended) == record(make(setting, cls, max_iter=9).fit(X, y))
    assert extended.n_iter_ > 4


@pytest.mark.parametrize("seed", range(8))
def test_a_member_that_had_ended_is_extended_after_two_resumptions(seed, tmp_path):
    """Its last parameters are kept, though its network has those of the best epoch."""
    X, y = data()
    path = tmp_path / "training.npz"
    for n_times in (6, 1):  # In the second member, both times.
        broken = make("an ensemble in turn", max_iter=4, random_state=seed)
        breaking = Breaking(path, n_times)
        breaking.resume = True
        broken.set_callbacks(breaking)
        with pytest.raises(Dying):
            broken.fit(X, y)
    extended = make("an ensemble in turn", max_iter=9, random_state=seed)
    extended.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    whole = make("an ensemble in turn", max_iter=9, random_state=seed).fit(X, y)
    assert record(extended) == record(whole)


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("changes", [{"tol": 0.0}, {"n_iter_no_change": 8}])
def test_a_training_that_stopped_is_extended_by_more_patience(
    changes, scored, tmp_path
):
    X, y = data()
    path = tmp_path / "training.npz"
    options = {"tol": 0.03, "n_iter_no_change": 2, "early_stopping": scored}
    stopped = make("adam", **options).set_callbacks(Checkpoint(path)).fit(X, y)
    assert stopped.n_iter_ < 12
    extended = make("adam", **options | changes)
    extended.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert extended.n_iter_ > stopped.n_iter_
    assert record(extended) == record(make("adam", **options | changes).fit(X, y))


def test_a_planned_training_is_not_extended(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    make("all at once").set_callbacks(Checkpoint(path)).fit(X, y)
    longer = make("all at once", max_iter=20)
    longer.set_callbacks(Checkpoint(path, resume=True))
    with pytest.raises(ValueError, match="max_iter=12, which can't become 20"):
        longer.fit(X, y)
    assert not hasattr(longer, "network_")


def test_a_training_is_not_cut_short_behind_its_end(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    make("adam").set_callbacks(Checkpoint(path)).fit(X, y)
    shorter = make("adam", max_iter=5).set_callbacks(Checkpoint(path, resume=True))
    with pytest.raises(ValueError, match="max_iter=5 is less than the 12 epochs"):
        shorter.fit(X, y)


def test_networks_that_stopped_at_different_epochs_are_not_extended(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    options = {"tol": 0.01, "n_iter_no_change": 1, "max_iter": 40}
    first = make("an ensemble", **options).set_callbacks(Checkpoint(path)).fit(X, y)
    assert len({member.n_iter_ for member in first.estimators_}) > 1
    patient = make("an ensemble", **options | {"n_iter_no_change": 30})
    patient.set_callbacks(Checkpoint(path, resume=True))
    with pytest.raises(ValueError, match="can't be extended by tol or n_iter"):
        patient.fit(X, y)
    assert not hasattr(patient, "network_")


def test_descriptions_of_parameters_have_no_addresses():
    values = [
        ACTIVATIONS["relu"],
        [ACTIVATIONS["tanh"], "relu"],
        resolve_activation("elu(0.5)"),
        SOLVERS["adam"],
        OPTIMIZERS["adam"],
        np.mean,
    ]
    runs = [run_of(make("adam"))]
    described = fingerprint(dict(enumerate(values)), runs)["parameters"]
    assert not any("0x" in text for text in described.values())
    assert len(set(described.values())) == len(values)
    assert described[0] != _describe(replace(ACTIVATIONS["relu"], variance_factor=1.0))
    for value in ((6, 5), (7,), [3], "relu", None, 0.1):
        assert _describe(value) == repr(value)


def run_of(estimator):
    """Stand-in for a run, of which a fingerprint reads the data alone."""
    X, y = data()
    fit_data = FitData(X, y, y[:, np.newaxis], None)
    return SimpleNamespace(data=fit_data, split=None)


def test_a_random_state_with_weights_and_a_split_continues_exactly(tmp_path):
    X, y = data()
    weights = np.random.RandomState(1).uniform(0.2, 3, len(y))
    path = tmp_path / "training.npz"
    options = {"early_stopping": True, "restore_best": False, "solver": "sgd"}
    options["n_iter_no_change"] = 50
    parameters = []
    for n_times in (None, 4):
        random_state = np.random.RandomState(3)
        estimator = make("adam", **options, random_state=random_state)
        if n_times is not None:
            estimator.set_callbacks(Breaking(path, n_times))
            with pytest.raises(Dying):
                estimator.fit(X, y, weights)
            # The stream has moved on: another split is drawn, and then replaced.
            estimator.set_callbacks(Checkpoint(path, resume=True))
        parameters.append(estimator.fit(X, y, weights).network_.parameters)
    assert_array_equal(*parameters)


def test_a_member_that_diverged_in_turn_is_resumed_finite(tmp_path):
    X, y = data()
    path = tmp_path / "training.npz"
    options = {"learning_rate_init": 1e3, "momentum": 0.99, "early_stopping": False}
    whole = make("an ensemble in turn", **options, activation="identity").fit(X, y)
    assert np.isfinite(whole.network_.parameters).all()
    n_finite = whole.estimators_[0].n_iter_ - 1
    broken = make("an ensemble in turn", **options, activation="identity")
    broken.set_callbacks(Breaking(path, n_finite + 1))
    with pytest.raises(Dying):
        broken.fit(X, y)
    outcomes = [run["outcome"] for run in header_of(path)["runs"]]
    assert outcomes[0] == "diverged"
    resumed = make("an ensemble in turn", **options, activation="identity")
    resumed.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert_array_equal(resumed.network_.parameters, whole.network_.parameters)
