"""Small and odd data, and all containers and dtypes of numbers, are accepted."""

import warnings

import numpy as np
import pandas as pd
import pytest
from estimator_strategies import parameters_of
from numpy.testing import assert_array_equal
from refusals import ESTIMATORS, SMALL, alternating, every_estimator, grid
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skscratch import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.training.batches import Batches

# A few epochs are enough; that they do not converge is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Name: parameters, X, targets of the classifier; the regressor learns the numbers.
SHAPES = {
    "one row": ({}, grid(1, 4), [1]),
    "one row, sparse": ({}, sparse.csr_array(grid(1, 4)), [1]),
    "one column": ({}, grid(12, 1), alternating(12)),
    "one row and one column": ({}, grid(1, 1), [0]),
    "one class": ({}, grid(12, 3), np.full(12, 7)),
    "two samples": ({}, grid(2, 3), [0, 1]),
    "more columns than rows": ({}, grid(3, 50), [0, 1, 2]),
    "one neuron": ({"hidden_layer_sizes": 1}, grid(12, 3), alternating(12)),
    "no hidden layer": ({"hidden_layer_sizes": ()}, grid(12, 3), alternating(12)),
    "twenty layers": ({"hidden_layer_sizes": [2] * 20}, grid(12, 3), alternating(12)),
    "a class for each of 1,000 samples": ({}, grid(1000, 3), np.arange(1000)),
    "10,000 columns": ({}, grid(12, 10_000), alternating(12)),
    "10,000 columns, sparse": ({}, sparse.csr_array(grid(12, 10_000)), alternating(12)),
    "a class of one sample": ({}, grid(12, 3), np.arange(12) == 5),
    "a class of one sample, and early stopping": (
        {"early_stopping": True},
        grid(24, 3),
        np.where(np.arange(24) == 5, 2, alternating(24)),
    ),
    "constant columns": ({}, np.ones((12, 3)), alternating(12)),
    "zeros": ({}, np.zeros((12, 3)), alternating(12)),
    "nothing stored": ({}, sparse.csr_array((12, 3)), alternating(12)),
    "rows alike": ({}, np.repeat(grid(1, 3), 12, axis=0), alternating(12, 3)),
    "tiny numbers": ({}, 5e-324 * grid(12, 3), alternating(12)),
    "large numbers": ({}, 1e6 * grid(12, 3), alternating(12)),
    "batches of one": ({"batch_size": 1}, grid(12, 3), alternating(12, 3)),
    "a batch of all": ({"batch_size": 12}, grid(12, 3), alternating(12)),
    "one epoch": ({"max_iter": 1}, grid(12, 3), alternating(12)),
    "early stopping at its smallest": (
        {"early_stopping": True},
        grid(4, 3),
        alternating(4),
    ),
    "negative classes": ({}, grid(12, 3), alternating(12, 3) - 1),
    "classes far apart": ({}, grid(12, 3), alternating(12) * 2**60),
}


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("shape", SHAPES)
@every_estimator
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning"  # R² of one sample.
)
def test_small_and_odd_data_work(name, shape, solver):
    parameters, X, y = SHAPES[shape]
    estimator = ESTIMATORS[name](**SMALL | {"solver": solver} | parameters)
    estimator.fit(X, y)
    if solver != "lbfgs" and not estimator.early_stopping:
        estimator.partial_fit(X, y)
    predicted = estimator.predict(X)
    assert predicted.shape == (X.shape[0],)
    assert np.isfinite(predicted).all()
    estimator.score(X, y)
    if name == "classifier":
        assert set(predicted) <= set(y)
        assert np.isfinite(estimator.decision_function(X)).all()
        assert_array_equal(estimator.classes_, np.unique(y))
        P = estimator.predict_proba(X)
        assert P.shape == (X.shape[0], len(estimator.classes_))
        np.testing.assert_allclose(P.sum(axis=1), 1)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("shape", SHAPES)
