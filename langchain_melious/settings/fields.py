"""The constructor arguments that every class here shares, and the core clients made from them."""

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
from melious.routing.filters import ProviderFilters, filters_to_wire, flavored, routing_told
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
"""The fields that become options of the core clients, under the same names."""

ROUTING = ("preset", "flavor", "filters")

_OF_THE_CLIENT = frozenset(
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
"""The fields that no call can change, since the client is made from them."""

_KINDS = {"embedding": "embeddings", "reranker": "rerank"}
"""Other words that lists of models have been seen to use."""


class MeliousSettings(Copies):
    """What every class here takes. Arguments that are not known are refused, with the nearest known one.

    The core clients behind a model are made when they are first needed and
    made anew when a field changes; connections are shared by all models that
    lead to the same place.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=()
    )

    _kind: ClassVar[str]

    model: str = Field(min_length=1)
    """The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`."""

    if TYPE_CHECKING:  # what may be given; it is kept as a secret
        api_key: str | SecretStr | None = None
    else:
        api_key: SecretStr | None = Field(default_factory=secret_from_env(KEY_VARIABLE, default=None))
    """The key; by default the environment variable `MELIOUS_API_KEY`."""

    base_url: str | None = Field(default_factory=from_env(URL_VARIABLE, default=None))
    """Where the service is, in any spelling; by default `MELIOUS_BASE_URL`, then the public service."""

    if TYPE_CHECKING:  # what may be given; the core checks it, in its own words
        preset: Preset | None = None
        flavor: Flavor | None = None
        filters: FiltersArgument | None = None
    else:
        preset: str | None = None
        """What routing should favour: `balanced`, `speed`, `price`, `quality`, `environment`, or another
        word. It does nothing where the model has a flavor."""

        flavor: str | None = None
        """The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`."""

        filters: dict[str, Any] | None = None
        """Which providers may serve: `{"countries": ["DE", "FR"], "max_carbon_intensity": 200}`. Countries
        are ISO 3166 alpha-2 codes."""

    verify_location: Literal["off", "warn", "raise"] = "off"
    """Hold where an answer came from against `filters["countries"]`, which must be given; `warn` or `raise`
    where it is another country, or not reported."""

    if TYPE_CHECKING:  # naming these types for pydantic would import them
        routing_fallbacks: Sequence[FallbackStep] | None = None
        budget: ImpactBudget | None = None
    else:
        routing_fallbacks: Any = None
        """Filters to give up step by step where no provider fits: names, or filters with milder values."""

        budget: Any = Field(default=None, exclude=True)
        """What may be spent: money, carbon, energy, water, requests; copies share it, dumps go without."""

    timeout: SkipValidation[TimeoutArgument] = None
    """Seconds for each wait of an attempt, a `melious.Timeout`, an `httpx.Timeout` or `(connect, read)`; by
    default what suits the endpoint."""

    deadline: float | None = 600.0
    """Seconds for a whole call, waits and retries included; None for no limit."""

    max_retries: int = Field(default=2, ge=0)
    """Further attempts after the first, for passing troubles; 0 for none."""

    retry_timeouts: bool | None = None
    """Send again what timed out after it was sent, though it may be billed twice; None for what suits the
    endpoint: embeddings and rerank yes, chat no."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers of every request. Not part of a dump: they may hold secrets."""

    extra_body: Mapping[str, Any] | None = None
    """Fields of every body, sent as they are."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """A client with httpx's interface for the sync methods; used as it is and never closed."""

    async_http_client: Any = Field(default=None, exclude=True, repr=False)
    """The same for the async methods."""

    auth: Literal["bearer", "x-api-key"] = "bearer"
    """How the key is sent."""

    verify: Any = True
    """True, a path to CA certificates, an `ssl.SSLContext`, or False."""

    allow_insecure_http: bool = False
    """Let the key go in clear to a host that is not this machine."""

    max_connections: int = 256
    """The most connections, and so requests, at a time."""

    max_rate_limit_wait: float = 60.0
    """Seconds that a request may be held back because of its endpoint's rate limit; 0 sends regardless."""

    async_transport: Literal["httpx", "aiohttp"] = "httpx"
    """`aiohttp` runs the async methods on aiohttp's connections (extra `aiohttp`)."""

    if not TYPE_CHECKING:  # for a checker, the fields above are the signature

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
                    raise InvalidArgumentError(f"{type(self).__name__}: {_wrong(error)}") from error
                flavored(self.model, self.flavor)
                ClientConfig.resolve(**self._options())
                checked_http_client(self.http_client, "blocking")
                checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    def model_post_init(self, context: Any, /) -> None:
        """Pass on to the framework's own hook, which stands behind this class."""
        super().model_post_init(context)

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The key, which a dump names by its environment variable."""
        return {"api_key": KEY_VARIABLE}

    @field_validator("routing_fallbacks")
    @classmethod
    def _plain_steps(cls, steps: Any) -> Any:
        return [plain(step) for step in steps] if isinstance(steps, list | tuple) else steps

    # --- clients -------------------------------------------------------------------------------------

    def _more_options(self) -> dict[str, Any]:
        """Options of the core clients that only one kind of class has."""
        return {}

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OPTIONS} | self._more_options()

    def _sync_client(self) -> MeliousClient:
        options = self._options() | {"http_client": self.http_client}
        held = self._held.get("sync")
        if held is None or held[0] != options:
            from melious.clients._sync.client import MeliousClient  # noqa: PLC0415 - needed by the first call

            held = self._held["sync"] = options, MeliousClient(**options)
        client: MeliousClient = held[1]
        return client

    def _async_client(self) -> AsyncMeliousClient:
        options = self._options() | {"http_client": self.async_http_client}
        held = self._held.get("async")
        if held is None or held[0] != options:
            from melious.clients._async.client import AsyncMeliousClient  # noqa: PLC0415

            held = self._held["async"] = options, AsyncMeliousClient(**options)
        client: AsyncMeliousClient = held[1]
        return client

    def _routing(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """What a call asks of the routing, to be told with its answer: a flavor, or else a preset."""
        sent = {
            "model": flavored(call["model"], self._given("flavor", call)),
            "preset": self._given("preset", call),
            "filters": filters_to_wire(self._given("filters", call)),
        }
        for extra in (self.extra_body, call.get("extra_body")):
            if not isinstance(extra, Mapping | None):
                raise InvalidArgumentError(f"extra_body: must be a mapping, not {extra!r}")
            sent.update(extra or {})
        return routing_told(sent)

    def _given(self, name: str, options: Mapping[str, Any]) -> Any:
        """What a call says, else what this object says."""
        return getattr(self, name) if options.get(name) is None else options[name]

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """A copy that gives filters up where no provider fits, one step at a time, and says so.

        What was given up for an answer is in `response_metadata["routing"]["relaxed"]`, in the
        ledgers and in the log.

        Args:
            *steps: In their order: the name of a filter to drop, or filters with other values,
                such as `{"max_carbon_intensity": 400}`; None drops all.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is wrong; its position is named.

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
        """Ask the service which models of this kind the key may use.

        Args:
            **options: For this call: `timeout`, `max_retries` and the like.

        Returns:
            Their ids, to be passed as `model`, in the order of the alphabet.

        Raises:
            MeliousError: The request failed.
        """
        with langchain_errors:
            return self._of_this_kind(self._sync_client().models.list(include_meta=True, **options))

    async def aavailable_models(self, **options: Any) -> list[str]:
        """Ask the service which models of this kind the key may use. See `available_models`."""
        with langchain_errors:
            return self._of_this_kind(await self._async_client().models.list(include_meta=True, **options))

    def _of_this_kind(self, listed: ModelList) -> list[str]:
        """A model of which neither the service nor the catalogue knows the kind is left out."""
        from melious.catalogue import find  # noqa: PLC0415 - needed by this call only

        def kind_of(model: Model) -> str | None:
            known = find(model.id)
            kind = (model.card or {}).get("type") or (known.type if known else None)
            return _KINDS.get(kind, kind) if isinstance(kind, str) else None

        return sorted(model.id for model in listed.data if kind_of(model) == self._kind)

    def close(self) -> None:
        """Let go of the connections of the sync methods; a later call takes new ones."""
        self._sync_client().close()

    async def aclose(self) -> None:
        """Let go of the running loop's connections; a later call takes new ones."""
        await self._async_client().aclose()

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
    """Refuse arguments of a call that belong to the model.

    Raises:
        InvalidArgumentError: One of them does; it is named.
    """
    for name in options:
        if name in _OF_THE_CLIENT:
            raise InvalidArgumentError(
                f"{name}: belongs to the model and not to a call; take a copy of the model, by "
                f"model_copy(update={{{name!r}: ...}})"
            )


def _wrong(error: ValidationError) -> str:
    """Which arguments are wrong, and how; not what they were, since that may be a key."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)


def _timeout_of(given: Any) -> TimeoutArgument:
    """A timeout in any of its forms, that of a dump included."""
    return Timeout(**given) if isinstance(given, dict) else read_timeout(given)


def plain(value: Any) -> Any:
    """A setting as plain data, for traces and dumps."""
    if isinstance(value, ProviderFilters):
        return value.to_wire()
    if isinstance(value, Timeout):
        return {name: getattr(value, name) for name in Timeout.__slots__}
    return value
