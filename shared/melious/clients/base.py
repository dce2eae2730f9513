"""What both clients share: their settings, copying and pickling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from pydantic import SecretStr

from melious.endpoints.embedding_cache import EmbeddingCache
from melious.errors import InvalidArgumentError
from melious.http.outgoing import check_environment
from melious.routing.filters import FiltersArgument, Flavor, Preset
from melious.settings.config import ClientConfig, StreamImpact, TimeoutArgument
from melious.settings.headers import warn_of_hidden_key
from melious.settings.keys import hide_key

if TYPE_CHECKING:
    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import FallbackStep
    from melious.routing.residency import VerifyLocation


class ClientOptions(TypedDict, total=False):
    """The options of both clients, besides their own HTTP clients.

    Attributes:
        api_key: The key; by default `MELIOUS_API_KEY`.
        base_url: The URL of the service, in any spelling; by default `MELIOUS_BASE_URL`, then
            `https://api.melious.ai/v1`.
        auth: Send the key as `Authorization: Bearer` or as `x-api-key`.
        timeout: Seconds for each wait of an attempt, a `Timeout`, an `httpx.Timeout`, or a tuple, see
            `CallOptions`; by default it depends on the endpoint (300 s for a whole chat answer).
        deadline: Seconds for a whole call, waits and retries included; 600 by default, None for no
            limit. For a stream it ends with the first chunk.
        max_retries: Further attempts after the first, after transient errors; 2 by default.
        retry_timeouts: Whether to retry an attempt that timed out after it was sent. By default not
            for chat, images and audio, which might be billed twice; yes for embeddings, rerank
            and models.
        preset: What routing favours, for every request. Ignored if there is a flavor.
        flavor: The suffix of the model, for every request.
        filters: Which providers may serve, for every request; `countries` are ISO 3166 alpha-2 codes.
        default_headers: Headers of every request; they replace the library's own of that name
            (`User-Agent`, `Host`, `Idempotency-Key`, ...). Headers of the connection
            (`Content-Length`, `Transfer-Encoding`, ...) are refused, and one that replaces the key
            causes a warning.
        extra_body: Fields of every body, sent unchanged.
        verify: True for the system's certificates and those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, a
            path to CA certificates, an `ssl.SSLContext`, or False. Proxies come from `HTTPS_PROXY`,
            `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, see `melious.http.proxies`; an injected HTTP
            client has its own.
        allow_insecure_http: Allow sending the key unencrypted to another machine.
        max_connections: The most concurrent connections, and so requests.
        max_rate_limit_wait: Seconds for which a request may be delayed by the key's rate limit at its
            endpoint, 60 by default; 0 sends regardless. After a refusal the endpoint pauses at most
            so long, even if the service asks for longer; then one request tries, and the others
            follow if it passes. A longer wait is a `RateLimitError`, "not sent".
        async_transport: `aiohttp` runs the async client on aiohttp's connections (extra `aiohttp`),
            which do not support SOCKS proxies.
        embedding_cache_size: How many embedded texts to keep in memory; 0 for none.
        embedding_cache_ttl: Seconds for which they are kept.
        budget: Limits on what the requests may cost, see `ImpactBudget`; other clients, adapters and
            `track_impact` blocks may share it.
        verify_location: Check the location that answers report against `filters["countries"]`, which
            are then required: `off`, `warn` or `raise`; see `RoutingOptions`.
        stream_impact: `native` streams chat answers as the model writes; `buffer` requests whole
            answers, which report impact and cost on the live service too, and hands them out as
            streams.
        routing_fallbacks: How to relax the filters, step by step, if no provider matches; see
            `RoutingOptions`.
    """

    api_key: str | SecretStr | None
    base_url: str | None
    auth: Literal["bearer", "x-api-key"]
    timeout: TimeoutArgument
    deadline: float | None
    max_retries: int
    retry_timeouts: bool | None
    preset: Preset | None
    flavor: Flavor | None
    filters: FiltersArgument | None
    default_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    verify: Any
    allow_insecure_http: bool
    max_connections: int
    max_rate_limit_wait: float
    async_transport: Literal["httpx", "aiohttp"]
    embedding_cache_size: int
    embedding_cache_ttl: float
    budget: ImpactBudget | None
    verify_location: VerifyLocation
    stream_impact: StreamImpact
    routing_fallbacks: Sequence[FallbackStep] | None


def checked_http_client(
    http_client: Any, kind: Literal["blocking", "asyncio"], name: str = "http_client"
) -> Any:
    """Check an injected HTTP client; None for none.

    Raises:
        InvalidArgumentError: It does not have httpx's interface, or is of the other kind.
    """
    if http_client is None:
        return None
    close = "close" if kind == "blocking" else "aclose"
    if not all(callable(getattr(http_client, method, None)) for method in ("build_request", "send", close)):
        raise InvalidArgumentError(
            f"{name}: must be a {kind} client like httpx's, not {type(http_client).__name__}"
        )
    return http_client


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
        self._cache = (
            EmbeddingCache(config.embedding_cache_size, config.embedding_cache_ttl)
            if config.embedding_cache_size
            else None
        )

    def with_options(self, **changes: Any) -> Self:
        """A client with changed settings, on the same connections.

        Args:
            **changes: Any setting of the constructor except the key and the base URL.

        Example:
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

        Example:
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
