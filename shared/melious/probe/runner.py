"""Asks the questions, one request at a time, until all are answered or something forbids the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from melious.catalogue import ModelCard
from melious.errors import AuthenticationError, InsufficientBalanceError, RateLimitError
from melious.exchange.ratelimit import parse_rate_limit, parse_retry_after
from melious.exchange.retry import is_malformed
from melious.probe.asking import Ask, Seen
from melious.probe.models import Choice, cards_in, choose
from melious.probe.questions import BY_CHANCE, QUESTIONS, Question
from melious.probe.questions.requests import listing, plain_chat
from melious.probe.spending import Spending
from melious.probe.verdicts import Finding, Verdict, found, not_asked, obstacle, short

_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 404, 405, 501})
"""Statuses of servers that have no list of models."""
_MOST_SILENT = 3
"""Requests in a row without an answer, after which no more are sent."""
_MOST_CANDIDATES = 4
"""Chat models that are tried, until one answers."""
_WAIT, _MOST_WAITED = 60.0, 180.0
"""Seconds to wait for the rate limit: where the service gives none, and in all."""
_ENDPOINT_OF_NEED = {"narrow": "embeddings", "audio": "transcription"}


@dataclass(frozen=True, slots=True)
class Line:
    """A question with its answer.

    Attributes:
        name: The question's name, with the model where each model is asked.
        topic: The part of the report.
        asks: The question, for people.
        finding: The answer.
        requests: The names of the requests that were judged.
    """

    name: str
    topic: str
    asks: str
    finding: Finding
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        requests: How many requests it will send.
        free: How many of them are not billed.
        most_cost: EUR that they can cost at most.
        models: The models that are asked.
    """

    requests: int
    free: int
    most_cost: Decimal
    models: tuple[str, ...]


