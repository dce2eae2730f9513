"""Which proxy the environment names for a host, and which hosts it exempts.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are read in upper and lower case, lower case first, as
in the standard library. They are checked like arguments: an invalid one is a `ConfigurationError` that names
the variable and repeats nothing that could be part of a password. If none is set, the settings of the system
(macOS, Windows) are used.

URLs may start with `http`, `https`, `socks5` and `socks5h`; SOCKS needs the extra `socks`. `socks5` means the
same as `socks5h` here: the proxy resolves the name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

from melious.errors import ConfigurationError
from melious.settings.base_url import host_problem, is_loopback, is_port

PORTS: Mapping[str, int] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""The supported schemes of proxies, and their default ports."""

_OTHER_SCHEMES = frozenset(
    {"socks", "socks4", "socks4a", "ftp", "tcp", "ws", "wss", "quic", "direct", "file"}
)
"""Schemes that errors may name; another word before `://` might be part of a password."""

PROXY_AUTHENTICATION = 407
"""The status with which a proxy asks for a login."""

_SYSTEM = "the system's proxy settings"
_SOCKS_LOGIN_BYTES = 255
_SOCKS_LOGIN_WORDS = ("username/password", "no authentication", "no acceptable methods")
"""What httpcore says of a login that a SOCKS proxy refused or asked for."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names.

    Attributes:
        scheme: One of `PORTS`.
        host: Its host.
        port: Its port.
        auth: User and password, or None.
        source: The variable that names it.
    """

    scheme: str
    host: str
    port: int
    auth: tuple[bytes, bytes] | None = field(repr=False)
    source: str = field(default="", compare=False)

    @property
    def url(self) -> str:
        """The proxy's URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme.startswith("socks")


def proxy_for(scheme: str, host: str, port: int, transport: str = "httpx") -> Proxy | None:
    """The proxy that the environment names for a host, or a `ConfigurationError` if it is invalid.

    None for this machine: a proxy could not reach it, and would get the key unencrypted.
    """
    variables = _variables()
    source = _source(scheme, variables)
    if source is None or _exemption(host, port, variables) is not None:
        return None
    # No frame of the error may contain the text: it may contain a password.
    read = _read(source, scheme)
    if isinstance(read, str):
        raise ConfigurationError(
            f"{source}: {read}",
            advice=f"Write {source} as http://user:password@host:port, with or without the user, or unset it",
        )
    if read.is_socks:
        _check_socks(read, transport)
    return read


def variable_for(scheme: str) -> str | None:
    """The variable that names the proxy for a scheme; None if there is none."""
    return _source(scheme, _variables())


def _source(scheme: str, variables: Mapping[str, str]) -> str | None:
    found = variables.get(f"{scheme}_proxy") or variables.get("all_proxy")
    if found is None and not variables:
        system = getproxies()
        found = _SYSTEM if system.get(scheme) or system.get("all") else None
    return found


def exemption(host: str, port: int) -> str | None:
    """Why a host is exempt from the proxy; None if it is not."""
    return _exemption(host, port, _variables())


def _exemption(host: str, port: int, variables: Mapping[str, str]) -> str | None:
    if is_loopback(host):
        return "it is this machine"
    if not variables:
        return f"{_SYSTEM} exempt it" if proxy_bypass(f"{host}:{port}") else None
    variable = variables.get("no_proxy")
    if variable is None or not exempts(os.environ.get(variable, ""), host, port):
        return None
    return f"{variable} exempts it"


def exempts(no_proxy: str, host: str, port: int) -> bool:
    """Whether a list of exemptions covers a host.

    Its entries, separated by commas or blanks, are `*`; `name` and `.name`, which cover the name and its
    subdomains; `*.name`, which covers its subdomains; an address; a network (`10.0.0.0/8`,
    `2001:db8::/32`). A name or an address may end in `:port`; an IPv6 address may be in brackets, and
    must be if a port follows. Case and a final dot are ignored. Any other entry covers nothing.

    Args:
        no_proxy: The list, as in `NO_PROXY`.
        host: The host, without brackets.
        port: The port.
    """
    name = host.lower().rstrip(".")
    address = _address(name)
    return any(
        _covers(entry, name, address, port) for entry in re.split(r"[\s,]+", no_proxy.lower()) if entry
    )


def _covers(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if "/" in entry:
        try:
            network = ip_network(entry.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            return False
        return address is not None and address in network
    ported = re.fullmatch(r"(\[[^\[\]]*\]|[^:]*):([0-9]+)", entry)
    if ported is not None:
        entry = ported[1]
        if ported[2].lstrip("0") != str(port):
            return False
    entry = entry.removeprefix("[").removesuffix("]").rstrip(".").replace("%25", "%")
    if address is not None and (exempted := _address(entry)) is not None:
        return address == exempted
    if "*" in entry:
        return re.fullmatch(re.escape(entry).replace(r"\*", ".*"), host) is not None
    if not entry.isascii():
        try:
            entry = entry.encode("idna").decode()
        except UnicodeError:
            return False
    entry = entry.lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _variables() -> dict[str, str]:
    """The proxy variables that are set, by their lower-case names.

    As in the standard library, lower case comes first, and an empty lower-case variable means none;
    under CGI `HTTP_PROXY` is ignored, since a request's header could set it.
    """
    found: dict[str, str] = {}
    names = [name for name in os.environ if name[-6:].lower() == "_proxy"]
    for name in names:
        if not name.islower() and os.environ.get(name, "").strip():
            found[name.lower()] = name
    if "REQUEST_METHOD" in os.environ:
        found.pop("http_proxy", None)
    for name in names:
        if name.islower():
            found.pop(name, None)
            if os.environ.get(name, "").strip():
                found[name] = name
    return found


def _read(source: str, scheme: str) -> Proxy | str:
    """The proxy that a variable names, or what is wrong, without any part of its text."""
    if source == _SYSTEM:
        system = getproxies()
        text = system.get(scheme) or system.get("all") or ""
    else:
        text = os.environ.get(source, "")
    return read_proxy(text, source)


def read_proxy(text: str, source: str) -> Proxy | str:
    """Read the URL of a proxy; gives the proxy, or what is wrong, without any part of the URL."""
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f]", text):
        return "the URL of the proxy contains a blank, a line break or another control character"
    written = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    scheme = written[1].lower() if written else "http"
    if scheme not in PORTS:
        return _refused(scheme)
    rest = text[written.end() :] if written else text
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        return "its user or password contains a '/', '?', '#' or '\\': write it as %2F, %3F, %23 or %5C"
    login, at, place = authority.rpartition("@")
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?", place)
    if found is None:
        return "the host of the proxy is not valid: an IPv6 address must be in brackets, [::1]"
    host, port = found[1].strip("[]").lower().removesuffix("."), found[2]
    if found[1].startswith("["):
        host = host.replace("%25", "%")  # the zone of an address, as URLs write it
    problem = host_problem(host, bracketed=found[1].startswith("["))
    if problem:
        return f"the host of the proxy {problem}"
    if port and not is_port(port):
        return "the port of the proxy is not a number from 1 to 65535"
    auth = _login(login) if at and login else None
    if isinstance(auth, str):
        return auth
    if auth is not None and scheme.startswith("socks") and max(map(len, auth)) > _SOCKS_LOGIN_BYTES:
        return f"SOCKS takes a user and a password of at most {_SOCKS_LOGIN_BYTES} bytes"
    return Proxy(scheme, host, int(port) if port else PORTS[scheme], auth, source)


def _refused(scheme: str) -> str:
    known = ", ".join(f"{scheme}://" for scheme in PORTS)
    if scheme in _OTHER_SCHEMES:
        return f"{scheme}:// proxies are not supported, only {known}"
    return f"its scheme must be one of {known}"


def _login(text: str) -> tuple[bytes, bytes] | str:
    user, _, password = text.partition(":")
    try:
        # Parts of the environment that are not UTF-8 are sent as their bytes.
        pair = tuple(unquote_to_bytes(part.encode("utf-8", "surrogateescape")) for part in (user, password))
    except UnicodeEncodeError:
        return "its user or password contains a character that cannot be encoded"
    if b":" in pair[0]:
        return "the user of a proxy must not contain a ':'"
    return pair[0], pair[1]


def _check_socks(proxy: Proxy, transport: str) -> None:
    named = f"{proxy.source}: {proxy.url} is a SOCKS proxy"
    if transport == "aiohttp":
        raise ConfigurationError(
            f"{named}, which async_transport='aiohttp' does not support",
            advice="Use async_transport='httpx', the default, or an http:// proxy",
        )
    if find_spec("socksio") is None:
        raise ConfigurationError(f"{named}, which needs the extra: pip install 'melious[socks]'")


def names_proxy(scheme: str) -> bool:
    """Whether a variable in its usual spelling names a proxy; cheap enough for every client."""
    names = f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"
    return any(name in os.environ for name in names)


def connect_words(proxy: Proxy, host: str, *, timed_out: bool, refused: bool, handshake: bool) -> str:
    """The start of the message for a failed connection through a proxy.

    The proxy `refused` it, or TLS with the host failed (`handshake`), which a proxy only passes on.
    """
    named = f"the proxy {proxy.url} (from {proxy.source})"
    if refused:
        return f"{named} did not connect to {host}"
    if timed_out:
        return f"took too long to connect to {host} through {named}"
    return f"could not connect to {host} through {named}" if handshake else f"could not connect to {named}"


def login_problem(proxy: Proxy, said: str) -> str | None:
    """What is wrong with the login at a proxy, if the failure is about that."""
    socks = any(each in said.lower() for each in _SOCKS_LOGIN_WORDS)
    if not (said.startswith(str(PROXY_AUTHENTICATION)) or (proxy.is_socks and socks)):
        return None
    login = "does not accept the user and password" if proxy.auth else "asks for a login"
    return (
        f"the proxy {proxy.url} {login} (proxy authentication): {said} - write {proxy.source} as "
        f"{proxy.scheme}://user:password@host:port"
    )
