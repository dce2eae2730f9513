"""The fault server: it plays one kind of fault to one call, and answers every other call as it should."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fault_calls import CALL_HEADER, ENDPOINTS, stream_events
from faults_kit import PATIENCE, Peer, RawServer, head

from melious import APITimeoutError, MeliousError

FAULTY = "fault"
"""The id of the call that is to meet the fault."""

Outcome = type[MeliousError] | None
"""What may come of a call: an error, or, as None, its own answer."""


class Ask:
    """A request that is to meet a fault, in the hands of the kind's script.

    Attributes:
        peer: The server's end of the connection.
        ended: Set once the caller's call is over.
        body: The sound answer's body.
        events: For a stream, the sound answer event by event.
    """

    def __init__(self, peer: Peer, endpoint: str, ended: threading.Event) -> None:
        self.peer = peer
        self.ended = ended
        self.endpoint = endpoint
        self.content_type = ENDPOINTS[endpoint].content_type
        self.body = ENDPOINTS[endpoint].body(FAULTY)
        self.events = stream_events(FAULTY)

    def send(self, *parts: bytes) -> None:
        """Send these bytes."""
        self.peer.send(*parts)

    def begin(self, *lines: str, status: str = "200 OK") -> None:
        """Send the head of an answer, with the content type of the sound one."""
        self.send(head(status, f"content-type: {self.content_type}", *lines))

    def whole(self, body: bytes | None = None, *lines: str, status: str = "200 OK") -> None:
        """Send an answer with its length: the sound one, or another body."""
        body = self.body if body is None else body
        self.begin(f"content-length: {len(body)}", *lines, status=status)
        self.send(body)

    def close(self) -> None:
        """Close the connection in good order."""
        self.peer.sock.close()

    def reset(self) -> None:
        """Close the connection with a RST."""
        self.peer.reset()

    def wait(self) -> None:
        """Say nothing until the call is over."""
        self.ended.wait(PATIENCE)

    def until_over(self, *parts: bytes) -> None:
        """Send this again and again until the call is over."""
        while not self.ended.wait(0.002):
            self.send(*parts)


Play = Callable[[Ask], None]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        play: What the server does with the request.
        outcomes: What may come of the call.
        on: The endpoints that the matrix plays it to.
        differs: Outcomes that hold for an endpoint or a transport instead.
        sent: How many requests the call takes, where that is fixed; for every endpoint, or for some.
        odd: The answer's content may be anything; only its id must be the call's.
        seconds: How long the client waits; short only where nothing else ends the call.
        reads: Whether the server reads the request's body before it plays.
        greets: The fault is played as soon as a connection stands, and no request is read.
        unseen: aiohttp may not see it, so that there the client's patience ends it, which is short.
        shuts: The service asks this key to wait, so that its next call may be refused by the client.
        check: A further look at the error.
    """

    play: Play
    outcomes: tuple[Outcome, ...]
    on: tuple[str, ...] = ("chat",)
    differs: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    sent: int | Mapping[str, int] | None = None
    odd: bool = False
    seconds: float = 30.0
    reads: bool = True
    greets: bool = False
    shuts: bool = False
    unseen: bool = False
    check: Callable[[Any], None] | None = None

    def outcomes_on(self, endpoint: str, transport: str) -> tuple[Outcome, ...]:
        """What may come of a call to an endpoint on a transport."""
        usual = self.differs.get(transport) or self.differs.get(endpoint) or self.outcomes
        return (*usual, APITimeoutError) if self.unseen and transport == "aiohttp" else usual

    def seconds_on(self, transport: str) -> float:
        """How long the client waits on a transport."""
        return 1.0 if self.unseen and transport == "aiohttp" else self.seconds

    def sent_on(self, endpoint: str, transport: str) -> int | None:
        """How many requests a call to an endpoint takes, where that is fixed and the outcome is the usual one."""
        if transport in self.differs:
            return None
        return self.sent.get(endpoint) if isinstance(self.sent, Mapping) else self.sent


class FaultServer(RawServer):
    """Plays a kind of fault to the call named `FAULTY`, once for each of its requests.

    Attributes:
        asked: How many requests came for each call, by the id in their head.
        ended: To be set once the faulty call is over.
    """

    def __init__(self, kind: Kind, endpoint: str) -> None:
        self.kind = kind
        self.endpoint = endpoint
        self.asked: Counter[str] = Counter()
        self.ended = threading.Event()
        self._playing = 0
        self._changed = threading.Condition()
        super().__init__(self._follow)

    def _follow(self, peer: Peer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.kind.greets and not self.ended.is_set():
            self._play(peer)
            return
        while (received := peer.request_head()) is not None:
            call = _call_of(received)
            with self._changed:
                self.asked[call] += 1
                self._playing += call == FAULTY
            if call != FAULTY:
                peer.request_body(received)
                self._answer(peer, call)
                continue
            try:
                if not self.kind.reads or peer.request_body(received):
                    self.kind.play(Ask(peer, self.endpoint, self.ended))
            finally:
                self._played()
            if not self.kind.reads:
                return

    def _answer(self, peer: Peer, call: str) -> None:
        content = ENDPOINTS[self.endpoint].body(call)
        content_type = ENDPOINTS[self.endpoint].content_type
        peer.send(head("200 OK", f"content-type: {content_type}", f"content-length: {len(content)}"), content)

    def _play(self, peer: Peer) -> None:
        with self._changed:
            self._playing += 1
        try:
            self.kind.play(Ask(peer, self.endpoint, self.ended))
        finally:
            self._played()

    def _played(self) -> None:
        with self._changed:
            self._playing -= 1
            self._changed.notify_all()

    def settle(self) -> None:
        """Say that the faulty call is over, and wait until everything is sent that the fault still sends."""
        self.ended.set()
        with self._changed:
            assert self._changed.wait_for(lambda: not self._playing, PATIENCE)


def _call_of(received: bytes) -> str:
    for line in received.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == CALL_HEADER.encode():
            return value.strip().decode()
    raise ValueError(f"no {CALL_HEADER} in {received!r}")
