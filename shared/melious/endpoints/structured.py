"""How a chat request asks for an object, and what it asks instead where the model refuses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Required, TypedDict

from melious.catalogue.methods import (
    STRICT,
    Method,
    first_method,
    is_refused,
    methods_from,
    note_obedience,
    note_refusal,
    obeys,
)
from melious.endpoints.otherwise import Alternatives
from melious.errors import APIStatusError, BadRequestError, MeliousError
from melious.errors.conversation import need_in
from melious.exchange.request import Otherwise, Request
from melious.exchange.retry import is_malformed
from melious.wire import codec
from melious.wire.objects import NOTHING, object_in
from melious.wire.schemas import allows_strict, closed

_INSTRUCTION = "Answer with nothing but a JSON object that fits this JSON schema:\n"
_CALL = "Answer by calling the tool {name!r}."
_ABOUT = frozenset({"title", "description"})
"""What stands beside the parameters of a function, not in them."""
_WITHOUT_CALL = frozenset({"length", "content_filter"})
"""Reasons of the end after which a missing call says nothing about the model."""


class StructuredOutput(TypedDict, total=False):
    """An object that an answer should be.

    Attributes:
        name: Its name: letters, digits, `_` and `-`, at most 64. Required.
        schema: The JSON schema of the object. Required.
        description: What it is.
        strict: Whether the service should enforce the schema exactly; by default where the schema allows it.
        method: The method to begin with; by default that of the model's card.

    Examples:
        >>> wanted: StructuredOutput = {"name": "Person", "schema": {"type": "object", "properties": {}}}
    """

    name: Required[str]
    schema: Required[Mapping[str, Any]]
    description: str | None
    strict: bool | None
    method: Method | None


@dataclass(frozen=True, slots=True)
class MethodDescent:
    """The next method for a request whose method the model refuses; hangs on `Request.otherwise`.

    A refusal is remembered for the model once another method is answered. Until then it may have been about
    something else: if every method is refused, the first error counts, and nothing is remembered.

    Attributes:
        body: The body without any method.
        target: The object; None where the caller's own tools or format are to be kept.
        model: The model.
        base_url: Where the service is.
        methods: The method of the request, and those after it.
        first: The first error.
        without_strict: Whether the server refused `strict` in this call.
    """

    body: Mapping[str, Any]
    target: StructuredOutput | None
    model: str
    base_url: str
    methods: tuple[Method, ...]
    first: MeliousError | None = None
    without_strict: bool = False

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | MeliousError | None:
        """See `Request.otherwise`."""
        if not _may_be_about_the_method(error):
            return None
        first = self.first or error
        if _names(error, STRICT) and self._is_strict():
            return self._instead(request, error, STRICT, replace(self, first=first, without_strict=True))
        if len(self.methods) == 1 or self._is_told_again(error):
            return self.first
        lower = replace(self, methods=self.methods[1:], first=first)
        return self._instead(request, error, self.methods[0], lower)

    def _is_told_again(self, error: MeliousError) -> bool:
        """Whether another method got the same answer, which names no method: it is about something else."""
        return (
            self.first is not None
            and error.message == self.first.message
            and not any(_names(error, word) for word in _ABOUT_METHODS)
        )

    def _is_strict(self) -> bool:
        return not self.without_strict and not is_refused(STRICT, self.model, self.base_url)

    def _instead(
        self,
        request: Request,
        error: MeliousError,
        refused: Method | Literal["strict"],
        lower: MethodDescent,
    ) -> Otherwise:
        alternatives = request.otherwise
        if isinstance(alternatives, Alternatives):
            alternatives = replace(alternatives, method=lower)
        # What else was changed in the body before stays so.
        sent = codec.loads(request.body) if isinstance(request.body, bytes) else {}
        kept = {name: value for name, value in sent.items() if name not in _OF_METHODS}
        kept |= {name: value for name, value in lower.sent().items() if name in _OF_METHODS}
        why = f"{error.status_code or 'in the stream'}"
        learned = partial(note_refusal, refused, self.model, self.base_url, why)
        request = request._replace(
            body=codec.dumps(kept),
            otherwise=alternatives,
            learned=(*request.learned, learned),
        )
        return Otherwise(request, f"the method was refused, trying {lower.methods[0]}")

    def with_messages(self, messages: Sequence[Mapping[str, Any]]) -> MethodDescent:
        """The same for another conversation."""
        return replace(self, body={**self.body, "messages": messages})

    def sent(self) -> dict[str, Any]:
        """The body with its method."""
        return with_method(self.body, self.target, self.methods[0], strict=self._is_strict())


_ABOUT_METHODS = ("response_format", "schema", "tool", "function", "json", "guided", "grammar", "structured")
_OF_METHODS = frozenset({"messages", "response_format", "tools", "tool_choice", "parallel_tool_calls"})


def _may_be_about_the_method(error: MeliousError) -> bool:
    if type(error) is not BadRequestError or error.status_code not in (None, 400, 422):
        return False
    if need_in(error) is not None:
        return False
    return not is_malformed(error) or error.attempts > 1


def _names(error: MeliousError, field: str) -> bool:
    return (
        isinstance(error, APIStatusError) and field in f"{error.param} {error.message} {error.body}".lower()
    )


def descent_of(
    body: Mapping[str, Any], target: StructuredOutput | None, model: str, base_url: str
) -> MethodDescent:
    """The methods of a request that asks for an object or forces a tool."""
    if target is not None:
        methods = methods_from(target.get("method") or first_method(model, base_url), model, base_url)
    elif _schema_in(body) is not None:
        methods = _without_refused(("json_schema", "json_object"), model, base_url)
    else:
        methods = _without_refused(("forced_tool", "auto_tool"), model, base_url)
    return MethodDescent(body, target, model, base_url, methods)


def _without_refused(methods: tuple[Method, ...], model: str, base_url: str) -> tuple[Method, ...]:
    return tuple(m for m in methods if not is_refused(m, model, base_url)) or methods[-1:]


def _schema_in(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return None
    described = wanted.get("json_schema")
    return described if isinstance(described, Mapping) else {}


def with_method(
    body: Mapping[str, Any], target: StructuredOutput | None, method: Method, *, strict: bool
) -> dict[str, Any]:
    """A body that asks for an object by a method.

    Args:
        body: The body without a method; with `target` None it is the caller's, for its first method.
        target: The object, or None.
        method: The method.
        strict: Whether the server takes `strict` of functions.
    """
    out = dict(body)
    if target is None:
        described = _schema_in(body)
        if method == "json_object" and described is not None:
            out["response_format"] = {"type": "json_object"}
            out["messages"] = _told(body["messages"], described.get("schema") or {})
        elif method == "auto_tool":
            out["tool_choice"] = "auto"
        return out
    if method == "json_schema":
        out["response_format"] = {"type": "json_schema", "json_schema": _format(target)}
    elif method == "json_object":
        out["response_format"] = {"type": "json_object"}
        out["messages"] = _told(body["messages"], target["schema"])
    else:
        given = list(body.get("tools") or ())
        out["tools"] = [*given, _tool(target, strict=strict)]
        out.setdefault("parallel_tool_calls", False)
        named: Any = {"type": "function", "function": {"name": target["name"]}}
        out["tool_choice"] = "auto" if method == "auto_tool" else "required" if given else named
        if method == "auto_tool" and not given:
            out["messages"] = _added(body["messages"], _CALL.format(name=target["name"]))
    return out


def _format(target: StructuredOutput) -> dict[str, Any]:
    described: dict[str, Any] = {"name": target["name"]}
    if target.get("description"):
        described["description"] = target["description"]
    described["schema"] = target["schema"]
    strict = allows_strict(target["schema"]) or None if target.get("strict") is None else target["strict"]
    if strict is not None:
        described[STRICT] = strict
    return described


def _tool(target: StructuredOutput, *, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": target["name"]}
    if target.get("description"):
        function["description"] = target["description"]
    parameters: Any = {name: value for name, value in target["schema"].items() if name not in _ABOUT}
    if strict and target.get("strict") is not False:
        whole = closed(parameters)
        if target.get("strict") or allows_strict(whole):
            parameters, function[STRICT] = whole, True
    return {"type": "function", "function": {**function, "parameters": parameters}}


def _told(messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conversation, with the schema in words."""
    return _added(messages, _INSTRUCTION + codec.dumps(schema).decode())


