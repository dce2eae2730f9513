"""The options of a client as fields of pydantic models: what the classes of both adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from melious.errors import InvalidArgumentError
from melious.routing.filters import FiltersArgument, Flavor, Preset, filters_to_wire
from melious.settings.checks import BlankTexts
from melious.settings.options import CLIENT_ONLY, OPTION, StreamImpact, check_options
from melious.timeouts import Timeout, TimeoutArgument, read_timeout

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import FallbackStep

OPERATIONAL = CLIENT_ONLY - {"base_url"} | {
    "deadline",
    "max_retries",
    "retry_timeouts",
    "stream_impact",
    "timeout",
}
"""The options that change how requests are made, but neither what is asked nor where it may run."""


def option_field(name: str, **more: Any) -> Any:
    """The field of an option, with the sentence of the table, and its default unless a factory is given."""
    option = OPTION[name]
    if "default_factory" not in more:
        more["default"] = option.default
    return Field(description=option.sentence, **more)


class ClientFields(BaseModel):
    """The options that every class of both adapters takes.

    Of the classes of an adapter only those that are used are built: they say `defer_build=False`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    if TYPE_CHECKING:  # what is accepted; `regular_options` checks it and brings it to one form
        api_key: str | SecretStr | None = None
        timeout: TimeoutArgument = None
        preset: Preset | None = None
        flavor: Flavor | None = None
        filters: FiltersArgument | None = None
        routing_fallbacks: Sequence[FallbackStep] | None = None
        budget: ImpactBudget | None = None
        verify: bool | str | ssl.SSLContext = True
        default_headers: Mapping[str, str] | None = None
        extra_body: Mapping[str, Any] | None = None
    else:
        api_key: SecretStr | None = option_field("api_key", exclude=True, repr=False)
        timeout: Any = option_field("timeout")
        preset: str | None = option_field("preset")
        flavor: str | None = option_field("flavor")
        filters: dict[str, Any] | None = option_field("filters")
        routing_fallbacks: Any = option_field("routing_fallbacks")
        budget: Any = option_field("budget", exclude=True)
        verify: Any = option_field("verify")
        default_headers: dict[Any, Any] | None = option_field("default_headers", exclude=True, repr=False)
        extra_body: dict[Any, Any] | None = option_field("extra_body")

    base_url: str | None = option_field("base_url")
    auth: Literal["bearer", "x-api-key"] = option_field("auth")
    verify_location: Literal["off", "warn", "raise"] = option_field("verify_location")
    deadline: float | None = option_field("deadline")
    max_retries: int = option_field("max_retries")
    retry_timeouts: bool | None = option_field("retry_timeouts")
    allow_insecure_http: bool = option_field("allow_insecure_http")
    max_connections: int = option_field("max_connections")
    max_rate_limit_wait: float = option_field("max_rate_limit_wait")
    async_transport: Literal["httpx", "aiohttp"] = option_field("async_transport")

    http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A client with httpx's interface for blocking calls, never closed; none by default.",
    )
    async_http_client: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A client with httpx's interface for async calls, never closed; none by default.",
    )


class EmbeddingFields(BaseModel):
    """The options of classes that embed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    embedding_cache_size: int = option_field("embedding_cache_size")
    embedding_cache_ttl: float = option_field("embedding_cache_ttl")
    blank_texts: BlankTexts = option_field("blank_texts")


class ChatFields(BaseModel):
    """The options of classes that chat."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    stream_impact: StreamImpact = option_field("stream_impact")
    merge_system_messages: bool | None = option_field("merge_system_messages")
    convert_documents: bool = option_field("convert_documents")


def regular_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options among the arguments of a class, and bring those with several forms to one.

    It runs before pydantic, so that a wrong value gives the same error as at a client, and nothing is
    converted that a client refuses.

    Raises:
        ConfigurationError: The key or the base URL cannot be used.
        InvalidArgumentError: Another option is wrong; `param` is its name.
    """
    regular = dict(given)
    timeout = regular.get("timeout")
    if isinstance(timeout, Mapping) and set(timeout) <= set(Timeout.__slots__):  # that of a dump
        regular["timeout"] = Timeout(**timeout)
    check_options(regular)
    if "timeout" in regular:
        regular["timeout"] = read_timeout(regular["timeout"])
    if "filters" in regular:
        regular["filters"] = filters_to_wire(regular["filters"])
    return regular


def with_model(kind: str, positional: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a class whose model may also be given by position.

    Args:
        kind: The name of the class.
        positional: What was given by position: nothing, or the model.
        arguments: What was given by name.

    Raises:
        InvalidArgumentError: There is more by position, or the model was given twice.
    """
    if not positional:
        return arguments
    if len(positional) > 1:
        raise InvalidArgumentError(f"{kind}: takes only the model by position; give all else by name")
    if "model" in arguments:
        raise InvalidArgumentError(f"{kind}: model: is given twice, by position and by name", param="model")
    return {"model": positional[0], **arguments}
