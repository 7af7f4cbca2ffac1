"""The regressor's losses: what they predict, and what they go together with."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from estimator_strategies import parameters_of
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import GammaRegressor, QuantileRegressor
from sklearn.metrics import d2_pinball_score, make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV

from skscratch import ScratchMLPRegressor
from skscratch.nn.losses import LOSSES, QuantileLoss

NEW = ["absolute_error", "huber", "huber(0.5)", "quantile", "quantile(0.8)", "gamma"]
SMOOTH = ["huber", "huber(0.5)", "gamma"]
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
every_new = pytest.mark.parametrize("loss", NEW)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n_samples=60, n_targets=1, seed=0):
    """Skewed, positive targets."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((n_samples, 3))
    y = np.exp(X[:, :n_targets] / 2) + random.gamma(2.0, size=(n_samples, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def linear(loss, X, y, **options):
    """Linear model at the optimum of its loss."""
    options = {"learning_rate": "cosine", "learning_rate_init": 0.05} | options
    reg = ScratchMLPRegressor(
        loss, (), alpha=0.0, max_iter=4000, random_state=0, batch_size=len(y), **options
    )
    return reg.fit(X, y)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_a_linear_network_is_quantile_regression(quantile):
    X, y = data()
    ours = linear("quantile", X, y, quantile=quantile)
    theirs = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
    objectives = [
        mean_pinball_loss(y, model.predict(X), alpha=quantile)
        for model in (ours, theirs)
    ]
    assert -1e-12 < objectives[0] - objectives[1] < 1e-3


def test_a_constant_model_of_the_absolute_error_is_the_median():
    _, y = data(61)
    reg = linear("absolute_error", np.zeros((61, 1)), y)
    assert reg.predict([[0.0]])[0] == pytest.approx(np.median(y), abs=1e-3)


def test_a_linear_network_of_the_gamma_loss_is_gamma_regression():
    X, y = data()
    reg = ScratchMLPRegressor(
        "gamma", (), solver="lbfgs", alpha=0.0, tol=1e-8, max_iter=2000
    ).fit(X, y)
    theirs = GammaRegressor(alpha=0.0, tol=1e-8, max_iter=2000).fit(X, y)
    assert_allclose(reg.predict(X), theirs.predict(X), rtol=1e-4)


def test_several_quantiles_hold_their_shares_and_do_not_cross():
    X, y = data(400)
    quantiles = (0.9, 0.1, 0.5)
    reg = ScratchMLPRegressor(
        "quantile",
        (20,),
        quantile=quantiles,
        learning_rate_init=0.01,
        max_iter=150,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y)
    P = reg.predict(X)
    assert P.shape == (400, 3)
    assert_allclose((y[:, np.newaxis] < P).mean(axis=0), quantiles, atol=0.06)
    far = reg.predict(100 * X)
    assert (far[:, 1] <= far[:, 2]).all()
    assert (far[:, 2] <= far[:, 0]).all()


@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.parametrize(
    ("n_targets", "quantile", "shape"),
    [
        (1, 0.3, (60,)),
        (1, [0.3], (60,)),
        (1, [0.3, 0.7], (60, 2)),
        (3, 0.3, (60, 3)),
        (3, np.array([0.3, 0.7]), (60, 3, 2)),
    ],
)
def test_shapes_of_quantiles(n_targets, quantile, shape, n_estimators):
    X, y = data(n_targets=n_targets)
    reg = ScratchMLPRegressor(
        "quantile", quantile=quantile, n_estimators=n_estimators, **SMALL
    ).fit(X, y)
    assert reg.predict(X).shape == shape
    assert reg.predict(X[:1]).shape == (1, *shape[1:])
    again = pickle.loads(pickle.dumps(reg))
    assert_array_equal(again.predict(X), reg.predict(X))
    assert_array_equal(clone(reg).fit(X, y).predict(X), reg.predict(X))
    if len(shape) > (2 if n_targets > 1 else 1):
        with pytest.raises(ValueError, match="score needs one prediction for each tar"):
            reg.score(X, y)
    else:
        assert np.isfinite(reg.score(X, y))


@every_new
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_a_loss_goes_with_everything(loss, n_targets, n_estimators):
    X, y = data(n_targets=n_targets)
    options = SMALL | {"n_estimators": n_estimators, "learning_rate_init": 0.01}
    reg = ScratchMLPRegressor(loss, early_stopping=True, **options)
    weights = np.random.default_rng(0).uniform(0.5, 2, 60)
    reg.fit(X, y, sample_weight=weights)
    # The loss judges the epochs, as R² would be of means.
    assert_allclose(reg.validation_scores_, np.negative(reg.validation_loss_curve_))
    reg.set_params(warm_start=True, max_iter=3).fit(X, y)
    assert len(reg.loss_curve_) == 8
    stream = ScratchMLPRegressor(loss, **options)
    for _ in range(3):
        stream.partial_fit(X, y)
    assert len(stream.loss_curve_) == 3
    assert stream.predict(X).shape == y.shape
    if n_estimators > 1:
        members = [member.predict(X) for member in reg.estimators_]
        assert_allclose(reg.predict(X), np.mean(members, axis=0), rtol=1e-9)


@every_new
def test_an_integer_weight_is_so_many_copies(loss):
    X, y = data()
    weights = np.random.default_rng(0).integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weights)
    options = SMALL | {"shuffle": False}
    if loss == "huber":  # Quantiles of weighted targets are steps.
        options["max_iter"] = 1
    weighted = ScratchMLPRegressor(loss, **options).fit(X, y, sample_weight=weights)
    copied = ScratchMLPRegressor(loss, **options).fit(X[rows], y[rows])
    rtol = 0.05 if loss == "huber" else 1e-6
    assert_allclose(parameters_of(weighted), parameters_of(copied), rtol=rtol)


@every_new
def test_scorers_judge_epochs_and_searches(loss):
    X, y = data()
    scoring = make_scorer(d2_pinball_score, alpha=0.5)
    reg = ScratchMLPRegressor(loss, early_stopping=True, scoring=scoring, **SMALL)
    assert np.isfinite(reg.fit(X, y).validation_scores_).all()
    search = GridSearchCV(
        ScratchMLPRegressor(**SMALL), {"loss": [loss, "squared_error"]}, cv=2
    )
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()


@every_new
def test_lbfgs_minimizes_what_is_smooth(loss):
    X, y = data()
    reg = ScratchMLPRegressor(loss, (6,), solver="lbfgs", random_state=0)
    if loss in SMOOTH:
        reg.fit(X, y)
        assert reg.loss_ < reg.loss_curve_[0]
        return
    with pytest.raises(ValueError, match="solver='lbfgs' needs a loss whose gradient"):
        reg.fit(X, y)
    assert not hasattr(reg, "network_")


@pytest.mark.parametrize(
    ("quantile", "message"),
    [
        (0, "'quantile' parameter"),
        (1.0, "'quantile' parameter"),
        ("half", "'quantile' parameter"),
        ([], "quantile must be a number above 0 and below 1"),
        ([0.5, 2], "quantile must be a number above 0 and below 1"),
        ([[0.5]], "quantile must be a number above 0 and below 1"),
        ([np.nan], "quantile must be a number above 0 and below 1"),
        (["a"], "quantile must be a number above 0 and below 1"),
        ([0.5, 0.5], "quantile must have each quantile once"),
    ],
)
def test_quantiles_that_are_none_are_refused(quantile, message):
    with pytest.raises(ValueError, match=message):
        ScratchMLPRegressor("quantile", quantile=quantile, **SMALL).fit(*data())


def test_targets_that_are_not_positive_are_refused():
    X, y = data()
    y[3] = 0
    with pytest.raises(ValueError, match="y must be positive for loss='gamma', got 0"):
        ScratchMLPRegressor("gamma", **SMALL).fit(X, y)


def test_another_loss_is_not_continued_with():
    X, y = data()
    reg = ScratchMLPRegressor("quantile", quantile=0.5, warm_start=True, **SMALL)
    reg.fit(X, y)
    before = copy.deepcopy(reg)
    with pytest.raises(ValueError, match="is not the loss of the network to continue"):
        reg.set_params(quantile=0.9).fit(X, y)
    assert_array_equal(reg.predict(X), before.predict(X))


def test_the_losses_of_the_registry_are_those_that_are_documented():
    names = {name for name, loss in LOSSES.items() if loss.task == "regression"}
    listed = ScratchMLPRegressor.__doc__.partition("}, default='squared_error'")[0]
    listed = listed.rpartition("{")[2].replace("\\", "").replace("'", "")
    assert {name.strip() for name in listed.split(",")} == names


def test_a_quantile_of_float32_data_is_of_float32():
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reg = ScratchMLPRegressor("quantile", quantile=(0.1, 0.9), **SMALL)
        reg.fit(X.astype(np.float32), y)
    assert reg.predict(X.astype(np.float32)).dtype == np.float32
    assert reg.network_.loss == QuantileLoss((0.1, 0.9))
