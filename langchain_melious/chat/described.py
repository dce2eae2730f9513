"""How a chat model describes itself to LangChain and its tracers: arguments, profile, version, dumps."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LangSmithParams
from langchain_core.language_models.model_profile import ModelProfile
from typing_extensions import override

from langchain_melious.chat.parameters import PARAMETERS
from langchain_melious.chat.profiles import CatalogueProfile, profile_of
from langchain_melious.chat.tokens import EstimatesTokens
from langchain_melious.provider import PROVIDER
from langchain_melious.settings.fields import plain

_CALL_OPTIONS = (
    "routing_fallbacks",
    "verify_location",
    "stream_impact",
    "timeout",
    "deadline",
    "max_retries",
    "retry_timeouts",
    "base_url",
)
_IDENTIFYING = ("model", "preset", "flavor", "filters", *PARAMETERS, "extra_body", *_CALL_OPTIONS)


class DescribedModel(EstimatesTokens):
    """A chat model that describes itself."""

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    @override
    def get_lc_namespace(cls) -> list[str]:
        """Name the package and not the module, so that dumps stay valid when the module moves."""
        return ["langchain_melious"]

    @property
    @override
    def lc_attributes(self) -> dict[str, Any]:
        timeout = plain(self.timeout)
        return {"timeout": timeout} if isinstance(timeout, dict) else {}

    @property
    @override
    def _llm_type(self) -> str:
        return "melious-chat"

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        fields = self.__dict__
        return {name: plain(value) for name in _IDENTIFYING if (value := fields[name]) is not None}

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("model", "base_url") and isinstance(self.profile, CatalogueProfile | None):
            super().__setattr__("profile", self._resolve_model_profile())

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.model, self.base_url)

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER, ls_model_type="chat", ls_model_name=kwargs.get("model") or self.model
        )
        temperature = kwargs.get("temperature", self.temperature)
        if isinstance(temperature, int | float):
            params["ls_temperature"] = temperature
        max_tokens = kwargs.get("max_tokens", self.max_tokens)
        if isinstance(max_tokens, int):
            params["ls_max_tokens"] = max_tokens
        ends = stop or kwargs.get("stop") or self.stop
        if ends:
            params["ls_stop"] = [ends] if isinstance(ends, str) else list(ends)
        return params
