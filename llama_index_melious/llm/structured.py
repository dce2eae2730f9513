"""Structured output: requests for objects of a pydantic class, and objects read from answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock
from llama_index.core.output_parsers.pydantic import PydanticOutputParser
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from pydantic import BaseModel, ValidationError

from llama_index_melious.errors import StructuredOutputError
from llama_index_melious.llm.tools import partial_json
from melious.errors import InvalidArgumentError, ModelRefusalError
from melious.wire import codec
from melious.wire.arguments import opened
from melious.wire.schemas import object_schema, unwrapped, wire_name

if TYPE_CHECKING:
    from melious.catalogue.methods import Method
    from melious.endpoints.structured import StructuredOutput

M = TypeVar("M", bound=BaseModel)

_DECODER = json.JSONDecoder(strict=False)
_BRACE = re.compile(r"\{")
_BRACKET = re.compile(r"[\[{]")
_TOOL_PARAMETERS = (
    "tool_choice",
    "tool_required",
    "allow_parallel_tool_calls",
    "tools",
    "parallel_tool_calls",
)


def without_tools(llm_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """A copy of the parameters without those for tools."""
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in _TOOL_PARAMETERS}


def check_class(output_cls: object) -> None:
    """Refuse what is not a pydantic class.

    Raises:
        InvalidArgumentError: It is not one.
    """
    if not (isinstance(output_cls, type) and hasattr(output_cls, "model_json_schema")):
        raise InvalidArgumentError(
            f"output_cls: must be a subclass of pydantic.BaseModel, not {output_cls!r:.80}",
            param="output_cls",
        )


def wanted_object(output_cls: type[BaseModel]) -> tuple[StructuredOutput, bool]:
    """What the core asks for, and whether the value is wrapped in an object: the wire wants one.

    Raises:
        InvalidArgumentError: It is not a pydantic class.
    """
    check_class(output_cls)
    schema, wrapped = object_schema(output_cls.model_json_schema())
    return {"name": wire_name(output_cls.__name__), "schema": schema}, wrapped


def with_object(
    llm_kwargs: dict[str, Any] | None, output_cls: type[BaseModel], method: Method
) -> dict[str, Any]:
    """A copy of the parameters that asks for an object, first by a method."""
    wanted, _ = wanted_object(output_cls)
    return {**without_tools(llm_kwargs), "structured_output": {**wanted, "method": method}}


def with_schema_in_prompt(messages: Sequence[ChatMessage], output_cls: type[BaseModel]) -> list[ChatMessage]:
    """A conversation whose last user message asks for the schema in words."""
    parser: PydanticOutputParser[BaseModel] = PydanticOutputParser(output_cls=output_cls)
    instruction = TextBlock(text=parser.get_format_string(escape_json=False).strip())
    last = messages[-1] if messages else None
    if last is None or last.role != MessageRole.USER:
        return [*messages, ChatMessage(role=MessageRole.USER, blocks=[instruction])]
    return [*messages[:-1], last.model_copy(update={"blocks": [*last.blocks, instruction]})]


def content_of(response: ChatResponse) -> str:
    """The JSON of an object: the arguments of the first tool call, or the text from where its JSON begins.

    Without an enforced schema, models write fences and prose before it.
    """
    for call in response.message.additional_kwargs.get("tool_calls") or ():
        return str((call.get("function") or {}).get("arguments") or "")
    text = response.message.content or ""
    start = text.lstrip()
    if not start or start[0] in "{[":
        return text
    begin = _BRACKET.search(text) if start.startswith("```") else _BRACE.search(text)
    return text[begin.start() :] if begin else text


def _validated(text: str, output_cls: type[M]) -> M:
    """The object at the start of a text; fences and prose after it are ignored.

    Parts that the model wrote as JSON inside strings are opened where the schema wants them so.

    Raises:
        ValidationError: There is no valid object.
    """
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return output_cls.model_validate_json(_readable(text))  # pydantic's error names the position
    whole = _value_in(value, output_cls)
    if whole is not value:
        return output_cls.model_validate_json(codec.dumps(whole))
    try:
        return output_cls.model_validate_json(_readable(text[:end]))
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise
        # Models write line breaks and half characters in strings, which pydantic's parser refuses.
        return output_cls.model_validate(value)


def _value_in(value: Any, output_cls: type[BaseModel]) -> Any:
    """The value of an answer, opened and without its wrapper; the value itself if nothing is to be done."""
    wanted, wrapped = wanted_object(output_cls)
    if wrapped and not isinstance(value, dict):
        value = {"value": value}
    found = opened(value, wanted["schema"])
    if wrapped:
        return unwrapped(found)
    return value if found == value else found


def _readable(text: str) -> str:
    """The text without half characters, which pydantic's parser does not accept."""
    return text.encode("utf-8", "replace").decode()


def parse_object(response: ChatResponse, output_cls: type[M]) -> M:
    """The object in a whole answer.

    Raises:
        ModelRefusalError: The model refused in words.
        StructuredOutputError: The answer has no valid object.
    """
    try:
        return _validated(content_of(response), output_cls)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        known = response.additional_kwargs
        content, found = response.message.content or "", content_of(response)
        text = content if found in content else found
        if known.get("refusal") and not text.strip():
            raise ModelRefusalError(
                f"the model refused: {known['refusal']}",
                text=known["refusal"],
                request_id=known.get("request_id"),
                body=response.raw,
            ) from error
        raise StructuredOutputError(
            f"the answer is not a valid {output_cls.__name__} ({problem}): {text[:200]!r}",
            text=text,
            finish_reason=known.get("finish_reason"),
            request_id=known.get("request_id"),
            body=response.raw,
        ) from error


class PartialReader(Generic[M]):
    """Reads the growing object from a streamed answer.

    A partial object is of the class itself if it is valid, else of a class with
    the same fields, all optional.
    """

    def __init__(self, output_cls: type[M]) -> None:
        self._cls = output_cls
        self._wrapped = wanted_object(output_cls)[1]
        self._loose = create_flexible_model(output_cls)
        self._size = 0
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> M | FlexibleModel | None:
        """Take a response; None if it adds nothing to the object."""
        self._last = response
        text = content_of(response)
        if len(text) == self._size:
            return None
        self._size = len(text)
        value = partial_json(text)
        if self._wrapped:
            value = unwrapped(value)
        if not isinstance(value, list if self._wrapped else dict):
            return None
        try:
            return self._cls.model_validate(value)
        except ValidationError:
            pass
        try:
            return self._loose.model_validate(value)
        except ValidationError:
            return None

    def finish(self) -> M:
        """The whole object, after the last response.

        Raises:
            StructuredOutputError: The answer has no valid object.
        """
        if self._last is None:
            raise StructuredOutputError(f"the stream ended without a {self._cls.__name__}", text="")
        return parse_object(self._last, self._cls)
