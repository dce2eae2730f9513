"""The messages of a chat request: roles, content parts, and what a model can take."""

import base64
import binascii
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.server.fields import missing
from melious_sandbox.service.errors import SandboxError

_ROLES = ("system", "user", "assistant", "function", "tool")


def check_messages(messages: Any, card: ModelCard) -> list[dict[str, Any]]:
    """Check the messages of a request against the wire and the model.

    Raises:
        SandboxError: A message is not as the service takes it.
    """
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise SandboxError("invalid_value", "'messages' must be an array.", param="messages")
    if not messages:
        raise SandboxError("empty_input", "'messages' must not be empty.", param="messages")
    for position, message in enumerate(messages):
        _check_message(message, f"messages[{position}]", card)
    return messages


def _check_message(message: Any, where: str, card: ModelCard) -> None:
    if not isinstance(message, dict):
        raise SandboxError("malformed", param=where)
    role = message.get("role")
    if role not in _ROLES:
        allowed = ", ".join(f"'{name}'" for name in _ROLES)
        raise SandboxError(
            "invalid_value", f"'{role}' is not one of the allowed roles: {allowed}.", param=f"{where}.role"
        )
    if "content" not in message:
        # Also where an assistant's message carries tool calls; the real answer names no field either.
        raise SandboxError("malformed", param=where)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise SandboxError("malformed", param=f"{where}.tool_call_id")
    if role == "assistant":
        _check_calls(message.get("tool_calls") or [], where)
    content = message["content"]
    if isinstance(content, list):
        for number, part in enumerate(content):
            _check_part(part, f"{where}.content[{number}]", card)
    elif not isinstance(content, str) and not (content is None and role == "assistant"):
        raise SandboxError("malformed", param=f"{where}.content")


def _check_calls(calls: Any, where: str) -> None:
    if not isinstance(calls, list):
        raise SandboxError("malformed", param=f"{where}.tool_calls")
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if (
            not isinstance(function, dict)
            or not isinstance(call.get("id"), str)
            or not isinstance(function.get("name"), str)
            or not isinstance(function.get("arguments"), str)
        ):
            raise SandboxError("malformed", param=f"{where}.tool_calls[{number}]")


def _check_part(part: Any, where: str, card: ModelCard) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        _check_image(part["image_url"].get("url"), where, card)
        return
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        _check_audio(part["input_audio"], where, card)
        return
    raise SandboxError("malformed", param=where)


def _check_image(url: Any, where: str, card: ModelCard) -> None:
    if not card.takes("image"):
        raise SandboxError("no_vision", _refusal(card, "images"), param=where)
    if not isinstance(url, str):
        raise SandboxError("malformed", param=where)
    if url.startswith(("https://", "http://")):
        return
    head, comma, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma and _is_base64(data)):
        raise SandboxError(
            "invalid_value",
            "'image_url.url' must be an https URL or a data URL with base64.",
            param=f"{where}.image_url.url",
        )


def _check_audio(audio: dict[str, Any], where: str, card: ModelCard) -> None:
    if not card.takes("audio"):
        raise SandboxError("no_vision", _refusal(card, "audio"), param=where)
    data, form = audio.get("data"), audio.get("format")
    if not isinstance(data, str) or not isinstance(form, str) or not _is_base64(data):
        raise SandboxError(
            "invalid_value",
            "'input_audio' needs 'data' in base64 and 'format'.",
            param=f"{where}.input_audio",
        )


def _refusal(card: ModelCard, kind: str) -> str:
    return f"The model '{card.id}' does not accept {kind}. Choose one whose input_modalities include them."


def _is_base64(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False
