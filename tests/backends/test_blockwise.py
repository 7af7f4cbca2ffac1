"""Formulas that are evaluated a block at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skscratch.backends.blockwise import by_blocks, clip


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (70, 130), (3, 40, 50)])
def test_a_formula_is_evaluated_for_every_element(shape, order):
    random = np.random.RandomState(0)
    x, y = (np.array(random.standard_normal(shape), order=order) for _ in range(2))
    expected = np.exp(x) * y
    np.testing.assert_array_equal(by_blocks(lambda x, y: np.exp(x) * y, x, y), expected)
    # The result may take the place of an operand.
    assert by_blocks(lambda x, y: np.exp(x) * y, x, y, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_temporaries_are_small():
    sizes = []

    def formula(x):
        sizes.append(x.size)
        return x + 1

    by_blocks(formula, np.zeros((300, 200)))
    assert sum(sizes) == 60_000
    assert max(sizes) < 10_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_is_numpys(dtype):
    x = np.array([-np.inf, -2, -0.0, 0.5, 3, np.inf, np.nan], dtype)
    out = np.empty_like(x)
    assert clip(x, 0.0, 1.0, out) is out
    np.testing.assert_array_equal(out, np.clip(x, 0.0, 1.0))
    assert clip(x, 0.0, 1.0).dtype == dtype


@given(
    Z=hnp.arrays(st.sampled_from([np.float32, np.float64]), hnp.array_shapes()),
    bound=st.sampled_from([-1e3, 0.01, 20.0]),
)
def test_an_infinite_bound_makes_a_maximum_or_a_minimum(Z, bound):
    for found, expected in (
        (clip(Z, bound, np.inf), np.maximum(Z, bound)),
        (clip(Z, -np.inf, bound), np.minimum(Z, bound)),
    ):
        assert found.dtype == Z.dtype
        np.testing.assert_array_equal(found, expected)
