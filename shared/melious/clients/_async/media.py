"""`client.images`, `client.audio` and `client.documents`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from melious._signatures import written_out
from melious.answers.documents import DocumentsResult
from melious.answers.media import ImagesResult, Transcription
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.primitives import call_in_thread
from melious.clients._async.splitting import run_batches
from melious.endpoints import audio, images
from melious.endpoints.audio import AudioFile, TranscriptionParams
from melious.endpoints.document_files import DocumentFile
from melious.endpoints.documents import DocumentParams, DocumentsPlan
from melious.endpoints.images import ImageParams
from melious.settings.options import CallOptions, RoutingOptions


class AsyncImages(AsyncEndpoint):
    """`client.images`."""

    @written_out(ImageParams, RoutingOptions, CallOptions)
    async def generate(self, *, model: str, prompt: str, **params: Unpack[ImageParams]) -> ImagesResult:
        """Generate images.

        Args:
            model: The model.
            prompt: What the image should show.
            **params: Those of `melious.ImageParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(images.create(self._config, model, prompt, params))


class AsyncAudio(AsyncEndpoint):
    """`client.audio`."""

    @written_out(TranscriptionParams, RoutingOptions, CallOptions)
    async def transcribe(
        self, *, model: str, file: AudioFile, **params: Unpack[TranscriptionParams]
    ) -> Transcription:
        """Transcribe a recording.

        Args:
            model: The model.
            file: A path, an open file, or a tuple of name and bytes; at most 25 MB of mp3, mp4,
                mpeg, mpga, m4a, wav or webm.
            **params: Those of `melious.TranscriptionParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        # Building the request reads the file, and a disk can be slow.
        return await self._call(await call_in_thread(audio.create, self._config, model, file, params))


class AsyncDocuments(AsyncEndpoint):
    """`client.documents`."""

    @written_out(DocumentParams, CallOptions)
    async def convert(
        self, files: Iterable[DocumentFile], **params: Unpack[DocumentParams]
    ) -> DocumentsResult:
        """Convert documents to text, page by page, in as many requests as it takes.

        A request takes 50 MB of files. Equal files are sent once. Documents without text are read by OCR.

        Args:
            files: Paths, open files, or tuples of name and bytes: PDF, DOCX, XLSX, PPTX or images, each
                of at most 50 MB.
            **params: Those of `melious.DocumentParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            PageLimitError: The pages of the day are used up.
            MeliousError: A request failed; the subclass says how.
        """
        # Looking at the files can be slow, as a disk is.
        plan = await call_in_thread(DocumentsPlan, self._config, files, params)
        return await run_batches(plan, self._driver.call)
