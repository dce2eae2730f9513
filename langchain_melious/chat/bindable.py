"""What `bind` and its kin make of a chat model: bindings that know batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import override

from langchain_melious.chat.batch_methods import HasBatches
from langchain_melious.chat.parts import ChatModelPart

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tracers.root_listeners import AsyncListener
    from langchain_core.tracers.schemas import Run

    from langchain_melious.chat.bound import Bound, BoundChatMelious

    Listener: TypeAlias = Callable[[Run], None] | Callable[[Run, RunnableConfig], None] | None


class BindableModel(HasBatches, ChatModelPart):
    """A chat model whose bindings know batches."""

    @override
    def bind(self, **kwargs: Any) -> BoundChatMelious:
        from langchain_melious.chat.bound import BoundChatMelious  # noqa: PLC0415 - only if used

        return BoundChatMelious(bound=self, kwargs=kwargs, config={})

    @override
    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Bound:
        return _with_batches(super().with_config(config, **kwargs))

    @override
    def with_listeners(
        self, *, on_start: Listener = None, on_end: Listener = None, on_error: Listener = None
    ) -> Bound:
        listening = super().with_listeners(on_start=on_start, on_end=on_end, on_error=on_error)
        return _with_batches(listening)

    @override
    def with_alisteners(
        self,
        *,
        on_start: AsyncListener | None = None,
        on_end: AsyncListener | None = None,
        on_error: AsyncListener | None = None,
    ) -> Bound:
        listening = super().with_alisteners(on_start=on_start, on_end=on_end, on_error=on_error)
        return _with_batches(listening)

    @override
    def with_types(
        self,
        *,
        input_type: type[LanguageModelInput] | None = None,
        output_type: type[AIMessage] | None = None,
    ) -> Bound:
        return _with_batches(super().with_types(input_type=input_type, output_type=output_type))


def _with_batches(binding: Bound) -> Bound:
    from langchain_melious.chat.bound import BoundChatMelious  # noqa: PLC0415 - only if used

    return BoundChatMelious.of(binding)
