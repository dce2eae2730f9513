"""The asyncio client: one attribute per endpoint, nothing else."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from melious._signatures import written_out
from melious.clients._async.chat import AsyncChat
from melious.clients.base import ClientBase
from melious.http._async.driver import AsyncDriver
from melious.settings.checks import checked_http_client
from melious.settings.config import ClientConfig
from melious.settings.keys import hide_key
from melious.settings.options import OPTIONS, ClientOptions

if TYPE_CHECKING:
    from melious.clients._async.batches import AsyncBatches
    from melious.clients._async.files import AsyncFiles
    from melious.clients._async.media import AsyncAudio, AsyncDocuments, AsyncImages
    from melious.clients._async.messages import AsyncMessages
    from melious.clients._async.models import AsyncModels
    from melious.clients._async.tools import AsyncTools
    from melious.clients._async.vectors import AsyncEmbeddings, AsyncRerank


@written_out(ClientOptions, defaults={option.name: option.default for option in OPTIONS})
class AsyncMeliousClient(ClientBase):
    """A client for asyncio. Cheap to make, safe to use on several event loops.

    It needs asyncio (or uvloop, or anyio on asyncio); under trio or curio, or without a running event
    loop, its calls raise `ConfigurationError`: use `MeliousClient` in a worker thread there.

    Clients of the same service share the connections of a loop; none is opened before the first
    request. A client can be pickled and copied: the pickle contains the key, but not an injected HTTP
    client.

    Args:
        http_client: A client with httpx's interface to send through, used unchanged and never closed.
            By default connections are managed here.
        **options: Those of `melious.ClientOptions`.

    Raises:
        ConfigurationError: There is no key, or the base URL, or a proxy or certificates named by the
            environment, cannot be used.
        InvalidArgumentError: Another argument is wrong.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from melious import AsyncMeliousClient
        >>> client = AsyncMeliousClient(preset="environment", filters={"countries": ["DE", "FR"]})

        Ask:

        >>> hello = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        >>> answer = await client.chat.create(**hello)
        >>> answer.text
        'Air scatters blue light most.'

        Stream:

        >>> async with client.chat.stream(**hello) as stream:
        ...     async for chunk in stream:
        ...         print(chunk.text, end="")
        The blue is gone.

        Tools and structured output, in OpenAI's form:

        >>> schema = {"type": "object", "properties": {"river": {"type": "string"}}}
        >>> tool = {"type": "function", "function": {"name": "river_length", "parameters": schema}}
        >>> asked = await client.chat.create(**hello, tools=[tool])
        >>> asked.tool_calls[0]["function"]["arguments"]
        '{"river": "Elbe"}'
        >>> wanted = {"type": "json_schema", "json_schema": {"name": "river", "schema": schema}}
        >>> river = await client.chat.create(**hello, response_format=wanted)
        >>> river.text
        '{"river":"Elbe"}'

        Embeddings, reranking, images and models:

        >>> embedded = await client.embeddings.create(model="bge-m3", input=["a heat pump", "a kettle"])
        >>> len(embedded.embeddings), len(embedded.embeddings[0])
        (2, 1024)
        >>> ranked = await client.rerank.create(
        ...     model="bge-reranker-v2-m3", query="ships", documents=["Tea.", "Lighthouses guide ships."]
        ... )
        >>> ranked.results[0].index
        1
        >>> pictures = await client.images.generate(model="flux-schnell", prompt="a lighthouse")
        >>> pictures.data[0].b64_json[:4]
        'iVBO'
        >>> cards = await client.models.find(vision=True, order_by="price")
        >>> cards[0].id
        'glm-5.3-flash'

        Usage and impact, of an answer or of all requests in a block:

        >>> answer.usage.completion_tokens
        7
        >>> answer.environment_impact.location, answer.environment_impact.carbon_g_co2 > 0
        ('FR', True)
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     again = await client.chat.create(**hello)
        >>> ledger.total.requests
        1

        Metadata:

        >>> answer.model, answer.choices[0].finish_reason, answer.meta.attempts
        ('glm-4.7', 'stop', 1)
    """

    def __init__(self, *, http_client: Any = None, **options: Unpack[ClientOptions]) -> None:
        hide_key(options)
        config = ClientConfig.resolve(**options)
        self._begin(config, checked_http_client(http_client, "asyncio"), config.async_transport)

    def _start(self, config: ClientConfig, http_client: Any) -> None:
        super()._start(config, http_client)
        self._driver = AsyncDriver(config, http_client)
        self.chat = AsyncChat(config, self._driver)

    @cached_property
    def embeddings(self) -> AsyncEmbeddings:
        """Vectors of texts."""
        from melious.clients._async.vectors import AsyncEmbeddings  # noqa: PLC0415 - only if used

        return AsyncEmbeddings(self.config, self._driver, self._cache)

    @cached_property
    def rerank(self) -> AsyncRerank:
        """Documents in the order of their relevance to a query."""
        from melious.clients._async.vectors import AsyncRerank  # noqa: PLC0415 - only if used

        return AsyncRerank(self.config, self._driver)

    @cached_property
    def images(self) -> AsyncImages:
        """Images made from descriptions."""
        from melious.clients._async.media import AsyncImages  # noqa: PLC0415 - only if used

        return AsyncImages(self.config, self._driver)

    @cached_property
    def audio(self) -> AsyncAudio:
        """Recordings as text."""
        from melious.clients._async.media import AsyncAudio  # noqa: PLC0415 - only if used

        return AsyncAudio(self.config, self._driver)

    @cached_property
    def documents(self) -> AsyncDocuments:
        """Files as text."""
        from melious.clients._async.media import AsyncDocuments  # noqa: PLC0415 - only if used

        return AsyncDocuments(self.config, self._driver)

    @cached_property
    def models(self) -> AsyncModels:
        """What there is to choose from."""
        from melious.clients._async.models import AsyncModels  # noqa: PLC0415 - only if used

        return AsyncModels(self.config, self._driver)

    @cached_property
    def tools(self) -> AsyncTools:
        """The tools that the service runs."""
        from melious.clients._async.tools import AsyncTools  # noqa: PLC0415 - only if used

        return AsyncTools(self.config, self._driver)

    @cached_property
    def messages(self) -> AsyncMessages:
        """Token counts of conversations."""
        from melious.clients._async.messages import AsyncMessages  # noqa: PLC0415 - only if used

        return AsyncMessages(self.config, self._driver)

    @property
    def files(self) -> AsyncFiles:
        """The files that batches read and write."""
        from melious.clients._async.files import AsyncFiles  # noqa: PLC0415 - costs other calls nothing

        return AsyncFiles(self.config, self._driver)

    @property
    def batches(self) -> AsyncBatches:
        """Requests that the service answers in its own time, outside the per-minute limit."""
        from melious.clients._async.batches import AsyncBatches  # noqa: PLC0415 - costs other calls nothing

        return AsyncBatches(self.config, self._driver, self.files)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the idle connections of the running loop; a later request opens new ones."""
        await self._driver.aclose()
