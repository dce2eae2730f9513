"""A sandbox for each page, since a page may leave clients, and their connections, behind."""

from collections.abc import Iterator

import pytest

from melious.sandbox import Sandbox


@pytest.fixture
def melious_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
