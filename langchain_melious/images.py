"""`MeliousImageGenerator`: the image models of Melious as a tool for LangChain agents."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NotRequired, TypedDict

from langchain_core.tools import ArgsSchema, BaseTool
from pydantic import BaseModel, Field, SkipValidation

from langchain_melious.callbacks.reports import RequestInfo, areport, report, usage_of
from langchain_melious.errors import ResponseDecodeError, langchain_errors
from langchain_melious.settings.fields import MeliousSettings
from melious.endpoints.images import check_params, media_type_of
from melious.settings.keys import hide_key

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun

    from melious.answers.media import Image, ImagesResult

_PARAMETERS = (
    "n",
    "size",
    "width",
    "height",
    "quality",
    "style",
    "output_format",
    "output_quality",
    "seed",
    "user",
)


class ImageInput(BaseModel):
    """The arguments of the tool."""

    prompt: str = Field(
        description="What the picture shows, in full: subject, surroundings, style, light, colours."
    )
    size: Literal["1024x1024", "1792x1024", "1024x1792"] | None = Field(
        default=None, description="Width x height in pixels, only if the user wants a certain shape."
    )


class GeneratedImage(TypedDict):
    """An image in the artifact of a tool message.

    Attributes:
        mime_type: Its type, such as `image/png`; absent for a URL.
        base64: Its bytes in base64, so that messages go into JSON; absent for a URL.
        url: Its URL, from services that host images.
        revised_prompt: The prompt as the model understood it, if reported.
    """

    mime_type: NotRequired[str]
    base64: NotRequired[str]
    url: NotRequired[str]
    revised_prompt: NotRequired[str]


class ImageArtifact(TypedDict):
    """The result of an image request, without what the service did not report.

    Attributes:
        prompt: The prompt.
        images: The images.
        model: The requested model, without its flavor.
        routing: The requested routing.
        usage: Token counts.
        environment_impact: Energy, carbon and water, provider and country.
        billing_cost: The cost, as decimal strings.
        request_id: The service's id of the request.
    """

    prompt: str
    images: list[GeneratedImage]
    model: str
    routing: NotRequired[dict[str, Any]]
    usage: NotRequired[dict[str, Any]]
    environment_impact: NotRequired[dict[str, Any]]
    billing_cost: NotRequired[dict[str, Any]]
    request_id: NotRequired[str]


class MeliousImageGenerator(MeliousSettings, BaseTool, defer_build=False):
    """A tool that generates images from descriptions.

    The tool message holds a short text and the images as standard `image` blocks;
    its artifact (`ImageArtifact`, JSON) holds them in base64, revised prompts, impact,
    cost and request id. Set `show_images=False` if the agent's chat model does not
    take images. Costs are reported to `melious.track_impact` and, as the custom event
    `melious_usage`, to LangChain's callbacks. Errors are those of
    `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `flux-schnell`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        n: The number of images per call, 1 to 10 (older services take 4); by default 1.
        size: Width x height in pixels; by default the service's own, 1024x1024. The chat model may choose
            another.
        width, height: In pixels, for models that take these instead of `size`; not sent by default.
        quality: `standard` or `hd`; not sent by default.
        style: A style that the model supports; not sent by default.
        output_format: `png`, `jpeg` or another that the model supports; not sent by default.
        output_quality: 0 to 100, if the model supports it; not sent by default.
        seed: For reproducible images, if the model supports it; not sent by default.
        user: Your identifier for the end user; not sent by default.
        image_format: How images are returned: `b64_json`, the default, or `url`, if the service hosts them.
        show_images: Whether the tool message holds the images; True by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 180 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.
        name, description, callbacks, tags, metadata, return_direct: As in LangChain's `BaseTool`.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> from langchain_melious import MeliousImageGenerator
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     draw = MeliousImageGenerator(
        ...         model="flux-schnell",
        ...         size="256x256",
        ...         api_key=sandbox.api_key,
        ...         base_url=sandbox.base_url,
        ...     )
        ...     call = {"name": draw.name, "args": {"prompt": "a lighthouse"}, "id": "1", "type": "tool_call"}
        ...     message = draw.invoke(call)
        >>> [block["type"] for block in message.content]
        ['text', 'image']
        >>> message.artifact["images"][0]["mime_type"], len(message.artifact["images"][0]["base64"]) > 1000
        ('image/png', True)

        In an agent:

        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> agent = create_agent(ChatMelious(model="glm-4.7"), tools=[draw])  # doctest: +SKIP
    """

    _kind: ClassVar[str] = "image"

    name: str = "generate_image"
    description: str = "Make a picture from a description in words. Returns the picture."
    args_schema: Annotated[ArgsSchema | None, SkipValidation()] = ImageInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    n: int | None = None
    size: str | None = None
    width: int | None = None
    height: int | None = None
    quality: str | None = None
    style: str | None = None
    output_format: str | None = None
    output_quality: int | None = None
    seed: int | None = None
    user: str | None = None
    image_format: Literal["b64_json", "url"] = "b64_json"
    show_images: bool = True

    if not TYPE_CHECKING:  # for type checkers, the fields are the signature

        def __init__(self, *positional: Any, **arguments: Any) -> None:
            hide_key(arguments)
            super().__init__(*positional, **arguments)
            with langchain_errors:
                check_params(self._parameters())

    def _run(
        self,
        prompt: str,
        size: str | None = None,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002 - its run is the active one
    ) -> tuple[list[str | dict[str, Any]], ImageArtifact]:
        with langchain_errors:
            call = self._request(prompt, size)
            result = self._sync_client().images.generate(**call)
            info = self._info(call)
            report(info, [result])
            return self._outcome(prompt, info, result)

    async def _arun(
        self,
        prompt: str,
        size: str | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002 - its run is the active one
    ) -> tuple[list[str | dict[str, Any]], ImageArtifact]:
        with langchain_errors:
            call = self._request(prompt, size)
            result = await self._async_client().images.generate(**call)
            info = self._info(call)
            await areport(info, [result])
            return self._outcome(prompt, info, result)

    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _PARAMETERS} | {"response_format": self.image_format}

    def _request(self, prompt: str, size: str | None) -> dict[str, Any]:
        call = self._parameters() | {"model": self.model, "prompt": prompt}
        if size is not None:
            call |= {"size": size, "width": None, "height": None}
        return call

    def _info(self, call: Mapping[str, Any]) -> RequestInfo:
        return RequestInfo("images", call["model"], self._routing(call))

    def _outcome(
        self, prompt: str, info: RequestInfo, result: ImagesResult
    ) -> tuple[list[str | dict[str, Any]], ImageArtifact]:
        """The content of the tool message and its artifact."""
        cost = usage_of(info, result)
        del cost["endpoint"]
        images = [_image_of(image, result) for image in result.data]
        artifact: dict[str, Any] = {"prompt": prompt, "images": images, **cost}
        content: list[str | dict[str, Any]] = [{"type": "text", "text": _words(images)}]
        if self.show_images:
            content += [_block_of(made) for made in images]
        return content, artifact  # type: ignore[return-value]  # the keys of `usage_of` are its own


def _image_of(image: Image, result: ImagesResult) -> GeneratedImage:
    made: GeneratedImage = {}
    if image.b64_json is not None:
        try:
            data = image.to_bytes()
        except ValueError as error:
            raise ResponseDecodeError(
                f"images: the base64 of an image is not valid: {error}", request_id=result.request_id
            ) from error
        made["base64"] = base64.b64encode(data).decode()
        made["mime_type"] = media_type_of(data)
    elif image.url is not None:
        made["url"] = image.url
    else:
        raise ResponseDecodeError("images: an image has neither data nor a URL", request_id=result.request_id)
    if image.revised_prompt:
        made["revised_prompt"] = image.revised_prompt
    return made


def _words(images: list[GeneratedImage]) -> str:
    """A short text for the chat model about the images."""
    made = "1 picture was made" if len(images) == 1 else f"{len(images)} pictures were made"
    lines = [f"{made}."]
    for image in images:
        if "revised_prompt" in image:
            lines.append(f"It was understood as: {image['revised_prompt']}")
        if "url" in image:
            lines.append(f"It is at {image['url']}")
    return "\n".join(lines)


def _block_of(made: GeneratedImage) -> dict[str, Any]:
    if "url" in made:
        return {"type": "image", "url": made["url"]}
    return {"type": "image", "base64": made["base64"], "mime_type": made["mime_type"]}
