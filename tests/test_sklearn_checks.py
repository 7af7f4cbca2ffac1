"""scikit-learn's own checks of an estimator, over the kinds of training there are."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from skscratch import ACTIVATIONS, OPTIMIZERS, SCHEDULES, ScratchMLPClassifier

# The checks train on a few dozen samples: small networks and few epochs are enough,
# at a rate that gives the accuracy some of them ask for.
SMALL = {"hidden_layer_sizes": (10,), "max_iter": 30, "learning_rate_init": 0.05}
CONFIGURATIONS = {
    "as it comes": {"max_iter": 100},
    "sgd": SMALL | {"solver": "sgd"},
    "sgd, adaptive": SMALL
    | {"solver": "sgd", "learning_rate": "adaptive", "nesterovs_momentum": False},
    "lbfgs": SMALL | {"solver": "lbfgs", "tol": 1e-3},
    "identity": SMALL | {"activation": "identity"},
    "logistic": SMALL | {"activation": "logistic"},
    "sigmoid": SMALL | {"activation": "sigmoid"},
    "tanh": SMALL | {"activation": "tanh"},
    "relu": SMALL | {"activation": "relu"},
    "no hidden layer": SMALL | {"hidden_layer_sizes": ()},
    "several hidden layers": SMALL | {"hidden_layer_sizes": [8, 6, 4]},
    "small batches": SMALL | {"batch_size": 4, "max_iter": 10},
    "small batches in order": SMALL
    | {"batch_size": 4, "max_iter": 10, "shuffle": False},
    # What is fitted a second time must come out the same: at the optimum.
    "warm start, lbfgs": SMALL
    | {"solver": "lbfgs", "warm_start": True, "alpha": 3.0, "max_iter": 100},
    "warm start": SMALL
    | {
        "hidden_layer_sizes": (),
        "warm_start": True,
        "alpha": 1.0,
        "max_iter": 200,
        "n_iter_no_change": np.inf,
    },
    "early stopping": SMALL | {"early_stopping": True},
    "early stopping, sgd": SMALL | {"early_stopping": True, "solver": "sgd"},
    "early stopping, lbfgs": SMALL | {"early_stopping": True, "solver": "lbfgs"},
}
ESTIMATORS = [
    ScratchMLPClassifier(**parameters) for parameters in CONFIGURATIONS.values()
]

WEIGHTS = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
PARTIAL_FIT = (
    "check_estimators_partial_fit_n_features",
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
)


def expected_failed_checks(estimator):
    """Reasons by check: what no multilayer perceptron of these parameters can pass."""
    expected = {}
    if estimator.solver == "lbfgs":
        return expected
    if estimator.batch_size != "auto":
        reason = "a repeated row may fall into other minibatches than the first"
        expected |= dict.fromkeys(WEIGHTS, reason)
    if estimator.early_stopping:
        reason = "of repeated rows some may be set aside, a weighted row is or is not"
        expected |= dict.fromkeys(WEIGHTS, reason)
        reason = "early stopping refuses partial_fit, as in scikit-learn"
        expected |= dict.fromkeys(PARTIAL_FIT, reason)
    return expected


# The checks fit on what comes; whether that has converged is not what they are about.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=expected_failed_checks, xfail_strict=True
)
def test_estimator_passes_the_check(estimator, check):
    check(estimator)


def test_the_configurations_cover_the_registries():
    def seen(name):
        return {getattr(estimator, name) for estimator in ESTIMATORS}

    assert seen("solver") == {*OPTIMIZERS, "lbfgs"}
    assert seen("activation") == set(ACTIVATIONS)
    # Inverse scaling counts rows, which a weighted row and a repeated one differ in.
    assert seen("learning_rate") == set(SCHEDULES) - {"invscaling"}


def test_every_check_that_is_expected_to_fail_exists_and_is_strict():
    """A misspelt name would expect nothing; a mark that is not strict, hide a pass."""
    for estimator in ESTIMATORS:
        expected = expected_failed_checks(estimator)
        marks = {
            parameters.values[1].func.__name__: parameters.marks[0]
            for parameters in estimator_checks_generator(
                estimator,
                mark="xfail",
                expected_failed_checks=expected,
                xfail_strict=True,
            )
            if hasattr(parameters, "marks")
        }
        assert {name: mark.kwargs["reason"] for name, mark in marks.items()} == expected
        assert all(mark.kwargs["strict"] for mark in marks.values())
