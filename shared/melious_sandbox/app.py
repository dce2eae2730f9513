"""The paths of the sandbox."""

from starlette.routing import Route as PathRoute
from starlette.routing import Router
from starlette.types import ASGIApp

from melious_sandbox.page.site import PATHS, Page
from melious_sandbox.routes import (
    audio,
    batches,
    chat,
    documents,
    embeddings,
    files,
    images,
    mcp,
    messages,
    models,
    rerank,
    tools,
)
from melious_sandbox.server.context import RequestContext
from melious_sandbox.server.handler import Handler, Route
from melious_sandbox.server.host_check import HostCheck
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import Response
from melious_sandbox.service.state import Service


def build_app(service: Service) -> ASGIApp:
    """Give the ASGI application of a sandbox."""
    paths: list[tuple[str, str, Route, str | tuple[str, ...] | None]] = [
        ("/v1/chat/completions", "chat", chat.create, "POST"),
        ("/v1/embeddings", "embeddings", embeddings.create, "POST"),
        ("/v1/rerank", "rerank", rerank.create, "POST"),
        ("/v1/images/generations", "images", images.generate, "POST"),
        ("/v1/audio/transcriptions", "audio", audio.transcribe, "POST"),
        ("/v1/documents/convert", "documents", documents.convert, "POST"),
        ("/v1/models", "models", models.list_all, "GET"),
        ("/v1/models/{model:path}", "models", models.retrieve, "GET"),
        ("/v1/tools", "tools", tools.list_all, "GET"),
        ("/v1/tools/openai", "tools", tools.functions, "GET"),
        ("/v1/tools/{slug}", "tools", tools.retrieve, "GET"),
        ("/v1/tools/{slug}/schema", "tools", tools.schema, "GET"),
        ("/v1/tools/{slug}/execute", "tools", tools.execute, "POST"),
        ("/v1/tools/{slug}/rate-limit", "tools", tools.rate_limit, "GET"),
        ("/v1/mcp/jsonrpc", "mcp", mcp.jsonrpc, "POST"),
        *((f"/v1/mcp/{name}", "mcp", mcp.twin, None) for name in mcp.METHODS),
        ("/v1/messages", "messages", messages.create, "POST"),
        ("/v1/messages/count_tokens", "messages", messages.count_tokens, "POST"),
        ("/v1/files", "files", files.collection, ("GET", "POST")),
        ("/v1/files/{file}", "files", files.one, ("GET", "DELETE")),
        ("/v1/files/{file}/content", "files", files.content, "GET"),
        ("/v1/batches", "batches", batches.collection, ("GET", "POST")),
        ("/v1/batches/{batch}", "batches", batches.one, "GET"),
        ("/v1/batches/{batch}/cancel", "batches", batches.cancel, "POST"),
        ("/pictures/{name}", "", images.picture, "GET"),
    ]
    nowhere = Handler(service, "", _nothing_here, None)
    page = Page(service, nowhere)
    router = Router(
        [
            *(
                PathRoute(path, Handler(service, endpoint, route, method))
                for path, endpoint, route, method in paths
            ),
            *(PathRoute(path, page) for path in PATHS),
        ],
        redirect_slashes=False,
        default=nowhere,
    )
    return HostCheck(router, service)


async def _nothing_here(_context: RequestContext) -> Response:
    raise SandboxError("not_found")
