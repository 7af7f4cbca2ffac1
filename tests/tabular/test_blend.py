"""Weights and temperatures of blends: optimal, held by a prior, used as weighted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss
from strategies import few, seeds

from skscratch.nn.losses import QuantileLoss, resolve_loss
from skscratch.tabular.blend import (
    ClassJudge,
    NumberJudge,
    fit_temperature,
    fit_weights,
    tempered,
)


def draw_classes(seed, n_kinds, n_classes=3, n_samples=200, weighted=False):
    """Judge, and probabilities by kinds that know more and less of the truth."""
    random = np.random.RandomState(seed)
    y = random.randint(n_classes, size=n_samples)
    weights = random.uniform(0.1, 3, n_samples) if weighted else None
    indicators = y[:, np.newaxis] == np.arange(n_classes)
    judge = ClassJudge(indicators, weights, "log_loss")
    truth = np.eye(n_classes)[y]
    predictions = [
        softmax(k * truth + 2 * random.standard_normal(truth.shape), axis=1)
        for k in range(n_kinds)
    ]
    return judge, y, predictions


def draw_numbers(seed, loss="squared_error", n_samples=150, n_targets=2):
    random = np.random.RandomState(seed)
    Y = random.standard_normal((n_samples, n_targets))
    predictions = [
        Y + scale * random.standard_normal(Y.shape) for scale in (0.3, 0.6, 2.0)
    ]
    return NumberJudge(Y, None, resolve_loss(loss)), predictions


def objective(judge, predictions, weights):
    blended = np.tensordot(weights, np.stack(predictions), axes=1)
    prior = judge.prior_samples * np.log(weights).mean()
    return judge.deviance(judge.view(blended)) - prior


@given(seed=seeds, n_classes=st.integers(2, 4), weighted=st.booleans())
@few
def test_no_other_weights_have_less_deviance(seed, n_classes, weighted):
    judge, _, predictions = draw_classes(seed, 3, n_classes, weighted=weighted)
    weights = fit_weights(judge, predictions)
    assert_allclose(weights.sum(), 1)
    assert (weights > 0).all()
    least = objective(judge, predictions, weights)
    random = np.random.RandomState(seed)
    for concentration in (1.0, 1000.0):
        others = random.dirichlet(concentration * weights + 1e-3, 20) + 1e-9
        for other in others:
            found = objective(judge, predictions, other / other.sum())
            assert found >= least - 1e-4


@given(seed=seeds)
@few
def test_weights_of_numbers_solve_the_normal_equations(seed):
    """Without a prior, and where all weights are positive."""
    judge, predictions = draw_numbers(seed)
    weights = fit_weights(judge._replace(prior_samples=0.0), predictions[:2])
    errors = np.stack([(P - judge.Y).ravel() for P in predictions[:2]])
    gram = errors @ errors.T
    expected = np.linalg.solve(gram, np.ones(2))
    assert_allclose(weights, expected / expected.sum(), atol=1e-3)


@given(seed=seeds, scale=st.floats(0.01, 100))
@few
def test_the_unit_of_targets_does_not_matter(seed, scale):
    judge, predictions = draw_numbers(seed)
    other = judge._replace(Y=scale * judge.Y)
    assert_allclose(
        fit_weights(other, [scale * P for P in predictions]),
        fit_weights(judge, predictions),
        atol=1e-4,
    )


@pytest.mark.parametrize("n_samples", [4, 4000])
def test_a_prior_holds_few_samples_together(n_samples):
    judge, _, predictions = draw_classes(0, 4, n_samples=n_samples)
    weights = fit_weights(judge, predictions)
    if n_samples == 4:
        assert_allclose(weights, 0.25, atol=0.05)
    else:
        assert weights[3] > 0.6


def test_a_sample_of_weight_two_counts_like_two():
    judge, _, predictions = draw_classes(0, 3)
    times = np.random.RandomState(1).randint(1, 3, len(judge.Y))
    rows = np.repeat(np.arange(len(times)), times)
    weighted = judge._replace(weights=times.astype(float), prior_samples=0.0)
    repeated = judge.take(rows)._replace(prior_samples=0.0)
    assert_allclose(
        fit_weights(weighted, predictions),
        fit_weights(repeated, [P[rows] for P in predictions]),
        atol=1e-3,
    )
    assert_allclose(
        fit_temperature(weighted, predictions[2], 3),
        fit_temperature(repeated, predictions[2][rows], 3),
        rtol=0.01,
    )


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", "gamma"])
def test_other_losses_prefer_the_better_predictions(loss):
    random = np.random.RandomState(0)
    Y = np.exp(random.standard_normal((300, 1)))
    good, bad = (Y * np.exp(s * random.standard_normal(Y.shape)) for s in (0.1, 1.0))
    judge = NumberJudge(Y, None, resolve_loss(loss).fitted(Y.T))
    weights = fit_weights(judge, [bad[:, 0], good[:, 0]])
    assert weights[1] > 0.8


def test_quantiles_are_blended_one_by_one():
    random = np.random.RandomState(0)
    Y = random.standard_normal((2000, 1))
    right = np.tile(np.quantile(Y, [0.1, 0.9]), (2000, 1))
    judge = NumberJudge(Y, None, QuantileLoss((0.1, 0.9)))
    assert fit_weights(judge, [right, right + 1])[0] > 0.9


@pytest.mark.parametrize("n_classes", [2, 4])
@given(seed=seeds, power=st.floats(0.3, 3))
@few
def test_the_temperature_undoes_a_wrong_one(n_classes, seed, power):
    random = np.random.RandomState(seed)
    logits = 2 * random.standard_normal((4000, n_classes))
    P = softmax(logits, axis=1)
    y = (P.cumsum(axis=1) < random.uniform(size=(4000, 1))).sum(axis=1)
    judge = ClassJudge(y[:, np.newaxis] == np.arange(n_classes), None, "log_loss")
    wrong = softmax(power * logits, axis=1)
    temperature = fit_temperature(judge, wrong, n_classes)
    assert temperature == pytest.approx(power, rel=0.2)
    better = tempered(judge.loss, wrong, temperature)
    assert_allclose(better.sum(axis=1), 1)
    assert log_loss(y, better) <= log_loss(y, wrong) + 1e-9


@given(seed=seeds, temperature=st.floats(0.2, 5))
@few
def test_tempered_probabilities_are_powers(seed, temperature):
    logits = np.random.RandomState(seed).standard_normal((5, 3))
    P = softmax(logits, axis=1)
    expected = np.exp(log_softmax(logits / temperature, axis=1))
    assert_allclose(tempered("log_loss", P, temperature), expected)
    expected = expit(logits / temperature)
    assert_allclose(tempered("binary_log_loss", expit(logits), temperature), expected)


def test_certain_and_wrong_predictions_are_survived():
    judge, y, predictions = draw_classes(0, 2)
    wrong = np.eye(3)[(y + 1) % 3]
    weights = fit_weights(judge, [wrong, *predictions])
    assert np.isfinite(weights).all()
    assert weights[0] < 0.1
    assert np.isfinite(tempered("log_loss", wrong, 0.1)).all()
