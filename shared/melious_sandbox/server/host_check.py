"""The first check of every request: does it name a host that it may name?"""

from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.server.bodies import RequestBody
from melious_sandbox.service.allowed_hosts import AllowedHosts, ForeignHostError, MalformedHostError
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.profiles import Profile
from melious_sandbox.service.responses import JSON_TYPE, json_bytes


class HostCheck:
    """The ASGI application around all paths; it refuses requests that name a host they may not name.

    Refused requests leave no record: a foreign page must not be able to push out the records of others.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, profile: Profile) -> None:
        self._app = app
        self._hosts = hosts
        self._profile = profile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        try:
            self._check(scope)
        except SandboxError as error:
            await self._refuse(error, RequestBody(receive, scope["headers"]), send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if not scope["raw_path"].startswith(b"/"):
            message = "The target of a request must be a path; this is not a proxy."
            raise SandboxError("invalid_value", message)
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        try:
            self._hosts.check(hosts[0] if hosts else None, origins, scope["server"][0])
        except MalformedHostError as error:
            raise SandboxError("invalid_value", f"The header Host is wrong: {error}.") from None
        except ForeignHostError as error:
            raise SandboxError("scope", str(error)) from None

    async def _refuse(self, error: SandboxError, body: RequestBody, send: Send) -> None:
        if not await body.skip():
            return
        status, answer = error.render(self._profile)
        content = json_bytes(answer)
        headers = {"content-type": JSON_TYPE, "content-length": str(len(content)), **body.connection_header}
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await body.linger()
        await send({"type": "http.response.body"})
