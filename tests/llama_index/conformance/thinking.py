"""What is expected of reasoning: a block of its own, pieces that observers can tell apart, and no echo."""

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock

from conformance.service import Answer, count, piece, whole

HELLO = [ChatMessage("Hello, you!")]


def kinds(message: ChatMessage) -> list[type]:
    """The kinds of a message's blocks, empty texts left out."""
    return [type(block) for block in message.blocks if not isinstance(block, TextBlock) or block.text]


class ThinkingTests:
    """Tests of models that think.

    Attributes:
        gives_thinking: Whether reasoning is given as a `ThinkingBlock` and as `thinking_delta`.
        counts_thinking: Whether that block knows how many tokens the reasoning took.
        thinking_fields: The names under which reasoning may come.
    """

    gives_thinking: bool = True
    counts_thinking: bool = True
    thinking_fields: tuple[str, ...] = ("reasoning_content", "reasoning")

    async def test_reasoning_is_a_block(self, service, way):
        self.offered(self.gives_thinking, "reasoning")
        for name in self.thinking_fields:
            service.answer(Answer(body=whole({name: "Let me see.", "content": "Yes."})))
            message = (await way(self.make(service), "chat", HELLO)).message
            assert kinds(message) == [ThinkingBlock, TextBlock], f"{name} is not one block before the text"
            assert message.blocks[0].content == "Let me see."
            assert message.content == "Yes.", "reasoning is among the text"

    async def test_reasoning_streams(self, service, way):
        self.offered(self.gives_thinking, "reasoning")
        for name in self.thinking_fields:
            chunks = [
                piece({"role": "assistant", "content": None}),
                piece({name: "Let me "}),
                piece({name: "see."}),
                piece({"content": "Yes."}),
                piece({}, "stop"),
            ]
            await self._streamed(service, way, chunks, ["Let me ", "see."])

    async def test_reasoning_in_the_very_first_chunk(self, service, way):
        self.offered(self.gives_thinking, "reasoning")
        for name in self.thinking_fields:
            chunks = [
                piece({"role": "assistant", "content": None, name: "Let me "}),
                piece({name: "see."}),
                piece({"content": "Yes."}),
                piece({}, "stop"),
            ]
            await self._streamed(service, way, chunks, ["Let me ", "see."])

    async def _streamed(self, service: Any, way: Any, chunks: list[Any], thoughts: list[str]) -> None:
        service.answer(Answer(stream=[*chunks, count(5, 6)]))
        responses = await way(self.make(service), "stream_chat", HELLO)
        found = [response.additional_kwargs.get("thinking_delta") for response in responses]
        assert [one for one in found if one] == thoughts, "thinking_delta is not what came"
        assert kinds(responses[-1].message) == [ThinkingBlock, TextBlock]
        assert responses[-1].message.blocks[0].content == "".join(thoughts)

    async def test_reasoning_counts_its_tokens(self, service, way):
        self.offered(self.counts_thinking, "the tokens of reasoning")
        body = whole({"reasoning_content": "Let me see.", "content": "Yes."})
        body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 5}
        service.answer(Answer(body=body))
        message = (await way(self.make(service), "chat", HELLO)).message
        assert message.blocks[0].num_tokens == 5

    @pytest.mark.parametrize("form", ["chat", "stream_chat"])
    async def test_no_reasoning_no_block(self, service, way, form):
        chunks = [piece({"role": "assistant", "content": "Yes."}), piece({}, "stop"), count(1, 1)]
        service.answer(Answer(stream=chunks) if "stream" in form else Answer(body=whole({"content": "Yes."})))
        result = await way(self.make(service), form, HELLO)
        responses = result if isinstance(result, list) else [result]
        assert kinds(responses[-1].message) == [TextBlock]
        assert not any(response.additional_kwargs.get("thinking_delta") for response in responses)

    async def test_reasoning_is_not_sent_back(self, service, way):
        self.offered(self.gives_thinking, "reasoning")
        thought = ThinkingBlock(content="Let me see.")
        answered = ChatMessage(role="assistant", blocks=[thought, TextBlock(text="Yes.")])
        await way(self.make(service), "chat", [*HELLO, answered, ChatMessage("Sure?")])
        assert "Let me see" not in str(service.requests[-1].body), "earlier reasoning is sent back"
