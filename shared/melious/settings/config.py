"""What a client is made from: an argument, then the environment, then a default.

Of the environment two variables are read here, `MELIOUS_API_KEY` and `MELIOUS_BASE_URL`;
`melious` itself reads `MELIOUS_LOG`. Everything is checked here, once, so that a mistake shows
when the client is made and not at the first request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Secret, SecretStr

from melious.errors.unknown import reject_unknown
from melious.routing.filters import filters_in, filters_to_wire
from melious.routing.residency import VerifyLocation, check_verifiable
from melious.settings.base_url import DEFAULT_BASE_URL, URL_VARIABLE, is_loopback, resolve_base_url
from melious.settings.checks import BlankTexts
from melious.settings.headers import checked_headers
from melious.settings.keys import KEY_VARIABLE, hidden, hide_key, resolve_key
from melious.settings.options import StreamImpact, check_options
from melious.timeouts import Timeout, TimeoutArgument, TimeoutParts, read_timeout, timeout_for

if TYPE_CHECKING:
    import ssl

    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import FallbackStep

__all__ = [
    "DEFAULT_BASE_URL",
    "KEY_VARIABLE",
    "URL_VARIABLE",
    "ClientConfig",
    "Timeout",
    "TimeoutArgument",
    "TimeoutParts",
    "checked_headers",
    "is_loopback",
    "read_timeout",
    "reject_unknown",
    "resolve_base_url",
    "resolve_key",
    "timeout_for",
]


@dataclass(frozen=True)
class ClientConfig:
    """The settings of a client, checked and complete. Make it with `ClientConfig.resolve`.

    The key is a secret: it is in no repr, and `key_digest` stands for it
    wherever something must be told apart by key.
    """

    api_key: SecretStr
    base_url: str
    auth: Literal["bearer", "x-api-key"] = "bearer"
    timeout: float | Timeout | None = None
    deadline: float | None = 600.0
    max_retries: int = 2
    retry_timeouts: bool | None = None
    preset: str | None = None
    flavor: str | None = None
    filters: Mapping[str, Any] | None = None
    default_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] | None = None
    verify: bool | str | ssl.SSLContext = True
    max_connections: int = 256
    max_rate_limit_wait: float = 60.0
    async_transport: Literal["httpx", "aiohttp"] = "httpx"
    embedding_cache_size: int = 0
    embedding_cache_ttl: float = 3600.0
    blank_texts: BlankTexts = "refuse"
    budget: ImpactBudget | None = None
    verify_location: VerifyLocation = "off"
    stream_impact: StreamImpact = "native"
    merge_system_messages: bool | None = None
    convert_documents: bool = False
    routing_fallbacks: Sequence[FallbackStep] | None = None
    key_digest: str = ""

    @classmethod
    def resolve(
        cls,
        *,
        api_key: str | SecretStr | Secret[Any] | None = None,
        base_url: str | None = None,
        allow_insecure_http: bool = False,
        default_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ClientConfig:
        """Fill in what was not given and check everything.

        Raises:
            ConfigurationError: No key, or a base URL that cannot be used.
            InvalidArgumentError: Another argument is wrong.
        """
        api_key = hidden(api_key)
        known = {item.name for item in fields(cls)} - {"key_digest"}
        reject_unknown(options, known | {"allow_insecure_http"}, "MeliousClient")
        key = SecretStr(resolve_key(api_key))
        given = {"allow_insecure_http": allow_insecure_http, "default_headers": default_headers, **options}
        check_options(given)
        _make_regular(options)
        config = cls(
            api_key=key,
            base_url=resolve_base_url(base_url, allow_insecure_http=allow_insecure_http),
            default_headers=checked_headers("default_headers", default_headers),
            key_digest=hashlib.blake2b(key.get_secret_value().encode(), digest_size=8).hexdigest(),
            **options,
        )
        config._check_location()
        return config

    def _check_location(self) -> None:
        if self.verify_location != "off":
            sent = {"filters": self.filters, **(self.extra_body or {})}
            check_verifiable(self.verify_location, filters_in(sent))

    def with_options(self, **changes: Any) -> ClientConfig:
        """A copy with other options, checked again; the key and the base URL stay."""
        hide_key(changes)
        reject_unknown(
            changes, {item.name for item in fields(self)} - {"api_key", "base_url", "key_digest"}, "options"
        )
        check_options(changes)
        if "default_headers" in changes:
            changes["default_headers"] = checked_headers("default_headers", changes["default_headers"])
        _make_regular(changes)
        config = replace(self, **changes)
        config._check_location()  # noqa: SLF001 - its own class
        return config


def _make_regular(options: dict[str, Any]) -> None:
    """Bring options that come in several forms to one."""
    if "timeout" in options:
        options["timeout"] = read_timeout(options["timeout"])
    if options.get("filters") is not None:
        options["filters"] = filters_to_wire(options["filters"])
    if options.get("routing_fallbacks") is not None:
        from melious.routing.fallbacks import checked_steps  # noqa: PLC0415 - only for those who ask for it

        options["routing_fallbacks"] = checked_steps(options["routing_fallbacks"])
