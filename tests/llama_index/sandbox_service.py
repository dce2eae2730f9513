"""The sandbox as the server of the conformance suite."""

import json
from collections.abc import Sequence

from conformance import Answer, Service

from melious.sandbox import Fault, RecordedRequest, Sandbox

SILENCE = 600.0


class SandboxService(Service):
    """A sandbox that the suite can script."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.base_url = sandbox.base_url
        self.api_key = sandbox.api_key

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        return self._sandbox.requests

    @property
    def open_connections(self) -> int:
        return self._sandbox.open_connections

    def answer(self, *answers: Answer) -> None:
        self._sandbox.faults.add(*map(_fault, answers))


def _fault(answer: Answer) -> Fault:
    if answer.stream is not None:
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in answer.stream]
        return Fault(
            raw=[*events, *(["data: [DONE]\n\n"] if answer.done else [])],
            headers=answer.headers,
            stall_after_events=answer.silent_after,
            stall_seconds=SILENCE if answer.silent_after is not None else 0.0,
            delay=answer.delay,
            times=answer.times,
        )
    return Fault(
        status=None if answer.body is None and answer.status == 200 else answer.status,
        headers=answer.headers,
        body=answer.body,
        delay=answer.delay,
        times=answer.times,
    )
