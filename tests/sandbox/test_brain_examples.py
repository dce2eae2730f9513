"""The examples in the docstrings of the catalogue and the brain are true."""

import doctest
import importlib
import pkgutil

import pytest

from melious_sandbox import brain

MODULES = [
    "melious.catalogue",
    *(f"{brain.__name__}.{found.name}" for found in pkgutil.iter_modules(brain.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    examples = [
        test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples
    ]
    assert len(examples) > 8
