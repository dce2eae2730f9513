"""One request on its way through the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.server.bodies import RequestBody
from melious_sandbox.server.listener import Connection
from melious_sandbox.service import routing
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.faults import NO_FAULT, Fault
from melious_sandbox.service.impact import Work, billing_cost, environment_impact, extensions
from melious_sandbox.service.records import RecordedRequest, Served
from melious_sandbox.service.reply import REPLY_HEADER, Reply
from melious_sandbox.service.responses import Response, json_response
from melious_sandbox.service.state import Service

_MOST_OF_A_NAME = 200


@dataclass(slots=True)
class RequestContext:
    """What a route sees of a request."""

    service: Service
    endpoint: str
    host: str  # with the port, as the client named them
    headers: dict[str, str]  # names in lower case
    query: dict[str, str]
    path: dict[str, str]
    record: RecordedRequest
    connection: Connection
    incoming: RequestBody
    body: Any = None  # JSON, or the fields of a form with each file as Upload
    fault: Fault = field(default=NO_FAULT)
    _routed: tuple[ModelCard, routing.Route] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The body, which must be an object."""
        if not isinstance(self.body, dict):
            raise SandboxError("malformed", "The body of the request must be a JSON object.")
        return self.body

    def route(self, card: ModelCard, request: Mapping[str, Any]) -> None:
        """Choose the provider by the routing fields of ``request``."""
        route = routing.choose(card, self.endpoint, request)
        self._routed = card, route
        self.record.served = Served(card.id[:_MOST_OF_A_NAME], route.provider.id, route.provider.country)

    @property
    def seen(self) -> RecordedRequest:
        """The request for predicates, which see its body even where the record has no room for it."""
        record = self.record
        return replace(record, body=self.body) if record.body_left_out else record

    def scripted_reply(self, model: str = "") -> Reply | None:
        """Give the scripted reply to this request, from its header or from those that wait."""
        header = self.headers.get(REPLY_HEADER)
        reply = self._waiting_reply(model) if header is None else self._reply_in(header)
        self.record.reply = reply
        return reply

    def scripted_json(self, model: str = "") -> Response | None:
        """Give the answer to a request to an endpoint that takes no other scripted reply than whole JSON."""
        reply = self.scripted_reply(model)
        return None if reply is None else json_response(reply.json)

    def _reply_in(self, header: str) -> Reply:
        try:
            reply = Reply.from_header(header)
        except ValueError as error:
            raise SandboxError("invalid_value", f"The header {REPLY_HEADER} is wrong: {error}.") from None
        if not reply.fits(self.endpoint):
            message = f"The header {REPLY_HEADER} holds a reply that this endpoint cannot give."
            raise SandboxError("invalid_value", message)
        return reply

    def _waiting_reply(self, model: str) -> Reply | None:
        if not self.service.replies:
            return None
        named = self.body.get("model") if isinstance(self.body, dict) else None
        try:
            return self.service.replies.take(
                self.seen, (model, named) if isinstance(named, str) else (model,)
            )
        except Exception as error:
            raise SandboxError("internal", f"The `when` of a scripted reply raised {error!r}.") from error

    def cost(self, work: Work, *, sent: bool = True) -> dict[str, Any]:
        """Record what a routed request cost, and give the fields of the answer that carry it, if ``sent``."""
        served = self.record.served
        if self._routed is None or served is None:
            raise RuntimeError("a request without a route costs nothing")
        card, route = self._routed
        profile = self.service.profile
        fields = extensions(profile, card, route, work, self.fault) if sent else {}
        served.work = work
        served.impact = environment_impact(card, route, work)
        served.bill = billing_cost(profile, card, route, work)
        served.told = frozenset(fields)
        return fields

    @property
    def seconds_per_token(self) -> float:
        """How long the provider takes to write a token, at the pace of the sandbox."""
        return 0.0 if self._routed is None else self.service.settings.pace / self._routed[1].provider.speed

    @property
    def seconds_of_work(self) -> float:
        """How long it takes to write the answer."""
        work = self.record.served.work if self.record.served is not None else None
        return 0.0 if work is None else work.output_tokens * self.seconds_per_token
