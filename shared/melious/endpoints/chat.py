"""POST /chat/completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from melious.answers.reading import json_of, read_as
from melious.answers.results import ChatCompletion
from melious.endpoints.chat_params import ChatParams
from melious.endpoints.common import advice_of, body_of, check_known, is_extra, is_list, request_of
from melious.endpoints.otherwise import Alternatives, Simplify
from melious.errors import APIStatusError, InvalidArgumentError, MeliousError, ResponseDecodeError
from melious.exchange.request import Operation, Otherwise, Request, Response
from melious.exchange.retry import is_malformed
from melious.settings.config import ClientConfig
from melious.settings.options import check_option
from melious.wire import codec
from melious.wire.calls import identify
from melious.wire.completion import PartialCompletion, flatten_content
from melious.wire.normalized import normalize_tool_call

if TYPE_CHECKING:
    from melious.endpoints.attachments import Attachments
    from melious.endpoints.conversation import Conversation

PATH = "chat/completions"
_OPTIONS = "stream_options"


def create(
    config: ClientConfig,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    params: ChatParams,
    spent: float = 0.0,
) -> Operation[ChatCompletion]:
    """A call for a whole answer; `spent` are the seconds of its deadline that were used before."""
    return Operation(_request(config, model, messages, params, stream=False, spent=spent), parse)


def stream(
    config: ClientConfig,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    params: ChatParams,
    spent: float = 0.0,
) -> Request:
    """A request for an answer in chunks, usage included; see `create`."""
    return _request(config, model, messages, params, stream=True, spent=spent)


def attachments_in(
    config: ClientConfig, messages: Sequence[Mapping[str, Any]], params: ChatParams
) -> Attachments | None:
    """The documents of the messages that are to be converted first; None if there are none.

    Raises:
        InvalidArgumentError: The option or a message is wrong, or a document cannot be read.
    """
    wanted = params.get("convert_documents")
    if wanted is None:
        wanted = config.convert_documents
    elif wanted is not False:
        check_option("convert_documents", wanted)
    if not wanted:
        return None
    from melious.endpoints.attachments import Attachments  # noqa: PLC0415 - only where it is wanted

    return Attachments.of(_checked(messages))


def rereadable(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages in a form that can be read more than once; an iterator becomes a list."""
    return list(messages) if isinstance(messages, Iterator) else messages


def is_disobeyed(request: Request, answer: ChatCompletion | PartialCompletion) -> bool:
    """Whether a tool was forced and the model wrote text; a request made anew then uses another method."""
    if not _has_method(request):
        return False
    from melious.endpoints import structured  # noqa: PLC0415 - reads the catalogue

    if isinstance(answer, ChatCompletion):
        finish = answer.choices[0].finish_reason if answer.choices else None
    else:
        finish = answer.finish_reason
    return structured.is_disobeyed(request, answer.tool_calls, answer.text, finish)


def may_be_disobeyed(request: Request) -> bool:
    """Whether the request forces a tool call, or might later, on a model that has not obeyed one here."""
    if not _has_method(request):
        return False
    from melious.endpoints import structured  # noqa: PLC0415 - reads the catalogue

    return structured.may_be_disobeyed(request)


def is_forced(request: Request) -> bool:
    """Whether an answer to a request that may be disobeyed should begin with a forced tool call."""
    from melious.endpoints import structured  # noqa: PLC0415 - reads the catalogue

    return structured.is_forced(request)


def _has_method(request: Request) -> bool:
    return isinstance(request.otherwise, Alternatives) and request.otherwise.method is not None


