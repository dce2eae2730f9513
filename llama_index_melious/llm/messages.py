"""Converts LlamaIndex's messages to the wire format. Pure: the caller's messages never change."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from pydantic import BaseModel

from melious.errors import InvalidArgumentError
from melious.wire.documents import is_document
from melious.wire.history import consistent, object_text
from melious.wire.schemas import wire_name
from melious.wire.stand_ins import stand_in

_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}

Part = dict[str, Any]

_TEXT_ONLY = frozenset({"system", "assistant"})
_PLURALS = {"image": "images", "audio": "audio", "video": "videos"}
_MEDIA = frozenset(_PLURALS)
_TEXTUAL = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|sql)\b")
_UNTITLED = "input_document"
"""What LlamaIndex calls a document without a title."""
_BINARY = re.compile(rf"(?!{_TEXTUAL.pattern})(?:application|audio|font|image|video)/(?!octet-stream)")


def to_wire(
    messages: Sequence[ChatMessage],
    *,
    model: str = "",
    echo_thinking: bool = False,
    refused: frozenset[str] = frozenset({"video"}),
    converts: bool = False,
) -> list[dict[str, Any]]:
    """Convert a conversation to the wire format.

    What cannot be sent in a tool's result or an older turn becomes words, so that the conversation can go
    on; in a fresh message of the user it is an error.

    Args:
        messages: The conversation, oldest first.
        model: The model, for errors.
        echo_thinking: Send earlier reasoning back as `reasoning_content`.
        refused: What the model does not read: `image`, `audio`, `video`.
        converts: Whether documents are converted to text before they are sent.

    Raises:
        InvalidArgumentError: A block of the user's last message cannot be sent.
    """
    where = f"{model}: messages" if model else "messages"
    fresh = _fresh(messages)
    wire = [
        _message(
            message,
            _Reading(f"{where}[{position}]", refused, in_words=position != fresh, converts=converts),
            echo_thinking=echo_thinking,
        )
        for position, message in enumerate(messages)
    ]
    return consistent(wire)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the model reads of one message.

    Attributes:
        where: The place of the message, for errors.
        refused: What the model does not read.
        in_words: Put what cannot be sent into words, instead of refusing it.
        converts: Whether documents are converted to text before they are sent.
    """

    where: str
    refused: frozenset[str]
    in_words: bool
    converts: bool


def _fresh(messages: Sequence[ChatMessage]) -> int | None:
    """The place of the user's last message, if the model has not answered it yet."""
    for position in range(len(messages) - 1, -1, -1):
        role = getattr(messages[position], "role", MessageRole.SYSTEM)
        if role == MessageRole.USER:
            return position
        if _ROLES[role] == "assistant":
            return None
    return None


def _message(message: ChatMessage, reading: _Reading, *, echo_thinking: bool) -> dict[str, Any]:
    where = reading.where
    if not isinstance(message, ChatMessage):
        raise InvalidArgumentError(
            f"{where}: must be a ChatMessage, not {type(message).__name__}", param="messages"
        )
    role = _ROLES[message.role]
    if role in _TEXT_ONLY:
        reading = replace(reading, refused=_MEDIA, in_words=True, converts=False)
    parts = [part for block in message.blocks for part in _sendable(block, reading)]
    out: dict[str, Any] = {"role": role, "content": _content(role, parts)}
    name = message.additional_kwargs.get("name")
    if isinstance(name, str) and name:
        out["name"] = name if role == "tool" else wire_name(name)
    if role == "assistant":
        calls = _tool_calls(message, where)
        if calls:
            out["tool_calls"] = calls
        if echo_thinking:
            thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock)]
            if any(thoughts):
                out["reasoning_content"] = "\n".join(thought for thought in thoughts if thought)
    elif role == "tool":
        call_id = message.additional_kwargs.get("tool_call_id")
        if isinstance(call_id, str):
            out["tool_call_id"] = call_id
    return out


def _content(role: str, parts: list[Part]) -> str | list[Part]:
    """One string if there is only text, or if the role allows nothing else."""
    if role in _TEXT_ONLY or all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts if part["type"] == "text")
    # Models answer better about audio that comes before the question.
    return sorted(parts, key=lambda part: part["type"] != "input_audio")


