"""Instances of JSON schemas: filled from what a text mentions, else the plainest that is valid."""

import math
import re
from collections.abc import Mapping
from typing import Any

from melious_sandbox.brain.mentions import Kind, Mentions
from melious_sandbox.brain.schemas import Schema, branches, kind_of, merged, nullable

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
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def fill(schema: Schema, text: str, spare: str = "") -> Any:
    """Fill a schema: what is required, or all of it where nothing is.

    A field takes the next mention of its type in ``text``: a number, an option of an enum, a date, a quote, a
    name. A text without one gets ``spare``, else ``text``. Everything else is the plainest value that is
    valid; a list has at least one item, and what may be null is null.

    >>> river = {"type": "object", "required": ["name", "km"], "properties": {
    ...     "name": {"type": "string"}, "km": {"type": "integer"}, "mouth": {"type": "string"}}}
    >>> fill(river, "The Loire is 1,006 kilometres long.")
    {'name': 'Loire', 'km': 1006}
    """
    return _Filler(schema, text, spare or text).value(schema, 0, top=True)


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
            case "integer" | "number":
                return self._number(schema)
            case _:
                return self._string(schema)

    def _option(self, options: list[Any]) -> Any:
        """The option that the text names first, else the first."""
        named = [
            (found.start(), option)
            for option in options
            if isinstance(option, str) and option
            if (found := re.search(rf"(?<!\w){re.escape(option.lower())}(?!\w)", self._text))
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

    def _number(self, schema: Schema) -> float:
        found = self._mentions.take("number", lambda value: _is_number(value, schema))
        return _plain_number(schema) if found is None else found

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


def _is_number(value: float, schema: Schema) -> bool:
    step = schema.get("multipleOf")
    return (
        (kind_of(schema) != "integer" or float(value).is_integer())
        and schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        and (not step or math.isclose(value / step, round(value / step)))
    )


def _plain_number(schema: Schema) -> float:
    """Zero, else a number at or beside a bound, else one between two bounds."""
    step = schema.get("multipleOf") or 1
    bounds = [schema[name] for name in _BOUNDS if name in schema]
    beside = [(math.floor(bound / step) + more) * step for bound in bounds for more in (0, 1, -1)]
    candidates = [0, *sorted(beside + bounds, key=abs), sum(bounds) / max(1, len(bounds))]
    fitting = [int(value) if float(value).is_integer() else value for value in candidates]
    return next((value for value in fitting if _is_number(value, schema)), 0)


def _is_string(value: str, schema: Schema) -> bool:
    sized = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
    return sized and _matches(value, schema.get("pattern"))


def _matches(value: str, pattern: Any) -> bool:
    try:
        return not isinstance(pattern, str) or re.search(pattern, value) is not None
    except re.error:  # another dialect: nothing can be said
        return True


def _plain_string(schema: Schema) -> str:
    samples = (
        sample.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")] for sample in _SAMPLES
    )
    return next((sample for sample in samples if _matches(sample, schema.get("pattern"))), _SAMPLES[0])


def _distinct(made: list[Any], items: Schema) -> list[Any]:
    """Make equal items differ: the options of an enum, numbers in steps, texts with a number appended."""
    if "enum" in items:
        return list(items["enum"][: len(made)])
    first = made[0] if made else None
    if isinstance(first, str):
        return [f"{first}{position or ''}" for position in range(len(made))]
    if isinstance(first, int | float) and not isinstance(first, bool):
        return [first + position * (items.get("multipleOf") or 1) for position in range(len(made))]
    return made[:1]
