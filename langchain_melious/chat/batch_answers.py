"""A chat model that gives the answers of a batch, so that LangChain handles them like any others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from typing_extensions import override

from langchain_melious.chat.options import per_call
from langchain_melious.chat.requests import call_of
from langchain_melious.chat.results import result_of
from langchain_melious.errors import langchain_errors

if TYPE_CHECKING:
    from langchain_melious.chat.described import DescribedModel
    from langchain_melious.chat.results import ReadOptions
    from melious.answers.batches import BatchResult


@dataclass(frozen=True, slots=True)
class Answer:
    """What a batch answered to one input.

    Attributes:
        result: The answer, or the error.
        prompt: The messages that were sent, if they are known.
    """

    result: BatchResult
    prompt: Sequence[BaseMessage] = ()


_given: ContextVar[Answer] = ContextVar("melious_batch_answer")


@contextmanager
def _giving(answer: Answer) -> Iterator[None]:
    token = _given.set(answer)
    try:
        yield
    finally:
        _given.reset(token)


class _Answering(BaseChatModel):
    """What a chat model does instead of asking: its inputs are answers."""

    if TYPE_CHECKING:

        def _read_options(self, call: Mapping[str, Any], given: Mapping[str, Any]) -> ReadOptions: ...

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        with _giving(input):
            return super().invoke(list(input.prompt), config, **kwargs)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        with _giving(input):
            return await super().ainvoke(list(input.prompt), config, **kwargs)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._answered(stop, kwargs)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._answered(stop, kwargs)

    def _answered(self, stop: list[str] | None, given: dict[str, Any]) -> ChatResult:
        with langchain_errors:
            options = per_call(cast("DescribedModel", self), given)
            call = call_of(cast("DescribedModel", self), [], stop, given, options, stream=False)
            return result_of(_given.get().result.unwrap(), self._read_options(call, options))


@cache
def _answering(kind: type[DescribedModel]) -> type[DescribedModel]:
    """A class that gives answers instead of asking, and is called like the other one in traces."""
    return type(kind.__name__, (_Answering, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def answering(llm: DescribedModel) -> DescribedModel:
    """A model that reads answers as another one does, sends nothing, and asks no cache."""
    settings = {name: getattr(llm, name) for name in type(llm).model_fields}
    passive = {"cache": False, "rate_limiter": None, "disable_streaming": True}
    return _answering(type(llm)).model_construct(**settings | passive)
