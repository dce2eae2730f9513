"""Faults on demand: what should go wrong, with which request, how often."""

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from melious.sandbox.profiles import REASONS, Reason

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
_AMOUNTS = (
    "after",
    "delay",
    "cut_after_events",
    "cut_after_bytes",
    "stall_after_events",
    "stall_seconds",
    "stall_comments",
    "error_after_events",
)
_STATUSES = range(200, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong on purpose.

    Attributes:
        endpoint: The endpoint that is hit; None hits any.
        times: How many requests are hit; None hits every one.
        after: How many matching requests pass unharmed first.
        status: HTTP status of the answer. Alone it answers with a plausible error body of that status.
        code: A symbolic reason (``rate_limit``, ``insufficient_quota``, ``provider_error``, ...), answered in
            the words of the sandbox's profile; ``status`` overrides the profile's status.
        body: The body of the answer, verbatim; a mapping is sent as JSON.
        headers: Headers of the answer; they replace those of the same name.
        content_type: ``content-type`` of the answer.
        delay: Seconds before the first byte of the answer.
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
        ValueError: A value that no request could ever be hit by, or no answer could carry.

    Example:
        >>> from melious.sandbox import Fault
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
            value = getattr(self, name)
            if value is not None and value not in words:
                raise ValueError(f"unknown {name} {value!r}; one of {', '.join(words)}")
        for name in _AMOUNTS:
            amount = getattr(self, name)
            if amount is not None and not 0 <= amount < math.inf:
                raise ValueError(f"{name} must be a number of 0 or more")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for always")
        if self.status is not None and self.status not in _STATUSES:
            raise ValueError(f"status must be from {_STATUSES[0]} to {_STATUSES[-1]}")
        for text in (*self.headers, *self.headers.values(), self.content_type or ""):
            if not text.isprintable() or not _is_latin1(text):
                raise ValueError(f"{text!r} cannot stand in a header")
        if not all(map(_is_latin1, (*(self.raw or ()), self.garbage or ""))):
            raise ValueError("in raw and in garbage each character is one byte, U+0000 to U+00FF")

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
            elif item.name == "headers":
                if value:
                    given["headers"] = dict(value)
            elif value != item.default:
                given[item.name] = value
        return json.dumps(given, separators=(",", ":"))

    @classmethod
    def from_header(cls, value: str) -> "Fault":
        """Read what ``to_header`` wrote.

        Raises:
            ValueError: The text is not a JSON object of this class's fields.
        """
        given = json.loads(value)
        if not isinstance(given, dict):
            raise ValueError("a fault is a JSON object")  # noqa: TRY004 - one error for every bad header
        if isinstance(given.get("body_latin1"), str):
            given["body"] = given.pop("body_latin1").encode("latin-1")
        unknown = given.keys() - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields of a fault: {', '.join(sorted(unknown))}")
        try:
            return _adapter().validate_python(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = "".join(f"{part}: " for part in first["loc"][:1])
            raise ValueError(f"{where}{first['msg'].removeprefix('Value error, ')}") from None


@cache
def _adapter() -> TypeAdapter[Fault]:
    return TypeAdapter(Fault)


def _is_latin1(text: str) -> bool:
    return all(character <= "\xff" for character in text)


NO_FAULT = Fault()


class Faults:
    """The faults that wait for requests; the first that matches a request is the one that hits it.

    Example:
        >>> from melious.sandbox import Fault, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.faults.add(Fault(status=503), Fault(endpoint="chat", delay=0.5))
        ...     len(sandbox.faults)
        2
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def add(self, *faults: Fault) -> None:
        """Let faults happen, in this order."""
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
