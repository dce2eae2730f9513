"""Conversations as strict chat templates want them: one system message, turns that alternate. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

Message = Mapping[str, Any]

_SYSTEM = frozenset({"system", "developer"})
_TURNS = frozenset({"user", "assistant"})
_BETWEEN = "\n\n"
_MERGED = frozenset({"role", "content", "name"})


def one_system(messages: Sequence[Message]) -> list[Message]:
    r"""Merge the leading system messages into one, and make later ones part of a turn of the user.

    That is the user's next message, if it comes before the next answer, or else the one before. Without any
    message of the user they join the leading one.

    Args:
        messages: Messages in the wire's form, oldest first. They do not change.

    Examples:
        >>> system, user = one_system([
        ...     {"role": "system", "content": "Be brief."},
        ...     {"role": "developer", "content": "Answer in German."},
        ...     {"role": "user", "content": "Hello!"},
        ...     {"role": "system", "content": "It is noon."},
        ... ])
        >>> system["content"], user["content"]
        ('Be brief.\n\nAnswer in German.', 'Hello!\n\nIt is noon.')
    """
    leading = list(takewhile(_is_system, messages))
    rest = messages[len(leading) :]
    before: dict[int, list[Message]] = {}
    after: dict[int, list[Message]] = {}
    for place, message in enumerate(rest):
        if _is_system(message):
            user = _turn_of(place, rest)
            if user is None:
                leading.append(message)
            else:
                (before if user > place else after).setdefault(user, []).append(message)
    out: list[Message] = []
    if leading:
        out.append(leading[0] if len(leading) == 1 else _merged(leading) | {"role": "system"})
    for place, message in enumerate(rest):
        if not _is_system(message):
            around = [*before.get(place, ()), message, *after.get(place, ())]
            out.append(message if len(around) == 1 else _merged(around, host=message))
    return out


def alternating(messages: Sequence[Message]) -> list[Message]:
    r"""Merge messages of the user that follow one another, and answers that do.

    Args:
        messages: Messages in the wire's form, oldest first. They do not change.

    Examples:
        >>> alternating([{"role": "user", "content": "Hello!"}, {"role": "user", "content": "Who are you?"}])
        [{'role': 'user', 'content': 'Hello!\n\nWho are you?'}]
    """
    out: list[Message] = []
    for message in messages:
        last = out[-1] if out else None
        if (
            last is not None
            and last.get("role") == message.get("role")
            and last.get("role") in _TURNS
            and not last.get("tool_calls")
        ):
            out[-1] = _merged([last, message])
        else:
            out.append(message)
    return out


def _is_system(message: Message) -> bool:
    return message.get("role") in _SYSTEM


def _turn_of(place: int, messages: Sequence[Message]) -> int | None:
    """The place of the user's message that a system message becomes part of; None if there is none."""
    roles = [message.get("role") for message in messages]
    following = [at for at in range(place + 1, len(roles)) if roles[at] == "user"]
    preceding = [at for at in range(place) if roles[at] == "user"]
    if following and (not preceding or "assistant" not in roles[place : following[0]]):
        return following[0]
    return preceding[-1] if preceding else None


def _merged(messages: Sequence[Message], *, host: Message | None = None) -> dict[str, Any]:
    """Several messages as one: with the role and name of the host, or of the first.

    A name that the message cannot keep goes before the text it belongs to. Other fields, such as marks for
    a cache, stay; those of the host, or of the last message, win.
    """
    named = messages if host is None else [host]
    names = {message.get("name") for message in named}
    name = names.pop() if len(names) == 1 else None
    out: dict[str, Any] = {"role": named[0]["role"]}
    out["content"] = _joined(_with_name(message, name) for message in messages)
    if name is not None:
        out["name"] = name
    for message in (*messages, *named):
        out.update((key, value) for key, value in message.items() if key not in _MERGED)
    thoughts = [str(message["reasoning_content"]) for message in messages if message.get("reasoning_content")]
    if thoughts:
        out["reasoning_content"] = "\n".join(thoughts)
    return out


def _with_name(message: Message, name: str | None) -> Any:
    """The content of a message, after its name if the merged message has another."""
    own, content = message.get("name"), message.get("content")
    if not own or own == name or not content:
        return content
    return f"{own}: {content}" if isinstance(content, str) else [_text(f"{own}:"), *content]


def _joined(contents: Iterable[Any]) -> Any:
    """Contents as one text if they are texts, else as parts, which keep their marks."""
    given = list(contents)
    known = [content for content in given if content]
    if not known:
        return given[0]
    if all(isinstance(content, str) for content in known):
        return _BETWEEN.join(known)
    return [part for content in known for part in ([_text(content)] if isinstance(content, str) else content)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
