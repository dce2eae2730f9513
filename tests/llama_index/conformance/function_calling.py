"""What is expected of an LLM that calls tools: how they are offered, how calls are read, and agents."""

import json
from itertools import pairwise
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.tools import FunctionTool

from conformance.factory import Factory
from conformance.kit import Way
from conformance.messages import ANSWERED
from conformance.service import Answer, Service, call, call_piece, count, piece, spoken, whole


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def now() -> str:
    """Tell the time of day."""
    return "12:34"


ADD, NOW = (FunctionTool.from_defaults(fn=fn) for fn in (add, now))
LONG = FunctionTool.from_defaults(fn=now, name="long", description="Tell the time. " * 100)
TWO_CALLS = [call("c1", "add", '{"a": 2, "b": 3}'), call("c2", "now", "")]

# To find its steps, a workflow reads every attribute of an agent, and so the ones that pydantic deprecates.
QUIET = (
    "ignore:The `__fields(_set)?__` attribute is deprecated",
    "ignore:Accessing the 'model_(computed_)?fields' attribute",
)


def streamed_calls(*calls: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a streamed answer that calls tools, their arguments in pieces of three letters."""
    chunks = [piece({"role": "assistant", "content": None})]
    for index, one in enumerate(calls):
        arguments = one["function"]["arguments"]
        chunks.append(call_piece(index, one["id"], one["function"]["name"]))
        chunks += [call_piece(index, arguments=arguments[at : at + 3]) for at in range(0, len(arguments), 3)]
    return [*chunks, piece({}, "tool_calls"), count(11, 7)]


class FunctionCallingConformance(Factory):
    """Checks a `FunctionCallingLLM`; made like `LLMConformance`.

    Attributes:
        calls_in_parallel: Whether several calls at once can be allowed and forbidden.
    """

    calls_in_parallel: bool = True

    def selected(self, llm: Any, response: ChatResponse) -> list[tuple[str, dict[str, Any]]]:
        """The calls that a response makes."""
        found = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        return [(one.tool_name, one.tool_kwargs) for one in found]

    async def body(self, service: Service, way: Way, tools: list[Any], **arguments: Any) -> dict[str, Any]:
        """What is sent when tools are offered."""
        await way(self.make(service), "chat_with_tools", tools, user_msg="Hello", **arguments)
        return service.requests[-1].body

    # --- offering ------------------------------------------------------------------------------------

    def test_says_that_it_calls_tools(self, service):
        assert self.make(service).metadata.is_function_calling_model, "agents refuse it"

    async def test_tools_are_offered_whole(self, service, way):
        sent = (await self.body(service, way, [ADD, LONG]))["tools"]
        assert [tool["type"] for tool in sent] == ["function"] * 2
        assert [tool["function"]["name"] for tool in sent] == ["add", "long"]
        assert sent[0]["function"]["parameters"]["properties"].keys() == {"a", "b"}
        assert sent[1]["function"]["description"] == LONG.metadata.description

    @pytest.mark.parametrize("form", ["chat_with_tools", "stream_chat_with_tools"])
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, "auto"),
            ({"tool_choice": None}, "auto"),
            ({"tool_required": True}, "required"),
            ({"tool_required": True, "tool_choice": None}, "required"),
            ({"tool_choice": "none"}, "none"),
            ({"tool_choice": "now"}, {"type": "function", "function": {"name": "now"}}),
        ],
        ids=str,
    )
    async def test_tool_choice(self, service, way, form, arguments, expected):
        await way(self.make(service), form, [ADD, NOW], user_msg="Hello", **arguments)
        assert service.requests[-1].body["tool_choice"] == expected

    async def test_without_tools_nothing_is_said_of_them(self, service, way):
        body = await self.body(service, way, [])
        found = {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
        assert not found, f"sent without any tool: { {name: body[name] for name in found} }"

    @pytest.mark.parametrize("allowed", [True, False])
    async def test_parallel_calls_are_allowed_or_not(self, service, way, allowed):
        self.offered(self.calls_in_parallel, "parallel calls")
        body = await self.body(service, way, [ADD, NOW], allow_parallel_tool_calls=allowed)
        assert body["parallel_tool_calls"] is allowed

    async def test_history_and_tools_are_not_changed(self, service, way):
        history = [ChatMessage("Hi"), ChatMessage("Hello.", role="assistant")]
        before = [message.model_copy(deep=True) for message in history]
        schema = json.dumps(ADD.metadata.get_parameters_dict())
        await way(self.make(service), "chat_with_tools", [ADD], user_msg="2 + 3?", chat_history=history)
        assert history == before, "the caller's chat_history was changed"
        assert json.dumps(ADD.metadata.get_parameters_dict()) == schema

    async def test_one_call_in_streams_where_several_are_not_allowed(self, service, way):
        self.offered(self.calls_in_parallel, "parallel calls")
        service.answer(Answer(stream=streamed_calls(*TWO_CALLS)))
        llm = self.make(service)
        *_, last = await way(llm, "stream_chat_with_tools", [ADD, NOW], user_msg="?")
        assert [name for name, _ in self.selected(llm, last)] == ["add"]

    async def test_every_piece_of_a_streamed_call_has_its_block(self, service, way):
        service.answer(Answer(stream=streamed_calls(TWO_CALLS[0])))
        llm = self.make(service)
        responses = await way(llm, "stream_chat_with_tools", [ADD], user_msg="?")
        for response in responses:
            blocks = [one for one in response.message.blocks if isinstance(one, ToolCallBlock)]
            kept = response.message.additional_kwargs.get("tool_calls") or []
            assert len(blocks) == len(kept), "blocks and additional_kwargs tell different calls"

    @pytest.mark.parametrize("form", ["chat", "stream_chat"])
    async def test_answers_with_calls_can_be_written_down_and_read_again(self, service, way, form):
        service.answer(
            Answer(stream=streamed_calls(TWO_CALLS[0]))
            if "stream" in form
            else Answer(body=whole({"content": None, "tool_calls": TWO_CALLS[:1]}, "tool_calls"))
        )
        llm = self.make(service)
        result = await way(llm, form, [ChatMessage("2 + 3?")])
        message = (result[-1] if isinstance(result, list) else result).message
        again = ChatMessage.model_validate_json(message.model_dump_json())
        await way(llm, "chat", [ChatMessage("2 + 3?"), again, ANSWERED])
        (made,) = service.requests[-1].body["messages"][1]["tool_calls"]
        assert (made["id"], json.loads(made["function"]["arguments"])) == ("c1", {"a": 2, "b": 3})

    # --- reading -------------------------------------------------------------------------------------

    async def test_calls_are_read_with_text_beside_them(self, service, way):
        service.answer(Answer(body=whole({"content": "I will.", "tool_calls": TWO_CALLS}, "tool_calls")))
        llm = self.make(service)
        response = await way(llm, "chat_with_tools", [ADD, NOW], user_msg="?", allow_parallel_tool_calls=True)
        assert self.selected(llm, response) == [("add", {"a": 2, "b": 3}), ("now", {})]
        assert response.message.content == "I will.", "the text beside the calls was lost"
        blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        assert [block.tool_call_id for block in blocks] == ["c1", "c2"]
        assert len(response.message.additional_kwargs["tool_calls"]) == 2, (
            "core's programs read additional_kwargs['tool_calls'] alone"
        )

    async def test_one_call_where_several_are_not_allowed(self, service, way):
        self.offered(self.calls_in_parallel, "parallel calls")
        service.answer(Answer(body=whole({"content": None, "tool_calls": TWO_CALLS}, "tool_calls")))
        llm = self.make(service)
        response = await way(llm, "chat_with_tools", [ADD, NOW], user_msg="?")
        assert [name for name, _ in self.selected(llm, response)] == ["add"]

    async def test_streamed_calls_grow(self, service, way):
        service.answer(Answer(stream=streamed_calls(*TWO_CALLS)))
        llm = self.make(service)
        responses = await way(
            llm, "stream_chat_with_tools", [ADD, NOW], user_msg="?", allow_parallel_tool_calls=True
        )
        seen = [self.selected(llm, response) for response in responses]
        assert seen[-1] == [("add", {"a": 2, "b": 3}), ("now", {})], "the last piece does not have all calls"
        assert all(len(one) <= len(other) for one, other in pairwise(seen))
        assert responses[-1].additional_kwargs.get("total_tokens") == 18

    async def test_text_before_streamed_calls_is_kept(self, service, way):
        chunks = [*spoken("I ", "will.")[:3], *streamed_calls(TWO_CALLS[0])[1:]]
        service.answer(Answer(stream=chunks))
        llm = self.make(service)
        *_, last = await way(llm, "stream_chat_with_tools", [ADD], user_msg="?")
        assert last.message.content == "I will."
        assert self.selected(llm, last) == [("add", {"a": 2, "b": 3})]

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ('{"a": 1}', {"a": 1}),
            ({"a": 1}, {"a": 1}),
            ("", {}),
            ("null", {}),
            ("no json", {}),
            ('{"a": 1, "b', {"a": 1}),
        ],
        ids=str,
    )
    def test_arguments_of_any_shape(self, service, arguments, expected):
        block = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs=arguments)
        response = ChatResponse(message=ChatMessage(role="assistant", blocks=[block]))
        assert self.selected(self.make(service), response) == [("f", expected)]

    def test_calls_of_a_message_from_memory(self, service):
        asking = ChatMessage(
            role="assistant", content="", additional_kwargs={"tool_calls": [call("c1", "f", '{"a": 1}')]}
        )
        again = ChatMessage.model_validate_json(asking.model_dump_json())
        assert self.selected(self.make(service), ChatResponse(message=again)) == [("f", {"a": 1})]

    def test_no_call_where_one_was_expected(self, service):
        response = ChatResponse(message=ChatMessage("I would rather not.", role="assistant"))
        with pytest.raises(ValueError, match=r"(?i)tool"):
            self.make(service).get_tool_calls_from_response(response)

    # --- using ---------------------------------------------------------------------------------------

    async def test_predict_and_call(self, service, way):
        service.answer(Answer(body=whole({"content": None, "tool_calls": TWO_CALLS[:1]}, "tool_calls")))
        result = await way(self.make(service), "predict_and_call", [ADD, NOW], user_msg="2 + 3?")
        assert str(result) == "5"

    @pytest.mark.filterwarnings(*QUIET)
    @pytest.mark.parametrize("one", TWO_CALLS, ids=["arguments", "no arguments"])
    async def test_agent_calls_a_tool_once(self, service, one):
        service.answer(Answer(stream=streamed_calls(one)), Answer(stream=spoken("It is ", "done.")))
        answer, results = await self._run(service, [ADD, NOW])
        assert answer == "It is done."
        assert [str(result.tool_output) for result in results] == ["5" if one is TWO_CALLS[0] else "12:34"]
        roles = [message["role"] for message in service.requests[-1].body["messages"]]
        assert roles[-2:] == ["assistant", "tool"]

    @pytest.mark.filterwarnings(*QUIET)
    async def test_agent_without_tools(self, service):
        service.answer(Answer(stream=spoken("Hello", " there.")))
        assert await self._run(service, []) == ("Hello there.", [])

    async def _run(self, service: Service, tools: list[Any]) -> tuple[str, list[ToolCallResult]]:
        handler = FunctionAgent(tools=tools, llm=self.make(service)).run("Well?")
        results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
        return str(await handler), results
