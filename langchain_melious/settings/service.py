"""The constructor arguments that all classes share, and the core clients created from them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from langchain_core.utils.utils import from_env, secret_from_env
from pydantic import ConfigDict, SecretStr, ValidationError, field_validator

from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.copies import Copies
from melious.clients.base import checked_http_client
from melious.endpoints.chat_params import ChatParams
from melious.errors.arguments import invalid_arguments
from melious.routing.filters import ProviderFilters
from melious.settings.config import KEY_VARIABLE, URL_VARIABLE, ClientConfig, Timeout, reject_unknown
from melious.settings.field_signatures import show_fields
from melious.settings.fields import ClientFields, option_field, regular_options
from melious.settings.keys import hide_key
from melious.settings.options import OPTION

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient


class ServiceSettings(ClientFields, Copies):
    """The settings that all classes share. An unknown argument is an error that suggests the closest name.

    The core clients are created on first use and again after a field changes.
    Objects with the same base URL share connections.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=()
    )

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
                kind = type(self)
                arguments = self._named(positional, arguments)
                fields = kind.model_fields
                names = {*fields, *(field.alias for field in fields.values() if field.alias)}
                reject_unknown(arguments, names, kind.__name__)
                try:
                    super().__init__(**regular_options(arguments))
                except ValidationError as error:
                    raise invalid_arguments(kind.__name__, error) from error
                self._check_settings()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._option_names = tuple(name for name in OPTION if name in cls.model_fields)
        show_fields(cls, ChatParams)

    @classmethod
    def _named(cls, positional: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name.

        Raises:
            InvalidArgumentError: One was given by position.
        """
        if positional:
            raise InvalidArgumentError(f"{cls.__name__}: takes no argument by position; give all by name")
        return arguments

    def _check_settings(self) -> None:
        """Check what a client is made from.

        Raises:
            ConfigurationError: There is no key, or the base URL cannot be used.
            InvalidArgumentError: Another setting is wrong.
        """
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

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._option_names}

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


def plain(value: Any) -> Any:
    """A setting as plain data, for traces and dumps."""
    if isinstance(value, ProviderFilters):
        return value.to_wire()
    if isinstance(value, Timeout):
        return {name: getattr(value, name) for name in Timeout.__slots__}
    return value
