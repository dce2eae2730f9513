"""The scripted replies that wait for requests."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import get_args

from melious_sandbox.service import checks
from melious_sandbox.service.checks import refuse
from melious_sandbox.service.faults import Endpoint
from melious_sandbox.service.records import RecordedRequest
from melious_sandbox.service.reply import Reply

Predicate = Callable[[RecordedRequest], bool]


@dataclass(slots=True, eq=False)
class _Waiting:
    reply: Reply
    left: int | None
    endpoint: str
    model: str | None
    when: Predicate | None

    def matches(self, request: RecordedRequest, models: Collection[str]) -> bool:
        return (
            self.endpoint == request.endpoint
            and (self.model is None or self.model in models)
            and (self.when is None or bool(self.when(request)))
        )


class Replies:
    """The scripted replies that wait for requests; the first that matches a request answers it.

    Example:
        >>> from melious import MeliousClient
        >>> from melious_sandbox import Reply, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.replies.add(Reply(text="Forty-two."))
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     question = [{"role": "user", "content": "What is the answer?"}]
        ...     client.chat.create(model="gemma-4-31b", messages=question).text
        'Forty-two.'
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def add(
        self,
        *replies: Reply,
        times: int | None = 1,
        endpoint: Endpoint = "chat",
        model: str | None = None,
        when: Predicate | None = None,
    ) -> None:
        """Let replies answer requests, in this order.

        Requests that the service would refuse, and requests that a fault answers, use up no reply.

        Args:
            replies: The replies.
            times: How many requests each answers, at least 1; None answers every one.
            endpoint: The endpoint that they answer. Endpoints other than ``chat`` take replies with ``json``,
                and ``audio`` takes ``text`` too.
            model: The model that they answer for, with or without a flavor; None means any.
            when: Called with the request as the sandbox records it, ``body`` included; the reply answers
                where it returns True. It runs in the thread of the sandbox.

        Raises:
            InvalidArgumentError: An argument cannot be used, or the endpoint cannot give such a reply.
        """
        checks.one_of(get_args(Endpoint))("endpoint", endpoint)
        if times is not None:
            checks.whole(1)("times", times)
        if model is not None:
            checks.name_of_model("model", model)
        for reply in replies:
            if not isinstance(reply, Reply):
                refuse("replies", "Reply objects", reply)
            if not reply.fits(endpoint):
                taken = "text or json" if endpoint == "audio" else "json"
                refuse("endpoint", f"'chat' for this reply: '{endpoint}' takes {taken}")
        if when is not None and not callable(when):
            refuse("when", "a function that takes the request", when)
        with self._lock:
            self._waiting.extend(_Waiting(reply, times, endpoint, model, when) for reply in replies)

    def clear(self) -> None:
        """Drop every reply that has not been given yet."""
        with self._lock:
            self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, request: RecordedRequest, models: Collection[str]) -> Reply | None:
        """Give the reply for a request to a model of one of these names, and count it."""
        # Only the server's one loop takes; a predicate may look at the sandbox, so it runs without the lock.
        for waiting in tuple(self._waiting):
            if waiting.matches(request, models):
                with self._lock:
                    if waiting.left is not None and waiting in self._waiting:
                        waiting.left -= 1
                        if not waiting.left:
                            self._waiting.remove(waiting)
                return waiting.reply
        return None
