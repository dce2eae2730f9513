"""One batch of texts: as many requests as it takes, and for each text a vector or what was wrong with it."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from melious.client import MeliousClient
from melious.endpoints.batching import Batch
from melious.endpoints.embeddings import MAX_BATCH_BYTES, MAX_ITEMS, EmbeddingsPlan
from melious.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ConfigurationError,
    InvalidArgumentError,
    MeliousError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from melious.scale.pace import Pace

NO_ROW_ESCAPES = (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    ModelNotFoundError,
    PermissionDeniedError,
)
"""What no row caused and every row would meet: the run ends, and nothing is written down row by row."""
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
        }
        self._ended = threading.Event()
        self.vectors: list[Any] = [None] * len(texts)
        self.errors: list[MeliousError | None] = [None] * len(texts)

    def all(self) -> None:
        """Embed all texts, several requests at a time.

        Raises:
            MeliousError: One of `NO_ROW_ESCAPES`, or an option is wrong, or errors are not recorded.
        """
        batches = self._plan.batches()
        most = min(self._plan.max_concurrency, len(batches))
        if most == 1:
            for batch in batches:
                self._embed(batch)
            return
        with ThreadPoolExecutor(most, "melious-scale") as threads:
            running = [threads.submit(copy_context().run, self._embed, batch) for batch in batches]
            try:
                for future in running:
                    future.result()
            except BaseException:
                self._ended.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

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
                if not self._record or isinstance(error, NO_ROW_ESCAPES):
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
        delay = min(self._pace.delay(now), max(0.0, until - now))
        if delay > 0:
            self._sleep(delay)

    def _sleep(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise CancelledError


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
