"""The graph is loaded as `langgraph.json` says, and spends effort where a question takes it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.langgraph_project.__main__ import main
from melious.sandbox import Reply, Sandbox

PROJECT = Path(__file__).parents[2] / "examples" / "langgraph_project"


@pytest.fixture
def graph(melious_key: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The graph, loaded from its file as `langgraph dev` loads it."""
    path, _, name = json.loads((PROJECT / "langgraph.json").read_text())["graphs"]["effort"].partition(":")
    spec = importlib.util.spec_from_file_location("served_graph", PROJECT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "served_graph", module)
    spec.loader.exec_module(module)
    return getattr(module, name)()


@pytest.mark.usefixtures("no_key")
def test_it_runs_without_a_key_and_says_that_figures_are_simulated(
    capsys: pytest.CaptureFixture[str], missing_from: Callable[[str, str], list[str]]
):
    main([])
    shown = capsys.readouterr().out
    assert missing_from(shown, "langgraph_project") == []
    assert "answers and figures are simulated" in shown
    assert "  triage: quick\n  quick: Oslo.\n  [2 requests, " in shown
    assert "  triage: thorough\n  thorough: Day 1: Hamburg to Copenhagen" in shown
    assert shown.count(" µ€, simulated]") == 2


@pytest.mark.parametrize(
    ("effort", "model"), [("quick", "mistral-small-3.2-24b-instruct:eco"), ("thorough", "glm-4.7")]
)
async def test_the_effort_decides_which_model_answers(graph: Any, sandbox: Sandbox, effort: str, model: str):
    sandbox.replies.add(Reply(text=f'{{"effort": "{effort}"}}'), Reply(text="An answer."))
    state = await graph.ainvoke({"messages": [("user", "A question?")]})
    assert (state["effort"], state["messages"][-1].text) == (effort, "An answer.")
    assert [request.body["model"] for request in sandbox.requests] == [
        "mistral-small-3.2-24b-instruct:eco",
        model,
    ]


async def test_the_context_keeps_every_request_in_its_countries(graph: Any, sandbox: Sandbox):
    await graph.ainvoke({"messages": [("user", "A question?")]}, context={"countries": ["SE"]})
    assert [request.body["filters"] for request in sandbox.requests] == [{"countries": ["SE"]}] * 2


async def test_messages_that_are_streamed_have_their_cost(graph: Any, sandbox: Sandbox):
    sandbox.replies.add(Reply(text='{"effort": "quick"}'), Reply(text="Two words."))
    told = [
        message
        async for message, metadata in graph.astream(
            {"messages": [("user", "A question?")]}, stream_mode="messages"
        )
        if metadata["langgraph_node"] == "quick"
    ]
    assert "".join(message.text for message in told) == "Two words."
    assert any("billing_cost" in message.response_metadata for message in told)
