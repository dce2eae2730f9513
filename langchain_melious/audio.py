"""`MeliousAudioParser`: the transcription models of Melious as a parser of LangChain's blobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pydantic import Field

from langchain_melious.blobs import file_of
from langchain_melious.callbacks.reports import RequestInfo, areport, report
from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.fields import MeliousSettings, check_call
from melious.routing.filters import split_flavor

if TYPE_CHECKING:
    from melious.answers.media import Transcription

_PARAMETERS = ("language", "prompt", "temperature")


class MeliousAudioParser(MeliousSettings, BaseBlobParser, defer_build=False):
    """Transcribes recordings to documents.

    A recording of at most 25 MB (mp3, mp4, mpeg, mpga, m4a, wav or webm) gives one
    document, or one for each segment. Files are read from disk while they are sent.
    The metadata of a document is that of its blob, and:

    - `source`: where the recording is, if known;
    - `model`: the requested model, without its flavor;
    - `language`, `duration` (seconds of the whole recording): if reported;
    - `segment` (0, 1, ...), `start`, `end` (seconds): for segments.

    Costs are reported to `melious.track_impact` and, as the custom event
    `melious_usage`, to LangChain's callbacks. Errors are those of
    `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `whisper-large-v3-turbo`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        mode: `single`, the default, gives a document for each recording, `segments` one for each segment.
        language: The ISO 639-1 code of the language; detected by default.
        prompt: Expected words, separated by commas; none by default.
        temperature: 0 to 1; not sent by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 900 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> import io, wave
        >>> from langchain_core.documents.base import Blob
        >>> from langchain_melious import MeliousAudioParser
        >>> from melious.sandbox import Sandbox
        >>> held = io.BytesIO()
        >>> with wave.open(held, "wb") as sound:
        ...     sound.setparams((1, 2, 8000, 0, "NONE", ""))
        ...     sound.writeframes(bytes(16000))
        >>> with Sandbox() as sandbox:
        ...     parser = MeliousAudioParser(
        ...         model="whisper-large-v3-turbo",
        ...         mode="segments",
        ...         api_key=sandbox.api_key,
        ...         base_url=sandbox.base_url,
        ...     )
        ...     documents = parser.parse(Blob.from_data(held.getvalue(), path="talk.wav"))
        >>> documents[0].metadata["source"], documents[0].metadata["start"], documents[-1].metadata["end"]
        ('talk.wav', 0.0, 1.0)

        A folder of recordings:

        >>> from langchain_community.document_loaders.generic import GenericLoader  # doctest: +SKIP
        >>> loader = GenericLoader.from_filesystem(  # doctest: +SKIP
        ...     "talks", glob="*.mp3", parser=parser
        ... )
    """

    _kind: ClassVar[str] = "audio"

    mode: Literal["single", "segments"] = "single"
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)

    def lazy_parse(self, blob: Blob, **options: Any) -> Iterator[Document]:
        """Transcribe a recording.

        Args:
            blob: The recording; its type is that of its path or `source`, else that of its first bytes.
            **options: For this call: `mode`, `model`, `language`, `prompt`, `temperature`, `preset`,
                `filters`, `timeout` and the like.

        Yields:
            One document, or one for each segment.

        Raises:
            langchain_melious.errors.InvalidArgumentError: The recording is too large, of an unknown
                type, or missing; nothing was sent.
            MeliousError: The request failed.
        """
        with langchain_errors:
            mode, call = self._request(blob, options)
            result = self._sync_client().audio.transcribe(**call)
            info = self._info(call)
            report(info, [result])
        yield from _documents(blob, result, info, mode)

    async def alazy_parse(self, blob: Blob, **options: Any) -> AsyncIterator[Document]:
        """Transcribe a recording. See `lazy_parse`."""
        with langchain_errors:
            mode, call = self._request(blob, options)
            result = await self._async_client().audio.transcribe(**call)
            info = self._info(call)
            await areport(info, [result])
        for document in _documents(blob, result, info, mode):
            yield document

    async def aparse(self, blob: Blob, **options: Any) -> list[Document]:
        """Transcribe a recording to a list of documents. See `lazy_parse`."""
        return [document async for document in self.alazy_parse(blob, **options)]

    def _request(self, blob: Blob, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        check_call(options)
        call = {name: getattr(self, name) for name in _PARAMETERS} | {"model": self.model, **options}
        mode = call.pop("mode", self.mode)
        if mode not in ("single", "segments"):
            raise InvalidArgumentError(f"mode: must be one of 'single', 'segments', not {mode!r}")
        call.setdefault("response_format", "verbose_json" if mode == "segments" else "json")
        return mode, {**call, "file": file_of(blob, "recording")}

    def _info(self, call: Mapping[str, Any]) -> RequestInfo:
        return RequestInfo("audio", call["model"], self._routing(call))


def _documents(blob: Blob, result: Transcription, info: RequestInfo, mode: str) -> Iterator[Document]:
    about: dict[str, Any] = {**deepcopy(blob.metadata), "model": split_flavor(info.model)[0]}
    if blob.source is not None:
        about["source"] = blob.source
    for name in ("language", "duration"):
        reported = getattr(result, name)
        if reported is not None:
            about[name] = reported
    if mode == "single":
        yield Document(result.text.strip(), metadata=about)
        return
    whole = {"text": result.text, "start": 0.0, "end": result.duration}
    for place, segment in enumerate(result.segments or [whole]):
        text = str(segment.get("text", "")).strip()
        yield Document(text, metadata={**deepcopy(about), "segment": place, **_times(segment)})


def _times(segment: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(segment[name]) for name in ("start", "end") if segment.get(name) is not None}