@every_estimator
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_small_and_odd_data_work_for_an_ensemble(name, shape, solver):
    parameters, X, y = SHAPES[shape]
    options = {"solver": solver, "n_estimators": 3, "hidden_layer_sizes": (2,)}
    estimator = ESTIMATORS[name](**SMALL | options | parameters).fit(X, y)
    if solver != "lbfgs" and not estimator.early_stopping:
        estimator.partial_fit(X, y)
    predicted = estimator.predict(X)
    assert predicted.shape == (X.shape[0],)
    assert np.isfinite(predicted).all()
    assert len(estimator.estimators_) == 3
    estimator.score(X, y)
    if name == "classifier":
        np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1)


@every_estimator
def test_a_batch_larger_than_the_data_is_told_of(name):
    X, y = grid(12, 3), alternating(12)
    all_at_once = ESTIMATORS[name](**SMALL, batch_size=12).fit(X, y)
    with pytest.warns(UserWarning, match="than sample size.*batch_size=13, "):
        larger = ESTIMATORS[name](**SMALL, batch_size=13).fit(X, y)
    assert_array_equal(larger.predict(X), all_at_once.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kept", [[5], [4, 5], [0, 23]])
@every_estimator
def test_samples_of_weight_zero_may_be_all_but_a_few(name, kept, solver):
    """Which are as if they were not there."""
    X, y = grid(24, 3), alternating(24)
    w = np.zeros(24)
    w[kept] = 0.5
    estimator = ESTIMATORS[name](**SMALL, solver=solver).fit(X, y, w)
    alone = ESTIMATORS[name](**SMALL, solver=solver).fit(X[kept], y[kept], w[kept])
    assert_array_equal(estimator.predict(X), alone.predict(X))
    if solver != "lbfgs":
        assert np.isfinite(estimator.partial_fit(X, y, w).predict(X)).all()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def every_second(array):
    """View that skips rows, and columns where there are any."""
    spread = np.full([2 * size for size in array.shape], np.nan)
    view = spread[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def memory_mapped(array, directory):
    path = directory / "array.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def as_frame(dtype):
    return lambda array: pd.DataFrame(array.astype(int)).astype(dtype)


class Interface:
    """Something that is no array, but becomes one."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype=dtype)


# Forms of numbers, and those for a matrix alone.
FORMS = {
    "read-only": read_only,
    "not contiguous": every_second,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(">f8"),
    "big-endian integers": lambda array: array.astype(">i4"),
    **{
        dtype: lambda array, dtype=dtype: array.astype(dtype)
        for dtype in ("float16", "int8", "uint8", "int64", "uint64", "longdouble")
    },
    "truth values": lambda array: array.astype(bool),
    "objects": lambda array: array.astype(object),
    "whole numbers as objects": lambda array: array.astype(int).astype(object),
    "lists": lambda array: array.tolist(),
    "lists of integers": lambda array: array.astype(int).tolist(),
    "array interface": Interface,
}
MATRIX_FORMS = {
    **FORMS,
    "by columns": np.asfortranarray,
    "tuples": lambda array: tuple(map(tuple, array)),
    "list of arrays": list,
    "transposed": lambda array: array.T.copy().T,
    **{
        f"frame of {dtype}": as_frame(dtype)
        for dtype in ("category", "Int64", "Float64", "boolean", "bool", "object")
    },
    "frame of several dtypes": lambda array: pd.DataFrame(array.astype(int)).astype(
        {0: "category", 1: "Int8", 2: "float64"}
    ),
    "frame of sparse columns": as_frame(pd.SparseDtype(float, 0.0)),
    **{
        f"{form} of {dtype}": lambda array, form=form, dtype=dtype: getattr(
            sparse, f"{form}_array"
        )(array.astype(dtype))
        for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
        for dtype in ("float64", "int8")
    },
}
VECTOR_FORMS = {
    **FORMS,
    "tuple": tuple,
    **{
        f"series of {dtype}": lambda array, dtype=dtype: pd.Series(
            array.astype(int)
        ).astype(dtype)
        for dtype in ("category", "Int64", "Float64", "boolean", "object", "int8")
    },
    "series of another index": lambda array: pd.Series(
        array, np.arange(len(array)) + 5
    ),
}


def assert_trained_alike(ours, others):
    # Sparse products sum in another order.
    np.testing.assert_allclose(
        parameters_of(ours), parameters_of(others), rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("form", MATRIX_FORMS)
@every_estimator
def test_samples_may_have_any_form_that_numbers_have(name, form):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    given = MATRIX_FORMS[form](X)
    estimator = ESTIMATORS[name](**SMALL).fit(given, y)
    assert_trained_alike(estimator, plain)
    np.testing.assert_allclose(estimator.predict(given), plain.predict(X))
    estimator.partial_fit(given, y)
    assert_trained_alike(estimator, plain.partial_fit(X, y))
    assert np.isfinite(estimator.score(given, y))


@pytest.mark.parametrize("form", VECTOR_FORMS)
@every_estimator
def test_targets_and_weights_may_have_any_form_that_numbers_have(name, form):
    X, y = grid(12, 3), alternating(12) * 1.0
    w = np.ones(12)
    w[3] = 0
    plain = ESTIMATORS[name](**SMALL).fit(X, y, w)
    targets, weights = VECTOR_FORMS[form](y), VECTOR_FORMS[form](w)
    if name == "classifier" and getattr(targets, "dtype", y.dtype).kind == "O":
        # Which hold no numbers to scikit-learn: see the table.
        targets = y
    estimator = ESTIMATORS[name](**SMALL).fit(X, targets, weights)
    assert_trained_alike(estimator, plain)
    own = {"X_val": X, "y_val": targets, "sample_weight_val": weights}
    ESTIMATORS[name](**SMALL, early_stopping=True).fit(X, targets, weights, **own)
    classes = {"classes": np.unique(y)} if name == "classifier" else {}
    ESTIMATORS[name](**SMALL).partial_fit(X, targets, weights, **classes)


@every_estimator
def test_arrays_may_lie_in_files(name, tmp_path):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    mapped = memory_mapped(X, tmp_path)
    estimator = ESTIMATORS[name](**SMALL).fit(mapped, y)
    assert_trained_alike(estimator, plain)
    assert_array_equal(estimator.predict(mapped), plain.predict(X))


@every_estimator
def test_frames_may_be_of_polars(name):
    polars = pytest.importorskip("polars")
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    frame = polars.DataFrame(X, schema=list("abc"), orient="row")
    estimator = ESTIMATORS[name](**SMALL).fit(frame, polars.Series(y))
    assert_trained_alike(estimator, plain)
    assert list(estimator.feature_names_in_) == list("abc")
    assert_array_equal(estimator.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        estimator.predict(frame.select(list("cba")))


@every_estimator
def test_a_weight_may_be_one_number_for_all(name):
    X, y = grid(12, 3), alternating(12)
    plain = ESTIMATORS[name](**SMALL).fit(X, y)
    assert_trained_alike(ESTIMATORS[name](**SMALL).fit(X, y, 1.0), plain)


def test_sparse_targets_of_several_outputs_are_numbers_too():
    X = np.random.RandomState(0).standard_normal((20, 3))
    Y = np.arange(40.0).reshape(20, 2)
    dense, other = (
        ScratchMLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
        for _ in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        dense.fit(X, Y)
        other.fit(X, sparse.csr_array(Y))
    np.testing.assert_array_equal(dense.predict(X), other.predict(X))


@pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_rows_are_gathered_from_rows_whatever_the_order_of_the_samples(
    cls, monkeypatch
):
    # From columns, as DataFrames have them, each batch would take a copy of all data.
    X, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2
    frame = pd.DataFrame(X)
    assert not frame.to_numpy().flags.c_contiguous
    gathered = []

    def noted(X, *args, **kwargs):
        gathered.append(X)
        return Batches(X, *args, **kwargs)

    monkeypatch.setattr("skscratch.training.data.Batches", noted)
    model = cls(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        losses = [model.fit(given, y).loss_ for given in (X, np.asfortranarray(X))]
        losses.append(model.fit(frame, y).loss_)
    assert all(X.flags.c_contiguous for X in gathered)
    assert len(gathered) == 3
    assert len(set(losses)) == 1
