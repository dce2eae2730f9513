"""One request on its way through the sandbox, and the reading of its body."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from melious.catalogue import ModelCard
from melious_sandbox.service import routing
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.faults import NO_FAULT, Fault
from melious_sandbox.service.impact import Work, billing_cost, environment_impact, extensions
from melious_sandbox.service.records import RecordedRequest, Served
from melious_sandbox.service.reply import REPLY_HEADER, Reply
from melious_sandbox.service.state import Service

_MOST_OF_A_NAME = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    filename: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Call:
    """What a route gets to see of a request.

    Attributes:
        service: The state of the sandbox.
        endpoint: The endpoint that was called.
        request_id: The id that the answer will carry.
        host: Host and port as the client named them.
        headers: Headers with lower-case names.
        query: Parameters of the query.
        path: Parameters of the path.
        body: The JSON object, or the fields of the form with uploads as ``Upload``.
        fault: What goes wrong with this request.
        record: Where is noted what becomes of the request.
        gone: Set once the client has closed its connection.
    """

    service: Service
    endpoint: str
    request_id: str
    host: str
    headers: dict[str, str]
    query: dict[str, str]
    path: dict[str, str]
    record: RecordedRequest
    gone: asyncio.Event
    body: Any = None
    fault: Fault = field(default=NO_FAULT)
    _way: tuple[ModelCard, routing.Route] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            SandboxError: The body is something else, or no JSON at all.
        """
        if not isinstance(self.body, dict):
            raise SandboxError("malformed", "The body of the request must be a JSON object.")
        return self.body

    def route(self, card: ModelCard, request: Mapping[str, Any]) -> None:
        """Choose the provider, from the fields of ``request`` that say so.

        Raises:
            SandboxError: A field has the wrong kind of value, or the filters leave no provider.
        """
        route = routing.choose(card, self.endpoint, request)
        self._way = card, route
        self.record.served = Served(card.id[:_MOST_OF_A_NAME], route.provider.id, route.provider.country)

    def scripted(self, model: str = "") -> Reply | None:
        """Give the scripted reply to this request, from its header or from those that wait.

        Args:
            model: The id of the model, without a flavor.

        Raises:
            SandboxError: The header is wrong, or a predicate failed.
        """
        header = self.headers.get(REPLY_HEADER)
        reply = self._waiting_reply(model) if header is None else self._reply_in(header)
        self.record.reply = reply
        return reply

    def _reply_in(self, header: str) -> Reply:
        try:
            reply = Reply.from_header(header)
        except ValueError as error:
            raise SandboxError("invalid_value", f"The header {REPLY_HEADER} is wrong: {error}.") from None
        if not reply.fits(self.endpoint):
            raise SandboxError(
                "invalid_value", f"The header {REPLY_HEADER} holds a reply that this endpoint cannot give."
            )
        return reply

    def _waiting_reply(self, model: str) -> Reply | None:
        if not self.service.replies:
            return None
        record = self.record
        named = self.body.get("model") if isinstance(self.body, dict) else None
        # A body too large for the record is there for the predicate.
        request = replace(record, body=self.body) if record.body_left_out else record
        try:
            return self.service.replies.take(request, (model, named) if isinstance(named, str) else (model,))
        except Exception as error:
            raise SandboxError("internal", f"The `when` of a scripted reply raised {error!r}.") from error

    def cost(self, work: Work, *, told: bool = True) -> dict[str, Any]:
        """Work out and note what the request cost, once it has a route.

        Args:
            work: What the provider did.
            told: Whether the answer has a place for the figures.

        Returns:
            The fields that ride on the answer.
        """
        if self._way is None or self.record.served is None:
            raise RuntimeError("a request without a route costs nothing")
        card, route = self._way
        profile = self.service.profile
        extra = extensions(profile, card, route, work, self.fault) if told else {}
        served = self.record.served
        served.work = work
        served.impact = environment_impact(card, route, work)
        served.bill = billing_cost(profile, card, route, work)
        served.told = frozenset(extra)
        return extra

    @property
    def seconds_per_token(self) -> float:
        """How long the provider takes to write a token, at the pace of the sandbox."""
        return 0.0 if self._way is None else self.service.settings.pace / self._way[1].provider.speed

    @property
    def seconds_of_work(self) -> float:
        """How long it takes to write the answer."""
        work = self.record.served.work if self.record.served is not None else None
        return 0.0 if work is None else work.output_tokens * self.seconds_per_token


async def parse_body(raw: bytes, content_type: str) -> Any:
    """Parse a body as JSON or as a form; text that is neither is given as it is, nothing as None."""
    if not raw:
        return None
    if content_type.startswith("multipart/form-data"):
        return await _parse_form(raw, content_type)
    try:
        return from_json(raw)
    except ValueError:
        # The standard library takes what servers and clients really send: lone surrogates, deep nesting.
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            return raw.decode("utf-8", "replace")


async def _parse_form(raw: bytes, content_type: str) -> Any:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    # The parser leaves the file of a part without an end open.
    end = b"\r\n--" + boundary + b"--"
    if not boundary or end not in b"\r\n" + raw:
        return raw.decode("utf-8", "replace")

    async def stream() -> AsyncIterator[bytes]:
        yield raw

    parser = MultiPartParser(Headers({"content-type": content_type}), stream())  # type: ignore[arg-type]
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError):
        return raw.decode("utf-8", "replace")
    fields: dict[str, Any] = {}
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                fields[name] = Upload(
                    value.filename or "", value.content_type or "application/octet-stream", await value.read()
                )
            elif name.endswith("[]"):
                fields.setdefault(name.removesuffix("[]"), []).append(value)
            else:
                fields[name] = value
    finally:
        await form.close()
    return fields
