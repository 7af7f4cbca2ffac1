"""Further training of hedged ensembles and table pipelines by ``partial_fit``."""

import copy
import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import QUICK, table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import is_classifier
from strategies import seeds

from skscratch import (
    Checkpoint,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.tabular import HedgedClassifier, HedgedRegressor, members
from skscratch.tabular.incremental import RATE_SHARE, train_further

RECIPES = {"classifier": make_tabular_classifier, "regressor": make_tabular_regressor}
each_recipe = pytest.mark.parametrize("task", RECIPES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_ROWS = 30


def make_data(task, n_rows=N_ROWS, seed=0):
    """Rows of the shared table; the regressor's targets are skewed."""
    frame, _ = table()
    rows = np.random.RandomState(seed).randint(N_ROWS, size=n_rows)
    if n_rows == N_ROWS and seed == 0:
        rows = np.arange(N_ROWS)
    frame = frame.iloc[rows].reset_index(drop=True)
    number = frame["real"].fillna(0).to_numpy() + (frame["text"] == "red").to_numpy()
    if task == "classifier":
        return frame, np.where(number > 0.3, "yes", "no")
    return frame, np.exp(2 * number)


def make_fitted(task, **parameters):
    return RECIPES[task](**QUICK | parameters).fit(*make_data(task))


@functools.cache
def _pickled(task):
    return pickle.dumps(make_fitted(task))


def load_fitted(task):
    """Fitted pipeline of its own, without the time of a fit."""
    return pickle.loads(_pickled(task))


def outputs(model, X):
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


def parameters_of(model):
    """Copies of the numbers of all networks."""
    return [
        np.array(network.network_.parameters)
        for each in model["network"].members_
        for network in each.networks
    ]


def assert_continue_alike(model, other, task):
    """Two models predict the same, and further training changes them alike."""
    X, y = make_data(task, 20, seed=9)
    model, other = copy.deepcopy(model), copy.deepcopy(other)
    for _ in range(2):
        for one, two in zip(parameters_of(model), parameters_of(other), strict=True):
            assert_array_equal(one, two)
        assert_array_equal(outputs(model, X), outputs(other, X))
        model.partial_fit(X, y)
        other.partial_fit(X, y)


# What is trained, and what stays


@each_recipe
@given(seed=seeds, n_rows=st.integers(1, 80))
@settings(max_examples=8)
def test_each_network_takes_an_epoch_on_the_encoded_rows(task, seed, n_rows):
    model, before = load_fitted(task), load_fitted(task)
    frame, y = make_data(task, n_rows, seed)
    assert model.partial_fit(frame, y) is model
    inputs = np.asarray(before["columns"].transform(frame), np.float32)
    if task == "regressor":
        y = before["network"].scaler_.transform(y[:, np.newaxis])[:, 0]
    pairs = zip(model["network"].members_, before["network"].members_, strict=True)
    for each, old in pairs:
        targets = y
        if old.scaler is not None:
            targets = old.scaler.transform(y[:, np.newaxis])[:, 0]
        (network,), (expected,) = each.networks, old.networks
        expected.set_params(
            learning_rate="constant",
            learning_rate_init=RATE_SHARE * network.learning_rate_init,
            early_stopping=False,
            restore_best=False,
            scoring=None,
            batch_size=min(32, n_rows),
            averaging=0.99,
        )
        if task == "classifier":
            expected.set_params(temperature_scaling=False)
        expected.partial_fit(old.encoder.transform(inputs), targets)
        assert_array_equal(network.network_.parameters, expected.network_.parameters)
    if task == "regressor":
        assert any(each.scaler is not None for each in model["network"].members_)


@each_recipe
def test_what_fit_has_learned_otherwise_stays(task):
    model = make_fitted(task)
    hedge, names = model["network"], ("weights_", "temperature_", "scaler_")
    kept = {name: getattr(hedge, name, None) for name in names}
    encoders = [each.encoder for each in hedge.members_]
    networks = [each.networks[0] for each in hedge.members_]
    columns = model["columns"], vars(model["columns"]).copy()
    model.partial_fit(*make_data(task, 50, seed=1))
    for name, value in kept.items():
        assert getattr(hedge, name, None) is value
    assert all(
        each.encoder is old for each, old in zip(hedge.members_, encoders, strict=True)
    )
    assert (model["columns"], vars(model["columns"])) == columns
    for each, old in zip(hedge.members_, networks, strict=True):
        (new,) = each.networks
        assert new is not old
        assert new.get_params() == old.get_params()
        for one, other in zip(new.estimators_, old.estimators_, strict=True):
            # Whose splits of the rows of fit are needed no more.
            other = other.get_params() | {"validation_split": None}
            assert one.get_params() == other
        assert getattr(new, "temperature_", None) == getattr(old, "temperature_", None)
        assert not np.array_equal(new.network_.parameters, old.network_.parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 1},
        {"effort": "high"},
        {"share_batches": True},
        {"early_stopping": False},
        {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0.5},
        {"learning_rate": "one_cycle", "warmup_fraction": 0.2, "dropout": 0.1},
        {"dtype": "float64", "restore_best": True},
    ],
)
@each_recipe
def test_any_recipe_can_be_trained_further(task, parameters):
    model = make_fitted(task, **parameters)
    frame, y = make_data(task, 60, seed=1)
    before = [network.get_params() for network in networks_of(model)]
    model.partial_fit(frame, y).partial_fit(frame, y)
    assert np.isfinite(outputs(model, frame)).all()
    assert [network.get_params() for network in networks_of(model)] == before


