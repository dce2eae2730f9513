"""Answers of the wire as LlamaIndex's responses: whole ones, and streams folded chunk by chunk. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any
from uuid import uuid4

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

from melious.impact import whole_count
from melious.wire.thinking import ThinkSplitter, split_thinking

if TYPE_CHECKING:
    from melious.answers.results import ChatCompletion
    from melious.clients.streams import StreamBase

_ASSISTANT = MessageRole.ASSISTANT
_HUGE = 10**9
_NO_CALL = ToolCallBlock(tool_name="", tool_kwargs="")


def whole(completion: ChatCompletion, *, think_tags: bool, single_call: bool = False) -> ChatResponse:
    """The first choice of an answer that was not streamed.

    Args:
        completion: The answer.
        think_tags: Take a leading `<think>` part of the text as reasoning.
        single_call: Leave out all tool calls but the first: some models make several all the same.
    """
    raw = completion.raw
    calls = [_identified(call) for call in completion.tool_calls[: 1 if single_call else None]]
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
        additional_kwargs=facts(raw, completion, refusal),
    )


def facts(raw: dict[str, Any], answer: ChatCompletion | StreamBase, refusal: Any = None) -> dict[str, Any]:
    """What an answer says about itself; what it does not say is absent.

    Token counts stand flat, where readers of other integrations look for them, and in full under `usage`.
    """
    said: dict[str, Any] = {}
    usage = raw.get("usage")
    if isinstance(usage, dict) and usage:
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            count = whole_count(usage.get(name))
            if count is not None:
                said[name] = count
        said["usage"] = usage
    for name in ("environment_impact", "billing_cost"):
        if isinstance(raw.get(name), dict) and raw[name]:
            said[name] = raw[name]
    choices = raw.get("choices")
    finish = choices[0].get("finish_reason") if choices else None
    origin = {
        "finish_reason": finish,
        "model": raw.get("model"),
        "request_id": answer.request_id,
        "relaxed": list(answer.relaxed),
        "refusal": refusal,
    }
    return said | {name: value for name, value in origin.items() if value}


def as_completion(response: ChatResponse) -> CompletionResponse:
    """A chat response as the answer to a prompt, with everything that it knows."""
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


def _identified(call: dict[str, Any]) -> dict[str, Any]:
    """A call with an id, made up where the server gave none: results name the call that they answer."""
    given = call.get("id")
    if isinstance(given, str) and given:
        return call
    return {**call, "id": f"call_{uuid4().hex}" if given in (None, "") else str(given)}


def _reasoning_tokens(raw: dict[str, Any]) -> int | None:
    usage = raw.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return whole_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None


def _logprobs(choice: dict[str, Any]) -> list[list[LogProb]] | None:
    """For each token the alternatives that were asked for, or else the token itself.

    What is no token with a number is left out; `raw` has it.
    """
    told = choice.get("logprobs")
    tokens = told.get("content") if isinstance(told, dict) else None
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
    told = token.get("top_logprobs")
    return told if told and isinstance(told, list) else [token]


def _bytes(value: Any) -> list[int]:
    return value if isinstance(value, list) and all(type(byte) is int for byte in value) else []


class Fold:
    """Makes responses of a stream's chunks: each with all that has come so far, and with what is new.

    `add` gives a response for every chunk that brings something; `finish` gives
    the last one, which has the message in full and, as `raw`, the answer as if
    it had not been streamed.
    """

    def __init__(self, *, think_tags: bool, single_call: bool = False) -> None:
        """Begin.

        Args:
            think_tags: Take a leading `<think>` part of the text as reasoning.
            single_call: Leave out all tool calls but the first: some models make several all the same.
        """
        self._single_call = single_call
        self._choice: int | None = None
        self._splitter = ThinkSplitter() if think_tags else None
        self._text = ""
        self._thoughts = ""
        self._refusal = ""
        self._calls: list[dict[str, Any]] = []
        self._blocks: list[ToolCallBlock] = []
        self._indices: list[int] = []
        self._logprobs: list[list[LogProb]] = []

    def add(self, chunk: dict[str, Any]) -> ChatResponse | None:
        """Take a chunk; None if it brings the first choice nothing to show."""
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
        """The choice that the answer is made of: number 0, or the first that is seen where there is none."""
        if self._choice is None:
            self._choice = min(choice["index"] for choice in choices)
        return next((choice for choice in choices if choice["index"] == self._choice), None)

    def _split(self, thought: str, content: str) -> tuple[str, str]:
        """What is thought and what is said in a delta, as far as that is known."""
        assert self._splitter is not None  # noqa: S101 - narrows the type for the checker
        if thought:
            held = self._splitter.rest()[1]
            self._splitter = None  # what is told apart already holds no tags
            return thought, held + content
        if not content:
            return "", ""
        thought, content = self._splitter.split(content)
        if self._splitter.over:
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
        # Built of checked blocks as it is, at half the price of checking them once more.
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
        """Take a piece of a tool call, if it is wanted; responses given out before keep what they have."""
        index = piece["index"]
        function = piece["function"]
        place = bisect_left(self._indices, index)
        if place == len(self._indices) or self._indices[place] != index:
            if self._single_call and self._calls:
                return False
            # Calls stand in the order of their indices, whichever came first.
            self._indices.insert(place, index)
            self._calls.insert(place, {})
            self._blocks.insert(place, _NO_CALL)
            call_id, name, arguments = piece.get("id"), function.get("name"), function["arguments"]
        else:
            known = self._calls[place]
            call_id = known["id"] or piece.get("id")
            name = known["function"]["name"] or function.get("name")
            arguments = known["function"]["arguments"] + function["arguments"]
        call = {
            "id": call_id or "",
            "type": "function",
            "function": {"name": name or "", "arguments": arguments},
        }
        block = ToolCallBlock(tool_call_id=call_id or "", tool_name=name or "", tool_kwargs=arguments)
        self._calls[place] = call
        self._blocks[place] = block
        return True

    def finish(self, stream: StreamBase) -> ChatResponse:
        """The last response, after the last chunk; new in it is at most what may still have become a tag."""
        thought, said = ("", "") if self._splitter is None else self._splitter.rest()
        self._thoughts += thought
        self._text += said
        raw = stream.partial.to_wire()
        known = facts(raw, stream, self._refusal)
        calls = [_identified(call) for call in self._calls]
        blocks = [_block(call) for call in calls]
        return ChatResponse(
            message=_message(self._text, self._thoughts, blocks, calls, _reasoning_tokens(raw)),
            raw=raw,
            delta=said,
            logprobs=self._logprobs or None,
            additional_kwargs=known | {"thinking_delta": thought} if thought else known,
        )
