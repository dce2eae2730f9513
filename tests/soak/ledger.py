"""What the server knows of each call, held against what its caller says; forgets what is settled."""

from collections import Counter, OrderedDict
from dataclasses import dataclass

SETTLED = 4096
"""How many settled calls are remembered, for requests that come after the end of their call."""


@dataclass(slots=True)
class Record:
    """One call as the server saw it."""

    requests: int = 0
    delivered: bool = False
    begun: bool = False


class Ledger:
    """Counts requests and deliveries by the id of their call.

    Attributes:
        counts: What was counted; all but `requests` and `faults` must stay zero.
    """

    def __init__(self, max_retries: int) -> None:
        self.counts: Counter[str] = Counter()
        self._most = 1 + max_retries
        self._open: dict[str, Record] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()

    def request(self, call: str) -> Record:
        """A request came."""
        self.counts["requests"] += 1
        if call in self._settled:
            self.counts["after the end of the call"] += 1
            return Record()
        record = self._open.setdefault(call, Record())
        record.requests += 1
        if record.delivered:
            self.counts["sent again after delivery"] += 1
        elif record.begun:
            self.counts["stream sent again after its first chunk"] += 1
        return record

    def settle(self, call: str, outcome: str, attempts: int) -> None:
        """Its caller says how a call ended: `ok` or `error`, and how many requests it took; 0 for unknown."""
        record = self._open.pop(call, Record())
        if outcome == "ok" and not record.delivered:
            self.counts["lost"] += 1
        if record.requests > self._most:
            self.counts["more than 1 + max_retries"] += 1
        if attempts and record.requests > attempts:
            self.counts["more than the caller was told"] += 1
        self._settled[call] = None
        if len(self._settled) > SETTLED:
            self._settled.popitem(last=False)
