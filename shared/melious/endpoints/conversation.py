"""The messages of a chat request, as the model wants them, and others where it refuses them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from melious.catalogue.needs import needs_of, note_need, with_need
from melious.endpoints.otherwise import Alternatives
from melious.errors import InvalidArgumentError, MeliousError
from melious.errors.conversation import Need, need_in
from melious.exchange.request import Otherwise, Request
from melious.exchange.retry import is_malformed
from melious.wire import codec
from melious.wire.thinking import REPLAY_WHEN, ReasoningReplay, replayed
from melious.wire.turns import alternating, one_system

Messages = Sequence[Mapping[str, Any]]

_MERGED: frozenset[Need] = frozenset({"one_system_message", "alternating_turns"})
"""The needs of templates that do not take several system messages."""

_STEPS: Mapping[Need, tuple[Need, ...]] = {"reasoning": ("reasoning_of_calls", "reasoning")}
"""What an error may mean, from the least on: reasoning costs tokens."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a request, and what is sent instead where the model refuses them.

    Attributes:
        messages: The messages as the caller gave them.
        model: The model.
        base_url: Where the service is.
        merge: Whether to merge system messages; None where the model needs it.
        replay: Which reasoning goes back.
        needs: What the model is known to need, and what it asked for in this call.
        tried: What it asked for in this call, in order.
        remember: Remembers that, once the call is answered.
    """

    messages: Messages
    model: str
    base_url: str
    merge: bool | None
    replay: ReasoningReplay
    needs: frozenset[Need]
    tried: tuple[Need, ...] = ()
    remember: Callable[[], object] | None = None

    def sent(self) -> list[Mapping[str, Any]]:
        """The messages as the model wants them."""
        when = "never" if "no_reasoning" in self.needs else self.replay.when
        needed: Literal["of_calls", "all"] | None = "of_calls" if "reasoning_of_calls" in self.needs else None
        messages = replayed(self.messages, when, "all" if "reasoning" in self.needs else needed)
        if self.merge or (self.merge is None and self.needs & _MERGED):
            messages = one_system(messages)
        return alternating(messages) if "alternating_turns" in self.needs else messages

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | None:
        """See `Request.otherwise`."""
        alternatives = request.otherwise
        assert isinstance(alternatives, Alternatives)  # noqa: S101 - it is one of them
        said = need_in(error)
        if said is None and self.merge is None and alternatives.method is None and _is_told_twice(error):
            said = "one_system_message"  # the gateway hides what the template said
        before = self.sent()
        for need in () if said is None else self._untried(said):
            needs = with_need(self.needs, need)
            wiser = replace(self, needs=needs, tried=(*self.tried, need))
            if wiser.sent() != before:
                return self._instead(request, alternatives, error, wiser)
        return None

    def _untried(self, said: Need) -> Iterator[Need]:
        """What may satisfy a model that says what it needs: the smallest step that is not taken."""
        steps = _STEPS.get(said, (said,))
        given = [place for place, need in enumerate(steps) if need in self.needs]
        return (need for need in steps[given[-1] + 1 if given else 0 :] if need not in self.tried)

    def _instead(
        self, request: Request, alternatives: Alternatives, error: MeliousError, wiser: Conversation
    ) -> Otherwise:
        why = f"{error.status_code or 'in the stream'}"
        shown = tuple(need for need in wiser.tried if need in wiser.needs)
        remember = partial(_remember, shown, self.model, self.base_url, why)
        wiser = replace(wiser, remember=remember)
        messages, method = wiser.sent(), alternatives.method
        if method is not None:
            method = method.with_messages(messages)
            messages = method.sent()["messages"]
        sent = codec.loads(request.body) if isinstance(request.body, bytes) else {}
        simpler = tuple(wiser if step is self else step for step in alternatives.simpler)
        instead = request._replace(
            body=codec.dumps(sent | {"messages": messages}),
            otherwise=replace(alternatives, simpler=simpler, method=method),
            learned=(*(one for one in request.learned if one is not self.remember), remember),
        )
        need = wiser.tried[-1].replace("_", " ")
        return Otherwise(instead, f"the messages were refused, trying them for a model that wants {need}")

    def advice_for(self, error: MeliousError) -> str | None:
        """What to do about a refusal that ends the call; None if it is not about the conversation."""
        need = need_in(error)
        if need == "reasoning":
            return _advice_on_reasoning(self.replay)
        if need in _MERGED and self.merge is False:
            return "This model does not take several system messages: remove merge_system_messages=False"
        return None


def conversation_of(
    messages: Messages, model: str, base_url: str, *, merge: bool | None, replay: ReasoningReplay
) -> Conversation:
    """The conversation of a request, with what is known of the model."""
    return Conversation(messages, model, base_url, merge, replay, needs_of(model, base_url))


def read_replay(given: object) -> ReasoningReplay:
    """The parameter `replay_reasoning`.

    Raises:
        InvalidArgumentError: It is none of the words.
    """
    if given is None:
        return ReasoningReplay()
    if isinstance(given, ReasoningReplay):
        return given
    if isinstance(given, str) and given in REPLAY_WHEN:
        return ReasoningReplay(given)
    raise InvalidArgumentError(
        f"replay_reasoning: must be one of {', '.join(map(repr, REPLAY_WHEN))}, not {given!r:.80}",
        param="replay_reasoning",
    )


def _remember(needs: tuple[Need, ...], model: str, base_url: str, why: str) -> None:
    for need in needs:
        note_need(need, model, base_url, why)


def _is_told_twice(error: MeliousError) -> bool:
    return is_malformed(error) and error.attempts > 1


def _advice_on_reasoning(replay: ReasoningReplay) -> str:
    wanted = "This model wants the reasoning of its earlier answers back"
    if replay.when == "never":
        return f"{wanted}: do not turn off {replay.switch}"
    return (
        f"{wanted}, and the conversation lacks it: keep the assistant's messages as they came, with their "
        f"reasoning, and {replay.switch} sends it"
    )
