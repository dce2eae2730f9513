"""The blocking client: one attribute per endpoint, nothing else."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, Unpack

from melious.clients._sync.endpoints import Audio, Chat, Embeddings, Images, Models, Rerank
from melious.clients.base import ClientBase, ClientOptions, checked_http_client
from melious.http._sync.driver import SyncDriver
from melious.settings.config import ClientConfig
from melious.settings.keys import hide_key


class MeliousClient(ClientBase):
    """The service, for blocking code. Cheap to make, safe to share between threads.

    Clients that lead to the same place share their connections; nothing is
    opened before the first request. A client can be pickled and copied: the
    pickle holds the key, and an injected HTTP client stays behind.

    Args:
        http_client: A client with httpx's interface to send through, used as
            it is and never closed. By default connections are managed here.
        **options: `api_key`, `base_url`, `preset`, `flavor`, `filters`, `timeout` and the rest of
            `melious.clients.base.ClientOptions`, which tells their units and defaults.

    Raises:
        ConfigurationError: There is no key, or the base URL or a proxy or certificates that the
            environment names cannot be used.
        InvalidArgumentError: Another argument is wrong.

    Example:
        >>> client = MeliousClient(api_key="sk-mel-...", preset="environment")
        >>> answer = client.chat.create(  # doctest: +SKIP
        ...     model="glm-4.7", messages=[{"role": "user", "content": "Hello!"}]
        ... )
        >>> answer.text, answer.environment_impact.carbon_g_co2  # doctest: +SKIP
    """

    def __init__(self, *, http_client: Any = None, **options: Unpack[ClientOptions]) -> None:
        hide_key(options)
        self._begin(ClientConfig.resolve(**options), checked_http_client(http_client, "blocking"), "httpx")

    def _start(self, config: ClientConfig, http_client: Any) -> None:
        super()._start(config, http_client)
        self._driver = SyncDriver(config, http_client)
        self.chat = Chat(config, self._driver)
        self.embeddings = Embeddings(config, self._driver, self._cache)
        self.rerank = Rerank(config, self._driver)
        self.images = Images(config, self._driver)
        self.audio = Audio(config, self._driver)
        self.models = Models(config, self._driver)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; a later request takes new ones."""
        self._driver.close()
