"""The examples in the docstrings of tables run as they stand there."""

import doctest
import importlib
from pathlib import Path

import pytest

from skscratch import tabular

MODULES = [
    path.stem
    for path in sorted(Path(tabular.__file__).parent.glob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    module = importlib.import_module(f"skscratch.tabular.{name}")
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried > 0
