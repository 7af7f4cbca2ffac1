"""Bad values of parameters are refused by name, and change nothing."""

import contextlib
import inspect

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import (
    ESTIMATORS,
    SMALL,
    STATES,
    Estimators,
    Refused,
    alternating,
    assert_all_differ,
    assert_refused,
    assert_works_or_is_refused,
    each_case,
    every_estimator,
    grid,
    is_worded,
)
from sklearn.model_selection import KFold

from skscratch import Checkpoint, ScratchMLPClassifier, ScratchMLPRegressor

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAN, INF = np.nan, np.inf

# For each parameter, values out of its range and of the wrong type.
BAD_VALUES = {
    "loss": ["absolute_errors", None],
    "hidden_layer_sizes": [0, -1, 2.5, "3", None],
    "activation": ["softmax", None, 3],
    "solver": ["newton", None, 3],
    "alpha": [-1, "a", NAN, INF, None, 1j],
    "batch_size": [0, -5, 2.5, "all", None],
    "learning_rate": ["faster", 0.1, None],
    "learning_rate_init": [0, -0.1, NAN, INF, "a", None],
    "power_t": [-1, NAN, INF, "a"],
    "max_iter": [0, 2.5, INF, "a", None],
    "shuffle": ["yes", 1, None],
    "random_state": [-1, 2**40, 0.5, "today"],
    "tol": [-1, NAN, INF, "a"],
    "verbose": [-1, "yes", None],
    "warm_start": ["yes", 1, None],
    "momentum": [-0.1, 1.5, NAN, "a"],
    "nesterovs_momentum": ["yes", 0, None],
    "early_stopping": ["yes", 1, None],
    "validation_fraction": [-0.1, 1.0, NAN, "a"],
    "beta_1": [-0.1, 1.0, NAN, "a"],
    "beta_2": [-0.1, 1.0, NAN, "a"],
    "epsilon": [0, -0.1, INF, "a"],
    "n_iter_no_change": [0, 2.5, NAN, "a", None],
    "max_fun": [0, 2.5, INF, "a"],
    "scoring": ["nope", 3],
    "dropout": [-0.1, 1.0, NAN, "a", None],
    "weight_decay": [-0.1, NAN, INF, "a", None],
    "warmup_fraction": [-0.1, 1.0, NAN, "a"],
    "max_grad_norm": [0.0, -1, NAN, INF, "a"],
    "averaging": [-0.1, 1.0, NAN, "a"],
    "dtype": ["float16", float, None],
    "n_estimators": [0, -1, 2.5, "a", None],
    "restore_best": ["yes", 1, None, "apart"],
    "validation_split": [5, 0.2, "KFold(5)", True, KFold, np.array(3)],
    "init": ["zeros", 1, None],
    "share_batches": ["yes", 1, None],
    "quantile": [0, 1.0, -0.5, "half", None],
    "intervals": ["yes", 1, None],
    "temperature_scaling": ["yes", 1, None],
    "class_weight": ["heavy", 3, 0.5],
    "label_smoothing": [-0.1, 1.0, NAN, "a", None],
}
# Have no upper bound but the largest float.
UNBOUNDED = (
    *("alpha", "learning_rate_init", "power_t", "tol", "epsilon", "weight_decay"),
    "max_grad_norm",
)


def parameter_names(cls):
    return list(inspect.signature(cls).parameters)


def train(estimator, name, t, method="fit"):
    """Fit an estimator, or call its partial_fit for the first time."""
    y = t.y if name == "classifier" else t.numbers
    is_first_part = (name, method) == ("classifier", "partial_fit")
    options = {"classes": [0, 1, 2]} if is_first_part else {}
    return getattr(estimator, method)(t.X, y, **options)