def _replayed(response: Response, *, usage: bool) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A whole answer, and the same as chunks."""
    from melious.endpoints.whole_as_chunks import chunks_of  # noqa: PLC0415 - only for `buffer`

    raw = parse(response).raw
    return raw, chunks_of(raw, usage=usage)


def _request(
    config: ClientConfig,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    params: ChatParams,
    *,
    stream: bool,
    spent: float = 0.0,
) -> Request:
    if "stream" in params:
        raise InvalidArgumentError(
            "stream: is not an argument of chat.stream, which always streams; leave it out"
            if stream
            else "stream: is not an argument of chat.create; use chat.stream, or stream_chat in LlamaIndex",
            param="stream",
        )
    check_known(params, ChatParams, "chat")
    given = _checked(messages)
    fields: dict[str, Any] = {"messages": given}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    body = body_of(config, "chat", model, fields, params)
    if not stream and body.get("stream"):
        raise InvalidArgumentError(
            "extra_body: must not ask for a stream here; use chat.stream, or stream_chat in LlamaIndex",
            param="extra_body",
        )
    _check_against_catalogue(config, model, body, params)
    details: dict[str, Any] = {"stream": stream, "spent": spent}
    simpler: tuple[Simplify, ...] = ()
    conversation = _conversation(config, model, given, params)
    if conversation is not None and body["messages"] is given:
        body["messages"] = conversation.sent()
        simpler = (conversation,)
    options = params.get(_OPTIONS)
    if stream and not (isinstance(options, Mapping) and any(options.values())):
        simpler = (*simpler, _without_usage)
    if _asks_for_an_object(body, params):
        from melious.endpoints.structured import descent_of  # noqa: PLC0415 - reads the catalogue

        descent = descent_of(body, params.get("structured_output"), model, config.base_url)
        details["method"] = descent
        body = descent.sent()
    how = params.get("stream_impact")
    if how is None:
        how = config.stream_impact
    if stream and how != "native":
        del body["stream"]
        options = body.pop("stream_options", None)
        asked = isinstance(options, Mapping) and bool(options.get("include_usage"))
        details |= {"stream": False, "replay": partial(_replayed, usage=asked)}
        simpler = tuple(step for step in simpler if step is not _without_usage)
    details["advise"] = partial(_advice, body=body, base_url=config.base_url, conversation=conversation)
    return request_of(config, "chat", PATH, params, body, retry_malformed=True, simpler=simpler, **details)


def _conversation(
    config: ClientConfig, model: str, messages: list[Mapping[str, Any]], params: ChatParams
) -> Conversation | None:
    """The conversation of a request; None for a single question, which a model takes as it is."""
    single = len(messages) == 1 and messages[0]["role"] != "assistant"
    replay = params.get("replay_reasoning")
    if single and replay is None:
        return None
    from melious.endpoints.conversation import (  # noqa: PLC0415 - reads the catalogue
        conversation_of,
        read_replay,
    )

    replay = read_replay(replay)
    if single:
        return None
    merge = params.get("merge_system_messages")
    if merge is None:
        merge = config.merge_system_messages
    return conversation_of(messages, model, config.base_url, merge=merge, replay=replay)


def _asks_for_an_object(body: Mapping[str, Any], params: ChatParams) -> bool:
    """Whether a request asks for an object, or forces a tool, so that the model may refuse the method."""
    wanted, choice = body.get("response_format"), body.get("tool_choice")
    return (
        params.get("structured_output") is not None
        or (isinstance(wanted, Mapping) and wanted.get("type") == "json_schema")
        or (bool(body.get("tools")) and (choice == "required" or isinstance(choice, Mapping)))
    )


def _check_against_catalogue(
    config: ClientConfig, model: str, body: Mapping[str, Any], params: ChatParams
) -> None:
    """Refuse an effort that the model is known to refuse, and warn about images for one that refuses them."""
    effort = params.get("reasoning_effort")
    if effort is not None and not is_extra("reasoning_effort", config, params):
        from melious.endpoints.model_check import check_effort  # noqa: PLC0415 - reads the catalogue

        check_effort(model, effort, config.base_url)
    if _has_image(body["messages"]) and _refuses_images(str(body["model"])):
        from melious.endpoints.model_check import warn_about_images  # noqa: PLC0415 - as above

        warn_about_images(model, config.base_url)


def _has_image(messages: Sequence[Mapping[str, Any]]) -> bool:
    for message in messages:
        content = message.get("content")
        if type(content) is list and any(
            isinstance(part, Mapping) and part.get("type") == "image_url" for part in content
        ):
            return True
    return False


@lru_cache(maxsize=1024)
def _refuses_images(model: str) -> bool:
    from melious.catalogue.quirks import quirks_of  # noqa: PLC0415 - as above

    return quirks_of(model).refuses_images


def _advice(
    error: MeliousError, body: Mapping[str, Any], base_url: str, conversation: Conversation | None
) -> str | None:
    """The advice for an error that ends the call; None keeps that of its class."""
    if not is_malformed(error):
        advice = None if conversation is None else conversation.advice_for(error)
        return advice or advice_of(error, str(body.get("model", "")), "chat", base_url)
    from melious.endpoints.malformed import advice_for  # noqa: PLC0415 - reads the catalogue

    return advice_for(body, base_url)


def _without_usage(request: Request, error: MeliousError) -> Otherwise | None:
    """The request without `stream_options`, if the error is about them; else None."""
    if (
        not isinstance(error, APIStatusError)
        or error.status_code not in (None, 400, 422)
        or _OPTIONS not in f"{error.param} {error.message} {error.body}"
    ):
        return None
    body = codec.loads(request.body) if isinstance(request.body, bytes) else {}
    if body.pop(_OPTIONS, None) is None:
        return None
    why = f"a field was refused ({error.status_code or 'in the stream'}), retrying without it"
    return Otherwise(request._replace(body=codec.dumps(body)), why)


def _checked(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not is_list(messages):
        raise InvalidArgumentError("messages: must be a list of at least one message")
    checked = list(messages)
    for position, message in enumerate(checked):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise InvalidArgumentError(
                f"messages[{position}]: must be a dict with a role, not {message!r:.80}"
            )
    return checked


def _make_regular(raw: dict[str, Any]) -> None:
    """Make content and the arguments of tool calls text, as in streams."""
    choices = raw.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        if isinstance(message.get("content"), list):
            flatten_content(message)
        calls = message.get("tool_calls")
        if not calls and calls is not None:
            message["tool_calls"] = []
        if isinstance(calls, list):
            identify(calls)
            for call in calls:
                if isinstance(call, dict):
                    normalize_tool_call(call)


def parse(response: Response) -> ChatCompletion:
    """Read a whole answer.

    Raises:
        ResponseDecodeError: It has no choices.
    """
    return read(json_of(response, "chat"), response)


def read(raw: dict[str, Any], response: Response) -> ChatCompletion:
    """The same for an answer that is parsed already."""
    _make_regular(raw)
    completion = read_as(ChatCompletion, raw, response, "chat")
    if not completion.choices:
        raise ResponseDecodeError(
            "chat: the answer has no choices",
            status_code=response.status,
            request_id=response.request_id,
            body=raw,
        )
    return completion
