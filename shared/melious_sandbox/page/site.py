"""The page over HTTP: without a key, and without a record among the requests."""

import base64
import secrets
from hashlib import sha256
from html import escape
from http import HTTPStatus
from importlib.resources import files
from string import Template
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from melious_sandbox.page.chart import charts
from melious_sandbox.page.detail import code_blocks, detail
from melious_sandbox.page.filters import Filter
from melious_sandbox.page.rows import caption_of, row, totals_of
from melious_sandbox.page.snippets import snippets
from melious_sandbox.page.texts import Cleaner
from melious_sandbox.routes.models import counts
from melious_sandbox.service.records import RecordedRequest
from melious_sandbox.service.responses import JSON_TYPE, json_bytes
from melious_sandbox.service.state import Service, without_secrets

PATHS = ("/", "/page/rows", "/page/clear", "/page/requests/{id}")

_LIST, _ROWS, _CLEAR = PATHS[:3]
_MOST_ROWS = 100
_LOOKED_THROUGH = 500
_CLEARING = {"x-sandbox-page": "clear"}
_PAGE, _LIST_OF_ROWS, _STYLE, _SCRIPT = (
    files(__package__).joinpath(name).read_text("utf-8")
    for name in ("page.html", "list.html", "style.css", "live.js")
)
_STYLE_HASH, _SCRIPT_HASH = (
    base64.b64encode(sha256(text.encode()).digest()).decode() for text in (_STYLE, _SCRIPT)
)
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'sha256-{_SCRIPT_HASH}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
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
_REFRESH = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
_CONTROLS = (
    '<p id="state" role="status"><noscript>new every 5 seconds</noscript></p>'
    '<button type="button" id="pause" aria-pressed="false" hidden>Pause</button>'
    '<button type="button" id="clear" title="forget all requests, and their totals" hidden>Clear</button>'
    '<p id="said" class="aside" role="status"></p>'
)
_EXAMPLE = RecordedRequest(
    method="POST",
    path="/v1/chat/completions",
    query="",
    endpoint="chat",
    headers={},
    body={"model": "glm-4.7:eco", "messages": [{"role": "user", "content": "What is a lighthouse?"}]},
    request_id="",
    connection=0,
    received_at=0.0,
)


class Page:
    """The ASGI application of the page, and of what its script fetches."""

    def __init__(self, service: Service, otherwise: ASGIApp) -> None:
        self._service = service
        self._otherwise = otherwise
        self._start = secrets.token_hex(4)
        settings = service.settings
        self._clean = Cleaner({settings.api_key, *settings.keys, settings.upstream_key or ""})
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
            "example": code_blocks("example", snippets(_EXAMPLE, self._clean)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        response = self._response(scope, headers)
        if response is None:
            await self._otherwise(scope, receive, send)
            return
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    def _response(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        path, reads = scope["path"], scope["method"] in ("GET", "HEAD")
        if path == _CLEAR and scope["method"] == "POST" and _CLEARING.items() <= headers.items():
            # No page of another origin can send that header without asking first, and nobody says yes.
            self._service.requests.clear()
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if path == _CLEAR or not reads:
            return None
        query = scope["query_string"].decode("latin-1")
        version = f'"{self._start}-{self._service.requests.revision}"'
        if path == _LIST:
            host = headers.get("host", "{}:{}".format(*scope["server"]))
            response = self._html(self._list(Filter.of(query), host), "Melious sandbox", _CONTROLS, _REFRESH)
        elif path != _ROWS:
            return self._opened(scope["path_params"]["id"])
        elif headers.get("if-none-match") == version:
            response = Response(status_code=HTTPStatus.NOT_MODIFIED)
        else:
            seen = self._seen(Filter.of(query))
            rows = [{"id": name, "html": html} for name, html in seen.pop("rows").items()]
            response = Response(json_bytes(seen | {"rows": rows}), media_type=JSON_TYPE)
        response.headers["etag"] = version
        return response

    def _html(self, main: str, title: str, controls: str = "", refresh: str = "") -> Response:
        text = Template(_PAGE).substitute(
            self._fixed, main=main, title=title, controls=controls, refresh=refresh
        )
        return Response(text.encode("utf-8", "replace"), media_type="text/html")

    def _list(self, chosen: Filter, host: str) -> str:
        seen = self._seen(chosen)
        seen["rows"] = "".join(seen["rows"].values())
        base_url = f"http://{escape(host)}/v1"
        return Template(_LIST_OF_ROWS).substitute(self._fixed | seen | chosen.fields(), base_url=base_url)

    def _opened(self, name: str) -> Response | None:
        latest = self._service.requests.last(_LOOKED_THROUGH)
        found = next((request for request in latest if request.request_id == name), None)
        if found is None:
            return None
        back = '<p><a href="/">All requests</a></p>'
        return self._html(back + detail(found, latest, self._clean), f"Request {name}")

    def _seen(self, chosen: Filter) -> dict[str, Any]:
        log = self._service.requests
        rows: dict[str, str] = {}
        latest = log.last(_LOOKED_THROUGH if chosen.limits else _MOST_ROWS)
        for request in latest:
            if not chosen.may_show(request):
                continue
            html = row(request, self._clean)
            if chosen.is_in(html):
                rows[request.request_id] = html
            if len(rows) == _MOST_ROWS:
                break
        totals, growth = log.totals(), log.growth()
        among = len(latest) if chosen.limits else None
        return {
            "totals": totals_of(totals),
            "charts": charts(growth),
            "caption": caption_of(len(rows), totals.requests, among),
            "rows": rows,
        }
