"""A graph that spends effort where it pays: a small model decides, and answers easy questions itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, Field

from langchain_melious import ChatMelious

TRIAGE = "How much effort does an answer to the last message take? Do not answer it."


class Triage(BaseModel):
    """What the small model decides."""

    effort: Literal["quick", "thorough"] = Field(
        description="quick: a fact or small talk. thorough: reasoning, planning, code, or several steps."
    )


@dataclass
class Place:
    """The context of a run: what its caller chooses.

    Attributes:
        countries: Where requests may run, as ISO 3166 alpha-2 codes; empty for anywhere.
    """

    countries: list[str] = field(default_factory=list)


def kept(runtime: Runtime[Place]) -> dict[str, Any]:
    """The arguments of a call that keep it where its caller wants it."""
    place: Place | None = runtime.context  # None if the caller chooses nothing
    return {"filters": {"countries": place.countries}} if place and place.countries else {}


class State(MessagesState):
    """The conversation, and how much effort its last message takes."""

    effort: Literal["quick", "thorough"]


def make_graph() -> CompiledStateGraph[State, Place, State, State]:
    """Make the graph; `langgraph.json` names this function."""
    # LangGraph streams what models say. Whole answers report what they cost, and streams do not.
    small = ChatMelious(model="mistral-small-3.2-24b-instruct", flavor="eco", stream_impact="buffer")
    large = ChatMelious(model="glm-4.7", preset="quality", stream_impact="buffer")

    decide = small.with_structured_output(Triage)

    async def triage(state: State, runtime: Runtime[Place]) -> dict[str, Any]:
        decision = await decide.ainvoke([("system", TRIAGE), *state["messages"]], **kept(runtime))
        return {"effort": decision.effort}

    async def quick(state: State, runtime: Runtime[Place]) -> dict[str, Any]:
        return {"messages": [await small.ainvoke(state["messages"], **kept(runtime))]}

    async def thorough(state: State, runtime: Runtime[Place]) -> dict[str, Any]:
        return {"messages": [await large.ainvoke(state["messages"], **kept(runtime))]}

    def by_effort(state: State) -> Literal["quick", "thorough"]:
        return state["effort"]

    graph = StateGraph(State, Place)
    graph.add_node(triage)
    graph.add_node(quick)
    graph.add_node(thorough)
    graph.add_edge(START, "triage")
    graph.add_conditional_edges("triage", by_effort)
    graph.add_edge("quick", END)
    graph.add_edge("thorough", END)
    return graph.compile(name="effort")
