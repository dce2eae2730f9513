"""What the count of tokens answers."""

from __future__ import annotations

from pydantic import Field

from melious.answers.results import Result


class TokenCount(Result):
    """How many tokens a conversation has.

    The service ignores the model when it counts, so this approximates what a model reads.

    Attributes:
        input_tokens: The tokens of the messages, the system prompt and the tools.

    Examples:
        >>> TokenCount(input_tokens=18).input_tokens
        18
    """

    input_tokens: int = Field(ge=0)
