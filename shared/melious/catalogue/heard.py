"""What services said of their models in this process.

One list for each base URL and key. However many threads and tasks ask at a time, one of them fetches and
the others wait for it; where fetching fails, what was known goes on being used. Nothing here does I/O: the
clients do, as `Shelf.turn` tells them.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from melious import forks
from melious.catalogue import shipped
from melious.catalogue.card import ModelCard, card_of
from melious.errors import MeliousError
from melious.routing.filters import split_flavor

MAX_AGE = 300.0
"""Seconds for which the service itself keeps its list."""
PATIENCE = 30.0
"""Seconds for which a caller waits for another one's request before it makes its own."""
_PAUSE = 30.0
"""Seconds after a request that failed in which an older list is good enough."""
_MOST_SHELVES = 256

logger = logging.getLogger("melious")

Cards: TypeAlias = tuple[ModelCard, ...]


class Told(NamedTuple):
    """What a service says of one model."""

    id: str
    owned_by: str | None
    meta: Mapping[str, Any] | None


@dataclass(eq=False, slots=True)
class _Flight:
    """A request under way; `landed` gives the models, the error it ended with, or None for "ask again"."""

    thread: int
    loop: object
    landed: Future[Cards | MeliousError | None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.landed.set_running_or_notify_cancel()  # one who waits cannot cancel it for the others

    def goes_on(self, thread: int, loop: object) -> bool:
        """Whether it gets anywhere while this caller waits: a task does not while its thread is blocked."""
        return self.thread != thread or (loop is not None and self.loop is loop)


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is fetching: wait until `landed` is done, `PATIENCE` seconds at most; then ask `over`."""

    landed: Future[Cards | MeliousError | None]
    _again: Callable[[bool], Cards | Wait | Fetch]

    def over(self) -> Cards | Wait | Fetch:
        """What to do after the wait.

        Raises:
            MeliousError: The request failed, and nothing was known before.
        """
        if not self.landed.done():
            return self._again(True)
        outcome = self.landed.result()
        if isinstance(outcome, MeliousError):
            raise copy.copy(outcome)
        return self._again(False) if outcome is None else outcome


@dataclass(frozen=True, slots=True)
class Fetch:
    """It is the caller who fetches, and who says what came of it, whatever that is."""

    _shelf: Shelf
    _flight: _Flight

    def succeeded(self, told: Iterable[Told]) -> Cards:
        """Keep the list, and give it to everybody who waits."""
        try:
            cards = self._shelf.learn(told)
        except BaseException:
            self._shelf.land(self._flight, None)
            raise
        self._shelf.land(self._flight, cards)
        return cards

    def failed(self, error: BaseException) -> Cards:
        """Give what was known before.

        Raises:
            BaseException: The error itself, where nothing was known or it does not come from the service.
        """
        if not isinstance(error, MeliousError):
            self._shelf.land(self._flight, None)
            raise error
        cards = self._shelf.survive(error)
        self._shelf.land(self._flight, error if cards is None else cards)
        if cards is None:
            raise error
        return cards


class Shelf:
    """What one key has heard of one service. Safe to share between threads and event loops.

    Args:
        where: The base URL, for the log.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._clock = clock
        self._lock = forks.new_lock()
        self._cards: dict[str, ModelCard] | None = None
        self._heard_at = self._failed_at = float("-inf")
        self._flight: _Flight | None = None

    def card(self, model: str) -> ModelCard | None:
        """What was heard of a model, however long ago."""
        return None if self._cards is None else self._cards.get(model)

    def turn(self, max_age: float, loop: object = None, *, alone: bool = False) -> Cards | Wait | Fetch:
        """Say what a caller who wants the models is to do: take them, wait, or fetch.

        Args:
            max_age: Seconds that the list may be old; 0 asks for a new one.
            loop: The event loop that the caller runs on; None for a blocking caller.
            alone: Wait for nobody any more.
        """
        thread = threading.get_ident()
        with self._lock:
            if self._cards is not None and not alone and self._is_good(max_age):
                return tuple(self._cards.values())
            flight = self._flight
            if flight is not None and not alone and flight.goes_on(thread, loop):
                return Wait(flight.landed, lambda alone: self.turn(max_age, loop, alone=alone))
            mine = _Flight(thread, loop)
            if flight is None or alone:
                self._flight = mine
            return Fetch(self, mine)

    def _is_good(self, max_age: float) -> bool:
        now = self._clock()
        return now - self._heard_at < max_age or (max_age > 0 and now - self._failed_at < _PAUSE)

    def learn(self, told: Iterable[Told]) -> Cards:
        """Keep a list that the service gave."""
        cards = {item.id: card_of(item.id, item.owned_by, item.meta, shipped.find(item.id)) for item in told}
        with self._lock:
            self._cards, self._heard_at, self._failed_at = cards, self._clock(), float("-inf")
        return tuple(cards.values())

    def survive(self, error: MeliousError) -> Cards | None:
        """Note that there was no new list; gives the older one, if there is one."""
        with self._lock:
            if self._cards is None:
                return None
            self._failed_at = self._clock()
            age = self._failed_at - self._heard_at
            cards = tuple(self._cards.values())
        logger.warning("%s gave no list of models; one from %.0f s ago is used: %s", self._where, age, error)
        return cards

    def land(self, flight: _Flight, outcome: Cards | MeliousError | None) -> None:
        """Tell those who wait for a request what came of it."""
        with self._lock:
            if self._flight is flight:
                self._flight = None
        flight.landed.set_result(outcome)

    def forget_flight(self) -> None:
        """Wait for nothing that the parent of a fork has begun."""
        self._flight = None


_shelves: dict[tuple[str, str], Shelf] = {}
_lock = forks.new_lock()


def shelf_of(base_url: str, key_digest: str) -> Shelf:
    """The one shelf of a key at a base URL in this process."""
    with _lock:
        found = _shelves.get((base_url, key_digest))
        if found is None:
            while len(_shelves) >= _MOST_SHELVES:
                del _shelves[next(iter(_shelves))]
            found = _shelves[base_url, key_digest] = Shelf(base_url)
        return found


def known(model: str, base_url: str | None = None) -> ModelCard | None:
    """What is known of a model in this process, without a request: heard from the service, or else shipped.

    Args:
        model: The model, with or without a flavor.
        base_url: Where the service is, in any spelling; by default as for a client.

    Returns:
        The card; None for a model that neither names.

    Example:
        >>> known("glm-4.7:eco", "https://api.melious.ai").context_length
        131072
        >>> known("no-such-model") is None
        True
    """
    if _shelves:
        bare = split_flavor(model)[0]
        for shelf in _shelves_at(base_url) or _shelves_at(_resolved(base_url)):
            card = shelf.card(model) or shelf.card(bare)
            if card is not None:
                return card
    return shipped.find(model)


def _shelves_at(base_url: str | None) -> list[Shelf]:
    """Those of a resolved base URL, the newest first."""
    with _lock:
        return [shelf for (url, _), shelf in reversed(_shelves.items()) if url == base_url]


def _resolved(base_url: str | None) -> str | None:
    from melious.settings.config import resolve_base_url  # noqa: PLC0415

    try:
        return resolve_base_url(base_url, allow_insecure_http=True)
    except MeliousError:
        return None


def _after_fork() -> None:
    for shelf in _shelves.values():
        shelf.forget_flight()


forks.in_child(_after_fork)
