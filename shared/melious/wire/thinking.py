"""A model's reasoning: a leading `<think>` part, `reasoning_details`, and what of it goes back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkSplitter:
    r"""Splits leading thoughts from the answer, in a streamed text.

    Attributes:
        done: All further text is the answer.

    Examples:
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

    Examples:
        >>> split_thinking("<think>Hm.</think>Yes.")
        ('Hm.', 'Yes.')
    """
    splitter = ThinkSplitter()
    thought, said = splitter.split(text)
    more_thought, more_said = splitter.flush()
    return thought + more_thought, said + more_said


def thought_in_details(details: Any) -> str:
    """The text of `reasoning_details`; encrypted ones have none.

    Examples:
        >>> thought_in_details([{"type": "reasoning.text", "text": "Hm."}, {"summary": " Yes."}])
        'Hm. Yes.'
    """
    items = details if isinstance(details, list) else ()
    return "".join(
        str(item.get("text") or item.get("summary") or "") for item in items if isinstance(item, dict)
    )


ReplayWhen: TypeAlias = Literal["always", "with_tool_calls", "when_needed", "never"]
REPLAY_WHEN: tuple[ReplayWhen, ...] = get_args(ReplayWhen)


class ReasoningReplay(NamedTuple):
    """Which reasoning of earlier answers goes back to the model.

    Attributes:
        when: `always`, `with_tool_calls` (only that of messages with calls), `when_needed` (only to models
            that refuse the conversation without it), or `never`. All but `never` send it to those models.
        switch: The caller's name for it, for errors.
    """

    when: ReplayWhen = "always"
    switch: str = "replay_reasoning"


def replayed(
    messages: Sequence[Mapping[str, Any]],
    when: ReplayWhen,
    needed: Literal["of_calls", "all"] | None = None,
) -> list[Mapping[str, Any]]:
    """A conversation with the reasoning that goes back, and no other.

    Args:
        messages: Messages in the wire's form, with all the reasoning that was kept. They do not change.
        when: Which of it goes back.
        needed: The least that the model wants back, unless `when` is `never`. Tool calls without reasoning
            then get an empty one if other messages have some: models do not think before every call.

    Examples:
        >>> replayed([{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}], "never")
        [{'role': 'assistant', 'content': 'Yes.'}]
    """
    if when == "never":
        return [_without_reasoning(message) for message in messages]
    every = when == "always" or needed == "all"
    of_calls = every or when == "with_tool_calls" or needed is not None
    fill = needed is not None and any(message.get("reasoning_content") for message in messages)
    out = []
    for message in messages:
        calls = bool(message.get("tool_calls"))
        if not (every or (calls and of_calls)):
            out.append(_without_reasoning(message))
        elif fill and calls and not message.get("reasoning_content"):
            out.append({**message, "reasoning_content": ""})
        else:
            out.append(message)
    return out


def _without_reasoning(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if "reasoning_content" not in message:
        return message
    return {name: value for name, value in message.items() if name != "reasoning_content"}
