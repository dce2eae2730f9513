"""What the live service answered, as recorded by `melious probe --cassette`: our readers read it right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import replaying

from melious.probe import cassette

_FOLDER = Path(__file__).parent / "cassettes"
CASSETTES = sorted(path.parent for path in _FOLDER.glob("*/cassette.json"))

pytestmark = pytest.mark.usefixtures("event_loop_closed")


@pytest.mark.skipif(not CASSETTES, reason="nobody has sent a cassette of the live service yet")
@pytest.mark.parametrize("folder", CASSETTES, ids=lambda folder: folder.name)
def test_what_the_service_answered_is_read_right(folder: Path) -> None:
    with replaying.server() as server:
        for exchange in cassette.read(folder):
            replaying.check(server, exchange)


@pytest.mark.skipif(not CASSETTES, reason="nobody has sent a cassette of the live service yet")
@pytest.mark.parametrize("folder", CASSETTES, ids=lambda folder: folder.name)
def test_a_cassette_holds_no_key(folder: Path) -> None:
    for path in folder.glob("*.json"):
        assert not re.search(r"(?<![A-Za-z0-9])sk-", path.read_text(encoding="utf-8"))
