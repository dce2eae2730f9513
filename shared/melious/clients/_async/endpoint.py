"""What the endpoints of a client share: send a request, read the answer, report both."""

from __future__ import annotations

from typing import TypeVar

from melious.answers.results import Result
from melious.clients.record import UsageRecorder, verify_location
from melious.exchange.request import Operation
from melious.http._async.driver import AsyncDriver
from melious.settings.config import ClientConfig

R = TypeVar("R", bound=Result)


class AsyncEndpoint:
    """An endpoint of a client."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver) -> None:
        self._config = config
        self._driver = driver

    async def _call(self, operation: Operation[R]) -> R:
        with UsageRecorder(operation.request) as record:
            result = operation.read(await self._driver.call(operation.request))
            record.answered(result)
        verify_location(result)
        return result
