"""Messages and content blocks of every kind, for `lc_wire_cases.py`."""

import base64
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

PIXEL = "iVBORw0KGgo="
LINK = "https://example.org/lamp.png"
SOUND = "SUQzBAA="


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- messages of every kind --------------------------------------------------------------------------

HELLO = HumanMessage("Hello")
CALL = {"type": "tool_call", "name": "search", "args": {"query": "Wärme", "most": 3}, "id": "call_1"}
SECOND = {**CALL, "id": "call_2", "args": {}}
RESULT = ToolMessage("It is warm.", tool_call_id="call_1")

MESSAGES: dict[str, list[BaseMessage]] = {
    "human": [HumanMessage("Hello", id="run-1", response_metadata={"x": 1})],
    "human_named": [HumanMessage("Hello", name="ada")],
    "human_parts": [HumanMessage(["Hello", {"type": "text", "text": "there"}, {"type": "text", "text": ""}])],
    "system": [SystemMessage("Be brief.", name="rules"), HELLO],
    "system_parts": [
        SystemMessage(["Be brief.", {"type": "text", "text": "Be kind.", "cache_control": {"type": "e"}}]),
        HELLO,
    ],
    "developer": [SystemMessage("Be brief.", additional_kwargs={"__openai_role__": "developer"}), HELLO],
    "chat_developer": [ChatMessage("Be brief.", role="developer"), HELLO],
    "chat_user": [ChatMessage("Hello", role="user", id="m")],
    "chat_assistant": [HELLO, ChatMessage("Hi.", role="assistant"), HELLO],
    "function": [HELLO, FunctionMessage("7", name="add"), HELLO],
    "ai": [HELLO, AIMessage("Hi.", name="bob", id="run-2"), HELLO],
    "ai_chunk": [HELLO, AIMessageChunk(content="Hi.", chunk_position="last"), HELLO],
    "ai_empty": [HELLO, AIMessage(""), HELLO],
    "ai_refusal": [HELLO, AIMessage("", additional_kwargs={"refusal": "I would rather not."}), HELLO],
    "ai_refusal_block": [HELLO, AIMessage([{"type": "refusal", "refusal": "I would rather not."}]), HELLO],
    "ai_reasoning_alone": [HELLO, AIMessage("Hi.", additional_kwargs={"reasoning_content": "Hm."}), HELLO],
    "ai_calls": [HELLO, AIMessage("", tool_calls=[CALL]), RESULT],
    "ai_calls_and_text": [HELLO, AIMessage("Let me look.", tool_calls=[CALL]), RESULT],
    "ai_calls_without_id": [HELLO, AIMessage("", tool_calls=[{**CALL, "id": None}]), RESULT],
    "ai_calls_chunked": [
        HELLO,
        AIMessageChunk(
            content="",
            tool_call_chunks=[{"name": "search", "args": '{"query": "x"}', "id": "call_1", "index": 0}],
        ),
        RESULT,
    ],
    "ai_calls_parallel": [
        HELLO,
        AIMessage("", tool_calls=[CALL, SECOND]),
        ToolMessage("It is cold.", tool_call_id="call_2", status="error"),
        RESULT,
    ],
    "ai_invalid_calls": [
        HELLO,
        AIMessage(
            "",
            tool_calls=[CALL],
            invalid_tool_calls=[{"name": "search", "args": '{"query": ', "id": "call_2", "error": "cut"}],
        ),
        RESULT,
        ToolMessage("That is no JSON.", tool_call_id="call_2", status="error"),
    ],
    "ai_reasoning_and_calls": [
        HELLO,
        AIMessage("", additional_kwargs={"reasoning_content": "I must look."}, tool_calls=[CALL]),
        RESULT,
    ],
    "ai_reasoning_block_and_calls": [
        HELLO,
        AIMessage([{"type": "reasoning", "reasoning": "I must look.", "id": "r"}], tool_calls=[CALL]),
        RESULT,
    ],
    "ai_blocks_v1": [
        HELLO,
        AIMessage(
            content_blocks=[
                {"type": "reasoning", "reasoning": "I must look.", "extras": {"signature": "s"}},
                {"type": "text", "text": "Let me ", "id": "lc_1", "annotations": [], "index": "lc_txt_0"},
                {"type": "text", "text": "look."},
                {**CALL, "extras": {"x": 1}},
            ],
            response_metadata={"output_version": "v1"},
        ),
        RESULT,
    ],
    "tool_named": [HELLO, AIMessage("", tool_calls=[CALL]), RESULT.model_copy(update={"name": "search"})],
    "tool_artifact": [HELLO, AIMessage("", tool_calls=[CALL]), RESULT.model_copy(update={"artifact": {1}})],
    "tool_parts": [
        HELLO,
        AIMessage("", tool_calls=[CALL]),
        ToolMessage(
            ["It is", {"type": "text", "text": "warm.", "id": "b", "index": 1}], tool_call_id="call_1"
        ),
    ],
    "tool_empty": [HELLO, AIMessage("", tool_calls=[CALL]), ToolMessage([], tool_call_id="call_1")],
}

