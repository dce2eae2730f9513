"""Converts content blocks to parts of the wire: text, images, audio and videos. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from langchain_melious.errors import InvalidArgumentError
from melious.wire import codec
from melious.wire.documents import is_document
from melious.wire.stand_ins import stand_in

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
_DATA = frozenset({"image", "audio", "video", "file", "document", "text-plain", "media", "input_file"})
_IMAGE_URLS = frozenset({"image_url", "input_image"})
_RECORDS = re.compile(
    r"server_tool_|mcp_|code_execution|executable_code|tool_reference|reference|container_upload|compaction"
    r"|\w+_(?:call|call_output|tool_use|tool_result|approval_request|approval_response)$"
)
"""Types of blocks that record what a provider's servers did."""
_GENERATED_IMAGE = "image_generation_call"
_CONTENT = _TEXTS | _DATA | _IMAGE_URLS | {"refusal", "input_audio", "video_url", "json", "search_result"}


class Reader(NamedTuple):
    """What the model reads besides text; None where nobody says.

    Attributes:
        model: The model, named in errors.
        image: Whether it reads images.
        audio: Whether it listens to audio.
        video: Whether it watches videos; only a known yes counts, as the service documents none.
        converts: Whether documents are converted to text before they are sent.
    """

    model: str
    image: bool | None = None
    audio: bool | None = None
    video: bool | None = None
    converts: bool = False

    def check(self, kind: Literal["image", "audio", "video"], block: Mapping[str, Any]) -> None:
        """Refuse a block that the model is known not to read.

        Raises:
            InvalidArgumentError: It does not read such blocks.
        """
        reads = getattr(self, kind)
        if reads is False or (reads is None and kind == "video"):
            raise _refused(
                block,
                self,
                f"this model does not read {_PLURALS[kind]}; choose one that does, or put it into words",
            )


_MEDIA = {
    "image": frozenset({"image", _GENERATED_IMAGE}) | _IMAGE_URLS,
    "audio": frozenset({"audio", "input_audio"}),
    "video": frozenset({"video", "video_url"}),
    "file": _DATA - {"image", "audio", "video"},
}
_PLURALS = {"image": "images", "audio": "audio", "video": "videos"}


def words_for(block: Mapping[str, Any]) -> dict[str, Any]:
    """A part of text that stands for a block that cannot be sent.

    Examples:
        >>> words_for({"type": "file", "mime_type": "application/pdf", "filename": "report.pdf"})["text"]
        '[a PDF file, report.pdf, was here; this model cannot read it]'
    """
    if block.get("type") == "non_standard" and isinstance(block.get("value"), Mapping):
        return words_for(block["value"])
    data = _unified(block)
    kind = str(block.get("type") or next(iter(block), "unknown"))
    for media, kinds in _MEDIA.items():
        if kind in kinds:
            kind = media
    return {"type": "text", "text": stand_in(kind, data["mime_type"], data["name"])}


def part_of(block: str | Mapping[str, Any], reader: Reader) -> dict[str, Any] | None:
    """Convert a content block in LangChain's, OpenAI's, Anthropic's or Google's form.

    Args:
        block: The block. Keys that the wire does not have, such as `id`, `index`,
            `extras` or `cache_control`, are dropped.
        reader: What the model reads.

    Returns:
        A part, or None for a block that is not content (a tool call, reasoning, empty text).

    Raises:
        InvalidArgumentError: The block cannot be sent.

    Examples:
        >>> part_of({"type": "audio", "base64": "SUQz", "mime_type": "audio/mpeg"}, Reader("voxtral"))
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
    if kind in _AS_TEXT:
        return {"type": "text", "text": _AS_TEXT[kind](block)}
    if kind == "non_standard" and isinstance(block.get("value"), Mapping):
        return part_of(block["value"], reader)
    if kind in _IMAGE_URLS:
        return _openai_image(block, reader)
    if kind == "video_url":
        reader.check("video", block)
        return {"type": "video_url", "video_url": block.get("video_url")}
    if kind == "input_audio" and isinstance(block.get("input_audio"), Mapping):
        audio = block["input_audio"]
        return _audio(audio.get("data"), str(audio.get("format") or ""), block, reader)
    if kind in _DATA:
        return _data_part(_unified(block), block, reader)
    raise _refused(block, reader)


def is_content(block: str | Mapping[str, Any]) -> bool:
    """Whether a block is content, and not a record of a provider's server-side work."""
    if isinstance(block, str):
        return True
    value = block.get("value") if block.get("type") == "non_standard" else block
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == _GENERATED_IMAGE or kind in _CONTENT:
        return True
    if value is not block:  # LangChain puts what it does not know of a provider in such blocks
        return isinstance(value, Mapping) and kind is None and isinstance(value.get("text"), str)
    return not isinstance(kind, str) or _RECORDS.match(kind) is None


