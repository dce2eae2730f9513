"""The body of a request: how much of it is read, and what it says."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive

from melious_sandbox.service.errors import ClientGoneError, SandboxError

_MOST_SKIPPED = 64 * 1024
_LINGER_BYTES = 2 * 1024 * 1024
_SKIP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    filename: str
    content_type: str
    content: bytes


class RequestBody:
    """The body of one request, which comes over the ASGI channel."""

    def __init__(self, receive: Receive, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = dict(headers)
        self._receive = receive
        self._length = int(lines.get(b"content-length", 0))
        self._expects_continue = b"expect" in lines
        self.is_announced = self._length > 0 or b"transfer-encoding" in lines
        self.ended = False

    @property
    def connection_header(self) -> dict[str, str]:
        """The header of the answer that says that the connection closes, where the body was not read."""
        return {} if self.ended else {"connection": "close"}

    async def read(self, most: int) -> bytes:
        """Read the body to its end; more than ``most`` bytes are an error."""
        body = bytearray()
        size = self._length
        while size <= most and not self.ended:
            body += await self._next()
            size = max(size, len(body))
        if size > most:
            raise SandboxError("payload_too_large", f"The body of the request is larger than {most:,} bytes.")
        return bytes(body)

    async def skip(self) -> bool:
        """Drop a body of at most 64 KiB, so that the connection can be kept; say if the client is connected.

        A longer one stays unread, and so does what does not come within two seconds.
        """
        if self._length > _MOST_SKIPPED or (self._expects_continue and self.is_announced):
            return True
        try:
            await self._drop(_MOST_SKIPPED)
        except ClientGoneError:
            return False
        return True

    async def linger(self) -> None:
        """Once the answer is written, drop a little more of a body that was not read.

        A connection that closes with bytes unread is reset, and a client that is still writing might never
        see the answer.
        """
        with suppress(ClientGoneError):
            await self._drop(_LINGER_BYTES)

    async def _drop(self, most: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SKIP_SECONDS):
                while not self.ended and most > 0:
                    most -= len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        self.ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


async def parse_body(raw: bytes, content_type: str) -> Any:
    """Parse a body as JSON or as a form; text that is neither is given as it is, nothing as None."""
    if not raw:
        return None
    if content_type.startswith("multipart/form-data"):
        return await _parse_form(raw, content_type)
    try:
        return from_json(raw)
    except ValueError:
        # The standard library takes what servers and clients really send: lone surrogates, deep nesting.
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            return raw.decode("utf-8", "replace")


async def _parse_form(raw: bytes, content_type: str) -> Any:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    # The parser leaves the file of a part without an end open.
    end = b"\r\n--" + boundary + b"--"
    if not boundary or end not in b"\r\n" + raw:
        return raw.decode("utf-8", "replace")

    async def stream() -> AsyncIterator[bytes]:
        yield raw

    parser = MultiPartParser(Headers({"content-type": content_type}), stream())  # type: ignore[arg-type]
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError):
        return raw.decode("utf-8", "replace")
    fields: dict[str, Any] = {}
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                kind = value.content_type or "application/octet-stream"
                file = Upload(value.filename or "", kind, await value.read())
                before = fields.get(name)
                fields[name] = (
                    [*before, file]
                    if isinstance(before, list)
                    else file
                    if before is None
                    else [before, file]
                )
            elif name.endswith("[]"):
                fields.setdefault(name.removesuffix("[]"), []).append(value)
            else:
                fields[name] = value
    finally:
        await form.close()
    return fields


def without_files(body: Any) -> Any:
    """Give a body with name, type and size in place of each file."""
    if not isinstance(body, dict) or not any(_has_files(value) for value in body.values()):
        return body
    return {
        name: [_about(item) for item in value] if isinstance(value, list) else _about(value)
        for name, value in body.items()
    }


def _has_files(value: Any) -> bool:
    return isinstance(value, Upload) or (
        isinstance(value, list) and any(isinstance(item, Upload) for item in value)
    )


def _about(value: Any) -> Any:
    if not isinstance(value, Upload):
        return value
    return {"filename": value.filename, "content_type": value.content_type, "size": len(value.content)}
