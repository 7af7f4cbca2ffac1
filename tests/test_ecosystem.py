"""What scikit-learn puts around an estimator, each used for real once.

Where scores are compared, ``MLPClassifier`` gives the numbers to expect: in the same
place, with the same seeds.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
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

# A few epochs must do; that the training has not converged is known.
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
    """Results of what uses an estimator, for ours and for theirs."""
    return [use(clone(mlp), *args, **kwargs) for mlp in (OURS, THEIRS)]


def scaled(mlp):
    return make_pipeline(StandardScaler(), mlp)


def test_cross_validate_a_pipeline():
    """Several scores, training scores and the fitted estimators, in two processes."""
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


def test_a_pipeline_of_mixed_columns_predicts_from_a_data_frame():
    """Text and numbers; the encoder's sparse output reaches the network."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": random.normal(size=90),
            "colour": random.choice(["red", "green", "blue"], 90),
        }
    )
    y = np.where((frame["colour"] == "red") ^ (frame["size"] > 0), "yes", "no")
    preparation = make_column_transformer(
        (OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]), sparse_threshold=1
    )
    pipeline = make_pipeline(preparation, clone(OURS).set_params(max_iter=200))
    assert pipeline.fit(frame, y).score(frame, y) > 0.95
    assert_array_equal(pipeline.classes_, ["no", "yes"])
    prepared = pipeline[:-1].transform(frame)
    assert hasattr(prepared, "tocsr")


def test_grid_search_finds_the_sensible_value(moons):
    """Weights that are held near zero can't bend around the moons."""
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


def test_halving_search_drops_the_hopeless(moons):
    """Candidates compete for epochs, each round with more of them."""

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


def test_randomised_search_draws_what_is_accepted(moons):
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
    # L-BFGS magnifies rounding: a sample or two may be classified otherwise.
    assert_allclose(found, expected, atol=2 / 150)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_mends_overconfident_probabilities(method):
    """It calibrates the decision function, which MLPClassifier does not have."""
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


def test_voting_averages_the_probabilities(iris):
    X, y = iris
    members = [("mlp", clone(OURS)), ("linear", LogisticRegression())]
    voting = VotingClassifier(members, voting="soft", n_jobs=2).fit(X, y)
    alone = [clone(member).fit(X, y).predict_proba(X) for _, member in members]
    assert_allclose(voting.predict_proba(X), np.mean(alone, axis=0))
    assert voting.score(X, y) > 0.9


def test_bagging_trains_on_samples_and_averages(iris):
    def use(mlp):
        return BaggingClassifier(mlp, 4, random_state=0, n_jobs=2).fit(*iris)

    ours, theirs = both(use)
    X, y = iris
    alone = [member.predict_proba(X) for member in ours.estimators_]
    assert_allclose(ours.predict_proba(X), np.mean(alone, axis=0))
    assert not np.allclose(alone[0], alone[1])
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    assert ours.score(X, y) > 0.9


def test_stacking_feeds_probabilities_to_the_last(iris):
    def use(mlp):
        members = [("mlp", mlp), ("linear", LogisticRegression())]
        stacking = StackingClassifier(members, cv=3, n_jobs=2, passthrough=False)
        return stacking.fit(*iris)

    ours, theirs = both(use)
    X, y = iris
    assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-6, atol=1e-9)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    assert ours.score(X, y) > 0.9


def test_one_versus_rest_makes_a_network_for_each_class(iris):
    X, y = iris
    several = OneVsRestClassifier(clone(OURS), n_jobs=2).fit(X, y)
    assert len(several.estimators_) == 3
    Z = np.column_stack([one.decision_function(X) for one in several.estimators_])
    assert_allclose(several.decision_function(X), Z)
    assert_array_equal(several.predict(X), Z.argmax(axis=1))
    for label, one in enumerate(several.estimators_):
        alone = clone(OURS).fit(X, y == label)
        assert_array_equal(one.decision_function(X), alone.decision_function(X))


def test_permutation_importance_ranks_what_matters():
    """Of three features the first decides, and the last is never looked at."""
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


def test_the_decision_boundary_is_drawn_where_the_classes_part(moons):
    """By the decision function, whose sign tells the classes apart."""
    X, y = moons
    mlp = clone(OURS).fit(X, y)
    display = DecisionBoundaryDisplay.from_estimator(
        mlp, X, response_method="auto", grid_resolution=20, plot_method="contourf"
    )
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    shown = display.response.ravel()
    assert_allclose(shown, mlp.decision_function(grid))
    assert_array_equal(shown > 0, mlp.predict(grid) == 1)
    assert len(display.figure_.axes) == 1
    mpl.pyplot.close(display.figure_)


def test_the_learning_curve_rises_with_the_samples(moons):
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
    few, all_ = test_scores.mean(axis=1)
    assert few < all_
    incremental = learning_curve(
        clone(OURS), *moons, cv=3, exploit_incremental_learning=True
    )
    assert incremental[2].shape == (5, 3)


def test_predictions_by_folds_are_those_of_mlp_classifier(iris):
    def use(mlp):
        return cross_val_predict(mlp, *iris, cv=3, method="predict_proba", n_jobs=2)

    ours, theirs = both(use)
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
