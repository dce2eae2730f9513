"""POST /embeddings: one call, as many requests as it takes."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from melious.answers.reading import is_trusted, json_of, read_as, set_origin
from melious.answers.results import EmbeddingsResult
from melious.endpoints.batching import (
    Batch,
    BatchPlan,
    Limits,
    OnAnswer,
    Progress,
    laid_out,
    refused_as_it_is,
    size_of,
    whole_from,
)
from melious.endpoints.common import body_of, check_known, check_weights, encoded, request_of, trust_of
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.sums import sum_cost, sum_impact, sum_usage
from melious.endpoints.vectors import in_order
from melious.errors import APIStatusError, InvalidArgumentError
from melious.exchange.request import Request, Response, Stop, parsed
from melious.settings.config import ClientConfig
from melious.settings.options import RoutingOptions

PATH = "embeddings"
MAX_ITEMS = 2048
_ENCODINGS = ("base64", "float", None)
"""What vectors are asked for in, as long as the one before is refused; None says nothing of it."""
MAX_BATCH_BYTES = 8_000_000
MAX_BATCH_TOKENS = 250_000


class EmbeddingParams(RoutingOptions, total=False):
    """The optional parameters of an embeddings request. None is not sent.

    Attributes:
        dimensions: The length of the vectors, for models that can be cut.
        encoding_format: How vectors travel: `base64` (default) or `float`; the
            result is the same. A server that refuses base64 is asked for
            floats, and one that refuses these for nothing in particular; this
            client then goes on like that.
        user: Who the request is for.
        mode: A routing word of the older pages; not together with `custom_weights`.
        custom_weights: Routing weights of the older pages.
        batch_size: The most texts in one request, up to 2048, which is the
            default; fewer where they have more than 8 MB together.
        max_batch_tokens: The most tokens in one request, up to 8,000,000;
            250,000 by default. A longer text goes alone, uncut.
        count_tokens: Gives the tokens of a text. By default they are estimated
            from its characters, rather too many than too few. It is called
            once a text, in the thread or on the event loop of the caller.
        max_concurrency: The most requests at a time; 4 by default.
        on_progress: Called after each request with the number of texts done
            and that of all, those from the cache included, in the thread or on
            the event loop of the caller. The asyncio client awaits what can be
            awaited. What it raises ends the call.
        on_answer: Called with the answer to each request as soon as it is
            there, likewise: also where another request of the call fails. Once
            one has failed for good, nothing further is sent; what is under way
            ends, and its answers are passed on too.
        as_numpy: Give a numpy array instead of lists.
    """

    dimensions: int | None
    encoding_format: str | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None
    batch_size: int | None
    max_batch_tokens: int | None
    count_tokens: Callable[[str], int] | None
    max_concurrency: int | None
    on_progress: Progress | None
    on_answer: OnAnswer | None
    as_numpy: bool | None


_OWN = frozenset(
    {
        "batch_size",
        "max_batch_tokens",
        "count_tokens",
        "max_concurrency",
        "on_progress",
        "on_answer",
        "as_numpy",
        "encoding_format",
    }
)


def estimated_tokens(characters: int, size: int) -> int:
    """Tokens of a text, rather too many: a third of its letters, more where they take several bytes.

    Args:
        characters: How many there are.
        size: Bytes in UTF-8.

    Example:
        >>> text = "A lighthouse shows ships the way."
        >>> estimated_tokens(len(text), len(text.encode()))
        13
    """
    return (2 * size - characters) // 3 + 2


class EmbeddingsPlan(BatchPlan[EmbeddingsResult]):
    """One embeddings call: its batches, and what has come of them."""

    name = "embeddings"
    field = "input"

    def __init__(
        self,
        config: ClientConfig,
        model: str,
        texts: str | Sequence[str],
        params: EmbeddingParams,
        cache: EmbeddingCache | None = None,
        refused: dict[str, int] | None = None,
    ) -> None:
        """Check the arguments and lay the batches out.

        Args:
            config: The client's settings.
            model: The model.
            texts: One text or several.
            params: The parameters of the call.
            cache: The client's cache.
            refused: How many encodings each model is known to refuse; what this call learns is added.

        Raises:
            InvalidArgumentError: A text is empty or no text, or an option is wrong.
        """
        check_known(params, EmbeddingParams, "embeddings")
        check_weights(params.get("mode"), params.get("custom_weights"))
        super().__init__(params)
        self._config = config
        self._params = params
        sent = {name: value for name, value in params.items() if name not in _OWN}
        encoding = params.get("encoding_format") or "base64"
        if encoding not in ("base64", "float"):
            raise InvalidArgumentError(f"encoding_format: must be 'base64' or 'float', not {encoding!r}")
        self._model = model
        self._refused = {} if refused is None else refused
        self._attempt = max(_ENCODINGS.index(encoding), self._refused.get(model, 0))
        self._attempts: dict[Batch, int] = {}
        self._count_tokens = params.get("count_tokens")
        if self._count_tokens is not None and not callable(self._count_tokens):
            raise InvalidArgumentError(f"count_tokens: {self._count_tokens!r} cannot be called")
        self._limits = Limits(
            whole_from(params, "batch_size", MAX_ITEMS, MAX_ITEMS),
            MAX_BATCH_BYTES,
            whole_from(params, "max_batch_tokens", MAX_BATCH_TOKENS, MAX_BATCH_BYTES),
        )
        if params.get("as_numpy"):
            _numpy()
        self._inputs = _checked(texts)
        places: dict[str, int] = {}
        self._place_of = [places.setdefault(text, len(places)) for text in self._inputs]
        self._texts = list(places)
        self._copies = Counter(self._place_of) if self._on_progress is not None else Counter[int]()
        self._done = 0
        self._vectors: list[array[float] | None] = [None] * len(self._texts)
        self._answers: list[EmbeddingsResult] = []
        self._cache = cache
        self._batch_body = body_of(config, model, {}, sent)
        self._keys: list[bytes] = []
        self._claimed: set[int] = set()
        self._awaited: dict[int, Future[array[float] | None]] = {}
        self._cached = 0
        if cache is not None:
            what = config.base_url.encode() + encoded(self._batch_body) + trust_of(config, params)
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
                self._take_cached(place, found)
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
                self._take_cached(place, vector)
        self._awaited = {}
        return self._laid_out(self._claim(failed))

    def _take_cached(self, place: int, vector: array[float]) -> None:
        self._vectors[place] = vector
        self._cached += 1
        self._done += self._copies[place]

    def release(self) -> None:
        """Give up what this plan meant to fetch and did not, so that nobody waits for it in vain."""
        if self._cache is not None:
            for place in self._claimed:
                self._cache.release(self._keys[place])
        self._claimed.clear()

    def _laid_out(self, places: Iterable[int]) -> list[Batch]:
        return laid_out(((place, *self._measure(self._texts[place])) for place in places), self._limits)

    def _measure(self, text: str) -> tuple[int, int]:
        """The bytes and the tokens of a text."""
        size = size_of(text)
        if self._count_tokens is None:
            return size, estimated_tokens(len(text), size)
        tokens = self._count_tokens(text)
        if not isinstance(tokens, int) or tokens < 0:
            raise InvalidArgumentError(f"count_tokens: gave {tokens!r} and not a number of tokens")
        return size, tokens

    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """The request for a batch."""
        self._attempts[batch] = self._attempt
        body = {**self._batch_body, "input": [self._texts[place] for place in batch]}
        encoding = _ENCODINGS[self._attempt]
        if encoding is not None:
            body["encoding_format"] = encoding
        return self._as_relaxed(
            request_of(
                self._config,
                "embeddings",
                PATH,
                self._params,
                body,
                retry_timeouts=True,
                spent=self._spent(),
                stop=stop,
            )
        )

    def accept(self, batch: Batch, response: Response) -> EmbeddingsResult:
        """Take the answer to a batch.

        Raises:
            ResponseDecodeError: It does not hold one whole vector for each text.
        """
        vectors, answer = parsed(response, lambda response: _parse(response, len(batch)))
        self._relaxed = max(self._relaxed, len(answer.relaxed))
        trusted = self._cache is not None and is_trusted(answer)
        for place, vector in zip(batch, vectors, strict=True):
            self._vectors[place] = vector
            if self._cache is not None and trusted:
                self._cache.put(self._keys[place], vector)
                self._claimed.discard(place)
        self._answers.append(answer)
        if self._copies:
            self._done += sum(self._copies[place] for place in batch)
        return answer

    def reject(self, batch: Batch, error: APIStatusError) -> list[Batch]:
        """Decide what to do with a batch that the service refused.

        Returns:
            The batches to send in its place: halves of one that was too large,
            or the same again in the next encoding; none where nothing can be done.
        """
        if self._refuses_encoding(batch, error):
            self._attempt = max(self._attempt, self._attempts[batch] + 1)
            self._refused[self._model] = self._attempt
            return [batch]
        return super().reject(batch, error)

    def can_replace(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether halves of the batch, or the same in another encoding, can be sent in its place."""
        return self._refuses_encoding(batch, error) or super().can_replace(batch, error)

    def _refuses_encoding(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether the service takes no vectors in the encoding of a batch, and there is another one."""
        said = error.message.lower()
        about_encoding = "encoding_format" in said or "base64" in said or error.param == "encoding_format"
        return about_encoding and self._attempts[batch] + 1 < len(_ENCODINGS) and refused_as_it_is(error)

    def _count(self) -> tuple[int, int]:
        return self._done, len(self._inputs)

    def result(self) -> EmbeddingsResult:
        """Everything together, in the order of the input."""
        result = EmbeddingsResult(
            usage=sum_usage(self._answers),
            environment_impact=sum_impact(self._answers),
            billing_cost=sum_cost(self._answers),
            model=next((answer.model for answer in self._answers if answer.model), None),
            batches=[*self._answers],
            cached=self._cached,
        )
        result.embeddings = self._as_numpy() if self._params.get("as_numpy") else list(self._lists())
        if self._answers:
            set_origin(result, *self._origin(self._answers))
        return self._verified(result, self._answers)

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


def _numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise InvalidArgumentError("as_numpy: numpy is not installed (pip install numpy)") from error