def networks_of(model):
    return [one for each in model["network"].members_ for one in each.networks]


def test_batches_and_averaging_of_the_user_are_kept():
    model = make_fitted("regressor", batch_size=10, averaging=0.5)
    other = make_fitted("regressor", batch_size=10, averaging=0.5)
    frame, y = make_data("regressor", 40, seed=1)
    model.partial_fit(frame, y)
    network, expected = networks_of(model)[0], networks_of(other)[0]
    expected = pickle.loads(pickle.dumps(expected))
    hedge = other["network"]
    inputs = np.asarray(other["columns"].transform(frame), np.float32)
    expected.set_params(
        learning_rate="constant",
        learning_rate_init=RATE_SHARE * expected.learning_rate_init,
        early_stopping=False,
        scoring=None,
    )
    expected.partial_fit(
        hedge.members_[0].encoder.transform(inputs),
        hedge.scaler_.transform(y[:, np.newaxis])[:, 0],
    )
    assert_array_equal(network.network_.parameters, expected.network_.parameters)


@each_recipe
def test_further_rows_improve_a_model_of_few(task):
    random = np.random.RandomState(0)
    X = random.standard_normal((2500, 3))
    y = X[:, 0] * X[:, 1] + 0.5 * X[:, 2]
    y = (y > 0).astype(int) if task == "classifier" else y
    model = RECIPES[task](random_state=0, n_estimators=1, kinds=("pieces",))
    model.fit(X[:100], y[:100])
    errors = [1 - model.score(X[1500:], y[1500:])]
    for _ in range(4):
        for start in range(100, 1500, 350):
            model.partial_fit(X[start : start + 350], y[start : start + 350])
        errors.append(1 - model.score(X[1500:], y[1500:]))
    assert errors[1] < errors[0]
    assert errors[-1] < 0.8 * errors[0]


# Continuing


@each_recipe
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_continues_as_the_original(task, copied):
    """After ``fit``, and after further training, with its optimizer."""
    model = make_fitted(task)
    assert_continue_alike(model, copied(model), task)
    model.partial_fit(*make_data(task, 40, seed=1))
    assert_continue_alike(model, copied(model), task)


