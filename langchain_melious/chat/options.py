"""Options for building chat requests and reading answers, as fields of the model. They are not sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_melious.chat.parameters import ChatParameters
from melious.settings.fields import StreamFields


class ChatOptions(ChatParameters, StreamFields):
    """The options of a chat model other than the parameters of its requests."""

    streaming: bool | None = None
    """True makes `invoke` stream internally, so that callbacks see tokens; False never streams."""

    stream_usage: bool = True
    """Request the token counts of streamed answers."""

    replay_reasoning: bool = True
    """Send back the reasoning that preceded a tool call; reasoning models continue better with it."""

    null_content: bool = False
    """Send `null` instead of `""` if there is no text beside tool calls, for models that require it."""

    think_tags: bool = True
    """Treat a leading `<think>` part of an answer as reasoning instead of text."""

    include_response_headers: bool = False
    """Include the headers of every answer as `response_metadata["headers"]`."""

    langsmith_cost: bool = False
    """Include the cost of whole answers, in euro, as `usage_metadata["total_cost"]`, for LangSmith.

    Off by default: LangSmith shows the figure as dollars, and LangChain's own `UsageMetadataCallbackHandler`
    only adds integers and stops counting at a cost. Streams never have it, since chunks could not be added.
    """


PER_CALL = (
    "stream_usage",
    "replay_reasoning",
    "null_content",
    "think_tags",
    "include_response_headers",
    "langsmith_cost",
)
"""The options that can also be set per call and that only the adapter uses."""


def per_call(llm: ChatOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these options for a call, else those of the model."""
    return {name: getattr(llm, name) if given.get(name) is None else given[name] for name in PER_CALL}
