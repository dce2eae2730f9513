"""The one way that every request takes: key, read, record, limit, fault, route, answer."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from melious_sandbox.bodies import ClientGoneError, Incoming
from melious_sandbox.call import Call, Upload, parse_body
from melious_sandbox.delivery import Delivery
from melious_sandbox.errors import SandboxError
from melious_sandbox.faults import FAULT_HEADER, NO_FAULT, Fault
from melious_sandbox.limits import RateState
from melious_sandbox.listener import Connection
from melious_sandbox.profiles import Profile, Reason
from melious_sandbox.records import RecordedRequest, mask
from melious_sandbox.responses import EVENTS_TYPE, EventsResponse, Response, json_response
from melious_sandbox.service import Service

Route = Callable[[Call], Awaitable[Response | EventsResponse]]

_NOT_READ = "the request was refused before its body was read"
_TOO_LARGE = "the body is larger than the sandbox reads"
_MOST_OF_AN_ERROR = 1_000
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


class Gate:
    """The ASGI application of one path.

    Args:
        service: The state of the sandbox.
        endpoint: Name of the endpoint, "" where neither key nor limit counts.
        route: What answers.
        method: The method that the path takes; None takes any.
    """

    def __init__(self, service: Service, endpoint: str, route: Route, method: str | None) -> None:
        self._service = service
        self._endpoint = endpoint
        self._route = route
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        incoming = Incoming(receive, scope["headers"])
        refusal = self._refusal(scope["method"], headers)
        raw, left_out = b"", None
        try:
            if self._endpoint and refusal is None:
                raw = await incoming.read(self._service.settings.max_body_bytes)
            elif not await incoming.skip():
                return
            else:
                left_out = _NOT_READ if incoming.has_body else None
        except SandboxError as error:
            refusal, left_out = error, _TOO_LARGE
        except ClientGoneError:
            return
        body = await parse_body(raw, headers.get("content-type", ""))
        connection: Connection = scope["state"]["connection"]
        record = self._record(scope, headers, body, connection)
        record.body_left_out = left_out
        # Of a form, only what describes its files is kept.
        form = headers.get("content-type", "").startswith("multipart/")
        self._service.requests.append(record, 0 if form else len(raw))
        call = Call(
            service=self._service,
            endpoint=self._endpoint,
            request_id=record.request_id,
            host=headers.get("host", "{}:{}".format(*scope["server"])),
            headers=headers,
            query=dict(parse_qsl(record.query, keep_blank_values=True)),
            path=scope.get("path_params", {}),
            record=record,
            gone=connection.gone,
            body=body,
        )
        try:
            with self._service.crowd.joined(self._endpoint):
                await self._serve(call, refusal, incoming, send, connection)
        except ClientGoneError:
            return
        finally:
            self._service.requests.finish(record)

    def _refusal(self, method: str, headers: Mapping[str, str]) -> SandboxError | None:
        """Say why a request is refused whatever its body says."""
        if self._method is not None and method != self._method:
            return SandboxError("method_not_allowed", headers={"allow": self._method})
        try:
            if self._endpoint:
                self._service.keys.check(headers, self._endpoint)
        except SandboxError as error:
            return error
        return None

    async def _serve(
        self,
        call: Call,
        refusal: SandboxError | None,
        incoming: Incoming,
        send: Send,
        connection: Connection,
    ) -> None:
        state, response = await self._answer(call, refusal)
        try:
            await self._deliver(call, state, response, incoming, send, connection)
        finally:
            if isinstance(response, EventsResponse) and response.close is not None:
                await response.close()

    async def _deliver(
        self,
        call: Call,
        state: RateState,
        response: Response | EventsResponse,
        incoming: Incoming,
        send: Send,
        connection: Connection,
    ) -> None:
        settings = self._service.settings
        delivery = Delivery(
            send,
            connection,
            call.record,
            call.fault,
            self._service.profile,
            stream_delay=settings.stream_delay + call.seconds_per_token,
            keepalive=settings.keepalive,
            linger=None if incoming.ended else incoming.linger,
        )
        written = 0.0 if isinstance(response, EventsResponse) else call.seconds_of_work
        if not await delivery.pause(settings.latency + call.fault.delay + written):
            return
        usual = [
            ("x-request-id", call.request_id),
            *self._service.profile.rate_headers(state.limit, state.remaining, state.reset),
            *incoming.connection_header.items(),
        ]
        await delivery.send(response, usual)

    def _record(
        self, scope: Scope, headers: dict[str, str], body: Any, connection: Connection
    ) -> RecordedRequest:
        return RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            endpoint=self._endpoint,
            headers=mask(headers),
            body=_without_content(body),
            request_id=f"req_{uuid.uuid4().hex}",
            connection=connection.port,
            received_at=time.time(),
        )

    async def _answer(
        self, call: Call, refusal: SandboxError | None
    ) -> tuple[RateState, Response | EventsResponse]:
        service, state = self._service, None
        try:
            state = self._counted(refusal)
            response = await self._admitted(call)
        except SandboxError as error:
            call.record.error = error.message[:_MOST_OF_AN_ERROR]
            status, body = error.render(service.profile)
            response = json_response(body, status, error.headers)
        except (asyncio.CancelledError, ClientGoneError):
            raise
        except Exception:
            _logger.exception("the sandbox failed on %s %s", call.record.method, self._endpoint)
            internal = SandboxError("internal")
            call.record.error = internal.message
            status, body = internal.render(service.profile)
            response = json_response(body, status)
        return state or service.limiter.peek(), response

    def _counted(self, refusal: SandboxError | None) -> RateState | None:
        """Count a request that nothing speaks against."""
        if refusal is not None:
            raise refusal
        if not self._endpoint:
            return None
        state = self._service.limiter.take()
        if not state.allowed:
            raise SandboxError("rate_limit", headers={"retry-after": str(state.retry_after)})
        return state

    async def _admitted(self, call: Call) -> Response | EventsResponse:
        call.fault = self._fault(call)
        if call.fault is not NO_FAULT:
            call.record.fault = call.fault
        if call.fault.answers:
            return _fault_response(call.fault, self._service.profile)
        return await self._route(call)

    def _fault(self, call: Call) -> Fault:
        header = call.headers.get(FAULT_HEADER)
        if header is None:
            return self._service.faults.take(self._endpoint) or NO_FAULT
        try:
            return Fault.from_header(header)
        except ValueError as error:
            raise SandboxError("invalid_value", f"The header {FAULT_HEADER} is wrong: {error}.") from None


def _fault_response(fault: Fault, profile: Profile) -> Response | EventsResponse:
    if fault.raw is not None:
        blocks = [item.encode("latin-1") for item in fault.raw]
        return EventsResponse(blocks, fault.content_type or EVENTS_TYPE, fault.status or 200)
    if fault.body is not None and fault.code is None:
        return Response(fault.body_bytes(), fault.status or 200)
    status = fault.status or 500
    reason = fault.code or _REASON_OF_STATUS.get(status) or _fallback(status)
    worded, body = SandboxError(reason).render(profile)
    response = json_response(body, fault.status or worded)
    return response if fault.body is None else replace(response, content=fault.body_bytes())


def _fallback(status: int) -> Reason:
    return "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_value"


def _without_content(body: Any) -> Any:
    if not isinstance(body, dict) or not any(isinstance(value, Upload) for value in body.values()):
        return body
    return {
        name: {"filename": value.filename, "content_type": value.content_type, "size": len(value.content)}
        if isinstance(value, Upload)
        else value
        for name, value in body.items()
    }
