"""Files that can't be used: each is named, and nothing that was trained is lost."""

import contextlib
import gc
import os
import warnings

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

import pyarrow as pa
from pyarrow import parquet
from table_folder import FORMATS, table_of, write_folder, write_table

from skscratch import Checkpoint, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators import checkpoint
from skscratch.files import TableFiles

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.usefixtures("numpy_trains"),
]

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((400, 3))
y = (X[:, 0] > 0).astype(int)
EDGES = [0, 100, 200, 300, 400]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "files", table_of(X, y, 1.0 + y), EDGES)


def make(max_iter=4, **options):
    return ScratchMLPClassifier((5,), max_iter=max_iter, random_state=0, **options)


def files_in(folder, **options):
    return TableFiles(folder, columns=["f0", "f1", "f2"], window=90, **options)


def refused(folder, match, files=None, given=("t",), **options):
    """A fit that is refused, and leaves a new estimator and a fitted one alone."""
    files = files_in(folder) if files is None else files
    clf = make(**options)
    with pytest.raises(ValueError, match=match):
        clf.fit(files, *given)
    assert not hasattr(clf, "classes_")
    clf.set_params(early_stopping=False, scoring=None).fit(X, y)
    before = clf.network_.parameters.copy()
    clf.set_params(**options)
    with pytest.raises(ValueError, match=match):
        clf.fit(files, *given)
    np.testing.assert_array_equal(clf.network_.parameters, before)
    assert not hasattr(clf, "feature_names_in_")


def replace(folder, number, table, kind="parquet"):
    (path,) = folder.glob(f"{number:03}.*")
    path.unlink()
    write_table(table, folder / f"{number:03}.{kind}", 30)


# Before training


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off(tmp_path, kind):
    folder = write_folder(tmp_path / "cut", table_of(X, y), EDGES, kind)
    path = folder / f"002.{kind}"
    content = path.read_bytes()
    # CSV that ends in the middle of a row lacks its last columns.
    end = content.rfind(b",", 0, -30) if kind == "csv" else len(content) - 40
    path.write_bytes(content[:end])
    refused(folder, rf"002\.{kind} can't be read: ")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_without_a_byte(folder, kind):
    (folder / f"004.{kind}").write_bytes(b"")
    refused(folder, rf"004\.{kind} is empty")


def test_a_damaged_page(folder):
    path = folder / "002.parquet"
    content = bytearray(path.read_bytes())
    place = parquet.read_metadata(path).row_group(0).column(1).data_page_offset
    content[place : place + 200] = bytes(200)
    path.write_bytes(content)
    refused(folder, r"002\.parquet can't be read: ")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_is_missing_in_the_third_file(folder, kind):
    replace(folder, 2, table_of(X[200:300, :2], y[200:300]), kind)
    refused(folder, r"002\..* has no column 'f2'; its columns are 'f0', 'f1', 't'")


def test_a_target_is_missing_in_the_third_file(folder):
    replace(folder, 2, table_of(X[200:300]))
    refused(folder, r"002\..* has no column 't'")


@pytest.mark.parametrize(
    "name", ["f1", "w", "t"], ids=["a feature", "a weight", "a class"]
)
def test_a_column_has_another_type_in_the_third_file(folder, name):
    table = table_of(X[200:300], y[200:300], 1.0 + y[200:300])
    place = table.schema.names.index(name)
    replace(folder, 2, table.set_column(place, name, [["text"] * 100]))
    refused(
        folder, rf"column '{name}' of .*002\.parquet holds string", None, ("t", "w")
    )


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (["a"] * 400, "string"),
        (np.arange(400).astype("datetime64[s]"), "timestamp"),
        ([[1.0]] * 400, "list"),
    ],
    ids=["text", "dates", "lists"],
)
def test_columns_of_other_kinds_are_refused(tmp_path, column, what):
    table = table_of(X, y).append_column("city", pa.array(column))
    write_table(table, tmp_path / "t.parquet")
    match = f"column 'city' of .* holds {what}.*make_tabular_classifier"
    refused(None, match, TableFiles(tmp_path))
    # Unless they are left out.
    make().fit(TableFiles(tmp_path, columns=["f0", "f1", "f2"]), "t")


def test_a_column_that_is_there_twice(tmp_path):
    table = table_of(X, y).append_column("f1", [X[:, 0]])
    write_table(table, tmp_path / "t.parquet")
    refused(None, "2 columns named 'f1'", TableFiles(tmp_path))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (np.inf, "inf"), (None, "missing")]
)
def test_a_number_that_is_none_in_the_third_file(folder, kind, value, what):
    numbers = [*X[200:300, 1]]
    numbers[17] = value
    table = table_of(X[200:300], y[200:300]).set_column(1, "f1", [numbers])
    replace(folder, 2, table, kind)
    if kind.startswith("csv") and value is not None and np.isnan(value):
        what = "missing|NaN"
    refused(folder, rf"002\.{kind}, column 'f1', row 17: .*({what})")