@each_recipe
def test_the_optimizer_continues_from_call_to_call(task):
    """Two calls on halves differ from one on all and from two that begin anew."""
    frame, y = make_data(task, 64, seed=1)
    model = load_fitted(task)
    model.partial_fit(frame, y)
    steps = [len(network.loss_curve_) for network in networks_of(model)]
    members_ = networks_of(model)[0].estimators_
    model.partial_fit(frame, y)
    assert [len(n.loss_curve_) for n in networks_of(model)] == [n + 1 for n in steps]
    # A network with the same parameters but a new optimizer takes other steps.
    new = networks_of(load_fitted(task))[0]
    for one, old in zip(new.estimators_, members_, strict=True):
        one.network_.parameters[...] = old.network_.parameters
    inputs = np.asarray(model["columns"].transform(frame), np.float32)
    inputs = model["network"].members_[0].encoder.transform(inputs)
    if task == "regressor":
        y = model["network"].scaler_.transform(y[:, np.newaxis])[:, 0]
    anew = train_further(new, inputs, y, None)
    assert not np.allclose(
        anew.network_.parameters, networks_of(model)[0].network_.parameters, rtol=1e-6
    )


def test_a_shallow_copy_and_the_old_networks_stay_as_they_were():
    model = load_fitted("classifier")
    frame, y = make_data("classifier")
    hedge = copy.copy(model["network"])
    inputs = np.asarray(model["columns"].transform(frame))
    before, lengths = (
        hedge.predict_proba(inputs),
        len(networks_of(model)[0].loss_curve_),
    )
    old = networks_of(model)[0]
    model.partial_fit(frame, y)
    assert_array_equal(hedge.predict_proba(inputs), before)
    assert len(old.loss_curve_) == lengths
    assert not np.array_equal(model["network"].predict_proba(inputs), before)


# Rows


@each_recipe
def test_rows_are_encoded_as_in_predict(task):
    """Columns in another order, without dropped ones, with unknown categories."""
    frame, y = make_data(task, 40, seed=1)
    frame["text"] = frame["text"].where(frame.index % 3 > 0, "violet")
    fit_on, y_fit = make_data(task)
    fit_on["constant"] = 1
    model = RECIPES[task](**QUICK).fit(fit_on, y_fit)
    other = copy.deepcopy(model)
    model.partial_fit(frame.assign(constant=2), y)
    other.partial_fit(frame[list(frame.columns[::-1])], y)
    for one, two in zip(parameters_of(model), parameters_of(other), strict=True):
        assert_array_equal(one, two)


@each_recipe
def test_rows_without_weight_do_not_count(task):
    frame, y = make_data(task, 40, seed=1)
    weights = np.random.RandomState(0).randint(0, 3, 40).astype(float)
    model, other = load_fitted(task), load_fitted(task)
    model.partial_fit(frame, y, weights)
    counted = weights > 0
    other.partial_fit(frame[counted], y[counted], sample_weight=weights[counted])
    assert_continue_alike(model, other, task)
    unweighted = load_fitted(task).partial_fit(frame[counted], y[counted])
    assert not np.array_equal(parameters_of(model)[0], parameters_of(unweighted)[0])


def test_classes_may_be_missing_or_given_again():
    frame, y = make_data("classifier")
    one_class = y == "yes"
    model, other = load_fitted("classifier"), load_fitted("classifier")
    model.partial_fit(frame[one_class], y[one_class])
    other.partial_fit(frame[one_class], y[one_class], classes=["no", "yes"])
    assert_array_equal(model.classes_, ["no", "yes"])
    assert_continue_alike(model, other, "classifier")


def test_several_targets_and_labels():
    X = np.random.RandomState(0).standard_normal((60, 3))
    labels = (X[:, :2] > 0).astype(int)
    model = make_tabular_classifier(**QUICK).fit(X, labels).partial_fit(X, labels)
    assert model.predict(X).shape == (60, 2)
    numbers = X[:, :2] + 5
    model = make_tabular_regressor(**QUICK).fit(X, numbers).partial_fit(X, numbers)
    assert model.predict(X).shape == (60, 2)
    column = make_tabular_regressor(**QUICK).fit(X, X[:, 0])
    expected = copy.deepcopy(column).partial_fit(X, X[:, 0]).predict(X)
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        column.partial_fit(X, X[:, :1])
    assert_array_equal(column.predict(X), expected)


