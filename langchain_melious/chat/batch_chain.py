"""`MeliousBatchChain`: runs a chain for many inputs in a batch job of the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.language_models._utils import _normalize_messages
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable

from langchain_melious.chat.batch_answers import Answer, answering
from langchain_melious.chat.batch_parts import Configs, Parts, Step, parts_of
from langchain_melious.chat.options import per_call
from langchain_melious.chat.requests import call_of
from langchain_melious.errors import InvalidArgumentError, langchain_errors, needs_asyncio
from melious.endpoints.batch_reading import check_endpoint, id_of, in_order
from melious.wire import codec

if TYPE_CHECKING:
    from melious.answers.batches import Batch
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.jobs import BatchJob


_AT_ONCE = 1000


class MeliousBatchChain:
    """A chain whose model answers in a batch job: `prompt | model | parser` for many inputs.

    The steps before the model run when the batch is submitted, those after it when it is collected. So the
    answers can be collected in another process, by the same chain and the id of the job. The chain needs one
    `ChatMelious`, with what is bound to it: tools, a schema, parameters. Other models of the chain are asked
    as usual.

    Requests of a batch do not count towards the per-minute limit of the account. Answers may take up to 24
    hours.

    Args:
        chain: The chain, or a chat model, bound or not.

    Raises:
        langchain_melious.errors.InvalidArgumentError: It has no chat model of Melious, or several, or one
            whose answer cannot come later, such as one with fallbacks.

    Examples:
        >>> from langchain_core.output_parsers import StrOutputParser
        >>> from langchain_core.prompts import ChatPromptTemplate
        >>> from langchain_melious import ChatMelious, MeliousBatchChain
        >>> prompt = ChatPromptTemplate.from_template("Why is the {thing} {color}?")
        >>> chain = MeliousBatchChain(prompt | ChatMelious("glm-4.7") | StrOutputParser())
        >>> things = [{"thing": "sky", "color": "blue"}, {"thing": "grass", "color": "green"}]
        >>> job = chain.submit_batch(things)
        >>> chain.collect_batch(job.id)
        ['Air scatters blue light most.', 'Chlorophyll reflects green light.']
    """

    def __init__(self, chain: Runnable[Any, Any]) -> None:
        with langchain_errors:
            parts_of(chain)
        self.chain = chain

    def submit_batch(
        self,
        inputs: Sequence[Any],
        config: Configs = None,
        *,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **options: Any,
    ) -> BatchJob:
        """Send inputs as one batch job. See `ChatMelious.submit_batch`."""
        with langchain_errors:
            parts, given = self._parts(config), _checked(inputs)
            prompts = given if parts.before is None else parts.before.batch(given, config)
            client = parts.model._sync_client()  # noqa: SLF001 - its own package
            return client.batches.submit(_requests(parts, prompts, options), metadata=metadata, reuse=reuse)

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
        needs_asyncio()
        with langchain_errors:
            parts, given = self._parts(config), _checked(inputs)
            prompts = given if parts.before is None else await parts.before.abatch(given, config)
            client = parts.model._async_client()  # noqa: SLF001 - its own package
            return await client.batches.submit(
                _requests(parts, prompts, options), metadata=metadata, reuse=reuse
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
        """Wait for a batch job, and return what the chain makes of its answers, in the order of the inputs.

        See `ChatMelious.collect_batch`.
        """
        with langchain_errors:
            parts = self._parts(config)
            client = parts.model._sync_client()  # noqa: SLF001 - its own package
            held = client.batches.resume(id_of(job))
            check_endpoint(held, "chat")
            held.wait(progress=progress, poll=poll, timeout=timeout)
            known: dict[str, list[BaseMessage]] = {}
            if prompts:
                for file in _inputs_of(held.batches):
                    with client.files.content(file) as lines:
                        known |= dict(map(_prompt_in, lines.lines()))
            answers = [Answer(each, known.get(each.custom_id, ())) for each in in_order(held, "inputs")]
        reading, results = _reading(parts), []
        for some, configs in _slices(answers, config):
            results += reading.batch(some, configs, return_exceptions=return_exceptions)
        return results

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
        needs_asyncio()
        with langchain_errors:
            parts = self._parts(config)
            client = parts.model._async_client()  # noqa: SLF001 - its own package
            held = await client.batches.resume(id_of(job))
            check_endpoint(held, "chat")
            await held.wait(progress=progress, poll=poll, timeout=timeout)
            known: dict[str, list[BaseMessage]] = {}
            if prompts:
                for file in _inputs_of(held.batches):
                    async with client.files.content(file) as lines:
                        async for line in lines.lines():
                            known |= [_prompt_in(line)]
            ordered = in_order([result async for result in held], "inputs")
            answers = [Answer(each, known.get(each.custom_id, ())) for each in ordered]
        reading, results = _reading(parts), []
        for some, configs in _slices(answers, config):
            results += await reading.abatch(some, configs, return_exceptions=return_exceptions)
        return results

    def _parts(self, config: Configs) -> Parts:
        first = next(iter(config), None) if isinstance(config, list) else config
        return parts_of(self.chain, first)


def _checked(inputs: object) -> list[Any]:
    if isinstance(inputs, str | bytes | Mapping | Runnable) or not isinstance(inputs, Iterable):
        raise InvalidArgumentError(f"inputs: must be a list of inputs, not {type(inputs).__name__}")
    given = list(inputs)
    if not given:
        raise InvalidArgumentError("inputs: must not be empty")
    return given


def _requests(parts: Parts, prompts: Sequence[Any], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments of each request; an error names the place of its input."""
    llm, given = parts.model, {**parts.options, **options}
    stop = given.pop("stop", None)
    chosen = per_call(llm, given)
    for place, prompt in enumerate(prompts):
        try:
            messages = llm._convert_input(prompt).to_messages()  # noqa: SLF001 - as `invoke` does
            call = call_of(llm, _normalize_messages(messages), stop, given, chosen, stream=False)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"inputs[{place}]: {error.message}", advice=error.advice) from error
        except ValueError as error:
            raise InvalidArgumentError(f"inputs[{place}]: {error}") from error
        yield {name: value for name, value in call.items() if value is not None}


def _inputs_of(batches: Iterable[Batch]) -> list[str]:
    """The files with the requests of a job."""
    return [batch.input_file_id for batch in batches if batch.input_file_id is not None]


def _prompt_in(line: bytes | str) -> tuple[str, list[BaseMessage]]:
    """The id of a line of a batch, and its messages."""
    request = codec.loads(line)
    return request["custom_id"], convert_to_messages(request["body"]["messages"])


def _slices(answers: list[Answer], config: Configs) -> Iterator[tuple[list[Answer], Configs]]:
    """Some answers at a time, with their configs: LangChain makes a task, or a future, for each at once."""
    for start in range(0, len(answers), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        yield answers[some], config[some] if isinstance(config, list) else config


def _reading(parts: Parts) -> Step:
    """What makes a result of an answer."""
    model = parts.around(answering(parts.model))
    return model if parts.after is None else model | parts.after
