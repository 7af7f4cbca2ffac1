"""The losses of regressors: identities, limits, and quantiles that never cross."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn._loss import loss as sklearn_losses
from sklearn.metrics import mean_gamma_deviance, mean_pinball_loss
from strategies import derivatives, seeds

from skscratch import LOSSES, Network
from skscratch.nn.losses import Huber, QuantileLoss, resolve_loss

quantiles = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5).map(tuple)
several = st.tuples(st.integers(1, 3), st.integers(1, 6))


def drawn(loss, sizes, seed, scale=1.0):
    """Raw outputs and targets."""
    n_targets, n_samples = sizes
    random = np.random.default_rng(seed)
    Z = random.standard_normal((loss.n_raw_outputs(n_targets), n_samples)) * scale
    return Z, random.standard_normal((n_targets, n_samples)) * scale


@given(quantiles=quantiles, sizes=several, seed=seeds, scale=st.floats(1e-3, 1e6))
def test_quantiles_never_cross(quantiles, sizes, seed, scale):
    loss = QuantileLoss(quantiles)
    Z, _ = drawn(loss, sizes, seed, scale)
    P = loss.predictions(Z).reshape(sizes[0], len(quantiles), -1)
    ordered = P[:, np.argsort(quantiles, kind="stable")]
    assert (np.diff(ordered, axis=1) >= 0).all()


@given(quantiles=quantiles, sizes=several, seed=seeds)
def test_the_order_of_quantiles_only_orders_predictions(quantiles, sizes, seed):
    loss, ordered = QuantileLoss(quantiles), QuantileLoss(tuple(sorted(quantiles)))
    Z, Y = drawn(loss, sizes, seed)
    shape = (sizes[0], len(quantiles), -1)
    expected = ordered.predictions(Z).reshape(shape)
    order = np.argsort(quantiles, kind="stable")
    assert_array_equal(loss.predictions(Z).reshape(shape)[:, order], expected)
    for ours, theirs in zip(
        loss.cost_and_gradient(Z, Y), ordered.cost_and_gradient(Z, Y), strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@given(quantiles=quantiles, sizes=several, seed=seeds)
def test_quantile_gradients_are_derivatives_away_from_kinks(quantiles, sizes, seed):
    loss = QuantileLoss(quantiles)
    Z, Y = drawn(loss, sizes, seed)
    P = loss.predictions(Z).reshape(sizes[0], len(quantiles), -1)
    # Targets half-way between quantiles, or far from all of them.
    Y = np.where(np.abs(P - Y[:, np.newaxis]).min(axis=1) > 1e-3, Y, Y + 1e3)
    weights = np.random.default_rng(seed).uniform(0.5, 2, sizes[1])
    _, dZ = loss.cost_and_gradient(Z, Y, weights)
    numerical = derivatives(lambda: loss.cost(Z, Y, weights), Z)
    assert_allclose(dZ, numerical, rtol=1e-5, atol=1e-7)


@given(quantiles=quantiles, seed=seeds)
def test_the_cost_is_the_sum_of_pinball_losses(quantiles, seed):
    loss = QuantileLoss(quantiles)
    Z, Y = drawn(loss, (1, 7), seed)
    P = loss.predictions(Z)
    expected = sum(
        mean_pinball_loss(Y[0], p, alpha=q) for p, q in zip(P, quantiles, strict=True)
    )
    assert loss.cost(Z, Y) == pytest.approx(expected, rel=1e-12)


@given(quantiles=quantiles, sizes=several, seed=seeds)
def test_an_ensemble_predicts_the_mean_quantiles(quantiles, sizes, seed):
    loss = QuantileLoss(quantiles)
    members = np.stack([drawn(loss, sizes, seed + i, 3.0)[0] for i in range(3)])
    expected = np.mean([loss.predictions(Z) for Z in members], axis=0)
    found = loss.predictions(loss.average_members(members))
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    # Of networks side by side each has its own.
    assert_allclose(
        loss.predictions(members), [loss.predictions(Z) for Z in members], rtol=1e-12
    )


def test_equal_quantiles_of_an_ensemble_stay_equal():
    loss = QuantileLoss((0.1, 0.9))
    Z = np.array([[[1.0], [-800.0]], [[3.0], [-800.0]]])
    assert_allclose(loss.predictions(loss.average_members(Z)), [[2.0], [2.0]])


ORACLES = {
    "absolute_error": sklearn_losses.AbsoluteError(),
    "huber(0.7)": sklearn_losses.HuberLoss(delta=0.7),
    "quantile(0.3)": sklearn_losses.PinballLoss(quantile=0.3),
    "poisson": sklearn_losses.HalfPoissonLoss(),
    "gamma": sklearn_losses.HalfGammaLoss(),
}


@pytest.mark.parametrize("name", ORACLES)
@given(seed=seeds)
def test_values_and_gradients_are_scikit_learns(name, seed):
    """But for a constant that depends on the targets alone."""
    loss, oracle = resolve_loss(name), ORACLES[name]
    random = np.random.default_rng(seed)
    Z, y = random.standard_normal((2, 9))
    y = np.exp(y) if loss.output == "exp" else y
    Y, other = y[np.newaxis], Z[np.newaxis] + 0.5
    difference = loss.losses(other, loss.predictions(other), Y) - loss.losses(
        Z[np.newaxis], loss.predictions(Z[np.newaxis]), Y
    )
    values, gradients = oracle.loss_gradient(y_true=y, raw_prediction=Z)
    expected = oracle.loss(y_true=y, raw_prediction=other[0]) - values
    assert_allclose(difference[0], expected, rtol=1e-9, atol=1e-12)
    P = loss.predictions(Z[np.newaxis])
    # At a kink, where theirs is one of the two slopes, there are none of the draws.
    assert_allclose(loss.gradient(Z[np.newaxis], P, Y)[0], gradients, rtol=1e-9)


@given(seed=seeds)
def test_gamma_is_half_the_deviance(seed):
    random = np.random.default_rng(seed)
    Z = random.standard_normal((1, 9))
    Y = random.gamma(2.0, size=(1, 9)) + 1e-3
    expected = mean_gamma_deviance(Y[0], np.exp(Z[0])) / 2
    assert LOSSES["gamma"].cost(Z, Y) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(seed=seeds, sizes=several)
def test_huber_tends_to_the_squared_and_to_the_absolute_error(seed, sizes):
    Z, Y = drawn(LOSSES["huber"], sizes, seed)
    squared = LOSSES["squared_error"].cost(Z, Y) * sizes[0]
    assert Huber(1e9).cost(Z, Y) == pytest.approx(squared, rel=1e-12)
    absolute = LOSSES["absolute_error"].cost(Z, Y)
    assert Huber(1e-9).cost(Z, Y) / 1e-9 == pytest.approx(absolute, rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_hubers_threshold_is_a_quantile_of_the_targets_distances(weighted):
    Y = np.random.default_rng(0).standard_exponential((2, 50))
    weights = np.random.default_rng(1).integers(1, 4, 50) if weighted else None
    copies = Y if weights is None else np.repeat(Y, weights, axis=1)
    distances = np.abs(copies - np.median(copies, axis=1, keepdims=True))
    threshold = Huber().fitted(Y, weights).threshold
    expected = np.quantile(distances, 0.9)
    assert threshold == pytest.approx(expected, rel=0.05 if weighted else 1e-12)
    assert Huber(0.3).fitted(Y) == Huber(0.3)
    assert Huber().fitted(np.ones((1, 5))).threshold == 1.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("huber(0)", "the threshold must be positive"),
        ("huber(-1)", "the threshold must be positive"),
        ("huber(nan)", "it must have a number in parentheses"),
        ("quantile(0)", "a quantile must be above 0 and below 1"),
        ("quantile(1.5)", "a quantile must be above 0 and below 1"),
        ("gamma(2)", "it takes no parameter"),
        ("hubert(2)", "loss must be one of"),
        ("huber(2", "loss must be one of"),
    ],
)
def test_a_loss_with_a_bad_parameter_is_refused_in_words(name, message):
    with pytest.raises(ValueError, match=message):
        Network.glorot([2, 1], loss=name)


def test_a_name_with_a_parameter_is_a_value():
    assert resolve_loss("huber(1.5)") == Huber(1.5)
    assert resolve_loss("quantile(0.25)") == QuantileLoss((0.25,))
