"""The judges: what others wrote, run against the product. They are marked, and a table says what held."""

from pathlib import Path

import pytest

from .table import Table


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker("judges")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--judges"):
        config.pluginmanager.register(Table(Path(__file__).parent), "table of the judges")
