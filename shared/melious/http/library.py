"""The HTTP library under the drivers: httpx2 if it is installed, else httpx; imported only here.

The pools use the library's own connection layer (httpcore2, httpcore), whose network backend lets a deadline
bound every read.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import socket
import ssl
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple, TypeAlias, TypeVar

from melious._version import __version__
from melious.errors import ConfigurationError

Verify: TypeAlias = bool | str | ssl.SSLContext

T = TypeVar("T")

_logger = logging.getLogger("melious")

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_NOTHING_HASHED = "the directory {!r} has no certificate under a name that OpenSSL looks for"
_REHASH = "Prepare the directory with `openssl rehash`, or name a file of certificates in PEM"

KEEPALIVE_EXPIRY = 30.0
"""Seconds after which an idle connection is not used again."""


class Library(NamedTuple):
    """The chosen library: its name and version, and its connection layer."""

    name: str
    version: str
    core: ModuleType


@cache
def library() -> Library:
    """Import the library, at the first request."""
    name = "httpx2" if find_spec("httpx2") is not None else "httpx"
    return Library(name, metadata.version(name), import_module(name.replace("httpx", "httpcore")))


@cache
def user_agent() -> str:
    """The `User-Agent` of requests."""
    chosen = library()
    return f"melious-python/{__version__} ({chosen.name}/{chosen.version}; py/{platform.python_version()})"


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """The TLS settings, loaded once per process and value: loading the certificates takes some 25 ms.

    Args:
        verify: True for the system's certificates (respecting `SSL_CERT_FILE` and `SSL_CERT_DIR`), a
            path to a CA file or directory, a context to use unchanged, or False to check nothing.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    return _ssl_context(verify, *certificate_variables())


def certificate_variables() -> tuple[str | None, str | None]:
    """The file and the directory of certificates that the environment names."""
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


def check_certificate_variables() -> None:
    """Check that what `SSL_CERT_FILE` and `SSL_CERT_DIR` name exists; it is not read."""
    if "SSL_CERT_FILE" not in os.environ and "SSL_CERT_DIR" not in os.environ:
        return  # cheap, since every client is checked
    file, folder = certificate_variables()
    if file and not os.path.isfile(file):  # noqa: PTH113 - pathlib costs more than making a client
        raise ConfigurationError(
            f"SSL_CERT_FILE: there is no file {file!r}",
            advice="Name a file of certificates in PEM, or unset it",
        )
    if folder and not any(map(os.path.isdir, folder.split(os.pathsep))):
        raise ConfigurationError(
            f"SSL_CERT_DIR: there is no directory {folder!r}",
            advice="Name a directory that `openssl rehash` has prepared, or unset it",
        )


@lru_cache(maxsize=16)
def _ssl_context(verify: bool | str, cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:  # noqa: FBT001
    if isinstance(verify, str):
        if not os.path.exists(verify):  # noqa: PTH110 - at the edge to OpenSSL
            raise ConfigurationError(f"verify: there is no file or directory {verify!r}")
        return _loaded("verify", verify, ssl.create_default_context)
    context = ssl.create_default_context()
    if not verify:
        _logger.warning("verify=False: certificates are not checked, so the network can read the key")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    check_certificate_variables()
    if cert_file:  # OpenSSL has read it already, but reports no errors
        _loaded("SSL_CERT_FILE", cert_file, context.load_verify_locations)
    elif not context.cert_store_stats()["x509_ca"]:
        if not cert_dir:
            _load_certifi(context)
        elif not any(map(_has_certificates, cert_dir.split(os.pathsep))):
            raise ConfigurationError(f"SSL_CERT_DIR: {_NOTHING_HASHED.format(cert_dir)}", advice=_REHASH)
    return context


def _loaded(source: str, path: str, load: Callable[..., T]) -> T:
    """Load a file or directory of certificates."""
    folder = os.path.isdir(path)  # noqa: PTH112 - only the kind is asked, at the edge to OpenSSL
    if folder and not _has_certificates(path):
        raise ConfigurationError(f"{source}: {_NOTHING_HASHED.format(path)}", advice=_REHASH)
    try:
        return load(cafile=None if folder else path, capath=path if folder else None)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{source}: {path!r} is not a file of certificates in PEM") from error
    except OSError as error:
        raise ConfigurationError(f"{source}: {path!r} cannot be read: {error.strerror}") from error


def _has_certificates(folder: str) -> bool:
    """Whether a directory has a file under a name that OpenSSL looks for."""
    try:
        return any(_HASHED.fullmatch(name) for name in os.listdir(folder))  # noqa: PTH208 - as above
    except OSError:
        return False


def _load_certifi(context: ssl.SSLContext) -> None:
    """Load certifi's certificates, on systems that have none where OpenSSL looks."""
    import certifi  # noqa: PLC0415 - only on such systems

    context.load_verify_locations(cafile=certifi.where())


@cache
def socket_options() -> tuple[tuple[int, int, int], ...]:
    """TCP settings that detect a peer that has silently gone, such as behind a NAT or load balancer."""
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
