"""A user's own records: one for each extension, with no other file touched.

Each is accepted by name once it is in its registry, and itself in the place of a name,
so that worker processes have it too.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from estimator_strategies import make_data, quietly
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import QuantileRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skscratch import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    SOLVERS,
    Activation,
    Loss,
    Optimizer,
    Schedule,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    Solver,
    check_gradients,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 15, "random_state": 0}


def softsign(Z):
    return Z / (1 + np.abs(Z))


def d_softsign(Z, A):
    return np.square(1 - np.abs(A))


SOFTSIGN = Activation(softsign, d_softsign)


class SignDescent(Optimizer):
    """Steps of one length for each parameter, whatever the size of its gradient."""

    hyperparameters = ("momentum",)

    def __init__(self, n_parameters, dtype, momentum=0.9):
        super().__init__(n_parameters, dtype)
        self.momentum = momentum
        self.velocity = np.zeros(n_parameters, dtype)

    def _moments(self):
        return [self.velocity]

    def _update_block(self, parameters, gradients, velocity, workspace, learning_rate):
        velocity *= self.momentum
        velocity += (1 - self.momentum) * gradients
        np.sign(velocity, out=workspace)
        parameters -= learning_rate * workspace


class Halving(Schedule):
    """Half of the rate after each epoch."""

    def on_epoch_end(self, n_samples_seen):
        self.rate /= 2


def tiny_weights(random_state, fan_in, fan_out, activation):
    W = random_state.uniform(-0.01, 0.01, (fan_in, fan_out))
    return W, np.zeros(fan_out)


@dataclass(frozen=True)
class LogCosh(Loss):
    """A smooth absolute error."""

    def losses(self, Z, P, Y):
        return np.logaddexp(P - Y, Y - P) - np.log(2)

    def gradient(self, Z, P, Y):
        return np.tanh(P - Y)


@dataclass(frozen=True)
class Huber(Loss):
    """Huber loss, whose threshold is a quantile of the targets' deviations."""

    quantile: float = 0.9
    threshold: float = 0.0

    def fitted(self, Y, weights=None):
        deviations = np.abs(Y - np.median(Y, axis=-1, keepdims=True))
        return Huber(self.quantile, float(np.quantile(deviations, self.quantile)))

    def losses(self, Z, P, Y):
        error = np.abs(P - Y)
        bounded = np.minimum(error, self.threshold)
        return bounded * (error - bounded / 2)

    def gradient(self, Z, P, Y):
        return np.clip(P - Y, -self.threshold, self.threshold)


@dataclass(frozen=True)
class Pinball(Loss):
    """Pinball losses of several quantiles of one target."""

    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)

    def n_raw_outputs(self, n_targets):
        return len(self.quantiles) * n_targets

    def losses(self, Z, P, Y):
        q = np.array(self.quantiles)[:, np.newaxis]
        return np.maximum(q * (Y - P), (q - 1) * (Y - P))

    def gradient(self, Z, P, Y):
        return (P > Y) - np.array(self.quantiles)[:, np.newaxis]


RECORDS = {
    "activation": (ACTIVATIONS, SOFTSIGN),
    "solver": (OPTIMIZERS, SignDescent),
    "learning_rate": (SCHEDULES, Halving),
    "init": (INITIALIZERS, tiny_weights),
    "loss": (LOSSES, LogCosh()),
}


def make(parameter, value):
    cls = ScratchMLPRegressor if parameter == "loss" else ScratchMLPClassifier
    return cls(**SMALL | {parameter: value})


def data(parameter):
    X, y = make_data("many classes", 60)
    return X, (X @ [1.0, -1.0, 0.5, 2.0] if parameter == "loss" else y)


