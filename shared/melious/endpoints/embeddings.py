"""POST /embeddings: one call, as many requests as it takes."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from melious.answers.reading import is_trusted, json_of, read_as, set_source
from melious.answers.vectors import EmbeddingsResult
from melious.endpoints.blank_texts import is_blank, width_of
from melious.endpoints.common import body_of, check_known, encoded, request_of, trust_of
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.embedding_params import EmbeddingParams
from melious.endpoints.splitting import (
    Batch,
    BatchLimits,
    BatchPlan,
    in_batches,
    refused_as_it_is,
    utf8_length,
    whole_number,
)
from melious.endpoints.sums import combined
from melious.endpoints.vectors import in_order, rename_text
from melious.errors import APIStatusError, InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_callable, check_one_of, check_whole
from melious.exchange.request import Request, Response, Stop, parsed
from melious.settings.checks import check_weights
from melious.settings.config import ClientConfig
from melious.wire.tokens import estimated_tokens

PATH = "embeddings"
MAX_ITEMS = 2048
_ENCODINGS = ("base64", "float", None)
"""The encodings to ask for, each once the one before is refused; None leaves the field out."""
MAX_BATCH_BYTES = 8_000_000
MAX_BATCH_TOKENS = 250_000


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
        "blank_texts",
    }
)


class EmbeddingsPlan(BatchPlan[EmbeddingsResult]):
    """One embeddings call: its batches and their answers."""

    name = PATH
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
        """Check the arguments and divide the texts into batches.

        `refused` says how many encodings each model is known to refuse; this call adds what it learns.
        """
        check_known(params, EmbeddingParams, "embeddings")
        super().__init__(config, params)
        sent = {name: value for name, value in params.items() if name not in _OWN}
        encoding = params.get("encoding_format") or "base64"
        check_one_of("encoding_format", encoding, ("base64", "float"))
        self._model = model
        self._base_url = config.base_url
        self._refused = {} if refused is None else refused
        self._attempt = max(_ENCODINGS.index(encoding), self._refused.get(model, 0))
        self._attempts: dict[Batch, int] = {}
        self._count_tokens = params.get("count_tokens")
        check_callable("count_tokens", self._count_tokens)
        self._limits = BatchLimits(
            whole_number(params, "batch_size", MAX_ITEMS, MAX_ITEMS),
            MAX_BATCH_BYTES,
            whole_number(params, "max_batch_tokens", MAX_BATCH_TOKENS, MAX_BATCH_BYTES),
        )
        if params.get("as_numpy"):
            _numpy()
        skip = (params.get("blank_texts") or config.blank_texts) == "skip"
        self._inputs, self._skipped = _checked(texts, skip=skip)
        places: dict[str, int] = {}
        self._place_of = [places.setdefault(text, len(places)) for text in self._inputs]
        self._texts = list(places)
        self._copies = Counter(self._place_of) if self._on_progress is not None else Counter[int]()
        self._blank = places.get("")
        self._done = len(self._skipped)
        self._vectors: list[array[float] | None] = [None] * len(self._texts)
        self._answers: list[EmbeddingsResult] = []
        self._cache = cache
        self._batch_body = body_of(config, "embeddings", model, {}, sent)
        self._keys: list[bytes] = []
        self._claimed: set[int] = set()
        self._pending: dict[int, Future[array[float] | None]] = {}
        self._cached = 0
        if cache is not None:
            what = config.base_url.encode() + encoded(self._batch_body) + trust_of(config, params)
            scope = hashlib.blake2b(what, digest_size=32).digest()
            self._keys = [cache.key(scope, text) for text in self._texts]
        if len(self._skipped) == len(self._inputs):
            self._width()

    def _claim(self, places: Iterable[int]) -> list[int]:
        """Look texts up in the cache; gives those that this plan must fetch."""
        if self._cache is None:
            return list(places)
        fetch: list[int] = []
        for place in places:
            found = self._cache.claim(self._keys[place])
            if found is None:
                self._claimed.add(place)
                fetch.append(place)
            elif isinstance(found, Future):
                self._pending[place] = found
            else:
                self._take_cached(place, found)
        return fetch

    def batches(self) -> list[Batch]:
        """The batches to send first, without what the cache has or will have."""
        places = range(len(self._texts))
        if self._blank is not None:
            return self._in_batches(self._claim(place for place in places if place != self._blank))
        return self._in_batches(self._claim(places))

    def pending(self) -> list[Future[array[float] | None]]:
        """The vectors that other calls are fetching; wait for all of them, then call `settle`."""
        return list(self._pending.values())

    def settle(self) -> list[Batch]:
        """Take what the other calls fetched; gives batches for what they could not fetch."""
        failed: list[int] = []
        for place, future in self._pending.items():
            vector = future.result()
            if vector is None:
                failed.append(place)
            else:
                self._take_cached(place, vector)
        self._pending = {}
        return self._in_batches(self._claim(failed))

    def _take_cached(self, place: int, vector: array[float]) -> None:
        self._vectors[place] = vector
        self._cached += 1
        self._done += self._copies[place]

    def release(self) -> None:
        """Release the claims of this plan, so that no other call waits for it in vain."""
        if self._cache is not None:
            for place in self._claimed:
                self._cache.release(self._keys[place])
        self._claimed.clear()

    def _in_batches(self, places: Iterable[int]) -> list[Batch]:
        return in_batches(((place, *self._measure(self._texts[place])) for place in places), self._limits)

    def _measure(self, text: str) -> tuple[int, int]:
        """The bytes and tokens of a text."""
        size = utf8_length(text)
        if self._count_tokens is None:
            return size, estimated_tokens(len(text), size)
        tokens = self._count_tokens(text)
        check_whole("count_tokens: its result", tokens)
        return size, tokens

    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """The request for a batch."""
        self._attempts[batch] = self._attempt
        body = {**self._batch_body, "input": [self._texts[place] for place in batch]}
        encoding = _ENCODINGS[self._attempt]
        if encoding is not None:
            body["encoding_format"] = encoding
        return self._request_of(body, stop)

    def accept(self, batch: Batch, response: Response) -> EmbeddingsResult:
        """Take the answer to a batch, which must have one valid vector for each text."""
        try:
            vectors, answer = parsed(response, lambda response: _parse(response, len(batch)))
        except ResponseDecodeError as error:
            if error.position is not None:
                rename_text(error, self._place_of.index(batch[error.position]))
            raise
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
        """Replace a refused batch by halves, if it was too large, or by itself in the next encoding."""
        if self._refuses_encoding(batch, error):
            self._attempt = max(self._attempt, self._attempts[batch] + 1)
            self._refused[self._model] = self._attempt
            return [batch]
        return super().reject(batch, error)

    def can_replace(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether halves of the batch, or the same batch in another encoding, can replace it."""
        return self._refuses_encoding(batch, error) or super().can_replace(batch, error)

    def _refuses_encoding(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether the service refuses the encoding of a batch, and there is another one to try."""
        said = error.message.lower()
        about_encoding = "encoding_format" in said or "base64" in said or error.param == "encoding_format"
        return about_encoding and self._attempts[batch] + 1 < len(_ENCODINGS) and refused_as_it_is(error)

    def _count(self) -> tuple[int, int]:
        return self._done, len(self._inputs)

    def result(self) -> EmbeddingsResult:
        """The result of the whole call, in the order of the input."""
        if self._blank is not None:
            self._vectors[self._blank] = array("f", [0.0]) * self._width()
        result = EmbeddingsResult(**combined(self._answers), cached=self._cached, skipped=self._skipped)
        result.embeddings = self._as_numpy() if self._params.get("as_numpy") else list(self._lists())
        if self._answers:
            set_source(result, *self._origin(self._answers))
        return self._verified(result, self._answers)

    def _width(self) -> int:
        return width_of(self._vectors, self._batch_body.get("dimensions"), self._model, self._base_url)

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


def single(config: ClientConfig, model: str, texts: str | Sequence[str], params: EmbeddingParams) -> Request:
    """One request for all texts, which is not divided, as a line of a batch."""
    check_known(params, EmbeddingParams, "embeddings")
    for name in _OWN - {"encoding_format"}:
        if params.get(name) is not None:
            raise InvalidArgumentError(
                f"{name}: has no effect on a request of a batch; leave it out", param=name
            )
    check_weights(params.get("mode"), params.get("custom_weights"))
    encoding = params.get("encoding_format") or "float"
    check_one_of("encoding_format", encoding, ("base64", "float"))
    inputs, _ = _checked(texts, skip=False)
    if len(inputs) > MAX_ITEMS:
        raise InvalidArgumentError(
            f"input: must have at most {MAX_ITEMS:,} texts in one request of a batch, not {len(inputs):,}",
            param="input",
        )
    sent = {name: value for name, value in params.items() if name not in _OWN}
    body = body_of(config, "embeddings", model, {"input": inputs, "encoding_format": encoding}, sent)
    return request_of(config, "embeddings", PATH, params, body)


def read(raw: dict[str, Any], response: Response) -> EmbeddingsResult:
    """Read a parsed answer to such a request, whatever the number of its texts."""
    data = raw.pop("data", None)
    vectors = in_order(data, len(data) if isinstance(data, list) else 0)
    result = read_as(EmbeddingsResult, raw, response, "embeddings")
    result.embeddings = [vector.tolist() for vector in vectors]
    return result


def _parse(response: Response, count: int) -> tuple[list[array[float]], EmbeddingsResult]:
    raw = json_of(response, "embeddings")
    vectors = in_order(raw.pop("data", None), count)
    return vectors, read_as(EmbeddingsResult, raw, response, "embeddings")


def _checked(texts: str | Sequence[str], *, skip: bool) -> tuple[list[str], list[int]]:
    """The texts, with "" for each blank one if they are skipped, and the positions of these."""
    if not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
        raise InvalidArgumentError(f"input: must be text or a list of texts, not {type(texts).__name__}")
    inputs = [texts] if isinstance(texts, str) else list(texts)
    if not inputs:
        raise InvalidArgumentError("input: must not be empty")
    skipped: list[int] = []
    for position, text in enumerate(inputs):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"input[{position}]: must be text, not {type(text).__name__}")
        if is_blank(text):
            if not skip:
                raise InvalidArgumentError(f"input[{position}]: must not be {'blank' if text else 'empty'}")
            inputs[position] = ""
            skipped.append(position)
    return inputs, skipped


def _numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise InvalidArgumentError("as_numpy: numpy is not installed (pip install numpy)") from error