class Probe:
    """One run of the probe.

    Args:
        wire: Sends a request.
        limit: EUR that may be spent.
        wanted: The chat models to ask; the cheapest by default.
        sleep: Waits for some seconds.
        clock: The time in epoch seconds.

    Attributes:
        lines: The questions answered so far.
        seen: What came back, in the order of sending.
        spending: What it cost.
    """

    def __init__(
        self,
        wire: Callable[[Ask], Seen],
        limit: Decimal,
        wanted: Sequence[str] = (),
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lines: list[Line] = []
        self.seen: list[Seen] = []
        self.spending = Spending(limit)
        self._wire = wire
        self._wanted = wanted
        self._sleep = sleep
        self._clock = clock
        self._answers: dict[str, Seen] = {}
        self._stopped: Finding | None = None
        self._no_credit = ""
        self._silent = 0
        self._waited = 0.0
        self._choice = Choice(None)
        self._settled = False
        self._pending: list[tuple[Question, ModelCard | None]] = []

    @property
    def trouble(self) -> str:
        """Why questions were left out: no answer came, or the key was refused or may spend nothing."""
        return self._no_credit if self._stopped is None else self._stopped.said

    def prepare(self) -> Plan:
        """Request the list of models, which is free, and plan the rest."""
        outcome = self._ask(listing())
        listed = outcome.fields if isinstance(outcome, Seen) else {}
        if isinstance(outcome, Seen) and (
            outcome.status in _ELSEWHERE or (outcome.is_success and not listed)
        ):
            self._stopped = found(f"this is not Melious: {short(outcome)}", Verdict.UNREACHABLE)
        self._choice = choose(cards_in(listed), self._wanted)
        each = [question for question in QUESTIONS if question.each_model]
        for question in QUESTIONS:
            if question.each_model:
                if question is each[0]:
                    self._pending += [(some, card) for card in self._choice.features for some in each]
            else:
                self._pending.append((question, None))
        asks = {ask.name: ask for question, card in self._pending for ask in self._asks(question, card)}
        self._pending.reverse()
        return Plan(
            len(asks),
            sum(not ask.most_cost for ask in asks.values()),
            sum((ask.most_cost for ask in asks.values()), Decimal(0)),
            _models(self._choice),
        )

    def run(self, on_line: Callable[[Line], object]) -> None:
        """Ask all questions.

        Args:
            on_line: Called with each line.
        """
        while self._pending:
            question, card = self._pending[-1]
            if question.needs == "chat" and not self._settled:
                self._settle()
            line = self._line(question, card)
            self._pending.pop()
            self.lines.append(line)
            on_line(line)
        for question in BY_CHANCE:
            line = _line_of(question, None, question.judge(self.seen))
            self.lines.append(line)
            on_line(line)

    def abandon(self, why: str) -> None:
        """Fill in the questions that were not asked."""
        while self._pending:
            question, card = self._pending.pop()
            self.lines.append(_line_of(question, card, not_asked(why)))

    def _settle(self) -> None:
        """Find the cheapest chat model that answers: some are listed and not served."""
        self._settled = True
        for card in self._choice.candidates[:_MOST_CANDIDATES]:
            choice = self._choice.asking(card)
            outcome = self._ask(plain_chat(choice)[0])
            if not isinstance(outcome, Seen):
                return
            if outcome.is_answered:
                unserved, self._choice = self._choice.chat, choice
                if not self._wanted and card not in choice.features:
                    self._pending = [
                        (some, card if asked == unserved else asked) for some, asked in self._pending
                    ]
                return

    def _asks(self, question: Question, card: ModelCard | None) -> Sequence[Ask]:
        choice = self._choice if card is None else self._choice.asking(card)
        lacks = question.needs and getattr(choice, question.needs) is None
        return () if lacks else question.sends(choice)

    def _line(self, question: Question, card: ModelCard | None) -> Line:
        if question.needs and getattr(self._choice, question.needs) is None:
            kind = _ENDPOINT_OF_NEED.get(question.needs, question.needs)
            return _line_of(question, card, not_asked(f"the list has no model for {kind}"))
        answers: list[Seen] = []
        for ask in self._asks(question, card):
            outcome = self._ask(ask)
            if not isinstance(outcome, Seen):
                return _line_of(question, card, outcome, answers)
            answers.append(outcome)
        hindrance = obstacle(answers, question.takes)
        more = question.follows(answers) if question.follows is not None and hindrance is None else None
        if more is not None:
            outcome = self._ask(more)
            if not isinstance(outcome, Seen):
                return _line_of(question, card, outcome, answers)
            answers.append(outcome)
            hindrance = obstacle(answers, question.takes)
        return _line_of(question, card, hindrance or question.judge(answers), answers)

    def _ask(self, ask: Ask) -> Seen | Finding:
        """What came back to a request; a finding where it must not be sent."""
        if ask.name in self._answers:
            return self._answers[ask.name]
        hindrance = self._hindrance(ask)
        if hindrance is not None:
            return hindrance
        seen = self._sent(ask)
        if isinstance(seen.refusal, RateLimitError):
            seconds = self._seconds_to_wait(seen)
            if self._waited + seconds > _MOST_WAITED:
                self._stopped = not_asked("the rate limit was reached")
            else:
                self._waited += seconds
                self._sleep(seconds)
                seen = self._sent(ask)
        elif seen.refusal is not None and is_malformed(seen.refusal) and ask.most_cost:
            seen = self._sent(ask)  # the service says so of sound requests too, and rarely twice
        self._answers[ask.name] = seen
        self._learn(seen)
        return seen

    def _sent(self, ask: Ask) -> Seen:
        seen = self._wire(ask)
        self.seen.append(seen)
        self.spending.add(seen)
        return seen

    def _hindrance(self, ask: Ask) -> Finding | None:
        stopped = self._stopped
        if stopped is not None and (ask.key != "wrong" or Verdict.UNREACHABLE in stopped.verdicts):
            return stopped
        if ask.most_cost and self._no_credit:
            return not_asked(self._no_credit)
        if not self.spending.allows(ask):
            return not_asked(f"it might cost more than is left of {self.spending.limit.normalize():f} EUR")
        return None

    def _learn(self, seen: Seen) -> None:
        """Stop what has become pointless."""
        if seen.status is None:
            self._silent += 1
            if self._silent == _MOST_SILENT or len(self._answers) == 1:
                self._stopped = found(seen.failure, Verdict.UNREACHABLE)
            return
        self._silent = 0
        if isinstance(seen.refusal, AuthenticationError) and seen.ask.key == "usual":
            self._stopped = not_asked("the service refused the key")
        if isinstance(seen.refusal, InsufficientBalanceError):
            self._no_credit = "the balance is used up"

    def _seconds_to_wait(self, seen: Seen) -> float:
        now = self._clock()
        seconds = parse_retry_after(seen.headers, now)
        limit = parse_rate_limit(seen.headers, now)
        if seconds is None and limit is not None:
            seconds = limit.reset_after
        return _WAIT if seconds is None else seconds


def _line_of(
    question: Question, card: ModelCard | None, finding: Finding, answers: Sequence[Seen] = ()
) -> Line:
    name = question.name if card is None else f"{question.name} ({card.id})"
    return Line(name, question.topic, question.asks, finding, tuple(seen.ask.name for seen in answers))


def _models(choice: Choice) -> tuple[str, ...]:
    cards = (choice.chat, *choice.features, choice.embeddings, choice.narrow, choice.rerank, choice.audio)
    return tuple(dict.fromkeys(card.id for card in cards if card is not None))
