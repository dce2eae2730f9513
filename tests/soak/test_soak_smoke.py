"""The soak itself works: a few hundred calls, both ends agree, and a loss would be seen."""

import math

import pytest

from .ledger import Ledger
from .run import soak


@pytest.mark.parametrize("transport", ["httpx", pytest.param("aiohttp", marks=pytest.mark.exhaustive)])
async def test_a_short_soak_is_sound(transport: str) -> None:
    shown, sound = await soak(transport=transport, seconds=math.inf, tasks=8, threads=4, calls=400)
    assert sound, f"\n{shown}"


def test_what_the_ledger_counts() -> None:
    ledger = Ledger(max_retries=1)
    ledger.settle("never sent", "ok", 1)
    assert ledger.counts["lost"] == 1
    for _ in range(3):
        record = ledger.request("too often")
        record.begun = True
    record.delivered = True
    ledger.settle("too often", "ok", 2)
    assert ledger.counts["stream sent again after its first chunk"] == 2
    assert ledger.counts["more than 1 + max_retries"] == 1
    assert ledger.counts["more than the caller was told"] == 1
    ledger.request("too often")
    assert ledger.counts["after the end of the call"] == 1
    ledger.request("twice").delivered = True
    ledger.request("twice")
    assert ledger.counts["sent again after delivery"] == 1
