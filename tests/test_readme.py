"""The READMEs are true: their programs run, and what their tables say holds.

Each Python block is a program of its own and runs as one: in a process, a folder and a
namespace of its own, with warnings as errors. A comment before a block, such as
``<!-- needs: mlflow -->``, names what the block imports beyond the extra ``test``;
where that is not installed, its test is skipped.
"""

import functools
import importlib
import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold, train_test_split

import skscratch
from skscratch import (
    SCHEDULES,
    ScratchMLPClassifier,
    make_tabular_classifier,
    make_tabular_regressor,
)

ROOT = Path(__file__).parent.parent
PACKAGE = Path(skscratch.__file__).parent
FILES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "benchmarks/README.md",
        "skscratch/cli/README.md",
        "skscratch/dask/README.md",
        "skscratch/estimators/README.md",
        "skscratch/export/README.md",
        "skscratch/files/README.md",
        "skscratch/tabular/README.md",
    )
}
README = FILES["README.md"]
ESTIMATORS = FILES["skscratch/estimators/README.md"]
TABULAR = FILES["skscratch/tabular/README.md"]


def rows_after(text, words):
    """Cells of each row of the first table after some words of a README."""
    table = text.partition(words)[2].partition("|---")[2].partition("\n\n")[0]
    lines = table.splitlines()[1:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


# Programs


@dataclass(frozen=True)
class Block:
    """A block of code, the heading that it stands under, and what it needs."""

    file: str
    heading: str
    language: str
    code: str
    needs: str | None

    @property
    def name(self):
        return f"{self.file}: {self.heading}"


def blocks_of(file):
    """Yield the blocks of code of a README, in order."""
    heading, lines = "", iter(FILES[file].splitlines())
    before = ""
    for line in lines:
        if line.startswith("```"):
            code = iter(lines.__next__, "```")
            needs = re.fullmatch("<!-- needs: (.*) -->", before)
            language, needs = line.removeprefix("```"), needs and needs[1]
            yield Block(file, heading, language, "\n".join(code), needs)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
        before = line


BLOCKS = [block for file in FILES for block in blocks_of(file)]
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
# Of other packages than those of the extra ``test``.
OPTIONAL = {
    *("dask", "dask_ml", "distributed", "fastapi", "httpx2", "mapie", "mlflow"),
    *("onnx", "onnxruntime", "optuna", "pyarrow", "river", "shap", "skl2onnx"),
}
# What is true after a program, by its heading and a word of it.
CHECKS = {
    ("README.md", "train_test_split"): "assert clf.score(X_test, y_test) > 0.94",
    ("README.md", "GridSearchCV"): "assert search.best_score_ > 0.9",
    ("README.md", "logloss"): """
assert (costs[0].round(2), costs[-1].round(2)) == (1.15, 0.03)
assert (A.round() == y).all()
""",
    ("README.md", "make_tabular"): "assert model.score(X[1::2], y[1::2]) > 0.9",
    ("README.md", "skops"): """
assert types and all(name.startswith("skscratch.") for name in types)
assert (loaded.predict_proba(X) == clf.predict_proba(X)).all()
again = ScratchMLPClassifier(max_iter=100, learning_rate="cosine", random_state=0)
again.set_callbacks(Checkpoint("training.npz", every=10, resume=True)).fit(X, y)
assert (again.predict_proba(X) == clf.predict_proba(X)).all()
""",
    ("README.md", "lbfgs"): "assert (clf.predict(X) == y).all()",
    ("skscratch/estimators/README.md", "LogCosh"): "assert reg.loss_ < 0.3",
    ("skscratch/estimators/README.md", "GroupKFold"): """
assert clf.best_validation_score_ > 0.85
""",
    ("skscratch/estimators/README.md", "theirs.coefs_"): """
assert abs(clf.loss_curve_[0] - theirs.loss_curve_[-1]) < 0.01
""",
    ("skscratch/estimators/README.md", "predict_interval"): """
assert ((low <= y[1500:]) & (y[1500:] <= high)).mean() > 0.87
""",
    ("skscratch/tabular/README.md", "predict_interval"): """
assert model.predict_interval(X[350:]).shape == (92, 2)
""",
    ("skscratch/estimators/README.md", "check_gradients"): """
assert check_gradients(clf.network_, X[:10], y[:10]).passed
""",
    ("skscratch/estimators/README.md", "transform_input"): """
assert clf.best_validation_score_ > 0.85
silent = make_pipeline(StandardScaler(), ScratchMLPClassifier(early_stopping=True))
silent.set_params(scratchmlpclassifier__random_state=0)
held_out = {"scratchmlpclassifier__X_val": X_val, "scratchmlpclassifier__y_val": y_val}
import warnings
warnings.simplefilter("ignore")  # It may be a loud one.
silent.fit(X_train, y_train, **held_out)
assert silent[-1].best_validation_score_ < 0.7
""",
    ("skscratch/estimators/README.md", 'backend="loky"'): """
    assert ensemble.score(X / 16, y) > 0.95
""",
    ("skscratch/estimators/README.md", "client.amm"): """
    assert search.best_score_ > 0.9
""",
    ("skscratch/estimators/README.md", "Incremental"): """
assert (model.predict(chunks[0]) == chunks[1]).mean().compute() > 0.9
""",
    ("skscratch/estimators/README.md", "learn_one"): """
assert n_right / 500 > 0.7
""",
    ("skscratch/estimators/README.md", "RFE"): "assert selector.support_.sum() == 5",
    ("skscratch/estimators/README.md", "mlflow"): """
metrics = mlflow.last_active_run().data.metrics
assert metrics["training_score"] > 0.9
assert metrics["loss"] == clf.loss_curve_[-1]
with mlflow.start_run():
    ScratchMLPClassifier(max_iter=1).fit(X, y)
assert not mlflow.last_active_run().data.metrics
""",
    ("skscratch/estimators/README.md", "shap"): """
import numpy as np
total = values.sum(axis=1) + explainer.expected_value
assert np.abs(total - model.predict_proba(X[1:4])).max() < 1e-6
try:
    shap.KernelExplainer(model.predict_proba, X[:20])
except AttributeError as error:
    assert "feature_names_in_" in str(error)
else:
    raise AssertionError("shap takes the method by now: the guide may say so")
""",
    ("skscratch/estimators/README.md", "optuna"): """
states = {trial.state.name for trial in study.trials}
assert states == {"COMPLETE", "PRUNED"}
""",
    ("skscratch/dask/README.md", "da.from_array"): "assert accuracy > 0.9",
    ("skscratch/export/README.md", "to_sklearn"): """
assert abs(theirs.predict_proba(X) - clf.predict_proba(X)).max() < 1e-12
""",
    ("skscratch/export/README.md", "from_sklearn"): """
assert clf.loss_ < theirs.loss_
assert clf.score(X / 16, y) > 0.98
""",
    ("skscratch/export/README.md", "to_source"): """
assert abs(iris_network.predict_proba(X) - model.predict_proba(X)).max() < 1e-12
assert "A = gelu(W1 @ A + b1)" in path.read_text()
""",
    ("skscratch/export/README.md", "log_model"): """
served = mlflow.pyfunc.load_model("models:/shop/1").predict(table)
assert (served == model.predict_proba(table)).all()
""",
    ("skscratch/export/README.md", "TestClient"): """
rows = table.to_dict("records")
answer = client.post("/predict", json=rows).json()
assert (np.array(answer) == model.predict_proba(table)).all()
refusal = client.post("/predict", json=[{"age": 30}])
assert refusal.status_code == 422
assert "'shop'" in refusal.json()["detail"]
""",
    ("skscratch/export/README.md", "shop.onnx"): """
rows = table.astype(object).where(table.notna(), None).to_dict("records")
assert None in rows[0].values()
assert np.abs(predict(rows) - model.predict_proba(table)).max() < 1e-5
""",
    ("skscratch/files/README.md", "TableFiles"): """
assert clf.score(train, "price") > 0.9
assert len(clf.validation_scores_) == 3
""",
    ("skscratch/tabular/README.md", "TableFiles"): """
assert model.score(files, "buys") > 0.95
""",
    ("skscratch/tabular/README.md", "partial_fit"): """
assert model.score(X, y) > 0.9
""",
    ("skscratch/tabular/README.md", "city"): """
assert model.score(table[300:], buys[300:]) > 0.8
assert "city_Basel" in " ".join(model["columns"].get_feature_names_out())
""",
    ("skscratch/tabular/README.md", "make_union"): """
assert model.score(X[1::2], y[1::2]) > 0.9
""",
    ("skscratch/tabular/README.md", "weights[::2]"): """
assert model.score(X[1::2], y[1::2]) > 0.2
""",
}


def checks_of(program):
    """What is asserted after a program."""
    return [
        check
        for (file, word), check in CHECKS.items()
        if file == program.file and word in program.code
    ]


def requires(names):
    """Skip the test if a module that it names is not installed."""
    for name in names.split(", "):
        assert name in OPTIONAL
        pytest.importorskip(name)


def numbered(programs):
    """Give each program a name of its own: that of its heading, and a number."""
    names = [program.name for program in programs]
    for place, program in enumerate(programs):
        number = names[: place + 1].count(program.name)
        label = program.name if number == 1 else f"{program.name} {number}"
        yield pytest.param(program, id=label)


@pytest.mark.parametrize("program", numbered(PROGRAMS))
def test_a_program_runs_alone(program, tmp_path):
    strict = ["-W", "error"]
    if program.needs:
        requires(program.needs)
        strict = []  # What other packages warn of is theirs.
    code = "\n".join([program.code, *checks_of(program)])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    result = subprocess.run(
        [sys.executable, *strict, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_each_check_is_of_one_program():
    for file, word in CHECKS:
        programs = [p for p in PROGRAMS if p.file == file and word in p.code]
        assert len(programs) == 1, (file, word)


def test_what_a_block_needs_stands_right_before_it():
    comments = sum(text.count("<!-- needs: ") for text in FILES.values())
    assert comments == sum(block.needs is not None for block in BLOCKS)


def test_blocks_are_programs_or_commands():
    assert {block.language for block in BLOCKS} == {"python", "bash"}
    assert len(PROGRAMS) > 12


@pytest.mark.parametrize(
    "command",
    ["pip install . && python -m skscratch", "pip install '.[test]' && pytest"],
)
def test_both_commands_stand_in_a_block_of_their_own(command):
    first_screen = README.partition("\n## ")[0]
    assert f"```bash\n{command}\n```" in first_screen


COMMANDS = sorted(
    {
        line.partition(" #")[0].strip()
        for block in BLOCKS
        if block.language == "bash"
        for line in block.code.splitlines()
        if line.startswith("python benchmarks/")
    }
    | {
        command
        for text in FILES.values()
        for command in re.findall("`(python benchmarks/.*?)`", text)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_benchmarks_has_its_options(command):
    _, script, *arguments = command.split()
    text = (ROOT / script).read_text(encoding="utf-8")
    for option in arguments:
        if option.startswith("--"):
            assert f'"{option}"' in text


# The shape of the READMEs


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


def slugs(text):
    """Names by which GitHub links to a file's headings."""
    headings = re.findall("^#+ (.*)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


def links():
    """Every link to something in the repository, and the file that it is in."""
    for file, text in FILES.items():
        for target in re.findall(r"\]\((.*?)\)", text):
            if not target.startswith("https://"):
                yield pytest.param(file, target, id=f"{file}: {target}")


@pytest.mark.parametrize(("file", "target"), links())
def test_a_link_leads_somewhere(file, target):
    path, _, anchor = target.partition("#")
    there = (ROOT / file).parent / path if path else ROOT / file
    assert there.exists()
    if anchor:
        assert anchor in slugs(there.read_text(encoding="utf-8"))


def test_the_readme_leads_to_each_guide():
    for file in set(FILES) - {"README.md"}:
        assert f"]({file})" in README


def test_the_code_map_is_the_package():
    listed = re.findall(r"^\| `skscratch/(.*?)/?` \|", README, re.MULTILINE)
    public = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(listed) == public
    assert len(listed) == len(set(listed))


def test_the_changelog_tells_of_this_version():
    assert f"### {skscratch.__version__}\n" in README


def test_a_guarantee_names_tests():
    guarantees = rows_after(README, "## Guarantees")
    assert len(guarantees) > 5
    for _, tests in guarantees:
        names = re.findall(r"`(.*?)`", tests)
        assert names
        for name in names:
            assert (ROOT / "tests" / name).exists()


def test_the_picture_of_xor_is_drawn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    path = tmp_path / "xor.png"
    importlib.import_module("draw_figures").main(["--xor", str(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path) == ["xor.png"]


# Tables of parameters


def test_the_table_of_the_recipe_is_the_recipe():
    makers = (make_tabular_classifier(), make_tabular_regressor())
    networks = [make["network"].estimator for make in makers]
    defaults = [type(network)() for network in networks]
    rows = rows_after(TABULAR, "## The recipe")
    listed = {name.strip("`"): cells for name, *cells in rows}
    for number, (network, default) in enumerate(zip(networks, defaults, strict=True)):
        said = {name: cells[number].strip("`") for name, cells in listed.items()}
        changed = {
            name: repr(value)
            for name, value in network.get_params().items()
            if value != getattr(default, name)
        }
        assert {name: value for name, value in said.items() if value} == changed


ADDED = {
    row[0]: re.findall("`(.*?)`", row[-1])
    for row in rows_after(README, "## What it adds to MLPClassifier")
}


@functools.cache
def digits():
    X, y = load_digits(return_X_y=True)
    names = ("X", "X_val", "y", "y_val")
    parts = train_test_split(X / 16, y, random_state=0, stratify=y)
    groups = np.arange(len(parts[0])) % 50
    return dict(zip(names, parts, strict=True)) | {"groups": groups}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_works_as_it_says(name):
    estimators = [code for code in ADDED[name] if code.startswith("MLP(")]
    assert estimators
    MLP = functools.partial(ScratchMLPClassifier, max_iter=25, random_state=0)
    names = {"MLP": MLP, "ScoringMonitor": ScoringMonitor} | digits()
    names["GroupKFold"] = GroupKFold
    for code in estimators:
        clf = eval(code, names)
        if not hasattr(clf, "classes_"):
            clf.fit(names["X"], names["y"])
        assert clf.score(names["X_val"], names["y_val"]) > 0.5
    for attribute in set(ADDED[name]) - set(estimators):
        assert hasattr(clf, attribute)
        assert not hasattr(MLP(), attribute)


# Options and ways of training

COLUMNS = ["fit", "partial_fit", "warm_start", "lbfgs", "multilabel", "sparse"]
TOGETHER = [
    (option, column, cell)
    for option, *cells in rows_after(ESTIMATORS, "## Options and ways of training")
    for column, cell in zip(COLUMNS, cells, strict=True)
    if cell
]


def trained(column, option="", fit_option=""):
    """What training is like: parameters, losses and scores."""
    random = np.random.RandomState(0)
    X = random.standard_normal((60, 4)) * (random.uniform(size=(60, 4)) < 0.7)
    y = (X @ random.standard_normal((4, 3)) > 0.4).astype(int)
    y = y if column == "multilabel" else y[:, 0]
    X = sparse.csr_array(X) if column == "sparse" else X
    parameters = eval(f"dict({option})", {"KFold": KFold})
    fit_parameters = eval(f"dict({fit_option})", {"X": X, "y": y})
    if column == "lbfgs":
        parameters |= {"solver": "lbfgs"}
    estimator = ScratchMLPClassifier(
        (6, 5), max_iter=9, random_state=0, warm_start=column == "warm_start"
    )
    # At every epoch a plateau, which ends nothing.
    estimator.set_params(n_iter_no_change=20).set_params(**parameters)
    for _ in range(2 if column in ("partial_fit", "warm_start") else 1):
        if column == "partial_fit":
            estimator.partial_fit(X, y, classes=[0, 1], **fit_parameters)
        else:
            estimator.fit(X, y, **fit_parameters)
    curves = [estimator.loss_curve_, estimator.validation_scores_]
    return [estimator.network_.parameters.tolist(), *curves]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("option", "column", "said"), TOGETHER)
def test_options_go_together_as_the_table_says(option, column, said):
    parameters, _, fit_parameters = option.partition(", `fit(")
    parameters = parameters.strip("`")
    fit_parameters = fit_parameters.strip("`").removesuffix(")")
    if said == "refused":
        with pytest.raises((ValueError, TypeError, AttributeError)):
            trained(column, parameters, fit_parameters)
        return
    result = trained(column, parameters, fit_parameters)
    assert (result == trained(column)) == (said == "ignored")


def test_the_table_has_every_option():
    """Those that mean a choice among names, with each of them."""
    table = " ".join(option for option, *_ in TOGETHER)
    # A column of its own, and what is printed.
    elsewhere = {"warm_start", "verbose"}
    options = set(inspect.signature(ScratchMLPClassifier).parameters) - elsewhere
    assert {name for name in options if f"{name}=" not in table} == set()
    planned = set(SCHEDULES) - {"constant"}
    assert all(f'learning_rate="{name}"' in table for name in planned)
    assert {said for *_, said in TOGETHER} == {"works", "ignored", "refused"}
    assert len(TOGETHER) > 200
