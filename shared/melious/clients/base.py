"""What both clients have in common: their settings, and being copied and pickled by them."""

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
    """What both clients take, beside the HTTP client of their own kind.

    Attributes:
        api_key: The key; by default `MELIOUS_API_KEY`.
        base_url: Where the service is, in any spelling; by default
            `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        auth: Send the key as `Authorization: Bearer` or as `x-api-key`.
        timeout: Seconds for each wait of an attempt, a `Timeout`, an
            `httpx.Timeout`, or a tuple, see `CallOptions`; by default what
            suits the endpoint (300 s for a whole chat answer).
        deadline: Seconds for a whole call, waits and retries included; 600 by
            default, None for no limit. A stream's counts until its first chunk.
        max_retries: Further attempts after the first, for passing troubles; 2 by default.
        retry_timeouts: Whether an attempt that timed out after it was sent is
            sent again. By default not for chat, images and audio, since it
            may be billed twice; yes for embeddings, rerank and models.
        preset: What routing should favour, for every request. It does nothing where there is a flavor.
        flavor: The suffix of the model, for every request.
        filters: Which providers may serve, for every request; `countries` are ISO 3166 alpha-2 codes.
        default_headers: Headers of every request, each in the place of the library's own of that
            name (`User-Agent`, `Host`, `Idempotency-Key`, ...); those of the connection
            (`Content-Length`, `Transfer-Encoding`, ...) are refused. A header that hides the key is
            warned of.
        extra_body: Fields of every body, as they are.
        verify: True for the system's certificates and what `SSL_CERT_FILE` and `SSL_CERT_DIR`
            name, a path to CA certificates, an `ssl.SSLContext`, or False. Proxies come from
            `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, see `melious.http.proxies`;
            an injected HTTP client has its own.
        allow_insecure_http: Let the key go in clear to a host that is not this machine.
        max_connections: The most connections, and so requests, at a time.
        max_rate_limit_wait: Seconds that a request may be held back because of
            the key's limit at its endpoint, 60 by default; 0 sends regardless.
            After a refusal the endpoint rests at most so long, whatever the
            service asks for. Then one request tries, and the others follow
            if it passes. What would wait longer is a `RateLimitError`, "not sent".
        async_transport: `aiohttp` runs the async client on aiohttp's
            connections (extra `aiohttp`), which do not go through SOCKS proxies.
        embedding_cache_size: How many embedded texts to keep in memory; 0 for none.
        embedding_cache_ttl: Seconds for which they are kept.
        budget: Limits on what the requests may cost, see `ImpactBudget`; other clients, adapters
            and `track_impact` blocks may share it.
        verify_location: Hold the location that answers report against `filters["countries"]`:
            `off`, `warn` or `raise`, which need countries in the filters; see `RoutingOptions`.
        stream_impact: `native` streams chat answers truly; `buffer` asks for whole answers, which
            report impact and cost on the live service too, and hands them out as streams.
        routing_fallbacks: What requests give up of their filters, step by step, where no provider
            fits; see `RoutingOptions`.
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
    """Check an injected HTTP client; None means that there is none.

    Raises:
        InvalidArgumentError: It does not have httpx's interface, or is of the other kind.
    """
    if http_client is None:
        return None
    close = "close" if kind == "blocking" else "aclose"
    if not all(callable(getattr(http_client, method, None)) for method in ("build_request", "send", close)):
        raise InvalidArgumentError(
            f"{name}: needs a client with httpx's interface for {kind} code, not {type(http_client).__name__}"
        )
    return http_client


class ClientBase:
    """What both clients have in common: settings, and being copied and pickled by them."""

    config: ClientConfig

    def __repr__(self) -> str:
        config = vars(self).get("config")  # collectors of errors look at clients that are not made yet
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
        """Take new settings: check what they need of the environment, and warn of what hides the key."""
        self._start(config, http_client)
        warn_of_hidden_key("default_headers", config.default_headers)
        if http_client is None:
            check_environment(config, transport)

    def _start(self, config: ClientConfig, http_client: Any) -> None:
        """Take the settings; subclasses add their driver and endpoints."""
        self.config = config
        self._http_client = http_client
        self._cache = (
            EmbeddingCache(config.embedding_cache_size, config.embedding_cache_ttl)
            if config.embedding_cache_size
            else None
        )

    def with_options(self, **changes: Any) -> Self:
        """A client with other settings, on the same connections.

        Args:
            **changes: Any of the constructor's settings but the key and the base URL.

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
        """A client whose requests give up some of their filters where no provider fits them all.

        A request is sent with all its filters first. Each time the service says that no provider
        fits, the next step is taken; what a step does not change is passed over. Preset and flavor
        stay. What was given up is in `.relaxed` of the answer or the stream, in the ledger and in
        the log (INFO). When nothing is left to give up, the first error is raised.

        Args:
            *steps: In order: a filter's name drops it, `{"max_carbon_intensity": 400}` replaces its
                limit, None drops all filters that are left. None at all for no fallbacks.

        Example:
            >>> from melious import MeliousClient
            >>> client = MeliousClient(
            ...     api_key="sk-mel-...", filters={"countries": ["SE"], "max_carbon_intensity": 10}
            ... )
            >>> yielding = client.with_routing_fallbacks({"max_carbon_intensity": 50}, "countries")
            >>> answer = yielding.chat.create(model="glm-4.7", messages=[...])  # doctest: +SKIP
            >>> answer.relaxed  # doctest: +SKIP
            ('max_carbon_intensity=50',)
        """
        return self.with_options(routing_fallbacks=steps)


def _made(kind: type[ClientBase], config: ClientConfig) -> ClientBase:
    return kind._of(config)  # noqa: SLF001 - a client's own way of being unpickled
