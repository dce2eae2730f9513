"""The scripted replies that wait for requests."""

from collections.abc import Callable, Collection
from typing import get_args

from melious_sandbox.service import checks
from melious_sandbox.service.checks import refuse
from melious_sandbox.service.faults import Endpoint
from melious_sandbox.service.records import RecordedRequest
from melious_sandbox.service.reply import Reply
from melious_sandbox.service.waiting import WaitingList

Predicate = Callable[[RecordedRequest], bool]


class Replies(WaitingList[Reply]):
    """The scripted replies that wait for requests; the first that matches a request answers it.

    Examples:
        >>> from melious import MeliousClient
        >>> from melious_sandbox import Reply, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.replies.add(Reply(text="Forty-two."))
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     question = [{"role": "user", "content": "What is the answer?"}]
        ...     client.chat.create(model="gemma-4-31b", messages=question).text
        'Forty-two.'
    """

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
            endpoint: The endpoint that they answer. Endpoints other than ``chat`` and ``messages`` take
                replies with ``json``; ``audio`` and ``documents`` take ``text`` too, and a form feed in it
                begins a page of a document.
            model: The model that they answer for, with or without a flavor, or the slug of a tool; None means
                any.
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
                taken = "text or json" if endpoint in ("audio", "documents") else "json"
                refuse("endpoint", f"'chat' for this reply: '{endpoint}' takes {taken}")
        if when is not None and not callable(when):
            refuse("when", "a function that takes the request", when)

        def matches(request: RecordedRequest, models: Collection[str]) -> bool:
            return (
                endpoint == request.endpoint
                and (model is None or model in models)
                and (when is None or bool(when(request)))
            )

        for reply in replies:
            self._add(reply, times, matches)
