"""Each activation and its derivative, over the whole registry."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.integrate import quad
from strategies import MARGIN, STEP, derivatives, few

from skscratch import ACTIVATIONS, Activation, d_sigmoid, d_tanh, sigmoid, tanh

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
moderate = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=2, max_side=4),
    elements=st.floats(-20, 20),
)

erfc = np.vectorize(math.erfc, otypes=[float])
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772

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
    "leaky_relu": (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z: np.where(z > 0, 1, 0.01),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, np.exp(z) - 1),
        lambda z: np.where(z > 0, 1, np.exp(z)),
    ),
    "selu": (
        lambda z: LAMBDA * np.where(z > 0, z, ALPHA * (np.exp(z) - 1)),
        lambda z: LAMBDA * np.where(z > 0, 1, ALPHA * np.exp(z)),
    ),
    "gelu": (
        lambda z: z / 2 * erfc(-z / np.sqrt(2)),
        lambda z: (
            erfc(-z / np.sqrt(2)) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        ),
    ),
    "silu": (
        lambda z: z / (1 + np.exp(-z)),
        lambda z: (1 + (1 + z) * np.exp(-z)) / (1 + np.exp(-z)) ** 2,
    ),
    "mish": (
        lambda z: z * np.tanh(np.log1p(np.exp(z))),
        # As in the paper, section 2.
        lambda z: (
            np.exp(z)
            * (
                4 * (z + 1)
                + 4 * np.exp(2 * z)
                + np.exp(3 * z)
                + np.exp(z) * (4 * z + 6)
            )
            / (2 * np.exp(z) + np.exp(2 * z) + 2) ** 2
        ),
    ),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
}

# Of the function and of its derivative, at minus and at plus infinity.
LIMITS = {
    "identity": ((-np.inf, np.inf), (1, 1)),
    "logistic": ((0, 1), (0, 0)),
    "tanh": ((-1, 1), (0, 0)),
    "relu": ((0, np.inf), (0, 1)),
    "leaky_relu": ((-np.inf, np.inf), (0.01, 1)),
    "elu": ((-1, np.inf), (0, 1)),
    "selu": ((-LAMBDA * ALPHA, np.inf), (0, LAMBDA)),
    "gelu": ((0, np.inf), (0, 1)),
    "silu": ((0, np.inf), (0, 1)),
    "mish": ((0, np.inf), (0, 1)),
    "softplus": ((0, np.inf), (0, 1)),
}


@pytest.mark.parametrize("table", [FORMULAS, LIMITS])
def test_tables_cover_the_registry(table):
    assert table.keys() | {"sigmoid"} == set(ACTIVATIONS)


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
    # Where the second derivative jumps by 1, the difference errs by a sixth of a step.
    np.testing.assert_allclose(analytic, numerical, rtol=STEP / 5, atol=1e-8)


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


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("large", [1e4, 1e30, np.inf])
def test_far_from_0_values_are_at_their_limits(name, dtype, large):
    activation = ACTIVATIONS[name]
    Z = np.array([-large, large], dtype)
    with np.errstate(all="raise", under="ignore"):
        A = activation.function(Z)
        slope = activation.derivative(Z, A)
    for values, limits in zip((A, slope), LIMITS[name], strict=True):
        assert values.dtype == dtype
        finite = np.isfinite(limits)
        exact = np.array(limits)[finite]
        np.testing.assert_allclose(values[finite], exact, rtol=1e-6, atol=0)
        # Where there is no limit, it grows with Z; the largest float is large enough.
        assert (abs(values[~finite]) > min(large / 101, np.finfo(dtype).max / 2)).all()
        assert (np.sign(values[~finite]) == np.sign(Z[~finite])).all()


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_stays_nan_without_a_warning(name, dtype):
    activation = ACTIVATIONS[name]
    Z = np.array([np.nan, 1], dtype)
    with np.errstate(all="raise"):
        A = activation.function(Z)
        activation.derivative(Z, A)
    np.testing.assert_array_equal(np.isnan(A), [True, False])


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_precision_is_near_double_precision(name, dtype):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-20, 20, 4001, dtype=dtype)
    A = activation.function(Z)
    exact_Z = Z.astype(np.float64)
    exact_A = activation.function(exact_Z)
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(A, exact_A, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        activation.derivative(Z, A),
        activation.derivative(exact_Z, exact_A),
        rtol=tolerance,
        atol=tolerance,
    )


def second_moment(function):
    """``E[f(z)²]`` of a standard normal ``z``."""

    def integrand(z):
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return float(function(np.array(z))) ** 2 * density

    return sum(quad(integrand, *side)[0] for side in ((-30, 0), (0, 30)))


@every_activation
def test_initial_weights_keep_the_second_moment_or_are_scikit_learns(name):
    scikit_learns = {
        "identity": 6,
        "logistic": 2,
        "sigmoid": 2,
        "tanh": 6,
        "relu": 6,
    }
    expected = scikit_learns.get(name)
    if expected is None:
        expected = pytest.approx(6 / second_moment(FORMULAS[name][0]), rel=5e-5)
    assert ACTIVATIONS[name].variance_factor == expected


def test_constants_of_selu_are_its_fixed_point():
    function = ACTIVATIONS["selu"].function
    assert second_moment(function) == pytest.approx(1, rel=1e-12)
    # E[f²] - E[(f - 1)²] = 2 E[f] - 1, and the mean is 0.
    shifted = second_moment(lambda z: function(z) - 1)
    assert shifted == pytest.approx(2, rel=1e-12)


@every_activation
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1), (70, 130), (3, 40, 50)])
def test_every_element_is_reached_in_any_shape_and_order(name, order, shape):
    activation = ACTIVATIONS[name]
    values = np.random.RandomState(0).standard_normal(shape)
    Z = np.array(values, order=order)
    A = activation.function(Z, out=np.full_like(Z, np.nan))
    slope = activation.derivative(Z, A, out=np.full_like(Z, np.nan))
    one_by_one = [activation.function(np.array([z])) for z in values.flat]
    slopes = [
        activation.derivative(np.array([z]), a)
        for z, a in zip(values.flat, one_by_one, strict=True)
    ]
    for found, expected in ((A, one_by_one), (slope, slopes)):
        assert found.shape == shape
        np.testing.assert_allclose(
            found.ravel(), np.ravel(expected), rtol=1e-14, atol=1e-15
        )


@every_activation
def test_derivative_alone_computes_what_it_needs(name):
    activation = ACTIVATIONS[name]
    Z = np.linspace(-3, 3, 12).reshape(3, 4)
    np.testing.assert_array_equal(
        activation.derivative(Z), activation.derivative(Z, activation.function(Z))
    )


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
        nothing = np.full_like(A, np.nan)
        np.testing.assert_array_equal(activation.derivative(nothing, A), expected)
    if activation.in_place:
        A = activation.function(Z) if activation.needs_Z else Z
        assert activation.derivative(Z, A, out=A) is A
        np.testing.assert_array_equal(A, expected)


def test_a_pickle_from_before_activations_had_kernels():
    record = Activation(np.square, np.negative)
    state = record.__getstate__()
    del state["kernel"]
    old = object.__new__(Activation)
    vars(old).update(state)
    again = pickle.loads(pickle.dumps(old))
    assert again.usable_kernel is None
    assert again.function is np.square


@pytest.mark.parametrize(
    "kernel",
    [
        np.sin,
        "relu",
        (np.sin,),
        (np.sin, None),
        (np.sin, 0.0),
        ("relu", np.cos),
        (np.sin, np.cos, np.cos),
        [np.sin, np.cos],
        ({}.get, type("Unhashable", (), {"__call__": abs, "__hash__": None})()),
    ],
)
def test_a_kernel_is_a_pair_of_functions(kernel):
    with pytest.raises(TypeError, match="kernel must be a tuple of two functions"):
        Activation(np.sin, np.cos, kernel=kernel)
