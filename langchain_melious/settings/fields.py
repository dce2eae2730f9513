"""The constructor arguments that all classes share, and the core clients created from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.utils.utils import from_env, secret_from_env
from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    SkipValidation,
    ValidationError,
    field_validator,
)

from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.copies import Copies

if TYPE_CHECKING:
    from melious.answers.results import Model, ModelList
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient
    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import FallbackStep
    from melious.routing.filters import FiltersArgument, Flavor, Preset
from melious.clients.base import checked_http_client
from melious.errors.arguments import invalid_arguments
from melious.routing.filters import ProviderFilters, filters_to_wire, flavored, routing_summary
from melious.settings.config import (
    KEY_VARIABLE,
    URL_VARIABLE,
    ClientConfig,
    Timeout,
    TimeoutArgument,
    read_timeout,
    reject_unknown,
)
from melious.settings.keys import hide_key

OPTIONS = (
    "api_key",
    "base_url",
    "auth",
    "timeout",
    "deadline",
    "max_retries",
    "retry_timeouts",
    "preset",
    "flavor",
    "filters",
    "verify_location",
    "routing_fallbacks",
    "budget",
    "default_headers",
    "extra_body",
    "verify",
    "allow_insecure_http",
    "max_connections",
    "max_rate_limit_wait",
    "async_transport",
)
"""The fields passed to the core clients, under the same names."""

ROUTING = ("preset", "flavor", "filters")

_CLIENT_ONLY = frozenset(
    {
        "api_key",
        "base_url",
        "auth",
        "budget",
        "default_headers",
        "verify",
        "allow_insecure_http",
        "max_connections",
        "max_rate_limit_wait",
        "async_transport",
        "http_client",
        "async_http_client",
        "embedding_cache_size",
        "embedding_cache_ttl",
    }
)
"""The fields that a call cannot change, because the client is created from them."""

_KINDS = {"embedding": "embeddings", "reranker": "rerank"}
"""Other names for these kinds, seen in model lists."""


class MeliousSettings(Copies):
    """The settings that all classes share. An unknown argument is an error that suggests the closest name.

    The core clients are created on first use and again after a field changes.
    Models with the same base URL share connections.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=()
    )

    _kind: ClassVar[str]

    model: str = Field(min_length=1)
    """The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`."""

    if TYPE_CHECKING:  # what is accepted; it is stored as a secret
        api_key: str | SecretStr | None = None
    else:
        api_key: SecretStr | None = Field(default_factory=secret_from_env(KEY_VARIABLE, default=None))
    """The key; by default the environment variable `MELIOUS_API_KEY`."""

    base_url: str | None = Field(default_factory=from_env(URL_VARIABLE, default=None))
    """The URL of the service, in any spelling; by default `MELIOUS_BASE_URL`, then the public service."""

    if TYPE_CHECKING:  # what is accepted; the core checks it
        preset: Preset | None = None
        flavor: Flavor | None = None
        filters: FiltersArgument | None = None
    else:
        preset: str | None = None
        """What routing favours: `balanced`, `speed`, `price`, `quality`, `environment`, or another
        preset. Without effect if the model has a flavor."""

        flavor: str | None = None
        """The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`."""

        filters: dict[str, Any] | None = None
        """Which providers may serve: `{"countries": ["DE", "FR"], "max_carbon_intensity": 200}`. Countries
        are ISO 3166 alpha-2 codes."""

    verify_location: Literal["off", "warn", "raise"] = "off"
    """Check the country of each answer against `filters["countries"]`, which is then required; `warn` or
    `raise` if it is another one or not reported."""

    if TYPE_CHECKING:  # pydantic would import these types
        routing_fallbacks: Sequence[FallbackStep] | None = None
        budget: ImpactBudget | None = None
    else:
        routing_fallbacks: Any = None
        """Filters to drop one by one while no provider matches: names, or filters with looser values."""

        budget: Any = Field(default=None, exclude=True)
        """A limit on money, carbon, energy, water or requests. Copies share it; dumps leave it out."""

    timeout: SkipValidation[TimeoutArgument] = None
    """Seconds for each wait of an attempt, a `melious.Timeout`, an `httpx.Timeout` or `(connect, read)`; by
    default that of the endpoint."""

    deadline: float | None = 600.0
    """Seconds for a whole call, including retries; None for no limit."""

    max_retries: int = Field(default=2, ge=0)
    """Further attempts after transient errors; 0 for none."""

    retry_timeouts: bool | None = None
    """Retry requests that timed out after they were sent, which may be billed twice; by default True for
    embeddings and rerank, False for chat."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers for every request. Dumps leave them out, since they may hold secrets."""

    extra_body: Mapping[str, Any] | None = None
    """Fields for every body, sent unchanged."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """An `httpx.Client` or compatible for the sync methods; used unchanged and never closed."""

    async_http_client: Any = Field(default=None, exclude=True, repr=False)
    """The same for the async methods."""

    auth: Literal["bearer", "x-api-key"] = "bearer"
    """How the key is sent."""

    verify: Any = True
    """True, a path to CA certificates, an `ssl.SSLContext`, or False."""

    allow_insecure_http: bool = False
    """Allow sending the key unencrypted to another machine."""

    max_connections: int = 256
    """The most connections, and so concurrent requests."""

    max_rate_limit_wait: float = 60.0
    """The most seconds that a request waits for its endpoint's rate limit; 0 never waits."""

    async_transport: Literal["httpx", "aiohttp"] = "httpx"
    """`aiohttp` uses aiohttp for the async methods (extra `aiohttp`)."""

    if not TYPE_CHECKING:  # for type checkers, the fields are the signature

        def __init__(self, **arguments: Any) -> None:
            hide_key(arguments)
            with langchain_errors:
                fields = type(self).model_fields
                names = {*fields, *(field.alias for field in fields.values() if field.alias)}
                reject_unknown(arguments, names, type(self).__name__)
                if "timeout" in arguments:
                    arguments["timeout"] = _timeout_of(arguments["timeout"])
                if "filters" in arguments:
                    arguments["filters"] = filters_to_wire(arguments["filters"])
                try:
                    super().__init__(**arguments)
                except ValidationError as error:
                    raise invalid_arguments(type(self).__name__, error) from error
                flavored(self.model, self.flavor)
                ClientConfig.resolve(**self._options())
                checked_http_client(self.http_client, "blocking")
                checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    def model_post_init(self, context: Any, /) -> None:
        """Call the hook of the LangChain class behind this one."""
        super().model_post_init(context)

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The key; dumps hold the name of its environment variable instead."""
        return {"api_key": KEY_VARIABLE}

    @field_validator("routing_fallbacks")
    @classmethod
    def _plain_steps(cls, steps: Any) -> Any:
        return [plain(step) for step in steps] if isinstance(steps, list | tuple) else steps

    # --- clients -------------------------------------------------------------------------------------

    def _more_options(self) -> dict[str, Any]:
        """Client options that only some classes have."""
        return {}

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OPTIONS} | self._more_options()

    def _sync_client(self) -> MeliousClient:
        options = self._options() | {"http_client": self.http_client}
        made = self._clients.get("sync")
        if made is None or made[0] != options:
            from melious.clients._sync.client import MeliousClient  # noqa: PLC0415 - only needed by calls

            made = self._clients["sync"] = options, MeliousClient(**options)
        client: MeliousClient = made[1]
        return client

    def _async_client(self) -> AsyncMeliousClient:
        options = self._options() | {"http_client": self.async_http_client}
        made = self._clients.get("async")
        if made is None or made[0] != options:
            from melious.clients._async.client import AsyncMeliousClient  # noqa: PLC0415

            made = self._clients["async"] = options, AsyncMeliousClient(**options)
        client: AsyncMeliousClient = made[1]
        return client

    def _routing(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The routing that a call requests, to be reported with its answer: a flavor, else a preset."""
        sent = {
            "model": flavored(call["model"], self._given("flavor", call)),
            "preset": self._given("preset", call),
            "filters": filters_to_wire(self._given("filters", call)),
        }
        for extra in (self.extra_body, call.get("extra_body")):
            if not isinstance(extra, Mapping | None):
                raise InvalidArgumentError(f"extra_body: must be a mapping, not {extra!r}")
            sent.update(extra or {})
        return routing_summary(sent)

    def _given(self, name: str, options: Mapping[str, Any]) -> Any:
        """The value given for a call, else that of this object."""
        return getattr(self, name) if options.get(name) is None else options[name]

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """Make a copy that drops filters one step at a time while no provider matches.

        `response_metadata["routing"]["relaxed"]`, the ledgers and the log name the dropped filters.

        Args:
            *steps: In order: the name of a filter to drop, or filters with other values,
                such as `{"max_carbon_intensity": 400}`; None drops all.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is invalid; its position is named.

        Example:
            >>> from langchain_melious import ChatMelious
            >>> strict = ChatMelious(model="glm-4.7", api_key="sk-mel-...", filters={"countries": ["FR"]})
            >>> strict.with_routing_fallbacks({"countries": ["FR", "DE"]}, "countries").routing_fallbacks
            ({'countries': ['FR', 'DE']}, 'countries')
        """
        from melious.routing.fallbacks import checked_steps  # noqa: PLC0415 - needed by this call only

        with langchain_errors:
            checked = checked_steps(steps)
        return self.model_copy(update={"routing_fallbacks": checked})

    def available_models(self, **options: Any) -> list[str]:
        """List the models of this kind that the key may use.

        Args:
            **options: For this call: `timeout`, `max_retries` and the like.

        Returns:
            Their ids, for `model`, sorted.

        Raises:
            MeliousError: The request failed.
        """
        with langchain_errors:
            return self._of_this_kind(self._sync_client().models.list(include_meta=True, **options))

    async def aavailable_models(self, **options: Any) -> list[str]:
        """List the models of this kind that the key may use. See `available_models`."""
        with langchain_errors:
            return self._of_this_kind(await self._async_client().models.list(include_meta=True, **options))

    def _of_this_kind(self, listed: ModelList) -> list[str]:
        """The ids; models whose kind neither the service nor the catalogue knows are left out."""
        from melious.catalogue import find  # noqa: PLC0415 - needed by this call only

        def kind_of(model: Model) -> str | None:
            known = find(model.id)
            kind = (model.card or {}).get("type") or (known.type if known else None)
            return _KINDS.get(kind, kind) if isinstance(kind, str) else None

        return sorted(model.id for model in listed.data if kind_of(model) == self._kind)

    def close(self) -> None:
        """Close the connections of the sync methods; a later call opens new ones."""
        made = self._clients.get("sync")
        if made is not None:
            made[1].close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        made = self._clients.get("async")
        if made is not None:
            await made[1].aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def refuse_fixed(options: Iterable[str]) -> None:
    """Reject call arguments that only the constructor takes.

    Raises:
        InvalidArgumentError: There is one; the error names it.
    """
    for name in options:
        if name in _CLIENT_ONLY:
            raise InvalidArgumentError(
                f"{name}: cannot be set per call; make a copy of the model with "
                f"model_copy(update={{{name!r}: ...}})"
            )


def _timeout_of(given: Any) -> TimeoutArgument:
    """A timeout given in any form, including that of a dump."""
    return Timeout(**given) if isinstance(given, dict) else read_timeout(given)


def plain(value: Any) -> Any:
    """A setting as plain data, for traces and dumps."""
    if isinstance(value, ProviderFilters):
        return value.to_wire()
    if isinstance(value, Timeout):
        return {name: getattr(value, name) for name in Timeout.__slots__}
    return value
