"""What every request meets first, before its path, its key or its body are looked at."""

from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.server.bodies import Incoming
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.hosts import ForeignHostError, HostRule, MalformedHostError
from melious_sandbox.service.profiles import Profile
from melious_sandbox.service.responses import JSON_TYPE, json_bytes


class Doorman:
    """The ASGI application around all paths: turns away who may not talk to the sandbox.

    Who is turned away leaves no record: a foreign page must not be able to push out the records of others.

    Args:
        app: What answers everybody else.
        rule: Which hosts may be named.
        profile: The words for a refusal.
    """

    def __init__(self, app: ASGIApp, rule: HostRule, profile: Profile) -> None:
        self._app = app
        self._rule = rule
        self._profile = profile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        try:
            self._check(scope)
        except SandboxError as error:
            await self._refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if not scope["raw_path"].startswith(b"/"):
            raise SandboxError(
                "invalid_value", "The target of a request must be a path; this is not a proxy."
            )
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        try:
            self._rule.check(hosts[0] if hosts else None, origins, scope["server"][0])
        except MalformedHostError as error:
            raise SandboxError("invalid_value", f"The header Host is wrong: {error}.") from None
        except ForeignHostError as error:
            raise SandboxError("scope", str(error)) from None

    async def _refuse(self, error: SandboxError, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(receive, scope["headers"])
        if not await incoming.skip():
            return
        status, body = error.render(self._profile)
        content = json_bytes(body)
        headers = {
            "content-type": JSON_TYPE,
            "content-length": str(len(content)),
            **incoming.connection_header,
        }
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await incoming.linger()
        await send({"type": "http.response.body"})
