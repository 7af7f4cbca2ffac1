"""Arrays that are handed out again."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skscratch.backends.buffers import Buffers

names = st.sampled_from(["Z", "A"])
shapes = st.tuples(st.integers(1, 4), st.integers(1, 6))
orders = st.sampled_from("CF")


@given(
    requests=st.lists(st.tuples(names, shapes, orders), min_size=1, max_size=12),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_every_request_is_met_in_one_block_for_each_name(requests, dtype):
    buffers = Buffers(dtype)
    latest, largest = {}, {}
    for name, shape, order in requests:
        array = buffers(name, shape, order)
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.c_contiguous if order == "C" else array.flags.f_contiguous
        grown = math.prod(shape) > largest.get(name, 0)
        if name in latest:
            # The same memory as ever, but where it was too small.
            assert np.shares_memory(array, latest[name]) is not grown
        latest[name], largest[name] = array, max(math.prod(shape), largest.get(name, 0))
    if len(latest) == 2:
        assert not np.shares_memory(latest["Z"], latest["A"])


def test_same_request_is_answered_with_the_same_array():
    buffers = Buffers(np.float64)
    first = buffers("Z", (3, 4))
    first[...] = 7
    again = buffers("Z", (3, 4))
    assert again.ctypes.data == first.ctypes.data
    assert (again == 7).all()


def test_smaller_batch_lies_at_the_beginning_of_the_larger_ones_memory():
    buffers = Buffers(np.float64)
    large, small = buffers("Z", (3, 8)), buffers("Z", (3, 5))
    assert small.ctypes.data == large.ctypes.data
    assert np.shares_memory(buffers("Z", (3, 8)), small)


def test_views_into_outgrown_memory_are_not_handed_out():
    buffers = Buffers(np.float64)
    small = buffers("Z", (3, 2))
    large = buffers("Z", (3, 8))
    again = buffers("Z", (3, 2))
    assert not np.shares_memory(again, small)
    assert np.shares_memory(again, large)


def test_neurons_of_a_sample_lie_together_where_columns_come_first():
    array = Buffers(np.float32)("Z", (3, 8), "F")
    assert array.strides == (4, 12)