def _unified(block: Mapping[str, Any]) -> dict[str, Any]:
    """Normalize the forms of a data block: its data, URL or text, its `mime_type` and its name."""
    source: Mapping[str, Any] = block
    if isinstance(block.get("source"), Mapping):  # Anthropic
        source = block["source"]
    elif isinstance(block.get("file"), Mapping):  # OpenAI
        source = block["file"]
    elif isinstance(block.get("input_audio"), Mapping):
        source = {"mime_type": "audio/" + str(block["input_audio"].get("format") or "")}
    data = source.get("base64") or source.get("data") or source.get("file_data")
    mime = source.get("mime_type") or source.get("media_type") or ""
    url = source.get("url") or source.get("file_uri") or source.get("file_url")
    text = source.get("text")
    if source.get("type") == "content":  # Anthropic's document of blocks
        text = _joined_texts(source.get("content"))
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


def _joined_texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else ()
    parts = [
        block if block.get("type") == "text" else words_for(block)
        for block in blocks
        if isinstance(block, Mapping)
    ]
    return "\n".join(str(part.get("text") or "") for part in parts)


def _data_part(data: dict[str, Any], block: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    mime = data["mime_type"].partition(";")[0].strip()
    family, _, subtype = mime.partition("/")
    kind = block.get("type")
    if kind == "image" or family == "image":
        reader.check("image", block)
        if data["data"]:
            if not mime:
                raise _refused(block, reader, "an image in base64 needs its mime_type")
            return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data['data']}"}}
        if data["url"]:
            return {"type": "image_url", "image_url": {"url": data["url"]}}
        raise _refused(block, reader, "an image needs base64 or url")
    if kind == "video" or family == "video":
        reader.check("video", block)
        url = f"data:{mime or 'video/mp4'};base64,{data['data']}" if data["data"] else data["url"]
        if not url:
            raise _refused(block, reader, "a video needs base64 or url")
        return {"type": "video_url", "video_url": {"url": url}}
    if kind == "audio" or family == "audio":
        return _audio(data["data"], _AUDIO_FORMATS.get(subtype, subtype), block, reader)
    return _file_part(data, family, subtype, block, reader)


def _file_part(
    data: dict[str, Any], family: str, subtype: str, block: Mapping[str, Any], reader: Reader
) -> dict[str, Any]:
    """A text file inline, or a document that the core converts."""
    if data["text"] is not None:
        return _inline(str(data["text"]), data["name"])
    if data["data"] and (is_text := _reads_as_text(family, subtype)) is not None:
        try:
            content = base64.b64decode(data["data"], validate=True)
            if is_text or not content.startswith(b"%PDF"):
                return _inline(content.decode("utf-8"), data["name"])
        except (binascii.Error, UnicodeDecodeError) as error:
            if is_text:
                raise _refused(block, reader, f"the file is not text in base64 ({error})") from None
    if data["data"] and is_document(f"{family}/{subtype}", data["name"], data["data"]):
        if reader.converts:
            file = {
                "filename": data["name"] or "document",
                "file_data": f"data:{family}/{subtype};base64,{data['data']}",
            }
            return {"type": "file", "file": file}
        raise _refused(block, reader, "set convert_documents=True to have its text extracted and sent")
    raise _refused(block, reader, "only text files can be sent; extract the text first")


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


_AS_TEXT: Mapping[Any, Callable[[Mapping[str, Any]], str]] = {
    "json": lambda block: codec.dumps(block.get("json")).decode(),
    "search_result": _found,
    "refusal": lambda block: str(block.get("refusal") or ""),
}


def _openai_image(block: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    reader.check("image", block)
    image = block.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str) or not url:
        raise _refused(block, reader, "it has no URL")
    part: dict[str, Any] = {"url": url}
    detail = image.get("detail") if isinstance(image, Mapping) else block.get("detail")
    if detail:
        part["detail"] = detail
    return {"type": "image_url", "image_url": part}


def _audio(data: Any, form: str, block: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    reader.check("audio", block)
    if not isinstance(data, str) or not data:
        raise _refused(block, reader, "audio must be sent as base64, not as a URL")
    if not form:
        raise _refused(block, reader, "audio needs its mime_type")
    return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(form, form)}}


def _inline(text: str, name: Any) -> dict[str, Any]:
    """A text file as text, after its name if it has one."""
    return {"type": "text", "text": f"{name}:\n{text}" if name else text}


def _refused(block: Mapping[str, Any], reader: Reader, reason: str = "") -> InvalidArgumentError:
    mime = block.get("mime_type")
    what = f"{block.get('type')!r}" + (f" ({mime})" if mime else "")
    why = f": {reason}" if reason else ": the service takes text, images, audio and text files"
    return InvalidArgumentError(
        f"messages: a content block of type {what} cannot be sent to {reader.model!r}{why}"
    )
