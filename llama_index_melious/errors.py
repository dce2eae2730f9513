"""Errors of these classes, beside those of `melious`."""

from __future__ import annotations

from typing import Any

from melious.errors import ResponseDecodeError


class _UnreadableAnswerError(ResponseDecodeError, ValueError):
    """The model answered, but the answer cannot be used."""

    def __init__(self, message: str, *, text: str, finish_reason: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.text = text
        self.finish_reason = finish_reason
        if finish_reason == "length":
            self.advice = "The answer was cut off: raise `max_tokens`"


class StructuredOutputError(_UnreadableAnswerError):
    """The model did not answer with an object of the requested class.

    Attributes:
        text: The answer, or the refusal.
        finish_reason: Why it stopped; `length` means that the object was cut off.
    """

    advice = "Ask again, use a model that supports json_schema, or set `pydantic_program_mode`"


class ToolArgumentsError(_UnreadableAnswerError):
    """The model called a tool with arguments that are not a JSON object.

    Attributes:
        tool_name: The name of the tool.
        text: The arguments, as the model wrote them.
        finish_reason: Why it stopped; `length` means that the arguments were cut off.
    """

    advice = "Ask again, or offer the tool with `strict`"

    def __init__(self, message: str, *, tool_name: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.tool_name = tool_name
