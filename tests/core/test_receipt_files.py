"""Files of rows as crashes, other hands and other programs leave them, and ledgers made from them."""

import json
import logging
import threading
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from melious import (
    BillingCost,
    EnvironmentImpact,
    ImpactLedger,
    InvalidArgumentError,
    MeliousClient,
    track_impact,
)
from melious.impact import Entry, compare
from melious.impact.rows import Row
from melious.sandbox import Fault, Sandbox

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ASK: dict[str, Any] = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello"}]}


def entry(model: str = "glm-4.7", **figures: Any) -> Entry:
    cost = BillingCost(credits="0.01", paid_with="credits")
    return Entry("chat", model, None, {"prompt_tokens": 10}, EnvironmentImpact(**figures), cost)


def rows(*hours: int) -> list[Row]:
    return [Row(NOON + timedelta(hours=hour), entry()) for hour in hours]


def written(file: Path, count: int) -> bytes:
    ledger = ImpactLedger(rows_file=file)
    for _ in range(count):
        ledger.record(entry(carbon_g_co2=0.5))
    return file.read_bytes()


@pytest.mark.parametrize("ending", ["mid", "after a brace", "first byte", "mid character"])
def test_a_row_that_was_cut_off_loses_no_other(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rows.jsonl"
    line = written(file, 1)
    tails = {
        "mid": line[:-20],
        "after a brace": line[: line.index(b"}") + 1],
        "first byte": line[:1],
        "mid character": b'{"time":"2026-11-01","endpoint":"chat","model":"mod\xc3',
    }
    file.write_bytes(line * 2 + tails[ending])
    with caplog.at_level(logging.WARNING, "melious"):
        assert ImpactLedger.from_rows(file).total.requests == 2
    assert "line 3 was skipped: it was cut off while it was written" in caplog.text


def test_a_job_that_resumes_after_a_crash_begins_a_new_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(written(file, 2)[:-20])
    written(file, 1)
    assert ImpactLedger.from_rows(file).total.requests == 2


def _record_in_threads(file: Path) -> None:
    ledger = ImpactLedger(rows_file=file)
    threads = [
        threading.Thread(target=lambda: [ledger.record(entry("m" * 300)) for _ in range(25)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_of_several_processes_add_whole_lines_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_record_in_threads, [file, file]))
    assert ImpactLedger.from_rows(file).total.requests == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": 5},
        {"endpoint": ["chat"]},
        {"model": None},
        {"usage": "many"},
        {"residency": "elsewhere"},
        {"answered": "no"},
        {"relaxed": 5},
        {"time": 5},
    ],
)
def test_a_value_of_another_type_names_the_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    file = tmp_path / "rows.jsonl"
    line = json.loads(written(file, 1))
    file.write_text(json.dumps(line) + "\n" + json.dumps(line | wrong) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 is not a row of a ledger"):
        ImpactLedger.from_rows(file)


def test_times_of_other_zones_and_of_none_are_read_as_utc(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    times = ("2026-11-01T14:00:00+02:00", "2026-11-01T13:00:00", "2026-11-01T11:00:00Z")
    values = [{"time": time, "endpoint": "chat", "model": "m"} for time in times]
    file.write_text("\n".join(map(json.dumps, values)), encoding="utf-8")
    ledger = ImpactLedger.from_rows(file)
    assert [row.time for row in ledger.rows] == [NOON + timedelta(hours=hour) for hour in (-1, 0, 1)]
    assert ledger.to_pandas(rows=True)["time"].is_monotonic_increasing


def test_a_ledger_from_rows_keeps_those_that_follow_in_the_order_of_their_times() -> None:
    ledger = ImpactLedger.from_rows(rows(3, 4))
    ledger.merge(ImpactLedger.from_rows(rows(1, 5)))
    ledger.record(entry())
    assert [row.time.hour for row in ledger.rows[:4]] == [13, 15, 16, 17]
    assert len(ledger.rows) == ledger.total.requests == 5


def test_what_else_a_server_says_of_a_cost_does_not_break_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Hello"}
    odd = {"carbon_g_co2": 1, "note": "\ud800", "more": {"\ud800": 1}}
    answer = {"choices": [{"message": message, "finish_reason": "stop"}], "environment_impact": odd}
    sandbox.faults.add(Fault(status=200, body=json.dumps(answer)))
    with (
        MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
        track_impact(keep_rows=1, rows_file=tmp_path / "rows.jsonl") as ledger,
    ):
        assert client.chat.create(**ASK).text == "Hello"
    ledger.save(tmp_path / "receipt.json")
    assert json.loads((tmp_path / "rows.jsonl").read_text("utf-8"))["environment_impact"] == {
        "carbon_g_co2": 1.0
    }


def test_the_dict_for_json_comes_back_as_it_was() -> None:
    ledger = ImpactLedger.from_rows([*rows(1), Row(NOON, Entry("chat", "glm-4.7"))])
    values = ledger.to_dict(json=True)
    assert json.loads(json.dumps(values, sort_keys=True)) == values
    compared = compare(ledger, ledger).to_dict(json=True)
    assert json.loads(json.dumps(compared)) == compared
    assert compared["eur"]["means"] == ["0.01", "0.01"]


def test_a_single_time_can_be_drawn(tmp_path: Path) -> None:
    drawn = ImpactLedger.from_rows(rows(1)).plot(over="time")
    drawn.savefig(tmp_path / "plot.png")
    left, right = drawn.axes[0].get_xlim()
    assert right > left


@pytest.mark.parametrize("path", [5, b"rows.jsonl", "", ["rows.jsonl"]])
def test_what_is_not_a_path_is_named(path: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="rows_file: must be a path"):
        ImpactLedger(rows_file=path)
    with pytest.raises(InvalidArgumentError, match="path: must be a path"):
        ImpactLedger().save(path)


@pytest.mark.parametrize("keep", [None, "", False, 0.0])
def test_keep_rows_has_no_other_words_for_none(keep: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="keep_rows: must be a whole number"):
        ImpactLedger(keep_rows=keep)


# --- side by side --------------------------------------------------------------------------------------


def test_a_mean_is_over_the_requests_that_reported_its_figure() -> None:
    mixed = ImpactLedger()
    mixed.record(entry(carbon_g_co2=1.0))
    in_energy = BillingCost(energy="3", credits="0", paid_with="energy")
    mixed.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(energy_kwh=2.0), cost=in_energy))
    again = ImpactLedger()
    again.merge(mixed)
    compared = compare(mixed, again, ("this", "that"))
    assert compared.means("carbon_g_co2") == (1.0, 1.0)
    assert compared.means("energy_kwh") == (2.0, 2.0)
    assert [str(mean) for mean in compared.means("eur")] == ["0.01", "0.01"]
    for what in ("energy", "carbon", "price in euro"):
        assert f"that: left out 1 request that reported no {what}." in compared.left_out
    (ax,) = mixed.plot(by="model", kind="carbon").axes
    assert "1 unreported" in " ".join(text.get_text() for text in ax.texts)


def test_names_cannot_write_markdown_in_a_comparison() -> None:
    text = compare(ImpactLedger(), ImpactLedger(), ("a|b\nc", "<b>")).to_markdown()
    assert text.startswith("| per request | a\\|b c | \\<b\\> | change |\n")


@pytest.mark.parametrize("names", ["ab", None, ("one",), ("one", 2), ("one", "")])
def test_names_are_two_texts(names: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="names"):
        compare(ImpactLedger(), ImpactLedger(), names)


def test_only_ledgers_are_compared() -> None:
    with pytest.raises(InvalidArgumentError, match="second: must be a ledger, not 5"):
        compare(ImpactLedger(), 5)  # type: ignore[arg-type]
