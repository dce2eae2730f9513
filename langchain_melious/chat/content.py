"""Converts content blocks to parts of the wire: text, `image_url` and `input_audio`. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from langchain_melious.errors import InvalidArgumentError
from melious.wire import codec

_AUDIO_FORMATS = {
    "mpeg": "mp3",
    "mpga": "mp3",
    "x-mp3": "mp3",
    "x-mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-m4a": "m4a",
    "mp4": "m4a",
    "x-flac": "flac",
}
"""The wire's names of audio formats, by media subtype, where they differ."""

_TEXT_SUBTYPES = ("json", "xml", "yaml", "x-yaml", "toml", "javascript", "x-sh", "sql", "csv", "x-ndjson")

REASONING = frozenset({"reasoning", "reasoning_content", "thinking", "redacted_thinking"})
CALLS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call"})
_TEXTS = frozenset({"text", "output_text", "input_text"})
_DATA = frozenset({"image", "audio", "file", "document", "text-plain"})
_CONTENT = _TEXTS | _DATA | {"refusal", "image_url", "input_audio", "json", "search_result"}


def part_of(block: str | Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """Convert a content block in LangChain's, OpenAI's or Anthropic's form; None if it is not content.

    Keys that the wire does not have, such as `id`, `index`, `extras` or `cache_control`, are dropped.

    Raises:
        InvalidArgumentError: The block cannot be sent.

    Example:
        >>> part_of({"type": "audio", "base64": "SUQz", "mime_type": "audio/mpeg"}, "voxtral")
        {'type': 'input_audio', 'input_audio': {'data': 'SUQz', 'format': 'mp3'}}
    """
    if isinstance(block, str):
        return {"type": "text", "text": block} if block else None
    kind = block.get("type")
    if kind in _TEXTS or (kind is None and isinstance(block.get("text"), str)):
        text = block.get("text") or ""
        return {"type": "text", "text": text} if text else None
    if kind in REASONING or kind in CALLS or set(block) == {"cachePoint"}:
        return None
    if kind == "json":
        return {"type": "text", "text": codec.dumps(block.get("json")).decode()}
    if kind == "search_result":
        return {"type": "text", "text": _found(block)}
    if kind == "non_standard" and isinstance(block.get("value"), Mapping):
        return part_of(block["value"], model)
    if kind == "refusal":
        return {"type": "text", "text": str(block.get("refusal") or "")}
    if kind == "image_url":
        return _openai_image(block, model)
    if kind == "input_audio" and isinstance(block.get("input_audio"), Mapping):
        audio = block["input_audio"]
        return _audio(audio.get("data"), str(audio.get("format") or ""), block, model)
    if kind in _DATA:
        return _data_part(_unified(block), block, model)
    raise _refused(block, model)


def is_content(block: str | Mapping[str, Any]) -> bool:
    """Whether a block is content, and not a record of a provider's server-side work."""
    if isinstance(block, str):
        return True
    value = block.get("value") if block.get("type") == "non_standard" else block
    if not isinstance(value, Mapping):
        return False
    kind = value.get("type")
    return isinstance(value.get("text"), str) if kind is None else kind in _CONTENT


def _unified(block: Mapping[str, Any]) -> dict[str, Any]:
    """Normalize the forms of a data block: its data, URL or text, its `mime_type` and its name."""
    source: Mapping[str, Any] = block
    if isinstance(block.get("source"), Mapping):  # Anthropic
        source = block["source"]
    elif isinstance(block.get("file"), Mapping):  # OpenAI
        source = block["file"]
    data = source.get("base64") or source.get("data") or source.get("file_data")
    mime = source.get("mime_type") or source.get("media_type") or ""
    url = source.get("url")
    text = source.get("text")
    if source.get("type") == "text" or source.get("source_type") == "text":
        text, data = source.get("text") or source.get("data") or url or "", None
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    for given in (data, url):
        if isinstance(given, str) and given.startswith("data:"):
            head, _, data = given.partition(",")
            mime = mime or head[5:].partition(";")[0]
            url = None
    extras = block.get("extras") or block.get("metadata") or {}
    named = source.get("filename") or block.get("title") or block.get("name")
    name = named or (extras.get("filename") if isinstance(extras, Mapping) else None)
    return {"data": data, "url": url, "text": text, "mime_type": str(mime).lower(), "name": name}


def _data_part(data: dict[str, Any], block: Mapping[str, Any], model: str) -> dict[str, Any]:
    mime = data["mime_type"].partition(";")[0].strip()
    family, _, subtype = mime.partition("/")
    kind = block.get("type")
    if kind == "image" or family == "image":
        if data["data"]:
            if not mime:
                raise _refused(block, model, "an image in base64 needs its mime_type")
            return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data['data']}"}}
        if data["url"]:
            return {"type": "image_url", "image_url": {"url": data["url"]}}
        raise _refused(block, model, "an image needs base64 or url")
    if kind == "audio" or family == "audio":
        return _audio(data["data"], _AUDIO_FORMATS.get(subtype, subtype), block, model)
    if data["text"] is not None:
        return _inline(str(data["text"]), data["name"])
    if data["data"] and (is_text := _reads_as_text(family, subtype)) is not None:
        try:
            content = base64.b64decode(data["data"], validate=True)
            if is_text or not content.startswith(b"%PDF"):
                return _inline(content.decode("utf-8"), data["name"])
        except (binascii.Error, UnicodeDecodeError) as error:
            if is_text:
                raise _refused(block, model, f"the file is not text in base64 ({error})") from None
    raise _refused(block, model, "only text files can be sent; extract the text first")


def _reads_as_text(family: str, subtype: str) -> bool | None:
    """Whether a media type means text: True, None for no, False for PDF, which LangChain gives any file."""
    if family == "text" or subtype.endswith(("+json", "+xml")) or subtype in _TEXT_SUBTYPES:
        return True
    return False if subtype == "pdf" else None


def _found(block: Mapping[str, Any]) -> str:
    """The text of a search result, after its title and source."""
    content = block.get("content") or ()
    texts = [str(part.get("text") or "") for part in content if isinstance(part, Mapping)]
    return "\n".join(str(line) for line in (block.get("title"), block.get("source"), *texts) if line)


def _openai_image(block: Mapping[str, Any], model: str) -> dict[str, Any]:
    image = block.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str) or not url:
        raise _refused(block, model, "it has no URL")
    part: dict[str, Any] = {"url": url}
    if isinstance(image, Mapping) and image.get("detail"):
        part["detail"] = image["detail"]
    return {"type": "image_url", "image_url": part}


def _audio(data: Any, form: str, block: Mapping[str, Any], model: str) -> dict[str, Any]:
    if not isinstance(data, str) or not data:
        raise _refused(block, model, "audio must be sent as base64, not as a URL")
    if not form:
        raise _refused(block, model, "audio needs its mime_type")
    return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(form, form)}}


def _inline(text: str, name: Any) -> dict[str, Any]:
    """A text file as text, after its name if it has one."""
    return {"type": "text", "text": f"{name}:\n{text}" if name else text}


def _refused(block: Mapping[str, Any], model: str, reason: str = "") -> InvalidArgumentError:
    mime = block.get("mime_type")
    what = f"{block.get('type')!r}" + (f" ({mime})" if mime else "")
    why = f": {reason}" if reason else ": the service takes text, images, audio and text files"
    return InvalidArgumentError(f"messages: a content block of type {what} cannot be sent to {model!r}{why}")
