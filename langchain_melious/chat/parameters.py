"""What a chat request takes beside its messages and tools, as fields of the model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from langchain_melious.settings.fields import MeliousSettings


class ChatParameters(MeliousSettings):
    """The parameters that are sent with every request, under the same names; None is not sent."""

    temperature: float | None = None
    """0 to 2; by default the model's own."""

    max_tokens: int | None = None
    """The most tokens to write, reasoning included; by default the model's maximum."""

    max_completion_tokens: int | None = None
    """OpenAI's newer name for the same; the service documents `max_tokens`."""

    top_p: float | None = None
    """0 to 1."""

    top_k: int | None = None
    """How many tokens to sample from, where the provider knows it."""

    min_p: float | None = None
    """0 to 1, where the provider knows it."""

    frequency_penalty: float | None = None
    """-2 to 2."""

    presence_penalty: float | None = None
    """-2 to 2."""

    stop: str | list[str] | None = None
    """One text or several at which the answer ends."""

    seed: int | None = None
    """For answers that can be had again, where the provider knows it."""

    n: int | None = Field(default=None, ge=1)
    """How many answers; more than one only with `generate`."""

    logprobs: bool | None = None
    """Whether to give the log probabilities of the tokens."""

    top_logprobs: int | None = None
    """How many alternatives of each token to give."""

    logit_bias: dict[str, float] | None = None
    """Token ids and what to add to their chances."""

    response_format: dict[str, Any] | None = None
    """The form of the answer; `with_structured_output` is the comfortable way."""

    reasoning_effort: str | None = None
    """How much to think: `low`, `medium`, `high`; some models take others."""

    user: str | None = None
    """Who the requests are for."""

    mode: str | None = None
    """A routing word of the older pages, sent as it is."""

    custom_weights: dict[str, float] | None = None
    """Routing weights of the older pages, sent as they are."""


PARAMETERS = tuple(name for name in ChatParameters.model_fields if name not in MeliousSettings.model_fields)
