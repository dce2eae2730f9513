"""Faults on demand: what should go wrong, with which request, how often."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from melious_sandbox.checks import (
    check_bytes_as_text,
    check_flag,
    check_header,
    check_header_value,
    check_seconds,
    check_whole,
    check_word,
    refuse,
)
from melious_sandbox.headers import header_object
from melious_sandbox.profiles import REASONS, Reason
from melious_sandbox.responses import json_bytes

FAULT_HEADER = "x-sandbox-fault"

Endpoint = Literal["chat", "embeddings", "rerank", "images", "audio", "models"]
ImpactDamage = Literal["missing", "partial", "strange"]
CostDamage = Literal["missing", "partial", "strange", "string", "number", "zero"]
UsageDamage = Literal["missing"]

_WORDS: Mapping[str, tuple[str, ...]] = {
    "endpoint": get_args(Endpoint),
    "code": REASONS,
    "impact": get_args(ImpactDamage),
    "cost": get_args(CostDamage),
    "usage": get_args(UsageDamage),
}
_WHOLE: Mapping[str, tuple[int, int | None]] = {
    "times": (1, None),
    "status": (200, 599),
    "cut_after_events": (0, None),
    "cut_after_bytes": (0, None),
    "stall_after_events": (0, None),
    "error_after_events": (0, None),
}
_FLAGS = (
    "no_done",
    "two_terminals",
    "truncate_base64",
    "shuffle_indices",
    "drop_item",
    "ignore_encoding",
    "refuse_base64",
    "refuse_stream_options",
)
_LONGEST_LENGTH = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong on purpose.

    Attributes:
        endpoint: The endpoint that is hit; None hits any.
        times: How many requests are hit, at least 1; None hits every one.
        after: How many matching requests pass unharmed first.
        status: HTTP status of the answer, 200 to 599. Alone it answers with a plausible error body of that
            status.
        code: A symbolic reason (``rate_limit``, ``insufficient_quota``, ``provider_error``, ...), answered in
            the words of the sandbox's profile; ``status`` overrides the profile's status.
        body: The body of the answer, verbatim; a mapping is sent as JSON.
        headers: Headers of the answer; they replace those of the same name.
        content_type: ``content-type`` of the answer.
        delay: Seconds before the first byte of the answer, at most a day, as the other times.
        cut_after_events: Close the connection abruptly after so many stream events.
        cut_after_bytes: Close the connection abruptly after so many bytes of the body; 0 closes it before the
            status line.
        stall_after_events: Fall silent after so many stream events, for ``stall_seconds``.
        stall_seconds: Length of the silence in seconds.
        stall_comments: Send a comment line every so many seconds during the silence.
        error_after_events: Send an error object inside the stream after so many events, and end it;
            ``code`` says which error.
        no_done: Leave out the closing ``[DONE]``.
        two_terminals: Send the chunk with the finish reason twice, the second time with the usage.
        raw: The whole answer to a stream, one write per item, each character one byte.
        garbage: Bytes written in the middle of the answer, each character one byte.
        truncate_base64: Cut every base64 vector short.
        shuffle_indices: Give the items of ``data`` or ``results`` in another order.
        drop_item: Leave out the last item of ``data`` or ``results``.
        ignore_encoding: Send floats though base64 was asked for.
        refuse_base64: Refuse base64 with 400.
        refuse_stream_options: Refuse ``stream_options`` with 400.
        impact: How ``environment_impact`` goes wrong.
        cost: How ``billing_cost`` goes wrong.
        usage: ``missing`` leaves the usage out.

    Raises:
        InvalidArgumentError: A value that no request could ever be hit by, or no answer could carry; a
            ``ValueError`` too.

    Example:
        >>> from melious_sandbox import Fault
        >>> Fault(code="rate_limit", headers={"retry-after": "1"}).to_header()
        '{"code":"rate_limit","headers":{"retry-after":"1"}}'
    """

    endpoint: Endpoint | None = None
    times: int | None = 1
    after: int = 0
    status: int | None = None
    code: Reason | None = None
    body: str | bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    delay: float = 0.0
    cut_after_events: int | None = None
    cut_after_bytes: int | None = None
    stall_after_events: int | None = None
    stall_seconds: float = 0.0
    stall_comments: float | None = None
    error_after_events: int | None = None
    no_done: bool = False
    two_terminals: bool = False
    raw: tuple[str, ...] | list[str] | None = None
    garbage: str | None = None
    truncate_base64: bool = False
    shuffle_indices: bool = False
    drop_item: bool = False
    ignore_encoding: bool = False
    refuse_base64: bool = False
    refuse_stream_options: bool = False
    impact: ImpactDamage | None = None
    cost: CostDamage | None = None
    usage: UsageDamage | None = None

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if getattr(self, name) is not None:
                check_word(name, getattr(self, name), words)
        for name, (least, most) in _WHOLE.items():
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least, most)
        check_whole("after", self.after, 0)
        check_seconds("delay", self.delay)
        check_seconds("stall_seconds", self.stall_seconds)
        if self.stall_comments is not None:
            check_seconds("stall_comments", self.stall_comments)
        for name in _FLAGS:
            check_flag(name, getattr(self, name))
        self._check_answer()

    def _check_answer(self) -> None:
        if not isinstance(self.headers, Mapping):
            refuse("headers", "a mapping of names to values", self.headers)
        for name, value in self.headers.items():
            check_header("headers", name, value)
            _check_framing(name.lower(), value)
        if self.content_type is not None:
            check_header_value("content_type", self.content_type)
        if self.raw is not None:
            if not isinstance(self.raw, tuple | list):
                refuse("raw", "a list or tuple of strings", self.raw)
            for position, text in enumerate(self.raw):
                check_bytes_as_text(f"raw[{position}]", text)
        if self.garbage is not None:
            check_bytes_as_text("garbage", self.garbage)
        if self.body is not None:
            if not isinstance(self.body, str | bytes | Mapping):
                refuse("body", "a string, bytes or a mapping", self.body)
            try:
                self.to_header()
                self.body_bytes()
            except (TypeError, ValueError, RecursionError):
                refuse("body", "a string that UTF-8 can encode, bytes, or a mapping of JSON values")

    def body_bytes(self) -> bytes:
        """Give the body of the answer as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json_bytes(dict(self.body or {}))

    @property
    def answers(self) -> bool:
        """Whether the fault is itself the answer, so that the request is not looked at."""
        said = self.code is not None and self.error_after_events is None
        return said or self.status is not None or self.body is not None or self.raw is not None

    def disordered(self, items: list[Any]) -> list[Any]:
        """Give the items of an answer in another order, or one too few, where that is the fault."""
        if self.shuffle_indices:
            items = items[1::2] + items[::2]
        return items[:-1] if self.drop_item else items

    def to_header(self) -> str:
        """Write the fault as the value of the ``x-sandbox-fault`` header: compact JSON, defaults left out.

        There it hits the request that carries it, whatever ``endpoint``, ``times`` and ``after`` say.
        """
        given: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "body" and isinstance(value, bytes):
                given["body_latin1"] = value.decode("latin-1")
            elif isinstance(value, Mapping):
                if value or item.name == "body":
                    given[item.name] = dict(value)
            elif value != item.default:
                given[item.name] = value
        return json.dumps(given, separators=(",", ":"))

    @classmethod
    def from_header(cls, value: str) -> "Fault":
        """Read what ``to_header`` wrote.

        Raises:
            ValueError: The text is not a JSON object of this class's fields.
        """
        names = [item.name for item in fields(cls)]
        given = header_object(value, [*names, "body_latin1"])
        if "body_latin1" in given:
            if "body" in given:
                raise ValueError("body and body_latin1 exclude each other")
            check_bytes_as_text("body_latin1", given["body_latin1"])
            given["body"] = given.pop("body_latin1").encode("latin-1")
        return cls(**given)


def _check_framing(name: str, value: str) -> None:
    if name == "transfer-encoding" and value.lower() != "chunked":
        refuse(
            "headers['transfer-encoding']", "'chunked': the sandbox encodes answers in no other way", value
        )
    if name == "content-length" and not (
        value.isascii() and value.isdigit() and len(value) <= _LONGEST_LENGTH
    ):
        refuse("headers['content-length']", "a whole number", value)


NO_FAULT = Fault()


class Faults:
    """The faults that wait for requests; the first that matches a request is the one that hits it.

    Example:
        >>> from melious_sandbox import Fault, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.faults.add(Fault(status=503), Fault(endpoint="chat", delay=0.5))
        ...     len(sandbox.faults)
        2
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def add(self, *faults: Fault) -> None:
        """Let faults happen, in this order.

        Raises:
            InvalidArgumentError: One of them is not a ``Fault``.
        """
        for fault in faults:
            if not isinstance(fault, Fault):
                refuse("faults", "given as Fault objects", fault)
        with self._lock:
            self._waiting.extend(_Waiting(fault, fault.times, fault.after) for fault in faults)

    def clear(self) -> None:
        """Call off every fault that has not happened yet."""
        with self._lock:
            self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, endpoint: str) -> Fault | None:
        """Give the fault that hits a request to this endpoint, and count it."""
        if not self._waiting:
            return None
        with self._lock:
            for waiting in self._waiting:
                if waiting.fault.endpoint not in (None, endpoint):
                    continue
                if waiting.skip:
                    waiting.skip -= 1
                    continue
                if waiting.left is not None:
                    waiting.left -= 1
                    if not waiting.left:
                        self._waiting.remove(waiting)
                return waiting.fault
        return None


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    left: int | None
    skip: int
