"""Token counts without a tokenizer, so nothing has to be downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from typing_extensions import override

from langchain_melious.chat.content import Reader
from langchain_melious.chat.messages import message_to_wire
from langchain_melious.chat.parts import ChatModelPart
from langchain_melious.chat.tools import tools_to_wire
from langchain_melious.errors import langchain_errors
from melious.wire import codec
from melious.wire.tokens import tokens_in

_PER_MESSAGE = 4
"""Tokens around each message: its role, and marks of its beginning and end."""

_PER_PART: Mapping[str, int] = {"image_url": 1000, "input_audio": 1000, "video_url": 4000}
"""A flat figure for each picture, sound and video, whose real cost depends on the model."""

_EVERYTHING = Reader("", image=True, audio=True, video=True)


class EstimatesTokens(ChatModelPart):
    """A chat model that estimates tokens, or counts them with `custom_get_token_ids` or by the service."""

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
        """Estimate the tokens of a text, or count them with `custom_get_token_ids`; nothing is downloaded.

        With `token_counter="service"` the service counts them, as a message of the user.

        Raises:
            MeliousError: The service could not count.
        """
        if self.token_counter == "service":  # noqa: S105 - no secret
            return self._count_by_service([{"role": "user", "content": text}], None) if text else 0
        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        return tokens_in(text)

    @override
    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Estimate the tokens of messages, tools included; nothing is downloaded.

        A picture or a recording counts 1,000 tokens and a video 4,000, whatever its size. With
        `token_counter="service"` the service counts, also for asyncio, in a blocking request.

        Raises:
            MeliousError: The service could not count.
        """
        if self.token_counter == "service":  # noqa: S105 - no secret
            wire = [message_to_wire(each, _EVERYTHING, in_words=True) for each in messages]
            return self._count_by_service(wire, tools_to_wire(tools) if tools else None) if wire else 0
        count = sum(self._tokens_of(message_to_wire(each, _EVERYTHING, in_words=True)) for each in messages)
        return count + (self.get_num_tokens(_json(tools_to_wire(tools))) if tools else 0)

    def _count_by_service(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> int:
        with langchain_errors:
            counted = self._sync_client().messages.count_tokens(messages=messages, tools=tools)
        return counted.input_tokens

    def _tokens_of(self, message: Mapping[str, Any]) -> int:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [part["text"] for part in parts if part["type"] == "text"]
        texts += [_json(message[name]) for name in ("tool_calls", "function_call") if message.get(name)]
        sent = ("reasoning_content", "name") if message.get("tool_calls") else ("name",)
        texts += [message[name] for name in sent if message.get(name)]
        flat = sum(_PER_PART.get(part["type"], 0) for part in parts)
        return _PER_MESSAGE + flat + sum(map(self.get_num_tokens, texts))


def _json(value: Any) -> str:
    return codec.dumps(value).decode()
