"""The README is true: its programs run, its commands and its table of files hold."""

import re
from pathlib import Path

import pytest

import skscratch

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = Path(skscratch.__file__).parent


@pytest.fixture(scope="module")
def namespace():
    """What the README's programs leave behind, run one after the other."""
    names = {}
    for program in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(program, names)
    return names


def test_the_articles_program_learns_xor(namespace):
    assert namespace["costs"][-1] < 0.1 < namespace["costs"][0]


def test_the_search_finds_a_model_that_reads_digits(namespace):
    search = namespace["search"]
    assert search.score(namespace["X_test"], namespace["y_test"]) > 0.94


@pytest.mark.parametrize(
    "command",
    ["pip install . && python -m skscratch", "pip install '.[test]' && pytest"],
)
def test_both_commands_stand_in_a_block_of_their_own(command):
    assert f"```bash\n{command}\n```" in README


def test_the_table_of_files_is_the_package():
    listed = re.findall(r"^\| `(\w+\.py)` \|", README, re.MULTILINE)
    public = {path.name for path in PACKAGE.glob("*.py")}
    assert set(listed) | {"__init__.py", "_sklearn.py"} == public
    assert len(listed) == len(set(listed))


def test_files_import_only_from_those_above_them_in_the_table():
    listed = re.findall(r"^\| `(\w+)\.py` \|", README, re.MULTILINE)
    for number, name in enumerate(listed):
        text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        imported = set(re.findall(r"^from skscratch\.(\w+) import", text, re.MULTILINE))
        assert imported - {"_sklearn"} <= set(listed[:number]), name


def test_the_changelog_tells_of_this_version():
    assert f"### {skscratch.__version__}\n" in README
