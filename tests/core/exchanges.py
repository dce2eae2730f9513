"""Plays the part of a driver with values and a clock that only moves when told to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from melious import MeliousError
from melious.errors import RetryEvent
from melious.exchange.effects import Failure, Notify, ReadBody, ReadSome, Send, Sleep
from melious.exchange.exchange import Exchange, Policy, streamed, whole
from melious.exchange.gate import RateGate
from melious.exchange.opened import OpenStream
from melious.exchange.request import Limits, Otherwise, Request, Response
from melious.exchange.retry import Phase
from melious.settings.config import Timeout
from melious.wire.head import Head

EPOCH = 1_700_000_000.0


class Clock:
    """A monotonic clock of which nothing but the test knows the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        """The same moment in epoch seconds."""
        return EPOCH + self.now - 1000.0


@dataclass
class Answer:
    """What the server has to say to one attempt.

    Attributes:
        status: HTTP status.
        body: The body, or what becomes of reading it.
        headers: Headers, in lower case.
        reads: For a stream, the reads.
        takes: Seconds until it is there.
    """

    status: int = 200
    body: bytes | Failure = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    reads: tuple[bytes | Failure, ...] = ()
    takes: float = 0.1


@dataclass
class Lost:
    """An attempt that comes to nothing after so many seconds."""

    phase: Phase = Phase.CONNECT
    timed_out: bool = False
    takes: float = 0.1

    def failure(self) -> Failure:
        return Failure(self.phase, self.timed_out, "it failed")


@dataclass
class Played:
    """A call that is over."""

    outcome: Response | OpenStream | None
    error: MeliousError | None
    sends: list[Send]
    sleeps: list[float]
    clock: Clock
    told: list[RetryEvent] = field(default_factory=list)
    instead: list[Otherwise] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took, by its clock."""
        return self.clock.now - 1000.0


def request_with(**changes: Any) -> Request:
    """A chat request, with other settings."""
    limits = {name: changes.pop(name) for name in Limits._fields if name in changes}
    settings: dict[str, Any] = {
        "method": "POST",
        "path": "chat/completions",
        "endpoint": "chat",
        "limits": Limits(**({"timeout": Timeout(), "deadline": 600.0, "max_retries": 2} | limits)),
        "body": b"{}",
    }
    return Request(**(settings | changes))


def exchange(request: Request, policy: Policy) -> Exchange[Response] | Exchange[OpenStream]:
    """The plan of a call, for a stream or for a whole answer, as the request says."""
    return streamed(request, policy) if request.stream else whole(request, policy)


def middle(least: float, most: float) -> float:
    """What is drawn instead of a random number."""
    return (least + most) / 2


def policy_with(clock: Clock, **changes: Any) -> Policy:
    """A policy with a gate and a budget of its own that leaves nothing to chance: every draw is the middle."""
    usual = {"gate": RateGate(middle), "clock": clock, "wall_clock": clock.wall, "uniform": middle}
    return Policy(**(usual | changes))


def play(request: Request, answers: Iterable[Answer | Lost], policy: Policy | None = None) -> Played:
    """Drive a call; every answer must be asked for, or the test has not shown what it says."""
    clock: Any = policy.clock if policy is not None else Clock()
    coming = list(answers)
    plan = exchange(request, policy or policy_with(clock))
    played = Played(None, None, [], [], clock)
    reads: list[bytes | Failure] = []
    body: bytes | Failure = b""
    given: Any = None
    while True:
        try:
            effect = plan.send(given)
        except StopIteration as done:
            played.outcome = done.value
            break
        except MeliousError as error:
            played.error = error
            break
        if isinstance(effect, Sleep):
            clock.now += effect.seconds
            played.sleeps.append(effect.seconds)
            given = None
        elif isinstance(effect, Notify):
            played.told.append(effect.event)
            given = None
        elif isinstance(effect, Otherwise):
            played.instead.append(effect)
            given = None
        elif isinstance(effect, Send):
            played.sends.append(effect)
            assert coming, "an attempt more than expected"
            answer = coming.pop(0)
            clock.now += answer.takes
            if isinstance(answer, Lost):
                given = answer.failure()
            else:
                given, body, reads = Head(answer.status, answer.headers), answer.body, list(answer.reads)
        elif isinstance(effect, ReadBody):
            given = body
        else:
            assert isinstance(effect, ReadSome)
            given = reads.pop(0) if reads else b""
    assert not coming, f"{len(coming)} attempts fewer than expected"
    return played
