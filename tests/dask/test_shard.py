"""Shards without a cluster: their gradients add up, and so do their checksums."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from skscratch import ScratchMLPClassifier
from skscratch.dask.shard import Shard, ShardOptions, stacked
from skscratch.estimators.class_targets import ClassTargets
from skscratch.estimators.config import resolve_config
from skscratch.nn.network import Network
from skscratch.training.data import FitData

random = np.random.RandomState(0)
X = random.standard_normal((60, 5))
y = random.randint(3, size=60)
Y = y[:, np.newaxis] == np.arange(3)
weights = random.uniform(size=60)


def config_of(**options):
    estimator = ScratchMLPClassifier((4,), **options)
    return resolve_config(
        estimator.get_params(), FitData(X, y, Y, weights), ClassTargets.fit(y)
    )


def shard_of(rows, network, *, kept=None, sparse=False, **options):
    """Shard of some rows, in two partitions, of which all or some are kept."""
    parts = np.array_split(X[rows], 2)
    shard = Shard([csr_array(part) for part in parts] if sparse else parts)
    own = rows if kept is None else rows[kept]
    shard.set_targets(kept, Y[own], weights[own])
    shard.begin(network, ShardOptions(config_of(**options), 1.0, 1, 20))
    return shard


def test_shards_in_one_process_do_not_share_a_network():
    network = Network.glorot([5, 4, 3], random_state=0)
    before, other = network.snapshot(), network.snapshot() + 1.0
    one, two = (shard_of(np.arange(60), network) for _ in range(2))
    gradient, _ = one.gradient(before, np.arange(9), 9.0, (0,))
    kept = gradient.copy()
    two.gradient(other, np.arange(9, 18), 9.0, (0,))
    np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("sparse", [False, True])
@settings(max_examples=20, deadline=None)
@given(
    cut=st.integers(2, 58), batch=st.lists(st.integers(0, 59), min_size=1, max_size=20)
)
def test_gradients_of_shards_add_up_to_that_of_the_batch(sparse, cut, batch):
    network = Network.glorot([5, 4, 3], random_state=0)
    batch = np.array(batch)
    cost = network.cost_and_gradients(
        X[batch].T, Y[batch].T.astype(float), weights=weights[batch], total=7.0
    )
    whole, sums, costs = network.gradients.copy(), 0.0, 0.0
    for first, rows in ((0, np.arange(cut)), (cut, np.arange(cut, 60))):
        shard = shard_of(rows, Network.glorot([5, 4, 3]), sparse=sparse)
        own = batch[np.isin(batch, rows)] - first
        if len(own):
            gradient, more = shard.gradient(network.parameters, own, 7.0, (0, 0, 0))
            sums, costs = sums + gradient, costs + more
    np.testing.assert_allclose(sums, whole, rtol=1e-12, atol=1e-14)
    assert costs == pytest.approx(cost)


def test_rows_that_are_left_out_do_not_shift_the_others():
    network = Network.glorot([5, 4, 3], random_state=0)
    kept = np.array([1, 4, 5])
    some = shard_of(np.arange(10), network, kept=kept)
    all_rows = shard_of(np.arange(10), Network.glorot([5, 4, 3]))
    expected = all_rows.gradient(network.parameters, kept, 3.0, (0,))
    gradient, cost = some.gradient(network.parameters.copy(), kept, 3.0, (0,))
    np.testing.assert_array_equal(gradient, expected[0])
    assert cost == expected[1]


def test_dropout_masks_are_those_of_the_seed():
    network = Network.glorot([5, 4, 3], random_state=0)
    shard, rows = shard_of(np.arange(60), network, dropout=0.5), np.arange(20)
    parameters = network.parameters.copy()
    first, again, other = (
        shard.gradient(parameters, rows, 20.0, seed)[0].copy()
        for seed in ((1, 2, 3), (1, 2, 3), (1, 3, 3))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(1, 59), max_size=4), float32=st.booleans())
def test_a_checksum_is_of_the_rows_and_not_of_their_partitions(cuts, float32):
    data = X.astype(np.float32) if float32 else X
    spans = np.array([0, *sorted(cuts), 60])

    def checksum(data):
        total = 0
        for start, stop in itertools.pairwise(spans):
            shard = Shard([data[start:stop]])
            total += shard.checksum([(0, int(stop - start), int(start))])
        return total % 2**64

    whole = Shard([data]).checksum([(0, 60, 0)])
    assert checksum(data) == whole
    swapped = data.copy()
    swapped[[3, 40]] = swapped[[40, 3]]
    assert checksum(swapped) != whole
    columns = data[:, [1, 0, 2, 3, 4]]
    assert checksum(columns) != whole


def test_a_checksum_of_sparse_rows_is_that_of_dense_ones():
    spans = [(0, 60, 0)]
    assert Shard([csr_array(X)]).checksum(spans) == Shard([X]).checksum(spans)


def test_a_single_partition_is_not_copied():
    assert stacked([X]) is X