@pytest.mark.parametrize(
    ("name", "method", "parameter", "value"),
    [
        pytest.param(
            *(name, method, parameter, value),
            id=f"{name}-{method}-{parameter}={value!r}",
        )
        for name, cls in ESTIMATORS.items()
        for parameter in parameter_names(cls)
        for value in BAD_VALUES[parameter]
        for method in ("fit", "partial_fit")
        # With another solver the method does not exist: see the table of calls.
        if (method, parameter) != ("partial_fit", "solver")
    ],
)
def test_bad_values_of_parameters_are_refused_by_name(name, method, parameter, value):
    def call(t):
        make = getattr(t, name if method == "fit" else f"new_{name}")
        return train(make(**{parameter: value}), name, t, method)

    message = f"The {parameter!r} parameter of {ESTIMATORS[name].__name__} must be "
    error = assert_refused(Refused(call, message), Estimators())
    assert f"Got {value!r} instead" in " ".join(str(error).split())


@every_estimator
def test_every_parameter_has_bad_values(name):
    assert set(parameter_names(ESTIMATORS[name])) <= BAD_VALUES.keys()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("parameter", UNBOUNDED)
@every_estimator
def test_integers_that_no_float_holds_are_refused(name, parameter, state):
    def call(t):
        return train(getattr(t, name)(**{parameter: 10**400}), name, t)

    message = (
        f"{parameter} must be no larger than 1.8e+308, got an integer of 1329 bits"
    )
    assert_refused(Refused(call, message), Estimators(state))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "value",
    [
        *(
            ["a"],
            ["0.1"],
            [{}],
            [None],
            [1j],
            [[0.1], [0.1, 0.2]],
            [NAN],
            [INF],
            [True],
        ),
        [0.1, 0.2],
    ],
    ids=repr,
)
@every_estimator
def test_dropout_is_a_rate_or_one_for_each_hidden_layer(name, value, state):
    def call(t):
        return train(getattr(t, name)(dropout=value), name, t)

    message = (
        "dropout must be a number from 0 to below 1, or one for each hidden layer (1), "
        f"got {value}"
    )
    assert_refused(Refused(call, message), Estimators(state))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("value", [(3, 0), (2.5,), [[2, 3]], (3, True)], ids=repr)
@every_estimator
def test_sizes_of_hidden_layers_are_positive_integers(name, value, state):
    def call(t):
        return train(getattr(t, name)(hidden_layer_sizes=value), name, t)

    message = (
        "hidden_layer_sizes must be > 0, one integer for each hidden layer, "
        f"got {value}"
    )
    assert_refused(Refused(call, message), Estimators(state))


