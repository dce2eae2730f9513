"""Embeds the texts of one batch of rows: for each a vector or an error."""

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
from importlib import import_module
from typing import Any

from melious.clients._sync.client import MeliousClient
from melious.endpoints.embeddings import MAX_BATCH_BYTES, MAX_ITEMS, EmbeddingsPlan
from melious.endpoints.splitting import Batch
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
from melious.errors.table import UNSUPPORTED
from melious.exchange.ratelimit import RateLimit
from melious.scale.engines import BATCH_AFTER, Engine, engine_for
from melious.scale.pace import Pace

logger = logging.getLogger("melious")
FATAL = (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    InsufficientBalanceError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    ResidencyError,
)
"""Errors that no row caused and every row would get: the run ends, and no row records them."""
_WRONG_PLACE = frozenset({301, 302, 303, 307, 308, 405, 410, *UNSUPPORTED})
"""Statuses of servers that are not the service's API, as for a wrong base URL, or lack this endpoint."""
MAX_REFUSALS = 32
"""How many consecutive refusals end the halving of a batch; the rest of it then counts as refused."""
_DEFAULT_RETRY_AFTER = 1.0
_NAMED = re.compile(r"(?:input|texts?)\[(\d+)\]")


class Run:
    """Embeds the texts of one batch.

    Attributes:
        vectors: The vector of each text, or None.
        errors: The error of each text, or None.

    Args:
        client: The client of this process.
        model: The model.
        texts: The texts, all different and none empty.
        params: Options of the call.
        pace: Spaces the requests of this process.
        arrays: Give numpy arrays (float32) instead of lists.
        record: Keep errors in `errors`; otherwise the first is raised.
        engine: Whether the texts go as requests or as a batch job.
        batch_after: See `engine_for`.
        batch_timeout: The most seconds to wait for a job; None for no limit.
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
        engine: Engine = "requests",
        batch_after: float = BATCH_AFTER,
        batch_timeout: float | None = None,
    ) -> None:
        self._client = client
        self._model = model
        self._texts = texts
        self._pace = pace
        self._arrays = arrays
        self._record = record
        self._engine: Engine = engine
        self._batch_after = batch_after
        self._batch_timeout = batch_timeout
        self._rate_limit: RateLimit | None = None
        self._plan = EmbeddingsPlan(client.config, model, texts, {**params})  # type: ignore[typeddict-item]
        # The batches are made here: a request must not divide its texts again.
        own = {"count_tokens", "max_concurrency", "max_batch_tokens", "batch_size"}
        self._fields = {name: value for name, value in params.items() if name not in own}
        self._call = {
            **self._fields,
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
        """Embed all texts: in several concurrent requests, or in a batch job.

        `auto` sends the first request, whose answer reports the rate limit, and then decides. After a fatal
        error nothing further is sent; requests under way end.

        Raises:
            MeliousError: The first error that is fatal, about an option, or not to be recorded.
        """
        batches, engine = self._plan.batches(), self._engine
        if engine == "auto":
            self._embed(batches.pop(0))
            engine = engine_for(len(batches), self._rate_limit, self._batch_after)
            logger.info("embedding %d further batches as %s", len(batches), engine)
        if engine == "batch":
            self._in_a_job([place for batch in batches for place in batch])
        elif batches:
            self._concurrently(batches)

    def _in_a_job(self, places: Sequence[int]) -> None:
        """Embed some texts in a batch job; a failed line is the error of its text."""
        from melious.scale.jobs import embedded_in_a_job  # noqa: PLC0415 - only jobs need it

        texts = [self._texts[place] for place in places]
        done = embedded_in_a_job(self._client, self._model, texts, self._fields, timeout=self._batch_timeout)
        for position, found in done:
            place = places[position]
            if not isinstance(found, MeliousError):
                self.vectors[place] = _array(found) if self._arrays else found
            elif not self._record or is_fatal(found) or about_an_option(found):
                raise found
            else:
                self.errors[place] = found

    def _concurrently(self, batches: Sequence[Batch]) -> None:
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
        """Send nothing further; the first error is raised."""
        with self._lock:
            if self._failure is None:
                self._failure = error
        self._ended.set()
        logger.info("embedding failed, nothing further is sent: %s", type(error).__name__)

    def _before_retry(self, event: RetryEvent) -> None:
        """Do not retry once the run has ended."""
        if self._ended.is_set():
            raise event.error

    def _embed(self, batch: Batch) -> None:
        """Embed some texts; a refused batch is split until the text at fault is found."""
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
                if not self._record or is_fatal(error):
                    raise
                self._failed(places, error)
            else:
                # The text that a refusal named is sent first: if it passes, the refusal meant another one.
                named = named and (len(places) > 1 or len(batch) == 1)
                refused = 0
                for place, vector in zip(places, vectors, strict=True):
                    self.vectors[place] = vector

    def _failed(self, places: Batch, error: MeliousError) -> None:
        for place in places:
            self.errors[place] = error

    def _ask(self, texts: list[str]) -> Any:
        """Make one request; retry it while only the account's rate limit refuses it."""
        patience = self._client.config.max_rate_limit_wait
        until = time.monotonic() + patience
        while True:
            self._wait(until)
            try:
                result = self._client.embeddings.create(input=texts, **self._call)
            except RateLimitError as error:
                wait = _DEFAULT_RETRY_AFTER if error.retry_after is None else error.retry_after
                wait += random.uniform(0.0, 0.25 + 0.1 * wait)  # noqa: S311 - spreads workers, not a secret
                if time.monotonic() + wait > until:
                    raise
                self._sleep(wait)
                continue
            self._rate_limit = result.rate_limit
            self._pace.observe(result.rate_limit, time.monotonic())
            return result.embeddings

    def _wait(self, until: float) -> None:
        now = time.monotonic()
        self._sleep(min(self._pace.delay(now), max(0.0, until - now)))

    def _sleep(self, seconds: float) -> None:
        """Wait; raises `CancelledError` once the run has ended."""
        if self._ended.wait(seconds):
            raise CancelledError


def _array(vector: list[float]) -> Any:
    numpy = import_module("numpy")
    return numpy.asarray(vector, dtype=numpy.float32)


def is_fatal(error: MeliousError) -> bool:
    """Whether no row caused an error and every row would get it.

    Examples:
        >>> is_fatal(InsufficientBalanceError("no")), is_fatal(RateLimitError("wait"))
        (True, False)
    """
    return isinstance(error, FATAL) or error.status_code in _WRONG_PLACE


def about_an_option(error: MeliousError) -> bool:
    """Whether a refusal names a field other than the texts, so that every row would get it.

    Examples:
        >>> about_an_option(BadRequestError("no", param="dimensions"))
        True
    """
    return error.param is not None and not error.param.startswith("input")


def position_in(error: MeliousError) -> int | None:
    """The position of the text that a refusal names, if any.

    Examples:
        >>> position_in(BadRequestError("too long", param="input[1]"))
        1
    """
    named = _NAMED.search(error.param or "") or _NAMED.search(error.message)
    return int(named[1]) if named else None


def unit(vector: Any) -> Any:
    """A vector scaled to unit length; a zero vector stays as it is.

    Examples:
        >>> unit([3.0, 4.0])
        [0.6, 0.8]
    """
    length = math.hypot(*vector)
    if not length:
        return vector
    return [value / length for value in vector] if isinstance(vector, list) else vector / length
