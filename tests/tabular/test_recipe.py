"""Pipelines for tables: recipes, targets, callbacks, failures and unusual tables."""

import copy
import datetime
import io
import pickle

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from estimator_strategies import QUICK, table
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

from skscratch import (
    PiecewiseLinearEncoder,
    make_tabular_classifier,
    make_tabular_regressor,
    tabular,
)
from skscratch.estimators.class_targets import ClassTargets
from skscratch.estimators.numeric_targets import NumericTargets
from skscratch.tabular import recipe
from skscratch.tabular.recipe import (
    CLASSIFIER_RECIPE,
    INCOMPATIBLE,
    RECIPE,
    REGRESSOR_RECIPE,
    HedgedClassifier,
    HedgedRegressor,
)

each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)


def network_of(model):
    """Network of a recipe's pipeline, one of the fitted ones if the pipeline is."""
    step = model["network"]
    fitted = hasattr(step, "members_")
    return step.members_[0].networks[0] if fitted else step.estimator


@pytest.mark.parametrize("name", tabular.__all__)
def test_the_package_has_the_names_of_the_recipe(name):
    assert getattr(tabular, name) is getattr(recipe, name)
    assert name in dir(tabular)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("OF_CLASSIFIERS", "CLASSIFIER_RECIPE"),
        ("OF_REGRESSORS", "REGRESSOR_RECIPE"),
        ("USELESS", "INCOMPATIBLE"),
    ],
)
def test_old_names_still_work(old, current):
    assert getattr(tabular, old) is getattr(tabular, current)
    assert old not in tabular.__all__


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match=r"'skscratch\.tabular' has no attribute"):
        tabular.NOTHING  # noqa: B018


def test_a_table_of_every_kind_of_column_trains_and_predicts():
    frame, y = table()
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    assert model.predict_proba(frame).shape == (30, 2)
    names = list(model["columns"].get_feature_names_out())
    assert {
        "numbers__real",
        "numbers__missingindicator_real",
        "categories__text_red",
        "categories__mixed_None",
    } <= set(names)
    inputs = model["columns"].transform(frame)
    assert inputs.shape == (30, len(names))
    assert np.isfinite(inputs).all()
    # Unknown categories, and missing values in columns that had none.
    new = frame.copy()
    new["text"] = "purple"
    new.loc[:, "whole"] = 10**9
    new["truth"] = pd.array([None] * 30, dtype="boolean")
    assert np.isfinite(model.predict_proba(new)).all()
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(frame), model.predict(frame)
    )


def test_a_column_that_was_constant_in_training_has_no_effect():
    X = np.random.RandomState(0).standard_normal((40, 2))
    X[:, 1] = 7
    model = make_tabular_classifier(**QUICK).fit(X, X[:, 0] > 0)
    before = model.predict_proba(X)
    X[:, 1] = 100
    assert_array_equal(model.predict_proba(X), before)


@each_recipe
@pytest.mark.parametrize("names", [["real"], ["text"], ["truth"], ["real", "text"]])
def test_a_table_may_have_columns_of_one_type(make, names):
    frame, y = table()
    model = make(**QUICK).fit(frame[names], y)
    assert model.predict(frame[names]).shape == (30,)


@pytest.mark.parametrize("form", [np.asarray, list, pd.DataFrame])
def test_a_table_may_be_an_array_or_a_list(form):
    X, y = load_wine(return_X_y=True)
    X = X.tolist() if form is list else form(X)
    model = make_tabular_classifier(**QUICK).fit(X, y)
    assert model.predict(X).shape == (178,)


def test_columns_that_are_empty_constant_or_huge_are_accepted():
    frame, y = table()
    frame["empty"], frame["constant"] = np.nan, 5
    frame["huge"] = np.geomspace(1, 1e30, 30)
    model = make_tabular_classifier(**QUICK).fit(frame, y)
    assert np.isfinite(model["columns"].transform(frame)).all()