OF_FIT = {
    "too large a layer of two": Refused(
        lambda t: t.regressor(hidden_layer_sizes=(3, 10**30)).fit(t.X, t.numbers),
        "parameters, the most that networks may have",
    ),
    "an activation too many": Refused(
        lambda t: t.classifier(activation=["relu", "relu"]).fit(t.X, t.y),
        "activation must be one name, or one for each hidden layer (1), got ['relu'",
    ),
    "a list of an unknown activation": Refused(
        lambda t: t.regressor(activation=["softmax"]).fit(t.X, t.numbers),
        "'softplus', 'tanh'], got 'softmax'",
    ),
    # Weights of classes
    "a negative weight of a class": Refused(
        lambda t: t.classifier(class_weight={0: -1}).fit(t.X, t.y),
        "class_weight must hold finite weights that are not negative, got {0: -1}",
    ),
    "a weight of a class is NaN": Refused(
        lambda t: t.classifier(class_weight={1: np.nan}).fit(t.X, t.y),
        "class_weight must hold finite weights that are not negative, got {1: nan}",
    ),
    "negative weights of labels": Refused(
        lambda t: t.classifier(class_weight=[{0: -1}, {0: -1}]).fit(t.X, t.labels),
        "class_weight must hold finite weights that are not negative, got [{0: -1}",
    ),
    "a weight of a class that is not in y": Refused(
        lambda t: t.classifier(class_weight={5: 1}).fit(t.X, t.y),
        "The classes, [0, 1, 2], are not in class_weight",
    ),
    "weights of classes are zero": Refused(
        lambda t: t.classifier(class_weight=dict.fromkeys([0, 1, 2], 0)).fit(t.X, t.y),
        "class_weight leaves no sample with a positive weight",
    ),
    "a weight of a class is text": Refused(
        lambda t: t.classifier(class_weight={0: "a"}).fit(t.X, t.y),
        "class_weight={0: 'a'} can't be used: could not convert string to float",
    ),
    "a weight of a class that no float holds": Refused(
        lambda t: t.classifier(class_weight={0: 10**400}).fit(t.X, t.y),
        "can't be used: int too large to convert to float",
    ),
    "weights of labels for classes": Refused(
        lambda t: t.classifier(class_weight=[{0: 1}]).fit(t.X, t.y),
        "class_weight must be a dict or 'balanced' where a sample has one class",
    ),
    "too few weights of labels": Refused(
        lambda t: t.classifier(class_weight=[{0: 1}]).fit(t.X, t.labels),
        "Got 1 element(s) while having 2 outputs",
    ),
    # What some solvers lack
    "dropout with L-BFGS": Refused(
        lambda t: t.classifier(solver="lbfgs", dropout=0.1).fit(t.X, t.y),
        "dropout=0.1 needs one of the solvers ['adam', 'adamw', 'sgd'], got solver='lb",
    ),
    "dropout of layers with L-BFGS": Refused(
        lambda t: t.regressor(solver="lbfgs", dropout=(0.1,)).fit(t.X, t.numbers),
        "dropout=(0.1,) needs one of the solvers",
    ),
    "clipping with L-BFGS": Refused(
        lambda t: t.classifier(solver="lbfgs", max_grad_norm=1.0).fit(t.X, t.y),
        "max_grad_norm=1.0 needs one of the solvers",
    ),
    "averaging with L-BFGS": Refused(
        lambda t: t.regressor(solver="lbfgs", averaging=0.9).fit(t.X, t.numbers),
        "averaging=0.9 needs one of the solvers",
    ),
    "scoring with L-BFGS": Refused(
        lambda t: t.classifier(scoring="loss", early_stopping=True, solver="lbfgs").fit(
            t.X, t.y
        ),
        "got solver='lbfgs', early_stopping=True",
    ),
    "temperature with L-BFGS": Refused(
        lambda t: t.classifier(
            temperature_scaling=True, early_stopping=True, solver="lbfgs"
        ).fit(t.X, t.y),
        "temperature_scaling=True needs early_stopping=True and one of the solvers "
        "['adam', 'adamw', 'sgd'], got solver='lbfgs', early_stopping=T",
    ),
    "temperature without early stopping": Refused(
        lambda t: t.classifier(temperature_scaling=True).fit(t.X, t.y),
        "temperature_scaling=True needs early_stopping=True and one of the solvers "
        "['adam', 'adamw', 'sgd'], got solver='adam', early_stopping=False",
    ),
    "scoring without early stopping": Refused(
        lambda t: t.regressor(scoring="loss").fit(t.X, t.numbers),
        "scoring='loss' needs early_stopping=True and one of the solvers",
    ),
    "warm-up at a constant rate": Refused(
        lambda t: t.classifier(warmup_fraction=0.1).fit(t.X, t.y),
        "warmup_fraction=0.1 needs learning_rate to be one of ['cosine', 'coslog4'",
    ),
    # Scorers
    "accuracy of a regressor": Refused(
        lambda t: t.regressor(scoring="accuracy", early_stopping=True).fit(
            t.X, t.numbers
        ),
        "continuous is not supported",
    ),
    **{
        f"{scoring} of a regressor": Refused(
            lambda t, scoring=scoring: t.regressor(
                scoring=scoring, early_stopping=True
            ).fit(t.X, t.two_classes),
            f"scoring={scoring!r} does not fit ScratchMLPRegressor: ",
        )
        for scoring in ("roc_auc", "neg_log_loss", "average_precision")
    },
    "roc_auc of three classes": Refused(
        lambda t: t.new_classifier(scoring="roc_auc", early_stopping=True).fit(
            t.X, t.y
        ),
        "scoring='roc_auc' does not fit ScratchMLPClassifier: multi_class must be in",
    ),
    "a scorer that returns text": Refused(
        lambda t: t.regressor(scoring=lambda *_: "a", early_stopping=True).fit(
            t.X, t.numbers
        ),
        "scoring must return a number, got 'a'",
    ),
    "a scorer that returns a list": Refused(
        lambda t: t.classifier(scoring=lambda *_: [1, 2], early_stopping=True).fit(
            t.X, t.y
        ),
        "scoring must return a number, got [1, 2]",
    ),
}
# Whose messages are others for an ensemble: of its validation data, or its size.
OF_ONE_NETWORK = {
    "f1 of three classes": Refused(
        lambda t: t.classifier(scoring="f1", early_stopping=True).fit(t.X, t.y),
        "Target is multiclass but average='binary'",
    ),
    "too large a layer": Refused(
        lambda t: t.classifier(hidden_layer_sizes=10**12).fit(t.X, t.y),
        "hidden_layer_sizes=1000000000000, 4 features and n_estimators=1 make more",
    ),
    "too large a layer, first part": Refused(
        lambda t: t.new_regressor(hidden_layer_sizes=10**12).partial_fit(
            t.X, t.numbers
        ),
        "hidden_layer_sizes=1000000000000, 4 features and n_estimators=1 make more",
    ),
    "too many networks": Refused(
        lambda t: t.classifier(n_estimators=10**12).fit(t.X, t.y),
        "hidden_layer_sizes=(3,), 4 features and n_estimators=1000000000000 make more",
    ),
}


