"""scikit-learn's tools for estimators, each used once with the classifier.

Expected scores are those of ``MLPClassifier`` with the same tool and the same seeds.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, make_moons
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skscratch import ScratchMLPClassifier

mpl.use("Agg")

# A few epochs are enough; training does not converge in them.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PARAMETERS = {
    "hidden_layer_sizes": (8,),
    "learning_rate_init": 0.03,
    "max_iter": 25,
    "random_state": 0,
}
OURS = ScratchMLPClassifier(**PARAMETERS)
THEIRS = MLPClassifier(**PARAMETERS)


@pytest.fixture(scope="module")
def moons():
    return make_moons(150, noise=0.2, random_state=0)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def both(use, *args, **kwargs):
    """Results of a function of an estimator, for our classifier and scikit-learn's."""
    return [use(clone(mlp), *args, **kwargs) for mlp in (OURS, THEIRS)]


def scaled(mlp):
    return make_pipeline(StandardScaler(), mlp)


def test_cross_validation_of_a_pipeline():
    """With several metrics, training scores and fitted estimators, in two processes."""
    X, y = load_breast_cancer(return_X_y=True)

    def use(mlp):
        return cross_validate(
            scaled(mlp),
            *(X, y),
            cv=3,
            n_jobs=2,
            scoring=["accuracy", "neg_log_loss", "roc_auc"],
            return_train_score=True,
            return_estimator=True,
        )

    ours, theirs = both(use)
    names = [name for name in theirs if name.startswith(("test", "train"))]
    assert len(names) == 6
    for name in names:
        assert_allclose(ours[name], theirs[name], rtol=1e-6)
    assert ours["test_accuracy"].min() > 0.93
    assert all(hasattr(pipeline[-1], "network_") for pipeline in ours["estimator"])


