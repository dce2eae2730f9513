"""Instances of JSON schemas: filled from what a text mentions, else the plainest that is valid."""

import math
import re
from collections.abc import Mapping
from typing import Any

from melious_sandbox.brain.mentions import Kind, Mentions
from melious_sandbox.brain.schemas import Schema, branches, kind_of, merged, nullable

__all__ = ["fill", "plain"]

_DEEPEST = 24
_FORMATS: Mapping[str, tuple[Kind | None, str]] = {
    "date": ("date", "2026-01-01"),
    "date-time": (None, "2026-01-01T00:00:00Z"),
    "time": ("time", "00:00:00Z"),
    "email": ("email", "someone@example.com"),
    "uri": ("url", "https://example.com"),
    "url": ("url", "https://example.com"),
    "hostname": (None, "example.com"),
    "ipv4": (None, "192.0.2.1"),
    "ipv6": (None, "2001:db8::1"),
    "uuid": (None, "00000000-0000-4000-8000-000000000000"),
    "duration": (None, "PT1H"),
}
_SAMPLES = ("unknown", "a", "A", "1", "0000", "a1", "A1", "AA-1", "1.0", "a-b", "a_b", "a@b.example", "/a")


def fill(schema: Schema, text: str, spare: str = "") -> Any:
    """Fill a schema: what is required, and all of it where nothing is.

    A field takes the next mention of its type: a number, an option of an enum, a date, an address, a quote, a
    name. A text without one gets ``spare``. Everything else is the plainest value that is valid; a list has
    at least one item, and what may be null is null.

    Args:
        schema: The schema.
        text: Where the values are looked for.
        spare: What a free text gets; ``text`` by default.

    >>> river = {"type": "object", "required": ["name", "km"], "properties": {
    ...     "name": {"type": "string"}, "km": {"type": "integer"}, "mouth": {"type": "string"}}}
    >>> fill(river, "The Loire is 1,006 kilometres long.")
    {'name': 'Loire', 'km': 1006}
    """
    return _Filler(schema, text, spare or text).value(schema, 0, top=True)


def plain(schema: Schema, root: Schema) -> Any:
    """Make the plainest instance of a schema that stands in ``root``.

    >>> plain({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 3}}, {})
    [3]
    """
    return _Filler(root, "", "").value(schema, 0)


class _Filler:
    def __init__(self, root: Schema, text: str, spare: str) -> None:
        self._root = root
        self._text = text.lower()
        self._spare = spare
        self._mentions = Mentions(text)

    def value(self, schema: Schema, depth: int, *, top: bool = False) -> Any:
        schema = merged(schema, self._root)
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        if "enum" in schema:
            return self._option(schema["enum"])
        if nullable(schema, self._root):
            return None
        if options := branches(schema):
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            return self.value({**rest, **merged(options[0], self._root)}, depth + 1)
        match kind_of(schema):
            case "object":
                return self._object(schema, depth, top=top)
            case "array":
                return self._array(schema, depth)
            case "boolean":
                return False
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case _:
                return self._string(schema)

    def _option(self, options: list[Any]) -> Any:
        """The option that the text names first, else the first."""
        spelt = [(option, option.lower()) for option in options if isinstance(option, str) and option]
        named = [
            (found.start(), option)
            for option, word in spelt
            if (found := re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self._text))
        ]
        return min(named)[1] if named else options[0]

    def _object(self, schema: Schema, depth: int, *, top: bool) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        if depth >= _DEEPEST:
            required = ()
        elif top and not required:
            required = [name for name, part in properties.items() if "default" not in part]
        made = {name: self.value(properties.get(name) or {}, depth + 1) for name in required}
        others = schema.get("additionalProperties")
        for position in range(schema.get("minProperties", 0) - len(made)):
            made[f"key{position + 1}"] = self.value(others if isinstance(others, Mapping) else {}, depth + 1)
        return made

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        leading = list(schema.get("prefixItems") or ())
        items = merged(schema.get("items") or {}, self._root)
        least = schema.get("minItems", 0 if leading or depth >= _DEEPEST else 1)
        count = min(max(least - len(leading), 0), schema.get("maxItems", math.inf))
        made = [self.value(part, depth + 1) for part in leading]
        more = [self.value(items, depth + 1) for _ in range(int(count))]
        return [*made, *(_distinct(more, items) if schema.get("uniqueItems") else more)]

    def _number(self, schema: Schema, *, whole: bool) -> float:
        def fits(value: float) -> bool:
            return (not whole or float(value).is_integer()) and _within(value, schema)

        found = self._mentions.take("number", fits)
        return _plain_number(schema, whole=whole) if found is None else found

    def _string(self, schema: Schema) -> str:
        def fits(value: str) -> bool:
            return _is_string(value, schema)

        if (known := _FORMATS.get(schema.get("format", ""))) is not None:
            mentioned, usual = known
            return (self._mentions.take(mentioned) if mentioned else None) or usual
        found = self._mentions.take("quote", fits) or self._mentions.take("name", fits)
        if found is not None:
            return str(found)
        spare = self._spare[: schema.get("maxLength")]
        return spare if spare and fits(spare) else _plain_string(schema)


def _within(value: float, schema: Schema) -> bool:
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        and (not step or math.isclose(value / step, round(value / step)))
    )


def _plain_number(schema: Schema, *, whole: bool) -> float:
    """The number nearest to zero within the bounds."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None and above >= low:
        low = (math.floor(above / step) + 1) * step if step else _between(above, min(high, below or math.inf))
    if below is not None and below <= high:
        high = (math.ceil(below / step) - 1) * step if step else -_between(-below, -low)
    nearest: float = min(max(0, low), high)
    if step:
        nearest = (math.ceil if nearest == low else math.floor)(nearest / step) * step
    return nearest


def _between(bound: float, other: float) -> float:
    """A number above ``bound``, by one where there is room, else halfway to ``other``."""
    return bound + min(1.0, (other - bound) / 2)


def _is_string(value: str, schema: Schema) -> bool:
    sized = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
    return sized and _matches(value, schema.get("pattern"))


def _matches(value: str, pattern: Any) -> bool:
    if not isinstance(pattern, str):
        return True
    try:
        return re.search(pattern, value) is not None
    except re.error:  # another dialect: nothing can be said
        return True


def _plain_string(schema: Schema) -> str:
    samples = (
        sample.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")] for sample in _SAMPLES
    )
    fitting = [sample for sample in samples if _matches(sample, schema.get("pattern"))]
    return fitting[0] if fitting else _SAMPLES[0]


def _distinct(made: list[Any], items: Schema) -> list[Any]:
    """Tell equal items apart: the options of an enum, numbers in steps, texts with a number behind."""
    if len(made) < 2:  # noqa: PLR2004 - nothing to tell apart
        return made
    if "enum" in items:
        return list(items["enum"][: len(made)])
    first = made[0]
    if isinstance(first, str):
        return [f"{first}{position or ''}" for position in range(len(made))]
    if isinstance(first, int | float) and not isinstance(first, bool):
        return [first + position * (items.get("multipleOf") or 1) for position in range(len(made))]
    return made[:1]
