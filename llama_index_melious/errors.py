"""What can go wrong here beside the errors of `melious`."""

from __future__ import annotations

from typing import Any

from melious.errors import ResponseDecodeError


class StructuredOutputError(ResponseDecodeError, ValueError):
    """The model did not answer with an object of the class that was asked for.

    Attributes:
        text: What it answered.
        finish_reason: Why it stopped; `length` means that the object was cut off.
    """

    advice = "Ask again, take a model that supports json_schema, or set `pydantic_program_mode`"

    def __init__(self, message: str, *, text: str, finish_reason: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.text = text
        self.finish_reason = finish_reason
        if finish_reason == "length":
            self.advice = "The answer was cut off: raise `max_tokens`"