@each_case(OF_FIT)
@pytest.mark.parametrize("state", STATES)
def test_parameters_that_do_not_fit_the_rest_are_refused(case, state):
    assert_refused(case, Estimators(state))


@each_case(OF_ONE_NETWORK)
@pytest.mark.parametrize("state", ["fitted", "unfitted"])
def test_parameters_that_do_not_fit_one_network_are_refused(case, state):
    assert_refused(case, Estimators(state))


@each_case(
    {
        **{
            f"path={path!r}": Refused(
                lambda t, path=path: Checkpoint(path),
                f"path must be the name of a file, got {path!r}",
            )
            for path in (3, None, "", b"a", "/")
        },
        **{
            f"resume={resume!r}": Refused(
                lambda t, resume=resume: Checkpoint("a", resume=resume),
                f"resume must be True or False, got {resume!r}",
            )
            for resume in ("yes", 1)
        },
    }
)
def test_a_checkpoint_refuses_bad_parameters(case):
    assert_refused(case, None)


def test_no_call_is_in_the_tables_twice():
    assert_all_differ(OF_FIT, OF_ONE_NETWORK)


VALUES = [
    *(-1, 0, 1, 2, 3, 2**30, -0.5, 0.0, 0.1, 0.5, 0.9, 1.0, 1.5, 1e-8, 1e-320),
    *(np.inf, -np.inf, np.nan, 1j, True, False, None, "", "auto", "warn", "3", b"relu"),
    *(10**400, -(10**400)),
    *(np.True_, np.int64(3), np.float32(0.5), np.float64(0.1), np.array(2)),
    *("adam", "sgd", "adamw", "lbfgs", "constant", "invscaling", "adaptive"),
    *("cosine", "one_cycle", "coslog4", "relu", "tanh", "gelu", "softmax"),
    *("loss", "accuracy", "r2", "balanced", "poisson", "squared_error"),
    *("float32", "float64", "float16", np.float32, float, len, object(), Ellipsis),
    *((), (3,), [3, 2], (0,), (2.5,), [[2]], np.array([4]), pd.Series([2]), [None]),
    *(["relu"], ("tanh", "relu"), [0.1], (0.1, 0.2), [np.nan], {3: 2}, {0: 1, 1: 2}),
    *(["a"], ["0.1"], [{}], [[0.1], [0.1, 0.2]], [1j], [10**400], {0: "a"}, {0: [1]}),
    *({0: -1}, {"a": 1}, {3}, range(2), slice(3), lambda *_: 1.0),
    *(np.random, np.random.RandomState(0), np.random.default_rng(0)),
]


