"""The page over HTTP: without a key, and without a record among the requests."""

import base64
import secrets
from hashlib import sha256
from html import escape
from http import HTTPStatus
from importlib.resources import files
from string import Template

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.page.rows import caption_of, cleaner, row, totals_of
from melious_sandbox.routes.models import counts
from melious_sandbox.service.responses import JSON_TYPE, json_bytes
from melious_sandbox.service.state import Service, without_secrets

PATH = "/"
ROWS_PATH = "/page/rows"

_MOST_ROWS = 100
_PAGE, _STYLE, _SCRIPT = (
    files(__package__).joinpath(name).read_text("utf-8") for name in ("page.html", "style.css", "live.js")
)
_STYLE_HASH, _SCRIPT_HASH = (
    base64.b64encode(sha256(text.encode()).digest()).decode() for text in (_STYLE, _SCRIPT)
)
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'sha256-{_SCRIPT_HASH}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_MADE_UP = (
    "Nothing in it is a language model: answers, providers and figures are made up here from the request "
    "alone, and nothing is sent anywhere."
)


class Page:
    """The ASGI application of the page and of the rows that its script fetches."""

    def __init__(self, service: Service, otherwise: ASGIApp) -> None:
        self._service = service
        self._otherwise = otherwise
        self._start = secrets.token_hex(4)
        settings = service.settings
        self._clean = cleaner({settings.api_key, *settings.keys, settings.upstream_key or ""})
        upstream = escape(without_secrets(settings.upstream))
        self._fixed = {
            "style": _STYLE,
            "script": _SCRIPT,
            "profile": service.profile.name,
            "models": ", ".join(f"{count} {kind.removesuffix('s')}" for kind, count in counts().items()),
            "badge": f'<span class="badge">answers from {upstream}</span>' if upstream else "",
            "answers": f"Chat and embeddings are answered by {upstream}, everything else by the sandbox; "
            "providers and figures are made up here."
            if upstream
            else _MADE_UP,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await self._otherwise(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "{}:{}".format(*scope["server"]))
        version = f'"{self._start}-{self._service.requests.revision}"'
        if scope["path"] == PATH:
            response = Response(self._page(host, version), media_type="text/html")
        elif headers.get("if-none-match") == version:
            response = Response(status_code=HTTPStatus.NOT_MODIFIED)
        else:
            totals, caption, rows = self._seen()
            feed = [{"id": name, "html": html} for name, html in rows.items()]
            content = json_bytes({"caption": caption, "totals": totals, "rows": feed})
            response = Response(content, media_type=JSON_TYPE)
        response.headers.update(_HEADERS | {"etag": version})
        await response(scope, receive, send)

    def _page(self, host: str, version: str) -> bytes:
        totals, caption, rows = self._seen()
        page = Template(_PAGE).substitute(
            self._fixed,
            base_url=f"http://{escape(host)}/v1",
            version=escape(version),
            totals=totals,
            caption=caption,
            rows="".join(rows.values()),
        )
        return page.encode("utf-8", "replace")

    def _seen(self) -> tuple[str, str, dict[str, str]]:
        log = self._service.requests
        rows = {request.request_id: row(request, self._clean) for request in log.last(_MOST_ROWS)}
        totals = log.totals()
        return totals_of(totals), caption_of(len(rows), totals.requests), rows
