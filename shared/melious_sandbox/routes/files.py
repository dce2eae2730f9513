"""/v1/files."""

from typing import Any, TypeVar

from melious_sandbox.server import fields
from melious_sandbox.server.bodies import Upload
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid, missing
from melious_sandbox.service.files import LARGEST_FILE, StoredFile
from melious_sandbox.service.responses import EventsResponse, Response, json_response

T = TypeVar("T")

_JSONL_TYPE = "application/jsonl"
_MOST_LISTED, _USUALLY_LISTED = 100, 20


async def collection(context: RequestContext) -> Response:
    """Upload a file, or list files."""
    if context.record.method == "GET":
        return _list(context)
    body = context.fields
    upload = body.get("file")
    if upload is None:
        raise missing("file")
    if not isinstance(upload, Upload):
        raise invalid("file", "must be a file.")
    purpose = fields.required_text(body, "purpose")
    if purpose != "batch":
        raise invalid("purpose", "must be one of 'batch'.")
    if len(upload.content) > LARGEST_FILE:
        raise SandboxError("payload_too_large", "'file' is larger than 105 MB.", param="file")
    if not upload.content:
        raise SandboxError("empty_input", "'file' is empty.", param="file")
    file = context.service.files.new(upload.filename, purpose, [upload.content])
    context.service.files.add(file)
    return context.scripted_json() or json_response(file.to_wire())


async def one(context: RequestContext) -> Response:
    """Show a file, or delete it."""
    file = context.service.files.get(context.path["file"])
    if context.record.method == "GET":
        return context.scripted_json() or json_response(file.to_wire())
    context.service.files.delete(file.id)
    return context.scripted_json() or json_response({"id": file.id, "object": "file", "deleted": True})


async def content(context: RequestContext) -> Response | EventsResponse:
    """Send the content of a file, from disk."""
    file = context.service.files.get(context.path["file"])
    headers = {"content-length": str(file.size)}
    return context.scripted_json() or EventsResponse(file.pieces(), _JSONL_TYPE, headers=headers)


def page_of(context: RequestContext, items: list[T], ids: list[str]) -> tuple[list[T], bool]:
    """Give the page of a list that the query asks for, and whether there is more."""
    query = context.query
    limit = query.get("limit", str(_USUALLY_LISTED))
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_LISTED:
        raise invalid("limit", f"must be an integer from 1 to {_MOST_LISTED}.")
    start = 0
    after = query.get("after")
    if after is not None:
        if after not in ids:
            raise invalid("after", "must be the id of one of the list.")
        start = ids.index(after) + 1
    end = start + int(limit)
    return items[start:end], end < len(items)


def listed(data: list[dict[str, Any]], *, more: bool) -> Response:
    """Answer with a page of a list."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return json_response({"object": "list", "data": data, "has_more": more} | ends)


def _list(context: RequestContext) -> Response:
    order = fields.one_of(context.query, "order", ("asc", "desc"), "desc")
    purpose = context.query.get("purpose")
    found: list[StoredFile] = [
        file for file in context.service.files.newest_first() if purpose in (None, file.purpose)
    ]
    if order == "asc":
        found.reverse()
    page, more = page_of(context, found, [file.id for file in found])
    return context.scripted_json() or listed([file.to_wire() for file in page], more=more)
