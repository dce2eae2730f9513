"""Conversations that began with a model of another provider go on here, whatever that one left in them."""

import base64
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

CALL = {"type": "tool_call", "name": "search", "args": {"query": "x"}, "id": "call_1"}
WIRE_CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"query":"x"}'}}
ASKED = HumanMessage("Look it up.")
RESULT = ToolMessage("It is warm.", tool_call_id="call_1")
TEXT = {"type": "text", "text": "Let me look."}


def sent(way, llm, sandbox, messages):
    way.invoke(llm, messages)
    return sandbox.requests[-1].body["messages"]


@pytest.mark.parametrize(
    "block",
    [
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "I look."}, {"type": "reference"}],
            "index": 0,
        },
        {"type": "reasoning_content", "reasoning_content": {"text": "I look.", "signature": "s"}, "index": 0},
        {"type": "thinking", "thinking": "I look.", "signature": "s"},
        {"type": "reasoning", "reasoning": "I look.", "extras": {"signature": "s"}},
    ],
    ids=["mistral", "bedrock", "anthropic", "standard"],
)
def test_what_another_model_thought_goes_back_with_its_tool_calls(way, chat, sandbox, block):
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage([block, TEXT], tool_calls=[CALL]), RESULT])
    assert messages[1] == {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [WIRE_CALL],
        "reasoning_content": "I look.",
    }


@pytest.mark.parametrize(
    "block",
    [
        {"type": "reference", "reference_ids": [1], "index": 1},
        {"type": "local_shell_call", "id": "ls_1", "action": {}},
        {"type": "tool_search_call", "id": "ts_1"},
        {"type": "compaction", "id": "c_1", "encrypted_content": "x"},
        {"type": "web_search_tool_result", "tool_use_id": "s_1", "content": []},
        {"type": "web_fetch_tool_result", "tool_use_id": "s_1", "content": {}},
        {"type": "code_execution_tool_result", "tool_use_id": "s_1", "content": {}},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "s_1", "content": {}},
        {"type": "container_upload", "file_id": "f_1"},
        {"type": "executable_code", "executable_code": "1 + 1", "language": "PYTHON"},
        {"type": "code_execution_result", "code_execution_result": "2", "outcome": 1},
        {"type": "non_standard", "value": {"type": "something_new"}},
        {"cachePoint": {"type": "default"}},
    ],
    ids=lambda block: block.get("type", "cachePoint"),
)
def test_what_another_provider_did_on_its_own_side_stays_behind(chat, sandbox, way, block):
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage([block, TEXT]), ASKED])
    assert messages[1] == {"role": "assistant", "content": "Let me look."}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "image_generation_call", "id": "ig_1", "result": "aGk="}, "an image"),
        ({"type": "non_standard", "value": {"type": "image_generation_call", "result": "aGk="}}, "an image"),
        ({"image": {"format": "png", "source": {"bytes": "aGk="}}}, "an image"),
        ({"document": {"format": "pdf", "name": "report"}}, "a file"),
        ({"type": "hologram", "data": "aGk="}, "content of type 'hologram'"),
    ],
    ids=["generated", "non-standard", "Bedrock image", "Bedrock document", "unknown"],
)
def test_what_an_assistant_showed_becomes_words(chat, sandbox, way, block, words):
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage([TEXT, block]), ASKED])
    assert messages[1]["content"] == f"{TEXT['text']}[{words} was here; this model cannot read it]"


def test_a_picture_in_a_document_of_blocks_becomes_words(chat, sandbox, way):
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    content = {"type": "content", "content": [{"type": "text", "text": "The plan:"}, picture]}
    question = HumanMessage([{"type": "document", "source": content}])
    (message,) = sent(way, chat(), sandbox, [question])
    assert message["content"] == "The plan:\n[an image was here; this model cannot read it]"


def test_tool_results_in_a_users_message_become_messages_of_the_tool(way, chat, sandbox):
    results = HumanMessage(
        [
            {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "Warm."}]},
            {"type": "text", "text": "And now?"},
        ]
    )
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage([TEXT], tool_calls=[CALL]), results])
    assert messages[2:] == [
        {"role": "tool", "content": "Warm.", "tool_call_id": "call_1"},
        {"role": "user", "content": "And now?"},
    ]


def test_a_text_file_in_openais_form_is_text_though_langchain_takes_every_file_for_a_pdf(way, chat, sandbox):
    data = base64.b64encode("# Wärme".encode()).decode()
    file = {"filename": "n.md", "file_data": f"data:text/markdown;base64,{data}"}
    messages = sent(way, chat(), sandbox, [HumanMessage([{"type": "file", "file": file}])])
    assert messages[0]["content"] == "n.md:\n# Wärme"


@pytest.mark.parametrize("kind", ["output_text", "input_text"])
def test_text_under_another_name_is_not_lost(way, chat, sandbox, kind):
    said = {"type": kind, "text": "Let me look.", "annotations": []}
    messages = sent(
        way, chat(), sandbox, [ASKED, AIMessage([said]), HumanMessage([{**said, "text": "Go on."}])]
    )
    assert [message["content"] for message in messages[1:]] == ["Let me look.", "Go on."]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"type": "json", "json": {"degrees": 21}}, '{"degrees":21}'),
        (
            {
                "type": "search_result",
                "title": "Weather",
                "source": "https://example.org",
                "content": [{"type": "text", "text": "It is warm."}],
                "citations": {"enabled": True},
            },
            "It is warm.",
        ),
    ],
    ids=["json", "search_result"],
)
def test_results_in_the_forms_that_langchain_lets_tools_give_are_text(way, chat, sandbox, block, told):
    results = ToolMessage([block], tool_call_id="call_1")
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage("", tool_calls=[CALL]), results])
    assert told in messages[2]["content"]


def test_marks_for_the_cache_of_another_provider_stay_behind(way, chat, sandbox):
    messages = sent(way, chat(), sandbox, [HumanMessage(["Hello", {"cachePoint": {"type": "default"}}])])
    assert messages == [{"role": "user", "content": "Hello"}]


def test_a_sound_that_a_tool_gave_is_not_announced_as_a_picture(way, chat, sandbox):
    sound = {"type": "audio", "base64": "SUQzBAA=", "mime_type": "audio/mpeg"}
    results = ToolMessage([sound], tool_call_id="call_1")
    llm = chat("voxtral-small-24b-2507")
    messages = sent(way, llm, sandbox, [ASKED, AIMessage("", tool_calls=[CALL]), results])
    assert messages[3]["content"][0]["type"] == "input_audio"
    assert "image" not in messages[2]["content"]


def test_arguments_that_json_cannot_hold_go_back_as_valid_json(way, chat, sandbox):
    call = {**CALL, "args": {"query": float("nan")}}
    messages = sent(way, chat(), sandbox, [ASKED, AIMessage("", tool_calls=[call]), RESULT])

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    arguments = messages[1]["tool_calls"][0]["function"]["arguments"]
    assert "query" in json.loads(arguments, parse_constant=refuse)