@pytest.mark.parametrize("name", ["t", "w"])
def test_a_target_or_weight_is_missing(folder, name):
    table = table_of(X[200:300], y[200:300], 1.0 + y[200:300])
    place = table.schema.names.index(name)
    numbers = [*table[name].to_pylist()]
    numbers[17] = None
    replace(folder, 2, table.set_column(place, name, [numbers]))
    refused(folder, f"002.parquet, column '{name}', row 17", None, ("t", "w"))


def test_a_number_is_too_large_for_float32(folder):
    table = table_of(X[200:300], y[200:300])
    numbers = X[200:300, 1].copy()
    numbers[3] = 1e300
    replace(folder, 2, table.set_column(1, "f1", [numbers]))
    refused(folder, "row 3: .*1e.?300, which is too large for float32", dtype="float32")
    make(dtype="float64").fit(files_in(folder), "t")


def test_weights_are_not_negative(folder):
    table = table_of(X[200:300], y[200:300], np.linspace(1, -1, 100))
    replace(folder, 2, table)
    match = "column 'w', row 50: the weight is -0.01"
    refused(folder, match, None, ("t", "w"))


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_targets_that_a_loss_does_not_accept(tmp_path, value):
    targets = np.abs(X[:, 0]) + 1
    targets[250] = value
    folder = write_folder(tmp_path / "files", table_of(X, targets), EDGES)
    reg = ScratchMLPRegressor("gamma", random_state=0)
    with pytest.raises(ValueError, match=r"002\.parquet"):
        reg.fit(files_in(folder), "t")


@pytest.mark.parametrize("weight", [None, "w"])
def test_no_rows(tmp_path, weight):
    table = table_of(X, y, np.zeros(400))
    if weight is None:
        table = table.slice(0, 0)
    folder = write_folder(tmp_path / "files", table, [0, table.num_rows])
    match = "no rows of positive weight in 'w'" if weight else "have no rows"
    refused(folder, match, None, ("t", weight))
    if weight is None:
        clf = make().fit(X, y)
        for call in (clf.predict, lambda files: clf.score(files, "t")):
            with pytest.raises(ValueError, match="has no rows"):
                call(files_in(folder))


def test_files_without_rows_among_others(folder):
    expected = make().fit(files_in(folder), "t")
    write_table(table_of(X, y).slice(0, 0), folder / "999.parquet")
    clf = make().fit(files_in(folder), "t")
    assert clf.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize(
    ("paths", "match"),
    [
        ("nowhere", "there is no file or folder .*nowhere"),
        ("none*.parquet", "no file matches the pattern"),
        ("", "has no Parquet, Arrow or CSV files"),
        ("notes.txt", "does not tell its format"),
        (["a.csv", "./a.csv"], "is given twice"),
    ],
)
def test_no_files(tmp_path, paths, match, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "_SUCCESS.parquet").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"a\n1\n")
    monkeypatch.chdir(folder)
    if isinstance(paths, list):
        (folder / "a.csv").write_bytes(b"a,t\n1,2\n")
    refused(None, match, TableFiles(paths or folder))


def test_classes_of_all_files_are_found(folder):
    table = table_of(X[:10], np.full(10, 7))
    write_table(table, folder / "999.parquet")
    clf = make().fit(files_in(folder), "t")
    assert clf.classes_.tolist() == [0, 1, 7]
    assert clf.predict_proba(files_in(folder)).shape == (410, 3)


def test_numbers_that_are_no_classes(tmp_path):
    folder = write_folder(tmp_path / "files", table_of(X, X[:, 0]), EDGES)
    refused(folder, "Unknown label type: continuous")


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ((y,), TypeError, "y must be the name of the target's column"),
        (("t", 1.0 + y), TypeError, "sample_weight must be the name of a column"),
        (("f0",), ValueError, "column 'f0' can't be a feature too"),
        (("t", "t"), ValueError, "'t' can't be both the target and the weight"),
        ((["t", "t"],), ValueError, "y has 't' more than once"),
    ],
)
def test_names_that_are_none(folder, given, error, match):
    with pytest.raises(error, match=match):
        make().fit(files_in(folder), *given)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"solver": "lbfgs"}, "solver='lbfgs' needs all data in memory"),
        ({"early_stopping": True, "validation_split": [([0], [1])]}, "validation_spl"),
    ],
)
def test_what_needs_all_data_in_memory_is_refused(folder, options, match):
    with pytest.raises(ValueError, match=match):
        make(**options).fit(files_in(folder), "t")


# In training


class At:
    """Callback that does something after an epoch."""

    def __init__(self, epoch, act):
        self.epoch, self.act = epoch, act

    setup = teardown = on_fit_task_begin = lambda *args, **data: None

    def on_fit_task_end(self, estimator, context, **data):
        if context.task_name == "epoch" and estimator.n_iter_ == self.epoch:
            self.act()


