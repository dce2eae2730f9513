"""The HTTP library under the drivers: httpx2 where it can be imported, else httpx; imported only here.

The pools stand on the library's own connection layer (httpcore2, httpcore),
whose network hook lets a deadline bind every single read; `httpx` itself is
only needed around a transport of aiohttp.
"""

from __future__ import annotations

import os
import platform
import socket
import ssl
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from melious._version import __version__
from melious.config import is_loopback
from melious.errors import ConfigurationError

Verify: TypeAlias = bool | str | ssl.SSLContext

KEEPALIVE_EXPIRY = 30.0
"""Seconds after which an idle connection is not used again."""


@dataclass(frozen=True, slots=True)
class Library:
    """The chosen library: its name and version, and its connection layer."""

    name: str
    version: str
    core: ModuleType


@cache
def library() -> Library:
    """Import the library, once and only when a request is about to be made."""
    name = "httpx2" if find_spec("httpx2") is not None else "httpx"
    return Library(name, metadata.version(name), import_module(name.replace("httpx", "httpcore")))


@cache
def user_agent() -> str:
    """What this client calls itself."""
    chosen = library()
    return f"melious-python/{__version__} ({chosen.name}/{chosen.version}; py/{platform.python_version()})"


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """The TLS settings, made once per process and choice: loading the certificates takes some 25 ms.

    Args:
        verify: True for the system's certificates (`SSL_CERT_FILE` and
            `SSL_CERT_DIR` respected), a path to a CA file or directory, a
            context to take as it is, or False to check nothing.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    return _ssl_context(verify, *certificate_variables())


def certificate_variables() -> tuple[str | None, str | None]:
    """Where the environment says that the certificates are: a file, a directory."""
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


@lru_cache(maxsize=16)
def _ssl_context(verify: bool | str, cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:  # noqa: FBT001
    if isinstance(verify, str):
        folder = os.path.isdir(verify)  # noqa: PTH112 - only the kind is asked, at the edge to OpenSSL
        if not folder and not os.path.isfile(verify):  # noqa: PTH113
            raise ConfigurationError(f"verify: there is no file or directory {verify!r}")
        return ssl.create_default_context(
            cafile=None if folder else verify, capath=verify if folder else None
        )
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not (cert_file or cert_dir) and not context.cert_store_stats()["x509_ca"]:
        _load_certifi(context)
    return context


def _load_certifi(context: ssl.SSLContext) -> None:
    """Some systems have no certificates of their own where OpenSSL looks."""
    import certifi  # noqa: PLC0415 - only on such systems

    context.load_verify_locations(cafile=certifi.where())


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy from the environment."""

    scheme: str
    host: str
    port: int
    auth: tuple[bytes, bytes] | None = field(repr=False)

    @property
    def url(self) -> str:
        """The proxy's URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy that the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, ...) names for a host.

    None for this very machine: a proxy could not reach it, and would be told the key in clear.
    """
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or is_loopback(host) or proxy_bypass(f"{host}:{port}"):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.hostname:
        return None
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
    default_port = {"https": 443, "socks5": 1080, "socks5h": 1080}.get(parts.scheme, 80)
    return Proxy(parts.scheme, parts.hostname, parts.port or default_port, auth)


@cache
def socket_options() -> tuple[tuple[int, int, int], ...]:
    """TCP settings that notice a peer behind a NAT or balancer that has silently gone."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", 60),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 120_000),
    ):
        number = getattr(socket, name, None)
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return tuple(options)
