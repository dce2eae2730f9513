"""The asyncio client: one attribute per endpoint, nothing else."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, Unpack

from melious.clients._async.endpoints import (
    AsyncAudio,
    AsyncChat,
    AsyncEmbeddings,
    AsyncImages,
    AsyncModels,
    AsyncRerank,
)
from melious.clients.base import ClientBase, checked_http_client
from melious.http._async.driver import AsyncDriver
from melious.settings.config import ClientConfig
from melious.settings.keys import hide_key
from melious.settings.options import ClientOptions


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
        **options: `api_key`, `base_url`, `preset`, `flavor`, `filters`, `timeout` and the rest of
            `melious.settings.options.ClientOptions`, which has their units and defaults.

    Raises:
        ConfigurationError: There is no key, or the base URL, or a proxy or certificates named by the
            environment, cannot be used.
        InvalidArgumentError: Another argument is wrong.

    Examples:
        >>> client = AsyncMeliousClient(api_key="sk-mel-...", preset="environment")
        >>> answer = await client.chat.create(  # doctest: +SKIP
        ...     model="glm-4.7", messages=[{"role": "user", "content": "Hello!"}]
        ... )
        >>> answer.text, answer.environment_impact.carbon_g_co2  # doctest: +SKIP
    """

    def __init__(self, *, http_client: Any = None, **options: Unpack[ClientOptions]) -> None:
        hide_key(options)
        config = ClientConfig.resolve(**options)
        self._begin(config, checked_http_client(http_client, "asyncio"), config.async_transport)

    def _start(self, config: ClientConfig, http_client: Any) -> None:
        super()._start(config, http_client)
        self._driver = AsyncDriver(config, http_client)
        self.chat = AsyncChat(config, self._driver)
        self.embeddings = AsyncEmbeddings(config, self._driver, self._cache)
        self.rerank = AsyncRerank(config, self._driver)
        self.images = AsyncImages(config, self._driver)
        self.audio = AsyncAudio(config, self._driver)
        self.models = AsyncModels(config, self._driver)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the idle connections of the running loop; a later request opens new ones."""
        await self._driver.aclose()
