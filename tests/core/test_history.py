"""Conversations whose tool calls and results do not pair are made so that a strict server takes them."""

from typing import Any

import pytest

from melious.wire.history import consistent

NO_RESULT = "No result of this call was recorded."


def asking(*calls: tuple[str | None, str]) -> dict[str, Any]:
    made = [{"id": given, "type": "function", "function": {"name": name}} for given, name in calls]
    return {"role": "assistant", "content": "", "tool_calls": made}


def result(content: str, **about: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content, **about}


USER = {"role": "user", "content": "Go on."}

PAIRED: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "in another order": (
        [asking(("a", "f"), ("b", "g")), result("2", tool_call_id="b"), result("1", tool_call_id="a")],
        [("b", "2"), ("a", "1")],
    ),
    "no ids at all": (
        [asking((None, "f"), ("", "g")), result("1", tool_call_id=""), result("2")],
        [("call_0", "1"), ("call_1", "2")],
    ),
    "one id for two calls": (
        [asking(("a", "f"), ("a", "g")), result("1", tool_call_id="a"), result("2", tool_call_id="a")],
        [("a", "1"), ("a_", "2")],
    ),
    "by name": (
        [asking(("a", "f"), ("b", "g")), result("2", name="g"), result("1", tool_call_id="f")],
        [("b", "2"), ("a", "1")],
    ),
    "one is missing": (
        [asking(("a", "f"), ("b", "g")), result("1", tool_call_id="a"), USER],
        [("a", "1"), ("b", NO_RESULT)],
    ),
    "all are missing": ([asking(("a", "f")), USER], [("a", NO_RESULT)]),
    "at the end": ([asking(("a", "f"))], [("a", NO_RESULT)]),
}


@pytest.mark.parametrize(("history", "pairs"), PAIRED.values(), ids=list(PAIRED))
def test_every_call_has_one_result_right_after_it(
    history: list[dict[str, Any]], pairs: list[tuple[str, str]]
) -> None:
    sent = consistent(history)
    results = sent[1 : 1 + len(pairs)]
    assert [(message["tool_call_id"], message["content"]) for message in results] == pairs
    assert sorted(call["id"] for call in sent[0]["tool_calls"]) == sorted(call_id for call_id, _ in pairs)
    assert sent[1 + len(pairs) :] == [message for message in history if message is USER]


@pytest.mark.parametrize("before", [[], [USER], [asking(("b", "g")), result("1", tool_call_id="b")]])
def test_a_result_without_its_call_becomes_words_of_the_user(before: list[dict[str, Any]]) -> None:
    sent = consistent([*before, result("12 degrees", tool_call_id="a", name="weather")])
    assert sent[-1] == {
        "role": "user",
        "content": "Result of an earlier call of the tool weather: 12 degrees",
    }
    assert len(sent) == len(before) + 1


def test_a_result_without_its_call_among_others_does_not_part_them() -> None:
    calls = asking(("a", "f"), ("b", "g"))
    first, lost, second = (result(given, tool_call_id=given) for given in ("a", "z", "b"))
    sent = consistent([calls, first, lost, second, USER])
    assert sent == [
        calls,
        first,
        second,
        {"role": "user", "content": "Result of an earlier tool call: z"},
        USER,
    ]


@pytest.mark.parametrize("role", ["user", "system"])
def test_what_came_between_calls_and_their_results_goes_after_those(role: str) -> None:
    calls, between = asking(("a", "f"), ("b", "g")), {"role": role, "content": "Hurry."}
    first, second = (result(given, tool_call_id=given) for given in "ab")
    assert consistent([calls, between, first, second, USER]) == [calls, first, second, between, USER]
    assert consistent([calls, first, between, second]) == [calls, first, second, between]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("weather report", "weather_report"),
        ("a.b:0", "a_b_0"),
        ("n" * 90, "n" * 64),
        ("", "unnamed"),
        (" ", "unnamed"),
    ],
)
def test_names_that_models_made_up_go_out_as_servers_take_them(name: str, sent: str) -> None:
    history = [asking(("a", name)), result("No such tool.", tool_call_id="a")]
    assert consistent(history) == [asking(("a", sent)), history[1]]


def test_a_result_in_parts_keeps_them() -> None:
    part = {"type": "text", "text": "12 degrees"}
    (sent,) = consistent([{"role": "tool", "tool_call_id": "a", "content": [part]}])
    assert sent["content"][1:] == [part]


def test_the_old_form_of_calls() -> None:
    history = [
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]
    assert consistent(history) == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_f", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_f", "content": "1"},
    ]


def test_what_pairs_already_is_not_touched() -> None:
    history = [USER, asking(("a", "f")), result("1", tool_call_id="a"), USER]
    assert consistent(history) == history
    assert consistent([USER]) == [USER]