@pytest.mark.parametrize("parameter", RECORDS)
def test_a_record_is_accepted_by_its_name_and_itself(parameter, monkeypatch):
    registry, record = RECORDS[parameter]
    X, y = data(parameter)
    with pytest.raises(ValueError, match=f"'{parameter}' parameter .*'mine'"):
        make(parameter, "mine").fit(X, y)
    by_record = make(parameter, record).fit(X, y)
    monkeypatch.setitem(registry, "mine", record)
    by_name = make(parameter, "mine").fit(X, y)
    assert_array_equal(by_name.network_.parameters, by_record.network_.parameters)
    default = make(parameter, ScratchMLPRegressor().get_params()[parameter]).fit(X, y)
    assert not np.array_equal(default.network_.parameters, by_name.network_.parameters)
    # Names that are accepted are those of the registry as it is.
    with pytest.raises(ValueError, match="'mine'"):
        make(parameter, "other").fit(X, y)


@pytest.mark.parametrize("parameter", RECORDS)
def test_worker_processes_have_records_too(parameter):
    _, record = RECORDS[parameter]
    X, y = data(parameter)
    search = GridSearchCV(
        make(parameter, record), {"alpha": [1e-4, 1.0]}, cv=2, n_jobs=2
    )
    quietly(search.fit, X, y)
    alone = quietly(clone(search.best_estimator_).fit, X, y)
    assert_array_equal(search.predict(X), alone.predict(X))


@pytest.mark.parametrize("parameter", RECORDS)
def test_records_go_with_ensembles_streams_and_warm_starts(parameter):
    _, record = RECORDS[parameter]
    X, y = data(parameter)
    ensemble = make(parameter, record).set_params(n_estimators=2, warm_start=True)
    for _ in range(2):
        quietly(ensemble.fit, X, y)
    assert 15 < len(ensemble.loss_curve_) <= 30
    stream = make(parameter, record)
    extra = {} if parameter == "loss" else {"classes": np.unique(y)}
    for _ in range(3):
        stream.partial_fit(X, y, **extra)
    assert len(stream.loss_curve_) == 3


def test_an_activation_may_have_a_parameter_that_a_search_tunes():
    X, y = make_data("many classes", 80)
    grid = {
        "activation": [
            "leaky_relu(0.2)",
            ("elu(0.5)", "leaky_relu(0.3)"),
            (SOFTSIGN, "tanh"),
        ]
    }
    estimator = ScratchMLPClassifier((5, 4), max_iter=5, random_state=0)
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise")
    quietly(search.fit, X, y)
    fits = [
        quietly(clone(estimator).set_params(activation=a).fit, X, y).loss_
        for a in grid["activation"]
    ]
    assert len(set(fits)) == 3
    with pytest.raises(ValueError, match="'tanh' takes no parameter"):
        estimator.set_params(activation="tanh(2)").fit(X, y)
    with pytest.raises(ValueError, match="activation must have a number"):
        estimator.set_params(activation="leaky_relu(x)").fit(X, y)


@pytest.mark.parametrize("loss", [LogCosh(), Huber(0.8), Pinball()])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_loss_of_the_users_own_trains(loss, solver):
    X, y = data("loss")
    estimator = ScratchMLPRegressor(loss, **SMALL, solver=solver)
    quietly(estimator.fit, X, y)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    if not isinstance(loss, Pinball):  # Its kinks are where the data are.
        report = check_gradients(estimator.network_, X[:10], y[:10], alpha=1e-4)
        assert report.passed, report


