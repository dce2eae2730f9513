"""Faults on demand: what should go wrong, with which request, how often."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Annotated, Any, Literal

from melious_sandbox.service import checks
from melious_sandbox.service.checks import known_arguments, refuse, whole
from melious_sandbox.service.profiles import Reason
from melious_sandbox.service.responses import json_bytes
from melious_sandbox.service.waiting import WaitingList

FAULT_HEADER = "x-sandbox-fault"

Endpoint = Literal[
    "chat",
    "embeddings",
    "rerank",
    "images",
    "audio",
    "documents",
    "models",
    "tools",
    "mcp",
    "messages",
    "files",
    "batches",
]
ImpactDamage = Literal["missing", "partial", "strange"]
CostDamage = Literal["missing", "partial", "strange", "string", "number", "zero"]
UsageDamage = Literal["missing"]

Predicate = Callable[[Any], bool]  # of a RecordedRequest, which knows faults

_LONGEST_LENGTH = 15


def _headers(name: str, value: Any) -> None:
    checks.headers(name, value)
    for header, text in value.items():
        where = f"{name}['{header.lower()}']"
        if header.lower() == "transfer-encoding" and text.lower() != "chunked":
            refuse(where, "'chunked', the only encoding of the sandbox", text)
        digits = text.isascii() and text.isdigit() and len(text) <= _LONGEST_LENGTH
        if header.lower() == "content-length" and not digits:
            refuse(where, "a whole number", text)


Count = Annotated[int | None, whole(0)]
Seconds = Annotated[float, checks.seconds]


@known_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong on purpose.

    Attributes:
        endpoint: The endpoint that is hit; None hits any.
        times: How many requests are hit, at least 1; None hits every one.
        after: How many matching requests pass first.
        status: HTTP status of the answer, 200 to 599. Alone it answers with a plausible error body.
        code: A symbolic reason (``rate_limit``, ``insufficient_quota``, ``provider_error``, ...), answered
            with the codes of the sandbox's profile; ``status`` overrides the profile's status.
        body: The body of the answer, verbatim; a mapping is sent as JSON.
        headers: Headers of the answer; they replace those of the same name.
        content_type: ``content-type`` of the answer.
        delay: Seconds before the first byte of the answer; this and other times are at most a day.
        cut_after_events: Close the connection abruptly after so many stream events.
        cut_after_bytes: Close the connection abruptly after so many bytes of the body; 0 closes it before the
            status line.
        stall_after_events: Fall silent after so many stream events, for ``stall_seconds``.
        stall_seconds: Length of the silence in seconds.
        stall_comments: Send a comment line every so many seconds during the silence.
        error_after_events: Send an error object (see ``code``) after so many stream events, and end.
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
        InvalidArgumentError: An argument is unknown, or its value cannot be used; a ``ValueError`` too.

    Examples:
        >>> from melious_sandbox import Fault
        >>> Fault(code="rate_limit", headers={"retry-after": "1"}).to_header()
        '{"code":"rate_limit","headers":{"retry-after":"1"}}'
    """

    endpoint: Endpoint | None = None
    times: Annotated[int | None, whole(1)] = 1
    after: Annotated[int, whole(0)] = 0
    status: Annotated[int | None, whole(200, 599)] = None
    code: Reason | None = None
    body: str | bytes | Mapping[str, Any] | None = None
    headers: Annotated[Mapping[str, str], _headers] = field(default_factory=dict)
    content_type: Annotated[str | None, checks.header_value] = None
    delay: Seconds = 0.0
    cut_after_events: Count = None
    cut_after_bytes: Count = None
    stall_after_events: Count = None
    stall_seconds: Seconds = 0.0
    stall_comments: Annotated[float | None, checks.seconds] = None
    error_after_events: Count = None
    no_done: bool = False
    two_terminals: bool = False
    raw: Annotated[tuple[str, ...] | list[str] | None, checks.list_of(checks.latin_1)] = None
    garbage: Annotated[str | None, checks.latin_1] = None
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
        checks.check_fields(self)
        if not isinstance(self.body, str | bytes | Mapping | None):
            refuse("body", "a string, bytes or a mapping", self.body)
        try:
            self.to_header()
            self.body_bytes()
        except (TypeError, ValueError, RecursionError):
            refuse("body", "a string that UTF-8 can encode, bytes, or a mapping of JSON values")

    def hits(self, endpoint: str) -> bool:
        """Whether a request to an endpoint can be hit."""
        return self.endpoint in (None, endpoint)

    def body_bytes(self) -> bytes:
        """Give the body of the answer as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json_bytes(dict(self.body or {}))

    @property
    def answers(self) -> bool:
        """Whether the fault is itself the answer, so that the request is not looked at."""
        refuses = self.code is not None and self.error_after_events is None
        return refuses or self.status is not None or self.body is not None or self.raw is not None

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
        given = checks.header_object(value, [*cls.__dataclass_fields__, "body_latin1"])
        if "body_latin1" in given:
            if "body" in given:
                raise ValueError("body and body_latin1 exclude each other")
            checks.latin_1("body_latin1", given["body_latin1"])
            given["body"] = given.pop("body_latin1").encode("latin-1")
        return cls(**given)


NO_FAULT = Fault()


class Faults(WaitingList[Fault]):
    """The faults that wait for requests; the first that matches a request hits it.

    Examples:
        >>> from melious_sandbox import Fault, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.faults.add(Fault(status=503), Fault(endpoint="chat", delay=0.5))
        ...     len(sandbox.faults)
        2
    """

    def add(self, *faults: Fault, when: Predicate | None = None) -> None:
        """Let faults happen, in this order.

        Args:
            faults: The faults.
            when: Called with the request as the sandbox records it, ``body`` included; a fault hits where it
                returns True. It runs in the thread of the sandbox. ``custom_id`` names the lines of batches.

        Raises:
            InvalidArgumentError: One of them is not a ``Fault``, or ``when`` is not a function.
        """
        for fault in faults:
            if not isinstance(fault, Fault):
                refuse("faults", "Fault objects", fault)
        if when is not None and not callable(when):
            refuse("when", "a function that takes the request", when)
        for fault in faults:
            self._add(fault, fault.times, partial(_matches, fault, when), fault.after)


def _matches(fault: Fault, when: Predicate | None, endpoint: str, request: Any) -> bool:
    return fault.hits(endpoint) and (when is None or bool(when(request)))
