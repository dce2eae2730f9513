"""The test that the sandbox's page shows passes, in a run of pytest of its own."""

import re
from pathlib import Path

import pytest
from pytest_examples import find_examples

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "sandbox.md"
NAME = re.compile(r"# (\w+)\.py\n")


def test_the_test_of_the_page_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    blocks = [example.source for example in find_examples(str(PAGE)) if example.prefix == "python"]
    files = {found[1]: block for block in blocks if (found := NAME.match(block))}
    assert set(files) == {"conftest", "test_weather"}
    pytester.makepyfile(**files)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer than the run
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)