def test_steps_can_be_inspected_tuned_and_replaced():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_tabular_classifier(**QUICK)
    assert is_classifier(model)
    assert isinstance(model, Pipeline)
    assert isinstance(model["columns"], ColumnTransformer)
    assert isinstance(model["network"], HedgedClassifier)
    search = GridSearchCV(
        model,
        {
            "network__estimator__alpha": [0.0, 1.0],
            "columns__numbers__encode": [PiecewiseLinearEncoder(4), "passthrough"],
            "columns__categories": ["drop"],
            "columns__text__n_components": [3],
        },
        cv=2,
        error_score="raise",
    )
    assert search.fit(X, y).best_score_ > 0.3
    for name, value in (RECIPE | CLASSIFIER_RECIPE).items():
        if name not in QUICK:
            assert getattr(model["network"].estimator, name) == value
    assert clone(model).get_params()["network__estimator"].max_iter == 3


def test_a_regressor_standardizes_its_targets():
    X, y = load_diabetes(return_X_y=True)
    options = QUICK | {"max_iter": 40, "random_state": 1}
    model = make_tabular_regressor(**options)
    assert is_regressor(model)
    model.fit(X, y)
    assert isinstance(model["network"], HedgedRegressor)
    for name, value in (RECIPE | REGRESSOR_RECIPE).items():
        if name not in options:
            assert getattr(network_of(model), name) == value
    assert model.score(X, y) > 0.4
    other = clone(model).fit(X, 1000 * y + 7)
    assert_allclose(other.predict(X), 1000 * model.predict(X) + 7, rtol=1e-3)
    # The mean is so large that float32 would lose the deviations from it.
    far = clone(model).fit(X, y + 2.0**33)
    assert_allclose(far.predict(X) - 2.0**33, model.predict(X), rtol=0.02)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("target", ["constant", "rare"])
def test_a_nearly_constant_target_is_learned(loss, target):
    random = np.random.RandomState(0)
    X = pd.DataFrame(random.randn(120, 3), columns=list("abc"))
    y = np.full(120, 7.0) if target == "constant" else (X["a"] > 1.7) * 100.0
    model = make_tabular_regressor(kinds=("pieces",), random_state=0, loss=loss)
    model.fit(X, y)
    networks = [n for m in model["network"].members_ for n in m.networks]
    epochs = [member.best_epoch_ for n in networks for member in n.estimators_]
    # No member keeps the weights of its first epochs for want of a useful score.
    assert min(epochs) > 10
    error = np.abs(model.predict(X) - y).mean()
    assert error < (1 if target == "constant" else 0.5 * np.abs(y - y.mean()).mean())


def test_the_loss_can_be_tuned():
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 2))
    y = random.poisson(np.exp(X[:, 0]))
    model = make_tabular_regressor(**QUICK | {"max_iter": 20})
    losses = {"network__estimator__loss": ["squared_error", "poisson"]}
    search = GridSearchCV(model, losses, cv=2, error_score="raise").fit(X, y)
    assert set(search.cv_results_["rank_test_score"]) == {1, 2}
    alone = make_tabular_regressor(**QUICK | {"max_iter": 20}, loss="poisson").fit(X, y)
    changed = clone(model).set_params(network__estimator__loss="poisson").fit(X, y)
    assert_array_equal(changed.predict(X), alone.predict(X))
    assert (changed.predict(X) > 0).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.date_range("2020", periods=30), "y must be an array of numbers, got"),
        (
            pd.Series(pd.date_range("2020", periods=30, tz="UTC")),
            "y must be an array of",
        ),
        ([datetime.date(2020, 1, 1)] * 30, "y must be an array of numbers: .*date"),
        (np.arange(30) * 1e200, r"y holds numbers too large .* such as 2.9e\+201"),
        (np.arange(60).reshape(30, 2) * 1e200, "y holds numbers too large"),
        ([10**400] * 30, "y must be an array of numbers: int too large"),
        ([{"a": 1}] * 30, "y must be an array of numbers"),
        (np.ones(30) * 1j, "y must be an array of numbers, got complex"),
        (["1", "b"] * 15, "y must be an array of numbers, got <U1"),
        ([1.0, np.nan] * 15, "Input y contains NaN"),
        ([1.0, np.inf] * 15, "Input y contains infinity"),
        (None, "requires y to be passed"),
    ],
)
def test_invalid_targets_are_refused(y, message):
    frame, _ = table()
    with pytest.raises(ValueError, match=message):
        make_tabular_regressor(**QUICK).fit(frame, y)


