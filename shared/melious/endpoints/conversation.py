"""The messages of a chat request, as the model wants them, and others where it refuses them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
    """

    messages: Messages
    model: str
    base_url: str
    merge: bool | None
    replay: ReasoningReplay
    needs: frozenset[Need]

    def sent(self) -> list[Mapping[str, Any]]:
        """The messages as the model wants them."""
        refused = "no_reasoning" in self.needs
        when = "never" if refused else self.replay.when
        messages = replayed(self.messages, when, needed="reasoning" in self.needs)
        if self.merge or (self.merge is None and self.needs & _MERGED):
            messages = one_system(messages)
        return alternating(messages) if "alternating_turns" in self.needs else messages

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | None:
        """See `Request.otherwise`."""
        alternatives = request.otherwise
        assert isinstance(alternatives, Alternatives)  # noqa: S101 - it is one of them
        need = need_in(error)
        if need is None and self.merge is None and alternatives.method is None and _is_told_twice(error):
            need = "one_system_message"  # the gateway hides what the template said
        if need is None:
            return None
        wiser = replace(self, needs=with_need(self.needs, need))
        messages = wiser.sent()
        if messages == self.sent():
            return None
        method = alternatives.method
        if method is not None:
            method = method.with_messages(messages)
            messages = method.sent()["messages"]
        simpler = tuple(wiser if step is self else step for step in alternatives.simpler)
        sent = codec.loads(request.body) if isinstance(request.body, bytes) else {}
        learned = partial(
            note_need, need, self.model, self.base_url, f"{error.status_code or 'in the stream'}"
        )
        instead = replace(
            request,
            body=codec.dumps(sent | {"messages": messages}),
            otherwise=replace(alternatives, simpler=simpler, method=method),
            learned=(*request.learned, learned),
        )
        return Otherwise(instead, f"the messages were refused, trying others: {need.replace('_', ' ')}")

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


def _is_told_twice(error: MeliousError) -> bool:
    return is_malformed(error) and error.attempts > 1


def _advice_on_reasoning(replay: ReasoningReplay) -> str:
    wanted = "This model wants the reasoning of its earlier answers back"
    if replay.when == "never":
        return f"{wanted}: do not turn off {replay.switch}"
    return (
        f"{wanted}, which the conversation does not hold: keep the assistant's messages as they came, with "
        f"their reasoning, and {replay.switch} sends it"
    )
