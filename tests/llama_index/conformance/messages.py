"""What is expected of messages on their way out: roles, blocks, and histories with tools."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock, ToolCallBlock

from conformance.service import call

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ANSWERED = ChatMessage(role="tool", content="4", additional_kwargs={"tool_call_id": "c1"})


def parts(content: Any, kind: str) -> list[Any]:
    """The parts of a message's content that are of one kind."""
    return [part[kind] for part in content if part["type"] == kind] if isinstance(content, list) else []


class MessageTests:
    """Tests of what messages become on the wire.

    Attributes:
        takes_calls: Whether histories can hold calls of tools and their results.
        takes_images: Whether messages can hold images.
        image_arguments: The arguments of the constructor for a model that sees.
    """

    takes_calls: bool = True
    takes_images: bool = True
    image_arguments: dict[str, Any] = {}  # noqa: RUF012 - a switch

    async def sent(self, service: Any, way: Any, *messages: ChatMessage, **arguments: Any) -> list[Any]:
        """The messages on the wire."""
        await way(self.make(service, **arguments), "chat", list(messages))
        return service.requests[-1].body["messages"]

    async def test_roles_as_members_and_as_text(self, service, way):
        first = await self.sent(service, way, ChatMessage("s", role=MessageRole.SYSTEM), ChatMessage("u"))
        second = await self.sent(service, way, ChatMessage("s", role="system"), ChatMessage("u", role="user"))
        assert first == second
        assert [message["role"] for message in first] == ["system", "user"]

    async def test_text_travels_as_text(self, service, way):
        (message,) = await self.sent(service, way, ChatMessage("Hello"))
        assert message["content"] == "Hello", "plain text should be sent as a string"

    async def test_empty_answer_of_before_stays_empty(self, service, way):
        _, empty, _ = await self.sent(
            service, way, ChatMessage("Hello"), ChatMessage("", role="assistant"), ChatMessage("Well?")
        )
        assert empty["content"] == "", 'an empty assistant message needs the content ""'

    @pytest.mark.parametrize("arguments", [{"a": 2, "b": 2}, '{"a": 2, "b": 2}'], ids=["dict", "text"])
    async def test_calls_in_blocks_are_sent_with_their_text(self, service, way, arguments):
        self.offered(self.takes_calls, "calls of tools")
        block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments)
        asking = ChatMessage(role="assistant", blocks=[TextBlock(text="I will add."), block])
        _, sent, answered = await self.sent(service, way, ChatMessage("2 + 2?"), asking, ANSWERED)
        assert "I will add." in json.dumps(sent["content"]), "the text beside the call was lost"
        (made,) = sent["tool_calls"]
        assert (made["id"], made["type"], made["function"]["name"]) == ("c1", "function", "add")
        assert isinstance(made["function"]["arguments"], str), "arguments on the wire are text"
        assert json.loads(made["function"]["arguments"]) == {"a": 2, "b": 2}
        assert (answered["role"], answered["tool_call_id"], answered["content"]) == ("tool", "c1", "4")

    async def test_call_without_text_sends_no_empty_part(self, service, way):
        self.offered(self.takes_calls, "calls of tools")
        block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={})
        asking = ChatMessage(role="assistant", blocks=[block])
        _, sent, _ = await self.sent(service, way, ChatMessage("2 + 2?"), asking, ANSWERED)
        assert not sent["content"]
        assert sent["tool_calls"]

    async def test_calls_in_additional_kwargs_are_sent(self, service, way):
        self.offered(self.takes_calls, "calls of tools")
        asking = ChatMessage(
            role="assistant", content="", additional_kwargs={"tool_calls": [call("c1", "add", "{}")]}
        )
        _, sent, _ = await self.sent(service, way, ChatMessage("2 + 2?"), asking, ANSWERED)
        assert sent["tool_calls"] == [call("c1", "add", "{}")]

    async def test_calls_in_both_places_are_sent_once(self, service, way):
        self.offered(self.takes_calls, "calls of tools")
        asking = ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs="{}")],
            additional_kwargs={"tool_calls": [call("c1", "add", "{}")]},
        )
        _, sent, _ = await self.sent(service, way, ChatMessage("2 + 2?"), asking, ANSWERED)
        assert len(sent["tool_calls"]) == 1

    async def test_result_handed_on_as_an_answer_has_no_call_id(self, service, way):
        """Agents keep the result of a tool that returns directly as an assistant's message with the call's id."""
        direct = ChatMessage(role="assistant", content="4", additional_kwargs={"tool_call_id": "c1"})
        _, sent, _ = await self.sent(service, way, ChatMessage("2 + 2?"), direct, ChatMessage("Thanks"))
        assert "tool_call_id" not in sent, "only messages of role tool may have a tool_call_id on the wire"

    async def test_functions_from_before_there_were_tools(self, service, way):
        self.offered(self.takes_calls, "calls of tools")
        asking = ChatMessage(
            role="assistant",
            content="",
            additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 2}'}},
        )
        result = ChatMessage("4", role=MessageRole.FUNCTION, additional_kwargs={"name": "add"})
        _, sent, _ = await self.sent(service, way, ChatMessage("2 + 2?"), asking, result)
        assert '"name": "add"' in json.dumps(sent), "the call was lost on its way"

    async def test_blocks_that_nobody_knows_are_refused(self, service, way):
        message = ChatMessage(role="user", blocks=[TextBlock(text="Look:")])
        message.blocks = [*message.blocks, object()]
        with pytest.raises((ValueError, TypeError)):
            await way(self.make(service), "chat", [message])
        assert not service.requests

    # --- images --------------------------------------------------------------------------------------

    async def picture(self, service: Any, way: Any, block: ImageBlock) -> dict[str, Any]:
        """An image as it is sent, beside a text."""
        self.offered(self.takes_images, "images")
        message = ChatMessage(role="user", blocks=[TextBlock(text="What is this?"), block])
        (sent,) = await self.sent(service, way, message, **self.image_arguments)
        assert parts(sent["content"], "text") == ["What is this?"]
        (image,) = parts(sent["content"], "image_url")
        return image

    @pytest.mark.parametrize("detail", [None, "low"])
    async def test_image_by_address_is_passed_on(self, service, way, detail):
        image = await self.picture(service, way, ImageBlock(url="https://example.org/cat.png", detail=detail))
        assert image["url"] == "https://example.org/cat.png", "the address of an image was not passed on"
        assert image.get("detail") in {detail, "auto" if detail is None else detail}

    @pytest.mark.parametrize("kept", ["bytes", "path"])
    async def test_image_of_ours_is_sent_along(self, service, way, kept, tmp_path: Path):
        path = tmp_path / "pixel.png"
        path.write_bytes(PIXEL)
        block = ImageBlock(image=PIXEL) if kept == "bytes" else ImageBlock(path=path)
        image = await self.picture(service, way, block)
        kind, _, data = image["url"].partition(";base64,")
        assert kind == "data:image/png"
        assert base64.b64decode(data) == PIXEL

    async def test_image_in_an_answer_of_before_is_left_out(self, service, way):
        self.offered(self.takes_images, "images")
        shown = ChatMessage(role="assistant", blocks=[TextBlock(text="Look:"), ImageBlock(image=PIXEL)])
        _, sent, _ = await self.sent(
            service, way, ChatMessage("Hi"), shown, ChatMessage("Nice"), **self.image_arguments
        )
        assert sent["content"].startswith("Look:"), "assistant messages hold text alone on the wire"
        assert "base64" not in sent["content"]

    async def test_result_of_a_tool_with_a_picture(self, service, way):
        self.offered(self.takes_calls, "calls of tools")
        self.offered(self.takes_images, "images")
        block = ToolCallBlock(tool_call_id="c1", tool_name="draw", tool_kwargs={})
        result = ChatMessage(
            role="tool",
            blocks=[TextBlock(text="Here:"), ImageBlock(image=PIXEL)],
            additional_kwargs={"tool_call_id": "c1"},
        )
        _, _, answered = await self.sent(
            service,
            way,
            ChatMessage("Draw."),
            ChatMessage(role="assistant", blocks=[block]),
            result,
            **self.image_arguments,
        )
        assert parts(answered["content"], "text") == ["Here:"]
        (image,) = parts(answered["content"], "image_url")
        assert base64.b64decode(image["url"].partition(",")[2]) == PIXEL
