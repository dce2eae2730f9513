"""Structured output: requesting instances of a schema and parsing them from answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ConfigDict

from langchain_melious.chat.results import withheld
from langchain_melious.chat.schemas import Method, Schema, target_of
from langchain_melious.chat.tools import tools_to_wire
from langchain_melious.errors import InvalidArgumentError, ModelRefusalError
from melious.wire import codec
from melious.wire.arguments import opened
from melious.wire.objects import NOTHING, fenced_in, object_in, without_thoughts
from melious.wire.schemas import unwrapped

if TYPE_CHECKING:
    from langchain_melious.chat.described import DescribedModel
    from melious.catalogue.methods import Method as WireMethod
    from melious.endpoints.structured import StructuredOutput

METHODS = ("json_schema", "function_calling", "json_mode")

_WIRE_METHODS: Mapping[Method, WireMethod] = {
    "json_schema": "json_schema",
    "function_calling": "forced_tool",
    "json_mode": "json_object",
}
_SHOWN = 300


def structured_output(
    llm: DescribedModel,
    schema: Schema,
    *,
    method: Method | Literal["auto"],
    include_raw: bool,
    strict: bool | None,
    bound: dict[str, Any],
) -> Runnable[LanguageModelInput, Any]:
    """See `ChatMelious.with_structured_output`."""
    chosen = default_method(llm.profile) if method == "auto" or method is None else method
    if chosen not in METHODS:
        raise InvalidArgumentError(
            f"method: must be one of 'auto', {', '.join(map(repr, METHODS))}, not {method!r}"
        )
    if schema is None and chosen != "json_mode":
        raise InvalidArgumentError(f"schema: must be given; only json_mode works without one, not {chosen}")
    target = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    wanted, wrapped = (None, False) if schema is None else target_of(schema, strict=strict)
    bound = {"raise_refusals": False, **bound}  # the parser raises them, or returns them beside the message
    if wanted is not None:
        bound = {"ls_structured_output_format": _traced(wanted, chosen, strict=strict), **bound}
    if wanted is None or method == "json_mode":
        model = llm.bind(response_format={"type": "json_object"}, **bound)
        answer_schema = None if wanted is None else dict(wanted["schema"])
        parser = StructuredOutputParser(target=target, answer_schema=answer_schema, wrapped=wrapped)
    else:
        wanted["method"] = _WIRE_METHODS[chosen]
        tools = bound.pop("tools", None)
        if tools:
            bound["tools"] = tools_to_wire(tools, strict=strict)
        model = llm.bind(structured_output=wanted, **bound)
        parser = StructuredOutputParser(
            target=target,
            tool=wanted["name"] if chosen == "function_calling" else None,
            name=wanted["name"],
            answer_schema=dict(wanted["schema"]),
            wrapped=wrapped,
            with_tools=bool(tools),
        )
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _traced(wanted: StructuredOutput, method: Method, *, strict: bool | None) -> dict[str, Any]:
    """What LangSmith shows of a structured request."""
    function = {
        "name": wanted["name"],
        "description": wanted.get("description") or "",
        "parameters": wanted["schema"],
    }
    tool = {"type": "function", "function": function}
    return {"kwargs": {"method": method, "strict": strict}, "schema": tool}


def default_method(profile: Mapping[str, Any] | None) -> Method:
    """The best method for a model by its profile; `function_calling` if it is unknown."""
    profile = profile or {}
    if profile.get("structured_output"):
        return "json_schema"
    return "function_calling" if profile.get("tool_calling", True) else "json_mode"


def response_format_of(schema: Schema, *, strict: bool | None = None) -> dict[str, Any]:
    """Build the `response_format` that makes the service enforce a schema.

    Examples:
        >>> response_format_of({"title": "Answer", "type": "object", "properties": {}})["json_schema"]["name"]
        'Answer'
    """
    wanted, _ = target_of(schema, strict=strict)
    described: dict[str, Any] = {"name": wanted["name"]}
    if wanted.get("description"):
        described["description"] = wanted["description"]
    described["schema"] = wanted["schema"]
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


class StructuredOutputParser(BaseTransformOutputParser[Any]):
    """Parses an instance of a schema from a message; from a stream, also partial ones.

    JSON is found in a code fence, after a `<think>` part and within prose.

    Attributes:
        target: The pydantic class to instantiate; None gives dicts.
        tool: The tool that the model is forced to call, for errors; None if it should answer with text.
        name: The name of the object: a call of this name is the answer.
        answer_schema: The JSON schema of the answer. Parts that the model wrote as JSON inside strings are
            opened where it wants an object, a list or a number.
        wrapped: Whether the value is the property `value` of the answer.
        with_tools: Whether the model may call other tools instead; then there is no instance.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    target: Any = None
    tool: str | None = None
    name: str | None = None
    answer_schema: dict[str, Any] | None = None
    wrapped: bool = False
    with_tools: bool = False

    def parse(self, text: str) -> Any:
        """Parse an answer that is only text."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse the first of the answers.

        Raises:
            ModelRefusalError: The model refused, or a content filter withheld the answer.
            OutputParserException: The answer does not match the schema.
        """
        first = result[0]
        message = first.message if isinstance(first, ChatGeneration) else AIMessage(first.text)
        if partial:
            return self._parse_partial(message)
        found = self._from_calls(message)
        if found is NOTHING:
            found = object_in(str(message.text), lists=self.wrapped)
        if found is NOTHING:
            if self.with_tools and isinstance(message, AIMessage) and message.tool_calls:
                return None
            raise self._no_instance(message)
        found = self._value_in(found)
        if self.target is None:
            return found
        try:
            return _instance(self.target, found)
        except ValueError as error:
            raise OutputParserException(
                f"The answer does not fit {self.target.__name__}: {error}{_cut(message)}",
                llm_output=codec.dumps(found).decode(),
            ) from error

    def _parse_partial(self, message: BaseMessage) -> Any:
        """What can be parsed of an unfinished answer, or None."""
        found = self._from_calls(message)
        if found is NOTHING:
            found = None if self.tool else _partial(_text_of(message))
        if found and self.wrapped and not isinstance(found := unwrapped(found), list):
            return None
        if not found or self.target is None:
            return found or None
        try:
            return _instance(self.target, found)
        except ValueError:
            return None

    def _from_calls(self, message: BaseMessage) -> Any:
        calls = message.tool_calls if isinstance(message, AIMessage) and self.name else []
        return next((call["args"] for call in calls if call["name"] == self.name), NOTHING)

    def _value_in(self, found: Any) -> Any:
        """The value of an answer: opened where parts are JSON inside strings, and without its wrapper."""
        if self.wrapped and not isinstance(found, dict):
            found = {"value": found}
        if self.answer_schema is not None:
            found = opened(found, self.answer_schema)
        return unwrapped(found) if self.wrapped else found

    def _no_instance(self, message: BaseMessage) -> Exception:
        text = _text_of(message).strip()
        refusal = _refusal_in(message)
        invalid = message.invalid_tool_calls if isinstance(message, AIMessage) else []
        wanted = f"a call of {self.tool!r}" if self.tool else "JSON"
        if refusal:
            return ModelRefusalError(f"The model refused: {refusal}", raw_message=message)
        if message.response_metadata.get("finish_reason") == "content_filter":
            return withheld(message)
        if invalid:
            call = invalid[0]
            reason = f"The arguments of {call['name']!r} are not a JSON object: {_shown(call['args'])}"
        elif text:
            reason = f"The model answered with prose instead of {wanted}: {_shown(text)}"
        else:
            reason = f"The model answered with nothing instead of {wanted}"
        return OutputParserException(reason + _cut(message), llm_output=text or refusal)

    # --- streams -------------------------------------------------------------------------------------

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002 - the base's name
        stream = _StreamedParse(self)
        for chunk in input:
            parsed = stream.take(chunk)
            if parsed is not None:
                yield parsed
        parsed = stream.end()
        if parsed is not None:
            yield parsed

    async def _atransform(
        self,
        input: AsyncIterator[str | BaseMessage],  # noqa: A002 - the base's name
    ) -> AsyncIterator[Any]:
        stream = _StreamedParse(self)
        async for chunk in input:
            parsed = stream.take(chunk)
            if parsed is not None:
                yield parsed
        parsed = stream.end()
        if parsed is not None:
            yield parsed


