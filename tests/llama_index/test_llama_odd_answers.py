"""Answers of servers that differ: choices, characters, reasoning and probabilities in other forms; calls that were cut."""

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_kit import MULTIPLY, QUIET_AGENTS, WEATHER, piece, sse, usage, whole
from pydantic import BaseModel

from llama_index_melious import StructuredOutputError, ToolArgumentsError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello")]


class Word(BaseModel):
    word: str


def call(name, arguments, call_id="c"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def call_pieces(name, *arguments):
    """The chunks of one call, its arguments in these pieces."""
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": ""}}
    later = [{"index": 0, "function": {"arguments": part}} for part in arguments]
    return [piece({"tool_calls": [part]}) for part in (first, *later)]


def numbered(*choices):
    """A chunk with these choices: (index, text)."""
    return {
        **piece({}),
        "choices": [{"index": index, "delta": {"content": text}} for index, text in choices],
    }


# --- which choice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([numbered((1, "one"), (0, "zero")), numbered((0, " and"), (1, " more"))], "zero and"),
        ([numbered((1, "first")), numbered((1, " choice"))], "first choice"),
        ([numbered((0, "zero")), numbered((1, "one")), numbered((0, " and"))], "zero and"),
    ],
    ids=["the other first", "numbered from one", "in turn"],
)
async def test_one_choice_is_the_answer(make_llm, way, sandbox, chunks, text):
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "stop"))))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert responses[-1].message.content == text
    assert "".join(response.delta for response in responses) == text


# --- characters in two halves ---------------------------------------------------------------------------


async def test_a_character_in_two_halves_is_whole(make_llm, way, sandbox):
    halves = [piece({"content": "a\ud83d"}), piece({"content": "\ude00b"}), piece({}, "stop")]
    sandbox.faults.add(Fault(raw=sse(*halves)))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert [response.delta for response in responses] == ["a", "😀b", ""]
    message = responses[-1].message
    assert message.content == responses[-1].raw["choices"][0]["message"]["content"] == "a😀b"
    assert ChatMessage.model_validate_json(message.model_dump_json()).content == "a😀b"


@pytest.mark.parametrize(
    "given", ['{"word": "\ud83d\ude00"}', '{"word": "a\nb"}', '{"word": "\\ud83d"}'], ids=ascii
)
async def test_objects_with_what_strict_parsers_refuse(make_llm, way, sandbox, given):
    sandbox.faults.add(
        Fault(body=whole({"content": given})), Fault(raw=sse(piece({"content": given}), piece({}, "stop")))
    )
    prompt = PromptTemplate("A word")
    assert (await way(make_llm(), "structured_predict", Word, prompt)).word
    *_, last = await way(make_llm(), "stream_structured_predict", Word, prompt)
    assert last.word