def test_intervals_stay_those_of_fit():
    random = np.random.RandomState(0)
    X = random.standard_normal((120, 3))
    y = X[:, 0] + random.standard_normal(120)
    model = make_tabular_regressor(intervals=True, **QUICK).fit(X, y)
    before, predicted = model.predict_interval(X), model.predict(X)
    model.partial_fit(X, y)
    assert_array_equal(model.predict_interval(X), before)
    assert not np.array_equal(model.predict(X), predicted)


def test_a_constant_target_stays_constant_or_is_refused():
    X = np.random.RandomState(0).standard_normal((40, 3))
    Y = np.column_stack([X[:, 0], np.full(40, 0.1)])
    model = make_tabular_regressor(**QUICK).fit(X, Y).partial_fit(X, Y)
    assert_array_equal(model.predict(X)[:, 1], Y[:, 1])
    Y[7, 1] = 3.0
    with pytest.raises(ValueError, match=r"y holds 3\.0.* in fit were 0\.1.*call fit"):
        model.partial_fit(X, Y)


# Calls that are refused


def bad_calls(task):
    frame, y = make_data(task)
    missing = y.astype(object)
    missing[3] = np.nan
    calls = {
        "a column is missing": ((frame.drop(columns="real"), y), "'real'"),
        "nan": ((frame, missing), "NaN|nan"),
        "lengths": ((frame, y[:-1]), "inconsistent numbers of samples"),
        "weights": ((frame, y, -np.ones(len(y))), "[Nn]egative"),
        "no weights": ((frame, y, np.zeros(len(y))), "non-zero"),
        "no rows": ((frame[:0], y[:0]), "0 sample"),
        "no targets": ((frame, None), "y"),
        "shape": ((frame, np.column_stack([y, y])), "label|outputs"),
    }
    if task == "classifier":
        calls["unknown class"] = ((frame, np.where(y == "yes", "yes", "new")), "new")
        calls["other classes"] = ((frame, y, None, ["a", "yes"]), "classes=")
    else:
        calls["infinite"] = ((frame, np.full(len(y), np.inf)), "infinity")
        calls["huge"] = ((frame, np.full(len(y), 1e300)), "too large")
        calls["text"] = ((frame, np.full(len(y), "a")), "numbers|convert")
        calls["diverges"] = ((frame, y * 1e25), "non-finite")
    return calls


@pytest.mark.parametrize(
    ("task", "fault"), [(task, fault) for task in RECIPES for fault in bad_calls(task)]
)
def test_a_refused_call_changes_nothing(task, fault):
    arguments, message = bad_calls(task)[fault]
    model, before = load_fitted(task), load_fitted(task)
    kept = vars(model["network"]).copy()
    with pytest.raises(ValueError, match=message):
        model.partial_fit(*arguments)
    assert vars(model["network"]) == kept
    assert_continue_alike(model, before, task)


@each_recipe
def test_a_refused_call_leaves_the_optimizer_as_it_was(task):
    model, before = load_fitted(task), load_fitted(task)
    frame, y = make_data(task, 50, seed=1)
    model.partial_fit(frame, y)
    before.partial_fit(frame, y)
    for arguments, message in bad_calls(task).values():
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*arguments)
    assert_continue_alike(model, before, task)


@each_recipe
@pytest.mark.parametrize("error", [ValueError("third"), KeyboardInterrupt()])
def test_a_failure_in_a_later_kind_changes_none(task, error, fail_at):
    model, before = load_fitted(task), load_fitted(task)
    frame, y = make_data(task, 64, seed=1)
    fail_at(6, error)  # In each kind there are two batches: in the third.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training interrupted by user")
        with pytest.raises(type(error)):
            model.partial_fit(frame, y)
    assert_continue_alike(model, before, task)


