"""What `bind` and its kin make of a chat model: bindings that know batches.

LangChain's own binding forwards unknown methods to the bare model and drops what is bound. A batch would then
be sent without its tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput, chat_models
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from typing_extensions import override

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import _ChatModelBinding as Binding
    from langchain_core.tracers.root_listeners import AsyncListener
    from langchain_core.tracers.schemas import Run

    from langchain_melious.chat.batch_chain import MeliousBatchChain
    from langchain_melious.chat.chain_parts import Configs
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.jobs import BatchJob

    Bound: TypeAlias = Runnable[LanguageModelInput, AIMessage]
    Listener: TypeAlias = Callable[[Run], None] | Callable[[Run, RunnableConfig], None] | None
else:
    Binding = getattr(chat_models, "_ChatModelBinding", RunnableBinding)


class HasBatches:
    """The four methods of a chat model, bound or not, that submit and collect a batch."""

    def _batch_chain(self) -> MeliousBatchChain:
        from langchain_melious.chat.batch_chain import MeliousBatchChain  # noqa: PLC0415 - rarely needed

        return MeliousBatchChain(cast("Runnable[Any, Any]", self))

    def submit_batch(
        self,
        inputs: Sequence[Any],
        config: Configs = None,
        *,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **options: Any,
    ) -> BatchJob:
        """Send inputs as one batch job, whose requests do not count towards the per-minute limit.

        Answers may take up to 24 hours. `collect_batch` waits for them, here or in another process.

        Args:
            inputs: Prompts, lists of messages or texts, as for `batch`.
            config: As for `batch`.
            metadata: Up to 13 texts by name, kept by the service with the job.
            reuse: Find the job that was submitted before with the same contents, instead of paying twice.
            **options: Parameters of every request, such as `temperature`.

        Returns:
            The job: `id`, `status`, `counts`, `wait()`, `cancel()`.

        Raises:
            langchain_melious.errors.InvalidArgumentError: An input or option is wrong. Its place is named,
                and no job is created.
            MeliousError: A request failed.
        """
        return self._batch_chain().submit_batch(inputs, config, metadata=metadata, reuse=reuse, **options)

    async def asubmit_batch(
        self,
        inputs: Sequence[Any],
        config: Configs = None,
        *,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **options: Any,
    ) -> AsyncBatchJob:
        """Like `submit_batch`, for asyncio."""
        return await self._batch_chain().asubmit_batch(
            inputs, config, metadata=metadata, reuse=reuse, **options
        )

    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        prompts: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        """Wait for a batch job, and return its answers in the order of the inputs.

        They are read like ordinary answers: with the tools and the schema that are bound here, and with
        callbacks. LangChain's cache of answers is neither asked nor filled.

        Args:
            job: The job, or its id.
            config: As for `batch`.
            return_exceptions: Return the errors of failed lines in their places; by default the first is
                raised, and the other answers can be collected again.
            prompts: Fetch the prompts too, so that callbacks and traces show them; by default they show none.
            progress: Show how many requests are done while waiting.
            poll: Seconds between two status requests; by default from one second to a minute, growing.
            timeout: The most seconds to wait; by default as long as it takes.

        Raises:
            MeliousError: A line failed, or a request did.
        """
        return self._batch_chain().collect_batch(
            job,
            config,
            return_exceptions=return_exceptions,
            prompts=prompts,
            progress=progress,
            poll=poll,
            timeout=timeout,
        )

    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        prompts: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[Any]:
        """Like `collect_batch`, for asyncio."""
        return await self._batch_chain().acollect_batch(
            job,
            config,
            return_exceptions=return_exceptions,
            prompts=prompts,
            progress=progress,
            poll=poll,
            timeout=timeout,
        )


class BoundChatMelious(Binding, HasBatches):
    """A chat model with bound arguments or config."""

    @classmethod
    @override
    def lc_id(cls) -> list[str]:
        """Name LangChain's own class, which reads it back."""
        return [*cls.get_lc_namespace(), RunnableBinding.__name__]

    @classmethod
    def of(cls, binding: Bound) -> Bound:
        """The same binding, with batches."""
        if not isinstance(binding, RunnableBinding):
            return binding
        return cls(**{name: getattr(binding, name) for name in type(binding).model_fields})


class BindableModel(BaseChatModel, HasBatches):
    """A chat model whose bindings know batches."""

    @override
    def bind(self, **kwargs: Any) -> BoundChatMelious:
        return BoundChatMelious(bound=self, kwargs=kwargs, config={})

    @override
    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Bound:
        return BoundChatMelious.of(super().with_config(config, **kwargs))

    @override
    def with_listeners(
        self, *, on_start: Listener = None, on_end: Listener = None, on_error: Listener = None
    ) -> Bound:
        listening = super().with_listeners(on_start=on_start, on_end=on_end, on_error=on_error)
        return BoundChatMelious.of(listening)

    @override
    def with_alisteners(
        self,
        *,
        on_start: AsyncListener | None = None,
        on_end: AsyncListener | None = None,
        on_error: AsyncListener | None = None,
    ) -> Bound:
        listening = super().with_alisteners(on_start=on_start, on_end=on_end, on_error=on_error)
        return BoundChatMelious.of(listening)

    @override
    def with_types(
        self,
        *,
        input_type: type[LanguageModelInput] | None = None,
        output_type: type[AIMessage] | None = None,
    ) -> Bound:
        return BoundChatMelious.of(super().with_types(input_type=input_type, output_type=output_type))