def test_a_pipeline_of_mixed_columns_learns_from_a_data_frame():
    """The network gets the sparse output of the encoder."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": random.normal(size=90),
            "color": random.choice(["red", "green", "blue"], 90),
        }
    )
    y = np.where((frame["color"] == "red") ^ (frame["size"] > 0), "yes", "no")
    preprocessor = make_column_transformer(
        (OneHotEncoder(), ["color"]), (StandardScaler(), ["size"]), sparse_threshold=1
    )
    pipeline = make_pipeline(preprocessor, clone(OURS).set_params(max_iter=200))
    assert pipeline.fit(frame, y).score(frame, y) > 0.95
    assert_array_equal(pipeline.classes_, ["no", "yes"])
    assert sparse.issparse(pipeline[:-1].transform(frame))


def test_grid_search_finds_the_best_candidate(moons):
    """Very small weights can only give a linear boundary."""
    grid = {"mlp__alpha": [1e-3, 1e3], "mlp__activation": ["tanh", "identity"]}

    def use(mlp):
        pipeline = scaled(mlp).set_params(steps=[("scaler", None), ("mlp", mlp)])
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2)
        mlp.set_params(max_iter=80)
        return search.fit(*moons)

    ours, theirs = both(use)
    assert ours.best_params_ == {"mlp__alpha": 1e-3, "mlp__activation": "tanh"}
    assert ours.best_params_ == theirs.best_params_
    for name in ("mean_test_score", "rank_test_score"):
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name])
    assert_array_equal(ours.predict(moons[0]), theirs.predict(moons[0]))


def test_halving_search_drops_bad_candidates(moons):
    """The resource is the number of epochs."""

    def use(mlp):
        search = HalvingGridSearchCV(
            mlp,
            {"learning_rate_init": [1e-6, 1e-5, 1e-4, 0.1]},
            resource="max_iter",
            min_resources=5,
            max_resources=20,
            factor=2,
            cv=3,
            n_jobs=2,
            random_state=0,
        )
        return search.fit(*moons)

    ours, theirs = both(use)
    assert ours.best_params_ == {"learning_rate_init": 0.1, "max_iter": 20}
    assert ours.n_resources_ == [5, 10, 20]
    found, expected = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    assert_allclose(found, expected)


def test_randomized_search_over_several_types_of_parameters(moons):
    distributions = {
        "alpha": loguniform(1e-6, 1e2),
        "hidden_layer_sizes": [(), (4,), (4, 4)],
        "solver": ["sgd", "adam", "lbfgs"],
    }

    def use(mlp):
        search = RandomizedSearchCV(mlp, distributions, n_iter=6, cv=2, random_state=0)
        return search.fit(*moons)

    ours, theirs = both(use)
    assert ours.best_params_ == theirs.best_params_
    found, expected = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    # L-BFGS amplifies rounding errors: the class of a sample or two may differ.
    assert_allclose(found, expected, atol=2 / 150)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_improves_overconfident_probabilities(method):
    """It uses the decision function, which MLPClassifier does not have."""
    X, y = make_moons(400, noise=0.6, random_state=1)
    X, X_new, y, y_new = train_test_split(X, y, random_state=0)
    overconfident = clone(OURS).set_params(
        hidden_layer_sizes=(20, 20), solver="lbfgs", alpha=1e-6, max_iter=100
    )
    calibrated = CalibratedClassifierCV(overconfident, method=method, cv=3).fit(X, y)
    plain = overconfident.fit(X, y)
    before, after = (
        brier_score_loss(y_new, estimator.predict_proba(X_new)[:, 1])
        for estimator in (plain, calibrated)
    )
    assert after < before - 0.02
    inner = calibrated.calibrated_classifiers_[0]
    values = inner.estimator.decision_function(X_new)
    expected = inner.calibrators[0].predict(values)
    assert_allclose(inner.predict_proba(X_new)[:, 1], expected)


def test_voting_averages_probabilities(iris):
    X, y = iris
    members = [("mlp", clone(OURS)), ("linear", LogisticRegression())]
    voting = VotingClassifier(members, voting="soft", n_jobs=2).fit(X, y)
    alone = [clone(member).fit(X, y).predict_proba(X) for _, member in members]
    assert_allclose(voting.predict_proba(X), np.mean(alone, axis=0))
    assert voting.score(X, y) > 0.9


def test_bagging_averages_networks_of_different_samples(iris):
    def use(mlp):
        return BaggingClassifier(mlp, 4, random_state=0, n_jobs=2).fit(*iris)

    ours, theirs = both(use)
    X, y = iris
    alone = [member.predict_proba(X) for member in ours.estimators_]
    assert_allclose(ours.predict_proba(X), np.mean(alone, axis=0))
    assert not np.allclose(alone[0], alone[1])
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    assert ours.score(X, y) > 0.9


def test_stacking_gets_probabilities(iris):
    def use(mlp):
        members = [("mlp", mlp), ("linear", LogisticRegression())]
        stacking = StackingClassifier(members, cv=3, n_jobs=2, passthrough=False)
        return stacking.fit(*iris)

    ours, theirs = both(use)
    X, y = iris
    assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-6, atol=1e-9)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    assert ours.score(X, y) > 0.9


def test_one_versus_rest_trains_a_network_for_each_class(iris):
    X, y = iris
    one_vs_rest = OneVsRestClassifier(clone(OURS), n_jobs=2).fit(X, y)
    assert len(one_vs_rest.estimators_) == 3
    Z = np.column_stack([one.decision_function(X) for one in one_vs_rest.estimators_])
    assert_allclose(one_vs_rest.decision_function(X), Z)
    assert_array_equal(one_vs_rest.predict(X), Z.argmax(axis=1))
    for label, one in enumerate(one_vs_rest.estimators_):
        alone = clone(OURS).fit(X, y == label)
        assert_array_equal(one.decision_function(X), alone.decision_function(X))


def test_permutation_importance_ranks_features():
    """The first feature matters most, and the last one is constant."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = X[:, 0] + 0.3 * X[:, 1] > 0
    X[:, 2] = 0

    def use(mlp):
        return permutation_importance(
            mlp.fit(X, y), X, y, n_repeats=3, random_state=0, n_jobs=2
        ).importances

    ours, theirs = both(use)
    assert_allclose(ours, theirs)
    first, second, last = ours.mean(axis=1)
    assert first > second > last == 0


def test_the_decision_boundary_display_uses_the_decision_function(moons):
    X, y = moons
    mlp = clone(OURS).fit(X, y)
    display = DecisionBoundaryDisplay.from_estimator(
        mlp, X, response_method="auto", grid_resolution=20, plot_method="contourf"
    )
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    response = display.response.ravel()
    assert_allclose(response, mlp.decision_function(grid))
    assert_array_equal(response > 0, mlp.predict(grid) == 1)
    assert len(display.figure_.axes) == 1
    mpl.pyplot.close(display.figure_)


def test_the_learning_curve_rises_with_the_number_of_samples(moons):
    def use(mlp):
        return learning_curve(
            mlp,
            *moons,
            train_sizes=[0.1, 1.0],
            cv=3,
            n_jobs=2,
            shuffle=True,
            random_state=0,
        )

    ours, theirs = both(use)
    for found, expected in zip(ours, theirs, strict=True):
        assert_allclose(found, expected)
    _, _, test_scores = ours
    few_samples, all_samples = test_scores.mean(axis=1)
    assert few_samples < all_samples
    incremental = learning_curve(
        clone(OURS), *moons, cv=3, exploit_incremental_learning=True
    )
    assert incremental[2].shape == (5, 3)


def test_cross_validated_predictions_are_those_of_mlp_classifier(iris):
    def use(mlp):
        return cross_val_predict(mlp, *iris, cv=3, method="predict_proba", n_jobs=2)

    ours, theirs = both(use)
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
