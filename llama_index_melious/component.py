"""What every class for LlamaIndex shares: its settings, and the clients made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_validator
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseComponent
from pydantic import SecretStr, ValidationError

from melious.clients.base import checked_http_client
from melious.errors import InvalidArgumentError
from melious.errors.arguments import invalid_arguments
from melious.routing.filters import filters_to_wire, flavored, routing_summary
from melious.settings.config import (
    ClientConfig,
    Timeout,
    TimeoutArgument,
    read_timeout,
    reject_unknown,
    resolve_base_url,
    resolve_key,
)
from melious.settings.keys import hide_key

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient
    from melious.routing.fallbacks import FallbackStep
    from melious.routing.filters import FiltersArgument, Flavor, Preset

_PER_CALL = (
    "preset",
    "flavor",
    "filters",
    "verify_location",
    "routing_fallbacks",
    "timeout",
    "max_retries",
    "retry_timeouts",
)
_INJECTED = ("http_client", "async_http_client")
_NUMBERS = (int, float, int | None, float | None)


class _Clients:
    """The clients of a component and its shallow copies, each with the settings it was made from."""

    blocking: tuple[tuple[Any, ...], MeliousClient] | None = None
    asyncio: tuple[tuple[Any, ...], AsyncMeliousClient] | None = None


class MeliousComponent(BaseComponent):
    """The arguments that every class takes.

    The key and the headers never appear in `to_dict`, `repr` or events; pickles
    and copies keep them. Copies share injected HTTP clients, pickles drop them.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=("pydantic_model_",), hide_input_in_errors=True
    )

    argument_aliases: ClassVar[Mapping[str, str]] = {"api_base": "base_url"}
    """LlamaIndex's names for arguments, and the fields that hold them."""

    if TYPE_CHECKING:  # the constructor accepts more names and types than the fields hold
        api_key: str | SecretStr | None = None
        api_base: str | None = None
        timeout: TimeoutArgument = None
        preset: Preset | None = None
        flavor: Flavor | None = None
        filters: FiltersArgument | None = None
    else:
        api_key: SecretStr | None = Field(
            default=None, exclude=True, repr=False, description="The API key; default: `MELIOUS_API_KEY`."
        )
        timeout: float | Timeout | None = Field(
            default=None,
            description="Seconds for each wait of an attempt, a `Timeout`, an `httpx.Timeout` or "
            "`(connect, read)`; the default depends on the endpoint.",
        )
        preset: str | None = Field(
            default=None,
            description="What routing should favour, e.g. `environment`; ignored if there is a flavor.",
        )
        flavor: str | None = Field(
            default=None, description="The suffix of the model's name: balanced, speed, price, eco or batch."
        )
        filters: dict[str, Any] | None = Field(
            default=None,
            description="Which providers may serve: `countries` (ISO 3166 alpha-2 codes), "
            "`max_carbon_intensity`, ...",
        )

        @property
        def api_base(self) -> str | None:
            """The same as `base_url`."""
            return self.base_url

        @api_base.setter
        def api_base(self, url: str | None) -> None:
            self.base_url = url

    base_url: str | None = Field(
        default=None,
        description="The service's URL, also called `api_base`; default: `MELIOUS_BASE_URL`, then "
        "`https://api.melious.ai/v1`.",
    )
    auth: Literal["bearer", "x-api-key"] = Field(
        default="bearer", description="The header that carries the key."
    )
    verify_location: Literal["off", "warn", "raise"] = Field(
        default="off",
        description="Check that each answer came from one of `filters['countries']`, which must be given: "
        "`warn` or `raise` if it came from elsewhere, or if its location is not reported.",
    )
    routing_fallbacks: Any = Field(
        default=None,
        description="How to relax the filters, step by step, when no provider matches: names of filters to "
        "drop, or filters with looser values.",
    )
    budget: Any = Field(
        default=None,
        exclude=True,
        description="A `melious.ImpactBudget` that limits spending; copies share it.",
    )
    deadline: float | None = Field(
        default=600.0, description="Seconds for a whole call with its waits and retries; None for no limit."
    )
    max_retries: int = Field(default=2, description="Attempts after the first.")
    retry_timeouts: bool | None = Field(
        default=None,
        description="Whether to retry a request that timed out after it was sent; the default depends on the "
        "endpoint.",
    )
    default_headers: dict[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Headers of every request."
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Fields added to every request body unchanged; they win over all others."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further parameters of every request; parameters of a call replace them.",
    )
    allow_insecure_http: bool = Field(
        default=False, description="Allow sending the key unencrypted to another machine."
    )
    async_transport: Literal["httpx", "aiohttp"] = Field(
        default="httpx", description="`aiohttp` runs async calls on aiohttp's connections (extra `aiohttp`)."
    )
    http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="An HTTP client with httpx's interface for blocking calls; never closed.",
    )
    async_http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="An HTTP client with httpx's interface for async calls; never closed.",
    )

    _clients: _Clients = PrivateAttr(default_factory=_Clients)

    @field_validator("filters", mode="before")
    @classmethod
    def _plain_filters(cls, filters: Any) -> dict[str, Any] | None:
        return filters_to_wire(filters)

    def __init__(self, **arguments: Any) -> None:
        hide_key(arguments)
        kind = type(self)
        given = kind.canonical_arguments(arguments)
        reject_unknown(given, {*kind.model_fields, *kind.argument_aliases}, kind.__name__)
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise invalid_arguments(kind.__name__, error) from error
        self._check()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a value of the wrong type is an `InvalidArgumentError`."""
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise invalid_arguments(type(self).__name__, error) from error

    @classmethod
    def canonical_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments under the names of their fields, filters and timeout in their one form.

        Raises:
            InvalidArgumentError: The two names of an argument have different values, a number is a bool,
                or the timeout or a filter is wrong.
        """
        given = {name: value for name, value in arguments.items() if name != "class_name"}
        for name, value in given.items():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation in _NUMBERS:
                raise InvalidArgumentError(
                    f"{cls.__name__}: {name}: must be a number, not {value}", param=name
                )
        for alias, name in cls.argument_aliases.items():
            if alias in given:
                value = given.pop(alias)
                if given.get(name) not in (None, value):
                    raise InvalidArgumentError(
                        f"{cls.__name__}: {alias!r} and {name!r} contradict each other; give only one",
                        param=alias,
                    )
                given[name] = value
        timeout = given.get("timeout")
        if timeout is not None and not isinstance(timeout, Mapping):  # a mapping is a serialised `Timeout`
            given["timeout"] = read_timeout(timeout)
        if "filters" in given:
            given["filters"] = filters_to_wire(given["filters"])
        return given

    def _check(self) -> None:
        """Find the key and the URL, and have the core check the settings.

        Raises:
            ConfigurationError: There is no key, or the base URL cannot be used.
            InvalidArgumentError: Another argument is wrong.
        """
        self.api_key = SecretStr(resolve_key(self.api_key))
        self.base_url = resolve_base_url(self.base_url, allow_insecure_http=self.allow_insecure_http)
        ClientConfig.resolve(**self._client_settings(), **self._parameters(frozenset(_PER_CALL), {}, {}))
        if "extra_headers" in self.additional_kwargs:  # `to_dict` would show them
            raise InvalidArgumentError(
                "additional_kwargs: must not contain extra_headers; use default_headers",
                param="additional_kwargs",
            )
        manager = getattr(self, "callback_manager", None)
        if manager is not None and not isinstance(manager, CallbackManager):
            raise InvalidArgumentError(
                f"callback_manager: must be a CallbackManager, not {type(manager).__name__}",
                param="callback_manager",
            )
        model = getattr(self, "model", None)
        if not isinstance(model, str) or not model.strip():
            raise InvalidArgumentError(f"model: must be the name of a model, not {model!r}", param="model")
        flavored(model, self.flavor)
        checked_http_client(self.http_client, "blocking")
        checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    def _client_settings(self) -> dict[str, Any]:
        """The settings that a client is made from; the others are sent with each call."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "auth": self.auth,
            "default_headers": dict(self.default_headers or {}),
            "allow_insecure_http": self.allow_insecure_http,
            "async_transport": self.async_transport,
            "budget": self.budget,
        }

    def _client_identity(self) -> tuple[Any, ...]:
        """Changes whenever the clients must be made anew."""
        return (*self._client_settings().values(), self.http_client, self.async_http_client)

    def with_options(self, **changes: Any) -> Self:
        """A copy with other settings, on the same connections.

        Args:
            **changes: Any of the constructor's arguments, checked as there.

        Raises:
            InvalidArgumentError: An argument is wrong or unknown.
        """
        hide_key(changes)
        kind = type(self)
        given = kind.canonical_arguments(changes)
        reject_unknown(given, {*kind.model_fields, *kind.argument_aliases}, kind.__name__)
        copy = self.model_copy()
        try:
            for name, value in given.items():
                kind.__pydantic_validator__.validate_assignment(copy, name, value)
        except ValidationError as error:
            raise invalid_arguments(kind.__name__, error) from error
        copy._check()  # noqa: SLF001 - its own class
        if copy._client_identity() != self._client_identity():  # noqa: SLF001
            copy._clients = _Clients()  # noqa: SLF001
        return copy

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """A copy that relaxes its filters one step at a time when no provider matches, and records it.

        Args:
            *steps: In order: the name of a filter to drop, or filters with looser values, such as
                `{"max_carbon_intensity": 400}`; None drops all filters.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is wrong; the error names its position.
        """
        return self.with_options(routing_fallbacks=list(steps))

    def _client(self) -> MeliousClient:
        """The client for blocking calls, made when first needed and after a setting changed."""
        identity, made = self._client_identity(), self._clients.blocking
        if made is None or made[0] != identity:
            from melious.clients._sync.client import MeliousClient  # noqa: PLC0415 - needed by the first call

            client = MeliousClient(http_client=self.http_client, **self._client_settings())
            made = self._clients.blocking = identity, client
        return made[1]

    def _aclient(self) -> AsyncMeliousClient:
        """The client for async calls; one serves every event loop."""
        identity, made = self._client_identity(), self._clients.asyncio
        if made is None or made[0] != identity:
            from melious.clients._async.client import AsyncMeliousClient  # noqa: PLC0415 - as above

            client = AsyncMeliousClient(http_client=self.async_http_client, **self._client_settings())
            made = self._clients.asyncio = identity, client
        return made[1]

    def _parameters(
        self, known: frozenset[str], own: Mapping[str, Any], call: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parameters of one call.

        Args:
            known: The endpoint's parameters; other `additional_kwargs` go into the body.
            own: What the class sets; None is not sent.
            call: What the caller gave for this call; it wins.
        """
        parameters = {name: getattr(self, name) for name in _PER_CALL}
        parameters["deadline"] = self.deadline
        parameters.update(own)
        further = call.get("extra_body") or {}
        always = self.additional_kwargs.get("extra_body") or {}
        for extra in (always, further):
            if not isinstance(extra, Mapping):
                raise InvalidArgumentError(
                    f"extra_body: must be a mapping, not {extra!r}", param="extra_body"
                )
        body: dict[str, Any] = {}
        for name, value in self.additional_kwargs.items():
            if name != "extra_body":
                (parameters if name in known else body)[name] = value
        body.update(always)
        parameters.update(
            (name, value)
            for name, value in call.items()
            # None means the default, except for the deadline. The core refuses unknown names.
            if value is not None or name == "deadline" or name not in known
        )
        body.update(self.extra_body or {})
        body.update(further)
        parameters["extra_body"] = body
        return parameters

    def _routing(self) -> dict[str, Any]:
        """The routing to show in events: a flavor, or else a preset, and the filters."""
        sent = {
            "model": flavored(getattr(self, "model", None) or "", self.flavor),
            "preset": self.preset,
            "filters": filters_to_wire(self.filters),
        }
        return routing_summary(sent | (self.extra_body or {}))

    def __getstate__(self) -> dict[str, Any]:
        bare = self.model_copy(update=dict.fromkeys(_INJECTED))
        bare._clients = _Clients()  # noqa: SLF001 - its own class
        return BaseComponent.__getstate__(bare)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        for name in _INJECTED:
            client = getattr(self, name)
            memo[id(client)] = client
        memo[id(self._clients)] = _Clients()
        return super().__deepcopy__(memo)
