"""A call's record: what its sinks and observers are given, once and in order, however the call ends."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from melious import APIConnectionError, ResidencyError
from melious.answers.reading import set_source
from melious.answers.results import ChatCompletion
from melious.clients import outcomes
from melious.clients.outcomes import CallOutcome
from melious.clients.record import UsageRecorder
from melious.exchange.opened import OpenStream
from melious.exchange.request import CallSummary
from melious.impact import Entry
from melious.routing.residency import ResidencyRule
from melious.routing.terms import RoutingTerms
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

from .exchanges import request_with


@dataclass
class Sink:
    """Keeps what it is given."""

    entries: list[Entry] = field(default_factory=list)

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)


@dataclass
class Observer:
    """Keeps what it is told, in order."""

    seen: list[str | CallOutcome] = field(default_factory=list)

    def opened(self) -> None:
        self.seen.append("opened")

    def ended(self, outcome: CallOutcome) -> None:
        self.seen.append(outcome)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    observer = Observer()
    monkeypatch.setattr(outcomes, "observers", (lambda _request: observer,))
    return observer


def recorder(sink: Sink, **terms: Any) -> UsageRecorder:
    routing = RoutingTerms("glm-4.7", "eco", **terms)
    return UsageRecorder(request_with(sinks=(sink,), routing=routing))


def stream(routing: RoutingTerms) -> OpenStream:
    head = Head(200, {"content-type": "text/event-stream"})
    parser = ChatStreamParser(head)
    parser.feed(
        b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    )
    return OpenStream(parser, (), head, CallSummary(attempts=2, routing=routing), 0.0)


def failure(attempts: int) -> APIConnectionError:
    error = APIConnectionError("it broke")
    error.attempts = attempts
    return error


def test_an_answer_is_recorded_once_with_how_it_was_routed(sink: Sink, observer: Observer) -> None:
    answer = ChatCompletion()
    set_source(answer, {"usage": {"prompt_tokens": 9}}, answer.meta)
    with recorder(sink) as record:
        record.answered(answer)
        record.answered(answer)
    (entry,) = sink.entries
    assert (entry.model, entry.routing, entry.usage) == ("glm-4.7", "eco", {"prompt_tokens": 9})
    assert (entry.answered, entry.failed) == (True, False)
    assert len(observer.seen) == 1


@pytest.mark.parametrize(("attempts", "recorded"), [(1, 1), (0, 0)])
def test_a_failure_reaches_the_sinks_only_if_something_was_sent(
    sink: Sink, observer: Observer, attempts: int, recorded: int
) -> None:
    error = failure(attempts)
    with pytest.raises(APIConnectionError), recorder(sink):
        raise error
    assert [(entry.answered, entry.failed) for entry in sink.entries] == [(False, True)] * recorded
    (outcome,) = observer.seen
    assert isinstance(outcome, CallOutcome)
    assert outcome.error is error


def failure_after(record: UsageRecorder) -> APIConnectionError:
    record.answered(ChatCompletion())
    return failure(1)


def test_an_error_after_the_answer_is_no_second_entry(sink: Sink) -> None:
    record = recorder(sink)
    with pytest.raises(APIConnectionError), record:
        raise failure_after(record)
    assert [entry.failed for entry in sink.entries] == [False]


def test_a_stream_is_recorded_before_its_location_is_verified(sink: Sink, observer: Observer) -> None:
    terms = RoutingTerms("glm-4.7", "eco", residency=ResidencyRule("raise", ("DE",)))
    record = recorder(sink).begin()
    record.opened()
    with pytest.raises(ResidencyError):
        record.stream_ended(stream(terms), True)
    assert [entry.residency for entry in sink.entries] == ["unverified"]
    assert observer.seen[0] == "opened"
    assert len(observer.seen) == 2


def test_a_stream_that_was_not_read_to_its_end_is_recorded_and_not_verified(sink: Sink) -> None:
    terms = RoutingTerms("glm-4.7", "eco", residency=ResidencyRule("raise", ("DE",)))
    recorder(sink).begin().stream_ended(stream(terms), False)
    assert len(sink.entries) == 1
