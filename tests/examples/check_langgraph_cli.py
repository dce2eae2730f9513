"""`langgraph dev` takes the project, and answers a question. It takes the server of LangGraph."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from langgraph_cli.config import validate_config_file

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "examples" / "langgraph_project"


@pytest.fixture
def served() -> Iterator[str]:
    """The address of `langgraph dev`, which runs on a sandbox of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "examples.langgraph_project",
        "--dev",
        "--no-reload",
        "--port",
        str(port),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MELIOUS_")}
    environment["LANGGRAPH_CLI_NO_ANALYTICS"] = "1"
    with subprocess.Popen(command, cwd=ROOT, env=environment) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def test_the_project_is_valid():
    assert validate_config_file(PROJECT / "langgraph.json")["graphs"] == {"effort": "./graph.py:make_graph"}


def test_it_serves_the_graph(served: str):
    with httpx.Client(base_url=served, timeout=60) as client:
        while True:  # the time-out of the test ends it
            try:
                client.get("/ok").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        body = {
            "assistant_id": "effort",
            "input": {"messages": [{"role": "user", "content": "What is the capital of Norway?"}]},
            "context": {"countries": ["SE"]},
        }
        state = client.post("/runs/wait", json=body).raise_for_status().json()
    answer = state["messages"][-1]
    assert (state["effort"], answer["content"]) == ("quick", "Oslo.")
    assert answer["response_metadata"]["environment_impact"]["location"] == "SE"
    assert answer["response_metadata"]["billing_cost"]["simulated"] is True
