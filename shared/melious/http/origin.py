"""The address of a pool, and the settings that decide who may share it."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from melious.http.proxies import Proxy


class Origin(NamedTuple):
    """What two clients must agree on to share a pool."""

    scheme: str
    host: str
    port: int
    verify: bool | str | ssl.SSLContext = True
    max_connections: int = 256
    transport: str = "httpx"
    proxy: Proxy | None = None
    certificates: tuple[str | None, str | None] = (None, None)

    @property
    def needs_tls(self) -> bool:
        """Whether the service or the proxy uses TLS."""
        return self.scheme == "https" or (self.proxy is not None and self.proxy.scheme == "https")

    @property
    def netloc(self) -> str:
        """The `Host` header: the host and, unless it is the default, the port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"
