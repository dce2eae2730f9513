"""The settings of an LLM, and what they and the catalogue say of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from llama_index.core.base.llms.types import (
    LLMMetadata,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW

from llama_index_melious.component import MeliousComponent
from llama_index_melious.llm.structured_predict import StructuredPredict
from melious import catalogue
from melious.settings.fields import ChatFields

if TYPE_CHECKING:
    from melious.catalogue import ModelCard
    from melious.endpoints.models import FindParams


class DescribedLLM(StructuredPredict, MeliousComponent, ChatFields):
    """An LLM that describes itself."""

    model: str = Field(kw_only=False)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    stop: list[str] | str | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0)
    context_window: int | None = Field(default=None, gt=0)
    is_function_calling_model: bool | None = None
    think_tags: bool = True
    echo_thinking: bool | None = None

    @property
    def metadata(self) -> LLMMetadata:
        """The model's properties, from the arguments, or else from the catalogue.

        The catalogue is the shipped one, updated by `available_models` in this process. Nothing is fetched.
        Where neither says anything, the context window is LlamaIndex's default and tools are not supported;
        set `context_window` and `is_function_calling_model`.
        """
        card = catalogue.known(self.model, self.base_url)
        return LLMMetadata(
            context_window=self.context_window or (card and card.context_length) or DEFAULT_CONTEXT_WINDOW,
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=self._calls_tools(card),
            model_name=self.model,
        )

    def _calls_tools(self, card: ModelCard | None) -> bool:
        if self.is_function_calling_model is not None:
            return self.is_function_calling_model
        return card is not None and bool(card.tools)

    def available_models(self, **wanted: Unpack[FindParams]) -> list[ModelCard]:
        """Find the chat models that the key may use: their cards, whose `id` is the name.

        `metadata` uses their properties (context window, tools) from then on. It is cached for 5 minutes.

        Args:
            **wanted: Requirements and order, such as `vision=True`, `order_by="price"`: those of
                `melious.FindParams`.

        Raises:
            InvalidArgumentError: An argument is wrong.
            MeliousError: The call failed.
        """
        return self._client().models.find(**self._search(wanted))

    async def aavailable_models(self, **wanted: Unpack[FindParams]) -> list[ModelCard]:
        """Like `available_models`, for asyncio."""
        return await self._aclient().models.find(**self._search(wanted))

    def _search(self, wanted: FindParams) -> dict[str, Any]:
        names = ("timeout", "deadline", "max_retries", "retry_timeouts")
        return {"type": "chat", **{name: getattr(self, name) for name in names}, **wanted}

    def to_payload(self) -> dict[str, Any]:
        """What events show of this LLM: neither the key nor headers."""
        return {
            "class_name": self.class_name(),
            **self.metadata.model_dump(),
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **self._routing(),
        }
