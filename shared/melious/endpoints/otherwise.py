"""What to send instead of a refused request: the same without a field, or with relaxed filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeAlias

from melious.errors import MeliousError, NoProvidersAvailableError
from melious.exchange.request import Otherwise, Request
from melious.routing.fallbacks import Relaxation
from melious.routing.residency import ResidencyRule
from melious.wire import codec
from melious.wire.uploads import Upload

Simplify: TypeAlias = Callable[[Request, MeliousError], Otherwise | MeliousError | None]
"""Gives the request without what an error complains of, or the error to end with where nothing is left.

None where the error is about something else.
"""


class MethodStep(Protocol):
    """Asks for an object by one method, and gives the request with the next one where that is refused."""

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | MeliousError | None:
        """See `Simplify`."""

    def with_messages(self, messages: Sequence[Mapping[str, Any]]) -> Self:
        """The same for another conversation."""

    def sent(self) -> dict[str, Any]:
        """The body with its method."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What may be sent instead of a request: simpler ones first, then with its filters relaxed step by step.

    Attributes:
        simpler: Ways to leave out what the service refuses.
        method: How to ask for an object by another method, if the request asks for one.
        steps: How the filters are relaxed, in order.
        refusal: The first error that said that no provider matches.
    """

    simpler: tuple[Simplify, ...] = ()
    method: MethodStep | None = None
    steps: tuple[Relaxation, ...] = ()
    refusal: MeliousError | None = None

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | MeliousError | None:
        """Give what to send instead, or the first refusal after the last step."""
        steps: tuple[Simplify, ...] = self.simpler if self.method is None else (*self.simpler, self.method)
        for step in steps:
            found = step(request, error)
            if found is not None:
                return found
        if not self.steps or not isinstance(error, NoProvidersAvailableError):
            return None
        refusal = self.refusal or error
        taken = request.routing.relaxed
        if len(taken) == len(self.steps):
            refusal.add_note(f"No provider matched after relaxing: {'; '.join(taken)}")
            return refusal
        relaxed = self.relaxed(request, len(taken) + 1)
        why = f"no provider matches the filters, retrying after relaxing: {relaxed.routing.relaxed[-1]}"
        return Otherwise(relaxed._replace(otherwise=replace(self, refusal=refusal)), why)

    def relaxed(self, request: Request, count: int) -> Request:
        """The request after so many steps."""
        filters = self.steps[count - 1].filters
        verified = request.routing.residency
        routing = request.routing._replace(
            relaxed=tuple(step.name for step in self.steps[:count]),
            residency=None if verified is None else ResidencyRule.of(verified.mode, filters),
        )
        return request._replace(body=_with_filters(request.body, filters), routing=routing)


def _with_filters(body: bytes | Upload | None, filters: Mapping[str, Any]) -> bytes | Upload:
    """A body, or a form, with other filters; without any if they are empty."""
    if isinstance(body, Upload):
        form = {name: value for name, value in body.fields.items() if name != "filters"}
        if filters:
            form["filters"] = codec.dumps(filters).decode()
        return replace(body, fields=form)
    fields = codec.loads(body or b"{}")
    fields.pop("filters", None)
    return codec.dumps(fields | {"filters": filters} if filters else fields)
