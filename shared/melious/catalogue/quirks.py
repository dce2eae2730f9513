"""Where models of the live service were measured to differ from their cards."""

from __future__ import annotations

from typing import NamedTuple

from melious.routing.filters import split_flavor


class Quirks(NamedTuple):
    """How a model really behaves, where that differs from its card.

    Measured between July and October 2026 (wire reference, sections 1.1, 1.4 to 1.6, 18.3 and 19). The
    service changes without notice: these are hints for people. The one thing that is refused because of them
    is a `reasoning_effort` that every measurement saw refused.

    Attributes:
        wants_effort: Requests without `reasoning_effort` were refused.
        refused_efforts: Values of `reasoning_effort` that were refused whenever they were tried.
        disputed_efforts: Values that were refused in some measurements and taken in others.
        window: Tokens that the route really took, if fewer than the card says.
        refuses_images: Images were refused although the card lists them.
        refused_methods: Methods of structured output that were refused or not obeyed.
        seen_failing: The model is listed and answered with nothing but errors.
    """

    wants_effort: bool = False
    refused_efforts: frozenset[str] = frozenset()
    disputed_efforts: frozenset[str] = frozenset()
    window: int | None = None
    refuses_images: bool = False
    refused_methods: frozenset[str] = frozenset()
    seen_failing: bool = False


_NONE = Quirks()
_BY_MODEL = {
    "deepseek-v4-flash": Quirks(seen_failing=True),
    "deepseek-v4.1-flash": Quirks(refused_methods=frozenset({"json_schema", "forced_tool"})),
    "gemma-4-31b": Quirks(window=45_000, refuses_images=True),
    "gemma-4-31b:speed": Quirks(window=131_000),
    "qwen3.6-35b-a3b": Quirks(seen_failing=True),
    "qwen3.8-27b": Quirks(wants_effort=True, refused_efforts=frozenset({"high"})),
    "qwen3.8-max": Quirks(
        wants_effort=True, refused_efforts=frozenset({"high"}), disputed_efforts=frozenset({"none"})
    ),
}


def quirks_of(model: str) -> Quirks:
    """The quirks of a model, by flavor where that matters.

    Examples:
        >>> quirks_of("qwen3.8-max:eco").wants_effort, quirks_of("glm-5.3").wants_effort
        (True, False)
    """
    return _BY_MODEL.get(model) or _BY_MODEL.get(split_flavor(model)[0], _NONE)
