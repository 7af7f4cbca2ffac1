"""The README is true: its programs run, its commands and its table of files hold."""

import contextlib
import functools
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import skscratch
from skscratch import (
    SCHEDULES,
    ScratchMLPClassifier,
    make_tabular_classifier,
    make_tabular_regressor,
)

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = Path(skscratch.__file__).parent


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    """What the README's programs leave behind, run one after the other."""
    names = {}
    with contextlib.chdir(tmp_path_factory.mktemp("readme")):
        for program in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
            exec(program, names)
    return names


def test_the_articles_program_learns_xor(namespace):
    assert namespace["costs"][-1] < 0.1 < namespace["costs"][0]


def test_the_search_finds_a_model_that_reads_digits(namespace):
    search = namespace["search"]
    assert search.score(namespace["X_test"], namespace["y_test"]) > 0.94


def test_a_model_of_someone_else_is_loaded_without_trusting_more(namespace):
    assert namespace["types"] == namespace["ours"] != []
    loaded, saved = namespace["loaded"], namespace["search"].best_estimator_
    X = namespace["X_test"]
    np.testing.assert_array_equal(loaded.predict_proba(X), saved.predict_proba(X))


@pytest.mark.parametrize(
    "command",
    ["pip install . && python -m skscratch", "pip install '.[test]' && pytest"],
)
def test_both_commands_stand_in_a_block_of_their_own(command):
    assert f"```bash\n{command}\n```" in README


def test_the_table_of_files_is_the_package():
    listed = re.findall(r"^\| `skscratch/(.*?)/?` \|", README, re.MULTILINE)
    public = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(listed) == public | {"plotting.py"}
    assert len(listed) == len(set(listed))


def test_the_table_of_the_recipe_is_the_recipe():
    makers = (make_tabular_classifier(), make_tabular_regressor())
    networks = (makers[0]["network"], makers[1]["network"].regressor)
    defaults = [type(network)() for network in networks]
    rows = rows_after("`make_tabular_regressor` replaces:")
    listed = {name.strip("`"): cells for name, *cells in rows}
    for number, (network, default) in enumerate(zip(networks, defaults, strict=True)):
        said = {name: cells[number].strip("`") for name, cells in listed.items()}
        changed = {
            name: repr(value)
            for name, value in network.get_params().items()
            if value != getattr(default, name)
        }
        assert {name: value for name, value in said.items() if value} == changed


def test_the_changelog_tells_of_this_version():
    assert f"### {skscratch.__version__}\n" in README


def test_what_holds_a_promise_is_a_test():
    promises = rows_after("## What is promised")
    assert len(promises) > 5
    for _, tests in promises:
        for name in re.findall(r"`(.*?)`", tests):
            assert (ROOT / "tests" / name).exists()


def rows_after(heading):
    """Cells of each row of the first table after some words of the README."""
    table = README.partition(heading)[2].partition("|---")[2].partition("\n\n")[0]
    lines = table.splitlines()[1:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


ADDED = {row[0]: row[-1] for row in rows_after("## What `MLPClassifier` has")}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_works_as_it_says(name, namespace):
    first, second = (line.strip("`") for line in ADDED[name].split("<br>"))
    names = {
        "MLP": functools.partial(ScratchMLPClassifier, max_iter=25, random_state=0),
        "X": namespace["X_train"] / 16,
        "y": namespace["y_train"],
        "X_val": namespace["X_test"] / 16,
        "y_val": namespace["y_test"],
    }
    exec(f"{first}\n{second}", names)
    assert names["clf"].score(names["X_val"], names["y_val"]) > 0.5


# What goes with what

COLUMNS = ["fit", "partial_fit", "warm_start", "lbfgs", "multilabel", "sparse"]
TOGETHER = [
    (option, column, cell)
    for option, *cells in rows_after("What goes with what")
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
    parameters = eval(f"dict({option})")
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
        with pytest.raises((ValueError, TypeError)):
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
