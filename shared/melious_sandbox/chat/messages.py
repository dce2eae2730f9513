"""The messages of a chat request: roles, content parts, and what a model can take."""

import base64
import binascii
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.service.errors import SandboxError

_ROLES = ("system", "user", "assistant", "function", "tool")


def check_messages(messages: list[Any], card: ModelCard) -> list[dict[str, Any]]:
    """Check the messages of a request against the wire and the model."""
    for position, message in enumerate(messages):
        _check_message(message, f"messages[{position}]", card)
    return messages


def _check_message(message: Any, where: str, card: ModelCard) -> None:
    if not isinstance(message, dict):
        raise SandboxError("malformed", param=where)
    role = message.get("role")
    if role not in _ROLES:
        allowed = ", ".join(f"'{name}'" for name in _ROLES)
        text = f"'{role}' is not one of the allowed roles: {allowed}."
        raise SandboxError("invalid_value", text, param=f"{where}.role")
    if "content" not in message:
        # Also where an assistant's message carries tool calls; the real answer names no field either.
        raise SandboxError("malformed", param=where)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise SandboxError("malformed", param=f"{where}.tool_call_id")
    if role == "assistant":
        _check_calls(message.get("tool_calls") or [], f"{where}.tool_calls")
    content = message["content"]
    if isinstance(content, list):
        for number, part in enumerate(content):
            _check_part(part, f"{where}.content[{number}]", card)
    elif not isinstance(content, str) and not (content is None and role == "assistant"):
        raise SandboxError("malformed", param=f"{where}.content")


def _check_calls(calls: Any, where: str) -> None:
    if not isinstance(calls, list):
        raise SandboxError("malformed", param=where)
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        texts = (
            (call.get("id"), function.get("name"), function.get("arguments"))
            if isinstance(function, dict)
            else (None,)
        )
        if not all(isinstance(text, str) for text in texts):
            raise SandboxError("malformed", param=f"{where}[{number}]")


def _check_part(part: Any, where: str, card: ModelCard) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        _check_accepts(card, "image", "images", where)
        _check_image(part["image_url"].get("url"), where)
    elif kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        _check_accepts(card, "audio", "audio", where)
        _check_audio(part["input_audio"], where)
    else:
        raise SandboxError("malformed", param=where)


def _check_accepts(card: ModelCard, kind: str, plural: str, where: str) -> None:
    if not card.takes(kind):
        text = f"The model '{card.id}' does not accept {plural}."
        raise SandboxError(
            "no_vision", f"{text} Choose one whose input_modalities include them.", param=where
        )


def _check_image(url: Any, where: str) -> None:
    if not isinstance(url, str):
        raise SandboxError("malformed", param=where)
    if url.startswith(("https://", "http://")):
        return
    head, comma, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma and _is_base64(data)):
        text = "'image_url.url' must be an https URL or a data URL with base64."
        raise SandboxError("invalid_value", text, param=f"{where}.image_url.url")


def _check_audio(audio: dict[str, Any], where: str) -> None:
    data = audio.get("data")
    if not isinstance(audio.get("format"), str) or not isinstance(data, str) or not _is_base64(data):
        text = "'input_audio' needs 'data' in base64 and 'format'."
        raise SandboxError("invalid_value", text, param=f"{where}.input_audio")


def _is_base64(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False
