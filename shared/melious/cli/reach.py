"""Checks that the service can be reached: proxy, DNS, connection, TLS."""

from __future__ import annotations

import socket
import ssl
import time
from urllib.parse import urlsplit

from melious.cli.checks import Check, Failed, Noted, Passed, milliseconds
from melious.errors import ConfigurationError
from melious.http.library import check_certificate_variables, ssl_context
from melious.http.proxies import exemption, proxy_for, variable_for

_DAY = 86_400.0
_SOON = 14.0


def reach(base_url: str, timeout: float) -> list[Check]:
    """Check proxy, DNS, connection and TLS handshake, each but DNS within `timeout` seconds."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    checks: list[Check] = []
    try:
        proxy = proxy_for(parts.scheme, host, port)
        if parts.scheme == "https":
            check_certificate_variables()
    except ConfigurationError as error:
        name = "TLS" if error.message.startswith("SSL_") else "proxy"
        return [Failed(name, str(error))]
    variable = variable_for(parts.scheme)
    exempt = exemption(host, port) if variable is not None else None
    if proxy is not None:
        said = f"{proxy.url}, from {proxy.source}, for {host}"
        checks.append(Passed("proxy", said, {"proxy": proxy.url, "source": proxy.source}))
        host, port = proxy.host, proxy.port
    elif exempt is not None:
        checks.append(Passed("proxy", f"not used for {host}, despite {variable}: {exempt}", {"proxy": None}))
    whose = "the proxy " if proxy is not None else ""
    began = time.monotonic()
    try:
        addresses = sorted({item[4][0] for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError) as error:
        return [*checks, Failed("DNS", f"no address found for {whose}{host}: {error}")]
    spent = _since(began)
    said = f"not needed for {host}"
    if addresses != [host]:
        more = f" and {len(addresses) - 1} more" if addresses[1:] else ""
        said = f"{host} is {addresses[0]}{more}, in {milliseconds(spent)}"
    checks.append(Passed("DNS", said, {"addresses": addresses, "seconds": spent}))
    began = time.monotonic()
    try:
        connection = socket.create_connection((host, port), timeout)
    except OSError as error:
        said = f"could not connect to {whose}{host}, port {port}: {_reason(error)}"
        return [*checks, Failed("connection", said)]
    spent = _since(began)
    checks.append(
        Passed("connection", f"port {port}, in {milliseconds(spent)}", {"port": port, "seconds": spent})
    )
    with connection:
        if parts.scheme == "https" and proxy is None:
            checks.append(_handshake(connection, host))
    return checks


def _handshake(connection: socket.socket, host: str) -> Check:
    began = time.monotonic()
    try:
        with ssl_context(verify=True).wrap_socket(connection, server_hostname=host) as secured:
            spent = _since(began)
            version = secured.version() or "TLS"
            days = _days_left(secured)
    except ssl.SSLCertVerificationError as error:
        return Failed(
            "TLS",
            f"the certificate of {host} is not trusted: {error.verify_message}; set SSL_CERT_FILE "
            "if your network has its own CA",
        )
    except ConfigurationError as error:
        return Failed("TLS", str(error))
    except OSError as error:
        said = f"the handshake with {host} failed: {_reason(error)}"
        if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
            said = f"{host} speaks plain http on this port: the base URL should begin with http://"
        return Failed("TLS", said)
    said = f"{version}, in {milliseconds(spent)}"
    facts = {"version": version, "seconds": spent, "certificate_days": days}
    if days is None:
        return Passed("TLS", said, facts)
    kind = Noted if days < _SOON else Passed
    return kind("TLS", f"{said}; the certificate expires in {days:.0f} days", facts)


def _days_left(secured: ssl.SSLSocket) -> float | None:
    end = (secured.getpeercert() or {}).get("notAfter")
    return None if not isinstance(end, str) else (ssl.cert_time_to_seconds(end) - time.time()) / _DAY


def _since(began: float) -> float:
    return round(time.monotonic() - began, 4)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
