"""The endpoints of a client: build a request, send it, read the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from melious._signatures import DEFAULTS_OF_CALLS, written_out
from melious.answers.results import (
    ChatCompletion,
    EmbeddingsResult,
    ImagesResult,
    Model,
    ModelList,
    RerankResult,
    Result,
    Transcription,
)
from melious.clients._async.batches import run_batches
from melious.clients._async.primitives import call_in_thread, current_loop, wait_for
from melious.clients.record import UsageRecorder, verify_location
from melious.clients.streams import AsyncBegun, AsyncChatStream
from melious.endpoints import audio, chat, images, models
from melious.endpoints.audio import AudioFile, TranscriptionParams
from melious.endpoints.chat_params import ChatParams
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.embeddings import EmbeddingParams, EmbeddingsPlan
from melious.endpoints.images import ImageParams
from melious.endpoints.models import FindParams, ModelParams
from melious.endpoints.rerank import RerankParams, RerankPlan
from melious.exchange.request import Operation, Request
from melious.http._async.driver import AsyncDriver
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions, RoutingOptions
from melious.wire.chunk import ChatChunk

if TYPE_CHECKING:
    from melious.catalogue import ModelCards

R = TypeVar("R", bound=Result)


class _Endpoint:
    """An endpoint of a client."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver) -> None:
        self._config = config
        self._driver = driver

    async def _call(self, operation: Operation[R]) -> R:
        with UsageRecorder(operation.request) as record:
            result = operation.read(await self._driver.call(operation.request))
            record.answered(result)
        verify_location(result)
        return result


class AsyncChat(_Endpoint):
    """`client.chat`."""

    if not TYPE_CHECKING:  # for type checkers there are no other attributes

        def __getattr__(self, name: str) -> Any:
            hint = "; use chat.create and chat.stream" if name == "completions" else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    @written_out(ChatParams, RoutingOptions, CallOptions)
    async def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> ChatCompletion:
        """Get a whole answer.

        Args:
            model: The model, with or without a flavor (`glm-4.7:eco`).
            messages: The conversation, oldest first, in OpenAI's form.
            **params: Those of `melious.ChatParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        operation = chat.create(self._config, model, messages, params)
        completion = await self._call(operation)
        if chat.is_disobeyed(operation.request, completion):
            completion = await self._call(chat.create(self._config, model, messages, params))
        return completion

    @written_out(ChatParams, RoutingOptions, CallOptions)
    def stream(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> AsyncChatStream:
        """Stream an answer. Awaiting, entering or iterating over it makes the request.

        Args:
            model: The model, with or without a flavor (`glm-4.7:eco`).
            messages: The conversation, oldest first, in OpenAI's form.
            **params: Those of `melious.ChatParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed before its first chunk.
        """
        make = partial(chat.stream, self._config, model, messages, params)
        request = make()
        if chat.may_be_disobeyed(request):
            return AsyncChatStream(partial(self._open_forced, request, make))
        return AsyncChatStream(partial(self._open, request))

    async def _open_forced(self, request: Request, make: Callable[[], Request]) -> AsyncBegun:
        """Open a stream that should begin with a tool call; if it ends without one, open another instead."""
        opened, chunks, let_go = await self._open(request)
        first: list[ChatChunk] = []
        async for chunk in chunks:
            first.append(chunk)
            if opened.parser.partial.tool_calls:
                break
        if chat.is_disobeyed(request, opened.parser.partial):
            return await self._open(make())
        rest = _after(first, chunks)
        await anext(rest)  # a generator that never began would not close the stream
        return opened, rest, let_go

    async def _open(self, request: Request) -> AsyncBegun:
        with UsageRecorder(request) as record:
            begun = await self._driver.open(request, record.stream_ended)
            record.opened()
        return begun


async def _after(first: list[ChatChunk], rest: AsyncGenerator[ChatChunk]) -> AsyncGenerator[ChatChunk]:
    """Nothing, so that it has begun; then the chunks that were read already, and those that follow."""
    try:
        yield ChatChunk()
        for chunk in first:
            yield chunk
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()


class AsyncEmbeddings(_Endpoint):
    """`client.embeddings`."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver, cache: EmbeddingCache | None) -> None:
        super().__init__(config, driver)
        self._cache = cache
        self._refused_encodings: dict[str, int] = {}

    @written_out(EmbeddingParams, RoutingOptions, CallOptions)
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[str],  # noqa: A002 - the wire's word
        **params: Unpack[EmbeddingParams],
    ) -> EmbeddingsResult:
        """Embed any number of texts, in as many requests as it takes.

        Equal texts are sent once. The vectors come in the order of the input and are not
        normalized.

        Args:
            model: The model, with or without a flavor.
            input: One text or several, none of them empty.
            **params: Those of `melious.EmbeddingParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; the subclass says how.
        """
        plan = EmbeddingsPlan(self._config, model, input, params, self._cache, self._refused_encodings)
        return await run_batches(plan, self._driver.call)


class AsyncRerank(_Endpoint):
    """`client.rerank`."""

    @written_out(RerankParams, RoutingOptions, CallOptions)
    async def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        **params: Unpack[RerankParams],
    ) -> RerankResult:
        """Rank any number of documents by relevance to a query, in as many requests as it takes.

        Args:
            model: The model, with or without a flavor.
            query: What to look for.
            documents: Texts, or dicts with `text`.
            **params: Those of `melious.RerankParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; the subclass says how.
        """
        plan = RerankPlan(self._config, model, query, documents, params)
        return await run_batches(plan, self._driver.call)


class AsyncImages(_Endpoint):
    """`client.images`."""

    @written_out(ImageParams, RoutingOptions, CallOptions)
    async def generate(self, *, model: str, prompt: str, **params: Unpack[ImageParams]) -> ImagesResult:
        """Generate images.

        Args:
            model: The model.
            prompt: What the image should show.
            **params: Those of `melious.ImageParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(images.create(self._config, model, prompt, params))