def test_a_loss_may_learn_from_the_targets_before_training():
    X, y = data("loss")
    estimator = quietly(ScratchMLPRegressor(Huber(0.5), **SMALL).fit, X, y)
    deviations = np.abs(y - np.median(y))
    assert estimator.network_.loss.threshold == pytest.approx(np.median(deviations))
    assert estimator.loss == Huber(0.5)
    # In a stream, and in a warm start, it is that of the first call.
    stream = ScratchMLPRegressor(Huber(0.5), **SMALL)
    for scale in (1, 100):
        stream.partial_fit(X, scale * y)
    assert stream.network_.loss == estimator.network_.loss


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_a_loss_may_predict_several_numbers_for_a_target(n_estimators):
    X, y = data("loss")
    estimator = ScratchMLPRegressor(
        Pinball(), **SMALL | {"max_iter": 300}, solver="adam", early_stopping=True
    ).set_params(n_estimators=n_estimators, learning_rate_init=0.01)
    quietly(estimator.fit, X, y)
    predictions = estimator.predict(X)
    assert predictions.shape == (60, 3)
    assert_allclose(
        (y[:, np.newaxis] < predictions).mean(axis=0), [0.1, 0.5, 0.9], atol=0.15
    )
    # There is no R² of such predictions: epochs are scored by the loss.
    scores, losses = estimator.validation_scores_, estimator.validation_loss_curve_
    assert_allclose(scores, np.negative(losses))


def test_a_linear_network_with_the_pinball_loss_is_quantile_regression():
    X, y = data("loss")
    y = y + np.random.RandomState(0).standard_exponential(60)
    loss = Pinball((0.3,))
    estimator = ScratchMLPRegressor(
        loss, (), alpha=0.0, max_iter=4000, learning_rate="cosine", random_state=0
    ).set_params(learning_rate_init=0.05)
    quietly(estimator.fit, X, y)
    oracle = QuantileRegressor(quantile=0.3, alpha=0.0).fit(X, y)

    def objective(predictions):
        P, Y = predictions[np.newaxis], y[np.newaxis]
        return loss.losses(P, P, Y).mean()

    ours, theirs = objective(estimator.predict(X)), objective(oracle.predict(X))
    assert theirs <= ours + 1e-12
    assert ours - theirs < 1e-3


def test_a_solver_may_be_an_algorithm_of_ones_own():
    X, y = make_data("two classes", 40)

    def random_search(runs, monitor):
        """Keep the best of some random parameters."""
        (run,) = runs
        for number in range(1, run.config.max_epochs + 1):
            before = run.network.snapshot()
            step = run.random_state.standard_normal(before.shape) * 0.3
            run.network.restore(before + step)
            loss = run.network.cost(run.data.X.T, run.data.Y.T * 1.0)
            curve = run.state.loss_curve
            if curve and loss > curve[-1]:
                run.network.restore(before)
                loss = curve[-1]
            curve.append(loss)
            run.n_epochs = number
            if not monitor.is_silent and monitor.end_iteration(number, loss):
                break
        return "stopped"

    solver = Solver(random_search, step_name="iteration")
    estimator = ScratchMLPClassifier(**SMALL, solver=solver).fit(X, y)
    assert estimator.n_iter_ == 15
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    assert not hasattr(estimator, "partial_fit")
    assert set(SOLVERS) == {"adam", "adamw", "lbfgs", "sgd"}


def test_validation_data_that_missed_a_pipelines_steps_are_warned_of():
    X, y = make_data("many classes", 80)
    X = X * [1, 10, 0.1, 5] + [3, 100, 0, -20]
    scaled = StandardScaler().fit_transform(X)
    clf = ScratchMLPClassifier(**SMALL, early_stopping=True)
    with pytest.warns(UserWarning, match="X_val seems not to be prepared as X is"):
        clf.fit(scaled[20:], y[20:], X_val=X[:20], y_val=y[:20])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X_val seems", UserWarning)
        clf.fit(scaled[20:], y[20:], X_val=scaled[:20], y_val=y[:20])
        clf.fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
        # Also where samples are sorted, and there are many.
        many = np.sort(np.random.RandomState(0).standard_normal((2000, 4)), axis=0)
        clf.fit(many, np.arange(2000) % 2, X_val=many[::50], y_val=np.arange(40) % 2)


def test_warnings_name_the_users_line():
    X, y = make_data("two classes", 40)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ScratchMLPClassifier(max_iter=2).fit(X, y)
    (warning,) = caught
    assert warning.category is ConvergenceWarning
    assert warning.filename == __file__
