"""Melious: each parameter alone, async calls beside other work, errors, odd pieces of streams."""

import pytest
from llama_index.core.base.llms.types import ChatMessage, VideoBlock
from llama_index.core.prompts import ChatPromptTemplate
from llama_kit import REASONER, TOOLS, piece, sse, whole
from pydantic import BaseModel

from melious import InvalidArgumentError, ServerError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello, you!")]
SYSTEM = {"role": "system", "content": "Answer in rhymes."}


def listed(**metas):
    data = [{"id": name, "object": "model", "_meta": meta} for name, meta in metas.items()]
    return Fault(endpoint="models", body={"object": "list", "data": data})


# --- parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("max_tokens", 9),
        ("top_p", 0.25),
        ("stop", ["END"]),
        ("seed", 7),
        ("reasoning_effort", "low"),
    ],
)
@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_each_field_goes_into_the_body_on_its_own(make_llm, way, sandbox, method, name, value):
    await way(make_llm(model=REASONER, **{name: value}), method, HELLO)
    assert sandbox.requests[-1].body[name] == value


@pytest.mark.parametrize("name", ["max_tokens", "context_window"])
@pytest.mark.parametrize("value", [0, -1])
def test_limits_that_are_none(make_llm, name, value):
    with pytest.raises(InvalidArgumentError, match=name):
        make_llm(**{name: value})


# --- catalogue -----------------------------------------------------------------------------------------------


async def test_what_the_service_does_not_name_among_capabilities_is_not_there(make_llm, way, start_sandbox):
    sandbox = start_sandbox()
    llm = make_llm(model="sees-only", base_url=sandbox.base_url, api_key=sandbox.api_key)
    sandbox.faults.add(listed(**{"sees-only": {"type": "chat", "capabilities": {"vision": True}}}))
    await way(llm, "available_models")
    assert llm.metadata.is_function_calling_model is False


async def test_attempts_for_the_list_of_models_are_those_of_the_llm(make_llm, way, start_sandbox):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(endpoint="models", status=503, times=None, headers={"retry-after": "0"}))
    llm = make_llm(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0)
    with pytest.raises(ServerError):
        await way(llm, "available_models")
    assert len(sandbox.requests) == 1


async def test_the_model_of_a_call_says_whether_videos_may_go_along(make_llm, way, start_sandbox):
    sandbox = start_sandbox()
    llm = make_llm(model="reads", base_url=sandbox.base_url, api_key=sandbox.api_key)
    sees = {"type": "chat", "input_modalities": ["text", "video"]}
    sandbox.faults.add(listed(sees=sees, reads={"type": "chat", "input_modalities": ["text"]}))
    await way(llm, "available_models")
    film = [ChatMessage(role="user", blocks=[VideoBlock(url="https://example.org/a.mp4")])]
    sandbox.faults.add(Fault(endpoint="chat", body=whole({"content": "A film."})))
    assert (await way(llm, "chat", film, model="sees")).message.content == "A film."
    with pytest.raises(InvalidArgumentError, match="does not read videos"):
        await way(llm, "chat", film)


# --- prompts -------------------------------------------------------------------------------------------------


class Word(BaseModel):
    word: str


@pytest.mark.parametrize("method", ["predict", "structured_predict"])
async def test_other_system_messages_stay_beside_the_system_prompt(make_llm, way, sandbox, method):
    sandbox.faults.add(Fault(body=whole({"content": '{"word": "owl"}'})))
    prompt = ChatPromptTemplate([ChatMessage("Be brief.", role="system"), ChatMessage("A word?")])
    arguments = (Word, prompt) if method == "structured_predict" else (prompt,)
    await way(make_llm(system_prompt="Answer in rhymes."), method, *arguments)
    assert sandbox.requests[-1].body["messages"] == [
        SYSTEM,
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A word?"},
    ]


async def test_messages_to_prompt_is_taken(make_llm):
    llm = make_llm(messages_to_prompt=lambda messages: "|".join(message.content for message in messages))
    assert llm.messages_to_prompt([ChatMessage("a"), ChatMessage("b")]) == "a|b"
    assert "messages_to_prompt" not in llm.to_dict()


# --- calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])
@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (7, "^tools: must be a list of tools, not int"),
        (
            [*TOOLS, len],
            rf"^tools\[{len(TOOLS)}\]: must be a tool of LlamaIndex, .*FunctionTool.from_defaults",
        ),
    ],
)
async def test_what_is_not_a_tool_is_named(make_llm, way, sandbox, method, tools, said):
    with pytest.raises(InvalidArgumentError, match=said):
        await way(make_llm(), method, tools, user_msg="6 x 7?")
    assert not sandbox.requests


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_what_is_not_a_class_of_pydantic_is_named(make_llm, way, sandbox, method):
    with pytest.raises(InvalidArgumentError, match=r"^output_cls: must be a subclass of pydantic\.BaseModel"):
        await way(make_llm(), method, dict, ChatPromptTemplate([ChatMessage("A word?")]))
    assert not sandbox.requests


