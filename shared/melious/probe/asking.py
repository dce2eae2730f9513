"""A request of the probe, and what came back, raw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from melious.errors import APIStatusError
from melious.impact import BillingCost, EnvironmentImpact
from melious.wire import codec
from melious.wire.head import Head
from melious.wire.refusals import refusal

Key = Literal["usual", "wrong", "x-api-key"]
"""Which key goes along: the user's, an invented one, or the user's in the header `x-api-key`."""


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body, written out.

    Attributes:
        fields: Text fields.
        file: Name, media type and content of the field `file`, if there is one.
    """

    fields: Mapping[str, str]
    file: tuple[str, str, bytes] | None = None

    def encoded(self, boundary: str) -> bytes:
        """The bytes of the body."""
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in self.fields.items()
        ]
        if self.file is not None:
            name, kind, content = self.file
            head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
            parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
        return b"".join(parts) + f"--{boundary}--\r\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of the probe. It is sent once, however many questions read its answer.

    Attributes:
        name: Its name in the report; also that of its file in a cassette.
        endpoint: Which endpoint it is for: `chat`, `embeddings`, ...
        path: The path below the base URL.
        method: `POST` or `GET`.
        body: The JSON to send, if any.
        form: The multipart body to send, if any.
        headers: Further headers.
        key: Which key goes along.
        most_cost: EUR that it can cost at most; 0 for what is not billed.
        most_bytes: Bytes of the answer that are read.
        proof: A field that every answer has, or an event of the stream: what lacks it is no answer.
        private: Whether the answer holds the user's own data: it is then kept in no file.
    """

    name: str
    endpoint: str
    path: str
    method: Literal["POST", "GET"] = "POST"
    body: Mapping[str, Any] | None = None
    form: Form | None = None
    headers: tuple[tuple[str, str], ...] = ()
    key: Key = "usual"
    most_cost: Decimal = Decimal(0)
    most_bytes: int = 4 * 1024 * 1024
    proof: str = ""
    private: bool = False


@dataclass(frozen=True)
class Seen:
    """What came back: an answer of any status, or none.

    Attributes:
        ask: The request.
        status: The status; None where no answer came.
        headers: All headers, with names in lower case.
        body: The body, decompressed.
        failure: Why no answer came.
        elapsed: Seconds.
    """

    ask: Ask
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str = ""
    elapsed: float = 0.0

    @cached_property
    def data(self) -> Any:
        """The body as JSON, or its text."""
        return codec.loads_or_text(self.body)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, if it is a JSON object; otherwise nothing."""
        return self.data if isinstance(self.data, dict) else {}

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects of a stream's events."""
        found = []
        for line in self.body.decode("utf-8", "replace").splitlines():
            if line.startswith("data:") and (text := line[5:].strip()) != "[DONE]":
                event = codec.loads_or_text(text.encode())
                if isinstance(event, dict):
                    found.append(event)
        return found

    @property
    def comments(self) -> list[str]:
        """The comment lines of a stream."""
        lines = self.body.decode("utf-8", "replace").splitlines()
        return [line[1:].strip() for line in lines if line.startswith(":")]

    @cached_property
    def refusal(self) -> APIStatusError | None:
        """The refusal, as the library reads it; None for an answer, and where none came."""
        if self.status is None:
            return None
        said: Any = self.data
        if self.is_success:
            broken = [event for event in (*self.events, self.fields) if event.get("error")]
            if not broken:
                return None
            said = broken[0]
        return refusal(Head(self.status, self.headers), said, self.ask.endpoint)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the class of the status

    @property
    def is_answered(self) -> bool:
        """Whether it is an answer, and neither a refusal, nor an error in a stream, nor anything else."""
        return self.is_success and self.refusal is None and not self.is_something_else

    @property
    def is_something_else(self) -> bool:
        """Whether it is no answer in spite of its status: a web page, or JSON without what was asked."""
        if not self.is_success or self.refusal is not None:
            return False
        if self.ask.proof:
            return not any(self.ask.proof in place for place in (self.fields, *self.events))
        return self.kind == "text/html"

    @property
    def kind(self) -> str:
        """The media type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def error(self) -> Mapping[str, Any]:
        """The object `error` of a refusal; empty where it has another form."""
        found = self.fields.get("error")
        return found if isinstance(found, dict) else {}

    @cached_property
    def impact(self) -> Mapping[str, Any] | None:
        """The impact as it was sent, with an answer or in any chunk of a stream."""
        return self._extension("environment_impact")

    @cached_property
    def bill(self) -> Mapping[str, Any] | None:
        """The bill as it was sent."""
        return self._extension("billing_cost")

    @property
    def served_by(self) -> tuple[str | None, str | None] | None:
        """Provider and country, as far as reported; None if neither is."""
        if self.impact is None:
            return None
        read = EnvironmentImpact.model_validate(dict(self.impact))
        return None if read.provider_id is read.location is None else (read.provider_id, read.location)

    @property
    def eur(self) -> Decimal | None:
        """The bill in euro, if reported."""
        return None if self.bill is None else BillingCost.model_validate(dict(self.bill)).eur

    @property
    def usage(self) -> Mapping[str, Any]:
        """Token counts; empty if not reported."""
        for place in (*reversed(self.events), self.fields):
            if isinstance(place.get("usage"), dict):
                return place["usage"]  # type: ignore[no-any-return]  # checked to be a dict
        return {}

    @property
    def message(self) -> Mapping[str, Any]:
        """The message of a chat answer; empty if there is none."""
        choice = self._choice
        found = choice.get("message")
        return found if isinstance(found, dict) else {}

    @property
    def is_cut(self) -> bool:
        """Whether a chat answer ran out of tokens."""
        return self._choice.get("finish_reason") == "length"

    @property
    def _choice(self) -> Mapping[str, Any]:
        choices = self.fields.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        return first if isinstance(first, dict) else {}

    def _extension(self, name: str) -> Mapping[str, Any] | None:
        for place in (self.fields, *reversed(self.events)):
            if isinstance(place.get(name), dict):
                return place[name]  # type: ignore[no-any-return]  # checked to be a dict
        return None


def object_in(text: Any) -> Mapping[str, Any] | None:
    """The JSON object in a text; None if the text is anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
