"""What a request is about, in a few words."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from melious_sandbox.page.texts import compact
from melious_sandbox.service.records import RecordedRequest

LONGEST = 140
"""Characters that the page shows of it."""

_About: TypeAlias = Callable[[RecordedRequest, Mapping[str, Any]], str]


def about(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    """Give the question, the text, the file or the like of a request."""
    if request.body_left_out is not None:
        return f"[{request.body_left_out}]"
    say = _OF_ENDPOINT.get(request.endpoint)
    return "" if say is None else say(request, body)


def _last_message(_: RecordedRequest, body: Mapping[str, Any]) -> str:
    messages = body.get("messages")
    found = [item for item in messages if isinstance(item, dict)] if isinstance(messages, list) else []
    asked = [message for message in found if message.get("role") == "user"] or found
    content = asked[-1].get("content") if asked else ""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        return " ".join(compact(part.get("text")) or f"[{compact(part.get('type'))}]" for part in parts[:20])
    return compact(content)


def _first_text(_: RecordedRequest, body: Mapping[str, Any]) -> str:
    texts = body.get("input")
    if not isinstance(texts, list) or not texts:
        return compact(texts)
    first = compact(texts[0])
    return first if len(texts) == 1 else f"{len(texts):,} texts · {first}"


def _query(_: RecordedRequest, body: Mapping[str, Any]) -> str:
    documents = body.get("documents")
    count = f" · {len(documents):,} documents" if isinstance(documents, list) else ""
    # A long query must not push the count out of sight.
    return compact(body.get("query"))[: LONGEST - 30] + count


def _prompt(_: RecordedRequest, body: Mapping[str, Any]) -> str:
    return compact(body.get("prompt"))


def _files(_: RecordedRequest, body: Mapping[str, Any]) -> str:
    given = body.get("file") or body.get("data") or body.get("files")
    files = [file for file in (given if isinstance(given, list) else [given]) if isinstance(file, dict)]
    if not files:
        return ""
    count = f"{len(files):,} files · " if len(files) > 1 else ""
    size = sum(file.get("size", 0) for file in files)
    return f"{count}{compact(files[0].get('filename'))} · {size:,} bytes"


def _model(request: RecordedRequest, _: Mapping[str, Any]) -> str:
    return request.path.removeprefix("/v1/models").lstrip("/")


def _hosted_tool(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    return f"{request.path.removeprefix('/v1/tools').lstrip('/')} {compact(body.get('parameters'))}".strip()


def _mcp_method(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    return compact(body.get("method")) or request.path.removeprefix("/v1/mcp/")


def _stored_file(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    path = request.path.removeprefix("/v1/files").lstrip("/")
    return " ".join(filter(None, (request.method, path, _files(request, body))))


def _batch(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    path = request.path.removeprefix("/v1/batches").lstrip("/")
    return " ".join(filter(None, (request.method, path, compact(body.get("endpoint")))))


_OF_ENDPOINT: Mapping[str, _About] = {
    "chat": _last_message,
    "messages": _last_message,
    "embeddings": _first_text,
    "rerank": _query,
    "images": _prompt,
    "audio": _files,
    "documents": _files,
    "models": _model,
    "tools": _hosted_tool,
    "mcp": _mcp_method,
    "files": _stored_file,
    "batches": _batch,
}