async def test_arguments_that_come_as_an_object(make_llm, way, sandbox):
    call = {"id": "c1", "type": "function", "function": {"name": "multiply", "arguments": {"a": 6, "b": 7}}}
    sandbox.faults.add(Fault(body=whole({"content": None, "tool_calls": [call]}, "tool_calls")))
    llm = make_llm()
    response = await way(llm, "chat_with_tools", TOOLS, user_msg="6 x 7?")
    (selected,) = llm.get_tool_calls_from_response(response)
    assert selected.tool_kwargs == {"a": 6, "b": 7}


def bit(index, call_id=None, name=None, arguments=""):
    return piece(
        {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]}
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_pieces_of_several_calls_may_be_mixed(make_llm, way, sandbox, order):
    names, halves = ["multiply", "get_weather"], [('{"a": 6', ', "b": 7}'), ('{"city": ', '"Oslo"}')]
    chunks = [bit(at, f"c{at}", names[at], halves[at][0]) for at in order]
    chunks += [bit(at, arguments=halves[at][1]) for at in order]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    llm = make_llm()
    *_, last = await way(llm, "stream_chat_with_tools", TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    selected = llm.get_tool_calls_from_response(last)
    assert [(one.tool_id, one.tool_kwargs) for one in selected] == [
        ("c0", {"a": 6, "b": 7}),
        ("c1", {"city": "Oslo"}),
    ]
    raw = last.raw["choices"][0]["message"]["tool_calls"]
    assert [one["id"] for one in raw] == [one.tool_id for one in selected]


# --- servers -------------------------------------------------------------------------------------------------


async def test_streams_without_usage_where_it_may_not_be_asked_for(make_llm, way, sandbox):
    error = {"error": {"message": "Unknown parameter: 'stream_options'.", "param": "stream_options"}}
    sandbox.faults.add(Fault(endpoint="chat", status=400, body=error))
    *_, last = await way(make_llm(), "stream_chat", HELLO)
    assert last.message.content
    assert "stream_options" not in sandbox.requests[-1].body


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_a_lost_connection_is_the_builtin_error(make_llm, way, start_sandbox, method):
    gone = start_sandbox()
    llm = make_llm(base_url=gone.base_url, api_key=gone.api_key, max_retries=0)
    gone.stop()
    with pytest.raises(ConnectionError):
        await way(llm, method, HELLO)


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
async def test_who_stops_at_the_last_response_has_been_told_the_cost(make_llm, way, method):
    from llama_index.core.instrumentation import get_dispatcher

    from llama_index_melious import MeliousImpactEventHandler

    handler, root = MeliousImpactEventHandler(), get_dispatcher()
    root.add_event_handler(handler)
    llm, argument = make_llm(), "Hello" if "complete" in method else HELLO
    try:
        if way.name == "sync":
            stream = getattr(llm, method)(argument)
            while "finish_reason" not in next(stream).additional_kwargs:
                pass
            assert handler.total.requests == 1
        else:
            stream = await getattr(llm, f"a{method}")(argument)
            while "finish_reason" not in (await anext(stream)).additional_kwargs:
                pass
            assert handler.total.requests == 1
            await stream.aclose()
    finally:
        root.event_handlers.remove(handler)


def test_sums_by_tag_are_those_of_the_moment(make_llm):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index_instrumentation.dispatcher import instrument_tags

    from llama_index_melious import MeliousImpactEventHandler

    handler, root, llm = MeliousImpactEventHandler(), get_dispatcher(), make_llm()
    root.add_event_handler(handler)
    try:
        with instrument_tags({"team": "search"}):
            llm.chat(HELLO)
            early = handler.by_tag()
            llm.chat(HELLO)
    finally:
        root.event_handlers.remove(handler)
    assert early["team", "search"].requests == 1
    assert handler.by_tag()["team", "search"].requests == 2


@pytest.mark.parametrize("form", ["chat", "stream_chat"])
async def test_several_answers_are_all_in_raw(make_llm, way, sandbox, form):
    given = await way(make_llm(), form, [ChatMessage("Hello")], n=2)
    response = given[-1] if isinstance(given, list) else given
    texts = [choice["message"]["content"] for choice in response.raw["choices"]]
    assert len(texts) == 2
    assert response.message.content == texts[0]
    assert sandbox.requests[0].body["n"] == 2
