"""Hedged ensembles: blends of kinds, by weights that held-out rows decide."""

import copy
import pickle
import threading

import numpy as np
import pytest
from estimator_strategies import QUICK
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, TimeSeriesSplit
from sklearn.utils.estimator_checks import parametrize_with_checks
from strategies import few, seeds

from skscratch import LOSSES, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.tabular import HedgedClassifier, HedgedRegressor
from skscratch.tabular.blend import tempered
from skscratch.tabular.defaults import (
    CLASSIFIER_RECIPE,
    REGRESSOR_RECIPE,
    with_recipe,
)
from skscratch.tabular.kinds import KINDS
from skscratch.tabular.members import HeldOut

HEDGES = {"classifier": HedgedClassifier, "regressor": HedgedRegressor}
each_hedge = pytest.mark.parametrize("task", HEDGES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_hedge(task, hedged=None, **parameters):
    """Hedge of small networks; ``hedged`` are parameters of its own."""
    if task == "classifier":
        network = ScratchMLPClassifier(
            **with_recipe(CLASSIFIER_RECIPE, QUICK | parameters)
        )
    else:
        network = ScratchMLPRegressor(
            **with_recipe(REGRESSOR_RECIPE, QUICK | parameters)
        )
    return HEDGES[task](network, **hedged or {})


def draw_data(task, n_samples=90, seed=0, n_classes=3):
    random = np.random.RandomState(seed)
    X = random.standard_normal((n_samples, 4))
    X[:, 3] = X[:, 3] > 0
    y = X[:, 0] * (1 + X[:, 3]) + 0.1 * random.standard_normal(n_samples)
    if task == "classifier":
        y = np.searchsorted(np.quantile(y, np.arange(1, n_classes) / n_classes), y)
    return X, y


@parametrize_with_checks(
    [
        make_hedge("classifier", max_iter=40, learning_rate_init=0.03, dtype="auto"),
        make_hedge("regressor", max_iter=40, learning_rate_init=0.03, dtype="auto"),
    ],
    expected_failed_checks=lambda estimator: (
        {
            f"check_sample_weight_equivalence_on_{kind}_data": (
                "folds and batches of repeated rows are others"
            )
            for kind in ("dense",)
        }
        | dict.fromkeys(
            (
                "check_n_features_in_after_fitting",
                "check_dataframe_column_names_consistency",
            ),
            "partial_fit needs a fitted hedge: fit learns the encoding",
        )
    ),
)
def test_hedges_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


# What is blended


@given(seed=seeds, n_classes=st.integers(2, 4))
@few
def test_probabilities_are_those_of_the_members_blended(seed, n_classes):
    X, y = draw_data("classifier", seed=seed, n_classes=n_classes)
    hedge = make_hedge("classifier").fit(X, y)
    assert_allclose(hedge.weights_.sum(), 1)
    blend = 0
    for members, weight in zip(hedge.members_, hedge.weights_, strict=True):
        inputs = members.encoder.transform(X.astype(np.float32))
        networks = [m for n in members.networks for m in n.estimators_]
        mean = np.mean([n.predict_proba(inputs) for n in networks], axis=0)
        blend = blend + weight * mean
    expected = tempered("log_loss", blend, hedge.temperature_)
    found = hedge.predict_proba(X)
    assert_allclose(found, expected, rtol=1e-5)
    assert_allclose(found.sum(axis=1), 1)
    assert_array_equal(hedge.predict(X), hedge.classes_[found.argmax(axis=1)])
    assert_allclose(hedge.predict_log_proba(X), np.log(found))
    odds = np.log(found / (1 - found))
    expected = odds[:, 1] if n_classes == 2 else odds
    assert_allclose(hedge.decision_function(X), expected, rtol=1e-4, atol=1e-4)


def test_predicted_numbers_are_those_of_the_members_blended():
    X, y = draw_data("regressor")
    y = np.exp(3 * y)
    hedge = make_hedge("regressor", max_iter=40).fit(X, y)
    assert [members.name for members in hedge.members_][-1] == "log_targets"
    blend = 0
    for members, weight in zip(hedge.members_, hedge.weights_, strict=True):
        inputs = members.encoder.transform(X.astype(np.float32))
        predictions = [n.predict(inputs)[:, np.newaxis] for n in members.networks]
        if members.scaler is not None:
            predictions = [members.scaler.inverse_transform(P) for P in predictions]
        blend = blend + weight * np.mean(predictions, axis=0)
    expected = hedge.scaler_.inverse_transform(blend)[:, 0]
    assert_allclose(hedge.predict(X), expected, rtol=1e-5)


STEPS = {
    # Jumps at many places, which only pieces have knots at.
    "pieces": lambda X: (8 * (X[:, 0] % 0.25) > 1).astype(int),
    # A quickly changing function of a number.
    "periodic": lambda X: (np.sin(10 * X[:, 0]) > 0).astype(int),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_kind_that_suits_the_data_counts_most(name):
    X = np.random.RandomState(0).uniform(-1, 1, (800, 2))
    y = STEPS[name](X)
    parameters = {"max_iter": 60, "hidden_layer_sizes": (32, 32)}
    hedge = make_hedge("classifier", {"kinds": (name, "smooth")}, **parameters)
    hedge.fit(X, y)
    weights = dict(zip((m.name for m in hedge.members_), hedge.weights_, strict=True))
    assert weights[name] > 0.6


def test_a_kind_without_weight_gets_no_more_members():
    X = np.random.RandomState(0).uniform(-1, 1, (1500, 1))
    y = (np.sin(12 * X[:, 0]) > 0).astype(int)
    parameters = {"max_iter": 120, "hidden_layer_sizes": (32, 32)}
    hedged = {"kinds": ("smooth", "periodic"), "effort": "high"}
    hedge = make_hedge("classifier", hedged, **parameters).fit(X, y)
    assert [members.name for members in hedge.members_] == ["periodic"]
    assert_array_equal(hedge.weights_, [1.0])
    # As many in each of three rounds.
    assert [n.n_estimators for n in hedge.members_[0].networks] == [2, 2, 2]


@each_hedge
def test_inputs_of_two_values_are_clipped(task):
    """Numbers are clipped by their encoders."""
    X, y = draw_data(task)
    X[:, 3] += 1
    X = np.c_[X, np.full(90, 3.0)]
    hedge = make_hedge(task, max_iter=20).fit(X, y)
    within, outside = X[:20].copy(), X[:20].copy()
    within[:, 3], outside[:, 3] = np.repeat([1, 2], 10), np.repeat([-1e6, 1e6], 10)
    outside[:, 4] = 1e6
    method = "predict_proba" if task == "classifier" else "predict"
    found, expected = (getattr(hedge, method)(rows) for rows in (outside, within))
    assert_array_equal(found, expected)
    assert np.ptp(expected[:10] - expected[10:]) > 0


def test_heavy_tails_are_learned_by_ranks_and_logarithms():
    random = np.random.RandomState(0)
    logs = random.standard_normal((1200, 3))
    X, y = np.exp(2 * logs), np.exp(logs[:, 0] - 2 * logs[:, 1])
    parameters = {"max_iter": 60, "hidden_layer_sizes": (32,)}
    train, test = slice(0, 900), slice(900, None)
    names = ("pieces", "smooth"), ("pieces", "ranks", "log_targets")
    errors = []
    for kinds in names:
        hedge = make_hedge("regressor", {"kinds": kinds}, **parameters)
        hedge.fit(X[train], y[train])
        errors.append(np.square(hedge.predict(X[test]) - y[test]).mean())
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize(
    ("y", "has_logs"),
    [
        (np.exp(np.linspace(-3, 3, 60)), True),
        (-np.exp(np.linspace(-3, 3, 60)), True),
        (np.linspace(-3, 3, 60), False),
        (np.full(60, 7.0), False),
    ],
)
def test_logarithms_are_for_skewed_targets(y, has_logs):
    X, _ = draw_data("regressor", 60)
    hedge = make_hedge("regressor", {"effort": "low"}).fit(X, y)
    assert ("log_targets" in [m.name for m in hedge.members_]) == has_logs
    assert np.isfinite(hedge.predict(X)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_of_zero_do_not_scale_the_logarithms(dtype):
    X, _ = draw_data("regressor", 200)
    y = np.where(X[:, 3] > 0, np.exp(4 * X[:, 0]), 0.0)
    hedge = make_hedge("regressor", {"kinds": ("log_targets",)}, dtype=dtype).fit(X, y)
    scale = hedge.members_[0].scaler["logs"].scale_ * hedge.scaler_["scale"].scale_
    assert_allclose(scale, np.quantile(y[y > 0], 0.05))


# What is held out


@each_hedge
def test_members_hold_out_different_rows(task):
    X, y = draw_data(task)
    seen = []

    class Spy:
        """Callback that notes which rows members are trained on."""

        def setup(self, estimator, context):
            seen.append(estimator.validation_split)

        on_fit_task_begin = on_fit_task_end = teardown = (
            lambda self, estimator, context, **data: None
        )

    hedge = make_hedge(task, {"effort": "high"})
    hedge.estimator.set_callbacks(Spy())
    hedge.fit(X, y)
    n_kinds = len({members.name for members in hedge.members_})
    assert n_kinds + 2 <= len(seen) <= 3 * (len(KINDS) - 1)
    first = [tuple(held.tolist()) for _, held in seen[0]]
    assert len(set(first)) == 2
    # All kinds of a round hold out the same rows, and the next round others.
    assert [tuple(held.tolist()) for _, held in seen[1]] == first
    last = [tuple(held.tolist()) for _, held in seen[-1]]
    assert not set(last) & set(first)
    for train, held in seen[0]:
        assert not np.intersect1d(train, held).size


@each_hedge
@pytest.mark.parametrize("share_batches", [False, True])
def test_held_out_predictions_are_of_rows_that_a_member_was_not_trained_on(
    task, share_batches, monkeypatch
):
    X, y = draw_data(task)
    held_out, trained_on = [], []

    class Spy:
        """Callback that notes the rows that the networks were trained on."""

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            pass

        def on_fit_task_end(self, estimator, context, **data):
            pass

        def teardown(self, estimator, context):
            splits = estimator.validation_split
            taken = splits[:1] * len(splits) if share_batches else splits
            trained_on.extend(train for train, _ in taken)

    add = HeldOut.add

    def noted(self, rows, predictions):
        held_out.append(rows)
        add(self, rows, predictions)

    monkeypatch.setattr(HeldOut, "add", noted)
    hedge = make_hedge(task, {"effort": "high"}, share_batches=share_batches)
    hedge.estimator.set_callbacks(Spy())
    hedge.fit(X, y)
    assert len(held_out) == len(trained_on)
    for rows, train in zip(held_out, trained_on, strict=True):
        assert not np.intersect1d(rows, train).size
    # The next round holds out others.
    assert not np.intersect1d(held_out[0], held_out[-1]).size


@each_hedge
def test_groups_and_later_rows_are_held_out(task):
    X, y = draw_data(task)
    groups = np.arange(90) // 10
    splitter = GroupKFold(3)
    split = [tuple(pair) for pair in splitter.split(X, y, groups)]
    by_groups = make_hedge(task, validation_split=splitter)
    by_rows = make_hedge(task, validation_split=split)
    expected = by_rows.fit(X, y).predict(X)
    assert_array_equal(by_groups.fit(X, y, groups=groups).predict(X), expected)
    by_time = make_hedge(task, validation_split=TimeSeriesSplit(5)).fit(X, y)
    # Two members each: the latest rows are held out, and those before them.
    latest = [(range(75), range(75, 90)), (range(60), range(60, 75))]
    by_rows = make_hedge(task, validation_split=latest).fit(X, y)
    assert_array_equal(by_time.predict(X), by_rows.predict(X))
    with pytest.raises(ValueError, match="groups needs a splitter that uses them"):
        make_hedge(task, validation_split=KFold(3)).fit(X, y, groups=groups)


@each_hedge
def test_splits_may_come_from_an_iterator(task):
    X, y = draw_data(task)
    own = {"intervals": True} if task == "regressor" else {}
    hedge = make_hedge(task, validation_split=KFold(2), **own).fit(X, y)
    again = make_hedge(task, validation_split=KFold(2).split(X), **own).fit(X, y)
    assert_array_equal(again.predict(X), hedge.predict(X))
    if task == "regressor":
        bounds = [one.predict_interval(X, 0.5) for one in (hedge, again)]
        assert_array_equal(*bounds)
    with pytest.raises(ValueError, match="An iterator can be read only once"):
        again.fit(X, y)
    assert_array_equal(again.predict(X), hedge.predict(X))


@each_hedge
def test_validation_data_of_ones_own_decide_the_weights(task):
    X, y = draw_data(task, 200)
    X_val, y_val = X[150:], y[150:]
    hedge = make_hedge(task, {"effort": "low"}, max_iter=20)
    hedge.fit(X[:150], y[:150], X_val=X_val, y_val=y_val)
    again = clone(hedge).fit(
        X[:150], y[:150], X_val=X_val, y_val=y_val, sample_weight_val=np.ones(50)
    )
    assert_allclose(again.weights_, hedge.weights_, rtol=1e-6)
    weights = np.where(X_val[:, 0] > 0, 10.0, 0.1)
    other = clone(hedge).fit(
        X[:150], y[:150], X_val=X_val, y_val=y_val, sample_weight_val=weights
    )
    assert np.abs(other.weights_ - hedge.weights_).max() > 1e-4
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        hedge.fit(X, y, X_val=X_val)


@each_hedge
def test_rows_of_weight_zero_are_left_out(task):
    X, y = draw_data(task)
    weights = np.random.RandomState(0).uniform(0.5, 2, 90)
    more = np.concatenate([X, 100 + X[:20]]), np.concatenate([y, y[:20]])
    hedge = make_hedge(task)
    hedge.fit(*more, np.concatenate([weights, np.zeros(20)]))
    expected = clone(hedge).fit(X, y, weights)
    assert_allclose(hedge.weights_, expected.weights_, rtol=1e-4)
    method = "predict_proba" if task == "classifier" else "predict"
    found = getattr(hedge, method)(X)
    assert_allclose(found, getattr(expected, method)(X), rtol=1e-3, atol=1e-4)


@each_hedge
def test_weights_change_what_is_learned_of_kinds(task):
    X, y = draw_data(task, 300)
    hedge = make_hedge(task, {"effort": "low"}, max_iter=30).fit(X, y)
    weights = np.where(X[:, 0] > 0, 5.0, 0.2)
    other = clone(hedge).fit(X, y, weights)
    assert np.abs(other.weights_ - hedge.weights_).max() > 1e-4


@each_hedge
def test_without_held_out_rows_one_kind_is_trained(task):
    X, y = draw_data(task)
    options = {"early_stopping": False}
    if task == "classifier":
        options |= {"restore_best": True}
    hedge = make_hedge(task, **options).fit(X, y)
    assert [members.name for members in hedge.members_] == ["pieces"]
    assert_array_equal(hedge.weights_, [1.0])
    assert getattr(hedge, "temperature_", 1.0) == 1.0


# Targets


@pytest.mark.parametrize("labels", [("b", "a", "c"), (True, False), (3, 7)])
def test_classes_keep_their_labels(labels):
    X, y = draw_data("classifier", n_classes=len(labels))
    named = np.array(labels)[y]
    hedge = make_hedge("classifier", max_iter=30).fit(X, named)
    assert_array_equal(hedge.classes_, np.unique(labels))
    assert set(hedge.predict(X)) <= set(labels)
    assert hedge.score(X, named) > 0.6


def test_several_labels_are_predicted():
    X, y = draw_data("classifier")
    labels = np.stack([y == 0, y > 0, X[:, 3] > 0], axis=1).astype(int)
    hedge = make_hedge("classifier", max_iter=40, learning_rate_init=0.03)
    hedge.fit(X, labels)
    assert hedge.predict_proba(X).shape == (90, 3)
    assert_array_equal(hedge.predict(X), hedge.predict_proba(X) > 0.5)
    assert (hedge.predict(X) == labels).mean() > 0.8


def test_a_single_class_is_certain():
    X, _ = draw_data("classifier")
    hedge = make_hedge("classifier").fit(X, np.ones(90))
    assert_array_equal(hedge.predict(X), np.ones(90))


def test_several_targets_are_predicted():
    X, y = draw_data("regressor")
    Y = np.column_stack([y, 1e6 - 1e3 * y])
    hedge = make_hedge("regressor", max_iter=60, learning_rate_init=0.02).fit(X, Y)
    assert hedge.predict(X).shape == (90, 2)
    assert hedge.score(X, Y) > 0.7


def test_class_weights_count_in_training_and_in_judging():
    X, y = draw_data("classifier", n_classes=2)
    hedge = make_hedge("classifier", max_iter=20, class_weight={0: 1.0, 1: 20.0})
    heavier = hedge.fit(X, y).predict(X).mean()
    assert (
        heavier
        > clone(hedge)
        .set_params(estimator__class_weight=None)
        .fit(X, y)
        .predict(X)
        .mean()
    )


# Parameters


@each_hedge
def test_what_the_user_has_chosen_is_not_the_kinds_to_change(task):
    X, y = draw_data(task)
    hedge = make_hedge(task, {"kinds": ("smooth", "ranks")}).fit(X, y)
    activations = [m.networks[0].activation for m in hedge.members_]
    assert activations == ["mish", "tanh"]
    chosen = make_hedge(task, {"kinds": ("smooth", "ranks")}, activation="silu")
    chosen.fit(X, y)
    assert {m.networks[0].activation for m in chosen.members_} == {"silu"}


@pytest.mark.parametrize(
    "by_layer", [{"dropout": (0.1, 0.0, 0.2)}, {"activation": ["relu", "tanh", "silu"]}]
)
def test_the_number_of_layers_is_that_of_items_for_each_layer(by_layer):
    X, y = draw_data("classifier")
    parameters = QUICK | {"hidden_layer_sizes": (128, 128, 128)}
    network = ScratchMLPClassifier(**with_recipe(CLASSIFIER_RECIPE, parameters))
    hedge = HedgedClassifier(network, kinds=("pieces", "smooth")).fit(X, y)
    sizes = [m.networks[0].hidden_layer_sizes for m in hedge.members_]
    assert sizes == [(128, 128), (128, 128, 128)]
    hedge.set_params(**{f"estimator__{k}": v for k, v in by_layer.items()}).fit(X, y)
    sizes = {m.networks[0].hidden_layer_sizes for m in hedge.members_}
    assert sizes == {(128, 128, 128)}
    hedge.set_params(estimator__dropout=(0.1, 0.2))
    with pytest.raises(ValueError, match="dropout"):
        hedge.fit(X, y)


@each_hedge
def test_the_same_seed_gives_the_same_hedge(task):
    X, y = draw_data(task)
    hedge = make_hedge(task).fit(X, y)
    again = clone(hedge).fit(X, y)
    assert_array_equal(again.weights_, hedge.weights_)
    assert_array_equal(again.predict(X), hedge.predict(X))
    other = clone(hedge).set_params(estimator__random_state=1).fit(X, y)
    assert not np.array_equal(other.weights_, hedge.weights_)


@each_hedge
def test_more_effort_trains_more_members(task):
    X, y = draw_data(task)
    n_members = []
    for effort in ("low", "default", "high"):
        hedge = make_hedge(task, {"effort": effort, "kinds": ("pieces",)}).fit(X, y)
        networks = hedge.members_[0].networks
        n_members.append(sum(network.n_estimators for network in networks))
    assert n_members == sorted(set(n_members))


@each_hedge
@pytest.mark.parametrize(
    ("hedged", "message"),
    [
        ({"kinds": ("pieces", "nothing")}, "kinds must be 'auto' or a sequence of"),
        ({"kinds": ()}, "kinds must be 'auto' or a sequence of"),
        ({"kinds": ("periodic", "periodic")}, "kinds must be 'auto' or a sequence of"),
        ({"kinds": "pieces"}, "The 'kinds' parameter"),
        ({"effort": "huge"}, "The 'effort' parameter .*'default', 'high', 'low'"),
        ({"time_limit": 0}, "The 'time_limit' parameter"),
        ({"time_limit": "1 h"}, "The 'time_limit' parameter"),
    ],
)
def test_invalid_parameters_are_refused(task, hedged, message):
    X, y = draw_data(task)
    fitted = make_hedge(task).fit(X, y)
    before = fitted.predict(X)
    fitted.set_params(**hedged)
    with pytest.raises(ValueError, match=message):
        fitted.fit(X[:, :2], y)
    assert_array_equal(fitted.predict(X), before)


def test_a_kind_that_does_not_suit_is_refused():
    X, y = draw_data("regressor")
    hedge = make_hedge("regressor", {"kinds": ("log_targets",)})
    with pytest.raises(ValueError, match="no kind that suits these targets"):
        hedge.fit(X, y)


@each_hedge
def test_kinds_can_be_searched_over(task):
    X, y = draw_data(task)
    grid = {
        "kinds": [("pieces",), ("pieces", "periodic")],
        "estimator__alpha": [0.0, 1.0],
    }
    search = GridSearchCV(make_hedge(task), grid, cv=2, error_score="raise")
    assert len(search.fit(X, y).cv_results_["params"]) == 4


@each_hedge
def test_a_kind_of_ones_own_is_trained(task, monkeypatch):
    from sklearn.preprocessing import StandardScaler

    from skscratch.tabular.kinds import Kind

    own = Kind(lambda dtype, seed: [("standard", StandardScaler())], {"dropout": 0.2})
    monkeypatch.setitem(KINDS, "standard", own)
    X, y = draw_data(task)
    hedge = make_hedge(task).fit(X, y)
    (members,) = (m for m in hedge.members_ if m.name == "standard")
    assert members.networks[0].dropout == 0.2
    assert_allclose(members.encoder.transform(X)[:, :3].std(axis=0), 1)


# The life of a fitted hedge


@each_hedge
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_predict_the_same(task, copied):
    X, y = draw_data(task)
    hedge = make_hedge(task).fit(X, y)
    assert_array_equal(copied(hedge).predict(X), hedge.predict(X))


@each_hedge
def test_pickles_hold_no_rows_of_the_training_data(task):
    fitted, further = [], []
    for n_samples in (1500, 6000):  # The quantiles of ranks grow to a thousand.
        X, y = draw_data(task, n_samples)
        hedge = make_hedge(task, max_iter=2, n_estimators=2).fit(X, y)
        fitted.append(len(pickle.dumps(hedge)))
        hedge.partial_fit(X, y)
        further.append(len(pickle.dumps(hedge)))
    for sizes in (fitted, further):
        assert sizes[1] < sizes[0] + 4500  # One byte for each row more.


@each_hedge
def test_an_unfitted_hedge_does_not_predict(task):
    with pytest.raises(NotFittedError):
        make_hedge(task).predict(np.ones((2, 4)))
    assert is_classifier(make_hedge(task)) == (task == "classifier")


def test_predictions_during_a_refit_are_of_one_fit():
    """Between two and three classes, so that a mixture would be seen."""
    X, three = draw_data("classifier", 60)
    two = (three > 0).astype(int)
    hedge = make_hedge("classifier", {"kinds": ("pieces",)}, max_iter=1).fit(X, two)
    errors, shapes, done = [], set(), threading.Event()

    def predict():
        while not done.is_set():
            try:
                shapes.add(hedge.predict_proba(X).shape)
                hedge.predict(X)
                hedge.decision_function(X)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=predict)
    thread.start()
    for number in range(20):
        hedge.fit(X, three if number % 2 else two)
    done.set()
    thread.join()
    assert not errors
    assert shapes <= {(60, 2), (60, 3)}


def test_class_weights_do_not_count_in_validation_data_of_ones_own():
    """As in a single network; they may lack a class."""
    X, y = draw_data("classifier", 150)
    held = np.arange(150) >= 100
    X_val, y_val = X[held], y[held]
    some = y_val > 0
    hedge = make_hedge("classifier", class_weight="balanced")
    hedge.fit(X[~held], y[~held], X_val=X_val[some], y_val=y_val[some])
    assert np.isfinite(hedge.predict_proba(X)).all()


def test_a_row_of_weight_zero_does_not_change_the_scale_of_targets():
    X, y = draw_data("regressor")
    hedge = make_hedge("regressor", max_iter=60, learning_rate_init=0.02)
    hedge.fit(np.r_[X, X[:1]], np.r_[y, 1e6], np.r_[np.ones(90), 0.0])
    assert hedge.score(X, y) > 0.5


@pytest.mark.parametrize("name", ["squared_error", "poisson", "gamma"])
def test_losses_may_be_given_as_objects(name):
    X, y = draw_data("regressor")
    y = np.exp(2 * y)
    by_name = make_hedge("regressor", loss=name).fit(X, y)
    by_object = make_hedge("regressor", loss=LOSSES[name]).fit(X, y)
    assert_array_equal(by_object.predict(X), by_name.predict(X))
    names = [members.name for members in by_name.members_]
    assert ("log_targets" in names) == (name == "squared_error")


def test_probabilities_are_never_zero():
    X = np.random.RandomState(0).standard_normal((300, 2))
    y = (X[:, 0] > 0).astype(int)
    hedge = make_hedge("classifier", max_iter=200, learning_rate_init=0.05)
    hedge.fit(X, y).temperature_ = 1e-3
    assert (hedge.predict_proba(X) > 0).all()
    assert np.isfinite(hedge.predict_log_proba(X)).all()
    assert np.isfinite(hedge.decision_function(X)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"validation_fraction": 0}, "validation_fraction=0 of 90 samples leaves none"),
        ({"validation_fraction": "a"}, "The 'validation_fraction' parameter"),
        ({"n_estimators": 0}, "The 'n_estimators' parameter"),
        ({"activation": "nothing"}, "The 'activation' parameter"),
    ],
)
def test_invalid_parameters_of_the_network_are_refused(parameters, message):
    X, y = draw_data("classifier")
    with pytest.raises(ValueError, match=message):
        make_hedge("classifier", **parameters).fit(X, y)


def test_sizes_of_layers_may_be_an_array():
    X, y = draw_data("classifier")
    hedge = make_hedge("classifier", hidden_layer_sizes=np.array([6])).fit(X, y)
    assert hedge.members_[0].networks[0].network_.layers[0].neurons == 6
