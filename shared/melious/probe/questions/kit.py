"""Questions about documents, batches, tools, MCP and the Anthropic shape: what is there, never a paid job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melious.probe.asking import Ask, Form, Seen
from melious.probe.judging import impact
from melious.probe.models import Choice, most_cost
from melious.probe.questions.question import REFUSED, Question
from melious.probe.questions.requests import EVENTS, FEW_TOKENS, free, one
from melious.probe.verdicts import G1, G2, LIVE, NEW, UNCLEAR, Finding, found, not_asked, short
from melious.wire import codec

_TOPIC = "Beyond the seven endpoints"
_MCP = "mcp/jsonrpc"
_PROTOCOL = "2024-11-05"
_VERSION = (("anthropic-version", "2023-06-01"),)
_BOTH = (("accept", "application/json, text/event-stream"),)
_ENDED_WELL = frozenset({"succeeded", "completed"})
_HEAD_OF_RESULTS = 64 * 1024
_MELIOUS_COUNTS = {"processing", "succeeded", "errored"}
_OPENAI_COUNTS = {"total", "completed", "failed"}
_MESSAGES = [{"role": "user", "content": "Reply with the word OK."}]


def _rpc(name: str, method: str, params: Mapping[str, Any]) -> Ask:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return free(name, "mcp", _MCP, body=body, headers=_BOTH)


def _to_messages(choice: Choice, *, stream: bool = False) -> tuple[Ask, ...]:
    card = one(choice.chat)
    body = {"model": card.id, "max_tokens": FEW_TOKENS, "messages": _MESSAGES} | (
        {"stream": True} if stream else {}
    )
    return (
        Ask(
            name="messages stream" if stream else "messages",
            endpoint="messages",
            path="messages",
            body=body,
            headers=(*_VERSION, *EVENTS) if stream else _VERSION,
            most_cost=most_cost(card, body, FEW_TOKENS),
            proof="type" if stream else "content",
        ),
    )


def _batches(_: Choice) -> tuple[Ask, ...]:
    return (free("batches", "batches", "batches?limit=20", method="GET", private=True),)


def _list_of(seen: Seen, name: str) -> list[Mapping[str, Any]] | None:
    """The objects in a list of an answer; None if it has no such list."""
    items = seen.fields.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else None


def _tools(answers: Sequence[Seen]) -> Finding:
    items = _list_of(answers[0], "items")
    if items is None:
        return found(f"fields: {', '.join(sorted(answers[0].fields))}", NEW)
    shown = f"; a tool has {', '.join(sorted(items[0]))}" if items else ""
    return found(f"a list of {len(items)}{shown}", G1, G2)


def _openai_tools(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    bare = seen.data if isinstance(seen.data, list) else None
    names = [name for name in ("tools", "data", "items") if isinstance(seen.fields.get(name), list)]
    where = "a bare list" if bare is not None else f"a list under {names[0]}" if names else "no list"
    items = bare if bare is not None else _list_of(seen, names[0]) if names else None
    functions = [item for item in items or () if isinstance(item, dict) and item.get("type") == "function"]
    said = f"{where}, {len(functions)} functions"
    return found(said, *((G1, G2) if functions else (UNCLEAR,) if items == [] else (NEW,)))


def _mcp(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    messages = [each for each in (seen.fields, *seen.events) if each.get("jsonrpc") == "2.0"]
    result = next((each["result"] for each in messages if "result" in each), None)
    if result is None:
        return found(f"no result: {short(seen)}", NEW)
    kind = seen.kind
    session = ", with a session id" if "mcp-session-id" in seen.headers else ", without a session id"
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    said = f"answers as {kind}{session}" + (f", protocol {version}" if version else "")
    return found(said, *((G1, G2) if version in (None, _PROTOCOL) else (NEW,)))


def _documents(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    if seen.refusal is None:
        return found(f"accepted a form without a file: {seen.status}", NEW)
    said = f"there; a form without a file gets {short(seen)}"
    text = seen.body.decode("utf-8", "replace")
    named = [name for name in ("data", "files") if any(f"{mark}{name}{mark}" in text for mark in "\"'`")]
    return found(f"{said}; it names {' and '.join(named)}" if named else said, G1, G2)


def _batch_list(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    batches = _list_of(seen, "data")
    if batches is None:
        return found(f"fields: {', '.join(sorted(seen.fields))}", NEW)
    if not batches:
        return found("a list, empty", G1, G2, LIVE)
    words = sorted({str(batch.get("status")) for batch in batches})
    counts = batches[0].get("request_counts")
    names = set(counts) if isinstance(counts, dict) else set()
    said = (
        f"a list of {len(batches)}; status: {', '.join(words)}; counts: {', '.join(sorted(names)) or 'none'}"
    )
    if names == _MELIOUS_COUNTS:
        return found(said, G2)
    return found(said, LIVE if names == _OPENAI_COUNTS else NEW)


def _results(answers: Sequence[Seen]) -> Ask | None:
    for batch in _list_of(answers[0], "data") or ():
        file = batch.get("output_file_id")
        if isinstance(file, str) and file.replace("-", "").replace("_", "").isalnum():
            if str(batch.get("status")) not in _ENDED_WELL:
                continue
            path = f"files/{file}/content"
            return Ask(
                name="results of a batch",
                endpoint="files",
                path=path,
                method="GET",
                private=True,
                most_bytes=_HEAD_OF_RESULTS,
            )
    return None


def _batch_impact(answers: Sequence[Seen]) -> Finding:
    if len(answers) == 1:
        return not_asked("the account has no finished batch, and the probe starts none")
    first = codec.loads_or_text(answers[1].body.split(b"\n", 1)[0])
    response = first.get("response") if isinstance(first, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    if not isinstance(body, dict):
        return found("no result could be read", UNCLEAR)
    names = [name for name in ("environment_impact", "billing_cost") if name in body]
    return found(f"a result has {' and '.join(names) or 'neither impact nor bill'}", NEW)


def _count(answers: Sequence[Seen]) -> Finding:
    fields = answers[0].fields
    usual = set(fields) == {"input_tokens"} and isinstance(fields["input_tokens"], int)
    return found(f"fields: {', '.join(sorted(fields))}", G2 if usual else NEW)


def _speech(answers: Sequence[Seen]) -> Finding:
    return found(f"there: {short(answers[0])}", G2)


def _responses(answers: Sequence[Seen]) -> Finding:
    return found(f"there, though the newer pages say that it is not: {short(answers[0])}", NEW)


QUESTIONS = (
    Question(
        name="tools",
        topic=_TOPIC,
        asks="Is the list of hosted tools there?",
        sends=lambda _: (free("tools", "tools", "tools?page_size=1&source=native", method="GET"),),
        judge=_tools,
    ),
    Question(
        name="tools in OpenAI's form",
        topic=_TOPIC,
        asks="Are hosted tools listed in OpenAI's form?",
        sends=lambda _: (free("tools openai", "tools", "tools/openai", method="GET"),),
        judge=_openai_tools,
    ),
    Question(
        name="MCP ping",
        topic=_TOPIC,
        asks="Does the MCP endpoint answer a ping?",
        sends=lambda _: (_rpc("mcp ping", "ping", {}),),
        judge=_mcp,
        takes=frozenset({400}),
    ),
    Question(
        name="MCP initialize",
        topic=_TOPIC,
        asks="Which protocol does the MCP endpoint speak, and does it open sessions?",
        sends=lambda _: (
            _rpc(
                "mcp initialize",
                "initialize",
                {
                    "protocolVersion": _PROTOCOL,
                    "capabilities": {},
                    "clientInfo": {"name": "melious-probe", "version": "1"},
                },
            ),
        ),
        judge=_mcp,
        takes=frozenset({400}),
    ),
    Question(
        name="documents",
        topic=_TOPIC,
        asks="Is the conversion of documents there, and which field does it miss?",
        sends=lambda _: (
            free("documents", "documents", "documents/convert", form=Form({"note": "no file"})),
        ),
        judge=_documents,
        takes=REFUSED - {404},
    ),
    Question(
        name="batches",
        topic=_TOPIC,
        asks="Is the list of batches there, and how does it count?",
        sends=_batches,
        judge=_batch_list,
    ),
    Question(
        name="impact of batches",
        topic=_TOPIC,
        asks="Do the results of a batch report impact and bill?",
        sends=_batches,
        judge=_batch_impact,
        follows=_results,
    ),
    Question(
        name="count_tokens",
        topic=_TOPIC,
        asks="Are tokens counted for free?",
        sends=lambda choice: (
            free(
                "count tokens",
                "messages",
                "messages/count_tokens",
                body={"model": one(choice.chat).id, "messages": _MESSAGES},
                headers=_VERSION,
            ),
        ),
        judge=_count,
        needs="chat",
    ),
    Question(
        name="impact of messages",
        topic=_TOPIC,
        asks="Does the Anthropic shape report its impact?",
        sends=_to_messages,
        judge=impact((G2,), (LIVE,)),
        needs="chat",
    ),
    Question(
        name="impact of streamed messages",
        topic=_TOPIC,
        asks="Does a stream of the Anthropic shape report its impact?",
        sends=lambda choice: _to_messages(choice, stream=True),
        judge=impact((NEW,), (LIVE,)),
        needs="chat",
    ),
    Question(
        name="speech",
        topic=_TOPIC,
        asks="Is there speech?",
        sends=lambda _: (free("speech", "audio", "audio/speech", body={}),),
        judge=_speech,
        takes=REFUSED - {404},
    ),
    Question(
        name="responses",
        topic=_TOPIC,
        asks="Is there OpenAI's endpoint for responses?",
        sends=lambda _: (free("responses", "responses", "responses", body={}),),
        judge=_responses,
        takes=REFUSED - {404},
    ),
    Question(
        name="results of tools",
        topic=_TOPIC,
        asks="What does a hosted tool answer?",
        sends=lambda _: (),
        judge=lambda _: not_asked("what a hosted tool costs is unknown"),
    ),
    Question(
        name="converted pages",
        topic=_TOPIC,
        asks="Which fields does a converted page have, and does it report impact and bill?",
        sends=lambda _: (),
        judge=lambda _: not_asked("every page is billed"),
    ),
    Question(
        name="images",
        topic=_TOPIC,
        asks="Are pictures sent as URL or base64, and do they report impact and bill?",
        sends=lambda _: (),
        judge=lambda _: not_asked("a picture may cost more than all other questions together"),
    ),
)
