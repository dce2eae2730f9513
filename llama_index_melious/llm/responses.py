"""Converts answers of the wire to LlamaIndex's responses, whole ones and streams. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from melious.errors import ModelRefusalError
from melious.impact import whole_count
from melious.wire.arguments import ArgumentStream, Tools, parameters_of
from melious.wire.thinking import ThinkSplitter, split_thinking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melious.answers.meta import AttachedDocument, Meta
    from melious.answers.results import ChatCompletion
    from melious.clients.streams import StreamBase

_ASSISTANT = MessageRole.ASSISTANT
_HUGE = 10**9
_NO_CALL = ToolCallBlock(tool_name="", tool_kwargs="")


def chat_response(
    completion: ChatCompletion, *, think_tags: bool, single_call: bool = False, tools: Tools = ()
) -> ChatResponse:
    """The first choice of an answer that was not streamed.

    Args:
        completion: The answer.
        think_tags: Treat a leading `<think>` part of the text as reasoning.
        single_call: Keep the first tool call only; some models ignore that several are not allowed.
        tools: The tools of the request. Arguments that the model wrote as JSON inside a string are opened
            where the tool's schema wants an object, a list or a number.
    """
    raw, meta = completion.raw, completion.meta
    calls = [_opened(call, tools) for call in completion.tool_calls[: 1 if single_call else None]]
    thoughts, text = completion.reasoning, completion.text
    if think_tags and not thoughts:
        thoughts, text = split_thinking(text)
    message = _message(
        text,
        thoughts,
        [_block(call) for call in calls],
        calls,
        reasoning_tokens=_reasoning_tokens(raw),
    )
    refusal = (raw["choices"][0].get("message") or {}).get("refusal")
    return ChatResponse(
        message=message,
        raw=raw,
        logprobs=_logprobs(raw["choices"][0]),
        additional_kwargs=facts(raw, meta, meta.documents, refusal),
    )


def facts(
    raw: dict[str, Any],
    meta: Meta | StreamBase,
    documents: Sequence[AttachedDocument],
    refusal: Any = None,
) -> dict[str, Any]:
    """The usage, impact, cost and origin of an answer, as far as reported.

    Token counts are at the top level, as in other integrations, and in full under `usage`.
    """
    found: dict[str, Any] = {}
    usage = raw.get("usage")
    if isinstance(usage, dict) and usage:
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            count = whole_count(usage.get(name))
            if count is not None:
                found[name] = count
        found["usage"] = usage
    for name in ("environment_impact", "billing_cost"):
        if isinstance(raw.get(name), dict) and raw[name]:
            found[name] = raw[name]
    choices = raw.get("choices")
    finish = choices[0].get("finish_reason") if choices else None
    origin = {
        "finish_reason": finish,
        "model": raw.get("model"),
        "request_id": meta.request_id,
        "relaxed": list(meta.relaxed),
        "refusal": refusal,
        "converted_documents": [document._asdict() for document in documents],
    }
    return found | {name: value for name, value in origin.items() if value}


def check_not_withheld(response: ChatResponse) -> None:
    """Refuse an answer that a content filter withheld or cut.

    Raises:
        ModelRefusalError: A filter did so.
    """
    if response.additional_kwargs.get("finish_reason") == "content_filter":
        text = response.message.content or ""
        raise ModelRefusalError(
            f"the answer was {'cut short' if text else 'withheld'} by a content filter",
            text=text,
            request_id=response.additional_kwargs.get("request_id"),
            body=response.raw,
        )


def as_completion(response: ChatResponse) -> CompletionResponse:
    """A chat response as a completion response."""
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs=response.additional_kwargs,
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )


def _message(
    text: str,
    thoughts: str,
    blocks: list[ToolCallBlock],
    calls: list[dict[str, Any]],
    reasoning_tokens: int | None = None,
) -> ChatMessage:
    content: list[Any] = []
    if thoughts:
        content.append(ThinkingBlock(content=thoughts, num_tokens=reasoning_tokens))
    if text or not blocks:
        content.append(TextBlock(text=text))
    if not blocks:
        return ChatMessage(role=_ASSISTANT, blocks=content)
    content += blocks
    return ChatMessage(role=_ASSISTANT, blocks=content, additional_kwargs={"tool_calls": calls})


def _block(call: dict[str, Any]) -> ToolCallBlock:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    return ToolCallBlock(
        tool_call_id=call.get("id") or "",
        tool_name=str(function.get("name") or ""),
        tool_kwargs=arguments if isinstance(arguments, str | dict) else "",
    )


def _opened(call: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """A call whose arguments are opened where the model wrote them as JSON inside strings."""
    function = call.get("function") or {}
    given = function.get("arguments")
    if not isinstance(given, str) or not tools:
        return call
    stream = ArgumentStream(parameters_of(tools, function.get("name")))
    return {**call, "function": {**function, "arguments": stream.feed(given) + stream.rest()}}


def _reasoning_tokens(raw: dict[str, Any]) -> int | None:
    usage = raw.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return whole_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None


def _logprobs(choice: dict[str, Any]) -> list[list[LogProb]] | None:
    """The requested alternatives of each token, or else the token itself.

    Malformed tokens are left out; `raw` has them.
    """
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not tokens or not isinstance(tokens, list):
        return None
    return [
        [
            LogProb(token=one["token"], logprob=one["logprob"], bytes=_bytes(one.get("bytes")))
            for one in _alternatives(token)
            if isinstance(one, dict)
            and isinstance(one.get("token"), str)
            and _is_probability(one.get("logprob"))
        ]
        for token in tokens
        if isinstance(token, dict)
    ]


def _is_probability(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _HUGE)


def _alternatives(token: dict[str, Any]) -> list[Any]:
    found = token.get("top_logprobs")
    return found if found and isinstance(found, list) else [token]


def _bytes(value: Any) -> list[int]:
    return value if isinstance(value, list) and all(type(byte) is int for byte in value) else []


class ResponseBuilder:
    """Builds responses from the chunks of a stream, each with the message so far and the new text.

    `add` returns a response for each chunk with content. `finish` returns the
    last one, with the whole message and, as `raw`, the answer as if it had not
    been streamed.
    """

    def __init__(self, *, think_tags: bool, single_call: bool = False, tools: Tools = ()) -> None:
        """See `chat_response` for the arguments."""
        self._single_call = single_call
        self._choice: int | None = None
        self._splitter = ThinkSplitter() if think_tags else None
        self._text = ""
        self._thoughts = ""
        self._refusal = ""
        self._calls: list[dict[str, Any]] = []
        self._blocks: list[ToolCallBlock] = []
        self._indices: list[int] = []
        self._tools = tools
        self._openers: dict[int, ArgumentStream] = {}
        self._logprobs: list[list[LogProb]] = []

    def add(self, chunk: dict[str, Any]) -> ChatResponse | None:
        """Take a chunk; None if it adds nothing to the first choice."""
        choices = chunk["choices"]
        if not choices:
            return None
        choice = choices[0]
        if choice["index"] or len(choices) > 1 or self._choice:
            choice = self._chosen(choices)
            if choice is None:
                return None
        else:
            self._choice = 0
        delta = choice["delta"]
        content = delta.get("content") or ""
        thought = delta.get("reasoning_content") or ""
        pieces = delta.get("tool_calls")
        logprobs = None
        if choice.get("logprobs"):
            logprobs = _logprobs(choice)
            self._logprobs += logprobs or []
        if self._splitter is not None:
            thought, content = self._split(thought, content)
        if content:
            self._text += content
        if thought:
            self._thoughts += thought
        if "refusal" in delta and isinstance(delta["refusal"], str):
            self._refusal += delta["refusal"]
        grown = False
        if pieces:
            for piece in pieces:
                grown = self._add_piece(piece) or grown
        if content or thought or grown:
            return self._response(chunk, content, thought, logprobs)
        return None

    def _chosen(self, choices: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The first choice of the answer: number 0, or the lowest of the first chunk."""
        if self._choice is None:
            self._choice = min(choice["index"] for choice in choices)
        return next((choice for choice in choices if choice["index"] == self._choice), None)

    def _split(self, thought: str, content: str) -> tuple[str, str]:
        """The reasoning and the text of a delta, as far as known."""
        assert self._splitter is not None  # noqa: S101 - narrows the type for the checker
        if thought:
            held = self._splitter.flush()[1]
            self._splitter = None  # a model with a field for reasoning writes no tags
            return thought, held + content
        if not content:
            return "", ""
        thought, content = self._splitter.split(content)
        if self._splitter.done:
            self._splitter = None
        return thought, content

    def _response(
        self, chunk: dict[str, Any], content: str, thought: str, logprobs: list[list[LogProb]] | None
    ) -> ChatResponse:
        blocks: list[Any] = [ThinkingBlock(content=self._thoughts)] if self._thoughts else []
        if self._text:
            blocks.append(TextBlock(text=self._text))
        kept: dict[str, Any] = {}
        if self._calls:
            blocks += self._blocks
            kept["tool_calls"] = [*self._calls]
        # The blocks are valid; validating them again would double the cost.
        message = ChatMessage.model_construct(role=_ASSISTANT, blocks=blocks, additional_kwargs=kept)
        if thought:
            return ChatResponse(
                message=message,
                raw=chunk,
                delta=content,
                logprobs=logprobs,
                additional_kwargs={"thinking_delta": thought},
            )
        return ChatResponse(message=message, raw=chunk, delta=content, logprobs=logprobs)

    def _add_piece(self, piece: dict[str, Any]) -> bool:
        """Take a piece of a tool call; False if it is dropped. Earlier responses do not change."""
        index = piece["index"]
        function = piece["function"]
        position = bisect_left(self._indices, index)
        if position == len(self._indices) or self._indices[position] != index:
            if self._single_call and self._calls:
                return False
            # Calls are in the order of their indices, whichever came first.
            name = function.get("name") or ""
            self._openers[index] = ArgumentStream(parameters_of(self._tools, name))
            self._indices.insert(position, index)
            begun = {"id": piece.get("id") or "", "function": {"name": name, "arguments": ""}}
            self._calls.insert(position, begun)
            self._blocks.insert(position, _NO_CALL)
        known = self._calls[position]
        if function.get("name") and not known["function"]["name"]:
            known["function"]["name"] = function["name"]
        arguments = function["arguments"]
        self._grow(position, self._openers[index].feed(arguments) if arguments else "")
        return True

    def _grow(self, position: int, arguments: str) -> None:
        """Add to the arguments of a call, in new objects: those of earlier responses do not change."""
        known = self._calls[position]
        call_id, name = known["id"], known["function"]["name"]
        arguments = known["function"]["arguments"] + arguments
        self._calls[position] = {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        self._blocks[position] = ToolCallBlock(tool_call_id=call_id, tool_name=name, tool_kwargs=arguments)

    def finish(self, stream: StreamBase) -> ChatResponse:
        """The last response. Its `delta` is text that was held back because it could have become a tag."""
        thought, text = ("", "") if self._splitter is None else self._splitter.flush()
        self._thoughts += thought
        self._text += text
        raw = stream.partial.to_wire()
        known = facts(raw, stream, stream.converted_documents, self._refusal)
        for position, index in enumerate(self._indices):
            if rest := self._openers[index].rest():
                self._grow(position, rest)
        calls = self._calls
        blocks = [_block(call) for call in calls]
        return ChatResponse(
            message=_message(self._text, self._thoughts, blocks, calls, _reasoning_tokens(raw)),
            raw=raw,
            delta=text,
            logprobs=self._logprobs or None,
            additional_kwargs=known | {"thinking_delta": thought} if thought else known,
        )
