"""/v1/batches: lines that run in the background, through the routes of the sandbox."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

from pydantic_core import from_json

from melious_sandbox.routes import chat, embeddings, images
from melious_sandbox.routes.files import listed, page_of
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.server.handler import Route, answered
from melious_sandbox.server.listener import Connection
from melious_sandbox.service.batches import SandboxBatch
from melious_sandbox.service.errors import SandboxError, invalid
from melious_sandbox.service.faults import NO_FAULT
from melious_sandbox.service.files import StoredFile
from melious_sandbox.service.records import RecordedRequest
from melious_sandbox.service.responses import EventsResponse, Response, json_bytes, json_response

ROUTES: dict[str, tuple[str, Route]] = {
    "/v1/chat/completions": ("chat", chat.create),
    "/v1/embeddings": ("embeddings", embeddings.create),
    "/v1/images/generations": ("images", images.generate),
}
_MOST_PAIRS = 16
_MOST_ERRORS = 20
_FIRST_ERROR = 400


async def collection(context: RequestContext) -> Response:
    """Make a batch, or list batches."""
    if context.record.method == "GET":
        found = context.service.batches.all()
        page, more = page_of(context, found, [batch.id for batch in found])
        shown = [batch.to_wire(context.service.profile) for batch in page]
        return context.scripted_json() or listed(shown, more=more)
    body = context.fields
    service = context.service
    endpoint = fields.required_text(body, "endpoint")
    if endpoint not in ROUTES:
        raise invalid("endpoint", f"must be one of {', '.join(map(repr, ROUTES))}.")
    service.keys.check(context.headers, ROUTES[endpoint][0])
    window = fields.one_of(body, "completion_window", ("24h",), "24h")
    file_id = fields.required_text(body, "input_file_id")
    file = service.files.get(file_id)
    batch = SandboxBatch(endpoint, file_id, window, _metadata(body), service.profile.batch_start)
    service.batches.add(batch)
    answer = json_response(batch.to_wire(service.profile))
    task = asyncio.get_running_loop().create_task(_Run(context, batch, file).run())
    service.batches.tasks.add(task)
    task.add_done_callback(service.batches.tasks.discard)
    return context.scripted_json() or answer


async def one(context: RequestContext) -> Response:
    """Show a batch."""
    batch = context.service.batches.get(context.path["batch"])
    return context.scripted_json() or json_response(batch.to_wire(context.service.profile))


async def cancel(context: RequestContext) -> Response:
    """Cancel a batch."""
    batch = context.service.batches.get(context.path["batch"])
    if batch.ended:
        raise SandboxError("invalid_value", f"The batch has ended; its status is '{batch.status}'.")
    batch.status = "cancelling"
    context.service.batches.end(batch, "cancelled")
    return context.scripted_json() or json_response(batch.to_wire(context.service.profile))


def _metadata(body: dict[str, Any]) -> dict[str, str]:
    metadata = body.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or len(metadata) > _MOST_PAIRS:
        raise invalid("metadata", f"must be an object of at most {_MOST_PAIRS} pairs.")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise invalid("metadata", "must have strings as values.")
    return metadata


@dataclass(slots=True)
class _Results:
    """A result file while it is written; it is listed once it has a line."""

    file: StoredFile
    out: IO[bytes]
    lines: int = 0

    def write(self, line: bytes) -> None:
        self.out.write(line)
        self.lines += 1


class _Run:
    """One batch under way."""

    def __init__(self, context: RequestContext, batch: SandboxBatch, file: StoredFile) -> None:
        self._context = context
        self._service = context.service
        self._batch = batch
        self._input = file
        self._endpoint, self._route = ROUTES[batch.endpoint]
        # A batch goes on when the client that made it has left.
        self._connection = Connection(context.connection.transport, 0)

    async def run(self) -> None:
        """Check the file, run its lines, and end the batch."""
        batch = self._batch
        await self._check()
        if batch.errors:
            batch.become("failed", "failed_at")
            batch.ended = True
            return
        if batch.ending is None:
            batch.become("in_progress", "in_progress_at")
        done, failed = self._results("output"), self._results("errors")
        try:
            with self._input.path.open("rb") as lines:
                for line in lines:
                    if not line.strip():
                        continue
                    if not await self._service.batches.turn(batch):
                        break
                    await self._run_line(from_json(line), done, failed)
        finally:
            done.out.close()
            failed.out.close()
        for results in (done, failed):
            if results.lines:
                self._service.files.add(results.file)
        batch.output_file_id = done.file.id if done.lines else None
        batch.error_file_id = failed.file.id if failed.lines else None
        if batch.ending is not None:
            batch.become(batch.ending, f"{batch.ending}_at")
        else:
            batch.become(self._service.profile.batch_end, "completed_at")
        batch.ended = True

    def _results(self, kind: str) -> _Results:
        file = self._service.files.new(f"{self._batch.id}_{kind}.jsonl", "batch")
        return _Results(file, file.path.open("wb"))

    async def _check(self) -> None:
        """Check every line, as the service does before a batch runs."""
        batch, seen = self._batch, set[str]()
        with self._input.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                batch.total += 1
                for message in _problems(line, batch.endpoint, seen):
                    if len(batch.errors) < _MOST_ERRORS:
                        error = {"code": "invalid_request_error", "message": message, "param": None}
                        batch.errors.append(error | {"line": number})
                if number % 1_000 == 0:
                    await asyncio.sleep(0)

    async def _run_line(self, item: dict[str, Any], done: _Results, failed: _Results) -> None:
        context = self._context_of(item)
        response = await answered(context, self._route)
        if isinstance(response, EventsResponse):
            response = _refused(context)
        if response.status >= _FIRST_ERROR:
            failed.write(_result_line(context.record, response))
            self._batch.failed += 1
        else:
            done.write(_result_line(context.record, response))
            self._batch.succeeded += 1
        self._service.requests.add_cost_of(context.record)
        await asyncio.sleep(context.fault.delay)

    def _context_of(self, item: dict[str, Any]) -> RequestContext:
        """A line as a request of its own."""
        record = RecordedRequest(
            method="POST",
            path=self._batch.endpoint,
            query="",
            endpoint=self._endpoint,
            headers={},
            body=item["body"],
            request_id=f"req_{uuid.uuid4().hex}",
            connection=0,
            received_at=0.0,
            custom_id=item["custom_id"],
        )
        return replace(
            self._context,
            endpoint=self._endpoint,
            headers={},
            query={},
            path={},
            record=record,
            connection=self._connection,
            body=item["body"],
            fault=NO_FAULT,
            _routed=None,
        )


def _result_line(record: RecordedRequest, response: Response) -> bytes:
    """The line of a result file; the body of the answer goes into it as it is."""
    head = {"id": f"batch_{record.request_id}", "custom_id": record.custom_id}
    about = {"status_code": response.status, "request_id": record.request_id}
    return b"".join(
        (
            json_bytes(head)[:-1],
            b',"response":',
            json_bytes(about)[:-1],
            b',"body":',
            response.content,
            b'},"error":null}\n',
        )
    )


def _refused(context: RequestContext) -> Response:
    status, body = invalid("stream", "must be false in a batch.").render(context.service.profile)
    return json_response(body, status)


def _problems(line: bytes, endpoint: str, seen: set[str]) -> Iterator[str]:
    try:
        item = from_json(line)
    except ValueError:
        item = None
    if not isinstance(item, dict):
        yield "This line is not a JSON object."
        return
    name = item.get("custom_id")
    if not isinstance(name, str) or not name:
        yield "'custom_id' must be a string that is not empty."
    elif name in seen:
        yield f"The custom_id '{name[:100]}' is used more than once."
    else:
        seen.add(name)
    if item.get("method") != "POST":
        yield "'method' must be 'POST'."
    if item.get("url") != endpoint:
        yield f"'url' must be '{endpoint}', the endpoint of the batch."
    if not isinstance(item.get("body"), dict):
        yield "'body' must be an object."