@each_recipe
@pytest.mark.parametrize("chosen", INCOMPATIBLE)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_incompatible_parameters_of_the_recipe_are_left_out(make, chosen):
    frame, y = table()
    model = make(**QUICK | dict([chosen]))
    assert model.fit(frame, y).predict(frame).shape == (30,)
    network, own_recipe = network_of(model), CLASSIFIER_RECIPE
    if make is make_tabular_regressor:
        own_recipe = REGRESSOR_RECIPE
    settings = RECIPE | own_recipe | QUICK | dict([chosen])
    del settings["random_state"]  # Each network has its own.
    for name, value in settings.items():
        default = getattr(type(network)(), name)
        expected = default if name in INCOMPATIBLE[chosen] else value
        assert getattr(network, name) == expected
    # A parameter that the user has set is refused rather than left out.
    name = next(name for name in INCOMPATIBLE[chosen] if name in own_recipe)
    with pytest.raises(ValueError, match=f"{name}=.* needs early_stopping=True"):
        make(**QUICK | dict([chosen]) | {name: own_recipe[name]}).fit(frame, y)


@each_recipe
def test_inputs_have_the_dtype_of_the_network(make):
    frame, y = table()
    inputs = []
    for options in ({}, {"dtype": "float64"}, {"dtype": "auto"}):
        model = make(**QUICK | options).fit(frame, y)
        inputs.append(model["columns"].transform(frame))
        assert inputs[-1].dtype == network_of(model).network_.dtype
    assert [array.dtype for array in inputs] == ["float32", "float64", "float64"]
    assert_array_equal(inputs[0], inputs[1].astype(np.float32))


@each_recipe
def test_a_small_table_causes_no_warning(make, recwarn):
    frame, y = table()
    make(random_state=0, n_estimators=2).fit(frame, y)
    assert not recwarn.list


def test_predicted_counts_are_positive():
    random = np.random.RandomState(0)
    X = random.standard_normal((80, 2))
    y = random.poisson(np.exp(X[:, 0]))
    model = make_tabular_regressor(**QUICK | {"max_iter": 200}, loss="poisson")
    model.fit(X, y)
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(model.predict(X), np.exp(X[:, 0]))[0, 1] > 0.5


def test_the_recipe_is_accurate():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_tabular_classifier(random_state=0)
    assert cross_val_score(model, X, y, cv=3).mean() > 0.95


@each_recipe
def test_a_fitted_pipeline_can_be_saved_by_skops(make):
    skops_io = pytest.importorskip("skops.io")
    frame, y = table()
    model = make(**QUICK).fit(frame, y)
    file = skops_io.dumps(model)
    types = skops_io.get_untrusted_types(data=file)
    # scikit-learn's own transformers hold NumPy's dtypes.
    assert {n for n in types if not n.startswith("skscratch.")} <= {"numpy.dtype"}
    loaded = skops_io.loads(file, trusted=types)
    assert_array_equal(loaded.predict(frame), model.predict(frame))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(model):
    return pickle.loads(cloudpickle.dumps(model))


@each_recipe
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, by_joblib, by_cloudpickle]
)
def test_copies_predict_the_same_and_can_be_fitted(make, copied):
    frame, y = table()
    unfitted = make(**QUICK)
    model = make(**QUICK).fit(frame, y)
    before = model.predict(frame)
    assert_array_equal(copied(model).predict(frame), before)
    assert_array_equal(copied(unfitted).fit(frame, y).predict(frame), before)


@each_recipe
def test_an_interrupt_of_training_leaves_a_usable_pipeline(make, fail_at):
    frame, y = table()
    model = make(**QUICK).fit(frame, y)
    fail_at(2, KeyboardInterrupt())  # In the second epoch: each has one batch.
    fewer = frame[["real", "text"]]
    with pytest.warns(UserWarning, match="interrupted by user.*finished 1 epochs"):
        model.fit(fewer, y)
    assert np.isfinite(model.predict(fewer)).all()


