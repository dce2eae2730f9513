"""What the parts of `ChatMelious` stand on.

They are plain classes. Pydantic collects all fields of a model anew for each class below it, which takes
longer than all else in the class; so of the parts only those with fields are models of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.language_models.chat_models import BaseChatModel

from langchain_melious.chat.options import ChatOptions

if TYPE_CHECKING:

    class ChatModelPart(ChatOptions, BaseChatModel):
        """A part of a chat model, which has its fields and LangChain's methods."""

else:
    ChatModelPart = object
