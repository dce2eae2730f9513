"""Requests that carry a long conversation, and requests with many who take down what they cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import contenders as names
from benchmarks.contenders import KEY
from benchmarks.core.requests import MESSAGES
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import Lab
from benchmarks.langchain import models as langchain
from benchmarks.llama_index import models as llama
from benchmarks.measure import SyncContender
from benchmarks.server import ANSWER, FIELD, MODEL, QUESTION, TOOL

_ARGUMENTS = {FIELD: "locks"}
_QUESTION = QUESTION[:100]
_RESULT = "Four locks."
_TURN = 4
"""Messages of a turn: a question, a tool call, what came of it, an answer."""


def measure(lab: Lab) -> Iterator[Panel]:
    """Messages, and then ledgers and callbacks."""
    panel = Panel("messages in the history", "message")
    sizes = tuple(_TURN * turns for turns in lab.sizes(5, 15, 50, 150, 500))
    yield lab.grow(panel, sizes, lambda size: _conversations(size // _TURN), "text", lambda _: ANSWER)

    panel = Panel("tool calls and results in the history", "call")
    sizes = lab.sizes(10, 100, 1000, 4000, 16_000)
    yield lab.grow(panel, sizes, lambda size: _conversations(1, size), "text", lambda _: ANSWER)

    sizes = lab.sizes(1, 16, 32, 64, 128)
    panel = Panel("ledgers active", "ledger")
    yield lab.grow(panel, sizes, _ledgers, "text", lambda _: ANSWER)
    panel = Panel("callbacks active", "callback", references=(BARE_LANGCHAIN, BARE_LLAMA))
    yield lab.grow(panel, sizes, _callbacks, "text", lambda _: ANSWER)


# --- the history ----------------------------------------------------------------------------------------


def _conversations(turns: int, calls: int = 1) -> dict[str, SyncContender]:
    """A question after so many turns, each with so many tool calls."""
    ids = [[f"call_{turn}_{number}" for number in range(calls)] for turn in range(turns)]
    return {
        names.CORE: _core(_on_the_wire(ids)),
        names.LANGCHAIN_MELIOUS: _langchain(ids),
        names.LLAMA_MELIOUS: _llama(ids),
    }


def _on_the_wire(turns: list[list[str]]) -> list[dict[str, Any]]:
    function = {"name": TOOL, "arguments": json.dumps(_ARGUMENTS)}
    messages: list[dict[str, Any]] = []
    for ids in turns:
        calls = [{"id": one, "type": "function", "function": function} for one in ids]
        messages += [
            {"role": "user", "content": _QUESTION},
            {"role": "assistant", "content": None, "tool_calls": calls},
            *({"role": "tool", "tool_call_id": one, "content": _RESULT} for one in ids),
            {"role": "assistant", "content": ANSWER},
        ]
    return messages[:-1]


def _core(messages: list[dict[str, Any]]) -> SyncContender:
    @contextmanager
    def open_client(url: str) -> Iterator[Callable[[], str]]:
        from melious import MeliousClient

        with MeliousClient(api_key=KEY, base_url=url) as client:
            yield lambda: client.chat.create(model=MODEL, messages=messages).text

    return open_client


def _langchain(turns: list[list[str]]) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], Any]]:
        from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

        messages: list[BaseMessage] = []
        for ids in turns:
            messages += [
                HumanMessage(_QUESTION),
                AIMessage("", tool_calls=[{"id": one, "name": TOOL, "args": _ARGUMENTS} for one in ids]),
                *(ToolMessage(_RESULT, tool_call_id=one) for one in ids),
                AIMessage(ANSWER),
            ]
        model = langchain.melious(url)
        yield lambda: model.invoke(messages[:-1]).content

    return open_model


def _llama(turns: list[list[str]]) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], Any]]:
        from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

        def call(one: str) -> ToolCallBlock:
            return ToolCallBlock(tool_call_id=one, tool_name=TOOL, tool_kwargs=_ARGUMENTS)

        def result(one: str) -> ChatMessage:
            return ChatMessage(role="tool", content=_RESULT, additional_kwargs={"tool_call_id": one})

        messages: list[ChatMessage] = []
        for ids in turns:
            messages += [
                ChatMessage(role="user", content=_QUESTION),
                ChatMessage(role="assistant", blocks=[call(one) for one in ids]),
                *(result(one) for one in ids),
                ChatMessage(role="assistant", content=ANSWER),
            ]
        model = llama.melious(url)
        yield lambda: model.chat(messages[:-1]).message.content

    return open_model


# --- who takes down the cost ----------------------------------------------------------------------------

BARE_LANGCHAIN = "langchain_melious, bare callbacks"
BARE_LLAMA = "llama_index_melious, bare handlers"


def _asking(url: str) -> dict[str, Callable[[], Any]]:
    """One question, by each of the three ways."""
    from llama_index.core.llms import ChatMessage

    from melious import MeliousClient

    client = MeliousClient(api_key=KEY, base_url=url)
    chain, llm = langchain.melious(url), llama.melious(url)
    question = [ChatMessage(role="user", content=QUESTION)]
    return {
        names.CORE: lambda: client.chat.create(model=MODEL, messages=MESSAGES).text,
        names.LANGCHAIN_MELIOUS: lambda: chain.invoke(QUESTION).content,
        names.LLAMA_MELIOUS: lambda: llm.chat(question).message.content,
    }


def _ledgers(count: int) -> dict[str, SyncContender]:
    def contender(name: str) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Callable[[], Any]]:
            from melious import track_impact

            ask = _asking(url)[name]

            def tracked() -> Any:
                with ExitStack() as stack:
                    ledgers = [stack.enter_context(track_impact()) for _ in range(count)]
                    answer = ask()
                assert all(ledger.total.requests == 1 for ledger in ledgers[:1])
                return answer

            yield tracked

        return open_client

    return {name: contender(name) for name in (names.CORE, names.LANGCHAIN_MELIOUS, names.LLAMA_MELIOUS)}


def _callbacks(count: int) -> dict[str, SyncContender]:
    def in_langchain(make: Callable[[], Any]) -> SyncContender:
        @contextmanager
        def open_model(url: str) -> Iterator[Callable[[], Any]]:
            model, handlers = langchain.melious(url), [make() for _ in range(count)]
            yield lambda: model.invoke(QUESTION, {"callbacks": handlers}).content

        return open_model

    def in_llama(make: Callable[[], Any]) -> SyncContender:
        @contextmanager
        def open_model(url: str) -> Iterator[Callable[[], Any]]:
            from llama_index.core.instrumentation import get_dispatcher

            ask, handlers, root = (
                _asking(url)[names.LLAMA_MELIOUS],
                [make() for _ in range(count)],
                get_dispatcher(),
            )

            def handled() -> Any:
                before = root.event_handlers
                root.event_handlers = [*before, *handlers]
                try:
                    return ask()
                finally:
                    root.event_handlers = before

            yield handled

        return open_model

    return {
        BARE_LANGCHAIN: in_langchain(_bare_callback),
        names.LANGCHAIN_MELIOUS: in_langchain(_our_callback),
        BARE_LLAMA: in_llama(_bare_handler),
        names.LLAMA_MELIOUS: in_llama(_our_handler),
    }


def _bare_callback() -> Any:
    from langchain_core.callbacks import BaseCallbackHandler

    return BaseCallbackHandler()


def _our_callback() -> Any:
    from langchain_melious import MeliousImpactHandler

    return MeliousImpactHandler()


def _bare_handler() -> Any:
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler

    class Bare(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            pass

    return Bare()


def _our_handler() -> Any:
    from llama_index_melious import MeliousImpactEventHandler

    return MeliousImpactEventHandler()
