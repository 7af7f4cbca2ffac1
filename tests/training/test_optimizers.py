"""The optimizers against their papers and scikit-learn's, over the registry."""

import copy
import inspect
import pickle
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import _stochastic_optimizers as scikit_learns
from strategies import few, seeds

from skscratch import OPTIMIZERS
from skscratch.training import optimizers

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
n_parameters = st.integers(1, 30)
# Short blocks, so that short vectors are of several.
blocks = st.integers(1, 40)
fractions = st.floats(0, 0.9999)
close = {"rtol": 1e-10, "atol": 1e-12}


def drawn(n, n_steps, seed):
    """Parameters and the gradients of so many steps, of all sizes and zeros too."""
    random = np.random.RandomState(seed)
    sizes = 10.0 ** random.randint(-3, 3, (n_steps, n))
    gradients = random.standard_normal((n_steps, n)) * sizes
    gradients[random.uniform(size=gradients.shape) < 0.1] = 0
    return random.standard_normal(n), gradients


def trajectory(optimizer, parameters, gradients, rates, block=None):
    """Parameters after each step."""
    parameters = parameters.copy()
    path = []
    with mock.patch.object(optimizers, "BLOCK", block or optimizers.BLOCK):
        for gradient, rate in zip(gradients, rates, strict=True):
            assert optimizer.update(parameters, gradient, rate) is None
            path.append(parameters.copy())
    return np.array(path)


def plain_momentum(parameters, gradients, rates, momentum, nesterovs):
    """Momentum in Sutskever's form, each vector kept as it is written there."""
    theta, v, path = parameters, np.zeros_like(parameters), []
    for g, rate in zip(gradients, rates, strict=True):
        v = momentum * v - rate * g
        theta = theta + (momentum * v - rate * g if nesterovs else v)
        path.append(theta)
    return np.array(path)


def plain_adam(parameters, gradients, rates, beta_1, beta_2, epsilon):
    """Adam as section 2 of the paper ends: the more efficient order."""
    theta, m, v = parameters, np.zeros_like(parameters), np.zeros_like(parameters)
    path = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        alpha_t = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        theta = theta - alpha_t * m / (np.sqrt(v) + epsilon)
        path.append(theta)
    return np.array(path)


@given(
    n=n_parameters,
    block=blocks,
    n_steps=st.integers(1, 40),
    momentum=st.floats(0, 1),
    nesterovs=st.booleans(),
    seed=seeds,
)
def test_momentum_is_that_of_the_paper(n, block, n_steps, momentum, nesterovs, seed):
    parameters, gradients = drawn(n, n_steps, seed)
    rates = np.random.RandomState(seed).uniform(0, 0.2, n_steps)
    optimizer = OPTIMIZERS["sgd"](n, np.float64, momentum, nesterovs)
    np.testing.assert_allclose(
        trajectory(optimizer, parameters, gradients, rates, block),
        plain_momentum(parameters, gradients, rates, momentum, nesterovs),
        **close,
    )


@given(
    n=n_parameters,
    block=blocks,
    n_steps=st.integers(1, 40),
    beta_1=fractions,
    beta_2=fractions,
    epsilon=st.sampled_from([1e-8, 1e-3, 1.0]),
    seed=seeds,
)
def test_adam_is_that_of_the_paper(n, block, n_steps, beta_1, beta_2, epsilon, seed):
    parameters, gradients = drawn(n, n_steps, seed)
    rates = np.random.RandomState(seed).uniform(0, 0.2, n_steps)
    optimizer = OPTIMIZERS["adam"](n, np.float64, beta_1, beta_2, epsilon)
    np.testing.assert_allclose(
        trajectory(optimizer, parameters, gradients, rates, block),
        plain_adam(parameters, gradients, rates, beta_1, beta_2, epsilon),
        **close,
    )


