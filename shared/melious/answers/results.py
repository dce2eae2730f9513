"""The results of the endpoints: pydantic models that keep unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, PrivateAttr, field_validator

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


class EmbeddingsResult(Result):
    """Vectors in the order of the input.

    Attributes:
        embeddings: One vector for each input, `list[list[float]]` of shape n x dim, or a numpy array
            (float32, n x dim) with `as_numpy=True`.
        model: The model that answered.
        batches: The answers to the single requests; usage, impact and cost above are their sums, or
            None if any did not report it.
        cached: How many inputs came from the in-process cache.
        skipped: The positions of blank inputs that were not sent (`blank_texts="skip"`); their vectors are
            zeros.

    Examples:
        >>> result = EmbeddingsResult(embeddings=[[0.6, 0.8], [1.0, 0.0]])
        >>> len(result.embeddings), len(result.embeddings[0])
        (2, 2)
    """

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True, defer_build=True)

    embeddings: Any = None
    model: str | None = None
    batches: list[Result] = Field(default_factory=list)
    cached: int = 0
    skipped: list[int] = Field(default_factory=list)


class RerankItem(BaseModel):
    """A ranked document.

    Attributes:
        index: Its position in the input.
        relevance_score: How relevant it is to the query.
        document: Its text, if the service returned it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    index: int
    relevance_score: FiniteFloat
    document: str | None = None

    @field_validator("document", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return value.get("text") if isinstance(value, dict) else value


class RerankResult(Result):
    """Documents by relevance, best first.

    Attributes:
        model: The model that answered.
        results: The documents, by their positions in the input.
        batches: The answers to the single requests; usage, impact and cost above are their sums, or
            None if any did not report it.

    Examples:
        >>> ranked = RerankResult(results=[RerankItem(index=1, relevance_score=0.9)])
        >>> [(item.index, item.relevance_score) for item in ranked.results]
        [(1, 0.9)]
    """

    id: str | None = None
    model: str | None = None
    results: list[RerankItem] = Field(default_factory=list)
    batches: list[Result] = Field(default_factory=list)


class Image(BaseModel):
    """A generated image.

    Attributes:
        b64_json: The image as base64, without a `data:` prefix.
        url: Its URL, on services that host images.
        revised_prompt: The prompt as the model understood it.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None

    @field_validator("b64_json", mode="before")
    @classmethod
    def _without_prefix(cls, value: Any) -> Any:
        return value.partition(",")[2] if isinstance(value, str) and value.startswith("data:") else value

    def to_bytes(self) -> bytes:
        """The image's bytes.

        Raises:
            ValueError: There is only a URL, or the base64 is broken.
        """
        import binascii  # noqa: PLC0415 - only needed here

        if self.b64_json is None:
            raise ValueError("the image came as a URL; fetch .url")
        return binascii.a2b_base64(self.b64_json)


class ImagesResult(Result):
    """Generated images.

    Examples:
        >>> images = ImagesResult(data=[Image(b64_json="R0lGODlh")])
        >>> images.data[0].to_bytes()
        b'GIF89a'
    """

    created: int | float | str | None = None
    data: list[Image] = Field(default_factory=list)


class Transcription(Result):
    """The transcript of a recording.

    Attributes:
        text: The transcript; for `srt` and `vtt` the whole document.
        language: The language, if reported.
        duration: Seconds, if reported.
        segments: Parts with their times, for `verbose_json`.

    Examples:
        >>> transcript = Transcription(text="Good morning.", duration=1.4)
        >>> transcript.text, transcript.duration, transcript.language
        ('Good morning.', 1.4, None)
    """

    text: str = ""
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None


class Model(Result):
    """A model of the service.

    Attributes:
        id: What to pass as `model`.
        owned_by: Its owner, as the service says.

    Examples:
        >>> model = Model(id="glm-4.7")
        >>> model.id, model.card
        ('glm-4.7', None)
    """

    id: str
    object: str | None = None
    created: int | float | str | None = None
    owned_by: str | None = None

    @property
    def card(self) -> dict[str, Any] | None:
        """The `_meta` object: type, modalities, capabilities, context, pricing; None if not requested."""
        meta = self.raw.get("_meta") if isinstance(self.raw, dict) else None
        return meta if isinstance(meta, dict) else None


class ModelList(Result):
    """The models that a key may use.

    Examples:
        >>> models = ModelList.model_validate({"data": [{"id": "glm-4.7"}, {"id": "bge-m3"}]})
        >>> [model.id for model in models.data]
        ['glm-4.7', 'bge-m3']
    """

    data: list[Model] = Field(default_factory=list)
