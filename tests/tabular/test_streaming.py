"""Recipes on files: as on tables in memory, or prepared by a sample of the rows."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

import pyarrow as pa
from table_folder import write_folder

from skscratch import (
    Checkpoint,
    ScratchMLPClassifier,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.files import TableFiles
from skscratch.files.tables import FileTableSample

ROOT = Path(__file__).parents[2]
RECIPES = {"classifier": make_tabular_classifier, "regressor": make_tabular_regressor}
TARGETS = {"classifier": "label", "regressor": "number"}
FEATURES = ["real", "skewed", "text", "many", "date", "flag"]
each_recipe = pytest.mark.parametrize("task", RECIPES)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("numpy_trains"),
]
QUICK = {
    "max_iter": 2,
    "n_estimators": 2,
    "hidden_layer_sizes": (8,),
    "random_state": 0,
    "kinds": ("pieces", "ranks"),
}


def make_table(n_rows=1200, seed=0):
    random = np.random.RandomState(seed)
    table = pd.DataFrame(
        {
            "real": random.standard_normal(n_rows),
            "skewed": random.lognormal(size=n_rows),
            "text": random.choice(["red", "green", "blue"], n_rows),
            "many": [f"c{code}" for code in random.randint(0, 200, n_rows)],
            "date": pd.to_datetime("2024-01-01")
            + pd.to_timedelta(random.randint(0, 300, n_rows), "D"),
            "flag": random.uniform(size=n_rows) < 0.5,
        }
    )
    signal = table["real"] * (table["text"] == "red") + np.log(table["skewed"])
    table["label"] = np.where(signal > 0, "yes", "no").astype(object)
    table["number"] = 1e4 + 100 * signal
    table["weight"] = random.randint(0, 3, n_rows).astype(float)
    table.loc[::9, "real"] = np.nan
    table.loc[::11, "text"] = None
    return table


TABLE = make_table()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    table = pa.Table.from_pandas(TABLE, preserve_index=False)
    # Row groups are encoded one after the other, and small ones slowly.
    path = tmp_path_factory.mktemp("rows")
    return write_folder(path, table, [0, 500, 501, 1200], group_rows=170)


def files_of(folder, window=None):
    return TableFiles(folder, columns=FEATURES, window=window)


def assert_same_predictions(model, other, X):
    for method in ("predict", "predict_proba", "predict_interval"):
        if hasattr(other, method):
            assert_array_equal(getattr(model, method)(X), getattr(other, method)(X))


# All rows in the sample


@each_recipe
@pytest.mark.parametrize("weight", [None, "weight"])
def test_files_no_larger_than_the_sample_are_a_table_in_memory(folder, task, weight):
    files, target = files_of(folder), TARGETS[task]
    rows = TABLE if weight is None else TABLE[TABLE["weight"] > 0]
    parameters = {} if task == "classifier" else {"intervals": True}
    model = RECIPES[task](**QUICK | parameters).fit(files, target, weight)
    expected = RECIPES[task](**QUICK | parameters)
    weights = None if weight is None else rows[weight].to_numpy()
    expected.fit(rows[FEATURES], rows[target].to_numpy(), weights)
    assert_same_predictions(model, expected, TABLE[FEATURES])
    for method in ("predict", "predict_proba", "predict_log_proba", "predict_interval"):
        if hasattr(model, method) and (task, method) != ("classifier", "predict"):
            # A matrix product of fewer rows is rounded differently.
            found, given = getattr(model, method)(files), TABLE[FEATURES]
            assert_allclose(found, getattr(expected, method)(given), rtol=1e-5)
    score = expected.score(TABLE[FEATURES], TABLE[target], TABLE["weight"])
    assert model.score(files, target, "weight") == pytest.approx(score, abs=1e-6)
    assert model["columns"].describe() == expected["columns"].describe()


def test_a_random_state_gives_the_draws_of_a_table_in_memory(folder):
    files, given = files_of(folder), np.random.RandomState(3)
    model = make_tabular_classifier(**QUICK | {"random_state": given})
    model.fit(files, "label")
    given = np.random.RandomState(3)
    expected = make_tabular_classifier(**QUICK | {"random_state": given})
    expected.fit(TABLE[FEATURES], TABLE["label"].to_numpy())
    assert_same_predictions(model, expected, TABLE[FEATURES])


# More rows


@each_recipe
def test_more_rows_than_the_sample_improve_a_model(tmp_path, task):
    table, target = make_table(3000, seed=1), TARGETS[task]
    train, test = table[:2000], table[2000:]
    train = pa.Table.from_pandas(train, preserve_index=False)
    folder = write_folder(tmp_path / "f", train, [0, 900, 2000], group_rows=300)
    files = files_of(folder, window=600)
    train = train.to_pandas()
    recipe = {"random_state": 0, "n_estimators": 1, "kinds": ("smooth",)}
    recipe |= {"max_iter": 15, "learning_rate_init": 0.01}

    def error(model):
        return 1 - model.score(test[FEATURES], test[target])

    streamed = RECIPES[task](**recipe).fit(files, target, n_sampled=200)
    in_memory = RECIPES[task](**recipe).fit(train[FEATURES], train[target])
    few = train.sample(200, random_state=0)
    sampled = RECIPES[task](**recipe).fit(few[FEATURES], few[target])
    assert error(streamed) < 0.8 * error(sampled)
    assert error(streamed) < 1.3 * error(in_memory) + 0.01
    assert_same_predictions(pickle.loads(pickle.dumps(streamed)), streamed, test)


@pytest.fixture
def encoded(monkeypatch):
    """Record the numbers of the rows that are encoded, and their inputs."""
    calls, honest = [], FileTableSample.encoded

    def recorded(sample, encode, n_outputs, dtype, held):
        def recording(table, y, rows):
            X, targets = encode(table, y, rows)
            calls.append((rows, X, targets))
            return X, targets

        return honest(sample, recording, n_outputs, dtype, held)

    monkeypatch.setattr(FileTableSample, "encoded", recorded)
    return calls


@each_recipe
def test_each_epoch_trains_on_all_rows_but_those_held_out(folder, task, encoded):
    model = RECIPES[task](**QUICK | {"kinds": ("pieces",)})
    files, target = files_of(folder, window=200), TARGETS[task]
    model.fit(files, target, "weight", n_sampled=160)
    rows = np.concatenate([rows for rows, *_ in encoded])
    counted = np.flatnonzero(TABLE["weight"] > 0)
    seen, counts = np.unique(rows, return_counts=True)
    # Rows are encoded in one pass before training, and in two epochs.
    assert set(counts) == {3}
    held = np.setdiff1d(np.arange(1200), seen)
    assert len(held) == 20
    assert np.isin(held, counted).all()
    network = model["network"].members_[0].networks[0]
    assert network.t_ == 2 * (len(counted) - 20)
    assert network.share_batches
    if task == "regressor":
        numbers = TABLE["number"].to_numpy()[rows, np.newaxis]
        targets = np.concatenate([targets for *_, targets in encoded])
        scaler = model["network"].scaler_
        assert_allclose(targets, scaler.transform(numbers)[:, 0])


def test_sampled_rows_have_means_of_the_target_from_other_rows(folder, encoded):
    """As in memory; their own targets would be in what ``transform`` computes."""
    model = make_tabular_regressor(**QUICK | {"kinds": ("smooth",)})
    model.fit(files_of(folder, window=300), "number", n_sampled=800)
    assert model["columns"].output_indices_["targets"] != slice(0, 0)
    encoder = model["network"].members_[0].encoder
    differing = 0
    for rows, X, _ in encoded:
        by_transform = model["columns"].transform(TABLE.loc[rows, FEATURES])
        inputs = encoder.transform(np.asarray(by_transform, np.float32))
        differing += (abs(X - inputs).max(axis=1) > 1e-6).sum()
    n_encoded = sum(len(rows) for rows, *_ in encoded)
    assert differing / n_encoded == pytest.approx(700 / 1100, abs=0.02)


@pytest.mark.parametrize("as_files", [False, True])
def test_with_validation_rows_none_are_held_out(folder, as_files, encoded):
    model = make_tabular_classifier(**QUICK | {"kinds": ("pieces",)})
    validation = {"X_val": TABLE[FEATURES], "y_val": TABLE["label"].to_numpy()}
    if as_files:
        validation = {"X_val": files_of(folder), "y_val": "label"}
    model.fit(files_of(folder, window=200), "label", n_sampled=100, **validation)
    seen = np.unique(np.concatenate([rows for rows, *_ in encoded]))
    assert_array_equal(seen, np.arange(1200))
    again = make_tabular_classifier(**QUICK | {"kinds": ("pieces",)})
    validation = {"X_val": TABLE[FEATURES], "y_val": TABLE["label"].to_numpy()}
    again.fit(files_of(folder, window=200), "label", n_sampled=100, **validation)
    if not as_files:
        assert_same_predictions(model, again, TABLE[FEATURES])


def test_without_early_stopping_no_rows_are_held_out(folder, encoded):
    model = make_tabular_regressor(**QUICK, early_stopping=False)
    model.fit(files_of(folder, window=200), "number", n_sampled=100)
    seen = np.unique(np.concatenate([rows for rows, *_ in encoded]))
    assert_array_equal(seen, np.arange(1200))
    assert [members.name for members in model["network"].members_] == ["pieces"]


def test_a_class_of_a_single_row_is_known(tmp_path):
    table = TABLE.copy()
    table.loc[700, "label"] = "unique"
    write_folder(tmp_path, pa.Table.from_pandas(table, preserve_index=False), [0, 1200])
    model = make_tabular_classifier(**QUICK)
    model.fit(files_of(tmp_path, window=300), "label", n_sampled=100)
    assert_array_equal(model.classes_, ["no", "unique", "yes"])
    assert model.predict_proba(TABLE[FEATURES]).shape == (1200, 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"effort": "high", "n_estimators": 1},
        {"time_limit": 30},
        {"class_weight": "balanced"},
        {"dtype": "float64", "n_estimators": 1},
    ],
)
def test_what_a_recipe_can_do_it_can_on_files(folder, parameters):
    model = make_tabular_classifier(**QUICK | {"kinds": ("smooth",)} | parameters)
    model.fit(files_of(folder, window=300), "label", n_sampled=200)
    assert np.isfinite(model.predict_proba(files_of(folder))).all()


def test_several_targets_and_labels(folder):
    columns = {"columns": FEATURES[:4], "window": 300}
    model = make_tabular_regressor(**QUICK)
    model.fit(TableFiles(folder, **columns), ["number", "weight"], n_sampled=200)
    assert abs(model.predict(TABLE)[:, 0] - 1e4).max() < 1e3
    columns["columns"] = FEATURES[:3]
    labels = TABLE.assign(many=(TABLE["real"] > 0).astype(int), flag=TABLE["flag"] * 1)
    path = folder.parent / "labels"
    write_folder(path, pa.Table.from_pandas(labels, preserve_index=False), [0, 1200])
    model = make_tabular_classifier(**QUICK)
    model.fit(TableFiles(path, **columns), ["many", "flag"], n_sampled=200)
    assert model.predict(TableFiles(path, **columns)).shape == (1200, 2)


def test_intervals_are_learned_from_the_sample(folder):
    model = make_tabular_regressor(**QUICK, intervals=True)
    model.fit(files_of(folder, window=300), "number", n_sampled=300)
    bounds = model.predict_interval(files_of(folder))
    inside = (bounds[:, 0] <= TABLE["number"]) & (TABLE["number"] <= bounds[:, 1])
    assert inside.mean() > 0.8


def test_the_same_seed_gives_the_same_model(folder, tmp_path):
    def fitted(seed=0, callbacks=()):
        options = {"random_state": seed, "max_iter": 1}
        model = make_tabular_classifier(**QUICK | options)
        model.set_callbacks(*callbacks)
        return model.fit(files_of(folder, window=300), "label", n_sampled=200)

    model = fitted()
    assert_same_predictions(model, fitted(), TABLE[FEATURES])
    assert not np.array_equal(
        model.predict_proba(TABLE), fitted(seed=1).predict_proba(TABLE)
    )
    saved = fitted(callbacks=[Checkpoint(tmp_path / "training.npz")])
    assert_same_predictions(saved, model, TABLE[FEATURES])


def test_with_metadata_routing(folder):
    expected = make_tabular_classifier(**QUICK)
    expected.fit(files_of(folder, window=300), "label", n_sampled=200)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_tabular_classifier(**QUICK)
        model.fit(files_of(folder, window=300), "label", n_sampled=200)
    assert_same_predictions(model, expected, TABLE[FEATURES])


# Faults


def refusals(folder):
    files = files_of(folder, window=300)
    return {
        "groups": ({}, (files, "label"), {"groups": np.arange(1200)}, "groups"),
        "splits": (
            {"validation_split": GroupKFold(2)},
            (files, "label"),
            {},
            "validation_split",
        ),
        "lbfgs": ({"solver": "lbfgs"}, (files, "label"), {}, "solver='lbfgs'"),
        "sample": ({}, (files, "label"), {"n_sampled": 0}, "n_sampled"),
        "target": ({}, (files, "nothing"), {}, "no column 'nothing'"),
        "weight": ({}, (files, "label", "nothing"), {}, "no column 'nothing'"),
        "parameter": ({"alpha": -1.0}, (files, "label"), {}, "alpha"),
    }


@pytest.mark.parametrize("fault", refusals("files"))
def test_a_refused_call_changes_nothing(folder, fault):
    parameters, given, options, message = refusals(folder)[fault]
    model = make_tabular_classifier(**QUICK)
    model.fit(TABLE[FEATURES], TABLE["label"])
    before, steps = copy.deepcopy(model), model.steps
    model["network"].estimator.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(*given, **{"n_sampled": 200} | options)
    assert model.steps is steps
    assert_same_predictions(model, before, TABLE[FEATURES])


@pytest.mark.parametrize("after", [3, 12])
def test_a_file_that_can_not_be_read_changes_nothing(folder, after, monkeypatch):
    """In the pass before training, or in the first epoch."""
    model = make_tabular_classifier(**QUICK)
    model.fit(TABLE[FEATURES], TABLE["label"])
    before, honest, calls = copy.deepcopy(model), FileTableSample.encoded, []

    def failing(sample, encode, *arguments):
        def broken(*rows):
            calls.append(rows)
            if len(calls) > after:
                raise ValueError("it is truncated")
            return encode(*rows)

        return honest(sample, broken, *arguments)

    monkeypatch.setattr(FileTableSample, "encoded", failing)
    with pytest.raises(ValueError, match=r"00\d\.parquet.*it is truncated"):
        model.fit(files_of(folder, window=300), "label", n_sampled=200)
    assert_same_predictions(model, before, TABLE[FEATURES])


def test_a_missing_column_and_a_new_one(folder, tmp_path):
    model = make_tabular_classifier(**QUICK).fit(files_of(folder), "label")
    lacking = pa.Table.from_pandas(TABLE.drop(columns="real").assign(new=1))
    write_folder(tmp_path, lacking, [0, 1200])
    with pytest.raises(ValueError, match="'real'"):
        model.predict(TableFiles(tmp_path))


def test_another_network_and_partial_fit_are_refused(folder):
    files = files_of(folder)
    model = make_tabular_classifier(**QUICK)
    model.set_params(network=ScratchMLPClassifier())
    with pytest.raises(ValueError, match="HedgedClassifier or HedgedRegressor"):
        model.fit(files, "label")
    model = make_tabular_classifier(**QUICK).fit(files, "label")
    with pytest.raises(ValueError, match="one after the other"):
        model.partial_fit(files, "label")


PROGRAM = """
import sys, warnings
from pathlib import Path
import numpy as np, pandas as pd, pyarrow.parquet
from skscratch import make_tabular_regressor
from skscratch.files import TableFiles

warnings.simplefilter("ignore")

def memory(name):
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024

def make():
    return make_tabular_regressor(
        kinds=("smooth",), max_iter=1, n_estimators=1, hidden_layer_sizes=(4,),
        batch_size=4096,
    )

few = pd.DataFrame(np.random.RandomState(0).standard_normal((99, 60)))
make().fit(few, few[0])
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
files = TableFiles(sys.argv[1], window=5_000)
make().fit(files, "t", n_sampled=2_000).predict(files)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Needs Linux.")
def test_a_fit_holds_a_window_and_a_sample(tmp_path):
    random = np.random.default_rng(0)
    columns = random.random((60, 125_000))
    names = {f"f{j}": column for j, column in enumerate(columns)} | {"t": columns[0]}
    write_folder(tmp_path / "f", pa.table(names), [0, 60_000, 125_000], "parquet", 9000)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "f"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    # It takes about 100 MB. The table would take 60 more, and so would the inputs.
    assert float(done.stdout) < 140
