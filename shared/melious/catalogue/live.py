"""The live model lists: what services reported of their models in this process.

There is one list for each base URL and key. Of several concurrent callers one fetches and the others
wait; if the request fails, the previous list stays in use. Nothing here does I/O: the clients do what
`LiveModels.lookup` returns.
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
from melious.settings.base_url import resolve_base_url

MAX_AGE = 300.0
"""Seconds for which the service itself keeps its list."""
MAX_WAIT = 30.0
"""Seconds for which a caller waits for another one's request before it makes its own."""
_RETRY_AFTER = 30.0
"""Seconds after a failed request for which an older list is good enough."""
_MAX_LISTS = 256

logger = logging.getLogger("melious")

Cards: TypeAlias = tuple[ModelCard, ...]


class ListedModel(NamedTuple):
    """One entry of a service's list."""

    id: str
    owned_by: str | None
    meta: Mapping[str, Any] | None


@dataclass(eq=False, slots=True)
class _Pending:
    """A request under way; `done` gives the models, its error, or None for "look up again"."""

    thread: int
    loop: object
    done: Future[Cards | MeliousError | None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()  # a waiting caller cannot cancel it for the others

    def can_progress(self, thread: int, loop: object) -> bool:
        """Whether it progresses while this caller waits: a task does not while its thread is blocked."""
        return self.thread != thread or (loop is not None and self.loop is loop)


class Wait(NamedTuple):
    """Another caller fetches the list: wait for `done`, `MAX_WAIT` seconds at most, then `resume`."""

    done: Future[Cards | MeliousError | None]
    again: Callable[[bool], Cards | Wait | Fetch]

    def resume(self) -> Cards | Wait | Fetch:
        """What to do after the wait.

        Raises:
            MeliousError: The request failed, and there is no previous list.
        """
        if not self.done.done():
            return self.again(True)
        outcome = self.done.result()
        if isinstance(outcome, MeliousError):
            raise copy.copy(outcome)
        return self.again(False) if outcome is None else outcome


class Fetch(NamedTuple):
    """The caller fetches the list, and must report the outcome in any case."""

    models: LiveModels
    pending: _Pending

    def succeeded(self, listed: Iterable[ListedModel]) -> Cards:
        """Keep the list and hand it to every waiting caller."""
        try:
            cards = self.models.update(listed)
        except BaseException:
            self.models.finish(self.pending, None)
            raise
        self.models.finish(self.pending, cards)
        return cards

    def failed(self, error: BaseException) -> Cards:
        """Give the previous list.

        Raises:
            BaseException: The error itself, if there is no previous list or it is not a `MeliousError`.
        """
        if not isinstance(error, MeliousError):
            self.models.finish(self.pending, None)
            raise error
        cards = self.models.fall_back(error)
        self.models.finish(self.pending, error if cards is None else cards)
        if cards is None:
            raise error
        return cards


class LiveModels:
    """The models of one service, as listed for one key. Safe to share between threads and event loops.

    Args:
        where: The base URL, for the log.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._clock = clock
        self._lock = forks.new_lock()
        self._cards: dict[str, ModelCard] | None = None
        self._fetched_at = self._failed_at = float("-inf")
        self._pending: _Pending | None = None

    def card(self, model: str) -> ModelCard | None:
        """The card of a model, however old."""
        return None if self._cards is None else self._cards.get(model)

    def cards(self) -> Cards | None:
        """All models, however old; None before the first list."""
        return None if self._cards is None else tuple(self._cards.values())

    def lookup(self, max_age: float, loop: object = None, *, alone: bool = False) -> Cards | Wait | Fetch:
        """Give the models, or say that the caller must wait for them or fetch them.

        Args:
            max_age: Seconds that the list may be old; 0 asks for a new one.
            loop: The event loop that the caller runs on; None for a blocking caller.
            alone: Do not wait for other callers.
        """
        thread = threading.get_ident()
        with self._lock:
            if self._cards is not None and not alone and self._is_fresh(max_age):
                return tuple(self._cards.values())
            pending = self._pending
            if pending is not None and not alone and pending.can_progress(thread, loop):
                return Wait(pending.done, lambda alone: self.lookup(max_age, loop, alone=alone))
            mine = _Pending(thread, loop)
            if pending is None or alone:
                self._pending = mine
            return Fetch(self, mine)

    def _is_fresh(self, max_age: float) -> bool:
        now = self._clock()
        return now - self._fetched_at < max_age or (max_age > 0 and now - self._failed_at < _RETRY_AFTER)

    def update(self, listed: Iterable[ListedModel]) -> Cards:
        """Keep a list that the service gave."""
        cards = {
            item.id: card_of(item.id, item.owned_by, item.meta, shipped.find(item.id)) for item in listed
        }
        with self._lock:
            self._cards, self._fetched_at, self._failed_at = cards, self._clock(), float("-inf")
        return tuple(cards.values())

    def fall_back(self, error: MeliousError) -> Cards | None:
        """Note that the request for a new list failed; gives the previous one, if there is one."""
        with self._lock:
            if self._cards is None:
                return None
            self._failed_at = self._clock()
            age = self._failed_at - self._fetched_at
            cards = tuple(self._cards.values())
        logger.warning(
            "%s did not list its models; using the list from %.0f s ago: %s", self._where, age, error
        )
        return cards

    def finish(self, pending: _Pending, outcome: Cards | MeliousError | None) -> None:
        """Hand the outcome of a request to the callers that wait for it."""
        with self._lock:
            if self._pending is pending:
                self._pending = None
        pending.done.set_result(outcome)

    def forget_pending(self) -> None:
        """Do not wait for a request of the parent process."""
        self._pending = None


_lists: dict[tuple[str, str], LiveModels] = {}
_lock = forks.new_lock()


def live_models(base_url: str, key_digest: str) -> LiveModels:
    """The list of a key at a base URL, shared by the whole process."""
    with _lock:
        found = _lists.get((base_url, key_digest))
        if found is None:
            while len(_lists) >= _MAX_LISTS:
                del _lists[next(iter(_lists))]
            found = _lists[base_url, key_digest] = LiveModels(base_url)
        return found


def known(model: str, base_url: str | None = None) -> ModelCard | None:
    """What this process knows of a model, without a request: live if the service listed it, else shipped.

    Args:
        model: The model, with or without a flavor.
        base_url: Where the service is, in any spelling; by default as for a client.

    Returns:
        The card; None for a model in neither list.

    Examples:
        >>> known("glm-4.7:eco", "https://api.melious.ai").context_length
        131072
        >>> known("no-such-model") is None
        True
    """
    if _lists:
        bare = split_flavor(model)[0]
        for models in _lists_at(base_url) or _lists_at(_resolved(base_url)):
            card = models.card(model) or models.card(bare)
            if card is not None:
                return card
    return shipped.find(model)


def listed(base_url: str) -> Cards | None:
    """The models that a service has listed in this process, for its newest key; None if it has listed none.

    Args:
        base_url: The base URL as a client has it.
    """
    found = (models.cards() for models in _lists_at(base_url))
    return next((cards for cards in found if cards), None) if _lists else None


def _lists_at(base_url: str | None) -> list[LiveModels]:
    """The lists of a resolved base URL, newest first."""
    with _lock:
        return [models for (url, _), models in reversed(_lists.items()) if url == base_url]


def _resolved(base_url: str | None) -> str | None:
    try:
        return resolve_base_url(base_url, allow_insecure_http=True)
    except MeliousError:
        return None


def _after_fork() -> None:
    for models in _lists.values():
        models.forget_pending()


forks.in_child(_after_fork)
