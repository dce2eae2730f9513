"""The first check of every request: does it name a host that it may name?

A web page can point a name of its own at this machine and then reach whatever listens here (DNS rebinding),
and can post simple forms without asking. Browsers always send both names, so the names decide.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.server.bodies import RequestBody
from melious_sandbox.service import hosts
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import JSON_TYPE, json_bytes
from melious_sandbox.service.state import Service


class HostCheck:
    """The ASGI application around all paths; it refuses requests that name a host they may not name.

    Bound to loopback, they may name this machine and the hosts that are allowed. Bound elsewhere, they may
    name any host, unless some are allowed: then these, this machine, and the address they came to.
    Refused requests leave no record: a foreign page must not be able to push out the records of others.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._profile = service.profile
        self._bound = hosts.plain_host(service.settings.host)
        self._allowed = frozenset(map(hosts.plain_host, service.settings.allowed_hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        try:
            self._check(scope)
        except SandboxError as error:
            await self._refuse(error, RequestBody(receive, scope["headers"]), send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if not scope["raw_path"].startswith(b"/"):
            message = "The target of a request must be a path; this is not a proxy."
            raise SandboxError("invalid_value", message)
        named, origins = (
            [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
            for wanted in (b"host", b"origin")
        )
        address = scope["server"][0]
        try:
            name = hosts.host_name(named[0]) if named else None
        except hosts.MalformedHostError as error:
            raise SandboxError("invalid_value", f"The header Host is wrong: {error}.") from None
        on_loopback = self._bound not in hosts.LOOPBACK_OF and hosts.is_loopback(address)
        if not self._allowed and not on_loopback:
            return
        if name is not None and not self._allows(name, address):
            message = (
                f"The sandbox does not answer to the host {name[: hosts.MOST_SHOWN]!r}. "
                "Use http://localhost, or name the host in allowed_hosts (--allowed-hosts)."
            )
            raise SandboxError("scope", message)
        for origin in origins:
            if not self._allows(hosts.host_of_origin(origin), address):
                message = (
                    f"The sandbox does not answer to web pages of {origin[: hosts.MOST_SHOWN]!r}. "
                    "Name their host in allowed_hosts (--allowed-hosts) if they are yours."
                )
                raise SandboxError("scope", message)

    def _allows(self, name: str, address: str) -> bool:
        return name in self._allowed or name in (self._bound, address) or hosts.is_loopback(name)

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