@each_recipe
def test_another_thread_predicts_with_all_old_networks_or_all_new(task, monkeypatch):
    model = load_fitted(task)
    frame, y = make_data(task, 40, seed=1)
    before, seen, honest = outputs(model, frame), [], train_further

    def observed(*arguments):
        seen.append(outputs(model, frame))
        return honest(*arguments)

    monkeypatch.setattr(members, "train_further", observed)
    model.partial_fit(frame, y)
    assert len(seen) == len(model["network"].members_)
    for predicted in seen:
        assert_array_equal(predicted, before)
    assert not np.array_equal(outputs(model, frame), before)


def test_only_one_call_at_a_time(monkeypatch):
    model = load_fitted("classifier")
    frame, y = make_data("classifier")
    honest, refused = train_further, []

    def nested(*arguments):
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match="already being fitted"):
                method(frame, y)
        refused.append(True)
        return honest(*arguments)

    monkeypatch.setattr(members, "train_further", nested)
    model.partial_fit(frame, y)
    assert refused


# Where it is not available


@pytest.mark.parametrize("make", [*RECIPES.values(), HedgedClassifier, HedgedRegressor])
def test_there_is_none_before_fit(make):
    model = make()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        model.partial_fit([[1.0]], [1])
    error = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    assert "call fit first" in str(error)


def test_there_is_none_for_solvers_without_steps():
    model = make_fitted("classifier", solver="lbfgs")
    with pytest.raises(AttributeError) as caught:
        model.partial_fit(*make_data("classifier"))
    assert "stochastic" in str(caught.value.__cause__.__cause__)


def test_balanced_classes_are_refused():
    model = make_fitted("classifier", class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced'"):
        model.partial_fit(*make_data("classifier"))


def test_a_checkpoint_of_the_pipeline_is_for_fit_only(tmp_path):
    model = make_tabular_classifier(**QUICK)
    model.set_callbacks(Checkpoint(tmp_path / "training.npz"))
    frame, y = make_data("classifier")
    model.fit(frame, y)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    model.partial_fit(frame, y)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def test_another_network_at_the_end_has_its_own_rules():
    frame, y = make_data("classifier")
    model = make_tabular_classifier(**QUICK)
    model.set_params(network=ScratchMLPClassifier(max_iter=3, random_state=0))
    model.fit(frame, y)
    expected = copy.deepcopy(model["network"])
    expected.partial_fit(model["columns"].transform(frame), y)
    model.partial_fit(frame, y)
    assert_array_equal(model["network"].coefs_[0], expected.coefs_[0])
    model.set_params(network=ScratchMLPRegressor(solver="lbfgs"))
    assert not hasattr(model, "partial_fit")


@each_recipe
def test_weights_need_no_request_of_metadata(task):
    frame, y = make_data(task)
    weights = np.linspace(1, 2, len(y))
    expected = load_fitted(task).partial_fit(frame, y, weights)
    with sklearn.config_context(enable_metadata_routing=True):
        found = load_fitted(task).partial_fit(frame, y, sample_weight=weights)
    assert_continue_alike(found, expected, task)


def test_an_interrupted_fit_can_be_continued(fail_at, monkeypatch):
    """Of an ensemble trained in turn, some networks may be missing."""
    frame, y = make_data("regressor")
    model = make_tabular_regressor(
        **QUICK | {"n_estimators": 3, "learning_rate": "adaptive", "solver": "sgd"}
    )
    fail_at(5, KeyboardInterrupt())  # In the second of three networks.
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(frame, y)
    monkeypatch.undo()
    (network,) = networks_of(model)
    assert len(network.estimators_) < 3
    before = model.predict(frame)
    model.partial_fit(frame, y).partial_fit(frame, y)
    assert networks_of(model)[0].n_estimators == 3
    assert not np.array_equal(model.predict(frame), before)


def test_a_polars_table_and_a_pandas_table_are_the_same():
    polars = pytest.importorskip("polars", reason="polars is optional")
    frame = pd.DataFrame({"a": np.arange(40.0) % 7, "b": ["x", "y"] * 20})
    y = np.arange(40) % 3
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    other = copy.deepcopy(model)
    model.partial_fit(frame, y)
    other.partial_fit(polars.DataFrame(frame.to_dict("list")), y)
    assert_array_equal(model.predict_proba(frame), other.predict_proba(frame))
