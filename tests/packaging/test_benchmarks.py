"""The benchmark suite runs from end to end and has a figure for everyone who is installed."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"MeliousClient", "langchain_melious", "llama_index_melious"}
TABLES = {
    "request, sync": {*OURS, "httpx", "httpx2", "openai"},
    "request, async": {*OURS, "MeliousClient, aiohttp", "httpx", "httpx2", "openai", "openai, aiohttp"},
    "request, async x64": {*OURS, "MeliousClient, aiohttp", "httpx", "httpx2", "openai", "openai, aiohttp"},
    "streamed chunk, sync": {*OURS, "httpx", "httpx2", "openai"},
    "streamed chunk, async": {*OURS, "MeliousClient, aiohttp", "httpx", "httpx2", "openai"},
    "embeddings": {*OURS, "httpx", "httpx2", "httpx2, floats", "openai", "openai, floats"},
    "import": {*OURS, "httpx", "httpx2", "httpx2 + pydantic", "openai"},
    "import, construction and first answer": {*OURS, "httpx", "httpx2", "httpx2 + pydantic", "openai"},
    "construction, the first of a process": {*OURS, "httpx", "httpx2", "openai"},
    "construction, after the first": {*OURS, "httpx", "httpx2", "openai"},
}


@pytest.mark.timeout(180)
def test_every_row_of_a_quick_run_has_a_figure(tmp_path: Path) -> None:
    written = tmp_path / "run.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(written)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(written.read_text())

    assert {title: set(table["figures"]) >= TABLES[title] for title, table in run["tables"].items()} == (
        dict.fromkeys(TABLES, True)
    )
    for title, table in run["tables"].items():
        for name, figure in table["figures"].items():
            assert math.isfinite(figure), (title, name)
            assert figure > 0, (title, name)
            assert f"{name}  " in done.stdout

    assert len(run["limits"]) == done.stdout.count("<=") + done.stdout.count(">=")
    assert all(limit["reached"] is not None for limit in run["limits"])
    peers = {"langchain-openai": "langchain_openai", "llama-index OpenAILike": "llama_index.llms.openai_like"}
    assert set(run["missing"]) == {name for name, module in peers.items() if not _is_installed(module)}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