def vanish(path):
    path.unlink()


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def damage(path):
    """Zeros in a page, and the time of before."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    place = parquet.read_metadata(path).row_group(1).column(1).data_page_offset
    content[place : place + 200] = bytes(200)
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def rewrite(path):
    """Other rows, as many as before."""
    write_table(table_of(-X[:100], y[:100], 1.0 + y[:100]), path)


@pytest.mark.parametrize("act", [vanish, cut, damage, rewrite])
@pytest.mark.parametrize("of_validation", [False, True])
def test_a_file_that_fails_in_training_costs_its_epoch(
    folder, tmp_path, act, of_validation
):
    given: dict = {}
    path, options = folder / "002.parquet", {}
    if of_validation:
        held = write_folder(tmp_path / "held", table_of(X, y), [0, 400])
        given = {"X_val": files_in(held), "y_val": "t"}
        path, options = held / "000.parquet", {"early_stopping": True}
    two = make(2, **options).fit(files_in(folder), "t", **given)
    clf = make(4, **options).set_callbacks(At(2, lambda: act(path)))
    with pytest.raises(ValueError, match=f"{path.name} (can't be read|has changed)"):
        clf.fit(files_in(folder), "t", **given)
    assert clf.n_iter_ == 2
    assert clf.loss_curve_ == two.loss_curve_
    np.testing.assert_array_equal(clf.network_.parameters, two.network_.parameters)


def test_a_file_that_fails_in_the_first_epoch_is_refused(folder):
    class Begin(At):
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            if context.task_name == "epoch":
                self.act()

    path = folder / "002.parquet"
    clf = make().fit(X, y)
    before = clf.network_.parameters.copy()
    clf.set_callbacks(Begin(0, lambda: path.exists() and path.unlink()))
    with pytest.raises(ValueError, match=r"002\.parquet can't be read"):
        clf.fit(files_in(folder), "t")
    np.testing.assert_array_equal(clf.network_.parameters, before)


def test_a_file_that_appears_in_training_is_not_read(folder):
    expected = make().fit(files_in(folder), "t")
    clf = make().set_callbacks(
        At(1, lambda: write_table(table_of(X, y), folder / "005.parquet"))
    )
    assert clf.fit(files_in(folder), "t").loss_curve_ == expected.loss_curve_


def test_a_full_disk_leaves_the_last_checkpoint_whole(folder, tmp_path, monkeypatch):
    path, files = tmp_path / "c.npz", files_in(folder)
    save, calls = np.savez, []

    def full(file, **arrays):
        calls.append(None)
        if len(calls) == 3:
            file.write(b"part")
            raise OSError(28, "No space left on device")
        save(file, **arrays)

    monkeypatch.setattr(checkpoint.np, "savez", full)
    clf = make(4).set_callbacks(Checkpoint(path))
    with pytest.raises(OSError, match="No space left"):
        clf.fit(files, "t")
    assert clf.n_iter_ == 3
    resumed = make(4).set_callbacks(Checkpoint(path, resume=True)).fit(files, "t")
    whole = make(4).fit(files, "t")
    assert resumed.loss_curve_ == whole.loss_curve_


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Needs Linux.")
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("failure", [None, KeyboardInterrupt(), ValueError("no")])
def test_files_are_closed(tmp_path, kind, failure, fail_at):
    folder = write_folder(tmp_path / "files", table_of(X, y), EDGES, kind)

    def open_files():
        gc.collect()
        links = (f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd"))
        return [os.readlink(of) for of in links if os.path.lexists(of)]

    if failure is not None:
        fail_at(3, failure)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        warnings.filterwarnings("ignore", "Training interrupted")
        with contextlib.suppress(ValueError):
            make(2).fit(files_in(folder), "t").predict(files_in(folder))
        assert not [path for path in open_files() if str(folder) in path]


@pytest.mark.parametrize("values", [["a", None], [1, None]])
def test_a_missing_label_in_a_dictionary_is_refused(tmp_path, values):
    labels = pa.DictionaryArray.from_arrays([0, 0, 1, 0], pa.array(values))
    write_table(pa.table({"x": X[:4, 0], "t": labels}), tmp_path / "0.feather", 4)
    files = TableFiles(tmp_path)
    refused(None, r"0\.feather, column 't', row 2: missing values", files)


def test_the_row_of_a_fault_in_scored_data_is_that_of_the_file(tmp_path):
    clf = make().fit(X, y)
    targets = [None if row == 170 else label for row, label in enumerate(y.tolist())]
    write_folder(tmp_path, table_of(X, targets), [0, 100, 400], group_rows=30)
    with pytest.raises(ValueError, match=r"001\.parquet, column 't', row 70: missing"):
        clf.score(files_in(tmp_path), "t")
