"""/batches: requests that the service answers in its own time, outside the per-minute limit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from melious.answers.batches import Batch, BatchList
from melious.answers.reading import json_of, read_as
from melious.endpoints.common import budgets_of, encoded, request_of, without_ledger
from melious.endpoints.files import check_call, id_in_path, listing, missing_advice
from melious.errors import (
    APIConnectionError,
    APITimeoutError,
    InvalidArgumentError,
    MeliousError,
    ResponseDecodeError,
    ServerError,
)
from melious.errors.checks import check_mapping, check_text
from melious.exchange.request import Operation, Request, Response
from melious.exchange.retry import delay_before_retry
from melious.routing.filters import filters_in
from melious.routing.residency import ResidencyRule
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions

PATH = "batches"
WINDOW = "24h"
MOST_PAIRS = 16
_LONGEST_NAME, _LONGEST_VALUE = 64, 512
TOKEN = "melious_request"  # noqa: S105 - a name
"""The pair of the metadata by which a batch is found that was made, but whose answer got lost."""


def create(
    config: ClientConfig,
    input_file_id: str,
    endpoint: str,
    completion_window: str,
    metadata: Mapping[str, str],
    params: CallOptions,
    *,
    spent: float = 0.0,
    left: int | None = None,
) -> Operation[Batch]:
    """A call that makes a batch. It is not repeated where it may have made one: look for it first.

    Args:
        config: The client's settings.
        input_file_id: The file with the lines.
        endpoint: Where the lines go.
        completion_window: How long it may take.
        metadata: Up to 16 pairs of texts.
        params: The options of the call.
        spent: Seconds of the deadline that were used before.
        left: How many retries are left, if not all.
    """
    check_call(params)
    for name, value in (
        ("input_file_id", input_file_id),
        ("endpoint", endpoint),
        ("completion_window", completion_window),
    ):
        check_text(name, value)
    check_metadata(metadata)
    body: dict[str, Any] = {
        "input_file_id": input_file_id,
        "endpoint": endpoint,
        "completion_window": completion_window,
    }
    if metadata:
        body["metadata"] = dict(metadata)
    given: Any = params if left is None else {**params, "max_retries": left}
    request = request_of(config, PATH, PATH, given, body, spent=spent, stop=_is_ambiguous, advise=_advise)
    request = without_ledger(request)
    budgets = budgets_of(config)
    if budgets:
        from melious.impact.budget import admit  # noqa: PLC0415 - only needed with a budget

        # Whoever submitted the lines has counted them; a budget that is used up refuses all the same.
        request = request._replace(admit=partial(admit, budgets, 0))
    return Operation(request, _one)


class Creation:
    """Decides how one batch is made: where a call may have made it, it is looked for before the next call.

    Args:
        config: The client's settings.
        input_file_id: The file with the lines.
        endpoint: Where the lines go.
        completion_window: How long it may take.
        metadata: Up to 16 pairs of texts.
        params: The options of the call.
        token: What to find the batch by.
        clock: A monotonic clock.
        uniform: Chance.

    Attributes:
        token: What to find the batch by; None if there is no room for it in the metadata.

    Raises:
        InvalidArgumentError: The metadata are wrong.
    """

    def __init__(
        self,
        config: ClientConfig,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None,
        params: CallOptions,
        token: str,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        check_metadata(metadata)
        pairs = dict(metadata or {})
        self.token = token if len(pairs) < MOST_PAIRS else None
        if self.token is not None:
            pairs[TOKEN] = self.token
        self._make = partial(create, config, input_file_id, endpoint, completion_window, pairs, params)
        retries = params.get("max_retries")
        self._left = config.max_retries if retries is None else retries
        self._tries = 0
        self._clock, self._uniform = clock, uniform
        self._began = clock()

    def call(self) -> Operation[Batch]:
        """The next call."""
        return self._make(spent=self._clock() - self._began, left=self._left)

    def failed(self, error: MeliousError) -> str:
        """A call failed; gives the token by which to look for a batch that it may have made.

        Raises:
            MeliousError: The error: it made none, or none that can be found.
        """
        if self.token is None or not may_exist(error):
            raise error
        return self.token

    def pause(self, error: MeliousError) -> float:
        """Seconds until the next call, where the one that failed has made no batch.

        Raises:
            MeliousError: The error: there is no further call.
        """
        self._tries += 1
        self._left -= error.attempts
        delay = delay_before_retry(error, self._tries, self._uniform)
        if self._left < 0 or not error.is_retryable or delay is None:
            raise error
        return delay


def may_exist(error: MeliousError) -> bool:
    """Whether a batch may have been made, although its call failed."""
    if isinstance(error, ResponseDecodeError | ServerError | APITimeoutError):
        return error.attempts > 0
    return isinstance(error, APIConnectionError) and error.attempts > 0


def is_open(error: MeliousError) -> bool:
    """Whether it could not be found out if a batch was made."""
    return may_exist(error) and isinstance(error.__cause__, MeliousError)


def _is_ambiguous(error: MeliousError | None) -> bool:
    return isinstance(error, APIConnectionError | APITimeoutError | ResponseDecodeError | ServerError)


def check_metadata(metadata: object, most: int = MOST_PAIRS) -> None:
    """Refuse anything but a mapping of short texts."""
    check_mapping("metadata", metadata)
    pairs: Any = metadata or {}
    if len(pairs) > most:
        ours = (
            f" ({MOST_PAIRS - most} of the service's {MOST_PAIRS} are used here)" if most < MOST_PAIRS else ""
        )
        raise InvalidArgumentError(
            f"metadata: must have at most {most} pairs{ours}, not {len(pairs)}", param="metadata"
        )
    for name, value in pairs.items():
        for what, text, longest in (("names", name, _LONGEST_NAME), (f"{name!r:.80}", value, _LONGEST_VALUE)):
            if not isinstance(text, str) or len(text) > longest:
                raise InvalidArgumentError(
                    f"metadata: {what} must be text of at most {longest} characters, not {text!r:.80}",
                    param="metadata",
                )


def list_all(config: ClientConfig, params: CallOptions, **query: Any) -> Operation[BatchList]:
    """A call for a page of batches."""
    return Operation(listing(config, PATH, params, query), _list)


def retrieve(config: ClientConfig, batch_id: str, params: CallOptions) -> Operation[Batch]:
    """A call for a batch as it is now."""
    return Operation(_about(config, batch_id, "", params), _one)


def cancel(config: ClientConfig, batch_id: str, params: CallOptions) -> Operation[Batch]:
    """A call that cancels a batch."""
    request = _about(config, batch_id, "/cancel", params)
    return Operation(request._replace(method="POST", body=encoded({})), _one)


def rule_of(config: ClientConfig) -> ResidencyRule | None:
    """The countries that answers must come from by the client's settings."""
    sent = {"filters": config.filters, **(config.extra_body or {})}
    return ResidencyRule.of(config.verify_location, filters_in(sent))


def with_pair(batches: Iterable[Batch], name: str, value: str) -> Batch | None:
    """The first batch with a pair in its metadata."""
    return next((batch for batch in batches if batch.metadata.get(name) == value), None)


def _about(config: ClientConfig, batch_id: str, rest: str, params: CallOptions) -> Request:
    check_call(params)
    path = f"{PATH}/{id_in_path('batch_id', batch_id)}{rest}"
    return without_ledger(request_of(config, PATH, path, params, None, retry_timeouts=True, advise=_advise))


def _advise(error: MeliousError) -> str | None:
    return missing_advice(error, PATH)


def _one(response: Response) -> Batch:
    return read_as(Batch, json_of(response, PATH), response, PATH)


def _list(response: Response) -> BatchList:
    raw = json_of(response, PATH)
    if not isinstance(raw.get("data"), list):
        raise ResponseDecodeError(
            "batches: the answer has no batches", request_id=response.request_id, body=raw
        )
    return read_as(BatchList, raw, response, PATH)
