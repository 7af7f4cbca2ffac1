"""scikit-learn's own checks of estimators, over the kinds of training there are."""

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from skscratch import (
    ACTIVATIONS,
    OPTIMIZERS,
    SCHEDULES,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
)

# The checks train on a few dozen samples: small networks and few epochs are enough,
# at a rate that gives the accuracy some of them ask for.
SMALL = {"hidden_layer_sizes": (10,), "max_iter": 30, "learning_rate_init": 0.05}
SEVERAL_LAYERS = SMALL | {"hidden_layer_sizes": [8, 6, 4]}
# Options that scikit-learn lacks, one at a time and then together.
OF_OUR_OWN = {
    "adamw": SMALL | {"solver": "adamw", "weight_decay": 0.1},
    "cosine": SMALL | {"learning_rate": "cosine", "warmup_fraction": 0.1},
    "one cycle": SMALL | {"learning_rate": "one_cycle"},
    "four waves": SMALL | {"learning_rate": "coslog4"},
    "dropout": SMALL | {"dropout": 0.1},
    # Without it, targets in the hundreds make gradient descent diverge.
    "clipped gradients, sgd": SMALL | {"max_grad_norm": 1.0, "solver": "sgd"},
    "averaged": SMALL | {"averaging": 0.8},
    "float32": SMALL | {"dtype": "float32"},
    "several activations": SEVERAL_LAYERS | {"activation": ["relu", "tanh", "sigmoid"]},
    "early stopping by the loss": SMALL | {"early_stopping": True, "scoring": "loss"},
    "ensemble": SMALL | {"n_estimators": 3},
    "ensemble, lbfgs": SMALL | {"n_estimators": 2, "solver": "lbfgs", "tol": 1e-3},
    "shared batches, of one": SMALL | {"share_batches": True},
    "ensemble that shares": SMALL
    | {"n_estimators": 3, "share_batches": True, "early_stopping": True},
    "he": SMALL | {"init": "he"},
    "the last epoch": SMALL | {"early_stopping": True, "restore_best": False},
    "a fold": SMALL | {"early_stopping": True, "validation_split": KFold(3)},
    "folds": SMALL
    | {"n_estimators": 3, "early_stopping": True, "validation_split": KFold(2)},
    "a common best epoch": SMALL
    | {"n_estimators": 3, "early_stopping": True, "restore_best": "together"},
}
TOGETHER = {
    "hidden_layer_sizes": (10, 8),
    "activation": ["relu", "tanh"],
    "solver": "adamw",
    "weight_decay": 0.1,
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "warmup_fraction": 0.1,
    "max_iter": 60,
    "n_iter_no_change": 20,
    "early_stopping": True,
    "scoring": "loss",
    "dropout": [0.1, 0.0],
    "max_grad_norm": 10.0,
    "averaging": 0.5,
    "dtype": "float32",
    "n_estimators": 2,
    "share_batches": True,
    "restore_best": False,
    "validation_split": KFold(3),
    "init": "he",
}
CLASSIFIERS = {
    "as it comes": {"max_iter": 100},
    "sgd": SMALL | {"solver": "sgd"},
    "sgd, adaptive": SMALL
    | {"solver": "sgd", "learning_rate": "adaptive", "nesterovs_momentum": False},
    "lbfgs": SMALL | {"solver": "lbfgs", "tol": 1e-3},
    # Trained until probabilities underflow.
    "saturated": {"solver": "lbfgs", "max_iter": 60},
    **{name: SMALL | {"activation": name, "max_iter": 15} for name in ACTIVATIONS},
    "no hidden layer": SMALL | {"hidden_layer_sizes": ()},
    "several hidden layers": SEVERAL_LAYERS,
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
    "inverse scaling": SMALL
    | {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.1},
    **OF_OUR_OWN,
    "balanced classes": SMALL | {"class_weight": "balanced"},
    "smoothed labels": SMALL | {"label_smoothing": 0.1},
    "temperature": SMALL | {"early_stopping": True, "temperature_scaling": True},
    "together": TOGETHER
    | {
        "class_weight": "balanced",
        "label_smoothing": 0.1,
        "temperature_scaling": True,
    },
}
REGRESSORS = {
    "as it comes": {"max_iter": 100},
    "poisson": SMALL | {"loss": "poisson"},
    "poisson, lbfgs": SMALL
    | {"loss": "poisson", "solver": "lbfgs", "tol": 1e-3, "activation": "tanh"},
    "lbfgs": SMALL | {"solver": "lbfgs", "tol": 1e-3},
    "no hidden layer": SMALL | {"hidden_layer_sizes": ()},
    "small batches": SMALL | {"batch_size": 4, "max_iter": 10},
    "early stopping": SMALL | {"early_stopping": True},
    **OF_OUR_OWN,
    "a quantile": SMALL | {"loss": "quantile", "quantile": 0.4},
    "another quantile": SMALL | {"quantile": 0.4},
    "intervals": SMALL | {"intervals": True, "max_iter": 10},
    "together": TOGETHER | {"quantile": 0.4, "intervals": True},
}
ESTIMATORS = [
    *(ScratchMLPClassifier(**parameters) for parameters in CLASSIFIERS.values()),
    *(ScratchMLPRegressor(**parameters) for parameters in REGRESSORS.values()),
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
PREDICTIONS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
INVARIANCE = (
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
)
MULTIOUTPUT = ("check_regressor_multioutput",)


def expected_failed_checks(estimator):
    """Reasons by check: what no multilayer perceptron of these parameters can pass."""
    has = estimator.get_params().get
    is_single = has("dtype") == "float32"
    # Then there is no partial_fit, which the checks accept.
    is_planned = SCHEDULES[has("learning_rate")].needs_total_steps or has("intervals")
    reasons = [
        (is_single, WEIGHTS, "float32 rounds more than the check forgives"),
        (
            is_single and is_regressor(estimator),
            MULTIOUTPUT,
            "what a network of float32 predicts is float32, as in scikit-learn",
        ),
        (
            has("loss") == "poisson",
            MULTIOUTPUT,
            "its targets are negative, whatever the tag positive_only says",
        ),
    ]
    if estimator.solver != "lbfgs":
        reasons += [
            (
                has("batch_size") != "auto",
                WEIGHTS,
                "a repeated row may fall into other minibatches than the first",
            ),
            (
                has("learning_rate") == "invscaling",
                WEIGHTS,
                "inverse scaling counts rows, as in scikit-learn",
            ),
            (
                has("dropout") != 0,
                WEIGHTS,
                "each of repeated rows draws its own mask, a weighted row draws one",
            ),
            (
                has("early_stopping"),
                WEIGHTS,
                "of repeated rows some may be set aside, a weighted row is or is not",
            ),
            (
                has("early_stopping") and not is_planned,
                PARTIAL_FIT,
                "early stopping refuses partial_fit, as in scikit-learn",
            ),
            (
                has("class_weight") == "balanced" and not is_planned,
                PARTIAL_FIT,
                "balanced classes refuse partial_fit, which sees but a part of them",
            ),
        ]
    return {check: why for holds, checks, why in reasons if holds for check in checks}


# The checks fit on what comes; whether that has converged is not what they are about.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=expected_failed_checks, xfail_strict=True
)
def test_estimator_passes_the_check(estimator, check):
    if estimator.dtype == "float32" and check.func.__name__ in INVARIANCE:
        pytest.skip("asks float64's precision of float32: see the test below")
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if e.dtype == "float32"], ids=repr
)
def test_what_float32_predicts_of_a_row_depends_on_no_other_row(estimator):
    """What the checks of invariance ask, in float32's own precision."""
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 3))
    y = X[:, 0] if is_regressor(estimator) else (X[:, 0] > 0).astype(int)
    fitted = clone(estimator).set_params(random_state=0).fit(X, y)
    shuffled = random.permutation(60)
    names = ["predict"] if is_regressor(estimator) else PREDICTIONS
    for name in names:
        predict = getattr(fitted, name)
        whole, tolerance = predict(X), {"rtol": 1e-4, "atol": 1e-5}
        rows = np.concatenate([predict(row[np.newaxis]) for row in X])
        np.testing.assert_allclose(rows, whole, **tolerance)
        np.testing.assert_allclose(predict(X[shuffled]), whole[shuffled], **tolerance)


def test_the_configurations_cover_the_registries():
    def seen(name):
        values = [getattr(estimator, name) for estimator in ESTIMATORS]
        return {value for value in values if isinstance(value, str)}

    assert seen("solver") == {*OPTIMIZERS, "lbfgs"}
    assert seen("activation") == set(ACTIVATIONS)
    assert seen("learning_rate") == set(SCHEDULES)


@pytest.mark.parametrize(
    ("theirs", "ours", "configurations"),
    [
        (MLPClassifier, ScratchMLPClassifier, CLASSIFIERS),
        (MLPRegressor, ScratchMLPRegressor, REGRESSORS),
    ],
)
def test_each_option_of_our_own_is_set_alone_and_with_all_others(
    theirs, ours, configurations
):
    own = set(ours().get_params()) - set(theirs().get_params())
    assert own
    assert own <= set(configurations["together"])
    chosen = [own & set(parameters) for parameters in configurations.values()]
    assert own == set().union(*(names for names in chosen if len(names) == 1))


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
