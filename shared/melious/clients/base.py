"""What both clients share: their settings, copying and pickling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from melious._signatures import UNCHANGED, written_out
from melious.http.outgoing import check_environment
from melious.settings.config import ClientConfig
from melious.settings.headers import warn_of_hidden_key
from melious.settings.keys import hide_key
from melious.settings.options import ClientOptions

if TYPE_CHECKING:
    from melious.endpoints.embedding_cache import EmbeddingCache
    from melious.routing.fallbacks import FallbackStep


class ClientBase:
    """What both clients share: their settings, copying and pickling."""

    config: ClientConfig

    def __repr__(self) -> str:
        config = vars(self).get("config")  # error trackers show clients before they are made
        return f"{type(self).__name__}({f'base_url={config.base_url!r}' if config else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), self.config)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)._of(self.config, self._http_client)  # noqa: SLF001 - its own class

    @classmethod
    def _of(cls, config: ClientConfig, http_client: Any = None) -> Self:
        client = cls.__new__(cls)
        client._start(config, http_client)  # noqa: SLF001 - its own class
        return client

    def _begin(self, config: ClientConfig, http_client: Any, transport: str) -> None:
        """Take new settings, check the environment, and warn of a header that replaces the key."""
        self._start(config, http_client)
        warn_of_hidden_key("default_headers", config.default_headers)
        if http_client is None:
            check_environment(config, transport)

    def _start(self, config: ClientConfig, http_client: Any) -> None:
        """Take settings; subclasses add their driver and endpoints."""
        self.config = config
        self._http_client = http_client
        self._cache = _embedding_cache(config)

    @written_out(
        ClientOptions,
        defaults=dict.fromkeys(ClientOptions.__annotations__, UNCHANGED),
        without=("api_key", "base_url", "allow_insecure_http"),
    )
    def with_options(self, **changes: Any) -> Self:
        """A client with changed settings, on the same connections.

        Args:
            **changes: Any setting of the constructor except the key and the base URL.

        Examples:
            >>> from melious import MeliousClient
            >>> patient = MeliousClient(api_key="sk-mel-...").with_options(max_retries=6)
            >>> patient.config.max_retries
            6
        """
        hide_key(changes)
        config = self.config.with_options(**changes)
        if "default_headers" in changes:
            warn_of_hidden_key("default_headers", config.default_headers)
        return type(self)._of(config, self._http_client)  # noqa: SLF001 - its own class

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """A client whose requests relax their filters if no provider matches.

        A request is first sent with all its filters. Each time the service says that no provider
        matches, the next step is taken; steps without effect are skipped. Preset and flavor stay.
        The steps taken are in `.relaxed` of the answer or the stream, in the ledger and in the log
        (INFO). After the last step the first error is raised.

        Args:
            *steps: In order: a filter's name drops it, `{"max_carbon_intensity": 400}` replaces its
                limit, None drops all remaining filters. Without arguments there are no fallbacks.

        Examples:
            >>> from melious import MeliousClient
            >>> client = MeliousClient(
            ...     api_key="sk-mel-...", filters={"countries": ["SE"], "max_carbon_intensity": 10}
            ... )
            >>> flexible = client.with_routing_fallbacks({"max_carbon_intensity": 50}, "countries")
            >>> answer = flexible.chat.create(model="glm-4.7", messages=[...])  # doctest: +SKIP
            >>> answer.relaxed  # doctest: +SKIP
            ('max_carbon_intensity=50',)
        """
        return self.with_options(routing_fallbacks=steps)


def _made(kind: type[ClientBase], config: ClientConfig) -> ClientBase:
    return kind._of(config)  # noqa: SLF001 - how a client is unpickled


def _embedding_cache(config: ClientConfig) -> EmbeddingCache | None:
    if not config.embedding_cache_size:
        return None
    from melious.endpoints.embedding_cache import EmbeddingCache  # noqa: PLC0415 - few ask for one

    return EmbeddingCache(config.embedding_cache_size, config.embedding_cache_ttl)
