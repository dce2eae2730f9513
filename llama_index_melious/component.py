"""What the classes for LlamaIndex have in common: their settings, and the client they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_validator
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseComponent
from pydantic import SecretStr, ValidationError

import melious
from melious.clients.base import checked_http_client
from melious.errors import InvalidArgumentError
from melious.routing.filters import filters_to_wire, flavored, routing_told
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
    """The clients of a component and of its shallow copies, each with the settings that it was made of."""

    blocking: tuple[tuple[Any, ...], Any] | None = None
    asyncio: tuple[tuple[Any, ...], Any] | None = None


class MeliousComponent(BaseComponent):
    """The arguments that every class takes.

    The key and the headers stay out of `to_dict`, `repr` and every event; a
    pickle and a copy hold them. Clients of HTTP that were passed in are shared by
    copies and left out of pickles.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=("pydantic_model_",), hide_input_in_errors=True
    )

    other_words: ClassVar[Mapping[str, str]] = {"api_base": "base_url"}
    """Other words for arguments, as users of LlamaIndex write them."""

    if TYPE_CHECKING:  # what may be given, in other words and other types than those of the fields
        api_key: str | SecretStr | None = None
        api_base: str | None = None
        timeout: TimeoutArgument = None
        preset: Preset | None = None
        flavor: Flavor | None = None
        filters: FiltersArgument | None = None
    else:
        api_key: SecretStr | None = Field(
            default=None, exclude=True, repr=False, description="The key; by default `MELIOUS_API_KEY`."
        )
        timeout: float | Timeout | None = Field(
            default=None,
            description="Seconds for each wait of an attempt, a `Timeout`, an `httpx.Timeout` or "
            "`(connect, read)`; the default suits the endpoint.",
        )
        preset: str | None = Field(
            default=None,
            description="What routing should favour, e.g. `environment`. It does nothing beside a flavor.",
        )
        flavor: str | None = Field(
            default=None, description="The suffix of the model: balanced, speed, price, eco or batch."
        )
        filters: dict[str, Any] | None = Field(
            default=None,
            description="Which providers may serve: `countries` (ISO 3166 alpha-2 codes), "
            "`max_carbon_intensity`, ...",
        )

        @property
        def api_base(self) -> str | None:
            """Where requests go: another word for `base_url`."""
            return self.base_url

        @api_base.setter
        def api_base(self, url: str | None) -> None:
            self.base_url = url

    base_url: str | None = Field(
        default=None,
        description="Where the service is, in any spelling; by default `MELIOUS_BASE_URL`, then "
        "`https://api.melious.ai/v1`. `api_base` is another word for it.",
    )
    auth: Literal["bearer", "x-api-key"] = Field(
        default="bearer", description="The header that carries the key."
    )
    verify_location: Literal["off", "warn", "raise"] = Field(
        default="off",
        description="Hold where an answer came from against `filters['countries']`, which must be given: "
        "`warn` or `raise` where it is another country, or not reported.",
    )
    routing_fallbacks: Any = Field(
        default=None,
        description="Filters to give up step by step where no provider fits: names, or filters with milder "
        "values.",
    )
    budget: Any = Field(
        default=None,
        exclude=True,
        description="A `melious.ImpactBudget`, the limit of what may be spent; copies share it.",
    )
    deadline: float | None = Field(
        default=600.0, description="Seconds for a whole call, waits and retries included; None for no limit."
    )
    max_retries: int = Field(default=2, description="Further attempts after the first.")
    retry_timeouts: bool | None = Field(
        default=None,
        description="Whether what timed out after it was sent is sent again; the default suits the endpoint.",
    )
    default_headers: dict[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Headers of every request."
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Fields of every body, as they are, over everything else."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further parameters of every request; those of a call replace them."
    )
    allow_insecure_http: bool = Field(
        default=False, description="Let the key go in clear to a host that is not this machine."
    )
    async_transport: Literal["httpx", "aiohttp"] = Field(
        default="httpx", description="`aiohttp` runs async calls on aiohttp's connections (extra `aiohttp`)."
    )
    http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A client with httpx's interface for blocking calls, used as it is and never closed.",
    )
    async_http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A client with httpx's interface for async calls, used as it is and never closed.",
    )

    _clients: _Clients = PrivateAttr(default_factory=_Clients)

    @field_validator("filters", mode="before")
    @classmethod
    def _plain_filters(cls, filters: Any) -> dict[str, Any] | None:
        return filters_to_wire(filters)

    def __init__(self, **arguments: Any) -> None:
        hide_key(arguments)
        kind = type(self)
        given = kind.in_own_words(arguments)
        reject_unknown(given, {*kind.model_fields, *kind.other_words}, kind.__name__)
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise InvalidArgumentError(f"{kind.__name__}: {_wrong(error)}") from error
        self._check()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; what the base class finds wrong with the value is an `InvalidArgumentError`."""
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise InvalidArgumentError(f"{type(self).__name__}: {_wrong(error)}") from error

    @classmethod
    def in_own_words(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments under the names of the fields.

        Raises:
            InvalidArgumentError: An argument is given under both its names, differently, or the timeout
                or the filters are wrong.
        """
        given = {name: value for name, value in arguments.items() if name != "class_name"}
        for name, value in given.items():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation in _NUMBERS:
                raise InvalidArgumentError(f"{cls.__name__}: {name}: needs a number, not {value}")
        for word, name in cls.other_words.items():
            if word in given:
                value = given.pop(word)
                if given.get(name) not in (None, value):
                    raise InvalidArgumentError(
                        f"{cls.__name__}: {word!r} and {name!r} say different things; give one"
                    )
                given[name] = value
        timeout = given.get("timeout")
        if timeout is not None and not isinstance(timeout, Mapping):  # which is a `Timeout`, serialised
            given["timeout"] = read_timeout(timeout)
        if "filters" in given:
            given["filters"] = filters_to_wire(given["filters"])
        return given

    def _check(self) -> None:
        """Find the key and the URL, and let the core check what it will be given.

        Raises:
            ConfigurationError: There is no key, or the base URL cannot be used.
            InvalidArgumentError: Another argument is wrong.
        """
        self.api_key = SecretStr(resolve_key(self.api_key))
        self.base_url = resolve_base_url(self.base_url, allow_insecure_http=self.allow_insecure_http)
        ClientConfig.resolve(**self._connection(), **self._parameters(frozenset(_PER_CALL), {}, {}))
        if "extra_headers" in self.additional_kwargs:  # there they would be in `to_dict`
            raise InvalidArgumentError("additional_kwargs: extra_headers are given as default_headers")
        manager = getattr(self, "callback_manager", None)
        if manager is not None and not isinstance(manager, CallbackManager):
            raise InvalidArgumentError(
                f"callback_manager: needs a CallbackManager, not {type(manager).__name__}"
            )
        model = getattr(self, "model", None)
        if not isinstance(model, str) or not model.strip():
            raise InvalidArgumentError(f"model: must be the name of a model, not {model!r}")
        flavored(model, self.flavor)
        checked_http_client(self.http_client, "blocking")
        checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    def _connection(self) -> dict[str, Any]:
        """The settings that a client is made from; all others go along with each call."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "auth": self.auth,
            "default_headers": dict(self.default_headers or {}),
            "allow_insecure_http": self.allow_insecure_http,
            "async_transport": self.async_transport,
            "budget": self.budget,
        }

    def _identity(self) -> tuple[Any, ...]:
        """What a client must have been made of to be this component's."""
        return (*self._connection().values(), self.http_client, self.async_http_client)

    def with_options(self, **changes: Any) -> Self:
        """A copy with other settings, checked as in the constructor, on the same connections.

        Args:
            **changes: Any of the constructor's arguments.

        Raises:
            InvalidArgumentError: An argument is wrong or unknown.
        """
        hide_key(changes)
        kind = type(self)
        given = kind.in_own_words(changes)
        reject_unknown(given, {*kind.model_fields, *kind.other_words}, kind.__name__)
        copy = self.model_copy()
        try:
            for name, value in given.items():
                kind.__pydantic_validator__.validate_assignment(copy, name, value)
        except ValidationError as error:
            raise InvalidArgumentError(f"{kind.__name__}: {_wrong(error)}") from error
        copy._check()  # noqa: SLF001 - its own class
        if copy._identity() != self._identity():  # noqa: SLF001
            copy._clients = _Clients()  # noqa: SLF001
        return copy

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """A copy that gives filters up where no provider fits, one step at a time, and says so.

        Args:
            *steps: In their order: the name of a filter to drop, or filters with other values,
                such as `{"max_carbon_intensity": 400}`; None drops all.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is wrong; its position is named.
        """
        return self.with_options(routing_fallbacks=list(steps))

    def _client(self) -> melious.MeliousClient:
        """The client for blocking calls: made when first needed, and again when a setting has changed."""
        identity, made = self._identity(), self._clients.blocking
        if made is None or made[0] != identity:
            client = melious.MeliousClient(http_client=self.http_client, **self._connection())
            made = self._clients.blocking = identity, client
        return cast("melious.MeliousClient", made[1])

    def _aclient(self) -> melious.AsyncMeliousClient:
        """The client for async calls; one serves every event loop."""
        identity, made = self._identity(), self._clients.asyncio
        if made is None or made[0] != identity:
            client = melious.AsyncMeliousClient(http_client=self.async_http_client, **self._connection())
            made = self._clients.asyncio = identity, client
        return cast("melious.AsyncMeliousClient", made[1])

    def _parameters(
        self, known: frozenset[str], own: Mapping[str, Any], call: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Everything that goes along with one call.

        Args:
            known: The names of the endpoint's parameters; others of `additional_kwargs` go into the body.
            own: What the class itself sets; None is not sent.
            call: What the caller gave for this call; it wins.
        """
        parameters = {name: getattr(self, name) for name in _PER_CALL}
        parameters["deadline"] = self.deadline
        parameters.update(own)
        further = call.get("extra_body") or {}
        always = self.additional_kwargs.get("extra_body") or {}
        for extra in (always, further):
            if not isinstance(extra, Mapping):
                raise InvalidArgumentError(f"extra_body: needs a dict of fields, not {extra!r}")
        body: dict[str, Any] = {}
        for name, value in self.additional_kwargs.items():
            if name != "extra_body":
                (parameters if name in known else body)[name] = value
        body.update(always)
        parameters.update(
            (name, value)
            for name, value in call.items()
            # None is "as ever", but for the deadline; what is unknown goes on, to be refused by name.
            if value is not None or name == "deadline" or name not in known
        )
        body.update(self.extra_body or {})
        body.update(further)
        parameters["extra_body"] = body
        return parameters

    def _routing(self) -> dict[str, Any]:
        """What routing was asked for, as events show it: a flavor, or else a preset."""
        sent = {
            "model": flavored(getattr(self, "model", None) or "", self.flavor),
            "preset": self.preset,
            "filters": filters_to_wire(self.filters),
        }
        return routing_told(sent | (self.extra_body or {}))

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


def _wrong(error: ValidationError) -> str:
    """Which arguments are wrong, and how; not what they were, since that may be a key."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place, said = f"{'.'.join(map(str, each['loc']))}: ", each["msg"].removeprefix("Value error, ")
        found.append(said if said.startswith(place) else place + said)
    return "; ".join(found)
