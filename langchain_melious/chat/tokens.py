"""Token counts without a tokenizer, so nothing has to be downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from typing_extensions import override


class EstimatesTokens(BaseChatModel):
    """A chat model that estimates tokens, or counts them with `custom_get_token_ids`."""

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, from `custom_get_token_ids`.

        Raises:
            NotImplementedError: `custom_get_token_ids` is not set; there is no other tokenizer.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError(
                "this package has no tokenizers: pass custom_get_token_ids=..., "
                "or use get_num_tokens, which estimates"
            )
        return self.custom_get_token_ids(text)

    @override
    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, or count them with `custom_get_token_ids`; nothing is downloaded."""
        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        return count_tokens_approximately([text], extra_tokens_per_message=0)

    @override
    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Estimate the tokens of messages, tools included; nothing is downloaded."""
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)
