"""POST /documents/convert: one call, as many requests as it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlencode

from melious.answers.documents import ConvertedDocument, DocumentsResult
from melious.answers.reading import json_of, read_as, set_source, wrong_answer
from melious.endpoints.common import check_utf8, request_of
from melious.endpoints.document_files import FIELD, MAX_BYTES, DocumentFile, checked_files, equal_files
from melious.endpoints.forms import form_field
from melious.endpoints.splitting import Batch, BatchLimits, BatchPlan, OnAnswer, Progress, in_batches
from melious.endpoints.sums import sum_cost, sum_impact, sum_usage
from melious.errors import BadRequestError, InvalidArgumentError, MeliousError, PageLimitError
from melious.errors.checks import check_mapping
from melious.exchange.request import Otherwise, Request, Response, Stop, parsed
from melious.routing.filters import FiltersArgument
from melious.routing.residency import ResidencyRule, VerifyLocation, check_verifiable
from melious.settings.config import ClientConfig, reject_unknown
from melious.settings.options import CallOptions, check_call_options, check_option
from melious.wire.uploads import FilePart, Upload, size_of

NAME = "documents"
PATH = "documents/convert"
MAX_FILES = 1000
OLDER_FIELD = "files"

_NAMES = ("filename", "file_name", "name")
"""What a service may call the file of a result."""
_NO_FILES = (
    r"\b(?:no|missing|without) (?:\w+ )?(?:files?|documents?|uploads?)\b|\bat least one (?:file|document)\b"
    r"|\b(?:files?|documents?) (?:is|are|was|were) (?:required|missing)\b|\bunexpected (?:file )?field\b"
)
"""How servers say that they found no files."""
_MOST_SERVERS = 1024
_fields: dict[str, str] = {}
"""The field that the server at a base URL takes, once that is known."""

QueryValue: TypeAlias = str | int | float | bool | Sequence[str | int | float | bool] | None


class DocumentParams(CallOptions, total=False):
    """The optional parameters of a conversion. None is not sent.

    Attributes:
        extra_query: Parameters of the URL, sent as they are; none by default. The service has some,
            which its readable documentation does not list.
        filters: The countries to check the location of the answer against, as `{"countries": ["DE"]}`;
            by default the client's own. They are not sent.
        verify_location: `warn` or `raise` if an answer does not come from these countries; by default the
            client's own.
        max_concurrency: The most concurrent requests; 4 by default.
        on_progress: Called after each request with the number of files done and of all files, in the
            caller's thread or event loop. The asyncio client awaits an awaitable result. An exception
            ends the call.
        on_answer: Called in the same way with each answer as soon as it arrives, even if another
            request of the call fails.
    """

    extra_query: Mapping[str, QueryValue] | None
    filters: FiltersArgument | None
    verify_location: VerifyLocation | None
    max_concurrency: int | None
    on_progress: Progress | None
    on_answer: OnAnswer | None


class DocumentsPlan(BatchPlan[DocumentsResult]):
    """One call: its files by request, and their answers."""

    name = NAME
    field = FIELD

    def __init__(
        self, config: ClientConfig, files: Iterable[DocumentFile | FilePart], params: DocumentParams
    ) -> None:
        """Check the arguments, and look at the files."""
        reject_unknown(params, DocumentParams.__annotations__, NAME)
        check_call_options(params)
        super().__init__(config, params)
        query = _query(params.get("extra_query"), config)
        self._path = f"{PATH}?{query}" if query else PATH
        # The client's own `extra_body` is meant for models.
        extra = params.get("extra_body") or {}
        self._form = dict(form_field(name, value) for name, value in extra.items())
        self._residency = _rule(config, params)
        self._parts = checked_files(files)
        self._first = equal_files(self._parts)
        self._converted: dict[int, ConvertedDocument] = {}
        self._answers: list[tuple[Batch, DocumentsResult]] = []

    def batches(self) -> list[Batch]:
        """The batches to send first: as many files as fit into a request, each file once."""
        sizes = ((place, size_of(self._parts[place].content), 0) for place in sorted(set(self._first)))
        return in_batches(sizes, BatchLimits(MAX_FILES, MAX_BYTES, 1))

    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """See `BatchPlan.request`."""
        base_url = self._config.base_url
        field = _fields.get(base_url)
        sent = Upload(self._form, tuple(self._parts[place] for place in batch))
        request = request_of(
            self._config,
            NAME,
            self._path,
            {**self._params, "routing_fallbacks": (), "verify_location": "off", "filters": None},
            _under(sent, field or FIELD),
            spent=self._spent(),
            simpler=() if field else (_OtherField(),),
            advise=_advice,
            stop=stop,
            learned=() if field else (partial(_note_field, base_url, FIELD),),
        )
        return request._replace(routing=request.routing._replace(residency=self._residency))

    def accept(self, batch: Batch, response: Response) -> DocumentsResult:
        """See `BatchPlan.accept`."""
        answer = parsed(response, partial(self._read, batch))
        self._answers.append((batch, answer))
        for place, document in zip(batch, answer.results, strict=True):
            self._converted[place] = document
        return answer

    def _read(self, batch: Batch, response: Response) -> DocumentsResult:
        raw = json_of(response, NAME)
        results = raw.get("results")
        if not isinstance(results, list):
            raise wrong_answer(f"{NAME}: the answer has no results", request_id=response.request_id, body=raw)
        if len(results) != len(batch):
            raise wrong_answer(
                f"{NAME}: {len(results)} results came in the answer to {len(batch)} files",
                request_id=response.request_id,
                body=raw,
            )
        answer = read_as(DocumentsResult, raw, response, NAME)
        names = [self._parts[place].filename for place in batch]
        order = _order(results, names)
        for name, place in zip(names, order, strict=True):
            _check_result(results[place], name, response, raw)
        answer.results = [answer.results[place] for place in order]
        for name, document in zip(names, answer.results, strict=True):
            document.source_name = name
        return answer

    def result(self) -> DocumentsResult:
        """The documents in the order of the call."""
        answers = [answer for _, answer in sorted(self._answers, key=lambda item: item[0])]
        documents = [
            self._converted[first]
            if first == place
            else self._converted[first].model_copy(update={"source_name": self._parts[place].filename})
            for place, first in enumerate(self._first)
        ]
        result = DocumentsResult(
            results=documents,
            usage=sum_usage(answers),
            environment_impact=sum_impact(answers),
            billing_cost=sum_cost(answers),
        )
        result.batches = [*answers]
        set_source(result, *self._origin(answers))
        return self._verified(result, answers)

    def _count(self) -> tuple[int, int]:
        return sum(first in self._converted for first in self._first), len(self._first)


def _check_result(result: Mapping[str, Any], name: str, response: Response, body: dict[str, Any]) -> None:
    """Refuse a result without pages, which must not pass for an empty document."""
    why = result.get("error")
    if "pages" not in result or (why and not result["pages"]):
        said = f": {why!s:.200}" if why else ""
        raise wrong_answer(
            f"{NAME}: the result for {name!r} has no pages{said}", request_id=response.request_id, body=body
        )


def _rule(config: ClientConfig, params: DocumentParams) -> ResidencyRule | None:
    mode, given = params.get("verify_location"), params.get("filters")
    mode = config.verify_location if mode is None else mode
    filters = config.filters if given is None else check_option("filters", given)
    if mode == "off":
        return None
    check_verifiable(mode, filters)
    return ResidencyRule.of(mode, filters)


class _OtherField:
    """Sends a form once more, with the files in the field of older servers, where it was refused."""

    def __init__(self) -> None:
        self._refusal: MeliousError | None = None

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | MeliousError | None:
        if not isinstance(error, BadRequestError) or error.status_code not in (400, 422):
            return None
        if self._refusal is not None:
            # Both were refused: one for the field's name, one for what the caller can mend.
            return self._refusal if _asks_for(error, FIELD) or _misses_files(error) else error
        if not isinstance(request.body, Upload):
            return None
        self._refusal = error
        body = _under(request.body, OLDER_FIELD)
        learned = (partial(_note_field, request.base_url, OLDER_FIELD),)
        why = f"the form was refused ({error.status_code}), sending the files as {OLDER_FIELD!r}"
        return Otherwise(request._replace(body=body, learned=learned), why)


def _asks_for(error: MeliousError, field: str) -> bool:
    """Whether an error says that a field of the form is missing."""
    said = f"{error.message} {error.details or ''}"
    return (
        error.param == field
        or re.search(rf"['\"`]{field}['\"`]|\b{field}\b field|field \b{field}\b", said) is not None
    )


def _misses_files(error: MeliousError) -> bool:
    """Whether an error says that no files came, as one does that does not know the field's name."""
    return re.search(_NO_FILES, error.message, re.IGNORECASE) is not None


