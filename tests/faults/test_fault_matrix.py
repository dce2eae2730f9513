"""The fault matrix: every kind of fault, on the endpoints and transports where it matters.

Whatever a server does, a call ends with its own answer or a `MeliousError` of the right class; it was sent no
more often than it may be, and says how often; its key stands in no frame of the error; and the next requests on
the same connections, of another key and of the same, get their own answers.
"""

from typing import Any

import pytest
from fault_calls import ENDPOINTS, TRANSPORTS
from fault_kinds_connection import CONNECTION
from fault_kinds_encodings import ENCODINGS
from fault_kinds_events import EVENTS
from fault_kinds_head import HEAD
from fault_kinds_json import WHOLES
from fault_kinds_statuses import STATUSES
from fault_server import FAULTY, FaultServer, Kind
from faults_kit import KEY, assert_no_key_in_frames, eventually

from melious import MeliousError, Timeout

pytestmark = pytest.mark.http_library

TABLES = {
    "connection": CONNECTION,
    "head": HEAD,
    "status": STATUSES,
    "encoding": ENCODINGS,
    "body": WHOLES,
    "events": EVENTS,
}
CELLS = [
    pytest.param(kind, endpoint, id=f"{endpoint}-{table}: {name}")
    for table, kinds in TABLES.items()
    for name, kind in kinds.items()
    for endpoint in kind.on
]
OTHER_KEY = "sk-mel-another-secret"
RETRIES = 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("kind", "endpoint"), CELLS)
def test_fault(kind: Kind, endpoint: str, transport: str) -> None:
    caller = TRANSPORTS[transport]()
    # One connection at a time: if a call kept its slot, none after it would get one.
    options: dict[str, Any] = {"timeout": 30.0, "max_connections": 1}
    patience = kind.seconds_on(transport)
    aside = "audio" if endpoint == "much audio" else endpoint
    says = ENDPOINTS[aside].says
    error = answer = None
    with FaultServer(kind, endpoint) as server:
        alice = caller.client(server.base_url, max_retries=RETRIES, **options)
        bob = caller.client(server.base_url, OTHER_KEY, max_retries=0, **options)
        if not kind.greets:
            assert says(caller.ask(aside, alice, "ready")) == "ready"
        try:
            waits = Timeout(30.0, patience, patience, patience, patience)
            answer = caller.ask(endpoint, alice, FAULTY, timeout=waits)
        except MeliousError as caught:
            error = caught
        server.settle()
        assert says(caller.ask(aside, bob, "other")) == "other"
        assert server.asked["other"] == 1
        if not kind.shuts:
            assert says(caller.ask(aside, alice, "again")) == "again"
        caller.end(alice, bob)
        allowed = kind.outcomes_on(endpoint, transport)
        _assert_outcome(allowed, error, None if error else says(answer), odd=kind.odd)
        _assert_count(kind, server, transport, error.attempts if error else _attempts(answer))
        if error is not None:
            assert_no_key_in_frames(error)
            assert KEY not in f"{error!s}{error!r}"
            if kind.check is not None:
                kind.check(error)


def _assert_outcome(allowed: tuple[Any, ...], error: MeliousError | None, said: Any, *, odd: bool) -> None:
    names = " or ".join("its own answer" if outcome is None else outcome.__name__ for outcome in allowed)
    if error is None:
        assert None in allowed, f"answered, and not with {names}"
        assert FAULTY in said if odd else said == FAULTY
    elif not isinstance(error, tuple(outcome for outcome in allowed if outcome is not None)):
        raise AssertionError(f"{type(error).__name__} and not {names}") from error


def _attempts(answer: Any) -> int | None:
    """How many requests an answer says that it took; the chunks of a stream do not say it."""
    return None if isinstance(answer, list) else answer.attempts


def _assert_count(kind: Kind, server: FaultServer, transport: str, told: int | None) -> None:
    if kind.greets:
        assert told is not None
        assert 1 <= told <= 1 + RETRIES
        assert server.asked[FAULTY] == 0
        return
    if told is not None:
        assert eventually(lambda: server.asked[FAULTY] >= told)
        assert server.asked[FAULTY] == told
    assert 1 <= server.asked[FAULTY] <= 1 + RETRIES
    sent = kind.sent_on(server.endpoint, transport)
    assert sent is None or server.asked[FAULTY] == sent
