"""Ask the agent a question, and export the trace: `python -m examples.tracing [QUESTION]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from opentelemetry.sdk.trace.export import SpanExporter

from examples.service import asks, service
from examples.tracing.agent import make_agent
from examples.tracing.telemetry import exporter_of_the_environment, traced
from melious.sandbox import Reply, Sandbox

QUESTION = "How long does a parcel to Norway take?"


def script(sandbox: Sandbox) -> None:
    """Let the sandbox search, and answer from what is found."""
    search = Reply(tool_calls=[("search", {"query": "delivery time to Norway"})])
    answer = Reply(text="Five working days, because parcels to Norway pass the customs.")
    sandbox.replies.add(search, times=None, when=asks(QUESTION))
    sandbox.replies.add(answer, times=None, when=asks("Parcels to Norway take five working days"))


def ask(question: str, exporter: SpanExporter) -> str:
    """The agent's answer; the spans go to the exporter."""
    with traced(exporter) as provider:
        agent = make_agent()
        with provider.get_tracer("examples").start_as_current_span("question"):
            state = agent.invoke({"messages": [("user", question)]})
    return str(state["messages"][-1].text)


def main(arguments: Sequence[str]) -> None:
    """Ask the question of the command line, or one that is prepared."""
    question = " ".join(arguments) or QUESTION
    with service(script):
        print(f"Q: {question}\n")
        answer = ask(question, exporter_of_the_environment())
        print(f"\nA: {answer}")


if __name__ == "__main__":
    main(sys.argv[1:])
