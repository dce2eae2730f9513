"""The parameters of chat requests other than messages and tools, as fields of the model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from langchain_melious.settings.fields import MeliousSettings


class ChatParameters(MeliousSettings):
    """Parameters sent with every request, under the same names; None is not sent."""

    temperature: float | None = None
    """0 to 2; by default the model's own."""

    max_tokens: int | None = None
    """The most tokens to generate, including reasoning; by default the model's maximum."""

    max_completion_tokens: int | None = None
    """OpenAI's newer name for the same; the service documents `max_tokens`."""

    top_p: float | None = None
    """0 to 1."""

    top_k: int | None = None
    """How many tokens to sample from, if the provider supports it."""

    min_p: float | None = None
    """0 to 1, if the provider supports it."""

    frequency_penalty: float | None = None
    """-2 to 2."""

    presence_penalty: float | None = None
    """-2 to 2."""

    stop: str | list[str] | None = None
    """A text, or several, that ends the answer."""

    seed: int | None = None
    """For reproducible answers, if the provider supports it."""

    n: int | None = Field(default=None, ge=1)
    """The number of answers; more than one only with `generate`."""

    logprobs: bool | None = None
    """Whether to return the log probabilities of the tokens."""

    top_logprobs: int | None = None
    """The number of alternatives to return for each token."""

    logit_bias: dict[str, float] | None = None
    """Token ids and the bias to add to each."""

    response_format: dict[str, Any] | None = None
    """The format of the answer; `with_structured_output` is more convenient."""

    reasoning_effort: str | None = None
    """`low`, `medium` or `high`; some models accept others."""

    user: str | None = None
    """Your identifier for the end user."""

    mode: str | None = None
    """A routing parameter of older API versions, sent unchanged."""

    custom_weights: dict[str, float] | None = None
    """Routing weights of older API versions, sent unchanged."""


PARAMETERS = tuple(name for name in ChatParameters.model_fields if name not in MeliousSettings.model_fields)