@pytest.mark.parametrize(
    ("make", "target"),
    [(make_tabular_classifier, "classes"), (make_tabular_regressor, "numbers")],
)
@pytest.mark.parametrize("fault", ["columns", "targets", "parameters", "interrupt"])
def test_a_fit_that_is_refused_changes_nothing(make, target, fault, monkeypatch):
    """Not even the columns, which have been refitted by then."""
    frame, y = table()
    y = y if target == "classes" else frame["whole"] * 1.5
    model = make(**QUICK).fit(frame, y)
    steps, before = model.steps, model.predict(frame)
    other, bad, error = frame[["whole", "text"]], y, ValueError
    if fault == "columns":
        other = other.assign(inf=np.inf)
    elif fault == "targets":
        bad = np.full(30, np.nan)
    elif fault == "parameters":
        model.set_params(network__estimator__alpha=-1.0)
    else:
        error = KeyboardInterrupt

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(ClassTargets, "fit", interrupted)
        monkeypatch.setattr(NumericTargets, "fit", interrupted)
    with pytest.raises(error):
        model.fit(other, bad)
    assert model.steps is steps
    assert_array_equal(model.predict(frame), before)
    assert list(model["columns"].feature_names_in_) == list(frame)


@each_recipe
@pytest.mark.parametrize("fitted", [False, True])
def test_an_error_of_a_callback_keeps_both_steps_consistent(make, fitted):
    frame, y = table()

    class Failing:
        def setup(self, estimator, context):
            """Do nothing."""

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch" and estimator.n_iter_ == 2:
                raise RuntimeError("no more")

    model = make(**QUICK)
    if fitted:
        model.fit(frame, y)
    model["network"].estimator.set_callbacks(Failing())
    fewer = frame[["real", "text"]]
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(fewer, y)
    assert network_of(model).n_iter_ == 2
    assert model.predict(fewer).shape == (30,)


SHAPES = {
    "five rows": (np.arange(15.0).reshape(5, 3), [0, 1, 0, 1, 0]),
    "one column": (np.arange(30.0)[:, None], [0, 1] * 15),
    "one class": (np.arange(30.0)[:, None], [7] * 30),
    "a class of one sample": (np.arange(30.0)[:, None], [0, 1] * 14 + [1, 2]),
    "one sample of two classes": (np.arange(30.0)[:, None], np.arange(30) == 5),
    "constant columns": (np.ones((30, 3)), [0, 1] * 15),
    "equal rows": (np.tile([[1.0, 2.0]], (30, 1)), [0, 1, 2] * 10),
    "only missing values": (np.full((30, 2), np.nan), [0, 1] * 15),
    "10,000 columns": (np.random.RandomState(0).uniform(size=(12, 10_000)), [0, 1] * 6),
    "a class for each of 1,000 rows": (np.arange(1000.0)[:, None], np.arange(1000)),
    "as many categories as rows": (
        np.array([[f"{i}"] for i in range(30)], dtype=object),
        [0, 1] * 15,
    ),
}


@each_recipe
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_unusual_tables_are_accepted(make, shape):
    X, y = SHAPES[shape]
    model = make(**QUICK).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (len(X),)
    assert np.isfinite(predicted).all()
    model.score(X, y)


@each_recipe
@pytest.mark.parametrize("n_rows", [1, 2])
def test_too_few_rows_for_validation_are_refused_or_trained_without(make, n_rows):
    X, y = np.arange(6.0).reshape(3, 2)[:n_rows], [0, 1][:n_rows]
    with pytest.raises(ValueError, match="early stopping needs at least"):
        make(**QUICK).fit(X, y)
    without = {"early_stopping": False}
    if make is make_tabular_classifier:
        without |= {"temperature_scaling": False, "restore_best": True}
    assert make(**QUICK, **without).fit(X, y).predict(X).shape == (n_rows,)


def test_a_table_without_a_seed_leaves_the_global_random_state_alone():
    X = pd.DataFrame(
        {
            "text": [f"word {i} and {i * 7 % 31}" for i in range(240)],
            "category": [f"c{i % 120}" for i in range(240)],
            "number": np.arange(240) % 17,
        }
    )
    model = make_tabular_classifier(**QUICK | {"random_state": None})
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    model.fit(X, np.arange(240) % 2)
    assert {"text", "targets"} <= {
        part for role in model["columns"].describe() for part in role.inputs
    }
    assert_equal(np.random.get_state(legacy=False), before)  # noqa: NPY002
