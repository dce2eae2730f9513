"""The endpoints of a client: build, send, read; `melious.endpoints` says what."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
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
from melious.clients._async.batches import run_batches
from melious.clients._async.primitives import call_in_thread, current_loop, wait_for
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

        Args:
            model: The model, with or without a flavor (`glm-4.7:eco`).
            messages: The conversation, oldest first, in OpenAI's form.
            **params: See `ChatParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; its subclass says how.
        """
        return await self._call(chat.create(self._config, model, messages, params))

    def stream(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> AsyncChatStream:
        """Ask for an answer in chunks; see `create` for the arguments.

        Awaiting, entering or iterating over it makes the request.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed before its first chunk.
        """
        request = chat.stream(self._config, model, messages, params)
        return AsyncChatStream(partial(self._open, request))

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

        Equal texts are sent once. The vectors come in the order of the input
        and are not of unit length.

        Args:
            model: The model, with or without a flavor.
            input: One text or several; none may be empty.
            **params: See `EmbeddingParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; its subclass says how.
        """
        plan = EmbeddingsPlan(self._config, model, input, params, self._cache, self._refused_encodings)
        return await run_batches(plan, self._driver.call)


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

        Args:
            model: The model, with or without a flavor.
            query: What is looked for.
            documents: Texts, or dicts with `text`.
            **params: See `RerankParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; its subclass says how.
        """
        plan = RerankPlan(self._config, model, query, documents, params)
        return await run_batches(plan, self._driver.call)


class AsyncImages(_Endpoint):
    """`client.images`."""

    async def generate(self, *, model: str, prompt: str, **params: Unpack[ImageParams]) -> ImagesResult:
        """Make pictures.

        Args:
            model: The model.
            prompt: What to show.
            **params: See `ImageParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; its subclass says how.
        """
        return await self._call(images.create(self._config, model, prompt, params))


class AsyncAudio(_Endpoint):
    """`client.audio`."""

    async def transcribe(
        self, *, model: str, file: AudioFile, **params: Unpack[TranscriptionParams]
    ) -> Transcription:
        """Write down what is said in a recording.

        Args:
            model: The model.
            file: A path, an open file, or a name with the bytes; at most 25 MB
                of mp3, mp4, mpeg, mpga, m4a, wav or webm.
            **params: See `TranscriptionParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; its subclass says how.
        """
        # Building looks at the file, and a disk can be slow.
        return await self._call(await call_in_thread(audio.create, self._config, model, file, params))


class AsyncModels(_Endpoint):
    """`client.models`."""

    async def list(self, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> ModelList:
        """List the models that the key may use.

        Args:
            include_meta: Ask for types, modalities, capabilities, contexts and prices too; the
                catalogue of this process knows them from then on.
            **params: See `CallOptions`.

        Raises:
            MeliousError: The call failed; its subclass says how.
        """
        listed = await self._call(models.list_all(self._config, params, include_meta=include_meta))
        if include_meta:
            models.shelf_of(self._config).learn(models.told_by(listed))
        return listed

    async def find(self, **params: Unpack[FindParams]) -> builtins.list[ModelCard]:
        """Look for models by what they can do and cost, among those that the key may use.

        What the service says is laid over what the shipped catalogue knows: the service leaves out
        facts that others have published. Its list is kept for five minutes, for all clients of the
        key in this process; many callers at a time make one request, and where that fails the
        list from before goes on being used. Names that are known to be listed and not served are
        left out; the others are no promise either.

        Args:
            **params: `type`, `vision`, `tools`, `reasoning`, `min_context`, `max_input_cost` (EUR
                per million tokens), `order_by` and `max_age`, see `FindParams`; and `CallOptions`
                for the request.

        Returns:
            Cards (`melious.catalogue.ModelCard`): `id`, `context_length`, `input_cost` and
            `output_cost` in EUR per million tokens, `vision`, `tools`, `reasoning` and more, each
            None where nobody says.

        Raises:
            InvalidArgumentError: An argument is wrong.
            MeliousError: The call failed, and there is no earlier list; its subclass says how.

        Example:
            >>> from melious import AsyncMeliousClient
            >>> client = AsyncMeliousClient(api_key="sk-mel-...")
            >>> cards = await client.models.find(vision=True, order_by="price")  # doctest: +SKIP
            >>> [(card.id, card.input_cost) for card in cards]  # doctest: +SKIP
        """
        from melious.catalogue.heard import PATIENCE, Fetch, Wait  # noqa: PLC0415 - for those who ask

        wanted, max_age, call = models.find(self._config, params)
        turn = models.shelf_of(self._config).turn(max_age, current_loop())
        while isinstance(turn, Wait):
            await wait_for(turn.landed, PATIENCE)
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

        Args:
            model: The model's id.
            include_meta: Ask for type, modalities, capabilities, context and price too.
            **params: See `CallOptions`.

        Raises:
            ModelNotFoundError: There is no such model.
            MeliousError: The call failed; its subclass says how.
        """
        return await self._call(models.retrieve(self._config, model, params, include_meta=include_meta))
