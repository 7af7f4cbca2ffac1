"""The examples in the docstrings of the network run as they stand there."""

import doctest
import importlib

import pytest

MODULES = ["activations", "gradient_check", "layer", "loss", "stack"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    module = importlib.import_module(f"skscratch.nn.{name}")
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried > 0
