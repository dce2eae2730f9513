"""`client.images` and `client.audio`."""

from __future__ import annotations

from typing import Unpack

from melious._signatures import written_out
from melious.answers.results import ImagesResult, Transcription
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.primitives import call_in_thread
from melious.endpoints import audio, images
from melious.endpoints.audio import AudioFile, TranscriptionParams
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
