"""`MeliousAudioReader`, a reader that transcribes recordings."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import Document

from llama_index_melious.events import dispatch_usage
from llama_index_melious.media.file_reader import FileReader, document
from melious.answers.media import Transcription
from melious.endpoints.audio import TranscriptionParams
from melious.routing.filters import split_flavor

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient

_PARAMETERS = frozenset(TranscriptionParams.__annotations__)
_OWN = ("language", "prompt", "temperature")
_FOR_PROGRAMS = ("model", "duration", "segment", "start", "end")
"""Metadata left out of the text for models and embeddings."""


class MeliousAudioReader(FileReader, defer_build=False):
    """Transcribes recordings into documents.

    A recording of at most 25 MB (mp3, mp4, mpeg, mpga, m4a, wav or webm) gives one
    document, or one for each segment with its times. Files are sent as they are
    read. A document has the given metadata, and:

    - `file_name`, `file_path`: of the recording, unless given;
    - `model`: the requested model without its flavor;
    - `language`, `duration` (seconds of the whole recording): if reported;
    - `segment` (0, 1, ...), `start`, `end` (seconds): of a segment.

    A failed call raises a `melious.MeliousError`. A `MeliousUsageEvent` reports what
    each request cost.

    Args:
        model: The model, with or without a flavor: `whisper-large-v3-turbo`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        return_full_document: One document for each recording, the default, or one for each segment.
        language: ISO 639-1 code of the language; by default it is detected.
        prompt: Expected words, separated by commas; none by default.
        temperature: 0 to 1; not sent by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 900 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        >>> import tempfile, wave
        >>> from pathlib import Path
        >>> from llama_index_melious import MeliousAudioReader
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        ...     reader = MeliousAudioReader(
        ...         model="whisper-large-v3-turbo",
        ...         return_full_document=False,
        ...         api_key=sandbox.api_key,
        ...         base_url=sandbox.base_url,
        ...     )
        ...     talk = Path(folder, "talk.wav")
        ...     with wave.open(str(talk), "wb") as sound:
        ...         sound.setparams((1, 2, 8000, 0, "NONE", ""))
        ...         sound.writeframes(bytes(16000))
        ...     documents = reader.load_data(talk)
        >>> documents[0].metadata["file_name"], documents[0].metadata["start"], documents[-1].metadata["end"]
        ('talk.wav', 0.0, 1.0)

        A folder with recordings among its files:

        >>> from llama_index.core import SimpleDirectoryReader
        >>> documents = SimpleDirectoryReader(  # doctest: +SKIP
        ...     "talks", file_extractor={".mp3": reader, ".wav": reader}
        ... ).load_data()
    """

    is_remote: bool = False
    model: str
    return_full_document: bool = True
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousAudioReader"

    def load_data(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None = None,
        fs: Any = None,
        **options: Any,
    ) -> list[Document]:
        """Transcribe a recording.

        Args:
            file: The path; its extension, or else its first bytes, give the format.
            extra_info: Metadata for the documents.
            fs: The file system, of `fsspec`; by default the local one.
            **options: For this call: `return_full_document`, `model`, and the parameters of
                `melious.endpoints.audio.TranscriptionParams`, such as `language`, `preset` and `timeout`.

        Returns:
            One document, or one for each segment.

        Raises:
            InvalidArgumentError: The recording is missing, too large or of another format; nothing was sent.
            MeliousError: The request failed.
        """
        return self._load(file, extra_info, fs, options)

    def _send(self, client: MeliousClient | AsyncMeliousClient, file: Any, call: dict[str, Any]) -> Any:
        return client.audio.transcribe(file=file, **call)

    def _prepare(self, options: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """This reader with the options of a call, and the arguments of its request."""
        own = {"model", "return_full_document"}
        changes = {name: value for name, value in options.items() if name in own}
        call = {name: value for name, value in options.items() if name not in own}
        chosen = self.with_options(**changes) if changes else self
        form = "json" if chosen.return_full_document else "verbose_json"
        parameters = {name: getattr(self, name) for name in _OWN} | {"response_format": form}
        return chosen, {"model": chosen.model, **self._parameters(_PARAMETERS, parameters, call)}

    def _documents(
        self, file: str | PathLike[str], extra_info: Mapping[str, Any] | None, result: Transcription
    ) -> list[Document]:
        dispatch_usage("audio", result, origin=result.meta)
        path = Path(file)
        about: dict[str, Any] = {
            "file_name": path.name,
            "file_path": str(path),
            **deepcopy(dict(extra_info or {})),
            "model": split_flavor(self.model)[0],
        }
        for name in ("language", "duration"):
            reported = getattr(result, name)
            if reported is not None:
                about[name] = reported
        if self.return_full_document:
            return [document(result.text.strip(), about, _FOR_PROGRAMS)]
        whole = {"text": result.text, "start": 0.0, "end": result.duration}
        return [
            document(
                str(segment.get("text", "")).strip(),
                {**deepcopy(about), "segment": place, **_times(segment)},
                _FOR_PROGRAMS,
            )
            for place, segment in enumerate(result.segments or [whole])
        ]


def _times(segment: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(segment[name]) for name in ("start", "end") if segment.get(name) is not None}
