"""Structured output: requesting instances of a schema and parsing them from answers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

from langchain_core import exceptions
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ConfigDict

from langchain_melious.chat.schemas import json_schema_of, regular_schema, tool_of_schema
from langchain_melious.errors import InvalidArgumentError
from melious.wire import codec

if TYPE_CHECKING:
    from langchain_melious.chat.described import DescribedModel

Schema: TypeAlias = type | Mapping[str, Any] | None
Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]
METHODS = ("json_schema", "function_calling", "json_mode")

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_THOUGHT = re.compile(r"^\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_FENCED = re.compile(r"```[a-zA-Z0-9_-]*\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_SHOWN = 300
_REFUSAL_ERROR = getattr(exceptions, "ModelRefusalError", None)
"""LangChain's error for refusals, if it has one (1.7.5)."""


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
    chosen = default_method(llm.profile) if method in ("auto", None) else method
    if chosen not in METHODS:
        raise InvalidArgumentError(
            f"method: must be one of 'auto', {', '.join(map(repr, METHODS))}, not {method!r}"
        )
    if schema is None and chosen != "json_mode":
        raise InvalidArgumentError(f"schema: must be given; only json_mode works without one, not {chosen}")
    wanted = regular_schema(schema)
    tool = None if wanted is None else tool_of_schema(wanted)
    if tool:
        traced = {"kwargs": {"method": chosen, "strict": strict}, "schema": tool}
        bound = {"ls_structured_output_format": traced, **bound}
    name = tool["function"]["name"] if tool and chosen == "function_calling" else None
    model: Runnable[LanguageModelInput, AIMessage]
    if chosen == "function_calling":
        parallel = bound.pop("parallel_tool_calls", False)
        model = llm.bind_tools(
            [wanted], tool_choice=name, parallel_tool_calls=parallel, strict=strict, **bound
        )
    elif chosen == "json_schema":
        model = llm.bind(response_format=response_format_of(wanted, strict=strict), **bound)
    else:
        model = llm.bind(response_format={"type": "json_object"}, **bound)
    target = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    parser = StructuredOutputParser(target=target, tool=name)
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def default_method(profile: Mapping[str, Any] | None) -> Method:
    """The best method for a model by its profile; `function_calling` if it is unknown."""
    profile = profile or {}
    if profile.get("structured_output"):
        return "json_schema"
    return "function_calling" if profile.get("tool_calling", True) else "json_mode"


def response_format_of(schema: Schema, *, strict: bool | None = None) -> dict[str, Any]:
    """Build the `response_format` that makes the service enforce a schema.

    Example:
        >>> response_format_of({"title": "Answer", "type": "object", "properties": {}})["json_schema"]["name"]
        'Answer'
    """
    wanted = regular_schema(schema)
    function = tool_of_schema(wanted, strict=strict)["function"]
    described: dict[str, Any] = {"name": _NOT_IN_NAMES.sub("_", function["name"])[:64]}
    if function.get("description"):
        described["description"] = function["description"]
    described["schema"] = json_schema_of(wanted, strict=strict)
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


class StructuredOutputParser(BaseTransformOutputParser[Any]):
    """Parses an instance of a schema from a message; from a stream, also partial ones.

    JSON is found in a code fence, after a `<think>` part and within prose.

    Attributes:
        target: The pydantic class to instantiate; None gives dicts.
        tool: The tool whose arguments are the answer; None parses the text.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    target: Any = None
    tool: str | None = None

    def parse(self, text: str) -> Any:
        """Parse an answer that is only text."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse the first of the answers.

        Raises:
            ModelRefusalError: The model refused, if langchain-core has this class.
            OutputParserException: The answer does not match the schema.
        """
        first = result[0]
        message = first.message if isinstance(first, ChatGeneration) else AIMessage(first.text)
        if partial:
            return self._parse_partial(message)
        found = _from_calls(message, self.tool) if self.tool else None
        if found is None:
            found = _from_text(_text_of(message))
        if found is None:
            raise self._no_instance(message)
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
        if self.tool:
            calls = message.tool_calls if isinstance(message, AIMessage) else []
            found = next((call["args"] for call in calls if call["name"] == self.tool), None)
        else:
            found = _partial(_text_of(message))
        if not found or self.target is None:
            return found or None
        try:
            return _instance(self.target, found)
        except ValueError:
            return None

    def _no_instance(self, message: BaseMessage) -> Exception:
        text = _text_of(message).strip()
        refusal = _refusal_in(message)
        invalid = message.invalid_tool_calls if isinstance(message, AIMessage) else []
        wanted = f"a call of {self.tool!r}" if self.tool else "JSON"
        if refusal:
            reason = f"The model refused: {refusal}"
            if _REFUSAL_ERROR is not None:
                return cast("Exception", _REFUSAL_ERROR(reason, raw_message=message))
        elif invalid:
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


def _from_calls(message: BaseMessage, tool: str | None) -> Any:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return next((call["args"] for call in calls if call["name"] == tool), None)


def _refusal_in(message: BaseMessage) -> str:
    """The refusal of a message, from its additional kwargs or its content blocks."""
    if isinstance(message.content, list):
        for block in message.content:
            if isinstance(block, dict) and block.get("type") == "refusal":
                return str(block.get("refusal") or "it gave no reason")
    return str(message.additional_kwargs.get("refusal") or "")


def _text_of(message: BaseMessage) -> str:
    return _THOUGHT.sub("", str(message.text), count=1)


def _from_text(text: str) -> Any:
    """The JSON object in a text: the text itself, a fenced part, or the first one in prose."""
    for candidate in (text, *_FENCED.findall(text)):
        try:
            found = codec.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    decoder = json.JSONDecoder(strict=False)
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return found
    return None


def _partial(text: str) -> Any:
    fenced = _FENCED.search(text)
    if fenced:
        text = fenced.group(1)
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