def _sendable(block: Any, reading: _Reading) -> Iterable[Part]:
    """The parts of a block, or words for a block that cannot be sent."""
    kind = _kind_of(block)
    words = [_text(stand_in(kind, _mime_of(block), getattr(block, "title", None)))]
    if kind in reading.refused:
        if reading.in_words:
            return words
        raise InvalidArgumentError(
            f"{reading.where}: a block of type {type(block).__name__} cannot be sent: the model does not "
            f"read {_PLURALS[kind]}; choose one that does, or put it into words",
            param="messages",
        )
    try:
        return _parts(block, reading)
    except InvalidArgumentError:
        if not reading.in_words:
            raise
        return words


def _kind_of(block: Any) -> str:
    for cls, kind in ((ImageBlock, "image"), (AudioBlock, "audio"), (VideoBlock, "video")):
        if isinstance(block, cls):
            return kind
    return "file" if isinstance(block, DocumentBlock) else type(block).__name__


def _mime_of(block: Any) -> str:
    return _document_type(block) if isinstance(block, DocumentBlock) else ""


def _parts(block: Any, reading: _Reading) -> Iterable[Part]:
    """The parts of a block; tool calls and thinking have none."""
    where = reading.where
    match block:
        case TextBlock():
            return [_text(block.text)]
        case ImageBlock():
            return [_image(block, where)]
        case AudioBlock():
            return [_audio(block, where)]
        case DocumentBlock():
            return [_document(block, reading)]
        case VideoBlock():
            return [_video(block, where)]
        case CitableBlock():
            inner = [part for item in block.content for part in _sendable(item, reading)]
            return [_text(f"{block.title} ({block.source})"), *inner]
        case CitationBlock():
            inner = list(_sendable(block.cited_content, reading))
            return [*inner, _text(f"[{block.title}, {block.source}]")]
        case CachePoint() | ThinkingBlock() | ToolCallBlock():
            return []
    raise InvalidArgumentError(
        f"{where}: {type(block).__name__} cannot be sent in a chat request", param="messages"
    )


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _image(block: ImageBlock, where: str) -> Part:
    if block.url is not None:
        url = str(block.url)
    else:
        data = _base64_of(block.image, block.path, where, "image")
        url = f"data:{block.image_mimetype or _image_type(data)};base64,{data}"
    return {
        "type": "image_url",
        "image_url": {"url": url} | ({"detail": block.detail} if block.detail else {}),
    }


def _image_type(data: str) -> str:
    """The type of an image, from its first bytes."""
    for start, kind in (("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lG", "gif"), ("UklGR", "webp")):
        if data.startswith(start):
            return f"image/{kind}"
    return "image/png"


def _audio(block: AudioBlock, where: str) -> Part:
    data = _base64_of(block.audio, block.path, where, "audio", url=block.url)
    kind = block.format or _audio_type(data)
    if kind is None:
        raise InvalidArgumentError(
            f"{where}: an AudioBlock needs a `format`, such as 'mp3'", param="messages"
        )
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def _audio_type(data: str) -> str | None:
    start = base64.b64decode(data[:16])
    if start.startswith(b"ID3") or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0):  # noqa: PLR2004
        return "mp3"
    return {b"RIFF": "wav", b"OggS": "ogg", b"fLaC": "flac"}.get(start[:4])


def _video(block: VideoBlock, where: str) -> Part:
    if block.url is not None:
        url = str(block.url)
    else:
        data = _base64_of(block.video, block.path, where, "video")
        url = f"data:{block.video_mimetype or 'video/mp4'};base64,{data}"
    return {"type": "video_url", "video_url": {"url": url}}


