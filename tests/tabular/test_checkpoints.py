"""A ``Checkpoint`` set on a recipe's pipeline saves the training of its network."""

import numpy as np
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge

from skscratch import Checkpoint, make_tabular_classifier, make_tabular_regressor

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
    """Checkpoint that counts how often it writes its file."""

    n_written = 0

    def write(self, *args):
        super().write(*args)
        self.n_written += 1


def make_pipeline(make, n_estimators=1, **parameters):
    options = QUICK | {"max_iter": N_EPOCHS, "n_estimators": n_estimators}
    return make(**options | parameters)


def unfitted_network(model):
    return getattr(model["network"], "regressor", model["network"])


def fitted_network(model):
    return getattr(model["network"], "regressor_", model["network"])


def callbacks_of(estimator):
    return getattr(estimator, "_skl_callbacks", [])


@each_recipe
@each_size
def test_a_killed_training_is_resumed(make, n_estimators, tmp_path):
    frame, y = table()
    path = tmp_path / "training.npz"
    expected = make_pipeline(make, n_estimators).fit(frame, y)
    killed = make_pipeline(make, n_estimators).set_callbacks(Checkpoint(path))
    unfitted_network(killed).set_callbacks(Epochs(N_FINISHED, Killed()))
    with pytest.raises(Killed):
        killed.fit(frame, y)
    assert path.exists()

    resumed = make_pipeline(make, n_estimators)
    resumed.set_callbacks(Checkpoint(path, resume=True))
    epochs = Epochs()
    unfitted_network(resumed).set_callbacks(epochs)
    resumed.fit(frame, y)

    assert 0 < epochs.n_finished < N_EPOCHS
    assert_array_equal(resumed.predict(frame), expected.predict(frame))
    networks = fitted_network(resumed), fitted_network(expected)
    parameters = [network.network_.parameters for network in networks]
    assert_array_equal(*parameters)


@each_recipe
@each_size
@pytest.mark.parametrize("is_on_network", [False, True])
def test_a_checkpoint_is_written_once_per_epoch(
    make, n_estimators, is_on_network, tmp_path
):
    """Also if it is set on the pipeline and on the network."""
    checkpoint = CountingCheckpoint(tmp_path / "training.npz")
    model = make_pipeline(make, n_estimators).set_callbacks(checkpoint)
    if is_on_network:
        unfitted_network(model).set_callbacks(checkpoint)
    model.fit(*table())
    assert checkpoint.n_written == fitted_network(model).n_iter_ == N_EPOCHS
    assert callbacks_of(model) == [checkpoint]
    for network in (unfitted_network(model), fitted_network(model)):
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
    assert checkpoint.path.exists()
    assert callbacks_of(model) == [checkpoint]
    assert callbacks_of(unfitted_network(model)) == [epochs]
    if not isinstance(error, Killed):
        assert callbacks_of(fitted_network(model)) == [epochs]


@each_recipe
def test_a_refused_fit_leaves_no_checkpoint_on_the_network(make, tmp_path):
    frame, y = table()
    model = make_pipeline(make).set_callbacks(Checkpoint(tmp_path / "training.npz"))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(frame, np.full(len(y), np.nan))
    assert callbacks_of(unfitted_network(model)) == []
    assert len(callbacks_of(model)) == 1
    assert not (tmp_path / "training.npz").exists()


@each_recipe
def test_a_checkpoint_of_other_parameters_is_refused(make, tmp_path):
    frame, y = table()
    path = tmp_path / "training.npz"
    make_pipeline(make).set_callbacks(Checkpoint(path)).fit(frame, y)
    other = make_pipeline(make, alpha=0.5).set_callbacks(Checkpoint(path, resume=True))
    with pytest.raises(ValueError, match=r"alpha .*0\.0.*0\.5"):
        other.fit(frame, y)


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (make_tabular_classifier, "network"),
        (make_tabular_regressor, "network"),
        (make_tabular_regressor, "network__regressor"),
    ],
)
def test_a_checkpoint_needs_a_network(make, parameter, tmp_path):
    model = make_pipeline(make).set_params(**{parameter: Ridge()})
    model.set_callbacks(Checkpoint(tmp_path / "training.npz"))
    with pytest.raises(ValueError, match=r"Checkpoint needs a .* got Ridge\(\)\."):
        model.fit(*table())
    model.set_callbacks().fit(*table())
