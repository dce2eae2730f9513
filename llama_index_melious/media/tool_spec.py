"""`MeliousToolSpec`, tools for agents that generate images and transcribe recordings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from llama_index.core.base.llms.types import ContentBlock, ImageBlock, TextBlock
from llama_index.core.bridge.pydantic import Field, field_validator
from llama_index.core.tools.function_tool import FunctionTool
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.tools.types import ToolMetadata, ToolOutput

from llama_index_melious.component import MeliousComponent
from llama_index_melious.events import dispatch_usage
from llama_index_melious.media.recordings import recording_in
from melious.answers.media import Image, ImagesResult, Transcription
from melious.endpoints.audio import TranscriptionParams
from melious.endpoints.images import ImageParams, check_params, media_type_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.routing.filters import flavored

_IMAGES = frozenset(ImageParams.__annotations__)
_AUDIO = frozenset(TranscriptionParams.__annotations__)
_IMAGE_SETTINGS = ("n", "size", "quality", "style", "seed")


class MeliousToolSpec(MeliousComponent, BaseToolSpec, defer_build=False):
    """Tools that generate images and transcribe recordings.

    `generate_image` returns a `ToolOutput` with a short text and the images as `ImageBlock`s;
    its `raw_output` is the `ImagesResult` (revised prompts, impact, cost, request id).
    `transcribe` returns the text, and the `Transcription` as `raw_output`. It needs an
    `audio_folder`: the agent's model names files, and can only reach those in the folder. A
    failed call raises a `melious.MeliousError`, which agents show to their model. A
    `MeliousUsageEvent` reports what each request cost.

    Args:
        image_model: The model of `generate_image`; `flux-schnell` by default, None to leave the tool out.
        audio_model: The model of `transcribe`; `whisper-large-v3-turbo` by default.
        audio_folder: The folder of the recordings, with its subfolders; without it there is no `transcribe`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        n: Images per call, 1 to 10 (older services allow 4); by default 1.
        size: Width x height in pixels, unless given in the call; by default the service's, 1024x1024.
        quality: `standard` or `hd`; not sent by default.
        style: A style of the model; not sent by default.
        seed: Makes images reproducible if the model supports it; not sent by default.
        show_images: Show the images to the agent's model; True by default. Use False for a model that does
            not accept images.
        language: ISO 639-1 code of the recordings; by default it is detected.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`.
            Default: 180 s for images, 900 s for recordings.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        >>> from llama_index_melious import MeliousToolSpec
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     spec = MeliousToolSpec(
        ...         size="256x256", api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     output = spec.generate_image("a lighthouse in fog")
        >>> [block.block_type for block in output.blocks]
        ['text', 'image']
        >>> [tool.metadata.name for tool in spec.to_tool_list()]
        ['generate_image']
        >>> [tool.metadata.name for tool in spec.with_options(audio_folder="talks").to_tool_list()]
        ['generate_image', 'transcribe']

        In an agent:

        >>> from llama_index.core.agent.workflow import FunctionAgent  # doctest: +SKIP
        >>> agent = FunctionAgent(tools=spec.to_tool_list(), llm=Melious(model="glm-4.7"))  # doctest: +SKIP
    """

    argument_aliases: ClassVar[Mapping[str, str]] = {
        **MeliousComponent.argument_aliases,
        "model": "image_model",
    }

    image_model: str | None = "flux-schnell"
    audio_model: str | None = "whisper-large-v3-turbo"
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    seed: int | None = None
    show_images: bool = True
    if TYPE_CHECKING:  # a path is accepted and stored as text
        audio_folder: str | PathLike[str] | None = None
    else:
        audio_folder: str | None = Field(
            default=None,
            min_length=1,
        )
    language: str | None = None

    spec_functions: list[SPEC_FUNCTION_TYPE] = Field(default_factory=list, exclude=True)

    @field_validator("audio_folder", mode="before")
    @classmethod
    def _as_text(cls, folder: Any) -> Any:
        return os.fspath(folder) if isinstance(folder, PathLike) else folder

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousToolSpec"

    @property
    def model(self) -> str | None:
        """The image model, or else the audio model."""
        return self.image_model or self.audio_model

    def _check(self) -> None:
        transcribes = self.audio_model is not None and self.audio_folder is not None
        if self.model is None:
            raise InvalidArgumentError(
                "MeliousToolSpec: needs an image_model or an audio_model", param="image_model"
            )
        if self.image_model is None and not transcribes:
            raise InvalidArgumentError(
                "MeliousToolSpec: needs an image_model, or an audio_folder for its audio_model",
                param="audio_folder",
            )
        super()._check()
        for model in (self.image_model, self.audio_model):
            if model is not None:
                flavored(model, self.flavor)
        check_params(self._image_settings())
        twins: list[tuple[bool, SPEC_FUNCTION_TYPE]] = [
            (self.image_model is not None, ("generate_image", "agenerate_image")),
            (transcribes, ("transcribe", "atranscribe")),
        ]
        self.spec_functions = [functions for offered, functions in twins if offered]

    def generate_image(self, prompt: str, size: str | None = None) -> ToolOutput:
        """Generate an image from a description in words.

        Args:
            prompt (str): What the image shows, in full: subject, surroundings, style, light, colours.
            size (str | None): Width x height in pixels, such as 1024x1024, only if a shape is wanted.
        """
        call = self._image_call(prompt, size)
        return self._image_output(prompt, size, self._client().images.generate(**call))

    async def agenerate_image(self, prompt: str, size: str | None = None) -> ToolOutput:
        """Generate an image from a description in words. See `generate_image`."""
        call = self._image_call(prompt, size)
        return self._image_output(prompt, size, await self._aclient().images.generate(**call))

    def transcribe(self, path: str, language: str | None = None) -> ToolOutput:
        """Transcribe a recording.

        Args:
            path (str): The file's name in the folder: mp3, mp4, m4a, wav or webm, at most 25 MB.
            language (str | None): Two-letter code of the language, only if it is known.
        """
        with self._recording(path) as file:
            call = self._audio_call(file, language)
            return _transcript_output(path, language, self._client().audio.transcribe(**call))

    async def atranscribe(self, path: str, language: str | None = None) -> ToolOutput:
        """Transcribe a recording. See `transcribe`."""
        with await asyncio.to_thread(self._recording, path) as file:
            call = self._audio_call(file, language)
            return _transcript_output(path, language, await self._aclient().audio.transcribe(**call))

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The functions as tools for agents: by default all that are available.

        Raises:
            InvalidArgumentError: `transcribe` is requested without an `audio_folder`.
        """
        asked = [
            name for each in spec_functions or () for name in ([each] if isinstance(each, str) else each)
        ]
        if self.audio_folder is None and not {"transcribe", "atranscribe"}.isdisjoint(asked):
            raise InvalidArgumentError("transcribe: needs an audio_folder", param="audio_folder")
        tools = BaseToolSpec.to_tool_list(self, spec_functions, func_to_metadata_mapping)
        # LlamaIndex turns a `ToolOutput` of a function into text, but leaves that of a callback alone.
        return [
            FunctionTool(
                fn=tool.fn,
                metadata=tool.metadata,
                async_fn=tool.async_fn,
                callback=_unchanged,
                async_callback=_unchanged_async,
            )
            for tool in tools
        ]

    def _image_settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _IMAGE_SETTINGS}

    def _image_call(self, prompt: str, size: str | None) -> dict[str, Any]:
        if self.image_model is None:
            raise InvalidArgumentError("generate_image: needs an image_model", param="image_model")
        parameters = self._parameters(_IMAGES, self._image_settings(), {"size": size})
        return {"model": self.image_model, "prompt": prompt, **parameters}

    def _recording(self, path: str) -> IO[bytes]:
        if self.audio_model is None:
            raise InvalidArgumentError("transcribe: needs an audio_model", param="audio_model")
        if self.audio_folder is None:
            raise InvalidArgumentError("transcribe: needs an audio_folder", param="audio_folder")
        return recording_in(os.fspath(self.audio_folder), path)

    def _audio_call(self, file: IO[bytes], language: str | None) -> dict[str, Any]:
        parameters = self._parameters(_AUDIO, {"language": self.language}, {"language": language})
        return {"model": self.audio_model, "file": (Path(file.name).name, file), **parameters}

    def _image_output(self, prompt: str, size: str | None, result: ImagesResult) -> ToolOutput:
        dispatch_usage("images", result, origin=result.meta)
        images = [_block_of(image, result) for image in result.data]
        count = len(images)
        lines = ["1 image was generated." if count == 1 else f"{count} images were generated."]
        for image in result.data:
            if image.revised_prompt:
                lines.append(f"Revised prompt: {image.revised_prompt}")
            if image.b64_json is None:
                lines.append(f"URL: {image.url}")
        blocks: list[ContentBlock] = [TextBlock(text="\n".join(lines))]
        if self.show_images:
            blocks += images
        given = {"prompt": prompt, "size": size}
        return ToolOutput(
            tool_name="generate_image",
            blocks=blocks,
            raw_input={"args": (), "kwargs": given},
            raw_output=result,
        )


def _block_of(image: Image, result: ImagesResult) -> ImageBlock:
    if image.b64_json is None and image.url is None:
        raise ResponseDecodeError("images: an image has neither data nor a URL", request_id=result.request_id)
    if image.b64_json is None:
        return ImageBlock(url=image.url)
    try:
        data = image.to_bytes()
    except ValueError as error:
        raise ResponseDecodeError(
            f"images: the base64 of an image is invalid: {error}", request_id=result.request_id
        ) from error
    return ImageBlock(image=data, image_mimetype=media_type_of(data))


def _transcript_output(path: str, language: str | None, result: Transcription) -> ToolOutput:
    dispatch_usage("audio", result, origin=result.meta)
    return ToolOutput(
        tool_name="transcribe",
        blocks=[TextBlock(text=result.text.strip())],
        raw_input={"args": (), "kwargs": {"path": path, "language": language}},
        raw_output=result,
    )


def _unchanged(output: Any) -> ToolOutput:
    return cast("ToolOutput", output)


async def _unchanged_async(output: Any) -> ToolOutput:
    return cast("ToolOutput", output)