def _document(block: DocumentBlock, reading: _Reading) -> Part:
    """A text document inline. Its type decides whether it is text, or else its bytes."""
    name, kind, where = block.title or "document", _document_type(block), reading.where
    text = None
    if reading.converts and (part := _convertible(block, kind, where)) is not None:
        return part
    if not _BINARY.match(kind):
        data = base64.b64decode(_base64_of(block.data, block.path, where, "document", url=block.url))
        text = data.decode("utf-8", "replace") if _TEXTUAL.match(kind) else _text_in(data)
    if text is None:
        raise InvalidArgumentError(
            f"{where}: the document {name!r} ({kind or 'of unknown type'}) cannot be part of a chat request; "
            + (
                "only PDF, Word, Excel and PowerPoint files are converted"
                if reading.converts
                else "set convert_documents=True to have a PDF or Office document converted to text"
            ),
            param="messages",
        )
    return _text(f"{name}:\n{text}")


def _convertible(block: DocumentBlock, kind: str, where: str) -> Part | None:
    """A PDF or an Office document as a file that the core converts; None for others."""
    packed = _base64_of(block.data, block.path, where, "document", url=block.url)
    name = block.title or "document"
    if block.path and name in ("document", _UNTITLED):
        name = PurePath(str(block.path)).name
    if not is_document(kind, name, packed):
        return None
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,{packed}"}}


def _document_type(block: DocumentBlock) -> str:
    return block.document_mimetype or mimetypes.guess_type(str(block.path or block.title or ""))[0] or ""


def _text_in(data: bytes) -> str | None:
    """The bytes as text, or None."""
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _base64_of(data: Any, path: Any, where: str, kind: str, *, url: Any = None) -> str:
    """The content of a block or of its file, in base64. URLs are not fetched."""
    if data is None and path is None and url is not None:
        head, comma, inline = str(url).partition(",")
        if head.startswith("data:") and head.endswith(";base64") and comma:
            return inline
        raise InvalidArgumentError(
            f"{where}: the {kind} is a URL; download it and pass its bytes", param="messages"
        )
    if data is None and path is None:
        raise InvalidArgumentError(f"{where}: the {kind} is empty", param="messages")
    if isinstance(data, bytes):
        try:
            base64.b64decode(data, validate=True)
        except ValueError:  # blocks hold base64, unless LlamaIndex mistook the bytes for base64
            return base64.b64encode(data).decode("ascii")
        return data.decode("ascii")
    if data is not None:
        data.seek(0)
        raw = data.read()
    else:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a path or a string
                raw = file.read()
        except OSError as error:
            raise InvalidArgumentError(
                f"{where}: the file of the {kind} cannot be read: {error}", param="messages"
            ) from error
    if not raw:
        raise InvalidArgumentError(f"{where}: the {kind} is empty", param="messages")
    return base64.b64encode(raw).decode("ascii")


def _tool_calls(message: ChatMessage, where: str) -> list[dict[str, Any]]:
    """The tool calls of a message, from its blocks or, in older histories, its additional_kwargs."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return [_call(block.tool_call_id, block.tool_name, block.tool_kwargs, where) for block in blocks]
    kept = message.additional_kwargs.get("tool_calls") or []
    legacy = message.additional_kwargs.get("function_call")
    if legacy and not kept:
        name, arguments = function_of(plain_call(legacy, where))
        return [_call(f"call_{name}", name, arguments, where)]
    calls = [plain_call(call, where) for call in kept]
    return [_call(call.get("id"), *function_of(call), where) for call in calls]


def plain_call(call: Any, where: str = "message") -> dict[str, Any]:
    """A tool call as a dict; some integrations keep a pydantic object.

    Raises:
        InvalidArgumentError: It is neither.
    """
    if isinstance(call, BaseModel):
        return call.model_dump()
    if isinstance(call, Mapping):
        return dict(call)
    raise InvalidArgumentError(
        f"{where}: {call!r:.80} in additional_kwargs is not a tool call", param="messages"
    )


def function_of(call: Mapping[str, Any]) -> tuple[str, Any]:
    """The name and arguments of a tool call in OpenAI's or Anthropic's format."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    return function.get("name") or "", function.get("input") if arguments is None else arguments


def _call(call_id: str | None, name: str, arguments: Any, where: str) -> dict[str, Any]:
    try:
        text = object_text(arguments)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{where}: the arguments for {name!r} cannot be written as JSON ({error})", param="messages"
        ) from None
    return {"id": call_id or "", "type": "function", "function": {"name": name, "arguments": text}}
