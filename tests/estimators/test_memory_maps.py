"""Arrays on disk that are fitted where they are."""

import tracemalloc

import numpy as np
import pytest

from skscratch import ScratchMLPClassifier
from skscratch.estimators.splitting import ValidationArguments
from skscratch.estimators.validation import validate_fit_data

N_ROWS, N_FEATURES = 20_000, 50
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def memory_map(path, dtype, order="C"):
    X = np.memmap(path, dtype, "w+", shape=(N_ROWS, N_FEATURES), order=order)
    X[:] = np.random.RandomState(0).standard_normal(X.shape)
    X.flush()
    return np.memmap(path, dtype, "r", shape=X.shape, order=order)


def fitted_samples(X, dtype=(np.float64, np.float32)):
    clf = ScratchMLPClassifier()
    data, *_ = validate_fit_data(
        clf,
        (X, np.arange(N_ROWS) % 2, None),
        ValidationArguments(),
        dtype=dtype,
        reset=True,
        make_targets=lambda y: clf._make_targets(y, None, None, False),
    )
    return data.X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_memory_map_is_not_copied(tmp_path, dtype):
    X = memory_map(tmp_path / "X", dtype)
    assert np.shares_memory(fitted_samples(X), X)


@pytest.mark.parametrize(
    ("dtype", "order", "wanted"),
    [
        (np.float32, "F", None),
        (np.float64, "C", np.float32),
        (np.int32, "C", None),
    ],
)
def test_another_order_or_dtype_makes_a_copy(tmp_path, dtype, order, wanted):
    """As the guide says."""
    X = memory_map(tmp_path / "X", dtype, order)
    options = {} if wanted is None else {"dtype": wanted}
    assert not np.shares_memory(fitted_samples(X, **options), X)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fit_allocates_less_than_a_copy(tmp_path, early_stopping):
    X, y = memory_map(tmp_path / "X", np.float32), np.arange(N_ROWS) % 2
    clf = ScratchMLPClassifier((5,), max_iter=2, early_stopping=early_stopping)
    arrays = ScratchMLPClassifier((5,), max_iter=2, early_stopping=early_stopping)
    clf.set_params(random_state=0), arrays.set_params(random_state=0)
    arrays.fit(np.array(X), y)
    tracemalloc.start()
    try:
        clf.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Validation rows are read in chunks; everything else is a few numbers for a row.
    assert peak < X.nbytes
    np.testing.assert_array_equal(clf.network_.parameters, arrays.network_.parameters)
