"""Where the service is: the base URL, checked and brought to one spelling."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from melious.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.melious.ai/v1"
URL_VARIABLE = "MELIOUS_BASE_URL"

_SERVICE = "melious.ai"

_ENDPOINTS = re.compile(
    r"/(?:chat(?:/completions)?|completions|responses|messages(?:/count_tokens)?|embeddings|rerank"
    r"|images(?:/generations)?|audio(?:/transcriptions|/speech)?|models(?:/.*)?|batches|files)$"
)
_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_MAX_LABEL = 63
_MAX_NAME = 253
_MAX_PORT = 65_535


def resolve_base_url(base_url: str | None, *, allow_insecure_http: bool = False) -> str:
    """Find the base URL and bring every spelling of it to the one that ends in `/v1`.

    A host name beyond ASCII is refused: write it as it stands in DNS (`xn--...`). A final dot of
    the host is taken away. `localhost` and loopback addresses are this machine; names below
    `localhost` are not taken for it, as a resolver may send them elsewhere.

    Args:
        base_url: The root, `/v1` with or without a slash, or a full endpoint's URL; None for
            `MELIOUS_BASE_URL`, then the default.
        allow_insecure_http: Let the key go in clear to a host that is not loopback.

    Raises:
        ConfigurationError: It is not a valid http or https URL, carries credentials, or would
            send the key in clear.

    Examples:
        >>> resolve_base_url("https://api.melious.ai/v1/chat/completions")
        'https://api.melious.ai/v1'
    """
    source, text = "base_url", base_url
    if text is None:
        source, text = URL_VARIABLE, os.environ.get(URL_VARIABLE)
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"{source}: needs text, not {type(text).__name__}")
    return _regular(source, (text or "").strip() or DEFAULT_BASE_URL, bool(allow_insecure_http))


@lru_cache(maxsize=64)
def _regular(source: str, text: str, allow_insecure_http: bool) -> str:  # noqa: FBT001
    """Check a base URL and bring it to its one spelling: once for the many clients that share it."""
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ConfigurationError(f"{source}: a URL holds no blank, line break or other control character")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ConfigurationError(f"{source}: not a valid URL: its host is not valid") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(f"{source}: not a valid URL: it must begin with https:// and a host")
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"{source}: take user and password out of the URL; the key goes into a header"
        )
    netloc, host = _place(source, parts.netloc)
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(host):
        raise ConfigurationError(
            f"{source}: http to {host!r} would send the key in clear",
            advice="Use https, or pass allow_insecure_http=True if the network is yours",
        )
    path = _ENDPOINTS.sub("", re.sub("//+", "/", parts.path).rstrip("/"))
    if "@" in path or "@" in parts.query or "@" in parts.fragment:
        raise ConfigurationError(
            f"{source}: there is an '@' behind the host: take user and password out of the URL; "
            "the key goes into a header"
        )
    if not path.isascii():
        raise ConfigurationError(f"{source}: the path holds letters beyond ASCII: write them as %XX")
    if not path.endswith("/v1"):
        path += "/v1"
    return urlunsplit((parts.scheme, netloc, path, "", ""))


def _place(source: str, netloc: str) -> tuple[str, str]:
    """Host and port as they go into the URL, and the host alone."""
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?", netloc)
    if found is None:
        raise ConfigurationError(f"{source}: not a valid URL: the host is not valid")
    bracketed = found[1].startswith("[")
    host = found[1].strip("[]").lower()
    if not bracketed:
        host = host.removesuffix(".")
    problem = host_problem(host, bracketed=bracketed)
    if problem:
        raise ConfigurationError(f"{source}: not a valid URL: the host {problem}")
    port = found[2]
    if port and not is_port(port):
        raise ConfigurationError(f"{source}: not a valid URL: the port is not a number from 1 to 65535")
    shown = f"[{host}]" if bracketed else host
    return f"{shown}:{int(port)}" if port else shown, host


def host_problem(host: str, *, bracketed: bool = False) -> str | None:
    """What keeps a host from being one, in words that follow "the host"; None if nothing does."""
    if bracketed:
        from ipaddress import IPv6Address  # noqa: PLC0415 - a tenth of this module's import

        try:
            IPv6Address(host)
        except ValueError:
            return "in brackets is not an IPv6 address"
        return None
    if not host:
        return "is missing"
    if not host.isascii():
        return "holds letters beyond ASCII: write it as it stands in DNS, which begins with xn--"
    labels = host.split(".")
    if not all(labels):
        return "has an empty part between two dots"
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "holds a character that no host name has"
    if len(host) > _MAX_NAME or max(map(len, labels)) > _MAX_LABEL:
        return f"is too long: {_MAX_NAME} letters at most, and {_MAX_LABEL} between two dots"
    return None


def is_port(text: str) -> bool:
    """Whether a text is the number of a port that can be connected to."""
    return re.fullmatch("[0-9]{1,5}", text) is not None and 0 < int(text) <= _MAX_PORT


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine: `localhost` or a loopback address."""
    if host == "localhost":
        return True
    from ipaddress import ip_address  # noqa: PLC0415 - a tenth of this module's import, for one address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_of_service(base_url: str) -> bool:
    """Whether a base URL is that of Melious, or of a server on this machine, which may stand in for it.

    Examples:
        >>> is_of_service("https://api.melious.ai/v1"), is_of_service("https://llm.example.com/v1")
        (True, False)
    """
    host = urlsplit(base_url).hostname or ""
    return host == _SERVICE or host.endswith(f".{_SERVICE}") or is_loopback(host)
