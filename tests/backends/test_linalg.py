"""Products, sums and norms that are not NumPy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from strategies import few

from skscratch.backends.linalg import (
    add_scaled,
    aligned,
    norm,
    ones,
    product,
    product_transposed,
    row_sums,
    squared_norms,
    width_of_pieces,
)

shapes = st.tuples(st.integers(1, 4), st.integers(1, 6))
orders = st.sampled_from("CF")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    n=st.integers(1, 50) | st.sampled_from([9_999, 10_000, 10_001, 25_003]),
    factor=st.floats(-10, 10, width=32),
)
@few
def test_scaled_vector_is_added_in_place(dtype, n, factor):
    whole = np.arange(2 * n, dtype=dtype)
    y, x = whole[n:], np.cos(whole[:n])
    expected, kept = y + dtype(factor) * x, x.copy()
    assert add_scaled(y, x, factor) is None
    rounding = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, expected, rtol=rounding)
    np.testing.assert_array_equal(whole[:n], np.arange(n))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 9_999, 10_000, 10_001, 25_003])
@pytest.mark.parametrize("leading", [(), (3,), (1, 2)])
def test_squared_norms_are_sums_of_squares(dtype, n, leading):
    x = np.random.default_rng(0).standard_normal((*leading, n)).astype(dtype)
    expected = np.square(x, dtype=np.float64).sum(axis=-1)
    np.testing.assert_allclose(squared_norms(x), expected, rtol=1e-5)
    assert np.shape(squared_norms(x)) == leading


@given(work=st.integers(1, 10**6), n=st.integers(1, 10**4))
@few
def test_pieces_are_small_enough_for_one_thread_and_equal(work, n):
    width = width_of_pieces(work, n)
    assert 1 <= width <= n
    if width < n:
        assert width % 8 == 0
        assert work * width < 524_288 <= work * n < 8_000_000


@given(
    n=st.integers(1, 30),
    dtype=st.sampled_from([np.float32, np.float64]),
    size=st.sampled_from([1e-30, 1.0, 1e30]),
)
@few
def test_norm_is_that_of_the_vector(n, dtype, size):
    x = (size * np.random.RandomState(n).standard_normal(n)).astype(dtype)
    expected = size * np.linalg.norm(x.astype(float) / size)
    assert norm(x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_norm_of_what_is_not_finite_is_not_finite(dtype, value):
    for n in (1, 7, 100):
        for at in (0, n // 2, n - 1):
            x = np.ones(n, dtype)
            x[at] = value
            assert not np.isfinite(norm(x))


arrays = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
dtypes = st.sampled_from([np.float32, np.float64, np.float16, np.int64])


def laid_out(shape, dtype, order):
    """Numbers of both signs whose last two axes have a memory order."""
    array = np.random.RandomState(sum(shape)).randint(-9, 10, shape).astype(dtype)
    return array if order == "C" else np.ascontiguousarray(array.mT).mT


@given(shape=arrays, n_axes=st.integers(2, 3), dtype=dtypes, order=orders)
def test_row_sums_are_numpys(shape, n_axes, dtype, order):
    x = laid_out(shape, dtype, order)[(0,) * (3 - n_axes)]
    expected = x.sum(axis=-1, keepdims=True, dtype=dtype)
    np.testing.assert_array_equal(row_sums(x), expected)
    out = np.empty_like(expected)
    assert row_sums(x, out=out) is out
    np.testing.assert_array_equal(out, expected)


@given(
    networks=st.sampled_from([(), (2,)]),
    n_columns=st.integers(1, 60),
    is_shared=st.booleans(),
    row_order=orders,
    column_order=orders,
    seed=st.integers(0, 99),
)
@few
def test_products_in_pieces_are_the_wholeones(
    networks, n_columns, is_shared, row_order, column_order, seed
):
    # Of few and of many multiplications, and of those between, which are cut.
    random = np.random.RandomState(seed)
    rows, inner = random.randint(1, 300, 2)
    x = random.standard_normal((*networks, rows, inner))
    y = random.standard_normal((*(() if is_shared else networks), inner, n_columns))
    x, y = (
        array if order == "C" else np.ascontiguousarray(array.mT).mT
        for array, order in ((x, row_order), (y, column_order))
    )
    expected = np.einsum("...ij,...jk->...ik", x, y)
    for function, second in ((product, y), (product_transposed, y.mT)):
        out = np.full_like(expected, np.nan)
        assert function(x, second, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("n_columns", "n_calls"), [(52, 1), (160, 1), (198, 2)])
def test_products_between_few_and_many_multiplications_are_cut(
    monkeypatch, n_columns, n_calls
):
    shapes, matmul = [], np.matmul

    def noted(x, y, out):
        shapes.append(out.shape)
        return matmul(x, y, out=out)

    monkeypatch.setattr(np, "matmul", noted)
    product(np.ones((100, 64)), np.ones((64, n_columns)), np.empty((100, n_columns)))
    assert len(shapes) == n_calls
    assert sum(map(math.prod, shapes)) == 100 * n_columns
    for *_, rows, columns in shapes:  # OpenBLAS's rule for a second thread.
        assert rows * columns * 64 < 524_288


def test_products_of_few_columns_are_not_cut(monkeypatch):
    shapes, matmul = [], np.matmul
    monkeypatch.setattr(
        np, "matmul", lambda x, y, out: shapes.append(out.shape) or matmul(x, y, out)
    )
    product(np.ones((1000, 1000)), np.ones((1000, 1)), np.empty((1000, 1)))
    assert shapes == [(1000, 1)]


def test_ones_that_are_kept_cannot_be_written():
    row_sums(np.ones((2, 6)))
    assert not ones(6, np.dtype(float)).flags.writeable


@given(shape=st.integers(1, 999) | shapes, dtype=dtypes)
def test_aligned_arrays_are_zeros_that_begin_with_a_line_of_the_cache(shape, dtype):
    array = aligned(shape, dtype)
    assert array.ctypes.data % 64 == 0
    assert array.flags.c_contiguous
    expected = np.zeros(shape, dtype)
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("leading", [(), (2,)])
def test_products_with_sparse_arrays_are_dense(make, leading):
    random = np.random.RandomState(0)
    x = random.standard_normal((*leading, 3, 4))
    y = random.standard_normal((4, 5)) * random.randint(2, size=(4, 5))
    expected = x @ y
    np.testing.assert_allclose(product(x, make(y)), expected, atol=1e-14)
    out = np.full_like(expected, np.nan)
    assert product_transposed(x, make(y.T), out=out) is out
    np.testing.assert_allclose(out, expected, atol=1e-14)
    np.testing.assert_allclose(product_transposed(x, make(y.T)), expected, atol=1e-14)
