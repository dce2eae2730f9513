"""Servers say in their own words what they want of a conversation."""

import pytest

from melious.errors.conversation import Need, need_in
from melious.errors.table import status_error

SAID: list[tuple[Need | None, int, object]] = [
    ("one_system_message", 400, "System message must be at the beginning."),
    ("one_system_message", 400, "Chat template error: System message must be at the beginning."),
    (
        "one_system_message",
        500,
        "While executing CallExpression at line 85, column 32 in source: ...first %} {{- "
        "raise_exception('System message must be at the beginnin... Error: Jinja Exception: System message "
        "must be at the beginning.",
    ),
    ("one_system_message", 400, "Unexpected role 'system' after role 'assistant'"),
    ("one_system_message", 400, "Only one system message is allowed"),
    ("one_system_message", 400, "Multiple system messages are not supported"),
    ("one_system_message", 400, "System messages are only supported at the beginning of the conversation"),
    ("one_system_message", 400, "Only the first message can have the role system"),
    ("alternating_turns", 400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    (
        "alternating_turns",
        400,
        "After the optional system message, conversation roles must alternate user/assistant/user/assistant/",
    ),
    (
        "alternating_turns",
        400,
        "deepseek-reasoner does not support successive user or assistant messages (messages[1] and "
        "messages[2] in your input). You should interleave the user/assistant messages",
    ),
    (
        "alternating_turns",
        400,
        "After the (optional) system message(s), user and assistant roles should be alternating.",
    ),
    ("reasoning", 400, "messages[2]: missing field `reasoning_content`"),
    ("reasoning", 400, "The `reasoning_content` in the thinking mode must be passed back to the API."),
    ("reasoning", 400, "The `content[].thinking` in the thinking mode must be passed back to the API."),
    (
        "reasoning",
        400,
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ),
    (
        "reasoning",
        400,
        {
            "error": {
                "code": "400",
                "message": "Param Incorrect",
                "param": "The reasoning_content in the thinking mode must be passed back to the API.",
                "type": "",
            }
        },
    ),
    (
        "reasoning",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"error":{"message":"The `reasoning_content` in the thinking mode must be '
                    'passed back to the API.","type":"invalid_request_error"}}'
                },
            }
        },
    ),
    (
        "no_reasoning",
        422,
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "messages", 2, "assistant", "reasoning_content"],
                    "msg": "Extra inputs are not permitted",
                    "input": "Hm.",
                }
            ]
        },
    ),
    ("no_reasoning", 400, "Extra inputs are not permitted, field: 'messages[8].reasoning', value: 'Now I'"),
    (None, 400, "reasoning_effort: Extra inputs are not permitted"),
    (None, 400, "Unexpected role 'user' after role 'tool'"),
    (None, 400, "The request was rejected as malformed, check message format, tools schema"),
    (None, 400, "response_format is not supported"),
    (None, 400, "System prompt is too long"),
    (None, 400, "This model does not support reasoning"),
    (None, 429, "System message must be at the beginning."),
]


@pytest.mark.parametrize(("need", "status", "said"), SAID)
def test_what_an_error_says_of_the_conversation(need: Need | None, status: int, said: object) -> None:
    body = said if isinstance(said, dict) else {"error": {"message": said}}
    assert need_in(status_error(status, body, request_id=None, endpoint="chat")) == need
