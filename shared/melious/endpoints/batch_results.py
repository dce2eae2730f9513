"""The lines of a result file as answers and errors."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from melious.answers.batches import Batch, BatchResult, word_of
from melious.answers.location import verify
from melious.answers.reading import checked_object, read_as
from melious.answers.results import Result
from melious.endpoints.batch_facts import Facts, sum_of
from melious.endpoints.batch_lines import kind_named
from melious.errors import MeliousError, ResidencyError, ResponseDecodeError, ServerError
from melious.errors.table import status_error, web_page
from melious.exchange.request import CallSummary, Response
from melious.routing.residency import ResidencyRule
from melious.wire import codec

_NO_LINE = "Submit the requests without an answer again"
FILE_IS_GONE = "The service no longer has a file of the batch: submit the requests again, with reuse=False"
_READ_AGAIN = "Read the results again; the file stays at the service"
_REFUSED = "The batch failed as a whole: correct the requests, and submit them again"

_logger = logging.getLogger("melious")


class LineReader:
    """Reads the lines of a batch's files.

    Args:
        batch: The batch.
        rule: The countries that its answers must come from, where its metadata does not say them.

    Attributes:
        endpoint: The name of the lines' endpoint: `chat`, `embeddings`, ...
        facts: What the batch's metadata says of them.
        files: The ids of the result files.
        input: The id of the file with the requests.
    """

    def __init__(self, batch: Batch, rule: ResidencyRule | None = None) -> None:
        path = batch.endpoint or ""
        self.facts = Facts.of(batch, rule)
        kind = kind_named(path, self.facts.endpoint)
        self.endpoint = kind.name if kind is not None else path.rpartition("/v1/")[2] or "batches"
        self._read = kind.read if kind is not None else self._plain
        self.files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        self.input = batch.input_file_id or ""
        self._batch = batch
        self._call = CallSummary(routing=self.facts.terms)
        self._seen: set[str] = set()
        self._unreadable: ResponseDecodeError | None = None
        self._pending: ResponseDecodeError | None = None

    def read(self, line: bytes) -> BatchResult | None:
        """Read a line of a result file.

        Returns:
            The result; None for a line that is not one, for a request that has one already, and for one that
            is not among those of the batch.

        Raises:
            APIStatusError: It is an error in place of a file.
        """
        try:
            raw = self._object(line)
        except ResponseDecodeError as error:
            self._pending = self._pending or error
            return None
        self._unreadable, self._pending = self._unreadable or self._pending, None
        name = str(raw["custom_id"])
        if name in self._seen:
            return None
        if not self._expects(name):
            _logger.warning(
                "files: the results of %s have a line for %.80r, which it does not have", self._batch.id, name
            )
            return None
        self._seen.add(name)
        try:
            answer = self._answer(raw)
            if answer.meta.residency is not None:
                verify(answer)
        except MeliousError as error:
            error.attempts = error.attempts or 1
            return BatchResult(name, None, error, raw)
        return BatchResult(name, answer, None, raw)

    def end(self) -> None:
        """The end of a file.

        Raises:
            ResponseDecodeError: Its last lines are not results: it was cut, or is something else.
        """
        if self._pending is not None:
            raise self._pending

    def missing(self) -> Iterable[str] | None:
        """The ids of the requests without a result, as far as they are known; None if the input says them."""
        facts = self.facts
        if facts.first is not None and facts.lines is not None:
            names = (f"request-{place}" for place in range(facts.first, facts.first + facts.lines))
            return (name for name in names if name not in self._seen)
        if facts.ids is not None:
            complete = facts.lines == len(self._seen) and facts.ids == sum_of(self._seen)
        else:
            expected = self._batch.counts.total if facts.lines is None else facts.lines
            complete = expected is not None and len(self._seen) >= expected
        return () if complete or not self.input else None

    def name_of_lost(self, line: bytes) -> str | None:
        """The id in a line of the input, if the request has no result."""
        name = str(self._object(line)["custom_id"])
        return None if name in self._seen else name

    def _expects(self, name: str) -> bool:
        """Whether the batch has a request with this id, as far as that is known."""
        first, lines = self.facts.first, self.facts.lines
        if first is None or lines is None:
            return True
        place = BatchResult(name).index
        return place is not None and first <= place < first + lines and name == f"request-{place}"

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
                advice=_READ_AGAIN,
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

    def lost(self, name: str) -> BatchResult:
        """The result of a request for which the service has none."""
        return BatchResult(name, None, self._lost())

    def _lost(self) -> MeliousError:
        batch = self._batch
        word = word_of(batch.status) or "unknown"
        reason = _reason(batch)
        if reason and word == "failed":
            error: MeliousError = status_error(
                None, {"error": reason}, request_id=batch.request_id, endpoint="batches"
            )
            error.is_retryable, error.advice = False, _REFUSED
            line = reason.get("line") if isinstance(reason, dict) else None
            if isinstance(line, int):
                error.add_note(f"The service names line {line} of the batch {batch.id}")
            return error
        broken = self._unreadable
        if broken is not None:
            return ResponseDecodeError(
                f"the batch {batch.id} has no result for this request that can be read. {broken.message}",
                request_id=batch.request_id,
                body=broken.body,
                advice=_NO_LINE,
            )
        return ServerError(
            f"the batch {batch.id} has no result for this request; its status is {word!r}",
            code=f"batch_{word}",
            request_id=batch.request_id,
            advice=_NO_LINE,
        )


def _reason(batch: Batch) -> Any:
    """Why a batch failed as a whole, as an error object or text."""
    errors = batch.errors
    if isinstance(errors, dict) and "data" in errors:
        errors = errors["data"]
    return errors[0] if isinstance(errors, list) and errors else errors


def answered(result: BatchResult) -> Result | None:
    """The answer of a line, also where its location was refused."""
    error = result.error
    answer: Result | None = error.answer if isinstance(error, ResidencyError) else result.answer
    return answer
