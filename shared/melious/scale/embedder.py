"""`Embedder`: a callable on batches of rows, for distributed engines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Unpack

from melious.clients._sync.client import MeliousClient
from melious.endpoints.blank_texts import is_blank
from melious.endpoints.embedding_params import EmbeddingParams
from melious.endpoints.embeddings import EmbeddingsPlan
from melious.errors import ConfigurationError, InvalidArgumentError, MeliousError
from melious.errors.checks import check_callable, check_number, check_one_of, check_seconds
from melious.impact import track_impact
from melious.scale.columns import (
    check_errors,
    check_lengths,
    check_names,
    check_reports,
    check_unique,
    check_vectors,
    is_missing,
)
from melious.scale.engines import BATCH_AFTER, ENGINES, Engine
from melious.scale.pace import pace_for
from melious.scale.reports import ledger_of, report_of
from melious.scale.run import Run, unit
from melious.scale.tables import Column, Kind, table_of, with_arrow_types
from melious.settings.config import ClientConfig, reject_unknown
from melious.settings.keys import hidden, hide_key
from melious.settings.options import ClientOptions

_UNSUPPORTED = {
    "budget": "not supported: workers share nothing, so no budget can cover all of them",
    "async_transport": "not supported: requests are blocking",
    "blank_texts": "not supported: a row with a blank text has an error",
}
_OWN = frozenset(
    {
        "text_column",
        "output_column",
        "error_column",
        "report_column",
        "on_error",
        "prefix",
        "normalize",
        "key_from",
        "pickle_key",
        "engine",
        "batch_after",
        "batch_timeout",
    }
)
"""The arguments of the embedder itself."""
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "cookie"})
_POSITION = re.compile(r"'?\b(?:input|texts?)\[\d+\]'?")
_DEFAULTS: dict[str, Any] = {"max_retries": 5, "max_rate_limit_wait": 900.0}
_KEY_ADVICE = (
    "Set MELIOUS_API_KEY in the environment of every worker (Ray: the environment of the nodes, or "
    'runtime_env={"env_vars": {...}}; Spark: spark.executorEnv.MELIOUS_API_KEY; Dask: the environment of '
    "the workers), pass key_from=..., a function that fetches it there, or, if the key may travel "
    "with the job, pickle_key=True"
)


class EmbedderOptions(ClientOptions, total=False):
    """The options of `Embedder` besides its columns: those of a client and of embeddings.

    Attributes:
        dimensions: The length of the vectors, for models that can shorten them.
        user: Who the requests are for.
        mode: A routing word of the older documentation; not together with `custom_weights`.
        custom_weights: Routing weights of the older documentation.
        batch_size: The most texts in one request; 2048 by default.
        max_batch_tokens: The most tokens in one request; 250,000 by default.
        count_tokens: Counts the tokens of a text; by default they are estimated.
        max_concurrency: The most concurrent requests of one worker; 4 by default.
    """

    dimensions: int | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None
    batch_size: int | None
    max_batch_tokens: int | None
    count_tokens: Callable[[str], int] | None
    max_concurrency: int | None


_CLIENT_OPTIONS = frozenset(ClientOptions.__annotations__)
_CALL_OPTIONS = frozenset(EmbedderOptions.__annotations__) - _CLIENT_OPTIONS


class Embedder:
    """Embeds a column of text, batch by batch.

    It works in Ray Data's `map_batches` (dicts of numpy arrays, pandas, Arrow), Dask's
    `map_partitions`, Spark's `mapInPandas` and `mapInArrow` (which call it with an iterator), and on
    plain dicts of lists or lists of rows. It returns a batch of the same kind with two more columns:
    the vectors (float32; null if there is none) and the errors (null if there is none).

    * **Failed rows stay.** An empty or too long text is recorded in the error column; the others of its
      batch get their vectors. Errors that no row caused and every row would get are raised, and nothing
      further is sent: key, scope, balance, unknown model or path, a wrong option, filters that no
      provider matches, an answer from outside `filters["countries"]` with `verify_location="raise"`.
      Engines repeat a failed task (Spark three times): `embed(["a text"])` before the job shows such an
      error once.
    * **A run can resume.** Rows that already have a vector in the output column are not sent again:
      pass the output of an earlier run, joined to the corpus. Anything there that is neither missing
      nor a vector of numbers (text, NaN, another length) is an error, and nothing is sent.
    * **Workers respect the account's rate limit** without knowing of each other: each reads it from its
      own answers, slows down when it runs short and waits when the service says so.
    * **Pickles do not contain the key.** Each worker takes it from `MELIOUS_API_KEY` in its own
      environment, unless you set `key_from` or `pickle_key`.

    Args:
        model: The model, with or without a flavor.
        text_column: The column to read.
        output_column: The column for the vectors.
        error_column: The column for errors, if `on_error` is `record`.
        report_column: A column for what the batch cost, as text in one of its rows, for `ledger_of`;
            none by default.
        on_error: `record` errors of rows, or `raise` the first.
        prefix: Text to put before every text (`passage: ` for the E5 family).
        normalize: Scale the vectors to unit length, which the service does not.
        key_from: Fetches the key on the worker, once for each copy of the embedder; for vaults and
            files.
        pickle_key: Put `api_key` into pickles: whoever can read the job can then read the key.
        engine: `requests`; `batch` for a batch job of the service, outside the per-minute limit; or `auto`
            for a job if the rate limit alone would keep the requests busy for longer than `batch_after`.
        batch_after: Minutes, for `auto`; 10 by default.
        batch_timeout: The most seconds to wait for a job; by default as long as it takes.
        **options: `preset`, `flavor`, `filters`, `timeout`, `max_retries` (5 here), `dimensions`,
            `batch_size` and the rest of `EmbedderOptions`. `max_rate_limit_wait` (900 s here) is how
            long a request may be delayed and retried because of the rate limit alone. Not `budget`:
            workers share nothing.

    Raises:
        InvalidArgumentError: An argument is wrong or unknown.

    Examples:
        >>> from melious.sandbox import Sandbox
        >>> from melious.scale import Embedder
        >>> with Sandbox() as sandbox:
        ...     embed = Embedder("bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     batch = embed({"id": [1, 2], "text": ["a heat pump", ""]})
        >>> len(batch["embedding"][0]), batch["embedding"][1], batch["error"]
        (1024, None, [None, 'InvalidArgumentError: the text is empty'])

        With the engines; the key is in the environment of the workers:

        >>> embed = Embedder("bge-m3", text_column="body", dimensions=None)
        >>> ray.data.read_parquet("corpus").map_batches(embed, batch_size=1024)  # doctest: +SKIP
        >>> frame.map_partitions(embed, meta=embed.meta(frame)).to_parquet("vectors")  # doctest: +SKIP
        >>> corpus.mapInPandas(embed, "id long, body string, embedding array<float>, error string")
        ... # doctest: +SKIP
    """

    def __init__(
        self,
        model: str,
        *,
        text_column: str = "text",
        output_column: str = "embedding",
        error_column: str = "error",
        report_column: str | None = None,
        on_error: Literal["record", "raise"] = "record",
        prefix: str = "",
        normalize: bool = False,
        key_from: Callable[[], str] | None = None,
        pickle_key: bool = False,
        engine: Engine = "requests",
        batch_after: float = BATCH_AFTER,
        batch_timeout: float | None = None,
        **options: Unpack[EmbedderOptions],
    ) -> None:
        hide_key(options)
        given: dict[str, Any] = {**options}
        for name, reason in _UNSUPPORTED.items():
            if given.get(name) is not None:
                raise InvalidArgumentError(f"{name}: {reason}")
        reject_unknown(given, ((_CALL_OPTIONS | _CLIENT_OPTIONS) - set(_UNSUPPORTED)) | _OWN, "Embedder")
        check_one_of("on_error", on_error, ("record", "raise"))
        check_one_of("engine", engine, ENGINES)
        check_number("batch_after", batch_after)
        if batch_timeout is not None:
            check_seconds("batch_timeout", batch_timeout)
        check_callable("key_from", key_from)
        if not isinstance(prefix, str):
            raise InvalidArgumentError(f"prefix: must be text, not {prefix!r}")
        for name, flag in (("normalize", normalize), ("pickle_key", pickle_key)):
            if not isinstance(flag, bool):
                raise InvalidArgumentError(f"{name}: must be True or False, not {flag!r}")
        api_key = given.pop("api_key", None)
        if api_key is not None and key_from is not None:
            raise InvalidArgumentError("key_from: cannot be combined with api_key; give one of them")
        self.model = model
        self.text_column = text_column
        self.output_column = output_column
        self.error_column = error_column
        self.report_column = report_column
        self.on_error = on_error
        self.prefix = prefix
        self.normalize = normalize
        self._key = api_key
        self.engine = engine
        self.batch_after = batch_after
        self.batch_timeout = batch_timeout
        self._key_from = key_from
        self._pickle_key = pickle_key
        self._params = {name: value for name, value in given.items() if name in _CALL_OPTIONS}
        self._options = {**_DEFAULTS, **{name: given[name] for name in given if name in _CLIENT_OPTIONS}}
        self._client: MeliousClient | None = None
        self._check()

    def _check(self) -> None:
        """Check what every worker would check; the key is not known yet."""
        check_names(
            {
                name: getattr(self, name)
                for name in ("text_column", "output_column", "error_column", "report_column")
            }
        )
        config = ClientConfig.resolve(**{**self._options, "api_key": self._key or "known to the workers"})
        EmbeddingsPlan(config, self.model, ["text"], EmbeddingParams(**self._params))  # type: ignore[typeddict-item]

    def __call__(self, batch: Any) -> Any:
        """Embed a batch, or each batch of an iterator.

        Args:
            batch: A pandas frame, an Arrow table or record batch, a dict of numpy arrays or lists, a list
                of dicts or of texts; or an iterator of these.

        Returns:
            The same kind with the new columns; an iterator for an iterator. A dict of numpy arrays gets
            Arrow arrays if pyarrow is installed, since numpy has no nulls.

        Raises:
            ConfigurationError: There is no key.
            InvalidArgumentError: The batch has an unknown type, no text column, two columns of one name
                or of different lengths, or data in a column to be written that is not from an
                earlier run.
            MeliousError: A request failed, and `on_error` is `raise` or every row would get the error.
        """
        if isinstance(batch, Iterator):
            return map(self._embedded, batch)
        return self._embedded(batch)

    def meta(self, frame: Any) -> Any:
        """The `meta` that Dask needs: an empty frame with the columns of the result. Nothing is sent.

        Without it Dask would embed made-up rows. The new columns have Arrow types if pyarrow is
        installed, so `to_parquet` needs no schema.

        Args:
            frame: The Dask or pandas frame to be embedded.

        Returns:
            An empty pandas frame.

        Raises:
            InvalidArgumentError: It is not a frame, has no text column, or has two columns of one name.
        """
        whole = getattr(frame, "_meta", frame)
        if not hasattr(whole, "iloc"):
            raise InvalidArgumentError(f"frame: must be a Dask or pandas frame, not {type(frame).__name__}")
        return with_arrow_types(self._embedded(whole.iloc[:0]), self._written())

    def _written(self) -> dict[str, Kind]:
        """The columns to write."""
        kinds: dict[str, Kind] = {self.output_column: "vector"}
        if self.on_error == "record":
            kinds[self.error_column] = "text"
        if self.report_column is not None:
            kinds[self.report_column] = "text"
        return kinds

    def _embedded(self, batch: Any) -> Any:
        table = table_of(batch, self.text_column)
        names = table.names()
        check_unique(names)
        rows = table.read(self.text_column) if self.text_column in names else []
        if self.text_column not in names and names:
            raise InvalidArgumentError(
                f"batch: has no column {self.text_column!r}; it has {', '.join(names)}"
            )
        vectors = table.read(self.output_column) if self.output_column in names else [None] * len(rows)
        filled = check_vectors(self.output_column, vectors, self._params.get("dimensions"))
        if self.on_error == "record" and self.error_column in names:
            check_errors(self.error_column, table.read(self.error_column))
        reports: list[str | None] = [None] * len(rows)
        if self.report_column is not None and self.report_column in names:
            reports = check_reports(self.report_column, table.read(self.report_column))
        errors: list[str | None] = [None] * len(rows)
        wanted: dict[str, list[int]] = {}
        for place, text in enumerate(rows):
            if filled[place]:
                continue
            vectors[place] = None
            problem = problem_with(text)
            if problem is None:
                wanted.setdefault(self.prefix + text, []).append(place)
            elif self.on_error == "raise":
                raise InvalidArgumentError(f"{self.text_column}[{place}]: {problem}")
            else:
                errors[place] = f"InvalidArgumentError: {problem}"
        if wanted:
            report = self._embed(wanted, vectors, errors, arrays=table.arrays)
            check_lengths(self.output_column, filled, vectors)
            if report is not None:
                place = next(iter(wanted.values()))[0]
                reports[place] = report_of(ledger_of([reports[place], report]))
        found: dict[str, list[Any]] = {self.output_column: vectors, self.error_column: errors}
        if self.report_column is not None:
            found[self.report_column] = reports
        return table.written({name: Column(kind, found[name]) for name, kind in self._written().items()})

    def _embed(
        self, wanted: Mapping[str, list[int]], vectors: list[Any], errors: list[str | None], *, arrays: bool
    ) -> str | None:
        """Embed texts into their rows; returns the cost as a report."""
        client = self._connected()
        pace = pace_for(client.config.base_url, client.config.key_digest)
        record = self.on_error == "record"
        run = Run(
            client,
            self.model,
            list(wanted),
            self._params,
            pace,
            arrays=arrays,
            record=record,
            engine=self.engine,
            batch_after=self.batch_after,
            batch_timeout=self.batch_timeout,
        )
        with track_impact() as ledger:
            run.all()
        for places, vector, error in zip(wanted.values(), run.vectors, run.errors, strict=True):
            for place in places:
                if error is not None:
                    errors[place] = error_text(error)
                else:
                    vectors[place] = unit(vector) if self.normalize else vector
        return report_of(ledger)

    def _connected(self) -> MeliousClient:
        """The client of this process, made at first use."""
        if self._client is None:
            key = self._key if self._key_from is None else hidden(self._key_from())
            try:
                self._client = MeliousClient(**{**self._options, "api_key": key})
            except ConfigurationError as error:
                if key is None:
                    error.advice = _KEY_ADVICE
                raise
        return self._client

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the client and, unless `pickle_key` is set, the key.

        Raises:
            ConfigurationError: The key, or a secret header, would go into the pickle.
        """
        headers = self._options.get("default_headers") or {}
        secret = next((name for name in headers if name.lower() in _SECRET_HEADERS), None)
        if not self._pickle_key and (secret or self._key is not None):
            what = f"default_headers[{secret!r}]" if secret else "api_key"
            raise ConfigurationError(f"{what}: is not pickled by default", advice=_KEY_ADVICE)
        return {**self.__dict__, "_client": None, "_key": self._key if self._pickle_key else None}

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__qualname__, *(
            value for name, value in sorted(self.__dict__.items()) if name not in ("_client", "_key")
        )

    def __repr__(self) -> str:
        return f"Embedder({self.model!r}, {self.text_column!r} to {self.output_column!r})"


def problem_with(text: Any) -> str | None:
    """Why a cell cannot be embedded; None if it can.

    Examples:
        >>> problem_with("a kettle"), problem_with(""), problem_with(7)
        (None, 'the text is empty', 'must be text, not int')
    """
    if isinstance(text, str):
        if is_blank(text):
            return "the text is blank" if text else "the text is empty"
        return None
    return "the text is missing" if is_missing(text) else f"must be text, not {type(text).__name__}"


def error_text(error: MeliousError) -> str:
    """An error for the error column: its class and one line of text, without the position in the request."""
    text = _POSITION.sub("the text", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text}"[:500]
