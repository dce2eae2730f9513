"""The arguments of LangChain's chat calls, converted to those of the core. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_melious.chat.content import Reader
from langchain_melious.chat.messages import messages_to_wire
from langchain_melious.chat.options import PER_CALL
from langchain_melious.chat.parameters import PARAMETERS
from langchain_melious.chat.profiles import profile_of
from langchain_melious.chat.tools import choice_to_wire, tools_to_wire
from langchain_melious.errors import InvalidArgumentError
from langchain_melious.settings.fields import check_call
from melious.routing.filters import split_flavor
from melious.wire.thinking import ReasoningReplay

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from langchain_melious.chat.described import DescribedModel

# Arguments that LangChain passes for its own use.
_NOT_SENT = ("stream", "streaming", "ls_structured_output_format", "structured_output_format")


def call_of(
    llm: DescribedModel,
    messages: list[BaseMessage],
    stop: list[str] | None,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    stream: bool,
) -> dict[str, Any]:
    """Build the arguments of the core's call from the model's fields and the arguments of this call.

    Args:
        llm: The model.
        messages: The conversation.
        stop: Where to stop.
        given: The arguments of this call.
        options: The options that are not sent, see `per_call`.
        stream: Whether the answer is streamed.

    Raises:
        InvalidArgumentError: An argument or a message cannot be sent.
    """
    check_call(given)
    fields = llm.__dict__
    call = {name: value for name in PARAMETERS if (value := fields[name]) is not None} | dict(given)
    for name in (*_NOT_SENT, *PER_CALL):
        call.pop(name, None)
    call["stop"] = (call.get("stop") if stop is None else stop) or None
    model = call["model"] = call.get("model") or llm.model
    if model != llm.model and not call.get("flavor"):
        call["flavor"] = split_flavor(model)[1]
    if call.get("tools"):
        call["tools"] = tools_to_wire(call["tools"])
        call["tool_choice"] = choice_to_wire(call.get("tool_choice"), call["tools"])
    if isinstance(call.get("response_format"), type):
        from langchain_melious.chat.structured import response_format_of  # noqa: PLC0415 - only needed here

        call["response_format"] = response_format_of(call["response_format"])
    if not stream:
        call.pop("stream_options", None)
    else:
        if call.get("n") not in (None, 1):
            raise InvalidArgumentError("n: a stream has one answer only; use generate() for several")
        if call.get("stream_options") is None and not options["stream_usage"]:
            call["stream_options"] = {"include_usage": False}
    call["replay_reasoning"] = ReasoningReplay("with_tool_calls" if options["replay_reasoning"] else "never")
    profile = llm.profile if model == llm.model else profile_of(model, llm.base_url)
    call["messages"] = messages_to_wire(
        messages,
        _reader(model, profile or {}, converts=_converts(llm, given)),
        null_content=options["null_content"],
        tool_images=bool((profile or {}).get("image_tool_message")),
    )
    return call


def _converts(llm: DescribedModel, given: Mapping[str, Any]) -> bool:
    wanted = given.get("convert_documents")
    return llm.convert_documents if wanted is None else bool(wanted)


def _reader(model: str, profile: Mapping[str, Any], *, converts: bool) -> Reader:
    """What a model reads, by its profile."""
    return Reader(
        model,
        profile.get("image_inputs"),
        profile.get("audio_inputs"),
        profile.get("video_inputs"),
        converts,
    )
