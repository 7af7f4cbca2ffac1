"""Data that are elsewhere: what a fit asks of them, tried with a source in memory."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits

from skscratch import Checkpoint, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.sources import DataSource
from skscratch.estimators.splitting import draw_split
from skscratch.estimators.validation import validate_fit_data
from skscratch.training.data import RemoteData, make_batches

# Few epochs suffice.
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

X, y = load_digits(return_X_y=True)
X = X[:400] / 16
y = y[:400]


class HiddenData(RemoteData):
    """Shows 20 rows, and has the others all the same."""

    def __init__(self, data):
        self.data, self.n_samples = data, data.n_samples
        self.X, self.y, self.Y, self.weights = data.take(np.arange(20))

    def identity(self):
        return self.data.identity()

    def make_batches(self, config, rows, random_state):
        return make_batches(self.data, config, rows, random_state)

    def draw_split(self, targets, fraction, random_state):
        return draw_split(self.data, targets, fraction, random_state)


class Hidden(DataSource):
    def fit_data(self, estimator, given, validation, **options):
        data, *others = validate_fit_data(estimator, (X, *given), validation, **options)
        return HiddenData(data), *others


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True},
        {"early_stopping": True, "temperature_scaling": True},
        {"solver": "sgd", "n_estimators": 2},
        {"n_estimators": 2, "share_batches": True, "dropout": 0.2},
        {"class_weight": "balanced", "averaging": 0.9},
    ],
    ids=str,
)
def test_a_source_of_the_same_data_gives_the_same_network(options):
    clf = ScratchMLPClassifier((20,), max_iter=5, tol=1.0, random_state=0, **options)
    clf.fit(X, y)
    other = ScratchMLPClassifier((20,), max_iter=5, tol=1.0, random_state=0, **options)
    other.fit(Hidden(), y)
    np.testing.assert_array_equal(other.loss_curve_, clf.loss_curve_)
    np.testing.assert_array_equal(other.network_.parameters, clf.network_.parameters)
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))


def test_members_on_a_source_are_trained_here():
    members = [
        ScratchMLPClassifier((20,), max_iter=2, n_estimators=2, random_state=0)
        for _ in range(2)
    ]
    members[0].fit(X, y)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        members[1].fit(Hidden(), y)
    np.testing.assert_allclose(
        members[1].network_.parameters, members[0].network_.parameters, rtol=1e-10
    )


def test_training_on_a_source_is_resumed_from_a_checkpoint(tmp_path):
    def make(max_iter):
        clf = ScratchMLPClassifier((20,), max_iter=max_iter, tol=0.0, random_state=0)
        return clf.set_callbacks(Checkpoint(tmp_path / "c.npz", resume=True))

    make(2).fit(Hidden(), y)
    resumed = make(4).fit(Hidden(), y)
    whole = ScratchMLPClassifier((20,), max_iter=4, tol=0.0, random_state=0)
    whole.fit(X, y)
    np.testing.assert_array_equal(
        resumed.network_.parameters, whole.network_.parameters
    )


@pytest.mark.parametrize(
    ("cls", "options", "name"),
    [
        (ScratchMLPClassifier, {"solver": "lbfgs"}, "solver='lbfgs'"),
        (
            ScratchMLPClassifier,
            {"early_stopping": True, "validation_split": [([0, 1], [2])]},
            "validation_split",
        ),
        (
            ScratchMLPRegressor,
            {"early_stopping": True, "intervals": True},
            "intervals=True",
        ),
    ],
)
def test_what_needs_all_data_in_memory_is_refused(cls, options, name):
    model = cls(hidden_layer_sizes=(5,), **options)
    with pytest.raises(ValueError, match=f"{name} needs all data in memory"):
        model.fit(Hidden(), y)
    assert not hasattr(model, "network_")
