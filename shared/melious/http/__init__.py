"""Bytes to sockets and back: connections, proxies, TLS, and the drivers of `exchange`."""
