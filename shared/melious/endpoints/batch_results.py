"""The lines of a result file as answers and errors."""

from __future__ import annotations

from typing import Any

from melious.answers.batches import Batch, BatchResult
from melious.answers.location import verify
from melious.answers.reading import checked_object, read_as
from melious.answers.results import Result
from melious.endpoints.batch_lines import KINDS
from melious.endpoints.batch_parts import Facts
from melious.errors import MeliousError, ResidencyError, ResponseDecodeError, ServerError
from melious.errors.table import status_error, web_page
from melious.exchange.request import CallSummary, Response
from melious.wire import codec

_NO_LINE = "Submit the requests without an answer again"


class LineReader:
    """Reads the lines of a batch's files.

    Attributes:
        endpoint: The name of the lines' endpoint: `chat`, `embeddings`, ...
        facts: What the batch's metadata says of them.
        files: The ids of the result files.
        input: The id of the file with the requests.
    """

    def __init__(self, batch: Batch) -> None:
        path = batch.endpoint or ""
        kind = KINDS.get(path)
        self.endpoint = kind.name if kind is not None else path.rpartition("/v1/")[2] or "batches"
        self._read = kind.read if kind is not None else self._plain
        self.facts = Facts.of(batch)
        self.files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        self.input = batch.input_file_id or ""
        self._batch = batch
        self._call = CallSummary(routing=self.facts.terms)

    def read(self, line: bytes) -> BatchResult:
        """Read a line of a result file.

        Raises:
            ResponseDecodeError: It is not the result of a request.
            APIStatusError: It is an error in place of a file.
        """
        raw = self._object(line)
        name = str(raw["custom_id"])
        try:
            answer = self._answer(raw)
            if answer.meta.residency is not None:
                verify(answer)
        except MeliousError as error:
            error.attempts = error.attempts or 1
            return BatchResult(name, None, error, raw)
        return BatchResult(name, answer, None, raw)

    def is_complete(self, count: int) -> bool:
        """Whether so many results are those of all requests, as far as that can be known."""
        expected = self.facts.lines
        if expected is None:
            expected = self._batch.counts.total
        return not self.input or (expected is not None and count >= expected)

    def name(self, line: bytes) -> str:
        """The id in a line of any file of a batch."""
        return str(self._object(line)["custom_id"])

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            raw = codec.loads(line)
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or raw.get("custom_id") is None:
            if isinstance(raw, dict) and raw.get("error"):
                raise status_error(None, raw, endpoint="files")
            begins = line[:4000].decode("utf-8", "replace")
            shown = web_page(begins) or repr(" ".join(begins[:200].split()))
            raise ResponseDecodeError(
                f"files: a line of {self._batch.id} is not the result of a request: {shown}",
                body=begins[:200],
            )
        return raw

    def _answer(self, raw: dict[str, Any]) -> Result:
        found, error = raw.get("response"), raw.get("error")
        response = found if isinstance(found, dict) else {}
        request_id = response.get("request_id") or raw.get("id")
        request_id = request_id if isinstance(request_id, str) else None
        status = response.get("status_code")
        body = response.get("body")
        if isinstance(body, str):
            body = codec.loads_or_text(body)
        known = status if type(status) is int else None
        refused = known is not None and not 200 <= known < 300  # noqa: PLR2004
        if refused or error or not response:
            said = body if refused and body else {"error": error} if error else body
            raise status_error(
                known if refused else None,
                said if said is not None else "the result has neither an answer nor an error",
                request_id=request_id,
                endpoint=self.endpoint,
            )
        if not isinstance(body, dict):
            raise ResponseDecodeError(
                f"{self.endpoint}: the answer is not a JSON object: {body!r:.200}", request_id=request_id
            )
        headers = {} if request_id is None else {"x-request-id": request_id}
        head = Response(known or 200, headers, b"", self._call)
        return self._read(checked_object(body, head, self.endpoint), head)

    def _plain(self, raw: dict[str, Any], response: Response) -> Result:
        """An answer of an endpoint that `batches.submit` does not write lines for."""
        return read_as(Result, raw, response, self.endpoint)

    def lost(self) -> MeliousError:
        """The error of a request for which the service has no result."""
        batch = self._batch
        errors = batch.errors
        listed = errors.get("data") if isinstance(errors, dict) else errors
        first = listed[0] if isinstance(listed, list) and listed else None
        if first and batch.status.lower() == "failed":
            error: MeliousError = status_error(
                None, {"error": first}, request_id=batch.request_id, endpoint="batches"
            )
            error.is_retryable = False
            return error
        word = batch.status.lower() or "unknown"
        return ServerError(
            f"the batch {batch.id} has no result for this request; its status is {word!r}",
            code=f"batch_{word}",
            request_id=batch.request_id,
            advice=_NO_LINE,
        )


def answered(result: BatchResult) -> Result | None:
    """The answer of a line, also where its location was refused."""
    error = result.error
    answer: Result | None = error.answer if isinstance(error, ResidencyError) else result.answer
    return answer
