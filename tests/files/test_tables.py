"""Tables in files: uniform samples of their rows, and rows that are encoded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

import pyarrow as pa
from table_folder import FORMATS, write_folder, write_table

from skscratch import (
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_regressor,
)
from skscratch.files import TableFiles, survey
from skscratch.files import tables as module

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
CLASSIFIER, REGRESSOR = ScratchMLPClassifier(), ScratchMLPRegressor()


def make_table(n_rows=1000, seed=0):
    random = np.random.RandomState(seed)
    return pd.DataFrame(
        {
            "row": np.arange(n_rows, dtype=float),
            "number": random.lognormal(size=n_rows),
            "text": random.choice(["red", "green", "blue"], n_rows),
            "label": random.choice(["a", "b", "c"], n_rows),
            "target": random.standard_normal(n_rows),
            "weight": random.randint(0, 3, n_rows).astype(float),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    table = pa.Table.from_pandas(make_table(), preserve_index=False)
    return write_folder(tmp_path_factory.mktemp("rows"), table, [0, 300, 310, 1000])


def sample_of(source, estimator=REGRESSOR, y="target", weight=None, n_rows=200, seed=0):
    random_state = np.random.RandomState(seed)
    names = ("y", "sample_weight")
    return source.table_sample(estimator, (y, weight), names, n_rows, random_state)


# Samples


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sample_of_all_rows_is_the_table(tmp_path, kind):
    expected = make_table(300)
    table = pa.Table.from_pandas(expected, preserve_index=False)
    write_folder(tmp_path, table, [0, 100, 300], kind)
    files = TableFiles(tmp_path, columns=["row", "text", "number"])
    sample = sample_of(files, CLASSIFIER, "label", "weight", n_rows=300)
    counts = expected["weight"] > 0
    kept = expected[counts].reset_index(drop=True)
    assert sample.is_complete
    assert sample.n_rows == counts.sum()
    assert_frame_equal(sample.table, kept[["row", "text", "number"]], check_dtype=False)
    np.testing.assert_array_equal(sample.rows, np.flatnonzero(counts))
    np.testing.assert_array_equal(sample.y, kept["label"])
    np.testing.assert_array_equal(sample.weights, kept["weight"])
    np.testing.assert_array_equal(sample.classes, ["a", "b", "c"])
    assert sample.fit_arguments == ("label", "weight")


@given(seed=st.integers(0, 1000), n_rows=st.sampled_from([1, 5, 60, 400]))
@settings(max_examples=20)
def test_a_sample_has_different_rows_in_their_order(folder, seed, n_rows):
    files = TableFiles(folder, columns=["row", "text"])
    sample = sample_of(files, n_rows=n_rows, seed=seed)
    assert not sample.is_complete
    assert len(sample.rows) == n_rows
    assert (np.diff(sample.rows) > 0).all()
    expected = make_table().iloc[sample.rows]
    np.testing.assert_array_equal(sample.table["row"], sample.rows)
    np.testing.assert_array_equal(sample.table["text"], expected["text"])
    np.testing.assert_array_equal(sample.y, expected["target"])
    again = sample_of(files, n_rows=n_rows, seed=seed)
    np.testing.assert_array_equal(again.rows, sample.rows)


def test_each_row_is_as_likely_as_any_other(folder):
    """Rows of the beginning are not favored, nor are those of small files."""
    files, counts = TableFiles(folder, columns=["row"]), np.zeros(1000)
    n_samples, n_rows = 60, 100
    for seed in range(n_samples):
        counts[sample_of(files, n_rows=n_rows, seed=seed).rows] += 1
    # Sums over 100 rows are nearly normal, with less than binomial variance.
    expected = n_samples * n_rows / 10
    spread = np.sqrt(expected * (1 - n_rows / 1000))
    assert (abs(counts.reshape(10, 100).sum(axis=1) - expected) < 4 * spread).all()


def test_ranks_of_quantiles_are_off_by_less_than_the_bound(folder):
    """By the inequality of Dvoretzky, Kiefer and Wolfowitz; each fails once in 1e6."""
    files = TableFiles(folder, columns=["number"])
    everything = np.sort(make_table()["number"])
    levels = np.linspace(0.01, 0.99, 99)
    for seed in range(10):
        sample = sample_of(files, n_rows=250, seed=seed)
        knots = np.quantile(sample.table["number"], levels, method="inverted_cdf")
        ranks = np.searchsorted(everything, knots, side="right") / 1000
        bound = np.sqrt(np.log(2 / 1e-6) / (2 * 250))
        # One more row is a rank further.
        assert abs(ranks - levels).max() < bound + 1 / 250
        # The bound is no empty statement: it is near what is found.
        assert abs(ranks - levels).max() > bound / 20


def test_files_of_other_dtypes_are_one_table(tmp_path):
    first = pa.table({"a": pa.array([1, 2], pa.int32()), "t": [0.5, 1.5]})
    second = pa.table({"t": [2.5], "a": pa.array([1.5])})
    write_table(first, tmp_path / "0.parquet")
    write_table(second, tmp_path / "1.parquet")
    sample = sample_of(TableFiles(tmp_path), y="t")
    np.testing.assert_array_equal(sample.table["a"], [1, 2, 1.5])
    np.testing.assert_array_equal(sample.y, [0.5, 1.5, 2.5])


def test_categories_and_dates_keep_their_dtypes(tmp_path):
    table = pd.DataFrame(
        {
            "category": pd.Categorical(["x", "y", None, "x"]),
            "date": pd.date_range("2024-01-01", periods=4),
            "flag": [True, False, True, True],
            "t": [1.0, 2.0, 3.0, 4.0],
        },
        index=[3, 1, 2, 0],
    )
    for number, part in enumerate((table[:1], table[1:])):
        part.to_parquet(tmp_path / f"{number}.parquet")
    found = sample_of(TableFiles(tmp_path, columns=["category", "date", "flag"]), y="t")
    assert isinstance(found.table["category"].dtype, pd.CategoricalDtype)
    assert found.table["category"].tolist()[:2] == ["x", "y"]
    assert found.table["date"].dtype.kind == "M"
    assert found.table["flag"].dtype == bool


# Encoded rows


def encode(table, y, rows):
    np.testing.assert_array_equal(table["row"], rows)
    X = np.column_stack([rows, table["number"]]).astype(np.float32)
    return X, None if y is None else 2 * y


@pytest.mark.parametrize("window", [None, 100])
def test_all_rows_but_those_held_are_encoded(folder, window, monkeypatch):
    monkeypatch.setattr(module, "TABLE_ROWS", 77)
    files = TableFiles(folder, columns=["row", "number", "text"], window=window)
    sample = sample_of(files, REGRESSOR, "target", "weight", n_rows=50)
    held = sample.rows[::2]
    source = sample.encoded(encode, 2, np.float32, held)
    seen = []
    for file in source.open():
        for key in file.blocks():
            for batch in file.read(key, [*file.names, "target", "weight"], 50):
                assert batch.num_rows <= 50
                seen.append(batch.to_pandas())
    seen, table = pd.concat(seen), make_table()
    rows = np.setdiff1d(np.arange(1000), held)
    np.testing.assert_array_equal(seen.iloc[:, 0], rows)
    np.testing.assert_array_equal(
        seen.iloc[:, 1], table["number"].to_numpy(np.float32)[rows]
    )
    np.testing.assert_array_equal(seen["target"], 2 * table["target"][rows])
    np.testing.assert_array_equal(seen["weight"], table["weight"][rows])


def test_a_network_is_fitted_to_encoded_rows_without_names(folder):
    files = TableFiles(folder, columns=["row", "number", "text"])
    sample = sample_of(files, CLASSIFIER, "label", n_rows=50)
    source = sample.encoded(encode, 2, np.float32, sample.rows)
    X = make_table()[["row", "number"]].to_numpy(np.float32)
    y = make_table()["label"].to_numpy()
    rows = np.setdiff1d(np.arange(1000), sample.rows)
    make = {"max_iter": 3, "random_state": 0, "n_iter_no_change": 99, "tol": 0.0}
    given = {"X_val": X[sample.rows], "y_val": y[sample.rows]}
    network = ScratchMLPClassifier(early_stopping=True, **make)
    network.fit(source, *sample.fit_arguments, **given)
    expected = ScratchMLPClassifier(early_stopping=True, **make)
    expected.fit(X[rows], y[rows], **given)
    assert not hasattr(network, "feature_names_in_")
    np.testing.assert_array_equal(
        network.network_.parameters, expected.network_.parameters
    )


# Faults


def test_errors_name_the_file_the_column_and_the_row(tmp_path):
    table = make_table(30)
    write_table(pa.Table.from_pandas(table[:20]), tmp_path / "0.parquet", 5)
    table.loc[27, "target"] = np.nan
    write_table(pa.Table.from_pandas(table[20:]), tmp_path / "1.parquet", 5)
    with pytest.raises(ValueError, match=r"1\.parquet, column 'target', row 7"):
        sample_of(TableFiles(tmp_path))
    table.loc[27, ["target", "weight"]] = 1.0, -1.0
    write_table(pa.Table.from_pandas(table[20:]), tmp_path / "1.parquet", 5)
    with pytest.raises(ValueError, match=r"1\.parquet.*'weight', row 7.*-1"):
        sample_of(TableFiles(tmp_path), weight="weight")
    lacking = table[20:].drop(columns="text")
    write_table(pa.Table.from_pandas(lacking), tmp_path / "1.parquet", 5)
    with pytest.raises(ValueError, match=r"1\.parquet has no column 'text'"):
        sample_of(TableFiles(tmp_path))


def test_a_file_that_changes_is_refused(tmp_path):
    table = make_table(30)
    path = tmp_path / "0.parquet"
    write_table(pa.Table.from_pandas(table), path)
    sample = sample_of(TableFiles(tmp_path, columns=["row", "number"]), n_rows=5)
    source = sample.encoded(encode, 2, np.float32, sample.rows)
    write_table(pa.Table.from_pandas(table[:20]), path)
    with pytest.raises(ValueError, match="has changed"):
        ScratchMLPRegressor(max_iter=1).fit(source, "target")


def test_a_column_is_no_feature_and_target_too(folder):
    with pytest.raises(ValueError, match="'target' can't be a feature too"):
        sample_of(TableFiles(folder, columns=["row", "target"]))
    files = TableFiles(folder, columns=["weight"])
    with pytest.raises(ValueError, match="'weight' can't be a feature too"):
        sample_of(files, weight="weight")


def test_no_rows(tmp_path):
    table = make_table(5).assign(weight=0.0)
    write_table(pa.Table.from_pandas(table), tmp_path / "0.parquet")
    with pytest.raises(ValueError, match="no rows of positive weight"):
        sample_of(TableFiles(tmp_path), weight="weight")


def test_parts_of_a_block_are_encoded_once(folder, monkeypatch):
    """Although each is read from the beginning of the block."""
    monkeypatch.setattr(module, "TABLE_ROWS", 100)
    path = folder.parent / "one"
    table = pa.Table.from_pandas(make_table(20_000), preserve_index=False)
    write_folder(path, table, [0, 20_000], group_rows=20_000)
    files = TableFiles(path, columns=["row", "number"], window=1000)
    sample, encoded = sample_of(files, n_rows=50), []

    def counting(table, y, rows):
        encoded.append(rows)
        return encode(table, y, rows)

    source = sample.encoded(counting, 2, np.float32, sample.rows)
    network = ScratchMLPRegressor(max_iter=1, random_state=0, batch_size=200)
    network.fit(source, "target")
    rows, counts = np.unique(np.concatenate(encoded), return_counts=True)
    np.testing.assert_array_equal(rows, np.setdiff1d(np.arange(20_000), sample.rows))
    # In the pass before training and in the epoch; once more where a part begins or
    # ends within rows that are encoded together.
    assert counts.min() == 2
    assert counts.mean() < 2.2


# Files whose columns differ


def test_a_label_in_a_wider_type_that_the_sample_lacks_is_known(tmp_path):
    narrow = pa.table({"x": np.arange(999.0), "t": pa.array(np.arange(999) % 2, "i1")})
    write_folder(tmp_path, narrow, [0, 999])
    write_table(pa.table({"x": [0.0], "t": [1000]}), tmp_path / "last.parquet")
    sample = sample_of(TableFiles(tmp_path), CLASSIFIER, "t", n_rows=5)
    assert 1000 not in sample.y
    assert sample.classes.tolist() == [0, 1, 1000]


def test_a_column_of_names_is_no_target(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "MOST_LABELS", 10)
    names = [f"n{number}" for number in range(11)]
    write_folder(tmp_path, pa.table({"x": np.arange(11.0), "t": names}), [0, 11])
    with pytest.raises(ValueError, match="'t' has more than 10 different values"):
        sample_of(TableFiles(tmp_path), CLASSIFIER, "t")


@pytest.mark.parametrize(
    "values",
    [
        (np.arange(5), list("abcde")),
        (np.arange(5) > 2, np.arange(5)),
        (pa.array(list("abcde")), pa.array(list("abcde")).dictionary_encode()),
    ],
)
def test_a_feature_of_types_that_have_none_in_common_is_refused(tmp_path, values):
    for number, column in enumerate(values):
        table = pa.table({"x": column, "target": np.arange(5.0)})
        write_table(table, tmp_path / f"{number}.parquet")
    with pytest.raises(
        ValueError, match=r"column 'x' of .*1\.parquet holds .* files be"
    ):
        sample_of(TableFiles(tmp_path))


def test_types_that_have_one_in_common_are_joined(tmp_path):
    columns = [np.arange(5), np.arange(5) / 2, pa.nulls(5)]
    for number, column in enumerate(columns):
        table = pa.table({"x": column, "target": np.arange(5.0)})
        write_table(table, tmp_path / f"{number}.parquet")
    x = sample_of(TableFiles(tmp_path)).table["x"].to_numpy(float)
    np.testing.assert_array_equal(x, np.concatenate([*columns[:2], [np.nan] * 5]))


def test_two_columns_of_a_name_are_not_predicted(tmp_path):
    arrays = [pa.array([1.0]), pa.array([2.0])]
    write_table(pa.table(arrays, names=["x", "x"]), tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=r"0\.parquet has 2 columns named 'x'"):
        list(TableFiles(tmp_path).tables(REGRESSOR))


def test_targets_of_validation_files_are_named_in_errors(folder):
    model = make_tabular_regressor()
    files = TableFiles(folder, columns=["row"])
    with pytest.raises(TypeError, match=r"^y_val must be"):
        model.fit(files, "target", X_val=files)
