"""Which hosts a request may name: a pure rule over ``Host`` and ``Origin``.

A web page can point a name of its own at this machine and then reach whatever listens here (DNS rebinding),
and can post simple forms without asking. Browsers always send both names, so the names decide.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_AUTHORITY = re.compile(rf"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>{_NAME})\.?)(?::(?P<port>[0-9]{{0,5}}))?")
_LARGEST_PORT = 65_535
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_MOST_SHOWN = 100


class MalformedHostError(ValueError):
    """A ``Host`` header is not a host and an optional port."""


class ForeignHostError(ValueError):
    """A request names a host, or comes from a web page, that is not allowed."""


def host_name(authority: str) -> str:
    """Give the host of ``host[:port]``, in lower case, without brackets and without a final dot.

    >>> host_name("LOCALHOST.:8321"), host_name("[::1]")
    ('localhost', '::1')
    """
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None or int(match["port"] or 0) > _LARGEST_PORT:
        raise MalformedHostError(f"{authority[:_MOST_SHOWN]!r} is not a host with an optional port")
    if match["v6"] is None:
        return match["name"]
    try:
        return str(ipaddress.IPv6Address(match["v6"]))
    except ValueError:
        raise MalformedHostError(f"{authority[:_MOST_SHOWN]!r} does not hold an IPv6 address") from None


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Whether a name or an address in plain form can only mean this machine.

    >>> [is_loopback(name) for name in ("sandbox.localhost", "127.0.0.2", "localhost.evil.example")]
    [True, True, False]
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def reachable(bound: str) -> str:
    """Give the host by which clients on this machine reach a sandbox, also one bound to every address.

    >>> reachable("0.0.0.0"), reachable("sandbox.localhost")
    ('127.0.0.1', 'sandbox.localhost')
    """
    return _LOOPBACK_OF.get(_plain(bound), bound)


class AllowedHosts:
    """The hosts that a request may name.

    Bound to loopback: names of this machine and those in ``allowed``. Bound elsewhere: any name, unless some
    are allowed; then these, names of this machine, and the address that the client connected to.
    """

    def __init__(self, bound: str, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(map(_plain, allowed))
        self._bound = _plain(bound)

    def check(self, host: str | None, origins: Iterable[str], address: str) -> None:
        """Check the ``Host`` header and every ``Origin`` header of a request.

        Args:
            host: The ``Host`` header; None where HTTP/1.0 sent none.
            origins: Every ``Origin`` header.
            address: The address of this machine that the client connected to.
        """
        name = None if host is None else host_name(host)
        on_loopback = self._bound not in _LOOPBACK_OF and is_loopback(address)
        if not self._allowed and not on_loopback:
            return
        if name is not None and not self._allows(name, address):
            raise ForeignHostError(
                f"The sandbox does not answer to the host {name[:_MOST_SHOWN]!r}. "
                "Use http://localhost, or name the host in allowed_hosts (--allowed-hosts)."
            )
        for origin in origins:
            if not self._allows(_host_of_origin(origin), address):
                raise ForeignHostError(
                    f"The sandbox does not answer to web pages of {origin[:_MOST_SHOWN]!r}. "
                    "Name their host in allowed_hosts (--allowed-hosts) if they are yours."
                )

    def _allows(self, name: str, address: str) -> bool:
        return name in self._allowed or name in (self._bound, address) or is_loopback(name)


def _plain(host: str) -> str:
    return host_name(f"[{host}]" if ":" in host else host)


def _host_of_origin(origin: str) -> str:
    """Give the host of an origin; "" for ``null`` and for what is not an origin."""
    try:
        return host_name(urlsplit(origin).netloc)
    except ValueError:
        return ""
