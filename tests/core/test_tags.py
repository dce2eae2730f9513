"""Tags of requests: from `track_impact` blocks into sums, rows, files and tables."""

import asyncio
import contextvars
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from melious import AsyncMeliousClient, ImpactLedger, InvalidArgumentError, MeliousClient, track_impact
from melious.impact import Entry
from melious.impact.sums import MAX_CELLS, MAX_LABELS
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, EMBEDDINGS, QUESTION, RERANK, Clients


def _ask(clients: Clients, client: Any) -> None:
    clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])


def _requests(ledger: ImpactLedger, name: str) -> dict[str | None, int]:
    return {value: sums.requests for value, sums in ledger.by_tag(name).items()}


def test_inner_blocks_add_to_the_tags_of_outer_ones_and_may_replace_them(
    clients: Clients, client: Any
) -> None:
    with track_impact(tags={"project": "website", "team": "north"}, keep_rows=9) as outer:
        _ask(clients, client)
        with track_impact(tags={"project": "search", "stage": "test"}) as inner:
            _ask(clients, client)
            with track_impact() as innermost:
                _ask(clients, client)
        _ask(clients, client)
    _ask(clients, client)
    assert _requests(outer, "project") == {"website": 2, "search": 2}
    assert _requests(outer, "stage") == {None: 2, "test": 2}
    assert _requests(inner, "team") == _requests(innermost, "team") | {"north": 2} == {"north": 2}
    assert outer.tag_names == ("project", "stage", "team")
    assert [dict(row.entry.tags) for row in outer.rows][:2] == [
        {"project": "website", "team": "north"},
        {"project": "search", "stage": "test", "team": "north"},
    ]


def test_every_endpoint_stream_and_failure_has_the_tags(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    with track_impact(tags={"project": "website"}) as ledger:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        clients.stream(client, model=CHAT, messages=QUESTION)
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input=["a", "b", "c"], batch_size=1)
        sandbox.faults.add(Fault(status=400))
        with pytest.raises(Exception, match="400"):
            clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    (sums,) = ledger.by_tag("project").values()
    assert (sums.requests, sums.failed) == (5, 1)


def test_a_stream_has_the_tags_of_the_block_it_was_asked_for_in(sandbox: Sandbox) -> None:
    async def run() -> ImpactLedger:
        async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
            with track_impact(tags={"project": "website"}) as ledger:
                stream = client.chat.stream(model=CHAT, messages=QUESTION)
            async for _ in stream:
                pass
        return ledger

    assert _requests(asyncio.run(run()), "project") == {"website": 1}


def test_threads_that_copy_the_context_have_its_tags(sandbox: Sandbox) -> None:
    with (
        MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client,
        ThreadPoolExecutor(2) as pool,
        track_impact() as ledger,
    ):
        with track_impact(tags={"project": "website"}):
            inside = [pool.submit(contextvars.copy_context().run, client.models.list) for _ in range(3)]
        outside = pool.submit(contextvars.copy_context().run, client.models.list)
        for call in [*inside, outside]:
            call.result()
    assert _requests(ledger, "project") == {"website": 3, None: 1}


def test_tags_are_in_the_rows_file_and_in_tables_of_rows(
    clients: Clients, client: Any, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    with track_impact(rows_file=file, keep_rows=9, tags={"project": "website"}) as ledger:
        _ask(clients, client)
        with track_impact(tags={"stage": "=test"}):
            _ask(clients, client)
    again = ImpactLedger.from_rows(file)
    assert again.rows == ledger.rows
    assert again.by_tag("project") == ledger.by_tag("project")
    head, first, second = ledger.to_csv(rows=True).splitlines()
    assert head.split(",")[-2:] == ["tag_project", "tag_stage"]
    assert first.split(",")[-2:] == ["website", ""]
    assert second.split(",")[-2:] == ["website", "'=test"]
    frame = ledger.to_pandas(rows=True)
    assert list(frame["tag_project"]) == ["website"] * 2
    assert "by_tag" in ledger.to_dict(json=True)
    assert ledger.to_dict()["by_tag"]["stage"].keys() == {None, "=test"}


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (["project"], "tags: must be a mapping, not ['project']"),
        ({"project": 7}, "tags['project']: must be non-empty text, not 7"),
        ({"project": " "}, "tags['project']: must be non-empty text, not ' '"),
        ({7: "x"}, "tags: a name: must be non-empty text, not 7"),
        ({"project": "x" * 201}, "tags['project']: name and value must not be longer than 200 characters"),
    ],
)
def test_wrong_tags_are_refused_before_the_block_begins(tags: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    with pytest.raises(InvalidArgumentError, match=re.escape(said)), track_impact(rows_file=file, tags=tags):
        pass
    assert not file.exists()


def test_tags_without_end_are_bounded_and_no_request_is_lost() -> None:
    ledger = ImpactLedger()
    many = 3 * MAX_CELLS
    for number in range(many):
        ledger.record(Entry("chat", f"m{number % 200}", tags=(("user", f"u{number}"),)))
    by_user = ledger.by_tag("user")
    assert len(by_user) <= MAX_LABELS + 1
    assert sum(sums.requests for sums in by_user.values()) == many == ledger.total.requests
    assert by_user["other"].requests > many / 2
    assert ledger.tag_names == ("user",)
    for number in range(1000):
        ledger.record(Entry("chat", "m", tags=((f"name-{number}", "x"),)))
    assert len(ledger.tag_names) <= MAX_LABELS
    assert ledger.total.requests == many + 1000


def test_nobody_looks_for_tags_without_a_ledger(
    clients: Clients, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from melious.impact import tags

    looked: list[int] = []

    def find() -> tuple[tuple[str, str], ...]:
        looked.append(1)
        return (("project", "found"),)

    monkeypatch.setattr(tags, "sources", (find,))
    _ask(clients, client)
    assert looked == []
    with track_impact() as ledger:
        _ask(clients, client)
    assert (looked, _requests(ledger, "project")) == ([1], {"found": 1})


def test_merged_ledgers_keep_their_tags() -> None:
    one, other = ImpactLedger(), ImpactLedger()
    one.record(Entry("chat", "m", tags=(("project", "a"),)))
    other.record(Entry("chat", "m", tags=(("project", "b"),)))
    one.merge(other)
    assert _requests(one, "project") == {"a": 1, "b": 1}
    assert [sums.requests for _, sums in one.cells()] == [2], "a row for each combination of the dimensions"
