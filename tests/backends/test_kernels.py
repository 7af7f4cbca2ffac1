"""The compiled kernels, each against the formula in NumPy that it stands for.

Whole trainings are in ``tests/training/test_compiled.py``.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr
from strategies import make_targets, make_weights, seeds

from skscratch import ACTIVATIONS, LOSSES
from skscratch.backends import linalg
from skscratch.backends.compiled import product_address
from skscratch.nn.activations import resolve_activation
from skscratch.nn.losses import Huber

pytest.importorskip("numba", reason="The extra 'fast' is not installed.")

from numba import njit

from skscratch.backends import kernels as kernels_package
from skscratch.backends.kernels import (
    activations,
    blas,
    elementary,
    losses,
    optimizers,
    steps,
)
from skscratch.backends.kernels.decorators import elementwise

DTYPES = [np.float32, np.float64]
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
few = settings(max_examples=40)

# All 2³² numbers of float32 take two minutes for each function:
#     SKSCRATCH_ALL_FLOATS=1 pytest tests/backends/test_kernels.py -k polynomials_are
STRIDE = 1 if "SKSCRATCH_ALL_FLOATS" in os.environ else 9973


def over_arrays(function):
    """Compile a loop of a function of one number, as the kernels do."""

    @elementwise
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


exp = over_arrays(njit(lambda x: elementary.exp(x)))
expm1 = over_arrays(njit(lambda x: elementary.expm1(x)))
log1p = over_arrays(njit(lambda x: elementary.log1p(x)))

# Each with its reference, and the numbers that it is meant for.
FUNCTIONS = {
    "exp": (exp, np.exp, -np.inf, np.inf),
    "expm1": (expm1, np.expm1, -np.inf, 0),
    "log1p": (log1p, np.log1p, 0, 1),
    "logistic": (
        over_arrays(elementary.logistic),
        lambda x: 1 / (1 + np.exp(-x)),
        -np.inf,
        np.inf,
    ),
    "tanh": (over_arrays(elementary.tanh), np.tanh, -np.inf, np.inf),
    "tanh_softplus": (
        over_arrays(elementary.tanh_softplus),
        lambda x: np.tanh(np.log1p(np.exp(np.minimum(x, 30)))),
        -np.inf,
        np.inf,
    ),
}
# In units in the last place, for float32 and for samples of float64.
LIMITS = dict.fromkeys(FUNCTIONS, (2, 2.2)) | {"tanh_softplus": (3.2, 3.2)}


def errors_in_last_place(found, expected, dtype):
    """Errors in units in the last place of the expected numbers."""
    rounded = expected.astype(dtype)
    units = np.spacing(np.abs(rounded)).astype(expected.dtype)
    with np.errstate(invalid="ignore"):
        errors = np.abs(found.astype(expected.dtype) - expected) / units
    # Numbers that overflow, or not quite.
    equal = found == rounded
    return np.where(equal, 0, errors)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_polynomials_are_right_to_the_last_place_or_two(name):
    function, reference, low, high = FUNCTIONS[name]
    n, worst = 2**32, 0.0
    for start in range(0, n, 2**24 * STRIDE):
        stop = min(start + 2**24 * STRIDE, n)
        x = np.arange(start, stop, STRIDE, dtype=np.uint32).view(np.float32)
        x = x[(x >= low) & (x <= high)]
        found = np.empty_like(x)
        function(x, found)
        with np.errstate(all="ignore"):
            errors = errors_in_last_place(
                found, reference(x.astype(np.float64)), np.float32
            )
        worst = max(worst, float(errors.max(initial=0)))
    assert worst <= LIMITS[name][0]


@pytest.mark.skipif(
    np.finfo(np.longdouble).precision <= np.finfo(np.float64).precision,
    reason="There is no longer float to compare with.",
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_polynomials_of_float64(name):
    function, reference, low, high = FUNCTIONS[name]
    random = np.random.default_rng(0)
    x = random.standard_normal(300_000) * 10.0 ** random.uniform(-8, 3, 300_000)
    x = x[(x >= max(low, -740)) & (x <= min(high, 700))]
    found = np.empty_like(x)
    function(x, found)
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.longdouble))
    # Below the smallest normal number, digits are lost.
    is_normal = np.abs(expected) > np.finfo(np.float64).tiny
    errors = errors_in_last_place(found, expected, np.float64)
    assert errors[is_normal].max() <= LIMITS[name][1]


@both_dtypes
@pytest.mark.parametrize("name", ["exp", "expm1", "logistic", "tanh"])
def test_polynomials_of_special_numbers(name, dtype):
    function, reference, low, high = FUNCTIONS[name]
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30, 1e-30], dtype)
    x = x[np.isnan(x) | ((x >= low) & (x <= high))]
    found = np.empty_like(x)
    function(x, found)
    with np.errstate(all="ignore"):
        assert_allclose(found, reference(x), rtol=4 * np.finfo(dtype).eps)


def test_the_normal_distribution():
    x = np.linspace(-30, 30, 1001)
    found = np.empty_like(x)
    over_arrays(elementary.normal)(x, found)
    assert_allclose(found, ndtr(x), rtol=1e-13)
    x = x[np.abs(x) < 12].astype(np.float32)
    found = np.empty_like(x)
    over_arrays(elementary.normal)(x, found)
    assert_allclose(found, ndtr(x.astype(np.float64)), rtol=1e-7)


# Activations

extreme = st.sampled_from([np.inf, -np.inf, 1e30, -1e30, 0.0, 1e-30, -1e-30])


def numbers(dtype):
    width = np.finfo(dtype).bits
    return st.floats(-30, 30, width=width) | extreme.map(dtype)


def forms(names):
    """Names of activations, also with a parameter."""
    return [*names, "leaky_relu(0.3)", "elu(2.5)"]


@both_dtypes
@pytest.mark.parametrize("name", forms(ACTIVATIONS))
@given(data=st.data())
@few
def test_activations_and_their_derivatives(name, dtype, data):
    f = resolve_activation(name)
    Z = data.draw(arrays(dtype, (3, 4), elements=numbers(dtype)))
    dA = data.draw(arrays(dtype, (3, 4), elements=st.floats(-2, 2, width=32)))
    b = data.draw(arrays(dtype, 4, elements=st.floats(-2, 2, width=32)))
    form, constant = f.kernel
    number = activations.ACTIVATION_NUMBERS[form]
    given_Z = Z + b
    A = Z.copy() if number in activations.NEED_Z else Z
    activations.activate(number, dtype(constant), 0, b, Z, A)
    with np.errstate(all="ignore"):
        expected = f.function(given_Z.copy())
        slopes = f.derivative(given_Z.copy(), expected.copy())
    rtol = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(A, expected, rtol=rtol, atol=rtol)
    # From the same A: where it is near a limit, its rounding counts.
    np.copyto(A, expected)
    dZ, db = dA.copy(), np.full(4, np.nan, dtype)
    activations.chain(number, dtype(constant), 0, dZ, Z, A, db)
    with np.errstate(all="ignore"):
        dZ_expected = dA * slopes
    assert_allclose(dZ, dZ_expected, rtol=rtol, atol=2 * rtol)
    assert_allclose(db, dZ.sum(axis=0), rtol=rtol, atol=10 * rtol)


def test_every_activation_and_every_loss_but_the_quantiles_has_a_kernel():
    assert not {name for name, f in ACTIVATIONS.items() if f.usable_kernel is None}
    names = {f.kernel[0] for f in ACTIVATIONS.values()}
    assert names == set(activations.ACTIVATION_NUMBERS)
    without = {name for name, loss in LOSSES.items() if type(loss).kernel is None}
    assert without == {"quantile"}


@both_dtypes
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_stay_visible(name, dtype, bad):
    f = ACTIVATIONS[name]
    number = activations.ACTIVATION_NUMBERS[f.kernel[0]]
    Z = np.array([[-2.0, 0.0, 2.0]], dtype)
    A, dA = f.function(Z.copy()), np.full((1, 3), bad, dtype)
    db = np.zeros(3, dtype)
    activations.chain(number, dtype(f.kernel[1]), 0, dA, Z, A, db)
    assert not np.isfinite(dA).any()
    assert not np.isfinite(db).any()


# Losses

compiled_losses = {
    **{name: loss for name, loss in LOSSES.items() if type(loss).kernel is not None},
    "huber(0.4)": Huber(0.4),
}


@both_dtypes
@pytest.mark.parametrize("name", compiled_losses)
@given(
    n_outputs=st.integers(1, 5),
    n_samples=st.integers(1, 9),
    is_weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.2]),
    seed=seeds,
)
@few
def test_losses_and_their_gradients(
    name, dtype, n_outputs, n_samples, is_weighted, smoothing, seed
):
    loss = compiled_losses[name]
    random = np.random.RandomState(seed)
    Z = (3 * random.standard_normal((n_outputs, n_samples))).astype(dtype)
    Y = make_targets(name.partition("(")[0], n_outputs, n_samples, random).astype(dtype)
    if loss.task == "classification":
        Y = (1 - smoothing) * Y + dtype(smoothing / n_outputs)
    weights = make_weights(n_samples, random).astype(dtype) if is_weighted else None
    shares = np.full(n_samples, 1 / n_samples, dtype)
    if weights is not None:
        shares = weights / weights.sum()
    cost, dZ = loss.cost_and_gradient(Z, Y, weights)
    found = Z.copy()
    found_cost = losses.cost_and_gradient(
        losses.LOSS_NUMBERS[type(loss).kernel],
        float(loss.kernel_parameter),
        found,
        Y,
        shares,
        np.empty(n_samples, dtype),
    )
    rtol = 1e-4 if dtype == np.float32 else 1e-12
    assert_allclose(found_cost, cost, rtol=rtol, atol=rtol)
    assert_allclose(found, dZ, rtol=rtol, atol=1e-2 * rtol)


@both_dtypes
@pytest.mark.parametrize("name", compiled_losses)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_seen_in_the_cost(name, dtype, bad):
    """As in NumPy: an infinite logit may mean certainty, but nan never passes."""
    loss = compiled_losses[name]
    Z = np.zeros((2, 3), dtype)
    Z[1, 1] = bad
    Y = np.array([[1, 0, 0], [0, 1, 1]], dtype) + (name == "gamma")
    found = Z.copy()
    cost = losses.cost_and_gradient(
        losses.LOSS_NUMBERS[type(loss).kernel],
        float(loss.kernel_parameter),
        found,
        Y,
        np.full(3, 1 / 3, dtype),
        np.empty(3, dtype),
    )
    with np.errstate(all="ignore"):
        expected, dZ = loss.cost_and_gradient(Z, Y)
    assert np.isfinite(cost) == np.isfinite(expected)
    assert_array_equal(np.isfinite(found), np.isfinite(dZ))


# Products

product = njit(lambda address, x, y, out: blas.product(address, x, y, out))


@both_dtypes
@pytest.mark.parametrize("uses_numpys", [True, False])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 4), (200, 64, 100), (301, 99, 70), (9, 4000, 40)]
)
def test_products_of_either_memory_order(dtype, uses_numpys, shape):
    m, k, n = shape
    random = np.random.default_rng(0)
    address = product_address(np.dtype(dtype)) if uses_numpys else 0
    x, y = random.standard_normal((m, k)), random.standard_normal((k, n))
    for x_order in "CF":
        for y_order in "CF":
            a, b = np.asarray(x, dtype, x_order), np.asarray(y, dtype, y_order)
            out = np.full((m, n), np.nan, dtype)
            product(address, a, b, out)
            rtol = 1e-4 if dtype == np.float32 else 1e-10
            assert_allclose(out, x @ y, rtol=rtol, atol=rtol)


def test_a_product_on_one_thread_is_cut_into_pieces_of_rows():
    """Some work is too small for a second thread, and BLAS would start one."""
    m, k, n = 200, 64, 100
    assert linalg.TWO_THREADS < m * k * n < linalg.WORTH_THREADS
    x, y = np.ones((m, k)), np.ones((k, n))
    whole, pieces = np.empty((m, n)), np.empty((m, n))
    product(product_address(np.dtype("f8")), x, y, pieces)
    np.matmul(x, y, out=whole)
    assert_array_equal(whole, pieces)


# The optimizers' rest: their steps are compared in whole trainings.


@both_dtypes
@given(seed=seeds, max_norm=st.floats(1e-3, 10))
@few
def test_clipping(dtype, seed, max_norm):
    from skscratch.training.regularization import clip_gradients

    gradients = np.random.default_rng(seed).standard_normal(17).astype(dtype)
    expected = gradients.copy()
    clip_gradients(expected, max_norm)
    optimizers.clip(gradients, max_norm)
    assert_allclose(gradients, expected, rtol=1e-6)


def test_the_cache_notices_changes_of_all_files():
    """Numba's cache notices those of ``steps.py`` alone, where a hash stands for all.

    If this fails, machine code of an older version would be used: put the new hash into
    ``SOURCES`` in ``skscratch/backends/kernels/steps.py``.
    """
    folder = Path(kernels_package.__file__).parent
    digest = hashlib.sha256()
    others = [folder.parent / name for name in ("constants.py", "linalg.py")]
    for path in [*others, *sorted(folder.glob("*.py"))]:
        if path.name != "steps.py":
            digest.update(path.read_bytes())
    assert digest.hexdigest()[:16] == steps.SOURCES
