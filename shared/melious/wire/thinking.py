"""A model's reasoning: a leading `<think>` part, `reasoning_details`, and what of it goes back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkSplitter:
    r"""Splits leading thoughts from the answer, in a streamed text.

    Attributes:
        done: All further text is the answer.

    Example:
        >>> splitter = ThinkSplitter()
        >>> [splitter.split(piece) for piece in ("<thi", "nk>Hm.</th", "ink>", "\n\nYes.")]
        [('', ''), ('Hm.', ''), ('', ''), ('', 'Yes.')]
    """

    def __init__(self) -> None:
        self.done = False
        self._stage: Literal["before", "within", "after"] = "before"
        self._space: list[str] = []
        self._held = ""

    def split(self, text: str) -> tuple[str, str]:
        """Add a piece; returns thoughts and answer, as far as they are clear."""
        if self.done:
            return "", text
        held, self._held = self._held + text if self._held else text, ""
        thought = ""
        if self._stage == "before":
            if held is text:  # only space so far
                held = text.lstrip()
                self._space.append(text[: len(text) - len(held)])
            if _OPEN.startswith(held):
                self._held = held
                return "", ""
            if not held.startswith(_OPEN):
                self.done = True
                return "", self._spaced(held)
            self._stage = "within"
            held = held[len(_OPEN) :]
        if self._stage == "within":
            thought, close, held = held.partition(_CLOSE)
            if not close:
                cut = _may_begin(thought)
                self._held = thought[cut:]
                return thought[:cut], ""
            self._stage = "after"
        said = held.lstrip()
        self.done = bool(said)
        return thought, said

    def _spaced(self, text: str) -> str:
        space = "".join(self._space)
        self._space.clear()
        return space + text

    def flush(self) -> tuple[str, str]:
        """Return what was held back, as thoughts and answer, at the end of the text."""
        held, self._held = self._held, ""
        if self._stage == "before":
            held = self._spaced(held)
        return (held, "") if self._stage == "within" else ("", held)


def _may_begin(text: str) -> int:
    """Where a possible start of the closing tag begins, else the length of the text."""
    for size in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return len(text) - size
    return len(text)


def split_thinking(text: str) -> tuple[str, str]:
    """Split leading thoughts from the answer, in a whole text.

    Example:
        >>> split_thinking("<think>Hm.</think>Yes.")
        ('Hm.', 'Yes.')
    """
    splitter = ThinkSplitter()
    thought, said = splitter.split(text)
    more_thought, more_said = splitter.flush()
    return thought + more_thought, said + more_said


def thought_in_details(details: Any) -> str:
    """The text of `reasoning_details`; encrypted ones have none.

    Example:
        >>> thought_in_details([{"type": "reasoning.text", "text": "Hm."}, {"summary": " Yes."}])
        'Hm. Yes.'
    """
    items = details if isinstance(details, list) else ()
    return "".join(
        str(item.get("text") or item.get("summary") or "") for item in items if isinstance(item, dict)
    )


ReplayWhen: TypeAlias = Literal["always", "with_tool_calls", "when_needed", "never"]
REPLAY_WHEN: tuple[ReplayWhen, ...] = get_args(ReplayWhen)


@dataclass(frozen=True, slots=True)
class ReasoningReplay:
    """Which reasoning of earlier answers goes back to the model.

    Attributes:
        when: `always`, `with_tool_calls` (only that of messages with calls), `when_needed` (only to models
            that refuse the conversation without it), or `never`. All but `never` send it to those models.
        switch: The caller's name for it, for errors.
    """

    when: ReplayWhen = "always"
    switch: str = "replay_reasoning"


def holds_reasoning(message: Mapping[str, Any]) -> bool:
    """Whether a message carries the reasoning of an answer."""
    return bool(message.get("reasoning_content"))


def replayed(
    messages: Sequence[Mapping[str, Any]], when: ReplayWhen, *, needed: bool = False
) -> list[Mapping[str, Any]]:
    """A conversation with the reasoning that goes back, and no other.

    Args:
        messages: Messages in the wire's form, with all the reasoning that was kept. They do not change.
        when: Which of it goes back.
        needed: Whether the model refuses the conversation without it. Then tool calls without reasoning get
            an empty one, if other messages have some: models do not think before every call.

    Example:
        >>> replayed([{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}], "never")
        [{'role': 'assistant', 'content': 'Yes.'}]
    """
    if when == "never":
        return [_without_reasoning(message) for message in messages]
    if needed:
        if not any(map(holds_reasoning, messages)):
            return list(messages)
        return [_with_some_reasoning(message) for message in messages]
    if when == "always":
        return list(messages)
    return [
        message if when == "with_tool_calls" and message.get("tool_calls") else _without_reasoning(message)
        for message in messages
    ]


def _without_reasoning(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if "reasoning_content" not in message:
        return message
    return {name: value for name, value in message.items() if name != "reasoning_content"}


def _with_some_reasoning(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if not message.get("tool_calls") or holds_reasoning(message):
        return message
    return {**message, "reasoning_content": ""}
