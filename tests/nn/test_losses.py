"""The article's log-loss and the losses on raw outputs, over the whole registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, xlogy
from strategies import derivatives, few, make_targets, make_weights, seeds

from skscratch import LOSSES, Loss, d_logloss, logloss
from skscratch.backends.buffered import BufferedOperations
from skscratch.nn.loss import FastLoss

every_loss = pytest.mark.parametrize("name", LOSSES)
every_log_loss = pytest.mark.parametrize("name", ["log_loss", "binary_log_loss"])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
sizes = {"n_outputs": st.integers(1, 4), "n_samples": st.integers(1, 5), "seed": seeds}


def drawn(name, n_outputs, n_samples, seed):
    """Loss, raw outputs, targets and weights."""
    random = np.random.RandomState(seed)
    Z = 3 * random.standard_normal((n_outputs, n_samples))
    Y = make_targets(name, n_outputs, n_samples, random)
    return LOSSES[name], Z, Y, make_weights(n_samples, random)


def plain_softmax(Z):
    return np.exp(Z) / np.exp(Z).sum(axis=0)


@given(y=st.sampled_from([0, 1]), a=st.floats(0.001, 0.999))
def test_articles_log_loss_is_its_formula(y, a):
    expected = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    assert logloss(y, a) == pytest.approx(expected, rel=1e-12)
    assert d_logloss(y, a) == pytest.approx((a - y) / (a * (1 - a)), rel=1e-12)


@given(y=st.floats(0, 1), a=st.floats(0.01, 0.99))
def test_derivative_of_the_articles_log_loss(y, a):
    probability = np.array([a])
    numerical = derivatives(lambda: logloss(y, probability).sum(), probability)
    np.testing.assert_allclose(
        d_logloss(y, probability), numerical, rtol=1e-6, atol=1e-8
    )


@every_dtype
def test_articles_log_loss_is_finite_for_saturated_probabilities(dtype):
    limits = np.finfo(dtype)
    a = [0, limits.smallest_subnormal, limits.tiny, 0.5, 1 - limits.epsneg, 1]
    a = np.array(a, dtype)
    for y in (0, 1, np.zeros_like(a), np.ones_like(a), a > 0.2, a < 0.2):
        with np.errstate(all="raise"):
            loss, slope = logloss(y, a), d_logloss(y, a)
        assert np.isfinite(loss).all()
        assert (loss >= 0).all()
        assert np.isfinite(slope).all()
        np.testing.assert_array_equal(slope < 0, np.broadcast_to(y, a.shape) == 1)


@pytest.mark.parametrize("a", [0, 1, 0.0, [0, 1], np.array([[0, 1]])])
def test_saturated_probabilities_may_be_integers(a):
    wrong = logloss(1 - np.asarray(a), a)
    right = logloss(a, a)
    assert np.shape(wrong) == np.shape(right) == np.shape(a)
    assert np.isfinite(wrong).all()
    assert (wrong > 30).all()
    assert (right < 1e-15).all()
    assert np.isfinite(d_logloss(1 - np.asarray(a), a)).all()


@every_dtype
def test_nearest_probability_stands_in_for_a_saturated_one_and_no_other(dtype):
    limits = np.finfo(dtype)
    tiny, below_one = dtype(limits.tiny), dtype(1 - limits.epsneg)
    for y, saturated, nearest in ((1, dtype(0), tiny), (0, dtype(1), below_one)):
        assert logloss(y, saturated) == logloss(y, nearest)
        assert d_logloss(y, saturated) == d_logloss(y, nearest)
    assert logloss(1, tiny) == pytest.approx(-np.log(float(limits.tiny)), rel=1e-6)
    expected = -np.log(float(limits.epsneg))
    assert logloss(0, below_one) == pytest.approx(expected, rel=1e-6)


def test_better_prediction_costs_less():
    a = np.linspace(0, 1, 101)
    assert (np.diff(logloss(1, a)) < 0).all()
    assert (np.diff(logloss(0, a)) > 0).all()


@given(**sizes)
def test_predictions_are_those_of_the_output_functions(n_outputs, n_samples, seed):
    for name, function in (
        ("log_loss", plain_softmax),
        ("binary_log_loss", lambda Z: 1 / (1 + np.exp(-Z))),
        ("squared_error", lambda Z: Z),
    ):
        loss, Z, _, _ = drawn(name, n_outputs, n_samples, seed)
        np.testing.assert_allclose(loss.predictions(Z), function(Z), rtol=1e-12)


@given(**sizes)
def test_costs_are_the_formulas(n_outputs, n_samples, seed):
    loss, Z, Y, weights = drawn("log_loss", n_outputs, n_samples, seed)
    losses = logsumexp(Z, axis=0) - (Y * Z).sum(axis=0)
    check_cost(loss, Z, Y, weights, losses)

    loss, Z, Y, weights = drawn("binary_log_loss", n_outputs, n_samples, seed)
    losses = logloss(Y, 1 / (1 + np.exp(-Z))).sum(axis=0)
    check_cost(loss, Z, Y, weights, losses)

    loss, Z, Y, weights = drawn("squared_error", n_outputs, n_samples, seed)
    check_cost(loss, Z, Y, weights, ((Z - Y) ** 2).mean(axis=0) / 2)

    loss, Z, Y, weights = drawn("poisson", n_outputs, n_samples, seed)
    halves = xlogy(Y, Y / np.exp(Z)) - Y + np.exp(Z)
    check_cost(loss, Z, Y, weights, halves.sum(axis=0))


def check_cost(loss, Z, Y, weights, losses):
    for w, total, expected in (
        (None, None, losses.mean()),
        (None, 2.5, losses.sum() / 2.5),
        (weights, None, np.average(losses, weights=weights)),
        (weights, 2.5, weights @ losses / 2.5),
    ):
        # Rounding moves a probability that is nearly 1 away from its epsilon.
        wanted = pytest.approx(expected, rel=1e-9, abs=1e-14)
        assert loss.cost(Z, Y, w, total) == wanted
        assert loss.cost_and_gradient(Z, Y, w, total)[0] == wanted


@every_loss
@given(**sizes, weighted=st.booleans(), total=st.sampled_from([None, 2.5]))
@few
def test_gradient_is_that_of_the_cost_descended(
    name, n_outputs, n_samples, seed, weighted, total
):
    loss, Z, Y, weights = drawn(name, n_outputs, n_samples, seed)
    weights = weights if weighted else None
    cost, dZ = loss.cost_and_gradient(Z, Y, weights, total)
    numerical = derivatives(lambda: loss.cost(Z, Y, weights, total), Z)
    numerical *= loss.gradient_scale(n_outputs)
    # A difference of costs tells no more than their rounding.
    rounding = max(1e-8, 1e-10 * abs(cost))
    np.testing.assert_allclose(dZ, numerical, rtol=1e-6, atol=rounding)


@given(**sizes)
def test_squared_error_reports_the_mean_of_outputs_and_descends_the_sum(
    n_outputs, n_samples, seed
):
    loss, Z, Y, _ = drawn("squared_error", n_outputs, n_samples, seed)
    cost, dZ = loss.cost_and_gradient(Z, Y)
    assert cost == pytest.approx(0.5 * ((Z - Y) ** 2).mean(), rel=1e-12)
    np.testing.assert_allclose(dZ, (Z - Y) / n_samples, rtol=1e-12)
    assert loss.gradient_scale(n_outputs) == n_outputs


@every_log_loss
def test_log_losses_descend_what_they_report(name):
    assert LOSSES[name].gradient_scale(5) == 1


@every_loss
@given(**sizes)
@few
def test_integer_weight_counts_as_so_many_copies(name, n_outputs, n_samples, seed):
    loss, Z, Y, _ = drawn(name, n_outputs, n_samples, seed)
    copies = np.random.RandomState(seed).randint(3, size=n_samples)
    copies[0] += 1
    repeated = np.repeat(Z, copies, axis=1), np.repeat(Y, copies, axis=1)

    cost, dZ = loss.cost_and_gradient(Z, Y, copies.astype(float))
    expected_cost, expected_dZ = loss.cost_and_gradient(*repeated)

    assert cost == pytest.approx(expected_cost, rel=1e-12)
    np.testing.assert_allclose(
        dZ[:, copies > 0],
        expected_dZ[:, (np.cumsum(copies) - 1)[copies > 0]] * copies[copies > 0],
        rtol=1e-12,
    )
    assert (dZ[:, copies == 0] == 0).all()


@every_loss
@given(**sizes)
@few
def test_batch_equals_its_samples_one_by_one(name, n_outputs, n_samples, seed):
    loss, Z, Y, _ = drawn(name, n_outputs, n_samples, seed)
    P = loss.predictions(Z)
    cost, dZ = loss.cost_and_gradient(Z, Y)
    singles = [(Z[:, [i]], Y[:, [i]]) for i in range(n_samples)]
    np.testing.assert_allclose(
        P, np.hstack([loss.predictions(z) for z, _ in singles]), rtol=1e-12
    )
    costs, gradients = zip(*(loss.cost_and_gradient(*s) for s in singles), strict=True)
    assert cost == pytest.approx(np.mean(costs), rel=1e-12)
    np.testing.assert_allclose(dZ, np.hstack(gradients) / n_samples, rtol=1e-12)


@every_loss
@given(**sizes)
@few
def test_predictions_of_many_networks_at_once(name, n_outputs, n_samples, seed):
    loss, Z, _, _ = drawn(name, n_outputs, n_samples, seed)
    stack = np.stack([Z, 2 * Z, -Z])
    for functions in (loss.predictions,) + (
        (loss.log_predictions,) if loss.output != "identity" else ()
    ):
        np.testing.assert_allclose(
            functions(stack), [functions(z) for z in stack], rtol=1e-12
        )


@given(**sizes, shift=st.floats(-1000, 1000))
def test_softmax_does_not_change_when_all_logits_shift(
    n_outputs, n_samples, seed, shift
):
    loss, Z, Y, _ = drawn("log_loss", n_outputs, n_samples, seed)
    np.testing.assert_allclose(
        loss.predictions(Z + shift), loss.predictions(Z), rtol=1e-10
    )
    cost, dZ = loss.cost_and_gradient(Z, Y)
    shifted_cost, shifted_dZ = loss.cost_and_gradient(Z + shift, Y)
    assert shifted_cost == pytest.approx(cost, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(shifted_dZ, dZ, rtol=1e-9, atol=1e-12)


@given(z=st.floats(-1e4, 1e4) | st.floats(-30, 30), y=st.sampled_from([0.0, 1.0]))
def test_softmax_of_two_classes_is_the_logistic_function(z, y):
    two, one = LOSSES["log_loss"], LOSSES["binary_log_loss"]
    Z, Y = np.array([[0], [z]]), np.array([[1 - y], [y]])
    for of_two, of_one in (
        (two.predictions(Z)[1:], one.predictions(Z[1:])),
        (two.log_predictions(Z)[1:], one.log_predictions(Z[1:])),
        (two.cost_and_gradient(Z, Y)[1][1:], one.cost_and_gradient(Z[1:], Y[1:])[1]),
    ):
        np.testing.assert_allclose(of_two, of_one, rtol=1e-12, atol=1e-15)
    # The logistic cost takes log(1 - P) of a rounded P, as scikit-learn does.
    rounding = np.finfo(np.float64).eps * np.exp(min(abs(z), 37))
    assert two.cost(Z, Y) == pytest.approx(
        one.cost(Z[1:], Y[1:]), rel=1e-9, abs=1e-14 + 2 * rounding
    )


@every_log_loss
@given(**sizes)
@few
def test_log_predictions_are_the_logarithms_of_the_predictions(
    name, n_outputs, n_samples, seed
):
    loss, Z, _, _ = drawn(name, n_outputs, n_samples, seed)
    np.testing.assert_allclose(
        np.exp(loss.log_predictions(Z)), loss.predictions(Z), rtol=1e-12
    )


@every_log_loss
@every_dtype
def test_log_predictions_are_finite_where_predictions_underflow(name, dtype):
    loss = LOSSES[name]
    Z = np.array([[0, 0], [1e4, -1e4]], dtype)
    assert (loss.predictions(Z)[:, 0] == 0).any() or (loss.predictions(Z)[1, 1] == 0)
    log_P = loss.log_predictions(Z)
    assert np.isfinite(log_P).all()
    assert log_P.min() == -1e4


@every_log_loss
@every_dtype
def test_reported_log_loss_is_clipped_at_epsilon(name, dtype):
    loss, epsilon = LOSSES[name], np.finfo(dtype).eps
    Z = np.array([[0], [1e4]], dtype)[-1 if name == "binary_log_loss" else 0 :]
    for y, expected in ((0, -np.log(epsilon)), (1, epsilon)):
        Y = np.array([[1 - y], [y]], dtype)[-len(Z) :]
        # Both classes of a softmax, but only one of them is counted.
        assert loss.cost(Z, Y) == pytest.approx(expected, rel=1e-5)


@every_log_loss
@every_dtype
@given(data=st.data(), n_outputs=st.integers(1, 4), n_samples=st.integers(1, 4))
@settings(max_examples=50)
def test_any_logits_give_finite_numbers_without_a_warning(
    name, dtype, data, n_outputs, n_samples
):
    loss = LOSSES[name]
    seed = data.draw(seeds)
    Y = make_targets(name, n_outputs, n_samples, np.random.RandomState(seed))
    largest = 1e300 if dtype == np.float64 else 1e38
    logits = st.sampled_from([0.0, 1e4, -1e4, largest, -largest]) | st.floats(
        -100, 100, width=32
    )
    Z = np.array(
        [[data.draw(logits) for _ in range(n_samples)] for _ in range(n_outputs)], dtype
    )
    check_stable(loss, Z, Y.astype(dtype))


def check_stable(loss, Z, Y):
    # A probability that underflows is 0, as near to the truth as there is.
    with np.errstate(all="raise", under="ignore"):
        P = loss.predictions(Z)
        log_P = loss.log_predictions(Z)
        cost, dZ = loss.cost_and_gradient(Z, Y)
    assert P.dtype == dZ.dtype == Z.dtype
    for values in (P, log_P, cost, dZ):
        assert np.isfinite(values).all()
    assert ((P >= 0) & (P <= 1)).all()
    assert cost >= 0


@every_log_loss
@every_dtype
@pytest.mark.parametrize("y", [0, 1])
def test_largest_floats_as_logits_give_finite_numbers_without_a_warning(name, dtype, y):
    largest = np.finfo(dtype).max
    Z = np.array([[largest, -largest], [-largest, largest]], dtype)
    Y = np.array([[y, y], [1 - y, 1 - y]], dtype)
    loss = LOSSES[name]
    with np.errstate(all="raise", under="ignore"):
        P = loss.predictions(Z)
        cost, dZ = loss.cost_and_gradient(Z, Y)
    np.testing.assert_array_equal(P, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(dZ, (P - Y) / 2)
    assert np.isfinite(cost)


@every_dtype
@pytest.mark.parametrize("size", [1e4, 1e-30])
def test_squared_error_is_finite_as_far_as_a_square_is(dtype, size):
    Z, Y = np.array([[size, -size]], dtype), np.array([[-size, size]], dtype)
    with np.errstate(all="raise", under="ignore"):
        cost, dZ = LOSSES["squared_error"].cost_and_gradient(Z, Y)
    assert cost == pytest.approx(2 * size**2, rel=1e-6, abs=1e-45)
    np.testing.assert_allclose(dZ, Z, rtol=1e-6)


@every_loss
@every_dtype
def test_operands_stay_as_they_are(name, dtype):
    loss, Z, Y, weights = drawn(name, 3, 4, seed=0)
    operands = [a.astype(dtype) for a in (Z, Y, weights)]
    before = [a.copy() for a in operands]
    P = loss.predictions(operands[0])
    cost, dZ = loss.cost_and_gradient(*operands)
    assert loss.cost(*operands) == pytest.approx(cost, rel=1e-6)
    assert P.dtype == dZ.dtype == dtype
    for array, kept in zip(operands, before, strict=True):
        np.testing.assert_array_equal(array, kept)
        assert not np.shares_memory(P, array)
        assert not np.shares_memory(dZ, array)


@pytest.mark.parametrize("name", [n for n in LOSSES if isinstance(LOSSES[n], FastLoss)])
@every_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_arrays_that_are_used_again_change_no_result(name, dtype, weighted):
    operations = BufferedOperations(dtype)
    addresses = set()
    for seed, n_samples in enumerate([5, 5, 2, 5]):
        loss, *operands = drawn(name, 3, n_samples, seed)
        Z, Y, weights = (array.astype(dtype) for array in operands)
        weights = weights if weighted else None
        total = float(n_samples if weights is None else weights.sum())
        kept = Z.copy()
        loss_sum, dZ = operations.loss(loss, Z, Y, weights, total)
        expected_sum, expected = loss.sum_and_gradient(Z, Y, weights, total)
        assert loss_sum == expected_sum
        np.testing.assert_array_equal(dZ, expected)
        np.testing.assert_array_equal(Z, kept)
        P = loss.predictions(Z, operations)
        np.testing.assert_array_equal(P, loss.predictions(Z))
        addresses |= {dZ.ctypes.data, P.ctypes.data}
    assert len(addresses) == 1


@every_loss
@given(**sizes, weighted=st.booleans())
@few
def test_fast_sum_is_that_of_the_losses_written_out(
    name, n_outputs, n_samples, seed, weighted
):
    loss, Z, Y, weights = drawn(name, n_outputs, n_samples, seed)
    P = loss.predictions(Z)
    weights = weights if weighted else None
    plain = Loss.loss_sum(loss, Z, P, Y, weights)
    assert loss.loss_sum(Z, P, Y, weights) == pytest.approx(plain, rel=1e-12)
    _, dZ = loss.sum_and_gradient(Z, Y, weights, 2.5)
    gradient = loss.gradient(Z, P, Y) * (1 if weights is None else weights) / 2.5
    np.testing.assert_allclose(dZ, gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@every_loss
def test_boolean_targets_are_numbers(name, weighted):
    loss, Z, Y, weights = drawn(name, 3, 4, seed=0)
    weights = weights if weighted else None
    cost, dZ = loss.cost_and_gradient(Z, Y > 0, weights)
    expected_cost, expected_dZ = loss.cost_and_gradient(Z, (Y > 0) * 1.0, weights)
    assert cost == expected_cost
    np.testing.assert_array_equal(dZ, expected_dZ)


def test_output_functions_have_scikit_learns_names():
    assert {name: loss.output for name, loss in LOSSES.items()} == {
        "log_loss": "softmax",
        "binary_log_loss": "logistic",
        "squared_error": "identity",
        "absolute_error": "identity",
        "huber": "identity",
        "quantile": "identity",
        "poisson": "exp",
        "gamma": "exp",
    }


@every_dtype
def test_poisson_means_beyond_the_largest_float_are_infinite_without_a_warning(dtype):
    loss = LOSSES["poisson"]
    Z, Y = np.array([[1000]], dtype), np.array([[1]], dtype)
    with np.errstate(all="raise"):
        P = loss.predictions(Z)
        cost, dZ = loss.cost_and_gradient(Z, Y)
    assert P[0, 0] == dZ[0, 0] == cost == np.inf


@every_loss
def test_every_loss_has_the_logarithms_of_its_predictions(name):
    Z = abs(np.random.RandomState(0).standard_normal((3, 4)))
    loss = LOSSES[name]
    np.testing.assert_allclose(
        np.exp(loss.log_predictions(Z)), loss.predictions(Z), rtol=1e-12
    )
