"""The paths of the sandbox."""

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from melious_sandbox.page import Page
from melious_sandbox.page.site import PATH, ROWS_PATH
from melious_sandbox.routes import audio, chat, embeddings, images, models, rerank
from melious_sandbox.server.call import Call
from melious_sandbox.server.doorman import Doorman
from melious_sandbox.server.gate import Gate
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.hosts import HostRule
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
        ("/v1/models", "models", models.list_all, "GET"),
        ("/v1/models/{model:path}", "models", models.retrieve, "GET"),
        ("/pictures/{name}", "", images.picture, "GET"),
    ]
    nowhere = Gate(service, "", _nothing_here, None)
    page = Page(service, nowhere)
    router = Router(
        [
            *(Route(path, Gate(service, endpoint, route, method)) for path, endpoint, route, method in paths),
            Route(PATH, page),
            Route(ROWS_PATH, page),
        ],
        redirect_slashes=False,
        default=nowhere,
    )
    settings = service.settings
    return Doorman(router, HostRule(settings.host, settings.allowed_hosts), service.profile)


async def _nothing_here(_call: Call) -> Response:
    raise SandboxError("not_found")
