"""GET /v1/tools and what is below it."""

from typing import Any

from melious_sandbox.brain import hosted
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid
from melious_sandbox.service.responses import Response, json_response

_USUAL_PAGE_SIZE, _MOST_ON_A_PAGE = 50, 100
_SOURCES = ("native", "managed", "remote")
_TYPES = ("handler", "mcp", "api")
_WINDOW_SECONDS = 60


async def list_all(context: RequestContext) -> Response:
    """List a page of the tools."""
    query = context.query
    page = _whole(query, "page", 1, None)
    size = _whole(query, "page_size", _USUAL_PAGE_SIZE, _MOST_ON_A_PAGE)
    fields.one_of(query, "source", _SOURCES, "")
    fields.one_of(query, "tool_type", _TYPES, "")
    entries = [entry for tool in hosted.TOOLS if _fits(entry := tool.entry(), query)]
    shown = entries[(page - 1) * size : page * size]
    answer = {"items": shown, "page": page, "page_size": size, "total": len(entries)}
    return context.scripted_json() or json_response(answer)


async def functions(context: RequestContext) -> Response:
    """Give the tools in OpenAI's form."""
    answer = {"tools": [tool.function() for tool in hosted.TOOLS]}
    return context.scripted_json() or json_response(answer)


async def retrieve(context: RequestContext) -> Response:
    """Show one tool."""
    tool = _tool(context)
    return context.scripted_json(tool.slug) or json_response(tool.entry())


async def schema(context: RequestContext) -> Response:
    """Show the schema of a tool."""
    tool = _tool(context)
    return context.scripted_json(tool.slug) or json_response(
        {"slug": tool.slug, "parameters": dict(tool.parameters)}
    )


async def rate_limit(context: RequestContext) -> Response:
    """Show the rate limit of a tool, which is the account's."""
    tool = _tool(context)
    state = context.service.limiter.peek()
    answer = {"limit": state.limit, "remaining": state.remaining, "window_seconds": _WINDOW_SECONDS}
    return context.scripted_json(tool.slug) or json_response(answer)


async def execute(context: RequestContext) -> Response:
    """Run a tool: check its arguments, and give its fixed text or what a test scripted."""
    slug = context.path["slug"]
    if (reply := context.scripted_json(slug)) is not None:
        return reply
    tool = _tool(context)
    given = context.fields.get("parameters")
    if not isinstance(given, dict):
        raise invalid("parameters", "must be an object.")
    if (wrong := hosted.problem(tool, given)) is not None:
        raise invalid(f"parameters.{wrong[0]}", wrong[1])
    return json_response({"result": tool.run(given)})


def _tool(context: RequestContext) -> hosted.Tool:
    slug = context.path["slug"]
    found = next((tool for tool in hosted.TOOLS if tool.slug == slug), None)
    if found is None:
        raise SandboxError("not_found", f"There is no tool '{slug}'.", param="slug")
    return found


def _fits(entry: dict[str, Any], query: dict[str, str]) -> bool:
    exact = all(query.get(name) in (None, entry[name]) for name in ("source", "tool_type", "category"))
    words = query.get("search", "").lower()
    return exact and words in f"{entry['name']} {entry['slug']} {entry['description']}".lower()


def _whole(query: dict[str, str], name: str, usual: int, most: int | None) -> int:
    given = query.get(name, str(usual))
    value = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else given  # noqa: PLR2004
    return fields.integer({name: value}, name, 1, most) or usual
