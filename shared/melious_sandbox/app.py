"""The paths of the sandbox."""

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from melious_sandbox.page.site import PATHS, Page
from melious_sandbox.routes import (
    audio,
    chat,
    documents,
    embeddings,
    images,
    mcp,
    messages,
    models,
    rerank,
    tools,
)
from melious_sandbox.server.context import RequestContext
from melious_sandbox.server.handler import Handler
from melious_sandbox.server.host_check import HostCheck
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import Response
from melious_sandbox.service.state import Service


def build_app(service: Service) -> ASGIApp:
    """Give the ASGI application of a sandbox."""
    paths = [
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
        ("/pictures/{name}", "", images.picture, "GET"),
    ]
    nowhere = Handler(service, "", _nothing_here, None)
    page = Page(service, nowhere)
    router = Router(
        [
            *(
                Route(path, Handler(service, endpoint, route, method))
                for path, endpoint, route, method in paths
            ),
            *(Route(path, page) for path in PATHS),
        ],
        redirect_slashes=False,
        default=nowhere,
    )
    return HostCheck(router, service)


async def _nothing_here(_context: RequestContext) -> Response:
    raise SandboxError("not_found")
