"""How every request is handled: key, body, record, rate limit, fault, route, answer."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from melious_sandbox.server.bodies import RequestBody, parse_body, without_files
from melious_sandbox.server.context import RequestContext
from melious_sandbox.server.delivery import Delivery
from melious_sandbox.service.errors import ClientGoneError, SandboxError
from melious_sandbox.service.faults import FAULT_HEADER, NO_FAULT, Fault
from melious_sandbox.service.files import LARGEST_FILE
from melious_sandbox.service.limits import RateState
from melious_sandbox.service.profiles import Profile, Reason
from melious_sandbox.service.records import RecordedRequest, mask
from melious_sandbox.service.responses import EVENTS_TYPE, EventsResponse, Response, json_response
from melious_sandbox.service.state import Service

Route = Callable[[RequestContext], Awaitable[Response | EventsResponse]]

_NOT_READ = "the request was refused before its body was read"
_TOO_LARGE = "the body is larger than the sandbox reads"
_MOST_OF_AN_ERROR = 1_000
_AROUND_A_FILE = 64 * 1024
_logger = logging.getLogger("melious.sandbox")
_REASON_OF_STATUS: dict[int, Reason] = {
    400: "invalid_value",
    401: "auth",
    402: "insufficient_quota",
    403: "scope",
    404: "model_not_found",
    405: "method_not_allowed",
    408: "upstream_timeout",
    413: "payload_too_large",
    429: "rate_limit",
    502: "provider_error",
    503: "provider_error",
    504: "upstream_timeout",
}


class Handler:
    """The ASGI application of one path."""

    def __init__(
        self, service: Service, endpoint: str, route: Route, methods: str | tuple[str, ...] | None
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._route = route
        self._methods = (methods,) if isinstance(methods, str) else methods
        self._most = service.settings.max_body_bytes
        if endpoint == "files":
            self._most = max(self._most, LARGEST_FILE + _AROUND_A_FILE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        incoming = RequestBody(receive, scope["headers"])
        refusal = self._refusal(scope["method"], headers)
        raw, left_out = b"", None
        try:
            if self._endpoint and refusal is None:
                raw = await incoming.read(self._most)
            elif not await incoming.skip():
                return
            else:
                left_out = _NOT_READ if incoming.is_announced else None
        except SandboxError as error:
            refusal, left_out = error, _TOO_LARGE
        except ClientGoneError:
            return
        body = await parse_body(raw, headers.get("content-type", ""))
        record = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            endpoint=self._endpoint,
            headers=mask(headers),
            body=without_files(body),
            request_id=f"req_{uuid.uuid4().hex}",
            connection=scope["state"]["connection"].port,
            received_at=time.time(),
            body_left_out=left_out,
        )
        # Of a form, only what describes its files is kept.
        form = headers.get("content-type", "").startswith("multipart/")
        self._service.requests.append(record, 0 if form else len(raw))
        context = RequestContext(
            service=self._service,
            endpoint=self._endpoint,
            host=headers.get("host", "{}:{}".format(*scope["server"])),
            headers=headers,
            query=dict(parse_qsl(record.query, keep_blank_values=True)),
            path=scope.get("path_params", {}),
            record=record,
            connection=scope["state"]["connection"],
            incoming=incoming,
            body=body,
        )
        try:
            with self._service.overlap.in_flight(self._endpoint):
                await self._serve(context, refusal, send)
        except ClientGoneError:
            return
        finally:
            self._service.requests.finish(record)

    def _refusal(self, method: str, headers: Mapping[str, str]) -> SandboxError | None:
        """Give the error of a request that is refused whatever its body says."""
        if self._methods is not None and method not in self._methods:
            return SandboxError("method_not_allowed", headers={"allow": ", ".join(self._methods)})
        try:
            if self._endpoint:
                self._service.keys.check(headers, self._endpoint)
        except SandboxError as error:
            return error
        return None

    async def _serve(self, context: RequestContext, refusal: SandboxError | None, send: Send) -> None:
        state, response = await self._answer(context, refusal)
        seconds = self._service.settings.latency + context.fault.delay
        if isinstance(response, Response):
            seconds += context.seconds_of_work
        delivery = Delivery(send, context)
        try:
            if await delivery.pause(seconds):
                usual = [
                    ("server", "melious-sandbox"),
                    ("x-request-id", context.record.request_id),
                    *self._service.profile.rate_headers(state.limit, state.remaining, state.reset),
                    *context.incoming.connection_header.items(),
                ]
                await delivery.send(response, usual)
        finally:
            if isinstance(response, EventsResponse) and response.close is not None:
                await response.close()

    async def _answer(
        self, context: RequestContext, refusal: SandboxError | None
    ) -> tuple[RateState, Response | EventsResponse]:
        state: list[RateState] = []

        async def counted(context: RequestContext) -> Response | EventsResponse:
            state.extend(self._counted(refusal))
            return await _routed(context, self._route)

        response = await _rendered(context, counted)
        return state[0] if state else self._service.limiter.peek(), response

    def _counted(self, refusal: SandboxError | None) -> list[RateState]:
        """Count a request that is not refused."""
        if refusal is not None:
            raise refusal
        if not self._endpoint:
            return []
        state = self._service.limiter.take()
        if not state.allowed:
            raise SandboxError("rate_limit", headers={"retry-after": str(state.retry_after)})
        return [state]


async def answered(context: RequestContext, route: Route) -> Response | EventsResponse:
    """Answer a request that counts against no limit: a line of a batch."""

    async def routed(context: RequestContext) -> Response | EventsResponse:
        return await _routed(context, route)

    return await _rendered(context, routed)


async def _rendered(context: RequestContext, route: Route) -> Response | EventsResponse:
    """Give the answer of a route, or its error as an answer."""
    try:
        return await route(context)
    except SandboxError as error:
        failure = error
    except (asyncio.CancelledError, ClientGoneError):
        raise
    except Exception:
        _logger.exception("the sandbox failed on %s %s", context.record.method, context.endpoint)
        failure = SandboxError("internal")
    context.record.error = failure.message[:_MOST_OF_AN_ERROR]
    status, body = failure.render(context.service.profile)
    return json_response(body, status, failure.headers)


async def _routed(context: RequestContext, route: Route) -> Response | EventsResponse:
    context.fault = _fault(context)
    if context.fault is not NO_FAULT:
        context.record.fault = context.fault
    if context.fault.answers:
        return _fault_response(context.fault, context.service.profile)
    return await route(context)


def _fault(context: RequestContext) -> Fault:
    header = context.headers.get(FAULT_HEADER)
    if header is None:
        return _waiting_fault(context) or NO_FAULT
    try:
        return Fault.from_header(header)
    except ValueError as error:
        raise SandboxError("invalid_value", f"The header {FAULT_HEADER} is wrong: {error}.") from None


def _waiting_fault(context: RequestContext) -> Fault | None:
    if not context.service.faults:
        return None
    try:
        return context.service.faults.take(context.endpoint, context.seen)
    except Exception as error:
        raise SandboxError("internal", f"The `when` of a fault raised {error!r}.") from error


def _fault_response(fault: Fault, profile: Profile) -> Response | EventsResponse:
    if fault.raw is not None:
        blocks = [item.encode("latin-1") for item in fault.raw]
        return EventsResponse(blocks, fault.content_type or EVENTS_TYPE, fault.status or 200)
    if fault.body is not None and fault.code is None:
        return Response(fault.body_bytes(), fault.status or 200)
    status = fault.status or HTTPStatus.INTERNAL_SERVER_ERROR
    usual: Reason = "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_value"
    reason = fault.code or _REASON_OF_STATUS.get(status, usual)
    usual_status, body = SandboxError(reason).render(profile)
    response = json_response(body, fault.status or usual_status)
    return response if fault.body is None else replace(response, content=fault.body_bytes())
