"""The options of clients and calls: one table, and the types of the arguments.

Clients, calls and both adapters check their arguments by the table, under the same names and with
the same errors, and their documentation holds its sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from melious.errors import InvalidArgumentError, RetryEvent
from melious.errors.checks import (
    check_bool,
    check_callable,
    check_mapping,
    check_optional_bool,
    check_seconds,
    check_whole,
)
from melious.routing.filters import (
    FiltersArgument,
    Flavor,
    Preset,
    check_preset,
    filters_to_wire,
    flavored,
)
from melious.routing.residency import VerifyLocation, check_mode
from melious.settings.base_url import resolve_base_url
from melious.settings.checks import (
    BlankTexts,
    Option,
    by_value,
    check_budget,
    check_steps,
    check_verify,
    either,
    unless_none,
)
from melious.settings.headers import checked_headers
from melious.settings.keys import resolve_key
from melious.timeouts import TimeoutArgument, read_timeout

if TYPE_CHECKING:
    import ssl

    from pydantic import SecretStr

    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import FallbackStep

StreamImpact: TypeAlias = Literal["native", "buffer"]
"""Whether a stream is a stream, or a whole answer that is handed out as one, with its impact and cost."""


class CallOptions(TypedDict, total=False):
    """How one call is made; every endpoint takes these. None means the client's own.

    Attributes:
        extra_body: Fields of the body, sent unchanged; none by default. They override all others.
        extra_headers: Headers of this request; none by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`.
            `(connect, read, write, pool)` is accepted too. `read` limits the whole answer, and in a
            stream each silence.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        retry_timeouts: Retry what timed out once sent, and may be billed twice; by default only embeddings,
            rerank and models.
        on_retry: Called with a `RetryEvent` before each retry; none by default. The asyncio client awaits
            what can be awaited; blocking calls that send several requests at a time call it in the
            threads that send them. What it raises ends the call.
    """

    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: TimeoutArgument
    deadline: float | None
    max_retries: int | None
    retry_timeouts: bool | None
    on_retry: Callable[[RetryEvent], object] | None


class RoutingOptions(CallOptions, total=False):
    """Where one call may run; given here, they replace the client's own.

    Attributes:
        preset: What routing favours, such as `environment` or `speed`; not sent by default. It is ignored
            if the model has a flavor.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
            Countries are ISO 3166 alpha-2 codes. Unknown filters and countries are errors;
            `extra_body={"filters": {...}}` is sent unchanged.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
            Checks the `environment_impact.location` of the answer: `warn` gives a `ResidencyWarning`,
            `raise` a `ResidencyError` with the answer, also without a location. The countries are required.
        routing_fallbacks: Filters to drop or loosen, step by step, while no provider matches; none by
            default. A filter's name drops it, `{"max_carbon_intensity": 400}` replaces its limit, None
            drops all that are left. Filters that the request does not have are ignored; the location is
            checked against the countries that are left. `.relaxed` of the answer names the rest. [] for none.
    """

    preset: Preset | None
    flavor: Flavor | None
    filters: FiltersArgument | None
    verify_location: VerifyLocation | None
    routing_fallbacks: Sequence[FallbackStep] | None


class ClientOptions(TypedDict, total=False):
    """What both clients take, beside the HTTP client of their own kind.

    Attributes:
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        auth: How the key is sent: `bearer`, the default, or `x-api-key`.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. By default
            what suits the endpoint, such as 300 s for a whole chat answer. See `CallOptions`.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
            That of a stream ends with its first chunk.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        retry_timeouts: Retry what timed out once sent, and may be billed twice; by default only embeddings,
            rerank and models.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        default_headers: Headers for every request; none by default. Each replaces the library's own of that
            name (`User-Agent`, `Host`, `Idempotency-Key`, ...); those of the connection
            (`Content-Length`, ...) are refused. A header that hides the key causes a warning.
        extra_body: Fields of the body, sent unchanged; none by default.
        verify: True, the default, a path to CA certificates, an `ssl.SSLContext`, or False. True trusts the
            system's certificates and those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Proxies come
            from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; an injected client has its own.
        allow_insecure_http: Allow sending the key unencrypted to another machine; False by default.
        max_connections: The most connections, and so concurrent requests; 256 by default.
        max_rate_limit_wait: The most seconds to hold back a request for a rate limit; 60 by default, 0 for
            never. The limit is the key's at its endpoint. After a refusal the endpoint pauses for at
            most that long. Then one request tries, and the others follow if it passes. What would wait
            longer is a `RateLimitError`, "not sent".
        async_transport: `httpx`, the default, or `aiohttp` for async calls (extra `aiohttp`). aiohttp's
            connections do not go through SOCKS proxies.
        embedding_cache_size: The most vectors to keep in memory; 0 by default, for none.
        embedding_cache_ttl: Seconds to keep a vector in memory; 3600 by default.
        blank_texts: `refuse` blank texts, the default, or `skip` them and give vectors of zeros.
        budget: A `melious.ImpactBudget` that limits spending; none by default. Other clients, adapters
            and `track_impact` blocks may share it.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        stream_impact: `buffer` makes streams request whole answers, which report impact; `native` by
            default. The live service reports the impact and cost of whole answers only.
        merge_system_messages: Merge system messages into one; by default where the model takes only one.
        convert_documents: Convert documents in messages to text first; False by default.
        routing_fallbacks: Filters to drop or loosen, step by step, while no provider matches; none by
            default. See `RoutingOptions`.
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
    verify: bool | str | ssl.SSLContext
    allow_insecure_http: bool
    max_connections: int
    max_rate_limit_wait: float
    async_transport: Literal["httpx", "aiohttp"]
    embedding_cache_size: int
    embedding_cache_ttl: float
    blank_texts: BlankTexts
    budget: ImpactBudget | None
    verify_location: VerifyLocation
    stream_impact: StreamImpact
    merge_system_messages: bool | None
    convert_documents: bool
    routing_fallbacks: Sequence[FallbackStep] | None


OPTIONS: tuple[Option, ...] = (
    Option(
        "api_key",
        "client",
        "The key; by default the environment variable `MELIOUS_API_KEY`.",
        unless_none(by_value(resolve_key)),
    ),
    Option(
        "base_url",
        "client",
        "The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.",
        by_value(lambda url: resolve_base_url(url, allow_insecure_http=True)),
    ),
    Option(
        "auth",
        "client",
        "How the key is sent: `bearer`, the default, or `x-api-key`.",
        either("bearer", "x-api-key"),
        "bearer",
    ),
    Option(
        "async_transport",
        "client",
        "`httpx`, the default, or `aiohttp` for async calls (extra `aiohttp`).",
        either("httpx", "aiohttp"),
        "httpx",
    ),
    Option(
        "timeout",
        "both",
        "Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`.",
        by_value(read_timeout),
    ),
    Option(
        "max_retries",
        "both",
        "Further attempts after transient errors; 2 by default, 0 for none.",
        check_whole,
        2,
    ),
    Option(
        "retry_timeouts",
        "both",
        "Retry what timed out once sent, and may be billed twice; by default only embeddings, rerank and "
        "models.",
        check_optional_bool,
    ),
    Option(
        "max_connections",
        "client",
        "The most connections, and so concurrent requests; 256 by default.",
        lambda name, value: check_whole(name, value, least=1),
        256,
    ),
    Option(
        "embedding_cache_size",
        "client",
        "The most vectors to keep in memory; 0 by default, for none.",
        check_whole,
        0,
    ),
    Option(
        "embedding_cache_ttl",
        "client",
        "Seconds to keep a vector in memory; 3600 by default.",
        check_seconds,
        3600.0,
    ),
    Option(
        "blank_texts",
        "both",
        "`refuse` blank texts, the default, or `skip` them and give vectors of zeros.",
        either("refuse", "skip"),
        "refuse",
    ),
    Option(
        "max_rate_limit_wait",
        "client",
        "The most seconds to hold back a request for a rate limit; 60 by default, 0 for never.",
        lambda name, value: check_seconds(name, value, zero=True),
        60.0,
    ),
    Option(
        "deadline",
        "both",
        "Seconds for a whole call, with waits and retries; 600 by default, None for no limit.",
        unless_none(check_seconds),
        600.0,
    ),
    Option(
        "preset",
        "both",
        "What routing favours, such as `environment` or `speed`; not sent by default.",
        by_value(check_preset),
    ),
    Option(
        "verify",
        "client",
        "True, the default, a path to CA certificates, an `ssl.SSLContext`, or False.",
        check_verify,
        True,
    ),
    Option(
        "flavor",
        "both",
        "The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.",
        by_value(lambda flavor: flavored("", flavor)),
    ),
    Option(
        "filters",
        "both",
        'Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.',
        by_value(filters_to_wire),
    ),
    Option("extra_body", "both", "Fields of the body, sent unchanged; none by default.", check_mapping),
    Option(
        "budget",
        "client",
        "A `melious.ImpactBudget` that limits spending; none by default.",
        unless_none(by_value(check_budget)),
    ),
    Option(
        "verify_location",
        "both",
        '`warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.',
        by_value(check_mode),
        "off",
    ),
    Option(
        "stream_impact",
        "both",
        "`buffer` makes streams request whole answers, which report impact; `native` by default.",
        either("native", "buffer"),
        "native",
    ),
    Option(
        "merge_system_messages",
        "both",
        "Merge system messages into one; by default where the model takes only one.",
        check_optional_bool,
    ),
    Option(
        "convert_documents",
        "both",
        "Convert documents in messages to text first; False by default.",
        check_bool,
        False,
    ),
    Option(
        "routing_fallbacks",
        "both",
        "Filters to drop or loosen, step by step, while no provider matches; none by default.",
        unless_none(by_value(check_steps)),
    ),
    Option("default_headers", "client", "Headers for every request; none by default.", checked_headers),
    Option(
        "allow_insecure_http",
        "client",
        "Allow sending the key unencrypted to another machine; False by default.",
        check_bool,
        False,
    ),
    Option("extra_headers", "call", "Headers of this request; none by default.", checked_headers),
    Option(
        "on_retry",
        "call",
        "Called with a `RetryEvent` before each retry; none by default.",
        check_callable,
    ),
)
"""Every option, in the order in which they are checked."""

