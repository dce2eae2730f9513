"""Checks what the service lets a key do, without a request that could cost anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from melious.cli.checks import Check, Failed, Noted, Passed, Skipped, milliseconds
from melious.cli.words import in_shell_words
from melious.endpoints import audio, chat, documents, embeddings, images, models, rerank, tools
from melious.endpoints.common import request_of
from melious.errors import (
    APIConnectionError,
    AuthenticationError,
    InsufficientBalanceError,
    MeliousError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
)
from melious.exchange.ratelimit import RateLimit
from melious.http._sync.driver import SyncDriver
from melious.settings.config import DEFAULT_BASE_URL, ClientConfig


@dataclass(frozen=True, slots=True)
class EmptyRequest:
    """A request for nothing. It shows whether a key may use an endpoint, and costs nothing.

    Attributes:
        path: The path below the base URL.
        body: The body; None for a GET.
    """

    path: str
    body: Mapping[str, Any] | None = None


_PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ENDPOINTS = {
    "models": EmptyRequest(models.PATH),
    "chat": EmptyRequest(chat.PATH, {}),
    "embeddings": EmptyRequest(embeddings.PATH, {}),
    "rerank": EmptyRequest(rerank.PATH, {}),
    "images": EmptyRequest(images.PATH, {}),
    "audio": EmptyRequest(audio.PATH, {}),
    "tools": EmptyRequest(f"{tools.PATH}?page_size=1"),
    "mcp": EmptyRequest("mcp/jsonrpc", _PING),
    "documents": EmptyRequest(documents.PATH, {}),
    "knowledge": EmptyRequest("vector_stores?limit=1"),
}
"""The endpoints by the names that `--need` takes. `knowledge` is read only: writing could leave something."""
_REFUSED_FOR_ITS_CONTENT = frozenset({400, 413, 415, 422})
_NO_SUCH_METHOD = frozenset({405, 501})
_SPARE = 2 * len(ENDPOINTS)
"""Requests that must be left in the window before the requests for nothing are sent."""


class Service:
    """Checks the key in the environment against the service, with `timeout` seconds for each wait."""

    def __init__(self, base_url: str, timeout: float, *, allow_insecure_http: bool = False) -> None:
        self._config = ClientConfig.resolve(
            base_url=base_url,
            timeout=timeout,
            deadline=3 * timeout,
            max_retries=0,
            max_rate_limit_wait=0,
            allow_insecure_http=allow_insecure_http,
        )
        self._driver = SyncDriver(self._config)
        self._models: Check | None = None
        self._rate_limit: RateLimit | None = None
        self._failed = False

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def key_and_limit(self) -> list[Check]:
        """Request the list of models, to check the key and the rate limit."""
        call = models.list_all(self._config, {}, include_meta=False)
        try:
            listed = call.read(self._driver.call(call.request))
        except PermissionDeniedError as error:
            self._models = Noted("models", _missing_scope(error), {"allowed": False})
            return [
                _accepted(error.elapsed),
                Skipped("rate limit", "unknown: it is reported with the list of models"),
            ]
        except MeliousError as error:
            self._failed = True
            self._models = Skipped("models", "unknown")
            name = "service"
            if isinstance(error, AuthenticationError | RateLimitError):
                name = "authentication" if isinstance(error, AuthenticationError) else "rate limit"
            said = in_shell_words(error) if _may_be_melious(error) else _not_melious(error)
            if isinstance(error, APIConnectionError) and self._config.base_url.startswith("http://"):
                said += "; a server with TLS needs a base URL that begins with https://"
            return [Failed(name, said, _facts(error))]
        self._rate_limit = listed.rate_limit
        self._models = Passed("models", f"yes, {len(listed.data)} models", {"allowed": True})
        return [_accepted(listed.elapsed, request_id=listed.request_id), _limit(self._rate_limit)]

    def scopes(self, needed: Collection[str] = (), *, ask: bool = True) -> list[Check]:
        """Check which endpoints the key may use; `needed` ones must be. Sends nothing unless `ask`."""
        found = [self._models] if self._models is not None else []
        left = self._rate_limit.remaining if self._rate_limit is not None else None
        reason = "not checked" if self._failed or not ask else ""
        if left is not None and left < _SPARE:
            reason = f"not checked: only {left} requests are left in this window"
        for name in ENDPOINTS:
            if name == "models":
                continue
            if reason:
                found.append(Skipped(name, reason))
                continue
            check = self._scope(name)
            found.append(check)
            if check.facts.get("allowed") is None and check.facts.get("status_code") in (None, 429):
                reason = "not checked after that"
        if found and all(check.facts.get("allowed") is False for check in found):
            found.append(Failed("scopes", "the key may use none of these"))
        lacking = [
            check for check in found if check.name in needed and check.facts.get("allowed") is not True
        ]
        return [Failed(check.name, check.said, check.facts) if check in lacking else check for check in found]

    def _scope(self, name: str) -> Check:
        """Send a request for nothing: without a model and input there is nothing to bill."""
        empty = ENDPOINTS[name]
        body = None if empty.body is None else dict(empty.body)
        request = request_of(self._config, name, empty.path, {}, body)
        try:
            self._driver.call(request)
        except PermissionDeniedError as error:
            return Noted(name, _missing_scope(error), {"allowed": False, **_facts(error)})
        except InsufficientBalanceError as error:
            return Failed(
                name, in_shell_words(error), {"allowed": True, "out_of_money": True, **_facts(error)}
            )
        except MeliousError as error:
            if error.status_code in _REFUSED_FOR_ITS_CONTENT or isinstance(error, ModelNotFoundError):
                return Passed(name, "yes", {"allowed": True, **_facts(error)})
            if isinstance(error, NotFoundError):
                return Noted(name, "the service does not offer it", {"allowed": False, **_facts(error)})
            return Noted(name, f"unknown: {error.message}", {"allowed": None, **_facts(error)})
        return Passed(name, "yes", {"allowed": True})


def _may_be_melious(error: MeliousError) -> bool:
    elsewhere = isinstance(error, NotFoundError | ResponseDecodeError) or error.status_code in _NO_SUCH_METHOD
    return not elsewhere


def _not_melious(error: MeliousError) -> str:
    status = f" ({error.status_code})" if error.status_code else ""
    return (
        f"this is not Melious: {error.message.removesuffix('.')}{status}; "
        f"a base URL usually ends in /v1, as {DEFAULT_BASE_URL}"
    )


def _accepted(seconds: float, **facts: str | None) -> Check:
    said = f"accepts the key, in {milliseconds(seconds)}"
    return Passed("service", said, {"seconds": round(seconds, 4), **facts})


def _limit(rate_limit: RateLimit | None) -> Check:
    if rate_limit is None or rate_limit.remaining is None:
        return Skipped("rate limit", "unknown: the answer does not report it")
    of = "" if rate_limit.limit is None else f" of {rate_limit.limit:,}"
    after = "" if rate_limit.reset_after is None else f", resets in {rate_limit.reset_after:.0f} s"
    facts: dict[str, Any] = {
        "limit": rate_limit.limit,
        "remaining": rate_limit.remaining,
        "reset_after": rate_limit.reset_after,
    }
    kind = Passed if rate_limit.remaining else Noted
    return kind("rate limit", f"{rate_limit.remaining:,}{of} requests left{after}", facts)


def _missing_scope(error: MeliousError) -> str:
    scope = error.details.get("required_scope") if isinstance(error.details, dict) else None
    return f"no: the key does not have the scope {scope}" if scope else f"no: {error.message}"


def _facts(error: MeliousError) -> dict[str, Any]:
    facts = {
        "status_code": error.status_code,
        "code": error.code,
        "request_id": error.request_id,
        "retry_after": error.retry_after,
    }
    return {name: value for name, value in facts.items() if value is not None}
