"""How a chat request is made and its answer read, as fields of the model. None of it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import override

from langchain_melious.chat.parameters import ChatParameters


class ChatOptions(ChatParameters):
    """The options of a chat model beside the parameters of its requests."""

    streaming: bool | None = None
    """True makes `invoke` stream under the hood, so that callbacks see tokens; False never streams."""

    stream_usage: bool = True
    """Ask for the token counts of streamed answers."""

    stream_impact: Literal["native", "buffer"] = "native"
    """`buffer` has `stream` ask for the whole answer and give it in chunks, because the service reports what
    a request cost on whole answers only."""

    replay_reasoning: bool = True
    """Send back what the model thought before it called a tool; reasoning models go on better with it."""

    null_content: bool = False
    """Send `null` and not `""` where there is no text beside tool calls, for a model that insists on it."""

    think_tags: bool = True
    """Take a `<think>` part at the beginning of an answer as reasoning and not as text."""

    include_response_headers: bool = False
    """Put the headers of every answer into `response_metadata["headers"]`."""

    langsmith_cost: bool = False
    """Put the cost of whole answers, in euro, into `usage_metadata["total_cost"]`, for LangSmith.

    Off by default: LangSmith takes the figure for dollars, and LangChain's own `UsageMetadataCallbackHandler`
    adds up whole numbers only and stops counting at a cost. Streams go without: chunks could not be added up.
    """

    @override
    def _more_options(self) -> dict[str, Any]:
        return {"stream_impact": self.stream_impact}


PER_CALL = (
    "stream_usage",
    "replay_reasoning",
    "null_content",
    "think_tags",
    "include_response_headers",
    "langsmith_cost",
)
"""The options that a call can set for itself and that only the adapter knows."""


def per_call(llm: ChatOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give these options, as the call sets them, else as the model does."""
    return {name: getattr(llm, name) if given.get(name) is None else given[name] for name in PER_CALL}
