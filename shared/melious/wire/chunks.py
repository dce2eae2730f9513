"""A streamed chat answer, parsed into chunks. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from melious.errors import (
    APITimeoutError,
    MeliousError,
    ResponseDecodeError,
    StreamTruncatedError,
)
from melious.errors.table import status_error
from melious.wire import codec
from melious.wire.chunk import ChatChunk
from melious.wire.completion import PartialChoice, PartialCompletion, flatten_content, index_on_wire
from melious.wire.head import Head
from melious.wire.normalized import delta_of, drop_non_text, list_or_empty, normalized_usage
from melious.wire.sse import MAX_EVENT_BYTES, ServerSentEvent, SSEDecoder
from melious.wire.thinking import thought_in_details

_EXCERPT = 200
_SLACK = 0.05
"""Seconds by which a wait may fall short of its limit."""
_KEEPALIVES = frozenset({"ping", "keepalive", "keep-alive", "heartbeat"})
_FIELDS = (b"data:", b":", b"event:", b"id:", b"retry:")
_RARE = frozenset({"error", "type", "environment_impact", "billing_cost"})
_TOP_LEVEL = ("id", "created", "model", "system_fingerprint", "service_tier")


class ChatStreamParser:
    """Parses reads into chat chunks: dicts in one normalized form.

    `feed` and `close` return chunks; then check `ended` and, once they are handed
    on, `error`. In every chunk `choices` is a list, each choice has a `delta` with
    text as `content` and `reasoning_content`, tool calls are normalized, and a
    choice finishes once. Values of the wrong type are None; choices that cannot be
    read end the stream.

    Attributes:
        ended: No more reads are wanted.
        done: `[DONE]` arrived; the rest may be drained but is not parsed.
        error: The error to raise after the last chunk, if any.
        partial: The answer so far, merged.
        nothing: An empty chunk.
    """

    def __init__(
        self, head: Head, *, event_timeout: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with the answer's head.

        Args:
            head: Status 200 and the headers; the content type decides how the body is parsed.
            event_timeout: The most seconds without an event; comments do not count.
            clock: A monotonic clock.
        """
        self.nothing = ChatChunk()
        self.ended = False
        self.done = False
        self.error: MeliousError | None = None
        self.partial = PartialCompletion()
        self._head = head
        self._sse = SSEDecoder()
        self._body: list[bytes] | None = None
        self._body_size = 0
        self._event_timeout = event_timeout
        self._clock = clock
        self._last_event = clock()
        self._content_type = head.content_type
        self._start = b""
        self._detected = False

    def feed(self, data: bytes) -> list[ChatChunk]:
        """Parse one read; returns the chunks that it completes."""
        if not self._detected:
            data = self._detect_form(data)
        if self._body is not None:
            self._collect(data)
            return []
        only = self._sse.only_data(data)
        if only is not None and only[:1] == b"{":
            chunks = self._take_only(only)
            if chunks is not None:
                return chunks
        try:
            events = self._sse.feed(data)
        except ResponseDecodeError as error:
            self._fail(error)
            return []
        if self._sse.error is not None:
            return self._take(events, then=self._sse.error)
        chunks = self._take(events) if events else []
        if not chunks and not self.ended:
            # Pings and empty events only keep the connection alive: the model may still be stuck.
            self._check_silence()
        return chunks

    def close(self) -> list[ChatChunk]:
        """End: returns the remaining chunks, and decides if the answer is complete."""
        if self.ended:
            return []
        if self._body is not None:
            return self._whole_body(b"".join(self._body))
        chunks: list[ChatChunk] = []
        for event in self._sse.close():
            # Half an event at the end means that the stream was cut.
            if event.data.strip() == "[DONE]" or codec.is_object(event.data):
                chunks += self._take([event])
        if not self.ended and self._sse.error is not None:
            self._fail(self._reported(codec.loads_or_text(self._sse.error)))
        if not self.ended:
            self.ended = True
            if not any(choice.finish_reason for choice in self.partial.choices.values()):
                self._fail(StreamTruncatedError("the stream was truncated: it ended before the answer did"))
        return chunks

    def replay(self, whole: dict[str, Any], chunks: Iterable[dict[str, Any]]) -> Iterator[ChatChunk]:
        """Normalize and merge the chunks of a whole answer, one by one."""
        self.ended = True
        self._note_cost(whole)
        self.partial.usage = normalized_usage(whole.get("usage")) or None
        return self._replayed(chunks)

    def _replayed(self, chunks: Iterable[dict[str, Any]]) -> Iterator[ChatChunk]:
        for chunk in chunks:
            regular: list[ChatChunk] = []
            self._read_or_fail(chunk, regular)
            yield from regular
            if self.error is not None:
                return

    def resume(self) -> float | None:
        """Restart the event timeout: the caller wants the next event.

        Returns:
            The time by which it must arrive, by this parser's clock; None for no limit.
        """
        self._last_event = self._clock()
        return None if self._event_timeout is None else self._last_event + self._event_timeout

    def lost(self, error: MeliousError) -> list[ChatChunk]:
        """End with the error of a failed connection, unless the answer was complete."""
        chunks = self.close()
        if isinstance(self.error, StreamTruncatedError):
            self._fail(error)
            if isinstance(error, APITimeoutError):
                self._check_silence(slack=_SLACK)
        return chunks

    def has_content(self, chunk: ChatChunk) -> bool:
        """Whether a chunk holds part of an answer, which rules out a retry."""
        return any(
            choice["delta"].get("content")
            or choice["delta"].get("reasoning_content")
            or choice["delta"].get("tool_calls")
            for choice in chunk["choices"]
        )

    def _fail(self, error: MeliousError) -> None:
        self.ended = True
        error.partial = self.partial
        error.request_id = error.request_id or self._head.request_id
        self.error = error

    def _check_silence(self, slack: float = 0.0) -> None:
        if self._event_timeout is not None and self._clock() - self._last_event > self._event_timeout - slack:
            self._fail(APITimeoutError(f"the stream stalled: no event for {self._event_timeout:g} s"))

    # --- events ------------------------------------------------------------------------------------

    def _take_only(self, data: bytes) -> list[ChatChunk] | None:
        """The fast path for a read with a single event; None if it cannot be taken."""
        try:
            chunk = from_json(data, cache_strings="keys")
        except ValueError:
            return None
        chunks: list[ChatChunk] = []
        self._read_or_fail(chunk, chunks)
        return chunks

    def _take(self, events: list[ServerSentEvent], then: str | None = None) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        for event in events:
            data = event.data
            if data[:1] != "{" or event.event != "message":
                if event.event == "error":
                    self._fail(self._reported(codec.loads_or_text(data)))
                    return chunks
                if event.event.lower() in _KEEPALIVES or not data or data.isspace():
                    continue
                if data.strip() == "[DONE]":
                    self.ended = self.done = True
                    return chunks
            try:
                chunk = codec.loads(data)
            except ValueError:
                chunk = None
            if type(chunk) is not dict:
                self._fail(
                    ResponseDecodeError(
                        f"an event of the stream is not a JSON object: {data[:_EXCERPT]!r}", body=data
                    )
                )
                return chunks
            self._read_or_fail(chunk, chunks)
            if self.ended:
                return chunks
        if then is not None:
            self._fail(self._reported(codec.loads_or_text(then)))
        return chunks

    def _read_or_fail(self, chunk: dict[str, Any], chunks: list[ChatChunk]) -> None:
        try:
            self._read(chunk, chunks)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            if chunk.get("error"):  # the service's own error comes first
                self._fail(self._reported(chunk))
            else:
                self._fail(ResponseDecodeError(f"a chunk of the stream is not valid: {error}", body=chunk))

    def _read(self, chunk: dict[str, Any], chunks: list[ChatChunk]) -> None:
        """Normalize one chunk, merge it, and append it to `chunks`."""
        partial = self.partial
        if not partial.top_level:
            partial.top_level = {name: chunk[name] for name in _TOP_LEVEL if chunk.get(name)}
        failed = chunk.get("object") == "error"
        if not _RARE.isdisjoint(chunk):
            failed = bool(chunk.get("error")) or chunk.get("type") == "error" or failed
            self._note_cost(chunk)
        choices = chunk.get("choices")
        if type(choices) is not list:
            choices = chunk["choices"] = list_or_empty(choices, "choices")
        for choice in choices:
            failed = self._read_choice(choice) or failed
        if chunk.get("usage") is not None:
            chunk["usage"] = normalized_usage(chunk["usage"])
            partial.usage = chunk["usage"] or partial.usage
        if not failed or choices:
            chunks.append(ChatChunk(chunk))
        if not failed:
            return
        self._fail(self._reported(chunk))

    def _note_cost(self, chunk: dict[str, Any]) -> None:
        for name in ("environment_impact", "billing_cost"):
            if name in chunk:
                if type(chunk[name]) is not dict:
                    chunk[name] = None
                elif chunk[name]:
                    setattr(self.partial, name, chunk[name])

    def _read_choice(self, choice: dict[str, Any]) -> bool:
        """Normalize and merge one choice; True if it says that the answer failed."""
        delta = choice.get("delta") if type(choice) is dict else None
        if type(delta) is not dict:
            delta = delta_of(choice)
            choice["delta"] = delta
        index = choice.get("index")
        if type(index) is not int:
            index = choice["index"] = index_on_wire(index) or 0
        state = self.partial.choice(index)
        if "tool_calls" in delta:
            calls = list_or_empty(delta["tool_calls"], "tool_calls")
            delta["tool_calls"] = state.merge_calls(calls) if calls else None
        self._read_text(delta, state)
        if choice.get("logprobs") is not None and type(choice["logprobs"]) is not dict:
            choice["logprobs"] = None
        finish = choice.get("finish_reason")
        if finish is not None:
            state.flush_into(delta)
            self.partial.usage = normalized_usage(choice.get("usage")) or self.partial.usage
            if finish and state.finish_reason is None:
                state.finish_reason = choice["finish_reason"] = str(finish)
            else:
                choice["finish_reason"] = None
        return finish == "error" or bool(choice.get("error"))

    @staticmethod
    def _read_text(delta: dict[str, Any], state: PartialChoice) -> None:
        if ("role" in delta and type(delta["role"]) is not str) or "refusal" in delta:
            drop_non_text(delta, "role", "refusal")
        content = delta.get("content")
        if content:
            if type(content) is not str:
                flatten_content(delta)
                content = delta["content"]
            delta["content"] = state.content.add(content)
        elif content is not None and type(content) is not str:
            delta["content"] = None
        reasoning = delta.get("reasoning_content")
        if not reasoning and ("reasoning" in delta or "reasoning_details" in delta):
            reasoning = delta.get("reasoning") or thought_in_details(delta.get("reasoning_details"))
        if reasoning:
            delta["reasoning_content"] = state.reasoning.add(reasoning) if type(reasoning) is str else None
        elif reasoning is not None:
            drop_non_text(delta, "reasoning_content")

    def _reported(self, body: Any) -> MeliousError:
        if isinstance(body, dict) and not body.get("error"):
            choices = body.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, dict) and choice.get("error"):
                    body = choice
        error = status_error(None, body, request_id=self._head.request_id, endpoint="the stream")
        if isinstance(body, dict) and not error.message.strip():
            error.message = "the stream reported an error"
        return error

    # --- an answer that is not a stream --------------------------------------------------------------

    def _detect_form(self, data: bytes) -> bytes:
        """Tell a stream from a whole body by its start; returns what can be parsed now."""
        start = (self._start + data).lstrip(b"\xef\xbb\xbf \r\n\t")
        if self._content_type == "text/event-stream":
            # Some servers send a JSON error, and some proxies a web page, under the requested type.
            whole = start.startswith((b"{", b"<"))
            self._detected = bool(start)
        else:
            whole = not start.startswith(_FIELDS)
            self._detected = not any(field.startswith(start) and field != start for field in _FIELDS)
            self._start, data = (b"", start) if self._detected else (start, b"")
        if self._detected and whole:
            self._body = []
        return data

    def _collect(self, data: bytes) -> None:
        assert self._body is not None  # noqa: S101 - narrows the type for the checker
        self._body.append(data)
        self._body_size += len(data)
        if self._body_size > MAX_EVENT_BYTES:
            self._fail(ResponseDecodeError(f"the answer is larger than {MAX_EVENT_BYTES:,} bytes"))

    def _whole_body(self, body: bytes) -> list[ChatChunk]:
        """Parse a body that is not a stream: an error, or a completion as one chunk."""
        text = body.decode("utf-8", "replace")
        parsed = codec.loads_or_text(text)
        chunks: list[ChatChunk] = []
        if isinstance(parsed, dict):
            parsed["object"] = "error" if parsed.get("object") == "error" else "chat.completion.chunk"
            self._read_or_fail(parsed, chunks)
            if self.error is None and not self.partial.choices:
                self._fail(self._reported(parsed))
                return []
            self.ended = True
            return chunks
        self._fail(
            ResponseDecodeError(
                f"the answer is not an event stream: content-type {self._content_type or 'missing'}, "
                f"beginning {' '.join(text[:_EXCERPT].split())!r}",
                body=text,
            )
        )
        return []
