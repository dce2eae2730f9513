"""The endpoints of an asyncio client: build, send, read; `melious.endpoints` says what."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

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
from melious.clients._async.batches import run_batches_async
from melious.clients.record import UsageRecorder, verify_location
from melious.clients.streams import AsyncChatStream
from melious.endpoints import audio, chat, images, models
from melious.endpoints.audio import AudioFile, TranscriptionParams
from melious.endpoints.chat import ChatParams
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.embeddings import EmbeddingParams, EmbeddingsPlan
from melious.endpoints.images import ImageParams
from melious.endpoints.models import FindParams, ModelParams
from melious.endpoints.rerank import RerankParams, RerankPlan
from melious.exchange.opened import OpenStream
from melious.exchange.request import Operation, Request
from melious.http._async.driver import AsyncDriver
from melious.http.asyncio_only import running_loop
from melious.settings.config import ClientConfig

if TYPE_CHECKING:
    import builtins

    from melious.catalogue import ModelCard

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

    async def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> ChatCompletion:
        """Ask for a whole answer.

        See `melious.clients._sync.endpoints.Chat.create` for arguments and errors.
        """
        return await self._call(chat.create(self._config, model, messages, params))

    def stream(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> AsyncChatStream:
        """Ask for an answer in chunks; awaiting, entering or iterating over it makes the request.

        See `melious.clients._sync.endpoints.Chat.stream` for arguments and errors.
        """
        request = chat.stream(self._config, model, messages, params)
        return AsyncChatStream(lambda: self._open(request))

    async def _open(
        self, request: Request
    ) -> tuple[OpenStream, AsyncGenerator[dict[str, Any]], Callable[[], Awaitable[None]]]:
        with UsageRecorder(request) as record:
            begun = await self._driver.open(request, record.stream_ended)
            record.opened()
        return begun


class AsyncEmbeddings(_Endpoint):
    """`client.embeddings`."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver, cache: EmbeddingCache | None) -> None:
        super().__init__(config, driver)
        self._cache = cache
        self._refused_encodings: dict[str, int] = {}

    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[str],  # noqa: A002 - the wire's word
        **params: Unpack[EmbeddingParams],
    ) -> EmbeddingsResult:
        """Turn texts into vectors; any number of texts, in as many requests as it takes.

        See `melious.clients._sync.endpoints.Embeddings.create` for arguments and errors.
        """
        plan = EmbeddingsPlan(self._config, model, input, params, self._cache, self._refused_encodings)
        return await run_batches_async(plan, self._driver.call)


class AsyncRerank(_Endpoint):
    """`client.rerank`."""

    async def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        **params: Unpack[RerankParams],
    ) -> RerankResult:
        """Put documents in order of relevance to a query; any number, in as many requests as it takes.

        See `melious.clients._sync.endpoints.Rerank.create` for arguments and errors.
        """
        plan = RerankPlan(self._config, model, query, documents, params)
        return await run_batches_async(plan, self._driver.call)


class AsyncImages(_Endpoint):
    """`client.images`."""

    async def generate(self, *, model: str, prompt: str, **params: Unpack[ImageParams]) -> ImagesResult:
        """Make pictures.

        See `melious.clients._sync.endpoints.Images.generate` for arguments and errors.
        """
        return await self._call(images.create(self._config, model, prompt, params))


class AsyncAudio(_Endpoint):
    """`client.audio`."""

    async def transcribe(
        self, *, model: str, file: AudioFile, **params: Unpack[TranscriptionParams]
    ) -> Transcription:
        """Write down what is said in a recording.

        See `melious.clients._sync.endpoints.Audio.transcribe` for arguments and errors.
        """
        running_loop()
        # Building looks at the file, and a disk can be slow.
        return await self._call(await to_thread(audio.create, self._config, model, file, params))


class AsyncModels(_Endpoint):
    """`client.models`."""

    async def list(self, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> ModelList:
        """List the models that the key may use.

        See `melious.clients._sync.endpoints.Models.list` for arguments and errors.
        """
        listed = await self._call(models.list_all(self._config, params, include_meta=include_meta))
        if include_meta:
            models.shelf_of(self._config).learn(models.told_by(listed))
        return listed

    async def find(self, **params: Unpack[FindParams]) -> builtins.list[ModelCard]:
        """Look for models by what they can do and cost, among those that the key may use.

        See `melious.clients._sync.endpoints.Models.find` for arguments and errors.
        """
        import asyncio  # noqa: PLC0415 - for those who look models up

        from melious.catalogue.heard import PATIENCE, Fetch, Wait  # noqa: PLC0415

        wanted, max_age, call = models.find(self._config, params)
        turn = models.shelf_of(self._config).turn(max_age, running_loop())
        while isinstance(turn, Wait):
            landed = asyncio.wrap_future(turn.landed)
            try:
                await asyncio.wait([landed], timeout=PATIENCE)
            finally:
                landed.cancel()
            turn = turn.over()
        if isinstance(turn, Fetch):
            try:
                listed = await self._call(call)
            except BaseException as error:  # noqa: BLE001 - others wait for what came of it
                turn = turn.failed(error)
            else:
                turn = turn.succeeded(models.told_by(listed))
        return wanted.of(turn)

    async def retrieve(
        self, model: str, *, include_meta: bool = False, **params: Unpack[ModelParams]
    ) -> Model:
        """Look one model up.

        See `melious.clients._sync.endpoints.Models.retrieve` for arguments and errors.
        """
        return await self._call(models.retrieve(self._config, model, params, include_meta=include_meta))
