"""The methods with which a chat model, bound or not, submits and collects a batch job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_melious.chat.batch_chain import MeliousBatchChain
    from langchain_melious.chat.chain_parts import Configs
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.jobs import BatchJob


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
