"""Models in files: what is saved, what is trusted, and files that are refused."""

import importlib
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skscratch import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.cli.errors import InputError
from skscratch.cli.models import INFORMATION, TRUSTED, load, save
from skscratch.tabular.columns import make_preprocessor

# The models need not be good.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Training made the loss worse"),
]

N_ROWS = 160
QUICK = {"effort": "low", "max_iter": 3, "n_estimators": 1, "random_state": 0}


def make_table():
    """Return a table with a column of each role."""
    random = np.random.RandomState(0)
    words = np.array(["good", "bad", "slow", "quick", "red", "blue"])
    return pd.DataFrame(
        {
            "number": np.where(
                np.arange(N_ROWS) % 7, random.lognormal(size=N_ROWS), np.nan
            ),
            "flag": random.uniform(size=N_ROWS) < 0.5,
            "city": random.choice(["Bern", "Basel", None], N_ROWS),
            "kind": pd.Categorical(random.choice(["a", "b"], N_ROWS)),
            "code": [f"c{i % 120}" for i in random.permutation(2 * N_ROWS)[:N_ROWS]],
            "when": pd.date_range("2020-01-01", periods=N_ROWS, freq="7h"),
            "joined": [f"{i % 28 + 1}.{i % 12 + 1}.2023" for i in range(N_ROWS)],
            "text": [f"{' '.join(random.choice(words, 5))} {i}" for i in range(N_ROWS)],
        }
    )


TABLE = make_table()
NUMBERS = TABLE[["number"]].fillna(1.0).to_numpy()
CLASSES = np.where(np.arange(N_ROWS) % 3, "yes", "no")
AMOUNTS = np.exp(2 * np.sin(np.arange(N_ROWS)))


def make_plain_pipeline():
    preprocessor = make_preprocessor(
        StandardScaler(), min_frequency=5, numeric=["number"], categorical=["city"]
    )
    return make_pipeline(preprocessor, ScratchMLPClassifier(max_iter=3))


