"""Options for building chat requests and reading answers, as fields of the model. They are not sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langchain_melious.chat.parameters import ChatParameters
from melious.settings.fields import ChatFields


class ChatOptions(ChatParameters, ChatFields):
    """The options of a chat model other than the parameters of its requests."""

    streaming: bool | None = None
    stream_usage: bool = True
    replay_reasoning: bool = True
    null_content: bool = False
    think_tags: bool = True
    include_response_headers: bool = False
    langsmith_cost: bool = False
    raise_refusals: bool = True
    token_counter: Literal["estimate", "service"] = "estimate"  # noqa: S105 - no secret


PER_CALL = (
    "stream_usage",
    "replay_reasoning",
    "null_content",
    "think_tags",
    "include_response_headers",
    "langsmith_cost",
    "raise_refusals",
)
"""The options that can also be set per call and that only the adapter uses."""


def per_call(llm: ChatOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these options for a call, else those of the model."""
    fields = llm.__dict__
    return {name: fields[name] if given.get(name) is None else given[name] for name in PER_CALL}
