"""The page over HTTP: without a key, and without a trace among the requests seen."""

import secrets
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.page import markup
from melious_sandbox.page.rows import cleaner, row_of
from melious_sandbox.routes.models import counts
from melious_sandbox.service.responses import JSON_TYPE, json_bytes
from melious_sandbox.service.state import Service, without_secrets

PATH = "/"
ROWS_PATH = "/page/rows"
MOST_ROWS = 100

_HTML_TYPE = "text/html; charset=utf-8"
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": markup.CONTENT_SECURITY_POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Page:
    """The ASGI application of the page and of the rows that its script fetches.

    Args:
        service: The state of the sandbox.
        otherwise: What takes requests with methods that a page does not have.
    """

    def __init__(self, service: Service, otherwise: ASGIApp) -> None:
        self._service = service
        self._otherwise = otherwise
        self._start = secrets.token_hex(4)
        settings = service.settings
        keys = {settings.api_key, *settings.keys, settings.upstream_key or ""}
        self._clean = cleaner(keys)
        self._upstream = without_secrets(settings.upstream)
        self._models = counts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await self._otherwise(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "{}:{}".format(*scope["server"]))
        version = f'"{self._start}-{self._service.requests.revision}"'
        if scope["path"] == PATH:
            await _send(send, 200, _HTML_TYPE, self._page(host, version))
        elif headers.get("if-none-match") == version:
            await _send(send, HTTPStatus.NOT_MODIFIED, JSON_TYPE, b"", version)
        else:
            await _send(send, 200, JSON_TYPE, self._rows(), version)

    def _page(self, host: str, version: str) -> bytes:
        log = self._service.requests
        rows = [row_of(request, self._clean) for request in log.last(MOST_ROWS)]
        scene = markup.Scene(host, self._service.profile.name, self._upstream, self._models)
        return markup.page(scene, version, rows, log.totals()).encode("utf-8", "replace")

    def _rows(self) -> bytes:
        log = self._service.requests
        rows = [row_of(request, self._clean) for request in log.last(MOST_ROWS)]
        totals = log.totals()
        return json_bytes(
            {
                "caption": markup.caption_of(len(rows), totals.requests),
                "totals": markup.totals_of(totals),
                "rows": [{"id": said.id, "html": markup.row(said)} for said in rows],
            }
        )


async def _send(send: Send, status: int, kind: str, content: bytes, version: str = "") -> None:
    headers = _HEADERS | {"content-type": kind, "content-length": str(len(content))}
    if version:
        headers["etag"] = version
    if status == HTTPStatus.NOT_MODIFIED:  # it has no body
        del headers["content-type"], headers["content-length"]
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})
