"""The workflow retrieves, reranks and answers; its events say what each step found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from examples.llama_workflow.__main__ import main, passages
from examples.llama_workflow.workflow import Answer, AnswerWithSources, Reranked, Retrieved
from melious import ModelNotFoundError, track_impact
from melious.sandbox import Fault, Reply, Sandbox


@pytest.mark.usefixtures("no_key")
def test_it_runs_without_a_key_and_saves_a_simulated_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing_from: Callable[[str, str], list[str]]
):
    main([])
    shown = capsys.readouterr().out
    assert missing_from(shown, "llama_workflow") == []
    assert "answers and figures are simulated" in shown
    assert "Reranked   Bille" in shown
    assert "A: The Elbe flows through Hamburg [3]; the Alster [2] and the Bille [1] join it there." in shown
    assert "Simulated: the figures of 4 requests were made up by the sandbox." in shown
    assert "made up by the sandbox" in (tmp_path / "receipt.html").read_text()


@pytest.mark.usefixtures("melious_key")
async def test_each_step_is_one_request_and_one_event(sandbox: Sandbox):
    index = passages()
    sandbox.reset()
    sandbox.replies.add(Reply(text="In the Alps [1]."))
    with track_impact() as ledger:
        run = AnswerWithSources(index, retrieve=5, keep=2, timeout=60).run(
            question="Where does the Isar rise?"
        )
        events = [event async for event in run.stream_events()]
        answer = await run
    assert [type(event) for event in events] == [Retrieved, Reranked, Answer]
    assert [len(event.nodes) for event in events[:2]] == [5, 2]
    assert events[1].nodes[0].metadata["title"] == "Isar"
    assert (answer.text, len(answer.sources)) == ("In the Alps [1].", 2)
    assert [request.endpoint for request in sandbox.requests] == ["embeddings", "rerank", "chat"]
    assert "[1] The Isar rises in the Alps" in sandbox.requests[-1].body["messages"][-1]["content"]
    assert ledger.total.requests == 3


@pytest.mark.usefixtures("melious_key")
async def test_an_error_of_a_step_ends_the_run(sandbox: Sandbox):
    index = passages()
    sandbox.faults.add(Fault(code="model_not_found", endpoint="rerank"))
    with pytest.raises(ModelNotFoundError):
        await AnswerWithSources(index, timeout=60).run(question="Where does the Isar rise?")
