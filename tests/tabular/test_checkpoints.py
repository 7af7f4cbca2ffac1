"""A ``Checkpoint`` set on a recipe's pipeline saves the trainings of its networks."""

import numpy as np
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge

from skscratch import Checkpoint, make_tabular_classifier, make_tabular_regressor
from skscratch.estimators import config
from skscratch.tabular import members

N_EPOCHS, N_FINISHED = 6, 3
each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)
each_size = pytest.mark.parametrize("n_estimators", [1, 8])


class Killed(BaseException):
    """Ends a training run like a signal would, without any cleanup by the library."""


class Epochs:
    """Callback that counts epochs, and raises an error after some of them.

    Parameters
    ----------
    n_epochs : int or None, default=None
        Number of epochs after which the error is raised; None raises none.
    error : BaseException, default=None
    """

    def __init__(self, n_epochs=None, error=None):
        self.n_epochs, self.error, self.n_finished = n_epochs, error, 0

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        self.n_finished += context.task_name == "epoch"
        if self.n_finished == self.n_epochs:
            raise self.error


class CountingCheckpoint(Checkpoint):
    """Checkpoint that notes which files it writes; its copies share the list."""

    written: list = []

    def write(self, *args):
        super().write(*args)
        self.written.append(self.path.name)


KINDS = ("pieces", "periodic")
PARTS = ["pieces1", "periodic1"]


def make_pipeline(make, n_estimators=1, **parameters):
    options = QUICK | {"max_iter": N_EPOCHS, "n_estimators": n_estimators}
    return make(kinds=KINDS, **options | parameters)


def unfitted_network(model):
    return model["network"].estimator


def fitted_networks(model):
    return [n for one in model["network"].members_ for n in one.networks]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def callbacks_of(estimator):
    return getattr(estimator, "_skl_callbacks", [])


@each_recipe
@each_size
@pytest.mark.parametrize("n_finished", [N_FINISHED, N_EPOCHS + N_FINISHED])
def test_a_killed_training_is_resumed(make, n_estimators, n_finished, tmp_path):
    """In the middle of the first kind's networks, or the second's."""
    frame, y = table()
    path = tmp_path / "training.npz"
    expected = make_pipeline(make, n_estimators).fit(frame, y)
    killed = make_pipeline(make, n_estimators).set_callbacks(Checkpoint(path))
    unfitted_network(killed).set_callbacks(Epochs(n_finished, Killed()))
    with pytest.raises(Killed):
        killed.fit(frame, y)
    n_parts = -(-n_finished // N_EPOCHS)
    assert files(tmp_path) == sorted(f"training-{p}.npz" for p in PARTS[:n_parts])

    resumed = make_pipeline(make, n_estimators)
    resumed.set_callbacks(Checkpoint(path, resume=True))
    epochs = Epochs()
    unfitted_network(resumed).set_callbacks(epochs)
    resumed.fit(frame, y)

    # What had finished is not trained again.
    assert epochs.n_finished <= len(PARTS) * N_EPOCHS - n_finished + 1
    assert_array_equal(resumed.predict(frame), expected.predict(frame))
    networks = fitted_networks(resumed), fitted_networks(expected)
    for one, other in zip(*networks, strict=True):
        assert_array_equal(one.network_.parameters, other.network_.parameters)


@each_recipe
@each_size
@pytest.mark.parametrize("is_on_network", [False, True])
def test_a_checkpoint_is_written_once_per_epoch(
    make, n_estimators, is_on_network, tmp_path
):
    """Also if it is set on the pipeline and on the network."""
    checkpoint = CountingCheckpoint(tmp_path / "training.npz")
    checkpoint.written = []
    model = make_pipeline(make, n_estimators).set_callbacks(checkpoint)
    if is_on_network:
        unfitted_network(model).set_callbacks(checkpoint)
    model.fit(*table())
    names = [f"training-{part}.npz" for part in PARTS for _ in range(N_EPOCHS)]
    assert checkpoint.written == names
    assert callbacks_of(model) == [checkpoint]
    for network in (unfitted_network(model), *fitted_networks(model)):
        assert callbacks_of(network) == [checkpoint] * is_on_network


@each_recipe
@each_size
@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize("error", [None, RuntimeError("no more"), Killed()])
def test_callbacks_are_the_same_before_and_after_a_fit(
    make, n_estimators, is_fitted, error, tmp_path
):
    frame, y = table()
    model = make_pipeline(make, n_estimators)
    if is_fitted:
        model.fit(frame, y)
    checkpoint, epochs = Checkpoint(tmp_path / "training.npz"), Epochs(2, error)
    model.set_callbacks(checkpoint)
    unfitted_network(model).set_callbacks(epochs)
    if error is None:
        epochs.n_epochs = None
        model.fit(frame, y)
    else:
        with pytest.raises(type(error)):
            model.fit(frame, y)
    assert (tmp_path / "training-pieces1.npz").exists()
    assert callbacks_of(model) == [checkpoint]
    assert callbacks_of(unfitted_network(model)) == [epochs]
    if not isinstance(error, Killed):
        assert all(callbacks_of(n) == [epochs] for n in fitted_networks(model))


@each_recipe
def test_a_refused_fit_leaves_no_checkpoint_on_the_network(make, tmp_path):
    frame, y = table()
    model = make_pipeline(make).set_callbacks(Checkpoint(tmp_path / "training.npz"))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(frame, np.full(len(y), np.nan))
    assert callbacks_of(unfitted_network(model)) == []
    assert len(callbacks_of(model)) == 1
    assert files(tmp_path) == []


@each_recipe
def test_a_checkpoint_of_other_parameters_is_refused(make, tmp_path):
    frame, y = table()
    path = tmp_path / "training.npz"
    make_pipeline(make).set_callbacks(Checkpoint(path)).fit(frame, y)
    other = make_pipeline(make, alpha=0.5).set_callbacks(Checkpoint(path, resume=True))
    with pytest.raises(ValueError, match=r"alpha .*0\.0.*0\.5"):
        other.fit(frame, y)


@each_recipe
def test_further_cycles_have_files_of_their_own(make, tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MIN_GAIN", -np.inf)
    monkeypatch.setattr(config, "MIN_AUTO_EPOCHS", 15)
    monkeypatch.setattr(config, "MAX_AUTO_EPOCHS", 15)
    frame, y = table()
    options = {"max_iter": "auto", "kinds": ("pieces",), "effort": "default"}
    options = QUICK | options | {"n_estimators": 1}
    path = tmp_path / "training.npz"
    expected = make(**options).fit(frame, y)
    make(**options).set_callbacks(Checkpoint(path)).fit(frame, y)
    assert "training-pieces1-cycle5.npz" in files(tmp_path)
    # Only the last file is incomplete.
    (tmp_path / files(tmp_path)[-1]).unlink()
    resumed = make(**options).set_callbacks(Checkpoint(path, resume=True))
    assert_array_equal(resumed.fit(frame, y).predict(frame), expected.predict(frame))


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (make_tabular_classifier, "network"),
        (make_tabular_regressor, "network"),
        (make_tabular_regressor, "network__estimator"),
    ],
)
def test_a_checkpoint_needs_a_network(make, parameter, tmp_path):
    model = make_pipeline(make).set_params(**{parameter: Ridge()})
    model.set_callbacks(Checkpoint(tmp_path / "training.npz"))
    with pytest.raises(ValueError, match=r"Checkpoint needs a .* got Ridge\(\)\."):
        model.fit(*table())
    if parameter == "network":
        model.set_callbacks().fit(*table())