# --- content of every kind ---------------------------------------------------------------------------

_EXTRA = {"id": "lc_1", "index": 0, "extras": {"cache_control": {"type": "ephemeral"}}}
IMAGE = {"type": "image", "base64": PIXEL, "mime_type": "image/png", **_EXTRA}

IMAGES: dict[str, dict[str, Any]] = {
    "image_base64": IMAGE,
    "image_url": {"type": "image", "url": LINK, **_EXTRA},
    "image_data_url": {"type": "image", "url": f"data:image/png;base64,{PIXEL}"},
    "image_v0_base64": {"type": "image", "source_type": "base64", "data": PIXEL, "mime_type": "image/png"},
    "image_v0_url": {"type": "image", "source_type": "url", "url": LINK},
    "image_openai": {"type": "image_url", "image_url": {"url": LINK, "detail": "low"}, **_EXTRA},
    "image_openai_text": {"type": "image_url", "image_url": LINK},
    "image_anthropic_base64": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        "cache_control": {"type": "ephemeral"},
    },
    "image_anthropic_url": {"type": "image", "source": {"type": "url", "url": LINK}},
    "image_as_file": {"type": "file", "base64": PIXEL, "mime_type": "image/png", **_EXTRA},
    "image_not_standard": {
        "type": "non_standard",
        "value": {"type": "image_url", "image_url": {"url": LINK}},
        "index": 2,
    },
}

SOUNDS: dict[str, dict[str, Any]] = {
    f"audio_{subtype}": {"type": "audio", "base64": SOUND, "mime_type": f"audio/{subtype}", **_EXTRA}
    for subtype in ("mpeg", "mp3", "wav", "x-wav", "mp4", "flac", "ogg", "webm")
} | {
    "audio_parameters": {"type": "audio", "base64": SOUND, "mime_type": "audio/mpeg; rate=8000"},
    "audio_v0": {"type": "audio", "source_type": "base64", "data": SOUND, "mime_type": "audio/mpeg"},
    "audio_openai": {"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}, **_EXTRA},
    "audio_as_file": {"type": "file", "base64": SOUND, "mime_type": "audio/mpeg"},
}

TEXTS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": "One.", "annotations": [], **_EXTRA},
    "text_file_csv": {
        "type": "file",
        "base64": encoded("a;b\n1;2"),
        "mime_type": "text/csv",
        "filename": "t.csv",
    },
    "text_file_json": {"type": "file", "base64": encoded('{"a":1}'), "mime_type": "application/json"},
    "text_file_v0": {
        "type": "file",
        "source_type": "text",
        "url": "Notes.",
        "mime_type": "text/plain",
        "metadata": {"filename": "n.txt"},
    },
    "text_file_anthropic": {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Notes."},
        "title": "N",
        "citations": {"enabled": True},
        "cache_control": {"type": "ephemeral"},
    },
    "text_plain": {"type": "text-plain", "text": "Notes.", "mime_type": "text/plain", "title": "N", **_EXTRA},
}