MODELS = {
    "classifier": lambda: make_tabular_classifier(**QUICK).fit(TABLE, CLASSES),
    "regressor": lambda: make_tabular_regressor(**QUICK).fit(TABLE, AMOUNTS),
    "intervals": lambda: make_tabular_regressor(**QUICK, intervals=True).fit(
        TABLE, AMOUNTS
    ),
    "time limits": lambda: make_tabular_regressor(
        **QUICK, intervals=True, time_limit=60
    ).fit(TABLE, AMOUNTS),
    "booleans": lambda: make_tabular_classifier(**QUICK).fit(TABLE, CLASSES == "yes"),
    "constant": lambda: make_tabular_regressor(**QUICK).fit(TABLE, np.ones(N_ROWS)),
    "groups": lambda: make_tabular_classifier(
        **QUICK, validation_split=GroupKFold(4)
    ).fit(TABLE, CLASSES, groups=np.arange(N_ROWS) // 4),
    "plain": lambda: make_plain_pipeline().fit(TABLE, CLASSES),
    "lbfgs": lambda: ScratchMLPClassifier(solver="lbfgs", max_iter=3).fit(
        NUMBERS, CLASSES
    ),
    "ensemble": lambda: ScratchMLPClassifier(
        n_estimators=2, early_stopping=True, temperature_scaling=True, max_iter=3
    ).fit(NUMBERS, CLASSES),
    "plain intervals": lambda: ScratchMLPRegressor(max_iter=3, intervals=True).fit(
        NUMBERS, AMOUNTS
    ),
    **{
        f"loss {name}": lambda name=name: ScratchMLPRegressor(name, max_iter=3).fit(
            NUMBERS, AMOUNTS
        )
        for name in sorted(set(LOSSES) - {"log_loss", "binary_log_loss"})
    },
    # After `partial_fit`, the optimizer is saved too.
    **{
        f"solver {name}": lambda name=name: ScratchMLPClassifier(
            solver=name
        ).partial_fit(NUMBERS, CLASSES, classes=["no", "yes"])
        for name in OPTIMIZERS
    },
    **{
        f"rate {name}": lambda name=name: ScratchMLPClassifier(
            learning_rate=name, solver="sgd", max_iter=3
        ).fit(NUMBERS, CLASSES)
        for name in SCHEDULES
    },
}


def rows_of(model):
    return TABLE if hasattr(model, "feature_names_in_") else NUMBERS


@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds_hold_only_trusted_types(tmp_path, name):
    model = MODELS[name]()
    path = tmp_path / "model.skops"
    save(model, path, {"target": "y"}, {"accuracy": 0.5})
    loaded, information, warned = load(path)
    expected = model.predict(rows_of(model))
    np.testing.assert_array_equal(loaded.predict(rows_of(model)), expected)
    assert information["schema"] == {"target": "y"}
    assert information["results"] == {"accuracy": 0.5}
    assert warned == []
    # For Python, the file is like any other.
    types = skops.io.get_untrusted_types(file=path)
    plain = skops.io.load(path, trusted=types)
    assert type(plain) is type(model)
    np.testing.assert_array_equal(plain.predict(rows_of(model)), expected)
    assert [found.name for found in tmp_path.iterdir()] == ["model.skops"]


@pytest.mark.parametrize("name", TRUSTED)
def test_trusted_names_are_exact(name):
    module, _, attribute = name.rpartition(".")
    thing = getattr(importlib.import_module(module), attribute)
    assert module.partition(".")[0] in {"skscratch", "numpy", "sklearn"}
    assert f"{thing.__module__}.{thing.__qualname__}" == name
    assert TRUSTED.count(name) == 1


def test_registered_parts_are_trusted():
    parts = [type(loss) for loss in LOSSES.values()]
    parts += [*OPTIMIZERS.values(), *SCHEDULES.values()]
    assert {f"{part.__module__}.{part.__qualname__}" for part in parts} <= {*TRUSTED}


def shout(X):
    raise AssertionError("foreign code ran")


def test_other_types_are_named_and_not_loaded(tmp_path):
    path = tmp_path / "model.skops"
    model = make_pipeline(FunctionTransformer(shout), ScratchMLPClassifier())
    skops.io.dump(model, path)
    with pytest.raises(InputError, match=r"was not loaded: .*\.shout'$"):
        load(path)


def test_files_of_skops_are_models_too(tmp_path):
    path = tmp_path / "model.skops"
    model = make_pipeline(StandardScaler(), MLPClassifier(solver="lbfgs", max_iter=500))
    skops.io.dump(model.fit(NUMBERS[:20], CLASSES[:20]), path)
    loaded, information, warned = load(path)
    assert (information, warned) == (None, [])
    np.testing.assert_array_equal(loaded.predict(NUMBERS), model.predict(NUMBERS))


@pytest.fixture
def saved(tmp_path):
    """Path of a small model."""
    path = tmp_path / "model.skops"
    model = ScratchMLPClassifier(solver="lbfgs").fit(NUMBERS[:20], CLASSES[:20])
    save(model, path)
    return path


def rewritten(path, **members):
    """Replace members of a zip file."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (contents | members).items():
            archive.writestr(name, content)


def arrays_of(path):
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
    assert names
    return names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "cannot read .*No such file"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot read .*directory"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("a,b\n1,2\n"), "is not a model"),
        (lambda path: path.write_bytes(path.read_bytes()[:-99]), "is damaged"),
        (
            lambda path: rewritten(path, **dict.fromkeys(arrays_of(path), "XX")),
            "damaged|cannot load",
        ),
        (lambda path: rewritten(path, **{"schema.json": "{}"}), "damaged"),
        (lambda path: rewritten(path, **{"schema.json": "}"}), "damaged"),
        (lambda path: rewritten(path, **{INFORMATION: "}"}), "damaged"),
        (lambda path: rewritten(path, **{INFORMATION: "[]"}), "damaged"),
        (lambda path: skops.io.dump(StandardScaler(), path), "a StandardScaler$"),
    ],
)
def test_other_files_are_refused_in_one_line(saved, change, message):
    change(saved)
    with pytest.raises(InputError, match=message) as refused:
        load(saved)
    assert "\n" not in str(refused.value)
    assert repr(str(saved)) in str(refused.value)


def test_a_zip_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "a,b")
    with pytest.raises(InputError, match="not a model of skops"):
        load(path)


@pytest.mark.parametrize("package", ["skscratch", "scikit-learn"])
def test_a_model_of_another_version_is_loaded_with_a_warning(saved, package):
    with zipfile.ZipFile(saved) as archive:
        information = json.loads(archive.read(INFORMATION))
    information["versions"][package] = "0.0.1"
    rewritten(saved, **{INFORMATION: json.dumps(information)})
    model, _, warned = load(saved)
    assert len(model.predict(NUMBERS)) == N_ROWS
    assert len(warned) == 1
    assert f"saved with {package} 0.0.1" in warned[0]


def test_without_information_the_model_itself_tells_its_version(tmp_path, monkeypatch):
    path = tmp_path / "model.skops"
    model = ScratchMLPClassifier(solver="lbfgs").fit(NUMBERS[:20], CLASSES[:20])
    with monkeypatch.context() as patch:
        patch.setattr("skscratch.estimators.base.__version__", "0.0.1")
        skops.io.dump(model, path)
    _, _, warned = load(path)
    assert len(warned) == 1
    assert "skscratch 0.0.1" in warned[0]


def test_a_failed_save_keeps_the_older_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(model, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skops.io.dump", fail)
    with pytest.raises(InputError, match="No space left on device"):
        save(None, saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
