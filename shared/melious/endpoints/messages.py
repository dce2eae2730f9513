"""POST /messages/count_tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melious.answers.messages import TokenCount
from melious.answers.reading import json_of, read_as
from melious.endpoints.common import check_known, is_list, request_of, with_header, without_ledger
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_text
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions
from melious.wire import anthropic

PATH = "messages/count_tokens"
VERSION = ("anthropic-version", "2023-06-01")


class CountParams(CallOptions, total=False):
    """The optional parameters of counting tokens. None is not sent.

    Attributes:
        system: The system prompt, beside the system messages.
        tools: The tools, in OpenAI's form.
        model: A model. The service ignores it.
    """

    system: str | None
    tools: Sequence[Mapping[str, Any]] | None
    model: str | None


def count_tokens(
    config: ClientConfig, messages: Sequence[Mapping[str, Any]], params: CountParams
) -> Operation[TokenCount]:
    """A call that counts tokens. It is free, so it counts against no budget and is in no ledger."""
    check_known(params, CountParams, "count_tokens")
    _check_all("messages", messages, "message")
    system, turns = _conversation(messages)
    given = params.get("system")
    if given is not None:
        check_text("system", given)
        system = [*anthropic.blocks(given), *system]
    if not turns:  # the service wants a turn, and its count is the same
        turns, system = [{"role": "user", "content": system}], []
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    tools = params.get("tools")
    if tools is not None:
        _check_all("tools", tools, "tool")
        body["tools"] = [anthropic.tool(each) for each in tools]
    if params.get("model") is not None:
        check_text("model", params["model"])
        body["model"] = params["model"]
    body.update(params.get("extra_body") or {})
    request = request_of(config, "messages", PATH, params, body, retry_timeouts=True)
    return Operation(with_header(without_ledger(request), *VERSION), _count)


def _conversation(
    messages: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """System blocks and turns; an error names the message that is not in OpenAI's form."""
    for place, message in enumerate(messages):
        try:
            anthropic.conversation([message])
        except (AttributeError, KeyError, TypeError):
            raise InvalidArgumentError(
                f"messages[{place}]: is not a message in OpenAI's form: {message!r:.200}", param="messages"
            ) from None
    return anthropic.conversation(messages)


def _check_all(argument: str, given: Any, what: str) -> None:
    """Refuse anything but a list of mappings that is not empty."""
    if not is_list(given):
        raise InvalidArgumentError(f"{argument}: must be a list of {what}s that is not empty", param=argument)
    for place, each in enumerate(given):
        if not isinstance(each, Mapping):
            raise InvalidArgumentError(
                f"{argument}[{place}]: must be a mapping, not {type(each).__name__}", param=argument
            )


def _count(response: Response) -> TokenCount:
    return read_as(TokenCount, json_of(response, "messages"), response, "messages")
