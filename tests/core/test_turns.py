"""Conversations are made so that strict chat templates take them, and lose nothing on the way."""

from typing import Any

import pytest

from melious.wire.turns import alternating, one_system

Message = dict[str, Any]


def said(role: str, content: Any, **about: Any) -> Message:
    return {"role": role, "content": content, **about}


SYSTEM = said("system", "Be brief.")
HELLO = said("user", "Hello!")
ANSWER = said("assistant", "Hi.")
AGAIN = said("user", "Again?")
NOON = said("system", "It is noon.")
CALL = said("assistant", "", tool_calls=[{"id": "a", "type": "function", "function": {"name": "f"}}])
RESULT = said("tool", "12", tool_call_id="a")
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
MARKED = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}


def text(content: str) -> Message:
    return {"type": "text", "text": content}


SYSTEMS: dict[str, tuple[list[Message], list[Message]]] = {
    "leading ones": ([SYSTEM, NOON, HELLO], [said("system", "Be brief.\n\nIt is noon."), HELLO]),
    "a developer's": (
        [SYSTEM, said("developer", "Answer in German."), HELLO],
        [said("system", "Be brief.\n\nAnswer in German."), HELLO],
    ),
    "between turns": (
        [SYSTEM, HELLO, ANSWER, NOON, AGAIN],
        [SYSTEM, HELLO, ANSWER, said("user", "It is noon.\n\nAgain?")],
    ),
    "last": ([SYSTEM, HELLO, NOON], [SYSTEM, said("user", "Hello!\n\nIt is noon.")]),
    "after a tool's result": (
        [SYSTEM, HELLO, CALL, RESULT, NOON],
        [SYSTEM, said("user", "Hello!\n\nIt is noon."), CALL, RESULT],
    ),
    "answered since": (
        [SYSTEM, HELLO, NOON, ANSWER, AGAIN],
        [SYSTEM, said("user", "Hello!\n\nIt is noon."), ANSWER, AGAIN],
    ),
    "the first one late": ([HELLO, NOON], [said("user", "Hello!\n\nIt is noon.")]),
    "before the user has spoken": (
        [SYSTEM, ANSWER, NOON, ANSWER, HELLO],
        [SYSTEM, ANSWER, ANSWER, said("user", "It is noon.\n\nHello!")],
    ),
    "no user at all": ([SYSTEM, ANSWER, NOON], [said("system", "Be brief.\n\nIt is noon."), ANSWER]),
    "an empty one": ([SYSTEM, said("system", ""), HELLO], [SYSTEM, HELLO]),
    "a picture in the turn": (
        [SYSTEM, said("user", [PICTURE]), NOON],
        [SYSTEM, said("user", [PICTURE, text("It is noon.")])],
    ),
    "a mark for the cache": (
        [said("system", [MARKED]), NOON, HELLO],
        [said("system", [MARKED, text("It is noon.")]), HELLO],
    ),
    "a mark on the message": (
        [SYSTEM, said("system", "It is noon.", cache_control={"type": "ephemeral"}), HELLO],
        [said("system", "Be brief.\n\nIt is noon.", cache_control={"type": "ephemeral"}), HELLO],
    ),
    "one name": (
        [said("system", "a", name="rules"), said("system", "b", name="rules"), HELLO],
        [said("system", "a\n\nb", name="rules"), HELLO],
    ),
    "two names": (
        [said("system", "a", name="rules"), said("system", [text("b")], name="memory"), HELLO],
        [said("system", [text("rules: a"), text("memory:"), text("b")]), HELLO],
    ),
    "a name in the turn of another": (
        [said("user", "Hello!", name="Ann"), said("system", "b", name="memory")],
        [said("user", "Hello!\n\nmemory: b", name="Ann")],
    ),
}


@pytest.mark.parametrize(("given", "wanted"), SYSTEMS.values(), ids=list(SYSTEMS))
def test_one_system_message_at_the_beginning(given: list[Message], wanted: list[Message]) -> None:
    before = [dict(message) for message in given]
    assert one_system(given) == wanted
    assert given == before
    assert one_system(wanted) == wanted


def test_a_later_turn_does_not_change_earlier_ones() -> None:
    """Otherwise a server would have to read the whole conversation again."""
    first = [SYSTEM, HELLO, CALL, RESULT, NOON]
    later = [*first, ANSWER, AGAIN]
    assert one_system(later)[: len(one_system(first))] == one_system(first)


TURNS: dict[str, tuple[list[Message], list[Message]]] = {
    "of the user": ([HELLO, AGAIN, ANSWER], [said("user", "Hello!\n\nAgain?"), ANSWER]),
    "of the model": ([HELLO, ANSWER, said("assistant", "So.")], [HELLO, said("assistant", "Hi.\n\nSo.")]),
    "an answer and then a call": (
        [HELLO, ANSWER, CALL, RESULT],
        [HELLO, said("assistant", "Hi.", tool_calls=CALL["tool_calls"]), RESULT],
    ),
    "two users": (
        [said("user", "Hello!", name="Ann"), said("user", "Hi!", name="Bob")],
        [said("user", "Ann: Hello!\n\nBob: Hi!")],
    ),
    "reasoning": (
        [said("assistant", "a", reasoning_content="x"), said("assistant", "b", reasoning_content="y")],
        [said("assistant", "a\n\nb", reasoning_content="x\ny")],
    ),
    "calls and results": ([HELLO, CALL, RESULT, ANSWER, AGAIN], [HELLO, CALL, RESULT, ANSWER, AGAIN]),
    "two calls": ([CALL, CALL, RESULT, RESULT], [CALL, CALL, RESULT, RESULT]),
}


@pytest.mark.parametrize(("given", "wanted"), TURNS.values(), ids=list(TURNS))
def test_turns_alternate(given: list[Message], wanted: list[Message]) -> None:
    assert alternating(given) == wanted