def is_too_much_work(parameter, value):
    """Return whether a good value takes too long, or too much memory, for a test."""
    large = {
        "hidden_layer_sizes": [2**30],
        "max_iter": [2**30, 10**400],
        "n_estimators": [2**30, 10**400],
    }
    return isinstance(value, int) and value in large.get(parameter, [])


@st.composite
def settings_good_or_bad(draw, name):
    """Values of up to three parameters, most of them bad."""
    names = st.sampled_from(parameter_names(ESTIMATORS[name]))
    chosen = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return {
        parameter: draw(
            st.one_of(st.sampled_from(VALUES), st.floats()).filter(
                lambda value, parameter=parameter: (
                    not is_too_much_work(parameter, value)
                )
            )
        )
        for parameter in chosen
    }


@given(st.data())
@settings(max_examples=300)
def test_arbitrary_parameters_work_or_are_refused(data):
    name = data.draw(st.sampled_from(list(ESTIMATORS)))
    estimator = ESTIMATORS[name](**SMALL | data.draw(settings_good_or_bad(name)))
    n_samples = data.draw(st.sampled_from([4, 12]))
    X, y = grid(n_samples, 3), alternating(n_samples)
    with contextlib.redirect_stdout(None):
        assert_works_or_is_refused(estimator, "fit", X, y)


class Accident(np.random.RandomState):
    """A source of draws that fails by accident, as NumPy might."""

    def uniform(self, *_):
        raise ValueError("an accident")


@pytest.mark.parametrize(
    ("bad", "worded"),
    [
        ({"alpha": -1}, True),
        ({"hidden_layer_sizes": (0,)}, True),
        ({"random_state": Accident()}, False),
    ],
    ids=["by scikit-learn", "by us", "by accident"],
)
def test_the_check_itself_tells_refusals_from_accidents(bad, worded):
    X, y = grid(4, 2), alternating(4)
    with pytest.raises((ValueError, TypeError)) as caught:
        ScratchMLPClassifier(**SMALL | bad).fit(X, y)
    assert is_worded(caught.value) == worded


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": "faster"}, "'learning_rate' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"max_grad_norm": -1.0}, "'max_grad_norm' parameter"),
        ({"momentum": "a"}, "'momentum' parameter"),
        ({"averaging": 1.0}, "'averaging' parameter"),
    ],
)
@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_parameters_of_a_fitted_estimator_are_checked_in_a_stream(
    cls, parameters, message
):
    X = np.random.RandomState(0).standard_normal((20, 3))
    y = np.arange(20) % 2
    estimator = cls(hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(X, y)
    before = estimator.predict(X)
    with pytest.raises(ValueError, match=message):
        estimator.set_params(**parameters).partial_fit(X, y)
    np.testing.assert_array_equal(estimator.predict(X), before)


@every_estimator
def test_parameters_are_not_checked_where_scikit_learn_is_told_not_to(name):
    X, y = grid(12, 3), alternating(12)
    estimator = ESTIMATORS[name](**SMALL).fit(X, y).set_params(verbose="a little")
    with sklearn.config_context(skip_parameter_validation=True):
        estimator.partial_fit(X, y)
        assert sklearn.get_config()["skip_parameter_validation"]
    with pytest.raises(ValueError, match="'verbose' parameter"):
        estimator.partial_fit(X, y)
