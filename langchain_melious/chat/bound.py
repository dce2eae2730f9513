"""A chat model with bound arguments or config.

LangChain's own binding forwards unknown methods to the bare model and drops what is bound. A batch would then
be sent without its tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from langchain_core.language_models import LanguageModelInput, chat_models
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding
from typing_extensions import override

from langchain_melious.chat.batch_methods import HasBatches

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import _ChatModelBinding as Binding

    Bound: TypeAlias = Runnable[LanguageModelInput, AIMessage]
else:
    Binding = getattr(chat_models, "_ChatModelBinding", RunnableBinding)


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