@given(
    n=n_parameters,
    block=blocks,
    n_steps=st.integers(1, 30),
    decay=st.sampled_from([0.0, 0.01, 0.5]),
    seed=seeds,
)
def test_adamw_is_that_of_the_paper(n, block, n_steps, decay, seed):
    """Algorithm 2: the decay is apart from the gradients, and of the weights alone."""
    parameters, gradients = drawn(n, n_steps, seed)
    random = np.random.RandomState(seed)
    rates, n_weights = random.uniform(0, 0.2, n_steps), random.randint(n + 1)
    optimizer = OPTIMIZERS["adamw"](n, np.float64, 0.8, 0.95, 1e-6, decay)
    optimizer.n_weights = n_weights

    theta, m, v, path = parameters, np.zeros(n), np.zeros(n), []
    is_weight = np.arange(n) < n_weights
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = 0.8 * m + (1 - 0.8) * g
        v = 0.95 * v + (1 - 0.95) * g**2
        # epsilon is added before the bias of the root is corrected, as in Adam here.
        step = rate * np.sqrt(1 - 0.95**t) / (1 - 0.8**t) * m / (np.sqrt(v) + 1e-6)
        theta = theta - rate * decay * theta * is_weight - step
        path.append(theta)
    ours = trajectory(optimizer, parameters, gradients, rates, block)
    np.testing.assert_allclose(ours, path, **close)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("sgd", scikit_learns.SGDOptimizer), ("adam", scikit_learns.AdamOptimizer)],
)
@pytest.mark.parametrize("n", [7, optimizers.BLOCK, 2 * optimizers.BLOCK + 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hundred_steps_are_those_of_scikit_learn(name, theirs, n, dtype):
    random = np.random.RandomState(0)
    parameters = random.standard_normal(n).astype(dtype)
    expected = parameters.copy()
    ours, oracle = OPTIMIZERS[name](n, dtype), theirs([expected], 0.01)
    for _ in range(100 if n < 100 else 4):
        gradients = random.standard_normal(n).astype(dtype)
        ours.update(parameters, gradients, 0.01)
        oracle.update_params([expected], [gradients])
    assert parameters.dtype == dtype
    rounding = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(parameters, expected, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_stays_that_of_the_paper_for_ten_thousand_steps(dtype):
    random = np.random.RandomState(0)
    parameters = random.standard_normal(3)
    gradients = 0.3 + random.standard_normal((12_000, 3))
    rates = [0.001] * len(gradients)
    path = trajectory(
        *(OPTIMIZERS["adam"](3, dtype), parameters.astype(dtype)),
        *(gradients.astype(dtype), rates),
    )
    expected = plain_adam(parameters, gradients, rates, 0.9, 0.999, 1e-8)
    rounding = 1e-10 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(path, expected, rtol=rounding, atol=rounding)


@every_optimizer
@given(n=n_parameters, block=blocks, seed=seeds)
@settings(max_examples=30)
def test_blocks_are_no_part_of_the_result(name, n, block, seed):
    parameters, gradients = drawn(n, 5, seed)
    rates = [0.1] * 5
    whole, cut = (
        trajectory(OPTIMIZERS[name](n, np.float64), parameters, gradients, rates, size)
        for size in (n, block)
    )
    # The ends of a vector, which processors round differently, are elsewhere.
    np.testing.assert_allclose(whole, cut, rtol=1e-10, atol=1e-12)


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_are_left_as_they_are(name, dtype):
    parameters, gradients = drawn(20, 1, seed=0)
    parameters, gradients = parameters.astype(dtype), gradients[0].astype(dtype)
    before = gradients.copy()
    optimizer = OPTIMIZERS[name](20, dtype)
    for _ in range(3):
        optimizer.update(parameters, gradients, 0.1)
        np.testing.assert_array_equal(gradients, before)


@every_optimizer
def test_bowl_is_descended_to_its_bottom(name):
    bottom = np.array([3.0, -2.0, 0.5])
    parameters = np.zeros(3)
    optimizer = OPTIMIZERS[name](3, np.float64)
    distances = []
    for i in range(600):
        optimizer.update(parameters, parameters - bottom, 0.1 / (1 + i / 50))
        distances.append(np.linalg.norm(parameters - bottom))
    # Weight decay moves the bottom by a hundredth.
    near = 3e-2 if name == "adamw" else 1e-2
    assert distances[-1] < near < distances[0] < np.linalg.norm(bottom)


@every_optimizer
@given(seed=seeds, rate=st.floats(1e-4, 1))
@few
def test_first_step_is_downhill_and_scales_with_the_rate(name, seed, rate):
    parameters, gradients = drawn(10, 1, seed)
    steps = []
    for r in (rate, rate / 2):
        optimizer = OPTIMIZERS[name](10, np.float64)
        optimizer.n_weights = 0  # Decay is another matter than the gradients'.
        steps.append(trajectory(optimizer, parameters, gradients, [r])[0] - parameters)
    assert (steps[0] * gradients[0] <= 0).all()
    assert ((steps[0] != 0) == (gradients[0] != 0)).all()
    np.testing.assert_allclose(steps[0], 2 * steps[1], rtol=1e-8, atol=1e-13)


@every_optimizer
def test_optimizers_do_not_share_their_memory(name):
    parameters, gradients = drawn(5, 4, seed=0)
    rates = [0.1] * 4
    alone = trajectory(OPTIMIZERS[name](5, np.float64), parameters, gradients, rates)
    first, other = (OPTIMIZERS[name](5, np.float64) for _ in range(2))
    beside = parameters.copy()
    for step in range(4):
        trajectory(other, parameters, gradients, rates)
        first.update(beside, gradients[step], rates[step])
        np.testing.assert_array_equal(beside, alone[step])


@every_optimizer
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_go_on_where_the_original_stood(name, duplicate):
    parameters, gradients = drawn(5, 6, seed=0)
    rates = [0.1] * 6
    whole = trajectory(OPTIMIZERS[name](5, np.float64), parameters, gradients, rates)
    first = OPTIMIZERS[name](5, np.float64)
    trajectory(first, parameters, gradients[:3], rates[:3])
    twin = duplicate(first)
    # One after the other, so that memory in common would show.
    for optimizer in (first, twin):
        path = trajectory(optimizer, whole[2], gradients[3:], rates[3:])
        np.testing.assert_array_equal(path, whole[3:])


@every_optimizer
def test_registered_facts_fit_the_constructor(name):
    optimizer_class = OPTIMIZERS[name]
    first, second, *others = inspect.signature(optimizer_class).parameters
    assert (first, second) == ("n_parameters", "dtype")
    assert tuple(others) == optimizer_class.hyperparameters


def test_optimizer_without_an_update_says_so():
    optimizer = optimizers.Optimizer(3, np.float64)
    with pytest.raises(NotImplementedError):
        optimizer.update(np.zeros(3), np.zeros(3), 0.1)


def test_adam_in_float32_bears_large_gradients():
    """Its own units must not use up the range of the numbers."""
    gradients = (1e17 * np.array([1, -1])).astype(np.float32)
    parameters = np.zeros(2, np.float32)
    optimizer = OPTIMIZERS["adam"](2, np.float32, beta_2=0.9)
    for _ in range(300):
        optimizer.update(parameters, gradients, 0.1)
    np.testing.assert_allclose(parameters, [-30, 30], rtol=1e-4)
