"""The endpoints of a blocking client: build, send, read; `melious.endpoints` says what."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
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
from melious.clients._sync.batches import run_batches
from melious.clients.record import UsageRecorder, verify_location
from melious.clients.streams import ChatStream
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
from melious.http._sync.driver import SyncDriver
from melious.settings.config import ClientConfig

if TYPE_CHECKING:
    import builtins

    from melious.catalogue import ModelCard

R = TypeVar("R", bound=Result)


class _Endpoint:
    """An endpoint of a client."""

    def __init__(self, config: ClientConfig, driver: SyncDriver) -> None:
        self._config = config
        self._driver = driver

    def _call(self, operation: Operation[R]) -> R:
        with UsageRecorder(operation.request) as record:
            result = operation.read(self._driver.call(operation.request))
            record.answered(result)
        verify_location(result)
        return result


class Chat(_Endpoint):
    """`client.chat`."""

    def create(
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
        return self._call(chat.create(self._config, model, messages, params))

    def stream(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> ChatStream:
        """Ask for an answer in chunks. The request is made at once; see `create` for the arguments.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed before its first chunk.
        """
        request = chat.stream(self._config, model, messages, params)
        return ChatStream(*self._open(request))

    def _open(self, request: Request) -> tuple[OpenStream, Generator[dict[str, Any]]]:
        with UsageRecorder(request) as record:
            opened, chunks, _ = self._driver.open(request, record.stream_ended)
            record.opened()
        return opened, chunks


class Embeddings(_Endpoint):
    """`client.embeddings`."""

    def __init__(self, config: ClientConfig, driver: SyncDriver, cache: EmbeddingCache | None) -> None:
        super().__init__(config, driver)
        self._cache = cache
        self._refused_encodings: dict[str, int] = {}

    def create(
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
        return run_batches(plan, self._driver.call)


class Rerank(_Endpoint):
    """`client.rerank`."""

    def create(
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
        return run_batches(plan, self._driver.call)


class Images(_Endpoint):
    """`client.images`."""

    def generate(self, *, model: str, prompt: str, **params: Unpack[ImageParams]) -> ImagesResult:
        """Make pictures.

        Args:
            model: The model.
            prompt: What to show.
            **params: See `ImageParams`, `RoutingOptions` and `CallOptions`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; its subclass says how.
        """
        return self._call(images.create(self._config, model, prompt, params))


class Audio(_Endpoint):
    """`client.audio`."""

    def transcribe(
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
        return self._call(audio.create(self._config, model, file, params))


class Models(_Endpoint):
    """`client.models`."""

    def list(self, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> ModelList:
        """List the models that the key may use.

        Args:
            include_meta: Ask for types, modalities, capabilities, contexts and prices too; the
                catalogue of this process knows them from then on.
            **params: See `CallOptions`.

        Raises:
            MeliousError: The call failed; its subclass says how.
        """
        listed = self._call(models.list_all(self._config, params, include_meta=include_meta))
        if include_meta:
            models.shelf_of(self._config).learn(models.told_by(listed))
        return listed

    def find(self, **params: Unpack[FindParams]) -> builtins.list[ModelCard]:
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
            >>> from melious import MeliousClient
            >>> client = MeliousClient(api_key="sk-mel-...")
            >>> cards = client.models.find(vision=True, order_by="price")  # doctest: +SKIP
            >>> [(card.id, card.input_cost) for card in cards]  # doctest: +SKIP
        """
        from concurrent.futures import wait  # noqa: PLC0415 - for those who look models up

        from melious.catalogue.heard import PATIENCE, Fetch, Wait  # noqa: PLC0415

        wanted, max_age, call = models.find(self._config, params)
        turn = models.shelf_of(self._config).turn(max_age)
        while isinstance(turn, Wait):
            wait([turn.landed], PATIENCE)
            turn = turn.over()
        if isinstance(turn, Fetch):
            try:
                listed = self._call(call)
            except BaseException as error:  # noqa: BLE001 - others wait for what came of it
                turn = turn.failed(error)
            else:
                turn = turn.succeeded(models.told_by(listed))
        return wanted.of(turn)

    def retrieve(self, model: str, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> Model:
        """Look one model up.

        Args:
            model: The model's id.
            include_meta: Ask for type, modalities, capabilities, context and price too.
            **params: See `CallOptions`.

        Raises:
            ModelNotFoundError: There is no such model.
            MeliousError: The call failed; its subclass says how.
        """
        return self._call(models.retrieve(self._config, model, params, include_meta=include_meta))
