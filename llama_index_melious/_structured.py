"""Objects of a pydantic class as the answer: asking for them by schema, reading them whole or partial."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from llama_index_melious._tools import allows_strict
from llama_index_melious.errors import StructuredOutputError

M = TypeVar("M", bound=BaseModel)

_FENCED = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*(?:```\s*)?$", re.DOTALL)
_NOT_HERE = ("tool_choice", "tool_required", "allow_parallel_tool_calls", "tools", "parallel_tool_calls")


def with_schema(llm_kwargs: dict[str, Any] | None, output_cls: type[BaseModel]) -> dict[str, Any]:
    """The parameters of a request for an object; the caller's own stay as they are."""
    parameters = {name: value for name, value in (llm_kwargs or {}).items() if name not in _NOT_HERE}
    schema = output_cls.model_json_schema()
    described: dict[str, Any] = {
        "name": re.sub(r"[^a-zA-Z0-9_-]", "_", output_cls.__name__)[:64] or "answer",
        "schema": schema,
    }
    if allows_strict(schema):
        described["strict"] = True
    parameters["response_format"] = {"type": "json_schema", "json_schema": described}
    return parameters


def read(response: ChatResponse, output_cls: type[M]) -> M:
    """The object that a whole answer holds.

    Raises:
        StructuredOutputError: It holds none.
    """
    text = response.message.content or ""
    try:
        return output_cls.model_validate_json(_bare(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise StructuredOutputError(
            f"the answer is no {output_cls.__name__} ({said}): {text[:200]!r}",
            text=text,
            finish_reason=response.additional_kwargs.get("finish_reason"),
            request_id=response.additional_kwargs.get("request_id"),
            body=response.raw,
        ) from error


def _bare(text: str) -> str:
    """The JSON without the fence that models put around it when nobody enforces the schema."""
    fenced = _FENCED.match(text) if text.lstrip().startswith("```") else None
    return fenced.group(1) if fenced else text


class PartialReader(Generic[M]):
    """Reads the object out of a streamed answer as it grows.

    What is complete enough is an object of the class itself, what is not is
    one of a looser class with the same fields, all of them optional.
    """

    def __init__(self, output_cls: type[M]) -> None:
        self._cls = output_cls
        self._loose = create_flexible_model(output_cls)
        self._seen = ""
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> M | FlexibleModel | None:
        """Take a response; None if it adds nothing to the object."""
        self._last = response
        text = response.message.content or ""
        if len(text) == len(self._seen):
            return None
        self._seen = text
        try:
            value = from_json(_bare(text), allow_partial="trailing-strings")
        except ValueError:
            return None
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
        return read(self._last, self._cls)