class AsyncAudio(_Endpoint):
    """`client.audio`."""

    @written_out(TranscriptionParams, RoutingOptions, CallOptions)
    async def transcribe(
        self, *, model: str, file: AudioFile, **params: Unpack[TranscriptionParams]
    ) -> Transcription:
        """Transcribe a recording.

        Args:
            model: The model.
            file: A path, an open file, or a tuple of name and bytes; at most 25 MB of mp3, mp4,
                mpeg, mpga, m4a, wav or webm.
            **params: Those of `melious.TranscriptionParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        # Building the request reads the file, and a disk can be slow.
        return await self._call(await call_in_thread(audio.create, self._config, model, file, params))


class AsyncModels(_Endpoint):
    """`client.models`."""

    @written_out(CallOptions)
    async def list(self, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> ModelList:
        """List the models that the key may use.

        Args:
            include_meta: Include types, modalities, capabilities, contexts and prices, which the
                catalogue of this process then knows.
            **params: Those of `melious.CallOptions`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        listed = await self._call(models.list_all(self._config, params, include_meta=include_meta))
        if include_meta:
            models.live_models(self._config).update(models.listed_models(listed))
        return listed

    @written_out(FindParams, CallOptions, defaults={**DEFAULTS_OF_CALLS, "max_age": 300.0})
    async def find(self, **params: Unpack[FindParams]) -> ModelCards:
        """Find models that the key may use by what they can do and cost.

        The shipped catalogue fills in facts that the service leaves out. The service's list is kept
        for five minutes, shared by all clients of the key in this process: concurrent callers make
        one request, and if it fails the previous list is used. Models known not to be served are
        left out; being listed is no guarantee for the others.

        Args:
            **params: Those of `melious.FindParams`.

        Returns:
            A list of cards (`melious.catalogue.ModelCard`), which notebooks show as a table and
            `.to_pandas()` gives as a frame: `id`, `context_length`, `input_cost` and
            `output_cost` in EUR per million tokens, `vision`, `tools`, `reasoning` and more; None
            where unknown.

        Raises:
            InvalidArgumentError: An argument is wrong.
            MeliousError: The call failed and there is no earlier list; the subclass says how.

        Examples:
            >>> from melious import AsyncMeliousClient
            >>> client = AsyncMeliousClient(api_key="sk-mel-...")
            >>> cards = await client.models.find(vision=True, order_by="price")  # doctest: +SKIP
            >>> [(card.id, card.input_cost) for card in cards]  # doctest: +SKIP
        """
        from melious.catalogue.live import MAX_WAIT, Fetch, Wait  # noqa: PLC0415 - only `find` needs it

        wanted, max_age, call = models.find(self._config, params)
        found = models.live_models(self._config).lookup(max_age, current_loop())
        while isinstance(found, Wait):
            await wait_for(found.done, MAX_WAIT)
            found = found.resume()
        if isinstance(found, Fetch):
            try:
                listed = await self._call(call)
            except BaseException as error:  # noqa: BLE001 - other callers wait for the outcome
                found = found.failed(error)
            else:
                found = found.succeeded(models.listed_models(listed))
        return models.chosen(wanted, found, self._config)

    @written_out(CallOptions)
    async def retrieve(
        self, model: str, *, include_meta: bool = False, **params: Unpack[ModelParams]
    ) -> Model:
        """Look up one model.

        Args:
            model: The model's id.
            include_meta: Include type, modalities, capabilities, context and price.
            **params: Those of `melious.CallOptions`.

        Raises:
            ModelNotFoundError: There is no such model.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(models.retrieve(self._config, model, params, include_meta=include_meta))
