"""Each activation and its derivative, over the whole registry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import MARGIN, derivatives, few

from skscratch import ACTIVATIONS, d_sigmoid, d_tanh, sigmoid, tanh

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
moderate = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=2, max_side=4),
    elements=st.floats(-20, 20),
)

FORMULAS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "logistic": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    ),
    "tanh": (
        lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
        lambda z: 1 / np.cosh(z) ** 2,
    ),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1, 0)),
}


@pytest.mark.parametrize("name", FORMULAS)
@given(Z=moderate)
@few
def test_function_and_derivative_are_those_of_the_textbook(name, Z):
    activation = ACTIVATIONS[name]
    function, derivative = FORMULAS[name]
    A = activation.function(Z)
    np.testing.assert_allclose(A, function(Z), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        activation.derivative(Z, A), derivative(Z), rtol=1e-12, atol=1e-15
    )


@every_activation
@given(Z=moderate)
@few
def test_derivative_is_that_of_the_function(name, Z):
    activation = ACTIVATIONS[name]
    for kink in activation.kinks:
        near = abs(Z - kink) < MARGIN
        Z[near] = kink + np.where(Z[near] < kink, -MARGIN, MARGIN)
    numerical = derivatives(lambda: activation.function(Z).sum(), Z)
    analytic = activation.derivative(Z, activation.function(Z))
    np.testing.assert_allclose(analytic, numerical, rtol=1e-6, atol=1e-8)


@every_activation
def test_kinks_are_where_the_derivative_jumps_and_nowhere_else(name):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-8, 8, 1601)
    left, right = (
        activation.derivative(z, activation.function(z)) for z in (Z - 1e-9, Z + 1e-9)
    )
    np.testing.assert_allclose(
        Z[abs(left - right) > 1e-3], activation.kinks, atol=1e-12
    )


def test_sigmoid_is_the_articles_name_of_the_logistic_function():
    assert ACTIVATIONS["sigmoid"] is ACTIVATIONS["logistic"]


@pytest.mark.parametrize(
    ("name", "function", "derivative"),
    [("sigmoid", sigmoid, d_sigmoid), ("tanh", tanh, d_tanh)],
)
@pytest.mark.parametrize("z", [-0.7, np.array([[-0.7, 0.0, 1.3]]), [0, 1]])
def test_articles_functions_take_the_pre_activation_alone(
    name, function, derivative, z
):
    expected_function, expected_derivative = FORMULAS[
        name.replace("sigmoid", "logistic")
    ]
    np.testing.assert_allclose(function(z), expected_function(np.asarray(z)))
    np.testing.assert_allclose(derivative(z), expected_derivative(np.asarray(z)))


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_float_gives_a_finite_value_without_a_warning(name, dtype):
    activation = ACTIVATIONS[name]
    limits = np.finfo(dtype)
    large = [30, 1e4, 1e38, limits.max] + ([1e300] if dtype == np.float64 else [])
    Z = np.array([0, limits.tiny, *large], dtype)
    Z = np.concatenate([Z, -Z])
    # What underflows to 0 is as near to 0 as it should be.
    with np.errstate(all="raise", under="ignore"):
        A = activation.function(Z)
        slope = activation.derivative(Z, A)
    for values in (A, slope):
        assert values.dtype == dtype
        assert np.isfinite(values).all()


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_go_where_they_are_told_and_operands_stay(name, dtype):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    before = Z.copy()
    out_A, out_slope = np.full_like(Z, np.nan), np.full_like(Z, np.nan)

    A = activation.function(Z, out=out_A)
    kept = A.copy()
    slope = activation.derivative(Z, A, out=out_slope)

    assert A is (Z if name == "identity" else out_A)
    assert slope is out_slope
    np.testing.assert_array_equal(Z, before)
    np.testing.assert_array_equal(A, kept)
    np.testing.assert_array_equal(A, activation.function(Z))
    np.testing.assert_array_equal(slope, activation.derivative(Z, A))


@every_activation
def test_without_a_place_to_go_the_derivative_is_a_new_array(name):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-3, 3, 5)
    A = activation.function(Z)
    slope = activation.derivative(Z, A)
    assert not np.shares_memory(slope, Z)
    assert not np.shares_memory(slope, A)


@every_activation
def test_derivative_reads_no_more_than_it_says(name):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-3, 3, 12).reshape(3, 4)
    expected = activation.derivative(Z, activation.function(Z).copy())
    if not activation.needs_Z:
        # A takes the place of Z.
        A = activation.function(Z, out=Z)
        np.testing.assert_array_equal(A, Z)
        np.testing.assert_array_equal(activation.derivative(A, A), expected)
    if activation.in_place:
        A = activation.function(Z) if activation.needs_Z else Z
        assert activation.derivative(Z, A, out=A) is A
        np.testing.assert_array_equal(A, expected)
