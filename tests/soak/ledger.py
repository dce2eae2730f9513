"""What the server knows of each call, held against what its caller says; forgets what is settled."""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

SETTLED = 4096
"""How many settled calls are remembered, for requests that come after the end of their call."""


@dataclass(slots=True)
class Record:
    """One call as the server saw it; `played` names what was done to its requests."""

    requests: int = 0
    delivered: bool = False
    begun: bool = False
    played: list[str] = field(default_factory=list)


class Ledger:
    """Counts requests and deliveries by the id of their call.

    Attributes:
        counts: What was counted; all but `requests` and `faults` must stay zero.
        notes: What had been played to the calls that something was wrong with.
    """

    def __init__(self, max_retries: int) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._most = 1 + max_retries
        self._open: dict[str, Record] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()

    def request(self, call: str) -> Record:
        """A request came."""
        self.counts["requests"] += 1
        if call in self._settled:
            self._wrong("after the end of the call")
            return Record()
        record = self._open.setdefault(call, Record())
        record.requests += 1
        if record.delivered:
            self._wrong("sent again after delivery", record)
        elif record.begun:
            self._wrong("stream sent again after its first chunk", record)
        return record

    def _wrong(self, what: str, record: Record | None = None) -> None:
        self.counts[what] += 1
        self.notes[f"{what}: {', '.join(record.played) if record else 'who knows'}"] += 1

    def settle(self, call: str, outcome: str, attempts: int) -> None:
        """Its caller says how a call ended: `ok` or `error`, and how many requests it took; 0 for unknown."""
        record = self._open.pop(call, Record())
        if outcome == "ok" and not record.delivered:
            self._wrong("lost", record)
        if record.requests > self._most:
            self._wrong("more than 1 + max_retries", record)
        if attempts and record.requests > attempts:
            self._wrong("more than the caller was told", record)
        self._settled[call] = None
        if len(self._settled) > SETTLED:
            self._settled.popitem(last=False)
