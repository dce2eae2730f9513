"""The measurement of growth: a quick run from end to end, how curves are judged, and the page made of them."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import Lab
from benchmarks.growth.tables import text

ROOT = Path(__file__).parents[2]
OURS = {"MeliousClient", "langchain_melious", "llama_index_melious"}
FAKES = {"langchain-core, fake model", "llama-index-core, fake model"}
AIOHTTP = "MeliousClient, aiohttp"
EMBEDDER = "melious.scale.Embedder"
PANELS: dict[str, dict[str, set[str]]] = {
    "chunks": {
        "chunks in a stream": {*OURS, *FAKES, "httpx2"},
        "chunks in an async stream": {*OURS, *FAKES, AIOHTTP},
        "tool arguments, streamed": {*OURS, *FAKES},
        "tool arguments, whole": OURS,
        "tool calls in one event": {*OURS, *FAKES},
        "tool calls in a whole answer": OURS,
    },
    "history": {
        "messages in the history": OURS,
        "tool calls and results in the history": OURS,
        "ledgers active": OURS,
        "callbacks active": {
            "langchain_melious",
            "langchain_melious, bare callbacks",
            "llama_index_melious",
            "llama_index_melious, bare handlers",
        },
    },
    "crowds": {
        "a request beside open connections": {*OURS, "httpx2"},
        "an async request beside open connections": {*OURS, AIOHTTP, "httpx2"},
        "streams at once": {*OURS, AIOHTTP, "httpx2"},
        "streams at once, until the first chunk": {*OURS, AIOHTTP, "httpx2"},
        "streams at once, until the first chunk, by the clock": {*OURS, AIOHTTP, "httpx2"},
        "threads": {*OURS, "httpx2"},
    },
    "documents": {
        "texts to embed": {*OURS, EMBEDDER},
        "memory of texts and their vectors": {"MeliousClient"},
        "memory of a stream of batches": {EMBEDDER},
        "documents to rerank": OURS,
    },
}


def run(module: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sections_of(path: Path) -> dict[str, str]:
    parts = path.read_text(encoding="utf-8").split("<!-- ")
    return {part.partition(":")[0]: part for part in parts if "benchmarks.page" in part}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(
    "parts", [["chunks"], pytest.param([*PANELS], marks=pytest.mark.exhaustive)], ids=["one part", "all"]
)
def test_a_quick_run_has_every_curve_and_the_page_shows_it(parts: list[str], tmp_path: Path) -> None:
    figures, plot = tmp_path / "growth.json", tmp_path / "growth.svg"
    only = [] if parts == [*PANELS] else ["--only", *parts]
    printed = run("benchmarks.growth", "--quick", *only, "--json", figures, "--plot", plot)

    panels = {panel["title"]: panel for panel in json.loads(figures.read_text())["panels"]}
    expected = {title: curves for part in parts for title, curves in PANELS[part].items()}
    assert {title: set(panel["curves"]) for title, panel in panels.items()} == expected
    for title, panel in panels.items():
        assert title in printed
        assert title in plot.read_text()
        for name, curve in panel["curves"].items():
            assert len(curve["points"]) == 3, (title, name)
            assert all(math.isfinite(cost) and cost >= 0 for _, cost in curve["points"]), (title, name)

    shown = tmp_path / "docs" / "comparison.md"
    shown.parent.mkdir()
    shown.write_bytes(page.PAGE.read_bytes())
    run("benchmarks.page", figures, "--page", shown)
    before, after = sections_of(page.PAGE), sections_of(shown)
    rows = [line for line in after.pop("growth").splitlines() if line.startswith("| ")]
    assert {tuple(row.split(" | ")[:2]) for row in rows[2:]} == {
        (f"| {title}", name) for title, panel in panels.items() for name in panel["curves"]
    }
    assert (shown.parent / "images" / "growth.svg").read_text() == plot.read_text()
    before.pop("growth")
    assert after == before  # of a run without these figures, the page keeps what it had


def test_a_run_beside_peers_becomes_tables_of_the_page(tmp_path: Path) -> None:
    figures = {"httpx2": 341.2, "langchain-core, bare POST": 437.0, "langchain_melious": 498.6}
    measured = {
        "date": "2026-11-30",
        "machine": "a machine",
        "versions": "melious 0.1.0, langchain-mistralai -",
        "library": "httpx2",
        "tables": {
            "LangChain, invoke": {"unit": "us", "figures": figures},
            "LangChain, aembed_documents": {"unit": "ms", "figures": {"langchain_melious": 98.25}},
            "LangChain, nobody's": {"unit": "ms", "figures": {"httpx2": 3.0}},
        },
    }
    on_httpx = measured | {"library": "httpx"}
    found = page.sections([measured, on_httpx], tmp_path / "growth.svg")
    assert found == dict.fromkeys(
        ("langchain", "langchain on httpx"),
        "Measured on 2026-11-30: a machine. With melious 0.1.0.\n\n"
        "| CPU time | httpx2 | langchain-core, bare POST | langchain_melious |\n"
        "| --- | --- | --- | --- |\n"
        "| LangChain, invoke, µs | 341 | 437 | **499** |\n"
        "| LangChain, aembed_documents, ms |  |  | **98.2** |",
    )
    shown = page.written(page.PAGE.read_text(encoding="utf-8"), found)
    assert found["langchain"] in shown
    assert page.written(shown, found) == shown
    with pytest.raises(ValueError, match="no section 'core'"):
        page.written("An empty page.", {"core": "| a |"})


# --- how curves are judged ------------------------------------------------------------------------------


def grown(cost: Callable[[int], float], **options: Any) -> Panel:
    panel = Panel("work", "piece", **options)
    for size in (10, 100, 1000, 10_000):
        panel.note("ours", size, cost(size))
    return panel


@pytest.mark.parametrize(
    ("cost", "law", "verdict"),
    [
        (lambda n: 500 + 20 * n, "linear", "linear"),
        (lambda n: 500 + 20 * n + 0.0001 * n**2, "linear", "linear"),
        (lambda n: 500 + 20 * n + 0.01 * n**2, "linear", "GROWS"),
        (lambda n: 500 + n * math.log(n), "linear", "GROWS"),
        (lambda _: 500, "flat", "flat"),
        (lambda n: 500 + 0.01 * n, "flat", "flat"),
        (lambda n: 500 + n, "flat", "GROWS"),
    ],
)
def test_a_curve_is_judged_by_what_further_pieces_cost(
    cost: Callable[[int], float], law: Any, verdict: str
) -> None:
    panel = grown(cost, law=law)
    assert panel.verdict("ours") == verdict
    assert panel.holds("ours") is (verdict != "GROWS")
    assert panel.as_json()["curves"]["ours"]["verdict"] == verdict
    assert verdict in text(panel).splitlines()[-1]


def test_a_curve_may_grow_as_much_as_the_framework_under_it() -> None:
    panel = grown(lambda n: 20 * n + 0.01 * n**2, floors={"ours": "theirs"})
    assert panel.verdict("ours") == "GROWS"
    for size in panel.sizes:
        panel.note("theirs", size, 10 * size + 0.005 * size**2)
    assert panel.verdict("ours") == "as theirs"
    assert panel.holds("theirs") is None

    faster = grown(lambda n: 20 * n + 0.1 * n**2, floors={"ours": "theirs"})
    for size in faster.sizes:
        faster.note("theirs", size, 10 * size + 0.001 * size**2)
    assert faster.verdict("ours") == "GROWS"


def test_of_several_blocks_the_best_counts_and_noise_is_not_judged() -> None:
    panel = grown(lambda n: 20 * n)
    panel.note("ours", 10, 1e9)
    assert panel.curves["ours"][10] == 200
    backwards = grown(lambda n: -20 * n)
    assert (backwards.growth("ours"), backwards.verdict("ours")) == (None, "-")


def test_sizes_that_need_more_open_files_are_left_out() -> None:
    panel = Panel("connections", "connection")
    lab = Lab("http://127.0.0.1:1", None, files=1024, quick=False)  # type: ignore[arg-type]
    assert lab.with_files(panel, 10, 300, 1000, each=2) == (10, 300)
    assert panel.left_out == "1000: only 1024 open files (ulimit -Hn)"
    assert panel.left_out in text(grown(lambda n: n, left_out=panel.left_out))
