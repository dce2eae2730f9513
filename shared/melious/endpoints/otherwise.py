"""What a request is sent as instead, where the service refuses it: without a field, or with fewer filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from melious.errors import MeliousError, NoProvidersAvailableError
from melious.exchange.request import Otherwise, Request
from melious.routing.fallbacks import Relaxation
from melious.routing.residency import ResidencyRule
from melious.wire import codec
from melious.wire.uploads import Upload

Simplify: TypeAlias = Callable[[Request, MeliousError], Otherwise | None]
"""Gives the request without what an error complains of; None where the error is about something else."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What a request may be sent as instead: simpler first, then with its filters relaxed step by step.

    Attributes:
        simpler: Ways to leave out what the service refuses.
        steps: What is given up of the filters, one after the other.
        refusal: The first error that said that no provider fits.
    """

    simpler: tuple[Simplify, ...] = ()
    steps: tuple[Relaxation, ...] = ()
    refusal: MeliousError | None = None

    def __call__(self, request: Request, error: MeliousError) -> Otherwise | MeliousError | None:
        """Give what to send instead, or the first refusal where all filters are given up."""
        for simplify in self.simpler:
            found = simplify(request, error)
            if found is not None:
                return found
        if not self.steps or not isinstance(error, NoProvidersAvailableError):
            return None
        refusal = self.refusal or error
        given_up = request.routing.relaxed
        if len(given_up) == len(self.steps):
            refusal.add_note(f"Nor did a provider fit with this given up: {'; '.join(given_up)}")
            return refusal
        relaxed = self.relaxed(request, len(given_up) + 1)
        why = f"no provider fits the filters, trying again with this given up: {relaxed.routing.relaxed[-1]}"
        return Otherwise(replace(relaxed, otherwise=replace(self, refusal=refusal)), why)

    def relaxed(self, request: Request, count: int) -> Request:
        """The request after so many steps."""
        filters = self.steps[count - 1].filters
        verified = request.routing.residency
        routing = replace(
            request.routing,
            relaxed=tuple(step.name for step in self.steps[:count]),
            residency=None if verified is None else ResidencyRule.of(verified.mode, filters),
        )
        return replace(request, body=_with_filters(request.body, filters), routing=routing)


def _with_filters(body: bytes | Upload | None, filters: Mapping[str, Any]) -> bytes | Upload:
    """A body, or a form, with other filters; with none where they are empty."""
    if isinstance(body, Upload):
        form = {name: value for name, value in body.fields.items() if name != "filters"}
        if filters:
            form["filters"] = codec.dumps(filters).decode()
        return replace(body, fields=form)
    fields = codec.loads(body or b"{}")
    fields.pop("filters", None)
    return codec.dumps(fields | {"filters": filters} if filters else fields)
