"""The constructor arguments that all classes share, and the core clients created from them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from langchain_core.utils.utils import from_env, secret_from_env
from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.copies import Copies

if TYPE_CHECKING:
    from melious.answers.models import Model, ModelList
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient
    from melious.routing.fallbacks import FallbackStep
from melious import forks
from melious._signatures import written_out
from melious.endpoints.chat_params import ChatParams
from melious.errors.arguments import invalid_arguments
from melious.errors.checks import check_text
from melious.routing.filters import ProviderFilters, flavored, routing_summary
from melious.settings.checks import checked_http_client
from melious.settings.config import (
    KEY_VARIABLE,
    URL_VARIABLE,
    ClientConfig,
    Timeout,
    reject_unknown,
)
from melious.settings.field_signatures import show_fields
from melious.settings.fields import ClientFields, option_field, regular_options, with_model
from melious.settings.keys import hide_key
from melious.settings.options import CLIENT_ONLY, OPTION, CallOptions, check_call_options, check_option

_CLIENT_ONLY = CLIENT_ONLY | {"http_client", "async_http_client"}
"""The fields that a call cannot change, because the client is created from them."""

_logger = logging.getLogger("melious")

_making = forks.new_lock()
"""Held while a client is made, so that threads that begin together share one."""

_KINDS = {"embedding": "embeddings", "reranker": "rerank"}
"""Other names for these kinds, seen in model lists."""


class ServiceSettings(ClientFields, Copies):
    """The settings of all classes, with a model or without.

    An unknown argument is an error that suggests the closest name.

    The core clients are created on first use and again after a field changes.
    Models with the same base URL share connections.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=()
    )

    _kind: ClassVar[str]
    _option_names: ClassVar[tuple[str, ...]]
    """The fields passed to the core clients, under the same names."""

    if not TYPE_CHECKING:  # for type checkers, the fields of `ClientFields` are the signature
        api_key: SecretStr | None = option_field(
            "api_key", default_factory=secret_from_env(KEY_VARIABLE, default=None)
        )
        base_url: str | None = option_field("base_url", default_factory=from_env(URL_VARIABLE, default=None))

        def __init__(self, *positional: Any, **arguments: Any) -> None:
            hide_key(arguments)
            with langchain_errors:
                arguments = with_model(type(self).__name__, positional, arguments)
                fields = type(self).model_fields
                names = {*fields, *(field.alias for field in fields.values() if field.alias)}
                reject_unknown(arguments, names, type(self).__name__)
                try:
                    super().__init__(**regular_options(arguments))
                except ValidationError as error:
                    raise invalid_arguments(type(self).__name__, error) from error
                self._check()
                ClientConfig.resolve(**self._options())
                checked_http_client(self.http_client, "blocking")
                checked_http_client(self.async_http_client, "asyncio", "async_http_client")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._option_names = tuple(name for name in OPTION if name in cls.model_fields)
        show_fields(cls, ChatParams)

    def _check(self) -> None:
        """Check what only this class has.

        Raises:
            InvalidArgumentError: A setting is wrong.
        """

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

    def _options(self) -> dict[str, Any]:
        fields = self.__dict__
        return {name: fields[name] for name in self._option_names}

    def _sync_client(self) -> MeliousClient:
        options = self._options() | {"http_client": self.http_client}
        made = self._clients.get("sync")
        if made is None or made[0] != options:
            from melious.clients._sync.client import MeliousClient  # noqa: PLC0415 - only needed by calls

            with _making:
                made = self._clients.get("sync")
                if made is None or made[0] != options:
                    made = self._clients["sync"] = options, MeliousClient(**options)
        client: MeliousClient = made[1]
        return client

    def _async_client(self) -> AsyncMeliousClient:
        options = self._options() | {"http_client": self.async_http_client}
        made = self._clients.get("async")
        if made is None or made[0] != options:
            from melious.clients._async.client import AsyncMeliousClient  # noqa: PLC0415

            with _making:
                made = self._clients.get("async")
                if made is None or made[0] != options:
                    made = self._clients["async"] = options, AsyncMeliousClient(**options)
        client: AsyncMeliousClient = made[1]
        return client

    def _given(self, name: str, options: Mapping[str, Any]) -> Any:
        """The value given for a call, else that of this object."""
        return getattr(self, name) if options.get(name) is None else options[name]

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


class MeliousSettings(ServiceSettings):
    """The settings of classes that have a model."""

    model: str = Field(min_length=1, kw_only=False)
    """The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`. It may be given by position."""

    def _check(self) -> None:
        check_text("model", self.model)
        flavored(self.model, self.flavor)

    @property
    def model_name(self) -> str:
        """The same as `model`, under the name that other integrations use."""
        return self.model

    def _routing(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The routing that a call requests, to be reported with its answer: a flavor, else a preset."""
        sent = {
            "model": flavored(call["model"], self._given("flavor", call)),
            "preset": self._given("preset", call),
            "filters": check_option("filters", self._given("filters", call)),
        }
        return routing_summary({**sent, **(self.extra_body or {}), **(call.get("extra_body") or {})})

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """Make a copy that drops filters one step at a time while no provider matches.

        `response_metadata["routing"]["relaxed"]`, the ledgers and the log name the dropped filters.

        Args:
            *steps: In order: the name of a filter to drop, or filters with other values, such as
                `{"max_carbon_intensity": 400}`; None drops all.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is invalid; its position is named.
        """
        from melious.routing.fallbacks import checked_steps  # noqa: PLC0415 - needed by this call only

        with langchain_errors:
            checked = checked_steps(steps)
        return self.model_copy(update={"routing_fallbacks": checked})

    @written_out(CallOptions)
    def available_models(self, **options: Unpack[CallOptions]) -> list[str]:
        """List the models of this kind that the key may use: their ids, sorted.

        Args:
            **options: Those of `melious.CallOptions`.

        Raises:
            MeliousError: The request failed.
        """
        with langchain_errors:
            return self._of_this_kind(self._sync_client().models.list(include_meta=True, **options))

    @written_out(CallOptions)
    async def aavailable_models(self, **options: Unpack[CallOptions]) -> list[str]:
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

        kinds = {model.id: kind_of(model) for model in listed.data}
        unknown = sum(kind is None for kind in kinds.values())
        if unknown:
            _logger.warning(
                "available_models leaves out %d of %d models: neither the service nor the catalogue says "
                "what kind they are; list all with MeliousClient().models.list()",
                unknown,
                len(kinds),
            )
        return sorted(name for name, kind in kinds.items() if kind == self._kind)


def check_call(options: Mapping[str, Any]) -> None:
    """Check the options of a call, and reject what only the constructor takes.

    Raises:
        InvalidArgumentError: One is wrong; the error names it.
    """
    for name in options:
        if name in _CLIENT_ONLY:
            raise InvalidArgumentError(
                f"{name}: cannot be set per call; make a copy of the model with "
                f"model_copy(update={{{name!r}: ...}})"
            )
    check_call_options(options)


def plain(value: Any) -> Any:
    """A setting as plain data, for traces and dumps."""
    if isinstance(value, ProviderFilters):
        return value.to_wire()
    if isinstance(value, Timeout):
        return {name: getattr(value, name) for name in Timeout.__slots__}
    return value