def _under(form: Upload, field: str) -> Upload:
    return replace(form, files=tuple(replace(part, field=field) for part in form.files))


def _note_field(base_url: str, field: str) -> None:
    if len(_fields) >= _MOST_SERVERS:
        _fields.clear()
    _fields[base_url] = field


def check_unrouted(given: Mapping[str, Any]) -> None:
    """Refuse routing among the settings of a class that only converts documents.

    Raises:
        InvalidArgumentError: There is one; `param` is its name.
    """
    for name in ("preset", "flavor", "routing_fallbacks"):
        if given.get(name) is not None:
            raise InvalidArgumentError(f"{name}: documents are converted without a model", param=name)


def forget_fields() -> None:
    """Forget which field each server takes."""
    _fields.clear()


def _order(results: list[Any], names: Sequence[str]) -> Sequence[int]:
    """The place of each file's result: by name if each result has the name of another file, else in order."""
    for key in _NAMES:
        said = [result.get(key) if isinstance(result, dict) else None for result in results]
        if len(set(names)) == len(names) and all(name in said for name in names):
            return [said.index(name) for name in names]
    return range(len(names))


def _query(extra: Mapping[str, QueryValue] | None, config: ClientConfig) -> str:
    """The parameters of the URL, encoded.

    Raises:
        InvalidArgumentError: A parameter cannot be sent, or is the key.
    """
    check_mapping("extra_query", extra)
    pairs: list[tuple[str, str]] = []
    for name, value in (extra or {}).items():
        where = f"extra_query[{name!r}]"
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"extra_query: names must be text, not {name!r}", param="extra_query")
        values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        pairs += ((check_utf8(where, name), _query_text(where, item)) for item in values)
    key = config.api_key.get_secret_value()
    if any(key in text for pair in pairs for text in pair):
        raise InvalidArgumentError(
            "extra_query: must not contain the key, which is sent as a header", param="extra_query"
        )
    return urlencode(pairs)


def _query_text(where: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise InvalidArgumentError(
            f"{where}: must be text, a number, True or False, or a list of these, not {type(value).__name__}",
            param="extra_query",
        )
    return check_utf8(where, str(value))


def _advice(error: MeliousError) -> str | None:
    """The advice for a used-up day: its limit and when it is reset, as far as the service says."""
    if not isinstance(error, PageLimitError) or not isinstance(error.details, Mapping):
        return None
    said = ", ".join(
        f"{str(name).replace('_', ' ')}: {value!s:.80}"
        for name, value in error.details.items()
        if any(word in str(name).lower() for word in ("limit", "reset"))
    )
    return f"{PageLimitError.advice} ({said})" if said else None
