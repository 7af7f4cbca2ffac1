"""What scikit-learn's perceptrons lack: each option by its mathematics."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import logits_of, make_data, parameters_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.class_weight import compute_class_weight
from strategies import few, make_network, make_targets, move_off_kinks, seeds

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    check_gradients,
)
from skscratch.training.averaging import Average
from skscratch.training.calibration import best_temperature
from skscratch.training.regularization import Dropout

# A few epochs are enough for a property; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
PLANNED = sorted(
    name for name, schedule in SCHEDULES.items() if schedule.needs_total_steps
)
both = pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
every_stochastic_solver = pytest.mark.parametrize("solver", sorted(OPTIMIZERS))


def data(cls, n_samples=60, seed=0):
    X, y = make_data("many classes", n_samples, seed=seed)
    if cls is ScratchMLPRegressor:
        y = X[:, 0] - np.abs(X[:, 1])
    return X, y


def assert_same(estimator, other):
    assert_array_equal(parameters_of(estimator), parameters_of(other))
    assert estimator.loss_curve_ == other.loss_curve_


# Dropout


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_with_masks_held_fixed_is_that_of_the_cost(activation):
    random = np.random.RandomState(0)
    sizes, names = [3, 6, 5, 2], [activation, activation, "identity"]
    network = make_network(sizes, names, "log_loss", random)
    A1 = random.standard_normal((3, 8))
    move_off_kinks(network.layers, A1)
    Y = make_targets("log_loss", 2, 8, random)
    masks = Dropout([0.5, 0.3], [6, 5], np.float64, random).masks(8)
    options = {"alpha": 0.2, "masks": masks, "n_directions": 3}
    check_gradients(network, A1.T, Y.T, raise_on_failure=True, **options)
    # Another mask is another function.
    network.cost_and_gradients(A1, Y, masks=masks)
    masked = network.gradients.copy()
    network.cost_and_gradients(A1, Y)
    assert not np.allclose(masked, network.gradients)


@given(rate=st.floats(0.05, 0.95), dtype=st.sampled_from([np.float32, np.float64]))
@few
def test_masks_drop_at_their_rate_and_keep_the_mean(rate, dtype):
    dropout = Dropout([rate, 0.0], [40, 7], dtype, np.random.RandomState(0))
    for n_samples in (500, 500, 3):
        mask, none = dropout.masks(n_samples)
        assert none is None
        assert (mask.shape, mask.dtype) == ((40, n_samples), dtype)
        kept = mask > 0
        assert_allclose(mask[kept], 1 / (1 - rate), rtol=1e-6)
        error = 5 * np.sqrt(rate * (1 - rate) / mask.size)
        assert abs(kept.mean() - (1 - rate)) < error


def test_each_batch_has_masks_of_its_own():
    dropout = Dropout([0.5], [20], np.float64, np.random.RandomState(0))
    first = dropout.masks(30)[0].copy()
    assert not np.array_equal(first, dropout.masks(30)[0])


@both
@every_stochastic_solver
def test_dropout_thins_training_and_not_what_is_predicted(cls, solver):
    X, y = data(cls)
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator.predict(X))
        assert_array_equal(seen[-1], estimator.predict(X))
        return len(seen)

    options = SMALL | {"solver": solver, "early_stopping": True, "scoring": scorer}
    thinned = cls(**options, dropout=0.5).fit(X, y, X_val=X, y_val=y)
    assert_array_equal(thinned.predict(X), seen[-1])
    seen.clear()
    plain = cls(**options).fit(X, y, X_val=X, y_val=y)
    assert thinned.loss_curve_[0] != plain.loss_curve_[0]


@both
def test_dropout_is_a_number_or_one_for_each_layer(cls):
    X, y = data(cls)
    one = cls(**SMALL, dropout=0.4).fit(X, y)
    assert_same(cls(**SMALL, dropout=(0.4, 0.4)).fit(X, y), one)
    assert_same(cls(**SMALL, dropout=[0, 0.0]).fit(X, y), cls(**SMALL).fit(X, y))
    for wrong in ((0.4,), (0.1, 0.2, 0.3), (0.5, 1.0), (-0.1, 0), [[0.1, 0.1]]):
        with pytest.raises(ValueError, match="dropout must be a number"):
            cls(**SMALL, dropout=wrong).fit(X, y)


# Class weights


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", [*sorted(OPTIMIZERS), "lbfgs"])
def test_class_weights_multiply_the_sample_weights(solver, weighted):
    X, y = data(ScratchMLPClassifier)
    y = np.array(["a", "b", "c"])[y % 3]
    random = np.random.RandomState(0)
    weights = random.uniform(0.5, 2, len(y)) if weighted else None
    by_label = {"a": 3.0, "b": 0.5, "c": 1.0}
    product = np.array([by_label[label] for label in y])
    product = product if weights is None else product * weights
    options = SMALL | {"solver": solver, "hidden_layer_sizes": (5,)}
    ours = ScratchMLPClassifier(**options, class_weight=by_label)
    same = ScratchMLPClassifier(**options).fit(X, y, product)
    assert_same(ours.fit(X, y, weights), same)


def test_balanced_classes_weigh_alike():
    X, y = make_data("two classes", 60)
    y = (np.arange(60) < 10).astype(int)
    balanced = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
    by_label = dict(enumerate(balanced))
    ours = ScratchMLPClassifier(**SMALL, class_weight="balanced").fit(X, y)
    assert_same(ours, ScratchMLPClassifier(**SMALL, class_weight=by_label).fit(X, y))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 7.0, 2: 2.0}])
def test_class_weights_mean_what_they_mean_to_logistic_regression(class_weight):
    """Without a hidden layer the two minimise the same cost."""
    X, y = load_iris(return_X_y=True)
    X, y = scale(X)[20:], y[20:]
    ours = ScratchMLPClassifier(
        (), solver="lbfgs", alpha=2.0, tol=1e-7, max_iter=500, random_state=0
    )
    ours.set_params(class_weight=class_weight).fit(X, y)
    theirs = LogisticRegression(
        C=1 / 2.0, class_weight=class_weight, tol=1e-8, max_iter=500
    )
    assert_allclose(ours.predict_proba(X), theirs.fit(X, y).predict_proba(X), atol=2e-4)


def test_labels_have_weights_of_their_own():
    X, Y = make_data("multilabel", 60)
    n_labels = Y.shape[1]
    by_label = [{0: 1.0, 1: 1.0 + i} for i in range(n_labels)]
    product = np.prod(np.where(Y == 1, 1.0 + np.arange(n_labels), 1.0), axis=1)
    ours = ScratchMLPClassifier(**SMALL, class_weight=by_label).fit(X, Y)
    assert_same(ours, ScratchMLPClassifier(**SMALL).fit(X, Y, product))
    ScratchMLPClassifier(**SMALL, class_weight="balanced").fit(X, Y)


def test_a_class_of_weight_zero_stays_a_class():
    X, y = data(ScratchMLPClassifier)
    by_label = dict.fromkeys(np.unique(y).tolist(), 1.0) | {0: 0.0}
    ours = ScratchMLPClassifier(**SMALL, class_weight=by_label).fit(X, y)
    assert_array_equal(ours.classes_, np.unique(y))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scoring": "loss"},
        {"temperature_scaling": True},
        {"n_estimators": 3, "restore_best": "together"},
        {"n_estimators": 3, "solver": "sgd", "learning_rate": "adaptive"},
    ],
)
def test_nothing_of_weight_to_validate_on_is_refused(options):
    X = np.random.RandomState(0).standard_normal((120, 4))
    y = np.r_[[0] * 4, [1] * 58, [2] * 58]
    fitted = ScratchMLPClassifier(**SMALL).fit(X, y)
    before = parameters_of(fitted).copy()
    fitted.set_params(
        early_stopping=True, class_weight={0: 1.0, 1: 0.0, 2: 0.0}, **options
    )
    with pytest.raises(
        ValueError, match=r"weight 0: .* sample_weight and class_weight, raise valid"
    ):
        fitted.fit(X, y)
    assert_array_equal(parameters_of(fitted), before)
    assert fitted.n_iter_ == 5
    if "n_estimators" not in options:
        held_out = {"X_val": X, "y_val": y}
        assert fitted.fit(X, y, **held_out).validation_scores_


def test_class_weights_that_can_not_be_are_refused():
    X, y = make_data("two classes", 40)
    for wrong, message in (
        ({0: 1.0, "other": 2.0}, "class_weight|classes"),
        ({0: -1.0, 1: 1.0}, "class_weight must hold finite weights"),
        ({0: np.nan, 1: 1.0}, "class_weight must hold finite weights"),
        ({0: 0.0, 1: 0.0}, "class_weight leaves no sample"),
        ([{0: 1.0}], "class_weight must be a dict or 'balanced'"),
        ("other", "class_weight"),
    ):
        with pytest.raises(ValueError, match=message):
            ScratchMLPClassifier(**SMALL, class_weight=wrong).fit(X, y)


# Label smoothing


@pytest.mark.parametrize("kind", ["many classes", "two classes", "multilabel"])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_loss_is_that_of_the_smoothed_targets(kind, solver):
    X, y = make_data(kind, 50)
    share, alpha = 0.3, 0.7
    options = SMALL | {"solver": solver, "alpha": alpha, "batch_size": 50}
    ours = ScratchMLPClassifier(**options, label_smoothing=share)
    if solver == "sgd":
        # The first epoch's loss is that of the weights it starts from.
        start = ScratchMLPClassifier(
            **options | {"max_iter": 1}, learning_rate_init=1e-300
        ).fit(X, y)
        network, loss = start.network_, ours.fit(X, y).loss_curve_[0]
    else:
        network, loss = ours.fit(X, y).network_, ours.loss_
    Y = ScratchMLPClassifier(**options).fit(X, y)._targets.encode(y).T.astype(float)
    n_classes = len(Y) if kind == "many classes" else 2
    smoothed = (1 - share) * Y + share / n_classes
    assert loss == pytest.approx(network.cost(X.T, smoothed, alpha=alpha), rel=1e-10)


@pytest.mark.parametrize(("n_classes", "certainty"), [(2, 0.9), (4, 0.85)])
def test_probabilities_become_those_of_the_smoothed_targets(n_classes, certainty):
    """Where the classes are plain, training to the end tells what it trained on."""
    y = np.repeat(np.arange(n_classes), 10)
    X = np.eye(n_classes)[y]
    ours = ScratchMLPClassifier(
        (8,), solver="lbfgs", alpha=0.0, tol=1e-8, max_iter=1000, random_state=0
    )
    ours.set_params(label_smoothing=0.2).fit(X, y)
    assert_allclose(ours.predict_proba(X).max(axis=1), certainty, atol=1e-3)


# Gradient clipping


@both
def test_longer_gradients_are_scaled_down_to_the_norm(cls):
    X, y = data(cls)
    options = SMALL | {
        "max_iter": 1,
        "solver": "sgd",
        "momentum": 0.0,
        "batch_size": 60,
    }
    start = cls(**options, learning_rate_init=1e-300).fit(X, y)
    plain = cls(**options, learning_rate_init=0.1).fit(X, y)
    step = parameters_of(plain) - parameters_of(start)
    norm = np.linalg.norm(step) / 0.1
    options["learning_rate_init"] = 0.1
    for share in (0.5, 0.01):
        clipped = cls(**options, max_grad_norm=share * norm).fit(X, y)
        shorter = parameters_of(clipped) - parameters_of(start)
        assert_allclose(shorter, share * step, rtol=1e-6, atol=1e-15)
    assert_same(cls(**options, max_grad_norm=1.01 * norm).fit(X, y), plain)


def test_norm_of_large_gradients_does_not_overflow():
    """The squares of 1e20 are beyond float32."""
    X, y = data(ScratchMLPRegressor)
    clipped = ScratchMLPRegressor(
        **SMALL | {"solver": "sgd", "max_iter": 1}, dtype="float32", max_grad_norm=1.0
    ).fit(X, 1e15 * y)
    before = ScratchMLPRegressor(
        **SMALL | {"solver": "sgd", "max_iter": 1},
        dtype="float32",
        learning_rate_init=1e-30,
        max_grad_norm=1.0,
    ).fit(X, 1e15 * y)
    step = parameters_of(clipped) - parameters_of(before)
    # The length of the first step, with Nesterov's look-ahead.
    assert np.linalg.norm(step) == pytest.approx(0.001 * 1.9, rel=1e-3)


# Averaged weights


@given(decay=st.floats(0, 0.999), n_steps=st.integers(1, 30), seed=seeds)
@few
def test_average_weighs_steps_by_powers_of_the_decay(decay, n_steps, seed):
    path = np.random.RandomState(seed).standard_normal((n_steps, 4))
    average = Average(4, np.float64, decay)
    for parameters in path:
        average.update(parameters)
    weights = decay ** np.arange(n_steps)[::-1]
    assert_allclose(average.mean, weights @ path / weights.sum(), rtol=1e-9, atol=1e-12)


@both
@every_stochastic_solver
def test_average_over_calls_is_that_of_the_raw_steps(cls, solver):
    X, y = data(cls)
    options = SMALL | {"solver": solver, "batch_size": 60, "shuffle": False}
    extra = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    raw, ours = cls(**options), cls(**options, averaging=0.7)
    path = []
    for _ in range(5):
        path.append(parameters_of(raw.partial_fit(X, y, **extra)).copy())
        ours.partial_fit(X, y, **extra)
        weights = 0.7 ** np.arange(len(path))[::-1]
        assert_allclose(
            parameters_of(ours), weights @ np.array(path) / weights.sum(), rtol=1e-8
        )
    # What someone else puts in the place of the average is gone on from.
    ours.coefs_[0][...] = 0
    ours.set_params(learning_rate_init=1e-300).partial_fit(X, y, **extra)
    assert not np.allclose(parameters_of(ours), path[-1])


@both
def test_average_of_decay_zero_is_the_last_step(cls):
    X, y = data(cls)
    for options in ({}, {"early_stopping": True}):
        options = SMALL | options
        assert_same(cls(**options, averaging=0.0).fit(X, y), cls(**options).fit(X, y))


@both
def test_validation_scores_are_those_of_the_average(cls):
    X, y = data(cls)
    options = SMALL | {"averaging": 0.9, "batch_size": 10}
    stopped = cls(**options, early_stopping=True).fit(X, y, X_val=X, y_val=y)
    for n_epochs, score in enumerate(stopped.validation_scores_, start=1):
        shorter = cls(**options | {"max_iter": n_epochs}).fit(X, y)
        assert shorter.score(X, y) == pytest.approx(score, abs=1e-12)


# Schedules


@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_planned_rates_are_those_of_their_formulas(warmup):
    rates = {name: [] for name in PLANNED}
    shares = np.linspace(0, 1, 101)[:-1]
    for name in PLANNED:
        schedule = SCHEDULES[name](0.5, warmup_fraction=warmup)
        assert schedule.rate == schedule_rate(schedule, 0.0)
        rates[name] = [schedule_rate(schedule, share) for share in shares]
    rest = np.maximum(shares - warmup, 0) / (1 - warmup)
    rising = shares < warmup
    ramp = np.minimum(shares / (warmup or 1), 1) if warmup else np.ones(100)
    cosine = np.where(rising, ramp, np.cos(np.pi * rest / 2) ** 2)
    assert_allclose(rates["cosine"], 0.5 * cosine, atol=1e-12)
    up = 1 / 25 + 24 / 25 * np.sin(np.pi * ramp / 2) ** 2
    low = 1 / 250_000
    down = low + (1 - low) * np.cos(np.pi * rest / 2) ** 2
    assert_allclose(rates["one_cycle"], 0.5 * np.where(rising, up, down), atol=1e-12)
    waves = np.sin(np.pi * np.log2(1 + 15 * shares)) ** 2
    assert_allclose(rates["coslog4"], 0.5 * waves * ramp, atol=1e-12)


def schedule_rate(schedule, share):
    schedule.on_step(share)
    return schedule.rate


def test_one_cycle_warms_up_for_three_tenths_unless_told_otherwise():
    schedule = SCHEDULES["one_cycle"](1.0)
    rates = [schedule_rate(schedule, share / 100) for share in range(100)]
    assert np.argmax(rates) == 30
    assert rates[30] == 1.0
    assert SCHEDULES["cosine"](1.0).rate == 1.0


@both
@every_stochastic_solver
@pytest.mark.parametrize("name", PLANNED)
def test_planned_training_runs_to_its_end_at_the_planned_rates(cls, solver, name):
    X, y = data(cls)
    options = SMALL | {"learning_rate": name, "solver": solver, "batch_size": 25}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # It ends where it is meant to end.
        ours = cls(**options, tol=1e9, n_iter_no_change=1).fit(X, y)
    assert ours.n_iter_ == 5
    schedule = SCHEDULES[name](0.001)
    # Three batches an epoch, of which the last is reported.
    expected = [schedule_rate(schedule, (3 * i + 2) / 15) for i in range(5)]
    assert_allclose(ours.learning_rate_curve_, expected, rtol=1e-12)
    other = cls(**options | {"learning_rate": "constant"}).fit(X, y)
    assert not np.allclose(parameters_of(ours), parameters_of(other))


@both
@pytest.mark.parametrize(
    ("n_samples", "options", "n_epochs"),
    [
        # 400 sqrt(n / 1000) steps, of n / 100 batches.
        (100, {"batch_size": 100}, 126),
        (400, {"batch_size": 100}, 63),
        (2500, {"batch_size": 100}, 25),
        (2500, {}, 51),  # Batches of 200.
        (2500, {"batch_size": 10}, 8),
        (16, {"batch_size": "small"}, 51),
        (500, {"batch_size": "small"}, 72),  # Batches of 128.
        (8, {"early_stopping": True, "validation_fraction": 0.5}, 25),
        (3, {"batch_size": 1}, 8),
    ],
)
def test_the_usual_number_of_epochs_goes_by_the_data(cls, n_samples, options, n_epochs):
    X = np.random.RandomState(0).standard_normal((n_samples, 2))
    estimator = cls(
        hidden_layer_sizes=(2,),
        max_iter="auto",
        learning_rate="cosine",
        n_iter_no_change=np.inf,
        random_state=0,
        **options,
    )
    y = X[:, 0] if cls is ScratchMLPRegressor else np.arange(n_samples) % 2
    assert estimator.fit(X, y).n_iter_ == n_epochs
    if options == {"batch_size": 100}:
        # The plan is for so many epochs: the rate comes to its end.
        assert estimator.learning_rate_curve_[-1] < 1e-4


@both
def test_planned_training_is_cut_short_by_validation_alone(cls):
    X, y = data(cls)
    options = SMALL | {"learning_rate": "cosine", "max_iter": 50, "tol": 1e9}
    ours = cls(**options, n_iter_no_change=2, early_stopping=True).fit(X, y)
    assert ours.n_iter_ == 4


@both
def test_learning_rates_of_other_schedules_are_told_as_well(cls):
    X, y = data(cls)
    assert cls(**SMALL).fit(X, y).learning_rate_curve_ == [0.001] * 5
    lbfgs = cls(**SMALL, solver="lbfgs").fit(X, y)
    assert lbfgs.learning_rate_curve_ is None
    adaptive = SMALL | {"solver": "sgd", "learning_rate": "adaptive", "max_iter": 6}
    rates = cls(**adaptive, tol=1e9, n_iter_no_change=1).fit(X, y).learning_rate_curve_
    assert_allclose(rates, [0.001] * 3 + [0.0002] * 2 + [0.00004])


# Validation data of the user's own, and what is scored


@both
def test_own_validation_data_are_scored_epoch_by_epoch(cls):
    X, y = data(cls, 80)
    X_val, y_val, X, y = X[:20], y[:20], X[20:], y[20:]
    weights = np.random.RandomState(0).uniform(size=20)
    options = SMALL | {"learning_rate_init": 0.05, "max_iter": 8}
    ours = cls(**options, early_stopping=True)
    ours.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    shorter = [
        cls(**options | {"max_iter": n}).fit(X, y) for n in range(1, ours.n_iter_ + 1)
    ]
    scores = [est.score(X_val, y_val, weights) for est in shorter]
    assert_allclose(ours.validation_scores_, scores, rtol=1e-12)
    assert ours.best_epoch_ == 1 + int(np.argmax(scores))
    best = shorter[ours.best_epoch_ - 1]
    assert_array_equal(parameters_of(ours), parameters_of(best))


@both
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, list])
def test_own_validation_data_may_have_other_forms(cls, form):
    X, y = data(cls)
    options = SMALL | {"early_stopping": True}
    plain = cls(**options).fit(X, y, X_val=X[:20], y_val=y[:20])
    other = cls(**options).fit(X, y, X_val=form(X[:20]), y_val=list(y[:20]))
    assert_allclose(other.validation_scores_, plain.validation_scores_)


def test_own_validation_data_go_through_a_pipeline():
    X, y = data(ScratchMLPClassifier, 80)
    X = pd.DataFrame(1e3 * X, columns=list("abcd"))
    with sklearn.config_context(enable_metadata_routing=True):
        ours = ScratchMLPClassifier(**SMALL, early_stopping=True)
        ours.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), ours, transform_input=["X_val"])
        pipeline.fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
    scaler = StandardScaler().fit(X[20:])
    alone = ScratchMLPClassifier(**SMALL, early_stopping=True).fit(
        scaler.transform(X[20:]),
        y[20:],
        X_val=scaler.transform(X[:20]),
        y_val=y[:20],
    )
    assert pipeline[-1].validation_scores_ == alone.validation_scores_


@both
def test_validation_data_that_do_not_fit_are_refused(cls):
    X, y = data(cls)
    stopping = cls(**SMALL, early_stopping=True)
    good = {"X_val": X[:9], "y_val": y[:9]}
    nan = X[:9].copy()
    nan[0, 0] = np.nan
    for wrong, message in (
        ({"X_val": X[:9]}, "X_val and y_val must be given together"),
        ({"y_val": y[:9]}, "X_val and y_val must be given together"),
        ({"sample_weight_val": np.ones(9)}, "sample_weight_val needs X_val"),
        (good | {"y_val": y[:8]}, "inconsistent numbers of samples"),
        (good | {"X_val": X[:9, :2]}, "features"),
        (good | {"X_val": nan}, "NaN"),
        (good | {"sample_weight_val": -np.ones(9)}, "sample_weight_val|[Nn]egative"),
        (good | {"sample_weight_val": np.ones(8)}, "sample_weight_val"),
    ):
        with pytest.raises(ValueError, match=message):
            stopping.fit(X, y, **wrong)
    with pytest.raises(ValueError, match="X_val needs early_stopping=True"):
        cls(**SMALL).fit(X, y, **good)


def test_validation_classes_that_were_not_trained_on_are_refused():
    X, y = make_data("two classes", 40)
    stopping = ScratchMLPClassifier(**SMALL, early_stopping=True)
    with pytest.raises(ValueError, match="y_val has classes that are not in y"):
        stopping.fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match="y_val must be one-dimensional, as y is"):
        stopping.fit(X, y, X_val=X, y_val=np.c_[y, y, y])


@pytest.mark.parametrize("kind", ["many classes", "two classes"])
def test_validation_loss_is_the_log_loss(kind):
    X, y = make_data(kind, 60)
    options = SMALL | {"early_stopping": True, "n_iter_no_change": np.inf, "alpha": 9.0}
    ours = ScratchMLPClassifier(**options, scoring="loss")
    ours.fit(X, y, X_val=X[:30], y_val=y[:30])
    assert ours.validation_scores_ == [-loss for loss in ours.validation_loss_curve_]
    expected = log_loss(y[:30], ours.predict_proba(X[:30]), labels=ours.classes_)
    assert min(ours.validation_loss_curve_) == pytest.approx(expected, rel=1e-9)
    assert -ours.best_validation_score_ == min(ours.validation_loss_curve_)


def test_validation_loss_is_half_the_squared_error():
    X, y = data(ScratchMLPRegressor)
    ours = ScratchMLPRegressor(**SMALL, early_stopping=True, scoring="loss")
    ours.fit(X, y, X_val=X[:30], y_val=y[:30])
    expected = mean_squared_error(y[:30], ours.predict(X[:30])) / 2
    assert min(ours.validation_loss_curve_) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "f1_macro", "roc_auc_ovr"])
def test_any_scorer_may_decide(scoring):
    X, y = data(ScratchMLPClassifier, 90)
    options = SMALL | {"learning_rate_init": 0.05}
    ours = ScratchMLPClassifier(**options, early_stopping=True, scoring=scoring)
    frame = pd.DataFrame(X, columns=list("abcd"))
    ours.fit(frame[30:], y[30:], X_val=frame[:30], y_val=y[:30])
    for n, score in enumerate(ours.validation_scores_, start=1):
        shorter = ScratchMLPClassifier(**options | {"max_iter": n}).fit(X[30:], y[30:])
        expected = get_scorer(scoring)(shorter, X[:30], y[:30])
        assert score == pytest.approx(expected, rel=1e-9)
    assert get_scorer(scoring)(ours, frame[:30], y[:30]) == ours.best_validation_score_


@both
def test_scorers_get_the_weights_and_rows_that_were_set_aside(cls):
    X, y = data(cls)
    weights = np.arange(1.0, 61)
    seen = []

    def scorer(estimator, X, y, sample_weight):
        seen.append((X, y, sample_weight))
        return 0.0

    cls(**SMALL, early_stopping=True, scoring=scorer).fit(X, y, weights)
    for X_seen, y_seen, weights_seen in seen:
        rows = weights_seen.astype(int) - 1
        assert len(set(rows)) == len(rows) == 6
        assert_array_equal(X_seen, X[rows])
        assert_array_equal(y_seen, y[rows])


@both
@pytest.mark.parametrize("solver", ["adam", "adamw"])
@pytest.mark.parametrize("averaging", [None, 0.5])
def test_the_last_weights_may_stand_instead_of_the_best(cls, solver, averaging):
    X, y = data(cls)
    options = SMALL | {
        "solver": solver,
        "learning_rate_init": 0.2,
        "averaging": averaging,
    }
    options |= {"max_iter": 12, "n_iter_no_change": np.inf, "early_stopping": True}
    best, last = (
        cls(**options, restore_best=restore).fit(X, y) for restore in (True, False)
    )
    assert best.validation_scores_ == last.validation_scores_
    assert best.best_epoch_ == last.best_epoch_ < 12
    assert not np.allclose(parameters_of(best), parameters_of(last))
    # The best of a training that is cut where it is best is its last.
    assert_array_equal(
        parameters_of(best),
        parameters_of(clone(last).set_params(max_iter=best.best_epoch_).fit(X, y)),
    )


@both
def test_scores_of_nan_never_lose_the_best_weights(cls):
    X, y = data(cls)
    upcoming = iter([0.1, 0.9, np.nan, 0.2, *[np.nan] * 20])
    ours = cls(
        **SMALL | {"max_iter": 20, "n_iter_no_change": 4},
        early_stopping=True,
        scoring=lambda estimator, X, y: next(upcoming),
    ).fit(X, y, X_val=X, y_val=y)
    assert (ours.n_iter_, ours.best_epoch_) == (7, 2)
    assert ours.best_validation_score_ == 0.9
    shorter = cls(**SMALL | {"max_iter": 2}).fit(X, y)
    assert_array_equal(parameters_of(ours), parameters_of(shorter))


def test_scorer_made_by_scikit_learn_sees_probabilities():
    X, y = make_data("two classes", 60)
    scorer = make_scorer(
        log_loss, greater_is_better=False, response_method="predict_proba"
    )
    ours = ScratchMLPClassifier(**SMALL, early_stopping=True, scoring=scorer)
    by_name = ScratchMLPClassifier(**SMALL, early_stopping=True, scoring="neg_log_loss")
    assert ours.fit(X, y).validation_scores_ == by_name.fit(X, y).validation_scores_


# Dtype and activations


@both
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_float64_may_train_in_float32(cls, solver):
    X, y = data(cls)
    options = SMALL | {"solver": solver}
    ours = cls(**options, dtype="float32").fit(X, y)
    assert parameters_of(ours).dtype == np.float32
    assert_same(ours, cls(**options).fit(X.astype(np.float32), y))
    wide = cls(**options, dtype="float64").fit(X.astype(np.float32), y)
    assert parameters_of(wide).dtype == np.float64
    with pytest.raises(ValueError, match="too large for dtype"):
        cls(**options, dtype="float32").fit(1e300 * X, y)


@both
def test_each_layer_may_have_an_activation_of_its_own(cls):
    X, y = data(cls)
    one = cls(**SMALL, activation="tanh").fit(X, y)
    assert_same(cls(**SMALL, activation=["tanh", "tanh"]).fit(X, y), one)
    mixed = cls(**SMALL, activation=("mish", "relu")).fit(X, y)
    names = [layer.activation for layer in mixed.network_.layers]
    assert names == ["mish", "relu", "identity"]
    for wrong in (("tanh",), ("tanh", "relu", "relu"), ("tanh", "nope"), ("tanh", 3)):
        with pytest.raises(ValueError, match="activation must be one"):
            cls(**SMALL, activation=wrong).fit(X, y)


def test_a_grid_may_hold_every_new_option():
    X, y = make_data("two classes", 60)
    grid = {
        "activation": ["relu", ("silu", "elu")],
        "dropout": [0.0, (0.1, 0.2)],
        "class_weight": [None, "balanced"],
        "learning_rate": ["cosine", "one_cycle"],
    }
    search = GridSearchCV(ScratchMLPClassifier(**SMALL), grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 16


# Combinations that can't work


@both
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "lbfgs", "dropout": 0.1}, "dropout=0.1 needs one of the solvers"),
        ({"solver": "lbfgs", "dropout": (0, 0.1)}, "dropout=.* needs one of"),
        ({"solver": "lbfgs", "max_grad_norm": 1.0}, "max_grad_norm=1.0 needs"),
        ({"solver": "lbfgs", "averaging": 0.9}, "averaging=0.9 needs"),
        ({"scoring": "loss"}, "scoring='loss' needs early_stopping=True"),
        (
            {"scoring": "loss", "early_stopping": True, "solver": "lbfgs"},
            "scoring='loss' needs early_stopping=True and one of the solvers",
        ),
        ({"warmup_fraction": 0.1}, "warmup_fraction=0.1 needs learning_rate to be"),
        ({"scoring": "nope", "early_stopping": True}, "scoring"),
        ({"dtype": "float16"}, "dtype"),
        ({"averaging": 1.0}, "averaging"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_combinations_that_can_not_work_are_refused(cls, parameters, message):
    X, y = data(cls)
    fitted = cls(**SMALL).fit(X, y)
    before = pickle.dumps(vars(fitted)["network_"])
    with pytest.raises(ValueError, match=message):
        fitted.set_params(**parameters).fit(X, y)
    assert pickle.dumps(vars(fitted)["network_"]) == before


@both
@pytest.mark.parametrize("name", PLANNED)
def test_streams_have_no_planned_end(cls, name):
    X, y = data(cls)
    extra = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    planned = cls(**SMALL, learning_rate=name)
    assert not hasattr(planned, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        planned.partial_fit(X, y, **extra)
    assert f"got learning_rate='{name}', which is" in str(caught.value.__cause__)


def test_shares_of_classes_in_a_stream_are_not_known():
    X, y = make_data("two classes", 40)
    balanced = ScratchMLPClassifier(**SMALL, class_weight="balanced")
    with pytest.raises(ValueError, match="compute_class_weight and pass a dict"):
        balanced.partial_fit(X, y, classes=[0, 1])
    by_label = ScratchMLPClassifier(**SMALL, class_weight={0: 1.0, 1: 3.0})
    weighted = ScratchMLPClassifier(**SMALL).partial_fit(
        X, y, np.where(y == 1, 3.0, 1.0), classes=[0, 1]
    )
    assert_same(by_label.partial_fit(X, y, classes=[0, 1]), weighted)


# Pickles


@both
@pytest.mark.parametrize("options", [{}, {"averaging": 0.9}, {"solver": "sgd"}])
def test_pickles_are_as_large_as_the_weights(cls, options):
    X, y = data(cls)
    ours = cls(hidden_layer_sizes=(300, 200), max_iter=3, **options).fit(X, y)
    allowed = 1.1 * parameters_of(ours).nbytes + 20_000
    assert len(pickle.dumps(ours)) < allowed
    loaded = pickle.loads(pickle.dumps(ours))
    assert_array_equal(loaded.predict(X), ours.predict(X))
    assert_same(loaded, ours)
    loaded.partial_fit(X, y)  # With a new optimizer.


@both
@pytest.mark.parametrize("averaging", [None, 0.9])
@every_stochastic_solver
def test_a_stream_goes_on_exactly_after_a_pickle(cls, solver, averaging):
    X, y = data(cls)
    extra = {"classes": np.unique(y)} if cls is ScratchMLPClassifier else {}
    ours = cls(**SMALL | {"shuffle": False}, solver=solver, averaging=averaging)
    sizes = []
    for _ in range(4):
        ours.partial_fit(X, y, **extra)
        sizes.append(len(pickle.dumps(ours)))
        loaded = pickle.loads(pickle.dumps(ours))
        twin = copy.deepcopy(ours)
        ours.partial_fit(X, y)
        assert_same(loaded.partial_fit(X, y), ours)
        assert_same(twin.partial_fit(X, y), ours)
    assert sizes[-1] < sizes[0] + 500


@both
def test_the_optimizer_of_a_fit_stays_in_memory(cls):
    X, y = data(cls)
    ours = cls(**SMALL | {"shuffle": False}).fit(X, y)
    twin, other = copy.deepcopy(ours), copy.copy(ours)
    loaded = pickle.loads(pickle.dumps(ours))
    assert twin.network_ is not ours.network_
    other.network_ = copy.deepcopy(ours.network_)
    ours.partial_fit(X, y)
    for going_on in (twin, other):
        assert_same(going_on.partial_fit(X, y), ours)
    fresh = loaded.partial_fit(X, y)
    assert not np.array_equal(parameters_of(fresh), parameters_of(ours))
    assert fresh.loss_curve_[:5] == ours.loss_curve_[:5]


@both
def test_pickles_of_another_version_warn(cls, monkeypatch):
    X, y = data(cls)
    for estimator in (cls(**SMALL), cls(**SMALL).fit(X, y)):
        pickled = pickle.dumps(estimator)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pickle.loads(pickled)
        with monkeypatch.context() as patch:
            patch.setattr("skscratch.estimators.base.__version__", "9.8.7")
            with pytest.warns(UserWarning, match=r"by skscratch .* loaded by 9\.8\.7"):
                loaded = pickle.loads(pickled)
        assert vars(loaded).keys() == vars(estimator).keys()


# Calibration, and what the curves mean


def test_logits_can_be_calibrated_by_a_temperature():
    X, y = load_iris(return_X_y=True)
    for kind in (slice(None), y < 2):
        ours = ScratchMLPClassifier((20,), max_iter=300, random_state=0)
        calibrated = CalibratedClassifierCV(ours, method="temperature", cv=3)
        calibrated.fit(scale(X)[kind], y[kind])
        assert calibrated.score(scale(X)[kind], y[kind]) > 0.9


@pytest.mark.parametrize("kind", ["two classes", "many classes", "multilabel"])
@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_temperature_makes_the_held_out_log_loss_least(kind, n_estimators, is_weighted):
    X, y = make_data(kind, 160)
    weights = np.random.RandomState(0).uniform(0.1, 2, 80) if is_weighted else None
    options = {
        "early_stopping": True,
        "n_iter_no_change": 60,
        "max_iter": 60,
        "learning_rate_init": 0.1,
        "n_estimators": n_estimators,
    }
    held_out = {"X_val": X[80:], "y_val": y[80:], "sample_weight_val": weights}
    plain, scaled = (
        ScratchMLPClassifier(**SMALL | options, temperature_scaling=scaling).fit(
            X[:80], y[:80], **held_out
        )
        for scaling in (False, True)
    )
    assert_array_equal(parameters_of(plain), parameters_of(scaled))
    assert not hasattr(plain, "temperature_")
    # It is the mean of the members' predictions that is judged.
    members = getattr(plain, "estimators_", [plain])
    logits_of_each = [logits_of(member, X[80:]) for member in members]

    def cost(temperature):
        probabilities = []
        for Z in logits_of_each:
            if kind == "many classes":
                P = np.exp(Z / temperature - (Z / temperature).max(axis=1)[:, None])
                probabilities.append(P / P.sum(axis=1, keepdims=True))
            else:
                Z = Z if kind == "multilabel" else Z[:, 0]
                both_ways = [1 / (1 + np.exp(s * Z / temperature)) for s in (-1, 1)]
                probabilities.append(both_ways)
        P, share = np.mean(probabilities, axis=0), 1 / 81
        if kind == "many classes":
            soft = (y[80:, np.newaxis] == plain.classes_) * (1 - share) + share / 4
            losses = -soft * np.log(P)
        else:
            soft = y[80:] * (1 - share) + share / 2
            losses = -soft * np.log(P[0]) - (1 - soft) * np.log(P[1])
        return np.average(losses.reshape(80, -1).sum(axis=1), weights=weights)

    best = scaled.temperature_
    assert cost(best) < min(cost(1.0), cost(best * 1.02), cost(best / 1.02))
    for member in getattr(scaled, "estimators_", []):
        assert member.temperature_ == best
    expected = np.mean(
        [
            member.predict_proba(X)
            for member in getattr(scaled, "estimators_", [scaled])
        ],
        axis=0,
    )
    assert_allclose(scaled.predict_proba(X), expected)
    if n_estimators == 1:
        divided = logits_of(plain, X) / best
        P = scaled.predict_proba(X)
        odds = P if kind == "multilabel" else P[:, 1:]
        if kind == "many classes":
            P, odds = P / P[:, :1], np.exp(divided - divided[:, :1])
            assert_allclose(P, odds)
        else:
            assert_allclose(odds, 1 / (1 + np.exp(-divided)))
        assert_array_equal(scaled.predict(X), plain.predict(X))


def test_temperature_stays_within_reason_where_all_is_right():
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 30, axis=0)
    y = np.repeat([0, 1], 30)
    clf = ScratchMLPClassifier(
        **SMALL | {"max_iter": 60, "learning_rate_init": 0.05},
        early_stopping=True,
        temperature_scaling=True,
    ).fit(X, y, X_val=X[::5], y_val=y[::5])
    # Of 12 rows that are all right, about one in 13 might not have been.
    sureness = clf.predict_proba(X).max(axis=1).mean()
    assert sureness == pytest.approx(1 - 0.5 / 13, abs=0.02)


def test_validation_rows_of_weight_zero_are_left_out():
    X, y = make_data("many classes", 120)
    options = SMALL | {"early_stopping": True, "temperature_scaling": True}
    weights = np.r_[np.ones(20), np.zeros(40)]
    zeros, without = (
        ScratchMLPClassifier(**options).fit(
            X[:60],
            y[:60],
            X_val=X[60:][rows],
            y_val=y[60:][rows],
            sample_weight_val=weights[rows],
        )
        for rows in (slice(60), slice(20))
    )
    assert zeros.temperature_ == without.temperature_
    assert zeros.validation_scores_ == without.validation_scores_


def test_temperature_is_of_the_last_fit():
    X, y = data(ScratchMLPClassifier)
    clf = ScratchMLPClassifier(
        **SMALL, early_stopping=True, temperature_scaling=True, warm_start=True
    )
    expected = ScratchMLPClassifier(**SMALL, early_stopping=True, warm_start=True)
    for _ in range(2):
        clf.fit(X, y)
        expected.fit(X, y)
        assert clf.temperature_ != 1
        # The next call is scored and trained as without it.
        assert clf.validation_loss_curve_ == expected.validation_loss_curve_
    clf.set_params(temperature_scaling=False).fit(X, y)
    assert not hasattr(clf, "temperature_")


def test_a_refused_call_keeps_the_temperature():
    X, y = data(ScratchMLPClassifier)
    clf = ScratchMLPClassifier(**SMALL, early_stopping=True, temperature_scaling=True)
    before = clf.fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match="inconsistent"):
        clf.fit(X, y[:-1])
    assert_array_equal(clf.predict_proba(X), before)
    copied = pickle.loads(pickle.dumps(clf))
    assert_array_equal(copied.predict_proba(X), before)


@given(factor=st.floats(0.05, 20), seed=seeds)
@few
def test_temperature_grows_with_the_outputs(factor, seed):
    random = np.random.RandomState(seed)
    Z = random.standard_normal((3, 50))
    # Targets that follow the probabilities of a temperature of 1.
    P = np.exp(Z) / np.exp(Z).sum(axis=0)
    Y = np.stack([random.multinomial(1, p) for p in P.T], axis=1).astype(float)
    one, other = (
        best_temperature(LOSSES["log_loss"], scaled, Y) for scaled in (Z, factor * Z)
    )
    assert (
        one * factor == pytest.approx(other, rel=0.01)
        or max(one, other, 1 / one, 1 / other) > 40
    )
    perfect = best_temperature(LOSSES["log_loss"], 3 * Y, Y)
    assert 1 / 50 <= perfect < 1


def test_temperature_has_bounds():
    Y, loss = np.eye(3)[:, [0, 1, 2, 0, 1]], LOSSES["log_loss"]
    # The surer, the better, and the other way round.
    assert best_temperature(loss, 0.01 * Y, Y) == pytest.approx(1 / 50, rel=1e-3)
    # Where none is better than none, as for outputs that tell nothing, it is none.
    assert best_temperature(loss, 0 * Y, Y) == 1.0
    assert best_temperature(loss, -100 * Y, Y) == pytest.approx(50, rel=1e-3)


@both
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_curves_of_all_solvers_are_of_the_cost(cls, solver):
    """The losses, weighted, and the L2 term, as the network itself counts them."""
    X, y = data(cls)
    weights = np.random.RandomState(0).uniform(0.5, 2, 60)
    options = SMALL | {"solver": solver, "alpha": 3.0, "batch_size": 60, "tol": 0.0}
    # The weights that the last loss belongs to: gradient descent reports before a step.
    at = cls(**options | ({"max_iter": 4} if solver == "sgd" else {}))
    at.fit(X, y, weights)
    ours = cls(**options).fit(X, y, weights)
    Y = y[np.newaxis] if cls is ScratchMLPRegressor else ours._targets.encode(y).T * 1.0
    expected = at.network_.cost(X.T, Y, alpha=3.0, weights=weights)
    assert ours.loss_curve_[-1] == pytest.approx(expected, rel=1e-9)
    assert ours.loss_ == pytest.approx(expected, rel=1e-9)
    with pytest.warns(ConvergenceWarning):
        cls(**options).fit(X, y)