def _added(messages: Sequence[Mapping[str, Any]], instruction: str) -> list[Mapping[str, Any]]:
    """The conversation with an instruction at the end of the last message of the user."""
    last = messages[-1] if messages else {}
    content = last.get("content")
    if last.get("role") != "user" or not isinstance(content, str | list):
        return [*messages, {"role": "user", "content": instruction}]
    if isinstance(content, str):
        content = f"{content}\n\n{instruction}" if content else instruction
    else:
        content = [*content, {"type": "text", "text": instruction}]
    return [*messages[:-1], {**last, "content": content}]


def is_disobeyed(request: Request, calls: Sequence[Any], text: str, finish_reason: str | None) -> bool:
    """Whether a model wrote text though a tool was forced, so that another method should be used.

    That is remembered for the model: the next request made of the same arguments uses the next method.

    Args:
        request: The request.
        calls: The tool calls of the answer.
        text: Its text.
        finish_reason: Why it ended.
    """
    descent = _descent_in(request)
    if descent is None:
        return False
    methods = _left_of(descent)
    if methods[0] != "forced_tool":
        return False
    if calls:
        note_obedience(descent.model, descent.base_url)
        return False
    if (
        not text.strip()
        or finish_reason in _WITHOUT_CALL
        or object_in(text, lists=True) is not NOTHING
        or len(methods) == 1
    ):
        return False
    note_refusal("forced_tool", descent.model, descent.base_url, "it wrote text instead of the call")
    return True


def may_be_disobeyed(request: Request) -> bool:
    """Whether the request forces a tool call, or might later, on a model that has not obeyed one here."""
    descent = _descent_in(request)
    return (
        descent is not None
        and "forced_tool" in descent.methods
        and not obeys(descent.model, descent.base_url)
    )


def is_forced(request: Request) -> bool:
    """Whether the answer to the request, as it was sent in the end, should begin with a forced tool call."""
    descent = _descent_in(request)
    return descent is not None and _left_of(descent)[0] == "forced_tool"


def _left_of(descent: MethodDescent) -> tuple[Method, ...]:
    """The methods of a request without those that the model has refused since."""
    return _without_refused(descent.methods, descent.model, descent.base_url)


def _descent_in(request: Request) -> MethodDescent | None:
    alternatives = request.otherwise
    method = alternatives.method if isinstance(alternatives, Alternatives) else None
    return method if isinstance(method, MethodDescent) else None
