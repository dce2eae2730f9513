"""Sends the requests of the probe through the library's own connections: proxies, certificates, time-outs."""

from __future__ import annotations

from melious.errors import MeliousError
from melious.exchange.request import Limits, Request
from melious.http._sync.driver import SyncDriver
from melious.probe.asking import Ask, Key, Seen
from melious.settings.config import ClientConfig, timeout_for
from melious.wire import codec

WRONG_KEY = "sk-mel-invented-by-melious-probe"
_BOUNDARY = "melious-probe-5f3c9a"


class Wire:
    """Sends requests one after the other, each once.

    Args:
        base_url: The service.
        timeout: Seconds for each answer.
        allow_insecure_http: Let the key go unencrypted to a host other than this machine.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
    """

    def __init__(
        self, base_url: str | None, timeout: float | None, *, allow_insecure_http: bool = False
    ) -> None:
        usual = ClientConfig.resolve(
            base_url=base_url, timeout=timeout, allow_insecure_http=allow_insecure_http, max_retries=0
        )
        wrong = ClientConfig.resolve(
            api_key=WRONG_KEY, base_url=base_url, timeout=timeout, allow_insecure_http=allow_insecure_http
        )
        self.config = usual
        self._drivers: dict[Key, SyncDriver] = {
            "usual": SyncDriver(usual),
            "wrong": SyncDriver(wrong),
            "x-api-key": SyncDriver(usual.with_options(auth="x-api-key")),
        }

    @property
    def base_url(self) -> str:
        """The service."""
        return self.config.base_url

    def __call__(self, ask: Ask) -> Seen:
        """Send a request and give what came back."""
        try:
            response = self._drivers[ask.key].once(self._request(ask), ask.most_bytes)
        except MeliousError as error:
            return Seen(ask, failure=error.message)
        return Seen(ask, response.status, response.headers, response.body, elapsed=response.call.elapsed)

    def close(self) -> None:
        """Close the connections."""
        for driver in self._drivers.values():
            driver.close()

    def _request(self, ask: Ask) -> Request:
        headers = ask.headers
        body: bytes | None = None
        if ask.form is not None:
            body = ask.form.encoded(_BOUNDARY)
            headers = (*headers, ("content-type", f"multipart/form-data; boundary={_BOUNDARY}"))
        elif ask.body is not None:
            body = codec.dumps(ask.body)
        timeout = timeout_for(ask.endpoint, self.config.timeout)
        limits = Limits(timeout=timeout, deadline=self.config.deadline, max_retries=0)
        return Request(
            method=ask.method, path=ask.path, endpoint=ask.endpoint, limits=limits, body=body, headers=headers
        )
