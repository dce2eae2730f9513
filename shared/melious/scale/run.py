"""One batch of texts: as many requests as it takes, and for each text a vector or what was wrong with it."""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from melious.clients._sync.client import MeliousClient
from melious.endpoints.batching import Batch
from melious.endpoints.embeddings import MAX_BATCH_BYTES, MAX_ITEMS, EmbeddingsPlan
from melious.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ConfigurationError,
    InsufficientBalanceError,
    InvalidArgumentError,
    MeliousError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResidencyError,
    RetryEvent,
)
from melious.scale.pace import Pace

logger = logging.getLogger("melious")
NO_ROW_ESCAPES = (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    InsufficientBalanceError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    ResidencyError,
)
"""What no row caused and every row would meet: the run ends, and nothing is written down row by row."""
_WRONG_PLACE = frozenset({301, 302, 303, 307, 308, 405, 410})
"""Statuses by which something that is not the service's API answers, as for a wrong base URL."""
MAX_REFUSALS = 32
"""How often a batch is halved with nothing but refusals, before the rest of it counts as refused too."""
_REFUSED_WITHOUT_REASON = 1.0
_NAMED = re.compile(r"(?:input|texts?)\[(\d+)\]")


class Run:
    """Embeds the texts of one batch.

    Attributes:
        vectors: What came of each text: a vector or None.
        errors: What was wrong with each text, or None.

    Args:
        client: The client of this process.
        model: The model.
        texts: The texts, all different and none empty.
        params: Options of the call.
        pace: What spaces the requests of this process.
        arrays: Give numpy arrays (float32) instead of lists.
        record: Keep errors in `errors`; else the first is raised.
    """

    def __init__(
        self,
        client: MeliousClient,
        model: str,
        texts: Sequence[str],
        params: Mapping[str, Any],
        pace: Pace,
        *,
        arrays: bool,
        record: bool,
    ) -> None:
        self._client = client
        self._texts = texts
        self._pace = pace
        self._record = record
        self._plan = EmbeddingsPlan(client.config, model, texts, {**params})  # type: ignore[typeddict-item]
        # The batches are laid out here: what a request holds is not to be counted again.
        own = {"count_tokens", "max_concurrency", "max_batch_tokens", "batch_size"}
        self._call = {
            **{name: value for name, value in params.items() if name not in own},
            "model": model,
            "as_numpy": arrays,
            "batch_size": MAX_ITEMS,
            "max_batch_tokens": MAX_BATCH_BYTES,
            "on_retry": self._before_retry,
        }
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self.vectors: list[Any] = [None] * len(texts)
        self.errors: list[MeliousError | None] = [None] * len(texts)

    def all(self) -> None:
        """Embed all texts, several requests at a time.

        Once one has failed for all rows nothing further is sent; what is under way ends.

        Raises:
            MeliousError: No row escapes it, or an option is wrong, or errors are not recorded; the first.
        """
        batches = self._plan.batches()
        most = min(self._plan.max_concurrency, len(batches))
        if most == 1:
            for batch in batches:
                self._embed(batch)
            return
        with ThreadPoolExecutor(most, "melious-scale") as threads:
            try:
                wait([threads.submit(copy_context().run, self._work, batch) for batch in batches])
            except BaseException as error:
                self._end(error)
                raise
        if self._failure is not None:
            raise self._failure

    def _work(self, batch: Batch) -> None:
        """Embed some texts in a thread, unless the run has ended."""
        try:
            self._embed(batch)
        except BaseException as error:  # noqa: BLE001 - raised by `all`
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Let nothing further be sent; the first error is the one to raise."""
        with self._lock:
            if self._failure is None:
                self._failure = error
        self._ended.set()
        logger.info("embedding has ended, nothing further is sent: %s", type(error).__name__)

    def _before_retry(self, event: RetryEvent) -> None:
        """What is under way is not tried again once the run has ended."""
        if self._ended.is_set():
            raise event.error

    def _embed(self, batch: Batch) -> None:
        """Embed some texts; what is refused is parted until it is known whose fault it is."""
        waiting = [batch]
        refused, named = 0, True
        while waiting:
            places = waiting.pop()
            try:
                vectors = self._ask([self._texts[place] for place in places])
            except (BadRequestError, InvalidArgumentError) as error:
                if not self._record or about_an_option(error):
                    raise
                position = position_in(error) if named else None
                if len(places) == 1 or refused >= MAX_REFUSALS:
                    self._failed(places, error)
                elif position is not None and position < len(places):
                    waiting += [(*places[:position], *places[position + 1 :]), (places[position],)]
                else:
                    refused += 1
                    middle = len(places) // 2
                    waiting += [places[middle:], places[:middle]]
            except MeliousError as error:
                if not self._record or no_row_escapes(error):
                    raise
                self._failed(places, error)
            else:
                # The text that a refusal named is asked for first: if it passes, it was not meant.
                named = named and (len(places) > 1 or len(batch) == 1)
                refused = 0
                for place, vector in zip(places, vectors, strict=True):
                    self.vectors[place] = vector

    def _failed(self, places: Batch, error: MeliousError) -> None:
        for place in places:
            self.errors[place] = error

    def _ask(self, texts: list[str]) -> Any:
        """Make one request, and again while only the account's rate limit is against it."""
        patience = self._client.config.max_rate_limit_wait
        until = time.monotonic() + patience
        while True:
            self._wait(until)
            try:
                result = self._client.embeddings.create(input=texts, **self._call)
            except RateLimitError as error:
                wait = _REFUSED_WITHOUT_REASON if error.retry_after is None else error.retry_after
                wait += random.uniform(0.0, 0.25 + 0.1 * wait)  # noqa: S311 - spreads workers, no secret
                if time.monotonic() + wait > until:
                    raise
                self._sleep(wait)
                continue
            self._pace.observe(result.rate_limit, time.monotonic())
            return result.embeddings

    def _wait(self, until: float) -> None:
        now = time.monotonic()
        self._sleep(min(self._pace.delay(now), max(0.0, until - now)))

    def _sleep(self, seconds: float) -> None:
        """Wait; a run that has ended sends nothing more.

        Raises:
            CancelledError: It has ended.
        """
        if self._ended.wait(seconds):
            raise CancelledError


def no_row_escapes(error: MeliousError) -> bool:
    """Whether no row caused an error and every row would meet it.

    Example:
        >>> no_row_escapes(InsufficientBalanceError("no")), no_row_escapes(RateLimitError("wait"))
        (True, False)
    """
    return isinstance(error, NO_ROW_ESCAPES) or error.status_code in _WRONG_PLACE


def about_an_option(error: MeliousError) -> bool:
    """Whether a refusal names a field that has nothing to do with the texts: every row would meet it.

    Example:
        >>> about_an_option(BadRequestError("no", param="dimensions"))
        True
    """
    return error.param is not None and not error.param.startswith("input")


def position_in(error: MeliousError) -> int | None:
    """The position of the text that a refusal names, if it names one.

    Example:
        >>> position_in(BadRequestError("too long", param="input[1]"))
        1
    """
    named = _NAMED.search(error.param or "") or _NAMED.search(error.message)
    return int(named[1]) if named else None


def unit(vector: Any) -> Any:
    """A vector scaled to unit length; one of zeros stays as it is.

    Example:
        >>> unit([3.0, 4.0])
        [0.6, 0.8]
    """
    length = math.hypot(*vector)
    if not length:
        return vector
    return [value / length for value in vector] if isinstance(vector, list) else vector / length
