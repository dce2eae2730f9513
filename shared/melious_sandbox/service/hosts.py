"""Names and addresses of hosts: read from headers, and whether they mean this machine."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_AUTHORITY = re.compile(rf"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>{_NAME})\.?)(?::(?P<port>[0-9]{{0,5}}))?")
_LARGEST_PORT = 65_535
LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
MOST_SHOWN = 100


class MalformedHostError(ValueError):
    """A ``Host`` header is not a host and an optional port."""


def host_name(authority: str) -> str:
    """Give the host of ``host[:port]``, in lower case, without brackets and without a final dot."""
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None or int(match["port"] or 0) > _LARGEST_PORT:
        raise MalformedHostError(f"{authority[:MOST_SHOWN]!r} is not a host with an optional port")
    if match["v6"] is None:
        return match["name"]
    try:
        return str(ipaddress.IPv6Address(match["v6"]))
    except ValueError:
        raise MalformedHostError(f"{authority[:MOST_SHOWN]!r} does not hold an IPv6 address") from None


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Whether a name or an address in plain form can only mean this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def reachable(bound: str) -> str:
    """Give the host by which clients on this machine reach a sandbox, also one bound to every address."""
    return LOOPBACK_OF.get(plain_host(bound), bound)


def plain_host(host: str) -> str:
    """Give a host as ``host_name`` gives it; an IPv6 address stands without brackets."""
    return host_name(f"[{host}]" if ":" in host else host)


def host_of_origin(origin: str) -> str:
    """Give the host of an origin; "" for ``null`` and for what is not an origin."""
    try:
        return host_name(urlsplit(origin).netloc)
    except ValueError:
        return ""