OPTION = {option.name: option for option in OPTIONS}
CLIENT_ONLY = frozenset(option.name for option in OPTIONS if option.scope == "client")
"""What a call cannot change, because the client is made from it."""


def check_option(name: str, value: object) -> Any:
    """Check the value of an option, and give what the check makes of it: filters as the body carries them.

    Raises:
        ConfigurationError: It is a key or a base URL that cannot be used.
        InvalidArgumentError: It is wrong; `param` is its name.
    """
    try:
        return OPTION[name].check(name, value)
    except InvalidArgumentError as error:
        error.param = error.param or name
        raise


def check_options(given: Mapping[str, Any]) -> None:
    """Check what a client is made from, in the order of the table; other arguments are ignored.

    Raises:
        ConfigurationError: The key or the base URL cannot be used.
        InvalidArgumentError: Another option is wrong; `param` is its name.
    """
    for option in OPTIONS:
        if option.name in given:
            check_option(option.name, given[option.name])


def check_call_options(given: Mapping[str, Any]) -> None:
    """Check the options of a call, where None means the client's own; other arguments are ignored.

    Filters are left to whoever puts them into the body, since checking them takes longest.

    Raises:
        InvalidArgumentError: One is wrong; `param` is its name.
    """
    for name, value in given.items():
        if value is not None and name in OPTION and name != "filters":
            check_option(name, value)
