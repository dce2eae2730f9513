"""POST /embeddings: one call, as many requests as it takes.

`EmbeddingsPlan` holds all that decides: which texts go together, what an
answer means, what to do with a batch that is too large. Its drivers only run
the batches that it gives out, some at a time.
"""

from __future__ import annotations

import hashlib
import re
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from melious.config import ClientConfig
from melious.endpoints.common import (
    RoutingOptions,
    body_of,
    check_known,
    encoded,
    json_of,
    read_as,
    request_of,
)
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.vectors import in_order
from melious.errors import APIStatusError, BadRequestError, ContextLengthExceededError, InvalidArgumentError
from melious.impact import BillingCost, EnvironmentImpact
from melious.results import EmbeddingsResult, Result, Usage
from melious.transport.request import Request, Response, read

PATH = "embeddings"
MAX_ITEMS = 2048
MAX_BATCH_BYTES = 8_000_000
_TOO_LARGE = re.compile(
    r"too (?:large|many)|array too long|batch size|maximum batch|at most|exceeds the limit|payload"
    r"|per request|max(?:imum)? number"
    r"|(?:more|less|fewer) than \d+ (?:items|inputs|texts|strings|documents|elements)"
)


class EmbeddingParams(RoutingOptions, total=False):
    """The optional parameters of an embeddings request. None is not sent.

    Attributes:
        dimensions: The length of the vectors, for models that can be cut.
        encoding_format: How vectors travel: `base64` (default) or `float`; the
            result is the same.
        user: Who the request is for.
        mode: A routing word of the older pages; not together with `custom_weights`.
        custom_weights: Routing weights of the older pages.
        batch_size: The most texts in one request, up to 2048.
        max_concurrency: The most requests at a time.
        as_numpy: Give a numpy array instead of lists.
    """

    dimensions: int | None
    encoding_format: str | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None
    batch_size: int | None
    max_concurrency: int | None
    as_numpy: bool | None


Batch = tuple[int, ...]
"""The places of the texts that travel together."""


class EmbeddingsPlan:
    """One embeddings call: its batches, and what has come of them.

    Attributes:
        max_concurrency: The most batches to run at a time.
    """

    def __init__(
        self,
        config: ClientConfig,
        model: str,
        texts: str | Sequence[str],
        params: EmbeddingParams,
        cache: EmbeddingCache | None = None,
    ) -> None:
        """Check the arguments and lay the batches out.

        Raises:
            InvalidArgumentError: A text is empty or no text, or an option is wrong.
        """
        check_known(params, EmbeddingParams, "embeddings")
        if params.get("mode") is not None and params.get("custom_weights") is not None:
            raise InvalidArgumentError("mode: cannot be combined with custom_weights; give one of them")
        own = {"batch_size", "max_concurrency", "as_numpy", "encoding_format"}
        self._config = config
        self._began = time.monotonic()
        self._params = params
        self._sent = {name: value for name, value in params.items() if name not in own}
        self._encoding = params.get("encoding_format") or "base64"
        if self._encoding not in ("base64", "float"):
            raise InvalidArgumentError(f"encoding_format: {self._encoding!r} is neither 'base64' nor 'float'")
        self._as_base64: set[Batch] = set()
        self._batch_size = _whole(params, "batch_size", MAX_ITEMS, MAX_ITEMS)
        self.max_concurrency = _whole(params, "max_concurrency", 4, 1024)
        if params.get("as_numpy"):
            _numpy()
        self._inputs = _checked(texts)
        places: dict[str, int] = {}
        self._place_of = [places.setdefault(text, len(places)) for text in self._inputs]
        self._texts = list(places)
        self._vectors: list[array[float] | None] = [None] * len(self._texts)
        self._answers: list[EmbeddingsResult] = []
        self._cache = cache
        self._batch_body = body_of(config, model, {}, self._sent)
        self._keys: list[bytes] = []
        self._claimed: set[int] = set()
        self._awaited: dict[int, Future[array[float] | None]] = {}
        self._cached = 0
        if cache is not None:
            what = config.base_url.encode() + encoded(self._batch_body)
            scope = hashlib.blake2b(what, digest_size=32).digest()
            self._keys = [cache.key(scope, text) for text in self._texts]

    def _claim(self, places: Iterable[int]) -> list[int]:
        """Look texts up in the cache, and give those that this plan must fetch."""
        if self._cache is None:
            return list(places)
        fetch: list[int] = []
        for place in places:
            found = self._cache.claim(self._keys[place])
            if found is None:
                self._claimed.add(place)
                fetch.append(place)
            elif isinstance(found, Future):
                self._awaited[place] = found
            else:
                self._vectors[place] = found
                self._cached += 1
        return fetch

    def batches(self) -> list[Batch]:
        """The batches to send first: by count and by size, without what the cache has or will have."""
        return self._laid_out(self._claim(range(len(self._texts))))

    def awaited(self) -> list[Future[array[float] | None]]:
        """The vectors that other calls are fetching; wait for all of them and then call `settle`."""
        return list(self._awaited.values())

    def settle(self) -> list[Batch]:
        """Take what the other calls have fetched, and give batches for what they could not."""
        failed: list[int] = []
        for place, future in self._awaited.items():
            vector = future.result()
            if vector is None:
                failed.append(place)
            else:
                self._vectors[place] = vector
                self._cached += 1
        self._awaited = {}
        return self._laid_out(self._claim(failed))

    def release(self) -> None:
        """Give up what this plan meant to fetch and did not, so that nobody waits for it in vain."""
        if self._cache is not None:
            for place in self._claimed:
                self._cache.release(self._keys[place])
        self._claimed.clear()

    def _laid_out(self, places: Sequence[int]) -> list[Batch]:
        batches: list[Batch] = []
        batch: list[int] = []
        size = 0
        for place in places:
            text = self._texts[place]
            length = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            if batch and (len(batch) >= self._batch_size or size + length > MAX_BATCH_BYTES):
                batches.append(tuple(batch))
                batch, size = [], 0
            batch.append(place)
            size += length
        if batch:
            batches.append(tuple(batch))
        return batches

    def request(self, batch: Batch) -> Request:
        """The request for a batch."""
        if self._encoding == "base64":
            self._as_base64.add(batch)
        body = {
            **self._batch_body,
            "input": [self._texts[place] for place in batch],
            "encoding_format": self._encoding,
        }
        spent = time.monotonic() - self._began
        return request_of(
            self._config, "embeddings", PATH, self._params, body, retry_timeouts=True, spent=spent
        )

    def accept(self, batch: Batch, response: Response) -> EmbeddingsResult:
        """Take the answer to a batch.

        Raises:
            ResponseDecodeError: It does not hold one whole vector for each text.
        """
        vectors, answer = read(response, lambda response: _parse(response, len(batch)))
        for place, vector in zip(batch, vectors, strict=True):
            self._vectors[place] = vector
            if self._cache is not None:
                self._cache.put(self._keys[place], vector)
                self._claimed.discard(place)
        self._answers.append(answer)
        return answer

    def reject(self, batch: Batch, error: APIStatusError) -> list[Batch]:
        """Decide what to do with a batch that the service refused.

        Returns:
            The batches to send in its place: halves of one that was too large,
            or the same again in the other encoding.

        Raises:
            APIStatusError: Nothing can be done; the error that was given.
        """
        said = error.message.lower()
        about_encoding = "encoding_format" in said or "base64" in said or error.param == "encoding_format"
        if about_encoding and batch in self._as_base64 and isinstance(error, BadRequestError):
            self._encoding = "float"
            self._as_base64.discard(batch)
            return [batch]
        too_large = error.status_code == 413 or (  # noqa: PLR2004
            isinstance(error, BadRequestError)
            and not isinstance(error, ContextLengthExceededError)
            and (error.param or "input").startswith("input")
            and _TOO_LARGE.search(said)
        )
        if not too_large or len(batch) == 1:
            raise error
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]

    def result(self) -> EmbeddingsResult:
        """Everything together, in the order of the input."""
        result = EmbeddingsResult(
            usage=_sum_usage(self._answers),
            environment_impact=_sum_impact(self._answers),
            billing_cost=_sum_cost(self._answers),
            model=next((answer.model for answer in self._answers if answer.model), None),
            batches=[*self._answers],
            cached=self._cached,
        )
        result.embeddings = self._as_numpy() if self._params.get("as_numpy") else list(self._lists())
        if self._answers:
            raw = [answer.raw for answer in self._answers]
            result.with_origin(raw[0] if len(raw) == 1 else raw, self._answers[-1].meta)
        return result

    def _lists(self) -> Iterator[list[float]]:
        for place in self._place_of:
            vector = self._vectors[place]
            assert vector is not None  # noqa: S101 - every batch has been accepted
            yield vector.tolist()

    def _as_numpy(self) -> Any:
        numpy = _numpy()
        return numpy.stack(
            [numpy.asarray(self._vectors[place], dtype=numpy.float32) for place in self._place_of]
        )


