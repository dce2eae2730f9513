"""/v1/mcp/jsonrpc, and its methods as paths of their own.

A POST gets plain JSON, as MCP's streamable HTTP lets a server answer. Nobody has seen whether the service
does so.
"""

from collections.abc import Mapping
from typing import Any

from melious_sandbox.brain import hosted
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import invalid
from melious_sandbox.service.responses import Response, json_bytes, json_response

_PROTOCOL = "2024-11-05"
METHODS = ("initialize", "ping", "tools/list", "tools/call")
_SERVER = {"name": "melious-mcp-server", "version": "1.0.0"}
_PAGE_SIZE = 2
_INVALID_REQUEST, _NO_SUCH_METHOD, _INVALID_PARAMS = -32600, -32601, -32602


class _McpError(Exception):
    """An error of a method: its code and its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


async def jsonrpc(context: RequestContext) -> Response:
    """Answer one JSON-RPC message; a notification gets 202 and no body."""
    if (reply := context.scripted_json()) is not None:
        return reply
    message = context.body
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _failed(None, _McpError(_INVALID_REQUEST, "The body must be a JSON-RPC 2.0 message."))
    if "id" not in message:
        return Response(b"", 202)
    try:
        result = _call(str(message.get("method")), _object(message.get("params")))
    except _McpError as error:
        return _failed(message["id"], error)
    return json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


async def twin(context: RequestContext) -> Response:
    """Answer a method at its own path: its parameters are the body."""
    if (reply := context.scripted_json()) is not None:
        return reply
    method = context.record.path.removeprefix("/v1/mcp/")
    try:
        return json_response(_call(method, _object(context.body) | context.query))
    except _McpError as error:
        raise invalid("params", str(error)) from None


def _call(method: str, params: Mapping[str, Any]) -> Any:
    match method:
        case "initialize":
            return {
                "protocolVersion": _PROTOCOL,
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": _SERVER,
            }
        case "ping":
            return {}
        case "tools/list":
            return _list(params.get("cursor"))
        case "tools/call":
            return _run(params)
    raise _McpError(_NO_SUCH_METHOD, f"There is no method '{method[:100]}'.")


def _list(cursor: Any) -> dict[str, Any]:
    starts = {f"from-{at}": at for at in range(0, len(hosted.TOOLS), _PAGE_SIZE)}
    given = "from-0" if cursor is None else str(cursor)
    if given not in starts:
        raise _McpError(_INVALID_PARAMS, "'cursor' must be one that an answer gave.")
    start = starts[given]
    end = start + _PAGE_SIZE
    shown = [
        {"name": tool.slug, "description": tool.description, "inputSchema": dict(tool.parameters)}
        for tool in hosted.TOOLS[start:end]
    ]
    return {"tools": shown} | ({"nextCursor": f"from-{end}"} if end < len(hosted.TOOLS) else {})


def _run(params: Mapping[str, Any]) -> dict[str, Any]:
    name = params.get("name")
    tool = hosted.find(name) if isinstance(name, str) else None
    if tool is None:
        raise _McpError(_INVALID_PARAMS, f"There is no tool '{str(name)[:100]}'.")
    given = _object(params.get("arguments"))
    wrong = hosted.problem(tool, given)
    if wrong is not None:
        return _content(f"'{wrong[0]}' {wrong[1]}", is_error=True)
    result = tool.run(given)
    return _content(result if isinstance(result, str) else json_bytes(result).decode(), is_error=False)


def _content(text: str, *, is_error: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _McpError(_INVALID_PARAMS, "The parameters must be an object.")
    return value


def _failed(message_id: Any, error: _McpError) -> Response:
    return json_response(
        {"jsonrpc": "2.0", "id": message_id, "error": {"code": error.code, "message": str(error)}}
    )
