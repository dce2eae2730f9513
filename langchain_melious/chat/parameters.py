"""The parameters of chat requests other than messages and tools, as fields of the model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from langchain_melious.settings.fields import MeliousSettings


class ChatParameters(MeliousSettings):
    """Parameters sent with every request, under the same names; None is not sent."""

    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0)
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    mode: str | None = None
    custom_weights: dict[str, float] | None = None


PARAMETERS = tuple(name for name in ChatParameters.model_fields if name not in MeliousSettings.model_fields)
