"""Batches of files: each row once in an epoch, in an order that the seed gives."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

from table_folder import FORMATS, table_of, write_folder

from skscratch import ScratchMLPClassifier
from skscratch.estimators.splitting import ValidationArguments
from skscratch.files import TableFiles, csv, rows
from skscratch.files.data import FileData

N_FEATURES = 2


def fit_data(files, y="t", weight=None):
    """What a fit asks files for."""
    clf = ScratchMLPClassifier()
    data, _, _, targets = files.fit_data(
        clf,
        (y, weight),
        ValidationArguments(),
        dtype=(np.float64, np.float32),
        reset=True,
        make_targets=lambda y: clf._make_targets(y, None, None, False),
        class_weight=None,
    )
    return data, targets


def config(batch_size, shuffle=True):
    return SimpleNamespace(
        batch_size=batch_size, shuffle=shuffle, is_incremental=False, smoothing=None
    )


def epoch_of(batches):
    """Numbers of the rows of an epoch, and the sizes of its batches."""
    found = [batches.data.X[rows][:, 0].copy() for rows in batches]
    return np.concatenate(found).astype(int), [len(rows) for rows in found]


@st.composite
def layouts(draw):
    """Some rows in some files, and how they are read."""
    sizes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=5))
    n_rows = sum(sizes)
    weights = draw(
        st.none() | st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)
    )
    counted = n_rows if weights is None else sum(weights)
    return SimpleNamespace(
        edges=np.cumsum([0, *sizes]),
        weights=weights,
        rows=np.arange(n_rows) if weights is None else np.flatnonzero(weights),
        kind=draw(st.sampled_from(FORMATS)),
        group_rows=draw(st.integers(5, 70)),
        window=draw(st.integers(1, max(1, counted - 1))),
        batch_size=draw(st.integers(1, 30)),
        readers=draw(st.integers(1, 4)),
        piece_rows=draw(st.integers(1, 20)),
        seed=draw(st.integers(0, 5)),
        fraction=draw(st.none() | st.floats(0.1, 0.6)),
    )


def open_layout(layout, folder, patch):
    patch.setattr(rows, "LEAST_PIECE_ROWS", layout.piece_rows)
    patch.setattr(rows, "MOST_PIECE_ROWS", layout.piece_rows)
    patch.setattr(csv, "BLOCK_BYTES", 300)
    n_rows = layout.edges[-1]
    numbers = np.arange(n_rows, dtype=float)
    X = np.stack([numbers, -numbers], axis=1)
    weights = None
    if layout.weights is not None:
        weights = np.array(layout.weights, float)
    table = table_of(X, np.arange(n_rows) % 3, weights)
    write_folder(folder, table, layout.edges, layout.kind, layout.group_rows)
    files = TableFiles(folder, window=layout.window, columns=["f0", "f1"])
    data, targets = fit_data(files, weight=None if weights is None else "w")
    assert isinstance(data, FileData)
    data.n_readers = layout.readers
    split = None
    if layout.fraction is not None and layout.window >= 8:
        random_state = np.random.RandomState(layout.seed)
        split = data.draw_split(targets, layout.fraction, random_state)
    return data, split


def batches_of(layout, data, split, seed, shuffle=True):
    return data.make_batches(
        config(layout.batch_size, shuffle),
        None if split is None else split.training_rows,
        np.random.RandomState(seed),
    )


@settings(max_examples=40)
@given(layouts())
def test_an_epoch_has_each_row_once_in_an_order_of_its_own(layout):
    if len(layout.rows) < 3:
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        data, split = open_layout(layout, Path(folder), patch)
        left = layout.rows
        if split is not None:
            held = split.data.X[:, 0].astype(int)
            np.testing.assert_array_equal(split.data.y, held % 3)
            assert set(held) < set(layout.rows)
            assert len(set(held)) == len(held) == len(split.validation_rows)
            left = np.setdiff1d(layout.rows, held)
        batches = batches_of(layout, data, split, layout.seed)
        epochs = [epoch_of(batches) for _ in range(3)]
        for order, sizes in epochs:
            np.testing.assert_array_equal(np.sort(order), left)
            size = min(layout.batch_size, len(left))
            assert sizes[:-1] == [size] * (batches.n_batches - 1)
            assert sum(sizes) == batches.n_samples == len(left)
        if len(left) > 20:
            assert len({tuple(order) for order, _ in epochs}) == 3
        again = batches_of(layout, data, split, layout.seed)
        for order, _ in epochs:
            np.testing.assert_array_equal(epoch_of(again)[0], order)
        in_order = batches_of(layout, data, split, layout.seed, shuffle=False)
        np.testing.assert_array_equal(epoch_of(in_order)[0], left)


def test_targets_and_weights_stay_with_their_rows(tmp_path):
    X = np.arange(300.0)[:, np.newaxis]
    weights = 1 + np.arange(300) % 7
    write_folder(tmp_path, table_of(X, np.arange(300) % 3, weights), [0, 100, 300])
    files = TableFiles(tmp_path, window=50, columns=["f0"])
    data, _ = fit_data(files, weight="w")
    batches = data.make_batches(config(16), None, np.random.RandomState(0))
    for chosen in batches:
        numbers = batches.data.X[chosen][:, 0]
        np.testing.assert_array_equal(batches.data.Y[chosen].argmax(1), numbers % 3)
        np.testing.assert_array_equal(batches.data.weights[chosen], 1 + numbers % 7)
    assert batches.data.mean_weight == pytest.approx(weights.mean())


def test_the_mean_weight_is_that_of_the_rows_to_train_on(tmp_path):
    X, weights = np.arange(300.0)[:, np.newaxis], 1 + np.arange(300.0)
    write_folder(tmp_path, table_of(X, np.arange(300) % 3, weights), [0, 300])
    files = TableFiles(tmp_path, window=50, columns=["f0"])
    data, targets = fit_data(files, weight="w")
    split = data.draw_split(targets, 0.1, np.random.RandomState(0))
    batches = data.make_batches(config(16), split.training_rows, None)
    rest = np.setdiff1d(weights, split.data.weights)
    assert len(rest) == batches.n_samples
    assert batches.data.mean_weight == pytest.approx(rest.mean())


def test_the_arrays_of_the_window_stay_where_they_are(tmp_path):
    """Otherwise each window's first step would be recorded anew."""
    X = np.arange(300.0)[:, np.newaxis]
    write_folder(tmp_path, table_of(X, np.arange(300) % 3), [0, 300])
    data, _ = fit_data(TableFiles(tmp_path, window=50))
    batches = data.make_batches(config(16), None, np.random.RandomState(0))
    before = batches.data
    assert all(batches.data is before for _ in batches)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_that_are_sorted_by_class_are_mixed(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(rows, "LEAST_PIECE_ROWS", 50)
    monkeypatch.setattr(rows, "MOST_PIECE_ROWS", 50)
    monkeypatch.setattr(csv, "BLOCK_BYTES", 1000)
    y = np.repeat(np.arange(4), 1000)
    X = np.arange(4000.0)[:, np.newaxis]
    # One file has all rows of a class, and one row group.
    edges = np.arange(0, 4001, 1000)
    write_folder(tmp_path, table_of(X, y), edges, kind, group_rows=1000)
    data, _ = fit_data(TableFiles(tmp_path, window=800))
    data.n_readers = 1
    batches = data.make_batches(config(100), None, np.random.RandomState(0))
    counts = [batches.data.Y[chosen].sum(axis=0) for chosen in batches]
    # Nearly all batches have nearly all classes.
    assert np.mean([(of > 0).sum() >= 3 for of in counts]) > 0.8


def test_the_same_rows_in_other_files_are_read_in_the_same_order(tmp_path):
    X = np.arange(300.0)[:, np.newaxis]
    table, orders = table_of(X, np.arange(300) % 3), []
    for number, edges in enumerate(([0, 300], [0, 1, 90, 300], range(0, 301, 20))):
        folder = write_folder(tmp_path / str(number), table, list(edges))
        data, _ = fit_data(TableFiles(folder, window=70))
        batches = data.make_batches(config(16, shuffle=False), None, None)
        orders.append([batches.data.X[chosen].tolist() for chosen in batches])
    assert orders[0] == orders[1] == orders[2]


def test_held_out_rows_lie_evenly_over_the_files(tmp_path):
    X = np.arange(2000.0)[:, np.newaxis]
    write_folder(tmp_path, table_of(X, np.arange(2000) % 3), [0, 500, 1000, 2000])
    data, targets = fit_data(TableFiles(tmp_path, window=800))
    split = data.draw_split(targets, 0.05, np.random.RandomState(0))
    counts = np.histogram(split.data.X, bins=np.arange(0, 2001, 100))[0]
    assert counts.tolist() == [5] * 20
    # At most a quarter of the window.
    data, targets = fit_data(TableFiles(tmp_path, window=800))
    assert len(data.draw_split(targets, 0.5, np.random.RandomState(0)).data.X) == 200
