"""Divides a chain at its chat model: what makes the prompts, the model, and what reads the answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnableSequence,
)
from langchain_core.runnables.configurable import DynamicRunnable

from langchain_melious.chat.described import DescribedModel
from langchain_melious.errors import InvalidArgumentError

Step: TypeAlias = Runnable[Any, Any]
Configs: TypeAlias = RunnableConfig | list[RunnableConfig] | None

_PLAIN = (RunnableSequence, RunnableBinding, DynamicRunnable)
"""What may surround the model of a batch."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A chain in parts.

    Attributes:
        model: The chat model.
        around: Puts another runnable into the bindings of the model.
        options: What is bound to the model: tools, a schema, parameters.
        before: Makes the prompt from an input; None if the input is the prompt.
        after: Reads the answer; None if the answer is the result.
    """

    model: DescribedModel
    around: Callable[[Step], Step] = lambda step: step
    options: Mapping[str, Any] = field(default_factory=dict)
    before: Step | None = None
    after: Step | None = None


def parts_of(chain: object, config: RunnableConfig | None = None) -> Parts:
    """Divide a chain at its chat model.

    Args:
        chain: A `ChatMelious`, what `bind`, `bind_tools`, `with_config` or `with_structured_output` make of
            it, or a sequence with one of these.
        config: Chooses the model of `configurable_fields` and `configurable_alternatives`.

    Raises:
        InvalidArgumentError: There is no chat model of Melious, there are several, or it stands where its
            answer cannot come later.
    """
    if not isinstance(chain, Runnable):
        raise InvalidArgumentError(f"chain: must be a Runnable of LangChain, not {type(chain).__name__}")
    parts = _divided(chain, config)
    if parts is None:
        holder = _holder_of_a_model(chain, set())
        if holder is None:
            raise InvalidArgumentError("chain: has no chat model of Melious")
        raise InvalidArgumentError(
            f"chain: the chat model is inside a {type(holder).__name__}, which cannot wait for a batch",
            advice="Put the model, with what is bound to it, into the sequence: prompt | model | parser",
        )
    return parts


def _divided(chain: Step, config: RunnableConfig | None) -> Parts | None:
    if isinstance(chain, DescribedModel):
        return Parts(chain)
    if isinstance(chain, DynamicRunnable):
        return _divided(chain.prepare(config)[0], config)
    if isinstance(chain, RunnableBinding):
        inner = _divided(chain.bound, config)
        return None if inner is None else _bound(chain, inner)
    if isinstance(chain, RunnableSequence):
        return _in_sequence(chain.steps, config)
    if isinstance(chain, RunnableParallel) and len(chain.steps__) == 1:
        ((name, step),) = chain.steps__.items()
        inner = _divided(step, config)
        named: Step = RunnableLambda(lambda answer: {name: answer})
        return None if inner is None else replace(inner, after=_joined(inner.after, named))
    return None


def _in_sequence(steps: Sequence[Step], config: RunnableConfig | None) -> Parts | None:
    found = [(place, inner) for place, step in enumerate(steps) if (inner := _divided(step, config))]
    if len(found) > 1:
        raise InvalidArgumentError(
            f"chain: has {len(found)} chat models of Melious, one after the other; a batch takes one",
            advice="Submit the first part, and then the rest with its answers",
        )
    if not found:
        return None
    place, inner = found[0]
    before, after = _joined(*steps[:place], inner.before), _joined(inner.after, *steps[place + 1 :])
    return replace(inner, before=before, after=after)


def _bound(binding: RunnableBinding[Any, Any], inner: Parts) -> Parts:
    """The parts of what a binding binds, each with its config; the arguments go to the first step."""
    rest: dict[str, Any] = {"kwargs": {}} if inner.before is not None else {}
    options = inner.options if inner.before is not None else {**inner.options, **binding.kwargs}

    def around(step: Step) -> Step:
        return binding.model_copy(update={**rest, "bound": inner.around(step)})

    return Parts(
        inner.model,
        around,
        options,
        None if inner.before is None else binding.model_copy(update={"bound": inner.before}),
        None if inner.after is None else binding.model_copy(update={"bound": inner.after, "kwargs": {}}),
    )


def _joined(*steps: Step | None) -> Step | None:
    there = [step for step in steps if step is not None]
    if len(there) < 2:  # noqa: PLR2004 - a sequence has two steps
        return there[0] if there else None
    return RunnableSequence(*there)


def _holder_of_a_model(value: object, seen: set[int]) -> object | None:
    """What keeps the answer of a chat model of Melious from coming later, however deep the model is."""
    if id(value) in seen or not isinstance(value, Runnable | Mapping | list | tuple):
        return None
    seen.add(id(value))
    inside: list[Any] = []
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, list | tuple):
        inside = list(value)
    else:
        inside = [*vars(value).values(), *(value.deps if isinstance(value, RunnableLambda) else ())]
    for each in inside:
        if isinstance(each, DescribedModel):
            return value
        holder = _holder_of_a_model(each, seen)
        if holder is not None:
            is_plain = not isinstance(value, Runnable) or isinstance(value, _PLAIN)
            return holder if is_plain else value
    return None
