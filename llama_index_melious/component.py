"""What every class for LlamaIndex shares: its settings, and the clients made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseComponent
from pydantic import (
    SecretStr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

import llama_index_melious.tags  # noqa: F401 - lets ledgers see LlamaIndex's tags
from llama_index_melious.serialised import ComponentDict, is_part, writing
from melious import forks
from melious.endpoints.chat_params import ChatParams
from melious.errors import InvalidArgumentError
from melious.errors.arguments import invalid_arguments
from melious.errors.checks import check_real
from melious.routing.filters import filters_to_wire, flavored, routing_summary
from melious.settings.checks import checked_http_client
from melious.settings.config import (
    ClientConfig,
    reject_unknown,
    resolve_base_url,
    resolve_key,
)
from melious.settings.field_signatures import show_fields
from melious.settings.fields import OPERATIONAL, ClientFields, regular_options, with_model
from melious.settings.keys import hide_key
from melious.settings.options import CLIENT_ONLY, OPTION, check_option

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient
    from melious.routing.fallbacks import FallbackStep

_REACHES_THE_SERVICE = frozenset({"auth", "verify", "allow_insecure_http"})
"""Without these, a component that is read back may not reach its service."""

_INJECTED = ("http_client", "async_http_client")
_NUMBERS = (int, float, int | None, float | None)
_making = forks.new_lock()
"""Held while a client is made, so that threads that begin together share one."""


class _Clients:
    """The clients of a component and its shallow copies, each with the settings it was made from."""

    blocking: tuple[tuple[Any, ...], MeliousClient] | None = None
    asyncio: tuple[tuple[Any, ...], AsyncMeliousClient] | None = None


class MeliousComponent(ClientFields, BaseComponent):
    """The arguments that every class takes.

    The key and the headers never appear in `to_dict`, `repr` or events; pickles
    and copies keep them. Copies share injected HTTP clients, pickles drop them.

    Settings that only change how requests are made, such as `timeout`, are not
    part of an ingestion cache's key. `to_dict` has them, but where the component
    is a part of another one, only `auth`, `verify` and `allow_insecure_http`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=("pydantic_model_",), hide_input_in_errors=True
    )

    argument_aliases: ClassVar[Mapping[str, str]] = {"api_base": "base_url"}
    """LlamaIndex's names for arguments, and the fields that hold them."""

    if TYPE_CHECKING:
        api_base: str | None = None
    else:

        @property
        def api_base(self) -> str | None:
            """The same as `base_url`."""
            return self.base_url

        @api_base.setter
        def api_base(self, url: str | None) -> None:
            self.base_url = url

    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further parameters of every request; parameters of a call replace them.",
    )

    operational_fields: ClassVar[frozenset[str]] = frozenset()
    """What changes how requests are made, beside the operational options."""

    _operational: ClassVar[frozenset[str]]
    _client_options: ClassVar[tuple[str, ...]]
    """What the clients are made from."""
    _call_options: ClassVar[tuple[str, ...]]
    """What is sent with each call, beside `extra_body`."""
    _clients: _Clients = PrivateAttr(default_factory=_Clients)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        options = [name for name in OPTION if name in cls.model_fields and name != "extra_body"]
        cls._operational = cls.operational_fields | OPERATIONAL
        cls._client_options = tuple(name for name in options if name in CLIENT_ONLY)
        cls._call_options = tuple(name for name in options if name not in CLIENT_ONLY)
        show_fields(cls, ChatParams)

    def __init__(self, *positional: Any, **arguments: Any) -> None:
        hide_key(arguments)
        kind = type(self)
        arguments = with_model(kind.__name__, positional, arguments)
        given = kind.canonical_arguments(arguments)
        reject_unknown(given, {*kind.model_fields, *kind.argument_aliases}, kind.__name__)
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise invalid_arguments(kind.__name__, error, kind.argument_aliases) from error
        self._check()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a wrong value is an `InvalidArgumentError`."""
        if name in OPTION:
            value = regular_options({name: value})[name]
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
            field = None if name in OPTION else cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation in _NUMBERS:
                check_real(name, value)
        for alias, name in cls.argument_aliases.items():
            if alias in given:
                value = given.pop(alias)
                if given.get(name) not in (None, value):
                    raise InvalidArgumentError(
                        f"{cls.__name__}: {alias!r} and {name!r} contradict each other; give only one",
                        param=alias,
                    )
                given[name] = value
        return regular_options(given)

    def _check(self) -> None:
        """Find the key and the URL, and have the core check the settings.

        Raises:
            ConfigurationError: There is no key, or the base URL cannot be used.
            InvalidArgumentError: Another argument is wrong.
        """
        found = {
            "api_key": SecretStr(resolve_key(self.api_key)),
            "base_url": resolve_base_url(self.base_url, allow_insecure_http=self.allow_insecure_http),
        }
        for name, value in found.items():
            setattr(self, name, value)
        call = self._parameters(frozenset(self._call_options), {}, {})
        ClientConfig.resolve(**self._client_settings(), **call)
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
        if "model" in type(self).model_fields or hasattr(type(self), "model"):  # a field, or a property
            self._check_model()
        checked_http_client(self.http_client, "blocking")
        checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    def _check_model(self) -> None:
        model = getattr(self, "model", None)
        if not isinstance(model, str) or not model.strip():
            raise InvalidArgumentError(f"model: must be the name of a model, not {model!r}", param="model")
        flavored(model, self.flavor)

    def _client_settings(self) -> dict[str, Any]:
        """The settings that a client is made from; the others are sent with each call."""
        fields = self.__dict__
        settings = {name: fields[name] for name in self._client_options}
        if self.default_headers:
            settings["default_headers"] = dict(self.default_headers)  # they may be changed in place
        return settings

    def _client_identity(self) -> tuple[Any, ...]:
        """Changes whenever the clients must be made anew."""
        return (*self._client_settings().values(), self.http_client, self.async_http_client)

    def with_options(self, **changes: Any) -> Self:
        """A copy with other settings, any of the constructor's arguments, on the same connections.

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
            raise invalid_arguments(kind.__name__, error, kind.argument_aliases) from error
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

            with _making:
                made = self._clients.blocking
                if made is None or made[0] != identity:
                    client = MeliousClient(http_client=self.http_client, **self._client_settings())
                    made = self._clients.blocking = identity, client
        return made[1]

    def _aclient(self) -> AsyncMeliousClient:
        """The client for async calls; one serves every event loop."""
        identity, made = self._client_identity(), self._clients.asyncio
        if made is None or made[0] != identity:
            from melious.clients._async.client import AsyncMeliousClient  # noqa: PLC0415 - as above

            with _making:
                made = self._clients.asyncio
                if made is None or made[0] != identity:
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
        fields = self.__dict__
        parameters = {name: fields[name] for name in self._call_options}
        parameters.update(own)
        further, always = call.get("extra_body"), self.additional_kwargs.get("extra_body")
        for extra in (always, further):
            check_option("extra_body", extra)
        body: dict[str, Any] = {}
        for name, value in self.additional_kwargs.items():
            if name != "extra_body":
                (parameters if name in known else body)[name] = value
        body.update(always or {})
        parameters.update(
            (name, value)
            for name, value in call.items()
            # None means the default, except for the deadline. The core refuses unknown names.
            if value is not None or name == "deadline" or name not in known
        )
        body.update(self.extra_body or {})
        body.update(further or {})
        parameters["extra_body"] = body
        return parameters

    def _routing(self) -> dict[str, Any]:
        """The routing to show in events: a flavor, or else a preset, and the filters."""
        sent = {
            "model": flavored(getattr(self, "model", None) or "", self.flavor),
            "preset": self.preset,
            "filters": filters_to_wire(self.filters),
        }
        return routing_summary({**sent, **(self.extra_body or {})})

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self,
        handler: SerializerFunctionWrapHandler,
        info: SerializationInfo[Any],  # noqa: ARG002 - the base class's signature
    ) -> dict[str, Any]:
        """The settings; a part of another component leaves out those of its requests."""
        settings: dict[str, Any] = handler(self)
        settings["class_name"] = self.class_name()
        if is_part(self):
            for name in self._operational - _REACHES_THE_SERVICE:
                settings.pop(name, None)
        return settings

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """See pydantic's `BaseModel`."""
        with writing(self):
            return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """See pydantic's `BaseModel`."""
        with writing(self):
            return super().model_dump_json(**options)

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """All settings, without keys and headers, for `from_dict`."""
        return ComponentDict(super().to_dict(**options), operational=self._operational)

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self.verify, bool | str):  # LlamaIndex would leave it out without an error
            raise InvalidArgumentError(
                "verify: an SSLContext cannot be pickled; use the path of the certificates", param="verify"
            )
        bare = self.model_copy(update=dict.fromkeys(_INJECTED))
        bare._clients = _Clients()  # noqa: SLF001 - its own class
        return BaseComponent.__getstate__(bare)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        for name in (*_INJECTED, "verify"):
            shared = getattr(self, name)
            memo[id(shared)] = shared
        memo[id(self._clients)] = _Clients()
        return super().__deepcopy__(memo)
