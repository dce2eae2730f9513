"""The profiles of models for LangChain, from the catalogue."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.language_models.model_profile import ModelProfile

from melious.catalogue import ModelCard, known


class CatalogueProfile(dict[str, Any]):
    """A profile that was looked up and not passed in, so it may be replaced when the model changes."""


def profile_of(model: str, base_url: str | None = None) -> ModelProfile | None:
    """The profile of a model, or None if the catalogue does not have it. Nothing is fetched.

    A model list that the service at `base_url` sent to this process takes precedence.

    Examples:
        >>> profile_of("glm-4.7:eco")["tool_calling"]
        True
    """
    card = known(model, base_url)
    if card is None or card.type != "chat":
        return None
    images, tools = card.vision, card.tools
    profile: dict[str, Any] = {
        "name": card.display_name,
        "max_input_tokens": card.context_length,
        "max_output_tokens": card.max_output_tokens,
        "text_inputs": True,
        "image_inputs": images,
        "image_url_inputs": images,
        "audio_inputs": card.takes("audio"),
        "pdf_inputs": False,
        "video_inputs": card.takes("video"),
        "pdf_tool_message": False,
        "text_outputs": True,
        "image_outputs": False,
        "audio_outputs": False,
        "video_outputs": False,
        "reasoning_output": card.reasoning,
        "reasoning_effort_levels": _effort_levels(card),
        "tool_calling": tools,
        "tool_choice": tools,
        "tool_call_streaming": tools,
        "structured_output": card.supports("json_schema"),
        "mid_conversation_system_messages": True,
    }
    declared = ModelProfile.__annotations__
    known_values = {name: value for name, value in profile.items() if value is not None and name in declared}
    return cast("ModelProfile", CatalogueProfile(known_values))


def _effort_levels(card: ModelCard) -> list[str] | None:
    """The measured values of `reasoning_effort`, else the documented ones; None without reasoning."""
    if not card.reasons:
        return None
    return list(card.reasoning_efforts or ("low", "medium", "high"))