class _StreamedParse:
    """Parses a streamed answer as it grows."""

    def __init__(self, parser: StructuredOutputParser) -> None:
        self._parser = parser
        self._whole: BaseMessage | None = None
        self._last: Any = None

    def take(self, chunk: str | BaseMessage) -> Any:
        """The instance after this chunk, or None if it did not change."""
        message = chunk if isinstance(chunk, BaseMessage) else AIMessageChunk(content=chunk)
        self._whole = message if self._whole is None else self._whole + message  # type: ignore[assignment]
        return self._new(partial=True)

    def end(self) -> Any:
        """The final instance, or None if it was returned already; raises if there is none."""
        return None if self._whole is None else self._new(partial=False)

    def _new(self, *, partial: bool) -> Any:
        assert self._whole is not None  # noqa: S101 - narrows the type for the checker
        parsed = self._parser.parse_result([ChatGeneration(message=self._whole)], partial=partial)
        if parsed is None or parsed == self._last:
            return None
        self._last = parsed
        return parsed


def _instance(target: Any, found: Any) -> Any:
    return target.model_validate(found) if issubclass(target, BaseModel) else target.parse_obj(found)


def _refusal_in(message: BaseMessage) -> str:
    """The refusal of a message, from its additional kwargs or its content blocks."""
    if isinstance(message.content, list):
        for block in message.content:
            if isinstance(block, dict) and block.get("type") == "refusal":
                return str(block.get("refusal") or "it gave no reason")
    return str(message.additional_kwargs.get("refusal") or "")


def _text_of(message: BaseMessage) -> str:
    return without_thoughts(str(message.text))


def _partial(text: str) -> Any:
    text = fenced_in(text) or text
    start = text.find("{")
    if start < 0:
        return None
    try:
        found = parse_partial_json(text[start:])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cut(message: BaseMessage) -> str:
    if message.response_metadata.get("finish_reason") == "length":
        return " (the answer was cut off at the token limit: raise max_tokens)"
    return ""


def _shown(text: Any) -> str:
    text = str(text)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
