"""/files: what batches read and write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from melious.answers.batches import FileList, FileObject
from melious.answers.reading import json_of, read_as
from melious.endpoints.common import check_known, check_utf8, request_of, with_header, without_ledger
from melious.endpoints.forms import FileArgument, check_size, opened
from melious.errors import InvalidArgumentError, NotFoundError, ResponseDecodeError
from melious.errors.checks import check_one_of, check_text, check_whole
from melious.exchange.request import Operation, Request, Response
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions
from melious.wire.uploads import FilePart, Upload

PATH = "files"
MAX_BYTES = 105_000_000
MOST_LISTED = 100
_TYPE = "application/jsonl"


def create(
    config: ClientConfig, file: FileArgument, purpose: str, params: CallOptions
) -> Operation[FileObject]:
    """A call that uploads a file of at most 105 MB."""
    check_call(params)
    check_text("purpose", purpose)
    name, content = opened(file, "file", "batch.jsonl", MAX_BYTES)
    check_size("file", name, content, MAX_BYTES, "Divide it, or use `batches.submit`, which does")
    upload = Upload({"purpose": check_utf8("purpose", purpose)}, (FilePart(name, content, _TYPE),))
    return Operation(without_ledger(request_of(config, PATH, PATH, params, upload)), _one)


def list_all(config: ClientConfig, params: CallOptions, **query: Any) -> Operation[FileList]:
    """A call for a page of files."""
    return Operation(listing(config, PATH, params, query), _list)


def retrieve(config: ClientConfig, file_id: str, params: CallOptions) -> Operation[FileObject]:
    """A call for what is known of a file."""
    return Operation(_about(config, file_id, "", params), _one)


def delete(config: ClientConfig, file_id: str, params: CallOptions) -> Operation[FileObject]:
    """A call that deletes a file."""
    return Operation(_about(config, file_id, "", params)._replace(method="DELETE"), _one)


def content(config: ClientConfig, file_id: str, params: CallOptions) -> Request:
    """A request for the bytes of a file."""
    return with_header(_about(config, file_id, "/content", params)._replace(stream=True), "accept", "*/*")


def check_call(params: Mapping[str, Any]) -> None:
    """Check the options of a call whose body the caller cannot add to."""
    check_known(params, CallOptions, "files and batches")
    if params.get("extra_body"):
        raise InvalidArgumentError("extra_body: is not sent with files and batches", param="extra_body")


def id_in_path(where: str, value: object) -> str:
    """An id as a part of a path."""
    check_text(where, value)
    return quote(check_utf8(where, str(value)), safe="")


def listing(config: ClientConfig, path: str, params: CallOptions, query: Mapping[str, Any]) -> Request:
    """A request for a page of files or batches."""
    check_call(params)
    given = {name: value for name, value in query.items() if value is not None}
    if "limit" in given:
        check_whole("limit", given["limit"], least=1, most=MOST_LISTED)
    if "order" in given:
        check_one_of("order", given["order"], ("asc", "desc"))
    for name in ("purpose", "after"):
        if name in given:
            check_text(name, given[name])
            check_utf8(name, given[name])
    path = f"{path}?{urlencode(given)}" if given else path
    return without_ledger(request_of(config, path.partition("?")[0], path, params, None, retry_timeouts=True))


def missing_advice(error: Any, what: str) -> str | None:
    """What to do where the service does not know an id; None for other errors."""
    if not isinstance(error, NotFoundError):
        return None
    return f"List them with client.{what}.list(): the service keeps them for a limited time"


def _about(config: ClientConfig, file_id: str, rest: str, params: CallOptions) -> Request:
    check_call(params)
    path = f"{PATH}/{id_in_path('file_id', file_id)}{rest}"
    request = request_of(
        config, PATH, path, params, None, retry_timeouts=True, advise=lambda e: missing_advice(e, PATH)
    )
    return without_ledger(request)


def _one(response: Response) -> FileObject:
    return read_as(FileObject, json_of(response, PATH), response, PATH)


def _list(response: Response) -> FileList:
    raw = json_of(response, PATH)
    if not isinstance(raw.get("data"), list):
        raise ResponseDecodeError("files: the answer has no files", request_id=response.request_id, body=raw)
    return read_as(FileList, raw, response, PATH)