@QUIET_AGENTS[0]
@QUIET_AGENTS[1]
async def test_an_agent_reads_arguments_in_halves(make_llm, sandbox):
    asked = []

    def look_up(city: str) -> str:
        """Look a city up."""
        asked.append(city)
        return "found"

    chunks = [
        *call_pieces("look_up", '{"city": "\ud83d', '\ude00"}'),
        piece({}, "tool_calls"),
        usage(total_tokens=3),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    await FunctionAgent(tools=[FunctionTool.from_defaults(fn=look_up)], llm=make_llm()).run("x")
    assert asked == ["😀"]


# --- calls that are whole, or were cut ------------------------------------------------------------------


@pytest.mark.parametrize("finish", [None, "tool_calls"])
async def test_no_tool_runs_on_half_of_its_arguments(make_llm, way, sandbox, finish):
    half = '{"city": "/home/me'
    message = {"content": None, "tool_calls": [call("get_weather", half)]}
    sandbox.faults.add(Fault(body=whole(message, finish)))
    with pytest.raises(ToolArgumentsError, match="get_weather"):
        await way(make_llm(), "predict_and_call", [WEATHER], "What is the weather?")
    ending = [piece({}, finish)] if finish else []
    sandbox.faults.add(Fault(raw=sse(*call_pieces("get_weather", half), *ending)))
    llm = make_llm()
    responses = await way(llm, "stream_chat_with_tools", [WEATHER], "What is the weather?")
    growing = llm.get_tool_calls_from_response(responses[-2], error_on_no_tool_call=False)
    assert growing[0].tool_kwargs == {"city": "/home/me"}
    (last,) = llm.get_tool_calls_from_response(responses[-1], error_on_no_tool_call=False)
    assert last.tool_kwargs == {"invalid_arguments": half}, "an argument that no tool has"
    with pytest.raises(ToolArgumentsError):
        llm.get_tool_calls_from_response(responses[-1])


@pytest.mark.parametrize("raw", [None, {}, {"choices": []}, {"choices": [{"delta": {}}]}, "text"], ids=str)
def test_responses_of_others_may_still_grow(make_llm, raw):
    message = ChatMessage(
        role="assistant", content="", additional_kwargs={"tool_calls": [call("f", '{"a": 1')]}
    )
    found = make_llm().get_tool_calls_from_response(ChatResponse(message=message, raw=raw))
    assert found[0].tool_kwargs == {"a": 1}


async def test_one_call_where_a_chat_forbids_several(make_llm, way, sandbox):
    calls = [call("multiply", '{"a": 1, "b": 2}', "1"), call("multiply", '{"a": 3, "b": 4}', "2")]
    llm, tools = make_llm(), [MULTIPLY.metadata.to_openai_tool()]
    sandbox.faults.add(Fault(body=whole({"content": "", "tool_calls": calls}, "tool_calls"), times=2))
    for allowed, count in ((False, 1), (True, 2)):
        response = await way(llm, "chat", HELLO, tools=tools, parallel_tool_calls=allowed)
        assert len(llm.get_tool_calls_from_response(response)) == count
        assert len(response.message.additional_kwargs["tool_calls"]) == count


# --- other forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "logprobs",
    [
        [1],
        "x",
        {"content": [None]},
        {"content": "x"},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": [3]}]},
        {"content": [{"token": "a", "logprob": -1, "bytes": "zz"}]},
    ],
    ids=str,
)
async def test_log_probabilities_of_any_shape_spoil_no_answer(make_llm, way, sandbox, logprobs):
    answer = whole({"content": "Hi"})
    answer["choices"][0]["logprobs"] = logprobs
    sandbox.faults.add(Fault(body=answer))
    assert (await way(make_llm(), "chat", HELLO)).message.content == "Hi"
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Hi"}, logprobs=logprobs), piece({}, "stop"))))
    assert (await way(make_llm(), "stream_chat", HELLO))[-1].message.content == "Hi"


@pytest.mark.parametrize("reasoning", [{"text": "Hm"}, ["Hm"], 3], ids=str)
async def test_reasoning_that_is_no_text_spoils_no_stream(make_llm, way, sandbox, reasoning):
    sandbox.faults.add(
        Fault(raw=sse(piece({"content": "Hi", "reasoning_content": reasoning}), piece({}, "stop")))
    )
    assert (await way(make_llm(), "stream_chat", HELLO))[-1].message.content == "Hi"


async def test_a_refusal_is_told_in_full(make_llm, way, sandbox):
    chunks = [
        piece({"refusal": "I "}),
        piece({"content": "-", "refusal": "won't"}),
        piece({"refusal": "."}, "stop"),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    assert (await way(make_llm(), "stream_chat", HELLO))[-1].additional_kwargs["refusal"] == "I won't."
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    with pytest.raises(StructuredOutputError):
        await way(make_llm(), "stream_structured_predict", Word, PromptTemplate("A word"))


@pytest.mark.parametrize("count", [3.0, "3"], ids=repr)
async def test_counts_in_another_form_are_counts(make_llm, way, sandbox, count):
    sandbox.faults.add(
        Fault(body=whole({"content": "Hi"}, usage={"prompt_tokens": count, "total_tokens": 4}))
    )
    known = (await way(make_llm(), "chat", HELLO)).additional_kwargs
    assert (known["prompt_tokens"], known["total_tokens"]) == (3, 4)