def _parse(response: Response, count: int) -> tuple[list[array[float]], EmbeddingsResult]:
    raw = json_of(response, "embeddings")
    vectors = in_order(raw.pop("data", None), count)
    return vectors, read_as(EmbeddingsResult, raw, response, "embeddings")


def _checked(texts: str | Sequence[str]) -> list[str]:
    if not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
        raise InvalidArgumentError(f"input: needs text or a list of texts, not {type(texts).__name__}")
    inputs = [texts] if isinstance(texts, str) else list(texts)
    if not inputs:
        raise InvalidArgumentError("input: holds no text")
    for position, text in enumerate(inputs):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"input[{position}]: needs text, not {type(text).__name__}")
        if not text:
            raise InvalidArgumentError(f"input[{position}]: is empty, which the service refuses")
    return inputs


def _whole(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidArgumentError(f"{name}: {value!r} is not a whole number from 1 to {most}")
    return value


def _numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise InvalidArgumentError("as_numpy: numpy is not installed (pip install numpy)") from error


def _sum_usage(answers: Sequence[Result]) -> Usage | None:
    """The tokens of all batches; None where any of them did not report, and 0 where none was needed."""
    if not answers:
        return Usage(prompt_tokens=0, total_tokens=0)
    known = [answer.usage for answer in answers if answer.usage is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return Usage(**{name: _sum([getattr(usage, name) for usage in known]) for name in names})


def _sum_impact(answers: Sequence[Result]) -> EnvironmentImpact | None:
    known = [answer.environment_impact for answer in answers if answer.environment_impact is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    sums = ("energy_kwh", "carbon_g_co2", "water_liters")
    same = ("renewable_percent", "pue", "provider_id", "location")
    return EnvironmentImpact(
        **{name: _sum([getattr(impact, name) for impact in known]) for name in sums},
        **{name: _common([getattr(impact, name) for impact in known]) for name in same},
    )


def _sum_cost(answers: Sequence[Result]) -> BillingCost | None:
    known = [answer.billing_cost for answer in answers if answer.billing_cost is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    return BillingCost(
        energy=_sum([cost.energy for cost in known]),
        credits=_sum([cost.credits for cost in known]),
        paid_with=_common([cost.paid_with for cost in known]),
    )


def _sum(values: Sequence[Any]) -> Any:
    return None if any(value is None for value in values) else sum(values)


def _common(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else None
