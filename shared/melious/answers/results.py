"""What all results have in common, and chat answers: pydantic models that keep unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator

from melious._figures import whole_count
from melious.answers.meta import AttachedDocument, Meta
from melious.exchange.ratelimit import RateLimit
from melious.impact.facts import BillingCost, EnvironmentImpact, Reported
from melious.wire.thinking import thought_in_details


def _object_or_none(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


_Count: TypeAlias = Annotated[int | None, BeforeValidator(whole_count)]
_Details: TypeAlias = Annotated[dict[str, Any] | None, BeforeValidator(_object_or_none)]


class Usage(Reported):
    """Token counts; a count that was not reported is None.

    Attributes:
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written, reasoning included.
        total_tokens: Both.

    Examples:
        >>> usage = Usage(prompt_tokens=9, prompt_tokens_details={"cached_tokens": 4})
        >>> usage.cached_tokens, usage.completion_tokens
        (4, None)
    """

    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    total_tokens: _Count = None
    prompt_tokens_details: _Details = None
    completion_tokens_details: _Details = None

    @property
    def cached_tokens(self) -> int | None:
        """Tokens that came from the provider's prefix cache, wherever the server reports them."""
        cached = whole_count((self.prompt_tokens_details or {}).get("cached_tokens"))
        return cached if cached is not None else whole_count((self.model_extra or {}).get("cached_tokens"))

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens spent on reasoning."""
        return whole_count((self.completion_tokens_details or {}).get("reasoning_tokens"))


class Result(BaseModel):
    """What all results have in common.

    Attributes:
        usage: Token counts, if reported.
        environment_impact: The environmental cost, if reported.
        billing_cost: The money, if reported.
    """

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, defer_build=True)

    usage: Usage | None = None
    environment_impact: EnvironmentImpact | None = None
    billing_cost: BillingCost | None = None

    _raw: Any = PrivateAttr(default=None)
    _meta: Meta = PrivateAttr(default_factory=Meta)

    @field_validator("usage", "environment_impact", "billing_cost", mode="before")
    @classmethod
    def _object_or_nothing(cls, value: Any) -> Any:
        return value if isinstance(value, dict | BaseModel) and value else None

    @property
    def raw(self) -> Any:
        """The parsed answer of the service: a dict, or text for plain-text formats.

        In chat answers, content in parts and arguments that are objects become text, as in streams.
        """
        return self._raw

    @property
    def meta(self) -> Meta:
        """The metadata of the result."""
        return self._meta

    @property
    def page_count(self) -> int | None:
        """How many pages were converted; None for results other than documents."""
        return None

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self._meta.request_id

    @property
    def rate_limit(self) -> RateLimit | None:
        """The account's rate limit, as the answer reported it."""
        return self._meta.rate_limit

    @property
    def attempts(self) -> int:
        """How many requests it took."""
        return self._meta.attempts

    @property
    def elapsed(self) -> float:
        """Seconds from the call to the whole answer."""
        return self._meta.elapsed

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the (last) answer: lower-case names, without cookies."""
        return self._meta.headers

    @property
    def relaxed(self) -> tuple[str, ...]:
        """The filters that `routing_fallbacks` relaxed to find a provider, in order; () for none."""
        return self._meta.relaxed

    @property
    def routing(self) -> str | None:
        """The flavor, or else the preset, that the request asked for; a flavor wins over a preset."""
        return self._meta.routing


class Message(BaseModel):
    """An assistant's message."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    role: str = "assistant"
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(BaseModel):
    """One of the answers."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    index: int = 0
    message: Message
    finish_reason: str | None = None


class ChatCompletion(Result):
    """A whole chat answer.

    Examples:
        >>> answer = ChatCompletion.model_validate(
        ...     {"choices": [{"message": {"content": "Hello!"}, "finish_reason": "stop"}]}
        ... )
        >>> answer.text, answer.usage
        ('Hello!', None)
    """

    id: str | None = None
    created: int | float | str | None = None
    model: str | None = None
    choices: list[Choice] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of the first choice, or ""."""
        content = self.choices[0].message.content if self.choices else None
        if isinstance(content, list):
            return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        return content or ""

    @property
    def reasoning(self) -> str:
        """The reasoning of the first choice, under any of its names, or ""."""
        if not self.choices:
            return ""
        message = self.choices[0].message
        more = message.model_extra or {}
        other = more.get("reasoning") or thought_in_details(more.get("reasoning_details"))
        return message.reasoning_content or (other if isinstance(other, str) else "")

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls of the first choice."""
        return (self.choices[0].message.tool_calls or []) if self.choices else []

    @property
    def converted_documents(self) -> tuple[AttachedDocument, ...]:
        """The documents of the messages that were sent as text (`convert_documents`)."""
        return self._meta.documents

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended."""
        return self.choices[0].finish_reason if self.choices else None