# --- conversations that models of other providers had ------------------------------------------------

_METERED: dict[str, Any] = {"usage_metadata": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
HISTORIES: dict[str, AIMessage] = {
    "openai_chat": AIMessage(
        "Let me look.",
        additional_kwargs={
            "refusal": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "function": {"name": "search", "arguments": '{"query": "Wärme"}'},
                    "type": "function",
                    "index": 0,
                }
            ],
        },
        response_metadata={"model_provider": "openai", "system_fingerprint": "fp", "logprobs": None},
        id="run-1",
        tool_calls=[CALL],
        **_METERED,
    ),
    "openai_responses": AIMessage(
        [
            {
                "id": "rs_1",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "I look.", "index": 0}],
                "encrypted_content": "x",
                "index": 0,
            },
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "index": 1},
            {"type": "text", "text": "Let me look.", "annotations": [], "id": "msg_1", "index": 2},
            {
                "type": "function_call",
                "name": "search",
                "arguments": '{"query": "Wärme"}',
                "call_id": "call_1",
                "id": "fc_1",
                "status": "completed",
                "index": 3,
            },
        ],
        response_metadata={"model_provider": "openai", "id": "resp_1"},
        id="resp_1",
        tool_calls=[CALL],
        **_METERED,
    ),
    "anthropic": AIMessage(
        [
            {"type": "thinking", "thinking": "I must look.", "signature": "s", "index": 0},
            {"type": "redacted_thinking", "data": "x", "index": 1},
            {
                "type": "text",
                "text": "Let me look.",
                "citations": [{"type": "char_location", "cited_text": "x"}],
                "cache_control": {"type": "ephemeral"},
                "index": 2,
            },
            {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {},
                "caller": {"type": "direct"},
            },
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {
                "type": "tool_use",
                "id": "call_1",
                "name": "search",
                "input": {"query": "Wärme"},
                "index": 3,
                "partial_json": "{}",
                "extras": {"x": 1},
            },
        ],
        response_metadata={"model_provider": "anthropic", "stop_reason": "tool_use"},
        tool_calls=[CALL],
        **_METERED,
    ),
    "mistral": AIMessage(
        "Let me look.",
        additional_kwargs={"tool_calls": [{"id": "call_1", "function": {"name": "search"}, "index": 0}]},
        response_metadata={"model_provider": "mistralai", "model": "x"},
        tool_calls=[CALL],
        **_METERED,
    ),
    "groq": AIMessage(
        "Let me look.",
        additional_kwargs={"reasoning_content": "I must look.", "executed_tools": [{"index": 0}]},
        response_metadata={"model_provider": "groq", "service_tier": "on_demand", "x_groq": {"id": "r"}},
        tool_calls=[CALL],
        **_METERED,
    ),
    "v1_of_another": AIMessage(
        content_blocks=[
            {"type": "reasoning", "reasoning": "I must look.", "id": "rs_1", "index": "lc_rs_0"},
            {"type": "server_tool_call", "name": "web_search", "args": {}, "id": "ws_1", "index": "lc_s_1"},
            {"type": "server_tool_result", "tool_call_id": "ws_1", "status": "success", "output": {}},
            {
                "type": "text",
                "text": "Let me look.",
                "annotations": [{"type": "citation", "url": LINK}],
                "extras": {"phase": "x"},
            },
            {**CALL, "extras": {"item_id": "fc_1"}},
        ],
        response_metadata={"output_version": "v1", "model_provider": "openai"},
    ),
}
HISTORIES_ASKED = HumanMessage(
    [{"type": "text", "text": "How is it?", "id": "x", "cache_control": {"type": "ephemeral"}}], id="m-1"
)
