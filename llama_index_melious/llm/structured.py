"""Objects of a pydantic class as the answer: asking for them by schema, reading them whole or partial."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock
from llama_index.core.output_parsers.pydantic import PydanticOutputParser
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from pydantic import BaseModel, ValidationError

from llama_index_melious.errors import StructuredOutputError
from llama_index_melious.llm.tools import allows_strict, partial_json

M = TypeVar("M", bound=BaseModel)

TextOf = Callable[[ChatResponse], str]
"""Where the object's JSON is in a response."""

_DECODER = json.JSONDecoder(strict=False)
_BRACE = re.compile(r"\{")
_BRACKET = re.compile(r"[\[{]")
_NOT_HERE = ("tool_choice", "tool_required", "allow_parallel_tool_calls", "tools", "parallel_tool_calls")


def without_tools(llm_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The parameters of a call but those about tools; the caller's own stay as they are."""
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in _NOT_HERE}


def with_schema(llm_kwargs: dict[str, Any] | None, output_cls: type[BaseModel]) -> dict[str, Any]:
    """The parameters of a request for an object; the caller's own stay as they are."""
    parameters = without_tools(llm_kwargs)
    schema = output_cls.model_json_schema()
    described: dict[str, Any] = {
        "name": re.sub(r"[^a-zA-Z0-9_-]", "_", output_cls.__name__)[:64] or "answer",
        "schema": schema,
    }
    if allows_strict(schema):
        described["strict"] = True
    parameters["response_format"] = {"type": "json_schema", "json_schema": described}
    return parameters


def told_schema(messages: Sequence[ChatMessage], output_cls: type[BaseModel]) -> list[ChatMessage]:
    """A conversation at whose end the user asks for an answer by schema, in words."""
    parser: PydanticOutputParser[BaseModel] = PydanticOutputParser(output_cls=output_cls)
    asked = TextBlock(text=parser.get_format_string(escape_json=False).strip())
    last = messages[-1] if messages else None
    if last is None or last.role != MessageRole.USER:
        return [*messages, ChatMessage(role=MessageRole.USER, blocks=[asked])]
    return [*messages[:-1], last.model_copy(update={"blocks": [*last.blocks, asked]})]


def content_of(response: ChatResponse) -> str:
    """The JSON in an answer's text, from where it begins.

    Models put fences and prose before it when nobody enforces the schema.
    """
    text = response.message.content or ""
    start = text.lstrip()
    if not start or start[0] in "{[":
        return text
    begin = _BRACKET.search(text) if start.startswith("```") else _BRACE.search(text)
    return text[begin.start() :] if begin else text


def _validated(text: str, output_cls: type[M]) -> M:
    """The object in a text that begins with its JSON, whatever fence or prose comes after that.

    Raises:
        ValidationError: There is none.
    """
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return output_cls.model_validate_json(_readable(text))  # where it is wrong is for the class to say
    try:
        return output_cls.model_validate_json(_readable(text[:end]))
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise
        # What pydantic's parser does not take and models write: line breaks in texts, half a character.
        return output_cls.model_validate(value)


def _readable(text: str) -> str:
    """The text without the halves of characters, which pydantic's parser does not even look at."""
    return text.encode("utf-8", "replace").decode()


def read(response: ChatResponse, output_cls: type[M], text_of: TextOf) -> M:
    """The object that a whole answer holds.

    Raises:
        StructuredOutputError: It holds none.
    """
    try:
        return _validated(text_of(response), output_cls)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = f"{place}: {first['msg']}" if place else first["msg"]
        known = response.additional_kwargs
        content, found = response.message.content or "", text_of(response)
        text = (content if found in content else found) or known.get("refusal") or ""
        raise StructuredOutputError(
            f"the answer is no {output_cls.__name__} ({said}): {text[:200]!r}",
            text=text,
            finish_reason=known.get("finish_reason"),
            request_id=known.get("request_id"),
            body=response.raw,
        ) from error


class PartialReader(Generic[M]):
    """Reads the object out of a streamed answer as it grows.

    What is complete enough is an object of the class itself, what is not is
    one of a looser class with the same fields, all of them optional.
    """

    def __init__(self, output_cls: type[M], text_of: TextOf) -> None:
        self._cls = output_cls
        self._text_of = text_of
        self._loose = create_flexible_model(output_cls)
        self._size = 0
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> M | FlexibleModel | None:
        """Take a response; None if it adds nothing to the object."""
        self._last = response
        text = self._text_of(response)
        if len(text) == self._size:
            return None
        self._size = len(text)
        value = partial_json(text)
        if not isinstance(value, dict):
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
            StructuredOutputError: The answer holds none.
        """
        if self._last is None:
            raise StructuredOutputError(f"no answer came that could be a {self._cls.__name__}", text="")
        return read(self._last, self._cls, self._text_of)
