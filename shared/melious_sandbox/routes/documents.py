"""POST /v1/documents/convert."""

import asyncio
from typing import Any

from melious_sandbox.brain.documents import pages
from melious_sandbox.server.bodies import Upload
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid, missing
from melious_sandbox.service.responses import Response, json_response

_MOST_BYTES = 50_000_000


async def convert(context: RequestContext) -> Response:
    """Convert documents; whether the service adds impact and bill is not known, so neither is sent."""
    if not context.headers.get("content-type", "").startswith("multipart/form-data"):
        raise SandboxError("malformed", "The body of the request must be multipart/form-data.")
    files = _files(context.fields, context.service.profile.document_field)
    reply = context.scripted_reply()
    if reply is not None and reply.json is not None:
        return json_response(reply.json)
    if reply is not None and reply.text is not None:
        converted = [reply.text.split("\f") for _ in files]
    else:
        converted = [await _converted(file) for file in files]
    context.service.pages.take(sum(map(len, converted)))
    results = [{"pages": [{"content": text} for text in texts]} for texts in converted]
    return json_response({"results": results})


def _files(body: dict[str, Any], field: str) -> list[Upload]:
    given = body.get(field)
    if given is None:
        raise missing(field)
    files = given if isinstance(given, list) else [given]
    for file in files:
        if not isinstance(file, Upload):
            raise invalid(field, "must be one or more files.")
        if not file.content:
            raise SandboxError("empty_input", f"The file '{file.filename}' is empty.", param=field)
    if sum(len(file.content) for file in files) > _MOST_BYTES:
        raise SandboxError("payload_too_large", "The files are larger than 50 MB together.", param=field)
    return files


async def _converted(file: Upload) -> list[str]:
    try:
        return await asyncio.to_thread(pages, file.content, file.filename)
    except ValueError as error:
        raise SandboxError("invalid_value", f"The document could not be converted: {error}.") from None
