"""Minibatches, the loop over them, when it stops, and L-BFGS."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import train
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.utils import shuffle
from strategies import make_network, make_targets, make_weights, seeds

from skscratch import OPTIMIZERS, SCHEDULES, Network
from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.operations import Operations
from skscratch.training import lbfgs
from skscratch.training.batches import Batches
from skscratch.training.history import TrainingState
from skscratch.training.lbfgs import minimize_lbfgs

sizes = {"n_samples": st.integers(1, 20), "batch_size": st.integers(1, 25)}


def numbered(n_samples, n_features=2, dtype=np.float64):
    """Data in which a row is known by its number."""
    numbers = np.arange(n_samples, dtype=dtype)[:, np.newaxis]
    return numbers + np.arange(n_features, dtype=dtype) / 10, numbers * 2


def gathered(batches, operations=None):
    """Yield the batches of one epoch."""
    operations = operations or BufferedOperations(batches.data.X.dtype)
    for rows in batches:
        yield operations.batch(batches.data, rows)


def rows_of(batches):
    """Numbers of the rows in one epoch, batch by batch."""
    return [A1[0].astype(int).tolist() for A1, _, _, _ in gathered(batches)]


def all_rows_of(batches):
    """Numbers of the rows in one epoch, in order."""
    return [row for batch in rows_of(batches) for row in batch]


def linear_problem(loss="squared_error", n_samples=13, n_outputs=2, seed=0):
    """Network without a hidden layer, rows of features, rows of targets."""
    random = np.random.RandomState(seed)
    network = make_network([3, n_outputs], ["identity"], loss, random)
    X = random.standard_normal((n_samples, 3))
    return network, X, make_targets(loss, n_outputs, n_samples, random).T


def new_state(network, solver="sgd", schedule="constant", rate=0.1, **hyperparameters):
    optimizer = OPTIMIZERS[solver](
        network.parameters.size, network.dtype, **hyperparameters
    )
    return TrainingState(optimizer, SCHEDULES[schedule](rate))


# Minibatches


@given(**sizes, seed=st.none() | seeds)
def test_every_row_comes_once_an_epoch_in_batches_of_one_size(
    n_samples, batch_size, seed
):
    X, Y = numbered(n_samples)
    random = None if seed is None else np.random.RandomState(seed)
    batches = Batches(X, Y, batch_size, random_state=random)
    assert batches.n_samples == n_samples
    for _ in range(3):
        rows = rows_of(batches)
        assert sorted(row for batch in rows for row in batch) == list(range(n_samples))
        assert all(len(batch) == batch_size for batch in rows[:-1])
        assert 1 <= len(rows[-1]) <= batch_size


@given(**sizes, seed=seeds)
def test_order_is_that_of_scikit_learns_shuffle_epoch_by_epoch(
    n_samples, batch_size, seed
):
    X, Y = numbered(n_samples)
    batches = Batches(X, Y, batch_size, random_state=np.random.RandomState(seed))
    random, expected = np.random.RandomState(seed), np.arange(n_samples)
    for _ in range(3):
        expected = shuffle(expected, random_state=random)
        assert all_rows_of(batches) == expected.tolist()


@given(**sizes, seed=seeds, n_rows=st.integers(1, 20))
def test_subset_of_rows_is_shuffled_as_positions_in_it(
    n_samples, batch_size, seed, n_rows
):
    X, Y = numbered(n_samples)
    rows = np.random.RandomState(seed).permutation(n_samples)[:n_rows]
    kept = rows.copy()
    in_order = Batches(X, Y, batch_size, rows=rows)
    assert all_rows_of(in_order) == kept.tolist()
    assert in_order.n_samples == len(kept)

    random, positions = np.random.RandomState(seed), np.arange(len(kept))
    batches = Batches(
        X, Y, batch_size, rows=rows, random_state=np.random.RandomState(seed)
    )
    for _ in range(3):
        positions = shuffle(positions, random_state=random)
        assert all_rows_of(batches) == kept[positions].tolist()


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("make", [np.array, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(**sizes)
@settings(max_examples=20)
@pytest.mark.parametrize("backend", [Operations, BufferedOperations])
def test_batches_are_columns_with_their_targets_and_weights(
    make, dtype, seed, n_samples, batch_size, backend
):
    operations = backend(dtype) if backend is BufferedOperations else backend()
    X, Y = numbered(n_samples, dtype=dtype)
    weights = np.arange(n_samples, dtype=dtype) + 1
    random = None if seed is None else np.random.RandomState(seed)
    options = {"weights": weights, "random_state": random}
    batches = Batches(make(X), Y, batch_size, **options)
    for A1, Y_batch, batch_weights, total in gathered(batches, operations):
        assert sparse.issparse(A1) is (make is not np.array)
        dense = A1.toarray() if sparse.issparse(A1) else A1
        rows = dense[0].astype(int)
        assert dense.dtype == Y_batch.dtype == batch_weights.dtype == dtype
        np.testing.assert_array_equal(dense, X[rows].T)
        np.testing.assert_array_equal(Y_batch, Y[rows].T)
        np.testing.assert_array_equal(batch_weights, weights[rows])
        assert total == pytest.approx(len(rows) * weights.mean(), rel=1e-6)


@pytest.mark.parametrize("seed", [None, 0])
def test_boolean_targets_become_numbers_of_the_networks_dtype(seed):
    X, _ = numbered(5, dtype=np.float32)
    Y = np.eye(5, 3, dtype=bool)
    random = None if seed is None else np.random.RandomState(seed)
    for A1, Y_batch, _, _ in gathered(Batches(X, Y, 2, random_state=random)):
        assert Y_batch.dtype == np.float32
        np.testing.assert_array_equal(Y_batch, Y[A1[0].astype(int)].T)


def test_total_counts_samples_by_the_mean_weight_of_the_rows_trained_on():
    X, Y = numbered(6)
    weights = np.array([1.0, 2, 3, 4, 100, 100])

    def totals(**options):
        return [total for *_, total in gathered(Batches(X, Y, 4, **options))]

    assert totals() == [4, 2]
    assert totals(weights=weights) == [4 * 35, 2 * 35]
    assert totals(weights=weights, rows=np.arange(4)) == [4 * 2.5]
    assert totals(weights=weights, mean_weight=1.0) == [4, 2]
    assert totals(weights=weights, mean_weight=3.0) == [12, 6]


def test_data_are_left_as_they_are():
    network, X, Y = linear_problem()
    weights = make_weights(len(X), np.random.RandomState(0))
    arrays = [X, Y, weights]
    before = [array.copy() for array in arrays]
    random = np.random.RandomState(0)
    batches = Batches(X, Y, 4, weights=weights, random_state=random)
    options = {"max_epochs": 3, "alpha": 0.1, "tol": 0, "patience": 9}
    assert len(train(network, batches, new_state(network), **options)) == 3
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


# The loop


def plain_training(W, b, X, Y, weights, orders, batch_size, alpha, rates, mean_weight):
    """Least squares by minibatch descent, written out; cost of each epoch."""
    curve = []
    for order, rate in zip(orders, rates, strict=True):
        costs = 0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            total = len(rows) * mean_weight
            errors = X[rows] @ W.T + b - Y[rows]
            cost = (weights[rows] * (errors**2).mean(axis=1)).sum() / 2
            cost = (cost + alpha / 2 * (W**2).sum()) / total
            costs += cost * len(rows)
            dW = (weights[rows, np.newaxis] * errors).T @ X[rows]
            db = weights[rows] @ errors
            W, b = W - rate * (dW + alpha * W) / total, b - rate * db / total
        curve.append(costs / len(order))
    return W, b, curve


@given(
    n_samples=st.integers(1, 15),
    batch_size=st.integers(1, 16),
    weighted=st.booleans(),
    subset=st.booleans(),
    schedule=st.sampled_from(["constant", "invscaling"]),
    make=st.sampled_from([np.array, sparse.csr_array]),
    seed=seeds,
)
def test_training_is_minibatch_descent(
    n_samples, batch_size, weighted, subset, schedule, make, seed
):
    network, X, Y = linear_problem(n_samples=n_samples, seed=seed)
    random = np.random.RandomState(seed)
    weights = make_weights(n_samples, random) if weighted else np.ones(n_samples)
    rows = random.permutation(n_samples)[: max(1, n_samples // 2 if subset else 99)]
    orders, shuffled = [], np.random.RandomState(seed)
    for _ in range(3):
        orders.append(shuffle(orders[-1] if orders else rows, random_state=shuffled))
    if weighted:
        weights[rows[0]] += 1  # A mean of 0 leaves nothing to divide by.
    seen = len(rows) * np.arange(3)
    rates = 0.05 / np.sqrt(seen + 1) if schedule == "invscaling" else [0.05] * 3
    W, b = network.layers[0].W.copy(), network.layers[0].b[:, 0].copy()
    W, b, curve = plain_training(
        *(W, b, X, Y, weights, orders, batch_size, 0.3, rates),
        mean_weight=weights[rows].mean(),
    )

    state = new_state(network, schedule=schedule, rate=0.05, momentum=0)
    batches = Batches(
        *(make(X), Y, batch_size),
        weights=weights if weighted else None,
        rows=rows.copy(),
        random_state=np.random.RandomState(seed),
    )
    epochs = train(network, batches, state, max_epochs=3, alpha=0.3, tol=0, patience=9)

    np.testing.assert_allclose(network.layers[0].W, W, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(network.layers[0].b[:, 0], b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(state.loss_curve, curve, rtol=1e-10)
    assert [epoch.loss for epoch in epochs] == state.loss_curve
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert all(epoch.score is None for epoch in epochs)
    assert state.best_loss == min(state.loss_curve)
    assert state.n_samples_seen == 3 * len(rows)


def expected_outcomes(values, tol, patience, rate, schedule):
    """What the stopping rule makes of values to be lowered, written out."""
    outcomes, best, count = [], np.inf, 0
    for value in values:
        count = count + 1 if value > best - tol else 0
        best = min(best, value)
        outcomes.append("improving")
        if count > patience:
            slower = schedule == "adaptive" and rate > 1e-6
            outcomes[-1] = "slowed" if slower else "stopped"
            rate, count = (rate / 5, 0) if slower else (rate, count)
    return outcomes


@given(
    schedule=st.sampled_from(sorted(SCHEDULES)),
    rate=st.sampled_from([2e-6, 1e-4, 0.5]),
    tol=st.sampled_from([0, 1e-4, 1e-2, 0.1]),
    patience=st.integers(0, 3) | st.just(np.inf),
    seed=seeds,
)
def test_loop_stops_when_the_loss_does_and_not_before(
    schedule, rate, tol, patience, seed
):
    network, X, Y = linear_problem(seed=seed)
    state = new_state(network, schedule=schedule, rate=rate)
    batches = Batches(X, Y, 4, random_state=np.random.RandomState(seed))
    options = {"max_epochs": 25, "alpha": 0.1, "tol": tol, "patience": patience}
    outcomes = [e.outcome for e in train(network, batches, state, **options)]
    expected = expected_outcomes(state.loss_curve, tol, patience, rate, schedule)
    assert outcomes == expected
    assert len(outcomes) == 25 or outcomes[-1] == "stopped"
    assert "stopped" not in outcomes[:-1]
    assert state.best_loss == min(state.loss_curve)


@pytest.mark.parametrize(("tol", "n_epochs"), [(0, 9), (1e-9, 5)])
def test_loss_that_stays_improves_by_nothing_which_is_enough_where_tol_is_zero(
    tol, n_epochs
):
    network, X, Y = linear_problem()
    state = new_state(network, rate=0.0)
    options = {"max_epochs": 9, "alpha": 0.1, "tol": tol, "patience": 3}
    epochs = train(network, Batches(X, Y, 4), state, **options)
    assert len(set(state.loss_curve)) == 1
    assert len(epochs) == n_epochs


@given(
    scores=st.lists(
        st.sampled_from([0.1, 0.5, 0.55, 0.6, 0.9]), min_size=12, max_size=12
    ),
    schedule=st.sampled_from(["constant", "adaptive"]),
    tol=st.sampled_from([0, 0.01, 0.1]),
    patience=st.integers(0, 3),
    max_epochs=st.integers(1, 12),
)
def test_loop_stops_when_the_score_does_and_keeps_the_best_epoch(
    scores, schedule, tol, patience, max_epochs
):
    network, X, Y = linear_problem()
    state = new_state(network, schedule=schedule, rate=1e-4)
    upcoming, snapshots = iter(scores), []

    def score():
        snapshots.append(network.snapshot())
        return next(upcoming), 1.0

    epochs = train(
        *(network, Batches(X, Y, 4), state),
        **{"max_epochs": max_epochs, "alpha": 0, "tol": tol, "patience": patience},
        score=score,
    )

    scores = scores[: len(epochs)]
    expected = expected_outcomes([-s for s in scores], tol, patience, 1e-4, schedule)
    assert [epoch.outcome for epoch in epochs] == expected
    assert [epoch.score for epoch in epochs] == state.validation_scores == scores
    assert state.best_validation_score == max(scores)
    best = scores.index(max(scores))
    np.testing.assert_array_equal(network.parameters, snapshots[best])


def scored_training(network, state, scores, **options):
    """Train for given scores, of which one may be an error; return the epochs."""
    upcoming = iter(scores)

    def score():
        value = next(upcoming)
        if isinstance(value, BaseException):
            raise value
        return value, -value

    _, X, Y = linear_problem()
    return train(
        *(network, Batches(X, Y, 4), state),
        **{"max_epochs": len(scores), "alpha": 0, "tol": 0, "patience": 99} | options,
        score=score,
    )


def test_best_epoch_stands_when_the_loop_is_left_early():
    network, *_ = linear_problem()
    seen = []

    def leave_at_the_third(epoch):
        seen.append(network.snapshot())
        return epoch.number == 3

    scores = [0.5, 0.9, 0.1, 0.2]
    scored_training(network, new_state(network), scores, after_epoch=leave_at_the_third)
    assert len(seen) == 3
    assert (seen[2] != seen[1]).any()
    np.testing.assert_array_equal(network.parameters, seen[1])


def test_best_epoch_stands_when_an_error_ends_the_loop():
    network, *_ = linear_problem()
    scores, seen = [0.9, 0.1, KeyboardInterrupt()], []
    with pytest.raises(KeyboardInterrupt):
        scored_training(
            network,
            new_state(network),
            scores,
            after_epoch=lambda epoch: seen.append(network.snapshot()),
        )
    assert len(seen) == 2
    np.testing.assert_array_equal(network.parameters, seen[0])


def test_last_epoch_stands_where_none_beats_an_earlier_call():
    network, *_ = linear_problem()
    state = new_state(network)
    scored_training(network, state, [0.9])
    seen = []
    scored_training(
        network,
        state,
        [0.5, 0.9, 0.2],
        after_epoch=lambda epoch: seen.append(network.snapshot()),
    )
    np.testing.assert_array_equal(network.parameters, seen[-1])
    assert state.best_validation_score == 0.9
    assert state.validation_scores == [0.9, 0.5, 0.9, 0.2]


def test_without_a_score_the_last_epoch_stands():
    network, X, Y = linear_problem()
    state = new_state(network, rate=1.5)
    options = {"max_epochs": 5, "alpha": 0, "tol": 0, "patience": 9}
    seen = []
    train(
        *(network, Batches(X, Y, 4), state),
        **options,
        after_epoch=lambda epoch: seen.append(network.snapshot()),
    )
    last = seen[-1]
    assert state.loss_curve[-1] > state.best_loss
    np.testing.assert_array_equal(network.parameters, last)


def test_training_twice_is_training_for_as_long():
    network, X, Y = linear_problem("log_loss")
    twin = network.astype(network.dtype)
    options = {"alpha": 0.1, "tol": 0, "patience": 99}
    for trained, calls in ((network, [5]), (twin, [2, 3])):
        state = new_state(trained, "adam")
        random = np.random.RandomState(0)
        batches = Batches(X, Y, 4, random_state=random)
        numbers = [
            epoch.number
            for n in calls
            for epoch in train(trained, batches, state, max_epochs=n, **options)
        ]
        assert numbers == [i + 1 for n in calls for i in range(n)]
        assert state.n_samples_seen == 5 * 13
        assert len(state.loss_curve) == 5
    np.testing.assert_array_equal(network.parameters, twin.parameters)


def remembered(state):
    return {k: v for k, v in vars(state).items() if k != "best_parameters"}


def test_continued_state_extends_the_history_with_another_optimizer_and_schedule():
    network, *_ = linear_problem()
    state = new_state(network)
    scored_training(network, state, [0.5, 0.9, 0.1])
    before = dataclasses.replace(
        state,
        loss_curve=state.loss_curve.copy(),
        learning_rates=state.learning_rates.copy(),
        validation_scores=state.validation_scores.copy(),
        validation_losses=state.validation_losses.copy(),
    )
    other = new_state(network, "adam", "adaptive")

    continued = state.continued(other.optimizer, other.schedule, None)

    assert continued.optimizer is other.optimizer
    assert continued.schedule is other.schedule
    expected = dataclasses.replace(
        before, optimizer=other.optimizer, schedule=other.schedule
    )
    assert remembered(continued) == remembered(expected)
    kept = continued.with_copied_histories()
    scored_training(network, continued, [0.95])
    assert continued.loss_curve is state.loss_curve
    assert len(state.loss_curve) == 4
    assert remembered(kept) == remembered(expected)


def test_new_state_has_no_past():
    network, *_ = linear_problem()
    first, second = new_state(network), new_state(network)
    assert first.loss_curve == first.validation_scores == []
    assert first.loss_curve is not second.loss_curve
    assert (first.best_loss, first.best_validation_score) == (np.inf, -np.inf)
    assert first.no_improvement == first.n_samples_seen == 0


# L-BFGS

FINE = {"tol": 1e-9, "max_iter": 2000, "max_fun": 20000}
# scipy stops too where the cost falls by a billionth only; that is a distance of:
NEAR = 1e-3


def independent_cost(vector, X, Y, weights, alpha):
    """Multinomial log-loss of a linear model, coded apart from the library."""
    n_features, n_classes = X.shape[1], Y.shape[1]
    W = vector[: n_features * n_classes].reshape(n_features, n_classes)
    Z = X @ W + vector[n_features * n_classes :]
    losses = logsumexp(Z, axis=1) - (Y * Z).sum(axis=1)
    return (weights @ losses + alpha / 2 * (W**2).sum()) / weights.sum()


@pytest.mark.parametrize("make", [np.array, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_lbfgs_finds_the_minimum_that_scipy_finds(monkeypatch, chunk, weighted, make):
    monkeypatch.setattr(lbfgs, "CHUNK", chunk)
    seed = chunk
    network, X, Y = linear_problem("log_loss", n_samples=30, n_outputs=3, seed=seed)
    random = np.random.RandomState(seed)
    weights = make_weights(30, random) if weighted else None
    result = minimize_lbfgs(network, make(X), Y, alpha=0.5, weights=weights, **FINE)

    arguments = (X, Y, np.ones(30) if weights is None else weights, 0.5)
    expected = minimize(independent_cost, np.zeros(12), arguments, tol=1e-9)
    assert result.fun == pytest.approx(expected.fun, rel=1e-7)
    W = network.layers[0].W.T
    np.testing.assert_allclose(W.ravel(), expected.x[:9], atol=NEAR)
    solution = np.concatenate([W.ravel(), network.layers[0].b[:, 0]])
    assert independent_cost(solution, *arguments) == pytest.approx(result.fun)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.1, 3.0])
def test_lbfgs_without_a_hidden_layer_is_logistic_regression(
    alpha, n_classes, weighted
):
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 4))
    logits = X @ random.standard_normal((4, n_classes))
    y = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    weights = make_weights(60, random) if weighted else None
    loss, Y = "log_loss", np.eye(n_classes)[y]
    if n_classes == 2:
        loss, Y = "binary_log_loss", Y[:, 1:]
    network = Network.glorot([4, Y.shape[1]], loss=loss, random_state=0)

    minimize_lbfgs(network, X, Y, alpha=alpha, weights=weights, **FINE)

    # Theirs is C times the losses and half of the squares.
    theirs = LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=5000)
    theirs.fit(X, y, sample_weight=weights)
    layer = network.layers[0]
    np.testing.assert_allclose(layer.W, theirs.coef_, atol=NEAR)
    # The biases of a softmax may all be shifted.
    biases = layer.b[:, 0] - (layer.b.mean() if n_classes > 2 else 0)
    np.testing.assert_allclose(biases, theirs.intercept_, atol=NEAR)


def test_lbfgs_reports_a_cost_for_each_iteration_and_ends_with_the_solution():
    random = np.random.RandomState(0)
    network = make_network([3, 5, 2], ["tanh", "identity"], "log_loss", random)
    X = random.standard_normal((20, 3))
    Y = make_targets("log_loss", 2, 20, random).T
    start = network.cost(X.T, Y.T, alpha=0.1)
    costs = []
    options = {"alpha": 0.1, "tol": 1e-6, "max_iter": 500, "max_fun": 5000}
    result = minimize_lbfgs(network, X, Y, report=costs.append, **options)

    assert len(costs) == result.nit > 5
    assert all(type(cost) is float for cost in costs)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] < start
    assert costs[-1] == result.fun
    np.testing.assert_array_equal(network.parameters, result.x)
    cost = network.cost_and_gradients(X.T, Y.T, alpha=0.1)
    assert cost == pytest.approx(result.fun, rel=1e-12)
    assert abs(network.gradients).max() <= 1e-4


@pytest.mark.parametrize("scale", [1, 10, 1e3, 1e6])
@pytest.mark.parametrize("max_fun", [1, 2, 5, 10, 1000])
def test_lbfgs_leaves_the_solution_in_the_network_wherever_it_stops(max_fun, scale):
    # Among the ends is a line search that fails, far from where it set out.
    random = np.random.RandomState(59)
    network = make_network([3, 5, 2], ["relu", "identity"], "log_loss", random)
    X = scale * random.standard_normal((20, 3))
    Y = make_targets("log_loss", 2, 20, random).T
    options = {"alpha": 0.1, "tol": 0, "max_iter": 500, "max_fun": max_fun}
    result = minimize_lbfgs(network, X, Y, **options)
    np.testing.assert_array_equal(network.parameters, result.x)
    assert network.cost(X.T, Y.T, alpha=0.1) == pytest.approx(result.fun, rel=1e-12)


def test_lbfgs_stops_at_what_it_is_allowed():
    for options, count in (({"max_iter": 3}, "nit"), ({"max_fun": 3}, "nfev")):
        network, X, Y = linear_problem("log_loss", n_samples=30)
        result = minimize_lbfgs(
            *(network, X, Y), alpha=0.01, **{**FINE, "tol": 1e-12} | options
        )
        assert result[count] in (3, 4)
        assert result.status == 1
    network, X, Y = linear_problem("log_loss", n_samples=30)
    options = {"alpha": 0.01, "max_iter": 500, "max_fun": 500}
    loose = minimize_lbfgs(network.astype(float), X, Y, tol=0.1, **options)
    fine = minimize_lbfgs(network, X, Y, tol=1e-3, **options)
    assert loose.nit < fine.nit
    assert abs(fine.jac).max() <= 1e-3 < abs(loose.jac).max() <= 0.1
