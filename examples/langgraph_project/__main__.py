"""Run the graph on two questions, or serve it: `python -m examples.langgraph_project [--dev …]`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from examples.langgraph_project.graph import Place, make_graph
from examples.service import asks, service
from melious import track_impact
from melious.impact.units import euro
from melious.sandbox import RecordedRequest, Reply, Sandbox

EASY = "What is the capital of Norway?"
HARD = "Plan three days by train from Hamburg to Oslo, and say what could go wrong."
ANSWERS = {
    EASY: ("quick", "Oslo."),
    HARD: (
        "thorough",
        "Day 1: Hamburg to Copenhagen, about five hours. Day 2: Copenhagen to Gothenburg over the bridge. "
        "Day 3: Gothenburg to Oslo, under four hours. The likeliest trouble: a missed connection.",
    ),
}


def script(sandbox: Sandbox) -> None:
    """Let the sandbox decide and answer as models would."""
    for question, (effort, answer) in ANSWERS.items():
        sandbox.replies.add(Reply(text=f'{{"effort": "{effort}"}}'), times=None, when=decides_on(question))
        sandbox.replies.add(Reply(text=answer), times=None, when=asks(question))


def decides_on(question: str) -> Callable[[RecordedRequest], bool]:
    """Whether a request asks how much effort a question takes."""
    asked = asks(question)
    return lambda request: "response_format" in request.body and asked(request)


async def run(question: str) -> None:
    """Print the steps that a question takes, the answer, and what they cost."""
    print(f"Q: {question}")
    inputs: Any = {"messages": [("user", question)]}
    with track_impact() as ledger:
        async for update in make_graph().astream(inputs, context=Place(["DE", "FI", "FR", "SE"])):
            for node, change in update.items():
                print(f"  {node}: {change.get('effort') or change['messages'][-1].text}")
    total = ledger.total
    simulated = ", simulated" if total.simulated else ""
    print(f"  [{total.requests} requests, {euro(total.eur)}{simulated}]\n")


def serve(options: Sequence[str]) -> None:
    """Serve the graph with `langgraph dev` until Ctrl-C."""
    from langgraph_cli.cli import cli as langgraph  # noqa: PLC0415 - only needed here

    with chdir(Path(__file__).parent):
        langgraph(["dev", "--no-browser", *options], standalone_mode=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both questions, or serve."""
    parser = argparse.ArgumentParser(prog="python -m examples.langgraph_project", description=__doc__)
    parser.add_argument(
        "--dev", action="store_true", help="serve with `langgraph dev`, and its other options"
    )
    found, options = parser.parse_known_args(arguments)
    if options and not found.dev:
        parser.error(f"unknown argument {options[0]}")
    with service(script):
        if found.dev:
            serve(options)
            return
        for question in ANSWERS:
            asyncio.run(run(question))


if __name__ == "__main__":
    main()
